"""Claims folders that cannot be opened, and what is said."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from claims_tables import arrow_rows, write_claims
from openvbp.claims.contract import load_table
from openvbp.claims.tables import open_claims
from openvbp.engine import Engine
from openvbp.errors import InputDataError, UsageError

_SPAN = {"person_id": "ann", "enrollment_start_date": "2024-01-01", "enrollment_end_date": "2024-12-31"}
_HEADER = "person_id,gender,birth_date,enrollment_start_date,enrollment_end_date,payer,plan,data_source"


def _said(engine: Engine, folder: Path, table: str = "eligibility") -> str:
    with pytest.raises(InputDataError) as raised:
        open_claims(engine, folder).table(table)
    return str(raised.value)


def _csv(folder: Path, *rows: str, header: str = _HEADER) -> Path:
    (folder / "eligibility.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return folder


def test_a_folder_without_tables_is_named(duckdb_engine: Engine, tmp_path: Path) -> None:
    assert "holds no table of claims" in _said(duckdb_engine, tmp_path)
    assert "no such folder" in _said(duckdb_engine, tmp_path / "nowhere")


def test_a_table_that_is_not_there_is_named(duckdb_engine: Engine, tmp_path: Path) -> None:
    assert "no table medical_claim" in _said(
        duckdb_engine, write_claims(tmp_path, eligibility=[_SPAN]), "medical_claim"
    )


def test_a_table_that_is_there_twice_is_refused(duckdb_engine: Engine, tmp_path: Path) -> None:
    write_claims(tmp_path, eligibility=[_SPAN])
    assert "more than once" in _said(duckdb_engine, _csv(tmp_path))


def test_columns_are_demanded_and_unknown_ones_refused(duckdb_engine: Engine, tmp_path: Path) -> None:
    said = _said(duckdb_engine, _csv(tmp_path, "1,2", header="person_id,colour"))
    assert "required columns are missing" in said
    assert "birth_date" in said
    assert "colour" in said


def test_cells_of_another_kind_are_counted_and_not_shown(duckdb_engine: Engine, tmp_path: Path) -> None:
    row = "ann,female,1950-06-15,2024-01-01,2024-12-31,medicare,ffs,test"
    wrong = row.replace("1950-06-15", "15 June 1950")
    said = _said(duckdb_engine, _csv(tmp_path, row, wrong, wrong))
    assert "birth_date" in said
    assert "2" in said
    assert "June" not in said


def test_a_ragged_file_is_refused_without_showing_a_row(duckdb_engine: Engine, tmp_path: Path) -> None:
    said = _said(
        duckdb_engine, _csv(tmp_path, "ann,female,1950-06-15,2024-01-01,2024-12-31,medicare,ffs,test,more,cells")
    )
    assert "cannot be read" in said
    assert "1950" not in said


def test_an_empty_table_is_an_error(duckdb_engine: Engine, tmp_path: Path) -> None:
    pq.write_table(arrow_rows("eligibility", [_SPAN]).slice(0, 0), tmp_path / "eligibility.parquet")
    assert "no rows" in _said(duckdb_engine, tmp_path)


def test_a_manifest_that_is_no_json_is_refused(duckdb_engine: Engine, tmp_path: Path) -> None:
    (write_claims(tmp_path, eligibility=[_SPAN]) / "claims.json").write_text("{", encoding="utf-8")
    assert "not JSON" in _said(duckdb_engine, tmp_path)


def test_csv_and_parquet_give_the_same_and_own_columns_pass(duckdb_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    row = "ann,female,1950-06-15,2024-01-01,2024-12-31,medicare,fee for service,test,blue"
    from_csv = open_claims(duckdb_engine, _csv(tmp_path / "a", row, header=_HEADER + ",x_colour")).table("eligibility")
    rows = duckdb_engine.to_arrow(from_csv).to_pylist()
    write_claims(tmp_path / "b", eligibility=[_SPAN])
    from_parquet = open_claims(duckdb_engine, tmp_path / "b").table("eligibility")
    assert rows == [{**one, "x_colour": "blue"} for one in duckdb_engine.to_arrow(from_parquet).to_pylist()]


def test_there_is_no_other_table() -> None:
    with pytest.raises(UsageError, match="medical_claim"):
        load_table("claims")
