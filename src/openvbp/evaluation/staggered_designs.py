"""Designs of staggered adoption: providers that start at different times, or one start with several windows."""

from __future__ import annotations

import itertools

import numpy as np

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import Codes, Floats
from openvbp.estimators.bacon_decomposition import bacon_decomposition
from openvbp.estimators.callaway_santanna import callaway_santanna
from openvbp.estimators.staggered_imputation import staggered_imputation
from openvbp.evaluation.findings import Found, figures
from openvbp.evaluation.frame import Frame
from openvbp.evaluation.samples import Sample
from openvbp.evaluation.windows import window_of

NEVER = float("inf")


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


def bacon_warning(frame: Frame, drawn: Sample) -> str:
    """Say what two-way fixed effects would compare, where providers start at different times."""
    outcome, unit, period, first, _weights = staggered(frame, drawn)
    found = bacon_decomposition(outcome, unit, period, first)
    share = found.forbidden_share
    text = (
        f"two-way fixed effects: {found.two_way_fixed_effects:+.3f}, {share:.1%} of it with treated units as controls"
    )
    return f"WARNING: {text}: do not use it" if found.warns else text
