"""Hospital VBP again and again with other parameters: only measures whose own parameters changed are scored again.

The rules are those of the program, in its order. Its steps, of which there would be 600,000, are not written out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.parameters import Scenario
from openvbp.pipeline import WHAT_IF
from openvbp.program import Program, ProgramInputs, RunContext
from openvbp.programs.hvbp import health_equity, payments, result_tables, rules, scores
from openvbp.programs.hvbp.scenario_tables import domain_parameters, measure_parameters, program_parameters
from openvbp.scenarios import override
from openvbp.web.lab_engine import LabEngine

Tables = Mapping[str, ir.Table]


def hospital_totals(program: Program, engine: LabEngine, inputs: ProgramInputs) -> Callable[[Scenario], Tables]:
    """Score all measures by the rules in force, and give the function from a scenario to scores and payments."""
    in_force = override(inputs.rules_in_force, WHAT_IF, {})
    first = program.stages[0].compute(RunContext(engine, inputs, [in_force], [in_force]))
    rows, providers = first["input/measure_input"], first["input/provider"]
    consistency = first["input/published_score"].filter(_.quantity == "hcahps_consistency_points")
    with_points = inputs.content.measures_with_points
    known = measure_parameters([in_force], with_points)
    scored = scores.score_measures(rows, engine.table(known, "measure_in_force_parameter"))
    scored = engine.compute(scored, "measure_in_force_score")

    def totals(scenario: Scenario) -> Tables:
        parameters = measure_parameters([scenario], with_points)
        kept, changed = _apart(known, parameters)
        again = scores.score_measures(rows, engine.table(changed, "measure_changed_parameter"))
        unchanged = engine.table(pa.table({"measure_id": pa.array(kept, pa.string())}), "measure_unchanged")
        measures = scored.semi_join(unchanged, "measure_id").union(again.select(scored.columns))
        measures = engine.compute(measures, "measure_lab_score")
        of_domains = engine.table(domain_parameters([scenario]), "domain_lab_parameter")
        domains = rules.effective_weight(scores.score_domains(measures, of_domains, consistency))
        domains = health_equity.add_domain_points(engine, rules.weighted_domain_score(domains), [scenario])
        domains = engine.compute(domains, "domain_lab_score")
        of_program = engine.table(program_parameters([scenario]), "program_lab_parameter")
        hospitals = scores.score_hospitals(domains, providers, of_program)
        hospitals = health_equity.adjust(engine, hospitals, domains, providers, [scenario])
        paid = payments.pay(engine, engine.compute(hospitals, "hospital_lab_score"))
        return {
            # No scenario is detailed: of what is paid only the net is wanted.
            "payment_result": result_tables.payment_result(paid, []),
            "provider_result": result_tables.provider_result(paid, providers),
        }

    return totals


def _apart(known: pa.Table, parameters: pa.Table) -> tuple[list[str], pa.Table]:
    """Tell measures whose parameters are those in force from the others; measures combined into one go together.

    Returns
    -------
    Names of the unchanged, and the parameters of the others.
    """
    before, after = (_units(table) for table in (known, parameters))
    kept = [row["measure_id"] for unit, rows in after.items() if before.get(unit) == rows for row in rows]
    others = [row for unit, rows in after.items() if before.get(unit) != rows for row in rows]
    return kept, pa.Table.from_pylist(others, schema=parameters.schema)


def _units(table: pa.Table) -> dict[str, list[dict[str, Any]]]:
    units: dict[str, list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        units.setdefault(row["combined_into"] or row["measure_id"], []).append(row)
    return units
