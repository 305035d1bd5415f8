"""The settlement of a contract, in the order in which its sections are applied.

Measures: scenario × measure. Baseline: scenario × population × year. Settlement: scenario × population, where what
belongs to the whole contract stands on the row of every population. Money is rounded half up to the cent where it is
fixed: budgets, expenditures, withholds and what is paid. What is not known stays null.
"""

from __future__ import annotations

import re
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.operands import computed_once
from openvbp.payment import distribution, risk_corridors
from openvbp.payment.amounts import part_to_the_cent, sum_if_all_known
from openvbp.rules import rule

_CENTS = "decimal(18, 2)"
_FACTOR = "decimal(18, 12)"
_ONE = ibis.literal(1).cast(_FACTOR)
_NOTHING = ibis.literal(0).cast(_CENTS)
_CONTRACT = ibis.window(group_by=["scenario_id", "provider_id"])


def _in_cents(value: ir.Value) -> ir.DecimalValue:
    return money.exact(value, 18, 2)


def _product(left: ir.Value, right: ir.Value) -> ir.DecimalValue:
    """Multiply two factors of twelve decimals."""
    # 19 and 18 digits: both engines keep the product of 37 whole.
    return money.exact(left.cast("decimal(19, 12)") * right.cast(_FACTOR), 18, 12)


def _per_unit(units: ir.Value, amount: ir.Value) -> ir.DecimalValue:
    """Multiply member months or episodes by an amount per unit (ten decimals count), to the cent."""
    # 21 and 16 digits: both engines keep the product of 37 whole.
    return _in_cents(units.cast("decimal(21, 10)") * money.exact(amount, 16, 10))


# --- Quality ----------------------------------------------------------------------------------------------


@rule("quality.measures", gives="measure_rate", unit="rate", inputs=("numerator", "denominator"))
def measure_rate(measures: ir.Table) -> ir.Table:
    """Divide the numerator by the denominator; a measure with fewer cases than it needs has no rate."""
    rate = money.divide_half_up(_.numerator, _.denominator)
    return measures.mutate(measure_rate=ibis.ifelse(_.denominator >= _.minimum_denominator, rate, ibis.null(_FACTOR)))


@rule(
    "quality.measures",
    gives="measure_target",
    unit="rate",
    inputs=("fixed_target", "state_rate", "national_rate", "prior_rate"),
)
def measure_target(measures: ir.Table) -> ir.Table:
    """Take the rate that the measure is compared with: a fixed one, the state's, the nation's or last year's."""
    chosen = ibis.cases(
        (_.compared_with == "fixed", _.fixed_target),
        (_.compared_with == "state", _.state_rate),
        (_.compared_with == "national", _.national_rate),
        (_.compared_with == "prior", _.prior_rate),
        else_=ibis.null("decimal(18, 6)"),
    )
    return measures.mutate(measure_target=chosen)


@rule(
    "quality.measures",
    gives="earned_points",
    unit="points",
    inputs=("measure_rate", "measure_target", "points", "is_lower_better"),
)
def earned_points(measures: ir.Table) -> ir.Table:
    """A measure that reaches its target earns its points, any other none; neither rate is rounded before."""
    bar = _.measure_target.cast("decimal(19, 6)") * _.denominator.cast("decimal(18, 6)")
    cases = _.numerator.cast("decimal(38, 12)")
    met = ibis.ifelse(_.is_lower_better, cases <= bar, cases >= bar)
    known = _.measure_rate.notnull() & _.measure_target.notnull()
    earned = ibis.cases((known & met, _.points), (known, _.points * 0), else_=ibis.null("decimal(18, 4)"))
    return measures.mutate(earned_points=earned.cast("decimal(18, 4)"))


@rule(
    "quality.measures",
    gives="points_at_prior_rate",
    unit="points",
    inputs=("prior_rate", "measure_target", "points", "is_lower_better"),
)
def points_at_prior_rate(measures: ir.Table) -> ir.Table:
    """Score last year's rate against this year's target, so that only the contractor's own change counts."""
    met = ibis.ifelse(_.is_lower_better, _.prior_rate <= _.measure_target, _.prior_rate >= _.measure_target)
    known = _.earned_points.notnull() & _.prior_rate.notnull()
    earned = ibis.cases((known & met, _.points), (known, _.points * 0), else_=ibis.null("decimal(18, 4)"))
    return measures.mutate(points_at_prior_rate=earned.cast("decimal(18, 4)"))


# --- Expenditures, and the budget of each population ------------------------------------------------------


