"""A pool divided by weights, to the cent: the parts always add up to the pool.

Largest remainder (Hamilton's method): every part is first rounded down to the cent; the cents that are left go one by
one to the largest remainders, equal remainders in the order of the identifiers.
"""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from openvbp import money

GREATEST_TOTAL_WEIGHT = 3 * 10**12
_CHUNK = 10**6


def divide(
    rows: ir.Table, name: str, *, pool: str, weight: str, group: Sequence[str], tie_breaker: Sequence[str]
) -> ir.Table:
    """Divide the pool of each group among its rows.

    Parameters
    ----------
    rows
        One row per recipient.
    name
        Name of the new column: cents, whole numbers.
    pool
        Column with the pool in cents, the same on all rows of a group, of either sign, below 1e15.
    weight
        Column of weights: whole numbers of zero or more, per group at most :data:`GREATEST_TOTAL_WEIGHT` together.
    group
        Columns that name the group.
    tie_breaker
        Columns that order rows with equal remainders.

    Returns
    -------
    The rows with the new column; null where the weights of a group are all zero or the pool is missing.

    Examples
    --------
    100 cents by weights 1, 1, 1 are 34, 33, 33.
    """
    same = ibis.window(group_by=list(group))
    total = rows[weight].sum().over(same).cast("decimal(38, 0)").cast("int64")
    split = rows.mutate(openvbp_total=total.nullif(0), openvbp_pool=rows[pool].abs())
    # pool * weight / total without leaving 64 bits: whole pools first, then the rest in two portions of the weight.
    whole = money.floor_quotient(split.openvbp_pool, split.openvbp_total)
    rest = split.openvbp_pool % split.openvbp_total
    high = money.floor_quotient(split[weight], ibis.literal(_CHUNK))
    first = rest * high
    second = (first % split.openvbp_total) * _CHUNK + rest * (split[weight] % _CHUNK)
    split = split.mutate(
        openvbp_floor=whole * split[weight]
        + money.floor_quotient(first, split.openvbp_total) * _CHUNK
        + money.floor_quotient(second, split.openvbp_total),
        openvbp_remainder=second % split.openvbp_total,
    )
    in_order = ibis.window(
        group_by=list(group), order_by=[ibis.desc(split.openvbp_remainder), *(split[one] for one in tie_breaker)]
    )
    given = split.openvbp_floor.sum().over(same).cast("decimal(38, 0)").cast("int64")
    split = split.mutate(
        openvbp_left=split.openvbp_pool - given, openvbp_place=ibis.row_number().over(in_order).cast("int64")
    )
    part = split.openvbp_floor + ibis.ifelse(split.openvbp_place < split.openvbp_left, 1, 0)
    signed = ibis.ifelse(split[pool] < 0, -part, part).cast("int64")
    return split.mutate(**{name: signed}).drop(*(column for column in split.columns if column.startswith("openvbp_")))
