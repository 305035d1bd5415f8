"""Whatever is wrong with claims: every row is accepted or rejected, once."""

from __future__ import annotations

import random
import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claims_check_folder import Folder, clean_folder
from openvbp.claims.check_result import ClaimsCheck
from openvbp.claims.checks import check_claims
from openvbp.claims.contract import load_table
from openvbp.claims.defects import Finding
from openvbp.claims.duplicate_rows import find_duplicates
from openvbp.claims.row_checks import amount_checks, checked_table, contract_checks, date_checks, with_checks
from openvbp.claims.tables import open_claims
from openvbp.claims.value_checks import check_values, distinct_values, valued_columns
from openvbp.engine import Engine

WRONG: dict[type, list[Any]] = {
    str: [None, "", "~", "P999", "x"],
    date: [None, date(1800, 1, 1), date(2023, 1, 1), date(2200, 1, 1)],
    int: [None, 2, -1, 70],
    Decimal: [None, Decimal("-1.00"), Decimal("999.00")],
}
COLUMNS = (
    "claim_id",
    "claim_line_number",
    "data_source",
    "claim_type",
    "person_id",
    "payer",
    "plan",
    "claim_start_date",
    "claim_end_date",
    "admission_date",
    "discharge_date",
    "paid_amount",
    "adjustment_type",
    "file_date",
)
FURTHER = ("allowed_amount", "claim_status", "diagnosis_code_type", "diagnosis_code_1", "rendering_npi")


def corrupted(seed: int, damages: int) -> Folder:
    """Put wrong cells, copies and contradicting copies into small clean claims."""
    chance = random.Random(seed)
    made = clean_folder(persons=3).only("eligibility", "medical_claim")
    made.tables["medical_claim"] = [
        {column: row.get(column) for column in COLUMNS} for row in made.tables["medical_claim"]
    ]
    for _ in range(damages):
        rows = made.tables[chance.choice(list(made.tables))]
        row = chance.choice(rows)
        column = chance.choice(list(row))
        if chance.random() < 0.3:
            row = dict(row)
            rows.append(row)
        if chance.random() < 0.7:
            row[column] = chance.choice(WRONG.get(type(row[column]), [None]))
    return made


def check(engine: Engine, made: Folder, folder: Path) -> ClaimsCheck:
    shutil.rmtree(folder, ignore_errors=True)
    return check_claims(engine, open_claims(engine, made.write(folder)))


@settings(
    max_examples=3,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32), damages=st.integers(1, 40))
def test_rows_in_are_rows_accepted_and_rejected(duckdb_engine: Engine, tmp_path: Path, seed: int, damages: int) -> None:
    made = corrupted(seed, damages)
    checked = check(duckdb_engine, made, tmp_path / "claims")
    for name, account in checked.rows.items():
        assert account.read == len(made.tables[name]) == account.accepted + account.rejected
        accepted = duckdb_engine.to_arrow(checked.accepted(name)).to_pylist()
        path = tmp_path / "claims" / "rejected_by_checks" / f"{name}.parquet"
        rejected = pq.read_table(path).to_pylist() if path.exists() else []
        assert len(accepted) == account.accepted
        assert len(rejected) == account.rejected
        assert all(row["reasons"] for row in rejected)
        # Together they are the rows that were put in, with nothing changed.
        columns = list(dict.fromkeys(column for row in made.tables[name] for column in row))
        both = sorted(repr([row[column] for column in columns]) for row in accepted + rejected)
        assert both == sorted(repr([row.get(column) for column in columns]) for row in made.tables[name])


def looked_at(engine: Engine, made: Folder, folder: Path) -> tuple[dict[str, int], list[Finding], bool]:
    """Look at medical claims alone: counts by condition, findings by value, and whether a row is there twice."""
    data = open_claims(engine, made.write(folder))
    declared = load_table("medical_claim")
    typed = checked_table(data.as_read("medical_claim"), declared)
    checks = [*contract_checks(typed, valued_columns(declared)), *date_checks(typed), *amount_checks(typed)]
    judged = with_checks(typed, checks, lambda rows: engine.view(rows, "judged"))
    counts = {
        f"{check.defect_id} {check.column}": judged.rows.count(where=check.is_wrong).fill_null(0)
        for check in judged.checks
    }
    (counted,) = engine.to_arrow(judged.rows.aggregate(**counts)).to_pylist()
    values = distinct_values(engine, {"medical_claim": typed})
    assert values is not None
    found = sorted(check_values(engine, values), key=lambda one: (one.defect.defect_id, one.column))
    twice = find_duplicates(engine, typed, lambda table: table.rows)
    return counted, found, twice is not None


@pytest.mark.spark
def test_spark_finds_the_same(duckdb_engine: Engine, spark_engine: Engine, tmp_path: Path) -> None:
    # Spark compiles every query anew, so pieces of the checks and few columns stand for the whole.
    made = clean_folder(persons=1).only("medical_claim")
    kept = (*load_table("medical_claim").required, *FURTHER)
    made.tables["medical_claim"] = [{column: row[column] for column in kept} for row in made.tables["medical_claim"]]
    first, second, third = made.tables["medical_claim"][:3]
    first.update(plan=None, rendering_npi="1234567894", diagnosis_code_1="e11.9")
    second.update(claim_end_date=date(2001, 1, 1), diagnosis_code_1="4019")
    third.update(allowed_amount=Decimal("-1.00"), claim_status="lost")
    here, there = (looked_at(engine, made, tmp_path / engine.name) for engine in (duckdb_engine, spark_engine))
    assert {name for name, times in here[0].items() if times} == {
        "missing_value plan",
        "claim_dates_reversed claim_start_date, claim_end_date",
        "code_type_out_of_period diagnosis_code_type",
        "negative_amount allowed_amount",
        "code_not_allowed claim_status",
    }
    assert [one.defect.defect_id for one in here[1]] == [
        "code_not_normalized",
        "code_type_mismatch",
        "npi_check_digit",
    ]
    assert not here[2]
    assert there == here
