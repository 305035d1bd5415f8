"""Every sample of claims at hand loads, its rows are accounted for, and its money is what the files say."""

from __future__ import annotations

import itertools
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pyarrow.parquet as pq
import pytest

from conftest import published_data
from openvbp.claims.adapters import LoadReport, load
from openvbp.claims.contract import load_table
from openvbp.errors import InputDataError

SAMPLES = {
    "tuva": ("tuva", "tuva_demo"),
    "rif": ("rif", "bfd_rif"),
    "synpuf": ("synpuf", "desynpuf"),
    "claimsdb": ("synpuf", "claimsdb"),
    "eob": ("eob", "bcda_eob"),
    "eob_r4": ("eob", "bcda_eob/r4_examples"),
    "synthea": ("synthea", "synthea/csv"),
}
TABLES = {
    "tuva": {"eligibility": 31, "lab_result": 1162, "medical_claim": 2075, "pharmacy_claim": 291,
             "provider_attribution": 2},
    "rif": {"medical_claim": 4824, "pharmacy_claim": 19, "eligibility": 42},
    "synpuf": {"medical_claim": 22929, "eligibility": 112563},
    "claimsdb": {"medical_claim": 33732, "pharmacy_claim": 17443, "eligibility": 935},
    "eob": {"medical_claim": 52, "eligibility": 100},
    "eob_r4": {"medical_claim": 32, "pharmacy_claim": 1},
    "synthea": {"medical_claim": 1579, "eligibility": 128},
}  # fmt: skip
REJECTED = {
    "tuva": {},
    "rif": {
        "a later row has the same person and year": 7,
        "RFRNC_YR is empty": 3,
        "RFRNC_YR is not a year such as 2024": 2,
    },
    "synpuf": {"CLM_FROM_DT is empty": 21},
    "claimsdb": {},
    "eob": {"year is empty": 3},
    "eob_r4": {"claim_id is empty": 3},
    "synthea": {},
}
"""SynPUF: second segments of claims have no first day. ExplanationOfBenefit: three coverages without a year; the items
of a prior authorization. RIF: years of beneficiaries that were delivered twice, or are none."""
PAID = {
    # sample: how the source's own payments add up
    "rif": """
        SELECT (SELECT sum(paid)
                FROM (SELECT max(CLM_PMT_AMT::DECIMAL(18,2)) paid FROM institutional GROUP BY CLM_ID))
             + (SELECT sum(LINE_NCH_PMT_AMT::DECIMAL(18,2)) FROM professional)""",
    "synpuf": """SELECT sum(CLM_PMT_AMT::DECIMAL(18,2)) FROM '{0}/inpatient_claims_2008_2010.parquet'
                 WHERE SEGMENT = '1'""",
    "claimsdb": """
        SELECT (SELECT sum(CLM_PMT_AMT) FROM '{0}/inpatient.parquet')
             + (SELECT sum(CLM_PMT_AMT) FROM '{0}/outpatient.parquet')
             + (SELECT sum(LINE_NCH_PMT_AMT_1 + LINE_NCH_PMT_AMT_2 + LINE_NCH_PMT_AMT_3 + LINE_NCH_PMT_AMT_4
                         + LINE_NCH_PMT_AMT_5) FROM '{0}/carrier.parquet')""",
    "synthea": """SELECT sum(PAYMENTS::DECIMAL(18,2)) FROM read_csv('{0}/claims_transactions.csv', all_varchar=true)
                  WHERE METHOD = 'ECHECK'""",
    "tuva": "SELECT sum(paid_amount::DECIMAL(18,2)) FROM read_csv('{0}/medical_claim.csv', all_varchar=true)",
}  # fmt: skip

