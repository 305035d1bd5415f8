"""Excess ratios: risk-adjusted outcomes over expected ones, what exceeds a reference, and what it costs.

Expressions over Ibis columns; ratios are decimals of 12 places, shares of payments decimals of 16.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from openvbp import money

RATIO_DECIMALS = money.SCORE_DECIMALS
RATIO_TYPE = money.SCORE_TYPE
SHARE_TYPE = "decimal(18, 16)"
MODIFIER_DECIMALS = 14
MODIFIER_TYPE = f"decimal(18, {MODIFIER_DECIMALS})"
HIGHEST_MODIFIER = 100
"""A factor from here on is none: what it would be multiplied with is next to nothing."""
_COST = (38, 12)


def probability(effect: ir.DecimalValue, case_mix: ir.DecimalValue) -> ir.IntegerValue:
    """Probability of the outcome by the logistic model, as a whole number of its twelfth decimal place.

    Parameters
    ----------
    effect
        Intercept of the provider, or of the average provider.
    case_mix
        Sum of coefficient times risk factor.

    Notes
    -----
    Each probability is rounded by itself, so that sums over patients are exact and do not depend on their order.
    Source: hierarchical logistic regression of the CMS outcome measures, ``1 / (1 + exp(-(effect + case mix)))``.
    """
    exponent = (effect + case_mix).cast("float64")
    return ((1.0 / (1.0 + (-exponent).exp())) * float(10**RATIO_DECIMALS)).round().cast("int64")


def mean_probability(probabilities: ir.IntegerValue, over: object) -> ir.DecimalValue:
    """Average the probabilities of a group of patients: a rate, 0 to 1."""
    total = probabilities.sum().over(over).cast("decimal(38, 0)").cast("int64")
    mean = money.round_half_up_quotient(total, probabilities.count().over(over))
    return money.from_units(mean, RATIO_DECIMALS)


def ratio(predicted: ir.DecimalValue, expected: ir.DecimalValue) -> ir.DecimalValue:
    """Divide the predicted rate by the expected rate; null where a rate is missing or nothing is expected."""
    return money.divide_half_up(
        money.in_units(predicted, RATIO_DECIMALS), money.in_units(expected, RATIO_DECIMALS), RATIO_DECIMALS
    )


def excess(ratio_of_provider: ir.DecimalValue, reference: ir.DecimalValue) -> ir.DecimalValue:
    """What the ratio has above the reference: never below zero, null where one of them is missing."""
    difference = money.exact(ratio_of_provider - reference, 18, RATIO_DECIMALS)
    # Not "greatest", which takes the zero where the difference is missing.
    return ibis.ifelse(difference < 0, ibis.literal(0).cast(RATIO_TYPE), difference)


def weighted(payment_ratio: ir.DecimalValue, excess_of_ratio: ir.DecimalValue) -> ir.DecimalValue:
    """Weight an excess by the share of payments that it concerns."""
    return money.exact(payment_ratio * excess_of_ratio, 18, 16)


def middle_part(value: ir.DecimalValue, is_member: ir.BooleanValue, group: list[str], tie: str) -> ir.DecimalValue:
    """Part that a row has in twice the median of its group: zero for all but the one or two values in the middle.

    Parameters
    ----------
    value
        Decimal of 12 places.
    is_member
        Whether the row is one of those whose median is wanted.
    group
        Columns that name the group.
    tie
        Column that decides the order of equal values.

    Returns
    -------
    Twice the value in the middle, or once each of the two in the middle, so that the sum of the parts, halved by
    :func:`half`, is the exact median. Null for rows that are not members.
    """
    place = ibis.row_number().over(ibis.window(group_by=[*group, is_member], order_by=[value, tie]))
    count = is_member.count().over(ibis.window(group_by=[*group, is_member]))
    twice = place * 2
    weight = ibis.cases((twice == count - 1, 2), ((twice == count - 2) | (twice == count), 1), else_=0)
    part = money.exact(value * weight.cast("decimal(2, 0)"), 18, RATIO_DECIMALS)
    return ibis.ifelse(is_member, part, ibis.null(RATIO_TYPE))


def half(total: ir.DecimalValue) -> ir.DecimalValue:
    """Halve a sum of two ratios, the last place rounded half up."""
    return money.exact(total.cast("decimal(20, 12)") * ibis.literal("0.5").cast("decimal(2, 1)"), 18, RATIO_DECIMALS)


def neutral_modifier(
    providers: ir.Table, *, base: str, share: str, target_share: str, cap: str, group: str, tie: str
) -> ir.Table:
    """Find the factor on all shares at which the capped shares cost as much together as the capped target shares.

    Parameters
    ----------
    providers
        One row per group (scenario) and provider.
    base
        Column with the payment that the shares are of; zero for providers that do not count.
    share, target_share
        Columns with the share that each provider loses before the cap, under the method to be modified and under the
        other one.
    cap
        Column with the largest share that a provider can lose.
    group, tie
        Columns: within which group the totals are equal, and what orders equal shares.

    Returns
    -------
    The table with the column ``neutral_modifier``: one number per group; null where no factor below
    :data:`HIGHEST_MODIFIER` reaches the target, because no provider has a share or all that have one are at the cap.

    Notes
    -----
    The cost ``sum of base x min(cap, factor x share)`` is a concave function of the factor, made of straight pieces:
    on each piece the providers with the largest shares are at the cap. It lies below every line of the family "the k
    largest are at the cap, the others are not", so the wanted factor is the largest of those at which the lines reach
    the target.
    """

    def cost(shares: ir.DecimalValue) -> ir.DecimalValue:
        return money.exact(providers[base] * shares, *_COST)

    whole = ibis.window(group_by=group)
    largest_first = ibis.cumulative_window(group_by=group, order_by=[ibis.desc(providers[share]), tie])
    limit = providers[cap].cast(SHARE_TYPE)
    priced = providers.mutate(
        cost_free=cost(providers[share]),
        cost_capped=cost(limit),
        cost_target=cost(ibis.least(limit, providers[target_share])),
    )
    before = priced.cost_capped.sum().over(largest_first) - priced.cost_capped
    rest = priced.cost_free.sum().over(whole) - priced.cost_free.sum().over(largest_first) + priced.cost_free
    target = priced.cost_target.sum().over(whole)
    at_most = ibis.ifelse(priced[share] > 0, priced.cost_capped, ibis.literal(0).cast("decimal(38, 12)"))
    lines = priced.mutate(
        reached=(target - before).cast("float64") / rest.cast("float64").nullif(0.0),
        is_reachable=target <= at_most.sum().over(whole),
    )
    factor = lines.reached.max().over(whole)
    possible = ibis.ifelse(lines.is_reachable & (factor < HIGHEST_MODIFIER), factor, ibis.null("float64"))
    return lines.mutate(neutral_modifier=possible.cast(MODIFIER_TYPE)).drop(
        "cost_free", "cost_capped", "cost_target", "reached", "is_reachable"
    )
