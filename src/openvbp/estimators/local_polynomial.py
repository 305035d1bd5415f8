r"""Jumps and kinks at a cutoff by local polynomials: estimate, bias correction, robust error, bandwidth.

Calonico, Cattaneo and Titiunik 2014, Robust Nonparametric Confidence Intervals for Regression-Discontinuity Designs,
Econometrica 82; bandwidths after their section 2.6 and Imbens and Kalyanaraman 2012, Review of Economic Studies 79,
derived here from sums over the sample instead of constants of the kernel.

On each side of the cutoff a polynomial of degree :math:`p` is fitted with weights :math:`(1 - |x|/h)_+`. Its
coefficient of :math:`x^\nu` is linear in the outcome, :math:`\sum l_i y_i`; wanted is right less left. The bias of the
fit is :math:`(\sum l_i x_i^{p+1})\,\beta_{p+1}`, where :math:`\beta_{p+1} = \sum m_i y_i` comes from a fit of degree
:math:`p + 1` at bandwidth :math:`b`; the corrected estimate has weights :math:`l_i - (\sum l_j x_j^{p+1})\,m_i`, and
its variance is :math:`\sum (\cdot)^2\hat\sigma_i^2`, or the sum over clusters of squared sums of weights times
residuals. There :math:`\hat\sigma_i^2 = \frac{J}{J+1}(y_i - \bar y_{J(i)})^2` comes from the three nearest neighbours
of the same side, all of them where ties make more.

Mean squared error :math:`V h^{-1-2\nu} + B^2 h^{2(p+1-\nu)}` is least at
:math:`h^{2p+3} = (1 + 2\nu)V / (2(p + 1 - \nu)B^2)`. V and B are measured at a pilot bandwidth
:math:`2.576\min(s, IQR/1.349)\,n^{-1/5}`; :math:`3\,Var(\hat B)` is added to :math:`B^2`, so that a bias near zero does
not ask for an infinite bandwidth. For b the same is done for coefficient p + 1, with coefficient p + 2 from a
polynomial of degree p + 3 over all rows of a side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import Codes, Floats

Flags = npt.NDArray[np.bool_]

WHERE = "running variable"
LEAST_ROWS = 20
"""On each side: with fewer nothing can be said of a bandwidth."""
_NEIGHBOURS = 3
_REGULARIZATION = 3.0


@dataclass(frozen=True)
class Side:
    """Rows on one side of the cutoff: distance from it, outcome, variance of each outcome."""

    x: Floats
    y: Floats
    variance: Floats
    cluster: Codes | None

    def weights(self, bandwidth: float, degree: int) -> Floats:
        """Weights on outcomes that give the coefficients (degree + 1 × rows); infinite bandwidth: least squares."""
        kernel = np.maximum(0.0, 1 - np.abs(self.x) / bandwidth)
        scale = bandwidth if np.isfinite(bandwidth) else float(np.abs(self.x).max())
        powers = np.vander(self.x / scale, degree + 1, increasing=True)
        if np.unique(self.x[kernel > 0]).size <= degree:
            what = f"too few distinct values within {bandwidth:g} of the cutoff"
            raise InputDataError(Problem(what, WHERE, "choose a wider bandwidth, or another design"))
        root = np.sqrt(kernel)[:, None]
        solution = np.linalg.pinv(powers * root) * root[:, 0]
        return solution / scale ** np.arange(degree + 1)[:, None]


@dataclass(frozen=True)
class Break:
    """Right less left at the cutoff, in units of the outcome per unit of the running variable to the order wanted."""

    conventional: float
    conventional_error: float
    corrected: float
    """Less the estimated bias."""
    robust_error: float
    """Of the corrected estimate."""
    bandwidth: float
    bias_bandwidth: float
    rows: tuple[int, int]
    """Within the bandwidth, left and right."""
    clusters: int
    """Within the bandwidth; 0 without clusters."""


def sides(x: Floats, y: Floats, right: Flags, cluster: Codes | None = None) -> tuple[Side, Side]:
    """Part rows, left and right, and measure the variance of each outcome.

    Raises
    ------
    InputDataError
        If a side has fewer than 20 rows.
    """
    for name, rows in (("left", ~right), ("right", right)):
        if rows.sum() < LEAST_ROWS:
            what = f"{rows.sum()} rows {name} of the cutoff; at least {LEAST_ROWS} are needed"
            remedy = "look at the cutoff and at the side it treats; or use difference-in-differences or dose (bite)"
            raise InputDataError(Problem(what, WHERE, remedy, int(rows.sum())))
    left, after = (
        Side(x[rows], y[rows], _neighbour_variance(x[rows], y[rows]), None if cluster is None else cluster[rows])
        for rows in (~right, right)
    )
    return left, after


def _neighbour_variance(x: Floats, y: Floats) -> Floats:
    order = np.argsort(x, kind="stable")
    sorted_x, values = x[order], y[order] - y.mean()
    padded = np.concatenate([np.full(_NEIGHBOURS, -np.inf), sorted_x, np.full(_NEIGHBOURS, np.inf)])
    shifts = [shift for shift in range(2 * _NEIGHBOURS + 1) if shift != _NEIGHBOURS]
    distance = np.stack([np.abs(padded[shift : shift + x.size] - sorted_x) for shift in shifts], axis=1)
    reach = np.partition(distance, _NEIGHBOURS - 1, axis=1)[:, _NEIGHBOURS - 1] * (1 + 1e-12)
    first = np.searchsorted(sorted_x, sorted_x - reach, side="left")
    last = np.searchsorted(sorted_x, sorted_x + reach, side="right")
    total = np.concatenate([[0.0], np.cumsum(values)])
    count = last - first - 1
    mean = (total[last] - total[first] - values) / count
    variance = np.empty_like(y)
    variance[order] = count / (count + 1) * (values - mean) ** 2
    return variance


def break_at(
    left: Side,
    right: Side,
    *,
    derivative: int,
    degree: int,
    bandwidth: float | None = None,
    bias_bandwidth: float | None = None,
) -> Break:
    """Estimate the break in a derivative at the cutoff.

    Parameters
    ----------
    left, right
        See :func:`sides`.
    derivative, degree
        ν and p.
    bandwidth, bias_bandwidth
        h and b; none: with the least mean squared error. If only h is given, b equals it.
    """
    if bandwidth is None:
        bandwidth, best = _bandwidths(left, right, derivative, degree)
        bias_bandwidth = best if bias_bandwidth is None else bias_bandwidth
    bias_bandwidth = bandwidth if bias_bandwidth is None else bias_bandwidth
    plain, corrected = [], []
    for side in (left, right):
        first = side.weights(bandwidth, degree)[derivative]
        wider = side.weights(bias_bandwidth, degree + 1)
        weights = first - float(first @ side.x ** (degree + 1)) * wider[degree + 1]
        residuals = side.y - np.vander(side.x, degree + 2, increasing=True) @ (wider @ side.y)
        plain.append((side, first, residuals))
        corrected.append((side, weights, residuals))
    return Break(
        conventional=_right_less_left(plain),
        conventional_error=_error(plain),
        corrected=_right_less_left(corrected),
        robust_error=_error(corrected),
        bandwidth=float(bandwidth),
        bias_bandwidth=float(bias_bandwidth),
        rows=(int((np.abs(left.x) < bandwidth).sum()), int((np.abs(right.x) < bandwidth).sum())),
        clusters=0 if left.cluster is None else _clusters(corrected)[0].size,
    )


_Parts = list[tuple[Side, Floats, Floats]]
"""Each side with weights on its outcomes, and residuals."""


def _right_less_left(parts: _Parts) -> float:
    (left, before, _), (right, after, _) = parts
    return float(after @ right.y - before @ left.y)


def _error(parts: _Parts) -> float:
    if parts[0][0].cluster is None:
        return float(np.sqrt(sum(float(weights**2 @ side.variance) for side, weights, _ in parts)))
    clusters, at = _clusters(parts)
    scores = np.concatenate([(weights * residuals)[weights != 0] for _, weights, residuals in parts])
    # A cluster on both sides: its sums are subtracted, as the estimates are.
    signs = np.concatenate(
        [np.full(np.count_nonzero(weights), sign) for sign, (_, weights, _) in zip((-1, 1), parts, strict=True)]
    )
    sums = np.bincount(at, scores * signs)
    return float(np.sqrt(clusters.size / (clusters.size - 1) * (sums @ sums)))


def _clusters(parts: _Parts) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Clusters of rows with weight, and the cluster of each such row."""
    codes = [side.cluster[weights != 0] for side, weights, _ in parts if side.cluster is not None]
    return np.unique(np.concatenate(codes), return_inverse=True)


