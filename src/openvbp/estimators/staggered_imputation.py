r"""Effects of staggered adoption by imputation of what would have been without treatment.

Borusyak, Jaravel and Spiess 2024, Revisiting Event-Study Designs, Review of Economic Studies 91.

1. On untreated rows alone, :math:`y_{it} = \alpha_i + \lambda_t + \varepsilon_{it}` is fitted (weights :math:`\omega`).
2. :math:`\hat\tau_{it} = y_{it} - \hat\alpha_i - \hat\lambda_t` on treated rows.
3. An effect is a weighted mean :math:`\sum w_{it}\hat\tau_{it}` of those wanted, with :math:`w \propto \omega`.

The estimate is linear, :math:`\sum v_{it} y_{it}`, with :math:`v = w` on treated rows and
:math:`v_{it} = -\omega_{it}(x_i + x_t)` on untreated ones, where :math:`Z_0'\Omega Z_0 x = Z_1' w`. The variance
(their equation 8, units as clusters) is :math:`\sum_i (\sum_t v_{it}\tilde\varepsilon_{it})^2` with residuals on
untreated rows and, on treated ones, :math:`\hat\tau_{it}` less its mean (weights :math:`v^2`) over the cohort in that
period: heterogeneity within a cohort counts as noise, so the error is conservative. A cohort within one cluster (one
treated unit) has no deviation from its own mean: an effect on such cohorts alone has no standard error.

Both systems are solved with units eliminated: :math:`S = \mathrm{diag}(n_t) - C'\mathrm{diag}(1/n_i)C`, where :math:`C`
holds the weights of untreated rows (units × periods); :math:`S` has the size of the number of periods. Since residuals
of a unit sum to zero, its untreated part of the influence is :math:`-\sum_t x_t\,\omega_{it}\hat\varepsilon_{it}`.

A treated row can be imputed if its unit and its period are connected through untreated rows. Rows that cannot are
counted and their units named, never set to zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from openvbp.estimators.arrays import Floats
from openvbp.estimators.estimate import Estimate, from_standard_error
from openvbp.estimators.staggered_panel import (
    Flags,
    Integers,
    StaggeredPanel,
    cluster_sums,
    staggered_panel,
    without_untreated,
)


@dataclass(frozen=True)
class ImputationResult:
    """Mean effect on the treated, and by time since the first treated period."""

    overall: Estimate
    event_times: Floats
    """Ascending, from 0."""
    effects: tuple[Estimate, ...]
    """One per event time."""
    covariance: Floats
    """Of ``effects`` (square): for joint tests and bounds."""
    unit_effects: Floats
    """τ̂ of each row, nan on untreated rows and on those that cannot be imputed."""
    imputed_rows: int
    not_imputed_rows: int
    not_imputed_units: tuple[Any, ...]
    """Labels of units with a treated row that cannot be imputed."""
    untreated_rows: int
    treated_clusters: int
    """Clusters with an imputed row; with fewer than about 20 do not rely on the standard errors."""
    lone_rows: int
    """Imputed rows whose cohort has one cluster in that period: their noise is not in the standard error."""


@dataclass(frozen=True)
class _UntreatedFit:
    """α̂ + λ̂ of untreated rows with what solves the normal equations again."""

    weights: Floats
    """C: units × periods."""
    unit_weights: Floats
    inverse: Floats
    """Generalized inverse of S."""
    units: Floats
    periods: Floats

    def solved(self, of_units: Floats, of_periods: Floats) -> tuple[Floats, Floats]:
        """Solve Z₀'ΩZ₀ x = right-hand sides (units × k, periods × k)."""
        divisor = np.where(self.unit_weights > 0, self.unit_weights, 1.0)[:, None]
        periods = self.inverse @ (of_periods - self.weights.T @ (of_units / divisor))
        units = (of_units - self.weights @ periods) / divisor
        return units, periods


def staggered_imputation(
    outcome: npt.ArrayLike,
    unit: npt.ArrayLike,
    period: npt.ArrayLike,
    first_treated: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    cluster: npt.ArrayLike | None = None,
    wanted: npt.ArrayLike | None = None,
) -> ImputationResult:
    """Impute and average.

    Parameters
    ----------
    outcome, unit, period, first_treated, weights, cluster
        Rows (n), see :func:`~openvbp.estimators.staggered_panel.staggered_panel`. The panel may have holes.
    wanted
        Treated rows to average (n, true or false); none: all that can be imputed.

    Returns
    -------
    ImputationResult
        Effects in the unit of the outcome; limits by Student's t with clusters − 1 degrees of freedom.

    Raises
    ------
    InputDataError
        If there is no untreated row, or no wanted row can be imputed.
    """
    panel = staggered_panel(outcome, unit, period, first_treated, weights, cluster)
    treated = panel.treated
    if treated.all():
        raise without_untreated("no row is untreated: all units are treated in the first period")
    fit, residuals = _fit_untreated(panel, ~treated)
    can = treated & _connected(panel, fit)
    chosen = can if wanted is None else can & np.asarray(wanted, dtype=bool)
    if not chosen.any():
        raise without_untreated("no treated row can be imputed: none shares a period with untreated units")
    effects = np.where(can, panel.outcome - fit.units[panel.unit] - fit.periods[panel.period], np.nan)
    since = panel.event_time
    times = np.unique(since[chosen])
    shares = np.column_stack([_shares(panel, chosen), *(_shares(panel, chosen & (since == time)) for time in times)])
    influence = cluster_sums(panel, _influence(panel, fit, residuals, effects, shares))
    covariance = influence.T @ influence
    lone = _lone(panel, can)
    only_lone = ~(shares[~lone] > 0).any(axis=0)
    covariance[only_lone], covariance[:, only_lone] = np.nan, np.nan
    estimates = _estimates(panel, shares, np.where(can, effects, 0.0), covariance)
    lost = treated & ~can
    return ImputationResult(
        overall=estimates[0],
        event_times=times,
        effects=estimates[1:],
        covariance=covariance[1:, 1:],
        unit_effects=effects,
        imputed_rows=int(can.sum()),
        not_imputed_rows=int(lost.sum()),
        not_imputed_units=tuple(panel.units[np.unique(panel.unit[lost])].tolist()),
        untreated_rows=int((~treated).sum()),
        treated_clusters=np.unique(panel.clusters[panel.unit[can]]).size,
        lone_rows=int(lone.sum()),
    )


