"""What one diagnosis found, or why it could not be made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Rows = Sequence[Mapping[str, Any]]
TITLES = {
    "bunching": "Bunching at thresholds",
    "put-back": "Patients put back",
    "exclusions": "Exclusions after a missed threshold",
    "selection": "Risk selection",
    "coding": "Coding drift",
    "multitasking": "Outcomes that are not paid for",
    "penalties": "Persistence and noise of penalties",
    "equity": "Equity of payments",
    "attribution": "Attribution in dollars",
}
"""Diagnoses by the name that ``--what`` gives them, in the order of the report."""


@dataclass(frozen=True)
class Section:
    """One diagnosis of a run: sentences for a reader and the tables that they stand on."""

    name: str
    """As ``--what`` names it: one of :data:`TITLES`."""
    findings: Sequence[str] = ()
    """Sentences, the most important first."""
    tables: Mapping[str, Rows] = field(default_factory=dict)
    """Name to rows with plain values; written as ``<section>_<name>.parquet``."""
    private: Mapping[str, Rows] = field(default_factory=dict)
    """The same for rows of single providers: written, but not shown on the page."""
    why_not: str = ""
    """Why it could not be made, and what to give so that it can; empty where it was made."""

    @property
    def title(self) -> str:
        """Heading of the section."""
        return TITLES[self.name]

    @property
    def is_made(self) -> bool:
        """Whether there is something to show."""
        return not self.why_not


class CannotBeMadeError(Exception):
    """The runs do not hold what a diagnosis needs: said in the report, no error of the command."""


def percent(share: float | None, places: int = 1) -> str:
    """A share as percent; a dash where there is none.

    Examples
    --------
    >>> percent(0.1234)
    '12.3 %'
    """
    return "–" if share is None or math.isnan(share) else f"{100 * share:.{places}f} %".replace("-", "−")


def number(value: float | None, places: int = 2) -> str:
    """A number; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:,.{places}f}".replace("-", "−")
