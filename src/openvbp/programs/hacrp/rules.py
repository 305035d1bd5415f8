"""The Hospital-Acquired Condition Reduction Program, paragraph by paragraph.

Each rule adds the column that it is named for. Three grains follow one another: measures (scenario × hospital ×
measure), domains (scenario × hospital × domain, until FY2019), hospitals (scenario × hospital). A higher score is a
worse one throughout.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.payment import worst_quartile
from openvbp.programs.hacrp.scenario_tables import WEIGHT_DECIMALS
from openvbp.rules import rule
from openvbp.scoring import deciles, percentiles, z_scores

LAST_DAY_OF_DECILES = date(2017, 9, 30)
FIRST_DAY_OF_Z_SCORES = date(2017, 10, 1)
LAST_DAY_OF_DOMAINS = date(2019, 9, 30)
FIRST_DAY_OF_EQUAL_WEIGHTS = date(2019, 10, 1)

LARGEST_Z_SCORE = 100
"""A z-score beyond it is not determined: no result lies that far from the mean of its own distribution."""

_ALL_HOSPITALS = ()
"""Inputs of what is one number for all hospitals: no hospital's own values explain it."""

_OF_MEASURE = ["scenario_id", "measure_id"]
_NO_SCORE = ibis.null(money.SCORE_TYPE)
_COMMON_COUNT = ibis.literal(60)
"""A number that every count of measures in a domain divides."""


# --- 412.172(e): scores of the measures ----------------------------------------------------------------


@rule(
    "78 FR 50709",
    gives="measure_score",
    unit="points",
    inputs=("performance_rate", "published_points"),
    until=LAST_DAY_OF_DECILES,
)
def measure_score_by_decile(measures: ir.Table) -> ir.Table:
    """Give 1 to 10 points by the decile of the result among all hospitals; the worst tenth gets 10.

    Public files print the points and no results: there, the points are taken.
    """
    in_measure = ibis.window(group_by=_OF_MEASURE)
    by_rate = ibis.window(group_by=_OF_MEASURE, order_by=ibis.asc(_.performance_rate, nulls_first=False))
    ranked = measures.mutate(values_below=ibis.rank().over(by_rate), values=_.performance_rate.count().over(in_measure))
    computed = ibis.ifelse(
        ranked.performance_rate.notnull(),
        deciles.decile_points(ranked.values_below, ranked.values),
        ibis.null("int64"),
    )
    points = ibis.coalesce(ranked.published_points, computed).cast(money.SCORE_TYPE)
    return ranked.mutate(measure_score=ibis.ifelse(_can_be_scored(ranked), points, _NO_SCORE)).drop(
        "values_below", "values"
    )


@rule(
    "QualityNet, HAC Reduction Program scoring methodology",
    gives="lower_percentile_result",
    unit="rate",
    inputs=_ALL_HOSPITALS,
    since=FIRST_DAY_OF_Z_SCORES,
)
def lower_percentile_result(measures: ir.Table) -> ir.Table:
    """Take the 5th percentile of the results of all hospitals, if it is not known."""
    return _percentile_result(measures, "lower_percentile_result", measures.winsor_lower_share)


@rule(
    "QualityNet, HAC Reduction Program scoring methodology",
    gives="upper_percentile_result",
    unit="rate",
    inputs=_ALL_HOSPITALS,
    since=FIRST_DAY_OF_Z_SCORES,
)
def upper_percentile_result(measures: ir.Table) -> ir.Table:
    """Take the 95th percentile of the results of all hospitals, if it is not known."""
    return _percentile_result(measures, "upper_percentile_result", measures.winsor_upper_share)


def _percentile_result(measures: ir.Table, name: str, share: ir.IntegerValue) -> ir.Table:
    doubled = percentiles.with_doubled_percentile(
        measures,
        "doubled_percentile",
        value=money.in_units(measures.performance_rate, money.RATE_DECIMALS),
        share=share,
        group=_OF_MEASURE,
        tie_breaker=["provider_id"],
    )
    computed = money.from_units(
        money.round_half_up_quotient(_.doubled_percentile, ibis.literal(2)), money.RATE_DECIMALS
    )
    return doubled.mutate(**{name: ibis.coalesce(_[f"given_{name}"], computed)}).drop("doubled_percentile")


