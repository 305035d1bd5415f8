"""What is wrong with HRRP files is said, or counted and listed; nothing is lost, and no patient is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from conftest import published_data
from hrrp_files import (
    MadeCondition,
    MadeHospital,
    conditions_of,
    write_csv,
    write_hospitals,
    write_payment_ratios,
    write_public,
    write_supplemental,
)
from openvbp import pipeline
from openvbp.errors import InputDataError, OpenvbpError, UsageError
from openvbp.program import ProgramInputs
from openvbp.programs import program
from openvbp.run_folder import RunFolder

PERIOD = "FY2024"
MODIFIER = "0.9630510589014"


def made_hospitals(count: int = 7) -> list[MadeHospital]:
    return [
        MadeHospital(
            f"{10_001 + number:06d}",
            {one: MadeCondition(f"{0.9 + number / 20:.4f}") for one in conditions_of(PERIOD)},
            dual_proportion=f"{number / 10:.4f}",
        )
        for number in range(count)
    ]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def public(data: Path) -> Path:
    return write_public(data, PERIOD, made_hospitals())


def run(data: Path, period: str = PERIOD, **options: Any) -> RunFolder:
    return pipeline.run("hrrp", period=period, data=data, out=data.parent / "run", **options)


def read(data: Path, period: str = PERIOD) -> ProgramInputs:
    """The reading alone, for what is said before anything is computed."""
    found = program("hrrp")
    return found.read(data, found.parameters.in_force(found.parameters.period(period)))


def fails(data: Path, *words: str, period: str = PERIOD, error: type[OpenvbpError] = InputDataError) -> str:
    with pytest.raises(error) as caught:
        run(data, period)
    message = str(caught.value)
    for word in words:
        assert word in message, message
    assert "what to do:" in message
    assert not (data.parent / "run" / "run.json").exists()
    return message


def edit(path: Path, change: Callable[[str], str]) -> None:
    before = path.read_text(encoding="utf-8")
    after = change(before)
    assert before != after
    path.write_text(after, encoding="utf-8")


def checks(found: RunFolder) -> dict[str, int]:
    return {check["name"]: check["count"] for check in found.record["checks"]}


def rejected(found: RunFolder) -> list[dict[str, Any]]:
    return pq.read_table(found.path / "rejected" / "cells.parquet").to_pylist()


def measure(found: RunFolder, provider_id: str, measure_id: str) -> dict[str, Any]:
    (row,) = found.read("measure_result", provider_id=provider_id, measure_id=measure_id).to_pylist()
    return row


def factor(found: RunFolder, provider_id: str) -> tuple[str, Decimal | None, str | None]:
    (row,) = found.read("payment_result", provider_id=provider_id).to_pylist()
    return row["status"], row["factor"], row["status_reason"]


# --- files -------------------------------------------------------------------------------------------


def test_missing_folder(tmp_path: Path) -> None:
    fails(tmp_path / "nowhere", "folder not found", "nowhere")


def test_empty_folder(data: Path) -> None:
    fails(data, "folder has no CSV or text file")


def test_no_file_of_the_program(data: Path) -> None:
    write_csv(data / "prices.csv", ("ticker", "price"), [("A", 1)])
    fails(data, "no file gives excess readmission ratios of 6 of the 6 conditions", "prices.csv")


def test_missing_measure_column(public: Path) -> None:
    edit(public, lambda text: text.replace("Measure Name", "Indicator"))
    fails(public.parent, "column 'Measure Name' is missing", "ratios.csv")


def test_missing_ratio_and_rates(public: Path) -> None:
    edit(
        public,
        lambda text: (
            text.replace("Excess Readmission Ratio", "X")
            .replace("Predicted Readmission Rate", "Y")
            .replace("Expected Readmission Rate", "Z")
        ),
    )
    fails(public.parent, "no file gives excess readmission ratios", "Excess Readmission Ratio")


def test_missing_ratio_column_of_the_supplemental_file(data: Path) -> None:
    path = write_supplemental(data, PERIOD, made_hospitals(), MODIFIER)
    edit(path, lambda text: text.replace("ERR for COPD,Peer", "Ratio of COPD,Peer"))
    fails(data, "columns with the excess readmission ratio (ERR) are missing", "READM-30-COPD")


def test_condition_that_no_file_has(public: Path) -> None:
    edit(public, lambda text: "\n".join(line for line in text.splitlines() if "CABG" not in line))
    fails(public.parent, "ratios of 1 of the 6 conditions", "READM-30-CABG")


@pytest.mark.parametrize(("delimiter", "name"), [(";", "semicolons"), ("|", "vertical bars")])
def test_wrong_delimiter(public: Path, delimiter: str, name: str) -> None:
    edit(public, lambda text: text.replace(",", delimiter))
    fails(public.parent, f"columns are separated by {name}, not commas or tabs", "ratios.csv")


def test_tabs_are_as_good_as_commas(public: Path) -> None:
    public.rename(public.with_suffix(".txt"))
    edit(public.with_suffix(".txt"), lambda text: text.replace(",", "\t"))
    assert sum(file.accepted_rows for file in read(public.parent).files) == 42


def test_truncated_in_the_middle_of_a_row(public: Path) -> None:
    edit(public, lambda text: text[: len(text) - 40])
    fails(public.parent, "rows do not have the 12 cells of the header", "line 43")


def test_truncated_after_a_hospital_number(data: Path) -> None:
    path = write_supplemental(data, PERIOD, made_hospitals(), MODIFIER)
    edit(path, lambda text: text[: text.rindex("010007") + 6])
    fails(data, "rows do not have the 36 cells of the header", "line 9")


def test_truncated_within_quotes(public: Path) -> None:
    edit(public, lambda text: text + '"HOSPITAL')
    fails(public.parent, "is broken", "truncated")


def test_not_text(public: Path) -> None:
    public.write_bytes(b"PK\x03\x04\x00\x00\xff\xfe\x00")
    fails(public.parent, "file is not text")


def test_column_named_twice(public: Path) -> None:
    edit(public, lambda text: text.replace("Footnote", "Excess Readmission Ratio"))
    fails(public.parent, "column names repeat", "excess readmission ratio")


def test_file_of_another_year(public: Path) -> None:
    fails(public.parent, "file is not of FY2022", "2017-07-01 to 2019-12-01", "2019-07-01", period="FY2022")


def test_supplemental_file_of_another_year(data: Path) -> None:
    write_supplemental(data, PERIOD, made_hospitals(), MODIFIER)
    fails(data, "file is not of FY2025", "FY2024", period="FY2025")


@pytest.mark.parametrize("period", ["FY2012", "FY2028", "2024", "CY2024"])
def test_period_without_parameters(public: Path, period: str) -> None:
    fails(public.parent, period, period=period, error=UsageError)


def test_two_releases_of_a_file(public: Path) -> None:
    shutil.copy(public, public.with_name("ratios_corrected.csv"))
    fails(public.parent, "the same columns stand in ratios.csv", "keep one release")


# --- rows --------------------------------------------------------------------------------------------


def test_hospital_with_two_different_rows(public: Path) -> None:
    edit(public, lambda text: text + text.splitlines()[1].replace("0.9000", "0.9100") + "\n")
    fails(public.parent, "hospital has two different rows", "010001")


def test_unknown_measure_in_rows(public: Path) -> None:
    edit(public, lambda text: text.replace("READM-30-CABG-HRRP", "READM-30-SEPSIS-HRRP"))
    fails(public.parent, "rows of an unknown measure (7 times)", "READM-30-SEPSIS-HRRP")


def test_unknown_measure_in_columns(data: Path) -> None:
    path = write_supplemental(data, PERIOD, made_hospitals(), MODIFIER)
    edit(path, lambda text: text.replace("ERR for CABG", "ERR for sepsis"))
    fails(data, "columns of an unknown measure", "ERR for sepsis")


def test_measure_that_does_not_count_this_year(data: Path) -> None:
    """Pneumonia is measured in FY2023 but left out of the payment."""
    made = made_hospitals()
    for hospital in made:
        hospital.conditions["READM-30-PN"] = MadeCondition("1.9", payment_ratio="0.9")
    write_public(data, "FY2023", made)
    found = run(data, "FY2023")
    assert checks(found)["condition_not_of_period"] == 7
    assert "READM-30-PN" not in found.read("measure_result")["measure_id"].to_pylist()


# --- cells -------------------------------------------------------------------------------------------


UNUSABLE = {
    "010001": ("0.9000,14.4000", '"about 1",14.4000', "not a number of the expected form"),
    "010002": ("0.9500,15.2000", "-0.9,15.2000", "below the lowest possible value"),
    "010003": ("1.0000,16.0000", "90.0,16.0000", "above the highest possible value"),
    "010004": ("1.0500,16.8000", "0,16.8000", "zero, which is not possible"),
    "010005": ("17.6000,16.0000", "114.4,16.0000", "above the highest possible value"),
    "010006": ("18.4000,16.0000", "18.4000,0", "zero, which is not possible"),
    "010007": ("AMI-HRRP,100", "AMI-HRRP,99.5", "not a whole number"),
}
"""Hospital to the text of its row of AMI, what replaces it, and why the cell is then rejected."""


@dataclass(frozen=True)
class Damaged:
    """One file with a fault of each kind, each at a hospital of its own, and what a run makes of it."""

    lines: list[str]
    found: RunFolder

    def line(self, provider_id: str, measure_id: str = "READM-30-AMI") -> int:
        """Number of the line of a hospital's row, which the header counts in."""
        return next(n for n, line in enumerate(self.lines, 1) if f",{provider_id},AL,{measure_id}-HRRP" in line)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Damaged:
    """The cells of UNUSABLE; hospitals 8 to 13 as the tests below say; the last one lacks two rows."""
    folder = tmp_path_factory.mktemp("damaged") / "data"
    folder.mkdir()
    path = write_public(folder, PERIOD, made_hospitals(14))
    changes = [(f",{provider_id},AL,READM-30-AMI", old, new) for provider_id, (old, new, _) in UNUSABLE.items()]
    changes += [
        (",010008,AL,READM-30-AMI", "AMI-HRRP,100", "AMI-HRRP,Too Few to Report"),
        (",010009,AL,READM-30-AMI", "1.3000,20.8000,16.0000", "1.3000,N/A,N/A"),
        (",010012,", ",010012,", ",TOTAL,"),
        (",010013,", ",010013,", ",10013,"),
    ]
    lines = path.read_text(encoding="utf-8").splitlines()
    for row, old, new in changes:
        assert any(row in line and old in line for line in lines), row
        lines = [line.replace(old, new) if row in line else line for line in lines]
    lines = lines[:-2]
    lines.append(next(line for line in lines if ",010011," in line))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Damaged(lines, run(folder))


