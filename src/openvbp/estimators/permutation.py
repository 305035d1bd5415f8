"""Permutation of treatment over units: how often chance would give an effect as large.

Fisher 1935; p = (1 + #{|b*| ≥ |b|}) / (R + 1) (Phipson and Smyth 2010). Holds its level with two treated units, where
clustered errors do not; it does not repair a shock common to all treated units.

Treatment is an assignment of the unit times a profile over its rows (after onset, incentivised). With p the profile
after fixed effects nested in units were taken out, Z all other columns and u the outcome after Z was taken out of it,

b* = Σ_i T*_i p_i'u_i / (Σ_i T*_i² p_i'p_i − q'M q),   q = Σ_i T*_i Z_i'p_i,

so a draw costs as much as there are units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.estimators.absorption import is_nested
from openvbp.estimators.arrays import Codes, Floats, checked_codes, checked_floats
from openvbp.estimators.cluster_design import cluster_design
from openvbp.estimators.least_squares import LeastSquares

_TIE = 1e-9
_AT_ONCE = 5_000_000


@dataclass(frozen=True)
class Permutation:
    """Effects under permuted treatment."""

    estimate: float
    p_value: float
    """Two-sided."""
    permuted: Floats
    """Effect of each draw (R)."""
    treated_units: int
    untreated_units: int


def permutation(
    fit: LeastSquares, name: str, units: ArrayLike, profile: ArrayLike, *, seed: int, draws: int = 9_999
) -> Permutation:
    """Permute who is treated.

    Parameters
    ----------
    fit
        Least squares, with treatment among its covariates.
    name
        Of that covariate.
    units
        Whole numbers (n): what was assigned to treatment.
    profile
        What treatment would be of each row, if its unit were treated (n): 1 after onset (and, for a triple difference,
        incentivised), else 0.
    seed
        The same seed gives the same draws.
    draws
        R, at least 99.

    Raises
    ------
    InputDataError
        If treatment is not an assignment times the profile, or every unit has the same.
    UsageError
        If fixed effects depend on treatment (group × period: take unit × period instead), or draws are too few.
    """
    place = fit.position(name)
    if draws < 99:
        raise UsageError(Problem(f"{draws} draws are too few for a p-value", "draws", "take 999 or more"))
    codes, count = checked_codes(units, "units", len(fit.residuals))
    given = checked_floats(profile, "profile", len(fit.residuals))
    assigned = _assignment(fit.covariates[place], given, codes, count)
    _refuse_dependent_effects(fit, assigned[codes] != 0, codes)
    design = cluster_design(fit, codes, count)
    within = design.without_nested(given)
    left = fit.residuals + fit.coefficients[place] * (fit.bread[place] / fit.bread[place, place] @ fit.within)
    weighted = within if fit.weights is None else within * fit.weights
    other, root = design.others(place)
    own = np.bincount(codes, weighted * left, count)
    squared = np.bincount(codes, weighted * within, count)
    shared = design.sums(within)[:, other] @ root

    def effects(assignments: Floats) -> Floats:
        rest = assignments**2 @ squared - np.sum((assignments @ shared) ** 2, axis=1)
        return assignments @ own / rest

    random = np.random.default_rng(seed)
    chunk = max(1, _AT_ONCE // count)
    drawn = [
        effects(random.permuted(np.tile(assigned, (min(chunk, draws - first), 1)), axis=1))
        for first in range(0, draws, chunk)
    ]
    permuted = np.concatenate(drawn)
    estimate = float(effects(assigned[None, :])[0])
    extreme = np.count_nonzero(np.abs(permuted) >= abs(estimate) * (1 - _TIE))
    treated = int(np.count_nonzero(assigned))
    return Permutation(estimate, (1 + extreme) / (draws + 1), permuted, treated, count - treated)


def _assignment(treatment: Floats, profile: Floats, codes: Codes, count: int) -> Floats:
    """Treatment of each unit; an error where it is not one number times the profile."""
    total = np.bincount(codes, profile**2, count)
    assigned = np.bincount(codes, treatment * profile, count) / np.where(total > 0, total, 1)
    wrong = np.abs(treatment - assigned[codes] * profile) > 1e-9 * max(np.abs(treatment).max(), 1)
    if wrong.any():
        what = "treatment is not the same share of the profile in all rows of a unit"
        raise InputDataError(
            Problem(what, "profile", "give the rows that would be treated if their unit were", int(wrong.sum()))
        )
    if not total.all():
        what = "units without a row in which they could be treated"
        remedy = "leave them out: nothing would change if they were treated"
        raise InputDataError(Problem(what, "profile", remedy, int(np.count_nonzero(total == 0))))
    if (assigned == assigned[0]).all():
        raise InputDataError(Problem("every unit has the same treatment", "units", "add untreated units"))
    return assigned


def _refuse_dependent_effects(fit: LeastSquares, treated: np.ndarray, units: Codes) -> None:
    whole = fit.absorption
    for codes, levels in zip(whole.codes, whole.levels, strict=True):
        if not is_nested(codes, levels, units) and is_nested(codes, levels, treated.astype(np.int64)):
            what = "a fixed effect separates treated units from the others: it would have to be permuted too"
            raise UsageError(Problem(what, "fixed effects", "take unit × period instead of group × period"))
