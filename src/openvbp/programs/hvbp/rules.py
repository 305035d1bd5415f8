"""Hospital Value-Based Purchasing, paragraph by paragraph.

Each rule adds the column that it is named for. Three grains follow one another: measures (scenario × hospital
× measure), domains (scenario × hospital × domain), hospitals (scenario × hospital).
"""

from __future__ import annotations

from decimal import Decimal

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.payment import linear_exchange
from openvbp.rules import rule
from openvbp.scoring import achievement, logistic

WEIGHT_DECIMALS = 4
"""Decimals that a domain weight may have."""

EQUITY_POINTS_TYPE = "decimal(9, 4)"
"""Points of the health equity adjustment, in which only a what-if has fractions."""

_NO_POINTS = ibis.null("int64")


# --- 412.165(a): points of a measure ------------------------------------------------------------------


@rule(
    "42 CFR 412.165(a)(1)",
    gives="is_measure_scored",
    unit="flag",
    inputs=("performance_rate", "performance_cases", "minimum_cases"),
)
def is_measure_scored(measures: ir.Table) -> ir.Table:
    """A measure is scored if the hospital has the minimum number of cases in the performance period.

    Public files do not give the cases: there, a measure is scored if the file prints points for it.
    """
    published = ibis.ifelse(
        _.has_published_points, _.published_achievement_points.notnull(), _.performance_rate.notnull()
    )
    return measures.mutate(
        is_measure_scored=ibis.coalesce(_.performance_cases >= _.minimum_cases, published) & _.input_problem.isnull()
    )


@rule(
    "42 CFR 412.165(a)(2), (4)",
    gives="achievement_points",
    unit="points",
    inputs=("performance_rate", "achievement_threshold", "benchmark", "is_measure_scored"),
)
def achievement_points(measures: ir.Table) -> ir.Table:
    """Give 10 points at or above the benchmark, 0 below the achievement threshold, 1 to 9 between.

    Where a file prints points but no rates, its points are taken.
    """
    computed = achievement.achievement_points(
        achievement.oriented(_.performance_rate, _.is_higher_better),
        achievement.oriented(_.achievement_threshold, _.is_higher_better),
        achievement.oriented(_.benchmark, _.is_higher_better),
    )
    return measures.mutate(
        achievement_points=ibis.ifelse(
            _.is_measure_scored, ibis.coalesce(computed, _.published_achievement_points), _NO_POINTS
        )
    )


@rule(
    "42 CFR 412.165(a)(3)",
    gives="improvement_points",
    unit="points",
    inputs=("performance_rate", "baseline_rate", "benchmark", "is_measure_scored", "baseline_cases"),
)
def improvement_points(measures: ir.Table) -> ir.Table:
    """Give 0 to 9 points for improvement over the hospital's own baseline rate.

    Only where the baseline period has the minimum number of cases, even if a baseline rate is printed.
    """
    published = ibis.ifelse(_.has_published_points, _.published_improvement_points.notnull(), True)  # noqa: FBT003
    has_baseline = ibis.coalesce(_.baseline_cases >= _.minimum_cases, published)
    computed = achievement.improvement_points(
        achievement.oriented(_.performance_rate, _.is_higher_better),
        achievement.oriented(_.baseline_rate, _.is_higher_better),
        achievement.oriented(_.benchmark, _.is_higher_better),
    )
    return measures.mutate(
        improvement_points=ibis.ifelse(
            _.is_measure_scored & has_baseline, ibis.coalesce(computed, _.published_improvement_points), _NO_POINTS
        )
    )


@rule(
    "42 U.S.C. 1395ww(o)(5)(B)(ii)",
    gives="measure_points",
    unit="points",
    inputs=("achievement_points", "improvement_points"),
)
def measure_points(measures: ir.Table) -> ir.Table:
    """Score the higher of achievement and improvement."""
    return measures.mutate(
        measure_points=ibis.ifelse(
            _.achievement_points.isnull(),
            _NO_POINTS,
            ibis.greatest(_.achievement_points, ibis.coalesce(_.improvement_points, _.achievement_points)),
        )
    )


