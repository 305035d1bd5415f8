"""Tuva's input layer, the native layout: Parquet or CSV files, a DuckDB file, or a PostgreSQL database.

What to know of it:

* Tables are told by their names: a file ``medical_claim.csv``, a table ``medical_claim``. Tables of Tuva that this
  project does not read (appointment, condition ...) are listed as ignored.
* Cells are read by the contract: text, whole numbers written ``1.0``, and types of the database are all taken. Cells
  that have not the form keep their row out.
* Columns that begin with ``x_`` pass through; other unknown columns are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import ibis.expr.types as ir
import pyarrow as pa

from openvbp.claims.adapters.delimited import read_header, read_quoted
from openvbp.claims.adapters.layout import Field, SourceFile
from openvbp.claims.adapters.source_files import list_files, number_rows, parquet_columns, read_parquet_text
from openvbp.claims.adapters.staging import Delivered, Staging
from openvbp.claims.adapters.text_problems import problem
from openvbp.claims.contract import CLAIMS_TABLES, PASSES_THROUGH, load_table
from openvbp.engine import Database, open_database

_DATABASES = (".duckdb", ".db", ".ddb")
_BATCH_ROWS = 100_000


def stage(staging: Staging, source: str) -> None:
    """Find the tables by their names and read them."""
    if "://" in source or Path(source).suffix in _DATABASES:
        if "://" not in source and not Path(source).is_file():
            raise problem(source, "there is no such file", "give the path of a DuckDB file")
        with open_database(source) as database:
            _stage_tables(staging, database)
        return
    layout, files = {}, []
    for path in list_files(source, (".parquet", ".csv")):
        if path.stem not in CLAIMS_TABLES:
            staging.ignored.append(path.name)
            continue
        is_text = path.suffix.lower() == ".csv"
        declared = _declared(path.stem, path, read_header(path, ",") if is_text else parquet_columns(path))
        layout[path.stem] = declared
        files.append(Delivered(path, path.stem, _opener(path, declared, is_text=is_text)))
    _stage(staging, layout, files)


def tables(staging: Staging) -> dict[str, ir.Table]:
    """Give the tables as they are."""
    own = ("source_file", "line_number")
    return {name: staging.accepted(name).drop(*own) for name in staging.kinds}


def _stage_tables(staging: Staging, database: Database) -> None:
    layout, files = {}, []
    for name in database.tables():
        if name not in CLAIMS_TABLES:
            staging.ignored.append(name)
            continue
        declared = _declared(name, name, database.columns(name))
        layout[name] = declared
        files.append(Delivered(Path(name), name, partial(_read_table, database, name, declared)))
    _stage(staging, layout, files)


def _read_table(database: Database, name: str, declared: SourceFile) -> pa.RecordBatchReader:
    return number_rows(database.read(name, _BATCH_ROWS), declared)


def _stage(staging: Staging, layout: dict[str, SourceFile], files: Sequence[Delivered]) -> None:
    if not files:
        raise problem(
            staging.source, "there is no table of claims", "name tables " + ", ".join(CLAIMS_TABLES[:3]) + " ..."
        )
    staging.stage(layout, files)


def _opener(path: Path, declared: SourceFile, *, is_text: bool) -> Callable[[], pa.RecordBatchReader]:
    return lambda: read_quoted(path, declared) if is_text else read_parquet_text(path, declared)


def _declared(name: str, where: Path | str, header: Sequence[str]) -> SourceFile:
    """Make the layout of a table from its contract and the columns that it has."""
    contract = load_table(name)
    unknown = [one for one in header if one not in contract.column and not one.startswith(PASSES_THROUGH)]
    missing = [one for one in contract.required if one not in header]
    if missing:
        raise problem(where, "required columns are missing", "add them", len(missing), tuple(missing))
    if unknown:
        to_do = f"rename them; begin columns of your own with {PASSES_THROUGH}"
        raise problem(where, "columns are not known", to_do, len(unknown), tuple(unknown[:3]))
    known = [
        Field(one.name, one.name, "text" if one.type == "string" else one.kind, is_required=one.is_required)
        for one in contract.columns
        if one.name in header
    ]
    own = [Field(one, one, "text") for one in header if one.startswith(PASSES_THROUGH)]
    return SourceFile(name, (*known, *own))
