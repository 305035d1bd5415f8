"""What a practice is asked for by the programs it reports to: chosen on the page of overlap, and kept in its link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from openvbp.harmonization.candidate_pairs import CandidatePair, Family
from openvbp.harmonization.data_elements import Specification
from openvbp.harmonization.program_burden import ProgramBurden, ReportingCost, burden_of_programs
from openvbp.harmonization.registry import Measure, Registry
from openvbp.web.page import Page, Rows
from openvbp.web.viewer import Asked

MOST_PHYSICIANS = 100_000
SHOWN = 40
"""Concepts on the page; the twins have all."""


def reported_programs(asked: Asked) -> list[str]:
    """Give the programs that are asked for."""
    return list(dict.fromkeys(text for name, text in asked.pairs if name == "reports" and text))


def program_burden(
    asked: Asked,
    registry: Registry,
    measures: Sequence[Measure],
    pairs: Sequence[CandidatePair],
    specifications: Mapping[str, Specification],
) -> Page:
    """Show what the programs that are asked for ask a practice for together.

    Raises
    ------
    UsageError
        If a program has no measures in force.
    """
    chosen = reported_programs(asked)
    found = burden_of_programs(chosen, registry, measures, pairs, specifications)
    physicians = asked.number("physicians", 1, MOST_PHYSICIANS)
    costs = [_cost(one, physicians) for one in found.costs]
    concepts = [_concept(one) for one in found.shared]
    year = registry.newest_year()
    return Page(
        "program_burden.html",
        f"Asked for together: {', '.join(chosen)}",
        {"programs": ", ".join(chosen), "physicians": physicians, "year": year},
        [
            Rows("burden", [_totals(found)]),
            Rows("programs", [vars(one) for one in found.programs]),
            Rows("concepts", [{key: row[key] for key in ("title", "programs", "measures")} for row in concepts]),
            Rows("costs", costs, {"hours": "hours a year", "usd": "US dollars a year"}),
        ],
        {
            "chosen": chosen,
            "physicians": physicians,
            "most": MOST_PHYSICIANS,
            "all_programs": sorted({one.program for one in measures}),
            "found": found,
            "concepts": concepts[:SHOWN],
            "all_concepts": len(concepts),
            "costs": costs,
            "year": year,
        },
    )


def _totals(found: ProgramBurden) -> dict[str, Any]:
    names = ("measures", "concepts", "near_pairs", "with_elements", "elements_separately", "elements_once")
    return {name: getattr(found, name) for name in names}


def _concept(family: Family) -> dict[str, Any]:
    first, *others = family.members
    return {
        "title": first.title,
        "first": first,
        "others": others,
        "programs": len({one.program for one in family.members}),
        "measures": ", ".join(one.name for one in family.members),
    }


def _cost(one: ReportingCost, physicians: int) -> dict[str, Any]:
    return {
        "of": one.of,
        "year": one.year,
        "hours": one.hours_per_physician * Decimal(physicians),
        "usd": one.usd_per_physician * Decimal(physicians),
        "found_in": one.found_in,
        "cite": one.cite,
    }
