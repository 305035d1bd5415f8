"""A review as a page and as a text."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from openvbp.design_review.aspect import SERIOUS_WHEN, Aspect, Evidence, Finding
from openvbp.design_review.figures import figure
from openvbp.design_review.principles import Verdict
from openvbp.diagnosis.section import percent
from openvbp.html_page import page, table

_CLASSES = {"serious": "stop", "caution": "warning", "fine": "clean"}
_WORDS = {"serious": "serious", "caution": "caution", "fine": "fine"}
_JUDGED = {"broken": "stop", "not determinable": "warning", "kept": "clean"}
_MONEY = {"above", "below", "settlement", "net", "mean_paid", "mean_charged", "budget"}
"""Columns of amounts, shown without decimals, as are large numbers."""
_LARGE = 1000
_MOST_ROWS = 12
_WIDTH = 118


def summary(aspects: Sequence[Aspect], verdicts: Sequence[Verdict]) -> str:
    """One sentence: how many aspects are serious, how many principles are broken."""
    serious = [one.title.lower() for one in aspects if one.severity == "serious"]
    unseen = sum(bool(one.why_not) for one in aspects)
    judged = Counter(one.judgement for one in verdicts)
    seen = sum(not one.why_not for one in aspects)
    named = f"{len(serious)} serious: {'; '.join(serious)}" if serious else "no serious failure mode found"
    named = f"{named} (of {seen} looked at)"
    missing = f" Not looked at: {unseen}." if unseen else ""
    return (
        f"{named[0].upper()}{named[1:]}.{missing} Of {len(verdicts)} published principles {judged['broken']} "
        f"are broken, {judged['kept']} kept, {judged['not determinable']} not determinable."
    )


def render_page(title: str, record: Mapping[str, Any], aspects: Sequence[Aspect], verdicts: Sequence[Verdict]) -> str:
    """Write the page.

    Parameters
    ----------
    title
        Program and period.
    record
        As of :func:`openvbp.design_review.review.review`.
    aspects, verdicts
        In order.
    """
    worst = "stop" if any(one.severity == "serious" for one in aspects) else "clean"
    tried = f"Tried on the run {record['run']['path']}." if record["run"] else "By its terms alone: no data were given."
    lead = f'<p class="verdict {worst}">{escape(summary(aspects, verdicts))}</p><p class="folder">{escape(tried)}</p>'
    seen = [one for one in aspects if not one.why_not]
    overview = "".join(f"<p>{_outcome(one)} <strong>{escape(one.title)}.</strong> {_worst(one)}</p>" for one in seen)
    unseen = [(escape(one.title), escape(one.why_not)) for one in aspects if one.why_not]
    sections = [
        ("At a glance", overview),
        *((one.title, _aspect(one)) for one in seen),
        ("What could not be looked at", table(("Failure mode", "Why not, and what to give"), unseen) if unseen else ""),
        ("Published principles, item by item", _principles(verdicts)),
    ]
    return page(f"Design review: {title}", sections, lead=lead)


def _worst(aspect: Aspect) -> str:
    return escape(next((one.text for one in aspect.findings if one.severity == aspect.severity), ""))


def _outcome(aspect: Aspect) -> str:
    severity = aspect.severity or "fine"
    return f'<span class="outcome {_CLASSES[severity]}">{_WORDS[severity]}</span>'


def _aspect(aspect: Aspect) -> str:
    body = "".join(_finding(one) for one in aspect.findings)
    limit = SERIOUS_WHEN[aspect.name]
    said = limit[0].upper() + limit[1:] if limit.startswith("never") else f"Serious when {limit}"
    note = f'<p class="cite">{escape(said)}.</p>'
    return (
        body + note + figure(aspect) + "".join(_table(caption, rows) for caption, rows in aspect.tables.items() if rows)
    )


def _finding(finding: Finding) -> str:
    mark = f'<span class="outcome {_CLASSES[finding.severity]}">{_WORDS[finding.severity]}</span>'
    return f"<p>{mark} {escape(finding.text)}{_evidence(finding.evidence)}</p>"


def _evidence(places: Sequence[Evidence]) -> str:
    if not places:
        return ""
    listed = "; ".join(f"{escape(one.place)} = {escape(one.value)} [{escape(_cite(one))}]" for one in places)
    return f'<br/><span class="cite">{listed}</span>'


def _cite(one: Evidence) -> str:
    return f"{one.cite}; UNVERIFIED" if one.unverified else one.cite


def _principles(verdicts: Sequence[Verdict]) -> str:
    """One table for each publication."""
    rows: dict[str, list[tuple[str, ...]]] = {}
    for one in verdicts:
        principle = one.principle
        mark = f'<span class="outcome {_JUDGED[one.judgement]}">{one.judgement}</span>'
        read = f"read in: {principle.read}{'; UNVERIFIED' if principle.unverified else ''}"
        said = f'{escape(principle.text)}<br/><span class="cite">{escape(read)}</span>'
        # Within an element: a cell that begins with a digit would be set as a number.
        reason = f"<span>{escape(one.reason)}</span>{_evidence(one.evidence)}"
        source = f"{principle.source} ({principle.year})"
        rows.setdefault(source, []).append((escape(principle.id), said, mark, reason))
    header = ("", "Principle, in our words", "Verdict", "Reason and evidence")
    return "".join(table(header, of_source, caption=source) for source, of_source in rows.items())


def _table(caption: str, rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    header = [_heading(column) for column in columns]
    cells = [[_cell(column, row.get(column)) for column in columns] for row in rows]
    if len(rows) <= _MOST_ROWS:
        return table(header, cells, caption=caption)
    # A long table opens when asked for.
    return f"<details><summary>{escape(caption)} ({len(rows):,} rows)</summary>{table(header, cells)}</details>"


def _heading(column: str) -> str:
    return column.removesuffix("_share").replace("_", " ").capitalize()


def _cell(column: str, value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if column.endswith("_share"):
            return percent(value)
        is_whole = value.is_integer() or column in _MONEY or abs(value) >= _LARGE
        return (f"{value:,.0f}" if is_whole else f"{value:,.3f}").replace("-", "−")
    return escape(str(value))


def render_text(title: str, aspects: Sequence[Aspect], verdicts: Sequence[Verdict]) -> str:
    """Write the review for a terminal: findings by aspect, then the principles."""
    lines = [f"Design review: {title}", *_wrapped(summary(aspects, verdicts), "")]
    for aspect in aspects:
        if aspect.why_not:
            continue
        lines += ["", f"{aspect.title} ({aspect.severity})"]
        for one in aspect.findings:
            lines += _wrapped(f"{one.severity}: {one.text}", "  ")
            for place in one.evidence:
                lines += _wrapped(f"{place.place} = {place.value} [{_cite(place)}]", "      ")
    unseen = [one for one in aspects if one.why_not]
    if unseen:
        lines += ["", "Not looked at"]
        for one in unseen:
            lines += _wrapped(f"{one.title}: {one.why_not}", "  ")
    lines += ["", "Published principles"]
    for one in verdicts:
        mark = " (UNVERIFIED)" if one.principle.unverified else ""
        lines += _wrapped(f"{one.principle.id:7} {one.judgement}: {one.principle.text}{mark}", "  ")
        places = f" [{'; '.join(_cite(place) for place in one.evidence)}]" if one.evidence else ""
        lines += _wrapped(f"{one.reason}{places}", "      ")
    return "\n".join(lines)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_long_words=False)
