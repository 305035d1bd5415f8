"""Operands in columns of their own change the length of the SQL, not what is computed, on every engine."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from openvbp.engine import DuckDBEngine, Engine
from openvbp.operands import computed_once

ROWS = pa.table({"group": ["a", "a", "b", "b", "b"], "x": [1, 2, 3, None, 5], "y": [7, 0, 2, 4, None]})


def nested(table: ir.Table, depth: int) -> ir.Table:
    """Each step uses the step before three times, once in a condition."""
    value = table.x - table.x.sum().over(ibis.window(group_by="group"))
    for step in range(depth):
        value = ibis.ifelse(value > step, value % 1000 - table.y, value + 2 * step)
    return table.mutate(value=value, other=value + table.x)


def test_sql_grows_with_the_formula_and_not_with_its_branches() -> None:
    table = ibis.table({"group": "string", "x": "int64", "y": "int64"}, name="rows")
    once, before = (
        [len(ibis.to_sql(form(nested(table, depth)))) for depth in (3, 6)] for form in (computed_once, _same)
    )
    assert before[1] > 10 * before[0]
    assert once[1] < 4 * once[0]


def _same(table: ir.Table) -> ir.Table:
    return table


def test_columns_order_and_values_stay(engine: Engine) -> None:
    table = nested(engine.table(ROWS, "operand_rows"), 3)
    once = computed_once(table)
    assert once.columns == table.columns
    order = ["group", "x", "y"]
    assert engine.to_arrow(once.order_by(order)).equals(engine.to_arrow(table.order_by(order)))


@st.composite
def formulas(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """Steps of a calculation: an operation on two of the values before."""
    kinds = st.sampled_from(["+", "-", "choose", "window", "missing"])
    return [
        (draw(kinds), draw(st.integers(0, at + 1)), draw(st.integers(0, at + 1)))
        for at in range(draw(st.integers(1, 8)))
    ]


def calculate(table: ir.Table, steps: list[tuple[str, int, int]]) -> ir.Table:
    in_group = table.x.count().over(ibis.window(group_by=table.group))
    values: list[Any] = [table.x, table.y]
    for kind, one, other in steps:
        left, right = values[one], values[other]
        made = {
            "+": lambda left, right: (left % 97 + right % 89).cast("int64"),
            "-": lambda left, right: (left % 97 - right % 89).cast("int64"),
            "choose": lambda left, right: ibis.ifelse(left > right, right, left),
            # A window over a window is no SQL.
            "window": lambda left, right: ibis.coalesce(left, right) % 97 + in_group,
            "missing": lambda left, right: left.nullif(right),
        }[kind](left, right)
        values.append(made)
    return table.mutate(**{f"value_{number}": value for number, value in enumerate(values[-2:])})


@settings(max_examples=25, deadline=None)
@given(steps=formulas())
def test_any_formula_gives_the_same(steps: list[tuple[str, int, int]]) -> None:
    engine = DuckDBEngine(threads=1)
    try:
        table = calculate(engine.table(ROWS, "operand_rows"), steps)
        order = ["group", "x", "y"]
        given_once, expected = (engine.to_arrow(form(table).order_by(order)) for form in (computed_once, _same))
        assert given_once.equals(expected)
    finally:
        engine.close()
