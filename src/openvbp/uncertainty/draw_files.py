"""Files of draws: what a provider's rate or ratio may truly be, in many equally likely versions.

A row is a provider, a measure, the number of the draw and the value. All measures of a provider under one number are
one version of the truth.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.outcome_models.posterior_draws import COLUMNS
from openvbp.program import Bounds, DrawnInput, Program
from openvbp.programs import program as find_program
from openvbp.programs import program_ids

LEAST_DRAWS = 20
"""Fewer have no place that leaves out five percent at each end."""
MOST_DRAWS = 1_000_000


@dataclass(frozen=True)
class Draws:
    """A file of draws that is whole: every provider and measure in it has the draws 1 to ``number``."""

    name: str
    sha256: str
    rows: pa.Table
    """provider_id, measure_id, draw, value."""
    number: int


def demand_drawn_input(program: Program) -> DrawnInput:
    """Give the input of a program that draws may replace.

    Raises
    ------
    UsageError
        If the program has none.
    """
    if program.drawn_input is None:
        able = [one for one in program_ids() if find_program(one).drawn_input is not None]
        what_to_do = "leave out --draws, or run one of: " + ", ".join(able)
        what = f"payments of {program.program_id} cannot be drawn: {program.why_not_drawn}"
        raise UsageError(Problem(what, "--draws", what_to_do))
    return program.drawn_input


def read_draws(path: Path, bounds: Bounds) -> Draws:
    """Read a file of draws and see that it is whole.

    Parameters
    ----------
    path
        ``.parquet`` or ``.csv`` with the columns provider_id, measure_id, draw (1, 2, ...) and value.
    bounds
        Lowest and highest possible value of a measure.

    Raises
    ------
    UsageError
        If there is no such file.
    InputDataError
        If it cannot be read, a value is missing or impossible, a draw stands twice, or a provider and measure lack
        draws: a missing draw would otherwise be paid as if the published value were certain.
    """
    if not path.is_file():
        raise UsageError(Problem("file of draws not found", str(path), "make one: openvbp draws RUN --out FILE"))
    rows = _typed(_read(path), path)
    problems = _impossible(rows, path, bounds)
    if problems:
        raise InputDataError(problems)
    number = _complete(rows, path)
    with path.open("rb") as content:
        return Draws(path.name, hashlib.file_digest(content, "sha256").hexdigest(), rows, number)


def _read(path: Path) -> pa.Table:
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path)
        types = pa_csv.ConvertOptions(column_types={field.name: field.type for field in COLUMNS})
        return pa_csv.read_csv(path, convert_options=types)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        what_to_do = (
            "give .parquet, or .csv with the header provider_id,measure_id,draw,value and numbers in the last two"
        )
        raise InputDataError(Problem("file of draws cannot be read", str(path), what_to_do)) from None


def _typed(rows: pa.Table, path: Path) -> pa.Table:
    missing = [name for name in COLUMNS.names if name not in rows.column_names]
    if missing:
        what_to_do = "give the columns " + ", ".join(COLUMNS.names)
        raise InputDataError(Problem("columns are missing", str(path), what_to_do, len(missing), tuple(missing)))
    try:
        typed = rows.select(COLUMNS.names).cast(COLUMNS)
    except pa.ArrowException:
        what_to_do = "write identifiers as text, draw as a whole number and value as a number"
        raise InputDataError(Problem("columns have the wrong types", str(path), what_to_do)) from None
    if not typed.num_rows:
        raise InputDataError(Problem("file of draws has no rows", str(path), "write at least one draw"))
    return typed


def _impossible(rows: pa.Table, path: Path, bounds: Bounds) -> list[Problem]:
    """Cells that are missing, and values that the measure cannot have."""
    empty = pc.is_null(rows["value"], nan_is_null=True)
    for name in ("provider_id", "measure_id", "draw"):
        empty = pc.or_(empty, pc.is_null(rows[name]))
    wrong = pc.or_(empty, pc.invert(pc.is_finite(pc.fill_null(rows["value"], 0))))
    problems = []
    if pc.any(wrong).as_py():
        problems.append(_problem("cells are missing or no number", path, "fill them", rows.filter(wrong)))
    outside = pc.or_(pc.less(rows["draw"], 1), pc.greater(rows["draw"], MOST_DRAWS))
    if pc.any(outside).as_py():
        problems.append(_problem("draws are not numbered from 1", path, "number them 1, 2, ...", rows.filter(outside)))
    for measure_id in pc.unique(rows["measure_id"]).drop_null().to_pylist():
        lowest, highest = bounds(measure_id)
        of_measure = pc.equal(rows["measure_id"], measure_id)
        beyond = pa.chunked_array([pa.array(np.zeros(rows.num_rows, dtype=bool))])
        if lowest is not None:
            beyond = pc.or_(beyond, pc.less(rows["value"], float(lowest)))
        if highest is not None:
            beyond = pc.or_(beyond, pc.greater(rows["value"], float(highest)))
        beyond = pc.fill_null(pc.and_(of_measure, beyond), False)  # noqa: FBT003
        if pc.any(beyond).as_py():
            outside = f"outside {lowest} to {highest}" if lowest is not None else f"above {highest}"
            what = f"values of {measure_id} are {f'below {lowest}' if highest is None else outside}"
            what_to_do = "draw on a scale that keeps to the possible range, for example that of the logit"
            problems.append(_problem(what, path, what_to_do, rows.filter(beyond)))
    return problems


def _complete(rows: pa.Table, path: Path) -> int:
    """Demand that each provider and measure has every draw once; give how many."""
    pairs = rows.group_by(["provider_id", "measure_id"]).aggregate([("draw", "count"), ("draw", "count_distinct")])
    number = pc.max(rows["draw"]).as_py()
    repeated = pairs.filter(pc.greater(pairs["draw_count"], pairs["draw_count_distinct"]))
    short = pairs.filter(pc.less(pairs["draw_count_distinct"], number))
    problems = []
    if repeated.num_rows:
        what = "providers and measures have a draw twice"
        problems.append(_problem(what, path, "number the draws of each provider and measure 1, 2, ...", repeated))
    if short.num_rows:
        what = f"providers and measures do not have all of the {number:,} draws"
        problems.append(_problem(what, path, "give all the same number of draws, or leave a provider out whole", short))
    if number < LEAST_DRAWS:
        what_to_do = f"give at least {LEAST_DRAWS}; intervals need some hundred"
        problems.append(Problem(f"there are only {number} draws", str(path), what_to_do))
    if problems:
        raise InputDataError(problems)
    return number


def _problem(what: str, path: Path, what_to_do: str, rows: pa.Table) -> Problem:
    examples = [" ".join(str(one[name]) for name in one if "count" not in name) for one in rows.slice(0, 3).to_pylist()]
    return Problem(what, str(path), what_to_do, rows.num_rows, tuple(examples))
