"""What estimators of regressions say of data that cannot be used."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from openvbp.errors import InputDataError, OpenvbpError, UsageError
from openvbp.estimators.absorption import absorption
from openvbp.estimators.cluster_robust import cluster_robust
from openvbp.estimators.comparative_interrupted_time_series import comparative_interrupted_time_series
from openvbp.estimators.count_models import count_model
from openvbp.estimators.difference_in_differences import difference_in_differences, triple_difference
from openvbp.estimators.estimate import from_standard_error
from openvbp.estimators.event_study import event_study
from openvbp.estimators.least_squares import least_squares
from openvbp.estimators.multiple_outcomes import empirical_null, sharpened_q_values
from openvbp.estimators.permutation import permutation
from openvbp.estimators.power import placebo_draws, planned_standard_error, simulated_power
from openvbp.estimators.spatial_exposure import spatial_exposure
from openvbp.estimators.wild_bootstrap import wild_bootstrap
from regression_panels import patients

PANEL = patients(2, units=12)
AFTER = (PANEL.period >= 4).astype(float)
ROWS = len(PANEL.outcome)
UNITS = {"unit": PANEL.unit, "period": PANEL.period}


def did(**changed):
    given = {"outcome": PANEL.outcome, "treatment": PANEL.treatment, **UNITS, **changed}
    return difference_in_differences(given.pop("outcome"), given.pop("treatment"), **given)


def with_value(values: np.ndarray, value: float, row: int = 3) -> np.ndarray:
    changed = values.astype(float)
    changed[row] = value
    return changed


FIT = did().fit
ONES = np.ones(ROWS)
CASES: dict[str, tuple[Callable, str]] = {
    "missing outcome": (lambda: did(outcome=with_value(PANEL.outcome, np.nan)), "'outcome' has missing or infinite"),
    "infinite covariate": (lambda: did(covariates={"age": with_value(PANEL.age, np.inf)}), "'age' has missing"),
    "missing weight": (lambda: did(weights=with_value(PANEL.weight, np.nan)), "'weights' has missing"),
    "weights of nothing": (lambda: did(weights=0 * ONES), "weights sum to zero"),
    "a weight below zero": (lambda: did(weights=with_value(ONES, -1)), "weights of zero or below"),
    "too few periods": (lambda: did(period=PANEL.period[:-1]), f"'period' has {ROWS - 1:,} values for {ROWS:,} rows"),
    "names for numbers": (lambda: did(unit=PANEL.unit.astype(str)), "not whole numbers"),
    "empty": (lambda: least_squares([], {"x": []}), "'outcome' is empty"),
    "a table": (lambda: least_squares(np.ones((3, 2)), {"x": [1, 2, 3]}), "has 2 dimensions"),
    "one cluster": (lambda: did(clusters=np.zeros(ROWS, dtype=int)), "all rows are in one cluster"),
    "nobody treated": (lambda: did(treatment=0 * ONES), "no row is treated"),
    "all treated": (lambda: did(treatment=ONES), "every row is treated"),
    "no untreated unit": (lambda: did(treatment=AFTER), "every unit is treated"),
    "treated from the start": (lambda: did(treatment=PANEL.treated), "treatment never begins"),
    "collinear pair": (
        lambda: did(covariates={"age": PANEL.age, "months": 12 * PANEL.age}),
        "covariates are collinear: 'months'|covariates are collinear: 'age'",
    ),
    "covariate of the unit": (lambda: did(covariates={"beds": PANEL.unit * 10.0}), "'beds' is a sum of fixed effects"),
    "constant covariate": (lambda: did(covariates={"one": ONES}), "'one' is the same in all rows"),
    "fewer patients than cells": (lambda: did(observations=9), f"9 observations in {ROWS} rows"),
    "too few observations": (
        lambda: difference_in_differences(
            [1, 2, 3, 5], [0, 1, 0, 0], unit=[0, 0, 1, 1], period=[0, 1, 0, 1], kind="HC1"
        ),
        "4 observations for 4 coefficients",
    ),
    "other kind": (lambda: cluster_robust(FIT, PANEL.unit, "CR9"), "no standard errors of kind 'CR9'"),
    "no covariates": (lambda: least_squares(PANEL.outcome, {}), "no covariate is given"),
    "unknown coefficient": (lambda: cluster_robust(FIT, PANEL.unit).estimate("age"), "no coefficient 'age'"),
    "all conditions paid": (
        lambda: triple_difference(
            PANEL.outcome, PANEL.treatment, **UNITS, condition=PANEL.condition, group=PANEL.treated.astype(int)
        ),
        "every condition is incentivised",
    ),
    "no time before": (
        lambda: comparative_interrupted_time_series(
            PANEL.outcome, PANEL.treated, unit=PANEL.unit, time=PANEL.period, knot=0
        ),
        "1 times up to the knot and 7 after it",
    ),
    "one series": (
        lambda: comparative_interrupted_time_series(PANEL.outcome, ONES, unit=PANEL.unit, time=PANEL.period, knot=4),
        "every row is treated alike",
    ),
    "no reference": (
        lambda: event_study(PANEL.outcome, PANEL.treated, event_time=PANEL.period, **UNITS),
        r"event times \[0, 1, 2, 3, 4, 5, 6, 7\], the reference is -1",
    ),
    "treated without event time": (
        lambda: event_study(PANEL.outcome, PANEL.treated, event_time=with_value(PANEL.period - 4, np.nan, 0), **UNITS),
        "treated rows without a whole number",
    ),
    "event study of nobody": (
        lambda: event_study(PANEL.outcome, 0 * ONES, event_time=PANEL.period - 4, **UNITS),
        "no row is treated",
    ),
    "other draws": (
        lambda: wild_bootstrap(FIT, "treatment", PANEL.unit, seed=1, distribution="normal"),
        "no draws of distribution 'normal'",
    ),
    "too few draws": (lambda: wild_bootstrap(FIT, "treatment", PANEL.unit, seed=1, draws=9), "9 draws are too few"),
    "bootstrap of another": (lambda: wild_bootstrap(FIT, "age", PANEL.unit, seed=1), "there is no covariate 'age'"),
    "other profile": (
        lambda: permutation(FIT, "treatment", PANEL.unit, (PANEL.period >= 3).astype(float), seed=1),
        "treatment is not the same share of the profile",
    ),
    "group effects permuted": (lambda: grouped_permutation(), "a fixed effect separates treated units"),
    "placebo without periods": (
        lambda: placebo_draws(PANEL.outcome, **UNITS, onset=9, treated_units=4),
        "periods go from 0 to 7, onset is 9",
    ),
    "placebo of all": (
        lambda: placebo_draws(PANEL.outcome, **UNITS, onset=4, treated_units=12),
        "12 of 12 units are to be treated",
    ),
    "plan of nobody": (
        lambda: planned_standard_error(0, 10, cases=100, percent=10, shock=0),
        "0 treated and 10 untreated units",
    ),
    "simulation without a test": (
        lambda: simulated_power(lambda *_: from_standard_error(1, np.nan, observations=1), 0, seed=1, simulations=3),
        "simulated samples without a p-value",
    ),
    "p-value above one": (lambda: sharpened_q_values([0.1, 1.1]), "some outside 0 to 1"),
    "few controls": (
        lambda: empirical_null([from_standard_error(1, 1, observations=1)] * 4),
        "4 negative controls",
    ),
    "control without error": (
        lambda: empirical_null([from_standard_error(1, np.nan, observations=1)] * 5),
        "negative controls without estimate or error",
    ),
    "negative counts": (lambda: counted(outcome=[-1, 2, 3]), "counts are negative or not whole"),
    "parts of counts": (lambda: counted(outcome=[0.5, 2, 3]), "counts are negative or not whole"),
    "no events": (lambda: counted(outcome=[0, 0, 0]), "all counts are zero"),
    "no time": (lambda: counted(time_at_risk=[1, 0, 1]), "time at risk is not above zero"),
    "collinear columns": (lambda: counted(covariates={"a": [1, 0, 1], "b": [0, 1, 0]}), "'b' is a sum of the columns"),
    "other family": (lambda: counted(family="zero-inflated"), "no family 'zero-inflated'"),
    "counts of one cluster": (lambda: counted(clusters=[1, 1, 1]), "all rows are in one cluster"),
    "unknown providers": (
        lambda: spatial_exposure([0, 1], [0, 2], [1, 1], [0.5, 0.6]),
        "achievement is of 2 providers",
    ),
    "nothing known": (lambda: spatial_exposure([0, 1], [0, 0], [1, 1], [np.nan]), "no achievement is known"),
    "areas with gaps": (lambda: spatial_exposure([0, 2], [0, 0], [1, 1], [0.5]), "without gaps"),
}


def counted(**changed):
    given = {
        "outcome": [1, 2, 3], "covariates": {"a": [0.0, 1, 5]}, "time_at_risk": [1.0, 1, 1], "clusters": [0, 1, 2],
        **changed,
    }  # fmt: skip
    return count_model(given.pop("outcome"), given.pop("covariates"), **given)


def grouped_permutation():
    paid = PANEL.condition == 0
    found = triple_difference(
        PANEL.outcome,
        PANEL.treatment * paid,
        **UNITS,
        condition=PANEL.condition,
        group=PANEL.treated.astype(int),
    )
    return permutation(found.fit, "treatment", PANEL.unit, AFTER * paid, seed=1)


@pytest.mark.parametrize("case", CASES)
def test_says_what_is_wrong(case: str) -> None:
    call, message = CASES[case]
    with pytest.raises((InputDataError, UsageError), match=message) as caught:
        call()
    assert isinstance(caught.value, OpenvbpError)
    assert "what to do" in str(caught.value)


def test_rows_are_named_and_counted_but_never_shown() -> None:
    outcome = PANEL.outcome.copy()
    outcome[[5, 9]] = np.nan
    outcome[11] = 98_765.4321
    with pytest.raises(InputDataError, match=r"\(2 times\)[\s\S]*row 5; row 9") as caught:
        did(outcome=outcome)
    assert "98" not in str(caught.value)


def test_collinear_covariates_are_named_with_what_implies_them() -> None:
    x, y = np.random.default_rng(1).normal(size=(2, ROWS))
    with pytest.raises(InputDataError, match=r"'(x|y|sum)' = ") as caught:
        did(covariates={"x": x, "y": y, "sum": x + y})
    assert all(name in str(caught.value) for name in ("'x'", "'y'", "'sum'"))


def test_singletons_are_said_and_kept() -> None:
    assert absorption([np.arange(5), np.zeros(5, dtype=int)]).singletons == (5, 0)


@pytest.mark.parametrize("treated", [PANEL.unit == 5, PANEL.unit != 5])
@pytest.mark.parametrize("kind", ["CR1", "CR2"])
def test_one_cluster_on_a_side_has_an_estimate_and_no_error(treated: np.ndarray, kind: str) -> None:
    """How treated hospitals vary cannot be seen in one of them; formulas would give far too small an error."""
    group = treated.astype(float)
    found = did(treatment=group * AFTER, covariates={"age": PANEL.age}, kind=kind)
    assert np.isfinite(found.effect.estimate)
    assert np.isnan([found.effect.standard_error, found.effect.low, found.effect.p_value]).all()
    assert {found.treated_clusters, found.untreated_clusters} == {1, 11}
    assert np.isfinite(found.covariates["age"].standard_error)
    study = event_study(PANEL.outcome, group, event_time=PANEL.period - 4, **UNITS, kind=kind)
    assert np.isnan([one.standard_error for one in (*study.effects, study.average_after)]).all()
    assert np.isnan([study.leads_test.p_value, study.detectable_slope, *study.covariance.ravel()]).all()
    splines = comparative_interrupted_time_series(
        PANEL.outcome, group, unit=PANEL.unit, time=PANEL.period, knot=3, kind=kind
    )
    assert np.isnan([splines.effect.standard_error, splines.difference_before.standard_error]).all()
    assert np.isfinite(splines.untreated_before.standard_error)
    permuted = permutation(found.fit, "treatment", PANEL.unit, AFTER, seed=1, draws=999)
    assert permuted.p_value >= 1 / 12 - 0.03


def test_clusters_of_treated_and_untreated_units_have_an_error() -> None:
    """States hold hospitals of both kinds; that one state has untreated ones only does not take the error away."""
    state = np.where(PANEL.unit == 0, 9, PANEL.unit % 4)
    treated = (PANEL.unit % 2 == 1) & (PANEL.unit != 0)
    mixed = np.where(treated | (PANEL.unit == 0), state, (PANEL.unit + 1) % 4)
    found = did(treatment=treated * AFTER, clusters=mixed)
    assert np.isfinite(found.effect.standard_error)


def test_a_lead_seen_in_one_cluster_is_left_out_of_the_test_of_leads() -> None:
    onset = np.where(PANEL.unit == 0, 7, 4)
    study = event_study(PANEL.outcome, PANEL.treated, event_time=PANEL.period - onset, **UNITS)
    errors = dict(zip(study.event_times, (one.standard_error for one in study.effects), strict=True))
    assert {time for time, error in errors.items() if np.isnan(error)} == {-7, -6, -5}
    assert study.leads_test is not None
    assert study.leads_test.restrictions == 3
    assert 0.05 < study.leads_test_power(study.detectable_slope / 2) < 0.8
