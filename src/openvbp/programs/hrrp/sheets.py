"""Sheets as CMS publishes them: title lines above the header, notes below the table, commas or tabs.

Sheets of hospital-specific reports hold patients. No cell of any sheet is ever quoted in a message here.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from openvbp.errors import InputDataError, Problem
from openvbp.text_tables import decode, normalized

HOSPITAL_COLUMNS = (
    "facility id",
    "provider id",
    "provider number",
    "provider",
    "prov",
    "ccn",
    "hospital ccn",
    "hospital cms certification number ccn",
)
"""Normalized names of the column with the hospital's CMS certification number."""

_DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}
_LINES_BEFORE_HEADER = 30
_MARKER = re.compile(r"\[[a-z]\]")
_FILLER = ("", "blank")


@dataclass(frozen=True)
class Sheet:
    """A table out of a published sheet, every cell as text."""

    path: Path
    titles: tuple[str, ...]
    """First cells of the lines above the header."""
    header: tuple[str, ...]
    labels: tuple[str, ...]
    """The header without footnote markers and punctuation, in lower case."""
    rows: tuple[tuple[str, ...], ...]
    """Rows below the header, each as long as it; notes and empty lines left out."""
    row_numbers: tuple[int, ...]
    """Number of each row in the file, counted from 1."""

    @property
    def name(self) -> str:
        """File name, for messages."""
        return self.path.name

    def find(self, *starts: str) -> int | None:
        """Find the first column whose label begins with one of the texts."""
        return next((index for index, label in enumerate(self.labels) if label.startswith(starts)), None)


def label(header: str) -> str:
    """Reduce a header to what stays the same from year to year.

    Examples
    --------
    >>> label("Excess Readmission Ratio (ERR) [f]*")
    'excess readmission ratio err'
    """
    return normalized(_MARKER.sub(" ", header))


def read_sheet(path: Path) -> Sheet | None:
    """Read a sheet; ``None`` if it has no header that HRRP files have.

    Raises
    ------
    InputDataError
        If the file is not text, not separated by commas or tabs, broken, truncated, or names a column twice.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _problem(path, f"file cannot be read: {error.strerror}", "give an existing, readable file") from error
    text = decode(path, content)
    lines = _lines(path, text)
    place = next((number for number, line in enumerate(lines[:_LINES_BEFORE_HEADER]) if _is_header(line)), None)
    if place is None:
        return None
    header = lines[place]
    while header and not header[-1]:
        header = header[:-1]
    labels = tuple(label(cell) for cell in header)
    repeated = [one for one, times in Counter(labels).items() if times > 1 and one]
    if repeated:
        raise InputDataError(
            Problem("column names repeat", str(path), "use the file as published", len(repeated), tuple(repeated[:3]))
        )
    numbered = _rows(path, lines, place, len(header))
    titles = tuple(line[0] for line in lines[:place] if line and line[0])
    return Sheet(
        path,
        titles,
        header,
        labels,
        tuple(row for _, row in numbered),
        tuple(number for number, _ in numbered),
    )


def _lines(path: Path, text: str) -> list[tuple[str, ...]]:
    head = "\n".join(text.splitlines()[:_LINES_BEFORE_HEADER])
    delimiter = max(_DELIMITERS, key=head.count)
    if delimiter not in (",", "\t"):
        raise _problem(
            path,
            f"columns are separated by {_DELIMITERS[delimiter]}, not commas or tabs",
            "save the file as comma-separated",
        )
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return [tuple(cell.strip() for cell in line) for line in reader]
    except csv.Error as error:
        raise _problem(
            path, f"line {reader.line_num} is broken: {error}", "the file may be truncated; download it again"
        ) from error


def _is_header(line: tuple[str, ...]) -> bool:
    labels = [label(cell) for cell in line]
    if sum(bool(one) for one in labels) < 2:
        return False
    first = labels[0]
    return (
        any(one in HOSPITAL_COLUMNS for one in labels)
        or first.startswith(("id number", "number of dual"))
        or (first == "measure" and len(labels) > 2)
    )


def _rows(path: Path, lines: list[tuple[str, ...]], place: int, width: int) -> list[tuple[int, tuple[str, ...]]]:
    """Keep the rows of the table; what has text in its first cell only is a note, unless it is cut off."""
    kept, wrong = [], []
    for number, line in enumerate(lines[place + 1 :], place + 2):
        cells = line
        while len(cells) > width and cells[-1] in _FILLER:
            cells = cells[:-1]
        if all(cell in _FILLER for cell in cells):
            continue
        is_note = all(cell in _FILLER for cell in cells[1:])
        if is_note and not re.fullmatch(r"[0-9]\w*", cells[0]):
            continue
        if len(cells) != width:
            wrong.append(number)
        else:
            kept.append((number, cells))
    if wrong:
        raise InputDataError(
            Problem(
                f"rows do not have the {width} cells of the header",
                str(path),
                "the file may be truncated or edited; download it again",
                len(wrong),
                tuple(f"line {number}" for number in wrong[:3]),
            )
        )
    return kept


def _problem(path: Path, what: str, what_to_do: str) -> InputDataError:
    return InputDataError(Problem(what, str(path), what_to_do))
