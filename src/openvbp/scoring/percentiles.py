"""Percentiles of whole numbers within groups, exact and the same on every engine."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from openvbp import money

SHARE_DECIMALS = 4
"""Decimals that the share below a percentile may have."""


def with_doubled_percentile(
    rows: ir.Table,
    name: str,
    *,
    value: ir.IntegerValue,
    share: ir.IntegerValue,
    group: Sequence[str],
    tie_breaker: Sequence[str],
) -> ir.Table:
    """Add twice the percentile of a value among the rows of its group.

    The percentile is that of the empirical distribution with averaging: of ``n`` ordered values, the one at position
    ``n × share`` rounded up, or, if ``n × share`` is whole, the mean of the values there and at the next position.
    Doubled, it is a whole number.

    Parameters
    ----------
    rows
        Any grain.
    name
        The column to add; null in groups without values.
    value
        Whole number; a row where it is null does not count.
    share
        Share below the percentile in units of its last decimal (see :data:`SHARE_DECIMALS`): 7500 for the 75th
        percentile. One number per group.
    group, tie_breaker
        Columns that make a group; columns that order equal values.

    Returns
    -------
    The rows with the column ``name``.
    """
    scale = 10**SHARE_DECIMALS
    in_group = ibis.window(group_by=list(group))
    ordered = ibis.window(group_by=list(group), order_by=["_is_absent", "_value", *tie_breaker])
    ranked = rows.mutate(_value=value, _share=share, _is_absent=value.isnull())
    ranked = ranked.mutate(_position=ibis.row_number().over(ordered) + 1, _count=ranked._value.count().over(in_group))
    reach = ranked._count * ranked._share
    whole = money.floor_quotient(reach, ibis.literal(scale))
    lower = ibis.ifelse(reach % scale == 0, whole, whole + 1)
    ranked = ranked.mutate(
        _lower=ibis.greatest(lower, 1), _upper=ibis.least(ibis.greatest(whole + 1, 1), ranked._count)
    )
    at_lower = ibis.ifelse(ranked._position == ranked._lower, ranked._value, ibis.null("int64"))
    at_upper = ibis.ifelse(ranked._position == ranked._upper, ranked._value, ibis.null("int64"))
    doubled = (at_lower.max().over(in_group) + at_upper.max().over(in_group)).cast("int64")
    helpers = [column for column in ranked.columns if column.startswith("_")]
    return ranked.mutate(**{name: doubled}).drop(*helpers)