def _bandwidths(left: Side, right: Side, derivative: int, degree: int) -> tuple[float, float]:
    x = np.concatenate([left.x, right.x])
    low, high = np.quantile(x, (0.25, 0.75))
    pilot = wide_enough(left, right, 2.576 * min(x.std(ddof=1), (high - low) / 1.349) * x.size**-0.2, degree + 2)
    wide = _best(left, right, pilot, np.inf, degree + 1, degree + 1)
    wide = wide_enough(left, right, wide, degree + 2)
    narrow = _best(left, right, pilot, wide, derivative, degree)
    return wide_enough(left, right, narrow, degree + 1), wide


def _best(left: Side, right: Side, pilot: float, source: float, derivative: int, degree: int) -> float:
    """Bandwidth of a fit with the least error; its bias from a fit of one (or, over all rows, two) degrees more."""
    variance = bias = noise = 0.0
    for sign, side in ((-1.0, left), (1.0, right)):
        weights = side.weights(pilot, degree)[derivative]
        more = side.weights(source, degree + (1 if np.isfinite(source) else 2))[degree + 1]
        loading = float(weights @ side.x ** (degree + 1)) / pilot ** (degree + 1 - derivative)
        variance += float(weights**2 @ side.variance) * pilot ** (1 + 2 * derivative)
        bias += sign * loading * float(more @ side.y)
        noise += loading**2 * float(more**2 @ side.variance)
    order = degree + 1 - derivative
    error = 2 * order * (bias**2 + _REGULARIZATION * noise)
    if not (variance > 0 and error > 0):
        raise InputDataError(Problem("the outcome does not vary near the cutoff", WHERE, "look at the outcome"))
    return float(((1 + 2 * derivative) * variance / error) ** (1 / (2 * degree + 3)))


def wide_enough(left: Side, right: Side, bandwidth: float, degree: int) -> float:
    """Not wider than the rows, and so wide that each side has ten distinct values, or all it has."""
    distances = [np.unique(np.abs(side.x)) for side in (left, right)]
    least = max(values[min(max(10, degree + 2), values.size) - 1] for values in distances)
    return min(max(bandwidth, float(least) * (1 + 1e-9)), max(float(values[-1]) for values in distances))
