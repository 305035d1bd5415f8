"""The settlement of shared savings and losses, in the regulation's order: scenario × ACO.

What is not known stays null: no branch of a condition may take a missing value for a no.
"""

from __future__ import annotations

from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.payment import shared_savings
from openvbp.rules import rule

LAST_DAY_OF_SCALED_SHARING = date(2020, 12, 31)
FIRST_DAY_OF_FULL_SHARING = date(2021, 1, 1)
LAST_DAY_OF_ALL_OR_NOTHING = date(2022, 12, 31)
FIRST_DAY_OF_ALTERNATIVE_STANDARD = date(2023, 1, 1)

_AMOUNT, _RATE = shared_savings.AMOUNT_TYPE, shared_savings.RATE_TYPE
_NOTHING = ibis.literal(0).cast(_AMOUNT)
_NO_RATE = ibis.literal(0).cast(_RATE)
_PRINTED_DECIMALS = 12
"""Decimals that a printed minimum savings rate keeps."""

_NO_SAVINGS = ibis.literal(0).cast("decimal(18, 2)")
_THRESHOLDS = "42 CFR 425.604(b)-(c), 425.605(b)-(c), 425.606(b)-(c), 425.610(b)-(c)"
_PAYMENT = "42 CFR 425.604(d)-(e), 425.605(d)(1), 425.606(d)-(e), 425.610(d)-(e)"
_SHARING = "42 CFR 425.604(d), 425.605(d)(1), 425.606(d), 425.610(d)"
_LOSS_RATE = "42 CFR 425.605(d)(1), 425.606(f), 425.610(f)"
_LOSS_LIMIT = "42 CFR 425.605(d)(1), 425.606(g), 425.610(g)"
_DISASTER = "42 CFR 425.605(f), 425.606(i), 425.610(i)"


def _if_known(condition: ir.BooleanValue, yes: ir.Value, no: ir.Value, kind: str) -> ir.Value:
    """Choose by a condition; null where the condition is not known."""
    return ibis.cases((condition, yes.cast(kind)), (~condition, no.cast(kind)), else_=ibis.null(kind))


# --- Savings or losses of the performance year ------------------------------------------------------------


@rule(
    "42 CFR 425.604(a), 425.605(a), 425.606(a), 425.610(a)",
    gives="gross_savings",
    unit="usd",
    inputs=("benchmark", "expenditures", "published_difference"),
)
def gross_savings(acos: ir.Table) -> ir.Table:
    """Take the expenditures from the updated benchmark; losses are below zero.

    The printed difference, rounded once, is exacter than that of two rounded amounts and is taken where there is one.
    """
    difference = money.exact(_.benchmark - _.expenditures, 18, 2)
    known = _.benchmark.notnull() & _.expenditures.notnull()
    chosen = ibis.coalesce(_.published_difference, difference)
    return acos.mutate(gross_savings=ibis.ifelse(known, chosen, ibis.null("decimal(18, 2)")))


@rule(_THRESHOLDS, gives="savings_rate", unit="ratio", inputs=("gross_savings", "benchmark"))
def savings_rate(acos: ir.Table) -> ir.Table:
    """Express the savings as a share of the updated benchmark."""
    rate = money.divide_half_up(money.in_units(_.gross_savings.abs(), 2), money.in_units(_.benchmark, 2))
    return acos.mutate(savings_rate=ibis.ifelse(_.gross_savings < 0, -rate, rate))


