"""HVBP's wide tables as the tables of the results model."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.hvbp import health_equity, rules
from openvbp.rules import rules_of
from openvbp.steps import Given, Source, StepGroup, parameter_sources, step_rows

GIVEN = (
    Given("baseline_cases", "count", "input"),
    Given("baseline_rate", "rate", "input"),
    Given("performance_cases", "count", "input"),
    Given("performance_rate", "rate", "input"),
    Given("minimum_cases", "count", "parameter"),
    Given("achievement_threshold", "rate", "parameter"),
    Given("benchmark", "rate", "parameter"),
    Given("floor", "rate", "parameter"),
    Given("published_measure_points", "points", "input"),
    Given("scored_measures", "count", "count"),
    Given("minimum_measures", "count", "parameter"),
    Given("maximum_points", "points", "count"),
    Given("domain_weight", "ratio", "parameter"),
    Given("minimum_domains", "count", "parameter"),
    Given("applicable_percent", "ratio", "parameter"),
    Given("maximum_total_performance_score", "points", "parameter"),
    Given("base_operating_drg_payment_amount", "usd", "input"),
    Given("dual_eligible_ratio", "ratio", "input"),
    Given("underserved_multiplier_midpoint_ratio", "ratio", "parameter"),
    Given("underserved_multiplier_steepness", "multiplier", "parameter"),
    Given("maximum_health_equity_bonus", "points", "parameter"),
    Given("maximum_total_performance_score_with_bonus", "points", "parameter"),
)


def provider_table(providers: ir.Table) -> ir.Table:
    """Hospitals as the hub's ``provider``."""
    return providers.select(
        "provider_id",
        "provider_name",
        "state",
        "place",
        "dual_eligible_ratio",
        "excluded_reason",
        provider_type=ibis.literal("hospital"),
        peer_group=ibis.null("string"),
    )


def measure_result(measures: ir.Table) -> ir.Table:
    """Scored measures as the hub's ``measure_result``."""
    return measures.select(
        "scenario_id",
        "provider_id",
        "measure_id",
        "domain_id",
        "baseline_rate",
        "benchmark",
        "achievement_points",
        "improvement_points",
        "status",
        "status_reason",
        numerator=_.performance_events,
        denominator=_.performance_cases,
        rate=_.performance_rate,
        expected=ibis.null("decimal(18, 10)"),
        threshold=_.achievement_threshold,
        points=_.measure_points,
        maximum_points=ibis.literal(10),
    )


def domain_result(domains: ir.Table) -> ir.Table:
    """Scored domains as the hub's ``domain_result``."""
    return domains.select(
        "scenario_id",
        "provider_id",
        "domain_id",
        "maximum_points",
        "status",
        "status_reason",
        points=_.domain_points,
        score=_.domain_score,
        weight=_.effective_weight,
        weighted_score=_.weighted_domain_score,
    )


def provider_result(hospitals: ir.Table, providers: ir.Table) -> ir.Table:
    """Scored hospitals as the hub's ``provider_result``, ranked within the scenario."""
    in_scenario = ibis.window(group_by="scenario_id")
    named = hospitals.inner_join(providers.select("provider_id", "provider_name"), "provider_id")
    # A hospital outside the program has no score in it, whatever its measures would give.
    score = ibis.ifelse(named.status == "excluded", ibis.null(money.SCORE_TYPE), health_equity.exchanged_score(named))
    named = named.mutate(score=score)
    ranked = named.mutate(
        scored_hospitals=_.score.count().over(in_scenario),
        rank_if_scored=ibis.rank().over(
            ibis.window(group_by="scenario_id", order_by=ibis.desc(_.score, nulls_first=False))
        )
        + 1,
    )
    at_most = ranked.scored_hospitals - ranked.rank_if_scored + 1
    scored = ranked.score.notnull()
    return ranked.select(
        "scenario_id",
        "provider_id",
        "provider_name",
        "status",
        "status_reason",
        "score",
        peer_group=ibis.null("string"),
        rank=ibis.ifelse(scored, ranked.rank_if_scored, ibis.null("int64")),
        percentile=ibis.ifelse(
            scored, money.divide_half_up(at_most, ranked.scored_hospitals), ibis.null(money.SCORE_TYPE)
        ),
    )


