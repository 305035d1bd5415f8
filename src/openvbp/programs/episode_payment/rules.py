"""From episodes to the reconciliation amount: scenario × hospital × episode category.

What belongs to the whole hospital stands on the row of every category. Money is rounded half up to the cent where it is
fixed. What is not known stays null.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.payment.amounts import part_to_the_cent, sum_if_all_known
from openvbp.payment.shared_savings import portion
from openvbp.rules import rule

_CENTS = "decimal(18, 2)"
_FACTOR = "decimal(18, 12)"
_POINTS = "decimal(18, 4)"
_EXACT = "decimal(28, 10)"
_ONE = ibis.literal(1).cast(_FACTOR)
_NOTHING = ibis.literal(0).cast(_CENTS)
_HOSPITAL = ibis.window(group_by=["scenario_id", "provider_id"])
_BEST_DECILE = 9
PERCENTILES = ("0", "30", "40", "50", "60", "70", "80", "90")
"""Percentiles from which points change."""


def _points(table: ir.Table, measure: str, is_too_small: ir.BooleanValue) -> ir.DecimalValue:
    """Points of a measure's percentile; those of the 50th where the hospital has too few cases for a value."""
    percentile = table[f"{measure}_percentile"]
    bands = [(percentile >= int(bar), table[f"{measure}_points_{bar}"]) for bar in reversed(PERCENTILES)]
    small = is_too_small.fill_null(False)  # noqa: FBT003
    return ibis.cases((small, table[f"{measure}_points_50"]), *bands, else_=ibis.null(_POINTS)).cast(_POINTS)


def _improvement(table: ir.Table, measure: str, is_too_small: ir.BooleanValue) -> ir.DecimalValue:
    """A share of the measure's most points where its percentile rose by so many deciles; else nothing."""
    now, before = _decile(table[f"{measure}_percentile"]), _decile(table[f"earlier_{measure}_percentile"])
    has_risen = (now - before >= table.improvement_deciles) & ~is_too_small.fill_null(False)  # noqa: FBT003
    points = money.exact(portion(table[f"{measure}_points_{PERCENTILES[-1]}"], table.improvement_share), 18, 4)
    return ibis.ifelse(has_risen.fill_null(False), points, ibis.literal(0).cast(_POINTS))  # noqa: FBT003


def _decile(percentile: ir.DecimalValue) -> ir.IntegerValue:
    whole = money.floor_quotient(money.in_units(percentile, 6), ibis.literal(10 * 10**6))
    return ibis.ifelse(whole > _BEST_DECILE, _BEST_DECILE, whole)


def _less(price: ir.DecimalValue, discount: ir.DecimalValue) -> ir.DecimalValue:
    """Take off a discount."""
    return part_to_the_cent(price, money.exact(-discount.cast(_FACTOR) + _ONE, 18, 12))


def _times(price: ir.DecimalValue, episodes: ir.IntegerValue) -> ir.DecimalValue:
    """Multiply a price by the episodes; a category without episodes has no target."""
    amount = money.exact(price.cast("decimal(19, 2)") * episodes.cast("decimal(18, 2)"), 18, 2)
    return ibis.ifelse(episodes == 0, _NOTHING, amount)


def _difference(target: ir.DecimalValue) -> ir.DecimalValue:
    """Take actual spending from a target; losses in a category with few episodes do not count (TEAM)."""
    difference = money.exact(target - _.actual_spending, 18, 2)
    few = (_.episodes < _.low_volume_episodes).fill_null(False)  # noqa: FBT003
    return ibis.ifelse(few & (difference < 0), _NOTHING, difference)


# --- Quality of CJR ---------------------------------------------------------------------------------------


@rule(
    "42 CFR 510.315(d)",
    gives="quality_improvement_points",
    unit="points",
    inputs=(
        "complication_percentile",
        "earlier_complication_percentile",
        "hcahps_percentile",
        "earlier_hcahps_percentile",
        "complication_points",
        "hcahps_points",
        "improvement_deciles",
        "improvement_share",
        "improvement_points",
    ),
)
def quality_improvement_points(categories: ir.Table) -> ir.Table:
    """Give a share of a measure's most points where its percentile rose by enough deciles (CJR); or points as given."""
    complications = _improvement(categories, "complication", _has_few_cases(categories))
    experience = _improvement(categories, "hcahps", _has_few_surveys(categories))
    points = ibis.coalesce(categories.improvement_points.cast(_POINTS), money.exact(complications + experience, 18, 4))
    return categories.mutate(
        quality_improvement_points=ibis.ifelse(categories.model == "cjr", points, ibis.null(_POINTS))
    )


