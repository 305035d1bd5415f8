"""Shared credit and shared patients."""

from __future__ import annotations

import itertools
import random
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openvbp.attribution.shared_credit import credited_amounts, shapley_credit
from openvbp.attribution.shared_patients import communities, shared_patient_edges, strongest_ties
from openvbp.engine import Engine
from openvbp.errors import UsageError

SMALL = Decimal("1e-9")
AMOUNTS = st.lists(st.integers(1, 10**6), min_size=1, max_size=14)


@settings(max_examples=40, deadline=None)
@given(AMOUNTS)
def test_an_additive_value_is_shared_in_proportion(amounts: list[int]) -> None:
    own = {f"u{number:02}": Decimal(amount) / 100 for number, amount in enumerate(amounts)}
    credit = shapley_credit(list(own), lambda team: sum((own[unit] for unit in team), Decimal(0)), samples=3)
    assert all(abs(credit[unit] - own[unit]) < SMALL for unit in own)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.randoms(use_true_random=False))
def test_credit_is_the_average_over_all_orders_and_adds_up(count: int, chance: random.Random) -> None:
    units = [f"u{number}" for number in range(count)]
    teams = [frozenset(team) for size in range(count + 1) for team in itertools.combinations(units, size)]
    value = {team: Decimal(chance.randrange(10_000)) / 100 for team in teams}
    credit = shapley_credit(units, value.__getitem__)
    assert abs(sum(credit.values()) - (value[frozenset(units)] - value[frozenset()])) < SMALL
    orders = list(itertools.permutations(units))
    for unit in units:
        added = Decimal(0)
        for order in orders:
            before = frozenset(order[: order.index(unit)])
            added += value[before | {unit}] - value[before]
        assert abs(credit[unit] - added / len(orders)) < SMALL


def test_sampled_credit_comes_near_the_exact_one_and_is_the_same_for_a_seed() -> None:
    units = [f"u{number:02}" for number in range(12)]

    def value(team: frozenset[str]) -> Decimal:
        return Decimal(len(team) ** 2 + (10 if "u00" in team else 0))

    first, second = (shapley_credit(units, value, samples=400, seed=5) for _ in range(2))
    assert first == second
    assert abs(sum(first.values()) - 154) < SMALL
    # By symmetry: 144 / 12 each, and 10 more for the first.
    assert abs(first["u00"] - 22) < 1
    assert all(abs(first[unit] - 12) < 1 for unit in units[1:])


def test_a_unit_twice_is_an_error() -> None:
    with pytest.raises(UsageError, match="give each unit once"):
        shapley_credit(["a", "a"], lambda _team: Decimal(0))


def test_credited_amounts_add_up_to_the_amounts(duckdb_engine: Engine) -> None:
    third = Decimal("0.333333333333")
    weights = [("a", "1", third), ("a", "2", third), ("a", "3", third), ("b", "1", Decimal(1)), ("c", None, None)]
    rows = [
        {"rule_id": "r", "person_id": person, "unit_id": unit, "weight": weight} for person, unit, weight in weights
    ]
    kinds = {"rule_id": pa.string(), "person_id": pa.string(), "unit_id": pa.string(), "weight": pa.decimal128(18, 12)}
    dollars = pa.array([Decimal(300), Decimal(50), Decimal(7)], pa.decimal128(18, 2))
    amounts = pa.table({"person_id": ["a", "b", "c"], "amount": dollars})
    attribution = duckdb_engine.table(pa.Table.from_pylist(rows, schema=pa.schema(kinds)), "credit_weights")
    credited = credited_amounts(attribution, duckdb_engine.table(amounts, "credit_amounts")).order_by("unit_id")
    found = {row["unit_id"]: row for row in duckdb_engine.to_arrow(credited).to_pylist()}
    assert {unit: row["credited_amount"] for unit, row in found.items()} == {
        "1": Decimal("150.00"),
        "2": Decimal("100.00"),
        "3": Decimal("100.00"),
    }
    assert found["1"]["person_weight"] == Decimal("1.333333")


def test_edges_are_the_pairs_that_share_enough_patients(duckdb_engine: Engine) -> None:
    chance = random.Random(3)
    seen = {(f"p{chance.randrange(30)}", f"u{chance.randrange(8)}") for _ in range(120)}
    rows = [{"person_id": person, "unit_id": unit} for person, unit in [*seen, *list(seen)[:20]]]
    table = duckdb_engine.table(pa.Table.from_pylist(rows), "shared_patients")
    edges = duckdb_engine.to_arrow(shared_patient_edges(table, 5)).to_pylist()
    found = {(row["unit_id"], row["other_unit_id"]): row["shared_patients"] for row in edges}
    patients = {unit: {person for person, other in seen if other == unit} for _person, unit in seen}
    pairs = itertools.combinations(sorted(patients), 2)
    counts = {(one, other): len(patients[one] & patients[other]) for one, other in pairs}
    assert found == {pair: count for pair, count in counts.items() if count >= 5}


def test_strongest_ties_keep_a_fifth_of_each_and_at_least_one(duckdb_engine: Engine) -> None:
    edges = [("a", f"b{number}", 10 + number) for number in range(10)]
    rows = [dict(zip(("unit_id", "other_unit_id", "shared_patients"), edge, strict=True)) for edge in edges]
    kept = strongest_ties(duckdb_engine.table(pa.Table.from_pylist(rows), "strongest_ties"))
    # Each of the ten has one tie only, which is its strongest; of two hubs the weak ties go.
    assert len(duckdb_engine.to_arrow(kept)) == 10
    square = [("a", "b", 9), ("a", "c", 1), ("a", "d", 8), ("b", "c", 7), ("b", "d", 2), ("c", "d", 9)]
    rows = [dict(zip(("unit_id", "other_unit_id", "shared_patients"), edge, strict=True)) for edge in square]
    kept = duckdb_engine.to_arrow(strongest_ties(duckdb_engine.table(pa.Table.from_pylist(rows), "strongest_square")))
    assert {(row["unit_id"], row["other_unit_id"]) for row in kept.to_pylist()} == {("a", "b"), ("c", "d")}


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 5), st.randoms(use_true_random=False))
def test_groups_that_share_nothing_or_little_are_told_apart_for_any_order(count: int, chance: random.Random) -> None:
    groups = [[f"{number}-{place}" for place in range(5)] for number in range(count)]
    edges = [(one, other, 20) for some in groups for one, other in itertools.combinations(some, 2)]
    edges += [(first[0], second[0], 1) for first, second in itertools.pairwise(groups)]
    found = communities(edges)
    chance.shuffle(edges)
    assert communities([(other, one, weight) for one, other, weight in edges]) == found
    assert {frozenset(unit for unit in found.of if found.of[unit] == number) for number in set(found.of.values())} == {
        frozenset(some) for some in groups
    }
    assert 0 < found.modularity < 1
