"""Shared savings and losses: whether a threshold is reached, what is shared, and what limits and relief leave of it.

Expressions over Ibis columns, of any grain. Amounts are dollars, rates shares between 0 and 1.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from openvbp import money

AMOUNT_TYPE = "decimal(28, 10)"
RATE_TYPE = "decimal(18, 12)"
RATE_UNIT_DECIMALS = 6
"""Decimals that a minimum rate keeps at the ends of its bands."""

_NOTHING = ibis.literal(0).cast(AMOUNT_TYPE)


def interpolated_rate(
    members: ir.IntegerValue,
    first: ir.IntegerValue,
    last: ir.IntegerValue,
    rate_at_first: ir.DecimalValue,
    rate_at_last: ir.DecimalValue,
) -> tuple[ir.IntegerValue, ir.IntegerValue]:
    """Find the rate between the ends of a band as numerator and denominator, so that it need not be rounded.

    Parameters
    ----------
    members
        How many members the provider has; within the band.
    first, last
        Fewest and most members of the band; the same or null where the band has no end.
    rate_at_first, rate_at_last
        Rates at the two, of at most six decimals.

    Examples
    --------
    With 5,500 members and rates of 0.039 at 5,000 and 0.036 at 5,999 the rate is 37,461,000 / 999,000,000.
    """
    width = ibis.greatest((last - first).fill_null(1), 1)
    low = money.in_units(rate_at_first, RATE_UNIT_DECIMALS)
    high = money.in_units(rate_at_last, RATE_UNIT_DECIMALS)
    beyond = ibis.ifelse(last.isnull(), 0, members - first)
    return low * width + (high - low) * beyond, width * 10**RATE_UNIT_DECIMALS


def reaches(
    amount: ir.DecimalValue, benchmark: ir.DecimalValue, numerator: ir.IntegerValue, denominator: ir.IntegerValue
) -> ir.BooleanValue:
    """Whether an amount is at least a rate of the benchmark, compared without rounding either.

    Parameters
    ----------
    amount, benchmark
        Dollars of two decimals, below 1e17.
    numerator, denominator
        The rate as a fraction, as :func:`interpolated_rate` gives it.
    """
    # 19 and 18 digits: both engines keep the product of 37 whole.
    return amount.cast("decimal(19, 2)") * denominator.cast("decimal(18, 0)") >= benchmark.cast(
        "decimal(19, 2)"
    ) * numerator.cast("decimal(18, 0)")


def portion(amount: ir.DecimalValue, rate: ir.DecimalValue) -> ir.DecimalValue:
    """Take a rate of an amount from the first dollar on.

    Parameters
    ----------
    amount
        Dollars, below 1e11.
    rate
        Share, or multiplier below 100, of at most twelve decimals.

    Returns
    -------
    Dollars of ten decimals.
    """
    # 23 and 14 digits: both engines keep the product whole.
    return money.exact(amount.cast("decimal(23, 12)") * rate.cast("decimal(14, 12)"), 28, 10)


def limited(amount: ir.DecimalValue, limit: ir.DecimalValue) -> ir.DecimalValue:
    """Pay an amount up to its limit; null where one of the two is missing."""
    amount, limit = amount.cast(AMOUNT_TYPE), limit.cast(AMOUNT_TYPE)
    return ibis.ifelse(amount.isnull() | limit.isnull(), ibis.null(AMOUNT_TYPE), ibis.least(amount, limit))


def inverse_rate(rate: ir.DecimalValue, lowest: ir.DecimalValue, highest: ir.DecimalValue) -> ir.DecimalValue:
    """Share losses at one less the rate, but not below the lowest or above the highest loss rate."""
    inverse = money.exact(-rate.cast(RATE_TYPE) + ibis.literal(1).cast(RATE_TYPE), 18, 12)
    clipped = ibis.greatest(ibis.least(inverse, highest.cast(RATE_TYPE)), lowest.cast(RATE_TYPE))
    return ibis.ifelse(rate.isnull(), ibis.null(RATE_TYPE), clipped)


def relieved(losses: ir.DecimalValue, relief: ir.DecimalValue) -> ir.DecimalValue:
    """Take relief from losses, which cannot become a gain; null where one of the two is missing."""
    left = money.exact(losses.cast(AMOUNT_TYPE) - relief.cast(AMOUNT_TYPE), 28, 10)
    return ibis.ifelse(left < 0, _NOTHING, left)
