"""Draws of true ratios from what is published of them: a normal approximation, declared as such.

A publisher of risk-standardized ratios prints the ratio (predicted over expected events), the expected rate and the
number of cases, but not the uncertainty. Here

* the effect of a provider is the difference of the logits of its predicted and its expected rate;
* the information about it is ``s = n p (1 − p)``, with n cases and the predicted rate p, as if all cases had one risk;
* the variance τ² of effects among providers is the one at which shrunken effects and their variances add up to it:
  ``τ² = mean(û² + τ² / (1 + τ² s))``, which has one solution;
* an effect is drawn from the normal distribution with mean û and variance ``τ² / (1 + τ² s)``.

Cases of unlike risk hold less information than this says, and the uncertainty of the model's coefficients is left out:
the intervals are somewhat too short. A model fitted to the cases (``openvbp outcomes fit --draws``) has neither fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from openvbp.errors import InputDataError, Problem
from openvbp.outcome_models.rows import Floats

_HIGHEST_VARIANCE = 100.0
LEAST_PROVIDERS = 10
"""Fewer tell nothing about how much providers differ."""


@dataclass(frozen=True)
class Approximation:
    """What is known of the true effects of J providers, in logits."""

    effects: Floats
    variances: Floats
    tau: float
    expected: Floats
    """Expected rate of each."""

    def draw(self, number: int, seed: Sequence[int]) -> Floats:
        """Draw ratios: N × J."""
        normal = np.random.default_rng(list(seed)).standard_normal((number, len(self.effects)))
        effects = self.effects + np.sqrt(self.variances) * normal
        return expit(logit(self.expected) + effects) / self.expected


def approximate(ratio: Floats, expected: Floats, cases: Floats) -> Approximation:
    """Find τ and the distribution of each provider's effect.

    Parameters
    ----------
    ratio
        Predicted over expected events of each provider (J), shrunken.
    expected
        Expected rate, above 0 and below 1.
    cases
        Above zero.

    Raises
    ------
    InputDataError
        If there are fewer than 10 providers, or a predicted or expected rate is not between 0 and 1.
    """
    predicted = ratio * expected
    wrong = int(np.count_nonzero(~((predicted > 0) & (predicted < 1) & (expected > 0) & (expected < 1) & (cases > 0))))
    if wrong:
        what_to_do = "give ratios of predicted over expected rates between 0 and 1, and cases above zero"
        raise InputDataError(Problem("rates or cases are impossible", "published ratios", what_to_do, wrong))
    if len(ratio) < LEAST_PROVIDERS:
        what = f"{len(ratio)} providers with ratio, expected rate and cases do not show how much providers differ"
        raise InputDataError(Problem(what, "published ratios", f"give at least {LEAST_PROVIDERS}"))
    effects = logit(predicted) - logit(expected)
    information = cases * predicted * (1 - predicted)
    square = float(np.mean(effects**2))

    def surplus(variance: float) -> float:
        return square + float(np.mean(variance / (1 + variance * information))) - variance

    variance = float(brentq(surplus, 1e-12, _HIGHEST_VARIANCE, xtol=1e-12)) if square > 0 else 0.0
    return Approximation(effects, variance / (1 + variance * information), float(np.sqrt(variance)), expected)
