"""The English publications in their official layout: achievement by measure, and prevalence.

Achievement comes as one row per practice, indicator and measure (``REGISTER``, ``NUMERATOR``, ``DENOMINATOR``,
``EXCEPTIONS`` or ``PCAS``, ``ACHIEVED_POINTS``) in one file or one per region. The denominator is net of exceptions.
"""

from __future__ import annotations

from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis import _

from openvbp.checked_rows import RowCheck, accepted, check_rows, rejected_cells
from openvbp.declared_tables import DeclaredColumn, DeclaredTable, TextRows
from openvbp.engine import Engine, open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameters import Scenario
from openvbp.program import InputFile
from openvbp.programs.qof.indicator_codes import area_of_group, declared_codes
from openvbp.programs.qof.published_tables import PublishedTable, find_tables, read_table
from openvbp.programs.qof.scottish_files import MARKERS, POINTS_TYPE
from openvbp.programs.qof.scottish_practices import PublishedRows

COUNTRY = "england"
_PRACTICE = r"^[A-Z][0-9]{5}$"
_COUNTS = {"NUMERATOR": "numerator", "DENOMINATOR": "denominator", "REGISTER": "register"}
_EXCEPTIONS = ("EXCEPTIONS", "PCAS")
_POINTS = "ACHIEVED_POINTS"
_MEASURES = (*_COUNTS, *_EXCEPTIONS, _POINTS)
_COUNT = r"^[0-9]{1,9}([.]0+)?$"
_VALUE = r"^[0-9]{1,9}([.][0-9]{1,16})?$"
_TOTAL_LIST = "TOTAL"


def read_achievement(directory: Path, declared: Scenario) -> tuple[pa.Table, pa.Table, list[InputFile]]:
    """Read the achievement of a year, one row per practice and indicator.

    Returns
    -------
    The rows (provider_id, indicator_id, numerator, denominator, exceptions, register, achieved_points,
    achieved_text, is_suppressed), the rejected cells, and the files.

    Raises
    ------
    InputDataError
        If there is no file of the year, a file is broken, no row can be used, or a value stands twice and differs.
    """
    label = declared.period.label
    paths = find_tables(directory, "achievement", label)
    if not paths:
        name = f"ACHIEVEMENT_{label[2:4]}{label[5:]}.csv"
        raise InputDataError(Problem(f"no achievement file of {label}", str(directory), f"add {name} as published"))
    tables, rejected, files = [], [], []
    with open_engine() as engine:
        for path in paths:
            published = read_table(path)
            published.require(("practice_code", "indicator_code", "measure", "value"))
            rows = check_rows(engine, _achievement_text(published, declared), _achievement_checks())
            table = engine.to_arrow(accepted(rows))
            tables.append(table)
            rejected.append(engine.to_arrow(rejected_cells(rows, _achievement_table(path.name))))
            count = published.rows.num_rows
            used = InputFile(path.name, published.sha256, "achievement", count, table.num_rows, count - table.num_rows)
            files.append(used)
        together = pa.concat_tables(tables)
        wide = engine.to_arrow(_wide(engine, together).order_by("provider_id", "indicator_id"))
    return wide, pa.concat_tables(rejected), files


def _achievement_table(file_name: str) -> DeclaredTable:
    return DeclaredTable(
        file_name,
        (
            DeclaredColumn("provider_id", "text"),
            DeclaredColumn("indicator_id", "text"),
            DeclaredColumn("measure", "text", choices=_MEASURES),
            DeclaredColumn("value", "text", may_be_empty=True),
            DeclaredColumn("is_known", "yes_no"),
        ),
        key=("provider_id", "indicator_id", "measure"),
    )


def _achievement_text(published: PublishedTable, declared: Scenario) -> TextRows:
    rows = published.rows
    printed = rows["indicator_code"].combine_chunks()
    codes = declared_codes(pc.unique(printed).to_pylist(), COUNTRY, declared)
    place = pc.index_in(printed, value_set=pa.array(codes.keys(), pa.string()))
    known = pa.array(codes.values(), pa.string()).take(place)
    table = pa.table(
        {
            "row_number": rows["row_number"],
            "provider_id": pc.utf8_upper(rows["practice_code"]),
            "indicator_id": pc.coalesce(known, printed),
            "measure": pc.utf8_upper(rows["measure"]),
            "value": rows["value"],
            "is_known": pc.if_else(pc.is_valid(known), "yes", "no"),
        }
    )
    return TextRows(_achievement_table(published.path.name), published.path, published.sha256, table)


