"""HRRP for the pipeline: reading, stages, published values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.errors import InputDataError, Problem
from openvbp.parameters import ACTUAL, CitedValue, Scenario, load_parameters
from openvbp.payment.excess_ratio import MODIFIER_DECIMALS
from openvbp.program import DrawnColumn, DrawnInput, Program, ProgramInputs, RunContext, Stage
from openvbp.programs.hrrp import checks, readers, result_tables
from openvbp.programs.hrrp.inputs import input_tables
from openvbp.programs.hrrp.measures import measure_catalogue
from openvbp.programs.hrrp.merged_files import ReadmissionInputs
from openvbp.programs.hrrp.published_results import published_value_rows
from openvbp.programs.hrrp.scores import rules_on, score
from openvbp.scenarios import demand_unchanged
from openvbp.steps import Source

_SCENARIOS_AT_ONCE = 50
_TAKEN_AS_PUBLISHED = ("published_peer_group", "published_peer_group_median", "published_neutrality_modifier")
_RATIOS = ("published_excess_readmission_ratio", "predicted_readmission_rate", "hospital_effect")
"""Quantities from which there is a ratio: printed, from rates, from stays."""
_READ_BY = (
    "is_zero_ratio_placeholder",
    "excluded_area",
    "applicable_period_start",
    "applicable_period_end",
    "are_medicare_advantage_stays_counted",
    "are_covid_19_stays_excluded",
)
"""Parameters that say what the files hold."""
_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class HrrpInputs:
    """What the stages need of the files."""

    merged: ReadmissionInputs
    published: tuple[str, ...]
    """Those of peer group, median and neutrality modifier that the files give."""


def read(directory: Path, declared: Scenario) -> ProgramInputs:
    """Read a folder of HRRP files of one fiscal year.

    Parameters
    ----------
    directory
        Published files: a hospital-specific report, the supplemental file, the public file; and optionally files of the
        user with payments, dual proportions or payment ratios.
    declared
        The parameters of the period.

    Raises
    ------
    InputDataError
        If files are broken or of another year, or no file gives the ratios of a condition of the period.
    """
    merged = readers.read_published(directory, declared)
    problems = _conditions_without_ratios(merged, declared)
    if problems:
        raise InputDataError(problems)
    _exclude_areas(merged, declared)
    published = tuple(quantity for quantity in _TAKEN_AS_PUBLISHED if merged.has(quantity))
    rules_in_force = _with_modifier(merged, declared)
    return ProgramInputs(
        checks.input_files(merged), rules_in_force, HrrpInputs(merged, published), checks.checks(merged, rules_in_force)
    )


def _conditions_without_ratios(merged: ReadmissionInputs, scenario: Scenario) -> list[Problem]:
    applied = [name for name, is_applied in scenario.keyed("is_condition_applied").items() if is_applied]
    given = {measure_id for quantity, measure_id in merged.citations if quantity in _RATIOS}
    given &= {measure_id for _, measure_id in merged.conditions}
    lacking = [name for name in applied if name not in given]
    if not lacking:
        return []
    names = ", ".join(rows.file.path.name for rows in merged.files)
    return [
        Problem(
            f"no file gives excess readmission ratios of {len(lacking)} of the {len(applied)} conditions of "
            + scenario.period.label,
            names,
            "put a file into the folder with hospital number, 'Measure Name' and 'Excess Readmission Ratio', the "
            "supplemental file, or the sheets of a hospital-specific report",
            len(lacking),
            tuple(lacking[:3]),
        )
    ]


def _exclude_areas(merged: ReadmissionInputs, scenario: Scenario) -> None:
    """Mark hospitals of areas outside the program, which their numbers begin with."""
    reasons = scenario.keyed("excluded_area")
    for hospital in merged.hospitals.values():
        hospital.excluded_reason = hospital.excluded_reason or reasons.get(hospital.provider_id[:2])


def _with_modifier(merged: ReadmissionInputs, scenario: Scenario) -> Scenario:
    """The files' neutrality modifier wins over the declared one.

    Raises
    ------
    InputDataError
        If it is not one number for all hospitals.
    """
    name = "published_neutrality_modifier"
    given = {one.values[name] for one in merged.hospitals.values() if name in one.values}
    if not given:
        return scenario
    if len(given) > 1:
        raise InputDataError(
            Problem(
                "the neutrality modifier is not one number for all hospitals",
                "; ".join(merged.citations[name, ""]),
                "use the file as published",
                len(given),
                tuple(str(one) for one in sorted(given)[:3]),
            )
        )
    modifier = given.pop().quantize(Decimal(1).scaleb(-MODIFIER_DECIMALS), ROUND_HALF_UP)
    cited = CitedValue(modifier, "; ".join(merged.citations[name, ""]), None)
    parameter = scenario.parameters["neutrality_modifier"]
    changed = replace(parameter, values={**parameter.values, "": cited})
    return replace(scenario, parameters={**scenario.parameters, "neutrality_modifier": changed})


def _input_stage(context: RunContext) -> dict[str, ir.Table]:
    content: HrrpInputs = context.inputs.content
    tables = input_tables(context.engine, content.merged)
    rejected = tables.pop("rejected")
    return {**{f"input/{name}": table for name, table in tables.items()}, "rejected/cells": rejected}


def _scoring_stage(context: RunContext) -> dict[str, ir.Table]:
    content: HrrpInputs = context.inputs.content
    demand_unchanged(context.scenarios, _READ_BY)
    inputs = {name: context.tables[f"input/{name}"] for name in ("hospital", "condition")}
    scored = score(context.engine, inputs, context.detailed, content.published)
    # Many scenarios are scored in portions, and only their hospital totals kept: bounded memory.
    swept = context.scenarios[len(context.detailed) :]
    hospitals = [scored["hospital_score"]]
    for start in range(0, len(swept), _SCENARIOS_AT_ONCE):
        portion = swept[start : start + _SCENARIOS_AT_ONCE]
        totals = score(context.engine, inputs, portion, content.published, name=f"sweep_{start}_")
        hospitals.append(totals["hospital_score"])
    scored["hospital_score"] = ibis.union(*hospitals) if len(hospitals) > 1 else hospitals[0]
    return {f"scoring/{name}": table for name, table in scored.items()}


def _results_stage(context: RunContext) -> dict[str, ir.Table]:
    hospitals, conditions = context.tables["scoring/hospital_score"], context.tables["scoring/condition_score"]
    detailed = hospitals.filter(_.scenario_id.isin([scenario.scenario_id for scenario in context.detailed]))
    return {
        "results/provider": result_tables.provider_table(hospitals.filter(_.scenario_id == ACTUAL)),
        "results/measure_result": result_tables.measure_result(conditions),
        "results/provider_result": result_tables.provider_result(hospitals),
        "results/payment_result": result_tables.payment_result(hospitals),
        "results/step_result": result_tables.step_result(
            context.engine,
            conditions,
            detailed,
            context.detailed,
            list(rules_on(context.detailed[0].period.start).values()),
            _input_sources(context.inputs.content, context.detailed),
        ),
    }


def _input_sources(content: HrrpInputs, scenarios: Sequence[Scenario]) -> list[Source]:
    """File and column of every input quantity."""
    total = "aggregate_payments_for_all_discharges"
    of_inputs = [
        (quantity, one, "; ".join(citations))
        for (quantity, measure_id), citations in content.merged.citations.items()
        for one in (measure_catalogue() if quantity == total else [measure_id])
    ]
    minimum = "minimum_discharges"
    return [
        Source(scenario.scenario_id, quantity, measure_id, "", citation)
        for scenario in scenarios
        for quantity, measure_id, citation in (
            *of_inputs,
            *((minimum, measure_id, scenario.cited(minimum).cite) for measure_id in measure_catalogue()),
        )
    ]


def read_published_values(directory: Path, period_label: str) -> pa.Table:
    """Published results of HRRP files in long form, as text, for comparison.

    Returns
    -------
    Hospital × quantity × measure: provider_id, quantity, measure_id, domain_id, source, text.
    """
    parameters = load_parameters(PROGRAM.parameters_file)
    scenario = parameters.in_force(parameters.period(period_label))
    return published_value_rows(readers.read_published(directory, scenario), scenario)


PROGRAM = Program(
    program_id="hrrp",
    folder=_FOLDER,
    read=read,
    stages=(
        Stage("input", _input_stage),
        Stage("scoring", _scoring_stage),
        Stage("results", _results_stage),
    ),
    read_published_values=read_published_values,
    verified_against=(
        "FY2020-FY2022 hospital-specific reports: 14 excess readmission ratios from the stays to 8 decimals, penalty "
        "indicators and 3 payment adjustment factors",
        "FY2019, FY2020, FY2022, FY2024: every published excess readmission ratio from its rates, within 0.00015",
    ),
    not_modelled=(
        "measure rates from claims as CMS computes them: --from-claims has a model of its own",
        "review and corrections (42 CFR 412.154(f)); sole community hospitals' own rates (42 CFR 412.154(b)(2))",
    ),
    tolerances={
        "excess_readmission_ratio": Decimal("0.00015"),
        "predicted_rate_of_stays": Decimal("0.00000001"),
        "expected_rate_of_stays": Decimal("0.00000001"),
        "dual_proportion": Decimal("0.00000001"),
        "payment_reduction": Decimal("0.0001"),
        "payment_adjustment_factor": Decimal("0.0001"),
    },
    drawn_input=DrawnInput(
        columns=(
            DrawnColumn(
                table="input/condition",
                column="published_excess_readmission_ratio",
                bounds=lambda _measure_id: (Decimal("0.000001"), Decimal(10)),
                supersedes=(
                    "predicted_rate_of_stays",
                    "expected_rate_of_stays",
                    "predicted_readmission_rate",
                    "expected_readmission_rate",
                ),
            ),
        ),
        component_id="readmission_reduction",
        is_shrunken_ratio=True,
    ),
)
