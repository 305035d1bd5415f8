"""The claims folder without the rows that are rejected."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from claims_check_folder import clean_folder
from openvbp.claims.check_result import write_accepted
from openvbp.claims.checks import check_claims
from openvbp.claims.tables import open_claims
from openvbp.engine import Engine
from openvbp.errors import InputDataError, UsageError


def test_what_is_left_of_a_folder_can_be_used_as_it_is(duckdb_engine: Engine, tmp_path: Path) -> None:
    made = clean_folder()
    claims = made.tables["medical_claim"]
    rows = len(claims)
    claims.append(dict(claims[0]))  # delivered twice
    claims.append(
        claims[0] | {"claim_id": "backwards", "claim_end_date": claims[0]["claim_start_date"].replace(year=2000)}
    )
    data = open_claims(duckdb_engine, made.write(tmp_path / "claims"))
    checked = check_claims(duckdb_engine, data)
    assert not checked.is_usable_as_it_is
    written = write_accepted(duckdb_engine, data, checked, tmp_path / "accepted")
    assert written["medical_claim"] == rows
    assert pq.read_metadata(tmp_path / "accepted" / "medical_claim.parquet").num_rows == rows
    again = check_claims(duckdb_engine, open_claims(duckdb_engine, tmp_path / "accepted"))
    assert again.is_usable_as_it_is
    assert {name: account.read for name, account in again.rows.items()} == written


def test_a_folder_that_must_not_be_used_is_not_written(duckdb_engine: Engine, tmp_path: Path) -> None:
    made = clean_folder()
    del made.tables["eligibility"]
    data = open_claims(duckdb_engine, made.write(tmp_path / "claims"))
    with pytest.raises(InputDataError):
        write_accepted(duckdb_engine, data, check_claims(duckdb_engine, data), tmp_path / "accepted")
    assert not (tmp_path / "accepted").exists()


def test_the_folder_checked_is_not_replaced(duckdb_engine: Engine, tmp_path: Path) -> None:
    data = open_claims(duckdb_engine, clean_folder().write(tmp_path / "claims"))
    with pytest.raises(UsageError, match="another folder"):
        write_accepted(duckdb_engine, data, check_claims(duckdb_engine, data), data.folder)
