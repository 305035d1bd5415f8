"""The example of the report card: what the command prints, what the page says of it, and that no patient shows."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from conftest import ROOT

EXAMPLE = ROOT / "examples" / "mncm"
PAGE = ROOT / "src" / "openvbp" / "programs" / "mncm" / "README.md"
ROW = re.compile(
    r"^\| (?P<clinic>CLINIC-.) \| (?P<met>\d+) of (?P<patients>\d+) \| (?P<actual>[0-9.]+) \| (?P<expected>[0-9.]+) "
    r"\| (?P<lower>[0-9.]+) to (?P<upper>[0-9.]+) \| (?P<rating>[a-z ]+) \| (?P<average>[a-z ]+) \|$",
    re.MULTILINE,
)
PATIENT = re.compile(r"\b[PR]0\d{3}\b")


def openvbp(*arguments: object) -> str:
    command = [sys.executable, "-m", "openvbp.cli", *map(str, arguments)]
    kept = {"PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=kept, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert not PATIENT.search(done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("mncm") / "RUN"
    return out, openvbp("run", "mncm", "--period", "CY2019", "--data", "examples/mncm", "--out", out)


def test_the_run_says_who_is_on_the_report_card(finished: tuple[Path, str]) -> None:
    _out, text = finished
    assert text.startswith("Minnesota Community Measurement, public report card CY2019")
    assert "468 rows read, 468 accepted, 0 rejected" in text
    assert "4 scored with parameters or rates that are not verified" in text
    assert "2 without a score: too few cases or measures" in text


def test_no_patient_shows_outside_the_evidence(finished: tuple[Path, str]) -> None:
    out, text = finished
    assert not PATIENT.search(text)
    for path in out.rglob("*.parquet"):
        is_evidence = path.is_relative_to(out / "evidence")
        has_patients = bool(PATIENT.search(str(pq.read_table(path).to_pylist())))
        assert has_patients == (is_evidence and path.stem != "category_count"), path
    assert not PATIENT.search((out / "run.json").read_text(encoding="utf-8"))


def test_the_page_shows_what_the_commands_print(finished: tuple[Path, str]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    measure = "colorectal_cancer_screening"
    told = openvbp("explain", finished[0], "CLINIC-B", "--measure", measure)
    rows = {row["clinic"]: row for row in ROW.finditer(page)}
    assert list(rows) == ["CLINIC-A", "CLINIC-B", "CLINIC-C"]
    row = rows["CLINIC-B"]
    for line in (
        f"actual rate {row['actual']} ",
        f"expected rate {row['expected']} ",
        f"interval lower {row['lower']} ",
        f"interval upper {row['upper']} ",
        f"rating 0: {row['rating']}; {row['average']};",
    ):
        assert line in told
    ratings = pq.read_table(finished[0] / "scoring" / "clinic_rating.parquet").to_pylist()
    of_measure = {one["provider_id"]: one for one in ratings if one["measure_id"] == measure}
    for clinic, row in rows.items():
        found = of_measure[clinic]
        assert (found["met"], found["patients"]) == (int(row["met"]), int(row["patients"]))
        names = {
            "actual_rate": "actual",
            "expected_rate": "expected",
            "interval_lower": "lower",
            "interval_upper": "upper",
        }
        for quantity, name in names.items():
            assert found[quantity] == Decimal(row[name])
        assert found["status_reason"].startswith(f"{row['rating']}; {row['average']};")
    costs = pq.read_table(finished[0] / "scoring" / "cost_index.parquet").to_pylist()
    group = next(one for one in costs if one["provider_id"] == "GROUP-2")
    for quantity in ("total_cost_index", "resource_use_index", "price_index"):
        assert str(group[quantity]) in page
    assert f"{group['cost_per_member_month']:.2f} dollars" in page
    assert f"expects {group['expected_cost_per_member_month']:.2f}." in page


def test_the_example_says_that_it_is_made_up() -> None:
    assert "made-up" in (EXAMPLE / "README.md").read_text(encoding="utf-8")
