"""Physicians, indicators and results with every mistake: a clear error or a counted rejection."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from openvbp.errors import InputDataError, UsageError
from openvbp.parameters import load_parameters
from openvbp.pipeline import run
from openvbp.programs.rosp import PROGRAM
from openvbp.run_folder import RunFolder

PARAMETERS = load_parameters(PROGRAM.parameters_file)

HEADERS = {
    "physicians": "provider_id,list_size,contract_start,contract_end,is_opted_out,has_compliant_equipment,"
    "electronic_claims_share,former_amount",
    "indicators": "indicator_id,block,points,minimum_patients,intermediate_objective,target_objective,is_lower_better",
    "indicator_results": "provider_id,indicator_id,numerator,patients,baseline_rate",
    "organisation_results": "provider_id,indicator_id,is_met",
}
PHYSICIANS = ["P1,800,,,,,,", "P2,1600,,,,,,"]
INDICATORS = ["FLU,prevention,20,10,0.5,0.6,no"]
RESULTS = ["P1,FLU,55,100,0.4", "P2,FLU,60,100,0.4"]
ORGANISATION = ["RECORD,organisation,75,,,,"]


def run_on(
    folder: Path,
    physicians: list[str] = PHYSICIANS,
    indicators: list[str] = INDICATORS,
    results: list[str] = RESULTS,
    organisation: list[str] | None = None,
    period: str = "CY2018",
    changes: tuple[str, ...] = (),
) -> RunFolder:
    data = folder / "data"
    data.mkdir(parents=True)
    tables = {"physicians": physicians, "indicators": indicators, "indicator_results": results}
    if organisation is not None:
        tables["organisation_results"] = organisation
    for name, rows in tables.items():
        (data / f"{name}.csv").write_text("\n".join([HEADERS[name], *rows]) + "\n", encoding="utf-8")
    return run("rosp", period=period, data=data, out=folder / "out", changes=changes)


def rejections(finished: RunFolder) -> dict[tuple[str, str], str]:
    rows = pq.read_table(finished.path / "rejected" / "cells.parquet").to_pylist()
    counts = finished.record["input_rows"]
    assert counts["in"] == counts["accepted"] + counts["rejected"]
    assert counts["rejected"] == len(rows)
    return {(row["source_file"], row["row_number"]): f"{row['column']}: {row['reason']}" for row in rows}


def payments(finished: RunFolder, scenario_id: str = "actual") -> dict[tuple[str, str], dict[str, Any]]:
    rows = finished.read("payment_result", scenario_id=scenario_id).to_pylist()
    return {(row["provider_id"], row["component_id"]): row for row in rows}


def test_wrong_rows_are_rejected_and_counted(tmp_path: Path) -> None:
    physicians = [
        *PHYSICIANS,
        PHYSICIANS[0],
        "P3,0,,,,,,",
        "P4,-5,,,,,,",
        "P5,12.5,,,,,,",
        "P6,800,,,maybe,,,",
        "P7,800,,,,,1.2,",
        "P8,800,2010-05-01,2010-04-30,,,,",
        "P9,800,,2010-04-30,,,,",
        "P10,800,2010-02-30,,,,,",
        "P11,2000000,,,,,,",
    ]
    indicators = [
        *INDICATORS,
        "SAME,chronic,20,10,0.5,0.5,no",
        "WORSE,chronic,20,10,0.5,0.4,no",
        "LOW,efficiency,20,10,0.1,0.2,yes",
        "HIGH,chronic,20,10,0.5,71,no",
        "NONE,chronic,20,10,,0.6,no",
        "LESS,chronic,-1,10,0.5,0.6,no",
        "WHERE,other,20,10,0.5,0.6,no",
        *ORGANISATION,
    ]
    results = [
        *RESULTS,
        "P1,FLUE,1,2,0.4",
        "P2,SAME,1,2,0.4",
        "P12,FLU,11,10,0.4",
        "P13,FLU,5,10,1.5",
        "P14,FLU,5,1000000,0.5",
        "P15,FLU,x,10,0.5",
    ]
    finished = run_on(tmp_path, physicians, indicators, results)
    unknown = "indicator_id: not a clinical indicator of indicators.csv"
    assert rejections(finished) == {
        ("physicians.csv", "4"): "provider_id: the same row stands in the file before",
        ("physicians.csv", "5"): "list_size: below 1",
        ("physicians.csv", "6"): "list_size: below 1",
        ("physicians.csv", "7"): "list_size: not a whole number",
        ("physicians.csv", "8"): "is_opted_out: not yes or no",
        ("physicians.csv", "9"): "electronic_claims_share: above 1, which is 100 %",
        ("physicians.csv", "10"): "contract_end: before contract_start",
        ("physicians.csv", "11"): "contract_end: given without contract_start",
        ("physicians.csv", "12"): "contract_start: not a date such as 2015-10-01",
        ("physicians.csv", "13"): "list_size: above one million",
        ("indicators.csv", "3"): "target_objective: equal to the intermediate objective",
        ("indicators.csv", "4"): "target_objective: worse than the intermediate objective",
        ("indicators.csv", "5"): "target_objective: worse than the intermediate objective",
        ("indicators.csv", "6"): "target_objective: above 1, which is 100 %",
        ("indicators.csv", "7"): "intermediate_objective: empty, but a clinical indicator needs it",
        ("indicators.csv", "8"): "points: below zero",
        ("indicators.csv", "9"): "block: not one of prevention, chronic, efficiency, organisation",
        ("indicators.csv", "10"): "block: there are no organisation indicators in this year",
        ("indicator_results.csv", "4"): unknown,
        ("indicator_results.csv", "5"): unknown,
        ("indicator_results.csv", "6"): "numerator: above the patients: a rate above 100 %",
        ("indicator_results.csv", "7"): "baseline_rate: above 1, which is 100 %",
        ("indicator_results.csv", "8"): "patients: not below one million",
        ("indicator_results.csv", "9"): "numerator: not a whole number",
    }
    # Without the rejected row the sum of the points would be another one.
    paid = payments(finished)
    assert paid["P1", "net"]["amount"] is None
    assert paid["P1", "net"]["status_reason"] == "an indicator is not determinable"
    measures = {(row["provider_id"], row["measure_id"]): row for row in finished.read("measure_result").to_pylist()}
    assert measures["P12", "FLU"]["status_reason"] == "the row of the results was rejected"
    assert measures["P1", "FLU"]["status"] == "unverified"


def test_what_is_not_paid_says_why(tmp_path: Path) -> None:
    physicians = [
        *PHYSICIANS,
        "P3,,,,,,,",
        "P4,800,,,yes,,,",
        "P5,800,,,,,,100.00",
        "P6,800,,,,,,",
        "P8,800,,,,,,",
        "P9,800,,,,,,150.00",
    ]
    results = [
        *RESULTS,
        "P3,FLU,60,100,0.4",
        "P4,FLU,60,100,0.4",
        "P5,FLU,10,100,0.4",
        "P6,FLU,6,9,0.4",
        "P7,FLU,60,100,0.4",
        "P8,FLU,45,100,",
        "P9,FLU,60,100,0.4",
    ]
    finished = run_on(tmp_path, physicians, results=results, changes=("safeguard_fall=0.1",))
    paid = payments(finished)
    assert (paid["P1", "net"]["amount"], paid["P1", "net"]["status"]) == (Decimal(105), "unverified")
    assert (paid["P2", "net"]["amount"], paid["P2", "net"]["status"]) == (Decimal(280), "scored")
    assert paid["P3", "net"]["status_reason"] == "physicians.csv does not give the list"
    assert (paid["P4", "net"]["status"], paid["P4", "net"]["status_reason"]) == ("excluded", "opted out")
    assert paid["P5", "clinical"]["amount"] == 0
    assert paid["P5", "net"]["status_reason"] == "the payment fell: --set safeguard_fall=..."
    assert (paid["P6", "net"]["status"], paid["P6", "net"]["status_reason"]) == ("excluded", "no indicator is scored")
    assert paid["P7", "net"]["status_reason"] == "physicians.csv has no row that can be used"
    assert paid["P8", "net"]["status_reason"] == "an indicator is not determinable"
    assert paid["P9", "net"]["status_reason"] == "the payment fell: --set safeguard_fall=..."
    assert all(paid[name, "net"]["amount"] is None for name in ("P3", "P4", "P5", "P6", "P7", "P8", "P9"))
    topped = payments(finished, "what_if")
    assert topped["P5", "safeguard"]["amount"] == topped["P5", "net"]["amount"] == 100
    assert topped["P9", "safeguard"]["amount"] == 0 if topped["P9", "clinical"]["amount"] >= 135 else 10
    measures = {row["provider_id"]: row for row in finished.read("measure_result", scenario_id="actual").to_pylist()}
    assert measures["P6"]["status_reason"] == "9 patients, 10 are needed"
    assert measures["P6"]["points"] is None
    assert "baseline_rate is not given" in measures["P8"]["status_reason"]


def test_contracts_are_paid_for_their_days(tmp_path: Path) -> None:
    physicians = [
        "P1,800,2009-06-01,,,,,",
        "P2,800,2009-06-01,2010-06-30,,,,",
        "P3,800,2007-07-01,,,,,",
        "P4,800,,,,,,",
        "P5,800,2011-01-01,,,,,",
        "P6,800,2008-02-29,,,,,",
    ]
    results = [f"P{number},FLU,60,100,0.4" for number in range(1, 7)]
    change = ("indicator_points.FLU=900",)
    finished = run_on(tmp_path, physicians, results=results, period="CY2010", changes=change)
    paid = payments(finished)
    assert paid["P1", "net"]["amount"] == 140
    assert paid["P2", "net"]["amount"] == pytest.approx(Decimal(140) * 181 / 365, abs=Decimal("1e-7"))
    assert paid["P3", "net"]["amount"] == paid["P2", "net"]["amount"]
    assert paid["P6", "net"]["amount"] == 140
    for name in ("P4", "P5"):
        assert (paid[name, "net"]["status"], paid[name, "net"]["status_reason"]) == (
            "excluded",
            "no contract in the year",
        )
        assert paid[name, "net"]["amount"] is None
    # 7 euros per patient are the most.
    rich = payments(finished, "what_if")
    assert (rich["P1", "net"]["amount"], rich["P1", "net"]["is_cap_applied"]) == (5600, True)


def test_organisation_is_all_or_nothing_and_needs_transmission(tmp_path: Path) -> None:
    physicians = [
        "P1,1600,,,,yes,0.9,",
        "P2,1600,,,,yes,0.5,",
        "P3,1600,,,,,,",
        "P4,1600,,,,yes,0.9,",
        "P5,1600,,,,yes,0.9,",
    ]
    results = [f"P{number},FLU,60,100,0.4" for number in range(1, 6)]
    organisation = ["P1,RECORD,yes", "P2,RECORD,yes", "P3,RECORD,yes", "P4,RECORD,no"]
    finished = run_on(tmp_path, physicians, [*INDICATORS, *ORGANISATION], results, organisation, "CY2013")
    paid = payments(finished)
    assert [paid[f"P{number}", "organisation"]["amount"] for number in (1, 2, 3, 4, 5)] == [525, 0, None, 0, None]
    assert [paid[f"P{number}", "net"]["amount"] for number in (1, 2, 3, 4, 5)] == [805, 280, None, 280, None]
    assert paid["P3", "clinical"]["amount"] == 280
    assert paid["P5", "net"]["status_reason"] == "the organisation's points or transmission are not given"
    assert paid["P1", "organisation"]["status"] == "unverified"


def test_the_built_in_indicator_needs_no_row_and_yields_to_one(tmp_path: Path) -> None:
    results = [*RESULTS, "P1,HBA1C_TWICE,89,100,0.5"]
    built_in = run_on(tmp_path, results=results, period="CY2019", changes=("indicator_points.HBA1C_TWICE=40",))
    measures = built_in.read("measure_result", measure_id="HBA1C_TWICE").to_pylist()
    assert [(row["points"], row["status"]) for row in measures] == [(30, "scored"), (40, "scored")]
    own = "HBA1C_TWICE,chronic,50,5,0.5,0.8,no\n"
    (tmp_path / "data" / "indicators.csv").write_text(HEADERS["indicators"] + "\n" + own, encoding="utf-8")
    in_force = PROGRAM.read(tmp_path / "data", PARAMETERS.in_force(PARAMETERS.period("CY2019"))).rules_in_force
    assert in_force.value("indicator_points", "HBA1C_TWICE") == 50


BROKEN = {
    "physician twice": {"physicians": [*PHYSICIANS, "P1,900,,,,,,"], "match": "rows contradict"},
    "indicator twice": {"indicators": [*INDICATORS, "FLU,prevention,30,10,0.5,0.6,no"], "match": "rows contradict"},
    "result twice": {"results": [*RESULTS, "P1,FLU,56,100,0.4"], "match": "rows contradict"},
    "no indicator": {"indicators": ["X,chronic,20,10,0.5,0.5,no"], "match": "no row can be used"},
    "cut": {"results": [*RESULTS, "P3,FL"], "match": "rows do not have the 5 cells"},
    "no organisation": {"indicators": [*INDICATORS, *ORGANISATION], "period": "CY2013", "match": "file is missing"},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_stops_the_run(tmp_path: Path, name: str) -> None:
    case = dict(BROKEN[name])
    with pytest.raises(InputDataError, match=str(case.pop("match"))):
        run_on(tmp_path, **case)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("period", "change"),
    [
        ("CY2008", "point_value=8"),
        ("CY2025", "point_value=8"),
        ("FY2018", "point_value=8"),
        ("CY2018", "point=8"),
        ("CY2018", "indicator_block.FLU=chronic"),
        ("CY2018", "intermediate_realisation=1.5"),
        ("CY2010", "contract_years=2"),
    ],
)
def test_periods_and_changes_that_are_refused(tmp_path: Path, period: str, change: str) -> None:
    with pytest.raises(UsageError):
        run_on(tmp_path, period=period, changes=(change,))


def test_a_year_without_organisation_indicators_and_points_beyond_the_convention(tmp_path: Path) -> None:
    finished = run_on(tmp_path, indicators=["FLU,prevention,400,10,0.5,0.6,no"], period="CY2013")
    assert [check["examples"] for check in finished.record["checks"]] == [("prevention: 400 of 250",)]
    assert payments(finished)["P2", "organisation"]["amount"] == 0
    assert payments(finished)["P2", "net"]["amount"] == 400 * 7 * 2
