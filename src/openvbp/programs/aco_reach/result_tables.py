"""The settlement as the tables of the results model."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.aco_reach import rules
from openvbp.programs.aco_reach.inputs import ACOS
from openvbp.programs.aco_reach.settlement import WHOLE
from openvbp.rules import in_force, rules_of
from openvbp.steps import Given, Source, StepGroup, parameter_sources, step_rows

_UNITS = {"yes_no": "flag", "count": "count", "amount": "usd", "ratio": "ratio"}
_INPUTS = tuple(one for one in ACOS.columns if one.kind in _UNITS)
_NO_RATE = ibis.null("decimal(18, 10)")


def provider_table(acos: ir.Table) -> ir.Table:
    """ACOs as the hub's ``provider``; those of one agreement are peers."""
    return acos.select(
        "provider_id",
        "provider_name",
        provider_type=ibis.literal("aco"),
        peer_group=_.agreement,
        **dict.fromkeys(("state", "place", "excluded_reason"), ibis.null("string")),
        dual_eligible_ratio=_NO_RATE,
    )


def provider_result(acos: ir.Table) -> ir.Table:
    """The savings rate, in percent of the benchmark, as the hub's score; rank 1 saved most."""
    in_scenario = ibis.window(group_by="scenario_id")
    by_rate = ibis.window(group_by="scenario_id", order_by=ibis.desc(_.savings_rate, nulls_first=False))
    ranked = acos.mutate(scored=_.savings_rate.count().over(in_scenario), place=ibis.rank().over(by_rate) + 1)
    known = ranked.savings_rate.notnull()
    percent = money.exact(ranked.savings_rate.cast("decimal(16, 12)") * ibis.literal(100).cast("decimal(3, 0)"), 18, 12)
    share = money.divide_half_up(ranked.scored - ranked.place + 1, ranked.scored)
    return ranked.select(
        "scenario_id",
        "provider_id",
        "provider_name",
        "status",
        "status_reason",
        peer_group=_.agreement,
        score=percent,
        rank=ibis.ifelse(known, ranked.place, ibis.null("int64")),
        percentile=ibis.ifelse(known, share, ibis.null(money.SCORE_TYPE)),
    )


def payment_result(acos: ir.Table) -> ir.Table:
    """Shared savings or losses as the hub's ``payment_result``; the rate is that over all corridors together."""
    share = money.divide_half_up(
        money.in_units(acos.shared_savings_or_losses.abs(), 2), money.in_units(acos.gross_savings.abs(), 2)
    )
    share = ibis.ifelse(acos.gross_savings == 0, ibis.literal("0").cast(money.SCORE_TYPE), share)
    return acos.select(
        "scenario_id",
        "provider_id",
        "status",
        "status_reason",
        component_id=ibis.literal("net"),
        base_amount=_.gross_savings,
        currency=ibis.literal("USD"),
        rate=share.cast("decimal(18, 16)"),
        amount=_.shared_savings_or_losses,
        is_cap_applied=ibis.literal(False),  # noqa: FBT003
        factor=_NO_RATE,
    )


def step_result(engine: Engine, acos: ir.Table, scenarios: Sequence[Scenario]) -> ir.Table:
    """Every value of the settlement as the hub's ``step_result``."""
    used = in_force(rules_of(rules), scenarios[0].period.start)
    computed = tuple(rule.gives for rule in used)
    inputs = tuple(one.name for one in _INPUTS)
    groups = [
        StepGroup(acos, (*inputs, *WHOLE, *computed), "shared_savings_or_losses"),
        StepGroup(acos.mutate(domain_id=_.agreement), ("benchmark_discount",), ""),
        *(
            StepGroup(
                acos.mutate(
                    domain_id=_.agreement + f"_{band}",
                    corridor_end=acos[f"corridor_end_{band}"],
                    corridor_share=acos[f"corridor_share_{band}"],
                ),
                ("corridor_end", "corridor_share"),
                "",
            )
            for band in range(1, rules.CORRIDORS + 1)
        ),
    ]
    given = [Given(one.name, _UNITS[one.kind], "input") for one in _INPUTS]
    given += [
        Given(name, "ratio", "parameter") for name in (*WHOLE, "benchmark_discount", "corridor_end", "corridor_share")
    ]
    sources = [
        Source(scenario.scenario_id, parameter.name, "", key, cited.cite)
        for scenario in scenarios
        for parameter in scenario.parameters.values()
        for key, cited in parameter.values.items()
    ]
    sources += [
        Source(one.scenario_id, column.name, "", "", f"{ACOS.file_name}, column '{column.name}'")
        for one in scenarios
        for column in _INPUTS
    ]
    return step_rows(engine, groups, used, given, [*parameter_sources(scenarios), *sources])
