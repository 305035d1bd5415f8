"""Readmission and mortality of a generated population against the effects that hospitals truly have on them.

    openvbp generate --members 100000 --out CLAIMS
    .venv/bin/python benchmarks/hospital_measures.py CLAIMS VALUE_SETS

VALUE_SETS is made by ``openvbp measures readmission-value-sets``. Printed are rates, and rank correlations of raw rates
of hospitals with the generator's effects, for hospitals with at least 25 stays. They cannot be 1: chance has its part,
and some who come back would have come anyway. What these two leave possible is printed beside, from rates drawn around
each hospital's true effect; that patients differ between hospitals lowers it further.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from openvbp.claims.synthetic.settings import rows
from openvbp.claims.tables import open_claims
from openvbp.engine import Engine, open_engine
from openvbp.measures.claims_events import events_from_claims
from openvbp.measures.events import Events
from openvbp.measures.gate import demand_value_sets
from openvbp.measures.library import mortality, readmission
from openvbp.measures.measure import Measure
from openvbp.measures.plan import evaluate
from openvbp.measures.rates import Units, rates
from openvbp.measures.value_sets import read_value_sets, shipped_value_sets
from openvbp.periods import parse_any_period

PERIOD = parse_any_period("CY2024")
EFFECTS = {"readmission.hospital_wide": "hospital_readmission", "mortality.hospital_wide": "hospital_mortality"}
FEWEST, DRAWS = 25, 500


def main() -> None:
    """Print all of it."""
    claims, value_sets = map(Path, sys.argv[1:3])
    began = time.process_time()
    with open_engine() as engine:
        found = results(engine, claims, value_sets)
    print(f"{claims}, {PERIOD.label}, {time.process_time() - began:.1f} CPU seconds")
    for row in found:
        if row["unit"] == "all" and row["stratum"] is None:
            print(f"  {row['measure']:50} {row['denominator']:>8,} {row['met']:>7,} {row['rate']:.4f}")
    for measure, some in paired(claims, found).items():
        rate, effect, stays = (np.array(column, float) for column in zip(*some, strict=True))
        possible = attainable(rate, effect, stays, caused(claims, measure))
        print(
            f"{measure}: {len(some)} hospitals, rank correlation with the true effect {correlation(rate, effect):.2f}; "
            f"possible {np.median(possible):.2f} ({np.quantile(possible, 0.05):.2f} to "
            f"{np.quantile(possible, 0.95):.2f})"
        )


def results(engine: Engine, claims: Path, value_sets: Path) -> list[dict[str, Any]]:
    """Rates of readmission and mortality, of all and by hospital."""
    chosen = [one for one in (*readmission.MEASURES, *mortality.MEASURES) if isinstance(one, Measure)]
    measures, sets = demand_value_sets(chosen, {**shipped_value_sets(), **read_value_sets(value_sets)})
    domains = {node.domain for one in measures for node in one.nodes() if isinstance(node, Events)}
    data = events_from_claims(open_claims(engine, claims), domains, None, sets)
    evaluated = evaluate(data, measures, sets, [PERIOD])
    return rates(engine, evaluated, [], [PERIOD], [Units("facility")]).to_pylist()


def paired(claims: Path, found: list[dict[str, Any]]) -> dict[str, list[tuple[float, float, int]]]:
    """Measure to rate, true effect and stays of each hospital."""
    effects = {
        (row["ccn"], row["measure"]): row["effect"]
        for row in pq.read_table(claims / "truth" / "truth_provider_effect").to_pylist()
        if row["ccn"]
    }
    return {
        measure: [
            (float(row["rate"]), effects[row["unit_id"], effect], row["denominator"])
            for row in found
            if row["measure"] == measure and row["unit"] == "facility" and row["stratum"] is None
            if row["denominator"] >= FEWEST and (row["unit_id"], effect) in effects
        ]
        for measure, effect in EFFECTS.items()
    }


def caused(claims: Path, measure: str) -> float:
    """Rate of the outcome that the generator draws by hospital; the rest would have come anyway."""
    settings = json.loads((claims / "claims.json").read_text())["parameters"]["stays"]
    outcome = measure.split(".")[0]
    types = rows("stay_types")
    shares = np.array([row["share"] for row in types])
    return float(settings[outcome] * (shares * [row[outcome] for row in types]).sum() / shares.sum())


def attainable(rate: np.ndarray, effect: np.ndarray, stays: np.ndarray, by_hospital: float) -> np.ndarray:
    """Rank correlations of rates drawn around the true effects, if patients did not differ."""
    rng = np.random.default_rng(1)
    level = (rate * stays).sum() / stays.sum()
    part = min(by_hospital, level)
    chance = np.clip(level - part + part * np.exp(effect), 0, 1)
    drawn = rng.binomial(stays.astype(int), chance, (DRAWS, len(stays))) / stays
    return np.array([correlation(one, effect) for one in drawn])


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Rank correlation."""
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


if __name__ == "__main__":
    main()
