"""The tables of a fitted model: a row per provider, a row per term; and cohorts combined."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import ndtr, ndtri

from openvbp.errors import InputDataError, Problem
from openvbp.outcome_models.bootstrap import classes
from openvbp.outcome_models.fitting import Fit
from openvbp.outcome_models.rows import Floats
from openvbp.outcome_models.standardization import combine_cohorts, observed_to_expected, standardized_rates

PROVIDERS, COEFFICIENTS, MODEL = "providers.parquet", "coefficients.parquet", "model.json"
_DECIMALS = 9
"""Written numbers are rounded to these: the digits beyond depend on the order in which a machine adds."""


def rounded(value: float) -> float:
    """Round a number as it is written."""
    return round(float(value), _DECIMALS)


def provider_table(
    fitted: Fit, limits: tuple[Floats, Floats], above: Floats, *, level: float, minimum_cases: int, is_adverse: bool
) -> pa.Table:
    """Give a row per provider: counts, ratio and rate with limits, class, effect, reliability, observed over expected.

    Parameters
    ----------
    fitted
        The model.
    limits
        Of the ratio of each provider (J).
    above
        Probability that the ratio is above 1 (J).
    level
        Of the limits of observed over expected events.
    minimum_cases, is_adverse
        See :func:`openvbp.outcome_models.bootstrap.classes`.
    """
    rates = standardized_rates(fitted)
    cases, observed = fitted.design.cases, fitted.design.observed
    poisson = observed_to_expected(observed, rates.expected, level)
    named = classes(*limits, cases, minimum_cases=minimum_cases, is_adverse=is_adverse)
    numbers = {
        "observed_rate": observed / cases,
        "predicted": rates.predicted,
        "expected": rates.expected,
        "ratio": rates.ratio,
        "ratio_low": limits[0],
        "ratio_high": limits[1],
        "standardized_rate": rates.rate,
        "standardized_rate_low": limits[0] * rates.overall_rate,
        "standardized_rate_high": limits[1] * rates.overall_rate,
        "probability_above_one": above,
        "effect": fitted.effects,
        "effect_variance": fitted.effect_variance,
        "reliability": fitted.reliability,
        "observed_to_expected": poisson.ratio,
        "observed_to_expected_exact_low": poisson.exact[0],
        "observed_to_expected_exact_high": poisson.exact[1],
        "observed_to_expected_mid_p_low": poisson.mid_p[0],
        "observed_to_expected_mid_p_high": poisson.mid_p[1],
    }
    table = pa.table(
        {
            "provider_id": list(fitted.providers),
            "cases": cases,
            "observed": observed.astype(np.int64),
            "class": named,
            **{name: _written(values) for name, values in numbers.items()},
        }
    )
    return table.sort_by("provider_id")


def coefficient_table(fitted: Fit, level: float) -> pa.Table:
    """Give a row per term: estimate, standard error, test, and odds ratio with limits."""
    errors, values = fitted.standard_errors, fitted.coefficients
    reach = float(ndtri((1 + level) / 2)) * errors
    numbers = {
        "estimate": values,
        "standard_error": errors,
        "z": values / errors,
        "p_value": 2 * ndtr(-np.abs(values / errors)),
        "odds_ratio": np.exp(values),
        "odds_ratio_low": np.exp(values - reach),
        "odds_ratio_high": np.exp(values + reach),
    }
    return pa.table({"term": list(fitted.terms), **{name: _written(one) for name, one in numbers.items()}})


def _written(values: Floats) -> pa.Array:
    return pa.array(np.round(values, _DECIMALS), from_pandas=True)


def combine_folders(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Combine fitted cohorts into one ratio and rate for each provider, as the hospital-wide measures do.

    Parameters
    ----------
    folders
        Written by :func:`openvbp.outcome_models.run.fit_file`, one per cohort.

    Returns
    -------
    Rows with provider_id, cohorts, cases, ratio, and standardized_rate: ratio times the observed rate of all cohorts.

    Raises
    ------
    InputDataError
        If a folder holds no model, or a provider of one has no cases.
    """
    cohorts, events, rows = [], 0, 0
    for folder in folders:
        try:
            summary = json.loads((folder / MODEL).read_text(encoding="utf-8"))
            table = pq.read_table(folder / PROVIDERS, columns=["provider_id", "cases", "ratio"])
        except (OSError, ValueError):
            what_to_do = "give folders written by openvbp outcomes fit"
            raise InputDataError(Problem("not a fitted model", str(folder), what_to_do)) from None
        cohorts.append({one["provider_id"]: (one["cases"], one["ratio"]) for one in table.to_pylist()})
        events, rows = events + summary["events"], rows + summary["rows_accepted"]
    return [
        {
            "provider_id": one.provider_id,
            "cohorts": one.cohorts,
            "cases": one.cases,
            "ratio": rounded(one.ratio),
            "standardized_rate": rounded(one.ratio * events / rows),
        }
        for one in combine_cohorts(cohorts)
    ]