@rule(
    _THRESHOLDS,
    gives="minimum_savings_rate",
    unit="ratio",
    inputs=("beneficiaries", "is_two_sided", "published_minimum_savings_rate"),
)
def minimum_savings_rate(acos: ir.Table) -> ir.Table:
    """Interpolate the rate by the number of beneficiaries, or take the fixed rate that a two-sided ACO elected.

    The rate falls within each band of the table from the rate at its fewest to the rate at its most beneficiaries.
    Below the smallest band the schedule is not public: there, the printed rate is taken.
    """
    printed = money.in_units(_.published_minimum_savings_rate, _PRINTED_DECIMALS)
    step = money.in_units(_.elected_rate_increment, _PRINTED_DECIMALS)
    is_elected = (
        _.is_two_sided & (_.published_minimum_savings_rate <= _.highest_elected_rate) & (printed % step.nullif(0) == 0)
    ).fill_null(False)  # noqa: FBT003
    top, bottom = shared_savings.interpolated_rate(
        _.beneficiaries, _.band_first, _.band_last, _.minimum_savings_rate_from, _.minimum_savings_rate_to
    )
    takes_printed = is_elected | _.band_first.isnull()
    # Whether a two-sided ACO elected a fixed rate, only the printed rate can tell.
    unknown = _.beneficiaries.isnull() | (_.is_two_sided & _.published_minimum_savings_rate.isnull())
    numerator = ibis.ifelse(takes_printed, printed, top)
    denominator = ibis.ifelse(takes_printed, ibis.literal(10**_PRINTED_DECIMALS), bottom)
    rated = acos.mutate(
        is_elected_rate=is_elected,
        is_printed_rate_taken=takes_printed,
        minimum_rate_numerator=ibis.ifelse(unknown, ibis.null("int64"), numerator.cast("int64")),
        minimum_rate_denominator=denominator.cast("int64"),
    )
    return rated.mutate(
        minimum_savings_rate=money.divide_half_up(rated.minimum_rate_numerator, rated.minimum_rate_denominator)
    )


@rule(
    _THRESHOLDS,
    gives="is_minimum_savings_rate_met",
    unit="flag",
    inputs=("savings_rate", "minimum_savings_rate"),
)
def is_minimum_savings_rate_met(acos: ir.Table) -> ir.Table:
    """The savings must be at least the minimum rate of the benchmark; neither rate is rounded before."""
    reached = shared_savings.reaches(_.gross_savings, _.benchmark, _.minimum_rate_numerator, _.minimum_rate_denominator)
    return acos.mutate(is_minimum_savings_rate_met=reached)


@rule(
    "42 CFR 425.605(b)-(c), 425.606(b)(3), 425.610(b)(3)",
    gives="is_minimum_loss_rate_met",
    unit="flag",
    inputs=("savings_rate", "minimum_savings_rate", "is_two_sided"),
)
def is_minimum_loss_rate_met(acos: ir.Table) -> ir.Table:
    """A two-sided ACO shares losses of at least the minimum loss rate, which equals the minimum savings rate."""
    losses = money.exact(-_.gross_savings, 18, 2)
    reached = shared_savings.reaches(losses, _.benchmark, _.minimum_rate_numerator, _.minimum_rate_denominator)
    return acos.mutate(is_minimum_loss_rate_met=_.is_two_sided & (_.gross_savings < 0) & reached)


# --- Quality and the sharing rate -------------------------------------------------------------------------


@rule(
    "42 CFR 425.502(a)(1), 425.512",
    gives="quality_score",
    unit="ratio",
    inputs=("published_quality_score", "is_pay_for_reporting"),
)
def quality_score(acos: ir.Table) -> ir.Table:
    """In the first performance year complete reporting is all that is asked: it counts as a score of 100 percent."""
    full = ibis.literal(1).cast(_RATE)
    return acos.mutate(quality_score=ibis.ifelse(_.is_pay_for_reporting, full, _.published_quality_score.cast(_RATE)))


def _scaled_rate(acos: ir.Table) -> ir.DecimalValue:
    return money.exact(
        acos.maximum_sharing_rate.cast("decimal(8, 6)") * acos.quality_score.cast("decimal(14, 12)"), 18, 12
    )


