"""From results to points, domain scores and the quality composite, under all scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.declared_tables import DeclaredTable
from openvbp.engine import Engine
from openvbp.errors import Problem, UsageError
from openvbp.parameter_tables import parameter_table, with_parameters
from openvbp.parameters import Scenario
from openvbp.programs.iha_amp import rules
from openvbp.programs.iha_amp.input_files import MEASURES, RESULTS
from openvbp.programs.iha_amp.inputs import CaliforniaInputs
from openvbp.rule_chain import apply_rules

_RATIO = pa.decimal128(7, 6)
_PERCENTILE = pa.decimal128(5, 4)
_WEIGHT = pa.decimal128(4, 2)
KEYS = ["scenario_id", "provider_id"]
MEASURE_PARAMETERS = {
    "measure_weight": _WEIGHT,
    "minimum_patients": pa.int64(),
    "attainment_threshold": _RATIO,
    "attainment_benchmark": _RATIO,
    "maximum_points": pa.decimal128(2, 0),
    "attainment_threshold_percentile": _PERCENTILE,
    "attainment_benchmark_percentile": _PERCENTILE,
}
_MOST_WEIGHT = 400
"""Weights of the measures of one domain, or of all domains, together: more would leave 64 bits."""
_OF_SINGLE_MEASURES = ("measure_weight", "minimum_patients", "attainment_threshold", "attainment_benchmark")
MEASURE_RULES = (
    rules.measure_rate,
    rules.threshold_rate,
    rules.benchmark_rate,
    rules.attainment_points,
    rules.improvement_points,
    rules.measure_points,
    rules.domain_score,
)


def with_rejected(inputs: CaliforniaInputs, declared: DeclaredTable) -> pa.Table:
    """Rows of a file, and one row without values for each place whose row was rejected (``has_rejected_row``)."""
    kept = inputs.accepted[declared]
    rows = [{**row, "has_rejected_row": False} for row in kept.to_pylist()]
    rows += [{**row, "has_rejected_row": True} for row in _lost(inputs, declared)]
    schema = kept.schema.append(pa.field("has_rejected_row", pa.bool_()))
    return pa.Table.from_pylist(rows, schema=schema)


def _lost(inputs: CaliforniaInputs, declared: DeclaredTable) -> list[dict[str, str]]:
    """Places whose row was rejected and of which no other row can be used."""
    known = {tuple(row.values()) for row in inputs.accepted[declared].select(list(declared.key)).to_pylist()}
    return [row for row in inputs.rejected_places[declared].to_pylist() if tuple(row.values()) not in known]


def score_measures(engine: Engine, inputs: CaliforniaInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Points of every measure, with the score of its domain on each row: scenario × organization × measure.

    A rejected row of a measure that nobody knows has no domain.
    """
    parameters = engine.table(_measure_parameters(inputs, scenarios), "measure_parameter")
    ids = engine.table(pa.table({"scenario_id": [one.scenario_id for one in scenarios]}), "scenario_id")
    results = engine.table(inputs.results, "result_row").mutate(has_rejected_row=ibis.literal(False))  # noqa: FBT003
    results = with_parameters(results, ids)
    lost = pa.Table.from_pylist(_lost(inputs, RESULTS), schema=pa.schema([(key, pa.string()) for key in RESULTS.key]))
    rejected = engine.table(lost, "result_lost").cross_join(ids)
    nothing = {name: ibis.null(kind) for name, kind in results.schema().items() if name not in rejected.columns}
    nothing["has_rejected_row"] = ibis.literal(True)  # noqa: FBT003
    results = ibis.union(results, rejected.mutate(**nothing).select(results.columns))
    rows = results.left_join(parameters, ["scenario_id", "measure_id"])
    rows = rows.drop("scenario_id_right", "measure_id_right").mutate(maximum_points=_.maximum_points.cast("int64"))
    rows = engine.compute(rows, "measure_input")
    rows = apply_rules(engine, MEASURE_RULES, rows, "measure_rules")
    return engine.compute(rows.mutate(**_measure_status(rows)), "measure_scored")


def score_domains(engine: Engine, measures: ir.Table, scenarios: Sequence[Scenario]) -> ir.Table:
    """Score of every domain, with the composite on each row: scenario × organization × domain."""
    is_unverified = (_.status == "unverified").cast("int64").sum() > 0
    rows = measures.group_by(*KEYS, "domain_id").agg(
        domain_score=_.domain_score.max(),
        has_rejected_row=_.has_rejected_row.any(),
        is_unverified=is_unverified,
        has_measure=_.measure_points.count() > 0,
        maximum_points=_.maximum_points.max(),
    )
    schema = pa.schema([*((name, pa.string()) for name in ("scenario_id", "domain_id")), ("domain_weight", _WEIGHT)])
    weights = [
        {"scenario_id": one.scenario_id, "domain_id": domain, "domain_weight": weight}
        for one in scenarios
        for domain, weight in one.keyed("domain_weight").items()
    ]
    table = engine.table(parameter_table(weights, schema), "domain_parameter")
    _demand_moderate("domain_weight", [(row["scenario_id"], row["domain_weight"]) for row in weights])
    rows = rows.left_join(table, ["scenario_id", "domain_id"]).drop("scenario_id_right", "domain_id_right")
    rows = rules.quality_composite(engine.compute(rows, "domain_input"))
    return engine.compute(rows.mutate(**_domain_status(rows)), "domain_scored")


