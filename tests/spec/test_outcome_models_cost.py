"""The cost model on examples whose numbers are known; the command, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from openvbp.cli import app
from openvbp.errors import InputDataError, UsageError
from openvbp.outcome_models.cost_model import CostOptions, cost_measures

ALL = CostOptions(lowest_expected=0.0, lowest_residual=0.0, highest_residual=1.0)


def test_without_covariates_expected_is_the_mean_of_the_stratum() -> None:
    cost = np.array([100.0, 200.0, 300.0, 1000.0, 1400.0, 1200.0])
    provider = np.array(["A", "A", "B", "A", "B", "B"])
    stratum = np.array(["1", "1", "1", "2", "2", "2"])
    found = cost_measures(np.empty((6, 0)), cost, provider, stratum, ALL)
    # Expected 200 in stratum 1, 1,200 in stratum 2.
    assert found.providers == ("A", "B")
    assert found.observed == pytest.approx([1300 / 3, 2900 / 3])
    assert found.expected == pytest.approx([1600 / 3, 2600 / 3])
    assert found.ratio == pytest.approx([13 / 16, 29 / 26])
    assert found.overall == pytest.approx(700)
    assert found.amount == pytest.approx(np.array([13 / 16, 29 / 26]) * 700)
    # Half of the episodes are A's: the weighted median is its amount.
    assert found.measure == pytest.approx([1, 29 / 26 * 16 / 13])


def test_covariates_explain_a_linear_cost_whole() -> None:
    random = np.random.default_rng(1)
    values = random.normal(size=(400, 3)) * [1, 100, 1e-3]
    values = np.column_stack([values, values[:, 0] + values[:, 1]])  # repeats others: fitted costs are the same
    cost = 5_000 + values @ [10, 1, 30_000, 0]
    found = cost_measures(values, cost, random.integers(0, 9, 400).astype(str), None, ALL)
    assert found.ratio == pytest.approx(np.ones(9))
    assert found.measure == pytest.approx(np.ones(9))
    assert found.explained == pytest.approx(1)


def test_low_expected_costs_are_raised_and_extreme_residuals_left_out() -> None:
    random = np.random.default_rng(2)
    values = random.normal(size=(2_000, 1))
    cost = np.maximum(1_000 + 300 * values[:, 0] + random.normal(0, 100, 2_000), 0)
    cost[7] = 50_000
    provider = np.arange(2_000) % 20
    found = cost_measures(values, cost, provider)
    assert found.left_out.sum() == 40
    assert found.episodes.sum() == 1_960
    assert (found.episodes @ found.observed, found.episodes @ found.expected) == pytest.approx(
        (found.overall * 1_960,) * 2
    )
    kept = cost_measures(values, cost, provider, None, ALL)
    # Provider 7 has the episode of 50,000.
    assert kept.ratio[7] > 1.4
    assert found.ratio[7] < 1.1


def test_what_cannot_be_computed_is_named() -> None:
    cost, provider = np.array([1.0, 2.0, 3.0, 9.0]), np.array(["A", "A", "B", "B"])
    with pytest.raises(InputDataError) as error:
        cost_measures(np.ones((4, 1)), cost, provider, np.array(["1", "1", "1", "rare"]))
    assert "for example: rare" in str(error.value)
    steep = np.array([[0.0], [1.0], [2.0], [40.0], [41.0]])
    with pytest.raises(InputDataError) as error:
        cost_measures(steep, np.array([0.0, 0, 0, 0, 500]), np.array(list("AABBB")), None, ALL)
    assert "expected cost is not above zero" in str(error.value)
    with pytest.raises(UsageError):
        cost_measures(np.empty((4, 0)), cost, provider, None, CostOptions(lowest_residual=0.9, highest_residual=0.1))


def test_command_writes_a_row_per_provider_and_says_that_it_is_unverified(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    lines = ["hospital,category,age,cost"]
    for _ in range(600):
        hospital, category, age = random.integers(0, 12), random.integers(1, 4), random.integers(65, 90)
        cost = 2_000 * category + 50 * age + 100 * hospital + random.normal(0, 200)
        lines.append(f"H{hospital:02},MDC{category},{age},{cost:.2f}")
    lines += ["H00,MDC1,70,-5", "H00,MDC1,,900", "H00,,70,900", "H00,MDC1,70,much"]
    (tmp_path / "episodes.csv").write_text("\n".join(lines) + "\n")
    asked = ["--provider", "hospital", "--cost", "cost", "--covariates", "age", "--stratum", "category"]
    words = ["outcomes", "cost", "--data", str(tmp_path / "episodes.csv"), *asked, "--out", str(tmp_path / "RUN")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "604 rows read, 600 accepted, 4 rejected" in done.output
    assert "UNVERIFIED" in done.output
    summary = json.loads((tmp_path / "RUN" / "cost_model.json").read_text())
    assert summary["rows_rejected"] == {
        "cost is below zero": 1,
        "cost is no finite number": 1,
        "covariate is missing: age": 1,
        "stratum is missing": 1,
    }
    rows = pq.read_table(tmp_path / "RUN" / "providers.parquet").to_pylist()
    assert len(rows) == 12
    ratios = [row["ratio"] for row in rows]
    assert ratios == sorted(ratios)
    assert pq.read_table(tmp_path / "RUN" / "rejected.parquet").num_rows == 4
    (tmp_path / "episodes.csv").write_text("hospital,cost\nA,-1\n")
    words = ["outcomes", "cost", "--data", str(tmp_path / "episodes.csv"), *asked[:4], "--out", str(tmp_path / "RUN")]
    assert isinstance(CliRunner().invoke(app, words).exception, InputDataError)