@rule(
    f"{_SHARING}, 425.502(e)",
    gives="quality_sharing_rate",
    unit="ratio",
    inputs=("maximum_sharing_rate", "quality_score", "is_quality_standard_met"),
    until=LAST_DAY_OF_SCALED_SHARING,
)
def quality_sharing_rate_scaled(acos: ir.Table) -> ir.Table:
    """Multiply the highest rate by the quality score if the quality standard is met; else nothing is shared."""
    rate = _if_known(acos.is_quality_standard_met, _scaled_rate(acos), _NO_RATE, _RATE)
    return acos.mutate(quality_sharing_rate=rate)


@rule(
    f"{_SHARING}, 425.512(a)",
    gives="quality_sharing_rate",
    unit="ratio",
    inputs=("maximum_sharing_rate", "is_quality_standard_met"),
    since=FIRST_DAY_OF_FULL_SHARING,
    until=LAST_DAY_OF_ALL_OR_NOTHING,
)
def quality_sharing_rate_all_or_nothing(acos: ir.Table) -> ir.Table:
    """Share at the highest rate if the quality standard is met; else nothing is shared."""
    rate = _if_known(acos.is_quality_standard_met, acos.maximum_sharing_rate, _NO_RATE, _RATE)
    return acos.mutate(quality_sharing_rate=rate)


@rule(
    f"{_SHARING}, 425.512(a)(5)(ii), (b)(5)(ii)",
    gives="quality_sharing_rate",
    unit="ratio",
    inputs=("maximum_sharing_rate", "quality_score", "is_quality_standard_met", "is_alternative_standard_met"),
    since=FIRST_DAY_OF_ALTERNATIVE_STANDARD,
)
def quality_sharing_rate_with_alternative(acos: ir.Table) -> ir.Table:
    """Share at the highest rate if the quality standard is met, at that rate times the score if the alternative is."""
    without_standard = _if_known(acos.is_alternative_standard_met, _scaled_rate(acos), _NO_RATE, _RATE)
    rate = _if_known(acos.is_quality_standard_met, acos.maximum_sharing_rate, without_standard, _RATE)
    return acos.mutate(quality_sharing_rate=rate)


@rule(
    "42 CFR 425.605(h)(1)",
    gives="is_sharing_reduced",
    unit="flag",
    inputs=("is_minimum_savings_rate_met", "gross_savings", "is_high_revenue", "beneficiaries"),
)
def is_sharing_reduced(acos: ir.Table) -> ir.Table:
    """A low revenue ACO of the BASIC track with enough beneficiaries may share savings below the minimum rate.

    From 2024, in agreements that began then or later.
    """
    is_offered = (
        _.is_reduced_sharing_offered
        & _.reduced_sharing_multiplier.notnull()
        & (_.beneficiaries >= _.reduced_sharing_least_beneficiaries).fill_null(False)  # noqa: FBT003
        & (_.start_year >= _.reduced_sharing_first_start_year).fill_null(False)  # noqa: FBT003
    )
    is_below = (_.gross_savings > 0) & ~_.is_minimum_savings_rate_met
    return acos.mutate(is_sharing_reduced=is_offered & is_below & ~_.is_high_revenue)


@rule(
    f"{_SHARING}, (h)(2)",
    gives="final_sharing_rate",
    unit="ratio",
    inputs=("quality_sharing_rate", "is_sharing_reduced", "reduced_sharing_multiplier"),
)
def final_sharing_rate(acos: ir.Table) -> ir.Table:
    """Halve the rate of an ACO that shares savings below the minimum."""
    reduced = money.exact(
        acos.quality_sharing_rate.cast("decimal(14, 12)") * acos.reduced_sharing_multiplier.cast("decimal(8, 6)"),
        18,
        12,
    )
    return acos.mutate(final_sharing_rate=_if_known(acos.is_sharing_reduced, reduced, acos.quality_sharing_rate, _RATE))


# --- Payment of shared savings ----------------------------------------------------------------------------


