"""The rules in order: optimal care of patients, rates, expected rates and ratings of clinics, cost, patient experience.

Grains: scenario × patient × measure; scenario × clinic × measure × risk category; scenario × clinic × measure; scenario
× clinic; scenario × medical group (cost); scenario × answer. A clinic is a clinic or a medical group.
"""

from __future__ import annotations

from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.operands import computed_once
from openvbp.programs.mncm.input_files import ASTHMA, DIABETES, RATINGS, VASCULAR
from openvbp.rules import rule
from openvbp.scoring import intervals, percentiles

RATE_DECIMALS = 6
INDEX_DECIMALS = 10
MOST_INDEX = 100
"""Indexes are below this: one that is not comes from wrong input."""
_DIABETES = "NQF 0729, optimal diabetes care"
_VASCULAR = "Minnesota Department of Health, page on optimal vascular care"
_ASTHMA = "mnhealthscores.org, asthma care; MIPS measure 398, optimal asthma control"
_EXPECTED = "mncm.org, risk adjusted results: actual to expected"
_RATING = "mncm.org, risk adjusted results; methods of MNHealthScores"
_COST = "NQF 1604, total cost of care (HealthPartners), as MN Community Measurement uses it"
_RESOURCE = "NQF 1598, total resource use (HealthPartners), as MN Community Measurement uses it"
_EXPERIENCE = "mnhealthscores.org, patient experience (CG-CAHPS)"
_CLINIC = ["scenario_id", "provider_id", "measure_id"]
COMPONENTS = (
    "meets_blood_pressure",
    "meets_a1c",
    "meets_tobacco",
    "meets_statin",
    "meets_aspirin",
    "meets_asthma_control",
    "meets_asthma_risk",
)


def _goal(measures: tuple[str, ...], condition: ir.BooleanValue) -> ir.BooleanValue:
    """Judge a goal of some measures: what is not documented is not met; null where the measure has no such goal."""
    return ibis.ifelse(_.measure_id.isin(measures), condition.fill_null(False), ibis.null("boolean"))  # noqa: FBT003


# --- Optimal care: all goals or none -------------------------------------------------------------------


@rule(
    f"{_DIABETES}; {_VASCULAR}",
    gives="meets_blood_pressure",
    unit="flag",
    inputs=("systolic", "diastolic", "systolic_below", "diastolic_below"),
)
def meets_blood_pressure(patients: ir.Table) -> ir.Table:
    """Ask for the most recent blood pressure below both limits; without a reading the goal is missed."""
    both = (_.systolic < _.systolic_below) & (_.diastolic < _.diastolic_below)
    return patients.mutate(meets_blood_pressure=_goal((DIABETES, VASCULAR), both))


@rule(_DIABETES, gives="meets_a1c", unit="flag", inputs=("a1c", "a1c_below"))
def meets_a1c(patients: ir.Table) -> ir.Table:
    """Ask for the most recent haemoglobin A1c below the limit; without a test the goal is missed."""
    return patients.mutate(meets_a1c=_goal((DIABETES,), _.a1c < _.a1c_below))


@rule(f"{_DIABETES}; {_VASCULAR}", gives="meets_tobacco", unit="flag", inputs=("is_tobacco_free",))
def meets_tobacco(patients: ir.Table) -> ir.Table:
    """Ask for a documented status free of tobacco."""
    return patients.mutate(meets_tobacco=_goal((DIABETES, VASCULAR), _.is_tobacco_free))


@rule(f"{_DIABETES}; {_VASCULAR}", gives="meets_statin", unit="flag", inputs=("statin",))
def meets_statin(patients: ir.Table) -> ir.Table:
    """Ask for a statin, unless none is indicated or it is contraindicated."""
    return patients.mutate(meets_statin=_goal((DIABETES, VASCULAR), _.statin.isin(["taken", "not_indicated"])))


@rule(f"{_DIABETES}; {_VASCULAR}", gives="meets_aspirin", unit="flag", inputs=("aspirin",))
def meets_aspirin(patients: ir.Table) -> ir.Table:
    """Ask for daily aspirin or another antiplatelet of patients with vascular disease, unless contraindicated."""
    return patients.mutate(meets_aspirin=_goal((DIABETES, VASCULAR), _.aspirin.isin(["taken", "not_indicated"])))


@rule(_ASTHMA, gives="meets_asthma_control", unit="flag", inputs=("is_asthma_well_controlled",))
def meets_asthma_control(patients: ir.Table) -> ir.Table:
    """Ask for well-controlled asthma by one of the patient-reported tools; without a result the goal is missed."""
    return patients.mutate(meets_asthma_control=_goal((ASTHMA,), _.is_asthma_well_controlled))


