"""Effect at a cutoff of a program: rows just above against rows just below.

The running variable is the program's own score, the cutoff the program's own. Local linear fits with triangular weights
and the bandwidth of least mean squared error; the interval to report is the one corrected for bias with robust error
(:mod:`local_polynomial`, with ν = 0 and p = 1). What speaks for or against the design: a donut (rows nearest to the
cutoff left out), covariates as outcomes, other cutoffs, and the density of the running variable
(:mod:`running_variable_density`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from openvbp.errors import Problem, UsageError
from openvbp.estimators.arrays import Codes, Floats, checked_codes, checked_floats
from openvbp.estimators.estimate import LEVEL, Estimate, from_standard_error
from openvbp.estimators.local_polynomial import LEAST_ROWS, WHERE, Break, Flags, break_at, sides


@dataclass(frozen=True)
class Discontinuity:
    """Right less left at a cutoff, in the unit of the outcome."""

    cutoff: float
    conventional: Estimate
    """The local linear estimate; its interval ignores the bias."""
    robust: Estimate
    """Corrected for bias, with an error that counts the correction: the interval to report."""
    bandwidth: float
    bias_bandwidth: float
    left_rows: int
    """Within the bandwidth."""
    right_rows: int
    donut: float


def regression_discontinuity(
    outcome: npt.ArrayLike,
    running: npt.ArrayLike,
    cutoff: float,
    *,
    bandwidth: float | None = None,
    bias_bandwidth: float | None = None,
    donut: float = 0.0,
    cutoff_belongs_right: bool = True,
    cluster: npt.ArrayLike | None = None,
    level: float = LEVEL,
) -> Discontinuity:
    """Estimate the jump at the cutoff.

    Parameters
    ----------
    outcome, running
        One value per row (n).
    cutoff
        In the unit of the running variable.
    bandwidth, bias_bandwidth
        In the unit of the running variable; none: of least mean squared error. A given bandwidth also serves for the
        bias.
    donut
        Rows nearer to the cutoff are left out; also those at the cutoff, if above zero.
    cutoff_belongs_right
        Whether a row at the cutoff is on the right: as the program's rule says.
    cluster
        Codes (n) of clusters; none: rows are independent, with errors from nearest neighbours.
    level
        Of the intervals.

    Raises
    ------
    InputDataError
        If a side has fewer than 20 rows, or the bandwidth holds too few distinct values.
    """
    x, y, codes, right = _rows(outcome, running, cutoff, donut, cluster, belongs_right=cutoff_belongs_right)
    left_side, right_side = sides(x, y, right, codes)
    found = break_at(left_side, right_side, derivative=0, degree=1, bandwidth=bandwidth, bias_bandwidth=bias_bandwidth)
    conventional, robust = break_estimates(found, level)
    return Discontinuity(
        cutoff=float(cutoff),
        conventional=conventional,
        robust=robust,
        bandwidth=found.bandwidth,
        bias_bandwidth=found.bias_bandwidth,
        left_rows=found.rows[0],
        right_rows=found.rows[1],
        donut=float(donut),
    )


def break_estimates(found: Break, level: float = LEVEL, divisor: float = 1.0) -> tuple[Estimate, Estimate]:
    """Give the conventional and the robust estimate of a break, divided by a known number."""
    freedom = found.clusters - 1 if found.clusters else None
    conventional, robust = (
        from_standard_error(
            value / divisor,
            error / abs(divisor),
            observations=sum(found.rows),
            clusters=found.clusters,
            degrees_of_freedom=freedom,
            level=level,
        )
        for value, error in (
            (found.conventional, found.conventional_error),
            (found.corrected, found.robust_error),
        )
    )
    return conventional, robust


def other_cutoff(
    outcome: npt.ArrayLike,
    running: npt.ArrayLike,
    cutoff: float,
    other: float,
    *,
    cutoff_belongs_right: bool = True,
) -> Discontinuity:
    """Estimate the jump where there is no cutoff, from rows on the same side of the true one.

    Parameters
    ----------
    outcome, running, cutoff, cutoff_belongs_right
        See :func:`regression_discontinuity`.
    other
        Cutoff to try.
    """
    y, x = checked_floats(outcome, "outcome"), checked_floats(running, "running variable")
    if other == cutoff:
        raise UsageError(Problem(f"{other:g} is the cutoff itself", "other cutoffs", "leave it out"))
    right = x >= cutoff if cutoff_belongs_right else x > cutoff
    chosen = right if other > cutoff else ~right
    return regression_discontinuity(y[chosen], x[chosen], other, cutoff_belongs_right=cutoff_belongs_right)


def usual_other_cutoffs(running: npt.ArrayLike, cutoff: float) -> tuple[float, ...]:
    """Medians of the running variable on each side of the cutoff, where a side has rows enough for both halves.

    Imbens and Lemieux 2008, Journal of Econometrics 142, section 8.3.
    """
    x = checked_floats(running, "running variable")
    parts = [x[x < cutoff], x[x > cutoff]]
    return tuple(float(np.median(part)) for part in parts if part.size >= 4 * LEAST_ROWS)


def _rows(
    outcome: npt.ArrayLike,
    running: npt.ArrayLike,
    cutoff: float,
    donut: float,
    cluster: npt.ArrayLike | None,
    *,
    belongs_right: bool,
) -> tuple[Floats, Floats, Codes | None, Flags]:
    y = checked_floats(outcome, "outcome")
    x = checked_floats(running, "running variable", y.size) - cutoff
    if not np.isfinite(cutoff) or donut < 0:
        raise UsageError(
            Problem(f"cutoff {cutoff} or donut {donut} is none", WHERE, "give a finite cutoff, a donut ≥ 0")
        )
    codes = None if cluster is None else checked_codes(cluster, "cluster", y.size)[0]
    kept = (np.abs(x) >= donut) & (x != 0) if donut > 0 else np.ones(x.size, dtype=bool)
    right = x >= 0 if belongs_right else x > 0
    return x[kept], y[kept], None if codes is None else codes[kept], right[kept]
