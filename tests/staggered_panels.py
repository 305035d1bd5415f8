"""Small panels with known effects, for tests of designs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Panel:
    """Rows."""

    outcome: Array
    unit: Array
    period: Array
    first_treated: Array
    effect: Array
    """True effect of each row; zero where untreated."""
    weights: Array

    @property
    def arrays(self) -> tuple[Array, Array, Array, Array]:
        return self.outcome, self.unit, self.period, self.first_treated

    def rows(self, keep: Array) -> Panel:
        return Panel(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))

    def with_outcome(self, outcome: Array) -> Panel:
        return replace(self, outcome=outcome)

    @property
    def frame(self) -> pd.DataFrame:
        """With 0 for never treated, as other programs want it."""
        first = np.where(np.isinf(self.first_treated), 0, self.first_treated).astype(int)
        columns = {"y": self.outcome, "unit": self.unit, "period": self.period, "first": first, "w": self.weights}
        return pd.DataFrame(columns)


def staggered(
    units: int = 120,
    periods: int = 10,
    *,
    seed: int = 1,
    cohorts: tuple[float, ...] = (3, 5, 8, np.inf),
    holes: float = 0.0,
    noise: float = 0.5,
    growth: float = -0.05,
) -> Panel:
    """Cohorts whose effects grow with time; weights differ between units."""
    random = np.random.default_rng(seed)
    first = random.choice(cohorts, units)
    first[: len(cohorts)] = cohorts
    unit, period = np.repeat(np.arange(units), periods), np.tile(np.arange(periods), units)
    since = period - first[unit]
    effect = np.where(since >= 0, -0.1 + growth * np.where(np.isfinite(since), since, 0), 0.0)
    own = random.normal(size=units)[unit] + 0.3 * period + noise * random.normal(size=unit.size)
    panel = Panel(own + effect, unit, period, first[unit], effect, random.uniform(1, 5, units)[unit])
    return panel.rows(random.random(unit.size) >= holes)


def block(
    units: int = 31, periods: int = 17, before: int = 10, treated: int = 1, *, effect: float = -2.0, seed: int = 0
) -> Panel:
    """Treated units that start together, on two common factors."""
    random = np.random.default_rng(seed)
    factors = np.cumsum(random.normal(size=(periods, 2)), axis=0)
    loads = random.uniform(0, 1, (units, 2))
    table = 10 + loads @ factors.T + random.normal(size=(units, 1)) + 0.3 * random.normal(size=(units, periods))
    on = (np.arange(units)[:, None] < treated) & (np.arange(periods) >= before)
    unit, period = np.divmod(np.arange(units * periods), periods)
    first = np.where(unit < treated, float(before), np.inf)
    return Panel((table + effect * on).ravel(), unit, period, first, (effect * on).ravel(), np.ones(unit.size))
