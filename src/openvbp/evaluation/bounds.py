"""Honest bounds: what is left of an effect if trends were not parallel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.honest_bounds import EventStudy, breakdown_multiple, event_study, relative_magnitude_bounds
from openvbp.estimators.smoothness_bounds import breakdown_curvature, smoothness_bounds
from openvbp.evaluation.checks import EventPath
from openvbp.evaluation.findings import Finding, attempt
from openvbp.evaluation.study_terms import Study

SECTION = "honest bounds"
BREAKDOWN = "breakdown"
"""Label of the deviation, in multiples of the largest before onset, at which the sign is lost."""


def honest(path: EventPath | None, study: Study) -> list[Finding]:
    """Bound the mean effect when trends deviate after onset: so many times as much as before it, or bent so much."""

    def compute() -> list[Finding]:
        if path is None:
            raise InputDataError(Problem("there is no event study", SECTION, "see above"))
        times = np.array(path.study.event_times)
        before, after = times < path.study.reference, times >= 0
        effects = np.array([one.estimate for one in path.study.effects])
        order = np.concatenate([np.flatnonzero(before), np.flatnonzero(after)])
        found = event_study(effects[before], effects[after], path.study.covariance[np.ix_(order, order)])
        return [*_by_size(found, study), *_by_bend(found, study.bends)]

    return attempt(SECTION, "bounds", compute)


def _by_size(effects: EventStudy, study: Study) -> list[Finding]:
    rows = []
    for one in relative_magnitude_bounds(effects, study.honest, seed=study.seed):
        label = f"deviation at most {one.allowed:g} times the largest before"
        rows.append(Finding(SECTION, label, low=one.low, high=one.high, estimate=effects.point))
    breakdown = breakdown_multiple(effects, seed=study.seed)
    words = f"the sign survives deviations of up to {breakdown:.2f} times the largest before onset"
    if breakdown == 0:
        words = "an interval around the estimate holds zero already"
    return [*rows, Finding(SECTION, BREAKDOWN, estimate=breakdown, note=words)]


def _by_bend(effects: EventStudy, bends: Sequence[float]) -> list[Finding]:
    rows = []
    for one in smoothness_bounds(effects, bends):
        label = f"the trend before goes on, bent by at most {one.allowed:g} a window"
        if one.allowed == 0:
            label = "the straight line of the trend before is extrapolated (no bend)"
        rows.append(Finding(SECTION, label, low=one.low, high=one.high, estimate=(one.low + one.high) / 2))
    breakdown = breakdown_curvature(effects)
    words = f"the sign survives a trend whose slope changes by up to {breakdown:.3f} from window to window"
    if breakdown == 0:
        words = "with the straight line extrapolated an interval holds zero already"
    return [*rows, Finding(SECTION, "breakdown of the straight line", estimate=breakdown, note=words)]
