"""The rows of one analysis, as arrays for estimators: who, when, with what weight, and who was left out and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import Codes, Floats, crossed
from openvbp.estimators.worst_baseline import worst_of_strata
from openvbp.evaluation.frame import Frame
from openvbp.evaluation.study_terms import Analysis
from openvbp.evaluation.windows import Window, undoing_factor

Flags = NDArray[np.bool_]
WORST_SHARE = 0.25
WITHOUT_COMPARISON = (
    "designs that remain: events by a dose within the treated (counts), or an interrupted time series of the treated "
    "alone (its), which cannot tell the program from anything else that changed; all others are refused"
)
ONE_TREATED = (
    "designs that remain: synthetic control and synthetic difference-in-differences with placebos, for an error "
    "of one cluster means nothing; others are refused"
)


@dataclass(frozen=True)
class Sample:
    """Provider × condition × window."""

    analysis: Analysis
    """With nothing left open."""
    outcome: Floats
    provider: Codes
    condition: Codes
    window: Codes
    """Place in ``windows``."""
    windows: tuple[Window, ...]
    is_treated: Flags
    is_after: Flags
    weights: Floats | None
    cluster: Codes
    rows: Codes
    """Place of each row among the frame's cells."""
    scale: float
    left_out: Mapping[str, int]
    observations: int | None
    """Cases that the rows stand for, where weights are the counted cases; none where rows are published rates."""

    @property
    def unit(self) -> Codes:
        """Provider × condition."""
        return self.provider * (int(self.condition.max()) + 1) + self.condition

    @property
    def treatment(self) -> Floats:
        """1 on treated rows after onset."""
        return (self.is_treated & self.is_after).astype(np.float64)

    @property
    def counts(self) -> dict[str, int]:
        """Treated and comparison providers, and cells."""
        treated = len(np.unique(self.provider[self.is_treated]))
        compared = len(np.unique(self.provider[~self.is_treated]))
        return {"treated_providers": treated, "comparison_providers": compared, "cells": len(self.outcome)}


def sample(
    frame: Frame,
    analysis: Analysis,
    *,
    treated_groups: Sequence[str] | None = None,
    among_treated: Flags | None = None,
    both_sides: bool = True,
    is_placebo: bool = False,
    onset: date | None = None,
) -> Sample:
    """Draw the rows of an analysis.

    Parameters
    ----------
    frame
        The study's cells.
    analysis
        What to compare.
    treated_groups
        Instead of those of the program, for placebos.
    among_treated
        Cells of the treated that count, for subgroups (one per cell of the frame).
    both_sides
        Whether units need a cell before and a cell after onset.
    is_placebo
        Whether windows are meant to lie on one side of onset.
    onset
        Day that windows are held against, of conditions without one of their own; none: that of the conditions.

    Raises
    ------
    InputDataError
        If nobody is treated or nobody is not (the message says which designs remain), one cluster is treated, windows
        overlap or lie on the wrong side of onset, or weights sum to zero.
    """
    asked = frame.resolved(analysis)
    before, after = frame.windows(asked.before), frame.windows(asked.after)
    scale = 1.0 if is_placebo else _check_windows(asked, before, after, onset or frame.onset(asked.conditions).date)
    place = {window: at for at, window in enumerate(frame.cells.windows)}
    sides = np.zeros(len(frame.cells.windows), dtype=np.int64)
    sides[[place[one] for one in before]], sides[[place[one] for one in after]] = 1, 2
    treated_names = tuple(frame.treated_groups if treated_groups is None else treated_groups)
    is_treated = frame.is_in(treated_names)
    wanted = [frame.conditions.index(one) for one in (*asked.conditions, *asked.untouched)]
    chosen = np.isin(frame.condition_codes, wanted)
    compared = np.zeros_like(is_treated) if asked.design == "its" else frame.is_in(asked.compare)
    chosen &= (sides[frame.cells.window] > 0) & (is_treated | compared)
    if among_treated is not None:
        chosen &= ~is_treated | among_treated
    drawn = _Drawing(frame, asked, sides, is_treated, treated_names)
    return drawn.sample(chosen, (*before, *after), scale, both_sides=both_sides)


