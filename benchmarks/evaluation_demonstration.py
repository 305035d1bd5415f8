"""The study of openvbp demo on populations of other seeds: whether it finds the effect, and how far it errs.

    .venv/bin/python benchmarks/evaluation_demonstration.py [SEEDS] [MEMBERS]

SEEDS (10) populations of MEMBERS (20,000), about a minute each: of each the main estimate of
examples/evaluation/practice-program.yaml, what this comparison can show of the truth, and the smallest effect that is
found four times in five by the estimate's error. Below: in how many the effect is found, in how many the interval holds
what can be shown, and how far estimates lie from it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from openvbp import demonstration
from openvbp.evaluation.known_truth import KnownEffect, true_effects


def main() -> None:
    """Print the table."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    members = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    print(f"{'seed':>4} {'T/C':>6} {'estimate':>9} {'95 % interval':>18} {'can show':>9} {'MDE':>5}")
    found = [_study(seed, members) for seed in range(1, seeds + 1)]
    is_found = sum(one.finding.high < 0 for one in found)
    errors = np.array([one.finding.estimate - one.shown for one in found])
    print(
        f"found in {is_found} of {seeds}; the interval holds what can be shown in {sum(one.is_held for one in found)}; "
        f"estimates err by {errors.mean():+.3f} on average, standard deviation {errors.std(ddof=1):.3f}, "
        f"mean standard error {np.mean([one.finding.standard_error for one in found]):.3f}"
    )


def _study(seed: int, members: int) -> KnownEffect:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        demonstration.make_population(folder / "population", members=members, seed=seed)
        demonstration.make_panel(folder / "population", folder / "panel.csv")
        known = true_effects(demonstration.example(demonstration.STUDY), folder)[0]
    one = known.finding
    sizes, interval = f"{one.treated_providers}/{one.comparison_providers}", f"({one.low:+.3f}, {one.high:+.3f})"
    figures = f"{one.estimate:>+9.3f} {interval:>18} {known.shown:>+9.3f} {one.minimum_detectable_effect:>5.2f}"
    print(f"{seed:>4} {sizes:>6} {figures}", flush=True)
    return known


if __name__ == "__main__":
    main()
