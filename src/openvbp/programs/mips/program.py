"""MIPS for the pipeline: reading, scoring, payment, results."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.errors import Problem, UsageError
from openvbp.program import DrawnColumn, DrawnInput, Program, RunContext, Stage
from openvbp.programs.mips import result_tables, rules
from openvbp.programs.mips.inputs import MipsInputs, read
from openvbp.programs.mips.payments import pay, payment_result
from openvbp.programs.mips.scores import score_categories, score_clinicians, score_measures, score_quality
from openvbp.rules import Rule, in_force, rules_of
from openvbp.scoring.decile_benchmarks import POINT_DECIMALS


def _rules_in_force(context: RunContext) -> list[Rule]:
    return in_force(rules_of(rules), context.inputs.rules_in_force.period.start)


def _scoring_stage(context: RunContext) -> dict[str, ir.Table]:
    engine, scenarios = context.engine, context.scenarios
    content: MipsInputs = context.inputs.content
    measures = score_measures(engine, content, scenarios)
    quality = score_quality(engine, content, measures, scenarios)
    categories = score_categories(engine, content, quality, scenarios)
    clinicians = score_clinicians(engine, quality, categories)
    return {
        "scoring/measure_score": measures,
        "scoring/category_score": categories,
        "scoring/clinician_score": pay(engine, clinicians, _rules_in_force(context)),
        "rejected/cells": engine.table(content.rejected, "rejected"),
    }


def _results_stage(context: RunContext) -> dict[str, ir.Table]:
    kept = [one.scenario_id for one in context.detailed]
    clinicians = context.tables["scoring/clinician_score"]
    measures, categories, detailed = (
        table.filter(_.scenario_id.isin(kept))
        for table in (
            context.tables["scoring/measure_score"],
            context.tables["scoring/category_score"],
            clinicians,
        )
    )
    quality = detailed.mutate(counted_points=money.from_units(_.counted_point_units, POINT_DECIMALS))
    in_year = _rules_in_force(context)
    tables = {
        "results/provider": result_tables.provider_table(
            clinicians.filter(_.scenario_id == context.scenarios[0].scenario_id)
        ),
        "results/domain_result": result_tables.domain_result(categories, quality),
        "results/provider_result": result_tables.provider_result(clinicians),
        "results/payment_result": payment_result(clinicians, in_year),
        "results/step_result": result_tables.step_result(
            context.engine, (measures, quality, categories, detailed), in_year, context.detailed
        ),
    }
    # Where every quality category is given or reweighted there is no measure to report.
    if context.inputs.content.measures.num_rows:
        tables["results/measure_result"] = result_tables.measure_result(measures)
    return tables


def read_published_values(directory: Path, period_label: str) -> NoReturn:
    """Refuse: final scores are published without the measures, categories and amounts behind them."""
    raise UsageError(
        Problem(
            f"no results of MIPS for {period_label} can be compared with",
            str(directory),
            "compare with your own performance feedback: 'openvbp explain' prints every value",
        )
    )


PROGRAM = Program(
    program_id="mips",
    folder=Path(__file__).parent,
    read=read,
    stages=(Stage("scoring", _scoring_stage), Stage("results", _results_stage)),
    read_published_values=read_published_values,
    verified_against=(
        "every published quality benchmark of 2017 to 2026: points at, between and beyond the decile starts",
        "worked examples of final scores and adjustments, as no clinician-level submission is published",
    ),
    not_modelled=(
        "cost, improvement activities and promoting interoperability below the category score: the user gives it",
        "the points that new measures have in their first two years, facility-based scoring, MIPS Value Pathways",
        "the APM Performance Pathway and its own category weights",
        "which clinicians are eligible: the user gives a reason for those that are not",
    ),
    drawn_input=DrawnInput(
        columns=(
            DrawnColumn(
                table="measures",
                column="performance_rate",
                bounds=lambda _measure_id: (None, None),
                decides=lambda rows: rows.status_reason.isnull() | ~rows.status_reason.endswith("fixed points"),
                all_cases=100,
            ),
        ),
        component_id="net",
    ),
)
