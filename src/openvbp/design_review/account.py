"""An account settled by a contract's own rules, again and again with other spending or other points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from ibis import _

from openvbp.design_review.design import CONTRACT, Design
from openvbp.engine import Engine
from openvbp.parameters import ACTUAL
from openvbp.programs import program as find_program
from openvbp.programs.contract.scenario_tables import contract_terms
from openvbp.rule_chain import apply_rules
from openvbp.rules import in_force

STANDARD_BUDGET = Decimal(10_000_000)
"""Budget of the account on which a contract is tried that has no data."""
_STANDARD_UNITS = Decimal(12_000)
_CENTS = "decimal(18, 2)"
_POINTS = "decimal(18, 4)"


@dataclass(frozen=True)
class Variant:
    """The same account with other spending, and possibly other points."""

    savings_rate: float
    """Share of the budget that is saved; losses below zero."""
    points_share: float | None = None
    """Share of the points that is earned; as it is where empty."""


class Account:
    """A contract's account: the settled one of a run, or one with a round budget where there are no data.

    Parameters
    ----------
    engine
        Where to compute.
    design
        Of a contract.
    """

    def __init__(self, engine: Engine, design: Design) -> None:
        self._engine = engine
        self._settlement = find_program(CONTRACT).settlement
        self.is_own = design.run is not None
        """Whether the budget is that of the user's data."""
        self._rows = self._of_run(design) if self.is_own else self._standard(design)
        names = [rule.gives for rule in self._settlement.rules]  # type: ignore[union-attr]
        after = names.index(self._settlement.spending) + 1  # type: ignore[union-attr]
        self._rules = in_force(list(self._settlement.rules[after:]), design.terms.period.start)  # type: ignore[union-attr]
        wanted = ["target_budget", "total_expenditures", "points_earned", "points_possible"]
        first = engine.to_arrow(self._rows.select(*wanted).limit(1)).to_pylist()[0]
        self._exact_budget, self._earned, self._possible = (
            first[one] for one in ("target_budget", "points_earned", "points_possible")
        )
        self.budget = float(first["target_budget"])
        """In the contract's currency, of all populations."""
        self.savings_rate = 1 - float(first["total_expenditures"]) / self.budget
        self.points = None if first["points_earned"] is None else float(first["points_earned"])
        self.possible = None if first["points_possible"] is None else float(first["points_possible"])

    def settle(self, variants: Sequence[Variant]) -> np.ndarray:
        """Net settlement of each variant, in the contract's currency: above zero the contractor is paid.

        All rules of the contract apply; a settlement that they do not determine is not a number.
        """
        spent = [round(self._exact_budget * (1 - Decimal(f"{one.savings_rate:.8f}")), 2) for one in variants]
        points = [self._points(one) for one in variants]
        table = pa.table(
            {
                "variant": pa.array(range(len(variants)), pa.int64()),
                "spending_tried": pa.array(spent, pa.decimal128(18, 2)),
                "points_tried": pa.array(points, pa.decimal128(18, 4)),
            }
        )
        tried = self._rows.cross_join(self._engine.table(table, "variant_tried"))
        tried = tried.mutate(
            scenario_id=ibis.literal("variant ") + tried.variant.cast("string"),
            total_expenditures=tried.spending_tried.cast(_CENTS),
            points_earned=tried.points_tried.cast(_POINTS),
        )
        settled = apply_rules(
            self._engine, self._rules, self._engine.compute(tried, "account_tried"), "account_settled"
        )
        outcome = settled.select("variant", net=settled[self._settlement.outcome]).distinct()  # type: ignore[union-attr]
        rows = self._engine.to_arrow(outcome.order_by("variant"))
        return np.array([np.nan if one is None else float(one) for one in rows["net"].to_pylist()])

    def _points(self, one: Variant) -> Decimal | None:
        if one.points_share is None or self._possible is None:
            return self._earned
        return round(self._possible * Decimal(f"{one.points_share:.8f}"), 4)

    def _of_run(self, design: Design) -> ir.Table:
        path = design.run.path / f"{self._settlement.table}.parquet"  # type: ignore[union-attr]
        rows = self._engine.read_parquet(path, "account_run").filter(_.scenario_id == ACTUAL)
        return self._engine.compute(rows, "account_own")

    def _standard(self, design: Design) -> ir.Table:
        terms = self._engine.table(contract_terms([design.terms]), "account_terms")
        contract = design.contract
        assert contract is not None  # noqa: S101 (an account is of a contract)
        possible = (
            sum((one.points for one in contract.quality.measures.values()), Decimal(0)) if contract.quality else None
        )

        def value(number: Decimal | None, kind: str) -> ir.Value:
            return ibis.null(kind) if number is None else ibis.literal(f"{number}").cast(kind)

        # Where nothing is known of quality, all points are earned: what is at stake is then largest.
        rows = terms.mutate(
            provider_id=ibis.literal(contract.parties.contractor_id),
            domain_id=ibis.literal("standard account"),
            units=value(_STANDARD_UNITS, "decimal(18, 6)"),
            population_budget=value(STANDARD_BUDGET, _CENTS),
            payments_subject_to_withhold=value(STANDARD_BUDGET, _CENTS),
            target_budget=value(STANDARD_BUDGET, _CENTS),
            total_expenditures=value(STANDARD_BUDGET, _CENTS),
            is_capitation=ibis.literal(contract.payment_model == "capitation"),
            has_quality=ibis.literal(contract.quality is not None),
            points_earned=value(possible, _POINTS),
            points_possible=value(possible, _POINTS),
            points_at_prior_rates=value(possible, _POINTS),
        )
        return self._engine.compute(rows, "account_standard")
