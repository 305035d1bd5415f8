"""What must hold of profiles whatever the data: oracles in plain Python, invariances, and a bias that was put in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openvbp.engine import Engine
from openvbp.profiling import poisson
from openvbp.profiling.fairness import Options, fairness_card
from openvbp.profiling.funnel import METHODS, Funnel, classify, limits
from openvbp.profiling.posterior import Posterior, worst_share_probability
from openvbp.profiling.recalibration import recalibrate
from openvbp.profiling.reliability import beta_binomial, signal_to_noise
from openvbp.profiling.small_cells import withheld_groups
from openvbp.profiling.social_risk import peer_ratios

FEW = settings(max_examples=8, deadline=None)
MANY = settings(max_examples=60, deadline=None)
cases = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 20), st.sampled_from("abc"), st.sampled_from(["H1", "H2"])),
    min_size=4,
    max_size=60,
)


def card_of(engine: Engine, rows: list[tuple[int, float, str, str]], **options: Any) -> dict[str, Any]:
    died, predicted, group, hospital = (list(one) for one in zip(*rows, strict=True))
    table = pa.table(
        {"died": died, "predicted": pa.array(predicted, pa.float64()), "group": group, "hospital": hospital}
    )
    return fairness_card(
        engine,
        engine.table(table, "profiling_random"),
        outcome="died",
        predicted="predicted",
        groups=["group"],
        options=Options(minimum=2, **options),
    )


def area_by_pairs(rows: list[tuple[int, float]]) -> float | None:
    events = [predicted for died, predicted in rows if died]
    others = [predicted for died, predicted in rows if not died]
    if not events or not others:
        return None
    halves = sum(2 * (one > other) + (one == other) for one in events for other in others)
    return halves / (2 * len(events) * len(others))


@FEW
@given(cases)
def test_area_is_the_share_of_pairs_in_the_right_order(
    duckdb_engine: Engine, drawn: list[tuple[int, int, str, str]]
) -> None:
    rows = [(died, twentieths / 20, group, hospital) for died, twentieths, group, hospital in drawn]
    for row in card_of(duckdb_engine, rows)["groups"]:
        mine = [(died, predicted) for died, predicted, group, _h in rows if row["group"] in ("all", group)]
        expected = area_by_pairs(mine) if len(mine) > 1 else None
        assert row["area"] == (None if expected is None else pytest.approx(expected, abs=1e-15))


@FEW
@given(cases, st.randoms(use_true_random=False))
def test_figures_add_up_and_depend_neither_on_order_nor_on_a_monotone_transform(
    duckdb_engine: Engine, drawn: list[tuple[int, int, str, str]], random: Any
) -> None:
    rows = [(died, twentieths / 20, group, hospital) for died, twentieths, group, hospital in drawn]
    card = card_of(duckdb_engine, rows)
    whole, parts = card["groups"][0], card["groups"][1:]
    for name in ("cases", "observed"):
        assert sum(row[name] for row in parts) == whole[name]
    # In thousand-millionths: exactly, not nearly.
    assert sum(round(row["expected"] * 10**9) for row in parts) == round(whole["expected"] * 10**9)
    bands = [row for row in card["bands"] if row["column"] == "all"]
    assert sum(row["cases"] for row in bands) == len(rows)
    assert sum(round(row["expected"] * 10**9) for row in bands) == round(whole["expected"] * 10**9)
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert card_of(duckdb_engine, shuffled) == card
    bent = card_of(duckdb_engine, [(died, predicted**3 / 2, group, h) for died, predicted, group, h in rows])
    assert [row["area"] for row in bent["groups"]] == [row["area"] for row in card["groups"]]
    assert [row["cases"] for row in bent["bands"]] == [row["cases"] for row in card["bands"]]


@FEW
@given(cases)
def test_a_groups_ratio_is_that_between_times_that_within_providers(
    duckdb_engine: Engine, drawn: list[tuple[int, int, str, str]]
) -> None:
    both = [(1, 0.3, "a", "H1"), (0, 0.6, "b", "H2")]
    rows = [*both, *((died, (1 + twentieths) / 25, group, hospital) for died, twentieths, group, hospital in drawn)]
    for row in card_of(duckdb_engine, rows, provider="hospital")["disparities"]:
        if row["between"]:
            assert row["between"] * row["within"] == pytest.approx(row["ratio"], rel=1e-12)
        else:
            assert row["ratio"] == 0


def test_a_bias_against_duals_is_seen_by_calibration_and_not_by_discrimination(duckdb_engine: Engine) -> None:
    """A fifth is dual and has 0.25 more on the logit scale than is predicted: rates as of readmission."""
    random = np.random.default_rng(11)
    count = 150_000
    dual, logit = random.random(count) < 0.2, random.normal(-1.75, 0.6, count)
    died = random.random(count) < 1 / (1 + np.exp(-(logit + 0.25 * dual)))
    table = pa.table({"died": died, "predicted": 1 / (1 + np.exp(-logit)), "dual": dual})
    card = fairness_card(
        duckdb_engine,
        duckdb_engine.table(table, "profiling_bias"),
        outcome="died",
        predicted="predicted",
        groups=["dual"],
    )
    rows = {row["group"]: row for row in card["groups"]}
    duals, others = rows["true"], rows["false"]
    # Standard errors: areas 0.004 and 0.002, ratios 0.012 and 0.006, intercepts 0.015 and 0.008.
    assert duals["area"] == pytest.approx(others["area"], abs=0.015)
    assert duals["ratio"] == pytest.approx(1.21, abs=0.035)
    assert others["ratio"] == pytest.approx(1.00, abs=0.02)
    assert duals["intercept"] == pytest.approx(0.25, abs=0.045)
    assert others["intercept"] == pytest.approx(0.0, abs=0.025)
    assert duals["slope"] == pytest.approx(1.0, abs=0.09)
    assert duals["intercept"] / duals["intercept_standard_error"] > 10


@MANY
@given(st.floats(-2, 2), st.floats(0.3, 2.0), st.integers(3, 9))
def test_recalibration_gives_back_what_was_put_in(shift: float, slope: float, values: int) -> None:
    # Expected events in place of drawn ones: the fit is exact.
    logit = np.linspace(-2.5, 2.0, values)
    predicted, cases_each = 1 / (1 + np.exp(-logit)), np.full(values, 50.0)
    group = np.zeros(values, int)
    moved = 1 / (1 + np.exp(-(shift + slope * logit)))
    assert recalibrate(group, predicted, cases_each, cases_each * moved, 1).slope[0] == pytest.approx(slope, abs=1e-7)
    shifted = 1 / (1 + np.exp(-(shift + logit)))
    assert recalibrate(group, predicted, cases_each, cases_each * shifted, 1).intercept[0] == pytest.approx(
        shift, abs=1e-7
    )


@MANY
@given(st.integers(0, 400), st.floats(0.5, 300), st.sampled_from([0.9, 0.95, 0.998]))
def test_a_count_is_unusual_where_the_expected_one_is_outside_its_limits(count: int, mean: float, level: float) -> None:
    low, high = poisson.limits_of_mean(count, level)
    side = poisson.is_unusual(count, mean, level)
    if not (math.isclose(mean, low, rel_tol=1e-9) or math.isclose(mean, high, rel_tol=1e-9)):
        assert side == (mean < low) - (mean > high)
    smallest = poisson.quantile((1 - level) / 2, mean)
    assert poisson.at_most(smallest, mean) >= (1 - level) / 2
    assert smallest == 0 or poisson.at_most(smallest - 1, mean) < (1 - level) / 2


@MANY
@given(
    st.lists(st.tuples(st.integers(0, 200), st.floats(1, 150), st.floats(0.3, 1.0)), min_size=1, max_size=20),
    st.floats(1, 5),
    st.floats(0, 0.2),
)
def test_a_provider_is_flagged_where_its_ratio_is_outside_the_limits(
    rows: list[tuple[int, float, float]], dispersion: float, extra: float
) -> None:
    funnel = Funnel(dispersion, dispersion, extra, 0.95)
    observed, expected, share = (np.array(one, float) for one in zip(*rows, strict=True))
    information = expected * share
    for method in METHODS:
        sides = classify(method, funnel, observed, expected, information)
        for at, side in enumerate(sides.tolist()):
            low, high = limits(method, funnel, float(expected[at]), float(information[at]))
            ratio = max(observed[at], 0.5 if method == "additive" else 0) / expected[at]
            if min(abs(ratio - low), abs(ratio - high)) > 1e-9:
                assert side == int(ratio > high) - int(ratio < low), method
    # More room for differences never flags more.
    wide = classify("overdispersed", funnel, observed, expected, information)
    assert np.all(np.abs(wide) <= np.abs(classify("naive", funnel, observed, expected, information)))


@MANY
@given(st.lists(st.tuples(st.integers(0, 90), st.floats(0.5, 80), st.integers(1, 3)), min_size=2, max_size=15))
def test_variation_is_that_between_and_that_within_peer_groups(rows: list[tuple[int, float, int]]) -> None:
    listed = [dict(zip(("observed", "expected", "peer_group"), row, strict=True)) for row in rows]
    _against, found = peer_ratios(listed)
    weight = sum(row[1] for row in rows)
    whole = sum(row[0] for row in rows) / weight
    total = sum(expected * (observed / expected - whole) ** 2 for observed, expected, _peers in rows) / weight
    assert found.total == pytest.approx(total, rel=1e-9, abs=1e-12)


@MANY
@given(st.floats(0.001, 2), st.lists(st.floats(0.01, 1e4), min_size=1, max_size=9))
def test_reliability_grows_with_information_and_with_differences(tau2: float, information: list[float]) -> None:
    ordered = np.sort(np.array(information))
    found = signal_to_noise(tau2, ordered)
    assert np.all(np.diff(found) >= 0)
    assert np.all((found > 0) & (found < 1))
    assert np.all(signal_to_noise(tau2 * 2, ordered) > found)


def test_beta_binomial_finds_the_distribution_that_counts_were_drawn_from() -> None:
    random = np.random.default_rng(8)
    volume = random.integers(20, 400, 1500)
    drawn = random.binomial(volume, random.beta(6, 34, 1500))
    found = beta_binomial(drawn, volume)
    assert found is not None
    # Standard errors of ln α and ln β are about 0.045.
    assert math.log(found.alpha / 6) == pytest.approx(0, abs=0.15)
    assert math.log(found.beta / 34) == pytest.approx(0, abs=0.15)
    order = random.permutation(1500)
    again = beta_binomial(drawn[order], volume[order])
    assert again == found


@FEW
@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 0.5)), min_size=4, max_size=30), st.integers(1, 9))
def test_probabilities_of_the_worst_add_up_and_are_the_same_for_the_same_seed(
    rows: list[tuple[float, float]], seed: int
) -> None:
    mean, deviation = (np.array(one) for one in zip(*rows, strict=True))
    found = worst_share_probability(Posterior(mean, deviation), draws=300, seed=seed)
    assert found.sum() == pytest.approx(max(1, round(len(rows) / 4)))
    assert np.array_equal(found, worst_share_probability(Posterior(mean, deviation), draws=300, seed=seed))


@MANY
@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1))
def test_what_is_withheld_cannot_be_told_from_the_rest(groups: dict[str, tuple[int, int]]) -> None:
    rows = [{"group": name, "cases": events + others, "observed": events} for name, (events, others) in groups.items()]
    hidden = withheld_groups(rows)
    for row in rows:
        if row["group"] not in hidden:
            counts = (row["cases"], row["observed"], row["cases"] - row["observed"])
            assert all(count == 0 or count >= 11 for count in counts)
    # One hidden group alone would be the difference from all.
    assert len(hidden) != 1 or len(groups) == 1
