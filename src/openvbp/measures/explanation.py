"""Why a measure puts one person where it does: each clause, its value, and the events behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ibis import _

from openvbp.errors import Problem, UsageError
from openvbp.measures.event_data import EventData
from openvbp.measures.events import Aggregate, Events
from openvbp.measures.interpreter import CANDIDATES, Interpreter, Subject, interpret, interpret_all, subjects_of
from openvbp.measures.measure import Episode, Measure
from openvbp.measures.value_sets import ValueSet
from openvbp.measures.values import Value, conjuncts, walk
from openvbp.measures.wording import choice_in_words, events_in_words, in_words
from openvbp.periods import Period

_SHOWN = ("start_date", "end_date", "code_system", "code", "event_id", "value")
_MOST = 5
"""Events of a clause that are printed; all are in the JSON."""


@dataclass(frozen=True)
class ClauseEvidence:
    """A clause of a population, what it came to, and the events that it looked at."""

    role: str
    clause: str
    value: Any
    events: list[dict[str, Any]]


@dataclass(frozen=True)
class Explanation:
    """A subject of a measure, explained."""

    measure: str
    version: str
    period: str
    index_event_id: str | None
    status: str
    clauses: list[ClauseEvidence]

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def explain(
    data: EventData, measure: Measure, sets: Mapping[str, ValueSet], period: Period, person_id: str
) -> list[Explanation]:
    """Explain a measure's result for one person; one explanation for each index event in measures on episodes.

    Parameters
    ----------
    data
        Persons, enrolment and events; only those of the person are read.
    measure, sets, period
        What was evaluated.
    person_id
        Whom to explain.

    Raises
    ------
    UsageError
        If the person is not in the data, or no subject of the measure in the period.
    """

    def rows(table: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = data.engine.to_arrow(table.filter(_.person_id == person_id)).to_pylist()
        return found

    persons = rows(data.persons)
    if not persons:
        raise UsageError(Problem("there is no such person", "--person", "give a person_id of the claims"))
    asked = {one.domain for one in measure.nodes() if isinstance(one, Events)}
    events = {name: rows(data.events[name]) for name in sorted(asked)}
    enrollment = None if data.enrollment is None else rows(data.enrollment)
    subjects = subjects_of(measure, persons, events, enrollment, period, sets, data.data_end)
    if not subjects:
        what = f"the person is no subject of {measure.id} in {period.label}"
        raise UsageError(Problem(what, "--person", "not enrolled in it, or without an index event"))
    results = interpret_all(measure, subjects, sets)
    return [_explained(measure, one, sets, result.status) for one, result in zip(subjects, results, strict=True)]


def _explained(measure: Measure, subject: Subject, sets: Mapping[str, ValueSet], status: str) -> Explanation:
    it = Interpreter(subject, sets)
    clauses = [
        ClauseEvidence(role, in_words(clause), it.value(clause), list(_events(clause, it)))
        for role, value in measure.values()
        for clause in _clauses(role, value)
    ]
    index = subject.index["event_id"] if subject.index else None
    choice = choice_in_words(measure.basis) if isinstance(measure.basis, Episode) else None
    if choice and interpret(measure, subject, sets).status in CANDIDATES:
        clauses.append(ClauseEvidence("index events chosen", choice, status != "excluded", []))
    return Explanation(measure.id, measure.version, subject.period.label, index, status, clauses)


def _clauses(role: str, value: Value) -> list[Value]:
    return conjuncts(value, "or" if role.endswith(("exclusion", "exception")) else "and")


def _events(clause: Value, it: Interpreter) -> Iterator[dict[str, Any]]:
    seen = []
    for node in walk(clause):
        if isinstance(node, Aggregate):
            for row in it.rows(node.events):
                shown = {name: row[name] for name in _SHOWN if row.get(name) is not None}
                event = {"of": events_in_words(node.events)} | shown
                if event not in seen:
                    seen.append(event)
                    yield event


def render(explanations: list[Explanation]) -> str:
    """Write explanations for a terminal."""
    blocks = []
    for one in explanations:
        index = f", index event {one.index_event_id}" if one.index_event_id else ""
        lines = [f"{one.measure}@{one.version} {one.period}{index}: {one.status.replace('_', ' ')}"]
        role = ""
        for clause in one.clauses:
            if clause.role != role:
                lines.append(f"  {clause.role.replace('_', ' ')}")
                role = clause.role
            lines.append(f"    {_value(clause.value):>13}  {clause.clause}")
            for event in clause.events[:_MOST]:
                code = f"{event.get('code_system', '')} {event.get('code', '')}".strip()
                value = f" value {event['value']}" if "value" in event else ""
                lines.append(f"{'':17}{event['start_date']} {code}{value} ({event['event_id']})")
            if len(clause.events) > _MOST:
                lines.append(f"{'':17}and {len(clause.events) - _MOST} more")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _value(value: Any) -> str:
    if value is None:
        return "not evaluable"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
