"""Interrupted time series of the treated alone: how far windows after onset lie off the line of those before it.

y = α_i + b_c t + Σ_k θ_k 1[window k] + ε over units i (within condition c), one θ for each window after onset. With a
single window before onset there is no line: θ is the difference to it. Nothing here tells a program from anything else
that changed at the same time; and a line through two or three windows is extrapolated, not tested.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import Codes, Floats, checked_codes, checked_floats, crossed
from openvbp.estimators.cluster_robust import cluster_robust
from openvbp.estimators.estimate import Estimate
from openvbp.estimators.least_squares import least_squares


@dataclass(frozen=True)
class InterruptedTimeSeries:
    """Departures from the line, in the unit of the outcome."""

    average: Estimate
    """Mean over the windows after onset."""
    departures: tuple[Estimate, ...]
    """Of each window after onset, in order."""
    last_before: Estimate | None
    """Departure of the last window before onset from the line of the earlier ones, which should be none; None where
    fewer than three windows lie before."""


def interrupted_time_series(
    outcome: ArrayLike,
    *,
    unit: ArrayLike,
    window: ArrayLike,
    onset: int,
    time: ArrayLike | None = None,
    condition: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    observations: int | None = None,
) -> InterruptedTimeSeries:
    """Estimate departures from the line before onset.

    Parameters
    ----------
    outcome
        One number per row (n).
    unit, condition
        Whole numbers (n); each condition has a line of its own.
    window
        Whole numbers (n), in order of time.
    onset
        First window after onset.
    time
        Numbers (n) along which lines are straight; none: the windows.
    clusters, weights, observations
        As for :func:`~openvbp.estimators.difference_in_differences.difference_in_differences`.

    Raises
    ------
    InputDataError
        If there is no window before or after onset, values are missing, or there is one cluster.
    """
    units, _ = checked_codes(unit, "unit")
    windows, _ = checked_codes(window, "window", len(units))
    labels = np.unique(np.asarray(window))
    before, after = labels[labels < onset], labels[labels >= onset]
    if not len(before) or not len(after):
        side = "after" if len(before) else "before"
        raise InputDataError(Problem(f"no window lies {side} onset", "window", "take more windows"))
    series = _Series(
        checked_floats(outcome, "outcome", len(units)),
        units,
        labels[windows],
        checked_floats(windows if time is None else time, "time", len(units)),
        np.zeros(len(units), dtype=np.int64) if condition is None else np.asarray(condition),
        units if clusters is None else np.asarray(clusters),
        None if weights is None else checked_floats(weights, "weights", len(units)),
    )
    found = series.departures(before, after, observations)
    placebo = None
    if len(before) > 2:
        early = series.rows(series.window < onset)
        placebo = early.departures(before[:-1], before[-1:], None)[0]
    return InterruptedTimeSeries(found[-1], tuple(found[:-1]), placebo)


@dataclass(frozen=True)
class _Series:
    outcome: Floats
    unit: Codes
    window: Codes
    time: Floats
    condition: Codes
    clusters: Codes
    weights: Floats | None

    def rows(self, chosen: np.ndarray) -> _Series:
        arrays = (self.outcome, self.unit, self.window, self.time, self.condition, self.clusters)
        return _Series(*(one[chosen] for one in arrays), None if self.weights is None else self.weights[chosen])

    def departures(self, before: Codes, after: Codes, observations: int | None) -> list[Estimate]:
        """Give the departure of each later window, and their mean."""
        names = [f"window {one}" for one in after]
        columns = {name: (self.window == one).astype(float) for name, one in zip(names, after, strict=True)}
        if len(before) > 1:
            columns |= {
                f"time of {one}": np.where(self.condition == one, self.time, 0.0) for one in np.unique(self.condition)
            }
        fit = least_squares(
            self.outcome,
            columns,
            fixed_effects=[crossed(self.unit, self.condition)],
            weights=self.weights,
            observations=observations,
        )
        inference = cluster_robust(fit, self.clusters)
        return [*map(inference.estimate, names), inference.estimate(dict.fromkeys(names, 1 / len(names)))]
