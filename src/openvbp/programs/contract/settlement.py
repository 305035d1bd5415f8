"""From the tables of a contract to its settlement: the rules applied in order, under all scenarios."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameter_tables import with_parameters
from openvbp.parameters import Scenario
from openvbp.program import Settlement
from openvbp.programs.contract import rules
from openvbp.programs.contract.inputs import ContractInputs
from openvbp.programs.contract.scenario_tables import baseline_years, contract_terms, keyed_terms
from openvbp.rule_chain import apply_rules
from openvbp.rules import Rule, rules_of

MEASURE_RULES = (rules.measure_rate, rules.measure_target, rules.earned_points, rules.points_at_prior_rate)
BASELINE_RULES = (
    rules.baseline_net_expenditures,
    rules.trended_cost_per_unit,
    rules.baseline_cost_per_unit,
    rules.baseline_risk_score,
)
_OF_PARTICIPANTS = (rules.criterion_amount, rules.distributed_part, rules.distributed_amount)
_ELSEWHERE = (*MEASURE_RULES, *BASELINE_RULES, *_OF_PARTICIPANTS)
_POPULATION = ["scenario_id", "domain_id"]
_MEASURE_TERMS = {
    "measure_points": "points",
    "measure_is_lower_better": "is_lower_better",
    "measure_compared_with": "compared_with",
    "measure_target": "fixed_target",
    "measure_minimum_denominator": "minimum_denominator",
}


def score_measures(engine: Engine, content: ContractInputs, scenarios: Sequence[Scenario]) -> ir.Table | None:
    """Score every measure of the contract: scenario × measure; none if the contract has no measures."""
    if content.quality is None:
        return None
    rows = engine.table(content.quality, "quality_row").drop("year").mutate(provider_id=_contractor(content))
    return score_rows(engine, rows, scenarios)


def score_rows(engine: Engine, rows: ir.Table, scenarios: Sequence[Scenario]) -> ir.Table:
    """Score measures of any providers by the terms of the contract: scenario × provider × measure.

    Parameters
    ----------
    engine
        Where to compute; the result is kept.
    rows
        Provider × measure, with the columns of ``quality.csv`` without the year.
    scenarios
        The terms.
    """
    terms = engine.table(keyed_terms(scenarios, _MEASURE_TERMS, "measure_id"), "measure_term")
    measures = with_parameters(rows, terms, "measure_id")
    for rule in MEASURE_RULES:
        measures = rule(measures)
    status = ibis.cases(
        (measures.measure_rate.isnull(), "too_few_cases"),
        else_="scored",
    )
    counts = measures.denominator.cast("string") + " cases, " + measures.minimum_denominator.cast("string")
    reason = ibis.ifelse(measures.measure_rate.isnull(), counts + " are needed", ibis.null("string"))
    return engine.compute(measures.mutate(status=status, status_reason=reason), "measure_scored")


def cost_baseline(engine: Engine, content: ContractInputs, scenarios: Sequence[Scenario]) -> ir.Table | None:
    """Carry the baseline years forward: scenario × population × year; none if the amounts are negotiated."""
    if content.terms.budget.baseline_weights is None:
        return None
    years = engine.table(baseline_years(scenarios), "baseline_year")
    rows = _experience(engine, content, scenarios).mutate(measure_id=_.year.cast("string"))
    baseline = rows.inner_join(years, ["scenario_id", "measure_id"]).rename(
        baseline_units="units",
        baseline_expenditures="expenditures",
        baseline_completion_factor="completion_factor",
        baseline_stop_loss_recoveries="stop_loss_recoveries",
        year_risk_score="risk_score",
    )
    for rule in BASELINE_RULES:
        baseline = rule(baseline)
    return engine.compute(baseline, "baseline_computed")


def starting_table(
    engine: Engine,
    content: ContractInputs,
    scenarios: Sequence[Scenario],
    measures: ir.Table | None,
    baseline: ir.Table | None,
) -> ir.Table:
    """Everything that the settlement starts from: scenario × population, with the terms of the contract."""
    rows = _experience(engine, content, scenarios).filter(_.year == content.year)
    rows = rows.inner_join(engine.table(contract_terms(scenarios), "contract_term"), "scenario_id", rname="term_{name}")
    rows = rows.drop(*(name for name in rows.columns if name.startswith("term_")))
    if baseline is None:
        names = {"amount_per_unit": "negotiated_amount"}
        amounts = engine.table(keyed_terms(scenarios, names, "domain_id"), "negotiated_amount")
        rows = rows.inner_join(amounts, _POPULATION)
        rows = rows.mutate(
            baseline_cost_per_unit=ibis.null("decimal(18, 12)"), baseline_risk_score=_literal("1", "decimal(18, 6)")
        )
    else:
        columns = ["baseline_cost_per_unit", "baseline_risk_score"]
        rows = rows.inner_join(baseline.select(*_POPULATION, *columns).distinct(), _POPULATION)
        rows = rows.mutate(negotiated_amount=ibis.null("decimal(18, 2)"))
    rows = rows.mutate(
        is_capitation=ibis.literal(content.terms.payment_model == "capitation"),
        has_quality=ibis.literal(measures is not None),
    )
    return engine.compute(_with_points(rows, measures), "settlement_start")


def settlement_rules(content: ContractInputs) -> list[Rule]:
    """List the rules from the starting table to the net settlement, in order; the pool only if it is distributed."""
    left_out = _ELSEWHERE if content.terms.distribution else (*_ELSEWHERE, rules.distribution_pool)
    return [rule for rule in rules_of(rules) if rule not in left_out]


def settle(engine: Engine, content: ContractInputs, start: ir.Table, name: str) -> ir.Table:
    """Apply the rules of the settlement: scenario × population."""
    return apply_rules(engine, settlement_rules(content), start, name)


def _experience(engine: Engine, content: ContractInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Population × year × scenario, with what stop loss takes over."""
    ids = pa.table({"scenario_id": [one.scenario_id for one in scenarios]})
    rows = engine.table(content.experience, "experience_row").rename(domain_id="population")
    rows = rows.mutate(
        provider_id=_contractor(content),
        completion_factor=_.completion_factor.fill_null(_literal("1", "decimal(18, 6)")),
    )
    rows = with_parameters(rows, engine.table(ids, "settled_scenario"))
    nothing = _literal("0", "decimal(18, 2)")
    if content.members is None:
        return rows.mutate(stop_loss_recoveries=nothing)
    recovered = _recoveries(engine, content, scenarios)
    joined = rows.left_join(recovered, ["scenario_id", "domain_id", "year"])
    joined = joined.drop([one for one in joined.columns if one.endswith("_right")])
    return engine.compute(
        joined.mutate(stop_loss_recoveries=_.stop_loss_recoveries.fill_null(nothing)), "experience_recovered"
    )


