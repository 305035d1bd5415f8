"""The rules in order: quality of organizations, gates and savings of each plan, distribution, report card.

Grains: scenario × organization × measure, domain or whole; scenario × plan × organization (× resource measure), where
the plan stands as ``domain_id``; and the topics and measures of the report card. Rules that average over measures or
domains add the mean to each of their rows.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from statistics import NormalDist

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.operands import computed_once
from openvbp.payment import distribution, shared_savings
from openvbp.programs.iha_amp.input_files import BUDGET_BY_QUALITY, EARNED
from openvbp.rules import rule
from openvbp.scoring import composites, percentiles

POINTS_TYPE = "decimal(18, 10)"
POINTS_DECIMALS = 10
AMOUNT_TYPE = "decimal(28, 10)"
CENTS_TYPE = "decimal(18, 2)"
QUANTILE_DECIMALS = 6
WEIGHT_DECIMALS = 2
QUALITY_WEIGHT_DECIMALS = 5
"""Decimals of the quality multiplier where a budget is divided by members and quality."""
_ORGANIZATION = ("scenario_id", "provider_id")
_DOMAIN = (*_ORGANIZATION, "domain_id")
_DESIGN = "IHA, Value Based Pay for Performance Design, December 2014"
_POINTS = "IHA, incentive design, points for attainment and improvement"
_SAVINGS = "IHA, incentive design, shared savings on resource use"
_PLAN = "IHA, AMP incentive design: each plan sets its budget and its distribution"
_CARD = "OPA, About the Medical Group Ratings, data of 2016"
_MEDICARE_CARD = "OPA, About the Medical Group Medicare Ratings, data of 2022"
_NOTHING = ibis.literal(0).cast(AMOUNT_TYPE)


# --- Quality: measures, domains, composite ------------------------------------------------------------


@rule(_POINTS, gives="measure_rate", unit="rate", inputs=("numerator", "denominator"))
def measure_rate(measures: ir.Table) -> ir.Table:
    """Divide the patients treated as the measure asks by those to whom it applies."""
    return measures.mutate(measure_rate=composites.opportunity_rate(_.numerator, _.denominator))


@rule(
    _POINTS,
    gives="threshold_rate",
    unit="rate",
    inputs=("attainment_threshold", "attainment_threshold_percentile"),
)
def threshold_rate(measures: ir.Table) -> ir.Table:
    """Take the measure's threshold, or the percentile of the organizations with enough patients."""
    return _standard(measures, "threshold_rate", "attainment_threshold")


@rule(
    _POINTS,
    gives="benchmark_rate",
    unit="rate",
    inputs=("attainment_benchmark", "attainment_benchmark_percentile"),
)
def benchmark_rate(measures: ir.Table) -> ir.Table:
    """Take the measure's benchmark, or the percentile of the organizations with enough patients."""
    return _standard(measures, "benchmark_rate", "attainment_benchmark")


def _standard(measures: ir.Table, name: str, declared: str) -> ir.Table:
    """The declared rate or the percentile; where lower is better, counted from the highest rate."""
    counted = ibis.ifelse(_has_enough(measures), _oriented(measures, "measure_rate"), ibis.null("int64"))
    ranked = percentiles.with_doubled_percentile(
        measures,
        "doubled_percentile",
        value=counted,
        share=money.in_units(measures[f"{declared}_percentile"], percentiles.SHARE_DECIMALS),
        group=["scenario_id", "measure_id"],
        tie_breaker=["provider_id"],
    )
    # Rates are zero or more, so the sign is that of the direction only.
    units = money.round_half_up_quotient(ranked.doubled_percentile.abs(), ibis.literal(2))
    percentile = money.from_units(units, money.SCORE_DECIMALS).cast(money.SCORE_TYPE)
    return ranked.mutate(**{name: ibis.coalesce(ranked[declared].cast(money.SCORE_TYPE), percentile)}).drop(
        "doubled_percentile"
    )


