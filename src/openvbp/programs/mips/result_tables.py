"""The program's wide tables as the tables of the results model."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.mips.input_files import CATEGORIES
from openvbp.programs.mips.scenario_tables import (
    ADDITIONAL_PARAMETERS,
    FINAL_SCORE_PARAMETERS,
    PAYMENT_PARAMETERS,
    QUALITY_PARAMETERS,
)
from openvbp.rules import Rule
from openvbp.scoring import ranks
from openvbp.steps import Given, Source, StepGroup, step_rows

_NO_RATE = ibis.null("decimal(18, 10)")
_NO_POINTS = ibis.null("decimal(18, 4)")
_MOST_POINTS = 10
_STARTS = tuple(f"start_decile_{decile}" for decile in range(1, 11))
_MEASURE_INPUTS = {
    "performance_rate": "rate",
    "cases": "count",
    "reported_share": "ratio",
    "is_outcome_or_high_priority": "flag",
}
_BENCHMARK_INPUTS = {"is_inverse": "flag", **dict.fromkeys(_STARTS, "rate")}
_CLINICIAN_INPUTS_OF_QUALITY = ("high_priority_bonus_points", "end_to_end_bonus_points", "earlier_quality_achievement")
_MEASURE_RULES = {
    "is_capped": ("flag", "topped_out_cap"),
    "minimum_cases": ("count", "minimum_cases"),
    "floor_points": ("points", "floor_points"),
    "topped_out_cap": ("points", "topped_out_cap"),
    "unscorable_points": ("points", "unscorable_points"),
    "data_completeness": ("ratio", "data_completeness"),
    "incomplete_points": ("points", "incomplete_points"),
}
_CLINICIAN_INPUTS = {
    "high_priority_bonus_points": "points",
    "end_to_end_bonus_points": "points",
    "earlier_quality_achievement": "points",
    "complex_patient_bonus": "points",
    "paid_amount": "usd",
}
_COUNTS = ("submitted_measures", "calculated_measures")
_SCORE_UNITS = {
    "required_measures": "count",
    "high_priority_bonus_cap": "ratio",
    "end_to_end_bonus_cap": "ratio",
    "applicable_percent": "ratio",
    "maximum_scaling_factor": "multiplier",
    "additional_minimum": "ratio",
    "additional_maximum": "ratio",
    "additional_pool_amount": "usd",
}
_OF_FINAL_SCORE = tuple(FINAL_SCORE_PARAMETERS)
_OF_QUALITY = tuple(QUALITY_PARAMETERS)
# Scaling factors are steps of their own, given or computed.
_OF_PAYMENT = tuple(name for name in PAYMENT_PARAMETERS if name != "scaling_factor")
_OF_ADDITIONAL = tuple(name for name in ADDITIONAL_PARAMETERS if name != "additional_scaling_factor")
_CATEGORY_INPUTS = {"given_score": "points", "is_reweighted": "flag"}
_GIVEN = (
    *(Given(name, unit, "input") for name, unit in _MEASURE_INPUTS.items()),
    *(Given(name, unit, "input") for name, unit in _BENCHMARK_INPUTS.items()),
    *(Given(name, unit, "parameter") for name, (unit, _parameter) in _MEASURE_RULES.items()),
    *(Given(name, "count", "count") for name in _COUNTS),
    *(Given(name, unit, "input") for name, unit in _CLINICIAN_INPUTS.items()),
    *(Given(name, _SCORE_UNITS.get(name, "points"), "parameter") for name in (*_OF_QUALITY, *_OF_FINAL_SCORE)),
    *(Given(name, unit, "input") for name, unit in _CATEGORY_INPUTS.items()),
    Given("redistributed_weight", "ratio", "parameter"),
    Given("scored_categories", "count", "count"),
    *(Given(name, _SCORE_UNITS.get(name, "points"), "parameter") for name in (*_OF_PAYMENT, *_OF_ADDITIONAL)),
)
_MEASURE_STEPS = ("decile", "decile_points", "achievement_points", "is_counted")
_QUALITY_STEPS = ("available_points", "measure_bonus", "quality_achievement", "quality_improvement", "quality_score")
_CATEGORY_STEPS = ("category_score", "category_weight", "weighted_score")


def provider_table(clinicians: ir.Table) -> ir.Table:
    """Clinicians as the hub's ``provider``."""
    return clinicians.select(
        "provider_id",
        "provider_name",
        "state",
        "excluded_reason",
        provider_type=ibis.literal("clinician"),
        place=ibis.null("string"),
        peer_group=ibis.null("string"),
        dual_eligible_ratio=_NO_RATE,
    )


