"""Non-payment for hospital-acquired conditions, paragraph by paragraph.

Four grains follow one another: conditions (scenario × stay × category × alternative), diagnoses (scenario × stay ×
secondary diagnosis), stays (scenario × stay), hospitals (scenario × hospital, and scenario × hospital × category).
Severity is 0 without complication, 1 with a complication or comorbidity (CC), 2 with a major one (MCC).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.rules import rule

_MONEY = "decimal(18, 2)"


# --- (d)(4)(D)(ii) and (iv): which conditions count as acquired in the hospital ------------------------


@rule(
    "42 U.S.C. 1395ww(d)(4)(D)(ii)(III)",
    gives="is_not_present_on_admission",
    unit="flag",
    inputs=("pays_complication",),
)
def is_not_present_on_admission(diagnoses: ir.Table) -> ir.Table:
    """A selected secondary diagnosis counts as acquired in the hospital unless its indicator says otherwise."""
    return diagnoses.mutate(is_not_present_on_admission=~_.pays_complication)


@rule(
    "42 U.S.C. 1395ww(d)(4)(D)(iv)",
    gives="is_condition_acquired",
    unit="flag",
    inputs=("met_parts", "required_parts"),
)
def is_condition_acquired(conditions: ir.Table) -> ir.Table:
    """A category applies if every part of its definition is met.

    Every category needs a secondary diagnosis that was not present on admission; some also need a procedure, such as
    the bypass graft before mediastinitis, or a principal diagnosis.
    """
    return conditions.mutate(is_condition_acquired=_.met_parts >= _.required_parts)


@rule(
    "42 U.S.C. 1395ww(d)(4)(D)(i)",
    gives="is_disregarded",
    unit="flag",
    inputs=("is_condition_acquired", "is_not_present_on_admission"),
)
def is_disregarded(diagnoses: ir.Table) -> ir.Table:
    """Disregard a secondary diagnosis of a category that applies, unless it was present on admission itself."""
    return diagnoses.mutate(is_disregarded=_.is_in_acquired_condition & _.is_not_present_on_admission)


# --- Severity of the stay -----------------------------------------------------------------------------


@rule(
    "MS-DRG Definitions Manual, Appendix C",
    gives="severity",
    unit="count",
    inputs=("cc_level", "is_excluded_by_principal_diagnosis", "only_if_alive", "discharged_alive"),
)
def severity(diagnoses: ir.Table) -> ir.Table:
    """Rate a secondary diagnosis: 2 for an MCC, 1 for a CC, 0 otherwise.

    A principal diagnosis of the code's exclusion collection makes it 0; so does death, for codes that count only for
    patients discharged alive.
    """
    level = ibis.cases((_.cc_level == "mcc", 2), (_.cc_level == "cc", 1), else_=0)
    needs_life = _.only_if_alive.fill_null(False) & ~_.discharged_alive  # noqa: FBT003
    return diagnoses.mutate(severity=ibis.ifelse(_.is_excluded_by_principal_diagnosis | needs_life, 0, level))


@rule(
    "42 U.S.C. 1395ww(d)(4)(D)(i)",
    gives="counted_severity",
    unit="count",
    inputs=("severity", "is_disregarded"),
)
def counted_severity(diagnoses: ir.Table) -> ir.Table:
    """Count a disregarded diagnosis as no complication; any other may still carry the higher DRG."""
    return diagnoses.mutate(counted_severity=ibis.ifelse(_.is_disregarded, 0, _.severity))


# --- (d)(4)(D)(i): payment ----------------------------------------------------------------------------


@rule(
    "42 U.S.C. 1395ww(d)(2)(D), (d)(4)(B)",
    gives="payment_as_coded",
    unit="usd",
    inputs=("payment_per_weight", "weight_as_coded"),
)
def payment_as_coded(stays: ir.Table) -> ir.Table:
    """Pay for the DRG with all complications: payment for a weight of one, times the weight, to the cent."""
    return stays.mutate(payment_as_coded=money.exact(_.payment_per_weight * _.weight_as_coded, 18, 2))


@rule(
    "42 U.S.C. 1395ww(d)(4)(D)(i)",
    gives="payment_after_hac",
    unit="usd",
    inputs=("payment_per_weight", "weight_after_hac", "payment_as_coded"),
)
def payment_after_hac(stays: ir.Table) -> ir.Table:
    """Pay for the DRG without the disregarded diagnoses, and never more than with them."""
    without = money.exact(_.payment_per_weight * _.weight_after_hac, 18, 2)
    return stays.mutate(payment_after_hac=ibis.least(without, _.payment_as_coded))


@rule(
    "42 U.S.C. 1395ww(d)(4)(D)(i)",
    gives="payment_reduction",
    unit="usd",
    inputs=("payment_as_coded", "payment_after_hac"),
)
def payment_reduction(stays: ir.Table) -> ir.Table:
    """Take the payment without the acquired conditions from the payment with them."""
    return stays.mutate(payment_reduction=money.exact(_.payment_as_coded - _.payment_after_hac, 18, 2))


# --- Hospitals ----------------------------------------------------------------------------------------


@rule(
    "42 U.S.C. 1395ww(d)(4)(D)(i)",
    gives="acquired_condition_rate",
    unit="ratio",
    inputs=("stays_with_condition", "stays"),
)
def acquired_condition_rate(categories: ir.Table) -> ir.Table:
    """Divide the stays to which the category applies by all stays of the hospital."""
    rate = money.divide_half_up(_.stays_with_condition, _.stays)
    return categories.mutate(acquired_condition_rate=ibis.ifelse(_.has_codes, rate, ibis.null(money.SCORE_TYPE)))


@rule(
    "42 U.S.C. 1395ww(d)(4)(D)(i)",
    gives="total_payment_reduction",
    unit="usd",
    inputs=("total_payment_as_coded", "total_payment_after_hac"),
)
def total_payment_reduction(hospitals: ir.Table) -> ir.Table:
    """Add up the reductions of all stays of the hospital."""
    reduction = money.exact(_.total_payment_as_coded - _.total_payment_after_hac, 18, 2)
    return hospitals.mutate(total_payment_reduction=reduction)


@rule(
    "42 U.S.C. 1395ww(d)(4)(D)(i)",
    gives="payment_reduction_ratio",
    unit="ratio",
    inputs=("total_payment_reduction", "total_payment_as_coded"),
)
def payment_reduction_ratio(hospitals: ir.Table) -> ir.Table:
    """Express the reduction as a share of the payments with all complications."""
    ratio = money.divide_half_up(
        money.in_units(_.total_payment_reduction, 2), money.in_units(_.total_payment_as_coded, 2)
    )
    return hospitals.mutate(payment_reduction_ratio=ratio)