@rule(
    _POINTS,
    gives="attainment_points",
    unit="points",
    inputs=("measure_rate", "threshold_rate", "benchmark_rate", "is_lower_better", "maximum_points"),
)
def attainment_points(measures: ir.Table) -> ir.Table:
    """Give all points at the benchmark or beyond, none at the threshold or short of it; a line between."""
    return _with_points_between(measures, "attainment_points", "threshold_rate")


@rule(
    _POINTS,
    gives="improvement_points",
    unit="points",
    inputs=("measure_rate", "baseline_rate", "benchmark_rate", "is_lower_better", "maximum_points"),
)
def improvement_points(measures: ir.Table) -> ir.Table:
    """Give the part of the way from the own rate of the year before to the benchmark; nothing for falling back."""
    rows = _with_points_between(measures, "improvement_points", "baseline_rate")
    # One that was beyond the benchmark and still is has fallen back all the same.
    is_worse = _oriented(rows, "measure_rate") <= _oriented(rows, "baseline_rate")
    none = ibis.literal(0).cast(money.SCORE_TYPE)
    points = ibis.ifelse(rows.improvement_points.notnull() & is_worse, none, rows.improvement_points)
    return rows.mutate(improvement_points=points)


@rule(
    _POINTS,
    gives="measure_points",
    unit="points",
    inputs=("attainment_points", "improvement_points", "denominator", "minimum_patients"),
)
def measure_points(measures: ir.Table) -> ir.Table:
    """Take the better of the two, if the measure has the patients that it needs."""
    # Without a rate of the year before, attainment alone counts.
    better = ibis.greatest(measures.attainment_points, measures.improvement_points)
    return measures.mutate(measure_points=ibis.ifelse(_has_enough(measures), better, ibis.null(money.SCORE_TYPE)))


@rule(
    _POINTS,
    gives="domain_score",
    unit="points",
    inputs=("measure_points", "measure_weight", "maximum_points"),
)
def domain_score(measures: ir.Table) -> ir.Table:
    """Average the points of the domain's scored measures by weight, as a share of the most, times 100.

    Not known as soon as a row of a measure was rejected.
    """
    total, weights = _weighted_sum(measures, "measure_points", "measure_weight", _DOMAIN)
    score = money.round_half_up_quotient(money.round_half_up_quotient(total, weights) * 100, measures.maximum_points)
    return computed_once(
        measures.mutate(domain_score=_if_whole(measures, _DOMAIN, money.from_units(score, money.SCORE_DECIMALS)))
    )


@rule(_POINTS, gives="quality_composite", unit="points", inputs=("domain_score", "domain_weight"))
def quality_composite(domains: ir.Table) -> ir.Table:
    """Average the scores of the scored domains by weight; not known as soon as one of them is not."""
    total, weights = _weighted_sum(domains, "domain_score", "domain_weight", _ORGANIZATION)
    # Two decimals less than the scores have: their rounding must not decide whether a gate is open.
    mean = money.from_units(money.round_half_up_quotient(total, weights * 100), POINTS_DECIMALS)
    return domains.mutate(quality_composite=_if_whole(domains, _ORGANIZATION, mean.cast(POINTS_TYPE)))


def _has_enough(measures: ir.Table) -> ir.BooleanValue:
    return (measures.denominator >= measures.minimum_patients).fill_null(False)  # noqa: FBT003


def _oriented(measures: ir.Table, name: str) -> ir.IntegerValue:
    """A rate as a whole number of its twelfth decimal that is larger when better."""
    units = money.in_units(measures[name], money.SCORE_DECIMALS)
    return ibis.ifelse(measures.is_lower_better, -units, units)


