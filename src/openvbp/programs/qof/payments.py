"""From points to pounds: prevalence factors, adjusted points of each area, payments of each practice."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.qof import rules
from openvbp.programs.qof.input_tables import QofInputs
from openvbp.programs.qof.scenario_tables import area_parameters, country_parameters
from openvbp.rules import Rule, in_force, rules_of

_AREA = ["scenario_id", "provider_id", "domain_id"]


def rules_in_force(scenario: Scenario) -> list[Rule]:
    """List the rules of the period."""
    return in_force(rules_of(rules), scenario.period.start)


def _of_period(scenario: Scenario, gives: str) -> Rule:
    return next(rule for rule in rules_in_force(scenario) if rule.gives == gives)


def prevalence_factors(engine: Engine, inputs: QofInputs, scenarios: Sequence[Scenario], name: str = "") -> ir.Table:
    """Compute the prevalence factor of every practice of the prevalence table: scenario × practice × area."""
    registers = engine.table(inputs.registers, f"{name}register_input")
    areas = engine.table(area_parameters(scenarios, inputs.country), f"{name}area_parameter")
    rows = registers.inner_join(areas.filter(_.is_prevalence_adjusted), "domain_id")
    rows = engine.compute(rows, f"{name}register_row")
    quantities = ("prevalence", "adjusted_prevalence", "national_prevalence", "adjusted_disease_prevalence_factor")
    for number, gives in enumerate(quantities):
        # Windows over windows: each rule's table is computed, so that no query nests them.
        rows = engine.compute(_of_period(scenarios[0], gives)(rows), f"{name}register_{number}")
    return engine.compute(rows.mutate(status_reason=_factor_note(rows)), f"{name}register_factor")


def _factor_note(rows: ir.Table) -> ir.StringValue:
    return ibis.cases(
        (rows.is_factor_one, "one for every practice"),
        (rows.register.isnull() & rows.published_factor.notnull(), "as published: the register is suppressed"),
        (rows.adjusted_disease_prevalence_factor.isnull(), "no register, list or national prevalence"),
        else_=ibis.null("string"),
    )


def adjust_areas(
    engine: Engine,
    inputs: QofInputs,
    measures: ir.Table,
    factors: ir.Table,
    scenarios: Sequence[Scenario],
    name: str = "",
) -> ir.Table:
    """Sum and adjust the points of each area: scenario × practice × area."""
    summed = rules.area_points(measures).mutate(
        maximum_points=_.available_points.sum().over(ibis.window(group_by=_AREA)).cast("decimal(38, 4)")
    )
    areas = engine.compute(summed.select(*_AREA, "area_points", "maximum_points").distinct(), f"{name}area_sum")
    kept = factors.select(*_AREA, "adjusted_disease_prevalence_factor")
    areas = areas.left_join(kept, _AREA).drop(*(f"{key}_right" for key in _AREA))
    parameters = engine.table(area_parameters(scenarios, inputs.country), f"{name}area_rule")
    areas = engine.compute(areas.inner_join(parameters, ["scenario_id", "domain_id"]), f"{name}area_factor")
    areas = _with_target_populations(engine, inputs, areas, name)
    one = ibis.literal(1).cast("decimal(19, 15)")
    factor = ibis.ifelse(_.is_factor_one, one, _.adjusted_disease_prevalence_factor)
    areas = engine.compute(areas.mutate(adjusted_disease_prevalence_factor=factor), f"{name}area_row")
    for number, rule in enumerate(_AREA_RULES):
        areas = engine.compute(rule(areas), f"{name}area_rule_{number}")
    lacks = _.is_prevalence_adjusted & _.adjusted_disease_prevalence_factor.isnull()
    note = ibis.cases(
        (_.area_points.isnull(), "points of an indicator are not known"),
        (lacks, "no prevalence factor is given: one is taken"),
        (_.is_target_population & _.target_population_factor.isnull(), "no target population is given: one is taken"),
        else_=ibis.null("string"),
    )
    return engine.compute(areas.mutate(lacks_factor=lacks, status_reason=note), f"{name}area_adjusted")


_AREA_RULES = (
    rules.target_population_share,
    rules.target_population_factor,
    rules.adjusted_points,
    rules.total_points,
    rules.total_adjusted_points,
)


def _with_target_populations(engine: Engine, inputs: QofInputs, areas: ir.Table, name: str) -> ir.Table:
    """Add the target population (an indicator's denominator), the list and the factor that the user gives."""
    counts = engine.table(inputs.denominators, f"{name}target_count").select(
        "provider_id", target_indicator=_.measure_id, target_population=_.denominator
    )
    areas = areas.left_join(counts, ["provider_id", "target_indicator"])
    areas = areas.drop("provider_id_right", "target_indicator_right")
    lists = engine.table(inputs.practices, f"{name}target_list").select("provider_id", "practice_list_size")
    areas = areas.left_join(lists, "provider_id").drop("provider_id_right")
    given = engine.table(inputs.targets, f"{name}target_input").rename(
        given_target_population_factor="target_population_factor"
    )
    return areas.left_join(given, ["provider_id", "domain_id"]).drop("provider_id_right", "domain_id_right")


def pay(engine: Engine, inputs: QofInputs, areas: ir.Table, scenarios: Sequence[Scenario], name: str = "") -> ir.Table:
    """Compute the payments of each practice: scenario × practice."""
    missing = ibis.ifelse(_.lacks_factor, _.domain_id, ibis.null("string"))
    totals = areas.group_by("scenario_id", "provider_id", "total_points", "total_adjusted_points").agg(
        maximum_points=_.maximum_points.sum().cast("decimal(38, 4)"),
        areas_without_factor=missing.count(),
        first_without_factor=missing.min(),
    )
    practices = engine.table(inputs.practices, f"{name}practice_input")
    rows = engine.compute(totals.inner_join(practices, "provider_id"), f"{name}practice_total")
    aspiration = engine.table(inputs.aspiration, f"{name}aspiration_input")
    rows = rows.left_join(aspiration, "provider_id").drop("provider_id_right")
    parameters = engine.table(country_parameters(scenarios, inputs.country), f"{name}country_parameter")
    rows = engine.compute(rows.inner_join(parameters, "scenario_id"), f"{name}practice_row")
    for rule in (
        rules.contractor_population_index,
        rules.achievement_payment,
        rules.aspiration_payment,
        rules.payment_due,
    ):
        rows = rule(rows)
    rows = engine.compute(rows, f"{name}practice_paid")
    return engine.compute(rows.mutate(**_status(rows)), f"{name}practice_status")


def _status(rows: ir.Table) -> dict[str, ir.Value]:
    lacks = rows.areas_without_factor > 0
    unverified = ibis.ifelse(
        rows.previous_achievement_payment.notnull(), rows.aspiration_unverified, rows.payment_unverified
    )
    status = ibis.cases(
        (rows.achievement_payment.isnull(), "not_determinable"),
        (unverified.notnull() | lacks, "unverified"),
        else_="scored",
    )
    unread = ibis.literal("parameters whose source has not been read: ") + unverified
    assumed = (
        ibis.literal("the factor one is taken where none is published, for example for ") + rows.first_without_factor
    )
    reason = ibis.cases(
        (rows.practice_list_size.isnull(), "the practice has no list size"),
        (rows.gbp_per_point.isnull(), "no pounds per point are known for the year"),
        (rows.average_list_size.isnull(), "no average list is known for the year: --set average_list_size.COUNTRY=..."),
        (rows.total_points.isnull(), "points of an indicator are not known"),
        (unverified.notnull() & lacks, unread + "; " + assumed),
        (unverified.notnull(), unread),
        (lacks, assumed),
        else_=ibis.null("string"),
    )
    known = rows.total_points.notnull()
    return {
        "status": status,
        "status_reason": reason,
        "points_status": ibis.ifelse(known, "scored", "not_determinable"),
        "points_reason": ibis.ifelse(known, ibis.null("string"), ibis.literal("points of an indicator are not known")),
    }
