"""Marketplace risk scores as a person asks for them: from claims, what is printed and written."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
from typer.testing import CliRunner

from claims_tables import arrow_rows
from hhs_tables import write_tables
from openvbp.cli import app
from openvbp.errors import InputDataError


def test_command_scores_by_metal_level_and_says_whom_it_left_out(tmp_path: Path) -> None:
    claims, out = tmp_path / "claims", tmp_path / "out"
    claims.mkdir()
    span = {"enrollment_start_date": date(2025, 1, 1), "enrollment_end_date": date(2025, 12, 31), "csr_indicator": "1"}
    persons = [
        {"person_id": "A", "birth_date": date(1995, 6, 1), "gender": "female", "metal_level": "Silver"},
        # 31 days: one month; the birthday after the last day does not count: 20, a child.
        {
            "person_id": "B",
            "birth_date": date(2004, 3, 1),
            "gender": "female",
            "metal_level": "gold",
            "enrollment_end_date": date(2025, 1, 31),
        },
        {
            "person_id": "C",
            "birth_date": date(1990, 1, 1),
            "gender": "male",
            "metal_level": "silver",
            "csr_indicator": "9",
        },
        {"person_id": "D", "birth_date": date(1990, 1, 1), "gender": "male"},
    ]
    days = {"claim_start_date": date(2025, 5, 1), "claim_end_date": date(2025, 5, 1)}
    visits = [
        {"claim_id": "1", "person_id": "A", "diagnosis_code_1": "B20", "hcpcs_code": "99213"},
        {
            "claim_id": "2",
            "person_id": "A",
            "diagnosis_code_1": "A41.9",
            "hcpcs_code": "99213",
            "claim_status": "denied",
        },
    ]
    fills = [{"claim_id": "9", "person_id": "A", "ndc_code": "00006022761", "dispensing_date": date(2025, 7, 1)}]
    rows = {
        "eligibility": [span | one for one in persons],
        "medical_claim": [days | one for one in visits],
        "pharmacy_claim": fills,
    }
    for name, given in rows.items():
        pq.write_table(arrow_rows(name, given), claims / f"{name}.parquet")
    tables = write_tables(tmp_path / "tables")
    asked = ["risk", "hhs", "--data", str(claims), "--out", str(out), "--benefit-year", "2025", "--tables", str(tables)]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    for line in (
        "UNVERIFIED: never compared with HHS's scores",
        "adult    silver               1      4.950              4.950",
        "child    gold                 1      0.105              0.105",
        "Not scored: 1 persons, csr_indicator is not in the table of cost sharing",
        "Not scored: 1 persons, metal level is not known",
    ):
        assert line in done.output
    scores = {row["person_id"]: row for row in pq.read_table(out / "scores.parquet").to_pylist()}
    assert (scores["A"]["age"], scores["A"]["enrollment_months"], scores["B"]["enrollment_months"]) == (30, 7, 1)
    assert pq.read_table(out / "rejected.parquet").num_rows == 2

    nobody = CliRunner().invoke(app, [*asked[:-4], "--benefit-year", "2031", "--tables", str(tables)])
    assert isinstance(nobody.exception, InputDataError)
    assert "nobody can be scored" in str(nobody.exception)
