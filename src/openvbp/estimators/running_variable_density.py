r"""Whether the density of a running variable jumps at the cutoff: a sign that scores were moved across it.

After Cattaneo, Jansson and Ma 2020, Simple Local Polynomial Density Estimators, Journal of the American Statistical
Association 115. On each side a polynomial of degree 3 is fitted to the empirical distribution function at the rows,
with weights :math:`(1 - |x|/h)_+`; its slope at the cutoff, :math:`\hat f = \sum_i l_i \hat F(x_i)`, is the density.
Since :math:`\hat F` is a mean over rows, each row j has influence :math:`\sum_i l_i (1[x_j \le x_i] - \hat F(x_i))/n`,
from which the variance of right less left follows, with the covariance of the sides.

The bandwidth has the least mean squared error for degree 2 (bias :math:`\propto h^2`, variance
:math:`\propto 1/h`), both measured at a pilot bandwidth; a fit of one degree more at it leaves a bias that does not
matter for the test, as in the robust test of the paper. Scores on a lattice (counts, percentages of small denominators)
have no density: for them count those one short against those just enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import Floats, checked_floats
from openvbp.estimators.local_polynomial import LEAST_ROWS, WHERE, Flags, Side, wide_enough

_DEGREE = 3
_LEAST_DISTINCT = 0.5
"""Share of distinct values below which a running variable is a lattice."""


@dataclass(frozen=True)
class DensityTest:
    """Density at the cutoff, per unit of the running variable."""

    left: float
    right: float
    jump: float
    """Right less left."""
    standard_error: float
    p_value: float
    """Two-sided, of no jump."""
    bandwidth: float
    left_rows: int
    """Within the bandwidth."""
    right_rows: int


def density_test(
    running: npt.ArrayLike, cutoff: float, *, bandwidth: float | None = None, cutoff_belongs_right: bool = True
) -> DensityTest:
    """Test the density at the cutoff.

    Parameters
    ----------
    running
        One value per row (n).
    cutoff
        In the unit of the running variable.
    bandwidth
        In this unit; none: see above.
    cutoff_belongs_right
        Whether a row at the cutoff is on the right.

    Raises
    ------
    InputDataError
        If a side has fewer than 20 rows, or values lie on a lattice.
    """
    x = np.sort(checked_floats(running, "running variable")) - cutoff
    right = x >= 0 if cutoff_belongs_right else x > 0
    if min(right.sum(), (~right).sum()) < LEAST_ROWS:
        what = f"{(~right).sum()} rows left and {right.sum()} right of the cutoff; at least {LEAST_ROWS} are needed"
        raise InputDataError(Problem(what, WHERE, "look at the cutoff"))
    if np.unique(x).size < _LEAST_DISTINCT * x.size:
        remedy = "count rows one short of the cutoff against those just enough, as for counts of patients"
        raise InputDataError(Problem("most values of the running variable are tied: it has no density", WHERE, remedy))
    distribution = np.searchsorted(x, x, side="right") / x.size
    parts = [Side(x[rows], distribution[rows], np.zeros(0), None) for rows in (~right, right)]
    width = _bandwidth(x, right, parts) if bandwidth is None else float(bandwidth)
    slopes = [part.weights(width, _DEGREE)[1] for part in parts]
    densities = [float(slope @ part.y) for slope, part in zip(slopes, parts, strict=True)]
    error = float(np.sqrt(_variance(x, right, slopes)))
    jump = densities[1] - densities[0]
    return DensityTest(
        left=densities[0],
        right=densities[1],
        jump=jump,
        standard_error=error,
        p_value=float(2 * norm.sf(abs(jump) / error)),
        bandwidth=width,
        left_rows=int((np.abs(parts[0].x) < width).sum()),
        right_rows=int((np.abs(parts[1].x) < width).sum()),
    )


def _variance(x: Floats, right: Flags, slopes: list[Floats]) -> float:
    """Variance of right less left; x ascending, ties counted together."""
    weights = np.empty(x.size)
    weights[~right], weights[right] = -slopes[0], slopes[1]
    total = np.concatenate([np.cumsum(weights[::-1])[::-1], [0.0]])
    above = total[np.searchsorted(x, x, side="left")]
    return float(((above - above.mean()) ** 2).sum()) / x.size**2


def _bandwidth(x: Floats, right: Flags, parts: list[Side]) -> float:
    low, high = np.quantile(x, (0.25, 0.75))
    pilot = 2.576 * min(x.std(ddof=1), (high - low) / 1.349) * x.size**-0.2
    left, after = parts
    pilot = wide_enough(left, after, pilot, _DEGREE)
    slopes = [part.weights(pilot, 2)[1] for part in parts]
    thirds = [part.weights(2 * pilot, _DEGREE)[3] for part in parts]
    loading = [float(slope @ part.x**3) / pilot**2 for slope, part in zip(slopes, parts, strict=True)]
    curves = [float(third @ part.y) for third, part in zip(thirds, parts, strict=True)]
    bias = loading[1] * curves[1] - loading[0] * curves[0]
    noise = _variance(x, right, [load * third for load, third in zip(loading, thirds, strict=True)])
    best = (_variance(x, right, slopes) * pilot / (4 * (bias**2 + 3 * noise))) ** 0.2
    return wide_enough(left, after, float(best), _DEGREE)
