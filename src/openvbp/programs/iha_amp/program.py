"""California's Value Based P4P and AMP for the pipeline: reading, scoring, results."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import ibis.expr.types as ir
from ibis import _

from openvbp.errors import Problem, UsageError
from openvbp.program import DrawnColumn, DrawnInput, Program, RunContext, Stage, share
from openvbp.programs.iha_amp import result_tables
from openvbp.programs.iha_amp.explained_steps import step_result
from openvbp.programs.iha_amp.input_files import MEDICARE_RESULTS, PLANS
from openvbp.programs.iha_amp.inputs import COMMERCIAL, MEDICARE, CaliforniaInputs, read
from openvbp.programs.iha_amp.plans import pay_organizations, save_resources
from openvbp.programs.iha_amp.quality import composites, score_domains, score_measures
from openvbp.programs.iha_amp.report_card import rate_medicare, rate_topics, summarize_medicare, summarize_topics

_SCORING = "scoring/"


def _scoring_stage(context: RunContext) -> dict[str, ir.Table]:
    content: CaliforniaInputs = context.inputs.content
    engine, scenarios = context.engine, context.scenarios
    measures = score_measures(engine, content, scenarios)
    domains = score_domains(engine, measures, scenarios)
    tables = {"measures": measures, "domains": domains, "composites": composites(engine, domains)}
    if content.accepted[PLANS].num_rows:
        resources = save_resources(engine, content, scenarios)
        if resources is not None:
            tables["resources"] = resources
        tables["organizations"] = pay_organizations(engine, content, tables["composites"], resources, scenarios)
    if content.has_topics:
        tables["card_measures"], tables["topics"] = rate_topics(engine, content, measures, scenarios)
        tables["commercial"] = summarize_topics(engine, tables["topics"], scenarios)
    if content.accepted[MEDICARE_RESULTS].num_rows:
        tables["medicare_measures"] = rate_medicare(engine, content, scenarios)
        tables["medicare"] = summarize_medicare(engine, tables["medicare_measures"], scenarios)
    rejected = {"rejected/cells": engine.table(content.rejected, "rejected")}
    return rejected | {f"{_SCORING}{name}": table for name, table in tables.items()}


def _results_stage(context: RunContext) -> dict[str, ir.Table]:
    scored = {path.removeprefix(_SCORING): table for path, table in context.tables.items() if path.startswith(_SCORING)}
    is_detailed = _.scenario_id.isin([one.scenario_id for one in context.detailed])
    kept = {name: table.filter(is_detailed) for name, table in scored.items()}
    of_providers = ("composites", "organizations", "medicare")
    tables = {
        "results/provider": result_tables.provider_table([scored[name] for name in of_providers if name in scored]),
        "results/measure_result": result_tables.measure_result(
            kept["measures"], kept.get("card_measures"), kept.get("medicare_measures")
        ),
        "results/domain_result": result_tables.domain_result(
            kept["domains"], kept.get("topics"), kept.get("commercial"), kept.get("medicare")
        ),
        "results/provider_result": result_tables.provider_result(scored["composites"]),
        "results/step_result": step_result(context.engine, kept, context.detailed),
    }
    if "organizations" in scored:
        tables["results/payment_result"] = result_tables.payment_result(scored["organizations"])
    return tables


def read_published_values(directory: Path, period_label: str) -> NoReturn:
    """Refuse: plans' statements are not public, and the report card is a web page."""
    raise UsageError(
        Problem(
            f"published results of {period_label} are not read",
            str(directory),
            "'openvbp explain' prints every value of an organization",
        )
    )


PROGRAM = Program(
    program_id="iha_amp",
    folder=Path(__file__).parent,
    read=read,
    stages=(Stage("scoring", _scoring_stage), Stage("results", _results_stage)),
    read_published_values=read_published_values,
    verified_against=("parts of the design and of the report card as published texts describe them; worked examples",),
    not_modelled=(
        "rates, risk adjustment and the total cost of care from claims: the user gives them",
        "adjustments of the resource use targets, small organizations, and the design for full-risk organizations",
        "the report card's ratings of patients' experience and of cost",
    ),
    drawn_input=DrawnInput(
        columns=(
            DrawnColumn(
                table="results",
                column="numerator",
                denominator="denominator",
                bounds=share,
                # Nothing is paid for the stars of the report card.
                decides=lambda rows: ~rows.measure_id.re_search(f"^({COMMERCIAL}|{MEDICARE})[.]"),
                all_cases=1,
            ),
        ),
        component_id="net",
        is_share_of_payments=False,
    ),
)
