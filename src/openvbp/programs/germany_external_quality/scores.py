"""From results to conspicuities, and from documentations to fees, under all scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameter_tables import parameter_table
from openvbp.parameters import Scenario
from openvbp.programs.germany_external_quality import rules
from openvbp.programs.germany_external_quality.input_files import TYPES
from openvbp.programs.germany_external_quality.inputs import GermanInputs

_PROBABILITY = "decimal(18, 10)"
_TAIL = ["observed", "cases", "limit_units", "is_lower_better"]
SITE_QUANTITIES = (
    "observed",
    "cases",
    "indicator_rate",
    "range_limit",
    "is_conspicuous",
    "chance_probability",
    "has_qualitative_concern",
)
"""What is kept back where a result is masked, but for the limit, which is one for all sites."""


def score_sites(engine: Engine, inputs: GermanInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Compare every result with its reference range: scenario × site × indicator, masked."""
    results = engine.table(inputs.results, "site_row").rename(measure_id="indicator_id")
    dialogue = engine.table(inputs.dialogue, "dialogue_row").rename(measure_id="indicator_id")
    results = results.left_join(dialogue, ["provider_id", "measure_id"]).drop("provider_id_right", "measure_id_right")
    results = results.mutate(has_rejected_row=ibis.literal(False))  # noqa: FBT003
    rejected = engine.table(inputs.rejected_results, "rejected_row").rename(measure_id="indicator_id")
    rejected = rejected.anti_join(results, ["provider_id", "measure_id"]).mutate(
        observed=ibis.null("int64"),
        cases=ibis.null("int64"),
        assessment=ibis.null("string"),
        has_rejected_row=ibis.literal(True),  # noqa: FBT003
    )
    results = engine.compute(ibis.union(results, rejected.select(results.columns)), "site_result")
    indicators = engine.table(_indicators(inputs, scenarios), "indicator")
    results = results.inner_join(indicators, "measure_id")
    results = engine.compute(rules.indicator_rate(results), "site_rate")
    results = engine.compute(rules.range_limit(results), "site_limit")
    results = engine.compute(rules.is_masked(rules.is_conspicuous(results)), "site_conspicuous")
    results = rules.has_qualitative_concern(_with_chance(engine, results))
    results = engine.compute(results, "site_assessed")
    hidden = {
        name: ibis.ifelse(results.is_masked, ibis.null(results[name].type()), results[name])
        for name in (*SITE_QUANTITIES, "assessment")
        if name != "range_limit"
    }
    return engine.compute(results.mutate(**_site_status(results)).mutate(**hidden), "site_scored")


def _indicators(inputs: GermanInputs, scenarios: Sequence[Scenario]) -> pa.Table:
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("scenario_id", "measure_id", "domain_id", "reference_kind")),
            ("is_lower_better", pa.bool_()),
            ("reference_limit", pa.decimal128(7, 6)),
            ("reference_percentile", pa.decimal128(5, 4)),
            ("smallest_reported_count", pa.int64()),
            ("is_event_count_masked", pa.bool_()),
        ]
    )
    rows = [
        {
            "scenario_id": scenario.scenario_id,
            "measure_id": row["indicator_id"],
            "domain_id": row["module_id"],
            "reference_kind": row["reference_kind"],
            "is_lower_better": row["is_lower_better"],
            "reference_limit": scenario.value("reference_limit", row["indicator_id"]),
            "reference_percentile": scenario.value("reference_percentile", row["indicator_id"]),
            "smallest_reported_count": scenario.value("smallest_reported_count"),
            "is_event_count_masked": scenario.value("is_event_count_masked"),
        }
        for scenario in scenarios
        for row in inputs.indicators.to_pylist()
    ]
    return parameter_table(rows, schema)


