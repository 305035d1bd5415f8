"""Worked examples of evaluation designs, small enough to be followed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from openvbp.estimators.bacon_decomposition import bacon_decomposition
from openvbp.estimators.callaway_santanna import callaway_santanna
from openvbp.estimators.honest_bounds import breakdown_multiple, event_study, relative_magnitude_bounds
from openvbp.estimators.regression_discontinuity import regression_discontinuity, usual_other_cutoffs
from openvbp.estimators.regression_kink import regression_kink
from openvbp.estimators.smoothness_bounds import breakdown_curvature, smoothness_bounds
from openvbp.estimators.staggered_imputation import staggered_imputation
from openvbp.estimators.synthetic_control import synthetic_control
from openvbp.estimators.synthetic_difference_in_differences import synthetic_difference_in_differences
from openvbp.estimators.worst_baseline import worst_baseline

NEVER = np.inf


def _rows(table: list[list[float]], first: list[float]) -> tuple[np.ndarray, ...]:
    values = np.array(table, dtype=float)
    unit, period = np.divmod(np.arange(values.size), values.shape[1])
    return values.ravel(), unit, period, np.array(first, dtype=float)[unit]


TWO_BY_TWO = _rows([[10, 7], [12, 8], [5, 4], [3, 2]], [1, 1, NEVER, NEVER])
"""Treated fall by 3 and 4, controls by 1 and 1: an effect of −2.5."""


def test_imputation_of_two_by_two():
    found = staggered_imputation(*TWO_BY_TWO)
    assert found.overall.estimate == pytest.approx(-2.5)
    assert found.event_times.tolist() == [0]
    assert found.imputed_rows == 2
    assert found.not_imputed_units == ()
    # Residuals of controls are zero; treated effects are −2 and −3, each with half of the weight.
    assert found.overall.standard_error == pytest.approx(np.sqrt(2 * 0.25**2))


def test_callaway_santanna_of_two_by_two():
    found = callaway_santanna(*TWO_BY_TWO)
    assert found.simple.estimate == pytest.approx(-2.5)
    assert found.group_time[0].observations == 4
    assert found.simple.standard_error == pytest.approx(np.sqrt(2 * 0.25**2))


def test_three_cohorts_step_by_step():
    # Effects −1 at once and −2 a period later; cohort 1 and cohort 2; common trend +1.
    rows = _rows([[0, 0, 0], [5, 6, 6], [2, 3, 4]], [1, 2, NEVER])
    found = callaway_santanna(*rows)
    effects = dict(zip(zip(found.cohorts, found.periods, strict=True), found.group_time, strict=True))
    assert {key: effect.estimate for key, effect in effects.items()} == {(1, 1): -1, (1, 2): -2, (2, 1): 0, (2, 2): -1}
    assert found.simple.estimate == pytest.approx(-4 / 3)
    assert found.dynamic.labels.tolist() == [-1, 0, 1]
    assert [each.estimate for each in found.dynamic.effects] == pytest.approx([0, -1, -2])
    assert found.dynamic.overall.estimate == pytest.approx(-1.5)
    assert [each.estimate for each in found.group.effects] == pytest.approx([-1.5, -1])
    assert [each.estimate for each in found.calendar.effects] == pytest.approx([-1, -1.5])
    imputed = staggered_imputation(*rows)
    assert imputed.overall.estimate == pytest.approx(-4 / 3)
    assert [each.estimate for each in imputed.effects] == pytest.approx([-1, -2])


def test_forbidden_comparison_has_the_wrong_sign():
    found = bacon_decomposition(*_rows([[0, 0, 0], [5, 6, 6], [2, 3, 4]], [1, 2, NEVER]))
    estimates = {(each.kind, each.treated): each.estimate for each in found.comparisons}
    assert estimates["later v earlier", 2.0] == pytest.approx(0.0)  # −1 becomes 0: controls fell, too
    assert estimates["earlier v later", 1.0] == pytest.approx(-1.0)
    # Products of shares and of treated periods: 2/9 + 2/9 against never, 1/9 each among the treated.
    assert sorted(each.weight for each in found.comparisons) == pytest.approx([1 / 6, 1 / 6, 1 / 3, 1 / 3])
    assert found.forbidden_share == pytest.approx(1 / 6)
    assert found.warns
    assert found.two_way_fixed_effects == pytest.approx((-1.5 - 1.0) / 3 + (-1.0 + 0.0) / 6)


def test_a_unit_always_treated_cannot_be_imputed_and_is_named():
    rows = _rows([[1, 1, 1], [2, 3, 1], [4, 5, 6]], [0, 2, NEVER])
    found = staggered_imputation(*rows)
    assert found.not_imputed_rows == 3
    assert found.not_imputed_units == (0,)
    assert np.isnan(found.unit_effects[:3]).all()
    assert found.overall.estimate == pytest.approx(-3.0)
    assert callaway_santanna(*rows).always_treated_units == (0,)


def test_a_line_without_noise_jumps_and_bends():
    x = np.linspace(-1, 1, 200)
    noise = 1e-9 * np.cos(50 * x)
    jump = regression_discontinuity(1 + 2 * x + 0.7 * (x >= 0) + noise, x, 0.0, bandwidth=0.5)
    assert jump.conventional.estimate == pytest.approx(0.7, abs=1e-8)
    assert jump.robust.estimate == pytest.approx(0.7, abs=1e-8)
    assert (jump.left_rows, jump.right_rows) == (50, 50)
    kink = regression_kink(np.where(x > 0, 3 * x, x) + noise, x, 0.0, (0.0, 4.0), bandwidth=0.8)
    assert kink.slope_change.estimate == pytest.approx(2.0, abs=1e-6)
    assert kink.robust.estimate == pytest.approx(0.5, abs=1e-6)


def test_a_row_at_the_cutoff_goes_with_the_rule():
    random = np.random.default_rng(0)
    x = np.concatenate([np.linspace(-1, -0.01, 50), np.zeros(30), np.linspace(0.01, 1, 50)])
    y = np.where(x == 0, 5.0, 0.0) + 0.01 * random.normal(size=x.size)
    right = regression_discontinuity(y, x, 0.0, bandwidth=0.4)
    left = regression_discontinuity(y, x, 0.0, bandwidth=0.4, cutoff_belongs_right=False)
    assert right.conventional.estimate > 1 > -1 > left.conventional.estimate
    donut = regression_discontinuity(y, x, 0.0, bandwidth=0.4, donut=0.005)
    assert abs(donut.conventional.estimate) < 0.1
    assert usual_other_cutoffs(np.linspace(-1, 1, 200), 0.0) == pytest.approx((-0.5025, 0.5025), abs=1e-3)


def test_synthetic_control_is_the_mean_that_fits():
    # Unit 0 is the mean of units 1 and 2 before; unit 3 is far off.
    rows = _rows([[2, 3, 1, 0, 0], [1, 4, 2, 3, 3], [3, 2, 0, 1, 1], [9, 9, 8, 9, 9]], [3, NEVER, NEVER, NEVER])
    found = synthetic_control(*rows)
    assert found.weights == pytest.approx({1: 0.5, 2: 0.5})
    assert found.effect.estimate == pytest.approx(-2.0)
    assert found.error_before == pytest.approx(0.0, abs=1e-9)
    assert found.effect.p_value == pytest.approx(1 / 4)
    assert np.isnan(found.effect.standard_error)


def test_synthetic_difference_of_parallel_units_is_the_difference_in_differences():
    trend = np.array([0.0, 1.0, 0.5, 2.0, 1.5])
    levels = np.array([1.0, 5.0, 9.0, 2.0, 7.0])
    table = levels[:, None] + trend
    table[0, 3:] -= 2
    found = synthetic_difference_in_differences(*_rows(table.tolist(), [3, *[NEVER] * 4]), draws=20)
    assert found.effect.estimate == pytest.approx(-2.0)
    assert sum(found.unit_weights.values()) == pytest.approx(1)
    assert sum(found.period_weights.values()) == pytest.approx(1)
    assert found.gaps[3:] == pytest.approx([-2, -2])


def test_bounds_of_a_precise_study_are_those_of_the_identified_set():
    # Steps before are .1 and −.2; two periods after, effects −1 and −1.2. With errors of nearly zero the bias of the
    # mean is at most M̄ × .2 × (1 + 1/2).
    study = event_study([0.1, 0.2], [-1.0, -1.2], 1e-12 * np.eye(4))
    for each in relative_magnitude_bounds(study, (0.0, 0.5, 1.0)):
        reach = each.allowed * 0.2 * 1.5
        assert (each.low, each.high) == pytest.approx((-1.1 - reach, -1.1 + reach), abs=1e-4)
    assert breakdown_multiple(study) == pytest.approx(1.1 / 0.3, abs=0.02)
    assert breakdown_multiple(study, largest=2.0) == np.inf


def test_smooth_bounds_extrapolate_the_line():
    # Before: −2 a period, so at +1 and +2 the line gives −2 and −4; bends of at most M add M and 3M.
    study = event_study([4.0, 2.0], [-5.0, -7.0], 1e-12 * np.eye(4))
    line, bent = smoothness_bounds(study, (0.0, 0.5))
    assert (line.low, line.high) == pytest.approx((-3.0, -3.0), abs=1e-4)
    assert (bent.low, bent.high) == pytest.approx((-4.0, -2.0), abs=1e-4)
    assert breakdown_curvature(study) == pytest.approx(1.5, rel=0.02)


def test_the_worst_are_compared_with_the_worst():
    before = np.array([[9, 8, 1, 2], [9, 7, 2, 3]], dtype=float)  # treated, controls
    after = np.array([[5, 5, 1, 2], [6, 6, 2, 3]], dtype=float)
    table = np.stack([before.ravel(), after.ravel()], axis=1)
    unit, period = np.divmod(np.arange(table.size), 2)
    found = worst_baseline(table.ravel(), unit, period, unit < 4, period == 1, share=0.5)
    assert (found.treated_units, found.control_units) == (2, 2)
    assert found.change_of_worst_treated == pytest.approx(-3.5)
    assert found.change_of_worst_controls == pytest.approx(-2.0)
    assert found.effect.estimate == pytest.approx(-1.5)
    assert found.others.estimate == pytest.approx(0.0)
    assert found.same_selection_left_out.estimate == pytest.approx(-3.5 + 1.0)
