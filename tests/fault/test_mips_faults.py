"""Clinician, measure, category and benchmark files with every mistake: a clear error or a counted rejection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mips_files import BENCHMARKS, CATEGORIES, CLINICIANS, FLAT, MEASURES, write
from openvbp.errors import InputDataError, UsageError
from openvbp.parameters import load_parameters
from openvbp.pipeline import run
from openvbp.program import ProgramInputs
from openvbp.programs.mips import PROGRAM
from openvbp.run_folder import RunFolder


def read(data: Path, period: str = "PY2023") -> ProgramInputs:
    parameters = load_parameters(PROGRAM.parameters_file)
    return PROGRAM.read(data, parameters.in_force(parameters.period(period)))


def rejections(inputs: ProgramInputs) -> list[tuple[str, str, str]]:
    for file in inputs.files:
        assert file.used_for == "ignored" or file.rows == file.accepted_rows + file.rejected_rows
    rows = inputs.content.rejected.to_pylist()
    assert len(rows) == sum(file.rejected_rows for file in inputs.files)
    return sorted((row["source_file"], row["row_number"], f"{row['column']}: {row['reason']}") for row in rows)


def statuses(finished: RunFolder, table: str, name: str) -> dict[tuple[str, str], tuple[str, str | None]]:
    rows = finished.read(table, scenario_id="actual").to_pylist()
    return {(row["provider_id"], row[name]): (row["status"], row["status_reason"]) for row in rows}


def test_wrong_rows_are_rejected_and_counted(tmp_path: Path) -> None:
    data = write(
        tmp_path,
        [*CLINICIANS, "D,maybe,,", "E,no,-1,"],
        [
            *MEASURES,
            "A,1,registry,50,100,0.9,no",
            "A,COST_CRR_1,administrativeClaims,5000,100,,no",
            "A,130,registry,x,100,0.9,no",
            "A,131,registry,50,-1,0.9,no",
            "A,132,registry,50,100,1.1,no",
            "A,133,registry,50,100,,no",
            "A,134,fax,50,100,0.9,no",
            "Z,001,registry,50,100,0.9,no",
            "A,236,registry,50,100,0.9,no",
        ],
        [*CATEGORIES, "C,cost,101,no", "C,quality,50,yes", "C,improvement_activities,,no", "C,charm,5,no"],
    )
    assert rejections(read(data)) == sorted(
        [
            ("clinicians.csv", "5", "is_small_practice: not yes or no"),
            ("clinicians.csv", "6", "paid_amount: below zero"),
            (
                "measure_results.csv",
                "5",
                "measure_id: a number of fewer than three digits: a spreadsheet may have taken the leading zeros away",
            ),
            (
                "measure_results.csv",
                "6",
                "measure_id: a cost measure: give the score of the cost category in category_scores.csv",
            ),
            ("measure_results.csv", "7", "performance_rate: not a number of at most six decimals"),
            ("measure_results.csv", "8", "cases: below zero"),
            ("measure_results.csv", "9", "reported_share: above 1"),
            ("measure_results.csv", "10", "reported_share: empty, but a submitted measure needs it"),
            (
                "measure_results.csv",
                "11",
                "submission_method: not one of administrativeClaims, certifiedSurveyVendor, "
                "claims, cmsWebInterface, electronicHealthRecord, registry",
            ),
            (
                "measure_results.csv",
                "12",
                "provider_id: its clinician is not among the accepted rows of clinicians.csv",
            ),
            ("measure_results.csv", "13", "provider_id: the same row stands in the file before"),
            ("category_scores.csv", "8", "score: above 100"),
            ("category_scores.csv", "9", "score: given, but the category is reweighted"),
            (
                "category_scores.csv",
                "10",
                "score: empty, but the category is not reweighted: a category that was not submitted has the score 0",
            ),
            (
                "category_scores.csv",
                "11",
                "category_id: not one of quality, cost, improvement_activities, promoting_interoperability",
            ),
        ]
    )


def test_what_is_missing_is_never_a_zero(tmp_path: Path) -> None:
    """A rejected measure, a missing category, an unusable benchmark and an unknown amount leave scores open."""
    broken = {"measureId": "130", **FLAT, "percentiles": {**FLAT["percentiles"], "20": 5}}
    data = write(
        tmp_path,
        ["A,no,1000,", "B,no,1000,", "C,no,1000,", "D,no,1000,", "E,no,1000,too few patients"],
        [
            *("A,001,registry,50,100,0.9,yes", "A,236,registry,x,100,0.9,no"),
            "B,001,registry,50,100,0.9,yes",
            *("C,130,registry,50,100,0.9,yes", "C,236,registry,50,100,0.9,yes"),
        ],
        [
            *(f"{name},{category},80,no" for name in "ACD" for category in ("cost", "improvement_activities")),
            *(f"{name},promoting_interoperability,,yes" for name in "ABCD"),
            "B,cost,80,no",
        ],
        [*BENCHMARKS, broken],
    )
    finished = run("mips", period="PY2023", data=data, out=tmp_path / "out")
    found = statuses(finished, "domain_result", "domain_id")
    assert found["A", "quality"] == ("not_determinable", "a row of measure_results.csv was rejected")
    assert found["B", "improvement_activities"] == ("not_determinable", "category_scores.csv has no row")
    assert found["C", "quality"] == ("not_determinable", "the benchmark of a measure cannot be used")
    assert found["D", "quality"] == ("not_determinable", "measure_results.csv and category_scores.csv have no row")
    assert found["A", "promoting_interoperability"] == ("excluded", "reweighted to zero")
    scores = {row["provider_id"]: (row["score"], row["status"]) for row in finished.read("provider_result").to_pylist()}
    assert scores == dict.fromkeys("ABCD", (None, "not_determinable")) | {"E": (None, "excluded")}
    factors = {
        row["provider_id"]: row["factor"]
        for row in finished.read("payment_result").to_pylist()
        if row["component_id"] == "net"
    }
    assert factors == {"A": None, "B": None, "C": None, "D": None, "E": 1}
    measures = statuses(finished, "measure_result", "measure_id")
    assert measures["C", "130"] == ("not_determinable", "benchmark: percentiles are not in order")
    cells = pq.read_table(finished.path / "rejected" / "cells.parquet").to_pylist()
    assert [(row["source_file"], row["reason"]) for row in cells] == [
        ("benchmarks.json", "percentiles are not in order"),
        ("measure_results.csv", "not a number of at most six decimals"),
    ]


def test_steps_explain_and_unread_sources_show(tmp_path: Path) -> None:
    """In 2018 the cap of measure 021 is from memory, and says so up to the payment."""
    starts = [0, 20, 30, 40, 50, 60, 70, 80, 90]
    benchmark = {"measureId": "021", "performanceYear": 2018, "submissionMethod": "registry", "deciles": starts}
    data = write(tmp_path, ["A,no,1000,"], ["A,021,registry,95,100,0.9,yes"], CATEGORIES[:3], [benchmark])
    finished = run("mips", period="PY2018", data=data, out=tmp_path / "out", changes=["topped_out_cap=6"])
    unread = "parameters whose source has not been read: is_capped_measure.021"
    assert statuses(finished, "measure_result", "measure_id")["A", "021"] == ("unverified", unread)
    points = {
        row["scenario_id"]: row["points"] for row in pq.read_table(finished.table_path("measure_result")).to_pylist()
    }
    assert points == {"actual": 7, "what_if": 6}
    steps = finished.read("step_result", scenario_id="actual").to_pylist()
    cites = {(row["quantity"], row["measure_id"]): row["citation"] for row in steps}
    assert cites["is_capped", "021"] == "82 FR 53568"
    assert cites["performance_rate", "021"] == "measure_results.csv, column 'performance_rate'"
    assert cites["final_score", None] == "42 CFR 414.1380(c)"
    assert cites["performance_threshold", None] == "42 CFR 414.1405(b)(5)"
    payments = statuses(finished, "payment_result", "component_id")
    assert {status for status, _reason in payments.values()} == {"unverified"}
    assert set(payments) == {("A", "adjustment"), ("A", "additional"), ("A", "net")}


def test_only_what_uses_an_unread_source_says_so(tmp_path: Path) -> None:
    """In 2020 the lowest additional adjustment and the bonus of small practices are not read for the year."""
    starts = [0, 20, 30, 40, 50, 60, 70, 80, 90]
    benchmark = {"measureId": "001", "performanceYear": 2020, "submissionMethod": "registry", "deciles": starts}
    measures = ["A,001,registry,45,100,0.9,yes", *(f"B,001{x},registry,45,100,0.9,yes" for x in "ABCDEF")]
    categories = [
        line.replace(",80,", ",0,") if line.startswith("A") else line.replace(",80,", ",100,") for line in CATEGORIES
    ]
    categories += [line.replace("A,", "C,", 1) for line in categories[:3]]
    data = write(
        tmp_path,
        ["A,no,1000,", "B,no,1000,", "C,yes,1000,"],
        [*measures, "C,001,registry,45,100,0.9,yes"],
        categories,
        [benchmark],
    )
    finished = run("mips", period="PY2020", data=data, out=tmp_path / "out")
    assert statuses(finished, "domain_result", "domain_id")["A", "quality"] == ("scored", None)
    small = "parameters whose source has not been read: small_practice_quality_bonus"
    assert statuses(finished, "domain_result", "domain_id")["C", "quality"] == ("unverified", small)
    payments = statuses(finished, "payment_result", "component_id")
    assert payments["A", "net"] == ("scored", None)
    assert payments["B", "adjustment"] == ("scored", None)
    unread = "parameters whose source has not been read: additional_minimum"
    assert payments["B", "additional"] == payments["B", "net"] == ("unverified", unread)


def test_scores_without_any_measure(tmp_path: Path) -> None:
    data = write(tmp_path, ["A,no,1000,"], [], [*CATEGORIES[:3], "A,quality,90,no"])
    finished = run("mips", period="PY2023", data=data, out=tmp_path / "out")
    (row,) = finished.read("provider_result").to_pylist()
    assert (row["score"], row["status"]) == (83, "scored")


@pytest.mark.parametrize(
    ("benchmarks", "message"),
    [
        ([], "no file holds the benchmarks of 2023"),
        ({"measureId": "001"}, "no file holds the benchmarks of 2023"),
        ([{**BENCHMARKS[0], "performanceYear": 2024}], "no file holds the benchmarks of 2023"),
        ([BENCHMARKS[0], BENCHMARKS[0]], "benchmarks repeat"),
    ],
)
def test_unusable_benchmark_files_stop_the_run(tmp_path: Path, benchmarks: Any, message: str) -> None:
    with pytest.raises(InputDataError, match=message):
        read(write(tmp_path, benchmarks=benchmarks))


def test_two_or_damaged_benchmark_files_stop_the_run(tmp_path: Path) -> None:
    data = write(tmp_path)
    (data / "copy.json").write_bytes((data / "benchmarks.json").read_bytes())
    with pytest.raises(InputDataError, match="several files hold benchmarks of 2023"):
        read(data)
    (data / "copy.json").write_bytes((data / "benchmarks.json").read_bytes()[:-20])
    with pytest.raises(InputDataError, match="file cannot be read as JSON"):
        read(data)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"percentiles": {"10": 1}}, "percentiles are not 1, 10, 20 ... 90, 99"),
        ({"percentiles": {**FLAT["percentiles"], "10": "x"}}, "a value is not a number"),
        ({"percentiles": {**FLAT["percentiles"], "1": -1e9}}, "a value has too many digits"),
        ({"isInverse": None}, "isInverse is neither true nor false"),
    ],
)
def test_unusable_benchmarks_are_rejected(tmp_path: Path, changed: dict[str, Any], reason: str) -> None:
    inputs = read(write(tmp_path, benchmarks=[*BENCHMARKS, {"measureId": "130", **FLAT, **changed}]))
    assert rejections(inputs) == [("benchmarks.json", "3", f"130 registry: {reason}")]


@pytest.mark.parametrize(
    ("deciles", "reason"),
    [
        ([0, 10, 20], "there are not nine decile starts"),
        ([0, 10, 20, 30, 40, 50, 45, 60, 70], "decile starts are not in order"),
        ([25, 20, 30, 40, 50, 60, 70, 80, 90], "decile starts are not in order"),
        ([50] * 9, "all decile starts are the same, so it is not known whether lower is better"),
        ("none", "a value is not a number"),
    ],
)
def test_unusable_deciles_are_rejected(tmp_path: Path, deciles: Any, reason: str) -> None:
    old = {"performanceYear": 2020, "submissionMethod": "registry"}
    usable = {"measureId": "001", "deciles": [0, 20, 30, 40, 50, 60, 70, 80, 90], **old}
    data = write(tmp_path, benchmarks=[usable, {"measureId": "130", "deciles": deciles, **old}])
    assert rejections(read(data, "PY2020")) == [("benchmarks.json", "2", f"130 registry: {reason}")]


def test_quality_given_twice_and_strangers_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="the quality category of clinicians is given and has measures too"):
        read(write(tmp_path / "twice", categories=[*CATEGORIES, "A,quality,50,no"]))
    with pytest.raises(InputDataError, match="no row is of a clinician in"):
        read(write(tmp_path / "strangers", measures=["Z,001,registry,50,100,0.9,yes"]))
    with pytest.raises(InputDataError, match="rows contradict each other"):
        read(write(tmp_path / "contradiction", categories=[*CATEGORIES, "A,cost,50,no"]))
    with pytest.raises(InputDataError, match="file is missing"):
        read(write(tmp_path / "missing", categories=[]))


def test_mistyped_measures_are_told(tmp_path: Path) -> None:
    (check,) = read(write(tmp_path, measures=[*MEASURES, "B,2360,registry,50,100,0.9,no"])).checks
    assert (check.name, check.count, check.examples) == ("measures without benchmark", 1, ("2360 registry",))


def test_periods_and_comparison_are_refused(tmp_path: Path) -> None:
    data = write(tmp_path)
    for period in ("PY2016", "PY2027", "FY2020"):
        with pytest.raises(UsageError):
            run("mips", period=period, data=data, out=tmp_path / "out")
    with pytest.raises(UsageError, match="can be compared with"):
        PROGRAM.read_published_values(data, "PY2023")
