"""Bunching at thresholds: providers with exactly as many patients as are needed, against those one short.

Rates of whole patients stand on a lattice: of 120 patients 84 are 70 percent and 83 are 69.2. A histogram of rates has
holes and heaps whatever providers do, so patients are counted here, not percents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LEAST_DENOMINATOR = 100
HIGHEST_THRESHOLD = 0.97
_FIRST, _LAST = -12, 15
_FITTED = np.r_[-12:-4, 6:16]
_BELOW, _ABOVE = np.arange(-4, 0), np.arange(4)
PLACEBO_SHIFTS = (-12, -10, -8, -6, -5, -4, 4, 5, 6, 8)
"""Percentage points from the threshold to cuts at which nothing is to be gained."""
LEAST_DISTANCE = 20
"""Patients between a placebo cut and the threshold: then the threshold and those who answer to it lie outside."""
LEAST_ROWS = 200
"""Fewer rows give no line."""


@dataclass(frozen=True)
class Counts:
    """Providers' measures that have a threshold; arrays of one length."""

    provider: np.ndarray
    numerator: np.ndarray
    """Whole patients."""
    denominator: np.ndarray
    threshold: np.ndarray
    """Rate from which everything is paid, 0 to 1."""

    def __len__(self) -> int:
        return len(self.numerator)

    def take(self, chosen: np.ndarray) -> Counts:
        """Keep rows."""
        return Counts(self.provider[chosen], self.numerator[chosen], self.denominator[chosen], self.threshold[chosen])


def eligible(counts: Counts) -> Counts:
    """Keep rows with at least 100 patients and a threshold below 97 percent.

    In small denominators one patient is more than the threshold's neighbourhood; at high ones there is no room above.
    """
    return counts.take((counts.denominator >= LEAST_DENOMINATOR) & (counts.threshold < HIGHEST_THRESHOLD))


def patients_needed(threshold: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Fewest patients that reach a threshold: ⌈h d⌉; a product that is whole but for rounding is that number.

    Examples
    --------
    >>> patients_needed(np.array([0.7, 0.7]), np.array([120.0, 121.0])).tolist()
    [84, 85]
    """
    return np.ceil(threshold * denominator - 1e-9).astype(int)


def bunching(counts: Counts, *, replications: int = 500, seed: int = 1, level: float = 0.95) -> dict[str, Any]:
    """Count providers by patients above what is needed, and compare with a smooth line through those farther away.

    Parameters
    ----------
    counts
        Provider × measure (× period), as of :func:`eligible`.
    replications, seed, level
        Of the bootstrap over providers, whose measures and years stay together.

    Returns
    -------
    ``rows``; ``one_short`` and ``exactly_enough`` (rows with one patient less than needed, and with just as many),
    their ``ratio`` and the ``fitted_ratio`` of the line; ``excess``: rows with 0 to 3 patients more than needed, over
    the line; ``missing``: rows with 1 to 4 less, over the line (1 is as expected); each with ``_low`` and ``_high``.
    ``histogram``: patients above the need to observed and fitted rows.

    Source: the line is a cubic fitted on −12 to −5 and 6 to 15, as in H. J. Kleven, Annual Review of Economics 8
    (2016), 435-464; here on patients instead of a continuous score.
    """
    away = counts.numerator.astype(int) - patients_needed(counts.threshold, counts.denominator)
    near = (away >= _FIRST) & (away <= _LAST)
    _names, provider = np.unique(counts.provider, return_inverse=True)
    by_provider = np.zeros((provider.max(initial=-1) + 1, _LAST - _FIRST + 1))
    np.add.at(by_provider, (provider[near], away[near] - _FIRST), 1)
    observed = by_provider.sum(axis=0)
    found = {"rows": len(counts), "providers": len(by_provider), **_figures(observed)}
    generator = np.random.default_rng(seed)
    weights = generator.multinomial(len(by_provider), np.full(len(by_provider), 1 / len(by_provider)), replications)
    drawn = [_figures(one) for one in weights @ by_provider]
    for name in ("ratio", "excess", "missing"):
        known = [one[name] for one in drawn if np.isfinite(one[name])]
        limits = np.quantile(known, [(1 - level) / 2, (1 + level) / 2]) if known else (np.nan, np.nan)
        found |= {f"{name}_low": float(limits[0]), f"{name}_high": float(limits[1])}
    line = _line(observed)
    found["histogram"] = [
        {"patients_above_need": at, "observed": int(observed[at - _FIRST]), "fitted": float(line[at - _FIRST])}
        for at in range(_FIRST, _LAST + 1)
    ]
    return found


def is_determined(found: Mapping[str, Any]) -> bool:
    """Whether there are enough counts around a cut for all figures."""
    return all(np.isfinite(found[name]) for name in ("ratio", "fitted_ratio", "excess", "missing"))


def _line(observed: np.ndarray) -> np.ndarray:
    """The cubic through the rows away from the threshold, at every number of patients."""
    coefficients = np.polyfit(_FITTED, observed[_FITTED - _FIRST], 3)
    return np.polyval(coefficients, np.arange(_FIRST, _LAST + 1))


def _figures(observed: np.ndarray) -> dict[str, Any]:
    line = _line(observed)

    def over(part: np.ndarray) -> float:
        fitted = line[part - _FIRST].sum()
        return float(observed[part - _FIRST].sum() / fitted) if fitted > 0 else np.nan

    short, enough = observed[-1 - _FIRST], observed[-_FIRST]
    below, at = line[-1 - _FIRST], line[-_FIRST]
    return {
        "one_short": int(short),
        "exactly_enough": int(enough),
        "ratio": float(enough / short) if short else np.nan,
        "fitted_ratio": float(at / below) if below > 0 else np.nan,
        "excess": over(_ABOVE),
        "missing": over(_BELOW),
    }


def placebo(counts: Counts, shifts: Sequence[int] = PLACEBO_SHIFTS) -> list[dict[str, Any]]:
    """Look for bunching where nothing is to be gained.

    Parameters
    ----------
    counts
        As of :func:`eligible`.
    shifts
        Percentage points from the threshold. Only rows count whose true need is at least 20 patients away, so that no
        one who answers to the threshold is near the placebo.

    Returns
    -------
    One row per shift with enough rows near the cut, as of :func:`bunching`, without the histogram.
    """
    listed = []
    for shift in shifts:
        moved = counts.threshold + shift / 100
        distance = np.abs(
            patients_needed(moved, counts.denominator) - patients_needed(counts.threshold, counts.denominator)
        )
        chosen = (distance >= LEAST_DISTANCE) & (moved > 0) & (moved < HIGHEST_THRESHOLD)
        taken = counts.take(chosen)
        shifted = Counts(taken.provider, taken.numerator, taken.denominator, moved[chosen])
        if len(shifted) >= LEAST_ROWS:
            found = bunching(shifted)
            del found["histogram"]
            if is_determined(found):
                listed.append({"shift": shift, **found})
    return listed
