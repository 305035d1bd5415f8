"""Commands as a person gives them: what they print, where, and how they end."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from python_calamine import CalamineWorkbook

from conftest import ROOT, published_data
from openvbp.programs import program_ids
from openvbp.run_folder import RunFolder


def openvbp(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "openvbp.cli", *map(str, arguments)]
    kept = {"PATH": "/usr/bin:/bin", "COLUMNS": "120", **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=kept, timeout=120, check=False)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The demonstration, run once."""
    out = tmp_path_factory.mktemp("demo")
    done = openvbp("demo", "--out", out, "--members", 0, "--hospitals", 60)
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_help_names_every_command() -> None:
    done = openvbp("--help")
    assert done.returncode == 0
    for command in ("run", "demo", "programs", "explain", "compare", "export", "fetch"):
        assert f" {command} " in done.stdout


def test_help_imports_nothing_slow() -> None:
    slow = ("ibis", "duckdb", "pyarrow", "numpy", "pandas", "pyspark", "httpx2")
    code = f"import sys, openvbp.cli; print([name for name in {slow} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_demo_says_that_it_is_synthetic_and_where_to_look_next(demo: tuple[Path, str]) -> None:
    out, text = demo
    assert text.startswith("SYNTHETIC DATA")
    assert "median" in text
    for line in (f"openvbp explain {out / 'hospitals'} 99", f"openvbp export {out / 'hospitals'}"):
        assert line in text


def test_the_next_command_that_the_demo_names_works(demo: tuple[Path, str]) -> None:
    line = next(line for line in demo[1].splitlines() if "openvbp explain" in line)
    done = openvbp(*line.split()[1:])
    assert done.returncode == 0
    assert "total performance score" in done.stdout
    assert "[42 CFR 412.165(a)(3)]" in done.stdout


def test_explanation_of_one_measure_names_file_and_column(demo: tuple[Path, str]) -> None:
    line = next(line for line in demo[1].splitlines() if "openvbp explain" in line)
    done = openvbp(*line.split()[1:], "--measure", "MSPB-1")
    assert done.returncode == 0
    assert "column 'MSPB-1 Performance Rate'" in done.stdout
    assert "total performance score" not in done.stdout


def test_explanation_of_an_unknown_hospital_offers_its_neighbours(demo: tuple[Path, str]) -> None:
    done = openvbp("explain", demo[0] / "hospitals", "990o01")
    assert done.returncode == 2
    assert "for example: 9900" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("explain", "RUN", "990010"), ("programs",), ("programs", "hvbp"), ("export", "RUN", "--to", "OUT.csv")],
    ids=lambda arguments: " ".join(arguments),
)
def test_json_is_json(arguments: tuple[str, ...], demo: tuple[Path, str], tmp_path: Path) -> None:
    places = {"RUN": str(demo[0] / "hospitals"), "OUT.csv": str(tmp_path / "out.csv")}
    done = openvbp(*(places.get(one, one) for one in arguments), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def test_run_with_json_prints_its_record(demo: tuple[Path, str], tmp_path: Path) -> None:
    done = openvbp("run", "hvbp", "--period", "FY2024", "--data", demo[0] / "files", "--out", tmp_path / "R", "--json")
    record = json.loads(done.stdout)
    assert record == json.loads((tmp_path / "R" / "run.json").read_text())
    assert record["input_rows"]["in"] == record["input_rows"]["accepted"] + record["input_rows"]["rejected"]
    assert "scoring" in done.stderr


def test_several_changes_make_one_scenario_beside_the_rules_in_force(demo: tuple[Path, str], tmp_path: Path) -> None:
    changes = ("--set", "applicable_percent=0.03", "--set", "domain_weight.safety=0.5")
    done = openvbp("run", "hvbp", "--period", "FY2024", "--data", demo[0] / "files", "--out", tmp_path / "R", *changes)
    assert done.returncode == 0, done.stderr
    assert "scenario what_if (applicable_percent=0.03, domain_weight.safety=0.5)" in done.stdout
    withheld = duckdb.sql(
        f"SELECT scenario_id, min(rate), max(rate) FROM '{tmp_path}/R/results/payment_result.parquet' "
        "WHERE component_id = 'withhold' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert [(name, float(low), float(high)) for name, low, high in withheld] == [
        ("actual", -0.02, -0.02),
        ("what_if", -0.03, -0.03),
    ]


def test_swept_scenarios_score_as_single_ones_do(demo: tuple[Path, str], tmp_path: Path) -> None:
    rows = [
        ("one", "domain_weight.safety", "0.5"),
        ("two", "benchmark.MORT-30-HF", "0.95"),
        ("two", "floor.HCAHPS-care-transition", "0.4"),
        ("three", "minimum_measures.safety", "4"),
    ]
    with (tmp_path / "scenarios.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("scenario_id", "path", "value"), *rows])
    data = demo[0] / "files"
    swept = openvbp(
        "run",
        "hvbp",
        "--period",
        "FY2024",
        "--data",
        data,
        "--out",
        tmp_path / "S",
        "--scenarios",
        tmp_path / "scenarios.csv",
    )
    assert swept.returncode == 0, swept.stderr
    for name in ("one", "two", "three"):
        changes = [part for scenario, path, value in rows if scenario == name for part in ("--set", f"{path}={value}")]
        single = openvbp("run", "hvbp", "--period", "FY2024", "--data", data, "--out", tmp_path / name, *changes)
        assert single.returncode == 0, single.stderr
        for table, net in (("provider_result", ""), ("payment_result", "AND component_id = 'net'")):
            in_sweep = f"FROM '{tmp_path}/S/results/{table}.parquet' WHERE scenario_id = '{name}'"
            alone = f"FROM '{tmp_path}/{name}/results/{table}.parquet' WHERE scenario_id = 'what_if' {net}"
            columns = "SELECT * EXCLUDE scenario_id"
            different = duckdb.sql(f"({columns} {in_sweep}) EXCEPT ({columns} {alone})").fetchall()
            assert duckdb.sql(f"SELECT count(*) {in_sweep}").fetchone() == (60,)
            assert different == []
    scores = pq.read_table(tmp_path / "S" / "results" / "provider_result.parquet")
    assert len(set(scores["scenario_id"].to_pylist())) == 4


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".duckdb", ".xlsx"])
def test_export_keeps_every_row_and_leading_zeros(suffix: str, demo: tuple[Path, str], tmp_path: Path) -> None:
    to = tmp_path / f"results{suffix}"
    done = openvbp("export", demo[0] / "hospitals", "--to", to)
    assert done.returncode == 0, done.stderr
    if suffix == ".xlsx":
        book = CalamineWorkbook.from_path(str(to))
        assert book.sheet_names[0] == "README"
        ids = [row[4] for row in book.get_sheet_by_name("provider_result").to_python()[2:]]
    elif suffix == ".duckdb":
        with duckdb.connect(str(to)) as database:
            ids = [row[0] for row in database.sql("SELECT provider_id FROM provider_result").fetchall()]
    else:
        reader = f"read_csv('{to}', all_varchar=true)" if suffix == ".csv" else f"'{to}'"
        ids = [row[0] for row in duckdb.sql(f"SELECT provider_id FROM {reader}").fetchall()]
    assert sorted(ids) == [f"99{number:04d}" for number in range(1, 61)]


