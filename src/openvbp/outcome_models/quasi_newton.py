"""The lowest point of a smooth function whose values are costly (Broyden, Fletcher, Goldfarb and Shanno's method).

Where coordinates are such that all curvatures are about one, the first step is tried whole, and nearly all others are:
an evaluation each. General minimizers shorten the first and try some more.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from openvbp.outcome_models.rows import Floats

_MOST_STEPS = 200
_SHORTEST = 1e-4
_LEAST_DECREASE = 1e-4
_LEAST_CURVATURE = 0.2
_ROUNDING = 1e-14


def minimum(
    function: Callable[[Floats], tuple[float, Floats]], begin: Floats, tolerance: float
) -> tuple[Floats, Floats]:
    """Find a minimum.

    Parameters
    ----------
    function
        Gives value and gradient; at the place that is returned it is called last.
    begin
        Where to begin.
    tolerance
        Of the gradient: the largest of its elements at the end.

    Returns
    -------
    Place and gradient; a larger gradient than asked for where no step leads lower.
    """
    place, (value, gradient) = begin, function(begin)
    inverse = np.eye(len(begin))
    for _step in range(_MOST_STEPS):
        if np.abs(gradient).max() < tolerance:
            break
        step = -inverse @ gradient
        descent = float(gradient @ step)
        length = 1.0
        while True:
            tried, slope = function(place + length * step)
            is_lower = tried <= value + _LEAST_DECREASE * length * descent + _ROUNDING * abs(value)
            if is_lower or length < _SHORTEST:
                break
            length /= 2
        if not is_lower:
            function(place)
            break
        inverse = _updated(inverse, length * step, slope - gradient, -length * gradient)
        place, value, gradient = place + length * step, tried, slope
    return place, gradient


def _updated(inverse: Floats, step: Floats, change: Floats, expected: Floats) -> Floats:
    """Give the inverse of the curvature after a step that changed the gradient, by less or more than was expected.

    A curvature far below the expected one, or even below zero, is taken as a part of it (Powell's damping): steps then
    become longer where the function hardly bends, but never wild.
    """
    bent, curvature = float(step @ expected), float(step @ change)
    if curvature < _LEAST_CURVATURE * bent:
        share = (1 - _LEAST_CURVATURE) * bent / (bent - curvature)
        change = share * change + (1 - share) * expected
        curvature = float(step @ change)
    turn = np.eye(len(step)) - np.outer(step, change) / curvature
    return turn @ inverse @ turn.T + np.outer(step, step) / curvature