@rule("Claims run-out", gives="completed_expenditures", unit="usd", inputs=("expenditures", "completion_factor"))
def completed_expenditures(populations: ir.Table) -> ir.Table:
    """Add what is expected to be paid later for care that was given in the year."""
    return populations.mutate(completed_expenditures=part_to_the_cent(_.expenditures, _.completion_factor))


@rule(
    "stop_loss",
    gives="net_expenditures",
    unit="usd",
    inputs=("completed_expenditures", "stop_loss_recoveries"),
)
def net_expenditures(populations: ir.Table) -> ir.Table:
    """Leave out the costs of single members that the payer bears above the attachment point."""
    return populations.mutate(net_expenditures=_in_cents(_.completed_expenditures - _.stop_loss_recoveries))


@rule(
    "budget.baseline_weights, stop_loss",
    gives="baseline_net_expenditures",
    unit="usd",
    inputs=("baseline_expenditures", "baseline_completion_factor", "baseline_stop_loss_recoveries"),
)
def baseline_net_expenditures(baseline: ir.Table) -> ir.Table:
    """Complete the expenditures of a baseline year and leave out what stop loss would have borne."""
    completed = part_to_the_cent(_.baseline_expenditures, _.baseline_completion_factor)
    return baseline.mutate(baseline_net_expenditures=_in_cents(completed - _.baseline_stop_loss_recoveries))


@rule(
    "budget.baseline_weights, budget.annual_trend",
    gives="trended_cost_per_unit",
    unit="usd",
    inputs=("baseline_net_expenditures", "baseline_units", "trend_factor"),
)
def trended_cost_per_unit(baseline: ir.Table) -> ir.Table:
    """Carry the cost per member month or episode of a baseline year forward to the performance year."""
    cost = money.divide_half_up(money.in_units(_.baseline_net_expenditures, 2), _.baseline_units * 100)
    return baseline.mutate(trended_cost_per_unit=_product(cost, _.trend_factor))


_POPULATION = ibis.window(group_by=["scenario_id", "provider_id", "domain_id"])


@rule(
    "budget.baseline_weights",
    gives="baseline_cost_per_unit",
    unit="usd",
    inputs=("trended_cost_per_unit", "baseline_weight"),
)
def baseline_cost_per_unit(baseline: ir.Table) -> ir.Table:
    """Average the baseline years of a population by their weights."""
    part = _product(_.trended_cost_per_unit, _.baseline_weight)
    return baseline.mutate(baseline_cost_per_unit=money.exact(part.sum().over(_POPULATION), 18, 12))


@rule(
    "budget.baseline_weights",
    gives="baseline_risk_score",
    unit="ratio",
    inputs=("year_risk_score", "baseline_weight"),
)
def baseline_risk_score(baseline: ir.Table) -> ir.Table:
    """Average the risk scores of the baseline years by the same weights."""
    part = money.exact(_.year_risk_score.cast("decimal(19, 6)") * _.baseline_weight.cast("decimal(7, 6)"), 18, 12)
    return baseline.mutate(baseline_risk_score=money.exact(part.sum().over(_POPULATION), 18, 6))


@rule(
    "budget.is_risk_adjusted, budget.risk_score_change_cap",
    gives="risk_ratio",
    unit="multiplier",
    inputs=("risk_score", "baseline_risk_score", "is_risk_adjusted", "risk_score_change_cap"),
)
def risk_ratio(populations: ir.Table) -> ir.Table:
    """Compare the members' risk with that behind the amount per unit, changes counting up to the cap."""
    decimals = 6
    ratio = money.divide_half_up(
        money.in_units(_.risk_score, decimals), money.in_units(_.baseline_risk_score, decimals)
    ).cast(_FACTOR)
    cap = _.risk_score_change_cap.cast(_FACTOR)
    limited = ibis.cases((ratio > cap + _ONE, cap + _ONE), (ratio < -cap + _ONE, -cap + _ONE), else_=ratio)
    return computed_once(
        populations.mutate(risk_ratio=money.exact(ibis.ifelse(_.is_risk_adjusted, limited, _ONE), 18, 12))
    )


@rule("budget", gives="amount_per_unit", unit="usd", inputs=("negotiated_amount", "baseline_cost_per_unit"))
def amount_per_unit(populations: ir.Table) -> ir.Table:
    """Take the negotiated amount, or the cost of the baseline years carried forward."""
    return populations.mutate(
        amount_per_unit=ibis.coalesce(_.negotiated_amount.cast(_FACTOR), _.baseline_cost_per_unit.cast(_FACTOR))
    )


