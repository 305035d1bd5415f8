"""Rows of a source's files as values: each with its place, and with the problem that keeps it out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ibis import _

from openvbp.claims.adapters.cells import FIRST_YEAR, KINDS, LAST_YEAR, is_far, read_cells, without_no_date
from openvbp.claims.adapters.layout import Field, SourceFile
from openvbp.claims.adapters.text_problems import problem
from openvbp.claims.contract import CLAIMS_TABLES, PASSES_THROUGH, load_table
from openvbp.engine import Engine

_DECISIVE = ("adjustment_type", "claim_status")
"""Codes without which money would be counted wrongly."""


@dataclass(frozen=True)
class Delivered:
    """One file of a source, told by its name or its columns."""

    path: Path
    kind: str
    """Key of the source's layout."""
    open_text: Callable[[], pa.RecordBatchReader]
    """Gives ``line_number`` and one text per field in use."""
    file_date: date | None = None
    """Day of the delivery, where the name says it."""


@dataclass(frozen=True)
class Staged:
    """All rows of one kind of file.

    ``rows`` has ``source_file``, ``line_number``, ``file_date``, the targets of the layout as values, ``problem`` (null
    where the row can be used) and ``row_text`` (the row as it stands in the file, of rows with a problem).
    """

    name: str
    rows: ir.Table

    @property
    def accepted(self) -> ir.Table:
        """Rows that can be used."""
        return self.rows.filter(_.problem.isnull()).drop("problem", "row_text")


