"""Person-months, stays, encounters and emergency visits on claims small enough to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import ibis.expr.types as ir

from claims_tables import claims_table
from openvbp.claims.encounters import emergency_visits, encounters
from openvbp.claims.person_months import enrollment_spans, person_months
from openvbp.claims.service_lines import service_lines
from openvbp.claims.stays import stays
from openvbp.engine import Engine
from openvbp.periods import parse_period

_2024 = parse_period("CY2024", "calendar_year")


def _rows(engine: Engine, table: ir.Table, *columns: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row[name] for name in columns) for row in engine.to_arrow(table).to_pylist())


def _lines(engine: Engine, rows: Sequence[Mapping[str, Any]]) -> ir.Table:
    return service_lines(claims_table(engine, "medical_claim", rows, "event_claims"))


def _bill(claim_id: str, facility: str, first: str, last: str, **more: Any) -> dict[str, Any]:
    return {
        "claim_id": claim_id,
        "person_id": "ann",
        "claim_type": "institutional",
        "bill_type_code": "111",
        "facility_ccn": facility,
        "claim_start_date": first,
        "claim_end_date": last,
        "admission_date": first,
        "discharge_date": last,
        "paid_amount": "1000.00",
        **more,
    }


def test_months_of_two_plans_are_counted_once(engine: Engine) -> None:
    spans = [
        {"person_id": "ann", "enrollment_start_date": "2023-11-01", "enrollment_end_date": "2024-02-10", "plan": "old"},
        {"person_id": "ann", "enrollment_start_date": "2024-02-08", "enrollment_end_date": "2024-04-30", "plan": "new"},
        {
            "person_id": "bob",
            "enrollment_start_date": "2024-12-01",
            "enrollment_end_date": "2025-03-31",
            "plan": "new",
            "birth_date": "1959-12-02",
            "death_date": "2024-11-30",
            "dual_status_code": "02",
            "medicare_status_code": "31",
            "has_part_b": False,
        },
    ]
    table = claims_table(engine, "eligibility", spans, "event_eligibility")
    months = person_months(table, _2024)
    assert _rows(engine, months, "person_id", "year_month", "plan", "covered_days", "age_years", "is_alive") == [
        ("ann", 202401, "old", 31, 73, True),
        ("ann", 202402, "new", 22, 73, True),
        ("ann", 202403, "new", 31, 73, True),
        ("ann", 202404, "new", 30, 73, True),
        ("bob", 202412, "new", 31, 64, False),
    ]
    stated = ("person_id", "is_dual", "is_end_stage_renal_disease", "has_part_a", "has_part_b", "has_managed_care")
    assert set(_rows(engine, months, *stated)) == {
        ("ann", False, False, True, True, False),
        ("bob", True, True, True, False, False),
    }


def test_spans_are_joined_over_short_gaps(engine: Engine) -> None:
    spans = [
        {"person_id": "ann", "enrollment_start_date": "2024-01-01", "enrollment_end_date": "2024-03-31"},
        {"person_id": "ann", "enrollment_start_date": "2024-04-01", "enrollment_end_date": "2024-05-31"},
        {"person_id": "ann", "enrollment_start_date": "2024-06-20", "enrollment_end_date": "2024-12-31"},
    ]
    table = claims_table(engine, "eligibility", spans, "event_spans")
    assert _rows(engine, enrollment_spans(table), "start_date", "end_date") == [
        (date(2024, 1, 1), date(2024, 5, 31)),
        (date(2024, 6, 20), date(2024, 12, 31)),
    ]
    assert _rows(engine, enrollment_spans(table, gap_days=19), "start_date", "end_date") == [
        (date(2024, 1, 1), date(2024, 12, 31))
    ]


def test_interim_bills_are_one_stay_and_transfers_are_chained(engine: Engine) -> None:
    lines = _lines(
        engine,
        [
            _bill("1", "010001", "2024-01-01", "2024-01-10", discharge_disposition_code="30", drg_code="291"),
            _bill("2", "010001", "2024-01-11", "2024-01-15", discharge_disposition_code="02", drg_code="292"),
            _bill("3", "010002", "2024-01-16", "2024-01-20", discharge_disposition_code="01"),
            _bill("4", "010002", "2024-01-20", "2024-01-22"),  # goes home and comes back on the same day: no transfer
            _bill("5", "013025", "2024-01-22", "2024-01-30"),  # rehabilitation: not acute
            _bill("6", "010001", "2024-02-02", "2024-02-03", bill_type_code="131"),  # outpatient
        ],
    )
    found = stays(lines)
    columns = ("admission_date", "discharge_date", "stay_id", "drg_code", "paid_amount", "transfer_chain_id")
    assert _rows(engine, found, *columns) == [
        (date(2024, 1, 1), date(2024, 1, 15), "1", "292", Decimal("2000.00"), "1"),
        (date(2024, 1, 16), date(2024, 1, 20), "3", None, Decimal("1000.00"), "1"),
        (date(2024, 1, 20), date(2024, 1, 22), "4", None, Decimal("1000.00"), "4"),
    ]
    assert _rows(engine, found, "stay_id", "is_first_of_chain", "is_last_of_chain", "length_days") == [
        ("1", True, False, 14),
        ("3", False, True, 4),
        ("4", True, True, 2),
    ]


def test_overlapping_stays_in_two_hospitals_are_both_kept(engine: Engine) -> None:
    lines = _lines(
        engine,
        [_bill("1", "010001", "2024-01-01", "2024-01-10"), _bill("2", "010002", "2024-01-08", "2024-01-20")],
    )
    assert _rows(engine, stays(lines), "stay_id", "transfer_chain_id") == [("1", "1"), ("2", "1")]


def test_denied_lines_are_no_service_and_cancelled_claims_no_stay(engine: Engine) -> None:
    march = ("010001", "2024-03-01", "2024-03-10")
    lines = _lines(
        engine,
        [
            _bill("1", "010001", "2024-01-01", "2024-01-10", claim_status="denied"),
            _bill("2", *march, adjustment_type="0", effective_date="2024-04-01", claim_control_number="k"),
            _bill("3", *march, adjustment_type="1", effective_date="2024-05-01", claim_control_number="k"),
        ],
    )
    assert _rows(engine, stays(lines), "stay_id") == []
    assert sum(row[0] for row in _rows(engine, lines, "paid_amount")) == 0


def test_every_line_is_in_one_encounter_and_emergency_visits_know_their_end(engine: Engine) -> None:
    emergency = {"revenue_center_code": "0450", "bill_type_code": "131", "admission_date": None, "discharge_date": None}
    lines = _lines(
        engine,
        [
            _bill("1", "010001", "2024-01-01", "2024-01-01", **emergency),
            _bill("2", "010002", "2024-01-02", "2024-01-05"),
            _bill("3", "010001", "2024-06-01", "2024-06-01", **emergency),
            _bill("4", "010001", "2024-06-01", "2024-06-01", **emergency),
            _bill("5", "010001", "2024-08-01", "2024-08-03", revenue_center_code="0450"),
            {
                "claim_id": "6",
                "person_id": "ann",
                "claim_start_date": "2024-09-09",
                "place_of_service_code": "11",
                "rendering_npi": "1",
                "paid_amount": "50.00",
            },
        ],
    )
    assert _rows(engine, encounters(lines), "encounter_id", "encounter_type", "claim_count", "paid_amount") == [
        ("1", "emergency_department", 1, Decimal("1000.00")),
        ("2", "acute_inpatient", 1, Decimal("1000.00")),
        ("3", "emergency_department", 2, Decimal("2000.00")),
        ("5", "acute_inpatient", 1, Decimal("1000.00")),
        ("6", "office", 1, Decimal("50.00")),
    ]
    assert _rows(engine, emergency_visits(lines, stays(lines)), "visit_date", "leads_to_hospital") == [
        (date(2024, 1, 1), True),
        (date(2024, 6, 1), False),
        (date(2024, 8, 1), True),
    ]
