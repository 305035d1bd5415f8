"""Shrunken outcomes: what is left of an effect in rates that a model drew toward their mean.

A risk-standardized rate of a provider with n cases is x̂ = μ + R (x − μ), R = τ² / (τ² + σ²/n), with μ the mean of all
providers in the same window. A difference in differences of x̂ has only a part of the effect of x: about
R_T (1 − s) + R_C s of it, with s the share of the treated in μ, for an effect on most providers moves the mean to which
all are drawn. The part is measured by simulation with the study's own providers and volumes; a normal model stands in
for the published hierarchical logistic one. Estimate and error shrink together: tests roughly survive, magnitudes and
intervals do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import Floats
from openvbp.evaluation.cells import PER
from openvbp.evaluation.frame import Frame
from openvbp.evaluation.samples import Sample, sample
from openvbp.evaluation.study_terms import Analysis

EFFECT = -0.5
"""In percentage points: what the simulated program does."""
REPLICATES = 200


@dataclass(frozen=True)
class Shrinkage:
    """What shrinkage leaves of an effect in one sample."""

    conditions: tuple[str, ...]
    between_provider_sd: float
    """τ in percentage points, so that shrunken rates vary as published ones do; mean over conditions."""
    reliability_treated: float
    """Mean R of treated units."""
    reliability_compared: float
    raw: float
    """Mean estimate of the effect from rates before shrinkage."""
    raw_sd: float
    weighted: float
    """From shrunken rates, weighted by cases."""
    weighted_sd: float
    unweighted: float
    effect: float
    replicates: int

    @property
    def attenuation(self) -> float:
        """Share of the effect that is left in shrunken rates weighted by cases."""
        return self.weighted / self.effect

    def as_row(self) -> dict[str, Any]:
        """Give all figures."""
        return {**asdict(self), "attenuation": self.attenuation}


def shrinkage_by_condition(
    frame: Frame, main: Analysis, *, effect: float = EFFECT, replicates: int = REPLICATES, seed: int = 1
) -> list[Shrinkage]:
    """Measure each condition of an analysis, and all together."""
    resolved = frame.resolved(main)
    sets = [(one,) for one in resolved.conditions]
    sets += [resolved.conditions] if len(sets) > 1 else []
    return [
        measure_shrinkage(
            frame, resolved.model_copy(update={"conditions": one}), effect=effect, replicates=replicates, seed=seed
        )
        for one in sets
    ]


def measure_shrinkage(
    frame: Frame,
    analysis: Analysis,
    *,
    effect: float = EFFECT,
    replicates: int = REPLICATES,
    seed: int = 1,
) -> Shrinkage:
    """Simulate a program with a known effect on the providers of an analysis.

    Parameters
    ----------
    frame, analysis
        The study's cells, and who is compared.
    effect
        True effect in percentage points.
    replicates
        Simulated samples.
    seed
        The same seed gives the same samples.

    Raises
    ------
    InputDataError
        If the number of cases is not known, or published rates do not vary.
    """
    drawn = sample(frame, analysis.model_copy(update={"weights": "baseline_cases", "sample": "all"}))
    plan = _plan(drawn)
    random = np.random.default_rng(seed)
    found = np.array([plan.replicate(random, effect) for _ in range(replicates)])
    raw, weighted, unweighted = found.mean(axis=0)
    return Shrinkage(
        conditions=drawn.analysis.conditions,
        between_provider_sd=float(np.mean(plan.taus)),
        reliability_treated=float(plan.reliability[plan.is_treated].mean()),
        reliability_compared=float(plan.reliability[~plan.is_treated].mean()),
        raw=float(raw),
        raw_sd=float(found[:, 0].std(ddof=1)),
        weighted=float(weighted),
        weighted_sd=float(found[:, 1].std(ddof=1)),
        unweighted=float(unweighted),
        effect=effect,
        replicates=replicates,
    )


@dataclass(frozen=True)
class _Plan:
    """Units of a sample with what is needed to simulate them."""

    is_treated: np.ndarray
    condition: np.ndarray
    cases: Floats
    mean: Floats
    """Of each unit's condition."""
    tau: Floats
    noise: Floats
    """Standard deviation of a unit's rate around its own mean."""
    taus: Sequence[float]

    @property
    def reliability(self) -> Floats:
        """R of each unit."""
        return self.tau**2 / (self.tau**2 + self.noise**2)

    def replicate(self, random: np.random.Generator, effect: float) -> tuple[float, float, float]:
        """Draw two windows; give the difference in differences of raw and of shrunken rates."""
        true = self.mean + self.tau * random.standard_normal(len(self.cases))
        before = true + self.noise * random.standard_normal(len(self.cases))
        after = true + effect * self.is_treated + self.noise * random.standard_normal(len(self.cases))
        change = after - before
        shrunken = self._shrunken(after) - self._shrunken(before)
        return self._did(change, self.cases), self._did(shrunken, self.cases), self._did(shrunken, np.ones(len(change)))

    def _shrunken(self, rates: Floats) -> Floats:
        sums = np.bincount(self.condition, self.cases * rates)
        centre = (sums / np.bincount(self.condition, self.cases))[self.condition]
        return centre + self.reliability * (rates - centre)

    def _did(self, change: Floats, weights: Floats) -> float:
        """Regress changes on treatment with a constant per condition."""
        means = np.bincount(self.condition, weights * self.is_treated) / np.bincount(self.condition, weights)
        left = self.is_treated - means[self.condition]
        return float((weights * left * change).sum() / (weights * left * self.is_treated).sum())


def _plan(drawn: Sample) -> _Plan:
    if drawn.weights is None:
        raise InputDataError(Problem("the number of cases is not known", "shrinkage", "name data.columns.cases"))
    first = ~drawn.is_after
    units, place = np.unique(drawn.unit[first], return_index=True)
    rate, cases = drawn.outcome[first][place], drawn.weights[first][place]
    conditions, condition = np.unique(drawn.condition[first][place], return_inverse=True)
    mean, tau, noise = np.empty(len(units)), np.empty(len(units)), np.empty(len(units))
    taus = []
    for one in range(len(conditions)):
        chosen = condition == one
        centre = float(np.average(rate[chosen], weights=cases[chosen]))
        error = centre * (PER - centre) / cases[chosen]
        taus.append(between_provider_sd(float(rate[chosen].var()), error))
        mean[chosen], tau[chosen], noise[chosen] = centre, taus[-1], np.sqrt(error)
    return _Plan(drawn.is_treated[first][place], condition, cases, mean, tau, noise, taus)


def between_provider_sd(variance: float, error: Floats) -> float:
    """Find the τ at which shrunken rates vary as published ones do: mean of τ⁴ / (τ² + σ²/n) = their variance.

    Parameters
    ----------
    variance
        Of the published rates over providers.
    error
        σ²/n of each provider.

    Raises
    ------
    InputDataError
        If published rates do not vary.
    """
    if variance <= 0:
        raise InputDataError(Problem("published rates do not vary", "shrinkage", "look at the column of rates"))

    def excess(tau: float) -> float:
        return float(np.mean(tau**4 / (tau**2 + error))) - variance

    high = np.sqrt(variance)
    while excess(high) < 0:
        high *= 2
    return float(brentq(excess, 0.0, high))
