"""Winsorized z-scores: how many standard deviations a result lies from the mean, extremes pulled in first."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext

import ibis
import ibis.expr.types as ir

from openvbp import money

CONSTANT_DECIMALS = money.RATE_DECIMALS
"""Decimals of the mean and the standard deviation."""


def winsorized(result: ir.DecimalValue, lowest: ir.DecimalValue, highest: ir.DecimalValue) -> ir.DecimalValue:
    """Raise a result below the lowest to it and lower one above the highest to it; null where an argument is null."""
    clipped = ibis.cases((result < lowest, lowest), (result > highest, highest), else_=result)
    return ibis.ifelse(lowest.isnull() | highest.isnull(), ibis.null(money.RATE_TYPE), clipped)


def sums_of_powers(result: ir.DecimalValue) -> dict[str, ir.Value]:
    """Aggregates from which mean and standard deviation follow: count, sum and sum of squares, all exact.

    Sums are in units of the result's last decimal place (see :data:`openvbp.money.RATE_DECIMALS`) and its square.
    """
    # More than 18 digits, or DuckDB keeps the product in 64 bits; types that Ibis does not infer, so that casts stay.
    units = money.in_units(result, money.RATE_DECIMALS).cast("decimal(19, 0)")
    return {
        "results": result.count(),
        "results_sum": units.sum().cast("decimal(37, 0)"),
        "squares_sum": (units * units).cast("decimal(37, 0)").sum().cast("decimal(38, 0)"),
    }


def mean(results: int, results_sum: Decimal) -> Decimal:
    """Mean of ``results`` numbers of a sum in units, rounded half up to :data:`CONSTANT_DECIMALS`.

    Raises
    ------
    ValueError
        If there is no result.
    """
    if results < 1:
        raise ValueError("a mean needs at least one result")
    with localcontext(prec=80):
        return _rounded(results_sum / results / 10**money.RATE_DECIMALS)


def standard_deviation(results: int, results_sum: Decimal, squares_sum: Decimal) -> Decimal:
    """Standard deviation of a sample (divisor ``n - 1``), rounded half up to :data:`CONSTANT_DECIMALS`.

    Parameters
    ----------
    results, results_sum, squares_sum
        As :func:`sums_of_powers` gives them: count, sum in units, sum of squares in squared units.

    Raises
    ------
    ValueError
        If there are fewer than two results.
    """
    if results < 2:
        raise ValueError("a standard deviation needs at least two results")
    with localcontext(prec=80):
        variance = (results * squares_sum - results_sum**2) / (results * (results - 1))
        return _rounded(variance.sqrt() / 10**money.RATE_DECIMALS)


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-CONSTANT_DECIMALS), ROUND_HALF_UP)


def z_score(result: ir.DecimalValue, mean: ir.DecimalValue, deviation: ir.DecimalValue) -> ir.DecimalValue:
    """Distance of a result from the mean in standard deviations, with 12 decimals, halves rounded away from zero.

    Parameters
    ----------
    result, mean, deviation
        Decimals with :data:`openvbp.money.RATE_DECIMALS` decimals, absolutely below 1000.

    Returns
    -------
    The z-score; null where an argument is null or the deviation is zero.
    """
    distance = money.in_units(result, money.RATE_DECIMALS) - money.in_units(mean, money.RATE_DECIMALS)
    quotient = money.divide_half_up(distance.abs(), money.in_units(deviation, money.RATE_DECIMALS))
    return ibis.ifelse(distance < 0, -quotient, quotient).cast(money.SCORE_TYPE)


def mean_of_units(units_sum: ir.IntegerValue, divisor: ir.IntegerValue) -> ir.IntegerValue:
    """Divide a sum of whole numbers, which may be negative, halves rounded away from zero."""
    quotient = money.round_half_up_quotient(units_sum.abs(), divisor)
    return ibis.ifelse(units_sum < 0, -quotient, quotient)