def _recoveries(engine: Engine, content: ContractInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Costs of single members above the attachment point that the payer bears: scenario × population × year."""
    terms = engine.table(contract_terms(scenarios), "stop_loss_term").select(
        "scenario_id", "stop_loss_attachment_point", "stop_loss_share_above"
    )
    members = engine.table(content.members, "high_cost_member").cross_join(terms)
    above = members.expenditures - members.stop_loss_attachment_point
    borne = money.exact(above.cast("decimal(28, 6)") * members.stop_loss_share_above.cast("decimal(7, 6)"), 18, 2)
    kept = members.mutate(recovery=ibis.ifelse(above > 0, borne, _literal("0", "decimal(18, 2)")))
    return kept.group_by("scenario_id", "year", domain_id=_.population).agg(
        stop_loss_recoveries=money.exact(_.recovery.sum(), 18, 2)
    )


def _with_points(rows: ir.Table, measures: ir.Table | None) -> ir.Table:
    """Add the points of the measures with enough cases; those at last year's rates only if all are known."""
    if measures is None:
        nothing = ibis.null("decimal(18, 4)")
        return rows.mutate(points_earned=nothing, points_possible=nothing, points_at_prior_rates=nothing)
    scored = measures.filter(_.earned_points.notnull())
    points = scored.group_by("scenario_id").agg(
        points_earned=money.exact(_.earned_points.sum(), 18, 4),
        points_possible=money.exact(_.points.sum(), 18, 4),
        prior=money.exact(_.points_at_prior_rate.sum(), 18, 4),
        unknown=_.points_at_prior_rate.isnull().cast("int64").sum(),
    )
    points = points.mutate(
        points_at_prior_rates=ibis.ifelse(_.unknown == 0, _.prior, ibis.null("decimal(18, 4)"))
    ).drop("prior", "unknown")
    joined = rows.left_join(points, "scenario_id")
    return joined.drop([one for one in joined.columns if one.endswith("_right")])


def _contractor(content: ContractInputs) -> ir.StringValue:
    return ibis.literal(content.terms.parties.contractor_id)


def _literal(text: str, kind: str) -> ir.DecimalValue:
    return ibis.literal(text).cast(kind)


SETTLEMENT = Settlement(
    table="settlement/population",
    rules=tuple(rule for rule in rules_of(rules) if rule not in (*_ELSEWHERE, rules.distribution_pool)),
    outcome="net_settlement",
    spending="total_expenditures",
    budget="target_budget",
    derived=("status", "status_reason", "distribution_pool"),
)
