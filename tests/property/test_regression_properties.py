"""What holds of regressions whatever the data: invariance, levels that are kept, and power that simulations confirm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from openvbp.estimators.cluster_robust import KINDS, cluster_robust
from openvbp.estimators.comparative_interrupted_time_series import comparative_interrupted_time_series
from openvbp.estimators.difference_in_differences import DifferenceInDifferences, difference_in_differences
from openvbp.estimators.estimate import Estimate, from_standard_error
from openvbp.estimators.event_study import event_study
from openvbp.estimators.multiple_outcomes import empirical_null, sharpened_q_values
from openvbp.estimators.permutation import permutation
from openvbp.estimators.power import minimum_detectable_effect, placebo_draws, planned_standard_error, simulated_power
from openvbp.estimators.wild_bootstrap import wild_bootstrap
from regression_panels import Patients, patients

FEW = settings(max_examples=15, deadline=None)
seeds = st.integers(0, 2**31)


def fitted(panel: Patients, kind: str = "CR1") -> DifferenceInDifferences:
    return difference_in_differences(
        panel.outcome,
        panel.treatment,
        unit=panel.unit,
        period=panel.period,
        condition=panel.condition,
        covariates={"age": panel.age},
        weights=panel.weight,
        kind=kind,
    )


def assert_same(found: Estimate, expected: Estimate, factor: float = 1.0) -> None:
    for name in ("estimate", "standard_error", "low", "high"):
        assert getattr(found, name) == pytest.approx(factor * getattr(expected, name), abs=1e-9 * abs(factor))
    assert found.p_value == pytest.approx(expected.p_value, abs=1e-8)
    assert found.degrees_of_freedom == pytest.approx(expected.degrees_of_freedom, abs=1e-6)


@FEW
@given(seed=seeds, kind=st.sampled_from(KINDS))
def test_order_of_rows_and_names_of_levels_do_not_matter(seed: int, kind: str) -> None:
    panel, random = patients(seed, units=15), np.random.default_rng(seed)
    order = random.permutation(len(panel.outcome))
    shuffled = Patients(**{name: values[order] for name, values in vars(panel).items()})
    names = random.permutation(10_000)[:15] - 5_000
    assert_same(fitted(replace(shuffled, unit=names[shuffled.unit]), kind).effect, fitted(panel, kind).effect)


@FEW
@given(seed=seeds, kind=st.sampled_from(KINDS), factor=st.floats(1e-3, 1e3))
def test_scale_of_weights_and_of_the_outcome(seed: int, kind: str, factor: float) -> None:
    panel = patients(seed, units=15)
    expected = fitted(panel, kind).effect
    assert_same(fitted(replace(panel, weight=factor * panel.weight), kind).effect, expected)
    assert_same(fitted(replace(panel, outcome=factor * panel.outcome), kind).effect, expected, factor)


@FEW
@given(seed=seeds, kind=st.sampled_from(KINDS), size=st.floats(-1e4, 1e4))
def test_constants_of_units_and_periods_do_not_matter(seed: int, kind: str, size: float) -> None:
    panel, random = patients(seed, units=15), np.random.default_rng(seed)
    moved = panel.outcome + size * (random.normal(size=15)[panel.unit] + random.normal(size=8)[panel.period])
    found, expected = fitted(replace(panel, outcome=moved), kind).effect, fitted(panel, kind).effect
    assert found.estimate == pytest.approx(expected.estimate, abs=1e-7)
    assert found.standard_error == pytest.approx(expected.standard_error, abs=1e-7)


@FEW
@given(seed=seeds)
def test_an_effect_that_is_added_is_found_exactly_so_much_larger(seed: int) -> None:
    panel = patients(seed, units=15)
    added = fitted(replace(panel, outcome=panel.outcome + 0.7 * panel.treatment)).effect
    before = fitted(panel).effect
    assert added.estimate == pytest.approx(before.estimate + 0.7, abs=1e-9)
    assert added.standard_error == pytest.approx(before.standard_error, abs=1e-9)


@FEW
@given(seed=seeds)
def test_a_unit_with_one_row_is_kept_counted_and_changes_no_estimate(seed: int) -> None:
    panel = patients(seed, units=15)
    one = Patients(**{name: np.append(values, values[:1]) for name, values in vars(panel).items()})
    one.unit[-1], one.outcome[-1] = 999, 50.0
    found, before = fitted(one), fitted(panel)
    assert found.effect.estimate == pytest.approx(before.effect.estimate, abs=1e-9)
    assert found.fit.absorption.singletons[0] == before.fit.absorption.singletons[0] + 1
    assert found.effect.clusters == before.effect.clusters + 1


@FEW
@given(seed=seeds)
def test_dose_and_its_unit_of_measurement(seed: int) -> None:
    panel = patients(seed, units=15)
    dose = panel.treatment * (1 + panel.unit % 3)
    percent = fitted(replace(panel, treatment=100 * dose)).effect
    assert_same(percent, fitted(replace(panel, treatment=dose)).effect, 0.01)


def test_tests_by_sampling_do_not_change_with_the_order_of_units() -> None:
    panel = patients(4, units=12)
    result = fitted(panel)
    order = np.random.default_rng(0).permutation(len(panel.outcome))
    shuffled = fitted(Patients(**{name: values[order] for name, values in vars(panel).items()}))
    after = (panel.period >= 4).astype(float)
    first = permutation(result.fit, "treatment", panel.unit, after, seed=1, draws=199)
    again = permutation(shuffled.fit, "treatment", panel.unit[order], after[order], seed=1, draws=199)
    assert again.permuted == pytest.approx(first.permuted, abs=1e-9)
    wild = wild_bootstrap(result.fit, "treatment", panel.unit, seed=1, draws=199)
    assert wild_bootstrap(shuffled.fit, "treatment", panel.unit[order], seed=1, draws=199).estimate.p_value == (
        wild.estimate.p_value
    )
    assert wild.estimate.low < wild.estimate.estimate < wild.estimate.high


@pytest.mark.parametrize(("treated", "expected"), [(5, 0.145), (2, 0.337)])
def test_few_treated_units_fool_clustered_errors_and_not_permutation(treated: int, expected: float) -> None:
    """Against 137 others, hospital shocks of .8, no effect: CR1 rejects far too often; permutation and CR2 do not."""
    random, rejected = np.random.default_rng(3), np.zeros((300, 3))
    unit, period = (one.ravel() for one in np.indices((treated + 137, 2)))
    treatment = ((unit < treated) & (period == 1)).astype(float)
    for at in range(300):
        noise = 0.8 * random.normal(size=len(unit))
        result = difference_in_differences(noise, treatment, unit=unit, period=period)
        test = permutation(result.fit, "treatment", unit, period, seed=at, draws=199)
        reduced = cluster_robust(result.fit, unit, "CR2").estimate("treatment")
        rejected[at] = result.effect.p_value < 0.05, reduced.p_value < 0.05, test.p_value <= 0.05
    clustered, reduced, permuted = rejected.mean(axis=0)
    assert clustered == pytest.approx(expected, abs=0.08)
    assert reduced < 0.09
    assert permuted < 0.09


def test_intervals_hold_the_truth_and_false_alarms_are_rare() -> None:
    """Difference-in-differences and splines, 40 units whose rows depend on each other, true effects −.4 and −.1."""
    random, held, alarms = np.random.default_rng(12), np.zeros((400, 3)), np.zeros((400, 2))
    unit, period = (one.ravel() for one in np.indices((40, 8)))
    treated, after = (unit < 16).astype(float), (period >= 4).astype(float)
    for at in range(400):
        walk = np.cumsum(random.normal(size=(40, 8)), axis=1).ravel() * 0.3 + random.normal(size=320) * 0.5
        null = difference_in_differences(walk, treated * after, unit=unit, period=period)
        effect = difference_in_differences(walk - 0.4 * treated * after, treated * after, unit=unit, period=period)
        sloped = walk - 0.1 * treated * np.maximum(period - 3, 0)
        splines = comparative_interrupted_time_series(sloped, treated, unit=unit, time=period, knot=3)
        reduced = cluster_robust(effect.fit, unit, "CR2").estimate("treatment")
        for place, (one, truth) in enumerate(((effect.effect, -0.4), (reduced, -0.4), (splines.effect, -0.1))):
            held[at, place] = one.low <= truth <= one.high
        alarms[at] = (
            null.effect.p_value < 0.05,
            cluster_robust(null.fit, unit, "CR2").estimate("treatment").p_value < 0.05,
        )
    assert held.mean(axis=0) == pytest.approx(np.full(3, 0.95), abs=0.033)
    assert alarms.mean(axis=0) == pytest.approx(np.full(2, 0.05), abs=0.033)


def test_simulated_power_is_what_the_minimum_detectable_effect_promises() -> None:
    random = np.random.default_rng(1)
    unit, period = (one.ravel() for one in np.indices((80, 4)))
    noise = random.normal(size=320)
    draw = placebo_draws(noise, unit=unit, period=period, onset=2, treated_units=40)
    null = simulated_power(draw, 0.0, seed=2, simulations=300)
    assert null.power < 0.05 + 3 * 0.0126
    detectable = minimum_detectable_effect(null.mean_standard_error)
    assert simulated_power(draw, detectable, seed=2, simulations=300).power == pytest.approx(0.8, abs=0.09)


def test_planned_error_is_the_error_of_such_a_program() -> None:
    random, estimates = np.random.default_rng(5), []
    unit, period = (one.ravel() for one in np.indices((60, 2)))
    treatment = ((unit < 20) & (period == 1)).astype(float)
    for _sample in range(400):
        shock = random.normal(0, 1.0, 60)[unit] * period
        rates = 100 * random.binomial(300, (12.5 + shock) / 100) / 300
        estimates.append(difference_in_differences(rates, treatment, unit=unit, period=period).effect.estimate)
    planned = planned_standard_error(20, 40, cases=300, percent=12.5, shock=1.0)
    assert np.std(estimates) == pytest.approx(planned, rel=0.12)


def test_power_of_the_test_of_leads_is_how_often_it_finds_a_trend() -> None:
    random = np.random.default_rng(6)
    unit, period = (one.ravel() for one in np.indices((60, 6)))
    treated = (unit < 25).astype(float)

    def study(slope: float):
        outcome = random.normal(size=360) + slope * treated * period
        return event_study(outcome, treated, event_time=period - 4, unit=unit, period=period)

    slope = float(np.median([study(0.0).detectable_slope for _sample in range(5)]))
    found = [study(slope).leads_test.p_value < 0.05 for _sample in range(200)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.12)
    assert study(0.0).leads_test_power(0.0) == pytest.approx(0.05)


@FEW
@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=25), seed=seeds)
def test_q_values_are_first_rejections_of_the_two_stage_rule(p_values: list[float], seed: int) -> None:
    values = np.array(p_values)
    q_values = sharpened_q_values(values)
    order = np.random.default_rng(seed).permutation(len(values))
    assert sharpened_q_values(values[order]) == pytest.approx(q_values[order])
    for rate in np.linspace(0.0005, 0.9995, 60):
        rejected = _two_stages(values, rate)
        clear = np.abs(q_values - rate) > 1e-9
        assert ((q_values <= rate) == rejected)[clear].all()


def _two_stages(values: np.ndarray, rate: float) -> np.ndarray:
    """The rule as written down, at one rate."""
    count = len(values)

    def step_up(level: float) -> np.ndarray:
        ordered = np.sort(values)
        passed = np.flatnonzero(ordered <= level * np.arange(1, count + 1) / count)
        return values <= ordered[passed[-1]] if len(passed) else np.zeros(count, dtype=bool)

    first = rate / (1 + rate)
    rejected = int(step_up(first).sum())
    return np.ones(count, dtype=bool) if rejected == count else step_up(first * count / (count - rejected))


def test_calibrated_p_values_of_negative_controls_are_uniform() -> None:
    random = np.random.default_rng(7)
    errors = random.uniform(0.05, 0.2, 400)
    controls = [
        from_standard_error(random.normal(0.1, np.hypot(0.15, error)), error, observations=100) for error in errors
    ]
    null = empirical_null(controls[:200])
    assert (null.mean, null.standard_deviation) == (pytest.approx(0.1, abs=0.04), pytest.approx(0.15, abs=0.04))
    calibrated = [null.calibrated(one) for one in controls[200:]]
    assert stats.kstest([one.p_value for one in calibrated], "uniform").pvalue > 0.01
    assert np.mean([one.p_value < 0.05 for one in controls[200:]]) > 0.3
    assert np.mean([one.low <= 0 <= one.high for one in calibrated]) == pytest.approx(0.95, abs=0.045)
