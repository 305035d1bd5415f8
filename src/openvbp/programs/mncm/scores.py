"""From counts to rates, expected rates and ratings of clinics, under all scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.errors import Problem, UsageError
from openvbp.parameter_tables import parameter_table
from openvbp.parameters import Scenario
from openvbp.programs.mncm import rules
from openvbp.programs.mncm.input_files import SURVEY
from openvbp.programs.mncm.inputs import ReportCardInputs
from openvbp.programs.mncm.patients import GOALS
from openvbp.rule_chain import apply_rules
from openvbp.scoring import intervals

_CLINIC = ["scenario_id", "provider_id", "measure_id"]
_METHODS = ("wilson", "clopper_pearson")
CLINIC_QUANTITIES = (
    "met",
    "patients",
    "actual_rate",
    "expected_met",
    "model_expected_rate",
    "expected_rate",
    "interval_lower",
    "interval_upper",
    "rating",
    "statewide_rating",
)
"""What is kept back where a result is not published."""
SHOWN = ("scored", "unverified")
"""Statuses of results that are published."""


def count_categories(engine: Engine, parts: Sequence[ir.Table], inputs: ReportCardInputs) -> ir.Table:
    """Add up patients and compare each risk category with the state: scenario × clinic × measure × category.

    Parameters
    ----------
    engine
        Where to compute.
    parts
        Counts by scenario, clinic, measure and risk category.
    inputs
        For the statewide rates of categories that are given.
    """
    counts = engine.compute(ibis.union(*parts) if len(parts) > 1 else parts[0], "category_count")
    given = engine.table(inputs.risk_categories, "given_category").rename(given_category_rate="statewide_rate")
    joined = counts.left_join(given, ["measure_id", "risk_category"])
    counts = engine.compute(joined.drop("measure_id_right", "risk_category_right"), "category_input")
    return apply_rules(engine, [rules.category_rate], counts, "category_rated")


def given_counts(engine: Engine, inputs: ReportCardInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Repeat the counts of ``clinic_counts.csv`` under each scenario."""
    names = pa.table({"scenario_id": [one.scenario_id for one in scenarios]})
    counts = engine.table(inputs.counts, "count_row").cross_join(engine.table(names, "scenario_of_count"))
    return counts.select("scenario_id", "provider_id", "measure_id", "risk_category", "patients", "met")


def rate_clinics(
    engine: Engine, categories: ir.Table, inputs: ReportCardInputs, scenarios: Sequence[Scenario]
) -> ir.Table:
    """Rate every result: scenario × clinic × measure; what is not published is empty."""
    with_expected = engine.compute(rules.expected_met(categories), "category_expected")
    totals = with_expected.group_by(_CLINIC).agg(
        patients=money.whole_sum(_.patients), met=money.whole_sum(_.met), expected_met=_.expected_met.max()
    )
    clinics = engine.compute(_with_rejected(engine, totals, inputs, scenarios), "clinic_total")
    model = engine.table(inputs.expected, "model_rate").rename(model_expected_rate="expected_rate")
    joined = clinics.left_join(model, ["provider_id", "measure_id"]).drop("provider_id_right", "measure_id_right")
    # A rate of the statewide model takes the place of that of the risk categories.
    own = ibis.ifelse(joined.model_expected_rate.isnull(), joined.expected_met, ibis.null(money.SCORE_TYPE))
    joined = joined.mutate(expected_met=own)
    measures = engine.table(_measures(inputs, scenarios), "report_measure")
    clinics = engine.compute(joined.inner_join(measures, ["scenario_id", "measure_id"]), "clinic_input")
    clinics = _with_exact_bounds(engine, clinics)
    clinics = apply_rules(
        engine,
        [
            rules.actual_rate,
            rules.expected_rate,
            rules.statewide_rate,
            rules.is_reportable,
            rules.interval_lower,
            rules.interval_upper,
            rules.rating,
            rules.statewide_rating,
        ],
        clinics,
        "clinic_rated",
    )
    return engine.compute(_published(clinics), "clinic_published")


def _with_rejected(
    engine: Engine, totals: ir.Table, inputs: ReportCardInputs, scenarios: Sequence[Scenario]
) -> ir.Table:
    """Add results of which only rejected rows are left, and mark all that have one."""
    rows = [
        {**place, "scenario_id": scenario.scenario_id}
        for scenario in scenarios
        for place in inputs.rejected_results.to_pylist()
    ]
    schema = pa.schema([(name, pa.string()) for name in _CLINIC])
    rejected = engine.table(pa.Table.from_pylist(rows, schema=schema), "rejected_result")
    rejected = rejected.mutate(has_rejected_row=ibis.literal(True))  # noqa: FBT003
    joined = totals.outer_join(rejected, _CLINIC)
    return joined.select(
        **{name: ibis.coalesce(joined[name], joined[f"{name}_right"]) for name in _CLINIC},
        patients=joined.patients,
        met=joined.met,
        expected_met=joined.expected_met,
        has_rejected_row=joined.has_rejected_row.fill_null(False),  # noqa: FBT003
    )