@pytest.mark.parametrize("provider_id", UNUSABLE)
def test_cell_that_cannot_be_is_listed_and_its_condition_not_determined(damaged: Damaged, provider_id: str) -> None:
    reason = UNUSABLE[provider_id][2]
    (row,) = [row for row in rejected(damaged.found) if row["provider_id"] == provider_id]
    assert (row["reason"], row["row_number"]) == (reason, str(damaged.line(provider_id)))
    result = measure(damaged.found, provider_id, "READM-30-AMI")
    assert (result["status"], result["rate"]) == ("not_determinable", None)
    assert result["status_reason"].endswith(reason)
    status, value, why = factor(damaged.found, provider_id)
    assert (status, value) == ("not_determinable", None)
    assert why is not None
    assert why.endswith(reason)


def test_all_that_is_rejected_is_listed(damaged: Damaged) -> None:
    """Seven cells, six rows without a hospital number, one row that stands there twice; all else is accepted."""
    assert len(rejected(damaged.found)) == damaged.found.record["rejected_cells"] == len(UNUSABLE) + 6 + 1
    assert damaged.found.record["input_rows"] == {"in": 14 * 6 - 2 + 1, "accepted": 76, "rejected": 7}


def test_truncated_between_rows_is_counted(damaged: Damaged) -> None:
    assert checks(damaged.found)["condition_not_in_files"] == 2
    status, value, reason = factor(damaged.found, "010014")
    assert (status, value) == ("not_determinable", None)
    assert reason == "input: the hospital has no row for the condition"


