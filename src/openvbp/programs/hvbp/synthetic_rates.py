"""Rates of hospitals that do not exist: a hidden quality, case volumes, and what chance makes of them.

Every hospital has one true quality per period, in standard deviations. A measure's true rate depends on it as
closely as ``quality_correlation`` in ``synthetic_measures.csv`` says; the observed rate adds the chance of the
hospital's own number of cases. Every part has its own random numbers, keyed with the seed and its name, so that
a measure keeps its rates whatever other measures a year has.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_SIZE_CORRELATION = 0.9
"""How closely a measure's cases follow the hospital's size."""
_SPECIFIC_CHANGE = 0.3
_SURVEY_LOSS = 0.4
"""How much lower the survey is, in standard deviations, per standard deviation of the dual-eligible share."""
_NOISE_OF_ONE_CASE = {"index": 1.0, "shrunken_index": 8.0}
"""Standard deviation of the logarithm of an index that rests on one case."""


@dataclass(frozen=True)
class MeasureModel:
    """How a measure varies among hospitals."""

    measure_id: str
    model: str
    """``proportion``, ``survey``, ``index`` or ``infection_ratio``; ``shrunken_...``: pulled to the average."""
    average: float
    spread: float
    """Standard deviation of the true rate between hospitals, of its log-odds or, for ratios, of its logarithm."""
    quality_correlation: float
    median_cases: float
    cases_spread: float

    @property
    def is_proportion(self) -> bool:
        """Whether the rate is a share of cases."""
        return self.model in ("proportion", "shrunken_proportion", "survey")

    @property
    def counts_infections(self) -> bool:
        """Whether the cases are predicted infections, which have decimals."""
        return self.model == "infection_ratio"


@dataclass(frozen=True)
class Hospitals:
    """What is true of every hospital; arrays have one entry per hospital."""

    size: Floats
    """Standard normal."""
    dual_eligible_ratio: Floats
    true_quality: tuple[Floats, Floats]
    """In the baseline and in the performance period; standard normal in the baseline period."""


@dataclass(frozen=True)
class ObservedRates:
    """A measure's rates and cases, baseline period first; arrays have one entry per hospital."""

    rates: tuple[Floats, Floats]
    cases: tuple[Floats, Floats]


def measure_models() -> dict[str, MeasureModel]:
    """Read how each measure varies among hospitals, in the order of the published columns."""
    text = files(__package__).joinpath("synthetic_measures.csv").read_text(encoding="utf-8")
    return {
        row["measure_id"]: MeasureModel(
            row["measure_id"],
            row["model"],
            *(float(row[name]) for name in ("average", "spread", "quality_correlation", "median_cases")),
            float(row["cases_spread"]),
        )
        for row in csv.DictReader(text.splitlines())
    }


def random_numbers(seed: int, *names: str) -> np.random.Generator:
    """Random numbers that depend on the seed and the names alone."""
    return np.random.Generator(np.random.PCG64([seed, *"/".join(names).encode()]))


def draw_hospitals(count: int, seed: int) -> Hospitals:
    """Draw hospitals; the same seed gives the same hospitals in every period."""
    random = random_numbers(seed, "hospitals")
    quality = random.standard_normal(count)
    improved = quality + random.normal(0.15, 0.3, count)
    return Hospitals(random.standard_normal(count), random.beta(2, 6, count), (quality, improved))


def case_counts(model: MeasureModel, size: Floats, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw a measure's cases in both periods: larger hospitals have more; infections are predicted ones."""
    services = random.standard_normal(len(size))
    volume = _SIZE_CORRELATION * size + np.sqrt(1 - _SIZE_CORRELATION**2) * services
    baseline = model.median_cases * np.exp(model.cases_spread * volume)
    performance = baseline * np.exp(random.normal(0, 0.15, len(size)))
    decimals = 3 if model.counts_infections else 0
    return np.round(baseline, decimals), np.round(performance, decimals)


def observed_rates(
    model: MeasureModel,
    is_higher_better: bool,  # noqa: FBT001
    all_hospitals: Hospitals,
    cases: tuple[Floats, Floats],
    random: np.random.Generator,
) -> ObservedRates:
    """Draw a measure's rates in both periods; a rate without cases is not a number."""
    count = len(all_hospitals.size)
    specific = random.standard_normal(count)
    specifics = (specific, specific + random.normal(0, _SPECIFIC_CHANGE, count))
    share = model.quality_correlation
    rates = []
    for quality, own, of_period in zip(all_hospitals.true_quality, specifics, cases, strict=True):
        standing = share * quality + np.sqrt(1 - share**2) * own
        if model.model == "survey":
            standing = standing - _SURVEY_LOSS * _standardized(all_hospitals.dual_eligible_ratio)
        true_rates = _true_rates(model, standing if is_higher_better else -standing)
        some = of_period > 0
        observed = _OBSERVE[model.model](model, true_rates, np.where(some, of_period, 1), random)
        rates.append(np.where(some, observed, np.nan))
    return ObservedRates((rates[0], rates[1]), cases)


def _standardized(values: Floats) -> Floats:
    return (values - values.mean()) / values.std()


def _true_rates(model: MeasureModel, standing: Floats) -> Floats:
    if not model.is_proportion:
        return model.average * np.exp(model.spread * standing)
    odds = model.average / (1 - model.average) * np.exp(model.spread * standing)
    return odds / (1 + odds)


def _proportion(_: MeasureModel, true_rates: Floats, cases: Floats, random: np.random.Generator) -> Floats:
    return random.binomial(cases.astype(np.int64), true_rates) / cases


def _shrunken_proportion(model: MeasureModel, true_rates: Floats, cases: Floats, random: np.random.Generator) -> Floats:
    """Pull small hospitals to the average, as risk-standardized rates of a mixed model are."""
    raw = _proportion(model, true_rates, cases, random)
    variance_of_one = model.average * (1 - model.average)
    between = (model.spread * variance_of_one) ** 2
    return model.average + (raw - model.average) * between / (between + variance_of_one / cases)


def _survey(_: MeasureModel, true_rates: Floats, cases: Floats, random: np.random.Generator) -> Floats:
    """Survey rates are adjusted for mode and patients' mix: not multiples of one answer."""
    return np.clip(random.normal(true_rates, np.sqrt(true_rates * (1 - true_rates) / cases)), 0, 1)


def _infection_ratio(_: MeasureModel, true_rates: Floats, predicted: Floats, random: np.random.Generator) -> Floats:
    return random.poisson(predicted * true_rates) / predicted


def _index(model: MeasureModel, true_rates: Floats, cases: Floats, random: np.random.Generator) -> Floats:
    return true_rates * np.exp(random.normal(0, _NOISE_OF_ONE_CASE[model.model] / np.sqrt(cases)))


def _shrunken_index(model: MeasureModel, true_rates: Floats, cases: Floats, random: np.random.Generator) -> Floats:
    departure = np.log(_index(model, true_rates, cases, random) / model.average)
    between = model.spread**2
    noise = _NOISE_OF_ONE_CASE[model.model] ** 2 / cases
    return model.average * np.exp(departure * between / (between + noise))


_OBSERVE: Mapping[str, Callable[[MeasureModel, Floats, Floats, np.random.Generator], Floats]] = {
    "proportion": _proportion,
    "shrunken_proportion": _shrunken_proportion,
    "survey": _survey,
    "infection_ratio": _infection_ratio,
    "index": _index,
    "shrunken_index": _shrunken_index,
}
