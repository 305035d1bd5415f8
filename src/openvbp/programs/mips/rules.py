"""MIPS scoring and payment in the regulation's order: measures, quality category, final score, adjustment.

Grains: scenario × clinician × measure; scenario × clinician; scenario × clinician × category; scenario × clinician.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.operands import computed_once
from openvbp.payment import scaled_adjustments
from openvbp.rules import rule
from openvbp.scoring import decile_benchmarks
from openvbp.scoring.decile_benchmarks import POINT_DECIMALS, POINT_TYPE

_PER_MEASURE = 10
_PERCENT = 100
_STARTS = tuple(f"start_decile_{decile}" for decile in range(1, 11))
_AMOUNT = "decimal(28, 10)"
_NO_POINTS = ibis.null(POINT_TYPE)


def _points(value: ir.NumericValue) -> ir.DecimalValue:
    return money.exact(value, 18, POINT_DECIMALS)


def _number(value: int) -> ir.DecimalValue:
    return ibis.literal(value).cast(POINT_TYPE)


def _starts(measures: ir.Table) -> dict[int, ir.DecimalValue]:
    return {number: measures[name] for number, name in enumerate(_STARTS, start=1)}


# --- 414.1380(b)(1): quality measures -----------------------------------------------------------------


@rule(
    "42 CFR 414.1380(b)(1)(ii)",
    gives="decile",
    unit="count",
    inputs=("performance_rate", "is_inverse", *_STARTS),
)
def decile(measures: ir.Table) -> ir.Table:
    """Find the best decile of the benchmark whose start the performance rate reaches."""
    reached = decile_benchmarks.decile_reached(measures.performance_rate, _starts(measures), measures.is_inverse)
    return measures.mutate(decile=reached)


@rule(
    "42 CFR 414.1380(b)(1)(ii)",
    gives="decile_points",
    unit="points",
    inputs=("decile", "performance_rate", "is_inverse", *_STARTS),
)
def decile_points(measures: ir.Table) -> ir.Table:
    """Add to the decile the share of the way to the next decile, at most 0.9; the tenth decile gives 10."""
    points = decile_benchmarks.decile_points(
        measures.performance_rate, measures.decile, _starts(measures), measures.is_inverse
    )
    return computed_once(measures.mutate(decile_points=points))


@rule(
    "42 CFR 414.1380(b)(1)(i), (iii)-(iv)",
    gives="achievement_points",
    unit="points",
    inputs=(
        "decile_points",
        "floor_points",
        "is_capped",
        "topped_out_cap",
        "cases",
        "minimum_cases",
        "unscorable_points",
        "reported_share",
        "data_completeness",
        "incomplete_points",
    ),
)
def achievement_points(measures: ir.Table) -> ir.Table:
    """Give the decile's points, not below the floor nor above the cap of topped-out measures.

    A submitted measure that is not complete, has too few cases or has no benchmark gets fixed points. A measure that is
    calculated from claims counts only with a benchmark and enough cases. A benchmark that cannot be read gives none.
    """
    floored = ibis.greatest(_.decile_points, _.floor_points)
    scored = ibis.ifelse(_.is_capped, ibis.least(floored, _.topped_out_cap), floored)
    is_scorable = (_.cases >= _.minimum_cases) & _.decile_points.notnull()
    points = ibis.cases(
        (_.has_unusable_benchmark, _NO_POINTS),
        (_.is_calculated, ibis.ifelse(is_scorable, scored, _NO_POINTS)),
        (_.reported_share < _.data_completeness, _.incomplete_points),
        (is_scorable, scored),
        else_=_.unscorable_points,
    )
    return measures.mutate(achievement_points=_points(points))


@rule(
    "42 CFR 414.1335(a)(1), 414.1380(b)(1)",
    gives="is_counted",
    unit="flag",
    inputs=("achievement_points", "is_outcome_or_high_priority", "required_measures"),
)
def is_counted(measures: ir.Table) -> ir.Table:
    """Count the required number of submitted measures with the most points, and every calculated one with points.

    The best outcome or other high-priority measure is always among them; without one its place stays empty.
    """
    group = ["scenario_id", "provider_id", "is_calculated"]
    by_points = [ibis.desc("achievement_points"), "measure_id"]
    among_outcomes = ibis.window(group_by=[*group, "is_outcome_or_high_priority"], order_by=by_points)
    marked = measures.mutate(
        is_best_outcome=_.is_outcome_or_high_priority & (ibis.row_number().over(among_outcomes) == 0)
    )
    order = [ibis.desc("is_best_outcome"), *by_points]
    ranked = marked.mutate(
        place=ibis.row_number().over(ibis.window(group_by=group, order_by=order)),
        has_outcome=_.is_best_outcome.any().over(ibis.window(group_by=group)),
    )
    places = ranked.required_measures - ibis.ifelse(ranked.has_outcome, 0, 1)
    counted = ibis.ifelse(ranked.is_calculated, ranked.achievement_points.notnull(), ranked.place < places)
    return ranked.mutate(is_counted=counted).drop("is_best_outcome", "place", "has_outcome")


# --- 414.1380(b)(1)(v)-(vii): quality category --------------------------------------------------------


@rule(
    "42 CFR 414.1380(b)(1)(vii)",
    gives="available_points",
    unit="points",
    inputs=("required_measures", "calculated_measures"),
)
def available_points(clinicians: ir.Table) -> ir.Table:
    """Take ten points for every measure that is required, submitted or not, and every calculated one that counts."""
    return clinicians.mutate(available_points=(_.required_measures + _.calculated_measures) * _PER_MEASURE)


@rule(
    "42 CFR 414.1380(b)(1)(v)",
    gives="measure_bonus",
    unit="points",
    inputs=(
        "high_priority_bonus_points",
        "high_priority_bonus_cap",
        "end_to_end_bonus_points",
        "end_to_end_bonus_cap",
        "small_practice_quality_bonus",
        "submitted_measures",
    ),
)
def measure_bonus(clinicians: ir.Table) -> ir.Table:
    """Add the bonuses for further measures and electronic reporting, each up to its cap, and of small practices."""
    available = _.available_points.cast("decimal(7, 0)")
    parts = [
        ibis.least(
            _points(clinicians[f"{name}_bonus_points"].fill_null(0)),
            _points(available * clinicians[f"{name}_bonus_cap"].cast("decimal(7, 4)")),
        )
        for name in ("high_priority", "end_to_end")
    ]
    small = ibis.ifelse(
        _.is_small_practice & (_.submitted_measures > 0), _points(_.small_practice_quality_bonus), _number(0)
    )
    return clinicians.mutate(measure_bonus=_points(parts[0] + parts[1] + small))


@rule(
    "42 CFR 414.1380(b)(1)(vi)(C)",
    gives="quality_achievement",
    unit="points",
    inputs=("achievement_points", "is_counted", "available_points"),
)
def quality_achievement(clinicians: ir.Table) -> ir.Table:
    """Divide the points of the counted measures by the available points, as a percentage without bonus."""
    return clinicians.mutate(quality_achievement=_percent_of_available(_.counted_point_units))


def _percent_of_available(units: ir.IntegerValue) -> ir.DecimalValue:
    percent = money.round_half_up_quotient(units * _PERCENT, _.available_points)
    is_known = _.is_quality_measured & ~_.has_unknown_points
    return ibis.ifelse(is_known, money.from_units(percent, POINT_DECIMALS), _NO_POINTS)


@rule(
    "42 CFR 414.1380(b)(1)(vi)(C)",
    gives="quality_improvement",
    unit="points",
    inputs=("quality_achievement", "earlier_quality_achievement", "improvement_floor", "maximum_improvement"),
)
def quality_improvement(clinicians: ir.Table) -> ir.Table:
    """Divide the increase over the earlier achievement, of at least 30 %, by it; a doubling gives the most."""
    earlier = ibis.greatest(_points(_.earlier_quality_achievement), _points(_.improvement_floor))
    increase = ibis.greatest(_.quality_achievement - earlier, _number(0))
    share = money.divide_half_up(
        money.in_units(increase, POINT_DECIMALS), money.in_units(earlier, POINT_DECIMALS), money.SCORE_DECIMALS
    )
    one = ibis.literal(1).cast(money.SCORE_TYPE)
    gained = _points(ibis.least(share, one).cast("decimal(19, 12)") * _.maximum_improvement.cast("decimal(7, 2)"))
    # No earlier year, no improvement.
    none = ibis.ifelse(_.quality_achievement.notnull(), _number(0), _NO_POINTS)
    known = _.earlier_quality_achievement.notnull() & _.quality_achievement.notnull()
    return computed_once(clinicians.mutate(quality_improvement=ibis.ifelse(known, gained, none)))


@rule(
    "42 CFR 414.1380(b)(1)(vii)",
    gives="quality_score",
    unit="points",
    inputs=("achievement_points", "is_counted", "measure_bonus", "available_points", "quality_improvement"),
)
def quality_score(clinicians: ir.Table) -> ir.Table:
    """Divide the points with bonus by the available points, add the improvement; at most 100."""
    percent = _percent_of_available(_.counted_point_units + money.in_units(_.measure_bonus, POINT_DECIMALS))
    score = _points(percent + _.quality_improvement)
    known = ibis.least(score, _number(_PERCENT))
    return clinicians.mutate(quality_score=ibis.ifelse(score.isnull(), _NO_POINTS, known))


# --- 414.1380(c): final score -------------------------------------------------------------------------


@rule(
    "42 CFR 414.1380(b)",
    gives="category_score",
    unit="points",
    inputs=("quality_score", "given_score"),
)
def category_score(categories: ir.Table) -> ir.Table:
    """Take the quality score that the measures give; of every other category the score that is given."""
    given = _points(_.given_score)
    return categories.mutate(category_score=ibis.ifelse(_.is_measured, _.quality_score, given))


@rule(
    "42 CFR 414.1380(c)(2)",
    gives="category_weight",
    unit="ratio",
    inputs=("is_reweighted", "redistributed_weight"),
)
def category_weight(categories: ir.Table) -> ir.Table:
    """Take the weight for the categories that are reweighted to zero; none where fewer than two are left."""
    none = ibis.literal(0).cast("decimal(7, 4)")
    weight = _.redistributed_weight.fill_null(none)
    return categories.mutate(category_weight=ibis.ifelse(_.is_reweighted, none, weight))


@rule(
    "42 CFR 414.1380(c)",
    gives="weighted_score",
    unit="points",
    inputs=("category_score", "category_weight"),
)
def weighted_score(categories: ir.Table) -> ir.Table:
    """Multiply the category's score by its weight; a category without weight needs no score."""
    product = _points(_.category_score.cast("decimal(19, 10)") * _.category_weight)
    return categories.mutate(weighted_score=ibis.ifelse(_.category_weight == 0, _number(0), product))


