"""Uncertainty of payments as a person asks for it: three commands, what they print, and the page."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from hrrp_files import MadeCondition, MadeHospital, write_public, write_supplemental
from openvbp.cli import app
from outcome_cases import simulate

PERIOD, HF = "FY2024", "READM-30-HF"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of fourteen hospitals, of which the last has too few discharges."""
    made = tmp_path_factory.mktemp("page")
    hospitals = [
        MadeHospital(f"01{place:04}", {HF: MadeCondition(f"{0.92 + place / 75:.4f}", 20 if place == 14 else 300)})
        for place in range(1, 15)
    ]
    (made / "FILES").mkdir()
    write_public(made / "FILES", PERIOD, hospitals)
    write_supplemental(made / "FILES", PERIOD, hospitals, "0.96")
    return made


def call(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return 1, result.stdout, str(result.exception)
    return result.exit_code, result.stdout, result.stderr


def test_from_published_ratios_to_intervals_of_payments(folder: Path) -> None:
    out, draws = folder / "RUN", folder / "draws.parquet"
    asked = ("run", "hrrp", "--period", PERIOD, "--data", folder / "FILES", "--out", out)
    assert call(*asked)[0] == 0
    code, said, _progress = call("draws", out, "--out", draws, "--number", 50, "--seed", 2)
    assert code == 0
    assert "50 draws of each ratio, by a normal approximation" in said
    assert "READM-30-HF                13          0" in said
    assert f"wrote {draws}: 650 rows" in said
    code, said, progress = call(*asked, "--draws", draws)
    assert code == 0
    assert "scoring: unchanged, kept" in progress
    assert "draws: 650 rows read, 650 accepted, 0 rejected; 50 draws of each provider and measure" in said
    assert "actual, readmission_reduction: 13 providers drawn, 0 partly, 1 not drawn (no interval)" in said
    assert f"wrote {out / 'uncertainty.html'}" in said
    page = (out / "uncertainty.html").read_text(encoding="utf-8")
    for words in ("<h2>What the draws say</h2>", "<svg", "P(sign flips)", "010001", "not drawn", "P(loses)"):
        assert words in page
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    taken = record["draws"]["scenarios"]["actual"]["taken"]
    assert f"{taken['providers']:>7,} lose money: {taken['not_so']:.1%} of them would not, at their true rates" in said


def test_draws_as_json_and_of_a_file_that_is_no_parquet(folder: Path) -> None:
    out = folder / "RUN"
    code, said, _progress = call("draws", out, "--out", folder / "again.parquet", "--number", 50, "--seed", 2, "--json")
    assert code == 0
    content = json.loads(said)
    assert (content["rows"], content["draws"], content["measures"][0]["drawn"]) == (650, 50, 13)
    assert pq.read_table(folder / "again.parquet").equals(pq.read_table(folder / "draws.parquet"))
    code, _said, error = call("draws", out, "--out", folder / "draws.csv")
    assert code != 0
    assert "draws are written to Parquet" in error


def test_draws_from_a_model_of_cases(folder: Path) -> None:
    made = simulate(cases=2_600, providers=13, covariates=1, tau=0.5, spread=0.2, seed=6)
    names = pa.array([f"01{one + 1:04}" for one in made.provider])
    table = pa.table({"hospital": names, "readmitted": made.outcome.astype(int), **made.covariates})
    pq.write_table(table, folder / "cases.parquet")
    asked = ("outcomes", "fit", "--data", folder / "cases.parquet", "--provider", "hospital", "--outcome", "readmitted")
    asked = (*asked, "--covariates", "x0", "--out", folder / "MODEL", "--draws", 40)
    code, _said, error = call(*asked)
    assert code != 0
    assert "draws need the name of the measure" in error
    code, said, _progress = call(*asked, "--measure", HF)
    assert code == 0
    assert f"wrote {folder / 'MODEL' / 'draws.parquet'}: 40 draws of each ratio" in said
    draws = pq.read_table(folder / "MODEL" / "draws.parquet")
    assert draws.num_rows == 13 * 40
    assert set(draws["measure_id"].to_pylist()) == {HF}
    # The middle of the draws is the ratio of the model.
    ratios = {
        one["provider_id"]: one["ratio"] for one in pq.read_table(folder / "MODEL" / "providers.parquet").to_pylist()
    }
    means = draws.group_by("provider_id").aggregate([("value", "mean")]).to_pylist()
    for one in means:
        assert one["value_mean"] == pytest.approx(ratios[one["provider_id"]], rel=0.1)


def test_replicates_of_a_bootstrap_are_draws(folder: Path) -> None:
    asked = ("outcomes", "fit", "--data", folder / "cases.parquet", "--provider", "hospital", "--outcome", "readmitted")
    asked = (*asked, "--covariates", "x0", "--out", folder / "REPLICATES", "--measure", HF, "--draws", 40)
    code, _said, error = call(*asked, "--bootstrap", 100, "--draws", 51)
    assert code != 0
    assert "100 replicates do not give 51 draws" in error
    assert call(*asked, "--bootstrap", 200)[0] == 0
    draws = pq.read_table(folder / "REPLICATES" / "draws.parquet")
    assert draws.num_rows == 13 * 40
    widths = {
        name: draws_of.group_by("provider_id").aggregate([("value", "stddev")]).sort_by("provider_id")
        for name, draws_of in (("model", pq.read_table(folder / "MODEL" / "draws.parquet")), ("replicates", draws))
    }
    # The coefficients and τ vary too, so that replicates spread at least about as widely.
    spread = {name: sum(one["value_stddev"].to_pylist()) / 13 for name, one in widths.items()}
    assert 0.9 * spread["model"] < spread["replicates"] < 2 * spread["model"]
    asked = ("run", "hrrp", "--period", PERIOD, "--data", folder / "FILES", "--out", folder / "RUN")
    code, said, _progress = call(*asked, "--draws", folder / "REPLICATES" / "draws.parquet")
    assert code == 0
    assert "520 accepted, 0 rejected; 40 draws" in said
