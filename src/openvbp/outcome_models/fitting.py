"""Fit an outcome model: choose the method, check that it suits the data, and say what to know about the result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy.special import ndtr
from threadpoolctl import threadpool_limits

from openvbp.errors import Problem, UsageError
from openvbp.outcome_models.design import Design, design_of
from openvbp.outcome_models.marginal_likelihood import fit_marginal_likelihood, standard_error_of_tau
from openvbp.outcome_models.penalized_likelihood import fit_fixed_effects, fit_profiled
from openvbp.outcome_models.pseudo_likelihood import (
    Estimate,
    Solution,
    best_variance,
    fit_pseudo_likelihood,
    solve,
    standard_error_of_variance,
)
from openvbp.outcome_models.rows import Floats, Rows
from openvbp.outcome_models.sums import Sums, ZeroEffects, at_zero_effects, sums_at, with_provider_covariate

Method = Literal["pql", "profile", "laplace", "quadrature", "fixed"]
METHODS: tuple[str, ...] = get_args(Method)
LEAST_EVENTS = 2.0
"""Mean events per provider below which Laplace's method is unstable."""
FEW_PROVIDERS = 30
_MOST_NODES = 50
_SIGNIFICANT = 0.05


@dataclass(frozen=True)
class CaseMixTest:
    """Whether providers with a heavier case mix have other effects (Mundlak's test)."""

    coefficient: float
    """Of the provider's mean linear predictor: zero where effects and case mix are unrelated."""
    standard_error: float
    p_value: float
    correlation: float
    """Of predicted effects and mean linear predictors, over providers."""


@dataclass(frozen=True)
class Fit:
    """A fitted model; arrays by provider are in the order of ``providers`` (J)."""

    method: Method
    nodes: int
    is_within: bool
    design: Design
    estimate: Estimate
    sums: Sums
    """At the estimate."""
    at_zero: ZeroEffects
    solution: Solution
    terms: tuple[str, ...]
    coefficients: Floats
    """In the user's scale: intercept first, the provider mean last where ``is_within``."""
    covariance: Floats
    provider_covariate: Floats | None
    tau_standard_error: float | None
    """None of ``profile`` and ``fixed``, and where τ is at a bound."""
    case_mix_test: CaseMixTest | None
    concordance: float
    """c statistic of the covariates alone."""
    warnings: tuple[str, ...]

    @property
    def providers(self) -> tuple[str, ...]:
        """Identifiers."""
        return self.design.rows.providers

    @property
    def tau(self) -> float:
        """Standard deviation of the provider effects, in logits."""
        return float(np.sqrt(self.estimate.variance))

    @property
    def standard_errors(self) -> Floats:
        """Of the coefficients."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def effects(self) -> Floats:
        """Effect of each provider in logits, with the part that its mean case mix holds where ``is_within``."""
        if self.provider_covariate is None:
            return self.estimate.effects
        return self.estimate.effects + self.estimate.beta[-1] * self.provider_covariate

    @property
    def effect_variance(self) -> Floats:
        """Variance of the prediction of each effect, with the uncertainty of the coefficients."""
        by_provider, shrinkage = self.sums.provider_information, self.solution.shrinkage
        quadratic = ((by_provider @ self.solution.inverse) * by_provider).sum(axis=1)
        return shrinkage + shrinkage**2 * quadratic

    @property
    def reliability(self) -> Floats:
        """τ² / (τ² + 1/s): share of the variance of an unshrunken effect that is the provider's; nan if fixed."""
        if self.method == "fixed":
            return np.full(len(self.providers), np.nan)
        return self.solution.shrinkage * self.sums.weight


def fit(rows: Rows, *, method: Method = "pql", nodes: int = 7, within: bool = False) -> Fit:
    """Fit a logistic model with a random intercept for each provider.

    Parameters
    ----------
    rows
        See :mod:`openvbp.outcome_models.rows`.
    method
        ``pql`` restricted pseudo-likelihood, as CMS; ``laplace``, ``profile`` (Laplace profiled over coefficients and
        effects, as lme4's nAGQ = 0) or ``quadrature`` (adaptive Gauss-Hermite) maximum likelihood; ``fixed`` effects.
    nodes
        Of the quadrature.
    within
        Hold effects apart from case mix: adds each provider's mean linear predictor, and counts its part as the effect.

    Raises
    ------
    UsageError
        If the method does not exist or does not suit the data.
    InputDataError
        If the rows cannot be used; see :func:`openvbp.outcome_models.design.design_of`.
    """
    _check_options(method, nodes, is_within=within)
    # On one thread sums are added in one order, and small products do not wait for threads.
    with threadpool_limits(1, user_api="blas"):
        design = design_of(rows)
        _check_events(design, method)
        estimate = _estimate(design, method, nodes, None)
        covariate = design.provider_means @ estimate.beta[1:] if design.size > 1 else None
        added = None
        if within:
            if covariate is None or not np.ptp(covariate):
                raise UsageError(Problem("there is no case mix to hold apart", "--within", "give covariates"))
            added = covariate
            estimate = _estimate(design, method, nodes, added)
        return _finished(design, estimate, method, nodes, covariate, added)


