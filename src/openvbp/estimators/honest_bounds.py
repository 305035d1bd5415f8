r"""What an event study says when trends need not be parallel, only not much worse than before treatment.

Rambachan and Roth 2023, A More Credible Approach to Parallel Trends, Review of Economic Studies 90. Estimates
:math:`\hat\beta \sim N(\delta + \tau, \Sigma)` with the bias :math:`\delta` (zero in the reference period, the last one
before treatment) and effects :math:`\tau` (zero before). Wanted is :math:`\theta = l'\tau`.

Relative magnitudes (their section 2.4.1): no step of the bias after the reference exceeds :math:`\bar M` times the
largest step before. That set is the union, over the period :math:`s` and sign of the largest step :math:`m`, of
:math:`\{|\delta_t - \delta_{t-1}| \le \bar M m\}`; the interval is the hull of the union of theirs, so it holds
:math:`\theta` at least as often as each of them.

Each is the inversion of the hybrid test of Andrews, Roth and Pakes 2023 (Inference for Linear Conditional Moment
Inequalities, Review of Economic Studies 90): :math:`\hat\eta = \min\{\eta : \exists \tau, l'\tau = \theta,
A(\hat\beta - \tau) \le \eta\tilde\sigma\}` is compared with a least favourable critical value (size
:math:`\kappa = \alpha/10`), then, given the vertex of the dual that attains it, with a truncated normal (size
:math:`(\alpha - \kappa)/(1 - \kappa)`). Rows of :math:`A` bound steps after the reference; :math:`\tilde\sigma` are
their standard errors.

No linear program is solved: vertices of the dual are known. With :math:`L_t = \sum_{u \ge t} l_u`, so that
:math:`l'\delta = \sum_t L_t(\delta_t - \delta_{t-1})`, they are (up to scale)

* :math:`\pm(l'\hat\beta - \theta) - \bar M m \sum_t |L_t|`: the sum of steps that matter, of the sign that matters;
* :math:`-2\bar M m`: the two bounds of one step, of which there is one for each period after the reference.

:math:`\hat\eta` is their maximum, so that a grid of :math:`\theta` is tested at once.

The plug-in interval (largest difference before × M̄ ± 1.96 standard errors) ignores that this difference is estimated:
it covers too rarely with one period before treatment, or with one violated period.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr, ndtri_exp

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import Floats
from openvbp.estimators.estimate import LEVEL

Flags = npt.NDArray[np.bool_]

WHERE = "honest bounds"
MULTIPLES = (0.0, 0.5, 1.0, 1.5, 2.0)
_FIRST_STAGE = 0.1
"""Share of the error that the least favourable test may use (κ/α)."""
_DRAWS = 5_000
_GRID = 400
_HALVINGS = 30


@dataclass(frozen=True)
class EventStudy:
    """Effects by successive periods, without the reference period between before and after."""

    before: Floats
    """Oldest first, the period next to the reference last."""
    after: Floats
    covariance: Floats
    """Of before and after, in this order."""
    weights: Floats
    """l: of the periods after; sums to one for a mean."""

    @property
    def point(self) -> float:
        """l'β̂ after."""
        return float(self.weights @ self.after)

    @property
    def estimates(self) -> Floats:
        """Before and after."""
        return np.concatenate([self.before, self.after])

    @property
    def target(self) -> Floats:
        """Weights on all estimates."""
        return np.concatenate([np.zeros(self.before.size), self.weights])


