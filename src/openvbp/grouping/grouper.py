"""What a grouper is: codes in groups, which diagnoses count, which group drops another, and indices of weights."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from openvbp.errors import InputDataError, Problem

PresentRule = Literal["any", "present", "absent"]
"""Whether a diagnosis counts whatever its indicator says, only if present on admission, or only if not."""
Positions = Literal["all", "secondary", "principal"]
"""Which diagnoses count; the principal one has position 1."""
Screen = Literal["drg", "principal"]
CODE_SYSTEMS = ("icd-10-cm", "icd-9-cm")
PREFIX_MARK = "*"
"""Ends a code that stands for all codes that begin so."""
RESERVED = frozenset({"subject_id", "person_id", "diagnosis_count", "group_count"})
_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)


@dataclass(frozen=True)
class Group:
    """A list of codes."""

    name: str
    label: str
    rule: PresentRule = "any"
    reported_as: str | None = None
    """Group that it is shown as: several may make one. None: only there to drop another."""


@dataclass(frozen=True)
class Index:
    """A sum of weights of the groups that a subject has."""

    name: str
    weights: Mapping[str, int]
    cite: str = ""


@dataclass(frozen=True)
class Grouper:
    """Groups of diagnosis codes, checked."""

    name: str
    title: str
    version: str
    cite: str
    groups: tuple[Group, ...]
    codes: frozenset[tuple[str, str, str]]
    """Code system, code (without dot, in capitals; with ``*`` a prefix) and group."""
    labels: Mapping[str, str]
    """Groups as they are shown, in order, and what they are."""
    hierarchy: tuple[tuple[str, str], ...] = ()
    """Group and the group that it drops; against what was there before any drop."""
    indices: tuple[Index, ...] = ()
    positions: Positions = "all"
    screens: frozenset[tuple[Screen, str, str]] = frozenset()
    """Kind, DRG or code of the principal diagnosis (with ``*`` a prefix), and the group that then does not count."""
    exempt: frozenset[str] | None = None
    """Codes exempt from reporting of presence on admission; None: the list is not known."""
    least_mapped: float = 0.0
    """Least share of diagnoses that are in a group, below which the code system must be wrong."""
    unverified: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    """Files and their SHA-256."""
    _place: dict[str, int] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._place.update({group.name: place for place, group in enumerate(self.groups)})

    @property
    def systems(self) -> tuple[str, ...]:
        """Code systems of its codes."""
        return tuple(sorted({system for system, _code, _group in self.codes}))

    @property
    def needs_indicator(self) -> bool:
        """Whether some group asks for presence on admission."""
        return any(group.rule != "any" for group in self.groups)

    @property
    def is_of_stay(self) -> bool:
        """Whether it makes sense for the diagnoses of one stay only."""
        return self.positions != "all" or bool(self.screens)

    def place(self, name: str) -> int:
        """Place of a group, from 0."""
        return self._place[name]

    def parts(self, shown: str) -> tuple[str, ...]:
        """Groups that are shown as one."""
        return tuple(group.name for group in self.groups if group.reported_as == shown)

    def depends_on_indicator(self, shown: str) -> bool:
        """Whether what is shown may change with presence on admission: by its own rule, or through a drop."""
        parts = set(self.parts(shown))
        asked = {group.name for group in self.groups if group.rule != "any"}
        return bool(parts & asked) or any(child in parts and parent in asked for parent, child in self.hierarchy)

    def without_hierarchy(self) -> Grouper:
        """Give the same grouper in which no group drops another."""
        return replace(self, hierarchy=())


def checked(grouper: Grouper, where: str) -> Grouper:
    """Refuse a grouper that contradicts itself.

    Parameters
    ----------
    grouper
        As read.
    where
        For messages.

    Raises
    ------
    InputDataError
        Names every problem: names that stand twice or cannot be columns, groups without codes, codes, drops, screens
        or weights of unknown groups, unknown code systems and rules, a hierarchy that goes in a circle.
    """
    names = [group.name for group in grouper.groups]
    known, shown = set(names), set(grouper.labels)
    columns = [*grouper.labels, *(index.name for index in grouper.indices)]
    coded = {group for _system, _code, group in grouper.codes}
    pairs = [name for pair in grouper.hierarchy for name in pair]
    found = {
        "there is no group": () if names else ("none",),
        "names stand twice": [one for one, times in Counter(names).items() if times > 1],
        "columns would be named alike": [one for one, times in Counter(columns).items() if times > 1],
        "names cannot be columns": [one for one in columns if not _NAME.fullmatch(one) or one in RESERVED],
        "groups have no code": known - coded,
        "codes are of unknown groups": coded - known,
        "rules of presence on admission are unknown": {g.rule for g in grouper.groups} - set(get_args(PresentRule)),
        "groups are shown as an unknown one": {g.reported_as for g in grouper.groups if g.reported_as} - shown,
        "nothing is shown as these groups": shown - {g.reported_as for g in grouper.groups},
        "groups that are not shown are named like shown ones": {g.name for g in grouper.groups if not g.reported_as}
        & shown,
        "the hierarchy names unknown groups": set(pairs) - known,
        "screens are of unknown groups": {group for _kind, _code, group in grouper.screens} - known,
        "kinds of screen are unknown": {kind for kind, _code, _group in grouper.screens} - set(get_args(Screen)),
        "weights are of unknown groups": {name for index in grouper.indices for name in index.weights} - shown,
        "code systems are unknown": set(grouper.systems) - set(CODE_SYSTEMS),
        "positions are unknown": {grouper.positions} - set(get_args(Positions)),
        "groups drop one another in a circle": _in_circles(grouper.hierarchy),
    }
    problems = [_problem(what, where, some) for what, some in found.items() if some]
    if problems:
        raise InputDataError(problems)
    return grouper


def _problem(what: str, where: str, some: Iterable[str]) -> Problem:
    listed = sorted(map(str, some))
    return Problem(what, where, "correct the tables of the grouper", len(listed), tuple(listed[:3]))


def _in_circles(pairs: Iterable[tuple[str, str]]) -> set[str]:
    below: dict[str, set[str]] = {}
    for parent, child in pairs:
        below.setdefault(parent, set()).add(child)

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(below[start])
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                waiting += below.get(one, ())
        return seen

    return {start for start in below if start in reached(start)}