def test_same_row_twice_is_rejected_once(damaged: Damaged) -> None:
    (cell,) = [cell for cell in rejected(damaged.found) if cell["reason"] == "the same row stands in the file before"]
    assert cell["row_number"] == str(len(damaged.lines))
    assert factor(damaged.found, "010011")[0] == factor(damaged.found, "010010")[0]


def test_row_without_a_hospital_number(damaged: Damaged) -> None:
    reason = "not a CMS certification number of six characters"
    rows = [int(cell["row_number"]) for cell in rejected(damaged.found) if cell["reason"] == reason]
    assert rows == [n for n, line in enumerate(damaged.lines, 1) if ",TOTAL," in line]
    assert len(rows) == 6
    assert "010012" not in damaged.found.read("provider")["provider_id"].to_pylist()


def test_lost_leading_zeros_are_restored_and_counted(damaged: Damaged) -> None:
    assert checks(damaged.found)["leading_zero_restored"] == 6
    assert "010013" in damaged.found.read("provider")["provider_id"].to_pylist()


def test_ratio_without_a_number_of_discharges_is_counted(damaged: Damaged) -> None:
    # The other one is the hospital whose number of discharges cannot be.
    assert checks(damaged.found)["minimum_discharges_not_checked"] == 2
    result = measure(damaged.found, "010008", "READM-30-AMI")
    assert (result["status"], result["denominator"]) == ("scored", None)
    assert result["status_reason"] == "minimum not checked: the number of discharges is not published"