def _with_points_between(measures: ir.Table, name: str, start: str) -> ir.Table:
    """Add the points of the way from a start to the benchmark; null where one of the three rates is missing."""
    # Layer by layer, or the expression grows beyond what Spark compiles.
    rows = measures.mutate(
        rate=_oriented(measures, "measure_rate"),
        best=_oriented(measures, "benchmark_rate"),
        floor=_oriented(measures, start),
    )
    width = (rows.best - rows.floor).nullif(0)
    # Clipped before the division: of a small width, the way of a far-off rate would leave 64 bits.
    way = ibis.cases((rows.rate >= rows.best, width), (rows.rate <= rows.floor, 0), else_=rows.rate - rows.floor)
    rows = rows.mutate(way=way * rows.maximum_points, width=width)
    none = ibis.null(money.SCORE_TYPE)
    points = ibis.cases(
        (rows.rate.isnull() | rows.floor.isnull() | rows.best.isnull(), none),
        (rows.rate >= rows.best, rows.maximum_points.cast(money.SCORE_TYPE)),
        (rows.rate <= rows.floor, ibis.literal(0).cast(money.SCORE_TYPE)),
        else_=money.divide_half_up(rows.way, rows.width),
    )
    return rows.mutate(**{name: points.cast(money.SCORE_TYPE)}).drop("rate", "best", "floor", "way", "width")


def _weighted_sum(
    rows: ir.Table, value: str, weight: str, group: tuple[str, ...]
) -> tuple[ir.IntegerValue, ir.IntegerValue]:
    """Sum of values (of twelve decimals) times weights, and of the weights, over the rows that have a value."""
    units = money.in_units(rows[value], money.SCORE_DECIMALS)
    weights = ibis.ifelse(rows[value].notnull(), money.in_units(rows[weight], WEIGHT_DECIMALS), 0)
    return _sum(units * weights, group), _sum(weights, group)


def _sum(units: ir.IntegerValue, group: tuple[str, ...]) -> ir.IntegerValue:
    """Sum over the group, in 64 bits, which DuckDB leaves unnoticed by Ibis."""
    return units.sum().over(ibis.window(group_by=list(group))).cast("decimal(38, 0)").cast("int64")


def _if_whole(rows: ir.Table, group: tuple[str, ...], score: ir.DecimalValue) -> ir.DecimalValue:
    """The score, where no row of the group stands for a rejected one."""
    broken = _sum(rows.has_rejected_row.cast("int64"), group)
    return ibis.ifelse(broken == 0, score, ibis.null(score.type()))


# --- Each plan: gates ---------------------------------------------------------------------------------


@rule(_DESIGN, gives="is_quality_gate_open", unit="flag", inputs=("quality_composite", "minimum_quality"))
def is_quality_gate_open(organizations: ir.Table) -> ir.Table:
    """Demand the minimum quality."""
    return organizations.mutate(is_quality_gate_open=_.quality_composite >= _.minimum_quality)


@rule(_DESIGN, gives="cost_trend", unit="ratio", inputs=("total_cost_of_care", "prior_total_cost_of_care"))
def cost_trend(organizations: ir.Table) -> ir.Table:
    """Divide the total cost of care, adjusted for risk and place, by that of the year before, less one."""
    ratio = money.divide_half_up(money.in_units(_.total_cost_of_care, 2), money.in_units(_.prior_total_cost_of_care, 2))
    return organizations.mutate(cost_trend=money.exact(ratio - 1, 18, money.SCORE_DECIMALS))


@rule(
    "Quantile of the normal distribution",
    gives="trend_quantile",
    unit="multiplier",
    inputs=("trend_confidence_level",),
)
def trend_quantile(trend_confidence_level: Decimal) -> Decimal:
    """Say how many standard errors a two-sided interval of the level reaches to each side.

    Six decimals; the function that gives it is a binary float, far more exact than these.
    """
    quantile = NormalDist().inv_cdf((1 + float(trend_confidence_level)) / 2)
    return Decimal(quantile).quantize(Decimal(1).scaleb(-QUANTILE_DECIMALS), ROUND_HALF_UP)


