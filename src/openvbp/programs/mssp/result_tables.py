"""The settlement as the tables of the results model."""

from __future__ import annotations

from collections.abc import Container, Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.payment import shared_savings
from openvbp.programs.mssp import rules
from openvbp.programs.mssp.scenario_tables import PROGRAM_QUANTITIES, TRACK_QUANTITIES, track_sources
from openvbp.rules import in_force, rules_of
from openvbp.steps import Given, Source, StepGroup, parameter_sources, step_rows

QUALITY_MEASURE = "QUALITY_SCORE"
INPUT_UNITS = {
    "benchmark": "usd",
    "expenditures": "usd",
    "published_difference": "usd",
    "beneficiaries": "count",
    "published_minimum_savings_rate": "ratio",
    "published_quality_score": "ratio",
    "is_pay_for_reporting": "flag",
    "is_quality_standard_met": "flag",
    "is_alternative_standard_met": "flag",
    "is_high_revenue": "flag",
    "has_guardrail": "flag",
    "disaster_adjustment": "usd",
    "performance_months": "count",
    "is_ended_early": "flag",
    "participant_revenue": "usd",
}
"""Quantities that are read from the file, with their units."""

_COUNTS_OF_PARAMETERS = ("emergency_months",)
GIVEN = (
    *(Given(name, unit, "input") for name, unit in INPUT_UNITS.items()),
    *(Given(name, "flag" if name == "is_two_sided" else "ratio", "parameter") for name in TRACK_QUANTITIES),
    *(Given(name, "count" if name in _COUNTS_OF_PARAMETERS else "ratio", "parameter") for name in PROGRAM_QUANTITIES),
)
_BOTH = ("gross_savings", "savings_rate", "earned_savings_or_losses", "retained_savings")
_BOTH += ("benchmark", "expenditures", "published_difference")
_MINIMUM = ("beneficiaries", "published_minimum_savings_rate", "minimum_savings_rate")
_TRACK = ("is_two_sided", "maximum_sharing_rate", "performance_payment_limit_share")
_SAVINGS = (
    "published_quality_score",
    "is_pay_for_reporting",
    "quality_score",
    "is_quality_standard_met",
    "is_alternative_standard_met",
    "quality_sharing_rate",
    "is_minimum_savings_rate_met",
    "is_high_revenue",
    "is_sharing_reduced",
    "reduced_sharing_multiplier",
    "final_sharing_rate",
    "has_guardrail",
    "shared_savings",
    "sequestration_reduction",
    "savings_after_sequestration",
    "performance_payment_limit",
    "earned_savings",
)
_LOSSES = (
    "is_minimum_loss_rate_met",
    "shared_loss_rate",
    "shared_losses",
    "participant_revenue",
    "high_revenue_share",
    "loss_recoupment_limit",
    "is_loss_limit_known",
    "limited_losses",
    "disaster_adjustment",
    "performance_months",
    "emergency_months",
    "disaster_relief",
    "owed_losses_at_most",
    "is_ended_early",
    "owed_losses",
)
_NO_RATE = ibis.literal(0).cast(shared_savings.RATE_TYPE)
_NO_SAVINGS = ibis.literal(0).cast("decimal(18, 2)")
_STATUSES = {
    "earned_savings": ("savings_status", "savings_reason"),
    "owed_losses": ("losses_status", "losses_reason"),
    "net": ("status", "status_reason"),
}
"""Component to the columns of its status and reason."""

_LOSS_PARAMETERS = ("fixed_loss_rate", "lowest_loss_rate", "highest_loss_rate", "loss_limit_revenue_share")


def provider_table(acos: ir.Table) -> ir.Table:
    """ACOs as the hub's ``provider``; those of one track are peers."""
    return acos.select(
        "provider_id",
        "provider_name",
        "state",
        provider_type=ibis.literal("aco"),
        place=ibis.null("string"),
        peer_group=_.track,
        dual_eligible_ratio=ibis.null("decimal(18, 10)"),
        excluded_reason=ibis.null("string"),
    )


def measure_result(acos: ir.Table) -> ir.Table:
    """The quality score as a measure whose rate is the score."""
    rate, points, cases = (ibis.null(kind) for kind in ("decimal(18, 10)", "decimal(18, 4)", "decimal(18, 4)"))
    scored = acos.quality_score.notnull()
    paid_for_reporting = ibis.ifelse(
        acos.is_pay_for_reporting, ibis.literal("complete reporting counts as 100 percent"), ibis.null("string")
    )
    return acos.select(
        "scenario_id",
        "provider_id",
        measure_id=ibis.literal(QUALITY_MEASURE),
        domain_id=ibis.null("string"),
        numerator=cases,
        denominator=cases,
        rate=_.quality_score,
        **dict.fromkeys(("expected", "baseline_rate", "threshold", "benchmark"), rate),
        **dict.fromkeys(("achievement_points", "improvement_points", "points", "maximum_points"), points),
        status=ibis.ifelse(scored, "scored", "not_reported"),
        status_reason=ibis.ifelse(scored, paid_for_reporting, ibis.literal("no quality score is published")),
    )


