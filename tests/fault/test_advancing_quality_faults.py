"""Measure, income and first-year files with every mistake: a clear error or a counted rejection."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from openvbp.errors import InputDataError, UsageError
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder

FIRST, NEXT = "2008-10..2009-09", "2009-10..2010-03"
HEADERS = {
    "measure_results": "provider_id,condition_id,measure_id,numerator,denominator",
    "tariff_income": "provider_id,condition_id,tariff_income",
    "first_year_scores": "provider_id,condition_id,composite_process_score",
}
MEASURES = ["A,AMI,ASPIRIN,90,100", "B,AMI,ASPIRIN,80,100", "C,HF,ADVICE,70,100"]
INCOME = ["A,AMI,1000000.00", "B,AMI,500000.00", "C,HF,100000.00"]
FIRST_YEAR = ["A,AMI,84", "B,AMI,85.5"]


def run_on(
    folder: Path,
    measures: list[str] = MEASURES,
    income: list[str] = INCOME,
    first_year: list[str] = FIRST_YEAR,
    period: str = FIRST,
    changes: tuple[str, ...] = (),
) -> RunFolder:
    data = folder / "data"
    data.mkdir(parents=True)
    tables = {"measure_results": measures, "tariff_income": income, "first_year_scores": first_year}
    for name, rows in tables.items():
        (data / f"{name}.csv").write_text("\n".join([HEADERS[name], *rows]) + "\n", encoding="utf-8")
    return run("advancing_quality", period=period, data=data, out=folder / "out", changes=changes)


def payments(finished: RunFolder, scenario_id: str = "actual") -> dict[tuple[str, str], dict]:
    rows = finished.read("payment_result", scenario_id=scenario_id).to_pylist()
    return {(row["provider_id"], row["component_id"]): row for row in rows}


def test_wrong_rows_are_rejected_and_counted(tmp_path: Path) -> None:
    wrong = ["A,AMI,X,101,100", "B,AMI,X,-1,100", "D,AMI,X,1.5,100", "D,HF,X,1,2000000", "D,STROKE,X,1,2", ",AMI,X,1,2"]
    finished = run_on(
        tmp_path, [*MEASURES, MEASURES[2], *wrong], [*INCOME, "D,AMI,-1", "E,AMI,x", "F,AMI,1.234", "D,PN,9.00"]
    )
    rows = pq.read_table(finished.path / "rejected" / "cells.parquet").to_pylist()
    found = {(row["source_file"], row["row_number"]): f"{row['column']}: {row['reason']}" for row in rows}
    conditions = "AMI, CABG, HF, PN, HIP_KNEE"
    assert found == {
        ("measure_results.csv", "5"): "provider_id: the same row stands in the file before",
        ("measure_results.csv", "6"): "numerator: above the denominator",
        ("measure_results.csv", "7"): "numerator: below zero",
        ("measure_results.csv", "8"): "numerator: not a whole number",
        ("measure_results.csv", "9"): "denominator: above one million",
        ("measure_results.csv", "10"): f"condition_id: not a condition of the program: {conditions}",
        ("measure_results.csv", "11"): "provider_id: empty",
        ("tariff_income.csv", "5"): "tariff_income: below zero",
        ("tariff_income.csv", "6"): "tariff_income: not an amount of money such as 1234.50",
        ("tariff_income.csv", "7"): "tariff_income: not an amount of money such as 1234.50",
    }
    counts = finished.record["input_rows"]
    assert counts["in"] == counts["accepted"] + counts["rejected"]
    assert counts["rejected"] == len(rows)
    scores = {(row["provider_id"], row["domain_id"]): row for row in finished.read("domain_result").to_pylist()}
    assert scores["A", "AMI"]["status_reason"] == "a row of measure_results.csv was rejected"
    assert scores["A", "AMI"]["score"] is None
    assert scores["C", "HF"]["status"] == "scored"
    assert scores["D", "PN"]["status_reason"] == "no measure with patients"
    paid = payments(finished)
    assert paid["A", "award.AMI"]["status"] == "not_determinable"
    assert paid["A", "net"]["amount"] is None
    assert paid["D", "award.PN"]["status"] == "excluded"


def test_what_is_not_known_is_not_paid_and_says_why(tmp_path: Path) -> None:
    measures = [*MEASURES, "D,AMI,ASPIRIN,95,100", "E,PN,VACCINE,5,10"]
    changes = ("award_rate.attainment=0.01", "award_rate.improvement=0.005")
    finished = run_on(tmp_path, measures, INCOME, period=NEXT, changes=changes)
    actual = payments(finished)
    assert actual["A", "attainment.AMI"]["status_reason"] == "the rate is not known: --set award_rate.attainment=..."
    assert actual["B", "attainment.AMI"]["amount"] == 0
    paid = payments(finished, "what_if")
    assert paid["A", "attainment.AMI"]["amount"] == 10000
    assert paid["A", "improvement.AMI"]["amount"] == 5000
    assert paid["A", "achievement.AMI"]["status"] == "not_determinable"
    assert paid["A", "net"]["status"] == "not_determinable"
    assert paid["D", "attainment.AMI"]["status_reason"] == "tariff_income.csv does not give the income"
    assert paid["D", "improvement.AMI"]["status_reason"] == "no score of the first year, hence no improvement"
    assert paid["E", "attainment.PN"]["status_reason"] == "first_year_scores.csv has no scores of the condition"
    assert paid["B", "net"]["amount"] == 0


def test_the_rate_of_the_second_quartile_is_not_verified(tmp_path: Path) -> None:
    measures = [f"{name},AMI,ASPIRIN,{met},100" for name, met in zip("ABCD", (90, 80, 70, 60), strict=True)]
    paid = payments(run_on(tmp_path, measures, [f"{name},AMI,100.00" for name in "ABCD"]))
    assert [(paid[name, "award.AMI"]["amount"], paid[name, "award.AMI"]["status"]) for name in "ABCD"] == [
        (Decimal(4), "scored"),
        (Decimal(2), "unverified"),
        (Decimal(0), "scored"),
        (Decimal(0), "scored"),
    ]


BROKEN = {
    "contradiction": {"measures": [*MEASURES, "A,AMI,ASPIRIN,91,100"], "match": "rows contradict"},
    "no measure": {"measures": ["A,STROKE,X,1,2"], "match": "no row can be used"},
    "trust twice": {"income": [*INCOME, "A,AMI,1.00"], "match": "rows contradict"},
    "cut": {"income": [*INCOME, "D,AM"], "match": "rows do not have the 3 cells"},
    "score above 100": {"first_year": ["A,AMI,100.1"], "period": NEXT, "match": "no row can be used"},
    "no first year": {"first_year": [], "period": NEXT, "match": "file has no rows"},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_stops_the_run(tmp_path: Path, name: str) -> None:
    case = dict(BROKEN[name])
    with pytest.raises(InputDataError, match=str(case.pop("match"))):
        run_on(tmp_path, **case)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("period", ["FY2009", "2008-10..2008-12", "2009-09..2008-10", "2010-04..2011-03"])
def test_a_period_that_the_program_had_not(tmp_path: Path, period: str) -> None:
    with pytest.raises(UsageError):
        run_on(tmp_path, period=period)