def test_ratio_without_rates_is_taken_as_published(damaged: Damaged) -> None:
    result = measure(damaged.found, "010009", "READM-30-AMI")
    assert result["rate"] == Decimal("1.3")
    assert result["status_reason"] == "ratio as published: the files give no rates"


def test_payments_for_a_condition_above_those_for_all(public: Path) -> None:
    header = ("Facility ID", "Measure ID", "Condition Base Operating DRG Payment Amount USD")
    write_csv(public.parent / "conditions.csv", header, [("010001", "READM-30-AMI", "2000.00")])
    total = ("Facility ID", "Aggregate Payments For All Discharges USD")
    write_csv(public.parent / "totals.csv", total, [("010001", "1999.99")])
    result = measure(run(public.parent), "010001", "READM-30-AMI")
    assert result["status_reason"] == "input: payments for the condition exceed the payments for all discharges"


def test_files_that_disagree(data: Path) -> None:
    made = made_hospitals()
    write_public(data, PERIOD, made)
    made[0].conditions["READM-30-AMI"].ratio = "0.9123"
    write_supplemental(data, PERIOD, made, MODIFIER)
    (disagreement,) = [check for check in read(data).checks if check.name == "files_disagree"]
    assert disagreement.count == 1
    (example,) = disagreement.examples
    assert example == ("010001 READM-30-AMI published_excess_readmission_ratio: 0.9123 taken, 0.9000 in ratios.csv")


# --- peer groups and the neutrality modifier ---------------------------------------------------------


def complete(data: Path, made: list[MadeHospital]) -> None:
    """All that computing peer groups, medians and the modifier takes."""
    write_public(data, PERIOD, made)
    write_payment_ratios(data, made)
    columns = {"Dual Proportion": "dual_proportion", "Base Operating DRG Payment Amount USD": "base"}
    write_hospitals(data, made, columns)


def test_whole_nation_is_computed_and_says_that_it_is_unverified(data: Path) -> None:
    made = made_hospitals(20)
    for number, hospital in enumerate(made):
        hospital.dual_proportion = f"{number / 20:.4f}"
        hospital.conditions = {
            one: MadeCondition(f"{0.9 + number * 7 % 20 / 100:.4f}") for one in conditions_of(PERIOD)
        }
    complete(data, made)
    found = run(data)
    providers = {row["provider_id"]: row["peer_group"] for row in found.read("provider").to_pylist()}
    assert list(providers.values()) == [group for group in "12345" for _ in range(4)]
    (note,) = set(found.read("step_result", quantity="neutrality_modifier")["note"].to_pylist())
    assert note == "computed over all hospitals of the run"
    status, _, reason = factor(found, "010007")
    assert status == "unverified"
    assert reason is not None
    assert "is_minimum_applied_to_median" in reason


def test_peer_group_missing_for_one_hospital_and_conditions_for_another(data: Path) -> None:
    made = made_hospitals()
    complete(data, made)
    edit(data / "hospitals.csv", lambda text: text.replace("010007,0.6000", "010007,N/A") + "990001,0.5,100\n")
    found = run(data)
    assert checks(found)["hospital_without_conditions"] == 1
    assert "990001" not in found.read("provider")["provider_id"].to_pylist()
    assert checks(found)["peer_group_missing"] == 1
    status, value, reason = factor(found, "010007")
    assert (status, value, reason) == ("not_determinable", None, "the peer group and the dual proportion are missing")
    assert factor(found, "010001")[0] == "unverified"
    (modifier,) = set(found.read("step_result", quantity="neutrality_modifier")["value"].to_pylist())
    assert modifier == Decimal(MODIFIER)


