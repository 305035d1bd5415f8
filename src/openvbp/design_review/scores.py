"""What a run's measures tell of a design: cases, reliability, and whether there is anything left to win."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from openvbp.design_review.aspect import Aspect, CannotBeSeenError, Evidence, Finding, Severity
from openvbp.design_review.design import Design
from openvbp.design_review.measure_scores import RELIABLE, measures_of
from openvbp.diagnosis.section import percent
from openvbp.parameters import ACTUAL

LOW = 0.4
"""Reliability below which a profile is flagged."""
WIDE = 0.15
"""Half of a 95 % interval of a rate, as a share: wider tells hardly anything."""
_Z = 1.959964


def small_denominators(design: Design) -> Aspect:
    """Hold the least number of cases of each measure against what a rate of so few cases tells.

    The rate is the mean of the run; one half, where chance is largest, without one. Ratios are left out.
    """
    rates, needed = _mean_rates(design), _cases_needed(design)
    rows = []
    for name, number in _minimum_cases(design).items():
        rate = rates.get(name, 0.5)
        if rate is None:
            continue
        half = _Z * math.sqrt(rate * (1 - rate) / max(number, 1))
        row = {"measure": name, "least_cases": number, "rate_share": rate, "half_interval_share": half}
        rows.append({**row, "cases_for_reliability": needed.get(name)})
    if not rows:
        raise CannotBeSeenError("the terms do not say how many cases a measure needs that is a share of them")
    known = [one for one in rows if one["cases_for_reliability"] is not None]
    findings = [_wide(design, rows)]
    if known:
        short = [one for one in known if one["least_cases"] < one["cases_for_reliability"]]
        text = (
            f"For a reliability of {RELIABLE} the data ask for more cases than the terms in {len(short):,} of "
            f"{len(known):,} measures."
        )
        findings.append(Finding("caution" if short else "fine", text))
    return Aspect("small-denominators", findings, {"Least cases": rows})


def _wide(design: Design, rows: Sequence[Mapping[str, Any]]) -> Finding:
    wide = [one for one in rows if one["half_interval_share"] >= WIDE]
    severity: Severity = "serious" if 2 * len(wide) >= len(rows) else "caution" if wide else "fine"
    numbers = sorted({one["least_cases"] for one in rows})
    span = " to ".join(f"{one:,.0f}" for one in dict.fromkeys((numbers[0], numbers[-1])))
    worst = max(rows, key=lambda one: one["half_interval_share"])
    reach = f"± {100 * worst['half_interval_share']:.0f} points with {worst['least_cases']:,.0f} in {worst['measure']}"
    text = (
        f"{len(wide):,} of {len(rows):,} measures may be scored on so few cases that the 95 % interval of the rate is "
        f"± {100 * WIDE:.0f} points or wider; the least are {span} cases ({reach})."
    )
    name = _minimum_parameter(design)
    return Finding(severity, text, [design.evidence(name)])


def _mean_rates(design: Design) -> dict[str, float | None]:
    """Mean rate of each measure of the run; none of one that is no share of cases."""
    if design.run is None or "measure_result" not in design.run.tables:
        return {}
    found: dict[str, list[float]] = {}
    for row in design.run.read("measure_result", scenario_id=ACTUAL).to_pylist():
        if row["rate"] is not None:
            found.setdefault(row["measure_id"], []).append(float(row["rate"]))
    return {
        name: float(np.mean(rates)) if min(rates) >= 0 and max(rates) <= 1 else None for name, rates in found.items()
    }


def _cases_needed(design: Design) -> dict[str, float]:
    """By measure: cases for a reliable rate; nothing without a run of enough providers."""
    try:
        found = measures_of(design)
    except CannotBeSeenError:
        return {}
    return {one.measure_id: round(one.needed, 1) for one in found if math.isfinite(one.needed)}


def _minimum_parameter(design: Design) -> str:
    if design.contract is not None:
        return "measure_minimum_denominator"
    return design.construction.minimum_cases if design.construction else ""


def _minimum_cases(design: Design) -> dict[str, float]:
    name = _minimum_parameter(design)
    if name not in design.terms.parameters:
        return {}
    # A minimum below three is one of predicted events, not of cases.
    return {
        key or "every measure": float(one)
        for key, one in design.terms.keyed(name).items()
        if float(one) > 2 or design.contract is not None
        if not key or not design.measures or key in design.measures
    }


def reliability(design: Design) -> Aspect:
    """Say how much of the difference between providers is theirs: τ² ÷ (τ² + 1/s), by measure (Adams 2009)."""
    known = [(one, one.reliability) for one in measures_of(design)]
    rows = [
        {
            "measure": one.measure_id,
            "providers": len(found),
            "median_cases": float(np.nanmedian(one.cases)),
            "median_reliability": float(np.median(found)),
            "reliable_share": float((found >= RELIABLE).mean()),
        }
        for one, found in known
        if found is not None
    ]
    if not rows:
        raise CannotBeSeenError(
            "no measure of the run has rates that are counts over known cases, neither shrunken nor smoothed: without "
            "them chance is not known (files of cases can be added to --data)"
        )
    low = [one for one in rows if one["median_reliability"] < LOW]
    middle = float(np.median([one["median_reliability"] for one in rows]))
    severity: Severity = "serious" if 2 * len(low) >= len(rows) else "caution" if middle < RELIABLE else "fine"
    reached = float(np.median([one["reliable_share"] for one in rows]))
    text = (
        f"In {len(low):,} of {len(rows):,} measures the median provider's reliability is below {LOW}; over "
        f"measures the median is {middle:.2f}. In the median measure {percent(reached)} of the providers reach "
        f"{RELIABLE}."
    )
    findings = [
        Finding(
            severity,
            text,
            [Evidence("results/measure_result", "rates and cases of the run", "J. L. Adams, RAND TR-653 (2009)")],
        )
    ]
    smooth = [one.measure_id for one, _found in known if one.is_shrunken]
    if smooth:
        text = f"Left out are {', '.join(smooth)}: their rates are shrunken, or differ less than chance makes."
        findings.append(Finding("caution", text))
    others = len(known) - len(rows) - len(smooth)
    if others:
        findings.append(Finding("fine", f"{others:,} further measures have no cases, or rates that are no counts."))
    return Aspect("reliability", findings, {"Reliability by measure": rows})


def topped_out(design: Design) -> Aspect:
    """Apply CMS's criteria: the 75th and 90th percentile within two standard errors, truncated variation below 0.10."""
    rows = [
        {"measure": one.measure_id, **topped_out_facts(one.rate, is_high_better=one.is_high_better)}
        for one in measures_of(design)
    ]
    found = [str(one["measure"]) for one in rows if one["is_topped_out"]]
    severity: Severity = "serious" if 2 * len(found) >= len(rows) else "caution" if found else "fine"
    cite = "81 FR 77282-77287 (42 CFR 414.1305), as in Hospital VBP; the coefficient without the best and worst 5 %"
    names = f": {', '.join(found[:8])}{', ...' if len(found) > 8 else ''}" if found else ""
    text = f"{len(found):,} of {len(rows):,} measures are topped out{names}."
    return Aspect(
        "topped-out",
        [
            Finding(
                severity,
                text,
                [Evidence("criteria", "75th v 90th percentile, truncated CV < 0.10", cite, unverified=True)],
            )
        ],
        {"Spread of the rates": rows},
    )