@rule(
    _DESIGN,
    gives="trend_bound",
    unit="ratio",
    inputs=("cost_trend", "trend_standard_error", "trend_quantile", "is_excess_to_be_significant"),
)
def trend_bound(organizations: ir.Table) -> ir.Table:
    """Take the lower end of the interval around the trend, or the upper one where doubt closes the gate."""
    margin = money.exact(
        _.trend_quantile.cast("decimal(18, 6)") * _.trend_standard_error.cast("decimal(18, 6)"), 18, 12
    )
    none = ibis.literal(0).cast(money.SCORE_TYPE)
    reach = ibis.ifelse(_.trend_quantile == 0, none, margin)
    bound = ibis.ifelse(_.is_excess_to_be_significant, _.cost_trend - reach, _.cost_trend + reach)
    return organizations.mutate(trend_bound=money.exact(bound, 18, money.SCORE_DECIMALS))


@rule(_DESIGN, gives="is_trend_gate_open", unit="flag", inputs=("trend_bound", "trend_limit"))
def is_trend_gate_open(organizations: ir.Table) -> ir.Table:
    """Demand that the end of the interval is not above the limit."""
    return organizations.mutate(is_trend_gate_open=_.trend_bound <= _.trend_limit.cast(money.SCORE_TYPE))


@rule(_DESIGN, gives="high_cost_line", unit="usd", inputs=("high_cost_percentile",))
def high_cost_line(organizations: ir.Table) -> ir.Table:
    """Find the percentile of the total cost of care among the plan's organizations."""
    return _cost_line(organizations, "high_cost_line", "total_cost_of_care")


@rule(_DESIGN, gives="prior_high_cost_line", unit="usd", inputs=("high_cost_percentile",))
def prior_high_cost_line(organizations: ir.Table) -> ir.Table:
    """Find the same percentile in the year before."""
    return _cost_line(organizations, "prior_high_cost_line", "prior_total_cost_of_care")


def _cost_line(organizations: ir.Table, name: str, cost: str) -> ir.Table:
    ranked = percentiles.with_doubled_percentile(
        organizations,
        "doubled_percentile",
        value=money.in_units(organizations[cost], 2),
        share=money.in_units(organizations.high_cost_percentile, percentiles.SHARE_DECIMALS),
        group=["scenario_id", "domain_id"],
        tie_breaker=["provider_id"],
    )
    # Half of a doubled number of cents has three decimals.
    line = money.from_units(ranked.doubled_percentile * 5, 3).cast("decimal(18, 3)")
    return ranked.mutate(**{name: line}).drop("doubled_percentile")


@rule(
    _DESIGN,
    gives="is_consistently_high_cost",
    unit="flag",
    inputs=(
        "total_cost_of_care",
        "high_cost_line",
        "prior_total_cost_of_care",
        "prior_high_cost_line",
        "high_cost_years",
    ),
)
def is_consistently_high_cost(organizations: ir.Table) -> ir.Table:
    """Find organizations at or above the percentile this year and, where two years count, the year before."""
    is_high = _.total_cost_of_care >= _.high_cost_line
    was_high = (_.high_cost_years < 2) | (_.prior_total_cost_of_care >= _.prior_high_cost_line)
    return organizations.mutate(is_consistently_high_cost=is_high & was_high)


@rule(
    _DESIGN,
    gives="is_eligible",
    unit="flag",
    inputs=("is_quality_gate_open", "is_trend_gate_open", "is_consistently_high_cost"),
)
def is_eligible(organizations: ir.Table) -> ir.Table:
    """Open the way to the incentive through both gates, but not to consistently high-cost organizations."""
    is_open = _.is_quality_gate_open & _.is_trend_gate_open & ~_.is_consistently_high_cost
    return organizations.mutate(is_eligible=is_open)


# --- Each plan: shared savings ------------------------------------------------------------------------


