"""A study's cells with what the program says of them: group of each provider, conditions paid for, day of onset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import numpy as np

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.estimators.arrays import Codes, Floats
from openvbp.evaluation.cell_files import ONE_CONDITION
from openvbp.evaluation.cells import Cells, Texts
from openvbp.evaluation.program_facts import CLOCKS, Clock, Dated, ProgramFacts
from openvbp.evaluation.study_terms import Analysis, Study
from openvbp.evaluation.windows import Window, parse_window


@dataclass(frozen=True)
class Frame:
    """What every estimate of a study is drawn from."""

    study: Study
    cells: Cells
    group: Texts
    """Of each cell's provider; empty where it belongs to none."""
    treated_groups: tuple[str, ...]
    exempt_groups: tuple[str, ...]
    facts: ProgramFacts | None
    """None where the study names groups and onset itself, and its program knows neither."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """What was left out before any estimate, and how many cells."""
    _attribute_codes: dict[str, Codes] = field(default_factory=dict)

    @cached_property
    def provider_codes(self) -> Codes:
        """Number of each cell's provider."""
        return np.unique(self.cells.provider, return_inverse=True)[1]

    @cached_property
    def condition_codes(self) -> Codes:
        """Place of each cell's condition among :attr:`conditions`."""
        place = {name: at for at, name in enumerate(self.conditions)}
        return np.array([place[one] for one in self.cells.condition], dtype=np.int64)

    @cached_property
    def group_names(self) -> tuple[str, ...]:
        """All groups."""
        return (*self.treated_groups, *self.exempt_groups)

    @cached_property
    def group_codes(self) -> Codes:
        """Place of each cell's group among :attr:`group_names`."""
        place = {name: at for at, name in enumerate(self.group_names)}
        return np.array([place[one] for one in self.group], dtype=np.int64)

    @cached_property
    def outcome(self) -> Floats:
        """Outcome of each cell in percentage points; nan where not known."""
        return self.cells.outcome(self.study.outcome.kind)

    def is_in(self, groups: Sequence[str]) -> np.ndarray:
        """Whether each cell's provider is in one of the groups."""
        return np.isin(self.group_codes, [self.group_names.index(one) for one in groups if one in self.group_names])

    def clusters(self, name: str) -> Codes:
        """Number of each cell's cluster: its provider, or an attribute of it."""
        if name == "provider":
            return self.provider_codes
        if name not in self._attribute_codes:
            values = self.cells.attributes[name].astype(str)
            self._attribute_codes[name] = np.unique(values, return_inverse=True)[1]
        return self._attribute_codes[name]

    @property
    def conditions(self) -> tuple[str, ...]:
        """All conditions of the study."""
        return tuple(self.study.conditions) or (ONE_CONDITION,)

    def measure(self, condition: str) -> str:
        """Name the program's measure of a condition; empty where there is none."""
        return self.study.conditions.get(condition, "")

    def onset(self, conditions: Sequence[str], clock: Clock | None = None) -> Dated:
        """Give the day on which the program began to matter for conditions: the earliest of theirs.

        Raises
        ------
        UsageError
            If neither the study nor the program tells it.
        """
        if self.study.onset is not None and clock is None:
            return Dated(date=self.study.onset.date, cite=self.study.onset.cite)
        wanted = clock or self.study.clock
        days = [self.facts.clock(wanted, self.measure(one)) for one in conditions] if self.facts else []
        known = [one for one in days if one is not None]
        if not known:
            what = f"no day is known on which the program was {wanted} for {', '.join(conditions)}"
            raise UsageError(Problem(what, "onset", "give onset.date and onset.cite in the study file"))
        return min(known, key=lambda one: one.date)

    def clocks(self, conditions: Sequence[str]) -> dict[str, Dated | None]:
        """Give the days of all clocks."""
        found: dict[str, Dated | None] = {}
        for clock in CLOCKS:
            try:
                found[clock] = self.onset(conditions, clock)
            except UsageError:
                found[clock] = None
        return found

    def incentivised(self, until: date) -> tuple[str, ...]:
        """Name the conditions whose performance the program measured for pay up to a day."""
        if self.facts is None or self.facts.facts.measures_parameter is None:
            return tuple(one for one in self.conditions if self.measure(one) or not self.study.conditions)
        found = []
        for one in self.conditions:
            measured = self.facts.clock("measured", self.measure(one))
            counts = self.facts.is_incentivised(self.measure(one), date.max)
            if counts and measured is not None and measured.date <= until:
                found.append(one)
        return tuple(found)

    def breaks(self, conditions: Sequence[str], windows: Sequence[Window]) -> list[str]:
        """Say which conditions were redefined between windows."""
        found = []
        for one in conditions if self.facts else ():
            for broken in self.facts.breaks(self.measure(one), windows):  # type: ignore[union-attr]
                doubt = ", unverified" if broken.unverified else ""
                since = f"in windows ending on or after {broken.since_window_ending}"
                found.append(f"{one} was redefined: {broken.what} {since} ({broken.cite}{doubt})")
        return found

    def windows(self, labels: Sequence[str]) -> tuple[Window, ...]:
        """Find windows in the panel.

        Raises
        ------
        InputDataError
            If one is not there.
        """
        asked = tuple(parse_window(label) for label in labels)
        missing = [str(one) for one in asked if one not in self.cells.windows]
        if missing:
            known = ", ".join(str(one) for one in self.cells.windows)
            what = "windows are not in the panel: " + ", ".join(missing)
            raise InputDataError(Problem(what, "windows", f"the panel has {known}", len(missing)))
        return asked

    def resolved(self, analysis: Analysis) -> Analysis:
        """Fill in what an analysis leaves to the program: conditions, comparison groups, windows."""
        after = self.windows(analysis.after)
        last = max((one.end for one in after or self.cells.windows), default=date.max)
        conditions = analysis.conditions or self.incentivised(last)
        if not conditions:
            what = f"the program paid for none of the study's conditions up to {last}"
            raise InputDataError(Problem(what, "conditions", "name conditions, or give a later window"))
        day = self.onset(conditions).date
        before = self.windows(analysis.before) or tuple(one for one in self.cells.windows if one.end < day)
        after = after or tuple(one for one in self.cells.windows if one.start >= day)
        return analysis.model_copy(
            update={
                "conditions": conditions,
                "compare": analysis.compare or self.exempt_groups,
                "before": tuple(map(str, before)),
                "after": tuple(map(str, after)),
            }
        )