@rule(
    "76 FR 26490",
    gives="dimension_consistency_points",
    unit="points",
    inputs=("performance_rate", "floor", "achievement_threshold", "is_measure_scored"),
)
def dimension_consistency_points(measures: ir.Table) -> ir.Table:
    """Place an HCAHPS dimension between the floor (0 points) and the achievement threshold (20 points)."""
    rate = money.in_units(_.performance_rate, money.RATE_DECIMALS)
    threshold = money.in_units(_.achievement_threshold, money.RATE_DECIMALS)
    floor = money.in_units(_.floor, money.RATE_DECIMALS)
    between = money.round_half_up_quotient((rate - floor) * 20, threshold - floor, plus_halves=-1)
    points = ibis.cases((rate >= threshold, 20), (rate < floor, 0), else_=between)
    return measures.mutate(
        dimension_consistency_points=ibis.ifelse(_.is_measure_scored & floor.notnull(), points, _NO_POINTS)
    )


@rule(
    "78 FR 50496",
    gives="combined_points",
    unit="points",
    inputs=("measure_points[HAI-3]", "measure_points[HAI-4]", "published_measure_points"),
)
def combined_points(measures: ir.Table) -> ir.Table:
    """Average the points of the infection sites, weighted by predicted infections, rounded half up.

    The predicted infections are not public. Without them the average is known only if one site is scored or
    both have the same points; otherwise the published combined score is taken, if it lies between the two.
    """
    parts = measures.filter(_.combined_into.notnull() & _.measure_points.notnull())
    weight = money.in_units(_.performance_cases, 4)
    sites = parts.group_by("scenario_id", "provider_id", combination=_.combined_into).agg(
        lowest=_.measure_points.min(),
        highest=_.measure_points.max(),
        weighted_sum=money.whole_sum(_.measure_points * weight),
        # A site without a known weight makes the sum of weights null, hence the average.
        weights=ibis.ifelse(weight.isnull().any(), _NO_POINTS, money.whole_sum(weight)),
    )
    keys = ["scenario_id", "provider_id", ("measure_id", "combination")]
    joined = measures.left_join(sites, keys).drop("scenario_id_right", "provider_id_right", "combination")
    average = money.round_half_up_quotient(_.weighted_sum, _.weights)
    published = ibis.ifelse(
        _.published_measure_points.between(_.lowest, _.highest), _.published_measure_points, _NO_POINTS
    )
    points = ibis.cases((_.lowest == _.highest, _.lowest), else_=ibis.coalesce(average, published))
    return (
        joined.mutate(combined_points=points, is_published_taken=(_.lowest != _.highest) & average.isnull())
        .mutate(measure_points=ibis.ifelse(_.is_combination, _.combined_points, _.measure_points))
        .drop("weighted_sum", "weights")
    )


# --- 412.165(b): domains and the Total Performance Score ----------------------------------------------


@rule(
    "76 FR 26490",
    gives="hcahps_base_points",
    unit="points",
    inputs=("measure_points",),
)
def hcahps_base_points(domains: ir.Table) -> ir.Table:
    """Add up the points of all HCAHPS dimensions; none may be missing."""
    complete = _.is_hcahps & (_.scored_measures == _.measures)
    return domains.mutate(hcahps_base_points=ibis.ifelse(complete, _.points_sum, _NO_POINTS))


@rule(
    "76 FR 26490",
    gives="hcahps_consistency_points",
    unit="points",
    inputs=("dimension_consistency_points",),
)
def hcahps_consistency_points(domains: ir.Table) -> ir.Table:
    """Give the consistency points of the lowest dimension: 0 at the floor, 20 at the threshold."""
    complete = _.hcahps_base_points.notnull() & (_.consistency_dimensions == _.measures)
    return domains.mutate(
        hcahps_consistency_points=ibis.ifelse(
            complete,
            _.lowest_consistency,
            ibis.ifelse(_.hcahps_base_points.notnull(), _.published_consistency_points, _NO_POINTS),
        )
    )


