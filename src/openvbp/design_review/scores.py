"""What a run's measures tell of a design: cases, reliability, and whether there is anything left to win."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow.compute as pc

from openvbp.design_review.aspect import Aspect, CannotBeSeenError, Evidence, Finding, Severity
from openvbp.design_review.design import Design
from openvbp.design_review.words import percent
from openvbp.parameters import ACTUAL
from openvbp.profiling.reliability import between_variance, cases_needed, signal_to_noise

LOW, RELIABLE = 0.4, 0.7
"""Reliability below which a profile is flagged, and from which it is called reliable."""
WIDE = 0.15
"""Half of a 95 % interval of a rate, as a share: wider tells hardly anything."""
_LEAST_PROVIDERS = 30
_Z = 1.959964
_FAR = 3.0
"""Standard deviations of the spread that chance alone makes."""


@dataclass(frozen=True)
class MeasureScores:
    """Rates of one measure of a run."""

    measure_id: str
    domain_id: str
    rate: np.ndarray
    cases: np.ndarray
    """Not a number where the run does not know them."""
    points: np.ndarray
    is_declared_shrunken: bool = False

    @property
    def is_share(self) -> bool:
        """Whether rates are shares of whole cases."""
        known = self.cases[~np.isnan(self.cases)]
        return bool(len(known) and (known == np.round(known)).all() and self.rate.min() >= 0 and self.rate.max() <= 1)

    @property
    def is_of_predicted(self) -> bool:
        """Whether rates are events over predicted ones, which are no whole numbers."""
        known = self.cases[~np.isnan(self.cases)]
        return bool(len(known) and (known != np.round(known)).any() and self.rate.min() >= 0)

    @property
    def is_high_better(self) -> bool | None:
        """Whether more points go to higher rates; none where points do not tell."""
        known = ~np.isnan(self.points)
        if known.sum() < _LEAST_PROVIDERS or not (np.ptp(self.points[known]) and np.ptp(self.rate[known])):
            return None
        return bool(np.corrcoef(self.rate[known], self.points[known])[0, 1] > 0)

    @cached_property
    def _totals(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Observed and expected events and information of each provider; none where chance is not known."""
        known = (self.cases > 0) & ~np.isnan(self.rate)
        if known.sum() < _LEAST_PROVIDERS or not (self.is_share or self.is_of_predicted):
            return None
        cases, observed = self.cases[known], self.rate[known] * self.cases[known]
        overall = observed.sum() / cases.sum()
        if overall <= 0 or (self.is_share and overall >= 1):
            return None
        expected = cases * overall
        return observed, expected, expected * (1 - overall) if self.is_share else expected

    @property
    def is_shrunken(self) -> bool:
        """Whether rates are known to be shrunken, or differ less than chance alone would make them."""
        if self.is_declared_shrunken or self._totals is None:
            return self.is_declared_shrunken
        observed, expected, information = self._totals
        spread = float(((observed - expected) ** 2 / information).sum())
        freedom = len(observed) - 1
        return spread < freedom - _FAR * math.sqrt(2 * freedom)

    @cached_property
    def between(self) -> float | None:
        """Variance of true differences between providers; none where it cannot be told."""
        return None if self._totals is None or self.is_shrunken else between_variance(*self._totals)

    @cached_property
    def reliability(self) -> np.ndarray | None:
        """Of each provider: signal to noise; none where it cannot be told."""
        if self._totals is None or self.between is None:
            return None
        return signal_to_noise(self.between, self._totals[2])

    @property
    def needed(self) -> float:
        """Cases from which on a provider's rate is reliable; infinite where providers do not differ."""
        if self._totals is None or self.between is None:
            return math.nan
        return cases_needed(RELIABLE, self.between, float(self._totals[2].sum() / np.nansum(self.cases)))


