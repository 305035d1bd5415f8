"""Code systems of claims: the form of their codes, the numbers of providers, and the lists of codes that users give."""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from openvbp.claims.contract import load_table
from openvbp.exact_yaml import load_exact

NPI_PREFIX_SUM = 24
"""What the digits 80840, which stand before every NPI, add to its Luhn sum (CMS, NPI check digit)."""
CCN_FORM = "^(0[1-9]|[1-9][0-9])([0-9]{4}|[0-9A-Z][0-9]{3}|[0-9]{3}[A-Z]|C[0-9]{7})$"
"""State, then four characters: digits, a letter first (units) or last (Veterans Affairs); surgical centres have ten."""


@dataclass(frozen=True)
class CodeSystem:
    """A code system as claims use it."""

    name: str
    form: str
    """Regular expression of a normalized code."""
    table: str
    columns: tuple[str, ...]
    code_type_column: str = ""
    code_type: str = ""
    """Value of ``code_type_column`` in rows whose codes are of this system; empty where all are."""
    has_dot: bool = False
    """Whether its codes are often written with a dot, which is no part of them."""
    is_needed: bool = False
    """Whether its list must be among the lists given."""
    compared: str = ""
    """Regular expression of the codes that lists are about; empty where they are about all."""
    list_columns: tuple[str, ...] = ()
    """Names that the column of codes may have in a list; empty where no lists are read."""


class UnusableListError(Exception):
    """A code list cannot be used; the message says why, without its path."""


@functools.cache
def code_systems() -> dict[str, CodeSystem]:
    """Give every code system by its name."""
    declared: dict[str, dict[str, Any]] = load_exact(_resource("code_systems.yaml"))
    return {name: _system(name, one) for name, one in declared.items()}


def _system(name: str, declared: dict[str, Any]) -> CodeSystem:
    column, code_type = declared.get("code_type", ("", ""))
    table = declared.get("table", "medical_claim")
    return CodeSystem(
        name,
        declared["form"],
        table,
        tuple(column for column in load_table(table).column if re.fullmatch(declared["columns"], column)),
        column,
        code_type,
        declared.get("has_dot", False),
        declared.get("needed", False),
        declared.get("compared", ""),
        tuple(declared.get("lists", ())),
    )


@functools.cache
def specialties() -> frozenset[str]:
    """Give CMS' specialty codes, two characters each (``cms_specialties.csv``)."""
    return frozenset(row["specialty_code"] for row in csv.DictReader(_resource("cms_specialties.csv").splitlines()))


def _resource(name: str) -> str:
    return files("openvbp.claims").joinpath(name).read_text(encoding="utf-8")


def normalized_code(code: ir.StringValue, *, has_dot: bool) -> ir.StringValue:
    """Write a code as code lists do: in capitals, without blanks around it and, where it has one, without its dot."""
    plain = code.strip().upper()
    return plain.replace(".", "") if has_dot else plain


def is_npi(number: ir.StringValue) -> ir.BooleanValue:
    """Tell whether a text is a National Provider Identifier.

    Parameters
    ----------
    number
        Any text.

    Returns
    -------
    True for ten digits that begin with 1 or 2 and whose last is the Luhn check digit of 80840 and the nine before it.

    Source: CMS, National Provider Identifier standard, check digit calculation.
    """
    digits = ibis.ifelse(number.re_search("^[12][0-9]{9}$"), number, ibis.null("string")).cast("int64")
    total = ibis.literal(NPI_PREFIX_SUM)
    for place in range(10):
        digit = (digits // 10**place) % 10
        # Every second digit from the right counts double, as the sum of its own digits.
        total = total + (digit * 2 - ibis.ifelse(digit >= 5, 9, 0) if place % 2 else digit)
    return (total % 10 == 0).fill_null(False)  # noqa: FBT003


def find_list(folder: Path, system: CodeSystem) -> Path | None:
    """Find a system's list in a folder: ``<name>.csv``, or a file whose name ends in ``__<name>.csv``."""
    plain = folder / f"{system.name}.csv"
    found = [plain] if plain.is_file() else sorted(folder.glob(f"*__{system.name}.csv"))
    return found[0] if found else None


def read_list(path: Path, system: CodeSystem) -> Sequence[str]:
    """Read the codes of a list, normalized.

    Raises
    ------
    UnusableListError
        If the file is not UTF-8 text, has no column of codes, no rows, or rows that are not as long as the header
        while the codes are not in the first column: an unquoted comma may have moved them, unnoticed.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            rows = list(csv.reader(lines, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnusableListError("not UTF-8 text separated by commas") from error
    header = [name.strip() for name in rows[0]] if rows else []
    ragged = [number for number, row in enumerate(rows[1:], start=2) if row and len(row) != len(header)]
    place = next((header.index(name) for name in system.list_columns if name in header), None)
    if place is None:
        raise UnusableListError("no column " + " or ".join(system.list_columns))
    # What is not the first column can have been moved by an unquoted comma before it.
    if ragged and place:
        raise UnusableListError(f"{len(ragged):,} rows are not as long as the header, the first in line {ragged[0]:,}")
    codes = {row[place].strip().upper() for row in rows[1:] if row} - {""}
    if not codes:
        raise UnusableListError("no rows")
    return sorted(code.replace(".", "") if system.has_dot else code for code in codes)
