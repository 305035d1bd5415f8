"""The Hospital Readmissions Reduction Program, paragraph by paragraph.

Each rule adds the column that it gives. Three grains: stays of a hospital-specific report (hospital × measure × stay),
conditions (scenario × hospital × measure), hospitals (scenario × hospital). Where the law changed the shape of a rule,
a second function gives the same quantity from the day of the change on.
"""

from __future__ import annotations

from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.payment import excess_ratio
from openvbp.rules import rule

STRATIFIED = date(2018, 10, 1)
"""First day on which hospitals are compared with their peers: 42 U.S.C. 1395ww(q)(3)(D)."""
UNSTRATIFIED = date(2018, 9, 30)
PAYMENT_DECIMALS = 4
"""Decimals to which CMS rounds the payment reduction, reproduced on its reports."""

_SHARE = excess_ratio.SHARE_TYPE
_RATIO = excess_ratio.RATIO_TYPE
_NO_SHARE = ibis.null(_SHARE)


# --- 412.152: the excess readmission ratio ------------------------------------------------------------


@rule(
    "42 U.S.C. 1395ww(q)(4)(C)(i)(I); CMS hospital-specific report, Table 2 note [d]",
    gives="predicted_rate_of_stays",
    unit="rate",
    inputs=("hospital_effect",),
)
def predicted_rate_of_stays(stays: ir.Table) -> ir.Table:
    """Average the risk of readmission over the hospital's index stays, with the hospital's own effect."""
    condition = ibis.window(group_by=["provider_id", "measure_id"])
    risk = excess_ratio.probability(stays.hospital_effect, stays.case_mix)
    return stays.mutate(predicted_rate_of_stays=excess_ratio.mean_probability(risk, condition))


@rule(
    "42 U.S.C. 1395ww(q)(4)(C)(i)(II); CMS hospital-specific report, Table 2 note [e]",
    gives="expected_rate_of_stays",
    unit="rate",
    inputs=("average_effect",),
)
def expected_rate_of_stays(stays: ir.Table) -> ir.Table:
    """Average the risk of readmission over the same stays, with the effect of the average hospital."""
    condition = ibis.window(group_by=["provider_id", "measure_id"])
    risk = excess_ratio.probability(stays.average_effect, stays.case_mix)
    return stays.mutate(expected_rate_of_stays=excess_ratio.mean_probability(risk, condition))


@rule(
    "42 CFR 412.152, excess readmissions ratio",
    gives="excess_readmission_ratio",
    unit="ratio",
    inputs=(
        "predicted_rate_of_stays",
        "expected_rate_of_stays",
        "predicted_readmission_rate",
        "expected_readmission_rate",
        "published_excess_readmission_ratio",
    ),
)
def excess_readmission_ratio(conditions: ir.Table) -> ir.Table:
    """Divide the predicted by the expected readmission rate.

    The rates come from the stays where these are given, else from the files; where they print only the ratio, it is
    taken as published.
    """
    computed = excess_ratio.ratio(
        ibis.coalesce(_.predicted_rate_of_stays, _.predicted_readmission_rate),
        ibis.coalesce(_.expected_rate_of_stays, _.expected_readmission_rate),
    )
    known = ibis.coalesce(computed, _.published_excess_readmission_ratio)
    return conditions.mutate(excess_readmission_ratio=ibis.ifelse(_.input_problem.isnull(), known, ibis.null(_RATIO)))


@rule(
    "42 U.S.C. 1395ww(q)(4)(C)(ii)",
    gives="is_condition_counted",
    unit="flag",
    inputs=("excess_readmission_ratio", "eligible_discharges", "minimum_discharges"),
)
def is_condition_counted(conditions: ir.Table) -> ir.Table:
    """A condition counts if the hospital has the minimum number of eligible discharges.

    Public files suppress the number of small hospitals but print no ratio below the minimum: there a ratio counts.
    """
    enough = ibis.coalesce(_.eligible_discharges >= _.minimum_discharges, True)
    return conditions.mutate(
        is_condition_counted=ibis.ifelse(
            _.input_problem.isnull(), _.excess_readmission_ratio.notnull() & enough, ibis.null("boolean")
        )
    )


