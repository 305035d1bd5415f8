"""Versions of claims netted: originals, cancellations and adjustments become one row for each final line.

A payer that corrects a claim sends it again: a cancellation takes the first version back, an adjustment replaces it.
Money is the sum over the versions, a cancellation counting negative; what was done is told by the latest version alone,
and by none if that is a cancellation. The codes 0, 1 and 2 are those of the Claim and Claim Line Feed; they do not mark
the final version reliably, so versions are found by what they share and ordered by when they took effect.

Sources: CMS, Claim and Claim Line Feed Information Packet, as read in the public Medicare CCLF connector (natural keys,
sign of cancellations, order of versions).
"""

from __future__ import annotations

from collections.abc import Callable

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.claims.contract import ClaimsTable, load_table

Key = Callable[[ir.Table], ir.StringValue]
"""Gives what versions have in common."""
CANCELLATION = "1"
_AMOUNT_DIGITS = 18, 2
_OF_DELIVERY = ("file_date", "file_name", "ingest_datetime")
"""Columns that say how a row came here, not what it says: copies may differ in them."""
_SEPARATOR, _ABSENT = "\x1f", "\x1e"


def net_medical_claims(claims: ir.Table) -> ir.Table:
    """Net the versions of medical claims.

    Rows without an adjustment type are final and pass unchanged, at the cost of reading them. Of the others, exact
    copies are dropped (the newest file's is kept), and those are versions of one another that share data source, payer,
    person, type, status and ``claim_control_number``; where that is empty, an institutional claim goes by facility and
    days, a professional one by ``claim_id``. A professional claim is netted line by line; a line of an institutional
    claim stands for care only if the latest version of the claim has it. Denied lines are never netted with final ones.

    Parameters
    ----------
    claims
        ``medical_claim`` with every column of its contract: one row per claim, line and version.

    Returns
    -------
    One row per final line: the columns given, of the latest version, with amounts summed over the versions (US
    dollars); ``is_utilization``, false where the row counts in money only (the latest version is a cancellation, or no
    longer has the line); and ``versions``, how many rows it stands for.
    """
    return _net(claims, load_table("medical_claim"), _medical_key)


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
    return _net(claims, load_table("pharmacy_claim"), _pharmacy_key)


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
    single, several = _signed(final, load_table("medical_claim"), _medical_key)
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


def _net(claims: ir.Table, declared: ClaimsTable, key: Key) -> ir.Table:
    single, several = _signed(claims, declared, key)
    effective = ibis.coalesce(_.effective_date, _.paid_date)
    # Numbers of unequal length are ordered as numbers; versions under one number by what they are.
    latest_first = [
        effective.desc(nulls_first=False),
        _.claim_id.length().desc(),
        _.claim_id.desc(),
        _.adjustment_type.desc(),
    ]
    of_line = ibis.window(group_by=["net_key", "claim_line_number"])
    ranked = several.mutate(
        version=ibis.dense_rank().over(ibis.window(group_by="net_key", order_by=latest_first)),
        place=ibis.row_number().over(
            ibis.window(group_by=["net_key", "claim_line_number"], order_by=[*latest_first, _.whole_row.desc()])
        ),
        versions=_.count().over(of_line),
        **{f"net_{name}": _[name].sum().over(of_line) for name in _amounts(declared)},
    ).filter(_.place == 0)
    netted = ranked.mutate(
        is_utilization=(_.version == 0) & (_.adjustment_type != CANCELLATION),
        **{name: money.exact(_[f"net_{name}"], *_AMOUNT_DIGITS) for name in _amounts(declared)},
    )
    passed = single.mutate(
        is_utilization=_.adjustment_type.fill_null("0") != CANCELLATION,
        versions=ibis.literal(1, "int64"),
    )
    columns = [*claims.columns, "is_utilization", "versions"]
    return ibis.union(passed.select(columns), netted.select(columns))


def _signed(claims: ir.Table, declared: ClaimsTable, key: Key) -> tuple[ir.Table, ir.Table]:
    """Part the rows that share their key with none from those that may, and give cancellations their sign.

    Whether rows may share a key is told by a hash, which is cheap over many rows; rows that share only the hash are
    kept apart by the key itself.
    """
    is_versioned = _.adjustment_type.notnull()
    keyed = claims.mutate(
        net_bucket=ibis.ifelse(is_versioned, key(claims).hash(), ibis.null("int64")),
        **{name: _signed_amount(_[name]) for name in _amounts(declared)},
    )
    shared = (
        claims.filter(is_versioned)
        .group_by(net_bucket=key(claims).hash())
        .aggregate(times=_.count())
        .filter(_.times > 1)
    )
    single = keyed.anti_join(shared, "net_bucket")
    several = keyed.semi_join(shared, "net_bucket").drop("net_bucket")
    business = [name for name in claims.columns if name not in _OF_DELIVERY]
    several = several.mutate(net_key=key(several), whole_row=_joined(*(several[name] for name in business)))
    newest = ibis.window(group_by="whole_row", order_by=[_[name].desc(nulls_first=False) for name in _OF_DELIVERY])
    several = several.mutate(copy=ibis.row_number().over(newest)).filter(_.copy == 0).drop("copy")
    return single, several


def _amounts(declared: ClaimsTable) -> list[str]:
    return [column.name for column in declared.columns if column.kind == "amount"]


def _signed_amount(amount: ir.DecimalValue) -> ir.DecimalValue:
    return ibis.ifelse(_.adjustment_type == CANCELLATION, -amount, amount).cast("decimal(18, 2)")


def _medical_key(claims: ir.Table) -> ir.StringValue:
    """Name what the versions of a professional line, or of an institutional claim, have in common."""
    facility = ibis.coalesce(claims.facility_ccn, claims.facility_npi)
    is_institutional = claims.claim_type == "institutional"
    claim = ibis.coalesce(
        claims.claim_control_number,
        ibis.ifelse(
            is_institutional, _joined(facility, claims.claim_start_date, claims.claim_end_date), claims.claim_id
        ),
    )
    line = ibis.ifelse(is_institutional, 0, claims.claim_line_number)
    return _joined(*_common_key(claims), claims.claim_type, claim, line)


def _pharmacy_key(claims: ir.Table) -> ir.StringValue:
    claim = ibis.coalesce(claims.claim_control_number, claims.claim_id)
    return _joined(*_common_key(claims), claim, claims.claim_line_number)


def _common_key(claims: ir.Table) -> tuple[ir.Value, ...]:
    return claims.data_source, claims.payer, claims.person_id, claims.claim_status.fill_null("final")


def _joined(*values: ir.Value) -> ir.StringValue:
    """Write values one after the other, so that equal texts mean equal values."""
    return ibis.literal(_SEPARATOR).join([value.cast("string").fill_null(_ABSENT) for value in values])


def _month(day: ir.DateValue) -> ir.DateValue:
    return day.truncate("month").cast("date")


def _months_between(first: ir.DateValue, last: ir.DateValue) -> ir.IntegerValue:
    return (last.year() - first.year()) * 12 + last.month() - first.month()
