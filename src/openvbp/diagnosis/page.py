"""The report of a diagnosis as a page and as a text."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from openvbp.diagnosis.figures import charts
from openvbp.diagnosis.section import Section
from openvbp.html_page import page, table

_NOT_SHOWN = {"histogram"}
"""Tables that a chart shows."""
_MOST_ROWS = 60
_WIDTH = 120
_HEADINGS = {
    ("bunching", "threshold"): "At the threshold",
    ("bunching", "placebo"): "At placebo thresholds",
    ("put-back", "periods"): "Periods",
    ("put-back", "measures"): "Measures",
    ("exclusions", "estimates"): "Percentage points more left out after a missed threshold",
    ("selection", "changes"): "Changes when the program began",
    ("selection", "left_or_kept"): "Patients whom providers lost and kept",
    ("coding", "changes"): "Changes of mean risk, one set of coefficients",
    ("multitasking", "outcomes"): "Outcomes",
    ("penalties", "periods"): "Periods",
    ("penalties", "transitions"): "From period to period",
    ("penalties", "draws"): "By draws of the true rates",
    ("penalties", "worst_quarters"): "Worst quarter of each measure",
    ("equity", "rates"): "Penalties and money by group",
    ("equity", "rescored"): "By other rules",
    ("attribution", "rules"): "Against the first rule",
}
_SHARES = ("share", "reported", "in_population", "not_truly", "chance", "coding", "beyond_ten_codes", "changed_class")


def render_page(title: str, record: Mapping[str, Any], sections: Sequence[Section]) -> str:
    """Write the page.

    Parameters
    ----------
    title
        Program and periods.
    record
        As of :func:`openvbp.diagnosis.diagnose.diagnose`.
    sections
        Made or not, in order.
    """
    runs = "".join(f"<li>{escape(one['path'])}</li>" for one in record["runs"])
    made = [(one.title, _section(one)) for one in sections if one.is_made]
    lead = f'<div class="folder"><ul>{runs}</ul></div>' + _summary(sections)
    return page(f"Diagnosis: {title}", [*made, ("What could not be looked at", _not_made(sections))], lead=lead)


def _summary(sections: Sequence[Section]) -> str:
    firsts = [
        f"<li><strong>{escape(one.title)}.</strong> {escape(one.findings[0])}</li>"
        for one in sections
        if one.is_made and one.findings
    ]
    return f"<ul>{''.join(firsts)}</ul>" if firsts else ""


def _section(section: Section) -> str:
    sentences = "".join(f"<p>{escape(one)}</p>" for one in section.findings)
    drawn = "".join(f"<h3>{escape(caption)}</h3>{svg}" for caption, svg in charts(section))
    tables = "".join(
        _table(section.name, name, rows) for name, rows in section.tables.items() if rows and name not in _NOT_SHOWN
    )
    return sentences + drawn + tables


def _table(section: str, name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    header = [column.replace("_", " ").capitalize() for column in columns]
    cells = [[_cell(column, row.get(column)) for column in columns] for row in rows[:_MOST_ROWS]]
    caption = _HEADINGS.get((section, name), name.replace("_", " ").capitalize())
    more = len(rows) - _MOST_ROWS
    file = f"{section}_{name}.parquet"
    note = f"<p>{more:,} further rows are in {escape(file)}.</p>" if more > 0 else ""
    # A long table opens when asked for.
    content = table(header, cells, caption="" if len(rows) > 12 else caption) + note
    if len(rows) <= 12:
        return content
    return f"<details><summary>{escape(caption)} ({len(rows):,} rows)</summary>{content}</details>"


def _cell(column: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if not column.startswith(("before", "after")) else str(value)
    if isinstance(value, float):
        return _float(column, value)
    return escape(str(value))


def _float(column: str, value: float) -> str:
    if math.isnan(value):
        return "–"
    is_share = column in _SHARES or column.endswith(("_share", "_above_15_percent")) or column.startswith("share_")
    is_share = is_share or column.startswith(("left_out_", "median_reported", "median_in_population"))
    if is_share:
        return f"{100 * value:.1f} %".replace("-", "−")
    if column.startswith(("mean_rate", "rate_change")):
        return f"{100 * value:.2f} %".replace("-", "−")
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.3f}"
    return text.replace("-", "−")


def _not_made(sections: Sequence[Section]) -> str:
    rows = [(escape(one.title), escape(one.why_not)) for one in sections if not one.is_made]
    return table(("Diagnosis", "Why not, and what to give"), rows) if rows else ""


def render_text(title: str, sections: Sequence[Section]) -> str:
    """Write the report for a terminal: the sentences of each section, and what could not be made."""
    lines = [f"Diagnosis: {title}"]
    for one in sections:
        if one.is_made:
            lines += ["", one.title, *(_wrapped(sentence) for sentence in one.findings)]
    missing = [one for one in sections if not one.is_made]
    if missing:
        lines += ["", "Not looked at", *(_wrapped(f"{one.title}: {one.why_not}") for one in missing)]
    return "\n".join(lines)


def _wrapped(sentence: str) -> str:
    indents = {"initial_indent": "  ", "subsequent_indent": "    "}
    # A number and its percent sign stay on one line.
    whole = sentence.replace(" %", "\u00a0%")
    return textwrap.fill(whole, _WIDTH, break_on_hyphens=False, **indents).replace("\u00a0%", " %")
