"""From results to points and euros: the rules applied in order, under all scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameter_tables import parameter_table, with_parameters
from openvbp.parameters import Scenario
from openvbp.programs.rosp import rules
from openvbp.programs.rosp.input_files import ORGANISATION
from openvbp.programs.rosp.inputs import RospInputs
from openvbp.rules import Rule, in_force, rules_of

_KEYS = ["scenario_id", "provider_id"]
_MEASURE_KEYS = [*_KEYS, "measure_id"]
_RATIO = pa.decimal128(7, 6)
_OF_MEASURES = {
    "indicator_points": pa.decimal128(9, 4),
    "minimum_patients": pa.int64(),
    "intermediate_objective": _RATIO,
    "target_objective": _RATIO,
}
_OF_PHYSICIANS = {
    "point_value": pa.decimal128(7, 2),
    "reference_list": pa.int64(),
    "maximum_amount_per_patient": pa.decimal128(9, 2),
    "electronic_claims_minimum": _RATIO,
    "safeguard_fall": _RATIO,
}
MEASURE_PARAMETERS = (*_OF_MEASURES, "is_lower_better", "intermediate_realisation")
PHYSICIAN_PARAMETERS = (*_OF_PHYSICIANS, "is_organisation_scaled_by_list")
_MEASURE_RULES = ("result_rate", "is_paid_on_attainment_only", "realisation", "earned_points")


def rules_in_force(scenario: Scenario) -> list[Rule]:
    """List the rules of the year."""
    return in_force(rules_of(rules), scenario.period.start)


def score_measures(engine: Engine, inputs: RospInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Realisation and points of every clinical indicator: scenario × physician × indicator."""
    results = engine.table(inputs.results, "result_row").rename(measure_id="indicator_id")
    results = results.mutate(has_rejected_row=ibis.literal(False))  # noqa: FBT003
    parameters = engine.table(_measure_parameters(scenarios), "measure_parameter")
    measures = with_parameters(results, parameters, "measure_id")
    for name in _MEASURE_RULES:
        measures = engine.compute(getattr(rules, name)(measures), f"measure_{name}")
    rejected = engine.table(inputs.rejected_results, "rejected_result")
    rejected = rejected.cross_join(engine.table(_ids(scenarios), "rejected_scenario"))
    blocks = parameters.select("scenario_id", "measure_id", "domain_id")
    rejected = rejected.left_join(blocks, ["scenario_id", "measure_id"]).drop("scenario_id_right", "measure_id_right")
    # A rejected row has no values, only its place.
    empty = {
        name: ibis.null(measures[name].type())
        for name in measures.columns
        if name not in (*_MEASURE_KEYS, "domain_id", "has_rejected_row")
    }
    rejected = rejected.mutate(has_rejected_row=ibis.literal(True), **empty).select(measures.columns)  # noqa: FBT003
    rejected = rejected.anti_join(measures, _MEASURE_KEYS)
    measures = engine.compute(ibis.union(measures, rejected), "measure_all")
    return engine.compute(measures.mutate(**_measure_status(measures)), "measure_scored")


def score_physicians(engine: Engine, inputs: RospInputs, measures: ir.Table, scenarios: Sequence[Scenario]) -> ir.Table:
    """Points and euros of every physician of any file: scenario × physician."""
    physicians = _grid(engine, inputs, measures, scenarios)
    for rule in rules_in_force(scenarios[0]):
        if rule.rule_id not in _MEASURE_RULES:
            physicians = rule(physicians)
    physicians = engine.compute(physicians, "physician_rules")
    return engine.compute(physicians.mutate(**_payment_status(physicians)), "physician_scored")


def _ids(scenarios: Sequence[Scenario]) -> pa.Table:
    return pa.table({"scenario_id": [one.scenario_id for one in scenarios]})


def _measure_parameters(scenarios: Sequence[Scenario]) -> pa.Table:
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("scenario_id", "measure_id", "domain_id", "unverified")),
            *_OF_MEASURES.items(),
            ("is_lower_better", pa.bool_()),
            ("intermediate_realisation", _RATIO),
        ]
    )
    rows = [
        {
            "scenario_id": scenario.scenario_id,
            "measure_id": name,
            "domain_id": block,
            "unverified": scenario.unverified([("intermediate_realisation", "")]),
            **{column: scenario.value(column, name) for column in (*_OF_MEASURES, "is_lower_better")},
            "intermediate_realisation": scenario.value("intermediate_realisation"),
        }
        for scenario in scenarios
        for name, block in scenario.keyed("indicator_block").items()
        if block != ORGANISATION
    ]
    return parameter_table(rows, schema)


