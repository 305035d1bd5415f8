"""Finds the files of a source and tells what kind each is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from openvbp.claims.adapters.delimited import check_header, read_header, read_quoted, read_unquoted
from openvbp.claims.adapters.layout import SourceFile
from openvbp.claims.adapters.staging import Delivered, Staging
from openvbp.claims.adapters.text_problems import problem

_DELIVERED = re.compile(r"(?:^|[._])D(\d{2})(\d{2})(\d{2})(?:[._]|$)", re.IGNORECASE)
_BATCH_ROWS = 100_000


def list_files(source: str, endings: Sequence[str] = ()) -> list[Path]:
    """List the files of a source: of a folder, those with the endings (any where none is given), or the one file.

    Raises
    ------
    InputDataError
        If there is none.
    """
    path = Path(source)
    if path.is_file():
        return [path]
    wanted = "files ending in " + ", ".join(endings) if endings else "the delivered files"
    if not path.is_dir():
        raise problem(source, "there is no such file or folder", f"give a folder with {wanted}")
    found = sorted(one for one in path.iterdir() if one.is_file() and (not endings or one.suffix.lower() in endings))
    if not found:
        raise problem(source, "the folder holds no file of this layout", f"add {wanted}")
    return found


def tell_by_columns(
    staging: Staging, layout: dict[str, SourceFile], paths: Sequence[Path], separator: str, **quoting: bool
) -> list[Delivered]:
    """Tell files by their columns; note those that are none of the layout's.

    Raises
    ------
    InputDataError
        If none is.
    """
    files = []
    for path in paths:
        one = by_columns(layout, path, separator, **quoting)
        if one:
            files.append(one)
        else:
            staging.ignored.append(path.name)
    if not files:
        raise problem(
            staging.source,
            "no file has the columns of the layout",
            "give the files with their headers, or choose the layout that they have",
            len(paths),
            tuple(path.name for path in paths[:3]),
        )
    return files


def by_columns(layout: dict[str, SourceFile], path: Path, separator: str, **quoting: bool) -> Delivered | None:
    """Tell a file with a header by its columns: the kind that shares most with it.

    Raises
    ------
    InputDataError
        If it has most columns of a kind, but not all without which that cannot be read.
    """
    header = _columns(path, separator)
    shared = {kind: len(_shared(declared, header)) for kind, declared in layout.items()}
    kind = max(layout, key=lambda kind: (shared[kind], shared[kind] / len(layout[kind].used)))
    is_alike = shared[kind] * 2 >= len(layout[kind].used)
    is_short = shared[kind] * 2 >= len(header) and all(name in header for name in layout[kind].required)
    if not is_alike and not is_short:
        return None
    check_header(path, header, layout[kind])
    return Delivered(path, kind, _opener(path, layout[kind], separator, **quoting), delivery_date(path))


def delivery_date(path: Path) -> date | None:
    """Read the day of delivery from a name such as ``P.A1234.ACO.ZC1Y24.D240115.T0100000``."""
    found = _DELIVERED.search(path.name)
    if not found:
        return None
    year, month, day = map(int, found.groups())
    try:
        return date(2000 + year, month, day)
    except ValueError:
        return None


def read_parquet_text(path: Path, declared: SourceFile) -> pa.RecordBatchReader:
    """Read a Parquet file: ``line_number`` (of the row, from 1) and the fields in use that it has, as they are."""
    parquet_columns(path)
    file = pq.ParquetFile(path)
    names = [field.name for field in declared.used if field.name in file.schema_arrow.names]
    schema = pa.schema([file.schema_arrow.field(name) for name in names])
    return number_rows(
        pa.RecordBatchReader.from_batches(schema, file.iter_batches(_BATCH_ROWS, columns=names)), declared
    )


def parquet_columns(path: Path) -> list[str]:
    """Names of the columns of a Parquet file.

    Raises
    ------
    InputDataError
        If it is none.
    """
    try:
        return pq.read_schema(path).names
    except pa.ArrowInvalid:
        raise problem(path, "file is not a Parquet file", "get it again, or rename it") from None


def number_rows(reader: pa.RecordBatchReader, declared: SourceFile) -> pa.RecordBatchReader:
    """Number rows from 1 and take the fields in use."""
    names = [field.name for field in declared.used if field.name in reader.schema.names]
    schema = pa.schema([("line_number", pa.int64()), *(reader.schema.field(name) for name in names)])

    def batches() -> Iterator[pa.RecordBatch]:
        number = 1
        for batch in reader:
            numbers = pa.array(range(number, number + batch.num_rows), pa.int64())
            yield pa.RecordBatch.from_arrays([numbers, *(batch[name] for name in names)], schema=schema)
            number += batch.num_rows

    return pa.RecordBatchReader.from_batches(schema, batches())


def _columns(path: Path, separator: str) -> tuple[str, ...]:
    return tuple(parquet_columns(path)) if path.suffix == ".parquet" else read_header(path, separator)


def _shared(declared: SourceFile, header: Sequence[str]) -> list[str]:
    return [field.name for field in declared.used if field.name in header]


def _opener(
    path: Path, declared: SourceFile, separator: str, *, is_quoted: bool = True
) -> Callable[[], pa.RecordBatchReader]:
    if path.suffix == ".parquet":
        return lambda: read_parquet_text(path, declared)
    if is_quoted:
        return lambda: read_quoted(path, declared)
    return lambda: read_unquoted(path, declared, separator)
