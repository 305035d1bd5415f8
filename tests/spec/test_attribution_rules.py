"""Attribution rules on persons of a few visits each: what the regulation, or the rule, says of them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from attribution_population import Row, events, months, participant, visit
from openvbp.attribution import attribute, shipped_rule
from openvbp.engine import Engine
from openvbp.periods import parse_period

ORGANIZATIONS = [
    participant("A", tin="T1"),
    participant("A", tin="T2"),
    participant("A", ccn="361800"),
    participant("B", tin="T5"),
    participant("A", tin="T7"),
    participant("B", tin="T7"),
]


def specialist(person: str, npi: str, day: str, **other: Any) -> Row:
    return visit(person, npi, day, rendering_specialty_code="06", **other)


def nurse_practitioner(person: str, npi: str, day: str, **other: Any) -> Row:
    return visit(person, npi, day, rendering_specialty_code="50", **other)


def facility(person: str, day: str, bill_type: str, **other: Any) -> Row:
    kind = {"claim_type": "institutional", "bill_type_code": bill_type, "facility_ccn": "361800", "rendering_npi": None}
    none = {"rendering_tin": None, "rendering_specialty_code": None, "hcpcs_code": None, "place_of_service_code": None}
    return visit(person, "0", day, **kind, **none, **other)


SHARED_SAVINGS: dict[str, list[Row]] = {
    "one step 1 service outside, many step 2 services inside": [
        visit("x", "9", "2025-03-01", allowed_amount=Decimal(10)),
        *(specialist("x", "1", f"2025-0{month}-01") for month in range(1, 9)),
    ],
    "step 2 for persons without a step 1 service": [
        specialist("x", "1", "2025-03-01"),
        specialist("x", "9", "2025-03-02", allowed_amount=Decimal(90)),
    ],
    "organization as a whole against practices singly": [
        visit("x", "1", "2025-01-01"),
        visit("x", "2", "2025-01-02"),
        visit("x", "9", "2025-01-03", allowed_amount=Decimal(150)),
    ],
    "nurse practitioner now, physician in the year before": [
        nurse_practitioner("x", "1", "2025-03-01"),
        visit("x", "2", "2024-05-01"),
    ],
    "nurse practitioner only": [nurse_practitioner("x", "1", "2025-03-01")],
    "cancelled pair": [
        visit("x", "1", "2025-03-01"),
        visit("x", "9", "2025-03-02", allowed_amount=Decimal(900), is_utilization=False),
        visit("x", "9", "2025-03-02", allowed_amount=Decimal(-900), is_utilization=False),
    ],
    "federally qualified health center": [
        facility("x", "2025-03-01", "771"),
        visit("x", "9", "2025-03-02", allowed_amount=Decimal(90)),
    ],
    "practice in two organizations": [visit("x", "7", "2025-03-01")],
    "nursing facility visit on a day of skilled nursing care": [
        visit("x", "1", "2025-03-03", hcpcs_code="99308"),
        facility("x", "2025-03-01", "211", service_end_date=date(2025, 3, 9)),
    ],
    "nursing facility visit, place of service 31 alone": [
        visit("x", "1", "2025-03-03", hcpcs_code="99308", place_of_service_code="31"),
    ],
    "no allowed amount": [visit("x", "1", "2025-03-03", allowed_amount=Decimal(0))],
    "attestation before claims": [*(visit("x", "5", f"2025-0{month}-01") for month in range(1, 9))],
    "managed care": [visit("x", "1", "2025-03-03")],
}
EXPECTED: dict[str, tuple[str | None, int | None, str | None]] = {
    "one step 1 service outside, many step 2 services inside": (None, None, "outside_organizations"),
    "step 2 for persons without a step 1 service": ("A", 2, None),
    "organization as a whole against practices singly": ("A", 1, None),
    "nurse practitioner now, physician in the year before": ("A", 3, None),
    "nurse practitioner only": (None, None, "requirement_not_met"),
    "cancelled pair": ("A", 1, None),
    "federally qualified health center": ("A", 1, None),
    "practice in two organizations": (None, None, "no_qualifying_service"),
    "nursing facility visit on a day of skilled nursing care": (None, None, "no_qualifying_service"),
    "nursing facility visit, place of service 31 alone": ("A", 1, None),
    "no allowed amount": (None, None, "no_qualifying_service"),
    "attestation before claims": ("A", 0, None),
    "managed care": (None, None, "not_eligible"),
}


def moved(line: Row, years: int) -> Row:
    days = ("service_date", "service_end_date")
    return line | {day: line[day].replace(year=line[day].year + years) for day in days}


@pytest.fixture(scope="module")
def shared_savings(duckdb_engine: Engine) -> dict[int, dict[str, Row]]:
    """Each case is a person; assigned in 2025, and a year earlier with the same services a year earlier."""
    found = {}
    for year in (2025, 2024):
        lines = [
            line
            | {"person_id": case}
            | {
                day: line[day].replace(year=line[day].year + year - 2025)
                for day in ("service_date", "service_end_date")
            }
            for case, rows in SHARED_SAVINGS.items()
            for line in rows
        ]
        enrolled = [
            month
            for case in SHARED_SAVINGS
            for month in months(case, year * 100 + 1, year * 100 + 12, has_managed_care=case == "managed care")
        ]
        stated = [{"person_id": "attestation before claims", "npi": "1", "tin": "T1", "start_date": date(2023, 7, 1)}]
        tables = {"service_line": lines, "person_month": enrolled, "participant": ORGANIZATIONS, "attestation": stated}
        rule = shipped_rule("mssp_retrospective")
        period = parse_period(f"PY{year}", "performance_year")
        rows = attribute(duckdb_engine, events(duckdb_engine, f"mssp_{year}", **tables), [rule], period)
        found[year] = {row["person_id"]: row for row in duckdb_engine.to_arrow(rows.table).to_pylist()}
    return found


@pytest.mark.parametrize("case", SHARED_SAVINGS)
def test_shared_savings_2025(shared_savings: dict[int, dict[str, Row]], case: str) -> None:
    row = shared_savings[2025][case]
    assert (row["unit_id"], row["step"], row["reason"]) == EXPECTED[case]


def test_step_three_begins_in_2025(shared_savings: dict[int, dict[str, Row]]) -> None:
    case = "nurse practitioner now, physician in the year before"
    assert shared_savings[2025][case]["step"] == 3
    assert shared_savings[2024][case]["reason"] == "requirement_not_met"


def test_a_cancelled_pair_adds_nothing(shared_savings: dict[int, dict[str, Row]]) -> None:
    row = shared_savings[2025]["cancelled pair"]
    assert (row["signal"], row["share"], row["runner_up_unit_id"]) == (Decimal(100), Decimal(1), None)


def test_every_row_says_by_how_much(shared_savings: dict[int, dict[str, Row]]) -> None:
    row = shared_savings[2025]["organization as a whole against practices singly"]
    assert (row["signal"], row["share"]) == (Decimal(200), Decimal("0.571428571429"))
    assert (row["runner_up_unit_id"], row["margin"]) == ("tin T9", Decimal(50))


def test_ties_are_decided_alike_for_any_order_of_rows(duckdb_engine: Engine) -> None:
    lines = [visit(f"p{person}", npi, "2024-03-01") for person in range(20) for npi in "123"]
    rules = [shipped_rule("mssp_two_step"), shipped_rule("plurality_primary_care_npi")]
    period = parse_period("CY2024", "calendar_year")
    chosen = []
    for name, rows in {"forward": lines, "backward": lines[::-1]}.items():
        found = attribute(duckdb_engine, events(duckdb_engine, f"ties_{name}", service_line=rows), rules, period)
        ordered = found.table.order_by("rule_id", "person_id")
        chosen.append(duckdb_engine.to_arrow(ordered).to_pylist())
    assert chosen[0] == chosen[1]
    by_hash = {row["unit_id"] for row in chosen[0] if row["rule_id"] == "mssp_two_step"}
    by_number = {row["unit_id"] for row in chosen[0] if row["rule_id"] == "plurality_primary_care_npi"}
    assert (by_hash, by_number) == ({"T1", "T2", "T3"}, {"1"})


def test_proportional_weights_of_a_person_add_up_to_one(duckdb_engine: Engine) -> None:
    lines = [visit(f"p{person}", str(npi), "2024-03-01") for person in range(1, 8) for npi in range(person)]
    period = parse_period("CY2024", "calendar_year")
    found = attribute(
        duckdb_engine, events(duckdb_engine, "weights", service_line=lines), [shipped_rule("proportional")], period
    )
    sums: dict[str, Decimal] = {}
    for row in duckdb_engine.to_arrow(found.table).to_pylist():
        sums[row["person_id"]] = sums.get(row["person_id"], Decimal(0)) + row["weight"]
    assert len(sums) == 7
    assert all(abs(weight - 1) < Decimal("1e-9") for weight in sums.values())