# --- 1395ww(q)(3)(D): peer groups, from FY2019 on -----------------------------------------------------


@rule(
    "42 CFR 412.152, proportion of dual-eligibles",
    gives="dual_proportion",
    unit="ratio",
    inputs=("dual_eligible_stays", "stays", "published_dual_proportion"),
    since=STRATIFIED,
)
def dual_proportion(hospitals: ir.Table) -> ir.Table:
    """Divide the stays of full-benefit dual eligibles by all stays, fee-for-service and managed care together."""
    return hospitals.mutate(
        dual_proportion=ibis.coalesce(money.divide_half_up(_.dual_eligible_stays, _.stays), _.published_dual_proportion)
    )


@rule(
    "42 U.S.C. 1395ww(q)(3)(D)(ii)",
    gives="peer_group",
    unit="identifier",
    inputs=("published_peer_group", "dual_proportion", "number_of_peer_groups"),
    since=STRATIFIED,
)
def peer_group(hospitals: ir.Table) -> ir.Table:
    """Divide the hospitals into groups of equal size by dual proportion; 1 has the lowest.

    The published group is taken where the files have one. Hospitals with equal proportions stay together.
    """
    ranked = hospitals.mutate(is_ranked=_.excluded_reason.isnull() & _.dual_proportion.notnull())
    in_scenario = ["scenario_id", "is_ranked"]
    place = ibis.rank().over(ibis.window(group_by=in_scenario, order_by=ranked.dual_proportion))
    count = ranked.provider_id.count().over(ibis.window(group_by=in_scenario))
    group = money.floor_quotient(place * ranked.number_of_peer_groups, count) + 1
    computed = ibis.ifelse(ranked.is_ranked, group, ibis.null("int64"))
    return ranked.mutate(
        peer_group=ibis.ifelse(ranked.is_peer_group_published, ranked.published_peer_group, computed)
    ).drop("is_ranked")


@rule(
    "42 CFR 412.152, aggregate payments for excess readmissions, item (3)",
    gives="peer_group_median",
    unit="ratio",
    inputs=("published_peer_group_median", "peer_group", "is_minimum_applied_to_median"),
    since=STRATIFIED,
)
def peer_group_median(conditions: ir.Table) -> ir.Table:
    """Take the median of the peer group's excess readmission ratios for the condition.

    The published median is taken where the files have one: they do not hold all hospitals of the group.
    """
    conditions = conditions.mutate(
        is_in_median=_.peer_group.notnull()
        & _.excess_readmission_ratio.notnull()
        & _.excluded_reason.isnull()
        & (_.is_condition_counted | ~_.is_minimum_applied_to_median)
    )
    group = ["scenario_id", "measure_id", "peer_group"]
    conditions = conditions.mutate(
        middle_part=excess_ratio.middle_part(
            conditions.excess_readmission_ratio, conditions.is_in_median, group, "provider_id"
        )
    )
    computed = excess_ratio.half(conditions.middle_part.sum().over(ibis.window(group_by=group)))
    return conditions.mutate(
        peer_group_median=ibis.cases(
            (conditions.is_median_published, conditions.published_peer_group_median),
            (conditions.peer_group.notnull(), computed),
            else_=ibis.null(_RATIO),
        )
    ).drop("is_in_median", "middle_part")


# --- 412.152: what exceeds, and its weight ------------------------------------------------------------


@rule(
    "42 U.S.C. 1395ww(q)(4)(A)(iii), (C)(i)",
    gives="excess_readmissions",
    unit="ratio",
    inputs=("excess_readmission_ratio",),
    until=UNSTRATIFIED,
)
def excess_over_one(conditions: ir.Table) -> ir.Table:
    """Subtract 1 from the excess readmission ratio, which is not less than 1."""
    one = ibis.literal(1).cast(_RATIO)
    return conditions.mutate(excess_readmissions=excess_ratio.excess(_.excess_readmission_ratio, one))


@rule(
    "42 CFR 412.152, aggregate payments for excess readmissions, item (3)",
    gives="excess_readmissions",
    unit="ratio",
    inputs=("excess_readmission_ratio", "peer_group_median"),
    since=STRATIFIED,
)
def excess_over_peer_group_median(conditions: ir.Table) -> ir.Table:
    """Subtract the peer group median from the excess readmission ratio; what is below counts as nothing."""
    return conditions.mutate(excess_readmissions=excess_ratio.excess(_.excess_readmission_ratio, _.peer_group_median))


