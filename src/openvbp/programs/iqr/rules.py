"""Hospital Inpatient Quality Reporting, paragraph by paragraph: scenario × hospital."""

from __future__ import annotations

from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.operands import computed_once
from openvbp.rules import rule

RATIO_DECIMALS = 18
_RATIO_TYPE = f"decimal(18, {RATIO_DECIMALS})"


@rule(
    "42 U.S.C. 1395ww(b)(3)(B)(i), (xi), (xii)",
    gives="full_update",
    unit="ratio",
    inputs=("market_basket_increase", "productivity_adjustment", "statutory_adjustment"),
)
def full_update(hospitals: ir.Table) -> ir.Table:
    """Take the productivity and statutory adjustments from the market basket increase."""
    update = _.market_basket_increase - _.productivity_adjustment - _.statutory_adjustment
    return hospitals.mutate(full_update=money.exact(update, 18, money.RATE_DECIMALS))


@rule(
    "42 U.S.C. 1395ww(b)(3)(B)(vii)(I), (viii)(I)",
    gives="update_reduction",
    unit="ratio",
    inputs=("is_reported", "update_reduction_points"),
    until=date(2014, 9, 30),
)
def update_reduction_in_points(hospitals: ir.Table) -> ir.Table:
    """Take fixed percentage points from the update of a hospital that did not report."""
    return hospitals.mutate(update_reduction=_if_not_reported(_.update_reduction_points))


@rule(
    "42 U.S.C. 1395ww(b)(3)(B)(viii)(I)",
    gives="update_reduction",
    unit="ratio",
    inputs=("is_reported", "update_reduction_share", "market_basket_increase"),
    since=date(2014, 10, 1),
)
def update_reduction_as_share(hospitals: ir.Table) -> ir.Table:
    """Take a share of the market basket increase from a hospital that did not report.

    The share is of the increase before the productivity and other adjustments.
    """
    share = _.update_reduction_share.cast("decimal(12, 6)") * _.market_basket_increase.cast("decimal(12, 6)")
    return hospitals.mutate(update_reduction=_if_not_reported(share))


def _if_not_reported(reduction: ir.DecimalValue) -> ir.DecimalValue:
    none = ibis.literal(0).cast(money.RATE_TYPE)
    taken = ibis.ifelse(_.is_reported, none, money.exact(reduction, 18, money.RATE_DECIMALS))
    return ibis.ifelse(_.excluded_reason.isnull(), taken, ibis.null(money.RATE_TYPE))


@rule(
    "42 CFR 412.64(d)(2)",
    gives="hospital_update",
    unit="ratio",
    inputs=("full_update", "update_reduction"),
)
def hospital_update(hospitals: ir.Table) -> ir.Table:
    """Take the reduction from the update; the result may be below zero."""
    return hospitals.mutate(hospital_update=money.exact(_.full_update - _.update_reduction, 18, money.RATE_DECIMALS))


@rule(
    "42 CFR 412.64(d)(2)",
    gives="payment_reduction_ratio",
    unit="ratio",
    inputs=("full_update", "update_reduction"),
)
def payment_reduction_ratio(hospitals: ir.Table) -> ir.Table:
    """Express the reduction as a share of what the hospital is paid with the full update.

    Payments follow the standardized amount, so they are lower by (1 + full update − reduction) / (1 + full update).
    The reduction counts in this fiscal year only: it is no part of the amount that next year's update starts from.
    """
    one = 10**money.RATE_DECIMALS
    ratio = money.divide_half_up(
        money.in_units(_.update_reduction, money.RATE_DECIMALS),
        money.in_units(_.full_update, money.RATE_DECIMALS) + one,
        RATIO_DECIMALS,
    )
    return computed_once(hospitals.mutate(payment_reduction_ratio=ratio))


@rule(
    "42 CFR 412.64(d)(2)",
    gives="payment_factor",
    unit="multiplier",
    inputs=("payment_reduction_ratio",),
)
def payment_factor(hospitals: ir.Table) -> ir.Table:
    """Multiply payments with the full update by one less the reduction; a hospital outside the program by one."""
    reduction = _.payment_reduction_ratio.fill_null(ibis.literal(0).cast(_RATIO_TYPE))
    return hospitals.mutate(payment_factor=money.exact(1 - reduction.cast("decimal(20, 18)"), 18, 10))


@rule(
    "42 CFR 412.64(d)(2)",
    gives="payment_reduction",
    unit="usd",
    inputs=("payment_reduction_ratio", "base_operating_drg_payment_amount"),
)
def payment_reduction(hospitals: ir.Table) -> ir.Table:
    """Multiply the payments of the year, as they are with the full update, by the reduction."""
    amount = money.exact(_.base_operating_drg_payment_amount * _.payment_reduction_ratio, 28, 10)
    none = ibis.literal(0).cast("decimal(28, 10)")
    return hospitals.mutate(payment_reduction=ibis.ifelse(_.payment_reduction_ratio == 0, none, amount))
