"""Outcome models on small examples: published data, and numbers that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import poisson

from openvbp.outcome_models.bootstrap import classes, percentile_limits, share_above_one
from openvbp.outcome_models.design import design_of
from openvbp.outcome_models.fitting import fit
from openvbp.outcome_models.marginal_likelihood import likelihood
from openvbp.outcome_models.pseudo_likelihood import solve, standard_error_of_variance
from openvbp.outcome_models.quasi_newton import minimum
from openvbp.outcome_models.rows import rows_in_memory
from openvbp.outcome_models.standardization import (
    combine_cohorts,
    moved_total,
    observed_to_expected,
    standardized_rates,
)
from openvbp.outcome_models.sums import sums_at
from outcome_cases import multicenter_rows, simulate


def test_restricted_pseudo_likelihood_of_the_multicenter_example() -> None:
    found = fit(multicenter_rows())
    assert found.estimate.variance == pytest.approx(0.6176, abs=1e-4)
    assert found.coefficients == pytest.approx([-0.8071, -0.4896], abs=1e-4)
    assert found.standard_errors == pytest.approx([0.2514, 0.2034], abs=1e-4)
    assert found.tau_standard_error == pytest.approx(0.3181 / (2 * found.tau), abs=1e-4)
    assert found.estimate.passes <= 8
    assert "only 15 providers: the variance of their effects is uncertain" in found.warnings


@pytest.mark.parametrize(
    ("method", "nodes", "variance", "intercept", "group"),
    [
        ("quadrature", 7, 0.6208, -0.8383, -0.4996),
        ("quadrature", 25, 0.6209, -0.8383, -0.4996),
        ("laplace", 1, 0.6124, -0.8375, -0.4995),
    ],
)
def test_marginal_likelihood_of_the_multicenter_example(
    method: str, nodes: int, variance: float, intercept: float, group: float
) -> None:
    found = fit(multicenter_rows(), method=method, nodes=nodes)  # type: ignore[arg-type]
    assert found.estimate.variance == pytest.approx(variance, abs=1e-4)
    assert found.coefficients == pytest.approx([intercept, group], abs=1e-4)


def test_quadrature_with_many_nodes_is_the_integral() -> None:
    """Against a plain sum over a fine grid of effects, with no adaption at all."""
    rows, tau = multicenter_rows(), 0.8
    design = design_of(rows)
    beta = np.array([-0.9, 0.2])
    predictor = design.linear_predictor(beta)
    grid = np.linspace(-8, 8, 4001) * tau
    density = np.exp(-((grid / tau) ** 2) / 2) / np.sqrt(2 * np.pi) / tau
    total = 0.0
    for begin, end in zip(rows.starts[:-1], rows.starts[1:], strict=True):
        mean = expit(predictor[begin:end, None] + grid)
        chances = np.where(rows.outcome[begin:end, None] == 1, mean, 1 - mean).prod(axis=0)
        total += np.log((chances * density).sum() * (grid[1] - grid[0]))
    assert likelihood(design, beta, tau, nodes=25).value == pytest.approx(total, abs=1e-8)


@pytest.mark.parametrize("nodes", [1, 7])
def test_standard_error_of_tau_is_that_of_the_whole_information(nodes: int) -> None:
    found = fit(multicenter_rows(), method="quadrature", nodes=nodes)
    place, step = np.append(found.estimate.beta, np.log(found.tau)), 1e-4

    def gradient(place: np.ndarray) -> np.ndarray:
        here = likelihood(found.design, place[:-1], float(np.exp(place[-1])), nodes=nodes)
        return np.append(here.by_beta, here.by_log_tau)

    moves = np.eye(len(place)) * step
    information = -np.array([gradient(place + one) - gradient(place - one) for one in moves]) / (2 * step)
    error = found.tau * np.sqrt(np.linalg.inv(information)[-1, -1])
    # That of the coefficients comes from the penalized likelihood at the modes, hence not to the last digit.
    assert found.tau_standard_error == pytest.approx(error, rel=1e-3)


def test_sums_of_one_pass_are_those_of_the_definition() -> None:
    rows = multicenter_rows()
    design = design_of(rows)
    beta, shift = np.array([-1.0, 0.3]), np.linspace(-1, 1, 15)
    sums = sums_at(design, beta, shift)
    values = np.column_stack([np.ones(len(rows.outcome)), (rows.values - design.center) / design.scale])
    predictor = values @ beta + shift[design.group]
    mean = expit(predictor)
    weight = mean * (1 - mean)
    of_third = design.group == 2
    assert sums.information == pytest.approx(values.T @ (weight[:, None] * values))
    assert sums.provider_information[2] == pytest.approx(weight[of_third] @ values[of_third])
    assert sums.curvature[2] == pytest.approx((weight * (1 - 2 * mean))[of_third].sum())
    assert sums.response == pytest.approx((weight * predictor + rows.outcome - mean) @ values)
    assert sums.log_likelihood == pytest.approx(np.log(np.where(rows.outcome == 1, mean, 1 - mean)).sum())


def test_effects_are_shrunken_by_reliability() -> None:
    found = fit(multicenter_rows())
    unshrunken = solve(found.sums, found.estimate.variance).residual / found.sums.weight
    assert found.reliability * unshrunken == pytest.approx(found.estimate.effects, abs=1e-6)
    assert (found.effect_variance < found.estimate.variance).all()
    assert standard_error_of_variance(found.sums, found.estimate.variance) == pytest.approx(0.3181, abs=1e-4)


def test_ratio_is_predicted_over_expected_and_the_rate_is_it_times_the_overall_rate() -> None:
    rows = multicenter_rows()
    found = fit(rows)
    rates = standardized_rates(found)
    here = slice(rows.starts[5], rows.starts[6])
    predictor = found.coefficients[0] + found.coefficients[1] * rows.values[here, 0]
    predicted, expected = expit(predictor + found.effects[5]).sum(), expit(predictor).sum()
    assert rates.ratio[5] == pytest.approx(predicted / expected)
    assert rates.rate[5] == pytest.approx(predicted / expected * rows.outcome.mean())


def test_within_takes_case_mix_out_of_the_effects() -> None:
    simulated = simulate(cases=40_000, providers=300, covariates=6, tau=0.4, spread=0.5, confounding=0.7, seed=3)
    plain, within = fit(simulated.rows()), fit(simulated.rows(), within=True)
    assert plain.case_mix_test is not None
    assert within.case_mix_test is not None
    assert plain.case_mix_test.p_value < 1e-6
    assert any("--within" in one for one in plain.warnings)
    # The test of the plain model needs no further fit; it is close to the model that was fitted with the covariate.
    assert plain.case_mix_test.coefficient == pytest.approx(within.case_mix_test.coefficient, rel=0.1)
    assert within.terms[-1] == "(provider mean of the linear predictor)"
    errors = [np.sqrt(np.mean((standardized_rates(one).ratio - simulated.ratios) ** 2)) for one in (plain, within)]
    assert errors[1] < errors[0]


def test_fixed_effects_expect_as_many_events_as_happened() -> None:
    simulated = simulate(cases=6_000, providers=30, covariates=2, spread=0.3, tau=0.4)
    found = fit(simulated.rows(), method="fixed")
    rates = standardized_rates(found)
    assert rates.expected.sum() == pytest.approx(simulated.outcome.sum(), abs=1e-6)
    assert rates.predicted == pytest.approx(found.design.observed, abs=0.1)
    assert np.isnan(found.reliability).all()
    assert found.case_mix_test is None


def test_moved_total_is_exact_where_the_rows_of_a_provider_are_alike() -> None:
    cases, mean = np.array([40.0]), 0.03
    weight, curvature = cases * mean * (1 - mean), cases * mean * (1 - mean) * (1 - 2 * mean)
    for change in (-2.0, 0.5, 3.0):
        moved = moved_total(cases * mean, cases, weight, curvature, np.zeros(1), change)
        assert moved == pytest.approx(cases * expit(np.log(mean / (1 - mean)) + change))


def test_limits_of_observed_over_expected() -> None:
    observed = np.array([0.0, 1.0, 10.0, 250.0])
    found = observed_to_expected(observed, np.full(4, 2.0))
    assert found.ratio.tolist() == [0, 0.5, 5, 125]
    # Garwood's limits for 0, 1 and 10 events, as tables give them.
    assert found.exact[0][:3] * 2 == pytest.approx([0, 0.0253, 4.7954], abs=1e-4)
    assert found.exact[1][:3] * 2 == pytest.approx([3.6889, 5.5716, 18.3904], abs=1e-4)
    low, high = (limit * 2 for limit in found.mid_p)
    assert poisson.sf(observed[1:], low[1:]) + poisson.pmf(observed[1:], low[1:]) / 2 == pytest.approx(0.025)
    assert poisson.cdf(observed, high) - poisson.pmf(observed, high) / 2 == pytest.approx(0.025)
    assert (low[1:] > found.exact[0][1:] * 2).all()
    assert (high < found.exact[1] * 2).all()


def test_cohorts_are_combined_by_the_volume_weighted_mean_of_logarithms() -> None:
    found = combine_cohorts([{"A": (100, 1.2), "B": (50, 0.9)}, {"A": (300, 0.8)}])
    assert [(one.provider_id, one.cohorts, one.cases) for one in found] == [("A", 2, 400), ("B", 1, 50)]
    assert found[0].ratio == pytest.approx(1.2**0.25 * 0.8**0.75)
    assert found[1].ratio == pytest.approx(0.9)


def test_percentiles_leave_out_replicates_without_the_provider() -> None:
    random = np.random.default_rng(1)
    ratios = random.lognormal(0, 0.2, (400, 5))
    ratios[random.random(ratios.shape) < 0.37] = np.nan
    ratios[:, 4] = np.nan
    low, high = percentile_limits(ratios)
    for at in range(4):
        kept = ratios[~np.isnan(ratios[:, at]), at]
        assert (low[at], high[at]) == pytest.approx(tuple(np.percentile(kept, [2.5, 97.5])))
        assert share_above_one(ratios)[at] == pytest.approx((kept > 1).mean())
    assert np.isnan([low[4], high[4], share_above_one(ratios)[4]]).all()


def test_classes_by_limits_and_cases() -> None:
    low, high = np.array([1.1, 0.6, 0.9, 1.1, np.nan]), np.array([1.4, 0.9, 1.1, 1.4, np.nan])
    cases = np.array([100, 100, 100, 24, 100])
    assert classes(low, high, cases) == ["worse", "better", "no different", "too few cases", "no interval"]
    assert classes(low, high, cases, minimum_cases=0, is_adverse=False)[:2] == ["better", "worse"]
    assert classes(low, high, cases, minimum_cases=0)[3] == "worse"


def test_concordance_is_the_share_of_pairs_in_order() -> None:
    random = np.random.default_rng(2)
    age, provider = random.integers(65, 90, 300), random.integers(0, 10, 300)
    outcome = (random.random(300) < expit((age - 78) / 5)).astype(int)
    found = fit(rows_in_memory({"age": age}, outcome, provider))
    with_event, without = age[outcome == 1], age[outcome == 0]
    pairs = (with_event[:, None] > without).mean() + 0.5 * (with_event[:, None] == without).mean()
    assert found.concordance == pytest.approx(pairs)


def test_minimum_of_a_bent_valley_and_where_nothing_leads_lower() -> None:
    def valley(place: np.ndarray) -> tuple[float, np.ndarray]:
        """Rosenbrock's function, lowest at (1, 1)."""
        x, y = place
        slopes = [-400 * x * (y - x**2) - 2 * (1 - x), 200 * (y - x**2)]
        return float(100 * (y - x**2) ** 2 + (1 - x) ** 2), np.array(slopes)

    place, slope = minimum(valley, np.array([-1.2, 1.0]), 1e-8)
    assert place == pytest.approx([1, 1], abs=1e-8)
    assert np.abs(slope).max() < 1e-8
    # From where it bends down, like the likelihood of few events: ln(1 + x²) bends up between −1 and 1 only.
    calls = []

    def hill(place: np.ndarray) -> tuple[float, np.ndarray]:
        calls.append(place)
        return float(np.log1p(place @ place)), 2 * place / (1 + place @ place)

    place, _ = minimum(hill, np.array([30.0]), 1e-8)
    assert place == pytest.approx([0], abs=1e-8)
    assert len(calls) < 30
    place, slope = minimum(lambda _place: (0.0, np.array([1.0])), np.array([3.0]), 1e-8)
    assert slope.tolist() == [1.0]


def test_covariates_far_from_zero_lose_no_digits() -> None:
    rows = multicenter_rows()
    moved = replace(rows, values=rows.values * 1e-3 + 2024)
    reference, found = fit(rows), fit(moved)
    assert found.coefficients[1] * 1e-3 == pytest.approx(reference.coefficients[1], abs=1e-8)
    assert found.tau == pytest.approx(reference.tau, abs=1e-8)
