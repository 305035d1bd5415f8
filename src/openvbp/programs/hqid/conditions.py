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
from openvbp.parameter_tables import with_parameters
from openvbp.parameters import Scenario
from openvbp.programs.hqid import rules
from openvbp.programs.hqid.inputs import HqidInputs
from openvbp.rules import Rule, in_force, rules_of
from openvbp.scoring import composites, percentiles, ranks

_KEYS = ["scenario_id", "provider_id", "domain_id"]
_HOSPITAL = ["provider_id", "domain_id"]
_SCORE = "decimal(18, 10)"
_KEYED = {
    "decile_1_award_rate": ("decile_award_rate", "1", pa.decimal128(7, 6)),
    "decile_2_award_rate": ("decile_award_rate", "2", pa.decimal128(7, 6)),
    "decile_9_penalty_rate": ("decile_penalty_rate", "9", pa.decimal128(7, 6)),
    "decile_10_penalty_rate": ("decile_penalty_rate", "10", pa.decimal128(7, 6)),
    "attainment_pool_amount": ("award_pool_amount", "attainment", pa.decimal128(18, 2)),
    "top_performer_pool_amount": ("award_pool_amount", "top_performer", pa.decimal128(18, 2)),
    "improvement_pool_amount": ("award_pool_amount", "improvement", pa.decimal128(18, 2)),
    "outcome_measure_weight": ("outcome_measure_weight", "", pa.decimal128(7, 2)),
    "minimum_cases": ("minimum_cases", "", pa.int64()),
    "award_deciles": ("award_deciles", "", pa.int64()),
}
PARAMETER_QUANTITIES = tuple(_KEYED)


def cited_parameters(scenario: Scenario) -> dict[str, tuple[str, str]]:
    """Name the parameter and its key behind each quantity that the scenario has a value for."""
    return {
        quantity: (name, key)
        for quantity, (name, key, _kind) in _KEYED.items()
        if scenario.value(name, key) is not None
    }


def rules_in_force(scenario: Scenario) -> list[Rule]:
    """List the rules of the period's phase."""
    return in_force(rules_of(rules), scenario.period.start)


def score_measures(engine: Engine, inputs: HqidInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Rate every measure: scenario × hospital × condition × measure."""
    ids = engine.table(pa.table({"scenario_id": [one.scenario_id for one in scenarios]}), "scored_scenario")
    measures = engine.table(inputs.measures, "measure_row").rename(domain_id="condition_id")
    measures = with_parameters(measures.mutate(is_outcome=_.measure_type == "outcome"), ids)
    for rule in (rules.measure_rate, rules.outcome_index):
        measures = rule(measures)
    status = ibis.ifelse(measures.measure_rate.isnull(), "not_reported", "scored")
    reason = ibis.ifelse(measures.measure_rate.isnull(), "no patient to whom the measure applies", ibis.null("string"))
    return engine.compute(measures.mutate(status=status, status_reason=reason), "measure_scored")


def score_conditions(engine: Engine, inputs: HqidInputs, measures: ir.Table, scenarios: Sequence[Scenario]) -> ir.Table:
    """Score, rank and pay every condition: scenario × hospital × condition."""
    counted = measures.filter(_.measure_rate.notnull())
    index = ibis.ifelse(_.is_outcome, money.in_units(_.outcome_index, composites.INDEX_DECIMALS), 0)
    totals = counted.group_by(*_KEYS).agg(
        process_numerator=money.whole_sum(ibis.ifelse(_.is_outcome, 0, _.numerator)),
        process_denominator=money.whole_sum(ibis.ifelse(_.is_outcome, 0, _.denominator)),
        process_measures=money.whole_sum((~_.is_outcome).cast("int64")),
        outcome_measures=money.whole_sum(_.is_outcome.cast("int64")),
        outcome_index_units=money.whole_sum(index),
    )
    conditions = _grid(engine, inputs, scenarios).left_join(totals, _KEYS).drop(*(f"{key}_right" for key in _KEYS))
    for name in ("process_measures", "outcome_measures", "outcome_index_units"):
        conditions = conditions.mutate(**{name: conditions[name].fill_null(0)})
    conditions = engine.compute(_with_comparison(engine, conditions, inputs), "condition_input")
    of_measures = {rules.measure_rate.rule_id, rules.outcome_index.rule_id}
    for number, rule in enumerate(rules_in_force(scenarios[0])):
        if rule.rule_id not in of_measures:
            # Ranks over ranks: each rule's table is computed, so that no query nests windows.
            conditions = engine.compute(rule(conditions), f"condition_rule_{number}")
    return engine.compute(conditions.mutate(**_score_status(conditions)), "condition_scored")


def _grid(engine: Engine, inputs: HqidInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Every hospital × condition of the files, with cases, payments and the scenario's parameters."""
    payments = engine.table(inputs.payments, "payment_row").rename(
        domain_id="condition_id", condition_payment_amount="payment_amount"
    )
    measured = engine.table(inputs.measures, "measured_row").select("provider_id", domain_id="condition_id").distinct()
    broken = engine.table(inputs.conditions_with_rejected_rows, "rejected_condition").rename(domain_id="condition_id")
    broken = broken.mutate(is_broken=ibis.literal(True))  # noqa: FBT003
    known = ibis.union(measured, payments.select(*_HOSPITAL), broken.select(*_HOSPITAL), distinct=True)
    rows = known.left_join(payments, _HOSPITAL).drop("provider_id_right", "domain_id_right")
    rows = rows.left_join(broken, _HOSPITAL).drop("provider_id_right", "domain_id_right")
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
        [("scenario_id", pa.string()), ("unverified", pa.string())]
        + [(quantity, kind) for quantity, (_name, _key, kind) in _KEYED.items()]
    )
    rows = []
    for scenario in scenarios:
        cited = cited_parameters(scenario)
        values: dict[str, Any] = {
            quantity: int(scenario.value(*place))
            if schema.field(quantity).type == pa.int64()
            else scenario.value(*place)
            for quantity, place in cited.items()
        }
        compared = [("comparison_period", "")] if scenario.value("comparison_period") else []
        unverified = sorted(
            {
                f"{name}.{key}" if key else name
                for name, key in [*cited.values(), *compared]
                if scenario.cited(name, key).unverified
            }
        )
        rows.append({"scenario_id": scenario.scenario_id, "unverified": ", ".join(unverified) or None, **values})
    return pa.Table.from_pylist(rows, schema=schema)


