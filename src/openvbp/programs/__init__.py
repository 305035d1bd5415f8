"""The programs that openvbp runs, each in a folder of its own."""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.program import Program
from openvbp.run_folder import RunFolder

CONTRACT_SUFFIXES = (".yaml", ".yml")
CONTRACT_TERMS = "contract terms"
"""What a contract file is used for, in the record of a run."""


def program_ids() -> tuple[str, ...]:
    """Name every program: the folders here that have dated parameters."""
    return tuple(sorted(path.parent.name for path in Path(__file__).parent.glob("*/parameters.yaml")))


def program(program_id: str) -> Program:
    """Find a program by its id, or make one of a contract file.

    Raises
    ------
    UsageError
        If there is no such program or file.
    InputDataError
        If a term of the contract file is wrong.
    """
    if program_id.lower().endswith(CONTRACT_SUFFIXES):
        return import_module("openvbp.programs.contract").contract_program(Path(program_id))
    if program_id not in program_ids():
        raise UsageError(
            Problem(f"there is no program '{program_id}'", "PROGRAM", "choose one of: " + ", ".join(program_ids()))
        )
    return import_module(f"openvbp.programs.{program_id}").PROGRAM


def program_of(run: RunFolder) -> Program:
    """Give the program of a finished run: of a contract, with the terms of the file that the run keeps.

    Raises
    ------
    InputDataError
        If the run keeps no contract file, or another than it was made with.
    """
    if run.record["program"] != "contract":
        return program(run.record["program"])
    kept = run.record.get("contract")
    if kept is None:
        what = "the run was written by another version: it keeps no contract file"
        raise InputDataError(Problem(what, str(run.path), "run again with this version into a new folder"))
    path = run.path / kept["file"]
    recorded = {file["sha256"] for file in run.record["input_files"] if file["used_for"] == CONTRACT_TERMS}
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() not in recorded:
        what = "the contract file that the run keeps is missing or was changed"
        raise InputDataError(Problem(what, str(path), "run the contract again into a new folder"))
    return program(str(path))