@dataclass
class Staging:
    """Where rows are staged while a source is loaded."""

    engine: Engine
    folder: Path
    source: str
    files: list[Delivered] = field(default_factory=list)
    kinds: dict[str, Staged] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    """Files that are none of the layout's."""

    def stage(self, layout: dict[str, SourceFile], files: Sequence[Delivered]) -> None:
        """Read files and keep their rows, typed, in the staging folder."""
        self.files.extend(files)
        for kind in dict.fromkeys(one.kind for one in files):
            path = self.folder / f"{kind}.parquet"
            of_kind = [one for one in files if one.kind == kind]
            if _write_typed(of_kind, layout[kind], path) or not _hold_others(of_kind, files):
                self.kinds[kind] = Staged(kind, self.engine.read_parquet(path, f"staged_{kind}"))

    def __contains__(self, kind: str) -> bool:
        return kind in self.kinds

    def accepted(self, kind: str) -> ir.Table:
        """Rows of a kind of file that can be used."""
        return self.kinds[kind].accepted

    def reject(self, kind: str, is_wrong: ir.BooleanValue, reason: str) -> None:
        """Keep out further rows; the condition is over the columns of the kind."""
        staged = self.kinds[kind]
        rows = staged.rows.mutate(
            problem=ibis.ifelse(_.problem.isnull() & is_wrong, ibis.literal(reason), _.problem),
        )
        self.kinds[kind] = replace(staged, rows=rows)

    def reject_orphans(self, kind: str, of: str, key: str, reason: str) -> None:
        """Keep out rows whose key no usable row of another kind of file has."""
        staged = self.kinds[kind]
        known = self.accepted(of).select(known_key=_[key]).distinct() if of in self else None
        if known is None:
            self.reject(kind, ibis.literal(True), reason)  # noqa: FBT003
            return
        joined = staged.rows.left_join(known, staged.rows[key] == known.known_key)
        rows = joined.mutate(
            problem=ibis.ifelse(_.problem.isnull() & _.known_key.isnull(), ibis.literal(reason), _.problem)
        ).drop("known_key")
        self.kinds[kind] = replace(staged, rows=self._kept(rows, kind))

    def keep_newest(self, kind: str, by: Sequence[str], reason: str) -> None:
        """Of rows about the same thing, use the one that was delivered last."""
        staged = self.kinds[kind]
        last = [_.file_date.desc(nulls_first=False), _.source_file.desc(), _.line_number.desc()]
        rows = staged.rows.mutate(is_usable=_.problem.isnull())
        rows = rows.mutate(place=ibis.row_number().over(ibis.window(group_by=[*by, "is_usable"], order_by=last)))
        rows = rows.mutate(problem=ibis.ifelse(_.is_usable & (_.place > 0), ibis.literal(reason), _.problem)).drop(
            "is_usable", "place"
        )
        self.kinds[kind] = replace(staged, rows=self._kept(rows, kind))

    def keep_newest_delivery(self, kind: str, by: Sequence[str], reason: str) -> None:
        """As :meth:`keep_newest` where there was more than one delivery; else nothing is compared, to save time."""
        if sum(one.kind == kind for one in self.files) > 1:
            self.keep_newest(kind, by, reason)

    def put(self, kind: str, rows: ir.Table) -> None:
        """Put other rows in the place of a kind's, for example with further columns."""
        self.kinds[kind] = replace(self.kinds[kind], rows=rows)

    def _kept(self, rows: ir.Table, kind: str) -> ir.Table:
        """Compute rows once and keep them in the staging folder."""
        number = sum(1 for path in self.folder.glob(f"{kind}-*.parquet"))
        path = self.folder / f"{kind}-{number}.parquet"
        self.engine.write_parquet(rows, path)
        return self.engine.read_parquet(path, f"kept_{kind}_{number}")

    def accounts(self) -> list[dict[str, Any]]:
        """Count, for each file, the rows read, accepted, and rejected by reason.

        Raises
        ------
        InputDataError
            If a file has no rows.
        """
        counted: dict[tuple[str, str], dict[str | None, int]] = {}
        for kind, staged in self.kinds.items():
            reasons = staged.rows.group_by("source_file", "problem").aggregate(times=_.count())
            for row in self.engine.to_arrow(reasons).to_pylist():
                counted.setdefault((kind, row["source_file"]), {})[row["problem"]] = row["times"]
        with_rows = {name for _kind, name in counted}
        empty = [one.path for one in self.files if one.path.name not in with_rows]
        if empty:
            raise problem(
                self.source,
                "files have no rows",
                "an empty file is taken for a mistake: get it again, or take it out",
                len(empty),
                tuple(path.name for path in empty[:3]),
            )
        # A file may hold rows of several kinds.
        self.files = [one for one in self.files if (one.kind, one.path.name) in counted]
        return [_account(one, counted[one.kind, one.path.name]) for one in self.files]


def stacked(parts: Sequence[ir.Table]) -> ir.Table:
    """Put tables of claims one below the other: their columns of the contract and ``x_`` columns; null where absent."""
    names = [name for name in load_table("medical_claim").column if any(name in part.columns for part in parts)]
    own = sorted({name for part in parts for name in part.columns if name.startswith(PASSES_THROUGH)})
    types = {name: load_table("medical_claim").column[name].type for name in names}
    types |= {name: next(str(part[name].type()) for part in parts if name in part.columns) for name in own}
    return (
        ibis.union(
            *(
                part.select(
                    **{
                        name: part[name].cast(kind) if name in part.columns else ibis.null(kind)
                        for name, kind in types.items()
                    }
                )
                for part in parts
            )
        )
        if len(parts) > 1
        else parts[0]
    )


def _account(one: Delivered, counted: dict[str | None, int]) -> dict[str, Any]:
    rejected = {reason: times for reason, times in sorted(counted.items(), key=str) if reason is not None}
    return {
        "file": one.path.name,
        "kind": one.kind,
        "read": sum(counted.values()),
        "accepted": counted.get(None, 0),
        "rejected": rejected,
    }


def _write_typed(files: Sequence[Delivered], declared: SourceFile, path: Path) -> int:
    """Write the rows of files of one kind as values; give their number."""
    schema, count = _schema(declared), 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for one in files:
            for batch in one.open_text():
                writer.write_batch(read_batch(batch, declared, one, schema))
                count += batch.num_rows
    return count