@rule(
    _PAYMENT,
    gives="shared_savings",
    unit="usd",
    inputs=(
        "gross_savings",
        "final_sharing_rate",
        "is_minimum_savings_rate_met",
        "is_sharing_reduced",
        "has_guardrail",
    ),
)
def shared_savings_from_first_dollar(acos: ir.Table) -> ir.Table:
    """Apply the rate to all savings, from the first dollar, once the minimum rate is met.

    From 2024, an ACO that saves only under the benchmark without the accountable care prospective trend shares nothing.
    """
    is_withheld = acos.has_guardrail & acos.guardrail_withholds_savings.fill_null(False)  # noqa: FBT003
    qualifies = acos.is_minimum_savings_rate_met | acos.is_sharing_reduced
    has_savings = (acos.gross_savings > 0) & ~is_withheld & qualifies
    shared = shared_savings.portion(ibis.greatest(acos.gross_savings, _NO_SAVINGS), acos.final_sharing_rate)
    return acos.mutate(shared_savings=_if_known(has_savings, shared, _NOTHING, _AMOUNT))


@rule(
    "2 U.S.C. 901a(6)",
    gives="savings_after_sequestration",
    unit="usd",
    inputs=("shared_savings", "sequestration_reduction"),
)
def savings_after_sequestration(acos: ir.Table) -> ir.Table:
    """Reduce the payment by sequestration as it is on the day of payment."""
    kept = money.exact(-_.sequestration_reduction + ibis.literal(1).cast("decimal(7, 6)"), 7, 6)
    return acos.mutate(savings_after_sequestration=shared_savings.portion(_.shared_savings, kept))


@rule(
    "42 CFR 425.604(e)(2), 425.605(d)(1), 425.606(e)(2), 425.610(e)(2)",
    gives="performance_payment_limit",
    unit="usd",
    inputs=("benchmark", "performance_payment_limit_share"),
)
def performance_payment_limit(acos: ir.Table) -> ir.Table:
    """Limit the payment to a share of the updated benchmark."""
    return acos.mutate(performance_payment_limit=shared_savings.portion(_.benchmark, _.performance_payment_limit_share))


@rule(
    _PAYMENT,
    gives="earned_savings",
    unit="usd",
    inputs=("savings_after_sequestration", "performance_payment_limit"),
)
def earned_savings(acos: ir.Table) -> ir.Table:
    """Pay what sequestration leaves, up to the limit."""
    return acos.mutate(
        earned_savings=shared_savings.limited(_.savings_after_sequestration, _.performance_payment_limit)
    )


# --- Shared losses ----------------------------------------------------------------------------------------


@rule(
    _LOSS_RATE,
    gives="shared_loss_rate",
    unit="ratio",
    inputs=("fixed_loss_rate", "final_sharing_rate", "lowest_loss_rate", "highest_loss_rate"),
    until=LAST_DAY_OF_SCALED_SHARING,
)
def shared_loss_rate_by_sharing_rate(acos: ir.Table) -> ir.Table:
    """Owe one less the sharing rate, within the track's lowest and highest rate, or the track's fixed rate."""
    by_quality = shared_savings.inverse_rate(acos.final_sharing_rate, acos.lowest_loss_rate, acos.highest_loss_rate)
    return acos.mutate(shared_loss_rate=_of_two_sided(acos, by_quality))


@rule(
    _LOSS_RATE,
    gives="shared_loss_rate",
    unit="ratio",
    inputs=(
        "fixed_loss_rate",
        "maximum_sharing_rate",
        "quality_score",
        "is_quality_standard_met",
        "is_alternative_standard_met",
        "lowest_loss_rate",
        "highest_loss_rate",
    ),
    since=FIRST_DAY_OF_FULL_SHARING,
)
def shared_loss_rate_by_quality(acos: ir.Table) -> ir.Table:
    """Owe one less the highest sharing rate times the score, within bounds, or the track's fixed rate.

    An ACO that meets neither the quality standard nor the alternative owes the highest rate.
    """
    scaled = shared_savings.inverse_rate(_scaled_rate(acos), acos.lowest_loss_rate, acos.highest_loss_rate)
    meets_one = acos.is_quality_standard_met | acos.is_alternative_standard_met
    by_quality = _if_known(meets_one, scaled, acos.highest_loss_rate, _RATE)
    return acos.mutate(shared_loss_rate=_of_two_sided(acos, by_quality))


