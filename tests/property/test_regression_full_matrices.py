"""Regressions against the textbook's matrices written out in full, and against fitting every draw anew."""

from __future__ import annotations

import numpy as np
import pytest

from openvbp.estimators.absorption import absorption
from openvbp.estimators.difference_in_differences import difference_in_differences
from openvbp.estimators.permutation import permutation
from openvbp.estimators.wild_bootstrap import DISTRIBUTIONS, wild_bootstrap
from regression_panels import patients


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


def test_levels_that_hardly_overlap_are_absorbed() -> None:
    """About as many levels as rows: a graph of long branches, on which a pass changes little of what is left."""
    random = np.random.default_rng(0)
    codes = [random.integers(0, levels, 1_200) for levels in (720, 600)]
    values = random.normal(5e3, 1, 1_200)
    columns = _dummies(*codes)
    expected = values - columns @ np.linalg.lstsq(columns, values, rcond=None)[0]
    assert absorption(codes).residuals(values) == pytest.approx(expected, abs=1e-7)


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
