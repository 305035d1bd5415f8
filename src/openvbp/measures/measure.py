"""A measure: populations in their standard order, how it is scored, and who answers for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from openvbp.errors import Problem
from openvbp.measures.errors import GrainError, MeasureError
from openvbp.measures.events import Events, uses_index, value_sets_needed
from openvbp.measures.values import Constant, Not, OrderedRules, Value, conjuncts, identity, walk

Direction = Literal["higher_is_better", "lower_is_better"]
Scoring = Literal["proportion", "ratio", "continuous", "cohort"]
Role = Literal[
    "initial_population",
    "denominator",
    "denominator_exclusion",
    "numerator",
    "numerator_exclusion",
    "denominator_exception",
    "numerator_value",
    "denominator_value",
]
ROLES: tuple[Role, ...] = (
    "initial_population",
    "denominator",
    "denominator_exclusion",
    "numerator",
    "numerator_exclusion",
    "denominator_exception",
)
"""Populations in the order in which they are gone through."""
_DEFAULTS: Mapping[Role, Constant] = {
    "initial_population": Constant(True),  # noqa: FBT003
    "denominator": Constant(True),  # noqa: FBT003
    "denominator_exclusion": Constant(False),  # noqa: FBT003
    "numerator": Constant(False),  # noqa: FBT003
    "numerator_exclusion": Constant(False),  # noqa: FBT003
    "denominator_exception": Constant(False),  # noqa: FBT003
}


@dataclass(frozen=True)
class Patient:
    """One row for each person and period."""


@dataclass(frozen=True)
class Episode:
    """One row for each index event.

    The two rules below choose among the index events that are in the denominator and not excluded; the others of them
    become excluded. Events that are not evaluable neither are chosen nor keep others out.
    """

    index: Events
    days_apart: int | None = None
    """An index that begins within so many days of the last day of the one before it is none."""
    is_one_drawn: bool = False
    """Whether one index of each person and period is drawn, by a hash of measure and event: the same in every run."""

    def __post_init__(self) -> None:
        where = "Episode"
        if self.days_apart is not None and (self.days_apart < 1 or self.is_one_drawn):
            raise MeasureError(
                Problem("index events are both drawn and kept apart, or by less than a day", where, "choose one rule")
            )
        if not isinstance(self.index, Events):
            raise GrainError(Problem("an episode needs events as its index", where, "give events.stay.ending(MP) ..."))
        if self.index.window is None:
            raise MeasureError(
                Problem("index events have no window", where, "say in which days they count: .ending(MP)")
            )
        if uses_index(self.index.window):
            raise GrainError(Problem("index events are timed by themselves", where, "time them by the period (MP)"))


Basis = Patient | Episode
PATIENT = Patient()


@dataclass(frozen=True)
class Governance:
    """Who answers for a measure; every part is demanded of the measures shipped."""

    title: str
    why: str
    """Why it matters, in a sentence."""
    steward: str
    licence: str
    cite: str
    authored_by: str
    checked_by: str
    next_review: str
    changes: tuple[str, ...]
    unverified: str | None = None
    """What of the definition has not been read in its source."""


@dataclass(frozen=True)
class Measure:
    """A measure as it is defined for a version.

    Attributes
    ----------
    initial_population, denominator, denominator_exclusion, numerator, numerator_exclusion, denominator_exception
        Conditions, in this order: each looks only at subjects whom those before it have let through. Exceptions are
        asked only of those who are not in the numerator.
    numerator_value, denominator_value
        Numbers that are added up: over the population for ``ratio``, ``numerator_value`` alone for ``continuous``.
    scale
        What a ratio or mean is multiplied by, so that events per enrolled day read as events per 1,000 person-years.
    strata
        Groups by which results are given too: name and value.
    """

    id: str
    version: str
    direction: Direction
    basis: Basis = PATIENT
    scoring: Scoring = "proportion"
    initial_population: Value = _DEFAULTS["initial_population"]
    denominator: Value = _DEFAULTS["denominator"]
    denominator_exclusion: Value = _DEFAULTS["denominator_exclusion"]
    numerator: Value = _DEFAULTS["numerator"]
    numerator_exclusion: Value = _DEFAULTS["numerator_exclusion"]
    denominator_exception: Value = _DEFAULTS["denominator_exception"]
    numerator_value: Value | None = None
    denominator_value: Value | None = None
    scale: int = 1
    strata: tuple[tuple[str, Value], ...] = ()
    governance: Governance | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.direction not in ("higher_is_better", "lower_is_better"):
            what = f"the direction is {self.direction!r}" if self.direction else "it has no direction"
            self._fail(what, "say higher_is_better or lower_is_better")
        if not self.id or not self.version:
            self._fail("it lacks an id or a version", "give both: results are never joined on an id alone")
        for role in ROLES:
            condition = getattr(self, role)
            if not isinstance(condition, Value):
                raise GrainError(
                    Problem(
                        f"the {role} is no condition", self.id, "say what counts of the events: exists(), count() ..."
                    )
                )
            if condition.kind != "boolean":
                self._fail(f"the {role} is a {condition.kind}, not a condition", "compare it")
        self._check_scoring()
        if self.scoring == "proportion":
            self._check_numerator()
        if isinstance(self.basis, Patient):
            for name, value in self.values():
                if uses_index(value):
                    what = f"{name} speaks of an index event, but the measure is on persons"
                    raise GrainError(Problem(what, self.id, "give basis=Episode(...), or time it by the period (MP)"))

    def _check_scoring(self) -> None:
        numbers = {"numerator_value": self.numerator_value, "denominator_value": self.denominator_value}
        needed = {"ratio": {"numerator_value", "denominator_value"}, "continuous": {"numerator_value"}}
        given = {name for name, value in numbers.items() if value is not None}
        wanted = needed.get(self.scoring, set())
        if given != wanted:
            self._fail(f"scored as a {self.scoring} it needs {sorted(wanted) or 'no values'}", "give just these values")
        for name, value in numbers.items():
            if value is not None and (not isinstance(value, Value) or value.kind != "number"):
                self._fail(f"the {name} is no number", "give a number, for example a sum or count of events")
        if self.scale != 1 and self.scoring not in ("ratio", "continuous"):
            self._fail("only ratios and means have a scale", "leave it out")
        if self.scoring == "proportion" and self.numerator is _DEFAULTS["numerator"]:
            self._fail("a proportion has no numerator", "give a numerator")

    def _check_numerator(self) -> None:
        """Refuse a numerator that nobody in the denominator can be in, as far as the clauses themselves say so."""
        inside = {identity(one) for one in (*conjuncts(self.initial_population), *conjuncts(self.denominator))}
        excluded = {identity(one) for one in conjuncts(self.denominator_exclusion, "or")}
        for clause in conjuncts(self.numerator):
            is_outside = isinstance(clause, Not) and identity(clause.condition) in inside
            if is_outside or identity(clause) in excluded or identity(~clause) in inside:
                self._fail("the numerator lies outside the denominator", "nobody can be in it: correct its clauses")

    def _fail(self, what: str, what_to_do: str) -> None:
        raise MeasureError(Problem(what, self.id or "a measure without id", what_to_do))

    def values(self) -> list[tuple[str, Value]]:
        """Populations, values and strata that it states, by name."""
        stated: list[tuple[str, Value]] = [
            (role, getattr(self, role)) for role in ROLES if getattr(self, role) is not _DEFAULTS[role]
        ]
        for name in ("numerator_value", "denominator_value"):
            value = getattr(self, name)
            if value is not None:
                stated.append((name, value))
        return [*stated, *((f"stratum {name}", value) for name, value in self.strata)]

    def nodes(self) -> Iterable[object]:
        """All nodes of its definition, those of its index too."""
        if isinstance(self.basis, Episode):
            yield from walk(self.basis.index)
        for _name, value in self.values():
            yield from walk(value)

    def value_sets(self) -> frozenset[str]:
        """Names of the value sets that it needs."""
        return frozenset(name for node in self.nodes() for name in value_sets_needed(node))

    def kinds_of_events(self) -> frozenset[str]:
        """Kinds of events that it looks at."""
        return frozenset(node.domain for node in self.nodes() if isinstance(node, Events))

    def ordered_rules(self) -> list[OrderedRules]:
        """Its lists of ordered rules."""
        return [node for node in self.nodes() if isinstance(node, OrderedRules)]

    @property
    def key(self) -> str:
        """Id and version, by which results are joined."""
        return f"{self.id}@{self.version}"


@dataclass(frozen=True)
class Composite:
    """A measure made of others."""

    id: str
    version: str
    direction: Direction
    how: Literal["all_or_none", "opportunity", "linear"]
    """``all_or_none``: subjects who meet every component that they are eligible for; ``opportunity``: chances taken of
    all chances; ``linear``: weighted mean of the components' rates."""
    components: tuple[str, ...]
    weights: tuple[Decimal, ...] = ()
    governance: Governance | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.direction not in ("higher_is_better", "lower_is_better"):
            raise MeasureError(Problem("it has no direction", self.id, "say higher_is_better or lower_is_better"))
        if not self.components:
            raise MeasureError(Problem("a composite has no components", self.id, "name the measures it is made of"))
        if (self.how == "linear") != bool(self.weights) or len(self.weights) not in (0, len(self.components)):
            what = "a linear composite needs a weight for each component, others need none"
            raise MeasureError(Problem(what, self.id, "give as many weights as components"))

    @property
    def key(self) -> str:
        """Id and version, by which results are joined."""
        return f"{self.id}@{self.version}"


