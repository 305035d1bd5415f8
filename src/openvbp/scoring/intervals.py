"""Confidence intervals of a proportion: Wilson's score interval and the exact one of Clopper and Pearson.

The bounds are computed in binary floating point and rounded to six decimals; they are there to be read. Whether a
reference lies outside Wilson's interval is decided by :func:`wilson_comparison` in whole numbers, the same on every
engine.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal
from statistics import NormalDist

import ibis
import ibis.expr.types as ir

from openvbp import money

CRITICAL_VALUE_DECIMALS = 6
REFERENCE_DECIMALS = 6
BOUND_DECIMALS = 6
BOUND_TYPE = f"decimal(18, {BOUND_DECIMALS})"
MOST_PATIENTS = 10**6
"""Denominators are below this, so that the whole numbers of the comparison have at most 37 digits."""

_HALVINGS = 60
_PRECISION = 1e-15


def critical_value(confidence_level: Decimal) -> Decimal:
    """Give the two-sided critical value of the standard normal distribution, to six decimals.

    Parameters
    ----------
    confidence_level
        Above 0 and below 1, of at most six decimals, so that the critical value is below 5.

    Examples
    --------
    >>> critical_value(Decimal("0.95"))
    Decimal('1.959964')
    """
    quantile = NormalDist().inv_cdf(float((1 + confidence_level) / 2))
    return _rounded(quantile, CRITICAL_VALUE_DECIMALS)


def wilson_bounds(
    met: ir.IntegerValue, patients: ir.IntegerValue, critical: ir.DecimalValue
) -> tuple[ir.DecimalValue, ir.DecimalValue]:
    """Give the lower and the upper bound of Wilson's score interval.

    With ``z`` the critical value: ``(k + z²/2 ± z · sqrt(k (n − k) / n + z²/4)) / (n + z²)``.

    Parameters
    ----------
    met, patients
        Numerator ``k`` and denominator ``n`` of the proportion.
    critical
        See :func:`critical_value`.

    Returns
    -------
    Bounds between 0 and 1 of six decimals; null without patients. Only operations that IEEE 754 rounds correctly are
    used, so engines agree.

    References
    ----------
    E. B. Wilson, Journal of the American Statistical Association 22 (1927), 209-212; L. D. Brown, T. T. Cai, A.
    DasGupta, Statistical Science 16 (2001), 101-133, equation (4).
    """
    k, n, z = met.cast("float64"), patients.nullif(0).cast("float64"), critical.cast("float64")
    middle = k + z * z / 2
    reach = z * (k * (n - k) / n + z * z / 4).sqrt()
    return _bound((middle - reach) / (n + z * z)), _bound((middle + reach) / (n + z * z))


def _bound(value: ir.FloatingValue) -> ir.DecimalValue:
    return money.from_units((value * float(10**BOUND_DECIMALS)).round().cast("int64"), BOUND_DECIMALS)


def wilson_comparison(
    met: ir.IntegerValue, patients: ir.IntegerValue, reference: ir.DecimalValue, critical: ir.DecimalValue
) -> ir.IntegerValue:
    """Say whether Wilson's interval lies above a reference rate, below it, or contains it.

    A rate ``p`` is outside the interval exactly if ``(k − n p)² > z² n p (1 − p)``; both sides are compared as whole
    numbers. A reference on the bound itself is inside.

    Parameters
    ----------
    met, patients
        Numerator ``k`` and denominator ``n``; below one million.
    reference
        Rate ``p``, 0 to 1, of at most six decimals.
    critical
        See :func:`critical_value`.

    Returns
    -------
    1 where the interval lies above the reference, -1 where it lies below, 0 where it contains it; null without
    patients or without a reference.
    """
    one = 10**REFERENCE_DECIMALS
    rate = money.in_units(reference, REFERENCE_DECIMALS)
    z = money.in_units(critical, CRITICAL_VALUE_DECIMALS)
    n = patients.nullif(0)
    distance = met * one - n * rate
    # One of two factors has nineteen digits: DuckDB would keep eighteen of the product otherwise.
    square = money.exact(distance.cast("decimal(19, 0)") * distance.cast("decimal(12, 0)"), 24, 0)
    scale = ibis.literal(str(10 ** (2 * CRITICAL_VALUE_DECIMALS))).cast("decimal(13, 0)")
    left = money.exact(square * scale, 37, 0)
    variance = (n * (rate * (one - rate))).cast("decimal(19, 0)")
    right = money.exact(variance * (z * z).cast("decimal(14, 0)"), 37, 0)
    return ibis.cases(
        (left.isnull() | right.isnull(), ibis.null("int64")),
        (left <= right, ibis.literal(0).cast("int64")),
        (distance > 0, ibis.literal(1).cast("int64")),
        else_=ibis.literal(-1).cast("int64"),
    )


def comparison_with_bounds(
    lower: ir.DecimalValue, upper: ir.DecimalValue, reference: ir.DecimalValue
) -> ir.IntegerValue:
    """Say whether an interval lies above a reference (1), below it (-1) or contains it (0), all of six decimals."""
    return ibis.cases(
        (lower.isnull() | upper.isnull() | reference.isnull(), ibis.null("int64")),
        (lower > reference, ibis.literal(1).cast("int64")),
        (upper < reference, ibis.literal(-1).cast("int64")),
        else_=ibis.literal(0).cast("int64"),
    )


def clopper_pearson(met: int, patients: int, confidence_level: Decimal) -> tuple[Decimal, Decimal]:
    """Give the bounds of the exact interval of Clopper and Pearson.

    With ``a`` one minus the confidence level, the lower bound is the quantile ``a/2`` of the beta distribution with
    parameters ``k`` and ``n − k + 1`` (0 where ``k`` is 0), the upper one the quantile ``1 − a/2`` of that with
    ``k + 1`` and ``n − k`` (1 where ``k`` is ``n``). No engine has these quantiles: they are computed here once per
    distinct proportion and joined, so that every engine is given the same numbers.

    Parameters
    ----------
    met, patients
        Numerator ``k`` and denominator ``n``; ``n`` is above zero.
    confidence_level
        Above 0 and below 1.

    Returns
    -------
    Lower and upper bound of six decimals.

    References
    ----------
    C. J. Clopper, E. S. Pearson, Biometrika 26 (1934), 404-413; Brown, Cai, DasGupta (2001), section 4.2.1.

    Examples
    --------
    >>> clopper_pearson(0, 10, Decimal("0.95"))
    (Decimal('0.000000'), Decimal('0.308497'))
    """
    tail = float((1 - confidence_level) / 2)
    lower = 0.0 if met == 0 else _beta_quantile(tail, met, patients - met + 1)
    upper = 1.0 if met == patients else 1 - _beta_quantile(tail, patients - met, met + 1)
    return _rounded(lower, BOUND_DECIMALS), _rounded(upper, BOUND_DECIMALS)


def _rounded(value: float, decimals: int) -> Decimal:
    return Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def _beta_quantile(probability: float, a: int, b: int) -> float:
    """Halve the interval from 0 to 1 until the quantile is found to the last digit."""
    low, high = 0.0, 1.0
    for _halving in range(_HALVINGS):
        middle = (low + high) / 2
        if _regularized_beta(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _regularized_beta(x: float, a: int, b: int) -> float:
    """Distribution function of the beta distribution: continued fraction 8.17.22 of the NIST DLMF.

    It converges fast below the mean; above it the complement is computed.
    """
    if x <= (a + 1) / (a + b + 2):
        return _lower_part(x, a, b)
    return 1 - _lower_part(1 - x, b, a)


def _lower_part(x: float, a: int, b: int) -> float:
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(logarithm) / a * _continued_fraction(x, a, b)


def _continued_fraction(x: float, a: int, b: int) -> float:
    """Evaluate ``1/(1 + d1/(1 + d2/(1 + ...)))`` forwards (Lentz), until another step changes nothing."""
    numerator, denominator = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = denominator
    change, step = 0.0, 0
    while abs(change - 1) > _PRECISION:
        step += 1
        twice = 2 * step
        even = step * (b - step) * x / ((a + twice - 1) * (a + twice))
        odd = -(a + step) * (a + b + step) * x / ((a + twice) * (a + twice + 1))
        for term in (even, odd):
            denominator = 1 / (1 + term * denominator)
            numerator = 1 + term / numerator
            change = numerator * denominator
            value *= change
    return value
