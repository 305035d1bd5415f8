"""The results model: the tables every program writes, checked whenever they are written.

The columns, their units and meanings stand in ``results_model.yaml``.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass
from importlib.resources import files

import ibis
import ibis.expr.types as ir
import yaml

from openvbp.engine import Engine
from openvbp.errors import InternalError, Problem

STATUSES = ("scored", "too_few_cases", "not_reported", "excluded", "suppressed", "not_determinable", "unverified")
WHOLE_COMPONENTS = ("net", "total", "balance")
"""Payment components that sum up others of their program."""
_TYPES = {"text": "string", "date": "date", "integer": "int64", "flag": "boolean"}


@dataclass(frozen=True)
class Column:
    """One column of the results model."""

    name: str
    type: str
    unit: str
    description: str
    nullable: bool = False

    @property
    def ibis_type(self) -> str:
        """The column's type as Ibis writes it."""
        return _TYPES.get(self.type, self.type)


@dataclass(frozen=True)
class ResultTable:
    """One table of the results model."""

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    is_optional: str = ""
    """Of a table that not every run writes: which do."""


@functools.cache
def results_model() -> dict[str, ResultTable]:
    """Read the results model."""
    document = yaml.safe_load(files("openvbp").joinpath("results_model.yaml").read_text(encoding="utf-8"))
    tables = {}
    for name, table in document["tables"].items():
        columns = [
            Column(name=column, **(document["common"][column] if entry == "common" else entry))
            for column, entry in table["columns"].items()
        ]
        optional = table.get("is_optional", "")
        tables[name] = ResultTable(name, table["grain"], tuple(table["key"]), tuple(columns), optional)
    return tables


def main_component(known: Collection[str]) -> str:
    """Choose the payment component that is all money of a period: net, or total, else the first by name.

    A balance is no such one: only those have it who were paid in advance.

    Examples
    --------
    >>> main_component(["incentive", "net", "withhold"])
    'net'
    """
    return next((one for one in ("net", "total") if one in known), min(known, default=""))


def conform(expression: ir.Table, table_name: str) -> ir.Table:
    """Put the columns of a result in the model's order and types.

    Raises
    ------
    InternalError
        If a column is missing or unknown.
    """
    model = results_model()[table_name]
    expected = [column.name for column in model.columns]
    if set(expression.columns) != set(expected):
        raise InternalError(
            Problem(
                f"columns differ from the results model: missing {sorted(set(expected) - set(expression.columns))}, "
                f"unknown {sorted(set(expression.columns) - set(expected))}",
                table_name,
                "report this with the command you ran",
            )
        )
    return expression.select(
        **{column.name: expression[column.name].cast(column.ibis_type) for column in model.columns}
    )


def check(engine: Engine, rows: ir.Table, table_name: str) -> int:
    """Check a computed result against the model and count its rows.

    One aggregate query: no row twice per key, nothing null that may not be, only known statuses, and no
    status `scored` without a score (of a measure without points: without a rate).

    Raises
    ------
    InternalError
        If a check fails.
    """
    model = results_model()[table_name]
    failures: dict[str, ir.Value] = {
        f"{column.name} is null": rows[column.name].isnull().sum() for column in model.columns if not column.nullable
    }
    if "status" in rows.columns:
        failures["status is unknown"] = rows.status.notin(STATUSES).sum()
        scores = {"measure_result": ("points", "rate"), "payment_result": ("rate",)}.get(table_name, ("score",))
        score = ibis.coalesce(*(rows[name] for name in scores))
        failures["scored without a score"] = ((rows.status == "scored") & score.isnull()).sum()
    repeated = rows.group_by(list(model.key)).having(ibis._.count() > 1).agg(rows=ibis._.count())
    counts = engine.to_arrow(rows.aggregate(row_count=rows.count(), **failures)).to_pylist()[0]
    counts[f"key ({', '.join(model.key)}) repeats"] = engine.to_arrow(repeated.aggregate(n=repeated.count()))["n"][
        0
    ].as_py()
    row_count = counts.pop("row_count")
    problems = [
        Problem(f"{what}", f"{table_name} ({model.grain})", "report this with the command you ran", count)
        for what, count in counts.items()
        if count
    ]
    if not row_count:
        problems.append(Problem("the result is empty", table_name, "report this with the command you ran"))
    if problems:
        raise InternalError(problems)
    return row_count
