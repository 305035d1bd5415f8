"""Difference-in-differences and triple difference, by two-way (three-way) fixed effects.

Difference: y = α + λ + δD + x'β + ε, with α by unit × condition and λ by condition × period.
Triple: δ on treated × post × incentivised, with fixed effects unit × condition, condition × period, group × period.
D is 1 on treated rows after onset; or a dose, which makes δ the effect per unit of dose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import Codes, Floats, checked_codes, checked_floats, crossed
from openvbp.estimators.cluster_robust import cluster_robust, compared_with_one_cluster
from openvbp.estimators.estimate import Estimate
from openvbp.estimators.inference import Inference
from openvbp.estimators.least_squares import LeastSquares, least_squares

TREATMENT = "treatment"


@dataclass(frozen=True)
class DifferenceInDifferences:
    """The effect, and what it was computed from."""

    effect: Estimate
    covariates: Mapping[str, Estimate]
    treated_clusters: int
    """Clusters with a treated row; with fewer than about 20 read the permutation test, not the standard error."""
    untreated_clusters: int
    """Clusters without a treated row. With one cluster on either side the effect has no error: nan."""
    inference: Inference
    fit: LeastSquares
    """For the wild bootstrap and permutations; the effect is its coefficient ``treatment``."""


def difference_in_differences(
    outcome: ArrayLike,
    treatment: ArrayLike,
    *,
    unit: ArrayLike,
    period: ArrayLike,
    condition: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    covariates: Mapping[str, ArrayLike] | None = None,
    weights: ArrayLike | None = None,
    observations: int | None = None,
    kind: str = "CR1",
) -> DifferenceInDifferences:
    """Estimate the effect of a treatment that begins at one time.

    Parameters
    ----------
    outcome
        One number per row (n): a patient, or a cell weighted by its patients.
    treatment
        D (n): 1 on treated rows after onset, else 0; or the dose after onset, 0 before.
    unit, period, condition
        Whole numbers (n); without condition there is one.
    clusters
        Whole numbers (n); without: the units.
    covariates
        Columns (n) by name.
    weights
        Of rows (n), above zero.
    observations
        What the rows stand for, where they are cells: the sum of patients.
    kind
        Of standard errors: CR1, CR2 or HC1.

    Raises
    ------
    InputDataError
        If no row is treated, every unit is treated, treatment never begins, values are missing, columns are collinear,
        or there is one cluster.
    """
    units, _ = checked_codes(unit, "unit")
    periods, _ = checked_codes(period, "period", len(units))
    given = checked_floats(treatment, TREATMENT, len(units))
    _refuse_one_sided(given, units)
    return _estimated(
        outcome,
        given,
        units,
        _effects(units, periods, condition),
        units if clusters is None else clusters,
        covariates,
        weights,
        observations,
        kind,
    )


def triple_difference(
    outcome: ArrayLike,
    treatment: ArrayLike,
    *,
    unit: ArrayLike,
    period: ArrayLike,
    condition: ArrayLike,
    group: ArrayLike,
    clusters: ArrayLike | None = None,
    covariates: Mapping[str, ArrayLike] | None = None,
    weights: ArrayLike | None = None,
    observations: int | None = None,
    kind: str = "CR1",
) -> DifferenceInDifferences:
    """Estimate the effect on incentivised conditions beyond what happened to the others in the same units.

    Parameters
    ----------
    treatment
        Treated × post × incentivised (n).
    group
        Treated or not (n), crossed with period; the units themselves give the finer unit × period, which permutations
        need.
    outcome, unit, period, condition, clusters, covariates, weights, observations, kind
        As for :func:`difference_in_differences`.

    Raises
    ------
    InputDataError
        As for :func:`difference_in_differences`; also if every condition is incentivised.
    """
    units, _ = checked_codes(unit, "unit")
    periods, _ = checked_codes(period, "period", len(units))
    given = checked_floats(treatment, TREATMENT, len(units))
    conditions, count = checked_codes(condition, "condition", len(units))
    _refuse_one_sided(given, units)
    if np.bincount(conditions, given != 0, count).all():
        remedy = "add conditions that the program leaves alone, or use difference_in_differences"
        raise InputDataError(Problem("every condition is incentivised", "condition", remedy))
    effects = [*_effects(units, periods, conditions), crossed(np.asarray(group), periods)]
    return _estimated(
        outcome, given, units, effects, units if clusters is None else clusters, covariates, weights, observations, kind
    )


def _effects(units: Codes, periods: Codes, condition: ArrayLike | None) -> list[Codes]:
    if condition is None:
        return [units, periods]
    conditions, _ = checked_codes(condition, "condition", len(units))
    return [crossed(units, conditions), crossed(conditions, periods)]


def _estimated(
    outcome: ArrayLike,
    treatment: Floats,
    units: Codes,
    effects: list[Codes],
    clusters: ArrayLike,
    covariates: Mapping[str, ArrayLike] | None,
    weights: ArrayLike | None,
    observations: int | None,
    kind: str,
) -> DifferenceInDifferences:
    others = dict(covariates or {})
    fit = least_squares(
        outcome, {TREATMENT: treatment, **others}, fixed_effects=effects, weights=weights, observations=observations
    )
    inference = cluster_robust(fit, clusters, kind)
    if len(np.unique(treatment)) <= 2:
        ever = (np.bincount(units, treatment != 0) > 0).astype(np.float64)[units]
        inference = compared_with_one_cluster(inference, [TREATMENT], ever, clusters)
    codes, count = checked_codes(clusters, "clusters")
    treated = int((np.bincount(codes, treatment != 0, count) > 0).sum())
    estimates = {name: inference.estimate(name) for name in others}
    return DifferenceInDifferences(inference.estimate(TREATMENT), estimates, treated, count - treated, inference, fit)


def _refuse_one_sided(treatment: Floats, units: Codes) -> None:
    """Say why there is nothing to compare, before least squares says that columns are collinear."""
    treated = treatment != 0
    if not treated.any():
        raise InputDataError(Problem("no row is treated", TREATMENT, "look at the onset and at who is eligible"))
    if treated.all():
        remedy = (
            "add rows before onset and untreated units; where all are treated, use an interrupted time series or a dose"
        )
        raise InputDataError(Problem("every row is treated", TREATMENT, remedy))
    of_unit = np.bincount(units, treated)
    if (of_unit > 0).all() and len(np.unique(treatment)) == 2:
        remedy = "add units that are never treated, give the dose, or use a design for staggered adoption"
        raise InputDataError(Problem("every unit is treated", TREATMENT, remedy))
    if (of_unit[of_unit > 0] == np.bincount(units)[of_unit > 0]).all():
        remedy = "add periods before onset: the treated are treated in all of theirs"
        raise InputDataError(Problem("treatment never begins", TREATMENT, remedy))
