"""Advancing Quality for the pipeline: reading, scoring, payment, results."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.errors import Problem, UsageError
from openvbp.program import DrawnColumn, DrawnInput, Program, RunContext, Stage, share
from openvbp.programs.advancing_quality import result_tables
from openvbp.programs.advancing_quality.conditions import rules_in_force, score_conditions, score_measures
from openvbp.programs.advancing_quality.inputs import AdvancingQualityInputs, read
from openvbp.programs.advancing_quality.payments import pay


def _scoring_stage(context: RunContext) -> dict[str, ir.Table]:
    content: AdvancingQualityInputs = context.inputs.content
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
    """Refuse: no results of single trusts are at hand to compare with."""
    raise UsageError(
        Problem(
            f"no results of single trusts are published for {period_label}",
            str(directory),
            "'openvbp explain' prints every value of a trust",
        )
    )


PROGRAM = Program(
    program_id="advancing_quality",
    folder=Path(__file__).parent,
    read=read,
    stages=(Stage("scoring", _scoring_stage), Stage("results", _results_stage)),
    read_published_values=read_published_values,
    verified_against=("who was paid in the first year, and 4 % in the best quartile; worked examples",),
    not_modelled=(
        "measure rates from records: the user gives them",
        "outcome measures in the composites",
        "from April 2010: a withheld share of income within the national framework for commissioning (CQUIN)",
    ),
    drawn_input=DrawnInput(
        columns=(
            DrawnColumn(
                table="measures",
                column="numerator",
                denominator="denominator",
                bounds=share,
                by=("condition_id", "measure_id"),
                is_pooled=lambda _rows: ibis.literal(True),  # noqa: FBT003
                all_cases=1,
            ),
        ),
        component_id="net",
    ),
)
