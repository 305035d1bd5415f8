"""What several programs ask a practice for: how much of it twice, and what studies found reporting to cost."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files

from openvbp.errors import Problem, UsageError
from openvbp.exact_yaml import load_exact
from openvbp.harmonization.candidate_pairs import CandidatePair, Family, families
from openvbp.harmonization.data_elements import Specification, reuse, specification_of
from openvbp.harmonization.registry import Measure, Registry

_NEAR = ("family", "undecided")


@dataclass(frozen=True)
class ReportingCost:
    """What a study found reporting to cost a practice, by physician and year."""

    programs: tuple[str, ...]
    """Programs it was found for; none where it is of everything that is reported."""
    of: str
    year: int
    hours_per_physician: Decimal
    usd_per_physician: Decimal
    cite: str
    found_in: str


@dataclass(frozen=True)
class ProgramShare:
    """Measures of one program, and those that another of the chosen ones asks for as well."""

    program: str
    measures: int
    same_elsewhere: int
    near_elsewhere: int
    """Without those that are the same elsewhere."""


@dataclass(frozen=True)
class ProgramBurden:
    """Counts of what the programs ask for together, if a practice reports every measure of them."""

    programs: tuple[ProgramShare, ...]
    measures: int
    concepts: int
    """Measures that are the same counted once."""
    shared: tuple[Family, ...]
    """Concepts that are asked for more than once, those with most measures first."""
    near_pairs: int
    """Pairs of the same topic with another population, threshold, period or subject, or a text too short to tell."""
    with_elements: int
    """Measures whose data elements are known."""
    elements_separately: int
    elements_once: int
    costs: tuple[ReportingCost, ...]


def burden_of_programs(
    programs: Sequence[str],
    registry: Registry,
    measures: Sequence[Measure],
    pairs: Sequence[CandidatePair],
    specifications: Mapping[str, Specification],
) -> ProgramBurden:
    """Count what some programs ask for together.

    Parameters
    ----------
    programs
        Names of programs as the registry has them.
    registry, measures
        The registry and its measures in force.
    pairs
        Pairs of these measures (:func:`openvbp.harmonization.candidate_pairs.candidate_pairs`).
    specifications
        Elements of the electronic specifications.

    Raises
    ------
    UsageError
        If none is named, or one has no measures in force.
    """
    chosen = list(dict.fromkeys(programs))
    known = sorted({one.program for one in measures})
    unknown = sorted(set(chosen) - set(known))
    if unknown or not chosen:
        what = f"no program {', '.join(unknown)}" if unknown else "no program is named"
        raise UsageError(Problem(what, "programs", f"give one or more of: {', '.join(known)}"))
    reported = [one for one in measures if one.program in chosen]
    among = [one for one in pairs if {one.first.program, one.second.program} <= set(chosen)]
    shared = families([one for one in among if one.kind == "duplicate"])
    found = [one for one in (specification_of(each, registry, specifications) for each in reported) if one is not None]
    separately, once = reuse(found)
    return ProgramBurden(
        tuple(_share(name, reported, among) for name in chosen),
        len(reported),
        len(reported) - sum(len(one.members) - 1 for one in shared),
        shared,
        sum(one.kind in _NEAR for one in among),
        len(found),
        separately,
        once,
        tuple(one for one in reporting_costs() if not one.programs or set(one.programs) & set(chosen)),
    )


def _share(program: str, reported: Sequence[Measure], among: Sequence[CandidatePair]) -> ProgramShare:
    """Count of a program its measures, and those that have a counterpart in another one."""
    elsewhere: dict[bool, set[str]] = {True: set(), False: set()}
    for pair in among:
        if pair.first.program != pair.second.program and pair.kind in ("duplicate", *_NEAR):
            own = next((one for one in (pair.first, pair.second) if one.program == program), None)
            if own is not None:
                elsewhere[pair.kind == "duplicate"].add(own.name)
    same, near = elsewhere[True], elsewhere[False]
    return ProgramShare(program, sum(one.program == program for one in reported), len(same), len(near - same))


@functools.cache
def reporting_costs() -> tuple[ReportingCost, ...]:
    """Give the published costs, each with its source."""
    rows = load_exact((files("openvbp.harmonization") / "reporting_costs.yaml").read_text(encoding="utf-8"))
    return tuple(ReportingCost(**{**row, "programs": tuple(row["programs"]), "year": int(row["year"])}) for row in rows)


def render_program_burden(found: ProgramBurden, year: int) -> str:
    """Print the counts, and the costs with their sources."""
    saved = found.elements_separately - found.elements_once
    width = max(len(one.program) for one in found.programs) + 2
    lines = [
        f"Asked for in {year} by {len(found.programs)} programs together, if every measure is reported",
        "",
        f"measures                  {found.measures:>8,}",
        f"  concepts                {found.concepts:>8,}  the same counted once",
        f"  near pairs              {found.near_pairs:>8,}  same topic, other population, threshold, period or subject",
        f"data elements, by measure {found.elements_separately:>8,}  of {found.with_elements:,} measures that have any",
        f"  collected once          {found.elements_once:>8,}"
        + (f"  {Decimal(100 * saved) / found.elements_separately:.1f} % saved" if found.elements_separately else ""),
        "",
        f"{'program':<{width}}{'measures':>10}{'same elsewhere':>16}{'near elsewhere':>16}",
    ]
    lines += [
        f"{one.program:<{width}}{one.measures:>10,}{one.same_elsewhere:>16,}{one.near_elsewhere:>16,}"
        for one in found.programs
    ]
    lines += ["", "cost of a physician in a year, as published; no source gives it by measure"]
    for one in found.costs:
        lines.append(f"  {one.hours_per_physician:,f} hours, ${one.usd_per_physician:,f} in {one.year}: {one.of}")
        lines.append(f"    {one.found_in}; {one.cite}")
    return "\n".join(lines)