@rule(
    "42 CFR 412.165(b)(1)-(2)",
    gives="domain_points",
    unit="points",
    inputs=("measure_points", "combined_points", "minimum_measures", "hcahps_base_points", "hcahps_consistency_points"),
)
def domain_points(domains: ir.Table) -> ir.Table:
    """Add up the points of the scored measures, if the domain has enough of them."""
    counted = (_.scored_measures >= _.minimum_measures) & ~_.has_unknown_measure
    survey = _.hcahps_base_points + _.hcahps_consistency_points
    return domains.mutate(
        domain_points=ibis.ifelse(counted, ibis.ifelse(_.is_hcahps, survey, _.points_sum), _NO_POINTS),
        maximum_points=ibis.ifelse(_.is_hcahps, 100, _.scored_measures * 10),
    )


@rule(
    "42 CFR 412.165(b)(3)",
    gives="domain_score",
    unit="points",
    inputs=("domain_points", "maximum_points"),
)
def domain_score(domains: ir.Table) -> ir.Table:
    """Express the points as a share of the points that the scored measures could give, times 100."""
    return domains.mutate(domain_score=money.divide_half_up(_.domain_points * 100, _.maximum_points))


def weight_units(domains: ir.Table) -> ir.IntegerValue:
    """Weight of a scored domain as a whole number; 0 where the domain is not scored."""
    return ibis.ifelse(domains.domain_points.notnull(), money.in_units(domains.domain_weight, WEIGHT_DECIMALS), 0)


@rule(
    "42 CFR 412.165(b)(4)",
    gives="effective_weight",
    unit="ratio",
    inputs=("domain_weight",),
)
def effective_weight(domains: ir.Table) -> ir.Table:
    """Give the weights of domains that are not scored to the hospital's other domains, in proportion to theirs."""
    in_hospital = ibis.window(group_by=["scenario_id", "provider_id"])
    total = weight_units(domains).sum().over(in_hospital).cast("decimal(38, 0)").cast("int64")
    return domains.mutate(weight_units=weight_units(domains), total_weight_units=total).mutate(
        effective_weight=ibis.ifelse(
            _.domain_points.notnull(),
            money.divide_half_up(_.weight_units, _.total_weight_units),
            ibis.null(money.SCORE_TYPE),
        )
    )


@rule(
    "42 CFR 412.165(b)(4)",
    gives="weighted_domain_score",
    unit="points",
    inputs=("domain_score", "effective_weight"),
)
def weighted_domain_score(domains: ir.Table) -> ir.Table:
    """Multiply the score by the weight; the quotient is rounded once, at the end."""
    return domains.mutate(
        weighted_domain_score=money.divide_half_up(
            _.weight_units * _.domain_points * 100, _.maximum_points * _.total_weight_units
        )
    )


@rule(
    "42 CFR 412.165(b)(5)",
    gives="total_performance_score",
    unit="points",
    inputs=("weighted_domain_score", "minimum_domains"),
)
def total_performance_score(hospitals: ir.Table) -> ir.Table:
    """Add up the weighted scores, if enough domains are scored."""
    enough = (_.scored_areas >= _.minimum_domains) & ~_.has_unknown_domain & _.is_total_performance_score_computed
    score = money.divide_half_up(_.weighted_units, _.total_weight_units * _.common_denominator)
    return hospitals.mutate(total_performance_score=ibis.ifelse(enough, score, ibis.null(money.SCORE_TYPE)))


# --- 88 FR 58640: health equity adjustment, adopted for FY2026 and removed before it was used -----------


