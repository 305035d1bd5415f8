"""The linear exchange function: from a score to a share of the base payment, budget-neutral."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext

SLOPE_DECIMALS = 14
PER_POINT_DECIMALS = 20


def neutral_slope(base_total: Decimal, score_weighted_total: Decimal, maximum_score: Decimal) -> Decimal:
    """Find the slope at which all incentives together equal all withholds.

    Parameters
    ----------
    base_total
        Sum of base payments of all participating providers, in money.
    score_weighted_total
        Sum of score times base payment over the same providers.
    maximum_score
        Score by which the function divides.

    Returns
    -------
    The slope, a pure number. The share withheld is the same for all, so it cancels.

    Raises
    ------
    ValueError
        If no participating provider has a score above zero.

    Notes
    -----
    Source: 42 U.S.C. 1395ww(o)(6)(C)(ii)(II): the total must equal the amount withheld.
    """
    if score_weighted_total <= 0:
        raise ValueError("no participating provider has a score above zero, so no slope can be neutral")
    with localcontext(prec=60):
        slope = base_total * maximum_score / score_weighted_total
        return slope.quantize(Decimal(1).scaleb(-SLOPE_DECIMALS), ROUND_HALF_UP)


def share_per_point(applicable_percent: Decimal, slope: Decimal, maximum_score: Decimal) -> Decimal:
    """Share of the base payment that one point of score earns: withhold × slope ÷ maximum score."""
    with localcontext(prec=60):
        share = applicable_percent * slope / maximum_score
        return share.quantize(Decimal(1).scaleb(-PER_POINT_DECIMALS), ROUND_HALF_UP)
