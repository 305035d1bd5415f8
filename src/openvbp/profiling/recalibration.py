"""Logistic recalibration by group: how predictions would have to be moved to fit what happened."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis import _

from openvbp.engine import Engine
from openvbp.profiling.cases import ONE
from openvbp.profiling.discrimination import ALL, Values

_PASSES = 50
_PRECISION = 1e-10
_SETTLED = 1e-6
_SAME = 1e-9
"""Variance of logits within a group below which they are the same."""
_FURTHEST = 20.0
"""A logit beyond which the fit has run away: outcomes are told apart completely."""


@dataclass(frozen=True)
class Recalibration:
    """Coefficients by group: each an array, NaN where they are not determined."""

    intercept: np.ndarray
    """With the slope held at 1: calibration in the large, on the logit scale."""
    intercept_error: np.ndarray
    slope: np.ndarray
    """With a free intercept; 1 where differences of predictions are as large as those of outcomes."""
    slope_error: np.ndarray


def recalibrate(
    group: np.ndarray, predicted: np.ndarray, cases: np.ndarray, events: np.ndarray, groups: int
) -> Recalibration:
    """Fit logit P(event) = a + logit(predicted), and = a + b logit(predicted), in each group, by Newton's method.

    Parameters
    ----------
    group
        Number of the group of each row, from 0.
    predicted
        Probabilities; 0 and 1 are taken as 10⁻⁹ and 1 − 10⁻⁹, because they have no logit.
    cases, events
        Per row.
    groups
        How many there are.

    Source: D. R. Cox, Biometrika 45 (1958), 562-565; B. Van Calster and others, BMC Medicine 17 (2019), 230.
    """
    inside = np.clip(predicted, 1 / ONE, 1 - 1 / ONE)
    logit = np.log(inside) - np.log1p(-inside)
    seen, happened = np.bincount(group, cases, groups), np.bincount(group, events, groups)
    # A group without events, or with nothing else, has no intercept.
    is_mixed = (happened > 0) & (happened < seen)
    in_groups = _InGroups(group, groups, cases, events)
    fixed, fixed_error = in_groups.intercepts(logit, is_mixed)
    slope, slope_error = in_groups.slopes(logit, is_mixed)
    return Recalibration(fixed, fixed_error, slope, slope_error)


@dataclass(frozen=True)
class _InGroups:
    """Logistic regressions of one or two coefficients, of all groups at once."""

    group: np.ndarray
    groups: int
    cases: np.ndarray
    events: np.ndarray

    def _total(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.group, values, self.groups)

    def _residual_and_weight(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = 1 / (1 + np.exp(-np.clip(eta, -700, 700)))
        return self.events - self.cases * mean, self.cases * mean * (1 - mean)

    def intercepts(self, logit: np.ndarray, is_mixed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Intercept and its standard error, the slope held at 1."""
        intercept, weights = np.zeros(self.groups), np.ones(self.groups)
        step = weights
        for _pass in range(_PASSES):
            residual, weight = self._residual_and_weight(intercept[self.group] + logit)
            weights = self._total(weight)
            step = _held(self._total(residual), weights)
            intercept = intercept + step
            if np.abs(step[is_mixed]).max(initial=0) < _PRECISION:
                break
        is_settled = is_mixed & (np.abs(step) < _SETTLED) & (np.abs(intercept) < _FURTHEST)
        return _where(is_settled, intercept), _where(is_settled, 1 / np.sqrt(np.where(is_settled, weights, 1)))

    def slopes(self, logit: np.ndarray, is_mixed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Slope and its standard error, with a free intercept; not determined where all predictions are the same."""
        # About its mean in each group, so that the two coefficients hardly depend on each other.
        x = logit - (self._total(logit * self.cases) / np.maximum(self._total(self.cases), 1))[self.group]
        intercept, slope = np.zeros(self.groups), np.zeros(self.groups)
        step, determinant, outer, inner = (np.ones(self.groups) for _number in range(4))
        for _pass in range(_PASSES):
            residual, weight = self._residual_and_weight(intercept[self.group] + slope[self.group] * x)
            outer, mixed, inner = self._total(weight), self._total(weight * x), self._total(weight * x * x)
            first, second = self._total(residual), self._total(residual * x)
            determinant = outer * inner - mixed * mixed
            step = _held(outer * second - mixed * first, determinant)
            intercept = intercept + _held(inner * first - mixed * second, determinant)
            slope = slope + step
            if np.abs(step[is_mixed]).max(initial=0) < _PRECISION:
                break
        is_spread = determinant > _SAME * np.maximum(outer, 1) ** 2
        is_settled = is_mixed & is_spread & (np.abs(step) < _SETTLED) & (np.abs(slope) < _FURTHEST)
        error = np.sqrt(np.where(is_settled, outer, 1) / np.where(is_settled, determinant, 1))
        return _where(is_settled, slope), _where(is_settled, error)


def _held(gradient: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    """Newton's step; one of more than two on the logit scale would overshoot."""
    return np.clip(gradient / np.where(curvature > 0, curvature, np.inf), -2, 2)


def _where(is_settled: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(is_settled, values, np.nan)


def group_recalibration(engine: Engine, values: Values) -> dict[tuple[str, str], dict[str, float | None]]:
    """Recalibrate each group of each column.

    Returns
    -------
    For (column, group): ``intercept``, ``intercept_standard_error``, ``slope``, ``slope_standard_error``, rounded to
    six decimals: the sums behind them are of binary floats, in the order of predictions.
    """
    found: dict[tuple[str, str], dict[str, float | None]] = {}
    for place in range(-1, len(values.cases.groups)):
        wanted = values.rows.filter(_.place == place).select("group", "units", "cases", "events")
        rows = engine.to_arrow(wanted.order_by("group", "units"))
        names = sorted(pc.unique(rows["group"]).to_pylist())
        codes = pc.index_in(rows["group"], pa.array(names)).to_numpy()
        numbers = [rows[name].to_numpy().astype(np.float64) for name in ("units", "cases", "events")]
        fit = recalibrate(codes, numbers[0] / ONE, numbers[1], numbers[2], len(names))
        column = ALL if place < 0 else values.cases.groups[place]
        for at, name in enumerate(names):
            found[column, name] = {
                "intercept": _figure(fit.intercept[at]),
                "intercept_standard_error": _figure(fit.intercept_error[at]),
                "slope": _figure(fit.slope[at]),
                "slope_standard_error": _figure(fit.slope_error[at]),
            }
    return found


def _figure(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
