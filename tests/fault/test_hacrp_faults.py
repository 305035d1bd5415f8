"""Bad input to the HAC Reduction Program: a clear error, or a counted and listed rejection."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hacrp_files import Row, base_payments, hospitals, write
from openvbp.errors import InputDataError, OpenvbpError, UsageError
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def run_on(files: Path, period: str = "FY2025", changes: Sequence[str] = ()) -> RunFolder:
    return run("hacrp", period=period, data=files, out=files.parent / "RUN", changes=changes)


def by_hospital(found: RunFolder, table: str, scenario_id: str = "actual") -> dict[str, dict[str, Any]]:
    return {row["provider_id"]: row for row in found.read(table, scenario_id=scenario_id).to_pylist()}


def rejected(found: RunFolder) -> list[dict[str, Any]]:
    return pq.read_table(found.path / "rejected" / "cells.parquet").to_pylist()


def refused(files: Path, words: str, kind: type[OpenvbpError] = InputDataError, **how: Any) -> OpenvbpError:
    """The run stops with an error that says so, and what to do, and leaves no finished run."""
    with pytest.raises(kind, match=words) as caught:
        run_on(files, **how)
    assert all(problem.what_to_do and problem.where for problem in caught.value.problems)
    assert not (files.parent / "RUN" / "run.json").exists()
    return caught.value


def test_whole_file_is_scored(files: Path) -> None:
    write(files / "a.csv", hospitals())
    found = run_on(files)
    payments = by_hospital(found, "payment_result")
    assert sum(row["rate"] == Decimal("-0.01") for row in payments.values()) == 30
    assert (
        payments["010120"]["status_reason"]
        == "cutoff computed from the scores in the file: the official one is not known"
    )
    assert found.record["input_rows"] == {"in": 120, "accepted": 120, "rejected": 0}


def test_missing_folder(files: Path) -> None:
    refused(files / "absent", "folder not found")


def test_folder_without_files(files: Path) -> None:
    refused(files, "folder has no CSV file")


def test_folder_with_other_files_only(files: Path) -> None:
    (files / "other.csv").write_text("Facility ID,Excess Readmission Ratio\n010001,1.02\n")
    refused(files, "no file has the scores of the program")


def test_file_without_hospitals(files: Path) -> None:
    write(files / "a.csv", [{name: row[name] for name in row if name != "Facility ID"} for row in hospitals()])
    refused(files, "no column has the hospital's number")


def test_file_without_a_measure(files: Path) -> None:
    rows = [{name: text for name, text in row.items() if not name.startswith("MRSA")} for row in hospitals()]
    write(files / "a.csv", rows)
    assert "HAI-5" in str(refused(files, "no column with results or z-scores of 1 measures of FY2025"))


@pytest.mark.parametrize(("delimiter", "name"), [(";", "semicolon"), ("\t", "tab"), ("|", "vertical bar")])
def test_wrong_delimiter(files: Path, delimiter: str, name: str) -> None:
    write(files / "a.csv", hospitals(), delimiter)
    refused(files, f"columns are separated by {name}s")


def test_truncated_row(files: Path) -> None:
    path = write(files / "a.csv", hospitals())
    path.write_text(path.read_text()[:-40])
    refused(files, "rows do not have the")


def test_truncated_in_a_quoted_cell(files: Path) -> None:
    path = write(files / "a.csv", hospitals())
    path.write_text(path.read_text() + '"HOSPITAL')
    refused(files, "is broken")


@pytest.mark.parametrize("content", ["", "Facility ID,Total HAC Score\n"])
def test_file_without_rows(files: Path, content: str) -> None:
    (files / "a.csv").write_text(content)
    refused(files, "file has no rows")


def test_conflicting_rows(files: Path) -> None:
    rows = hospitals()
    write(files / "a.csv", [*rows, {**rows[4], "CLABSI SIR": "9.000"}])
    assert "010005" in str(refused(files, "hospital has two different rows"))


UNUSABLE = {
    "010008": ("CLABSI W Z Score", "high", "not a number of the expected form"),
    "010009": ("CLABSI SIR", "1,5", "not a number of the expected form"),
    "010010": ("CLABSI SIR", "-0.5", "below the lowest possible value"),
    "010011": ("CLABSI SIR", "500", "above the highest possible value"),
    "010012": ("CLABSI W Z Score", "1000", "above the highest possible value"),
}
"""Hospital to the column and text of its cell, and why it is rejected."""


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """One folder with a fault of each kind, each at a hospital of its own."""
    files = tmp_path_factory.mktemp("damaged") / "files"
    files.mkdir()
    rows = hospitals()
    rows[0]["Facility ID"] = "Total"
    rows[3] = without_scores(rows[3])
    for provider_id, (column, text, _reason) in UNUSABLE.items():
        rows[int(provider_id) - 10_001][column] = text
    rows[19]["Facility ID"] = "10020"
    rows[118]["Payment Reduction"] = "N/A"
    rows[119]["Payment Reduction"] = "Maybe"
    write(files / "a.csv", [*rows, rows[4]])
    paid = base_payments(hospitals()[1:], ["$1,000,000.00"] * 119)
    paid[116]["base_operating_drg_payment_amount_usd"] = "much"
    write(files / "payments.csv", paid)
    return run_on(files)


def rejected_of(found: RunFolder, provider_id: str) -> list[dict[str, Any]]:
    return [row for row in rejected(found) if row["provider_id"] == provider_id]


def test_all_that_is_rejected_is_listed(damaged: RunFolder) -> None:
    """A row without a hospital number, a repeated one, five cells of results, a reduction and an amount."""
    assert damaged.record["rejected_cells"] == len(rejected(damaged)) == 1 + 1 + len(UNUSABLE) + 1 + 1
    files = {file["name"]: (file["rows"], file["accepted_rows"]) for file in damaged.record["input_files"]}
    assert files["a.csv"] == (121, 119)
    assert files["payments.csv"][0] == 119


def test_repeated_row_is_rejected_and_counted(damaged: RunFolder) -> None:
    assert [row["row_number"] for row in rejected_of(damaged, "010005")] == ["122"]


def test_unusable_hospital_number_is_rejected(damaged: RunFolder) -> None:
    reasons = [row["reason"] for row in rejected(damaged) if row["row_number"] == "2" and row["source_file"] == "a.csv"]
    assert reasons == ["not a CMS certification number of six characters"]
    assert "010001" not in by_hospital(damaged, "provider_result")


def test_lost_leading_zeros_are_restored_and_reported(damaged: RunFolder) -> None:
    assert "010020" in by_hospital(damaged, "provider_result")
    assert [(check["name"], check["count"]) for check in damaged.record["checks"]] == [("leading_zero_restored", 1)]


@pytest.mark.parametrize("provider_id", UNUSABLE)
def test_unusable_cell_is_rejected_and_leaves_no_score(damaged: RunFolder, provider_id: str) -> None:
    _column, text, reason = UNUSABLE[provider_id]
    assert [(row["value"], row["reason"]) for row in rejected_of(damaged, provider_id)] == [(text, reason)]
    total, payment = (by_hospital(damaged, name)[provider_id] for name in ("provider_result", "payment_result"))
    assert (total["score"], total["status"]) == (None, "not_determinable")
    assert (payment["rate"], payment["factor"], payment["status"]) == (None, None, "not_determinable")
    measures = damaged.read("measure_result", provider_id=provider_id, measure_id="HAI-1").to_pylist()
    assert measures[0]["status_reason"] == f"input: {reason}"


def test_points_outside_one_to_ten_are_rejected(files: Path) -> None:
    rows = [
        {
            "Provider ID": f"{10_000 + number:06}",
            "State": "AL",
            "AHRQ_PSI_90_Score": str(1 + number % 10),
            "CLABSI_Score": str(1 + number % 10),
            "CAUTI_Score": "Not Available",
            "Total_HAC_Score": str(1 + number % 10),
        }
        for number in range(1, 121)
    ]
    wrong = {"010008": "11", "010018": "0", "010028": "high"}
    for provider_id, text in wrong.items():
        rows[int(provider_id) - 10_001]["CLABSI_Score"] = text
    write(files / "a.csv", rows)
    found = run_on(files, "FY2015")
    assert [(row["provider_id"], row["column"], row["value"]) for row in rejected(found)] == [
        (provider_id, "HAI-1 points", text) for provider_id, text in wrong.items()
    ]
    scores = by_hospital(found, "provider_result")
    assert {scores[provider_id]["score"] for provider_id in wrong} == {None}
    assert scores["010009"]["score"] == Decimal(10)


def test_unknown_payment_reduction_is_rejected_but_the_hospital_judged(damaged: RunFolder) -> None:
    assert [row["value"] for row in rejected_of(damaged, "010120")] == ["Maybe"]
    payments = by_hospital(damaged, "payment_result")
    assert payments["010120"]["rate"] == Decimal("-0.01")
    assert (payments["010119"]["status"], payments["010119"]["factor"]) == ("excluded", Decimal(1))


def test_hospital_without_scores_is_not_a_zero(damaged: RunFolder) -> None:
    score, payment = (by_hospital(damaged, name)["010004"] for name in ("provider_result", "payment_result"))
    assert (score["score"], score["rank"], score["status"]) == (None, None, "too_few_cases")
    assert (payment["factor"], payment["rate"]) == (Decimal(1), Decimal(0))


def test_payment_amounts(damaged: RunFolder) -> None:
    payments = by_hospital(damaged, "payment_result")
    assert payments["010120"]["amount"] == Decimal(-10_000)
    assert payments["010002"]["amount"] == 0
    assert (payments["010118"]["amount"], payments["010118"]["rate"]) == (None, Decimal("-0.01"))
    assert [row["value"] for row in rejected(damaged) if row["source_file"] == "payments.csv"] == ["much"]


@pytest.mark.parametrize("period", ["FY2014", "FY2030"])
def test_period_without_parameters(files: Path, period: str) -> None:
    write(files / "a.csv", hospitals())
    refused(files, f"hacrp has no parameters for {period}", UsageError, period=period)


def test_file_of_another_year(files: Path) -> None:
    write(files / "a.csv", hospitals(year=2024))
    refused(files, "file is not of FY2025")


def test_of_several_years_the_file_of_the_period_is_taken(files: Path) -> None:
    write(files / "a.csv", hospitals(year=2024))
    write(files / "b.csv", hospitals(119))
    found = run_on(files)
    assert len(by_hospital(found, "provider_result")) == 119
    assert [check["name"] for check in found.record["checks"]] == ["file_of_another_year"]


def test_two_files_of_the_period(files: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write(files / name, hospitals())
    refused(files, "several files have scores")


def test_scores_that_the_period_does_not_have(files: Path) -> None:
    rows = [{**row, "Domain 1 Score": "0.1"} for row in hospitals()]
    write(files / "a.csv", rows)
    refused(files, "the file has scores that FY2025 does not have")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("cutof=0.3", "there is no parameter 'cutof'"),
        ("exempt_state.VA=true", "there is no parameter 'exempt_state.VA'"),
        ("cutoff=high", "'high' is not a number"),
        ("cutoff=1000000", "cutoff must lie within"),
        ("payment_reduction=1.5", "not a share between 0 and 1"),
        ("winsorized_standard_deviation.HAI-1=0", "winsorized_standard_deviation.HAI-1 cannot be 0"),
        ("winsor_upper_percentile=0.12345", "at most 4 decimals"),
    ],
)
def test_unusable_change(files: Path, change: str, words: str) -> None:
    write(files / "a.csv", hospitals())
    refused(files, words, UsageError, changes=[change])


def test_unusable_weight(files: Path) -> None:
    rows = [{**row, "Fiscal Year": "2019"} for row in hospitals()]
    write(files / "a.csv", rows)
    refused(files, "at most 3 decimals", UsageError, period="FY2019", changes=["domain_weight.domain_1=0.1234"])


def test_too_few_hospitals_for_a_quartile(files: Path) -> None:
    write(files / "a.csv", hospitals(99))
    refused(files, "fewer than 100 hospitals have a score to take the 75th percentile of: 99")


def test_few_hospitals_with_a_given_cutoff(files: Path) -> None:
    """Beside the rules in force, whose cutoff cannot be computed, the given cutoff is applied."""
    write(files / "a.csv", hospitals(99))
    found = run_on(files, changes=["cutoff=0.9"])
    actual, changed = (by_hospital(found, "payment_result", one)["010099"] for one in ("actual", "what_if"))
    assert (actual["status"], actual["rate"]) == ("not_determinable", None)
    assert (changed["status"], changed["rate"]) == ("scored", Decimal("-0.01"))


def without_scores(row: Row) -> Row:
    kept = ("Facility Name", "Facility ID", "State", "Fiscal Year", "Payment Reduction")
    return {name: text if name in kept else "N/A" for name, text in row.items()}


def test_all_scores_missing(files: Path) -> None:
    write(files / "a.csv", [without_scores(row) for row in hospitals()])
    refused(files, "no hospital has a Total HAC Score")


def only_results(row: Row) -> Row:
    return {
        name: text
        for name, text in row.items()
        if "W Z Score" not in name and name not in ("Total HAC Score", "Payment Reduction")
    }


def test_results_without_scores_are_standardised(files: Path) -> None:
    rows = [only_results(row) for row in hospitals()]
    rows[0].update({"CLABSI SIR": "N/A", "CLABSI W Z Footnote": "5, 18"})
    write(files / "a.csv", rows)
    found = run_on(files)
    measures = {row["provider_id"]: row for row in found.read("measure_result", measure_id="HAI-1").to_pylist()}
    assert (
        measures["010001"]["points"] == measures["010120"]["points"] == max(row["points"] for row in measures.values())
    )
    assert measures["010001"]["status_reason"] == "highest z-score of the measure (footnote 5, 18)"
    assert measures["010120"]["status_reason"].endswith("mean and standard deviation of the results in the file")


def test_results_that_do_not_differ_give_no_score(files: Path) -> None:
    rows = [only_results(row) for row in hospitals(240)]
    for number, row in enumerate(rows):
        row["CLABSI SIR"] = "N/A" if number % 2 else "0.5"
    write(files / "a.csv", rows)
    found = run_on(files)
    measures = found.read("measure_result", measure_id="HAI-1").to_pylist()
    assert {(row["rate"], row["points"], row["status"]) for row in measures} == {
        (Decimal("0.5"), None, "not_determinable"),
        (None, None, "not_reported"),
    }
    totals = by_hospital(found, "provider_result")
    assert (totals["010001"]["status"], totals["010002"]["status"]) == ("not_determinable", "scored")


def test_conflicting_payment_amounts(files: Path) -> None:
    rows = hospitals()
    write(files / "a.csv", rows)
    write(files / "payments.csv", [*base_payments(rows, ["1"] * len(rows)), *base_payments(rows[:1], ["2"])])
    refused(files, "hospital has two different rows")


def test_paused_year_has_no_score_and_no_reduction(files: Path) -> None:
    rows = [{**only_results(row), "Fiscal Year": "2023", "Total HAC Score": "0.0"} for row in hospitals()]
    write(files / "a.csv", [{name: text for name, text in row.items() if "PSI" not in name} for row in rows])
    found = run_on(files, "FY2023")
    assert {(row["score"], row["status"]) for row in by_hospital(found, "provider_result").values()} == {
        (None, "suppressed")
    }
    assert {(row["rate"], row["factor"]) for row in by_hospital(found, "payment_result").values()} == {
        (Decimal(0), Decimal(1))
    }
    assert {row["points"] for row in found.read("measure_result").to_pylist()} == {None}
