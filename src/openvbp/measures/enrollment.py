"""Whether subjects were enrolled in a window, with the gaps that are allowed."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.islands import number_islands
from openvbp.money import whole_sum


def merged_spans(enrollment: ir.Table, persons: ir.Table) -> ir.Table:
    """Join spans that touch or overlap.

    Parameters
    ----------
    enrollment
        ``person_id``, ``start_date``, ``end_date``.
    persons
        ``person_id`` and its number ``person``.

    Returns
    -------
    One row per person × span without a gap: ``person``, ``start_date``, ``end_date``.
    """
    numbered = enrollment.join(persons.select("person_id", "person"), "person_id").select(
        "person", "start_date", "end_date"
    )
    spans = number_islands(
        numbered, by=("person",), start="start_date", end="end_date", tie=(), gap_days=1, name="span"
    )
    return spans.group_by("person", "span").agg(start_date=_.start_date.min(), end_date=_.end_date.max()).drop("span")


def gaps_of(windows: ir.Table, spans: ir.Table) -> ir.Table:
    """Find the gaps in enrolment within windows.

    Parameters
    ----------
    windows
        One row per subject: ``subject``, ``person``, ``first``, ``last``.
    spans
        Of :func:`merged_spans`.

    Returns
    -------
    One row per subject with a day of enrolment in its window: ``gaps`` (of a day or more, at the ends too),
    ``longest_gap`` and ``enrolled_days``, both in days.
    """
    inside = windows.join(
        spans,
        [
            windows.person == spans.person,
            spans.start_date <= windows["last"],
            spans.end_date >= windows["first"],
        ],
    ).select(
        "subject",
        "first",
        "last",
        begins=ibis.greatest(spans.start_date, windows["first"]),
        ends=ibis.least(spans.end_date, windows["last"]),
    )
    order = ibis.window(group_by="subject", order_by="begins")
    before = inside.mutate(previous=_.ends.lag().over(order), following=_.begins.lead().over(order))
    found = before.mutate(
        gap_before=ibis.ifelse(
            _.previous.isnull(),
            _.begins.delta(_["first"], unit="day"),
            _.begins.delta(_.previous, unit="day") - 1,
        ),
        gap_after=ibis.ifelse(_.following.isnull(), _["last"].delta(_.ends, unit="day"), 0),
    )
    return found.group_by("subject").agg(
        gaps=whole_sum((_.gap_before > 0).cast("int64") + (_.gap_after > 0).cast("int64")),
        longest_gap=ibis.greatest(_.gap_before.max(), _.gap_after.max()),
        enrolled_days=whole_sum(_.ends.delta(_.begins, unit="day") + 1),
    )
