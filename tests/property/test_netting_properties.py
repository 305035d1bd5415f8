"""Netting of versions of claims: what must hold whatever was delivered, in whatever order."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openvbp.claims.contract import load_table
from openvbp.claims.netting import completion_by_lag, known_by, net_medical_claims, net_pharmacy_claims, paid_by_month
from openvbp.engine import DuckDBEngine, Engine

MEDICAL, PHARMACY = load_table("medical_claim"), load_table("pharmacy_claim")
USED = {
    "claim_id", "claim_line_number", "claim_type", "person_id", "payer", "plan", "data_source", "claim_start_date",
    "claim_end_date", "claim_line_start_date", "paid_date", "hcpcs_code", "facility_ccn", "facility_npi",
    "claim_control_number", "adjustment_type", "claim_status", "effective_date", "file_name", "file_date",
    "ingest_datetime", "dispensing_date",
}  # fmt: skip


def columns(declared: Any) -> dict[str, pa.DataType]:
    """Only the columns that netting looks at, for speed."""
    return {
        column.name: ibis.dtype(column.type).to_pyarrow()
        for column in declared.columns
        if column.name in USED or column.kind == "amount"
    }


def table(engine: Engine, rows: list[dict[str, Any]], declared: Any = MEDICAL) -> ir.Table:
    return engine.table(pa.Table.from_pylist(rows, pa.schema(columns(declared).items())), f"{declared.name}_versions")


def line(claim: str, kind: str | None, paid: str, **values: Any) -> dict[str, Any]:
    day = dt.date(2021, 3, 1)
    return {
        "claim_id": claim, "claim_line_number": 1, "claim_type": "professional", "person_id": "A", "payer": "medicare",
        "plan": "medicare", "data_source": "s", "claim_start_date": day, "claim_end_date": day, "adjustment_type": kind,
        "claim_control_number": "K", "paid_amount": Decimal(paid), "charge_amount": Decimal(paid) * 2,
        "effective_date": day, "paid_date": day, "file_name": "f1", "file_date": day, **values,
    }  # fmt: skip


def netted(engine: Engine, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(engine.to_arrow(net_medical_claims(table(engine, rows))).to_pylist(), key=repr)


ORIGINAL, CANCELLATION = line("1", "0", "10.00"), line("2", "1", "10.00", effective_date=dt.date(2021, 4, 1))
ADJUSTMENT = line("3", "2", "7.50", effective_date=dt.date(2021, 4, 1))


def test_original_and_cancellation_are_nothing(duckdb_engine: Engine) -> None:
    assert netted(duckdb_engine, [CANCELLATION, ORIGINAL]) == []


def test_original_cancellation_and_adjustment_are_the_adjustment(engine: Engine) -> None:
    (row,) = netted(engine, [CANCELLATION, ORIGINAL, ADJUSTMENT])
    (adjustment,) = netted(engine, [ADJUSTMENT])
    assert row == {**adjustment, "versions": 3}
    assert row["is_utilization"]


def test_cancellation_with_the_highest_number_on_the_day_of_the_adjustment_does_not_win(duckdb_engine: Engine) -> None:
    (row,) = netted(duckdb_engine, [ORIGINAL, {**CANCELLATION, "claim_id": "9"}, ADJUSTMENT])
    assert (row["claim_id"], row["paid_amount"], row["is_utilization"]) == ("3", Decimal("7.50"), True)


def test_versions_under_one_number_and_day_are_told_by_what_they_are(duckdb_engine: Engine) -> None:
    versions = [line("1", kind, paid) for kind, paid in (("1", "10.00"), ("2", "7.50"), ("0", "10.00"))]
    (row,) = netted(duckdb_engine, versions)
    assert (row["paid_amount"], row["is_utilization"], row["adjustment_type"]) == (Decimal("7.50"), True, "2")


def test_adjustment_of_a_line_without_cancellation_adds_money_but_no_second_service(duckdb_engine: Engine) -> None:
    rows = netted(duckdb_engine, [ORIGINAL, {**ADJUSTMENT, "paid_amount": Decimal(1)}])
    assert {row["adjustment_type"]: row["is_utilization"] for row in rows} == {"0": False, "2": True}
    assert sum(row["paid_amount"] for row in rows) == 11


def test_two_claims_of_one_hospital_and_day_both_stand_until_one_is_cancelled(duckdb_engine: Engine) -> None:
    institutional = {"claim_type": "institutional", "claim_control_number": None, "facility_ccn": "010001"}
    other = {**ORIGINAL, **institutional, "claim_id": "7", "paid_amount": Decimal(40)}
    both = netted(duckdb_engine, [{**ORIGINAL, **institutional}, other])
    assert [row["is_utilization"] for row in both] == [True, True]
    (left,) = netted(duckdb_engine, [{**ORIGINAL, **institutional}, other, {**CANCELLATION, **institutional}])
    assert (left["claim_id"], left["paid_amount"]) == ("7", Decimal(40))


def test_cancellation_takes_back_the_whole_claim_and_not_lines_of_two(duckdb_engine: Engine) -> None:
    institutional = {"claim_type": "institutional", "claim_control_number": None, "facility_ccn": "010001"}
    second = {**institutional, "claim_line_number": 2}
    rows = [
        {**ORIGINAL, **institutional, "claim_id": "0"},
        {**ORIGINAL, **second, "claim_id": "0", "paid_amount": Decimal(3)},
        {**ORIGINAL, **institutional},
        {**ORIGINAL, **second, "paid_amount": Decimal(5)},
        {**CANCELLATION, **institutional},
        {**CANCELLATION, **second, "paid_amount": Decimal(5)},
        {**ADJUSTMENT, **institutional},
    ]
    found = sorted((row["claim_id"], row["claim_line_number"]) for row in netted(duckdb_engine, rows))
    assert found == [("0", 1), ("0", 2), ("3", 1)]


def test_denied_lines_are_not_netted_with_final_ones(duckdb_engine: Engine) -> None:
    rows = netted(duckdb_engine, [ORIGINAL, {**ADJUSTMENT, "claim_status": "denied"}])
    assert {row["claim_status"]: row["paid_amount"] for row in rows} == {None: Decimal(10), "denied": Decimal("7.50")}


def test_cancellation_whose_original_came_earlier_is_negative(duckdb_engine: Engine) -> None:
    (row,) = netted(duckdb_engine, [CANCELLATION])
    assert (row["paid_amount"], row["is_utilization"], row["versions"]) == (Decimal("-10.00"), False, 1)


def test_rows_without_a_type_pass_unchanged_even_twice(duckdb_engine: Engine) -> None:
    rows = [line("1", None, "10.00"), line("1", None, "10.00"), line("2", None, "-3.00")]
    found = netted(duckdb_engine, rows)
    assert sorted(row["paid_amount"] for row in found) == [Decimal(-3), Decimal(10), Decimal(10)]
    assert all(row["is_utilization"] and row["versions"] == 1 for row in found)


def test_of_copies_the_newest_file_is_kept_even_if_it_leaves_more_blank(duckdb_engine: Engine) -> None:
    first = {**ORIGINAL, "hcpcs_code": "A0021"}
    later = {**ORIGINAL, "file_name": "f2", "file_date": dt.date(2021, 5, 1), "hcpcs_code": None}
    (row,) = netted(duckdb_engine, [first, later])
    assert (row["file_name"], row["paid_amount"], row["versions"], row["hcpcs_code"]) == ("f2", Decimal(10), 1, None)


def test_pharmacy_claims_are_netted_alike(duckdb_engine: Engine) -> None:
    common = {"dispensing_date": dt.date(2021, 3, 1)}
    rows = [{**row, **common} for row in (ORIGINAL, CANCELLATION, ADJUSTMENT)]
    names = columns(PHARMACY)
    rows = [{name: row.get(name) for name in names} for row in rows]
    (row,) = duckdb_engine.to_arrow(net_pharmacy_claims(table(duckdb_engine, rows, PHARMACY))).to_pylist()
    assert (row["paid_amount"], row["is_utilization"], row["versions"]) == (Decimal("7.50"), True, 3)


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Claims of one to four versions, some untyped, in the order of delivery."""
    rows = []
    for number in range(draw(st.integers(1, 9))):
        paid = Decimal(draw(st.integers(-500, 5000))).scaleb(-2)
        kinds = draw(st.sampled_from([[None], ["0"], ["0", "1"], ["0", "1", "2"], ["0", "2"], ["1"]]))
        is_denied = draw(st.booleans())
        for place, kind in enumerate(kinds):
            rows.append(
                line(
                    f"{number}-{place}",
                    kind,
                    str(paid + place // 2),
                    claim_control_number=f"K{number}",
                    claim_status="denied" if is_denied else None,
                    paid_date=dt.date(2021, 4 + place, 1),
                    effective_date=draw(st.sampled_from([dt.date(2021, 4, 1), dt.date(2021, 5, 1), None])),
                    file_name=f"f{place}",
                    file_date=dt.date(2021, 4 + place, 1),
                )
            )
    return rows


@pytest.fixture(scope="module")
def one_thread() -> Any:
    opened = DuckDBEngine(threads=1)
    yield opened
    opened.close()


@settings(max_examples=10, deadline=None)
@given(rows=histories(), order=st.randoms(use_true_random=False))
def test_order_and_redelivery_change_nothing_and_money_is_the_signed_sum(
    one_thread: Engine, rows: list[dict[str, Any]], order: random.Random
) -> None:
    typed = [row for row in rows if row["adjustment_type"] is not None]
    shuffled = [*rows, *(row for row in typed if order.random() < 0.5)]
    order.shuffle(shuffled)
    found = netted(one_thread, shuffled)
    assert found == netted(one_thread, rows)
    signed = sum((-1 if row["adjustment_type"] == "1" else 1) * row["paid_amount"] for row in rows)
    assert sum(row["paid_amount"] for row in found) == signed


def test_payments_and_completion_by_lag(duckdb_engine: Engine) -> None:
    paid = [(1, "60.00"), (2, "30.00"), (4, "10.00")]
    rows = [
        line(f"{month}-{lag}", "0", amount, claim_control_number=f"{month}-{lag}",
             claim_start_date=dt.date(2021, month, 15), paid_date=dt.date(2021, month + lag, 3))
        for month in (1, 2) for lag, amount in paid
    ]  # fmt: skip
    rows += [line("denied", "0", "99.00", claim_status="denied", claim_control_number="D"), rows[0]]
    months = paid_by_month(table(duckdb_engine, rows))
    january = duckdb_engine.to_arrow(months.filter(months.incurred_month == dt.date(2021, 1, 1)).order_by("paid_month"))
    assert [str(month) for month in january["paid_month"].to_pylist()] == ["2021-02-01", "2021-03-01", "2021-05-01"]
    completion = duckdb_engine.to_arrow(completion_by_lag(months, 4)).to_pylist()
    assert [(row["lag"], row["paid_amount"], row["ultimate_amount"]) for row in completion] == [
        (1, Decimal(120), Decimal(200)), (2, Decimal(180), Decimal(200)), (4, Decimal(200), Decimal(200)),
    ]  # fmt: skip
    assert [row["ultimate_amount"] for row in duckdb_engine.to_arrow(completion_by_lag(months, 5)).to_pylist()] == [
        100
    ] * 3


def test_what_was_known_on_a_day_leaves_later_versions_out(duckdb_engine: Engine) -> None:
    late = {**CANCELLATION, "paid_date": dt.date(2021, 6, 1)}
    known = known_by(table(duckdb_engine, [ORIGINAL, late]), ibis.date(2021, 5, 31))
    (row,) = duckdb_engine.to_arrow(net_medical_claims(known)).to_pylist()
    assert (row["paid_amount"], row["is_utilization"]) == (Decimal(10), True)
