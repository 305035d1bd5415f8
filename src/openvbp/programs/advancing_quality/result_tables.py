"""The program's wide tables as the tables of the results model."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.advancing_quality.conditions import PARAMETER_QUANTITIES, cited_parameters, rules_in_force
from openvbp.steps import Given, Source, StepGroup, step_rows

_NO_RATE = ibis.null("decimal(18, 10)")
_NO_POINTS = ibis.null("decimal(18, 4)")
_COUNTS = ("numerator", "denominator")
_SUMS = ("process_numerator", "process_denominator")
_COMPARED = {
    "attainment_threshold": "median of the condition in first_year_scores.csv",
    "first_year_composite_process_score": "first_year_scores.csv, column 'composite_process_score'",
}
_GIVEN = (
    *(Given(name, "count", "input") for name in _COUNTS),
    *(Given(name, "count", "count") for name in _SUMS),
    Given("tariff_income", "gbp", "input"),
    *(Given(name, "points", "input") for name in _COMPARED),
    *(Given(name, "count" if name.endswith("quartiles") else "ratio", "parameter") for name in PARAMETER_QUANTITIES),
)


def provider_table(conditions: ir.Table) -> ir.Table:
    """Trusts of any file as the hub's ``provider``."""
    return (
        conditions.select("provider_id")
        .distinct()
        .mutate(
            provider_type=ibis.literal("hospital trust"),
            **dict.fromkeys(("provider_name", "state", "place", "peer_group", "excluded_reason"), ibis.null("string")),
            dual_eligible_ratio=_NO_RATE,
        )
    )


def measure_name(measures: ir.Table) -> ir.StringValue:
    """Name a measure so that it is one per trust: condition and measure."""
    return measures.domain_id + "." + measures.measure_id


def measure_result(measures: ir.Table) -> ir.Table:
    """Measures as the hub's ``measure_result``."""
    return measures.select(
        "scenario_id",
        "provider_id",
        "domain_id",
        "numerator",
        "denominator",
        "status",
        "status_reason",
        measure_id=measure_name(measures),
        rate=_.measure_rate,
        **dict.fromkeys(("expected", "baseline_rate", "threshold", "benchmark"), _NO_RATE),
        **dict.fromkeys(("achievement_points", "improvement_points", "points", "maximum_points"), _NO_POINTS),
    )


def domain_result(conditions: ir.Table) -> ir.Table:
    """Conditions as the hub's ``domain_result``: the score is the composite process score."""
    return conditions.select(
        "scenario_id",
        "provider_id",
        "domain_id",
        "status",
        "status_reason",
        points=_NO_POINTS,
        maximum_points=_NO_POINTS,
        score=_.composite_process_score,
        weight=ibis.null("decimal(18, 12)"),
        weighted_score=ibis.null("decimal(18, 12)"),
    )


def step_result(engine: Engine, measures: ir.Table, conditions: ir.Table, scenarios: Sequence[Scenario]) -> ir.Table:
    """Every value of the chain as the hub's ``step_result``."""
    rules = rules_in_force(scenarios[0])
    computed = [rule.gives for rule in rules if rule.gives in conditions.columns]
    given = [one.quantity for one in _GIVEN if one.quantity in conditions.columns]
    named = measures.mutate(measure_id=measure_name(measures))
    groups = (
        StepGroup(named, (*_COUNTS, "measure_rate"), "measure_rate"),
        StepGroup(conditions, (*given, *computed), "composite_process_score"),
    )
    return step_rows(engine, groups, rules, _GIVEN, _sources(engine, named, conditions, scenarios))


def _sources(engine: Engine, measures: ir.Table, conditions: ir.Table, scenarios: Sequence[Scenario]) -> list[Source]:
    domains = engine.to_arrow(conditions.select("domain_id").distinct())["domain_id"].to_pylist()
    names = engine.to_arrow(measures.select("measure_id").distinct())["measure_id"].to_pylist()
    sources = []
    for scenario in scenarios:
        citations = {quantity: scenario.cited(*place).cite for quantity, place in cited_parameters(scenario).items()}
        citations |= _COMPARED
        citations["tariff_income"] = "tariff_income.csv, column 'tariff_income'"
        citations |= dict.fromkeys(_SUMS, "rows of measure_results.csv")
        sources += [
            Source(scenario.scenario_id, quantity, "", domain, cite)
            for quantity, cite in citations.items()
            for domain in domains
        ]
        sources += [
            Source(scenario.scenario_id, column, name, "", f"measure_results.csv, column '{column}'")
            for column in _COUNTS
            for name in names
        ]
    return sources
