"""Draws of ratios in HRRP: paid as the formula says, and right about how many penalties are noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from draws_population import MEASURE, PERIOD, Population, population, write_files, write_model_draws
from openvbp.outcome_models.posterior_draws import posterior_ratios
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder
from openvbp.uncertainty.published_counts import approximate

DRAWS = 40
SEEDS = range(1, 9)
POOLED_TOLERANCE = 0.02
"""About 3,500 penalties are pooled: the share of them that is noise has a standard error of 0.006 in the simulation."""


@dataclass(frozen=True)
class Paid:
    made: Population
    finished: RunFolder
    draws: list[dict[str, object]]


@pytest.fixture(scope="module")
def paid(tmp_path_factory: pytest.TempPathFactory) -> Paid:
    folder = tmp_path_factory.mktemp("draws")
    made = population(hospitals=100, cases=20_000, seed=5)
    file = write_model_draws(made, folder / "draws.parquet", DRAWS)
    files = write_files(made, folder / "files")
    finished = run("hrrp", period=PERIOD, data=files, out=folder / "RUN", draws=file, threads=1)
    return Paid(made, finished, pq.read_table(file).to_pylist())


def intervals(paid: Paid) -> dict[str, dict[str, object]]:
    rows = pq.read_table(paid.finished.path / "results" / "payment_interval.parquet").to_pylist()
    return {one["provider_id"]: one for one in rows}


def reduction(value: float, median: float) -> Decimal:
    """The formula of FY2024 in plain decimals: one condition of half the payments, modifier 1, floor 0.97."""
    excess = max(Decimal(str(value)) - Decimal(f"{median:.9f}"), Decimal(0)) / 2
    return min(excess, Decimal("0.03")).quantize(Decimal("0.0001"), ROUND_HALF_UP)


def test_every_draw_is_paid_by_the_formula(paid: Paid) -> None:
    rows = pq.read_table(paid.finished.path / "uncertainty" / "payment_draw.parquet").to_pylist()
    found = {(one["provider_id"], one["draw"]): -one["rate"] for one in rows}
    expected = {
        (one["provider_id"], one["draw"]): reduction(one["value"], paid.made.median)  # type: ignore[arg-type]
        for one in paid.draws
    }
    assert len(expected) == DRAWS * int(paid.made.is_eligible.sum())
    assert {key: found[key] for key in expected} == expected
    # Hospitals with too few discharges have no ratio to draw, and are paid in full in every draw.
    assert {found[key] for key in found.keys() - expected.keys()} == {Decimal(0)}


def test_intervals_and_probabilities_are_those_of_the_draws(paid: Paid) -> None:
    of_provider: dict[str, list[Decimal]] = {}
    for one in paid.draws:
        rate = -reduction(one["value"], paid.made.median)  # type: ignore[arg-type]
        of_provider.setdefault(one["provider_id"], []).append(rate)  # type: ignore[arg-type]
    found = intervals(paid)
    flips = set()
    for provider_id, rates in of_provider.items():
        rates.sort()
        one = found[provider_id]
        # Of 40 draws the second from each end leaves out five percent.
        assert (one["rate_low"], one["rate_high"]) == (rates[1], rates[-2])
        taken = sum(rate < 0 for rate in rates)
        assert float(one["probability_taken"]) == pytest.approx(taken / DRAWS)  # type: ignore[arg-type]
        is_taken = one["rate"] < 0  # type: ignore[operator]
        assert float(one["probability_sign_flips"]) == pytest.approx(  # type: ignore[arg-type]
            (DRAWS - taken if is_taken else taken) / DRAWS
        )
        flips.add(one["probability_sign_flips"])
    assert len(flips) > 10


def test_hospitals_without_draws_have_no_interval(paid: Paid) -> None:
    without = [one for one in intervals(paid).values() if one["draw_status"] == "not_drawn"]
    assert len(without) == int((~paid.made.is_eligible).sum()) > 0
    assert {(one["rate_low"], one["probability_sign_flips"], one["draws"]) for one in without} == {(None, None, 0)}


def test_measures_tell_the_side_of_the_median(paid: Paid) -> None:
    rows = pq.read_table(paid.finished.path / "results" / "measure_interval.parquet").to_pylist()
    assert {one["measure_id"] for one in rows} == {MEASURE}
    above: dict[object, int] = {}
    for one in paid.draws:
        above[one["provider_id"]] = above.get(one["provider_id"], 0) + (one["value"] > paid.made.median)  # type: ignore[operator]
    for one in rows:
        assert float(one["probability_above_threshold"]) == pytest.approx(above[one["provider_id"]] / DRAWS)


@dataclass(frozen=True)
class Judged:
    """Penalties of a population, the truth, and what draws say."""

    is_penalised: np.ndarray
    is_truly: np.ndarray
    probability: np.ndarray


def judged(made: Population, draws: np.ndarray) -> Judged:
    eligible = made.is_eligible
    penalised = made.reduction(made.ratios[eligible]) > 0
    truly = made.reduction(made.truth[eligible]) > 0
    return Judged(penalised, truly, (made.reduction(draws) > 0).mean(axis=0))


def pooled(found: Sequence[Judged]) -> Judged:
    return Judged(
        *(np.concatenate([getattr(one, name) for one in found]) for name in ("is_penalised", "is_truly", "probability"))
    )


@pytest.fixture(scope="module")
def populations() -> list[Population]:
    return [population(hospitals=1_000, cases=100_000, seed=seed) for seed in SEEDS]


@pytest.fixture(scope="module", params=["model", "published counts"])
def simulated(populations: list[Population], request: pytest.FixtureRequest) -> Judged:
    found = []
    for seed, made in zip(SEEDS, populations, strict=True):
        eligible = made.is_eligible
        if request.param == "model":
            draws = posterior_ratios(made.fitted, 200, seed=seed)[:, eligible]
        else:
            known = approximate(made.ratios[eligible], made.expected[eligible], made.cases[eligible])
            draws = known.draw(200, (seed,))
        found.append(judged(made, draws))
    return pooled(found)


def test_share_of_penalties_that_are_noise_matches_the_simulation(simulated: Judged) -> None:
    penalised = simulated.is_penalised
    truth = (~simulated.is_truly[penalised]).mean()
    assert 0.15 < truth < 0.4
    assert (1 - simulated.probability[penalised]).mean() == pytest.approx(truth, abs=POOLED_TOLERANCE)


def test_unpenalised_who_truly_are_above_match_the_simulation(simulated: Judged) -> None:
    spared = ~simulated.is_penalised
    truth = simulated.is_truly[spared].mean()
    assert simulated.probability[spared].mean() == pytest.approx(truth, abs=POOLED_TOLERANCE)


def test_rule_that_asks_for_certainty_penalises_fewer_with_few_wrong(simulated: Judged) -> None:
    sure = simulated.probability > 0.9
    assert sure.sum() < 0.6 * simulated.is_penalised.sum()
    wrong = (~simulated.is_truly[sure]).mean()
    assert 0 < wrong < 0.1
    assert (1 - simulated.probability[sure]).mean() == pytest.approx(wrong, abs=POOLED_TOLERANCE)


def test_published_counts_tell_how_much_hospitals_differ(populations: list[Population]) -> None:
    ratio = []
    for made in populations:
        eligible = made.is_eligible
        known = approximate(made.ratios[eligible], made.expected[eligible], made.cases[eligible])
        ratio.append(known.tau / made.fitted.tau)
    # Effects are shrunken by the τ of all hospitals, those below the minimum included.
    assert np.mean(ratio) == pytest.approx(1, abs=0.05)


def test_folder_is_named_in_the_record(paid: Paid) -> None:
    record = paid.finished.record["draws"]
    assert record["rows"] == record["accepted_rows"] == len(paid.draws)
    assert record["rejected_rows"] == {}
    assert (Path(paid.finished.path) / "uncertainty.html").is_file()
