"""What care of each unit's persons cost, against what it would cost on average for persons like them."""

from __future__ import annotations

from typing import Any, Literal

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.engine import Engine
from openvbp.money import in_units, whole_sum
from openvbp.periods import Period

_AGE_BANDS = (65, 75, 85)
_MILLION = 10**6


Amounts = Literal["allowed", "paid"]


def person_amounts(service_line: ir.Table, period: Period, amounts: Amounts = "allowed") -> ir.Table:
    """Add up each person's cost.

    Parameters
    ----------
    service_line
        Service lines.
    period
        Days of service that count.
    amounts
        Which amounts count; where a line lacks an allowed one, the paid one does.

    Returns
    -------
    One row per person with a line: ``cost`` in cents.
    """
    inside = service_line.filter(_.service_date >= period.start, _.service_date <= period.end)
    amount = _.paid_amount if amounts == "paid" else ibis.coalesce(_.allowed_amount, _.paid_amount)
    return inside.group_by("person_id").agg(cost=whole_sum(in_units(amount, 2)))


def person_costs(engine: Engine, amounts: ir.Table, persons: ir.Table, period: Period) -> ir.Table:
    """Say what is expected of a person of each one's kind.

    Parameters
    ----------
    engine
        Where to compute; the result is kept.
    amounts
        What each person cost (:func:`person_amounts`).
    persons
        Persons of the period (:func:`openvbp.attribution.contacts.persons`).
    period
        The period.

    Returns
    -------
    One row per person: ``is_dual``, ``cost`` and ``expected`` in cents. Expected is the mean cost of a month of all
    persons of the same age band (to 64, 65-74, 75-84, 85 on), sex, dual status and end-stage renal disease, times the
    person's months: indirect standardization.
    """
    kind = persons.select(
        "person_id",
        "months",
        "gender",
        "is_dual",
        "is_end_stage_renal_disease",
        age_band=ibis.cases(*((_.age_years < last, last) for last in _AGE_BANDS), else_=_AGE_BANDS[-1] + 1),
    )
    known = kind.left_join(amounts, "person_id").drop("person_id_right").mutate(cost=_.cost.fill_null(0))
    cell = ibis.window(group_by=["age_band", "gender", "is_dual", "is_end_stage_renal_disease"])
    with_cell = known.mutate(
        cell_cost=_.cost.sum().over(cell).cast("decimal(38, 0)").cast("int64"), cell_months=_.months.sum().over(cell)
    )
    expected = with_cell.mutate(
        expected=(_.cell_cost.cast("float64") / _.cell_months.cast("float64") * _.months).round().cast("int64")
    )
    return engine.compute(
        expected.select("person_id", "months", "is_dual", "cost", "expected"), f"person_costs_{period.label}"
    )


def unit_costs(attributed: ir.Table, costs: ir.Table) -> ir.Table:
    """Add costs up over the persons of each unit, with their weights.

    Returns
    -------
    One row per ``unit_id``: ``persons`` and ``dual_persons`` (weights, millionths), ``cost`` and ``expected``
    (weighted, cents); and for :func:`reliability` the number, sum and sum of squares of the persons' differences from
    the expected cost in whole dollars.
    """
    mine = attributed.filter(_.unit_id.notnull()).select("person_id", "unit_id", "weight").join(costs, "person_id")
    millionths = (mine.weight.cast("float64") * _MILLION).round().cast("int64")
    rows = mine.mutate(
        millionths=millionths,
        weighted_cost=(mine.cost.cast("float64") * millionths / _MILLION).round().cast("int64"),
        weighted_expected=(mine.expected.cast("float64") * millionths / _MILLION).round().cast("int64"),
        excess=((mine.cost - mine.expected).cast("float64") / 100).round().cast("int64"),
    )
    return rows.group_by("unit_id").agg(
        persons=whole_sum(_.millionths),
        dual_persons=whole_sum(ibis.ifelse(_.is_dual, _.millionths, 0)),
        cost=whole_sum(_.weighted_cost),
        expected=whole_sum(_.weighted_expected),
        count=_.count(),
        excess=whole_sum(_.excess),
        squares=(_.excess.cast("decimal(18, 0)") * _.excess.cast("decimal(19, 0)")).sum().cast("decimal(38, 0)"),
    )


def reliability(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Say how much of the spread of units' costs is theirs and not chance.

    Parameters
    ----------
    rows
        Units as of :func:`unit_costs`.

    Returns
    -------
    ``between_variance`` and ``within_variance`` of a person's difference from the expected cost (squared dollars, by
    the one-way analysis of variance, at least 0), and ``reliability`` of the mean of a unit of the median size: between
    ÷ (between + within ÷ n). Empty where there are fewer than two units or no unit has two persons.

    Source: Adams, The reliability of provider profiling, RAND 2009.
    """
    groups, total = len(rows), sum(row["count"] for row in rows)
    if groups < 2 or total <= groups:
        return {}
    grand = sum(row["excess"] for row in rows) / total
    within = sum(float(row["squares"]) - row["excess"] ** 2 / row["count"] for row in rows) / (total - groups)
    spread = sum(row["count"] * (row["excess"] / row["count"] - grand) ** 2 for row in rows) / (groups - 1)
    typical = (total - sum(row["count"] ** 2 for row in rows) / total) / (groups - 1)
    between = max(0.0, (spread - within) / typical)
    middle = sorted(row["count"] for row in rows)[(groups - 1) // 2]
    return {
        "between_variance": round(between, 2),
        "within_variance": round(within, 2),
        "reliability": round(between / (between + within / middle), 4) if between or within else None,
    }
