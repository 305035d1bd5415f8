"""A program's inputs in drawn versions: drawn values in the place of the given ones, a scenario for each version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from openvbp.program import DrawnColumn, DrawnInput, RunContext

ACCOUNT = "results/provider_result"
"""Where a program with one account for all providers says whose it is."""
_PARTS = 1_000_000
"""Cases among which a drawn rate is expressed by a whole number."""
_POOLED_PARTS = 10_000
"""Parts of a case, where numbers of cases are added up and must keep their proportions."""
_SAME = 1e-9
"""Drawn rates have nine decimals: a draw no farther from the given rate than this is that rate."""


def tables_drawn(drawn: DrawnInput, context: RunContext) -> dict[str, ir.Table]:
    """Find the tables of the run that draws may replace; a program may do without some."""
    found = {}
    for column in drawn.columns:
        given = context.tables.get(column.table, getattr(context.inputs.content, column.table, None))
        if isinstance(given, pa.Table):
            given = context.engine.table(given, f"{column.table}_to_be_drawn")
        if given is not None:
            found[column.table] = given
    return found


def rates(drawn: DrawnInput, context: RunContext) -> ir.Table | None:
    """Take from ``measure_result`` the rates that draws may replace, if the run has any."""
    columns = [one for one in drawn.columns if one.quantity is None]
    found = _places(columns, context, tables_drawn(drawn, context))
    if found is None or "results/measure_result" not in context.tables:
        return None
    return context.tables["results/measure_result"].semi_join(found, ["provider_id", "measure_id"])


def quantities(drawn: DrawnInput, context: RunContext) -> ir.Table | None:
    """List the known quantities that draws may replace: provider_id, and the name that draws give them."""
    columns = [one for one in drawn.columns if one.quantity is not None]
    return _places(columns, context, tables_drawn(drawn, context))


def _places(columns: Sequence[DrawnColumn], context: RunContext, tables: Mapping[str, ir.Table]) -> ir.Table | None:
    """Provider × name of every value of the columns: none without their tables."""
    parts = []
    for column in columns:
        if column.table not in tables:
            continue
        rows = tables[column.table]
        if "provider_id" not in rows.columns:
            rows = rows.cross_join(context.tables[ACCOUNT].select("provider_id").distinct())
        if column.quantity is not None:
            rows = rows.filter(rows[column.column].notnull())
        parts.append(rows.select("provider_id", measure_id=_name(rows, column)))
    return ibis.union(*parts) if len(parts) > 1 else parts[0] if parts else None


def _name(rows: ir.Table, column: DrawnColumn) -> ir.StringValue:
    """Name each row as draws do."""
    values = [rows[name].cast("string") for name in column.by]
    if column.quantity is None:
        return ibis.literal(".").join(values)
    if not values:
        return ibis.literal(column.quantity)
    return ibis.literal(f"{column.quantity}[") + ibis.literal(" ").join(values) + "]"


def with_draws(rows: ir.Table, columns: Sequence[DrawnColumn], values: ir.Table, versions: ir.Table) -> ir.Table:
    """Put drawn values in the place of the given ones.

    Parameters
    ----------
    rows
        A table of inputs.
    columns
        Those of it that may be drawn.
    values
        Drawn values: provider_id, measure_id, draw, value.
    versions
        scenario_id and draw.

    Returns
    -------
    Scenario × the table's rows.
    """
    drawn = rows.cross_join(versions.select("scenario_id", "draw"))
    for column in columns:
        keys = [name for name in ("provider_id", "drawn_name", "draw") if name in (*rows.columns, "drawn_name", "draw")]
        named = values.rename(drawn_name="measure_id").select(*keys, "value")
        joined = drawn.mutate(drawn_name=_name(drawn, column)).left_join(named, keys)
        joined = joined.drop(*(f"{key}_right" for key in keys))
        drawn = joined.mutate(**_changed(joined, column)).drop("value", "drawn_name")
    return drawn.drop("draw")


def _changed(rows: ir.Table, column: DrawnColumn) -> dict[str, ir.Value]:
    given = rows[column.column]
    if column.denominator is None:
        value = rows.value.cast(given.type())
        # What repeats the input is more exact than the input: it stays where the draw is the given value.
        is_other = rows.value.notnull() & (given.isnull() | (value != given))
        changed: dict[str, ir.Value] = {
            name: ibis.ifelse(is_other, ibis.null(rows[name].type()), rows[name]) for name in column.supersedes
        }
        return changed | {column.column: ibis.ifelse(is_other, value, given)}
    cases = rows[column.denominator]
    distance = (rows.value - given.cast("float64") / cases.cast("float64").nullif(0)).abs()
    is_other = (distance > _SAME).fill_null(False)  # noqa: FBT003
    parts = {
        column.column: ibis.ifelse(is_other, _whole(rows.value * _PARTS), given),
        column.denominator: ibis.ifelse(is_other, ibis.literal(_PARTS), cases),
    }
    if column.is_pooled is not None:
        pooled = {
            column.column: ibis.ifelse(is_other, _whole(rows.value * cases * _POOLED_PARTS), given * _POOLED_PARTS),
            column.denominator: cases * _POOLED_PARTS,
        }
        is_pooled = column.is_pooled(rows)
        parts = {name: ibis.ifelse(is_pooled, pooled[name], parts[name]) for name in parts}
    return {name: value.cast(rows[name].type()) for name, value in parts.items()}


def _whole(value: ir.NumericValue) -> ir.IntegerValue:
    return value.round().cast("int64")


def in_place(context: RunContext, replaced: Mapping[str, ir.Table]) -> tuple[RunContext, int]:
    """Make a context that has the drawn inputs.

    Returns
    -------
    The context without scenarios of its own, and the first stage that must be computed again.
    """
    written = {name: table for name, table in replaced.items() if name in context.tables}
    read: dict[str, Any] = {
        name: context.engine.to_arrow(table) for name, table in replaced.items() if name not in written
    }
    inputs = replace(context.inputs, content=replace(context.inputs.content, **read)) if read else context.inputs
    return replace(context, inputs=inputs, tables={**context.tables, **written}), 0 if read else 1
