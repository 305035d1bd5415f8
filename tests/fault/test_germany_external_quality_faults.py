"""Sites, indicators, dialogue and documentations with every mistake: a clear error or a counted rejection."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from openvbp.errors import InputDataError, UsageError
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder

HEADERS = {
    "indicators": "indicator_id,module_id,is_lower_better,reference_kind,reference_limit,reference_percentile",
    "site_results": "provider_id,indicator_id,observed,cases",
    "structured_dialogue": "provider_id,indicator_id,assessment",
    "documentation_fees": "programme_id,documentation_type,fee",
    "documentations": "provider_id,programme_id,documentation_type,enrolled_patients,documentations",
}
INDICATORS = ["DEATH,PN,yes,fixed,0.1,", "CARE,PN,no,percentile,,0.25"]
RESULTS = ["S1,DEATH,10,50", "S2,DEATH,5,100", "S1,CARE,40,50", "S2,CARE,99,100"]
FEES = ["DM2,first,25.00", "DM2,follow_up,15.00"]
DOCUMENTATIONS = ["P1,DM2,first,10,10", "P1,DM2,follow_up,10,30"]
SITES = {"indicators": INDICATORS, "site_results": RESULTS}
PHYSICIANS = {"documentation_fees": FEES, "documentations": DOCUMENTATIONS}


def run_on(
    folder: Path, tables: dict[str, list[str]], period: str = "CY2015", changes: tuple[str, ...] = ()
) -> RunFolder:
    data = folder / "data"
    data.mkdir(parents=True)
    for name, rows in tables.items():
        (data / f"{name}.csv").write_text("\n".join([HEADERS[name], *rows]) + "\n", encoding="utf-8")
    return run("germany_external_quality", period=period, data=data, out=folder / "out", changes=changes)


def test_wrong_rows_are_rejected_counted_and_not_shown(tmp_path: Path) -> None:
    indicators = [
        *INDICATORS,
        "A,PN,yes,fixed,,",
        "B,PN,yes,fixed,1.1,",
        "C,PN,yes,percentile,,",
        "D,PN,yes,percentile,,1",
        "E,PN,yes,sentinel,0.1,",
        "F,PN,no,sentinel,,",
        "G,PN,yes,range,,",
        "H,PN,yes,fixed,0.1,0.5",
    ]
    results = [
        *RESULTS,
        "S1,OTHER,1,2",
        "S3,DEATH,3,2",
        "S3,CARE,-1,2",
        "S4,DEATH,x,2",
        "S5,DEATH,1,200000",
        "S6,DEATH,7,50",
        "S6,DEATH,9,50",
    ]
    fees = [*FEES, "DM1,third,5", "DM1,first,-5", "DM1,first,2000000"]
    documentations = [
        *DOCUMENTATIONS,
        "P2,DM9,first,1,1",
        "P2,DM2,first,-1,1",
        "P3,DM2,first,5,5",
        "P3,DM2,follow_up,5,x",
    ]
    assessments = "no_concern, qualitative_concern, documentation_error, other"
    dialogue = ["S1,DEATH,no_concern", "S2,DEATH,maybe", "S9,DEATH,other"]
    finished = run_on(
        tmp_path,
        {
            "indicators": indicators,
            "site_results": results,
            "structured_dialogue": dialogue,
            "documentation_fees": fees,
            "documentations": documentations,
        },
    )
    rows = pq.read_table(finished.path / "rejected" / "cells.parquet").to_pylist()
    contradicts = "provider_id: another row has the same key and other values"
    assert {(row["source_file"], row["row_number"]): f"{row['column']}: {row['reason']}" for row in rows} == {
        ("indicators.csv", "4"): "reference_limit: empty, but a fixed reference range needs it",
        ("indicators.csv", "5"): "reference_limit: above 1, which is 100 %",
        ("indicators.csv", "6"): "reference_percentile: empty, but a percentile range needs it",
        ("indicators.csv", "7"): "reference_percentile: not between 0.0001 and 0.9999",
        ("indicators.csv", "8"): "reference_limit: given, but only a fixed reference range has it",
        ("indicators.csv", "9"): "is_lower_better: no, but sentinel events are better rare",
        ("indicators.csv", "10"): "reference_kind: not one of fixed, percentile, sentinel",
        ("indicators.csv", "11"): "reference_percentile: given, but only a percentile range has it",
        ("site_results.csv", "6"): "indicator_id: not in indicators.csv",
        ("site_results.csv", "7"): "observed: above the cases: a rate above 100 %",
        ("site_results.csv", "8"): "observed: below zero",
        ("site_results.csv", "9"): "observed: not a whole number",
        ("site_results.csv", "10"): "cases: above one hundred thousand",
        ("site_results.csv", "11"): contradicts,
        ("site_results.csv", "12"): contradicts,
        (
            "structured_dialogue.csv",
            "3",
        ): f"assessment: not one of {assessments}",
        ("documentation_fees.csv", "4"): "documentation_type: not one of first, follow_up",
        ("documentation_fees.csv", "5"): "fee: below zero",
        ("documentation_fees.csv", "6"): "fee: not below one million",
        ("documentations.csv", "4"): "programme_id: no fee in documentation_fees.csv",
        ("documentations.csv", "5"): "enrolled_patients: below zero",
        ("documentations.csv", "7"): "documentations: not a whole number",
    }
    counts = finished.record["input_rows"]
    assert counts["in"] == counts["accepted"] + counts["rejected"]
    # Counts of a site may point to a patient, in a wrong row too.
    assert {row["value"] for row in rows if row["source_file"] == "site_results.csv"} == {""}
    assert [check["examples"] for check in finished.record["checks"]] == [("S9 DEATH",)]
    measures = {(row["provider_id"], row["measure_id"]): row for row in finished.read("measure_result").to_pylist()}
    for place in (("S3", "DEATH"), ("S6", "DEATH")):
        assert measures[place]["status_reason"] == "the row of site_results.csv was rejected"
    paid = {(row["provider_id"], row["component_id"]): row for row in finished.read("payment_result").to_pylist()}
    assert paid["P1", "net"]["amount"] == 700
    assert paid["P3", "documentation.DM2.first"]["amount"] == 125
    assert paid["P3", "net"]["status_reason"] == "a row of documentations.csv was rejected"
    assert paid["P3", "net"]["amount"] is None


def test_small_counts_are_masked_unless_a_scenario_shows_them(tmp_path: Path) -> None:
    results = [*RESULTS, "S3,DEATH,3,3", "S4,DEATH,2,10", "S5,DEATH,0,10", "S6,DEATH,0,0"]
    finished = run_on(tmp_path, {**SITES, "site_results": results}, changes=("is_event_count_masked=false",))
    rows = finished.read("measure_result").to_pylist()
    found = {(row["scenario_id"], row["provider_id"]): row for row in rows if row["measure_id"] == "DEATH"}
    hidden = ("numerator", "denominator", "rate")
    for name in ("S3", "S4"):
        assert found["actual", name]["status"] == "suppressed"
        assert [found["actual", name][column] for column in hidden] == [None, None, None]
    assert found["what_if", "S3"]["status"] == "suppressed"
    assert found["what_if", "S4"]["rate"] == Decimal("0.2")
    assert found["actual", "S5"]["status"] == "scored"
    assert found["actual", "S6"]["status"] == "not_reported"
    assert found["actual", "S1"]["status_reason"] == "computed conspicuity; structured dialogue: open"


def test_sites_alone_and_physicians_alone(tmp_path: Path) -> None:
    assert "payment_result" not in run_on(tmp_path / "sites", SITES).tables
    physicians = run_on(tmp_path / "physicians", PHYSICIANS)
    assert "measure_result" not in physicians.tables
    assert {row["amount"] for row in physicians.read("payment_result").to_pylist()} == {250, 450, 700}


BROKEN = {
    "nothing": ({}, r"indicators.csv"),
    "no results": ({"indicators": INDICATORS}, r"site_results.csv"),
    "no fees": ({"documentations": DOCUMENTATIONS}, r"documentation_fees.csv"),
    "indicator twice": ({**SITES, "indicators": [*INDICATORS, "DEATH,PN,yes,fixed,0.2,"]}, "rows contradict"),
    "fee twice": ({**PHYSICIANS, "documentation_fees": [*FEES, "DM2,first,26.00"]}, "rows contradict"),
    "unknown only": ({**SITES, "site_results": ["S1,X,1,2"]}, "no row can be used"),
    "one name": (
        {**SITES, **PHYSICIANS, "documentations": ["S1,DM2,first,1,1"]},
        "a site and a physician have one name",
    ),
    "cut": ({**SITES, "site_results": [*RESULTS, "S3,DEA"]}, "rows do not have the 4 cells"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_stops_the_run(tmp_path: Path, name: str) -> None:
    tables, match = BROKEN[name]
    with pytest.raises(InputDataError, match=match):
        run_on(tmp_path, tables)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("period", "change"),
    [
        ("CY2006", "smallest_reported_count=5"),
        ("FY2015", "smallest_reported_count=5"),
        ("CY2015", "reference_limit.DEATH=2"),
    ],
)
def test_periods_and_changes_that_are_refused(tmp_path: Path, period: str, change: str) -> None:
    with pytest.raises(UsageError):
        run_on(tmp_path, SITES, period, (change,))