@rule(
    "42 U.S.C. 1395ww(q)(4)(A)-(B)",
    gives="drg_payment_ratio",
    unit="ratio",
    inputs=(
        "condition_base_operating_drg_payment_amount",
        "aggregate_payments_for_all_discharges",
        "published_drg_payment_ratio",
    ),
)
def drg_payment_ratio(conditions: ir.Table) -> ir.Table:
    """Divide the base operating DRG payments for the condition by those for all discharges of the period."""
    cents = (
        money.in_units(amount, 2)
        for amount in (_.condition_base_operating_drg_payment_amount, _.aggregate_payments_for_all_discharges)
    )
    return conditions.mutate(
        drg_payment_ratio=ibis.coalesce(money.divide_half_up(*cents), _.published_drg_payment_ratio)
    )


@rule(
    "CMS hospital-specific report, Table 2 note [h]",
    gives="penalty_indicator",
    unit="flag",
    inputs=("is_condition_counted", "excess_readmissions"),
)
def penalty_indicator(conditions: ir.Table) -> ir.Table:
    """A condition enters the payment reduction if it counts and its ratio exceeds the reference."""
    return conditions.mutate(penalty_indicator=_.is_condition_counted & (_.excess_readmissions > 0))


@rule(
    "42 CFR 412.152, aggregate payments for excess readmissions, items (1)-(3)",
    gives="weighted_excess",
    unit="ratio",
    inputs=("penalty_indicator", "drg_payment_ratio", "excess_readmissions"),
)
def weighted_excess(conditions: ir.Table) -> ir.Table:
    """Multiply the excess by the condition's share of payments; nothing for a condition that does not enter."""
    product = excess_ratio.weighted(_.drg_payment_ratio, _.excess_readmissions)
    return conditions.mutate(weighted_excess=_if_entering(_.is_condition_counted, _.excess_readmissions, product))


@rule(
    "42 CFR 412.152, aggregate payments for excess readmissions, item (4)",
    gives="non_stratified_weighted_excess",
    unit="ratio",
    inputs=("is_condition_counted", "drg_payment_ratio", "excess_readmission_ratio"),
    since=STRATIFIED,
)
def non_stratified_weighted_excess(conditions: ir.Table) -> ir.Table:
    """Weight the excess over 1, as the method without peer groups did: what the savings must equal."""
    over_one = excess_ratio.excess(_.excess_readmission_ratio, ibis.literal(1).cast(_RATIO))
    product = excess_ratio.weighted(_.drg_payment_ratio, over_one)
    return conditions.mutate(non_stratified_weighted_excess=_if_entering(_.is_condition_counted, over_one, product))


def _if_entering(is_counted: ir.BooleanValue, excess: ir.DecimalValue, product: ir.DecimalValue) -> ir.DecimalValue:
    """Nothing where the condition does not count or does not exceed; null where one of these is not known."""
    nothing = ibis.literal(0).cast(_SHARE)
    return ibis.cases((is_counted.isnull(), _NO_SHARE), (~is_counted, nothing), (excess == 0, nothing), else_=product)


# --- 412.154: the payment adjustment ------------------------------------------------------------------


