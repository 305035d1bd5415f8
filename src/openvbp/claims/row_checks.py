"""What can be wrong with a row of claims: the contract and the rules on dates, amounts and persons, as conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import ibis
import ibis.expr.types as ir

from openvbp.claims.contract import PASSES_THROUGH, ClaimsColumn, ClaimsTable
from openvbp.claims.defects import defects, threshold
from openvbp.claims.tables import typed_cell

SENTINEL = "~"
AS_READ = "__as_read"
"""Ending of a column that keeps the cells as the file has them, where their type is not the contract's."""
SERVICE_DATE = "service_date__checked"
SERVICE_DATES = {
    "medical_claim": ("claim_line_start_date", "claim_start_date"),
    "pharmacy_claim": ("dispensing_date",),
}
"""Tables with services, and the columns whose first value dates a row."""
_SPANS = (("enrollment_start_date", "enrollment_end_date"), ("start_date", "end_date"))
_CLAIM_SPANS = (("claim_start_date", "claim_end_date"), ("claim_line_start_date", "claim_line_end_date"))
_DECISIVE = ("adjustment_type", "claim_status")
"""Optional columns that decide whether a row counts at all: an unknown code must not pass."""
_AMOUNTS = ("paid_amount", "allowed_amount")


@dataclass(frozen=True)
class RowCheck:
    """A condition that no row should meet."""

    defect_id: str
    column: str
    """Column concerned; several joined by commas."""
    is_wrong: ir.BooleanValue

    @property
    def is_rejected(self) -> bool:
        """Whether rows that meet it are taken out."""
        return defects()[self.defect_id].action == "reject"


@dataclass(frozen=True)
class CheckedTable:
    """A table of a claims folder while it is being checked."""

    declared: ClaimsTable
    rows: ir.Table
    """Columns that the file has, typed; ``__as_read`` ones beside those that had to be read; ``x_`` ones."""
    checks: tuple[RowCheck, ...] = ()
    """Conditions on the rows."""

    def has(self, *names: str) -> bool:
        """Tell whether the file has all these columns."""
        return all(name in self.rows.columns for name in names)

    @property
    def present(self) -> list[ClaimsColumn]:
        """Columns of the contract that the file has."""
        return [column for column in self.declared.columns if column.name in self.rows.columns]

    @property
    def own(self) -> list[str]:
        """Names of the columns of the file, in its order of the contract."""
        return [
            *(column.name for column in self.present),
            *(name for name in self.rows.columns if name.startswith(PASSES_THROUGH)),
        ]


def checked_table(as_read: ir.Table, declared: ClaimsTable) -> CheckedTable:
    """Type the columns that a file has.

    Parameters
    ----------
    as_read
        Rows as the file holds them.
    declared
        Contract of the table.
    """
    present = [column for column in declared.columns if column.name in as_read.columns]
    doubtful = [column.name for column in present if str(as_read[column.name].type()) != column.type]
    rows = as_read.select(
        **{column.name: typed_cell(as_read, column) for column in present},
        **{f"{name}{AS_READ}": as_read[name] for name in doubtful},
        **{name: as_read[name] for name in as_read.columns if name.startswith(PASSES_THROUGH)},
    )
    dates = [rows[name] for name in SERVICE_DATES.get(declared.name, ()) if name in rows.columns]
    return CheckedTable(declared, rows.mutate(**{SERVICE_DATE: ibis.coalesce(*dates)}) if dates else rows)


def contract_checks(table: CheckedTable, counted_elsewhere: frozenset[str]) -> Iterator[RowCheck]:
    """Compile the contract of a table to conditions on its cells.

    Parameters
    ----------
    table
        The table.
    counted_elsewhere
        Columns whose distinct values are looked at apart, so that their cells need not be compared here.
    """
    first, last = (ibis.date(threshold(name)) for name in ("first_date", "last_date"))
    for column in table.present:
        cell = table.rows[column.name]
        as_read = table.rows[f"{column.name}{AS_READ}"] if table.has(f"{column.name}{AS_READ}") else cell
        is_empty = as_read.isnull() | (as_read == "") if as_read.type().is_string() else as_read.isnull()
        if column.is_required:
            yield RowCheck("missing_value", column.name, is_empty)
        if as_read is not cell:
            yield RowCheck("unreadable_value", column.name, cell.isnull() & ~is_empty)
        if column.allowed:
            is_decisive = column.is_required or column.name in _DECISIVE
            defect_id = "code_not_allowed" if is_decisive else "code_unknown"
            yield RowCheck(defect_id, column.name, cell.notin(("", *column.allowed)))
        if column.kind == "date":
            yield RowCheck("date_out_of_range", column.name, (cell < first) | (cell > last))
        if column.kind == "year_month":
            month = cell % 100
            wrong_year = (cell < _month_of("first_date")) | (cell > _month_of("last_date"))
            yield RowCheck("year_month_out_of_range", column.name, (month < 1) | (month > 12) | wrong_year)
        if cell.type().is_string() and not column.allowed and column.name not in counted_elsewhere:
            yield RowCheck("sentinel_value", column.name, cell == SENTINEL)