def _with_comparison(engine: Engine, conditions: ir.Table, inputs: HqidInputs) -> ir.Table:
    """Add the earlier year's lines, its median and the hospital's own score."""
    earlier = engine.table(inputs.earlier, "earlier_row").select(
        "provider_id",
        domain_id="condition_id",
        earlier_composite_quality_score=money.exact(_.composite_quality_score, 18, composites.COMPOSITE_DECIMALS),
    )
    scored = earlier.mutate(
        rank=ranks.rank_from_best(_.earlier_composite_quality_score, ["domain_id"]),
        ranked=_.earlier_composite_quality_score.count().over(ibis.window(group_by="domain_id")),
    )
    scored = scored.mutate(decile=ranks.quantile_band(_.rank, _.ranked, rules.DECILES))
    scored = percentiles.with_doubled_percentile(
        scored,
        "doubled_median",
        value=money.in_units(scored.earlier_composite_quality_score, composites.COMPOSITE_DECIMALS),
        share=ibis.literal(5 * 10 ** (percentiles.SHARE_DECIMALS - 1)),
        group=["domain_id"],
        tie_breaker=["provider_id"],
    )
    lines = scored.group_by("domain_id").agg(
        decile_9_line=_lowest_within(rules.DECILES - 2),
        decile_10_line=_lowest_within(rules.DECILES - 1),
        attainment_threshold=money.from_units(
            money.round_half_up_quotient(_.doubled_median.max(), ibis.literal(2)), composites.COMPOSITE_DECIMALS
        ),
    )
    joined = conditions.left_join(lines, "domain_id").drop("domain_id_right")
    return joined.left_join(earlier, _HOSPITAL).drop("provider_id_right", "domain_id_right")


def _lowest_within(decile: int) -> ir.DecimalValue:
    """Lowest score of the best deciles: below it are the scores of the worse ones."""
    return ibis.ifelse(_.decile <= decile, _.earlier_composite_quality_score, ibis.null(_SCORE)).min()


def _score_status(conditions: ir.Table) -> dict[str, ir.Value]:
    measures = conditions.process_measures + conditions.outcome_measures
    status = ibis.cases(
        (conditions.has_rejected_row, "not_determinable"),
        (measures == 0, "not_reported"),
        (conditions.cases.isnull(), "not_determinable"),
        (conditions.cases < conditions.minimum_cases, "too_few_cases"),
        (conditions.unverified.notnull(), "unverified"),
        else_="scored",
    )
    counts = conditions.cases.cast("string") + " cases, " + conditions.minimum_cases.cast("string") + " are needed"
    reason = ibis.cases(
        (conditions.has_rejected_row, "a row of measure_results.csv was rejected"),
        (status == "not_reported", "no measure with patients"),
        (status == "not_determinable", "condition_payments.csv does not give the cases"),
        (status == "too_few_cases", counts),
        (
            status == "unverified",
            ibis.literal("parameters whose source has not been read: ") + conditions.unverified,
        ),
        else_=ibis.null("string"),
    )
    return {"status": status, "status_reason": reason}