def test_workbook_traces_an_amount_to_base_and_rate(demo: tuple[Path, str], tmp_path: Path) -> None:
    import zipfile

    to = tmp_path / "results.xlsx"
    assert openvbp("export", demo[0] / "hospitals", "--to", to, "--provider", "990010").returncode == 0
    with zipfile.ZipFile(to) as parts:
        sheets = [name for name in parts.namelist() if name.startswith("xl/worksheets/")]
        formulas = sum(parts.read(name).decode().count("<f>") for name in sheets)
    assert formulas == 3
    assert "step_result" in CalamineWorkbook.from_path(str(to)).sheet_names


def test_export_to_an_unknown_format_is_a_usage_error(demo: tuple[Path, str], tmp_path: Path) -> None:
    done = openvbp("export", demo[0] / "hospitals", "--to", tmp_path / "results.docx")
    assert done.returncode == 2
    assert ".xlsx" in done.stderr


def test_compare_ends_with_1_and_names_the_hospital_that_differs(hvbp_fy2024: RunFolder, tmp_path: Path) -> None:
    for path in published_data("hospital", "hvbp", "fy2024").glob("*.csv"):
        text = path.read_text(encoding="utf-8")
        if "tps" in path.name:
            assert text.count("15.583333333333\n") >= 1
            text = text.replace("15.583333333333\n", "15.583333333334\n", 1)
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    done = openvbp("compare", hvbp_fy2024.path, tmp_path)
    assert done.returncode == 1
    assert "010001 total_performance_score: ours 15.583333333333, published 15.583333333334" in done.stdout
    assert "1 value differs" in done.stdout


def test_the_readme_prints_what_compare_prints(hvbp_fy2024: RunFolder) -> None:
    done = openvbp("compare", hvbp_fy2024.path, published_data("hospital", "hvbp", "fy2024"))
    assert done.returncode == 0
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\n".join(f"    {line}".rstrip() for line in done.stdout.strip().splitlines()) in readme


def test_defaults_come_from_the_file_then_the_environment_then_the_option(
    demo: tuple[Path, str], tmp_path: Path
) -> None:
    (tmp_path / "openvbp.toml").write_text('[run]\nperiod = "FY1999"\n')
    arguments = ("run", "hvbp", "--data", demo[0] / "files", "--out", tmp_path / "R")
    assert "FY1999" in openvbp(*arguments, cwd=tmp_path).stderr
    assert "FY1998" in openvbp(*arguments, cwd=tmp_path, OPENVBP_RUN_PERIOD="FY1998").stderr
    assert "FY1997" in openvbp(*arguments, "--period", "FY1997", cwd=tmp_path, OPENVBP_RUN_PERIOD="FY1998").stderr


def test_a_broken_configuration_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "openvbp.toml").write_text("[run\n")
    done = openvbp("programs", cwd=tmp_path)
    assert done.returncode == 2
    assert "openvbp.toml" in done.stderr


def test_programs_lists_every_program() -> None:
    done = openvbp("programs")
    assert done.returncode == 0
    for program_id in program_ids():
        assert f"{program_id}  " in done.stdout


def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_declares_what_it_imports() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {one.split("[")[0].split("=")[0].split(">")[0].lower() for one in declared}
    assert {
        "ibis-framework",
        "duckdb",
        "pyarrow",
        "numpy",
        "pydantic",
        "pyyaml",
        "typer",
        "xlsxwriter",
        "httpx2",
    } <= names
