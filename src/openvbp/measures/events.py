"""Sets of events, many for each subject, and the values that are made of them.

A set of events is narrowed by codes, fields and time, and perhaps one is picked; it becomes a condition only by saying
what counts of it: ``exists``, ``count``, ``minimum`` ... Using it as a condition as it stands is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal, NoReturn

from openvbp.errors import Problem
from openvbp.measures.domains import Kind, code_systems, domains
from openvbp.measures.errors import GrainError, MeasureError
from openvbp.measures.values import INDEX, Anchor, IndexField, Literals, Operator, Value, Window, walk

TimeTest = Literal["starts_during", "ends_during", "during", "overlaps", "prevalent"]
"""``starts_during``/``ends_during``: first or last day inside; ``during``: both; ``overlaps``: some day inside;
``prevalent``: a condition that was present in the window (see :meth:`Events.prevalent`)."""
Pick = Literal["all", "first", "last", "last_day"]
How = Literal[
    "exists", "count", "days", "first_date", "last_date", "minimum", "maximum", "sum", "any_null", "covered_days"
]
_KINDS: dict[How, Kind] = {
    "exists": "boolean",
    "any_null": "boolean",
    "first_date": "date",
    "last_date": "date",
}


@dataclass(frozen=True)
class FieldTest:
    """A test of a field of events; a field without a value does not pass."""

    field: str
    operator: Operator
    value: Literals


@dataclass(frozen=True, eq=False)
class Companion:
    """Other events that must, or must not, share a day with an event."""

    events: Events
    is_wanted: bool


@dataclass(frozen=True, eq=False)
class Events:
    """Events of one kind, many for each subject."""

    domain: str
    value_sets: tuple[str, ...] = ()
    """Names of value sets, one of which must hold a code of the event; with ``codes`` none, any event."""
    codes: tuple[tuple[str, str], ...] = ()
    """Single codes, with their systems, that count too."""
    where: tuple[FieldTest, ...] = ()
    time: TimeTest = "starts_during"
    window: Window | None = None
    pick: Pick = "all"
    matching: tuple[FieldTest, ...] = ()
    """Tests of what was picked."""
    companions: tuple[Companion, ...] = ()

    def in_(self, *value_sets: str) -> Events:
        """Keep events with a code of one of the value sets."""
        return replace(self, value_sets=self.value_sets + value_sets)

    def with_code(self, system: str, *codes: str) -> Events:
        """Keep events with one of the codes."""
        if system not in domains()[self.domain].code_systems:
            what = "unknown code system" if system not in code_systems() else f"no code system of {self.domain}"
            known = ", ".join(domains()[self.domain].code_systems)
            raise MeasureError(Problem(f"{system}: {what}", self.domain, f"use one of {known}"))
        return replace(self, codes=self.codes + tuple((system, code) for code in codes))

    def having(self, field: str, operator: Operator, value: Literals) -> Events:
        """Keep events of which a field passes a test; after a pick, keep the picked one only if it does."""
        test = FieldTest(field, operator, value)
        _demand_field(self.domain, test)
        if self.pick == "all":
            return replace(self, where=(*self.where, test))
        return replace(self, matching=(*self.matching, test))

    def accompanied_by(self, others: Events) -> Events:
        """Keep events with a day on which one of others is there too, for example visits with a diagnosis.

        The others are narrowed by codes and fields alone; one of them without a last day goes on.
        """
        return self._accompanied(others, is_wanted=True)

    def not_accompanied_by(self, others: Events) -> Events:
        """Keep events without a day on which one of others is there."""
        return self._accompanied(others, is_wanted=False)

    def starting(self, window: Window) -> Events:
        """Keep events whose first day is in a window."""
        return self._timed("starts_during", window)

    def ending(self, window: Window) -> Events:
        """Keep events whose last day is in a window."""
        return self._timed("ends_during", window)

    def during(self, window: Window) -> Events:
        """Keep events that lie in a window whole."""
        return self._timed("during", window)

    def overlapping(self, window: Window) -> Events:
        """Keep events with a day in a window; one without a last day goes on."""
        return self._timed("overlaps", window)

    def prevalent(self, window: Window) -> Events:
        """Keep conditions that were present in a window.

        Confirmed or not refuted; begun by the window's end; and not ended before it. A condition without an end
        is taken to go on where its clinical status is active (active, recurrence, relapse); without that it must have
        begun in the window.

        Source: US Quality Core condition semantics as of the 2025 electronic specifications (``prevalenceInterval``).
        """
        if "clinical_status" not in domains()[self.domain].fields:
            raise MeasureError(Problem("only conditions are prevalent", self.domain, "use during or overlapping"))
        return self._timed("prevalent", window)

    def first(self) -> Events:
        """Pick the earliest event of each subject, by first day, then by event."""
        return replace(self, pick="first")

    def last(self) -> Events:
        """Pick the latest event of each subject."""
        return replace(self, pick="last")

    def last_day(self) -> Events:
        """Keep all events of the latest day on which there is one."""
        return replace(self, pick="last_day")

    def exists(self) -> Aggregate:
        """Whether there is one; never null."""
        return Aggregate(self, "exists")

    def is_missing(self) -> Value:
        """Whether there is none."""
        return ~self.exists()

    def count(self) -> Aggregate:
        """How many events; an event with several of the codes counts once."""
        return Aggregate(self, "count")

    def days(self) -> Aggregate:
        """On how many days one began."""
        return Aggregate(self, "days")

    def first_date(self) -> Aggregate:
        """First day of the earliest; null without one."""
        return Aggregate(self, "first_date")

    def last_date(self) -> Aggregate:
        """First day of the latest."""
        return Aggregate(self, "last_date")

    def minimum(self) -> Aggregate:
        """Smallest value."""
        return self._of_value("minimum")

    def maximum(self) -> Aggregate:
        """Largest value."""
        return self._of_value("maximum")

    def sum(self) -> Aggregate:
        """Sum of the values; zero without events."""
        return self._of_value("sum")

    def any_null(self) -> Aggregate:
        """Whether an event has no value; false without events."""
        return self._of_value("any_null")

    def covered_days(self) -> Aggregate:
        """Days of the window on which a drug was at hand.

        A supply that begins before the one before it of the same code is used up is taken after it; days of several
        codes count once. Supply left after the window's end, and from before its beginning, does not count.

        Source: the proportion of days covered as the Pharmacy Quality Alliance describes it (secondary descriptions).
        """
        if "days_supply" not in domains()[self.domain].fields or self.window is None:
            raise MeasureError(
                Problem(
                    "covered days need dispensings in a window", self.domain, "events.dispensing ... .starting(...)"
                )
            )
        return Aggregate(self, "covered_days")

    def _accompanied(self, others: Events, *, is_wanted: bool) -> Events:
        if not isinstance(others, Events) or others.window or others.pick != "all" or others.companions:
            what = "companions are narrowed by more than codes and fields"
            raise MeasureError(
                Problem(what, self.domain, "their days are those of the event: give no window and no pick")
            )
        if self.pick != "all":
            raise MeasureError(Problem("companions are asked for after a pick", self.domain, "pick afterwards"))
        return replace(self, companions=(*self.companions, Companion(others, is_wanted)))

    def _of_value(self, how: How) -> Aggregate:
        if "value" not in domains()[self.domain].fields:
            raise MeasureError(Problem(f"events of kind {self.domain} have no value", how, "count them instead"))
        return Aggregate(self, how)

    def _timed(self, time: TimeTest, window: Window) -> Events:
        if not isinstance(window, Window):
            raise MeasureError(Problem("a time test needs a window", time, "give Window(first, last) or MP"))
        if self.window is not None:
            raise MeasureError(Problem("events are given two windows", self.domain, "give one window"))
        return replace(self, time=time, window=window)

    def _refuse(self, *_other: object) -> NoReturn:
        raise GrainError(
            Problem(
                "many events stand where one value for each subject is needed",
                self.domain,
                "say what counts of them: exists(), count(), minimum(), first_date() ...",
            )
        )

    __and__ = __or__ = __rand__ = __ror__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __eq__ = __ne__ = __invert__ = __bool__ = _refuse  # type: ignore[assignment]
    __hash__ = object.__hash__


@dataclass(frozen=True, eq=False)
class Aggregate(Value):
    """What counts of events: one value for each subject."""

    events: Events
    how: How

    def _kind(self) -> Kind:
        return _KINDS.get(self.how, "number")


def uses_index(node: object) -> bool:
    """Whether a definition speaks of an index event, so that only a measure on episodes can use it."""
    return any(isinstance(one, IndexField) or (isinstance(one, Anchor) and one.of == "index") for one in walk(node))


def value_sets_needed(node: object) -> dict[str, tuple[str, ...]]:
    """Value sets that a node of a definition needs, and the code systems that their codes may have.

    Besides those that it names, they are those that fields of events follow from.
    """
    found: dict[str, tuple[str, ...]] = {}
    if isinstance(node, Events):
        domain = domains()[node.domain]
        found |= dict.fromkeys(node.value_sets, domain.code_systems)
        for test in node.where + node.matching:
            found |= domain.from_value_sets.get(test.field, {})
    elif isinstance(node, IndexField):
        for domain in domains().values():
            found |= domain.from_value_sets.get(node.field, {})
    return found


def index_field(name: str) -> IndexField:
    """A field of the index event; all indices are events of one kind, and fields have one kind everywhere."""
    kinds = {domain.fields[name] for domain in domains().values() if name in domain.fields}
    if not kinds:
        raise MeasureError(
            Problem(f"no event has a field {name}", "index_field", "openvbp measures kinds lists the fields")
        )
    return IndexField(name, kinds.pop())


def _demand_field(domain: str, test: FieldTest) -> None:
    known = domains()[domain].fields
    if test.field not in known:
        names = ", ".join(known) or "it has none"
        raise MeasureError(Problem(f"events of kind {domain} have no field {test.field}", domain, f"fields: {names}"))
    if isinstance(test.value, float):
        raise MeasureError(Problem(f"{test.value} is a binary float", domain, f'write Decimal("{test.value}")'))
    given: dict[type, Kind] = {bool: "boolean", str: "text", int: "number", Decimal: "number"}
    if given.get(type(test.value)) != known[test.field]:
        what = f"{test.field} is a {known[test.field]} and is tested against {test.value!r}"
        raise MeasureError(Problem(what, domain, "test it against a value of its kind"))


condition = Events("condition")
procedure = Events("procedure")
laboratory = Events("laboratory")
dispensing = Events("dispensing")
immunization = Events("immunization")
encounter = Events("encounter")
stay = Events("stay")
claim_line = Events("claim_line")
survey_answer = Events("survey_answer")

__all__ = [
    "INDEX",
    "Aggregate",
    "Companion",
    "Events",
    "FieldTest",
    "claim_line",
    "condition",
    "dispensing",
    "encounter",
    "immunization",
    "index_field",
    "laboratory",
    "procedure",
    "stay",
    "survey_answer",
    "uses_index",
]
