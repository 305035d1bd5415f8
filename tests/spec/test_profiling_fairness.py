"""Fairness card on cases small enough to be worked out by hand, on both engines."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from openvbp.engine import Engine
from openvbp.errors import UsageError
from openvbp.profiling.cases import checked_cases
from openvbp.profiling.discrimination import area_standard_error, band_figures, by_value, group_figures
from openvbp.profiling.fairness import Options, fairness_card
from openvbp.profiling.recalibration import recalibrate
from openvbp.profiling.small_cells import withheld_groups
from openvbp.profiling.social_risk import (
    against_peers,
    check_covariates,
    peer_ratios,
    social_risk_columns,
    within_and_between,
)

CASES = pa.table(
    {
        "hospital": ["A", "A", "A", "B", "B", "B"],
        "died": [1, 1, 1, 0, 0, 0],
        "predicted": [0.4, 0.8, 0.8, 0.1, 0.4, 0.8],
        "dual": ["1", "0", "0", "0", "1", None],
    }
)


def test_tables_of_a_card_are_the_same_on_both_engines(engine: Engine) -> None:
    table = engine.table(CASES, "profiling_both")
    cases = checked_cases(
        engine, table, outcome="died", predicted="predicted", groups=["dual"], provider="hospital", where="cases"
    )
    values = by_value(engine, cases, 3)
    found = [(row["group"], row["cases"], row["area"], row["expected"]) for row in group_figures(engine, values)]
    assert found == [("all", 6, 6.5 / 9, 3.3), ("0", 3, 1.0, 1.7), ("1", 2, 0.5, 0.8), ("not known", 1, None, 0.8)]
    bands = [(row["group"], row["band"], row["cases"], row["expected"]) for row in band_figures(engine, values)]
    assert bands[:4] == [("all", 1, 3, 0.9), ("all", 2, 3, 2.4), ("0", 1, 1, 0.1), ("0", 2, 2, 1.6)]
    assert [(one["column"], one["group"], one["between"]) for one in within_and_between(engine, cases)][1] == (
        *("dual", "1"),
        pytest.approx(0.6 / 0.8),
    )


def test_figures_of_groups_are_those_worked_out_by_hand(duckdb_engine: Engine) -> None:
    engine = duckdb_engine
    table = engine.table(CASES, "profiling_by_hand")
    options = Options(minimum=2, bands=3, provider="hospital")
    card = fairness_card(engine, table, outcome="died", predicted="predicted", groups=["dual"], options=options)
    rows = {(row["column"], row["group"]): row for row in card["groups"]}
    assert [*rows] == [("all", "all"), ("dual", "0"), ("dual", "1"), ("dual", "not known")]
    # 0.4 is above 0.1 and level with 0.4: 1½ of 3. Each 0.8 is above two and level with one: 2½ of 3.
    assert rows["all", "all"]["area"] == pytest.approx(6.5 / 9, abs=1e-15)
    assert rows["all", "all"]["expected"] == 3.3
    assert rows["all", "all"]["ratio"] == pytest.approx(3 / 3.3, abs=1e-15)
    assert rows["dual", "0"]["area"] == 1
    assert rows["dual", "1"]["area"] == 0.5
    # Fewer cases than the minimum: counts only.
    assert rows["dual", "not known"]["cases"] == 1
    assert rows["dual", "not known"]["ratio"] is None
    # Thirds of six cases: below 0.1 nobody, below 0.4 one, below 0.8 three; equal predictions stay together.
    bands = [(row["band"], row["cases"], row["observed"], row["expected"]) for row in card["bands"][:2]]
    assert bands == [(1, 3, 1, 0.9), (2, 3, 2, 2.4)]
    # Hospital A: 3 of 2.0 expected; B: 0 of 1.3. Duals' expectation at that: 0.4 × 1.5 + 0.4 × 0.
    dual = next(row for row in card["disparities"] if row["group"] == "1")
    assert dual["between"] == pytest.approx(0.6 / 0.8)
    assert dual["within"] == pytest.approx(1 / 0.6)
    assert dual["ratio"] == pytest.approx(dual["between"] * dual["within"])
    assert [row["information"] for row in card["providers"]] == pytest.approx([0.24 + 0.32, 0.09 + 0.24 + 0.16])


def test_recalibration_finds_the_shift_and_the_slope() -> None:
    # Group 0: three of four where one half is predicted: shift ln 3, and no slope, all predictions being the same.
    # Group 1: a third and two thirds where 0.2 and 0.8 are predicted: ln 2 is half of ln 4.
    # Group 2: no event. Group 3: told apart completely.
    fit = recalibrate(
        np.array([0, 1, 1, 2, 3, 3]),
        np.array([0.5, 0.2, 0.8, 0.3, 0.2, 0.8]),
        np.array([4.0, 30.0, 30.0, 9.0, 5.0, 5.0]),
        np.array([3.0, 10.0, 20.0, 0.0, 0.0, 5.0]),
        4,
    )
    assert fit.intercept[:2] == pytest.approx([math.log(3), 0], abs=1e-9)
    assert fit.slope[1] == pytest.approx(0.5, abs=1e-9)
    assert np.isnan(fit.slope[[0, 2, 3]]).all()
    assert np.isnan(fit.intercept[2])
    # Of one parameter: 1 ÷ √(n p q) with p = ¾; of the slope: 1 ÷ √Σ n p q x².
    assert fit.intercept_error[0] == pytest.approx(1 / math.sqrt(4 * 0.75 * 0.25))
    assert fit.slope_error[1] == pytest.approx(1 / math.sqrt(60 * 2 / 9 * math.log(4) ** 2))


def test_standard_error_of_an_area_is_that_of_hanley_and_mcneil() -> None:
    # Their example: area 0.893 of 51 abnormal and 58 normal images has standard error 0.032; three decimals each.
    assert area_standard_error(0.893, 51, 58) == pytest.approx(0.032, abs=0.001)
    # Of one event and one other: (A (1 − A)) alone.
    assert area_standard_error(0.7, 1, 1) == pytest.approx(math.sqrt(0.21))


def test_peer_groups_divide_the_variation_of_providers() -> None:
    rows = [
        {"observed": 10, "expected": 10.0, "peer_group": 1},
        {"observed": 20, "expected": 10.0, "peer_group": 1},
        {"observed": 10, "expected": 20.0, "peer_group": 2},
    ]
    of_peers, variation = peer_ratios(rows)
    # All: 40 of 40. Group 1: 30 of 20. Group 2: 10 of 20.
    assert of_peers == pytest.approx([1.5, 1.5, 0.5])
    assert against_peers(2, of_peers[1]) == pytest.approx(2 / 1.5)
    assert variation.between == pytest.approx((20 * 0.5**2 + 20 * 0.5**2) / 40)
    assert variation.within == pytest.approx((10 * 0.5**2 + 10 * 0.5**2) / 40)
    assert variation.total == pytest.approx((0 + 10 * 1 + 20 * 0.5**2) / 40)
    assert variation.share_between == pytest.approx(2 / 3)


def test_fifths_of_providers_by_share_of_a_group(duckdb_engine: Engine) -> None:
    rows = [("ABCDE"[at], int(case < at), at % 2) for at in range(5) for case in range(4)]
    hospital, dual, died = zip(*rows, strict=True)
    cases = pa.table({"hospital": hospital, "dual": dual, "died": died, "predicted": [0.5] * 20})
    options = Options(provider="hospital", peers_by=("dual", "1"), peer_groups=5, minimum=2)
    card = fairness_card(
        duckdb_engine,
        duckdb_engine.table(cases, "profiling_fifths"),
        outcome="died",
        predicted="predicted",
        groups=["dual"],
        options=options,
    )
    assert [(row["provider_id"], row["share"], row["peer_group"]) for row in card["providers"]] == [
        ("A", 0.0, 1),
        ("B", 0.25, 2),
        ("C", 0.5, 3),
        ("D", 0.75, 4),
        ("E", 1.0, 5),
    ]
    # Each provider is its own peer group: everything lies between.
    assert card["decomposition"]["within"] == 0
    assert card["decomposition"]["share_between"] == 1


@pytest.mark.parametrize(
    "name", ["dual", "is_dual", "DUAL_STATUS", "adi_rank", "medianIncome", "race_black", "svi", "lis"]
)
def test_social_risk_in_a_model_must_be_declared(name: str) -> None:
    with pytest.raises(UsageError, match="social risk is in the case-mix model and not declared"):
        check_covariates(["age", name], [])
    assert check_covariates(["age", name], [name]) == [name]


def test_clinical_covariates_are_not_taken_for_social_risk() -> None:
    assert social_risk_columns(["age", "sex", "diabetes", "residual", "radiation", "list_size", "trace"]) == []
    # A column by whose groups the model is looked at is social risk whatever its name.
    assert social_risk_columns(["age", "quintile"], ["quintile"]) == ["quintile"]
    with pytest.raises(UsageError, match="declared as social risk, but not a covariate"):
        check_covariates(["age"], ["dual"])


def test_small_groups_are_withheld_with_one_that_would_give_them_back() -> None:
    def row(group: str, cases: int, observed: int) -> dict[str, Any]:
        return {"group": group, "cases": cases, "observed": observed}

    assert withheld_groups([row("a", 500, 50), row("b", 900, 90)]) == set()
    assert withheld_groups([row("a", 500, 50), row("b", 900, 90), row("c", 40, 3)]) == {"c", "a"}
    assert withheld_groups([row("a", 500, 495), row("b", 900, 90), row("c", 40, 3)]) == {"a", "c"}
    # Nobody in a cell tells nothing of anybody.
    assert withheld_groups([row("a", 500, 0), row("b", 900, 90)]) == set()
