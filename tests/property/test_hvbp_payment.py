"""Payment under Hospital VBP: neutral to the cent, rising with the score, the same in any order and company.

Rounding: the slope keeps 14 decimals, the share per point 20, the percentage 16, an amount in dollars 10. Sums of
amounts are exact. So the incentives of hospitals with base payments of 100 billion dollars together differ from their
withholds by far less than the half cent that is asserted here.
"""

from __future__ import annotations

import random
from decimal import ROUND_HALF_UP, Decimal, localcontext
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openvbp.engine import DuckDBEngine, Engine
from openvbp.errors import InputDataError
from openvbp.programs.hvbp.payments import pay

HALF_A_CENT = Decimal("0.005")
SCHEMA = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("provider_id", pa.string()),
        ("total_performance_score", pa.decimal128(18, 12)),
        ("base_operating_drg_payment_amount", pa.decimal128(18, 2)),
        ("is_participating", pa.bool_()),
        ("status", pa.string()),
        ("status_reason", pa.string()),
        ("program_unverified", pa.string()),
        ("is_total_performance_score_computed", pa.bool_()),
        ("is_health_equity_adjustment_applied", pa.bool_()),
        ("total_performance_score_with_bonus", pa.decimal128(18, 12)),
        ("applicable_percent", pa.decimal128(7, 6)),
        ("maximum_total_performance_score", pa.decimal128(7, 2)),
        ("exchange_function_slope", pa.decimal128(20, 14)),
    ]
)
PERCENTS = st.sampled_from([Decimal(one) for one in ("0.01", "0.0125", "0.015", "0.0175", "0.02", "1", "0.000001")])
SCORES = st.one_of(st.just(Decimal(0)), st.just(Decimal(100)), st.decimals(Decimal(0), Decimal(100), places=12))
AMOUNTS = st.decimals(Decimal(0), Decimal(2_000_000_000), places=2)
HOSPITALS = st.lists(st.tuples(SCORES, AMOUNTS, st.booleans()), min_size=1, max_size=40)
Row = dict[str, Any]


@pytest.fixture(scope="module")
def duckdb_one_thread() -> Engine:
    return DuckDBEngine(threads=1)


def rows_of(
    hospitals: list[tuple[Decimal, Decimal, bool]], percent: Decimal, slope: Decimal | None = None, highest: int = 100
) -> list[Row]:
    """Hospitals of one scenario; a large one with a middling score keeps the slope in the range of real ones."""
    largest = max(Decimal(1), *(amount for _, amount, _ in hospitals))
    return [
        {
            "scenario_id": "actual",
            "provider_id": f"99{number:04d}",
            "total_performance_score": score,
            "base_operating_drg_payment_amount": amount,
            "is_participating": takes_part,
            "status": "scored" if takes_part else "excluded",
            "is_total_performance_score_computed": True,
            "is_health_equity_adjustment_applied": False,
            "applicable_percent": percent,
            "maximum_total_performance_score": Decimal(highest),
            "exchange_function_slope": slope,
        }
        for number, (score, amount, takes_part) in enumerate([*hospitals, (Decimal(50), largest, True)])
    ]


def paid(engine: Engine, rows: list[Row]) -> list[Row]:
    table = engine.table(pa.Table.from_pylist(rows, schema=SCHEMA), "hospitals")
    return engine.to_arrow(pay(engine, table).order_by("provider_id")).to_pylist()


def total(rows: list[Row], column: str) -> Decimal:
    with localcontext(prec=60):
        return sum((row[column] for row in rows if row[column] is not None), Decimal(0))


@settings(max_examples=15, deadline=None)
@given(hospitals=HOSPITALS, percent=PERCENTS)
def test_incentives_equal_withholds_to_the_cent(duckdb_one_thread: Engine, hospitals: list, percent: Decimal) -> None:
    rows = paid(duckdb_one_thread, rows_of(hospitals, percent))
    incentives, withholds = (
        total(rows, column) for column in ("value_based_incentive_payment_amount", "withheld_amount")
    )
    assert abs(incentives - withholds) < HALF_A_CENT
    assert total(rows, "net_payment_change") == incentives - withholds
    for row in rows:
        if row["is_participating"]:
            exact = row["applicable_percent"] * row["base_operating_drg_payment_amount"]
            assert row["withheld_amount"] == exact
            assert row["value_based_incentive_payment_amount"] >= 0
        else:
            assert row["value_based_incentive_payment_amount"] is row["withheld_amount"] is None


