"""A run's result tables as one file for other tools: DuckDB, CSV, Parquet or an Excel workbook."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from openvbp.engine import cannot_write, write_database
from openvbp.errors import Problem, UsageError
from openvbp.reporting.disclosure import PublicTables
from openvbp.run_folder import RunFolder

SUFFIXES = (".duckdb", ".csv", ".parquet", ".xlsx")
DEFAULT_TABLE = "provider_result"


def export(
    run: RunFolder,
    to: Path,
    *,
    table: str | None = None,
    provider_id: str | None = None,
    public: PublicTables | None = None,
) -> dict[str, int]:
    """Write result tables to a file; an existing file is replaced when the new one is whole.

    Parameters
    ----------
    run
        A finished run.
    to
        The file. Its ending decides the format: ``.duckdb`` and ``.xlsx`` hold all tables, ``.csv`` and ``.parquet``
        one.
    table
        The one table; all tables when absent, or ``provider_result`` where the format holds one.
    provider_id
        Only the rows of this provider.
    public
        The run's tables as they may be published (:func:`openvbp.reporting.disclosure.public_tables`): these are
        written, whatever the format, and nothing else of the run but its title, parameters and versions.

    Returns
    -------
    Rows written, by table.

    Raises
    ------
    UsageError
        If the format, the table or the provider does not exist.
    MachineError
        If the file cannot be written.

    Examples
    --------
    >>> export(open_run(Path("RUN")), Path("results.xlsx"))  # doctest: +SKIP
    """
    if to.suffix not in SUFFIXES:
        raise UsageError(
            Problem(f"'{to.suffix}' is not a format for export", str(to), "end the file name in " + ", ".join(SUFFIXES))
        )
    holds_one = to.suffix in (".csv", ".parquet")
    names = [table] if table else [DEFAULT_TABLE] if holds_one else run.tables
    if public:
        run = without_traces(run, sum(public.suppressed.values()), public.reason)
    tables = {name: _read(run, name, provider_id, public) for name in names}
    if provider_id and not any(rows.num_rows for rows in tables.values()):
        raise UsageError(
            Problem(f"the run has no provider '{provider_id}'", str(run.path), "give an id that the run contains")
        )
    temporary = to.with_name(f".{to.name}.partial{to.suffix}")
    try:
        temporary.unlink(missing_ok=True)
        written = _write(run, tables, temporary)
        os.replace(temporary, to)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise cannot_write(to, error, "choose another --to, or free disk space") from error
    return written


def _read(run: RunFolder, name: str, provider_id: str | None, public: PublicTables | None) -> pa.Table:
    run.table_path(name)
    if public is None:
        return run.read(name, **({"provider_id": provider_id} if provider_id else {}))
    rows = public.tables[name]
    return rows.filter(pc.field("provider_id") == provider_id) if provider_id else rows


def without_traces(run: RunFolder, suppressed: int, reason: str) -> RunFolder:
    """Take from the record what repeats or confirms counts: checks of the input, and digests of its files.

    Whoever knows a small file but for one count can try every count until the digest is right.

    Parameters
    ----------
    run
        The run.
    suppressed, reason
        Cells that are left empty, and why.
    """
    files = [{**file, "sha256": "not published"} for file in run.record["input_files"]]
    check = {
        "name": "suppressed",
        "count": suppressed,
        "meaning": f"cells left empty: {reason.removeprefix('suppressed: ')}",
    }
    return RunFolder(run.path, {**run.record, "input_files": files, "checks": [check]})


def _write(run: RunFolder, tables: dict[str, pa.Table], path: Path) -> dict[str, int]:
    if path.suffix == ".duckdb":
        write_database(tables, path)
    elif path.suffix == ".xlsx":
        from openvbp.reporting.workbook import write_workbook

        return write_workbook(run, tables, path)
    else:
        (rows,) = tables.values()
        if path.suffix == ".csv":
            pyarrow.csv.write_csv(rows, path)
        else:
            pq.write_table(rows, path, compression="zstd")
    return {name: rows.num_rows for name, rows in tables.items()}
