"""What evaluation designs say of data that cannot show an effect, and which designs they say remain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from openvbp.errors import InputDataError, UsageError
from openvbp.estimators.bacon_decomposition import bacon_decomposition
from openvbp.estimators.callaway_santanna import callaway_santanna
from openvbp.estimators.honest_bounds import event_study
from openvbp.estimators.regression_discontinuity import other_cutoff, regression_discontinuity
from openvbp.estimators.regression_kink import regression_kink
from openvbp.estimators.running_variable_density import density_test
from openvbp.estimators.staggered_imputation import staggered_imputation
from openvbp.estimators.synthetic_control import synthetic_control
from openvbp.estimators.synthetic_difference_in_differences import synthetic_difference_in_differences
from openvbp.estimators.worst_baseline import worst_baseline
from staggered_panels import Panel, block, staggered

STAGGERED = (staggered_imputation, callaway_santanna, bacon_decomposition)
NEVER = np.inf


def _message(design: Callable[..., Any], *arrays: Any, **options: Any) -> str:
    with pytest.raises(InputDataError) as caught:
        design(*arrays, **options)
    return str(caught.value)


def _all_from(panel: Panel, first: float) -> Panel:
    return replace(panel, first_treated=np.full(panel.unit.size, first))


@pytest.mark.parametrize("design", STAGGERED)
def test_all_treated_in_the_first_period(design):
    message = _message(design, *_all_from(staggered(20, 6), 0).arrays)
    assert "designs that remain" in message or "not_yet" in message


def test_without_an_untreated_group_the_remaining_designs_are_named():
    panel = _all_from(staggered(20, 6), 3)
    for design in (staggered_imputation, lambda *rows: callaway_santanna(*rows, comparison="not_yet")):
        message = _message(design, *panel.arrays)
        assert "interrupted time series" in message
        assert "dose" in message
        assert "add units that the program exempts" in message
    assert 'comparison="not_yet"' in _message(callaway_santanna, *panel.arrays)
    assert "interrupted time series" in _message(bacon_decomposition, *panel.arrays)
    assert "interrupted time series" in _message(synthetic_control, *_all_from(block(5), 10).arrays)


@pytest.mark.parametrize("design", STAGGERED)
def test_membership_that_changes(design):
    panel = staggered(20, 6)
    first = panel.first_treated.copy()
    first[(panel.unit == 7) & (panel.period > 3)] = 5
    message = _message(design, panel.outcome, panel.unit, panel.period, first)
    assert "first treated period of a unit changes" in message
    assert "unit 7" in message
    assert "leave out units that change and say how many" in message


@pytest.mark.parametrize("design", STAGGERED)
def test_rows_twice_missing_values_and_lengths(design):
    panel = staggered(20, 6)
    twice = panel.rows(np.append(np.arange(panel.unit.size), 9))
    assert "unit 1, period 3" in _message(design, *twice.arrays)
    missing = panel.outcome.copy()
    missing[4] = np.nan
    assert "'outcome' has missing or infinite values" in _message(design, missing, *panel.arrays[1:])
    assert "give one value per row" in _message(
        design, panel.outcome, panel.unit[:-1], panel.period, panel.first_treated
    )
    unknown = np.where(panel.unit == 3, np.nan, panel.first_treated)
    assert "write inf for units never treated" in _message(design, *panel.arrays[:3], unknown)
    assert "no row is treated" in _message(design, *panel.arrays[:3], np.full(panel.unit.size, 99.0))
    assert "'outcome' is empty" in _message(design, [], [], [], [])


@pytest.mark.parametrize("design", STAGGERED)
def test_weights_that_cannot_be(design):
    panel = staggered(20, 6)
    assert "weights sum to zero" in _message(design, *panel.arrays, np.zeros(panel.unit.size))
    assert "zero or below" in _message(design, *panel.arrays, np.where(panel.unit == 2, -1.0, 1.0))


def test_a_cluster_per_unit():
    panel = staggered(20, 6)
    message = _message(staggered_imputation, *panel.arrays, cluster=panel.period)
    assert "a unit belongs to several clusters (20 times)" in message


def test_holes():
    panel = staggered(20, 6, holes=0.2)
    assert "imputation, which allows holes" in _message(bacon_decomposition, *panel.arrays)
    assert "holes" in _message(synthetic_control, *block().rows(np.arange(31 * 17) != 40).arrays)
    weights = np.random.default_rng(0).uniform(1, 2, 120)
    assert "weights change within units" in _message(bacon_decomposition, *staggered(20, 6).arrays, weights)


def test_one_treated_unit():
    """It is estimated; what cannot be said of it is not said."""
    panel = block(12, 8, 5)
    found = staggered_imputation(*panel.arrays)
    assert found.overall.estimate == pytest.approx(-2, abs=1.5)
    assert np.isnan(found.overall.standard_error)
    assert np.isnan(found.covariance).all()
    assert (found.treated_clusters, found.lone_rows) == (1, 3)
    grouped = callaway_santanna(*panel.arrays, draws=20)
    assert np.isnan([grouped.simple.p_value, grouped.dynamic.overall.high, grouped.group.effects[0].low]).all()
    assert np.isnan(grouped.dynamic.band)
    assert grouped.treated_clusters == 1
    assert "one treated unit" in _message(synthetic_difference_in_differences, *panel.arrays, variance="jackknife")
    assert synthetic_control(*panel.arrays).effect.p_value >= 1 / 12
    assert "fewer than two" in _message(
        worst_baseline, panel.outcome, panel.unit, panel.period, panel.unit == 0, panel.period >= 5
    )


def test_a_cohort_of_one_unit_among_others():
    """It has no error of its own; the mean over all cohorts has one, and says how many rows it leaves out."""
    panel = staggered(40, 8, cohorts=(2, 5, np.inf))
    single = panel.rows((panel.first_treated != 2) | (panel.unit == 0))
    found = staggered_imputation(*single.arrays)
    assert np.isfinite(found.overall.standard_error)
    assert found.lone_rows == 6
    assert np.isnan([each.standard_error for each in found.effects]).tolist() == [False] * 3 + [True] * 3
    grouped = callaway_santanna(*single.arrays, draws=50)
    assert np.isnan([each.standard_error for each in grouped.group.effects]).tolist() == [True, False]
    assert np.isfinite([grouped.simple.standard_error, grouped.dynamic.overall.standard_error]).all()
    assert np.isfinite(grouped.dynamic.band)
    # Several units of one cluster are one, too.
    assert np.isnan(staggered_imputation(*single.arrays, cluster=single.first_treated > 9).overall.standard_error)


def test_synthetic_designs_that_do_not_fit():
    panel = staggered(20, 8)
    assert "start at different times" in _message(synthetic_control, *panel.arrays)
    assert "imputation or Callaway-Sant'Anna" in _message(synthetic_difference_in_differences, *panel.arrays)
    assert "at least two are needed" in _message(synthetic_control, *block(before=1).arrays)
    many = block(5, 8, 5, treated=3)
    assert 'variance="jackknife"' in _message(synthetic_difference_in_differences, *many.arrays)


def test_cutoffs_without_rows_or_values():
    random = np.random.default_rng(0)
    x, y = random.normal(size=200), random.normal(size=200)
    assert "0 rows right of the cutoff" in _message(regression_discontinuity, y, x, 9.0)
    assert "wider bandwidth" in _message(regression_discontinuity, y, x, 0.0, bandwidth=1e-4)
    assert "does not vary" in _message(regression_discontinuity, np.zeros(200), x, 0.0)
    assert "'running variable' has 199 values" in _message(regression_discontinuity, y, x[1:], 0.0)
    with pytest.raises(UsageError, match="donut"):
        regression_discontinuity(y, x, 0.0, donut=-1)
    with pytest.raises(UsageError, match="the cutoff itself"):
        other_cutoff(y, x, 0.0, 0.0)
    assert "same slope on both sides" in _message(regression_kink, y, x, 0.0, (1.0, 1.0))
    assert "one short of the cutoff" in _message(density_test, np.round(x, 1), 0.0)
    assert "at least 20" in _message(density_test, x, 5.0)


def test_event_studies_that_cannot_be_bounded():
    assert "no period before" in _message(event_study, [], [1.0], np.eye(1))
    assert "no weighted period after" in _message(event_study, [1.0], [], np.eye(1))
    assert "one weight for each" in _message(event_study, [1.0], [1.0, 2.0], np.eye(3), [1.0])
    assert "give 2 rows and columns" in _message(event_study, [1.0], [1.0], np.eye(3))
    assert "missing" in _message(event_study, [np.nan], [1.0], np.eye(2))
    assert "positive variances" in _message(event_study, [0.0], [1.0], np.zeros((2, 2)))


def test_a_share_that_is_none():
    panel = block()
    with pytest.raises(UsageError, match="between 0 and 1"):
        worst_baseline(panel.outcome, panel.unit, panel.period, panel.unit == 0, panel.period >= 10, share=25)
