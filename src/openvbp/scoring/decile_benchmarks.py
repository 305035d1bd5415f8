"""Points by published decile starts: whole points for the decile reached, a fraction for the way to the next one."""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir

from openvbp import money

DECILES = 10
VALUE_DECIMALS = 6
"""Decimals of rates and decile starts."""
VALUE_TYPE = f"decimal(18, {VALUE_DECIMALS})"
POINT_DECIMALS = 10
POINT_TYPE = f"decimal(18, {POINT_DECIMALS})"


def decile_reached(
    value: ir.DecimalValue, starts: Mapping[int, ir.DecimalValue], is_inverse: ir.BooleanValue
) -> ir.IntegerValue:
    """Find the best decile whose start the value reaches.

    Parameters
    ----------
    value
        The rate, of at most 6 decimals.
    starts
        Decile to the value at which it starts, never getting worse from decile to decile; a decile without one is
        never reached. Equal starts give the best of their deciles.
    is_inverse
        Whether lower is better, so that the starts fall.

    Returns
    -------
    Decile 1 (also for a value worse than every start) to 10; null without a value or without the start of decile 10.
    """
    reached = [
        ibis.ifelse(_oriented(value, is_inverse) >= _oriented(start, is_inverse), decile, 1)
        for decile, start in starts.items()
        if decile > 1
    ]
    is_known = value.notnull() & starts[DECILES].notnull()
    return ibis.ifelse(is_known, ibis.greatest(*(one.fill_null(1) for one in reached)), ibis.null("int64"))


def decile_points(
    value: ir.DecimalValue,
    decile: ir.IntegerValue,
    starts: Mapping[int, ir.DecimalValue],
    is_inverse: ir.BooleanValue,
) -> ir.DecimalValue:
    """Add to the decile the share of the way to the next decile's start, at most nine tenths.

    Parameters
    ----------
    value, starts, is_inverse
        As for :func:`decile_reached`.
    decile
        The decile reached.

    Returns
    -------
    Points 1 to 10 of 10 decimals; null without a decile. Where the start of the decile or of the next one is not
    published there is no fraction. The best decile gives 10.

    Examples
    --------
    With decile 4 from 40 and decile 5 from 50, a rate of 43 gives 4.3 points and 49.9 gives 4.9.
    """
    start = _of_decile(decile, starts, 0)
    following = _of_decile(decile, starts, 1)
    way = _units(_oriented(value, is_inverse)) - _units(_oriented(start, is_inverse))
    whole_way = _units(_oriented(following, is_inverse)) - _units(_oriented(start, is_inverse))
    # Filled first: the smaller of nothing and nine tenths would be nine tenths.
    share = money.divide_half_up(ibis.greatest(way, 0), whole_way).fill_null(ibis.literal(0).cast(money.SCORE_TYPE))
    fraction = ibis.least(share, ibis.literal("0.9").cast(money.SCORE_TYPE))
    return money.exact(decile.cast("decimal(18, 0)") + fraction, 18, POINT_DECIMALS)


def _oriented(value: ir.DecimalValue, is_inverse: ir.BooleanValue) -> ir.DecimalValue:
    """Turn the value so that higher is better."""
    return ibis.ifelse(is_inverse, -value, value)


def _of_decile(decile: ir.IntegerValue, starts: Mapping[int, ir.DecimalValue], further: int) -> ir.DecimalValue:
    """Start of the decile reached, or of one further on; null where there is none."""
    cases = [(decile == number - further, start) for number, start in starts.items() if number > further]
    return ibis.cases(*cases, else_=ibis.null(VALUE_TYPE))


def _units(value: ir.DecimalValue) -> ir.IntegerValue:
    return money.in_units(value, VALUE_DECIMALS)