@rule(
    "budget",
    gives="target_per_unit",
    unit="usd",
    inputs=("amount_per_unit", "risk_ratio", "efficiency_modifier", "quality_modifier"),
)
def target_per_unit(populations: ir.Table) -> ir.Table:
    """Adjust the amount per unit for risk and by the value modifiers."""
    modifier = money.exact(_.efficiency_modifier.cast(_FACTOR) + _.quality_modifier.cast(_FACTOR) + _ONE, 18, 12)
    return populations.mutate(target_per_unit=_product(_product(_.amount_per_unit, _.risk_ratio), modifier))


@rule("budget", gives="population_budget", unit="usd", inputs=("target_per_unit", "units"))
def population_budget(populations: ir.Table) -> ir.Table:
    """Multiply by the member months or episodes of the performance year."""
    return populations.mutate(population_budget=_per_unit(_.units, _.target_per_unit))


@rule(
    "budget, stop_loss.premium_per_unit",
    gives="target_budget",
    unit="usd",
    inputs=("population_budget", "units", "stop_loss_premium_per_unit"),
)
def target_budget(populations: ir.Table) -> ir.Table:
    """Add up the budgets of the populations, less the premium for stop loss."""
    net = _in_cents(_.population_budget - _per_unit(_.units, _.stop_loss_premium_per_unit))
    return (
        populations.mutate(net_population_budget=net)
        .mutate(target_budget=sum_if_all_known("net_population_budget", _CONTRACT))
        .drop("net_population_budget")
    )


@rule("budget", gives="total_expenditures", unit="usd", inputs=("net_expenditures",))
def total_expenditures(populations: ir.Table) -> ir.Table:
    """Add up the expenditures of the populations."""
    return populations.mutate(total_expenditures=sum_if_all_known("net_expenditures", _CONTRACT))


# --- What quality earns -----------------------------------------------------------------------------------


@rule("quality", gives="quality_score", unit="ratio", inputs=("earned_points", "points"))
def quality_score(populations: ir.Table) -> ir.Table:
    """Express the points as a share of those that the measures with enough cases could give."""
    score = money.divide_half_up(money.in_units(_.points_earned, 4), money.in_units(_.points_possible, 4))
    return populations.mutate(quality_score=score)


@rule("quality", gives="is_quality_worse", unit="flag", inputs=("earned_points", "points_at_prior_rate"))
def is_quality_worse(populations: ir.Table) -> ir.Table:
    """Quality worsened if last year's rates would have earned more points on the same targets."""
    return populations.mutate(is_quality_worse=_.points_earned < _.points_at_prior_rates)


def _multiplier(table: ir.Table, ladder: str) -> ir.DecimalValue:
    """Find the multiplier of a quality score on a ladder: that of its step, or in a line to the next one."""
    steps = sorted(int(name.rpartition("_")[2]) for name in table.columns if re.fullmatch(rf"{ladder}_score_\d+", name))
    cases = []
    for step in reversed(steps):
        score, multiplier = table[f"{ladder}_score_{step}"], table[f"{ladder}_multiplier_{step}"].cast(_FACTOR)
        value = multiplier
        if step != steps[-1]:
            next_score, next_multiplier = (table[f"{ladder}_{name}_{step + 1}"] for name in ("score", "multiplier"))
            way = money.divide_half_up(
                money.in_units(table.quality_score - score, 12), money.in_units(next_score - score, 12)
            )
            rise = _product(way, next_multiplier.cast(_FACTOR) - multiplier)
            value = ibis.ifelse(table[f"is_{ladder}_linear"], money.exact(multiplier + rise, 18, 12), multiplier)
        cases.append((table.quality_score >= score, value))
    by_score = ibis.cases(*cases, else_=ibis.null(_FACTOR))
    if_worse = table[f"{ladder}_if_worse"].cast(_FACTOR)
    known = ibis.cases(
        (if_worse.isnull(), by_score),
        (table.is_quality_worse, if_worse),
        (~table.is_quality_worse, by_score),
        else_=ibis.null(_FACTOR),
    )
    return ibis.ifelse(table.has_quality, known, _ONE)


@rule(
    "quality.earned_ladder",
    gives="earned_multiplier",
    unit="multiplier",
    inputs=("quality_score", "is_quality_worse"),
)
def earned_multiplier(populations: ir.Table) -> ir.Table:
    """Look up which part of the withhold and of the bonus the score earns."""
    return computed_once(populations.mutate(earned_multiplier=_multiplier(populations, "earned_ladder")))


