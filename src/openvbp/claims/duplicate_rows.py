"""Rows of claims that are there more than once: copies of each other, or contradicting."""

from __future__ import annotations

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
_BITS = 45
"""Leaves room for the sum over 262,144 lines of a claim."""


@dataclass(frozen=True)
class DuplicateRows:
    """Rows that share their key and version with others."""

    suspects: ir.Table
    """Groups of rows (for claims: whole claims) in which a key occurs twice."""
    suspects_count: int
    kept: ir.Table
    """Rows of these groups that stay."""
    kept_count: int
    rejected: ir.Table
    """Rows that are taken out, with ``reasons``."""
    copies_count: int
    conflicting_count: int


def find_duplicates(engine: Engine, table: CheckedTable, rows: ir.Table) -> DuplicateRows | None:
    """Look for rows with the same key and version.

    Parameters
    ----------
    engine
        Where to compute.
    table
        The table.
    rows
        Its rows without those that have other defects: they cannot make a right row wrong.

    Returns
    -------
    None where every key occurs once.
    """
    name = f"claims_check_{table.declared.name}"
    identity = [column for column in (*table.declared.key, *_VERSION) if table.has(column)]
    groups = _groups(rows, identity)
    if not engine.to_arrow(groups.aggregate(found=groups.count()))["found"][0].as_py():
        return None
    groups = engine.compute(groups, f"{name}_groups")
    suspects = rows.semi_join(groups, [rows[column].identical_to(groups[column]) for column in groups.columns])
    content = [column for column in rows.columns if column not in _DELIVERY]
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


def _groups(rows: ir.Table, identity: list[str]) -> ir.Table:
    if _LINE not in identity:
        return rows.group_by(identity).agg(times=_.count()).filter(_.times > 1).drop("times")
    # A claim's lines are told apart by one bit each: sum and union of the bits differ where a line occurs twice. That
    # takes a group per claim and not one per line. Numbers that share a bit only make a claim suspect.
    bit = ibis.literal(1, "int64") << (rows[_LINE].abs() % _BITS)
    claim = [column for column in identity if column != _LINE]
    bits = rows.group_by(claim).agg(total=bit.sum(), union=bit.bit_or())
    return bits.filter(bits.total != bits["union"]).drop("total", "union")


def _reason(which: str, identity: list[str]) -> str:
    return f"duplicate_{which} ({', '.join(identity)})"