@dataclass(frozen=True)
class _Drawing:
    frame: Frame
    asked: Analysis
    sides: Codes
    """Of each window of the panel: 1 before, 2 after, 0 neither."""
    is_treated: Flags
    treated_names: tuple[str, ...]

    def sample(self, chosen: Flags, windows: tuple[Window, ...], scale: float, *, both_sides: bool) -> Sample:
        """Leave out what cannot be used, step by step."""
        cells, asked = self.frame.cells, self.asked
        left_out: dict[str, int] = {}
        outcome = self.frame.outcome
        chosen = _without(chosen, ~np.isfinite(outcome), "outcome is not known", left_out)
        if asked.dose in self.frame.study.data.exposures:
            unknown = cells.attributes[asked.dose] == ""
            chosen = _without(chosen, unknown, "exposure is not known: no provider's achievement is", left_out)
        provider, condition = self.frame.provider_codes, self.frame.condition_codes
        unit = provider * len(self.frame.conditions) + condition
        is_after = self.sides[cells.window] == 2
        if asked.complete:
            seen = np.bincount(unit[chosen], minlength=unit.max() + 1)
            incomplete = seen[unit] < len(windows)
            chosen = _without(chosen, incomplete, "not seen in every window (holes)", left_out)
        elif both_sides:
            sides = [np.bincount(unit[chosen & (is_after == side)], minlength=unit.max() + 1) for side in (False, True)]
            one_sided = (sides[0] == 0) | (sides[1] == 0)
            chosen = _without(chosen, one_sided[unit], "seen on one side of onset only", left_out)
        baseline = _baseline(cells.cases, unit, chosen & ~is_after)
        if asked.minimum_cases:
            few = ~(baseline[unit] >= asked.minimum_cases)
            chosen = _without(chosen, few, f"fewer than {asked.minimum_cases:g} cases before onset", left_out)
        weights = self._weights(baseline[unit])
        if weights is not None:
            chosen = _without(chosen, ~(weights > 0), "number of cases (the weight) is not known or zero", left_out)
        if asked.sample == "worst_quartile":
            chosen &= self._worst(outcome, unit, condition, chosen, is_after)
        self._demand_comparison(chosen, left_out)
        cluster = self.frame.clusters(asked.cluster)
        self._demand_clusters(cluster[chosen], self.is_treated[chosen])
        place = {window: at for at, window in enumerate(sorted(set(windows)))}
        code = np.array([place.get(one, -1) for one in cells.windows], dtype=np.int64)[cells.window]
        return Sample(
            asked,
            outcome[chosen],
            provider[chosen],
            condition[chosen],
            code[chosen],
            tuple(place),
            self.is_treated[chosen],
            is_after[chosen],
            None if weights is None else weights[chosen],
            cluster[chosen],
            np.flatnonzero(chosen),
            scale,
            left_out,
            self._observations(weights, chosen),
        )

    def _observations(self, weights: Floats | None, chosen: Flags) -> int | None:
        # Published rates are rows of their own; counted cases are what the rows stand for.
        is_counted = self.frame.study.data.columns.rate is None and self.asked.weights == "cases"
        return round(float(weights[chosen].sum())) if weights is not None and is_counted else None

    def _weights(self, baseline: Floats) -> Floats | None:
        if self.asked.weights == "none":
            return None
        return self.frame.cells.cases if self.asked.weights == "cases" else baseline

    def _worst(self, outcome: Floats, unit: Codes, condition: Codes, chosen: Flags, is_after: Flags) -> Flags:
        """Choose the quarter of units with the worst outcome before onset, in each group and condition alike."""
        level = _baseline(outcome, unit, chosen & ~is_after)
        strata = np.full(len(level), -1, dtype=np.int64)
        strata[unit[chosen]] = crossed(self.frame.group_codes, condition)[chosen]
        worse = -level if self.frame.study.outcome.is_desirable else level
        return worst_of_strata(worse, strata, WORST_SHARE)[unit]

    def _demand_comparison(self, chosen: Flags, left_out: Mapping[str, int]) -> None:
        treated, others = (chosen & self.is_treated).any(), (chosen & ~self.is_treated).any()
        examples = tuple(f"{why}: {count:,} cells" for why, count in left_out.items())
        if not treated:
            what = f"no provider of {', '.join(self.treated_names)} is left in these windows and conditions"
            remedy = f"look at weights; the panel has {self._windows_of_conditions()}"
            raise InputDataError(Problem(what, "sample", remedy, examples=examples))
        if not others and self.asked.design not in ("its", "counts"):
            names = ", ".join(self.asked.compare) or "none is named"
            what = f"no untreated provider is left to compare with (groups: {names})"
            raise InputDataError(Problem(what, "sample", WITHOUT_COMPARISON, examples=examples))

    def _windows_of_conditions(self) -> str:
        places = [self.frame.conditions.index(one) for one in self.asked.conditions]
        seen = np.unique(self.frame.cells.window[np.isin(self.frame.condition_codes, places)])
        return ", ".join(str(self.frame.cells.windows[at]) for at in seen) or "no window of these conditions"

    def _demand_clusters(self, cluster: Codes, is_treated: Flags) -> None:
        if len(np.unique(cluster[is_treated])) < 2 and self.asked.design not in ("synthetic", "sdid"):
            raise InputDataError(Problem(f"one treated cluster ({self.asked.cluster})", "sample", ONE_TREATED))


