"""From a sample to a finding: each design's estimator called with the sample's arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import Floats
from openvbp.estimators.comparative_interrupted_time_series import comparative_interrupted_time_series
from openvbp.estimators.count_models import count_model
from openvbp.estimators.difference_in_differences import (
    TREATMENT,
    DifferenceInDifferences,
    difference_in_differences,
    triple_difference,
)
from openvbp.estimators.event_study import EventStudy, event_study
from openvbp.estimators.interrupted_time_series import interrupted_time_series
from openvbp.estimators.permutation import permutation
from openvbp.estimators.wild_bootstrap import wild_bootstrap
from openvbp.evaluation.cells import as_float
from openvbp.evaluation.findings import Finding, Found, attempt, figures
from openvbp.evaluation.frame import Frame
from openvbp.evaluation.samples import Flags, Sample, sample
from openvbp.evaluation.staggered_designs import group_time, imputation
from openvbp.evaluation.study_terms import Analysis
from openvbp.evaluation.synthetic_designs import synthetic, synthetic_difference

_FEW_TREATED = 20


def estimate(
    frame: Frame,
    analysis: Analysis,
    *,
    section: str,
    label: str,
    treated_groups: Sequence[str] | None = None,
    among_treated: Flags | None = None,
    is_placebo: bool = False,
    onset: date | None = None,
) -> Finding:
    """Estimate one analysis; see :func:`~openvbp.evaluation.samples.sample` for the further parameters.

    Raises
    ------
    InputDataError
        If the sample cannot show an effect, or the estimator refuses it.
    """
    both_sides = analysis.design not in ("imputation", "callaway_santanna", "counts")
    drawn = sample(
        frame,
        analysis,
        treated_groups=treated_groups,
        among_treated=among_treated,
        both_sides=both_sides,
        is_placebo=is_placebo,
        onset=onset,
    )
    found, note = _DESIGNS[analysis.design](frame, drawn)
    notes = [note, *(f"WARNING: {text}" for text in frame.breaks(drawn.analysis.conditions, drawn.windows))]
    return Finding(section, label, **found, **described(drawn), note="; ".join(filter(None, notes)))


def described(drawn: Sample) -> dict[str, Any]:
    """Give the columns that say how a sample was drawn."""
    asked = drawn.analysis
    return {
        **drawn.counts,
        "design": asked.design,
        "conditions": "+".join(asked.conditions),
        "compare": "+".join(asked.compare),
        "before": " ".join(asked.before),
        "after": " ".join(asked.after),
        "weights": asked.weights,
        "cluster": asked.cluster,
        "sample": asked.sample,
        "scale": drawn.scale,
    }


def fit_did(frame: Frame, drawn: Sample, kind: str = "CR1") -> DifferenceInDifferences:
    """Fit the difference in differences of a sample, or its triple difference or dose."""
    arrays = _arrays(drawn, kind)
    if drawn.analysis.design == "ddd":
        paid = [frame.conditions.index(one) for one in drawn.analysis.conditions]
        incentivised = np.isin(drawn.condition, paid)
        arrays["group"] = drawn.is_treated
        # The last window before onset is the reference; earlier ones are leads, which ought to be zero.
        arrays["covariates"] = {
            lead_name(drawn, at): (drawn.is_treated & incentivised & (drawn.window == at)).astype(float)
            for at in range(len(drawn.analysis.before) - 1)
        }
        return triple_difference(drawn.outcome, drawn.treatment * incentivised, **arrays)
    treatment = drawn.treatment
    if drawn.analysis.dose is not None:
        treatment = dose_of(frame, drawn) * drawn.is_after
    return difference_in_differences(drawn.outcome, treatment, **arrays)


def lead_name(drawn: Sample, at: int) -> str:
    """Name the coefficient of a window before the reference."""
    return f"lead {drawn.windows[at]}"


def fit_event(drawn: Sample) -> EventStudy:
    """Fit the event study of a sample: the last window before onset is the reference."""
    before = len(drawn.analysis.before)
    arrays = _arrays(drawn, "CR1")
    return event_study(drawn.outcome, drawn.is_treated.astype(float), event_time=drawn.window - before, **arrays)


def dose_of(frame: Frame, drawn: Sample) -> Floats:
    """Give the dose of each row.

    Raises
    ------
    InputDataError
        If a treated row has none, or it is no number.
    """
    if drawn.analysis.dose is None:
        raise InputDataError(Problem("no dose is named", "dose", "name an attribute that is a number"))
    texts = frame.cells.attributes[drawn.analysis.dose][drawn.rows]
    values = np.array([as_float(one) for one in texts])
    missing = np.isnan(values)
    if (missing & drawn.is_treated).any():
        what = f"treated cells have no '{drawn.analysis.dose}'"
        remedy = "leave these providers out, or give their dose: a missing dose is not zero"
        raise InputDataError(Problem(what, "dose", remedy, int((missing & drawn.is_treated).sum())))
    return np.where(missing, 0.0, values)


def further_inference(
    frame: Frame, analysis: Analysis, wanted: Sequence[str], *, draws: int, seed: int
) -> list[Finding]:
    """Give the same estimate with other errors and tests, a row each."""
    section = "main"
    if analysis.design not in ("did", "ddd", "dose"):
        return []
    drawn = sample(frame, analysis)
    fitted = fit_did(frame, drawn)
    columns = described(drawn)
    rows: list[Finding] = []
    if "cr2" in wanted:
        rows += attempt(
            section,
            "the same, bias-reduced errors (CR2)",
            lambda: Finding(
                section,
                "the same, bias-reduced errors (CR2)",
                **figures(fit_did(frame, drawn, "CR2").effect, drawn.scale),
                **columns,
            ),
        )
    if "wild" in wanted:
        booted = wild_bootstrap(fitted.fit, TREATMENT, drawn.cluster, seed=seed, draws=draws)
        label = f"the same, wild cluster bootstrap ({booted.draws:,} draws)"
        rows.append(Finding(section, label, **figures(booted.estimate, drawn.scale), **columns))
    few = min(drawn.counts["treated_providers"], drawn.counts["comparison_providers"]) < _FEW_TREATED
    if "permutation" in wanted or few:
        rows += attempt(
            section, "the same, permutation of who is treated", lambda: _permuted(drawn, fitted, draws, seed)
        )
    return rows


def _permuted(drawn: Sample, fitted: DifferenceInDifferences, draws: int, seed: int) -> Finding:
    label = f"the same, permutation of who is treated ({draws:,} draws)"
    found = permutation(fitted.fit, TREATMENT, drawn.provider, drawn.is_after.astype(float), seed=seed, draws=draws)
    estimated = {"estimate": fitted.effect.estimate * drawn.scale, "p_value": found.p_value}
    return Finding("main", label, **estimated, **described(drawn), note="a permutation gives a p-value, no interval")


def _arrays(drawn: Sample, kind: str) -> dict[str, Any]:
    return {
        "unit": drawn.provider,
        "period": drawn.window,
        "condition": drawn.condition if len(np.unique(drawn.condition)) > 1 else None,
        "clusters": drawn.cluster,
        "weights": drawn.weights,
        "observations": drawn.observations,
        "kind": kind,
    }


def _did(frame: Frame, drawn: Sample) -> Found:
    fitted = fit_did(frame, drawn)
    note = ""
    fewest = min(len(np.unique(drawn.cluster[side])) for side in (drawn.is_treated, ~drawn.is_treated))
    if fewest < _FEW_TREATED:
        note = f"one side has {fewest} clusters: read the permutation test, not the error"
    for name, one in fitted.covariates.items():
        note = "; ".join(filter(None, [note, f"{name}: {one.estimate:+.3f} ({one.low:+.3f}, {one.high:+.3f})"]))
    return figures(fitted.effect, drawn.scale), note


def _event(_frame: Frame, drawn: Sample) -> Found:
    fitted = fit_event(drawn)
    return figures(fitted.average_after), "mean effect of the windows after onset"


def _cits(frame: Frame, drawn: Sample) -> Found:
    day = frame.onset(drawn.analysis.conditions).date
    time, knot = quarters(drawn, day)
    found = comparative_interrupted_time_series(
        drawn.outcome,
        drawn.is_treated.astype(float),
        unit=drawn.provider,
        time=time,
        knot=knot,
        condition=drawn.condition if len(np.unique(drawn.condition)) > 1 else None,
        clusters=drawn.cluster,
        weights=drawn.weights,
    )
    slopes = {
        "comparison": (found.untreated_before, found.untreated_after),
        "treated": (found.treated_before, found.treated_after),
    }
    words = [f"{name} {one.estimate:+.3f} → {other.estimate:+.3f}" for name, (one, other) in slopes.items()]
    return figures(found.effect), "difference in differences of slopes, per quarter; slopes: " + ", ".join(words)


def quarters(drawn: Sample, day: date) -> tuple[Floats, float]:
    """Give the middle of each row's window in quarters since the first window, and onset on the same scale."""
    first = drawn.windows[0].start
    middles = [((one.start - first).days + one.days / 2) / 91.3125 for one in drawn.windows]
    return np.array(middles)[drawn.window], (day - first).days / 91.3125


