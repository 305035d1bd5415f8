"""Reliability, funnel limits and probabilities on numbers worked out by hand or published."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from openvbp.engine import Engine
from openvbp.profiling import poisson
from openvbp.profiling.flags import Options, flag_providers
from openvbp.profiling.funnel import Funnel, classify, clipped_dispersion, fit_funnel, limits
from openvbp.profiling.posterior import Posterior, from_effects, from_totals, worst_share_probability
from openvbp.profiling.provider_table import Columns
from openvbp.profiling.reliability import beta_binomial, between_variance, cases_needed, signal_to_noise


def test_reliability_is_signal_over_signal_and_noise() -> None:
    # τ² = 0.04: noise of 1/25 is as large, of 1/100 a quarter as large.
    assert signal_to_noise(0.04, np.array([25.0, 100.0])).tolist() == pytest.approx([0.5, 0.8])
    assert signal_to_noise(0.0, np.array([25.0])).tolist() == [0]
    # 0.4 ÷ (0.6 × 0.0625 × 0.13): the example of 81 cases.
    assert cases_needed(0.4, 0.0625, 0.1313) == pytest.approx(81.2, abs=0.05)
    assert cases_needed(0.4, 0.0, 0.13) == math.inf


def test_variance_between_providers_solves_its_equation() -> None:
    observed, expected = np.array([30.0, 10, 22, 18, 40]), np.full(5, 20.0)
    information = np.array([18.0, 18, 15, 16, 19])
    found = between_variance(observed, expected, information)
    effect, weight = (observed - expected) / information, 1 / (found + 1 / information)
    mean = (weight * effect).sum() / weight.sum()
    assert (weight * (effect - mean) ** 2).sum() == pytest.approx(4, abs=1e-9)
    assert between_variance(expected + np.array([0.1, -0.1, 0, 0, 0.1]), expected, information) == 0


def test_beta_binomial_is_at_the_maximum_of_its_likelihood() -> None:
    observed, cases = np.array([1, 7, 3, 12, 0, 9]), np.array([20, 22, 15, 30, 9, 40])

    def likelihood(alpha: float, beta: float) -> float:
        log_beta = lambda a, b: math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)  # noqa: E731
        pairs = zip(observed.tolist(), cases.tolist(), strict=True)
        return sum(log_beta(k + alpha, n - k + beta) - log_beta(alpha, beta) for k, n in pairs)

    found = beta_binomial(observed, cases)
    assert found is not None
    best = likelihood(found.alpha, found.beta)
    for factor in (0.999, 1.001):
        assert likelihood(found.alpha * factor, found.beta) < best
        assert likelihood(found.alpha, found.beta * factor) < best
    total = found.alpha + found.beta
    assert found.reliability(np.array([total])).tolist() == [0.5]
    assert found.cases_needed(0.4) == pytest.approx(total * 2 / 3)
    # Rates that differ less than chance, no events at all: nothing to fit.
    assert beta_binomial(np.array([10, 10, 10]), np.array([100, 100, 100])) is None
    assert beta_binomial(np.array([0, 0]), np.array([10, 20])) is None


def test_poisson_limits_are_those_of_published_tables() -> None:
    # Garwood's table: 95 % limits of 0, 1, 10 and 100 observed.
    published = {0: (0, 3.689), 1: (0.0253, 5.572), 10: (4.795, 18.391), 100: (81.36, 121.63)}
    for count, (low, high) in published.items():
        found = poisson.limits_of_mean(count, 0.95)
        assert found == pytest.approx((low, high), rel=1e-3, abs=1e-12)
    terms = [math.exp(-7.3 + k * math.log(7.3) - math.lgamma(k + 1)) for k in range(12)]
    assert poisson.at_most(11, 7.3) == pytest.approx(math.fsum(terms), rel=1e-13)
    assert poisson.at_most(2, 7.3) == pytest.approx(math.fsum(terms[:3]), rel=1e-13)
    # The 97.5 % quantile of a mean of 10 is 17: P(X ≤ 16) is 0.973.
    assert (poisson.quantile(0.025, 10), poisson.quantile(0.975, 10)) == (4, 17)


def test_dispersion_is_measured_with_the_outermost_held_in() -> None:
    z = np.arange(-5.0, 6.0)
    # Of 25 16 9 4 1 0 1 4 9 16 25 the quantiles are 1 and 25, so 0 becomes 1.
    assert clipped_dispersion(z) == pytest.approx((50 + 32 + 18 + 8 + 2 + 1) / 11)
    # Of the scores they are −4 and 4.
    assert clipped_dispersion(z, "scores") == pytest.approx((2 * 16 + 32 + 18 + 8 + 2) / 11)
    expected = np.full(11, 100.0)
    funnel = fit_funnel(expected + 10 * z, expected, expected)
    assert funnel.dispersion == pytest.approx(111 / 11)
    calm = fit_funnel(expected + z, expected, expected)
    assert (calm.dispersion, calm.measured_dispersion) == (1, pytest.approx(111 / 11 / 100))
    assert calm.extra_variance == 0


def test_limits_and_classes_agree() -> None:
    funnel = Funnel(dispersion=4.0, measured_dispersion=4.0, extra_variance=0.04, confidence=0.95)
    expected, information = np.full(4, 100.0), np.full(4, 81.0)
    observed = np.array([75.0, 99.0, 120.0, 140.0])
    assert classify("naive", funnel, observed, expected, information).tolist() == [-1, 0, 1, 1]
    # √φ = 2: 1.96 × 2 × 9 = 35.3 from 100.
    assert classify("overdispersed", funnel, observed, expected, information).tolist() == [0, 0, 0, 1]
    assert limits("overdispersed", funnel, 100, 81) == pytest.approx((1 - 0.35279, 1 + 0.35279), abs=1e-5)
    # ln ratio ± 1.96 √(0.0081 + 0.04).
    reach = math.exp(1.959964 * math.sqrt(0.0481))
    assert limits("additive", funnel, 100, 81) == pytest.approx((1 / reach, reach), abs=1e-5)
    assert classify("additive", funnel, observed, expected, information).tolist() == [0, 0, 0, 0]
    assert limits("exact", funnel, 10, 10) == (0.4, 1.7)
    assert classify("exact", funnel, np.array([3, 4, 17, 18]), np.full(4, 10.0), np.full(4, 10.0)).tolist() == [
        -1,
        0,
        0,
        1,
    ]


def test_ratios_are_shrunken_by_their_reliability() -> None:
    observed, expected = np.array([20.0, 0.0]), np.array([10.0, 10.0])
    found = from_totals(observed, expected, expected, np.array([0.5, 0.25]))
    # All together 1: half of ln 2 is left; no event counts as half of one.
    assert found.mean == pytest.approx([0.5 * math.log(2), 0.25 * math.log(0.05)])
    assert found.deviation == pytest.approx([math.sqrt(0.05), math.sqrt(0.025)])
    given = from_effects(np.array([0.2]), np.array([0.04]), np.array([100.0]), np.array([80.0]))
    assert (given.mean[0], given.deviation[0]) == pytest.approx((0.16, 0.16))
    assert given.above_one()[0] == pytest.approx(0.8413, abs=1e-4)
    assert given.interval(0.95)[1][0] == pytest.approx(math.exp(0.16 * 2.959964))


def test_probability_of_the_worst_quarter() -> None:
    sure = Posterior(np.array([0.0, 1.0, 2.0, 3.0]), np.zeros(4))
    assert worst_share_probability(sure, draws=10).tolist() == [0, 0, 0, 1]
    assert worst_share_probability(sure, draws=10, is_high_worse=False).tolist() == [1, 0, 0, 0]
    equal = worst_share_probability(Posterior(np.zeros(8), np.ones(8)), draws=20_000, seed=3)
    assert equal.sum() == pytest.approx(2)
    # Standard error 0.003.
    assert np.abs(equal - 0.25).max() < 0.012
    # Two alone: P(first > second) with means 1 apart and variances of ½ is Φ(1).
    pair = worst_share_probability(Posterior(np.array([1.0, 0.0]), np.full(2, math.sqrt(0.5))), share=0.5, draws=20_000)
    assert pair[0] == pytest.approx(0.8413, abs=0.008)


def providers(**columns: Any) -> pa.Table:
    rows = {
        "provider_id": [f"P{at:02}" for at in range(12)],
        "observed": [30, 8, 12, 9, 11, 10, 13, 7, 10, 12, 9, 11],
        "expected": [10.0] * 12,
    }
    return pa.table(rows | columns)


def test_flags_say_worse_or_better_as_events_are_bad_or_good(duckdb_engine: Engine) -> None:
    engine = duckdb_engine
    table = engine.table(providers(), "profiling_twelve")
    found = flag_providers(engine, table, Columns(), Options(draws=200))
    assert [row["flag"] for row in found["providers"]] == ["worse", *["no different"] * 11]
    assert found["summary"]["information_is_given"] is False
    good = flag_providers(engine, table, Columns(), Options(draws=200, is_high_worse=False))
    assert good["providers"][0]["flag"] == "better"
    assert good["providers"][0]["probability_among_worst"] < 0.01 < found["providers"][0]["probability_among_worst"]
    assert found["providers"][0]["probability_worse"] + good["providers"][0]["probability_worse"] == pytest.approx(1)


def test_flags_are_given_with_and_without_peer_groups(duckdb_engine: Engine) -> None:
    # Every peer of the first is as bad as it.
    table = providers(observed=[30, 29, 31, 30, 10, 9, 11, 10, 12, 8, 10, 10], peers=["x"] * 4 + ["y"] * 8)
    columns = Columns(peers="peers")
    found = flag_providers(
        duckdb_engine, duckdb_engine.table(table, "profiling_peers"), columns, Options(method="naive")
    )
    rows = found["providers"]
    assert [row["flag"] for row in rows[:4]] == ["worse"] * 4
    assert [row["flag_within_peers"] for row in rows] == ["no different"] * 12
    assert rows[0]["ratio_within_peers"] == pytest.approx(1)
    assert found["decomposition"]["flags_changed"] == 4
    assert found["decomposition"]["share_between"] > 0.97


def test_a_models_own_effects_are_used(duckdb_engine: Engine) -> None:
    table = providers(effect=[0.5] + [0.0] * 11, variance=[0.0001] * 12, information=[8.0] * 12)
    columns = Columns(effect="effect", variance="variance", information="information")
    options = Options(between_variance=0.25)
    found = flag_providers(duckdb_engine, duckdb_engine.table(table, "profiling_effects"), columns, options)
    first = found["providers"][0]
    assert first["shrunken_ratio"] == pytest.approx(math.exp(0.4))
    assert first["probability_among_worst"] == 1
    # 0.25 ÷ (0.25 + 1/8).
    assert first["reliability"] == pytest.approx(2 / 3)
    assert found["summary"]["between_variance_is_given"] is True