def measure_result(measures: ir.Table) -> ir.Table:
    """Measures as the hub's ``measure_result``; rates are in the unit of the benchmark file, mostly percent."""
    is_scored = _.status.isin(["scored", "unverified"])
    return measures.select(
        "scenario_id",
        "provider_id",
        "measure_id",
        "status",
        "status_reason",
        domain_id=ibis.literal("quality"),
        numerator=_NO_POINTS,
        denominator=_.cases,
        rate=_.performance_rate,
        benchmark=_.start_decile_10,
        **dict.fromkeys(("expected", "baseline_rate", "threshold"), _NO_RATE),
        achievement_points=ibis.ifelse(is_scored, _.achievement_points, _NO_POINTS),
        improvement_points=_NO_POINTS,
        points=ibis.ifelse(is_scored & _.is_counted, _.achievement_points, _NO_POINTS),
        maximum_points=ibis.ifelse(is_scored & _.is_counted, _MOST_POINTS, ibis.null("int64")),
    )


def domain_result(categories: ir.Table, quality: ir.Table) -> ir.Table:
    """Categories as the hub's ``domain_result``; points only of the quality category."""
    points = quality.select("scenario_id", "provider_id", "counted_points", "available_points")
    keys = ["scenario_id", "provider_id"]
    rows = categories.left_join(points, keys).drop(*(f"{key}_right" for key in keys))
    of_measures = rows.is_measured & rows.category_score.notnull()
    return rows.select(
        "scenario_id",
        "provider_id",
        "status",
        "status_reason",
        domain_id=_.category_id,
        points=ibis.ifelse(of_measures, rows.counted_points, ibis.null("decimal(18, 10)")),
        maximum_points=ibis.ifelse(of_measures, rows.available_points, ibis.null("int64")),
        score=_.category_score,
        weight=_.category_weight,
        weighted_score=_.weighted_score,
    )


def provider_result(clinicians: ir.Table) -> ir.Table:
    """Final scores as the hub's ``provider_result``, ranked within the scenario."""
    ranked = clinicians.mutate(
        rank=ranks.rank_from_best(_.final_score, ["scenario_id"]),
        scored=_.final_score.count().over(ibis.window(group_by="scenario_id")),
    )
    share = money.divide_half_up(ranked.scored - ranked.rank + 1, ranked.scored)
    return ranked.select(
        "scenario_id",
        "provider_id",
        "provider_name",
        "status",
        "status_reason",
        "rank",
        score=_.final_score,
        peer_group=ibis.null("string"),
        percentile=ibis.ifelse(ranked.rank.notnull(), share, ibis.null(money.SCORE_TYPE)),
    )