ODD = "sample-u-bcarrier.txt"
"""A row of this file has a cell more than its header."""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadReport]:
    """Every sample, loaded once."""
    out = tmp_path_factory.mktemp("claims")
    gathered = out / "rif_files"
    gathered.mkdir()
    for path in published_data("claims", "bfd_rif").glob("*/*"):
        if path.name != ODD:
            shutil.copy(path, gathered / f"{path.parent.name}-{path.name}")
    return {
        name: load(
            gathered if name == "rif" else published_data("claims", *folder.split("/")), layout, out / name, threads=1
        )
        for name, (layout, folder) in SAMPLES.items()
    }


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_row_is_accepted_or_rejected_with_a_reason(loaded: dict[str, LoadReport], sample: str) -> None:
    report = loaded[sample]
    assert report.read == report.accepted + report.rejected
    reasons: dict[str, int] = {}
    for one in report.record["files"]:
        for reason, times in one["rejected"].items():
            reasons[reason] = reasons.get(reason, 0) + times
    assert reasons == REJECTED[sample]
    kept = [pq.read_table(path) for path in (report.folder / "rejected").glob("*.parquet")]
    assert sum(rows.num_rows for rows in kept) == report.rejected
    for rows in kept:
        assert rows["problem"].null_count == rows["source_file"].null_count == rows["line_number"].null_count == 0


@pytest.mark.parametrize("sample", SAMPLES)
def test_tables_have_the_rows_and_the_types_of_the_contract(loaded: dict[str, LoadReport], sample: str) -> None:
    report = loaded[sample]
    assert report.record["tables"] == TABLES[sample]
    for name in TABLES[sample]:
        schema = pq.read_schema(report.folder / f"{name}.parquet")
        contract = load_table(name)
        assert set(contract.required) <= set(schema.names)
        for field in schema:
            if not field.name.startswith("x_"):
                wanted = ibis.dtype(contract.column[field.name].type).to_pyarrow()
                assert field.type == wanted, (name, field.name)


@pytest.mark.parametrize("sample", PAID)
def test_payments_add_up_to_those_of_the_files(loaded: dict[str, LoadReport], sample: str) -> None:
    folder = published_data("claims", *SAMPLES[sample][1].split("/"))
    with duckdb.connect() as connection:
        only = ""
        if sample == "rif":
            only = "WHERE file_name LIKE 'samhsa%'"
            read = (
                "read_csv('{}/samhsa/sample-a-{}.txt', delim='|', quote='', escape='', header=true, all_varchar=true)"
            )
            for view, kinds in (
                ("institutional", ("inpatient", "outpatient", "snf", "hha", "hospice")),
                ("professional", ("carrier", "dme")),
            ):
                wanted = "CLM_ID, CLM_PMT_AMT" if view == "institutional" else "LINE_NCH_PMT_AMT"
                parts = " UNION ALL ".join(f"SELECT {wanted} FROM {read.format(folder, kind)}" for kind in kinds)
                connection.execute(f"CREATE VIEW {view} AS {parts}")
        (wanted,) = connection.execute(PAID[sample].format(folder)).fetchone() or (None,)
        table = loaded[sample].folder / "medical_claim.parquet"
        (found,) = connection.execute(f"SELECT sum(paid_amount) FROM '{table}' {only}").fetchone() or (None,)
    assert found == Decimal(str(wanted)).quantize(Decimal("0.01"))


def test_no_claim_of_the_teaching_extract_is_lost(loaded: dict[str, LoadReport]) -> None:
    claims = pq.read_table(loaded["claimsdb"].folder / "medical_claim.parquet", columns=["claim_id"])
    files = {one["kind"]: one["read"] for one in loaded["claimsdb"].record["files"]}
    assert len(set(claims["claim_id"].to_pylist())) == files["carrier"] + files["inpatient"] + files["outpatient"]


def test_files_that_are_none_of_the_layout_are_named(loaded: dict[str, LoadReport]) -> None:
    assert loaded["tuva"].record["ignored_files"] == ["appointment.csv", "immunization.csv", "observation.csv"]
    assert loaded["rif"].record["ignored_files"] == [
        "static-sample-a-beneficiaryhistory.txt", "static-sample-hicn-mult-bene-beneficiaryhistory.txt",
        "synthea-beneficiary_history.csv", "synthea-export_summary.csv",
    ]  # fmt: skip