@rule(
    "42 CFR 510.315(b)-(e)",
    gives="composite_score",
    unit="points",
    inputs=(
        "complication_percentile",
        "complication_cases",
        "minimum_complication_cases",
        "complication_points",
        "hcahps_percentile",
        "hcahps_surveys",
        "minimum_hcahps_surveys",
        "hcahps_points",
        "is_pro_submitted",
        "patient_reported_outcome_points",
        "quality_improvement_points",
        "highest_composite_score",
        "composite_quality_score",
    ),
)
def composite_score(categories: ir.Table) -> ir.Table:
    """Add the points for complications, patient experience, reported outcomes and improvement (CJR); else as given.

    A hospital with too few cases or surveys for a value gets the points of the 50th percentile.
    """
    none = ibis.literal(0).cast(_POINTS)
    submitted = ibis.ifelse(
        categories.is_pro_submitted.fill_null(False),  # noqa: FBT003
        categories.patient_reported_outcome_points.cast(_POINTS),
        none,
    )
    points = money.exact(
        _points(categories, "complication", _has_few_cases(categories))
        + _points(categories, "hcahps", _has_few_surveys(categories))
        + submitted
        + categories.quality_improvement_points,
        18,
        4,
    )
    most = categories.highest_composite_score.cast(_POINTS)
    given = categories.composite_quality_score.cast(_POINTS)
    score = ibis.coalesce(given, ibis.ifelse(points > most, most, points))
    return categories.mutate(composite_score=ibis.ifelse(categories.model == "cjr", score, given))


def _has_few_cases(categories: ir.Table) -> ir.BooleanValue:
    return categories.complication_cases < categories.minimum_complication_cases


def _has_few_surveys(categories: ir.Table) -> ir.BooleanValue:
    return categories.hcahps_surveys < categories.minimum_hcahps_surveys


@rule(
    "42 CFR 510.305(f)(2), (g)",
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
    "42 CFR 510.300(c)(2), 510.315(f), 512.540",
    gives="discount",
    unit="ratio",
    inputs=("composite_score", "excellent_above", "good_from", "acceptable_from", "target_discount"),
)
def discount(categories: ir.Table) -> ir.Table:
    """Take the discount of the quality category (CJR), or that of the episode's group."""
    return categories.mutate(discount=_by_quality("discount"))


@rule(
    "42 CFR 510.300(c)(3), 510.315(f), 512.540",
    gives="loss_discount",
    unit="ratio",
    inputs=("composite_score", "excellent_above", "good_from", "acceptable_from", "repayment_discount"),
)
def loss_discount(categories: ir.Table) -> ir.Table:
    """Take the discount for repayments of the quality category (CJR); elsewhere it is that for payments."""
    return categories.mutate(loss_discount=_by_quality("loss_discount"))


def _by_quality(name: str) -> ir.DecimalValue:
    by_quality = ibis.cases(
        (_.composite_score > _.excellent_above, _[f"{name}_excellent"]),
        (_.composite_score >= _.good_from, _[f"{name}_good"]),
        (_.composite_score >= _.acceptable_from, _[f"{name}_acceptable"]),
        (_.composite_score < _.acceptable_from, _[f"{name}_below"]),
        else_=ibis.null("decimal(7, 6)"),
    )
    return ibis.ifelse(_.model == "cjr", by_quality, _.group_discount)


# --- Target and actual spending ---------------------------------------------------------------------------


@rule(
    "42 CFR 510.300(b)(2)-(3), 512.540",
    gives="baseline_price",
    unit="usd",
    inputs=(
        "hospital_baseline_price",
        "regional_baseline_price",
        "hospital_price_weight",
        "baseline_episodes",
        "low_volume_baseline_episodes",
    ),
)
def baseline_price(categories: ir.Table) -> ir.Table:
    """Blend the hospital's own and the region's baseline price; the region's alone with few baseline episodes (CJR)."""
    few = (_.baseline_episodes < _.low_volume_baseline_episodes).fill_null(False)  # noqa: FBT003
    weight = ibis.ifelse(few, ibis.literal(0).cast(_FACTOR), _.hospital_price_weight.cast(_FACTOR))
    rest = money.exact(-weight + _ONE, 18, 12)
    own = ibis.ifelse(weight == 0, _NOTHING.cast(_EXACT), portion(_.hospital_baseline_price, weight))
    region = ibis.ifelse(rest == 0, _NOTHING.cast(_EXACT), portion(_.regional_baseline_price, rest))
    return categories.mutate(baseline_price=money.exact(own + region, 18, 2))


@rule(
    "42 CFR 510.300(c)(2), 512.545",
    gives="target_price",
    unit="usd",
    inputs=("baseline_price", "discount", "risk_adjustment_factor"),
)
def target_price(categories: ir.Table) -> ir.Table:
    """Take off the discount, and adjust for the patients' risk."""
    return categories.mutate(
        target_price=part_to_the_cent(_less(_.baseline_price, _.discount), _.risk_adjustment_factor)
    )


