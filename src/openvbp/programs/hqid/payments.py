"""Awards and penalties of each condition, and their net for the hospital."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.rules import Rule

_COMPONENTS = {
    # rule that gives the amount: component, sign, quantity of the rate, quantity of the pool
    "award_amount": ("award", 1, "award_rate", None),
    "penalty_amount": ("penalty", -1, "penalty_rate", None),
    "attainment_amount": ("attainment", 1, None, "attainment_pool_amount"),
    "top_performer_amount": ("top_performer", 1, None, "top_performer_pool_amount"),
    "improvement_amount": ("improvement", 1, None, "improvement_pool_amount"),
}
_SHARE = "decimal(18, 16)"
_HIGHEST_RATE = 100
_AMOUNT = "decimal(28, 10)"


def pay(conditions: ir.Table, rules: Sequence[Rule]) -> ir.Table:
    """List every award and penalty, and the net: scenario × hospital × component.

    Parameters
    ----------
    conditions
        Scored conditions: scenario × hospital × condition.
    rules
        The rules of the period's phase; they decide which components there are.

    Returns
    -------
    Rows of ``payment_result`` without the program and period columns.
    """
    given = {rule.gives for rule in rules}
    parts = ibis.union(
        *(_component(conditions, quantity) for quantity in _COMPONENTS if quantity in given), distinct=False
    )
    columns = [column for column in parts.columns if column != "domain_id"]
    return ibis.union(parts.select(*columns), _net(parts).select(*columns))


def _component(conditions: ir.Table, quantity: str) -> ir.Table:
    component, sign, rate_quantity, pool = _COMPONENTS[quantity]
    amount = (conditions[quantity] * sign).cast(_AMOUNT)
    if rate_quantity:
        rate = (conditions[rate_quantity] * sign).cast(_SHARE)
    else:
        rate = _ratio(amount, conditions.condition_payment_amount)
    is_scored = conditions.status.isin(["scored", "unverified"])
    unknown_pool = conditions[pool].isnull() if pool else ibis.literal(False)  # noqa: FBT003
    # All lines and the threshold come from the same scores, so one stands for all.
    uncompared = conditions.attainment_threshold.isnull() & (ibis.literal(quantity) != "award_amount")
    newcomer = conditions.earlier_composite_quality_score.isnull() & (ibis.literal(quantity) == "improvement_amount")
    is_newcomer = is_scored & newcomer & ~uncompared
    is_unknown = is_scored & amount.isnull() & ~is_newcomer
    status = ibis.cases(
        (conditions.status.isin(["too_few_cases", "not_reported"]) | is_newcomer, "excluded"),
        (is_unknown & rate.isnull(), "not_determinable"),
        else_=conditions.status,
    )
    reason = ibis.cases(
        (is_newcomer, "no score of the comparison period, hence no improvement"),
        (is_unknown & uncompared, "earlier_scores.csv has no scores of the condition"),
        (is_unknown & unknown_pool, f"the pool is not known: --set award_pool_amount.{component}=..."),
        (is_unknown & conditions.condition_payment_amount.notnull(), "the payments of a winner are missing"),
        (is_unknown, "dollars need the condition's payments"),
        else_=conditions.status_reason,
    )
    return conditions.select(
        "scenario_id",
        "provider_id",
        "domain_id",
        component_id=ibis.literal(f"{component}.") + conditions.domain_id,
        base_amount=conditions.condition_payment_amount,
        currency=ibis.literal("USD"),
        rate=rate,
        amount=amount,
        is_cap_applied=ibis.literal(False),  # noqa: FBT003
        factor=ibis.null("decimal(18, 10)"),
        status=status,
        status_reason=reason,
    )


def _ratio(amount: ir.DecimalValue, base: ir.DecimalValue) -> ir.DecimalValue:
    """Divide an amount of either sign, to the cent, by its base, to 12 decimals; none where it is 100 or more."""
    size = money.divide_half_up(money.in_units(amount.abs(), 2), money.in_units(base, 2))
    size = ibis.ifelse(size < _HIGHEST_RATE, size, ibis.null(money.SCORE_TYPE))
    return money.exact(ibis.ifelse(amount < 0, -size, size), 18, 16)


def _net(parts: ir.Table) -> ir.Table:
    """Add up the components of a hospital's scored conditions; unknown as soon as one of them is."""
    counts = _.status.isin(["scored", "unverified", "not_determinable"])
    # A condition has several components, but its payments are one base.
    bases = parts.filter(counts).group_by("scenario_id", "provider_id", "domain_id").agg(base=_.base_amount.max())
    bases = bases.group_by("scenario_id", "provider_id").agg(
        base_amount=_.base.sum(), bases=_.base.count(), n=_.count()
    )
    totals = parts.group_by("scenario_id", "provider_id").agg(
        total=ibis.ifelse(counts, _.amount, ibis.null(_AMOUNT)).sum(),
        counted=counts.sum(),
        unknown=(counts & _.amount.isnull()).sum(),
        unverified=(_.status == "unverified").any(),
    )
    keys = ["scenario_id", "provider_id"]
    totals = totals.left_join(bases, keys).drop(*(f"{key}_right" for key in keys))
    is_known = (totals.counted > 0) & (totals.unknown == 0)
    amount = money.exact(ibis.ifelse(is_known, totals.total, ibis.null(_AMOUNT)), 28, 10)
    base = money.exact(ibis.ifelse(totals.bases == totals.n, totals.base_amount, ibis.null("decimal(38, 2)")), 18, 2)
    rate = _ratio(amount, base)
    status = ibis.cases(
        (totals.counted == 0, "excluded"),
        (rate.isnull(), "not_determinable"),
        (totals.unverified, "unverified"),
        else_="scored",
    )
    reason = ibis.cases(
        (status == "excluded", "no condition is scored"),
        (
            status == "not_determinable",
            "an award, a penalty or the payments are not known, or the payments are too small for a rate",
        ),
        (status == "unverified", "see the conditions"),
        else_=ibis.null("string"),
    )
    return totals.select(
        "scenario_id",
        "provider_id",
        component_id=ibis.literal("net"),
        base_amount=base,
        currency=ibis.literal("USD"),
        rate=rate,
        amount=amount,
        is_cap_applied=ibis.literal(False),  # noqa: FBT003
        factor=money.exact(rate + 1, 18, 10),
        status=status,
        status_reason=reason,
    )
