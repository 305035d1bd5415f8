"""From episodes to the reconciliation amount: scenario × hospital × episode category.

What belongs to the whole hospital stands on the row of every category. Money is rounded half up to the cent where it is
fixed. What is not known stays null.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.rules import rule

_CENTS = "decimal(18, 2)"
_FACTOR = "decimal(18, 12)"
_POINTS = "decimal(18, 4)"
_ONE = ibis.literal(1).cast(_FACTOR)
_NOTHING = ibis.literal(0).cast(_CENTS)
_HOSPITAL = ibis.window(group_by=["scenario_id", "provider_id"])
PERCENTILES = ("0", "30", "40", "50", "60", "70", "80", "90")
"""Percentiles from which points change."""


def _part(amount: ir.Value, factor: ir.Value) -> ir.DecimalValue:
    """Multiply an amount by a factor below 100, to the cent."""
    # 23 and 14 digits: both engines keep the product of 37 whole.
    return money.exact(amount.cast("decimal(23, 12)") * factor.cast("decimal(14, 12)"), 18, 2)


def _total(name: str) -> ir.DecimalValue:
    """Sum a quantity of the categories; null where one of them is missing."""
    missing = _[name].isnull().cast("int64").sum().over(_HOSPITAL)
    return ibis.ifelse(missing == 0, money.exact(_[name].sum().over(_HOSPITAL), 18, 2), ibis.null(_CENTS))


def _points(table: ir.Table, percentile: str, points: str) -> ir.DecimalValue:
    bands = [(table[percentile] >= int(bar), table[f"{points}_{bar}"]) for bar in reversed(PERCENTILES)]
    return ibis.cases(*bands, else_=ibis.null(_POINTS)).cast(_POINTS)


# --- Quality of CJR ---------------------------------------------------------------------------------------


@rule(
    "42 CFR 510.315(b)-(d)",
    gives="composite_score",
    unit="points",
    inputs=(
        "complication_percentile",
        "hcahps_percentile",
        "is_pro_submitted",
        "improvement_points",
        "complication_points",
        "hcahps_points",
        "patient_reported_outcome_points",
    ),
)
def composite_score(categories: ir.Table) -> ir.Table:
    """Add the points for complications, patient experience, reported outcomes and improvement (CJR); else as given."""
    complications = _points(categories, "complication_percentile", "complication_points")
    experience = _points(categories, "hcahps_percentile", "hcahps_points")
    none = ibis.literal(0).cast(_POINTS)
    submitted = ibis.ifelse(
        categories.is_pro_submitted.fill_null(False),  # noqa: FBT003
        categories.patient_reported_outcome_points.cast(_POINTS),
        none,
    )
    improved = ibis.coalesce(categories.improvement_points.cast(_POINTS), none)
    points = money.exact(complications + experience + submitted + improved, 18, 4)
    given = categories.composite_quality_score.cast(_POINTS)
    score = ibis.ifelse(categories.model == "cjr", ibis.coalesce(given, points), given)
    return categories.mutate(composite_score=score)


@rule(
    "42 CFR 510.315(e)-(f)",
    gives="is_payment_earned",
    unit="flag",
    inputs=("composite_score", "acceptable_from"),
)
def is_payment_earned(categories: ir.Table) -> ir.Table:
    """In CJR, a hospital below acceptable quality receives no reconciliation payment."""
    earned = ibis.cases(
        (_.composite_score.isnull(), ibis.null("boolean")),
        (_.model == "cjr", _.composite_score >= _.acceptable_from),
        else_=ibis.literal(True),  # noqa: FBT003
    )
    return categories.mutate(is_payment_earned=earned)


@rule(
    "42 CFR 510.300(c), 512.540",
    gives="discount",
    unit="ratio",
    inputs=("composite_score", "excellent_above", "good_from", "acceptable_from", "target_discount"),
)
def discount(categories: ir.Table) -> ir.Table:
    """Take the discount of the quality category (CJR), or that of the episode's group."""
    by_quality = ibis.cases(
        (_.composite_score > _.excellent_above, _.discount_excellent),
        (_.composite_score >= _.good_from, _.discount_good),
        (_.composite_score >= _.acceptable_from, _.discount_acceptable),
        (_.composite_score < _.acceptable_from, _.discount_below),
        else_=ibis.null("decimal(7, 6)"),
    )
    return categories.mutate(discount=ibis.ifelse(_.model == "cjr", by_quality, _.group_discount))


# --- Target and actual spending ---------------------------------------------------------------------------


@rule(
    "42 CFR 510.300(b), 512.540",
    gives="baseline_price",
    unit="usd",
    inputs=("hospital_baseline_price", "regional_baseline_price", "hospital_price_weight"),
)
def baseline_price(categories: ir.Table) -> ir.Table:
    """Blend the hospital's own and the region's baseline price."""
    weight = _.hospital_price_weight.cast(_FACTOR)
    rest = money.exact(-weight + _ONE, 18, 12)
    own = ibis.ifelse(weight == 0, _NOTHING, _part(_.hospital_baseline_price, weight))
    region = ibis.ifelse(rest == 0, _NOTHING, _part(_.regional_baseline_price, rest))
    return categories.mutate(baseline_price=money.exact(own + region, 18, 2))


