"""ACO REACH for the pipeline: reading, settlement, results."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import ibis.expr.types as ir
from ibis import _

from openvbp.errors import Problem, UsageError
from openvbp.program import DrawnColumn, DrawnInput, Program, RunContext, Stage, not_negative, share
from openvbp.programs.aco_reach import result_tables
from openvbp.programs.aco_reach.inputs import read
from openvbp.programs.aco_reach.settlement import SETTLEMENT, settle


def _settlement_stage(context: RunContext) -> dict[str, ir.Table]:
    return {
        "settlement/aco_settlement": settle(context.engine, context.inputs.content, context.scenarios),
        "rejected/cells": context.engine.table(context.inputs.content.rejected, "rejected"),
    }


def _results_stage(context: RunContext) -> dict[str, ir.Table]:
    acos = context.tables["settlement/aco_settlement"]
    actual = acos.filter(_.scenario_id == context.scenarios[0].scenario_id)
    detailed = acos.filter(_.scenario_id.isin([one.scenario_id for one in context.detailed]))
    return {
        "results/provider": result_tables.provider_table(actual),
        "results/provider_result": result_tables.provider_result(acos),
        "results/payment_result": result_tables.payment_result(acos),
        "results/step_result": result_tables.step_result(context.engine, detailed, context.detailed),
    }


def read_published_values(path: Path, period_label: str) -> NoReturn:
    """Refuse: no file of published results is read."""
    raise UsageError(
        Problem(
            f"published results of {period_label} are not read",
            str(path),
            "check a statement with 'openvbp audit settlement --contract aco_reach'",
        )
    )


PROGRAM = Program(
    program_id="aco_reach",
    folder=Path(__file__).parent,
    read=read,
    stages=(Stage("settlement", _settlement_stage), Stage("results", _results_stage)),
    read_published_values=read_published_values,
    verified_against=("worked examples and properties: no settlement with its inputs is public",),
    not_modelled=(
        "benchmark per beneficiary per month, alignment, stop-loss attachment and charge: they are given",
        "risk scores of High Needs ACOs, whose caps differ, and of ACOs three times as large as in the reference year, "
        "which have none: give their benchmarks risk-adjusted and no scores",
        "the health equity benchmark adjustment, the bonus of the High Performers Pool",
        "capitation and advanced payments made during the year: they count as expenditures",
        "sequestration, provisional settlement, repayment",
    ),
    settlement=SETTLEMENT,
    drawn_input=DrawnInput(
        columns=(
            DrawnColumn("acos", "expenditures", not_negative, quantity="expenditures", by=()),
            DrawnColumn("acos", "quality_score", share, quantity="quality_score", by=()),
        ),
        component_id="net",
        is_share_of_payments=False,
    ),
)