@rule(
    "42 U.S.C. 1395ww(q)(3)(D)(iv); 42 CFR 412.152, aggregate payments for excess readmissions, item (4)",
    gives="neutrality_modifier",
    unit="multiplier",
    inputs=("non_stratified_weighted_excess",),
    since=STRATIFIED,
)
def neutrality_modifier(hospitals: ir.Table) -> ir.Table:
    """Choose the factor at which Medicare saves as much as it would without peer groups.

    The factor that the files give is taken. It is computed where the files hold what the whole nation's takes: peer
    groups made here, and the payments of every hospital in the program. Otherwise it is the declared one.
    """
    nothing = ibis.literal(0).cast(_SHARE)
    takes_part = hospitals.excluded_reason.isnull()
    amount = hospitals.base_operating_drg_payment_amount.cast("decimal(18, 2)")
    known = amount.notnull() & hospitals.excess_sum.notnull() & hospitals.non_stratified_sum.notnull()
    priced = hospitals.mutate(
        is_lacking=takes_part & ~known,
        neutral_base=ibis.ifelse(takes_part & known, amount, ibis.literal(0).cast("decimal(18, 2)")),
        neutral_share=ibis.coalesce(hospitals.excess_sum, nothing),
        neutral_target=ibis.coalesce(hospitals.non_stratified_sum, nothing),
        neutral_cap=money.exact(1 - hospitals.floor_adjustment_factor, 18, 16),
    )
    solved = excess_ratio.neutral_modifier(
        priced,
        base="neutral_base",
        share="neutral_share",
        target_share="neutral_target",
        cap="neutral_cap",
        group="scenario_id",
        tie="provider_id",
    )
    is_complete = ~solved.is_lacking.any().over(ibis.window(group_by="scenario_id")) & ~solved.is_median_published
    computed = ibis.ifelse(is_complete, solved.neutral_modifier, ibis.null(excess_ratio.MODIFIER_TYPE))
    return solved.mutate(
        is_modifier_computed=solved.given_neutrality_modifier.isnull() & computed.notnull(),
        neutrality_modifier=ibis.coalesce(
            solved.given_neutrality_modifier, computed, solved.declared_neutrality_modifier
        ),
    ).drop("is_lacking", *(name for name in solved.columns if name.startswith("neutral_")))


@rule(
    "42 CFR 412.154(c)(1)",
    gives="excess_payment_share",
    unit="ratio",
    inputs=("weighted_excess",),
    until=UNSTRATIFIED,
)
def excess_payment_share(hospitals: ir.Table) -> ir.Table:
    """Divide the aggregate payments for excess readmissions by those for all discharges: add up the conditions."""
    return hospitals.mutate(excess_payment_share=_.excess_sum)


@rule(
    "42 CFR 412.152, aggregate payments for excess readmissions; 412.154(c)(1)",
    gives="excess_payment_share",
    unit="ratio",
    inputs=("weighted_excess", "neutrality_modifier"),
    since=STRATIFIED,
)
def neutral_excess_payment_share(hospitals: ir.Table) -> ir.Table:
    """Add up the conditions and multiply by the neutrality modifier, which is the same for all."""
    modified = money.exact(_.excess_sum * _.neutrality_modifier, 24, 16)
    return hospitals.mutate(excess_payment_share=ibis.ifelse(_.excess_sum == 0, _.excess_sum, modified))


@rule(
    "42 CFR 412.154(c)(2)",
    gives="payment_reduction",
    unit="ratio",
    inputs=("excess_payment_share", "floor_adjustment_factor"),
)
def payment_reduction(hospitals: ir.Table) -> ir.Table:
    """Reduce by the share, but by no more than the floor allows, rounded half up to 0.01 percent."""
    most = money.exact(1 - _.floor_adjustment_factor, 18, 16)
    return hospitals.mutate(
        is_cap_applied=_.excess_payment_share > most,
        payment_reduction=money.exact(
            ibis.ifelse(_.excess_payment_share > most, most, _.excess_payment_share), 18, PAYMENT_DECIMALS
        ),
    )


@rule(
    "42 CFR 412.154(c)",
    gives="payment_adjustment_factor",
    unit="multiplier",
    inputs=("payment_reduction",),
)
def payment_adjustment_factor(hospitals: ir.Table) -> ir.Table:
    """Subtract the reduction from 1."""
    return hospitals.mutate(payment_adjustment_factor=money.exact(1 - _.payment_reduction, 18, 10))


@rule(
    "42 CFR 412.154(b)(1)",
    gives="payment_reduction_amount",
    unit="usd",
    inputs=("payment_reduction", "base_operating_drg_payment_amount"),
)
def payment_reduction_amount(hospitals: ir.Table) -> ir.Table:
    """Multiply the reduction by the base operating DRG payment amount."""
    return hospitals.mutate(
        payment_reduction_amount=money.exact(
            _.base_operating_drg_payment_amount.cast("decimal(18, 2)") * _.payment_reduction, 28, 10
        )
    )
