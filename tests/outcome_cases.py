"""Cases for outcome models: the multicenter example of SAS/STAT, and made-up hospitals whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from openvbp.outcome_models.rows import CHUNK_ROWS, MemoryRows, rows_in_memory

# SAS/STAT User's Guide, The GLIMMIX Procedure, Getting Started: center, then patients and side effects of groups A, B.
MULTICENTER = (
    (1, 32, 14, 33, 18),
    (2, 30, 4, 28, 8),
    (3, 23, 14, 24, 9),
    (4, 22, 7, 22, 10),
    (5, 20, 6, 21, 12),
    (6, 19, 1, 20, 3),
    (7, 17, 2, 17, 6),
    (8, 16, 7, 15, 9),
    (9, 13, 1, 14, 5),
    (10, 13, 3, 13, 1),
    (11, 11, 1, 12, 2),
    (12, 10, 1, 9, 0),
    (13, 9, 2, 9, 6),
    (14, 8, 1, 8, 1),
    (15, 7, 1, 8, 0),
)


def multicenter_rows() -> MemoryRows:
    """One row per patient."""
    center, group_a, outcome = [], [], []
    for one, *groups in MULTICENTER:
        for is_a, patients, events in ((1, *groups[:2]), (0, *groups[2:])):
            center += [one] * patients
            group_a += [is_a] * patients
            outcome += [1] * events + [0] * (patients - events)
    return rows_in_memory({"group_A": group_a}, outcome, center)


@dataclass(frozen=True)
class Simulated:
    """Cases in the order of providers, and the truth."""

    covariates: dict[str, np.ndarray]
    outcome: np.ndarray
    provider: np.ndarray
    fixed: np.ndarray
    """x'β of each case."""
    effects: np.ndarray
    """Of each provider."""

    def rows(self, chunk_rows: int = CHUNK_ROWS) -> MemoryRows:
        return rows_in_memory(self.covariates, self.outcome, self.provider, chunk_rows=chunk_rows)

    @property
    def ratios(self) -> np.ndarray:
        """Of each provider that has cases: true events over those with effect zero."""
        cases = np.bincount(self.provider, minlength=len(self.effects))
        predicted = np.bincount(self.provider, expit(self.fixed + self.effects[self.provider]), len(self.effects))
        expected = np.bincount(self.provider, expit(self.fixed), len(self.effects))
        return (predicted[cases > 0] / expected[cases > 0]).astype(float)


def simulate(
    *,
    cases: int,
    providers: int,
    covariates: int,
    tau: float = 0.25,
    intercept: float = -2.0,
    spread: float = 1.2,
    confounding: float = 0.0,
    weights: np.ndarray | None = None,
    seed: int = 1,
) -> Simulated:
    """Make providers of unequal volume and cases with indicators that occur in 2 to 50 % of them.

    ``confounding`` is the correlation of a provider's effect with how ill its patients are; ``weights`` are the true
    coefficients.
    """
    random = np.random.default_rng(seed)
    share = random.lognormal(0, spread, providers)
    volume = np.maximum(5, (share / share.sum() * cases).astype(int))
    provider = np.repeat(np.arange(providers), volume)
    illness = random.normal(size=providers)
    effects = tau * (confounding * illness + np.sqrt(1 - confounding**2) * random.normal(size=providers))
    values: dict[str, np.ndarray] = {}
    fixed = np.full(len(provider), float(intercept))
    for number in range(covariates):
        often, weight = random.uniform(0.02, 0.5), abs(random.normal(0, 0.25)) if weights is None else weights[number]
        moved = expit(np.log(often / (1 - often)) + (0.3 * illness[provider] if confounding else 0))
        values[f"x{number}"] = (random.random(len(provider)) < moved).astype(float)
        fixed += weight * values[f"x{number}"]
    outcome = random.random(len(provider)) < expit(fixed + effects[provider])
    return Simulated(values, outcome.astype(float), provider, fixed, effects)