@rule(
    "42 CFR 414.1380(c)",
    gives="final_score",
    unit="points",
    inputs=(
        "weighted_score",
        "complex_patient_bonus",
        "maximum_complex_patient_bonus",
        "small_practice_final_bonus",
        "scored_categories",
        "performance_threshold",
    ),
)
def final_score(clinicians: ir.Table) -> ir.Table:
    """Add the weighted scores and the bonuses, at most 100.

    With fewer than two scored categories the final score is the performance threshold.
    """
    complexity = ibis.least(_.complex_patient_bonus.fill_null(0), _.maximum_complex_patient_bonus)
    small = ibis.ifelse(_.is_small_practice, _.small_practice_final_bonus, 0)
    total = _points(_points(_.weighted_total) + _points(complexity) + _points(small))
    score = ibis.cases(
        (_.scored_categories < 2, _points(_.performance_threshold)),
        (total.isnull(), _NO_POINTS),
        else_=ibis.least(total, _number(_PERCENT)),
    )
    return clinicians.mutate(final_score=ibis.ifelse(_.excluded_reason.isnull(), score, _NO_POINTS))


# --- 414.1405: payment --------------------------------------------------------------------------------


@rule(
    "42 CFR 414.1405(a)-(c)",
    gives="linear_adjustment",
    unit="ratio",
    inputs=("final_score", "performance_threshold", "applicable_percent"),
)
def linear_adjustment(clinicians: ir.Table) -> ir.Table:
    """Place the final score between the full reduction, zero at the threshold, and the full increase at 100.

    Up to a quarter of the threshold the full reduction applies.
    """
    adjustment = scaled_adjustments.linear_adjustment(_.final_score, _.performance_threshold, _.applicable_percent)
    return computed_once(clinicians.mutate(linear_adjustment=adjustment))


