"""The tables of a risk model, checked: diagnosis mapping, age and sex edits, hierarchies, coefficients."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from openvbp.errors import InputDataError, Problem
from openvbp.risk.model import PERSONAL_PARTS, Model

COEFFICIENT_DECIMALS = 3
"""Decimals that CMS publishes; sums are whole numbers of the last one."""
_LARGEST_UNITS = 10**6


@dataclass(frozen=True)
class Edit:
    """What age or sex does to one diagnosis code."""

    diagnosis_code: str
    gender: str | None
    """The edit fires for this gender."""
    age_up_to: int | None
    """The edit fires up to this age."""
    age_from: int | None
    """The edit fires from this age on."""
    category: int | None
    """The category it then gives; none if the code then counts for nothing."""

    def fires(self, age: int, gender: str) -> bool:
        """Whether it fires for a person."""
        if self.gender is not None:
            return self.gender == gender
        return (self.age_up_to is not None and age <= self.age_up_to) or (
            self.age_from is not None and age >= self.age_from
        )


@dataclass(frozen=True)
class TableFile:
    """A file that was read, for the record of the run."""

    name: str
    sha256: str
    rows: int
    """Rows of the model."""


@dataclass(frozen=True)
class RiskTables:
    """Tables of one model."""

    model: Model
    payment_year: int
    source: str
    mapping: Mapping[str, tuple[int, ...]]
    """Diagnosis code without dot: its categories that are paid."""
    edits: Mapping[str, Edit]
    hierarchies: tuple[tuple[int, int], ...]
    """Category and one that it drops, in the order in which they are applied."""
    coefficients: Mapping[str, int]
    """Name in lower case, segment included: thousandths."""
    categories: tuple[int, ...]
    """Categories that are paid."""
    files: tuple[TableFile, ...]
    mapping_rows_not_paid: int
    """Rows of the mapping to categories without coefficient."""

    def units(self, segment: str, variable: str) -> int:
        """Coefficient in thousandths, zero where the segment has none."""
        return self.coefficients.get(f"{segment}_{variable}".lower(), 0)

    @functools.cached_property
    def common(self) -> Mapping[str, int]:
        """Coefficients that belong to no segment, such as those of the time since a transplant: thousandths."""
        starts = tuple(f"{segment}_".lower() for segment in self.model.segments)
        return {name: units for name, units in self.coefficients.items() if not name.startswith(starts)}

    @property
    def late_hierarchies(self) -> tuple[tuple[int, int], ...]:
        """Pairs that need their parent to be left: another category drops it but not its child.

        The macro applies pairs in order to what is left, so a category that has been dropped drops nothing any more.
        That matters only here: elsewhere whatever drops the parent drops the child too.
        """
        pairs = set(self.hierarchies)
        return tuple(
            (parent, child)
            for parent, child in self.hierarchies
            if any(dropped == parent and (above, child) not in pairs for above, dropped in pairs)
        )


@dataclass(frozen=True)
class RawTables:
    """Tables as they were read, before any check."""

    mapping: Sequence[tuple[str, str]]
    edits: Sequence[Edit]
    hierarchies: Sequence[tuple[str, str]]
    coefficients: Sequence[tuple[str, str]]
    files: tuple[TableFile, ...]


def checked_tables(model: Model, payment_year: int, source: str, raw: RawTables, cells: Iterable[str]) -> RiskTables:
    """Check the tables of a model and bring them together.

    Parameters
    ----------
    model, payment_year
        What they are for.
    source
        Folder or package, for messages.
    raw
        Tables as read.
    cells
        Coefficients of which every person that there can be needs one: age and sex cells, times since a transplant.

    Raises
    ------
    InputDataError
        If a key stands twice, a number cannot be read, a table is empty, a hierarchy names a category that is not paid
        or goes in a circle, a segment lacks an age and sex cell, an interaction or the counts lack a coefficient.
    """
    problems = [
        *_empty(raw, source),
        *repeated_keys(((code, category) for code, category in raw.mapping), "diagnosis mapping", source),
        *repeated_keys((edit.diagnosis_code for edit in raw.edits), "age and sex edits", source),
        *repeated_keys(raw.hierarchies, "hierarchies", source),
        *repeated_keys((name.lower() for name, _value in raw.coefficients), "coefficients", source),
    ]
    coefficients, unreadable = _units(raw.coefficients, source)
    problems += unreadable
    if problems:
        raise InputDataError(problems)
    categories = _paid_categories(model, coefficients)
    mapping: dict[str, list[int]] = {}
    not_paid = 0
    for code, category in raw.mapping:
        if category.isdigit() and int(category) in categories:
            mapping.setdefault(code, []).append(int(category))
        else:
            not_paid += 1
    pairs = [(int(parent), int(child)) for parent, child in raw.hierarchies]
    hierarchies = tuple(pair for pair in pairs if not set(pair) & set(model.never_counted))
    tables = RiskTables(
        model=model,
        payment_year=payment_year,
        source=source,
        mapping={code: tuple(sorted(found)) for code, found in mapping.items()},
        edits={edit.diagnosis_code: edit for edit in raw.edits},
        hierarchies=hierarchies,
        coefficients=coefficients,
        categories=tuple(sorted(categories)),
        files=raw.files,
        mapping_rows_not_paid=not_paid,
    )
    problems = _inconsistencies(tables, cells)
    if problems:
        raise InputDataError(problems)
    return tables


def _empty(raw: RawTables, source: str) -> list[Problem]:
    found = {
        "diagnosis mapping": raw.mapping,
        "hierarchies": raw.hierarchies,
        "coefficients": raw.coefficients,
    }
    return [
        Problem(f"the {name} has no row of the model", source, "give the tables of the model and payment year")
        for name, rows in found.items()
        if not rows
    ]


def repeated_keys(keys: Iterable[Any], table: str, source: str) -> list[Problem]:
    """Say which keys stand more than once: no order decides which of them counts."""
    twice = [key for key, times in Counter(keys).items() if times > 1]
    if not twice:
        return []
    examples = tuple(" ".join(key) if isinstance(key, tuple) else key for key in twice[:3])
    what = f"keys stand more than once in the {table}"
    return [Problem(what, source, "keep the right row of each: no order decides which counts", len(twice), examples)]


def _units(rows: Sequence[tuple[str, str]], source: str) -> tuple[dict[str, int], list[Problem]]:
    units: dict[str, int] = {}
    wrong = []
    for name, value in rows:
        try:
            thousandths = Decimal(value).scaleb(COEFFICIENT_DECIMALS)
        except InvalidOperation:
            wrong.append(f"{name} {value}")
            continue
        if not thousandths.is_finite() or thousandths % 1 or abs(thousandths) > _LARGEST_UNITS:
            wrong.append(f"{name} {value}")
            continue
        units[name.lower()] = int(thousandths)
    if not wrong:
        return units, []
    what = f"coefficients are not numbers of at most {COEFFICIENT_DECIMALS} decimals"
    return units, [Problem(what, source, "correct them", len(wrong), tuple(wrong[:3]))]


def _paid_categories(model: Model, coefficients: Mapping[str, int]) -> set[int]:
    """Categories with a coefficient in any segment."""
    found = set()
    for name in coefficients:
        _segment, _, variable = name.partition(f"_{model.category_name}".lower())
        if variable.isdigit():
            found.add(int(variable))
    return found - set(model.never_counted)


def _inconsistencies(tables: RiskTables, cells: Iterable[str]) -> list[Problem]:
    model, source = tables.model, tables.source
    paid = set(tables.categories)
    named = {category for pair in tables.hierarchies for category in pair}
    grouped = {category for categories in model.groups.values() for category in categories} | set(model.needs_company)
    given = {edit.category for edit in tables.edits.values() if edit.category is not None}
    missing = {
        "hierarchies name categories that are not paid": sorted(named - paid),
        "groups of the model name categories that are not paid": sorted(grouped - paid),
        "age and sex edits give categories that are not paid": sorted(given - paid),
        "categories have no coefficient in a segment": [
            f"{segment} {model.category(category)}"
            for segment in model.segments
            if segment not in model.without_conditions
            for category in tables.categories
            if f"{segment}_{model.category(category)}".lower() not in tables.coefficients
        ],
        "age and sex cells, or times since a transplant, have no coefficient": sorted(
            cell for cell in cells if cell.lower() not in tables.coefficients
        ),
        "interactions have no coefficient in any segment": [
            name for name in model.interactions if not _has_any(tables, name)
        ],
        "the count of categories has no coefficient": (
            ["D10P"] if model.has_counts and not _has_any(tables, "D10P") else []
        ),
        "hierarchies go in a circle": _circle(tables.hierarchies),
    }
    what_to_do = f"give the tables of {model.title}, all of one release"
    found = [
        Problem(what, source, what_to_do, len(examples), tuple(map(str, examples[:3])))
        for what, examples in missing.items()
        if examples
    ]
    late = set(tables.late_hierarchies)
    if any(child == parent for _above, child in late for parent, _child in late):
        found.append(Problem("hierarchies depend on each other in more than two steps", source, what_to_do))
    return found


def _has_any(tables: RiskTables, variable: str) -> bool:
    return any(f"{segment}_{variable}".lower() in tables.coefficients for segment in tables.model.segments)


def _circle(pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Categories that drop themselves over others."""
    below: dict[int, set[int]] = {}
    for parent, child in pairs:
        below.setdefault(parent, set()).add(child)
    found = []
    for start in below:
        reached: set[int] = set()
        waiting = [start]
        while waiting:
            new = below.get(waiting.pop(), set()) - reached
            reached |= new
            waiting += new
        if start in reached:
            found.append(start)
    return found


def parts_of(model: Model, interaction: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Groups of an interaction, and what else it asks of the person."""
    parts = model.interactions[interaction]
    return tuple(part for part in parts if part not in PERSONAL_PARTS), tuple(
        part for part in parts if part in PERSONAL_PARTS
    )
