"""Rows of CSV files of tables, read whole and checked for their shape."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

from openvbp.errors import InputDataError, Problem
from openvbp.risk.tables import TableFile
from openvbp.text_tables import decode


def whole_table(path: Path) -> list[list[str]]:
    """Read header and rows, each of as many cells as the header."""
    header, *rows = [row for row in csv.reader(io.StringIO(text_of(path))) if any(row)] or [[]]
    ragged = [number for number, row in enumerate(rows, start=2) if len(row) != len(header)]
    if ragged:
        what = f"rows do not have the {len(header)} cells of the header"
        examples = tuple(f"row {number}" for number in ragged[:3])
        raise InputDataError(Problem(what, str(path), "the file may be truncated", len(ragged), examples))
    return [header, *rows]


def rows_of(path: Path, columns: Sequence[str], **equal: str) -> list[dict[str, str]]:
    """Read columns of the rows in which others have given values."""
    header, *whole = whole_table(path)
    missing = [name for name in (*columns, *equal) if name not in header]
    if missing:
        problem = Problem("columns are missing", str(path), "add them", len(missing), tuple(missing))
        raise InputDataError(problem)
    places = [header.index(name) for name in columns]
    wanted = [(header.index(name), value) for name, value in equal.items()]
    rows = [row for row in whole if all(row[place] == value for place, value in wanted)]
    return [dict(zip(columns, [row[place].strip() for place in places], strict=True)) for row in rows]


def text_of(path: Path) -> str:
    """Text of a file; an error if it is not there."""
    if not path.is_file():
        raise InputDataError(Problem("file is missing", str(path), "add it"))
    return decode(path, path.read_bytes())


def table_file(path: Path, rows: int) -> TableFile:
    """Name a file that was read, for the record of a run."""
    return TableFile(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), rows)
