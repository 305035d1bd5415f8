"""Published tables as text: encodings, delimiters, truncation and header names told apart from content.

Publishers change column names, encodings and quoting between years; here every cell stays text, so that
leading zeros and markers such as "Not Available" survive until a program's reader interprets them.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from openvbp.errors import InputDataError, Problem

_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_OTHER_DELIMITERS = {";": "semicolon", "\t": "tab", "|": "vertical bar"}


@dataclass(frozen=True)
class TextTable:
    """A published table with every cell as text, stripped of surrounding blanks."""

    path: Path
    sha256: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """Rows in the order of the file, without wholly blank lines; each as long as the header."""

    @property
    def name(self) -> str:
        """File name, for messages."""
        return self.path.name

    def column(self, index: int) -> list[str]:
        """Cells of one column."""
        return [row[index] for row in self.rows]


def normalized(header: str) -> str:
    """Reduce a header to what does not change between releases: lower case, single blanks, no punctuation.

    Examples
    --------
    >>> normalized("MORT-30-AMI  Achievement_Threshold ")
    'mort 30 ami achievement threshold'
    """
    return re.sub(r"[^a-z0-9]+", " ", header.lower()).strip()


def read_text_table(path: Path) -> TextTable:
    """Read a delimited text file.

    Raises
    ------
    InputDataError
        If the file is missing, empty, not text, not separated by commas, has repeated column names, or has
        rows with more or fewer cells than the header (a truncated file).
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _problem(path, f"file cannot be read: {error.strerror}", "give an existing, readable file") from error
    text = decode(path, content)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [tuple(cell.strip() for cell in line) for line in reader]
    except csv.Error as error:
        raise _problem(
            path, f"line {reader.line_num} is broken: {error}", "the file may be truncated; download it again"
        ) from error
    rows = [line for line in lines if any(line)]
    if len(rows) < 2:
        raise _problem(path, "file has no rows", "download it again")
    header = rows[0]
    check_header(path, header)
    wrong = [row for row in rows[1:] if len(row) != len(header)]
    if wrong:
        raise InputDataError(
            Problem(
                f"rows do not have the {len(header)} cells of the header",
                str(path),
                "the file may be truncated or edited; download it again",
                len(wrong),
                tuple(f"{len(row)} cells in the row that begins with '{row[0]}'" for row in wrong[:3]),
            )
        )
    return TextTable(path, hashlib.sha256(content).hexdigest(), header, tuple(rows[1:]))


def decode(path: Path, content: bytes) -> str:
    """Turn a file's bytes into text, whatever the encoding; raise an ``InputDataError`` if they are not text."""
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark)), None)
    try:
        return content.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        if encoding is None and b"\x00" not in content:
            return content.decode("cp1252", errors="replace")
    raise _problem(path, "file is not text", "give the published CSV file, not an archive or workbook")


def check_header(path: Path, header: tuple[str, ...]) -> None:
    """Raise an ``InputDataError`` if columns are not separated by commas or a name comes twice."""
    if len(header) == 1:
        found = [name for mark, name in _OTHER_DELIMITERS.items() if mark in header[0]]
        if found:
            raise _problem(
                path, f"columns are separated by {found[0]}s, not commas", "save the file as comma-separated"
            )
    repeated = [name for name, times in Counter(normalized(name) for name in header).items() if times > 1]
    if repeated:
        raise InputDataError(
            Problem("column names repeat", str(path), "use the file as published", len(repeated), tuple(repeated[:3]))
        )


def _problem(path: Path, what: str, what_to_do: str) -> InputDataError:
    return InputDataError(Problem(what, str(path), what_to_do))