def check_together(measures: Iterable[Measure | Composite]) -> None:
    """Demand that measures can be evaluated in one run.

    Raises
    ------
    MeasureError
        If two have one id, a component is not there or points in another direction, or composites go round in a circle.
    """
    found: dict[str, Measure | Composite] = {}
    problems = []
    for one in measures:
        if one.id in found:
            versions = f"versions {found[one.id].version} and {one.version}"
            problems.append(Problem(f"{one.id} is given twice, {versions}", one.id, "choose one version for a run"))
        found[one.id] = one
    for one in found.values():
        if isinstance(one, Composite):
            problems += _component_problems(one, found)
    if problems:
        raise MeasureError(problems)


def _component_problems(composite: Composite, found: Mapping[str, Measure | Composite]) -> list[Problem]:
    problems = []
    for name in composite.components:
        component = found.get(name)
        if component is None:
            problems.append(Problem(f"component {name} is not among the measures", composite.id, "add it to the run"))
        elif component.direction != composite.direction:
            what = f"component {name} is {component.direction.replace('_', ' ')}, the composite is not"
            problems.append(Problem(what, composite.id, "use the component in the same direction"))
        elif isinstance(component, Measure) and component.scoring != "proportion":
            problems.append(Problem(f"component {name} is no proportion", composite.id, "leave it out"))
    path = [composite.id]
    if _goes_round(composite, found, path):
        circle = " -> ".join(path)
        problems.append(Problem(f"composites go round in a circle: {circle}", composite.id, "take one of them out"))
    return problems


def _goes_round(composite: Composite, found: Mapping[str, Measure | Composite], path: list[str]) -> bool:
    for name in composite.components:
        component = found.get(name)
        if isinstance(component, Composite):
            path.append(name)
            if path.count(name) > 1 or _goes_round(component, found, path):
                return True
            path.pop()
    return False
