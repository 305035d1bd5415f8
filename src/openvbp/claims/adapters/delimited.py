"""Text of files whose fields are separated, read in batches."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from openvbp.claims.adapters.layout import SourceFile
from openvbp.claims.adapters.text_problems import not_utf8, problem

_BATCH_BYTES = 16_000_000
_LINE_FEED = 10


def read_header(path: Path, separator: str) -> tuple[str, ...]:
    """Read the names in the first line of a file.

    Raises
    ------
    InputDataError
        If the file is empty, not UTF-8 text, or names a column twice.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            names = tuple(name.strip() for name in next(csv.reader(lines, delimiter=separator), []))
    except UnicodeDecodeError:
        raise not_utf8(path) from None
    if not any(names):
        raise problem(path, "file is empty", "give the whole file")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise problem(path, "columns are named twice", "keep one of each", len(repeated), tuple(repeated[:3]))
    return names


def check_header(path: Path, header: Sequence[str], declared: SourceFile) -> None:
    """Demand the columns without which the rows cannot be read.

    Raises
    ------
    InputDataError
        Names the columns.
    """
    missing = [name for name in declared.required if name not in header]
    if missing:
        raise problem(
            path,
            f"columns of {declared.name} are missing",
            "the file has another version of the layout, or is another file; get the declared one",
            len(missing),
            tuple(missing[:3]),
        )


def read_quoted(path: Path, declared: SourceFile) -> pa.RecordBatchReader:
    """Read a CSV file: commas, quotation marks where needed, a header.

    Returns
    -------
    Batches of ``line_number`` (the row's, the header being row 1) and one text per field in use that the file has.

    Raises
    ------
    InputDataError
        If the file is not UTF-8 CSV, or a row has not as many cells as the header.
    """
    header = read_header(path, ",")
    check_header(path, header, declared)
    names = _names(header, declared)
    return pa.RecordBatchReader.from_batches(_schema(names), _quoted_batches(path, header, names))


def _quoted_batches(path: Path, header: Sequence[str], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    ragged: list[tuple[int, int]] = []

    def note(row: pa_csv.InvalidRow) -> str:
        ragged.append((row.number or 0, row.actual_columns))
        return "skip"

    number = 2
    with path.open("rb") as content:
        if not content.readline() or not content.read(1):
            return
    try:
        reader = pa_csv.open_csv(
            path,
            # One thread, because only then does a row know its number.
            read_options=pa_csv.ReadOptions(
                use_threads=False, column_names=list(header), skip_rows=1, block_size=_BATCH_BYTES
            ),
            parse_options=pa_csv.ParseOptions(invalid_row_handler=note, newlines_in_values=True),
            convert_options=_as_text(header, names),
        )
        for batch in reader:
            if ragged:
                break
            yield _numbered(batch, number, names)
            number += batch.num_rows
    except (pa.ArrowInvalid, UnicodeDecodeError):
        # The cause may quote a row, so it is not shown.
        raise not_utf8(path) from None
    if ragged:
        _raise_ragged(path, *ragged[0], len(header))


def read_unquoted(path: Path, declared: SourceFile, separator: str) -> pa.RecordBatchReader:
    """Read a file in which quotation marks and backslashes are characters like others; with a header.

    One separator more at the end of a row is allowed.

    Returns
    -------
    As :func:`read_quoted`.

    Raises
    ------
    InputDataError
        As :func:`read_quoted`.
    """
    header = read_header(path, separator)
    check_header(path, header, declared)
    names = _names(header, declared)
    return pa.RecordBatchReader.from_batches(_schema(names), _unquoted_batches(path, header, names, separator))


def _unquoted_batches(
    path: Path, header: Sequence[str], names: Sequence[str], separator: str
) -> Iterator[pa.RecordBatch]:
    number, rest = 2, b""
    with path.open("rb") as content:
        content.readline()
        while True:
            block = content.read(_BATCH_BYTES)
            whole, feed, rest = (rest + block).rpartition(b"\n") if block else (rest, b"", b"")
            text = whole + feed
            if text.strip():
                text = _with_equal_rows(path, text if text.endswith(b"\n") else text + b"\n", number, header, separator)
                yield _numbered(_parsed(path, text, header, names, separator), number, names)
                number += text.count(b"\n")
            if not block:
                return


def _with_equal_rows(path: Path, text: bytes, number: int, header: Sequence[str], separator: str) -> bytes:
    """Take away a separator at the end of rows; demand that every row has as many cells as the header."""
    text = text.replace(b"\r\n", b"\n")
    cells = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero(cells == _LINE_FEED)
    separators = np.searchsorted(np.flatnonzero(cells == ord(separator)), ends)
    counts = np.diff(separators, prepend=0)
    if (counts == len(header) - 1).all():
        return text
    rows = text.split(b"\n")
    mark = separator.encode()
    for place in np.flatnonzero(counts != len(header) - 1):
        if counts[place] != len(header) or not rows[place].endswith(mark):
            _raise_ragged(path, number + int(place), int(counts[place]) + 1, len(header))
        rows[place] = rows[place][:-1]
    return b"\n".join(rows)


def _parsed(path: Path, text: bytes, header: Sequence[str], names: Sequence[str], separator: str) -> pa.RecordBatch:
    try:
        rows = pa_csv.read_csv(
            io.BytesIO(text),
            read_options=pa_csv.ReadOptions(column_names=list(header), block_size=len(text) + 1),
            parse_options=pa_csv.ParseOptions(delimiter=separator, quote_char=False, ignore_empty_lines=False),
            convert_options=_as_text(header, names),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError):
        raise not_utf8(path) from None
    return rows.combine_chunks().to_batches()[0]


def _names(header: Sequence[str], declared: SourceFile) -> list[str]:
    return [field.name for field in declared.used if field.name in header]


def _schema(names: Sequence[str]) -> pa.Schema:
    return pa.schema([("line_number", pa.int64()), *((name, pa.string()) for name in names)])


def _as_text(header: Sequence[str], names: Sequence[str]) -> pa_csv.ConvertOptions:
    return pa_csv.ConvertOptions(
        column_types={name: pa.string() for name in header}, strings_can_be_null=False, include_columns=list(names)
    )


def _numbered(batch: pa.RecordBatch, number: int, names: Sequence[str]) -> pa.RecordBatch:
    numbers = pa.array(np.arange(number, number + batch.num_rows, dtype=np.int64))
    return pa.RecordBatch.from_arrays([numbers, *batch.columns], schema=_schema(names))


def _raise_ragged(path: Path, number: int, found: int, expected: int) -> None:
    raise problem(
        path,
        f"line {number} has {found} cells, expected {expected} as in the header",
        "the file may be truncated, a separator may stand in a value, or a quotation mark may be open; get it again",
    )