@rule(
    "withhold",
    gives="withheld_amount",
    unit="usd",
    inputs=("population_budget", "payments_subject_to_withhold", "withhold_share"),
)
def withheld_amount(populations: ir.Table) -> ir.Table:
    """Keep back a share of the capitation, or of the payments that the contract names."""
    base = ibis.ifelse(_.is_capitation, _.population_budget, _.payments_subject_to_withhold)
    withheld = ibis.ifelse(_.withhold_share == 0, _NOTHING, part_to_the_cent(base, _.withhold_share))
    return (
        populations.mutate(population_withheld=withheld)
        .mutate(withheld_amount=sum_if_all_known("population_withheld", _CONTRACT))
        .drop("population_withheld")
    )


@rule("withhold", gives="withhold_returned", unit="usd", inputs=("withheld_amount", "earned_multiplier"))
def withhold_returned(populations: ir.Table) -> ir.Table:
    """Return the part of the withhold that quality earned."""
    returned = part_to_the_cent(_.withheld_amount, _.earned_multiplier)
    return populations.mutate(withhold_returned=ibis.ifelse(_.withheld_amount == 0, _NOTHING, returned))


@rule(
    "quality_bonus",
    gives="quality_bonus",
    unit="usd",
    inputs=("quality_bonus_amount_per_unit", "units", "earned_multiplier"),
)
def quality_bonus(populations: ir.Table) -> ir.Table:
    """Pay the part of the bonus that quality earned."""
    full = _per_unit(_.units, _.quality_bonus_amount_per_unit)
    summed = populations.mutate(population_bonus=full).mutate(
        full_bonus=sum_if_all_known("population_bonus", _CONTRACT)
    )
    earned = ibis.ifelse(_.full_bonus == 0, _NOTHING, part_to_the_cent(_.full_bonus, _.earned_multiplier))
    return summed.mutate(quality_bonus=earned).drop("population_bonus", "full_bonus")


# --- Savings and losses -----------------------------------------------------------------------------------


@rule(
    "budget, capitation",
    gives="gross_savings",
    unit="usd",
    inputs=(
        "target_budget",
        "total_expenditures",
        "withheld_amount",
        "withhold_returned",
        "capitation_administration_per_unit",
        "capitation_carried_deficit",
        "units",
    ),
)
def gross_savings(populations: ir.Table) -> ir.Table:
    """Take the expenditures from the budget; losses are below zero.

    Under capitation, where the contractor holds the money, what is withheld and not returned, the allowance for
    administration and the deficit carried forward are taken off too.
    """
    administration = _per_unit(_.units, _.capitation_administration_per_unit)
    summed = populations.mutate(population_administration=administration)
    summed = summed.mutate(administration=sum_if_all_known("population_administration", _CONTRACT))
    plain = _.target_budget - _.total_expenditures
    held = plain - _.withheld_amount + _.withhold_returned - _.administration - _.capitation_carried_deficit
    savings = ibis.ifelse(_.is_capitation, _in_cents(held), _in_cents(plain))
    return summed.mutate(gross_savings=savings).drop("population_administration", "administration")


@rule("savings, losses", gives="savings_rate", unit="ratio", inputs=("gross_savings", "target_budget"))
def savings_rate(populations: ir.Table) -> ir.Table:
    """Express the savings as a share of the budget."""
    rate = money.divide_half_up(money.in_units(_.gross_savings.abs(), 2), money.in_units(_.target_budget, 2))
    return computed_once(populations.mutate(savings_rate=ibis.ifelse(_.gross_savings < 0, -rate, rate)))


def _of_budget(rate: ir.Value, table: Any = _) -> ir.DecimalValue:
    """A share of the budget, not rounded."""
    return table.target_budget.cast("decimal(28, 6)") * rate.cast("decimal(7, 6)")


@rule(
    "savings.minimum_rate",
    gives="is_minimum_savings_rate_met",
    unit="flag",
    inputs=("savings_rate", "savings_minimum_rate"),
)
def is_minimum_savings_rate_met(populations: ir.Table) -> ir.Table:
    """Savings are shared if they are at least the minimum; the rate is not rounded before."""
    met = (_.gross_savings > 0) & (_.gross_savings.cast("decimal(38, 12)") >= _of_budget(_.savings_minimum_rate))
    return populations.mutate(is_minimum_savings_rate_met=met)


