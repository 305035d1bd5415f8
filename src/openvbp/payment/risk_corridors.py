"""Risk corridors: savings and losses shared band by band, each band's rate on the part that lies in it alone.

Expressions over Ibis columns, of any grain. Amounts are dollars; savings are above zero and losses below. Losses are
shared as savings of the same size would be, with the sign turned; a contract whose losses have bands of their own
calls twice and chooses by the sign of the amount.

Three forms of the same formula: :func:`corridor_share` where the number of bands is fixed (their limits and rates may
be numbers or columns, for instance of a scenario), :func:`corridor_shares` where the bands are rows of a table, and
:func:`part_in_band` for one band, so that it can be explained.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import reduce

import ibis
import ibis.expr.types as ir

from openvbp import money
from openvbp.errors import Problem

AMOUNT_TYPE = "decimal(28, 10)"
RATE_TYPE = "decimal(7, 6)"
"""Type of a band's limit and of its rate: at most six decimals, below 10."""

_PRODUCT = (36, 16)
"""Ten decimals of an amount and six of a rate: nothing is rounded before all bands are added."""

Share = Decimal | ir.Value
Band = tuple[Share | None, Share]
"""Upper limit as a share of the base (none: open) and the rate at which the part in the band is shared."""


def part_in_band(
    amount: ir.DecimalValue, base: ir.DecimalValue, band_from: Share, band_to: Share | None
) -> ir.DecimalValue:
    """Find the part of an amount that lies in a band, with the sign of the amount.

    Parameters
    ----------
    amount
        Dollars of at most ten decimals, of either sign, below 1e12.
    base
        Dollars of at most two decimals that the band's limits are shares of; zero or more, below 1e12.
    band_from, band_to
        Where the band begins and ends, as shares of the base; the end is none, or null, where the band is open.

    Returns
    -------
    Dollars of ten decimals; null where the amount, the base or the begin is missing.

    Examples
    --------
    Savings of 80 on a base of 1,000 have 30 in the band from 5 to 10 percent; losses of 80 have -30 there.
    """
    begin = _limit(base, band_from)
    part = money.exact(amount.cast(AMOUNT_TYPE).abs() - begin, 28, 10)
    if band_to is not None:
        width = money.exact(_limit(base, band_to) - begin, 28, 10)
        part = ibis.ifelse(width < part, width, part)
    part = ibis.ifelse(part < 0, ibis.literal(0).cast(AMOUNT_TYPE), part)
    return money.exact(ibis.ifelse(amount < 0, -part, part), 28, 10)


def corridor_share(amount: ir.DecimalValue, base: ir.DecimalValue, bands: Sequence[Band]) -> ir.DecimalValue:
    """Share an amount over a fixed number of bands.

    Parameters
    ----------
    amount, base
        As in :func:`part_in_band`.
    bands
        Upper limit and rate of each band, the lowest band first. Each begins where the one before ends, the first at
        zero. The last limit may be none; nothing is shared beyond a last limit. A limit column that is null makes its
        band the last one of that row.

    Returns
    -------
    Dollars of ten decimals with the sign of the amount, rounded half up after all bands are added; null where the
    amount, the base or the rate of a band that is reached is missing.

    Raises
    ------
    ValueError
        If there is no band, or one follows a band without a limit.

    Examples
    --------
    Bands ``[(0.05, 0.5), (0.10, 0.35), (None, 0.05)]`` share savings of 120 on a base of 1,000 as
    50 x 50 % + 50 x 35 % + 20 x 5 % = 43.50.
    """
    if not bands or any(limit is None for limit, _rate in bands[:-1]):
        raise ValueError("there must be a band, and only the last one may be without a limit")
    begin: Share = Decimal(0)
    shares: list[ir.DecimalValue] = []
    for limit, rate in bands:
        part = part_in_band(amount, base, begin, limit)
        # A band whose begin is missing does not exist; nor does, for this amount, one that is not reached.
        none = ibis.literal(0).cast(f"decimal{_PRODUCT}")
        shares.append(ibis.ifelse(part.isnull() | (part == 0), none, _shared(part, rate)))
        if limit is not None:
            begin = ibis.ifelse(_rate(begin).isnull(), ibis.null(RATE_TYPE), _rate(limit))
    total = reduce(lambda left, right: money.exact(left + right, *_PRODUCT), shares)
    return ibis.ifelse(amount.isnull() | base.isnull(), ibis.null(AMOUNT_TYPE), money.exact(total, 28, 10))


