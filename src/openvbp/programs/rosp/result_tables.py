"""The program's wide tables as the tables of the results model."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.rosp.scores import MEASURE_PARAMETERS, PHYSICIAN_PARAMETERS, rules_in_force
from openvbp.steps import Given, Source, StepGroup, parameter_sources, step_rows

_NO_RATE = ibis.null("decimal(18, 10)")
_NO_POINTS = ibis.null("decimal(18, 4)")
_MEASURE_INPUTS = {"numerator": "count", "patients": "count", "baseline_rate": "rate"}
_PHYSICIAN_INPUTS = {
    "list_size": "count",
    "has_compliant_equipment": "flag",
    "electronic_claims_share": "ratio",
    "former_amount": "eur",
}
_COUNTED = {
    "contract_days": ("count", "physicians.csv, columns 'contract_start' and 'contract_end'"),
    "days_in_year": ("count", "days of the year"),
    "clinical_points": ("points", "sum of the points of the clinical indicators"),
    "scored_maximum_points": ("points", "sum of the most points of the scored clinical indicators"),
    "met_organisation_points": ("points", "points of the organisation indicators met in organisation_results.csv"),
    "maximum_organisation_points": ("points", "points of the organisation indicators in organisation_results.csv"),
}
_UNITS = {
    "indicator_points": "points",
    "minimum_patients": "count",
    "is_lower_better": "flag",
    "point_value": "eur",
    "reference_list": "count",
    "maximum_amount_per_patient": "eur",
    "is_organisation_scaled_by_list": "flag",
}
_GIVEN = (
    *(Given(name, unit, "input") for name, unit in (_MEASURE_INPUTS | _PHYSICIAN_INPUTS).items()),
    *(Given(name, unit, "count") for name, (unit, _cite) in _COUNTED.items()),
    *(Given(name, _UNITS.get(name, "ratio"), "parameter") for name in (*MEASURE_PARAMETERS, *PHYSICIAN_PARAMETERS)),
)


def provider_table(physicians: ir.Table) -> ir.Table:
    """Physicians of any file as the hub's ``provider``."""
    return physicians.select(
        "provider_id",
        provider_type=ibis.literal("physician"),
        excluded_reason=ibis.ifelse(_.status == "excluded", _.status_reason, ibis.null("string")),
        **dict.fromkeys(("provider_name", "state", "place", "peer_group"), ibis.null("string")),
        dual_eligible_ratio=_NO_RATE,
    )


def measure_result(measures: ir.Table) -> ir.Table:
    """Clinical indicators as the hub's ``measure_result``; the threshold is the intermediate objective."""
    is_scored = measures.status.isin(["scored", "unverified"])
    return measures.select(
        "scenario_id",
        "provider_id",
        "measure_id",
        "domain_id",
        "numerator",
        "baseline_rate",
        "status",
        "status_reason",
        denominator=_.patients,
        rate=money.exact(_.result_rate, 18, 10),
        threshold=_.intermediate_objective,
        benchmark=_.target_objective,
        points=ibis.ifelse(is_scored, money.exact(_.earned_points, 18, 4), _NO_POINTS),
        maximum_points=_.indicator_points,
        expected=_NO_RATE,
        **dict.fromkeys(("achievement_points", "improvement_points"), _NO_POINTS),
    )


def domain_result(measures: ir.Table) -> ir.Table:
    """Blocks of clinical indicators as the hub's ``domain_result``: the score is the share of the points earned."""
    counts = _.status.isin(["scored", "unverified"])
    blocks = (
        measures.filter(_.domain_id.notnull())
        .group_by("scenario_id", "provider_id", "domain_id")
        .agg(
            points=ibis.ifelse(counts, _.earned_points, ibis.null("decimal(18, 10)")).sum(),
            maximum_points=ibis.ifelse(counts, _.indicator_points, ibis.null("decimal(9, 4)")).sum(),
            unknown=(_.status == "not_determinable").sum(),
            is_unverified=(_.status == "unverified").any(),
        )
    )
    points = money.exact(blocks.points, 18, 10)
    share = money.divide_half_up(money.in_units(points, 10), money.in_units(blocks.maximum_points, 10))
    score = money.exact(share * 100, 18, 12)
    status = ibis.cases(
        (blocks.unknown > 0, "not_determinable"),
        (blocks.points.isnull(), "too_few_cases"),
        (score.isnull(), "not_determinable"),
        (blocks.is_unverified, "unverified"),
        else_="scored",
    )
    reason = ibis.cases(
        (blocks.unknown > 0, "an indicator is not determinable"),
        (status == "too_few_cases", "no indicator has the patients that it needs"),
        (status == "not_determinable", "the indicators have no points"),
        (status == "unverified", "see the indicators"),
        else_=ibis.null("string"),
    )
    has_score = status.isin(["scored", "unverified"])
    return blocks.select(
        "scenario_id",
        "provider_id",
        "domain_id",
        points=ibis.ifelse(has_score, money.exact(points, 18, 4), _NO_POINTS),
        maximum_points=money.exact(blocks.maximum_points, 18, 4),
        score=ibis.ifelse(has_score, score, ibis.null("decimal(18, 12)")),
        weight=ibis.null("decimal(18, 12)"),
        weighted_score=ibis.null("decimal(18, 12)"),
        status=status,
        status_reason=reason,
    )


def step_result(engine: Engine, measures: ir.Table, physicians: ir.Table, scenarios: Sequence[Scenario]) -> ir.Table:
    """Every value of the chain as the hub's ``step_result``."""
    rules = rules_in_force(scenarios[0])
    used = {name for rule in rules for name in rule.inputs}
    gives = [rule.gives for rule in rules]
    of_measures = [name for name in (*_MEASURE_INPUTS, *MEASURE_PARAMETERS, *gives) if name in measures.columns]
    named = (*_PHYSICIAN_INPUTS, *_COUNTED, *PHYSICIAN_PARAMETERS)
    of_physicians = [name for name in named if name in used]
    of_physicians += [name for name in gives if name in physicians.columns]
    groups = (
        StepGroup(measures, tuple(of_measures), "realisation"),
        StepGroup(physicians, tuple(of_physicians), "payment_amount"),
    )
    return step_rows(engine, groups, rules, _GIVEN, _sources(engine, measures, scenarios))


def _sources(engine: Engine, measures: ir.Table, scenarios: Sequence[Scenario]) -> list[Source]:
    places = engine.to_arrow(measures.select("measure_id").distinct())["measure_id"].to_pylist()
    sources = parameter_sources(scenarios)
    for scenario in scenarios:
        half = scenario.cited("intermediate_realisation").cite
        for name in places:
            sources += [
                Source(scenario.scenario_id, column, name, "", f"indicator_results.csv, column '{column}'")
                for column in _MEASURE_INPUTS
            ]
            sources.append(Source(scenario.scenario_id, "intermediate_realisation", name, "", half))
        sources += [
            Source(scenario.scenario_id, column, "", "", f"physicians.csv, column '{column}'")
            for column in _PHYSICIAN_INPUTS
        ]
        sources += [Source(scenario.scenario_id, name, "", "", cite) for name, (_unit, cite) in _COUNTED.items()]
    return sources
