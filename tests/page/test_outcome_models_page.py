"""Outcome models as a person asks for them: what is printed and written, and how the command ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from openvbp.cli import app
from outcome_cases import simulate

ASKED = ["--provider", "hospital", "--outcome", "readmitted", "--covariates", "x0, x1,x2"]


def cases_table() -> pa.Table:
    made = simulate(cases=4_000, providers=60, covariates=3, tau=0.5, spread=0.6, seed=6)
    names = pa.array([f"H<{one:02}>" for one in made.provider])
    return pa.table({"hospital": names, "readmitted": made.outcome.astype(int), **made.covariates})


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Parquet file as it would be analysed, and a CSV with the same rows in another order, of which three are bad."""
    folder = tmp_path_factory.mktemp("cases")
    table = cases_table()
    pq.write_table(table, folder / "cases.parquet")
    order = np.random.default_rng(1).permutation(table.num_rows)
    pacsv.write_csv(table.take(pa.array(order)), folder / "cases.csv")
    with (folder / "cases.csv").open("a") as file:
        file.write('"H<00>",1,1,,0\n"",1,1,1,0\n"H<01>",0,1,unknown-4711,0\n')
    return folder


def outcomes(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["outcomes", *words])
    return done.exit_code, done.stdout, done.stderr


def test_fit_prints_writes_and_draws(cases: Path, tmp_path: Path) -> None:
    out = tmp_path / "RUN"
    (out / ".cases-of-a-killed-run").mkdir(parents=True)
    resampling = ["--bootstrap", "200", "--seed", "3", "--minimum-cases", "30"]
    code, printed, said = outcomes("fit", "--data", str(cases / "cases.csv"), *ASKED, *resampling, "--out", str(out))
    assert code == 0, said
    assert "rows read" in printed
    assert "  rejected 1: covariate is missing: x1" in printed
    assert "providers by 95% limits (200 replicates): " in printed
    assert sorted(path.name for path in out.iterdir()) == [
        "coefficients.parquet",
        "model.json",
        "outcomes.html",
        "providers.parquet",
        "rejected.parquet",
    ]
    summary = json.loads((out / "model.json").read_text())
    low, high = summary["tau_limits"]
    assert low < summary["tau"] < high
    assert f"τ {summary['tau']:.4f} ({low:.4f} to {high:.4f})" in printed
    assert summary["rows_read"] == summary["rows_accepted"] + sum(summary["rows_rejected"].values())
    assert sum(summary["rows_rejected"].values()) == 3
    rejected = pq.read_table(out / "rejected.parquet").to_pylist()
    assert rejected[-1]["reason"] == "covariate is no finite number: x1"
    assert rejected[-1]["row_number"] == summary["rows_read"]
    rows = pq.read_table(out / "providers.parquet").to_pylist()
    assert [row["provider_id"] for row in rows] == sorted(row["provider_id"] for row in rows)
    assert sum(row["cases"] for row in rows) == summary["rows_accepted"]
    for row in rows:
        assert row["ratio"] == pytest.approx(row["predicted"] / row["expected"], abs=1e-6)
        assert row["ratio_low"] < row["ratio"] < row["ratio_high"]
        assert row["observed_to_expected"] == pytest.approx(row["observed"] / row["expected"], abs=1e-6)
    assert {row["class"] for row in rows} >= {"too few cases", "no different", "worse"}
    terms = pq.read_table(out / "coefficients.parquet")
    assert terms["term"].to_pylist() == ["(intercept)", "x0", "x1", "x2"]
    page = (out / "outcomes.html").read_text()
    assert page.count("<circle") == len(rows)
    assert "H&lt;00&gt;" in page
    assert "H<00>" not in page
    for text in (printed, said, page, json.dumps(summary)):
        assert "4711" not in text


