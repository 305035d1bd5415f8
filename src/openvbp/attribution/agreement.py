"""How two assignments of the same persons differ: from year to year, and from rule to rule."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.attribution.metrics import ratio
from openvbp.engine import Engine
from openvbp.money import whole_sum


def units(attributed: ir.Table) -> ir.Table:
    """Keep person and unit of those assigned."""
    return attributed.filter(_.unit_id.notnull()).select("person_id", "unit_id")


def churn(
    engine: Engine,
    before: ir.Table,
    now: ir.Table,
    *,
    persons_before: ir.Table,
    persons_now: ir.Table,
    deaths: ir.Table,
    active_units: ir.Table | None,
) -> dict[str, Any]:
    """Say what became of the persons whom a rule assigned a period before.

    Parameters
    ----------
    before, now
        Rows of one rule that assigns each person to one unit, for two periods that follow each other.
    persons_before, persons_now
        Persons of the two periods.
    deaths
        ``person_id`` of those who died up to the end of the later period.
    active_units
        ``unit_id`` of units with a visit in the later period; ``None`` where units do not stand on visits.

    Returns
    -------
    ``assigned_before``; the numbers that are with the ``same_unit``, with another one after they ``moved`` county,
    because the unit ``stopped``, or for no such reason (``changed``); and of those without a unit now, who ``died``,
    who ``lost_eligibility``, and the others (``no_longer_assigned``). ``churn`` is the share with another unit among
    those assigned in both periods.
    """
    first = units(before)
    joined = (
        first.left_join(now.select("person_id", now_unit="unit_id", now_reason="reason"), "person_id")
        .drop("person_id_right")
        .left_join(persons_before.select("person_id", old_county="county_fips"), "person_id")
        .drop("person_id_right")
        .left_join(persons_now.select("person_id", new_county="county_fips"), "person_id")
        .drop("person_id_right")
        .left_join(deaths.select("person_id").distinct().mutate(died=ibis.literal(True)), "person_id")  # noqa: FBT003
        .drop("person_id_right")
    )
    stopped = ibis.literal(False)  # noqa: FBT003
    if active_units is not None:
        active = active_units.distinct().mutate(is_active=ibis.literal(True))  # noqa: FBT003
        joined = joined.left_join(active, "unit_id").drop("unit_id_right")
        stopped = joined.is_active.isnull()
    outcome = ibis.cases(
        (joined.now_unit == joined.unit_id, "same_unit"),
        (joined.now_unit.notnull() & (joined.old_county != joined.new_county), "moved"),
        (joined.now_unit.notnull() & stopped, "stopped"),
        (joined.now_unit.notnull(), "changed"),
        (joined.died.notnull(), "died"),
        (joined.now_reason.isnull() | (joined.now_reason == "not_eligible"), "lost_eligibility"),
        else_="no_longer_assigned",
    )
    counted = joined.mutate(outcome=outcome).group_by("outcome").agg(persons=_.count())
    found = {row["outcome"]: row["persons"] for row in engine.to_arrow(counted).to_pylist()}
    other = sum(found.get(name, 0) for name in ("moved", "stopped", "changed"))
    return {
        "assigned_before": sum(found.values()),
        **{
            name: found.get(name, 0)
            for name in ("same_unit", "moved", "stopped", "changed", "died", "lost_eligibility", "no_longer_assigned")
        },
        "churn": ratio(other, other + found.get("same_unit", 0)),
    }


def agreement(engine: Engine, one: ir.Table, other: ir.Table) -> dict[str, Any]:
    """Compare two rules with the same kind of unit, over the persons whom both assign.

    Returns
    -------
    ``assigned_by_both``, ``same_unit``; ``agreement``, their ratio, and ``kappa``, agreement beyond chance: (p − e) ÷
    (1 − e), where e adds up the products of each unit's shares under the two rules (Cohen 1960).
    """
    both = units(one).join(units(other).rename(other_unit="unit_id"), "person_id")
    both = engine.compute(both.select("unit_id", "other_unit"), "agreement_pairs")
    (row,) = engine.to_arrow(
        both.aggregate(n=both.count(), same=(both.unit_id == both.other_unit).sum().cast("int64"))
    ).to_pylist()
    left = both.group_by("unit_id").agg(n=_.count())
    right = both.group_by(unit_id=_.other_unit).agg(m=_.count())
    products = left.join(right, "unit_id").select(product=_.n * _.m)
    chance_units = engine.to_arrow(products.aggregate(total=whole_sum(products.product)))["total"].to_pylist()[0] or 0
    n, same = row["n"], row["same"] or 0
    by_chance = chance_units / n**2 if n else 0
    return {
        "assigned_by_both": n,
        "same_unit": same,
        "agreement": ratio(same, n),
        "kappa": round((same / n - by_chance) / (1 - by_chance), 6) if n and by_chance < 1 else None,
    }


def drift(engine: Engine, reference: ir.Table, other: ir.Table, persons: ir.Table) -> list[dict[str, Any]]:
    """Describe the patients whom units gain and lose where another rule takes the place of the reference.

    Parameters
    ----------
    reference, other
        Rows of two rules with the same kind of unit.
    persons
        Persons of the period.

    Returns
    -------
    Two rows, ``change`` gained and lost: pairs of ``persons`` and units that only the other rule has, or only the
    reference; the ``dual_share``, the means of ``area_deprivation_index`` and ``age_years``.
    """
    old, new = units(reference), units(other)
    rows = []
    for change, table, without in (("gained", new, old), ("lost", old, new)):
        moved = table.anti_join(without, ["person_id", "unit_id"]).join(
            persons.select("person_id", "is_dual", "area_deprivation_index", "age_years"), "person_id"
        )
        (row,) = engine.to_arrow(
            moved.aggregate(
                persons=moved.count(),
                dual=moved.is_dual.sum().cast("int64"),
                index=whole_sum(moved.area_deprivation_index),
                index_given=moved.area_deprivation_index.count(),
                age=whole_sum(moved.age_years),
            )
        ).to_pylist()
        rows.append(
            {
                "change": change,
                "persons": row["persons"],
                "dual_share": ratio(row["dual"], row["persons"]),
                "area_deprivation_index": ratio(row["index"], row["index_given"]),
                "age_years": ratio(row["age"], row["persons"]),
            }
        )
    return rows
