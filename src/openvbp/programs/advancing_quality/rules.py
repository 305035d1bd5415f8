"""The program's rules in order: composites per condition, the first year's tournament, the awards of the next months.

Grains: scenario × trust × condition × measure, then scenario × trust × condition.
"""

from __future__ import annotations

from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.payment import tournament
from openvbp.rules import rule
from openvbp.scoring import composites, ranks

QUARTILES = 4
SCORE_TYPE = f"decimal(18, {composites.COMPOSITE_DECIMALS})"
AMOUNT_TYPE = "decimal(28, 10)"
_FIRST_YEAR_ENDS = date(2009, 9, 30)
_NEXT_MONTHS_START = date(2009, 10, 1)
_GROUP = ("scenario_id", "domain_id")
_COMPOSITE = "Premier, composite quality score methodology, process measures"
_FIRST_YEAR = "Sutton, slides for the King's Fund, 17 January 2013: tournament, first twelve months"
_NEXT_MONTHS = "Sutton et al., N Engl J Med 2012;367:1821: next six months"


@rule(_COMPOSITE, gives="measure_rate", unit="rate", inputs=("numerator", "denominator"))
def measure_rate(measures: ir.Table) -> ir.Table:
    """Divide the patients treated as the measure asks by those to whom it applies."""
    return measures.mutate(measure_rate=composites.opportunity_rate(_.numerator, _.denominator))


@rule(
    _COMPOSITE,
    gives="composite_process_score",
    unit="points",
    inputs=("process_numerator", "process_denominator"),
)
def composite_process_score(conditions: ir.Table) -> ir.Table:
    """Divide all numerators of the condition by all its denominators, times 100; only if no row was rejected."""
    share = composites.opportunity_rate(_.process_numerator, _.process_denominator)
    # A ratio of 12 decimals, read as a percentage, has 10.
    score = money.from_units(money.in_units(share, composites.INDEX_DECIMALS), composites.COMPOSITE_DECIMALS)
    return conditions.mutate(
        composite_process_score=ibis.ifelse(_.has_rejected_row, ibis.null(SCORE_TYPE), score.cast(SCORE_TYPE))
    )


@rule(_FIRST_YEAR, gives="condition_rank", unit="count", inputs=("composite_process_score",))
def condition_rank(conditions: ir.Table) -> ir.Table:
    """Rank the trusts of each condition by their composite; equal scores share the better rank."""
    return conditions.mutate(condition_rank=ranks.rank_from_best(_.composite_process_score, _GROUP))


@rule(_FIRST_YEAR, gives="condition_quartile", unit="count", inputs=("condition_rank",))
def condition_quartile(conditions: ir.Table) -> ir.Table:
    """Divide the ranked trusts of each condition into four groups, 1 being the best."""
    ranked = _.condition_rank.count().over(ibis.window(group_by=list(_GROUP)))
    return conditions.mutate(condition_quartile=ranks.quantile_band(_.condition_rank, ranked, QUARTILES))


# --- First year: tournament ---------------------------------------------------------------------------


@rule(
    _FIRST_YEAR,
    gives="award_rate",
    unit="ratio",
    inputs=("condition_quartile", "first_quartile_award_rate", "second_quartile_award_rate"),
    until=_FIRST_YEAR_ENDS,
)
def award_rate(conditions: ir.Table) -> ir.Table:
    """Add the first rate in the best quartile and the second in the next; nothing below, and no penalty."""
    rates = [_.first_quartile_award_rate, _.second_quartile_award_rate]
    return conditions.mutate(award_rate=tournament.banded_rate(_.condition_quartile, rates))


@rule(
    _FIRST_YEAR,
    gives="award_amount",
    unit="gbp",
    inputs=("award_rate", "tariff_income"),
    until=_FIRST_YEAR_ENDS,
)
def award_amount(conditions: ir.Table) -> ir.Table:
    """Multiply the condition's tariff income by the award rate."""
    return conditions.mutate(award_amount=_times(_.award_rate))


# --- October 2009 to March 2010: attainment, achievement, improvement ---------------------------------


@rule(
    _NEXT_MONTHS,
    gives="is_attainment_won",
    unit="flag",
    inputs=("composite_process_score", "attainment_threshold"),
    since=_NEXT_MONTHS_START,
)
def is_attainment_won(conditions: ir.Table) -> ir.Table:
    """Win by a composite above the median of the first year."""
    return conditions.mutate(is_attainment_won=_.composite_process_score > _.attainment_threshold)


