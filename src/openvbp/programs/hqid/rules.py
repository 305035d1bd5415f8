"""The demonstration's rules in order: measures, composites per condition, first phase, second phase.

Grains: scenario × hospital × condition × measure, then scenario × hospital × condition.
"""

from __future__ import annotations

from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.operands import computed_once
from openvbp.payment import tournament
from openvbp.rules import rule
from openvbp.scoring import composites, ranks

DECILES = 10
_FIRST_PHASE_ENDS = date(2006, 9, 30)
_SECOND_PHASE_STARTS = date(2006, 10, 1)
_GROUP = ("scenario_id", "domain_id")
_COMPOSITE = "Premier, composite quality score methodology"
_PRESS_RELEASE = "CMS press release, 14 November 2005"
_SECOND_PHASE = "Terms of the demonstration, second phase"


# --- Measures and composites --------------------------------------------------------------------------


@rule(_COMPOSITE, gives="measure_rate", unit="rate", inputs=("numerator", "denominator"))
def measure_rate(measures: ir.Table) -> ir.Table:
    """Divide the patients treated as the measure asks, or with the good outcome, by those to whom it applies."""
    return measures.mutate(measure_rate=composites.opportunity_rate(_.numerator, _.denominator))


@rule(_COMPOSITE, gives="outcome_index", unit="multiplier", inputs=("numerator", "denominator", "expected_rate"))
def outcome_index(measures: ir.Table) -> ir.Table:
    """Divide the observed rate of the good outcome by the expected one: the survival index and the like."""
    index = composites.observed_to_expected(_.numerator, _.denominator, _.expected_rate)
    return measures.mutate(outcome_index=ibis.ifelse(_.is_outcome, index, ibis.null(money.SCORE_TYPE)))


@rule(
    _COMPOSITE,
    gives="process_composite",
    unit="ratio",
    inputs=("process_numerator", "process_denominator"),
)
def process_composite(conditions: ir.Table) -> ir.Table:
    """Divide all numerators of the condition's process measures by all their denominators."""
    return conditions.mutate(process_composite=composites.opportunity_rate(_.process_numerator, _.process_denominator))


@rule(
    _COMPOSITE,
    gives="composite_quality_score",
    unit="points",
    inputs=(
        "process_composite",
        "process_measures",
        "outcome_index",
        "outcome_measures",
        "outcome_measure_weight",
        "cases",
        "minimum_cases",
    ),
)
def composite_quality_score(conditions: ir.Table) -> ir.Table:
    """Average the process composite and the outcome indexes, weighted by their numbers of measures, times 100.

    Only with the minimum of cases, and if none of the condition's rows was rejected.
    """
    score = composites.composite_percent(
        _.process_composite, _.process_measures, _.outcome_index_units, _.outcome_measures, _.outcome_measure_weight
    )
    counts = (_.cases >= _.minimum_cases) & ~_.has_rejected_row
    return conditions.mutate(composite_quality_score=ibis.ifelse(counts, score, ibis.null("decimal(18, 10)")))


@rule(_PRESS_RELEASE, gives="condition_rank", unit="count", inputs=("composite_quality_score",))
def condition_rank(conditions: ir.Table) -> ir.Table:
    """Rank the hospitals of each condition by their composite; equal scores share the better rank."""
    return conditions.mutate(condition_rank=ranks.rank_from_best(_.composite_quality_score, _GROUP))


@rule(_PRESS_RELEASE, gives="condition_decile", unit="count", inputs=("condition_rank",))
def condition_decile(conditions: ir.Table) -> ir.Table:
    """Divide the ranked hospitals of each condition into ten groups, 1 being the best."""
    ranked = _.condition_rank.count().over(ibis.window(group_by=list(_GROUP)))
    return conditions.mutate(condition_decile=ranks.quantile_band(_.condition_rank, ranked, DECILES))


# --- First phase: tournament, and a penalty in the third year -----------------------------------------


