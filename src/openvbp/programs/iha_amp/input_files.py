"""The user's files: quality measures and results, plans and their organizations, resource use, the report card."""

from __future__ import annotations

from itertools import pairwise

import ibis.expr.types as ir
from ibis import _

from openvbp.checked_rows import RowCheck
from openvbp.declared_tables import DeclaredColumn, DeclaredTable

MOST_PATIENTS = 10**7
EARNED, BUDGET_BY_EARNED, BUDGET_BY_QUALITY = "earned", "budget_by_earned", "budget_by_quality"
SUMMARY = "summary"
"""Row of report_card_topics.csv with the cut points of the summary."""
_STARS = ("two_stars", "three_stars", "four_stars", "five_stars")

MEASURES = DeclaredTable(
    "measures.csv",
    (
        DeclaredColumn("measure_id", "text"),
        DeclaredColumn("domain_id", "text"),
        DeclaredColumn("weight", "weight", lowest=0),
        DeclaredColumn("is_lower_better", "yes_no"),
        DeclaredColumn("minimum_patients", "count", may_be_empty=True, lowest=0),
        DeclaredColumn("attainment_threshold", "ratio", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("attainment_benchmark", "ratio", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("topic_id", "text", is_optional=True, may_be_empty=True),
    ),
    key=("measure_id",),
)
DOMAINS = DeclaredTable(
    "domains.csv",
    (DeclaredColumn("domain_id", "text"), DeclaredColumn("weight", "weight", lowest=0)),
    key=("domain_id",),
)
RESULTS = DeclaredTable(
    "measure_results.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("measure_id", "text"),
        DeclaredColumn("numerator", "count", lowest=0),
        DeclaredColumn("denominator", "count", lowest=0),
        DeclaredColumn("baseline_rate", "ratio", may_be_empty=True, lowest=0),
    ),
    key=("provider_id", "measure_id"),
)
PLANS = DeclaredTable(
    "plans.csv",
    (
        DeclaredColumn("plan_id", "text"),
        DeclaredColumn("distribution", "text", choices=(EARNED, BUDGET_BY_EARNED, BUDGET_BY_QUALITY)),
        DeclaredColumn("incentive_budget", "amount", may_be_empty=True, lowest=0),
        DeclaredColumn("minimum_quality", "weight", lowest=0),
        DeclaredColumn("gold_standard", "weight", lowest=0),
        DeclaredColumn("trend_limit", "ratio", lowest=0),
        DeclaredColumn("trend_confidence_level", "ratio", lowest=0),
    ),
    key=("plan_id",),
)
ORGANIZATIONS = DeclaredTable(
    "plan_organizations.csv",
    (
        DeclaredColumn("plan_id", "text"),
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("members", "count", lowest=0),
        DeclaredColumn("total_cost_of_care", "amount", may_be_empty=True, lowest=0),
        DeclaredColumn("prior_total_cost_of_care", "amount", may_be_empty=True, lowest=0),
        DeclaredColumn("trend_standard_error", "ratio", may_be_empty=True, lowest=0),
    ),
    key=("plan_id", "provider_id"),
)
RESOURCE_MEASURES = DeclaredTable(
    "resource_measures.csv",
    (DeclaredColumn("measure_id", "text"), DeclaredColumn("unit_cost", "amount", lowest=0)),
    key=("measure_id",),
)
RESOURCE_USE = DeclaredTable(
    "resource_use.csv",
    (
        DeclaredColumn("plan_id", "text"),
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("measure_id", "text"),
        DeclaredColumn("use_per_1000", "ratio", lowest=0),
        DeclaredColumn("prior_use_per_1000", "ratio", lowest=0),
    ),
    key=("plan_id", "provider_id", "measure_id"),
)
TOPICS = DeclaredTable(
    "report_card_topics.csv",
    (DeclaredColumn("topic_id", "text"), *(DeclaredColumn(name, "weight", lowest=0) for name in _STARS[:3])),
    key=("topic_id",),
)
MEDICARE_MEASURES = DeclaredTable(
    "medicare_measures.csv",
    (
        DeclaredColumn("measure_id", "text"),
        DeclaredColumn("is_outcome", "yes_no"),
        DeclaredColumn("is_lower_better", "yes_no"),
        *(DeclaredColumn(name, "weight", lowest=0) for name in _STARS),
    ),
    key=("measure_id",),
)
MEDICARE_RESULTS = DeclaredTable(
    "medicare_results.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("measure_id", "text"),
        DeclaredColumn("numerator", "count", lowest=0),
        DeclaredColumn("denominator", "count", lowest=0),
    ),
    key=("provider_id", "measure_id"),
)