@rule(
    "losses.minimum_rate",
    gives="is_minimum_loss_rate_met",
    unit="flag",
    inputs=("savings_rate", "losses_minimum_rate"),
)
def is_minimum_loss_rate_met(populations: ir.Table) -> ir.Table:
    """Losses are shared if they are at least the minimum; the rate is not rounded before."""
    met = (_.gross_savings < 0) & (-_.gross_savings.cast("decimal(38, 12)") >= _of_budget(_.losses_minimum_rate))
    return populations.mutate(is_minimum_loss_rate_met=met)


def _over_corridors(table: ir.Table, name: str, is_met: ir.BooleanValue) -> ir.DecimalValue:
    """Share what lies in each corridor; below the minimum only if sharing is from the first dollar."""
    count = sum(bool(re.fullmatch(rf"{name}_corridor_share_\d+", column)) for column in table.columns)
    bands = [
        (table[f"{name}_corridor_end_{number}"], table[f"{name}_corridor_share_{number}"])
        for number in range(1, count + 1)
    ]
    amount = table.gross_savings.abs()
    least = money.exact(_of_budget(table[f"{name}_minimum_rate"], table), 28, 10)
    whole = risk_corridors.corridor_share(amount, table.target_budget, bands)
    below = risk_corridors.corridor_share(least, table.target_budget, bands)
    shared = ibis.ifelse(table[f"is_{name}_first_dollar"], whole, money.exact(whole - below, 28, 10))
    nothing = ibis.literal(0).cast(risk_corridors.AMOUNT_TYPE)
    return ibis.cases((is_met, shared), (~is_met, nothing), else_=ibis.null(risk_corridors.AMOUNT_TYPE))


@rule(
    "savings.corridors",
    gives="corridor_savings",
    unit="usd",
    inputs=("gross_savings", "target_budget", "is_minimum_savings_rate_met", "savings_corridor_share"),
)
def corridor_savings(populations: ir.Table) -> ir.Table:
    """Find the contractor's share of the savings, corridor by corridor."""
    met = populations.is_minimum_savings_rate_met
    return computed_once(populations.mutate(corridor_savings=_over_corridors(populations, "savings", met)))


@rule(
    "losses.corridors",
    gives="corridor_losses",
    unit="usd",
    inputs=("gross_savings", "target_budget", "is_minimum_loss_rate_met", "losses_corridor_share"),
)
def corridor_losses(populations: ir.Table) -> ir.Table:
    """Find the contractor's share of the losses, corridor by corridor."""
    met = populations.is_minimum_loss_rate_met
    return computed_once(populations.mutate(corridor_losses=_over_corridors(populations, "losses", met)))


@rule(
    "quality.gate, quality.savings_ladder",
    gives="savings_multiplier",
    unit="multiplier",
    inputs=("quality_score", "quality_gate", "is_quality_worse"),
)
def savings_multiplier(populations: ir.Table) -> ir.Table:
    """Below the gate no savings are shared; above it the ladder says how much of them."""
    closed = populations.has_quality & (populations.quality_score < populations.quality_gate)
    by_ladder = _multiplier(populations, "savings_ladder")
    opened = ibis.ifelse(closed.fill_null(False), ibis.literal(0).cast(_FACTOR), by_ladder)  # noqa: FBT003
    unknown = populations.has_quality & populations.quality_score.isnull()
    return computed_once(populations.mutate(savings_multiplier=ibis.ifelse(unknown, ibis.null(_FACTOR), opened)))


@rule(
    "quality.loss_ladder",
    gives="loss_multiplier",
    unit="multiplier",
    inputs=("quality_score", "is_quality_worse"),
)
def loss_multiplier(populations: ir.Table) -> ir.Table:
    """Better quality may lower the share of losses."""
    return computed_once(populations.mutate(loss_multiplier=_multiplier(populations, "loss_ladder")))


def _capped(amount: ir.Value, multiplier: ir.Value, cap: ir.Value, total: ir.Value) -> ir.DecimalValue:
    """Apply the multiplier; pay no more than there is, and no more than the cap of the budget."""
    # 23 and 14 digits: both engines keep the product of 37 whole.
    shared = money.exact(amount.cast("decimal(23, 12)") * multiplier.cast("decimal(14, 12)"), 28, 10)
    shared = ibis.ifelse(shared > total, total.cast("decimal(28, 10)"), shared)
    limit = money.exact(_of_budget(cap), 28, 10)
    limited = ibis.ifelse(limit.notnull() & (shared > limit), limit, shared)
    return _in_cents(ibis.ifelse(amount == 0, ibis.literal(0).cast("decimal(28, 10)"), limited))