def topped_out_facts(rates: Sequence[float] | np.ndarray, *, is_high_better: bool | None = None) -> Mapping[str, Any]:
    """Say whether a measure is topped out.

    Parameters
    ----------
    rates
        Of the providers.
    is_high_better
        Which end is the better one; where that is not known, the one with the narrower gap.

    Returns
    -------
    ``providers``, ``better_quarter``, ``better_tenth`` (percentiles), ``standard_errors_apart``, ``truncated_cv``,
    ``is_topped_out``. The standard error is taken to be that of the mean over providers: the rule does not say.

    Source: 81 FR 77282 and 77286, notes 25 and 26.
    """
    values = np.sort(np.asarray(rates, float))
    error = float(values.std(ddof=1) / math.sqrt(len(values)))
    cut = round(0.05 * len(values))
    kept = values[cut : len(values) - cut]
    mean = float(kept.mean())
    variation = float(kept.std(ddof=1) / abs(mean)) if mean else math.inf
    both = {True: (0.75, 0.90), False: (0.25, 0.10)}
    chosen = both.values() if is_high_better is None else [both[is_high_better]]
    ends = [tuple(np.quantile(values, one)) for one in chosen]
    quarter, tenth = min(ends, key=lambda one: abs(one[1] - one[0]))
    apart = abs(float(tenth - quarter)) / error if error else 0.0
    return {
        "providers": len(values),
        "better_quarter": float(quarter),
        "better_tenth": float(tenth),
        "standard_errors_apart": apart,
        "truncated_cv": variation,
        "is_topped_out": bool(apart < 2 and variation < 0.10),
    }
