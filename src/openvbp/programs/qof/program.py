"""The Quality and Outcomes Framework for the pipeline: reading, points, payments, results."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.program import DrawnColumn, DrawnInput, Program, RunContext, Stage, share
from openvbp.programs.qof import result_tables
from openvbp.programs.qof.input_tables import QofInputs
from openvbp.programs.qof.inputs import read
from openvbp.programs.qof.payments import adjust_areas, pay, prevalence_factors
from openvbp.programs.qof.points import score_indicators
from openvbp.programs.qof.published_values import read_published_points, read_published_values

_SCENARIOS_AT_ONCE = 10


def _scoring_stage(context: RunContext) -> dict[str, ir.Table]:
    content: QofInputs = context.inputs.content
    engine = context.engine
    measures = score_indicators(engine, content, context.detailed)
    factors = prevalence_factors(engine, content, context.detailed)
    areas = adjust_areas(engine, content, measures, factors, context.detailed)
    practices = [pay(engine, content, areas, context.detailed)]
    swept = context.scenarios[len(context.detailed) :]
    for start in range(0, len(swept), _SCENARIOS_AT_ONCE):
        # Many scenarios are computed in portions: bounded memory.
        portion, name = swept[start : start + _SCENARIOS_AT_ONCE], f"sweep_{start}_"
        scored = score_indicators(engine, content, portion, name)
        weighed = prevalence_factors(engine, content, portion, name)
        adjusted = adjust_areas(engine, content, scored, weighed, portion, name)
        practices.append(pay(engine, content, adjusted, portion, name))
    return {
        "scoring/indicator_points": measures,
        "scoring/prevalence_factor": factors,
        "scoring/area_points": areas,
        "scoring/practice_payment": ibis.union(*practices) if len(practices) > 1 else practices[0],
        "rejected/cells": engine.table(content.rejected_table(), "rejected"),
    }


def _results_stage(context: RunContext) -> dict[str, ir.Table]:
    content: QofInputs = context.inputs.content
    measures, areas = context.tables["scoring/indicator_points"], context.tables["scoring/area_points"]
    practices = context.tables["scoring/practice_payment"]
    detailed = practices.filter(_.scenario_id.isin([one.scenario_id for one in context.detailed]))
    known = context.engine.table(content.practices, "practice_known")
    return {
        "results/provider": result_tables.provider_table(known),
        "results/measure_result": result_tables.measure_result(measures),
        "results/domain_result": result_tables.domain_result(areas),
        "results/provider_result": result_tables.provider_result(practices),
        "results/payment_result": result_tables.payment_result(practices),
        "results/step_result": result_tables.step_result(
            context.engine,
            content,
            measures,
            context.tables["scoring/prevalence_factor"],
            areas,
            detailed,
            context.detailed,
        ),
    }


PROGRAM = Program(
    program_id="qof",
    folder=Path(__file__).parent,
    read=read,
    stages=(Stage("scoring", _scoring_stage), Stage("results", _results_stage)),
    read_published_values=read_published_values,
    verified_against=(
        "Scotland 2010/11, 2011/12, 2013/14 to 2015/16: points of all but 32 of 284,545 rows with a fraction, to two "
        "decimals",
        "total points of every practice of 2011/12 and 2013/14 to 2015/16, but for 63 that are listed",
        "prevalence factors of every practice and register of these years, to the printed decimals",
        "payments of 2011/12 and 2013/14: 99 percent of the nGMS practices within one percent, with one fitted average "
        "list a year",
    ),
    not_modelled=(
        "registers, numerators and exceptions from records: the publications give them",
        "steps of indicators that are paid in steps, and whether something is done: the published points are taken",
        "thresholds of England from 2013/14 on, and its indicators of 2013/14 to 2018/19 and from 2024/25 on: "
        "indicators.csv gives them",
        "income protection of single years; Wales and Northern Ireland",
    ),
    tolerances={
        # The publications print binary floats of about 15 digits; ours have twelve decimals.
        "points": Decimal("0.000000001"),
        "total_points": Decimal("0.000000001"),
        "adjusted_disease_prevalence_factor": Decimal("0.000000000001"),
    },
    read_published_points=read_published_points,
    drawn_input=DrawnInput(
        columns=(
            DrawnColumn(
                table="achievement",
                column="numerator",
                denominator="denominator",
                bounds=share,
                # Points as published or set by hand have a reason.
                decides=lambda rows: rows.status_reason.isnull() | (rows.status == "unverified"),
                all_cases=1,
            ),
        ),
        component_id="achievement",
        is_share_of_payments=False,
    ),
)