def _of_two_sided(acos: ir.Table, by_quality: ir.DecimalValue) -> ir.DecimalValue:
    rate = ibis.coalesce(acos.fixed_loss_rate.cast(_RATE), by_quality.cast(_RATE))
    return ibis.ifelse(acos.is_two_sided, rate, ibis.null(_RATE))


@rule(
    _LOSS_RATE,
    gives="shared_losses",
    unit="usd",
    inputs=("gross_savings", "shared_loss_rate", "is_minimum_loss_rate_met"),
)
def shared_losses(acos: ir.Table) -> ir.Table:
    """Apply the loss rate to all losses, from the first dollar, once the minimum loss rate is met."""
    losses = ibis.greatest(money.exact(-acos.gross_savings, 18, 2), _NO_SAVINGS)
    owed = shared_savings.portion(losses, acos.shared_loss_rate)
    return acos.mutate(shared_losses=_if_known(acos.is_minimum_loss_rate_met, owed, _NOTHING, _AMOUNT))


@rule(
    _LOSS_LIMIT,
    gives="loss_recoupment_limit",
    unit="usd",
    inputs=("benchmark", "loss_limit_share", "participant_revenue", "loss_limit_revenue_share"),
)
def loss_recoupment_limit(acos: ir.Table) -> ir.Table:
    """Limit the losses to a share of the benchmark and, in some tracks, of the participants' Medicare revenue.

    The revenue is not public: where it is not given, the limit is at most that of the benchmark.
    """
    of_benchmark = shared_savings.portion(acos.benchmark, acos.loss_limit_share)
    of_revenue = ibis.ifelse(
        acos.may_have_revenue_limit,
        shared_savings.portion(acos.participant_revenue, acos.loss_limit_revenue_share),
        ibis.null(_AMOUNT),
    )
    limit = ibis.ifelse(of_revenue < of_benchmark, of_revenue, of_benchmark)
    return acos.mutate(loss_recoupment_limit=ibis.ifelse(acos.is_two_sided, limit, ibis.null(_AMOUNT)))


@rule(
    _LOSS_LIMIT,
    gives="is_loss_limit_known",
    unit="flag",
    inputs=("shared_losses", "loss_recoupment_limit", "participant_revenue", "is_high_revenue", "expenditures"),
)
def is_loss_limit_known(acos: ir.Table) -> ir.Table:
    """The limit by revenue is known where the revenue is given, or is so high that it cannot matter.

    The participants of a high revenue ACO have at least 35 percent of its beneficiaries' expenditures as revenue.
    """
    has_revenue_limit = acos.may_have_revenue_limit & acos.loss_limit_revenue_share.notnull()
    least_revenue = shared_savings.portion(acos.expenditures, acos.high_revenue_share)
    least_limit = shared_savings.portion(least_revenue, acos.loss_limit_revenue_share)
    at_most = shared_savings.limited(acos.shared_losses, acos.loss_recoupment_limit)
    cannot_matter = (acos.is_high_revenue & (at_most <= least_limit)).fill_null(False)  # noqa: FBT003
    return acos.mutate(is_loss_limit_known=~has_revenue_limit | acos.participant_revenue.notnull() | cannot_matter)