@rule(
    "QualityNet, HAC Reduction Program scoring methodology",
    gives="winsorized_result",
    unit="rate",
    inputs=("performance_rate", "lower_percentile_result", "upper_percentile_result", "is_worst_score_assigned"),
    since=FIRST_DAY_OF_Z_SCORES,
)
def winsorized_result(measures: ir.Table) -> ir.Table:
    """Raise a result below the 5th percentile to it and lower one above the 95th percentile to it.

    A hospital that owes the data gets the 95th percentile.
    """
    clipped = z_scores.winsorized(_.performance_rate, _.lower_percentile_result, _.upper_percentile_result)
    return measures.mutate(winsorized_result=ibis.ifelse(_.is_worst_score_assigned, _.upper_percentile_result, clipped))


@rule(
    "QualityNet, HAC Reduction Program scoring methodology",
    gives="winsorized_mean",
    unit="rate",
    inputs=_ALL_HOSPITALS,
    since=FIRST_DAY_OF_Z_SCORES,
)
def winsorized_mean(results: int, results_sum: Decimal) -> Decimal:
    """Take the mean of the winsorized results of all hospitals, if it is not known."""
    return z_scores.mean(results, results_sum)


@rule(
    "QualityNet, HAC Reduction Program scoring methodology",
    gives="winsorized_standard_deviation",
    unit="rate",
    inputs=_ALL_HOSPITALS,
    since=FIRST_DAY_OF_Z_SCORES,
)
def winsorized_standard_deviation(results: int, results_sum: Decimal, squares_sum: Decimal) -> Decimal:
    """Take the standard deviation of the winsorized results of all hospitals, if it is not known."""
    return z_scores.standard_deviation(results, results_sum, squares_sum)


@rule(
    "QualityNet, HAC Reduction Program scoring methodology",
    gives="computed_z_score",
    unit="points",
    inputs=("winsorized_result", "winsorized_mean", "winsorized_standard_deviation"),
    since=FIRST_DAY_OF_Z_SCORES,
)
def computed_z_score(measures: ir.Table) -> ir.Table:
    """Subtract the mean from the winsorized result and divide by the standard deviation."""
    score = z_scores.z_score(_.winsorized_result, _.winsorized_mean, _.winsorized_standard_deviation)
    return measures.mutate(computed_z_score=score).mutate(
        computed_z_score=ibis.ifelse(_.computed_z_score.abs() < LARGEST_Z_SCORE, _.computed_z_score, _NO_SCORE)
    )


@rule(
    "QualityNet, HAC Reduction Program scoring methodology",
    gives="measure_score",
    unit="points",
    inputs=("computed_z_score", "published_z_score"),
    since=FIRST_DAY_OF_Z_SCORES,
)
def measure_score_by_z_score(measures: ir.Table) -> ir.Table:
    """Score the z-score of the result; where the file says more than the result does, the published z-score.

    The file says more where mean and standard deviation of the year are not known, and where the printed result was
    rounded after it was scored (PSI-90): then a published z-score that the rounded result can have is the exact one.
    """
    rounding = money.floor_quotient(
        _.rate_rounding_units * 10**money.SCORE_DECIMALS,
        money.in_units(_.winsorized_standard_deviation, money.RATE_DECIMALS),
    )
    half_of_last_decimal = 5 * 10 ** (money.SCORE_DECIMALS - 5)
    difference = money.in_units((_.published_z_score.cast(money.SCORE_TYPE) - _.computed_z_score).abs(), 12)
    is_exact = difference <= rounding + half_of_last_decimal
    takes_published = _.published_z_score.notnull() & (
        ~_.has_given_constants | _.computed_z_score.isnull() | is_exact.fill_null(False)  # noqa: FBT003
    )
    score = ibis.ifelse(_.takes_published, _.published_z_score.cast(money.SCORE_TYPE), _.computed_z_score)
    return measures.mutate(takes_published=takes_published).mutate(
        measure_score=ibis.ifelse(_can_be_scored(_), score, _NO_SCORE)
    )


