"""Published tables of a year as text: found by the year in the file's name, as CSV or as Parquet of texts."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from openvbp.errors import InputDataError, Problem
from openvbp.text_tables import check_header, decode, normalized

_WHAT_TO_DO = "give the file as published"


@dataclass(frozen=True)
class PublishedTable:
    """A published table with every cell as text, stripped of surrounding blanks."""

    path: Path
    sha256: str
    rows: pa.Table
    """``row_number`` of the file and the columns by their normalized names."""

    def require(self, columns: Sequence[str]) -> None:
        """Raise an ``InputDataError`` if columns are missing."""
        missing = [name for name in columns if name not in self.rows.column_names]
        if missing:
            raise InputDataError(
                Problem("columns are missing", str(self.path), _WHAT_TO_DO, len(missing), tuple(missing))
            )


def find_tables(directory: Path, part: str, period_label: str) -> list[Path]:
    """Find the files of a year by their names, for example ``indicator_2011_12.parquet`` or ``PREVALENCE_1920.csv``.

    Parameters
    ----------
    directory
        Folder with published files of one or more years.
    part
        What the files' names begin with.
    period_label
        The year, for example ``2011/12``.

    Raises
    ------
    InputDataError
        If a file of the year has the same content as another file.
    """
    first, last = period_label.split("/")
    year = rf"(?<!\d)({first}[_-]?{last}|{first[2:]}[_-]?{last})(?!\d)"
    every = sorted(
        one
        for one in directory.iterdir()
        if one.suffix.lower() in (".csv", ".parquet") and one.name.lower().startswith(part)
    )
    found = [one for one in every if re.search(year, one.stem)]
    same = [(one, other) for one in found for other in every if one != other and _is_same(one, other)]
    if same:
        raise InputDataError(
            Problem(
                "the same content is stored in two files",
                str(directory),
                "remove the one whose name is wrong",
                2,
                tuple(one.name for one in same[0]),
            )
        )
    return found


def find_table(directory: Path, part: str, period_label: str) -> Path | None:
    """Find the only file of a year; ``None`` if there is none.

    Raises
    ------
    InputDataError
        If there are several files of the year, or another file has the same content.
    """
    found = find_tables(directory, part, period_label)
    if len(found) > 1:
        names = tuple(one.name for one in found)
        problem = Problem(f"several files of {period_label}", str(directory), "keep one of them", len(found), names)
        raise InputDataError(problem)
    return found[0] if found else None


def _is_same(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and _sha256(one) == _sha256(other)


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def read_table(path: Path) -> PublishedTable:
    """Read a table as text.

    Raises
    ------
    InputDataError
        If the file is missing, empty, neither CSV nor Parquet, or truncated.
    """
    try:
        rows = pq.read_table(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputDataError(Problem("file cannot be read", str(path), _WHAT_TO_DO)) from error
    if not rows.num_rows:
        raise InputDataError(Problem("file has no rows", str(path), _WHAT_TO_DO))
    names = [normalized(name).replace(" ", "_") for name in rows.column_names]
    texts = [_text(rows[name]) for name in rows.column_names]
    numbers = pa.array(range(2, rows.num_rows + 2), pa.int64())
    return PublishedTable(
        path, _sha256(path), pa.table({"row_number": numbers, **dict(zip(names, texts, strict=True))})
    )


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.utf8_trim_whitespace(pc.fill_null(column.cast(pa.string()), ""))


def _read_csv(path: Path) -> pa.Table:
    content = decode(path, path.read_bytes()).lstrip("\ufeff").encode()
    if not content.strip():
        raise InputDataError(Problem("file is empty", str(path), _WHAT_TO_DO))
    header = next(csv.reader(io.StringIO(content.decode())))
    check_header(path, tuple(header))
    try:
        return pa_csv.read_csv(
            io.BytesIO(content),
            parse_options=pa_csv.ParseOptions(newlines_in_values=False),
            convert_options=pa_csv.ConvertOptions(
                column_types={name: pa.string() for name in header}, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        # The cause may quote a whole row.
        raise InputDataError(
            Problem(
                "rows do not have the cells of the header", str(path), "the file may be truncated; download it again"
            )
        ) from None
