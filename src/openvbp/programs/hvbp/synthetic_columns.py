"""Synthetic measures as columns of text, in the words and formats of the published files."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from openvbp.programs.hvbp.measures import Measure
from openvbp.programs.hvbp.synthetic_rates import Integers, MeasureModel, ObservedRates

MISSING = "Not Available"
_STANDARDS = ("Floor", "Achievement Threshold", "Benchmark")
_FEWEST_HOSPITALS = 10
"""With fewer hospitals that have enough cases, a measure has no standards."""

Column = tuple[str, list[str]]
"""A column's header and cells."""


def measure_columns(
    measure: Measure, model: MeasureModel, observed: ObservedRates, minimum_cases: float, *, in_performance: bool
) -> list[Column]:
    """Write one measure as published: standards, repeated in every row, then rates.

    A rate is printed where the hospital has enough cases. A measure for which too few hospitals have them has
    neither standards nor rates.

    Parameters
    ----------
    observed
        Rates and cases, one entry per hospital.
    minimum_cases
        Cases below which a hospital's rate is neither printed nor part of the standards.
    in_performance
        Whether the standards are taken in the performance period instead of the baseline period.
    """
    is_survey = measure.is_hcahps_dimension
    decimals = 3 if model.counts_infections else 6
    units = [np.rint(np.nan_to_num(rates) * 10**decimals).astype(np.int64) for rates in observed.rates]
    enough = [(cases >= minimum_cases) & (cases > 0) for cases in observed.cases]
    of_standards = units[in_performance][enough[in_performance]]
    standards = _standards(of_standards, is_higher_better=measure.direction == "higher")
    if is_survey:  # Standards have two decimals fewer than rates.
        standards = {field: (value + 50) // 100 for field, value in standards.items()}
    texts: dict[str, list[str]] = {}
    for field in _STANDARDS if is_survey else _STANDARDS[1:]:
        text = as_text(standards[field], decimals - 2 * is_survey, is_percent=is_survey) if standards else MISSING
        texts[field] = [text] * len(units[0])
    for field, values, shown in zip(("Baseline Rate", "Performance Rate"), units, enough, strict=True):
        texts[field] = [
            as_text(value, decimals, is_percent=is_survey) if show and standards else MISSING
            for value, show in zip(values.tolist(), shown.tolist(), strict=True)
        ]
    name = measure.names_in_files[0].title() if is_survey else measure.measure_id
    return [(f"{name} {field}", cells) for field, cells in texts.items()]


def _standards(rates: Integers, *, is_higher_better: bool) -> dict[str, int]:
    """Lowest rate, median, and mean of the best decile, halves rounded up (42 CFR 412.160)."""
    count = len(rates)
    if count < _FEWEST_HOSPITALS:
        return {}
    ordered = np.sort(rates)
    tenth = (count + 5) // 10
    best = ordered[-tenth:] if is_higher_better else ordered[:tenth]
    median = (int(ordered[(count - 1) // 2]) + int(ordered[count // 2]) + 1) // 2
    benchmark = (2 * int(best.sum()) + tenth) // (2 * tenth)
    return dict(zip(_STANDARDS, (int(ordered[0]), median, benchmark), strict=True))


def as_text(units: int, decimals: int, *, is_percent: bool = False) -> str:
    """Write a whole number of the last decimal place as a decimal, or a ratio as a percentage.

    Examples
    --------
    >>> as_text(774970, 6, is_percent=True)
    '77.4970%'
    """
    if is_percent:
        return f"{Decimal(units).scaleb(2 - decimals):f}%"
    return f"{Decimal(units).scaleb(-decimals):f}"
