"""Regressions against other implementations, and against the textbook's matrices written out in full."""

from __future__ import annotations

import numpy as np
import pytest

from openvbp.estimators.absorption import absorption
from openvbp.estimators.cluster_robust import cluster_robust
from openvbp.estimators.comparative_interrupted_time_series import comparative_interrupted_time_series
from openvbp.estimators.count_models import count_model
from openvbp.estimators.difference_in_differences import difference_in_differences, triple_difference
from openvbp.estimators.event_study import event_study
from openvbp.estimators.least_squares import LeastSquares, least_squares
from openvbp.estimators.permutation import permutation
from openvbp.estimators.wild_bootstrap import DISTRIBUTIONS, wild_bootstrap
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


def _dummies(*codes: np.ndarray) -> np.ndarray:
    return np.concatenate([(one[:, None] == np.unique(one)).astype(float) for one in codes], axis=1)


def test_residuals_of_three_crossing_effects_equal_regression_on_dummies() -> None:
    random = np.random.default_rng(5)
    codes = [random.integers(0, levels, 400) for levels in (30, 25, 12)]
    weights, values = random.uniform(0.1, 3, 400), random.normal(1e4, 2, 400)
    root = np.sqrt(weights)
    columns = _dummies(*codes) * root[:, None]
    expected = (values * root - columns @ np.linalg.lstsq(columns, values * root, rcond=None)[0]) / root
    found = absorption(codes, weights)
    assert found.residuals(values) == pytest.approx(expected, abs=1e-8)
    assert sum(found.levels) - found.redundant_levels() == np.linalg.matrix_rank(columns)


def test_repeated_rows_are_absorbed_like_their_cells() -> None:
    """The path over cells, taken where rows repeat combinations, against dummies."""
    random = np.random.default_rng(6)
    first, second = random.integers(0, 6, 500), random.integers(0, 5, 500)
    found = absorption([first, second])
    assert found.cell is not None
    columns, values = _dummies(first, second), random.normal(size=500)
    expected = values - columns @ np.linalg.lstsq(columns, values, rcond=None)[0]
    assert found.residuals(values) == pytest.approx(expected, abs=1e-9)


def test_a_thin_chain_of_levels_is_absorbed_exactly() -> None:
    """A hundred units, each sharing one level with the next only: plain alternating projections hardly move."""
    first = np.repeat(np.arange(100), 2)
    second = (np.arange(200) + 1) // 2
    values = np.random.default_rng(8).normal(size=200)
    columns = _dummies(first, second)
    expected = values - columns @ np.linalg.lstsq(columns, values, rcond=None)[0]
    assert absorption([first, second]).residuals(values) == pytest.approx(expected, abs=1e-7)


SMALL = patients(7, units=12, periods=4, conditions=1, each=3)


