"""Adjustments on a linear scale around a threshold, the increases scaled so that they equal the reductions."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal, localcontext

import ibis
import ibis.expr.types as ir

from openvbp import money

HIGHEST_SCORE = 100
SCORE_DECIMALS = 10
SCORE_TYPE = f"decimal(18, {SCORE_DECIMALS})"
RATIO_DECIMALS = 4
ADJUSTMENT_DECIMALS = 16
ADJUSTMENT_TYPE = f"decimal(18, {ADJUSTMENT_DECIMALS})"
SCALE_DECIMALS = 14


def linear_adjustment(
    score: ir.DecimalValue, threshold: ir.DecimalValue, applicable: ir.DecimalValue
) -> ir.DecimalValue:
    """Place a score on the line from the full reduction through zero at the threshold to the full increase at 100.

    Parameters
    ----------
    score
        Final score 0 to 100, of 10 decimals.
    threshold
        Score that is neither rewarded nor penalised; above 0 and at most 100.
    applicable
        Largest reduction, and increase before scaling: a ratio of at most 4 decimals.

    Returns
    -------
    Ratio from minus to plus ``applicable``, of 16 decimals; null without a score. A score of a quarter of the
    threshold or less gets the full reduction.

    Notes
    -----
    Source: 42 U.S.C. 1395w-4(q)(6)(A)(iii)-(iv).
    """
    points, line = money.in_units(score, SCORE_DECIMALS), money.in_units(threshold, SCORE_DECIMALS)
    highest = HIGHEST_SCORE * 10**SCORE_DECIMALS
    above = _share(applicable, ibis.greatest(points - line, 0), highest - line)
    below = _share(applicable, ibis.greatest(line - points, 0), line)
    none = ibis.literal(0).cast(ADJUSTMENT_TYPE)
    return ibis.cases(
        (points.isnull(), ibis.null(ADJUSTMENT_TYPE)),
        # A threshold of 100 leaves nothing to reward.
        (points >= line, above.fill_null(none)),
        (points * 4 <= line, -applicable.cast(ADJUSTMENT_TYPE)),
        else_=-below,
    )


def sliding_scale(
    score: ir.DecimalValue, threshold: ir.DecimalValue, lowest: ir.DecimalValue, highest: ir.DecimalValue
) -> ir.DecimalValue:
    """Give ``lowest`` at the threshold, ``highest`` at a score of 100, on a line between, and nothing below.

    Parameters
    ----------
    score, threshold
        Scores 0 to 100, of 10 decimals.
    lowest, highest
        Ratios of at most 4 decimals.

    Returns
    -------
    Ratio of 16 decimals; null where an argument is.
    """
    points, line = money.in_units(score, SCORE_DECIMALS), money.in_units(threshold, SCORE_DECIMALS)
    whole = HIGHEST_SCORE * 10**SCORE_DECIMALS
    more = _share(highest - lowest, ibis.greatest(points - line, 0), whole - line)
    more = ibis.ifelse(line == whole, (highest - lowest).cast(ADJUSTMENT_TYPE), more)
    given = money.exact(lowest + more, 18, ADJUSTMENT_DECIMALS)
    none = ibis.ifelse(lowest.notnull(), ibis.literal(0).cast(ADJUSTMENT_TYPE), ibis.null(ADJUSTMENT_TYPE))
    return ibis.ifelse(points >= line, given, ibis.ifelse(points.notnull(), none, ibis.null(ADJUSTMENT_TYPE)))


def _share(ratio: ir.DecimalValue, way: ir.IntegerValue, whole: ir.IntegerValue) -> ir.DecimalValue:
    """Take the part of a ratio that the way is of the whole; multiplied first, so that only the last place rounds."""
    share = money.divide_half_up(money.in_units(ratio, RATIO_DECIMALS) * way, whole)
    last_place = ibis.literal("0.0001").cast(f"decimal(5, {RATIO_DECIMALS})")
    return money.exact(share.cast("decimal(19, 12)") * last_place, 18, ADJUSTMENT_DECIMALS)


def neutral_scale(available: Decimal, increases: Decimal, maximum: Decimal) -> Decimal:
    """Find the factor at which all increases together spend what is available.

    Parameters
    ----------
    available
        Dollars that may be spent: what the reductions take, or a pool.
    increases
        Dollars of all increases before scaling.
    maximum
        Largest factor; where it is reached, less is spent than is available.

    Returns
    -------
    Factor of 14 decimals, cut so that no more than is available is spent; the maximum where there is no increase.
    """
    if increases <= 0:
        return maximum
    with localcontext(prec=60):
        scale = (available / increases).quantize(Decimal(1).scaleb(-SCALE_DECIMALS), ROUND_DOWN)
    return min(scale, maximum)


def scaled(adjustment: ir.DecimalValue, scale: ir.DecimalValue) -> ir.DecimalValue:
    """Multiply an increase by its factor."""
    product = adjustment.cast("decimal(19, 16)") * scale.cast(f"decimal(18, {SCALE_DECIMALS})")
    return money.exact(product, 18, ADJUSTMENT_DECIMALS)
