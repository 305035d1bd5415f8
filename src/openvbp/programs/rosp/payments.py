"""What a physician is paid, by component, and the whole."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from openvbp import money
from openvbp.programs.rosp.rules import AMOUNT_TYPE
from openvbp.rules import Rule

_KEYS = ["scenario_id", "provider_id"]
_PAID = ["scored", "unverified"]


def pay(physicians: ir.Table, rules: Sequence[Rule]) -> ir.Table:
    """List the components and the net: scenario × physician × component.

    Parameters
    ----------
    physicians
        Scored physicians: scenario × physician.
    rules
        The rules of the year; they decide which components there are.

    Returns
    -------
    Rows of ``payment_result`` without the program and period columns.
    """
    given = {rule.gives for rule in rules}
    whole = physicians.maximum_clinical_amount
    parts = [_component(physicians, "clinical", physicians.clinical_amount, whole)]
    most = whole
    if "organisation_amount" in given:
        parts.append(_organisation(physicians))
        most = most + physicians.maximum_organisation_amount
    if "safeguard_amount" in given:
        parts.append(_safeguard(physicians))
    parts.append(_component(physicians, "net", physicians.payment_amount, most))
    return ibis.union(*parts)


def _component(physicians: ir.Table, component: str, amount: ir.DecimalValue, base: ir.DecimalValue) -> ir.Table:
    """One component; its base is the most that the scored indicators could give."""
    # The clinical amount may be known where the whole is not.
    is_known = ibis.literal(component != "net") & (physicians.status == "not_determinable") & amount.notnull()
    of_indicators = ibis.ifelse(
        physicians.has_unverified_indicator | physicians.money_unverified.notnull(), "unverified", "scored"
    )
    status = ibis.ifelse(is_known, of_indicators, physicians.status)
    known_reason = ibis.ifelse(of_indicators == "unverified", "see the indicators", ibis.null("string"))
    reason = ibis.ifelse(is_known, known_reason, physicians.status_reason)
    is_capped = ibis.literal(False)  # noqa: FBT003
    if component == "net" and "contract_share" in physicians.columns:
        shared = money.exact(
            physicians.clinical_amount.cast("decimal(24, 12)") * physicians.contract_share.cast("decimal(13, 12)"),
            28,
            10,
        )
        is_capped = (shared > amount).fill_null(False)  # noqa: FBT003
    return _row(physicians, component, amount, base, status, reason, is_capped)


def _organisation(physicians: ir.Table) -> ir.Table:
    is_missing = physicians.organisation_amount.isnull()
    is_out = physicians.is_opted_out
    unverified = physicians.organisation_unverified
    status = ibis.cases(
        (is_out, "excluded"),
        (is_missing, "not_determinable"),
        (unverified.notnull(), "unverified"),
        else_="scored",
    )
    reason = ibis.cases(
        (is_out, "opted out"),
        (is_missing, "the organisation's points or transmission are not given"),
        (unverified.notnull(), ibis.literal("parameters whose source has not been read: ") + unverified),
        else_=ibis.null("string"),
    )
    base = physicians.maximum_organisation_amount
    return _row(physicians, "organisation", physicians.organisation_amount, base, status, reason)


def _safeguard(physicians: ir.Table) -> ir.Table:
    """The top-up; its base is the former amount."""
    is_without = physicians.former_amount.isnull()
    status = ibis.ifelse(is_without, "excluded", physicians.status)
    reason = ibis.ifelse(is_without, "no former amount is given", physicians.status_reason)
    return _row(physicians, "safeguard", physicians.safeguard_amount, physicians.former_amount, status, reason)


def _row(
    physicians: ir.Table,
    component: str,
    amount: ir.DecimalValue,
    base: ir.DecimalValue,
    status: ir.StringValue,
    reason: ir.StringValue,
    is_capped: ir.BooleanValue = ibis.literal(False),  # noqa: B008, FBT003
) -> ir.Table:
    share = money.divide_half_up(money.in_units(amount, 2), money.in_units(base, 2))
    # Without a base, as where no indicator has points, nothing can be earned: the whole of nothing.
    rate = ibis.ifelse((amount == 0) & (base == 0), ibis.literal(1).cast(money.SCORE_TYPE), share)
    shown = ibis.ifelse(status.isin(_PAID) & rate.isnull(), "not_determinable", status)
    is_paid = shown.isin(_PAID)
    return physicians.select(
        *_KEYS,
        component_id=ibis.literal(component),
        base_amount=ibis.ifelse(is_paid, money.exact(base, 18, 2), ibis.null("decimal(18, 2)")),
        currency=ibis.literal("EUR"),
        rate=money.exact(ibis.ifelse(is_paid, rate, ibis.null(money.SCORE_TYPE)), 18, 16),
        amount=ibis.ifelse(is_paid, amount.cast(AMOUNT_TYPE), ibis.null(AMOUNT_TYPE)),
        is_cap_applied=is_paid & is_capped,
        factor=ibis.null("decimal(18, 10)"),
        status=shown,
        status_reason=reason,
    )
