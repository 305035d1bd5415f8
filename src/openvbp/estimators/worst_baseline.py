"""Effect on units that were worst at baseline, without taking regression to the mean for an effect.

Units with the worst baseline are partly unlucky ones: they improve without a program. Published subgroup effects
therefore compare the worst treated with the worst controls, chosen by the same rule within their own group. What chance
does to the controls (and what time does) is then taken off. It is not all: where baselines of treated units are
noisier, because these are smaller, they come back further. A baseline of earlier periods, which are then left out,
removes that too unless noise lasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.estimators.arrays import Codes, Floats, checked_codes, checked_floats, checked_weights, crossed
from openvbp.estimators.difference_in_differences import difference_in_differences
from openvbp.estimators.estimate import Estimate

Flags = NDArray[np.bool_]
Worst = Literal["high", "low"]


@dataclass(frozen=True)
class WorstBaseline:
    """Effects in the unit of the outcome."""

    effect: Estimate
    """Worst treated against worst controls."""
    others: Estimate
    """Treated against controls that were not worst."""
    same_selection_left_out: Estimate
    """Worst treated against all controls: regression to the mean taken for an effect."""
    everyone: Estimate
    change_of_worst_treated: float
    """Weighted mean after less before."""
    change_of_worst_controls: float
    """The same: time and regression to the mean."""
    treated_units: int
    """Worst ones."""
    control_units: int
    threshold_treated: float
    """Baseline from which a treated unit is worst."""
    threshold_controls: float


def worst_baseline(
    outcome: ArrayLike,
    unit: ArrayLike,
    period: ArrayLike,
    treated: ArrayLike,
    after: ArrayLike,
    *,
    worst: Worst = "high",
    share: float = 0.25,
    baseline: ArrayLike | None = None,
    condition: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> WorstBaseline:
    """Compare the worst with the worst.

    Parameters
    ----------
    outcome, unit, period, condition, clusters, weights
        Rows (n), as for :func:`~openvbp.estimators.difference_in_differences.difference_in_differences`.
    treated, after
        Whether the row's unit is treated, and whether the row lies after onset (n, true or false).
    worst
        Whether high or low outcomes are bad.
    share
        Of units in each group that count as worst.
    baseline
        Rows (n, true or false) that choose the units and are then left out; none: rows before choose, and are compared.
        A unit's baseline is its weighted mean difference from the mean of the condition and period.

    Raises
    ------
    InputDataError
        If a group has fewer than two worst units with rows before and after.
    """
    if not 0 < share < 1:
        raise UsageError(Problem(f"share of {share}", "worst baseline", "give a number between 0 and 1, such as 0.25"))
    rows = _rows(outcome, unit, period, treated, after, condition, clusters, weights)
    is_after = rows.after
    chooses = ~is_after if baseline is None else np.asarray(baseline, dtype=bool)
    kept = np.ones(is_after.size, dtype=bool) if baseline is None else ~chooses
    sign = 1.0 if worst == "high" else -1.0
    values = sign * rows.baselines(chooses)
    of_treated = rows.of_units(rows.treated)
    usable = np.isfinite(values) & rows.of_units(is_after & kept) & rows.of_units(~is_after & kept)
    chosen, thresholds = _chosen(values, of_treated, usable, share)
    kept &= usable[rows.unit]
    selected = kept & chosen[rows.unit]
    return WorstBaseline(
        effect=rows.estimate(selected),
        others=rows.estimate(kept & ~selected),
        same_selection_left_out=rows.estimate(selected | (kept & ~rows.treated)),
        everyone=rows.estimate(kept),
        change_of_worst_treated=rows.change(selected & rows.treated),
        change_of_worst_controls=rows.change(selected & ~rows.treated),
        treated_units=int((chosen & of_treated).sum()),
        control_units=int((chosen & ~of_treated).sum()),
        threshold_treated=sign * thresholds[0],
        threshold_controls=sign * thresholds[1],
    )


@dataclass(frozen=True)
class _Rows:
    outcome: Floats
    weights: Floats
    unit: Codes
    units: int
    period: Codes
    condition: Codes
    clusters: Codes
    treated: Flags
    after: Flags

    def of_units(self, rows: Flags) -> Flags:
        """Whether a unit has such a row."""
        return np.bincount(self.unit, rows, self.units) > 0

    def baselines(self, chooses: Flags) -> Floats:
        """Mean difference of each unit from the mean of condition and period; nan without a row that chooses."""
        at = crossed(self.condition, self.period)[chooses]
        weights, outcome, unit = self.weights[chooses], self.outcome[chooses], self.unit[chooses]
        total = np.bincount(at, weights)
        mean = np.bincount(at, weights * outcome) / np.where(total > 0, total, 1.0)
        of_units = np.bincount(unit, weights, self.units)
        sums = np.bincount(unit, weights * (outcome - mean[at]), self.units)
        return np.where(of_units > 0, sums / np.where(of_units > 0, of_units, 1.0), np.nan)

    def estimate(self, rows: Flags) -> Estimate:
        """Difference-in-differences of these rows."""
        return difference_in_differences(
            self.outcome[rows],
            (self.treated & self.after)[rows].astype(np.float64),
            unit=self.unit[rows],
            period=self.period[rows],
            condition=self.condition[rows],
            clusters=self.clusters[rows],
            weights=self.weights[rows],
        ).effect

    def change(self, rows: Flags) -> float:
        """Mean after less mean before."""
        late, early = rows & self.after, rows & ~self.after
        means = [np.average(self.outcome[each], weights=self.weights[each]) for each in (late, early)]
        return float(means[0] - means[1])


def _rows(
    outcome: ArrayLike,
    unit: ArrayLike,
    period: ArrayLike,
    treated: ArrayLike,
    after: ArrayLike,
    condition: ArrayLike | None,
    clusters: ArrayLike | None,
    weights: ArrayLike | None,
) -> _Rows:
    y = checked_floats(outcome, "outcome")
    units, count = checked_codes(unit, "unit", y.size)
    given = checked_weights(weights, y.size)
    return _Rows(
        outcome=y,
        weights=np.ones(y.size) if given is None else given,
        unit=units,
        units=count,
        period=checked_codes(period, "period", y.size)[0],
        condition=np.zeros_like(units) if condition is None else checked_codes(condition, "condition", y.size)[0],
        clusters=units if clusters is None else checked_codes(clusters, "clusters", y.size)[0],
        treated=np.asarray(treated, dtype=bool),
        after=np.asarray(after, dtype=bool),
    )


def _chosen(values: Floats, treated: Flags, usable: Flags, share: float) -> tuple[Flags, tuple[float, float]]:
    chosen = np.zeros(values.size, dtype=bool)
    thresholds = []
    for name, group in (("treated", treated & usable), ("controls", ~treated & usable)):
        if group.sum() * share < 2:
            what = f"{group.sum()} {name} have a baseline and rows before and after: {share:.0%} are fewer than two"
            remedy = "designs that remain: the effect on everyone; or a larger share"
            raise InputDataError(Problem(what, "worst baseline", remedy, int(group.sum())))
        threshold = float(np.quantile(values[group], 1 - share))
        chosen |= group & (values >= threshold)
        thresholds.append(threshold)
    return chosen, (thresholds[0], thresholds[1])
