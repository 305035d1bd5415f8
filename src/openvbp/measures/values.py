"""One value for each subject of a measure: the nodes that conditions are combined from.

The set of nodes is closed and each is immutable: a definition can be read, compared and evaluated by anything that
knows them (:mod:`openvbp.measures.plan` on tables, :mod:`openvbp.measures.interpreter` row by row).

Booleans have three values. Null means *not evaluable*; it is never false by itself. ``otherwise`` says what it stands
for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from openvbp.errors import Problem
from openvbp.measures.dates import months_and_days
from openvbp.measures.domains import Kind
from openvbp.measures.errors import GrainError, MeasureError

PERSON_FIELDS: dict[str, Kind] = {
    "birth_date": "date",
    "death_date": "date",
    "gender": "text",
    "race": "text",
    "is_dual": "boolean",
    "is_rural": "boolean",
    "area_deprivation_index": "number",
}
"""What is known of a person, as it was last known in the period."""
Operator = Literal["==", "!=", "<", "<=", ">", ">="]
Literals = bool | int | Decimal | str | date


@dataclass(frozen=True)
class Value:
    """One value for each subject: a person, or an index event. Compare, combine and negate with operators."""

    @property
    def kind(self) -> Kind:
        """Whether it is a boolean, a number, a date or a text."""
        return self._kind()

    def _kind(self) -> Kind:
        raise NotImplementedError

    # The usual meaning of == gives way to building a comparison; equality of definitions is `same_as`.
    def __eq__(self, other: object) -> Any:
        return Compare("==", self, as_value(other))

    def __ne__(self, other: object) -> Any:
        return Compare("!=", self, as_value(other))

    def __hash__(self) -> int:
        return hash(identity(self))

    def __lt__(self, other: object) -> Compare:
        return Compare("<", self, as_value(other))

    def __le__(self, other: object) -> Compare:
        return Compare("<=", self, as_value(other))

    def __gt__(self, other: object) -> Compare:
        return Compare(">", self, as_value(other))

    def __ge__(self, other: object) -> Compare:
        return Compare(">=", self, as_value(other))

    def __and__(self, other: object) -> Combine:
        return Combine("and", self, as_value(other))

    def __or__(self, other: object) -> Combine:
        return Combine("or", self, as_value(other))

    def __invert__(self) -> Not:
        return Not(self)

    def __add__(self, other: object) -> Arithmetic:
        return Arithmetic("+", self, as_value(other))

    def __sub__(self, other: object) -> Arithmetic:
        return Arithmetic("-", self, as_value(other))

    def __mul__(self, other: object) -> Arithmetic:
        return Arithmetic("*", self, as_value(other))

    def __bool__(self) -> bool:
        raise MeasureError(
            Problem("a condition was used as true or false", "measure", "combine with & | ~, not with and, or, not, in")
        )

    def between(self, low: object, high: object) -> Combine:
        """Whether the value is at least ``low`` and at most ``high``."""
        return (self >= low) & (self <= high)

    def is_in(self, *choices: Literals) -> IsIn:
        """Whether the value is one of several."""
        return IsIn(self, choices)

    def is_missing(self) -> IsMissing:
        """Whether there is no value; itself never null."""
        return IsMissing(self)

    def otherwise(self, default: Literals) -> Otherwise:
        """Take a value where there is none."""
        return Otherwise(self, Constant(default))

    def plus(self, duration: str) -> Shift:
        """Move a day later, for example by ``30d`` or ``1y``."""
        return Shift(self, *months_and_days(duration))

    def minus(self, duration: str) -> Shift:
        """Move a day earlier."""
        months, days = months_and_days(duration)
        return Shift(self, -months, -days)


def identity(node: object) -> Any:
    """Give what tells definitions apart, as nested tuples that can be compared and hashed."""
    if isinstance(node, tuple):
        return tuple(identity(one) for one in node)
    if hasattr(node, "__dataclass_fields__"):
        inner = (identity(getattr(node, one.name)) for one in fields(node))  # type: ignore[arg-type]
        return type(node).__name__, *inner
    return type(node).__name__, node


def same_as(one: object, other: object) -> bool:
    """Whether two definitions are the same, node by node."""
    return bool(identity(one) == identity(other))


def children(node: object) -> Iterator[Any]:
    """Nodes directly inside a node."""
    for one in fields(node):  # type: ignore[arg-type]
        inner = getattr(node, one.name)
        for part in inner if isinstance(inner, tuple) else (inner,):
            if hasattr(part, "__dataclass_fields__"):
                yield part


def walk(node: object) -> Iterator[Any]:
    """A node and all nodes inside it, the outer ones first."""
    yield node
    for one in children(node):
        yield from walk(one)


def _demand(value: object, *kinds: Kind, where: str) -> None:
    if not isinstance(value, Value):
        raise GrainError(
            Problem(
                "many events stand where one value for each subject is needed",
                where,
                "say what counts of them: exists(), count(), minimum(), first_date() ...",
            )
        )
    if value.kind not in kinds:
        raise MeasureError(
            Problem(f"a {value.kind} stands where a {' or '.join(kinds)} is needed", where, "compare it first")
        )


@dataclass(frozen=True, eq=False)
class Constant(Value):
    """A value that is the same for all."""

    value: Literals

    def _kind(self) -> Kind:
        if isinstance(self.value, bool):
            return "boolean"
        if isinstance(self.value, date):
            return "date"
        return "text" if isinstance(self.value, str) else "number"


def as_value(given: object) -> Value:
    """Take a value as it is, and a plain number, text or day as a literal.

    Raises
    ------
    GrainError
        If it is a set of events.
    MeasureError
        If it is a binary float: a rule's numbers are exact.
    """
    if isinstance(given, Value):
        return given
    if isinstance(given, float):
        raise MeasureError(Problem(f"{given} is a binary float", "measure", f'write Decimal("{given}")'))
    if isinstance(given, bool | int | Decimal | str | date):
        return Constant(given)
    _demand(given, "boolean", where=type(given).__name__)
    raise MeasureError(Problem(f"{type(given).__name__} is no value", "measure", "give a number, text, day or value"))


@dataclass(frozen=True, eq=False)
class Anchor(Value):
    """First or last day of the measurement period or of the index event, or the last day of the data."""

    of: Literal["period", "index", "data"]
    side: Literal["start", "end"]

    def _kind(self) -> Kind:
        return "date"


@dataclass(frozen=True, eq=False)
class Shift(Value):
    """A day moved by months, then by days."""

    day: Value
    months: int
    days: int

    def __post_init__(self) -> None:
        _demand(self.day, "date", where="plus or minus a duration")

    def _kind(self) -> Kind:
        return "date"


@dataclass(frozen=True, eq=False)
class Person(Value):
    """Something known of the person."""

    field: str

    def __post_init__(self) -> None:
        if self.field not in PERSON_FIELDS:
            known = ", ".join(PERSON_FIELDS)
            raise MeasureError(Problem(f"nothing is known of a person's {self.field}", "Person", f"use one of {known}"))

    def _kind(self) -> Kind:
        return PERSON_FIELDS[self.field]


@dataclass(frozen=True, eq=False)
class IndexField(Value):
    """A field of the index event of a measure on episodes."""

    field: str
    field_kind: Kind

    def _kind(self) -> Kind:
        return self.field_kind


@dataclass(frozen=True, eq=False)
class Age(Value):
    """Completed years on a day; the birthday itself completes the year."""

    at: Value

    def __post_init__(self) -> None:
        _demand(self.at, "date", where="age at")

    def _kind(self) -> Kind:
        return "number"


@dataclass(frozen=True, eq=False)
class DaysBetween(Value):
    """Days from one day to another: 0 on the same day."""

    first: Value
    last: Value

    def __post_init__(self) -> None:
        for one in (self.first, self.last):
            _demand(one, "date", where="days between")

    def _kind(self) -> Kind:
        return "number"


@dataclass(frozen=True, eq=False)
class Arithmetic(Value):
    """Sum, difference or product of numbers."""

    operator: Literal["+", "-", "*"]
    left: Value
    right: Value

    def __post_init__(self) -> None:
        for one in (self.left, self.right):
            _demand(one, "number", where=self.operator)

    def _kind(self) -> Kind:
        return "number"


@dataclass(frozen=True, eq=False)
class Compare(Value):
    """A comparison; null where either side is."""

    operator: Operator
    left: Value
    right: Value

    def __post_init__(self) -> None:
        for one in (self.left, self.right):
            _demand(one, "number", "date", "text", "boolean", where=self.operator)
        if self.left.kind != self.right.kind:
            what = f"a {self.left.kind} is compared with a {self.right.kind}"
            raise MeasureError(Problem(what, self.operator, "compare values of one kind"))

    def _kind(self) -> Kind:
        return "boolean"


@dataclass(frozen=True, eq=False)
class IsIn(Value):
    """Whether a value is one of several; null where there is none."""

    value: Value
    choices: tuple[Literals, ...]

    def __post_init__(self) -> None:
        _demand(self.value, "number", "text", where="is_in")

    def _kind(self) -> Kind:
        return "boolean"


@dataclass(frozen=True, eq=False)
class Combine(Value):
    """Both, or either: false and null is false, true or null is true, else null spreads."""

    operator: Literal["and", "or"]
    left: Value
    right: Value

    def __post_init__(self) -> None:
        for one in (self.left, self.right):
            _demand(one, "boolean", where=self.operator)

    def _kind(self) -> Kind:
        return "boolean"


@dataclass(frozen=True, eq=False)
class Not(Value):
    """The opposite; null stays null."""

    condition: Value

    def __post_init__(self) -> None:
        _demand(self.condition, "boolean", where="not")

    def _kind(self) -> Kind:
        return "boolean"


@dataclass(frozen=True, eq=False)
class IsMissing(Value):
    """Whether there is no value."""

    value: Value

    def __post_init__(self) -> None:
        _demand(self.value, "number", "date", "text", "boolean", where="is_missing")

    def _kind(self) -> Kind:
        return "boolean"


@dataclass(frozen=True, eq=False)
class Otherwise(Value):
    """A value, or another where there is none."""

    value: Value
    default: Value

    def __post_init__(self) -> None:
        if self.value.kind != self.default.kind:
            what = f"a {self.default.kind} stands in for a {self.value.kind}"
            raise MeasureError(Problem(what, "otherwise", "give a value of the same kind"))

    def _kind(self) -> Kind:
        return self.value.kind


@dataclass(frozen=True, eq=False)
class Choose(Value):
    """One number where a condition holds, another where it does not; null where the condition is."""

    condition: Value
    if_true: Value
    if_false: Value

    def __post_init__(self) -> None:
        _demand(self.condition, "boolean", where="choose")
        for one in (self.if_true, self.if_false):
            _demand(one, "number", where="choose")

    def _kind(self) -> Kind:
        return "number"


def choose(condition: Value, if_true: object, if_false: object) -> Choose:
    """Take one number where a condition holds, another where it does not."""
    return Choose(condition, as_value(if_true), as_value(if_false))


@dataclass(frozen=True, eq=False)
class Window:
    """Days from a first to a last one, both included."""

    first: Value
    last: Value

    def __post_init__(self) -> None:
        for one, side in ((self.first, "begin"), (self.last, "end")):
            if one is None:
                raise MeasureError(
                    Problem(f"a window has no {side}", "window", "give both days, for example MP.end or index.end")
                )
            _demand(one, "date", where="window")

    @property
    def start(self) -> Value:
        """Its first day."""
        return self.first

    @property
    def end(self) -> Value:
        """Its last day."""
        return self.last

    def with_look_back(self, duration: str) -> Window:
        """The window, begun earlier by a duration."""
        return Window(self.first.minus(duration), self.last)


@dataclass(frozen=True, eq=False)
class Enrolled(Value):
    """Whether the person was enrolled on all days of a window but for some gaps.

    Counted are gaps of at least one day, also at the ends of the window.
    """

    window: Window
    gap_days: int = 0
    """Longest gap allowed, in days."""
    gaps: int = 0
    """Gaps allowed."""

    def _kind(self) -> Kind:
        return "boolean"


@dataclass(frozen=True, eq=False)
class EnrolledDays(Value):
    """Days of a window on which the person was enrolled; null where that, or an end of the window, is not known."""

    window: Window

    def _kind(self) -> Kind:
        return "number"


@dataclass(frozen=True, eq=False)
class OrderedRules(Value):
    """Rules gone through in order until one selects or rejects; who passes all is selected. Never null.

    A condition that is null counts as false, as in the business rules of the Quality and Outcomes Framework.
    """

    rules: tuple[OrderedRule, ...]

    def _kind(self) -> Kind:
        return "boolean"


Action = Literal["select", "reject", "next"]


@dataclass(frozen=True, eq=False)
class OrderedRule:
    """A rule: what happens if its condition is true, and if it is not."""

    condition: Value
    if_true: Action
    if_false: Action

    def __post_init__(self) -> None:
        _demand(self.condition, "boolean", where="ordered rule")


def ordered(*rules: tuple[Value, Action, Action]) -> OrderedRules:
    """Write rules that are gone through in order: condition, action if true, action if not."""
    return OrderedRules(tuple(OrderedRule(*one) for one in rules))


def all_of(conditions: Iterable[Value]) -> Value:
    """Combine conditions that must all hold."""
    found = list(conditions)
    joined = found[0]
    for one in found[1:]:
        joined = joined & one
    return joined


def any_of(conditions: Iterable[Value]) -> Value:
    """Combine conditions of which one must hold."""
    found = list(conditions)
    joined = found[0]
    for one in found[1:]:
        joined = joined | one
    return joined


def conjuncts(node: Value, operator: str = "and") -> list[Value]:
    """Parts of a condition that are joined by one operator at its top."""
    if isinstance(node, Combine) and node.operator == operator:
        return conjuncts(node.left, operator) + conjuncts(node.right, operator)
    return [node]


MP = Window(Anchor("period", "start"), Anchor("period", "end"))
"""The measurement period."""
INDEX = Window(Anchor("index", "start"), Anchor("index", "end"))
"""The index event of a measure on episodes."""


DATA_END = Anchor("data", "end")
"""Last day of which the data tell; null where that is not known."""


def look_back(duration: str, before: Window = INDEX) -> Window:
    """The days before a window's first one: with ``365d``, the 365 days that end on the eve."""
    return Window(before.first.minus(duration), before.first.minus("1d"))


def follow_up(after: str, through: str, of: Window = INDEX) -> Window:
    """Days after a window's last one: ``0d`` is that day itself."""
    return Window(of.last.plus(after), of.last.plus(through))
