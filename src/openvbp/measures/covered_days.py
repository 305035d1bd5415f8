"""Days on which a drug was at hand."""

from __future__ import annotations

from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

_EPOCH = date(1970, 1, 1)


def covered_days(supplies: ir.Table) -> ir.Table:
    """Count the days of windows that supplies cover.

    A supply begins when it is handed out, or when the one before it of the same code is used up, if that is later.

    Parameters
    ----------
    supplies
        One row per subject × element × supply: ``subject``, ``element``, ``code``, ``start_date``, ``event_id``,
        ``days_supply``, ``first`` and ``last`` (days of the window).

    Returns
    -------
    One row per subject × element: ``covered_days``; null where a supply does not say for how many days it is.
    """
    in_days = supplies.mutate(
        day=_day(supplies.start_date),
        length=supplies.days_supply.cast("int64"),
        opens=_day(supplies.first),
        closes=_day(supplies.last) + 1,
    )
    order = ["day", "event_id"]
    per_code = {"group_by": ["subject", "element", "code"], "order_by": order}
    summed = in_days.mutate(used=_.length.fill_null(0).sum().over(ibis.cumulative_window(**per_code)).cast("int64"))
    # With S the days handed out so far, the end of supply i is S_i + max over j <= i of (start_j - S_(j-1)).
    slack = summed.mutate(slack=_.day - (_.used - _.length.fill_null(0)))
    ended = slack.mutate(until=_.used + _.slack.max().over(ibis.cumulative_window(**per_code)))
    clipped = ended.mutate(
        begins=ibis.greatest(_.until - _.length.fill_null(0), _.opens), until=ibis.least(_.until, _.closes)
    )
    earlier = ibis.window(
        group_by=["subject", "element"], order_by=["begins", "until", "event_id", "code"], preceding=(None, 1)
    )
    reached = clipped.mutate(reached=_.until.max().over(earlier))
    gained = reached.mutate(
        gained=ibis.greatest(_.until - ibis.greatest(_.begins, ibis.coalesce(_.reached, _.begins)), 0)
    )
    return gained.group_by("subject", "element").agg(
        covered_days=ibis.ifelse(
            _.length.isnull().any(), ibis.null("int64"), _.gained.sum().cast("decimal(38, 0)").cast("int64")
        )
    )


def _day(day: ir.DateValue) -> ir.IntegerValue:
    return day.delta(ibis.date(_EPOCH.year, _EPOCH.month, _EPOCH.day), unit="day").cast("int64")