@dataclass(frozen=True)
class HonestInterval:
    """Interval of the mean effect for one allowed violation."""

    allowed: float
    """M̄ (a multiple), or M (in the unit of the outcome, per squared period)."""
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the sign of the effect survives."""
        return self.low > 0 or self.high < 0


def event_study(
    before: npt.ArrayLike, after: npt.ArrayLike, covariance: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> EventStudy:
    """Check an event study.

    Parameters
    ----------
    before, after
        Estimates by successive periods, oldest first, without the reference period; at least one of each.
    covariance
        Of before and after in this order (square).
    weights
        Of the periods after; none: their mean.

    Raises
    ------
    InputDataError
        If a part is empty or not finite, shapes differ, or the covariance is none.
    """
    pre, post = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    matrix = np.asarray(covariance, dtype=np.float64)
    share = np.full(post.size, 1 / max(post.size, 1)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not pre.size:
        raise wrong(
            "no period before the reference period", "honest bounds need one: state no bound, or another design"
        )
    if not post.size or share.shape != post.shape or not np.any(share):
        raise wrong("no weighted period after the reference period", "give effects after, and one weight for each")
    if matrix.shape != (pre.size + post.size,) * 2:
        raise wrong(f"covariance is {matrix.shape}", f"give {pre.size + post.size} rows and columns")
    if not (np.isfinite(pre).all() and np.isfinite(post).all() and np.isfinite(matrix).all()):
        raise wrong("an estimate or covariance is missing", "leave out periods without an estimate at either end")
    if np.abs(matrix - matrix.T).max() > 1e-8 * np.abs(matrix).max() or np.diag(matrix).min() <= 0:
        raise wrong("covariance is not symmetric with positive variances", "give the clustered covariance")
    return EventStudy(pre, post, (matrix + matrix.T) / 2, share)


def relative_magnitude_bounds(
    study: EventStudy, multiples: Sequence[float] = MULTIPLES, *, level: float = LEVEL, seed: int = 0
) -> tuple[HonestInterval, ...]:
    """Bound the effect when steps of the bias are at most M̄ times the largest step before treatment.

    Parameters
    ----------
    study
        See :func:`event_study`.
    multiples
        Values of M̄.
    level, seed
        Coverage; and of the draws behind the least favourable critical value.
    """
    draws = _draws(study, seed)
    return tuple(_bounds(study, float(multiple), draws, 1 - level) for multiple in multiples)


def breakdown_multiple(study: EventStudy, *, largest: float = 5.0, level: float = LEVEL, seed: int = 0) -> float:
    """Smallest M̄ (to .01) at which no effect cannot be excluded; infinite if above ``largest``.

    Parameters
    ----------
    study, level, seed
        See :func:`relative_magnitude_bounds`.
    largest
        Where to stop.
    """
    draws = _draws(study, seed)

    def accepts(multiple: float) -> bool:
        return any(part.accepts(np.zeros(1), 1 - level)[0] for part in _parts(study, multiple, draws, 1 - level))

    steps = np.append(np.arange(0.0, largest, 0.25), largest)
    above = next((float(step) for step in steps if accepts(step)), float("inf"))
    below = max(0.0, above - 0.25)
    while np.isfinite(above) and above - below > 0.01:
        middle = (below + above) / 2
        below, above = (below, middle) if accepts(middle) else (middle, above)
    return above


def _bounds(study: EventStudy, multiple: float, draws: Floats, size: float) -> HonestInterval:
    edges = [limits for part in _parts(study, multiple, draws, size) if (limits := part.interval(size)) is not None]
    if not edges:
        return HonestInterval(multiple, float("nan"), float("nan"))
    lows, highs = zip(*edges, strict=True)
    return HonestInterval(multiple, min(lows), max(highs))


@dataclass(frozen=True)
class _Part:
    """The test where one step before treatment is the largest: rows of V with Yⱼ = Vⱼβ̂ + slopeⱼθ ≤ 0 if θ is true."""

    values: Floats
    slopes: Floats
    covariance: Floats
    least_favourable: float
    """Critical value of the first stage."""

    def accepts(self, theta: Floats, size: float) -> Flags:
        """Test each θ."""
        y = self.values + theta[:, None] * self.slopes
        top = y.argmax(axis=1)
        statistic = y[np.arange(theta.size), top]
        second = size * (1 - _FIRST_STAGE) / (1 - size * _FIRST_STAGE)
        critical = np.empty(theta.size)
        for vertex in np.unique(top):
            chosen = top == vertex
            critical[chosen] = self._conditional(y[chosen], int(vertex), second)
        return (statistic <= self.least_favourable) & (statistic <= critical)

    def _conditional(self, y: Floats, vertex: int, size: float) -> Floats:
        """Critical value given that this vertex attains the maximum."""
        variance = self.covariance[vertex, vertex]
        relation = self.covariance[:, vertex] / variance
        rest = y - y[:, [vertex]] * relation
        lower, upper = np.full(y.shape[0], -np.inf), np.full(y.shape[0], self.least_favourable)
        for other, slope in enumerate(relation):
            if other == vertex or abs(1 - slope) < 1e-9:
                continue
            edge = rest[:, other] / (1 - slope)
            lower, upper = (np.maximum(lower, edge), upper) if slope < 1 else (lower, np.minimum(upper, edge))
        deviation = np.sqrt(variance)
        return np.maximum(0.0, deviation * _truncated_quantile(1 - size, lower / deviation, upper / deviation))

    def interval(self, size: float) -> tuple[float, float] | None:
        """Hull of accepted θ; none where the data contradict that this step was the largest."""
        fixed, falling, rising = (self.values[self.slopes == 0], self.slopes < 0, self.slopes > 0)
        if fixed.size and fixed.max() > self.least_favourable:
            return None
        ends = (self.least_favourable - self.values) / np.where(self.slopes == 0, 1.0, self.slopes)
        low, high = ends[falling].max(), ends[rising].min()
        if low > high:
            return None
        grid = np.linspace(low, high, _GRID)
        accepted = np.flatnonzero(self.accepts(grid, size))
        if not accepted.size:
            return None
        first, last = int(accepted[0]), int(accepted[-1])
        left = grid[0] if first == 0 else self._edge(grid[first], grid[first - 1], size)
        right = grid[-1] if last == _GRID - 1 else self._edge(grid[last], grid[last + 1], size)
        return float(left), float(right)

    def _edge(self, inside: float, outside: float, size: float) -> float:
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if self.accepts(np.array([middle]), size)[0] else (inside, middle)
        return inside


def _parts(study: EventStudy, multiple: float, draws: Floats, size: float) -> Iterator[_Part]:
    """One test per step before treatment and sign."""
    steps_before, steps_after = _steps(study.before.size, study.after.size)
    reach = np.cumsum(study.weights[::-1])[::-1]
    for step in steps_before:
        for sign in (1.0, -1.0):
            rows, slopes = _vertices(study, multiple * sign * step, steps_after, reach)
            critical = float(np.quantile((draws @ rows.T).max(axis=1), 1 - size * _FIRST_STAGE))
            yield _Part(rows @ study.estimates, slopes, rows @ study.covariance @ rows.T, critical)


def _vertices(study: EventStudy, allowed: Floats, steps_after: Floats, reach: Floats) -> tuple[Floats, Floats]:
    """Vertices of the dual, so scaled that their multipliers times standard errors of the rows sum to one."""

    def errors(rows: Floats) -> Floats:
        return np.sqrt(np.einsum("ij,jk,ik->i", rows, study.covariance, rows))

    up, down = errors(steps_after - allowed), errors(-steps_after - allowed)
    size, positive = np.abs(reach), reach > 0
    scale_up = float(size @ np.where(positive, up, down))
    scale_down = float(size @ np.where(positive, down, up))
    above = (study.target - size.sum() * allowed) / scale_up
    below = (-study.target - size.sum() * allowed) / scale_down
    rows, slopes = [above, below], [-1 / scale_up, 1 / scale_down]
    if study.after.size > 1 and np.any(allowed):
        rows += list(-2 * allowed / (up + down)[:, None])
        slopes += [0.0] * study.after.size
    return np.array(rows), np.array(slopes)


def _steps(before: int, after: int) -> tuple[Floats, Floats]:
    """Differences of successive periods as rows on the estimates; the reference period is zero."""
    periods = np.insert(np.eye(before + after), before, 0.0, axis=0)
    steps = np.diff(periods, axis=0)
    return steps[:before], steps[before:]


def _truncated_quantile(probability: float, lower: Floats, upper: Floats) -> Floats:
    """Quantile of a standard normal truncated to (lower, upper), by logarithms of upper tails."""
    tail_lower, tail_upper = log_ndtr(-lower), log_ndtr(-upper)
    share = probability * -np.expm1(np.minimum(tail_upper - tail_lower, 0.0))
    return -ndtri_exp(tail_lower + np.log1p(-np.minimum(share, 1 - 1e-16)))


def _draws(study: EventStudy, seed: int) -> Floats:
    """Errors of the estimates (draws × estimates)."""
    values, vectors = np.linalg.eigh(study.covariance)
    normal = np.random.default_rng(seed).standard_normal((_DRAWS, values.size))
    return normal @ (vectors * np.sqrt(np.maximum(values, 0.0))).T


def wrong(what: str, what_to_do: str) -> InputDataError:
    """Make the error of an event study that cannot be bounded."""
    return InputDataError(Problem(what, WHERE, what_to_do))
