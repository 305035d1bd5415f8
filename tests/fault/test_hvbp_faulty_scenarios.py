"""Periods, engines and ``--set`` values that do not exist or do not fit: a clear refusal, all problems at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hvbp_damage import make_files, says

from openvbp.errors import InputDataError, UsageError
from openvbp.pipeline import run


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_files(tmp_path_factory.mktemp("hvbp") / "files")


def refused(files: Path, folder: Path, *changes: str, **other: object) -> UsageError:
    arguments = {"period": "FY2024", "data": files, "out": folder / "RUN", "changes": changes, **other}
    with pytest.raises(UsageError) as raised:
        run("hvbp", **arguments)  # type: ignore[arg-type]
    assert raised.value.exit_code == 2
    return raised.value


@pytest.mark.parametrize(
    ("period", "what", "what_to_do"),
    [
        ("FY2040", "no parameters for FY2040", "from FY2013 to FY2026"),
        ("FY2012", "no parameters for FY2012", "from FY2013 to FY2026"),
        ("2024", "'2024' is not a period", "write it like FY2024"),
        ("FY24", "'FY24' is not a period", "write it like FY2024"),
    ],
)
def test_period_without_parameters(files: Path, tmp_path: Path, period: str, what: str, what_to_do: str) -> None:
    says(refused(files, tmp_path, period=period), what, "p", what_to_do)
    assert not (tmp_path / "RUN").exists()


def test_files_of_another_period(files: Path, tmp_path: Path) -> None:
    with pytest.raises(InputDataError) as raised:
        run("hvbp", period="FY2025", data=files, out=tmp_path / "RUN")
    says(raised.value, "file is not of FY2025", "safety", "the period of the files")
    assert len(raised.value.problems) == 4


def test_unknown_program_and_engine(files: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        run("hvbq", period="FY2024", data=files, out=tmp_path / "RUN")
    says(raised.value, "no program 'hvbq'", "PROGRAM", "hvbp")
    says(refused(files, tmp_path, engine="sqlite"), "no engine 'sqlite'", "--engine", "duckdb or spark")


def test_unknown_paths_and_bad_values_are_reported_together(files: Path, tmp_path: Path) -> None:
    error = refused(files, tmp_path, "domain_weight.saftey=0.3", "withhold=0.02", "applicable_percent=much")
    assert len(error.problems) == 3
    says(error, "no parameter 'domain_weight.saftey'", "--set domain_weight.saftey", "openvbp programs")
    says(error, "no parameter 'withhold'", "--set withhold", "openvbp programs")
    says(error, "'much' is not a number", "--set applicable_percent=much", "give a ratio")
    assert "domain_weight.safety" in error.problems[0].examples
    assert not (tmp_path / "RUN").exists()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("applicable_percent", "is not path=value"),
        ("=0.02", "is not path=value"),
        ("applicable_percent=", "is not path=value"),
        ("applicable_percent=2", "not a share between 0 and 1"),
        ("applicable_percent=-0.01", "not a share between 0 and 1"),
        ("applicable_percent=NaN", "not a finite number"),
        ("applicable_percent=2%", "'2%' is not a number"),
        ("minimum_domains=-1", "-1 is below zero"),
        ("is_total_performance_score_computed=maybe", "neither true nor false"),
        ("applicable_percent=0.1234567", "at most 6 decimals"),
        ("exchange_function_slope=1000000", "must be below 1,000,000"),
        ("exchange_function_slope=2.123456789012345", "at most 14 decimals"),
        ("minimum_cases.HAI-1=1.00001", "at most 4 decimals"),
        ("minimum_domains=2.5", "must be a whole number"),
        ("minimum_measures.safety=1.5", "must be a whole number"),
        ("maximum_total_performance_score=0", "must be above zero"),
        ("maximum_total_performance_score=1e9", "must be below 100,000"),
        ("achievement_threshold.HAI-1=0.12345678901", "at most 10 decimals"),
        ("domain_weight.safety=0.33333", "at most 4 decimals"),
        ("measure_domain.HAI-1=nowhere", "measures would count nowhere"),
        ("combined_into.HAI-3=HAI-1", "measures would count nowhere"),
        ("benchmark.HAI-1=5", "thresholds are better than the benchmarks"),
        ("achievement_threshold.MORT-30-AMI=0.99", "thresholds are better than the benchmarks"),
    ],
)
def test_a_value_that_does_not_fit(files: Path, tmp_path: Path, change: str, what: str) -> None:
    error = refused(files, tmp_path, change)
    told = str(error)
    assert what in told
    assert "what to do: " in told
    assert change.partition("=")[0] in told or change.partition(".")[2].partition("=")[0] in told
    assert not (tmp_path / "RUN" / "run.json").exists()


def test_a_path_set_twice(files: Path, tmp_path: Path) -> None:
    error = refused(files, tmp_path, "applicable_percent=0.01", "applicable_percent=0.03")
    says(error, "'applicable_percent' is set twice", "--set", "give each path once")


def test_a_slope_that_would_pay_multiples_of_the_base(files: Path, tmp_path: Path) -> None:
    with pytest.raises(InputDataError) as raised:
        run("hvbp", period="FY2024", data=files, out=tmp_path / "RUN", changes=["exchange_function_slope=99999"])
    says(raised.value, "a multiple of their base payments", "scenario what_if", "--set exchange_function_slope")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("scenario_id,path\na,b\n", "columns are"),
        ("scenario_id,path,value\n", "no scenario can be read"),
        ("scenario_id,path,value\nactual,applicable_percent,0.01\n", "no scenario can be read"),
        ("scenario_id,path,value\nlow,applicable_percentage,0.01\n", "no parameter 'applicable_percentage'"),
        ("scenario_id,path,value\nlow,applicable_percent,low\n", "'low' is not a number"),
        ("scenario_id,path,value\nfine,domain_weight.safety,0.33333\n", "at most 4 decimals"),
        ("scenario_id,path,value\nhalf,minimum_domains,2.5\n", "must be a whole number"),
    ],
)
def test_a_file_of_scenarios_that_cannot_be_used(files: Path, tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "scenarios.csv"
    path.write_text(text, encoding="utf-8")
    assert what in str(refused(files, tmp_path, scenarios=path))


def test_a_file_of_scenarios_that_is_not_there(files: Path, tmp_path: Path) -> None:
    error = refused(files, tmp_path, scenarios=tmp_path / "none.csv")
    says(error, "scenario file not found", "none.csv", "existing CSV file")


def test_a_scenario_named_twice(files: Path, tmp_path: Path) -> None:
    path = tmp_path / "scenarios.csv"
    path.write_text("scenario_id,path,value\nwhat_if,applicable_percent,0.01\n", encoding="utf-8")
    error = refused(files, tmp_path, "applicable_percent=0.03", scenarios=path)
    says(error, "scenario 'what_if' is named twice", "scenarios.csv", "rename it")
