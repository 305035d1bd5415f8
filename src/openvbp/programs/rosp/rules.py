"""The rules in order: indicators, organisation, the list, the contracts of 2009-2011, the conventions since 2012.

Grains: scenario × physician × indicator, then scenario × physician. There is no penalty: no rule takes anything.
"""

from __future__ import annotations

from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.operands import computed_once
from openvbp.rules import rule

POINTS_TYPE = "decimal(18, 10)"
AMOUNT_TYPE = "decimal(28, 10)"
FACTOR_TYPE = "decimal(14, 6)"
_CONTRACTS_END = date(2011, 12, 31)
_CONVENTION_STARTS = date(2012, 1, 1)
_ORGANISATION_ENDS = date(2016, 12, 31)
_SECOND_CONVENTION_STARTS = date(2017, 1, 1)
_REALISATION = "Contract of 2009 and conventions of 2011 and 2016, annexes: calculation of the realisation"
_POINTS = "Convention of 2016, article 27; contract of 2009 and convention of 2011 alike"
_ORGANISATION = "Convention of 26 July 2011, organisation of the practice"


# --- Indicators ---------------------------------------------------------------------------------------


@rule(_POINTS, gives="result_rate", unit="rate", inputs=("numerator", "patients"))
def result_rate(measures: ir.Table) -> ir.Table:
    """Divide the patients treated as the indicator asks by those to whom it applies."""
    return measures.mutate(result_rate=money.divide_half_up(_.numerator, _.patients))


@rule(
    _REALISATION,
    gives="is_paid_on_attainment_only",
    unit="flag",
    inputs=("baseline_rate", "intermediate_objective", "is_lower_better"),
)
def is_paid_on_attainment_only(measures: ir.Table) -> ir.Table:
    """Say whether the physician started at or beyond the intermediate objective, so that there is no way up to it."""
    start, intermediate = _oriented(_.baseline_rate), _oriented(_.intermediate_objective)
    return measures.mutate(is_paid_on_attainment_only=start >= intermediate)


@rule(
    _REALISATION,
    gives="realisation",
    unit="ratio",
    inputs=(
        "result_rate",
        "is_paid_on_attainment_only",
        "baseline_rate",
        "intermediate_objective",
        "target_objective",
        "is_lower_better",
        "intermediate_realisation",
    ),
)
def realisation(measures: ir.Table) -> ir.Table:
    """Give 1 at the target, the intermediate share at the intermediate objective, 0 at the own start; lines between.

    Short of the intermediate objective a physician who started beyond it earns nothing; without a start it is not
    known. From the intermediate objective on the start does not matter.
    """
    result, start = _oriented(_.result_rate), _oriented(_.baseline_rate)
    intermediate, target = _oriented(_.intermediate_objective), _oriented(_.target_objective)
    share = _.intermediate_realisation.cast("decimal(20, 12)")
    to_intermediate = money.exact(share * _way(start, result, intermediate), 18, 12)
    beyond = money.exact((1 - share).cast("decimal(20, 12)") * _way(intermediate, result, target), 18, 12)
    nothing = ibis.null(money.SCORE_TYPE)
    share_earned = ibis.cases(
        (result.isnull() | target.isnull(), nothing),
        (result >= target, ibis.literal(1).cast(money.SCORE_TYPE)),
        (result >= intermediate, money.exact(share + beyond, 18, 12)),
        (start.isnull(), nothing),
        (_.is_paid_on_attainment_only | (result <= start), ibis.literal(0).cast(money.SCORE_TYPE)),
        else_=to_intermediate,
    )
    return computed_once(measures.mutate(realisation=share_earned))


@rule(
    _POINTS,
    gives="earned_points",
    unit="points",
    inputs=("indicator_points", "realisation", "patients", "minimum_patients"),
)
def earned_points(measures: ir.Table) -> ir.Table:
    """Multiply the indicator's points by the realisation, if it has the patients that it needs."""
    points = money.exact(_.indicator_points.cast("decimal(21, 12)") * _.realisation.cast("decimal(13, 12)"), 18, 10)
    return measures.mutate(earned_points=ibis.ifelse(_.patients >= _.minimum_patients, points, ibis.null(POINTS_TYPE)))


# --- Organisation of the practice, 2012-2016 ----------------------------------------------------------


