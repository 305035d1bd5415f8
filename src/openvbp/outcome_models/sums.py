"""One pass over the rows: the sums from which every estimator is computed.

At coefficients β and provider effects u, with η = x'β + u, μ = logistic(η), w = μ(1 − μ) and r = y − μ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from openvbp.outcome_models.design import Design, segments
from openvbp.outcome_models.rows import Floats

_LEAST_WEIGHT = 1e-12


@dataclass(frozen=True)
class Sums:
    """Sums over all rows, and over those of each provider; p coefficients, J providers."""

    information: Floats
    """A = Σ w x x' (p × p)."""
    provider_information: Floats
    """B = Σ w x of each provider (J × p)."""
    weight: Floats
    """s = Σ w of each provider (J)."""
    score: Floats
    """Σ r x (p)."""
    provider_score: Floats
    """Σ r of each provider (J)."""
    response: Floats
    """v = Σ z x (p), with z = wη + r: the pseudo-response times its weight."""
    provider_response: Floats
    """Σ z of each provider (J)."""
    predicted: Floats
    """Σ μ of each provider (J)."""
    curvature: Floats
    """d = Σ w(1 − 2μ) of each provider (J)."""
    log_likelihood: float
    """Σ yη − ln(1 + e^η)."""
    copies: Floats | None = None
    """How often each provider counts (J), where that is not once: A, score and response are counted so."""

    @property
    def counted(self) -> Floats:
        """How often each provider counts (J)."""
        return np.ones(len(self.weight)) if self.copies is None else self.copies


@dataclass(frozen=True)
class ZeroEffects:
    """Sums of each provider (J) at which its effect is zero."""

    predicted: Floats
    """Σ μ."""
    weight: Floats
    """Σ w."""


def at_zero_effects(design: Design, fixed: Floats) -> ZeroEffects:
    """Give what would be expected at effect zero, from x'β of each row."""
    mean = expit(fixed)
    starts = design.rows.starts[:-1]
    return ZeroEffects(np.add.reduceat(mean, starts), np.add.reduceat(mean * (1 - mean), starts))


def softplus(predictor: Floats) -> Floats:
    """Give ln(1 + e^η): like numpy's logaddexp(0, η), and seven times as fast."""
    return np.log1p(np.exp(-np.abs(predictor))) + np.maximum(predictor, 0)


def sums_at(design: Design, beta: Floats, shift: Floats, copies: Floats | None = None) -> Sums:
    """Pass over the rows once.

    Parameters
    ----------
    design
        Rows with their scale.
    beta
        Coefficients of the scaled covariates (p).
    shift
        What is added to x'β at each provider (J): its effect.
    copies
        How often each provider counts (J); once where not given.
    """
    size, providers, rows = design.size, len(shift), design.rows
    scaling = design.to_scale()
    moved = scaling @ beta
    products, by_provider = np.zeros((size - 1, size - 1)), np.zeros((providers, size))
    score, totals = np.zeros(size), np.zeros((5, providers))
    space = np.empty((0, size - 1))
    for first, values in design.chunks():
        end = first + len(values)
        group, outcome = design.group[first:end], rows.outcome[first:end]
        predictor = values @ moved[1:] + (shift + moved[0])[group]
        mean = expit(predictor)
        weight = np.maximum(mean * (1 - mean), _LEAST_WEIGHT)
        residual = outcome - mean
        likelihood = outcome * predictor - softplus(predictor)
        if len(space) < len(values):
            space = np.empty(values.shape, order="F")
        weighted = np.multiply(values, weight[:, None], out=space[: len(values)])
        here, starts = segments(rows.starts, design.group, first, values)
        by_provider[here, 1:] += np.add.reduceat(weighted, starts, axis=0)
        columns = np.stack([weight, residual, mean, weight * (1 - 2 * mean), likelihood])
        totals[:, here] += np.add.reduceat(columns, starts, axis=1)
        if copies is not None:
            counted = copies[group]
            weighted *= counted[:, None]
            residual *= counted
        products += weighted.T @ values
        score[1:] += residual @ values
    return _brought_to_scale(products, by_provider, score, totals, scaling, beta, shift, copies)


def _brought_to_scale(
    products: Floats,
    by_provider: Floats,
    score: Floats,
    totals: Floats,
    scaling: Floats,
    beta: Floats,
    shift: Floats,
    copies: Floats | None,
) -> Sums:
    weight, provider_score, predicted, curvature, likelihood = totals
    counted = np.ones(len(shift)) if copies is None else copies
    by_provider[:, 0] = weight
    score[0] = counted @ provider_score
    information = np.empty((len(score), len(score)))
    information[1:, 1:] = products
    information[0] = information[:, 0] = counted @ by_provider
    information, by_provider, score = scaling.T @ information @ scaling, by_provider @ scaling, score @ scaling
    return Sums(
        information=(information + information.T) / 2,
        provider_information=by_provider,
        weight=weight,
        score=score,
        provider_score=provider_score,
        # Σ wη x and Σ wη follow from A, B and s, for η = x'β + u.
        response=information @ beta + (counted * shift) @ by_provider + score,
        provider_response=by_provider @ beta + weight * shift + provider_score,
        predicted=predicted,
        curvature=curvature,
        log_likelihood=float(likelihood.sum()),
        copies=copies,
    )


def with_provider_covariate(sums: Sums, values: Floats) -> Sums:
    """Give the sums of a model with one more covariate, which is the same in all rows of a provider.

    Its sums follow from those of the providers, so that no pass is needed.

    Parameters
    ----------
    sums
        Of the model without it.
    values
        The covariate at each provider (J).
    """
    counted = sums.counted
    size = len(sums.score)
    information = np.zeros((size + 1, size + 1))
    information[:size, :size] = sums.information
    information[size, :size] = information[:size, size] = (counted * values) @ sums.provider_information
    information[size, size] = counted @ (values**2 * sums.weight)
    return replace(
        sums,
        information=information,
        provider_information=np.column_stack([sums.provider_information, values * sums.weight]),
        score=np.append(sums.score, (counted * values) @ sums.provider_score),
        response=np.append(sums.response, (counted * values) @ sums.provider_response),
    )
