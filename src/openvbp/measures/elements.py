"""What the measures of a run ask of the events, gathered so that all of it is read at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from openvbp.measures.domains import domains
from openvbp.measures.events import Aggregate, Events, FieldTest, How
from openvbp.measures.measure import Episode, Measure
from openvbp.measures.value_sets import ValueSet
from openvbp.measures.values import (
    Anchor,
    Constant,
    Enrolled,
    EnrolledDays,
    Shift,
    Value,
    Window,
    identity,
    walk,
)


@dataclass(frozen=True)
class Selector:
    """Which codes of a kind of events are looked for; with none, all its events."""

    domain: str
    value_sets: tuple[str, ...]
    codes: tuple[tuple[str, str], ...]

    @property
    def takes_all(self) -> bool:
        """Whether codes do not matter."""
        return not self.value_sets and not self.codes

    def listed(self, sets: Mapping[str, ValueSet]) -> frozenset[tuple[str, str]]:
        """Codes that it looks for, with their systems."""
        some = frozenset(self.codes)
        for name in self.value_sets:
            some |= sets[name].codes
        return frozenset(one for one in some if one[0] in domains()[self.domain].code_systems)


def selector_of(events: Events) -> Selector:
    """The codes that events are selected by."""
    return Selector(events.domain, tuple(sorted(events.value_sets)), tuple(sorted(events.codes)))


def events_identity(events: Events) -> Any:
    """What tells sets of events apart, the order of their value sets left aside."""
    selector = selector_of(events)
    companions = identity(events.companions)
    return selector, events.where, events.time, identity(events.window), events.pick, events.matching, companions


@dataclass
class Element:
    """Events asked for, in a form that rows are matched to; several aggregates may be asked of them."""

    number: int
    events: Events
    selector: int
    window: int
    hows: set[How] = field(default_factory=set)
    indices: set[int] = field(default_factory=set)
    """Elements that are the index of a measure which asks for this one."""


ALL_DAYS = Window(Constant(date(1800, 1, 1)), Constant(date(2999, 12, 31)))
"""The window of events that are given none."""


@dataclass
class Elements:
    """Everything that measures on persons, or all measures on episodes, ask for: each once, numbered."""

    is_on_episodes: bool
    selectors: list[Selector]
    """Shared by all groups of a run: rows of events are matched to them once."""
    windows: list[Window] = field(default_factory=list)
    tests: list[tuple[FieldTest, ...]] = field(default_factory=list)
    elements: list[Element] = field(default_factory=list)
    enrolled: list[Enrolled | EnrolledDays] = field(default_factory=list)
    _known: dict[Any, int] = field(default_factory=dict)

    def add(self, measure: Measure) -> None:
        """Gather what a measure asks for."""
        index = self.index_of(measure)
        for _name, value in measure.values():
            for node in walk(value):
                if isinstance(node, Aggregate):
                    element = self.element(node.events)
                    element.hows.update({node.how, "exists"} if node.how == "sum" else {node.how})
                    if index is not None:
                        element.indices.add(index.number)
                elif isinstance(node, Enrolled | EnrolledDays):
                    self._number(identity(node), node, self.enrolled)

    def index_of(self, measure: Measure) -> Element | None:
        """The element that is a measure's index; none where its subjects are persons."""
        return self.element(measure.basis.index) if isinstance(measure.basis, Episode) else None

    def element(self, events: Events) -> Element:
        """Give the element of events, made if it is new."""
        key = "element", events_identity(events)
        if key not in self._known:
            number = self.selector(events)
            days = events.window or ALL_DAYS
            window = self._number(("window", identity(days)), days, self.windows)
            companions = [one.events for one in events.companions]
            for one in companions:
                self.selector(one)
            for tests in (events.where, events.matching, *(one.where for one in companions)):
                if tests:
                    self._number(("tests", tests), tests, self.tests)
            self._known[key] = len(self.elements)
            self.elements.append(Element(len(self.elements), events, number, window))
        return self.elements[self._known[key]]

    def selector(self, events: Events) -> int:
        """Number of the codes that events are selected by, made if they are new."""
        selector = selector_of(events)
        if selector not in self.selectors:
            self.selectors.append(selector)
        return self.selectors.index(selector)

    def test(self, tests: tuple[FieldTest, ...]) -> int | None:
        """Number of a group of tests of fields."""
        return self._known[("tests", tests)] if tests else None

    def enrolled_number(self, node: Enrolled | EnrolledDays) -> int:
        """Number of a demand of enrolment."""
        return self._known[identity(node)]

    def stages(self) -> list[list[Element]]:
        """Elements in an order in which each comes after those that its window is made of."""
        depths: dict[int, int] = {}

        def depth(element: Element) -> int:
            if element.number not in depths:
                inner = [self.element(one.events) for one in aggregates_in(element.events.window)]
                depths[element.number] = 1 + max((depth(one) for one in inner), default=-1)
            return depths[element.number]

        found: list[list[Element]] = []
        for element in list(self.elements):
            place = depth(element)
            found.extend([] for _ in range(place + 1 - len(found)))
            found[place].append(element)
        return found

    def _number(self, key: Any, value: Any, known: list[Any]) -> int:
        if key not in self._known:
            self._known[key] = len(known)
            known.append(value)
        return self._known[key]


def aggregates_in(node: Window | Value | None) -> list[Aggregate]:
    """Aggregates that a window or value is made of."""
    return [] if node is None else [one for one in walk(node) if isinstance(one, Aggregate)]


def is_of_period(window: Window) -> bool:
    """Whether a window's days follow from the period alone."""
    inner = [node for node in walk(window) if isinstance(node, Value)]
    return all(isinstance(one, Shift | Constant) or (isinstance(one, Anchor) and one.of == "period") for one in inner)


def gather(measures: Iterable[Measure]) -> list[tuple[Elements, list[Measure]]]:
    """Part measures on persons from those on episodes and gather what either asks for; they share their selectors."""
    groups: dict[bool, tuple[Elements, list[Measure]]] = {}
    selectors: list[Selector] = []
    for measure in measures:
        is_on_episodes = isinstance(measure.basis, Episode)
        if is_on_episodes not in groups:
            groups[is_on_episodes] = Elements(is_on_episodes, selectors), []
        groups[is_on_episodes][0].add(measure)
        groups[is_on_episodes][1].append(measure)
    return list(groups.values())
