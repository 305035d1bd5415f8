"""Tables of the user's own: Parquet or CSV, read and looked at before anything is computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem, UsageError


def open_table(engine: Engine, path: Path, name: str) -> ir.Table:
    """Open a Parquet file, a folder of Parquet files, or a CSV file (whose cells are text).

    Raises
    ------
    InputDataError
        If there is no such file, or it cannot be read.
    """
    if path.is_dir():
        parts = sorted(path.glob("*.parquet"))
        if not parts:
            raise InputDataError(Problem("the folder holds no Parquet file", str(path), "give a Parquet or CSV file"))
        _check_parquet(parts[0])
        return engine.read_parquet(path / "*.parquet", name)
    if not path.is_file():
        raise InputDataError(Problem("file is missing", str(path), "give a Parquet or CSV file"))
    if path.suffix == ".csv":
        return engine.read_csv(path, name)
    _check_parquet(path)
    return engine.read_parquet(path, name)


def _check_parquet(path: Path) -> None:
    try:
        pq.read_schema(path)
    except (pa.ArrowInvalid, OSError):
        what_to_do = "give a whole Parquet file, or a CSV file whose name ends in .csv"
        raise InputDataError(Problem("file cannot be read as Parquet", str(path), what_to_do)) from None


def demand_columns(rows: ir.Table, wanted: Sequence[str], where: str) -> None:
    """Demand that columns are there, each named once.

    Raises
    ------
    UsageError
        If a column is not there, or the same one is named for two things.
    """
    missing = [name for name in dict.fromkeys(wanted) if name not in rows.columns]
    if missing:
        known = ", ".join(rows.columns)
        what_to_do = f"name columns that are there: {known}"
        raise UsageError(Problem("columns are missing", where, what_to_do, len(missing), tuple(missing)))
    twice = sorted({name for name in wanted if list(wanted).count(name) > 1})
    if twice:
        what = "a column is named for two things"
        raise UsageError(Problem(what, where, "name each column once", len(twice), tuple(twice)))


def as_number(column: ir.Value) -> ir.FloatingValue:
    """A cell as a number; null where it is empty or no number. Truth values are 0 and 1."""
    if column.type().is_boolean():
        return column.cast("int64").cast("float64")
    if column.type().is_numeric():
        return column.cast("float64")
    return column.cast("string").try_cast("float64")


def first_reason(reasons: Sequence[tuple[ir.BooleanValue, str]]) -> ir.StringValue:
    """The first reason that holds, null where none does."""
    return ibis.cases(*reasons, else_=ibis.null("string"))


def rejected_by_reason(engine: Engine, rows: ir.Table) -> dict[str, int]:
    """Count rows by ``reason``; accepted ones have none and are not listed."""
    counted = rows.filter(rows.reason.notnull()).group_by("reason").agg(rows=_.count()).order_by("reason")
    return {row["reason"]: row["rows"] for row in engine.to_arrow(counted).to_pylist()}


def demand_some(accepted: int, rejected: dict[str, int], where: str) -> None:
    """Demand an accepted row.

    Raises
    ------
    InputDataError
        If there is none.
    """
    if not accepted:
        examples = tuple(f"{reason}: {rows:,}" for reason, rows in rejected.items())
        what = "no row can be used" if rejected else "the table has no rows"
        raise InputDataError(Problem(what, where, "mend the rows", sum(rejected.values()) or 1, examples))
