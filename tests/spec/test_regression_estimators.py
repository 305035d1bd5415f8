"""Estimators of regressions on tables small enough to be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from openvbp.estimators.absorption import absorption
from openvbp.estimators.arrays import checked_codes, crossed
from openvbp.estimators.cluster_robust import cluster_robust
from openvbp.estimators.comparative_interrupted_time_series import comparative_interrupted_time_series
from openvbp.estimators.count_models import INTERCEPT, count_model
from openvbp.estimators.difference_in_differences import difference_in_differences, triple_difference
from openvbp.estimators.estimate import from_standard_error
from openvbp.estimators.event_study import event_study
from openvbp.estimators.least_squares import least_squares
from openvbp.estimators.multiple_outcomes import EmpiricalNull, empirical_null, sharpened_q_values
from openvbp.estimators.permutation import permutation
from openvbp.estimators.power import minimum_detectable_effect, planned_standard_error
from openvbp.estimators.spatial_exposure import spatial_exposure
from openvbp.estimators.wild_bootstrap import wild_bootstrap

UNIT = np.array([0, 0, 1, 1, 2, 2, 3, 3])
PERIOD = np.array([0, 1] * 4)
TREATED = np.array([1, 1, 1, 1, 0, 0, 0, 0])
OUTCOME = np.array([10.0, 7, 12, 11, 10, 11, 14, 13])
"""Changes of −3 and −1 among the treated, +1 and −1 among the others: −2 − 0 = −2."""


def test_two_by_two() -> None:
    found = difference_in_differences(OUTCOME, TREATED * PERIOD, unit=UNIT, period=PERIOD)
    assert found.effect.estimate == pytest.approx(-2)
    # Scores of the units: (d_g'e_g)² = (1/4 · ±1)² each, d'd = 1/2; K = 1 covariate + 2 periods.
    expected = math.sqrt(4 / 3 * 7 / 5 * 4 * (1 / 4) ** 2 / (1 / 2) ** 2)
    assert found.effect.standard_error == pytest.approx(expected)
    assert found.effect.degrees_of_freedom == 3
    assert (found.treated_clusters, found.untreated_clusters) == (2, 2)
    # CR2 of two groups of two changes: s²/2 of each, s² = 2; Satterthwaite as in Welch's test of equal variances.
    reduced = cluster_robust(found.fit, UNIT, "CR2").estimate("treatment")
    assert reduced.standard_error == pytest.approx(math.sqrt(2 / 2 + 2 / 2))
    assert reduced.degrees_of_freedom == pytest.approx(2)


def test_all_six_assignments_by_permutation() -> None:
    """|b| of the six ways to treat two of four: 2, 2, 2, 2, 0, 0."""
    found = difference_in_differences(OUTCOME, TREATED * PERIOD, unit=UNIT, period=PERIOD)
    tested = permutation(found.fit, "treatment", UNIT, PERIOD, seed=1, draws=5_999)
    assert sorted(set(np.round(np.abs(tested.permuted), 9))) == [0, 2]
    assert tested.p_value == pytest.approx(4 / 6, abs=0.02)
    assert (tested.treated_units, tested.untreated_units) == (2, 2)


def test_dose_is_the_effect_per_unit_of_dose() -> None:
    dose = np.array([2.0, 2, 2, 2, 0, 0, 0, 0]) * PERIOD
    assert difference_in_differences(OUTCOME, dose, unit=UNIT, period=PERIOD).effect.estimate == pytest.approx(-1)


def test_triple_difference() -> None:
    """The treated fall by 2 more on the incentivised condition and by 1 more on the other one: −2 − (−1)."""
    unit, period, treated = (np.tile(one, 2) for one in (UNIT, PERIOD, TREATED))
    condition = np.repeat([0, 1], 8)
    outcome = np.concatenate([OUTCOME, [5.0, 4, 6, 5, 5, 5, 7, 7]])
    treatment = treated * period * (condition == 0)
    for group in (treated, unit):
        found = triple_difference(outcome, treatment, unit=unit, period=period, condition=condition, group=group)
        assert found.effect.estimate == pytest.approx(-1)


def test_splines_return_the_lines_they_were_drawn_from() -> None:
    unit, time = (one.ravel() for one in np.indices((6, 10)))
    treated, after = (unit < 3).astype(float), np.maximum(time - 4, 0)
    noise = np.tile([0.01, -0.01], 30) * (unit % 2 * 2 - 1)
    outcome = unit + 0.5 * time - 0.2 * after + treated * (-0.1 * time - 0.3 * after) + noise
    found = comparative_interrupted_time_series(outcome, treated, unit=unit, time=time, knot=4)
    values = {name: getattr(found, name).estimate for name in vars(found) if hasattr(getattr(found, name), "estimate")}
    values.pop("inference")
    assert values == {
        "effect": pytest.approx(-0.3, abs=0.01),
        "untreated_before": pytest.approx(0.5, abs=0.01),
        "untreated_after": pytest.approx(0.3, abs=0.01),
        "difference_before": pytest.approx(-0.1, abs=0.01),
        "difference_after": pytest.approx(-0.4, abs=0.01),
        "treated_before": pytest.approx(0.4, abs=0.01),
        "treated_after": pytest.approx(-0.1, abs=0.01),
    }


def test_event_study_of_two_groups_is_differences_of_means() -> None:
    unit, period = (one.ravel() for one in np.indices((8, 5)))
    treated = (unit < 4).astype(float)
    outcome = np.random.default_rng(1).normal(size=40)
    found = event_study(outcome, treated, event_time=period - 3, unit=unit, period=period)
    assert found.event_times == (-3, -2, 0, 1)
    table = outcome.reshape(8, 5)
    gaps = table[:4].mean(axis=0) - table[4:].mean(axis=0)
    assert [one.estimate for one in found.effects] == pytest.approx([gaps[at] - gaps[2] for at in (0, 1, 3, 4)])
    assert found.average_after.estimate == pytest.approx((gaps[3] + gaps[4]) / 2 - gaps[2])
    together = event_study(outcome, treated, event_time=period - 3, unit=unit, period=period, first=-2, last=0)
    assert together.event_times == (-2, 0)


def test_limits_and_p_values() -> None:
    by_t = from_standard_error(1.0, 0.5, observations=10, clusters=5, degrees_of_freedom=4)
    assert (by_t.low, by_t.high) == (pytest.approx(1 - 2.776445 * 0.5), pytest.approx(1 + 2.776445 * 0.5))
    assert by_t.p_value == pytest.approx(0.116117, abs=1e-6)
    by_normal = from_standard_error(1.0, 0.5, observations=10)
    assert by_normal.p_value == pytest.approx(0.0455003, abs=1e-6)
    assert by_normal.minimum_detectable_effect == pytest.approx(1.4)
    for error, freedom in ((math.nan, 4), (0.0, 4), (0.5, 0), (0.5, math.nan)):
        missing = from_standard_error(1.0, error, observations=10, degrees_of_freedom=freedom)
        assert math.isnan(missing.p_value)
        assert math.isnan(missing.low)


def test_absorbed_levels_and_what_others_imply() -> None:
    """Two units never seen in the periods of the other two: two connected parts, so two levels too many."""
    unit, period = np.array([0, 0, 1, 1, 2, 2, 3, 3, 3]), np.array([0, 1, 0, 1, 2, 3, 2, 3, 3])
    found = absorption([unit, period, period // 2])
    assert found.levels == (4, 4, 2)
    assert found.redundant_levels() == 2 + 2
    assert found.singletons == (0, 0, 0)
    assert found.nested_in(unit // 2) == (True, True, True)
    assert found.nested_in(unit) == (True, False, False)
    assert absorption([np.array([5, 7, 7, -1])]).singletons == (2,)


def test_codes() -> None:
    codes, count = checked_codes([30, -2, 30, 7], "codes")
    assert (codes.tolist(), count) == ([2, 0, 2, 1], 3)
    assert crossed(np.array([1, 1, 0, 1]), np.array([5, 6, 6, 5])).tolist() == [1, 2, 0, 1]


def test_joint_test_of_one_coefficient_is_its_t_test() -> None:
    x = np.random.default_rng(2).normal(size=(2, 60))
    fit = least_squares(x[0] + np.random.default_rng(3).normal(size=60), {"a": x[0], "b": x[1]})
    inference = cluster_robust(fit, np.arange(60) // 4)
    one = inference.estimate("b")
    joint = inference.joint_test(["b"])
    assert joint.statistic == pytest.approx((one.estimate / one.standard_error) ** 2)
    assert joint.p_value == pytest.approx(one.p_value)
    assert math.isnan(inference.joint_test(["a", "b", {"a": 1, "b": 1}]).p_value)


def test_bootstrap_of_few_clusters_draws_six_values() -> None:
    found = difference_in_differences(OUTCOME, TREATED * PERIOD, unit=UNIT, period=PERIOD)
    tested = wild_bootstrap(found.fit, "treatment", UNIT, seed=1, draws=999)
    assert tested.distribution == "webb"
    assert tested.estimate.low < -2 < tested.estimate.high
    # Of two values and four units there are 16 samples: no effect can be refused at 5 %, and the limits say so.
    tested = wild_bootstrap(found.fit, "treatment", UNIT, seed=1, draws=999, distribution="rademacher")
    assert tested.estimate.p_value > 0.05
    assert (tested.estimate.low, tested.estimate.high) == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("treated", "untreated", "cases", "least", "most"), [(214, 975, 565, 0.42, 0.45), (24, 132, 2_930, 0.57, 0.73)]
)
def test_detectable_effects_of_hqid_and_advancing_quality(
    treated: int, untreated: int, cases: int, least: float, most: float
) -> None:
    """Mortality of 12.5 %, hospital shocks of .3 and of .8 points: one number of cases gives both published ends."""
    for shock, expected in ((0.3, least), (0.8, most)):
        error = planned_standard_error(treated, untreated, cases=cases, percent=12.5, shock=shock)
        assert minimum_detectable_effect(error) == pytest.approx(expected, abs=0.005)


def test_minimum_detectable_effect() -> None:
    assert minimum_detectable_effect(1.0) == pytest.approx(1.959964 + 0.841621)
    assert minimum_detectable_effect(1.0, degrees_of_freedom=5) == pytest.approx(2.570582 + 0.919544, abs=1e-5)


def test_counts_of_two_groups_are_ratios_of_rates() -> None:
    counts, time, exposed = [30, 10, 8, 2], [100.0, 100, 50, 50], np.array([1.0, 1, 0, 0])
    for family in ("poisson", "negative_binomial"):
        found = count_model(counts, {"exposed": exposed}, time_at_risk=time, clusters=[0, 1, 2, 3], family=family)
        assert found.inference.estimate("exposed").estimate == pytest.approx(math.log((40 / 200) / (10 / 100)))
        assert found.inference.estimate(INTERCEPT).estimate == pytest.approx(math.log(10 / 100))
    assert found.dispersion > 0
    even = count_model([10, 10, 5, 5], {"exposed": exposed}, time_at_risk=time, clusters=[0, 1, 2, 3])
    assert even.dispersion == 0


def test_exposure_of_areas() -> None:
    found = spatial_exposure([0, 0, 1, 1, 2], [0, 1, 1, 2, 2], [30.0, 10, 20, 60, 5], [0.8, 0.6, math.nan])
    assert found.exposure == pytest.approx([0.75, 0.6, math.nan], nan_ok=True)
    assert found.covered == pytest.approx([1, 0.25, 0])


def test_q_values_by_hand() -> None:
    """p = .01, .04, .9: at q the first stage works at q/(1 + q); one rejection makes the second one 3/2 wider."""
    found = sharpened_q_values([0.9, math.nan, 0.01, 0.04])
    # .01 is rejected from q' = .03 on; .04 from .06 on, or from max(.03, .06 · 2/3) = .04 on by the second stage.
    assert found[2:] == pytest.approx([0.03 / 0.97, 0.04 / 0.96])
    assert math.isnan(found[1])
    # .9 alone: rejected when .9 (3 − 2)/3 = .3 and two are rejected already, from .06 on.
    assert found[0] == pytest.approx(0.3 / 0.7)


def test_calibration_by_hand() -> None:
    """Controls of no spread beyond their error leave errors as they are; a common shift is taken off."""
    controls = [from_standard_error(value, 1.0, observations=9) for value in (1.9, 2.0, 2.0, 2.0, 2.1)]
    null = empirical_null(controls)
    assert null == EmpiricalNull(pytest.approx(2.0), 0.0, 5)
    found = EmpiricalNull(2.0, 3.0, 5).calibrated(from_standard_error(7.0, 4.0, observations=9))
    assert (found.estimate, found.standard_error) == (pytest.approx(5.0), pytest.approx(5.0))
    assert found.low == pytest.approx(5 - 1.959964 * 5)
