"""What a rule does: how many it assigns, how much of their care is with whom, how large panels are."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.engine import Engine
from openvbp.money import whole_sum

UNITS_OF_VISITS = ("npi", "tin")
"""Units that stand on a visit."""
_INDICES = ("bice_boxerman", "sequential_continuity", "herfindahl_hirschman", "usual_provider")


def ratio(part: int | Decimal | None, whole: int | None) -> float | None:
    """Share of a whole, rounded to six decimals; none of nothing."""
    return round(float(part) / whole, 6) if part is not None and whole else None


def by_stratum(rows: ir.Table, persons: ir.Table) -> ir.Table:
    """Repeat the rows of each person for every group that he belongs to, in a column ``stratum``."""
    strata = persons.select("person_id", stratum=_.strata.unnest()).filter(_.stratum != "")
    return rows.join(strata, "person_id")


def assigned_share(engine: Engine, attributed: ir.Table, persons: ir.Table) -> list[dict[str, Any]]:
    """Share of eligible persons that a rule assigns.

    Parameters
    ----------
    attributed
        Rows of the table ``attribution`` of one rule on persons.
    persons
        Persons of the period (:func:`openvbp.attribution.contacts.persons`).

    Returns
    -------
    One row per ``stratum``: ``eligible``, ``assigned``, ``value``.
    """
    per_person = attributed.group_by("person_id").agg(
        is_eligible=(_.reason.fill_null("") != "not_eligible").max(), is_assigned=_.unit_id.notnull().max()
    )
    counted = (
        by_stratum(per_person, persons)
        .group_by("stratum")
        .agg(eligible=_.is_eligible.sum().cast("int64"), assigned=_.is_assigned.sum().cast("int64"))
        .order_by("stratum")
    )
    rows = engine.to_arrow(counted).to_pylist()
    return [{**row, "value": ratio(row["assigned"], row["eligible"])} for row in rows]


def seen_units(visits: ir.Table, unit: str) -> ir.Table:
    """Add visits up for each person and unit.

    Parameters
    ----------
    visits
        Ambulatory visits (:func:`openvbp.attribution.contacts.contacts`).
    unit
        One of :data:`UNITS_OF_VISITS`.

    Returns
    -------
    One row per person × ``unit_id``: ``visits``, and ``charges`` in cents.
    """
    return visits.group_by("person_id", unit_id=visits[unit]).agg(visits=_.count(), charges=whole_sum(_.allowed))


def care_share(engine: Engine, attributed: ir.Table, seen: ir.Table, persons: ir.Table) -> list[dict[str, Any]]:
    """Median share of an assigned person's visits, and of their allowed charges, that are with the assigned unit.

    Parameters
    ----------
    attributed
        Rows of one rule whose unit stands on a visit.
    seen
        Units of that kind that persons saw (:func:`seen_units`).
    persons
        Persons of the period.

    Returns
    -------
    One row per ``stratum``: ``persons`` with a unit and a visit, ``visit_share``, ``charge_share``, medians (the lower
    of the two middle values). Leakage is one less the share.
    """
    totals = seen.group_by("person_id").agg(all_visits=whole_sum(_.visits), all_charges=whole_sum(_.charges))
    winners = attributed.filter(_.unit_id.notnull()).select("person_id", "unit_id")
    shares = (
        winners.join(totals, "person_id")
        .left_join(seen, ["person_id", "unit_id"])
        .select(
            "person_id",
            visit_share=_.visits.fill_null(0).cast("float64") / _.all_visits,
            charge_share=_.charges.fill_null(0).cast("float64") / _.all_charges.nullif(0),
        )
    )
    strata = by_stratum(engine.compute(shares, "care_shares"), persons)
    medians = {name: medians_of(engine, strata, name) for name in ("visit_share", "charge_share")}
    return [
        {
            "stratum": stratum,
            "persons": count,
            "visit_share": middle,
            "charge_share": medians["charge_share"].get(stratum, (0, None))[1],
        }
        for stratum, (count, middle) in sorted(medians["visit_share"].items())
    ]


def medians_of(engine: Engine, rows: ir.Table, column: str) -> dict[str, tuple[int, float]]:
    """Count of values and lower median of a column, rounded to six decimals, by ``stratum``."""
    values = rows.filter(_[column].notnull()).group_by("stratum", value=_[column]).agg(times=_.count())
    whole = ibis.window(group_by="stratum")
    so_far = ibis.window(group_by="stratum", order_by="value", preceding=None, following=0)
    placed = values.mutate(
        count=_.times.sum().over(whole).cast("int64"), reached=_.times.sum().over(so_far).cast("int64")
    )
    middle = placed.filter(_.reached * 2 >= _["count"]).group_by("stratum", "count").agg(value=_.value.min())
    return {row["stratum"]: (row["count"], round(row["value"], 6)) for row in engine.to_arrow(middle).to_pylist()}


def panel_sizes(engine: Engine, attributed: ir.Table, seen: ir.Table | None) -> dict[str, Any]:
    """Describe the panels: persons assigned to each unit, weighted where a person has several.

    Parameters
    ----------
    attributed
        Rows of one rule.
    seen
        Units of the rule's kind that persons saw (:func:`seen_units`), where that kind stands on a visit.

    Returns
    -------
    ``units``; ``mean``, and the 10th, 50th and 90th percentile (nearest rank) of persons per unit; and, where the unit
    stands on a visit, ``share_of_patients`` and ``share_of_visits``: of all the patients and visits of units with a
    panel, those of assigned patients.
    """
    sizes = attributed.filter(_.unit_id.notnull()).group_by("unit_id").agg(size=_.weight.sum())
    ordered = sorted(float(row["size"]) for row in engine.to_arrow(sizes).to_pylist())
    found: dict[str, Any] = {"units": len(ordered), "mean": round(sum(ordered) / len(ordered), 2) if ordered else None}
    for percent in (10, 50, 90):
        found[f"percentile_{percent}"] = nearest_rank(ordered, percent)
    if seen is not None and ordered:
        found |= _of_all_patients(engine, attributed, seen)
    return found


def nearest_rank(ordered: Sequence[float], percent: int) -> float | None:
    """Percentile of sorted values by the nearest rank."""
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)] if ordered else None


def _of_all_patients(engine: Engine, attributed: ir.Table, seen: ir.Table) -> dict[str, Any]:
    mine = attributed.filter(_.unit_id.notnull()).select("person_id", "unit_id", is_mine=_.weight > 0)
    with_panel = mine.select("unit_id").distinct()
    joined = seen.semi_join(with_panel, "unit_id").left_join(mine, ["person_id", "unit_id"])
    (row,) = engine.to_arrow(
        joined.aggregate(
            patients=joined.count(),
            own_patients=joined.is_mine.notnull().sum().cast("int64"),
            visits=whole_sum(joined.visits),
            own_visits=whole_sum(ibis.ifelse(joined.is_mine.notnull(), joined.visits, 0)),
        )
    ).to_pylist()
    return {
        "share_of_patients": ratio(row["own_patients"], row["patients"]),
        "share_of_visits": ratio(row["own_visits"], row["visits"]),
    }


def continuity(engine: Engine, indices: ir.Table, persons: ir.Table) -> list[dict[str, Any]]:
    """Mean indices of continuity, and median numbers of clinicians and practices, by group of persons.

    Parameters
    ----------
    indices
        Indices of each person (:func:`openvbp.attribution.concentration.concentration`).
    persons
        Persons of the period.

    Returns
    -------
    One row per ``stratum``: ``persons``, the means of the indices and medians of ``clinicians`` and ``practices``.
    """
    rows = by_stratum(indices, persons)
    sums = {name: _[name].sum() for name in _INDICES} | {f"{name}_persons": _[name].count() for name in _INDICES}
    means = engine.to_arrow(rows.group_by("stratum").agg(persons=_.count(), **sums).order_by("stratum")).to_pylist()
    medians = {name: medians_of(engine, rows, name) for name in ("clinicians", "practices")}
    return [
        {
            "stratum": row["stratum"],
            "persons": row["persons"],
            **{name: ratio(row[name], row[f"{name}_persons"]) for name in _INDICES},
            **{name: medians[name][row["stratum"]][1] for name in medians},
        }
        for row in means
    ]
