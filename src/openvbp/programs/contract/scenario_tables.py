"""The terms under every scenario as tables: whole contract, population, baseline year, measure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from openvbp.errors import Problem, UsageError
from openvbp.parameter_tables import parameter_table
from openvbp.parameters import Parameter, Scenario
from openvbp.steps import Source

_FACTOR = pa.decimal128(18, 12)
_TYPES: dict[str, pa.DataType] = {
    "ratio": pa.decimal128(7, 6),
    "rate": pa.decimal128(7, 6),
    "multiplier": pa.decimal128(18, 4),
    "points": pa.decimal128(18, 4),
    "flag": pa.bool_(),
    "count": pa.int64(),
    "identifier": pa.string(),
    **dict.fromkeys(("usd", "gbp", "eur"), pa.decimal128(18, 2)),
}
_NUMBERED = ("corridor", "step")
"""Parameters of these keys become one column per key."""


def contract_terms(scenarios: Sequence[Scenario]) -> pa.Table:
    """Terms of the whole contract: scenario. A corridor or step is a column, its number at the end of the name."""
    places = term_columns(scenarios[0])
    fields = [(name, _TYPES[scenarios[0].parameters[parameter].unit]) for name, (parameter, _key) in places.items()]
    rows = [
        {
            "scenario_id": scenario.scenario_id,
            **{name: scenario.value(parameter, key) for name, (parameter, key) in places.items()},
        }
        for scenario in scenarios
    ]
    return parameter_table(rows, pa.schema([("scenario_id", pa.string()), *fields]))


def term_columns(scenario: Scenario) -> dict[str, tuple[str, str]]:
    """Name the column of each term of the whole contract, with its parameter and key."""
    columns = {}
    for name, parameter in scenario.parameters.items():
        if parameter.by is None or parameter.by in _NUMBERED:
            for key in parameter.values:
                columns[f"{name}_{key}" if key else name] = (name, key)
    return columns


def keyed_terms(scenarios: Sequence[Scenario], names: dict[str, str], key_column: str) -> pa.Table:
    """Terms with a value per population, year or measure: scenario × key.

    Parameters
    ----------
    names
        Parameter to the name of its column; all have the same keys.
    key_column
        Name of the column of keys.
    """
    first: Parameter | None = scenarios[0].parameters.get(next(iter(names)))
    fields = [(column, _TYPES[scenarios[0].parameters[name].unit]) for name, column in names.items() if first]
    rows = [
        {
            "scenario_id": scenario.scenario_id,
            key_column: key,
            **{column: scenario.value(name, key) for name, column in names.items()},
        }
        for scenario in scenarios
        for key in (first.values if first else ())
    ]
    return parameter_table(rows, pa.schema([("scenario_id", pa.string()), (key_column, pa.string()), *fields]))


def baseline_years(scenarios: Sequence[Scenario]) -> pa.Table:
    """Weight and trend of each baseline year: scenario × year.

    The trend factor is the growth from the baseline year to the performance year, rounded to twelve decimals.
    """
    rows: list[dict[str, Any]] = []
    for scenario in scenarios:
        performance_year = scenario.period.end.year
        for year in scenario.parameters["baseline_weight"].values if "baseline_weight" in scenario.parameters else ():
            factor = Decimal(1)
            for after in range(int(year) + 1, performance_year + 1):
                trend = scenario.value("annual_trend", str(after))
                if trend is None:
                    raise UsageError(
                        Problem(
                            f"the contract has no trend for {after}",
                            "budget.annual_trend",
                            f"give the growth of every year from {int(year) + 1} to {performance_year}",
                        )
                    )
                factor *= 1 + trend
            weight = scenario.value("baseline_weight", year)
            rows.append(
                {
                    "scenario_id": scenario.scenario_id,
                    "measure_id": year,
                    "baseline_weight": weight,
                    "trend_factor": round(factor, 12),
                }
            )
    fields = [("scenario_id", pa.string()), ("measure_id", pa.string())]
    return parameter_table(
        rows, pa.schema([*fields, ("baseline_weight", pa.decimal128(7, 6)), ("trend_factor", _FACTOR)])
    )


def sources(scenarios: Sequence[Scenario]) -> list[Source]:
    """Places in the contract of every term, as the steps name them."""
    found = []
    for scenario in scenarios:
        for name, key in term_columns(scenario).values():
            place = f"{scenario.parameters[name].by} {key}" if key else ""
            found.append(Source(scenario.scenario_id, name, "", place, scenario.cited(name, key).cite))
        for name, parameter in scenario.parameters.items():
            for key, cited in parameter.values.items():
                if parameter.by == "population":
                    found.append(Source(scenario.scenario_id, "negotiated_amount", "", key, cited.cite))
                elif parameter.by == "measure_id":
                    quantity = "fixed_target" if name == "measure_target" else name.removeprefix("measure_")
                    found.append(Source(scenario.scenario_id, quantity, key, "", cited.cite))
                elif parameter.by == "year":
                    quantity = "trend_factor" if name == "annual_trend" else name
                    found.append(Source(scenario.scenario_id, quantity, key, "", cited.cite))
    return found
