"""Points and payments as the tables of the results model."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.qof import own_tables
from openvbp.programs.qof.input_tables import FRACTIONS, QofInputs
from openvbp.programs.qof.payments import rules_in_force
from openvbp.programs.qof.scenario_tables import parameter_citations
from openvbp.steps import Given, Source, StepGroup, step_rows

_NO_RATE = ibis.null("decimal(18, 10)")
_NO_POINTS = ibis.null("decimal(18, 4)")
_COUNTS = ("numerator", "denominator")
_FORMULA = (
    *_COUNTS,
    "available_points",
    "lower_threshold",
    "upper_threshold",
    "achievement",
    "formula_points",
    "points",
)
_REGISTER = ("list_size", "register", "prevalence", "adjusted_prevalence", "national_prevalence")
_TARGETS = (
    "target_population",
    "target_population_share",
    "given_target_population_factor",
    "target_population_factor",
)
_PRACTICE = (
    "total_points",
    "total_adjusted_points",
    "practice_list_size",
    "average_list_size",
    "contractor_population_index",
    "gbp_per_point",
    "achievement_payment",
)
_ASPIRATION = (
    "previous_achievement_payment",
    "aspiration_share",
    "aspiration_uprating_index",
    "aspiration_payment",
    "payment_due",
)
_UNITS = {
    "numerator": "count",
    "denominator": "count",
    "published_points": "points",
    "override_points": "points",
    "list_size": "count",
    "register": "count",
    "published_factor": "multiplier",
    "published_prevalence": "ratio",
    "target_population": "count",
    "given_target_population_factor": "multiplier",
    "practice_list_size": "count",
    "previous_achievement_payment": "gbp",
}
_PARAMETERS = {
    "available_points": "points",
    "lower_threshold": "ratio",
    "upper_threshold": "ratio",
    "zero_denominator_pays": "flag",
    "prevalence_cut_off": "ratio",
    "gbp_per_point": "gbp",
    "average_list_size": "count",
    "aspiration_share": "ratio",
    "aspiration_uprating_index": "multiplier",
}
_GIVEN = (
    *(Given(name, unit, "input") for name, unit in _UNITS.items()),
    *(Given(name, unit, "parameter") for name, unit in _PARAMETERS.items()),
)


def provider_table(practices: ir.Table) -> ir.Table:
    """Practices as the hub's ``provider``; the contract is the peer group."""
    return practices.select(
        "provider_id",
        "provider_name",
        provider_type=ibis.literal("general practice"),
        state=_.health_board,
        place=ibis.null("string"),
        peer_group=_.contract,
        dual_eligible_ratio=_NO_RATE,
        excluded_reason=ibis.null("string"),
    )


def measure_result(measures: ir.Table) -> ir.Table:
    """Indicators as the hub's ``measure_result``; the thresholds are those between which points rise."""
    return measures.select(
        "scenario_id",
        "provider_id",
        "measure_id",
        "domain_id",
        "numerator",
        "denominator",
        "status",
        "status_reason",
        "points",
        rate=_.achievement,
        threshold=_.lower_threshold,
        benchmark=_.upper_threshold,
        maximum_points=_.available_points,
        **dict.fromkeys(("expected", "baseline_rate"), _NO_RATE),
        **dict.fromkeys(("achievement_points", "improvement_points"), _NO_POINTS),
    )


def domain_result(areas: ir.Table) -> ir.Table:
    """Areas as the hub's ``domain_result``: the score is the percent of the points, the weight the factor they bear."""
    known = areas.area_points.notnull()
    percent = money.divide_half_up(money.in_units(areas.area_points, 6) * 100, money.in_units(areas.maximum_points, 6))
    one = ibis.literal(1).cast("decimal(18, 12)")
    factor = ibis.coalesce(
        areas.adjusted_disease_prevalence_factor.cast("decimal(18, 12)"), areas.target_population_factor, one
    )
    return areas.select(
        "scenario_id",
        "provider_id",
        "domain_id",
        "status_reason",
        "maximum_points",
        points=_.area_points,
        score=percent,
        weight=ibis.ifelse(known, factor, ibis.null("decimal(18, 12)")),
        weighted_score=ibis.null("decimal(18, 12)"),
        status=ibis.cases(
            (~known | percent.isnull(), "not_determinable"), (areas.lacks_factor, "unverified"), else_="scored"
        ),
    )


def provider_result(practices: ir.Table) -> ir.Table:
    """The total of points as the hub's score."""
    in_scenario = ibis.window(group_by="scenario_id")
    by_points = ibis.window(group_by="scenario_id", order_by=ibis.desc(_.total_points, nulls_first=False))
    ranked = practices.mutate(
        scored=_.total_points.count().over(in_scenario), rank_if_scored=ibis.rank().over(by_points) + 1
    )
    is_scored = ranked.total_points.notnull()
    at_most = ranked.scored - ranked.rank_if_scored + 1
    return ranked.select(
        "scenario_id",
        "provider_id",
        "provider_name",
        peer_group=_.contract,
        score=_.total_points,
        rank=ibis.ifelse(is_scored, ranked.rank_if_scored, ibis.null("int64")),
        percentile=ibis.ifelse(is_scored, money.divide_half_up(at_most, ranked.scored), ibis.null(money.SCORE_TYPE)),
        status=_.points_status,
        status_reason=_.points_reason,
    )


