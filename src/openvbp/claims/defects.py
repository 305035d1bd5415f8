"""Classes of defects that a claims folder can have, and what was found of them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import Any, Literal

from openvbp.errors import Problem
from openvbp.exact_yaml import load_exact

Action = Literal["reject", "warn", "stop"]
Outcome = Literal["warning", "rejected", "limit broken", "stop"]


@dataclass(frozen=True)
class Defect:
    """A class of defects."""

    defect_id: str
    action: Action
    rule: str
    """What should hold."""
    to_do: str
    limit: Decimal | None = None
    """Share of the rows concerned up to which it only warns."""
    cite: str = ""


@dataclass(frozen=True)
class Volume:
    """A range in which a number of events per 1,000 person-years should lie."""

    volume_id: str
    lowest: Decimal
    highest: Decimal
    cite: str
    unverified: bool = False


@dataclass(frozen=True)
class Finding:
    """A class of defects found in one place. It holds counts, never a value of a person."""

    defect: Defect
    table: str
    column: str
    """Column concerned; several are joined by commas; empty where the whole table is meant."""
    count: int
    """Rows with the defect, or whatever ``unit`` says."""
    total: int
    """Rows that could have it."""
    unit: str = "rows"
    detail: str = ""
    """What a count does not say: a month, a rate and its range, the name of a file."""

    @property
    def is_counted(self) -> bool:
        """Whether the count says something: it does not where the folder as a whole is meant."""
        return self.unit in ("rows", "codes", "months")

    @property
    def share(self) -> Decimal:
        """Part of the rows that has the defect."""
        return Decimal(self.count) / Decimal(self.total) if self.total else Decimal(1)

    @property
    def outcome(self) -> Outcome:
        """What the finding means for the folder."""
        is_beyond = self.defect.limit is None or self.share > self.defect.limit
        if self.defect.action == "reject":
            return "rejected"
        if self.defect.action == "stop":
            return "stop" if is_beyond else "warning"
        return "limit broken" if self.defect.limit is not None and is_beyond else "warning"

    def as_problem(self, where: str) -> Problem:
        """Say it as an error says it."""
        place = ", ".join(part for part in (where, self.table, self.column) if part)
        what = f"{self.defect.defect_id}: {self.detail or self.defect.rule}"
        return Problem(what, place, self.defect.to_do, self.count)


@functools.cache
def _catalogue() -> dict[str, Any]:
    content = files("openvbp.claims").joinpath("check_catalogue.yaml").read_bytes()
    catalogue: dict[str, Any] = load_exact(content)
    return catalogue


@functools.cache
def defects() -> dict[str, Defect]:
    """Give every class of defects by its name."""
    return {
        name: Defect(name, one["action"], one["rule"], one["to_do"], _limit(one.get("limit")), str(one.get("cite", "")))
        for name, one in _catalogue()["classes"].items()
    }


@functools.cache
def volumes() -> dict[str, Volume]:
    """Give the ranges of volumes by name."""
    return {name: Volume(name, **one) for name, one in _catalogue()["volumes"].items()}


def threshold(name: str) -> str:
    """Give a number or day of the catalogue as it is written there."""
    return str(_catalogue()["thresholds"][name]["value"])


def _limit(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
