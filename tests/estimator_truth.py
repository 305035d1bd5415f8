"""Every estimator on practices × quarters with a known effect, and with none: for tests and the benchmark.

Cells are of the size of the synthetic population's: some 3,400 member months and 90 admissions a practice and quarter,
practices that differ by a tenth, a trend that all share, and shocks of 3 % of a practice in a quarter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from openvbp.estimators.callaway_santanna import callaway_santanna
from openvbp.estimators.comparative_interrupted_time_series import comparative_interrupted_time_series
from openvbp.estimators.count_models import count_model
from openvbp.estimators.difference_in_differences import TREATMENT, difference_in_differences, triple_difference
from openvbp.estimators.estimate import Estimate
from openvbp.estimators.event_study import event_study
from openvbp.estimators.interrupted_time_series import interrupted_time_series
from openvbp.estimators.permutation import permutation
from openvbp.estimators.regression_discontinuity import regression_discontinuity
from openvbp.estimators.staggered_imputation import staggered_imputation
from openvbp.estimators.synthetic_control import synthetic_control
from openvbp.estimators.synthetic_difference_in_differences import synthetic_difference_in_differences
from openvbp.estimators.wild_bootstrap import wild_bootstrap

Array = Any
RATE = 2.65
"""Admissions per hundred member months without a program."""
SIZE = -0.2
"""Effect: some 8 % fewer; three times as many where few are treated."""
QUARTERS, ONSET = 12, 6
STARTS = (2, 4, 6)
"""Quarters in which practices start where starts are staggered, as in the population."""


class Trial(NamedTuple):
    """One estimate and the truth; of placebo tests only p-values are known."""

    estimate: float
    standard_error: float
    low: float
    high: float
    p_value: float
    truth: float


@dataclass(frozen=True)
class Cells:
    """Rows; rates per hundred member months."""

    rate: Array
    admissions: Array
    months: Array
    practice: Array
    quarter: Array
    first: Array
    """Quarter of the practice's start; infinite where never."""
    effect: Array
    """True change of the rate of each row."""

    @property
    def is_on(self) -> Array:
        return self.quarter >= self.first

    @property
    def is_treated(self) -> Array:
        return np.isfinite(self.first)

    @property
    def truth(self) -> float:
        return float(self.effect[self.is_on].mean())

    @property
    def staggered(self) -> tuple[Array, Array, Array, Array]:
        return self.rate, self.practice, self.quarter, self.first

    @property
    def panel(self) -> dict[str, Array]:
        return {"unit": self.practice, "period": self.quarter}


def draw(
    seed: int,
    size: float,
    *,
    practices: int = 100,
    treated: int = 50,
    starts: Sequence[int] = (ONSET,),
    grows: float = 0.0,
    shared: float = 0.0,
) -> Cells:
    """Draw a panel; an effect of ``size`` holds from the start on, or grows to it over so many quarters.

    ``shared`` moves the treated from the onset on whatever the program does.
    """
    random = np.random.default_rng(seed)
    first = np.full(practices, np.inf)
    first[:treated] = np.resize(starts, treated)
    months = np.round(3000 * np.exp(random.normal(0, 0.5, practices)))
    practice, quarter = np.divmod(np.arange(practices * QUARTERS), QUARTERS)
    since = quarter - first[practice] + 1
    grown = np.where(since > 0, np.clip(since / grows, 0, 1) if grows else 1.0, 0.0)
    common = 1 - 0.01 * np.arange(QUARTERS) + random.normal(0, 0.03, QUARTERS)
    level = np.exp(random.normal(0, 0.1, practices))[practice] * common[quarter]
    level *= np.exp(random.normal(0, 0.03, practice.size))
    effect = size * grown
    rate = RATE * level + effect + shared * ((quarter >= ONSET) & np.isfinite(first)[practice])
    at_risk = months[practice]
    admissions = random.poisson(at_risk * rate / 100)
    return Cells(100 * admissions / at_risk, admissions, at_risk, practice, quarter, first[practice], effect)


def _trial(one: Estimate, truth: float) -> Trial:
    return Trial(one.estimate, one.standard_error, one.low, one.high, one.p_value, truth)


def _did(seed: int, size: float) -> Trial:
    cells = draw(seed, size)
    found = difference_in_differences(cells.rate, cells.is_on.astype(float), **cells.panel)
    return _trial(found.effect, cells.truth)


def _two_way(seed: int, size: float) -> Trial:
    cells = draw(seed, size, starts=STARTS, grows=8)
    found = difference_in_differences(cells.rate, cells.is_on.astype(float), **cells.panel)
    return _trial(found.effect, cells.truth)


def _imputation(seed: int, size: float) -> Trial:
    cells = draw(seed, size, starts=STARTS, grows=8)
    return _trial(staggered_imputation(*cells.staggered).overall, cells.truth)


def _group_time(seed: int, size: float) -> Trial:
    cells = draw(seed, size, starts=STARTS, grows=8)
    return _trial(callaway_santanna(*cells.staggered).simple, cells.truth)


def _event(seed: int, size: float) -> Trial:
    cells = draw(seed, size, grows=4)
    found = event_study(cells.rate, cells.is_treated.astype(float), event_time=cells.quarter - ONSET, **cells.panel)
    return _trial(found.average_after, cells.truth)


