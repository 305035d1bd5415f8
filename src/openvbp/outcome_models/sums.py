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
    running = _Running(design, beta, shift, copies)
    for first, values in design.chunks():
        running.add(first, values)
    return running.at_scale()


class _Running:
    """Sums over the chunks so far, of covariates as the chunks give them."""

    def __init__(self, design: Design, beta: Floats, shift: Floats, copies: Floats | None) -> None:
        size, providers = design.size, len(shift)
        self._design, self._beta, self._shift, self._copies = design, beta, shift, copies
        self._scaling = design.to_scale()
        self._moved = self._scaling @ beta
        self._products, self._score = np.zeros((size - 1, size - 1)), np.zeros(size)
        self._by_provider, self._totals = np.zeros((providers, size)), np.zeros((5, providers))
        self._space = np.empty((0, size - 1))

    def add(self, first: int, values: Floats) -> None:
        design, end = self._design, first + len(values)
        group, outcome = design.group[first:end], design.rows.outcome[first:end]
        predictor = values @ self._moved[1:] + (self._shift + self._moved[0])[group]
        mean = expit(predictor)
        weight = np.maximum(mean * (1 - mean), _LEAST_WEIGHT)
        residual = outcome - mean
        likelihood = outcome * predictor - softplus(predictor)
        if len(self._space) < len(values):
            self._space = np.empty(values.shape, order="F")
        weighted = np.multiply(values, weight[:, None], out=self._space[: len(values)])
        here, starts = segments(design.rows.starts, design.group, first, values)
        self._by_provider[here, 1:] += np.add.reduceat(weighted, starts, axis=0)
        columns = np.stack([weight, residual, mean, weight * (1 - 2 * mean), likelihood])
        self._totals[:, here] += np.add.reduceat(columns, starts, axis=1)
        if self._copies is not None:
            counted = self._copies[group]
            weighted *= counted[:, None]
            residual *= counted
        self._products += weighted.T @ values
        self._score[1:] += residual @ values

    def at_scale(self) -> Sums:
        weight, provider_score, predicted, curvature, likelihood = self._totals
        counted = np.ones(len(weight)) if self._copies is None else self._copies
        self._by_provider[:, 0] = weight
        self._score[0] = counted @ provider_score
        size, scaling = len(self._score), self._scaling
        information = np.empty((size, size))
        information[1:, 1:] = self._products
        information[0] = information[:, 0] = counted @ self._by_provider
        information = scaling.T @ information @ scaling
        by_provider, score = self._by_provider @ scaling, self._score @ scaling
        return Sums(
            information=(information + information.T) / 2,
            provider_information=by_provider,
            weight=weight,
            score=score,
            provider_score=provider_score,
            # Σ wη x and Σ wη follow from A, B and s, for η = x'β + u.
            response=information @ self._beta + (counted * self._shift) @ by_provider + score,
            provider_response=by_provider @ self._beta + weight * self._shift + provider_score,
            predicted=predicted,
            curvature=curvature,
            log_likelihood=float(likelihood.sum()),
            copies=self._copies,
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
