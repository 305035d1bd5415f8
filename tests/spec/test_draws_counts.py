"""Draws of rates from counts: right about true rates."""

from __future__ import annotations

import numpy as np
import pytest

from openvbp.uncertainty.count_posterior import rate_posterior


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nine_in_ten_true_rates_are_within_their_intervals(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth, cases = random.beta(16, 4, 500), random.integers(5, 300, 500).astype(float)
    events = random.binomial(cases.astype(int), truth).astype(float)
    found = rate_posterior(events, cases)
    assert found.is_fitted
    assert found.alpha / (found.alpha + found.beta) == pytest.approx(0.8, abs=0.02)
    low, high = np.quantile(found.draw(400, (seed,)), [0.05, 0.95], axis=0)
    assert ((low <= truth) & (truth <= high)).mean() == pytest.approx(0.9, abs=0.035)


def test_few_or_equal_providers_teach_nothing() -> None:
    few = rate_posterior(np.array([3.0, 9.0]), np.array([10.0, 10.0]))
    equal = rate_posterior(np.full(40, 8.0), np.full(40, 10.0))
    for found in (few, equal):
        assert (found.alpha, found.beta, found.is_fitted) == (0.5, 0.5, False)
    draws = few.draw(4_000, (1,))
    assert draws.mean(axis=0) == pytest.approx([3.5 / 11, 9.5 / 11], abs=0.01)