def payment_result(hospitals: ir.Table, detailed: Sequence[Scenario]) -> ir.Table:
    """Payments as the hub's ``payment_result``: withhold, incentive and net; of further scenarios only the net."""
    share = "decimal(18, 16)"
    outside = hospitals.payment_status == "excluded"
    withheld = ibis.ifelse(hospitals.is_participating, -hospitals.applicable_percent.cast(share), ibis.null(share))
    components = (
        ("withhold", withheld, -hospitals.withheld_amount, ibis.null("decimal(18, 10)")),
        (
            "incentive",
            hospitals.value_based_incentive_payment_percentage,
            hospitals.value_based_incentive_payment_amount,
            ibis.null("decimal(18, 10)"),
        ),
        (
            "net",
            hospitals.net_percentage,
            hospitals.net_payment_change,
            # A hospital outside the program is paid in full: nothing is withheld from it.
            ibis.ifelse(
                outside,
                ibis.literal(1).cast("decimal(18, 10)"),
                hospitals.value_based_incentive_payment_adjustment_factor,
            ),
        ),
    )
    in_detail = hospitals.scenario_id.isin([scenario.scenario_id for scenario in detailed])
    return ibis.union(
        *(
            (hospitals if component == "net" else hospitals.filter(in_detail)).select(
                "scenario_id",
                "provider_id",
                component_id=ibis.literal(component),
                base_amount=hospitals.base_operating_drg_payment_amount,
                currency=ibis.literal("USD"),
                rate=rate.cast(share),
                amount=amount.cast("decimal(28, 10)"),
                is_cap_applied=ibis.literal(False),  # noqa: FBT003
                factor=factor,
                status=hospitals.payment_status,
                status_reason=hospitals.payment_status_reason,
            )
            for component, rate, amount, factor in components
        )
    )


_RATES = ("baseline_rate", "performance_rate", "achievement_threshold", "benchmark")
_POINTS = ("is_measure_scored", "achievement_points", "improvement_points", "measure_points")
_CASES = ("baseline_cases", "performance_cases", "minimum_cases")
_DOMAIN = (
    "scored_measures",
    "minimum_measures",
    "domain_points",
    "maximum_points",
    "domain_weight",
    "domain_score",
    "effective_weight",
    "weighted_domain_score",
)
_HOSPITAL = (
    "minimum_domains",
    "total_performance_score",
    "applicable_percent",
    "maximum_total_performance_score",
    "base_operating_drg_payment_amount",
    "exchange_function_slope",
    "value_based_incentive_payment_percentage",
    "value_based_incentive_payment_adjustment_factor",
    "value_based_incentive_payment_amount",
    "withheld_amount",
    "net_payment_change",
)
_HEALTH_EQUITY = (
    "measure_performance_scaler",
    "dual_eligible_ratio",
    "underserved_multiplier_midpoint_ratio",
    "underserved_multiplier_steepness",
    "underserved_multiplier",
    "maximum_health_equity_bonus",
    "health_equity_bonus",
    "maximum_total_performance_score_with_bonus",
    "total_performance_score_with_bonus",
)


def step_result(
    engine: Engine,
    measures: ir.Table,
    domains: ir.Table,
    hospitals: ir.Table,
    scenarios: Sequence[Scenario],
    input_sources: Sequence[Source],
) -> ir.Table:
    """Every value of the chain as the hub's ``step_result``."""
    survey = measures.domain_id == "person_and_community_engagement"
    payments = hospitals.mutate(status_reason=hospitals.payment_status_reason)
    # What the hospital's status says of the bonus is not a note on the score without it.
    without_bonus = hospitals.is_health_equity_adjustment_applied & hospitals.total_performance_score.notnull()
    totals = hospitals.mutate(
        status_reason=ibis.ifelse(without_bonus, ibis.null("string"), hospitals.status_reason),
    )
    groups = [
        StepGroup(measures.filter(~measures.is_combination & ~survey), (*_RATES, *_CASES, *_POINTS), "measure_points"),
        StepGroup(
            measures.filter(survey),
            (*_RATES, "floor", *_CASES, *_POINTS, "dimension_consistency_points"),
            "measure_points",
        ),
        StepGroup(
            measures.filter(measures.is_combination), ("published_measure_points", "combined_points"), "combined_points"
        ),
        StepGroup(domains.filter(~domains.is_hcahps), _DOMAIN, "domain_score"),
        StepGroup(
            domains.filter(domains.is_hcahps),
            (*_DOMAIN, "hcahps_base_points", "hcahps_consistency_points"),
            "domain_score",
        ),
        StepGroup(totals, ("minimum_domains", "total_performance_score"), "total_performance_score"),
        StepGroup(payments, _HOSPITAL[2:], "value_based_incentive_payment_adjustment_factor"),
        *_health_equity_steps(domains, hospitals, scenarios),
    ]
    return step_rows(engine, groups, rules_of(rules), GIVEN, [*parameter_sources(scenarios), *input_sources])


def _health_equity_steps(domains: ir.Table, hospitals: ir.Table, scenarios: Sequence[Scenario]) -> list[StepGroup]:
    """Steps of the health equity adjustment, of the scenarios that apply it."""
    adjusted = [scenario.scenario_id for scenario in health_equity.applied(scenarios)]
    if not adjusted:
        return []
    return [
        StepGroup(
            domains.filter(_.scenario_id.isin(adjusted)), ("domain_performance_points",), "domain_performance_points"
        ),
        StepGroup(
            hospitals.filter(_.scenario_id.isin(adjusted)),
            _HEALTH_EQUITY,
            "total_performance_score_with_bonus",
        ),
    ]
