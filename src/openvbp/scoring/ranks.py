"""Ranks within a group, best first, and the quantile band that a rank falls into."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from openvbp import money


def rank_from_best(score: ir.NumericValue, group: Sequence[str]) -> ir.IntegerValue:
    """Rank a score within its group: 1 for the highest; equal scores share the better rank.

    Parameters
    ----------
    score
        Any grain; higher is better. Rows where it is null have no rank and are not counted.
    group
        Columns that make a group.

    Returns
    -------
    Rank from 1; null where the score is null. It depends on no order of rows and on no id.

    Examples
    --------
    Scores 90, 80, 80, 70 have the ranks 1, 2, 2, 4.
    """
    order = ibis.window(group_by=list(group), order_by=ibis.desc(score, nulls_first=False))
    return ibis.ifelse(score.notnull(), ibis.rank().over(order) + 1, ibis.null("int64"))


def quantile_band(rank: ir.IntegerValue, ranked: ir.IntegerValue, bands: int) -> ir.IntegerValue:
    """Say which of equally large bands a rank falls into: 1 for the best.

    Parameters
    ----------
    rank
        Rank from :func:`rank_from_best`.
    ranked
        How many rows of the group have a rank.
    bands
        Number of bands: 10 for deciles, 4 for quartiles.

    Returns
    -------
    Band 1 to ``bands``. Equal scores are in the same band, so a band at a tie may hold more than its share.

    Examples
    --------
    Of 24 hospitals in quartiles, ranks 1 to 6 are in band 1 and ranks 7 to 12 in band 2.
    """
    return money.floor_quotient((rank - 1) * bands, ranked) + 1
