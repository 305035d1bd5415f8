"""HRRP's wide tables as the tables of the results model."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.payment.excess_ratio import RATIO_TYPE, SHARE_TYPE
from openvbp.programs.hrrp.scores import AS_PUBLISHED_RATIO, MINIMUM_NOT_CHECKED
from openvbp.rules import Rule
from openvbp.steps import Given, Source, StepGroup, parameter_sources, step_rows

GIVEN = (
    Given("hospital_effect", "log_odds", "input"),
    Given("average_effect", "log_odds", "input"),
    Given("predicted_readmission_rate", "rate", "input"),
    Given("expected_readmission_rate", "rate", "input"),
    Given("published_excess_readmission_ratio", "ratio", "input"),
    Given("eligible_discharges", "count", "input"),
    Given("minimum_discharges", "count", "parameter"),
    Given("dual_eligible_stays", "count", "input"),
    Given("stays", "count", "input"),
    Given("published_dual_proportion", "ratio", "input"),
    Given("published_peer_group", "identifier", "input"),
    Given("number_of_peer_groups", "count", "parameter"),
    Given("published_peer_group_median", "ratio", "input"),
    Given("is_minimum_applied_to_median", "flag", "parameter"),
    Given("condition_base_operating_drg_payment_amount", "usd", "input"),
    Given("aggregate_payments_for_all_discharges", "usd", "input"),
    Given("published_drg_payment_ratio", "ratio", "input"),
    Given("floor_adjustment_factor", "multiplier", "parameter"),
    Given("base_operating_drg_payment_amount", "usd", "input"),
)


def provider_table(hospitals: ir.Table) -> ir.Table:
    """Hospitals as the hub's ``provider``, with the peer groups of the rules in force."""
    return hospitals.select(
        "provider_id",
        "provider_name",
        "state",
        "excluded_reason",
        provider_type=ibis.literal("hospital"),
        place=ibis.null("string"),
        peer_group=_.peer_group.cast("string"),
        dual_eligible_ratio=_.dual_proportion,
    )


def measure_result(conditions: ir.Table) -> ir.Table:
    """Conditions as the hub's ``measure_result``: the rate is the excess readmission ratio, which gives no points."""
    nothing = {
        name: ibis.null("decimal(18, 4)")
        for name in ("achievement_points", "improvement_points", "points", "maximum_points")
    }
    return conditions.select(
        "scenario_id",
        "provider_id",
        "measure_id",
        "status",
        "status_reason",
        domain_id=ibis.null("string"),
        numerator=_.readmissions,
        denominator=_.eligible_discharges,
        rate=_.excess_readmission_ratio,
        expected=ibis.coalesce(_.expected_rate_of_stays, _.expected_readmission_rate),
        baseline_rate=ibis.null(RATIO_TYPE),
        threshold=_.peer_group_median,
        benchmark=ibis.null(RATIO_TYPE),
        **nothing,
    )


def provider_result(hospitals: ir.Table) -> ir.Table:
    """Hospitals as the hub's ``provider_result``: the score is the payment adjustment factor, highest first."""
    hospitals = hospitals.mutate(peer_group_name=hospitals.peer_group.cast("string"))
    scored = hospitals.payment_adjustment_factor.notnull()
    ranked = hospitals.mutate(
        scored_hospitals=hospitals.payment_adjustment_factor.count().over(ibis.window(group_by="scenario_id")),
        rank_if_scored=ibis.rank().over(
            ibis.window(
                group_by="scenario_id", order_by=ibis.desc(hospitals.payment_adjustment_factor, nulls_first=False)
            )
        )
        + 1,
        is_scored=scored,
    )
    at_most = ranked.scored_hospitals - ranked.rank_if_scored + 1
    return ranked.select(
        "scenario_id",
        "provider_id",
        "provider_name",
        "status",
        "status_reason",
        peer_group=ranked.peer_group_name,
        score=ranked.payment_adjustment_factor,
        rank=ibis.ifelse(ranked.is_scored, ranked.rank_if_scored, ibis.null("int64")),
        percentile=ibis.ifelse(
            ranked.is_scored, money.divide_half_up(at_most, ranked.scored_hospitals), ibis.null(money.SCORE_TYPE)
        ),
    )


def payment_result(hospitals: ir.Table) -> ir.Table:
    """The reduction as the hub's ``payment_result``; a hospital outside the program is paid in full."""
    in_full = ibis.literal(1).cast("decimal(18, 10)")
    no_amount = ibis.literal("dollars need the base operating DRG payment amount")
    is_paid = hospitals.payment_reduction.notnull() & hospitals.base_operating_drg_payment_amount.isnull()
    return hospitals.select(
        "scenario_id",
        "provider_id",
        "status",
        component_id=ibis.literal("readmission_reduction"),
        base_amount=hospitals.base_operating_drg_payment_amount,
        currency=ibis.literal("USD"),
        rate=-hospitals.payment_reduction.cast(SHARE_TYPE),
        amount=-hospitals.payment_reduction_amount,
        is_cap_applied=hospitals.is_cap_applied.fill_null(False),  # noqa: FBT003
        factor=ibis.ifelse(hospitals.status == "excluded", in_full, hospitals.payment_adjustment_factor),
        status_reason=ibis.coalesce(hospitals.status_reason, ibis.ifelse(is_paid, no_amount, ibis.null("string"))),
    )


