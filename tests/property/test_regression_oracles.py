"""Regressions against other implementations, and cells against patients."""

from __future__ import annotations

import numpy as np
import pytest

from openvbp.estimators.cluster_robust import cluster_robust
from openvbp.estimators.comparative_interrupted_time_series import comparative_interrupted_time_series
from openvbp.estimators.count_models import count_model
from openvbp.estimators.difference_in_differences import difference_in_differences, triple_difference
from openvbp.estimators.event_study import event_study
from openvbp.estimators.least_squares import LeastSquares, least_squares
from regression_panels import Patients, patients, pyfixest_fit

PANEL = patients()
WEIGHTS = {None: None, "w": PANEL.weight}


@pytest.mark.parametrize("weights", WEIGHTS)
def test_two_way_fixed_effects_equal_pyfixest(weights: str | None) -> None:
    found = difference_in_differences(
        PANEL.outcome,
        PANEL.treatment,
        unit=PANEL.unit,
        period=PANEL.period,
        covariates={"age": PANEL.age},
        weights=WEIGHTS[weights],
    )
    model = pyfixest_fit("y ~ d + age", ("unit", "period"), PANEL.frame(), cluster="unit", weights=weights)
    _assert_equal(found.fit, PANEL.unit, model)
    assert found.effect.p_value == pytest.approx(model.pvalue()["d"], abs=1e-8)
    assert [found.effect.low, found.effect.high] == pytest.approx(list(model.confint().loc["d"]), abs=1e-8)
    robust = cluster_robust(found.fit, PANEL.unit, "HC1")
    assert np.sqrt(np.diag(robust.covariance)) == pytest.approx(list(model.vcov("hetero").se()), abs=1e-8)
    by_period = cluster_robust(found.fit, PANEL.period)
    clustered = pyfixest_fit("y ~ d + age", ("unit", "period"), PANEL.frame(), cluster="period", weights=weights)
    assert np.sqrt(np.diag(by_period.covariance)) == pytest.approx(list(clustered.se()), abs=1e-8)


def test_conditions_covariates_and_weights_equal_pyfixest() -> None:
    found = difference_in_differences(
        PANEL.outcome,
        PANEL.treatment,
        unit=PANEL.unit,
        period=PANEL.period,
        condition=PANEL.condition,
        covariates={"age": PANEL.age},
        weights=PANEL.weight,
    )
    effects = ("unit_condition", "condition_period")
    _assert_equal(
        found.fit, PANEL.unit, pyfixest_fit("y ~ d + age", effects, PANEL.frame(), cluster="unit", weights="w")
    )


def test_triple_difference_equals_pyfixest() -> None:
    panel = patients(3, conditions=3, incentivised=(1,))
    found = triple_difference(
        panel.outcome,
        panel.treatment,
        unit=panel.unit,
        period=panel.period,
        condition=panel.condition,
        group=panel.treated.astype(int),
        weights=panel.weight,
    )
    effects = ("unit_condition", "condition_period", "group_period")
    _assert_equal(found.fit, panel.unit, pyfixest_fit("y ~ d", effects, panel.frame(), cluster="unit", weights="w"))


def test_event_study_and_its_dose_form_equal_pyfixest() -> None:
    for treated in (PANEL.treated, PANEL.treated * (0.2 + 0.1 * (PANEL.unit % 5))):
        found = event_study(
            PANEL.outcome,
            treated,
            event_time=PANEL.period - 4,
            unit=PANEL.unit,
            period=PANEL.period,
            weights=PANEL.weight,
        )
        frame = PANEL.frame()
        names = [f"e{at}" for at in range(7)]
        for name, time in zip(names, found.event_times, strict=True):
            frame[name] = treated * (PANEL.period - 4 == time)
        left = "y ~ " + " + ".join(names)
        _assert_equal(found.fit, PANEL.unit, pyfixest_fit(left, ("unit", "period"), frame, cluster="unit", weights="w"))