@rule(
    "42 U.S.C. 1395w-4(q)(6)(F)(i)-(iii)",
    gives="scaling_factor",
    unit="multiplier",
    inputs=("linear_adjustment", "paid_amount", "maximum_scaling_factor"),
)
def scaling_factor(reductions: Decimal, increases: Decimal, maximum: Decimal) -> Decimal:
    """Scale the increases so that together they equal the reductions, by at most three."""
    return scaled_adjustments.neutral_scale(reductions, increases, maximum)


@rule(
    "42 CFR 414.1405(b)(3)",
    gives="payment_adjustment",
    unit="ratio",
    inputs=("linear_adjustment", "scaling_factor"),
)
def payment_adjustment(clinicians: ir.Table) -> ir.Table:
    """Multiply an increase by the scaling factor; a reduction stays as it is."""
    increase = scaled_adjustments.scaled(_.linear_adjustment, _.scaling_factor)
    return clinicians.mutate(payment_adjustment=ibis.ifelse(_.linear_adjustment > 0, increase, _.linear_adjustment))


_LAST_ADDITIONAL = date(2022, 12, 31)


@rule(
    "42 CFR 414.1405(d)",
    gives="sliding_adjustment",
    unit="ratio",
    inputs=("final_score", "additional_threshold", "additional_minimum", "additional_maximum"),
    until=_LAST_ADDITIONAL,
)
def sliding_adjustment(clinicians: ir.Table) -> ir.Table:
    """Give the lowest share at the additional threshold and the highest at 100, on a line between."""
    return computed_once(
        clinicians.mutate(
            sliding_adjustment=scaled_adjustments.sliding_scale(
                _.final_score, _.additional_threshold, _.additional_minimum, _.additional_maximum
            )
        )
    )