@settings(max_examples=10, deadline=None)
@given(hospitals=HOSPITALS, percent=PERCENTS)
def test_factor_rises_with_the_score(duckdb_one_thread: Engine, hospitals: list, percent: Decimal) -> None:
    rows = [row for row in paid(duckdb_one_thread, rows_of(hospitals, percent)) if row["is_participating"]]
    rows.sort(key=lambda row: row["total_performance_score"])
    for column in ("value_based_incentive_payment_percentage", "value_based_incentive_payment_adjustment_factor"):
        values = [row[column] for row in rows]
        assert values == sorted(values)
    for lower, higher in pairwise(rows):
        if lower["total_performance_score"] == higher["total_performance_score"]:
            assert lower["net_percentage"] == higher["net_percentage"]
    tenth = Decimal("1e-10")
    for row in rows:
        factor = (1 + row["net_percentage"]).quantize(tenth, ROUND_HALF_UP)
        assert row["value_based_incentive_payment_adjustment_factor"] == factor
        assert row["net_percentage"] >= -percent


@settings(max_examples=6, deadline=None)
@given(hospitals=HOSPITALS, percent=PERCENTS, order=st.randoms(use_true_random=False))
def test_order_of_hospitals_and_those_outside_do_not_matter(
    duckdb_one_thread: Engine, hospitals: list, percent: Decimal, order: Any
) -> None:
    rows = rows_of(hospitals, percent)
    expected = [row for row in paid(duckdb_one_thread, rows) if row["is_participating"]]
    # Hospitals outside the program are taken away, the others shuffled.
    inside = [row for row in rows if row["is_participating"]]
    order.shuffle(inside)
    assert paid(duckdb_one_thread, inside) == expected


@settings(max_examples=6, deadline=None)
@given(hospitals=HOSPITALS, percent=PERCENTS, cut=st.integers(0, 40))
def test_with_a_given_slope_every_hospital_stands_alone(
    duckdb_one_thread: Engine, hospitals: list, percent: Decimal, cut: int
) -> None:
    rows = rows_of(hospitals, percent, slope=Decimal("2.83729"))
    expected = paid(duckdb_one_thread, rows)
    parts = [part for part in (rows[:cut], rows[cut:]) if part]
    assert [row for part in parts for row in paid(duckdb_one_thread, part)] == expected


@settings(max_examples=6, deadline=None)
@given(hospitals=HOSPITALS, percent=PERCENTS)
def test_the_maximum_score_cancels(duckdb_one_thread: Engine, hospitals: list, percent: Decimal) -> None:
    hundred, more = (paid(duckdb_one_thread, rows_of(hospitals, percent, highest=highest)) for highest in (100, 110))
    for one, other in zip(hundred, more, strict=True):
        if one["is_participating"]:
            assert abs(one["net_percentage"] - other["net_percentage"]) <= Decimal("2e-14")


@pytest.mark.spark
def test_engines_pay_alike(duckdb_one_thread: Engine, spark_engine: Engine) -> None:
    """To the last decimal, also with amounts of trillions."""
    chance = random.Random(412)
    hospitals = [
        (
            Decimal(chance.randrange(10**14 + 1)).scaleb(-12),
            Decimal(chance.randrange(10 ** chance.randrange(1, 16))).scaleb(-2),
            chance.random() < 0.9,
        )
        for _ in range(200)
    ]
    rows = rows_of(hospitals, Decimal("0.02"))
    expected = paid(duckdb_one_thread, rows)
    assert paid(spark_engine, rows) == expected
    assert sum(row["value_based_incentive_payment_amount"] is not None for row in expected) > 100


def test_amounts_of_a_part_of_the_hospitals_are_refused(duckdb_one_thread: Engine) -> None:
    rows = rows_of([(Decimal(30), Decimal(1000), True)], Decimal("0.02"))
    rows[0]["base_operating_drg_payment_amount"] = None
    with pytest.raises(InputDataError, match="missing for a part of the hospitals") as raised:
        paid(duckdb_one_thread, rows)
    assert "1 of 2 hospitals" in str(raised.value)


def test_no_score_above_zero_has_no_neutral_slope(duckdb_one_thread: Engine) -> None:
    rows = rows_of([(Decimal(0), Decimal(1000), True)], Decimal("0.02"))[:1]
    with pytest.raises(InputDataError, match="no slope can be neutral"):
        paid(duckdb_one_thread, rows)


def test_without_any_amount_no_percentage_is_made_up(duckdb_one_thread: Engine) -> None:
    rows = rows_of([(Decimal(30), Decimal(1000), True)], Decimal("0.02"))
    for row in rows:
        row["base_operating_drg_payment_amount"] = None
    for row in paid(duckdb_one_thread, rows):
        assert row["value_based_incentive_payment_percentage"] is None
        assert row["payment_status"] == "not_determinable"
