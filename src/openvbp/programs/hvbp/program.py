"""HVBP for the pipeline: reading, stages, published values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.errors import InputDataError, Problem
from openvbp.parameters import CitedValue, Scenario
from openvbp.program import Check, DrawnColumn, DrawnInput, InputFile, Program, ProgramInputs, RunContext, Stage
from openvbp.programs.hvbp import readers, result_tables
from openvbp.programs.hvbp.inputs import input_tables
from openvbp.programs.hvbp.measures import measure_catalogue
from openvbp.programs.hvbp.payments import pay
from openvbp.programs.hvbp.readers import PublishedInputs
from openvbp.programs.hvbp.scores import score
from openvbp.programs.hvbp.sweep import sweep
from openvbp.published_values import MISSING
from openvbp.steps import Source

_ON_THE_WAY = ("incentive_percentage_per_point", "domains_unverified", "program_unverified", "excluded_reason")
"""Columns of hospitals that only their payment needs."""


@dataclass(frozen=True)
class HvbpInputs:
    """What the stages need of the files."""

    published: PublishedInputs
    measure_ids: list[str]
    measures_with_points: set[str]


def read(directory: Path, declared: Scenario) -> ProgramInputs:
    """Read a folder of HVBP files of one fiscal year.

    Parameters
    ----------
    directory
        The published files, and optionally the user's cases, payment amounts and attributes.
    declared
        The parameters of the period.

    Raises
    ------
    InputDataError
        If files or measures are missing, broken, of another year, or without standards.
    """
    published = readers.read_published(directory, declared.period.label)
    problems = readers.missing_measures(published, declared)
    if problems:
        raise InputDataError(problems)
    measure_ids = list(declared.keyed("measure_domain"))
    standards = readers.published_standards(published, measure_ids)
    rules_in_force = _with_standards(declared, standards)
    with_points = {one for one in measure_ids if _prints_points(published, one)}
    problems = _without_standards(published, rules_in_force, with_points)
    if problems:
        raise InputDataError(problems)
    return ProgramInputs(
        _input_files(published),
        rules_in_force,
        HvbpInputs(published, measure_ids, with_points),
        _checks(published, declared, standards, with_points),
    )


def _with_standards(scenario: Scenario, standards: Mapping[str, Mapping[str, CitedValue]]) -> Scenario:
    """The files' standards win over declared ones: technical updates reach the files first."""
    parameters = dict(scenario.parameters)
    for name, values in standards.items():
        parameters[name] = replace(parameters[name], values={**parameters[name].values, **values})
    return replace(scenario, parameters=parameters)


def _prints_points(published: PublishedInputs, measure_id: str) -> bool:
    rows = published.source_of(measure_id)
    if rows is None:
        return False
    columns = [rows.file.measures.get((measure_id, name)) for name in ("achievement_points", "measure_points")]
    return any(text not in MISSING for index in columns if index is not None for text in rows.columns[index])


def _without_standards(published: PublishedInputs, scenario: Scenario, with_points: set[str]) -> list[Problem]:
    """Measures that have rates but neither standards to score them nor points."""
    lacking = []
    for measure_id in scenario.keyed("measure_domain"):
        rows = published.source_of(measure_id)
        index = rows.file.measures.get((measure_id, "performance_rate")) if rows else None
        if rows is None or index is None or measure_id in with_points:
            continue
        absent = [name for name in ("achievement_threshold", "benchmark") if scenario.value(name, measure_id) is None]
        if absent and any(text not in MISSING for text in rows.columns[index]):
            lacking.append(f"{measure_id} ({' and '.join(absent)})")
    if not lacking:
        return []
    return [
        Problem(
            "measures have rates but no standards to score them",
            ", ".join(sorted({rows.file.table.name for rows in published.of_kind("measures")})),
            "use files with the columns 'Achievement Threshold' and 'Benchmark', or add performance_standards.csv",
            len(lacking),
            tuple(lacking[:3]),
        )
    ]


def _input_files(published: PublishedInputs) -> list[InputFile]:
    return [
        InputFile(
            rows.file.table.name,
            rows.file.table.sha256,
            rows.file.kind,
            len(rows.file.table.rows),
            len(rows.provider_ids),
            len(rows.file.table.rows) - len(rows.provider_ids),
        )
        for rows in published.files
    ]


def _checks(
    published: PublishedInputs,
    declared: Scenario,
    standards: Mapping[str, Mapping[str, CitedValue]],
    with_points: set[str],
) -> list[Check]:
    measure_files = published.of_kind("measures")
    everyone = {one for rows in measure_files for one in rows.provider_ids}
    absent = [
        f"{one} is not in {rows.file.table.name}"
        for rows in measure_files
        for one in sorted(everyone - set(rows.provider_ids))
    ]
    stray = [
        f"{one} in {rows.file.table.name}"
        for kind in ("cases", "payments", "attributes")
        for rows in published.of_kind(kind)
        for one in sorted(set(rows.provider_ids) - everyone)
    ]
    unused = [rows.file.table.name for rows in published.of_kind("ignored")]
    differing = [
        f"{name}.{key}: {declared.value(name, key)} declared, {cited.value} in the file"
        for name, values in standards.items()
        for key, cited in values.items()
        if declared.value(name, key) not in (None, cited.value)
    ]
    found = [
        Check(
            "hospital_not_in_file",
            len(absent),
            "its measures there, and what they count in, cannot be determined",
            tuple(absent[:3]),
        ),
        Check(
            "hospital_only_in_added_file",
            len(stray),
            "it is in no measure file, so what was added for it is not used",
            tuple(stray[:3]),
        ),
        Check("file_not_used", len(unused), "none of its columns belong to Hospital VBP", tuple(unused[:3])),
        Check("declared_standard_differs", len(differing), "the files' own standards are used", tuple(differing[:3])),
        Check("leading_zero_restored", published.restored_zeros, "hospital numbers had lost leading zeros"),
    ]
    if not with_points and not published.of_kind("cases"):
        found.append(
            Check(
                "minimum_cases_not_checked",
                len(everyone),
                "the files print neither points nor cases, so every rate is scored",
            )
        )
    return [check for check in found if check.count]


