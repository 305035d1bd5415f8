"""The hospital-specific reports of FY2020-FY2022: ratios from the patients' stays, and the payment adjustment."""

from __future__ import annotations

import csv
import shutil
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from conftest import published_data
from openvbp import pipeline
from openvbp.run_folder import RunFolder

YEARS = ("2020", "2021", "2022")
CONDITIONS = {
    "AMI": "READM-30-AMI",
    "COPD": "READM-30-COPD",
    "HF": "READM-30-HF",
    "Pneumonia": "READM-30-PN",
    "CABG": "READM-30-CABG",
    "THA/TKA": "READM-30-HIP-KNEE",
}
WITH_STAYS = {
    "2020": {"AMI", "COPD", "HF", "Pneumonia", "THA/TKA"},
    "2021": {"AMI", "COPD", "HF", "Pneumonia", "THA/TKA"},
    "2022": {"COPD", "HF", "Pneumonia", "THA/TKA"},
}
"""Conditions with index stays: the reports have none for CABG, nor the one of FY2022 for AMI."""
EIGHT = Decimal("0.00000001")


def reported(year: str) -> dict[str, dict[str, str]]:
    """The report's results by condition, as a table made of it outside this project."""
    path = published_data("hospital", "hrrp", "mock_hsr", f"fy{year}", "measures.csv")
    with path.open(newline="", encoding="utf-8") as lines:
        return {row["Measure"]: row for row in csv.DictReader(lines)}


def steps(run: RunFolder, quantity: str) -> dict[str | None, Decimal | None]:
    rows = run.read("step_result", scenario_id="actual", quantity=quantity).to_pylist()
    return {row["measure_id"]: row["value"] for row in rows}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    out = tmp_path_factory.mktemp("reports")
    folder = published_data("hospital", "hrrp", "mock_hsr")
    return {year: pipeline.run("hrrp", period=f"FY{year}", data=folder / f"fy{year}", out=out / year) for year in YEARS}


@pytest.mark.parametrize("year", YEARS)
def test_ratios_from_the_stays_equal_the_report_to_8_decimals(runs: dict[str, RunFolder], year: str) -> None:
    ratios = steps(runs[year], "excess_readmission_ratio")
    from_stays = {measure for measure, value in steps(runs[year], "predicted_rate_of_stays").items() if value}
    assert from_stays == {CONDITIONS[name] for name in WITH_STAYS[year]}
    for name, row in reported(year).items():
        published = row["Excess Readmission Ratio (ERR)"]
        ours = ratios[CONDITIONS[name]]
        if published == "NQ":
            assert ours is None
            continue
        assert name in WITH_STAYS[year]
        assert ours is not None
        assert ours.quantize(EIGHT) == Decimal(published).quantize(EIGHT), name


@pytest.mark.parametrize("year", YEARS)
def test_rates_from_the_stays_equal_the_report_to_8_decimals(runs: dict[str, RunFolder], year: str) -> None:
    rows = reported(year)
    for quantity, column in (
        ("predicted_rate_of_stays", "Predicted Readmission Rate"),
        ("expected_rate_of_stays", "Expected Readmission Rate"),
    ):
        ours = steps(runs[year], quantity)
        for name in WITH_STAYS[year]:
            value = ours[CONDITIONS[name]]
            assert value is not None
            assert value.quantize(EIGHT) == Decimal(rows[name][column]).quantize(EIGHT), (quantity, name)


@pytest.mark.parametrize("year", YEARS)
def test_effects_are_those_of_the_coefficient_table(runs: dict[str, RunFolder], year: str) -> None:
    path = published_data("hospital", "hrrp", "readmission_model_coefficients_fy2019_2022.csv")
    with path.open(newline="", encoding="utf-8") as lines:
        table = [row for row in csv.DictReader(lines) if row["fiscal_year"] == year]
    short = {"PN": "READM-30-PN", "THA_TKA": "READM-30-HIP-KNEE"}
    for quantity, variable in (("hospital_effect", "HOSP_EFFECT"), ("average_effect", "AVG_EFFECT")):
        theirs = {
            short.get(row["condition"], f"READM-30-{row['condition']}"): Decimal(row["coefficient"])
            for row in table
            if row["variable"] == variable
        }
        for measure_id, value in steps(runs[year], quantity).items():
            assert value == theirs[str(measure_id)], (quantity, measure_id)


@pytest.mark.parametrize("year", YEARS)
def test_penalty_indicators_are_the_reports(runs: dict[str, RunFolder], year: str) -> None:
    ours = steps(runs[year], "penalty_indicator")
    theirs = {CONDITIONS[name]: row["Penalty Indicator (Yes/No)"] == "Yes" for name, row in reported(year).items()}
    assert {measure: value == 1 for measure, value in ours.items()} == theirs


@pytest.mark.parametrize(("year", "factor"), [("2020", "0.9840"), ("2021", "0.9998"), ("2022", "1.0000")])
def test_payment_adjustment_factor_is_the_reports(runs: dict[str, RunFolder], year: str, factor: str) -> None:
    path = published_data("hospital", "hrrp", "mock_hsr", f"fy{year}", "payment.csv")
    with path.open(newline="", encoding="utf-8") as lines:
        (row,) = csv.DictReader(lines)
    assert Decimal(row["Payment Adjustment Factor"]) == Decimal(factor)
    (payment,) = runs[year].read("payment_result").to_pylist()
    assert payment["factor"] == Decimal(factor)
    assert payment["rate"] == Decimal(factor) - 1
    (provider,) = runs[year].read("provider").to_pylist()
    assert provider["peer_group"] == row["Peer Group Assignment"]
    assert provider["dual_eligible_ratio"].quantize(EIGHT) == Decimal(row["Dual Proportion"]).quantize(EIGHT)


def test_ratios_come_from_the_stays_not_from_the_results_sheet(tmp_path: Path) -> None:
    """A results sheet with other rates and ratios changes nothing where stays are given."""
    report = tmp_path / "fy2020"
    shutil.copytree(published_data("hospital", "hrrp", "mock_hsr", "fy2020"), report)
    sheet = report / "table2_hospital_results.csv"
    sheet.chmod(0o644)
    text = sheet.read_text(encoding="utf-8")
    for published, other in (
        ("1.05330810120047", "1.95330810120047"),
        ("0.0392178121595138", "0.0492178121595138"),
        ("0.0372329920512496", "0.0172329920512496"),
    ):
        assert published in text
        text = text.replace(published, other)
    sheet.unlink()
    sheet.write_text(text, encoding="utf-8")
    run = pipeline.run("hrrp", period="FY2020", data=report, out=tmp_path / "run")
    ours = steps(run, "excess_readmission_ratio")["READM-30-HIP-KNEE"]
    assert ours is not None
    assert ours.quantize(EIGHT) == Decimal("1.05330810")


def test_no_table_of_a_run_has_a_row_per_stay(runs: dict[str, RunFolder]) -> None:
    for year, run in runs.items():
        for path in run.path.rglob("*.parquet"):
            table = pq.read_table(path)
            assert not {"case_mix", "ID Number", "MBI"} & set(table.column_names), path
            content = path.read_bytes()
            assert b"999999999A" not in content, path
            if path.parent.name == "input":
                assert table.num_rows <= 6, path
        assert "9999999999M" not in (run.path / "run.json").read_text(encoding="utf-8"), year