def _measures(inputs: ReportCardInputs, scenarios: Sequence[Scenario]) -> pa.Table:
    """Measures with what the scenario says of them: scenario × measure."""
    of_patients = set(inputs.patients["measure_id"].to_pylist())
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("scenario_id", "measure_id", "domain_id", "data_source")),
            *((name, pa.string()) for name in ("interval_method", "unverified")),
            ("minimum_patients", pa.int64()),
            ("given_statewide_rate", pa.decimal128(18, 6)),
            ("confidence_level", pa.decimal128(7, 6)),
            ("critical_value", pa.decimal128(8, 6)),
            ("top_percentile", pa.decimal128(5, 4)),
        ]
    )
    rows = []
    for scenario in scenarios:
        _demand_statistics(scenario)
        level = scenario.value("confidence_level")
        for row in inputs.measures.to_pylist():
            minimum = minimum_parameter(row["data_source"])
            used = [minimum, ("confidence_level", ""), ("interval_method", ""), ("top_percentile", "")]
            if row["measure_id"] in of_patients:
                used += [(name, row["measure_id"]) for name in GOALS]
            rows.append(
                {
                    "scenario_id": scenario.scenario_id,
                    **{name: row[name] for name in ("measure_id", "domain_id", "data_source")},
                    "interval_method": scenario.value("interval_method"),
                    "unverified": scenario.unverified(used),
                    "minimum_patients": scenario.value(*minimum),
                    "given_statewide_rate": row["statewide_rate"],
                    "confidence_level": level,
                    "critical_value": intervals.critical_value(level),
                    "top_percentile": scenario.value("top_percentile"),
                }
            )
    return parameter_table(rows, schema)


def minimum_parameter(data_source: str) -> tuple[str, str]:
    """Name the parameter, and its key, of the fewest patients with which results of a source are published."""
    return ("minimum_answers", "") if data_source == SURVEY else ("minimum_patients", data_source)


def _demand_statistics(scenario: Scenario) -> None:
    """Refuse levels, methods and percentiles with which no interval or label can be computed."""
    problems = []
    for name, lowest in (("confidence_level", Decimal("0.5")), ("top_percentile", Decimal(0))):
        share = scenario.value(name)
        if share is not None and not lowest < share < 1:
            problems.append(
                Problem(f"{name} is {share}", f"scenario {scenario.scenario_id}", f"between {lowest} and 1")
            )
    method = scenario.value("interval_method")
    if method not in _METHODS:
        problems.append(
            Problem(f"interval_method is {method}", f"scenario {scenario.scenario_id}", "one of " + ", ".join(_METHODS))
        )
    if problems:
        raise UsageError(problems)


def _with_exact_bounds(engine: Engine, clinics: ir.Table) -> ir.Table:
    """Add the exact bounds of every proportion of scenarios that ask for them."""
    keys = ["met", "patients", "confidence_level"]
    asked = clinics.filter((_.interval_method == "clopper_pearson") & (_.patients > 0))
    wanted = engine.to_arrow(asked.select(*keys).distinct()).to_pylist()
    rows: list[dict[str, Any]] = []
    for row in wanted:
        lower, upper = intervals.clopper_pearson(row["met"], row["patients"], row["confidence_level"])
        rows.append({**row, "exact_lower": lower, "exact_upper": upper})
    schema = pa.schema(
        [
            *((name, pa.int64()) for name in keys[:2]),
            ("confidence_level", pa.decimal128(7, 6)),
            *((name, pa.decimal128(18, intervals.BOUND_DECIMALS)) for name in ("exact_lower", "exact_upper")),
        ]
    )
    bounds = engine.table(pa.Table.from_pylist(rows, schema=schema), "exact_bound")
    return engine.compute(clinics.left_join(bounds, keys).drop(*(f"{name}_right" for name in keys)), "clinic_exact")


def _published(clinics: ir.Table) -> ir.Table:
    """Say what became of each result, and keep back what is not published."""
    status = ibis.cases(
        (clinics.has_rejected_row, "not_determinable"),
        (clinics.patients == 0, "not_reported"),
        (~clinics.is_reportable, "too_few_cases"),
        (clinics.rating.isnull(), "not_determinable"),
        (clinics.unverified.notnull(), "unverified"),
        else_="scored",
    )
    labels = ibis.literal("") + _label(clinics.rating, "expected") + "; " + _label(clinics.statewide_rating, "average")
    unread = ibis.literal("; parameters whose source has not been read: ") + clinics.unverified
    reason = ibis.cases(
        (clinics.has_rejected_row, "a row of the input was rejected"),
        (clinics.patients == 0, "no patient"),
        (
            ~clinics.is_reportable,
            ibis.literal("not reportable: fewer than ") + clinics.minimum_patients.cast("string") + " patients",
        ),
        (clinics.rating.isnull(), "the expected rate is not known: a risk category has no statewide rate"),
        else_=labels + unread.fill_null(""),
    )
    clinics = clinics.mutate(status=status, status_reason=reason)
    is_shown = clinics.status.isin(SHOWN)
    hidden = {name: ibis.ifelse(is_shown, clinics[name], ibis.null(clinics[name].type())) for name in CLINIC_QUANTITIES}
    return clinics.mutate(**hidden).drop("exact_lower", "exact_upper", "critical_value", "has_rejected_row")


def _label(sign: ir.IntegerValue, reference: str) -> ir.StringValue:
    middle = "as expected" if reference == "expected" else "average"
    return ibis.cases(
        (sign == 2, ibis.literal("top")),
        (sign == 1, ibis.literal(f"above {reference}")),
        (sign == 0, ibis.literal(middle)),
        (sign == -1, ibis.literal(f"below {reference}")),
        else_=ibis.literal("not rated"),
    )
