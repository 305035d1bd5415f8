"""The checks that every run makes, in a fixed order; one that cannot be made says why."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.estimate import Estimate
from openvbp.estimators.event_study import EventStudy
from openvbp.estimators.multiple_outcomes import empirical_null, sharpened_q_values
from openvbp.evaluation.designs import described, estimate, fit_event
from openvbp.evaluation.findings import NAN, Finding, attempt, figures, not_possible
from openvbp.evaluation.frame import Frame
from openvbp.evaluation.program_facts import program_facts
from openvbp.evaluation.samples import Sample, sample
from openvbp.evaluation.staggered_designs import event_effects
from openvbp.evaluation.study_terms import Analysis
from openvbp.evaluation.windows import Window
from openvbp.programs import program_ids


@dataclass(frozen=True)
class EventPath:
    """The event study behind the figure, tests of leads and bounds."""

    study: EventStudy
    drawn: Sample

    @property
    def reference(self) -> Window:
        """Window that the others are compared with."""
        return self.drawn.windows[len(self.drawn.analysis.before) - 1]


def event_analysis(frame: Frame, main: Analysis) -> Analysis:
    """Give the longest chain of windows that share no months: back from onset, and on from it."""
    resolved = frame.resolved(main)
    day = frame.onset(resolved.conditions).date
    wanted = [frame.conditions.index(one) for one in resolved.conditions]
    seen = np.unique(frame.cells.window[np.isin(frame.condition_codes, wanted)])
    windows = [frame.cells.windows[at] for at in seen]
    before: list[Window] = []
    for one in sorted((one for one in windows if one.end < day), reverse=True):
        if not before or not one.shared_days(before[-1]):
            before.append(one)
    after: list[Window] = []
    for one in sorted(one for one in windows if one.start >= day):
        if not after or not one.shared_days(after[-1]):
            after.append(one)
    chain = {"before": tuple(map(str, reversed(before))), "after": tuple(map(str, after))}
    if main.design == "event":
        chain = {"before": resolved.before, "after": resolved.after}
    return resolved.model_copy(update={"design": "event", "sample": "all", "overlap": "refuse", **chain})


def event_path(frame: Frame, main: Analysis) -> tuple[EventPath | None, list[Finding]]:
    """Estimate the effect in each window; gives the rows of the figure."""
    section = "event study"
    found: list[EventPath] = []

    def compute() -> list[Finding]:
        is_staggered = "first_treated" in frame.cells.attributes
        drawn = sample(frame, event_analysis(frame, main), both_sides=not is_staggered)
        study = event_effects(frame, drawn) if is_staggered else fit_event(drawn)
        found.append(EventPath(study, drawn))
        columns = described(drawn) | {"before": "", "after": ""}
        times = zip(study.event_times, study.effects, strict=True)
        if is_staggered:
            return [
                Finding(section, f"{time:+d} windows since start", **figures(one), **columns) for time, one in times
            ]
        first = len(drawn.analysis.before)
        rows = []
        for time, one in times:
            label = str(drawn.windows[time + first])
            side = "before" if time < 0 else "after"
            windows = (drawn.windows[first - 1], drawn.windows[time + first])
            note = "; ".join(f"WARNING: {text}" for text in frame.breaks(drawn.analysis.conditions, windows))
            rows.append(Finding(section, label, **figures(one), **(columns | {side: label}), note=note))
        return rows

    rows = attempt(section, "effect in each window", compute)
    return (found[0] if found else None), rows


def pretrend(path: EventPath | None) -> list[Finding]:
    """Test that all leads are zero, and say which trend the test would have found."""
    section = "pre-trend test"
    if path is None:
        return [not_possible(section, "all leads are zero", "there is no event study: see there")]
    if path.study.leads_test is None:
        why = "one window before onset, or none: parallel trends cannot be tested, and no bound follows from the data"
        return [not_possible(section, "all leads are zero", why)]
    test, slope = path.study.leads_test, path.study.detectable_slope
    effect = abs(path.study.average_after.estimate)
    power = path.study.leads_test_power(effect) if math.isfinite(effect) else NAN
    note = (
        f"F({test.restrictions}, {test.degrees_of_freedom:.0f}) = {test.statistic:.2f}; a trend of {slope:.3f} per "
        f"window is found with 80 % power, one as large as the estimate ({effect:.3f}) with {power:.0%}"
    )
    return [Finding(section, "all leads are zero", p_value=test.p_value, minimum_detectable_effect=slope, note=note)]


def placebo_time(frame: Frame, main: Analysis) -> list[Finding]:
    """Pretend that the program began between windows before it did."""
    section = "placebo in time"
    windows = event_analysis(frame, main).before
    if len(windows) < 2:
        return [not_possible(section, "an earlier onset", "there are no two windows before onset that share no months")]
    rows: list[Finding] = []
    for early, late in itertools.pairwise(windows):
        one = frame.resolved(main).model_copy(update={"design": "did", "before": (early,), "after": (late,)})
        label = f"{early} to {late}"
        rows += attempt(
            section,
            label,
            lambda one=one, label=label: estimate(frame, one, section=section, label=label, is_placebo=True),
        )
    return rows


def untouched_conditions(frame: Frame, until: date) -> list[str]:
    """Name the conditions of the study that the program did not pay for up to a day."""
    paid = frame.incentivised(until)
    return [one for one in frame.conditions if one not in paid]


def spill_over(frame: Frame, main: Analysis) -> list[Finding]:
    """Estimate the effect on conditions that the program leaves alone."""
    section = "spill-over: untouched conditions"
    resolved = frame.resolved(main)
    until = max(one.end for one in frame.windows(resolved.after))
    # Untouched conditions have no onset of their own: they are held against that of the paid ones.
    day = frame.onset(resolved.conditions).date
    names = untouched_conditions(frame, until)
    if not names:
        return [not_possible(section, "untouched conditions", "the panel has none: add conditions without pay")]
    rows: list[Finding] = []
    for chosen in [(one,) for one in names]:
        one = resolved.model_copy(update={"design": "did", "conditions": chosen, "sample": "all"})
        note = _paid_elsewhere(frame, chosen[0], until)
        found = attempt(
            section,
            chosen[0],
            lambda one=one, chosen=chosen: estimate(frame, one, section=section, label=chosen[0], onset=day),
        )
        rows += [row.within(section, note="; ".join(filter(None, [row.note, note]))) for row in found]
    possible = [one.label for one in rows if one.is_estimated]
    if len(possible) > 1:
        together = resolved.model_copy(update={"design": "did", "conditions": tuple(possible), "sample": "all"})
        label = "all of them: " + "+".join(possible)
        rows = (
            attempt(section, label, lambda: estimate(frame, together, section=section, label=label, onset=day)) + rows
        )
    return rows


def _paid_elsewhere(frame: Frame, condition: str, until: date) -> str:
    """Say which other program pays for a condition: then it is no condition that nobody touched."""
    measure = frame.measure(condition)
    found = []
    for program_id in program_ids() if measure else ():
        if frame.facts is not None and program_id == frame.facts.program_id:
            continue
        try:
            other = program_facts(program_id)
        except Exception as error:
            if getattr(error, "exit_code", None) == 2:
                continue
            raise
        measured = other.clock("measured", measure)
        if other.is_incentivised(measure, date.max) and measured is not None and measured.date <= until:
            found.append(f"{program_id} has measured {measure} since {measured.date}")
    return ("not untouched: " + "; ".join(found)) if found else ""


def placebo_outcome(spill: Sequence[Finding]) -> list[Finding]:
    """Count how many untouched conditions moved, with q-values over them."""
    section = "placebo in outcome"
    single = [one for one in spill if one.is_estimated and "+" not in one.label and math.isfinite(one.p_value)]
    if not single:
        return [not_possible(section, "untouched conditions", "no untouched condition could be tested")]
    q_values = sharpened_q_values([one.p_value for one in single])
    rows = []
    for one, q in zip(single, q_values, strict=True):
        note = "; ".join(filter(None, [f"q-value {q:.3f} over {len(single)} outcomes", one.note]))
        rows.append(one.within(section, note=note))
    return rows


def placebo_unit(frame: Frame, main: Analysis) -> list[Finding]:
    """Treat each exempt group as if it were in the program, against the other exempt groups."""
    section = "placebo in unit"
    resolved = frame.resolved(main)
    if len(frame.exempt_groups) < 2:
        return [not_possible(section, "an exempt group as if treated", "there are not two exempt groups")]
    rows: list[Finding] = []
    for group in frame.exempt_groups:
        others = tuple(one for one in frame.exempt_groups if one != group)
        # An exempt provider has no start of its own: designs of staggered adoption make way for the plain one.
        design = "did" if resolved.design in ("imputation", "callaway_santanna") else resolved.design
        one = resolved.model_copy(update={"compare": others, "sample": "all", "design": design})
        label = f"{group} as if in the program"
        rows += attempt(
            section,
            label,
            lambda one=one, group=group, label=label: estimate(
                frame, one, section=section, label=label, treated_groups=(group,)
            ),
        )
    return rows


def calibration(main: Finding, placebos: Sequence[Finding]) -> list[Finding]:
    """Widen and move the main estimate by what placebos in time, outcome and unit find where nothing is to be found."""
    section, label = "negative-control calibration", "main analysis, calibrated"
    used = [one for one in placebos if one.is_estimated and one.standard_error > 0 and "not untouched" not in one.note]

    def compute() -> Finding:
        if not main.is_estimated:
            raise InputDataError(Problem("the main analysis was not possible", section, "see there"))
        null = empirical_null([_as_estimate(one) for one in used])
        note = (
            f"{null.controls} placebos find {null.mean:+.3f} on average, with a standard deviation of "
            f"{null.standard_deviation:.3f} beyond their own errors"
        )
        columns = {"treated_providers": main.treated_providers, "comparison_providers": main.comparison_providers}
        return Finding(section, label, **figures(null.calibrated(_as_estimate(main))), **columns, note=note)

    return attempt(section, label, compute)


def _as_estimate(one: Finding) -> Estimate:
    figures_ = (one.estimate, one.standard_error, one.low, one.high, one.p_value)
    return Estimate(*figures_, one.cells, one.clusters)
