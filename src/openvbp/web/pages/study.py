"""A finished evaluation: what it found, what would change it, and its whole report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openvbp.errors import InputDataError, Problem
from openvbp.evaluation.results import PAGE, RECORD
from openvbp.web import charts
from openvbp.web.page import NotFoundError, Page, Rows
from openvbp.web.site import Site
from openvbp.web.viewer import Asked

_FIRST = ("power before estimates", "main", "event study")


def study(site: Site, asked: Asked, study: str) -> Page:  # noqa: ARG001 (nobody sees another evaluation)
    """Show an evaluation.

    Raises
    ------
    NotFoundError
        If none of the name is served.
    InputDataError
        If its folder holds no whole evaluation.
    """
    folder = site.studies.get(study)
    if folder is None:
        raise NotFoundError(
            Problem(
                f"no evaluation '{study}' is served",
                f"/evaluate/{study}",
                "start 'openvbp serve' with --study FOLDER",
                examples=tuple(site.studies)[:3],
            )
        )
    record = read_study(folder)
    results = [dict(row) for row in record["results"]]
    sections: dict[str, list[dict[str, Any]]] = {}
    for row in results:
        sections.setdefault(str(row["section"]), []).append(row)
    order = [*(one for one in _FIRST if one in sections), *(one for one in sections if one not in _FIRST)]
    return Page(
        "study.html",
        str(record["study"]),
        {"study": record["study"], "summary": record["summary"], "openvbp_version": record["openvbp"]},
        [
            Rows("results", results),
            Rows("design", record["card"]),
            Rows("what_would_change", [{"condition": one} for one in record["what_would_change"]]),
        ],
        {
            "record": record,
            "sections": [(name, sections[name], _forest(sections[name])) for name in order],
            "columns": ("estimate", "low", "high", "p_value", "minimum_detectable_effect"),
            "study": study,
        },
    )


def read_study(folder: Path) -> Mapping[str, Any]:
    """Read the record of a finished evaluation.

    Raises
    ------
    InputDataError
        If the folder holds none, or one of another version.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        missing = [
            one for one in ("study", "summary", "card", "results", "what_would_change", "lock") if one not in record
        ]
    except (OSError, ValueError, TypeError) as error:
        what_to_do = "give the --out folder of an 'openvbp evaluate' that ended well"
        raise InputDataError(Problem("not a finished evaluation", str(folder / RECORD), what_to_do)) from error
    if missing:
        what = f"the evaluation was written by another version: it lacks {', '.join(missing)}"
        raise InputDataError(Problem(what, str(folder / RECORD), "evaluate again with this version"))
    return record


def report(folder: Path) -> str:
    """Give the whole report of an evaluation, a page of its own.

    Raises
    ------
    NotFoundError
        If it is missing.
    """
    try:
        return (folder / PAGE).read_text(encoding="utf-8")
    except OSError as error:
        raise NotFoundError(Problem("the report is missing", PAGE, "evaluate again")) from error


def _forest(rows: list[dict[str, Any]]) -> Any:
    known = [row for row in rows if _number(row["estimate"]) is not None][:24]
    if len(known) < 2:
        return ""
    marks = [
        (
            str(row["label"])[:34],
            float(row["estimate"]),
            _number(row["low"]),
            _number(row["high"]),
            f"{float(row['estimate']):.3g}",
        )
        for row in known
    ]
    said = "; ".join(f"{label} {text}" for label, _, _, _, text in marks)
    return charts.groups_with_intervals(marks, f"Estimates with 95 % intervals: {said}")


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return None if number != number else number
