"""The rules of the Quality and Outcomes Framework, in the order of the Statement of Financial Entitlements.

The Statement is quoted by the guidance of the British Medical Association and of the health departments; its annexes
have not been read. What is cited as reproduced was found again in every published row.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.operands import computed_once
from openvbp.programs.qof import quotients
from openvbp.rules import rule

_POINTS = "Statement of Financial Entitlements, QOF annex: achievement points; reproduced on published points"
_PREVALENCE = "BMA, Focus on QOF payments, February 2007: adjusted practice disease factor"
_PAYMENT = "BMA, Focus on QOF payments, February 2007: achievement payment"
_ASPIRATION = "BMA, Focus on QOF payments, February 2007: aspiration payment"
POINTS_TYPE = "decimal(18, 12)"
SUM_TYPE = "decimal(28, 12)"
AMOUNT_TYPE = "decimal(28, 10)"
_NO_CUT_OFF_FROM = date(2010, 4, 1)
_NO_SQUARE_ROOT_FROM = date(2009, 4, 1)
_HUNDREDTHS = 2
_THRESHOLD_DECIMALS = 4
_THRESHOLD_UNITS = 10**_THRESHOLD_DECIMALS
_AREA = ("scenario_id", "provider_id", "domain_id")


# --- Points of an indicator -----------------------------------------------------------------------------


@rule(_POINTS, gives="achievement", unit="ratio", inputs=("numerator", "denominator"))
def achievement(measures: ir.Table) -> ir.Table:
    """Divide the patients for whom it was done by those of the register without exceptions; nobody gives none."""
    return measures.mutate(achievement=money.divide_half_up(_.numerator, _.denominator))


@rule(
    _POINTS,
    gives="formula_points",
    unit="points",
    inputs=(
        "numerator",
        "denominator",
        "lower_threshold",
        "upper_threshold",
        "available_points",
        "zero_denominator_pays",
    ),
)
def formula_points(measures: ir.Table) -> ir.Table:
    """Give no points up to the lower threshold, all from the upper one, and in between in proportion.

    The share is never rounded. Where the thresholds are one, all points are given from it. Without a patient there are
    no points, unless the year pays such practices in full.
    """
    lower, upper = (money.in_units(_[name], _THRESHOLD_DECIMALS) for name in ("lower_threshold", "upper_threshold"))
    above = _.numerator * _THRESHOLD_UNITS - lower * _.denominator
    span = (upper - lower) * _.denominator
    full = _.available_points.cast(POINTS_TYPE)
    nothing = ibis.literal(0).cast(POINTS_TYPE)
    # Points are in hundredths, so that dividend and divisor are whole.
    hundredths = money.in_units(_.available_points, _HUNDREDTHS)
    between = money.divide_half_up(ibis.greatest(above, 0) * hundredths, span * 100)
    points = ibis.cases(
        (upper.isnull() | lower.isnull() | _.available_points.isnull(), ibis.null(POINTS_TYPE)),
        ((_.denominator == 0) & _.zero_denominator_pays.fill_null(False), full),  # noqa: FBT003
        (_.denominator == 0, nothing),
        (_.numerator.isnull() | _.denominator.isnull(), ibis.null(POINTS_TYPE)),
        (_.numerator * _THRESHOLD_UNITS >= upper * _.denominator, full),
        (above <= 0, nothing),
        else_=between,
    )
    return computed_once(measures.mutate(formula_points=points))


@rule(_POINTS, gives="points", unit="points", inputs=("override_points", "formula_points", "published_points"))
def points(measures: ir.Table) -> ir.Table:
    """Take the award set by hand, else the points of the formula, else those that are published or claimed.

    Registers, services and other things done or not done have no fraction; stepped indicators have one that the files
    do not give; suppressed counts cannot be computed with.
    """
    chosen = ibis.coalesce(_.override_points, _.formula_points, _.published_points)
    return measures.mutate(points=chosen.cast(POINTS_TYPE))


@rule(_PAYMENT, gives="area_points", unit="points", inputs=("points",))
def area_points(measures: ir.Table) -> ir.Table:
    """Sum the points of the indicators of an area; one that is not known leaves the sum unknown."""
    return measures.mutate(area_points=_known_sum(_.points, _AREA))


def _known_sum(value: ir.DecimalValue, group: tuple[str, ...]) -> ir.DecimalValue:
    in_group = ibis.window(group_by=list(group))
    total = value.cast(SUM_TYPE).sum().over(in_group).cast("decimal(38, 12)").cast(SUM_TYPE)
    is_known = value.notnull().all().over(in_group)
    return ibis.ifelse(is_known, total, ibis.null(SUM_TYPE))


# --- Prevalence: three forms ----------------------------------------------------------------------------


@rule(_PREVALENCE, gives="prevalence", unit="ratio", inputs=("register", "list_size"))
def prevalence(registers: ir.Table) -> ir.Table:
    """Divide the register by the practice's list (in England: by its patients of the register's ages)."""
    return registers.mutate(prevalence=quotients.share(_.register, _.list_size))


@rule(
    _PREVALENCE,
    gives="adjusted_prevalence",
    unit="ratio",
    inputs=("prevalence", "prevalence_cut_off"),
    until=date(2009, 3, 31),
)
def square_root_of_prevalence(registers: ir.Table) -> ir.Table:
    """Lift prevalences to the cut-off and take the square root.

    The cut-off stands at 5 percent of the range from the lowest to the highest prevalence of the country.
    """
    root = _at_least_cut_off().cast("float64").sqrt().cast("decimal(18, 15)")
    return registers.mutate(adjusted_prevalence=root.cast(quotients.SHARE_TYPE))


@rule(
    "Contract of 2009/10: the square root ended",
    gives="adjusted_prevalence",
    unit="ratio",
    inputs=("prevalence", "prevalence_cut_off"),
    since=_NO_SQUARE_ROOT_FROM,
    until=date(2010, 3, 31),
)
def prevalence_above_cut_off(registers: ir.Table) -> ir.Table:
    """Lift prevalences to the cut-off at 5 percent of the national range."""
    return registers.mutate(adjusted_prevalence=_at_least_cut_off())


@rule(
    "Contract of 2010/11: the cut-off ended; reproduced on the published factors of Scotland",
    gives="adjusted_prevalence",
    unit="ratio",
    inputs=("prevalence",),
    since=_NO_CUT_OFF_FROM,
)
def raw_prevalence(registers: ir.Table) -> ir.Table:
    """Take the prevalence as it is."""
    return registers.mutate(adjusted_prevalence=_.prevalence)


def _at_least_cut_off() -> ir.DecimalValue:
    everyone = ibis.window(group_by=["scenario_id", "domain_id"])
    lowest, highest = _.prevalence.min().over(everyone), _.prevalence.max().over(everyone)
    above = money.exact(
        (highest - lowest).cast("decimal(18, 15)") * _.prevalence_cut_off.cast("decimal(19, 15)"), 19, 18
    )
    line = money.exact(lowest + above, 19, 18)
    return ibis.ifelse(_.prevalence < line, line, _.prevalence)


@rule(_PREVALENCE, gives="national_prevalence", unit="ratio", inputs=("adjusted_prevalence", "published_prevalence"))
def national_prevalence(registers: ir.Table) -> ir.Table:
    """Average the practices' prevalences, each practice alike, unless the publication gives the average.

    The pooled rate of all patients is another number, 1.5 to 4 percent lower for most registers.
    """
    everyone = ibis.window(group_by=["scenario_id", "domain_id"])
    mean = _unweighted_mean(registers.adjusted_prevalence, everyone)
    return computed_once(registers.mutate(national_prevalence=ibis.coalesce(registers.published_prevalence, mean)))


def _unweighted_mean(share: ir.DecimalValue, everyone: Any) -> ir.DecimalValue:
    total = share.cast("decimal(38, 18)").sum().over(everyone).cast("decimal(38, 15)")
    part = quotients.share(ibis.literal(1).cast("int64"), share.count().over(everyone))
    return money.exact(total.cast("decimal(22, 15)") * part.cast("decimal(22, 17)"), 19, 18)


@rule(
    _PREVALENCE,
    gives="adjusted_disease_prevalence_factor",
    unit="multiplier",
    inputs=("adjusted_prevalence", "national_prevalence", "published_factor"),
)
def adjusted_disease_prevalence_factor(registers: ir.Table) -> ir.Table:
    """Divide the practice's prevalence by the national one; palliative care counts one for everybody.

    Where the register is suppressed the published factor stands in.
    """
    factor = quotients.quotient(_.adjusted_prevalence, _.national_prevalence)
    one = ibis.literal(1).cast(quotients.FACTOR_TYPE)
    chosen = ibis.ifelse(_.is_factor_one, one, ibis.coalesce(factor, _.published_factor))
    return registers.mutate(adjusted_disease_prevalence_factor=chosen)


# --- Target populations of additional services ----------------------------------------------------------


@rule(_PAYMENT, gives="target_population_share", unit="ratio", inputs=("target_population", "practice_list_size"))
def target_population_share(areas: ir.Table) -> ir.Table:
    """Divide the patients for whom the service is meant by the practice's list."""
    return areas.mutate(target_population_share=quotients.share(_.target_population, _.practice_list_size))


