"""What the comparison of rules looks at: two years of assignments, persons and what they had, portion by portion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis.expr.types as ir

from openvbp.attribution.concentration import concentration
from openvbp.attribution.contacts import contacts, persons
from openvbp.attribution.evaluator import attribute
from openvbp.attribution.events import read_events
from openvbp.attribution.metrics import UNITS_OF_VISITS, seen_units
from openvbp.attribution.portions import Portions
from openvbp.attribution.rule import Rule
from openvbp.attribution.unit_costs import person_amounts
from openvbp.claims.tables import ClaimsData
from openvbp.periods import Period

_ASSIGNED = ("person_id", "unit", "unit_id", "weight", "reason")
"""Columns of the table ``attribution`` that the comparison looks at."""


@dataclass(frozen=True)
class Gathered:
    """Tables of a period and, where it says so, of the one before."""

    now: dict[str, ir.Table]
    """Rule to its rows of the table ``attribution``."""
    then: dict[str, ir.Table]
    """The same of the period before."""
    persons_now: ir.Table
    persons_then: ir.Table
    seen: dict[str, ir.Table]
    """Kind of unit to the units that persons saw (:func:`openvbp.attribution.metrics.seen_units`)."""
    continuity: ir.Table
    amounts: ir.Table


def gather(
    cut: Portions, rules: Sequence[Rule], period: Period, before: Period, scratch: Path, progress: Callable[[str], None]
) -> Gathered:
    """Evaluate rules for two periods and keep what the comparison needs.

    Parameters
    ----------
    cut
        The claims; what has several portions is kept in files.
    rules
        Rules on persons.
    period, before
        The period and the one before.
    scratch
        Folder for the files; they are read as long as the result is used.
    progress
        Told each portion.
    """
    engine = cut.claims.engine
    kept: dict[str, ir.Table] = {}
    tables: dict[str, ir.Table] = {}
    for number, tables in enumerate(cut.each(lambda claims: _tables(claims, rules, period, before)), start=1):
        for name, table in tables.items():
            if len(cut) == 1:
                kept[name] = engine.compute(table, f"compared_{name}")
            else:
                (scratch / name).mkdir(exist_ok=True)
                engine.write_parquet(table, scratch / name / f"{number:05}.parquet")
        progress(f"portion {number} of {len(cut)}: persons, visits and assignments")
    for name in tables if len(cut) > 1 else ():
        kept[name] = engine.read_parquet(scratch / name / "*.parquet", f"compared_{name}")
    return Gathered(
        now={rule.rule: kept[f"now_{number}"] for number, rule in enumerate(rules)},
        then={rule.rule: kept[f"then_{number}"] for number, rule in enumerate(rules)},
        persons_now=kept["persons_now"],
        persons_then=kept["persons_then"],
        seen={unit: kept[f"seen_{unit}"] for unit in UNITS_OF_VISITS},
        continuity=kept["continuity"],
        amounts=kept["amounts"],
    )


def _tables(claims: ClaimsData, rules: Sequence[Rule], period: Period, before: Period) -> dict[str, ir.Table]:
    engine = claims.engine
    events = read_events(claims, rules, period)
    earlier = read_events(claims, rules, before, events.service_line)
    visits = contacts(engine, events, rules[0], period)
    found = {
        **_assigned(attribute(engine, events, rules, period).tables, "now"),
        **_assigned(attribute(engine, earlier, rules, before).tables, "then"),
        "persons_now": persons(engine, events.person_month, period),
        "persons_then": persons(engine, earlier.person_month, before),
        **{f"seen_{unit}": seen_units(visits, unit) for unit in UNITS_OF_VISITS},
        "continuity": concentration(visits),
        "amounts": person_amounts(events.service_line, period),
    }
    # Views keep what is written for each portion short.
    return {name: engine.view(table, f"of_portion_{name}").cast(table.schema()) for name, table in found.items()}


def _assigned(tables: dict[str, ir.Table], when: str) -> dict[str, ir.Table]:
    return {f"{when}_{number}": table.select(*_ASSIGNED) for number, table in enumerate(tables.values())}
