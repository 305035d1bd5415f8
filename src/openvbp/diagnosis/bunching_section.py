"""Bunching at the thresholds of runs, with placebo thresholds, as a section of the report."""

from __future__ import annotations

from typing import Any

from openvbp.diagnosis.bunching import LEAST_ROWS, bunching, eligible, is_determined, placebo
from openvbp.diagnosis.runs import Runs, threshold_counts
from openvbp.diagnosis.section import CannotBeMadeError, Section, number


def bunching_section(runs: Runs) -> Section:
    """Count providers one patient short of a threshold and those with just enough, over all periods.

    Raises
    ------
    CannotBeMadeError
        If no measure has counts and a threshold, or there are too few rows.
    """
    counts = eligible(threshold_counts(runs))
    if len(counts) < LEAST_ROWS or len(set(counts.provider)) < 2:
        raise CannotBeMadeError(
            f"of {len(counts):,} rows denominators are 100 or more and thresholds below 97 %; {LEAST_ROWS} rows of two "
            "providers are needed"
        )
    found = bunching(counts)
    if not is_determined(found):
        raise CannotBeMadeError("too few rows lie near the threshold for a smooth line through the others")
    histogram = found.pop("histogram")
    placebos = placebo(counts)
    tables = {"threshold": [found], "placebo": placebos, "histogram": histogram}
    return Section("bunching", _findings(found, placebos), tables)


def _findings(found: dict[str, Any], placebos: list[dict[str, Any]]) -> list[str]:
    sentences = [
        f"{found['one_short']:,} of {found['rows']:,} provider × measure × periods are one patient short of the "
        f"threshold, {found['exactly_enough']:,} have exactly enough: {_with_limits(found, 'ratio')} times as "
        f"many; without bunching it would be "
        f"{number(found['fitted_ratio'])}.",
        f"Of those expected 1 to 4 patients short {_with_limits(found, 'missing')} are there; of those expected 0 to 3 "
        f"above the need {_with_limits(found, 'excess')}.",
    ]
    if not placebos:
        return [*sentences, "No placebo threshold has enough rows far from the true one."]
    ratios = [one["ratio"] for one in placebos]
    missing = [one["missing"] for one in placebos]
    is_there = found["ratio_low"] > max(ratios) and found["missing_high"] < min(missing)
    verdict = (
        "none of them shows what the threshold shows" if is_there else "the threshold does not stand out from them"
    )
    return [
        *sentences,
        f"At {len(placebos)} placebo thresholds the ratio is {number(min(ratios))} to {number(max(ratios))}, and "
        f"{number(min(missing))} to {number(max(missing))} of those expected just below are there: {verdict}.",
    ]


def _with_limits(found: dict[str, Any], name: str) -> str:
    return f"{number(found[name])} ({number(found[f'{name}_low'])} to {number(found[f'{name}_high'])})"
