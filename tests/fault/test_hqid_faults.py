"""Measure, payment and earlier-score files with every mistake: a clear error or a counted rejection."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hqid_files import EARLIER, HEADERS, MEASURES, PAYMENTS, write
from openvbp.errors import InputDataError, UsageError
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder


def run_on(
    folder: Path, *tables: list[str], period: str = "FY2004", changes: tuple[str, ...] = (), **named: list[str]
) -> RunFolder:
    return run("hqid", period=period, data=write(folder, *tables, **named), out=folder / "out", changes=changes)


def rejections(finished: RunFolder) -> list[tuple[str, str, str]]:
    rows = pq.read_table(finished.path / "rejected" / "cells.parquet").to_pylist()
    counts = finished.record["input_rows"]
    assert counts["in"] == counts["accepted"] + counts["rejected"]
    assert counts["rejected"] == len(rows)
    return sorted((row["source_file"], row["row_number"], f"{row['column']}: {row['reason']}") for row in rows)


def statuses(finished: RunFolder, table: str, name: str) -> dict[tuple[str, str], tuple[str, str | None]]:
    rows = finished.read(table, scenario_id="actual").to_pylist()
    return {(row["provider_id"], row[name]): (row["status"], row["status_reason"]) for row in rows}


def test_wrong_rows_are_rejected_and_counted(tmp_path: Path) -> None:
    measures = [
        *MEASURES,
        "010001,AMI,A,process,101,100,",
        "010001,AMI,B,process,-1,100,",
        "010001,AMI,C,process,1.5,100,",
        "010001,AMI,D,process,1,2000000,",
        "010001,AMI,E,outcome,1,2,",
        "010001,AMI,F,outcome,1,2,1.1",
        "010001,AMI,G,outcome,1,2,0.001",
        "010001,AMI,H,outcome,1,2,0.1234567",
        "010001,AMI,I,process,1,2,0.5",
        "010001,AMI,J,other,1,2,",
        "010004,STROKE,A,process,1,2,",
    ]
    finished = run_on(tmp_path, measures, [*PAYMENTS, "010004,AMI,-3,1", "010005,AMI,3,-1", "010006,AMI,x,1"])
    assert rejections(finished) == sorted(
        [
            ("condition_payments.csv", "5", "cases: below zero"),
            ("condition_payments.csv", "6", "payment_amount: below zero"),
            ("condition_payments.csv", "7", "cases: not a whole number"),
            ("measure_results.csv", "6", "numerator: above the denominator"),
            ("measure_results.csv", "7", "numerator: below zero"),
            ("measure_results.csv", "8", "numerator: not a whole number"),
            ("measure_results.csv", "9", "denominator: above one million"),
            ("measure_results.csv", "10", "expected_rate: empty, but an outcome measure needs it"),
            ("measure_results.csv", "11", "expected_rate: not between 0.01 and 1"),
            ("measure_results.csv", "12", "expected_rate: not between 0.01 and 1"),
            ("measure_results.csv", "13", "expected_rate: not a number of at most six decimals"),
            ("measure_results.csv", "14", "expected_rate: given, but a process measure has none"),
            ("measure_results.csv", "15", "measure_type: not one of process, outcome"),
            (
                "measure_results.csv",
                "16",
                "condition_id: not a condition of the demonstration: AMI, CABG, HF, PN, HIP_KNEE",
            ),
        ]
    )
    scores = statuses(finished, "domain_result", "domain_id")
    assert scores["010001", "AMI"] == ("not_determinable", "a row of measure_results.csv was rejected")
    assert scores["010002", "AMI"][0] == "unverified"


def test_what_has_no_score_says_why_and_is_not_paid(tmp_path: Path) -> None:
    measures = [*MEASURES, "010004,AMI,ASPIRIN,process,0,0,", "010005,AMI,ASPIRIN,process,9,10,"]
    payments = [*PAYMENTS, "010004,AMI,50,1.00", "010006,PN,50,1.00"]
    finished = run_on(tmp_path, measures, payments)
    scores = statuses(finished, "domain_result", "domain_id")
    assert scores["010003", "HF"] == ("too_few_cases", "29 cases, 30 are needed")
    assert scores["010004", "AMI"] == ("not_reported", "no measure with patients")
    assert scores["010005", "AMI"] == ("not_determinable", "condition_payments.csv does not give the cases")
    assert scores["010006", "PN"] == ("not_reported", "no measure with patients")
    assert all(
        row["score"] is None
        for row in finished.read("domain_result").to_pylist()
        if row["provider_id"] not in ("010001", "010002")
    )
    paid = statuses(finished, "payment_result", "component_id")
    assert paid["010003", "award.HF"][0] == "excluded"
    assert paid["010003", "net"] == ("excluded", "no condition is scored")
    assert paid["010005", "net"][0] == "not_determinable"
    assert paid["010001", "net"][0] == "unverified"


def test_payments_that_are_missing(tmp_path: Path) -> None:
    finished = run_on(tmp_path, payments=["010001,AMI,100,", *PAYMENTS[1:]])
    rows = {row["component_id"]: row for row in finished.read("payment_result", provider_id="010001").to_pylist()}
    assert rows["award.AMI"]["amount"] is None
    assert rows["award.AMI"]["status_reason"] == "dollars need the condition's payments"
    assert rows["net"]["status"] == "not_determinable"


def test_earlier_scores_are_needed_only_when_compared_with(tmp_path: Path) -> None:
    run_on(tmp_path / "first", earlier=[])
    with pytest.raises(InputDataError, match=r"earlier_scores.csv"):
        run_on(tmp_path / "third", earlier=[], period="FY2006")
    with pytest.raises(InputDataError, match="no row can be used"):
        run_on(tmp_path / "other", period="FY2007")
    mixed = run_on(tmp_path / "mixed", earlier=[*EARLIER, "FY2005,010001,AMI,90"], period="FY2006")
    assert rejections(mixed) == [("earlier_scores.csv", "4", "period: not FY2004")]


def test_newcomers_and_conditions_without_earlier_scores(tmp_path: Path) -> None:
    measures = [*MEASURES, "010004,AMI,ASPIRIN,process,99,100,", "010003,PN,VACCINE,process,50,100,"]
    payments = [*PAYMENTS, "010004,AMI,100,1.00", "010003,PN,100,1.00"]
    pools = tuple(f"award_pool_amount.{award}=100" for award in ("attainment", "top_performer", "improvement"))
    earlier = [row.replace("FY2004", "FY2005") for row in EARLIER]
    finished = run_on(tmp_path, measures, payments, earlier, period="FY2007", changes=pools)
    paid = {
        (row["provider_id"], row["component_id"]): row
        for row in finished.read("payment_result", scenario_id="what_if").to_pylist()
    }
    newcomer = paid["010004", "improvement.AMI"]
    assert (newcomer["status"], newcomer["amount"]) == ("excluded", None)
    assert paid["010004", "net"]["amount"] > 0
    assert paid["010003", "attainment.PN"]["status_reason"] == "earlier_scores.csv has no scores of the condition"
    assert paid["010003", "net"]["status"] == "not_determinable"
    actual = statuses(finished, "payment_result", "component_id")
    assert actual["010004", "attainment.AMI"] == (
        "not_determinable",
        "the pool is not known: --set award_pool_amount.attainment=...",
    )


BROKEN = {
    "contradiction": {"measures": [*MEASURES, "010001,AMI,ASPIRIN,process,91,100,"], "match": "rows contradict"},
    "two types": {"measures": [*MEASURES, "010003,AMI,ASPIRIN,outcome,1,2,0.9"], "match": "process for some hospitals"},
    "no measure": {"measures": ["x,AMI,A,process,1,2,"], "match": "no row can be used"},
    "no payment": {"payments": ["x,AMI,1,2"], "match": "no row can be used"},
    "cut": {"payments": [*PAYMENTS, "010004,AM"], "match": "rows do not have the 4 cells"},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_stops_the_run(tmp_path: Path, name: str) -> None:
    case = dict(BROKEN[name])
    with pytest.raises(InputDataError, match=str(case.pop("match"))):
        run_on(tmp_path, **case)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", HEADERS)
def test_missing_files_columns_and_other_delimiters(tmp_path: Path, name: str) -> None:
    path = write(tmp_path) / f"{name}.csv"
    text = path.read_text(encoding="utf-8")
    for content, message in (
        (None, "file is missing"),
        (text.replace("provider_id", "hospital", 1), "columns are missing"),
        (text.replace(",", ";"), "semicolons, not commas"),
    ):
        path.unlink(missing_ok=True)
        if content:
            path.write_text(content, encoding="utf-8")
        with pytest.raises(InputDataError, match=message):
            run("hqid", period="FY2006", data=tmp_path / "data", out=tmp_path / "other")


@pytest.mark.parametrize("period", ["FY2003", "FY2010", "2004"])
def test_a_period_that_the_demonstration_has_not(tmp_path: Path, period: str) -> None:
    with pytest.raises(UsageError):
        run_on(tmp_path, period=period)


def test_what_decides_how_files_are_read_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be changed"):
        run_on(tmp_path, period="FY2006", changes=("comparison_period=FY2005",))


def test_a_condition_can_be_left_out(tmp_path: Path) -> None:
    finished = run_on(tmp_path, changes=("is_condition.HF=false",))
    rows = finished.read("domain_result").to_pylist()
    assert {row["domain_id"] for row in rows if row["scenario_id"] == "what_if"} == {"AMI"}
    assert {row["domain_id"] for row in rows if row["scenario_id"] == "actual"} == {"AMI", "HF"}
