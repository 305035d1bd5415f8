"""The reporting file with every mistake: a clear error or a counted rejection."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from iqr_files import HEADER, lines, write
from openvbp.errors import InputDataError, UsageError
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder


def run_on(folder: Path, text: str, period: str = "FY2015") -> RunFolder:
    return run("iqr", period=period, data=write(folder, text), out=folder / "out")


def test_wrong_rows_are_rejected_and_counted(tmp_path: Path) -> None:
    rows = [
        "10001,no,1000000.00",
        "010002,maybe,1",
        "010003,,1",
        "010004,no,-1",
        "010005,no,much",
        "010006,no,1.005",
        "hospital,no,1",
        "010001,no,1000000.00",
    ]
    finished = run_on(tmp_path, lines(*rows))
    rejected = pq.read_table(finished.path / "rejected" / "cells.parquet").to_pylist()
    assert {(row["row_number"], row["column"], row["value"], row["reason"]) for row in rejected} == {
        ("3", "reported", "maybe", "not yes or no"),
        ("4", "reported", "", "empty"),
        ("5", "base_operating_drg_payment_amount", "-1", "below zero"),
        ("6", "base_operating_drg_payment_amount", "much", "not an amount of money such as 1234.50"),
        ("7", "base_operating_drg_payment_amount", "1.005", "not an amount of money such as 1234.50"),
        ("8", "provider_id", "HOSPITAL", "not a CMS certification number of six characters"),
        # Row 2 had lost its leading zero, so the last row is its copy but for that.
        ("9", "provider_id", "010001", "the same row stands in the file before"),
    }
    assert finished.record["input_rows"] == {"in": 8, "accepted": 1, "rejected": 7}
    assert [row["provider_id"] for row in finished.read("provider").to_pylist()] == ["010001"]


BROKEN: dict[str, tuple[str, str]] = {
    "column is missing": (
        lines("010001,1", header="provider_id,base_operating_drg_payment_amount"),
        "columns are missing",
    ),
    "column is not known": (lines("010001,no,1,x", header=HEADER + ",reasn"), "columns are not known"),
    "semicolons": (lines("010001,no,1").replace(",", ";"), "semicolons, not commas"),
    "cut": (lines("010001,no,1", "010002,n")[:-1], "rows do not have the 3 cells"),
    "header only": (HEADER + "\n", "file has no rows"),
    "empty": ("", "file is empty"),
    "two answers": (lines("010001,no,1", "010001,yes,1"), "rows contradict each other"),
    "nothing right": (lines("x,no,1", "y,no,1"), "no row can be used"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_stops_the_run(tmp_path: Path, name: str) -> None:
    text, message = BROKEN[name]
    with pytest.raises(InputDataError, match=message):
        run_on(tmp_path, text)
    assert not (tmp_path / "out").exists()


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="file is missing"):
        run("iqr", period="FY2015", data=tmp_path, out=tmp_path / "out")


@pytest.mark.parametrize("period", ["FY2004", "FY2050", "2015"])
def test_a_period_that_the_program_has_not(tmp_path: Path, period: str) -> None:
    with pytest.raises(UsageError):
        run_on(tmp_path, lines("010001,no,1"), period)


def status_of(finished: RunFolder) -> list[tuple[str, str, str | None]]:
    rows = finished.read("payment_result").to_pylist()
    return [(row["provider_id"], row["status"], row["status_reason"]) for row in rows]


ANSWERS = lines("010001,yes,", "010002,no,", "010003,no,5", header=HEADER)


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ("FY2015", "scored"),
        # Its market basket has not been read in the rule.
        ("FY2016", "unverified"),
    ],
)
def test_what_rests_on_an_unread_parameter_says_so(tmp_path: Path, period: str, expected: str) -> None:
    found = status_of(run_on(tmp_path, ANSWERS, period))
    assert [status for _provider, status, _reason in found] == ["scored", expected, expected]
    if expected == "unverified":
        assert found[1][2] == (
            "parameters whose source has not been read: market_basket_increase, productivity_adjustment"
        )
    else:
        assert found[1][2] == "dollars need the base operating DRG payment amount"


def test_a_given_parameter_needs_no_source(tmp_path: Path) -> None:
    run_on(tmp_path, ANSWERS, "FY2016")
    finished = run(
        "iqr",
        period="FY2016",
        data=tmp_path / "data",
        out=tmp_path / "out",
        changes=("market_basket_increase=0.03", "productivity_adjustment=0.01"),
    )
    rows = finished.read("payment_result", scenario_id="what_if", provider_id="010003").to_pylist()
    assert [row["status"] for row in rows] == ["scored"]
