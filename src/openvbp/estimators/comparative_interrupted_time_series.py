"""Comparative interrupted time series with linear splines: whether slopes changed more among the treated.

y = a + b t + c (t − t*)₊ + T [a' + b' t + c' (t − t*)₊] + fixed effects + x'β + ε, knot t*, T the treated. Levels a and
a' are within the fixed effects of unit × condition. c' is the effect, per unit of time. The form is that of Figueroa
and others, BMJ 2016 (hospital value-based purchasing and mortality).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import checked_codes, checked_floats, crossed
from openvbp.estimators.cluster_robust import cluster_robust, compared_with_one_cluster
from openvbp.estimators.estimate import Estimate
from openvbp.estimators.inference import Inference
from openvbp.estimators.least_squares import LeastSquares, least_squares

EFFECT = "treated × slope after − before"
_BEFORE, _CHANGE, _GAP = "slope before", "slope after − before", "treated × slope before"


@dataclass(frozen=True)
class ComparativeInterruptedTimeSeries:
    """Slopes per unit of time; a, b and c as in the equation.

    With one treated cluster, or one untreated one, the differences between both have no error.
    """

    effect: Estimate
    """c': difference in differences of slopes."""
    untreated_before: Estimate
    """b."""
    untreated_after: Estimate
    """b + c."""
    difference_before: Estimate
    """b': zero where the treated went in parallel with the others before."""
    difference_after: Estimate
    """b' + c'."""
    treated_before: Estimate
    """b + b'."""
    treated_after: Estimate
    """b + c + b' + c'."""
    covariates: Mapping[str, Estimate]
    inference: Inference
    fit: LeastSquares
    """The effect is its coefficient :data:`EFFECT`."""


def comparative_interrupted_time_series(
    outcome: ArrayLike,
    treated: ArrayLike,
    *,
    unit: ArrayLike,
    time: ArrayLike,
    knot: float,
    condition: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    covariates: Mapping[str, ArrayLike] | None = None,
    weights: ArrayLike | None = None,
    observations: int | None = None,
    kind: str = "CR1",
) -> ComparativeInterruptedTimeSeries:
    """Estimate slopes before and after a knot among the treated and the others.

    Parameters
    ----------
    outcome
        One number per row (n).
    treated
        1 for units of the program (n), in all periods; else 0; or a dose.
    unit, condition
        Whole numbers (n).
    time
        Numbers (n), in the unit in which slopes are wanted, for example quarters.
    knot
        Where slopes may change, on the same scale.
    clusters, covariates, weights, observations, kind
        As for :func:`~openvbp.estimators.difference_in_differences.difference_in_differences`.

    Raises
    ------
    InputDataError
        If nobody or everybody is treated, there are fewer than two times before or after the knot, values are missing,
        columns are collinear, or there is one cluster.
    """
    units, _ = checked_codes(unit, "unit")
    times = checked_floats(time, "time", len(units))
    given = checked_floats(treated, "treated", len(units))
    _refuse_short_series(times, knot)
    _refuse_one_group(given)
    after = np.maximum(times - knot, 0)
    columns = {_BEFORE: times, _CHANGE: after, _GAP: given * times, EFFECT: given * after}
    others = dict(covariates or {})
    conditions = None if condition is None else checked_codes(condition, "condition", len(units))[0]
    effects = [units if conditions is None else crossed(units, conditions)]
    fit = least_squares(
        outcome, {**columns, **others}, fixed_effects=effects, weights=weights, observations=observations
    )
    by = units if clusters is None else clusters
    inference = compared_with_one_cluster(cluster_robust(fit, by, kind), [_GAP, EFFECT], given, by)
    return _series(fit, inference, others)


def _series(
    fit: LeastSquares, inference: Inference, others: Mapping[str, ArrayLike]
) -> ComparativeInterruptedTimeSeries:
    def sum_of(*names: str) -> Estimate:
        return inference.estimate(dict.fromkeys(names, 1.0))

    return ComparativeInterruptedTimeSeries(
        effect=sum_of(EFFECT),
        untreated_before=sum_of(_BEFORE),
        untreated_after=sum_of(_BEFORE, _CHANGE),
        difference_before=sum_of(_GAP),
        difference_after=sum_of(_GAP, EFFECT),
        treated_before=sum_of(_BEFORE, _GAP),
        treated_after=sum_of(_BEFORE, _CHANGE, _GAP, EFFECT),
        covariates={name: inference.estimate(name) for name in others},
        inference=inference,
        fit=fit,
    )


def _refuse_short_series(times: np.ndarray, knot: float) -> None:
    different = np.unique(times)
    before, after = int((different <= knot).sum()), int((different > knot).sum())
    # A slope after the knot needs one later time only: the line before ends at the knot.
    if before < 2 or after < 1:
        what = f"{before} times up to the knot and {after} after it: slopes need two up to it and one after"
        raise InputDataError(Problem(what, "time", "take more periods, or difference_in_differences"))


def _refuse_one_group(treated: np.ndarray) -> None:
    if not treated.any():
        raise InputDataError(Problem("no row is treated", "treated", "look at who is eligible"))
    if (treated == treated[0]).all():
        remedy = "add units outside the program: a single series cannot tell its effect from anything else that changed"
        raise InputDataError(Problem("every row is treated alike", "treated", remedy))