@rule(
    _PRESS_RELEASE,
    gives="award_rate",
    unit="ratio",
    inputs=("condition_decile", "decile_1_award_rate", "decile_2_award_rate"),
    until=_FIRST_PHASE_ENDS,
)
def award_rate(conditions: ir.Table) -> ir.Table:
    """Add the first rate in the best decile and the second in the next; nothing below."""
    return conditions.mutate(
        award_rate=tournament.banded_rate(_.condition_decile, [_.decile_1_award_rate, _.decile_2_award_rate])
    )


@rule(
    "Terms of the demonstration, third year",
    gives="penalty_rate",
    unit="ratio",
    inputs=(
        "composite_quality_score",
        "decile_9_line",
        "decile_9_penalty_rate",
        "decile_10_line",
        "decile_10_penalty_rate",
        "award_rate",
    ),
    since=date(2005, 10, 1),
    until=_FIRST_PHASE_ENDS,
)
def penalty_rate(conditions: ir.Table) -> ir.Table:
    """Take the second rate below the first year's line of the tenth decile, the first rate below that of the ninth.

    A hospital that wins an award is not penalised for the same condition.
    """
    rate = tournament.rate_below(
        _.composite_quality_score,
        [(_.decile_10_line, _.decile_10_penalty_rate), (_.decile_9_line, _.decile_9_penalty_rate)],
    )
    return conditions.mutate(
        penalty_rate=ibis.ifelse(_.award_rate > 0, ibis.literal(0).cast(tournament.SHARE_TYPE), rate)
    )


@rule(
    _PRESS_RELEASE,
    gives="award_amount",
    unit="usd",
    inputs=("award_rate", "condition_payment_amount"),
    until=_FIRST_PHASE_ENDS,
)
def award_amount(conditions: ir.Table) -> ir.Table:
    """Multiply the condition's Medicare payments by the award rate."""
    return conditions.mutate(award_amount=_times(_.award_rate))


@rule(
    "Terms of the demonstration, third year",
    gives="penalty_amount",
    unit="usd",
    inputs=("penalty_rate", "condition_payment_amount"),
    since=date(2005, 10, 1),
    until=_FIRST_PHASE_ENDS,
)
def penalty_amount(conditions: ir.Table) -> ir.Table:
    """Multiply the condition's Medicare payments by the penalty rate."""
    return conditions.mutate(penalty_amount=_times(_.penalty_rate))


def _times(rate: ir.DecimalValue) -> ir.DecimalValue:
    amount = money.exact(_.condition_payment_amount * rate.cast("decimal(18, 6)"), 28, 10)
    return ibis.ifelse(rate == 0, ibis.literal(0).cast("decimal(28, 10)"), amount)


# --- Second phase: attainment, top performers, improvement --------------------------------------------


@rule(
    _SECOND_PHASE,
    gives="is_attainment_won",
    unit="flag",
    inputs=("composite_quality_score", "attainment_threshold"),
    since=_SECOND_PHASE_STARTS,
)
def is_attainment_won(conditions: ir.Table) -> ir.Table:
    """Win by a composite above the median of all hospitals two years earlier."""
    return conditions.mutate(is_attainment_won=_.composite_quality_score > _.attainment_threshold)


@rule(
    _SECOND_PHASE,
    gives="is_top_performer_won",
    unit="flag",
    inputs=("condition_decile", "award_deciles"),
    since=_SECOND_PHASE_STARTS,
)
def is_top_performer_won(conditions: ir.Table) -> ir.Table:
    """Win by a composite in the best two deciles."""
    return conditions.mutate(is_top_performer_won=_.condition_decile <= _.award_deciles)


@rule(
    _SECOND_PHASE,
    gives="improvement",
    unit="points",
    inputs=("composite_quality_score", "earlier_composite_quality_score"),
    since=_SECOND_PHASE_STARTS,
)
def improvement(conditions: ir.Table) -> ir.Table:
    """Take the hospital's composite of two years earlier from its composite."""
    change = _.composite_quality_score - _.earlier_composite_quality_score
    return conditions.mutate(improvement=money.exact(change, 18, composites.COMPOSITE_DECIMALS))