@rule(
    "88 FR 58640",
    gives="domain_performance_points",
    unit="points",
    inputs=("domain_score",),
)
def domain_performance_points(domains: ir.Table) -> ir.Table:
    """Give 4 points to a hospital in the top third of a domain, 2 in the middle third, 0 in the bottom third.

    A hospital is in the top third if at least two thirds of the hospitals scored in the domain score lower, and in the
    middle third if at least one third does: equal scores share the lower third.
    """
    in_domain = ibis.window(group_by=["scenario_id", "domain_id"])
    from_lowest = ibis.window(
        group_by=["scenario_id", "domain_id"], order_by=ibis.asc(domains.domain_score, nulls_first=False)
    )
    ranked = domains.mutate(
        scored_hospitals=_.domain_score.count().over(in_domain), lower=ibis.rank().over(from_lowest)
    )
    points = ibis.cases(
        (_.lower * 3 >= _.scored_hospitals * 2, _.top_third_points),
        (_.lower * 3 >= _.scored_hospitals, _.middle_third_points),
        else_=_.bottom_third_points,
    )
    return ranked.mutate(
        domain_performance_points=ibis.ifelse(_.domain_score.notnull(), points, ibis.null(EQUITY_POINTS_TYPE))
    ).drop("scored_hospitals", "lower")


@rule(
    "88 FR 58640",
    gives="measure_performance_scaler",
    unit="points",
    inputs=("domain_performance_points",),
)
def measure_performance_scaler(domains: ir.Table) -> ir.Table:
    """Add up a hospital's points over its domains."""
    in_hospital = ibis.window(group_by=["scenario_id", "provider_id"])
    total = _.domain_performance_points.sum().over(in_hospital)
    return domains.mutate(measure_performance_scaler=money.exact(total, 9, 4))


@rule(
    "88 FR 58640",
    gives="underserved_multiplier",
    unit="multiplier",
    inputs=("dual_eligible_ratio", "underserved_multiplier_midpoint_ratio", "underserved_multiplier_steepness"),
)
def underserved_multiplier(ratio: Decimal, midpoint: Decimal, steepness: Decimal) -> Decimal:
    """Turn the share of dual-eligible stays into a multiplier between 0 and 1 by a logistic function."""
    return logistic.logistic(ratio, midpoint, steepness)


@rule(
    "88 FR 58640",
    gives="health_equity_bonus",
    unit="points",
    inputs=("measure_performance_scaler", "underserved_multiplier", "maximum_health_equity_bonus"),
)
def health_equity_bonus(hospitals: ir.Table) -> ir.Table:
    """Multiply the scaler by the multiplier, up to the most that may be added."""
    product = money.exact(_.measure_performance_scaler * _.underserved_multiplier, 18, money.SCORE_DECIMALS)
    bonus = ibis.least(product, _.maximum_health_equity_bonus.cast(money.SCORE_TYPE))
    return hospitals.mutate(
        health_equity_bonus=ibis.ifelse(product.notnull(), bonus, ibis.null(money.SCORE_TYPE)),
    )


@rule(
    "88 FR 58640",
    gives="total_performance_score_with_bonus",
    unit="points",
    inputs=("total_performance_score", "health_equity_bonus", "maximum_total_performance_score_with_bonus"),
)
def total_performance_score_with_bonus(hospitals: ir.Table) -> ir.Table:
    """Add the bonus to the Total Performance Score, up to the highest score with a bonus."""
    total = money.exact(_.total_performance_score + _.health_equity_bonus, 18, money.SCORE_DECIMALS)
    highest = _.maximum_total_performance_score_with_bonus.cast(money.SCORE_TYPE)
    return hospitals.mutate(
        total_performance_score_with_bonus=ibis.ifelse(
            total.notnull(), ibis.least(total, highest), ibis.null(money.SCORE_TYPE)
        )
    )


# --- 412.162: payment ---------------------------------------------------------------------------------