def provider_result(acos: ir.Table) -> ir.Table:
    """The savings rate, in percent of the benchmark, as the hub's score; rank 1 saved most."""
    in_scenario = ibis.window(group_by="scenario_id")
    by_rate = ibis.window(group_by="scenario_id", order_by=ibis.desc(_.savings_rate, nulls_first=False))
    ranked = acos.mutate(
        scored_acos=_.savings_rate.count().over(in_scenario), rank_if_scored=ibis.rank().over(by_rate) + 1
    )
    scored = ranked.savings_rate.notnull()
    at_most = ranked.scored_acos - ranked.rank_if_scored + 1
    percent = money.exact(ranked.savings_rate.cast("decimal(16, 12)") * ibis.literal(100).cast("decimal(3, 0)"), 18, 12)
    return ranked.select(
        "scenario_id",
        "provider_id",
        "provider_name",
        "status",
        "status_reason",
        peer_group=_.track,
        score=percent,
        rank=ibis.ifelse(scored, ranked.rank_if_scored, ibis.null("int64")),
        percentile=ibis.ifelse(scored, money.divide_half_up(at_most, ranked.scored_acos), ibis.null(money.SCORE_TYPE)),
    )


def payment_result(acos: ir.Table) -> ir.Table:
    """Earned savings, owed losses and the two together as the hub's ``payment_result``.

    The rate is that of the base amount which applies, after sequestration: zero where nothing is shared.
    """
    kept = money.exact(-acos.sequestration_reduction + ibis.literal(1).cast("decimal(7, 6)"), 7, 6)
    sharing = money.exact(acos.final_sharing_rate.cast("decimal(14, 12)") * kept, 18, 12)
    sharing = ibis.ifelse(acos.shared_savings == 0, _NO_RATE, sharing)
    losing = ibis.ifelse(acos.shared_losses == 0, _NO_RATE, acos.shared_loss_rate)
    columns = {
        "earned_savings": (
            ibis.greatest(acos.gross_savings, _NO_SAVINGS),
            sharing,
            acos.earned_savings,
            acos.savings_after_sequestration > acos.performance_payment_limit,
        ),
        "owed_losses": (
            ibis.greatest(-acos.gross_savings, _NO_SAVINGS),
            -losing,
            -acos.owed_losses,
            acos.shared_losses > acos.loss_recoupment_limit,
        ),
        "net": (
            acos.gross_savings,
            ibis.ifelse(acos.gross_savings < 0, losing, sharing),
            acos.earned_savings_or_losses,
            ibis.literal(False),  # noqa: FBT003
        ),
    }
    return ibis.union(*(_component(acos, name, *values) for name, values in columns.items()))


def _component(
    acos: ir.Table,
    component_id: str,
    base: ir.DecimalValue,
    rate: ir.DecimalValue,
    amount: ir.DecimalValue,
    is_cap_applied: ir.BooleanValue,
) -> ir.Table:
    status, reason = _STATUSES[component_id]
    return acos.select(
        "scenario_id",
        "provider_id",
        component_id=ibis.literal(component_id),
        base_amount=base.cast("decimal(18, 2)"),
        currency=ibis.literal("USD"),
        rate=ibis.ifelse(amount.isnull(), ibis.null("decimal(18, 16)"), rate.cast("decimal(18, 16)")),
        amount=amount.cast(shared_savings.AMOUNT_TYPE),
        is_cap_applied=is_cap_applied.fill_null(False),  # noqa: FBT003
        factor=ibis.null("decimal(18, 10)"),
        status=acos[status],
        status_reason=acos[reason],
    )


def step_result(
    engine: Engine,
    acos: ir.Table,
    scenarios: Sequence[Scenario],
    inputs: Sequence[Source],
    left_out: Container[str],
) -> ir.Table:
    """Every value of the settlement as the hub's ``step_result``.

    Steps of losses are kept for ACOs with losses to share. Where a parameter depends on the track, the track stands in
    the place of the domain.

    Parameters
    ----------
    inputs
        File and column of each input.
    left_out
        Quantities that the year does not have.
    """
    is_losing = acos.is_minimum_loss_rate_met.fill_null(False)  # noqa: FBT003
    losing = acos.filter(is_losing)
    groups = [
        (acos, _BOTH, "earned_savings_or_losses"),
        (acos.mutate(status_reason=_.rate_note), _MINIMUM, "minimum_savings_rate"),
        (acos.mutate(status_reason=_.savings_reason), _SAVINGS, "earned_savings"),
        (acos.mutate(domain_id=_.track), _TRACK, ""),
        (acos.filter(~is_losing).mutate(status_reason=_.losses_reason), ("owed_losses",), "owed_losses"),
        (losing.mutate(status_reason=_.losses_reason), _LOSSES, "owed_losses"),
        (losing.mutate(domain_id=_.track), _LOSS_PARAMETERS, ""),
        (losing.mutate(domain_id=_.loss_limit_key), ("loss_limit_share",), ""),
    ]
    steps = [
        StepGroup(table, tuple(one for one in quantities if one not in left_out), noted)
        for table, quantities, noted in groups
    ]
    sources = [*parameter_sources(scenarios), *track_sources(scenarios), *inputs]
    return step_rows(engine, steps, in_force(rules_of(rules), scenarios[0].period.start), GIVEN, sources)