def measure_checks(domains: list[str]) -> list[RowCheck]:
    """What must hold within a row of measures."""
    threshold, benchmark = _.attainment_threshold, _.attainment_benchmark
    distance = (benchmark - threshold) * _.is_lower_better.ifelse(-1, 1)
    return [
        _check("domain_id", _.domain_id.notin(domains), "has no weight in domains.csv"),
        *_weight_checks(),
        _check("attainment_threshold", threshold.isnull() & benchmark.notnull(), "empty, but the benchmark is given"),
        _check("attainment_benchmark", threshold.notnull() & benchmark.isnull(), "empty, but the threshold is given"),
        *(_check(name, _[name] > 1, "above 1, which is 100 %") for name in _POINTS_BETWEEN),
        _check("attainment_benchmark", distance <= 0, "not better than the threshold"),
        _check("measure_id", _.measure_id.contains("."), "contains a full stop"),
        _check("topic_id", _.topic_id == SUMMARY, "summary is the name of the whole card"),
    ]


_POINTS_BETWEEN = ("attainment_threshold", "attainment_benchmark")


def domain_checks() -> list[RowCheck]:
    """What must hold within a row of domains."""
    return [*_weight_checks(), _check("domain_id", _.domain_id.contains("."), "contains a full stop")]


def _weight_checks() -> list[RowCheck]:
    return [
        _check("weight", _.weight >= 100, "not below 100"),
        _check("weight", _.weight.round(2) != _.weight, "more than two decimals"),
    ]


def result_checks(measures: list[str], file_name: str) -> list[RowCheck]:
    """What must hold within a row of results of measures that a file lists."""
    return [
        _check("measure_id", _.measure_id.notin(measures), f"not in {file_name}"),
        _check("numerator", _.numerator > _.denominator, "above the denominator: a rate above 100 %"),
        _check("denominator", _.denominator > MOST_PATIENTS, "above ten million"),
    ]


def baseline_checks() -> list[RowCheck]:
    """What must hold of the rate of the year before."""
    return [_check("baseline_rate", _.baseline_rate > 1, "above 1, which is 100 %")]


def plan_checks() -> list[RowCheck]:
    """What must hold within a row of plans."""
    has_budget = _.distribution != EARNED
    return [
        _check("incentive_budget", has_budget & _.incentive_budget.isnull(), "empty, but the plan divides a budget"),
        _check("incentive_budget", ~has_budget & _.incentive_budget.notnull(), "given, but the plan divides none"),
        _check("incentive_budget", _.incentive_budget >= 10**10, "not below ten billion"),
        _check("minimum_quality", _.minimum_quality > 100, "above 100, the highest composite"),
        _check("gold_standard", ~_.gold_standard.between(1, 100), "not between 1 and 100"),
        _check("trend_limit", _.trend_limit > 1, "above 1, which is 100 %"),
        _check("trend_confidence_level", _.trend_confidence_level >= 1, "not below 1, which is 100 %"),
        _check("plan_id", _.plan_id.contains("."), "contains a full stop"),
    ]


def organization_checks(plans: list[str]) -> list[RowCheck]:
    """What must hold within a row of a plan's organization."""
    costs = ("total_cost_of_care", "prior_total_cost_of_care")
    return [
        _check("plan_id", _.plan_id.notin(plans), "not in plans.csv"),
        _check("members", _.members > MOST_PATIENTS, "above ten million"),
        *(_check(name, _[name] >= 10**6, "not below one million a member and month") for name in costs),
        _check("prior_total_cost_of_care", _.prior_total_cost_of_care == 0, "zero: there is no trend from nothing"),
        _check(
            "total_cost_of_care",
            _.total_cost_of_care > _.prior_total_cost_of_care * 1000,
            "more than a thousand times that of the year before",
        ),
        _check("trend_standard_error", _.trend_standard_error > 1, "above 1, which is 100 %"),
    ]


def resource_measure_checks(measures: list[str]) -> list[RowCheck]:
    """What must hold within a row of resource use measures."""
    return [
        _check("measure_id", _.measure_id.isin(measures), "a quality measure of measures.csv has this name"),
        _check("measure_id", _.measure_id.contains("."), "contains a full stop"),
        _check("unit_cost", _.unit_cost >= 10**6, "not below one million"),
    ]


def resource_use_checks(measures: list[str], plans: list[str]) -> list[RowCheck]:
    """What must hold within a row of resource use."""
    return [
        _check("plan_id", _.plan_id.notin(plans), "not in plans.csv"),
        _check("measure_id", _.measure_id.notin(measures), "not in resource_measures.csv"),
        *(_check(name, _[name] >= 10**5, "not below 100,000") for name in ("use_per_1000", "prior_use_per_1000")),
    ]


def star_checks(names: tuple[str, ...]) -> list[RowCheck]:
    """What must hold of cut points: each above the one before, none above 100."""
    return [
        *(_check(upper, _[upper] <= _[lower], f"not above {lower}") for lower, upper in pairwise(names)),
        _check(names[-1], _[names[-1]] > 100, "above 100, the highest score"),
    ]


def _check(column: str, condition: ir.BooleanValue, reason: str) -> RowCheck:
    return RowCheck(column, lambda rows: rows.bind(condition)[0], reason)
