"""What reporting costs a practice: how much is counted twice, what it costs, and for which size it pays.

Metrics: data elements, submissions, specification versions and variety of exclusions (B1 to B4), and reuse of elements.
Money is the user's: what an item costs and what a payment line is expected to pay. Nothing is assumed for either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from openvbp.errors import Problem, UsageError
from openvbp.harmonization.data_elements import Specification, reuse, specification_of
from openvbp.harmonization.measure_selection import PaymentLine, Selection, smallest_selection
from openvbp.harmonization.practice import Practice, ReportedMeasure
from openvbp.harmonization.registry import Measure, Registry

_CHANGING = ("title", "description", "direction", "collection_types")


@dataclass(frozen=True)
class SpecificationChange:
    """A measure whose published facts are others than the year before."""

    measure: str
    what: str
    """The facts that changed, ``new`` or ``ended``."""


@dataclass(frozen=True)
class CostLine:
    """One item of cost: measure by measure, and computed once."""

    item: str
    separately: int
    once: int
    amount: Decimal
    """Cost of one a year."""


@dataclass(frozen=True)
class SizeResult:
    """A year of one size of practice."""

    patients: int
    reward: Decimal
    net_separately: Decimal
    net_once: Decimal


@dataclass(frozen=True)
class Burden:
    """Figures of a practice in one year."""

    year: int
    programs: int
    submissions: int
    measures: int
    """Program and identifier, each once."""
    computations: int
    """Measures that one computation serves are one: those that the user declares, and those with one CMS number."""
    specifications: int
    """Program, identifier and collection type: texts to follow."""
    elements_separately: int
    elements_once: int
    without_specification: tuple[str, ...]
    """Measures whose elements are not known; they are in no count of elements or exclusions."""
    with_exclusions: int
    exclusion_sets: int
    changes: tuple[SpecificationChange, ...]
    not_compared: tuple[str, ...]
    """Measures of programs that the registry does not have in both years: whether they changed is not known."""
    not_in_registry: tuple[str, ...]
    costs: tuple[CostLine, ...]
    reward_per_patient: Decimal
    sizes: tuple[SizeResult, ...]
    selection: Selection

    @property
    def cost_separately(self) -> Decimal:
        """Fixed cost a year where every measure is computed for itself."""
        return _fixed_costs(self.costs)[0]

    @property
    def cost_once(self) -> Decimal:
        """Fixed cost a year where each computation and element is made once."""
        return _fixed_costs(self.costs)[1]


def burden_of(
    practice: Practice,
    registry: Registry,
    specifications: Mapping[str, Specification],
    *,
    year: int,
    sizes: Sequence[int],
    keep: Decimal,
) -> Burden:
    """Compute the figures of a practice.

    Parameters
    ----------
    practice
        What it reports and is paid.
    registry, specifications
        The measures and the elements of the electronic ones.
    year
        Year of the programs.
    sizes
        Numbers of patients.
    keep
        Share of the money that the smallest set of measures must keep, above 0 and at most 1.

    Raises
    ------
    UsageError
        If the share is not above 0 and at most 1, or a size is not above 0.
    """
    if not 0 < keep <= 1 or any(size <= 0 for size in sizes):
        raise UsageError(Problem("a share or a size is out of range", "--keep, --size", "0 < share <= 1, size > 0"))
    programs = {one.name: one.program for one in practice.reported}
    in_force = {one.name: one for one in registry.in_force(year)}
    known = [in_force[name] for name in programs if name in in_force]
    specified = {one.name: specification_of(one, registry, specifications) for one in known}
    found = {name: one for name, one in specified.items() if one is not None}
    separately, once = reuse(found.values())
    exclusions = [one.exclusions for one in found.values() if one.exclusions]
    computations = {one.name: _computation(one, in_force) for one in practice.reported}
    changes, not_compared = _changes(registry, programs, year)
    counts = {
        "program": (len(set(programs.values())),) * 2,
        "measure": (len(programs), len(set(computations.values()))),
        "data_element": (separately, once),
        "submission": (len(practice.reported),) * 2,
        "specification_change": (len(changes),) * 2,
    }
    costs = tuple(CostLine(item, *counts[item], amount) for item, amount in sorted(practice.costs.items()))
    lines = _payment_lines(practice, computations)
    reward = sum((one.amount for one in lines if len(one.measures) >= one.needed), Decimal())
    return Burden(
        year=year,
        programs=counts["program"][0],
        submissions=len(practice.reported),
        measures=len(programs),
        computations=counts["measure"][1],
        specifications=len({(one.name, one.collection_type) for one in practice.reported}),
        elements_separately=separately,
        elements_once=once,
        without_specification=tuple(name for name in sorted(programs) if name not in found),
        with_exclusions=len(exclusions),
        exclusion_sets=len(set(exclusions)),
        changes=changes,
        not_compared=not_compared,
        not_in_registry=tuple(name for name in sorted(programs) if name not in in_force),
        costs=costs,
        reward_per_patient=reward,
        sizes=_sizes(sizes, reward, costs),
        selection=smallest_selection(lines, keep),
    )


def pays_from(cost: Decimal, reward_per_patient: Decimal) -> int | None:
    """Give the number of patients from which the reward is at least the fixed cost; ``None`` if there is no reward."""
    if not reward_per_patient:
        return None
    whole, rest = divmod(cost, reward_per_patient)
    return int(whole) + bool(rest)


def _sizes(sizes: Sequence[int], reward: Decimal, costs: Sequence[CostLine]) -> tuple[SizeResult, ...]:
    separately, once = _fixed_costs(costs)
    return tuple(
        SizeResult(size, reward * size, reward * size - separately, reward * size - once) for size in sorted(sizes)
    )


def _fixed_costs(costs: Sequence[CostLine]) -> tuple[Decimal, Decimal]:
    separately = sum((one.amount * one.separately for one in costs), Decimal())
    return separately, sum((one.amount * one.once for one in costs), Decimal())


def _computation(one: ReportedMeasure, in_force: Mapping[str, Measure]) -> str:
    if one.computed_as:
        return one.computed_as
    number = in_force[one.name].cms_number if one.name in in_force else ""
    return f"CMS{number}" if number else one.name


def _payment_lines(practice: Practice, computations: Mapping[str, str]) -> list[PaymentLine]:
    measures: dict[str, set[str]] = {name: set() for name in practice.terms}
    for one in practice.reported:
        measures[one.payment_line].add(computations[one.name])
    return [
        PaymentLine(
            name, practice.terms[name].amount_per_patient, frozenset(found), practice.terms[name].measures_needed
        )
        for name, found in sorted(measures.items())
    ]


def _changes(
    registry: Registry, programs: Mapping[str, str], year: int
) -> tuple[tuple[SpecificationChange, ...], tuple[str, ...]]:
    """Compare with the versions of the year before, and name the measures for which that cannot be done."""
    versions = {(one.name, one.version): one for one in registry.measures}
    years = {(one.program, one.version) for one in registry.measures}
    found, unknown = [], []
    for name, program in sorted(programs.items()):
        if not {(program, str(year)), (program, str(year - 1))} <= years:
            unknown.append(name)
            continue
        now, before = versions.get((name, str(year))), versions.get((name, str(year - 1)))
        if now and before:
            changed = [fact for fact in _CHANGING if getattr(now, fact) != getattr(before, fact)]
            if changed:
                found.append(SpecificationChange(name, ", ".join(changed).replace("_", " ")))
        elif now or before:
            found.append(SpecificationChange(name, "new" if now else "ended"))
    return tuple(found), tuple(unknown)
