"""A panel of units of which some start treatment, at different times, and stay treated.

Checked once for all designs with staggered adoption (:mod:`staggered_imputation`, :mod:`callaway_santanna`,
:mod:`bacon_decomposition`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import Floats, checked_floats, checked_weights

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

WHERE = "panel of the staggered design"
_WITHOUT_UNTREATED = (
    "designs that remain: an interrupted time series of the treated alone (no counterfactual), the dose of treatment "
    "(bite), a discontinuity at a cutoff of the program; or add units that the program exempts"
)
_NOT_ABSORBING = (
    "designs that remain: difference-in-differences of the periods before the first change, event study of the first "
    "change, dose (bite); or leave out units that change and say how many"
)


@dataclass(frozen=True)
class StaggeredPanel:
    """Rows are observed unit × period pairs, each at most once; codes count from zero in the order of the labels."""

    outcome: Floats
    weights: Floats
    unit: Integers
    period: Integers
    units: npt.NDArray[Any]
    """Labels of units, sorted."""
    periods: Floats
    """Labels of periods, ascending; differences of labels are lengths of time."""
    first_treated: Floats
    """Of each unit, in labels of periods; infinite where never treated."""
    clusters: Integers
    """Cluster of each unit."""

    @property
    def event_time(self) -> Floats:
        """Periods since the first treated one, of each row; −inf where never treated."""
        return self.periods[self.period] - self.first_treated[self.unit]

    @property
    def treated(self) -> Flags:
        """Rows under treatment."""
        return self.event_time >= 0

    @property
    def cluster_count(self) -> int:
        """Number of clusters."""
        return int(self.clusters.max()) + 1

    @property
    def holes(self) -> int:
        """Unit × period pairs without a row."""
        return self.units.size * self.periods.size - self.outcome.size

    def table(self, values: Floats) -> Floats:
        """Lay values of rows out as units × periods, nan where there is no row."""
        table = np.full((self.units.size, self.periods.size), np.nan)
        table[self.unit, self.period] = values
        return table

    def unit_weights(self) -> Floats:
        """Mean weight of each unit over its rows."""
        rows = np.bincount(self.unit, minlength=self.units.size)
        return np.bincount(self.unit, self.weights, minlength=self.units.size) / rows


def staggered_panel(
    outcome: npt.ArrayLike,
    unit: npt.ArrayLike,
    period: npt.ArrayLike,
    first_treated: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    cluster: npt.ArrayLike | None = None,
) -> StaggeredPanel:
    """Check rows and code them.

    Parameters
    ----------
    outcome
        Of each row (n), in any unit.
    unit, period
        Codes (n); periods are numbers whose differences are lengths of time, such as a count of quarters.
    first_treated
        First treated period of the row's unit (n); ``inf`` or a negative number for units never treated.
    weights
        Weights above zero (n), such as cases; none: all one.
    cluster
        Code of the row's cluster (n), the same in all rows of a unit; none: the unit.

    Raises
    ------
    InputDataError
        If arrays differ in length, values are missing, weights are not above zero, a pair of unit and period occurs
        twice, a unit's first treated period or cluster changes, or no unit is ever treated.
    """
    y = checked_floats(outcome, "outcome")
    times = checked_floats(period, "period", y.size)
    codes, first = np.asarray(unit), np.asarray(first_treated, dtype=np.float64)
    given = codes if cluster is None else np.asarray(cluster)
    for name, values in {"unit": codes, "first treated": first, "cluster": given}.items():
        if values.shape != y.shape:
            raise problem(f"'{name}' has shape {values.shape} for {y.size:,} rows", "give one value per row")
    if np.isnan(first).any():
        raise problem("the first treated period is missing", "write inf for units never treated")
    checked = checked_weights(weights, y.size)
    w = np.ones(y.size) if checked is None else checked
    units, at_unit = np.unique(codes, return_inverse=True)
    periods, at_period = np.unique(times, return_inverse=True)
    _once(at_unit, at_period, units, periods)
    first = np.where(first < 0, np.inf, first)
    starts = _constant(
        first, at_unit, units, "the first treated period of a unit changes between its rows", _NOT_ABSORBING
    )
    _, at_cluster = np.unique(given, return_inverse=True)
    of_unit = _constant(at_cluster, at_unit, units, "a unit belongs to several clusters", "give one cluster per unit")
    panel = StaggeredPanel(y, w, at_unit, at_period, units, periods, starts, np.unique(of_unit, return_inverse=True)[1])
    if not panel.treated.any():
        raise problem("no row is treated", "check the first treated period: it is later than the last period")
    return panel


def problem(
    what: str, what_to_do: str, *, count: int = 1, examples: Sequence[Any] = (), where: str = WHERE
) -> InputDataError:
    """Make the error of one problem."""
    return InputDataError(Problem(what, where, what_to_do, count, tuple(str(each) for each in examples[:3])))


def without_untreated(what: str) -> InputDataError:
    """Say which designs remain where nothing untreated is left to compare with."""
    return problem(what, _WITHOUT_UNTREATED)


def _once(unit: Integers, period: Integers, units: npt.NDArray[Any], periods: Floats) -> None:
    pairs, counts = np.unique(unit * periods.size + period, return_counts=True)
    twice = pairs[counts > 1]
    if twice.size:
        rows = [f"unit {units[pair // periods.size]}, period {periods[pair % periods.size]:g}" for pair in twice[:3]]
        what_to_do = "collapse to one row per unit and period (cells)"
        raise problem("a unit has several rows in a period", what_to_do, count=twice.size, examples=rows)


def _constant(
    values: npt.NDArray[Any], unit: Integers, units: npt.NDArray[Any], what: str, what_to_do: str
) -> npt.NDArray[Any]:
    """Reduce values of rows to one per unit."""
    of_unit = np.empty(units.size, dtype=values.dtype)
    of_unit[unit] = values
    changed = np.unique(unit[of_unit[unit] != values])
    if changed.size:
        rows = [f"unit {code}" for code in units[changed[:3]]]
        raise problem(what, what_to_do, count=changed.size, examples=rows)
    return of_unit


def cluster_sums(panel: StaggeredPanel, influence: Floats) -> Floats:
    """Sum influences of units (units × columns) within clusters."""
    if panel.cluster_count == panel.units.size:
        return influence
    sums = np.zeros((panel.cluster_count, influence.shape[1]))
    np.add.at(sums, panel.clusters, influence)
    return sums
