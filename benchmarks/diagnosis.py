"""Bunching where the truth is known: how often intervals hold 1 without bunching, and how often it is found.

    python benchmarks/diagnosis.py [POPULATIONS]

Each population has 20,000 rows of 500 providers, denominators from 100 to 400, a threshold of 70 percent. Without
bunching care knows no threshold; with it, of those one to four patients short a part comes to have just enough.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from openvbp.diagnosis.bunching import Counts, bunching, patients_needed

ROWS, PROVIDERS, THRESHOLD, SHORT = 20_000, 500, 0.7, 4


def population(seed: int, share: float) -> Counts:
    """Make counts; of those at most four short a share has just enough instead."""
    random = np.random.default_rng(seed)
    cases = random.integers(100, 400, ROWS).astype(float)
    met = random.binomial(cases.astype(int), random.beta(20, 6, ROWS)).astype(float)
    need = patients_needed(np.full(ROWS, THRESHOLD), cases)
    moved = (met < need) & (met >= need - SHORT) & (random.random(ROWS) < share)
    met[moved] = need[moved]
    return Counts((np.arange(ROWS) % PROVIDERS).astype(str), met, cases, np.full(ROWS, THRESHOLD))


def main() -> None:
    """Print a line for each share of those short that move."""
    populations = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(f"{populations} populations each; intervals of 95 %")
    for share in (0.0, 0.1, 0.2, 0.4):
        start = time.process_time()
        found = [bunching(population(seed, share), replications=200) for seed in range(populations)]
        held = np.mean([one["missing_low"] <= 1 <= one["missing_high"] for one in found])
        excess = np.mean([one["excess_low"] <= 1 <= one["excess_high"] for one in found])
        ratio = np.mean([one["ratio_low"] <= one["fitted_ratio"] <= one["ratio_high"] for one in found])
        below = np.mean([one["missing_high"] < 1 for one in found])
        missing = np.mean([one["missing"] for one in found])
        print(
            f"{share:4.0%} of those short move: intervals hold 1 for missing {held:6.1%}, for excess {excess:6.1%}; "
            f"the fitted ratio {ratio:6.1%}; found {below:6.1%}; mean missing {missing:.3f}; "
            f"{time.process_time() - start:.0f} CPU s"
        )


if __name__ == "__main__":
    main()
