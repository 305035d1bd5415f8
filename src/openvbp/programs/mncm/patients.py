"""Patients and their answers, judged under all scenarios: patient-level, kept under ``evidence/`` alone."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameter_tables import parameter_table
from openvbp.parameters import Scenario
from openvbp.programs.mncm import rules
from openvbp.programs.mncm.input_files import COMPOSITES
from openvbp.programs.mncm.inputs import ReportCardInputs

GOALS = ("systolic_below", "diastolic_below", "a1c_below", "asthma_visits_below")
_JUDGE_PATIENT = (
    rules.meets_blood_pressure,
    rules.meets_a1c,
    rules.meets_tobacco,
    rules.meets_statin,
    rules.meets_aspirin,
    rules.meets_asthma_control,
    rules.meets_asthma_risk,
    rules.is_optimal,
)
_COUNTED = ["scenario_id", "provider_id", "measure_id", "risk_category"]


def judge_patients(engine: Engine, inputs: ReportCardInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Judge every patient by every goal of the measure: scenario × patient × measure, not computed yet."""
    patients = engine.table(inputs.patients, "patient_row")
    patients = patients.inner_join(engine.table(_goals(scenarios), "goal"), "measure_id")
    for rule in _JUDGE_PATIENT:
        patients = rule(patients)
    return patients.select(*_COUNTED, "patient_id", *rules.COMPONENTS, "is_optimal")


def judge_answers(engine: Engine, inputs: ReportCardInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Say which answers are the most positive ones: scenario × patient × question, not computed yet."""
    lowest = pa.table(
        {
            "scenario_id": [one.scenario_id for one in scenarios],
            "most_positive_rating": [int(one.value("most_positive_rating")) for one in scenarios],
        }
    )
    answers = engine.table(inputs.answers, "answer_row").cross_join(engine.table(lowest, "lowest_rating"))
    answers = rules.is_most_positive(answers).mutate(risk_category=ibis.null("string"))
    return answers.select(*_COUNTED, "patient_id", "is_most_positive")


def counts_of(judged: ir.Table, outcome: str) -> ir.Table:
    """Count patients and those with the outcome: scenario × clinic × measure × risk category."""
    return judged.group_by(_COUNTED).agg(patients=_.count(), met=money.whole_sum(_[outcome].cast("int64")))


def _goals(scenarios: Sequence[Scenario]) -> pa.Table:
    schema = pa.schema(
        [
            ("scenario_id", pa.string()),
            ("measure_id", pa.string()),
            ("systolic_below", pa.int64()),
            ("diastolic_below", pa.int64()),
            ("a1c_below", pa.decimal128(18, 6)),
            ("asthma_visits_below", pa.int64()),
        ]
    )
    rows = [
        {
            "scenario_id": scenario.scenario_id,
            "measure_id": measure,
            **{name: scenario.value(name, measure) for name in GOALS},
        }
        for scenario in scenarios
        for measure in COMPOSITES
    ]
    return parameter_table(rows, schema)