_RATIO = (
    "predicted_readmission_rate",
    "expected_readmission_rate",
    "published_excess_readmission_ratio",
    "excess_readmission_ratio",
)
_COUNTED = ("eligible_discharges", "minimum_discharges", "is_condition_counted")
_WEIGHTED = (
    "condition_base_operating_drg_payment_amount",
    "aggregate_payments_for_all_discharges",
    "published_drg_payment_ratio",
    "drg_payment_ratio",
    "excess_readmissions",
    "penalty_indicator",
    "weighted_excess",
)
_MEDIAN = ("published_peer_group_median", "peer_group_median")
_STAYS = ("hospital_effect", "average_effect", "predicted_rate_of_stays", "expected_rate_of_stays")
_GROUPED = (
    "dual_eligible_stays",
    "stays",
    "published_dual_proportion",
    "dual_proportion",
    "published_peer_group",
    "number_of_peer_groups",
    "is_minimum_applied_to_median",
    "peer_group",
    "neutrality_modifier",
)
_PAID = (
    "floor_adjustment_factor",
    "excess_payment_share",
    "payment_reduction",
    "payment_adjustment_factor",
    "base_operating_drg_payment_amount",
    "payment_reduction_amount",
)


def step_result(
    engine: Engine,
    conditions: ir.Table,
    hospitals: ir.Table,
    scenarios: Sequence[Scenario],
    rules: Sequence[Rule],
    input_sources: Sequence[Source],
) -> ir.Table:
    """Every value of the chain as the hub's ``step_result``; the stays themselves have none."""
    given = {rule.gives for rule in rules}
    is_stratified = "peer_group" in given
    weighted = (*_MEDIAN, *_WEIGHTED) if is_stratified else _WEIGHTED
    groups = [
        StepGroup(conditions.mutate(status_reason=_ratio_note(conditions)), _RATIO, "excess_readmission_ratio"),
        StepGroup(conditions.mutate(status_reason=_count_note(conditions)), _COUNTED, "is_condition_counted"),
        StepGroup(conditions.mutate(status_reason=_missing_part(conditions)), weighted, "weighted_excess"),
        StepGroup(conditions.filter(conditions.predicted_rate_of_stays.notnull()), _STAYS, ""),
        StepGroup(hospitals, _PAID, "payment_reduction"),
    ]
    declared = parameter_sources(scenarios)
    if is_stratified:
        computed = hospitals.filter(hospitals.is_modifier_computed)
        compared = conditions.semi_join(computed, ["scenario_id", "provider_id"])
        groups.append(StepGroup(compared, ("non_stratified_weighted_excess",), ""))
        groups.append(
            StepGroup(hospitals.mutate(status_reason=_modifier_note(hospitals)), _GROUPED, "neutrality_modifier")
        )
        # A modifier that this run computed is not the declared one, whose name it has.
        computed_in = set(engine.to_arrow(computed.select("scenario_id").distinct())["scenario_id"].to_pylist())
        declared = [
            one for one in declared if one.quantity != "neutrality_modifier" or one.scenario_id not in computed_in
        ]
    return step_rows(engine, groups, rules, GIVEN, [*declared, *input_sources])


def _ratio_note(conditions: ir.Table) -> ir.StringValue:
    return ibis.cases(
        (conditions.excess_readmission_ratio.isnull(), conditions.status_reason),
        (conditions.has_no_rates, AS_PUBLISHED_RATIO),
        else_=ibis.null("string"),
    )


def _count_note(conditions: ir.Table) -> ir.StringValue:
    return ibis.cases(
        (~conditions.is_condition_counted, conditions.status_reason),
        (conditions.eligible_discharges.isnull(), MINIMUM_NOT_CHECKED),
        else_=ibis.null("string"),
    )


def _missing_part(conditions: ir.Table) -> ir.StringValue:
    """Why a condition's part in the reduction is not known."""
    return ibis.cases(
        (conditions.weighted_excess.notnull(), ibis.null("string")),
        (conditions.excluded_reason.notnull(), conditions.excluded_reason),
        (conditions.input_problem.notnull(), ibis.literal("input: ") + conditions.input_problem),
        (conditions.excess_readmissions.isnull(), "the median of the peer group is missing"),
        else_="the condition's share of base operating DRG payments is missing",
    )


def _modifier_note(hospitals: ir.Table) -> ir.StringValue:
    return ibis.cases(
        (hospitals.is_modifier_computed, "computed over all hospitals of the run"),
        (hospitals.given_neutrality_modifier.notnull(), "as given"),
        else_="as declared: the files neither give it nor allow computing it",
    )
