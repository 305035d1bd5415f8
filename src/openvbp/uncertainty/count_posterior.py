"""Draws of true rates from counts: of so many cases, so many met the measure.

The numerator of a provider is binomial around its true rate, and true rates differ between providers as a beta
distribution does, which is fitted to the counts of all (:func:`openvbp.profiling.reliability.beta_binomial`). What is
known of a true rate, after x of n cases, is then the beta distribution with α + x and β + n − x.

Where fewer than 10 providers have cases, or their counts do not differ by more than chance, nothing is learned from the
others: α = β = ½ (Jeffreys' prior), which is wider than the truth if providers are much alike.

Cases of one provider are taken as independent and of one risk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openvbp.errors import InputDataError, Problem
from openvbp.outcome_models.rows import Floats
from openvbp.profiling.reliability import beta_binomial

LEAST_PROVIDERS = 10
"""Fewer tell nothing about how much providers differ."""
_JEFFREYS = 0.5


@dataclass(frozen=True)
class RatePosterior:
    """What is known of the true rates of J providers."""

    alpha: float
    beta: float
    """The distribution of rates among providers."""
    is_fitted: bool
    """Whether it follows from the counts of the providers; else it is Jeffreys' prior."""
    events: Floats
    cases: Floats

    def draw(self, number: int, seed: Sequence[int]) -> Floats:
        """Draw rates: N × J."""
        random = np.random.default_rng(list(seed))
        return random.beta(
            self.alpha + self.events, self.beta + self.cases - self.events, size=(number, len(self.events))
        )


def rate_posterior(events: Floats, cases: Floats) -> RatePosterior:
    """Find how rates differ between providers.

    Parameters
    ----------
    events
        Cases of each provider (J) that met the measure; not whole where they follow from a rounded rate.
    cases
        Above zero.

    Raises
    ------
    InputDataError
        If events are below zero or above the cases.
    """
    wrong = int(np.count_nonzero(~((events >= 0) & (events <= cases) & (cases > 0))))
    if wrong:
        what_to_do = "give numerators between 0 and the denominator"
        raise InputDataError(Problem("numerators are impossible", "counts of the run", what_to_do, wrong))
    found = None
    if len(events) >= LEAST_PROVIDERS:
        found = beta_binomial(np.round(events).astype(int), np.round(cases).astype(int))
    if found is None:
        return RatePosterior(_JEFFREYS, _JEFFREYS, is_fitted=False, events=events, cases=cases)
    return RatePosterior(found.alpha, found.beta, is_fitted=True, events=events, cases=cases)
