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
from openvbp.claims.checks import ClaimsCheck, check_claims
from openvbp.claims.tables import open_claims
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


@pytest.mark.spark
def test_spark_finds_the_same(duckdb_engine: Engine, spark_engine: Engine, tmp_path: Path) -> None:
    # Few small tables: Spark compiles every query anew, and a wide one takes seconds.
    made = clean_folder(persons=4).only("eligibility", "attestation")
    members, attestations = made.tables["eligibility"], made.tables["attestation"]
    members[2]["birth_date"] = None
    members += [dict(members[1]), dict(members[3], enrollment_start_date=date(2023, 5, 1))]
    attestations += [
        {"person_id": "P1", "npi": "1234567894", "start_date": date(2023, 1, 1)},
        {"person_id": "P9", "npi": None, "start_date": date(2023, 1, 1)},
    ]
    here, there = (check(engine, made, tmp_path / engine.name) for engine in (duckdb_engine, spark_engine))
    assert {one.defect.defect_id for one in here.findings} >= {
        "missing_value",
        "duplicate_identical",
        "enrollment_overlap",
        "npi_check_digit",
        "person_not_enrolled",
    }
    assert there.findings == here.findings
    assert there.rows == here.rows
