"""Each plan's gates, shared savings and distribution, under all scenarios; the plan stands as ``domain_id``."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.parameter_tables import parameter_table
from openvbp.parameters import Scenario
from openvbp.programs.iha_amp import rules
from openvbp.programs.iha_amp.input_files import BUDGET_BY_QUALITY, ORGANIZATIONS, PLANS, RESOURCE_USE
from openvbp.programs.iha_amp.inputs import CaliforniaInputs
from openvbp.programs.iha_amp.quality import with_rejected
from openvbp.rule_chain import apply_rules

_RATIO = pa.decimal128(7, 6)
_POINTS = pa.decimal128(7, 4)
PLAN_PARAMETERS = {
    "minimum_quality": _POINTS,
    "gold_standard": _POINTS,
    "trend_limit": _RATIO,
    "trend_confidence_level": _RATIO,
    "incentive_budget": pa.decimal128(12, 2),
}
COMMON_PARAMETERS = {
    "shared_savings_rate": _RATIO,
    "high_cost_percentile": pa.decimal128(5, 4),
    "high_cost_years": pa.int64(),
    "is_excess_to_be_significant": pa.bool_(),
}
_GREATEST_SAVINGS = 10**10
_KEYS = ["scenario_id", "provider_id", "domain_id"]
RESOURCE_RULES = (rules.avoided_units, rules.resource_savings, rules.net_savings)
_GATE_RULES = (
    rules.is_quality_gate_open,
    rules.cost_trend,
    rules.trend_bound,
    rules.is_trend_gate_open,
    rules.high_cost_line,
    rules.prior_high_cost_line,
    rules.is_consistently_high_cost,
    rules.is_eligible,
)
_PAYMENT_RULES = (
    rules.shared_savings_amount,
    rules.quality_multiplier,
    rules.earned_incentive,
    rules.distribution_weight,
    rules.incentive_payment,
)
PLAN_RULES = (*_GATE_RULES, rules.trend_quantile, *_PAYMENT_RULES)


def save_resources(engine: Engine, inputs: CaliforniaInputs, scenarios: Sequence[Scenario]) -> ir.Table | None:
    """Savings of every resource measure, with their net on each row: scenario × plan × organization × measure.

    Returns
    -------
    None without resource use.

    Raises
    ------
    InputDataError
        If savings are too large to be money.
    """
    if not inputs.accepted[RESOURCE_USE].num_rows:
        return None
    rows = engine.table(_resource_rows(inputs), "resource_row")
    members = engine.table(inputs.accepted[ORGANIZATIONS].select(["plan_id", "provider_id", "members"]), "member_row")
    rows = rows.inner_join(members, ["plan_id", "provider_id"])
    schema = pa.schema([("scenario_id", pa.string()), ("measure_id", pa.string()), ("unit_cost", pa.decimal128(8, 2))])
    costs = [
        {"scenario_id": one.scenario_id, "measure_id": name, "unit_cost": cost}
        for one in scenarios
        for name, cost in one.keyed("unit_cost").items()
    ]
    ids = engine.table(pa.table({"scenario_id": [one.scenario_id for one in scenarios]}), "resource_scenario")
    table = engine.table(parameter_table(costs, schema), "resource_parameter")
    rows = rows.cross_join(ids).left_join(table, ["scenario_id", "measure_id"])
    rows = rows.drop("scenario_id_right", "measure_id_right").rename(domain_id="plan_id")
    rows = apply_rules(engine, RESOURCE_RULES, rows, "resource_rules")
    _demand_payable(engine, rows)
    is_broken = rows.has_rejected_row
    status = ibis.cases((is_broken, "not_determinable"), else_="scored")
    reason = ibis.cases(
        (is_broken, "the row of resource_use.csv was rejected or is missing"), else_=ibis.null("string")
    )
    return engine.compute(rows.mutate(status=status, status_reason=reason), "resource_scored")


def pay_organizations(
    engine: Engine,
    inputs: CaliforniaInputs,
    composites: ir.Table,
    resources: ir.Table | None,
    scenarios: Sequence[Scenario],
) -> ir.Table:
    """Gates, savings and payment of every organization of every plan: scenario × plan × organization."""
    rows = engine.table(with_rejected(inputs, ORGANIZATIONS), "organization_row")
    rows = rows.rename(domain_id="plan_id").inner_join(engine.table(_plans(inputs, scenarios), "plan"), "domain_id")
    quality = composites.select("scenario_id", "provider_id", "quality_composite", quality_status=_.status)
    rows = rows.left_join(quality, _KEYS[:2]).drop(*(f"{key}_right" for key in _KEYS[:2]))
    if resources is None:
        rows = rows.mutate(net_savings=ibis.null(rules.AMOUNT_TYPE).cast(rules.AMOUNT_TYPE))
    else:
        net = resources.group_by(*_KEYS).agg(net_savings=_.net_savings.max())
        rows = rows.left_join(net, _KEYS).drop(*(f"{key}_right" for key in _KEYS))
    rows = engine.compute(rows, "organization_input")
    rows = apply_rules(engine, _GATE_RULES, rows, "gate_rules")
    rows = apply_rules(engine, _PAYMENT_RULES, rows, "payment_rules")
    rows = rows.mutate(status=_status(rows))
    return engine.compute(rows.mutate(status_reason=_reason(rows)), "organization_scored")


def _resource_rows(inputs: CaliforniaInputs) -> pa.Table:
    """Rows of resource use, and one without values where a measure that the plan has is missing."""
    given = with_rejected(inputs, RESOURCE_USE)
    rows = given.to_pylist()
    known = {(row["plan_id"], row["provider_id"], row["measure_id"]) for row in rows}
    of_plan: dict[str, set[str]] = {}
    for row in rows:
        if not row["has_rejected_row"]:
            of_plan.setdefault(row["plan_id"], set()).add(row["measure_id"])
    for row in inputs.accepted[ORGANIZATIONS].to_pylist():
        for measure in sorted(of_plan.get(row["plan_id"], set())):
            place = {"plan_id": row["plan_id"], "provider_id": row["provider_id"], "measure_id": measure}
            if tuple(place.values()) not in known:
                rows.append({**place, "has_rejected_row": True})
    return pa.Table.from_pylist(rows, schema=given.schema)


def _demand_payable(engine: Engine, resources: ir.Table) -> None:
    sums = resources.group_by("scenario_id", "domain_id").agg(total=_.resource_savings.abs().sum())
    found = engine.to_arrow(sums.filter(_.total >= _GREATEST_SAVINGS).order_by("scenario_id", "domain_id")).to_pylist()
    if found:
        raise InputDataError(
            Problem(
                "the resources of a plan's organizations changed by ten billion dollars or more",
                "resource_use.csv, plan_organizations.csv, resource_measures.csv",
                "look at use_per_1000 (of a thousand members and year), members and unit_cost",
                len(found),
                tuple(f"{row['domain_id']}, scenario {row['scenario_id']}" for row in found[:3]),
            )
        )


def _plans(inputs: CaliforniaInputs, scenarios: Sequence[Scenario]) -> pa.Table:
    texts = ("scenario_id", "domain_id", "distribution", "gate_unverified", "savings_unverified")
    schema = pa.schema(
        [
            *((name, pa.string()) for name in texts),
            *PLAN_PARAMETERS.items(),
            *COMMON_PARAMETERS.items(),
            ("trend_quantile", pa.decimal128(9, rules.QUANTILE_DECIMALS)),
        ]
    )
    rows: list[dict[str, Any]] = []
    for scenario in scenarios:
        common = {name: scenario.value(name) for name in COMMON_PARAMETERS}
        _demand_years(scenario)
        gate = scenario.unverified([("high_cost_years", ""), ("is_excess_to_be_significant", "")])
        for row in inputs.accepted[PLANS].to_pylist():
            terms = {name: scenario.value(name, row["plan_id"]) for name in PLAN_PARAMETERS}
            rows.append(
                {
                    "scenario_id": scenario.scenario_id,
                    "domain_id": row["plan_id"],
                    "distribution": row["distribution"],
                    "gate_unverified": gate,
                    "savings_unverified": scenario.unverified([("shared_savings_rate", "")]),
                    **common,
                    **terms,
                    "trend_quantile": _quantile(terms["trend_confidence_level"], row["plan_id"]),
                }
            )
    return parameter_table(rows, schema)


def _quantile(level: Decimal, plan: str) -> Decimal:
    if level >= 1:
        path = f"--set trend_confidence_level.{plan}={level}"
        raise UsageError(Problem("a confidence level must be below 1", path, "give a share such as 0.85"))
    return rules.trend_quantile.function(level)  # type: ignore[return-value]


def _demand_years(scenario: Scenario) -> None:
    years = scenario.value("high_cost_years")
    if years not in (1, 2):
        path = f"--set high_cost_years={years}"
        raise UsageError(Problem("high cost is looked at in one year or in two", path, "give 1 or 2"))


def _status(rows: ir.Table) -> ir.StringValue:
    is_paid_by_quality = rows.distribution == BUDGET_BY_QUALITY
    unread = rows.gate_unverified.notnull() | (rows.savings_unverified.notnull() & ~is_paid_by_quality)
    return ibis.cases(
        (rows.incentive_payment.isnull(), "not_determinable"),
        ((rows.quality_status == "unverified") | unread, "unverified"),
        else_="scored",
    )


def _reason(rows: ir.Table) -> ir.StringValue:
    """Say what is missing or which gate is closed; where all is open, what has not been read."""
    is_known = rows.incentive_payment.notnull()
    closed = ibis.cases(
        (~rows.is_quality_gate_open, "quality gate closed: the composite is below the minimum"),
        (~rows.is_trend_gate_open, "trend gate closed: total cost of care rose by more than the limit"),
        (rows.is_consistently_high_cost, "excluded: consistently high total cost of care"),
        else_=ibis.null("string"),
    )
    is_paid_by_quality = rows.distribution == BUDGET_BY_QUALITY
    names = ibis.cases(
        (is_paid_by_quality | rows.savings_unverified.isnull(), rows.gate_unverified),
        (rows.gate_unverified.isnull(), rows.savings_unverified),
        else_=rows.gate_unverified + ", " + rows.savings_unverified,
    )
    return ibis.cases(
        (is_known & closed.notnull(), closed),
        (is_known & (rows.status == "unverified") & names.isnull(), "see the quality measures"),
        (is_known & (rows.status == "unverified"), ibis.literal("parameters whose source has not been read: ") + names),
        (is_known, ibis.null("string")),
        (rows.has_rejected_row, "the row of plan_organizations.csv was rejected"),
        (rows.is_eligible.isnull() & rows.quality_composite.isnull(), "the quality composite is not determinable"),
        (rows.is_eligible.isnull(), "a total cost of care or the standard error of its trend is not given"),
        (rows.distribution_weight.notnull(), "another organization of the plan is not determinable"),
        (rows.net_savings.isnull(), "resource_use.csv does not give all of its resource use"),
        else_="an input is missing",
    )
