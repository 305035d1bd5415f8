"""The settlement of an ACO in the REACH model, in its order: scenario × ACO. What is not known stays null."""

from __future__ import annotations

from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.operands import computed_once
from openvbp.payment import risk_corridors
from openvbp.payment.amounts import part_to_the_cent
from openvbp.rules import rule

_CENTS = "decimal(18, 2)"
_FACTOR = "decimal(18, 12)"
_ONE = ibis.literal(1).cast(_FACTOR)
_NOTHING = ibis.literal(0).cast(_CENTS)
_AGREEMENT = "ACO REACH participation agreement, financial methodology"
CORRIDORS = 4


def _times(factor: ir.Value, score: ir.Value) -> ir.DecimalValue:
    """Multiply a factor of twelve decimals by a score of six, to twelve."""
    return money.exact(factor.cast("decimal(23, 12)") * score.cast("decimal(14, 6)"), 18, 12)


def _counted() -> ir.DecimalValue:
    growth = money.divide_half_up(money.in_units(_.risk_score, 6), money.in_units(_.reference_risk_score, 6))
    growth, cap = growth.cast(_FACTOR), _.risk_score_growth_cap.cast(_FACTOR)
    limited = ibis.cases((growth > cap + _ONE, cap + _ONE), (growth < -cap + _ONE, -cap + _ONE), else_=growth)
    return _times(_times(limited, _.reference_risk_score), _.coding_intensity_factor)


def _or_given_adjusted(score: ir.Value) -> ir.DecimalValue:
    """An ACO without scores has a benchmark that is given risk-adjusted: the factor is one."""
    return ibis.ifelse(_.risk_score.isnull() & _.reference_risk_score.isnull(), _ONE, score)


@rule(
    "CMS, ACO REACH PY2026 model update, quick reference (policy until then); Milliman 2025",
    gives="counted_risk_score",
    unit="multiplier",
    inputs=("risk_score", "reference_risk_score", "risk_score_growth_cap", "coding_intensity_factor"),
    until=date(2025, 12, 31),
)
def counted_risk_score(acos: ir.Table) -> ir.Table:
    """Count the risk score up to the cap around that of the reference year, times the coding intensity factor.

    An ACO whose benchmark is given risk-adjusted has no scores: the factor is one.
    """
    return computed_once(acos.mutate(counted_risk_score=_or_given_adjusted(_counted())))


@rule(
    "CMS, ACO REACH PY2026 model update, quick reference; Milliman 2025",
    gives="counted_risk_score",
    unit="multiplier",
    inputs=(
        "risk_score",
        "reference_risk_score",
        "risk_score_growth_cap",
        "coding_intensity_factor",
        "risk_score_2019",
        "risk_score_growth_cap_since_2019",
    ),
    since=date(2026, 1, 1),
)
def counted_risk_score_since_2019(acos: ir.Table) -> ir.Table:
    """Count the risk score as before, and then not more than the cap above that of 2019; there is no floor."""
    capped = computed_once(
        acos.mutate(
            counted_before=_counted(),
            counted_at_most=_times(_.risk_score_growth_cap_since_2019.cast(_FACTOR) + _ONE, _.risk_score_2019),
        )
    )
    # Not "least", which takes the other where one is missing.
    counted = ibis.cases(
        (_.counted_before > _.counted_at_most, _.counted_at_most),
        (_.counted_at_most.notnull(), _.counted_before),
        else_=ibis.null(_FACTOR),
    )
    return capped.mutate(counted_risk_score=_or_given_adjusted(counted)).drop("counted_before", "counted_at_most")


@rule(
    "CMS, ACO REACH webinar 2022: separate benchmarks per beneficiary per month, Aged & Disabled and ESRD",
    gives="risk_adjusted_benchmark",
    unit="usd",
    inputs=(
        "aged_disabled_months",
        "aged_disabled_benchmark_pbpm",
        "esrd_months",
        "esrd_benchmark_pbpm",
        "counted_risk_score",
    ),
)
def risk_adjusted_benchmark(acos: ir.Table) -> ir.Table:
    """Add the two benchmarks over their months, times the risk score that counts."""

    def over(months: ir.Value, amount: ir.Value) -> ir.DecimalValue:
        return money.exact(months.cast("decimal(19, 2)") * amount.cast("decimal(18, 2)"), 18, 2)

    total = money.exact(
        over(_.aged_disabled_months, _.aged_disabled_benchmark_pbpm) + over(_.esrd_months, _.esrd_benchmark_pbpm), 18, 2
    )
    return acos.mutate(risk_adjusted_benchmark=part_to_the_cent(total, _.counted_risk_score))


