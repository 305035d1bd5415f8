"""Turns values of the measure language into expressions on a table of subjects."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import ibis
import ibis.expr.types as ir

from openvbp.measures import values as nodes
from openvbp.measures.domains import TYPES
from openvbp.measures.elements import Elements
from openvbp.measures.events import Aggregate, FieldTest
from openvbp.money import exact

_ABSENT: dict[str, Any] = {"exists": False, "any_null": False, "count": 0, "days": 0}
"""What aggregates are without events; the others are null."""


def column_of(element: int, how: str) -> str:
    """Name of the column that holds an aggregate of an element."""
    return f"element_{element}_{how}"


def literal(value: nodes.Literals) -> ir.Value:
    """Write a literal; decimals by their digits, because Ibis passes them through a float."""
    if isinstance(value, Decimal):
        return ibis.literal(str(value)).cast(TYPES["number"])
    if isinstance(value, date):
        return ibis.date(value.year, value.month, value.day)
    return ibis.literal(value)


def passes(rows: ir.Table, test: FieldTest) -> ir.BooleanValue:
    """Whether a field passes a test; a field without a value does not."""
    compared = _compare(test.operator, rows[test.field], literal(test.value))
    return compared.fill_null(False)  # noqa: FBT003


def shifted(day: ir.DateValue, months: int, days: int) -> ir.DateValue:
    """Move a day by months, then by days."""
    moved = day
    for count, unit in ((months, "M"), (days, "D")):
        if count:
            # A day plus an interval is a timestamp on DuckDB, whose cast to a day Ibis would drop.
            moved = (moved + ibis.interval(count, unit=unit)).cast("timestamp")
            moved = moved.cast("date")
    return moved


def completed_years(birth: ir.DateValue, day: ir.DateValue) -> ir.IntegerValue:
    """Whole years between birth and a day; the birthday itself completes the year."""
    before_birthday = (day.month() * 100 + day.day()) < (birth.month() * 100 + birth.day())
    return (day.year() - birth.year() - before_birthday.cast("int64")).cast("int64")


class Translator:
    """Translates values on a table of subjects; what is the same is translated once."""

    def __init__(self, subjects: ir.Table, elements: Elements) -> None:
        self._subjects = subjects
        self._elements = elements
        self._known: dict[Any, ir.Value] = {}

    def __call__(self, node: nodes.Value) -> Any:
        """Give the expression of a value."""
        key = nodes.identity(node)
        if key not in self._known:
            self._known[key] = _TRANSLATIONS[type(node)](self, node)
        return self._known[key]

    def _anchor(self, node: nodes.Anchor) -> ir.DateValue:
        return self._subjects[f"{node.of}_{node.side}"]

    def _person(self, node: nodes.Person) -> ir.Value:
        return self._subjects[node.field]

    def _index_field(self, node: nodes.IndexField) -> ir.Value:
        return self._subjects[f"index_{node.field}"]

    def _age(self, node: nodes.Age) -> ir.IntegerValue:
        return completed_years(self._subjects["birth_date"], self(node.at))

    def _aggregate(self, node: Aggregate) -> ir.Value:
        element = self._elements.element(node.events)
        found = self._subjects[column_of(element.number, node.how)]
        if node.how == "sum":
            # Without events the sum is zero; of events none of which has a value it is not known.
            return ibis.ifelse(self._subjects[column_of(element.number, "exists")].isnull(), 0, found)
        return found.fill_null(_ABSENT[node.how]) if node.how in _ABSENT else found

    def _is_missing(self, node: nodes.IsMissing) -> ir.BooleanValue:
        found = self(node.value)
        return is_unknown(found) if node.value.kind == "boolean" else found.isnull()

    def _enrolled(self, node: nodes.Enrolled | nodes.EnrolledDays) -> ir.Value:
        return self._subjects[f"enrolled_{self._elements.enrolled_number(node)}"]

    def _ordered(self, node: nodes.OrderedRules) -> ir.BooleanValue:
        rules = node.rules
        branches = []
        for rule in rules:
            holds = self(rule.condition).fill_null(False)  # noqa: FBT003
            for is_met, action in ((holds, rule.if_true), (~holds, rule.if_false)):
                if action != "next":
                    branches.append((is_met, action == "select"))
        return ibis.cases(*branches, else_=True) if branches else ibis.literal(True)  # noqa: FBT003

    def stopped_at(self, node: nodes.OrderedRules) -> ir.IntegerValue:
        """Number of the rule, from 1, at which a subject stopped; null for those who passed all."""
        branches = []
        for number, rule in enumerate(node.rules, start=1):
            holds = self(rule.condition).fill_null(False)  # noqa: FBT003
            for is_met, action in ((holds, rule.if_true), (~holds, rule.if_false)):
                if action != "next":
                    branches.append((is_met, number))
        return ibis.cases(*branches) if branches else ibis.null("int64")

    def _arithmetic(self, node: nodes.Arithmetic) -> ir.DecimalValue:
        left, right = (self(one).cast(TYPES["number"]) for one in (node.left, node.right))
        if node.operator == "*":
            return exact(left.cast("decimal(19, 4)") * right, 38, 4)
        return exact(left + right if node.operator == "+" else left - right, 38, 4)

    def _choose(self, node: nodes.Choose) -> ir.DecimalValue:
        holds = self(node.condition)
        if_true, if_false = (self(one).cast("decimal(38, 4)") for one in (node.if_true, node.if_false))
        return ibis.cases((is_unknown(holds), ibis.null("decimal(38, 4)")), (holds, if_true), else_=if_false)


def is_unknown(condition: ir.BooleanValue) -> ir.BooleanValue:
    """Whether a condition is null.

    As a number, because Ibis writes ``x in (1) is null`` and ``x is null is null``, which Spark cannot read, and
    ``not x is null``, which means another thing.
    """
    return condition.cast("int64").isnull()


def is_always_known(node: nodes.Value) -> bool:
    """Whether a value is never null, whatever the data: then nobody needs to ask."""
    match node:
        case nodes.Constant() | nodes.IsMissing() | nodes.OrderedRules():
            return True
        case Aggregate():
            return node.how in _ABSENT
        case nodes.Not():
            return is_always_known(node.condition)
        case nodes.Otherwise():
            return is_always_known(node.default)
        case nodes.Compare() | nodes.Combine():
            return is_always_known(node.left) and is_always_known(node.right)
        case _:
            return False


def _compare(operator: str, left: Any, right: Any) -> ir.BooleanValue:
    compared: dict[str, Callable[[], Any]] = {
        "==": lambda: left == right,
        "!=": lambda: left != right,
        "<": lambda: left < right,
        "<=": lambda: left <= right,
        ">": lambda: left > right,
        ">=": lambda: left >= right,
    }
    found: ir.BooleanValue = compared[operator]()
    return found


_TRANSLATIONS: dict[type, Callable[[Translator, Any], Any]] = {
    nodes.Constant: lambda _to, node: literal(node.value),
    nodes.Anchor: Translator._anchor,
    nodes.Shift: lambda to, node: shifted(to(node.day), node.months, node.days),
    nodes.Person: Translator._person,
    nodes.IndexField: Translator._index_field,
    nodes.Age: Translator._age,
    nodes.DaysBetween: lambda to, node: to(node.last).delta(to(node.first), unit="day"),
    nodes.Arithmetic: Translator._arithmetic,
    nodes.Compare: lambda to, node: _compare(node.operator, to(node.left), to(node.right)),
    nodes.IsIn: lambda to, node: to(node.value).isin([literal(one) for one in node.choices]),
    nodes.Combine: lambda to, node: (
        to(node.left) & to(node.right) if node.operator == "and" else to(node.left) | to(node.right)
    ),
    # Ibis writes "not x is null" for the null test of a negation, which means another thing.
    nodes.Not: lambda to, node: to(node.condition) == ibis.literal(False),  # noqa: FBT003
    nodes.IsMissing: Translator._is_missing,
    nodes.Otherwise: lambda to, node: ibis.coalesce(to(node.value), to(node.default)),
    nodes.Choose: Translator._choose,
    nodes.Enrolled: Translator._enrolled,
    nodes.EnrolledDays: Translator._enrolled,
    nodes.OrderedRules: Translator._ordered,
    Aggregate: Translator._aggregate,
}
