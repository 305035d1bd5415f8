"""Diabetes: testing, control and poor control of glycated haemoglobin, blood pressure and eye examination."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.measure import Composite, Measure
from openvbp.measures.shared_conditions import ENROLLED, HOSPICE, aged
from openvbp.measures.values import MP

VERSION = "2026.1"
_DIAGNOSES = events.condition.in_("diabetes").overlapping(MP.with_look_back("1y"))
_DISPENSED = events.dispensing.in_("glucose_lowering_drug").starting(MP.with_look_back("1y"))
# Two days with the diagnosis, because one may be a question ("rule out"); or a drug and a diagnosis.
HAS_DIABETES = (_DIAGNOSES.days() >= 2) | (_DISPENSED.exists() & _DIAGNOSES.exists())
IN_POPULATION = aged(18, 75) & HAS_DIABETES & ENROLLED

_HBA1C = events.laboratory.in_("hba1c").starting(MP)
_LATEST = _HBA1C.last_day()

HBA1C_TESTED = Measure(
    "diabetes.hba1c_tested",
    VERSION,
    "higher_is_better",
    initial_population=IN_POPULATION,
    denominator_exclusion=HOSPICE,
    numerator=_HBA1C.exists(),
)
HBA1C_POOR_CONTROL = Measure(
    "diabetes.hba1c_poor_control",
    VERSION,
    "lower_is_better",
    initial_population=IN_POPULATION,
    denominator_exclusion=HOSPICE,
    numerator=_LATEST.is_missing() | _LATEST.any_null() | (_LATEST.minimum() > 9),
)
HBA1C_CONTROL = Measure(
    "diabetes.hba1c_control",
    VERSION,
    "higher_is_better",
    initial_population=IN_POPULATION,
    denominator_exclusion=HOSPICE,
    numerator=(_LATEST.minimum() < 8).otherwise(False) & ~_LATEST.any_null(),
)

MEASURES: list[Measure | Composite] = [HBA1C_TESTED, HBA1C_POOR_CONTROL, HBA1C_CONTROL]
