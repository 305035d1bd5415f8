"""Event study: the effect at each distance from onset, with a joint test of the leads and the power of that test.

y = α + λ + Σ_k θ_k T 1[k] + x'β + ε, k periods since onset, T treated (or a dose), one k the reference. Leads (k before
the reference) test parallel trends; a test that could not have seen a violation says nothing (Roth 2022, AER: Insights
4), so its power is given: Wald's statistic under leads −s·(reference − k) is non-central F with δ'V⁻¹δ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import Codes, Floats, checked_codes, checked_floats, crossed, row_examples
from openvbp.estimators.cluster_robust import cluster_robust, compared_with_one_cluster
from openvbp.estimators.estimate import Estimate
from openvbp.estimators.inference import Inference, JointTest
from openvbp.estimators.least_squares import LeastSquares, least_squares

_POWER = 0.8


@dataclass(frozen=True)
class EventStudy:
    """Effects by event time, in order; the reference is not among them."""

    event_times: tuple[int, ...]
    effects: tuple[Estimate, ...]
    """Without an error where one cluster stands against all others."""
    covariance: Floats
    """Of the effects (k × k); nan throughout if all of them are without an error."""
    reference: int
    leads_test: JointTest | None
    """That all effects before the reference are zero; none without such."""
    average_after: Estimate
    """Mean effect from onset on (event times of zero and later), each event time counted alike."""
    covariates: Mapping[str, Estimate]
    inference: Inference
    fit: LeastSquares

    def leads_test_power(self, slope: float, level: float = 0.05) -> float:
        """Give the power of the test of leads against a linear trend of so much per period; nan without leads."""
        if self.leads_test is None or np.isnan(self.leads_test.statistic):
            return float("nan")
        known = np.isfinite([one.standard_error for one in self.effects])
        places = [at for at, time in enumerate(self.event_times) if time < self.reference and known[at]]
        trend = slope * (np.array(self.event_times)[places] - self.reference)
        noncentrality = trend @ np.linalg.solve(self.covariance[np.ix_(places, places)], trend)
        count, freedom = self.leads_test.restrictions, self.leads_test.degrees_of_freedom
        critical = special.fdtri(count, freedom, 1 - level)
        return 1 - float(special.ncfdtr(count, freedom, noncentrality, critical))

    @property
    def detectable_slope(self) -> float:
        """Trend per period that the test of leads finds in 80 % of samples; nan without leads."""
        high = float(np.nanmax([0.0, *(one.standard_error for one in self.effects)]))
        if np.isnan(self.leads_test_power(high)):
            return float("nan")
        while self.leads_test_power(high) < _POWER:
            high *= 2
        return float(optimize.brentq(lambda slope: self.leads_test_power(slope) - _POWER, 0, high))


def event_study(
    outcome: ArrayLike,
    treated: ArrayLike,
    *,
    event_time: ArrayLike,
    unit: ArrayLike,
    period: ArrayLike,
    reference: int = -1,
    first: int | None = None,
    last: int | None = None,
    condition: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    covariates: Mapping[str, ArrayLike] | None = None,
    weights: ArrayLike | None = None,
    observations: int | None = None,
    kind: str = "CR1",
) -> EventStudy:
    """Estimate leads and lags.

    Parameters
    ----------
    outcome
        One number per row (n).
    treated
        1 for treated units in all periods, 0 for the others (n); or a dose.
    event_time
        Whole numbers (n): periods since onset, negative before; of untreated rows it is not read.
    unit, period, condition
        Whole numbers (n); condition: as for difference-in-differences.
    reference
        Event time that the others are compared with.
    first, last
        Event times before the first, and after the last, are put together with it; none: as far as data go.
    clusters, covariates, weights, observations, kind
        As for :func:`~openvbp.estimators.difference_in_differences.difference_in_differences`.

    Raises
    ------
    InputDataError
        If nobody is treated, there is no treated row at the reference or at another time, a treated row has no event
        time, values are missing, columns are collinear, or there is one cluster.
    """
    units, _ = checked_codes(unit, "unit")
    given = checked_floats(treated, "treated", len(units))
    distance = _distances(event_time, given, first, last)
    times = np.unique(distance[given != 0])
    if reference not in times or len(times) < 2:
        what = f"treated rows have event times {times.tolist()}, the reference is {reference}"
        raise InputDataError(Problem(what, "event_time", "take a reference that occurs, and at least one other time"))
    kept = [int(time) for time in times if time != reference]
    columns = {_name(time): given * (distance == time) for time in kept}
    if condition is None:
        effects = [units, np.asarray(period)]
    else:
        effects = [crossed(units, np.asarray(condition)), crossed(np.asarray(condition), np.asarray(period))]
    others = dict(covariates or {})
    fit = least_squares(
        outcome, {**columns, **others}, fixed_effects=effects, weights=weights, observations=observations
    )
    by = units if clusters is None else clusters
    inference = compared_with_one_cluster(cluster_robust(fit, by, kind), list(columns), given, by)
    return _study(fit, inference, kept, reference, others)


def _study(
    fit: LeastSquares, inference: Inference, times: list[int], reference: int, others: Mapping[str, ArrayLike]
) -> EventStudy:
    leads = [_name(time) for time in times if time < reference]
    after = [_name(time) for time in times if time >= 0]
    names = [_name(time) for time in times]
    covariance = inference.covariance[: len(times), : len(times)]
    if inference.from_one_cluster.issuperset(names):
        covariance = np.full_like(covariance, np.nan)
    nothing = Estimate(*[float("nan")] * 5, inference.observations, inference.clusters)
    return EventStudy(
        event_times=tuple(times),
        effects=tuple(inference.estimate(name) for name in names),
        covariance=covariance,
        reference=reference,
        leads_test=inference.joint_test(leads) if leads else None,
        average_after=inference.estimate(dict.fromkeys(after, 1 / len(after))) if after else nothing,
        covariates={name: inference.estimate(name) for name in others},
        inference=inference,
        fit=fit,
    )


def _distances(event_time: ArrayLike, treated: Floats, first: int | None, last: int | None) -> Codes:
    given = np.asarray(event_time)
    if given.shape != treated.shape:
        what = f"'event_time' has shape {given.shape} for {len(treated):,} rows"
        raise InputDataError(Problem(what, "event_time", "give one whole number per row"))
    needed = given[treated != 0]
    if not len(needed):
        raise InputDataError(Problem("no row is treated", "treated", "look at the onset and at who is eligible"))
    wrong = np.flatnonzero((treated != 0) & ~(np.isfinite(given) & (given == np.floor(given))))
    if len(wrong):
        what, remedy = "treated rows without a whole number as event time", "give periods since onset"
        raise InputDataError(Problem(what, "event_time", remedy, len(wrong), row_examples(wrong)))
    distance = np.where(treated != 0, given, 0).astype(np.int64)
    return np.clip(distance, first, last)


def _name(time: int) -> str:
    return f"event time {time}"