@rule(
    _PAYMENT,
    gives="target_population_factor",
    unit="multiplier",
    inputs=("target_population_share", "given_target_population_factor"),
)
def target_population_factor(areas: ir.Table) -> ir.Table:
    """Divide the share by its average over the practices, each alike, unless the practice's factor is given."""
    everyone = ibis.window(group_by=["scenario_id", "domain_id"])
    mean = _unweighted_mean(areas.target_population_share, everyone)
    computed = quotients.quotient(areas.target_population_share, mean)
    given = areas.given_target_population_factor.cast(quotients.FACTOR_TYPE)
    return computed_once(areas.mutate(target_population_factor=ibis.coalesce(given, computed)))


# --- Payment --------------------------------------------------------------------------------------------


@rule(
    _PAYMENT,
    gives="adjusted_points",
    unit="points",
    inputs=("area_points", "adjusted_disease_prevalence_factor", "target_population_factor"),
)
def adjusted_points(areas: ir.Table) -> ir.Table:
    """Multiply an area's points by its prevalence factor, those of additional services by their target population's.

    Other areas keep their points. So do areas whose factor is not published; the payment then says so.
    """
    one = ibis.literal(1).cast(quotients.FACTOR_TYPE)
    factor = ibis.coalesce(_.adjusted_disease_prevalence_factor, _.target_population_factor, one)
    exact = money.exact(factor, 19, 12) * _.area_points.cast("decimal(18, 12)")
    return areas.mutate(adjusted_points=money.exact(exact, 28, 12))


