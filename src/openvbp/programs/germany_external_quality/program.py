"""German external quality assurance for the pipeline: reading, scoring, results."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.errors import Problem, UsageError
from openvbp.program import Program, RunContext, Stage
from openvbp.programs.germany_external_quality import result_tables
from openvbp.programs.germany_external_quality.inputs import GermanInputs, read
from openvbp.programs.germany_external_quality.scores import pay_documentations, score_sites

_SITES = "scoring/site_score"
_DOCUMENTATIONS = "scoring/documentation_payment"


def _scoring_stage(context: RunContext) -> dict[str, ir.Table]:
    content: GermanInputs = context.inputs.content
    tables = {"rejected/cells": context.engine.table(content.rejected, "rejected")}
    if content.results.num_rows:
        tables[_SITES] = score_sites(context.engine, content, context.scenarios)
    if content.documentations.num_rows:
        tables[_DOCUMENTATIONS] = pay_documentations(context.engine, content, context.scenarios)
    return tables


def _results_stage(context: RunContext) -> dict[str, ir.Table]:
    sites, documentations = context.tables.get(_SITES), context.tables.get(_DOCUMENTATIONS)
    detailed = _.scenario_id.isin([one.scenario_id for one in context.detailed])
    tables: dict[str, ir.Table] = {}
    providers = []
    if sites is not None:
        providers.append(result_tables.provider_table(sites, "hospital site"))
        tables["results/measure_result"] = result_tables.measure_result(sites.filter(detailed))
        tables["results/provider_result"] = result_tables.provider_result(sites)
    if documentations is not None:
        content: GermanInputs = context.inputs.content
        rejected = context.engine.table(content.rejected_documentations, "rejected_documentation")
        providers.append(result_tables.provider_table(documentations, "physician"))
        tables["results/payment_result"] = result_tables.payment_result(documentations, rejected)
    tables["results/provider"] = ibis.union(*providers) if len(providers) > 1 else providers[0]
    tables["results/step_result"] = result_tables.step_result(
        context.engine,
        None if sites is None else sites.filter(detailed),
        None if documentations is None else documentations.filter(detailed),
        context.detailed,
    )
    return tables


def read_published_values(directory: Path, period_label: str) -> NoReturn:
    """Refuse: the hospitals' quality reports are not read."""
    raise UsageError(
        Problem(
            f"quality reports of {period_label} are not read",
            str(directory),
            "'openvbp explain' prints every value of a site",
        )
    )


PROGRAM = Program(
    program_id="germany_external_quality",
    folder=Path(__file__).parent,
    read=read,
    stages=(Stage("scoring", _scoring_stage), Stage("results", _results_stage)),
    read_published_values=read_published_values,
    verified_against=("reference ranges, computed conspicuity and masking as published texts say; worked examples",),
    not_modelled=(
        "rates and risk adjustment from records, and the XML quality reports: the user gives counts",
        "the conspicuity with statistical uncertainty that replaces the rule of QSKH-RL since 2022",
        "amounts of fees, which differ by region and fund: the user gives them",
    ),
    why_not_drawn="fees follow from complete records, not from the results of indicators, which pay nothing",
)
