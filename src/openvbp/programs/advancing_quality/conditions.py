"""From measures to awards: the rules applied in order, under all scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameter_tables import parameter_table, with_parameters
from openvbp.parameters import Scenario
from openvbp.programs.advancing_quality import rules
from openvbp.programs.advancing_quality.inputs import AdvancingQualityInputs
from openvbp.rules import Rule, in_force, rules_of
from openvbp.scoring import composites, percentiles

_KEYS = ["scenario_id", "provider_id", "domain_id"]
_TRUST = ["provider_id", "domain_id"]
_RATE = pa.decimal128(7, 6)
_PARAMETERS = {
    "first_quartile_award_rate": ("first_quartile_award_rate", "", _RATE),
    "second_quartile_award_rate": ("second_quartile_award_rate", "", _RATE),
    "attainment_award_rate": ("award_rate", "attainment", _RATE),
    "achievement_award_rate": ("award_rate", "achievement", _RATE),
    "improvement_award_rate": ("award_rate", "improvement", _RATE),
    "achievement_quartiles": ("achievement_quartiles", "", pa.int64()),
    "improvement_quartiles": ("improvement_quartiles", "", pa.int64()),
}
PARAMETER_QUANTITIES = tuple(_PARAMETERS)
AWARDS = {
    "award": ("first_quartile_award_rate", "second_quartile_award_rate"),
    "attainment": ("attainment_award_rate",),
    "achievement": ("achievement_award_rate", "achievement_quartiles"),
    "improvement": ("improvement_award_rate", "improvement_quartiles"),
}
"""Award to the parameters that decide it."""


def cited_parameters(scenario: Scenario) -> dict[str, tuple[str, str]]:
    """Name the parameter and its key behind each quantity that the scenario has a value for."""
    return {
        quantity: (name, key)
        for quantity, (name, key, _kind) in _PARAMETERS.items()
        if scenario.value(name, key) is not None
    }


def rules_in_force(scenario: Scenario) -> list[Rule]:
    """List the rules of the period."""
    return in_force(rules_of(rules), scenario.period.start)


def score_measures(engine: Engine, inputs: AdvancingQualityInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Rate every measure: scenario × trust × condition × measure."""
    measures = engine.table(inputs.measures, "measure_row").rename(domain_id="condition_id")
    scored = engine.table(_selected(scenarios), "scored_condition")
    measures = rules.measure_rate(with_parameters(measures, scored, "domain_id"))
    has_none = measures.measure_rate.isnull()
    return engine.compute(
        measures.mutate(
            status=ibis.ifelse(has_none, "not_reported", "scored"),
            status_reason=ibis.ifelse(has_none, "no patient to whom the measure applies", ibis.null("string")),
        ),
        "measure_scored",
    )


def score_conditions(
    engine: Engine, inputs: AdvancingQualityInputs, measures: ir.Table, scenarios: Sequence[Scenario]
) -> ir.Table:
    """Score, rank and pay every condition: scenario × trust × condition."""
    totals = measures.group_by(*_KEYS).agg(
        process_numerator=money.whole_sum(_.numerator), process_denominator=money.whole_sum(_.denominator)
    )
    conditions = _grid(engine, inputs, scenarios).left_join(totals, _KEYS).drop(*(f"{key}_right" for key in _KEYS))
    conditions = engine.compute(_with_first_year(engine, conditions, inputs), "condition_input")
    for number, rule in enumerate(rules_in_force(scenarios[0])):
        if rule.rule_id != rules.measure_rate.rule_id:
            # Ranks over ranks: each rule's table is computed, so that no query nests windows.
            conditions = engine.compute(rule(conditions), f"condition_rule_{number}")
    return engine.compute(conditions.mutate(**_score_status(conditions)), "condition_scored")


