"""From the Total Performance Score to money: the rules of 412.162 applied in order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.payment.linear_exchange import share_per_point
from openvbp.programs.hvbp import rules
from openvbp.programs.hvbp.health_equity import exchanged_score

_SLOPE_COLUMNS = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("exchange_function_slope", pa.decimal128(20, 14)),
        ("incentive_percentage_per_point", pa.decimal128(22, 20)),
    ]
)

SLOPES = "exchange_function"
"""Name of the table of slopes."""
_SLOPE_LIMIT = 10**6
_SHARE_LIMIT = 99
"""What the types of slopes and percentages hold; real slopes are near 3, and percentages below 0.1."""
_HIGHEST_SCORE = 110


def pay(engine: Engine, hospitals: ir.Table) -> ir.Table:
    """Compute incentives of all hospitals under all scenarios.

    Parameters
    ----------
    hospitals
        Scenario × hospital with the Total Performance Score and, where known, the base operating DRG payment
        amount.

    Returns
    -------
    The same rows with the slope, percentages, adjustment factor and dollars.

    Raises
    ------
    InputDataError
        If amounts are known for a part of the participating hospitals only and no slope is given: the sum
        over the others cannot be made neutral.
    """
    totals = engine.to_arrow(exchange_totals(hospitals))
    return pay_by(engine, hospitals, engine.table(slopes_of(totals), SLOPES))


def pay_by(engine: Engine, hospitals: ir.Table, slopes: ir.Table) -> ir.Table:
    """Compute incentives by the slope of each scenario, which is known."""
    scored = _exchanged(hospitals)
    paid = scored.drop("exchange_function_slope").left_join(slopes, "scenario_id").drop("scenario_id_right")
    for rule in (
        rules.value_based_incentive_payment_percentage,
        rules.value_based_incentive_payment_adjustment_factor,
        rules.value_based_incentive_payment_amount,
        rules.withheld_amount,
        rules.net_payment_change,
    ):
        paid = rule(paid)
    paid = paid.mutate(total_performance_score=paid.score_without_bonus).drop("score_without_bonus")
    return engine.compute(paid.mutate(**_payment_status(paid)), "hospital_payment_computed")


def _exchanged(hospitals: ir.Table) -> ir.Table:
    """Take the score with a bonus, where one is added, for what the exchange function takes."""
    return hospitals.mutate(
        score_without_bonus=hospitals.total_performance_score, total_performance_score=exchanged_score(hospitals)
    )


def exchange_totals(hospitals: ir.Table) -> ir.Table:
    """Add up what the slope follows from: scenario."""
    amount = _.base_operating_drg_payment_amount.cast("decimal(18, 2)")
    # DuckDB keeps 18 digits for the product of two decimals of up to 18 digits; a 19th makes it widen.
    # decimal(38, 14): a type that Ibis does not infer for the product, so that the cast stays.
    product = (amount * _.total_performance_score.cast("decimal(19, 12)")).cast("decimal(38, 14)")
    totals = (
        _exchanged(hospitals)
        .group_by("scenario_id")
        .agg(
            participating=_.is_participating.sum(),
            with_amount=(_.is_participating & _.base_operating_drg_payment_amount.notnull()).sum(),
            base_total=ibis.ifelse(_.is_participating, amount, ibis.null("decimal(18, 2)")).sum(),
            score_weighted_total=ibis.ifelse(_.is_participating, product, ibis.null("decimal(38, 14)")).sum(),
            is_total_performance_score_computed=_.is_total_performance_score_computed.any(),
            given_slope=_.exchange_function_slope.max(),
            applicable_percent=_.applicable_percent.max(),
            maximum_score=_.maximum_total_performance_score.max(),
        )
    )
    return totals.order_by("scenario_id")


def slopes_of(totals: pa.Table) -> pa.Table:
    """Find the slope of each scenario.

    Parameters
    ----------
    totals
        Rows of :func:`exchange_totals`.

    Raises
    ------
    InputDataError
        See :func:`pay`.
    """
    rows = []
    for total in totals.to_pylist():
        slope = _slope(total)
        per_point = None if slope is None else _share_per_point(total, slope)
        rows.append(
            {
                "scenario_id": total["scenario_id"],
                "exchange_function_slope": slope,
                "incentive_percentage_per_point": per_point,
            }
        )
    return pa.Table.from_pylist(rows, schema=_SLOPE_COLUMNS)


def _share_per_point(total: dict[str, Any], slope: Decimal) -> Decimal:
    share = share_per_point(total["applicable_percent"], slope, total["maximum_score"])
    if slope >= _SLOPE_LIMIT or share * _HIGHEST_SCORE >= _SHARE_LIMIT:
        raise InputDataError(
            Problem(
                f"the slope {slope:.2f} would pay hospitals a multiple of their base payments",
                f"scenario {total['scenario_id']}",
                "check the scores and amounts, or the value in --set exchange_function_slope=...",
            )
        )
    return share


def _slope(total: dict[str, Any]) -> Decimal | None:
    if not total["is_total_performance_score_computed"]:
        return None
    if total["given_slope"] is not None:
        return total["given_slope"]
    if not total["with_amount"]:
        return None
    if total["with_amount"] < total["participating"]:
        raise InputDataError(
            Problem(
                "base operating DRG payment amounts are missing for a part of the hospitals",
                f"{total['with_amount']:,} of {total['participating']:,} hospitals with a score have an amount",
                "give all amounts (rejected/cells.parquet lists unreadable ones), or --set exchange_function_slope=...",
                total["participating"] - total["with_amount"],
            )
        )
    try:
        return rules.exchange_function_slope.function(
            total["base_total"], total["score_weighted_total"], total["maximum_score"]
        )
    except ValueError as error:
        raise InputDataError(Problem(str(error), "the scored hospitals", "check scores and amounts")) from error


def _payment_status(hospitals: ir.Table) -> dict[str, ir.Value]:
    percentage = hospitals.value_based_incentive_payment_percentage
    status = ibis.cases(
        (hospitals.status.isin(["excluded", "too_few_cases"]), "excluded"),
        (hospitals.status == "not_determinable", "not_determinable"),
        (percentage.isnull(), "not_determinable"),
        (hospitals.status == "suppressed", ibis.ifelse(hospitals.program_unverified.notnull(), "unverified", "scored")),
        else_=hospitals.status,
    )
    reason = ibis.cases(
        (hospitals.status.isin(["excluded", "too_few_cases", "not_determinable"]), hospitals.status_reason),
        (
            percentage.isnull(),
            "the slope needs the base operating DRG payment amounts of all hospitals, which are not public",
        ),
        (hospitals.base_operating_drg_payment_amount.isnull(), "dollars need the base operating DRG payment amount"),
        else_=hospitals.status_reason,
    )
    return {"payment_status": status, "payment_status_reason": reason}
