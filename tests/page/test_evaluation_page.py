"""``openvbp evaluate`` as a person meets it: what it prints and writes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from evaluation_panels import STUDY, write_panel
from openvbp.cli import app
from openvbp.errors import InputDataError

CURVED = STUDY + "curve: {weights: [cases, none], compare: [[exempt A], [exempt B]]}\n"


def ask(*words: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", *words], catch_exceptions=False)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    write_panel(tmp_path / "data", treated=20, others=24)
    path = tmp_path / "study.yaml"
    path.write_text(CURVED, encoding="utf-8")
    return path


def test_power_lock_and_run(study: Path) -> None:
    data, out = ["--data", str(study.parent / "data")], study.parent / "OUT"
    planned = ask("power", str(study), *data)
    assert "Power before estimates" in planned.stdout
    assert "false alarms" in planned.stdout
    locked = ask("lock", str(study), *data, "--to", str(study.parent / "prereg.json"))
    assert locked.stdout.startswith("registered A made-up program on ")
    found = ask("run", str(study), *data, "--out", str(out), "--registration", str(study.parent / "prereg.json"))
    assert found.exit_code == 0
    assert "Locked: program, data and design are those registered" in found.stdout
    assert "What would change this conclusion" in found.stdout
    assert "Specification curve: 4 specifications (0 not possible)" in found.stdout
    assert f"wrote {out / 'evaluation.html'}" in found.stdout
    page = (out / "evaluation.html").read_text(encoding="utf-8")
    headings = [
        "What would change this conclusion",
        "Design card",
        "Power, before outcomes were read",
        "Balance before onset",
        "Main table",
        "Effect path",
        "Pre-trend test and its power",
        "Honest bounds: if trends were not parallel",
        "Placebo in time",
        "Placebo in outcome",
        "Placebo in unit",
        "Calibrated by the placebos",
        "Spill-over: conditions the program left alone",
        "Worst baseline, with the same selection in the comparison",
        "Equity: effects by whom providers serve",
        "Shock that would overturn the answer",
        "Specification curve",
        "Shrinkage",
        "Data and digests",
    ]
    places = [page.find(f"<h2>{one}</h2>") for one in headings]
    assert -1 not in places
    assert places == sorted(places)
    assert "<script" not in page
    assert "http" not in page
    assert "prefers-color-scheme: dark" in page


def test_json_holds_every_row(study: Path) -> None:
    found = ask("run", str(study), "--data", str(study.parent / "data"), "--out", str(study.parent / "OUT"), "--json")
    content = json.loads(found.stdout)
    assert content["curve"]["specifications"] == 4
    sections = {row["section"] for row in content["results"]}
    assert {"main", "event study", "equity", "specification curve"} <= sections
    table = pq.read_table(study.parent / "OUT" / "results.parquet")
    assert table.num_rows == len(content["results"])
    assert content["results"][0]["low"] is None


def test_locking_late_is_refused(study: Path) -> None:
    data = ["--data", str(study.parent / "data")]
    ask("run", str(study), *data, "--out", str(study.parent / "OUT"))
    with pytest.raises(Exception, match="outcomes of these data were read before"):
        ask("lock", str(study), *data, "--to", str(study.parent / "late.json"))
    late = ask("lock", str(study), *data, "--to", str(study.parent / "late.json"), "--after-reading")
    assert "not a pre-registration" in late.stdout


def test_cells_may_leave(study: Path) -> None:
    found = ask("cells", str(study), "--data", str(study.parent / "data"), "--to", str(study.parent / "cells.parquet"))
    assert "1,056 rows, 1,056 cells" in found.stdout
    cells = pq.read_table(study.parent / "cells.parquet")
    assert cells.column_names[:9] == [
        "provider_id", "condition", "start", "end", "rate", "observed", "expected", "cases", "variance",
    ]  # fmt: skip


def test_schema_is_json() -> None:
    schema = json.loads(ask("schema").stdout)
    assert {"Study", "DiscontinuityStudy"} & {one["title"] for one in schema["anyOf"]}


def test_a_wrong_term_is_said_with_its_line(study: Path) -> None:
    study.write_text(STUDY.replace("main: {conditions: [heart]}", "main: {desing: did}"), encoding="utf-8")
    with pytest.raises(InputDataError, match="line 11"):
        ask("run", str(study), "--data", ".", "--out", str(study.parent / "OUT"))