def test_months_of_entitlement_that_are_alike_are_one_span(loaded: dict[str, LoadReport]) -> None:
    spans = pq.read_table(loaded["rif"].folder / "eligibility.parquet").to_pylist()
    first = sorted(
        (row["enrollment_start_date"], row["enrollment_end_date"]) for row in spans if row["person_id"] == "-1000006"
    )
    assert len(first) == len(set(first))
    assert all(start <= end for start, end in first)
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(first))


def test_odd_rows_of_the_static_sample_are_read_as_they_are(loaded: dict[str, LoadReport]) -> None:
    files = {one["file"]: one for one in loaded["rif"].record["files"]}
    without_year = files["static-sample-a-beneficiaries-without-reference-year.txt"]
    assert without_year["rejected"] == {"RFRNC_YR is empty": 1}
    assert files["static-sample-a-beneficiaries-with-backslash.txt"]["read"] == 1
    claims = pq.read_table(loaded["rif"].folder / "medical_claim.parquet", columns=["drg_code"])
    assert {"695", "6955"} <= set(claims["drg_code"].to_pylist())


def test_row_with_a_cell_too_many_stops_the_load(tmp_path: Path) -> None:
    source = published_data("claims", "bfd_rif", "static", ODD)
    with pytest.raises(InputDataError, match="line 2 has 101 cells, expected 100") as caught:
        load(source, "rif", tmp_path / "out")
    assert "0000000000" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("zc8_dev.txt", "line 1 has 37 characters; rows of beneficiary have 549"),
        ("zc8_beneficiary_demographics.txt", "line 1 has 37 characters; rows of beneficiary have 549"),
        ("zc9_dev.txt", "line 1 has 43 characters; rows of identifier have 55"),
    ],
)
def test_cclf_samples_cut_short_are_refused(tmp_path: Path, name: str, words: str) -> None:
    """These test files of the feed hold identifiers only, or lost the blanks at the ends of their lines."""
    with pytest.raises(InputDataError, match=words):
        load(published_data("claims", "cclf", name), "cclf", tmp_path / "out")


def test_record_lengths_that_file_0_declares_are_known() -> None:
    from openvbp.claims.adapters.layout import load_layout

    numbered = ["part_a_header", "part_a_line", "part_a_procedure", "part_a_diagnosis", "part_b_line", "equipment_line"]
    numbered += ["part_d", "beneficiary", "identifier", "part_a_program", "part_b_program"]
    lines = published_data("claims", "cclf", "zc0_dev.txt").read_text().splitlines()[1:]
    lengths = [int(line.split("|")[3]) for line in lines]
    layout = load_layout("cclf")
    for kind, length in zip(numbered, lengths, strict=True):
        assert length in layout[kind].widths, kind


def test_headers_of_the_cclf_examples_are_known(tmp_path: Path) -> None:
    from openvbp.claims.adapters.layout import load_layout

    layout = load_layout("cclf")
    kinds: dict[str, Any] = {
        "parta_claims_header": "part_a_header", "parta_claims_revenue_center_detail": "part_a_line",
        "parta_procedure_code": "part_a_procedure", "parta_diagnosis_code": "part_a_diagnosis",
        "partb_physicians": "part_b_line", "partb_dme": "equipment_line", "partd_claims": "part_d",
        "beneficiary_demographics": "beneficiary", "beneficiary_xref": "identifier",
    }  # fmt: skip
    for name, kind in kinds.items():
        header = published_data("claims", "cclf", "csv", f"{name}.csv").read_text().strip().split(",")
        assert [one.name for one in layout[kind].fields][: len(header) - 2] == header[:-2], name
    with pytest.raises(InputDataError, match=r"files have no rows"):
        load(published_data("claims", "cclf", "csv"), "cclf", tmp_path / "out")
