"""Report cards from files with every mistake: a clear error or a counted rejection, and no patient ever shown."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from openvbp.errors import InputDataError, UsageError
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder

HEADERS = {
    "measures": "measure_id,domain_id,data_source,statewide_rate",
    "risk_categories": "measure_id,risk_category,statewide_rate",
    "patients": "patient_id,provider_id,measure_id,risk_category,systolic,diastolic,a1c,is_tobacco_free,statin,aspirin",
    "clinic_counts": "provider_id,measure_id,risk_category,patients,met",
    "expected_rates": "provider_id,measure_id,expected_rate",
    "total_costs": "provider_id,patients,member_months,total_cost,risk_score",
    "survey_answers": "patient_id,provider_id,measure_id,answer",
}
MEASURES = [
    "SCREENING,prevention,direct_submission,",
    "ADVICE,prevention,direct_submission,0.6",
    "optimal_diabetes_care,,direct_submission,",
    "RATING,experience,survey,",
]
RISK = ["SCREENING,low,", "SCREENING,high,0.5"]
COUNTS = [
    "A,SCREENING,low,50,40",
    "A,SCREENING,high,10,2",
    "B,SCREENING,low,70,30",
    "A,ADVICE,,80,60",
    "B,ADVICE,,60,30",
]
COSTS = ["G1,700,8000,3200000.00,1.0000", "G2,600,7000,3500000.00,1.1000"]
COUNTED = {"measures": MEASURES[:2], "risk_categories": RISK, "clinic_counts": COUNTS}
PATIENT = "128,76,7.1,yes,taken,taken"


def run_on(
    folder: Path, tables: dict[str, list[str]], period: str = "CY2022", changes: tuple[str, ...] = ()
) -> RunFolder:
    data = folder / "data"
    data.mkdir(parents=True)
    for name, rows in tables.items():
        (data / f"{name}.csv").write_text("\n".join([HEADERS[name], *rows]) + "\n", encoding="utf-8")
    return run("mncm", period=period, data=data, out=folder / "out", changes=changes)


def test_wrong_rows_are_rejected_counted_and_not_shown(tmp_path: Path) -> None:
    patients = [
        *(f"SECRET-{number},A,optimal_diabetes_care,,{PATIENT}" for number in range(40)),
        f"SECRET-0,A,optimal_diabetes_care,,{PATIENT}",
        f"TWO-CLINICS,B,optimal_diabetes_care,,{PATIENT}",
        f"TWO-CLINICS,C,optimal_diabetes_care,,{PATIENT}",
        f"P3,D,optimal_asthma_control,,{PATIENT}",
        f"P4,D,SCREENING,,{PATIENT}",
        f"P5,D,optimal_diabetes_care,low,{PATIENT}",
        "P6,D,optimal_diabetes_care,,-128,76,7.1,yes,taken,taken",
        "P7,D,optimal_diabetes_care,,128,76,710,yes,taken,taken",
        "P8,D,optimal_diabetes_care,,128,76,7.1,maybe,taken,taken",
        "P9,D,optimal_diabetes_care,,128,76,7.1,yes,sometimes,taken",
    ]
    counts = [
        *COUNTS,
        "C,SCREENING,low,50,51",
        "D,SCREENING,middle,50,10",
        "E,SCREENING,,50,10",
        "F,SCREENING,low,50,-1",
        "F,SCREENING,high,50,5",
        "A,FOOT_EXAM,,50,10",
        "G,RATING,,50,10",
        "H,SCREENING,low,50,10",
        "H,SCREENING,low,50,11",
        "I,ADVICE,low,50,10",
        "J,ADVICE,,1000000,10",
        "K,ADVICE,,0,0",
    ]
    answers = ["R1,A,RATING,9", "R2,A,RATING,11", "R3,B,SCREENING,9"]
    finished = run_on(
        tmp_path,
        {
            "measures": [*MEASURES, "X,,claims,", "Y,,direct_submission,1.2", "total_cost_of_care,,direct_submission,"],
            "risk_categories": [*RISK, "RATING,low,", "SCREENING,worst,1.5"],
            "patients": patients,
            "clinic_counts": counts,
            "expected_rates": ["A,ADVICE,0.7", "B,ADVICE,1.7", "Z,ADVICE,0.5", "A,RATING,0.5"],
            "total_costs": [
                *COSTS,
                "G3,700,0,1.00,1",
                "G4,700,8000,1.00,0",
                "G5,9000,8000,1.00,1",
                "G6,1,1,1000000.00,1",
            ],
            "survey_answers": answers,
        },
    )
    rows = pq.read_table(finished.path / "rejected" / "cells.parquet").to_pylist()
    contradicts = "another row has the same key and other values"
    no_category = "risk_category: not a category of the measure in risk_categories.csv"
    found = {(row["source_file"], int(row["row_number"])): f"{row['column']}: {row['reason']}" for row in rows}
    assert found == {
        ("measures.csv", 6): "data_source: not one of direct_submission, hedis_administrative, hedis_hybrid, survey",
        ("measures.csv", 7): "statewide_rate: above 1, which is 100 %",
        ("measures.csv", 8): "measure_id: the name of the cost measure, which total_costs.csv gives",
        ("risk_categories.csv", 4): "measure_id: not a measure of measures.csv with patients to adjust for",
        ("risk_categories.csv", 5): "statewide_rate: above 1, which is 100 %",
        ("patients.csv", 42): "patient_id: the same row stands in the file before",
        ("patients.csv", 43): f"patient_id: {contradicts}",
        ("patients.csv", 44): f"patient_id: {contradicts}",
        ("patients.csv", 45): "measure_id: not in measures.csv",
        (
            "patients.csv",
            46,
        ): "measure_id: not one of optimal_diabetes_care, optimal_vascular_care, optimal_asthma_control",
        ("patients.csv", 47): no_category,
        ("patients.csv", 48): "systolic: below zero",
        ("patients.csv", 49): "a1c: above 100 percent",
        ("patients.csv", 50): "is_tobacco_free: not yes or no",
        ("patients.csv", 51): "statin: not one of taken, not_taken, not_indicated",
        ("clinic_counts.csv", 7): "met: above the patients: a rate above 100 %",
        ("clinic_counts.csv", 8): no_category,
        ("clinic_counts.csv", 9): "risk_category: empty, but risk_categories.csv has categories of the measure",
        ("clinic_counts.csv", 10): "met: below zero",
        ("clinic_counts.csv", 12): "measure_id: not a measure of measures.csv that is counted by clinic",
        ("clinic_counts.csv", 13): "measure_id: not a measure of measures.csv that is counted by clinic",
        ("clinic_counts.csv", 14): f"provider_id: {contradicts}",
        ("clinic_counts.csv", 15): f"provider_id: {contradicts}",
        ("clinic_counts.csv", 16): no_category,
        ("clinic_counts.csv", 17): "patients: not below one million",
        ("expected_rates.csv", 3): "expected_rate: above 1, which is 100 %",
        ("expected_rates.csv", 5): "measure_id: not a measure of measures.csv with patients to adjust for",
        ("total_costs.csv", 4): "member_months: below 1",
        ("total_costs.csv", 5): "risk_score: below 0.01",
        ("total_costs.csv", 6): "patients: above the member months",
        ("total_costs.csv", 7): "total_cost: not below one million per member month",
        ("survey_answers.csv", 3): "answer: not one of always, usually, sometimes, never, "
        + ", ".join(str(rating) for rating in range(11)),
        ("survey_answers.csv", 4): "measure_id: not a survey measure of measures.csv",
    }
    counted = finished.record["input_rows"]
    assert counted["in"] == counted["accepted"] + counted["rejected"]
    # Cells of patients, of answers and of categories with few patients are never repeated.
    hidden = {"patients.csv", "clinic_counts.csv", "survey_answers.csv"}
    assert {row["value"] for row in rows if row["source_file"] in hidden} == {""}
    shown = [(finished.path / "run.json").read_text(encoding="utf-8")]
    shown += [str(pq.read_table(path).to_pylist()) for path in (finished.path / "results").glob("*.parquet")]
    assert "SECRET" not in "".join(shown)
    measures = {(row["provider_id"], row["measure_id"]): row for row in finished.read("measure_result").to_pylist()}
    places = ["CSCREENING", "DSCREENING", "ESCREENING", "FSCREENING", "HSCREENING", "IADVICE", "JADVICE"]
    places += ["Boptimal_diabetes_care", "Coptimal_diabetes_care", "Doptimal_diabetes_care", "ARATING"]
    broken = {f"{place[0]}{place[1]}" for place, row in measures.items() if row["status"] == "not_determinable"}
    assert broken == set(places)
    assert {measures[place[0], place[1:]]["status_reason"] for place in places} == {"a row of the input was rejected"}
    assert all(measures[place[0], place[1:]]["rate"] is None for place in places)
    assert measures["A", "optimal_diabetes_care"]["rate"] == 1
    assert measures["K", "ADVICE"]["status"] == "not_reported"
    checks = {check["name"]: check for check in finished.record["checks"]}
    assert checks["expected_rates_without_results"]["examples"] == ("Z ADVICE",)
    assert checks["results_with_rejected_rows"]["count"] == len(places)


def test_too_few_patients_and_measures_that_nobody_has_are_no_score(tmp_path: Path) -> None:
    counts = ["A,ADVICE,,29,20", "B,ADVICE,,30,20"]
    finished = run_on(tmp_path, {"measures": MEASURES, "clinic_counts": counts})
    rows = {row["provider_id"]: row for row in finished.read("measure_result").to_pylist()}
    assert (rows["A"]["status"], rows["A"]["rate"], rows["A"]["denominator"]) == ("too_few_cases", None, None)
    assert (rows["B"]["status"], rows["B"]["numerator"]) == ("unverified", 20)
    checks = {check["name"]: check["examples"] for check in finished.record["checks"]}
    assert checks["measures_without_results"] == ("RATING", "SCREENING", "optimal_diabetes_care")
    scores = {row["provider_id"]: row for row in finished.read("provider_result").to_pylist()}
    assert (scores["A"]["score"], scores["A"]["status"]) == (None, "too_few_cases")
    assert scores["B"]["score"] == 0


def test_costs_alone_and_an_index_of_a_hundred_or_more(tmp_path: Path) -> None:
    finished = run_on(tmp_path, {"total_costs": ["G1,700,9000000,9000000.00,1", "G2,700,700,7000000.00,1"]})
    rows = {row["provider_id"]: row for row in finished.read("measure_result").to_pylist()}
    assert {row["measure_id"] for row in rows.values()} == {"total_cost_of_care"}
    assert rows["G1"]["status"] == "unverified"
    assert (rows["G2"]["rate"], rows["G2"]["status"]) == (None, "not_determinable")
    assert "the index is 100 or more" in rows["G2"]["status_reason"]
    assert not (finished.path / "evidence").exists()


BROKEN = {
    "nothing": ({}, r"measures.csv"),
    "no results": ({"measures": MEASURES}, r"add one of patients.csv, clinic_counts.csv, survey_answers.csv"),
    "measure twice": ({**COUNTED, "measures": [*MEASURES, "ADVICE,,hedis_hybrid,"]}, "rows contradict"),
    "category twice": ({**COUNTED, "risk_categories": [*RISK, "SCREENING,high,0.4"]}, "rows contradict"),
    "expected rate twice": ({**COUNTED, "expected_rates": ["A,ADVICE,0.5", "A,ADVICE,0.6"]}, "rows contradict"),
    "group twice": ({"total_costs": [*COSTS, "G1,700,8000,1.00,1.0000"]}, "rows contradict"),
    "unknown measures only": ({**COUNTED, "clinic_counts": ["A,X,,40,10"]}, "no row can be used"),
    "two sources": (
        {
            "measures": MEASURES,
            "clinic_counts": ["A,optimal_diabetes_care,,40,10"],
            "patients": [f"SECRET-1,A,optimal_diabetes_care,,{PATIENT}"],
        },
        "patients and counts are given for the same clinic and measure",
    ),
    "more than a state": (
        {"total_costs": [f"G{number},700,9999999,1.00,99" for number in range(1)]},
        "not below four hundred million",
    ),
    "cut": ({**COUNTED, "clinic_counts": [*COUNTS, "C,ADV"]}, "rows do not have the 5 cells"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_stops_the_run(tmp_path: Path, name: str) -> None:
    tables, match = BROKEN[name]
    with pytest.raises(InputDataError, match=match) as raised:
        run_on(tmp_path, tables)
    assert "SECRET" not in str(raised.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("period", "changes", "matches"),
    [
        ("CY2013", ("confidence_level=0.9",), ("CY2013",)),
        ("FY2022", ("confidence_level=0.9",), ("FY2022",)),
        (
            "CY2022",
            ("confidence_level=1", "interval_method=normal", "top_percentile=1"),
            ("confidence_level is 1", "interval_method is normal", "top_percentile is 1"),
        ),
        ("CY2022", ("minimum_patients.hedis_hybrid=2.5",), ("minimum_patients",)),
    ],
)
def test_periods_and_changes_that_are_refused(
    tmp_path: Path, period: str, changes: tuple[str, ...], matches: tuple[str, ...]
) -> None:
    tables = {**COUNTED, "measures": [*MEASURES[:2], "PRESSURE,,hedis_hybrid,"]}
    with pytest.raises(UsageError) as raised:
        run_on(tmp_path, tables, period, changes)
    assert all(match in str(raised.value) for match in matches)
