"""Forty panels with a known effect and forty without, for every estimator: a slice of benchmarks/evaluation_truth.py.

Limits are those that a right estimator passes with a chance of one in ten thousand each, by the binomial distribution.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm

from estimator_truth import ESTIMATORS, SIZE
from openvbp.evaluation.conclusion import summary
from openvbp.evaluation.findings import Finding
from openvbp.evaluation.study_terms import Outcome

SEEDS = 40
CHANCE = 1e-4
FEWEST_HELD = int(binom.ppf(CHANCE, SEEDS, 0.95))
MOST_FALSE = int(binom.isf(CHANCE, SEEDS, 0.05))
BIASED = "two-way fixed effects, staggered"
FEW = "3 treated of 40: clustered error"
TOO_SURE = FEW, "treated alone: interrupted series"
"""Their errors leave out what few clusters, or shocks that all share, do; the others are there to replace them."""
POWER = {"difference in differences": 0.99, "imputation, staggered": 0.8, "counts, log of rate ratio": 0.99}
"""At least so much, of the effect that is in the panels."""


def test_limits_can_fail() -> None:
    assert FEWEST_HELD == 31
    assert MOST_FALSE == 9


@pytest.mark.parametrize("name", ESTIMATORS)
def test_what_is_there_is_found_and_what_is_not_is_not(name: str) -> None:
    trials = [ESTIMATORS[name](seed, SIZE) for seed in range(SEEDS)]
    errors = np.array([one.estimate - one.truth for one in trials])
    limit = norm.isf(CHANCE) * errors.std(ddof=1) / SEEDS**0.5
    if name == BIASED:
        # Treated practices whose effect still grows serve as controls: a part of the effect is lost.
        assert errors.mean() > limit / 2
    else:
        assert abs(errors.mean()) < limit
    if np.isfinite(trials[0].low) and name not in TOO_SURE:
        assert sum(one.low <= one.truth <= one.high for one in trials) >= FEWEST_HELD
    if name in POWER:
        assert sum(one.p_value < 0.05 for one in trials) >= binom.ppf(CHANCE, SEEDS, POWER[name])
    none = [ESTIMATORS[name](seed, 0.0) for seed in range(SEEDS, 2 * SEEDS)]
    false = sum(one.p_value < 0.05 for one in none)
    assert false <= MOST_FALSE if name not in TOO_SURE else false >= 4
    # The report says it in words, whether the design gives an interval or a p-value alone.
    findings = [
        Finding("main", "", estimate=one.estimate, low=one.low, high=one.high, p_value=one.p_value) for one in none
    ]
    said = ["no effect was found" in summary([one], Outcome(name="admissions")) for one in findings]
    assert sum(said) == SEEDS - false


def test_one_error_for_all_is_what_few_treated_break() -> None:
    """The same panels and the same estimate: clustered errors find effects that are not there, permutations do not."""
    false = {
        name: sum(ESTIMATORS[name](seed, 0.0).p_value < 0.05 for seed in range(SEEDS))
        for name in (FEW, "3 treated of 40: permutation", "3 treated of 40: wild bootstrap")
    }
    assert max(false["3 treated of 40: permutation"], false["3 treated of 40: wild bootstrap"]) < false[FEW]


def test_counts_settle_where_a_gain_is_less_than_the_likelihood_can_show() -> None:
    """A likelihood of 400,000 has ten places left: with this panel steps were halved for ever."""
    found = ESTIMATORS["counts, log of rate ratio"](64, SIZE)
    assert abs(found.estimate - found.truth) < 4 * found.standard_error
