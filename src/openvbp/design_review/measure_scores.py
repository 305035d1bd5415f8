"""Rates of a run by measure, and how much of their differences is the providers' own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow.compute as pc

from openvbp.design_review.aspect import CannotBeSeenError
from openvbp.design_review.design import Design
from openvbp.parameters import ACTUAL
from openvbp.profiling.reliability import between_variance, cases_needed, signal_to_noise

RELIABLE = 0.7
"""Reliability from which a provider's rate is called reliable."""
_LEAST_PROVIDERS = 30
_FAR = 3.0
"""Standard deviations of the spread that chance alone makes."""


@dataclass(frozen=True)
class MeasureScores:
    """Rates of one measure of a run."""

    measure_id: str
    domain_id: str
    rate: np.ndarray
    cases: np.ndarray
    """Not a number where the run does not know them."""
    points: np.ndarray
    is_declared_shrunken: bool = False

    @property
    def is_share(self) -> bool:
        """Whether rates are shares of whole cases."""
        known = self.cases[~np.isnan(self.cases)]
        return bool(len(known) and (known == np.round(known)).all() and self.rate.min() >= 0 and self.rate.max() <= 1)

    @property
    def is_of_predicted(self) -> bool:
        """Whether rates are events over predicted ones, which are no whole numbers."""
        known = self.cases[~np.isnan(self.cases)]
        return bool(len(known) and (known != np.round(known)).any() and self.rate.min() >= 0)

    @property
    def is_high_better(self) -> bool | None:
        """Whether more points go to higher rates; none where points do not tell."""
        known = ~np.isnan(self.points)
        if known.sum() < _LEAST_PROVIDERS or not (np.ptp(self.points[known]) and np.ptp(self.rate[known])):
            return None
        return bool(np.corrcoef(self.rate[known], self.points[known])[0, 1] > 0)

    @cached_property
    def _totals(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Observed and expected events and information of each provider; none where chance is not known."""
        known = (self.cases > 0) & ~np.isnan(self.rate)
        if known.sum() < _LEAST_PROVIDERS or not (self.is_share or self.is_of_predicted):
            return None
        cases, observed = self.cases[known], self.rate[known] * self.cases[known]
        overall = observed.sum() / cases.sum()
        if overall <= 0 or (self.is_share and overall >= 1):
            return None
        expected = cases * overall
        return observed, expected, expected * (1 - overall) if self.is_share else expected

    @property
    def is_shrunken(self) -> bool:
        """Whether rates are known to be shrunken, or differ less than chance alone would make them."""
        if self.is_declared_shrunken or self._totals is None:
            return self.is_declared_shrunken
        observed, expected, information = self._totals
        spread = float(((observed - expected) ** 2 / information).sum())
        freedom = len(observed) - 1
        return spread < freedom - _FAR * math.sqrt(2 * freedom)

    @cached_property
    def between(self) -> float | None:
        """Variance of true differences between providers; none where it cannot be told."""
        return None if self._totals is None or self.is_shrunken else between_variance(*self._totals)

    @cached_property
    def reliability(self) -> np.ndarray | None:
        """Of each provider: signal to noise; none where it cannot be told."""
        if self._totals is None or self.between is None:
            return None
        return signal_to_noise(self.between, self._totals[2])

    @property
    def needed(self) -> float:
        """Cases from which on a provider's rate is reliable; infinite where providers do not differ."""
        if self._totals is None or self.between is None:
            return math.nan
        return cases_needed(RELIABLE, self.between, float(self._totals[2].sum() / np.nansum(self.cases)))


def measures_of(design: Design) -> list[MeasureScores]:
    """Scored measures of the design's run.

    Raises
    ------
    CannotBeSeenError
        If there is no run, or it has no measures of several providers.
    """
    if design.run is None:
        raise CannotBeSeenError("give --run, a finished run of the program, or --data")
    if "measure_result" not in design.run.tables:
        raise CannotBeSeenError(f"a run of {design.program_id} has no measures")
    rows = design.run.read("measure_result", scenario_id=ACTUAL)
    found, shrunken = [], tuple(design.construction.shrunken if design.construction else ())
    for name in sorted(set(rows["measure_id"].to_pylist())):
        mine = rows.filter(pc.and_(pc.equal(rows["measure_id"], name), pc.is_valid(rows["rate"])))
        if mine.num_rows >= _LEAST_PROVIDERS:
            rate, cases, points = (
                mine[one].cast("float64").to_numpy(zero_copy_only=False) for one in ("rate", "denominator", "points")
            )
            found.append(
                MeasureScores(name, mine["domain_id"][0].as_py() or "", rate, cases, points, name.startswith(shrunken))
            )
    if not found:
        raise CannotBeSeenError(f"the run has no measure with {_LEAST_PROVIDERS} providers or more")
    return found
