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
from scipy.stats import rankdata

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.estimators.arrays import Codes, Floats, checked_codes, checked_floats, checked_weights, crossed
from openvbp.estimators.difference_in_differences import difference_in_differences
from openvbp.estimators.estimate import Estimate

Flags = NDArray[np.bool_]
Worst = Literal["high", "low"]
_DECIMALS = 9


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
    """Units worst in a condition at least."""
    control_units: int


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
    group: ArrayLike | None = None,
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
        Of units, among the treated and among the controls, that count as worst in a condition.
    baseline
        Rows (n, true or false) that choose the units and are then left out; none: rows before choose, and are compared.
        A unit's baseline is its weighted mean difference from the mean of the condition and period.
    group
        Code (n) of the kind of unit, such as critical access hospitals: the worst are chosen within each kind.

    Raises
    ------
    InputDataError
        If fewer than two treated, or two controls, are worst and have rows before and after.
    """
    if not 0 < share < 1:
        raise UsageError(Problem(f"share of {share}", "worst baseline", "give a number between 0 and 1, such as 0.25"))
    rows = _rows(outcome, unit, period, treated, after, condition, group, clusters, weights)
    chooses = ~rows.after if baseline is None else np.asarray(baseline, dtype=bool)
    kept = np.ones(chooses.size, dtype=bool) if baseline is None else ~chooses
    values = rows.baselines(chooses) * (1.0 if worst == "high" else -1.0)
    kept &= (np.isfinite(values) & rows.any_of(rows.after & kept) & rows.any_of(~rows.after & kept))[rows.cell]
    selected = kept & rows.worst(values, kept, share)[rows.cell]
    return WorstBaseline(
        effect=rows.estimate(selected),
        others=rows.estimate(kept & ~selected),
        same_selection_left_out=rows.estimate(selected | (kept & ~rows.treated)),
        everyone=rows.estimate(kept),
        change_of_worst_treated=rows.change(selected & rows.treated),
        change_of_worst_controls=rows.change(selected & ~rows.treated),
        treated_units=np.unique(rows.unit[selected & rows.treated]).size,
        control_units=np.unique(rows.unit[selected & ~rows.treated]).size,
    )


def worst_of_strata(values: Floats, strata: Codes, share: float) -> Flags:
    """Choose the worst share of each stratum by rank; tied ones have their mean rank and go together.

    Parameters
    ----------
    values
        Of units (n); high is bad.
    strata
        Code (n) of the stratum of each unit; below zero for those that are not looked at.
    share
        Between 0 and 1.
    """
    chosen = np.zeros(values.size, dtype=bool)
    for stratum in np.unique(strata[strata >= 0]):
        inside = strata == stratum
        # Rates are printed with one decimal: many are tied, and must be so to the last bit.
        ranks = rankdata(np.round(values[inside], _DECIMALS))
        chosen[inside] = ranks > (1 - share) * ranks.size
    return chosen


@dataclass(frozen=True)
class _Rows:
    outcome: Floats
    weights: Floats
    unit: Codes
    cell: Codes
    """Unit × condition."""
    cells: int
    period: Codes
    condition: Codes
    stratum: Codes
    """Within which the worst are chosen: treated or not × kind × condition."""
    clusters: Codes
    treated: Flags
    after: Flags

    def any_of(self, rows: Flags) -> Flags:
        """Whether a cell has such a row."""
        return np.bincount(self.cell, rows, self.cells) > 0

    def baselines(self, chooses: Flags) -> Floats:
        """Mean difference of each cell from the mean of condition and period; nan without a row that chooses."""
        at = crossed(self.condition, self.period)[chooses]
        weights, outcome, cell = self.weights[chooses], self.outcome[chooses], self.cell[chooses]
        mean = np.bincount(at, weights * outcome) / np.maximum(np.bincount(at, weights), 1e-300)
        of_cells = np.bincount(cell, weights, self.cells)
        sums = np.bincount(cell, weights * (outcome - mean[at]), self.cells)
        return np.where(of_cells > 0, sums / np.where(of_cells > 0, of_cells, 1.0), np.nan)

    def worst(self, values: Floats, kept: Flags, share: float) -> Flags:
        """Cells of the worst share of their stratum."""
        strata = np.full(self.cells, -1)
        strata[self.cell[kept]] = self.stratum[kept]
        chosen = worst_of_strata(values, strata, share)
        for name, side in (("treated", self.treated), ("controls", ~self.treated)):
            count = int((chosen & self.any_of(side & kept)).sum())
            if count < 2:
                what = f"{count} {name} are worst and have rows before and after: fewer than two"
                remedy = "designs that remain: the effect on everyone; or a larger share"
                raise InputDataError(Problem(what, "worst baseline", remedy, count))
        return chosen

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
    group: ArrayLike | None,
    clusters: ArrayLike | None,
    weights: ArrayLike | None,
) -> _Rows:
    y = checked_floats(outcome, "outcome")

    def codes(values: ArrayLike | None, name: str) -> Codes:
        return checked_codes(np.zeros(y.size, dtype=np.int64) if values is None else values, name, y.size)[0]

    units, conditions = codes(unit, "unit"), codes(condition, "condition")
    cells = crossed(units, conditions)
    is_treated = np.asarray(treated, dtype=bool)
    given = checked_weights(weights, y.size)
    return _Rows(
        outcome=y,
        weights=np.ones(y.size) if given is None else given,
        unit=units,
        cell=cells,
        cells=int(cells.max()) + 1,
        period=codes(period, "period"),
        condition=conditions,
        stratum=crossed(crossed(is_treated.astype(np.int64), codes(group, "group")), conditions),
        clusters=units if clusters is None else codes(clusters, "clusters"),
        treated=is_treated,
        after=np.asarray(after, dtype=bool),
    )
