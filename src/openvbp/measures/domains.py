"""Kinds of events, and the columns that events of every kind share."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

from openvbp.exact_yaml import load_exact

Kind = Literal["boolean", "number", "date", "text"]

TYPES: Mapping[Kind, str] = {"boolean": "boolean", "number": "decimal(18, 4)", "date": "date", "text": "string"}
"""Kinds of values and their types in tables."""

IDENTITY: Mapping[str, str] = {
    "person_id": "string",
    "event_id": "string",
    "code_system": "string",
    "code": "string",
    "start_date": "date",
    "end_date": "date",
}
"""Columns of every event: an event with several codes has several rows."""


@dataclass(frozen=True)
class Domain:
    """A kind of events."""

    name: str
    about: str
    code_systems: tuple[str, ...]
    fields: Mapping[str, Kind]
    from_value_sets: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Fields that follow from value sets: their value sets, and the code systems of these."""


@functools.cache
def domains() -> dict[str, Domain]:
    """Give the kinds of events by name (``domains.yaml``)."""
    text = files("openvbp.measures").joinpath("domains.yaml").read_text(encoding="utf-8")
    declared: dict[str, dict[str, Any]] = load_exact(text)
    return {
        name: Domain(
            name,
            one["about"],
            tuple(one["code_systems"]),
            dict(one["fields"]),
            {
                field: {value_set: tuple(systems) for value_set, systems in sets.items()}
                for field, sets in one.get("from_value_sets", {}).items()
            },
        )
        for name, one in declared.items()
    }


@functools.cache
def code_systems() -> frozenset[str]:
    """Give the names of all code systems."""
    return frozenset(system for domain in domains().values() for system in domain.code_systems)


@functools.cache
def event_columns() -> dict[str, str]:
    """Columns of the table of all events: those of every event, and each field of any kind of events."""
    fields = {name: TYPES[kind] for domain in domains().values() for name, kind in domain.fields.items()}
    return dict(IDENTITY) | dict(sorted(fields.items()))
