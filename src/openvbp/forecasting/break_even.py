"""At which savings rate participation pays, given what participation itself costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import Problem, UsageError
from openvbp.program import Settlement
from openvbp.rule_chain import apply_rules
from openvbp.rules import in_force

_COARSE, _FINE = Decimal("0.001"), Decimal("0.000001")
_MOST = Decimal("0.5")
_RATE = "decimal(18, 6)"


@dataclass(frozen=True)
class BreakEven:
    """The smallest savings rate from which on the settlement covers the cost of participation."""

    fixed_cost: Decimal
    rate: Decimal | None
    """Share of the budget, to a ten-thousandth of a percentage point; none: no savings up to half of the budget do."""
    net: Decimal | None
    """What the settlement comes to at that rate."""
    net_below: Decimal | None
    """And just below it: far less where a minimum savings rate must be reached."""
    at_own_rate: Decimal | None
    """What it comes to at the provider's own savings."""
    curve: tuple[tuple[Decimal, Decimal | None], ...]
    """Settlement by savings rate, in whole percentage points."""


def break_even(
    engine: Engine, settlement: Settlement, settled: ir.Table, day: date, provider_id: str, fixed_cost: Decimal
) -> BreakEven:
    """Find where the settlement of one provider first covers a fixed cost.

    All terms, quality and the budget stay; expenditures are what varies. The settlement may jump (minimum savings
    rate), so that rates are tried rather than an equation solved: in steps of a tenth of a percentage point, then of a
    ten-thousandth within the step where the cost is first covered.

    Parameters
    ----------
    settled
        The settlement's table, one scenario.
    day
        First day of the period: the rules in force then are applied.
    fixed_cost
        What participation costs in the period, in the settlement's currency.

    Raises
    ------
    UsageError
        If the cost is not above zero.
    """
    if fixed_cost <= 0:
        what = "the cost of participation must be above zero"
        raise UsageError(
            Problem(what, "fixed cost", "give what taking part costs in the period", 1, (f"{fixed_cost}",))
        )
    own = settled.filter(_.provider_id == provider_id)
    steps = [_COARSE * number for number in range(-200, int(_MOST / _COARSE) + 1)]
    coarse = _outcomes(engine, settlement, own, day, steps)
    curve = tuple((rate, coarse[rate]) for rate in steps if rate % Decimal("0.01") == 0)
    at_own = engine.to_arrow(own.select(outcome=own[settlement.outcome].cast("decimal(38, 10)")).limit(1))
    own_outcome = at_own["outcome"][0].as_py()
    first = next((rate for rate in steps if rate > 0 and _pays(coarse[rate], fixed_cost)), None)
    if first is None:
        return BreakEven(fixed_cost, None, None, None, own_outcome, curve)
    between = [first - _COARSE + _FINE * number for number in range(int(_COARSE / _FINE) + 1)]
    fine = _outcomes(engine, settlement, own, day, between)
    rate = next(one for one in between if _pays(fine[one], fixed_cost))
    below = fine.get(rate - _FINE)
    return BreakEven(fixed_cost, rate, fine[rate], below, own_outcome, curve)


def _pays(outcome: Decimal | None, fixed_cost: Decimal) -> bool:
    """Whether a settlement is known and covers the cost."""
    return outcome is not None and outcome >= fixed_cost


def _outcomes(
    engine: Engine, settlement: Settlement, own: ir.Table, day: date, rates: Sequence[Decimal]
) -> dict[Decimal, Decimal | None]:
    """Settle the provider at each savings rate."""
    table = pa.table({"savings": pa.array(rates, pa.decimal128(18, 6))})
    tried = own.cross_join(engine.table(table, "savings_rate_tried"))
    tried = tried.mutate(scenario_id=ibis.literal("savings ") + tried.savings.cast("string"))
    rules = in_force(list(settlement.rules), day)
    is_computed = settlement.spending in {rule.gives for rule in rules}
    # The table already has the budget, which spending does not change.
    tried = engine.compute(tried if is_computed else _spend(settlement, tried), "savings_spent")
    before = [rule.gives for rule in rules].index(settlement.spending) + 1 if is_computed else 0
    if is_computed:
        tried = _spend(settlement, apply_rules(engine, rules[:before], tried, "savings_before"))
    tried = apply_rules(engine, rules[before:], tried, "savings_after")
    outcome = tried.select("savings", outcome=tried[settlement.outcome].cast("decimal(38, 10)")).distinct()
    return {row["savings"]: row["outcome"] for row in engine.to_arrow(outcome).to_pylist()}


def _spend(settlement: Settlement, tried: ir.Table) -> ir.Table:
    """Put expenditures at one less the savings rate of the budget, to the cent."""
    kept = -tried.savings.cast(_RATE) + ibis.literal("1").cast(_RATE)
    spent = tried[settlement.budget].cast("decimal(23, 6)") * kept.cast("decimal(14, 6)")
    rounded = spent.cast("decimal(38, 2)").cast(tried[settlement.spending].type())
    left_out = {name: ibis.null(str(tried[name].type())) for name in settlement.implied_by_spending}
    return tried.mutate(**{settlement.spending: rounded}, **left_out)