def _shares(panel: StaggeredPanel, rows: Flags) -> Floats:
    weights = np.where(rows, panel.weights, 0.0)
    return weights / weights.sum()


def _estimates(panel: StaggeredPanel, shares: Floats, effects: Floats, covariance: Floats) -> tuple[Estimate, ...]:
    return tuple(
        from_standard_error(
            float(column @ effects),
            float(np.sqrt(variance)),
            observations=int(np.count_nonzero(column)),
            clusters=panel.cluster_count,
            degrees_of_freedom=panel.cluster_count - 1,
        )
        for column, variance in zip(shares.T, np.diag(covariance), strict=True)
    )


def _fit_untreated(panel: StaggeredPanel, untreated: Flags) -> tuple[_UntreatedFit, Floats]:
    """Fit step 1; residuals times weights are laid out as units × periods."""
    shape = panel.units.size, panel.periods.size
    at, weights = (panel.unit[untreated], panel.period[untreated]), panel.weights[untreated]
    table = np.zeros(shape)
    table[at] = weights
    outcomes = np.zeros(shape)
    outcomes[at] = panel.outcome[untreated]
    of_units = table.sum(axis=1)
    divisor = np.where(of_units > 0, of_units, 1.0)
    system = np.diag(table.sum(axis=0)) - table.T @ (table / divisor[:, None])
    inverse = np.linalg.pinv(system, rcond=1e-10, hermitian=True)
    # Outcomes about their mean: less is lost to rounding.
    centre = float(weights @ panel.outcome[untreated] / weights.sum())
    weighted = table * (outcomes - centre)
    fit = _UntreatedFit(table, of_units, inverse, np.empty(0), np.empty(0))
    units, periods = fit.solved(weighted.sum(axis=1, keepdims=True), weighted.sum(axis=0)[:, None])
    fit = _UntreatedFit(table, of_units, inverse, units[:, 0] + centre, periods[:, 0])
    return fit, weighted - table * (fit.units[:, None] - centre + fit.periods)


def _connected(panel: StaggeredPanel, fit: _UntreatedFit) -> Flags:
    """Rows whose unit and period are in one component of the graph of untreated rows."""
    units, periods = np.nonzero(fit.weights)
    size = panel.units.size + panel.periods.size
    edges = coo_matrix((np.ones(units.size), (units, periods + panel.units.size)), shape=(size, size))
    component = connected_components(edges, directed=False)[1]
    return component[panel.unit] == component[panel.period + panel.units.size]


def _influence(panel: StaggeredPanel, fit: _UntreatedFit, residuals: Floats, effects: Floats, shares: Floats) -> Floats:
    """Σ_t v_it ε̃_it of each unit, per column of shares."""
    rows = np.flatnonzero(shares[:, 0])
    unit, period, shares, effects = panel.unit[rows], panel.period[rows], shares[rows], effects[rows]
    of_units = np.zeros((panel.units.size, shares.shape[1]))
    of_periods = np.zeros((panel.periods.size, shares.shape[1]))
    np.add.at(of_periods, period, shares)
    for column, values in enumerate(shares.T):
        of_units[:, column] = np.bincount(unit, values, minlength=panel.units.size)
    _, x_periods = fit.solved(of_units, of_periods)
    influence = -residuals @ x_periods
    cohort = _cohort_periods(panel, unit, period)
    for column, values in enumerate(shares.T):
        squares = np.bincount(cohort, values**2)
        mean = np.bincount(cohort, values**2 * effects) / np.where(squares > 0, squares, 1.0)
        influence[:, column] += np.bincount(unit, values * (effects - mean[cohort]), minlength=panel.units.size)
    return influence


def _cohort_periods(panel: StaggeredPanel, unit: Integers, period: Integers) -> Integers:
    starts = np.unique(panel.first_treated, return_inverse=True)[1]
    return np.unique(starts[unit] * panel.periods.size + period, return_inverse=True)[1]


def _lone(panel: StaggeredPanel, rows: Flags) -> Flags:
    """Those rows whose cohort has one cluster in that period."""
    cohort = _cohort_periods(panel, panel.unit[rows], panel.period[rows])
    pairs = np.unique(np.stack([cohort, panel.clusters[panel.unit[rows]]]), axis=1)
    lone = np.zeros(rows.size, dtype=bool)
    lone[rows] = (np.bincount(pairs[0]) < 2)[cohort]
    return lone
