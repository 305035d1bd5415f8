"""Every value of the chains as the hub's ``step_result``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis.expr.types as ir

from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.iha_amp import rules
from openvbp.programs.iha_amp.input_files import BUDGET_BY_QUALITY, EARNED
from openvbp.programs.iha_amp.inputs import COMMERCIAL, MEDICARE, STARS
from openvbp.programs.iha_amp.plans import COMMON_PARAMETERS, PLAN_PARAMETERS, PLAN_RULES, RESOURCE_RULES
from openvbp.programs.iha_amp.quality import MEASURE_PARAMETERS, MEASURE_RULES
from openvbp.programs.iha_amp.report_card import MEDICARE_PARAMETERS
from openvbp.rules import rules_of
from openvbp.steps import Given, Source, StepGroup, parameter_sources, step_rows

_INPUTS = {
    "numerator": "count",
    "denominator": "count",
    "baseline_rate": "rate",
    "is_lower_better": "flag",
    "is_outcome": "flag",
    "members": "count",
    "total_cost_of_care": "usd",
    "prior_total_cost_of_care": "usd",
    "trend_standard_error": "ratio",
    "use_per_1000": "rate",
    "prior_use_per_1000": "rate",
}
_COUNTED = {"listed_measures": "count", "listed_topics": "count"}
_UNITS = {
    "measure_weight": "points",
    "domain_weight": "points",
    "minimum_patients": "count",
    "maximum_points": "points",
    "minimum_quality": "points",
    "gold_standard": "points",
    "incentive_budget": "usd",
    "high_cost_years": "count",
    "is_excess_to_be_significant": "flag",
    "unit_cost": "usd",
    **dict.fromkeys(MEDICARE_PARAMETERS, "count"),
}
_SUMMARY_LINES = {
    COMMERCIAL: tuple(f"{COMMERCIAL}_{name}" for name in STARS[:3]),
    MEDICARE: tuple(f"{MEDICARE}_{name}" for name in STARS),
}
_LINES = (*STARS, *_SUMMARY_LINES[COMMERCIAL], *_SUMMARY_LINES[MEDICARE])
_PARAMETERS = (*MEASURE_PARAMETERS, "domain_weight", *PLAN_PARAMETERS, *COMMON_PARAMETERS, "unit_cost")
_GIVEN = (
    *(Given(name, unit, "input") for name, unit in _INPUTS.items()),
    *(Given(name, unit, "count") for name, unit in _COUNTED.items()),
    *(Given(name, _UNITS.get(name, "ratio"), "parameter") for name in (*_PARAMETERS, *MEDICARE_PARAMETERS)),
    *(Given(name, "points", "parameter") for name in _LINES),
)
_QUALITY_INPUTS = ("numerator", "denominator", "baseline_rate", "is_lower_better")
_PLAN_INPUTS = ("members", "total_cost_of_care", "prior_total_cost_of_care", "trend_standard_error")


def step_result(engine: Engine, tables: Mapping[str, ir.Table], scenarios: Sequence[Scenario]) -> ir.Table:
    """Write one row per value.

    Parameters
    ----------
    tables
        Wide tables by name: ``measures``, ``domains``, ``composites``; where there are any ``resources``,
        ``organizations``, ``card_measures``, ``topics``, ``commercial``, ``medicare_measures``, ``medicare``.
    """
    return step_rows(engine, _groups(tables), rules_of(rules), _GIVEN, _sources(engine, tables, scenarios))


def _groups(tables: Mapping[str, ir.Table]) -> list[StepGroup]:
    measures = tables["measures"].filter(tables["measures"].domain_id.notnull())
    domains = tables["domains"].filter(tables["domains"].domain_id.notnull())
    of_measures = tuple(rule.gives for rule in MEASURE_RULES if rule is not rules.domain_score)
    parameters = tuple(name for name in MEASURE_PARAMETERS if name != "maximum_points")
    groups = [
        StepGroup(measures, (*_QUALITY_INPUTS, *parameters, *of_measures), "measure_points"),
        StepGroup(domains, ("domain_weight", "domain_score"), "domain_score"),
        StepGroup(tables["composites"], ("maximum_points", "quality_composite"), "quality_composite"),
    ]
    if "organizations" in tables:
        groups += _plan_groups(tables["organizations"])
    if "resources" in tables:
        of_resources = tuple(rule.gives for rule in RESOURCE_RULES if rule is not rules.net_savings)
        quantities = ("use_per_1000", "prior_use_per_1000", "unit_cost", *of_resources)
        groups.append(StepGroup(tables["resources"], quantities, "resource_savings"))
    if "topics" in tables:
        counts = ("numerator", "denominator", "measure_rate", "is_lower_better", "card_score")
        groups.append(StepGroup(tables["card_measures"], counts, "card_score"))
        groups.append(
            StepGroup(tables["topics"], ("listed_measures", "topic_score", *STARS[:3], "topic_stars"), "topic_stars")
        )
        quantities = ("commercial_summary_score", "commercial_summary_stars", *_SUMMARY_LINES[COMMERCIAL])
        quantities = (*quantities, "listed_topics")
        groups.append(StepGroup(tables["commercial"], quantities, "commercial_summary_stars"))
    if "medicare" in tables:
        counts = ("numerator", "denominator", "measure_rate", "is_lower_better", "is_outcome", "card_score")
        groups.append(StepGroup(tables["medicare_measures"], (*counts, *STARS, "measure_stars"), "measure_stars"))
        quantities = ("medicare_summary_score", "medicare_summary_stars", *_SUMMARY_LINES[MEDICARE])
        quantities = (*quantities, *MEDICARE_PARAMETERS)
        groups.append(StepGroup(tables["medicare"], quantities, "medicare_summary_stars"))
    return groups


def _plan_groups(organizations: ir.Table) -> list[StepGroup]:
    """Steps of each plan: only those that its distribution needs."""
    of_savings = ("net_savings", "shared_savings_rate", "shared_savings_amount", "earned_incentive")
    quantities = (*_PLAN_INPUTS, *PLAN_PARAMETERS, *COMMON_PARAMETERS, *(rule.gives for rule in PLAN_RULES))
    of_all = tuple(name for name in quantities if name not in (*of_savings, "distribution_weight"))
    by_savings = organizations.filter(organizations.distribution != BUDGET_BY_QUALITY)
    of_budget = organizations.filter(organizations.distribution != EARNED)
    return [
        StepGroup(organizations, of_all, "incentive_payment"),
        StepGroup(by_savings, of_savings, "incentive_payment"),
        StepGroup(of_budget, ("distribution_weight",), "incentive_payment"),
    ]


def _sources(engine: Engine, tables: Mapping[str, ir.Table], scenarios: Sequence[Scenario]) -> list[Source]:
    sources = parameter_sources(scenarios)
    files = {
        **dict.fromkeys(("numerator", "denominator", "baseline_rate"), "measure_results.csv"),
        "is_lower_better": "measures.csv",
        "minimum_patients": "measures.csv",
        "is_outcome": "medicare_measures.csv",
        **dict.fromkeys(_PLAN_INPUTS, "plan_organizations.csv"),
        **dict.fromkeys(("use_per_1000", "prior_use_per_1000"), "resource_use.csv"),
    }
    cites = {name: f"{file_name}, column '{name}'" for name, file_name in files.items()}
    cites |= dict.fromkeys(_COUNTED, "measures.csv, column 'topic_id'")
    of_medicare = {
        **dict.fromkeys(("numerator", "denominator"), "medicare_results.csv"),
        "is_lower_better": "medicare_measures.csv",
    }
    medicare: list[str] = []
    if "medicare_measures" in tables:
        rows = tables["medicare_measures"].select("measure_id").distinct()
        medicare = engine.to_arrow(rows)["measure_id"].to_pylist()
    for scenario in scenarios:
        sources += [Source(scenario.scenario_id, name, "", "", cite) for name, cite in cites.items()]
        sources += [
            Source(scenario.scenario_id, name, measure, "", f"{file_name}, column '{name}'")
            for measure in medicare
            for name, file_name in of_medicare.items()
        ]
        sources += _keyed_sources(scenario)
    return sources


def _keyed_sources(scenario: Scenario) -> list[Source]:
    """Terms of plans, which stand as domains, and cut points of topics, Medicare measures and summaries."""
    found = []
    for name in PLAN_PARAMETERS:
        for plan, cited in scenario.parameters[name].values.items():
            found.append(Source(scenario.scenario_id, name, "", plan, cited.cite))
    for name in STARS:
        for item, cited in scenario.parameters[name].values.items():
            if item in (COMMERCIAL, MEDICARE):
                found.append(Source(scenario.scenario_id, f"{item}_{name}", "", "", cited.cite))
            elif item.startswith(f"{MEDICARE}."):
                found.append(Source(scenario.scenario_id, name, item, "", cited.cite))
            else:
                found.append(Source(scenario.scenario_id, name, "", item, cited.cite))
    return found
