r"""Effects of staggered adoption by cohort and period, and their aggregates.

Callaway and Sant'Anna 2021, Difference-in-Differences with Multiple Time Periods, Journal of Econometrics 225, without
covariates (where all of their estimators agree):

.. math:: ATT(g,t) = E[Y_t - Y_b \mid G = g] - E[Y_t - Y_b \mid C]

for the cohort first treated in :math:`g`; the base :math:`b` is the last observed period before :math:`g`, and before
treatment (:math:`t < g`) the period before :math:`t` (``base="varying"``) or still that before :math:`g`
(``"universal"``, for event-study plots and for bounds). Comparison :math:`C`: never treated, or not treated by
:math:`\max(t, b)`. With holes, units observed in both periods are compared.

Aggregates weight :math:`ATT(g,t)` by the cohorts' shares of units (their section 3): simple (all
:math:`t \ge g`), dynamic (by :math:`e = t - g`; overall: mean over :math:`e \ge 0`), group (mean over
:math:`t \ge g`; overall: by shares) and calendar (by :math:`t`; overall: mean).

Errors come from influence functions, of units or summed within clusters, those of estimated shares included:
:math:`SE^2 = \sum_i \psi_i^2`, no small-sample factor. A cohort within one cluster (one treated unit) has no deviation
from itself: an effect on such cohorts alone has no standard error. Uniform bands (their algorithm 1): the quantile of
the largest absolute t over draws of Rademacher multipliers, one per cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from openvbp.estimators.arrays import Floats
from openvbp.estimators.estimate import Estimate, from_standard_error
from openvbp.estimators.staggered_panel import (
    Flags,
    Integers,
    StaggeredPanel,
    cluster_sums,
    problem,
    staggered_panel,
    without_untreated,
)
from openvbp.estimators.uniform_band import uniform_band

Comparison = Literal["never", "not_yet"]
Base = Literal["varying", "universal"]


@dataclass(frozen=True)
class Effects:
    """Effects that belong together: one per label."""

    labels: Floats
    """Event times, first treated periods or periods."""
    effects: tuple[Estimate, ...]
    covariance: Floats
    band: float
    """Multiple of the standard error that holds all effects at once; nan where no bootstrap was asked for."""
    overall: Estimate


@dataclass(frozen=True)
class GroupTimeResult:
    """ATT(g,t) and its aggregates."""

    cohorts: Floats
    """First treated period of each ATT(g,t)."""
    periods: Floats
    group_time: tuple[Estimate, ...]
    simple: Estimate
    dynamic: Effects
    group: Effects
    calendar: Effects
    left_out: tuple[tuple[float, float], ...]
    """(g, t) without treated or without comparison units in both periods."""
    always_treated_units: tuple[Any, ...]
    """Labels of units treated from the first period on: they have no base and are left out."""
    treated_clusters: int
    """Clusters of the cohorts above; with fewer than about 20 do not rely on the standard errors."""


@dataclass(frozen=True)
class _Cells:
    """ATT(g,t) with influences of units (units × cells)."""

    cohorts: Floats
    periods: Floats
    att: Floats
    influence: Floats
    rows: Integers
    shares: Floats
    """Weight of each cell's cohort."""
    lone: Flags
    """Whether treated or comparison units are of one cluster."""


