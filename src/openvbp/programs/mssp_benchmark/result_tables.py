"""The benchmark as the tables of the results model; enrollment types stand in the place of domains."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.mssp_benchmark import rules
from openvbp.programs.mssp_benchmark.construction import WHOLE
from openvbp.programs.mssp_benchmark.input_files import ROLES
from openvbp.programs.mssp_benchmark.inputs import BenchmarkInputs
from openvbp.rules import rules_of
from openvbp.steps import Given, Source, StepGroup, step_rows

_NO_RATE = ibis.null("decimal(18, 10)")
_OF_ACO = ("benchmark", "benchmark_per_capita")
_TERMS = {
    "benchmark_year_weight": ("weight_by1", "weight_by2", "weight_by3"),
    "regional_adjustment_weight": ("weight_if_lower", "weight_if_higher"),
}
_INPUTS = {
    **{f"per_capita_{role}": "usd" for role in ROLES},
    **{f"months_{role}": "count" for role in ("by3", "py")},
    **{f"risk_score_{role}": "ratio" for role in ROLES},
    **{f"{name}_{role}": "usd" for name in ("national_per_capita", "regional_per_capita") for role in ROLES},
    "regional_risk_score_by3": "ratio",
    "market_share": "ratio",
    "prospective_trend_amount": "usd",
    "prior_savings_per_capita": "usd",
}


def provider_table(acos: ir.Table) -> ir.Table:
    """ACOs as the hub's ``provider``."""
    return acos.select(
        "provider_id",
        "provider_name",
        provider_type=ibis.literal("aco"),
        **dict.fromkeys(("state", "place", "peer_group", "excluded_reason"), ibis.null("string")),
        dual_eligible_ratio=_NO_RATE,
    )


def provider_result(acos: ir.Table) -> ir.Table:
    """The benchmark per capita, in dollars, as the hub's score; 1 is the highest."""
    in_scenario = ibis.window(group_by="scenario_id")
    by_score = ibis.window(group_by="scenario_id", order_by=ibis.desc(_.benchmark_per_capita, nulls_first=False))
    ranked = acos.mutate(scored=_.benchmark_per_capita.count().over(in_scenario), place=ibis.rank().over(by_score) + 1)
    known = ranked.benchmark_per_capita.notnull()
    share = money.divide_half_up(ranked.scored - ranked.place + 1, ranked.scored)
    return ranked.select(
        "scenario_id",
        "provider_id",
        "provider_name",
        "status",
        "status_reason",
        peer_group=ibis.null("string"),
        score=_.benchmark_per_capita,
        rank=ibis.ifelse(known, ranked.place, ibis.null("int64")),
        percentile=ibis.ifelse(known, share, ibis.null(money.SCORE_TYPE)),
    )


def step_result(
    engine: Engine, inputs: BenchmarkInputs, rows: ir.Table, acos: ir.Table, scenarios: Sequence[Scenario]
) -> ir.Table:
    """Every value of the benchmark as the hub's ``step_result``."""
    computed = tuple(rule.gives for rule in rules_of(rules) if rule.gives not in _OF_ACO)
    unnoted = rows.mutate(status_reason=ibis.null("string"))
    weights = tuple(column for columns in _TERMS.values() for column in columns)
    whole = tuple(name for name in (*WHOLE, "regional_adjustment_floor") if name in scenarios[0].parameters)
    named = {"weight_by1": "benchmark_year_weight_by1", "weight_by2": "benchmark_year_weight_by2"}
    named |= {"weight_by3": "benchmark_year_weight_by3", "weight_if_lower": "regional_adjustment_weight_if_lower"}
    named |= {"weight_if_higher": "regional_adjustment_weight_if_higher"}
    renamed = unnoted.rename({new: old for old, new in named.items()})
    groups = [
        StepGroup(renamed, (*_INPUTS, *(named[one] for one in weights), *computed), ""),
        StepGroup(acos.mutate(domain_id=ibis.null("string")), (*whole, *_OF_ACO), "benchmark"),
    ]
    given = [Given(name, unit, "input") for name, unit in _INPUTS.items()]
    given += [Given(name, "ratio", "parameter") for name in (*(named[one] for one in weights), *whole)]
    sources = [
        Source(one.scenario_id, name, "", "", inputs.sources[name])
        for one in scenarios
        for name in _INPUTS
        if name in inputs.sources
    ]
    for one in scenarios:
        for name, columns in {**_TERMS, **{name: (name,) for name in whole}}.items():
            cite = "; ".join(dict.fromkeys(value.cite for value in one.parameters[name].values.values()))
            sources += [Source(one.scenario_id, named.get(column, column), "", "", cite) for column in columns]
    return step_rows(engine, groups, rules_of(rules), given, sources)
