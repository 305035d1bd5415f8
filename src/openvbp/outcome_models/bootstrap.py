"""Intervals of the standardized ratios by resampling providers, as CMS publishes them.

A replicate draws as many providers as there are, with replacement; a provider drawn twice is two providers. The model
is fitted to them; for each provider drawn an effect is drawn from the normal distribution of its prediction; and its
ratio is computed. Copies of a provider have the same prediction, so that one draw stands for the copy that CMS keeps at
random.

The model is fitted again from sums of each provider at the estimate (one pass over the rows for all replicates), or
from the rows (a full fit per replicate). Both draw the same providers and effects from the same seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit
from threadpoolctl import threadpool_limits

from openvbp.errors import Problem, UsageError
from openvbp.outcome_models.design import segments
from openvbp.outcome_models.fitting import Fit
from openvbp.outcome_models.pseudo_likelihood import (
    Solution,
    best_variance,
    fit_pseudo_likelihood,
    solve,
)
from openvbp.outcome_models.rows import Floats
from openvbp.outcome_models.standardization import moved_total
from openvbp.outcome_models.sums import Sums, at_zero_effects, sums_at, with_provider_covariate

CLASSES = ("better", "no different", "worse", "too few cases", "no interval")
LEAST_REPLICATES = 100
_MOST_BYTES = 2_000_000_000
_TOLERANCE = 1e-6
_AT_ONCE = 50


@dataclass(frozen=True)
class Replicates:
    """Ratios of the replicates (N × J), nan where the provider was not drawn; coefficients and variances (N)."""

    ratios: Floats
    betas: Floats
    """At the scale of the design (N × p)."""
    variances: Floats


def bootstrap(
    fit: Fit,
    replicates: int,
    *,
    seed: int,
    refit: bool = False,
    progress: Callable[[int], None] = lambda _done: None,
) -> Replicates:
    """Resample providers.

    Parameters
    ----------
    fit
        A model fitted by ``pql``.
    replicates
        At least 100 for intervals; CMS draws some thousand.
    seed
        Zero or more: the same seed gives the same replicates.
    refit
        Fit every replicate from the rows, rather than from sums of the providers.
    progress
        Told how many replicates are done.

    Raises
    ------
    UsageError
        If the model is of another method, or the sums would not fit into memory.
    """
    if fit.method != "pql":
        what_to_do = "fit with --method pql, or go without --bootstrap: the limits are then those of the prediction"
        raise UsageError(Problem(f"no bootstrap of method '{fit.method}'", "--bootstrap", what_to_do))
    count = len(fit.providers)
    result = Replicates(
        np.full((replicates, count), np.nan), np.empty((replicates, len(fit.estimate.beta))), np.empty(replicates)
    )
    with threadpool_limits(1, user_api="blas"):
        if refit:
            for at in range(replicates):
                _refit(fit, result, at, seed)
                progress(at + 1)
        else:
            pieces = _pieces(fit)
            for first in range(0, replicates, _AT_ONCE):
                _from_sums(fit, pieces, result, range(first, min(first + _AT_ONCE, replicates)), seed)
                progress(min(first + _AT_ONCE, replicates))
    return result


def _drawn(seed: int, replicate: int, providers: int) -> tuple[Floats, Floats]:
    """How often each provider is drawn, and a standard normal number for each."""
    random = np.random.default_rng([seed, replicate])
    copies = np.bincount(random.integers(0, providers, providers), minlength=providers).astype(float)
    return copies, random.standard_normal(providers)


@dataclass(frozen=True)
class _Pieces:
    """What each provider adds to A (upper triangle, J × p(p + 1)/2) and to Σ z x (J × p), before these are scaled."""

    information: Floats
    response: Floats
    at_zero: Floats
    """Σ w x at effect zero (J × p), of scaled covariates."""


def _pieces(fit: Fit) -> _Pieces:
    """Pass over the rows once more, with sums of every provider kept apart."""
    design, size = fit.design, fit.design.size
    count, upper = len(fit.providers), np.triu_indices(size)
    full = len(fit.estimate.beta)
    if count * full * (full + 1) * 4 > _MOST_BYTES:
        what = f"sums of {count:,} providers with {full} coefficients each do not fit into memory"
        raise UsageError(Problem(what, "--bootstrap", "take fewer covariates, or --refit"))
    information = np.zeros((count, len(upper[0])))
    response, at_zero = np.zeros((count, size)), np.zeros((count, size))
    beta, effects = fit.estimate.beta[:size], fit.effects
    fixed = design.linear_predictor(beta)
    for first, covariates in design.chunks():
        rows = slice(first, first + len(covariates))
        values = np.column_stack([np.ones(len(covariates)), covariates])
        predictor = fixed[rows] + effects[design.group[rows]]
        mean, mean_at_zero = expit(predictor), expit(fixed[rows])
        weight = mean * (1 - mean)
        pseudo = weight * predictor + design.rows.outcome[rows] - mean
        weighted = weight[:, None] * values
        here, starts = segments(design.rows.starts, design.group, first, values)
        ends = np.append(starts[1:], len(values))
        for provider, begin, end in zip(range(here.start, here.stop), starts, ends, strict=True):
            part = values[begin:end]
            information[provider] += (weighted[begin:end].T @ part)[upper]
            response[provider] += pseudo[begin:end] @ part
            at_zero[provider] += (mean_at_zero * (1 - mean_at_zero))[begin:end] @ part
    return _Pieces(information, response, at_zero @ design.to_scale())


def _from_sums(fit: Fit, pieces: _Pieces, result: Replicates, places: range, seed: int) -> None:
    size, count = fit.design.size, len(fit.providers)
    upper = np.triu_indices(size)
    draws = [_drawn(seed, place, count) for place in places]
    copies = np.stack([one for one, _ in draws])
    informations, responses = copies @ pieces.information, copies @ pieces.response
    # The sums of the estimate hold the provider covariate already; it is added anew to those of each replicate.
    by_provider = fit.sums.provider_information[:, :size]
    scaling = fit.design.to_scale()
    for at, place in enumerate(places):
        drawn = np.flatnonzero(copies[at])
        information = np.zeros((size, size))
        information[upper] = informations[at]
        information += np.triu(information, 1).T
        sums = replace(
            fit.sums,
            information=scaling.T @ information @ scaling,
            response=responses[at] @ scaling,
            provider_information=by_provider[drawn],
            weight=fit.sums.weight[drawn],
            provider_response=fit.sums.provider_response[drawn],
            provider_score=fit.sums.provider_score[drawn],
            score=np.zeros(size),
            copies=copies[at, drawn],
        )
        if fit.provider_covariate is not None:
            sums = with_provider_covariate(sums, fit.provider_covariate[drawn])
        variance = best_variance(sums, fit.estimate.variance, tolerance=_TOLERANCE)
        solution = solve(sums, variance)
        result.betas[place], result.variances[place] = solution.beta, variance
        result.ratios[place, drawn] = _ratios(
            fit, pieces.at_zero, solution, _effects(sums, solution, draws[at][1][drawn]), drawn
        )


def _effects(sums: Sums, solution: Solution, normal: Floats) -> Floats:
    """Draw effects from the distributions of their predictions."""
    by_provider = sums.provider_information
    quadratic = ((by_provider @ solution.inverse) * by_provider).sum(axis=1)
    return solution.effects + np.sqrt(solution.shrinkage + solution.shrinkage**2 * quadratic) * normal


def _ratios(fit: Fit, at_zero: Floats, solution: Solution, effects: Floats, drawn: np.ndarray) -> Floats:
    size = fit.design.size
    cases = fit.design.cases[drawn].astype(float)
    change = solution.beta - fit.estimate.beta
    linear, linear_at_zero = fit.sums.provider_information[drawn] @ change, at_zero[drawn] @ change[:size]
    predicted = moved_total(
        fit.sums.predicted[drawn],
        cases,
        fit.sums.weight[drawn],
        fit.sums.curvature[drawn],
        linear,
        effects - fit.estimate.effects[drawn],
    )
    nothing = np.zeros(len(drawn))
    expected = moved_total(fit.at_zero.predicted[drawn], cases, fit.at_zero.weight[drawn], nothing, linear_at_zero, 0.0)
    return predicted / expected


def _refit(fit: Fit, result: Replicates, place: int, seed: int) -> None:
    design, size, covariate = fit.design, fit.design.size, fit.provider_covariate
    copies, normal = _drawn(seed, place, len(fit.providers))
    estimate = fit_pseudo_likelihood(design, covariate, copies=copies, start=fit.estimate)
    shift = estimate.effects if covariate is None else estimate.effects + estimate.beta[size] * covariate
    sums = sums_at(design, estimate.beta[:size], shift, copies)
    if covariate is not None:
        sums = with_provider_covariate(sums, covariate)
    effects = _effects(sums, solve(sums, estimate.variance), normal)
    shift = effects if covariate is None else effects + estimate.beta[size] * covariate
    predicted = sums_at(design, estimate.beta[:size], shift).predicted
    expected = at_zero_effects(design, design.linear_predictor(estimate.beta[:size])).predicted
    result.betas[place], result.variances[place] = estimate.beta, estimate.variance
    result.ratios[place] = np.where(copies > 0, predicted / expected, np.nan)


def percentile_limits(ratios: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """Give the limits that leave out the same share at both ends, of each provider's replicates; nan without any."""
    ordered = np.sort(ratios, axis=0)
    drawn = np.count_nonzero(~np.isnan(ratios), axis=0)
    columns = np.arange(ratios.shape[1])
    limits = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        place = np.maximum(drawn - 1, 0) * share
        below = np.floor(place).astype(int)
        above = np.minimum(below + 1, np.maximum(drawn - 1, 0))
        low, high = ordered[below, columns], ordered[above, columns]
        limits.append(low + (place - below) * (high - low))
    return limits[0], limits[1]


def share_above_one(ratios: Floats) -> Floats:
    """Share of each provider's replicates above 1; nan without any."""
    drawn = np.count_nonzero(~np.isnan(ratios), axis=0)
    above = np.count_nonzero(ratios > 1, axis=0)
    return np.where(drawn > 0, above / np.maximum(drawn, 1), np.nan)


def classes(
    low: Floats, high: Floats, cases: np.ndarray, *, minimum_cases: int = 25, is_adverse: bool = True
) -> list[str]:
    """Say of each provider whether it is better or worse than the overall rate.

    Parameters
    ----------
    low, high
        Limits of the ratio.
    cases
        Rows of each provider.
    minimum_cases
        Below it a provider is not classified.
    is_adverse
        Whether the outcome is a bad one, so that a ratio above 1 is worse.
    """
    above, below = (CLASSES[2], CLASSES[0]) if is_adverse else (CLASSES[0], CLASSES[2])
    named = np.select(
        [cases < minimum_cases, np.isnan(low) | np.isnan(high), low > 1, high < 1],
        [CLASSES[3], CLASSES[4], above, below],
        CLASSES[1],
    )
    return named.tolist()
