"""Matches events to the codes of all measures of a run, once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.measures.domains import IDENTITY, event_columns
from openvbp.measures.domains import domains as known_domains
from openvbp.measures.elements import Selector
from openvbp.measures.event_data import EventData
from openvbp.measures.value_sets import ValueSet, listed_among

_NUMBERS = itertools.count()
_LOOKUP = ibis.schema({"selector": "int64", "listed_system": "string", "listed_code": "string"}).to_pyarrow()
_SINGLE_CODE = frozenset({"claim_line", "dispensing", "laboratory"})
"""Kinds of events of which each has one code and one row."""


@dataclass(frozen=True)
class MatchedEvents:
    """Events that match, and what was found of the value sets."""

    table: ir.Table
    codes_found: dict[str, int]
    """Value set to how many of the codes that it lists stand in the events: with none, nobody could be found by it."""


def matched_events(
    data: EventData,
    persons: ir.Table,
    selectors: Sequence[Selector],
    sets: Mapping[str, ValueSet],
    fields: Iterable[str],
    *,
    lines_have_names: bool = True,
) -> MatchedEvents:
    """Match events to selectors.

    Parameters
    ----------
    data
        Events.
    persons
        ``person_id`` and its number ``person``; events of others are left out.
    selectors
        Codes looked for; a selector is known by its place.
    sets
        Value sets, all that are needed.
    fields
        Fields of events to keep.
    lines_have_names
        Whether anything tells claim lines apart; there are many of them, and their names are long.

    Returns
    -------
    One row per selector × event (× code and fields, where an event has several): ``selector``, ``person``,
    ``event_id``, ``code``, ``start_date``, ``end_date`` (the first day where there is none) and the fields.

    Raises
    ------
    InputDataError
        If a kind of events is not there.
    """
    wanted = sorted({one.domain for one in selectors})
    missing = [name for name in wanted if name not in data.events]
    if missing:
        to_do = "add the table that they come from, or leave out the measures that need them"
        raise InputDataError(
            [Problem(f"the data have no events of kind {name}", known_domains()[name].about, to_do) for name in missing]
        )
    _demand_fields(data, wanted, fields)
    parts = []
    found: dict[str, set[tuple[str, str]]] = {}
    for domain in wanted:
        rows = data.events[domain]
        numbered = [(number, one) for number, one in enumerate(selectors) if one.domain == domain]
        is_coded = any(not one.takes_all for _number, one in numbered)
        there = _codes_there(data.engine, rows) if is_coded else frozenset()
        listed = []
        for number, one in numbered:
            for name in one.value_sets:
                found.setdefault(name, set()).update(listed_among(there, sets[name].codes))
            listed += [(number, *code) for code in sorted(listed_among(there, one.listed(sets)))]
        if domain == "claim_line" and not lines_have_names:
            rows = rows.mutate(event_id=ibis.null("string"))
        parts += [_kept(some, persons, fields, domain) for some in _selected(data.engine, rows, numbered, listed)]
    whole = parts[0] if len(parts) == 1 else ibis.union(*parts, distinct=False)
    return MatchedEvents(whole, {name: len(codes) for name, codes in sorted(found.items())})


def _demand_fields(data: EventData, wanted: Iterable[str], fields: Iterable[str]) -> None:
    """Fields that follow from value sets must be there: without them nothing would ever pass their tests."""
    problems = []
    for name in wanted:
        for field, sets in known_domains()[name].from_value_sets.items():
            if field in set(fields) and field not in data.events[name].columns:
                to_do = f"add the value sets {', '.join(sets)}"
                problems.append(Problem(f"the data do not say {field} of events of kind {name}", "value sets", to_do))
    if problems:
        raise InputDataError(problems)


def _codes_there(engine: Engine, rows: ir.Table) -> frozenset[tuple[str, str]]:
    """Codes of events, with their systems."""
    found = engine.to_arrow(rows.select("code_system", "code").distinct())
    return frozenset(zip(found["code_system"].to_pylist(), found["code"].to_pylist(), strict=True)) - {(None, None)}


def _selected(
    engine: Engine, rows: ir.Table, selectors: list[tuple[int, Selector]], listed: list[tuple[int, str, str]]
) -> list[ir.Table]:
    parts = []
    if any(not one.takes_all for _number, one in selectors):
        lookup = _lookup(engine, listed)
        joined = rows.join(lookup, [rows.code == lookup.listed_code, rows.code_system == lookup.listed_system])
        parts.append(joined)
    parts += [rows.mutate(selector=ibis.literal(number, "int64")) for number, one in selectors if one.takes_all]
    return parts


def _lookup(engine: Engine, listed: list[tuple[int, str, str]]) -> ir.Table:
    columns = list(zip(*listed, strict=True)) if listed else [(), (), ()]
    arrays = [pa.array(column, kind.type) for column, kind in zip(columns, _LOOKUP, strict=True)]
    return engine.table(pa.Table.from_arrays(arrays, schema=_LOOKUP), f"measure_codes_{next(_NUMBERS)}")


def _kept(rows: ir.Table, persons: ir.Table, fields: Iterable[str], domain: str) -> ir.Table:
    is_coded, is_distinct = domain == "dispensing", domain not in _SINGLE_CODE
    columns: dict[str, Any] = {
        name: rows[name].cast(event_columns()[name]) if name in rows.columns else ibis.null(event_columns()[name])
        for name in fields
    }
    # An event with several of the codes is one row; only supplies of drugs are told apart by their codes.
    code = rows.code if is_coded else ibis.null("string")
    narrow = rows.select(
        "selector", *(name for name in IDENTITY if name not in ("code_system", "code", "end_date")), code=code,
        end_date=ibis.coalesce(rows.end_date, rows.start_date) if "end_date" in rows.columns else rows.start_date,
        is_open=rows.end_date.isnull() if "end_date" in rows.columns else ibis.literal(True),  # noqa: FBT003
        **columns,
    )  # fmt: skip
    numbered = narrow.join(persons.select("person_id", "person"), "person_id").drop("person_id")
    return numbered.distinct() if is_distinct else numbered