def _input_stage(context: RunContext) -> dict[str, ir.Table]:
    content: HvbpInputs = context.inputs.content
    tables = input_tables(context.engine, content.published, content.measure_ids)
    rejected = tables.pop("rejected")
    return {**{f"input/{name}": table for name, table in tables.items()}, "rejected/cells": rejected}


def _scoring_and_payment_stage(context: RunContext) -> dict[str, ir.Table]:
    content: HvbpInputs = context.inputs.content
    inputs = {name: context.tables[f"input/{name}"] for name in ("provider", "measure_input", "published_score")}
    scored = score(context.engine, inputs, context.detailed, content.measures_with_points)
    # Of further scenarios only the hospitals' totals are kept.
    swept = context.scenarios[len(context.detailed) :]
    if swept:
        totals = sweep(context.engine, inputs, swept, content.measures_with_points)
        scored["hospital_score"] = scored["hospital_score"].union(totals.select(scored["hospital_score"].columns))
    # Not written in between: of many scenarios it is the largest table.
    hospitals = pay(context.engine, scored.pop("hospital_score")).drop(_ON_THE_WAY)
    return {**{f"scoring/{name}": table for name, table in scored.items()}, "payment/hospital_payment": hospitals}


def _results_stage(context: RunContext) -> dict[str, ir.Table]:
    tables = context.tables
    hospitals = tables["payment/hospital_payment"]
    detailed = hospitals.filter(_.scenario_id.isin([scenario.scenario_id for scenario in context.detailed]))
    measures, domains = tables["scoring/measure_score"], tables["scoring/domain_score"]
    sources = _input_sources(context.inputs.content, context.detailed)
    return {
        "results/provider": result_tables.provider_table(tables["input/provider"]),
        "results/measure_result": result_tables.measure_result(measures),
        "results/domain_result": result_tables.domain_result(domains),
        "results/provider_result": result_tables.provider_result(hospitals, tables["input/provider"]),
        "results/payment_result": result_tables.payment_result(hospitals, context.detailed),
        "results/step_result": result_tables.step_result(
            context.engine, measures, domains, detailed, context.detailed, sources
        ),
    }


def _input_sources(content: HvbpInputs, scenarios: Sequence[Scenario]) -> list[Source]:
    """File and column of every input quantity."""
    sources = []
    for measure_id in content.measure_ids:
        rows = content.published.source_of(measure_id)
        for name in ("baseline_rate", "performance_rate", "measure_points"):
            index = rows.file.measures.get((measure_id, name)) if rows else None
            if rows is None or index is None:
                continue
            quantity = "published_measure_points" if name == "measure_points" else name
            citation = f"{rows.file.table.name}, column '{rows.file.table.header[index]}'"
            sources.extend(Source(one.scenario_id, quantity, measure_id, "", citation) for one in scenarios)
    return sources


def _bounds(measure_id: str) -> tuple[Decimal | None, Decimal | None]:
    measure = measure_catalogue().get(measure_id)
    return (measure.lowest_rate, measure.highest_rate) if measure else (None, None)


def read_published_values(directory: Path, period_label: str) -> pa.Table:
    """Published results of HVBP files in long form, as text, for comparison.

    Returns
    -------
    Hospital × quantity × measure or domain: provider_id, quantity, measure_id, domain_id, source, text.
    """
    published = readers.read_published(directory, period_label)
    return readers.published_value_rows(published)


PROGRAM = Program(
    program_id="hvbp",
    folder=Path(__file__).parent,
    read=read,
    stages=(
        Stage("input", _input_stage),
        Stage("scoring_and_payment", _scoring_and_payment_stage),
        Stage("results", _results_stage),
    ),
    read_published_values=read_published_values,
    verified_against=(
        "FY2024: every published point, domain score and Total Performance Score of 2,474 hospitals",
        "FY2025: weighted domain scores and Total Performance Scores of 2,489 hospitals",
        "FY2015: HCAHPS points of 3,042 hospitals",
    ),
    not_modelled=(
        "measure rates from claims as CMS computes them: --from-claims has models of its own",
        "review and corrections, appeals (42 CFR 412.167)",
    ),
    drawn_input=DrawnInput(
        columns=(DrawnColumn(table="input/measure_input", column="performance_rate", bounds=_bounds),),
        component_id="net",
    ),
)
