r"""Effect of a payment whose slope changes at a known score.

Card, Lee, Pei and Weber 2015, Inference on Causal Effects in a Generalized Regression Kink Design, Econometrica 83: the
effect of one more unit of payment is

.. math:: \frac{E'[Y \mid x = c^+] - E'[Y \mid x = c^-]}{b'(c^+) - b'(c^-)}

with the payment's slopes :math:`b'` known from the program. Slopes of the outcome come from local quadratic fits with
triangular weights, the bandwidth of least mean squared error, and correction for bias (:mod:`local_polynomial`, with
ν = 1 and p = 2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import checked_codes, checked_floats
from openvbp.estimators.estimate import LEVEL, Estimate
from openvbp.estimators.local_polynomial import break_at, sides
from openvbp.estimators.regression_discontinuity import break_estimates


@dataclass(frozen=True)
class Kink:
    """Effect of one unit of payment at the kink."""

    cutoff: float
    conventional: Estimate
    robust: Estimate
    """Corrected for bias: the interval to report."""
    slope_change: Estimate
    """Of the outcome per unit of the running variable, corrected for bias."""
    payment_slope_change: float
    bandwidth: float
    bias_bandwidth: float
    left_rows: int
    """Within the bandwidth."""
    right_rows: int


def regression_kink(
    outcome: npt.ArrayLike,
    running: npt.ArrayLike,
    cutoff: float,
    payment_slopes: tuple[float, float],
    *,
    bandwidth: float | None = None,
    bias_bandwidth: float | None = None,
    cluster: npt.ArrayLike | None = None,
    level: float = LEVEL,
) -> Kink:
    """Estimate the effect of payment at its kink.

    Parameters
    ----------
    outcome, running
        One value per row (n).
    cutoff
        The kink, in the unit of the running variable.
    payment_slopes
        Change of payment per unit of the running variable, left and right of the kink, by the program's rule.
    bandwidth, bias_bandwidth
        In the unit of the running variable; none: of least mean squared error.
    cluster
        Codes (n) of clusters; none: rows are independent.
    level
        Of the intervals.

    Raises
    ------
    InputDataError
        If payment has no kink, or a side has too few rows.
    """
    change = float(payment_slopes[1] - payment_slopes[0])
    if not np.isfinite(change) or change == 0:
        remedy = "look for the score at which the payment's slope changes; at a jump use regression discontinuity"
        raise InputDataError(Problem("the payment has the same slope on both sides", f"cutoff {cutoff:g}", remedy))
    y = checked_floats(outcome, "outcome")
    x = checked_floats(running, "running variable", y.size) - cutoff
    codes = None if cluster is None else checked_codes(cluster, "cluster", y.size)[0]
    left, right = sides(x, y, x >= 0, codes)
    found = break_at(left, right, derivative=1, degree=2, bandwidth=bandwidth, bias_bandwidth=bias_bandwidth)
    conventional, robust = break_estimates(found, level, change)
    return Kink(
        cutoff=float(cutoff),
        conventional=conventional,
        robust=robust,
        slope_change=break_estimates(found, level)[1],
        payment_slope_change=change,
        bandwidth=found.bandwidth,
        bias_bandwidth=found.bias_bandwidth,
        left_rows=found.rows[0],
        right_rows=found.rows[1],
    )
