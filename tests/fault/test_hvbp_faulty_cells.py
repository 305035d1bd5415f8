"""Unreadable cells of Hospital VBP files: each is rejected with its reason, and nothing is scored without it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hvbp_damage import ATTRIBUTES, CASES, HOSPITAL, OUTCOMES, SAFETY, change, copy_of, make_files, put, read, write

from openvbp.pipeline import run
from openvbp.run_folder import RunFolder

NO_NUMBER = "not a number of the expected form"
BELOW = "below the lowest possible value"
ABOVE = "above the highest possible value"
MISSING = ""


@dataclass(frozen=True)
class Cell:
    """A text in a cell and what becomes of it: a rate, a reason for its rejection, or a missing value."""

    text: str
    rate: str = MISSING
    reason: str = MISSING


# One hospital each, in the order of their numbers.
INFECTIONS = (
    Cell("abc", reason=NO_NUMBER),
    Cell("0.5*", reason=NO_NUMBER),
    Cell("0.737 (3)", reason=NO_NUMBER),
    Cell("N/A (5)", reason=NO_NUMBER),
    Cell("NaN", reason=NO_NUMBER),
    Cell("1e3", reason=NO_NUMBER),
    Cell("0,5", reason=NO_NUMBER),
    Cell(".5", reason=NO_NUMBER),
    Cell("1,000.5", reason=NO_NUMBER),
    Cell("12345678.1", reason=NO_NUMBER),
    Cell("0.12345678901", reason=NO_NUMBER),
    Cell("not available", reason=NO_NUMBER),
    Cell("-0.5", reason=BELOW),
    Cell("1000.1", reason=ABOVE),
    Cell("Not Available"),
    Cell("Not Applicable"),
    Cell("N/A"),
    Cell("NA"),
    Cell("-"),
    Cell("--"),
    Cell(""),
    Cell("   "),
    Cell(" 0.5 ", rate="0.5"),
    Cell("0", rate="0"),
    Cell("5", rate="5"),
    Cell("0.1234567890", rate="0.123456789"),
    Cell("50%", rate="0.5"),
    Cell("50.12345678 %", rate="0.5012345678"),
    Cell("1000", rate="1000"),
)
DEATHS = (Cell("1.5", reason=ABOVE), Cell("88.0237", reason=ABOVE), Cell("88.0237%", rate="0.880237"))
HOSPITALS = [f"01{number:04d}" for number in range(1, 41)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """One run with all the cells; without the file of cases, so that a rate is scored if it can be read."""
    folder = tmp_path_factory.mktemp("hvbp_cells")
    files = make_files(folder / "files")
    (files / CASES).unlink()
    (files / ATTRIBUTES).unlink()
    # Without cases the combined score of two sites would be unknown: only one is scored here.
    put(files / SAFETY, "HAI-4 Performance Rate", "Not Available")
    for hospital, cell in zip(HOSPITALS, INFECTIONS, strict=False):
        put(files / SAFETY, "HAI-1 Performance Rate", cell.text, hospital)
    for hospital, cell in zip(HOSPITALS, DEATHS, strict=False):
        put(files / OUTCOMES, "MORT-30-AMI Performance Rate", cell.text, hospital)
    return run("hvbp", period="FY2024", data=files, out=folder / "RUN", changes=["exchange_function_slope=2.5"])


def rejected_cells(finished: RunFolder) -> list[dict[str, str]]:
    return pq.read_table(finished.path / "rejected" / "cells.parquet").to_pylist()


@pytest.mark.parametrize(
    ("measure_id", "cells"), [("HAI-1", INFECTIONS), ("MORT-30-AMI", DEATHS)], ids=["infections", "deaths"]
)
def test_each_cell_is_read_or_rejected(measure_id: str, cells: tuple[Cell, ...], finished: RunFolder) -> None:
    rows = finished.read("measure_result", scenario_id="actual", measure_id=measure_id).to_pylist()
    results = {row["provider_id"]: row for row in rows}
    for hospital, cell in zip(HOSPITALS, cells, strict=False):
        row = results[hospital]
        if cell.reason:
            expected = (None, None, "not_determinable", f"input: {cell.reason}")
        elif cell.rate:
            expected = (Decimal(cell.rate), row["points"], "scored", row["status_reason"])
            assert row["points"] is not None
        else:
            expected = (None, None, "not_reported", "no performance rate is published")
        # A value out of range stays visible but is not scored.
        rate = None if cell.reason else row["rate"]
        assert (rate, row["points"], row["status"], row["status_reason"]) == expected, cell


def test_each_rejected_cell_is_listed_once(finished: RunFolder) -> None:
    listed = {(row["source_file"], row["provider_id"], row["column"], row["value"], row["reason"]) for row in
              rejected_cells(finished)}  # fmt: skip
    expected = {
        (file, hospital, f"{measure_id} performance_rate", cell.text, cell.reason)
        for file, measure_id, cells in ((SAFETY, "HAI-1", INFECTIONS), (OUTCOMES, "MORT-30-AMI", DEATHS))
        for hospital, cell in zip(HOSPITALS, cells, strict=False)
        if cell.reason
    }
    assert listed == expected
    assert finished.record["rejected_cells"] == len(expected) == 16


def test_nothing_is_scored_or_paid_without_a_rejected_cell(finished: RunFolder) -> None:
    damaged = {
        hospital
        for cells in (INFECTIONS, DEATHS)
        for hospital, cell in zip(HOSPITALS, cells, strict=False)
        if cell.reason
    }
    assert len(damaged) == 14
    totals = {row["provider_id"]: row for row in finished.read("provider_result").to_pylist()}
    assert {row["status"] for hospital, row in totals.items() if hospital in damaged} == {"not_determinable"}
    assert {row["score"] for hospital, row in totals.items() if hospital in damaged} == {None}
    others = {hospital: row["status"] for hospital, row in totals.items() if hospital not in damaged}
    # One has too few measures, as it had before.
    assert sorted(others.values()) == ["scored"] * 25 + ["too_few_cases"]
    paid = finished.read("payment_result", scenario_id="what_if").to_pylist()
    assert len(paid) == 3 * 40
    for row in paid:
        assert (row["amount"] is not None) == (others.get(row["provider_id"]) == "scored")


def test_numbers_that_a_user_adds_are_rejected_too(tmp_path: Path) -> None:
    files = make_files(tmp_path / "made")
    damaged = copy_of(files, tmp_path / "files")
    header, rows = read(damaged / CASES)
    at, of, measure = (header.index(name) for name in ("Performance Cases", HOSPITAL, "Measure ID"))
    for row in rows:
        if (row[of], row[measure]) == ("010007", "HAI-1"):
            row[at] = "many"
        if (row[of], row[measure]) == ("010008", "HCAHPS"):
            row[at] = "-100"
    write(damaged / CASES, header, rows)
    put(damaged / ATTRIBUTES, "Dual Eligible Ratio", "1.5", "010009")
    change(damaged / SAFETY, HOSPITAL, lambda text: "none" if text == "010010" else text)
    finished = run("hvbp", period="FY2024", data=damaged, out=tmp_path / "RUN")
    listed = {(row["source_file"], row["provider_id"], row["value"], row["reason"]) for row in rejected_cells(finished)}
    assert listed == {
        (CASES, "010007", "many", NO_NUMBER),
        (CASES, "010008", "-100", BELOW),
        (ATTRIBUTES, "010009", "1.5", ABOVE),
        (SAFETY, "none", "none", "not a CMS certification number of six characters"),
    }
    measures = {(row["provider_id"], row["measure_id"]): row for row in finished.read("measure_result").to_pylist()}
    assert measures["010007", "HAI-1"]["status"] == "not_determinable"
    assert measures["010008", "HCAHPS-care-transition"]["status"] == "not_determinable"
    assert measures["010010", "HAI-1"]["status_reason"] == "input: hospital is not in the file"
    providers = {row["provider_id"]: row["dual_eligible_ratio"] for row in finished.read("provider").to_pylist()}
    assert providers["010009"] is None
    assert sum(ratio is None for ratio in providers.values()) == 1
