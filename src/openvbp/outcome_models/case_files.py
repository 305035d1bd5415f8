"""The user's file of cases: checked row by row, and brought into the order of providers.

What cannot be used is rejected with its reason and counted, never filled in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from openvbp.engine import Engine, cannot_write
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.outcome_models.rows import ParquetRows, Rows, read_into_memory

REJECTED = "rejected.parquet"
_SORTED = "cases.parquet"
_MOST_BYTES_IN_MEMORY = 500_000_000
"""Covariates that take more are read from the file on every pass."""


@dataclass(frozen=True)
class CaseColumns:
    """Names of the columns in the user's file."""

    provider: str
    outcome: str
    covariates: tuple[str, ...]


@dataclass(frozen=True)
class Cases:
    """What a file holds."""

    rows: Rows
    read: int
    rejected: dict[str, int]
    """Rows by reason; rows read = rows of the model + rejected."""


def read_cases(engine: Engine, path: Path, columns: CaseColumns, out: Path, scratch: Path) -> Cases:
    """Check the rows of a file, write those that are rejected, and open the others in the order of providers.

    Parameters
    ----------
    engine
        Where rows are checked and sorted.
    path
        Parquet, or CSV with a header.
    columns
        Provider (text or number), outcome (0 or 1, or true and false), covariates (numbers, or true and false).
    out
        Folder for ``rejected.parquet``: number of the row in the file, provider and reason, and no other value.
    scratch
        Folder for a sorted copy, where one is needed.

    Raises
    ------
    UsageError
        If a column is named twice.
    InputDataError
        If the file is missing, a column is missing or no number, or no row is left.
    MachineError
        If a file cannot be written.
    """
    _check_names(columns)
    table = _open(engine, path, columns)
    marked = table.mutate(reason=_reason(table, columns.covariates), row_number=ibis.row_number() + 1)
    read = engine.to_arrow(table.aggregate(rows=table.count()))["rows"][0].as_py()
    bad = marked.filter(marked.reason.notnull()).select("row_number", "provider_id", "reason")
    try:
        engine.write_parquet(bad.order_by("row_number"), out / REJECTED)
        rejected = dict(sorted(Counter(pq.read_table(out / REJECTED)["reason"].to_pylist()).items()))
        if sum(rejected.values()) == read:
            raise _nothing_left(path, rejected)
        rows = None if rejected else _as_they_stand(path, columns)
        if rows is None:
            kept = marked.filter(marked.reason.isnull()).order_by("provider_id", "row_number")
            engine.write_parquet(kept.drop("row_number", "reason"), scratch / _SORTED)
            rows = ParquetRows(
                scratch / _SORTED,
                covariates=columns.covariates,
                columns=_covariate_columns(columns.covariates),
                outcome="outcome",
                provider="provider_id",
            )
    except OSError as error:
        raise cannot_write(out, error, "free disk space or choose another --out") from error
    if len(rows.outcome) * len(columns.covariates) * 8 <= _MOST_BYTES_IN_MEMORY:
        rows = read_into_memory(rows)
    return Cases(rows, read, rejected)


def _check_names(columns: CaseColumns) -> None:
    named = [columns.provider, columns.outcome, *columns.covariates]
    repeated = sorted(name for name, times in Counter(named).items() if times > 1)
    if repeated:
        what_to_do = "name provider, outcome and each covariate once"
        raise UsageError(Problem("a column is named twice", ", ".join(repeated), what_to_do, len(repeated)))


def _covariate_columns(covariates: Sequence[str]) -> list[str]:
    return [f"x{place}" for place in range(len(covariates))]


def _open(engine: Engine, path: Path, columns: CaseColumns) -> ir.Table:
    """Columns that are used, as text and numbers; a text that is no number becomes infinite, to tell it from a gap."""
    if not path.is_file():
        raise InputDataError(Problem("file is missing", str(path), "give a Parquet or CSV file with a row per case"))
    if path.suffix not in (".parquet", ".csv"):
        raise UsageError(Problem(f"'{path.suffix}' is no known kind of file", str(path), "give .parquet or .csv"))
    try:
        read = engine.read_parquet if path.suffix == ".parquet" else engine.read_csv
        table = read(path, "outcome_cases")
    except duckdb.Error:
        what_to_do = "write it again, or give a CSV file with a header"
        raise InputDataError(Problem("file cannot be read as Parquet", str(path), what_to_do)) from None
    missing = [one for one in (columns.provider, columns.outcome, *columns.covariates) if one not in table.columns]
    if missing:
        has = "the file has " + ", ".join(table.columns)
        raise InputDataError(Problem("columns are missing", str(path), has, len(missing), tuple(missing)))
    numbers = {
        "outcome": columns.outcome,
        **dict(zip(_covariate_columns(columns.covariates), columns.covariates, strict=True)),
    }
    wrong = [name for name in numbers.values() if not _can_be_number(table[name])]
    if wrong:
        what_to_do = "make each a number or true and false, for example one indicator per category"
        raise InputDataError(Problem("columns are no numbers", str(path), what_to_do, len(wrong), tuple(wrong)))
    values = {target: _number(table[name]) for target, name in numbers.items()}
    return table.select(provider_id=table[columns.provider].cast("string").nullif(""), **values)


def _can_be_number(column: ir.Column) -> bool:
    kind = column.type()
    return kind.is_numeric() or kind.is_boolean() or kind.is_string()


def _number(column: ir.Column) -> ir.Value:
    if not column.type().is_string():
        return column.cast("float64")
    filled = column.nullif("")
    return ibis.ifelse(filled.isnull(), ibis.null("float64"), filled.try_cast("float64").fill_null(float("inf")))


def _reason(table: ir.Table, covariates: Sequence[str]) -> ir.StringValue:
    """Why a row cannot be used: the first reason of several; null where it can."""
    outcome = table["outcome"]
    cases = [
        (table["provider_id"].isnull(), ibis.literal("provider is missing")),
        (outcome.isnull(), ibis.literal("outcome is missing")),
        (~outcome.isin([0.0, 1.0]), ibis.literal("outcome is neither 0 nor 1")),
    ]
    for column, name in zip(_covariate_columns(covariates), covariates, strict=True):
        value = table[column]
        cases.append((value.isnull(), ibis.literal(f"covariate is missing: {name}")))
        cases.append((value.isnan() | value.isinf(), ibis.literal(f"covariate is no finite number: {name}")))
    return ibis.cases(*cases, else_=ibis.null("string"))


def _as_they_stand(path: Path, columns: CaseColumns) -> ParquetRows | None:
    """Rows of the user's file itself, if it is Parquet of numbers in which the rows of a provider stand together."""
    if path.suffix != ".parquet":
        return None
    schema = pq.read_schema(path)
    if any(pa.types.is_string(schema.field(one).type) for one in (columns.outcome, *columns.covariates)):
        return None
    try:
        return ParquetRows(path, covariates=columns.covariates, outcome=columns.outcome, provider=columns.provider)
    except InputDataError:
        return None


def _nothing_left(path: Path, rejected: dict[str, int]) -> InputDataError:
    what_to_do = "correct the file or name other columns; every row was rejected for this or another reason"
    return InputDataError(
        [Problem(reason, str(path), what_to_do, count=rows) for reason, rows in rejected.items()]
        or Problem("file has no row", str(path), "give a file with a row per case")
    )