def test_splines_equal_pyfixest() -> None:
    found = comparative_interrupted_time_series(
        PANEL.outcome, PANEL.treated, unit=PANEL.unit, time=PANEL.period, knot=3.0, condition=PANEL.condition
    )
    frame = PANEL.frame().assign(time=PANEL.period, after=np.maximum(PANEL.period - 3.0, 0))
    frame = frame.assign(gap=frame["treated"] * frame["time"], effect=frame["treated"] * frame["after"])
    model = pyfixest_fit("y ~ time + after + gap + effect", ("unit_condition",), frame, cluster="unit", weights=None)
    _assert_equal(found.fit, PANEL.unit, model)


def _assert_equal(fit: LeastSquares, clusters: np.ndarray, model) -> None:
    assert fit.coefficients == pytest.approx(model.coef().to_numpy(), abs=1e-8)
    errors = np.sqrt(np.diag(cluster_robust(fit, clusters).covariance))
    assert errors == pytest.approx(model.se().to_numpy(), abs=1e-8)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_counts_equal_statsmodels(family: str) -> None:
    import statsmodels.api as sm

    random = np.random.default_rng(4)
    group, x, time = random.integers(0, 80, 1500), random.normal(size=(2, 1500)), random.uniform(100, 3000, 1500)
    mean = time * np.exp(-5 + 0.3 * x[0] - 0.2 * x[1] + random.normal(0, 0.3, 80)[group])
    counts = random.poisson(mean * random.gamma(2, 0.5, 1500))
    found = count_model(counts, {"a": x[0], "b": x[1]}, time_at_risk=time, clusters=group, family=family)
    kind, start = (sm.Poisson, []) if family == "poisson" else (sm.NegativeBinomial, [found.dispersion])
    model = kind(counts, sm.add_constant(x.T), offset=np.log(time)).fit(
        start_params=[*found.inference.coefficients, *start],
        method="newton",
        disp=0,
        cov_type="cluster",
        cov_kwds={"groups": group},
    )
    assert found.inference.coefficients == pytest.approx(model.params[:3], abs=1e-8)
    assert np.sqrt(np.diag(found.inference.covariance)) == pytest.approx(model.bse[:3], abs=1e-8)
    assert found.log_likelihood == pytest.approx(model.llf, abs=1e-6)
    if family == "negative_binomial":
        assert found.dispersion == pytest.approx(model.params[3], abs=1e-8)


def test_cells_give_the_patients_estimate_and_error_exactly() -> None:
    panel: Patients = patients(9, each=12)
    whole = difference_in_differences(panel.outcome, panel.treatment, unit=panel.unit, period=panel.period)
    cell = panel.unit * 100 + panel.period
    cells, place = np.unique(cell, return_inverse=True)
    count = np.bincount(place).astype(float)
    for kind in ("CR1", "CR2"):
        from_cells = difference_in_differences(
            np.bincount(place, panel.outcome) / count,
            np.bincount(place, panel.treatment) / count,
            unit=cells // 100,
            period=cells % 100,
            weights=count,
            observations=len(place),
            kind=kind,
        )
        expected = cluster_robust(whole.fit, panel.unit, kind).estimate("treatment")
        assert from_cells.effect.observations == len(place)
        for name in ("estimate", "standard_error", "low", "high", "p_value", "degrees_of_freedom"):
            assert getattr(from_cells.effect, name) == pytest.approx(getattr(expected, name), abs=1e-11)


def test_a_regression_without_fixed_effects_has_an_intercept() -> None:
    import statsmodels.api as sm

    fit = least_squares(PANEL.outcome, {"age": PANEL.age, "treated": PANEL.treated})
    columns = sm.add_constant(np.column_stack([PANEL.age, PANEL.treated]))
    model = sm.OLS(PANEL.outcome, columns).fit(cov_type="cluster", cov_kwds={"groups": PANEL.unit})
    errors = np.sqrt(np.diag(cluster_robust(fit, PANEL.unit).covariance))
    assert fit.coefficients == pytest.approx(model.params[1:], abs=1e-9)
    assert errors == pytest.approx(model.bse[1:], abs=1e-9)
