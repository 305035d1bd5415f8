"""Parameters as table rows whose exact types must be able to hold them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from openvbp.errors import Problem, UsageError

_KEYS = ("measure_id", "domain_id")


def parameter_table(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Make a table of parameters, one row per scenario and possibly measure or domain.

    Parameters
    ----------
    rows
        Values by column; numbers are ``Decimal``, in columns of whole numbers too.
    schema
        Columns with the types in which the rules calculate; ``scenario_id`` is one of them.

    Raises
    ------
    UsageError
        If a number does not fit its column: a scenario may set a parameter to any number of its unit, but a rule
        calculates with so many digits only. All such numbers are reported together.
    """
    problems = []
    for field in schema:
        unfit = [row for row in rows if isinstance(row[field.name], Decimal) and not _fits(row[field.name], field.type)]
        if unfit:
            problems.append(
                Problem(
                    f"{field.name} must be {_description(field.type)}",
                    "scenario " + ", ".join(sorted({row["scenario_id"] for row in unfit})),
                    "change the value in --set, in the file of scenarios or in the published file",
                    len(unfit),
                    tuple(f"{_path(field.name, row)}={row[field.name]}" for row in unfit[:3]),
                )
            )
    if problems:
        raise UsageError(problems)
    whole = [field.name for field in schema if pa.types.is_integer(field.type)]
    return pa.Table.from_pylist([row | {name: _whole(row[name]) for name in whole} for row in rows], schema=schema)


def with_parameters(rows: ir.Table, parameters: ir.Table, *keys: str) -> ir.Table:
    """Join rows of inputs with the parameters of every scenario; draws, which are of one scenario each, keep to it.

    Parameters
    ----------
    keys
        Columns by which the parameters differ, such as ``measure_id``; none where they do not.
    """
    joined = [*(["scenario_id"] if "scenario_id" in rows.columns else []), *keys]
    return rows.inner_join(parameters, joined) if joined else rows.cross_join(parameters)


def _whole(value: Decimal | int | None) -> int | None:
    return None if value is None else int(value)


def _fits(value: Decimal, kind: pa.DataType) -> bool:
    digits, decimals = (kind.precision, kind.scale) if pa.types.is_decimal(kind) else (18, 0)
    # Compared as whole numbers of the last place: Decimal's own remainder fails for very large numbers.
    numerator, denominator = value.as_integer_ratio()
    units, remainder = divmod(abs(numerator) * 10**decimals, denominator)
    return not remainder and units < 10**digits


def _description(kind: pa.DataType) -> str:
    if not pa.types.is_decimal(kind):
        return "a whole number"
    return f"below {10 ** (kind.precision - kind.scale):,} and have at most {kind.scale} decimals"


def _path(name: str, row: dict[str, Any]) -> str:
    key = next((row[key] for key in _KEYS if row.get(key)), None)
    return f"{name}.{key}" if key else name
