"""Rows of declared input tables: each is accepted, or rejected with a reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.declared_tables import DeclaredColumn, DeclaredTable, Kind, TextRows
from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem

IS_COPY = "the same row stands in the file before"
_CONTRADICTS = "another row has the same key and other values"
_FORMS: dict[Kind, tuple[str, str, str]] = {
    # kind: regular expression of the cell, type, how the form is described to the user
    "text": (r".", "string", "a text"),
    "hospital": (r"^[0-9]{2}[0-9A-Z][0-9]{3}$", "string", "a CMS certification number of six characters"),
    "code": (r"^[A-Z0-9]{2,8}$", "string", "a diagnosis or procedure code"),
    "date": (r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "date", "a date such as 2015-10-01"),
    "yes_no": (r"^(yes|no)$", "boolean", "yes or no"),
    "amount": (r"^-?[0-9]{1,13}([.][0-9]{1,2})?$", "decimal(18, 2)", "an amount of money such as 1234.50"),
    "ratio": (r"^-?[0-9]{1,7}([.][0-9]{1,6})?$", "decimal(18, 6)", "a number of at most six decimals"),
    "factor": (r"^-?[0-9]{1,4}([.][0-9]{1,12})?$", "decimal(18, 12)", "a multiplier of at most twelve decimals"),
    "weight": (r"^-?[0-9]{1,5}([.][0-9]{1,4})?$", "decimal(18, 4)", "a relative weight of at most four decimals"),
    "score": (r"^-?[0-9]{1,5}([.][0-9]{1,12})?$", "decimal(18, 12)", "a score of at most twelve decimals"),
    "count": (r"^-?[0-9]{1,12}$", "int64", "a whole number"),
}


def type_of(kind: Kind) -> str:
    """Type of the values of a kind of column, as Ibis spells it."""
    return _FORMS[kind][1]


@dataclass(frozen=True)
class RowCheck:
    """A condition over several columns of one row."""

    column: str
    is_wrong: Callable[[ir.Table], ir.BooleanValue]
    reason: str


def check_rows(engine: Engine, text: TextRows, checks: Sequence[RowCheck] = ()) -> ir.Table:
    """Read the cells of every row and say which rows cannot be used.

    Parameters
    ----------
    engine
        Where to compute.
    text
        The rows as text.
    checks
        Conditions over several columns, looked at where every cell is right.

    Returns
    -------
    One row per row of the file: ``row_number``, the declared columns as values, and ``problem_column``,
    ``problem_value`` and ``problem``, which are null in rows that can be used.

    Raises
    ------
    InputDataError
        If no row can be used, or two rows of a table that is not patient-level contradict each other.
    """
    declared = text.declared
    name = declared.file_name.partition(".")[0]
    cells = engine.table(text.rows, f"{name}_text")
    texts = {column.name: _normalized(cells, column) for column in declared.columns}
    values = {column.name: _value(texts[column.name], column) for column in declared.columns}
    reasons = {
        column.name: _reason(texts[column.name], values[column.name], column)
        for column in declared.columns
        if column.name in cells.columns
    }
    read = cells.select(
        "row_number",
        **values,
        **{f"{column}__text": texts[column] for column in values},
        problem_column=_first(reasons, {column: ibis.literal(column) for column in reasons}),
        problem_value=_first(reasons, texts),
        problem=ibis.coalesce(*reasons.values()),
    )
    read = engine.compute(_further(_repeated(read, declared), checks), f"{name}_read")
    rows = engine.compute(read.drop(*(f"{column}__text" for column in values)), f"{name}_checked")
    _demand_usable(engine, rows, text)
    return rows


def _normalized(cells: ir.Table, column: DeclaredColumn) -> ir.StringValue:
    if column.name not in cells.columns:
        return ibis.literal("")
    text = cells[column.name]
    if column.kind == "hospital":
        text = text.upper()
        # Spreadsheets take leading zeros away.
        return ibis.ifelse(text.re_search("^[0-9]{4,5}$"), text.lpad(6, "0"), text)
    if column.kind == "code":
        return text.upper().replace(".", "")
    if column.kind == "yes_no":
        return text.lower()
    return text


def _value(text: ir.StringValue, column: DeclaredColumn) -> ir.Value:
    form, kind, _description = _FORMS[column.kind]
    right = ibis.ifelse(text.re_search(form), text, ibis.null("string"))
    if column.kind == "yes_no":
        return right == "yes"
    return right if kind == "string" else right.try_cast(kind)


def _reason(text: ir.StringValue, value: ir.Value, column: DeclaredColumn) -> ir.StringValue:
    empty = ibis.null("string") if column.may_be_empty else ibis.literal("empty")
    cases: list[Any] = [
        (text == "", empty),
        (value.isnull(), ibis.literal(f"not {_FORMS[column.kind][2]}")),
    ]
    if column.choices:
        cases.append((text.notin(column.choices), ibis.literal("not one of " + ", ".join(column.choices))))
    if column.lowest is not None:
        below = "below zero" if column.lowest == 0 else f"below {column.lowest}"
        cases.append((value < column.lowest, ibis.literal(below)))
    return ibis.cases(*cases, else_=ibis.null("string"))


def _first(reasons: dict[str, ir.StringValue], of: dict[str, ir.StringValue]) -> ir.StringValue:
    """Take the entry that belongs to the first column with a reason."""
    return ibis.cases(
        *((reason.notnull(), of[column]) for column, reason in reasons.items()), else_=ibis.null("string")
    )


def _repeated(rows: ir.Table, declared: DeclaredTable) -> ir.Table:
    """Reject copies of a row, and rows that contradict one with the same key."""
    texts = [name for name in rows.columns if name.endswith("__text")]
    whole = ibis.literal("\x1f").join([rows[name] for name in texts])
    # Rows with other problems stand apart: they cannot make a right row wrong.
    keyed = rows.mutate(whole=whole, is_right=rows.problem.isnull())
    same = ibis.window(group_by=[*declared.key, "is_right"])
    keyed = keyed.mutate(
        contradicts=keyed.whole.min().over(same) != keyed.whole.max().over(same),
        is_copy=keyed.row_number > keyed.row_number.min().over(same),
    )
    reason = ibis.cases(
        (keyed.problem.notnull(), keyed.problem),
        (keyed.contradicts, _CONTRADICTS),
        (keyed.is_copy, IS_COPY),
        else_=ibis.null("string"),
    )
    key = ibis.literal(declared.key[0])
    return keyed.mutate(
        problem=reason,
        problem_column=ibis.coalesce(keyed.problem_column, ibis.ifelse(reason.notnull(), key, ibis.null("string"))),
        problem_value=ibis.coalesce(keyed.problem_value, keyed[f"{declared.key[0]}__text"]),
    ).drop("whole", "is_right", "contradicts", "is_copy")


def _further(rows: ir.Table, checks: Sequence[RowCheck]) -> ir.Table:
    for check in checks:
        rows = reject(rows, check.is_wrong(rows), check.column, check.reason, rows[f"{check.column}__text"])
    return rows


def reject(
    rows: ir.Table, is_wrong: ir.BooleanValue, column: str, reason: str, value: ir.StringValue | None = None
) -> ir.Table:
    """Mark further rows as not usable; rows that are marked already keep their first reason."""
    wrong = rows.problem.isnull() & is_wrong.fill_null(False)  # noqa: FBT003
    shown = rows[column].cast("string") if value is None else value
    return rows.mutate(
        problem=ibis.ifelse(wrong, ibis.literal(reason), rows.problem),
        problem_column=ibis.ifelse(wrong, ibis.literal(column), rows.problem_column),
        problem_value=ibis.ifelse(wrong, shown, rows.problem_value),
    )


def accepted(rows: ir.Table) -> ir.Table:
    """Keep the rows that can be used."""
    return rows.filter(_.problem.isnull()).drop("row_number", "problem_column", "problem_value", "problem")


def rejected_cells(rows: ir.Table, declared: DeclaredTable) -> ir.Table:
    """List the rows that cannot be used, in the columns of ``rejected/cells``."""
    provider_id = rows.provider_id if "provider_id" in rows.columns else ibis.literal("")
    return rows.filter(_.problem.notnull()).select(
        source_file=ibis.literal(declared.file_name),
        row_number=_.row_number.cast("string"),
        provider_id=provider_id.fill_null(""),
        column=_.problem_column,
        value=ibis.literal("") if declared.is_patient_level else _.problem_value,
        reason=_.problem,
    )


def _demand_usable(engine: Engine, rows: ir.Table, text: TextRows) -> None:
    reasons = rows.group_by("problem").agg(times=_.count(), first=_.row_number.min()).order_by("first")
    found = engine.to_arrow(reasons).to_pylist()
    contradicting = [one for one in found if one["problem"] == _CONTRADICTS]
    if contradicting and not text.declared.is_patient_level:
        raise InputDataError(
            Problem(
                f"rows contradict each other: same {', '.join(text.declared.key)}, other values",
                str(text.path),
                "keep the right row",
                contradicting[0]["times"],
                (f"row {contradicting[0]['first']}",),
            )
        )
    if all(one["problem"] is not None for one in found):
        examples = tuple(f"row {one['first']}: {one['problem']}" for one in found[:3])
        raise InputDataError(
            Problem("no row can be used", str(text.path), "correct the file", text.rows.num_rows, examples)
        )
