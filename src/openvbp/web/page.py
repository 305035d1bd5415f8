"""A page and its twins: the same content as HTML, JSON, CSV and workbook, under one address."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import xlsxwriter

from openvbp.errors import Problem, UsageError
from openvbp.results import results_model
from openvbp.web.words import plain

KINDS: Mapping[str, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""Twins of a page by the ending of their address."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class NotFoundError(UsageError):
    """What is asked for is not served."""


class ForbiddenError(UsageError):
    """What is asked for may not be shown to whoever asks."""


@dataclass(frozen=True)
class Rows:
    """A table of a page, for its twins."""

    name: str
    rows: Sequence[Mapping[str, Any]]
    units: Mapping[str, str] = field(default_factory=dict)
    """Unit by column; those of the results model are known."""

    @functools.cached_property
    def columns(self) -> list[str]:
        """Names of the columns, in the order in which they come."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def unit(self, column: str) -> str:
        """Unit of a column, empty where it has none."""
        return self.units.get(column) or _model_units().get(column, "")


@functools.cache
def _model_units() -> dict[str, str]:
    return {column.name: column.unit for table in results_model().values() for column in table.columns}


@dataclass(frozen=True)
class Page:
    """What a page shows."""

    template: str
    title: str
    about: Mapping[str, Any]
    """What it is of: program, period, digest of the run and the like."""
    tables: Sequence[Rows]
    """What the twins carry; the first is that of the CSV file."""
    content: Mapping[str, Any] = field(default_factory=dict)
    """What only the template needs."""
    part: str = ""
    """Block of the template that is sent when a part of the page asks for it."""
    address: str = ""
    """The address under which the same is found again, where it was asked for by a form."""


def as_json(page: Page) -> dict[str, Any]:
    """Give a page as JSON; numbers that must be exact are text."""
    return {
        "title": page.title,
        "about": plain(dict(page.about)),
        "tables": {one.name: [plain(dict(row)) for row in one.rows] for one in page.tables},
    }


def as_csv(page: Page, name: str = "") -> str:
    """Write one table of a page.

    Text that a spreadsheet would take for a formula begins with an apostrophe.

    Raises
    ------
    NotFoundError
        If the page has no table of the name.
    """
    known = {one.name: one for one in page.tables}
    if name and name not in known:
        raise NotFoundError(Problem(f"the page has no table '{name}'", "table=", "choose one of: " + ", ".join(known)))
    table = known[name] if name else page.tables[0]
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.rows:
        writer.writerow([_csv_cell(row.get(column)) for column in table.columns])
    return target.getvalue()


def _csv_cell(value: Any) -> Any:
    found = plain(value)
    if found is None:
        return ""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return found


def as_workbook(page: Page) -> bytes:
    """Write a workbook: what it is on the first sheet, then a sheet per table with units under the column names."""
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True, "default_date_format": "yyyy-mm-dd"}) as workbook:
        bold = workbook.add_format({"bold": True, "bottom": 1})
        quiet = workbook.add_format({"italic": True, "font_color": "#595959"})
        first = workbook.add_worksheet("README")
        first.set_column(0, 0, 26)
        first.set_column(1, 1, 100)
        first.write_string(0, 0, page.title, workbook.add_format({"bold": True, "font_size": 14}))
        lines = [(key, str(plain(value))) for key, value in page.about.items()]
        lines += [(f"Sheet {one.name}", f"{len(one.rows):,} rows") for one in page.tables]
        lines.append(("Empty cells", "A value that could not be given is empty, never zero."))
        for number, (key, text) in enumerate(lines, 2):
            first.write_string(number, 0, key)
            first.write_string(number, 1, text)
        for table in page.tables:
            _sheet(workbook, table, bold, quiet)
    return target.getvalue()


def _sheet(workbook: Any, table: Rows, bold: Any, quiet: Any) -> None:
    sheet = workbook.add_worksheet(table.name[:31])
    for index, column in enumerate(table.columns):
        sheet.set_column(index, index, 18)
        sheet.write_string(0, index, column, bold)
        sheet.write_string(1, index, table.unit(column), quiet)
    sheet.freeze_panes(2, 0)
    for number, row in enumerate(table.rows, 2):
        for index, column in enumerate(table.columns):
            _cell(sheet, number, index, row.get(column))


def _cell(sheet: Any, number: int, index: int, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(number, index, value)
    elif isinstance(value, int | float | Decimal):
        sheet.write_number(number, index, float(value))
    elif isinstance(value, date):
        sheet.write_datetime(number, index, value)
    else:
        sheet.write_string(number, index, str(plain(value)))