def _measure_status(measures: ir.Table) -> dict[str, ir.Value]:
    is_read = measures.realisation.isnull() | (measures.realisation == 1)
    status = ibis.cases(
        (measures.has_rejected_row, "not_determinable"),
        (measures.patients < measures.minimum_patients, "too_few_cases"),
        (measures.patients == 0, "not_reported"),
        (measures.realisation.isnull(), "not_determinable"),
        (measures.unverified.notnull() & ~is_read, "unverified"),
        else_="scored",
    )
    counts = measures.patients.cast("string") + " patients, " + measures.minimum_patients.cast("string") + " are needed"
    reason = ibis.cases(
        (measures.has_rejected_row, "the row of the results was rejected"),
        (status == "too_few_cases", counts),
        (status == "not_reported", "no patient to whom the indicator applies"),
        (status == "not_determinable", "short of the intermediate objective, and baseline_rate is not given"),
        (
            status == "unverified",
            ibis.literal("parameters whose source has not been read: ") + measures.unverified,
        ),
        else_=ibis.null("string"),
    )
    return {"status": status, "status_reason": reason}


def _grid(engine: Engine, inputs: RospInputs, measures: ir.Table, scenarios: Sequence[Scenario]) -> ir.Table:
    """Every physician of any file with list, contract, sums of points and the scenario's parameters."""
    listed = engine.table(_with_contract_days(inputs.physicians, scenarios[0]), "physician_row")
    listed = listed.mutate(is_listed=ibis.literal(True))  # noqa: FBT003
    organisation = _organisation(engine, inputs, scenarios)
    known = ibis.union(
        listed.select("provider_id"),
        measures.select("provider_id"),
        organisation.select("provider_id"),
        distinct=True,
    )
    rows = known.left_join(listed, "provider_id").drop("provider_id_right")
    rows = rows.mutate(
        is_listed=_.is_listed.fill_null(False),  # noqa: FBT003
        is_opted_out=_.is_opted_out.fill_null(False),  # noqa: FBT003
    )
    rows = engine.compute(rows.cross_join(engine.table(_physician_parameters(scenarios), "parameter")), "grid")
    counts = _.status.isin(["scored", "unverified"])
    totals = measures.group_by(*_KEYS).agg(
        clinical_points=ibis.ifelse(counts, _.earned_points, ibis.null(rules.POINTS_TYPE)).sum(),
        scored_maximum_points=ibis.ifelse(counts, _.indicator_points, ibis.null("decimal(9, 4)")).sum(),
        scored_indicators=money.whole_sum(counts.cast("int64")),
        unknown_indicators=money.whole_sum((_.status == "not_determinable").cast("int64")),
        has_unverified_indicator=(_.status == "unverified").any(),
    )
    rows = rows.left_join(totals, _KEYS).drop(*(f"{key}_right" for key in _KEYS))
    rows = rows.left_join(organisation, _KEYS).drop(*(f"{key}_right" for key in _KEYS))
    if not inputs.organisation.num_rows:
        nothing = ibis.literal(0).cast(rules.POINTS_TYPE)
        rows = rows.mutate(met_organisation_points=nothing, maximum_organisation_points=nothing)
    is_known = (rows.unknown_indicators.fill_null(0) == 0) & (rows.scored_indicators.fill_null(0) > 0)
    points = money.exact(rows.clinical_points, 18, 10)
    return engine.compute(
        rows.mutate(
            clinical_points=ibis.ifelse(is_known, points, ibis.null(rules.POINTS_TYPE)),
            scored_maximum_points=money.exact(rows.scored_maximum_points, 18, 10),
            scored_indicators=rows.scored_indicators.fill_null(0),
            unknown_indicators=rows.unknown_indicators.fill_null(0),
            has_unverified_indicator=rows.has_unverified_indicator.fill_null(False),  # noqa: FBT003
        ),
        "physician_input",
    )