def _without(chosen: Flags, wrong: Flags, why: str, left_out: dict[str, int]) -> Flags:
    count = int((chosen & wrong).sum())
    if count:
        left_out[why] = count
    return chosen & ~wrong


def _baseline(values: Floats, unit: Codes, before: Flags) -> Floats:
    """Mean of a figure over each unit's windows before onset; nan where there is none."""
    known = before & np.isfinite(values)
    sums = np.bincount(unit[known], values[known], unit.max() + 1)
    counts = np.bincount(unit[known], minlength=unit.max() + 1)
    with np.errstate(invalid="ignore"):
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _check_windows(asked: Analysis, before: Sequence[Window], after: Sequence[Window], day: date) -> float:
    """Refuse windows that cannot show an effect; give the factor that undoes an overlap."""
    if not before or not after:
        side = "before" if not before else "after"
        remedy = f"without a window {side} onset there is nothing to compare: name one, or take another clock"
        raise InputDataError(Problem(f"no window lies {side} onset", "windows", remedy))
    late = [str(one) for one in after if one.end < day]
    if late:
        what = f"outcome known before treatment: windows end before {day}"
        remedy = "take windows that end after onset; before it a difference is a placebo, not an effect"
        raise InputDataError(Problem(what, "windows", remedy, len(late), tuple(late)))
    pairs = [(one, other) for one in before for other in after if one.shared_days(other)]
    if asked.overlap == "keep":
        return 1.0
    if pairs and asked.overlap == "refuse":
        what = "windows overlap: " + "; ".join(f"{one} and {other}" for one, other in pairs[:3])
        remedy = "take windows that do not share months, or state 'overlap: undo' and the factor is computed and shown"
        raise InputDataError(Problem(what, "windows", remedy, len(pairs)))
    if pairs and len(before) + len(after) > 2:
        raise InputDataError(Problem("windows overlap", "windows", "an overlap can be undone of one window each"))
    early = [str(one) for one in after if one.start < day and not any(one.shared_days(other) for other in before)]
    if early:
        what = f"windows begin before onset on {day}"
        remedy = "take windows that begin after onset, or state 'overlap: keep' and read effects as diluted"
        raise InputDataError(Problem(what, "windows", remedy, len(early), tuple(early)))
    return float(undoing_factor(*pairs[0])) if pairs else 1.0
