"""Organizations, plans and the report card with every mistake: a clear error or a counted rejection."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from openvbp.errors import InputDataError, UsageError
from openvbp.parameters import load_parameters
from openvbp.pipeline import run
from openvbp.programs.iha_amp import PROGRAM
from openvbp.run_folder import RunFolder

PARAMETERS = load_parameters(PROGRAM.parameters_file)
HEADERS = {
    "measures": "measure_id,domain_id,weight,is_lower_better,minimum_patients,attainment_threshold,"
    "attainment_benchmark,topic_id",
    "domains": "domain_id,weight",
    "measure_results": "provider_id,measure_id,numerator,denominator,baseline_rate",
    "plans": "plan_id,distribution,incentive_budget,minimum_quality,gold_standard,trend_limit,trend_confidence_level",
    "plan_organizations": "plan_id,provider_id,members,total_cost_of_care,prior_total_cost_of_care,"
    "trend_standard_error",
    "resource_measures": "measure_id,unit_cost",
    "resource_use": "plan_id,provider_id,measure_id,use_per_1000,prior_use_per_1000",
    "report_card_topics": "topic_id,two_stars,three_stars,four_stars",
    "medicare_measures": "measure_id,is_outcome,is_lower_better,two_stars,three_stars,four_stars,five_stars",
    "medicare_results": "provider_id,measure_id,numerator,denominator",
}
QUALITY = {
    "measures": ["M1,CLINICAL,1,no,30,0.5,0.9,", "M2,CLINICAL,1,yes,30,0.4,0.1,"],
    "domains": ["CLINICAL,1"],
    "measure_results": ["A,M1,90,100,0.5", "A,M2,10,100,0.2", "B,M1,70,100,0.5", "B,M2,25,100,0.2"],
}
PLAN = {
    "plans": ["P,earned,,10,80,0.05,0.85"],
    "plan_organizations": ["P,A,1000,400.00,400.00,0.01", "P,B,1000,300.00,300.00,0.01"],
    "resource_measures": ["BEDS,1000.00"],
    "resource_use": ["P,A,BEDS,90,100", "P,B,BEDS,90,100"],
}
Files = dict[str, list[str]]


def write(folder: Path, files: Files) -> Path:
    data = folder / "data"
    data.mkdir(parents=True)
    for name, rows in files.items():
        (data / f"{name}.csv").write_text("\n".join([HEADERS[name], *rows]) + "\n", encoding="utf-8")
    return data


def run_on(folder: Path, files: Files, changes: tuple[str, ...] = (), period: str = "CY2014") -> RunFolder:
    return run("iha_amp", period=period, data=write(folder, files), out=folder / "out", changes=changes)


def read(folder: Path, files: Files) -> Any:
    """Read the files only: what is wrong with them is found before anything is computed."""
    return PROGRAM.read(write(folder, files), PARAMETERS.in_force(PARAMETERS.period("CY2014")))


def rejections(rows: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    return {(row["source_file"], row["row_number"]): f"{row['column']}: {row['reason']}" for row in rows}


def payments(finished: RunFolder, scenario_id: str = "actual") -> dict[tuple[str, str], dict[str, Any]]:
    rows = finished.read("payment_result", scenario_id=scenario_id).to_pylist()
    return {(row["provider_id"], row["component_id"]): row for row in rows}


def test_wrong_rows_are_rejected_and_counted(tmp_path: Path) -> None:
    files = {**QUALITY, **PLAN}
    files["measures"] = [
        *files["measures"],
        "M3,CLINICAL,,no,30,,,",
        "M4,ELSEWHERE,1,no,30,,,",
        "M5,CLINICAL,1,no,30,0.5,,",
        "M6,CLINICAL,1,no,30,0.9,0.5,",
        "M7,CLINICAL,1.005,no,30,,,",
        "M.8,CLINICAL,1,no,30,,,",
    ]
    files["measure_results"] = [
        *files["measure_results"],
        files["measure_results"][0],
        "C,M1,101,100,0.5",
        "C,M9,10,100,0.5",
        "D,M1,-1,100,0.5",
        "D,M2,10,100,50",
        "E,M1,90,100,0.5",
    ]
    files["plans"] = [
        *files["plans"],
        "Q,budget_by_quality,,10,80,0.05,0.85",
        "R,earned,5.00,10,80,0.05,0.85",
        "S,earned,,10,0,0.05,0.85",
        "T,earned,,10,80,0.05,1",
    ]
    files["plan_organizations"] = [
        *files["plan_organizations"],
        "P,C,-5,400.00,400.00,0.01",
        "Q,A,1000,400.00,400.00,0.01",
        "P,D,1000,400.00,0.00,0.01",
        "P,E,1000,,400.00,0.01",
    ]
    files["resource_measures"] = [*files["resource_measures"], "M1,5.00"]
    files["resource_use"] = [*files["resource_use"], "P,C,BED,90,100", "P,D,BEDS,-1,100"]
    finished = run_on(tmp_path, files)
    counts = finished.record["input_rows"]
    assert counts["in"] == counts["accepted"] + counts["rejected"]
    rows = pq.read_table(finished.path / "rejected" / "cells.parquet").to_pylist()
    assert counts["rejected"] == len(rows)
    assert rejections(rows) == {
        ("measures.csv", "4"): "weight: empty",
        ("measures.csv", "5"): "domain_id: has no weight in domains.csv",
        ("measures.csv", "6"): "attainment_benchmark: empty, but the threshold is given",
        ("measures.csv", "7"): "attainment_benchmark: not better than the threshold",
        ("measures.csv", "8"): "weight: more than two decimals",
        ("measures.csv", "9"): "measure_id: contains a full stop",
        ("measure_results.csv", "6"): "provider_id: the same row stands in the file before",
        ("measure_results.csv", "7"): "numerator: above the denominator: a rate above 100 %",
        ("measure_results.csv", "8"): "measure_id: not in measures.csv",
        ("measure_results.csv", "9"): "numerator: below zero",
        ("measure_results.csv", "10"): "baseline_rate: above 1, which is 100 %",
        ("plans.csv", "3"): "incentive_budget: empty, but the plan divides a budget",
        ("plans.csv", "4"): "incentive_budget: given, but the plan divides none",
        ("plans.csv", "5"): "gold_standard: not between 1 and 100",
        ("plans.csv", "6"): "trend_confidence_level: not below 1, which is 100 %",
        ("plan_organizations.csv", "4"): "members: below zero",
        ("plan_organizations.csv", "5"): "plan_id: not in plans.csv",
        ("plan_organizations.csv", "6"): "prior_total_cost_of_care: zero: there is no trend from nothing",
        ("resource_measures.csv", "3"): "measure_id: a quality measure of measures.csv has this name",
        ("resource_use.csv", "4"): "measure_id: not in resource_measures.csv",
        ("resource_use.csv", "5"): "use_per_1000: below zero",
    }
    # A rejected row is not zero points, and not zero dollars.
    paid = payments(finished)
    assert paid["B", "incentive.P"]["amount"] == Decimal("3125.00")
    assert paid["C", "incentive.P"]["amount"] is None
    assert paid["C", "incentive.P"]["status_reason"] == "the row of plan_organizations.csv was rejected"
    assert paid["D", "net"]["status"] == "not_determinable"
    assert "total cost of care" in paid["E", "incentive.P"]["status_reason"]
    quality = {row["provider_id"]: row for row in finished.read("provider_result").to_pylist()}
    assert quality["C"]["score"] is None
    assert quality["C"]["status_reason"] == "a row of measure_results.csv was rejected"
    assert quality["A"]["score"] == 100


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """One run with three plans, both cards and a changed rule; Z has the highest cost and little quality."""
    files = dict(QUALITY)
    files["measures"] = ["M1,CLINICAL,1,no,30,0.5,0.9,CANCER", "M2,CLINICAL,1,yes,30,0.4,0.1,CANCER"]
    files["measure_results"] = [*QUALITY["measure_results"], "Z,M1,50,100,", "Z,M2,2,20,", "C,M1,120,100,"]
    files["plans"] = [
        "P,earned,,10,80,0.05,0.85",
        "Q,budget_by_quality,100.00,10,80,0.05,0.85",
        "R,budget_by_earned,100.00,10,80,0.05,0.85",
    ]
    files["plan_organizations"] = [
        "P,A,1000,430.00,400.00,0.01",
        "P,B,1000,300.00,300.00,0.01",
        *(f"{plan},{name},1000,{cost},{cost},0.01" for plan in "QR" for name, cost in (("A", 300), ("B", 290))),
        *(f"{plan},Z,10,900.00,900.00,0.01" for plan in "QR"),
    ]
    files["resource_measures"] = PLAN["resource_measures"]
    files["resource_use"] = [*PLAN["resource_use"], "R,A,BEDS,90,100"]
    files["report_card_topics"] = ["CANCER,60,70,80", "summary,60,70,80"]
    files["medicare_measures"] = [f"S{number},no,no,20,40,60,80" for number in range(8)]
    files["medicare_results"] = [f"{name},S{number},50,100" for number in range(7) for name in "AB"]
    files["medicare_results"][1] = "B,S0,5,29"
    changes = ("trend_confidence_level.P=0.999",)
    return run_on(tmp_path_factory.mktemp("iha_amp"), files, changes, "CY2022")


def test_a_closed_gate_pays_nothing_and_a_changed_rule_opens_it(finished: RunFolder) -> None:
    paid = payments(finished)
    assert (paid["A", "incentive.P"]["amount"], paid["A", "incentive.P"]["rate"]) == (0, 0)
    assert paid["A", "incentive.P"]["status_reason"].startswith("trend gate closed")
    # B: half of the way in both measures; 50 of 80 of half of $10,000.
    assert paid["B", "incentive.P"]["amount"] == Decimal("3125.00")
    # Not above the limit with so much confidence; but then the highest cost of both years excludes A.
    changed = payments(finished, "what_if")["A", "incentive.P"]
    assert changed["status_reason"] == "excluded: consistently high total cost of care"


def test_a_budget_is_divided_only_if_all_weights_are_known(finished: RunFolder) -> None:
    paid = payments(finished)
    assert paid["A", "incentive.R"]["status_reason"] == "another organization of the plan is not determinable"
    assert paid["B", "incentive.R"]["status_reason"] == "resource_use.csv does not give all of its resource use"
    assert paid["A", "incentive.R"]["amount"] is paid["A", "net"]["amount"] is None
    # Quality 100 and 50 against 80 with the same members: 1 and 0.625; Z is below the minimum.
    assert [paid[name, "incentive.Q"]["amount"] for name in "ABZ"] == [Decimal("61.54"), Decimal("38.46"), 0]


def test_the_card_says_what_it_lacks(finished: RunFolder) -> None:
    rows = {
        (row["provider_id"], row["domain_id"]): row
        for row in finished.read("domain_result", scenario_id="actual").to_pylist()
    }
    assert (rows["A", "commercial"]["points"], rows["A", "commercial"]["status"]) == (4, "scored")
    assert rows["A", "commercial"]["score"] == 90
    # One of two measures of the topic: whether that is enough has not been read.
    assert (rows["Z", "commercial.CANCER"]["points"], rows["Z", "commercial.CANCER"]["status"]) == (1, "unverified")
    assert rows["C", "commercial"]["status"] == "not_determinable"
    assert rows["A", "medicare"]["points"] == 3
    assert rows["B", "medicare"]["status_reason"] == "6 measures have enough patients, 7 are needed"
    steps = finished.read("step_result", provider_id="A", quantity="medicare_minimum_measures").to_pylist()
    assert {step["citation"] for step in steps} == {
        "OPA, About the Medical Group Medicare Ratings, data of 2022: 7 of 12 measures"
    }


BROKEN: dict[str, tuple[Files, str]] = {
    "organization twice": (
        {**PLAN, "plan_organizations": [*PLAN["plan_organizations"], "P,A,900,400.00,400.00,0.01"]},
        "rows contradict",
    ),
    "result twice": ({"measure_results": [*QUALITY["measure_results"], "A,M1,91,100,0.5"]}, "rows contradict"),
    "weights are missing": ({"measures": ["M1,CLINICAL,,no,30,,,"]}, "no row can be used"),
    "resource use is missing": (
        {name: PLAN[name] for name in ("plans", "plan_organizations", "resource_measures")},
        "resource_use.csv",
    ),
    "plan named like a domain": (
        {
            **PLAN,
            "plans": ["CLINICAL,earned,,10,80,0.05,0.85"],
            "plan_organizations": ["CLINICAL,A,1,1.00,1.00,"],
            "resource_use": ["CLINICAL,A,BEDS,1,1"],
        },
        "has the name of another",
    ),
    "topic without cut points": (
        {"measures": ["M1,CLINICAL,1,no,30,,,CANCER"], "report_card_topics": ["HEART,1,2,3"]},
        "topics have no cut points",
    ),
    "cut points fall": (
        {"medicare_measures": ["S,no,no,60,50,70,80"], "medicare_results": ["A,S,1,2"]},
        "not above two_stars",
    ),
    "too many members": (
        {**PLAN, "plan_organizations": [f"P,{name},10000000,1.00,1.00," for name in "ABCD"]},
        "more than thirty million members",
    ),
    "cut": ({"measure_results": ["A,M1,90"]}, "cells of the header"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_stops_the_run(tmp_path: Path, name: str) -> None:
    files, message = BROKEN[name]
    with pytest.raises(InputDataError, match=message):
        read(tmp_path, {**QUALITY, **files})


@pytest.mark.parametrize(
    ("period", "change"),
    [
        ("CY2012", "maximum_points=10"),
        ("CY2014", "gold_standard.Q=70"),
    ],
)
def test_periods_and_changes_that_are_refused(tmp_path: Path, period: str, change: str) -> None:
    with pytest.raises(UsageError):
        run_on(tmp_path, {**QUALITY, **PLAN}, (change,), period)


def test_weights_that_cannot_be_summed_exactly_are_refused(tmp_path: Path) -> None:
    files = {**QUALITY, "measures": [f"M{number},CLINICAL,99,no,30,0.5,0.9," for number in range(5)]}
    with pytest.raises(UsageError, match="measure_weight adds up to more than 400"):
        run_on(tmp_path, files)