@rule(
    "42 U.S.C. 1395ww(o)(6)(C)(ii)(II)",
    gives="exchange_function_slope",
    unit="multiplier",
    inputs=(
        "total_performance_score",
        "total_performance_score_with_bonus",
        "base_operating_drg_payment_amount",
        "maximum_total_performance_score",
    ),
)
def exchange_function_slope(base_total: Decimal, score_weighted_total: Decimal, maximum_score: Decimal) -> Decimal:
    """Choose the slope at which the incentives of all hospitals equal their withholds."""
    return linear_exchange.neutral_slope(base_total, score_weighted_total, maximum_score)


@rule(
    "42 CFR 412.162(b)(3)",
    gives="value_based_incentive_payment_percentage",
    unit="ratio",
    inputs=(
        "total_performance_score",
        "total_performance_score_with_bonus",
        "maximum_total_performance_score",
        "applicable_percent",
        "exchange_function_slope",
    ),
)
def value_based_incentive_payment_percentage(hospitals: ir.Table) -> ir.Table:
    """Multiply the applicable percent by the score's share of the maximum and by the slope.

    In years without a Total Performance Score the percentage equals the applicable percent.
    """
    earned = money.exact(_.total_performance_score.cast("decimal(15, 12)") * _.incentive_percentage_per_point, 18, 16)
    percentage = ibis.ifelse(
        _.is_total_performance_score_computed, earned, _.applicable_percent.cast("decimal(18, 16)")
    )
    return hospitals.mutate(
        value_based_incentive_payment_percentage=ibis.ifelse(
            _.is_participating, percentage, ibis.null("decimal(18, 16)")
        )
    )


@rule(
    "42 CFR 412.162(c)",
    gives="value_based_incentive_payment_adjustment_factor",
    unit="multiplier",
    inputs=("value_based_incentive_payment_percentage", "applicable_percent"),
)
def value_based_incentive_payment_adjustment_factor(hospitals: ir.Table) -> ir.Table:
    """Add the incentive percentage to one and take the applicable percent away."""
    net = money.exact(_.value_based_incentive_payment_percentage - _.applicable_percent.cast("decimal(18, 16)"), 18, 16)
    return hospitals.mutate(
        net_percentage=net,
        value_based_incentive_payment_adjustment_factor=money.exact(net + 1, 18, 10),
    )


@rule(
    "42 CFR 412.162(b)(1)-(2)",
    gives="value_based_incentive_payment_amount",
    unit="usd",
    inputs=("value_based_incentive_payment_percentage", "base_operating_drg_payment_amount"),
)
def value_based_incentive_payment_amount(hospitals: ir.Table) -> ir.Table:
    """Multiply the percentage by the base operating DRG payment amount."""
    return hospitals.mutate(
        value_based_incentive_payment_amount=_in_dollars(_.value_based_incentive_payment_percentage)
    )


@rule(
    "42 U.S.C. 1395ww(o)(7)(B)",
    gives="withheld_amount",
    unit="usd",
    inputs=("applicable_percent", "base_operating_drg_payment_amount"),
)
def withheld_amount(hospitals: ir.Table) -> ir.Table:
    """Withhold the applicable percent of the base operating DRG payment amount of every hospital in the program."""
    percent = ibis.ifelse(_.is_participating, _.applicable_percent, ibis.null("decimal(7, 6)"))
    return hospitals.mutate(withheld_amount=_in_dollars(percent.cast("decimal(18, 16)")))


@rule(
    "42 CFR 412.162(c)",
    gives="net_payment_change",
    unit="usd",
    inputs=("value_based_incentive_payment_amount", "withheld_amount"),
)
def net_payment_change(hospitals: ir.Table) -> ir.Table:
    """Take the withheld amount away from the incentive."""
    return hospitals.mutate(
        net_payment_change=money.exact(_.value_based_incentive_payment_amount - _.withheld_amount, 28, 10)
    )


def _in_dollars(share: ir.DecimalValue) -> ir.DecimalValue:
    return money.exact(_.base_operating_drg_payment_amount.cast("decimal(18, 2)") * share, 28, 10)
