"""A study file run, whatever its kind; and its cells written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from openvbp.engine import cannot_write, open_engine
from openvbp.errors import Problem, UsageError
from openvbp.evaluation.cell_files import read_cells
from openvbp.evaluation.discontinuity_run import lock_discontinuities, run_discontinuities
from openvbp.evaluation.evaluation import Evaluation
from openvbp.evaluation.results import Results
from openvbp.evaluation.study_file import read_study
from openvbp.evaluation.study_terms import DiscontinuityStudy, Study


def run_study(
    study: Path,
    data: Path,
    *,
    registration: Path | None = None,
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> Results:
    """Run a study of a panel, or one at a cutoff.

    Raises
    ------
    UsageError, InputDataError
        If terms, files or columns are wrong.
    """
    if isinstance(read_study(study).terms, DiscontinuityStudy):
        return run_discontinuities(study, data, registration=registration, threads=threads)
    return Evaluation(study, data, threads=threads).run(registration, progress=progress)


def lock_study(
    study: Path, data: Path, to: Path, *, after_reading: bool = False, threads: int | None = None
) -> dict[str, Any]:
    """Register a study of a panel, or one at a cutoff, before outcomes are read."""
    if isinstance(read_study(study).terms, DiscontinuityStudy):
        return lock_discontinuities(study, data, to, after_reading=after_reading)
    return Evaluation(study, data, threads=threads).lock(to, after_reading=after_reading)


def write_cells(study: Path, data: Path, to: Path, *, threads: int | None = None) -> dict[str, Any]:
    """Write the cells of a study's panel to a Parquet file.

    Raises
    ------
    UsageError, InputDataError
        If terms, file or columns are wrong.
    MachineError
        If the file cannot be written.
    """
    terms = read_study(study).terms
    if not isinstance(terms, Study):
        raise UsageError(Problem("a study at a cutoff has no cells", str(study), "give a study of a panel"))
    with open_engine("duckdb", threads) as engine:
        found = read_cells(engine, data, terms)
    cells = write_table(found.cells.to_arrow(), to)
    return {"rows_read": found.rows, "rows_rejected": dict(found.rejected), "cells": cells, "file": str(to)}


def write_table(table: pa.Table, to: Path) -> int:
    """Write a table to a Parquet file; gives its rows.

    Raises
    ------
    MachineError
        If it cannot be written.
    """
    try:
        pq.write_table(table, to)
    except OSError as error:
        raise cannot_write(to, error, "choose another file") from error
    return table.num_rows
