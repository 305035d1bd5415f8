"""Gaming of exclusions: do providers who missed a threshold leave out more patients in the next period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from openvbp.diagnosis.put_back import left_out
from openvbp.diagnosis.runs import Runs, denominators
from openvbp.diagnosis.section import CannotBeMadeError, Section, number
from openvbp.errors import OpenvbpError
from openvbp.estimators.cluster_robust import cluster_robust
from openvbp.estimators.estimate import Estimate
from openvbp.estimators.least_squares import least_squares
from openvbp.estimators.regression_discontinuity import regression_discontinuity

LARGE = 50
"""Patients in the denominator of the period before, for the estimate without small denominators."""
FEW_LEFT_OUT = 0.10
"""Measures of which the median provider leaves out less: there a register is nearly the measure's population."""


@dataclass(frozen=True)
class Pairs:
    """Provider × measure in two periods that follow each other; arrays of one length."""

    provider: np.ndarray
    measure_period: np.ndarray
    """Measure and the later period, as one name."""
    share: np.ndarray
    """Percent of the population left out in the later period."""
    distance: np.ndarray
    """Percentage points from the upper threshold in the earlier one; below zero it was missed."""
    denominator: np.ndarray
    """In the earlier one."""

    def take(self, chosen: np.ndarray) -> Pairs:
        """Keep rows."""
        return Pairs(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def pairs_of(runs: Runs) -> Pairs:
    """Bring together periods that follow each other.

    Raises
    ------
    CannotBeMadeError
        If the runs do not tell who was left out, no two periods follow each other, or no provider has a measure with a
        threshold in both.
    """
    denominators(runs.last)
    if not runs.following():
        raise CannotBeMadeError("there is no run of the period before: give runs of two periods that follow each other")
    years = [
        (left_out(denominators(before)), left_out(denominators(after)), after.record["period"])
        for before, after in runs.following()
    ]
    return pairs_between(years)


def pairs_between(years: Sequence[tuple[dict[str, np.ndarray], dict[str, np.ndarray], str]]) -> Pairs:
    """Bring together two periods that follow each other, several times.

    Parameters
    ----------
    years
        Rows of the earlier and of the later period (:func:`openvbp.diagnosis.put_back.left_out`), and its name.

    Raises
    ------
    CannotBeMadeError
        If no provider has a measure with a threshold in both.
    """
    parts: list[tuple[Any, ...]] = []
    for earlier, later, period in years:
        rates = _earlier_rates(earlier)
        for at, key in enumerate(zip(later["provider_id"], later["measure_id"], strict=True)):
            if key in rates:
                share = 100 * (1 - later["denominator"][at] / later["population"][at])
                parts.append((key[0], f"{key[1]} {period}", share, *rates[key]))
    if not parts:
        raise CannotBeMadeError("no provider has a measure with a threshold in two periods that follow each other")
    names, measures, *values = zip(*parts, strict=True)
    return Pairs(np.array(names, str), np.array(measures, str), *(np.array(one, float) for one in values))


def _earlier_rates(rows: dict[str, np.ndarray]) -> dict[tuple[str, str], tuple[float, float]]:
    """Provider and measure to distance from the threshold and denominator."""
    # Who stands on the threshold has reached it: the last digits of floats do not decide.
    distance = np.round(100 * (rows["numerator"] / rows["denominator"] - rows["upper"]), 9)
    distance = np.where(rows["lower"] > rows["upper"], -distance, distance)
    keys = zip(rows["provider_id"], rows["measure_id"], strict=True)
    return {
        key: (float(far), float(size))
        for key, far, size in zip(keys, distance, rows["denominator"], strict=True)
        if not np.isnan(far)
    }


def missed_effect(pairs: Pairs) -> Estimate:
    """Estimate by how many percentage points more is left out after a missed threshold.

    Fixed effects of provider and of measure × period: compared are a provider's own measures, each against all others'
    in the same year. Errors are clustered by provider (CR1).

    Raises
    ------
    InputDataError
        If nothing can be estimated: one provider only, or nobody, or everybody, missed a threshold.
    """
    _names, provider = np.unique(pairs.provider, return_inverse=True)
    _measures, measure = np.unique(pairs.measure_period, return_inverse=True)
    missed = (pairs.distance < 0).astype(float)
    fit = least_squares(pairs.share, {"missed": missed}, fixed_effects=[provider, measure])
    return cluster_robust(fit, provider).estimate("missed")


def jump_at_threshold(pairs: Pairs) -> Estimate:
    """Estimate the same from providers just below and just above the threshold.

    Regression discontinuity in the distance from the threshold, corrected for bias, clustered by provider. Shares are
    taken about the mean of their measure and period.

    Raises
    ------
    InputDataError
        If a side has too few rows.
    """
    _names, provider = np.unique(pairs.provider, return_inverse=True)
    _measures, measure = np.unique(pairs.measure_period, return_inverse=True)
    about_mean = pairs.share - (np.bincount(measure, pairs.share) / np.bincount(measure))[measure]
    # The cutoff belongs to those who reached it; turned around, the jump is that of a missed threshold.
    found = regression_discontinuity(about_mean, -pairs.distance, 0.0, cutoff_belongs_right=False, cluster=provider)
    return found.robust


def _variants(pairs: Pairs) -> list[tuple[str, Pairs]]:
    names, at = np.unique(pairs.measure_period, return_inverse=True)
    median = np.array([np.median(pairs.share[at == place]) for place in range(len(names))])
    nearly_whole = median[at] < 100 * FEW_LEFT_OUT
    return [
        ("all measures", pairs),
        (f"at least {LARGE} patients in the period before", pairs.take(pairs.denominator >= LARGE)),
        ("measures of which the median provider leaves out less than 10 %", pairs.take(nearly_whole)),
    ]


def exclusions(runs: Runs) -> Section:
    """Estimate the effect of a missed threshold on exclusions in the next period, in several ways."""
    pairs = pairs_of(runs)
    rows = []
    for words, chosen in _variants(pairs):
        for method, estimate in (("fixed effects", missed_effect), ("jump at the threshold", jump_at_threshold)):
            row: dict[str, Any] = {"estimate_of": words, "method": method}
            try:
                row |= _row(estimate(chosen)) | {"missed": int((chosen.distance < 0).sum())}
            except OpenvbpError as error:
                row["why_not"] = error.problems[0].what
            rows.append(row)
    if all("why_not" in row for row in rows):
        raise CannotBeMadeError(rows[0]["why_not"])
    return Section("exclusions", _findings(rows), {"estimates": rows})


def _row(found: Estimate) -> dict[str, Any]:
    return {
        "percentage_points": found.estimate,
        "standard_error": found.standard_error,
        "low": found.low,
        "high": found.high,
        "observations": found.observations,
        "providers": found.clusters,
        "minimum_detectable_effect": found.minimum_detectable_effect,
    }


def _findings(rows: list[dict[str, Any]]) -> list[str]:
    made = [row for row in rows if "why_not" not in row]
    sentences = [
        f"After a missed threshold providers leave out {number(row['percentage_points'])} percentage points more "
        f"(95 % interval {number(row['low'])} to {number(row['high'])}; {row['observations']:,} provider × measure × "
        f"years; {row['method']}; {row['estimate_of']})."
        for row in made
    ]
    above, below = sum(row["low"] > 0 for row in made), sum(row["high"] < 0 for row in made)
    if above == len(made):
        return ["Providers leave out more patients after a missed threshold, by every estimate.", *sentences]
    if below == len(made):
        return ["Providers leave out fewer patients after a missed threshold, by every estimate.", *sentences]
    return [
        f"There is no clear answer: of {len(made)} estimates {above} are above zero beyond chance, {below} below.",
        *sentences,
    ]
