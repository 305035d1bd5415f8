"""Scores of many scenarios at once: what scenarios share is computed once.

Most scenarios change a few parameters. Points of a measure are computed once per distinct set of that measure's
parameters, domains once per distinct set of their measures' and their own; only the weighting of domains into the Total
Performance Score is done for each scenario. The rules are the same as for a single scenario.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.hvbp import health_equity, scores
from openvbp.programs.hvbp.scenario_tables import domain_parameters, measure_parameters, program_parameters

_OF_THE_SCENARIO = ("domain_weight", "area_number")
"""Parameters of a domain that matter only when domains are added up."""

_OF_MEASURES = (
    "scenario_id",
    "provider_id",
    "measure_id",
    "domain_id",
    "combined_into",
    "measure_points",
    "dimension_consistency_points",
    "status",
    "measure_unverified",
)
_OF_DOMAINS = (
    "scenario_id",
    "provider_id",
    "domain_id",
    "domain_points",
    "domain_score",
    "common_points",
    "common_denominator",
    "status",
)
"""What the next grain needs: the rest is not kept."""


def sweep(
    engine: Engine, inputs: dict[str, ir.Table], scenarios: Sequence[Scenario], measures_with_points: set[str]
) -> ir.Table:
    """Score all hospitals under many scenarios, keeping the hospitals' totals only.

    Parameters
    ----------
    inputs, measures_with_points
        As for :func:`openvbp.programs.hvbp.scores.score`.

    Returns
    -------
    Scenario × hospital, with the columns of ``hospital_score``.
    """
    measure_rows = measure_parameters(scenarios, measures_with_points)
    variants, measure_of = _measure_variants(measure_rows)
    domain_rows, scenario_rows, parts = _domain_variants(domain_parameters(scenarios), measure_of)

    measure_table = engine.table(variants, "sweep_measure_parameter")
    measures = scores.score_measures(inputs["measure_input"], measure_table).select(_OF_MEASURES)
    measures = engine.compute(measures, "sweep_measure_score")
    parts_table = engine.table(parts, "sweep_domain_part")
    in_domains = measures.rename(measure_variant="scenario_id").inner_join(
        parts_table, ["measure_variant", "measure_id"]
    )
    consistency = inputs["published_score"].filter(_.quantity == "hcahps_consistency_points")
    domains = scores.score_domains(in_domains, engine.table(domain_rows, "sweep_domain_parameter"), consistency)
    domains = engine.compute(domains.select(_OF_DOMAINS), "sweep_domain_score")

    in_scenarios = domains.rename(domain_variant="scenario_id").inner_join(
        engine.table(scenario_rows, "sweep_scenario_domain"), "domain_variant"
    )
    in_scenarios = health_equity.add_domain_points(engine, in_scenarios, scenarios)
    program_table = engine.table(program_parameters(scenarios), "sweep_program_parameter")
    hospitals = scores.score_hospitals(in_scenarios, inputs["provider"], program_table)
    hospitals = health_equity.adjust(engine, hospitals, in_scenarios, inputs["provider"], scenarios)
    return engine.compute(hospitals, "sweep_hospital_score")


def _measure_variants(rows: pa.Table) -> tuple[pa.Table, dict[tuple[str, str], list[tuple[str, str]]]]:
    """Give each distinct set of a measure's parameters a name.

    Measures that are combined into one are kept together.

    Returns
    -------
    Parameter rows with the variant in place of the scenario, and per scenario and domain its (variant, measure) pairs.
    """
    together: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows.to_pylist():
        together.setdefault((row["scenario_id"], row["combined_into"] or row["measure_id"]), []).append(row)
    names: dict[tuple[Any, ...], str] = {}
    kept: list[dict[str, Any]] = []
    measure_of: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for (scenario_id, unit), members in together.items():
        key = (unit, *(tuple(value for name, value in row.items() if name != "scenario_id") for row in members))
        if key not in names:
            names[key] = f"measure{len(names)}"
            kept.extend({**row, "scenario_id": names[key]} for row in members)
        for row in members:
            measure_of.setdefault((scenario_id, row["domain_id"]), []).append((names[key], row["measure_id"]))
    return pa.Table.from_pylist(kept, schema=rows.schema), measure_of


def _domain_variants(
    rows: pa.Table, measure_of: dict[tuple[str, str], list[tuple[str, str]]]
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Give each distinct set of a domain's measures and parameters a name.

    Returns
    -------
    Parameter rows with the variant in place of the scenario; which variant, weight and area each scenario gives a
    domain; which measure variants a domain variant consists of.
    """
    names: dict[tuple[Any, ...], str] = {}
    kept, of_scenario, parts = [], [], []
    for row in rows.to_pylist():
        members = measure_of[row["scenario_id"], row["domain_id"]]
        own = {name: value for name, value in row.items() if name not in (*_OF_THE_SCENARIO, "scenario_id")}
        key = (*own.values(), *members)
        if key not in names:
            names[key] = f"domain{len(names)}"
            kept.append({**own, "scenario_id": names[key]})
            parts.extend(
                {"measure_variant": variant, "measure_id": one, "scenario_id": names[key]} for variant, one in members
            )
        of_scenario.append(
            {name: row[name] for name in ("scenario_id", *_OF_THE_SCENARIO)} | {"domain_variant": names[key]}
        )
    schema = rows.schema
    own_schema = pa.schema([field for field in schema if field.name not in _OF_THE_SCENARIO])
    scenario_schema = pa.schema(
        [schema.field(name) for name in ("scenario_id", *_OF_THE_SCENARIO)] + [("domain_variant", pa.string())]
    )
    part_schema = pa.schema([(name, pa.string()) for name in ("measure_variant", "measure_id", "scenario_id")])
    return (
        pa.Table.from_pylist(kept, schema=own_schema),
        pa.Table.from_pylist(of_scenario, schema=scenario_schema),
        pa.Table.from_pylist(parts, schema=part_schema),
    )
