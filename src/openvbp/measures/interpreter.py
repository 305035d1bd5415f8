"""Evaluates a measure row by row, in plain Python: slow and obvious, to hold the plan against.

Everything is written anew from the meaning of the language; nothing is shared with the plan but the definitions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from openvbp.measures import values as nodes
from openvbp.measures.dates import completed_years, moved
from openvbp.measures.domains import domains
from openvbp.measures.events import Aggregate, Events, FieldTest
from openvbp.measures.measure import Episode, Measure
from openvbp.measures.value_sets import PREFIX_MARK, ValueSet
from openvbp.periods import Period

Row = Mapping[str, Any]
CANDIDATES = ("met", "not_met", "numerator_excluded", "exception")
"""Statuses of the index events among which a basis may choose."""


@dataclass(frozen=True)
class Subject:
    """A person, or an index event, in a period."""

    person: Row
    period: Period
    events: Mapping[str, Sequence[Row]]
    """All events of the person, by kind."""
    enrollment: Sequence[Row] | None
    index: Row | None = None
    index_domain: str | None = None
    data_end: date | None = None


@dataclass(frozen=True)
class Result:
    """Where a measure puts a subject."""

    status: str
    numerator_value: Decimal | None = None
    denominator_value: Decimal | None = None
    strata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Interpreter:
    """Evaluates values for one subject."""

    subject: Subject
    sets: Mapping[str, ValueSet]

    def value(self, node: nodes.Value) -> Any:
        """Give a value; None where it is not evaluable."""
        return _MEANINGS[type(node)](self, node)

    def rows(self, events: Events) -> list[Row]:
        """Give the events of a set, in order of time, those with several codes as often as rows differ."""
        window = None
        if events.window is not None:
            window = self.value(events.window.first), self.value(events.window.last)
            if None in window:
                return []
        found = [
            row
            for row in self.subject.events.get(events.domain, ())
            if self._has_code(events, row)
            and all(_passes(row, test) for test in events.where)
            and all(self._is_accompanied(row, one.events) == one.is_wanted for one in events.companions)
            and (window is None or _in_time(events.time, row, window))
            and not (
                self.subject.index is not None
                and events.domain == self.subject.index_domain
                and row["event_id"] == self.subject.index["event_id"]
            )
        ]
        found = found if events.domain == "dispensing" else _without_codes(found)
        picked = _pick(events.pick, sorted(found, key=lambda row: (row["start_date"], row["event_id"])))
        return [row for row in picked if all(_passes(row, test) for test in events.matching)]

    def _is_accompanied(self, row: Row, others: Events) -> bool:
        last = row.get("end_date") or row["start_date"]
        return any(
            self._has_code(others, other)
            and all(_passes(other, test) for test in others.where)
            and _in_time("overlaps", other, (row["start_date"], last))
            for other in self.subject.events.get(others.domain, ())
        )

    def _has_code(self, events: Events, row: Row) -> bool:
        if not events.value_sets and not events.codes:
            return True
        listed = set(events.codes)
        for name in events.value_sets:
            listed |= self.sets[name].codes
        system, code = row.get("code_system"), row.get("code")
        if code is None or system not in domains()[events.domain].code_systems:
            return False
        return any(
            system == one
            and (code == listed_code or (listed_code[-1:] == PREFIX_MARK and code.startswith(listed_code[:-1])))
            for one, listed_code in listed
        )

    def _aggregate(self, node: Aggregate) -> Any:
        rows = self.rows(node.events)
        given = [Decimal(row["value"]) for row in rows if row.get("value") is not None]
        ways: dict[str, Callable[[], Any]] = {
            "exists": lambda: bool(rows),
            "count": lambda: len({row["event_id"] for row in rows}),
            "days": lambda: len({row["start_date"] for row in rows}),
            "first_date": lambda: rows[0]["start_date"] if rows else None,
            "last_date": lambda: rows[-1]["start_date"] if rows else None,
            "minimum": lambda: min(given, default=None),
            "maximum": lambda: max(given, default=None),
            "sum": lambda: sum(given) if given or not rows else None,
            "any_null": lambda: len(given) < len(rows),
            "covered_days": lambda: self._covered(node.events, rows),
        }
        return ways[node.how]()

    def _covered(self, events: Events, rows: Sequence[Row]) -> int | None:
        if events.window is None or not rows:
            return None
        if any(row.get("days_supply") is None for row in rows):
            return None
        first, last = self.value(events.window.first), self.value(events.window.last)
        days: set[date] = set()
        used_up: dict[str, date] = {}
        for row in rows:
            begins = max(row["start_date"], used_up.get(row["code"], date.min))
            ends = begins + timedelta(days=int(row["days_supply"]))
            used_up[row["code"]] = ends
            days |= {begins + timedelta(days=one) for one in range((ends - begins).days)}
        return sum(first <= day <= last for day in days)

    def _enrolled(self, node: nodes.Enrolled) -> bool | None:
        if self.subject.enrollment is None:
            return None
        first, last = self.value(node.window.first), self.value(node.window.last)
        if first is None or last is None:
            return False
        gaps, length, some = [], 0, False
        day = first
        while day <= last:
            if any(span["start_date"] <= day <= span["end_date"] for span in self.subject.enrollment):
                some = True
                gaps += [length] if length else []
                length = 0
            else:
                length += 1
            day += timedelta(days=1)
        gaps += [length] if length else []
        return some and len(gaps) <= node.gaps and max(gaps, default=0) <= node.gap_days

    def _enrolled_days(self, node: nodes.EnrolledDays) -> int | None:
        first, last = self.value(node.window.first), self.value(node.window.last)
        if self.subject.enrollment is None or first is None or last is None:
            return None
        days = (first + timedelta(days=one) for one in range((last - first).days + 1))
        return sum(
            any(span["start_date"] <= day <= span["end_date"] for span in self.subject.enrollment) for day in days
        )

    def _ordered(self, node: nodes.OrderedRules) -> bool:
        for rule in node.rules:
            action = rule.if_true if self.value(rule.condition) is True else rule.if_false
            if action != "next":
                return action == "select"
        return True

    def _anchor(self, node: nodes.Anchor) -> date | None:
        if node.of == "data":
            return self.subject.data_end
        if node.of == "period":
            found: date = getattr(self.subject.period, node.side)
            return found
        if self.subject.index is None:
            raise AssertionError("measures on persons have no index")
        start: date = self.subject.index["start_date"]
        end: date | None = self.subject.index.get("end_date")
        return start if node.side == "start" or end is None else end

    def _index_field(self, node: nodes.IndexField) -> Any:
        return self.subject.index.get(node.field) if self.subject.index else None


def _without_codes(rows: list[Row]) -> list[Row]:
    """An event with several of the codes is one row: its value is added up once."""
    seen: list[dict[str, Any]] = []
    kept = []
    for row in rows:
        plain = {name: value for name, value in row.items() if name not in ("code", "code_system")}
        if plain not in seen:
            seen.append(plain)
            kept.append(row)
    return kept


def _passes(row: Row, test: FieldTest) -> bool:
    value = row.get(test.field)
    return value is not None and bool(_compared(test.operator, value, test.value))


def _compared(operator: str, left: Any, right: Any) -> bool:
    ways: dict[str, Callable[[], bool]] = {
        "==": lambda: left == right,
        "!=": lambda: left != right,
        "<": lambda: left < right,
        "<=": lambda: left <= right,
        ">": lambda: left > right,
        ">=": lambda: left >= right,
    }
    return bool(ways[operator]())


def _in_time(time: str, row: Row, window: tuple[date, date]) -> bool:
    first, last = window
    start, given_end = row["start_date"], row.get("end_date")
    end = given_end or start
    if time == "starts_during":
        return bool(first <= start <= last)
    if time == "ends_during":
        return bool(first <= end <= last)
    if time == "during":
        return bool(first <= start and end <= last)
    if time == "overlaps":
        return bool(start <= last and (given_end is None or given_end >= first))
    if row.get("verification_status") not in (None, "confirmed", "unconfirmed", "provisional", "differential"):
        return False
    if start > last:
        return False
    if given_end is not None:
        return bool(given_end >= first)
    return row.get("clinical_status") in ("active", "recurrence", "relapse") or start >= first


def _pick(pick: str, rows: list[Row]) -> list[Row]:
    if not rows or pick == "all":
        return rows
    if pick == "last_day":
        return [row for row in rows if row["start_date"] == rows[-1]["start_date"]]
    chosen = rows[0] if pick == "first" else rows[-1]
    return [row for row in rows if (row["start_date"], row["event_id"]) == (chosen["start_date"], chosen["event_id"])]


def _both(operator: str, left: Any, right: Any) -> bool | None:
    decides = operator == "or"
    if left is decides or right is decides:
        return decides
    return None if left is None or right is None else not decides


def _if_known(of: Callable[..., Any], *values: Any) -> Any:
    return None if any(value is None for value in values) else of(*values)


def _arithmetic(operator: str, left: Any, right: Any) -> Decimal:
    one, other = Decimal(left), Decimal(right)
    return one + other if operator == "+" else one - other if operator == "-" else one * other


_MEANINGS: dict[type, Callable[[Interpreter, Any], Any]] = {
    nodes.Constant: lambda _it, node: node.value,
    nodes.Anchor: Interpreter._anchor,
    nodes.Shift: lambda it, node: _if_known(lambda day: moved(day, node.months, node.days), it.value(node.day)),
    nodes.Person: lambda it, node: it.subject.person.get(node.field),
    nodes.IndexField: Interpreter._index_field,
    nodes.Age: lambda it, node: _if_known(completed_years, it.subject.person.get("birth_date"), it.value(node.at)),
    nodes.DaysBetween: lambda it, node: _if_known(
        lambda first, last: (last - first).days, it.value(node.first), it.value(node.last)
    ),
    nodes.Arithmetic: lambda it, node: _if_known(
        lambda left, right: _arithmetic(node.operator, left, right), it.value(node.left), it.value(node.right)
    ),
    nodes.Compare: lambda it, node: _if_known(
        lambda left, right: _compared(node.operator, left, right), it.value(node.left), it.value(node.right)
    ),
    nodes.IsIn: lambda it, node: _if_known(lambda value: value in node.choices, it.value(node.value)),
    nodes.Combine: lambda it, node: _both(node.operator, it.value(node.left), it.value(node.right)),
    nodes.Not: lambda it, node: _if_known(lambda value: not value, it.value(node.condition)),
    nodes.IsMissing: lambda it, node: it.value(node.value) is None,
    nodes.Otherwise: lambda it, node: it.value(node.default) if it.value(node.value) is None else it.value(node.value),
    nodes.Choose: lambda it, node: _if_known(
        lambda holds: it.value(node.if_true if holds else node.if_false), it.value(node.condition)
    ),
    nodes.Enrolled: Interpreter._enrolled,
    nodes.EnrolledDays: Interpreter._enrolled_days,
    nodes.OrderedRules: Interpreter._ordered,
    Aggregate: Interpreter._aggregate,
}


def interpret(measure: Measure, subject: Subject, sets: Mapping[str, ValueSet]) -> Result:
    """Evaluate a measure for one subject."""
    it = Interpreter(subject, sets)
    numbers = {
        name: it.value(node)
        for name, node in (
            ("numerator_value", measure.numerator_value),
            ("denominator_value", measure.denominator_value),
        )
        if node is not None
    }
    strata = {name: it.value(node) for name, node in measure.strata}
    return Result(_status(measure, it), **numbers, strata=strata)


def interpret_all(measure: Measure, subjects: Sequence[Subject], sets: Mapping[str, ValueSet]) -> list[Result]:
    """Evaluate a measure for all its subjects of a period, and choose among the index events of each person."""
    results = [interpret(measure, one, sets) for one in subjects]
    basis = measure.basis
    if not isinstance(basis, Episode) or (basis.days_apart is None and not basis.is_one_drawn):
        return results
    candidates: dict[str, list[int]] = {}
    for number, (subject, result) in enumerate(zip(subjects, results, strict=True)):
        if result.status in CANDIDATES:
            candidates.setdefault(subject.person["person_id"], []).append(number)
    for numbers in candidates.values():
        kept = set(_chosen(measure.id, basis, [(one, subjects[one]) for one in numbers]))
        for one in numbers:
            if one not in kept:
                results[one] = replace(results[one], status="excluded")
    return results


def _chosen(measure: str, basis: Episode, candidates: list[tuple[int, Subject]]) -> list[int]:
    rows = [(number, one.index) for number, one in candidates if one.index is not None]
    if basis.is_one_drawn:
        return [min(rows, key=lambda one: hashlib.sha256(f"{measure} {one[1]['event_id']}".encode()).hexdigest())[0]]
    kept: list[tuple[int, Row]] = []
    for number, row in sorted(rows, key=lambda one: (one[1]["start_date"], one[1]["event_id"])):
        ends = [before.get("end_date") or before["start_date"] for _number, before in kept]
        if all((row["start_date"] - end).days > (basis.days_apart or 0) for end in ends):
            kept.append((number, row))
    return [number for number, _row in kept]


def _status(measure: Measure, it: Interpreter) -> str:
    """Go through the populations in order; the first that is not known leaves the subject not evaluable."""
    for condition, if_false, if_true in (
        (measure.initial_population, "outside", None),
        (measure.denominator, "not_in_denominator", None),
        (measure.denominator_exclusion, None, "excluded"),
    ):
        found = it.value(condition)
        if found is None:
            return "not_evaluable"
        ends = if_true if found else if_false
        if ends is not None:
            return ends
    if measure.scoring != "proportion":
        return "met"
    numerator = it.value(measure.numerator)
    if numerator is None:
        return "not_evaluable"
    if numerator:
        excluded = it.value(measure.numerator_exclusion)
        return "not_evaluable" if excluded is None else "numerator_excluded" if excluded else "met"
    exception = it.value(measure.denominator_exception)
    return "not_evaluable" if exception is None else "exception" if exception else "not_met"


def subjects_of(
    measure: Measure,
    persons: Sequence[Row],
    events: Mapping[str, Sequence[Row]],
    enrollment: Sequence[Row] | None,
    period: Period,
    sets: Mapping[str, ValueSet],
    data_end: date | None = None,
) -> list[Subject]:
    """Give the subjects of a measure: enrolled persons, or their index events."""
    found = []
    for person in persons:
        own = {kind: [row for row in rows if row["person_id"] == person["person_id"]] for kind, rows in events.items()}
        spans = None if enrollment is None else [one for one in enrollment if one["person_id"] == person["person_id"]]
        subject = Subject(person, period, own, spans, data_end=data_end)
        if isinstance(measure.basis, Episode):
            seen = set()
            for row in Interpreter(subject, sets).rows(measure.basis.index):
                if row["event_id"] not in seen:
                    seen.add(row["event_id"])
                    found.append(replace(subject, index=row, index_domain=measure.basis.index.domain))
        elif spans is None or any(one["start_date"] <= period.end and one["end_date"] >= period.start for one in spans):
            found.append(subject)
    return found
