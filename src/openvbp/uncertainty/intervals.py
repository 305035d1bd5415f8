"""From scored draws to what a provider wants to know: its interval, and whether the sign of its payment may flip."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money

TAIL_PERCENT = 5
"""Share of the draws that each end of an interval leaves out."""
_PROVIDER = ["scenario_id", "provider_id"]
_COMPONENT = [*_PROVIDER, "component_id"]
_MEASURE = [*_PROVIDER, "measure_id"]
_NONE = ibis.literal(0).cast("int64")


def payment_intervals(
    drawn: ir.Table, points: ir.Table, coverage: ir.Table, *, is_of_one_account: bool = False
) -> ir.Table:
    """Set the payment of the run beside what the draws come to.

    Parameters
    ----------
    drawn
        Scenario × draw × provider × component: rate, amount.
    points
        The run's ``payment_result``.
    coverage
        Scenario × provider: ``inputs_known`` and ``inputs_drawn``.
    is_of_one_account
        Whether the inputs of one provider decide what all are paid.

    Returns
    -------
    Scenario × provider × component, where the run determines a rate or an amount: ``draw_status`` (drawn, partly_drawn,
    not_drawn), rate and amount with limits, and the shares of the draws in which money is taken, given, or the sign is
    another than the run's. The sign is that of the amount, of the rate where no amount is known. Where nothing is
    drawn, limits and shares are missing.
    """
    columns = [*_COMPONENT, "rate", "amount"]
    paid = points.filter(_is_paid(points)).select(*columns).rename(point_rate="rate", point_amount="amount")
    keys = _PROVIDER[:1] if is_of_one_account else _PROVIDER
    if is_of_one_account:
        coverage = coverage.drop("provider_id")
    paid = paid.left_join(coverage, keys).drop(*(f"{key}_right" for key in keys))
    scored, of_drawn = (ibis.coalesce(paid[name], _NONE) for name in ("inputs_known", "inputs_drawn"))
    status = ibis.cases((of_drawn == 0, "not_drawn"), (of_drawn < scored, "partly_drawn"), else_="drawn")
    paid = paid.mutate(inputs_known=scored, inputs_drawn=of_drawn, draw_status=status)
    rows = drawn.filter(_is_paid(drawn)).inner_join(paid.filter(_.draw_status != "not_drawn"), _COMPONENT)
    rows = rows.mutate(
        sign=_sign(rows.amount, rows.rate, rows.point_amount), point_sign=_sign(rows.point_amount, rows.point_rate)
    )
    rows = _ranked(rows, _COMPONENT, ("rate", "amount"))
    summary = rows.group_by(*_COMPONENT).agg(
        draws=_.count(),
        **_limits(rows, ("rate", "amount")),
        taken=(_["sign"] < 0).sum(),
        given=(_["sign"] > 0).sum(),
        flipped=(_["sign"] != _.point_sign).sum(),
    )
    joined = paid.left_join(summary, _COMPONENT).drop(*(f"{key}_right" for key in _COMPONENT))
    return joined.select(
        *_COMPONENT,
        "draw_status",
        "inputs_known",
        "inputs_drawn",
        draws=ibis.coalesce(joined.draws, _NONE),
        rate=joined.point_rate,
        rate_low=joined.rate_low,
        rate_high=joined.rate_high,
        amount=joined.point_amount,
        amount_low=joined.amount_low,
        amount_high=joined.amount_high,
        probability_taken=_share(joined.taken, joined.draws),
        probability_given=_share(joined.given, joined.draws),
        probability_sign_flips=_share(joined.flipped, joined.draws),
    )


def measure_intervals(drawn: ir.Table, points: ir.Table) -> ir.Table:
    """Set each measure's rate beside what the draws come to, and the side of its threshold.

    Returns
    -------
    Scenario × provider × measure that is drawn: rate and points with limits, the run's threshold, and the shares of the
    draws in which the rate is above the threshold (of the draw, where it is computed) or on another side than in the
    run.
    """
    columns = ["rate", "threshold", "points"]
    scored = points.select(*_MEASURE, *columns).rename(**{f"point_{name}": name for name in columns})
    rows = drawn.filter(_.rate.notnull()).inner_join(scored, _MEASURE)
    rows = _ranked(rows, _MEASURE, ("rate", "points"))
    side, point_side = (rows.rate - rows.threshold).sign(), (rows.point_rate - rows.point_threshold).sign()
    summary = rows.mutate(is_above=side > 0, is_flipped=(side > 0) != (point_side > 0)).group_by(*_MEASURE)
    found = summary.agg(
        draws=_.count(),
        rate=_.point_rate.max(),
        threshold=_.point_threshold.max(),
        points=_.point_points.max(),
        **_limits(rows, ("rate", "points")),
        compared=_.is_above.count(),
        above=_.is_above.sum(),
        flipped=_.is_flipped.sum(),
    )
    return found.select(
        *_MEASURE,
        "draws",
        "rate",
        "rate_low",
        "rate_high",
        "threshold",
        "points",
        "points_low",
        "points_high",
        probability_above_threshold=_share(found.above, found.compared.nullif(0)),
        probability_side_flips=_share(found.flipped, found.compared.nullif(0)),
    )


def coverage(pairs: ir.Table, drawable: ir.Table) -> ir.Table:
    """Count the uncertain inputs of each provider, and those of them that are drawn: scenario × provider.

    Parameters
    ----------
    pairs
        Provider × measure or quantity of the draws, with ``reason`` where it cannot be used.
    drawable
        Scenario × provider × measure or quantity of the run.
    """
    usable = pairs.filter(_.reason.isnull()).select("provider_id", "measure_id", is_drawn=True)
    joined = drawable.left_join(usable, ["provider_id", "measure_id"])
    return joined.group_by(*_PROVIDER).agg(inputs_known=_.count(), inputs_drawn=_.is_drawn.count())


def _is_paid(rows: ir.Table) -> ir.BooleanValue:
    return rows.rate.notnull() | rows.amount.notnull()


def _sign(amount: ir.Value, rate: ir.Value, known: ir.Value | None = None) -> ir.IntegerValue:
    """Sign of the amount, of the rate where the run (``known``) has no amount."""
    is_amount = (amount if known is None else known).notnull()
    return ibis.ifelse(is_amount, amount.sign().cast("int64"), rate.sign().cast("int64"))


def _ranked(rows: ir.Table, group: Sequence[str], quantities: Sequence[str]) -> ir.Table:
    """Number the draws of each group by size of each quantity; missing ones come last and have no number."""
    size = ibis.window(group_by=list(group))
    added: dict[str, ir.Value] = {}
    for name in quantities:
        order = ibis.window(group_by=list(group), order_by=[rows[name].asc(nulls_first=False), rows["draw"]])
        added[f"{name}_place"] = ibis.row_number().over(order) + 1
        added[f"{name}_count"] = rows[name].count().over(size)
    return rows.mutate(**added)


def _limits(rows: ir.Table, quantities: Sequence[str]) -> dict[str, ir.Value]:
    """Take the draws that leave out 5 percent at each end: values that were drawn, nothing between them."""
    limits: dict[str, ir.Value] = {}
    for name in quantities:
        place, count = rows[f"{name}_place"], rows[f"{name}_count"]
        low = money.floor_quotient(count * TAIL_PERCENT + 99, ibis.literal(100))
        limits[f"{name}_low"] = rows[name].max(where=place == low)
        limits[f"{name}_high"] = rows[name].max(where=place == count + 1 - low)
    return limits


def _share(part: ir.IntegerValue, whole: ir.IntegerValue) -> ir.DecimalValue:
    return money.divide_half_up(part, whole)