def _check_options(method: str, nodes: int, *, is_within: bool) -> None:
    if method not in METHODS:
        raise UsageError(Problem(f"there is no method '{method}'", "--method", f"choose one of {', '.join(METHODS)}"))
    if not 1 <= nodes <= _MOST_NODES:
        raise UsageError(Problem(f"{nodes} nodes", "--nodes", f"give 1 to {_MOST_NODES}; 7 is enough for most"))
    if method == "fixed" and is_within:
        what_to_do = "leave out --within: fixed effects are apart from case mix by themselves"
        raise UsageError(Problem("fixed effects with --within", "--method", what_to_do))


def _check_events(design: Design, method: Method) -> None:
    mean = float(design.observed.mean())
    if method in ("laplace", "profile") and mean < LEAST_EVENTS:
        what_to_do = "use --method quadrature: Laplace's method is unstable where events are so few"
        what = f"{mean:.2f} events per provider, fewer than {LEAST_EVENTS:g}"
        raise UsageError(Problem(what, f"--method {method}", what_to_do))


def _estimate(design: Design, method: Method, nodes: int, covariate: Floats | None) -> Estimate:
    if method == "pql":
        return fit_pseudo_likelihood(design, covariate)
    if method == "fixed":
        return fit_fixed_effects(design)
    if method == "profile":
        return fit_profiled(design, covariate)
    return fit_marginal_likelihood(design, covariate, nodes=1 if method == "laplace" else nodes)


def _finished(
    design: Design, estimate: Estimate, method: Method, nodes: int, covariate: Floats | None, added: Floats | None
) -> Fit:
    beta = estimate.beta[: design.size]
    shift = estimate.effects if added is None else estimate.effects + estimate.beta[-1] * added
    sums = plain = sums_at(design, beta, shift)
    fixed = design.linear_predictor(beta)
    scale = design.to_original_scale()
    terms = ("(intercept)", *design.rows.covariates)
    if added is not None:
        sums = with_provider_covariate(plain, added)
        scale = np.block([[scale, np.zeros((design.size, 1))], [np.zeros((1, design.size)), np.ones((1, 1))]])
        terms = (*terms, "(provider mean of the linear predictor)")
    solution = solve(sums, estimate.variance)
    test = None
    if covariate is not None and np.ptp(covariate) and method != "fixed":
        test = _case_mix_test(plain, estimate, covariate, None if added is None else solution)
    error = None
    if method == "pql" and not estimate.is_at_bound:
        error = standard_error_of_variance(sums, estimate.variance) / (2 * float(np.sqrt(estimate.variance)))
    elif method in ("laplace", "quadrature") and not estimate.is_at_bound:
        used = 1 if method == "laplace" else nodes
        error = standard_error_of_tau(design, estimate, solution.inverse, added, nodes=used)
    return Fit(
        method=method,
        nodes={"quadrature": nodes, "laplace": 1}.get(method, 0),
        is_within=added is not None,
        design=design,
        estimate=estimate,
        sums=sums,
        at_zero=at_zero_effects(design, fixed),
        solution=solution,
        terms=terms,
        coefficients=scale @ estimate.beta,
        covariance=scale @ solution.inverse @ scale.T,
        provider_covariate=added,
        tau_standard_error=error,
        case_mix_test=test,
        concordance=_concordance(fixed, design.rows.outcome > 0),
        warnings=tuple(_warnings(design, estimate, method, test, is_within=added is not None)),
    )


def _case_mix_test(plain: Sums, estimate: Estimate, covariate: Floats, within: Solution | None) -> CaseMixTest:
    """Mundlak's test from the last linearization, so that no further pass is needed; or from the model that has it."""
    solution = within
    if solution is None:
        sums = with_provider_covariate(plain, covariate)
        solution = solve(sums, best_variance(sums, estimate.variance))
        coefficient = float(solution.beta[-1])
    else:
        coefficient = float(estimate.beta[-1])
    error = float(np.sqrt(solution.inverse[-1, -1]))
    correlation = float(np.corrcoef(estimate.effects, covariate)[0, 1]) if np.ptp(estimate.effects) else 0.0
    return CaseMixTest(coefficient, error, float(2 * ndtr(-abs(coefficient) / error)), correlation)


def _concordance(predictor: Floats, happened: np.ndarray) -> float:
    """Share of pairs of a row with and one without the outcome of which the first has the higher predictor."""
    with_outcome, without = np.sort(predictor[happened]), np.sort(predictor[~happened])
    # A tie counts half; sorted values are found quickly, for the next one stands close to the last.
    below = sum(np.searchsorted(without, with_outcome, side).sum() for side in ("left", "right")) / 2
    return float(below / (len(with_outcome) * len(without)))


def _warnings(
    design: Design, estimate: Estimate, method: Method, test: CaseMixTest | None, *, is_within: bool
) -> Iterator[str]:
    providers = len(design.rows.providers)
    without = int(np.count_nonzero(design.observed == 0))
    if without:
        yield f"providers without an event: {without:,} of {providers:,}; their predicted rates are shrunken, not zero"
    if method == "fixed":
        return
    if estimate.is_at_bound:
        yield "the variance of the provider effects is at a bound of its search: the data hardly tell providers apart"
    if providers < FEW_PROVIDERS:
        yield f"only {providers} providers: the variance of their effects is uncertain"
    if method == "pql" and design.observed.mean() < LEAST_EVENTS:
        yield (
            f"{design.observed.mean():.2f} events per provider: pseudo-likelihood then tends to too small a variance; "
            "compare --method quadrature"
        )
    if test is not None and test.p_value < _SIGNIFICANT and not is_within:
        yield "provider effects and case mix are related (Mundlak's test): compare --within"
