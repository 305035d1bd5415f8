"""Least quadratic form over weights that are not negative and sum to one."""

from __future__ import annotations

import numpy as np

from openvbp.errors import InternalError, Problem
from openvbp.estimators.arrays import Floats

_TOLERANCE = 1e-10
_MOST_STEPS = 100


def least_on_simplex(columns: Floats, ridge: float = 0.0) -> Floats:
    """Minimize ‖Dw‖² + r‖w‖², exactly up to rounding, by active sets.

    Wolfe 1976, Finding the Nearest Point in a Polytope, Mathematical Programming 11: the optimum over a few weights is
    solved for; a weight whose gradient is least is let in, weights that would turn negative are put out, until no
    gradient is below the optimum. ‖x − Xw‖² is this with D = x1' − X, for the weights sum to one. Where several w
    attain the minimum (more weights than rows of X), one with few non-zero weights is given.

    Parameters
    ----------
    columns
        D (rows × k).
    ridge
        r, zero or above.
    """
    squares = (columns**2).sum(axis=0) + ridge
    weights = np.zeros(columns.shape[1])
    support = [int(squares.argmin())]
    weights[support] = 1.0
    for _ in range(20 * weights.size + 100):
        gradient = (columns[:, support] @ weights[support]) @ columns + ridge * weights
        candidate = int(gradient.argmin())
        if gradient[candidate] >= weights @ gradient - _TOLERANCE * squares.max() or candidate in support:
            return weights
        support.append(candidate)
        support = _settled(columns, ridge, weights, support)
    raise InternalError(Problem("weights of a synthetic control were not found", "simplex", "report it"))


def _settled(columns: Floats, ridge: float, weights: Floats, support: list[int]) -> list[int]:
    """Move weights to the optimum of their support, in place, and give the support that is left."""
    while True:
        inside = columns[:, support]
        target = _optimum(inside.T @ inside + ridge * np.eye(len(support)))
        current = weights[support]
        if target.min() > 0:
            weights[support] = target
            return support
        falling = target <= 0
        step = float((current[falling] / np.maximum(current[falling] - target[falling], 1e-300)).min())
        moved = np.where(current + step * (target - current) > 1e-14, current + step * (target - current), 0.0)
        moved[falling & (moved == moved[falling].min())] = 0.0
        weights[support] = moved / moved.sum()
        support = [index for index, weight in zip(support, moved, strict=True) if weight > 0]


def _optimum(form: Floats) -> Floats:
    """Least w'Qw with Σw = 1, negative weights allowed."""
    size = form.shape[0]
    unit = max(float(np.trace(form)) / size, 1e-300)
    system = np.ones((size + 1, size + 1))
    system[:size, :size], system[size, size] = form / unit, 0.0
    return np.linalg.lstsq(system, np.append(np.zeros(size), 1.0), rcond=None)[0][:size]


def least_with_ridge(columns: Floats, ridge: float) -> Floats:
    """Minimize ‖Dw‖² + r‖w‖² over the simplex, fast for many weights and few rows.

    At the optimum w = (ν − D'u)₊ / r with u = Dw and Σw = 1. These are the conditions of a maximum of the concave dual
    ν − ‖u‖²/2 − ‖(ν − D'u)₊‖²/(2r), which has as many unknowns as D has rows, and one: Newton's method with steps
    halved until they climb.

    Parameters
    ----------
    columns
        D (rows × k).
    ridge
        r; where it is too small against D for Newton's method the active sets of :func:`least_on_simplex` serve.
    """
    size = columns.shape[1]
    form_size = float((columns**2).sum(axis=0).mean())
    if ridge < 1e-4 * form_size:
        return least_on_simplex(columns, ridge)
    u = columns.mean(axis=1)
    point = np.append(u, float((u @ columns).mean()) + ridge / size)
    for _ in range(_MOST_STEPS):
        slack = np.maximum(point[-1] - point[:-1] @ columns, 0.0)
        weights = slack / ridge
        gradient = np.append(columns @ weights - point[:-1], 1 - weights.sum())
        if np.abs(gradient[:-1]).max() <= 1e-11 * np.sqrt(form_size) and abs(gradient[-1]) <= 1e-11:
            return weights / weights.sum()
        inside = columns[:, slack > 0]
        curvature = np.eye(point.size)
        curvature[:-1, :-1] += inside @ inside.T / ridge
        curvature[-1, :-1] = curvature[:-1, -1] = -inside.sum(axis=1) / ridge
        curvature[-1, -1] = max(inside.shape[1], 1e-6) / ridge
        step = np.linalg.solve(curvature, gradient)
        point = _climbed(columns, ridge, point, step)
    return least_on_simplex(columns, ridge)


def _climbed(columns: Floats, ridge: float, point: Floats, step: Floats) -> Floats:
    def dual(at: Floats) -> float:
        slack = np.maximum(at[-1] - at[:-1] @ columns, 0.0)
        return float(at[-1] - at[:-1] @ at[:-1] / 2 - slack @ slack / (2 * ridge))

    here, length = dual(point), 1.0
    while dual(point + length * step) < here - 1e-13 * abs(here) and length > 1e-9:
        length /= 2
    return point + length * step
