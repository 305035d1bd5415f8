"""``openvbp generate`` as a person meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from openvbp.claims.adapters.layout import load_layout


def openvbp(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "openvbp.cli", *map(str, arguments)]
    kept = {"PATH": "/usr/bin:/bin", "COLUMNS": "120"}
    return subprocess.run(command, capture_output=True, text=True, env=kept, timeout=120, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("generate") / "population"
    return out, openvbp("generate", "--members", 2000, "--out", out, "--layout", "cclf")


def test_it_says_what_was_made_and_how_near_it_is(made: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, done = made
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert first == f"SYNTHETIC population of 2,000 members in {out}; no person, provider or amount is real"
    assert "medical_claim" in done.stdout
    assert "figures are within their tolerance of published ones" in done.stdout
    assert done.stderr == "2,000 of 2,000 members\n"


def test_it_leaves_a_record_and_a_calibration_report(made: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, _ = made
    record = json.loads((out / "claims.json").read_text(encoding="utf-8"))
    assert (record["seed"], record["members"], record["first_day"]) == (1, 2000, "2023-01-01")
    figures = json.loads((out / "calibration.json").read_text(encoding="utf-8"))
    by_name = {one["target"]: one for one in figures}
    assert all(one["achieved"] is not None for one in figures)
    assert abs(by_name["primary_care_services"]["ratio"] - 1) < 0.15
    page = (out / "calibration.html").read_text(encoding="utf-8")
    assert "MSSP public use file 2018" in page
    assert all(one["about"].split("'")[0] in page for one in figures)


def test_the_feed_has_rows_of_the_declared_widths(made: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, _ = made
    layout = load_layout("cclf")
    for number, kind in ((1, "part_a_header"), (2, "part_a_line"), (4, "part_a_diagnosis"), (5, "part_b_line"),
                         (6, "equipment_line"), (7, "part_d"), (8, "beneficiary"), (9, "identifier")):  # fmt: skip
        (path,) = (out / "cclf").glob(f"*.ZC{number}Y*")
        rows = path.read_bytes().split(b"\n")
        assert rows.pop() == b""
        assert {len(row) for row in rows} == {max(layout[kind].widths)}
        if kind == "beneficiary":
            assert len(rows) == 2000


def test_what_cannot_be_made_is_refused(tmp_path: Path) -> None:
    done = openvbp("generate", "--out", tmp_path / "out", "--members", 600, "--layout", "x12")
    assert done.returncode == 2
    assert "there is no layout 'x12' to write" in done.stderr
    assert "choose tuva or cclf" in done.stderr
