"""What each rule would pay its units, and what changes hands when the rule changes."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pyarrow as pa
from ibis import _

from openvbp.attribution.metrics import ratio
from openvbp.engine import Engine
from openvbp.payment.distribution import divide

_CLASSES = 3
_MILLION = 10**6


def payments(
    engine: Engine, units: dict[str, list[dict[str, Any]]], *, withheld_share: Decimal, minimum_persons: int
) -> pa.Table:
    """Pay the units of each rule by their cost of care, so that what a rule moves can be counted in dollars.

    A share of the cost of its patients is withheld from every unit and paid out again: by score × cost, to the cent, so
    that each rule pays out what it withholds. The score falls evenly from 100 for the lowest ratio of cost to expected
    cost to 0 for the highest; units with fewer persons have no score and get back what was withheld. It is no program's
    payment; a contract's own terms pay by ``openvbp run``.

    Parameters
    ----------
    engine
        Where to compute.
    units
        Rule to its units (:func:`openvbp.attribution.unit_costs.unit_costs`).
    withheld_share
        Share of the cost that is withheld.
    minimum_persons
        Persons that a unit must have to be scored.

    Returns
    -------
    One row per rule × unit: ``rule_id``, ``unit_id``, ``persons``, ``dual_share`` and ``ratio`` (decimals), ``cost``,
    ``expected``, ``withheld``, ``payment`` (paid out less withheld, US dollars), ``score``, ``rank`` from the lowest
    ratio, and ``tercile`` (1 for the lowest third); the last three null where there is no score.
    """
    rows = []
    for rule_id, found in units.items():
        rows += _scored(rule_id, found, withheld_share, minimum_persons)
    table = engine.table(pa.Table.from_pylist(rows, _SCORED), "comparison_units")
    pool = table.mutate(
        pool=_.withheld_cents.sum().over(group_by=["rule_id", "is_scored"]).cast("decimal(38, 0)").cast("int64")
    )
    divided = divide(
        pool, "paid_cents", pool="pool", weight="weight", group=("rule_id", "is_scored"), tie_breaker=("unit_id",)
    )
    found = engine.to_arrow(divided.order_by("rule_id", "unit_id")).to_pylist()
    return pa.Table.from_pylist([_as_paid(row) for row in found], _PAID)


_SCORED = pa.schema(
    {
        "rule_id": pa.string(),
        "unit_id": pa.string(),
        "persons": pa.decimal128(18, 6),
        "dual_share": pa.decimal128(18, 6),
        "cost": pa.int64(),
        "expected": pa.int64(),
        "ratio": pa.decimal128(18, 6),
        "rank": pa.int64(),
        "tercile": pa.int64(),
        "score": pa.decimal128(18, 6),
        "is_scored": pa.bool_(),
        "withheld_cents": pa.int64(),
        "weight": pa.int64(),
    }
)
_PAID = pa.schema(
    {
        "rule_id": pa.string(),
        "unit_id": pa.string(),
        "persons": pa.decimal128(18, 6),
        "dual_share": pa.decimal128(18, 6),
        "cost": pa.decimal128(18, 2),
        "expected": pa.decimal128(18, 2),
        "ratio": pa.decimal128(18, 6),
        "rank": pa.int64(),
        "tercile": pa.int64(),
        "score": pa.decimal128(18, 6),
        "withheld": pa.decimal128(18, 2),
        "payment": pa.decimal128(18, 2),
    }
)

_SAME = ("rule_id", "unit_id", "persons", "dual_share", "ratio", "rank", "tercile", "score")


def _scored(
    rule_id: str, units: Sequence[dict[str, Any]], withheld_share: Decimal, minimum_persons: int
) -> list[dict[str, Any]]:
    """Rank a rule's units; equal ratios share the better rank."""
    for unit in units:
        unit["ratio"] = _quotient(unit["cost"], unit["expected"]) if unit["expected"] > 0 else None
    eligible = [unit for unit in units if unit["ratio"] is not None and unit["persons"] >= minimum_persons * _MILLION]
    ratios = sorted(unit["ratio"] for unit in eligible)
    first: dict[Decimal, int] = {}
    for place, one in enumerate(ratios, start=1):
        first.setdefault(one, place)
    most = max((unit["cost"] for unit in units), default=0)
    # Weights are shares of the largest possible one: the division takes whole numbers of limited size.
    scale = Decimal(10**12) / max(1, 100 * sum(max(0, unit["cost"]) for unit in eligible)) if most else Decimal(0)
    rows = []
    for unit in sorted(units, key=lambda one: str(one["unit_id"])):
        rank = first[unit["ratio"]] if len(ratios) > 1 and unit in eligible else None
        score = None if rank is None else _quotient(100 * (len(ratios) - rank), len(ratios) - 1)
        withheld = int((Decimal(max(0, unit["cost"])) * withheld_share).to_integral_value(ROUND_HALF_UP))
        weight = withheld if score is None else int(score * max(0, unit["cost"]) * scale)
        rows.append(
            {
                "rule_id": rule_id,
                "unit_id": unit["unit_id"],
                "persons": Decimal(unit["persons"]) / _MILLION,
                "dual_share": _quotient(unit["dual_persons"], unit["persons"]),
                "cost": unit["cost"],
                "expected": unit["expected"],
                "ratio": unit["ratio"],
                "rank": rank,
                "tercile": None if rank is None else (rank - 1) * _CLASSES // len(ratios) + 1,
                "score": score,
                "is_scored": score is not None,
                "withheld_cents": withheld,
                "weight": weight,
            }
        )
    return rows


