"""The programs that openvbp runs, each in a folder of its own."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from openvbp.errors import Problem, UsageError
from openvbp.program import Program

CONTRACT_SUFFIXES = (".yaml", ".yml")


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
