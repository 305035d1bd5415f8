"""HQID for the pipeline: reading, scoring, payment, results."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import ibis.expr.types as ir
from ibis import _

from openvbp.errors import Problem, UsageError
from openvbp.program import DrawnColumn, DrawnInput, Program, RunContext, Stage, share
from openvbp.programs.hqid import result_tables
from openvbp.programs.hqid.conditions import rules_in_force, score_conditions, score_measures
from openvbp.programs.hqid.inputs import HqidInputs, read
from openvbp.programs.hqid.payments import pay
from openvbp.scenarios import demand_unchanged


def _scoring_stage(context: RunContext) -> dict[str, ir.Table]:
    demand_unchanged(context.scenarios, ("comparison_period",))
    content: HqidInputs = context.inputs.content
    measures = score_measures(context.engine, content, context.scenarios)
    conditions = score_conditions(context.engine, content, measures, context.scenarios)
    detailed = [one.scenario_id for one in context.detailed]
    return {
        "scoring/measure_score": measures.filter(_.scenario_id.isin(detailed)),
        "scoring/condition_score": conditions,
        "rejected/cells": context.engine.table(content.rejected, "rejected"),
    }


def _results_stage(context: RunContext) -> dict[str, ir.Table]:
    measures, conditions = context.tables["scoring/measure_score"], context.tables["scoring/condition_score"]
    detailed = conditions.filter(_.scenario_id.isin([one.scenario_id for one in context.detailed]))
    actual = conditions.filter(_.scenario_id == context.scenarios[0].scenario_id)
    return {
        "results/provider": result_tables.provider_table(actual),
        "results/measure_result": result_tables.measure_result(measures),
        "results/domain_result": result_tables.domain_result(detailed),
        "results/payment_result": pay(conditions, rules_in_force(context.scenarios[0])),
        "results/step_result": result_tables.step_result(context.engine, measures, detailed, context.detailed),
    }


def read_published_values(directory: Path, period_label: str) -> NoReturn:
    """Refuse: no hospital-level results of the demonstration are at hand to compare with."""
    raise UsageError(
        Problem(
            f"no hospital-level results of the demonstration are published for {period_label}",
            str(directory),
            "'openvbp explain' prints every value of a hospital",
        )
    )


PROGRAM = Program(
    program_id="hqid",
    folder=Path(__file__).parent,
    read=read,
    stages=(Stage("scoring", _scoring_stage), Stage("results", _results_stage)),
    read_published_values=read_published_values,
    verified_against=("the award rates of the first phase; worked examples, as no hospital-level result is published",),
    not_modelled=(
        "measure rates and expected outcomes from records: the user gives them",
        "how the pools of the second phase were sized and shared: the user gives the pools",
        "recognition without payment (the best half of the hospitals)",
    ),
    drawn_input=DrawnInput(
        columns=(
            DrawnColumn(
                table="measures",
                column="numerator",
                denominator="denominator",
                bounds=share,
                by=("condition_id", "measure_id"),
                is_pooled=lambda rows: rows.measure_type == "process",
                all_cases=1,
            ),
        ),
        component_id="net",
    ),
)
