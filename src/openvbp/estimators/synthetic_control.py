r"""Effect on few treated units against a weighted mean of controls that followed them before.

Abadie, Diamond and Hainmueller 2010, Synthetic Control Methods for Comparative Case Studies, Journal of the American
Statistical Association 105, with the outcomes before treatment as the only predictors: for each treated unit

.. math:: w = \arg\min \sum_{t < T_0}\Big(y_{1t} - \sum_j w_j y_{jt}\Big)^2,\quad w \ge 0,\ \sum_j w_j = 1.

Gaps :math:`y_{1t} - \sum_j w_j y_{jt}` after treatment are the effect; several treated units are fitted one by one and
their gaps averaged.

Placebo in space: each control is fitted from the other controls as if treated. The statistic is the ratio of the root
mean squared gap after to that before (of the averaged gaps); the p-value is the rank of the treated among the placebos,
:math:`(1 + \#\{r_j \ge r\})/(J + 1)`. With several treated units, placebos are means over as many controls, drawn
without replacement (Cavallo, Galiani, Noy and Pantano 2013, Review of Economics and Statistics 95). There is no
standard error: limits are nan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openvbp.estimators.arrays import Floats
from openvbp.estimators.block_adoption import block_adoption
from openvbp.estimators.estimate import Estimate
from openvbp.estimators.simplex import least_on_simplex


@dataclass(frozen=True)
class SyntheticControl:
    """Mean effect on the treated after treatment, in the unit of the outcome, with what it rests on."""

    effect: Estimate
    """p-value by placebo in space; limits nan."""
    periods: Floats
    gaps: Floats
    """Treated less synthetic, by period: before treatment the fit, after it the effect."""
    weights: dict[Any, float]
    """Of controls (label: weight above zero), mean over treated units."""
    error_before: float
    """Root mean squared gap before treatment."""
    error_after: float
    ratio: float
    """After over before; infinite where the fit before is perfect."""
    placebo_ratios: Floats
    placebo_effects: Floats
    """Mean gap after treatment of each placebo."""


def synthetic_control(
    outcome: npt.ArrayLike,
    unit: npt.ArrayLike,
    period: npt.ArrayLike,
    first_treated: npt.ArrayLike,
    *,
    draws: int = 999,
    seed: int = 0,
) -> SyntheticControl:
    """Fit synthetic controls.

    Parameters
    ----------
    outcome, unit, period, first_treated
        Rows (n) of a balanced panel, see :func:`~openvbp.estimators.block_adoption.block_adoption`.
    draws
        Placebos if several units are treated; with one, each control is one placebo.
    seed
        Of these draws.

    Raises
    ------
    InputDataError
        See :func:`~openvbp.estimators.block_adoption.block_adoption`.
    """
    panel = block_adoption(outcome, unit, period, first_treated)
    fitted = [donor_weights(panel.controls[:, : panel.before], each[: panel.before]) for each in panel.treated]
    weights = np.array(fitted)
    gaps = (panel.treated - weights @ panel.controls).mean(axis=0)
    placebos = _placebo_gaps(panel.controls, panel.before)
    count = len(panel.treated)
    if count > 1:
        placebos = _means_of_draws(placebos, min(count, len(placebos)), draws, seed)
    before, after = _errors(gaps, panel.before)
    errors = [_errors(each, panel.before) for each in placebos]
    ratios = np.array([_ratio(*each) for each in errors])
    ratio = _ratio(before, after)
    p_value = float((1 + (ratios >= ratio).sum()) / (1 + ratios.size))
    mean = weights.mean(axis=0)
    effect, nan = float(gaps[panel.before :].mean()), float("nan")
    return SyntheticControl(
        effect=Estimate(effect, nan, nan, nan, p_value, panel.controls.size + panel.treated.size, 0),
        periods=panel.periods,
        gaps=gaps,
        weights={
            label: float(weight) for label, weight in zip(panel.control_units.tolist(), mean, strict=True) if weight
        },
        error_before=before,
        error_after=after,
        ratio=ratio,
        placebo_ratios=ratios,
        placebo_effects=placebos[:, panel.before :].mean(axis=1),
    )


def donor_weights(controls: Floats, treated: Floats) -> Floats:
    """Weights of controls (controls × periods) whose mean is nearest to the treated (periods)."""
    return least_on_simplex((controls - treated).T)


def _placebo_gaps(controls: Floats, before: int) -> Floats:
    gaps = np.empty_like(controls)
    for each in range(len(controls)):
        others = np.delete(controls, each, axis=0)
        gaps[each] = controls[each] - donor_weights(others[:, :before], controls[each, :before]) @ others
    return gaps


def _means_of_draws(gaps: Floats, count: int, draws: int, seed: int) -> Floats:
    generator = np.random.default_rng(seed)
    return np.array([gaps[generator.permutation(len(gaps))[:count]].mean(axis=0) for _ in range(draws)])


def _errors(gaps: Floats, before: int) -> tuple[float, float]:
    return float(np.sqrt((gaps[:before] ** 2).mean())), float(np.sqrt((gaps[before:] ** 2).mean()))


def _ratio(before: float, after: float) -> float:
    return after / before if before > 0 else float("inf")