@rule(_SAVINGS, gives="avoided_units", unit="count", inputs=("prior_use_per_1000", "use_per_1000", "members"))
def avoided_units(resources: ir.Table) -> ir.Table:
    """Multiply the fall in use by the members; below zero where use rose."""
    fall = money.exact(_.prior_use_per_1000 - _.use_per_1000, 15, 6)
    # Wide enough types, or DuckDB keeps the product in 64 bits.
    thousands = money.exact(fall.cast("decimal(19, 6)") * _.members.cast("decimal(9, 0)"), 28, 6)
    units = money.exact(thousands.cast("decimal(28, 6)") * ibis.literal("0.001").cast("decimal(4, 3)"), 24, 9)
    return resources.mutate(avoided_units=units)


@rule(_SAVINGS, gives="resource_savings", unit="usd", inputs=("avoided_units", "unit_cost"))
def resource_savings(resources: ir.Table) -> ir.Table:
    """Multiply the units that were avoided by their standard cost."""
    return resources.mutate(
        resource_savings=money.exact(_.avoided_units.cast("decimal(24, 9)") * _.unit_cost.cast("decimal(9, 2)"), 28, 10)
    )


@rule(_SAVINGS, gives="net_savings", unit="usd", inputs=("resource_savings",))
def net_savings(resources: ir.Table) -> ir.Table:
    """Net the savings of all resource measures; not known as soon as those of one are not."""
    same = ibis.window(group_by=list(_DOMAIN))
    missing = _.resource_savings.isnull().cast("int64").sum().over(same)
    total = money.exact(_.resource_savings.sum().over(same), 28, 10)
    return resources.mutate(net_savings=ibis.ifelse(missing == 0, total, ibis.null(AMOUNT_TYPE)))


@rule(_SAVINGS, gives="shared_savings_amount", unit="usd", inputs=("net_savings", "shared_savings_rate"))
def shared_savings_amount(organizations: ir.Table) -> ir.Table:
    """Share net savings; an organization does not pay for net losses."""
    portion = shared_savings.portion(_.net_savings, _.shared_savings_rate)
    amount = ibis.cases((_.net_savings > 0, portion), (_.net_savings <= 0, _NOTHING), else_=ibis.null(AMOUNT_TYPE))
    return organizations.mutate(shared_savings_amount=amount)


@rule(_DESIGN, gives="quality_multiplier", unit="multiplier", inputs=("quality_composite", "gold_standard"))
def quality_multiplier(organizations: ir.Table) -> ir.Table:
    """Divide the composite by the gold standard, at most one."""
    composite, standard = (
        money.in_units(organizations[name], POINTS_DECIMALS) for name in ("quality_composite", "gold_standard")
    )
    counted = ibis.ifelse(composite > standard, standard, composite)
    return organizations.mutate(quality_multiplier=money.divide_half_up(counted, standard).cast(money.SCORE_TYPE))


@rule(
    _DESIGN,
    gives="earned_incentive",
    unit="usd",
    inputs=("is_eligible", "shared_savings_amount", "quality_multiplier"),
)
def earned_incentive(organizations: ir.Table) -> ir.Table:
    """Multiply the shared savings by the quality multiplier; nothing where a gate is closed."""
    earned = shared_savings.portion(_.shared_savings_amount, _.quality_multiplier)
    amount = ibis.cases((_.is_eligible, earned), (~_.is_eligible, _NOTHING), else_=ibis.null(AMOUNT_TYPE))
    return organizations.mutate(earned_incentive=amount)


# --- Each plan: distribution --------------------------------------------------------------------------


@rule(
    _PLAN,
    gives="distribution_weight",
    unit="count",
    inputs=("earned_incentive", "is_eligible", "members", "quality_multiplier"),
)
def distribution_weight(organizations: ir.Table) -> ir.Table:
    """Weigh organizations by what they earned, in cents, or by members times the quality multiplier."""
    earned = money.exact(_.earned_incentive, 18, 2)
    quality = _.members * money.in_units(
        money.exact(_.quality_multiplier, 18, QUALITY_WEIGHT_DECIMALS), QUALITY_WEIGHT_DECIMALS
    )
    of_quality = ibis.cases((_.is_eligible, quality), (~_.is_eligible, 0), else_=ibis.null("int64"))
    weight = ibis.ifelse(_.distribution == BUDGET_BY_QUALITY, of_quality, money.in_units(earned, 2))
    return organizations.mutate(distribution_weight=weight.cast("int64"))


