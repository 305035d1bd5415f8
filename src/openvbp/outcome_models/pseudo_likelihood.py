"""Restricted pseudo-likelihood (PQL with REML): the method of CMS's outcome measures.

The outcome is replaced by a pseudo-response that is linear in coefficients and effects, the linear mixed model is
solved, and both are repeated until nothing moves. It is what SAS PROC GLIMMIX does where no METHOD is named (RSPL).

References
----------
N. E. Breslow, D. G. Clayton, Journal of the American Statistical Association 88 (1993), 9-25; R. Wolfinger,
M. O'Connell, Journal of Statistical Computation and Simulation 48 (1993), 233-243.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from openvbp.errors import InputDataError, Problem
from openvbp.outcome_models.design import Design, sample_of
from openvbp.outcome_models.provider_blocks import modes_at
from openvbp.outcome_models.rows import Floats, MemoryRows
from openvbp.outcome_models.sums import Sums, sums_at, with_provider_covariate

LEAST_VARIANCE, MOST_VARIANCE = 1e-6, 10.0
START_VARIANCE = 0.06
TOLERANCE = 1e-7
MOST_PASSES = 60
_STEP = 0.1
_FASTEST, _FAST = 0.01, 0.1
_SAMPLE_CASES = 60_000
_LEAST_SAMPLE = 100
"""Providers."""
_SAMPLE_TOLERANCE = 1e-2
_ROOT_TOLERANCE = 1e-11
_MOST_ROOT_STEPS = 100


@dataclass(frozen=True)
class Estimate:
    """A model at the scale of the design; the covariate of the providers, if there is one, stands last."""

    beta: Floats
    variance: float
    effects: Floats
    """Predicted effect of each provider (J), without the part that a covariate of the providers holds."""
    passes: int
    log_likelihood: float | None = None
    is_at_bound: bool = False


@dataclass(frozen=True)
class Solution:
    """The linear mixed model solved at one variance."""

    beta: Floats
    inverse: Floats
    """M⁻¹, the covariance of the coefficients."""
    shrinkage: Floats
    """k = t / (1 + t s) of each provider."""
    residual: Floats
    """Σ z − B'β of each provider."""
    slope: float
    """Derivative by ln t of −2 times the restricted log-likelihood."""

    @property
    def effects(self) -> Floats:
        """Best linear unbiased predictions of the provider effects."""
        return self.shrinkage * self.residual


def solve(sums: Sums, variance: float, *, is_restricted: bool = True) -> Solution:
    """Solve the linear mixed model of one linearization at a given variance of the provider effects.

    Raises
    ------
    scipy.linalg.LinAlgError
        If the information is not positive definite.
    """
    counted, by_provider = sums.counted, sums.provider_information
    shrinkage = variance / (1 + variance * sums.weight)
    times = counted * shrinkage
    matrix = sums.information - (by_provider * times[:, None]).T @ by_provider
    inverse = cho_solve(cho_factor(matrix), np.eye(len(matrix)))
    beta = inverse @ (sums.response - (times * sums.provider_response) @ by_provider)
    residual = sums.provider_response - by_provider @ beta
    squares = residual**2
    if is_restricted:
        squares = squares + ((by_provider @ inverse) * by_provider).sum(axis=1)
    left = 1 / (1 + variance * sums.weight)
    slope = variance * float(counted @ (sums.weight * left - squares * left**2))
    return Solution(beta, inverse, shrinkage, residual, slope)


def best_variance(sums: Sums, start: float, *, is_restricted: bool = True, tolerance: float = _ROOT_TOLERANCE) -> float:
    """Find the variance of the provider effects at which the likelihood of the linear mixed model is highest.

    The derivative is brought to zero, rather than the likelihood to its maximum, for near it the likelihood of a
    million rows is flat within its rounding. Returned is a bound where the likelihood still rises there.
    """

    def slope(logarithm: float) -> float:
        return solve(sums, float(np.exp(logarithm)), is_restricted=is_restricted).slope

    bounds = float(np.log(LEAST_VARIANCE)), float(np.log(MOST_VARIANCE))
    one = min(max(float(np.log(start)), bounds[0]), bounds[1])
    here = slope(one)
    if here == 0:
        return float(np.exp(one))
    step = _STEP if here < 0 else -_STEP
    while True:
        other = min(max(one + step, bounds[0]), bounds[1])
        there = slope(other)
        if (there < 0) != (here < 0):
            return float(np.exp(_root(slope, (one, here), (other, there), tolerance)))
        if other in bounds:
            return float(np.exp(other))
        one, here, step = other, there, step * 2


def _root(
    function: Callable[[float], float], one: tuple[float, float], other: tuple[float, float], tolerance: float
) -> float:
    """Where a function crosses zero, from two places with their values, of which one is below zero.

    The false position, with the value at the end that stays halved (the Illinois algorithm). Scipy has more of the
    kind, but to import them takes as long as a pass over a million rows.
    """
    (low, below), (high, above) = one, other
    for _step in range(_MOST_ROOT_STEPS):
        step = above * (high - low) / (above - below)
        if abs(step) <= tolerance:
            return high - step
        value = function(high - step)
        low, below = (high, above) if (value < 0) != (above < 0) else (low, below / 2)
        high, above = high - step, value
    return high


