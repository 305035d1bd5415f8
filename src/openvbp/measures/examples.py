"""Tiny patients attached to measures, with the population that each must fall in; tried on the plan and row by row.

Written in the YAML file beside the measures, under ``examples``::

    period: CY2024
    patients:
      - who: 54 years, diabetes, HbA1c 9.5 % in June
        birth_date: 1970-01-01
        events:
          - condition diabetes 2024-03-01
          - laboratory hba1c 2024-06-01 value=9.5
          - stay heart_failure 2024-07-01..2024-07-05 id=s1 is_last_of_chain=yes
          - encounter encounter-type:office 2024-03-01
        expect: {diabetes.hba1c_poor_control: met}

An event has a kind, what it is (a value set, a code with its system, or ``any``), its days, and fields. Of a value set
one code is enough, which is made up: examples need no lists of codes. Who is not said to be enrolled otherwise
(``enrolled: [2023-01-01..2023-06-30]``) is enrolled always; ``data_end`` beside
``period`` is the last day of the data. A measure that ``expect`` does not name must leave the
patient outside. For measures on episodes ``expect`` names index events: ``{readmission: {s1: not_met}}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.measures.catalogue import Collection
from openvbp.measures.domains import Kind, domains
from openvbp.measures.event_data import from_rows
from openvbp.measures.events import Events
from openvbp.measures.interpreter import interpret_all, subjects_of
from openvbp.measures.measure import Measure
from openvbp.measures.plan import evaluate
from openvbp.measures.statuses import STATUSES
from openvbp.measures.value_sets import ValueSet
from openvbp.measures.values import PERSON_FIELDS
from openvbp.periods import Period, parse_any_period

_ALWAYS = {"start_date": date(1900, 1, 1), "end_date": date(2199, 12, 31)}
_ABOUT = frozenset({"who", "events", "expect", "enrolled"})
Outcome = tuple[str, Decimal | None, Decimal | None]
"""Status, numerator value and denominator value."""


@dataclass(frozen=True)
class Examples:
    """Patients of a collection, as rows."""

    period: Period
    persons: list[dict[str, Any]]
    events: dict[str, list[dict[str, Any]]]
    enrollment: list[dict[str, Any]]
    expected: dict[tuple[str, str, str | None], Any]
    """Measure, patient and index event to the outcome: a status, or numbers by name."""
    sets: dict[str, ValueSet]
    data_end: date | None = None


@dataclass(frozen=True)
class Difference:
    """A patient whom a measure does not put where it should."""

    measure: str
    patient: str
    index: str | None
    by: str
    """``plan`` or ``interpreter``."""
    expected: str
    found: str


def measures_of(collection: Collection) -> list[Measure]:
    """Measures of a collection without its composites."""
    return [one for one in collection.measures if isinstance(one, Measure)]


def read_examples(collection: Collection) -> Examples:
    """Read the examples of a collection.

    Raises
    ------
    InputDataError
        If there are none, or an event cannot be read.
    """
    declared = collection.examples
    if not declared.get("patients"):
        raise InputDataError(Problem("there are no examples", collection.name, "add patients with what to expect"))
    measures = measures_of(collection)
    made_up = _made_up_codes(measures)
    found = Examples(parse_any_period(declared["period"]), [], {}, [], {}, made_up, declared.get("data_end"))
    for name in sorted({one.domain for measure in measures for one in _event_sets(measure)}):
        found.events[name] = []
    for patient in declared["patients"]:
        _add_patient(found, patient, collection.name)
    known = {one.id for one in measures}
    unknown = sorted({measure for measure, _who, _index in found.expected} - known)
    if unknown:
        what = "examples expect something of measures that are not defined"
        raise InputDataError(Problem(what, collection.name, "correct the ids", len(unknown), tuple(unknown)))
    return found


def _event_sets(measure: Measure) -> list[Events]:
    return [one for one in measure.nodes() if isinstance(one, Events)]


def _made_up_codes(measures: Sequence[Measure]) -> dict[str, ValueSet]:
    """Give each value set one code of its own in every system that its events may have."""
    systems: dict[str, set[str]] = {}
    for measure in measures:
        for one in _event_sets(measure):
            for name in one.value_sets:
                systems.setdefault(name, set()).update(domains()[one.domain].code_systems)
    return {name: ValueSet(name, frozenset((system, _code(name)) for system in some)) for name, some in systems.items()}


def _code(value_set: str) -> str:
    return value_set.upper()


def _add_patient(found: Examples, patient: Mapping[str, Any], where: str) -> None:
    who = str(patient["who"])
    facts = {name: patient.get(name) for name in PERSON_FIELDS}
    unknown = sorted(set(patient) - _ABOUT - set(PERSON_FIELDS))
    if unknown or any(one["person_id"] == who for one in found.persons):
        what = f"unknown {', '.join(unknown)}" if unknown else "stands twice"
        raise InputDataError(Problem(f"{who}: {what}", where, "correct the example"))
    found.persons.append({"person_id": who, **facts})
    spans = [_days(span, where) for span in patient["enrolled"]] if "enrolled" in patient else [_ALWAYS]
    found.enrollment.extend({"person_id": who, **span} for span in spans)
    for number, text in enumerate(patient.get("events", ()), start=1):
        domain, row = _event(str(text), found.sets, f"{where}, {who}")
        given = row.pop("id", None)
        row |= {"person_id": who, "event_id": f"{who} {given}" if given else f"{who} event {number}"}
        found.events.setdefault(domain, []).append(row)
    for measure, expected in patient.get("expect", {}).items():
        by_index = expected if isinstance(expected, Mapping) and "status" not in expected else {None: expected}
        for index, outcome in by_index.items():
            found.expected[measure, who, None if index is None else f"{who} {index}"] = outcome


def _event(text: str, sets: Mapping[str, ValueSet], where: str) -> tuple[str, dict[str, Any]]:
    words = text.split()
    if len(words) < 3 or words[0] not in domains():
        raise InputDataError(Problem(f"'{text}' is no event", where, "write kind, value set or code, days and fields"))
    domain, what, when, *pairs = words
    row: dict[str, Any] = _days(when, where)
    first_system = domains()[domain].code_systems[0]
    if ":" in what:
        row["code_system"], row["code"] = what.split(":", 1)
    elif what in sets or what == "any":
        row |= {"code_system": first_system, "code": _code(what)}
    else:
        raise InputDataError(Problem(f"'{what}' is no value set of these measures", f"{where}: {text}", "correct it"))
    for pair in pairs:
        name, _sign, value = pair.partition("=")
        row[name] = value if name == "id" else _field(domains()[domain].fields.get(name), value, f"{where}: {text}")
    return domain, row


def _field(kind: Kind | None, text: str, where: str) -> Any:
    try:
        if kind == "number":
            return Decimal(text)
    except InvalidOperation:
        kind = None
    if kind == "boolean" and text in ("yes", "no"):
        return text == "yes"
    if kind == "text":
        return text
    raise InputDataError(Problem(f"'{text}' cannot be read", where, "give a field of the event; write yes or no"))


def _days(text: object, where: str) -> dict[str, Any]:
    first, dots, last = str(text).partition("..")
    try:
        start = date.fromisoformat(first)
        # An event that ends in dots goes on.
        end = date.fromisoformat(last) if last else (None if dots else start)
        return {"start_date": start, "end_date": end}
    except ValueError:
        raise InputDataError(Problem(f"'{text}' is no day", where, "write 2024-03-01, or two days with ..")) from None


def differences(engine: Engine, collection: Collection) -> list[Difference]:
    """Try the examples of a collection; gives what is not as expected."""
    examples = read_examples(collection)
    measures = measures_of(collection)
    found: list[Difference] = []
    outcomes = {"plan": by_plan(engine, measures, examples), "interpreter": by_interpreter(measures, examples)}
    for by, outcome in outcomes.items():
        for key in sorted(set(outcome) | set(examples.expected), key=str):
            given = outcome.get(key, ("outside", None, None))
            expected = examples.expected.get(key, "outside")
            if not _is_as_expected(given, expected):
                measure, who, index = key
                found.append(Difference(measure, who, index, by, str(expected), str(given)))
    return found


def _is_as_expected(outcome: Outcome, expected: Any) -> bool:
    if not isinstance(expected, Mapping):
        return outcome[0] == expected
    given = dict(zip(("status", "numerator_value", "denominator_value"), outcome, strict=True))
    return all(given[name] == value for name, value in expected.items())


def by_plan(
    engine: Engine, measures: Sequence[Measure], examples: Examples
) -> dict[tuple[str, str, str | None], Outcome]:
    """Outcomes by the plan, of everybody who is not outside."""
    data = from_rows(
        engine, examples.persons, examples.events, examples.enrollment, "measure_examples", examples.data_end
    )
    found = {}
    for evaluated in evaluate(data, measures, examples.sets, [examples.period]):
        for row in engine.to_arrow(evaluated.table).to_pylist():
            for number, measure in enumerate(evaluated.measures):
                status = STATUSES[row[f"status_{number}"]]
                values = row.get(f"numerator_value_{number}"), row.get(f"denominator_value_{number}")
                if status != "outside":
                    found[measure.id, row["person_id"], row["index_event_id"]] = (status, *values)
    return found


def by_interpreter(measures: Sequence[Measure], examples: Examples) -> dict[tuple[str, str, str | None], Outcome]:
    """Outcomes row by row, of everybody who is not outside."""
    found = {}
    for measure in measures:
        everything = examples.persons, examples.events, examples.enrollment, examples.period, examples.sets
        subjects = subjects_of(measure, *everything, examples.data_end)
        for subject, result in zip(subjects, interpret_all(measure, subjects, examples.sets), strict=True):
            index = subject.index["event_id"] if subject.index else None
            if result.status != "outside":
                values = result.numerator_value, result.denominator_value
                found[measure.id, subject.person["person_id"], index] = (result.status, *values)
    return found
