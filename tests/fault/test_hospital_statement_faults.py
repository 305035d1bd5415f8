"""The statement's files and runs with every mistake: an error, a counted rejection, or an amount that is not known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dra_hac_files import write_example
from openvbp.errors import InputDataError, OpenvbpError, UsageError
from openvbp.pipeline import run
from openvbp.programs.hospital_statement import PROGRAM
from openvbp.results import results_model
from openvbp.run_folder import RunFolder

YEAR = "FY2024"
HOSPITAL_HEADER = "provider_id,base_operating_drg_payment_amount,other_payment_amount,hac_nonpayment_amount"
FACTOR_HEADER = "provider_id,program_id,factor,source"
STAY_HEADER = (
    "stay_id,provider_id,discharge_date,base_operating_drg_payment_amount,other_payment_amount,hac_nonpayment_amount"
)
HOSPITALS = ["990001,1000000.00,400000.00,5000.00"]
FACTORS = ["990001,iqr,1,letter", "990001,hvbp,1.01,table", "990001,hrrp,0.97,table", "990001,hacrp,0.99,table"]
TOTAL = Decimal("-5000") + Decimal("9950") - Decimal("29850") - Decimal("13751")
"""What the amount and the factors above change: HVBP and HRRP of 995,000, HACRP of 1,375,100."""


def write(
    folder: Path,
    hospitals: Sequence[str] = HOSPITALS,
    factors: Sequence[str] | None = FACTORS,
    stays: Sequence[str] | None = None,
    *,
    hospital_header: str = HOSPITAL_HEADER,
    stay_header: str = STAY_HEADER,
) -> Path:
    """Write the input files; ``None`` leaves a file out."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, header, rows in (
        ("hospitals", hospital_header, hospitals),
        ("factors", FACTOR_HEADER, factors),
        ("stays", stay_header, stays),
    ):
        if rows is not None:
            (folder / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder


def statement(data: Path, period: str = YEAR) -> RunFolder:
    return run("hospital_statement", period=period, data=data, out=data.parent / "out")


def amounts(finished: RunFolder, provider_id: str = "990001") -> dict[str, Decimal]:
    return {row["component_id"]: row["amount"] for row in rows_of(finished, provider_id)}


def statuses(finished: RunFolder, provider_id: str = "990001") -> dict[str, tuple[str, str | None]]:
    return {row["component_id"]: (row["status"], row["status_reason"]) for row in rows_of(finished, provider_id)}


def rows_of(finished: RunFolder, provider_id: str) -> list[dict[str, Any]]:
    return finished.read("payment_result", provider_id=provider_id, scenario_id="actual").to_pylist()


def checks(finished: RunFolder) -> dict[str, tuple[int, list[str]]]:
    return {one["name"]: (one["count"], list(one["examples"])) for one in finished.record["checks"]}


def rejected(finished: RunFolder) -> set[tuple[str, ...]]:
    columns = ("source_file", "row_number", "column", "value", "reason")
    table = pq.read_table(finished.path / "rejected" / "cells.parquet").to_pylist()
    return {tuple(row[name] for name in columns) for row in table}


def write_run(
    folder: Path, program_id: str, component_id: str, rows: Sequence[Mapping[str, Any]], period: str = YEAR
) -> None:
    """Write a finished run of a program as far as the statement reads it."""
    model = results_model()["payment_result"]
    schema = pa.schema([(column.name, ibis.dtype(column.ibis_type).to_pyarrow()) for column in model.columns])
    common = {"program_id": program_id, "scenario_id": "actual", "component_id": component_id, "currency": "USD"}
    (folder / "results").mkdir(parents=True)
    pq.write_table(
        pa.Table.from_pylist([{**common, **row} for row in rows], schema=schema),
        folder / "results/payment_result.parquet",
    )
    record = {
        "program": program_id,
        "title": program_id,
        "period": period,
        "rows": {"results/payment_result": len(rows)},
    }
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")


def factor_row(
    factor: str | None, status: str = "scored", reason: str | None = None, provider_id: str = "990001"
) -> dict:
    given = None if factor is None else Decimal(factor)
    return {"provider_id": provider_id, "factor": given, "status": status, "status_reason": reason}


IqrRun = Callable[..., None]


@pytest.fixture(scope="module")
def write_iqr_run(tmp_path_factory: pytest.TempPathFactory) -> IqrRun:
    """Write a run of Inpatient Quality Reporting beside the statement's files; equal runs are made once and copied."""
    made: dict[tuple[str, str], Path] = {}

    def write_run_of(data: Path, reporting: str, period: str = YEAR, name: str = "iqr") -> None:
        if (reporting, period) not in made:
            folder = tmp_path_factory.mktemp("iqr")
            (folder / "data").mkdir()
            rows = f"provider_id,reported,excluded_reason\n{reporting}\n"
            (folder / "data" / "reporting.csv").write_text(rows, encoding="utf-8")
            made[reporting, period] = run("iqr", period=period, data=folder / "data", out=folder / "run").path
        shutil.copytree(made[reporting, period], data / "runs" / name)

    return write_run_of


# --- Files --------------------------------------------------------------------------------------------


def test_all_right(tmp_path: Path) -> None:
    finished = statement(write(tmp_path / "data"))
    assert amounts(finished)["total"] == TOTAL
    assert checks(finished) == {}
    assert finished.tables == ["provider", "payment_result", "step_result"]


def test_no_hospitals(tmp_path: Path) -> None:
    write(tmp_path / "data").joinpath("hospitals.csv").unlink()
    with pytest.raises(InputDataError, match="file is missing"):
        statement(tmp_path / "data")


def test_no_factors_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="no program has a factor"):
        statement(write(tmp_path / "data", factors=None))


