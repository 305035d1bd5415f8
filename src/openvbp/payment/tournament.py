"""Tournaments: pay those who rank best, take from those below a line, share a pool among winners."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from openvbp import money

SHARE_TYPE = "decimal(7, 6)"
"""Type of a rate: a share of the base payment."""

_MILLION = 10**6


def banded_rate(band: ir.IntegerValue, rates: Sequence[ir.DecimalValue]) -> ir.DecimalValue:
    """Pay each of the best bands its rate, and the others nothing.

    Parameters
    ----------
    band
        Quantile band, 1 for the best (see :func:`openvbp.scoring.ranks.quantile_band`).
    rates
        Rates of bands 1, 2 and so on, as shares of the base payment.

    Returns
    -------
    The rate; null where the band is null.
    """
    nothing = ibis.literal(0).cast(SHARE_TYPE)
    paid = ibis.cases(*((band == number, rate.cast(SHARE_TYPE)) for number, rate in enumerate(rates, 1)), else_=nothing)
    return ibis.ifelse(band.isnull(), ibis.null(SHARE_TYPE), paid)


def rate_below(score: ir.NumericValue, lines: Sequence[tuple[ir.NumericValue, ir.DecimalValue]]) -> ir.DecimalValue:
    """Find the rate of the lowest line that the score falls short of; zero at or above all lines.

    Parameters
    ----------
    score
        Any grain.
    lines
        Lines and their rates, the lowest line first.

    Returns
    -------
    The rate; null where the score or a line is null.
    """
    known = score.notnull()
    for line, _rate in lines:
        known &= line.notnull()
    nothing = ibis.literal(0).cast(SHARE_TYPE)
    below = ibis.cases(*((score < line, rate.cast(SHARE_TYPE)) for line, rate in lines), else_=nothing)
    return ibis.ifelse(known, below, ibis.null(SHARE_TYPE))


def pool_share(pool_cents: ir.IntegerValue, part: ir.IntegerValue, whole: ir.IntegerValue) -> ir.IntegerValue:
    """Share a pool in proportion, each share cut to the cent, so that the sum never exceeds the pool.

    Parameters
    ----------
    pool_cents
        The pool in cents, zero or more and below 1e12.
    part, whole
        What the share is proportional to, and its sum over all winners; whole numbers below 4e12.

    Returns
    -------
    Cents; null without winners. Less than a cent per winner stays in the pool.
    """
    # The pool is taken in two pieces of six digits, so that no product leaves 64 bits.
    high = money.floor_quotient(pool_cents, ibis.literal(_MILLION))
    low = pool_cents % _MILLION
    remainder = (high * part) % whole.nullif(0)
    rest = money.floor_quotient(remainder * _MILLION + low * part, whole)
    return money.floor_quotient(high * part, whole) * _MILLION + rest
