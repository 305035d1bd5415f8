"""Maximum likelihood with the provider effects integrated out: Laplace's method, or adaptive Gauss-Hermite quadrature.

For given coefficients, x'β of every row is computed once; what follows for the effects then needs no covariates. The
gradient comes back as one weight per row, so that covariates are read twice per evaluation, whatever the nodes.

References
----------
J. C. Pinheiro, D. M. Bates, Journal of Computational and Graphical Statistics 4 (1995), 12-35; Q. Liu, D. A. Pierce,
Biometrika 81 (1994), 624-629.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.linalg import cholesky
from scipy.special import expit

from openvbp.errors import InternalError, Problem
from openvbp.outcome_models.design import Design
from openvbp.outcome_models.provider_blocks import Block, blocks_with
from openvbp.outcome_models.pseudo_likelihood import (
    LEAST_VARIANCE,
    MOST_VARIANCE,
    Estimate,
    best_variance,
    fit_pseudo_likelihood,
    is_at_bound,
    solve,
)
from openvbp.outcome_models.quasi_newton import minimum
from openvbp.outcome_models.rows import Floats
from openvbp.outcome_models.sums import softplus, sums_at, with_provider_covariate

_START_TOLERANCE = 0.1
_GRADIENT_TOLERANCE = 1e-5
_ACCEPTED_GRADIENT = 1e-2
_STEP = 1e-3


@dataclass(frozen=True)
class Likelihood:
    """The marginal log-likelihood at one place, with its gradient."""

    value: float
    by_beta: Floats
    """Derivatives by the coefficients; that of a covariate of the providers stands last."""
    by_log_tau: float
    modes: Floats
    """Effects at which the integrand of each provider is highest (J)."""


def likelihood(
    design: Design,
    beta: Floats,
    tau: float,
    *,
    nodes: int = 1,
    start: Floats | None = None,
    provider_covariate: Floats | None = None,
) -> Likelihood:
    """Compute the log-likelihood with the provider effects integrated out.

    Parameters
    ----------
    design
        Rows with their scale.
    beta
        Coefficients of scaled covariates (p), and that of the covariate of the providers, if there is one.
    tau
        Standard deviation of the provider effects.
    nodes
        Of the quadrature; 1 is Laplace's method.
    start
        Effects from which their modes are sought (J).
    provider_covariate
        The same in all rows of a provider (J).
    """
    fixed = design.linear_predictor(beta[: design.size])
    if provider_covariate is not None:
        fixed += (beta[design.size] * provider_covariate)[design.group]
    weights = np.empty(len(fixed))
    modes = np.zeros(len(design.rows.providers)) if start is None else start.copy()
    by_provider = np.empty(len(modes))
    value = by_log_tau = 0.0
    quadrature = _Quadrature(nodes, tau)
    for block in blocks_with(design, fixed):
        here = block.providers
        modes[here] = block.modes(modes[here], tau**2)
        part = quadrature.integral(block, modes[here])
        value, by_log_tau = value + part[0], by_log_tau + part[1]
        weights[block.rows] = part[2]
        by_provider[here] = block.total(part[2])
    by_beta = design.weighted_total(weights)
    if provider_covariate is not None:
        by_beta = np.append(by_beta, provider_covariate @ by_provider)
    return Likelihood(value, by_beta, by_log_tau, modes)


class _Quadrature:
    """Nodes, and the standard deviation of the effects."""

    def __init__(self, nodes: int, tau: float) -> None:
        self.nodes = nodes
        self.variance = tau**2
        self.places, weights = hermegauss(nodes)
        self.constants = np.log(weights / np.sqrt(2 * np.pi)) + self.places**2 / 2

    def integral(self, block: Block, effects: Floats) -> tuple[float, float, Floats]:
        """Value, its derivative by ln τ, and its derivative by x'β of each row; nodes move with the modes."""
        variance, places = self.variance, self.places
        mean = expit(block.fixed + effects[block.group])
        weight = mean * (1 - mean)
        diagonal = block.total(weight) + 1 / variance
        moved = effects[:, None] + places / np.sqrt(diagonal)[:, None]
        terms = self.constants - moved**2 / (2 * variance) - 0.5 * np.log(variance * diagonal)[:, None]
        means = np.empty((self.nodes, len(block.fixed)))
        slopes = np.empty_like(terms)
        for node in range(self.nodes):
            predictor = block.fixed + moved[block.group, node]
            means[node] = expit(predictor)
            terms[:, node] += block.total(block.outcome * predictor - softplus(predictor))
            slopes[:, node] = block.total(block.outcome - means[node]) - moved[:, node] / variance
        largest = terms.max(axis=1)
        posterior = np.exp(terms - largest[:, None])
        total = posterior.sum(axis=1)
        posterior /= total[:, None]
        third = weight * (1 - 2 * mean)
        ratio = block.total(third) / diagonal
        # A mode follows x'β by −w/D and ln τ by 2u/(tD); D follows both.
        by_mode = (posterior * slopes).sum(axis=1)
        by_diagonal = 0.5 * ((posterior * slopes) @ places / diagonal**1.5 + 1 / diagonal)
        weights = block.outcome - sum(posterior[block.group, node] * means[node] for node in range(self.nodes))
        weights -= (by_mode / diagonal - by_diagonal * ratio)[block.group] * weight + by_diagonal[block.group] * third
        by_log_tau = (posterior * moved**2).sum(axis=1) / variance - 1 + by_mode * 2 * effects / (variance * diagonal)
        by_log_tau -= by_diagonal * 2 * (ratio * effects - 1) / variance
        return float((largest + np.log(total)).sum()), float(by_log_tau.sum()), weights


