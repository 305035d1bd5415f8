"""Versions of claims netted: originals, cancellations and adjustments become the lines that stand.

A payer that corrects a claim sends it again: a cancellation, alike but of the opposite sign, takes a version back; an
adjustment stands in its place. A cancellation and the oldest version of the same amounts are taken out together; what
is left stands. Neither dates nor claim numbers tell which version that is: a cancellation and the adjustment that
follows it are often processed on one day.

Source: CMS, Claim and Claim Line Feed Information Packet, version 43, sections 5.1.2 and 5.2.1, as cited and applied in
Tuva Health's public connector for that feed (what versions share, how cancellations are matched).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.claims.contract import ClaimsTable, load_table

Key = Callable[[ir.Table], tuple[ir.Value, ...]]
"""Gives what versions have in common."""
Keep = Callable[[ir.Table, str], ir.Table]
"""Computes a table once, under a name."""
CANCELLATION = "1"
_AMOUNT_DIGITS = 18, 2
_OF_DELIVERY = ("file_date", "file_name", "ingest_datetime")
"""Columns that say how a row came here, not what it says: copies may differ in them."""
_ROW = ("net_bucket", "row_in_bucket")
"""Columns that name a row among those that are netted."""
_SEPARATOR, _ABSENT = "\x1f", "\x1e"


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
    return _net(claims, load_table("medical_claim"), _medical_key, keep, by_claim=True)


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
        *_net(claims, load_table("pharmacy_claim"), _pharmacy_key, lambda rows, _name: rows, by_claim=False)
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


def _net(claims: ir.Table, declared: ClaimsTable, key: Key, keep: Keep, *, by_claim: bool) -> tuple[ir.Table, ir.Table]:
    single, several = _signed(claims, declared, key, keep)
    columns = [*claims.columns, "is_utilization", "versions"]
    passed = single.mutate(
        is_utilization=_.adjustment_type.fill_null("0") != CANCELLATION,
        versions=ibis.literal(1, "int64"),
    )
    standing = _standing(several, declared, by_claim=by_claim)
    netted = several.inner_join(standing, [*_ROW])
    return passed.select(columns), netted.select(columns)


def _standing(several: ir.Table, declared: ClaimsTable, *, by_claim: bool) -> ir.Table:
    """Say of the rows that stand how they count; only what that takes is looked at, for rows are wide."""
    narrow = several.select(
        *_ROW,
        "net_key",
        "claim_id",
        "claim_line_number",
        *(("claim_type",) if by_claim else ()),
        "adjustment_type",
        "effective_date",
        *_amounts(declared),
        day=effective_date(_),
        is_cancellation=_.adjustment_type == CANCELLATION,
        versions=_.count().over(ibis.window(group_by=["net_key", "claim_line_number"])),
    )
    standing = _without_cancelled(narrow, declared)
    latest_first = [_.day.desc(nulls_first=False), _.adjustment_type.desc(), _.claim_id.desc()]
    standing = standing.mutate(
        later=ibis.dense_rank().over(ibis.window(group_by=["net_key", "is_cancellation"], order_by=latest_first))
    )
    is_latest = standing.later == 0
    counts = (standing.claim_type == "institutional") | is_latest if by_claim else is_latest
    return standing.select(*_ROW, "versions", is_utilization=~standing.is_cancellation & counts)


def _without_cancelled(several: ir.Table, declared: ClaimsTable) -> ir.Table:
    """Take out each cancellation together with the oldest version of the same amounts."""
    of_version = ibis.window(group_by=["net_key", "claim_id", "adjustment_type", "effective_date"])
    several = several.mutate(**{f"whole_{name}": _[name].sum().over(of_version) for name in _amounts(declared)})
    amounts = [ibis.ifelse(several.is_cancellation, -several[whole], several[whole]) for whole in _wholes(declared)]
    several = several.mutate(match_key=_joined(several.net_key, *amounts)).drop(*_wholes(declared), *_amounts(declared))
    oldest_first = [_.day.asc(nulls_first=True), _.adjustment_type, _.claim_id]
    several = several.mutate(
        place=ibis.dense_rank().over(ibis.window(group_by=["match_key", "is_cancellation"], order_by=oldest_first))
    )
    same_amounts = ibis.window(group_by="match_key")
    several = several.mutate(
        last_cancellation=ibis.ifelse(_.is_cancellation, _.place, -1).max().over(same_amounts),
        last_claim=ibis.ifelse(_.is_cancellation, -1, _.place).max().over(same_amounts),
    )
    partners = ibis.ifelse(several.is_cancellation, several.last_claim, several.last_cancellation)
    return several.filter(several.place > partners)


def effective_date(claims: ir.Table) -> ir.DateValue:
    """Day on which a version took effect; the day of payment where that is not given."""
    return ibis.coalesce(claims.effective_date, claims.paid_date)


def _signed(
    claims: ir.Table, declared: ClaimsTable, key: Key, keep: Keep = lambda rows, _name: rows
) -> tuple[ir.Table, ir.Table]:
    """Part the rows that share their key with none from those that may, and give cancellations their sign.

    Whether rows may share a key is told by a hash, which is cheap over many rows; rows that share only the hash are
    kept apart by the key itself. Lines of one institutional claim share its key: they need a look only where a line
    stands twice or something is cancelled.
    """
    # Without an adjustment type there is no bucket: nothing is looked up for such a row.
    bucket = ibis.ifelse(claims.adjustment_type.notnull(), _hashed(*key(claims)), None)
    lines = (
        claims.select("adjustment_type", "claim_line_number", net_bucket=bucket)
        .filter(_.net_bucket.notnull())
        .group_by("net_bucket", "claim_line_number")
        .agg(times=_.count(), is_cancelled=(_.adjustment_type == CANCELLATION).max())
    )
    shared = (
        lines.group_by("net_bucket")
        .agg(rows=_.times.sum(), most=_.times.max(), is_cancelled=_.is_cancelled.max())
        .filter(_["rows"] > 1, (_.most > 1) | _.is_cancelled)
        .select("net_bucket")
    )
    shared = keep(shared, "net_buckets")
    signed = claims.mutate(net_bucket=bucket, **{name: _signed_amount(_[name]) for name in _amounts(declared)})
    single = signed.anti_join(shared, "net_bucket").select(claims.columns)
    several = signed.filter(_.net_bucket.notnull()).semi_join(shared, "net_bucket")
    several = several.mutate(net_key=_joined(*key(several)))
    return single, keep(_without_copies(several, claims.columns, declared), "net_versions")


def _without_copies(several: ir.Table, columns: Sequence[str], declared: ClaimsTable) -> ir.Table:
    """Keep a version that was delivered more than once as the newest file has it; number the rows of each bucket."""
    identity = ("net_key", "claim_id", "claim_line_number", "adjustment_type", "effective_date", "paid_date")
    # Files differ in what they leave blank, so copies are told by what names a version and by its amounts.
    several = several.mutate(
        version=_joined(*(several[name] for name in (*identity, *_amounts(declared)))),
        whole_row=_joined(*(several[name] for name in columns if name not in _OF_DELIVERY)),
    )
    newest_first = [*(_[name].desc(nulls_first=False) for name in _OF_DELIVERY), _.whole_row.desc()]
    in_order = ibis.window(group_by="net_bucket", order_by=[_.version, *newest_first])
    placed = several.mutate(row_in_bucket=ibis.row_number().over(in_order), above=_.version.lag().over(in_order))
    return placed.filter(_.above.isnull() | (_.above != _.version)).drop("above", "version", "whole_row")


def _amounts(declared: ClaimsTable) -> list[str]:
    return [column.name for column in declared.columns if column.kind == "amount"]


def _wholes(declared: ClaimsTable) -> list[str]:
    return [f"whole_{name}" for name in _amounts(declared)]


def _signed_amount(amount: ir.DecimalValue) -> ir.DecimalValue:
    return ibis.ifelse(_.adjustment_type == CANCELLATION, -amount, amount).cast("decimal(18, 2)")


def _medical_key(claims: ir.Table) -> tuple[ir.Value, ...]:
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
    return *_common_key(claims), claims.claim_type, claim, line


def _pharmacy_key(claims: ir.Table) -> tuple[ir.Value, ...]:
    claim = ibis.coalesce(claims.claim_control_number, claims.claim_id)
    return *_common_key(claims), claim, claims.claim_line_number


def _common_key(claims: ir.Table) -> tuple[ir.Value, ...]:
    return claims.data_source, claims.payer, claims.person_id, claims.claim_status.fill_null("final")


def _joined(*values: ir.Value) -> ir.StringValue:
    """Write values one after the other, so that equal texts mean equal values."""
    return ibis.literal(_SEPARATOR).join([value.cast("string").fill_null(_ABSENT) for value in values])


def _hashed(*values: ir.Value) -> ir.IntegerValue:
    return ibis.struct({f"part_{place}": value for place, value in enumerate(values)}).hash()


def _month(day: ir.DateValue) -> ir.DateValue:
    return day.truncate("month").cast("date")


def _months_between(first: ir.DateValue, last: ir.DateValue) -> ir.IntegerValue:
    return (last.year() - first.year()) * 12 + last.month() - first.month()
