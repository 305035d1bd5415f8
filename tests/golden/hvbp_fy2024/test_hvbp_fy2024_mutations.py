"""The comparison with FY2024 fails as soon as a formula is a little wrong.

Each mutation changes one formula of the program and scores all hospitals again with the program's own rules. How many
measure scores become wrong is known; that it is few for some of them is why only full equality proves anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pytest
from published_scores import Numbers, differences, published_numbers

from conftest import published_data
from openvbp import money
from openvbp.engine import Engine
from openvbp.parameters import load_parameters
from openvbp.programs import program
from openvbp.programs.hvbp.scenario_tables import measure_parameters
from openvbp.programs.hvbp.scores import score_measures
from openvbp.run_folder import RunFolder
from openvbp.scoring import achievement

Patch = Callable[[pytest.MonkeyPatch], None]


@ibis.udf.scalar.builtin
def round_even(value: float, decimals: int) -> float:  # type: ignore[empty-body]
    """DuckDB's rounding of halves to the even neighbour, as Python's built-in ``round`` does it."""


def half_even_quotient(dividend: ir.IntegerValue, divisor: ir.IntegerValue, plus_halves: int = 0) -> ir.IntegerValue:
    up = money.floor_quotient(dividend * 2 + divisor * (plus_halves + 1), divisor * 2)
    is_half = (dividend * 2 + divisor * plus_halves) % (divisor * 2) == divisor
    return ibis.ifelse(is_half & (up % 2 == 1), up - 1, up)


def floored_quotient(dividend: ir.IntegerValue, divisor: ir.IntegerValue, plus_halves: int = 0) -> ir.IntegerValue:
    # Floored, 10 * x - 0.5 may be below zero: no improvement points.
    whole = dividend * 2 + divisor * plus_halves
    return ibis.ifelse(whole < 0, 0, money.floor_quotient(ibis.greatest(whole, 0), divisor * 2))


def in_floats(patch: pytest.MonkeyPatch) -> None:
    def oriented(rate: ir.DecimalValue, is_higher_better: ir.BooleanValue) -> ir.FloatingValue:
        number = rate.cast("float64")
        return ibis.ifelse(is_higher_better, number, -number)

    def rounded(dividend: ir.FloatingValue, divisor: ir.FloatingValue, plus_halves: int = 0) -> ir.IntegerValue:
        return ibis.greatest(round_even(dividend / divisor + plus_halves / 2, 0), 0).cast("int64")

    patch.setattr(achievement, "oriented", oriented)
    patch.setattr(money, "round_half_up_quotient", rounded)


def without_the_half(patch: pytest.MonkeyPatch) -> None:
    exact = money.round_half_up_quotient

    def quotient(dividend: ir.IntegerValue, divisor: ir.IntegerValue, plus_halves: int = 0) -> ir.IntegerValue:
        return exact(dividend, divisor, plus_halves=min(plus_halves, 0))

    patch.setattr(money, "round_half_up_quotient", quotient)


def strictly_above_the_threshold(patch: pytest.MonkeyPatch) -> None:
    exact = achievement.achievement_points

    def points(rate: ir.IntegerValue, threshold: ir.IntegerValue, benchmark: ir.IntegerValue) -> ir.IntegerValue:
        return ibis.ifelse((rate == threshold) & (rate < benchmark), 0, exact(rate, threshold, benchmark))

    patch.setattr(achievement, "achievement_points", points)


def without_improvement(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        achievement, "improvement_points", lambda rate, baseline, benchmark: ibis.ifelse(rate.notnull(), 0, 0)
    )


def no_improvement_beyond_the_benchmark(patch: pytest.MonkeyPatch) -> None:
    exact = achievement.improvement_points

    def points(rate: ir.IntegerValue, baseline: ir.IntegerValue, benchmark: ir.IntegerValue) -> ir.IntegerValue:
        return ibis.ifelse(baseline >= benchmark, 0, exact(rate, baseline, benchmark))

    patch.setattr(achievement, "improvement_points", points)


@dataclass(frozen=True)
class Mutation:
    """A wrong formula and how many numbers it gets wrong."""

    name: str
    patch: Patch
    wrong_scores: int
    wrong_achievement: int
    wrong_improvement: int


MUTATIONS = (
    Mutation("as it is", lambda _: None, 0, 0, 0),
    Mutation(
        "halves to the even number",
        lambda patch: patch.setattr(money, "round_half_up_quotient", half_even_quotient),
        9,
        12,
        7,
    ),
    Mutation("binary floats and built-in rounding", in_floats, 10, 12, 6),
    Mutation(
        "rounded down",
        lambda patch: patch.setattr(money, "round_half_up_quotient", floored_quotient),
        8_710,
        7_042,
        5_066,
    ),
    Mutation("no half point added", without_the_half, 5_205, 7_042, 0),
    Mutation("strictly above the threshold", strictly_above_the_threshold, 5, 11, 0),
    Mutation("no improvement points", without_improvement, 5_464, 0, 10_508),
    Mutation("no improvement beyond the benchmark", no_improvement_beyond_the_benchmark, 0, 0, 67),
)


@pytest.fixture(scope="module")
def published() -> Numbers:
    numbers = published_numbers()
    points = ("achievement_points", "improvement_points", "measure_points")
    return {key: value for key, value in numbers.items() if key[1] in points}


@pytest.fixture(scope="module")
def tables(hvbp_fy2024: RunFolder, duckdb_engine: Engine) -> tuple[ir.Table, ir.Table]:
    """What the measure rules work on: the rates of the run, and the parameters with the files' standards."""
    hvbp = program("hvbp")
    declared = load_parameters(hvbp.parameters_file)
    inputs = hvbp.read(published_data("hospital", "hvbp", "fy2024"), declared.in_force(declared.period("FY2024")))
    parameters = measure_parameters([inputs.rules_in_force], set(inputs.content.measures_with_points))
    rates = duckdb_engine.read_parquet(hvbp_fy2024.path / "input" / "measure_input.parquet", "mutated_input")
    return rates, duckdb_engine.table(parameters, "mutated_parameter")


def scored(engine: Engine, tables: tuple[ir.Table, ir.Table]) -> Numbers:
    measures = score_measures(*tables)
    columns = ("achievement_points", "improvement_points", "measure_points")
    rows = engine.to_arrow(measures.filter(~measures.is_combination).select("provider_id", "measure_id", *columns))
    return {
        (row["provider_id"], column, row["measure_id"]): row[column]
        for row in rows.to_pylist()
        for column in columns
        if row[column] is not None
    }


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_a_wrong_formula_is_found(
    mutation: Mutation,
    tables: tuple[ir.Table, ir.Table],
    published: Numbers,
    duckdb_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mutation.patch(monkeypatch)
    found = differences(scored(duckdb_engine, tables), published)
    wrong = [quantity for _, quantity, _ in found]
    assert {one: wrong.count(one) for one in ("measure_points", "achievement_points", "improvement_points")} == {
        "measure_points": mutation.wrong_scores,
        "achievement_points": mutation.wrong_achievement,
        "improvement_points": mutation.wrong_improvement,
    }
