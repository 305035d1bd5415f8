"""Patients put back: what achievement and points would be if nobody had been left out of the denominators.

Doran et al., NEJM 355 (2006), 375-384: reported achievement divides by the patients who were not excepted; population
achievement divides by all of them, those left out counting as not met.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from openvbp.audit.points_schedule import PointsRow
from openvbp.audit.threshold_behaviour import is_about_register
from openvbp.diagnosis.runs import Runs, denominators
from openvbp.diagnosis.section import CannotBeMadeError, Section, number, percent
from openvbp.profiling.small_cells import is_small

HIGH_SHARE = 0.15
"""Share left out above which Doran et al. looked closer."""


def left_out(rows: pa.Table) -> dict[str, np.ndarray]:
    """Provider × measure with the patients to whom the measure applied, left out or not.

    Parameters
    ----------
    rows
        As of :func:`openvbp.diagnosis.runs.denominators`.

    Returns
    -------
    Columns ``provider_id``, ``measure_id``, ``numerator``, ``denominator``, ``population``, ``lower``, ``upper``,
    ``points``. The population is the denominator and its exceptions where these are known; else the register, for
    measures about the whole of it: an upper bound, since a register minus a denominator also holds those to whom the
    measure never applied. A register below the denominator (dates differ) leaves nobody out.

    Raises
    ------
    CannotBeMadeError
        If there is no such measure.
    """
    column = {
        name: np.array(rows[name].to_pylist(), dtype=object) if name.endswith("_id") else rows[name].to_numpy()
        for name in rows.column_names
    }
    known = (column["denominator"] > 0) & ~np.isnan(column["numerator"])
    is_given = known & ~np.isnan(column["exceptions"])
    candidate = known & ~is_given & (column["register"] > 0)
    for measure in np.unique(column["measure_id"][candidate].astype(str)):
        of_measure = candidate & (column["measure_id"] == measure)
        pairs = zip(column["denominator"][of_measure], column["register"][of_measure], strict=True)
        if not is_about_register([PointsRow("", 0, int(d), Decimal(0), int(r)) for d, r in pairs]):
            candidate &= ~of_measure
    population = np.where(
        is_given,
        column["denominator"] + column["exceptions"],
        np.maximum(column["register"], column["denominator"]),
    )
    chosen = is_given | candidate
    if not chosen.any():
        raise CannotBeMadeError("no measure has exceptions, or is about a whole register")
    kept = ("provider_id", "measure_id", "numerator", "denominator", "lower", "upper", "points")
    return {name: column[name][chosen] for name in kept} | {
        "population": population[chosen],
        "is_given": is_given[chosen],
    }


def _points(rows: dict[str, np.ndarray], whole: np.ndarray) -> np.ndarray:
    """Points by the schedule: none up to the lower threshold, all from the upper one; none known without one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (rows["numerator"] / whole - rows["lower"]) / (rows["upper"] - rows["lower"])
    return np.clip(share, 0, 1) * rows["points"]