@rule(
    "savings",
    gives="earned_savings",
    unit="usd",
    inputs=("corridor_savings", "savings_multiplier", "savings_cap", "target_budget"),
)
def earned_savings(populations: ir.Table) -> ir.Table:
    """Pay the share that quality leaves, up to the cap and never more than was saved."""
    return populations.mutate(
        earned_savings=_capped(_.corridor_savings, _.savings_multiplier, _.savings_cap, _.gross_savings.abs())
    )


@rule(
    "losses",
    gives="owed_losses",
    unit="usd",
    inputs=("corridor_losses", "loss_multiplier", "losses_cap", "target_budget"),
)
def owed_losses(populations: ir.Table) -> ir.Table:
    """Owe the share that quality leaves, up to the cap and never more than was lost."""
    return populations.mutate(
        owed_losses=_capped(_.corridor_losses, _.loss_multiplier, _.losses_cap, _.gross_savings.abs())
    )


@rule(
    "savings, losses", gives="retained_savings", unit="usd", inputs=("gross_savings", "earned_savings", "owed_losses")
)
def retained_savings(populations: ir.Table) -> ir.Table:
    """What the payer keeps of the savings, or bears of the losses (below zero)."""
    return populations.mutate(retained_savings=_in_cents(_.gross_savings - _.earned_savings + _.owed_losses))


@rule(
    "payment_model",
    gives="net_settlement",
    unit="usd",
    inputs=("earned_savings", "owed_losses", "retained_savings", "withhold_returned", "quality_bonus"),
)
def net_settlement(populations: ir.Table) -> ir.Table:
    """What the payer pays at settlement; below zero the contractor pays.

    Under capitation the contractor already holds the whole surplus, so the payer's part of it flows back.
    """
    shared = ibis.ifelse(_.is_capitation, -_.retained_savings, _.earned_savings - _.owed_losses)
    return populations.mutate(net_settlement=_in_cents(shared + _.withhold_returned + _.quality_bonus))


# --- Distribution -----------------------------------------------------------------------------------------


@rule(
    "distribution",
    gives="distribution_pool",
    unit="usd",
    inputs=("net_settlement", "retained_share", "are_losses_distributed"),
)
def distribution_pool(populations: ir.Table) -> ir.Table:
    """Leave the contractor its part; losses go down only if the contract says so."""
    pool = _in_cents(_.net_settlement - part_to_the_cent(_.net_settlement, _.retained_share))
    stays = (_.net_settlement < 0) & ~_.are_losses_distributed
    return populations.mutate(distribution_pool=ibis.ifelse(stays, _NOTHING, pool))


def _divided(rows: ir.Table, name: str, pool: str, weight: str, group: list[str], order: list[str]) -> ir.Table:
    cents = money.in_units(rows[pool].abs(), 2)
    counted = rows.mutate(pool_cents=ibis.ifelse(rows[pool] < 0, -cents, cents))
    counted = distribution.divide(
        counted, "part_cents", pool="pool_cents", weight=weight, group=group, tie_breaker=order
    )
    return counted.mutate(**{name: money.from_units(counted.part_cents, 2)}).drop("pool_cents", "part_cents")


@rule("distribution", gives="criterion_amount", unit="usd", inputs=("pool_amount", "criterion_share"))
def criterion_amount(criteria: ir.Table) -> ir.Table:
    """Divide a pool among the criteria by their shares, to the cent."""
    weighted = criteria.mutate(share_units=money.in_units(_.criterion_share, 6))
    group = ["scenario_id", "pool_owner"]
    return _divided(weighted, "criterion_amount", "pool_amount", "share_units", group, ["measure_id"]).drop(
        "share_units"
    )


@rule("distribution", gives="distributed_part", unit="usd", inputs=("criterion_amount", "weight"))
def distributed_part(participants: ir.Table) -> ir.Table:
    """Divide a criterion's amount by equal parts, member months or quality-weighted member months, to the cent."""
    group = ["scenario_id", "pool_owner", "measure_id"]
    return _divided(participants, "distributed_part", "criterion_amount", "weight", group, ["provider_id"])


@rule("distribution", gives="distributed_amount", unit="usd", inputs=("distributed_part",))
def distributed_amount(participants: ir.Table) -> ir.Table:
    """Add up what the criteria give a practice or clinician."""
    return participants.mutate(distributed_amount=_in_cents(_.distributed_part.sum().over(_CONTRACT)))
