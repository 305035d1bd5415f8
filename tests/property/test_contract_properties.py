"""Settlements of random contracts against the same in exact fractions, and what holds for all of them."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from openvbp.engine import DuckDBEngine, Engine
from openvbp.payment.distribution import divide
from openvbp.pipeline import run
from openvbp.programs.contract import rules
from openvbp.rules import Rule

EXAMPLES = Path(__file__).parents[2] / "examples"
ENGINE = DuckDBEngine()
CENTS, SHARE, FACTOR = pa.decimal128(18, 2), pa.decimal128(7, 6), pa.decimal128(18, 12)
RULES: tuple[Rule, ...] = (
    rules.savings_rate,
    rules.is_minimum_savings_rate_met,
    rules.is_minimum_loss_rate_met,
    rules.corridor_savings,
    rules.corridor_losses,
    rules.savings_multiplier,
    rules.loss_multiplier,
    rules.earned_savings,
    rules.owed_losses,
    rules.retained_savings,
    rules.net_settlement,
)
LADDERS = ("savings_ladder", "loss_ladder")
SCHEMA = pa.schema(
    [("row", pa.int64()), ("gross_savings", CENTS), ("target_budget", CENTS), ("quality_score", FACTOR)]
    + [(name, pa.bool_()) for name in ("is_capitation", "has_quality", "is_quality_worse")]
    + [(name, CENTS) for name in ("withhold_returned", "quality_bonus")]
    + [("quality_gate", SHARE)]
    + [
        (f"{name}_{term}", SHARE)
        for name in ("savings", "losses")
        for term in ("minimum_rate", "cap", "corridor_end_1", "corridor_share_1", "corridor_end_2", "corridor_share_2")
    ]
    + [(f"is_{name}_first_dollar", pa.bool_()) for name in ("savings", "losses")]
    + [(f"{name}_score_{step}", SHARE) for name in LADDERS for step in (1, 2)]
    + [(f"{name}_multiplier_{step}", pa.decimal128(18, 4)) for name in LADDERS for step in (1, 2)]
    + [(f"is_{name}_linear", pa.bool_()) for name in LADDERS]
    + [(f"{name}_if_worse", pa.decimal128(18, 4)) for name in LADDERS]
)
FEW = settings(
    max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate)
)


def decimals(lowest: int, highest: int, places: int) -> st.SearchStrategy[Decimal]:
    return st.integers(lowest * 10**places, highest * 10**places).map(lambda units: Decimal(units).scaleb(-places))


def shares(places: int = 4) -> st.SearchStrategy[Decimal]:
    return decimals(0, 1, places)


@st.composite
def contracts(draw: st.DrawFn) -> dict[str, Any]:
    """A contract with two corridors and two ladder steps, near its thresholds as often as not."""
    budget = draw(decimals(1, 5_000_000, 2))
    row: dict[str, Any] = {
        "target_budget": budget,
        "is_capitation": draw(st.booleans()),
        "has_quality": draw(st.booleans()),
        "is_quality_worse": draw(st.booleans()),
        "quality_score": draw(shares(12)),
        "quality_gate": draw(shares()),
        "withhold_returned": draw(decimals(0, 1000, 2)),
        "quality_bonus": draw(decimals(0, 1000, 2)),
    }
    for name in ("savings", "losses"):
        first = draw(decimals(0, 1, 3).filter(lambda end: 0 < end < 1))
        row |= {
            f"{name}_minimum_rate": draw(st.sampled_from([Decimal(0), Decimal("0.02"), Decimal("0.035")])),
            f"{name}_cap": draw(st.one_of(st.none(), shares())),
            f"{name}_corridor_end_1": first,
            f"{name}_corridor_share_1": draw(shares()),
            f"{name}_corridor_end_2": draw(st.one_of(st.none(), st.just(Decimal(1)))),
            f"{name}_corridor_share_2": draw(shares()),
            f"is_{name}_first_dollar": draw(st.booleans()),
        }
    for name in LADDERS:
        low, high = sorted(draw(st.tuples(decimals(0, 2, 4), decimals(0, 2, 4))), reverse=name == "loss_ladder")
        row |= {
            f"{name}_score_1": Decimal(0),
            f"{name}_score_2": draw(shares().filter(lambda score: score > 0)),
            f"{name}_multiplier_1": low,
            f"{name}_multiplier_2": high,
            f"is_{name}_linear": draw(st.booleans()),
            f"{name}_if_worse": draw(st.one_of(st.none(), decimals(0, 2, 4))),
        }
    near = draw(st.sampled_from(["savings_minimum_rate", "losses_minimum_rate", "savings_corridor_end_1", ""]))
    if near:
        sign = -1 if near.startswith("losses") else 1
        at = (budget * row[near]).quantize(Decimal("0.01"), ROUND_HALF_UP)
        row["gross_savings"] = sign * at + Decimal(draw(st.integers(-1, 1))).scaleb(-2)
    else:
        row["gross_savings"] = (budget * draw(decimals(-1, 1, 5))).quantize(Decimal("0.01"))
    return row


def settled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # One query for many contracts: compiling the rules takes longer than running them.
    table = ENGINE.table(
        pa.Table.from_pylist([{**row, "row": number} for number, row in enumerate(rows)], schema=SCHEMA), "contract"
    )
    for rule in RULES:
        table = rule(table)
    return ENGINE.to_arrow(table.order_by("row")).to_pylist()


def to_cents(value: Fraction) -> Fraction:
    return Fraction(int(abs(value) * 100 + Fraction(1, 2)), 100) * (1 if value >= 0 else -1)


def on_ladder(row: dict[str, Any], name: str) -> Fraction:
    if not row["has_quality"]:
        return Fraction(1)
    if row[f"{name}_if_worse"] is not None and row["is_quality_worse"]:
        return Fraction(row[f"{name}_if_worse"])
    score, bar = Fraction(row["quality_score"]), Fraction(row[f"{name}_score_2"])
    low, high = Fraction(row[f"{name}_multiplier_1"]), Fraction(row[f"{name}_multiplier_2"])
    if score >= bar:
        return high
    return low + (high - low) * score / bar if row[f"is_{name}_linear"] else low


def shared(row: dict[str, Any], name: str, amount: Fraction) -> Fraction:
    """What the contractor has of savings or losses, before rounding, from the words of the contract."""
    budget = Fraction(row["target_budget"])
    least = budget * Fraction(row[f"{name}_minimum_rate"])
    if amount <= 0 or amount < least:
        return Fraction(0)

    def over(dollars: Fraction) -> Fraction:
        first = budget * Fraction(row[f"{name}_corridor_end_1"])
        second = budget * Fraction(row[f"{name}_corridor_end_2"] or 10**9)
        inside = min(dollars, first) * Fraction(row[f"{name}_corridor_share_1"])
        return inside + max(min(dollars, second) - first, Fraction(0)) * Fraction(row[f"{name}_corridor_share_2"])

    part = over(amount) - (Fraction(0) if row[f"is_{name}_first_dollar"] else over(least))
    ladder = "savings_ladder" if name == "savings" else "loss_ladder"
    multiplier = on_ladder(row, ladder)
    if name == "savings" and row["has_quality"] and row["quality_score"] < row["quality_gate"]:
        multiplier = Fraction(0)
    part = min(part * multiplier, amount)
    return part if row[f"{name}_cap"] is None else min(part, budget * Fraction(row[f"{name}_cap"]))


@FEW
@given(st.lists(contracts(), min_size=40, max_size=40))
def test_settlement_equals_that_in_fractions(rows: list[dict[str, Any]]) -> None:
    for row, result in zip(rows, settled(rows), strict=True):
        gross = Fraction(row["gross_savings"])
        for name, quantity, amount in (("savings", "earned_savings", gross), ("losses", "owed_losses", -gross)):
            exact = shared(row, name, amount)
            ours = Fraction(result[quantity])
            # Ratios are rounded to twelve decimals on the way: close to half a cent, a cent may differ.
            assert abs(ours - exact) <= Fraction(1, 200) + Fraction(1, 10**6), (row, result)
        assert result["retained_savings"] == result["gross_savings"] - result["earned_savings"] + result["owed_losses"]


@FEW
@given(st.lists(contracts(), min_size=40, max_size=40))
def test_nobody_is_paid_more_than_the_cap_or_than_there_is(rows: list[dict[str, Any]]) -> None:
    for row, result in zip(rows, settled(rows), strict=True):
        assert 0 <= result["earned_savings"] <= max(row["gross_savings"], 0)
        assert 0 <= result["owed_losses"] <= max(-row["gross_savings"], 0)
        for quantity, name in (("earned_savings", "savings"), ("owed_losses", "losses")):
            if row[f"{name}_cap"] is not None:
                cap = row[f"{name}_cap"] * row["target_budget"]
                assert result[quantity] <= cap.quantize(Decimal("0.01"), ROUND_HALF_UP)
        flows = row["withhold_returned"] + row["quality_bonus"]
        own = result["earned_savings"] - result["owed_losses"]
        given_up = own - row["gross_savings"] if row["is_capitation"] else own
        assert result["net_settlement"] == given_up + flows


@FEW
@given(st.lists(contracts(), min_size=40, max_size=40), shares(12))
def test_better_quality_never_costs(rows: list[dict[str, Any]], better: Decimal) -> None:
    rows = [row | {"is_quality_worse": False} for row in rows]
    lifted = [row | {"quality_score": max(row["quality_score"], better)} for row in rows]
    for before, after in zip(settled(rows), settled(lifted), strict=True):
        assert after["earned_savings"] >= before["earned_savings"]
        assert after["owed_losses"] <= before["owed_losses"]


@FEW
@given(st.lists(contracts(), min_size=40, max_size=40))
def test_upside_only_never_pays(rows: list[dict[str, Any]]) -> None:
    nothing = {"losses_corridor_share_1": Decimal(0), "losses_corridor_share_2": Decimal(0), "is_capitation": False}
    assert all(
        one["owed_losses"] == 0 and one["net_settlement"] >= 0 for one in settled([row | nothing for row in rows])
    )


@FEW
@given(
    st.lists(
        st.tuples(st.integers(-(10**13), 10**13), st.lists(st.integers(0, 10**9), min_size=1, max_size=30)),
        min_size=1,
        max_size=15,
    )
)
def test_a_pool_is_divided_to_the_cent(pools: list[tuple[int, list[int]]]) -> None:
    rows = [
        {"pool_id": number, "who": who, "pool": pool, "weight": weight}
        for number, (pool, weights) in enumerate(pools)
        for who, weight in enumerate(weights)
    ]
    table = ENGINE.table(pa.Table.from_pylist(rows), "pool")
    divided = divide(table, "part", pool="pool", weight="weight", group=["pool_id"], tie_breaker=["who"])
    found = ENGINE.to_arrow(divided.order_by("pool_id", "who")).to_pylist()
    for number, (pool, weights) in enumerate(pools):
        parts = [row["part"] for row in found if row["pool_id"] == number]
        if not sum(weights):
            assert parts == [None] * len(weights)
            continue
        assert sum(parts) == pool
        for part, weight in zip(parts, weights, strict=True):
            assert abs(Fraction(part) - Fraction(pool * weight, sum(weights))) < 1
            assert weight or not part or abs(part) == 1


@pytest.mark.spark
def test_spark_gives_the_results_of_duckdb(tmp_path: Path, spark_engine: Engine) -> None:
    results = []
    for engine in ("duckdb", "spark"):
        contract, data = EXAMPLES / "aco-contract-from-tables.yaml", EXAMPLES / "contract_data" / "aco"
        finished = run(str(contract), period="", data=data, out=tmp_path / engine, engine=engine)
        results.append({name: finished.read(name).to_pylist() for name in finished.tables})
    assert results[0] == results[1]
