"""Tables of the user: awards set by hand, thresholds, target populations, last payments; each may be absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from openvbp.checked_rows import RowCheck, accepted, check_rows, rejected_cells
from openvbp.declared_tables import DeclaredColumn, DeclaredTable, read_rows
from openvbp.engine import open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameters import CitedValue, Scenario
from openvbp.program import InputFile
from openvbp.programs.qof.indicator_codes import CODE_FORM, area_of_code, declared_codes, framework
from openvbp.programs.qof.scottish_practices import PublishedRows

LEDGER = DeclaredTable(
    "override_ledger.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("indicator_id", "text"),
        DeclaredColumn("points", "score", lowest=0),
        DeclaredColumn("who", "text"),
        DeclaredColumn("why", "text"),
    ),
    key=("provider_id", "indicator_id"),
)
_COLUMNS = ("lower_threshold", "upper_threshold", "scoring", "area")
SCORINGS = ("linear", "threshold", "all_or_nothing", "as_published")
INDICATORS = DeclaredTable(
    "indicators.csv",
    (
        DeclaredColumn("indicator_id", "text"),
        DeclaredColumn("points", "ratio", may_be_empty=True, lowest=0),
        DeclaredColumn("lower_threshold", "ratio", may_be_empty=True, lowest=0),
        DeclaredColumn("upper_threshold", "ratio", may_be_empty=True, lowest=0),
        DeclaredColumn("scoring", "text", is_optional=True, may_be_empty=True),
        DeclaredColumn("area", "text", is_optional=True, may_be_empty=True),
    ),
    key=("indicator_id",),
)
TARGET_POPULATIONS = DeclaredTable(
    "target_population_factors.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("area", "text"),
        DeclaredColumn("target_population_factor", "factor", lowest=0),
    ),
    key=("provider_id", "area"),
)
ASPIRATION = DeclaredTable(
    "aspiration.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("previous_achievement_payment", "amount", lowest=0),
    ),
    key=("provider_id",),
)


def read_own(directory: Path, declared: DeclaredTable, checks: Sequence[RowCheck] = ()) -> PublishedRows | None:
    """Read one of the user's tables; ``None`` if the folder does not have it.

    Raises
    ------
    InputDataError
        If the file is broken, no row can be used, or rows contradict each other.
    """
    if not (directory / declared.file_name).is_file():
        return None
    text = read_rows(directory, declared)
    with open_engine() as engine:
        rows = check_rows(engine, text, checks)
        table = engine.to_arrow(accepted(rows).order_by(declared.key))
        rejected = engine.to_arrow(rejected_cells(rows, declared))
    count = text.rows.num_rows
    used_for = declared.file_name.removesuffix(".csv").replace("_", " ")
    file = InputFile(declared.file_name, text.sha256, used_for, count, table.num_rows, count - table.num_rows)
    return PublishedRows(table, rejected, file)


def read_ledger(directory: Path, country: str, declared: Scenario) -> PublishedRows | None:
    """Read ``override_ledger.csv``: provider_id, indicator_id (as declared), points, who, why."""

    def is_unknown(rows: ir.Table) -> ir.BooleanValue:
        return ~rows.indicator_id.upper().re_search(CODE_FORM)

    found = read_own(directory, LEDGER, [RowCheck("indicator_id", is_unknown, "not an indicator code")])
    if found is None:
        return None
    printed = found.table["indicator_id"].to_pylist()
    codes = declared_codes(printed, country, declared)
    rows = found.table.to_pylist()
    _demand_possible(rows, codes, declared.keyed(f"{framework(country, declared)}_points"), directory, declared)
    kept = [row | {"indicator_id": codes[row["indicator_id"]]} for row in rows]
    return replace(found, table=pa.Table.from_pylist(kept, schema=found.table.schema))


def _demand_possible(
    rows: Sequence[Mapping[str, Any]],
    codes: Mapping[str, str],
    most: Mapping[str, Any],
    directory: Path,
    declared: Scenario,
) -> None:
    unknown = sorted({row["indicator_id"] for row in rows} - codes.keys())
    above = [
        f"{row['provider_id']} {row['indicator_id']}"
        for row in rows
        if row["indicator_id"] in codes and row["points"] > most[codes[row["indicator_id"]]]
    ]
    not_of_the_year = f"indicators that {declared.period.label} does not have"
    listed = f"correct the codes; 'openvbp programs qof --period {declared.period.label}' lists those of the year"
    kinds = (
        (not_of_the_year, listed, unknown),
        ("awards are above the points of the indicator", "correct the points", above),
    )
    where = str(directory / LEDGER.file_name)
    problems = [Problem(what, where, do, len(which), tuple(which[:3])) for what, do, which in kinds if which]
    if problems:
        raise InputDataError(problems)


def with_own_indicators(directory: Path, country: str, declared: Scenario) -> tuple[Scenario, PublishedRows | None]:
    """Complete the declared indicators by ``indicators.csv``: points, thresholds as shares, scoring and area.

    A cell that is empty leaves what is declared. An indicator that the year does not have is added, paid linearly if it
    has thresholds and as published if not.
    """
    checks = [
        RowCheck("indicator_id", lambda rows: ~rows.indicator_id.upper().re_search(CODE_FORM), "not an indicator code"),
        RowCheck("scoring", lambda rows: rows.scoring.notin(["", *SCORINGS]), "not one of " + ", ".join(SCORINGS)),
        RowCheck("upper_threshold", lambda rows: rows.upper_threshold > 1, "above one: write 0.9 for 90 percent"),
        RowCheck("lower_threshold", lambda rows: rows.lower_threshold > rows.upper_threshold, "above the upper"),
    ]
    found = read_own(directory, INDICATORS, checks)
    if found is None:
        return declared, None
    given = found.table.to_pylist()
    codes = declared_codes([row["indicator_id"] for row in given], country, declared)
    name = framework(country, declared)
    values: dict[str, dict[str, CitedValue]] = {column: {} for column in ("points", *_COLUMNS)}
    for row in given:
        printed = row["indicator_id"]
        code = codes.get(printed, printed.upper())
        for column, value in _with_defaults(row, is_new=printed not in codes).items():
            if value is not None:
                values[column][code] = CitedValue(value, f"{INDICATORS.file_name}, column '{column}'", None)
    parameters = dict(declared.parameters)
    for column, new in values.items():
        parameter = parameters[f"{name}_{column}"]
        parameters[parameter.name] = replace(parameter, values={**parameter.values, **new})
    return replace(declared, parameters=parameters), found


def _with_defaults(row: Mapping[str, Any], *, is_new: bool) -> dict[str, Any]:
    values: dict[str, Any] = {column: row[column] if row[column] != "" else None for column in ("points", *_COLUMNS)}
    if is_new:
        has_thresholds = row["upper_threshold"] is not None
        values["scoring"] = values["scoring"] or ("linear" if has_thresholds else "as_published")
        values["area"] = values["area"] or area_of_code(row["indicator_id"])
    return values
