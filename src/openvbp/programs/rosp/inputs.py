"""Read the user's files; what indicators.csv gives becomes parameters, so that scenarios can change it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from openvbp.declared_inputs import DeclaredInputs, empty_table
from openvbp.engine import open_engine
from openvbp.parameters import CitedValue, Scenario
from openvbp.program import Check, ProgramInputs
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
_PLACE = ("provider_id", "indicator_id")


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
        reader = DeclaredInputs(engine, directory)
        in_force = _completed(declared, reader.read(INDICATORS, indicator_checks(declared)))
        blocks = in_force.keyed("indicator_block")
        organisation = [name for name, block in blocks.items() if block == ORGANISATION]
        physicians = reader.read(PHYSICIANS, physician_checks())
        results = reader.read(RESULTS, result_checks([name for name in blocks if name not in organisation]))
        met = empty_table(ORGANISATION_RESULTS)
        if organisation:
            met = reader.read(ORGANISATION_RESULTS, organisation_checks(organisation))
        content = RospInputs(physicians, results, met, _rejected_results(reader), reader.rejected())
        return ProgramInputs(reader.files(), in_force, content, _point_checks(in_force))


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


def _rejected_results(reader: DeclaredInputs) -> pa.Table:
    """Physician × indicator of rejected rows: their points would be missing from the sum."""
    parts = [reader.rejected_places(table, _PLACE) for table in (RESULTS, ORGANISATION_RESULTS)]
    places = pa.concat_tables(parts).group_by(list(_PLACE)).aggregate([])
    named = places.rename_columns(["provider_id", "measure_id"])
    return named.sort_by([("provider_id", "ascending"), ("measure_id", "ascending")])
