"""Text of files whose fields have fixed widths, read in batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from openvbp.claims.adapters.layout import Field, SourceFile
from openvbp.claims.adapters.text_problems import not_plain_text, problem

_BATCH_BYTES = 32_000_000
_LINE_FEED, _RETURN, _LAST_PLAIN = 10, 13, 127


def read_fixed_width(path: Path, declared: SourceFile) -> pa.RecordBatchReader:
    """Read a fixed-width file.

    Parameters
    ----------
    path
        Plain text (ASCII), one row per line.
    declared
        Its layout; the width of the first line says which version it is.

    Returns
    -------
    Batches of ``line_number`` (from 1) and one text per field in use, as it stands in the file.

    Raises
    ------
    InputDataError
        If the file is empty, no version has rows of its width, a line has another width, or a byte is not plain text:
        at once for the first line, while reading for later ones.
    """
    with path.open("rb") as content:
        first = content.readline().rstrip(b"\r\n")
    if not first:
        raise problem(path, "file is empty" if not path.stat().st_size else "line 1 is empty", "give the whole file")
    if len(first) not in declared.widths:
        expected = " or ".join(str(width) for width in declared.widths)
        raise problem(
            path,
            f"line 1 has {len(first)} characters; rows of {declared.name} have {expected}",
            "the file has another version of the layout, or is another file; get the declared one",
        )
    fields = declared.version(len(first))
    names = [field.name for field in fields if field.target]
    schema = pa.schema([("line_number", pa.int64()), *((name, pa.string()) for name in names)])
    return pa.RecordBatchReader.from_batches(schema, _batches(path, len(first), fields, schema))


def _batches(path: Path, width: int, fields: tuple[Field, ...], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    line_number = 1
    with path.open("rb") as content:
        ending = len(content.readline()) - width
        content.seek(0)
        stride = width + max(ending, 1)
        while block := content.read(max(_BATCH_BYTES // stride, 1) * stride):
            if len(block) % stride == width:
                block += b"\n" if stride == width + 1 else b"\r\n"
            rows = _rows(path, block, width, stride, line_number)
            yield _batch(rows, fields, line_number, schema)
            line_number += len(rows)


def _rows(path: Path, block: bytes, width: int, stride: int, line_number: int) -> np.ndarray:
    """Lay a block out as lines × characters, or say which line is not as wide as the others."""
    cells = np.frombuffer(block, dtype=np.uint8)
    is_whole = len(cells) % stride == 0
    rows = cells.reshape(-1, stride) if is_whole else cells[:0].reshape(0, stride)
    ends = rows[:, -1] == _LINE_FEED
    if not is_whole or not ends.all() or np.count_nonzero(cells == _LINE_FEED) != len(rows):
        _raise_wrong_width(path, block, width, line_number)
    if cells.max(initial=0) > _LAST_PLAIN:
        place = int(np.argmax(cells > _LAST_PLAIN))
        raise not_plain_text(path, line_number + place // stride, int(cells[place]))
    return rows


def _raise_wrong_width(path: Path, block: bytes, width: int, line_number: int) -> None:
    lines = block.split(b"\n")
    wrong = [
        (number, len(line.rstrip(b"\r")))
        for number, line in enumerate(lines, line_number)
        if len(line.rstrip(b"\r")) != width and (line or number < line_number + len(lines) - 1)
    ]
    number, found = wrong[0]
    raise problem(
        path,
        f"line {number} has {found} characters, expected {width}",
        "lines must be as wide as the layout, blanks at the end included; get the file again, unchanged",
    )


def _batch(rows: np.ndarray, fields: tuple[Field, ...], line_number: int, schema: pa.Schema) -> pa.RecordBatch:
    columns: list[pa.Array] = [pa.array(np.arange(line_number, line_number + len(rows), dtype=np.int64))]
    start = 0
    for field in fields:
        if field.target:
            characters = np.ascontiguousarray(rows[:, start : start + field.width])
            ends = np.arange(len(rows) + 1, dtype=np.int32) * field.width
            columns.append(
                pa.Array.from_buffers(pa.string(), len(rows), [None, pa.py_buffer(ends), pa.py_buffer(characters)])
            )
        start += field.width
    return pa.RecordBatch.from_arrays(columns, schema=schema)