AMOUNTS = "1000000.00,400000.00,5000.00"
MISSING = {"iqr": "990011", "hvbp": "990012", "hrrp": "990013", "hacrp": "990014"}
"""Program to the hospital whose factor of that program alone is missing."""


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """One statement of a hospital in order and of others with a mistake or a gap each."""
    hospitals = [
        *HOSPITALS,
        "990002,-1.00,0.00,0.00",
        "990003,1.00,-1.00,0.00",
        "990004,1.00,0.00,-1.00",
        "990005,1.00,0.00,1.01",
        "990006,0.00,5.00,0.00",
        "990007,10000000000.01,0.00,0.00",
        "990008,1.00,,0.00",
        "hospital,1.00,0.00,0.00",
        HOSPITALS[0],
        *(f"{provider_id},{AMOUNTS}" for provider_id in MISSING.values()),
        "990015,1000.00,500.00,0.00",
        f"990016,{AMOUNTS}",
        "990017,1000000.00,400000.00,",
    ]
    factors = [
        *FACTORS,
        "990017,iqr,1.01,letter",
        "990017,hvbp,2.01,table",
        "990017,hrrp,-0.97,table",
        "990017,hacrp,99 %,table",
        "990017,hqid,1,table",
        "990017,dra_hac,0.5,",
        FACTORS[1],
        *(
            row.replace("990001", provider_id)
            for missing, provider_id in MISSING.items()
            for row in FACTORS
            if f",{missing}," not in row
        ),
        "990016,iqr,0.992,letter",
        *(row.replace("990001", "990016") for row in FACTORS[1:]),
        "990099,hvbp,1.01,table",
    ]
    return statement(write(tmp_path_factory.mktemp("mixed") / "data", hospitals, factors))


