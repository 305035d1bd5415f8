"""Dated parameters, each value with its citation.

A program's ``parameters.yaml`` lists every number of the rule with the first day on which it applies and
the paragraph it comes from. Large parameters sit in a CSV file beside it. See ``docs/architecture.md``,
section "Parameters".
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.exact_yaml import load_exact
from openvbp.periods import CALENDARS, Period, parse_period

Unit = Literal["ratio", "count", "points", "rate", "usd", "gbp", "eur", "identifier", "flag", "multiplier"]
Value = Decimal | bool | str | None

ACTUAL = "actual"
"""Name of the scenario in which the rules in force apply."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _DatedValue(_Strict):
    value: Any
    cite: str = Field(min_length=1)
    unverified: bool = False
    checked: date | None = None
    note: str | None = None


class DeclaredParameter(_Strict):
    """What a parameter is, apart from its values."""

    label: str
    unit: Unit
    by: str | None = None
    file: str | None = None
    values: dict[date, _DatedValue] = {}


class _Authority(_Strict):
    statute: str | None = None
    regulation: str


class _Periods(_Strict):
    first: str
    last: str


class _Document(_Strict):
    program: str
    title: str
    authority: _Authority
    calendar: str
    periods: _Periods
    parameters: dict[str, DeclaredParameter]


@dataclass(frozen=True)
class CitedValue:
    """A parameter's value in one period."""

    value: Value
    cite: str
    since: date | None
    unverified: bool = False
    note: str | None = None


@dataclass(frozen=True)
class Parameter:
    """One parameter in one period: a single value, or one value per key (measure, domain)."""

    name: str
    label: str
    unit: str
    by: str | None
    values: Mapping[str, CitedValue]
    """Key to value; the key of a parameter without ``by`` is the empty string."""


@dataclass(frozen=True)
class Scenario:
    """The parameters of one period under one set of changes."""

    scenario_id: str
    period: Period
    parameters: Mapping[str, Parameter]
    overrides: Mapping[str, str] = field(default_factory=dict)

    def cited(self, name: str, key: str = "") -> CitedValue:
        """Return one value with its citation; ``KeyError`` if there is none."""
        return self.parameters[name].values[key]

    def value(self, name: str, key: str = "") -> Any:
        """Return one value, ``None`` when the parameter has none for this key."""
        cited = self.parameters[name].values.get(key)
        return None if cited is None else cited.value

    def unverified(self, values: Iterable[tuple[str, str]]) -> str | None:
        """Name those of the values, (parameter, key) each, whose source has not been read; ``None`` if all have.

        A value that is not known is not used, so it makes nothing unverified.
        """
        cited = [(name, key, self.parameters[name].values.get(key)) for name, key in values]
        names = [
            f"{name}.{key}" if key else name
            for name, key, one in cited
            if one is not None and one.unverified and one.value is not None
        ]
        return ", ".join(names) or None

    def keyed(self, name: str) -> dict[str, Any]:
        """Return the values of a parameter by key, without ended ones."""
        return {key: cited.value for key, cited in self.parameters[name].values.items() if cited.value is not None}


@dataclass(frozen=True)
class ParameterSet:
    """All dated values of one program."""

    program_id: str
    title: str
    authority: Mapping[str, str]
    calendar: str
    first_period: str
    last_period: str
    digest: str
    dated: Mapping[str, tuple[DeclaredParameter, Mapping[str, Mapping[date, CitedValue]]]]

    def period(self, label: str) -> Period:
        """Parse a period's name and demand that the program has parameters for it."""
        period = parse_period(label, self.calendar)
        first = parse_period(self.first_period, self.calendar)
        last = parse_period(self.last_period, self.calendar)
        if not first.start <= period.start <= last.start:
            raise UsageError(
                Problem(
                    f"{self.program_id} has no parameters for {label}",
                    f"parameters of {self.program_id}",
                    f"choose a period from {self.first_period} to {self.last_period}",
                )
            )
        return period

    def in_force(self, period: Period) -> Scenario:
        """Return the rules in force on the period's first day, as scenario ``actual``."""
        parameters = {}
        for name, (declared, history) in self.dated.items():
            values = {}
            for key, dates in history.items():
                since = max((day for day in dates if day <= period.start), default=None)
                if since is not None:
                    values[key] = dates[since]
            parameters[name] = Parameter(name, declared.label, declared.unit, declared.by, values)
        return Scenario(ACTUAL, period, parameters)


