"""Points for achievement and for improvement, between a threshold and a benchmark."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from openvbp import money


def oriented(rate: ir.DecimalValue, is_higher_better: ir.BooleanValue) -> ir.IntegerValue:
    """Express a rate as a whole number that is larger when better.

    Lower-is-better rates are negated, so that one formula serves both directions.
    """
    units = money.in_units(rate, money.RATE_DECIMALS)
    return ibis.ifelse(is_higher_better, units, -units)


def achievement_points(
    rate: ir.IntegerValue, threshold: ir.IntegerValue, benchmark: ir.IntegerValue
) -> ir.IntegerValue:
    """Give 10 points at the benchmark, 0 below the threshold, 1 to 9 between.

    Parameters
    ----------
    rate, threshold, benchmark
        Oriented whole numbers (see :func:`oriented`), any grain.

    Returns
    -------
    Points 0 to 10; null where the rate is null, or where it lies between and a standard is null.

    Notes
    -----
    Between: ``9 * (rate - threshold) / (benchmark - threshold) + 0.5``, rounded half up.
    Source: 42 CFR 412.165(a)(2) for the ranges; the rounding is reproduced on all published FY2024 scores.
    """
    between = money.round_half_up_quotient((rate - threshold) * 9, benchmark - threshold, plus_halves=1)
    return ibis.cases((rate >= benchmark, 10), (rate < threshold, 0), else_=between)


def improvement_points(rate: ir.IntegerValue, baseline: ir.IntegerValue, benchmark: ir.IntegerValue) -> ir.IntegerValue:
    """Give 0 to 9 points for the way gone from the own baseline to the benchmark.

    Parameters
    ----------
    rate, baseline, benchmark
        Oriented whole numbers (see :func:`oriented`), any grain.

    Returns
    -------
    Points 0 to 9; null where an argument is null.

    Notes
    -----
    Between: ``10 * (rate - baseline) / (benchmark - baseline) - 0.5``, rounded half up, at most 9. A provider
    that already beat the benchmark and improves further gets 9: the regulation does not define this case,
    the published scores do.
    Source: 42 CFR 412.165(a)(3).
    """
    between = money.round_half_up_quotient((rate - baseline) * 10, benchmark - baseline, plus_halves=-1)
    known = rate.notnull() & baseline.notnull() & benchmark.notnull()
    points = ibis.cases((rate <= baseline, 0), (rate >= benchmark, 9), else_=ibis.least(between, 9))
    return ibis.ifelse(known, points, ibis.null("int64"))