def _hold_others(files: Sequence[Delivered], all_files: Sequence[Delivered]) -> bool:
    """Whether each of the files may hold rows of another kind too."""
    kind = files[0].kind
    return {one.path for one in files} <= {one.path for one in all_files if one.kind != kind}


def _schema(declared: SourceFile) -> pa.Schema:
    place = {"source_file": pa.string(), "line_number": pa.int64(), "file_date": pa.date32()}
    columns = place | {used.target: KINDS[used.kind].type for used in declared.used}
    return pa.schema([*columns.items(), ("problem", pa.string()), ("row_text", pa.string())])


def read_batch(batch: pa.RecordBatch, declared: SourceFile, one: Delivered, schema: pa.Schema) -> pa.RecordBatch:
    """Read the cells of rows: their values, and the first problem of each row.

    Parameters
    ----------
    batch
        ``line_number`` and one column per field in use that the file has.
    declared
        Kind of file.
    one
        The file.
    schema
        Columns wanted.

    Returns
    -------
    The same rows as values, with their place, ``problem`` and, where there is one, ``row_text``.
    """
    count = batch.num_rows
    columns: dict[str, pa.Array] = {
        "source_file": pa.repeat(pa.scalar(one.path.name, pa.string()), count),
        "line_number": batch["line_number"],
        "file_date": pa.repeat(pa.scalar(one.file_date, pa.date32()), count),
    }
    texts: list[pa.Array] = []
    problems = pa.nulls(count, pa.string())
    for used in declared.used:
        if used.name not in batch.schema.names:
            columns[used.target] = pa.nulls(count, KINDS[used.kind].type)
            continue
        text, value = read_cells(batch[used.name], used.kind)
        texts.append(text)
        for reason, is_wrong in _reasons(used, text, value):
            wrong = pc.fill_null(is_wrong, fill_value=False)
            if pc.any(wrong).as_py():
                first = pc.and_(wrong, pc.is_null(problems))
                problems = pc.if_else(first, pa.scalar(f"{used.name} {reason}"), problems)
        columns[used.target] = without_no_date(value) if used.kind.startswith("date") else value
    columns["problem"] = problems
    columns["row_text"] = _row_texts(texts, problems)
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _reasons(used: Field, text: pa.Array, value: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    """What keeps rows out because of one field, and which."""
    if value.type != pa.string() or used.kind == "sex":
        yield f"is not {KINDS[used.kind].form}", pc.and_(pc.is_valid(text), pc.is_null(value))
    if used.kind.startswith("date"):
        yield f"is before {FIRST_YEAR} or after {LAST_YEAR}", is_far(value)
    allowed = _allowed(used.target)
    if allowed:
        is_other = pc.and_(pc.is_valid(value), pc.invert(pc.is_in(value, pa.array(allowed))))
        yield f"is not one of {', '.join(allowed)}", is_other
    if used.is_required:
        yield "is empty", pc.is_null(without_no_date(value) if used.kind.startswith("date") else value)


def _row_texts(texts: Sequence[pa.Array], problems: pa.Array) -> pa.Array:
    """Write rows with a problem as they came; they are few."""
    if problems.null_count == len(problems):
        return pa.nulls(len(problems), pa.string())
    places = pc.indices_nonzero(pc.is_valid(problems)).to_pylist()
    written = {place: "|".join(text[place].as_py() or "" for text in texts) for place in places}
    return pa.array([written.get(place) for place in range(len(problems))], pa.string())


@functools.cache
def _allowed(target: str) -> tuple[str, ...]:
    """Codes that the contract allows in a column on which a row depends; others are left to the checks."""
    for name in CLAIMS_TABLES:
        column = load_table(name).column.get(target)
        if column is not None:
            return column.allowed if column.is_required or target in _DECISIVE else ()
    return ()