def measures_of(design: Design) -> list[MeasureScores]:
    """Scored measures of the design's run.

    Raises
    ------
    CannotBeSeenError
        If there is no run, or it has no measures of several providers.
    """
    if design.run is None:
        raise CannotBeSeenError("give --run, a finished run of the program, or --data")
    if "measure_result" not in design.run.tables:
        raise CannotBeSeenError(f"a run of {design.program_id} has no measures")
    rows = design.run.read("measure_result", scenario_id=ACTUAL)
    found, shrunken = [], tuple(design.construction.shrunken if design.construction else ())
    for name in sorted(set(rows["measure_id"].to_pylist())):
        mine = rows.filter(pc.and_(pc.equal(rows["measure_id"], name), pc.is_valid(rows["rate"])))
        if mine.num_rows >= _LEAST_PROVIDERS:
            rate, cases, points = (
                mine[one].cast("float64").to_numpy(zero_copy_only=False) for one in ("rate", "denominator", "points")
            )
            found.append(
                MeasureScores(name, mine["domain_id"][0].as_py() or "", rate, cases, points, name.startswith(shrunken))
            )
    if not found:
        raise CannotBeSeenError(f"the run has no measure with {_LEAST_PROVIDERS} providers or more")
    return found


def small_denominators(design: Design) -> Aspect:
    """Hold the least number of cases of each measure against what a rate of so few cases tells."""
    least = _minimum_cases(design)
    if not least:
        raise CannotBeSeenError("the terms do not say how many cases a measure needs")
    rates, needed = _of_run(design)
    rows = []
    for name, (number, evidence) in least.items():
        rate = rates.get(name, 0.5)
        rows.append(
            {
                "measure": name,
                "least_cases": number,
                "rate_share": rate,
                "half_interval_share": _Z * math.sqrt(rate * (1 - rate) / max(number, 1)),
                "cases_for_reliability": needed.get(name),
                "evidence": evidence,
            }
        )
    wide = [one for one in rows if not one["half_interval_share"] < WIDE]
    severity: Severity = "serious" if 2 * len(wide) >= len(rows) else "caution" if wide else "fine"
    numbers = sorted({one["least_cases"] for one in rows})
    span = " to ".join(f"{one:,.0f}" for one in dict.fromkeys((numbers[0], numbers[-1])))
    worst = max(rows, key=lambda one: one["half_interval_share"])
    text = (
        f"{len(wide):,} of {len(rows):,} measures may be scored on so few cases that the 95 % interval of "
        f"the rate is ± {100 * WIDE:.0f} points or wider; the least are {span} cases (± {100 * worst['half_interval_share']:.0f} points with "
        f"{worst['least_cases']:,.0f})."
    )
    places = list({(one["evidence"].cite, one["evidence"].value): one["evidence"] for one in rows}.values())
    findings = [Finding(severity, text, places[:6])]
    known = [one for one in rows if one["cases_for_reliability"] is not None]
    short = [one for one in known if one["least_cases"] < one["cases_for_reliability"]]
    if known:
        text = (
            f"For a reliability of {RELIABLE} the data ask for more cases than the terms in {len(short):,} of "
            f"{len(known):,} measures."
        )
        findings.append(Finding("caution" if short else "fine", text))
    table = [{key: value for key, value in one.items() if key != "evidence"} for one in rows]
    return Aspect("small-denominators", findings, {"Least cases": table})


def _of_run(design: Design) -> tuple[dict[str, float], dict[str, float | None]]:
    """By measure: mean rate where it is a share, and cases for a reliable one; nothing without a run."""
    try:
        found = measures_of(design)
    except CannotBeSeenError:
        return {}, {}
    rates = {one.measure_id: float(np.nanmean(one.rate)) for one in found if one.is_share}
    needed = {one.measure_id: round(one.needed, 1) for one in found if math.isfinite(one.needed)}
    return rates, dict(needed)


def _minimum_cases(design: Design) -> dict[str, tuple[float, Evidence]]:
    if design.contract is not None:
        name = "measure_minimum_denominator"
    else:
        name = design.construction.minimum_cases if design.construction else ""
    if not name or name not in design.terms.parameters:
        return {}
    values = design.terms.keyed(name)
    # A minimum below three is one of predicted events, not of cases.
    kept = {
        key: float(one)
        for key, one in values.items()
        if float(one) > 2 or design.contract is not None
        if not key or not design.measures or key in design.measures
    }
    return {key or "every measure": (one, design.evidence(name, key)) for key, one in kept.items()}