def _with_chance(engine: Engine, results: ir.Table) -> ir.Table:
    """Add the exact binomial probability of every conspicuous result that is not a sentinel event."""
    keyed = results.mutate(limit_units=money.in_units(results.range_limit, money.SCORE_DECIMALS))
    counts = keyed.is_conspicuous & (keyed.reference_kind != "sentinel")
    wanted = engine.to_arrow(keyed.filter(counts).select(*_TAIL).distinct()).to_pylist()
    schema = pa.schema(
        [
            *((name, pa.int64()) for name in _TAIL[:3]),
            ("is_lower_better", pa.bool_()),
            ("chance_probability", pa.decimal128(18, 10)),
        ]
    )
    rows = [
        {
            **row,
            "chance_probability": rules.chance_probability.function(
                row["observed"],
                row["cases"],
                Decimal(row["limit_units"]).scaleb(-money.SCORE_DECIMALS),
                row["is_lower_better"],
            ),
        }
        for row in wanted
    ]
    tails = engine.table(pa.Table.from_pylist(rows, schema=schema), "binomial_tail")
    joined = engine.compute(keyed.left_join(tails, _TAIL).drop(*(f"{name}_right" for name in _TAIL)), "site_chance")
    shown = ibis.ifelse(
        joined.is_conspicuous & (joined.reference_kind != "sentinel"),
        joined.chance_probability,
        ibis.null(_PROBABILITY),
    )
    return joined.mutate(chance_probability=shown).drop("limit_units")


def _site_status(results: ir.Table) -> dict[str, ir.Value]:
    status = ibis.cases(
        (results.has_rejected_row, "not_determinable"),
        (results.is_masked, "suppressed"),
        (results.cases == 0, "not_reported"),
        (results.range_limit.isnull(), "not_determinable"),
        else_="scored",
    )
    smallest = (results.smallest_reported_count - 1).cast("string")
    dialogue = ibis.literal("computed conspicuity; structured dialogue: ") + results.assessment.fill_null(
        "open"
    ).replace("_", " ")
    reason = ibis.cases(
        (results.has_rejected_row, "the row of site_results.csv was rejected"),
        (results.is_masked, ibis.literal("results with counts from 1 to ") + smallest + " are not published"),
        (results.cases == 0, "no case"),
        (status == "not_determinable", "the reference range is not known"),
        (results.is_conspicuous, dialogue),
        else_=ibis.null("string"),
    )
    return {"status": status, "status_reason": reason}


def pay_documentations(engine: Engine, inputs: GermanInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Pay every documentation: scenario × physician × programme and type."""
    rows = engine.table(inputs.documentations, "documentation_row")
    rows = rows.mutate(measure_id=rows.programme_id + "." + rows.documentation_type, domain_id=rows.programme_id)
    fees = engine.table(_fees(scenarios), "documentation_fee")
    rows = engine.compute(rows.inner_join(fees, ["measure_id", "documentation_type"]), "documentation_input")
    rows = rules.documentation_amount(rules.paid_documentations(rows))
    is_unverified = rows.unverified.notnull()
    return engine.compute(
        rows.mutate(
            status=ibis.ifelse(is_unverified, "unverified", "scored"),
            status_reason=ibis.ifelse(
                is_unverified,
                ibis.literal("parameters whose source has not been read: ") + rows.unverified,
                ibis.null("string"),
            ),
        ),
        "documentation_paid",
    )


def _fees(scenarios: Sequence[Scenario]) -> pa.Table:
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("scenario_id", "measure_id", "documentation_type", "unverified")),
            ("documentation_fee", pa.decimal128(9, 2)),
            ("maximum_documentations", pa.int64()),
        ]
    )
    rows = [
        {
            "scenario_id": scenario.scenario_id,
            "measure_id": name,
            "documentation_type": kind,
            "unverified": scenario.unverified([("maximum_documentations", kind)]),
            "documentation_fee": fee,
            "maximum_documentations": scenario.value("maximum_documentations", kind),
        }
        for scenario in scenarios
        for name, fee in scenario.keyed("documentation_fee").items()
        for kind in TYPES
        if name.endswith(f".{kind}")
    ]
    return parameter_table(rows, schema)
