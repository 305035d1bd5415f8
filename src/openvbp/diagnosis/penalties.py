"""Persistence and noise of penalties: who is penalised again, and how many of the worst are not truly so."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from openvbp.diagnosis.runs import Runs, payments, results
from openvbp.diagnosis.section import CannotBeMadeError, Section, percent
from openvbp.parameters import ACTUAL
from openvbp.profiling.posterior import from_totals, worst_share_probability
from openvbp.profiling.reliability import between_variance, signal_to_noise
from openvbp.run_folder import RunFolder

LOSES, LOWEST = "penalised", "in the lowest quarter of scores"
"""Whose payment is below zero; and, where nobody's is or none is known, whose score is in the lowest quarter."""
WORST_SHARE = 0.25
RELIABLE = 0.7
_LEAST_PROVIDERS = 30
_MOST_PAIRS = 4
_INTERVALS = "payment_interval"


def penalised(run: RunFolder, component: str, scenario: str = ACTUAL) -> tuple[str, dict[str, bool]]:
    """Say who is penalised.

    Parameters
    ----------
    run
        A finished run.
    component
        Payment component that is the money; empty where the program pays nothing.
    scenario
        Of the run.

    Returns
    -------
    What it means (:data:`LOSES`, or :data:`LOWEST` where no provider's payment is known or nobody loses), and provider
    to whether it is so; providers without a payment, or without a score, are left out.
    """
    if component:
        lost = {
            provider: (row["rate"] if row["rate"] is not None else row["amount"]) < 0
            for provider, row in payments(run, component, scenario).items()
            if row["rate"] is not None or row["amount"] is not None
        }
        if any(lost.values()):
            return LOSES, lost
    rows = results(run, "provider_result", scenario).select(["provider_id", "score"]).to_pylist()
    scores = {row["provider_id"]: float(row["score"]) for row in rows if row["score"] is not None}
    if not scores:
        raise CannotBeMadeError(f"no provider has a payment or a score in {run.record['period']}")
    edge = float(np.quantile(list(scores.values()), WORST_SHARE))
    return LOWEST, {provider: score <= edge for provider, score in scores.items()}


def transitions(states: Mapping[str, Mapping[str, bool]]) -> list[dict[str, Any]]:
    """Follow providers from each period to each later one.

    Parameters
    ----------
    states
        Period, in order, to provider to whether it is penalised.

    Returns
    -------
    One row per pair of periods and state before: ``providers`` in both, ``penalised_after`` (how many), ``share``, with
    Wilson's 95 % interval; ``chance``, the share if penalties fell by lot; ``left``: providers not in the later period.
    """
    listed = []
    for before, after in itertools.combinations(states, 2):
        for state in (True, False):
            mine = [one for one, is_so in states[before].items() if is_so == state]
            both = [one for one in mine if one in states[after]]
            again = sum(states[after][one] for one in both)
            low, high = wilson(again, len(both))
            listed.append(
                {
                    "before": before,
                    "after": after,
                    "is_penalised_before": state,
                    "providers": len(both),
                    "penalised_after": again,
                    "share": again / len(both) if both else None,
                    "low": low,
                    "high": high,
                    "chance": sum(states[after].values()) / len(states[after]),
                    "left": len(mine) - len(both),
                }
            )
    return listed


def wilson(events: int, cases: int) -> tuple[float | None, float | None]:
    """Wilson's 95 % interval of a share; none of no case.

    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927), 209-212.
    """
    if not cases:
        return None, None
    z, share = 1.959964, events / cases
    middle = (share + z * z / (2 * cases)) / (1 + z * z / cases)
    reach = z / (1 + z * z / cases) * math.sqrt(share * (1 - share) / cases + z * z / (4 * cases * cases))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def from_draws(run: RunFolder, component: str) -> dict[str, Any] | None:
    """Say how many penalties are wrong, by the run's draws of true rates; none where it has no draws.

    Returns
    -------
    ``penalised``: providers that lose money and have draws; ``not_truly``: the mean probability that, at their true
    rates, they would not; ``unsure``: how many of them have one above one half.
    """
    if _INTERVALS not in run.tables:
        return None
    rows = run.read(_INTERVALS, scenario_id=ACTUAL, component_id=component).to_pylist()
    taken = [
        float(row["probability_taken"])
        for row in rows
        if row["probability_taken"] is not None and (row["amount"] if row["rate"] is None else row["rate"]) < 0
    ]
    if not taken:
        return None
    return {
        "penalised": len(taken),
        "not_truly": float(np.mean([1 - one for one in taken])),
        "unsure": sum(one < 0.5 for one in taken),
    }


def worst_quarters(run: RunFolder) -> list[dict[str, Any]]:
    """Say for each measure with counts how many of its worst quarter are truly in it.

    Observed and expected events give each provider's log ratio; how providers truly differ is estimated from the spread
    beyond chance (Paule and Mandel), and shrunken ratios are drawn (:mod:`openvbp.profiling.posterior`).

    Returns
    -------
    One row per measure with 30 providers or more: ``providers``, ``median_cases``, ``median_reliability``,
    ``reliable_share`` (reliability of at least 0.7), ``flagged`` (the worst quarter as observed), ``not_truly`` (mean
    probability that one of these is not in the true worst quarter; by lot 0.75), ``worse``: high or low rates.
    """
    rows = results(run, "measure_result")
    listed = []
    for measure in sorted(set(rows["measure_id"].to_pylist())):
        chosen = rows.filter(pa.compute.equal(rows["measure_id"], measure))  # type: ignore[attr-defined]
        found = _worst_quarter(chosen)
        if found:
            listed.append({"period": run.record["period"], "measure_id": measure, **found})
    return listed