@pytest.mark.parametrize("weights", [None, SMALL.weight])
@pytest.mark.parametrize("clusters", [SMALL.unit, SMALL.unit // 2])
def test_cr2_and_its_degrees_of_freedom_equal_full_matrices(weights: np.ndarray | None, clusters: np.ndarray) -> None:
    found = difference_in_differences(
        SMALL.outcome,
        SMALL.treatment,
        unit=SMALL.unit,
        period=SMALL.period,
        covariates={"age": SMALL.age},
        clusters=clusters,
        weights=weights,
        kind="CR2",
    ).effect
    columns = np.column_stack([SMALL.treatment, SMALL.age, _dummies(SMALL.unit, SMALL.period)])
    error, freedom = _full_cr2(SMALL.outcome, columns, np.ones(len(columns)) if weights is None else weights, clusters)
    assert found.standard_error == pytest.approx(error, rel=1e-8)
    assert found.degrees_of_freedom == pytest.approx(freedom, rel=1e-8)


def _full_cr2(y: np.ndarray, x: np.ndarray, weights: np.ndarray, clusters: np.ndarray) -> tuple[float, float]:
    """Bell and McCaffrey with every matrix as large as there are rows; of the first column."""
    root = np.sqrt(weights)
    z = x * root[:, None]
    bread = np.linalg.pinv(z.T @ z)
    left = np.eye(len(y)) - z @ bread @ z.T
    residuals = left @ (y * root)
    influence, variance = [], 0.0
    for cluster in np.unique(clusters):
        rows = np.flatnonzero(clusters == cluster)
        values, vectors = np.linalg.eigh(left[np.ix_(rows, rows)])
        scale = np.array([value**-0.5 if value > 1e-8 else 0.0 for value in values])
        adjusted = (vectors * scale) @ vectors.T @ z[rows] @ bread[:, 0]
        variance += (adjusted @ residuals[rows]) ** 2
        influence.append(left[:, rows] @ adjusted)
    products = np.array(influence) @ np.array(influence).T
    return variance**0.5, np.trace(products) ** 2 / (products**2).sum()


@pytest.mark.parametrize(("weights", "clusters"), [(None, SMALL.unit), (SMALL.weight, SMALL.unit // 2)])
def test_wild_bootstrap_equals_refitting_every_draw(weights: np.ndarray | None, clusters: np.ndarray) -> None:
    found = difference_in_differences(
        SMALL.outcome,
        SMALL.treatment,
        unit=SMALL.unit,
        period=SMALL.period,
        covariates={"age": SMALL.age},
        clusters=clusters,
        weights=weights,
    )
    draws, count = 199, clusters.max() + 1
    tested = wild_bootstrap(found.fit, "treatment", clusters, seed=11, draws=draws)
    values = DISTRIBUTIONS[tested.distribution]
    signs = values[np.random.default_rng(11).integers(0, len(values), (draws, count))]
    given = np.ones(len(clusters)) if weights is None else weights
    columns = np.column_stack([SMALL.treatment, SMALL.age, _dummies(SMALL.unit, SMALL.period)])

    def p_value(null: float) -> float:
        return _refitted_p_value(SMALL.outcome, columns, given, clusters, signs, null)

    assert tested.estimate.p_value == p_value(0.0)
    width = found.effect.standard_error
    assert p_value(tested.estimate.low + 1e-6 * width) > 0.05 >= p_value(tested.estimate.low - 1e-6 * width)
    assert p_value(tested.estimate.high - 1e-6 * width) > 0.05 >= p_value(tested.estimate.high + 1e-6 * width)


def _refitted_p_value(
    y: np.ndarray, x: np.ndarray, weights: np.ndarray, clusters: np.ndarray, signs: np.ndarray, null: float
) -> float:
    root = np.sqrt(weights)
    z = x * root[:, None]
    bread = np.linalg.pinv(z.T @ z)

    def statistic(outcome: np.ndarray) -> float:
        beta = bread @ (z.T @ (outcome * root))
        influence = (z @ bread[:, 0]) * (outcome * root - z @ beta)
        return abs(beta[0] - null) / np.sqrt((np.bincount(clusters, influence) ** 2).sum())

    others = z[:, 1:]
    fitted = others @ np.linalg.lstsq(others, (y - null * x[:, 0]) * root, rcond=None)[0] / root
    left = y - null * x[:, 0] - fitted
    observed = statistic(y)
    beyond = sum(statistic(null * x[:, 0] + fitted + one[clusters] * left) >= observed * (1 - 1e-9) for one in signs)
    return (1 + beyond) / (1 + len(signs))


def test_permuted_effects_equal_refitting_every_draw() -> None:
    after = (SMALL.period >= 2).astype(float)

    def fitted(assigned: np.ndarray):
        return difference_in_differences(
            SMALL.outcome,
            assigned[SMALL.unit] * after,
            unit=SMALL.unit,
            period=SMALL.period,
            covariates={"age": SMALL.age},
            weights=SMALL.weight,
        )

    assigned = np.isin(np.arange(12), np.unique(SMALL.unit[SMALL.treated > 0])) * np.linspace(0.5, 1.5, 12)
    found = fitted(assigned)
    tested = permutation(found.fit, "treatment", SMALL.unit, after, seed=2, draws=99)
    drawn = np.random.default_rng(2).permuted(np.tile(assigned, (99, 1)), axis=1)
    expected = [fitted(one).effect.estimate for one in drawn]
    assert tested.permuted == pytest.approx(np.array(expected), abs=1e-9)
    assert tested.estimate == pytest.approx(found.effect.estimate, abs=1e-12)
    assert tested.p_value == (1 + np.sum(np.abs(expected) >= abs(found.effect.estimate) * (1 - 1e-9))) / 100


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
