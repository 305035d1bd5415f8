"""Payments, factors and stays of the statement's hospitals, each factor from one source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.checked_rows import IS_COPY, RowCheck, accepted, check_rows, reject, rejected_cells
from openvbp.declared_tables import DeclaredTable, TextRows, read_rows
from openvbp.engine import Engine, open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameters import Scenario
from openvbp.program import InputFile, ProgramInputs
from openvbp.programs.hospital_statement import checks
from openvbp.programs.hospital_statement.finished_runs import (
    FOLDER,
    PAYMENT_TABLE,
    STAY_TABLE,
    FinishedRun,
    read_runs,
    read_stays,
)
from openvbp.programs.hospital_statement.input_files import (
    BASE,
    DRA_HAC,
    FACTOR_CHECKS,
    FACTORS,
    HAC_AMOUNT,
    HOSPITAL_CHECKS,
    HOSPITALS,
    OTHER,
    PROGRAMS,
    STAYS,
    AdjustingProgram,
    stay_checks,
)
from openvbp.programs.hospital_statement.stays import read_stay_table

_NO_TEXT = ibis.null("string")


@dataclass(frozen=True)
class StatementInputs:
    """What the stages need of the files."""

    hospitals: pa.Table
    """Payments of each hospital and, for each program, factor, status, reason and source."""
    stays: pa.Table | None
    rejected: pa.Table
    citations: dict[str, str]
    """Where the given quantities are from."""


@dataclass
class _File:
    text: TextRows
    rows: ir.Table


def read(directory: Path, declared: Scenario) -> ProgramInputs:
    """Read ``hospitals.csv``, ``factors.csv``, ``stays.csv`` and the finished runs in ``runs/``.

    Parameters
    ----------
    directory
        Folder with the files that the program's README describes.
    declared
        The parameters of the fiscal year.

    Raises
    ------
    InputDataError
        If a file is missing or broken, no row can be used, a run is of another program or period, or a factor is given
        twice.
    """
    runs = read_runs(directory, declared.period)
    with open_engine() as engine:
        files = _files(engine, directory, declared)
        factors = engine.compute(_factors(engine, directory, files.get("factors"), runs), "all_factors")
        _demand_single_source(engine, directory, factors, accepted(files["hospitals"].rows))
        hospitals = engine.compute(_hospitals(files, factors), "statement_hospitals")
        rows_of_factors = files["factors"].rows if "factors" in files else None
        found = checks.hospital_checks(engine, hospitals, rows_of_factors, declared)
        stays = priced_stays = None
        if "stays" in files:
            priced_stays = next((read_stays(run) for run in runs if run.program is DRA_HAC), None)
            table = _stays(engine, files["stays"], hospitals, priced_stays)
            found += checks.stay_checks(engine, table, hospitals)
            stays = engine.to_arrow(table.order_by("stay_id"))
        rejected = [engine.to_arrow(rejected_cells(file.rows, file.text.declared)) for file in files.values()]
        content = StatementInputs(
            engine.to_arrow(hospitals.order_by("provider_id")),
            stays,
            pa.concat_tables(rejected),
            _citations(runs, has_factors="factors" in files),
        )
        listed = [_input_file(engine, name, file) for name, file in files.items()]
    return ProgramInputs([*listed, *_run_files(runs, priced_stays)], declared, content, found)


def _files(engine: Engine, directory: Path, declared: Scenario) -> dict[str, _File]:
    """The user's files that are there; only the hospitals are needed in any case."""
    files = {"hospitals": _file(engine, directory, HOSPITALS, HOSPITAL_CHECKS)}
    if (directory / FACTORS.file_name).is_file():
        files["factors"] = _file(engine, directory, FACTORS, FACTOR_CHECKS)
    if (directory / STAYS.file_name).is_file():
        files["stays"] = _file(engine, directory, STAYS, stay_checks(declared.period))
    return files


def _file(engine: Engine, directory: Path, declared: DeclaredTable, row_checks: Sequence[RowCheck]) -> _File:
    text = read_rows(directory, declared)
    return _File(text, check_rows(engine, text, row_checks))


def _stays(engine: Engine, file: _File, hospitals: ir.Table, priced_stays: pa.Table | None) -> ir.Table:
    reason = "its hospital is not among the accepted rows of hospitals.csv"
    decided = reject(file.rows, file.rows.provider_id.notin(hospitals.provider_id), "provider_id", reason)
    file.rows = engine.compute(decided, "stays_decided")
    return read_stay_table(engine, file.text, file.rows, hospitals, priced_stays)


