r"""Difference-in-differences with weights on units and on periods that make trends before treatment alike.

Arkhangelsky, Athey, Hirshberg, Imbens and Wager 2021, Synthetic Difference-in-Differences, American Economic Review
111, for treated units that start together (:math:`N_1` of them, :math:`T_1` periods after).

.. math::

   \hat\omega = \arg\min \sum_{t \le T_0}\Big(\omega_0 + \sum_i \omega_i y_{it} - \bar y_{1t}\Big)^2
   + \zeta^2 T_0\lVert\omega\rVert^2, \qquad
   \hat\lambda = \arg\min \sum_{i \le N_0}\Big(\lambda_0 + \sum_t \lambda_t y_{it} - \bar y_{i,after}\Big)^2,

both on the simplex, with :math:`\zeta = (N_1 T_1)^{1/4}\hat\sigma` and :math:`\hat\sigma` the standard deviation of
first differences of controls before treatment; :math:`\lambda` is penalized by a millionth of it, only to be unique.
The effect is the weighted double difference. Intercepts are taken out by centring; weights are exact (:mod:`simplex`),
where other programs stop after some steps.

Variance (their section 4): by placebo (algorithm 4: as many controls as there are treated units are treated instead;
all is fitted again), or by jackknife (algorithm 3: weights held, one unit left out at a time), which needs two treated
units and is conservative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from openvbp.estimators.arrays import Floats
from openvbp.estimators.block_adoption import WHERE, BlockAdoption, block_adoption
from openvbp.estimators.estimate import Estimate, from_standard_error
from openvbp.estimators.simplex import least_with_ridge
from openvbp.estimators.staggered_panel import problem

Variance = Literal["placebo", "jackknife"]


@dataclass(frozen=True)
class SyntheticDifference:
    """Mean effect on the treated after treatment, in the unit of the outcome."""

    effect: Estimate
    unit_weights: dict[Any, float]
    """Of controls, by label, above zero."""
    period_weights: dict[float, float]
    """Of periods before treatment, by label, above zero."""
    penalty: float
    """ζ."""
    periods: Floats
    gaps: Floats
    """Treated less weighted controls by period, less their weighted difference before treatment."""


def synthetic_difference_in_differences(
    outcome: npt.ArrayLike,
    unit: npt.ArrayLike,
    period: npt.ArrayLike,
    first_treated: npt.ArrayLike,
    *,
    variance: Variance = "placebo",
    draws: int = 200,
    seed: int = 0,
) -> SyntheticDifference:
    """Estimate the weighted double difference.

    Parameters
    ----------
    outcome, unit, period, first_treated
        Rows (n) of a balanced panel, see :func:`~openvbp.estimators.block_adoption.block_adoption`.
    variance
        See above.
    draws, seed
        Of placebos.

    Raises
    ------
    InputDataError
        If the variance asked for is not possible with so few units, or see
        :func:`~openvbp.estimators.block_adoption.block_adoption`.
    """
    panel = block_adoption(outcome, unit, period, first_treated)
    _require_units(panel, variance)
    units, times, penalty = _weights(panel.controls, panel.treated, panel.before)
    effect = _effect(panel.controls, panel.treated, panel.before, units, times)
    placebo = variance == "placebo"
    error = _placebo_error(panel, draws, seed) if placebo else _jackknife_error(panel, units, times)
    gaps = panel.treated.mean(axis=0) - units @ panel.controls
    return SyntheticDifference(
        effect=from_standard_error(effect, error, observations=panel.controls.size + panel.treated.size),
        unit_weights={label: float(w) for label, w in zip(panel.control_units.tolist(), units, strict=True) if w},
        period_weights={float(label): float(w) for label, w in zip(panel.periods, times, strict=False) if w},
        penalty=penalty,
        periods=panel.periods,
        gaps=gaps - times @ gaps[: panel.before],
    )


def _require_units(panel: BlockAdoption, variance: Variance) -> None:
    controls, treated = len(panel.controls), len(panel.treated)
    if variance == "placebo" and controls <= treated + 1:
        what = f"{controls} controls for {treated} treated units: placebos need two controls more than treated units"
        raise problem(what, 'ask for variance="jackknife", or add controls', where=WHERE)
    if variance == "jackknife" and treated < 2:
        what = "one treated unit: a jackknife needs two"
        raise problem(what, 'ask for variance="placebo", or use synthetic control with placebo in space', where=WHERE)


def _weights(controls: Floats, treated: Floats, before: int) -> tuple[Floats, Floats, float]:
    """Weights of controls and of periods before, and ζ."""
    earlier, after = controls[:, :before], controls[:, before:]
    noise = float(np.diff(earlier, axis=1).std(ddof=1))
    penalty = (len(treated) * after.shape[1]) ** 0.25 * noise
    units = _ridge_on_simplex(earlier.T, treated[:, :before].mean(axis=0), penalty)
    times = _ridge_on_simplex(earlier, after.mean(axis=1), 1e-6 * noise)
    return units, times, penalty


def _ridge_on_simplex(columns: Floats, target: Floats, penalty: float) -> Floats:
    """Weights of columns nearest to the target (rows) up to an intercept, with ζ² × rows × ‖w‖²."""
    difference = columns - target[:, None]
    difference -= difference.mean(axis=0)
    return least_with_ridge(difference, penalty**2 * len(target))


def _effect(controls: Floats, treated: Floats, before: int, units: Floats, times: Floats) -> float:
    def change(outcomes: Floats) -> Floats:
        return outcomes[:, before:].mean(axis=1) - outcomes[:, :before] @ times

    return float(change(treated).mean() - units @ change(controls))


def _placebo_error(panel: BlockAdoption, draws: int, seed: int) -> float:
    generator = np.random.default_rng(seed)
    count, effects = len(panel.treated), []
    for _ in range(draws):
        order = generator.permutation(len(panel.controls))
        controls, treated = panel.controls[order[count:]], panel.controls[order[:count]]
        units, times, _ = _weights(controls, treated, panel.before)
        effects.append(_effect(controls, treated, panel.before, units, times))
    return float(np.std(effects))


def _jackknife_error(panel: BlockAdoption, units: Floats, times: Floats) -> float:
    whole = _effect(panel.controls, panel.treated, panel.before, units, times)
    effects = []
    for each in range(len(panel.controls)):
        rest = np.delete(units, each)
        if not rest.sum() > 0:
            remedy = 'one control carries all weight: ask for variance="placebo"'
            raise problem("the jackknife leaves no weighted control", remedy, where=WHERE)
        effects.append(
            _effect(np.delete(panel.controls, each, axis=0), panel.treated, panel.before, rest / rest.sum(), times)
        )
    for each in range(len(panel.treated)):
        effects.append(_effect(panel.controls, np.delete(panel.treated, each, axis=0), panel.before, units, times))
    size = len(effects)
    return float(np.sqrt((size - 1) / size * ((np.array(effects) - whole) ** 2).sum()))
