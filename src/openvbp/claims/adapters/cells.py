"""Cells of sources read: text to values, one kind of field after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

FIRST_YEAR, LAST_YEAR = 1900, 2100
"""Years that a date may lie in."""
_NO_DATE = pa.array(["1000-01-01", "9999-12-31"]).cast(pa.date32())
"""Dates that stand for none: CMS, Claim and Claim Line Feed Information Packet, version 43, section 3.6."""
_SEX = {"1": "male", "M": "male", "2": "female", "F": "female", "0": "unknown", "U": "unknown"}
_SEX |= {word.upper(): word for word in ("male", "female", "unknown")}
_FLAG = {
    "1": "true",
    "Y": "true",
    "T": "true",
    "TRUE": "true",
    "0": "false",
    "N": "false",
    "F": "false",
    "FALSE": "false",
}


@dataclass(frozen=True)
class CellKind:
    """A way to read a cell."""

    type: pa.DataType
    read: Callable[[pa.Array], pa.Array]
    """Gives the values of trimmed texts that are not empty; null where they have not the form."""
    form: str
    """How the form is described to the user."""


def _date(form: str, pattern: str, day_at: int, length: int = 99) -> Callable[[pa.Array], pa.Array]:
    """Read dates of one form; the two digits of the day begin at a place."""

    def read(text: pa.Array) -> pa.Array:
        written = _only(pc.utf8_slice_codeunits(text, 0, length), pattern)
        days = pc.strptime(written, format=form, unit="s", error_is_null=True).cast(pa.date32())
        # The 30th of February is taken for the 2nd of March.
        day = pc.utf8_slice_codeunits(written, day_at, day_at + 2).cast(pa.int64())
        return pc.if_else(pc.equal(pc.day(days), day), days, pa.scalar(None, pa.date32()))

    return read


def _decimal(decimals: int) -> Callable[[pa.Array], pa.Array]:
    """Read numbers that have no more decimals than they may have, zeros at the end aside."""
    form = rf"^[+-]?[0-9]{{1,{18 - decimals}}}(\.[0-9]{{0,{decimals}}}0{{0,8}})?$"

    def read(text: pa.Array) -> pa.Array:
        digits = _only(text, form)
        return digits.cast(pa.decimal128(38, decimals + 8)).cast(pa.decimal128(18, decimals))

    return read


def _count(text: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(_only(text, r"^[+-]?[0-9]{1,15}(\.0*)?$"), r"\..*$|^[+]", "").cast(pa.int64())


def _upper(text: pa.Array) -> pa.Array:
    return pc.utf8_upper(text)


def _diagnosis(text: pa.Array) -> pa.Array:
    return pc.replace_substring(_upper(text), ".", "")


def _drg(text: pa.Array) -> pa.Array:
    # Some feeds write four digits, the first of them a zero.
    return pc.replace_substring_regex(text, r"^0([0-9]{3})$", r"\1")


def _two_digits(text: pa.Array) -> pa.Array:
    # Leading zeros get lost on the way.
    return pc.replace_substring_regex(_upper(text), r"^([0-9])$", r"0\1")


def _four_digits(text: pa.Array) -> pa.Array:
    return pc.if_else(pc.match_substring_regex(text, r"^[0-9]{1,3}$"), pc.utf8_lpad(text, 4, "0"), _upper(text))


def _words(words: Mapping[str, str], kind: pa.DataType) -> Callable[[pa.Array], pa.Array]:
    codes, meanings = pa.array(words.keys()), pa.array(words.values())
    return lambda text: meanings.take(pc.index_in(_upper(text), codes)).cast(kind)


def _only(text: pa.Array, form: str) -> pa.Array:
    return pc.if_else(pc.match_substring_regex(text, form), text, pa.scalar(None, pa.string()))


_DAY, _TEXT = pa.date32(), pa.string()
_NOTHING = pa.array(["", "~"])
KINDS = {
    "text": CellKind(_TEXT, lambda text: text, "a text"),
    "code": CellKind(_TEXT, _upper, "a code"),
    "npi": CellKind(_TEXT, _upper, "an identifier"),
    "ccn": CellKind(_TEXT, _upper, "a CMS certification number"),
    "diagnosis": CellKind(_TEXT, _diagnosis, "a diagnosis or procedure code"),
    "two_digits": CellKind(_TEXT, _two_digits, "a code of two digits"),
    "four_digits": CellKind(_TEXT, _four_digits, "a code of four digits"),
    "drg": CellKind(_TEXT, _drg, "a diagnosis-related group"),
    "sex": CellKind(_TEXT, _words(_SEX, _TEXT), "a code of sex: 0, 1, 2, F, M, U"),
    "flag": CellKind(pa.bool_(), _words(_FLAG, pa.bool_()), "yes or no"),
    "date": CellKind(_DAY, _date("%Y-%m-%d", r"^\d{4}-\d\d-\d\d$", 8, 10), "a date such as 2024-01-31"),
    "date_ymd": CellKind(_DAY, _date("%Y%m%d", r"^\d{8}$", 6), "a date such as 20240131"),
    "date_dmy": CellKind(_DAY, _date("%d-%b-%Y", r"^\d\d-[A-Za-z]{3}-\d{4}$", 0), "a date such as 31-JAN-2024"),
    "year_month": CellKind(
        pa.int64(), lambda text: _count(_only(text, r"^(19|20)\d\d(0[1-9]|1[0-2])$")), "a month: 202401"
    ),
    "year": CellKind(pa.int64(), lambda text: _count(_only(text, r"^(19|20)\d\d(\.0*)?$")), "a year such as 2024"),
    "amount": CellKind(pa.decimal128(18, 2), _decimal(2), "an amount of money such as -1234.50"),
    "quantity": CellKind(pa.decimal128(18, 4), _decimal(4), "a number of at most four decimals"),
    "count": CellKind(pa.int64(), _count, "a whole number"),
}
"""Ways to read a cell, by the name that layouts use."""


def read_cells(cells: pa.Array, kind: str) -> tuple[pa.Array, pa.Array]:
    """Read the cells of a field.

    Parameters
    ----------
    cells
        As they stand in the file; typed where the file is.
    kind
        A key of :data:`KINDS`.

    Returns
    -------
    Their texts without blanks around them, null where blank or standing for nothing; and their values, null where the
    text is, or has not the form.
    """
    wanted = KINDS[kind].type
    if pa.types.is_timestamp(cells.type) and wanted == _DAY:
        cells = cells.cast(pa.date32(), safe=False)
    if cells.type == wanted and wanted != _TEXT:
        return cells.cast(pa.string()), cells
    text = pc.utf8_trim_whitespace(cells.cast(pa.string()))
    # A tilde stands for no provider, no code, in the Claim and Claim Line Feed.
    text = pc.if_else(pc.is_in(text, _NOTHING), pa.scalar(None, pa.string()), text)
    return text, KINDS[kind].read(text) if text.null_count < len(text) else pa.nulls(len(text), wanted)


def is_far(days: pa.Array) -> pa.Array:
    """Whether dates lie outside the years that are accepted, and do not stand for none."""
    year = pc.year(days)
    outside = pc.or_(pc.less(year, FIRST_YEAR), pc.greater(year, LAST_YEAR))
    return pc.and_(outside, pc.invert(pc.is_in(days, _NO_DATE)))


def without_no_date(days: pa.Array) -> pa.Array:
    """Give dates, null where they stand for none."""
    return pc.if_else(pc.is_in(days, _NO_DATE), pa.scalar(None, pa.date32()), days)
