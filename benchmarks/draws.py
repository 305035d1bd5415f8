"""Uncertainty of payments: whether draws are right about penalties that are noise, and what they cost.

    .venv/bin/python benchmarks/draws.py FOLDER
    .venv/bin/python benchmarks/draws.py FOLDER --no-speed               only what does not depend on the machine

Hospitals differ by a standard deviation of 0.25 logits around a readmission rate near 20 percent, with volumes from 5
to some thousand. Ratios are estimated from 1,000,000 simulated cases as CMS estimates them; the penalty is half of what
exceeds the median, at most 3 percent, of hospitals with 25 cases. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import itertools

from draws_population import MEASURE, PERIOD, Population, population, write_files, write_model_draws
from openvbp.outcome_models.posterior_draws import posterior_ratios
from openvbp.pipeline import run
from openvbp.uncertainty.published_counts import approximate
from openvbp.uncertainty.stage import render

HOSPITALS, CASES, DRAWS = 3_000, 1_000_000, 1_000
SEEDS = (1, 2, 3)
BANDS = (25, 100, 300, 1_000, 10**9)
FLIPS = (0.0, 0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--no-speed", action="store_true")
    asked = parser.parse_args()
    populations = [population(hospitals=HOSPITALS, cases=CASES, covariates=6, seed=seed) for seed in SEEDS]
    for made in populations:
        print(
            f"{made.is_eligible.sum():,} of {HOSPITALS:,} hospitals with 25 cases, volumes {made.cases.min():,} to "
            f"{made.cases.max():,}, rate {made.fitted.design.rows.outcome.mean():.3f}, τ {made.fitted.tau:.4f}"
        )
    sources = {
        "the model": [
            posterior_ratios(made.fitted, DRAWS, seed=seed)[:, made.is_eligible] for seed, made in _all(populations)
        ],
        "published counts": [_approximate(made, seed) for seed, made in _all(populations)],
    }
    for name, draws in sources.items():
        _judge(name, populations, draws)
    if not asked.no_speed:
        _speed(populations[0], asked.folder)


def _all(populations: Sequence[Population]) -> list[tuple[int, Population]]:
    return list(zip(SEEDS, populations, strict=True))


def _approximate(made: Population, seed: int) -> np.ndarray:
    eligible = made.is_eligible
    known = approximate(made.ratios[eligible], made.expected[eligible], made.cases[eligible])
    print(f"τ from published counts {known.tau:.4f}, of the model {made.fitted.tau:.4f}")
    return known.draw(DRAWS, (seed,))


def _judge(name: str, populations: Sequence[Population], draws: Sequence[np.ndarray]) -> None:
    """Compare what draws say with the truth, over all populations."""
    parts = []
    for made, drawn in zip(populations, draws, strict=True):
        eligible = made.is_eligible
        paid = made.reduction(drawn)
        low, high = (np.quantile(paid, share, axis=0, method="inverted_cdf") for share in (0.05, 0.95))
        truth = made.reduction(made.truth[eligible])
        parts.append(
            (
                made.reduction(made.ratios[eligible]),
                truth,
                (paid > 0).mean(axis=0),
                (low <= truth) & (truth <= high),
                made.cases[eligible],
            )
        )
    point, truth, taken, covered, cases = (np.concatenate(one) for one in zip(*parts, strict=True))
    print(f"\ndraws from {name}: {DRAWS:,} of each ratio, {len(SEEDS)} populations")
    print(f"{'':<42}{'hospitals':>10}{'truth':>9}{'draws':>9}")
    penalised, sure = point > 0, taken > 0.9
    _line("penalised, truly not", penalised, truth == 0, 1 - taken)
    _line("not penalised, truly would be", ~penalised, truth > 0, taken)
    _line("penalised by P > 0.9, truly not", sure, truth == 0, 1 - taken)
    for first, last in itertools.pairwise(BANDS):
        is_here = penalised & (cases >= first) & (cases < last)
        _line(f"  penalised with {first:,} cases or more", is_here, truth == 0, 1 - taken)
    flips, flipped = np.where(penalised, 1 - taken, taken), (truth > 0) != penalised
    print("probability of a flip, and how many flip")
    for first, last in itertools.pairwise(FLIPS):
        _line(f"  {first:.2f} to {last:.2f}", (flips >= first) & (flips < last), flipped, flips)
    within, of_penalised = covered.mean(), covered[penalised].mean()
    print(f"penalty within its interval of 90 %: {within:.1%} of all, {of_penalised:.1%} of penalised")
    share = np.corrcoef(point, truth)[0, 1] ** 2
    print(f"signal: squared correlation of penalty and true penalty {share:.2f}")


def _line(words: str, chosen: np.ndarray, truth: np.ndarray, draws: np.ndarray) -> None:
    if chosen.any():
        print(f"{words:<42}{chosen.sum():>10,}{truth[chosen].mean():>9.1%}{draws[chosen].mean():>9.1%}")


def _speed(made: Population, folder: Path) -> None:
    """Pay draws by the program, and count what a run per draw would take."""
    files = write_files(made, folder / "files")
    number = 200
    file = write_model_draws(made, folder / "draws.parquet", number)
    began = time.process_time()
    run("hrrp", period=PERIOD, data=files, out=folder / "RUN")
    once = time.process_time() - began
    began = time.process_time()
    finished = run("hrrp", period=PERIOD, data=files, out=folder / "RUN", draws=file)
    seconds = time.process_time() - began
    print(f"\nHRRP, {MEASURE}, {HOSPITALS:,} hospitals, {number} draws: {seconds:.1f} CPU seconds")
    print(f"a run without draws: {once:.1f}, so that a run per draw would take {once * number:,.0f}")
    print(render(finished.record["draws"]))


if __name__ == "__main__":
    main()
