"""Total cost of care of medical groups against the state, under all scenarios."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameter_tables import parameter_table
from openvbp.parameters import Scenario
from openvbp.programs.mncm import rules
from openvbp.programs.mncm.inputs import ReportCardInputs
from openvbp.rule_chain import apply_rules

COST_INPUTS = ("patients", "member_months", "total_cost", "risk_score", "resource_units")
STATEWIDE = ("statewide_cost_per_member_month", "statewide_resource_units_per_member_month")
COST_RULES = (
    rules.is_reportable,
    rules.cost_per_member_month,
    rules.expected_cost_per_member_month,
    rules.total_cost_index,
    rules.resource_use_index,
    rules.price_index,
)


def rate_costs(engine: Engine, inputs: ReportCardInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Compare every group with the statewide average: scenario × group; what is not published is empty."""
    groups = engine.table(inputs.costs, "cost_row")
    groups = groups.cross_join(engine.compute(_statewide(groups), "cost_statewide"))
    joined = groups.cross_join(engine.table(_minimums(scenarios), "cost_minimum"))
    groups = apply_rules(engine, COST_RULES, engine.compute(joined, "cost_input"), "cost_rated")
    status = ibis.cases(
        (~groups.is_reportable, "too_few_cases"),
        (groups.total_cost_index.isnull(), "not_determinable"),
        (groups.unverified.notnull(), "unverified"),
        else_="scored",
    )
    reason = ibis.cases(
        (
            ~groups.is_reportable,
            ibis.literal("not reportable: fewer than ") + groups.minimum_patients.cast("string") + " patients",
        ),
        (
            groups.total_cost_index.isnull(),
            f"nothing is expected, or the index is {rules.MOST_INDEX} or more: see total_costs.csv",
        ),
        (
            groups.unverified.notnull(),
            ibis.literal("parameters whose source has not been read: ") + groups.unverified,
        ),
        else_=ibis.null("string"),
    )
    groups = groups.mutate(status=status, status_reason=reason)
    kept_back = (*COST_INPUTS, *(rule.gives for rule in COST_RULES if rule is not rules.is_reportable))
    hidden = {
        name: ibis.ifelse(groups.is_reportable, groups[name], ibis.null(groups[name].type())) for name in kept_back
    }
    return engine.compute(groups.mutate(**hidden), "cost_published")


def _statewide(groups: ir.Table) -> ir.Table:
    """Cost and resource units of a month of risk 1, over all groups (those that have units, for units)."""
    risk_months = _.member_months * money.in_units(_.risk_score, 4)
    units = money.in_units(_.resource_units, 2)
    totals = groups.mutate(
        cost_cents=money.in_units(_.total_cost, 2),
        risk_months=risk_months,
        units_cents=units,
        risk_months_with_units=ibis.ifelse(units.notnull(), risk_months, 0),
    ).aggregate(
        cost=money.whole_sum(_.cost_cents),
        months=money.whole_sum(_.risk_months),
        units=money.whole_sum(_.units_cents),
        unit_months=money.whole_sum(_.risk_months_with_units),
    )
    # Cents over ten-thousandths of months: times 100 gives dollars per month.
    return totals.select(
        statewide_cost_per_member_month=money.divide_half_up(_.cost * 100, _.months, rules.RATE_DECIMALS),
        statewide_resource_units_per_member_month=money.divide_half_up(
            _.units * 100, _.unit_months, rules.RATE_DECIMALS
        ),
    )


def _minimums(scenarios: Sequence[Scenario]) -> pa.Table:
    schema = pa.schema([("scenario_id", pa.string()), ("unverified", pa.string()), ("minimum_patients", pa.int64())])
    rows = [
        {
            "scenario_id": scenario.scenario_id,
            "unverified": scenario.unverified([("minimum_cost_patients", "")]),
            "minimum_patients": scenario.value("minimum_cost_patients"),
        }
        for scenario in scenarios
    ]
    return parameter_table(rows, schema)
