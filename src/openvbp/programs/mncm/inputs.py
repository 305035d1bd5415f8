"""Read the user's files: clinical measures, total cost and patient experience; each of the three may be absent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from openvbp.declared_inputs import DeclaredInputs, empty_table
from openvbp.declared_tables import DeclaredTable
from openvbp.engine import open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameters import Scenario
from openvbp.program import Check, ProgramInputs
from openvbp.programs.mncm import input_files
from openvbp.programs.mncm.input_files import (
    ANSWERED,
    COMPOSITES,
    COSTS,
    COUNTS,
    EXPECTED,
    MEASURES,
    PATIENTS,
    RISK_CATEGORIES,
    SURVEY,
)

_RESULTS = (PATIENTS, COUNTS, ANSWERED)
"""Tables whose rejected rows leave a result of their provider and measure unknown."""
_MOST_MEMBER_MONTHS = 4 * 10**8
_PLACE = ["provider_id", "measure_id"]


@dataclass(frozen=True)
class ReportCardInputs:
    """Accepted rows by table, and what was rejected; tables of files that are not given are empty."""

    measures: pa.Table
    risk_categories: pa.Table
    patients: pa.Table
    counts: pa.Table
    expected: pa.Table
    costs: pa.Table
    answers: pa.Table
    rejected_results: pa.Table
    """Provider × measure of rejected rows."""
    rejected: pa.Table


def read(directory: Path, declared: Scenario) -> ProgramInputs:
    """Read what there is of clinical measures, costs and answers.

    Raises
    ------
    InputDataError
        If a file is missing or broken, no row can be used, rows contradict each other, or patients and counts are
        given for the same clinic and measure.
    """
    with open_engine() as engine:
        reader = DeclaredInputs(engine, directory)
        tables = {table: empty_table(table) for table in (MEASURES, RISK_CATEGORIES, EXPECTED, *_RESULTS)}
        if any(map(reader.has, tables)) or not reader.has(COSTS):
            tables |= _read_measured(reader)
        costs = reader.read_if_given(COSTS, input_files.cost_checks())
        content = ReportCardInputs(
            tables[MEASURES],
            tables[RISK_CATEGORIES],
            tables[PATIENTS],
            tables[COUNTS],
            tables[EXPECTED],
            costs,
            tables[ANSWERED],
            _rejected_results(reader, tables[MEASURES]),
            reader.rejected(),
        )
        _demand_one_source(content)
        _demand_state_sized(content)
        return ProgramInputs(reader.files(), declared, content, _checks(content))


def _read_measured(reader: DeclaredInputs) -> dict[DeclaredTable, pa.Table]:
    measures = reader.read(MEASURES, input_files.measure_checks())
    counted, questions = _measures_of(COUNTS, measures), _measures_of(ANSWERED, measures)
    risk = reader.read_if_given(RISK_CATEGORIES, input_files.risk_category_checks(counted))
    categories = [(row["measure_id"], row["risk_category"]) for row in risk.to_pylist()]
    checks = {
        PATIENTS: input_files.patient_checks(counted, categories),
        COUNTS: input_files.count_checks(counted, categories),
        ANSWERED: input_files.answer_checks(questions),
    }
    if not any(map(reader.has, checks)):
        raise InputDataError(
            Problem(
                "file is missing",
                str(reader.directory),
                "add one of " + ", ".join(table.file_name for table in checks),
            )
        )
    found = {table: reader.read_if_given(table, checked) for table, checked in checks.items()}
    expected = reader.read_if_given(EXPECTED, input_files.expected_checks(counted))
    return {MEASURES: measures, RISK_CATEGORIES: risk, EXPECTED: expected, **found}


def _rejected_results(reader: DeclaredInputs, measures: pa.Table) -> pa.Table:
    """Provider × measure of rejected rows, other than copies and rows of measures that the table cannot have."""
    places: set[tuple[str, str]] = set()
    for table in _RESULTS:
        known = set(_measures_of(table, measures))
        places |= {place for place in _places(reader.rejected_places(table, _PLACE)) if place[1] in known}
    rows = [dict(zip(_PLACE, place, strict=True)) for place in sorted(places)]
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, pa.string()) for name in _PLACE]))


def _measures_of(table: DeclaredTable, measures: pa.Table) -> list[str]:
    """Name the measures whose results a table can give."""
    sources = {row["measure_id"]: row["data_source"] for row in measures.to_pylist()}
    named = [name for name, source in sources.items() if (source == SURVEY) == (table is ANSWERED)]
    return [name for name in named if name in COMPOSITES] if table is PATIENTS else named


def _places(table: pa.Table) -> set[tuple[str, str]]:
    return {(row["provider_id"], row["measure_id"]) for row in table.select(_PLACE).to_pylist()}


def _demand_one_source(content: ReportCardInputs) -> None:
    both = sorted(_places(content.patients) & _places(content.counts))
    if both:
        raise InputDataError(
            Problem(
                "patients and counts are given for the same clinic and measure",
                f"{PATIENTS.file_name}, {COUNTS.file_name}",
                "keep one of them",
                len(both),
                tuple(f"{provider} {measure}" for provider, measure in both[:3]),
            )
        )


def _demand_state_sized(content: ReportCardInputs) -> None:
    """Refuse more member months than whole numbers of 64 bits can divide exactly; a state has fewer."""
    months = sum(row["member_months"] * row["risk_score"] for row in content.costs.to_pylist())
    if months >= _MOST_MEMBER_MONTHS:
        raise InputDataError(
            Problem(
                "member months times risk score are not below four hundred million in all",
                COSTS.file_name,
                "give months of members, and risk scores whose mean is about 1",
            )
        )


def _checks(content: ReportCardInputs) -> list[Check]:
    results = _places(content.patients) | _places(content.counts) | _places(content.answers)
    without = sorted(set(content.measures["measure_id"].to_pylist()) - {measure for _provider, measure in results})
    unused = sorted(_places(content.expected) - results)
    rejected = sorted(_places(content.rejected_results))
    found = [
        Check(
            "measures_without_results",
            len(without),
            "measures of measures.csv have no row of a clinic that can be used",
            tuple(without[:3]),
        ),
        Check(
            "expected_rates_without_results",
            len(unused),
            "rows of expected_rates.csv have no patients, so nothing is compared with them",
            tuple(f"{provider} {measure}" for provider, measure in unused[:3]),
        ),
        Check(
            "results_with_rejected_rows",
            len(rejected),
            "results of a clinic have a rejected row; they are not determined, and what is left of them still counts "
            "in the statewide rates",
            tuple(f"{provider} {measure}" for provider, measure in rejected[:3]),
        ),
    ]
    return [check for check in found if check.count]