def _spline(seed: int, size: float) -> Trial:
    """The effect grows by as much each quarter, from zero at the boundary of quarters that is the knot."""
    last = QUARTERS - ONSET
    cells = draw(seed, size, grows=last)
    slope = size / last
    # Drawn as at the end of quarters; half a quarter less is as at their middles, which are the times.
    found = comparative_interrupted_time_series(
        cells.rate - slope / 2 * cells.is_on,
        cells.is_treated.astype(float),
        unit=cells.practice,
        time=cells.quarter + 0.5,
        knot=float(ONSET),
    )
    return _trial(found.effect, slope)


def _alone(seed: int, size: float) -> Trial:
    """The treated without the others: shocks that all practices share in a quarter are not in its error."""
    cells = draw(seed, size)
    mine = cells.is_treated
    found = interrupted_time_series(
        cells.rate[mine], unit=cells.practice[mine], window=cells.quarter[mine], onset=ONSET
    )
    return _trial(found.average, cells.truth)


def _triple(seed: int, size: float) -> Trial:
    """A shock moves both conditions of the treated: difference in differences would take it for the effect."""
    paid, other = draw(seed, size, shared=0.2), draw(seed + 1_000_000, 0.0, shared=0.2)
    both = {name: np.concatenate([getattr(one, name) for one in (paid, other)]) for name in ("rate", "is_treated")}
    condition = np.repeat([0, 1], len(paid.rate))
    treatment = np.concatenate([paid.is_on, np.zeros(len(other.rate), dtype=bool)]).astype(float)
    found = triple_difference(
        both["rate"],
        treatment,
        unit=np.tile(paid.practice, 2),
        period=np.tile(paid.quarter, 2),
        condition=condition,
        group=both["is_treated"],
    )
    return _trial(found.effect, paid.truth)


def _counts(seed: int, size: float) -> Trial:
    """Half the practices at a dose; the effect is the logarithm of a ratio of rates."""
    cells = draw(seed, 0.0)
    random = np.random.default_rng(seed + 2_000_000)
    ratio = 1 + size / RATE
    # Thinning: an admission without the program happens with it with this chance.
    kept = random.binomial(cells.admissions, np.where(cells.is_on, ratio, 1.0))
    columns = {"dose": cells.is_treated.astype(float), "after": cells.is_on.astype(float)}
    columns |= {f"quarter {at}": (cells.quarter == at).astype(float) for at in range(1, QUARTERS)}
    found = count_model(kept, columns, time_at_risk=cells.months, clusters=cells.practice)
    return _trial(found.inference.estimate("after"), float(np.log(ratio)))


def _jump(seed: int, size: float) -> Trial:
    random = np.random.default_rng(seed)
    score = 2 * random.beta(2, 4, 1_000) - 1
    rate = RATE + 0.5 * np.sin(3 * score) + size * (score >= -0.2) + 0.3 * random.normal(size=1_000)
    return _trial(regression_discontinuity(rate, score, -0.2).robust, size)


def _few(seed: int, size: float) -> Any:
    cells = draw(seed, 3 * size, practices=40, treated=3)
    return cells, difference_in_differences(cells.rate, cells.is_on.astype(float), **cells.panel)


def _few_clustered(seed: int, size: float) -> Trial:
    cells, found = _few(seed, size)
    return _trial(found.effect, cells.truth)


def _few_wild(seed: int, size: float) -> Trial:
    cells, found = _few(seed, size)
    booted = wild_bootstrap(found.fit, TREATMENT, cells.practice, seed=seed, draws=399)
    return _trial(booted.estimate, cells.truth)


def _few_permuted(seed: int, size: float) -> Trial:
    cells, found = _few(seed, size)
    after = (cells.quarter >= ONSET).astype(float)
    tested = permutation(found.fit, TREATMENT, cells.practice, after, seed=seed, draws=399)
    nan = float("nan")
    return Trial(tested.estimate, nan, nan, nan, tested.p_value, cells.truth)


def _synthetic(seed: int, size: float) -> Trial:
    cells = draw(seed, 3 * size, practices=40, treated=1)
    return _trial(synthetic_control(*cells.staggered).effect, cells.truth)


def _synthetic_difference(seed: int, size: float) -> Trial:
    cells = draw(seed, 3 * size, practices=40, treated=3)
    found = synthetic_difference_in_differences(*cells.staggered, draws=60, seed=seed)
    return _trial(found.effect, cells.truth)


ESTIMATORS: dict[str, Callable[[int, float], Trial]] = {
    "difference in differences": _did,
    "event study, mean after": _event,
    "triple difference, with a shock": _triple,
    "comparative series, slope": _spline,
    "treated alone: interrupted series": _alone,
    "two-way fixed effects, staggered": _two_way,
    "imputation, staggered": _imputation,
    "Callaway-Sant'Anna, staggered": _group_time,
    "counts, log of rate ratio": _counts,
    "regression discontinuity": _jump,
    "3 treated of 40: clustered error": _few_clustered,
    "3 treated of 40: wild bootstrap": _few_wild,
    "3 treated of 40: permutation": _few_permuted,
    "3 treated of 40: synthetic DiD": _synthetic_difference,
    "1 treated of 40: synthetic control": _synthetic,
}
