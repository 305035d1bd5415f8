"""Factors that finished runs of the programs give: the folder ``runs/`` among the input files."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from openvbp.errors import InputDataError, OpenvbpError, Problem
from openvbp.parameters import ACTUAL
from openvbp.periods import Period
from openvbp.programs.hospital_statement.input_files import PROGRAMS, AdjustingProgram
from openvbp.run_folder import RESULTS, RunFolder, open_run

FOLDER = "runs"
PAYMENT_TABLE = f"{RESULTS}/payment_result"
STAY_TABLE = "evidence/stay_result"
FACTOR = pa.schema(
    [
        ("provider_id", pa.string()),
        ("program_id", pa.string()),
        ("factor", pa.decimal128(18, 12)),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("source", pa.string()),
    ]
)
_BY_ID = {program.program_id: program for program in PROGRAMS}


@dataclass(frozen=True)
class FinishedRun:
    """A finished run of one of the programs, for the period of the statement."""

    program: AdjustingProgram
    run: RunFolder
    name: str
    """Its folder below the input files, for example ``runs/hvbp``."""
    factors: pa.Table
    """Columns of :data:`FACTOR`, one row per hospital."""

    def file_name(self, table: str) -> str:
        """Name one of the run's tables as the run record does."""
        return f"{self.name}/{table}.parquet"

    def sha256(self, table: str) -> str:
        """Digest of one of the run's tables."""
        with (self.run.path / f"{table}.parquet").open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()


def read_runs(directory: Path, period: Period) -> list[FinishedRun]:
    """Read the factors of every run in ``runs/``, in the order of the programs.

    Raises
    ------
    InputDataError
        If a folder is not a finished run of one of the programs and of this period, two are of the same program, or a
        factor is impossible.
    """
    folders = sorted(path for path in (directory / FOLDER).glob("*") if path.is_dir() and path.name[0] != ".")
    opened, problems = [], []
    for folder in folders:
        try:
            run = open_run(folder)
        except OpenvbpError as error:
            problems += error.problems
            continue
        found = _wrong_run(run, period)
        if found:
            problems.append(found)
        else:
            opened.append(run)
    problems += _repeated(opened)
    if problems:
        raise InputDataError(problems)
    finished = [_finished(run) for run in opened]
    return sorted(finished, key=lambda one: PROGRAMS.index(one.program))


def _wrong_run(run: RunFolder, period: Period) -> Problem | None:
    program_id = run.record.get("program")
    if program_id not in _BY_ID:
        return Problem(
            f"a run of {program_id} has no place in the statement",
            str(run.path),
            "take it out; runs can be of " + ", ".join(_BY_ID),
        )
    if run.record.get("period") != period.label:
        return Problem(
            f"the run is of {run.record.get('period')}, the statement of {period.label}",
            str(run.path),
            f"run {program_id} for {period.label} and give that run",
        )
    return None


def _repeated(runs: Sequence[RunFolder]) -> list[Problem]:
    times = Counter(run.record["program"] for run in runs)
    return [
        Problem(
            f"there are {count} runs of {program_id}",
            ", ".join(str(run.path) for run in runs if run.record["program"] == program_id),
            "keep one of them",
        )
        for program_id, count in times.items()
        if count > 1
    ]


def _finished(run: RunFolder) -> FinishedRun:
    program = _BY_ID[run.record["program"]]
    name = f"{FOLDER}/{run.path.name}"
    try:
        found = run.read("payment_result", scenario_id=ACTUAL, component_id=program.component_id)
        rows = [_factor_row(row, program, name) for row in found.to_pylist()]
    except (OpenvbpError, OSError, pa.ArrowException, KeyError):
        raise _unusable(run, "its payment_result cannot be read") from None
    if not rows:
        raise _unusable(run, f"its payment_result has no component {program.component_id}")
    impossible = [row for row in rows if row["factor"] is not None and not 0 <= row["factor"] <= program.highest_factor]
    if impossible:
        examples = tuple(f"{row['provider_id']}: {row['factor']}" for row in impossible[:3])
        raise InputDataError(
            Problem(
                f"factors are not from 0 to {program.highest_factor}",
                str(run.path),
                f"look at the run of {program.program_id}: openvbp explain {run.path} PROVIDER",
                len(impossible),
                examples,
            )
        )
    return FinishedRun(program, run, name, pa.Table.from_pylist(rows, schema=FACTOR))


def _factor_row(row: dict[str, Any], program: AdjustingProgram, name: str) -> dict[str, Any]:
    """Read a hospital's factor; one outside the program is paid in full."""
    status, factor, reason = row["status"], row["factor"], row["status_reason"]
    if status == "excluded":
        factor = 1
    elif status == "not_determinable" or factor is None:
        status, factor = "not_determinable", None
    elif status != "unverified":
        # What a run says of a factor that it determined is no matter of the statement.
        status, reason = "scored", None
    return {
        "provider_id": row["provider_id"],
        "program_id": program.program_id,
        "factor": factor,
        "status": status,
        "reason": reason,
        "source": name,
    }


def read_stays(finished: FinishedRun) -> pa.Table:
    """Read what a run of ``dra_hac`` pays for each stay: stay_id, provider_id, payment_as_coded, payment_after_hac.

    Raises
    ------
    InputDataError
        If the run does not hold its stays any more.
    """
    path = finished.run.path / f"{STAY_TABLE}.parquet"
    columns = ["stay_id", "provider_id", "payment_as_coded", "payment_after_hac"]
    try:
        return pq.read_table(path, columns=columns, filters=[("scenario_id", "==", ACTUAL)])
    except (OSError, pa.ArrowException):
        raise _unusable(finished.run, "its evidence/stay_result cannot be read") from None


def _unusable(run: RunFolder, what: str) -> InputDataError:
    return InputDataError(
        Problem(f"the run cannot be used: {what}", str(run.path), "run the program again and give the new folder")
    )
