"""Damaged deliveries of claims: a clear error or a rejected row, and never a value of a patient in a message."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from claims_specimens import CCLF, cclf_line, write_cclf
from conftest import IN_CI
from openvbp.attribution.run import attribute_folder
from openvbp.claims.adapters import LoadReport, load
from openvbp.errors import InputDataError, OpenvbpError, UsageError
from postgresql_server import binaries, postgresql_server

NAME = "P.A9999.ACO.ZC5Y23.D240115.T0100000"
LINE = CCLF["part_b_line"][0]
PATIENT = LINE["BENE_MBI_ID"]


def refused(source: Path, layout: str) -> str:
    """The message with which a load is refused; nothing may be left behind."""
    out = source.parent / "out"
    with pytest.raises(OpenvbpError) as caught:
        load(source, layout, out, threads=1)
    assert not out.exists()
    assert not list(source.parent.glob(".out-*"))
    assert PATIENT not in str(caught.value)
    return str(caught.value)


def fixed_width(tmp_path: Path, lines: list[str], encoding: str = "ascii") -> Path:
    path = tmp_path / NAME
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    return path


def test_wrong_version_of_a_layout(tmp_path: Path) -> None:
    text = refused(fixed_width(tmp_path, [cclf_line("part_b_line", LINE) + " " * 12]), "cclf")
    assert "line 1 has 400 characters; rows of part_b_line have 388 or 363" in text
    assert "another version of the layout" in text


@pytest.mark.parametrize("change", [lambda line: line[:-1], lambda line: " " + line, lambda line: line[:200]])
def test_shifted_line_is_named_with_its_width(tmp_path: Path, change: object) -> None:
    line = cclf_line("part_b_line", LINE)
    text = refused(fixed_width(tmp_path, [line] * 700 + [change(line)] + [line] * 5), "cclf")  # type: ignore[operator]
    assert "line 701 has" in text
    assert "expected 388" in text


def test_lines_shifted_against_each_other_that_keep_the_length_of_the_file(tmp_path: Path) -> None:
    line = cclf_line("part_b_line", LINE)
    text = refused(fixed_width(tmp_path, [line, line[:-3], "abc" + line, line]), "cclf")
    assert "line 2 has 385 characters, expected 388" in text


def test_columns_shifted_inside_lines_of_the_right_width(tmp_path: Path) -> None:
    line = cclf_line("part_b_line", LINE)
    text = refused(fixed_width(tmp_path, [" " + line[:-1]] * 3), "cclf")
    assert "no row can be used (3 times)" in text
    assert "is not a date such as" in text


def test_windows_line_ends_and_a_missing_last_one_are_taken(tmp_path: Path) -> None:
    line = cclf_line("part_b_line", LINE)
    (tmp_path / NAME).write_bytes(f"{line}\r\n{line}\r\n{line}".encode("ascii"))
    assert load(tmp_path / NAME, "cclf", tmp_path / "out", threads=1).accepted == 3


def test_mixed_encodings_in_a_fixed_width_file(tmp_path: Path) -> None:
    line = cclf_line("beneficiary", CCLF["beneficiary"][0])
    strange = cclf_line("beneficiary", {**CCLF["beneficiary"][0], "BENE_LAST_NAME": "Muñoz"})
    path = tmp_path / NAME.replace("ZC5", "ZC8")
    path.write_bytes(f"{line}\n{line}\n{strange}\n".encode("latin-1"))
    assert "line 3 holds the byte 0xf1, which is not plain text" in refused(path, "cclf")


def test_mixed_encodings_in_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "eligibility.csv"
    row = "A,female,1950-01-01,2020-01-01,2020-12-31,medicare,medicare,s"
    header = "person_id,gender,birth_date,enrollment_start_date,enrollment_end_date,payer,plan,data_source"
    path.write_bytes(f"{header}\n{row}\nJosé{row}\n".encode() + f"Muñoz{row}\n".encode("latin-1"))
    assert "line 4 is not UTF-8 text (byte 0xf1)" in refused(path, "tuva")


def test_dates_before_1900_and_impossible_dates_reject_the_row(tmp_path: Path) -> None:
    days = ("1899-12-31", "2023-02-30", "20230502", "2023-05-02", "1000-01-01", "2101-01-01")
    path = fixed_width(tmp_path, [cclf_line("part_b_line", {**LINE, "CLM_FROM_DT": day}) for day in days])
    report = load(path, "cclf", tmp_path / "out", threads=1)
    assert (report.read, report.accepted, report.rejected) == (6, 1, 5)
    assert report.record["files"][0]["rejected"] == {
        "CLM_FROM_DT is before 1900 or after 2100": 2,
        "CLM_FROM_DT is empty": 1,
        "CLM_FROM_DT is not a date such as 2024-01-31": 2,
    }
    kept = pq.read_table(report.folder / "rejected" / "part_b_line.parquet").to_pylist()
    assert [row["line_number"] for row in kept] == [1, 2, 3, 5, 6]
    assert all(PATIENT in row["row_text"] for row in kept)


def test_amounts_that_are_none_and_codes_that_are_not_allowed(tmp_path: Path) -> None:
    wrong = [{"CLM_LINE_CVRD_PD_AMT": "12,50"}, {"CLM_LINE_CVRD_PD_AMT": "1.005"}, {"CLM_ADJSMT_TYPE_CD": "7"}]
    right = [{"CLM_LINE_CVRD_PD_AMT": "-12.50"}, {"CLM_LINE_CVRD_PD_AMT": "+00012.5000"}]
    path = fixed_width(tmp_path, [cclf_line("part_b_line", {**LINE, **one}) for one in (*wrong, *right)])
    report = load(path, "cclf", tmp_path / "out", threads=1)
    assert report.accepted == 2
    assert report.record["files"][0]["rejected"] == {
        "CLM_ADJSMT_TYPE_CD is not one of 0, 1, 2": 1,
        "CLM_LINE_CVRD_PD_AMT is not an amount of money such as -1234.50": 2,
    }


def test_lines_and_codes_without_a_claim_are_rejected(tmp_path: Path) -> None:
    stray = {**CCLF["part_a_line"][0], "CUR_CLM_UNIQ_ID": "9"}
    many = {**CCLF["part_a_diagnosis"][0], "CLM_VAL_SQNC_NUM": "26"}
    delivery = {
        "part_a_header": CCLF["part_a_header"],
        "part_a_line": [*CCLF["part_a_line"], stray],
        "part_a_diagnosis": [*CCLF["part_a_diagnosis"], many],
    }
    report = load(write_cclf(tmp_path / "in", delivery), "cclf", tmp_path / "out", threads=1)
    rejected = {one["kind"]: one["rejected"] for one in report.record["files"]}
    assert rejected["part_a_line"] == {"file 1 has no claim of this line": 1}
    assert rejected["part_a_diagnosis"] == {"only 25 diagnoses are kept": 1}
    assert report.read == report.accepted + report.rejected


def test_second_delivery_of_the_same_claims_changes_no_table(tmp_path: Path) -> None:
    source = write_cclf(tmp_path / "in", {kind: CCLF[kind] for kind in ("part_a_header", "part_a_line", "identifier")})
    once = load(source, "cclf", tmp_path / "once", threads=1)
    for path in list(source.iterdir()):
        shutil.copy(path, path.with_name(path.name.replace("D240115", "D240215")))
    twice = load(source, "cclf", tmp_path / "twice", threads=1)
    assert twice.record["tables"] == once.record["tables"]
    assert twice.read == twice.accepted + twice.rejected == 2 * once.read


def test_claims_without_their_header_file(tmp_path: Path) -> None:
    source = write_cclf(tmp_path / "in", {"part_a_line": CCLF["part_a_line"]})
    assert "no claim of this row of file 2 (2 rows)" in refused(source, "cclf")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "file is empty"),
        (b"BENE_ID|CLM_ID\n1|2\n", "no file has the columns of the layout"),
        (b"BENE_ID|BENE_ID\n1|2\n", "columns are named twice"),
    ],
)
def test_separated_files_that_are_something_else(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "carrier.txt").write_bytes(content)
    assert words in refused(tmp_path / "carrier.txt", "rif")


def test_file_that_lost_a_column_or_rows(tmp_path: Path) -> None:
    fields = ["BENE_ID", "SRVC_DT", "PROD_SRVC_ID", "QTY_DSPNSD_NUM", "DAYS_SUPLY_NUM", "PD_DT", "FILL_NUM"]
    fields += ["FINAL_ACTION", "DML_IND", "PTNT_PAY_AMT", "TOT_RX_CST_AMT"]
    path = tmp_path / "pde.txt"
    path.write_text("|".join(fields) + "\n", encoding="utf-8")
    assert "columns of drug_event are missing" in refused(path, "rif")
    fields.append("PDE_ID")
    row = "|".join(["1", "01-JAN-2020", "00000000001", "1", "30", "", "1", "F", "INSERT", "1.00", "2.00", "77"])
    path.write_text("|".join(fields) + f"\n{row}\n{row[:20]}\n", encoding="utf-8")
    assert "line 3 has 3 cells, expected 12 as in the header" in refused(path, "rif")
    path.write_text("|".join(fields) + "\n", encoding="utf-8")
    assert "files have no rows" in refused(path, "rif")


def test_csv_with_a_comma_in_a_value(tmp_path: Path) -> None:
    path = tmp_path / "lab_result.csv"
    path.write_text("lab_result_id,person_id,data_source\n1,A,s\n2,A,s,t\n", encoding="utf-8")
    assert "line 3 has 4 cells, expected 3" in refused(path, "tuva")


def test_native_tables_with_missing_and_unknown_columns(tmp_path: Path) -> None:
    path = tmp_path / "lab_result.csv"
    path.write_text("lab_result_id,person_id\n1,A\n", encoding="utf-8")
    assert "required columns are missing" in refused(path, "tuva")
    path.write_text("lab_result_id,person_id,data_source,colour\n1,A,s,red\n", encoding="utf-8")
    assert "begin columns of your own with x_" in refused(path, "tuva")


def test_files_that_only_claim_to_be_parquet_or_json(tmp_path: Path) -> None:
    (tmp_path / "medical_claim.parquet").write_bytes(b"PAR1 not really")
    assert "not a Parquet file" in refused(tmp_path / "medical_claim.parquet", "tuva")
    lines = '{"resourceType": "Patient", "id": "1"}\n{"resourceType": "Patient", \n'
    (tmp_path / "eob.ndjson").write_text(lines, encoding="utf-8")
    assert "no file holds an ExplanationOfBenefit" in refused(tmp_path / "eob.ndjson", "eob")
    lines = '{"resourceType": "Basic", "code": "pharmacy"}\n{"resourceType": "Basic", \n'
    (tmp_path / "eob.ndjson").write_text(lines, encoding="utf-8")
    assert "line 2 is not a FHIR resource in JSON" in refused(tmp_path / "eob.ndjson", "eob")


def test_cancelled_and_preauthorized_resources_are_kept_out(tmp_path: Path) -> None:
    one = {
        "resourceType": "ExplanationOfBenefit", "id": "1", "status": "active", "use": "claim",
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/claim-type", "code": "professional"}]},
        "patient": {"reference": "Patient/7"}, "billablePeriod": {"start": "2024-01-02", "end": "2024-01-02"},
        "item": [{"sequence": 1, "adjudication": [
            {"category": {"coding": [{"code": "benefit"}]}, "amount": {"value": 0.1}},
        ]}],
    }  # fmt: skip
    others = [{**one, "status": "cancelled"}, {**one, "use": "preauthorization"}, {**one, "patient": {}}]
    lines = "".join(json.dumps(each) + "\n" for each in (one, *others))
    (tmp_path / "eob.ndjson").write_text(lines, encoding="utf-8")
    report = load(tmp_path / "eob.ndjson", "eob", tmp_path / "out", threads=1)
    assert report.record["files"][0]["rejected"] == {
        "a prior authorization is not a claim": 1,
        "person is empty": 1,
        "the payer cancelled this resource": 1,
    }
    (row,) = pq.read_table(tmp_path / "out" / "medical_claim.parquet").to_pylist()
    assert str(row["paid_amount"]) == "0.10"


def test_layouts_and_folders_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no layout 'x12'"):
        load(tmp_path, "x12", tmp_path / "out")
    assert "there is no such file or folder" in refused(tmp_path / "nowhere", "cclf")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="the folder is not empty"):
        load(tmp_path, "tuva", tmp_path / "full")
    (tmp_path / "one").mkdir()
    assert "the folder holds no file of this layout" in refused(tmp_path / "one", "synthea")


def write_native(folder: Path) -> Path:
    """A small native delivery: one lab result and one span per person."""
    folder.mkdir()
    with duckdb.connect(str(folder / "claims.duckdb")) as connection:
        connection.execute("""
            CREATE TABLE eligibility AS SELECT 'P' || i AS person_id, CASE WHEN i % 2 = 0 THEN 'female' ELSE 'male' END
            AS gender, DATE '1940-01-01' + i::INTEGER AS birth_date, DATE '2020-01-01' AS enrollment_start_date,
            DATE '2020-12-31' AS enrollment_end_date, 'medicare' AS payer, 'medicare' AS plan, 's' AS data_source,
            true AS has_part_a, 'note ' || i AS x_note FROM range(500) t(i)""")
        connection.execute("""
            CREATE TABLE medical_claim AS SELECT 'C' || i AS claim_id, 1::INTEGER AS claim_line_number,
            'professional' AS claim_type, 'P' || i % 500 AS person_id, 'medicare' AS payer, 'medicare' AS plan,
            DATE '2020-01-01' + (i % 365)::INTEGER AS claim_start_date, claim_start_date AS claim_end_date,
            (i / 7)::DECIMAL(18,2) AS paid_amount, '99213' AS hcpcs_code, '11' AS rendering_specialty_code,
            (1234567000 + i % 7)::VARCHAR AS rendering_npi, '11' AS place_of_service_code, 's' AS data_source
            FROM range(1000) t(i)""")
        for name in ("eligibility", "medical_claim"):
            connection.execute(f"COPY {name} TO '{folder}/{name}.parquet' (FORMAT parquet)")
    return folder


def same_tables(left: LoadReport, right: LoadReport) -> bool:
    names = left.record["tables"]
    return names == right.record["tables"] and all(
        sorted_rows(left.folder / f"{name}.parquet") == sorted_rows(right.folder / f"{name}.parquet") for name in names
    )


def sorted_rows(path: Path) -> list[object]:
    table = pq.read_table(path)
    return table.sort_by([(table.schema.names[0], "ascending")]).to_pylist()


def test_postgresql_duckdb_and_parquet_give_the_same_folder(tmp_path: Path) -> None:
    source = write_native(tmp_path / "in")
    files = tmp_path / "files"
    files.mkdir()
    for path in source.glob("*.parquet"):
        shutil.copy(path, files)
    from_files = load(files, "tuva", tmp_path / "from_files", threads=1)
    from_duckdb = load(source / "claims.duckdb", "tuva", tmp_path / "from_duckdb", threads=1)
    assert same_tables(from_files, from_duckdb)
    programs = binaries()
    if programs is None:
        message = "the Debian package postgresql is not installed"
        assert not IN_CI, message
        pytest.skip(message)
    with postgresql_server(programs) as address:
        copy_to_postgresql(files, address)
        report = load(address, "tuva", tmp_path / "from_postgresql", threads=1)
        assert same_tables(from_files, report)
        assert attributed(report.folder, tmp_path) == attributed(from_files.folder, tmp_path)
        assert "secret" not in json.dumps(report.record)
        wrong = address.replace("/postgres?", "/nowhere?")
        with pytest.raises(InputDataError, match="the database cannot be opened") as caught:
            load(wrong, "tuva", tmp_path / "out")
        assert "secret" not in str(caught.value)


def attributed(claims: Path, tmp_path: Path) -> list[object]:
    """Rows of the plurality of primary care visits on a folder; somebody is assigned."""
    out = tmp_path / f"attributed_{claims.name}"
    rules = ["plurality_primary_care_npi"]
    summary = attribute_folder(data=claims, out=out, period="CY2020", rules=rules, threads=1)
    assert summary["rules"][0]["assigned"] == 500
    return pq.read_table(out / "attribution.parquet").to_pylist()


def copy_to_postgresql(folder: Path, address: str) -> None:
    import psycopg

    kinds = {pa.string(): "text", pa.date32(): "date", pa.bool_(): "boolean", pa.int32(): "integer"}
    with psycopg.connect(address) as connection:
        for path in folder.glob("*.parquet"):
            rows = pq.read_table(path)
            columns = ", ".join(f"{field.name} {kinds.get(field.type, 'numeric(18,2)')}" for field in rows.schema)
            connection.execute(f"CREATE TABLE {path.stem} ({columns})")
            with connection.cursor().copy(f"COPY {path.stem} FROM STDIN") as copy:
                for row in rows.to_pylist():
                    copy.write_row(tuple(row.values()))


def test_database_that_is_none(tmp_path: Path) -> None:
    assert "there is no such file" in refused(tmp_path / "claims.duckdb", "tuva")
    (tmp_path / "claims.duckdb").write_text("no database", encoding="utf-8")
    assert "the database cannot be opened" in refused(tmp_path / "claims.duckdb", "tuva")
