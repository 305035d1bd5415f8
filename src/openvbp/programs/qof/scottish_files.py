"""The Scottish publications: achievement by practice and indicator, as printed, with the markers of missing cells.

A marker is kept beside the number it stands for: ``*`` is a count of 1 to 4 that is suppressed, ``x`` and an empty cell
say that the indicator has no such count, and ``-`` (from 2013/14) stands both for that and for zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from openvbp.checked_rows import RowCheck, accepted, check_rows, rejected_cells
from openvbp.declared_tables import DeclaredColumn, DeclaredTable, TextRows
from openvbp.engine import open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameters import Scenario
from openvbp.program import InputFile
from openvbp.programs.qof.indicator_codes import declared_codes
from openvbp.programs.qof.published_tables import PublishedTable, find_table, read_table

COUNTRY = "scotland"
SUPPRESSED = "*"
MARKERS = ("x", "*", "-", "", "-9999")
"""How the files write that there is no number; ``-9999`` stands in one register column."""

POINTS_TYPE = "decimal(20, 16)"
"""Up to three digits before and sixteen after the point: as many as are printed."""

_POINTS = r"^[0-9]{1,3}([.][0-9]{1,16})?$"
_PRACTICE = r"^[0-9]{5}$"
_PUBLISHED = {
    # column as published: name in the tidy table
    "num": "numerator",
    "denom": "denominator",
    "register": "register",
    "points_available": "available_points",
    "points_achieved": "achieved_points",
}
_COUNTS = ("numerator", "denominator", "register")
_POINTS_COLUMNS = ("available_points", "achieved_points")
_FIRST_ROW = 2
_MOST_UNKNOWN = 0.1
"""Share of unknown indicators beyond which the file is of another year."""


@dataclass(frozen=True)
class PublishedIndicators:
    """Achievement of one year by practice and indicator."""

    table: pa.Table
    """provider_id, contract, area, indicator_id (as declared), published_code, numerator, denominator, register,
    available_points, achieved_points, a ``.._marker`` beside each number, null where a number is printed, and the
    points once more as printed (``available_text``, ``achieved_text``), because their decimals differ."""
    rejected: pa.Table
    file: InputFile


def read_indicators(directory: Path, declared: Scenario) -> PublishedIndicators:
    """Read the achievement of a year, one row per practice and indicator.

    Parameters
    ----------
    directory
        Folder with ``indicator_2011_12.parquet`` or ``.csv`` of the year, or that file.
    declared
        The parameters of the period: they say which indicators there are.

    Raises
    ------
    InputDataError
        If there is no file of the year or it is stored twice, it is broken or of another year, no row can be used, or a
        practice has two different rows for one indicator.
    """
    label = declared.period.label
    path = find_table(directory, "indicator", label) if directory.is_dir() else directory
    if path is None:
        name = f"indicator_{label.replace('/', '_')}.parquet"
        raise InputDataError(
            Problem(f"no achievement file of {label}", str(directory), f"add {name} or the same as .csv")
        )
    published = read_table(path)
    published.require(("practice", "contract", "area", "indicator", *_PUBLISHED))
    codes = _codes(published, declared)
    columns = _columns(published, codes)
    # Only what can be wrong goes through the checks; the rest is taken along by the row's number.
    checked = ("row_number", "provider_id", "indicator_id", *_PUBLISHED.values())
    text = TextRows(_declared_table(path.name), path, published.sha256, columns.select(checked))
    with open_engine() as engine:
        rows = check_rows(engine, text, _checks(set(codes.values())))
        kept = engine.to_arrow(_numbers(rows).order_by("provider_id", "indicator_id"))
        rejected = engine.to_arrow(rejected_cells(rows, text.declared))
    count = text.rows.num_rows
    file = InputFile(path.name, published.sha256, "achievement", count, kept.num_rows, count - kept.num_rows)
    return PublishedIndicators(_tidy(kept, columns), rejected, file)


def _codes(published: PublishedTable, declared: Scenario) -> dict[str, str]:
    printed = pc.unique(published.rows["indicator"]).to_pylist()
    codes = declared_codes(printed, COUNTRY, declared)
    unknown = sorted(set(printed) - codes.keys())
    if len(unknown) > len(printed) * _MOST_UNKNOWN:
        raise InputDataError(
            Problem(
                f"indicators that {declared.period.label} does not have",
                str(published.path),
                "give the file of the period, or the period of the file",
                len(unknown),
                tuple(unknown[:3]),
            )
        )
    return codes


def _columns(published: PublishedTable, codes: dict[str, str]) -> pa.Table:
    """Part numbers from markers; a code that is not known stands for itself until its row is rejected."""
    rows = published.rows
    printed = rows["indicator"].combine_chunks()
    values = pa.array(codes.keys(), pa.string()), pa.array(codes.values(), pa.string())
    known = values[1].take(pc.index_in(printed, value_set=values[0]))
    columns = {
        "row_number": rows["row_number"],
        "provider_id": rows["practice"],
        "contract": rows["contract"],
        "area": rows["area"],
        "indicator_id": pc.coalesce(known, printed),
        "published_code": printed,
    }
    for name, cells in _with_points_in_place(rows).items():
        is_marker = pc.is_in(cells, value_set=pa.array(MARKERS))
        columns[name] = pc.if_else(is_marker, "", cells)
        columns[f"{name}_marker"] = pc.if_else(is_marker, cells, None)
    return pa.table(columns)


def _with_points_in_place(rows: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Move points that stand in the columns of the counts, as those of PE001 do in 2013/14: available, achieved."""
    cells = {name: rows[column] for column, name in _PUBLISHED.items()}
    has_no_points = pc.and_(pc.equal(cells["available_points"], ""), pc.equal(cells["achieved_points"], ""))
    is_moved = pc.and_(has_no_points, pc.equal(rows["area"], "patientexperience"))
    moved = {"available_points": "numerator", "achieved_points": "denominator"}
    return (
        cells
        | {points: pc.if_else(is_moved, cells[count], cells[points]) for points, count in moved.items()}
        | {count: pc.if_else(is_moved, "", cells[count]) for count in moved.values()}
    )


