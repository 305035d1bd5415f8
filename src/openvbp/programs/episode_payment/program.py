"""Episode payment for the pipeline: episodes, reconciliation, results."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import ibis.expr.types as ir
from ibis import _

from openvbp.errors import Problem, UsageError
from openvbp.program import DrawnColumn, DrawnInput, Program, RunContext, Stage, not_negative
from openvbp.programs.episode_payment import result_tables
from openvbp.programs.episode_payment.inputs import read
from openvbp.programs.episode_payment.settlement import SETTLEMENT, settle
from openvbp.scenarios import demand_unchanged
from openvbp.steps import first_row_of_each


def _settlement_stage(context: RunContext) -> dict[str, ir.Table]:
    demand_unchanged(context.scenarios, ("post_discharge_days",))
    return {
        "settlement/category": settle(context.engine, context.inputs.content, context.scenarios),
        "rejected/cells": context.engine.table(context.inputs.content.rejected, "rejected"),
    }


def _results_stage(context: RunContext) -> dict[str, ir.Table]:
    rows = context.tables["settlement/category"]
    hospitals = context.engine.compute(
        first_row_of_each(rows, ["scenario_id", "provider_id"]), "episode_hospital_result"
    )
    detailed = [one.scenario_id for one in context.detailed]
    kept, kept_hospitals = (table.filter(_.scenario_id.isin(detailed)) for table in (rows, hospitals))
    actual = hospitals.filter(_.scenario_id == context.scenarios[0].scenario_id)
    return {
        "results/provider": result_tables.provider_table(actual),
        "results/provider_result": result_tables.provider_result(hospitals),
        "results/payment_result": result_tables.payment_result(hospitals),
        "results/step_result": result_tables.step_result(context.engine, kept, kept_hospitals, context.detailed),
    }


def read_published_values(path: Path, period_label: str) -> NoReturn:
    """Refuse: no hospital-level reconciliations are published."""
    raise UsageError(
        Problem(
            f"no hospital-level reconciliations are published for {period_label}",
            str(path),
            "check a report with 'openvbp audit settlement --contract episode_payment'",
        )
    )


PROGRAM = Program(
    program_id="episode_payment",
    folder=Path(__file__).parent,
    read=read,
    stages=(Stage("settlement", _settlement_stage), Stage("results", _results_stage)),
    read_published_values=read_published_values,
    verified_against=(
        "CMS sample reconciliation report of CJR performance year 1: quality score 7.00 is good, discount 2.0 %, no "
        "downside risk; the sample's episodes are not public",
    ),
    not_modelled=(
        "baseline prices, normalization, trend and the models' risk adjustment: prices and factors are given",
        "which claims are unrelated to the episode: the user marks them; payments by stay are prorated by days",
        "second reconciliations, repayment timing, gainsharing; the choice of a TEAM track",
    ),
    settlement=SETTLEMENT,
    drawn_input=DrawnInput(
        columns=(
            DrawnColumn(
                table="categories",
                column="actual_spending",
                quantity="actual_spending",
                by=("episode_category",),
                bounds=not_negative,
            ),
        ),
        component_id="net",
    ),
)