def corridor_shares(
    rows: ir.Table, bands: ir.Table, *, on: Sequence[str], row: Sequence[str], amount: str, base: str
) -> ir.Table:
    """Share amounts over bands that are rows of a table, as many as each contract has.

    Parameters
    ----------
    rows
        One row per ``row``, with the columns ``on``, ``amount`` and ``base`` (as in :func:`part_in_band`).
    bands
        One row per ``on`` and band: ``band_from``, ``band_to`` (null where open) and ``share``, as
        :func:`problems_of_bands` demands.
    on
        Columns that name the contract (and scenario) whose bands apply; never null.
    row
        Columns that identify a row.
    amount, base
        Names of the columns.

    Returns
    -------
    One row per row that has bands: the columns ``row`` and ``shared``, dollars as :func:`corridor_share` gives them.
    A row whose contract has no bands is not in it, so that a left join shows it as missing.
    """
    own = [*dict.fromkeys([*row, *on])]
    pairs = rows.select(*own, openvbp_amount=rows[amount], openvbp_base=rows[base]).join(
        bands.select(*on, "band_from", "band_to", "share"), list(on)
    )
    part = part_in_band(pairs.openvbp_amount, pairs.openvbp_base, pairs.band_from, pairs.band_to)
    shared = pairs.mutate(openvbp_shared=_shared(part, pairs.share))
    summed = shared.group_by(*row).agg(
        openvbp_total=shared.openvbp_shared.sum(),
        openvbp_missing=shared.openvbp_shared.isnull().cast("int64").sum(),
    )
    total = money.exact(summed.openvbp_total, 28, 10)
    known = ibis.ifelse(summed.openvbp_missing == 0, total, ibis.null(AMOUNT_TYPE))
    return summed.select(*row, shared=known)


def problems_of_bands(
    bands: Iterable[tuple[Decimal | None, Decimal | None, Decimal | None]], where: str
) -> list[Problem]:
    """Find what is wrong with the bands of one contract.

    Parameters
    ----------
    bands
        ``(band_from, band_to, share)`` in any order; the last ``band_to`` may be none.
    where
        Where they stand, for the message: file and contract.

    Returns
    -------
    No problem where the bands begin at zero, follow each other without gap or overlap, are wider than nothing, and
    share from 0 to 1: then what is shared is continuous, grows with the amount and never exceeds it.
    """
    ordered = sorted(bands, key=lambda band: (band[0] is None, band[0] or Decimal(0)))
    wrong: list[tuple[str, str]] = [] if ordered else [("there is no band", "")]
    expected: Decimal | None = Decimal(0)
    for begin, end, share in ordered:
        text = f"from {begin} to {'(open)' if end is None else end} share {share}"
        if begin is None or share is None:
            wrong.append(("a band has no begin or no share", text))
        elif not 0 <= share <= 1:
            wrong.append(("a share is not from 0 to 1", text))
        elif begin != expected:
            due = "none, because a band before it is open" if expected is None else expected
            wrong.append((f"a band begins at {begin}, expected {due}", text))
        elif end is not None and end <= begin:
            wrong.append(("a band ends where it begins, or before", text))
        expected = end
    advice = "let the bands begin at 0, each where the one before ends, and leave band_to of the last one empty"
    return [Problem(what, where, advice, examples=(text,) if text else ()) for what, text in wrong]


def _limit(base: ir.DecimalValue, share: Share) -> ir.DecimalValue:
    # 28 and 7 digits: both engines keep the product of 35 whole.
    return money.exact(base.cast("decimal(28, 6)") * _rate(share), 28, 10)


def _shared(part: ir.DecimalValue, rate: Share) -> ir.DecimalValue:
    # 24 and 7 digits, 10 and 6 decimals: the product is whole.
    return money.exact(part.cast("decimal(24, 10)") * _rate(rate), *_PRODUCT)


def _rate(share: Share) -> ir.DecimalValue:
    # A literal of a Decimal loses decimals; its text does not.
    return (ibis.literal(f"{share:f}") if isinstance(share, Decimal) else share).cast(RATE_TYPE)
