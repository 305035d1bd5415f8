"""The programs that openvbp runs, each in a folder of its own."""

from __future__ import annotations

from importlib import import_module

from openvbp.errors import Problem, UsageError
from openvbp.program import Program

PROGRAM_IDS = ("hvbp",)


def program(program_id: str) -> Program:
    """Find a program by its id.

    Raises
    ------
    UsageError
        If there is no such program.
    """
    if program_id not in PROGRAM_IDS:
        raise UsageError(
            Problem(f"there is no program '{program_id}'", "PROGRAM", "choose one of: " + ", ".join(PROGRAM_IDS))
        )
    return import_module(f"openvbp.programs.{program_id}").PROGRAM
