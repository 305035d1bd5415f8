"""Whether savings and losses are settled, from what, and, if not, why."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

_NOT_READ = "parameters whose source has not been read: "


def statuses(acos: ir.Table) -> dict[str, ir.Value]:
    """Say for each ACO whether its savings, its losses and both together are settled and, if not, why."""
    savings, savings_reason = _savings(acos)
    losses, losses_reason = _losses(acos)
    losses_decide = losses.isin(["not_determinable", "unverified"]) & (savings != "not_determinable")
    return {
        "savings_status": savings,
        "savings_reason": savings_reason,
        "losses_status": losses,
        "losses_reason": losses_reason,
        "status": ibis.ifelse(losses_decide, losses, savings),
        "status_reason": ibis.ifelse(losses_decide, losses_reason, savings_reason),
        "rate_note": _rate_note(acos),
    }


def _savings(acos: ir.Table) -> tuple[ir.StringValue, ir.StringValue]:
    withheld = (
        acos.has_guardrail
        & acos.guardrail_withholds_savings.fill_null(False)  # noqa: FBT003
        & (acos.gross_savings > 0)
    )
    unverified = ibis.coalesce(
        acos.savings_unverified, ibis.ifelse(withheld, acos.guardrail_unverified, ibis.null("string"))
    )
    status = ibis.cases(
        (acos.earned_savings.isnull(), "not_determinable"),
        (unverified.notnull(), "unverified"),
        else_="scored",
    )
    why_nothing = ibis.cases(
        (acos.gross_savings <= 0, "no savings"),
        (withheld, "the benchmark was updated without the accountable care prospective trend: no savings are shared"),
        (
            ~(acos.is_minimum_savings_rate_met | acos.is_sharing_reduced),
            "the savings are below the minimum savings rate",
        ),
        (acos.final_sharing_rate == 0, "the quality standard is not met"),
        else_=ibis.null("string"),
    )
    reason = ibis.cases(
        (status == "not_determinable", _missing(acos)),
        (status == "unverified", ibis.literal(_NOT_READ) + unverified),
        else_=why_nothing,
    )
    return status, reason


def _missing(acos: ir.Table) -> ir.StringValue:
    """Name the input that is missing."""
    return ibis.cases(
        (acos.input_problem.notnull(), ibis.literal("input: ") + acos.input_problem),
        (acos.minimum_savings_rate.isnull(), "input: the minimum savings rate is not given"),
        (acos.is_sharing_reduced.isnull(), "input: whether the ACO has high or low revenue is not given"),
        (acos.is_quality_standard_met.isnull(), "input: whether the quality standard is met is not given"),
        (acos.quality_score.isnull(), "input: the quality score is not given"),
        else_="input: whether the alternative quality standard is met is not given",
    )


def _losses(acos: ir.Table) -> tuple[ir.StringValue, ir.StringValue]:
    # Where the emergency takes all losses away, their rate and limit do not matter.
    unverified = ibis.cases(
        (acos.owed_losses > 0, ibis.coalesce(acos.losses_unverified, acos.limit_unverified)),
        else_=ibis.null("string"),
    )
    emergency = ibis.ifelse(acos.shared_losses > 0, acos.emergency_unverified, ibis.null("string"))
    unverified = ibis.coalesce(unverified, emergency)
    status = ibis.cases(
        (acos.owed_losses.isnull(), "not_determinable"),
        (unverified.notnull(), "unverified"),
        else_="scored",
    )
    interval = (
        ibis.literal("the ACO owes between 0.00 and ")
        + acos.owed_losses_at_most.cast("decimal(28, 2)").cast("string")
        + ibis.literal(" dollars: ")
    )
    unknown = ibis.cases(
        (acos.owed_losses_at_most.isnull(), _missing_for_losses(acos)),
        (acos.is_ended_early, interval + "the months of participation in the year are not public"),
        else_=interval + "the revenue of the participants, which limits the losses, is not public",
    )
    reason = ibis.cases(
        (status == "not_determinable", unknown),
        (status == "unverified", ibis.literal(_NOT_READ) + unverified),
        (~acos.is_two_sided, "the track shares no losses"),
        (~acos.is_minimum_loss_rate_met, "no losses beyond the minimum loss rate"),
        (acos.owed_losses == 0, "all losses are taken away by disaster relief"),
        else_=ibis.null("string"),
    )
    return status, reason


def _missing_for_losses(acos: ir.Table) -> ir.StringValue:
    return ibis.cases(
        (acos.disaster_adjustment.isnull(), "input: the adjustment for disasters cannot be read"),
        (
            acos.loss_limit_share.isnull() & acos.shared_losses.notnull(),
            "input: the start of the agreement is not given",
        ),
        else_=_missing(acos),
    )


def _rate_note(acos: ir.Table) -> ir.StringValue:
    """Say where the minimum savings rate was taken from the file."""
    return ibis.cases(
        (acos.minimum_savings_rate.isnull(), "the minimum savings rate is not given"),
        (acos.is_elected_rate, "as published: the rate that the ACO elected"),
        (acos.is_printed_rate_taken, "as published: the schedule for so few beneficiaries is not public"),
        else_=ibis.null("string"),
    )
