"""What each program changes of a payment, in the order of the law: scenario × hospital, or scenario × stay.

A factor multiplies a payment. What a program changes is what its factor adds to the payment on which it works, given
the programs before it; "alone" is what it would change if there were no other program.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.operands import computed_once
from openvbp.payment.combined_adjustments import AMOUNT_TYPE, FACTOR_TYPE, change, share, to_the_cent, total, without
from openvbp.rules import rule

_ONE = ibis.literal(1).cast(FACTOR_TYPE)
_NOTHING = ibis.literal(0).cast(AMOUNT_TYPE)


# --- The factors that apply ---------------------------------------------------------------------------


@rule("42 CFR 412.64(d)(2)", gives="iqr_factor", unit="multiplier", inputs=("given_iqr_factor", "is_iqr_in_force"))
def iqr_factor(payments: ir.Table) -> ir.Table:
    """Multiply by (1 + update − reduction) / (1 + update) where quality data were not reported; by one otherwise."""
    return payments.mutate(iqr_factor=ibis.ifelse(_.is_iqr_in_force, _.given_iqr_factor.cast(FACTOR_TYPE), _ONE))


@rule(
    "42 U.S.C. 1395ww(d)(4)(D)(i)",
    gives="dra_hac_factor",
    unit="multiplier",
    inputs=(
        "given_dra_hac_factor",
        "hac_nonpayment_amount",
        "base_operating_drg_payment_amount",
        "is_dra_hac_in_force",
    ),
)
def dra_hac_factor(payments: ir.Table) -> ir.Table:
    """Multiply by what the DRGs without the acquired conditions pay of what they pay as coded."""
    of_amount = money.exact(-share(_.hac_nonpayment_amount, _.base_operating_drg_payment_amount) + _ONE, 18, 12)
    factor = ibis.coalesce(_.given_dra_hac_factor.cast(FACTOR_TYPE), of_amount)
    return computed_once(payments.mutate(dra_hac_factor=ibis.ifelse(_.is_dra_hac_in_force, factor, _ONE)))


@rule("42 CFR 412.162(c)", gives="hvbp_factor", unit="multiplier", inputs=("given_hvbp_factor", "is_hvbp_in_force"))
def hvbp_factor(payments: ir.Table) -> ir.Table:
    """Multiply by the value-based incentive payment adjustment factor."""
    return payments.mutate(hvbp_factor=ibis.ifelse(_.is_hvbp_in_force, _.given_hvbp_factor.cast(FACTOR_TYPE), _ONE))


@rule("42 CFR 412.154(c)", gives="hrrp_factor", unit="multiplier", inputs=("given_hrrp_factor", "is_hrrp_in_force"))
def hrrp_factor(payments: ir.Table) -> ir.Table:
    """Multiply by the readmissions payment adjustment factor."""
    return payments.mutate(hrrp_factor=ibis.ifelse(_.is_hrrp_in_force, _.given_hrrp_factor.cast(FACTOR_TYPE), _ONE))


@rule("42 CFR 412.172(b)", gives="hacrp_factor", unit="multiplier", inputs=("given_hacrp_factor", "is_hacrp_in_force"))
def hacrp_factor(payments: ir.Table) -> ir.Table:
    """Multiply by 0.99 for a hospital of the worst quarter, by one for any other."""
    return payments.mutate(hacrp_factor=ibis.ifelse(_.is_hacrp_in_force, _.given_hacrp_factor.cast(FACTOR_TYPE), _ONE))


# --- What each changes, one after the other -----------------------------------------------------------


@rule(
    "42 U.S.C. 1395ww(d), (g)",
    gives="payment_without_programs",
    unit="usd",
    inputs=("base_operating_drg_payment_amount", "other_payment_amount"),
)
def payment_without_programs(payments: ir.Table) -> ir.Table:
    """Add the other payments to the base operating DRG payment with the full update and all complications."""
    return payments.mutate(payment_without_programs=total(_.base_operating_drg_payment_amount, _.other_payment_amount))


@rule("42 CFR 412.64(d)(2)", gives="iqr_change", unit="usd", inputs=("base_operating_drg_payment_amount", "iqr_factor"))
def iqr_change(payments: ir.Table) -> ir.Table:
    """Lower the base payment with the standardized amount: the first change, so that it is the same alone."""
    return payments.mutate(iqr_change=change(_.base_operating_drg_payment_amount, _.iqr_factor))


@rule(
    "42 U.S.C. 1395ww(d)(4)(D)(i)",
    gives="dra_hac_change_alone",
    unit="usd",
    inputs=("base_operating_drg_payment_amount", "hac_nonpayment_amount", "dra_hac_factor"),
)
def dra_hac_change_alone(payments: ir.Table) -> ir.Table:
    """Take what is not paid for acquired conditions: the amount where it is given, else what the factor leaves out."""
    of_factor = change(_.base_operating_drg_payment_amount, _.dra_hac_factor)
    taken = ibis.coalesce((-_.hac_nonpayment_amount).cast(AMOUNT_TYPE), of_factor)
    return payments.mutate(dra_hac_change_alone=ibis.ifelse(_.is_dra_hac_in_force, taken, _NOTHING))


@rule("42 U.S.C. 1395ww(d)(4)(D)(i)", gives="dra_hac_change", unit="usd", inputs=("dra_hac_change_alone", "iqr_factor"))
def dra_hac_change(payments: ir.Table) -> ir.Table:
    """Take the same weight at the standardized amount that applies to the hospital."""
    return payments.mutate(dra_hac_change=total(_.dra_hac_change_alone, change(_.dra_hac_change_alone, _.iqr_factor)))


@rule(
    "42 CFR 412.160, 412.152",
    gives="adjusted_base_operating_drg_payment_amount",
    unit="usd",
    inputs=("base_operating_drg_payment_amount", "iqr_change", "dra_hac_change"),
)
def adjusted_base_operating_drg_payment_amount(payments: ir.Table) -> ir.Table:
    """Determine the base operating DRG payment amount that Hospital VBP and the readmissions program adjust.

    For the one it is defined without regard to the other, and the other way round.
    """
    adjusted = total(_.base_operating_drg_payment_amount, _.iqr_change, _.dra_hac_change)
    return payments.mutate(adjusted_base_operating_drg_payment_amount=adjusted)


@rule(
    "42 CFR 412.162(c)",
    gives="hvbp_change",
    unit="usd",
    inputs=("adjusted_base_operating_drg_payment_amount", "hvbp_factor"),
)
def hvbp_change(payments: ir.Table) -> ir.Table:
    """Adjust the base amount by the Hospital VBP factor."""
    return payments.mutate(hvbp_change=change(_.adjusted_base_operating_drg_payment_amount, _.hvbp_factor))


@rule(
    "42 CFR 412.154(b)(1)",
    gives="hrrp_change",
    unit="usd",
    inputs=("adjusted_base_operating_drg_payment_amount", "hrrp_factor"),
)
def hrrp_change(payments: ir.Table) -> ir.Table:
    """Adjust the same base amount, not what Hospital VBP leaves of it, by the readmissions factor."""
    return payments.mutate(hrrp_change=change(_.adjusted_base_operating_drg_payment_amount, _.hrrp_factor))


@rule(
    "42 CFR 412.172(b)",
    gives="payment_before_hac_reduction",
    unit="usd",
    inputs=("adjusted_base_operating_drg_payment_amount", "hvbp_change", "hrrp_change", "other_payment_amount"),
)
def payment_before_hac_reduction(payments: ir.Table) -> ir.Table:
    """Add up all payments for the discharges, after Hospital VBP and the readmissions program."""
    adjusted = total(_.adjusted_base_operating_drg_payment_amount, _.hvbp_change, _.hrrp_change, _.other_payment_amount)
    return payments.mutate(payment_before_hac_reduction=adjusted)


@rule("42 CFR 412.172(b)", gives="hacrp_change", unit="usd", inputs=("payment_before_hac_reduction", "hacrp_factor"))
def hacrp_change(payments: ir.Table) -> ir.Table:
    """Reduce the whole sum, the other payments included."""
    return payments.mutate(hacrp_change=change(_.payment_before_hac_reduction, _.hacrp_factor))


@rule("42 CFR 412.172(b)", gives="payment_amount", unit="usd", inputs=("payment_before_hac_reduction", "hacrp_change"))
def payment_amount(payments: ir.Table) -> ir.Table:
    """Determine what is paid after all programs."""
    return payments.mutate(payment_amount=total(_.payment_before_hac_reduction, _.hacrp_change))


# --- All together -------------------------------------------------------------------------------------


@rule(
    "sum of the changes",
    gives="total_change",
    unit="usd",
    inputs=("iqr_change", "dra_hac_change", "hvbp_change", "hrrp_change", "hacrp_change"),
)
def total_change(payments: ir.Table) -> ir.Table:
    """Add up what each program changes after those before it."""
    changed = total(_.iqr_change, _.dra_hac_change, _.hvbp_change, _.hrrp_change, _.hacrp_change)
    return payments.mutate(total_change=changed)


@rule(
    "payment after over payment before",
    gives="combined_factor",
    unit="multiplier",
    inputs=("payment_amount", "payment_without_programs"),
)
def combined_factor(payments: ir.Table) -> ir.Table:
    """Divide what is paid, to the cent, by what would be paid without the programs."""
    return computed_once(payments.mutate(combined_factor=share(_.payment_amount, _.payment_without_programs)))


@rule(
    "42 CFR 412.162(c)",
    gives="hvbp_change_alone",
    unit="usd",
    inputs=("base_operating_drg_payment_amount", "hvbp_factor"),
)
def hvbp_change_alone(payments: ir.Table) -> ir.Table:
    """Find what Hospital VBP would change if it were the only program."""
    return payments.mutate(hvbp_change_alone=change(_.base_operating_drg_payment_amount, _.hvbp_factor))


@rule(
    "42 CFR 412.154(b)(1)",
    gives="hrrp_change_alone",
    unit="usd",
    inputs=("base_operating_drg_payment_amount", "hrrp_factor"),
)
def hrrp_change_alone(payments: ir.Table) -> ir.Table:
    """Find what the readmissions program would change if it were the only one."""
    return payments.mutate(hrrp_change_alone=change(_.base_operating_drg_payment_amount, _.hrrp_factor))


@rule("42 CFR 412.172(b)", gives="hacrp_change_alone", unit="usd", inputs=("payment_without_programs", "hacrp_factor"))
def hacrp_change_alone(payments: ir.Table) -> ir.Table:
    """Find what the HAC Reduction Program would change if it were the only one."""
    return payments.mutate(hacrp_change_alone=change(_.payment_without_programs, _.hacrp_factor))


@rule(
    "change in its place less the change alone",
    gives="dra_hac_interaction",
    unit="usd",
    inputs=("dra_hac_change", "dra_hac_change_alone"),
)
def dra_hac_interaction(payments: ir.Table) -> ir.Table:
    """Find what the programs before it do to what non-payment for acquired conditions changes."""
    return payments.mutate(dra_hac_interaction=without(_.dra_hac_change, _.dra_hac_change_alone))


@rule(
    "change in its place less the change alone",
    gives="hvbp_interaction",
    unit="usd",
    inputs=("hvbp_change", "hvbp_change_alone"),
)
def hvbp_interaction(payments: ir.Table) -> ir.Table:
    """Find what the programs before it do to what Hospital VBP changes."""
    return payments.mutate(hvbp_interaction=without(_.hvbp_change, _.hvbp_change_alone))


@rule(
    "change in its place less the change alone",
    gives="hrrp_interaction",
    unit="usd",
    inputs=("hrrp_change", "hrrp_change_alone"),
)
def hrrp_interaction(payments: ir.Table) -> ir.Table:
    """Find what the programs before it do to what the readmissions program changes."""
    return payments.mutate(hrrp_interaction=without(_.hrrp_change, _.hrrp_change_alone))


@rule(
    "change in its place less the change alone",
    gives="hacrp_interaction",
    unit="usd",
    inputs=("hacrp_change", "hacrp_change_alone"),
)
def hacrp_interaction(payments: ir.Table) -> ir.Table:
    """Find what the programs before it do to what the HAC Reduction Program changes."""
    return payments.mutate(hacrp_interaction=without(_.hacrp_change, _.hacrp_change_alone))


@rule(
    "sum of the interactions",
    gives="interaction",
    unit="usd",
    inputs=("dra_hac_interaction", "hvbp_interaction", "hrrp_interaction", "hacrp_interaction"),
)
def interaction(payments: ir.Table) -> ir.Table:
    """Find what the programs change together beyond what each would change alone."""
    together = total(_.dra_hac_interaction, _.hvbp_interaction, _.hrrp_interaction, _.hacrp_interaction)
    return payments.mutate(interaction=together)


# --- One claim ----------------------------------------------------------------------------------------


@rule(
    "CMS IPPS Pricer, paragraphs 6000, 7000 and 3800",
    gives="claim_payment_amount",
    unit="usd",
    inputs=(
        "adjusted_base_operating_drg_payment_amount",
        "hvbp_factor",
        "hrrp_factor",
        "other_payment_amount",
        "hacrp_factor",
    ),
)
def claim_payment_amount(stays: ir.Table) -> ir.Table:
    """Pay one claim: the base amount and every adjustment of it are rounded to the cent."""
    base = to_the_cent(_.adjusted_base_operating_drg_payment_amount)
    adjusted = (to_the_cent(change(base, factor)) for factor in (_.hvbp_factor, _.hrrp_factor))
    before = total(base, *adjusted, _.other_payment_amount)
    reduction = to_the_cent(change(before, _.hacrp_factor))
    return stays.mutate(claim_payment_amount=to_the_cent(total(before, reduction)).cast("decimal(18, 2)"))
