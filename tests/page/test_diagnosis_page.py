"""The command ``openvbp diagnose`` as a person meets it: what it prints and writes, and what the page does not tell."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from diagnosis_runs import write_run
from openvbp.cli import app


def ask(*words: str) -> Result:
    return CliRunner().invoke(app, ["diagnose", *words])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two years of 60 practices in 12 measures: of those up to three short of 70 %, most come to have enough."""
    random = np.random.default_rng(3)
    folder = tmp_path_factory.mktemp("runs")
    for year in (2019, 2020):
        counts, measures, payments = [], [], []
        for practice in range(60):
            name = f"PRACTICE{practice:02}"
            lost = 0
            for measure in range(12):
                size = int(random.integers(100, 300))
                need = -(-7 * size // 10)
                met = int(random.binomial(size, random.beta(30, 11)))
                met = need if need - 3 <= met < need and random.random() < 0.8 else met
                lost += met < need
                left_out = 3 if measure == 0 and practice == 0 else 0 if measure == 0 else int(random.integers(5, 30))
                key = {"provider_id": name, "measure_id": f"M{measure:02}", "numerator": met, "denominator": size}
                counts.append({**key, "exceptions": left_out})
                rate = f"{met / size:.10f}"
                measures.append({**key, "rate": rate, "threshold": 0.4, "benchmark": 0.7, "maximum_points": 10})
            payments.append({"provider_id": name, "rate": "-0.01" if lost > 3 else "0"})
        write_run(folder / f"{year}", year, counts=counts, measure_result=measures, payment_result=payments)
    return [str(folder / f"{year}") for year in (2020, 2019)]


def test_everything_that_the_runs_allow_is_printed_and_written(runs: list[str], tmp_path: Path) -> None:
    groups = tmp_path / "groups.csv"
    groups.write_text(
        "provider_id,beds,rural\n"
        + "".join(f"PRACTICE{at:02},{50 + 10 * at},{'yes' if at % 3 else 'no'}\n" for at in range(60))
    )
    out = tmp_path / "OUT"
    done = ask(*runs, "--out", str(out), "--providers", str(groups), "--bands", "beds=100,400")
    assert done.exit_code == 0, done.output
    printed = re.sub(r"\s+", " ", done.output)
    assert re.search(r"[0-9]+ of [0-9,]+ provider × measure × periods are one patient short", printed)
    assert re.search(r"2020: [0-9.]+ % of the patients of 12 measures were left out", printed)
    assert "a lower bound of what achievement would have been" in printed
    assert re.search(r"Of [0-9]+ providers penalised in 2019, [0-9.]+ % are again in 2020", printed)
    assert "2020, by beds (below 100 / 100 to below 400 / 400 and above)" in printed
    assert "Attribution in dollars: give --claims" in printed

    record = json.loads((out / "diagnosis.json").read_text())
    assert record["periods"] == ["2019", "2020"]
    made = [one["name"] for one in record["sections"] if not one["why_not"]]
    assert made == ["bunching", "put-back", "exclusions", "penalties", "equity"]
    (threshold,) = pq.read_table(out / "bunching_threshold.parquet").to_pylist()
    assert threshold["exactly_enough"] > 2 * threshold["one_short"]
    assert pq.read_table(out / "providers" / "put-back_providers.parquet").num_rows == 120

    page = (out / "diagnosis.html").read_text()
    for heading in ("Bunching at thresholds", "Patients put back", "Equity of payments", "What could not be looked at"):
        assert f"<h2>{heading}</h2>" in page
    assert page.count("<svg") == 7
    assert not re.search("(src|href)=.?(https?:)?//", page)
    # Rows of single providers are in a folder of their own, not on the page or in the JSON.
    assert "PRACTICE00" not in page
    assert "PRACTICE00" not in (out / "diagnosis.json").read_text()


def test_small_counts_of_patients_are_on_neither_page_nor_table(runs: list[str], tmp_path: Path) -> None:
    """Of measure M00 three patients are left out in all: it is withheld, and a second one with it."""
    out = tmp_path / "OUT"
    assert ask(*runs, "--out", str(out), "--what", "put-back").exit_code == 0
    measures = pq.read_table(out / "put-back_measures.parquet").to_pylist()
    assert {one["measure_id"] for one in measures if one["population"] is None} >= {"M00"}
    for year in ("2019", "2020"):
        assert sum(one["population"] is None for one in measures if one["period"] == year) == 2


def test_json_and_usage(runs: list[str], tmp_path: Path) -> None:
    printed = ask(*runs, "--out", str(tmp_path / "OUT"), "--what", "penalties", "--json")
    start = printed.output.index("{")
    assert json.loads(printed.output[start:])["sections"][0]["name"] == "penalties"
    wrong = ask(*runs, "--out", str(tmp_path / "OUT"), "--bands", "beds")
    assert "'beds' is no column with values" in str(wrong.exception)
    years = ask(*runs, "--out", str(tmp_path / "OUT"), "--claims", "x", "--years", "now")
    assert "'now' are not years" in str(years.exception)
