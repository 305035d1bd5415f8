"""Loads a source into a claims folder, and accounts for every row."""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.adapters.staging import Staging
from openvbp.claims.adapters.text_problems import problem
from openvbp.claims.contract import PASSES_THROUGH, load_table
from openvbp.claims.tables import MANIFEST
from openvbp.engine import Engine, cannot_write, open_engine
from openvbp.errors import Problem, UsageError

LAYOUTS = {
    "tuva": "Tuva's input layer: Parquet or CSV files, a DuckDB file, or a PostgreSQL database",
    "cclf": "Claim and Claim Line Feed of CMS: fixed width, or CSV with a header",
    "rif": "Research Identifiable Files of CMS, as of Beneficiary FHIR Data: fields separated by |",
    "synpuf": "CMS DE-SynPUF 2008-2010: CSV or Parquet",
    "eob": "FHIR ExplanationOfBenefit of Blue Button or BCDA: NDJSON or bundles",
    "synthea": "Synthea's CSV export",
}
"""Layouts that can be loaded, and what they are."""
REJECTED = "rejected"
"""Folder of the rows that were kept out, inside the claims folder."""
_MODULES = {"eob": "explanation_of_benefit"}


class Adapter(Protocol):
    """What the module of a source provides."""

    def stage(self, staging: Staging, source: str) -> None:
        """Find and read the source's files."""
        ...

    def tables(self, staging: Staging) -> dict[str, ir.Table]:
        """Turn usable rows into tables of the contract; keep out rows that lead nowhere."""
        ...


@dataclass(frozen=True)
class LoadReport:
    """What was loaded."""

    folder: Path
    record: dict[str, Any]
    """Content of ``claims.json``."""

    @property
    def read(self) -> int:
        """Rows read, of all files."""
        return sum(one["read"] for one in self.record["files"])

    @property
    def accepted(self) -> int:
        """Rows accepted."""
        return sum(one["accepted"] for one in self.record["files"])

    @property
    def rejected(self) -> int:
        """Rows rejected, for whatever reason."""
        return sum(sum(one["rejected"].values()) for one in self.record["files"])


def load(source: str | Path, layout: str, out: Path, threads: int | None = None) -> LoadReport:
    """Load a source into a claims folder.

    Parameters
    ----------
    source
        Folder, file or, for ``tuva``, ``postgresql://`` address.
    layout
        A key of :data:`LAYOUTS`.
    out
        Folder to make: one Parquet file per table, ``claims.json`` and, where rows were kept out, ``rejected/``. These
        hold patient-level rows and belong where the source does.
    threads
        Threads of DuckDB; all cores when not given.

    Returns
    -------
    The folder and its record.

    Raises
    ------
    UsageError
        If there is no such layout, or ``out`` holds something already.
    InputDataError
        If the source cannot be read as that layout, or none of its rows can be used.

    Examples
    --------
    >>> load("delivery/2024-01", "cclf", Path("claims"))  # doctest: +SKIP
    """
    if layout not in LAYOUTS:
        raise UsageError(Problem(f"there is no layout '{layout}'", "--layout", "choose one of " + ", ".join(LAYOUTS)))
    if out.exists() and any(out.iterdir()):
        raise UsageError(Problem("the folder is not empty", str(out), "give a new folder, or remove what is in it"))
    module = importlib.import_module(f"openvbp.claims.adapters.{_MODULES.get(layout, layout)}")
    adapter = cast("Adapter", module)
    try:
        with _unfinished(out) as folder, _steps_apart(), open_engine(threads=threads) as engine:
            record = _load(engine, adapter, str(source), layout, folder)
    except OSError as error:
        raise cannot_write(out, error) from error
    return LoadReport(out, record)


