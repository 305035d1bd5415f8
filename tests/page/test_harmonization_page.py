"""The commands ``openvbp harmonize ...`` as a person meets them."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

from conftest import ROOT, published_data
from harmonization_files import write_practice, write_registry
from openvbp.cli import main


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> object:
    monkeypatch.setattr(sys, "argv", ["openvbp", "harmonize", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_registry(tmp_path / "registry")


def test_pairs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    out, rejected = tmp_path / "pairs.csv", tmp_path / "rejected.csv"
    arguments = ("pairs", "--registry", folder, "--program", "North", "--out", out, "--rejected", rejected)
    assert command(monkeypatch, *arguments) == 0
    text = capsys.readouterr().out
    assert "pairs     2: 1 duplicates, 0 of a family, 1 undecided" in text
    assert "same number; opposite direction (CMS122)" in text
    assert "South/A has no description" in text
    with out.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert {(one["first_measure"], one["second_measure"]) for one in rows} == {("1", "CMS122FHIR"), ("2", "A")}
    assert rejected.read_text(encoding="utf-8").splitlines() == [
        "source_file,row_number,program,measure_id,version,reason"
    ]
    assert command(monkeypatch, "pairs", "--registry", folder, "--program", "West") == 2
    assert "no program West" in capsys.readouterr().err
    assert command(monkeypatch, "pairs", "--registry", folder, "--program", "South", "--among", "North") == 0
    text = capsys.readouterr().out
    assert text.index("South/A  Breast cancer screening") < text.index("North/2  Breast") < text.index("North/1  Diab")
    assert command(monkeypatch, "pairs", "--registry", folder, "--among", "North") == 2
    assert "no measures to look for" in capsys.readouterr().err


def test_compare(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert command(monkeypatch, "compare", "North/1", "CMS122FHIR", "--registry", folder) == 0
    text = capsys.readouterr().out
    assert "direction     differs      A: lower_is_better" in text
    assert "denominator   same words   A: text, 7 words" in text
    assert "codes: both have the electronic specification CMS122FHIR" in text
    assert "with diabetes" not in text
    assert command(monkeypatch, "compare", "North/1", "CMS122FHIR", "--registry", folder, "--texts") == 0
    assert "A says: patients 18-75 years of age with diabetes" in capsys.readouterr().out


def test_lint_ends_with_1_if_anything_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert command(monkeypatch, "lint", "--registry", folder, "--year", 2026, "--json") == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [(one["kind"], one["measure"], one["other"]) for one in found if one["measure"] != "South"] == [
        ("direction_contradiction", "North/1", "eCQM/CMS122FHIR")
    ]
    # In 2025 only North has measures, and none of them contradicts another.
    assert command(monkeypatch, "lint", "--registry", folder, "--year", 2025) == 0


def test_burden(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    practice = write_practice(tmp_path / "practice")
    arguments = ("burden", "--registry", folder, "--practice", practice, "--size", 100, "--keep", "0.75")
    assert command(monkeypatch, *arguments, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    # Four measures, of which 1 and CMS122FHIR have one number, and 2 and A are declared to be one computation.
    assert (found["submissions"], found["measures"], found["computations"]) == (4, 4, 2)
    assert (found["elements_separately"], found["elements_once"], found["exclusion_sets"]) == (8, 4, 1)
    assert found["changes"] == [{"measure": "North/1", "what": "description"}]
    assert found["not_compared"] == ["South/A", "eCQM/CMS122FHIR"]
    # 4 x 100 + 8 x 10 + 4 x 1.50, and 2 x 100 + 4 x 10 + 4 x 1.50.
    assert (found["cost_separately"], found["cost_once"]) == ("486.00", "246.00")
    # 4 a patient; 486 / 4 = 121.5.
    assert (found["pays_from_separately"], found["pays_from_once"]) == (122, 62)
    assert found["sizes"][0]["net_once"].startswith("154.00")
    # One measure earns the 3 of north, which is 0.75 of 4; the 1 of south needs both.
    assert len(found["selection"]["measures"]) == 1
    assert command(monkeypatch, *arguments[:-1], "1") == 0
    assert "fewest computations                2  of 2, keep 4 of 4 a patient (100.0 %)" in capsys.readouterr().out


def test_programs_together(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    arguments = ("programs", "North", "eCQM", "South", "--registry", folder)
    assert command(monkeypatch, *arguments, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    # North/1 and CMS122FHIR have one number; South/A has no text to tell it from North/2.
    assert (found["year"], found["measures"], found["concepts"], found["near_pairs"]) == (2026, 4, 3, 1)
    assert [(one["program"], one["same_elsewhere"], one["near_elsewhere"]) for one in found["programs"]] == [
        ("North", 1, 1),
        ("eCQM", 1, 0),
        ("South", 0, 1),
    ]
    assert (found["with_elements"], found["elements_separately"], found["elements_once"]) == (2, 8, 4)
    assert [one["hours_per_physician"] for one in found["costs"]] == ["785"]
    assert all(one["cite"] for one in found["costs"])
    assert command(monkeypatch, "programs", "South", "--registry", folder) == 0
    assert "measures                         1" in capsys.readouterr().out
    assert command(monkeypatch, "programs", "West", "--registry", folder) == 2
    assert "no program West" in capsys.readouterr().err


def test_the_example_is_as_the_manual_says(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    practice = ROOT / "examples" / "harmonization" / "practice"
    arguments = ("--year", 2026, "--size", 500, "--size", 2000, "--size", 5000, "--keep", "0.8")
    registry = published_data("measures")
    assert command(monkeypatch, "burden", "--registry", registry, "--practice", practice, *arguments) == 0
    manual = (ROOT / "docs" / "how-to" / "harmonize-measures.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out.strip() in manual
