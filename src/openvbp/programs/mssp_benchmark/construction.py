"""From the rows of ACO and enrollment type to the benchmark, under all scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.parameter_tables import parameter_table
from openvbp.parameters import Scenario
from openvbp.programs.mssp_benchmark import rules
from openvbp.programs.mssp_benchmark.inputs import BenchmarkInputs
from openvbp.rules import rules_of

FIRST_DAY_OF_PRIOR_SAVINGS = date(2024, 1, 1)
LATEST_AGREEMENT = 4
"""Later agreement periods have the weights of the fourth."""

WHOLE = ("regional_adjustment_cap", "risk_ratio_cap", "prior_savings_share", "prospective_trend_weight")
_SHARE = pa.decimal128(7, 6)
_TERMS = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("agreement", pa.int64()),
        ("is_since_2024", pa.bool_()),
        ("unverified", pa.string()),
    ]
    + [(name, _SHARE) for name in (*WHOLE, "regional_adjustment_floor")]
    + [(f"weight_{role}", _SHARE) for role in ("by1", "by2", "by3")]
    + [(name, _SHARE) for name in ("weight_if_lower", "weight_if_higher")]
)


def terms(scenarios: Sequence[Scenario]) -> pa.Table:
    """Parameters by agreement period and whether it began in 2024 or later: scenario × agreement × era."""
    rows = []
    for scenario in scenarios:
        for agreement in range(1, LATEST_AGREEMENT + 1):
            for is_since_2024 in (False, True):
                era = "from_2024" if is_since_2024 else "before_2024"
                order = "first" if agreement == 1 else "later"
                places = {name: (name, "") for name in WHOLE[:2]}
                if is_since_2024:
                    places |= {name: (name, "") for name in WHOLE[2:] if name in scenario.parameters}
                places |= {f"weight_by{n}": ("benchmark_year_weight", f"{order}_{n}") for n in (1, 2, 3)}
                places["regional_adjustment_floor"] = ("regional_adjustment_floor", era)
                for side in ("lower", "higher"):
                    places[f"weight_if_{side}"] = ("regional_adjustment_weight", f"{agreement}_{side}")
                values = {
                    name: scenario.value(*places[name]) if name in places else None
                    for name in _TERMS.names
                    if name not in ("scenario_id", "agreement", "is_since_2024", "unverified")
                }
                rows.append(
                    {
                        "scenario_id": scenario.scenario_id,
                        "agreement": agreement,
                        "is_since_2024": is_since_2024,
                        "unverified": scenario.unverified(places.values()),
                        **values,
                    }
                )
    return parameter_table(rows, _TERMS)


def construct(engine: Engine, inputs: BenchmarkInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Build all benchmarks under all scenarios: scenario × ACO × enrollment type, with status and reason."""
    types = engine.table(inputs.types, "benchmark_type")
    since = types.agreement_start >= ibis.literal(FIRST_DAY_OF_PRIOR_SAVINGS)
    types = types.mutate(agreement=ibis.least(_.agreement_period, LATEST_AGREEMENT), is_since_2024=since)
    rows = types.inner_join(engine.table(terms(scenarios), "benchmark_terms"), ["agreement", "is_since_2024"])
    for number, rule in enumerate(rules_of(rules)):
        rows = engine.compute(rule(rows), f"benchmark_rule_{number}")
    unknown = rows.benchmark.isnull()
    reason = ibis.cases(
        (
            unknown & rows.is_since_2024 & rows.prospective_trend_amount.isnull(),
            "input: the accountable care prospective trend is not given in national_values.csv",
        ),
        (unknown, "input: a value of an enrollment type is missing"),
        (
            rows.is_since_2024,
            ibis.literal("the cap of risk scores in agreements from 2024 is taken by type; not read: ")
            + rows.unverified,
        ),
        (rows.unverified.notnull(), ibis.literal("parameters whose source has not been read: ") + rows.unverified),
        else_=ibis.null("string"),
    )
    status = ibis.cases((unknown, "not_determinable"), (reason.notnull(), "unverified"), else_="scored")
    return engine.compute(rows.mutate(status=status, status_reason=reason), "benchmark_with_status")