@contextmanager
def _unfinished(out: Path) -> Iterator[Path]:
    """Give a folder beside ``out`` that becomes ``out`` when all is written."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        yield folder
        shutil.rmtree(folder / "staging")
        folder.chmod(0o755)
        if out.exists():
            out.rmdir()
        folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _steps_apart() -> Iterator[None]:
    """Let Ibis write step after step: fused, an expression is repeated wherever a later step uses it."""
    before = ibis.options.sql.fuse_selects
    ibis.options.sql.fuse_selects = False
    try:
        yield
    finally:
        ibis.options.sql.fuse_selects = before


def _load(engine: Engine, adapter: Adapter, source: str, layout: str, folder: Path) -> dict[str, Any]:
    staging = Staging(engine, folder / "staging", source)
    staging.folder.mkdir()
    adapter.stage(staging, source)
    tables = adapter.tables(staging)
    files = staging.accounts()
    if not tables or not any(one["accepted"] for one in files):
        _raise_nothing_usable(_shown(source), "no row can be used", files)
    rows, paid_through = {}, []
    for name, table in tables.items():
        path = folder / f"{name}.parquet"
        engine.write_parquet(_as_declared(table, name), path)
        written = engine.read_parquet(path, f"written_{name}")
        rows[name] = _only(engine, written.aggregate(value=written.count()))
        if not rows[name]:
            _raise_nothing_usable(_shown(source), f"no row of table {name} can be made from these files", files)
        if "paid_date" in written.columns:
            paid_through.append(_only(engine, written.aggregate(value=written.paid_date.max())))
    _write_rejected(engine, staging, folder / REJECTED)
    days = [day for day in paid_through if day is not None]
    record = {
        "layout": layout,
        "source": _shown(source),
        "paid_through": max(days).isoformat() if days else None,
        "tables": rows,
        "files": [{**one, "sha256": _sha256(file.path)} for one, file in zip(files, staging.files, strict=True)],
    }
    if staging.ignored:
        record["ignored_files"] = sorted(staging.ignored)
    (folder / MANIFEST).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return record


def _as_declared(rows: ir.Table, name: str) -> ir.Table:
    """Put the columns of a table in the order of the contract, with its types; then the source's own."""
    declared = load_table(name)
    own = [column for column in rows.columns if column.startswith(PASSES_THROUGH)]
    cells = {one.name: _with_type(rows[one.name], one.type) for one in declared.columns if one.name in rows.columns}
    return rows.select(**cells, **{column: rows[column] for column in own})


def _with_type(cell: ir.Value, kind: str) -> ir.Value:
    # Ibis takes literals and sums for 64-bit numbers, and days moved by an interval for dates. DuckDB makes other types
    # of them, and Ibis drops a direct cast as superfluous.
    through = {"int64": "decimal(18, 0)", "date": "timestamp"}
    return cell.cast(through[kind]).cast(kind) if kind in through else cell.cast(kind)


def _write_rejected(engine: Engine, staging: Staging, folder: Path) -> None:
    for staged in staging.kinds.values():
        rows = staged.rows.filter(_.problem.notnull())
        if _only(engine, rows.aggregate(value=rows.count())):
            folder.mkdir(exist_ok=True)
            engine.write_parquet(
                rows.relocate("source_file", "line_number", "problem"), folder / f"{staged.name}.parquet"
            )


def _shown(source: str) -> str:
    """Write a source without user, password and options."""
    return source.rpartition("@")[2].partition("?")[0] if "://" in source else source


def _raise_nothing_usable(source: str, what: str, files: list[dict[str, Any]]) -> None:
    reasons: dict[str, int] = {}
    for one in files:
        for reason, times in one["rejected"].items():
            reasons[f"{one['kind']}: {reason}"] = reasons.get(f"{one['kind']}: {reason}", 0) + times
    commonest = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))[:3]
    raise problem(
        source,
        what,
        "correct the files, or choose the layout that they have",
        sum(one["read"] for one in files),
        tuple(f"{reason} ({times:,} rows)" for reason, times in commonest),
    )


def _only(engine: Engine, expression: ir.Table) -> Any:
    (row,) = engine.to_arrow(expression).to_pylist()
    return row["value"]


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
