"""What measures are evaluated on: persons, enrolment and events, each a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from openvbp.engine import Engine
from openvbp.measures.domains import IDENTITY, TYPES, domains
from openvbp.measures.values import PERSON_FIELDS


@dataclass(frozen=True)
class EventData:
    """Tables that measures look at.

    Attributes
    ----------
    persons
        One row per person: ``person_id`` and the columns of :data:`~openvbp.measures.values.PERSON_FIELDS`.
    enrollment
        Days on which persons were enrolled: ``person_id``, ``start_date``, ``end_date``; spans may touch or overlap.
        None where that is not known: then nobody is left out for it, and measures that ask for it are not evaluable.
    events
        Kind of events to its rows: columns of :data:`~openvbp.measures.domains.IDENTITY` and the fields of the kind. A
        kind that is not there cannot be asked for.
    data_end
        Last day of which the data tell, where that is known.
    """

    engine: Engine
    persons: ir.Table
    enrollment: ir.Table | None
    events: Mapping[str, ir.Table]
    data_end: date | None = None


def person_schema() -> pa.Schema:
    """Columns of the table of persons."""
    types = {"person_id": "string"} | {name: TYPES[kind] for name, kind in PERSON_FIELDS.items()}
    return ibis.schema(types).to_pyarrow()


def event_schema(domain: str) -> pa.Schema:
    """Columns of a kind of events."""
    fields = {name: TYPES[kind] for name, kind in domains()[domain].fields.items()}
    return ibis.schema(dict(IDENTITY) | fields).to_pyarrow()


def from_rows(
    engine: Engine,
    persons: Sequence[Mapping[str, Any]],
    events: Mapping[str, Sequence[Mapping[str, Any]]],
    enrollment: Sequence[Mapping[str, Any]] | None = None,
    name: str = "measure_rows",
    data_end: date | None = None,
) -> EventData:
    """Make tables of plain rows; what a row does not say is null.

    Parameters
    ----------
    engine
        Where the tables are kept.
    persons, enrollment
        Rows of those tables.
    events
        Kind of events to its rows.
    name
        Prefix of the tables' names.
    data_end
        Last day of which the rows tell.
    """
    spans = ibis.schema({"person_id": "string", "start_date": "date", "end_date": "date"}).to_pyarrow()

    def table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema, what: str) -> ir.Table:
        full = [{column: row.get(column) for column in schema.names} for row in rows]
        return engine.table(pa.Table.from_pylist(full, schema), f"{name}_{what}")

    return EventData(
        engine,
        table(persons, person_schema(), "persons"),
        None if enrollment is None else table(enrollment, spans, "enrollment"),
        {domain: table(rows, event_schema(domain), domain) for domain, rows in events.items()},
        data_end,
    )
