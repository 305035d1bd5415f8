"""Draws of programs that do not pay hospitals, as a person asks for them: page, export, publication, refusals."""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from draws_files import EXCHANGES, write_rows
from openvbp.cli import app
from openvbp.engine import open_engine
from openvbp.errors import InputDataError
from openvbp.outcome_models.posterior_draws import draw_rows, write_draws
from openvbp.program import ProgramInputs, RunContext
from openvbp.programs import program
from openvbp.reporting.disclosure import public_tables
from openvbp.run_folder import open_run
from openvbp.uncertainty import run_draws
from openvbp.uncertainty.draw_files import demand_drawn_input, read_draws
from openvbp.uncertainty.stage import draw_stage

QOF = EXCHANGES["qof"]
SMALL = "00003"
"""A practice with five patients."""
INTERVALS = ("payment_interval", "measure_interval")


def call(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return 1, result.stdout, str(result.exception)
    return result.exit_code, result.stdout, result.stderr


def write_practices(folder: Path, small: int) -> None:
    """Eleven practices of 80 patients, of one of which only five count, so many of them treated."""
    QOF.write(folder, {f"{place:05}": (28 + 3 * place) / 80 for place in range(1, 13)})
    file = folder / "indicator_2015_16.csv"
    with file.open(newline="", encoding="utf-8") as lines:
        header, *rows = csv.reader(lines)
    for row in rows:
        if row[0] == SMALL:
            row[4:6] = [str(small), "5"]
    write_rows(file, ",".join(header), rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("programs")
    write_practices(made / "FILES", 3)
    asked = ("run", "qof", "--period", QOF.period, "--data", made / "FILES", "--out", made / "RUN")
    assert call(*asked)[0] == 0
    code, said, error = call("draws", made / "RUN", "--out", made / "draws.parquet", "--number", 60)
    assert code == 0, error
    assert "60 draws of each rate from what its cases tell" in said
    assert "AF006                      12          0" in said
    assert f"wrote {made / 'draws.parquet'}: 720 rows" in said
    code, said, error = call(*asked, "--draws", made / "draws.parquet")
    assert code == 0, error
    assert "actual, achievement: 12 providers drawn, 0 partly, 0 not drawn (no interval)" in said
    assert "the middle 90% of the draws spans" in said
    return made


def test_who_is_paid_in_how_many_draws(folder: Path) -> None:
    finished = open_run(folder / "RUN")
    values = pq.read_table(folder / "draws.parquet").to_pylist()
    thresholds = {one["provider_id"]: float(one["threshold"]) for one in finished.read("measure_result").to_pylist()}
    given = {}
    for one in finished.read("payment_interval").to_pylist():
        drawn = [row["value"] for row in values if row["provider_id"] == one["provider_id"]]
        given[one["provider_id"]] = sum(value > thresholds[one["provider_id"]] for value in drawn) / len(drawn)
        assert float(one["probability_given"]) == pytest.approx(given[one["provider_id"]])
        assert one["amount_low"] <= one["amount_high"]
    assert min(given.values()) < 0.5 < max(given.values())


def test_page_shows_amounts(folder: Path) -> None:
    page = (folder / "RUN" / "uncertainty.html").read_text(encoding="utf-8")
    assert "amount of achievement" in page
    assert "00012" in page
    assert "percent of base payments" not in page


def test_intervals_are_exported(folder: Path, tmp_path: Path) -> None:
    for name in ("all.duckdb", "all.xlsx"):
        code, _said, error = call("export", folder / "RUN", "--to", tmp_path / name)
        assert code == 0, error
    with duckdb.connect(str(tmp_path / "all.duckdb")) as database:
        for table in INTERVALS:
            assert database.execute(f"SELECT count(*) FROM {table}").fetchall() == [(12,)]
    code, said, error = call("export", folder / "RUN", "--to", tmp_path / "one.csv", "--table", "payment_interval")
    assert code == 0, error + said
    assert "probability_sign_flips" in (tmp_path / "one.csv").read_text(encoding="utf-8").splitlines()[0]


def test_public_intervals_hold_nothing_of_small_counts(folder: Path, tmp_path: Path) -> None:
    public = public_tables(open_run(folder / "RUN")).tables
    withheld = {one["provider_id"] for one in public["measure_result"].to_pylist() if one["status"] == "suppressed"}
    assert SMALL in withheld
    assert len(withheld) < 6
    for table in INTERVALS:
        private = {one["provider_id"]: one for one in open_run(folder / "RUN").read(table).to_pylist()}
        for one in public[table].to_pylist():
            before = private[one["provider_id"]]
            if one["provider_id"] in withheld:
                shown = {name for name, value in one.items() if value is not None}
                assert not [name for name in shown if name.startswith(("rate", "amount", "points", "probability"))]
                assert one.get("draw_status", "suppressed") == "suppressed"
            else:
                assert one == before
    # Another small count and its draws change nothing that is published.
    write_practices(tmp_path / "FILES", 2)
    rows = pq.read_table(folder / "draws.parquet").to_pylist()
    others = [{**one, "value": 1 - one["value"]} if one["provider_id"] == SMALL else one for one in rows]
    write_draws(pa.Table.from_pylist(others, schema=pq.read_schema(folder / "draws.parquet")), tmp_path / "d.parquet")
    asked = ("run", "qof", "--period", QOF.period, "--data", tmp_path / "FILES", "--out", tmp_path / "RUN")
    assert call(*asked, "--draws", tmp_path / "d.parquet")[0] == 0
    again = public_tables(open_run(tmp_path / "RUN")).tables
    for table in INTERVALS:
        assert again[table].equals(public[table])


def test_later_draws_of_no_measure_leave_no_measure_interval(tmp_path: Path) -> None:
    made = EXCHANGES["mssp"]
    made.write(tmp_path / "FILES", made.values)
    asked = ("run", "mssp", "--period", made.period, "--data", tmp_path / "FILES", "--out", tmp_path / "RUN")
    for name, value, is_measure in (("QUALITY_SCORE", 0.5, True), ("expenditures", 98e6, False)):
        write_draws(draw_rows(["A0001"], name, np.full((20, 1), value)), tmp_path / "draws.parquet")
        code, said, error = call(*asked, "--draws", tmp_path / "draws.parquet")
        assert code == 0, error
        assert "actual, net: 0 providers drawn, 1 partly, 2 not drawn" in said
        assert (tmp_path / "RUN" / "results" / "measure_interval.parquet").exists() is is_measure
    code, _said, error = call("draws", tmp_path / "RUN", "--out", tmp_path / "x.parquet")
    assert code != 0
    assert "nothing in a run of mssp tells how uncertain they are: expenditures, QUALITY_SCORE" in error


def refused(program_id: str, folder: Path, name: str, value: float) -> str:
    made = EXCHANGES[program_id]
    made.write(folder / "FILES", made.values)
    write_draws(draw_rows(list(made.values)[:1], name, np.full((20, 1), value)), folder / "draws.parquet")
    asked = ("run", program_id, "--period", made.period, "--data", folder / "FILES", "--out", folder / "RUN")
    code, _said, error = call(*asked, "--draws", folder / "draws.parquet")
    assert code != 0
    return error


def test_impossible_values_and_unknown_quantities(tmp_path: Path) -> None:
    assert "values of AF006 are outside 0 to 1" in refused("qof", tmp_path / "1", "AF006", 1.5)
    assert "values of expenditures are below 0" in refused("aco_reach", tmp_path / "2", "expenditures", -1.0)
    said = refused("aco_reach", tmp_path / "3", "savings", 1e6)
    assert "no draw belongs to a scored value of the run" in said
    assert "the measure is not in the run" in said


def test_a_run_that_pays_nothing(tmp_path: Path) -> None:
    write_draws(draw_rows(["COAST"], "SCREENING", np.full((20, 1), 0.7)), tmp_path / "draws.parquet")
    found = program("iha_amp")
    stage = draw_stage(found, read_draws(tmp_path / "draws.parquet", demand_drawn_input(found).bounds))
    with open_engine() as engine, pytest.raises(InputDataError, match="the run pays nothing that could be drawn"):
        stage.compute(RunContext(engine, ProgramInputs([], found.parameters, None), [], []))  # type: ignore[arg-type]


def test_too_many_draws(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_draws, "MOST_ROWS", 600)
    code, _said, error = call("draws", folder / "RUN", "--out", tmp_path / "x.parquet", "--number", 60)
    assert code != 0
    assert "12 rates × 60 draws are 720 rows, more than 600" in error
    assert "give --number 50 or less" in error
