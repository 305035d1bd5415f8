"""The report card's wide tables as the tables of the results model."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.mncm import rules
from openvbp.programs.mncm.costs import COST_INPUTS, COST_RULES, STATEWIDE
from openvbp.programs.mncm.input_files import COST, SURVEY
from openvbp.programs.mncm.scores import CLINIC_QUANTITIES, minimum_parameter
from openvbp.rules import rules_of
from openvbp.steps import Given, Source, StepGroup, step_rows

COST_DOMAIN = "cost"
_NO_RATE = ibis.null("decimal(18, 10)")
_NO_POINTS = ibis.null("decimal(18, 4)")
_NO_TEXT = ibis.null("string")
_COST_MEASURES = {COST: "total_cost_index", "resource_use": "resource_use_index", "price": "price_index"}
_CLINIC_PARAMETERS = {"minimum_patients": "count", "confidence_level": "ratio", "top_percentile": "ratio"}
_COUNTED = {
    "better_measures": "published clinical measures with a statewide rating above 0",
    "rated_measures": "published clinical measures",
}
_GIVEN = (
    *(Given(name, "count", "count") for name in _COUNTED),
    Given("met", "count", "input"),
    Given("patients", "count", "input"),
    Given("model_expected_rate", "rate", "input"),
    Given("member_months", "count", "input"),
    Given("total_cost", "usd", "input"),
    Given("risk_score", "ratio", "input"),
    Given("resource_units", "count", "input"),
    Given("statewide_cost_per_member_month", "usd", "count"),
    Given("statewide_resource_units_per_member_month", "count", "count"),
    *(Given(name, unit, "parameter") for name, unit in _CLINIC_PARAMETERS.items()),
    Given("top_performer_share", "ratio", "parameter"),
)


def provider_table(tables: Sequence[ir.Table]) -> ir.Table:
    """Clinics and medical groups as the hub's ``provider``."""
    names = [table.select("provider_id") for table in tables]
    together = ibis.union(*names, distinct=True) if len(names) > 1 else names[0].distinct()
    return together.mutate(
        provider_type=ibis.literal("clinic or medical group"),
        **dict.fromkeys(("provider_name", "state", "place", "peer_group", "excluded_reason"), _NO_TEXT),
        dual_eligible_ratio=_NO_RATE,
    )


def clinic_results(clinics: ir.Table) -> ir.Table:
    """Results of clinics as the hub's ``measure_result``."""
    return clinics.select(
        "scenario_id",
        "provider_id",
        "measure_id",
        "domain_id",
        numerator=_.met,
        denominator=_.patients,
        rate=money.exact(_.actual_rate, 18, 10),
        expected=money.exact(_.expected_rate, 18, 10),
        **_unused(),
        status=_.status,
        status_reason=_.status_reason,
    )


def cost_results(groups: ir.Table) -> list[ir.Table]:
    """Give the three indexes of medical groups as the hub's ``measure_result``: the rate is the index."""
    return [
        groups.filter(groups[quantity].notnull() | (measure == COST)).select(
            "scenario_id",
            "provider_id",
            measure_id=ibis.literal(measure),
            domain_id=ibis.literal(COST_DOMAIN),
            numerator=ibis.null("int64"),
            denominator=_.patients,
            rate=groups[quantity],
            expected=_NO_RATE,
            **_unused(),
            status=_.status,
            status_reason=_.status_reason,
        )
        for measure, quantity in _COST_MEASURES.items()
    ]


def _unused() -> dict[str, ir.Value]:
    """Columns of ``measure_result`` that a report card without points has no use for."""
    points = ("achievement_points", "improvement_points", "points", "maximum_points")
    return {
        **dict.fromkeys(("baseline_rate", "threshold", "benchmark"), _NO_RATE),
        **dict.fromkeys(points, _NO_POINTS),
    }


def domain_result(domains: ir.Table) -> ir.Table:
    """Domains of the survey as the hub's ``domain_result``; the score is the percentage of most positive answers."""
    return domains.select(
        "scenario_id",
        "provider_id",
        "domain_id",
        points=_NO_POINTS,
        maximum_points=_NO_POINTS,
        score=_.experience_percent,
        weight=ibis.null("decimal(18, 12)"),
        weighted_score=ibis.null("decimal(18, 12)"),
        status=_.status,
        status_reason=_.status_reason,
    )


