"""Exact division and rounding on any engine.

Engines turn the quotient of two decimals into a binary float, which is wrong where a rule rounds. The
functions here take whole numbers (64-bit) and never depend on a float's last digit: the dividend is first
made an exact multiple of the divisor, so that rounding the float quotient to the nearest whole number
gives the exact one as long as it is below 2**50.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

RATE_DECIMALS = 10
"""Decimals that a rate keeps: more than any published rate has."""

RATE_TYPE = f"decimal(18, {RATE_DECIMALS})"
SCORE_DECIMALS = 12
SCORE_TYPE = f"decimal(18, {SCORE_DECIMALS})"

_CHUNK = 10**6


def exact(value: ir.Value, precision: int, scale: int) -> ir.DecimalValue:
    """Give a decimal result the type it is meant to have, rounded half up.

    Ibis infers the type of a product wrongly and then drops a cast to that type as superfluous; the wider
    type in between makes sure that the engine really casts.
    """
    return value.cast(f"decimal(38, {scale})").cast(f"decimal({precision}, {scale})")


def whole_sum(value: ir.IntegerValue) -> ir.IntegerValue:
    """Sum whole numbers to a 64-bit whole number, which DuckDB widens to 128 bits unnoticed by Ibis."""
    return value.sum().cast("decimal(38, 0)").cast("int64")


def in_units(value: ir.Value, decimals: int) -> ir.IntegerValue:
    """Express an exact decimal as a whole number of its last decimal place.

    The detour over a float is exact below 1e15 units, because its error stays far below the half unit that
    rounding to the nearest whole number allows; it spares the engine slow decimal arithmetic.

    Examples
    --------
    With ``decimals=3``, ``0.589`` becomes ``589``.
    """
    return (value.cast("float64") * float(10**decimals)).round().cast("int64")


def from_units(units: ir.IntegerValue, decimals: int) -> ir.DecimalValue:
    """Turn a whole number of the last decimal place into an exact decimal: the inverse of :func:`in_units`."""
    last_place = ibis.literal(f"0.{'1'.zfill(decimals)}").cast(f"decimal(18, {decimals})")
    return exact(units.cast("decimal(18, 0)") * last_place, 18, decimals)


def floor_quotient(dividend: ir.IntegerValue, divisor: ir.IntegerValue) -> ir.IntegerValue:
    """Divide whole numbers, dropping the remainder.

    Parameters
    ----------
    dividend
        Whole number, zero or more.
    divisor
        Whole number above zero; zero gives null.
    """
    divisor = divisor.nullif(0)
    multiple = dividend - dividend % divisor
    return (multiple.cast("float64") / divisor.cast("float64")).round().cast("int64")


def round_half_up_quotient(
    dividend: ir.IntegerValue, divisor: ir.IntegerValue, plus_halves: int = 0
) -> ir.IntegerValue:
    """Round ``dividend / divisor + plus_halves / 2`` to a whole number, halves upward, exactly.

    Parameters
    ----------
    dividend
        Whole number, zero or more.
    divisor
        Whole number above zero; zero gives null.
    plus_halves
        How many halves are added before rounding: 1 for ``+ 0.5``, -1 for ``- 0.5``.

    Examples
    --------
    ``9 / 2 = 4.5`` is rounded to 5; with ``plus_halves=1`` the value is 5.0 and stays 5.
    """
    # round(x, half up) = floor(x + 1/2), so everything is put over 2 * divisor.
    return floor_quotient(dividend * 2 + divisor * (plus_halves + 1), divisor * 2)


def divide_half_up(
    dividend: ir.IntegerValue, divisor: ir.IntegerValue, decimals: int = SCORE_DECIMALS
) -> ir.DecimalValue:
    """Divide whole numbers to a decimal, the last place rounded half up, exactly.

    Long division, six digits at a time, so that nothing leaves 64 bits.

    Parameters
    ----------
    dividend
        Whole number, zero or more.
    divisor
        Whole number above zero and below 4e12; zero gives null.
    decimals
        Decimals of the result, a multiple of 6; the result has 18 digits in all.

    Raises
    ------
    ValueError
        If ``decimals`` is not a multiple of 6.

    Examples
    --------
    ``divide_half_up(50, 3)`` is ``16.666666666667``.
    """
    if decimals % 6:
        raise ValueError(f"decimals must be a multiple of 6, not {decimals}")
    units = floor_quotient(dividend, divisor)
    remainder = dividend % divisor.nullif(0)
    for place in range(6, decimals + 1, 6):
        divide = round_half_up_quotient if place == decimals else floor_quotient
        units = units * _CHUNK + divide(remainder * _CHUNK, divisor)
        remainder = remainder * _CHUNK % divisor.nullif(0)
    return from_units(units, decimals)