def test_peer_group_out_of_range(data: Path) -> None:
    made = made_hospitals()
    made[0].peer_group = "6"
    write_supplemental(data, PERIOD, made, MODIFIER)
    found = run(data)
    (cell,) = rejected(found)
    assert (cell["column"], cell["value"]) == ("Peer group assignment", "6")
    assert "peer_group_missing" not in checks(found)
    assert {row["provider_id"]: row["peer_group"] for row in found.read("provider").to_pylist()}["010001"] is None


def test_more_dual_eligible_stays_than_stays(data: Path) -> None:
    write_public(data, PERIOD, made_hospitals())
    write_csv(data / "stays.csv", ("Facility ID", "Dual Eligible Stays", "Stays"), [("010001", 12, 11)])
    fails(data, "more dual-eligible stays than stays", "010001: 12 of 11", "stays.csv")


def test_all_hospitals_in_one_peer_group(data: Path) -> None:
    made = made_hospitals()
    for hospital in made:
        hospital.dual_proportion = "0.2000"
    complete(data, made)
    fails(data, "all hospitals are in one peer group", "7 hospitals")


def test_neutrality_modifier_is_not_one_number(data: Path) -> None:
    path = write_supplemental(data, PERIOD, made_hospitals(), MODIFIER)
    edit(path, lambda text: text.replace(MODIFIER, "0.95", 1))
    fails(data, "the neutrality modifier is not one number for all hospitals", "0.95")


def test_payments_of_a_part_of_the_hospitals(data: Path) -> None:
    """The modifier is then the declared one, and the run says so."""
    complete(data, made_hospitals())
    edit(data / "hospitals.csv", lambda text: text.replace("010003,0.2000,1000000.00", "010003,0.2000,"))
    found = run(data)
    steps = found.read("step_result", quantity="neutrality_modifier").to_pylist()
    assert {row["value"] for row in steps} == {Decimal(MODIFIER)}
    assert {row["note"] for row in steps} == {"as declared: the files neither give it nor allow computing it"}


# --- scenarios ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("neutrality_modifier=100", "below 100"),
        ("neutrality_modifier=-1", "below zero"),
        ("floor_adjustment_factor=1.2", "not a share between 0 and 1"),
        ("number_of_peer_groups=0", "at least 1"),
        ("minimum_discharges=2.5", "whole number"),
        ("excluded_area.21=nobody", "cannot be changed"),
        ("cap=0.02", "there is no parameter 'cap'"),
    ],
)
def test_scenario_that_cannot_be(data: Path, change: str, words: str) -> None:
    write_supplemental(data, PERIOD, made_hospitals(), MODIFIER)
    with pytest.raises(UsageError, match=words):
        run(data, changes=[change])


def test_scenarios_are_computed_side_by_side(data: Path) -> None:
    write_supplemental(data, PERIOD, made_hospitals(), MODIFIER)
    rows = [("no_cap", "floor_adjustment_factor", "0"), ("plain", "neutrality_modifier", "1")]
    scenarios = write_csv(data.parent / "scenarios.csv", ("scenario_id", "path", "value"), rows)
    found = run(data, scenarios=scenarios, changes=["minimum_discharges=101"])
    # All hospitals are in one peer group, which is enough where medians are published.
    assert set(found.read("payment_result", scenario_id="actual")["status"].to_pylist()) == {"scored"}
    payments = found.read("payment_result", provider_id="010007").to_pylist()
    factors = {row["scenario_id"]: row["factor"] for row in payments}
    # Six conditions of 5 % of the payments each, 0.2 above the median: 6 %, times the modifier.
    assert factors == {
        "actual": Decimal("0.97"),
        "no_cap": Decimal("0.9422"),
        "plain": Decimal("0.97"),
        "what_if": Decimal(1),
    }


# --- hospital-specific reports -----------------------------------------------------------------------

SECRET = "PATIENT-7731"


