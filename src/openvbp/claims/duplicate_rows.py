"""Rows of claims that are there more than once: copies of each other, or contradicting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.row_checks import CheckedTable
from openvbp.engine import Engine

_VERSION = ("adjustment_type", "effective_date")
"""With the key they name a version of a row: a claim and its cancellation are no duplicates."""
_DELIVERY = ("file_name", "file_date", "ingest_datetime")
"""Columns that say how a row came, not what it says."""
_LINE = "claim_line_number"
_LAST_BIT = 44
"""Highest line number that is added up as a power of two: floats hold sums up to the 53rd exactly."""


@dataclass(frozen=True)
class DuplicateRows:
    """Rows that share their key and version with others."""

    repeated: ir.Table
    """Keys and versions that occur more than once."""
    repeated_count: int
    kept: ir.Table
    """Rows with these keys that stay."""
    kept_count: int
    rejected: ir.Table
    """Rows that are taken out, with ``reasons``."""
    copies_count: int
    conflicting_count: int


def find_duplicates(
    engine: Engine, table: CheckedTable, right_rows: Callable[[CheckedTable], ir.Table]
) -> DuplicateRows | None:
    """Look for rows with the same key and version.

    Parameters
    ----------
    engine
        Where to compute.
    table
        The table, typed.
    right_rows
        Gives the rows of a table without those that have other defects: they cannot make a right row wrong. It is asked
        only about rows whose key occurs twice.

    Returns
    -------
    None where every key occurs once.
    """
    name = f"claims_check_{table.declared.name}"
    identity = [column for column in (*table.declared.key, *_VERSION) if table.has(column)]
    groups = engine.compute(_repeated(engine, table.rows, identity, name), f"{name}_groups")
    if not engine.to_arrow(groups.aggregate(found=groups.count()))["found"][0].as_py():
        return None
    alike = [table.rows[column].identical_to(groups[column]) for column in groups.columns]
    both = engine.compute(table.rows.semi_join(groups, alike), f"{name}_suspects")
    suspects = right_rows(CheckedTable(table.declared, both))
    content = [column for column in suspects.columns if column not in _DELIVERY]
    texts = [suspects[column].cast("string").fill_null("\x1e") for column in content]
    whole = suspects.mutate(whole=ibis.literal("\x1f").join(texts))
    same = ibis.window(group_by=identity)
    newest = [ibis.desc(column) for column in _DELIVERY[::-1] if table.has(column)]
    marked = whole.mutate(
        conflicts=whole.whole.min().over(same) != whole.whole.max().over(same),
        place=ibis.row_number().over(group_by=identity, order_by=[*newest, "whole"]),
    )
    marked = engine.compute(marked.drop("whole"), f"{name}_duplicates")
    is_kept = ~marked.conflicts & (marked.place == 0)
    (counts,) = engine.to_arrow(
        marked.aggregate(
            all=marked.count(), kept=marked.count(where=is_kept), conflicting=marked.count(where=marked.conflicts)
        )
    ).to_pylist()
    kept = engine.compute(marked.filter(is_kept).drop("conflicts", "place"), f"{name}_kept")
    rejected = marked.filter(~is_kept).mutate(
        reasons=ibis.ifelse(marked.conflicts, _reason("conflicting", identity), _reason("identical", identity))
    )
    return DuplicateRows(
        groups,
        counts["all"],
        kept,
        counts["kept"],
        rejected.drop("conflicts", "place"),
        counts["all"] - counts["kept"] - counts["conflicting"],
        counts["conflicting"],
    )


def _repeated(engine: Engine, rows: ir.Table, identity: list[str], name: str) -> ir.Table:
    """Give each key and version that occurs more than once."""
    if _LINE in identity:
        hashed = ibis.struct({column: rows[column] for column in identity if column != _LINE}).hash()
        hashed_rows = rows.select(*identity, claim=hashed)
        # In a query of its own: an engine keeps what stands twice in one query, here a row for every line.
        suspect = engine.compute(_suspect_claims(hashed_rows), f"{name}_suspect_claims")
        rows = hashed_rows.semi_join(suspect, "claim")
    return rows.group_by(identity).agg(times=_.count()).filter(_.times > 1).drop("times")


def _suspect_claims(rows: ir.Table) -> ir.Table:
    """Give the claims whose lines are not numbered without a gap: only they can have a line twice.

    It takes a group per claim and not one per line, and of a claim its hash, for memory; claims of one hash are taken
    for one. Lines are added up as powers of two: so many of them make a row of as many bits only if no two are the
    same. Sums of floats are exact as far as that can be.
    """
    line = rows[_LINE]
    one = ibis.literal(1, "int64")
    power = one << ibis.ifelse(line.between(0, _LAST_BIT), line, 0)
    lines = rows.group_by("claim").agg(
        times=_.count(), first=line.min(), last=line.max(), total=power.cast("float64").sum()
    )
    has_bits = (lines["first"] >= 0) & (lines["last"] <= _LAST_BIT)
    first, last = (ibis.ifelse(has_bits, lines[name], 0) for name in ("first", "last"))
    whole = (one << (last + 1)) - (one << first)
    is_whole = has_bits & (last - first + 1 == lines.times) & (lines.total == whole.cast("float64"))
    return lines.filter(~is_whole).select("claim")


def _reason(which: str, identity: list[str]) -> str:
    return f"duplicate_{which} ({', '.join(identity)})"
