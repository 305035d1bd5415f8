"""Hospital VBP again and again with other parameters: only measures whose own parameters changed are scored again.

The rules are those of the program, in its order. Its steps, of which there would be 600,000, are not written out.
Which tables are made from which does not depend on the values, so the expressions are built once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
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
_OF_MEASURES = (
    *("scenario_id", "provider_id", "measure_id", "domain_id", "combined_into", "status"),
    *("measure_points", "dimension_consistency_points", "measure_unverified"),
)
"""What domains need to know of measures."""
Units = dict[str, list[dict[str, Any]]]


def hospital_totals(program: Program, engine: LabEngine, inputs: ProgramInputs) -> Callable[[Scenario], Tables]:
    """Score all measures by the rules in force, and give the function from a scenario to scores and payments."""
    in_force = override(inputs.rules_in_force, WHAT_IF, {})
    first = program.stages[0].compute(RunContext(engine, inputs, [in_force], [in_force]))
    rows, providers = first["input/measure_input"], first["input/provider"]
    consistency = first["input/published_score"].filter(_.quantity == "hcahps_consistency_points")
    with_points = inputs.content.measures_with_points
    known = measure_parameters([in_force], with_points)
    scored = scores.score_measures(rows, engine.table(known, "measure_in_force_parameter"))
    scored = engine.compute(scored.select(_OF_MEASURES), "measure_in_force_score")
    in_units = _units(known)

    def scored_measures(changed: ir.Table, unchanged: ir.Table) -> ir.Table:
        again = scores.score_measures(rows, changed)
        kept = scored.semi_join(unchanged, "measure_id")
        return engine.compute(kept.union(again.select(_OF_MEASURES)), "measure_lab_score")

    def scored_hospitals(
        scenario: Scenario, measures: ir.Table, of_domains: ir.Table, of_program: ir.Table
    ) -> ir.Table:
        domains = rules.effective_weight(scores.score_domains(measures, of_domains, consistency))
        domains = health_equity.add_domain_points(engine, rules.weighted_domain_score(domains), [scenario])
        domains = engine.compute(domains, "domain_lab_score")
        hospitals = scores.score_hospitals(domains, providers, of_program)
        hospitals = health_equity.adjust(engine, hospitals, domains, providers, [scenario])
        return engine.compute(hospitals, "hospital_lab_score")

    def results(hospitals: ir.Table, slopes: ir.Table) -> Tables:
        paid = payments.pay_by(engine, hospitals, slopes)
        return {
            # No scenario is detailed: of what is paid only the net is wanted.
            "payment_result": result_tables.payment_result(paid, []),
            "provider_result": result_tables.provider_result(paid, providers),
        }

    def totals(scenario: Scenario) -> Tables:
        kept, others = _apart(in_units, measure_parameters([scenario], with_points))
        changed = engine.table(others, "measure_changed_parameter")
        unchanged = engine.table(pa.table({"measure_id": pa.array(kept, pa.string())}), "measure_unchanged")
        of_domains = engine.table(domain_parameters([scenario]), "domain_lab_parameter")
        of_program = engine.table(program_parameters([scenario]), "program_lab_parameter")
        measures = engine.replayed("measures", scored_measures, changed, unchanged)
        given = (measures, of_domains, of_program)
        if health_equity.applied([scenario]):
            # Its tables depend on the scenario, so nothing of it is replayed.
            hospitals = scored_hospitals(scenario, *given)
        else:
            hospitals = engine.replayed("hospitals", partial(scored_hospitals, scenario), *given)
        sums = engine.to_arrow(engine.replayed("sums", payments.exchange_totals, hospitals))
        slopes = engine.table(payments.slopes_of(sums), payments.SLOPES)
        return engine.replayed("results", results, hospitals, slopes)

    return totals


def _apart(before: Units, parameters: pa.Table) -> tuple[list[str], pa.Table]:
    """Tell measures whose parameters are those in force from the others; measures combined into one go together.

    Returns
    -------
    Names of the unchanged, and the parameters of the others.
    """
    after = _units(parameters)
    kept = [row["measure_id"] for unit, rows in after.items() if before.get(unit) == rows for row in rows]
    others = [row for unit, rows in after.items() if before.get(unit) != rows for row in rows]
    return kept, pa.Table.from_pylist(others, schema=parameters.schema)


def _units(table: pa.Table) -> Units:
    units: Units = {}
    for row in table.to_pylist():
        units.setdefault(row["combined_into"] or row["measure_id"], []).append(row)
    return units