def standard_error_of_variance(sums: Sums, variance: float) -> float:
    """Standard error from the curvature of the restricted likelihood of the last linearization."""
    step = 1e-4
    up, down = (solve(sums, variance * float(np.exp(one))).slope for one in (step, -step))
    # The slope is that of −2 log L by ln t; at the maximum the derivative by t is that by ln t over t.
    curvature = (up - down) / (2 * step) / 2
    return variance / float(np.sqrt(curvature)) if curvature > 0 else float("nan")


def start_of(design: Design, extra: int = 0) -> Estimate:
    """Where to begin if nothing is known: the overall rate, and zero (p + extra coefficients)."""
    rate = design.rows.outcome.mean()
    beta = np.concatenate([[np.log(rate / (1 - rate))], np.zeros(design.size - 1 + extra)])
    return Estimate(beta, START_VARIANCE, np.zeros(len(design.rows.providers)), 0)


def _start_from_sample(design: Design, provider_covariate: Floats | None) -> Estimate | None:
    """What a sample of the providers says, where there are many cases in memory."""
    rows = design.rows
    every = min(len(rows.outcome) // _SAMPLE_CASES, len(rows.providers) // _LEAST_SAMPLE)
    if every < 2 or not isinstance(rows, MemoryRows):
        return None
    chosen, sample = sample_of(design, rows, every)
    covariate = None if provider_covariate is None else provider_covariate[chosen]
    found = fit_pseudo_likelihood(sample, covariate, tolerance=_SAMPLE_TOLERANCE)
    fixed = design.linear_predictor(found.beta[: design.size])
    if provider_covariate is not None:
        fixed += (found.beta[-1] * provider_covariate)[design.group]
    variance = START_VARIANCE if found.is_at_bound else found.variance
    return Estimate(found.beta, variance, modes_at(design, fixed, variance), 0)


def fit_pseudo_likelihood(
    design: Design,
    provider_covariate: Floats | None = None,
    *,
    copies: Floats | None = None,
    start: Estimate | None = None,
    is_restricted: bool = True,
    tolerance: float = TOLERANCE,
) -> Estimate:
    """Fit by restricted pseudo-likelihood.

    Parameters
    ----------
    design
        Rows with their scale.
    provider_covariate
        A further covariate, the same in all rows of a provider (J).
    copies
        How often each provider counts (J), for resampling.
    start
        Where to begin; when not given, at the overall rate or at the estimate of a sample of the providers.
    is_restricted
        False for maximum instead of restricted maximum likelihood.
    tolerance
        Largest error of a coefficient, and of the standard deviation τ, at the end: the last change, times how much
        smaller it was than the one before.

    Raises
    ------
    InputDataError
        If the coefficients do not settle.
    """
    if start is None and copies is None:
        try:
            sampled = _start_from_sample(design, provider_covariate)
            if sampled is not None:
                return _settled(
                    design, provider_covariate, None, sampled, is_restricted=is_restricted, tolerance=tolerance
                )
        except InputDataError:
            # What is rare may be missing in a sample, and its coefficient is anything then.
            pass
    begin = start_of(design, 0 if provider_covariate is None else 1) if start is None else start
    return _settled(design, provider_covariate, copies, begin, is_restricted=is_restricted, tolerance=tolerance)


def _settled(
    design: Design,
    provider_covariate: Floats | None,
    copies: Floats | None,
    begin: Estimate,
    *,
    is_restricted: bool,
    tolerance: float,
) -> Estimate:
    """Linearize and solve until nothing moves."""
    size = design.size
    beta, effects, variance = begin.beta, begin.effects, begin.variance
    change, moved = np.full(size, np.inf), np.inf
    for passes in range(1, MOST_PASSES + 1):
        shift = effects if provider_covariate is None else effects + beta[size] * provider_covariate
        sums = sums_at(design, beta[:size], shift, copies)
        if provider_covariate is not None:
            sums = with_provider_covariate(sums, provider_covariate)
        try:
            new_variance = best_variance(sums, variance, is_restricted=is_restricted)
            solution = solve(sums, new_variance, is_restricted=is_restricted)
        except (LinAlgError, ValueError):
            break
        change = np.abs(solution.beta - beta)
        before, moved = moved, max(change.max(), abs(np.sqrt(new_variance) - np.sqrt(variance)))
        beta, effects, variance = solution.beta, solution.effects, new_variance
        if moved * _rate(moved, before) < tolerance:
            return Estimate(beta, variance, effects, passes, is_at_bound=is_at_bound(variance))
    raise not_settled(design, change)


def _rate(moved: float, before: float) -> float:
    """How much smaller the next change will be than the last one, as the one before tells; 1 where it tells little."""
    rate = moved / before if before < np.inf else 1.0
    return max(rate, _FASTEST) if rate < _FAST else 1.0


def is_at_bound(variance: float) -> bool:
    """Whether a variance is at a bound of the search, so that it is no estimate."""
    return not LEAST_VARIANCE * 1.01 < variance < MOST_VARIANCE * 0.99


def not_settled(design: Design, change: Floats) -> InputDataError:
    """Say which coefficients did not settle."""
    names = np.array([*design.rows.covariates])
    moving = np.nan_to_num(change[1 : design.size], nan=np.inf)
    largest = names[np.argsort(-moving)[:3]] if len(names) else names
    what_to_do = (
        "leave out or pool rare indicators, and covariates that together tell the outcome (separation); the ones that "
        "moved most are named"
    )
    return InputDataError(
        Problem("the coefficients do not settle", "the covariates", what_to_do, examples=tuple(str(n) for n in largest))
    )
