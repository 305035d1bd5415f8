"""HACRP for the pipeline: reading, stages, published values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.errors import InputDataError
from openvbp.parameters import Scenario
from openvbp.program import DrawnColumn, DrawnInput, InputFile, Program, ProgramInputs, RunContext, Stage
from openvbp.programs.hacrp import checks, published, readers, result_tables
from openvbp.programs.hacrp.inputs import input_tables
from openvbp.programs.hacrp.measures import measure_catalogue
from openvbp.programs.hacrp.payments import pay
from openvbp.programs.hacrp.readers import PublishedInputs
from openvbp.programs.hacrp.scenario_tables import used_measures
from openvbp.programs.hacrp.scores import score
from openvbp.steps import Source

_SCENARIOS_AT_ONCE = 50


@dataclass(frozen=True)
class HacrpInputs:
    """What the stages need of the files."""

    published: PublishedInputs
    measure_ids: list[str]
    footnotes: list[str]


def read(path: Path, declared: Scenario) -> ProgramInputs:
    """Read the published file of one fiscal year, and the user's amounts and attributes.

    Parameters
    ----------
    path
        Folder of CSV files, or the one file.
    declared
        The parameters of the period.

    Raises
    ------
    InputDataError
        If the file is missing, broken, of another year, or without columns for the measures of the period.
    """
    inputs = readers.read_published(path, declared.period.label)
    problems = checks.problems(inputs, declared)
    if problems:
        raise InputDataError(problems)
    return ProgramInputs(
        _input_files(inputs),
        declared,
        HacrpInputs(inputs, used_measures(declared), list(declared.keyed("worst_score_footnote"))),
        checks.checks(inputs, declared),
    )


def _input_files(inputs: PublishedInputs) -> list[InputFile]:
    used = [
        InputFile(
            rows.file.table.name,
            rows.file.table.sha256,
            rows.file.kind,
            len(rows.file.table.rows),
            len(rows.provider_ids),
            len(rows.file.table.rows) - len(rows.provider_ids),
        )
        for rows in inputs.files
    ]
    ignored = [
        InputFile(file.table.name, file.table.sha256, "ignored", len(file.table.rows), 0, 0) for file in inputs.ignored
    ]
    return [*used, *ignored]


def _input_stage(context: RunContext) -> dict[str, ir.Table]:
    content: HacrpInputs = context.inputs.content
    tables = input_tables(context.engine, content.published, content.measure_ids, content.footnotes)
    rejected = tables.pop("rejected")
    return {**{f"input/{name}": table for name, table in tables.items()}, "rejected/cells": rejected}


def _scoring_stage(context: RunContext) -> dict[str, ir.Table]:
    inputs = {name: context.tables[f"input/{name}"] for name in ("provider", "measure_input")}
    scored = score(context.engine, inputs, context.detailed)
    # Many scenarios are scored in portions, and only their hospital totals kept: bounded memory.
    swept = context.scenarios[len(context.detailed) :]
    hospitals = [scored["hospital_score"]]
    for start in range(0, len(swept), _SCENARIOS_AT_ONCE):
        portion = swept[start : start + _SCENARIOS_AT_ONCE]
        hospitals.append(score(context.engine, inputs, portion, name=f"sweep_{start}_")["hospital_score"])
    scored["hospital_score"] = ibis.union(*hospitals) if len(hospitals) > 1 else hospitals[0]
    return {f"scoring/{name}": table for name, table in scored.items()}


def _payment_stage(context: RunContext) -> dict[str, ir.Table]:
    return {"payment/hospital_payment": pay(context.engine, context.tables["scoring/hospital_score"])}


def _results_stage(context: RunContext) -> dict[str, ir.Table]:
    tables = context.tables
    hospitals = tables["payment/hospital_payment"]
    detailed = hospitals.filter(_.scenario_id.isin([scenario.scenario_id for scenario in context.detailed]))
    measures, domains = tables["scoring/measure_score"], tables.get("scoring/domain_score")
    sources = _input_sources(context.inputs.content, context.detailed)
    results = {
        "results/provider": result_tables.provider_table(tables["input/provider"]),
        "results/measure_result": result_tables.measure_result(measures),
        "results/provider_result": result_tables.provider_result(hospitals),
        "results/payment_result": result_tables.payment_result(hospitals),
        "results/step_result": result_tables.step_result(
            context.engine, measures, domains, detailed, context.detailed, sources
        ),
    }
    if domains is not None:
        results["results/domain_result"] = result_tables.domain_result(domains)
    return results


def _input_sources(content: HacrpInputs, scenarios: Sequence[Scenario]) -> list[Source]:
    """File and column of every input quantity."""
    sources = []
    for quantity, measure_id, citation in published.citations(content.published, content.measure_ids):
        sources.extend(Source(one.scenario_id, quantity, measure_id, "", citation) for one in scenarios)
    return sources


def _bounds(measure_id: str) -> tuple[Decimal | None, Decimal | None]:
    measure = measure_catalogue().get(measure_id)
    return Decimal(0), measure.highest_rate if measure else None


PROGRAM = Program(
    program_id="hacrp",
    folder=Path(__file__).parent,
    read=read,
    stages=(
        Stage("input", _input_stage),
        Stage("scoring", _scoring_stage),
        Stage("payment", _payment_stage),
        Stage("results", _results_stage),
    ),
    read_published_values=published.read_published_values,
    verified_against=(
        "FY2024: 10,508 z-scores of infections, 2,972 Total HAC Scores and all payment reductions of 3,129 hospitals",
        "FY2018 to FY2021: 12,813 Total HAC Scores and all payment reductions given the cutoffs",
        "FY2015: 3,262 Total HAC Scores",
    ),
    not_modelled=(
        "measure results from claims and infection surveillance",
        "validation of infection data, review and corrections",
    ),
    tolerances={
        # Published scores of measures have four decimals; a mean of them is as exact as that.
        "domain_score": Decimal("0.0001"),
        "weighted_domain_score": Decimal("0.0001"),
        "total_hac_score": Decimal("0.0001"),
    },
    drawn_input=DrawnInput(
        columns=(
            DrawnColumn(
                table="input/measure_input",
                column="performance_rate",
                bounds=_bounds,
                supersedes=("published_z_score", "published_points"),
            ),
        ),
        component_id="hac_reduction",
    ),
)
