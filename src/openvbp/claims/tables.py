"""Opens a claims folder: its tables with every column of the contract, typed."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from openvbp.claims.contract import CLAIMS_TABLES, PASSES_THROUGH, ClaimsColumn, ClaimsTable, load_table
from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem

MANIFEST = "claims.json"
"""What a folder says of itself: its source, row counts, and up to which day payments are in it."""
_SUFFIXES = (".parquet", ".csv")


@dataclass(frozen=True)
class ClaimsData:
    """A claims folder that has been opened."""

    engine: Engine
    folder: Path
    files: dict[str, Path]
    """Tables that are there: name to file, or to the pattern of its files."""
    manifest: dict[str, Any]
    _opened: dict[str, ir.Table] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.files

    def table(self, name: str) -> ir.Table:
        """Give a table with every column of its contract, typed.

        Parameters
        ----------
        name
            One of :data:`~openvbp.claims.contract.CLAIMS_TABLES`.

        Returns
        -------
        Rows at the grain of the contract. Optional columns that the file lacks are null; ``x_`` columns pass through.
        Nothing is copied: the rows stay in the file.

        Raises
        ------
        InputDataError
            If the table is not there or empty, lacks a required column, has one that is not known, or holds cells that
            are not of the column's kind.
        """
        if name not in self._opened:
            self._opened[name] = self._typed(load_table(name))
        return self._opened[name]

    def as_read(self, name: str) -> ir.Table:
        """Give a table as its file holds it: only its own columns, text where the file is text."""
        if name not in self.files:
            raise _problem(self.folder, f"there is no table {name}", f"add {name}.parquet or {name}.csv")
        path = self.files[name]
        read = self.engine.read_csv if path.suffix == ".csv" else self.engine.read_parquet
        return read(path, f"claims_{name}")

    @functools.cached_property
    def paid_through(self) -> date | None:
        """Last day whose payments are in the folder, where it says so."""
        stated = self.manifest.get("paid_through")
        return date.fromisoformat(stated) if stated else None

    def _typed(self, declared: ClaimsTable) -> ir.Table:
        rows = self.as_read(declared.name)
        check_columns(rows, declared, self.files[declared.name])
        _check_cells(self.engine, rows, declared, self.files[declared.name])
        return rows.select(
            **{column.name: typed_cell(rows, column) for column in declared.columns},
            **{name: rows[name] for name in rows.columns if name.startswith(PASSES_THROUGH)},
        )


def open_claims(engine: Engine, folder: Path) -> ClaimsData:
    """Open a folder of claims in the native layout.

    Parameters
    ----------
    engine
        Where to read.
    folder
        Holds a file or a folder of Parquet files for each table: ``medical_claim.parquet``, ``medical_claim.csv`` or
        ``medical_claim/*.parquet``.

    Raises
    ------
    InputDataError
        If there is no such folder, it holds no table, or holds one twice.

    Examples
    --------
    >>> with open_engine() as engine:  # doctest: +SKIP
    ...     open_claims(engine, Path("claims")).table("eligibility").count().execute()
    """
    if not folder.is_dir():
        raise _problem(folder, "there is no such folder", "give the folder with eligibility and medical_claim")
    files = {name: found for name in CLAIMS_TABLES if (found := _file(folder, name))}
    if not files:
        raise _problem(folder, "the folder holds no table of claims", "add " + ", ".join(CLAIMS_TABLES[:2]) + " ...")
    return ClaimsData(engine, folder, files, _manifest(folder / MANIFEST))


def _file(folder: Path, name: str) -> Path | None:
    found = [path for suffix in _SUFFIXES if (path := folder / f"{name}{suffix}").is_file()]
    if any((folder / name).glob("*.parquet")):
        found.append(folder / name / "*.parquet")
    if len(found) > 1:
        raise _problem(folder, f"table {name} is there more than once", "keep one of " + ", ".join(map(str, found)))
    return found[0] if found else None


def _manifest(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        raise _problem(path, "file is not JSON", "write it again, or remove it") from None
    return content


def check_columns(rows: ir.Table, declared: ClaimsTable, path: Path) -> None:
    """Demand the required columns and refuse unknown ones.

    Raises
    ------
    InputDataError
        Names the columns.
    """
    missing = [name for name in declared.required if name not in rows.columns]
    unknown = [name for name in rows.columns if name not in declared.column and not name.startswith(PASSES_THROUGH)]
    problems = []
    if missing:
        problems.append(Problem("required columns are missing", str(path), "add them", len(missing), tuple(missing)))
    if unknown:
        to_do = f"rename them; begin columns of your own with {PASSES_THROUGH}"
        problems.append(Problem("columns are not known", str(path), to_do, len(unknown), tuple(unknown[:5])))
    if problems:
        raise InputDataError(problems)


def typed_cell(rows: ir.Table, column: ClaimsColumn) -> ir.Value:
    """Read a column as its contract says; null where it is absent or the cell is not of that kind."""
    if column.name not in rows.columns:
        return ibis.null(column.type)
    cell = rows[column.name]
    if str(cell.type()) == column.type:
        return cell
    if column.kind == "flag" and cell.type().is_string():
        return ibis.cases((cell.isin(("1", "true", "Y")), True), (cell.isin(("0", "false", "N")), False))
    if column.kind in ("text", "code", "npi", "ccn"):
        return cell.cast("string")
    return cell.try_cast(column.type)


def _check_cells(engine: Engine, rows: ir.Table, declared: ClaimsTable, path: Path) -> None:
    """Demand rows, and that every cell can be read: one query over the columns whose type is not the contract's."""
    doubtful = [
        column
        for column in declared.columns
        if column.name in rows.columns and str(rows[column.name].type()) != column.type
    ]
    lost = {column.name: (rows[column.name].notnull() & typed_cell(rows, column).isnull()).sum() for column in doubtful}
    (found,) = engine.to_arrow(rows.aggregate(row_count=rows.count(), **lost)).to_pylist()
    if not found["row_count"]:
        raise _problem(path, "table has no rows", "an empty table is taken for a mistake: write rows, or leave it out")
    wrong = [
        Problem(
            f"cells of column {column.name} are not of kind {column.kind}",
            str(path),
            "openvbp claims check says which rows; correct them or take them out",
            found[column.name],
        )
        for column in doubtful
        if found[column.name]
    ]
    if wrong:
        raise InputDataError(wrong)


def _problem(where: Path, what: str, what_to_do: str) -> InputDataError:
    return InputDataError(Problem(what, str(where), what_to_do))
