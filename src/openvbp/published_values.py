"""Reading published cells: numbers, percentages, points, and the ways of saying that there is none.

Each function takes a text column. A cell that is neither a value nor a missing-marker gives null here and a
reason from :func:`problem`, so that it is rejected with its reason and never lost.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from openvbp.money import RATE_DECIMALS, RATE_TYPE, SCORE_TYPE, exact

MISSING = ("", "Not Available", "Not Applicable", "N/A", "NA", "-", "--")
"""How publishers write that there is no value."""

_NUMBER = r"^-?[0-9]{1,7}([.][0-9]{1,10})?$"
_PERCENT = r"^-?[0-9]{1,7}([.][0-9]{1,8})? ?%$"
_POINTS = r"^[0-9]{1,3}([.]0+)?( out of [0-9]{1,3})?$"
_AMOUNT = r"^-?[0-9]{1,15}([.][0-9]{1,2})?$"
AMOUNT_TYPE = "decimal(18, 2)"
_SCORE = r"^[0-9]{1,3}([.][0-9]{1,12})?$"


def is_missing(text: ir.StringValue) -> ir.BooleanValue:
    """Whether the cell says that there is no value (or there is no cell)."""
    return text.isnull() | text.isin(MISSING)


def as_rate(text: ir.StringValue) -> ir.DecimalValue:
    """Read ``0.869247`` or ``77.4970%`` as an exact ratio."""
    number = ibis.ifelse(text.re_search(_NUMBER), text, ibis.null("string")).cast(RATE_TYPE)
    percent = ibis.ifelse(text.re_search(_PERCENT), text.re_replace("[ %]", ""), ibis.null("string")).cast(RATE_TYPE)
    hundredth = ibis.literal("0.01").cast("decimal(3, 2)")
    return ibis.coalesce(number, exact(percent * hundredth, 18, RATE_DECIMALS))


def as_amount(text: ir.StringValue) -> ir.DecimalValue:
    """Read ``48211736.50`` or ``$48,211,736.50`` as exact money; more than two decimals are no amount."""
    plain = text.re_replace("[$, ]", "")
    return ibis.ifelse(plain.re_search(_AMOUNT), plain, ibis.null("string")).cast(AMOUNT_TYPE)


def as_points(text: ir.StringValue) -> ir.IntegerValue:
    """Read ``7 out of 10`` or ``17`` as whole points."""
    digits = text.re_extract("^([0-9]+)", 1)
    return ibis.ifelse(text.re_search(_POINTS), digits, ibis.null("string")).cast("int64")


def as_score(text: ir.StringValue) -> ir.DecimalValue:
    """Read a score of up to 12 decimals."""
    return ibis.ifelse(text.re_search(_SCORE), text, ibis.null("string")).cast(SCORE_TYPE)


def problem(
    text: ir.StringValue,
    value: ir.Value,
    lowest: ir.Value | float | None = None,
    highest: ir.Value | float | None = None,
) -> ir.StringValue:
    """Say why a cell cannot be used; null where it can.

    Parameters
    ----------
    text
        The cell as published.
    value
        The same cell as read by one of the functions above.
    lowest, highest
        Bounds of possible values, included.
    """
    cases = [
        (is_missing(text), ibis.null("string")),
        (value.isnull(), ibis.literal("not a number of the expected form")),
    ]
    if lowest is not None:
        cases.append((value < lowest, ibis.literal("below the lowest possible value")))
    if highest is not None:
        cases.append((value > highest, ibis.literal("above the highest possible value")))
    return ibis.cases(*cases, else_=ibis.null("string"))
