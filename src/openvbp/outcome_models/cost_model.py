"""Observed over expected cost of providers, from a linear model in each stratum, in the manner of Medicare Spending.

UNVERIFIED: the steps follow a summary of CMS's Medicare Spending Per Beneficiary measure; its specification was not
read.

1. In each stratum (major diagnostic category) cost is regressed on the covariates by least squares.
2. Expected costs below a low percentile of the stratum are raised to it, and all brought back to their former mean.
3. Episodes with a residual outside low and high percentiles of all are left out, and expected costs are brought to the
   mean observed cost of those that stay.
4. A provider's ratio is its mean observed over its mean expected cost; its amount is the ratio times the overall mean;
   its measure is the amount over the median of amounts, each counted once per episode.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.outcome_models.rows import Floats, Integers


@dataclass(frozen=True)
class CostOptions:
    """Percentiles of the steps, as shares; UNVERIFIED."""

    lowest_expected: float = 0.005
    lowest_residual: float = 0.01
    highest_residual: float = 0.99


@dataclass(frozen=True)
class CostResult:
    """Costs of providers, in the order of ``providers``; amounts in the unit of cost."""

    providers: tuple[str, ...]
    episodes: Integers
    """That count."""
    left_out: Integers
    """Episodes with an extreme residual."""
    observed: Floats
    """Mean cost."""
    expected: Floats
    """Mean expected cost."""
    ratio: Floats
    amount: Floats
    measure: Floats
    """Amount over the episode-weighted median of amounts; nan for a provider of whom no episode counts."""
    overall: float
    """Mean observed cost of all episodes that count."""
    explained: float
    """Share of the variance of cost that the regressions explain (R²), of all episodes."""


def cost_measures(
    values: Floats,
    cost: Floats,
    provider: np.ndarray,
    stratum: np.ndarray | None = None,
    options: CostOptions | None = None,
) -> CostResult:
    """Compute observed over expected costs.

    Parameters
    ----------
    values
        Covariates (episodes × covariates), finite.
    cost
        Of each episode, zero or more, price-standardized by the user.
    provider
        Of each episode.
    stratum
        Of each episode; one model for all where not given.
    options
        Percentiles.

    Raises
    ------
    UsageError
        If percentiles are not in order.
    InputDataError
        If a stratum has no more episodes than coefficients, or expected costs are not above zero; strata are named.
    """
    asked = options or CostOptions()
    if not 0 <= asked.lowest_expected < 0.5 or not 0 <= asked.lowest_residual < asked.highest_residual <= 1:
        raise UsageError(Problem("percentiles are not in order", "the options", "give shares between 0 and 1"))
    names, group = _strata(stratum, len(cost))
    _check_sizes(names, group, values.shape[1] + 1)
    expected, residual = np.empty(len(cost)), np.empty(len(cost))
    for place in range(len(names)):
        here = group == place
        fitted = _least_squares(values[here], cost[here])
        residual[here] = cost[here] - fitted
        expected[here] = _raised(fitted, asked.lowest_expected)
    _check_expected(names, group, expected)
    explained = 1 - float(residual.var() / cost.var()) if cost.var() else 0.0
    difference = cost - expected
    low, high = np.quantile(difference, [asked.lowest_residual, asked.highest_residual])
    counts = (difference >= low) & (difference <= high)
    expected *= cost[counts].mean() / expected[counts].mean()
    return _by_provider(cost, expected, provider, counts, explained)


def _strata(stratum: np.ndarray | None, episodes: int) -> tuple[list[str], Integers]:
    if stratum is None:
        return ["all"], np.zeros(episodes, dtype=np.int64)
    names, group = np.unique(stratum, return_inverse=True)
    return [str(name) for name in names], group


def _check_sizes(names: list[str], group: Integers, coefficients: int) -> None:
    sizes = np.bincount(group, minlength=len(names))
    small = [name for name, size in zip(names, sizes, strict=True) if size <= coefficients]
    if small:
        what = f"a stratum has no more episodes than its {coefficients} coefficients"
        what_to_do = "pool small strata, or take fewer covariates"
        raise InputDataError(Problem(what, "the strata", what_to_do, len(small), tuple(small)))


def _check_expected(names: list[str], group: Integers, expected: Floats) -> None:
    wrong = [names[place] for place in np.unique(group[expected <= 0])]
    if wrong:
        what_to_do = "raise the lowest percentile, or leave out covariates that have few episodes in such a stratum"
        raise InputDataError(
            Problem("expected cost is not above zero", "the strata", what_to_do, len(wrong), tuple(wrong))
        )


def _least_squares(values: Floats, cost: Floats) -> Floats:
    """Fitted costs; they are the same whichever of covariates that repeat each other in a stratum is kept."""
    center = values.mean(axis=0)
    spread = values.std(axis=0)
    varies = spread > 0
    scaled = (values[:, varies] - center[varies]) / spread[varies]
    design = np.column_stack([np.ones(len(cost)), scaled])
    return design @ np.linalg.lstsq(design, cost, rcond=None)[0]


def _raised(fitted: Floats, share: float) -> Floats:
    raised = np.maximum(fitted, np.quantile(fitted, share))
    return raised * (fitted.mean() / raised.mean())


def _by_provider(
    cost: Floats, expected: Floats, provider: np.ndarray, counts: np.ndarray, explained: float
) -> CostResult:
    names, group = np.unique(provider, return_inverse=True)
    total = [np.bincount(group, weights * counts, len(names)) for weights in (np.ones(len(cost)), cost, expected)]
    episodes = total[0].astype(np.int64)
    with np.errstate(invalid="ignore", divide="ignore"):
        observed, mean_expected = total[1] / episodes, total[2] / episodes
        ratio = total[1] / total[2]
    overall = float(cost[counts].mean())
    amount = ratio * overall
    kept = np.flatnonzero(episodes)
    order = kept[np.argsort(amount[kept], kind="stable")]
    weight = np.cumsum(episodes[order])
    median = amount[order[np.searchsorted(weight, weight[-1] / 2)]]
    return CostResult(
        tuple(str(name) for name in names),
        episodes,
        np.bincount(group, minlength=len(names)) - episodes,
        observed,
        mean_expected,
        ratio,
        amount,
        amount / median,
        overall,
        explained,
    )
