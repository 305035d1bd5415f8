"""The user's file of cases: checked row by row, and brought into the order of providers.

What cannot be used is rejected with its reason and counted, never filled in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from openvbp.engine import Engine, cannot_write
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.outcome_models.rows import BatchRows, Rows, read_into_memory, rows_of_parquet

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
    table = open_file(engine, path, {"provider_id": columns.provider}, {"outcome": columns.outcome}, columns.covariates)
    wrong = [(~table["outcome"].isin([0.0, 1.0]), "outcome is neither 0 nor 1")]
    checked = check_rows(
        engine, table, {"provider_id": "provider", "outcome": "outcome"}, wrong, columns.covariates, out
    )
    if not checked.accepted:
        raise nothing_left(path, checked.rejected)
    rows = None if checked.rejected else _as_they_stand(path, columns)
    if rows is None:
        try:
            engine.write_parquet(
                checked.kept.order_by("provider_id", "row_number").drop("row_number"), scratch / _SORTED
            )
        except OSError as error:
            raise cannot_write(scratch, error, "free disk space or choose another --out") from error
        rows = rows_of_parquet(
            scratch / _SORTED,
            covariates=columns.covariates,
            columns=covariate_columns(columns.covariates),
            outcome="outcome",
            provider="provider_id",
        )
    if len(rows.outcome) * len(columns.covariates) * 8 <= _MOST_BYTES_IN_MEMORY:
        rows = read_into_memory(rows)
    return Cases(rows, checked.accepted + sum(checked.rejected.values()), checked.rejected)


def covariate_columns(covariates: Sequence[str]) -> list[str]:
    """Names of the covariates in our own copy."""
    return [f"x{place}" for place in range(len(covariates))]


def open_file(
    engine: Engine, path: Path, texts: Mapping[str, str], numbers: Mapping[str, str], covariates: Sequence[str]
) -> ir.Table:
    """Open the columns of a file that are used.

    Parameters
    ----------
    engine
        Where the file is read.
    path
        Parquet, or CSV with a header.
    texts, numbers
        Columns of the file by the names they get.
    covariates
        Columns of the file that become ``x0``, ``x1`` and so on.

    Returns
    -------
    Texts and numbers; an empty text is null, and a text that is no number becomes infinite, to tell it from a gap.

    Raises
    ------
    UsageError, InputDataError
        As :func:`read_cases`.
    """
    named = [*texts.values(), *numbers.values(), *covariates]
    repeated = sorted(name for name, times in Counter(named).items() if times > 1)
    if repeated:
        what_to_do = "name each column once"
        raise UsageError(Problem("a column is named twice", ", ".join(repeated), what_to_do, len(repeated)))
    table = _read(engine, path)
    missing = [one for one in named if one not in table.columns]
    if missing:
        has = "the file has " + ", ".join(table.columns)
        raise InputDataError(Problem("columns are missing", str(path), has, len(missing), tuple(missing)))
    wanted = {**numbers, **dict(zip(covariate_columns(covariates), covariates, strict=True))}
    wrong = [name for name in wanted.values() if not _can_be_number(table[name])]
    if wrong:
        what_to_do = "make each a number or true and false, for example one indicator per category"
        raise InputDataError(Problem("columns are no numbers", str(path), what_to_do, len(wrong), tuple(wrong)))
    values = {target: _number(table[name]) for target, name in wanted.items()}
    return table.select(**{target: table[name].cast("string").nullif("") for target, name in texts.items()}, **values)


def _read(engine: Engine, path: Path) -> ir.Table:
    if not path.is_file():
        raise InputDataError(Problem("file is missing", str(path), "give a Parquet or CSV file with a row per case"))
    if path.suffix not in (".parquet", ".csv"):
        raise UsageError(Problem(f"'{path.suffix}' is no known kind of file", str(path), "give .parquet or .csv"))
    try:
        read = engine.read_parquet if path.suffix == ".parquet" else engine.read_csv
        return read(path, "outcome_cases")
    except duckdb.Error:
        what_to_do = "write it again, or give a CSV file with a header"
        raise InputDataError(Problem("file cannot be read as Parquet", str(path), what_to_do)) from None


def _can_be_number(column: ir.Column) -> bool:
    kind = column.type()
    return kind.is_numeric() or kind.is_boolean() or kind.is_string()


def _number(column: ir.Column) -> ir.Value:
    if not column.type().is_string():
        return column.cast("float64")
    filled = column.nullif("")
    return ibis.ifelse(filled.isnull(), ibis.null("float64"), filled.try_cast("float64").fill_null(float("inf")))


@dataclass(frozen=True)
class CheckedRows:
    """Rows of a file that can be used, with ``row_number``, and how many."""

    kept: ir.Table
    accepted: int
    rejected: dict[str, int]


def check_rows(
    engine: Engine,
    table: ir.Table,
    needed: Mapping[str, str],
    wrong: Sequence[tuple[ir.BooleanValue, str]],
    covariates: Sequence[str],
    out: Path,
) -> CheckedRows:
    """Part rows that can be used from those that cannot; these are written with their first reason of several.

    Parameters
    ----------
    engine
        Where rows are checked.
    table
        From :func:`open_file`.
    needed
        Columns without which a row is rejected, and what they are called.
    wrong
        Further conditions, with the reason.
    covariates
        Names of ``x0``, ``x1`` and so on.
    out
        Folder for ``rejected.parquet``.

    Raises
    ------
    MachineError
        If the file cannot be written.
    """
    cases = [(table[column].isnull(), ibis.literal(f"{word} is missing")) for column, word in needed.items()]
    cases += [(condition, ibis.literal(reason)) for condition, reason in wrong]
    for column, name in zip(covariate_columns(covariates), covariates, strict=True):
        value = table[column]
        cases.append((value.isnull(), ibis.literal(f"covariate is missing: {name}")))
        cases.append((value.isnan() | value.isinf(), ibis.literal(f"covariate is no finite number: {name}")))
    reason = ibis.cases(*cases, else_=ibis.null("string"))
    marked = table.mutate(reason=reason, row_number=ibis.row_number() + 1)
    bad = marked.filter(marked.reason.notnull()).select("row_number", "provider_id", "reason")
    try:
        engine.write_parquet(bad.order_by("row_number"), out / REJECTED)
    except OSError as error:
        raise cannot_write(out, error, "free disk space or choose another --out") from error
    rejected = dict(sorted(Counter(pq.read_table(out / REJECTED)["reason"].to_pylist()).items()))
    read = engine.to_arrow(table.aggregate(rows=table.count()))["rows"][0].as_py()
    kept = marked.filter(marked.reason.isnull()).drop("reason")
    return CheckedRows(kept, read - sum(rejected.values()), rejected)


def _as_they_stand(path: Path, columns: CaseColumns) -> BatchRows | None:
    """Rows of the user's file itself, if it is Parquet of numbers in which the rows of a provider stand together."""
    if path.suffix != ".parquet":
        return None
    schema = pq.read_schema(path)
    kinds = [schema.field(one).type for one in (columns.outcome, *columns.covariates)]
    if not all(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) for kind in kinds):
        return None
    try:
        return rows_of_parquet(path, covariates=columns.covariates, outcome=columns.outcome, provider=columns.provider)
    except InputDataError:
        return None


def nothing_left(path: Path, rejected: Mapping[str, int]) -> InputDataError:
    """Say that no row of a file can be used, and why."""
    what_to_do = "correct the file or name other columns; every row was rejected for this or another reason"
    return InputDataError(
        [Problem(reason, str(path), what_to_do, count=rows) for reason, rows in rejected.items()]
        or Problem("file has no row", str(path), "give a file with a row per case")
    )