@rule(_AGREEMENT, gives="discounted_benchmark", unit="usd", inputs=("risk_adjusted_benchmark", "benchmark_discount"))
def discounted_benchmark(acos: ir.Table) -> ir.Table:
    """Take off Medicare's discount, which Professional ACOs do not have."""
    discount = part_to_the_cent(_.risk_adjusted_benchmark, _.benchmark_discount)
    return acos.mutate(discounted_benchmark=money.exact(_.risk_adjusted_benchmark - discount, 18, 2))


@rule(
    _AGREEMENT,
    gives="quality_withhold_lost",
    unit="usd",
    inputs=("discounted_benchmark", "quality_withhold", "quality_score"),
)
def quality_withhold_lost(acos: ir.Table) -> ir.Table:
    """Keep the part of the quality withhold that the quality score did not earn back."""
    withheld = part_to_the_cent(_.discounted_benchmark, _.quality_withhold)
    lost = money.exact(withheld - part_to_the_cent(withheld, _.quality_score), 18, 2)
    return acos.mutate(quality_withhold_lost=ibis.ifelse(_.quality_withhold == 0, _NOTHING, lost))


@rule(
    _AGREEMENT,
    gives="retention_withhold_lost",
    unit="usd",
    inputs=("discounted_benchmark", "retention_withhold", "is_retention_earned"),
)
def retention_withhold_lost(acos: ir.Table) -> ir.Table:
    """Keep the retention withhold of an ACO that does not stay; none where it does not apply."""
    lost = ibis.ifelse(_.is_retention_earned, _NOTHING, part_to_the_cent(_.discounted_benchmark, _.retention_withhold))
    return acos.mutate(retention_withhold_lost=ibis.ifelse(_.is_retention_earned.isnull(), _NOTHING, lost))


@rule(
    _AGREEMENT,
    gives="final_benchmark",
    unit="usd",
    inputs=("discounted_benchmark", "quality_withhold_lost", "retention_withhold_lost"),
)
def final_benchmark(acos: ir.Table) -> ir.Table:
    """The benchmark after discount and withholds."""
    left = _.discounted_benchmark - _.quality_withhold_lost - _.retention_withhold_lost
    return acos.mutate(final_benchmark=money.exact(left, 18, 2))


@rule(_AGREEMENT, gives="gross_savings", unit="usd", inputs=("final_benchmark", "expenditures", "stop_loss_payout"))
def gross_savings(acos: ir.Table) -> ir.Table:
    """Take the expenditures, less what stop loss paid, from the benchmark; losses are below zero."""
    return acos.mutate(gross_savings=money.exact(_.final_benchmark - _.expenditures + _.stop_loss_payout, 18, 2))


@rule(_AGREEMENT, gives="savings_rate", unit="ratio", inputs=("gross_savings", "discounted_benchmark"))
def savings_rate(acos: ir.Table) -> ir.Table:
    """Express the savings as a share of the benchmark before withholds."""
    rate = money.divide_half_up(money.in_units(_.gross_savings.abs(), 2), money.in_units(_.discounted_benchmark, 2))
    return computed_once(acos.mutate(savings_rate=ibis.ifelse(_.gross_savings < 0, -rate, rate)))


@rule(
    "Pearl Health, overview of ACO REACH risk arrangements",
    gives="shared_savings_or_losses",
    unit="usd",
    inputs=("gross_savings", "discounted_benchmark", "corridor_end", "corridor_share"),
)
def shared_savings_or_losses(acos: ir.Table) -> ir.Table:
    """Share savings, and losses alike, corridor by corridor of the benchmark before withholds; to the cent.

    Were the corridors shares of the benchmark after withholds, better quality would widen them and could cost more.
    """
    bands = [(acos[f"corridor_end_{n}"], acos[f"corridor_share_{n}"]) for n in range(1, CORRIDORS + 1)]
    shared = risk_corridors.corridor_share(acos.gross_savings, acos.discounted_benchmark, bands)
    return computed_once(acos.mutate(shared_savings_or_losses=money.exact(shared, 18, 2)))


@rule(
    _AGREEMENT,
    gives="retained_savings",
    unit="usd",
    inputs=("gross_savings", "shared_savings_or_losses"),
)
def retained_savings(acos: ir.Table) -> ir.Table:
    """Medicare retains the savings, or bears the losses (below zero), that it does not share."""
    return acos.mutate(retained_savings=money.exact(_.gross_savings - _.shared_savings_or_losses, 18, 2))
