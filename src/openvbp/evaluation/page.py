"""The report of an evaluation: one page, in the fixed order of its checks."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import escape

from openvbp.evaluation.figures import curve_figure, cutoff_figure, effect_path, forest
from openvbp.evaluation.findings import Finding
from openvbp.evaluation.results import Results
from openvbp.evaluation.specification_curve import SECTION as CURVE
from openvbp.evaluation.study_terms import Study
from openvbp.html_page import page, table

_ORDER = (
    ("power before estimates", "Power, before outcomes were read"),
    ("balance before onset", "Balance before onset"),
    ("main", "Main table"),
    ("event study", "Effect path"),
    ("pre-trend test", "Pre-trend test and its power"),
    ("honest bounds", "Honest bounds: if trends were not parallel"),
    ("placebo in time", "Placebo in time"),
    ("placebo in outcome", "Placebo in outcome"),
    ("placebo in unit", "Placebo in unit"),
    ("negative-control calibration", "Calibrated by the placebos"),
    ("spill-over: untouched conditions", "Spill-over: conditions the program left alone"),
    ("worst baseline", "Worst baseline, with the same selection in the comparison"),
    ("equity", "Equity: effects by whom providers serve"),
    ("common shock", "Shock that would overturn the answer"),
    ("checks at the cutoff", "Checks at the cutoff"),
)
_SHRUNKEN = (
    "Warning: the outcome is shrunken. Published rates are drawn toward one mean: tests roughly survive, for effect "
    "and error shrink together; magnitudes, intervals and detectable effects do not."
)


def render_page(results: Results) -> str:
    """Write the page."""
    study = results.study
    verdict = "clean" if results.status.status == "locked" else "warning"
    units = f"Estimates and intervals are in {escape(study.outcome.unit)}."
    notes = [_SHRUNKEN] if study.outcome.shrunken else []
    notes += [f"Note: {escape(one)}." for one in results.warnings]
    lead = (
        f'<p class="verdict {verdict}">{escape(results.summary)}</p><p>{escape(results.status.words)} {units}</p>'
        + "".join(f"<p>{one}</p>" for one in notes)
    )
    sections = [
        ("What would change this conclusion", _list(results.what_would_change)),
        ("Design card", _card(results)),
    ]
    unit = study.outcome.unit
    for name, heading in _ORDER:
        rows = results.section(name)
        content = _rows(rows) if rows else ""
        if name == "main":
            content = _cutoffs(results) + forest(rows, unit) + content
        if name == "event study" and rows:
            content = effect_path(rows, _clock_years(results), unit) + content
        sections.append((heading, content))
    sections += [("Specification curve", _curve(results)), ("Shrinkage", _shrinkage(results))]
    return page(study.study, [*sections, ("Data and digests", _digests(results))], lead=lead)


def _list(lines: Sequence[str]) -> str:
    return "<ol>" + "".join(f"<li>{escape(one)}</li>" for one in lines) + "</ol>" if lines else ""


def _card(results: Results) -> str:
    lines: dict[str, list[str]] = {}
    for name, text in results.card:
        lines.setdefault(name, []).append(f"<dd>{escape(text)}</dd>")
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt>{''.join(texts)}" for name, texts in lines.items()) + "</dl>"


def _rows(rows: Sequence[Finding]) -> str:
    header = ["Analysis", "Estimate", "95 % interval", "p", "MDE 80 %", "Treated / comparison", "Note"]
    body = [_cells(one) for one in rows]
    kept = [at for at in range(len(header)) if at in (0, 1) or any(row[at] for row in body)]
    return table([header[at] for at in kept], [[row[at] for at in kept] for row in body])


def _cells(one: Finding) -> list[str]:
    note = (
        escape(one.note)
        if one.is_estimated
        else f'<span class="outcome warning">not possible</span> {escape(one.note)}'
    )
    if one.scale != 1:
        note = "; ".join(filter(None, [f"× {one.scale:g} for shared months", note]))
    sizes = f"{one.treated_providers:,} / {one.comparison_providers:,}" if one.treated_providers else ""
    interval = f"{_number(one.low)} to {_number(one.high)}" if math.isfinite(one.low) else ""
    p_value = "" if math.isnan(one.p_value) else "&lt; 0.001" if one.p_value < 0.001 else f"{one.p_value:.3f}"
    detectable = "" if math.isnan(one.minimum_detectable_effect) else f"{one.minimum_detectable_effect:.2f}"
    # A cell that begins with a digit would be set as a number.
    label, note = f"<span>{escape(one.label)}</span>", f"<span>{note}</span>" if note else ""
    return [label, _number(one.estimate), interval, p_value, detectable, sizes, note]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:+.3f}".replace("-", "−")


def _clock_years(results: Results) -> list[tuple[str, float]]:
    """Read the days of the clocks from the card, which has them with their sources."""
    found = []
    for name, text in results.card:
        match = re.match(r"(\d{4})-(\d{2})-(\d{2})", text)
        if name.startswith("Clock: ") and match:
            year, month, day = map(int, match.groups())
            found.append((name.removeprefix("Clock: "), year + (month - 1) / 12 + day / 365.25))
    return found


def _curve(results: Results) -> str:
    curve = results.curve
    rows = results.section(CURVE)
    if curve is None:
        return "<p>No choices were listed to vary: the answer is that of one specification.</p>"
    unit = results.study.outcome.unit
    words = (
        f"<p>{curve.specifications:,} specifications, median <strong>{_number(curve.median)}</strong>, middle half "
        f"{_number(curve.lower_quartile)} to {_number(curve.upper_quartile)} {escape(unit)}; {curve.better:.1%} "
        f"significantly better, {curve.worse:.1%} significantly worse. {curve.not_possible:,} were not possible.</p>"
    )
    choices = [
        (escape(name), escape(choice), f"{count:,}", _number(median), f"{better:.0%}", f"{worse:.0%}")
        for name, found in curve.by_choice.items()
        for choice, (count, median, better, worse) in found.items()
    ]
    header = ("Choice", "Taken", "Specifications", "Median", "Better", "Worse")
    reasons: dict[str, int] = {}
    for one in rows:
        if not one.is_estimated:
            reasons[one.note] = reasons.get(one.note, 0) + 1
    refused = _list([f"{count:,} not possible: {why}" for why, count in reasons.items()]).replace("ol>", "ul>")
    listed = f"<details><summary>All specifications</summary>{_rows(rows)}</details>"
    return words + curve_figure(rows, unit) + table(header, choices) + refused + listed


def _shrinkage(results: Results) -> str:
    if not results.study.outcome.shrunken:
        return "<p>The outcome is not shrunken: rates are those of the cases themselves.</p>"
    one = results.shrinkage
    if one is None:
        return (
            "<p class='verdict warning'>The outcome is shrunken and the number of cases is not known: effects are "
            "understated, by how much cannot be said.</p>"
        )
    rows = [
        ("Reliability of a treated unit's rate", f"{one.reliability_treated:.2f}"),
        ("Reliability of a comparison unit's rate", f"{one.reliability_compared:.2f}"),
        ("Simulated effect", _number(one.effect)),
        ("Found in rates before shrinkage", f"{_number(one.raw)} (standard deviation {one.raw_sd:.2f})"),
        (
            "Found in shrunken rates, weighted by cases",
            f"{_number(one.weighted)} (standard deviation {one.weighted_sd:.2f})",
        ),
        ("Found in shrunken rates, unweighted", _number(one.unweighted)),
        ("Share of an effect that is left", f"{one.attenuation:.0%}"),
    ]
    how = f"Measured on {one.replicates} simulated programs with this study's providers and volumes."
    words = f"<p>{_SHRUNKEN}</p><p>{how}</p>"
    return words + table(("Quantity", "Value"), [(escape(name), text) for name, text in rows])


def _digests(results: Results) -> str:
    rows = [("program", results.digests.program), ("specification", results.digests.specification)]
    rows += [(name, digest) for name, digest in results.digests.data.items()]
    counted = [(f"rows not used: {reason}", f"{count:,}") for reason, count in results.rows_rejected.items()]
    counted += [
        (f"cells left out of the main analysis: {why}", f"{count:,}") for why, count in results.left_out.items()
    ]
    read = [("rows read", f"{results.rows_read:,}")] if results.rows_read else []
    body = [(escape(name), f'<span class="folder">{escape(text)}</span>') for name, text in rows]
    return table(("", "SHA-256"), body) + table(("", "Count"), [(escape(a), b) for a, b in [*read, *counted]])


def _cutoffs(results: Results) -> str:
    if isinstance(results.study, Study):
        return ""
    drawn = "".join(
        cutoff_figure(one["bins"], one["cutoff"], one["score"], one["outcome"])
        for one in results.figures.get("cutoffs", [])
    )
    columns = "display:grid;gap:0 2rem;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr))"
    return f'<div style="{columns}">{drawn}</div>'
