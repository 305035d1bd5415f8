"""Definitions in words, for people who read no code; nothing is left out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from openvbp.measures import values as nodes
from openvbp.measures.elements import ALL_DAYS
from openvbp.measures.events import Aggregate, Events, FieldTest
from openvbp.measures.measure import Episode

_OPERATORS = {"==": "is", "!=": "is not", "<": "below", "<=": "at most", ">": "above", ">=": "at least"}
_TIMES = {
    "starts_during": "begun",
    "ends_during": "ended",
    "during": "wholly",
    "overlaps": "going on",
    "prevalent": "present",
}
_PICKS = {"first": "the first of them", "last": "the last of them", "last_day": "those of the latest day"}
_HOWS = {
    "exists": "there is {}",
    "count": "number of {}",
    "days": "days with {}",
    "first_date": "first day of {}",
    "last_date": "latest day of {}",
    "minimum": "lowest value of {}",
    "maximum": "highest value of {}",
    "sum": "sum of values of {}",
    "any_null": "a value is missing in {}",
    "covered_days": "days covered by {}",
}


def in_words(node: nodes.Value | nodes.Window) -> str:
    """Write a value or window in words."""
    return _WORDS[type(node)](node)


def choice_in_words(basis: Episode) -> str | None:
    """Write which index events of a person are chosen; none where all are."""
    if basis.is_one_drawn:
        return "one of each person and period, drawn by a hash"
    if basis.days_apart is not None:
        return f"begun more than {basis.days_apart} days after the last day of the index before it"
    return None


def events_in_words(events: Events) -> str:
    """Write a set of events in words."""
    what = [f"[{name}]" for name in events.value_sets] + [f"{system} {code}" for system, code in events.codes]
    parts = [events.domain.replace("_", " "), " or ".join(what)]
    parts += [_test(one) for one in events.where]
    for one in events.companions:
        parts.append(f"{'together' if one.is_wanted else 'not together'} with {events_in_words(one.events)}")
    if events.window is not None:
        parts.append(f"{_TIMES[events.time]} in {in_words(events.window)}")
    if events.pick != "all":
        parts.append(f"({_PICKS[events.pick]})")
    parts += [f"if {_test(one)}" for one in events.matching]
    return " ".join(part for part in parts if part)


def _test(test: FieldTest) -> str:
    return f"with {test.field.replace('_', ' ')} {_OPERATORS[test.operator]} {_plain(test.value)}"


def _plain(value: nodes.Literals) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.isoformat() if isinstance(value, date) else str(value)


def _shift(node: nodes.Shift) -> str:
    parts = []
    for count, unit in ((node.months, "month"), (node.days, "day")):
        if count:
            shown, name = (abs(count) // 12, "year") if unit == "month" and count % 12 == 0 else (abs(count), unit)
            parts.append(f"{shown} {name}{'s' if shown > 1 else ''} {'after' if count > 0 else 'before'}")
    return f"{' and '.join(parts)} {in_words(node.day)}" if parts else in_words(node.day)


def _window(window: nodes.Window) -> str:
    for known, name in ((nodes.MP, "the period"), (nodes.INDEX, "the index event"), (ALL_DAYS, "all time")):
        if nodes.same_as(window, known):
            return name
    return f"the days from {in_words(window.first)} to {in_words(window.last)}"


def _field_of(whose: str, field: str) -> str:
    words = field.replace("_", " ")
    return f"{whose} {words}" if field.startswith("is_") else f"{whose}'s {words}"


def _compare(node: nodes.Compare) -> str:
    return f"{in_words(node.left)} {_OPERATORS[node.operator]} {in_words(node.right)}"


def _combine(node: nodes.Combine) -> str:
    parts = [in_words(one) for one in nodes.conjuncts(node, node.operator)]
    return "(" + f" {node.operator} ".join(parts) + ")"


def _aggregate(node: Aggregate) -> str:
    return _HOWS[node.how].format(events_in_words(node.events))


def _not(node: nodes.Not) -> str:
    inner = node.condition
    if isinstance(inner, Aggregate) and inner.how == "exists":
        return f"there is no {events_in_words(inner.events)}"
    return f"not ({in_words(inner)})"


def _ordered(node: nodes.OrderedRules) -> str:
    lines = [
        f"{number}. if {in_words(one.condition)}: {one.if_true}, else {one.if_false}"
        for number, one in enumerate(node.rules, start=1)
    ]
    return "rules in order: " + "; ".join(lines)


def _enrolled(node: nodes.Enrolled) -> str:
    gaps = f", with at most {node.gaps} gap of up to {node.gap_days} days" if node.gaps else ", without a gap"
    return f"enrolled through {in_words(node.window)}{gaps}"


_WORDS: dict[type, Callable[[Any], str]] = {
    nodes.Constant: lambda node: _plain(node.value),
    nodes.Anchor: lambda node: (
        f"the {'first' if node.side == 'start' else 'last'} day of the "
        f"{'index event' if node.of == 'index' else node.of}"
    ),
    nodes.Shift: _shift,
    nodes.Person: lambda node: _field_of("the person", node.field),
    nodes.IndexField: lambda node: _field_of("the index event", node.field),
    nodes.Age: lambda node: f"age on {in_words(node.at)}",
    nodes.DaysBetween: lambda node: f"days from {in_words(node.first)} to {in_words(node.last)}",
    nodes.Arithmetic: lambda node: f"({in_words(node.left)} {node.operator} {in_words(node.right)})",
    nodes.Compare: _compare,
    nodes.IsIn: lambda node: f"{in_words(node.value)} is one of {', '.join(map(_plain, node.choices))}",
    nodes.Combine: _combine,
    nodes.Not: _not,
    nodes.IsMissing: lambda node: f"{in_words(node.value)} is not known",
    nodes.Otherwise: lambda node: f"{in_words(node.value)} (taken as {in_words(node.default)} where not known)",
    nodes.Window: _window,
    nodes.Choose: lambda node: (
        f"({in_words(node.if_true)} if {in_words(node.condition)}, else {in_words(node.if_false)})"
    ),
    nodes.Enrolled: _enrolled,
    nodes.EnrolledDays: lambda node: f"days enrolled in {in_words(node.window)}",
    nodes.OrderedRules: _ordered,
    Aggregate: _aggregate,
}
