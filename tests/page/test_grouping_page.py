"""Comorbidities as a person asks for them: what is printed and written, and how the command ends."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
from typer.testing import CliRunner

from conftest import published_data
from grouping_examples import ccsr_file, elixhauser_folder
from openvbp.cli import app
from openvbp.grouping.tables import read_grouper

ASK = ["risk", "comorbidities"]


def test_command_groups_a_table_and_says_what_became_of_it(tmp_path: Path) -> None:
    table, people, out = tmp_path / "diagnoses.csv", tmp_path / "people.csv", tmp_path / "out"
    table.write_text(
        "subject_id,code,code_system,claim_id\nA,E11.22,icd-10-cm,1\nA,E119,icd-10-cm,2\nA,Z000,icd-10-cm,2\n"
        "B,4280,icd-9-cm,3\nB,I50.9,icd-10-cm,4\nX,B20,icd-10-cm,5\n"
    )
    people.write_text("subject_id\nA\nB\nC\n")
    asked = [*ASK, "--diagnoses", str(table), "--subjects", str(people), "--out", str(out), "--threads", "1"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert "subjects 3; diagnoses 5, in a group 4 (80.0%), in none 1 (1 codes)" in done.output
    assert "diagnoses of subjects that are not listed, which do not count: 1" in done.output
    assert "charlson_1987: mean 1.000" in done.output
    assert "UNVERIFIED: Codes of ICD-9-CM" in done.output
    rows = {row["subject_id"]: row for row in pq.read_table(out / "subjects.parquet").to_pylist()}
    assert [rows[one]["charlson_1987"] for one in "ABC"] == [2, 1, 0]
    assert [rows[one]["diabetes_without_complication"] for one in "ABC"] == [0, 0, 0]
    assert pq.read_table(out / "groups.parquet").to_pylist() == [
        {"subject_id": "A", "group": "diabetes_with_complication", "diagnosis_count": 1},
        {"subject_id": "B", "group": "congestive_heart_failure", "diagnosis_count": 2},
    ]
    traced = {
        (row["code"], row["claim_id"]): row["outcome"] for row in pq.read_table(out / "trace.parquet").to_pylist()
    }
    assert traced["E119", "2"] == "dropped by diabetes_with_complication"
    codes = {row["code"]: row["groups"] for row in pq.read_table(out / "codes.parquet").to_pylist()}
    assert (codes["Z000"], codes["E11.22"]) == ("", "diabetes_with_complication")
    summary = json.loads((out / "grouping.json").read_text())
    kinds = ("mapped", "unmapped", "malformed", "other_system")
    assert summary["diagnoses"] == sum(summary[kind] for kind in kinds) == 5
    html = (out / "grouping.html").read_text()
    # Small numbers are withheld, and in no order that would tell them.
    assert "Of 1 to 10 subjects, 1 to 10 have a group" in html
    assert html.index("congestive_heart_failure") < html.index("diabetes_with_complication")
    assert not any(f">{subject}<" in html for subject in "ABCX")

    done = CliRunner().invoke(app, [*asked, "--no-hierarchy", "--no-trace", "--json"])
    assert json.loads(done.output[done.output.index("{") :])["indices"][0]["mean"] == "1.333"
    assert not (out / "trace.parquet").exists()


def test_command_says_what_is_not_known_of_presence_on_admission(tmp_path: Path) -> None:
    table, out = tmp_path / "diagnoses.csv", tmp_path / "out"
    table.write_text("subject_id,code,position\nA,Z000,1\nA,I509,2\nA,E119,3\n")
    tables = elixhauser_folder(tmp_path / "ahrq", has_exempt=False)
    asked = [*ASK, "--diagnoses", str(table), "--grouper", "elixhauser-ahrq", "--tables", str(tables)]
    asked += ["--code-system", "icd-10-cm", "--out", str(out), "--threads", "1"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code != 0
    assert not out.exists()
    done = CliRunner().invoke(app, [*asked, "--without-indicator", "missing"])
    assert done.exit_code == 0, done.output
    assert "presence on admission asked 1 times, absent 1 times: groups that ask are left empty" in done.output
    assert "list of exempt codes not given" in done.output
    assert "mortality_index: mean not known" in done.output
    (row,) = pq.read_table(out / "subjects.parquet").to_pylist()
    assert (row["CMR_HF"], row["CMR_DIAB_UNCX"], row["mortality_index"]) == (None, 1, None)
    assert "not known" in (out / "grouping.html").read_text()
    assert CliRunner().invoke(app, [*asked, "--without-indicator", "guess"]).exit_code != 0


def test_categories_are_of_the_body_systems_that_ahrq_lists(tmp_path: Path) -> None:
    listed = published_data("claims", "value_sets", "ccsr__dxccsr_v2023_1_body_systems.csv")
    with listed.open(newline="", encoding="utf-8") as lines:
        systems = {row["ccsr_parent_category"] for row in csv.DictReader(lines)}
    ccsr_file(tmp_path)
    assert {name[:3] for name in read_grouper("ccsr", tmp_path).labels} <= systems