def step_result(
    engine: Engine,
    tables: tuple[ir.Table, ir.Table, ir.Table, ir.Table],
    rules: Sequence[Rule],
    scenarios: Sequence[Scenario],
) -> ir.Table:
    """Every value of the chain as the hub's ``step_result``.

    Parameters
    ----------
    engine
        Where to compute.
    tables
        Measures, quality categories, categories and clinicians of the detailed scenarios.
    rules
        The rules of the performance year.
    scenarios
        The detailed scenarios.
    """
    measures, quality, categories, clinicians = tables
    of_clinicians = [rule.gives for rule in rules if rule.gives in clinicians.columns]
    of_clinicians = [name for name in of_clinicians if name not in _QUALITY_STEPS]
    of_payment = (*_OF_PAYMENT, *(_OF_ADDITIONAL if "sliding_adjustment" in clinicians.columns else ()))
    measured = quality.filter(_.is_quality_measured).mutate(domain_id=ibis.literal("quality"))
    groups = (
        StepGroup(
            measures.mutate(domain_id=ibis.literal("quality")),
            (*_MEASURE_INPUTS, *_BENCHMARK_INPUTS, *_MEASURE_RULES, *_MEASURE_STEPS),
            "achievement_points",
        ),
        StepGroup(
            measured.mutate(status_reason=ibis.null("string")),
            (*_COUNTS, *_CLINICIAN_INPUTS_OF_QUALITY, *_OF_QUALITY, *_QUALITY_STEPS),
            "quality_score",
        ),
        StepGroup(
            categories.mutate(domain_id=_.category_id),
            (*_CATEGORY_INPUTS, "redistributed_weight", *_CATEGORY_STEPS),
            "category_score",
        ),
        StepGroup(
            clinicians,
            (
                "complex_patient_bonus",
                *_OF_FINAL_SCORE,
                "scored_categories",
                *of_payment,
                "paid_amount",
                *of_clinicians,
            ),
            "final_score",
        ),
    )
    return step_rows(engine, groups, rules, _GIVEN, _sources(engine, measures, scenarios))


def _sources(engine: Engine, measures: ir.Table, scenarios: Sequence[Scenario]) -> list[Source]:
    names = engine.to_arrow(measures.select("measure_id").distinct())["measure_id"].to_pylist()
    sources = []
    for scenario in scenarios:
        sources += _measure_sources(scenario, names)
        for name in (*_OF_QUALITY, *_OF_FINAL_SCORE, *_OF_PAYMENT, *_OF_ADDITIONAL):
            domain = "quality" if name in _OF_QUALITY else ""
            sources.append(Source(scenario.scenario_id, name, "", domain, scenario.cited(name).cite))
        for name in _CLINICIAN_INPUTS:
            domain = "quality" if name in _CLINICIAN_INPUTS_OF_QUALITY else ""
            sources.append(Source(scenario.scenario_id, name, "", domain, f"clinicians.csv, column '{name}'"))
        for category in CATEGORIES:
            place = (scenario.scenario_id, "", category)
            sources += [
                Source(place[0], "given_score", *place[1:], "category_scores.csv, column 'score'"),
                Source(place[0], "is_reweighted", *place[1:], "category_scores.csv, column 'is_reweighted'"),
                Source(place[0], "redistributed_weight", *place[1:], "42 CFR 414.1380(c)(2)(ii)"),
            ]
        sources += [
            Source(scenario.scenario_id, name, "", "quality", "rows of measure_results.csv") for name in _COUNTS
        ]
        sources.append(Source(scenario.scenario_id, "scored_categories", "", "", "categories with a weight"))
    return sources


def _measure_sources(scenario: Scenario, names: Sequence[str]) -> list[Source]:
    sources = []
    for name in names:
        citations = {column: f"measure_results.csv, column '{column}'" for column in _MEASURE_INPUTS}
        citations |= dict.fromkeys(_BENCHMARK_INPUTS, "the performance year's benchmark file")
        citations |= {quantity: _parameter_cite(scenario, place) for quantity, (_u, place) in _MEASURE_RULES.items()}
        citations["minimum_cases"] = _own_cite(scenario, "measure_minimum_cases", name) or citations["minimum_cases"]
        citations["is_capped"] = (
            _own_cite(scenario, "is_capped_measure", name) or "benchmark file, isToppedOutByProgram"
        )
        sources += [Source(scenario.scenario_id, quantity, name, "", cite) for quantity, cite in citations.items()]
    return sources


def _parameter_cite(scenario: Scenario, name: str) -> str:
    cited = list(scenario.parameters[name].values.values())
    return cited[0].cite if cited else "42 CFR 414.1380(b)(1)"


def _own_cite(scenario: Scenario, name: str, measure_id: str) -> str | None:
    return None if scenario.value(name, measure_id) is None else scenario.cited(name, measure_id).cite