@rule(
    _ORGANISATION,
    gives="has_transmission",
    unit="flag",
    inputs=("has_compliant_equipment", "electronic_claims_share", "electronic_claims_minimum"),
    since=_CONVENTION_STARTS,
    until=_ORGANISATION_ENDS,
)
def has_transmission(physicians: ir.Table) -> ir.Table:
    """Demand compliant equipment and two thirds of the claims sent electronically."""
    is_enough = _.electronic_claims_share >= _.electronic_claims_minimum
    return physicians.mutate(has_transmission=_.has_compliant_equipment & is_enough)


@rule(
    _ORGANISATION,
    gives="organisation_points",
    unit="points",
    inputs=("met_organisation_points", "has_transmission"),
    since=_CONVENTION_STARTS,
    until=_ORGANISATION_ENDS,
)
def organisation_points(physicians: ir.Table) -> ir.Table:
    """Give each organisation indicator that is met all its points, the others nothing; none without transmission."""
    points = ibis.cases(
        (_.met_organisation_points == 0, _.met_organisation_points),
        (_.has_transmission, _.met_organisation_points),
        (~_.has_transmission, ibis.literal(0).cast(POINTS_TYPE)),
        else_=ibis.null(POINTS_TYPE),
    )
    return physicians.mutate(organisation_points=points)


# --- Money --------------------------------------------------------------------------------------------


@rule(_POINTS, gives="list_factor", unit="multiplier", inputs=("list_size", "reference_list"))
def list_factor(physicians: ir.Table) -> ir.Table:
    """Divide the physician's list by the list for which the points are set."""
    factor = money.divide_half_up(_.list_size, _.reference_list, 6)
    return physicians.mutate(list_factor=factor.cast(FACTOR_TYPE))


@rule(
    _POINTS,
    gives="clinical_amount",
    unit="eur",
    inputs=("earned_points", "clinical_points", "point_value", "list_factor"),
)
def clinical_amount(physicians: ir.Table) -> ir.Table:
    """Multiply the points of all clinical indicators by the value of a point and the list."""
    return physicians.mutate(clinical_amount=euros(_.clinical_points, _.point_value, _.list_factor))


@rule(
    _POINTS,
    gives="maximum_clinical_amount",
    unit="eur",
    inputs=("scored_maximum_points", "point_value", "list_factor"),
)
def maximum_clinical_amount(physicians: ir.Table) -> ir.Table:
    """Find what the scored clinical indicators would give with all their points."""
    return physicians.mutate(maximum_clinical_amount=euros(_.scored_maximum_points, _.point_value, _.list_factor))


@rule(
    "UNCAM decision of 9 March 2009, article 2: voluntary contract",
    gives="contract_share",
    unit="ratio",
    inputs=("contract_days", "days_in_year"),
    until=_CONTRACTS_END,
)
def contract_share(physicians: ir.Table) -> ir.Table:
    """Take the share of the year within the contract, which lasts three years and can be broken at any time."""
    return physicians.mutate(contract_share=money.divide_half_up(_.contract_days, _.days_in_year))


@rule(
    "CSMF, 5 February 2009: at most EUR 7 per patient and year",
    gives="payment_amount",
    unit="eur",
    inputs=("clinical_amount", "maximum_amount_per_patient", "list_size", "contract_share"),
    until=_CONTRACTS_END,
)
def contract_payment(physicians: ir.Table) -> ir.Table:
    """Limit the amount by the list times the most per patient, and pay the share of the year within the contract."""
    limit = money.exact(_.maximum_amount_per_patient.cast("decimal(9, 2)") * _.list_size.cast("decimal(12, 2)"), 28, 10)
    limited = ibis.ifelse(_.clinical_amount > limit, limit, _.clinical_amount).cast("decimal(24, 12)")
    return physicians.mutate(payment_amount=money.exact(limited * _.contract_share.cast("decimal(13, 12)"), 28, 10))


@rule(
    _ORGANISATION,
    gives="organisation_amount",
    unit="eur",
    inputs=("organisation_points", "point_value", "is_organisation_scaled_by_list", "list_factor"),
    since=_CONVENTION_STARTS,
    until=_ORGANISATION_ENDS,
)
def organisation_amount(physicians: ir.Table) -> ir.Table:
    """Multiply the organisation points by the value of a point; the list does not matter."""
    amount = euros(_.organisation_points, _.point_value, _organisation_factor(physicians))
    return physicians.mutate(organisation_amount=amount)


