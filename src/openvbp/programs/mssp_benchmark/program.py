"""The benchmark of Shared Savings Program ACOs for the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import ibis.expr.types as ir
from ibis import _

from openvbp.errors import Problem, UsageError
from openvbp.program import Program, RunContext, Stage
from openvbp.programs.mssp_benchmark import result_tables
from openvbp.programs.mssp_benchmark.construction import construct
from openvbp.programs.mssp_benchmark.inputs import read
from openvbp.steps import first_row_of_each


def _construction_stage(context: RunContext) -> dict[str, ir.Table]:
    return {
        "construction/type": construct(context.engine, context.inputs.content, context.scenarios),
        "rejected/cells": context.engine.table(context.inputs.content.rejected, "rejected"),
    }


def _results_stage(context: RunContext) -> dict[str, ir.Table]:
    rows = context.tables["construction/type"]
    acos = context.engine.compute(first_row_of_each(rows, ["scenario_id", "provider_id"]), "benchmark_aco")
    detailed = [one.scenario_id for one in context.detailed]
    kept, kept_acos = (table.filter(_.scenario_id.isin(detailed)) for table in (rows, acos))
    actual = acos.filter(_.scenario_id == context.scenarios[0].scenario_id)
    return {
        "results/provider": result_tables.provider_table(actual),
        "results/provider_result": result_tables.provider_result(acos),
        "results/step_result": result_tables.step_result(
            context.engine, context.inputs.content, kept, kept_acos, context.detailed
        ),
    }


def read_published_values(path: Path, period_label: str) -> NoReturn:
    """Refuse: benchmarks are published without the values that they are made from."""
    raise UsageError(
        Problem(
            f"the inputs of the benchmarks of {period_label} are not published",
            str(path),
            "compare benchmark and benchmark_per_capita with the public use file by hand",
        )
    )


PROGRAM = Program(
    program_id="mssp_benchmark",
    folder=Path(__file__).parent,
    read=read,
    stages=(Stage("construction", _construction_stage), Stage("results", _results_stage)),
    read_published_values=read_published_values,
    verified_against=(
        "public use files of PY2021 to PY2023: per capita expenditures of the types, weighted by person years, give "
        "the published total within the rounding of what is printed; the benchmark per capita x person years alike",
        "the published county file of 2018 is read as it is",
    ),
    not_modelled=(
        "assignment; national and prospective trends, percentiles and completion factors: they are given",
        "agreements before July 2019; the demographic part and the aggregate test of the risk cap since 2024",
        "the population adjustment, the guardrail, adjustments for billing anomalies and for changed participants",
    ),
    why_not_drawn="it computes benchmarks and pays nothing; draws of expenditures are paid by mssp",
)