def _worst_quarter(rows: pa.Table) -> dict[str, Any] | None:
    names = ("numerator", "denominator", "expected", "rate", "threshold", "benchmark")
    value = {name: rows[name].cast(pa.float64()).to_numpy() for name in names}
    with np.errstate(invalid="ignore", divide="ignore"):
        # Only rates that are counts over cases, or over expected events, have the variance that is taken here.
        known = (value["denominator"] > 0) & (value["numerator"] >= 0)
        known &= np.abs(value["numerator"] / value["denominator"] - value["rate"]) < 1e-9
    if known.sum() < _LEAST_PROVIDERS:
        return None
    span = value["benchmark"] - value["threshold"]
    is_high_worse = not (np.isfinite(span).any() and np.nanmedian(span) > 0)
    observed, cases = value["numerator"][known], value["denominator"][known]
    events, information = _expected(observed, cases, value["expected"][known])
    if events is None:
        return None
    if not is_high_worse:
        # Of a share the cases that miss are counted: few, so that their ratio has a meaning.
        observed, events = cases - observed, cases - events
    reliability = signal_to_noise(between_variance(observed, events, information), information)
    worst = worst_share_probability(from_totals(observed, events, information, reliability), share=WORST_SHARE)
    number = max(1, round(WORST_SHARE * len(events)))
    flagged = np.argsort(-(observed / events), kind="stable")[:number]
    return {
        "worse": "high" if is_high_worse else "low",
        "providers": int(known.sum()),
        "median_cases": float(np.median(cases)),
        "median_reliability": float(np.median(reliability)),
        "reliable_share": float((reliability >= RELIABLE).mean()),
        "flagged": number,
        "not_truly": float(1 - worst[flagged].mean()),
    }


def _expected(
    observed: np.ndarray, cases: np.ndarray, expected: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """Expected events and their variance; none where nobody, or everybody, has an event.

    Cases that are no whole numbers are events as predicted (infections), whose counts vary as Poisson's.
    """
    is_share = bool((cases == np.round(cases)).all() and (observed <= cases).all())
    if not is_share:
        return (cases, cases) if observed.sum() > 0 else (None, None)
    overall = observed.sum() / cases.sum()
    if not 0 < overall < 1:
        return None, None
    risk = np.clip(np.where(np.isnan(expected), overall, expected), 1e-6, 1 - 1e-6)
    return cases * risk, cases * risk * (1 - risk)


def penalties(runs: Runs) -> Section:
    """Follow penalties from period to period, and say how many are noise."""
    found = {run.record["period"]: penalised(run, runs.component) for run in runs.folders}
    meanings = sorted({words for words, _states in found.values()})
    if len(meanings) > 1:
        # Payments known in some years only: scores are known in all.
        found = {run.record["period"]: penalised(run, "") for run in runs.folders}
    words = next(iter(found.values()))[0]
    states = {period: state for period, (_words, state) in found.items()}
    moves = transitions(states)
    draws = [
        {"period": run.record["period"], **one}
        for run in runs.folders
        if (one := from_draws(run, runs.component)) is not None
    ]
    try:
        quarters = worst_quarters(runs.last)
    except CannotBeMadeError:
        quarters = []
    if not (moves or draws or quarters):
        raise CannotBeMadeError(
            "one run tells neither who is penalised again nor what is noise: give runs of further periods, or a run "
            "with draws of its rates (openvbp draws, openvbp run --draws)"
        )
    counts = [
        {"period": period, "providers": len(state), "penalised": sum(state.values()), "meaning": words}
        for period, state in states.items()
    ]
    tables = {"periods": counts, "transitions": moves, "draws": draws, "worst_quarters": quarters}
    return Section("penalties", _findings(words, moves, draws, quarters), tables)


def _findings(
    words: str, moves: list[dict[str, Any]], draws: list[dict[str, Any]], quarters: list[dict[str, Any]]
) -> list[str]:
    sentences = []
    pairs = list(zip(moves[::2], moves[1::2], strict=True))
    for one, other in pairs[:_MOST_PAIRS]:
        sentences.append(
            f"Of {one['providers']:,} providers {words} in {one['before']}, {percent(one['share'])} are again in "
            f"{one['after']} ({percent(one['low'])} to {percent(one['high'])}); of the others "
            f"{percent(other['share'])}. By lot it would be {percent(one['chance'])} of both."
        )
    if len(pairs) > _MOST_PAIRS:
        sentences.append(f"{len(pairs) - _MOST_PAIRS:,} further pairs of periods are in the table.")
    for one in draws:
        sentences.append(
            f"{one['period']}: {percent(one['not_truly'])} of {one['penalised']:,} penalties would not be there at the "
            f"true rates, by the run's draws; of {one['unsure']:,} providers that is likelier than not."
        )
    if quarters:
        shares = [one["not_truly"] for one in quarters]
        sentences.append(
            f"Of the worst quarter of providers in a measure {percent(min(shares))} to {percent(max(shares))} are not "
            f"truly in it (median of {len(quarters):,} measures {percent(float(np.median(shares)))}; by lot it would "
            f"be {percent(1 - WORST_SHARE)})."
        )
    if not moves:
        sentences.append(f"With runs of further periods it would be seen who is again {words}.")
    return sentences
