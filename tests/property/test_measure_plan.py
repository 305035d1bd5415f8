"""The plan against the row-by-row interpreter: random definitions on random patients, on both engines."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measure_random import SETS, measure, population
from openvbp.engine import Engine
from openvbp.measures.event_data import from_rows
from openvbp.measures.interpreter import interpret, subjects_of
from openvbp.measures.measure import Measure
from openvbp.measures.plan import evaluate
from openvbp.measures.statuses import OUTSIDE, STATUSES
from openvbp.periods import Period, parse_any_period

PERIODS = (parse_any_period("CY2024"), parse_any_period("2023-07..2024-06"))
Outcomes = dict[tuple[str, str, str, str | None], Any]


def by_plan(engine: Engine, measures: list[Measure], rows: Any, periods: tuple[Period, ...]) -> Outcomes:
    persons, happened, spans = rows
    found: Outcomes = {}
    for evaluated in evaluate(from_rows(engine, persons, happened, spans), measures, SETS, periods):
        for row in engine.to_arrow(evaluated.table).to_pylist():
            for number, one in enumerate(evaluated.measures):
                values = row.get(f"numerator_value_{number}"), row.get(f"denominator_value_{number}")
                key = one.id, periods[row["period"]].label, row["person_id"], row["index_event_id"]
                if row[f"status_{number}"] != OUTSIDE:
                    found[key] = (STATUSES[row[f"status_{number}"]], *values)
    return found


def by_interpreter(measures: list[Measure], rows: Any, periods: tuple[Period, ...]) -> Outcomes:
    persons, happened, spans = rows
    found: Outcomes = {}
    for period in periods:
        for one in measures:
            for subject in subjects_of(one, persons, happened, spans, period, SETS):
                result = interpret(one, subject, SETS)
                index = subject.index["event_id"] if subject.index else None
                values = result.numerator_value, result.denominator_value
                if result.status == "outside":
                    continue
                found[one.id, period.label, subject.person["person_id"], index] = (result.status, *values)
    return found


def demand_equal(engine: Engine, seed: int, persons: int, count: int) -> None:
    chance = random.Random(seed)
    measures = [measure(chance, f"measure {number}") for number in range(count)]
    rows = population(chance, persons)
    ours, theirs = by_plan(engine, measures, rows, PERIODS), by_interpreter(measures, rows, PERIODS)
    differing = {key: (ours.get(key), theirs.get(key)) for key in {*ours, *theirs} if ours.get(key) != theirs.get(key)}
    assert not differing
    assert theirs


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_plan_equals_the_interpreter(duckdb_engine: Engine, seed: int) -> None:
    demand_equal(duckdb_engine, seed, persons=60, count=5)


@pytest.mark.spark
def test_plan_equals_the_interpreter_on_spark(spark_engine: Engine) -> None:
    demand_equal(spark_engine, seed=7, persons=40, count=2)


def test_order_of_rows_and_of_measures_does_not_matter(duckdb_engine: Engine) -> None:
    chance = random.Random(11)
    measures = [measure(chance, f"measure {number}") for number in range(4)]
    persons, happened, spans = population(chance, 30)
    first = by_plan(duckdb_engine, measures, (persons, happened, spans), PERIODS)
    for rows in (persons, spans, *happened.values(), measures):
        chance.shuffle(rows)
    assert by_plan(duckdb_engine, measures, (persons, happened, spans), PERIODS) == first
