"""Non-payment for hospital-acquired conditions for the pipeline: reading, grouping, results."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.errors import Problem, UsageError
from openvbp.program import Program, RunContext, Stage
from openvbp.programs.dra_hac import result_tables
from openvbp.programs.dra_hac.inputs import HacInputs, read
from openvbp.programs.dra_hac.stays import group_stays
from openvbp.scenarios import demand_unchanged

_SCENARIOS_AT_ONCE = 10


def _evidence_stage(context: RunContext) -> dict[str, ir.Table]:
    """Group the stays; of further scenarios keep the hospitals' totals only."""
    demand_unchanged(context.scenarios, ("diagnosis_code_system", "procedure_code_system"))
    content: HacInputs = context.inputs.content
    tables = {name: context.engine.table(rows, f"input_{name}") for name, rows in content.tables.items()}
    grouped = group_stays(context.engine, tables, context.detailed)
    hospitals = [result_tables.hospital_totals(grouped["stay_result"])]
    swept = context.scenarios[len(context.detailed) :]
    for start in range(0, len(swept), _SCENARIOS_AT_ONCE):
        portion = swept[start : start + _SCENARIOS_AT_ONCE]
        further = group_stays(context.engine, tables, portion, name=f"sweep_{start}_")
        totals = result_tables.hospital_totals(further["stay_result"])
        hospitals.append(context.engine.compute(totals, f"sweep_{start}_hospital"))
    return {
        **{f"evidence/{name}": table for name, table in grouped.items()},
        "payment/hospital_payment": ibis.union(*hospitals) if len(hospitals) > 1 else hospitals[0],
        "rejected/cells": context.engine.table(content.rejected, "rejected"),
    }


def _results_stage(context: RunContext) -> dict[str, ir.Table]:
    content: HacInputs = context.inputs.content
    hospitals = context.tables["payment/hospital_payment"]
    detailed = hospitals.filter(_.scenario_id.isin([one.scenario_id for one in context.detailed]))
    categories = result_tables.category_totals(
        context.engine,
        context.tables["evidence/stay_condition"],
        detailed,
        context.detailed,
        content.categories_with_codes,
    )
    actual = hospitals.filter(_.scenario_id == context.scenarios[0].scenario_id)
    return {
        "results/provider": result_tables.provider_table(actual),
        "results/measure_result": result_tables.measure_result(categories),
        "results/payment_result": result_tables.payment_result(hospitals),
        "results/step_result": result_tables.step_result(context.engine, detailed, categories, context.detailed),
    }


def read_published_values(directory: Path, period_label: str) -> NoReturn:
    """Refuse: no result of this program is published by hospital."""
    raise UsageError(
        Problem(
            f"no result of the DRA non-payment is published by hospital for {period_label}",
            str(directory),
            "compare evidence/stay_result with the DRGs that your payment contractor paid",
        )
    )


PROGRAM = Program(
    program_id="dra_hac",
    folder=Path(__file__).parent,
    read=read,
    stages=(Stage("evidence", _evidence_stage), Stage("results", _results_stage)),
    read_published_values=read_published_values,
    verified_against=("the indicator rules and categories that CMS publishes; worked examples of whole stays",),
    not_modelled=(
        "grouping a stay to its DRG family: the user gives the billed DRG and the families (DRG triplets)",
        "complications that some DRGs exclude for themselves (MS-DRG Definitions Manual, Appendix C, part 3)",
        "a selected condition that decides the DRG family and not only the severity",
        "outlier, transfer and new-technology payments of a stay",
    ),
    why_not_drawn="what is paid follows from the codes of each stay, not from rates",
)