def frame(study: Study, cells: Cells, facts: ProgramFacts | None) -> Frame:
    """Put providers into groups; those whose group changes between windows are left out and counted.

    Raises
    ------
    UsageError
        If neither the study nor the program says whom it treats.
    InputDataError
        If no provider is treated.
    """
    if study.groups is not None:
        if "group" not in cells.attributes:
            raise UsageError(Problem("groups need a column", "data.columns.group", "name the column of groups"))
        group, treated, exempt = cells.attributes["group"], study.groups.treated, study.groups.exempt
    elif facts is not None:
        group = facts.group_of(cells.provider)
        treated = tuple(one.name for one in facts.facts.groups if one.role == "treated")
        exempt = facts.exempt
    else:
        raise UsageError(Problem("whom the program treats is not known", "groups", "name groups in the study file"))
    notes: dict[str, int] = {}
    changing = _changing(cells.provider, group)
    if changing.any():
        notes["the provider's group changes between windows"] = int(changing.sum())
    known = np.isin(group, [*treated, *exempt])
    if (~known & ~changing).any():
        notes["the provider is in no group of the study"] = int((~known & ~changing).sum())
    kept = known & ~changing
    if not np.isin(group[kept], treated).any():
        what = f"no provider is treated: none is in {', '.join(treated)}"
        raise InputDataError(Problem(what, "groups", "look at the identifiers of providers and at the groups"))
    present = set(group[kept])
    exempt = tuple(one for one in exempt if one in present)
    return Frame(study, cells.where(kept), group[kept], tuple(treated), exempt, facts, notes)


def _changing(provider: Texts, group: Texts) -> np.ndarray:
    first: dict[str, str] = {}
    changing = {one for one, name in zip(provider, group, strict=True) if first.setdefault(one, name) != name}
    return np.array([one in changing for one in provider], dtype=bool)