def test_a_file_in_order_is_read_as_it_stands_and_gives_the_same(cases: Path, tmp_path: Path) -> None:
    for name in ("cases.parquet", "cases.csv"):
        out = tmp_path / name
        assert outcomes("fit", "--data", str(cases / name), *ASKED, "--out", str(out))[0] == 0
    tables = [pq.read_table(tmp_path / name / "coefficients.parquet") for name in ("cases.parquet", "cases.csv")]
    assert np.array(tables[0]["estimate"]) == pytest.approx(np.array(tables[1]["estimate"]), abs=2e-9)


def test_true_and_false_are_one_and_zero(cases: Path, tmp_path: Path) -> None:
    table = cases_table()
    columns = {name: table[name].cast(pa.bool_()) if name != "hospital" else table[name] for name in table.column_names}
    pq.write_table(pa.table(columns), tmp_path / "flags.parquet")
    for name, path in (("numbers", cases / "cases.parquet"), ("flags", tmp_path / "flags.parquet")):
        assert outcomes("fit", "--data", str(path), *ASKED, "--out", str(tmp_path / name))[0] == 0
    tables = [pq.read_table(tmp_path / name / "providers.parquet") for name in ("numbers", "flags")]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("method", ["laplace", "quadrature", "profile", "fixed"])
def test_other_methods(cases: Path, tmp_path: Path, method: str) -> None:
    words = ["--method", method, "--nodes", "5", "--json", "--out", str(tmp_path)]
    code, printed, said = outcomes("fit", "--data", str(cases / "cases.parquet"), *ASKED, *words)
    assert code == 0, said
    found = json.loads(printed)
    assert (found["tau"] is None) == (method == "fixed")
    assert (found["log_likelihood"] is None) == (method == "fixed")
    assert found["limits"] == "prediction error"
    assert "<svg" in (tmp_path / "outcomes.html").read_text()


def test_within_adds_a_term(cases: Path, tmp_path: Path) -> None:
    words = ["--within", "--json", "--out", str(tmp_path)]
    assert outcomes("fit", "--data", str(cases / "cases.parquet"), *ASKED, *words)[0] == 0
    assert pq.read_table(tmp_path / "coefficients.parquet").num_rows == 5


def test_desirable_outcomes_turn_the_classes(cases: Path, tmp_path: Path) -> None:
    counts = []
    for more in ([], ["--desirable"]):
        words = [*ASKED, *more, "--json", "--out", str(tmp_path)]
        counts.append(json.loads(outcomes("fit", "--data", str(cases / "cases.parquet"), *words)[1])["classes"])
    assert counts[0].get("worse") == counts[1].get("better")
    assert counts[0].get("worse", 0) > 0


def test_cohorts_are_combined(cases: Path, tmp_path: Path) -> None:
    for name, covariates in (("one", "x0"), ("two", "x1,x2")):
        words = ["--provider", "hospital", "--outcome", "readmitted", "--covariates", covariates]
        outcomes("fit", "--data", str(cases / "cases.parquet"), *words, "--out", str(tmp_path / name))
    written = tmp_path / "combined.csv"
    code, printed, said = outcomes("combine", str(tmp_path / "one"), str(tmp_path / "two"), "--out", str(written))
    assert code == 0, said
    assert "60 providers of 2 cohorts" in printed
    rows = pacsv.read_csv(written).to_pylist()
    ratios = [pq.read_table(tmp_path / name / "providers.parquet")["ratio"].to_pylist() for name in ("one", "two")]
    assert rows[0]["cohorts"] == 2
    assert rows[0]["ratio"] == pytest.approx(np.sqrt(ratios[0][0] * ratios[1][0]), abs=1e-8)


def test_errors_end_with_the_code_of_their_kind(cases: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["outcomes", "fit", "--data", str(tmp_path / "no.csv"), *ASKED, "--out", str(tmp_path)]
    )
    assert getattr(done.exception, "exit_code", None) == 3
    words = [*ASKED, "--method", "magic", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, ["outcomes", "fit", "--data", str(cases / "cases.parquet"), *words])
    assert getattr(done.exception, "exit_code", None) == 2
