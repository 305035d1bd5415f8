"""Overlap: which measures of many programs are the same, and two definitions side by side."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openvbp.errors import Problem, UsageError
from openvbp.harmonization.candidate_pairs import CandidatePair, candidate_pairs
from openvbp.harmonization.data_elements import overlap_of, read_overlaps, read_specifications
from openvbp.harmonization.definition_differences import differences
from openvbp.harmonization.definitions import Clause
from openvbp.harmonization.registry import Measure, Registry, read_registry
from openvbp.harmonization.report import PAIR_COLUMNS, pair_rows
from openvbp.web.page import NotFoundError, Page, Rows
from openvbp.web.pages.program_burden import MOST_PHYSICIANS, program_burden, reported_programs
from openvbp.web.site import Site
from openvbp.web.viewer import Asked

ROWS_A_PAGE = 40
COLUMNS = 8
"""Programs beside each other; those with most measures of the family first."""
WORDS = {"duplicate": "same", "undecided": "near", "family": "near", "remote": "different"}
MARKS = {
    "same": "same",
    "same words": "same",
    "differs": "different",
    "other words": "other words: read both",
    "stated once": "one text is silent",
    "not stated": "neither says",
}
"""Outcomes of clauses in words."""


def overlap(site: Site, asked: Asked) -> Page:
    """Show families of measures by program, two specifications side by side, or what some programs ask for together."""
    if site.registry is None:
        raise NotFoundError(
            Problem("no measures are served", "/overlap", "start 'openvbp serve' with --registry FOLDER")
        )
    registry, measures, pairs = _read(site.registry)
    if asked.text("first") or asked.text("second"):
        return _side_by_side(site.registry, registry, asked.text("first"), asked.text("second"))
    if reported_programs(asked):
        return program_burden(asked, registry, measures, pairs, read_specifications(site.registry))
    chosen = _chosen(pairs, asked)
    rows = _rows(chosen)
    count = max(1, -(-len(rows) // ROWS_A_PAGE))
    number = asked.number("page", 1, count)
    shown = rows[(number - 1) * ROWS_A_PAGE : number * ROWS_A_PAGE]
    counted = Counter(one["measure"].program for row in shown for one in row["near"])
    programs = [name for name, _ in counted.most_common(COLUMNS)]
    return Page(
        "overlap.html",
        "Which measures are the same?",
        {"measures": len(measures), "year": registry.newest_year(), "pairs": len(chosen)},
        [
            Rows("pairs", pair_rows(chosen, read_overlaps(site.registry)) or [dict.fromkeys(PAIR_COLUMNS)]),
            Rows("burden", _burden(measures, chosen)),
        ],
        {
            "programs": programs,
            "rows": [_cells(row, programs) for row in shown],
            "groups": len(rows),
            "page_number": number,
            "pages": count,
            "all_programs": sorted({one.program for one in measures}),
            "most_physicians": MOST_PHYSICIANS,
            "burden": _burden(measures, chosen),
            "measures": len(measures),
            "year": registry.newest_year(),
            "kinds": Counter(WORDS[one.kind] for one in chosen),
        },
        "matrix",
    )


@functools.lru_cache(maxsize=2)
def _read(folder: Path) -> tuple[Registry, tuple[Measure, ...], tuple[CandidatePair, ...]]:
    registry = read_registry(folder)
    measures = registry.in_force(registry.newest_year())
    return registry, measures, candidate_pairs(measures)


def _chosen(pairs: Sequence[CandidatePair], asked: Asked) -> list[CandidatePair]:
    program, parts = asked.text("program"), asked.text("q").casefold().split()
    kind = asked.text("kind")
    return [
        one
        for one in pairs
        if (not program or program in (one.first.program, one.second.program))
        and (not kind or WORDS[one.kind] == kind)
        and all(
            part in f"{one.first.name} {one.first.title} {one.second.name} {one.second.title}".casefold()
            for part in parts
        )
    ]


def _rows(pairs: Sequence[CandidatePair]) -> list[dict[str, Any]]:
    """Give a row per measure that is like others, with these; one that is the same as an earlier row's has none.

    Measures with the same elsewhere come first, those with most of them before others.
    """
    near: dict[str, list[dict[str, Any]]] = {}
    measures: dict[str, Measure] = {}
    for pair in pairs:
        for one, other in ((pair.first, pair.second), (pair.second, pair.first)):
            measures[one.name] = one
            near.setdefault(one.name, []).append({"measure": other, "kind": WORDS[pair.kind], "reason": pair.reason})
    order = sorted(near, key=lambda name: (-sum(one["kind"] == "same" for one in near[name]), -len(near[name]), name))
    rows: list[dict[str, Any]] = []
    told: set[str] = set()
    for name in order:
        if name not in told:
            rows.append({"first": measures[name], "near": near[name]})
            told |= {name, *(one["measure"].name for one in near[name] if one["kind"] == "same")}
    return rows


def _cells(row: Mapping[str, Any], programs: Sequence[str]) -> dict[str, Any]:
    """Put what is like a measure under its program, the same before what is near."""
    listed = sorted(row["near"], key=lambda one: (one["kind"] != "same", one["measure"].name))
    cells = [[one for one in listed if one["measure"].program == program] for program in programs]
    return {"first": row["first"], "cells": cells, "more": len(listed) - sum(len(cell) for cell in cells)}


def _burden(measures: Sequence[Measure], pairs: Sequence[CandidatePair]) -> list[dict[str, Any]]:
    """Count per program its measures, and those that some other program asks for as well."""
    same: dict[str, set[str]] = {}
    near: dict[str, set[str]] = {}
    for pair in pairs:
        if pair.first.program == pair.second.program:
            continue
        target = {"same": same, "near": near}.get(WORDS[pair.kind], {})
        for one in (pair.first, pair.second):
            target.setdefault(one.program, set()).add(one.name)
    counts = Counter(one.program for one in measures)
    return [
        {
            "program": name,
            "measures": count,
            "same_elsewhere": len(same.get(name, ())),
            "near_elsewhere": len(near.get(name, set()) - same.get(name, set())),
        }
        for name, count in counts.most_common()
    ]


def _side_by_side(folder: Path, registry: Registry, first_name: str, second_name: str) -> Page:
    try:
        first, second = registry.find(first_name), registry.find(second_name)
    except UsageError as error:
        raise NotFoundError(error.problems) from error
    found = differences(first, second)
    overlapping = overlap_of(first, second, registry, read_specifications(folder), read_overlaps(folder))
    rows = [
        {
            "clause": one.clause,
            "outcome": one.outcome,
            "said": MARKS.get(one.outcome, one.outcome),
            "first": _clause(one.first),
            "second": _clause(one.second),
            "first_words": " … ".join(one.first.words),
            "second_words": " … ".join(one.second.words),
        }
        for one in found
    ]
    return Page(
        "side_by_side.html",
        f"{first.name} and {second.name}",
        {"first": first.name, "second": second.name},
        [Rows("clauses", rows)],
        {"first": first, "second": second, "rows": rows, "overlap": overlapping},
    )


def _clause(clause: Clause) -> str:
    if clause.form == "text":
        return " … ".join(clause.words)
    return "; ".join(clause.values) or "not stated"
