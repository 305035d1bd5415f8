"""A contract file for the pipeline: reading, quality and budget, settlement, distribution, results."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.errors import Problem, UsageError
from openvbp.parameters import Scenario
from openvbp.program import (
    DrawnColumn,
    DrawnInput,
    OwnFile,
    Program,
    ProgramInputs,
    RunContext,
    Stage,
    not_negative,
    share,
)
from openvbp.programs.contract import distribution, result_tables, settlement
from openvbp.programs.contract.compiled import contract_parameters
from openvbp.programs.contract.contract_file import read_contract
from openvbp.programs.contract.inputs import ContractInputs, read
from openvbp.programs.contract.scenario_checks import demand_possible
from openvbp.programs.contract.statuses import settlement_status
from openvbp.steps import first_row_of_each

_FOLDER = Path(__file__).parent


def _basis_stage(context: RunContext) -> dict[str, ir.Table]:
    """Quality, baseline and everything else that the settlement starts from."""
    engine, content = context.engine, context.inputs.content
    demand_possible(context.scenarios, content)
    measures = settlement.score_measures(engine, content, context.scenarios)
    baseline = settlement.cost_baseline(engine, content, context.scenarios)
    start = settlement.starting_table(engine, content, context.scenarios, measures, baseline)
    found = {"measure": measures, "baseline": baseline}
    return {
        "basis/population": start,
        **{f"basis/{name}": table for name, table in found.items() if table is not None},
        "rejected/cells": engine.table(content.rejected, "rejected"),
    }


def _settlement_stage(context: RunContext) -> dict[str, ir.Table]:
    engine, content = context.engine, context.inputs.content
    settled = settlement.settle(engine, content, context.tables["basis/population"], "settlement_computed")
    settled = engine.compute(settled.mutate(**settlement_status(settled)), "settlement_with_status")
    paid = distribution.distribute(engine, content, settled, context.scenarios)
    return {"settlement/population": settled, **({} if paid is None else {"settlement/participant": paid})}


def _results_stage(context: RunContext) -> dict[str, ir.Table]:
    content: ContractInputs = context.inputs.content
    detailed = [one.scenario_id for one in context.detailed]
    populations = context.tables["settlement/population"]
    contractor = first_row_of_each(populations, ["scenario_id"]).drop("domain_id")
    paid = context.tables.get("settlement/participant")
    tables = {
        "contractor": contractor,
        "population": populations.mutate(status_reason=ibis.null("string")),
        "measure": context.tables.get("basis/measure"),
        "baseline": context.tables.get("basis/baseline"),
        "paid": paid,
    }
    kept = {name: table.filter(_.scenario_id.isin(detailed)) for name, table in tables.items() if table is not None}
    results = {
        "results/provider": result_tables.provider_table(content, contractor, paid),
        "results/provider_result": result_tables.provider_result(content, contractor),
        "results/payment_result": result_tables.payment_result(content, contractor, paid),
        "results/step_result": result_tables.step_result(context.engine, content, kept, context.detailed),
    }
    if "measure" in kept:
        results["results/measure_result"] = result_tables.measure_result(kept["measure"])
    return results


def contract_program(path: Path) -> Program:
    """Make a program of a contract file.

    Raises
    ------
    UsageError, InputDataError
        If the file is missing, or a term of it is wrong.
    """
    file = read_contract(path)
    return replace(
        PROGRAM,
        read=partial(read, file=file),
        own_parameters=contract_parameters(file),
        own_file=OwnFile(file.terms.contract, path.name, file.content),
    )


def _read_nothing(folder: Path, declared: Scenario) -> ProgramInputs:
    del declared
    raise UsageError(
        Problem(
            "a contract is run by its file",
            str(folder),
            "write for example: openvbp run my-contract.yaml --data FOLDER --out RUN; see examples/",
        )
    )


def read_published_values(path: Path, period_label: str) -> pa.Table:
    """Refuse: what a payer states of a contract is checked by an audit of its statement."""
    raise UsageError(
        Problem(
            f"no results of contracts are published for {period_label}",
            str(path),
            "check the payer's statement with 'openvbp audit settlement'",
        )
    )


PROGRAM = Program(
    program_id="contract",
    folder=_FOLDER,
    read=_read_nothing,
    stages=(
        Stage("basis", _basis_stage),
        Stage("settlement", _settlement_stage),
        Stage("results", _results_stage),
    ),
    read_published_values=read_published_values,
    verified_against=("worked examples and properties: no settled commercial contract is public",),
    not_modelled=(
        "who is attributed: experience and members arrive attributed",
        "the rates of quality measures: numerators and denominators arrive counted",
        "advance and interim payments, reinsurance by third parties, arbitration",
    ),
    settlement=settlement.SETTLEMENT,
    drawn_input=DrawnInput(
        columns=(
            DrawnColumn("quality", "numerator", share, denominator="denominator", all_cases=1),
            DrawnColumn(
                table="experience",
                column="expenditures",
                quantity="expenditures",
                by=("population", "year"),
                bounds=not_negative,
            ),
        ),
        component_id="net",
        is_share_of_payments=False,
        is_of_one_account=True,
    ),
)
"""The building blocks; a contract file fills them."""
