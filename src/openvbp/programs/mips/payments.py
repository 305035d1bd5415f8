"""From final scores to payment adjustments: the rules of 414.1405 applied in order, under all scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.programs.mips import rules
from openvbp.rules import Rule

_KEYS = ["scenario_id", "provider_id"]
_FACTORS = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("scaling_factor", pa.decimal128(16, 14)),
        ("additional_scaling_factor", pa.decimal128(16, 14)),
    ]
)
_PRODUCT = "decimal(38, 18)"
_NO_TEXT = ibis.null("string")
_UNREAD = "parameters whose source has not been read: "
_UNKNOWN_FACTOR = "the scaling factor needs the paid amounts of all scored clinicians, or --set scaling_factor=..."


def pay(engine: Engine, clinicians: ir.Table, in_force: Sequence[Rule]) -> ir.Table:
    """Compute the adjustments of all clinicians under all scenarios.

    Parameters
    ----------
    clinicians
        Scenario × clinician with the final score and, where known, the paid amount.
    in_force
        The rules of the performance year; they decide whether there is an additional adjustment.

    Returns
    -------
    The same rows with adjustments, factor, dollars and ``payment_status``.

    Raises
    ------
    InputDataError
        If the performance threshold or the additional one is not between 0 and 100.
    """
    rows = rules.linear_adjustment(clinicians)
    has_additional = rules.sliding_adjustment in in_force
    if has_additional:
        rows = rules.sliding_adjustment(rows)
    rows = engine.compute(rows, "adjustment_unscaled")
    factors = engine.table(_factors(engine, rows, has_additional=has_additional), "scaling")
    rows = (
        rows.drop("scaling_factor", "additional_scaling_factor")
        .left_join(factors, "scenario_id")
        .drop("scenario_id_right")
    )
    computed = {
        rules.payment_adjustment,
        rules.additional_adjustment,
        rules.payment_factor_with_additional,
        rules.payment_factor,
        rules.adjustment_amount,
        rules.additional_amount,
    }
    for rule in in_force:
        if rule in computed:
            rows = rule(rows)
    return engine.compute(rows.mutate(**_payment_status(rows)), "clinician_paid")


def _factors(engine: Engine, rows: ir.Table, *, has_additional: bool) -> pa.Table:
    """Find the scaling factors of each scenario."""
    paid = _.paid_amount.cast("decimal(18, 2)")
    dollars = (paid * _.linear_adjustment.abs().cast("decimal(19, 16)")).cast(_PRODUCT)
    none = ibis.null(_PRODUCT)
    more = (paid * _.sliding_adjustment.cast("decimal(19, 16)")).cast(_PRODUCT) if has_additional else none
    totals = (
        rows.mutate(addition=more)
        .group_by("scenario_id")
        .agg(
            adjusted=_.linear_adjustment.count(),
            unknown=(_.linear_adjustment.notnull() & _.paid_amount.isnull()).sum(),
            undetermined=(_.status == "not_determinable").sum(),
            reductions=ibis.ifelse(_.linear_adjustment < 0, dollars, none).sum(),
            increases=ibis.ifelse(_.linear_adjustment > 0, dollars, none).sum(),
            additions=_.addition.sum(),
            **{
                name: _[name].max()
                for name in (
                    "scaling_factor",
                    "maximum_scaling_factor",
                    "additional_scaling_factor",
                    "additional_pool_amount",
                    "performance_threshold",
                    "additional_threshold",
                )
            },
        )
    )
    found = engine.to_arrow(totals.order_by("scenario_id")).to_pylist()
    return pa.Table.from_pylist([_factor_row(total, has_additional=has_additional) for total in found], schema=_FACTORS)


def _factor_row(total: dict[str, Any], *, has_additional: bool) -> dict[str, Any]:
    _demand_possible(total)
    is_known = total["adjusted"] and not total["unknown"] and not total["undetermined"]
    scale = total["scaling_factor"]
    if scale is None and is_known:
        scale = rules.scaling_factor.function(
            total["reductions"] or Decimal(0), total["increases"] or Decimal(0), total["maximum_scaling_factor"]
        )
    additional = total["additional_scaling_factor"]
    if additional is None and has_additional and is_known and total["additional_pool_amount"] is not None:
        additional = rules.additional_scaling_factor.function(
            total["additional_pool_amount"], total["additions"] or Decimal(0)
        )
    return {"scenario_id": total["scenario_id"], "scaling_factor": scale, "additional_scaling_factor": additional}


def _demand_possible(total: dict[str, Any]) -> None:
    wrong = [
        name
        for name in ("performance_threshold", "additional_threshold")
        if total[name] is not None and not 0 < total[name] <= 100
    ]
    for name, most in (("scaling_factor", total["maximum_scaling_factor"]), ("additional_scaling_factor", 1)):
        if total[name] is not None and total[name] > most:
            wrong.append(name)
    if wrong:
        raise InputDataError(
            Problem(
                "a threshold is not above 0 and at most 100, or a factor is above its maximum",
                f"scenario {total['scenario_id']}",
                "change the value in --set or in the file of scenarios",
                len(wrong),
                tuple(f"{name}={total[name]}" for name in wrong),
            )
        )


def _payment_status(rows: ir.Table) -> dict[str, ir.Value]:
    is_scored = rows.status.isin(["scored", "unverified"])
    unknown = is_scored & rows.payment_adjustment.isnull()
    unread = rows.unverified_payment.notnull()
    status = ibis.cases(
        (~is_scored, rows.status),
        (unknown, "not_determinable"),
        (unread, "unverified"),
        else_=rows.status,
    )
    reason = ibis.cases(
        (~is_scored, rows.status_reason),
        (unknown, _UNKNOWN_FACTOR),
        (rows.status == "unverified", rows.status_reason),
        (unread, ibis.literal(_UNREAD) + rows.unverified_payment),
        (rows.paid_amount.isnull(), "dollars need the paid amount"),
        else_=rows.status_reason,
    )
    return {"payment_status": status, "payment_status_reason": reason}


def _with_additional(rows: ir.Table) -> dict[str, ir.Value]:
    """Status of what the additional adjustment is part of; nobody below the performance threshold can have one."""
    is_paid = rows.payment_status.isin(["scored", "unverified"])
    unknown = is_paid & rows.additional_adjustment.isnull()
    unread = (rows.payment_status == "scored") & (rows.payment_adjustment >= 0) & rows.unverified_additional.notnull()
    return {
        "status": ibis.cases((unknown, "not_determinable"), (unread, "unverified"), else_=rows.payment_status),
        "status_reason": ibis.cases(
            (unknown, _UNKNOWN_FACTOR.replace("scaling_factor", "additional_scaling_factor")),
            (unread, ibis.literal(_UNREAD) + rows.unverified_additional),
            else_=rows.payment_status_reason,
        ),
    }


def payment_result(clinicians: ir.Table, in_force: Sequence[Rule]) -> ir.Table:
    """List the adjustments and their net: rows of ``payment_result`` without the program and period columns."""
    rows = clinicians
    of_adjustment = {"status": rows.payment_status, "status_reason": rows.payment_status_reason}
    of_net, net_rate, net_amount = of_adjustment, rows.payment_adjustment, rows.adjustment_amount
    parts = [_component(rows, "adjustment", net_rate, net_amount) | of_adjustment]
    if rules.sliding_adjustment in in_force:
        of_net = _with_additional(rows)
        parts.append(_component(rows, "additional", rows.additional_adjustment, rows.additional_amount) | of_net)
        net_rate, net_amount = net_rate + rows.additional_adjustment, net_amount + rows.additional_amount
    net = _component(rows, "net", net_rate, net_amount) | of_net
    is_known = of_net["status"].isin(["scored", "unverified", "excluded"])
    parts.append(net | {"factor": ibis.ifelse(is_known, rows.payment_factor, ibis.null("decimal(18, 10)"))})
    columns = list(parts[0])
    return ibis.union(*(rows.select(**part).select(columns) for part in parts))


def _component(rows: ir.Table, name: str, rate: ir.DecimalValue, amount: ir.DecimalValue) -> dict[str, ir.Value]:
    # The largest increase is where the statute's limit of the scaling factor is felt.
    at_limit = (rows.linear_adjustment > 0) & (rows.scaling_factor == rows.maximum_scaling_factor)
    return {
        **{key: rows[key] for key in _KEYS},
        "component_id": ibis.literal(name),
        "base_amount": rows.paid_amount,
        "currency": ibis.literal("USD"),
        "rate": rate.cast("decimal(18, 16)"),
        "amount": amount.cast("decimal(28, 10)"),
        "is_cap_applied": at_limit.fill_null(False) & (ibis.literal(name) != "additional"),  # noqa: FBT003
        "factor": ibis.null("decimal(18, 10)"),
    }
