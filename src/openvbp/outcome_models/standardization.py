"""From a fitted model to rates of providers: predicted over expected events, and observed over expected ones.

References
----------
E. Ash, S. Fienberg, T. Louis, S.-L. Normand, T. Stukel, J. Utts, Statistical Issues in Assessing Hospital Performance
(2012), for predicted over expected; F. Garwood, Biometrika 28 (1936), 437-442, for the exact limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, gammaincinv, logit, ndtr, ndtri, pdtr

from openvbp.errors import InputDataError, Problem
from openvbp.outcome_models.fitting import Fit
from openvbp.outcome_models.rows import Floats

_HALVINGS = 80
_LEAST_SHARE = 1e-12


@dataclass(frozen=True)
class StandardizedRates:
    """Rates of providers, in the order of the model's providers (J)."""

    overall_rate: float
    """Observed, over all rows."""
    predicted: Floats
    """Events expected of the provider's patients at this provider: Σ logistic(x'β + u)."""
    expected: Floats
    """Events expected of them at a provider with effect zero: Σ logistic(x'β)."""
    ratio: Floats
    """Predicted over expected."""
    rate: Floats
    """Ratio times the overall rate."""


def standardized_rates(fit: Fit) -> StandardizedRates:
    """Give predicted and expected events, their ratio, and the risk-standardized rate of each provider."""
    overall = float(fit.design.rows.outcome.mean())
    ratio = fit.sums.predicted / fit.at_zero.predicted
    return StandardizedRates(overall, fit.sums.predicted, fit.at_zero.predicted, ratio, ratio * overall)


def moved_total(
    total: Floats, cases: Floats, weight: Floats, curvature: Floats, linear: Floats, effect: Floats | float
) -> Floats:
    """Give Σ μ after a small change of coefficients and a change of the effect, without the rows.

    The logit of the mean of μ is expanded, to the second order in the effect and the first in the coefficients: it is
    exact where the rows of a provider are alike, and stays between no event and one in each case.

    Parameters
    ----------
    total, cases
        Σ μ and rows of each provider.
    weight, curvature
        Σ w and Σ w(1 − 2μ).
    linear
        Σ w x'δβ: first-order change of Σ μ by the coefficients.
    effect
        Change of the provider's effect.
    """
    share = np.clip(total / cases, _LEAST_SHARE, 1 - _LEAST_SHARE)
    spread = cases * share * (1 - share)
    first = linear + weight * effect
    second = curvature * effect**2 / spread + (2 * share - 1) * (weight * effect / spread) ** 2
    return cases * expit(logit(share) + first / spread + second / 2)


def posterior_limits(fit: Fit, level: float = 0.95) -> tuple[Floats, Floats]:
    """Give limits of each ratio from the prediction error of the provider's effect, the model being taken as true."""
    reach = float(ndtri((1 + level) / 2)) * np.sqrt(fit.effect_variance)
    cases, sums = fit.design.cases.astype(float), fit.sums
    low, high = (
        moved_total(sums.predicted, cases, sums.weight, sums.curvature, np.zeros(len(cases)), one)
        for one in (-reach, reach)
    )
    return low / fit.at_zero.predicted, high / fit.at_zero.predicted


def probability_above_one(fit: Fit) -> Floats:
    """Probability that the effect of each provider is above zero, so that its ratio is above 1."""
    return ndtr(fit.effects / np.sqrt(fit.effect_variance))


@dataclass(frozen=True)
class ObservedToExpected:
    """Indirect standardization: observed over expected events, with limits of a Poisson count."""

    ratio: Floats
    exact: tuple[Floats, Floats]
    """Garwood's limits: never cover less than the level."""
    mid_p: tuple[Floats, Floats]
    """Limits that count half of the probability of what was observed: shorter, and cover the level on average."""


def observed_to_expected(observed: Floats, expected: Floats, level: float = 0.95) -> ObservedToExpected:
    """Give observed over expected events with exact and mid-P limits.

    Parameters
    ----------
    observed
        Whole numbers, zero or more.
    expected
        Above zero.
    level
        Of confidence.

    Raises
    ------
    InputDataError
        If an expected number is not above zero.

    Examples
    --------
    >>> found = observed_to_expected(np.array([10.0]), np.array([5.0]))
    >>> [round(float(limit[0]), 4) for limit in found.exact]
    [0.9591, 3.678]
    """
    observed, expected = np.asarray(observed, dtype=float), np.asarray(expected, dtype=float)
    wrong = int(np.count_nonzero(~(expected > 0)))
    if wrong:
        what_to_do = "leave out providers of whom no event is expected"
        raise InputDataError(Problem("expected events are not above zero", "expected", what_to_do, count=wrong))
    tail = (1 - level) / 2
    low = np.where(observed > 0, gammaincinv(np.maximum(observed, 1), tail), 0)
    high = gammaincinv(observed + 1, 1 - tail)
    # Counts repeat: the mid-P limits are found once for each.
    counts, place = np.unique(observed, return_inverse=True)
    middle = _mid_p(counts, tail)
    return ObservedToExpected(
        observed / expected,
        (low / expected, high / expected),
        (middle[0][place] / expected, middle[1][place] / expected),
    )


def _mid_p(observed: Floats, tail: float) -> tuple[Floats, Floats]:
    def above(mean: Floats) -> Floats:
        """Probability of more events, and half that of as many."""
        fewer = np.where(observed > 0, pdtr(np.maximum(observed - 1, 0), mean), 0)
        return 1 - (pdtr(observed, mean) + fewer) / 2

    limits = []
    for probability in (tail, 1 - tail):
        low, high = np.zeros_like(observed), observed + 10 * np.sqrt(observed + 1) + 10
        for _halving in range(_HALVINGS):
            middle = (low + high) / 2
            is_below = above(middle) < probability
            low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
        limits.append((low + high) / 2)
    return np.where(observed > 0, limits[0], 0), limits[1]


@dataclass(frozen=True)
class CombinedRatio:
    """A provider over all its cohorts."""

    provider_id: str
    cohorts: int
    cases: int
    ratio: float


def combine_cohorts(cohorts: Sequence[Mapping[str, tuple[int, float]]]) -> list[CombinedRatio]:
    """Combine the ratios of several cohorts, each with a model of its own, as the hospital-wide measures do.

    The ratio is ``exp(Σ n ln ratio / Σ n)``, with n the provider's cases in a cohort.

    Parameters
    ----------
    cohorts
        Of each cohort: cases (above zero) and ratio (above zero) by provider; a provider may lack cohorts.

    Raises
    ------
    InputDataError
        If cases or a ratio are not above zero.
    """
    totals: dict[str, tuple[int, int, float]] = {}
    wrong = [name for cohort in cohorts for name, (cases, ratio) in cohort.items() if not (cases > 0 and ratio > 0)]
    if wrong:
        what_to_do = "give cases and ratios above zero; leave out providers without cases"
        raise InputDataError(Problem("cases or ratio not above zero", "a cohort", what_to_do, len(wrong), tuple(wrong)))
    for cohort in cohorts:
        for provider, (cases, ratio) in cohort.items():
            number, before, weighted = totals.get(provider, (0, 0, 0.0))
            totals[provider] = (number + 1, before + cases, weighted + cases * float(np.log(ratio)))
    return [
        CombinedRatio(provider, number, cases, float(np.exp(weighted / cases)))
        for provider, (number, cases, weighted) in sorted(totals.items())
    ]
