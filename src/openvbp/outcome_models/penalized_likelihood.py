"""Provider intercepts with a penalty of given strength: fixed effects with a weak one, or Laplace's method, profiled.

For a given variance t the sum of the log-likelihood and −Σ u²/2t is brought to its maximum over coefficients and
provider effects together, by Newton's method; the effects are eliminated provider by provider.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from openvbp.outcome_models.design import Design
from openvbp.outcome_models.pseudo_likelihood import (
    LEAST_VARIANCE,
    MOST_VARIANCE,
    Estimate,
    fit_pseudo_likelihood,
    is_at_bound,
    not_settled,
    start_of,
)
from openvbp.outcome_models.rows import Floats
from openvbp.outcome_models.sums import Sums, at_zero_effects, sums_at, with_provider_covariate

FIXED_EFFECT_VARIANCE = 25.0
"""Of a fixed effect: a standard deviation of 5 in logits keeps a provider without events finite, and little else."""
_TOLERANCE = 1e-9
_PROFILE_TOLERANCE = 1e-6
_MOST_PASSES = 60
_SHORTEST = 1e-4
_ROUNDING = 1e-13


def fit_fixed_effects(design: Design) -> Estimate:
    """Fit an intercept for each provider, held by a weak ridge.

    The ridge makes the effects sum to zero over providers; they are then moved by one constant so that over all rows as
    many events are expected as happened, and the intercept moves the other way.

    Raises
    ------
    InputDataError
        If the coefficients do not settle.
    """
    begin = start_of(design)
    beta, effects, _, passes = _newton(design, None, FIXED_EFFECT_VARIANCE, begin.beta, begin.effects)
    fixed = design.linear_predictor(beta)
    for _step in range(_MOST_PASSES):
        at_zero = at_zero_effects(design, fixed)
        change = (design.rows.outcome.sum() - at_zero.predicted.sum()) / at_zero.weight.sum()
        beta[0] += change
        fixed += change
        effects = effects - change
        if abs(change) < _TOLERANCE:
            break
    return Estimate(beta, FIXED_EFFECT_VARIANCE, effects, passes)


def fit_profiled(design: Design, provider_covariate: Floats | None = None) -> Estimate:
    """Fit by the Laplace approximation profiled over coefficients and effects together (lme4's nAGQ = 0).

    Raises
    ------
    InputDataError
        If the coefficients do not settle.
    """
    # Imported here, for it takes as long as a pass over a million rows and only this method needs it.
    from scipy.optimize import minimize_scalar

    start = fit_pseudo_likelihood(design, provider_covariate, tolerance=1e-3)
    state = [start.beta, start.effects]
    passes = start.passes

    def minus_likelihood(logarithm: float) -> float:
        nonlocal passes
        variance = float(np.exp(logarithm))
        beta, effects, sums, more = _newton(design, provider_covariate, variance, *state)
        state[:] = beta, effects
        passes += more
        penalty = effects @ effects / (2 * variance) + 0.5 * np.log1p(variance * sums.weight).sum()
        return float(penalty - sums.log_likelihood)

    middle = float(np.log(start.variance))
    bounds = max(middle - 2, float(np.log(LEAST_VARIANCE))), min(middle + 2, float(np.log(MOST_VARIANCE)))
    found = minimize_scalar(minus_likelihood, bounds=bounds, method="bounded", options={"xatol": _PROFILE_TOLERANCE})
    value = -minus_likelihood(found.x)
    variance = float(np.exp(found.x))
    return Estimate(state[0], variance, state[1], passes, value, is_at_bound(variance))


def _newton(
    design: Design, provider_covariate: Floats | None, variance: float, beta: Floats, effects: Floats
) -> tuple[Floats, Floats, Sums, int]:
    """Maximize the penalized likelihood; a step that lowers it is halved."""
    sums = _sums(design, provider_covariate, beta, effects)
    value = sums.log_likelihood - effects @ effects / (2 * variance)
    step_beta = np.full(len(beta), np.inf)
    for passes in range(1, _MOST_PASSES + 1):
        try:
            step_beta, step_effects = _step(sums, variance, effects)
        except (LinAlgError, ValueError):
            break
        lowest = value - abs(value) * _ROUNDING
        value = -np.inf
        shorter = 1.0
        while value < lowest and shorter > _SHORTEST:
            tried = beta + shorter * step_beta, effects + shorter * step_effects
            sums = _sums(design, provider_covariate, *tried)
            value = sums.log_likelihood - tried[1] @ tried[1] / (2 * variance)
            shorter /= 2
        beta, effects = beta + 2 * shorter * step_beta, effects + 2 * shorter * step_effects
        # Newton's method doubles the digits: after a step of a millionth the next would be beyond the last one.
        if max(np.abs(step_beta).max(), np.abs(step_effects).max()) < _PROFILE_TOLERANCE:
            return beta, effects, sums, passes + 1
    raise not_settled(design, np.abs(step_beta))


def _sums(design: Design, provider_covariate: Floats | None, beta: Floats, effects: Floats) -> Sums:
    if provider_covariate is None:
        return sums_at(design, beta, effects)
    sums = sums_at(design, beta[: design.size], effects + beta[design.size] * provider_covariate)
    return with_provider_covariate(sums, provider_covariate)


def _step(sums: Sums, variance: float, effects: Floats) -> tuple[Floats, Floats]:
    by_provider = sums.provider_information
    diagonal = sums.weight + 1 / variance
    matrix = sums.information - (by_provider / diagonal[:, None]).T @ by_provider
    gradient = sums.provider_score - effects / variance
    step_beta = cho_solve(cho_factor(matrix), sums.score - (gradient / diagonal) @ by_provider)
    return step_beta, (gradient - by_provider @ step_beta) / diagonal
