"""Reliability of profiles: how much of the difference between providers is theirs and not chance.

For the reliability of mean costs see :func:`openvbp.attribution.unit_costs.reliability`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_HALVINGS = 200
_PASSES = 100


def signal_to_noise(between_variance: float, information: np.ndarray) -> np.ndarray:
    """Reliability of each provider: τ² ÷ (τ² + 1/s).

    Parameters
    ----------
    between_variance
        τ², variance of providers' effects on the logit scale; for counts on the scale of the log ratio.
    information
        s of each provider: sum of p (1 − p) over its cases; for counts the expected count.

    Returns
    -------
    Between 0 and 1: the weight by which a random-intercept model shrinks the provider's own estimate.

    Source: J. L. Adams, The reliability of provider profiling: a tutorial, RAND TR-653 (2009).

    Examples
    --------
    >>> signal_to_noise(0.0625, np.array([16.0])).tolist()
    [0.5]
    """
    product = between_variance * np.asarray(information, float)
    return product / (product + 1)


def cases_needed(reliability: float, between_variance: float, information_per_case: float) -> float:
    """Cases from which on a provider's profile has a reliability: R ÷ ((1 − R) τ² w̄).

    Infinite where providers do not differ.
    """
    signal = (1 - reliability) * between_variance * information_per_case
    return reliability / signal if signal else math.inf


def between_variance(observed: np.ndarray, expected: np.ndarray, information: np.ndarray) -> float:
    """Estimate τ² from providers' totals alone, where no model gives it.

    (O − E) ÷ s is a provider's effect to first order, with variance τ² + 1/s; τ² is chosen so that the weighted sum of
    squares about the mean is its expectation.

    Parameters
    ----------
    observed, expected, information
        Of each provider; information above 0.

    Returns
    -------
    At least 0.

    Source: R. C. Paule and J. Mandel, Journal of Research of the National Bureau of Standards 87 (1982), 377-385.
    """
    effect, noise = (observed - expected) / information, 1 / information

    def excess(candidate: float) -> float:
        weight = 1 / (candidate + noise)
        mean = (weight * effect).sum() / weight.sum()
        return float((weight * (effect - mean) ** 2).sum()) - (len(effect) - 1)

    if len(effect) < 2 or excess(0.0) <= 0:
        return 0.0
    low, high = 0.0, 1.0
    while excess(high) > 0:
        high *= 2
    for _halving in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return (low + high) / 2


@dataclass(frozen=True)
class BetaBinomial:
    """Rates that differ between providers as a beta distribution does."""

    alpha: float
    beta: float

    def reliability(self, cases: np.ndarray) -> np.ndarray:
        """Reliability of an unadjusted rate: n ÷ (n + α + β)."""
        return np.asarray(cases, float) / (np.asarray(cases, float) + self.alpha + self.beta)

    def cases_needed(self, reliability: float) -> float:
        """Cases from which on a rate has a reliability."""
        return reliability / (1 - reliability) * (self.alpha + self.beta)


def beta_binomial(observed: np.ndarray, cases: np.ndarray) -> BetaBinomial | None:
    """Fit the beta-binomial distribution to providers' counts by maximum likelihood.

    Parameters
    ----------
    observed, cases
        Whole numbers of each provider: events, and cases, at least 1.

    Returns
    -------
    Nothing where the counts do not differ by more than chance, or all providers have no event or only events: then the
    likelihood has no maximum.

    Source: D. A. Griffiths, Biometrics 29 (1973), 637-648.
    """
    events, others = np.asarray(observed, int), np.asarray(cases, int) - np.asarray(observed, int)
    if events.sum() == 0 or others.sum() == 0:
        return None
    # The likelihood is a sum of logarithms of α + i, β + i and α + β + i: how often each i occurs is all that counts.
    often = [_more_than(counts) for counts in (events, others, events + others)]
    mean = events.sum() / (events.sum() + others.sum())
    point = np.log(np.array([mean, 1 - mean]) * 50.0)
    for _pass in range(_PASSES):
        value, slope, bend = _likelihood(point, often)
        # Newton's step where the surface is bent downwards, else uphill.
        is_peak = bend[0, 0] < 0 and np.linalg.det(bend) > 0
        step = -np.linalg.solve(bend, slope) if is_peak else slope / np.abs(slope).max()
        step = step / max(1.0, np.abs(step).max() / 2.0)
        while _likelihood(point + step, often)[0] < value and np.abs(step).max() > 1e-12:
            step = step / 2
        point = point + step
        if np.abs(step).max() < 1e-10:
            break
        if point.max() > math.log(1e8):
            return None
    return BetaBinomial(*(float(one) for one in np.exp(point)))


def _more_than(counts: np.ndarray) -> np.ndarray:
    """For i = 0, 1, ...: how many counts are above i."""
    return len(counts) - np.cumsum(np.bincount(counts))[:-1] if counts.max(initial=0) else np.zeros(0, int)


def _likelihood(point: np.ndarray, often: list[np.ndarray]) -> tuple[float, np.ndarray, np.ndarray]:
    """Value, slope and bend of the log-likelihood in ln α, ln β."""
    alpha, beta = np.exp(point)
    sums = []
    for start, times in zip((alpha, beta, alpha + beta), often, strict=True):
        terms = start + np.arange(len(times))
        sums.append(((times * np.log(terms)).sum(), (times / terms).sum(), -(times / terms**2).sum()))
    (a0, a1, a2), (b0, b1, b2), (c0, c1, c2) = sums
    slope = np.array([alpha * (a1 - c1), beta * (b1 - c1)])
    mixed = -alpha * beta * c2
    bend = np.array([[alpha**2 * (a2 - c2) + slope[0], mixed], [mixed, beta**2 * (b2 - c2) + slope[1]]])
    return a0 + b0 - c0, slope, bend
