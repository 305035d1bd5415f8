"""Many outcomes: q-values over a list of them, and calibration by outcomes that a program cannot have touched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import Floats
from openvbp.estimators.estimate import LEVEL, Estimate, quantile

_LEAST_CONTROLS = 5


def sharpened_q_values(p_values: ArrayLike) -> Floats:
    """Give the false discovery rate at which each hypothesis is first rejected, in two stages.

    Benjamini, Krieger and Yekutieli 2006, as in Anderson 2008, JASA 103 (whose program goes through rates in steps of
    .001; here they are exact): at rate q the first stage rejects r of m by Benjamini and Hochberg at q' = q/(1 + q),
    the second by theirs at q' m/(m − r).

    Parameters
    ----------
    p_values
        One per outcome (m); nan where there is none: it does not count, and its q is nan.

    Raises
    ------
    InputDataError
        If a p-value is outside 0 to 1, or there is none.
    """
    given = np.asarray(p_values, dtype=np.float64)
    known = ~np.isnan(given)
    values, count = given[known], int(known.sum())
    if not count or values.min() < 0 or values.max() > 1:
        remedy = "give at least one p-value, all between 0 and 1"
        raise InputDataError(Problem(f"{count} p-values, or some outside 0 to 1", "p_values", remedy))
    order = np.argsort(values, kind="stable")
    ratios = values[order] * count / np.arange(1, count + 1)
    # Rate of Benjamini and Hochberg from which each is rejected, in order of p.
    rates = np.minimum.accumulate(ratios[::-1])[::-1]
    first_stage = np.full(count, np.inf)
    for rejected in range(count + 1):
        begins = rates[rejected - 1] if rejected else 0.0
        ends = rates[rejected] if rejected < count else np.inf
        at = np.maximum(begins, rates * (count - rejected) / count)
        first_stage = np.where(at < ends, np.minimum(first_stage, at), first_stage)
    # q' = q/(1 + q) comes to 1/2 at q = 1.
    q_values = np.where(first_stage < 0.5, first_stage / (1 - np.minimum(first_stage, 0.5)), 1.0)
    result = np.full(given.shape, np.nan)
    places = np.flatnonzero(known)
    result[places[order]] = q_values
    return result


@dataclass(frozen=True)
class EmpiricalNull:
    """Distribution of errors that a standard error does not know of: normal with this mean and deviation."""

    mean: float
    standard_deviation: float
    controls: int

    def calibrated(self, estimate: Estimate, level: float = LEVEL) -> Estimate:
        """Move an estimate by the mean error, widen its error, and take p-value and limits from the normal.

        Limits hold if the error is the same at effects other than zero (Schuemie and others 2018 check that by positive
        controls, which a program has none of).
        """
        error = math.hypot(self.standard_deviation, estimate.standard_error)
        moved = estimate.estimate - self.mean
        half_width = quantile((1 + level) / 2, None) * error
        return replace(
            estimate,
            estimate=moved,
            standard_error=error,
            low=moved - half_width,
            high=moved + half_width,
            p_value=2 * float(special.ndtr(-abs(moved) / error)),
            degrees_of_freedom=None,
        )


def empirical_null(controls: Sequence[Estimate]) -> EmpiricalNull:
    """Fit the distribution of errors to negative controls: outcomes, units or times without a true effect.

    Schuemie and others 2014, Statistics in Medicine 33: b_i ~ N(μ, σ² + SE_i²), by maximum likelihood.

    Parameters
    ----------
    controls
        At least five estimates of a true effect of zero, in the unit of what is to be calibrated.

    Raises
    ------
    InputDataError
        If there are fewer, or one has no standard error.
    """
    effects = np.array([one.estimate for one in controls])
    errors = np.array([one.standard_error for one in controls])
    if len(controls) < _LEAST_CONTROLS:
        what = f"{len(controls)} negative controls"
        raise InputDataError(
            Problem(what, "controls", f"give at least {_LEAST_CONTROLS}: placebo outcomes, units, times")
        )
    bad = int(np.count_nonzero(~(np.isfinite(effects) & (errors > 0))))
    if bad:
        raise InputDataError(Problem("negative controls without estimate or error", "controls", "leave them out", bad))

    def mean_at(deviation: float) -> float:
        weights = 1 / (deviation**2 + errors**2)
        return float(weights @ effects / weights.sum())

    def minus_likelihood(deviation: float) -> float:
        variance = deviation**2 + errors**2
        return float(np.sum(np.log(variance) + (effects - mean_at(deviation)) ** 2 / variance)) / 2

    # One maximum by far the most often; a grid keeps the search from another one.
    widest = float(np.ptp(effects) + errors.max())
    grid = np.linspace(0, widest, 201)
    best = int(np.argmin([minus_likelihood(one) for one in grid]))
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, 200)]
    found = optimize.minimize_scalar(
        minus_likelihood, bounds=bounds, method="bounded", options={"xatol": widest * 1e-10}
    )
    deviation = float(found.x) if found.fun < minus_likelihood(0.0) else 0.0
    return EmpiricalNull(mean_at(deviation), deviation, len(controls))
