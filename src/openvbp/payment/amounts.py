"""Amounts to the cent: parts of them, and sums that are known only if every addend is.

Expressions over Ibis columns, of any grain.
"""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money

CENTS = "decimal(18, 2)"


def part_to_the_cent(amount: ir.Value, factor: ir.Value) -> ir.DecimalValue:
    """Multiply an amount by a factor, rounded half up to the cent.

    Parameters
    ----------
    amount
        Dollars (or pounds, euros) of at most twelve decimals, below 1e11.
    factor
        At most twelve decimals, below 100.
    """
    # 23 and 14 digits: both engines keep the product of 37 whole.
    return money.exact(amount.cast("decimal(23, 12)") * factor.cast("decimal(14, 12)"), 18, 2)


def sum_if_all_known(name: str, window: Any) -> ir.DecimalValue:
    """Sum a column of amounts in cents over a window; null where one of them is missing."""
    missing = _[name].isnull().cast("int64").sum().over(window)
    return ibis.ifelse(missing == 0, money.exact(_[name].sum().over(window), 18, 2), ibis.null(CENTS))