@rule(
    _ASTHMA,
    gives="meets_asthma_risk",
    unit="flag",
    inputs=("asthma_emergency_visits", "asthma_hospital_stays", "asthma_visits_below"),
)
def meets_asthma_risk(patients: ir.Table) -> ir.Table:
    """Ask for fewer than two emergency visits and hospital stays together; if one is not known the goal is missed."""
    visits = _.asthma_emergency_visits + _.asthma_hospital_stays
    return patients.mutate(meets_asthma_risk=_goal((ASTHMA,), visits < _.asthma_visits_below))


@rule("NQF 0729: achieving all of the goals", gives="is_optimal", unit="flag", inputs=COMPONENTS)
def is_optimal(patients: ir.Table) -> ir.Table:
    """Count a patient only if every goal that the measure has is met: all or none."""
    every = ibis.and_(*(patients[name].fill_null(True) for name in COMPONENTS))  # noqa: FBT003
    return patients.mutate(is_optimal=every)


@rule(_EXPERIENCE, gives="is_most_positive", unit="flag", inputs=("answer", "most_positive_rating"))
def is_most_positive(answers: ir.Table) -> ir.Table:
    """Count the most positive answer: always, or a rating of 9 or 10."""
    rating = ibis.ifelse(_.answer.isin(RATINGS), _.answer, ibis.null("string")).cast("int64")
    positive = ibis.ifelse(rating.isnull(), _.answer == "always", rating >= _.most_positive_rating)
    return answers.mutate(is_most_positive=positive)


# --- Actual and expected rate --------------------------------------------------------------------------


@rule(_EXPECTED, gives="category_rate", unit="rate", inputs=("given_category_rate", "met", "patients"))
def category_rate(counts: ir.Table) -> ir.Table:
    """Take the statewide rate of each risk category: as given, or that of all clinics together."""
    group = ["scenario_id", "measure_id", "risk_category"]
    computed = money.divide_half_up(_window_sum(counts.met, group), _window_sum(counts.patients, group))
    return computed_once(
        counts.mutate(category_rate=ibis.coalesce(counts.given_category_rate.cast(money.SCORE_TYPE), computed))
    )


@rule(_EXPECTED, gives="expected_met", unit="count", inputs=("patients", "category_rate"))
def expected_met(counts: ir.Table) -> ir.Table:
    """Add up what the clinic's patients would give were each risk category treated with its statewide rate.

    The number is not known where a category with patients has no rate.
    """
    is_unknown = (counts.category_rate.isnull() & (counts.patients > 0)).cast("int64")
    units = counts.patients * money.in_units(counts.category_rate.fill_null(0), money.SCORE_DECIMALS)
    total = money.from_units(_window_sum(units, _CLINIC), money.SCORE_DECIMALS)
    unknown = _window_sum(is_unknown, _CLINIC)
    return counts.mutate(expected_met=ibis.ifelse(unknown > 0, ibis.null(money.SCORE_TYPE), total))


@rule(_EXPECTED, gives="actual_rate", unit="rate", inputs=("met", "patients"))
def actual_rate(clinics: ir.Table) -> ir.Table:
    """Divide the patients who met the measure by all its patients; risk adjustment leaves this rate as it is."""
    return clinics.mutate(actual_rate=money.divide_half_up(_.met, _.patients))


@rule(_EXPECTED, gives="expected_rate", unit="rate", inputs=("model_expected_rate", "expected_met", "patients"))
def expected_rate(clinics: ir.Table) -> ir.Table:
    """Divide the expected number by the patients, to six decimals; a rate of a statewide model that is given wins.

    Six decimals are what the comparison is made with.
    """
    # In two parts: as a float the whole number of units would lose its last digits.
    whole = _.expected_met.floor().cast("int64")
    part = money.in_units(_.expected_met - whole.cast(money.SCORE_TYPE), money.SCORE_DECIMALS)
    units = whole * 10**money.SCORE_DECIMALS + part
    own = money.from_units(money.round_half_up_quotient(units, _.patients * 10**RATE_DECIMALS), RATE_DECIMALS)
    return clinics.mutate(expected_rate=ibis.coalesce(_.model_expected_rate.cast(intervals.BOUND_TYPE), own))


@rule(
    "mnhealthscores.org, how ratings are calculated",
    gives="statewide_rate",
    unit="rate",
    inputs=("given_statewide_rate", "met", "patients"),
)
def statewide_rate(clinics: ir.Table) -> ir.Table:
    """Take the statewide average: as given, or the rate of the patients of all clinics together, to six decimals."""
    group = ["scenario_id", "measure_id"]
    own = money.divide_half_up(_window_sum(clinics.met, group), _window_sum(clinics.patients, group), RATE_DECIMALS)
    given = clinics.given_statewide_rate.cast(intervals.BOUND_TYPE)
    return clinics.mutate(statewide_rate=ibis.coalesce(given, own))


