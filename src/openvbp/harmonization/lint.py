"""Contradictions in the registry that its sources do not mention."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from openvbp.errors import InputDataError, Problem
from openvbp.harmonization.data_elements import ELECTRONIC
from openvbp.harmonization.registry import CONTRADICTS, Measure, Registry

Kind = Literal[
    "direction_contradiction",
    "direction_changed",
    "contradictory_text",
    "two_versions_one_id",
    "identifier_forms",
    "topped_out",
    "direction_not_stated",
]

KINDS: dict[Kind, str] = {
    "direction_contradiction": "two sources give one measure opposite directions",
    "direction_changed": "the direction of an identifier changes between years: no trend can be drawn over them",
    "contradictory_text": "the text contradicts itself or the direction",
    "two_versions_one_id": "rows with one program, identifier and version have other facts",
    "identifier_forms": "identifiers of one program differ only in blanks, dashes or case",
    "topped_out": "the benchmark is marked as topped out: there is little left to tell providers apart by",
    "direction_not_stated": "the source does not say whether higher is better",
}


@dataclass(frozen=True)
class Finding:
    """Something that a person should look at."""

    kind: Kind
    measure: str
    """``PROGRAM/ID``, or the program where the finding is about many measures."""
    version: str
    other: str
    """The other measure, version or collection type; empty without one."""
    what: str


def lint(registry: Registry, year: int | None = None, benchmarks: Path | None = None) -> tuple[Finding, ...]:
    """Find contradictions.

    Parameters
    ----------
    registry
        All versions.
    year
        Only findings about this year; all years when absent.
    benchmarks
        CSV file with the columns ``performance_year``, ``measure_id``, ``submission_method`` and ``topped_out``, which
        gives topped-out measures of MIPS.

    Returns
    -------
    Findings in the order of ``KINDS``, then by measure and version.
    """
    checks: tuple[Callable[[Registry], Iterator[Finding]], ...] = (
        _contradicting_directions,
        _changed_directions,
        _contradictory_texts,
        _two_versions,
        _identifier_forms,
        _silent_directions,
    )
    found = [finding for check in checks for finding in check(registry)]
    if benchmarks is not None:
        found.extend(_topped_out(benchmarks))
    wanted = (one for one in found if year is None or one.version.startswith(str(year)))
    order = list(KINDS)
    return tuple(sorted(wanted, key=lambda one: (order.index(one.kind), one.measure, one.version, one.other)))


def _contradicting_directions(registry: Registry) -> Iterator[Finding]:
    electronic: dict[tuple[str, str], list[Measure]] = defaultdict(list)
    for one in registry.measures:
        if one.program == ELECTRONIC and one.cms_number and one.direction:
            electronic[one.cms_number, one.version].append(one)
    for one in registry.measures:
        if one.program == ELECTRONIC or not one.direction:
            continue
        for other in electronic.get((one.cms_number, one.version), ()):
            if other.direction != one.direction:
                what = f"{one.direction} in {one.program}, {other.direction} in {ELECTRONIC}: {one.title}"
                yield Finding("direction_contradiction", one.name, one.version, other.name, what)


def _changed_directions(registry: Registry) -> Iterator[Finding]:
    for versions in _by_name(registry).values():
        stated = [one for one in versions if one.direction]
        for before, after in pairwise(stated):
            if before.direction != after.direction:
                what = f"{before.direction} in {before.version}, {after.direction} in {after.version}: {after.title}"
                yield Finding("direction_changed", after.name, after.version, before.version, what)


_POOR_BELOW = re.compile(
    r"poor(?:ly)? control\w*[^.;]{0,20}?(?:<|less than|below)\s*(\d+(?:\.\d+)?\s*%?)", re.IGNORECASE
)
_GOOD_ABOVE = re.compile(
    r"(?<!poor )(?<!poorly )\b(?:good|adequate) control[^.;]{0,20}?(?:>|greater than|above)\s*(\d+(?:\.\d+)?\s*%?)",
    re.IGNORECASE,
)
_LOWER_IS_BETTER = re.compile(
    r"\blower (?:\w+ ){0,3}(?:indicates?|is|are|represents?|means?|reflects?|signif\w+) (?:\w+ ){0,2}better"
    r"|\blower (?:\w+ ){0,2}better (?:quality|performance|care)",
    re.IGNORECASE,
)
_HIGHER_IS_BETTER = re.compile(_LOWER_IS_BETTER.pattern.replace("lower", "higher"), re.IGNORECASE)


def _contradictory_texts(registry: Registry) -> Iterator[Finding]:
    for one in registry.measures:
        text = f"{one.title}. {one.description}"
        for words in _contradictions(text, one.direction):
            yield Finding("contradictory_text", one.name, one.version, "", f"{words}: {one.title}")


def _contradictions(text: str, direction: str | None) -> Iterator[str]:
    if found := _POOR_BELOW.search(text):
        yield f"poor control is said to be below {found.group(1).strip()}"
    if found := _GOOD_ABOVE.search(text):
        yield f"good control is said to be above {found.group(1).strip()}"
    lower, higher = bool(_LOWER_IS_BETTER.search(text)), bool(_HIGHER_IS_BETTER.search(text))
    if lower and not higher and direction == "higher_is_better":
        yield "the text says that lower is better, the direction is higher_is_better"
    if higher and not lower and direction == "lower_is_better":
        yield "the text says that higher is better, the direction is lower_is_better"


def _two_versions(registry: Registry) -> Iterator[Finding]:
    keys: dict[tuple[str, str, str], int] = defaultdict(int)
    for one in registry.rejected:
        if one.reason == CONTRADICTS:
            keys[one.program, one.measure_id, one.version] += 1
    for (program, measure_id, version), rows in keys.items():
        yield Finding("two_versions_one_id", f"{program}/{measure_id}", version, "", f"{rows} rows, none is used")


def _identifier_forms(registry: Registry) -> Iterator[Finding]:
    forms: dict[tuple[str, str], dict[str, Measure]] = defaultdict(dict)
    for name, versions in _by_name(registry).items():
        last = versions[-1]
        forms[last.program, re.sub(r"[^a-z0-9]", "", last.measure_id.lower())][name] = last
    for same in forms.values():
        first, *others = [same[name] for name in sorted(same)]
        for other in others:
            what = f"written in two ways: {first.measure_id}, {other.measure_id}"
            yield Finding("identifier_forms", first.name, first.version, other.name, what)


def _silent_directions(registry: Registry) -> Iterator[Finding]:
    silent: dict[tuple[str, str], list[Measure]] = defaultdict(list)
    for one in registry.measures:
        if one.direction is None:
            silent[one.program, one.version[:4] if one.version[:1].isdigit() else one.version].append(one)
    for (program, version), measures in silent.items():
        examples = ", ".join(sorted(one.measure_id for one in measures)[:3])
        what = f"{len(measures)} measure{'s' * (len(measures) > 1)}, for example {examples}"
        yield Finding("direction_not_stated", program, version, "", what)


def _topped_out(path: Path) -> Iterator[Finding]:
    columns = ("performance_year", "measure_id", "submission_method", "topped_out")
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError) as error:
        raise InputDataError(Problem("file cannot be read", str(path), "give a readable CSV file")) from error
    if not rows or any(name not in rows[0] for name in columns):
        raise InputDataError(
            Problem("not a table of benchmarks", str(path), "give a CSV file with the columns " + ", ".join(columns))
        )
    for row in rows:
        if row["topped_out"].strip().lower() == "true":
            what = f"benchmark by {row['submission_method']}"
            name = f"MIPS/{row['measure_id']}"
            yield Finding("topped_out", name, row["performance_year"], row["submission_method"], what)


def _by_name(registry: Registry) -> dict[str, list[Measure]]:
    versions: dict[str, list[Measure]] = defaultdict(list)
    for one in sorted(registry.measures, key=lambda one: one.key):
        versions[one.name].append(one)
    return versions