@rule(
    _PLAN,
    gives="incentive_payment",
    unit="usd",
    inputs=("earned_incentive", "incentive_budget", "distribution_weight"),
)
def incentive_payment(organizations: ir.Table) -> ir.Table:
    """Pay what was earned, to the cent; or divide the plan's budget by the weights, so that not a cent is left.

    A budget cannot be divided while one weight is not known. Where all are zero, it stays with the plan.
    """
    plan = ["scenario_id", "domain_id"]
    rows = organizations.mutate(
        budget_cents=money.in_units(_.incentive_budget, 2), known_weight=_.distribution_weight.fill_null(0)
    )
    rows = distribution.divide(
        rows, "part", pool="budget_cents", weight="known_weight", group=plan, tie_breaker=["provider_id"]
    )
    same = ibis.window(group_by=plan)
    unknown = rows.distribution_weight.isnull().cast("int64").sum().over(same)
    part = money.from_units(rows.part.fill_null(0), 2)
    payment = ibis.cases(
        (rows.distribution == EARNED, money.exact(rows.earned_incentive, 18, 2)),
        (unknown == 0, part),
        else_=ibis.null(CENTS_TYPE),
    )
    return rows.mutate(incentive_payment=payment).drop("budget_cents", "known_weight", "part")


# --- Report card of commercial members: measures, topics, summary -------------------------------------


@rule(_CARD, gives="card_score", unit="points", inputs=("measure_rate", "is_lower_better", "denominator"))
def card_score(measures: ir.Table) -> ir.Table:
    """Express the rate in percent; where lower is better, what is left to 100."""
    share = money.in_units(measures.measure_rate, money.SCORE_DECIMALS)
    # A rate of twelve decimals, read in percent, has ten.
    units = ibis.ifelse(measures.is_lower_better, -share + 10**money.SCORE_DECIMALS, share)
    score = money.from_units(units, POINTS_DECIMALS).cast(POINTS_TYPE)
    return measures.mutate(card_score=ibis.ifelse(_has_enough(measures), score, ibis.null(POINTS_TYPE)))


@rule(_CARD, gives="topic_score", unit="points", inputs=("card_score", "listed_measures"))
def topic_score(measures: ir.Table) -> ir.Table:
    """Average the scores of the topic's measures, all of equal weight; not known if a row was rejected."""
    return measures.mutate(topic_score=_equal_mean(measures, "card_score", _DOMAIN, measures.listed_measures, 1))


@rule(_CARD, gives="topic_stars", unit="count", inputs=("topic_score", "two_stars", "three_stars", "four_stars"))
def topic_stars(topics: ir.Table) -> ir.Table:
    """Grade the topic with one to four stars."""
    return topics.mutate(topic_stars=_stars(topics, "topic_score", ("two_stars", "three_stars", "four_stars")))


@rule(
    _CARD,
    gives="commercial_summary_score",
    unit="points",
    inputs=("topic_score", "listed_topics"),
)
def commercial_summary_score(topics: ir.Table) -> ir.Table:
    """Average the scores of the topics, all of equal weight; not known if one cannot be determined."""
    return topics.mutate(
        commercial_summary_score=_equal_mean(topics, "topic_score", _ORGANIZATION, topics.listed_topics, 2)
    )