def _achievement_checks() -> list[RowCheck]:
    def is_wrong_value(rows: ir.Table) -> ir.BooleanValue:
        form = ibis.ifelse(rows.measure == _POINTS, rows.value.re_search(_VALUE), rows.value.re_search(_COUNT))
        return rows.value.notin(MARKERS) & ~form

    return [
        RowCheck("provider_id", lambda rows: ~rows.provider_id.re_search(_PRACTICE), "not an English practice code"),
        RowCheck("indicator_id", lambda rows: ~rows.is_known, "not an indicator of the year"),
        RowCheck("value", is_wrong_value, "not a number of the measure's form"),
    ]


def _wide(engine: Engine, rows: pa.Table) -> ir.Table:
    """Put the measures of a practice and indicator side by side."""
    long = engine.table(rows, "achievement_row")
    number = ibis.ifelse(long.value.isin(MARKERS), ibis.null("string"), long.value)
    long = engine.compute(long.mutate(number=number), "achievement_number")

    def only(*measures: str) -> ir.StringValue:
        return ibis.ifelse(_.measure.isin(measures), _.number, ibis.null("string")).max()

    wide = long.group_by("provider_id", "indicator_id").agg(
        **{name: only(measure) for measure, name in _COUNTS.items()},
        exceptions=only(*_EXCEPTIONS),
        achieved_text=only(_POINTS),
        is_suppressed=(_.measure.isin(list(_COUNTS)) & (_.value == "*")).any(),
    )
    counts = (*_COUNTS.values(), "exceptions")
    return engine.compute(
        wide.mutate(
            **{name: _[name].cast("decimal(18, 1)").cast("int64") for name in counts},
            achieved_points=_.achieved_text.cast(POINTS_TYPE),
        ),
        "achievement_wide",
    )


def read_registers(directory: Path, period_label: str) -> PublishedRows | None:
    """Read practice × register with the list of the register's ages; ``TOTAL`` rows also give the practice's list.

    Returns
    -------
    provider_id, area, list_type, list_size, register; ``None`` if the folder has no table of the year.

    Raises
    ------
    InputDataError
        If the file is broken or no row can be used.
    """
    paths = find_tables(directory, "prevalence", period_label)
    if not paths:
        return None
    published = read_table(paths[0])
    rows = published.rows
    # Later publications say PRACTICE_LIST_SIZE.
    size = "patient_list_size" if "patient_list_size" in rows.column_names else "practice_list_size"
    published.require(("practice_code", "group_code", "register", "patient_list_type", size))
    areas = [area_of_group(one) for one in rows["group_code"].to_pylist()]
    text = pa.table(
        {
            "row_number": rows["row_number"],
            "provider_id": pc.utf8_upper(rows["practice_code"]),
            "area": pa.array(areas, pa.string()),
            "list_type": rows["patient_list_type"],
            "list_size": rows[size],
            "register": rows["register"],
        }
    )
    declared = DeclaredTable(
        paths[0].name,
        (
            DeclaredColumn("provider_id", "text"),
            DeclaredColumn("area", "text"),
            DeclaredColumn("list_type", "text"),
            DeclaredColumn("list_size", "count", may_be_empty=True, lowest=1),
            DeclaredColumn("register", "count", may_be_empty=True, lowest=0),
        ),
        key=("provider_id", "area"),
    )
    checks = [
        RowCheck("provider_id", lambda rows: ~rows.provider_id.re_search(_PRACTICE), "not an English practice code"),
        RowCheck("register", lambda rows: rows.register > rows.list_size, "above the list"),
    ]
    with open_engine() as engine:
        checked = check_rows(engine, TextRows(declared, published.path, published.sha256, text), checks)
        table = engine.to_arrow(accepted(checked).order_by("provider_id", "area"))
        rejected = engine.to_arrow(rejected_cells(checked, declared))
    count = rows.num_rows
    file = InputFile(paths[0].name, published.sha256, "prevalence", count, table.num_rows, count - table.num_rows)
    return PublishedRows(table, rejected, file)


def list_sizes(registers: pa.Table) -> pa.Table:
    """Give each practice its list of all ages: provider_id, list_size."""
    with open_engine() as engine:
        rows = engine.table(registers, "register_row")
        total = rows.filter(_.list_type == _TOTAL_LIST).group_by("provider_id").agg(list_size=_.list_size.max())
        return engine.to_arrow(total.order_by("provider_id"))
