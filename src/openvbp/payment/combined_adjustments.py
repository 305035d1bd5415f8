"""Several adjustments of one payment: what each changes, exactly, and what they change together.

Expressions over Ibis columns. Amounts are dollars of ten decimals, factors multipliers of twelve.
"""

from __future__ import annotations

from functools import reduce

import ibis
import ibis.expr.types as ir

from openvbp import money

AMOUNT_TYPE = "decimal(28, 10)"
FACTOR_TYPE = "decimal(18, 12)"


def change(amount: ir.DecimalValue, factor: ir.DecimalValue) -> ir.DecimalValue:
    """Find what a factor adds to an amount: the amount times the factor less one.

    Parameters
    ----------
    amount
        Dollars, below 1e12.
    factor
        Multiplier, from 0 to below 11.

    Returns
    -------
    Dollars, below zero where the factor is below one; null where one of the two is missing.
    """
    less_one = money.exact(factor.cast(FACTOR_TYPE) - ibis.literal(1).cast(FACTOR_TYPE), 13, 12)
    # 24 and 13 digits: both engines keep the product of 37 whole.
    return money.exact(amount.cast("decimal(24, 12)") * less_one, 28, 10)


def total(*amounts: ir.DecimalValue) -> ir.DecimalValue:
    """Add amounts; null where one of them is missing."""
    return money.exact(reduce(lambda left, right: left + right, (one.cast(AMOUNT_TYPE) for one in amounts)), 28, 10)


def without(amount: ir.DecimalValue, *others: ir.DecimalValue) -> ir.DecimalValue:
    """Take amounts from an amount; null where one of them is missing."""
    return total(amount, *(-one.cast(AMOUNT_TYPE) for one in others))


def share(part: ir.DecimalValue, whole: ir.DecimalValue) -> ir.DecimalValue:
    """Divide one amount by another, both to the cent, the twelfth decimal rounded half up.

    Parameters
    ----------
    part
        Dollars, of either sign.
    whole
        Dollars above zero and below 4e10; zero gives null.
    """
    cents = money.in_units(money.exact(part, 18, 2), 2)
    size = money.divide_half_up(cents.abs(), money.in_units(money.exact(whole, 18, 2), 2))
    return money.exact(ibis.ifelse(cents < 0, -size, size), 18, 12)


def to_the_cent(amount: ir.DecimalValue) -> ir.DecimalValue:
    """Round dollars to the cent, halves away from zero."""
    return money.exact(amount, 18, 2).cast(AMOUNT_TYPE)
