"""Least quadratic form over weights that are not negative and sum to one."""

from __future__ import annotations

import numpy as np

from openvbp.errors import InternalError, Problem
from openvbp.estimators.arrays import Floats

_TOLERANCE = 1e-10


def least_on_simplex(form: Floats) -> Floats:
    """Minimize w'Qw, exactly up to rounding, by active sets.

    Wolfe 1976, Finding the Nearest Point in a Polytope, Mathematical Programming 11: the optimum over a few weights is
    solved for; a weight whose gradient is least is let in, weights that would turn negative are put out, until no
    gradient is below the optimum. ‖x − Xw‖² is the form of Q = (x1' − X)'(x1' − X), for the weights sum to one. Where
    several w attain the minimum (more weights than rows of X), one with few non-zero weights is given.

    Parameters
    ----------
    form
        Q: symmetric, positive semidefinite (k × k).
    """
    scale = float(np.diag(form).max())
    weights = np.zeros(form.shape[0])
    support = [int(np.diag(form).argmin())]
    weights[support] = 1.0
    for _ in range(20 * form.shape[0] + 100):
        gradient = form[:, support] @ weights[support]
        candidate = int(gradient.argmin())
        if gradient[candidate] >= weights @ gradient - _TOLERANCE * scale or candidate in support:
            return weights
        support.append(candidate)
        support = _settled(form, weights, support)
    raise InternalError(Problem("weights of a synthetic control were not found", "simplex", "report it"))


def _settled(form: Floats, weights: Floats, support: list[int]) -> list[int]:
    """Move weights to the optimum of their support, in place, and give the support that is left."""
    while True:
        target = _optimum(form[np.ix_(support, support)])
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