def callaway_santanna(
    outcome: npt.ArrayLike,
    unit: npt.ArrayLike,
    period: npt.ArrayLike,
    first_treated: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    cluster: npt.ArrayLike | None = None,
    comparison: Comparison = "never",
    base: Base = "varying",
    draws: int = 0,
    seed: int = 0,
) -> GroupTimeResult:
    """Estimate ATT(g,t) and aggregate.

    Parameters
    ----------
    outcome, unit, period, first_treated, weights, cluster
        Rows (n), see :func:`~openvbp.estimators.staggered_panel.staggered_panel`. A unit counts with its mean weight.
    comparison
        ``"never"`` treated, or never and ``"not_yet"`` treated units.
    base
        Base before treatment, see above.
    draws
        Of the multiplier bootstrap for uniform bands; 0: none.
    seed
        Of these draws.

    Returns
    -------
    GroupTimeResult
        Effects in the unit of the outcome; limits by Student's t with clusters − 1 degrees of freedom.

    Raises
    ------
    InputDataError
        If nothing is left to compare with: the message says which designs remain.
    """
    panel = staggered_panel(outcome, unit, period, first_treated, weights, cluster)
    never = np.isinf(panel.first_treated) | (panel.first_treated > panel.periods[-1])
    if comparison == "never" and not never.any():
        raise problem(
            "no unit is never treated",
            'compare with units not yet treated (comparison="not_yet", or imputation): effects after the last cohort '
            "starts cannot be estimated",
        )
    cells, left_out = _cells(panel, comparison, base)
    if not (cells.periods >= cells.cohorts).any():
        raise without_untreated("no effect can be estimated: no treated cohort has a base period and a comparison")
    estimates = _Estimates(panel, cells, draws, seed)
    return GroupTimeResult(
        cohorts=cells.cohorts,
        periods=cells.periods,
        group_time=estimates.each(cells.att, cells.influence, list(np.arange(cells.att.size)[:, None])),
        simple=_simple(cells, panel, estimates),
        dynamic=_dynamic(cells, panel, estimates),
        group=_group(cells, panel, estimates),
        calendar=_calendar(cells, panel, estimates),
        left_out=tuple(left_out),
        always_treated_units=tuple(panel.units[panel.first_treated <= panel.periods[0]].tolist()),
        treated_clusters=np.unique(panel.clusters[np.isin(panel.first_treated, cells.cohorts)]).size,
    )


def _cells(panel: StaggeredPanel, comparison: Comparison, base: Base) -> tuple[_Cells, list[tuple[float, float]]]:
    outcomes, weights = panel.table(panel.outcome), panel.unit_weights()
    starts, periods = panel.first_treated, panel.periods
    found: list[tuple[float, float, float, Floats, int, float, bool]] = []
    left_out: list[tuple[float, float]] = []
    for cohort in np.unique(starts[(starts > periods[0]) & (starts <= periods[-1])]):
        last = int(np.searchsorted(periods, cohort)) - 1
        in_cohort = starts == cohort
        for at, period in enumerate(periods):
            before = last if base == "universal" or period >= cohort else at - 1
            if before < 0 or before == at:
                continue
            clean = starts > (periods[-1] if comparison == "never" else max(period, periods[before]))
            change = outcomes[:, at] - outcomes[:, before]
            treated, control = (
                np.where(rows & np.isfinite(change), weights, 0.0) for rows in (in_cohort, clean & ~in_cohort)
            )
            if not (treated.sum() > 0 and control.sum() > 0):
                left_out.append((float(cohort), float(period)))
                continue
            known = np.nan_to_num(change)
            means = [float(known @ side / side.sum()) for side in (treated, control)]
            influence = treated * (known - means[0]) / treated.sum() - control * (known - means[1]) / control.sum()
            rows = int(np.count_nonzero(treated + control))
            share = float(weights[in_cohort].sum())
            lone = min(np.unique(panel.clusters[side > 0]).size for side in (treated, control)) < 2
            found.append((float(cohort), float(period), means[0] - means[1], influence, rows, share, lone))
    if not found:
        raise without_untreated("no effect can be estimated: no treated cohort has a base period and a comparison")
    cohorts, times, att, influences, *rest = zip(*found, strict=True)
    cells = _Cells(*map(np.array, (cohorts, times, att)), np.column_stack(influences), *map(np.array, rest))
    return cells, left_out


def _by_shares(
    cells: _Cells, panel: StaggeredPanel, chosen: Integers, att: Floats | None = None, influence: Floats | None = None
) -> tuple[float, Floats]:
    """Mean of chosen cells by shares of their cohorts; shares have influence too: wᵢ (ATT of own cohort − mean) / Σ."""
    att = cells.att[chosen] if att is None else att
    influence = cells.influence[:, chosen] if influence is None else influence
    shares, total = cells.shares[chosen], cells.shares[chosen].sum()
    mean = float(shares @ att / total)
    of_shares = np.zeros(panel.units.size)
    for cohort, effect in zip(cells.cohorts[chosen], att, strict=True):
        of_shares[panel.first_treated == cohort] += effect - mean
    return mean, influence @ shares / total + panel.unit_weights() * of_shares / total


