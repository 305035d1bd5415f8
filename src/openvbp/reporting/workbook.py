"""A run as an Excel workbook: what it is, its tables, and payments as live formulas."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import xlsxwriter

from openvbp.results import Column, results_model
from openvbp.run_folder import RunFolder

MAXIMUM_ROWS = 100_000
"""A longer table is left out and named on the first sheet: a workbook of it would be too slow to open."""

_LEAST_AMOUNT = Decimal("0.000001")

_WIDTHS = {"text": 28, "date": 12, "integer": 12, "flag": 10}


def write_workbook(run: RunFolder, tables: dict[str, pa.Table], path: Path) -> dict[str, int]:
    """Write a sheet per table, units under the column names, and a first sheet that says what the file is.

    In ``payment_result`` every amount is a formula of its base amount and rate, so that a payment can be traced cell by
    cell.

    Returns
    -------
    Rows written, by table.
    """
    fitting = {name: rows for name, rows in tables.items() if rows.num_rows <= MAXIMUM_ROWS}
    with xlsxwriter.Workbook(path, {"constant_memory": True, "default_date_format": "yyyy-mm-dd"}) as workbook:
        formats = {
            "header": workbook.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"}),
            "unit": workbook.add_format({"italic": True, "font_color": "#595959"}),
            "title": workbook.add_format({"bold": True, "font_size": 14}),
            "usd": workbook.add_format({"num_format": "#,##0.00"}),
            "plain": workbook.add_format({"num_format": "General"}),
        }
        # The same run gives the same bytes, whenever its workbook is written.
        workbook.set_properties({"created": datetime.fromisoformat(run.record["finished_at"])})
        _first_sheet(workbook, formats, run, tables, fitting)
        for name, rows in fitting.items():
            _sheet(workbook, formats, name, rows)
    return {name: rows.num_rows for name, rows in fitting.items()}


def _first_sheet(
    workbook: Any, formats: dict[str, Any], run: RunFolder, tables: dict[str, pa.Table], fitting: dict[str, pa.Table]
) -> None:
    """Say what the workbook holds, what it was computed from and how to repeat it."""
    record = run.record
    sheet = workbook.add_worksheet("README")
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 1, 110)
    lines: list[tuple[str, str]] = [
        ("Program", f"{record['title']} ({record['program']})"),
        ("Period", f"{record['period']}: {record['period_start']} to {record['period_end']}"),
        ("Law", "; ".join(record["authority"].values())),
        ("Run finished", record["finished_at"]),
        ("Scenarios", ", ".join(record["scenarios"])),
        ("Parameters, SHA-256", record["parameters_sha256"]),
        ("Engine", record["engine"]),
        ("Versions", ", ".join(f"{name} {number}" for name, number in record["versions"].items())),
        *(
            (f"Input {file['name']}", f"{file['rows']:,} rows, SHA-256 {file['sha256']}")
            for file in record["input_files"]
        ),
        *((f"Check {check['name']}", f"{check['count']:,}: {check['meaning']}") for check in record["checks"]),
        *(
            (f"Sheet {name}", f"{rows.num_rows:,} rows; one row per {results_model()[name].grain}")
            for name, rows in fitting.items()
        ),
        *(
            (f"Left out: {name}", f"{rows.num_rows:,} rows; export one provider to have them")
            for name, rows in tables.items()
            if name not in fitting
        ),
        (
            "Statuses",
            "A score that could not be given is empty, never zero; the columns status and status_reason say why.",
        ),
        (
            "Formulas",
            "In payment_result an amount that is base_amount × rate is a live formula: change either to try.",
        ),
    ]
    sheet.write_string(0, 0, run.title, formats["title"])
    for row, (what, text) in enumerate(lines, 2):
        sheet.write_string(row, 0, what)
        sheet.write_string(row, 1, text)


def _sheet(workbook: Any, formats: dict[str, Any], name: str, rows: pa.Table) -> None:
    sheet = workbook.add_worksheet(name)
    columns = results_model()[name].columns
    for index, column in enumerate(columns):
        sheet.set_column(index, index, _WIDTHS.get(column.type, 16))
    for index, column in enumerate(columns):
        sheet.write_string(0, index, column.name, formats["header"])
    for index, column in enumerate(columns):
        sheet.write_string(1, index, column.unit, formats["unit"])
    sheet.freeze_panes(2, 0)
    sheet.autofilter(1, 0, rows.num_rows + 1, len(columns) - 1)
    for number, row in enumerate(rows.to_pylist(), 2):
        for index, column in enumerate(columns):
            _cell(sheet, formats, (number, index), column, row)


def _cell(sheet: Any, formats: dict[str, Any], place: tuple[int, int], column: Column, row: dict[str, Any]) -> None:
    value = row[column.name]
    if value is None:
        return
    number_format = formats["usd" if column.unit in ("usd", "gbp", "eur", "currency") else "plain"]
    if column.name == "amount" and _is_product(row):
        base, rate = (_reference(row, name, place[0]) for name in ("base_amount", "rate"))
        sheet.write_formula(*place, f"={base}*{rate}", number_format, float(value))
    elif isinstance(value, bool):
        sheet.write_boolean(*place, value)
    elif isinstance(value, int | Decimal):
        sheet.write_number(*place, float(value), number_format)
    elif column.type == "date":
        sheet.write_datetime(*place, value)
    else:
        sheet.write_string(*place, str(value))


def _is_product(row: dict[str, Any]) -> bool:
    """Whether an amount is what its base and rate give: a cap or rounding makes another of it."""
    base, rate = row.get("base_amount"), row.get("rate")
    return base is not None and rate is not None and abs(base * rate - row["amount"]) < _LEAST_AMOUNT


def _reference(row: dict[str, Any], name: str, number: int) -> str:
    return xlsxwriter.utility.xl_rowcol_to_cell(number, list(row).index(name))