@rule(
    "Appendix of a published comparison of HQID and Hospital VBP",
    gives="improvement_decile",
    unit="count",
    inputs=("improvement",),
    since=_SECOND_PHASE_STARTS,
)
def improvement_decile(conditions: ir.Table) -> ir.Table:
    """Rank the improvements of each condition and divide the hospitals into ten groups, 1 being the best."""
    rank = ranks.rank_from_best(_.improvement, _GROUP)
    ranked = _.improvement.count().over(ibis.window(group_by=list(_GROUP)))
    return conditions.mutate(improvement_decile=ranks.quantile_band(rank, ranked, DECILES))


@rule(
    _SECOND_PHASE,
    gives="is_improvement_won",
    unit="flag",
    inputs=("improvement", "improvement_decile", "award_deciles", "is_attainment_won"),
    since=_SECOND_PHASE_STARTS,
)
def is_improvement_won(conditions: ir.Table) -> ir.Table:
    """Win by attainment together with an improvement in the best two deciles; to fall back is no improvement."""
    improved = (_.improvement > 0) & (_.improvement_decile <= _.award_deciles)
    return conditions.mutate(is_improvement_won=improved & _.is_attainment_won)


@rule(
    _SECOND_PHASE,
    gives="attainment_amount",
    unit="usd",
    inputs=("is_attainment_won", "attainment_pool_amount", "condition_payment_amount"),
    since=_SECOND_PHASE_STARTS,
)
def attainment_amount(conditions: ir.Table) -> ir.Table:
    """Share the attainment pool among its winners in proportion to their payments, cut to the cent."""
    return computed_once(
        conditions.mutate(attainment_amount=_share_of_pool(_.is_attainment_won, _.attainment_pool_amount))
    )


@rule(
    _SECOND_PHASE,
    gives="top_performer_amount",
    unit="usd",
    inputs=("is_top_performer_won", "top_performer_pool_amount", "condition_payment_amount"),
    since=_SECOND_PHASE_STARTS,
)
def top_performer_amount(conditions: ir.Table) -> ir.Table:
    """Share the top performer pool among its winners in proportion to their payments, cut to the cent."""
    return computed_once(
        conditions.mutate(top_performer_amount=_share_of_pool(_.is_top_performer_won, _.top_performer_pool_amount))
    )


@rule(
    _SECOND_PHASE,
    gives="improvement_amount",
    unit="usd",
    inputs=("is_improvement_won", "improvement_pool_amount", "condition_payment_amount"),
    since=_SECOND_PHASE_STARTS,
)
def improvement_amount(conditions: ir.Table) -> ir.Table:
    """Share the improvement pool among its winners in proportion to their payments, cut to the cent."""
    return computed_once(
        conditions.mutate(improvement_amount=_share_of_pool(_.is_improvement_won, _.improvement_pool_amount))
    )


def _share_of_pool(is_won: ir.BooleanValue, pool: ir.DecimalValue) -> ir.DecimalValue:
    """Share a pool over all conditions of the scenario; one winner without payments leaves every share unknown."""
    everywhere = ibis.window(group_by="scenario_id")
    payment = ibis.ifelse(is_won, money.in_units(_.condition_payment_amount, 2), ibis.null("int64"))
    is_known = ~(is_won.fill_null(False) & payment.isnull()).any().over(everywhere)  # noqa: FBT003
    whole = payment.sum().over(everywhere).cast("decimal(38, 0)").cast("int64")
    cents = tournament.pool_share(money.in_units(pool, 2), payment, ibis.ifelse(is_known, whole, ibis.null("int64")))
    share = money.from_units(cents, 2).cast("decimal(28, 10)")
    nothing = ibis.literal(0).cast("decimal(28, 10)")
    return ibis.cases((is_won, share), (~is_won, nothing), else_=ibis.null("decimal(28, 10)"))
