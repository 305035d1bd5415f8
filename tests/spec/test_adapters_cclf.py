"""A made-up delivery of the Claim and Claim Line Feed, and what it becomes."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from claims_specimens import CCLF, cclf_line, write_cclf, write_lines
from openvbp.claims.adapters import LoadReport, load
from openvbp.claims.netting import net_medical_claims
from openvbp.claims.tables import open_claims
from openvbp.engine import Engine


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadReport:
    """The delivery, and the beneficiary file of the month before."""
    folder = tmp_path_factory.mktemp("cclf")
    source = write_cclf(folder / "in")
    write_cclf(source, {"beneficiary": CCLF["beneficiary"]}, day="231215")
    return load(source, "cclf", folder / "out", threads=1)


def rows(loaded: LoadReport, name: str) -> list[dict[str, Any]]:
    return pq.read_table(loaded.folder / f"{name}.parquet").to_pylist()


def claim(loaded: LoadReport, claim_id: str) -> list[dict[str, Any]]:
    found = [row for row in rows(loaded, "medical_claim") if row["claim_id"] == claim_id]
    return sorted(found, key=lambda row: row["claim_line_number"])


def test_rows_are_accounted_for(loaded: LoadReport) -> None:
    assert (loaded.read, loaded.accepted, loaded.rejected) == (20, 18, 2)
    (older,) = (one for one in loaded.record["files"] if ".D231215." in one["file"])
    assert older["rejected"] == {"a newer row has the same person": 2}
    assert loaded.record["tables"] == {"medical_claim": 7, "pharmacy_claim": 1, "eligibility": 2}
    assert loaded.record["paid_through"] == "2023-07-20"


def test_former_identifiers_become_current_ones(loaded: LoadReport) -> None:
    for row in claim(loaded, "1001"):
        assert (row["person_id"], row["member_id"]) == ("1NEW0MBI000", "1OLD0MBI000")


def test_institutional_claim_joins_header_lines_and_codes(loaded: LoadReport) -> None:
    first, second = claim(loaded, "1001")
    assert (first["paid_amount"], first["allowed_amount"], second["paid_amount"]) == (Decimal("11000.50"),) * 2 + (
        None,
    )
    assert (first["facility_ccn"], first["bill_type_code"], first["drg_code"]) == ("010001", "111", "291")
    assert [first[f"diagnosis_code_{number}"] for number in range(1, 5)] == ["I5033", "N183", "W19XXXA", None]
    assert (first["diagnosis_code_type"], first["diagnosis_poa_1"]) == ("icd-10-cm", "Y")
    assert (first["procedure_code_1"], first["procedure_date_1"]) == ("5A1945Z", dt.date(2023, 3, 2))
    assert (first["admission_date"], first["discharge_date"]) == (dt.date(2023, 2, 28), dt.date(2023, 3, 5))
    assert (first["operating_npi"], first["attending_npi"]) == (None, "1000000004")
    assert (second["claim_line_start_date"], second["claim_line_end_date"]) == (None, None)
    assert first["x_sequestration_reduction_amount"] == Decimal("220.01")


def test_professional_lines_carry_specialty_taxpayer_and_program_amounts(loaded: LoadReport) -> None:
    (line,) = claim(loaded, "2001")
    assert (line["rendering_specialty_code"], line["rendering_tin"]) == ("11", "123456789")
    assert line["x_population_payment_reduction_amount"] == Decimal("-5.00")
    assert (line["claim_status"], line["denial_code"]) == (None, None)
    (denied,) = claim(loaded, "2004")
    assert denied["claim_status"] == "denied"


def test_versions_are_netted_on_reading(loaded: LoadReport, duckdb_engine: Engine) -> None:
    claims = open_claims(duckdb_engine, loaded.folder).table("medical_claim")
    netted = duckdb_engine.to_arrow(net_medical_claims(claims)).to_pylist()
    assert sorted(row["claim_id"] for row in netted) == ["1001", "1001", "2003", "2004", "2501"]
    (line,) = (row for row in netted if row["claim_id"] == "2003")
    assert (line["paid_amount"], line["is_utilization"], line["versions"]) == (Decimal("72.00"), True, 3)


def test_enrolment_ends_with_death_or_the_month_of_delivery(loaded: LoadReport) -> None:
    people = {row["person_id"]: row for row in rows(loaded, "eligibility")}
    living, dead = people["1NEW0MBI000"], people["2MBI0000000"]
    assert (living["enrollment_start_date"], living["enrollment_end_date"]) == (
        dt.date(2023, 1, 1),
        dt.date(2024, 1, 31),
    )
    assert (dead["enrollment_end_date"], dead["death_flag"], living["death_date"]) == (dt.date(2023, 10, 9), True, None)
    assert (living["county_fips"], living["gender"], living["has_part_a"]) == ("01001", "female", True)


def test_drug_claims_have_their_natural_key(loaded: LoadReport) -> None:
    (drug,) = rows(loaded, "pharmacy_claim")
    assert drug["claim_control_number"] == "2023-06-01|01|1999999999|P|77|1"
    assert (drug["effective_date"], drug["paid_date"]) == (None, dt.date(2023, 6, 20))


def test_older_version_of_a_layout_is_told_by_its_width(tmp_path: Path) -> None:
    line = cclf_line("part_b_line", CCLF["part_b_line"][0], width=363)
    write_lines(tmp_path / "P.A1.ACO.ZC5Y18.D190115.T0100000", [line])
    (row,) = pq.read_table(
        load(tmp_path, "cclf", tmp_path / "out", threads=1).folder / "medical_claim.parquet"
    ).to_pylist()
    assert (row["paid_amount"], row["diagnosis_code_1"], row["x_referring_npi"]) == (Decimal(80), "E119", None)


def test_line_amounts_are_used_where_they_add_up_to_the_claims(tmp_path: Path) -> None:
    header = {**CCLF["part_a_header"][0], "CLM_TYPE_CD": "40", "CLM_PMT_AMT": "150.00"}
    lines = [
        {**line, "CLM_LINE_CVRD_PD_AMT": paid}
        for line, paid in zip(CCLF["part_a_line"], ("100.00", "50.00"), strict=True)
    ]
    write_cclf(tmp_path / "in", {"part_a_header": [header], "part_a_line": lines})
    report = load(tmp_path / "in", "cclf", tmp_path / "out", threads=1)
    found = pq.read_table(report.folder / "medical_claim.parquet").to_pylist()
    assert sorted(row["paid_amount"] for row in found) == [Decimal(50), Decimal(100)]
    assert {row["admission_date"] for row in found} == {None}