@dataclass(frozen=True)
class _Estimates:
    """Turns values and influences of units into estimates."""

    panel: StaggeredPanel
    cells: _Cells
    draws: int
    seed: int

    def each(self, values: Floats, influence: Floats, chosen: list[Integers]) -> tuple[Estimate, ...]:
        """One estimate per column of influence, from the cells chosen for it."""
        errors = np.sqrt((cluster_sums(self.panel, influence) ** 2).sum(axis=0))
        count = self.panel.cluster_count
        return tuple(
            from_standard_error(
                float(value),
                float("nan") if self.cells.lone[cells].all() else float(error),
                observations=int(self.cells.rows[cells].sum()),
                clusters=count,
                degrees_of_freedom=count - 1,
            )
            for value, error, cells in zip(values, errors, chosen, strict=True)
        )

    def together(
        self, labels: Floats, parts: list[tuple[float, Floats]], chosen: list[Integers], overall: tuple[float, Floats]
    ) -> Effects:
        """Effects with covariance, band and overall effect (of the cells after treatment starts)."""
        values = np.array([value for value, _ in parts])
        influence = np.column_stack([column for _, column in parts])
        usable = [not self.cells.lone[cells].all() for cells in chosen]
        sums = cluster_sums(self.panel, np.where(usable, influence, np.nan))
        band = uniform_band(sums[:, usable], self.draws, self.seed) if self.draws and any(usable) else float("nan")
        after = np.concatenate(chosen)
        after = after[self.cells.periods[after] >= self.cells.cohorts[after]]
        whole = self.each(np.array([overall[0]]), overall[1][:, None], [after])[0]
        return Effects(labels, self.each(values, influence, chosen), sums.T @ sums, band, whole)


def _simple(cells: _Cells, panel: StaggeredPanel, estimates: _Estimates) -> Estimate:
    chosen = np.flatnonzero(cells.periods >= cells.cohorts)
    mean, influence = _by_shares(cells, panel, chosen)
    return estimates.each(np.array([mean]), influence[:, None], [chosen])[0]


def _mean(parts: list[tuple[float, Floats]]) -> tuple[float, Floats]:
    values, influences = zip(*parts, strict=True)
    return float(np.mean(values)), np.mean(influences, axis=0)


def _dynamic(cells: _Cells, panel: StaggeredPanel, estimates: _Estimates) -> Effects:
    since = cells.periods - cells.cohorts
    labels = np.unique(since)
    chosen = [np.flatnonzero(since == label) for label in labels]
    parts = [_by_shares(cells, panel, each) for each in chosen]
    after = [part for part, label in zip(parts, labels, strict=True) if label >= 0]
    return estimates.together(labels, parts, chosen, _mean(after))


def _calendar(cells: _Cells, panel: StaggeredPanel, estimates: _Estimates) -> Effects:
    after = cells.periods >= cells.cohorts
    labels = np.unique(cells.periods[after])
    chosen = [np.flatnonzero(after & (cells.periods == label)) for label in labels]
    parts = [_by_shares(cells, panel, each) for each in chosen]
    return estimates.together(labels, parts, chosen, _mean(parts))


def _group(cells: _Cells, panel: StaggeredPanel, estimates: _Estimates) -> Effects:
    after = cells.periods >= cells.cohorts
    labels, first = np.unique(np.where(after, cells.cohorts, np.nan), return_index=True)
    keep = np.isfinite(labels)
    labels, first = labels[keep], first[keep]
    chosen = [np.flatnonzero(after & (cells.cohorts == label)) for label in labels]
    parts = [(float(cells.att[each].mean()), cells.influence[:, each].mean(axis=1)) for each in chosen]
    values = np.array([value for value, _ in parts])
    influence = np.column_stack([column for _, column in parts])
    overall = _by_shares(cells, panel, first, values, influence)
    return estimates.together(labels, parts, chosen, overall)
