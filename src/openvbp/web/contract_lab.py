"""A contract again and again with other terms: its stages without the steps, whose expressions are built once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ibis.expr.types as ir

from openvbp.parameters import Scenario
from openvbp.program import Program, ProgramInputs, RunContext
from openvbp.programs.contract import distribution, result_tables, settlement
from openvbp.programs.contract.statuses import settlement_status
from openvbp.steps import first_row_of_each
from openvbp.web.lab_engine import LabEngine

Tables = Mapping[str, ir.Table]


def contract_totals(program: Program, engine: LabEngine, inputs: ProgramInputs) -> Callable[[Scenario], Tables]:
    """Give the function from a scenario to the settlement and what it hands down."""
    content = inputs.content

    def settled(start: ir.Table) -> ir.Table:
        rows = settlement.settle(engine, content, start, "settlement_computed")
        return engine.compute(rows.mutate(**settlement_status(rows)), "settlement_with_status")

    def contracted(populations: ir.Table) -> ir.Table:
        return engine.compute(first_row_of_each(populations, ["scenario_id"]).drop("domain_id"), "contractor_settled")

    def totals(scenario: Scenario) -> Tables:
        start = program.stages[0].compute(RunContext(engine, inputs, [scenario], [scenario]))["basis/population"]
        populations = engine.replayed("settled", settled, start)
        paid = distribution.distribute(engine, content, populations, [scenario])
        contractor = engine.replayed("contractor", contracted, populations)
        return {
            "payment_result": result_tables.payment_result(content, contractor, paid),
            "provider_result": result_tables.provider_result(content, contractor),
        }

    return totals