def _can_be_scored(measures: ir.Table) -> ir.BooleanValue:
    return measures.is_total_hac_score_computed & measures.input_problem.isnull()


# --- 412.172(e): domains and the Total HAC Score --------------------------------------------------------


@rule(
    "42 CFR 412.172(e)",
    gives="domain_score",
    unit="points",
    inputs=("measure_score",),
    until=LAST_DAY_OF_DOMAINS,
)
def domain_score(domains: ir.Table) -> ir.Table:
    """Average the scores of the measures that the hospital has in the domain."""
    mean = z_scores.mean_of_units(_.score_units, _.scored_measures)
    return domains.mutate(domain_score=money.from_units(mean, money.SCORE_DECIMALS))


@rule(
    "42 CFR 412.172(e)",
    gives="weighted_domain_score",
    unit="points",
    inputs=("domain_score", "domain_weight"),
    until=LAST_DAY_OF_DOMAINS,
)
def weighted_domain_score(domains: ir.Table) -> ir.Table:
    """Weight the score; a domain without a score leaves its weight to the other, which then counts fully."""
    weight = ibis.ifelse(_.scored_measures > 0, money.in_units(_.domain_weight, WEIGHT_DECIMALS), 0)
    in_hospital = ibis.window(group_by=["scenario_id", "provider_id"])
    weighed = domains.mutate(weight_units=weight).mutate(total_weight_units=_.weight_units.sum().over(in_hospital))
    weighed = weighed.mutate(
        total_weight_units=_.total_weight_units.cast("decimal(38, 0)").cast("int64"),
        weighted_units=_.weight_units * _.score_units * money.floor_quotient(_COMMON_COUNT, weighed.scored_measures),
    )
    mean = z_scores.mean_of_units(_.weighted_units, _.total_weight_units * _COMMON_COUNT)
    return weighed.mutate(
        effective_weight=money.divide_half_up(_.weight_units, _.total_weight_units),
        weighted_domain_score=money.from_units(mean, money.SCORE_DECIMALS),
    )


@rule(
    "42 CFR 412.172(e)",
    gives="total_hac_score",
    unit="points",
    inputs=("weighted_domain_score", "published_total_hac_score"),
    until=LAST_DAY_OF_DOMAINS,
)
def total_hac_score_of_domains(hospitals: ir.Table) -> ir.Table:
    """Add up the weighted scores of the domains."""
    mean = z_scores.mean_of_units(_.weighted_units, _.total_weight_units * _COMMON_COUNT)
    return hospitals.mutate(total_hac_score=_of_scored(mean))


@rule(
    "42 CFR 412.172(e)",
    gives="total_hac_score",
    unit="points",
    inputs=("measure_score", "published_total_hac_score"),
    since=FIRST_DAY_OF_EQUAL_WEIGHTS,
)
def total_hac_score_of_measures(hospitals: ir.Table) -> ir.Table:
    """Average the scores of the measures that the hospital has, all with equal weight."""
    mean = z_scores.mean_of_units(_.score_units, _.scored_measures)
    return hospitals.mutate(total_hac_score=_of_scored(mean))


def _of_scored(units: ir.IntegerValue) -> ir.DecimalValue:
    """Give a Total to hospitals that have one.

    Why a hospital with scores gets none is not public; where a file prints Totals, a hospital without one has none.
    """
    has_total = ~_.prints_total_hac_score | _.has_total_hac_score
    known = has_total & ~_.has_unknown_measure & _.is_total_hac_score_computed
    return ibis.ifelse(known, money.from_units(units, money.SCORE_DECIMALS), _NO_SCORE)


# --- 412.172(e) and (b): the worst-performing quartile and its payment -----------------------------------


