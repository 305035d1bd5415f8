"""From the ACOs' rows to what each shares: the rules applied in order, under all scenarios."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from openvbp.engine import Engine
from openvbp.parameter_tables import parameter_table, with_parameters
from openvbp.parameters import Scenario
from openvbp.program import Settlement
from openvbp.programs.aco_reach import rules
from openvbp.programs.aco_reach.inputs import AGREEMENTS, ReachInputs
from openvbp.rule_chain import apply_rules
from openvbp.rules import in_force, rules_of

WHOLE = ("quality_withhold", "retention_withhold", "risk_score_growth_cap", "risk_score_growth_cap_since_2019")
_SHARE = pa.decimal128(7, 6)
_BANDS = range(1, rules.CORRIDORS + 1)
_SCHEMA = pa.schema(
    [("scenario_id", pa.string()), ("agreement", pa.string())]
    + [("agreement_unverified", pa.string()), ("retention_unverified", pa.string())]
    + [(name, _SHARE) for name in (*WHOLE, "benchmark_discount")]
    + [(f"{name}_{band}", _SHARE) for name in ("corridor_end", "corridor_share") for band in _BANDS]
)


def terms(scenarios: Sequence[Scenario]) -> pa.Table:
    """Parameters of each agreement: scenario × agreement."""
    rows = []
    for scenario in scenarios:
        for agreement in AGREEMENTS:
            places = {name: (name, "") for name in WHOLE} | {"benchmark_discount": ("benchmark_discount", agreement)}
            for name in ("corridor_end", "corridor_share"):
                places |= {f"{name}_{band}": (name, f"{agreement}_{band}") for band in _BANDS}
            values = {column: scenario.value(*place) for column, place in places.items()}
            # A withhold that is nothing changes nothing, whatever its source.
            used = [place for column, place in places.items() if values[column]]
            retention = places["retention_withhold"]
            rows.append(
                {
                    "scenario_id": scenario.scenario_id,
                    "agreement": agreement,
                    "agreement_unverified": scenario.unverified([place for place in used if place != retention]),
                    "retention_unverified": scenario.unverified([place for place in used if place == retention]),
                    **values,
                }
            )
    return parameter_table(rows, _SCHEMA)


def settle(engine: Engine, inputs: ReachInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Settle all ACOs under all scenarios: scenario × ACO, one column per quantity, with status and reason."""
    acos = engine.table(inputs.acos, "aco_read")
    acos = with_parameters(acos, engine.table(terms(scenarios), "aco_terms"), "agreement")
    acos = apply_rules(engine, in_force(rules_of(rules), scenarios[0].period.start), acos, "aco_rule")
    # The size of the retention withhold matters to those alone that lost it.
    lost = ibis.ifelse(acos.is_retention_earned, ibis.null("string"), acos.retention_unverified)
    lost = ibis.ifelse(acos.is_retention_earned.isnull(), ibis.null("string"), lost)
    both = acos.agreement_unverified + ibis.literal(", ") + lost
    acos = acos.mutate(unverified=ibis.coalesce(both, acos.agreement_unverified, lost))
    unknown = acos.shared_savings_or_losses.isnull()
    status = ibis.cases((unknown, "not_determinable"), (acos.unverified.notnull(), "unverified"), else_="scored")
    reason = ibis.cases(
        (unknown & acos.quality_score.isnull(), "input: the quality score is not given"),
        (
            unknown & acos.counted_risk_score.isnull(),
            "input: the risk score of 2019, above which growth is capped, is not given",
        ),
        (unknown, "input: a value is missing"),
        (
            acos.unverified.notnull(),
            ibis.literal("parameters whose source has not been read: ") + acos.unverified,
        ),
        else_=ibis.null("string"),
    )
    return engine.compute(acos.mutate(status=status, status_reason=reason), "aco_settled")


SETTLEMENT = Settlement(
    table="settlement/aco_settlement",
    rules=tuple(rules_of(rules)),
    outcome="shared_savings_or_losses",
    spending="expenditures",
    budget="discounted_benchmark",
    derived=("status", "status_reason", "agreement_unverified", "retention_unverified", "unverified"),
)
