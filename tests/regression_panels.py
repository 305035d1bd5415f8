"""Made-up patients of hospitals over quarters, and pyfixest's answer on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray


@dataclass(frozen=True)
class Patients:
    """One row per patient."""

    outcome: Array
    treatment: Array
    treated: Array
    unit: Array
    period: Array
    condition: Array
    age: Array
    weight: Array

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "y": self.outcome,
                "d": self.treatment,
                "treated": self.treated,
                "unit": self.unit,
                "period": self.period,
                "condition": self.condition,
                "age": self.age,
                "w": self.weight,
                "unit_condition": self.unit * 10 + self.condition,
                "condition_period": self.condition * 100 + self.period,
                "group_period": (self.treated * 100).astype(int) + self.period,
            }
        )


def patients(
    seed: int = 1,
    *,
    units: int = 40,
    periods: int = 8,
    conditions: int = 2,
    each: int = 4,
    effect: float = -0.3,
    incentivised: tuple[int, ...] | None = None,
) -> Patients:
    """A third of the units is treated from the middle on; a tenth of the rows is missing, so nothing is balanced."""
    random = np.random.default_rng(seed)
    grid = np.indices((units, periods, conditions, each)).reshape(4, -1)
    unit, period, condition = grid[:3, random.random(grid.shape[1]) < 0.9]
    treated = (unit < units // 3).astype(float)
    treatment = treated * (period >= periods // 2)
    if incentivised is not None:
        treatment = treatment * np.isin(condition, incentivised)
    age = random.normal(75, 8, len(unit)) + unit * 0.05
    shocks = random.normal(0, 0.3, (units, periods))[unit, period]
    outcome = random.normal(0, 1, units)[unit] + 0.1 * period + 0.02 * age + effect * treatment + shocks
    outcome += random.normal(0, 1, len(unit))
    return Patients(outcome, treatment, treated, unit, period, condition, age, random.uniform(0.5, 2, len(unit)))


def pyfixest_fit(left: str, fixed_effects: tuple[str, ...], frame: pd.DataFrame, *, cluster: str, weights: str | None):
    """Fit by pyfixest, singletons kept, with names of fixed effects that it holds in the order of the formula.

    Version 0.60 holds them in an order that changes with the seed of Python's hashes, and takes them for the order of
    the formula when it looks which are nested in clusters.
    """
    import pyfixest
    from pyfixest.demeaners import MapDemeaner

    for attempt in range(50):
        names = {name: f"{name}_{attempt}" for name in fixed_effects}
        model = pyfixest.feols(
            f"{left} | {' + '.join(names.values())}",
            frame.assign(**{new: frame[name] for name, new in names.items()}),
            vcov={"CRV1": cluster},
            weights=weights,
            fixef_rm="none",
            demeaner=MapDemeaner(fixef_tol=1e-13),
        )
        if [f"__fixed_effect__({name})" for name in names.values()] == list(model._fe.columns):
            return model
    raise AssertionError("pyfixest never held fixed effects in the order of the formula")
