"""A specimen of every class of defect, put into clean claims, is caught and named; clean claims are clean."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from claims_check_folder import Folder, Row, clean_folder
from openvbp.claims.check_result import ClaimsCheck
from openvbp.claims.checks import check_claims
from openvbp.claims.defects import defects
from openvbp.claims.tables import open_claims
from openvbp.engine import Engine
from openvbp.errors import InputDataError

Found = set[tuple[str, str, str]]
SEEN: set[str] = set()
"""Classes of which a test has caught a specimen."""


def check(engine: Engine, made: Folder, folder: Path) -> ClaimsCheck:
    lists = made.write_code_lists(folder / "lists") if made.code_lists else None
    return check_claims(engine, open_claims(engine, made.write(folder / "claims")), code_lists=lists)


def found(checked: ClaimsCheck) -> Found:
    SEEN.update(one.defect.defect_id for one in checked.findings)
    return {(one.defect.defect_id, one.table, one.column) for one in checked.findings}


def claim(made: Folder, claim_id: str) -> Row:
    return next(row for row in made.tables["medical_claim"] if row["claim_id"] == claim_id)


def span(made: Folder, person: int) -> Row:
    return made.tables["eligibility"][person]


def append(made: Folder, table: str, row: Row, **changes: object) -> None:
    made.tables[table].append(row | changes)


MEDICAL, MEMBERS = "medical_claim", "eligibility"
DUPLICATE_KEY = "claim_id, claim_line_number, data_source"
# Each specimen stands on a person and claim of its own: what it does to clean claims, and what must be found.
SPECIMENS: dict[str, tuple[Callable[[Folder], None], Found]] = {
    "empty required cell": (
        lambda made: claim(made, "V2-1").update(plan=None),
        {("missing_value", MEDICAL, "plan")},
    ),
    "blank required cell": (
        lambda made: claim(made, "V3-1").update(payer=""),
        {("missing_value", MEDICAL, "payer")},
    ),
    "code that is not allowed": (
        lambda made: claim(made, "V4-1").update(claim_type="dental"),
        {("code_not_allowed", MEDICAL, "claim_type")},
    ),
    "unknown kind of version": (
        lambda made: claim(made, "V4-2").update(adjustment_type="7"),
        {("code_not_allowed", MEDICAL, "adjustment_type")},
    ),
    "unknown code in an optional column": (
        lambda made: span(made, 4).update(original_reason_entitlement_code="9"),
        {("code_unknown", MEMBERS, "original_reason_entitlement_code")},
    ),
    "copy of a row from an older file": (
        lambda made: append(made, MEDICAL, claim(made, "V5-1"), file_date=date(2024, 3, 1)),
        {("duplicate_identical", MEDICAL, DUPLICATE_KEY)},
    ),
    "two rows that contradict each other": (
        lambda made: append(made, MEDICAL, claim(made, "V6-1"), paid_amount=Decimal("1.00")),
        {("duplicate_conflicting", MEDICAL, DUPLICATE_KEY)},
    ),
    "date before 1900": (
        lambda made: span(made, 7).update(birth_date=date(1840, 1, 1)),
        {("date_out_of_range", MEMBERS, "birth_date")},
    ),
    "date after 2100": (
        lambda made: claim(made, "V8-1").update(paid_date=date(2203, 1, 1)),
        {("date_out_of_range", MEDICAL, "paid_date")},
    ),
    "service before birth": (
        lambda made: span(made, 9).update(birth_date=date(2023, 1, 20)),
        {
            ("service_before_birth", MEDICAL, "claim_start_date"),
            ("service_before_birth", "pharmacy_claim", "dispensing_date"),
        },
    ),
    "service after death and thirty days": (
        # The visit is on the 11th: 30 days after death in November, 31 in December of another person.
        lambda made: (
            span(made, 10).update(death_date=date(2023, 11, 11)),
            span(made, 11).update(death_date=date(2023, 11, 10)),
        ),
        {("service_after_death", MEDICAL, "claim_start_date")},
    ),
    "claim that ends before it begins": (
        lambda made: claim(made, "V12-2").update(claim_end_date=date(2023, 1, 1)),
        {("claim_dates_reversed", MEDICAL, "claim_start_date, claim_end_date")},
    ),
    "discharge before admission": (
        lambda made: claim(made, "S13").update(discharge_date=date(2023, 1, 1)),
        {("admission_after_discharge", MEDICAL, "admission_date, discharge_date")},
    ),
    "enrolment that ends before it begins": (
        lambda made: append(
            made,
            MEMBERS,
            span(made, 14),
            plan="other",
            enrollment_start_date=date(2023, 3, 1),
            enrollment_end_date=date(2023, 2, 1),
        ),
        {("span_reversed", MEMBERS, "enrollment_start_date, enrollment_end_date")},
    ),
    "death before birth": (
        lambda made: span(made, 15).update(death_date=date(1930, 1, 1)),
        {("death_before_birth", MEMBERS, "birth_date, death_date")},
    ),
    "two birth dates": (
        lambda made: append(made, MEMBERS, span(made, 16), plan="other", birth_date=date(1941, 5, 5)),
        {("two_birth_dates", MEMBERS, "birth_date")},
    ),
    "two genders": (
        lambda made: append(made, MEMBERS, span(made, 17), plan="other", gender="male"),
        {("two_genders", MEMBERS, "gender")},
    ),
    "overlapping enrolment in one plan": (
        lambda made: append(made, MEMBERS, span(made, 18), enrollment_start_date=date(2023, 6, 1)),
        {("enrollment_overlap", MEMBERS, "enrollment_start_date")},
    ),
    "NPI with a wrong check digit": (
        lambda made: claim(made, "V19-2").update(rendering_npi="1234567894"),
        {("npi_check_digit", MEDICAL, "rendering_npi")},
    ),
    "CCN without its leading zero": (
        lambda made: claim(made, "E20").update(facility_ccn="50001"),
        {("ccn_malformed", MEDICAL, "facility_ccn")},
    ),
    "unknown specialty": (
        lambda made: claim(made, "V21-2").update(rendering_specialty_code="ZZ"),
        {("specialty_unknown", MEDICAL, "rendering_specialty_code")},
    ),
    "code with a dot, a small letter and a blank": (
        lambda made: claim(made, "V22-2").update(diagnosis_code_1="e11.9 "),
        {("code_not_normalized", MEDICAL, "diagnosis_code_1")},
    ),
    "code that is not on its list": (
        lambda made: claim(made, "V23-2").update(diagnosis_code_1="E110"),
        {("code_unmatched", MEDICAL, "diagnosis_code_1 ... diagnosis_code_25")},
    ),
    "malformed HCPCS code": (
        lambda made: claim(made, "V24-2").update(hcpcs_code="9921"),
        {("malformed_code", MEDICAL, "hcpcs_code"), ("code_unmatched", MEDICAL, "hcpcs_code")},
    ),
    "ICD-9 code given as ICD-10": (
        lambda made: claim(made, "V25-2").update(diagnosis_code_1="4019"),
        {
            ("code_type_mismatch", MEDICAL, "diagnosis_code_1"),
            ("code_unmatched", MEDICAL, "diagnosis_code_1 ... diagnosis_code_25"),
        },
    ),
    "ICD-9 after September 2015": (
        lambda made: claim(made, "V26-2").update(diagnosis_code_type="icd-9-cm", diagnosis_code_1="E8490"),
        {
            ("code_type_out_of_period", MEDICAL, "diagnosis_code_type"),
            ("code_list_missing", MEDICAL, "diagnosis_code_1 ... diagnosis_code_25"),
        },
    ),
    "diagnosis without code type": (
        lambda made: claim(made, "V27-2").update(diagnosis_code_type=None),
        {("code_type_missing", MEDICAL, "diagnosis_code_1")},
    ),
    "sentinel for a provider that is absent": (
        lambda made: claim(made, "S28").update(facility_npi="~"),
        {("sentinel_value", MEDICAL, "facility_npi")},
    ),
    "sentinel for a claim": (
        lambda made: claim(made, "V29-2").update(claim_id="~"),
        {("sentinel_value", MEDICAL, "claim_id")},
    ),
    "negative amount in an original": (
        lambda made: claim(made, "V30-2").update(allowed_amount=Decimal("-5.00"), paid_amount=None),
        {("negative_amount", MEDICAL, "allowed_amount")},
    ),
    "more paid than allowed": (
        lambda made: claim(made, "V31-2").update(paid_amount=Decimal("100.02")),
        {("paid_above_allowed", MEDICAL, "paid_amount, allowed_amount")},
    ),
    "paid before the service": (
        lambda made: claim(made, "V32-2").update(paid_date=date(2023, 1, 1)),
        {("paid_before_service", MEDICAL, "paid_date")},
    ),
    "claim of a person who is not in eligibility": (
        lambda made: claim(made, "V33-2").update(person_id="P999"),
        {("person_not_enrolled", MEDICAL, "person_id")},
    ),
    "claim outside enrolment": (
        lambda made: claim(made, "V34-2").update(
            claim_start_date=date(2022, 12, 31), paid_date=None, claim_end_date=date(2022, 12, 31)
        ),
        {("claim_outside_enrollment", MEDICAL, "claim_start_date")},
    ),
    "month that does not exist": (
        lambda made: made.tables["provider_attribution"][35].update(year_month=202313),
        {("year_month_out_of_range", "provider_attribution", "year_month")},
    ),
    "taxpayer number of a participant that is in no claim": (
        lambda made: append(made, "participant", made.tables["participant"][1], tin="999999999"),
        {("unknown_provider", "participant", "tin")},
    ),
    "clinician of an attestation who is in no claim": (
        lambda made: append(made, "attestation", made.tables["attestation"][0], person_id="P2", npi="1992999999"),
        {("unknown_provider", "attestation", "npi")},
    ),
}


def test_clean_claims_are_clean(duckdb_engine: Engine, tmp_path: Path) -> None:
    checked = check(duckdb_engine, clean_folder(), tmp_path)
    assert checked.findings == ()
    assert checked.is_usable_as_it_is
    assert {name: rows.accepted for name, rows in checked.rows.items()} == {
        name: len(rows) for name, rows in clean_folder().tables.items()
    }
    assert all(one.matched == one.rows for one in checked.matches)
    assert not (tmp_path / "claims" / "rejected_by_checks").exists()


def test_every_specimen_is_caught_and_named_and_nothing_else(duckdb_engine: Engine, tmp_path: Path) -> None:
    made, expected = clean_folder(), set[tuple[str, str, str]]()
    for put_in, specimen in SPECIMENS.values():
        put_in(made)
        expected |= specimen
    checked = check(duckdb_engine, made, tmp_path)
    assert found(checked) == expected

    rejected = pq.read_table(tmp_path / "claims" / "rejected_by_checks" / "medical_claim.parquet")
    reasons = {row["claim_id"]: row["reasons"] for row in rejected.to_pylist()}
    assert reasons["V4-1"] == "code_not_allowed (claim_type)"
    assert reasons["V12-2"] == "claim_dates_reversed (claim_start_date, claim_end_date)"
    for rows in checked.rows.values():
        assert rows.read == rows.accepted + rows.rejected
    assert checked.rows[MEDICAL].rejected == rejected.num_rows
    by_count = {(one.defect.defect_id, one.column): one.count for one in checked.findings if one.table == MEDICAL}
    assert by_count["service_after_death", "claim_start_date"] == 1
    assert by_count["duplicate_identical", DUPLICATE_KEY] == 1
    assert by_count["duplicate_conflicting", DUPLICATE_KEY] == 2
    accepted = checked.accepted(MEDICAL)
    kept = duckdb_engine.to_arrow(accepted.filter(accepted.claim_id == "V5-1").select("file_date"))
    assert kept["file_date"].to_pylist() == [date(2024, 4, 1)], "the row of the newest file"


def test_structure_is_demanded_and_code_lists_that_are_missing_empty_or_shifted_stop(
    duckdb_engine: Engine, tmp_path: Path
) -> None:
    made = clean_folder(persons=3).only(MEDICAL, "pharmacy_claim", "lab_result")
    for row in made.tables["lab_result"]:
        del row["person_id"]
        row["colour"] = "red"
        row["x_colour"] = "red"
    made.tables["pharmacy_claim"].clear()
    del made.code_lists["icd_10_cm"], made.code_lists["place_of_service"]
    made.code_lists["hcpcs"] = [["hcpcs", "description"]]
    made.code_lists["ms_drg"] = [["description", "ms_drg_code"], ["HEART FAILURE", " SHOCK", "291"]]
    made.code_lists["bill_type"] = [["type"], ["111"]]
    checked = check(duckdb_engine, made, tmp_path)
    found(checked)
    assert {(one.defect.defect_id, one.outcome, one.table, one.detail) for one in checked.findings} == {
        ("missing_table", "stop", MEMBERS, ""),
        ("missing_column", "stop", "lab_result", ""),
        ("unknown_column", "stop", "lab_result", ""),
        ("empty_table", "stop", "pharmacy_claim", ""),
        ("code_list_missing", "stop", MEDICAL, "no icd_10_cm.csv"),
        ("code_list_unusable", "stop", MEDICAL, "hcpcs.csv: no rows"),
        (
            "code_list_unusable",
            "stop",
            MEDICAL,
            "ms_drg.csv: 1 rows are not as long as the header, the first in line 2",
        ),
        ("code_list_unusable", "stop", MEDICAL, "bill_type.csv: no column bill_type_code"),
        ("codes_not_compared", "warning", MEDICAL, "no place_of_service.csv"),
    }
    with pytest.raises(InputDataError, match=r"(?s)missing_table.*missing_column") as refused:
        checked.demand_usable()
    assert refused.value.exit_code == 3


def test_text_files_missing_months_short_run_out_and_unusual_volumes(duckdb_engine: Engine, tmp_path: Path) -> None:
    made = clean_folder(501, lambda person, month: month != 6 or person % 3 == 0).only(MEMBERS, MEDICAL)
    made.as_csv = {MEMBERS, MEDICAL}
    made.paid_through = "2024-02-29"
    span(made, 2)["death_date"] = "31/12/2023"
    claim(made, "V3-2")["allowed_amount"] = "1,00"
    claim(made, "V4-2")["claim_start_date"] = "2023-02-30"
    checked = check(duckdb_engine, made, tmp_path)
    assert found(checked) == {
        ("unreadable_value", MEMBERS, "death_date"),
        ("unreadable_value", MEDICAL, "allowed_amount"),
        ("unreadable_value", MEDICAL, "claim_start_date"),
        ("sudden_drop", MEDICAL, ""),
        ("short_run_out", MEDICAL, "paid_date"),
        ("volume_out_of_range", MEDICAL, ""),
    }
    assert {one.detail for one in checked.findings if one.detail} == {
        "professional lines per 1,000 member-months: 2023-06 333, beside it 1,000",
        "last service in 2023-12, paid through 2024-02",
        "admissions: 1,000 per 1,000 person-years, usual 246 to 385",
        "emergency department visits: 1,000 per 1,000 person-years, usual 557 to 989",
        "professional lines: 11,331 per 1,000 person-years, usual 35,000 to 45,000 (range unverified)",
    }
    rejected = pq.read_table(tmp_path / "claims" / "rejected_by_checks" / "eligibility.parquet").to_pylist()
    assert [(row["death_date"], row["reasons"]) for row in rejected] == [
        ("31/12/2023", "unreadable_value (death_date)")
    ]
    assert not any("31/12" in str(one.as_problem("folder")) for one in checked.findings)


def test_joins_that_lost_nearly_everything_stop(duckdb_engine: Engine, tmp_path: Path) -> None:
    made = clean_folder(persons=30).only(MEMBERS, MEDICAL)
    made.code_lists.clear()
    first_day_of_calendar = date(1942, 1, 1)
    for row in made.tables[MEMBERS]:
        if row["birth_date"] < first_day_of_calendar:
            row["birth_date"] = None
    for row in made.tables[MEDICAL]:
        row["person_id"] = row["person_id"].lower()
    checked = check(duckdb_engine, made, tmp_path)
    found(checked)
    stops = {(one.defect.defect_id, one.table) for one in checked.findings if one.outcome == "stop"}
    assert stops == {("too_many_rejected", MEMBERS), ("person_not_enrolled", MEDICAL)}
    others = {(one.defect.defect_id, one.detail) for one in checked.findings if one.outcome != "stop"}
    assert others == {
        ("missing_value", ""),
        ("codes_not_compared", "no code lists were given: a wrong code passes unnoticed"),
    }


def test_every_class_of_the_catalogue_has_had_its_specimen() -> None:
    assert defects().keys() == SEEN, "run the whole module"
