"""Rows that share a key: versions of one claim line, of which those that were taken back are taken out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.contract import ClaimsTable

Key = Callable[[ir.Table], tuple[ir.Value, ...]]
"""Gives what versions have in common."""
Keep = Callable[[ir.Table, str], ir.Table]
"""Computes a table once, under a name."""
CANCELLATION = "1"
_OF_DELIVERY = ("file_date", "file_name", "ingest_datetime")
"""Columns that say how a row came here, not what it says: copies may differ in them."""
_ROW = ("net_bucket", "row_in_bucket")
"""Columns that name a row among those that are netted."""
_SEPARATOR, _ABSENT = "\x1f", "\x1e"


def net(claims: ir.Table, declared: ClaimsTable, key: Key, keep: Keep, *, by_claim: bool) -> tuple[ir.Table, ir.Table]:
    """Net versions in two parts (:func:`openvbp.claims.netting.net_medical_versions`).

    Parameters
    ----------
    claims
        Rows as in their contract.
    declared
        The contract.
    key
        What versions have in common.
    keep
        Keeps the keys that rows share, and those rows.
    by_claim
        Whether institutional claims are netted as a whole.
    """
    single, several = signed(claims, declared, key, keep)
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
    several = several.mutate(match_key=joined(several.net_key, *amounts)).drop(*_wholes(declared), *_amounts(declared))
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


def signed(
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
    keyed = claims.mutate(net_bucket=bucket, **{name: _signed_amount(_[name]) for name in _amounts(declared)})
    single = keyed.anti_join(shared, "net_bucket").select(claims.columns)
    several = keyed.filter(_.net_bucket.notnull()).semi_join(shared, "net_bucket")
    several = several.mutate(net_key=joined(*key(several)))
    return single, keep(_without_copies(several, claims.columns, declared), "net_versions")


def _without_copies(several: ir.Table, columns: Sequence[str], declared: ClaimsTable) -> ir.Table:
    """Keep a version that was delivered more than once as the newest file has it; number the rows of each bucket."""
    identity = ("net_key", "claim_id", "claim_line_number", "adjustment_type", "effective_date", "paid_date")
    # Files differ in what they leave blank, so copies are told by what names a version and by its amounts.
    several = several.mutate(
        version=joined(*(several[name] for name in (*identity, *_amounts(declared)))),
        whole_row=joined(*(several[name] for name in columns if name not in _OF_DELIVERY)),
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


def joined(*values: ir.Value) -> ir.StringValue:
    """Write values one after the other, so that equal texts mean equal values."""
    return ibis.literal(_SEPARATOR).join([value.cast("string").fill_null(_ABSENT) for value in values])


def _hashed(*values: ir.Value) -> ir.IntegerValue:
    return ibis.struct({f"part_{place}": value for place, value in enumerate(values)}).hash()
