"""Read the user's files; what indicators.csv gives becomes parameters, so that scenarios can change it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.checked_rows import IS_COPY, RowCheck, accepted, check_rows, rejected_cells
from openvbp.declared_tables import DeclaredTable, TextRows, read_rows
from openvbp.engine import Engine, open_engine
from openvbp.parameters import CitedValue, Scenario
from openvbp.program import Check, InputFile, ProgramInputs
from openvbp.programs.rosp.input_files import (
    INDICATORS,
    ORGANISATION,
    ORGANISATION_RESULTS,
    PHYSICIANS,
    RESULTS,
    indicator_checks,
    organisation_checks,
    physician_checks,
    result_checks,
)

_PARAMETERS = {
    "block": "indicator_block",
    "points": "indicator_points",
    "minimum_patients": "minimum_patients",
    "intermediate_objective": "intermediate_objective",
    "target_objective": "target_objective",
    "is_lower_better": "is_lower_better",
}
"""Column of indicators.csv to the parameter that it gives."""
_ORGANISATION_ROWS = pa.schema([("provider_id", pa.string()), ("indicator_id", pa.string()), ("is_met", pa.bool_())])


@dataclass(frozen=True)
class RospInputs:
    """Accepted rows by table, and what was rejected."""

    physicians: pa.Table
    results: pa.Table
    organisation: pa.Table
    """Organisation results; empty where the year has no organisation indicators."""
    rejected_results: pa.Table
    """Physician × indicator of rejected rows."""
    rejected: pa.Table


def read(directory: Path, declared: Scenario) -> ProgramInputs:
    """Read indicators first, then physicians and results of those indicators.

    Raises
    ------
    InputDataError
        If a file is missing or broken, no row can be used, or rows contradict each other.
    """
    with open_engine() as engine:
        texts: dict[DeclaredTable, TextRows] = {}
        rows: dict[DeclaredTable, ir.Table] = {}

        def check(table: DeclaredTable, checks: list[RowCheck]) -> None:
            texts[table] = read_rows(directory, table)
            rows[table] = check_rows(engine, texts[table], checks)

        check(INDICATORS, indicator_checks(declared))
        in_force = _completed(declared, engine.to_arrow(accepted(rows[INDICATORS])))
        blocks = in_force.keyed("indicator_block")
        organisation = [name for name, block in blocks.items() if block == ORGANISATION]
        check(PHYSICIANS, physician_checks())
        check(RESULTS, result_checks([name for name in blocks if name not in organisation]))
        if organisation:
            check(ORGANISATION_RESULTS, organisation_checks(organisation))
        kept = {table: engine.to_arrow(accepted(rows[table]).order_by(table.key)) for table in rows}
        rejected = pa.concat_tables(engine.to_arrow(rejected_cells(rows[table], table)) for table in rows)
        broken = _rejected_results(engine, [rows[table] for table in (RESULTS, ORGANISATION_RESULTS) if table in rows])
    content = RospInputs(
        kept[PHYSICIANS],
        kept[RESULTS],
        kept.get(ORGANISATION_RESULTS, _ORGANISATION_ROWS.empty_table()),
        broken,
        rejected,
    )
    return ProgramInputs(_files(texts, kept), in_force, content, _point_checks(in_force))


def _completed(declared: Scenario, indicators: pa.Table) -> Scenario:
    """Add the indicators of the file to those that are built in; the file wins."""
    parameters = dict(declared.parameters)
    for column, name in _PARAMETERS.items():
        values = dict(parameters[name].values)
        for row in indicators.to_pylist():
            cite = f"{INDICATORS.file_name}, column '{column}'"
            values[row["indicator_id"]] = CitedValue(_value(row[column]), cite, None)
        parameters[name] = replace(parameters[name], values=values)
    return replace(declared, parameters=parameters)


def _value(cell: Any) -> Any:
    return Decimal(cell) if isinstance(cell, int) and not isinstance(cell, bool) else cell


def _point_checks(in_force: Scenario) -> list[Check]:
    """Note blocks whose points are not those of the convention: other specialties and years have others."""
    points: dict[str, Decimal] = {}
    for name, block in in_force.keyed("indicator_block").items():
        points[block] = points.get(block, Decimal(0)) + in_force.value("indicator_points", name)
    most = in_force.keyed("block_maximum_points")
    above = [
        f"{block}: {points[block].normalize():f} of {most[block]:f}"
        for block in sorted(points)
        if points[block] > most.get(block, points[block])
    ]
    meaning = "the points of the block's indicators are more than the convention gives treating doctors of adults"
    return (
        [Check("blocks_with_more_points_than_the_convention", len(above), meaning, tuple(above[:3]))] if above else []
    )


def _rejected_results(engine: Engine, tables: list[ir.Table]) -> pa.Table:
    """Physician × indicator of rejected rows: their points would be missing from the sum."""
    parts = []
    for rows in tables:
        broken = rows.filter(_.problem.notnull() & (_.problem != IS_COPY))
        named = broken.filter(_.provider_id.notnull() & _.indicator_id.notnull())
        parts.append(engine.to_arrow(named.select("provider_id", measure_id=_.indicator_id).distinct()))
    return (
        pa.concat_tables(parts)
        .group_by(["provider_id", "measure_id"])
        .aggregate([])
        .sort_by([("provider_id", "ascending"), ("measure_id", "ascending")])
    )


def _files(texts: dict[DeclaredTable, TextRows], kept: dict[DeclaredTable, pa.Table]) -> list[InputFile]:
    return [
        InputFile(
            table.file_name,
            text.sha256,
            table.file_name.removesuffix(".csv"),
            text.rows.num_rows,
            kept[table].num_rows,
            text.rows.num_rows - kept[table].num_rows,
        )
        for table, text in texts.items()
    ]
