"""What is known of each provider's true ratio, after chance is taken into account."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from openvbp.profiling.funnel import NO_EVENT

_NUMBERS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Posterior:
    """Normal distributions of the providers' log ratios."""

    mean: np.ndarray
    deviation: np.ndarray

    def interval(self, confidence: float) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper limit of the ratio."""
        reach = NormalDist().inv_cdf((1 + confidence) / 2) * self.deviation
        return np.exp(self.mean - reach), np.exp(self.mean + reach)

    def above_one(self) -> np.ndarray:
        """Probability that the true ratio is above 1."""
        normal = NormalDist()
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.where(self.deviation > 0, self.mean / self.deviation, np.sign(self.mean) * 40)
        return np.array([normal.cdf(float(one)) for one in distance])


def from_totals(
    observed: np.ndarray, expected: np.ndarray, information: np.ndarray, reliability: np.ndarray
) -> Posterior:
    """Shrink ln (O/E) to that of all providers together, by the reliability of each.

    The log ratio has variance s ÷ E² by chance; what remains of it is reliability × that variance. No event counts as
    half of one.
    """
    whole = np.log(observed.sum() / expected.sum())
    own = np.log(np.maximum(observed, NO_EVENT) / expected)
    mean = whole + reliability * (own - whole)
    return Posterior(mean, np.sqrt(reliability * information) / expected)


def from_effects(effect: np.ndarray, variance: np.ndarray, expected: np.ndarray, information: np.ndarray) -> Posterior:
    """Take a model's own effects, with their variances, on the logit scale; one unit is s ÷ E of the log ratio."""
    scale = information / expected
    return Posterior(effect * scale, np.sqrt(variance) * scale)


def worst_share_probability(
    posterior: Posterior, *, share: float = 0.25, draws: int = 4000, seed: int = 1, is_high_worse: bool = True
) -> np.ndarray:
    """Probability that a provider is truly among the worst, by draws of all providers' true ratios.

    Parameters
    ----------
    posterior
        Of the providers, in an order that does not depend on the file's.
    share
        Part of the providers that are the worst; at least one provider.
    draws
        The standard error of a probability p is √(p (1 − p) ÷ draws).
    seed
        The same seed gives the same draws.
    is_high_worse
        Whether high ratios are bad, as of deaths.

    Returns
    -------
    For each provider, between 0 and 1; they add up to the number of the worst.
    """
    count = len(posterior.mean)
    worst = max(1, round(share * count))
    generator = np.random.default_rng(seed)
    found = np.zeros(count, int)
    at_once = max(1, _NUMBERS_AT_ONCE // count)
    for first in range(0, draws, at_once):
        drawn = generator.standard_normal((min(at_once, draws - first), count)) * posterior.deviation + posterior.mean
        drawn = drawn if is_high_worse else -drawn
        last = np.argpartition(drawn, count - worst, axis=1)[:, count - worst :]
        found += np.bincount(last.ravel(), minlength=count)
    return found / draws