def _month_of(name: str) -> int:
    return int(threshold(name)[:7].replace("-", ""))


def date_checks(table: CheckedTable) -> Iterator[RowCheck]:
    """Compare the dates of a row with each other."""
    rows = table.rows
    for defect_id, pairs in (("span_reversed", _SPANS), ("claim_dates_reversed", _CLAIM_SPANS)):
        for start, end in pairs:
            if table.has(start, end):
                yield RowCheck(defect_id, f"{start}, {end}", rows[start] > rows[end])
    if table.has("admission_date", "discharge_date"):
        wrong = rows.admission_date > rows.discharge_date
        yield RowCheck("admission_after_discharge", "admission_date, discharge_date", wrong)
    if table.has("birth_date", "death_date"):
        yield RowCheck("death_before_birth", "birth_date, death_date", rows.death_date < rows.birth_date)
    if table.has("paid_date", SERVICE_DATE):
        yield RowCheck("paid_before_service", "paid_date", rows.paid_date < rows[SERVICE_DATE])
    if table.has("diagnosis_code_type", "claim_end_date"):
        modern = rows.claim_end_date >= ibis.date(threshold("icd_10_begins"))
        expected = ibis.ifelse(modern, "icd-10-cm", "icd-9-cm")
        wrong = rows.diagnosis_code_type.isin(("icd-9-cm", "icd-10-cm")) & (rows.diagnosis_code_type != expected)
        yield RowCheck("code_type_out_of_period", "diagnosis_code_type", wrong)


def amount_checks(table: CheckedTable) -> Iterator[RowCheck]:
    """Compare amounts with zero and with each other, in lines that were neither cancelled nor denied."""
    rows = table.rows
    stands = ibis.literal(True)  # noqa: FBT003
    if table.has("adjustment_type"):
        stands = rows.adjustment_type.isnull() | (rows.adjustment_type == "0")
    for name in _AMOUNTS:
        if table.has(name):
            yield RowCheck("negative_amount", name, stands & (rows[name] < 0))
    if table.has("claim_status"):
        stands = stands & (rows.claim_status.isnull() | (rows.claim_status == "final"))
    if table.has(*_AMOUNTS):
        rounding = ibis.literal(threshold("rounding")).cast("decimal(18, 2)")
        wrong = stands & (rows.paid_amount >= 0) & (rows.paid_amount > rows.allowed_amount + rounding)
        yield RowCheck("paid_above_allowed", ", ".join(_AMOUNTS), wrong)


def with_checks(table: CheckedTable, checks: Iterable[RowCheck], keep: Callable[[ir.Table], ir.Table]) -> CheckedTable:
    """Make the conditions columns of the table.

    Parameters
    ----------
    table
        The table.
    checks
        Conditions on its rows.
    keep
        Gives the table with these columns a name in the engine, so that what is built on it compiles fast.
    """
    named = {f"check__{place}": check for place, check in enumerate(checks)}
    rows = keep(table.rows.mutate(**{name: check.is_wrong for name, check in named.items()}))
    held = tuple(replace(check, is_wrong=rows[name]) for name, check in named.items())
    return CheckedTable(table.declared, rows, held)


def is_rejected(table: CheckedTable) -> ir.BooleanValue:
    """Tell whether a row meets any condition for which it is taken out; never null."""
    wrong = ibis.literal(False)  # noqa: FBT003
    for check in table.checks:
        if check.is_rejected:
            wrong = wrong | check.is_wrong.fill_null(False)  # noqa: FBT003
    return wrong


def reasons(table: CheckedTable) -> ir.StringValue:
    """Name the defects of a row, for example ``missing_value (birth_date)``; several with semicolons between them."""
    text = ibis.literal("")
    for check in table.checks:
        if check.is_rejected:
            named = f"{check.defect_id} ({check.column}); "
            text = text + ibis.ifelse(check.is_wrong.fill_null(False), named, "")  # noqa: FBT003
    return text.left(text.length() - 2)