def _declared_table(file_name: str) -> DeclaredTable:
    cells = [
        DeclaredColumn(
            name, "count" if name in _COUNTS else "text", may_be_empty=True, lowest=0 if name in _COUNTS else None
        )
        for name in _PUBLISHED.values()
    ]
    return DeclaredTable(
        file_name,
        (DeclaredColumn("provider_id", "text"), DeclaredColumn("indicator_id", "text"), *cells),
        key=("provider_id", "indicator_id"),
    )


def _checks(known: set[str]) -> list[RowCheck]:
    def is_no_points(column: str) -> RowCheck:
        return RowCheck(
            column,
            lambda rows: (rows[column] != "") & ~rows[column].re_search(_POINTS),
            "not points of at most sixteen decimals",
        )

    return [
        RowCheck(
            "provider_id", lambda rows: ~rows.provider_id.re_search(_PRACTICE), "not a practice code of five digits"
        ),
        RowCheck("indicator_id", lambda rows: rows.indicator_id.notin(sorted(known)), "not an indicator of the year"),
        *(is_no_points(column) for column in _POINTS_COLUMNS),
        RowCheck("numerator", lambda rows: rows.numerator > rows.denominator, "above the denominator"),
        RowCheck(
            "achieved_points",
            lambda rows: _points(rows.achieved_points) > _points(rows.available_points),
            "above the points available",
        ),
    ]


def _points(text: ir.StringValue) -> ir.DecimalValue:
    return ibis.ifelse(text.re_search(_POINTS), text, ibis.null("string")).cast(POINTS_TYPE)


def _numbers(rows: ir.Table) -> ir.Table:
    points = {name: _points(rows[name]) for name in _POINTS_COLUMNS}
    return accepted(rows.mutate(place=rows.row_number, **points))


def _tidy(kept: pa.Table, columns: pa.Table) -> pa.Table:
    """Take along what was not checked."""
    along = columns.take(pc.subtract(kept["place"], _FIRST_ROW))
    others = [name for name in columns.column_names if name not in (*kept.column_names, "row_number")]
    texts = {f"{name.removesuffix('_points')}_text": along[name] for name in _POINTS_COLUMNS}
    table = pa.table({name: kept[name] for name in kept.column_names if name != "place"})
    for name, column in {**{name: along[name] for name in others}, **texts}.items():
        table = table.append_column(name, column)
    return table
