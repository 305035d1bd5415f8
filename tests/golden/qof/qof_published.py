"""The Scottish publications read by hand, and the scoring of each year made once.

Nothing here uses the program's readers or formulas for what is published.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from conftest import published_data
from openvbp.engine import open_engine
from openvbp.program import RunContext
from openvbp.programs.qof import PROGRAM

YEARS = ("2010/11", "2011/12", "2013/14", "2014/15", "2015/16")


def folder() -> Path:
    return published_data("primary_care", "scotland_qof")


@dataclass(frozen=True)
class Scored:
    """What the program makes of a year."""

    measures: pa.Table
    factors: pa.Table
    areas: pa.Table
    practices: pa.Table


@functools.cache
def scored(year: str) -> Scored:
    """Points, factors and payments of a year under the rules in force, without the results that explain them."""
    declared = PROGRAM.parameters
    inputs = PROGRAM.read(folder(), declared.in_force(declared.period(year)))
    scenarios = [inputs.rules_in_force]
    with open_engine("duckdb", 2) as engine:
        tables = PROGRAM.stages[0].compute(RunContext(engine, inputs, scenarios, scenarios))
        return Scored(*(engine.to_arrow(tables[f"scoring/{name}"].select(*kept)) for name, kept in _KEPT.items()))


_KEPT = {
    "indicator_points": ("provider_id", "measure_id", "scoring", "denominator", "formula_points", "points"),
    "prevalence_factor": (
        "provider_id",
        "domain_id",
        "register",
        "list_size",
        "prevalence",
        "national_prevalence",
        "adjusted_disease_prevalence_factor",
        "published_factor",
        "is_factor_one",
    ),
    "area_points": ("provider_id", "domain_id", "area_points"),
    "practice_payment": (
        "provider_id",
        "contract",
        "total_points",
        "gbp_per_point",
        "contractor_population_index",
        "achievement_payment",
    ),
}


def query(sql: str, **tables: Any) -> list[dict[str, Any]]:
    """Ask a question of tables and published files; ``{folder}`` and ``{year}`` stand for the files of a year."""
    with duckdb.connect() as connection:
        for name, table in tables.items():
            connection.register(name, table)
        return connection.sql(sql).to_arrow_table().to_pylist()


def indicators(year: str) -> str:
    """The achievement file of a year as a table expression."""
    return f"'{folder()}/indicator_{year.replace('/', '_')}.parquet'"


def table(part: str, year: str) -> str:
    """A CSV file of a year as a table expression with every cell as text."""
    return f"read_csv('{folder()}/{part}_{year.replace('/', '_')}.csv', all_varchar = true)"


def accepted_differences(kind: str, year: str) -> dict[tuple[str, str], str]:
    """Practice and indicator to reason of every accepted difference of a kind."""
    with Path(__file__).with_name("accepted_differences.csv").open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["kind"] == kind and row["year"] == year]
    return {(row["practice"], row["indicator"]): row["reason"] for row in rows}
