"""What a program's own files say about its evaluation: whom it treats, whom it exempts, when, on which measures.

Groups, clocks and breaks stand in ``evaluation.yaml`` in the program's folder, each with its citation; which measures
count, and from when, is read from the program's parameters.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.evaluation.cells import Texts
from openvbp.evaluation.windows import Window
from openvbp.parameters import ParameterSet, load_parameters
from openvbp.programs import program as find_program
from openvbp.programs import program_ids
from openvbp.terms_file import read_terms

Clock = Literal["announced", "measured", "paid", "withdrawn"]
CLOCKS: tuple[Clock, ...] = ("announced", "measured", "paid", "withdrawn")
FILE = "evaluation.yaml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Group(_Strict):
    """Providers that the program treats alike, told by their identifier; the first group that fits holds."""

    name: str
    label: str
    role: Literal["treated", "exempt", "outside"]
    pattern: str
    cite: str = Field(min_length=1)
    unverified: bool = False
    caution: str = ""
    """What makes the group unlike the treated ones."""


class Dated(_Strict):
    """A day with its source."""

    date: date
    cite: str = Field(min_length=1)
    unverified: bool = False


class Clocks(_Strict):
    """When something was known, counted, paid and given up, for some measures or for all others."""

    measures: tuple[str, ...] = ()
    announced: Dated | None = None
    measured: Dated | None = None
    paid: Dated | None = None
    withdrawn: Dated | None = None


class Break(_Strict):
    """A change of a measure's definition: rates of windows before and since are not of the same thing."""

    measures: tuple[str, ...]
    since_window_ending: date
    what: str
    cite: str = Field(min_length=1)
    unverified: bool = False


class Cutoff(_Strict):
    """A score at which payment jumps or changes its slope."""

    parameter: str
    running: str
    treated: Literal["above", "below"]
    cite: str = Field(min_length=1)


class _Facts(_Strict):
    program: str
    measures_parameter: str | None = None
    """Parameter that has a value, other than false, for each measure that counts."""
    thresholds: tuple[str, ...] = ()
    """Parameters that hold a measure's thresholds."""
    groups: tuple[Group, ...]
    clocks: tuple[Clocks, ...]
    breaks: tuple[Break, ...] = ()
    cutoff: Cutoff | None = None


@dataclass(frozen=True)
class ProgramFacts:
    """A program as its evaluation sees it."""

    facts: _Facts
    facts_sha256: str
    parameters: ParameterSet

    @property
    def program_id(self) -> str:
        """Name of the program."""
        return self.facts.program

    @property
    def digest(self) -> str:
        """SHA-256 of parameters and of what the folder says of groups, clocks and breaks."""
        return hashlib.sha256((self.parameters.digest + self.facts_sha256).encode()).hexdigest()

    @property
    def groups(self) -> Mapping[str, Group]:
        """Groups by name."""
        return {one.name: one for one in self.facts.groups}

    @property
    def exempt(self) -> tuple[str, ...]:
        """Names of the comparison groups that the program itself makes."""
        return tuple(one.name for one in self.facts.groups if one.role == "exempt")

    @cached_property
    def _paid_from(self) -> Mapping[str, date]:
        """First day on which each measure counts, by the parameters."""
        if self.facts.measures_parameter is None:
            return {}
        _, history = self.parameters.dated[self.facts.measures_parameter]
        found = {}
        for measure, values in history.items():
            days = [day for day, cited in values.items() if cited.value not in (None, False)]
            if days:
                found[measure] = min(days)
        return found

    def is_incentivised(self, measure: str, until: date) -> bool:
        """Whether a measure counted for payment of any period that began up to a day."""
        return measure in self._paid_from and self._paid_from[measure] <= until

    def clock(self, clock: Clock, measure: str) -> Dated | None:
        """Give the day of a clock for a measure; ``None`` where the program's files do not tell it."""
        entries = [one for one in self.facts.clocks if measure in one.measures]
        entries += [one for one in self.facts.clocks if not one.measures]
        found = next((dated for one in entries if (dated := getattr(one, clock)) is not None), None)
        if clock == "paid" and measure in self._paid_from:
            name = f"{self.facts.measures_parameter}.{measure}"
            return Dated(date=self._paid_from[measure], cite=f"parameters of {self.program_id}, {name}")
        return found

    def thresholds(self, measure: str) -> list[str]:
        """Say which thresholds the parameters first declare for a measure, and how many values follow."""
        found = []
        for name in self.facts.thresholds:
            _, history = self.parameters.dated[name]
            declared = [(day, one) for day, one in sorted(history.get(measure, {}).items()) if one.value is not None]
            if declared:
                day, first = declared[0]
                doubt = ", unverified" if first.unverified else ""
                later = f", {len(declared) - 1} later values" if len(declared) > 1 else ""
                found.append(f"{name.replace('_', ' ')} {first.value} since {day} ({first.cite}{doubt}){later}")
        return found

    def breaks(self, measure: str, windows: Sequence[Window]) -> list[Break]:
        """Give the breaks that lie between windows."""
        ends = [one.end for one in windows]
        return [
            one
            for one in self.facts.breaks
            if measure in one.measures and min(ends) < one.since_window_ending <= max(ends)
        ]

    def group_of(self, providers: Texts) -> Texts:
        """Give the name of each provider's group; empty where none fits."""
        names: dict[str, str] = {}
        for provider in set(providers.tolist()):
            fitting = (one.name for one in self.facts.groups if re.fullmatch(one.pattern, provider))
            names[provider] = next(fitting, "")
        return np.array([names[one] for one in providers], dtype=object)


def program_facts(program_id: str) -> ProgramFacts:
    """Read what a program's folder says about its evaluation.

    Raises
    ------
    UsageError
        If there is no such program, or nothing is known about its groups and clocks.
    """
    found = find_program(program_id)
    path = Path(found.folder) / FILE
    if not path.is_file():
        known = [one for one in program_ids() if (Path(find_program(one).folder) / FILE).is_file()]
        what_to_do = f"name groups and onset in the study file; known are those of {', '.join(known)}"
        raise UsageError(Problem(f"{program_id} has no {FILE}: whom it treats is not known", "program", what_to_do))
    read = read_terms(path, _Facts, holds="facts for evaluations", advice="see docs/how-to/evaluate-a-program.md")
    facts = read.terms
    for group in facts.groups:
        try:
            re.compile(group.pattern)
        except re.error as error:
            what = f"pattern of group '{group.name}' is no regular expression: {error}"
            raise InputDataError(Problem(what, str(path), "correct it")) from error
    return ProgramFacts(facts, read.sha256, load_parameters(found.parameters_file))
