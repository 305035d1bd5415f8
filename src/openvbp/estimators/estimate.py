"""One estimated effect with its uncertainty: what every estimator gives back."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

MULTIPLE_OF_STANDARD_ERROR = 2.80
"""Of a minimum detectable effect: 1.96 (two-sided 5 %) + 0.84 (80 % power); Bloom 1995, Evaluation Review 19."""
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """An effect in the unit of the outcome; what could not be computed is nan, never zero."""

    estimate: float
    standard_error: float
    low: float
    """Lower limit of the interval."""
    high: float
    p_value: float
    """Two-sided, of no effect."""
    observations: int
    """Rows that the estimate was computed from."""
    clusters: int
    """Clusters of these rows; 0 where none are made use of."""
    degrees_of_freedom: float | None = None
    """Of Student's t, from which limits and p-value come; none where they come from another distribution."""

    @property
    def minimum_detectable_effect(self) -> float:
        """Smallest true effect found in 80 % of samples by a two-sided test at 5 %: 2.80 standard errors."""
        return MULTIPLE_OF_STANDARD_ERROR * self.standard_error


def from_standard_error(
    estimate: float,
    standard_error: float,
    *,
    observations: int,
    clusters: int = 0,
    degrees_of_freedom: float | None = None,
    level: float = LEVEL,
) -> Estimate:
    """Give limits and p-value by Student's t, or by the normal distribution where there are no degrees of freedom.

    Clustered errors of the kind CR1 go with G − 1 degrees of freedom (G clusters), those of the kind CR2 with
    Satterthwaite's. Without a usable standard error (nan, zero, or no degree of freedom) limits and p-value are nan.

    Parameters
    ----------
    estimate, standard_error
        In the unit of the outcome; nan where missing.
    observations, clusters
        What they were computed from.
    degrees_of_freedom
        Of Student's t; none: normal distribution.
    level
        Share of samples in which the interval is to hold the true effect.
    """
    estimate, standard_error = float(estimate), float(standard_error)
    freedom = None if degrees_of_freedom is None else float(degrees_of_freedom)
    half_width = p_value = math.nan
    if standard_error > 0 and (freedom is None or freedom > 0):
        half_width = quantile((1 + level) / 2, freedom) * standard_error
        below = -abs(estimate) / standard_error
        p_value = 2 * float(special.ndtr(below) if freedom is None else special.stdtr(freedom, below))
    low, high = estimate - half_width, estimate + half_width
    return Estimate(estimate, standard_error, low, high, p_value, observations, clusters, freedom)


def quantile(share: float, degrees_of_freedom: float | None) -> float:
    """Give the quantile of Student's t; without degrees of freedom of the normal distribution."""
    return float(special.ndtri(share) if degrees_of_freedom is None else special.stdtrit(degrees_of_freedom, share))