def composites(engine: Engine, domains: ir.Table) -> ir.Table:
    """The composite with its status: scenario × organization."""
    rows = domains.group_by(*KEYS).agg(
        quality_composite=_.quality_composite.max(),
        has_rejected_row=_.has_rejected_row.any(),
        is_unverified=_.is_unverified.any(),
        has_score=_.domain_score.count() > 0,
        maximum_points=_.maximum_points.max(),
    )
    is_empty = ~rows.has_score & ~rows.has_rejected_row
    status = ibis.cases(
        (rows.quality_composite.notnull() & rows.is_unverified, "unverified"),
        (rows.quality_composite.notnull(), "scored"),
        (is_empty, "too_few_cases"),
        else_="not_determinable",
    )
    reason = ibis.cases(
        (status == "unverified", "see the measures"),
        (rows.has_rejected_row, "a row of measure_results.csv was rejected"),
        (is_empty, "no measure has the patients that it needs"),
        (status == "not_determinable", "the weights of the scored domains are all zero"),
        else_=ibis.null("string"),
    )
    return engine.compute(rows.mutate(status=status, status_reason=reason), "composite")


def _measure_parameters(inputs: CaliforniaInputs, scenarios: Sequence[Scenario]) -> pa.Table:
    texts = ("scenario_id", "measure_id", "domain_id", "topic_id", "unverified")
    schema = pa.schema(
        [*((name, pa.string()) for name in texts), *MEASURE_PARAMETERS.items(), ("is_lower_better", pa.bool_())]
    )
    rows = []
    for scenario in scenarios:
        for row in inputs.accepted[MEASURES].to_pylist():
            name = row["measure_id"]
            values = {
                column: scenario.value(column, name if column in _OF_SINGLE_MEASURES else "")
                for column in MEASURE_PARAMETERS
            }
            values["minimum_patients"] = values["minimum_patients"] or 0
            used = [("maximum_points", "")]
            for standard in ("attainment_threshold", "attainment_benchmark"):
                if values[standard] is None:
                    used.append((f"{standard}_percentile", ""))
                else:
                    values[f"{standard}_percentile"] = None
            rows.append(
                {
                    "scenario_id": scenario.scenario_id,
                    "measure_id": name,
                    "domain_id": row["domain_id"],
                    "topic_id": row["topic_id"],
                    "unverified": scenario.unverified(used),
                    "is_lower_better": row["is_lower_better"],
                    **values,
                }
            )
    weights = [(f"{row['scenario_id']}, {row['domain_id']}", row["measure_weight"]) for row in rows]
    _demand_moderate("measure_weight", weights)
    return parameter_table(rows, schema)


def _demand_moderate(name: str, weights: Sequence[tuple[str, Decimal]]) -> None:
    sums: dict[str, Decimal] = {}
    for place, weight in weights:
        sums[place] = sums.get(place, Decimal(0)) + weight
    large = sorted(place for place, total in sums.items() if total > _MOST_WEIGHT)
    if large:
        what = f"{name} adds up to more than {_MOST_WEIGHT}"
        to_do = "divide all weights by one number: only their proportions count"
        raise UsageError(Problem(what, "scenario (and domain)", to_do, len(large), tuple(large[:3])))


def _measure_status(measures: ir.Table) -> dict[str, ir.Value]:
    few = measures.denominator < measures.minimum_patients
    status = ibis.cases(
        (measures.has_rejected_row, "not_determinable"),
        (measures.denominator == 0, "not_reported"),
        (few, "too_few_cases"),
        (measures.measure_points.isnull(), "not_determinable"),
        (measures.unverified.notnull(), "unverified"),
        else_="scored",
    )
    counts = measures.denominator.cast("string") + " patients, " + measures.minimum_patients.cast("string")
    reason = ibis.cases(
        (measures.has_rejected_row, "the row of measure_results.csv was rejected"),
        (status == "not_reported", "no patient to whom the measure applies"),
        (status == "too_few_cases", counts + " are needed"),
        (status == "not_determinable", "the threshold or the benchmark is not known"),
        (status == "unverified", ibis.literal("parameters whose source has not been read: ") + measures.unverified),
        else_=ibis.null("string"),
    )
    return {"status": status, "status_reason": reason}


def _domain_status(domains: ir.Table) -> dict[str, ir.Value]:
    status = ibis.cases(
        (domains.has_rejected_row, "not_determinable"),
        (~domains.has_measure, "too_few_cases"),
        (domains.domain_score.isnull(), "not_determinable"),
        (domains.is_unverified, "unverified"),
        else_="scored",
    )
    reason = ibis.cases(
        (domains.has_rejected_row, "a row of measure_results.csv was rejected"),
        (status == "too_few_cases", "no measure has the patients that it needs"),
        (status == "not_determinable", "the weights of the scored measures are all zero"),
        (status == "unverified", "see the measures"),
        else_=ibis.null("string"),
    )
    return {"status": status, "status_reason": reason}