def reliability(design: Design) -> Aspect:
    """Say how much of the difference between providers is theirs: τ² ÷ (τ² + 1/s), by measure (Adams 2009)."""
    known = [(one, one.reliability) for one in measures_of(design)]
    rows = [
        {
            "measure": one.measure_id,
            "providers": len(found),
            "median_cases": float(np.nanmedian(one.cases)),
            "median_reliability": float(np.median(found)),
            "reliable_share": float((found >= RELIABLE).mean()),
        }
        for one, found in known
        if found is not None
    ]
    if not rows:
        raise CannotBeSeenError(
            "no measure of the run has rates that are counts over known cases, neither shrunken nor smoothed: without "
            "them chance is not known (files of cases can be added to --data)"
        )
    low = [one for one in rows if one["median_reliability"] < LOW]
    middle = float(np.median([one["median_reliability"] for one in rows]))
    severity: Severity = "serious" if 2 * len(low) >= len(rows) else "caution" if middle < RELIABLE else "fine"
    reached = float(np.median([one["reliable_share"] for one in rows]))
    text = (
        f"In {len(low):,} of {len(rows):,} measures the median provider's reliability is below {LOW}; over "
        f"measures the median is {middle:.2f}. In the median measure {percent(reached)} of the providers reach "
        f"{RELIABLE}."
    )
    findings = [
        Finding(
            severity,
            text,
            [Evidence("results/measure_result", "rates and cases of the run", "J. L. Adams, RAND TR-653 (2009)")],
        )
    ]
    smooth = [one.measure_id for one, _found in known if one.is_shrunken]
    if smooth:
        text = f"Left out are {', '.join(smooth)}: their rates are shrunken, or differ less than chance makes."
        findings.append(Finding("caution", text))
    others = len(known) - len(rows) - len(smooth)
    if others:
        findings.append(Finding("fine", f"{others:,} further measures have no cases, or rates that are no counts."))
    return Aspect("reliability", findings, {"Reliability by measure": rows})


def topped_out(design: Design) -> Aspect:
    """Apply CMS's criteria: the 75th and 90th percentile within two standard errors, truncated variation below 0.10."""
    rows = [
        {"measure": one.measure_id, **topped_out_facts(one.rate, is_high_better=one.is_high_better)}
        for one in measures_of(design)
    ]
    found = [str(one["measure"]) for one in rows if one["is_topped_out"]]
    severity: Severity = "serious" if 2 * len(found) >= len(rows) else "caution" if found else "fine"
    cite = "81 FR 77282-77287 (42 CFR 414.1305), as in Hospital VBP; the coefficient without the best and worst 5 %"
    names = f": {', '.join(found[:8])}{', ...' if len(found) > 8 else ''}" if found else ""
    text = f"{len(found):,} of {len(rows):,} measures are topped out{names}."
    return Aspect(
        "topped-out",
        [
            Finding(
                severity,
                text,
                [Evidence("criteria", "75th v 90th percentile, truncated CV < 0.10", cite, unverified=True)],
            )
        ],
        {"Spread of the rates": rows},
    )


def topped_out_facts(rates: Sequence[float] | np.ndarray, *, is_high_better: bool | None = None) -> Mapping[str, Any]:
    """Say whether a measure is topped out.

    Parameters
    ----------
    rates
        Of the providers.
    is_high_better
        Which end is the better one; where that is not known, the one with the narrower gap.

    Returns
    -------
    ``providers``, ``better_quarter``, ``better_tenth`` (percentiles), ``standard_errors_apart``, ``truncated_cv``,
    ``is_topped_out``. The standard error is taken to be that of the mean over providers: the rule does not say.

    Source: 81 FR 77282 and 77286, notes 25 and 26.
    """
    values = np.sort(np.asarray(rates, float))
    error = float(values.std(ddof=1) / math.sqrt(len(values)))
    cut = round(0.05 * len(values))
    kept = values[cut : len(values) - cut]
    mean = float(kept.mean())
    variation = float(kept.std(ddof=1) / abs(mean)) if mean else math.inf
    both = {True: (0.75, 0.90), False: (0.25, 0.10)}
    chosen = both.values() if is_high_better is None else [both[is_high_better]]
    ends = [tuple(np.quantile(values, one)) for one in chosen]
    quarter, tenth = min(ends, key=lambda one: abs(one[1] - one[0]))
    apart = abs(float(tenth - quarter)) / error if error else 0.0
    return {
        "providers": len(values),
        "better_quarter": float(quarter),
        "better_tenth": float(tenth),
        "standard_errors_apart": apart,
        "truncated_cv": variation,
        "is_topped_out": bool(apart < 2 and variation < 0.10),
    }