@rule(
    _LOSS_LIMIT,
    gives="limited_losses",
    unit="usd",
    inputs=("shared_losses", "loss_recoupment_limit", "is_loss_limit_known", "disaster_adjustment"),
)
def limited_losses(acos: ir.Table) -> ir.Table:
    """Owe the shared losses up to the limit; at most these where the limit by revenue is not known.

    Then the printed relief shows how large the limited losses can be at most: it is at least the part of them that
    falls on the months of a nationwide emergency.
    """
    limited = shared_savings.limited(acos.shared_losses, acos.loss_recoupment_limit)
    by_relief = shared_savings.portion(_printed_relief(acos), acos.losses_per_relief)
    bound = ibis.ifelse(_printed_relief(acos) > 0, ibis.coalesce(by_relief, limited), limited)
    at_most = ibis.ifelse(acos.is_loss_limit_known, limited, shared_savings.limited(limited, bound))
    return acos.mutate(limited_losses=ibis.ifelse(acos.shared_losses == 0, _NOTHING, at_most))


def _printed_relief(acos: ir.Table) -> ir.DecimalValue:
    """Relief of the performance year: the file prints it for twelve months, also where the year has six."""
    halved = shared_savings.portion(acos.disaster_adjustment, ibis.literal("0.5").cast(_RATE))
    return ibis.ifelse(acos.performance_months == 6, halved, acos.disaster_adjustment.cast(_AMOUNT))


@rule(
    _DISASTER,
    gives="disaster_relief",
    unit="usd",
    inputs=("limited_losses", "disaster_adjustment", "performance_months", "emergency_months"),
)
def disaster_relief(acos: ir.Table) -> ir.Table:
    """Take away the part of the losses that falls on affected months and beneficiaries.

    A nationwide emergency takes away at least the part of its months, from all ACOs.
    """
    printed = _printed_relief(acos)
    everyone = shared_savings.portion(acos.limited_losses, acos.emergency_share)
    known = printed.notnull() & everyone.notnull()
    relief = ibis.ifelse(known, ibis.greatest(printed, everyone), ibis.null(_AMOUNT))
    return acos.mutate(disaster_relief=ibis.ifelse(acos.limited_losses == 0, _NOTHING, relief))


@rule(_DISASTER, gives="owed_losses_at_most", unit="usd", inputs=("limited_losses", "disaster_relief"))
def owed_losses_at_most(acos: ir.Table) -> ir.Table:
    """Take relief from the losses; they cannot become a gain."""
    return acos.mutate(owed_losses_at_most=shared_savings.relieved(acos.limited_losses, acos.disaster_relief))


@rule(
    _DISASTER,
    gives="owed_losses",
    unit="usd",
    inputs=("owed_losses_at_most", "is_loss_limit_known", "is_ended_early"),
)
def owed_losses(acos: ir.Table) -> ir.Table:
    """Owe the losses that limit and relief leave; not known where the limit is not, or a part of the year is owed."""
    known = (acos.is_loss_limit_known & ~acos.is_ended_early) | (acos.owed_losses_at_most == 0)
    return acos.mutate(owed_losses=ibis.ifelse(known, acos.owed_losses_at_most, ibis.null(_AMOUNT)))


# --- Both sides -------------------------------------------------------------------------------------------


@rule(
    "42 U.S.C. 1395jjj(d)(2), (i)(2)",
    gives="earned_savings_or_losses",
    unit="usd",
    inputs=("earned_savings", "owed_losses"),
)
def earned_savings_or_losses(acos: ir.Table) -> ir.Table:
    """Pay the earned savings, or claim the owed losses, which are below zero."""
    return acos.mutate(earned_savings_or_losses=money.exact(acos.earned_savings - acos.owed_losses, 28, 10))


@rule(
    "42 U.S.C. 1395jjj(d)(2)",
    gives="retained_savings",
    unit="usd",
    inputs=("gross_savings", "earned_savings_or_losses"),
)
def retained_savings(acos: ir.Table) -> ir.Table:
    """Medicare retains the savings that it does not share; losses that it bears itself are below zero."""
    retained = acos.gross_savings.cast(_AMOUNT) - acos.earned_savings_or_losses
    return acos.mutate(retained_savings=money.exact(retained, 28, 10))
