"""From numbers to the Total HAC Score: the rules of the period applied in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameter_tables import with_parameters
from openvbp.parameters import ACTUAL, Scenario
from openvbp.programs.hacrp import rules, statuses
from openvbp.programs.hacrp.scenario_tables import (
    domain_parameters,
    flags,
    measure_parameters,
    program_parameters,
)
from openvbp.rules import Rule, in_force
from openvbp.scoring import z_scores

_KEYS = ["scenario_id", "provider_id"]
_SPREADS = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("measure_id", pa.string()),
        ("computed_mean", pa.decimal128(18, 10)),
        ("computed_deviation", pa.decimal128(18, 10)),
    ]
)


def score(
    engine: Engine, inputs: Mapping[str, ir.Table], scenarios: Sequence[Scenario], name: str = ""
) -> dict[str, ir.Table]:
    """Score all hospitals under all scenarios of one period.

    Parameters
    ----------
    inputs
        Tables of :func:`openvbp.programs.hacrp.inputs.input_tables`.
    name
        Prefix that keeps this call's tables apart from another's.

    Returns
    -------
    Wide tables by name, one column per quantity: ``measure_score`` (scenario × hospital × measure), ``domain_score``
    (scenario × hospital × domain, only in years with domains), ``hospital_score`` (scenario × hospital).

    Raises
    ------
    InputDataError
        If the rules in force give no hospital a Total HAC Score although the year has one.
    """
    day = scenarios[0].period.start
    measures = _measures(engine, inputs["measure_input"], scenarios, name)
    if in_force([rules.measure_score_by_decile], day):
        measures = rules.measure_score_by_decile(measures)
    else:
        measures = _by_z_score(engine, measures, name)
    measures = engine.compute(measures.mutate(**statuses.measure_status(measures)), f"{name}measure_score_computed")
    tables = {"measure_score": measures}
    if in_force([rules.domain_score], day):
        parameters = engine.table(domain_parameters(scenarios), f"{name}domain_parameter")
        tables["domain_score"] = engine.compute(_domains(measures, parameters), f"{name}domain_score_computed")
    hospitals = _hospitals(tables, inputs["provider"], engine.table(program_parameters(scenarios), f"{name}program"))
    exempt = engine.table(flags(scenarios, "exempt_state", "state", "is_exempt_state"), f"{name}exempt_state")
    hospitals = _with_total(_with_exemption(hospitals, exempt), day)
    tables["hospital_score"] = engine.compute(hospitals, f"{name}hospital_score_computed")
    if scenarios[0].scenario_id == ACTUAL:
        _demand_scores(engine, tables["hospital_score"])
    return tables


def _measures(engine: Engine, rows: ir.Table, scenarios: Sequence[Scenario], name: str) -> ir.Table:
    """Join each measure's parameters, and whether its footnote assigns the worst score."""
    parameters = engine.table(measure_parameters(scenarios), f"{name}measure_parameter")
    footnotes = flags(scenarios, "worst_score_footnote", "deciding_footnote", "is_worst")
    measures = with_parameters(rows, parameters, "measure_id")
    joined = measures.left_join(
        engine.table(footnotes, f"{name}worst_score_footnote"), ["scenario_id", "deciding_footnote"]
    )
    assigned = joined.is_worst.fill_null(False) & joined.performance_rate.isnull()  # noqa: FBT003
    return joined.mutate(is_worst_score_assigned=assigned).drop(
        "scenario_id_right", "deciding_footnote_right", "is_worst"
    )


def _by_z_score(engine: Engine, measures: ir.Table, name: str) -> ir.Table:
    """Apply the rules of the winsorized z-score, mean and standard deviation in between."""
    for rule in (rules.lower_percentile_result, rules.upper_percentile_result, rules.winsorized_result):
        measures = rule(measures)
    measures = engine.compute(measures, f"{name}winsorized")
    spreads = engine.table(_spreads(engine, measures), f"{name}spread")
    joined = measures.left_join(spreads, ["scenario_id", "measure_id"]).drop("scenario_id_right", "measure_id_right")
    joined = joined.mutate(
        winsorized_mean=ibis.coalesce(_.given_winsorized_mean, _.computed_mean),
        winsorized_standard_deviation=ibis.coalesce(_.given_winsorized_standard_deviation, _.computed_deviation),
    )
    return rules.measure_score_by_z_score(rules.computed_z_score(joined))


def _spreads(engine: Engine, measures: ir.Table) -> pa.Table:
    """Mean and standard deviation of each scenario × measure whose year does not give them."""
    counted = measures.filter(measures.performance_rate.notnull() & measures.input_problem.isnull())
    unknown = counted.filter(
        counted.given_winsorized_mean.isnull() | counted.given_winsorized_standard_deviation.isnull()
    )
    sums = unknown.group_by("scenario_id", "measure_id").agg(**z_scores.sums_of_powers(unknown.winsorized_result))
    return pa.Table.from_pylist([_spread(row) for row in engine.to_arrow(sums).to_pylist()], schema=_SPREADS)


