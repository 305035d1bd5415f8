"""Points by decile: from 1 for the lowest tenth of the values to 10 for the highest."""

from __future__ import annotations

import ibis.expr.types as ir

from openvbp import money


def decile_points(values_below: ir.IntegerValue, values: ir.IntegerValue) -> ir.IntegerValue:
    """Give 1 point to the lowest tenth and one more for every decile that the value exceeds.

    Parameters
    ----------
    values_below
        How many values of the group are smaller than this one; equal values have the same number.
    values
        How many values the group has.

    Returns
    -------
    Points 1 to 10; null where an argument is null.

    Notes
    -----
    The same as counting the deciles (see :mod:`openvbp.scoring.percentiles`) that lie below the value: a value equal to
    a decile does not exceed it. Where more than a tenth of the values are the smallest one, all of them get 1 point and
    fewer get 2, as in the published FY2015 scores of CLABSI and CAUTI.

    Examples
    --------
    Of 20 values, the one with 18 below it gets ``1 + 10 * 18 // 20 = 10`` points.
    """
    return money.floor_quotient(values_below * 10, values) + 1
