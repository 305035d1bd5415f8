"""Awards of each condition, and their sum for the trust. Nothing is ever taken."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.programs.advancing_quality.conditions import AWARDS
from openvbp.programs.advancing_quality.rules import AMOUNT_TYPE
from openvbp.rules import Rule

_SHARE = "decimal(18, 16)"
_NO_LIMIT = {"is_cap_applied": ibis.literal(False), "factor": ibis.null("decimal(18, 10)")}  # noqa: FBT003


def pay(conditions: ir.Table, rules: Sequence[Rule]) -> ir.Table:
    """List every award and the sum: scenario × trust × component.

    Parameters
    ----------
    conditions
        Scored conditions: scenario × trust × condition.
    rules
        The rules of the period; they decide which awards there are.

    Returns
    -------
    Rows of ``payment_result`` without the program and period columns.
    """
    given = {rule.gives for rule in rules}
    parts = ibis.union(*(_award(conditions, award) for award in AWARDS if f"{award}_amount" in given), distinct=False)
    columns = [column for column in parts.columns if column != "domain_id"]
    return ibis.union(parts.select(*columns), _net(parts).select(*columns))


def _award(conditions: ir.Table, award: str) -> ir.Table:
    amount = conditions[f"{award}_amount"]
    has_score = conditions.status == "scored"
    if award == "award":
        unverified = ibis.ifelse(conditions.condition_quartile == 2, conditions.award_unverified, ibis.null("string"))
        rate = conditions.award_rate
        is_uncompared = is_newcomer = is_rate_unknown = ibis.literal(False)  # noqa: FBT003
    else:
        unverified = conditions[f"{award}_unverified"]
        rate = ibis.cases(
            (conditions[f"is_{award}_won"], conditions[f"{award}_award_rate"]),
            (~conditions[f"is_{award}_won"], ibis.literal(0).cast("decimal(7, 6)")),
            else_=ibis.null("decimal(7, 6)"),
        )
        is_uncompared = has_score & conditions.attainment_threshold.isnull()
        has_none_before = conditions.first_year_composite_process_score.isnull() & (
            ibis.literal(award) == "improvement"
        )
        is_newcomer = has_score & has_none_before & ~is_uncompared & conditions[f"is_{award}_won"].isnull()
        is_rate_unknown = conditions[f"{award}_award_rate"].isnull()
    status = ibis.cases(
        (conditions.status == "not_determinable", "not_determinable"),
        ((conditions.status == "not_reported") | is_newcomer, "excluded"),
        (amount.isnull(), "not_determinable"),
        (unverified.notnull(), "unverified"),
        else_="scored",
    )
    reason = ibis.cases(
        (~has_score, conditions.status_reason),
        (is_newcomer, "no score of the first year, hence no improvement"),
        (is_uncompared, "first_year_scores.csv has no scores of the condition"),
        (amount.isnull() & is_rate_unknown, f"the rate is not known: --set award_rate.{award}=..."),
        (amount.isnull(), "tariff_income.csv does not give the income"),
        (unverified.notnull(), ibis.literal("parameters whose source has not been read: ") + unverified),
        else_=ibis.null("string"),
    )
    return conditions.select(
        "scenario_id",
        "provider_id",
        "domain_id",
        component_id=ibis.literal(f"{award}.") + conditions.domain_id,
        base_amount=conditions.tariff_income,
        currency=ibis.literal("GBP"),
        rate=money.exact(rate, 18, 16),
        amount=amount.cast(AMOUNT_TYPE),
        status=status,
        status_reason=reason,
        **_NO_LIMIT,
    )


def _net(parts: ir.Table) -> ir.Table:
    """Add up the awards of a trust's scored conditions; unknown as soon as one of them is."""
    counts = _.status != "excluded"
    # A condition can have several awards, but its income is one base.
    bases = parts.filter(counts).group_by("scenario_id", "provider_id", "domain_id").agg(base=_.base_amount.max())
    bases = bases.group_by("scenario_id", "provider_id").agg(
        base_amount=_.base.sum(), bases=_.base.count(), conditions=_.count()
    )
    totals = parts.group_by("scenario_id", "provider_id").agg(
        total=ibis.ifelse(counts, _.amount, ibis.null(AMOUNT_TYPE)).sum(),
        counted=counts.sum(),
        unknown=(_.status == "not_determinable").sum(),
        unverified=(_.status == "unverified").any(),
    )
    keys = ["scenario_id", "provider_id"]
    totals = totals.left_join(bases, keys).drop(*(f"{key}_right" for key in keys))
    is_known = (totals.counted > 0) & (totals.unknown == 0)
    amount = money.exact(ibis.ifelse(is_known, totals.total, ibis.null("decimal(38, 10)")), 28, 10)
    has_all = totals.bases == totals.conditions
    base = money.exact(ibis.ifelse(has_all, totals.base_amount, ibis.null("decimal(38, 2)")), 18, 2)
    rate = money.divide_half_up(money.in_units(amount, 2), money.in_units(base, 2))
    status = ibis.cases(
        (totals.counted == 0, "excluded"),
        (rate.isnull(), "not_determinable"),
        (totals.unverified, "unverified"),
        else_="scored",
    )
    reason = ibis.cases(
        (status == "excluded", "no condition is scored"),
        (status == "not_determinable", "an award or the income of a condition is not known, or all income is zero"),
        (status == "unverified", "see the conditions"),
        else_=ibis.null("string"),
    )
    return totals.select(
        "scenario_id",
        "provider_id",
        component_id=ibis.literal("net"),
        base_amount=base,
        currency=ibis.literal("GBP"),
        rate=money.exact(rate, 18, 16),
        amount=amount,
        status=status,
        status_reason=reason,
        **_NO_LIMIT,
    )
