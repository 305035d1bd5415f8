"""The public files of FY2019, FY2020, FY2022 and FY2024: every excess readmission ratio from its two rates."""

from __future__ import annotations

import csv
import shutil
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from conftest import published_data
from openvbp import pipeline
from openvbp.programs import program
from openvbp.reporting.comparison import compare
from openvbp.run_folder import RunFolder

PUBLISHED = {"2019": 14_280, "2020": 14_071, "2022": 13_379, "2024": 12_077}
"""Ratios in each file: a comparison of fewer is not the comparison."""
IDENTICAL = {"2019": 13_863, "2020": 13_632, "2022": 12_942, "2024": 11_749}
"""Those that are the same at 4 decimals although the rates are rounded; measured by this test."""
FOUR = Decimal("0.0001")
TOLERANCE = Decimal("0.00015")
HALF_UNIT = Decimal("0.00005")
Key = tuple[str, str]


def published_rows(year: str) -> dict[Key, dict[str, str]]:
    with published_data("hospital", "hrrp", f"fy{year}.csv").open(newline="", encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    found = {}
    for row in rows:
        measure = row["Measure Name"].replace("_", "-").removesuffix("-HRRP")
        found[row.get("Facility ID") or row["Provider ID"], measure] = row
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module", params=PUBLISHED)
def year(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def run(year: str, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp(f"public_{year}")
    (folder / "data").mkdir()
    shutil.copy(published_data("hospital", "hrrp", f"fy{year}.csv"), folder / "data")
    return pipeline.run("hrrp", period=f"FY{year}", data=folder / "data", out=folder / "run")


@pytest.fixture(scope="module")
def ours(run: RunFolder) -> dict[Key, Decimal | None]:
    rows = run.read("step_result", scenario_id="actual", quantity="excess_readmission_ratio").to_pylist()
    return {(row["provider_id"], row["measure_id"]): row["value"] for row in rows}


def test_every_ratio_is_predicted_over_expected(year: str, ours: dict[Key, Decimal | None]) -> None:
    theirs = published_rows(year)
    assert set(ours) == set(theirs)
    compared = identical = 0
    for key, row in theirs.items():
        text = row["Excess Readmission Ratio"]
        value = ours[key]
        if text in ("N/A", "Not Available"):
            assert value is None, key
            continue
        assert value is not None, key
        compared += 1
        assert abs(value - Decimal(text)) <= TOLERANCE, key
        identical += value.quantize(FOUR, ROUND_HALF_UP) == Decimal(text)
    assert compared == PUBLISHED[year]
    assert identical == IDENTICAL[year]


def test_rounding_of_the_rates_explains_every_difference(year: str) -> None:
    """The published ratio lies between the ratios of the ends of what the rounded rates stand for."""
    for key, row in published_rows(year).items():
        if row["Excess Readmission Ratio"] in ("N/A", "Not Available"):
            continue
        ratio, predicted, expected = (
            Decimal(row[name])
            for name in ("Excess Readmission Ratio", "Predicted Readmission Rate", "Expected Readmission Rate")
        )
        lowest = (predicted - HALF_UNIT) / (expected + HALF_UNIT) - HALF_UNIT
        highest = (predicted + HALF_UNIT) / (expected - HALF_UNIT) + HALF_UNIT
        assert lowest <= ratio <= highest, key


def test_comparison_finds_nothing_else(year: str, run: RunFolder, tmp_path: Path) -> None:
    shutil.copy(published_data("hospital", "hrrp", f"fy{year}.csv"), tmp_path)
    hrrp = program("hrrp")
    comparison = compare(run, hrrp.read_published_values(tmp_path, f"FY{year}"), hrrp.tolerances)
    (ratios,) = comparison.quantities
    assert comparison.is_equal
    assert (ratios.published, ratios.taken_as_published) == (PUBLISHED[year], 0)


def test_hospitals_of_maryland_are_paid_in_full(year: str, run: RunFolder) -> None:
    maryland = {key[0] for key, row in published_rows(year).items() if row["State"] == "MD"}
    payments = run.read("payment_result", scenario_id="actual").to_pylist()
    excluded = {row["provider_id"] for row in payments if row["status"] == "excluded"}
    assert excluded == maryland
    assert {row["factor"] for row in payments if row["status"] == "excluded"} == {Decimal(1)}


def test_payment_needs_what_is_not_public(run: RunFolder) -> None:
    """Without peer groups and payment ratios only hospitals with no condition that counts have a factor."""
    results = run.read("provider_result", scenario_id="actual").to_pylist()
    determined = {row["provider_id"] for row in results if row["status"] == "scored"}
    measures = run.read("measure_result", scenario_id="actual").to_pylist()
    counted = {row["provider_id"] for row in measures if row["status"] == "scored"}
    everyone = {row["provider_id"] for row in results if row["status"] != "excluded"}
    assert determined == everyone - counted
    unknown = [row for row in results if row["status"] == "not_determinable"]
    assert {row["score"] for row in unknown} == {None}
    assert {row["status_reason"] for row in unknown} == {"the peer group and the dual proportion are missing"}
