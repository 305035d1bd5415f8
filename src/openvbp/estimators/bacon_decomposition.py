r"""What two-way fixed effects compare when adoption is staggered.

Goodman-Bacon 2021, Difference-in-Differences with Variation in Treatment Timing, Journal of Econometrics 225,
theorem 1: the coefficient of :math:`D_{it}` in :math:`y_{it} = \alpha_i + \lambda_t + \beta D_{it} + \varepsilon_{it}`
on a balanced panel is a weighted mean of all 2×2 comparisons of cohorts. With shares :math:`n_k` of units, shares
:math:`\bar D_k` of treated periods and :math:`n_{kl} = n_k / (n_k + n_l)`, weights are proportional to

* cohort k against units whose treatment never changes (never or always treated):
  :math:`(n_k + n_U)^2\, n_{kU}(1 - n_{kU})\, \bar D_k (1 - \bar D_k)`
* earlier k against later l before l starts:
  :math:`(n_k + n_l)^2\, n_{kl}(1 - n_{kl})\,(\bar D_k - \bar D_l)(1 - \bar D_k)`
* later l against earlier k after k started: :math:`(n_k + n_l)^2\, n_{kl}(1 - n_{kl})\,\bar D_l(\bar D_k - \bar D_l)`

The last kind, and comparisons with units always treated, use treated units as controls: they are called forbidden,
since effects that change over time enter them with the wrong sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from openvbp.errors import InternalError, Problem
from openvbp.estimators.arrays import Floats
from openvbp.estimators.staggered_panel import Flags, StaggeredPanel, problem, staggered_panel

Kind = Literal["treated v never", "treated v always", "earlier v later", "later v earlier"]
FORBIDDEN: tuple[Kind, ...] = ("later v earlier", "treated v always")
FORBIDDEN_SHARE_WORTH_A_WARNING = 0.05


@dataclass(frozen=True)
class Comparison:
    """One 2×2: cohorts by their first treated periods (never: inf; always: −inf)."""

    kind: Kind
    treated: float
    control: float
    weight: float
    """Of all comparisons together 1."""
    estimate: float


@dataclass(frozen=True)
class BaconResult:
    """Comparisons whose weighted mean is the coefficient of two-way fixed effects."""

    two_way_fixed_effects: float
    comparisons: tuple[Comparison, ...]

    @property
    def forbidden_share(self) -> float:
        """Weight of comparisons whose controls are treated."""
        return float(sum(each.weight for each in self.comparisons if each.kind in FORBIDDEN))

    @property
    def warns(self) -> bool:
        """Whether more than 5 % of the weight is forbidden."""
        return self.forbidden_share > FORBIDDEN_SHARE_WORTH_A_WARNING

    def by_kind(self) -> dict[Kind, tuple[float, float]]:
        """Weight and mean estimate of each kind that occurs."""
        kinds: dict[Kind, tuple[float, float]] = {}
        for kind in ("treated v never", "treated v always", "earlier v later", "later v earlier"):
            chosen = [each for each in self.comparisons if each.kind == kind]
            weight = sum(each.weight for each in chosen)
            if weight > 0:
                kinds[kind] = weight, sum(each.weight * each.estimate for each in chosen) / weight
        return kinds


def bacon_decomposition(
    outcome: npt.ArrayLike,
    unit: npt.ArrayLike,
    period: npt.ArrayLike,
    first_treated: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
) -> BaconResult:
    """Decompose two-way fixed effects.

    Parameters
    ----------
    outcome, unit, period, first_treated, weights
        Rows (n) of a balanced panel, see :func:`~openvbp.estimators.staggered_panel.staggered_panel`; weights must not
        change within a unit.

    Raises
    ------
    InputDataError
        If the panel has holes, weights change within a unit, or treatment varies over neither units nor periods.
    """
    panel = staggered_panel(outcome, unit, period, first_treated, weights)
    _require_balance(panel)
    outcomes, shares = panel.table(panel.outcome), panel.unit_weights()
    shares = shares / shares.sum()
    starts = np.where(panel.first_treated <= panel.periods[0], -np.inf, panel.first_treated)
    starts = np.where(starts > panel.periods[-1], np.inf, starts)
    treated = panel.periods[None, :] >= starts[:, None]
    coefficient, variance = _two_way(outcomes, treated, shares)
    cohorts = np.unique(starts)
    means = np.array([np.average(outcomes[starts == each], axis=0, weights=shares[starts == each]) for each in cohorts])
    sizes = np.array([shares[starts == each].sum() for each in cohorts])
    comparisons = tuple(_comparisons(cohorts, means, sizes, panel.periods, variance))
    together = sum(each.weight * each.estimate for each in comparisons)
    size = max(1.0, float(np.abs(outcomes - outcomes.mean()).max()))
    if abs(together - coefficient) > 1e-8 * size / variance:
        raise InternalError(
            Problem("2×2 comparisons do not add up to two-way fixed effects", "bacon_decomposition", "report it")
        )
    return BaconResult(coefficient, comparisons)


def _require_balance(panel: StaggeredPanel) -> None:
    if panel.holes:
        seen = np.bincount(panel.unit, minlength=panel.units.size)
        short = [f"unit {label}" for label in panel.units[seen < panel.periods.size][:3]]
        what_to_do = (
            "keep units observed in every period and say how many are lost, or use imputation, which allows holes"
        )
        raise problem("the panel has holes", what_to_do, count=panel.holes, examples=short)
    table = panel.table(panel.weights)
    changing = ~np.isclose(table, table[:, :1]).all(axis=1)
    if changing.any():
        rows = [f"unit {label}" for label in panel.units[changing][:3]]
        what_to_do = "give each unit one weight, such as its mean or its baseline"
        raise problem("weights change within units", what_to_do, count=int(changing.sum()), examples=rows)


def _two_way(outcomes: Floats, treated: Flags, shares: Floats) -> tuple[float, float]:
    """Coefficient of treatment, and its variance within units and periods."""
    dose = treated.astype(np.float64)
    dose -= dose.mean(axis=1, keepdims=True)
    dose -= shares @ dose
    variance = float(shares @ (dose**2).mean(axis=1))
    if variance < 1e-12:
        what_to_do = "designs that remain: interrupted time series, dose (bite); or add units that are not treated"
        raise problem("treatment does not vary once units and periods are taken out", what_to_do)
    centred = outcomes - outcomes.mean()
    return float(shares @ (dose * centred).mean(axis=1)) / variance, variance


def _comparisons(cohorts: Floats, means: Floats, sizes: Floats, periods: Floats, variance: float) -> list[Comparison]:
    on = np.array([(periods >= each).mean() for each in cohorts])
    found = []
    for k, other in ((k, each) for each in range(cohorts.size) for k in range(cohorts.size)):
        if not np.isfinite(cohorts[k]):
            continue
        pair = (sizes[k] * sizes[other]) / variance
        after = periods >= cohorts[k]
        if np.isinf(cohorts[other]):
            kind: Kind = "treated v never" if cohorts[other] > 0 else "treated v always"
            window, weight = np.ones(periods.size, dtype=bool), pair * on[k] * (1 - on[k])
        elif cohorts[k] < cohorts[other]:
            kind, window = "earlier v later", periods < cohorts[other]
            weight = pair * (on[k] - on[other]) * (1 - on[k])
        elif cohorts[k] > cohorts[other]:
            kind, window = "later v earlier", periods >= cohorts[other]
            weight = pair * on[k] * (on[other] - on[k])
        else:
            continue
        gap = means[k] - means[other]
        estimate = float(gap[window & after].mean() - gap[window & ~after].mean())
        found.append(Comparison(kind, float(cohorts[k]), float(cohorts[other]), float(weight), estimate))
    return found
