"""The data elements that electronic specifications use, and how far two of them share codes.

An element is a value set or a direct code of a population. Where codes were taken out of the user's file they are not
counted. A measure without an electronic specification has no elements that could be counted: it is not zero.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal

from openvbp.errors import InputDataError, Problem
from openvbp.harmonization.registry import Measure, Registry

ROLES = "ecqm_roles_valuesets.json"
OVERLAP = "ecqm_pairwise_overlap.csv"
ELECTRONIC = "eCQM"
_EXCLUSION_ROLES = ("denominator-exclusion", "denominator-exception", "numerator-exclusion")
_HALF = Decimal("0.5")

Overlap = Literal["same specification", "competing", "related", "apart"]


@dataclass(frozen=True)
class Specification:
    """Elements of one electronic specification, by population."""

    measure_id: str
    populations: Mapping[str, frozenset[str]]

    @property
    def elements(self) -> frozenset[str]:
        """All elements, each once."""
        return frozenset().union(*self.populations.values())

    @property
    def exclusions(self) -> frozenset[str]:
        """Elements of exclusions and exceptions."""
        return frozenset().union(*(self.populations.get(role, frozenset()) for role in _EXCLUSION_ROLES))


@dataclass(frozen=True)
class CodeOverlap:
    """Shares of codes in common (Jaccard) of two specifications."""

    first: str
    second: str
    population: Decimal
    """Codes of denominator and initial population."""
    focus: Decimal
    """Codes of the numerator that are not of the initial population."""

    @property
    def kind(self) -> Overlap:
        """``competing``: at least half of both in common; ``related``: of exactly one (NQF 2010, made computable)."""
        if self.first == self.second:
            return "same specification"
        halves = (self.population >= _HALF) + (self.focus >= _HALF)
        return ("apart", "related", "competing")[halves]  # type: ignore[return-value]


def read_specifications(folder: Path) -> dict[str, Specification]:
    """Read the populations' elements; empty where the folder has no such file.

    Raises
    ------
    InputDataError
        If the file is not JSON of measures, populations and lists ``vs`` and ``codes``.
    """
    path = folder / ROLES
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            measure: Specification(
                measure, {role: frozenset([*lists["vs"], *lists["codes"]]) for role, lists in roles.items()}
            )
            for measure, roles in content.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputDataError(
            Problem(
                f"not the elements of measures: {type(error).__name__}",
                str(path),
                'write {"measure": {"population": {"vs": [...], "codes": [...]}}}',
            )
        ) from error


def read_overlaps(folder: Path) -> tuple[CodeOverlap, ...]:
    """Read the code overlap of pairs; empty where the folder has no such file.

    Raises
    ------
    InputDataError
        If a column is missing or a share is not a number from 0 to 1.
    """
    path = folder / OVERLAP
    if not path.is_file():
        return ()
    found, wrong = [], []
    with path.open(newline="", encoding="utf-8") as lines:
        for number, row in enumerate(csv.DictReader(lines), start=2):
            try:
                shares = Decimal(row["pop"]), Decimal(row["focus"])
                if not all(0 <= share <= 1 for share in shares):
                    raise InvalidOperation
                found.append(CodeOverlap(row["a"], row["b"], *shares))
            except (KeyError, TypeError, InvalidOperation):
                wrong.append(f"row {number}")
    if wrong:
        raise InputDataError(
            Problem(
                "not an overlap of two measures",
                str(path),
                "give columns a, b, pop and focus, shares from 0 to 1",
                len(wrong),
                tuple(wrong[:3]),
            )
        )
    return tuple(found)


def specification_of(
    measure: Measure, registry: Registry, specifications: Mapping[str, Specification]
) -> Specification | None:
    """Find a measure's electronic specification: its own, or that with the same CMS number."""
    if measure.program == ELECTRONIC:
        return specifications.get(measure.measure_id)
    if not measure.cms_number:
        return None
    found = [
        specifications[one.measure_id]
        for one in registry.measures
        if one.program == ELECTRONIC and one.cms_number == measure.cms_number and one.measure_id in specifications
    ]
    # Two specifications with one number would be a guess.
    return found[0] if len({one.measure_id for one in found}) == 1 else None


def reuse(specifications: Iterable[Specification]) -> tuple[int, int]:
    """Count elements measure by measure, and each element once: the difference is saved by collecting once."""
    sets = [one.elements for one in specifications]
    return sum(len(one) for one in sets), len(frozenset().union(*sets))


def overlap_of(
    first: Measure,
    second: Measure,
    registry: Registry,
    specifications: Mapping[str, Specification],
    overlaps: Iterable[CodeOverlap],
) -> CodeOverlap | None:
    """Find the code overlap of two measures through their electronic specifications; ``None`` where it is not known."""
    ours, theirs = (specification_of(one, registry, specifications) for one in (first, second))
    if ours is None or theirs is None:
        return None
    both = {ours.measure_id, theirs.measure_id}
    if len(both) == 1:
        return CodeOverlap(ours.measure_id, theirs.measure_id, Decimal(1), Decimal(1))
    return next((one for one in overlaps if {one.first, one.second} == both), None)
