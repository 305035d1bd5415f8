"""What the people of an area are exposed to: achievement of their providers, weighted by where they are registered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import Floats, checked_codes, checked_weights


@dataclass(frozen=True)
class SpatialExposure:
    """Exposure of each area."""

    exposure: Floats
    """Σ_p w_ap x_p / Σ_p w_ap over providers whose achievement is known (areas); nan where none is."""
    covered: Floats
    """Share of the area's weight with providers whose achievement is known (areas)."""


def spatial_exposure(
    area: ArrayLike, provider: ArrayLike, weight: ArrayLike, achievement: ArrayLike
) -> SpatialExposure:
    """Carry achievement from providers to areas (as Kontopantelis and others, BMJ 2015).

    Parameters
    ----------
    area, provider
        Whole numbers from 0, one pair per entry of the weight matrix (e), all areas occurring.
    weight
        Persons of the area registered with the provider (e), above zero.
    achievement
        Of each provider, by its number (p); nan where unknown: it does not count as zero.

    Raises
    ------
    InputDataError
        If a provider has no place in ``achievement``, an area does not occur, weights are not above zero, or
        achievement is known of none.
    """
    areas, count = checked_codes(area, "area")
    if count != int(np.asarray(area).max()) + 1 or int(np.asarray(area).min()) < 0:
        raise InputDataError(Problem("areas are not numbered from 0 without gaps", "area", "number them anew"))
    weights = checked_weights(weight, len(areas))
    values, providers = np.asarray(achievement, dtype=np.float64), np.asarray(provider)
    if len(providers) != len(areas) or providers.min() < 0 or providers.max() >= len(values):
        what = f"providers go from {providers.min()} to {providers.max()}; achievement is of {len(values):,} providers"
        raise InputDataError(Problem(what, "provider", "give one place per provider, nan where it is unknown"))
    found = values[providers]
    known = np.isfinite(found)
    if not known.any():
        raise InputDataError(Problem("no achievement is known", "achievement", "look how providers were matched"))
    total = np.bincount(areas, weights, count)
    counted = np.bincount(areas, weights * known, count)
    summed = np.bincount(areas, weights * np.where(known, found, 0), count)
    exposure = np.full(count, np.nan)
    np.divide(summed, counted, out=exposure, where=counted > 0)
    return SpatialExposure(exposure, counted / total)