def _spread(row: dict[str, Any]) -> dict[str, Any]:
    has_spread = row["results"] > 1
    deviation = rules.winsorized_standard_deviation.function
    return {
        "scenario_id": row["scenario_id"],
        "measure_id": row["measure_id"],
        "computed_mean": rules.winsorized_mean.function(row["results"], row["results_sum"]),
        "computed_deviation": deviation(row["results"], row["results_sum"], row["squares_sum"]) if has_spread else None,
    }


def _domains(measures: ir.Table, parameters: ir.Table) -> ir.Table:
    """Apply the domain rules: measures to scenario × hospital × domain."""
    domains = measures.group_by(*_KEYS, "domain_id").agg(**_sums(measures), measures=measures.count())
    domains = domains.inner_join(parameters, ["scenario_id", "domain_id"])
    domains = rules.weighted_domain_score(rules.domain_score(domains))
    return domains.mutate(**statuses.domain_status(domains))


def _sums(measures: ir.Table) -> dict[str, ir.Value]:
    return {
        "scored_measures": measures.measure_score.count(),
        "score_units": money.whole_sum(money.in_units(measures.measure_score, money.SCORE_DECIMALS)),
        "has_unknown_measure": (measures.status == "not_determinable").any(),
        "measures_unverified": measures.measure_unverified.max(),
        "is_paused": ~measures.is_total_hac_score_computed.all(),
    }


def _hospitals(tables: Mapping[str, ir.Table], providers: ir.Table, parameters: ir.Table) -> ir.Table:
    """Add up what each hospital has: scenario × hospital."""
    measures = tables["measure_score"]
    hospitals = measures.group_by(*_KEYS).agg(**_sums(measures)).drop("is_paused")
    if "domain_score" in tables:
        domains = tables["domain_score"]
        weighted = domains.group_by(*_KEYS).agg(
            weighted_units=money.whole_sum(domains.weighted_units),
            total_weight_units=domains.total_weight_units.max(),
            domains_unverified=domains.domain_unverified.max(),
        )
        hospitals = hospitals.left_join(weighted, _KEYS).drop([f"{key}_right" for key in _KEYS])
        hospitals = hospitals.mutate(measures_unverified=ibis.coalesce(_.measures_unverified, _.domains_unverified))
    hospitals = hospitals.inner_join(parameters, "scenario_id")
    published = providers.rename(
        published_total_hac_score="total_hac_score", published_payment_reduction="payment_reduction"
    )
    return hospitals.inner_join(published, "provider_id")


def _with_exemption(hospitals: ir.Table, exempt_states: ir.Table) -> ir.Table:
    """Mark hospitals that are not judged.

    Those of exempt states, those for which the file, which gives it for others, gives no payment reduction, and those
    that the user excludes.
    """
    joined = hospitals.left_join(exempt_states, ["scenario_id", "state"]).drop("scenario_id_right", "state_right")
    by_file = joined.prints_payment_reduction & ~joined.has_payment_reduction
    reason = ibis.cases(
        (joined.excluded_reason.notnull(), joined.excluded_reason),
        (joined.is_exempt_state.notnull(), ibis.literal("hospitals of this state are exempt: ") + joined.state),
        (by_file, "the file gives no payment reduction for the hospital"),
        else_=ibis.null("string"),
    )
    return joined.mutate(is_exempt=reason.notnull(), exempt_reason=reason).drop("is_exempt_state")


def _with_total(hospitals: ir.Table, day: date) -> ir.Table:
    """Apply the rule of the Total HAC Score that is in force, and say whether and why not."""
    total: Rule = in_force([rules.total_hac_score_of_domains, rules.total_hac_score_of_measures], day)[0]
    scored = total(hospitals)
    return scored.mutate(**statuses.hospital_status(scored))


def _demand_scores(engine: Engine, hospitals: ir.Table) -> None:
    """An empty result is an error: a year with scores must give some."""
    actual = hospitals.filter(hospitals.scenario_id == ACTUAL)
    counts = engine.to_arrow(
        actual.aggregate(
            hospitals=actual.count(),
            scored=actual.total_hac_score.count(),
            expected=actual.is_total_hac_score_computed.sum(),
        )
    ).to_pylist()[0]
    if counts["expected"] and not counts["scored"]:
        raise InputDataError(
            Problem(
                "no hospital has a Total HAC Score",
                "scores and results of the measures in the published file",
                "check that the file is of the period and that its cells hold numbers; rejected/cells.parquet lists "
                "those that do not",
                counts["hospitals"],
            )
        )