def test_wrong_rows_of_hospitals_are_rejected_and_counted(mixed: RunFolder) -> None:
    assert {row for row in rejected(mixed) if row[0] == "hospitals.csv"} == {
        ("hospitals.csv", "3", "base_operating_drg_payment_amount", "-1.00", "below zero"),
        ("hospitals.csv", "4", "other_payment_amount", "-1.00", "below zero"),
        ("hospitals.csv", "5", "hac_nonpayment_amount", "-1.00", "below zero"),
        ("hospitals.csv", "6", "hac_nonpayment_amount", "1.01", "above the base_operating_drg_payment_amount"),
        ("hospitals.csv", "7", "base_operating_drg_payment_amount", "0.00", "zero: there is nothing to adjust"),
        ("hospitals.csv", "8", "base_operating_drg_payment_amount", "10000000000.01", "above 10 billion dollars"),
        ("hospitals.csv", "9", "other_payment_amount", "", "empty"),
        ("hospitals.csv", "10", "provider_id", "HOSPITAL", "not a CMS certification number of six characters"),
        ("hospitals.csv", "11", "provider_id", "990001", "the same row stands in the file before"),
    }
    # Seventeen rows of hospitals and 28 of factors; seven factors are rejected.
    assert mixed.record["input_rows"] == {"in": 45, "accepted": 29, "rejected": 16}
    assert sorted(mixed.read("provider")["provider_id"].to_pylist()) == ["990001", *(f"99001{n}" for n in range(1, 8))]


def test_wrong_factors_are_rejected_and_never_taken_for_one(mixed: RunFolder) -> None:
    assert {row for row in rejected(mixed) if row[0] == "factors.csv"} == {
        ("factors.csv", "6", "factor", "1.01", "above 1: this program never raises payments"),
        ("factors.csv", "7", "factor", "2.01", "above 2"),
        ("factors.csv", "8", "factor", "-0.97", "below zero"),
        ("factors.csv", "9", "factor", "99 %", "not a multiplier of at most twelve decimals"),
        ("factors.csv", "10", "program_id", "hqid", "not one of iqr, dra_hac, hvbp, hrrp, hacrp"),
        ("factors.csv", "11", "source", "", "empty"),
        ("factors.csv", "12", "provider_id", "990001", "the same row stands in the file before"),
    }
    assert set(amounts(mixed, "990017").values()) == {None}
    found = statuses(mixed, "990017")
    assert {status for status, _reason in found.values()} == {"not_determinable"}
    assert found["alone_3_hvbp"][1] == "Hospital VBP: the row of factors.csv with the factor was rejected"
    assert found["total"][1] == "; ".join(
        f"{name}: the row of factors.csv with the factor was rejected"
        for name in (
            "Inpatient Quality Reporting",
            "HAC non-payment",
            "Hospital VBP",
            "Readmissions Reduction",
            "HAC Reduction",
        )
    )


def test_mistakes_of_others_and_a_copied_factor_do_no_harm(mixed: RunFolder) -> None:
    assert amounts(mixed)["total"] == TOTAL


def test_a_hospital_in_one_file_only(mixed: RunFolder) -> None:
    assert checks(mixed)["factor_of_another_hospital"] == (1, ["990099"])
    found = statuses(mixed, "990015")
    # Only what does not need another program's factor is known: nothing was lost to acquired conditions.
    assert {name for name, (status, _) in found.items() if status == "scored"} == {"alone_2_dra_hac"}
    assert found["step_2_dra_hac"] == (
        "not_determinable",
        "Inpatient Quality Reporting: no factor of iqr is given for the hospital",
    )


@pytest.mark.parametrize("missing", MISSING)
def test_one_missing_factor_leaves_what_does_not_depend_on_it(mixed: RunFolder, missing: str) -> None:
    found = amounts(mixed, MISSING[missing])
    known = {name for name, amount in found.items() if amount is not None}
    assert "total" not in known
    assert "interaction" not in known
    alone = {"alone_1_iqr", "alone_2_dra_hac", "alone_3_hvbp", "alone_4_hrrp", "alone_5_hacrp"}
    assert known & alone == {name for name in alone if not name.endswith(f"_{missing}")}
    steps = {
        "iqr": set(),
        "hvbp": {"step_1_iqr", "step_2_dra_hac", "step_4_hrrp"},
        "hrrp": {"step_1_iqr", "step_2_dra_hac", "step_3_hvbp"},
        "hacrp": {"step_1_iqr", "step_2_dra_hac", "step_3_hvbp", "step_4_hrrp"},
    }
    assert {name for name in known if name.startswith("step_")} == steps[missing]


