"""Weighted least squares with fixed effects taken out: b = (X'WX)⁻¹X'Wy on what they leave of X and y.

Frisch and Waugh 1933, Lovell 1963: the same coefficients and residuals as with a column for every level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import lapack
from threadpoolctl import ThreadpoolController

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.estimators.absorption import Absorption, absorption
from openvbp.estimators.arrays import Floats, checked_floats, dot

COLLINEAR = 1e-9
"""A covariate of which fixed effects and other covariates leave less than this share of its variance is refused."""


@dataclass(frozen=True)
class LeastSquares:
    """Coefficients with what their errors are computed from; n rows, k covariates."""

    names: tuple[str, ...]
    coefficients: Floats
    """(k)."""
    residuals: Floats
    """(n)."""
    within: Floats
    """Covariates after fixed effects were taken out (k × n)."""
    bread: Floats
    """(X'WX)⁻¹ (k × k)."""
    weights: Floats | None
    absorption: Absorption
    outcome: Floats
    """As given (n)."""
    covariates: tuple[Floats, ...]
    """As given."""
    observations: int
    """Rows, or what rows stand for where they are cells."""

    @property
    def weighted_residuals(self) -> Floats:
        """Give w e (n)."""
        return self.residuals if self.weights is None else self.residuals * self.weights

    def position(self, name: str) -> int:
        """Say which covariate this is.

        Raises
        ------
        UsageError
            If there is none of this name.
        """
        if name not in self.names:
            raise UsageError(
                Problem(f"there is no covariate '{name}'", "covariates", "one of: " + ", ".join(self.names))
            )
        return self.names.index(name)


def least_squares(
    outcome: ArrayLike,
    covariates: Mapping[str, ArrayLike],
    *,
    fixed_effects: Sequence[ArrayLike] = (),
    weights: ArrayLike | None = None,
    observations: int | None = None,
) -> LeastSquares:
    """Fit by weighted least squares.

    Parameters
    ----------
    outcome
        One number per row (n).
    covariates
        Columns (n) by name, at least one; an intercept is not among them.
    fixed_effects
        Levels of each fixed effect (n), whole numbers; without any, an intercept is taken out.
    weights
        Of rows (n), above zero.
    observations
        What the rows stand for: the sum of patients where rows are cells weighted by patients. Then estimate and
        clustered errors are those of the patients. None: the rows.

    Raises
    ------
    InputDataError
        If values are missing or infinite, weights are not above zero, covariates are collinear with each other or the
        fixed effects (they are named).
    UsageError
        If there is no covariate, or there are fewer observations than rows.
    """
    y = checked_floats(outcome, "outcome")
    columns = [checked_floats(values, name, len(y)) for name, values in covariates.items()]
    if observations is not None and observations < len(y):
        what = f"{observations:,} observations in {len(y):,} rows"
        raise UsageError(Problem(what, "observations", "give the number of patients that rows stand for together"))
    names = tuple(covariates)
    if not names:
        raise UsageError(Problem("no covariate is given", "covariates", "give at least one column to estimate"))
    effects = absorption(fixed_effects or [np.zeros(len(y), dtype=np.int64)], weights)
    within = np.empty((len(names), len(y)))
    for at, (name, column) in enumerate(zip(names, columns, strict=True)):
        within[at] = effects.residuals(column, name=name)
        _refuse_absorbed(name, column, within[at], effects.weights)
    left = effects.residuals(y, name="outcome")
    with _libraries().limit(limits=1, user_api="blas"):
        bread = _inverse(names, _products(within, within, effects.weights))
        coefficients = bread @ _products(within, left[None, :], effects.weights)[:, 0]
        left -= coefficients @ within
    return LeastSquares(
        names,
        coefficients,
        left,
        within,
        bread,
        effects.weights,
        effects,
        y,
        tuple(columns),
        int(observations or len(y)),
    )


@cache
def _libraries() -> ThreadpoolController:
    """Find libraries once: it takes longer than a small regression. Their threads mostly wait for each other here."""
    return ThreadpoolController()


def _products(first: Floats, second: Floats, weights: Floats | None) -> Floats:
    """Give X'WZ, one column at a time: no second copy of X is made."""
    if weights is None:
        return first @ second.T
    return np.stack([first @ (weights * column) for column in second], axis=1)


def _refuse_absorbed(name: str, before: Floats, after: Floats, weights: Floats | None) -> None:
    if weights is None:
        total, squares, left = float(len(before)), dot(before, before), dot(after, after)
        centre = before.sum() / total
    else:
        total, squares, left = weights.sum(), dot(weights, before, before), dot(weights, after, after)
        centre = dot(weights, before) / total
    if left > COLLINEAR * (squares - total * centre**2):
        return
    if before.min() == before.max():
        raise InputDataError(Problem(f"'{name}' is the same in all rows", name, "leave it out, or take more rows"))
    what = f"'{name}' is a sum of fixed effects: they leave nothing of it to estimate an effect from"
    remedy = "look whether it varies within each unit over time, and between units at the same time"
    raise InputDataError(Problem(what, name, remedy))


def _inverse(names: tuple[str, ...], products: Floats) -> Floats:
    scale = np.sqrt(np.diag(products))
    correlation = products / np.outer(scale, scale)
    _, pivots, rank, _ = lapack.dpstrf(correlation, tol=COLLINEAR)
    if rank < len(names):
        kept, dropped = pivots[:rank] - 1, pivots[rank:] - 1
        shares = np.linalg.solve(correlation[np.ix_(kept, kept)], correlation[np.ix_(kept, dropped)])
        involved = [
            f"'{names[at]}' = "
            + " + ".join(
                f"{share * scale[at] / scale[on]:.4g} × '{names[on]}'"
                for on, share in zip(kept, column, strict=True)
                if abs(share) > 1e-6
            )
            for at, column in zip(dropped, shares.T, strict=True)
        ]
        what = "covariates are collinear: " + ", ".join(f"'{names[at]}'" for at in sorted(dropped))
        raise InputDataError(
            Problem(what + " given the others", "covariates", "leave these out", len(dropped), tuple(involved))
        )
    return np.linalg.inv(correlation) / np.outer(scale, scale)