@rule(
    "42 U.S.C. 1395w-4(q)(6)(F)(iv)",
    gives="additional_scaling_factor",
    unit="multiplier",
    inputs=("sliding_adjustment", "paid_amount", "additional_pool_amount"),
    until=_LAST_ADDITIONAL,
)
def additional_scaling_factor(pool: Decimal, increases: Decimal) -> Decimal:
    """Scale the additional adjustments so that together they do not exceed the pool, by at most one."""
    return scaled_adjustments.neutral_scale(pool, increases, Decimal(1))


@rule(
    "42 CFR 414.1405(d)",
    gives="additional_adjustment",
    unit="ratio",
    inputs=("sliding_adjustment", "additional_scaling_factor"),
    until=_LAST_ADDITIONAL,
)
def additional_adjustment(clinicians: ir.Table) -> ir.Table:
    """Multiply the share of the sliding scale by its scaling factor; nothing times any factor is nothing."""
    product = scaled_adjustments.scaled(_.sliding_adjustment, _.additional_scaling_factor)
    return clinicians.mutate(
        additional_adjustment=ibis.ifelse(_.sliding_adjustment == 0, _.sliding_adjustment, product)
    )


@rule(
    "42 CFR 414.1405(e)",
    gives="payment_factor",
    unit="multiplier",
    inputs=("payment_adjustment", "additional_adjustment"),
    until=_LAST_ADDITIONAL,
)
def payment_factor_with_additional(clinicians: ir.Table) -> ir.Table:
    """Add both adjustments to one."""
    return clinicians.mutate(payment_factor=_factor(_.payment_adjustment + _.additional_adjustment))


@rule(
    "42 CFR 414.1405(e)",
    gives="payment_factor",
    unit="multiplier",
    inputs=("payment_adjustment",),
    since=date(2023, 1, 1),
)
def payment_factor(clinicians: ir.Table) -> ir.Table:
    """Add the adjustment to one; outside the program the factor is one."""
    return clinicians.mutate(payment_factor=_factor(_.payment_adjustment))


def _factor(adjustment: ir.DecimalValue) -> ir.DecimalValue:
    factor = money.exact(adjustment + 1, 18, 10)
    return ibis.ifelse(_.excluded_reason.isnull(), factor, ibis.literal(1).cast("decimal(18, 10)"))


@rule(
    "42 CFR 414.1405(e)",
    gives="adjustment_amount",
    unit="usd",
    inputs=("payment_adjustment", "paid_amount"),
)
def adjustment_amount(clinicians: ir.Table) -> ir.Table:
    """Multiply the amount paid for covered professional services by the adjustment."""
    return clinicians.mutate(adjustment_amount=_amount(_.payment_adjustment))


@rule(
    "42 CFR 414.1405(e)",
    gives="additional_amount",
    unit="usd",
    inputs=("additional_adjustment", "paid_amount"),
    until=_LAST_ADDITIONAL,
)
def additional_amount(clinicians: ir.Table) -> ir.Table:
    """Multiply the amount paid for covered professional services by the additional adjustment."""
    return clinicians.mutate(additional_amount=_amount(_.additional_adjustment))


def _amount(adjustment: ir.DecimalValue) -> ir.DecimalValue:
    product = money.exact(_.paid_amount.cast("decimal(18, 2)") * adjustment.cast("decimal(19, 16)"), 28, 10)
    return ibis.ifelse(adjustment == 0, ibis.literal(0).cast(_AMOUNT), product)