def _organisation(engine: Engine, inputs: RospInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Points of the organisation indicators that a physician reported, and of those that are met."""
    points = [
        {"scenario_id": one.scenario_id, "indicator_id": name, "points": one.value("indicator_points", name)}
        for one in scenarios
        for name, block in one.keyed("indicator_block").items()
        if block == ORGANISATION
    ]
    schema = pa.schema([("scenario_id", pa.string()), ("indicator_id", pa.string()), ("points", pa.decimal128(9, 4))])
    rows = engine.table(inputs.organisation, "organisation_row")
    rows = rows.inner_join(engine.table(parameter_table(points, schema), "organisation_points"), "indicator_id")
    nothing = ibis.literal(0).cast("decimal(9, 4)")
    sums = rows.group_by(*_KEYS).agg(
        met_organisation_points=ibis.ifelse(_.is_met, _.points, nothing).sum(),
        maximum_organisation_points=_.points.sum(),
    )
    return sums.select(
        *_KEYS,
        met_organisation_points=money.exact(_.met_organisation_points, 18, 10),
        maximum_organisation_points=money.exact(_.maximum_organisation_points, 18, 10),
    )


def _physician_parameters(scenarios: Sequence[Scenario]) -> pa.Table:
    schema = pa.schema(
        [
            ("scenario_id", pa.string()),
            ("money_unverified", pa.string()),
            ("organisation_unverified", pa.string()),
            *_OF_PHYSICIANS.items(),
            ("is_organisation_scaled_by_list", pa.bool_()),
        ]
    )
    rows: list[dict[str, Any]] = [
        {
            "scenario_id": one.scenario_id,
            "money_unverified": one.unverified((name, "") for name in ("point_value", "reference_list")),
            "organisation_unverified": one.unverified([("is_organisation_scaled_by_list", "")]),
            **{name: one.value(name) for name in PHYSICIAN_PARAMETERS},
        }
        for one in scenarios
    ]
    return parameter_table(rows, schema)


def _with_contract_days(physicians: pa.Table, scenario: Scenario) -> pa.Table:
    """Add how many days of the year lie within the physician's contract, and the days of the year."""
    years = scenario.value("contract_years")
    period = scenario.period
    days = [
        _days(start, end, int(years), period.start, period.end) if years is not None else None
        for start, end in zip(
            physicians["contract_start"].to_pylist(), physicians["contract_end"].to_pylist(), strict=True
        )
    ]
    whole = [(period.end - period.start).days + 1] * physicians.num_rows
    return physicians.append_column("contract_days", pa.array(days, pa.int64())).append_column(
        "days_in_year", pa.array(whole, pa.int64())
    )


def _days(start: date | None, end: date | None, years: int, first: date, last: date) -> int:
    """Days of the year within a contract that ends by itself after so many years; 0 without a contract."""
    if start is None:
        return 0
    # A contract of 29 February ends on 28 February.
    day = min(start.day, 28) if start.month == 2 else start.day
    expiry = date(start.year + years, start.month, day)
    within = [date.fromordinal(expiry.toordinal() - 1), last, *([end] if end else [])]
    return max(0, (min(within) - max(start, first)).days + 1)


def _payment_status(physicians: ir.Table) -> dict[str, ir.Value]:
    """Status of the physician's payment as a whole."""
    is_contract = physicians.contract_days.notnull()
    has_nothing = (physicians.scored_indicators == 0) & (physicians.unknown_indicators == 0)
    status = ibis.cases(
        (~is_contract & physicians.is_opted_out, "excluded"),
        (physicians.is_listed & is_contract & (physicians.contract_days == 0), "excluded"),
        (has_nothing, "excluded"),
        (physicians.payment_amount.isnull(), "not_determinable"),
        (physicians.has_unverified_indicator | physicians.money_unverified.notnull(), "unverified"),
        else_="scored",
    )
    reason = ibis.cases(
        (~is_contract & physicians.is_opted_out, "opted out"),
        (status == "excluded", ibis.ifelse(has_nothing, "no indicator is scored", "no contract in the year")),
        (status == "not_determinable", _missing(physicians)),
        (physicians.money_unverified.notnull() & (status == "unverified"), "see point_value and reference_list"),
        (status == "unverified", "see the indicators"),
        else_=ibis.null("string"),
    )
    return {"status": status, "status_reason": reason}


def _missing(physicians: ir.Table) -> ir.StringValue:
    cases: list[Any] = [
        (~physicians.is_listed, "physicians.csv has no row that can be used"),
        (physicians.unknown_indicators > 0, "an indicator is not determinable"),
        (physicians.list_size.isnull(), "physicians.csv does not give the list"),
    ]
    if "organisation_amount" in physicians.columns:
        cases.append(
            (physicians.organisation_amount.isnull(), "the organisation's points or transmission are not given")
        )
    if "safeguard_amount" in physicians.columns:
        cases.append((physicians.safeguard_amount.isnull(), "the payment fell: --set safeguard_fall=..."))
    return ibis.cases(*cases, else_="an input is missing")
