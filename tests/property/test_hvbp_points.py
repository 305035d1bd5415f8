"""Points under Hospital VBP: a better rate never gets fewer points, and all points are those of exact fractions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openvbp.engine import DuckDBEngine, Engine
from openvbp.programs.hvbp import rules

RATE = pa.decimal128(18, 10)
SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        *(
            (name, RATE)
            for name in ("performance_rate", "baseline_rate", "achievement_threshold", "benchmark", "floor")
        ),
        *((name, pa.bool_()) for name in ("is_higher_better", "is_measure_scored", "has_published_points")),
        *((name, pa.decimal128(18, 4)) for name in ("baseline_cases", "minimum_cases")),
        *((name, pa.int64()) for name in ("published_achievement_points", "published_improvement_points")),
    ]
)
COLUMNS = ("achievement_points", "improvement_points", "measure_points", "dimension_consistency_points")
Row = dict[str, Any]
GRID = 400
"""Rates are whole multiples of one part in so many: ties with thresholds and halves happen all the time."""


@pytest.fixture(scope="module")
def duckdb_one_thread() -> Engine:
    return DuckDBEngine(threads=1)


@st.composite
def standards(draw: st.DrawFn) -> dict[str, Decimal]:
    """Floor, threshold and benchmark of a measure of which higher is better."""
    low, middle, high = sorted(draw(st.lists(st.integers(0, GRID), min_size=3, max_size=3, unique=True)))
    scale = draw(st.sampled_from([Decimal("0.0025"), Decimal("0.0007131"), Decimal("0.1")]))
    return {"floor": low * scale, "achievement_threshold": middle * scale, "benchmark": high * scale, "scale": scale}


def points(engine: Engine, rows: list[Row]) -> list[Row]:
    given = {
        "is_higher_better": True,
        "is_measure_scored": True,
        "has_published_points": False,
        "baseline_cases": Decimal(30),
        "minimum_cases": Decimal(25),
    }
    table = pa.Table.from_pylist([{**given, **row, "id": number} for number, row in enumerate(rows)], schema=SCHEMA)
    measures = engine.table(table, "measures")
    for rule in (
        rules.achievement_points,
        rules.improvement_points,
        rules.measure_points,
        rules.dimension_consistency_points,
    ):
        measures = rule(measures)
    return engine.to_arrow(measures.order_by("id").select(*COLUMNS)).to_pylist()


def half_up(number: Fraction) -> int:
    return floor(number + Fraction(1, 2))


def by_fractions(row: Row) -> Row:
    """The formulas written with Python's fractions."""
    rate, base, low, threshold, best = (
        Fraction(row[name])
        for name in ("performance_rate", "baseline_rate", "floor", "achievement_threshold", "benchmark")
    )
    achieved = half_up(9 * (rate - threshold) / (best - threshold) + Fraction(1, 2))
    achieved = 10 if rate >= best else 0 if rate < threshold else achieved
    if rate <= base:
        improved = 0
    elif rate >= best:
        improved = 9
    else:
        improved = min(9, half_up(10 * (rate - base) / (best - base) - Fraction(1, 2)))
    lowest = (rate - low) / (threshold - low)
    consistency = 20 if lowest >= 1 else 0 if lowest < 0 else half_up(20 * lowest - Fraction(1, 2))
    return dict(zip(COLUMNS, (achieved, improved, max(achieved, improved), consistency), strict=True))


RATES = st.lists(st.integers(0, GRID), min_size=30, max_size=60)


@settings(max_examples=12, deadline=None)
@given(standard=standards(), rates=RATES, bases=RATES)
def test_points_are_those_of_fractions(
    duckdb_one_thread: Engine, standard: dict[str, Decimal], rates: list[int], bases: list[int]
) -> None:
    scale = standard.pop("scale")
    rows = [
        {**standard, "performance_rate": rate * scale, "baseline_rate": base * scale}
        for rate, base in zip(rates, bases, strict=False)
    ]
    assert points(duckdb_one_thread, rows) == [by_fractions(row) for row in rows]


@settings(max_examples=6, deadline=None)
@given(standard=standards(), base=st.integers(0, GRID))
def test_a_better_rate_never_gets_fewer_points(
    duckdb_one_thread: Engine, standard: dict[str, Decimal], base: int
) -> None:
    scale = standard.pop("scale")
    rows = [
        {**standard, "performance_rate": rate * scale, "baseline_rate": base * scale} for rate in range(0, GRID + 1, 3)
    ]
    found = points(duckdb_one_thread, rows)
    most = dict(zip(COLUMNS, (10, 9, 10, 20), strict=True))
    for column in COLUMNS:
        values = [row[column] for row in found]
        assert values == sorted(values), column
        assert min(values) >= 0
        assert max(values) <= most[column]


@settings(max_examples=6, deadline=None)
@given(standard=standards(), rate=st.integers(0, GRID))
def test_a_worse_baseline_never_gets_fewer_points(
    duckdb_one_thread: Engine, standard: dict[str, Decimal], rate: int
) -> None:
    scale = standard.pop("scale")
    rows = [
        {**standard, "performance_rate": rate * scale, "baseline_rate": base * scale} for base in range(0, GRID + 1, 3)
    ]
    found = [row["improvement_points"] for row in points(duckdb_one_thread, rows)]
    assert found == sorted(found, reverse=True)


@settings(max_examples=6, deadline=None)
@given(standard=standards(), rates=RATES, bases=RATES)
def test_lower_is_better_is_the_mirror_image(
    duckdb_one_thread: Engine, standard: dict[str, Decimal], rates: list[int], bases: list[int]
) -> None:
    """A rate of 0.3 of which less is better gets what 0.7 of which more is better gets."""
    scale = standard.pop("scale")
    rows = [
        {**standard, "performance_rate": rate * scale, "baseline_rate": base * scale}
        for rate, base in zip(rates, bases, strict=False)
    ]
    top = GRID * scale
    mirrored = [{**{name: top - value for name, value in row.items()}, "is_higher_better": False} for row in rows]
    columns = COLUMNS[:3]
    assert [{one: row[one] for one in columns} for row in points(duckdb_one_thread, mirrored)] == [
        {one: row[one] for one in columns} for row in points(duckdb_one_thread, rows)
    ]