def payment_result(practices: ir.Table) -> ir.Table:
    """Achievement payment, what was paid in advance, and the balance: the whole amount, added or taken."""
    advanced = practices.filter(practices.previous_achievement_payment.notnull())
    return ibis.union(
        _component(practices, "achievement", practices.achievement_payment, 1),
        _component(advanced, "aspiration", advanced.aspiration_payment, -1),
        _component(advanced, "balance", advanced.payment_due, 1),
    )


def _component(practices: ir.Table, component_id: str, amount: ir.DecimalValue, sign: int) -> ir.Table:
    rate = ibis.literal(sign).cast("decimal(18, 16)")
    return practices.select(
        "scenario_id",
        "provider_id",
        "status",
        "status_reason",
        component_id=ibis.literal(component_id),
        base_amount=money.exact(amount, 18, 2),
        currency=ibis.literal("GBP"),
        rate=ibis.ifelse(amount.isnull(), ibis.null("decimal(18, 16)"), rate),
        amount=amount if sign > 0 else -amount,
        is_cap_applied=ibis.literal(False),  # noqa: FBT003
        factor=ibis.null("decimal(18, 10)"),
    )


def step_result(
    engine: Engine,
    inputs: QofInputs,
    measures: ir.Table,
    factors: ir.Table,
    areas: ir.Table,
    practices: ir.Table,
    scenarios: Sequence[Scenario],
) -> ir.Table:
    """Every value from counts to pounds as the hub's ``step_result``."""
    is_set = measures.override_points.notnull()
    computed = measures.filter(measures.scoring.isin(FRACTIONS))
    awarded = measures.filter(~measures.scoring.isin(FRACTIONS))
    published = computed.filter(computed.formula_points.isnull() & ~computed.override_points.notnull())
    pays = computed.filter(computed.zero_denominator_pays)
    unset = practices.mutate(status_reason=_.points_reason)
    groups = [
        StepGroup(computed, _FORMULA, "points"),
        StepGroup(pays, ("zero_denominator_pays",), ""),
        StepGroup(awarded, ("available_points", "points"), "points"),
        StepGroup(ibis.union(awarded, published), ("published_points",), ""),
        StepGroup(measures.filter(is_set), ("override_points",), "override_points"),
        StepGroup(factors, ("adjusted_disease_prevalence_factor",), "adjusted_disease_prevalence_factor"),
        StepGroup(factors.filter(~factors.is_factor_one), _register_quantities(scenarios[0]), ""),
        StepGroup(areas, ("area_points", "adjusted_points"), "adjusted_points"),
        StepGroup(areas.filter(areas.target_population_factor.notnull()), _TARGETS, ""),
        StepGroup(unset, ("total_points",), "total_points"),
        StepGroup(practices, _PRACTICE[1:], "achievement_payment"),
        StepGroup(practices.filter(practices.previous_achievement_payment.notnull()), _ASPIRATION, "payment_due"),
    ]
    sources = _sources(engine, inputs, measures, areas, scenarios)
    return step_rows(engine, groups, rules_in_force(scenarios[0]), _GIVEN, sources)


def _register_quantities(scenario: Scenario) -> tuple[str, ...]:
    cut_off = () if scenario.value("prevalence_cut_off") is None else ("prevalence_cut_off",)
    return (*_REGISTER, *cut_off, "published_factor", "published_prevalence")


def _sources(
    engine: Engine, inputs: QofInputs, measures: ir.Table, areas: ir.Table, scenarios: Sequence[Scenario]
) -> list[Source]:
    codes = sorted(engine.to_arrow(measures.select("measure_id").distinct())["measure_id"].to_pylist())
    domains = sorted(engine.to_arrow(areas.select("domain_id").distinct())["domain_id"].to_pylist())
    files = {file.used_for: file.name for file in inputs.files}
    achievement = ", ".join(file.name for file in inputs.files if file.used_for == "achievement")
    prevalence = files.get("prevalence", "no prevalence file")
    sources = parameter_citations(scenarios, inputs.country, codes, domains)
    for scenario in scenarios:
        of_measure = dict.fromkeys((*_COUNTS, "published_points"), achievement)
        of_measure["override_points"] = own_tables.LEDGER.file_name
        of_area = dict.fromkeys(("list_size", "register", "published_factor"), prevalence)
        of_area["published_prevalence"] = f"{prevalence}: prevalence over factor, one number for every practice"
        of_area["target_population"] = f"{achievement}: denominator of the area's indicator"
        of_area["given_target_population_factor"] = own_tables.TARGET_POPULATIONS.file_name
        of_practice = {
            "practice_list_size": files.get("totals", prevalence),
            "previous_achievement_payment": own_tables.ASPIRATION.file_name,
        }
        sources += [
            Source(scenario.scenario_id, name, code, "", file) for name, file in of_measure.items() for code in codes
        ]
        sources += [
            Source(scenario.scenario_id, name, "", area, file) for name, file in of_area.items() for area in domains
        ]
        sources += [Source(scenario.scenario_id, name, "", "", file) for name, file in of_practice.items()]
    return sources
