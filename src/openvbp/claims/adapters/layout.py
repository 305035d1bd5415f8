"""Layouts of sources, read from ``layouts/``: which fields a file has, how wide they are, what they become."""

from __future__ import annotations

import csv
import functools
import re
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "layouts"
_REPEATED = re.compile(r"\{1\.\.(\d+)\}")


@dataclass(frozen=True)
class Field:
    """A field of a source's file."""

    name: str
    """As the source calls it."""
    target: str = ""
    """Column it is turned into; empty where the field is not used."""
    kind: str = ""
    """How its text is read: a key of :data:`openvbp.claims.adapters.cells.KINDS`."""
    width: int = 0
    """Characters, where fields have fixed widths."""
    is_required: bool = False
    """Whether a row without it is rejected."""


@dataclass(frozen=True)
class SourceFile:
    """One kind of file of a source."""

    name: str
    fields: tuple[Field, ...]
    widths: tuple[int, ...] = ()
    """Widths that a row may have, the widest first: older versions of a layout end earlier."""

    @property
    def used(self) -> tuple[Field, ...]:
        """Fields that are turned into columns."""
        return tuple(field for field in self.fields if field.target)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the fields without which a file cannot be read."""
        return tuple(field.name for field in self.fields if field.is_required)

    def version(self, width: int) -> tuple[Field, ...]:
        """Fields of the version of a layout whose rows have a width."""
        fields, end = [], 0
        for field in self.fields:
            end += field.width
            if end > width:
                break
            fields.append(field)
        return tuple(fields)


@functools.cache
def load_layout(source: str) -> dict[str, SourceFile]:
    """Read the layout of a source.

    Parameters
    ----------
    source
        Name of a file in ``layouts/``, without its ending. Its columns: ``file`` (kind of file), ``field``, ``width``
        (fixed-width files only), ``target``, ``kind``, ``required`` and ``row_may_end`` (``yes`` where the rows of an
        older version end after the field). ``{1..12}`` in a field and its target stands for twelve fields.

    Returns
    -------
    Kinds of files by name.

    Examples
    --------
    >>> load_layout("cclf")["identifier"].widths
    (55,)
    """
    fields: dict[str, list[Field]] = {}
    ends: dict[str, list[int]] = {}
    with (_FOLDER / f"{source}.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            known = fields.setdefault(row["file"], [])
            known.extend(_fields(row))
            if row.get("row_may_end"):
                ends.setdefault(row["file"], []).append(sum(field.width for field in known))
    return {
        name: SourceFile(name, tuple(known), _widths(sum(field.width for field in known), ends.get(name, [])))
        for name, known in fields.items()
    }


def _fields(row: dict[str, str]) -> list[Field]:
    found = _REPEATED.search(row["field"])
    numbers = range(1, int(found[1]) + 1) if found else (None,)
    return [
        Field(
            name=_REPEATED.sub(str(number), row["field"]),
            target=_REPEATED.sub(str(number), row["target"]),
            kind=row["kind"],
            width=int(row.get("width") or 0),
            is_required=row["required"] == "yes",
        )
        for number in numbers
    ]


def _widths(whole: int, ends: list[int]) -> tuple[int, ...]:
    return tuple(sorted({whole, *ends}, reverse=True)) if whole else ()