def test_the_law_gives_no_vbp_factor_to_hospitals_with_a_reduced_update(mixed: RunFolder) -> None:
    assert checks(mixed)["adjusted_by_hvbp_despite_iqr_reduction"] == (1, ["990016"])


def test_nothing_else_is_checked(mixed: RunFolder) -> None:
    assert checks(mixed).keys() == {"factor_of_another_hospital", "adjusted_by_hvbp_despite_iqr_reduction"}


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "two factors of one program": ({"factors": [*FACTORS, "990001,hvbp,1.02,letter"]}, "rows contradict each other"),
    "two rows of one hospital": ({"hospitals": [*HOSPITALS, "990001,2.00,0.00,0.00"]}, "rows contradict each other"),
    "no usable factor": ({"factors": ["990001,hvbp,3,table"]}, "no row can be used"),
    "no usable hospital": ({"hospitals": ["990001,-1,0.00,0.00"]}, "no row can be used"),
    "no usable stay": ({"stays": ["a,990009,2024-01-01,1.00,0.00,0.00"]}, "no stay can be used"),
    "cut": ({"factors": [*FACTORS, "990001,hac"]}, "rows do not have the 4 cells"),
    "unknown column": ({"hospital_header": HOSPITAL_HEADER.replace("other", "operating")}, "columns are not known"),
    "a factor and an amount": ({"factors": [*FACTORS, "990001,dra_hac,0.99,run"]}, "a factor is given by two sources"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_stops_the_run(tmp_path: Path, name: str) -> None:
    changed, message = BROKEN[name]
    with pytest.raises(InputDataError, match=message):
        statement(write(tmp_path / "data", **changed))
    assert not (tmp_path / "out").exists()


def test_a_program_that_does_not_exist_yet(tmp_path: Path) -> None:
    data = write(tmp_path / "data", factors=["990001,iqr,0.98,letter", "990001,hvbp,1.01,x"])
    finished = run(
        "hospital_statement", period="FY2010", data=data, out=tmp_path / "out", changes=["is_hvbp_in_force=true"]
    )
    assert checks(finished) == {"hvbp_not_in_force": (1, ["990001"])}
    assert amounts(finished)["total"] == Decimal(-20000) - Decimal(4900)
    assert statuses(finished)["step_3_hvbp"] == ("excluded", "the program is not in force")
    assert statuses(finished)["total"] == ("scored", None)
    # What if it had existed: one percent of what the update and the regrouping leave.
    changed = finished.read("payment_result", scenario_id="what_if", component_id="total").to_pylist()
    assert changed[0]["amount"] == amounts(finished)["total"] + Decimal("9751")


def test_an_amount_of_a_program_that_does_not_exist_yet(tmp_path: Path) -> None:
    finished = statement(write(tmp_path / "data", factors=["990001,iqr,0.98,letter"]), "FY2008")
    assert checks(finished) == {"dra_hac_not_in_force": (1, ["990001"])}
    assert amounts(finished)["total"] == Decimal(-20000)


@pytest.mark.parametrize("period", ["FY2004", "FY2050", "2024"])
def test_a_period_that_the_program_has_not(tmp_path: Path, period: str) -> None:
    with pytest.raises(UsageError):
        statement(write(tmp_path / "data"), period)


def test_there_is_nothing_published_to_compare_with(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no statement of all programs is published"):
        PROGRAM.read_published_values(tmp_path, YEAR)


# --- Runs ---------------------------------------------------------------------------------------------


def test_factors_of_runs_are_those_of_a_file(tmp_path: Path, write_iqr_run: IqrRun) -> None:
    hospitals = [*HOSPITALS, HOSPITALS[0].replace("990001", "990002")]
    data = write(tmp_path / "data", hospitals, factors=[FACTORS[1]])
    write_iqr_run(data, "990001,no,")
    write_run(data / "runs" / "readmissions", "hrrp", "readmission_reduction", [factor_row("0.97")])
    write_run(data / "runs" / "hac", "hacrp", "hac_reduction", [factor_row("0.99")])
    from_runs = statement(data)
    factor = pq.read_table(data / "runs/iqr/results/payment_result.parquet")["factor"][0].as_py()
    other = write(tmp_path / "other" / "data", factors=[f"990001,iqr,{factor},x", *FACTORS[1:]])
    assert amounts(from_runs) == amounts(statement(other))
    # The runs do not have the other hospital.
    status, reason = statuses(from_runs, "990002")["total"]
    assert status == "not_determinable"
    assert "Inpatient Quality Reporting: no factor of iqr is given for the hospital" in str(reason)
    used = {file["name"]: file["rows"] for file in from_runs.record["input_files"]}
    assert used == {
        "hospitals.csv": 2,
        "factors.csv": 1,
        "runs/iqr/results/payment_result.parquet": 1,
        "runs/readmissions/results/payment_result.parquet": 1,
        "runs/hac/results/payment_result.parquet": 1,
    }
    steps = from_runs.read("step_result", provider_id="990001").to_pylist()
    given = {row["quantity"]: row for row in steps}
    assert given["given_hacrp_factor"]["citation"] == (
        "runs/hac/results/payment_result.parquet, column 'factor' or factors.csv, column 'factor'"
    )
    assert given["hacrp_factor"]["note"] == "runs/hac"


def test_excluded_unverified_and_unknown_carry_over(tmp_path: Path, write_iqr_run: IqrRun) -> None:
    hospitals = [f"99000{number},1000000.00,400000.00,0.00" for number in (1, 2, 3)]
    data = write(tmp_path / "data", hospitals, [f"99000{n},hacrp,0.99,t" for n in (1, 2, 3)])
    write_iqr_run(data, "990001,yes,\n990002,no,\n990003,yes,", "FY2016")
    write_run(
        data / "runs" / "hvbp",
        "hvbp",
        "net",
        [
            factor_row(None, "excluded", "Maryland"),
            factor_row("1.01", "unverified", "weights not read", "990002"),
            factor_row(None, "not_determinable", "amounts are not public", "990003"),
        ],
        "FY2016",
    )
    write_run(
        data / "runs" / "hrrp",
        "hrrp",
        "readmission_reduction",
        [factor_row("1", "too_few_cases", "no condition", f"99000{n}") for n in (1, 2, 3)],
        "FY2016",
    )
    finished = statement(data, "FY2016")
    assert amounts(finished)["step_3_hvbp"] == 0
    assert statuses(finished)["step_3_hvbp"] == ("excluded", "Maryland")
    assert statuses(finished)["total"] == ("scored", None)
    assert statuses(finished)["step_4_hrrp"] == ("scored", None)
    unread = "parameters whose source has not been read: market_basket_increase, productivity_adjustment"
    assert statuses(finished, "990002")["total"] == (
        "unverified",
        f"Inpatient Quality Reporting: {unread}; Hospital VBP: weights not read",
    )
    assert amounts(finished, "990002")["total"] is not None
    assert statuses(finished, "990002")["alone_4_hrrp"] == ("scored", None)
    assert statuses(finished, "990003")["total"] == ("not_determinable", "Hospital VBP: amounts are not public")


def refuse_run(tmp_path: Path, message: str) -> None:
    with pytest.raises(InputDataError, match=message) as caught:
        statement(tmp_path / "data")
    assert caught.value.exit_code == 3
    assert not (tmp_path / "out").exists()


def test_a_run_of_another_period(tmp_path: Path, write_iqr_run: IqrRun) -> None:
    data = write(tmp_path / "data", factors=FACTORS[1:])
    write_iqr_run(data, "990001,yes,", "FY2023")
    refuse_run(tmp_path, "the run is of FY2023, the statement of FY2024")


def test_a_run_and_a_file_give_the_same_factor(tmp_path: Path, write_iqr_run: IqrRun) -> None:
    data = write(tmp_path / "data")
    write_iqr_run(data, "990001,yes,")
    refuse_run(tmp_path, "a factor is given by two sources")


def test_two_runs_of_one_program(tmp_path: Path, write_iqr_run: IqrRun) -> None:
    data = write(tmp_path / "data", factors=FACTORS[1:])
    write_iqr_run(data, "990001,yes,")
    write_iqr_run(data, "990001,yes,", name="iqr again")
    refuse_run(tmp_path, "there are 2 runs of iqr")


def test_a_run_of_a_program_without_a_place(tmp_path: Path) -> None:
    data = write(tmp_path / "data")
    write_run(data / "runs" / "hqid", "hqid", "incentive", [factor_row("1.01")])
    refuse_run(tmp_path, "a run of hqid has no place in the statement")


def test_a_run_that_was_not_finished(tmp_path: Path, write_iqr_run: IqrRun) -> None:
    data = write(tmp_path / "data", factors=FACTORS[1:])
    write_iqr_run(data, "990001,yes,")
    (data / "runs" / "iqr" / "run.json").unlink()
    refuse_run(tmp_path, "not a finished run")


@pytest.mark.parametrize("damage", ["cut", "gone", "empty"])
def test_a_damaged_run(tmp_path: Path, write_iqr_run: IqrRun, damage: str) -> None:
    data = write(tmp_path / "data", factors=FACTORS[1:])
    write_iqr_run(data, "990001,yes,")
    table = data / "runs" / "iqr" / "results" / "payment_result.parquet"
    if damage == "cut":
        table.write_bytes(table.read_bytes()[:100])
    elif damage == "gone":
        table.unlink()
    else:
        pq.write_table(pq.read_table(table).slice(0, 0), table)
    refuse_run(tmp_path, "the run cannot be used")


@pytest.mark.parametrize(
    ("program_id", "component_id", "factor"), [("hvbp", "net", "2.1"), ("hrrp", "readmission_reduction", "1.1")]
)
def test_an_impossible_factor_of_a_run(tmp_path: Path, program_id: str, component_id: str, factor: str) -> None:
    factors = [row for row in FACTORS if f",{program_id}," not in row]
    data = write(tmp_path / "data", factors=factors)
    write_run(data / "runs" / program_id, program_id, component_id, [factor_row(factor)])
    refuse_run(tmp_path, "factors are not from 0 to")


def test_a_changed_run_is_noticed(tmp_path: Path, write_iqr_run: IqrRun) -> None:
    data = write(tmp_path / "data", factors=FACTORS[1:])
    write_iqr_run(data, "990001,yes,")
    before = amounts(statement(data))
    shutil.rmtree(data / "runs" / "iqr")
    write_iqr_run(data, "990001,no,")
    again = statement(data)
    assert not again.record["stages"]["payment"]["kept"]
    assert amounts(again)["step_1_iqr"] < before["step_1_iqr"] == 0


def test_a_run_whose_factors_are_not_public(tmp_path: Path, hvbp_fy2024: RunFolder) -> None:
    """Of the published files of Hospital VBP no adjustment factor follows without all hospitals' payments."""
    provider_id = hvbp_fy2024.read("provider")["provider_id"][0].as_py()
    rows = [row.replace("990001", provider_id) for row in (FACTORS[0], *FACTORS[2:])]
    data = write(tmp_path / "data", [HOSPITALS[0].replace("990001", provider_id)], rows)
    (data / "runs").mkdir()
    (data / "runs" / "hvbp").symlink_to(hvbp_fy2024.path)
    status, reason = statuses(statement(data), provider_id)["total"]
    assert status == "not_determinable"
    assert reason == (
        "Hospital VBP: the slope needs the base operating DRG payment amounts of all hospitals, which are not public"
    )


# --- Stays --------------------------------------------------------------------------------------------

STAYS = [f"stay-{number},990001,2024-01-{number + 10},50000.00,20000.00,250.00" for number in range(20)]


def evidence(finished: RunFolder) -> list[dict[str, Any]]:
    return pq.read_table(finished.path / "evidence" / "stay_payment.parquet").to_pylist()


def test_stays_that_add_up(tmp_path: Path) -> None:
    finished = statement(write(tmp_path / "data", stays=STAYS))
    assert checks(finished) == {}
    rows = evidence(finished)
    assert sum(row["total_change"] for row in rows) == TOTAL
    assert {row["claim_payment_amount"] for row in rows} == {Decimal("68067.45")}
    assert finished.tables == ["provider", "payment_result", "step_result"]


def test_stays_that_do_not_add_up(tmp_path: Path) -> None:
    """Of hospitals with few stays no dollars are shown."""
    stays = [*STAYS[:-1], STAYS[-1].replace("50000.00", "49999.99").replace("20000.00", "0.00")]
    few = [row.replace("990001", "990003").replace("stay", "few") for row in STAYS[:10]]
    hospitals = [*HOSPITALS, "990002,5.00,0.00,0.00", HOSPITALS[0].replace("990001", "990003")]
    finished = statement(write(tmp_path / "data", hospitals, stays=[*stays, *few]))
    assert checks(finished) == {
        "stays_do_not_add_up": (
            2,
            [
                "990001: base operating DRG payments -0.01, other payments -20,000.00",
                "990003: base operating DRG payments, other payments, payments lost to acquired conditions "
                "(fewer than 11 stays: no dollars shown)",
            ],
        ),
        "hospital_without_stays": (1, ["990002"]),
    }


def test_wrong_stays_are_rejected_without_their_values(tmp_path: Path) -> None:
    stays = [
        *STAYS,
        "secret-a,990009,2024-01-01,7777.77,0.00,0.00",
        "secret-b,990001,2022-01-01,7777.77,0.00,0.00",
        "secret-c,990001,2024-01-01,-7777.77,0.00,0.00",
        "secret-d,990001,2024-01-01,7777.77,0.00,7777.78",
        "secret-e,990001,2024-01-01,7777.77,0.00,0.00",
        "secret-e,990001,2024-01-01,7777.78,0.00,0.00",
    ]
    finished = statement(write(tmp_path / "data", stays=stays))
    assert rejected(finished) == {
        ("stays.csv", "22", "provider_id", "", "its hospital is not among the accepted rows of hospitals.csv"),
        ("stays.csv", "23", "discharge_date", "", "not a discharge of FY2024"),
        ("stays.csv", "24", "base_operating_drg_payment_amount", "", "below zero"),
        ("stays.csv", "25", "hac_nonpayment_amount", "", "above the base_operating_drg_payment_amount"),
        ("stays.csv", "26", "stay_id", "", "another row has the same key and other values"),
        ("stays.csv", "27", "stay_id", "", "another row has the same key and other values"),
    }
    assert checks(finished) == {}
    published = [path for folder in ("results", "rejected", "payment") for path in (finished.path / folder).iterdir()]
    content = [str(pq.read_table(path).to_pylist()) for path in published]
    content.append((finished.path / "run.json").read_text(encoding="utf-8"))
    for text in content:
        assert "secret-" not in text
        assert "stay-" not in text
        assert "7777" not in text


def test_a_stay_without_its_amount_is_not_taken_as_zero(tmp_path: Path) -> None:
    stays = [*STAYS[:-1], STAYS[-1].replace(",250.00", ",")]
    finished = statement(write(tmp_path / "data", stays=stays))
    [unknown] = [row for row in evidence(finished) if row["status"] == "not_determinable"]
    assert unknown["stay_id"] == "stay-19"
    assert unknown["payment_amount"] is None
    assert unknown["status_reason"] == "HAC non-payment: no hac_nonpayment_amount is given for the stay"
    # The year is known: it has its own amount. Of the sum nothing can be said.
    assert amounts(finished)["total"] == TOTAL
    assert checks(finished) == {}


def test_where_a_hospital_loses_nothing_no_stay_does(tmp_path: Path) -> None:
    header = STAY_HEADER.removesuffix(",hac_nonpayment_amount")
    stays = [row.removesuffix(",250.00") for row in STAYS]
    finished = statement(
        write(tmp_path / "data", ["990001,1000000.00,400000.00,0.00"], stays=stays, stay_header=header)
    )
    assert {row["dra_hac_change"] for row in evidence(finished)} == {Decimal(0)}
    assert checks(finished) == {}


@pytest.fixture(scope="module")
def dra_hac_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("dra_hac")
    return run("dra_hac", period="FY2010", data=write_example(folder / "data"), out=folder / "run")


def priced_by_run(tmp_path: Path, priced: RunFolder, **changed: Any) -> Path:
    """Stays of a run of the non-payment rule, as a hospital's statement for the same year."""
    shutil.copytree(priced.path, tmp_path / "data" / "runs" / "dra_hac")
    stays, sums = [], {}
    for row in pq.read_table(priced.path / "evidence" / "stay_result.parquet").to_pylist():
        provider_id, paid = row["provider_id"], row["payment_as_coded"]
        stays.append(f"{row['stay_id'].replace(',', ' ')},{provider_id},{row['discharge_date']},{paid},100.00")
        total = sums.setdefault(provider_id, [Decimal(0), Decimal(0)])
        total[0], total[1] = total[0] + paid, total[1] + 100
    hospitals = [f"{provider_id},{base},{other}" for provider_id, (base, other) in sums.items()]
    stay_header = STAY_HEADER.removesuffix(",hac_nonpayment_amount")
    hospital_header = HOSPITAL_HEADER.removesuffix(",hac_nonpayment_amount")
    factors = [f"{provider_id},iqr,0.98,letter" for provider_id in sums]
    options = {"hospitals": hospitals, "factors": factors, "stays": stays}
    return write(tmp_path / "data", **(options | changed), hospital_header=hospital_header, stay_header=stay_header)


def test_stays_priced_by_a_run(tmp_path: Path, dra_hac_run: RunFolder) -> None:
    data = priced_by_run(tmp_path, dra_hac_run)
    finished = statement(data, "FY2010")
    by_stay = {row["stay_id"]: row for row in evidence(finished)}
    # Stays whose names have a comma in the example are named otherwise here, so the run does not have them.
    unknown = {stay_id for stay_id, row in by_stay.items() if row["status"] == "not_determinable"}
    assert unknown == {"mediastinitis  no graft", "obesity  all three parts"}
    ulcer = by_stay["ulcer acquired"]
    assert abs(ulcer["dra_hac_change_alone"] + 800) < Decimal("1e-8")
    assert abs(ulcer["dra_hac_change"] + 784) < Decimal("1e-8")
    assert checks(finished) == {}
    of_run = pq.read_table(data / "runs/dra_hac/results/payment_result.parquet").to_pylist()
    for row in of_run:
        alone = amounts(finished, row["provider_id"])["alone_2_dra_hac"]
        assert abs(alone - row["amount"]) < Decimal("0.005")
        assert statuses(finished, row["provider_id"])["alone_2_dra_hac"][0] == "scored"


def test_a_stay_priced_by_a_run_and_by_the_file(tmp_path: Path, dra_hac_run: RunFolder) -> None:
    data = priced_by_run(tmp_path, dra_hac_run)
    path = data / "stays.csv"
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([f"{header},hac_nonpayment_amount", *(f"{row},1.00" for row in rows)]) + "\n")
    with pytest.raises(InputDataError, match="stays have a hac_nonpayment_amount in the file") as caught:
        statement(data, "FY2010")
    assert "ulcer" not in str(caught.value)


def test_a_run_without_its_stays(tmp_path: Path, dra_hac_run: RunFolder) -> None:
    data = priced_by_run(tmp_path, dra_hac_run)
    (data / "runs" / "dra_hac" / "evidence" / "stay_result.parquet").unlink()
    with pytest.raises(OpenvbpError, match="its evidence/stay_result cannot be read"):
        statement(data, "FY2010")
