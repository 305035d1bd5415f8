"""The report card for the pipeline: patients, rating, results."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.errors import Problem, UsageError
from openvbp.program import Program, RunContext, Stage
from openvbp.programs.mncm import result_tables
from openvbp.programs.mncm.costs import rate_costs
from openvbp.programs.mncm.inputs import ReportCardInputs, read
from openvbp.programs.mncm.patients import counts_of, judge_answers, judge_patients
from openvbp.programs.mncm.scores import count_categories, given_counts, rate_clinics
from openvbp.programs.mncm.summaries import has_survey_domain, rate_experience, rate_providers

_CLINICS = "scoring/clinic_rating"
_PROVIDERS = "scoring/provider_rating"
_EXPERIENCE = "scoring/experience"
_COSTS = "scoring/cost_index"


def _scoring_stage(context: RunContext) -> dict[str, ir.Table]:
    content: ReportCardInputs = context.inputs.content
    engine, scenarios = context.engine, context.scenarios
    detailed = _.scenario_id.isin([one.scenario_id for one in context.detailed])
    tables = {"rejected/cells": engine.table(content.rejected, "rejected")}
    parts = []
    if content.patients.num_rows:
        judged = judge_patients(engine, content, scenarios)
        tables["evidence/patient_goal"] = judged.filter(detailed)
        parts.append(counts_of(judged, "is_optimal"))
    if content.answers.num_rows:
        answers = judge_answers(engine, content, scenarios)
        tables["evidence/survey_answer"] = answers.filter(detailed)
        parts.append(counts_of(answers, "is_most_positive"))
    if content.counts.num_rows:
        parts.append(given_counts(engine, content, scenarios))
    if parts:
        categories = count_categories(engine, parts, content)
        clinics = rate_clinics(engine, categories, content, scenarios)
        # Patients of one risk category can be so few that a row points to one of them.
        tables["evidence/category_count"] = categories.filter(detailed)
        tables[_CLINICS] = clinics
        tables[_PROVIDERS] = rate_providers(engine, clinics, scenarios)
        if has_survey_domain(content):
            tables[_EXPERIENCE] = rate_experience(engine, clinics)
    if content.costs.num_rows:
        tables[_COSTS] = rate_costs(engine, content, scenarios)
    return tables


def _results_stage(context: RunContext) -> dict[str, ir.Table]:
    clinics, providers = context.tables.get(_CLINICS), context.tables.get(_PROVIDERS)
    domains, groups = context.tables.get(_EXPERIENCE), context.tables.get(_COSTS)
    detailed = _.scenario_id.isin([one.scenario_id for one in context.detailed])
    measures, scores, tables = [], [], {}
    if clinics is not None and providers is not None:
        measures.append(result_tables.clinic_results(clinics.filter(detailed)))
        scores.append(result_tables.provider_result(providers))
    if domains is not None:
        tables["results/domain_result"] = result_tables.domain_result(domains.filter(detailed))
    if groups is not None:
        measures += result_tables.cost_results(groups.filter(detailed))
        alone = groups if providers is None else groups.anti_join(providers, ["scenario_id", "provider_id"])
        scores.append(result_tables.provider_result_of_costs(alone))
    return {
        **tables,
        "results/provider": result_tables.provider_table([table for table in (providers, groups) if table is not None]),
        "results/measure_result": _together(measures),
        "results/provider_result": _together(scores),
        "results/step_result": result_tables.step_result(
            context.engine,
            *(table if table is None else table.filter(detailed) for table in (clinics, providers, domains, groups)),
            context.detailed,
        ),
    }


def _together(tables: list[ir.Table]) -> ir.Table:
    return ibis.union(*tables) if len(tables) > 1 else tables[0]


def read_published_values(directory: Path, period_label: str) -> NoReturn:
    """Refuse: the published report cards are not read."""
    raise UsageError(
        Problem(
            f"report cards of {period_label} are not read",
            str(directory),
            "'openvbp explain' prints every value of a clinic",
        )
    )


PROGRAM = Program(
    program_id="mncm",
    folder=Path(__file__).parent,
    read=read,
    stages=(Stage("scoring", _scoring_stage), Stage("results", _results_stage)),
    read_published_values=read_published_values,
    verified_against=("goals, all or none, actual to expected and thresholds as published texts say; worked examples",),
    not_modelled=(
        "the statewide logistic model behind expected rates: the user gives its mean per clinic, or risk categories",
        "who is eligible and excluded, and attribution of patients to clinics: the user gives attributed patients",
        "case-mix adjustment of the survey, and ratings of cost",
    ),
    why_not_drawn="the program reports to the public and pays nothing",
)
