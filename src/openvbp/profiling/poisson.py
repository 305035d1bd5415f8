"""Exact probabilities of a Poisson count, for limits that need no approximation."""

from __future__ import annotations

import math

_PRECISION = 1e-15
_HALVINGS = 100


def at_most(count: int, mean: float) -> float:
    """Probability of a count of at most ``count``, by the regularized incomplete gamma function.

    Parameters
    ----------
    count
        0 or more.
    mean
        Above 0.

    Source: NIST Digital Library of Mathematical Functions, 8.4.10, 8.7.1 and 8.9.2.

    Examples
    --------
    >>> round(at_most(0, 1.0), 9) == round(math.exp(-1), 9)
    True
    """
    shape = count + 1
    # The series converges fast below the shape, the continued fraction above it.
    if mean < shape:
        return 1 - _lower(shape, mean)
    return _upper(shape, mean)


def _front(shape: int, mean: float) -> float:
    return math.exp(shape * math.log(mean) - mean - math.lgamma(shape))


def _lower(shape: int, mean: float) -> float:
    term = total = 1 / shape
    step = shape
    while term > total * _PRECISION:
        step += 1
        term *= mean / step
        total += term
    return _front(shape, mean) * total


def _upper(shape: int, mean: float) -> float:
    """Lentz's evaluation of the continued fraction, until another step changes nothing."""
    tiny = 1e-300
    bottom = mean + 1 - shape
    ratio = 1 / tiny
    inverse = 1 / bottom if bottom else 1 / tiny
    value, step, change = inverse, 0, 0.0
    while abs(change - 1) > _PRECISION:
        step += 1
        factor = -step * (step - shape)
        bottom += 2
        inverse = 1 / (factor * inverse + bottom or tiny)
        ratio = bottom + factor / ratio or tiny
        change = ratio * inverse
        value *= change
    return _front(shape, mean) * value


def limits_of_mean(count: int, confidence: float) -> tuple[float, float]:
    """Exact interval of the mean of a Poisson count.

    Parameters
    ----------
    count
        What was observed.
    confidence
        Above 0 and below 1.

    Returns
    -------
    Lower and upper limit: the means under which a count as large, or as small, has probability (1 − confidence) ÷ 2.

    Source: F. Garwood, Biometrika 28 (1936), 437-442.

    Examples
    --------
    >>> [round(limit, 3) for limit in limits_of_mean(10, 0.95)]
    [4.795, 18.39]
    """
    tail = (1 - confidence) / 2
    reach = 20 + 12 * math.sqrt(count + 1)
    lower = 0.0 if count == 0 else _mean_where(lambda mean: 1 - at_most(count - 1, mean) < tail, 0.0, float(count))
    upper = _mean_where(lambda mean: at_most(count, mean) > tail, float(count), count + reach)
    return lower, upper


def _mean_where(is_below, low: float, high: float) -> float:  # type: ignore[no-untyped-def]
    """Halve an interval until it holds one number only."""
    for _halving in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2


def is_unusual(observed: int, expected: float, confidence: float) -> int:
    """Say whether a count is above (1), below (-1) or within (0) what chance makes of an expected count.

    The same as asking whether the expected count lies outside :func:`limits_of_mean`, without finding them.
    """
    tail = (1 - confidence) / 2
    if observed > expected:
        return int(1 - at_most(observed - 1, expected) < tail)
    return -int(at_most(observed, expected) < tail)


def quantile(probability: float, mean: float) -> int:
    """Smallest count that is not exceeded with at least a probability."""
    low, high = -1, int(mean + 12 * math.sqrt(mean) + 40)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if at_most(middle, mean) >= probability else (middle, high)
    return high
