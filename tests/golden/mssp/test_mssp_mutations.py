"""The comparison with the public use files fails as soon as a formula is wrong.

Each mutation changes one formula and settles all ACOs of a year again with the program's own rules. How many ACOs get a
wrong amount is known; that it is one for some of them is why only equality of all proves anything.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import ibis
import ibis.expr.types as ir
import pytest
from mssp_published import acos, folder, is_right

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameters import Scenario, load_parameters
from openvbp.payment import shared_savings
from openvbp.programs import program
from openvbp.programs.mssp import rules
from openvbp.programs.mssp.settlement import settle

Patch = Callable[[pytest.MonkeyPatch], None]
UNDETERMINED = {2014: 0, 2015: 0, 2017: 0, 2018: 2, 2021: 0, 2022: 0, 2023: 7}
"""ACOs without an amount because their participants' revenue is not public."""


def rule_patch(name: str, function: Callable[[ir.Table], ir.Table]) -> Patch:
    return lambda patch: patch.setattr(rules, name, replace(getattr(rules, name), function=function))


def second_dollar(table: ir.Table) -> ir.Table:
    """Share only what exceeds the minimum."""
    minimum = shared_savings.portion(table.benchmark, table.minimum_savings_rate)
    beyond = money.exact(table.gross_savings.cast("decimal(28, 10)") - minimum, 28, 10)
    shared = shared_savings.portion(beyond, table.final_sharing_rate)
    return table.mutate(shared_savings=ibis.ifelse(table.is_minimum_savings_rate_met, shared, 0))


def flat_minimum(table: ir.Table) -> ir.Table:
    return table.mutate(
        is_elected_rate=False,
        is_printed_rate_taken=False,
        minimum_rate_numerator=ibis.literal(2).cast("int64"),
        minimum_rate_denominator=ibis.literal(100).cast("int64"),
        minimum_savings_rate=ibis.literal("0.02").cast("decimal(18, 12)"),
    )


def limit_before_sequestration(table: ir.Table) -> ir.Table:
    limited = shared_savings.limited(table.shared_savings, table.performance_payment_limit)
    kept = ibis.literal("0.98").cast("decimal(7, 6)")
    return table.mutate(earned_savings=shared_savings.portion(limited, kept))


def rounded_comparison(
    amount: ir.DecimalValue, benchmark: ir.DecimalValue, numerator: ir.IntegerValue, denominator: ir.IntegerValue
) -> ir.BooleanValue:
    rate = (amount.cast("float64") / benchmark.cast("float64")).round(4)
    return rate >= (numerator.cast("float64") / denominator.cast("float64")).round(4)


OWED_LOSSES = rules.owed_losses.function


def sequestered_losses(table: ir.Table) -> ir.Table:
    owed = OWED_LOSSES(table)
    return owed.mutate(owed_losses=shared_savings.portion(owed.owed_losses, ibis.literal("0.98").cast("decimal(7, 6)")))


@dataclass(frozen=True)
class Mutation:
    """A wrong formula, and how many ACOs of which year it gets wrong beyond those without an amount."""

    name: str
    patch: Patch
    wrong: dict[int, int]


MUTATIONS = (
    Mutation("as it is", lambda _: None, dict.fromkeys(UNDETERMINED, 0)),
    Mutation(
        "no sequestration",
        rule_patch("savings_after_sequestration", lambda t: t.mutate(savings_after_sequestration=t.shared_savings)),
        {2014: 86, 2017: 158, 2021: 274, 2023: 313},
    ),
    Mutation(
        "second-dollar sharing", rule_patch("shared_savings_from_first_dollar", second_dollar), {2015: 119, 2023: 251}
    ),
    Mutation(
        "minimum rate of 2 percent for all", rule_patch("minimum_savings_rate", flat_minimum), {2014: 19, 2022: 42}
    ),
    Mutation(
        "rounded comparison",
        lambda patch: patch.setattr(shared_savings, "reaches", rounded_comparison),
        {2021: 2, 2022: 0},
    ),
    Mutation(
        "no disaster relief",
        lambda patch: patch.setattr(shared_savings, "relieved", lambda losses, _: losses),
        {2017: 11, 2018: 9, 2021: 15, 2022: 15, 2023: 13},
    ),
    Mutation(
        "limit before sequestration", rule_patch("earned_savings", limit_before_sequestration), {2017: 1, 2018: 1}
    ),
    Mutation(
        "no limit of payments",
        rule_patch("earned_savings", lambda t: t.mutate(earned_savings=t.savings_after_sequestration)),
        {2017: 1, 2018: 1},
    ),
    Mutation(
        "quality ignored",
        rule_patch(
            "quality_sharing_rate_scaled",
            lambda t: t.mutate(quality_sharing_rate=ibis.ifelse(t.is_quality_standard_met, t.maximum_sharing_rate, 0)),
        ),
        {2014: 65, 2015: 97, 2017: 139, 2018: 178},
    ),
    Mutation(
        "losses at the lowest rate",
        lambda patch: patch.setattr(shared_savings, "inverse_rate", lambda _rate, lowest, _highest: lowest),
        {2018: 2, 2023: 2},
    ),
    Mutation(
        "sequestration of losses",
        rule_patch("owed_losses", sequestered_losses),
        {2017: 11, 2023: 13},
    ),
)


@functools.cache
def inputs(year: int) -> tuple[Scenario, object]:
    mssp = program("mssp")
    declared = load_parameters(mssp.parameters_file)
    read = mssp.read(folder(), declared.in_force(declared.period(f"PY{year}")))
    return read.rules_in_force, read.content.published.aco_table()


def settled(engine: Engine, year: int) -> dict[str, Decimal | None]:
    scenario, table = inputs(year)
    read = engine.table(table, f"mutated_{year}").mutate(participant_revenue=ibis.null("decimal(18, 2)"))
    done = settle(engine, read, [scenario], f"mutated_{year}_")
    rows: Sequence[dict] = engine.to_arrow(done.select("provider_id", "earned_savings_or_losses")).to_pylist()
    return {row["provider_id"]: row["earned_savings_or_losses"] for row in rows}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_a_wrong_formula_is_found(mutation: Mutation, duckdb_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation.patch(monkeypatch)
    wrong = {}
    for year in mutation.wrong:
        ours = settled(duckdb_engine, year)
        assert ours.keys() == acos(year).keys()
        wrong[year] = sum(not is_right(aco, ours[one]) for one, aco in acos(year).items()) - UNDETERMINED[year]
    assert wrong == mutation.wrong
