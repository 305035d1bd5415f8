"""A program whose true effect is known: which practices take part, from when, and how it grows and spills over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openvbp.claims.synthetic.months import month_of
from openvbp.claims.synthetic.providers import NEVER, Providers, Role
from openvbp.claims.synthetic.region import Region
from openvbp.claims.synthetic.relations import Relations


@dataclass(frozen=True)
class Program:
    """Truth about the program in a region."""

    is_eligible: np.ndarray
    """Practice: has enough primary care clinicians."""
    start: np.ndarray
    """Practice: first day in the program, NEVER for none."""
    change: float
    months_to_full: float
    spill_over: float

    def change_at(self, practice: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Relative change of admissions and ancillary services of a practice's patients on given days."""
        start = np.where(practice >= 0, self.start[practice], NEVER)
        earliest = int(self.start.min(initial=NEVER))
        direct = self._grown(days, start)
        spilled = self.spill_over * self._grown(days, np.full(len(days), earliest))
        return self.change * np.where(start < NEVER, direct, spilled)

    def _grown(self, days: np.ndarray, start: np.ndarray) -> np.ndarray:
        months = month_of(days) - month_of(np.minimum(start, NEVER)) + 1
        return np.clip(months / self.months_to_full, 0.0, 1.0) * (days >= start)


def draw_program(region: Region, providers: Providers) -> Program:
    """Choose the practices that take part and stagger their starts."""
    rng = region.generators["program"]
    s = region.settings["program"]
    clinicians = np.bincount(providers.tin[providers.of(Role.PRIMARY)], minlength=len(providers.tins))
    eligible = clinicians >= s["fewest_clinicians"]
    takes_part = eligible & (rng.random(len(eligible)) < s["participant_share"])
    starts = np.array([region.month_start(int(month)) for month in s["start_months"]], np.int32)
    cohort = rng.integers(0, len(starts), len(eligible))
    start = np.where(takes_part, starts[cohort], NEVER).astype(np.int32)
    return Program(eligible, start, s["change"], s["months_to_full"], s["spill_over"])


def spared(
    region: Region, program: Program, providers: Providers, relations: Relations, person: np.ndarray, day: np.ndarray
) -> np.ndarray:
    """Draw which events the program prevents."""
    rng = region.generators["program"]
    primary = relations.primary[person, region.year_of(day)]
    change = program.change_at(providers.tin_at(primary, day), day)
    return rng.random(len(person)) < -change