def _series(_frame: Frame, drawn: Sample) -> Found:
    """Hold windows after onset against the line of those before it, of the treated alone."""
    before, scale = len(drawn.analysis.before), drawn.scale
    found = interrupted_time_series(
        drawn.outcome,
        unit=drawn.provider,
        window=drawn.window,
        onset=before,
        time=quarters(drawn, drawn.windows[0].start)[0],
        condition=drawn.condition,
        clusters=drawn.cluster,
        weights=drawn.weights,
        observations=drawn.observations,
    )
    line = "difference to the window before" if before == 1 else f"departure from the line of {before} windows before"
    each = ", ".join(
        f"{window} {one.estimate * scale:+.3f} ({one.low * scale:+.3f} to {one.high * scale:+.3f})"
        for window, one in zip(drawn.windows[before:], found.departures, strict=True)
    )
    notes = [f"{line}: {each}"]
    if found.last_before is not None:
        one = found.last_before
        bend = f"{one.estimate:+.3f} ({one.low:+.3f} to {one.high:+.3f})"
        notes.append(f"{drawn.windows[before - 1]}, before onset, lies {bend} off the line of those before it")
    return figures(found.average, scale), "; ".join(notes)


def _counts(frame: Frame, drawn: Sample) -> Found:
    """Fit events by the dose, with time at risk as offset: the change of the log rate per unit of dose."""
    dose = dose_of(frame, drawn)
    later = {f"window {at}": (drawn.window == at).astype(float) for at in range(1, len(drawn.windows))}
    columns = {"dose": dose, **later}
    name = "dose"
    if drawn.is_after.any() and not drawn.is_after.all():
        columns["dose after onset"] = dose * drawn.is_after
        name = "dose after onset"
    cells = frame.cells.where(np.isin(np.arange(len(frame.cells)), drawn.rows))
    found = count_model(cells.observed, columns, time_at_risk=cells.cases, clusters=drawn.cluster)
    one = found.inference.estimate(name)
    return figures(one), f"log of the rate ratio per unit of {drawn.analysis.dose}: ratio {np.exp(one.estimate):.3f}"


_DESIGNS: Mapping[str, Callable[[Frame, Sample], Found]] = {
    "did": _did,
    "ddd": _did,
    "dose": _did,
    "event": _event,
    "cits": _cits,
    "imputation": imputation,
    "callaway_santanna": group_time,
    "synthetic": synthetic,
    "sdid": synthetic_difference,
    "counts": _counts,
    "its": _series,
}
