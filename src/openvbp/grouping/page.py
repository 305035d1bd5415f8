"""The page of a run: how many subjects have each group."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from openvbp.engine import cannot_write
from openvbp.html_page import page, table

SMALL = 10
"""Numbers of subjects up to this are withheld."""


def write_page(summary: dict[str, Any], path: Path) -> None:
    """Write the page.

    Parameters
    ----------
    summary
        Of a run: counts only, no subject. Counts of 1 to 10 subjects are withheld on the page.
    path
        Of the page.

    Raises
    ------
    MachineError
        If it cannot be written.
    """
    lead = f"<p>{escape(summary['data'])}; {escape(summary['cite'])}, version {escape(summary['version'])}.</p>"
    sections = [
        ("Groups", _groups(summary)),
        ("Indices", _indices(summary)),
        ("Diagnoses", _diagnoses(summary)),
        ("Unverified", "".join(f"<p>{escape(one)}</p>" for one in summary["unverified"])),
    ]
    try:
        path.write_text(page(summary["title"], sections, lead=lead), encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error) from error


def _groups(summary: dict[str, Any]) -> str:
    found = [one for one in summary["groups"] if one["subjects"] != 0]
    rows = [
        [escape(one["group"]), escape(one["label"]), *_cells(one["subjects"], summary["subjects"])]
        for one in sorted(found, key=lambda one: (-max(one["subjects"] or 0, SMALL), one["group"]))
    ]
    nobody = len(summary["groups"]) - len(found)
    after = f"<p>Nobody has the other {nobody:,}.</p>" if nobody else ""
    caption = f"Of {_count(summary['subjects'])} subjects, {_count(summary['subjects_with_group'])} have a group"
    return table(["Group", "What it is", "Subjects", "Share"], rows, caption=caption) + after


def _cells(subjects: int | None, of: int) -> list[str]:
    if subjects is None:
        return ["not known", ""]
    return [_count(subjects), "" if 0 < subjects <= SMALL else f"{subjects / of:.1%}"]


def _count(subjects: int) -> str:
    """Write a number of subjects; a small one is withheld, for a page is passed on."""
    return f"1 to {SMALL}" if 0 < subjects <= SMALL else f"{subjects:,}"


def _indices(summary: dict[str, Any]) -> str:
    if not summary["indices"]:
        return ""
    rows = [[escape(one["index"]), one["mean"] or "not known", escape(one["cite"])] for one in summary["indices"]]
    return table(["Index", "Mean", "Weights"], rows)


def _diagnoses(summary: dict[str, Any]) -> str:
    names = {
        "diagnoses": "All",
        "mapped": "In a group",
        "unmapped": "In none",
        "malformed": "Not of the form of their code system",
        "other_system": "Of another code system",
        "of_other_subjects": "Of subjects that are not listed (not among all)",
    }
    rows = [[label, f"{summary[name]:,}"] for name, label in names.items()]
    if summary["without_indicator"]:
        rows.append(["Asked for presence on admission", f"{summary['indicators_asked']:,}"])
        rows.append(["Without indicator of it", f"{summary['indicators_absent']:,}"])
    return table(["Diagnoses", "Times"], rows)
