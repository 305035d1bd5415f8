"""The commands ``openvbp measures ...`` and ``openvbp harmonize data`` as a person meets them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from openvbp.claims.synthetic import population
from openvbp.cli import main
from openvbp.measures.run import Request, run_measures

OWN = '''
"""Measures of our own."""
from openvbp.measures import events
from openvbp.measures.measure import Measure
from openvbp.measures.shared_conditions import ENROLLED, aged
from openvbp.measures.values import MP, Person

DIAGNOSED = events.condition.in_("own_diabetes").overlapping(MP)
LATEST = events.laboratory.in_("own_hba1c").starting(MP).last_day()
GROUPS = (("dual", Person("is_dual")),)


def poor(name, diagnosed, limit):
    numerator = LATEST.is_missing() | LATEST.any_null() | (LATEST.minimum() > limit)
    return Measure(name, "1", "lower_is_better", initial_population=aged(18, 75) & diagnosed & ENROLLED,
        numerator=numerator, strata=GROUPS)


MEASURES = [poor("own.poor", DIAGNOSED.days() >= 2, 9), poor("own.other", DIAGNOSED.exists(), 8)]
'''


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> object:
    monkeypatch.setattr(sys, "argv", ["openvbp", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("measures")
    population.generate(made / "population", members=800, seed=3)
    (made / "own.py").write_text(OWN, encoding="utf-8")
    (made / "codes").mkdir()
    (made / "codes" / "own_diabetes.csv").write_text("code,code_system\nE11*,ICD10CM\n", encoding="utf-8")
    (made / "codes" / "own_hba1c.csv").write_text("code,code_system\n4548-4,LOINC\n", encoding="utf-8")
    return made


def test_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    given = ("--data", folder / "population", "--own", folder / "own.py", "--value-sets", folder / "codes")
    out = folder / "results"
    assert command(monkeypatch, "measures", "run", *given, "--period", "CY2024", "--out", out, "--persons") == 0
    printed = capsys.readouterr().out
    assert "own.poor" in printed
    assert "own.other" in printed
    rows = pq.read_table(out / "measures.parquet").to_pylist()
    (whole,) = [row for row in rows if row["measure"] == "own.poor" and row["unit"] == "all" and not row["stratum"]]
    groups = [row for row in rows if row["measure"] == "own.poor" and row["stratum"] == "dual"]
    assert whole["denominator"] == sum(row["denominator"] for row in groups) > 0
    statuses = pq.read_table(out / "evidence" / "statuses.parquet").to_pylist()
    mine = [row for row in statuses if row["measure"] == "own.poor"]
    assert len(mine) == whole["initial_population"]
    assert sum(row["status"] == "met" for row in mine) == whole["met"]
    page = (out / "measures.html").read_text(encoding="utf-8")
    assert "own.poor" in page
    assert not any(row["person_id"] in page for row in mine)
    summary = json.loads((out / "measures.json").read_text(encoding="utf-8"))
    assert {one["value_set"]: one["codes_found"] > 0 for one in summary["value_sets"]} == {
        "own_diabetes": True,
        "own_hba1c": True,
    }


def test_one_missing_value_set_stops_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "own_diabetes.csv").write_text("code,code_system\nE11*,ICD10CM\n", encoding="utf-8")
    given = ("--data", folder / "population", "--own", folder / "own.py", "--value-sets", tmp_path)
    assert command(monkeypatch, "measures", "run", *given, "--period", "CY2024", "--out", tmp_path / "out") == 3
    printed = capsys.readouterr().err
    assert "value set own_hba1c is missing" in printed
    assert "own.poor" in printed
    assert not (tmp_path / "out" / "measures.parquet").exists()


def test_explain(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    given = ("--data", folder / "population", "--own", folder / "own.py", "--value-sets", folder / "codes")
    request = Request(("CY2024",), ("own.poor",), (folder / "own.py",), folder / "codes", with_persons=True)
    run_measures(folder / "population", tmp_path, request)
    statuses = pq.read_table(tmp_path / "evidence" / "statuses.parquet").to_pylist()
    person = next(row["person_id"] for row in statuses if row["measure"] == "own.poor" and row["status"] == "not_met")
    asked = ("measures", "explain", "own.poor", *given, "--period", "CY2024", "--person", person)
    assert command(monkeypatch, *asked) == 0
    printed = capsys.readouterr().out
    assert "own.poor@1 CY2024: not met" in printed
    assert "yes  age on the last day of the period at least 18" in printed
    assert "loinc 4548-4 value" in printed


def test_two_definitions_held_against_each_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    attributed = folder / "attributed"
    given = ("--data", folder / "population", "--period", "CY2024")
    assert command(monkeypatch, "attribute", *given, "--rule", "plurality_all_npi", "--out", attributed) == 0
    capsys.readouterr()
    own = ("--own", folder / "own.py", "--value-sets", folder / "codes")
    by = ("--attribution", attributed / "attribution.parquet", "--rule", "plurality_all_npi")
    asked = ("harmonize", "data", "--first", "own.poor", "--second", "own.other", *given, *own, *by, "--json")
    assert command(monkeypatch, *asked) == 0
    found = json.loads(capsys.readouterr().out)
    assert sum(one["subjects"] for one in found["statuses"]) == found["subjects"]
    assert sum(one["responsible_for"] for one in found["clauses"]) == found["differ"] > 0
    assert any(one["role"] == "numerator" and one["responsible_for"] for one in found["clauses"])
    assert found["units"][0]["kind"] == "npi"


def test_definitions_and_examples(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert command(monkeypatch, "measures", "show", "diabetes.hba1c_poor_control") == 0
    printed = capsys.readouterr().out
    assert "numerator: (there is no laboratory [hba1c] begun in the period (those of the latest day)" in printed
    assert command(monkeypatch, "measures", "list") == 0
    assert "diabetes.hba1c_tested@2026.1" in capsys.readouterr().out
    assert command(monkeypatch, "measures", "kinds") == 0
    assert "events.stay: a stay in an acute hospital" in capsys.readouterr().out
    wrong = folder / "wrong.py"
    wrong.write_text(OWN, encoding="utf-8")
    examples = "patients:\n- who: nobody\n  birth_date: 1970-01-01\n  expect: {own.poor: met}\n"
    (folder / "wrong.yaml").write_text(
        f"examples:\n  period: CY2024\n  {examples.replace(chr(10), chr(10) + '  ')}", "utf-8"
    )
    assert command(monkeypatch, "measures", "test", "--own", wrong) == 1
    assert "own.poor, nobody: expected met, plan found ('outside', None, None)" in capsys.readouterr().out
