"""A band that holds several estimates at once, by a multiplier bootstrap of their influences."""

from __future__ import annotations

import numpy as np

from openvbp.estimators.arrays import Floats
from openvbp.estimators.estimate import LEVEL

_DRAWS_AT_ONCE = 200


def uniform_band(influence: Floats, draws: int, seed: int, level: float = LEVEL) -> float:
    """Multiple of the standard errors within which all effects lie at once.

    Parameters
    ----------
    influence
        Of clusters on estimates (clusters × estimates); columns without variance do not count.
    draws, seed
        Of Rademacher multipliers.
    level
        Of the band.
    """
    errors = np.sqrt((influence**2).sum(axis=0))
    columns = influence[:, errors > 0] / errors[errors > 0]
    generator = np.random.default_rng(seed)
    largest = []
    for start in range(0, draws, _DRAWS_AT_ONCE):
        size = min(_DRAWS_AT_ONCE, draws - start), influence.shape[0]
        signs = generator.integers(0, 2, size=size).astype(np.float64) * 2 - 1
        largest.append(np.abs(signs @ columns).max(axis=1))
    return float(np.quantile(np.concatenate(largest), level))
