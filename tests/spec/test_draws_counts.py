"""Draws of rates from counts: right about true rates, and told how they were made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from draws_files import EXCHANGES
from openvbp.outcome_models.posterior_draws import write_draws
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder
from openvbp.uncertainty.count_posterior import rate_posterior
from openvbp.uncertainty.run_draws import draws_of_run, render

DRAWS = 200


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nine_in_ten_true_rates_are_within_their_intervals(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth, cases = random.beta(16, 4, 500), random.integers(5, 300, 500).astype(float)
    events = random.binomial(cases.astype(int), truth).astype(float)
    found = rate_posterior(events, cases)
    assert found.is_fitted
    assert found.alpha / (found.alpha + found.beta) == pytest.approx(0.8, abs=0.02)
    low, high = np.quantile(found.draw(400, (seed,)), [0.05, 0.95], axis=0)
    assert ((low <= truth) & (truth <= high)).mean() == pytest.approx(0.9, abs=0.035)


def test_few_or_equal_providers_teach_nothing() -> None:
    few = rate_posterior(np.array([3.0, 9.0]), np.array([10.0, 10.0]))
    equal = rate_posterior(np.full(40, 8.0), np.full(40, 10.0))
    for found in (few, equal):
        assert (found.alpha, found.beta, found.is_fitted) == (0.5, 0.5, False)
    draws = few.draw(4_000, (1,))
    assert draws.mean(axis=0) == pytest.approx([3.5 / 11, 9.5 / 11], abs=0.01)


@pytest.fixture(scope="module")
def practices(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunFolder]:
    """Twenty practices of 80 patients each, from none to almost all of whom are treated as the indicator asks."""
    folder = tmp_path_factory.mktemp("counts")
    made = EXCHANGES["qof"]
    made.write(folder / "FILES", {f"{place:05}": (4 * place - 4) / 80 for place in range(1, 21)})
    return folder, run("qof", period=made.period, data=folder / "FILES", out=folder / "RUN", threads=1)


def test_draws_of_counted_indicators_are_paid(practices: tuple[Path, RunFolder]) -> None:
    folder, finished = practices
    drawn = draws_of_run(finished, DRAWS, 1)
    (told,) = drawn.measures
    assert (told["measure_id"], told["drawn"], told["not_drawn"], told["is_fitted"]) == ("AF006", 20, 0, True)
    assert "counts of cases by chance" in render(drawn, DRAWS)
    write_draws(drawn.rows, folder / "draws.parquet")
    made = EXCHANGES["qof"]
    file = folder / "draws.parquet"
    paid = run("qof", period=made.period, data=folder / "FILES", out=folder / "RUN", draws=file, threads=1)
    rows = {
        one["provider_id"]: one
        for one in paid.read("payment_interval").to_pylist()
        if one["component_id"] == "achievement"
    }
    # Whose rate is far below or above the thresholds is sure to get nothing or something.
    assert rows["00001"]["amount_high"] == 0
    assert 0 < rows["00020"]["amount_low"] < rows["00020"]["amount_high"]
    values = drawn.rows.to_pylist()
    for provider_id, one in rows.items():
        assert one["amount_low"] <= one["amount_high"]
        of_provider = [row["value"] for row in values if row["provider_id"] == provider_id]
        measure = paid.read("measure_result", provider_id=provider_id).to_pylist()[0]
        given = sum(value > float(measure["threshold"]) for value in of_provider) / DRAWS
        assert float(one["probability_given"]) == pytest.approx(given)
    between = [one for one in rows.values() if 0 < one["probability_given"] < 1]
    assert len(between) >= 2


def test_percentages_beside_cases_are_counts_too(tmp_path: Path) -> None:
    made = EXCHANGES["mips"]
    made.write(tmp_path / "FILES", made.values)
    finished = run("mips", period=made.period, data=tmp_path / "FILES", out=tmp_path / "RUN", threads=1)
    drawn = draws_of_run(finished, DRAWS, 1)
    assert drawn.measures[0]["drawn"] == 3
    means = {
        one["provider_id"]: one["value_mean"]
        for one in drawn.rows.group_by("provider_id").aggregate([("value", "mean")]).to_pylist()
    }
    assert {name: means[name] for name in made.values} == pytest.approx(made.values, abs=1.5)
