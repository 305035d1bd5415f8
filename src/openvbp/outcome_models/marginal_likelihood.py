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
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

from openvbp.errors import InternalError, Problem
from openvbp.outcome_models.design import Design
from openvbp.outcome_models.pseudo_likelihood import (
    LEAST_VARIANCE,
    MOST_VARIANCE,
    Estimate,
    fit_pseudo_likelihood,
    is_at_bound,
    solve,
)
from openvbp.outcome_models.rows import Floats
from openvbp.outcome_models.sums import softplus, sums_at, with_provider_covariate

_GRADIENT_TOLERANCE = 1e-5
_ACCEPTED_GRADIENT = 1e-2
_MODE_TOLERANCE = 1e-10
_MOST_MODE_STEPS = 100
_LONGEST_STEP = 2.0
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
    for begin, end in design.blocks:
        rows = slice(design.rows.starts[begin], design.rows.starts[end])
        block = _Block(
            fixed[rows],
            design.rows.outcome[rows],
            design.group[rows] - begin,
            design.rows.starts[begin:end] - design.rows.starts[begin],
        )
        effects = block.modes(modes[begin:end], tau**2)
        modes[begin:end] = effects
        part = block.integral(effects, tau, nodes)
        value, by_log_tau = value + part[0], by_log_tau + part[1]
        weights[rows] = part[2]
        by_provider[begin:end] = block.total(part[2])
    by_beta = design.weighted_total(weights)
    if provider_covariate is not None:
        by_beta = np.append(by_beta, provider_covariate @ by_provider)
    return Likelihood(value, by_beta, by_log_tau, modes)


@dataclass(frozen=True)
class _Block:
    """Rows of some providers: x'β, outcome and provider of each row, first row of each provider."""

    fixed: Floats
    outcome: Floats
    group: np.ndarray
    starts: np.ndarray

    def total(self, values: Floats) -> Floats:
        return np.add.reduceat(values, self.starts)

    def modes(self, effects: Floats, variance: float) -> Floats:
        """Newton's method for each provider by itself; steps are bounded, for the first ones may be wild."""
        for _step in range(_MOST_MODE_STEPS):
            mean = expit(self.fixed + effects[self.group])
            gradient = self.total(self.outcome - mean) - effects / variance
            step = gradient / (self.total(mean * (1 - mean)) + 1 / variance)
            effects = effects + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
            if np.abs(step).max() < _MODE_TOLERANCE:
                break
        return effects

    def integral(self, effects: Floats, tau: float, nodes: int) -> tuple[float, float, Floats]:
        """Value, its derivative by ln τ, and its derivative by x'β of each row; nodes move with the modes."""
        variance = tau**2
        places, node_weights = hermegauss(nodes)
        constants = np.log(node_weights / np.sqrt(2 * np.pi)) + places**2 / 2
        mean = expit(self.fixed + effects[self.group])
        weight = mean * (1 - mean)
        diagonal = self.total(weight) + 1 / variance
        moved = effects[:, None] + places / np.sqrt(diagonal)[:, None]
        terms = constants - moved**2 / (2 * variance) - 0.5 * np.log(variance * diagonal)[:, None]
        means = np.empty((nodes, len(self.fixed)))
        slopes = np.empty_like(terms)
        for node in range(nodes):
            predictor = self.fixed + moved[self.group, node]
            means[node] = expit(predictor)
            terms[:, node] += self.total(self.outcome * predictor - softplus(predictor))
            slopes[:, node] = self.total(self.outcome - means[node]) - moved[:, node] / variance
        by_provider = logsumexp(terms, axis=1)
        posterior = np.exp(terms - by_provider[:, None])
        third = weight * (1 - 2 * mean)
        ratio = self.total(third) / diagonal
        # A mode follows x'β by −w/D and ln τ by 2u/(tD); D follows both.
        by_mode = (posterior * slopes).sum(axis=1)
        by_diagonal = 0.5 * ((posterior * slopes) @ places / diagonal**1.5 + 1 / diagonal)
        weights = self.outcome - sum(posterior[self.group, node] * means[node] for node in range(nodes))
        weights -= (by_mode / diagonal - by_diagonal * ratio)[self.group] * weight + by_diagonal[self.group] * third
        by_log_tau = (posterior * moved**2).sum(axis=1) / variance - 1 + by_mode * 2 * effects / (variance * diagonal)
        by_log_tau -= by_diagonal * 2 * (ratio * effects - 1) / variance
        return float(by_provider.sum()), float(by_log_tau.sum()), weights


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
    first = fit_pseudo_likelihood(design, provider_covariate, tolerance=1e-4)
    shift = first.effects
    if provider_covariate is not None:
        shift = shift + first.beta[design.size] * provider_covariate
    sums = sums_at(design, first.beta[: design.size], shift)
    if provider_covariate is not None:
        sums = with_provider_covariate(sums, provider_covariate)
    # In these coordinates one is about one standard error of each parameter, whatever its scale.
    basis = cholesky(solve(sums, first.variance).inverse, lower=True)
    spread = 1 / np.sqrt(2 * len(shift))
    begin = np.log(np.sqrt(first.variance))
    bounds = 0.5 * np.log(LEAST_VARIANCE), 0.5 * np.log(MOST_VARIANCE)
    modes, evaluations = first.effects, 0

    def place(theta: Floats) -> tuple[Floats, float]:
        return first.beta + basis @ theta[:-1], float(np.exp(np.clip(begin + spread * theta[-1], *bounds)))

    def minus(theta: Floats) -> tuple[float, Floats]:
        nonlocal modes, evaluations
        beta, tau = place(theta)
        found = likelihood(design, beta, tau, nodes=nodes, start=modes, provider_covariate=provider_covariate)
        modes, evaluations = found.modes, evaluations + 1
        return -found.value, -np.append(basis.T @ found.by_beta, spread * found.by_log_tau)

    options = {"gtol": _GRADIENT_TOLERANCE, "maxiter": 200}
    found = minimize(minus, np.zeros(len(first.beta) + 1), jac=True, method="BFGS", options=options)
    beta, tau = place(found.x)
    is_low = tau**2 < LEAST_VARIANCE * 1.01
    if not is_low and np.abs(found.jac).max() > _ACCEPTED_GRADIENT:
        problem = Problem("the likelihood has no maximum that could be found", "the model", "fit it with --method pql")
        raise InternalError(problem)
    final = likelihood(design, beta, tau, nodes=nodes, start=modes, provider_covariate=provider_covariate)
    passes = first.passes + 1 + 2 * (evaluations + 1)
    return Estimate(beta, tau**2, final.modes, passes, final.value, is_at_bound(tau**2))


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
