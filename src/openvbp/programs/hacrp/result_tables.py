"""HACRP's wide tables as the tables of the results model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.hacrp import rules
from openvbp.programs.hacrp.scenario_tables import CONSTANTS
from openvbp.rules import in_force, rules_of
from openvbp.steps import Given, Source, StepGroup, parameter_sources, step_rows

GIVEN = (
    Given("performance_rate", "rate", "input"),
    Given("published_points", "points", "input"),
    Given("published_z_score", "points", "input"),
    Given("is_worst_score_assigned", "flag", "input"),
    Given("domain_weight", "ratio", "parameter"),
    Given("published_total_hac_score", "points", "input"),
    Given("is_exempt", "flag", "input"),
    Given("payment_reduction", "ratio", "parameter"),
    Given("base_operating_drg_payment_amount", "usd", "input"),
    Given("hvbp_adjustment_factor", "multiplier", "input"),
    Given("hrrp_adjustment_factor", "multiplier", "input"),
    Given("other_payment_amount", "usd", "input"),
)


def provider_table(providers: ir.Table) -> ir.Table:
    """Hospitals as the hub's ``provider``."""
    return providers.select(
        "provider_id",
        "provider_name",
        "state",
        "dual_eligible_ratio",
        "excluded_reason",
        place=ibis.null("string"),
        provider_type=ibis.literal("hospital"),
        peer_group=ibis.null("string"),
    )


def measure_result(measures: ir.Table) -> ir.Table:
    """Scored measures as the hub's ``measure_result``; the points are decile points or z-scores."""
    rate, points = ibis.null("decimal(18, 10)"), ibis.null("decimal(18, 4)")
    has_maximum = "published_points" in measures.columns and "takes_published" not in measures.columns
    return measures.select(
        "scenario_id",
        "provider_id",
        "measure_id",
        "domain_id",
        "status",
        "status_reason",
        numerator=ibis.null("decimal(18, 4)"),
        denominator=ibis.null("decimal(18, 4)"),
        rate=_.performance_rate,
        expected=rate,
        baseline_rate=rate,
        threshold=rate,
        benchmark=rate,
        achievement_points=points,
        improvement_points=points,
        points=_.measure_score,
        maximum_points=ibis.literal(10).cast(points.type()) if has_maximum else points,
    )


def domain_result(domains: ir.Table) -> ir.Table:
    """Scored domains as the hub's ``domain_result``."""
    no_points = ibis.null("decimal(18, 4)")
    return domains.select(
        "scenario_id",
        "provider_id",
        "domain_id",
        "status",
        "status_reason",
        points=no_points,
        maximum_points=no_points,
        score=_.domain_score,
        weight=ibis.ifelse(_.scored_measures > 0, _.effective_weight, ibis.null(money.SCORE_TYPE)),
        weighted_score=_.weighted_domain_score,
    )


def provider_result(hospitals: ir.Table) -> ir.Table:
    """Scored hospitals as the hub's ``provider_result``, ranked within the scenario; rank 1 is the worst score."""
    in_scenario = ibis.window(group_by="scenario_id")
    by_score = ibis.window(group_by="scenario_id", order_by=ibis.desc(_.total_hac_score, nulls_first=False))
    ranked = hospitals.mutate(
        scored_hospitals=_.total_hac_score.count().over(in_scenario), rank_if_scored=ibis.rank().over(by_score) + 1
    )
    at_most = ranked.scored_hospitals - ranked.rank_if_scored + 1
    scored = ranked.total_hac_score.notnull()
    return ranked.select(
        "scenario_id",
        "provider_id",
        "provider_name",
        "status",
        "status_reason",
        peer_group=ibis.null("string"),
        score=_.total_hac_score,
        rank=ibis.ifelse(scored, ranked.rank_if_scored, ibis.null("int64")),
        percentile=ibis.ifelse(
            scored, money.divide_half_up(at_most, ranked.scored_hospitals), ibis.null(money.SCORE_TYPE)
        ),
    )


def payment_result(hospitals: ir.Table) -> ir.Table:
    """Payments as the hub's ``payment_result``: one component, the reduction."""
    share = "decimal(18, 16)"
    reduction = ibis.ifelse(
        hospitals.is_in_worst_quartile, -hospitals.payment_reduction.cast(share), ibis.literal(0).cast(share)
    )
    return hospitals.select(
        "scenario_id",
        "provider_id",
        component_id=ibis.literal("hac_reduction"),
        base_amount=hospitals.payment_before_reduction,
        currency=ibis.literal("USD"),
        rate=ibis.ifelse(hospitals.is_in_worst_quartile.isnull(), ibis.null(share), reduction),
        amount=hospitals.payment_reduction_amount,
        is_cap_applied=ibis.literal(False),  # noqa: FBT003
        factor=hospitals.payment_adjustment_factor,
        status=hospitals.payment_status,
        status_reason=hospitals.payment_status_reason,
    )


_AS_PUBLISHED = ("published_z_score", "measure_score")
_DECILES = ("performance_rate", "published_points", "measure_score")
_Z_SCORES = (
    "performance_rate",
    "is_worst_score_assigned",
    *CONSTANTS,
    "winsorized_result",
    "computed_z_score",
    "published_z_score",
    "measure_score",
)
_DOMAIN = ("domain_weight", "domain_score", "weighted_domain_score")
_PAYMENT = (
    "is_exempt",
    "cutoff",
    "is_in_worst_quartile",
    "payment_reduction",
    "payment_adjustment_factor",
    "base_operating_drg_payment_amount",
    "hvbp_adjustment_factor",
    "hrrp_adjustment_factor",
    "other_payment_amount",
    "payment_before_reduction",
    "payment_reduction_amount",
)


def step_result(
    engine: Engine,
    measures: ir.Table,
    domains: ir.Table | None,
    hospitals: ir.Table,
    scenarios: Sequence[Scenario],
    input_sources: Sequence[Source],
) -> ir.Table:
    """Every value of the chain as the hub's ``step_result``."""
    day: date = scenarios[0].period.start
    payments = hospitals.mutate(status_reason=hospitals.payment_status_reason)
    groups = [
        *_measure_groups(measures, day),
        StepGroup(hospitals, ("published_total_hac_score", "total_hac_score"), "total_hac_score"),
        StepGroup(payments, _PAYMENT, "payment_adjustment_factor"),
    ]
    if domains is not None:
        groups.append(StepGroup(domains, _DOMAIN, "domain_score"))
    sources = [*parameter_sources(scenarios), *input_sources]
    return step_rows(engine, groups, in_force(rules_of(rules), day), GIVEN, sources)


def _measure_groups(measures: ir.Table, day: date) -> list[StepGroup]:
    """Steps of the measures; where no result is printed there is nothing to standardise."""
    if not in_force([rules.computed_z_score], day):
        return [StepGroup(measures, _DECILES, "measure_score")]
    has_result = measures.performance_rate.notnull() | measures.is_worst_score_assigned
    return [
        StepGroup(measures.filter(has_result), _Z_SCORES, "measure_score"),
        StepGroup(measures.filter(~has_result), _AS_PUBLISHED, "measure_score"),
    ]
