"""``openvbp claims load`` as a person sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from claims_specimens import CCLF, write_cclf
from conftest import ROOT
from openvbp.cli import app
from openvbp.errors import InputDataError

PATIENTS = ("1OLD0MBI000", "1NEW0MBI000", "2MBI0000000", "1940-02-29", "36003")


def printed(*words: str) -> str:
    done = CliRunner().invoke(app, ["claims", "load", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_example_of_the_manual_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_cclf(Path("delivery"))
    write_cclf(Path("delivery"), {"beneficiary": CCLF["beneficiary"]}, day="231215")
    text = printed("delivery", "--layout", "cclf", "--out", "claims/cclf")
    manual = (ROOT / "docs" / "how-to" / "load-claims.md").read_text(encoding="utf-8")
    for line in text.splitlines():
        assert line in manual, line
    assert not any(value in text for value in PATIENTS)
    record = Path("claims/cclf/claims.json").read_text(encoding="utf-8")
    assert not any(value in record for value in PATIENTS)
    again = printed("delivery", "--layout", "cclf", "--out", "again", "--json")
    assert json.loads(again) == json.loads(record)


def test_second_load_into_the_same_folder_is_refused(tmp_path: Path) -> None:
    source = write_cclf(tmp_path / "in", {"beneficiary": CCLF["beneficiary"]})
    printed(str(source), "--layout", "cclf", "--out", str(tmp_path / "out"))
    with pytest.raises(Exception, match="the folder is not empty"):
        printed(str(source), "--layout", "cclf", "--out", str(tmp_path / "out"))


def test_error_names_file_and_line_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "zc8.txt").write_text("1OLD0MBI000\n", encoding="ascii")
    with pytest.raises(InputDataError) as caught:
        printed(str(tmp_path / "zc8.txt"), "--layout", "cclf", "--out", str(tmp_path / "out"))
    assert "line 1 has 11 characters" in str(caught.value)
    assert not any(value in str(caught.value) for value in PATIENTS)