@rule(
    "MN Community Measurement, help desk: thresholds for public reporting",
    gives="is_reportable",
    unit="flag",
    inputs=("patients", "minimum_patients"),
)
def is_reportable(results: ir.Table) -> ir.Table:
    """Publish results with enough patients only."""
    return results.mutate(is_reportable=_.patients >= _.minimum_patients)


@rule(
    _RATING,
    gives="interval_lower",
    unit="rate",
    inputs=("met", "patients", "confidence_level"),
)
def interval_lower(clinics: ir.Table) -> ir.Table:
    """Give the lower bound of the confidence interval of the actual rate."""
    wilson, _upper = intervals.wilson_bounds(clinics.met, clinics.patients, clinics.critical_value)
    return clinics.mutate(interval_lower=_by_method(clinics, wilson, clinics.exact_lower))


@rule(
    _RATING,
    gives="interval_upper",
    unit="rate",
    inputs=("met", "patients", "confidence_level"),
)
def interval_upper(clinics: ir.Table) -> ir.Table:
    """Give the upper bound of the confidence interval of the actual rate."""
    _lower, wilson = intervals.wilson_bounds(clinics.met, clinics.patients, clinics.critical_value)
    return clinics.mutate(interval_upper=_by_method(clinics, wilson, clinics.exact_upper))


@rule(
    _RATING,
    gives="rating",
    unit="sign",
    inputs=("is_reportable", "actual_rate", "expected_rate", "interval_lower", "interval_upper"),
)
def rating(clinics: ir.Table) -> ir.Table:
    """Rate above (1), as (0) or below (-1) expected by whether the interval excludes the expected rate."""
    return clinics.mutate(rating=_against(clinics, clinics.expected_rate))


@rule(
    "mnhealthscores.org, frequently asked questions",
    gives="statewide_rating",
    unit="sign",
    inputs=(
        "is_reportable",
        "actual_rate",
        "statewide_rate",
        "interval_lower",
        "interval_upper",
        "top_percentile",
    ),
)
def statewide_rating(clinics: ir.Table) -> ir.Table:
    """Rate top (2), above (1), average (0) or below (-1) against the statewide average; null is not reportable.

    Top is a result above average that reaches a percentile of the published results; without one no result is top.
    """
    published = ibis.ifelse(clinics.is_reportable, clinics.actual_rate, ibis.null(money.SCORE_TYPE))
    ranked = percentiles.with_doubled_percentile(
        clinics,
        "doubled_percentile",
        value=money.in_units(published, money.SCORE_DECIMALS),
        share=money.in_units(clinics.top_percentile, percentiles.SHARE_DECIMALS),
        group=["scenario_id", "measure_id"],
        tie_breaker=["provider_id"],
    )
    doubled = money.in_units(ranked.actual_rate, money.SCORE_DECIMALS) * 2
    is_top = (doubled >= ranked.doubled_percentile).fill_null(False)  # noqa: FBT003
    compared = _against(ranked, ranked.statewide_rate)
    label = ibis.ifelse((compared == 1) & is_top & ranked.top_percentile.notnull(), 2, compared).cast("int64")
    return ranked.mutate(statewide_rating=label).drop("doubled_percentile")


def _against(clinics: ir.Table, reference: ir.DecimalValue) -> ir.IntegerValue:
    wilson = intervals.wilson_comparison(clinics.met, clinics.patients, reference, clinics.critical_value)
    exact = intervals.comparison_with_bounds(clinics.exact_lower, clinics.exact_upper, reference)
    return ibis.ifelse(clinics.is_reportable, _by_method(clinics, wilson, exact), ibis.null("int64"))


def _by_method(clinics: ir.Table, wilson: ir.Value, exact: ir.Value) -> ir.Value:
    return ibis.ifelse(clinics.interval_method == "wilson", wilson, exact)


def _window_sum(value: ir.IntegerValue, group: list[str]) -> ir.IntegerValue:
    # DuckDB sums whole numbers to 128 bits unnoticed by Ibis.
    return value.sum().over(ibis.window(group_by=group)).cast("decimal(38, 0)").cast("int64")


@rule(
    "mncm.org, Minnesota Health Care Quality Report, part 3",
    gives="better_than_average_percent",
    unit="points",
    inputs=("better_measures", "rated_measures"),
)
def better_than_average_percent(clinics: ir.Table) -> ir.Table:
    """Give the share of the published measures of a clinic that are statistically better than the statewide average."""
    share = money.divide_half_up(_.better_measures * 100, _.rated_measures)
    return clinics.mutate(better_than_average_percent=share)


