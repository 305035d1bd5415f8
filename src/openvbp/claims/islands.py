"""Spans of days that touch or overlap, joined: enrolment without gaps, stays billed in parts, transfers."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir


def number_islands(
    rows: ir.Table, *, by: Sequence[str], start: str, end: str, tie: Sequence[str], gap_days: int, name: str
) -> ir.Table:
    """Number the groups of spans that follow each other without a longer gap.

    Parameters
    ----------
    rows
        One row per span; both days belong to it.
    by
        Columns within which spans can belong together.
    start, end
        Columns of the first and last day.
    tie
        Columns that put spans of the same first and last day in order.
    gap_days
        Largest number of days from a span's last day to the first of the next: 0 joins spans that share a day, 1 also
        those of which one begins on the day after the other ends.
    name
        Column to add: number of the group within ``by``, from 1, in order of time.

    Returns
    -------
    The same rows with the number.
    """
    order = [start, end, *tie]
    earlier = ibis.window(group_by=list(by), order_by=order, preceding=(None, 1))
    reached = rows.mutate(reached=rows[end].max().over(earlier))
    apart = reached.reached.isnull() | (reached[start].delta(reached.reached, unit="day") > gap_days)
    marked = reached.mutate(begins=ibis.ifelse(apart, 1, 0))
    so_far = ibis.cumulative_window(group_by=list(by), order_by=order)
    return marked.mutate(**{name: marked.begins.sum().over(so_far)}).drop("reached", "begins")
