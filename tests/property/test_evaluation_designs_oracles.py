"""Evaluation designs against other implementations, and against solutions by brute force."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from openvbp.estimators import honest_bounds
from openvbp.estimators.bacon_decomposition import bacon_decomposition
from openvbp.estimators.callaway_santanna import callaway_santanna
from openvbp.estimators.difference_in_differences import difference_in_differences
from openvbp.estimators.honest_bounds import event_study, relative_magnitude_bounds
from openvbp.estimators.local_polynomial import sides
from openvbp.estimators.regression_discontinuity import regression_discontinuity
from openvbp.estimators.regression_kink import regression_kink
from openvbp.estimators.simplex import least_on_simplex, least_with_ridge
from openvbp.estimators.smoothness_bounds import _folded_quantile, smoothness_bounds
from openvbp.estimators.staggered_imputation import staggered_imputation
from openvbp.estimators.synthetic_control import donor_weights
from openvbp.estimators.synthetic_difference_in_differences import synthetic_difference_in_differences
from staggered_panels import Panel, block, staggered

EXACT = {"abs": 1e-9, "rel": 1e-9}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("holes", [0.0, 0.15])
def test_imputation_equals_diff_diff(holes):
    from diff_diff import ImputationDiD

    panel = staggered(holes=holes)
    own = staggered_imputation(*panel.arrays)
    other = ImputationDiD().fit(panel.frame, "y", "unit", "period", "first", aggregate="event_study")
    assert own.overall.estimate == pytest.approx(other.overall_att, abs=1e-8)
    assert own.overall.standard_error == pytest.approx(other.overall_se, abs=1e-8)
    for time, effect in zip(own.event_times, own.effects, strict=True):
        theirs = other.event_study_effects[int(time)]
        assert effect.estimate == pytest.approx(theirs["effect"], abs=1e-8)
        assert effect.standard_error == pytest.approx(theirs["se"], abs=1e-8)


def _dense_imputation(panel: Panel, clusters: np.ndarray) -> tuple[float, float]:
    """Weighted imputation by dense matrices, as its equations stand."""
    units, unit = np.unique(panel.unit, return_inverse=True)
    periods, period = np.unique(panel.period, return_inverse=True)
    design = np.hstack([np.eye(units.size)[unit], np.eye(periods.size)[period]])
    treated = panel.period >= panel.first_treated
    root = np.sqrt(panel.weights[~treated])
    coefficients = np.linalg.pinv(design[~treated] * root[:, None]) @ (panel.outcome[~treated] * root)
    gap = panel.outcome - design @ coefficients
    share = np.where(treated, panel.weights, 0)
    share = share / share.sum()
    weighted = design[~treated] * panel.weights[~treated, None]
    x = np.linalg.pinv(design[~treated].T @ weighted) @ (design[treated].T @ share[treated])
    v = share.copy()
    v[~treated] = -weighted @ x
    residual = gap.copy()
    for first in np.unique(panel.first_treated[treated]):
        for time in periods:
            cell = treated & (panel.first_treated == first) & (panel.period == time)
            if cell.any():
                residual[cell] -= np.average(gap[cell], weights=v[cell] ** 2)
    assert v @ panel.outcome == pytest.approx(share @ gap)
    sums = np.bincount(np.unique(clusters, return_inverse=True)[1], v * residual)
    return float(share @ gap), float(np.sqrt(sums @ sums))


@pytest.mark.parametrize("clustered", [False, True])
def test_weighted_imputation_equals_dense_matrices(clustered):
    panel = staggered(40, 8, holes=0.1)
    clusters = panel.unit // 4 if clustered else panel.unit
    own = staggered_imputation(*panel.arrays, panel.weights, cluster=clusters)
    estimate, error = _dense_imputation(panel, clusters)
    assert own.overall.estimate == pytest.approx(estimate, **EXACT)
    assert own.overall.standard_error == pytest.approx(error, **EXACT)


@pytest.mark.parametrize("comparison", ["never", "not_yet"])
def test_group_time_effects_equal_diff_diff_and_moderndid(comparison):
    import moderndid
    from diff_diff import CallawaySantAnna

    panel = staggered()
    own = callaway_santanna(*panel.arrays, comparison=comparison)
    names = {"never": ("never_treated", "nevertreated"), "not_yet": ("not_yet_treated", "notyettreated")}[comparison]
    other = CallawaySantAnna(control_group=names[0]).fit(panel.frame, "y", "unit", "period", "first", aggregate="all")
    assert own.simple.estimate == pytest.approx(other.overall_att, **EXACT)
    assert own.simple.standard_error == pytest.approx(other.overall_se, **EXACT)
    for labels, effects, theirs in (
        (own.dynamic.labels, own.dynamic.effects, other.event_study_effects),
        (own.group.labels, own.group.effects, other.group_effects),
    ):
        for label, effect in zip(labels, effects, strict=True):
            assert effect.estimate == pytest.approx(theirs[int(label)]["effect"], **EXACT)
            assert effect.standard_error == pytest.approx(theirs[int(label)]["se"], **EXACT)
    fitted = moderndid.att_gt(panel.frame, "y", "period", "unit", "first", control_group=names[1], est_method="reg")
    for kind, effect in (
        ("simple", own.simple),
        ("dynamic", own.dynamic.overall),
        ("group", own.group.overall),
        ("calendar", own.calendar.overall),
    ):
        aggregate = moderndid.aggte(fitted, type=kind)
        assert effect.estimate == pytest.approx(aggregate.overall_att, **EXACT)
        assert effect.standard_error == pytest.approx(aggregate.overall_se, **EXACT)


def test_teen_employment_of_the_method_paper():
    """Counties and minimum wages (mpdta), from the data of moderndid: −.03995 (.01203)."""
    import moderndid

    data = moderndid.load_mpdta().to_pandas()
    first = data["first.treat"].replace(0, np.inf)
    own = callaway_santanna(data["lemp"], data["countyreal"], data["year"], first, draws=500)
    assert own.simple.estimate == pytest.approx(-0.03995, abs=1e-5)
    assert own.simple.standard_error == pytest.approx(0.01203, abs=1e-5)
    assert 1.96 < own.dynamic.band < 3.5


def test_weighted_group_time_effects_equal_both():
    """ATT(g,t) equal moderndid's; aggregates diff-diff's, since moderndid aggregates by numbers of units."""
    import moderndid
    from diff_diff import CallawaySantAnna, SurveyDesign

    panel = staggered(80, 6, cohorts=(2, 4, np.inf))
    own = callaway_santanna(*panel.arrays, panel.weights)
    fitted = moderndid.att_gt(panel.frame, "y", "period", "unit", "first", weightsname="w", est_method="reg")
    assert [each.estimate for each in own.group_time] == pytest.approx(list(fitted.att_gt), **EXACT)
    assert [each.standard_error for each in own.group_time] == pytest.approx(list(fitted.se_gt), **EXACT)
    survey = SurveyDesign(weights="w")
    other = CallawaySantAnna().fit(panel.frame, "y", "unit", "period", "first", survey_design=survey)
    assert own.simple.estimate == pytest.approx(other.overall_att, **EXACT)
    assert own.simple.standard_error == pytest.approx(other.overall_se, **EXACT)


@pytest.mark.parametrize("weighted", [False, True])
def test_decomposition_is_two_way_fixed_effects(weighted):
    from diff_diff import BaconDecomposition

    panel = staggered(60, 10, cohorts=(0, 3, 6, np.inf))
    weights = panel.weights if weighted else None
    own = bacon_decomposition(*panel.arrays, weights)
    on = (panel.period >= panel.first_treated).astype(float)
    fixed = difference_in_differences(panel.outcome, on, unit=panel.unit, period=panel.period, weights=weights)
    assert own.two_way_fixed_effects == pytest.approx(fixed.effect.estimate, **EXACT)
    assert sum(each.weight for each in own.comparisons) == pytest.approx(1)
    assert sum(each.weight * each.estimate for each in own.comparisons) == pytest.approx(own.two_way_fixed_effects)
    if not weighted:
        panel = staggered(60, 10)
        own = bacon_decomposition(*panel.arrays)
        other = BaconDecomposition().fit(panel.frame, "y", "unit", "period", "first")
        theirs = {(each.treated_group, each.control_group): each for each in other.comparisons}
        assert len(own.comparisons) == len(theirs)
        for each in own.comparisons:
            same = theirs[each.treated, "never_treated" if np.isinf(each.control) else each.control]
            assert each.weight == pytest.approx(same.weight, **EXACT)
            assert each.estimate == pytest.approx(same.estimate, **EXACT)


def _curved(rows: int, seed: int, clusters: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    x = np.round(2 * random.beta(2, 4, rows) - 1, 3)  # rounded: some values are tied
    group = random.integers(0, clusters or rows, rows)
    shock = 0.2 * random.normal(size=clusters or rows)[group]
    return np.sin(2 * x) + 0.4 * (x >= 0) + 0.3 * random.normal(size=rows) + shock, x, group


@pytest.mark.parametrize("seed", [0, 1])
def test_discontinuity_equals_weighted_least_squares(seed):
    import statsmodels.api as sm

    y, x, group = _curved(600, seed, clusters=60)
    h, b = 0.3, 0.5
    own = regression_discontinuity(y, x, 0.0, bandwidth=h, bias_bandwidth=b)
    fits, curves = [], []
    for side in (x < 0, x >= 0):
        kernels = [np.maximum(0, 1 - np.abs(x[side]) / width) for width in (h, b)]
        fits.append(sm.WLS(y[side], sm.add_constant(x[side]), weights=kernels[0]).fit())
        curves.append(sm.WLS(y[side], np.vander(x[side], 3, increasing=True), weights=kernels[1]).fit().params[2])
        quadratic = sm.WLS(x[side] ** 2, sm.add_constant(x[side]), weights=kernels[0]).fit().params[0]
        fits[-1] = fits[-1].params[0], fits[-1].params[0] - quadratic * curves[-1]
    assert own.conventional.estimate == pytest.approx(fits[1][0] - fits[0][0], abs=1e-8)
    assert own.robust.estimate == pytest.approx(fits[1][1] - fits[0][1], abs=1e-8)
    # At one bandwidth the corrected estimate is a local quadratic; its clustered error that of least squares.
    near = np.abs(x) < h
    terms = np.column_stack([np.vander(x, 3, increasing=True), np.vander(x, 3, increasing=True) * (x >= 0)[:, None]])
    kernel = np.maximum(0, 1 - np.abs(x) / h)[near]
    model = sm.WLS(y[near], terms[near], weights=kernel)
    groups = np.unique(group[near], return_inverse=True)[1]
    joint = model.fit(cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False})
    clustered = regression_discontinuity(y, x, 0.0, bandwidth=h, cluster=group).robust
    count = groups.max() + 1
    assert clustered.estimate == pytest.approx(joint.params[3], abs=1e-8)
    assert clustered.standard_error == pytest.approx(joint.bse[3] * np.sqrt(count / (count - 1)), abs=1e-8)
    assert clustered.clusters == count
    kink = regression_kink(y, x, 0.0, (0.0, 2.0), bandwidth=h).conventional
    assert kink.estimate == pytest.approx(joint.params[4] / 2, abs=1e-8)


@pytest.mark.parametrize("seed", [0, 1])
def test_discontinuity_equals_diff_diff_at_its_bandwidths(seed):
    import pandas as pd
    from diff_diff import RegressionDiscontinuity

    y, _, _ = _curved(800, seed)
    x = 2 * np.random.default_rng(seed).beta(2, 4, 800) - 1
    y = y + 0.3 * (x >= 0)
    other = RegressionDiscontinuity(cutoff=0.0).fit(pd.DataFrame({"y": y, "x": x}), outcome="y", running="x")
    own = regression_discontinuity(y, x, 0.0, bandwidth=other.h_left, bias_bandwidth=other.b_left)
    assert own.conventional.estimate == pytest.approx(other.att_conventional, abs=1e-8)
    assert own.robust.estimate == pytest.approx(other.att, abs=1e-8)
    # Neighbours of a row at the edge of the bandwidth may lie beyond it here, not there.
    assert own.conventional.standard_error == pytest.approx(other.se_conventional, rel=1e-4)
    assert own.robust.standard_error == pytest.approx(other.se, rel=1e-4)
    free = regression_discontinuity(y, x, 0.0)
    assert 0.5 < free.bandwidth / other.h_left < 2  # the same aim, measured in another way


def test_neighbours_that_are_tied_all_count():
    x = np.array([0.0] * 5 + list(range(1, 25)), dtype=float)
    y = np.arange(x.size, dtype=float)
    _, right = sides(np.concatenate([-1 - x, x]), np.concatenate([y, y]), np.arange(2 * x.size) >= x.size)
    expected = 4 / 5 * (y[0] - y[1:5].mean()) ** 2
    assert right.variance[0] == pytest.approx(expected)


@pytest.mark.parametrize(("donors", "periods"), [(3, 8), (12, 6), (25, 12)])
def test_weights_equal_those_of_a_general_solver(donors, periods):
    random = np.random.default_rng(donors)
    controls, treated = random.normal(size=(donors, periods)), 0.3 * random.normal(size=periods)
    own = donor_weights(controls, treated)

    def loss(weights: np.ndarray) -> float:
        return float(((treated - weights @ controls) ** 2).sum())

    start = np.full(donors, 1 / donors)
    sums = {"type": "eq", "fun": lambda weights: weights.sum() - 1}
    bounds = [(0, 1)] * donors
    other = minimize(loss, start, bounds=bounds, constraints=[sums], options={"ftol": 1e-14, "maxiter": 2_000})
    assert own.min() >= 0
    assert own.sum() == pytest.approx(1)
    assert loss(own) <= loss(other.x / other.x.sum()) + 1e-7
    # No weight can be moved to another donor with profit.
    gradient = -2 * controls @ (treated - own @ controls)
    assert gradient.min() >= own @ gradient - 1e-9


def test_weights_where_donors_are_copies():
    one = np.array([1.0, 2.0, 4.0])
    weights = donor_weights(np.array([one, one, one + 3]), one)
    assert weights @ np.array([one, one, one + 3]) == pytest.approx(one)
    assert least_on_simplex(np.zeros((3, 2))).sum() == 1


@pytest.mark.parametrize("seed", range(6))
def test_weights_with_a_ridge_by_both_methods(seed):
    random = np.random.default_rng(seed)
    rows, donors = random.integers(2, 12), random.integers(3, 60)
    columns = 10 ** random.uniform(-2, 3) * random.normal(size=(rows, donors)) + random.normal(size=(rows, 1))
    ridge = 10 ** random.uniform(-3, 2) * (columns**2).sum(axis=0).mean()
    assert least_with_ridge(columns, ridge) == pytest.approx(least_on_simplex(columns, ridge), abs=1e-9)


@pytest.mark.parametrize("treated", [1, 4])
def test_synthetic_difference_near_diff_diff(treated):
    """Not equal: there the search for weights stops after some steps. The penalty is equal, the error near."""
    from diff_diff import SyntheticDiD

    panel = block(treated=treated)
    frame = panel.frame.assign(d=np.isfinite(panel.first_treated).astype(int))
    variance = "jackknife" if treated > 1 else "placebo"
    other = SyntheticDiD(variance_method=variance, seed=1, n_bootstrap=100).fit(
        frame, "y", "d", "unit", "period", post_periods=list(range(10, 17))
    )
    own = synthetic_difference_in_differences(*panel.arrays, variance=variance, draws=100)
    assert own.penalty == pytest.approx(other.zeta_omega)
    assert own.effect.estimate == pytest.approx(other.att, abs=5e-3)
    assert own.effect.standard_error == pytest.approx(other.se, rel=0.01 if treated > 1 else 0.25)


BEFORE, AFTER = [0.1, -0.05, 0.2, 0.08], [-0.4, -0.55, -0.62]


def _covariance() -> np.ndarray:
    root = np.random.default_rng(0).normal(size=(7, 7)) * 0.04
    return root @ root.T + 0.006 * (np.eye(7) + 1)


def test_bounds_equal_moderndid():
    """Figures of moderndid 0.2 (compute_conditional_cs_rm with C-LF on 600 points, .008 apart; compute_flci)."""
    study = event_study(BEFORE, AFTER, _covariance())
    found = relative_magnitude_bounds(study, (0.5, 1.0, 1.5))
    theirs = [(-1.1377, 0.1076), (-1.6903, 0.6618), (-2.2637, 1.2368)]
    for own, other in zip(found, theirs, strict=True):
        assert (own.low, own.high) == pytest.approx(other, abs=0.016)
    smooth = smoothness_bounds(study, (0.0, 0.02, 0.1, 0.5))
    fixed = [(-0.82615, -0.24906), (-0.87389, -0.13764), (-1.08398, 0.41599), (-2.57249, 1.84583)]
    for own, other in zip(smooth, fixed, strict=True):
        assert (own.low, own.high) == pytest.approx(other, abs=2e-4)


@pytest.mark.parametrize(("before", "after"), [(1, 1), (1, 4), (4, 1), (3, 5)])
def test_vertices_give_the_linear_program_of_the_paper(before, after):
    """η̂ of the hybrid test by the linear program over effects (HiGHS) against the maximum over known vertices."""
    random = np.random.default_rng(before + 10 * after)
    size = before + after
    root = random.normal(size=(size, size))
    weights = random.normal(size=after)
    study = event_study(random.normal(size=before), random.normal(size=after), root @ root.T, weights)
    multiple, theta = 0.8, float(study.point + random.normal())
    draws = random.normal(size=(10, size))
    parts = list(honest_bounds._parts(study, multiple, draws, 0.05))
    path = np.insert(np.eye(size), before, 0, axis=0)
    steps = np.diff(path, axis=0)
    expected = []
    for step in steps[:before]:
        for sign in (1, -1):
            rows = np.vstack([direction * steps[before:] - multiple * sign * step for direction in (1, -1)])
            deviation = np.sqrt(np.einsum("ij,jk,ik->i", rows, study.covariance, rows))
            # A(β̂ − τ) ≤ ησ̃ with l'τ = θ; unknown are η and τ.
            left = np.hstack([-deviation[:, None], -rows[:, before:]])
            program = linprog(
                np.append(1.0, np.zeros(after)),
                A_ub=left,
                b_ub=-rows @ study.estimates,
                A_eq=np.append(0.0, weights)[None, :],
                b_eq=[theta],
                bounds=[(None, None)] * (after + 1),
            )
            expected.append(program.fun)
    own = [float((part.values + theta * part.slopes).max()) for part in parts]
    assert own == pytest.approx(expected, abs=1e-7)


def test_shortest_interval_beats_every_other_weight():
    """With two periods before one weight is free: it is searched for on a grid."""
    random = np.random.default_rng(2)
    root = random.normal(size=(5, 5))
    study = event_study(random.normal(size=2), random.normal(size=3), root @ root.T + np.eye(5))
    own = smoothness_bounds(study, (0.7,))[0]
    times = np.array([-2, -1, 1, 2, 3])
    hinges = [np.maximum(times - k, 0) if k > 0 else np.maximum(k - times, 0) for k in (-1, 0, 1, 2)]
    best = np.inf
    for free in np.linspace(-3, 3, 601):
        weights = np.array([free, -2 * free + times[2:].mean(), 1 / 3, 1 / 3, 1 / 3])
        assert weights @ times == pytest.approx(0)
        bias = 0.7 * sum(abs(weights @ hinge) for hinge in hinges)
        deviation = np.sqrt(weights @ study.covariance @ weights)
        best = min(best, deviation * _folded_quantile(bias / deviation, 0.05)[0])
    half = (own.high - own.low) / 2
    assert half <= best + 1e-9
    assert half == pytest.approx(best, rel=1e-4)


def test_quantile_of_a_folded_normal():
    draws = np.abs(1.3 + np.random.default_rng(0).normal(size=400_000))
    assert _folded_quantile(1.3, 0.05)[0] == pytest.approx(np.quantile(draws, 0.95), abs=0.01)
    assert _folded_quantile(0.0, 0.05)[0] == pytest.approx(1.959964, abs=1e-6)
    for bias in (0.4, 4.99, 5.01):
        slope = (_folded_quantile(bias + 1e-5, 0.05)[0] - _folded_quantile(bias - 1e-5, 0.05)[0]) / 2e-5
        assert _folded_quantile(bias, 0.05)[1] == pytest.approx(slope, abs=1e-4)