@rule(
    _CARD,
    gives="commercial_summary_stars",
    unit="count",
    inputs=("commercial_summary_score", "commercial_two_stars", "commercial_three_stars", "commercial_four_stars"),
)
def commercial_summary_stars(summaries: ir.Table) -> ir.Table:
    """Grade the whole with one to four stars."""
    lines = ("commercial_two_stars", "commercial_three_stars", "commercial_four_stars")
    return summaries.mutate(commercial_summary_stars=_stars(summaries, "commercial_summary_score", lines))


def _equal_mean(
    rows: ir.Table, value: str, group: tuple[str, ...], listed: ir.IntegerValue, dropped: int
) -> ir.DecimalValue:
    """Mean of the rows that have a value; null if one is rejected, or missing where all are needed.

    It has fewer decimals than the values (``dropped``, of ten): their rounding must not decide a grade.
    """
    total = _sum(money.in_units(rows[value], POINTS_DECIMALS), group)
    known = rows[value].count().over(ibis.window(group_by=list(group)))
    is_enough = rows.is_topic_of_some_measures | (known == listed)
    units = money.round_half_up_quotient(total, known * 10**dropped) * 10**dropped
    mean = _if_whole(rows, group, money.from_units(units, POINTS_DECIMALS).cast(POINTS_TYPE))
    return ibis.ifelse(is_enough, mean, ibis.null(POINTS_TYPE))


def _stars(rows: ir.Table, score: str, lines: tuple[str, ...]) -> ir.IntegerValue:
    """One star, and one more for each line that the score reaches; lines rise."""
    reached = ibis.literal(1, "int64")
    for line in lines:
        reached = reached + (rows[score] >= rows[line].cast(POINTS_TYPE)).cast("int64")
    return reached


# --- Report card of Medicare members ------------------------------------------------------------------


@rule(
    _MEDICARE_CARD,
    gives="measure_stars",
    unit="count",
    inputs=("card_score", "two_stars", "three_stars", "four_stars", "five_stars"),
)
def measure_stars(measures: ir.Table) -> ir.Table:
    """Grade the measure with one to five stars, by the cut points of Medicare Advantage."""
    lines = ("two_stars", "three_stars", "four_stars", "five_stars")
    return measures.mutate(measure_stars=_stars(measures, "card_score", lines))


@rule(
    _MEDICARE_CARD,
    gives="medicare_summary_score",
    unit="points",
    inputs=("measure_stars", "is_outcome", "medicare_outcome_weight", "medicare_minimum_measures"),
)
def medicare_summary_score(measures: ir.Table) -> ir.Table:
    """Average the stars, outcomes weighing more than processes, if there are enough measures."""
    weight = ibis.ifelse(measures.is_outcome, measures.medicare_outcome_weight, 1)
    weight = ibis.ifelse(measures.measure_stars.notnull(), weight, 0)
    total = _sum(weight * measures.measure_stars, _ORGANIZATION)
    units = money.round_half_up_quotient(total * 10**POINTS_DECIMALS, _sum(weight, _ORGANIZATION))
    mean = money.from_units(units, POINTS_DECIMALS).cast(POINTS_TYPE)
    known = measures.measure_stars.count().over(ibis.window(group_by=list(_ORGANIZATION)))
    is_enough = known >= measures.medicare_minimum_measures
    score = ibis.ifelse(is_enough, _if_whole(measures, _ORGANIZATION, mean), ibis.null(POINTS_TYPE))
    return measures.mutate(medicare_summary_score=score)


@rule(
    _MEDICARE_CARD,
    gives="medicare_summary_stars",
    unit="count",
    inputs=(
        "medicare_summary_score",
        "medicare_two_stars",
        "medicare_three_stars",
        "medicare_four_stars",
        "medicare_five_stars",
    ),
)
def medicare_summary_stars(summaries: ir.Table) -> ir.Table:
    """Grade the whole with one to five stars."""
    lines = ("medicare_two_stars", "medicare_three_stars", "medicare_four_stars", "medicare_five_stars")
    return summaries.mutate(medicare_summary_stars=_stars(summaries, "medicare_summary_score", lines))