@rule(_PAYMENT, gives="total_points", unit="points", inputs=("area_points",))
def total_points(areas: ir.Table) -> ir.Table:
    """Sum the points of all areas."""
    return areas.mutate(total_points=_known_sum(_.area_points, _AREA[:2]))


@rule(_PAYMENT, gives="total_adjusted_points", unit="points", inputs=("adjusted_points",))
def total_adjusted_points(areas: ir.Table) -> ir.Table:
    """Sum the adjusted points of all areas."""
    return areas.mutate(total_adjusted_points=_known_sum(_.adjusted_points, _AREA[:2]))


@rule(
    _PAYMENT, gives="contractor_population_index", unit="multiplier", inputs=("practice_list_size", "average_list_size")
)
def contractor_population_index(practices: ir.Table) -> ir.Table:
    """Divide the practice's list by the average list of the country."""
    average = money.in_units(_.average_list_size, _HUNDREDTHS)
    return practices.mutate(contractor_population_index=money.divide_half_up(_.practice_list_size * 100, average))


@rule(
    _PAYMENT,
    gives="achievement_payment",
    unit="gbp",
    inputs=("total_adjusted_points", "contractor_population_index", "gbp_per_point"),
)
def achievement_payment(practices: ir.Table) -> ir.Table:
    """Multiply the adjusted points by the pounds per point and the practice's population index."""
    points = money.exact(_.total_adjusted_points, 18, 12)
    weighted = money.exact(points * _.contractor_population_index.cast("decimal(19, 12)"), 28, 12)
    amount = money.exact(weighted.cast("decimal(26, 12)") * _.gbp_per_point.cast("decimal(10, 4)"), 28, 10)
    return practices.mutate(achievement_payment=amount)


@rule(
    _ASPIRATION,
    gives="aspiration_payment",
    unit="gbp",
    inputs=("previous_achievement_payment", "aspiration_share", "aspiration_uprating_index"),
)
def aspiration_payment(practices: ir.Table) -> ir.Table:
    """Pay in advance a share of last year's achievement payment before prevalence adjustment, uprated."""
    share = money.exact(_.aspiration_share.cast("decimal(9, 6)") * _.aspiration_uprating_index, 19, 10)
    amount = money.exact(share * _.previous_achievement_payment, 28, 10)
    return practices.mutate(aspiration_payment=amount)


@rule(_ASPIRATION, gives="payment_due", unit="gbp", inputs=("achievement_payment", "aspiration_payment"))
def payment_due(practices: ir.Table) -> ir.Table:
    """Take the aspiration payments from the achievement payment; below zero it is owed."""
    due = _.achievement_payment - _.aspiration_payment.fill_null(ibis.literal(0).cast(AMOUNT_TYPE))
    return practices.mutate(payment_due=money.exact(due, 28, 10))