@rule(
    _NEXT_MONTHS,
    gives="is_achievement_won",
    unit="flag",
    inputs=("condition_quartile", "achievement_quartiles", "is_attainment_won"),
    since=_NEXT_MONTHS_START,
)
def is_achievement_won(conditions: ir.Table) -> ir.Table:
    """Win by attainment together with a composite in the best quartiles."""
    is_best = _.condition_quartile <= _.achievement_quartiles
    return conditions.mutate(is_achievement_won=is_best & _.is_attainment_won)


@rule(
    _NEXT_MONTHS,
    gives="improvement",
    unit="points",
    inputs=("composite_process_score", "first_year_composite_process_score"),
    since=_NEXT_MONTHS_START,
)
def improvement(conditions: ir.Table) -> ir.Table:
    """Take the trust's composite of the first year from its composite."""
    change = _.composite_process_score - _.first_year_composite_process_score
    return conditions.mutate(improvement=money.exact(change, 18, composites.COMPOSITE_DECIMALS))


@rule(_NEXT_MONTHS, gives="improvement_quartile", unit="count", inputs=("improvement",), since=_NEXT_MONTHS_START)
def improvement_quartile(conditions: ir.Table) -> ir.Table:
    """Rank the improvements of each condition and divide the trusts into four groups, 1 being the best."""
    rank = ranks.rank_from_best(_.improvement, _GROUP)
    ranked = _.improvement.count().over(ibis.window(group_by=list(_GROUP)))
    return conditions.mutate(improvement_quartile=ranks.quantile_band(rank, ranked, QUARTILES))


@rule(
    _NEXT_MONTHS,
    gives="is_improvement_won",
    unit="flag",
    inputs=("improvement", "improvement_quartile", "improvement_quartiles", "is_attainment_won"),
    since=_NEXT_MONTHS_START,
)
def is_improvement_won(conditions: ir.Table) -> ir.Table:
    """Win by attainment together with an improvement in the best quartiles; to fall back is no improvement."""
    improved = (_.improvement > 0) & (_.improvement_quartile <= _.improvement_quartiles)
    return conditions.mutate(is_improvement_won=improved & _.is_attainment_won)


@rule(
    _NEXT_MONTHS,
    gives="attainment_amount",
    unit="gbp",
    inputs=("is_attainment_won", "attainment_award_rate", "tariff_income"),
    since=_NEXT_MONTHS_START,
)
def attainment_amount(conditions: ir.Table) -> ir.Table:
    """Multiply the condition's tariff income by the rate of the attainment award, if it is won."""
    return conditions.mutate(attainment_amount=_if_won(_.is_attainment_won, _.attainment_award_rate))


@rule(
    _NEXT_MONTHS,
    gives="achievement_amount",
    unit="gbp",
    inputs=("is_achievement_won", "achievement_award_rate", "tariff_income"),
    since=_NEXT_MONTHS_START,
)
def achievement_amount(conditions: ir.Table) -> ir.Table:
    """Multiply the condition's tariff income by the rate of the achievement award, if it is won."""
    return conditions.mutate(achievement_amount=_if_won(_.is_achievement_won, _.achievement_award_rate))


@rule(
    _NEXT_MONTHS,
    gives="improvement_amount",
    unit="gbp",
    inputs=("is_improvement_won", "improvement_award_rate", "tariff_income"),
    since=_NEXT_MONTHS_START,
)
def improvement_amount(conditions: ir.Table) -> ir.Table:
    """Multiply the condition's tariff income by the rate of the improvement award, if it is won."""
    return conditions.mutate(improvement_amount=_if_won(_.is_improvement_won, _.improvement_award_rate))


def _if_won(is_won: ir.BooleanValue, rate: ir.DecimalValue) -> ir.DecimalValue:
    """The rate times the income; nothing where the award is not won; unknown where that is not known."""
    nothing = ibis.literal(0).cast(tournament.SHARE_TYPE)
    return _times(ibis.cases((is_won, rate), (~is_won, nothing), else_=ibis.null(tournament.SHARE_TYPE)))


def _times(rate: ir.DecimalValue) -> ir.DecimalValue:
    amount = money.exact(_.tariff_income * rate.cast("decimal(19, 6)"), 28, 10)
    return ibis.ifelse(rate == 0, ibis.literal(0).cast(AMOUNT_TYPE), amount)
