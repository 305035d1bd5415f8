"""Input tables that a program declares: CSV files of the user with named, typed and bounded columns.

Published files change their form from year to year and their readers must guess; these have one form. What is wrong
with a file as a whole stops the run here; rows are looked at in ``checked_rows.py``. No cell of a patient-level table
ever reaches a message or the list of rejected cells.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from openvbp.errors import InputDataError, Problem
from openvbp.text_tables import check_header

Kind = Literal["text", "hospital", "code", "date", "yes_no", "amount", "ratio", "factor", "weight", "count", "score"]


@dataclass(frozen=True)
class DeclaredColumn:
    """One column of an input table."""

    name: str
    kind: Kind
    is_optional: bool = False
    """Whether the column may be absent; then all its cells are empty."""
    may_be_empty: bool = False
    lowest: int | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class DeclaredTable:
    """One input file."""

    file_name: str
    columns: tuple[DeclaredColumn, ...]
    key: tuple[str, ...]
    """Columns that together name a row."""
    is_patient_level: bool = False


@dataclass(frozen=True)
class TextRows:
    """A file's rows as text, with the number of each."""

    declared: DeclaredTable
    path: Path
    sha256: str
    rows: pa.Table


def read_rows(directory: Path, declared: DeclaredTable) -> TextRows:
    """Read a declared file as text.

    Raises
    ------
    InputDataError
        If the file is missing, empty, not UTF-8 text, not separated by commas, truncated, or lacks a column or has
        one that is not declared.
    """
    path = directory / declared.file_name
    if not path.is_file():
        wanted = [column.name for column in declared.columns if not column.is_optional]
        raise _problem(path, "file is missing", "add it, with the columns " + ",".join(wanted))
    header = _header(path)
    _check_columns(path, header, declared)
    ragged: list[int] = []

    def note(row: pa_csv.InvalidRow) -> str:
        ragged.append(row.number or 0)
        return "skip"

    try:
        rows = pa_csv.read_csv(
            path,
            # One thread, because only then does a row know its number.
            read_options=pa_csv.ReadOptions(use_threads=False, column_names=list(header), skip_rows=1),
            parse_options=pa_csv.ParseOptions(invalid_row_handler=note),
            convert_options=pa_csv.ConvertOptions(
                column_types={name: pa.string() for name in header}, strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError):
        # The cause may quote a row, so it is not shown.
        raise _problem(path, "file cannot be read as UTF-8 CSV", "save it as comma-separated UTF-8 text") from None
    spanning = sum(pc.sum(pc.match_substring_regex(rows[name], "[\r\n]")).as_py() or 0 for name in header)
    if ragged or spanning:
        raise InputDataError(
            Problem(
                f"rows do not have the {len(header)} cells of the header",
                str(path),
                "the file may be truncated or a quotation mark may be open; write it again",
                len(ragged) + spanning,
                tuple(f"row {number}" for number in ragged[:3]),
            )
        )
    if not rows.num_rows:
        raise _problem(path, "file has no rows", "write at least one row below the header")
    numbers = pa.array(range(2, rows.num_rows + 2), pa.int64())
    trimmed = {name: pc.utf8_trim_whitespace(rows[name]) for name in header}
    return TextRows(declared, path, _sha256(path), pa.table({"row_number": numbers, **trimmed}))


def _header(path: Path) -> tuple[str, ...]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            header = next(csv.reader(lines), [])
    except UnicodeDecodeError:
        raise _problem(path, "file is not UTF-8 text", "save it as comma-separated UTF-8 text") from None
    except OSError as error:
        raise _problem(path, f"file cannot be read: {error.strerror}", "give a readable file") from error
    if not header:
        raise _problem(path, "file is empty", "write a header and rows")
    names = tuple(name.strip() for name in header)
    check_header(path, names)
    return names


def _check_columns(path: Path, header: Sequence[str], declared: DeclaredTable) -> None:
    known = [column.name for column in declared.columns]
    missing = [column.name for column in declared.columns if not column.is_optional and column.name not in header]
    unknown = [name for name in header if name not in known]
    problems = []
    if missing:
        problems.append(
            Problem("columns are missing", str(path), "add them", len(missing), tuple(missing)),
        )
    if unknown:
        problems.append(
            Problem(
                "columns are not known",
                str(path),
                "rename or remove them; known are " + ", ".join(known),
                len(unknown),
                tuple(unknown[:3]),
            )
        )
    if problems:
        raise InputDataError(problems)


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _problem(path: Path, what: str, what_to_do: str) -> InputDataError:
    return InputDataError(Problem(what, str(path), what_to_do))
