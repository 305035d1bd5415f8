"""The demonstration's wide tables as the tables of the results model."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.hqid.conditions import PARAMETER_QUANTITIES, cited_parameters, rules_in_force
from openvbp.steps import Given, Source, StepGroup, step_rows

_NO_RATE = ibis.null("decimal(18, 10)")
_NO_POINTS = ibis.null("decimal(18, 4)")
_UNITS = {"minimum_cases": "count", "award_deciles": "count", "outcome_measure_weight": "multiplier"}
_MEASURE_INPUTS = {"numerator": "count", "denominator": "count", "expected_rate": "rate"}
_SUMS = ("process_numerator", "process_denominator", "process_measures", "outcome_measures")
_COMPARED = {
    "decile_9_line": "lowest score of the best eight deciles of the comparison period in earlier_scores.csv",
    "decile_10_line": "lowest score of the best nine deciles of the comparison period in earlier_scores.csv",
    "attainment_threshold": "median score of the comparison period in earlier_scores.csv",
    "earlier_composite_quality_score": "earlier_scores.csv, column 'composite_quality_score'",
}
_GIVEN = (
    *(Given(name, unit, "input") for name, unit in _MEASURE_INPUTS.items()),
    *(Given(name, "count", "count") for name in _SUMS),
    Given("cases", "count", "input"),
    Given("condition_payment_amount", "usd", "input"),
    *(Given(name, "points", "input") for name in _COMPARED),
    *(
        Given(name, _UNITS.get(name, "usd" if name.endswith("amount") else "ratio"), "parameter")
        for name in PARAMETER_QUANTITIES
    ),
)


def provider_table(conditions: ir.Table) -> ir.Table:
    """Hospitals of any file as the hub's ``provider``."""
    return (
        conditions.select("provider_id")
        .distinct()
        .mutate(
            provider_type=ibis.literal("hospital"),
            **dict.fromkeys(("provider_name", "state", "place", "peer_group", "excluded_reason"), ibis.null("string")),
            dual_eligible_ratio=_NO_RATE,
        )
    )


def measure_result(measures: ir.Table) -> ir.Table:
    """Measures as the hub's ``measure_result``; a measure used in two conditions is named with its condition."""
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
        expected=_.expected_rate,
        **dict.fromkeys(("baseline_rate", "threshold", "benchmark"), _NO_RATE),
        **dict.fromkeys(("achievement_points", "improvement_points", "points", "maximum_points"), _NO_POINTS),
    )


def measure_name(measures: ir.Table) -> ir.StringValue:
    """Name a measure so that it is one per hospital: condition and measure."""
    return measures.domain_id + "." + measures.measure_id


def domain_result(conditions: ir.Table) -> ir.Table:
    """Conditions as the hub's ``domain_result``: the score is the composite, which may exceed 100."""
    return conditions.select(
        "scenario_id",
        "provider_id",
        "domain_id",
        "status",
        "status_reason",
        points=_NO_POINTS,
        maximum_points=_NO_POINTS,
        score=_.composite_quality_score,
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
        StepGroup(named.filter(~_.is_outcome), ("numerator", "denominator", "measure_rate"), "measure_rate"),
        StepGroup(named.filter(_.is_outcome), (*_MEASURE_INPUTS, "measure_rate", "outcome_index"), "outcome_index"),
        StepGroup(conditions, (*given, *computed), "composite_quality_score"),
    )
    return step_rows(engine, groups, rules, _GIVEN, _sources(measures, engine, conditions, scenarios))


def _sources(measures: ir.Table, engine: Engine, conditions: ir.Table, scenarios: Sequence[Scenario]) -> list[Source]:
    domains = engine.to_arrow(conditions.select("domain_id").distinct())["domain_id"].to_pylist()
    names = engine.to_arrow(measures.select(name=measure_name(measures)).distinct())["name"].to_pylist()
    sources = []
    for scenario in scenarios:
        citations = {quantity: scenario.cited(*place).cite for quantity, place in cited_parameters(scenario).items()}
        citations |= _COMPARED
        citations |= {
            "cases": "condition_payments.csv, column 'cases'",
            "condition_payment_amount": "condition_payments.csv, column 'payment_amount'",
            **dict.fromkeys(_SUMS, "rows of measure_results.csv with patients"),
        }
        sources += [
            Source(scenario.scenario_id, quantity, "", domain, cite)
            for quantity, cite in citations.items()
            for domain in domains
        ]
        sources += [
            Source(scenario.scenario_id, column, name, "", f"measure_results.csv, column '{column}'")
            for column in _MEASURE_INPUTS
            for name in names
        ]
    return sources