def _factors(engine: Engine, directory: Path, file: _File | None, runs: Sequence[FinishedRun]) -> ir.Table:
    """All factors in the form of finished runs: provider × program × source."""
    if file is None and not runs:
        raise InputDataError(
            Problem(
                "no program has a factor",
                str(directory),
                f"add {FACTORS.file_name}, or finished runs of the programs in {FOLDER}/",
            )
        )
    tables = []
    if runs:
        tables.append(engine.table(pa.concat_tables([run.factors for run in runs]), "run_factors"))
    if file is not None:
        rows = accepted(file.rows)
        tables.append(
            rows.select(
                "provider_id",
                "program_id",
                "factor",
                status=ibis.literal("scored"),
                reason=_NO_TEXT,
                source=ibis.literal(f"{FACTORS.file_name}: ") + rows.source,
            )
        )
    return ibis.union(*tables) if len(tables) > 1 else tables[0]


def _demand_single_source(engine: Engine, directory: Path, factors: ir.Table, hospitals: ir.Table) -> None:
    """Raise if two sources give the factor of one program for one hospital."""
    amounts = hospitals.filter(_[HAC_AMOUNT].notnull()).select(
        "provider_id", program_id=ibis.literal(DRA_HAC.program_id), source=ibis.literal(HOSPITALS.file_name)
    )
    given = ibis.union(factors.select("provider_id", "program_id", "source"), amounts)
    twice = given.group_by("provider_id", "program_id").agg(times=_.count(), first=_.source.min(), last=_.source.max())
    rows = engine.to_arrow(twice.filter(_.times > 1).order_by("provider_id", "program_id")).to_pylist()
    if rows:
        examples = tuple(f"{row['provider_id']} {row['program_id']}: {row['first']} and {row['last']}" for row in rows)
        raise InputDataError(
            Problem("a factor is given by two sources", str(directory), "keep one of them", len(rows), examples[:3])
        )


def _hospitals(files: dict[str, _File], factors: ir.Table) -> ir.Table:
    """Payments of each hospital with the factor of each program."""
    hospitals = accepted(files["hospitals"].rows)
    refused = None
    if "factors" in files:
        rows = files["factors"].rows
        refused = rows.filter(_.problem.notnull() & (_.problem != IS_COPY))
    for program in PROGRAMS:
        hospitals = _with_factor(hospitals, program, factors, refused)
    return hospitals


def _with_factor(
    hospitals: ir.Table, program: AdjustingProgram, factors: ir.Table, refused: ir.Table | None
) -> ir.Table:
    mine = factors.filter(_.program_id == program.program_id).select(
        "provider_id",
        **{
            program.given_factor: _.factor,
            program.status: _.status,
            program.reason: _.reason,
            program.source: _.source,
        },
    )
    joined = hospitals.left_join(mine, "provider_id").drop("provider_id_right")
    is_refused = ibis.literal(False)  # noqa: FBT003
    if refused is not None:
        named = refused.filter(_.program_id == program.program_id)
        is_refused = joined.provider_id.isin(named.provider_id)
    no_factor = joined[program.status].isnull()
    has_amount = no_factor & joined[HAC_AMOUNT].notnull() if program is DRA_HAC else ibis.literal(False)  # noqa: FBT003
    return joined.mutate(
        **{
            program.status: ibis.cases(
                (has_amount, "scored"), (no_factor, "not_determinable"), else_=joined[program.status]
            ),
            program.reason: ibis.cases(
                (has_amount, _NO_TEXT),
                (no_factor & is_refused, f"the row of {FACTORS.file_name} with the factor was rejected"),
                (no_factor, f"no factor of {program.program_id} is given for the hospital"),
                else_=joined[program.reason],
            ),
            program.source: ibis.ifelse(has_amount, HOSPITALS.file_name, joined[program.source]),
        }
    )


def _citations(runs: Sequence[FinishedRun], *, has_factors: bool) -> dict[str, str]:
    """Files and columns of the given quantities; of a factor, all that can have given it."""
    cited = {name: f"{HOSPITALS.file_name}, column '{name}'" for name in (BASE, OTHER, HAC_AMOUNT)}
    for program in PROGRAMS:
        files = [run.file_name(PAYMENT_TABLE) for run in runs if run.program is program]
        files += [FACTORS.file_name] if has_factors else []
        cited[program.given_factor] = " or ".join(f"{name}, column 'factor'" for name in files) or "not given"
    return cited


def _input_file(engine: Engine, name: str, file: _File) -> InputFile:
    count = file.text.rows.num_rows
    kept = engine.to_arrow(file.rows.filter(_.problem.isnull()).aggregate(kept=_.count()))["kept"][0].as_py()
    return InputFile(file.text.declared.file_name, file.text.sha256, name, count, kept, count - kept)


def _run_files(runs: Sequence[FinishedRun], priced_stays: pa.Table | None) -> list[InputFile]:
    files = []
    for run in runs:
        count, used_for = run.factors.num_rows, f"factors of {run.program.program_id}"
        files.append(InputFile(run.file_name(PAYMENT_TABLE), run.sha256(PAYMENT_TABLE), used_for, count, count, 0))
        if priced_stays is not None and run.program is DRA_HAC:
            count = priced_stays.num_rows
            files.append(
                InputFile(run.file_name(STAY_TABLE), run.sha256(STAY_TABLE), "stays of dra_hac", count, count, 0)
            )
    return files