def provider_result(providers: ir.Table) -> ir.Table:
    """Clinics as the hub's ``provider_result``: the score is the share of measures better than average."""
    return providers.select(
        "scenario_id",
        "provider_id",
        provider_name=_NO_TEXT,
        peer_group=_NO_TEXT,
        score=_.better_than_average_percent,
        rank=ibis.null("int64"),
        percentile=_NO_RATE,
        status=_.status,
        status_reason=_.status_reason,
    )


def provider_result_of_costs(groups: ir.Table) -> ir.Table:
    """Medical groups of which only the cost is known: there is no share of measures."""
    return groups.select(
        "scenario_id",
        "provider_id",
        provider_name=_NO_TEXT,
        peer_group=_NO_TEXT,
        score=ibis.null(money.SCORE_TYPE),
        rank=ibis.null("int64"),
        percentile=_NO_RATE,
        status=ibis.literal("not_reported"),
        status_reason=ibis.literal("no measure but the cost"),
    )


def step_result(
    engine: Engine,
    clinics: ir.Table | None,
    providers: ir.Table | None,
    domains: ir.Table | None,
    groups: ir.Table | None,
    scenarios: Sequence[Scenario],
) -> ir.Table:
    """Every value of clinics and groups as the hub's ``step_result``; those of patients are in the evidence."""
    step_groups: list[StepGroup] = []
    sources: list[Source] = []
    if clinics is not None and providers is not None:
        quantities = (*CLINIC_QUANTITIES, "statewide_rate", "is_reportable", *_CLINIC_PARAMETERS)
        step_groups.append(StepGroup(clinics, quantities, "rating"))
        of_provider = [*_COUNTED, "top_performer_share", "better_than_average_percent", "is_top_performer"]
        of_provider = [name for name in of_provider if name in providers.columns]
        step_groups.append(StepGroup(providers, tuple(of_provider), "better_than_average_percent"))
        sources += _clinic_sources(engine, clinics, scenarios)
    if domains is not None:
        step_groups.append(StepGroup(domains, ("experience_percent",), "experience_percent"))
    if groups is not None:
        of_cost = (*COST_INPUTS, *STATEWIDE, "minimum_patients", *(rule.gives for rule in COST_RULES))
        named = groups.mutate(measure_id=ibis.literal(COST), domain_id=ibis.literal(COST_DOMAIN))
        step_groups.append(StepGroup(named, of_cost, "total_cost_index"))
        sources += _cost_sources(scenarios)
    return step_rows(engine, step_groups, rules_of(rules), _GIVEN, sources)


def _clinic_sources(engine: Engine, clinics: ir.Table, scenarios: Sequence[Scenario]) -> list[Source]:
    kinds = engine.to_arrow(clinics.select("measure_id", "data_source").distinct()).to_pylist()
    sources = []
    for scenario in scenarios:
        for kind in kinds:
            counted = "survey_answers.csv" if kind["data_source"] == SURVEY else "patients.csv or clinic_counts.csv"
            cites = {
                "met": counted,
                "patients": counted,
                "model_expected_rate": "expected_rates.csv, column 'expected_rate'",
                "minimum_patients": scenario.cited(*minimum_parameter(kind["data_source"])).cite,
                "confidence_level": scenario.cited("confidence_level").cite,
                "top_percentile": scenario.cited("top_percentile").cite,
            }
            place = (scenario.scenario_id, kind["measure_id"])
            sources += [Source(place[0], quantity, place[1], "", cite) for quantity, cite in cites.items()]
        sources += [Source(scenario.scenario_id, name, "", "", cite) for name, cite in _COUNTED.items()]
        if "" in scenario.parameters["top_performer_share"].values:
            cite = scenario.cited("top_performer_share").cite
            sources.append(Source(scenario.scenario_id, "top_performer_share", "", "", cite))
    return sources


def _cost_sources(scenarios: Sequence[Scenario]) -> list[Source]:
    cites = {name: f"total_costs.csv, column '{name}'" for name in COST_INPUTS}
    cites |= dict.fromkeys(STATEWIDE, "total over all rows of total_costs.csv, per month of risk 1")
    return [
        Source(scenario.scenario_id, quantity, COST, "", cite)
        for scenario in scenarios
        for quantity, cite in (cites | {"minimum_patients": scenario.cited("minimum_cost_patients").cite}).items()
    ]