def load_parameters(path: Path) -> ParameterSet:
    """Read a program's ``parameters.yaml`` and the CSV files it names.

    Raises
    ------
    InputDataError
        If a key is unknown or stands twice, a citation is missing or a value does not fit its unit.
    """
    content = path.read_bytes()
    digest = hashlib.sha256(content)
    document = _document(path, content)
    tables: dict[str, set[str]] = {}
    for name, declared in document.parameters.items():
        if declared.file:
            tables.setdefault(declared.file, set()).add(name)
    dated = {}
    for name, declared in document.parameters.items():
        history: dict[str, dict[date, CitedValue]] = {}
        for since, entry in declared.values.items():
            values = entry.value if declared.by else {"": entry.value}
            if not isinstance(values, Mapping):
                raise _bad_file(path, f"{name} of {since} must give one value per {declared.by}")
            for key, value in values.items():
                cited = CitedValue(
                    _typed(value, declared.unit, f"{name} of {since}", path),
                    entry.cite,
                    since,
                    entry.unverified,
                    entry.note,
                )
                history.setdefault(str(key), {})[since] = cited
        if declared.file:
            table = path.parent / declared.file
            digest.update(_read_table(table, name, tables[declared.file], declared, history))
        dated[name] = (declared, history)
    return ParameterSet(
        document.program,
        document.title,
        {key: value for key, value in document.authority.model_dump().items() if value},
        document.calendar,
        document.periods.first,
        document.periods.last,
        digest.hexdigest(),
        dated,
    )


@lru_cache(maxsize=64)  # A run asks for its parameters several times.
def _document(path: Path, content: bytes) -> _Document:
    try:
        document = _Document.model_validate(load_exact(content))
    except ValidationError as error:
        reasons = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise _bad_file(path, "; ".join(reasons)) from error
    except (ValueError, yaml.YAMLError) as error:
        raise _bad_file(path, str(error)) from error
    if document.calendar not in CALENDARS:
        raise _bad_file(path, f"calendar {document.calendar} is not one of " + ", ".join(CALENDARS))
    empty = [name for name, declared in document.parameters.items() if not (declared.values or declared.file)]
    if empty:
        raise _bad_file(path, "no values for " + ", ".join(empty))
    return document


def _read_table(
    path: Path, name: str, names: set[str], declared: DeclaredParameter, history: dict[str, dict[date, CitedValue]]
) -> bytes:
    """Read the rows of ``name`` from a CSV file with columns parameter, <by>, from, value, cite; return its bytes."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _bad_file(path, f"{error.strerror}") from error
    reader = csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""))
    expected = {"parameter", str(declared.by), "from", "value", "cite", "unverified", "note"}
    if set(reader.fieldnames or ()) != expected:
        raise _bad_file(path, f"columns must be {sorted(expected)}, not {reader.fieldnames}")
    for row in reader:
        where = f"line {reader.line_num}"
        if None in row or None in row.values():
            raise _bad_file(path, f"{where} has not {len(expected)} cells")
        if row["parameter"] not in names:
            raise _bad_file(path, f"{where}: no parameter '{row['parameter']}' takes its values from here")
        if row["parameter"] == name:
            key, since, cited = _table_value(path, where, row, declared)
            if since in history.setdefault(key, {}):
                raise _bad_file(path, f"{where}: {name} of {key} has two values for {since}")
            history[key][since] = cited
    return content


def _table_value(
    path: Path, where: str, row: Mapping[str, str], declared: DeclaredParameter
) -> tuple[str, date, CitedValue]:
    try:
        since = date.fromisoformat(row["from"])
    except ValueError as error:
        raise _bad_file(path, f"{where}: '{row['from']}' is not a date like 2023-10-01") from error
    if not row["cite"].strip():
        raise _bad_file(path, f"{where} cites nothing")
    if row["unverified"] not in ("", "true", "false"):
        raise _bad_file(path, f"{where}: unverified is '{row['unverified']}', not true, false or empty")
    value = _typed(row["value"] or None, declared.unit, where, path)
    cited = CitedValue(value, row["cite"], since, row["unverified"] == "true", row["note"] or None)
    return row[str(declared.by)], since, cited


def _bad_file(path: Path, reason: str) -> InputDataError:
    return InputDataError(Problem(f"parameter file cannot be used: {reason}", str(path), "correct the file"))


def _typed(value: Any, unit: str, where: str, path: Path) -> Value:
    """Give a parameter's value the type of its unit; ``None`` ends a value."""
    if value is None:
        return None
    try:
        return parse_value(str(value), unit)
    except ValueError as error:
        raise _bad_file(path, f"{where}: {error}") from error


def parse_value(text: str, unit: str) -> Value:
    """Read a value as its unit demands.

    Raises
    ------
    ValueError
        If the text is not such a value, with a reason a user understands.
    """
    if unit == "identifier":
        return text
    if unit == "flag":
        flags = {"true": True, "false": False, "1": True, "0": False}
        if text.strip().lower() not in flags:
            raise ValueError(f"'{text}' is neither true nor false")
        return flags[text.strip().lower()]
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"'{text}' is not a number") from error
    if not number.is_finite():
        raise ValueError(f"'{text}' is not a finite number")
    if unit == "ratio" and not 0 <= number <= 1:
        raise ValueError(f"{text} is not a share between 0 and 1")
    if unit in {"count", "points", "usd", "gbp", "eur", "multiplier"} and number < 0:
        raise ValueError(f"{text} is below zero")
    return number
