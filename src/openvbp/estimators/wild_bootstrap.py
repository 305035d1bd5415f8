"""Wild cluster bootstrap: the distribution of t when residuals keep or change their sign cluster by cluster.

Cameron, Gelbach and Miller 2008, Review of Economics and Statistics 90, with the null imposed; computed from sums over
clusters as in Roodman and others 2019, Stata Journal 19 ("fast and wild"), so that a draw costs as much as there are
clusters, not rows. With d the covariate after all else was taken out of it, v the draws, and δ = b − b₀:

b* − b₀ = Σ v_g (d_g'e_g + δ d_g'd_g) / d'd
s*_g = v_g (d_g'e_g + δ d_g'd_g) − d_g'd_g (b* − b₀) − d_g'Z_g M Σ_h v_h Z_h'(e_h + δ d_h)

Both are linear in δ, so the test is inverted for an interval without drawing again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from openvbp.errors import Problem, UsageError
from openvbp.estimators.arrays import Floats
from openvbp.estimators.cluster_design import cluster_design
from openvbp.estimators.cluster_robust import checked_clusters, cluster_robust
from openvbp.estimators.estimate import LEVEL, Estimate
from openvbp.estimators.least_squares import LeastSquares

DISTRIBUTIONS = {
    "rademacher": np.array([-1.0, 1.0]),
    "webb": np.concatenate([-np.sqrt([1.5, 1.0, 0.5]), np.sqrt([0.5, 1.0, 1.5])]),
}
"""Of the draws; Webb 2023, Canadian Journal of Economics 56, for few clusters."""
FEW_CLUSTERS = 12
"""Below it two values per cluster give too few different samples: six are drawn from."""
_AT_ONCE = 2_000_000
_TIE = 1e-9
_WIDEST = 1e6


@dataclass(frozen=True)
class WildBootstrap:
    """A test and an interval."""

    estimate: Estimate
    """Standard error of kind CR1; limits and p-value by the bootstrap; infinite limits where no value is refused."""
    draws: int
    distribution: str


def wild_bootstrap(
    fit: LeastSquares,
    name: str,
    clusters: ArrayLike,
    *,
    seed: int,
    draws: int = 9_999,
    distribution: str | None = None,
    level: float = LEVEL,
) -> WildBootstrap:
    """Test one coefficient.

    Parameters
    ----------
    fit
        Least squares.
    name
        Of the covariate.
    clusters
        Whole numbers (n).
    seed
        The same seed gives the same draws.
    draws
        At least 99.
    distribution
        ``rademacher`` or ``webb``; none: webb below 12 clusters.
    level
        Of the interval.

    Raises
    ------
    InputDataError
        If all rows are in one cluster.
    UsageError
        If there is no such covariate or distribution, or there are too few draws.
    """
    place = fit.position(name)
    codes, count = checked_clusters(fit, clusters)
    chosen = distribution or ("webb" if count < FEW_CLUSTERS else "rademacher")
    if chosen not in DISTRIBUTIONS:
        what = f"no draws of distribution '{chosen}'"
        raise UsageError(Problem(what, "distribution", "one of: " + ", ".join(DISTRIBUTIONS)))
    if draws < 99:
        raise UsageError(Problem(f"{draws} draws are too few for a p-value", "draws", "take 999 or more"))
    classic = cluster_robust(fit, codes).estimate(name)
    statistics = _statistics(_sums(fit, place, codes, count), draws, DISTRIBUTIONS[chosen], seed)
    reach = statistics.sample_scale**-0.5
    low = classic.estimate - statistics.farthest(reach, 1 - level)
    high = classic.estimate + statistics.farthest(-reach, 1 - level)
    p_value = statistics.p_value(classic.estimate)
    tested = replace(classic, low=low, high=high, p_value=p_value, degrees_of_freedom=None)
    return WildBootstrap(tested, draws, chosen)


@dataclass(frozen=True)
class _Sums:
    """Over clusters (G), r directions of the other columns."""

    residual: Floats
    """d_g'e_g."""
    squared: Floats
    """d_g'd_g."""
    others_residual: Floats
    """Z_g'e_g L (G × r)."""
    others: Floats
    """Z_g'd_g L (G × r)."""


def _sums(fit: LeastSquares, place: int, codes: np.ndarray, count: int) -> _Sums:
    left = fit.bread[place] / fit.bread[place, place] @ fit.within
    weighted = left if fit.weights is None else left * fit.weights
    design = cluster_design(fit, codes, count)
    other, root = design.others(place)
    return _Sums(
        residual=np.bincount(codes, weighted * fit.residuals, count),
        squared=np.bincount(codes, weighted * left, count),
        others_residual=design.sums(fit.residuals)[:, other] @ root,
        others=design.sums(left)[:, other] @ root,
    )


@dataclass(frozen=True)
class _Statistics:
    """t² of each draw at any δ: (n0 + δ n1)² / (q0 + 2δ q1 + δ² q2), and of the sample: (δ C)² / q."""

    numerator: tuple[Floats, Floats]
    squares: tuple[Floats, Floats, Floats]
    sample_scale: float
    """C² / q."""

    def p_value(self, distance: float) -> float:
        """Share of draws at least as far out as the sample, which counts as one, if b₀ = b − distance."""
        first, second, third = self.squares
        drawn = (self.numerator[0] + distance * self.numerator[1]) ** 2
        spread = np.maximum(first + 2 * distance * second + distance**2 * third, 0)
        sample = distance**2 * self.sample_scale
        return float((1 + np.count_nonzero(drawn >= sample * spread * (1 - _TIE))) / (1 + len(drawn)))

    def farthest(self, step: float, refused: float) -> float:
        """Distance from b, along a step, at which p falls to what is refused; infinite if it does not."""
        inside, outside = 0.0, 1.0
        while self.p_value(outside * step) > refused:
            inside, outside = outside, outside * 2
            if outside > _WIDEST:
                return math.inf
        for _halving in range(60):
            middle = (inside + outside) / 2
            if self.p_value(middle * step) > refused:
                inside = middle
            else:
                outside = middle
        return inside * abs(step)


def _statistics(sums: _Sums, draws: int, values: Floats, seed: int) -> _Statistics:
    random = np.random.default_rng(seed)
    count, total = len(sums.squared), float(sums.squared.sum())
    parts: list[list[Floats]] = []
    chunk = max(1, _AT_ONCE // count)
    for first in range(0, draws, chunk):
        signs = values[random.integers(0, len(values), (min(chunk, draws - first), count))]
        constant, constant_scores = _scores(signs, sums.residual, sums.others_residual, sums, total)
        slope, slope_scores = _scores(signs, sums.squared, sums.others, sums, total)
        parts.append(
            [
                constant,
                slope,
                np.einsum("rg,rg->r", constant_scores, constant_scores),
                np.einsum("rg,rg->r", constant_scores, slope_scores),
                np.einsum("rg,rg->r", slope_scores, slope_scores),
            ]
        )
    n0, n1, q0, q1, q2 = (np.concatenate(one) for one in zip(*parts, strict=True))
    return _Statistics((n0, n1), (q0, q1, q2), total**2 / float(sums.residual @ sums.residual))


def _scores(signs: Floats, own: Floats, others: Floats, sums: _Sums, total: float) -> tuple[Floats, Floats]:
    """Numerator (b* − b₀) d'd of each draw, and the scores of its clusters."""
    numerator = signs @ own
    scores = signs * own
    scores -= np.outer(numerator / total, sums.squared)
    scores -= (signs @ others) @ sums.others.T
    return numerator, scores
