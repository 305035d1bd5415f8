"""Versions of claims netted: originals, cancellations and adjustments become the lines that stand.

A payer that corrects a claim sends it again: a cancellation, alike but of the opposite sign, takes a version back; an
adjustment stands in its place. A cancellation and the oldest version of the same amounts are taken out together; what
is left stands. Neither dates nor claim numbers tell which version that is: a cancellation and the adjustment that
follows it are often processed on one day.

Source: CMS, Claim and Claim Line Feed Information Packet, version 43, sections 5.1.2 and 5.2.1, as cited and applied in
Tuva Health's public connector for that feed (what versions share, how cancellations are matched).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.claims.contract import load_table
from openvbp.claims.versions import Keep, joined, net, signed

_AMOUNT_DIGITS = 18, 2


def net_medical_claims(claims: ir.Table) -> ir.Table:
    """Net the versions of medical claims.

    Rows without an adjustment type are final and pass unchanged, at the cost of reading them. Of the others, a version
    that came twice is kept as the newest file has it. Those are versions of one another that share data source, payer,
    person, type, status and ``claim_control_number``; where that is empty, an institutional claim goes by facility and
    days, a professional one by ``claim_id``. Professional claims are netted line by line, institutional ones as a
    whole. Denied lines are never netted with final ones.

    Parameters
    ----------
    claims
        ``medical_claim`` with every column of its contract: one row per claim, line and version.

    Returns
    -------
    One row per line that stands: the columns given, amounts of cancellations negative (US dollars), so that their sum
    is what was paid; ``is_utilization``, false where the row counts in money only (a cancellation of something that is
    not here, or a professional line that has a later version); and ``versions``, how many rows shared its key and line.
    """
    return ibis.union(*net_medical_versions(claims))


def net_medical_versions(claims: ir.Table, keep: Keep = lambda rows, _name: rows) -> tuple[ir.Table, ir.Table]:
    """Net medical claims in two parts, for those who read the result several times.

    Parameters
    ----------
    claims
        As of :func:`net_medical_claims`.
    keep
        Computes the keys that rows share, few in most claims, so that each reading does not look for them again.

    Returns
    -------
    Two tables that together are what :func:`net_medical_claims` gives: rows that share their key with none, which cost
    little more than reading them; and the others, netted, few in most claims and worth keeping.
    """
    return net(claims, load_table("medical_claim"), _medical_key, keep, by_claim=True)


def net_pharmacy_claims(claims: ir.Table) -> ir.Table:
    """Net the versions of pharmacy claims.

    As :func:`net_medical_claims`; versions share data source, payer, person, status, ``claim_control_number`` (or
    ``claim_id`` where that is empty) and line.

    Parameters
    ----------
    claims
        ``pharmacy_claim`` with every column of its contract: one row per claim, line and version.

    Returns
    -------
    One row per final line, as of :func:`net_medical_claims`.
    """
    return ibis.union(
        *net(claims, load_table("pharmacy_claim"), _pharmacy_key, lambda rows, _name: rows, by_claim=False)
    )


def known_by(claims: ir.Table, paid_through: ir.DateValue) -> ir.Table:
    """Keep the versions that were known on a day: late claims and later corrections are left out.

    Parameters
    ----------
    claims
        Claims before netting.
    paid_through
        Last day of payment, or where a row has none, of taking effect. Rows with neither day are kept.
    """
    return claims.filter(ibis.coalesce(_.paid_date, _.effective_date, paid_through) <= paid_through)


def paid_by_month(claims: ir.Table) -> ir.Table:
    """Sum what was paid by month of care and month of payment, to see how claims complete.

    Parameters
    ----------
    claims
        ``medical_claim`` before netting: a correction belongs to the month in which it was paid. Denied rows and rows
        without a day of payment are left out.

    Returns
    -------
    One row per ``incurred_month`` × ``paid_month`` (first days of the months) with ``paid_amount`` in US dollars, as
    forecasts read it.
    """
    final = claims.filter(_.paid_date.notnull(), _.claim_status.fill_null("final") == "final")
    single, several = signed(final, load_table("medical_claim"), _medical_key)
    needed = ("claim_start_date", "claim_line_start_date", "paid_date", "paid_amount")
    return (
        ibis.union(single.select(needed), several.select(needed))
        .group_by(
            incurred_month=_month(ibis.coalesce(_.claim_line_start_date, _.claim_start_date)),
            paid_month=_month(_.paid_date),
        )
        .aggregate(paid_amount=money.exact(_.paid_amount.sum(), *_AMOUNT_DIGITS))
    )


def completion_by_lag(months: ir.Table, run_out: int) -> ir.Table:
    """Say which part of the payments of a month is known after how many months.

    Parameters
    ----------
    months
        ``incurred_month``, ``paid_month``, ``paid_amount``, as of :func:`paid_by_month`.
    run_out
        Months after which a month of care is taken for complete; months of care that the last month of payment does not
        reach by that much are left out.

    Returns
    -------
    One row per ``lag`` at which something was paid (months from care to payment, at most ``run_out``): ``paid_amount``
    up to that lag and ``ultimate_amount``, in US dollars, over all complete months. Their ratio is the completion.
    """
    last = months.aggregate(last_paid=_.paid_month.max())
    complete = (
        months.mutate(lag=_months_between(_.incurred_month, _.paid_month))
        .cross_join(last)
        .filter(_months_between(_.incurred_month, _.last_paid) >= run_out)
    )
    # Payments after the run-out belong to the ultimate amount too: it is what is known today.
    lags = complete.group_by(lag=ibis.least(_.lag, run_out)).aggregate(paid_amount=_.paid_amount.sum())
    so_far = ibis.window(order_by="lag", preceding=None, following=0)
    return lags.select(
        "lag",
        paid_amount=money.exact(_.paid_amount.sum().over(so_far), *_AMOUNT_DIGITS),
        ultimate_amount=money.exact(_.paid_amount.sum().over(ibis.window()), *_AMOUNT_DIGITS),
    ).order_by("lag")


def _medical_key(claims: ir.Table) -> tuple[ir.Value, ...]:
    """Name what the versions of a professional line, or of an institutional claim, have in common."""
    facility = ibis.coalesce(claims.facility_ccn, claims.facility_npi)
    is_institutional = claims.claim_type == "institutional"
    claim = ibis.coalesce(
        claims.claim_control_number,
        ibis.ifelse(
            is_institutional, joined(facility, claims.claim_start_date, claims.claim_end_date), claims.claim_id
        ),
    )
    line = ibis.ifelse(is_institutional, 0, claims.claim_line_number)
    return *_common_key(claims), claims.claim_type, claim, line


def _pharmacy_key(claims: ir.Table) -> tuple[ir.Value, ...]:
    claim = ibis.coalesce(claims.claim_control_number, claims.claim_id)
    return *_common_key(claims), claim, claims.claim_line_number


def _common_key(claims: ir.Table) -> tuple[ir.Value, ...]:
    return claims.data_source, claims.payer, claims.person_id, claims.claim_status.fill_null("final")


def _month(day: ir.DateValue) -> ir.DateValue:
    return day.truncate("month").cast("date")


def _months_between(first: ir.DateValue, last: ir.DateValue) -> ir.IntegerValue:
    return (last.year() - first.year()) * 12 + last.month() - first.month()
