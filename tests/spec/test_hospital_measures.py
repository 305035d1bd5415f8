"""Planned stays, cohorts and chains from claims; value sets made from tables of CCS categories."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from claims_tables import write_claims
from openvbp.claims.tables import open_claims
from openvbp.cli import app
from openvbp.engine import Engine
from openvbp.errors import InputDataError
from openvbp.measures.claims_events import events_from_claims
from openvbp.measures.library.readmission import BY_CONDITION
from openvbp.measures.plan import evaluate
from openvbp.measures.planned_readmission import demanded_value_sets
from openvbp.measures.readmission_value_sets import TABLES, make_readmission_value_sets
from openvbp.measures.run import Request, run_measures
from openvbp.measures.value_sets import ValueSet, read_value_sets
from openvbp.periods import parse_any_period

CODES = {
    "always_planned_procedure": "PALWAYS",
    "always_planned_diagnosis": "DALWAYS",
    "potentially_planned_procedure": "PMAYBE*",
    "acute_diagnosis": "DACUTE",
    "surgery_gynecology_procedure": "PSURGERY",
    "cardiorespiratory_diagnosis": "DLUNG",
    "cardiovascular_diagnosis": "DHEART",
    "neurology_diagnosis": "DBRAIN",
    "medicine_diagnosis": "DMEDICINE",
    "cancer_diagnosis": "DCANCER",
    "psychiatric_diagnosis": "DMIND",
    "rehabilitation_diagnosis": "DREHAB",
}


def value_set(name: str, *codes: str, version: str = "2021") -> ValueSet:
    system = "icd-10-pcs" if name.endswith("procedure") else "icd-10-cm"
    return ValueSet(name, frozenset((system, code) for code in codes), version)


SETS = {name: value_set(name, code) for name, code in CODES.items()}
SETS["cardiovascular_diagnosis"] = value_set("cardiovascular_diagnosis", "DHEART", "DLUNG")
SETS["medicine_diagnosis"] = value_set("medicine_diagnosis", "DMEDICINE", "DCANCER", "DMIND", "DREHAB")


def claim(claim_id: str, days: str, diagnosis: str, *procedures: str, **columns: Any) -> dict[str, Any]:
    first, last = days.split("..")
    return {
        "claim_id": claim_id,
        "claim_type": "institutional",
        "person_id": "A",
        "bill_type_code": "111",
        "facility_ccn": "010001",
        "claim_start_date": first,
        "claim_end_date": last,
        "admission_date": first,
        "discharge_date": last,
        "discharge_disposition_code": "01",
        "diagnosis_code_1": diagnosis,
        **{f"procedure_code_{number}": one for number, one in enumerate(procedures, start=1)},
        **columns,
    }


ELIGIBLE = {
    "person_id": "A",
    "enrollment_start_date": "2020-01-01",
    "enrollment_end_date": "2025-12-31",
    "birth_date": "1940-01-01",
}


def stays_of(
    engine: Engine, folder: Path, claims: list[dict[str, Any]], sets: Mapping[str, ValueSet] = SETS
) -> dict[str, dict[str, Any]]:
    """Each stay by its first claim."""
    write_claims(folder, eligibility=[ELIGIBLE], medical_claim=claims)
    data = events_from_claims(open_claims(engine, folder), {"stay"}, None, sets)
    rows = engine.to_arrow(data.events["stay"]).to_pylist()
    return {row["event_id"]: row for row in rows if row["code_system"] == "icd-10-cm"}


RULES = [
    ("always planned by procedure, though the diagnosis is acute", "DACUTE", ["PALWAYS"], True),
    ("always planned by diagnosis", "DALWAYS", [], True),
    ("potentially planned, not acute", "DLUNG", ["PMAYBE1"], True),
    ("potentially planned, but acute", "DACUTE", ["PMAYBE1"], False),
    ("potentially planned by the third procedure", "DLUNG", ["X", "Y", "PMAYBE2"], True),
    ("always planned before acute", "DACUTE", ["PMAYBE1", "PALWAYS"], True),
    ("no procedure that is planned", "DLUNG", ["PSURGERY"], False),
    ("not acute, no procedure", "DLUNG", [], False),
]


def test_planned_stays_in_the_order_of_the_rules(duckdb_engine: Engine, tmp_path: Path) -> None:
    claims = [
        claim(str(number), f"2024-{number:02}-01..2024-{number:02}-05", diagnosis, *procedures)
        for number, (_why, diagnosis, procedures, _planned) in enumerate(RULES, start=1)
    ]
    # A secondary diagnosis that is acute does not make a stay acute.
    claims[2]["diagnosis_code_2"] = "DACUTE"
    found = stays_of(duckdb_engine, tmp_path, claims)
    assert {RULES[int(name) - 1][0]: row["is_planned"] for name, row in found.items()} == {
        why: planned for why, _diagnosis, _procedures, planned in RULES
    }


def test_procedures_of_all_claims_of_a_stay_count(duckdb_engine: Engine, tmp_path: Path) -> None:
    claims = [
        claim("1", "2024-01-01..2024-01-31", "DLUNG", "PMAYBE1", discharge_disposition_code="30"),
        claim("2", "2024-02-01..2024-02-10", "DLUNG"),
        claim("3", "2024-02-12..2024-02-13", "DLUNG"),
    ]
    found = stays_of(duckdb_engine, tmp_path, claims)
    assert {name: row["is_planned"] for name, row in found.items()} == {"1": True, "3": False}


COHORTS = [
    ("DLUNG", ["PSURGERY"], "surgery_gynecology", None),
    ("DLUNG", [], "cardiorespiratory", None),
    ("DHEART", [], "cardiovascular", None),
    ("DBRAIN", [], "neurology", None),
    ("DMEDICINE", [], "medicine", None),
    ("DOTHER", [], None, "no_cohort"),
    ("DCANCER", [], None, "cancer"),
    ("DCANCER", ["PSURGERY"], "surgery_gynecology", None),
    ("DMIND", [], None, "psychiatric"),
    ("DMIND", ["PSURGERY"], None, "psychiatric"),
    ("DREHAB", [], None, "rehabilitation"),
]


def cohorts(engine: Engine, folder: Path, sets: Mapping[str, ValueSet] = SETS) -> list[tuple[Any, Any]]:
    claims = [
        claim(f"{number:02}", f"2024-{number:02}-01..2024-{number:02}-05", diagnosis, *procedures)
        for number, (diagnosis, procedures, *_rest) in enumerate(COHORTS, start=1)
    ]
    found = stays_of(engine, folder, claims, sets)
    return [(found[name]["cohort"], found[name]["index_exclusion"]) for name in sorted(found)]


def test_cohorts_in_their_order_and_what_excludes(duckdb_engine: Engine, tmp_path: Path) -> None:
    assert cohorts(duckdb_engine, tmp_path) == [(cohort, why) for _diagnosis, _procedures, cohort, why in COHORTS]


def test_what_matches_no_cohort_can_be_taken_for_medicine(duckdb_engine: Engine, tmp_path: Path) -> None:
    expected = [(cohort, why) for _diagnosis, _procedures, cohort, why in COHORTS]
    expected[5] = ("medicine", None)
    sets = SETS | {"medicine_diagnosis": value_set("medicine_diagnosis", "*")}
    assert cohorts(duckdb_engine, tmp_path, sets) == expected


def test_transfers_and_same_day_stays_are_chained(engine: Engine, tmp_path: Path) -> None:
    claims = [
        claim("1", "2024-01-01..2024-01-02", "DMEDICINE", "X"),
        claim("2", "2024-01-02..2024-01-04", "DMIND", facility_ccn="010002"),
        claim("3", "2024-01-05..2024-01-09", "DOTHER", facility_ccn="010003"),
        # The same hospital, on the day of discharge, for the same condition: one chain with the transfer before it.
        claim("4", "2024-01-09..2024-01-12", "DOTHER9", facility_ccn="010003"),
        # For another condition, and a day later: chains of their own.
        claim("5", "2024-01-12..2024-01-14", "LUNG", facility_ccn="010003"),
        claim("6", "2024-01-15..2024-01-16", "LUNG", facility_ccn="010003"),
    ]
    found = stays_of(engine, tmp_path, claims)
    chains = {name: (row["chain_id"], row["is_first_of_chain"], row["is_last_of_chain"]) for name, row in found.items()}
    assert chains == {
        "1": ("1", True, False),
        "2": ("1", False, False),
        "3": ("1", False, False),
        "4": ("1", False, True),
        "5": ("5", True, True),
        "6": ("6", True, True),
    }
    # The last stay of a chain need not have a cohort of its own if the first has one.
    assert (found["4"]["cohort"], found["4"]["index_exclusion"]) == ("medicine", None)
    assert found["5"]["index_exclusion"] == "no_cohort"


def test_a_stay_has_its_diagnosis_and_procedures_as_codes(duckdb_engine: Engine, tmp_path: Path) -> None:
    lines = [claim("1", "2024-01-01..2024-01-05", "DLUNG", "PMAYBE1", "X", claim_line_number=one) for one in (1, 2)]
    write_claims(tmp_path, eligibility=[ELIGIBLE], medical_claim=lines)
    data = events_from_claims(open_claims(duckdb_engine, tmp_path), {"stay"}, None, SETS)
    rows = duckdb_engine.to_arrow(data.events["stay"]).to_pylist()
    assert sorted((row["code_system"], row["code"]) for row in rows) == [
        ("icd-10-cm", "DLUNG"),
        ("icd-10-pcs", "PMAYBE1"),
        ("icd-10-pcs", "X"),
    ]
    assert data.data_end == date(2024, 1, 1)


def test_without_value_sets_readmission_stops_and_names_them(duckdb_engine: Engine, tmp_path: Path) -> None:
    write_claims(tmp_path, eligibility=[ELIGIBLE], medical_claim=[claim("1", "2024-01-01..2024-01-05", "DLUNG")])
    data = events_from_claims(open_claims(duckdb_engine, tmp_path), {"stay", "encounter"})
    stays = {"heart_failure_stay": value_set("heart_failure_stay", "DLUNG")}
    (measure,) = [one for one in BY_CONDITION if one.id == "readmission.heart_failure"]
    with pytest.raises(InputDataError) as error:
        evaluate(data, [measure], stays, [parse_any_period("CY2024")])
    assert "is_planned" in str(error.value)
    assert "always_planned_procedure" in str(error.value)
    assert measure.value_sets() >= {"acute_diagnosis", "potentially_planned_procedure", "heart_failure_stay"}


def test_claims_without_a_column_of_procedures_stop(duckdb_engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="no procedures"):
        stays_of(duckdb_engine, tmp_path, [claim("1", "2024-01-01..2024-01-05", "DLUNG")])


def test_value_sets_that_are_there_in_part_or_of_two_years_stop() -> None:
    partly = {name: one for name, one in SETS.items() if name not in ("acute_diagnosis", "neurology_diagnosis")}
    with pytest.raises(InputDataError) as error:
        demanded_value_sets(partly)
    assert "acute_diagnosis" in str(error.value)
    assert "neurology_diagnosis" in str(error.value)
    mixed = SETS | {"acute_diagnosis": value_set("acute_diagnosis", "DACUTE", version="2019")}
    with pytest.raises(InputDataError, match="2019, 2021"):
        demanded_value_sets(mixed)
    assert demanded_value_sets({"heart_failure_stay": value_set("heart_failure_stay", "I50*")}) == {}


def test_acquired_conditions_and_readmission_from_claims_to_statuses(tmp_path: Path) -> None:
    def second(code: str, present: str | None) -> dict[str, Any]:
        return {"diagnosis_code_2": code, "diagnosis_poa_2": present}

    claims = [
        claim("1", "2024-01-01..2024-01-05", "I509", **second("L89153", "N")),
        claim("2", "2024-01-20..2024-01-25", "DOTHER", "PALWAYS", **second("L89153", "Y")),
        claim("3", "2024-02-01..2024-02-05", "DOTHER", **second("L89153", None)),
        claim("4", "2024-06-01..2024-06-05", "I110"),
        claim("5", "2024-07-05..2024-07-06", "DACUTE", "PMAYBE1", **second("L8915", "N")),
    ]
    write_claims(tmp_path / "claims", eligibility=[ELIGIBLE], medical_claim=claims)
    sets = {**SETS, "hac_04_secondary_diagnosis": value_set("hac_04_secondary_diagnosis", "L89153", "L89154")}
    (tmp_path / "sets").mkdir()
    for name, one in sets.items():
        lines = [f"{name},{system},{code}" for system, code in sorted(one.codes)]
        (tmp_path / "sets" / f"{name}.csv").write_text("\n".join(["value_set,code_system,code", *lines]) + "\n")
    asked = ("hospital_acquired_conditions.pressure_ulcer", "readmission.heart_failure")
    request = Request(("CY2024",), asked, value_sets=tmp_path / "sets", with_persons=True)
    summary = run_measures(tmp_path / "claims", tmp_path / "out", request)
    rows = pq.read_table(tmp_path / "out" / "evidence" / "statuses.parquet").to_pylist()
    assert {(row["measure"].split(".")[1], row["index_event_id"]): row["status"] for row in rows} == {
        ("pressure_ulcer", "1"): "met",
        ("pressure_ulcer", "2"): "not_met",
        ("pressure_ulcer", "3"): "not_evaluable",
        ("pressure_ulcer", "4"): "not_met",
        ("pressure_ulcer", "5"): "not_met",
        # The next stay was planned; the other came back on day 30.
        ("heart_failure", "1"): "not_met",
        ("heart_failure", "4"): "met",
    }
    told = {row["measure"]: row for row in summary["results"]}
    assert told["readmission.heart_failure"]["denominator"] == 2


def write_tables(folder: Path) -> tuple[Path, Path, Path]:
    """Tables and maps in the forms in which they are published."""
    folder.mkdir()
    tables: dict[str, list[list[str]]] = {
        "always_planned_ccs_procedure_category": [["ccs_procedure_category", "description"], ["64", "transplant"]],
        "always_planned_ccs_diagnosis_category": [["ccs_diagnosis_category"], ["45"]],
        "potentially_planned_ccs_procedure_category": [["ccs_procedure_category"], ["1"], ["999"]],
        "potentially_planned_icd_10_pcs": [["icd_10_pcs"], ["0270046"]],
        "acute_diagnosis_ccs": [["ccs_diagnosis_category"], ["2"]],
        "acute_diagnosis_icd_10_cm": [["icd_10_cm"], ["A15.0"]],
        "specialty_cohort": [
            ["ccs", "specialty_cohort", "procedure_or_diagnosis"],
            ["1", "Surgery/Gynecology", "Procedure"],
            ["122", "Cardiorespiratory", "Diagnosis"],
            ["100", "Cardiovascular", "Diagnosis"],
            ["109", "Neurology", "Diagnosis"],
            ["2", "Medicine", "Diagnosis"],
        ],
        "surgery_gynecology_cohort": [["icd_10_pcs"], ["021009W"]],
        "exclusion_ccs_diagnosis_category": [
            ["ccs_diagnosis_category", "exclusion_category"],
            ["11", "Medical Treatment of Cancer"],
            ["657", "Psychiatric"],
            ["254", "Rehabilitation"],
        ],
    }
    assert set(tables) == set(TABLES)
    for number, (name, rows) in enumerate(tables.items()):
        with (folder / f"{'readmissions__' * (number % 2)}{name}.csv").open("w", newline="") as out:
            csv.writer(out).writerows(rows)
    diagnoses, procedures = folder.parent / "dx.csv", folder.parent / "pr.csv"
    listed = {"Z5111": 45, "A419": 2, "J189": 122, "I214": 100, "I639": 109, "C01": 11, "F329": 657, "Z5189": 254}
    diagnoses.write_text(
        "'ICD-10-CM CODE','CCS CATEGORY','ICD-10-CM CODE DESCRIPTION'\n"
        + "".join(f"'{code}','{category}',\"what, it is\"\n" for code, category in listed.items())
    )
    procedures.write_text("icd_10_pcs,ccs_category\n30230AZ,64\n00800ZZ,1\n")
    return folder, diagnoses, procedures


def test_value_sets_are_made_from_tables_of_categories(tmp_path: Path) -> None:
    tables, diagnoses, procedures = write_tables(tmp_path / "tables")
    out = tmp_path / "sets"
    arguments = ["--tables", tables, "--diagnosis-map", diagnoses, "--procedure-map", procedures, "--out", out]
    result = CliRunner().invoke(app, ["measures", "readmission-value-sets", *map(str, arguments), "--version", "2021"])
    assert result.exit_code == 0, result.output
    (told,) = [line.split() for line in result.stdout.splitlines() if line.startswith("potentially_planned")]
    assert told == ["potentially_planned_procedure", "2", "2", "999"]
    made = read_value_sets(out)
    assert set(made) == set(CODES)
    assert {one.version for one in made.values()} == {"2021"}
    assert made["acute_diagnosis"].codes == {("icd-10-cm", "A419"), ("icd-10-cm", "A150")}
    assert made["surgery_gynecology_procedure"].codes == {("icd-10-pcs", "00800ZZ"), ("icd-10-pcs", "021009W")}
    assert made["cancer_diagnosis"].codes == {("icd-10-cm", "C01")}
    assert demanded_value_sets(made).keys() == made.keys()


def test_tables_that_are_missing_are_all_named(tmp_path: Path) -> None:
    tables, diagnoses, _procedures = write_tables(tmp_path / "tables")
    (tables / "always_planned_ccs_procedure_category.csv").unlink()
    (tables / "acute_diagnosis_ccs.csv").write_text("ccs_diagnosis_category\n")
    with pytest.raises(InputDataError) as error:
        make_readmission_value_sets(tables, diagnoses, tmp_path / "none.csv", tmp_path / "sets", "2021")
    told = str(error.value)
    assert all(one in told for one in ("always_planned_ccs_procedure_category", "acute_diagnosis_ccs", "none.csv"))
    assert not (tmp_path / "sets").exists()


def test_a_category_without_codes_gives_no_empty_value_set(tmp_path: Path) -> None:
    tables, diagnoses, procedures = write_tables(tmp_path / "tables")
    (tables / "always_planned_ccs_procedure_category.csv").write_text("ccs_procedure_category\n888\n")
    (tables / "specialty_cohort.csv").write_text("ccs,cohort\n1,Medicine\n")
    with pytest.raises(InputDataError) as error:
        make_readmission_value_sets(tables, diagnoses, procedures, tmp_path / "sets", "2021")
    assert "always_planned_procedure would have no codes" in str(error.value)
    assert "specialty_cohort lacks a column" in str(error.value)
