"""Every estimator on panels with a known effect and with none: is it found, and is none found where there is none.

    .venv/bin/python benchmarks/evaluation_truth.py [SEEDS]

SEEDS (200) panels with an effect and as many without, for each estimator of tests/estimator_truth.py: truth, mean
error, spread of estimates, mean standard error, share of 95 % intervals that hold the truth, power (share of panels
with the effect in which it is found), false positives (share of panels without one in which one is found), and the
share of those of which the report says that no effect was found. A share of 95 % over 200 panels has a standard error
of .015.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from openvbp.evaluation.conclusion import summary
from openvbp.evaluation.findings import Finding
from openvbp.evaluation.study_terms import Outcome

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from estimator_truth import ESTIMATORS, SIZE, Trial


def main() -> None:
    """Print the table."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    header = ("truth", "error", "spread", "mean SE", "coverage", "power", "false", "no effect")
    print(f"{seeds} panels with the effect, {seeds} without\n")
    print(f"{'':34}" + "".join(f"{one:>10}" for one in header))
    for name, trial in ESTIMATORS.items():
        with_effect = [trial(seed, SIZE) for seed in range(seeds)]
        without = [trial(seed, 0.0) for seed in range(seeds, 2 * seeds)]
        print(f"{name:34}" + "".join(f"{one:>10}" for one in _columns(with_effect, without)), flush=True)


def _columns(with_effect: Sequence[Trial], without: Sequence[Trial]) -> list[str]:
    errors = np.array([one.estimate - one.truth for one in with_effect])
    has_interval = not np.isnan(with_effect[0].low)
    covered = np.mean([one.low <= one.truth <= one.high for one in with_effect])
    shares = [np.mean([one.p_value < 0.05 for one in some]) for some in (with_effect, without)]
    return [
        f"{np.mean([one.truth for one in with_effect]):+.3f}",
        f"{errors.mean():+.4f}",
        f"{errors.std():.3f}",
        f"{np.mean([one.standard_error for one in with_effect]):.3f}" if has_interval else "–",
        f"{covered:.3f}" if has_interval else "–",
        *(f"{one:.3f}" for one in shares),
        f"{np.mean(['no effect was found' in _words(one) for one in without]):.3f}",
    ]


def _words(one: Trial) -> str:
    """What the report says of such an estimate."""
    found = Finding("main", "", estimate=one.estimate, low=one.low, high=one.high, p_value=one.p_value)
    return summary([found], Outcome(name="admissions"))


if __name__ == "__main__":
    main()