def _as_paid(row: dict[str, Any]) -> dict[str, Any]:
    returned = row["withheld_cents"] if not row["is_scored"] else row["paid_cents"] or 0
    return {
        **{name: row[name] for name in _SAME},
        "cost": Decimal(row["cost"]).scaleb(-2),
        "expected": Decimal(row["expected"]).scaleb(-2),
        "withheld": Decimal(row["withheld_cents"]).scaleb(-2),
        "payment": Decimal(returned - row["withheld_cents"]).scaleb(-2),
    }


def _quotient(dividend: int, divisor: int) -> Decimal:
    return (Decimal(dividend) / Decimal(divisor)).quantize(Decimal("0.000001"), ROUND_HALF_UP)


def sensitivity(paid: pa.Table, unit_of: dict[str, str], reference: str) -> list[dict[str, Any]]:
    """Say what each rule changes for units, against the reference with the same kind of unit.

    Parameters
    ----------
    paid
        As of :func:`payments`.
    unit_of
        Rule to its kind of unit.
    reference
        Rule held against.

    Returns
    -------
    One row per other rule with the same kind of unit: ``units`` scored under both; ``changed_class``, the share of them
    in another third; ``median_rank_change`` and ``median_dual_change``, of ranks in percent of their number and of
    shares of dual patients in percent; ``dollars_moved``, half the sum of the absolute differences of payments over all
    units, and ``dollars_withheld`` under the reference.
    """
    by_rule: dict[str, dict[str, dict[str, Any]]] = {}
    for row in paid.to_pylist():
        by_rule.setdefault(row["rule_id"], {})[row["unit_id"]] = row
    old = by_rule.get(reference, {})
    found = []
    for rule_id, unit in unit_of.items():
        if rule_id == reference or unit != unit_of[reference]:
            continue
        new = by_rule.get(rule_id, {})
        both = [one for one in old if one in new and old[one]["rank"] and new[one]["rank"]]
        shifts = [abs(_place(old, one) - _place(new, one)) for one in both]
        duals = [abs(old[one]["dual_share"] - new[one]["dual_share"]) for one in both]
        moved = sum((abs(_payment(new, one) - _payment(old, one)) for one in sorted(set(old) | set(new))), Decimal(0))
        found.append(
            {
                "rule": rule_id,
                "units": len(both),
                "changed_class": ratio(sum(old[one]["tercile"] != new[one]["tercile"] for one in both), len(both)),
                "median_rank_change": _median_percent(shifts),
                "median_dual_change": _median_percent(duals),
                "dollars_moved": (moved / 2).quantize(Decimal("0.01"), ROUND_HALF_UP),
                "dollars_withheld": sum((row["withheld"] for row in old.values()), Decimal(0)),
            }
        )
    return found


def _median_percent(values: Sequence[float | Decimal]) -> float | None:
    """Give the lower median in percent."""
    return round(100 * float(sorted(values)[(len(values) - 1) // 2]), 2) if values else None


def _place(units: dict[str, dict[str, Any]], unit_id: str) -> float:
    scored = sum(1 for row in units.values() if row["rank"])
    return float(units[unit_id]["rank"]) / scored


def _payment(units: dict[str, dict[str, Any]], unit_id: str) -> Decimal:
    return units[unit_id]["payment"] if unit_id in units else Decimal(0)
