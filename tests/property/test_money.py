"""Division and rounding are those of exact fractions, within the documented bounds, on every engine."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction
from math import floor

import ibis.expr.types as ir
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openvbp import money
from openvbp.engine import DuckDBEngine, Engine

QUOTIENT = 2**50
"""Largest quotient for which the documentation promises exactness."""
DOUBLED = 2**62
"""Dividends and divisors below a quarter of 64 bits: rounding doubles them."""
DIVISOR = 4 * 10**12
"""Largest divisor of a division to decimals."""


@pytest.fixture(scope="module")
def duckdb_one_thread() -> Engine:
    return DuckDBEngine(threads=1)


@st.composite
def quotients(draw: st.DrawFn, largest_divisor: int, largest_quotient: int) -> tuple[int, int]:
    """Dividend and divisor; often next to a whole number or a half, where rounding errs first."""
    divisor = draw(st.integers(1, largest_divisor))
    most = min(largest_quotient, DOUBLED // 4 // divisor)
    halves = draw(st.integers(0, 2 * most))
    near = halves * divisor // 2 + draw(st.integers(-1, 1))
    dividend = draw(st.sampled_from([near, draw(st.integers(0, most * divisor))]))
    return max(dividend, 0), divisor


def pairs(engine: Engine, numbers: list[tuple[int, int]]) -> ir.Table:
    rows = pa.table(
        {
            "id": pa.array(range(len(numbers)), pa.int64()),
            "dividend": pa.array([one for one, _ in numbers], pa.int64()),
            "divisor": pa.array([one for _, one in numbers], pa.int64()),
        }
    )
    return engine.table(rows, "pairs")


def fetch(engine: Engine, rows: ir.Table, **values: ir.Value) -> dict[str, list]:
    return engine.to_arrow(rows.select("id", **values).order_by("id")).drop("id").to_pydict()


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def check_quotients(engine: Engine, numbers: list[tuple[int, int]]) -> None:
    rows = pairs(engine, numbers)
    fractions = [Fraction(*one) for one in numbers]
    halves = {"minus_a_half": -1, "as_it_is": 0, "plus_a_half": 1}
    expected = {name: [half_up(one + Fraction(plus, 2)) for one in fractions] for name, plus in halves.items()}
    rounded = {
        name: money.round_half_up_quotient(rows.dividend, rows.divisor, plus_halves=plus)
        for name, plus in halves.items()
    }
    expected["floor"] = [floor(one) for one in fractions]
    assert fetch(engine, rows, **rounded, floor=money.floor_quotient(rows.dividend, rows.divisor)) == expected


def check_decimals(engine: Engine, numbers: list[tuple[int, int]]) -> None:
    rows = pairs(engine, numbers)
    places = {"six": 6, "twelve": 12}
    divided = {name: money.divide_half_up(rows.dividend, rows.divisor, places[name]) for name in places}
    assert fetch(engine, rows, **divided) == {
        name: [Decimal(half_up(Fraction(*one) * 10**many)).scaleb(-many) for one in numbers]
        for name, many in places.items()
    }


@settings(max_examples=15, deadline=None)
@given(numbers=st.lists(quotients(2**40, QUOTIENT), min_size=20, max_size=60))
def test_quotients_are_those_of_fractions(duckdb_one_thread: Engine, numbers: list[tuple[int, int]]) -> None:
    check_quotients(duckdb_one_thread, numbers)


@settings(max_examples=15, deadline=None)
@given(numbers=st.lists(quotients(DIVISOR - 1, 10**6 - 2), min_size=20, max_size=60))
def test_decimals_are_those_of_fractions(duckdb_one_thread: Engine, numbers: list[tuple[int, int]]) -> None:
    check_decimals(duckdb_one_thread, numbers)


@settings(max_examples=15, deadline=None)
@given(
    rates=st.lists(st.decimals(Decimal(-99999), Decimal(99999), places=money.RATE_DECIMALS), min_size=20, max_size=60)
)
def test_units_and_back_is_the_same_rate(duckdb_one_thread: Engine, rates: list[Decimal]) -> None:
    check_units(duckdb_one_thread, rates)


def check_units(engine: Engine, rates: list[Decimal]) -> None:
    column = pa.array(rates, pa.decimal128(18, money.RATE_DECIMALS))
    rows = engine.table(pa.table({"id": pa.array(range(len(rates)), pa.int64()), "rate": column}), "rates")
    units = money.in_units(rows.rate, money.RATE_DECIMALS)
    assert fetch(engine, rows, units=units, rate=money.from_units(units, money.RATE_DECIMALS)) == {
        "units": [int(rate.scaleb(money.RATE_DECIMALS)) for rate in rates],
        "rate": rates,
    }


def test_engines_agree_with_fractions_on_many_numbers(engine: Engine) -> None:
    chance = random.Random(412)
    numbers, small = [], []
    for _ in range(3000):
        divisor = chance.randrange(1, 10 ** chance.randrange(1, 13))
        numbers.append((min(divisor * chance.randrange(QUOTIENT) // 2, DOUBLED // 4), divisor))
        small.append((divisor * chance.randrange(2 * 10**6 - 4) // 2, divisor))
    check_quotients(engine, numbers)
    check_decimals(engine, small)
    check_units(engine, [Decimal(chance.randrange(-(10**15) + 1, 10**15)).scaleb(-10) for _ in range(3000)])


def test_division_by_zero_or_of_nothing_is_missing(engine: Engine) -> None:
    rows = pairs(engine, [(7, 0), (0, 0), (None, 3), (7, None)])  # type: ignore[list-item]
    values = {
        "floor": money.floor_quotient(rows.dividend, rows.divisor),
        "rounded": money.round_half_up_quotient(rows.dividend, rows.divisor, plus_halves=1),
        "decimals": money.divide_half_up(rows.dividend, rows.divisor),
    }
    assert fetch(engine, rows, **values) == dict.fromkeys(values, [None] * 4)


def test_whole_numbers_are_summed_to_64_bits(engine: Engine) -> None:
    rows = pairs(engine, [(2**52, 1), (2**52, 1), (1, 1)])
    total = engine.to_arrow(rows.aggregate(total=money.whole_sum(rows.dividend)))
    assert total["total"].type == pa.int64()
    assert total["total"].to_pylist() == [2**53 + 1]


def test_decimals_that_long_division_cannot_give_are_refused(duckdb_one_thread: Engine) -> None:
    rows = pairs(duckdb_one_thread, [(1, 3)])
    with pytest.raises(ValueError, match="multiple of 6"):
        money.divide_half_up(rows.dividend, rows.divisor, 10)