@rule(
    "42 CFR 510.300(c)(3), 512.545",
    gives="loss_target_price",
    unit="usd",
    inputs=("baseline_price", "loss_discount", "risk_adjustment_factor"),
)
def loss_target_price(categories: ir.Table) -> ir.Table:
    """Take off the discount for repayments, and adjust for the patients' risk."""
    price = part_to_the_cent(_less(_.baseline_price, _.loss_discount), _.risk_adjustment_factor)
    return categories.mutate(loss_target_price=price)


@rule("42 CFR 510.305(e)(1)(ii), 512.550", gives="target_spending", unit="usd", inputs=("target_price", "episodes"))
def target_spending(categories: ir.Table) -> ir.Table:
    """Multiply the target price by the episodes; a category without episodes has no target."""
    return categories.mutate(target_spending=_times(_.target_price, _.episodes))


@rule(
    "42 CFR 510.305(e)(1)(ii), 512.550",
    gives="loss_target_spending",
    unit="usd",
    inputs=("loss_target_price", "episodes"),
)
def loss_target_spending(categories: ir.Table) -> ir.Table:
    """Multiply the target price for repayments by the episodes."""
    return categories.mutate(loss_target_spending=_times(_.loss_target_price, _.episodes))


@rule(
    "42 CFR 510.305(e)(1)(iv), 512.550",
    gives="category_difference",
    unit="usd",
    inputs=("target_spending", "actual_spending", "episodes", "low_volume_episodes"),
)
def category_difference(categories: ir.Table) -> ir.Table:
    """Take actual from target spending; losses in a category with few episodes do not count (TEAM)."""
    return categories.mutate(category_difference=_difference(_.target_spending))


@rule(
    "42 CFR 510.305(e)(1)(iv), 512.550",
    gives="category_loss_difference",
    unit="usd",
    inputs=("loss_target_spending", "actual_spending", "episodes", "low_volume_episodes"),
)
def category_loss_difference(categories: ir.Table) -> ir.Table:
    """Take actual spending from the target for repayments; losses of few episodes do not count (TEAM)."""
    return categories.mutate(category_loss_difference=_difference(_.loss_target_spending))


@rule("42 CFR 510.305(e)(1)(iii), 512.550", gives="total_target", unit="usd", inputs=("target_spending",))
def total_target(categories: ir.Table) -> ir.Table:
    """Add up the targets of the categories."""
    return categories.mutate(total_target=sum_if_all_known("target_spending", _HOSPITAL))


@rule("42 CFR 510.305(e)(1)(iii), 512.550", gives="total_loss_target", unit="usd", inputs=("loss_target_spending",))
def total_loss_target(categories: ir.Table) -> ir.Table:
    """Add up the targets for repayments."""
    return categories.mutate(total_loss_target=sum_if_all_known("loss_target_spending", _HOSPITAL))


@rule(
    "42 CFR 510.305(e)(1)(iv), 512.550",
    gives="raw_reconciliation",
    unit="usd",
    inputs=("category_difference", "category_loss_difference"),
)
def raw_reconciliation(categories: ir.Table) -> ir.Table:
    """Net the categories: savings in one offset losses in another.

    Spending above the target for payments but not above that for repayments, whose discount may be smaller, neither
    earns nor costs anything.
    """
    gain, loss = (
        sum_if_all_known("category_difference", _HOSPITAL),
        sum_if_all_known("category_loss_difference", _HOSPITAL),
    )
    amount = ibis.cases((gain > 0, gain), (loss < 0, loss), (gain.notnull() & loss.notnull(), _NOTHING))
    return categories.mutate(raw_reconciliation=amount.cast(_CENTS))


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
    adjusted = money.exact(_.raw_reconciliation - part_to_the_cent(_.raw_reconciliation, taken), 18, 2)
    return categories.mutate(
        quality_adjusted_reconciliation=ibis.ifelse(_.model == "cjr", _.raw_reconciliation, adjusted)
    )


@rule(
    "42 CFR 510.305(e)(1)(v), 512.550",
    gives="limited_reconciliation",
    unit="usd",
    inputs=("quality_adjusted_reconciliation", "total_target", "stop_gain", "total_loss_target", "stop_loss"),
)
def limited_reconciliation(categories: ir.Table) -> ir.Table:
    """Pay no more than the stop-gain, and take back no more than the stop-loss, of the target."""
    most, least = part_to_the_cent(_.total_target, _.stop_gain), part_to_the_cent(_.total_loss_target, _.stop_loss)
    amount = _.quality_adjusted_reconciliation
    limited = ibis.cases((amount > most, most), (amount < -least, -least), else_=amount)
    return categories.mutate(limited_reconciliation=money.exact(limited, 18, 2))


@rule(
    "42 CFR 510.305(f)-(g), 512.550",
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