@rule(
    "42 CFR 510.300(c), 512.545",
    gives="target_price",
    unit="usd",
    inputs=("baseline_price", "discount", "risk_adjustment_factor"),
)
def target_price(categories: ir.Table) -> ir.Table:
    """Take off the discount, and adjust for the patients' risk."""
    kept = money.exact(-_.discount.cast(_FACTOR) + _ONE, 18, 12)
    return categories.mutate(target_price=_part(_part(_.baseline_price, kept), _.risk_adjustment_factor))


@rule("42 CFR 510.305(e), 512.550", gives="target_spending", unit="usd", inputs=("target_price", "episodes"))
def target_spending(categories: ir.Table) -> ir.Table:
    """Multiply the target price by the episodes; a category without episodes has no target."""
    amount = money.exact(_.target_price.cast("decimal(19, 2)") * _.episodes.cast("decimal(18, 2)"), 18, 2)
    return categories.mutate(target_spending=ibis.ifelse(_.episodes == 0, _NOTHING, amount))


@rule(
    "42 CFR 510.305(e), 512.550",
    gives="category_difference",
    unit="usd",
    inputs=("target_spending", "actual_spending", "episodes", "low_volume_episodes"),
)
def category_difference(categories: ir.Table) -> ir.Table:
    """Take actual from target spending; losses in a category with few episodes do not count (TEAM)."""
    difference = money.exact(_.target_spending - _.actual_spending, 18, 2)
    few = (_.episodes < _.low_volume_episodes).fill_null(False)  # noqa: FBT003
    return categories.mutate(category_difference=ibis.ifelse(few & (difference < 0), _NOTHING, difference))


@rule("42 CFR 510.305(e), 512.550", gives="total_target", unit="usd", inputs=("target_spending",))
def total_target(categories: ir.Table) -> ir.Table:
    """Add up the targets of the categories."""
    return categories.mutate(total_target=_total("target_spending"))


@rule("42 CFR 510.305(e), 512.550", gives="raw_reconciliation", unit="usd", inputs=("category_difference",))
def raw_reconciliation(categories: ir.Table) -> ir.Table:
    """Net the categories: savings in one offset losses in another."""
    return categories.mutate(raw_reconciliation=_total("category_difference"))


# --- Quality adjustment and limits ------------------------------------------------------------------------


@rule(
    "42 CFR 512.550",
    gives="quality_adjusted_reconciliation",
    unit="usd",
    inputs=("raw_reconciliation", "composite_score", "highest_quality_reduction", "highest_quality_relief"),
)
def quality_adjusted_reconciliation(categories: ir.Table) -> ir.Table:
    """Lower a payment by up to a share for poor quality, and a repayment by up to a share for good quality.

    In CJR quality acts through the discount alone.
    """
    score = money.exact(
        _.composite_score.cast("decimal(23, 12)") * ibis.literal("0.01").cast("decimal(14, 12)"), 18, 12
    )
    reduction = money.exact((-score + _ONE).cast("decimal(19, 12)") * _.highest_quality_reduction.cast(_FACTOR), 18, 12)
    relief = money.exact(score.cast("decimal(19, 12)") * _.highest_quality_relief.cast(_FACTOR), 18, 12)
    taken = ibis.ifelse(_.raw_reconciliation < 0, relief, reduction)
    adjusted = money.exact(_.raw_reconciliation - _part(_.raw_reconciliation, taken), 18, 2)
    return categories.mutate(
        quality_adjusted_reconciliation=ibis.ifelse(_.model == "cjr", _.raw_reconciliation, adjusted)
    )


@rule(
    "42 CFR 510.305(e), 512.550",
    gives="limited_reconciliation",
    unit="usd",
    inputs=("quality_adjusted_reconciliation", "total_target", "stop_gain", "stop_loss"),
)
def limited_reconciliation(categories: ir.Table) -> ir.Table:
    """Pay no more than the stop-gain, and take back no more than the stop-loss, of the target."""
    most, least = _part(_.total_target, _.stop_gain), _part(_.total_target, _.stop_loss)
    amount = _.quality_adjusted_reconciliation
    limited = ibis.cases((amount > most, most), (amount < -least, -least), else_=amount)
    return categories.mutate(limited_reconciliation=money.exact(limited, 18, 2))


@rule(
    "42 CFR 510.305(g), 512.550",
    gives="reconciliation_amount",
    unit="usd",
    inputs=("limited_reconciliation", "is_payment_earned"),
)
def reconciliation_amount(categories: ir.Table) -> ir.Table:
    """The net payment reconciliation amount: paid to the hospital or, below zero, owed by it."""
    limited = _.limited_reconciliation
    amount = ibis.cases(
        (limited.isnull(), ibis.null(_CENTS)),
        (limited <= 0, limited),
        (_.is_payment_earned, limited),
        (~_.is_payment_earned, _NOTHING),
        else_=ibis.null(_CENTS),
    )
    return categories.mutate(reconciliation_amount=amount)