def fit_marginal_likelihood(design: Design, provider_covariate: Floats | None = None, *, nodes: int = 1) -> Estimate:
    """Maximize the marginal likelihood, from the estimate of restricted pseudo-likelihood.

    Parameters
    ----------
    design
        Rows with their scale.
    provider_covariate
        A further covariate, the same in all rows of a provider (J).
    nodes
        Of the quadrature; 1 is Laplace's method.

    Raises
    ------
    InputDataError
        If the coefficients do not settle.
    """
    first = fit_pseudo_likelihood(design, provider_covariate, tolerance=_START_TOLERANCE)
    shift = first.effects
    if provider_covariate is not None:
        shift = shift + first.beta[design.size] * provider_covariate
    sums = sums_at(design, first.beta[: design.size], shift)
    if provider_covariate is not None:
        sums = with_provider_covariate(sums, provider_covariate)
    variance = best_variance(sums, first.variance)
    solution = solve(sums, variance)
    # In these coordinates one is about one standard error of each parameter, whatever its scale.
    basis = cholesky(solution.inverse, lower=True)
    spread = 1 / max(float(np.linalg.norm(solution.shrinkage * sums.weight)) * np.sqrt(2), 1)
    begin = np.log(np.sqrt(variance))
    bounds = 0.5 * np.log(LEAST_VARIANCE), 0.5 * np.log(MOST_VARIANCE)
    modes, log_likelihood, evaluations = solution.effects, 0.0, 0

    def place(theta: Floats) -> tuple[Floats, float]:
        return solution.beta + basis @ theta[:-1], float(np.exp(np.clip(begin + spread * theta[-1], *bounds)))

    def minus(theta: Floats) -> tuple[float, Floats]:
        nonlocal modes, log_likelihood, evaluations
        beta, tau = place(theta)
        found = likelihood(design, beta, tau, nodes=nodes, start=modes, provider_covariate=provider_covariate)
        modes, log_likelihood, evaluations = found.modes, found.value, evaluations + 1
        return -found.value, -np.append(basis.T @ found.by_beta, spread * found.by_log_tau)

    theta, gradient = minimum(minus, np.zeros(len(first.beta) + 1), _GRADIENT_TOLERANCE)
    beta, tau = place(theta)
    is_low = tau**2 < LEAST_VARIANCE * 1.01
    if not is_low and np.abs(gradient).max() > _ACCEPTED_GRADIENT:
        problem = Problem("the likelihood has no maximum that could be found", "the model", "fit it with --method pql")
        raise InternalError(problem)
    passes = first.passes + 1 + 2 * evaluations
    return Estimate(beta, tau**2, modes, passes, log_likelihood, is_at_bound(tau**2))


def standard_error_of_tau(
    design: Design, estimate: Estimate, inverse: Floats, provider_covariate: Floats | None = None, *, nodes: int = 1
) -> float:
    """Standard error of τ, coefficients moving with it: from the change of the gradient along ln τ.

    Parameters
    ----------
    design, estimate, provider_covariate, nodes
        Of the fit.
    inverse
        Covariance of the coefficients at that τ.
    """
    tau = float(np.sqrt(estimate.variance))
    up, down = (
        likelihood(
            design,
            estimate.beta,
            tau * float(np.exp(step)),
            nodes=nodes,
            start=estimate.effects,
            provider_covariate=provider_covariate,
        )
        for step in (_STEP, -_STEP)
    )
    by_beta = (up.by_beta - down.by_beta) / (2 * _STEP)
    information = -(up.by_log_tau - down.by_log_tau) / (2 * _STEP) - float(by_beta @ inverse @ by_beta)
    return tau / float(np.sqrt(information)) if information > 0 else float("nan")
