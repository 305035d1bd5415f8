"""Checking claims as a person does it: what is printed, the report, and how the command ends."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from typer.testing import CliRunner

from claims_check_folder import clean_folder
from conftest import ROOT
from openvbp.cli import app


def test_command_prints_the_account_writes_the_report_and_ends_as_it_should(tmp_path: Path) -> None:
    made = clean_folder(persons=12).only("eligibility", "medical_claim")
    secret = "P0-person-of-a-test"
    for row in made.tables["medical_claim"][:1]:
        row.update(person_id=secret, plan=None)
    folder, lists = made.write(tmp_path / "claims"), made.write_code_lists(tmp_path / "lists")
    report = tmp_path / "report.html"
    done = CliRunner().invoke(
        app, ["claims", "check", str(folder), "--code-lists", str(lists), "--report", str(report)]
    )
    assert done.exit_code == 3, done.output
    assert "the folder must not be used" in done.output
    assert "  medical_claim                    180           179           1" in done.output
    assert "STOP  person_not_enrolled  medical_claim person_id: 1 of 180 rows (0.56 %)" in done.output
    page = report.read_text(encoding="utf-8")
    assert "<strong>person not enrolled</strong>" in page
    assert "prefers-color-scheme: dark" in page
    ElementTree.fromstring(page.removeprefix("<!doctype html>"))
    assert secret not in done.output + page

    made.tables["medical_claim"][0].update(person_id="P0")
    made.write(tmp_path / "mended")
    done = CliRunner().invoke(app, ["claims", "check", str(tmp_path / "mended"), "--json"])
    assert done.exit_code == 1, done.output
    content = json.loads(done.output)
    assert content["rows"]["medical_claim"] == {"read": 180, "accepted": 179, "rejected": 1}
    assert [one["defect"] for one in content["findings"]] == ["missing_value", "codes_not_compared"]


def test_page_prints_what_the_command_prints(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "check-claims.md").read_text(encoding="utf-8")
    shown = [line[4:] for line in page.splitlines() if line.startswith("    ") and not line.startswith("    openvbp")]
    shown = [line for line in shown if line and "check_claims(" not in line and "checked." not in line]
    done = CliRunner().invoke(
        app, ["claims", "check", str(ROOT / "examples" / "claims"), "--rejected", str(tmp_path / "rejected")]
    )
    assert done.exit_code == 3, done.output
    printed = done.output.replace(f"{ROOT}/", "").splitlines()
    assert len(shown) > 15
    assert [line for line in shown if line not in printed] == []


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["claims", "check", str(tmp_path / "none")])
    assert "there is no such folder" in str(done.exception)
