"""Points, prevalence factors and quotients on random practices."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import ibis
import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from openvbp.engine import DuckDBEngine
from openvbp.programs.qof import quotients, rules

FEW = settings(
    max_examples=5,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
MEASURES = pa.schema(
    [
        ("row", pa.int64()),
        ("numerator", pa.int64()),
        ("denominator", pa.int64()),
        ("lower_threshold", pa.decimal128(18, 10)),
        ("upper_threshold", pa.decimal128(18, 10)),
        ("available_points", pa.decimal128(18, 4)),
        ("zero_denominator_pays", pa.bool_()),
    ]
)


@st.composite
def rows_of_measures(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Counts of practices small and huge, with thresholds of hundredths that may be one."""
    rows = []
    for number in range(draw(st.integers(1, 40))):
        denominator = draw(st.one_of(st.integers(0, 30), st.integers(0, 100_000)))
        lower = draw(st.integers(0, 100))
        rows.append(
            {
                "row": number,
                "numerator": draw(st.integers(0, denominator)),
                "denominator": denominator,
                "lower_threshold": Decimal(lower) / 100,
                "upper_threshold": Decimal(draw(st.integers(lower, 100))) / 100,
                "available_points": Decimal(draw(st.integers(1, 200))) / 2,
                "zero_denominator_pays": draw(st.booleans()),
            }
        )
    return rows


def expected_points(row: dict[str, Any]) -> Fraction:
    lower, upper, most = (Fraction(row[name]) for name in ("lower_threshold", "upper_threshold", "available_points"))
    if not row["denominator"]:
        return most if row["zero_denominator_pays"] else Fraction(0)
    rate = Fraction(row["numerator"], row["denominator"])
    if rate >= upper:
        return most
    return Fraction(0) if rate <= lower else (rate - lower) / (upper - lower) * most


@FEW
@given(rows_of_measures())
def test_points_are_the_exact_fraction(duckdb_engine: DuckDBEngine, rows: list[dict[str, Any]]) -> None:
    table = duckdb_engine.table(pa.Table.from_pylist(rows, schema=MEASURES), "qof_measures")
    points = duckdb_engine.to_arrow(rules.formula_points(table).select("row", "formula_points")).to_pylist()
    found = {one["row"]: one["formula_points"] for one in points}
    for row in rows:
        assert 0 <= found[row["row"]] <= row["available_points"]
        assert abs(Fraction(found[row["row"]]) - expected_points(row)) <= Fraction(1, 2 * 10**12)


@FEW
@given(st.lists(st.tuples(st.integers(0, 60_000), st.integers(1, 100_000)), min_size=1, max_size=60))
def test_shares_and_factors_keep_fifteen_decimals(duckdb_engine: DuckDBEngine, pairs: list[tuple[int, int]]) -> None:
    rows = [
        {"part": min(part, whole), "whole": whole, "other": min(part * 2 + 100, whole * 9)} for part, whole in pairs
    ]
    table = duckdb_engine.table(pa.Table.from_pylist(rows), "qof_parts")
    shares = table.mutate(
        share=quotients.share(table.part, table.whole), divisor=quotients.share(table.other, table.whole)
    )
    shares = duckdb_engine.compute(shares, "qof_shares")
    factors = shares.mutate(factor=quotients.quotient(shares.share, shares.divisor))
    for row in duckdb_engine.to_arrow(factors).to_pylist():
        share = Fraction(row["part"], row["whole"])
        assert 0 <= share - Fraction(row["share"]) < Fraction(1, 10**18)
        if row["divisor"] >= Decimal("0.001"):
            exact = Fraction(row["share"]) / Fraction(row["divisor"])
            assert abs(Fraction(row["factor"]) - exact) <= Fraction(2, 10**14)


@FEW
@given(st.lists(st.tuples(st.integers(0, 900), st.integers(900, 60_000)), min_size=2, max_size=40), st.randoms())
def test_factors_average_one_over_practices(
    duckdb_engine: DuckDBEngine, pairs: list[tuple[int, int]], order: Any
) -> None:
    """The mean counts small practices like large ones, whatever the order of rows."""
    rows = [
        {
            "scenario_id": "actual",
            "provider_id": f"{number:05}",
            "domain_id": "chd",
            "register": part,
            "list_size": all_,
        }
        for number, (part, all_) in enumerate(pairs)
    ]
    found = []
    for _turn in range(2):
        table = duckdb_engine.table(pa.Table.from_pylist(rows), "qof_registers").mutate(
            published_prevalence=ibis.null(quotients.SHARE_TYPE),
            published_factor=ibis.null(quotients.FACTOR_TYPE),
            is_factor_one=ibis.literal(False),
        )
        for number, rule in enumerate((rules.prevalence, rules.raw_prevalence, rules.national_prevalence)):
            table = duckdb_engine.compute(rule(table), f"qof_factor_{number}")
        factors = rules.adjusted_disease_prevalence_factor(table).order_by("provider_id")
        found.append(duckdb_engine.to_arrow(factors)["adjusted_disease_prevalence_factor"].to_pylist())
        order.shuffle(rows)
    assert found[0] == found[1]
    mean = Fraction(sum(Fraction(part, whole) for part, whole in pairs), len(pairs))
    if mean > Fraction(1, 1000):
        assert abs(sum(found[0]) / len(pairs) - 1) < Decimal("0.0000000001")
    elif not mean:
        assert found[0] == [None] * len(pairs)