def _grid(engine: Engine, inputs: AdvancingQualityInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Every trust × condition of the files, with its income and the scenario's parameters."""
    income = engine.table(inputs.income, "income_row").rename(domain_id="condition_id")
    measured = engine.table(inputs.measures, "measured_row").select("provider_id", domain_id="condition_id").distinct()
    broken = engine.table(inputs.conditions_with_rejected_rows, "rejected_condition").rename(domain_id="condition_id")
    broken = broken.mutate(is_broken=ibis.literal(True))  # noqa: FBT003
    known = ibis.union(measured, income.select(*_TRUST), broken.select(*_TRUST), distinct=True)
    rows = known.left_join(income, _TRUST).drop("provider_id_right", "domain_id_right")
    rows = rows.left_join(broken, _TRUST).drop("provider_id_right", "domain_id_right")
    rows = rows.mutate(has_rejected_row=_.is_broken.fill_null(False)).drop("is_broken")  # noqa: FBT003
    rows = rows.cross_join(engine.table(_parameter_rows(scenarios), "parameter"))
    return rows.semi_join(engine.table(_selected(scenarios), "selected_condition"), ["scenario_id", "domain_id"])


def _selected(scenarios: Sequence[Scenario]) -> pa.Table:
    rows = [
        {"scenario_id": scenario.scenario_id, "domain_id": condition}
        for scenario in scenarios
        for condition, is_scored in scenario.keyed("is_condition").items()
        if is_scored
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema([("scenario_id", pa.string()), ("domain_id", pa.string())]))


def _parameter_rows(scenarios: Sequence[Scenario]) -> pa.Table:
    schema = pa.schema(
        [
            ("scenario_id", pa.string()),
            *((f"{award}_unverified", pa.string()) for award in AWARDS),
            *((quantity, kind) for quantity, (_name, _key, kind) in _PARAMETERS.items()),
        ]
    )
    rows = []
    for scenario in scenarios:
        row: dict[str, Any] = {"scenario_id": scenario.scenario_id, **dict.fromkeys(_PARAMETERS)}
        row |= {quantity: scenario.value(*place) for quantity, place in cited_parameters(scenario).items()}
        for award, quantities in AWARDS.items():
            places = [_PARAMETERS[quantity][:2] for quantity in quantities]
            held = [(name, key) for name, key in places if key in scenario.parameters[name].values]
            row[f"{award}_unverified"] = scenario.unverified(held)
        rows.append(row)
    return parameter_table(rows, schema)


def _with_first_year(engine: Engine, conditions: ir.Table, inputs: AdvancingQualityInputs) -> ir.Table:
    """Add the median of the first year's scores and the trust's own."""
    own = engine.table(inputs.first_year, "first_year_row").select(
        "provider_id",
        domain_id="condition_id",
        first_year_composite_process_score=money.exact(_.composite_process_score, 18, composites.COMPOSITE_DECIMALS),
    )
    ranked = percentiles.with_doubled_percentile(
        own,
        "doubled_median",
        value=money.in_units(own.first_year_composite_process_score, composites.COMPOSITE_DECIMALS),
        share=ibis.literal(5 * 10 ** (percentiles.SHARE_DECIMALS - 1)),
        group=["domain_id"],
        tie_breaker=["provider_id"],
    )
    medians = ranked.group_by("domain_id").agg(
        attainment_threshold=money.from_units(
            money.round_half_up_quotient(_.doubled_median.max(), ibis.literal(2)), composites.COMPOSITE_DECIMALS
        )
    )
    joined = conditions.left_join(medians, "domain_id").drop("domain_id_right")
    return joined.left_join(own, _TRUST).drop("provider_id_right", "domain_id_right")


def _score_status(conditions: ir.Table) -> dict[str, ir.Value]:
    has_no_patient = conditions.process_denominator.fill_null(0) == 0
    status = ibis.cases(
        (conditions.has_rejected_row, "not_determinable"), (has_no_patient, "not_reported"), else_="scored"
    )
    reason = ibis.cases(
        (conditions.has_rejected_row, "a row of measure_results.csv was rejected"),
        (has_no_patient, "no measure with patients"),
        else_=ibis.null("string"),
    )
    return {"status": status, "status_reason": reason}