@pytest.fixture
def report(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for path in published_data("hospital", "hrrp", "mock_hsr", "fy2020").glob("table*.csv"):
        (folder / path.name).write_bytes(path.read_bytes().replace(b"999999999A", SECRET.encode()))
    return folder


def nowhere(found: RunFolder) -> None:
    """No patient is in any file of the run."""
    for path in found.path.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
        if path.suffix == ".parquet":
            assert SECRET not in str(pq.read_table(path).to_pydict()), path


def edit_index_stay(path: Path, column: int, text: str) -> None:
    """Change a cell of the first stay that counts."""
    import csv

    with path.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.reader(lines))
    header = next(n for n, row in enumerate(rows) if row[0].split() and row[0].split()[0] == "ID")
    stay = next(row for row in rows[header + 2 :] if row[8].strip() == "Yes")
    stay[column] = text
    with path.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows(rows)


def test_report_names_its_hospital_by_the_folder(report: Path) -> None:
    folder = report.rename(report.parent / "330101")
    found = pipeline.run("hrrp", period="FY2020", data=folder, out=report.parent / "run")
    assert found.read("provider")["provider_id"].to_pylist() == ["330101"]
    nowhere(found)


def test_stay_that_cannot_be_read_is_listed_without_its_cell(report: Path) -> None:
    edit_index_stay(report / "table5_discharges_hf.csv", 20, f"?{SECRET}?")
    found = run(report, "FY2020")
    (cell,) = rejected(found)
    assert (cell["source_file"], cell["value"]) == ("table5_discharges_hf.csv", "")
    assert cell["reason"] == "not a number; the cell is a patient's"
    result = measure(found, "HSR", "READM-30-HF")
    assert (result["status"], result["rate"]) == ("not_determinable", None)
    assert result["status_reason"] == "input: an index stay cannot be read"
    assert found.record["input_rows"]["rejected"] == 1
    nowhere(found)


def test_truncated_sheet_of_stays(report: Path) -> None:
    path = report / "table8_discharges_hk.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:120]))
    message = fails(report, "READM-30-HIP-KNEE", "332 are reported in Table 2", period="FY2020")
    assert SECRET not in message


def test_truncated_sheet_of_dual_eligible_stays(report: Path) -> None:
    path = report / "table9_dual_stays.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:100]))
    message = fails(report, "dual-eligible stays are listed, 191 are reported in Table 1", period="FY2020")
    assert SECRET not in message


def test_row_of_stays_cut_off_is_named_by_its_line_only(report: Path) -> None:
    path = report / "table3_discharges_ami.csv"
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.rindex(SECRET) + len(SECRET)], encoding="utf-8")
    message = fails(report, "rows do not have the 51 cells of the header", "line ", period="FY2020")
    assert SECRET not in message


def test_stays_without_coefficients(report: Path) -> None:
    path = report / "table3_discharges_ami.csv"
    text = path.read_text(encoding="utf-8")
    path.write_text("\n".join(line for line in text.splitlines() if not line.startswith("--,")), encoding="utf-8")
    message = fails(report, "stays cannot be read", "row of coefficients", period="FY2020")
    assert SECRET not in message


def test_hospital_effect_missing(report: Path) -> None:
    edit(report / "table3_discharges_ami.csv", lambda text: text.replace("-2.70427301331548", "--"))
    found = run(report, "FY2020")
    assert measure(found, "HSR", "READM-30-AMI")["status_reason"] == (
        "input: the hospital effect or the average effect is missing"
    )


def test_column_of_the_report_missing(report: Path) -> None:
    edit(report / "table2_hospital_results.csv", lambda text: text.replace("Peer Group Median ERR", "Group Median"))
    fails(report, "columns of the hospital-specific report are missing", "peer group median", period="FY2020")


def test_report_of_another_year(report: Path) -> None:
    message = fails(report, "file is not of FY2021", "2018-06-30", period="FY2021")
    assert SECRET not in message


def test_results_sheet_alone_gives_the_payment(report: Path) -> None:
    """Without stays the rates are taken as printed."""
    for path in report.glob("table*_discharges_*.csv"):
        path.unlink()
    assert factor(run(report, "FY2020"), "HSR")[:2] == ("scored", Decimal("0.9840"))


def test_stays_alone_give_the_ratios(report: Path) -> None:
    """Without the results there are ratios and numbers of stays, but no payment."""
    (report / "table1_payment_adjustment.csv").unlink()
    (report / "table2_hospital_results.csv").unlink()
    found = run(report, "FY2020", changes=[])
    assert measure(found, "HSR", "READM-30-HF")["rate"] == Decimal("0.9816076714")
    assert factor(found, "HSR")[0] == "not_determinable"
