"""Read the user's files; limits, percentiles and fees become parameters, so that scenarios can change them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from openvbp.declared_inputs import DeclaredInputs
from openvbp.declared_tables import DeclaredTable
from openvbp.engine import open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameters import CitedValue, Scenario
from openvbp.program import Check, ProgramInputs
from openvbp.programs.germany_external_quality import input_files
from openvbp.programs.germany_external_quality.input_files import (
    DIALOGUE,
    DOCUMENTATIONS,
    FEES,
    INDICATORS,
    RESULTS,
)


@dataclass(frozen=True)
class GermanInputs:
    """Accepted rows by table, and what was rejected; tables of files that are not given are empty."""

    indicators: pa.Table
    results: pa.Table
    dialogue: pa.Table
    documentations: pa.Table
    rejected_results: pa.Table
    """Site × indicator of rejected rows."""
    rejected_documentations: pa.Table
    """Physicians with rejected rows of documentations."""
    rejected: pa.Table


def read(directory: Path, declared: Scenario) -> ProgramInputs:
    """Read the results of sites, the documentations of physicians, or both.

    Raises
    ------
    InputDataError
        If a file is missing or broken, no row can be used, rows contradict each other, or a site and a physician have
        one name.
    """
    with open_engine() as engine:
        reader = DeclaredInputs(engine, directory)
        in_force = declared
        if reader.has(INDICATORS, RESULTS, DIALOGUE) or not reader.has(FEES, DOCUMENTATIONS):
            reader.read(INDICATORS, input_files.indicator_checks())
            indicators = reader.accepted(INDICATORS).to_pylist()
            for column in ("reference_limit", "reference_percentile"):
                in_force = _completed(
                    in_force, column, INDICATORS, column, {one["indicator_id"]: one for one in indicators}
                )
            reader.read(RESULTS, input_files.result_checks([one["indicator_id"] for one in indicators]))
            if reader.has(DIALOGUE):
                reader.read(DIALOGUE)
        if reader.has(FEES, DOCUMENTATIONS):
            reader.read(FEES, input_files.fee_checks())
            fees = {
                f"{one['programme_id']}.{one['documentation_type']}": one for one in reader.accepted(FEES).to_pylist()
            }
            in_force = _completed(in_force, "documentation_fee", FEES, "fee", fees)
            reader.read(DOCUMENTATIONS, input_files.documentation_checks(list(fees)))
        content = GermanInputs(
            reader.accepted(INDICATORS),
            reader.accepted(RESULTS),
            reader.accepted(DIALOGUE),
            reader.accepted(DOCUMENTATIONS),
            reader.rejected_places(RESULTS, ["provider_id", "indicator_id"]),
            reader.rejected_places(DOCUMENTATIONS, ["provider_id"]),
            reader.rejected(),
        )
        _demand_different_names(content)
        return ProgramInputs(reader.files(), in_force, content, _checks(content))


def _completed(
    declared: Scenario, name: str, table: DeclaredTable, column: str, rows: dict[str, dict[str, Any]]
) -> Scenario:
    """Give a parameter the values of a file."""
    cite = f"{table.file_name}, column '{column}'"
    values = {key: CitedValue(row[column], cite, None) for key, row in rows.items() if row[column] is not None}
    changed = replace(declared.parameters[name], values=values)
    return replace(declared, parameters={**declared.parameters, name: changed})


def _names(*tables: pa.Table) -> set[str]:
    return {name for table in tables for name in table["provider_id"].to_pylist()}


def _demand_different_names(content: GermanInputs) -> None:
    sites = _names(content.results, content.rejected_results)
    both = sorted(sites & _names(content.documentations, content.rejected_documentations))
    if both:
        raise InputDataError(
            Problem(
                "a site and a physician have one name",
                f"{RESULTS.file_name}, {DOCUMENTATIONS.file_name}",
                "name them apart",
                len(both),
                tuple(both[:3]),
            )
        )


def _checks(content: GermanInputs) -> list[Check]:
    """Note assessments of results that nobody gave."""
    known = {(row["provider_id"], row["indicator_id"]) for row in content.results.to_pylist()}
    unknown = [
        f"{row['provider_id']} {row['indicator_id']}"
        for row in content.dialogue.to_pylist()
        if (row["provider_id"], row["indicator_id"]) not in known
    ]
    meaning = "rows of structured_dialogue.csv have no row of site_results.csv that can be used"
    return [Check("assessments_without_a_result", len(unknown), meaning, tuple(unknown[:3]))] if unknown else []
