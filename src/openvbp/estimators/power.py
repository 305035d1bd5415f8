"""Power before estimates: what effect a design can find, from its error, from a plan, or by simulation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.estimators.arrays import checked_codes, checked_floats
from openvbp.estimators.difference_in_differences import difference_in_differences
from openvbp.estimators.estimate import Estimate, quantile


@dataclass(frozen=True)
class SimulatedPower:
    """Share of simulations in which the test finds the effect."""

    effect: float
    power: float
    monte_carlo_error: float
    """Standard error of the power for want of more simulations."""
    mean_estimate: float
    mean_standard_error: float
    coverage: float
    """Share of intervals that hold the effect."""
    simulations: int


def minimum_detectable_effect(
    standard_error: float, *, power: float = 0.8, level: float = 0.05, degrees_of_freedom: float | None = None
) -> float:
    """Give the smallest true effect found with this power by a two-sided test: (t₁₋ₗ/₂ + t_power) standard errors.

    With the defaults 2.80 standard errors (Bloom 1995).
    """
    return (quantile(1 - level / 2, degrees_of_freedom) + quantile(power, degrees_of_freedom)) * standard_error


def planned_standard_error(treated: int, untreated: int, *, cases: float, percent: float, shock: float) -> float:
    """Give the error of a difference-in-differences of a rate, before there are data, in percentage points.

    SE² = v(n_T) + v(n_C) with v(G) = (σ² + 2p(100 − p)/n)/G: two periods, independent units.

    Parameters
    ----------
    treated, untreated
        Units.
    cases
        n: of a unit in a period.
    percent
        p: the rate, in percent.
    shock
        σ: standard deviation over units of the true change, in percentage points.

    Raises
    ------
    UsageError
        If a number makes no sense.
    """
    if min(treated, untreated) < 1 or cases <= 0 or not 0 < percent < 100 or shock < 0:
        what = f"{treated} treated and {untreated} untreated units, {cases} cases, {percent} percent, shock {shock}"
        raise UsageError(Problem(what, "plan", "give units and cases above zero, a rate between 0 and 100 percent"))
    of_unit = shock**2 + 2 * percent * (100 - percent) / cases
    return math.sqrt(of_unit / treated + of_unit / untreated)


def simulated_power(
    draw: Callable[[np.random.Generator, float], Estimate],
    effect: float,
    *,
    seed: int,
    simulations: int = 500,
    level: float = 0.05,
) -> SimulatedPower:
    """Simulate, estimate and count.

    Parameters
    ----------
    draw
        Takes a source of random numbers and the true effect; gives the estimate from one simulated sample.
    effect
        True effect; with 0 the power is the rate of false alarms.
    seed
        The same seed gives the same samples.
    simulations
        At least 2.
    level
        Of the two-sided test.

    Raises
    ------
    InputDataError
        If a sample gives no p-value.
    UsageError
        If there are fewer than 2 simulations.
    """
    if simulations < 2:
        raise UsageError(Problem(f"{simulations} simulations", "simulations", "take some hundred"))
    found = [draw(np.random.default_rng([seed, at]), effect) for at in range(simulations)]
    missing = sum(math.isnan(one.p_value) for one in found)
    if missing:
        remedy = "look at samples in which nothing varies, or one cluster is treated"
        raise InputDataError(Problem("simulated samples without a p-value", "draw", remedy, missing))
    share = float(np.mean([one.p_value < level for one in found]))
    return SimulatedPower(
        effect=effect,
        power=share,
        monte_carlo_error=math.sqrt(share * (1 - share) / simulations),
        mean_estimate=float(np.mean([one.estimate for one in found])),
        mean_standard_error=float(np.mean([one.standard_error for one in found])),
        coverage=float(np.mean([one.low <= effect <= one.high for one in found])),
        simulations=simulations,
    )


def placebo_draws(
    outcome: ArrayLike,
    *,
    unit: ArrayLike,
    period: ArrayLike,
    onset: int,
    treated_units: int,
    weights: ArrayLike | None = None,
    kind: str = "CR1",
) -> Callable[[np.random.Generator, float], Estimate]:
    """Make draws for :func:`simulated_power` from a panel without a program, as the time before onset is.

    Each draw treats units at random from a made-up onset on, adds the effect to their outcomes, and estimates by
    difference-in-differences: shocks and dependence are those of the data (Black and others 2022).

    Parameters
    ----------
    outcome, unit, period, weights
        Of the panel (n).
    onset
        First period of the made-up program.
    treated_units
        As many as the program is to have.
    kind
        Of standard errors.

    Raises
    ------
    InputDataError
        If there are not more units than treated ones, or no periods on both sides of onset.
    """
    units, count = checked_codes(unit, "unit")
    values, periods = checked_floats(outcome, "outcome", len(units)), np.asarray(period)
    if not 0 < treated_units < count:
        what = f"{treated_units:,} of {count:,} units are to be treated"
        raise InputDataError(Problem(what, "treated_units", "leave at least one unit on both sides"))
    after = periods >= onset
    if after.all() or not after.any():
        what = f"periods go from {periods.min()} to {periods.max()}, onset is {onset}"
        raise InputDataError(Problem(what, "onset", "take an onset with periods on both sides of it"))

    def draw(random: np.random.Generator, effect: float) -> Estimate:
        chosen = np.zeros(count, dtype=bool)
        chosen[random.choice(count, treated_units, replace=False)] = True
        treatment = (chosen[units] & after).astype(np.float64)
        return difference_in_differences(
            values + effect * treatment, treatment, unit=units, period=periods, weights=weights, kind=kind
        ).effect

    return draw
