"""Which providers differ by more than chance, and by more than providers usually do: funnel limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from openvbp.profiling.poisson import is_unusual, quantile

Method = Literal["overdispersed", "naive", "additive", "exact"]
METHODS: tuple[Method, ...] = ("overdispersed", "naive", "additive", "exact")
Clipped = Literal["squares", "scores"]
_QUANTILE = 0.1
_FURTHEST = 700.0
"""Logarithm of a ratio beyond which there is no number."""
NO_EVENT = 0.5
"""What is taken for no event where a logarithm is."""


@dataclass(frozen=True)
class Funnel:
    """How far providers spread around what is expected."""

    dispersion: float
    """φ: 1 where providers differ by chance alone, above 1 otherwise."""
    measured_dispersion: float
    """φ as measured, which may be below 1."""
    extra_variance: float
    """τ² of the additive method, on the scale of the log ratio."""
    confidence: float

    @property
    def critical(self) -> float:
        """Two-sided critical value of the standard normal distribution."""
        return NormalDist().inv_cdf((1 + self.confidence) / 2)


def z_scores(observed: np.ndarray, expected: np.ndarray, information: np.ndarray) -> np.ndarray:
    """(O − E) ÷ √s: distance from what is expected in standard deviations of chance."""
    return (observed - expected) / np.sqrt(information)


def fit_funnel(
    observed: np.ndarray,
    expected: np.ndarray,
    information: np.ndarray,
    confidence: float = 0.95,
    clipped: Clipped = "squares",
) -> Funnel:
    """Measure dispersion, with the outermost providers held in so that they do not hide themselves.

    Parameters
    ----------
    observed, expected, information
        Of each provider; information is the variance of the observed count under chance: the sum of p (1 − p), or the
        expected count.
    confidence
        Of two-sided limits.
    clipped
        What is clipped at its 10 % and 90 % quantiles before squares are averaged: the ``squares`` of z, or the
        ``scores`` z themselves, as Spiegelhalter has it. Both give less than 1 for chance alone; then 1 is taken.

    Returns
    -------
    Dispersion φ, and the variance τ² that the additive method takes to be added to that of ln (O/E), s ÷ E².

    Source: D. J. Spiegelhalter, Quality and Safety in Health Care 14 (2005), 347-351, and Statistics in Medicine 24
    (2005), 1185-1202.
    """
    z = z_scores(observed, expected, information)
    measured = clipped_dispersion(z, clipped)
    log_z, noise = _log_scale(observed, expected, information)
    weight = 1 / noise
    spread = clipped_dispersion(log_z / np.sqrt(noise), clipped)
    count = len(z)
    denominator = weight.sum() - (weight**2).sum() / weight.sum()
    extra = (count * spread - (count - 1)) / denominator if denominator > 0 else 0.0
    return Funnel(max(1.0, measured), measured, max(0.0, float(extra)), confidence)


def clipped_dispersion(z: np.ndarray, clipped: Clipped = "squares") -> float:
    """Mean of squares, clipped at the 10 % and 90 % quantiles (see :func:`fit_funnel`)."""
    held = z**2 if clipped == "squares" else z
    low, high = np.quantile(held, [_QUANTILE, 1 - _QUANTILE])
    held = np.clip(held, low, high)
    return float(held.mean() if clipped == "squares" else (held**2).mean())


def _log_scale(observed: np.ndarray, expected: np.ndarray, information: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.log(np.maximum(observed, NO_EVENT) / expected), information / expected**2


def classify(
    method: Method, funnel: Funnel, observed: np.ndarray, expected: np.ndarray, information: np.ndarray
) -> np.ndarray:
    """Say for each provider whether it has more events than the limits allow (1), fewer (-1), or neither (0).

    Parameters
    ----------
    method
        ``naive``: chance alone, by the normal distribution. ``exact``: chance alone, by the Poisson distribution
        (cautious where cases are not rare events). ``overdispersed``: limits √φ times as wide. ``additive``: providers
        differ by a further variance τ² of the log ratio.
    """
    critical = funnel.critical
    if method == "exact":
        pairs = zip(observed.astype(int).tolist(), expected.tolist(), strict=True)
        return np.array([is_unusual(seen, due, funnel.confidence) for seen, due in pairs])
    if method == "additive":
        logarithm, noise = _log_scale(observed, expected, information)
        distance = logarithm / np.sqrt(noise + funnel.extra_variance)
    else:
        factor = math.sqrt(funnel.dispersion) if method == "overdispersed" else 1.0
        distance = z_scores(observed, expected, information) / factor
    return np.sign(distance).astype(int) * (np.abs(distance) > critical)


def limits(method: Method, funnel: Funnel, expected: float, information: float) -> tuple[float, float]:
    """Lowest and highest O/E that is not flagged, of a provider of a size.

    Returns
    -------
    Ratios; the lower one is not below 0. For ``exact`` counts are whole: the limits are those of the counts.
    """
    if method == "exact":
        tail = (1 - funnel.confidence) / 2
        return quantile(tail, expected) / expected, quantile(1 - tail, expected) / expected
    spread = math.sqrt(information) / expected
    if method == "additive":
        # Where next to nothing is expected any ratio is within the limits.
        reach = min(funnel.critical * math.sqrt(spread**2 + funnel.extra_variance), _FURTHEST)
        return math.exp(-reach), math.exp(reach)
    factor = math.sqrt(funnel.dispersion) if method == "overdispersed" else 1.0
    return max(0.0, 1 - funnel.critical * factor * spread), 1 + funnel.critical * factor * spread