@rule(
    "mncm.org, Minnesota Health Care Quality Report, part 3",
    gives="is_top_performer",
    unit="flag",
    inputs=("better_than_average_percent", "top_performer_share"),
    since=date(2021, 1, 1),
)
def is_top_performer(clinics: ir.Table) -> ir.Table:
    """Call top performers those that are better than average on at least half of their measures."""
    needed = money.exact(_.top_performer_share * 100, 18, 12)
    return clinics.mutate(is_top_performer=_.better_than_average_percent >= needed)


@rule(
    _EXPERIENCE,
    gives="experience_percent",
    unit="points",
    inputs=("actual_rate",),
)
def experience_percent(domains: ir.Table) -> ir.Table:
    """Average the shares of most positive answers of the questions of a domain, each question alike."""
    return domains.mutate(
        experience_percent=money.from_units(
            money.round_half_up_quotient(_.question_rate_units * 100, _.questions), money.SCORE_DECIMALS
        )
    )


# --- Total cost of care --------------------------------------------------------------------------------


@rule(_COST, gives="cost_per_member_month", unit="usd", inputs=("total_cost", "member_months"))
def cost_per_member_month(groups: ir.Table) -> ir.Table:
    """Divide the cost of a group's patients by their months."""
    cost = money.divide_half_up(money.in_units(_.total_cost, 2), _.member_months * 100, RATE_DECIMALS)
    return groups.mutate(cost_per_member_month=cost)


@rule(
    _COST,
    gives="expected_cost_per_member_month",
    unit="usd",
    inputs=("statewide_cost_per_member_month", "risk_score"),
)
def expected_cost_per_member_month(groups: ir.Table) -> ir.Table:
    """Multiply the statewide cost of a month of risk 1 by the risk score of the group's patients."""
    product = _.statewide_cost_per_member_month.cast("decimal(19, 6)") * _.risk_score.cast("decimal(12, 4)")
    return groups.mutate(expected_cost_per_member_month=money.exact(product, 18, RATE_DECIMALS))


@rule(
    _COST,
    gives="total_cost_index",
    unit="ratio",
    inputs=("is_reportable", "cost_per_member_month", "expected_cost_per_member_month"),
)
def total_cost_index(groups: ir.Table) -> ir.Table:
    """Divide actual by expected cost: below 1 is cheaper than the statewide average for such patients.

    There is none for groups with too few patients.
    """
    index = _index(_.cost_per_member_month, _.expected_cost_per_member_month)
    return computed_once(
        groups.mutate(total_cost_index=ibis.ifelse(_.is_reportable, index, ibis.null(money.RATE_TYPE)))
    )


@rule(
    _RESOURCE,
    gives="resource_use_index",
    unit="ratio",
    inputs=("resource_units", "member_months", "statewide_resource_units_per_member_month", "risk_score"),
)
def resource_use_index(groups: ir.Table) -> ir.Table:
    """Divide actual by expected resource units, which count every service at one price wherever it is given."""
    actual = money.divide_half_up(money.in_units(_.resource_units, 2), _.member_months * 100, RATE_DECIMALS)
    product = _.statewide_resource_units_per_member_month.cast("decimal(19, 6)") * _.risk_score.cast("decimal(12, 4)")
    # Columns of their own, for a division repeats its operands: one expression would be four times as long.
    parts = groups.mutate(actual_units=actual, expected_units=money.exact(product, 18, RATE_DECIMALS))
    index = _index(_.actual_units, _.expected_units)
    return computed_once(parts.mutate(resource_use_index=index)).drop("actual_units", "expected_units")


@rule(
    "mncm.org, cost and utilization: total cost is separated into resource use and price",
    gives="price_index",
    unit="ratio",
    inputs=("total_cost_index", "resource_use_index"),
)
def price_index(groups: ir.Table) -> ir.Table:
    """Divide the total cost index by the resource use index: what is left is price."""
    price = _quotient(
        money.in_units(_.total_cost_index, INDEX_DECIMALS), money.in_units(_.resource_use_index, INDEX_DECIMALS)
    )
    return computed_once(groups.mutate(price_index=price))


def _index(actual: ir.DecimalValue, expected: ir.DecimalValue) -> ir.DecimalValue:
    return _quotient(money.in_units(actual, RATE_DECIMALS), money.in_units(expected, RATE_DECIMALS))


def _quotient(actual: ir.IntegerValue, expected: ir.IntegerValue) -> ir.DecimalValue:
    """Divide; there is no index of one hundred or more, nor one of what whole numbers of 64 bits cannot divide."""
    is_sound = (actual < expected * MOST_INDEX) & (expected < 4 * 10**12)
    dividend, divisor = (ibis.ifelse(is_sound, value, ibis.null("int64")) for value in (actual, expected))
    return money.exact(money.divide_half_up(dividend, divisor), 18, INDEX_DECIMALS)
