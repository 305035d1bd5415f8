"""Flags of providers: better, no different or worse, how reliable that is, and how likely it is true."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from openvbp import __version__
from openvbp.engine import Engine, EngineName, cannot_write, open_engine
from openvbp.errors import Problem, UsageError
from openvbp.profiling import posterior as posteriors
from openvbp.profiling.flags_page import render_page
from openvbp.profiling.funnel import METHODS, Clipped, Funnel, Method, classify, fit_funnel, limits, z_scores
from openvbp.profiling.provider_table import Columns, Providers, read_providers
from openvbp.profiling.reliability import beta_binomial, between_variance, cases_needed, signal_to_noise
from openvbp.profiling.social_risk import against_peers, peer_ratios
from openvbp.profiling.tables import open_table


@dataclass(frozen=True)
class Options:
    """What is asked for beside the columns."""

    method: Method = "overdispersed"
    confidence: float = 0.95
    clipped: Clipped = "squares"
    least_reliability: float = 0.4
    """Providers below it are flagged as not reliable; the notion of enough is a choice."""
    between_variance: float | None = None
    """τ² on the logit scale, where a model gives it; estimated from the totals otherwise."""
    is_high_worse: bool = True
    worst_share: float = 0.25
    draws: int = 4000
    seed: int = 1


def flag_providers(
    engine: Engine, table: ir.Table, columns: Columns, options: Options | None = None, where: str = "providers"
) -> dict[str, Any]:
    """Flag the providers of a table.

    Parameters
    ----------
    engine
        Where the table is read.
    table
        One row per provider.
    columns
        Which column is what (:class:`openvbp.profiling.provider_table.Columns`).
    options
        See :class:`Options`.
    where
        For messages.

    Returns
    -------
    ``providers``: one row each, by identifier, with ratio, z, class by every method, limits of the chosen one,
    reliability, shrunken ratio with interval, probabilities of a ratio above 1 and of being among the worst; with peer
    groups the same class against the peers. ``summary``: dispersion, τ², counts of flags; ``decomposition`` with peers.

    Raises
    ------
    UsageError, InputDataError
        If a column is missing, an option cannot be, no row can be used, or there is one provider only.
    """
    asked = options or Options()
    _check(asked)
    found = read_providers(engine, table, columns, where)
    totals = (found.observed, found.expected, found.information)
    tau2 = asked.between_variance if asked.between_variance is not None else between_variance(*totals)
    reliability = signal_to_noise(tau2, found.information)
    funnel = fit_funnel(*totals, asked.confidence, asked.clipped)
    if found.effect is not None and found.variance is not None:
        known = posteriors.from_effects(found.effect, found.variance, found.expected, found.information)
    else:
        known = posteriors.from_totals(*totals, reliability)
    rows = _rows(found, funnel, asked, reliability, known)
    summary = _summary(found, funnel, asked, tau2, reliability, rows)
    result = {
        "openvbp": __version__,
        "data": where,
        "accepted": len(rows),
        "rejected": found.rejected,
        "summary": summary,
        "providers": rows,
    }
    return result | (_against_peers(found, funnel, asked, rows) if found.peer_group else {})


def _check(asked: Options) -> None:
    wrong = []
    if asked.method not in METHODS:
        wrong.append(("--method", f"there is no method '{asked.method}'", "choose one of " + ", ".join(METHODS)))
    if not 0 < asked.confidence < 1:
        wrong.append(("--confidence", f"{asked.confidence} is not a level", "give for example 0.95"))
    if not 0 < asked.least_reliability < 1:
        wrong.append(("--least-reliability", f"{asked.least_reliability} is not a share", "give for example 0.4"))
    if asked.between_variance is not None and asked.between_variance < 0:
        wrong.append(("--between-variance", "a variance is not below 0", "give the model's variance of intercepts"))
    if wrong:
        raise UsageError([Problem(what, where, do) for where, what, do in wrong])


def _words(side: int, asked: Options) -> str:
    if side == 0:
        return "no different"
    return "worse" if (side > 0) == asked.is_high_worse else "better"


def _rows(
    found: Providers, funnel: Funnel, asked: Options, reliability: np.ndarray, known: posteriors.Posterior
) -> list[dict[str, Any]]:
    totals = (found.observed, found.expected, found.information)
    sides = {method: classify(method, funnel, *totals) for method in METHODS}
    z = z_scores(*totals)
    low, high = known.interval(asked.confidence)
    worst = posteriors.worst_share_probability(
        known, share=asked.worst_share, draws=asked.draws, seed=asked.seed, is_high_worse=asked.is_high_worse
    )
    above = known.above_one()
    rows = []
    for at, provider in enumerate(found.provider_id):
        bounds = limits(asked.method, funnel, found.expected[at], found.information[at])
        row: dict[str, Any] = {
            "provider_id": provider,
            "cases": None if found.cases is None else int(found.cases[at]),
            "observed": int(found.observed[at]),
            "expected": float(found.expected[at]),
            "ratio": float(found.observed[at] / found.expected[at]),
            "z": float(z[at]),
            "lower_limit": bounds[0],
            "upper_limit": bounds[1],
            "flag": _words(sides[asked.method][at], asked),
            "reliability": float(reliability[at]),
            "is_reliable": bool(reliability[at] >= asked.least_reliability),
            "shrunken_ratio": math.exp(known.mean[at]),
            "shrunken_lower": float(low[at]),
            "shrunken_upper": float(high[at]),
            "probability_worse": float(above[at] if asked.is_high_worse else 1 - above[at]),
            "probability_among_worst": float(worst[at]),
        }
        rows.append(row | {f"flag_{method}": _words(sides[method][at], asked) for method in METHODS})
    return rows


def _summary(
    found: Providers,
    funnel: Funnel,
    asked: Options,
    tau2: float,
    reliability: np.ndarray,
    rows: list[dict[str, Any]],
) -> dict[str, Any]:
    flags = {
        method: {words: sum(row[f"flag_{method}"] == words for row in rows) for words in ("better", "worse")}
        for method in METHODS
    }
    summary: dict[str, Any] = {
        "method": asked.method,
        "confidence": asked.confidence,
        "is_high_worse": asked.is_high_worse,
        "worst_share": asked.worst_share,
        "draws": asked.draws,
        "seed": asked.seed,
        "information_is_given": found.is_information_given,
        "overall_ratio": float(found.observed.sum() / found.expected.sum()),
        "information_per_event": float(found.information.sum() / found.expected.sum()),
        "dispersion": funnel.dispersion,
        "measured_dispersion": funnel.measured_dispersion,
        "extra_variance": funnel.extra_variance,
        "between_variance": tau2,
        "between_variance_is_given": asked.between_variance is not None,
        "least_reliability": asked.least_reliability,
        "unreliable": int((reliability < asked.least_reliability).sum()),
        "flags": flags,
    }
    if found.cases is not None:
        per_case = float(found.information.sum() / found.cases.sum())
        needed = cases_needed(asked.least_reliability, tau2, per_case)
        summary["cases_needed"] = None if math.isinf(needed) else needed
        rates = beta_binomial(found.observed, found.cases)
        summary["unadjusted"] = None
        if rates is not None:
            summary["unadjusted"] = {
                "alpha": rates.alpha,
                "beta": rates.beta,
                "cases_needed": rates.cases_needed(asked.least_reliability),
            }
            for row, one in zip(rows, rates.reliability(found.cases), strict=True):
                row["unadjusted_reliability"] = float(one)
    return summary


def _against_peers(found: Providers, funnel: Funnel, asked: Options, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Class each provider again, with what its peer group has in common taken out of the expected events."""
    for row, peers in zip(rows, found.peer_group, strict=True):
        row["peer_group"] = peers
    of_peers, variation = peer_ratios(rows)
    # Where no peer has an event there is nothing to be excused.
    own = np.array([one or 1.0 for one in of_peers])
    scaled = (found.observed, found.expected * own, found.information * own)
    again = fit_funnel(*scaled, funnel.confidence, asked.clipped)
    sides = classify(asked.method, again, *scaled)
    for row, one, side in zip(rows, of_peers, sides, strict=True):
        row["ratio_within_peers"] = against_peers(row["ratio"], one)
        row["flag_within_peers"] = _words(int(side), asked)
    changed = sum(row["flag"] != row["flag_within_peers"] for row in rows)
    return {
        "decomposition": {
            "total": variation.total,
            "between": variation.between,
            "within": variation.within,
            "share_between": variation.share_between,
            "peer_groups": len(set(found.peer_group)),
            "flags_changed": changed,
        }
    }


def write_flags(
    *,
    data: Path,
    out: Path,
    columns: Columns | None = None,
    options: Options | None = None,
    engine: EngineName = "duckdb",
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, Any]:
    """Flag the providers of a file, and write what is found.

    Parameters
    ----------
    data
        Parquet or CSV, one row per provider.
    out
        Folder; gets ``flags.parquet`` (one row per provider), ``flags.json`` and ``flags.html``. The page withholds
        counts below 11.
    columns, options
        As of :func:`flag_providers`.
    engine, threads, progress
        Where to compute, and who is told.

    Raises
    ------
    UsageError, InputDataError, MachineError
        As of :func:`flag_providers`, or if a file cannot be written.
    """
    with open_engine(engine, threads) as opened:
        table = open_table(opened, data, "profiling_data")
        found = flag_providers(opened, table, columns or Columns(), options, str(data))
    progress(f"{found['accepted']:,} providers looked at")
    try:
        out.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(found["providers"]), out / "flags.parquet", compression="zstd")
        (out / "flags.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (out / "flags.html").write_text(render_page(found), encoding="utf-8")
    except OSError as error:
        raise cannot_write(out, error) from error
    return found
