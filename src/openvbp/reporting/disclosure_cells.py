"""Which counts of patients are too small to be published, and which others must go with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from openvbp.reporting.disclosure_sums import second_cells

GIVEN = ("input", "parameter", "count")
_NOT_PATIENTS = {"measures", "days", "period", "domains", "categories"}
"""Last words of quantities that are counted, but not patients."""


class Place(NamedTuple):
    """Where counts of one provider stand: a measure, else a domain, else the provider itself (empty texts)."""

    provider_id: str
    measure_id: str
    domain_id: str


class StepRow(NamedTuple):
    """One row of ``step_result`` with its place in the table."""

    row: int
    scenario_id: str
    provider_id: str
    step_number: int
    rule_id: str
    quantity: str
    measure_id: str | None
    domain_id: str | None
    value: Decimal | None
    unit: str
    inputs: tuple[str, ...]
    place: Place

    @property
    def is_patient_count(self) -> bool:
        """Whether an input file gave the value as a number of patients, cases, stays or the like."""
        return self.rule_id == "input" and self.unit == "count" and self.quantity.split("_")[-1] not in _NOT_PATIENTS


def place_of(provider_id: str, measure_id: str | None, domain_id: str | None) -> Place:
    """Name a place; a measure's counts are the same in every domain."""
    return Place(provider_id, measure_id or "", "" if measure_id else domain_id or "")


@dataclass
class SmallCells:
    """Places whose counts are withheld, by why."""

    primary: set[Place] = field(default_factory=set)
    """A count, or a count of those left over, is small; or the publisher withheld it and its points stand there."""
    complementary: set[Place] = field(default_factory=set)
    """Counts large enough, withheld because a sum over providers would give back the only one that is missing."""

    @property
    def all(self) -> set[Place]:
        """Every place whose counts are withheld."""
        return self.primary | self.complementary


def is_small(count: Decimal | None, smallest_cell: int) -> bool:
    """Whether a count is above zero and below the smallest that may be published; zero names nobody."""
    return count is not None and 0 < count < smallest_cell


def small_cells(
    measures: Iterable[Mapping[str, Any]],
    steps: Iterable[StepRow],
    groups: Mapping[str, tuple[str, ...]],
    smallest_cell: int,
) -> SmallCells:
    """Find the places that are withheld, whatever the scenario: scenarios share their counts.

    Parameters
    ----------
    measures
        Rows of ``measure_result``.
    steps
        Rows of ``step_result``.
    groups
        For each provider the groups (peers, state) over which somebody may publish totals.
    smallest_cell
        The smallest count that may be published.
    """
    counts: dict[Place, set[tuple[str, Decimal]]] = defaultdict(set)
    domains: dict[Place, set[str]] = defaultdict(set)
    cells = SmallCells()
    for row in measures:
        place = place_of(row["provider_id"], row["measure_id"], None)
        numerator, denominator = row["numerator"], row["denominator"]
        counts[place] |= {(name, row[name]) for name in ("numerator", "denominator") if row[name] is not None}
        left_over = None if numerator is None or denominator is None else denominator - numerator
        if any(is_small(count, smallest_cell) for count in (numerator, denominator, left_over)):
            cells.primary.add(place)
    kept = list(steps)
    for step in kept:
        if step.is_patient_count and step.value is not None:
            counts[step.place].add((step.quantity, step.value))
            domains[step.place] |= {step.domain_id} if step.measure_id and step.domain_id else set()
            if is_small(step.value, smallest_cell):
                cells.primary.add(step.place)
    cells.primary |= _withheld_by_publisher(kept)
    cells.complementary |= _complementary(cells.primary, counts, domains, groups)
    return cells


def _withheld_by_publisher(steps: Iterable[StepRow]) -> set[Place]:
    """Find places without a count that others have, so that a rule could not compute: points may give it back."""
    given: set[tuple[str, Place]] = set()
    counted: set[tuple[str, str, str]] = set()
    open_rules: list[StepRow] = []
    for step in steps:
        if step.is_patient_count and step.value is not None:
            given.add((step.quantity, step.place))
            counted.add((step.quantity, *step.place[1:]))
        elif step.rule_id not in GIVEN and step.value is None:
            open_rules.append(step)
    return {
        step.place
        for step in open_rules
        for name in step.inputs
        if (name, *step.place[1:]) in counted and (name, step.place) not in given
    }


def _complementary(
    primary: Set[Place],
    counts: Mapping[Place, set[tuple[str, Decimal]]],
    domains: Mapping[Place, Set[str]],
    groups: Mapping[str, tuple[str, ...]],
) -> set[Place]:
    """Choose the places that are withheld so that totals of providers, groups and domains give nothing back."""
    same: dict[tuple[str, str], dict[Place, tuple[str, ...]]] = defaultdict(dict)
    for place in sorted({*(place for place, known in counts.items() if known), *primary}):
        of_domains = (f"domain={domain}" for domain in sorted(domains.get(place, ())))
        members = ("", *groups.get(place.provider_id, ()), *of_domains)
        same[(place.measure_id, place.domain_id)][place] = members
    chosen: set[Place] = set()
    for places in same.values():
        withheld = primary & places.keys()
        if withheld:
            chosen |= second_cells(places, withheld, lambda one: (_size(counts.get(one, set())), one))
    return chosen


def _size(counts: set[tuple[str, Decimal]]) -> tuple[bool, Decimal]:
    """Order candidates: those with a count of zero last, since a zero leaves the sum to the other."""
    values = [value for _, value in counts] or [Decimal(0)]
    return (min(values) == 0, max(values))
