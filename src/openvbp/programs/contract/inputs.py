"""Experience, quality, high-cost members and participants of one performance period, read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.checked_rows import RowCheck, accepted, check_rows, rejected_cells
from openvbp.declared_tables import DeclaredTable, TextRows, read_rows
from openvbp.engine import open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameters import Scenario
from openvbp.program import Check, InputFile, ProgramInputs
from openvbp.programs import CONTRACT_TERMS
from openvbp.programs.contract import input_files as files
from openvbp.programs.contract.contract_file import ContractFile
from openvbp.programs.contract.terms import Contract


@dataclass(frozen=True)
class ContractInputs:
    """Accepted rows by file, and what was rejected."""

    terms: Contract
    year: int
    """Year in which the performance period ends."""
    experience: pa.Table
    """Population × year; the units are named ``units``."""
    quality: pa.Table | None
    members: pa.Table | None
    """Patient-level: member × population × year."""
    participants: pa.Table | None
    rejected: pa.Table


def read(folder: Path, declared: Scenario, file: ContractFile) -> ProgramInputs:
    """Read what a contract is settled from.

    Parameters
    ----------
    folder
        Folder with the tables that :func:`openvbp.programs.contract.input_files.tables_of` lists.
    declared
        The terms in force.
    file
        The contract.

    Raises
    ------
    InputDataError
        If a file is missing or broken, a population lacks a year or has no members, a risk score is missing that the
        budget follows, or a measure of the contract has no row.
    """
    terms, year = file.terms, declared.period.end.year
    with open_engine() as engine:
        texts = {table: read_rows(folder, table) for table in files.tables_of(terms)}
        rows = {table: check_rows(engine, text, _checks(table, terms, year)) for table, text in texts.items()}
        kept = {table.file_name: engine.to_arrow(accepted(rows[table]).order_by(table.key)) for table in texts}
        rejected = pa.concat_tables(engine.to_arrow(rejected_cells(rows[table], table)) for table in texts)
    experience = kept[files.EXPERIENCE_FILE]
    experience = experience.rename_columns(
        ["units" if name == terms.budget.unit else name for name in experience.column_names]
    )
    content = ContractInputs(
        terms,
        year,
        experience,
        kept.get(files.QUALITY_FILE),
        kept.get(files.MEMBERS_FILE),
        kept.get(files.PARTICIPANTS_FILE),
        rejected,
    )
    problems = [*_experience_problems(content, folder), *_quality_problems(content, folder)]
    problems += _participant_problems(content, folder)
    if problems:
        raise InputDataError(problems)
    warnings = [Check("contract", 1, f"{one.what}: {one.what_to_do}", (one.where,)) for one in file.warnings]
    return ProgramInputs(_input_files(file, texts, kept), declared, content, warnings)


def _checks(table: DeclaredTable, terms: Contract, year: int) -> Sequence[RowCheck]:
    """Rows that do not belong to the contract or the period are rejected, with the reason."""
    checks = []
    if table.file_name == files.EXPERIENCE_FILE:
        years = [year, *(terms.budget.baseline_weights or {})]
        named = ", ".join(str(one) for one in sorted(years))
        checks.append(RowCheck("year", lambda rows: rows.year.notin(years), f"not one of the years {named}"))
    if table.file_name in (files.EXPERIENCE_FILE, files.MEMBERS_FILE) and terms.budget.amounts:
        known = list(terms.budget.amounts)
        reason = "not a population of the contract: " + ", ".join(known)
        checks.append(RowCheck("population", lambda rows: rows.population.notin(known), reason))
    if table.file_name == files.QUALITY_FILE and terms.quality:
        measures = list(terms.quality.measures)
        checks += [
            RowCheck("year", lambda rows: rows.year != year, f"not the performance year {year}"),
            RowCheck("measure_id", lambda rows: rows.measure_id.notin(measures), "not a measure of the contract"),
            RowCheck("numerator", lambda rows: rows.numerator > rows.denominator, "above the denominator"),
        ]
    return checks


def _experience_problems(content: ContractInputs, folder: Path) -> list[Problem]:
    where = str(folder / files.EXPERIENCE_FILE)
    budget, rows = content.terms.budget, content.experience.to_pylist()
    years = sorted({content.year, *(budget.baseline_weights or {})})
    populations = sorted(set(budget.amounts or {}) | {row["population"] for row in rows})
    have = {(row["population"], row["year"]) for row in rows}
    lacking = [f"{name} {year}" for name in populations for year in years if (name, year) not in have]
    problems = [] if not lacking else [_problem("populations lack a year", where, "add a row for each", lacking)]
    empty = [f"{row['population']} {row['year']}" for row in rows if row["units"] == 0]
    if empty:
        unit = budget.unit.replace("_", " ")
        problems.append(_problem(f"a budget cannot be made of zero {unit}", where, f"give the {unit}", empty))
    if budget.is_risk_adjusted:
        unscored = [f"{row['population']} {row['year']}" for row in rows if not row["risk_score"]]
        if unscored:
            what = "the budget follows the risk score, which is missing or zero"
            problems.append(_problem(what, where, "fill the column risk_score", unscored))
    if content.terms.withhold and content.terms.payment_model != "capitation":
        bare = [
            row["population"]
            for row in rows
            if row["year"] == content.year and row["payments_subject_to_withhold"] is None
        ]
        if bare:
            what = "the contract has a withhold, but the payments that it applies to are missing"
            problems.append(_problem(what, where, "fill the column payments_subject_to_withhold", bare))
    return problems


def _quality_problems(content: ContractInputs, folder: Path) -> list[Problem]:
    if content.quality is None or content.terms.quality is None:
        return []
    where = str(folder / files.QUALITY_FILE)
    rows = {row["measure_id"]: row for row in content.quality.to_pylist()}
    measures = content.terms.quality.measures
    lacking = [name for name in measures if name not in rows]
    problems = [] if not lacking else [_problem("measures of the contract have no row", where, "add them", lacking)]
    for comparator in ("state", "national", "prior"):
        bare = [
            name
            for name, measure in measures.items()
            if measure.compared_with == comparator and name in rows and rows[name][f"{comparator}_rate"] is None
        ]
        if bare:
            what = f"measures are compared with the {comparator} rate, which is missing"
            problems.append(_problem(what, where, f"fill the column {comparator}_rate", bare))
    return problems


def _participant_problems(content: ContractInputs, folder: Path) -> list[Problem]:
    """Practices stand on rows without practice_id; clinicians name theirs."""
    if content.participants is None or content.terms.distribution is None:
        return []
    where = str(folder / files.PARTICIPANTS_FILE)
    rows = content.participants.to_pylist()
    practices = {row["participant_id"]: row for row in rows if not row["practice_id"]}
    clinicians = [row for row in rows if row["practice_id"]]
    problems = []
    if not practices:
        problems.append(_problem("there is no practice", where, "leave practice_id empty on the rows of practices", []))
    lost = [row["participant_id"] for row in clinicians if row["practice_id"] not in practices]
    if lost:
        problems.append(_problem("clinicians of a practice that is not in the file", where, "add the practice", lost))
    terms = content.terms.distribution
    for criterion, group in ((terms.practices, list(practices.values())), (terms.clinicians, clinicians)):
        if criterion and criterion.quality_weighted_member_months:
            bare = [row["participant_id"] for row in group if row["quality_score"] is None]
            if bare:
                what = "the pool is divided by quality, but a quality_score is missing"
                problems.append(_problem(what, where, "give scores between 0 and 1", bare))
    return problems


def _problem(what: str, where: str, what_to_do: str, examples: Sequence[str]) -> Problem:
    return Problem(what, where, what_to_do, max(len(examples), 1), tuple(examples[:3]))


def _input_files(
    file: ContractFile, texts: Mapping[DeclaredTable, TextRows], kept: Mapping[str, pa.Table]
) -> list[InputFile]:
    listed = [InputFile(file.path.name, file.sha256, CONTRACT_TERMS, 1, 1, 0)]
    for table, text in texts.items():
        accepted_rows = kept[table.file_name].num_rows
        used_for = table.file_name.removesuffix(".csv")
        in_rows = text.rows.num_rows
        listed.append(
            InputFile(table.file_name, text.sha256, used_for, in_rows, accepted_rows, in_rows - accepted_rows)
        )
    return listed


def performance_rows(experience: ir.Table, year: int) -> ir.Table:
    """Rows of the performance year: population."""
    return experience.filter(_.year == year).drop("year")
