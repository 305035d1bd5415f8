"""The command ``openvbp audit thresholds`` as a person meets it."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from openvbp.cli import main

EXAMPLE = ROOT / "examples" / "qof" / "scotland"
ARGUMENTS = ("audit", "thresholds", "--program", "qof", "--period", "2015/16", "--data", str(EXAMPLE))


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> object:
    monkeypatch.setattr(sys, "argv", ["openvbp", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_an_award_on_record_is_told_and_counted_as_a_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "findings.csv"
    assert command(monkeypatch, *ARGUMENTS, "--out", out) == 1
    text = capsys.readouterr().out
    assert text.startswith("Audit of thresholds: qof 2015/16\n")
    assert (
        "10017     AST002      50.00 %     15.0000      2.1429  Agreed for a practice with a contract of its own"
        in text
    )
    with out.open(newline="", encoding="utf-8") as lines:
        (line,) = csv.DictReader(lines)
    assert (line["kind"], line["provider_id"], line["published_points"]) == ("row", "10017", "15")


def test_json_says_the_same(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(monkeypatch, *ARGUMENTS, "--json") == 1
    content = json.loads(capsys.readouterr().out)
    assert [one["provider_id"] for one in content["findings"]] == ["10017"]
    assert content["rows"]["with_counts"] == 6
    assert content["masked_cells"] == {"masked": 1, "partly_paid": 1, "recoverable": 1}


def test_a_program_without_published_points_ends_with_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("audit", "thresholds", "--program", "hvbp", "--period", "FY2024", "--data", EXAMPLE)
    assert command(monkeypatch, *arguments) == 2
    assert "hvbp has no published points by provider" in capsys.readouterr().err


def test_nothing_found_ends_well_with_the_thresholds_of_the_own_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("audit", "thresholds", "--program", "qof", "--period", "2020/21", "--data", EXAMPLE.parent / "england")
    assert command(monkeypatch, *arguments) in (0, None)
    text = capsys.readouterr().out
    assert "explained by the declared schedules         2  100.000 %" in text
    assert "findings                                    0  on record 0" in text
