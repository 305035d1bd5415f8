"""Episodes from claims: windows, cancelled episodes, payments inside the window. Patient-level: never written out.

42 CFR 510.200-510.210 (CJR), 512.537, 512.555 (TEAM).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money

_CENTS = "decimal(18, 2)"


def windows(anchors: ir.Table) -> ir.Table:
    """Give each anchor its window and say whether the episode stands.

    The window runs from admission (or the procedure) through so many days after discharge, the day of discharge being
    the first. An anchor of the same beneficiary and model within the window cancels the earlier episode and begins one
    of its own; so does, without a new one, death within the window, or the loss of what the model asks of a beneficiary
    (both parts of Medicare, as first payer, no managed care, no end-stage renal disease).

    Parameters
    ----------
    anchors
        Anchor stay or procedure: beneficiary_id, provider_id, model, admission_date, discharge_date, death_date,
        ineligible_from (first day of the loss) and post_discharge_days.

    Returns
    -------
    The anchors with ``last_day_of_episode``, ``is_cancelled`` and ``cancelled_reason``.
    """
    ends = anchors.discharge_date + (anchors.post_discharge_days - 1).as_interval("D")
    # DuckDB makes a time of a date and an interval, unnoticed by Ibis: the way over a time makes it a date again.
    ends = ends.cast("timestamp").cast("date")
    later = ibis.window(
        group_by=["beneficiary_id", "model"], order_by=["admission_date", "discharge_date", "provider_id"]
    )
    placed = anchors.mutate(last_day_of_episode=ends, next_admission=anchors.admission_date.lead().over(later))
    reason = ibis.cases(
        (placed.next_admission <= placed.last_day_of_episode, "another anchor within the episode"),
        (placed.death_date <= placed.last_day_of_episode, "death within the episode"),
        (placed.ineligible_from <= placed.last_day_of_episode, "no longer eligible within the episode"),
        else_=ibis.null("string"),
    )
    return placed.mutate(cancelled_reason=reason, is_cancelled=reason.notnull()).drop("next_admission")


def spending(episodes: ir.Table, claims: ir.Table) -> ir.Table:
    """Add up what was paid for care within each episode.

    A claim that lasts beyond the window counts by the share of its days that lie in it; excluded claims do not count.

    Parameters
    ----------
    episodes
        Episodes that stand, with their windows.
    claims
        claim_id, beneficiary_id, first_day, last_day, allowed_amount (dollars), is_excluded.

    Returns
    -------
    The episodes with ``episode_spending`` in dollars, to the cent of each claim.
    """
    counted = claims.filter(~_.is_excluded.fill_null(False)).drop("is_excluded")  # noqa: FBT003
    pairs = episodes.inner_join(counted, "beneficiary_id")
    pairs = pairs.filter((_.first_day >= _.admission_date) & (_.first_day <= _.last_day_of_episode))
    last = ibis.ifelse(pairs.last_day > pairs.last_day_of_episode, pairs.last_day_of_episode, pairs.last_day)
    days = pairs.last_day.delta(pairs.first_day, unit="day") + 1
    inside = last.delta(pairs.first_day, unit="day") + 1
    cents = money.in_units(pairs.allowed_amount.abs(), 2)
    part = money.from_units(money.round_half_up_quotient(cents * inside, days), 2)
    paid = ibis.ifelse(pairs.allowed_amount < 0, -part, part)
    keys = ["beneficiary_id", "provider_id", "admission_date"]
    totals = pairs.mutate(paid=paid).group_by(keys).agg(episode_spending=money.exact(_.paid.sum(), 18, 2))
    joined = episodes.left_join(totals, keys)
    joined = joined.drop([name for name in joined.columns if name.endswith("_right")])
    return joined.mutate(episode_spending=_.episode_spending.fill_null(ibis.literal("0").cast(_CENTS)))