def by_provider(rows: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Sum up each provider over the measures.

    Returns
    -------
    ``provider_id``, ``measures``; ``denominator``, ``population``, ``left_out_share``; achievement as ``reported`` and
    ``in_population``, each the patients met over all measures; ``points`` by the schedule as reported, and
    ``points_put_back``: the change when everybody is put back, at most zero (none where no schedule is known).
    """
    names, at = np.unique(rows["provider_id"].astype(str), return_inverse=True)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(at, np.nan_to_num(values), len(names))

    met, d, n = total(rows["numerator"]), total(rows["denominator"]), total(rows["population"])
    before, after = _points(rows, rows["denominator"]), _points(rows, rows["population"])
    before_total, change = total(before), total(after - before)
    measures, paid = np.bincount(at, minlength=len(names)), np.bincount(at, ~np.isnan(before), len(names))
    return [
        {
            "provider_id": str(names[place]),
            "measures": int(measures[place]),
            "denominator": int(d[place]),
            "population": int(n[place]),
            "left_out_share": float(1 - d[place] / n[place]),
            "reported": float(met[place] / d[place]),
            "in_population": float(met[place] / n[place]),
            "points": float(before_total[place]) if paid[place] else None,
            "points_put_back": float(change[place]) if paid[place] else None,
        }
        for place in range(len(names))
    ]


def _overall(period: str, rows: dict[str, np.ndarray], providers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    shares = np.array([one["left_out_share"] for one in providers])
    lower, median, upper = np.quantile(shares, [0.25, 0.5, 0.75])
    reported, whole = (np.array([one[name] for one in providers]) for name in ("reported", "in_population"))
    return {
        "period": period,
        "measures": len(set(rows["measure_id"])),
        "providers": len(providers),
        "denominator": int(rows["denominator"].sum()),
        "population": int(rows["population"].sum()),
        "left_out_share": float(1 - rows["denominator"].sum() / rows["population"].sum()),
        "left_out_lower_quartile": float(lower),
        "left_out_median": float(median),
        "left_out_upper_quartile": float(upper),
        "providers_above_15_percent": float((shares > HIGH_SHARE).mean()),
        "median_reported": float(np.median(reported)),
        "median_in_population": float(np.median(whole)),
        "mean_points": _mean([one["points"] for one in providers]),
        "mean_points_put_back": _mean([one["points_put_back"] for one in providers]),
        "is_from_exceptions": bool(rows["is_given"].all()),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and not math.isnan(value)]
    return sum(known) / len(known) if known else None


def by_measure(rows: dict[str, np.ndarray], period: str) -> list[dict[str, Any]]:
    """Sum up each measure over providers: achievement as reported and in the population, points lost by it."""
    before, after = _points(rows, rows["denominator"]), _points(rows, rows["population"])
    listed = []
    for measure in sorted(set(rows["measure_id"])):
        of_measure = rows["measure_id"] == measure
        met, d, n = (rows[name][of_measure].sum() for name in ("numerator", "denominator", "population"))
        listed.append(
            {
                "period": period,
                "measure_id": measure,
                "providers": int(of_measure.sum()),
                "numerator": int(met),
                "denominator": int(d),
                "population": int(n),
                "left_out_share": float(1 - d / n),
                "reported": float(met / d),
                "in_population": float(met / n),
                "mean_points_put_back": _mean((after - before)[of_measure].tolist()),
            }
        )
    return sorted(_withheld(listed), key=lambda one: (-(one["left_out_share"] or 0), one["measure_id"]))


def _withheld(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Withhold what is made of small counts of patients: met, not met, or left out; with one measure a second."""
    small = {
        one["measure_id"]
        for one in rows
        if any(
            is_small(count)
            for count in (
                one["numerator"],
                one["denominator"] - one["numerator"],
                one["population"] - one["denominator"],
            )
        )
    }
    others = sorted((one for one in rows if one["measure_id"] not in small), key=lambda one: one["denominator"])
    if len(small) == 1 and others:
        small.add(others[0]["measure_id"])
    kept = ("period", "measure_id", "providers")
    return [
        {name: value if name in kept else None for name, value in one.items()} if one["measure_id"] in small else one
        for one in rows
    ]


def put_back(runs: Runs) -> Section:
    """Say for each period how many patients were left out, and what is left of achievement and points with them."""
    periods: list[dict[str, Any]] = []
    providers: list[dict[str, Any]] = []
    measures: list[dict[str, Any]] = []
    for run in runs.folders:
        label = run.record["period"]
        rows = left_out(denominators(run))
        mine = by_provider(rows)
        periods.append(_overall(label, rows, mine))
        providers += [{"period": label, **one} for one in mine]
        measures += by_measure(rows, label)
    return Section(
        "put-back",
        [*(_sentence(one) for one in reversed(periods)), _bound(periods)],
        {"periods": periods, "measures": measures},
        {"providers": providers},
    )


def _sentence(one: dict[str, Any]) -> str:
    return (
        f"{one['period']}: {percent(one['left_out_share'])} of the patients of {one['measures']} measures were left "
        f"out (median provider {percent(one['left_out_median'])}, quartiles {percent(one['left_out_lower_quartile'])} "
        f"to {percent(one['left_out_upper_quartile'])}; {percent(one['providers_above_15_percent'])} of providers "
        f"above 15 %). The median provider reports {percent(one['median_reported'])}; with everybody put back it is "
        f"{percent(one['median_in_population'])}{_worth(one)}."
    )


def _worth(one: dict[str, Any]) -> str:
    if one["mean_points"] is None:
        return ""
    change, points = number(one["mean_points_put_back"], 1), number(one["mean_points"], 1)
    return f", and points change by {change} of {points}, mean over providers"


def _bound(periods: Sequence[dict[str, Any]]) -> str:
    if all(one["is_from_exceptions"] for one in periods):
        return "Those left out count as not met, so this is a lower bound of what achievement would have been."
    return (
        "Exceptions are not published, so register minus denominator stands for them: it also holds patients to whom a "
        "measure never applied. Those left out count as not met. Both make this an upper bound of what was gained."
    )
