"""Pay for performance of French physicians for the pipeline: reading, scoring, payment, results."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import ibis.expr.types as ir
from ibis import _

from openvbp.errors import Problem, UsageError
from openvbp.program import DrawnColumn, DrawnInput, Program, RunContext, Stage, share
from openvbp.programs.rosp import result_tables
from openvbp.programs.rosp.inputs import RospInputs, read
from openvbp.programs.rosp.payments import pay
from openvbp.programs.rosp.scores import rules_in_force, score_measures, score_physicians
from openvbp.scenarios import demand_unchanged


def _scoring_stage(context: RunContext) -> dict[str, ir.Table]:
    demand_unchanged(context.scenarios, ("contract_years", "indicator_block"))
    content: RospInputs = context.inputs.content
    measures = score_measures(context.engine, content, context.scenarios)
    physicians = score_physicians(context.engine, content, measures, context.scenarios)
    detailed = [one.scenario_id for one in context.detailed]
    return {
        "scoring/measure_score": measures.filter(_.scenario_id.isin(detailed)),
        "scoring/physician_score": physicians,
        "rejected/cells": context.engine.table(content.rejected, "rejected"),
    }


def _results_stage(context: RunContext) -> dict[str, ir.Table]:
    measures, physicians = context.tables["scoring/measure_score"], context.tables["scoring/physician_score"]
    detailed = physicians.filter(_.scenario_id.isin([one.scenario_id for one in context.detailed]))
    actual = physicians.filter(_.scenario_id == context.scenarios[0].scenario_id)
    return {
        "results/provider": result_tables.provider_table(actual),
        "results/measure_result": result_tables.measure_result(measures),
        "results/domain_result": result_tables.domain_result(measures),
        "results/payment_result": pay(physicians, rules_in_force(context.scenarios[0])),
        "results/step_result": result_tables.step_result(context.engine, measures, detailed, context.detailed),
    }


def read_published_values(directory: Path, period_label: str) -> NoReturn:
    """Refuse: what single physicians earned is not published."""
    raise UsageError(
        Problem(
            f"no payments of single physicians are published for {period_label}",
            str(directory),
            "'openvbp explain' prints every value of a physician",
        )
    )


PROGRAM = Program(
    program_id="rosp",
    folder=Path(__file__).parent,
    read=read,
    stages=(Stage("scoring", _scoring_stage), Stage("results", _results_stage)),
    read_published_values=read_published_values,
    verified_against=("points, value of a point, reference list and opting out; worked examples",),
    not_modelled=(
        "the indicators of each year: the user gives them; only one is built in",
        "results of indicators from records or claims: the user gives them",
        "the payment of the practice's structure that replaced organisation indicators in 2017",
    ),
    drawn_input=DrawnInput(
        columns=(
            DrawnColumn(
                table="results",
                column="numerator",
                denominator="patients",
                bounds=share,
                by=("indicator_id",),
                all_cases=1,
            ),
        ),
        component_id="net",
        is_share_of_payments=False,
    ),
)