@rule(
    _ORGANISATION,
    gives="maximum_organisation_amount",
    unit="eur",
    inputs=("maximum_organisation_points", "point_value", "is_organisation_scaled_by_list", "list_factor"),
    since=_CONVENTION_STARTS,
    until=_ORGANISATION_ENDS,
)
def maximum_organisation_amount(physicians: ir.Table) -> ir.Table:
    """Find what the reported organisation indicators would give if all were met."""
    amount = euros(_.maximum_organisation_points, _.point_value, _organisation_factor(physicians))
    return physicians.mutate(maximum_organisation_amount=amount)


def _organisation_factor(physicians: ir.Table) -> ir.DecimalValue:
    one = ibis.literal(1).cast(FACTOR_TYPE)
    return ibis.ifelse(physicians.is_organisation_scaled_by_list, physicians.list_factor, one)


@rule(
    "Convention of 26 July 2011",
    gives="payment_amount",
    unit="eur",
    inputs=("clinical_amount", "organisation_amount"),
    since=_CONVENTION_STARTS,
    until=_ORGANISATION_ENDS,
)
def convention_2011_payment(physicians: ir.Table) -> ir.Table:
    """Add the amounts for clinical and organisation indicators."""
    return physicians.mutate(payment_amount=money.exact(_.clinical_amount + _.organisation_amount, 28, 10))


@rule(
    "Convention of 25 August 2016, safeguard clause, as MG France describes it",
    gives="safeguard_amount",
    unit="eur",
    inputs=("clinical_amount", "former_amount", "safeguard_fall"),
    since=_SECOND_CONVENTION_STARTS,
)
def safeguard_amount(physicians: ir.Table) -> ir.Table:
    """Top a large fall up to the former amount; an amount that did not fall, or has no former one, gets nothing."""
    kept = (1 - _.safeguard_fall).cast("decimal(8, 6)")
    line = money.exact(_.former_amount.cast("decimal(24, 6)") * kept, 28, 10)
    nothing = ibis.literal(0).cast(AMOUNT_TYPE)
    top_up = ibis.cases(
        (_.clinical_amount.isnull(), ibis.null(AMOUNT_TYPE)),
        (_.former_amount.isnull() | (_.clinical_amount >= _.former_amount), nothing),
        (_.clinical_amount >= line, nothing),
        (_.clinical_amount < line, money.exact(_.former_amount - _.clinical_amount, 28, 10)),
        else_=ibis.null(AMOUNT_TYPE),
    )
    return physicians.mutate(safeguard_amount=top_up)


@rule(
    "Convention of 25 August 2016",
    gives="payment_amount",
    unit="eur",
    inputs=("clinical_amount", "safeguard_amount"),
    since=_SECOND_CONVENTION_STARTS,
)
def convention_2016_payment(physicians: ir.Table) -> ir.Table:
    """Add what the safeguard clause gives."""
    return physicians.mutate(payment_amount=money.exact(_.clinical_amount + _.safeguard_amount, 28, 10))


def euros(points: ir.DecimalValue, point_value: ir.DecimalValue, factor: ir.DecimalValue) -> ir.DecimalValue:
    """Turn points into euros for a list: points × value of a point × factor of the list."""
    reference = money.exact(points.cast("decimal(20, 10)") * point_value.cast("decimal(7, 2)"), 20, 10)
    return money.exact(reference * factor, 28, 10)


def _way(start: ir.IntegerValue, result: ir.IntegerValue, end: ir.IntegerValue) -> ir.DecimalValue:
    """Share of the way from start to end that the result has gone, 0 to 1."""
    gone = ibis.greatest(ibis.least(result - start, end - start), 0)
    return money.divide_half_up(gone, end - start)


def _oriented(rate: ir.DecimalValue) -> ir.IntegerValue:
    """A rate in units of its twelfth decimal, negated where lower is better, so that one formula serves both."""
    units = money.in_units(rate, money.SCORE_DECIMALS)
    return ibis.ifelse(_.is_lower_better, -units, units)
