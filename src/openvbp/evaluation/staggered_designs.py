"""Designs of staggered adoption: providers that start at different times, or one start with several windows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from scipy.stats import f as f_distribution

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import Codes, Floats
from openvbp.estimators.bacon_decomposition import bacon_decomposition
from openvbp.estimators.callaway_santanna import callaway_santanna
from openvbp.estimators.estimate import Estimate
from openvbp.estimators.event_study import EventStudy
from openvbp.estimators.inference import JointTest
from openvbp.estimators.staggered_imputation import staggered_imputation
from openvbp.evaluation.findings import Found, figures
from openvbp.evaluation.frame import Frame
from openvbp.evaluation.samples import Sample
from openvbp.evaluation.windows import window_of

NEVER = float("inf")
REFERENCE = -1


def staggered(frame: Frame, drawn: Sample) -> tuple[Floats, Codes, Codes, Floats, Floats | None]:
    """Give outcome, unit, period, first treated period and weights for designs of staggered adoption.

    Raises
    ------
    InputDataError
        If windows overlap: a provider's outcome would be known before its treatment.
    """
    overlapping = [f"{one} and {other}" for one, other in itertools.pairwise(drawn.windows) if one.shared_days(other)]
    if overlapping:
        remedy = "take windows that do not share months"
        raise InputDataError(Problem("windows overlap", "windows", remedy, len(overlapping), tuple(overlapping[:3])))
    starts = frame.cells.attributes.get("first_treated")
    if starts is None:
        onset = len(drawn.analysis.before)
        first = np.where(drawn.is_treated, float(onset), NEVER)
    else:
        place = {text: _place(drawn, text) for text in set(starts[drawn.rows])}
        first = np.array([place[text] for text in starts[drawn.rows]])
    return drawn.outcome, drawn.unit, drawn.window, first, drawn.weights


def _place(drawn: Sample, text: str) -> float:
    """Say which window a first treated period is."""
    if not text:
        return NEVER
    day = window_of(text, text).start
    places = [at for at, one in enumerate(drawn.windows) if one.end >= day]
    return float(places[0]) if places else NEVER


def imputation(frame: Frame, drawn: Sample) -> Found:
    """Impute what treated cells would have been."""
    *arrays, weights = staggered(frame, drawn)
    found = staggered_imputation(*arrays, weights, cluster=drawn.cluster)
    lost = f"; {found.not_imputed_rows:,} treated cells could not be imputed" if found.not_imputed_rows else ""
    return figures(found.overall), f"mean over {found.imputed_rows:,} treated cells{lost}"


def group_time(frame: Frame, drawn: Sample) -> Found:
    """Average effects by cohort and window."""
    *arrays, weights = staggered(frame, drawn)
    first = arrays[3]
    comparison = "never" if np.isinf(first).any() else "not_yet"
    found = callaway_santanna(*arrays, weights, cluster=drawn.cluster, comparison=comparison)
    left = f"; {len(found.always_treated_units):,} units treated from the first window on are left out"
    words = "never treated" if comparison == "never" else "not yet treated"
    return figures(found.simple), f"compared with {words} units{left if found.always_treated_units else ''}"


def event_effects(frame: Frame, drawn: Sample) -> EventStudy:
    """Give effects by windows since each provider's own start, against the last window before it."""
    *arrays, weights = staggered(frame, drawn)
    comparison = "never" if np.isinf(arrays[3]).any() else "not_yet"
    found = callaway_santanna(*arrays, weights, cluster=drawn.cluster, comparison=comparison, base="universal")
    dynamic = found.dynamic
    kept = np.array([bool(one.standard_error > 0) for one in dynamic.effects]) & (dynamic.labels != REFERENCE)
    times = dynamic.labels[kept].astype(int)
    effects = tuple(one for one, is_kept in zip(dynamic.effects, kept, strict=True) if is_kept)
    covariance = dynamic.covariance[np.ix_(kept, kept)]
    leads = np.flatnonzero(times < REFERENCE)
    return EventStudy(
        event_times=tuple(times.tolist()),
        effects=effects,
        covariance=covariance,
        reference=REFERENCE,
        leads_test=_joint(np.array([effects[at].estimate for at in leads]), covariance[np.ix_(leads, leads)], effects),
        average_after=dynamic.overall,
        covariates={},
        inference=None,  # type: ignore[arg-type]
        fit=None,  # type: ignore[arg-type]
    )


def _joint(leads: Floats, covariance: Floats, effects: Sequence[Estimate]) -> JointTest | None:
    if not len(leads):
        return None
    freedom = float(effects[0].clusters - 1)
    if np.linalg.matrix_rank(covariance, hermitian=True) < len(leads):
        return JointTest(float("nan"), len(leads), freedom, float("nan"))
    statistic = float(leads @ np.linalg.solve(covariance, leads)) / len(leads)
    return JointTest(statistic, len(leads), freedom, float(f_distribution.sf(statistic, len(leads), freedom)))


def bacon_warning(frame: Frame, drawn: Sample) -> str:
    """Say what two-way fixed effects would compare, where providers start at different times."""
    outcome, unit, period, first, _weights = staggered(frame, drawn)
    found = bacon_decomposition(outcome, unit, period, first)
    share = found.forbidden_share
    text = (
        f"two-way fixed effects: {found.two_way_fixed_effects:+.3f}, {share:.1%} of it with treated units as controls"
    )
    return f"WARNING: {text}: do not use it" if found.warns else text