@rule(
    "42 U.S.C. 1395ww(p)(2)(B)",
    gives="cutoff",
    unit="points",
    inputs=_ALL_HOSPITALS,
)
def cutoff(hospitals: ir.Table) -> ir.Table:
    """Take the 75th percentile of the Total HAC Scores of all ranked hospitals, if it is not known."""
    is_ranked = ~hospitals.is_exempt | hospitals.is_exempt_state_ranked
    units = money.in_units(hospitals.total_hac_score, money.SCORE_DECIMALS)
    doubled = percentiles.with_doubled_percentile(
        hospitals,
        "doubled_percentile",
        value=ibis.ifelse(is_ranked, units, ibis.null("int64")),
        share=hospitals.cutoff_share,
        group=["scenario_id"],
        tie_breaker=["provider_id"],
    )
    computed = money.from_units(z_scores.mean_of_units(_.doubled_percentile, ibis.literal(2)), money.SCORE_DECIMALS)
    applied = ibis.ifelse(_.is_cutoff_known, _.given_cutoff, computed)
    return doubled.mutate(cutoff=ibis.ifelse(_.is_total_hac_score_computed, applied, _NO_SCORE)).drop(
        "doubled_percentile"
    )


@rule(
    "42 U.S.C. 1395ww(p)(2)",
    gives="is_in_worst_quartile",
    unit="flag",
    inputs=("total_hac_score", "cutoff", "is_exempt"),
)
def is_in_worst_quartile(hospitals: ir.Table) -> ir.Table:
    """A hospital is in the worst-performing quartile if its Total HAC Score is greater than the cutoff.

    Exempt hospitals are not judged; a hospital without a Total HAC Score is not ranked.
    """
    judged = ~_.is_exempt & (_.status != "not_determinable") & (_.cutoff.notnull() | _.total_hac_score.isnull())
    return hospitals.mutate(
        is_in_worst_quartile=ibis.ifelse(
            judged, worst_quartile.is_above_cutoff(_.total_hac_score, _.cutoff), ibis.null("boolean")
        )
    )


@rule(
    "42 CFR 412.172(b)",
    gives="payment_adjustment_factor",
    unit="multiplier",
    inputs=("is_in_worst_quartile", "payment_reduction", "is_exempt"),
)
def payment_adjustment_factor(hospitals: ir.Table) -> ir.Table:
    """Pay 99 percent to a hospital in the worst-performing quartile, 100 percent to any other and to exempt ones."""
    is_penalised = ibis.ifelse(_.is_exempt, False, _.is_in_worst_quartile)  # noqa: FBT003
    return hospitals.mutate(
        payment_adjustment_factor=worst_quartile.adjustment_factor(is_penalised, _.payment_reduction)
    )


@rule(
    "42 CFR 412.172(b)",
    gives="payment_before_reduction",
    unit="usd",
    inputs=(
        "base_operating_drg_payment_amount",
        "hvbp_adjustment_factor",
        "hrrp_adjustment_factor",
        "other_payment_amount",
    ),
)
def payment_before_reduction(hospitals: ir.Table) -> ir.Table:
    """Determine the payment after the Hospital VBP and readmissions adjustments, each taken on the base amount.

    Without an adjustment factor the base amount stands as given; other payments are added unadjusted.
    """
    one = ibis.literal(1).cast("decimal(18, 16)")
    factors = [ibis.coalesce(_[f"{name}_adjustment_factor"].cast("decimal(18, 16)"), one) for name in ("hvbp", "hrrp")]
    adjustment = money.exact(factors[0] + factors[1] - one, 18, 16)
    adjusted = money.exact(_.base_operating_drg_payment_amount.cast("decimal(18, 2)") * adjustment, 28, 10)
    other = ibis.coalesce(_.other_payment_amount, ibis.literal(0)).cast("decimal(28, 10)")
    return hospitals.mutate(payment_before_reduction=money.exact(adjusted + other, 28, 10))


@rule(
    "42 CFR 412.172(b)",
    gives="payment_reduction_amount",
    unit="usd",
    inputs=("payment_adjustment_factor", "payment_before_reduction"),
)
def payment_reduction_amount(hospitals: ir.Table) -> ir.Table:
    """Take away what the factor leaves out of the payment."""
    change = money.exact(_.payment_adjustment_factor - ibis.literal(1).cast("decimal(18, 10)"), 7, 6)
    amount = money.exact(_.payment_before_reduction.cast("decimal(22, 10)") * change, 28, 10)
    return hospitals.mutate(payment_reduction_amount=amount)
