r"""Bounds of an event study when the trend of the bias may bend, but only so much per period.

Rambachan and Roth 2023, Review of Economic Studies 90, section 2.4.2 and 3.2: second differences of the bias
:math:`\delta` are at most :math:`M` in size (:math:`M = 0`: a straight line is extrapolated). The interval is their
fixed-length one, after Armstrong and Kolesár 2018 (Econometrica 86): around :math:`l'\hat\beta_{after} +
v'\hat\beta_{before}` with the :math:`v` that makes it shortest,

.. math:: \pm\ \sigma(v)\, cv_{1-\alpha}\!\left(\frac{\bar b(v)}{\sigma(v)}\right),

where :math:`cv(b)` is the quantile of :math:`|N(b, 1)|` and :math:`\bar b` the largest bias. A bias without bends is a
line, which must not matter: :math:`\sum_t w_t t = 0` with weights :math:`w` on all periods. What is left is
:math:`\bar b = M\sum_k |C_k|`, where :math:`C_k = \sum_t w_t h_k(t)` and :math:`h_k` is the hinge at :math:`k`, open to
the right for :math:`k > 0` and to the left for :math:`k \le 0`. The length is convex in :math:`v`, and smooth once
:math:`|C_k|` has a bound of its own; it is minimized by sequential quadratic programming.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.stats import norm

from openvbp.errors import InternalError, Problem
from openvbp.estimators.arrays import Floats
from openvbp.estimators.estimate import LEVEL
from openvbp.estimators.honest_bounds import EventStudy, HonestInterval


def smoothness_bounds(
    study: EventStudy, curvatures: Sequence[float], *, level: float = LEVEL
) -> tuple[HonestInterval, ...]:
    """Bound the effect when the bias bends by at most M per period.

    Parameters
    ----------
    study
        See :func:`~openvbp.estimators.honest_bounds.event_study`.
    curvatures
        Values of M, in the unit of the outcome per squared period.
    level
        Coverage.
    """
    hinges, line = _hinges(study)
    intervals = []
    for curvature in curvatures:
        shift, half_length = _shortest(study, hinges, line, float(curvature), 1 - level)
        centre = study.point + float(shift @ study.before)
        intervals.append(HonestInterval(float(curvature), centre - half_length, centre + half_length))
    return tuple(intervals)


def breakdown_curvature(study: EventStudy, *, level: float = LEVEL) -> float:
    """Smallest M (to 1 %) at which no effect cannot be excluded; zero if a straight line suffices, never infinite.

    Parameters
    ----------
    study, level
        See :func:`smoothness_bounds`.
    """

    def excludes(curvature: float) -> bool:
        return smoothness_bounds(study, (curvature,), level=level)[0].excludes_zero

    if not excludes(0.0):
        return 0.0
    above = float(np.sqrt(np.diag(study.covariance).mean()))
    while excludes(above):
        above *= 2
    below = 0.0
    while above - below > 0.01 * above:
        middle = (below + above) / 2
        below, above = (middle, above) if excludes(middle) else (below, middle)
    return above


def _hinges(study: EventStudy) -> tuple[Floats, Floats]:
    """Each bend's effect on each estimate (bends × estimates); and the time of each estimate."""
    before, after = study.before.size, study.after.size
    time = np.concatenate([np.arange(-before, 0), np.arange(1, after + 1)]).astype(np.float64)
    bends = np.arange(-before + 1, after)[:, None]
    return np.where(bends > 0, np.maximum(time - bends, 0), np.maximum(bends - time, 0)), time


def _shortest(study: EventStudy, hinges: Floats, time: Floats, curvature: float, size: float) -> tuple[Floats, float]:
    """Weights v before treatment that give the shortest interval, and half its length."""
    before = study.before.size
    # In this unit neither errors nor bends are large, which the search needs.
    unit = float(np.sqrt(study.target @ study.covariance @ study.target + curvature**2))
    covariance, curvature = study.covariance / unit**2, curvature / unit

    def half_length(x: Floats) -> tuple[float, Floats]:
        weights = np.concatenate([x[:before], study.weights])
        product = covariance @ weights
        deviation = float(np.sqrt(weights @ product))
        bias = curvature * x[before:].sum()
        critical, rise = _folded_quantile(bias / deviation, size)
        of_shift = (critical - rise * bias / deviation) * product[:before] / deviation
        return deviation * critical, np.concatenate([of_shift, np.full(hinges.shape[0], rise * curvature)])

    # x = (v, u): u is at least |C v + c| for each bend.
    constant, loading = hinges[:, before:] @ study.weights, hinges[:, :before]
    one = np.eye(hinges.shape[0])
    inequality, offset = np.block([[-loading, one], [loading, one]]), np.concatenate([constant, -constant])
    equality = np.concatenate([time[:before], np.zeros(hinges.shape[0])])
    line = float(time[before:] @ study.weights)
    start = -line * time[:before] / (time[:before] @ time[:before])
    found = minimize(
        half_length,
        np.concatenate([start, np.abs(constant + loading @ start)]),
        jac=True,
        method="SLSQP",
        options={"ftol": 1e-10, "maxiter": 1_000},
        constraints=[
            {"type": "ineq", "fun": lambda x: inequality @ x - offset, "jac": lambda _: inequality},
            {"type": "eq", "fun": lambda x: equality @ x + line, "jac": lambda _: equality[None, :]},
        ],
    )
    if abs(equality @ found.x + line) > 1e-6:
        raise InternalError(Problem(f"no shortest interval: {found.message}", "smoothness bounds", "report it"))
    # The length is computed again from v alone: it is valid whether or not the search ended at the optimum.
    shift = found.x[:before]
    return shift, float(unit * half_length(np.concatenate([shift, np.abs(constant + loading @ shift)]))[0])


def _folded_quantile(bias: float, size: float) -> tuple[float, float]:
    """Quantile of |N(bias, 1)|, and its derivative by the bias (which the search may let fall below zero)."""
    distance = abs(bias)
    critical = distance + float(norm.ppf(1 - size))
    if distance < 5:
        found = brentq(lambda c: norm.cdf(c - distance) - norm.cdf(-c - distance) - 1 + size, 0.0, distance + 10.0)
        critical = float(found)
    near, far = norm.pdf(critical - distance), norm.pdf(critical + distance)
    return critical, float(np.sign(bias) * (near - far) / (near + far))
