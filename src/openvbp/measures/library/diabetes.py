"""Diabetes: glycated haemoglobin, blood pressure, eyes, kidneys, statins, and all that together."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.measure import Composite, Measure
from openvbp.measures.shared_conditions import (
    END_STAGE_RENAL_DISEASE,
    ENROLLED,
    HOSPICE,
    aged,
    pressure_below,
)
from openvbp.measures.values import MP, look_back

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
    numerator=(_LATEST.minimum() < 8).otherwise(False) & ~_LATEST.any_null(),  # noqa: FBT003
)

_EXAMINED = events.procedure.in_("retinal_examination")
_RETINOPATHY = events.condition.in_("diabetic_retinopathy").overlapping(MP.with_look_back("1y"))
BLOOD_PRESSURE_CONTROL = Measure(
    "diabetes.blood_pressure_control",
    VERSION,
    "higher_is_better",
    initial_population=IN_POPULATION,
    denominator_exclusion=HOSPICE,
    numerator=pressure_below(140, 90),
)
EYE_EXAMINATION = Measure(
    "diabetes.eye_examination",
    VERSION,
    "higher_is_better",
    initial_population=IN_POPULATION,
    denominator_exclusion=HOSPICE,
    # Healthy eyes are looked at every other year.
    numerator=_EXAMINED.starting(MP).exists()
    | (_EXAMINED.starting(look_back("1y", before=MP)).exists() & _RETINOPATHY.is_missing()),
)
KIDNEY_EVALUATION = Measure(
    "diabetes.kidney_evaluation",
    VERSION,
    "higher_is_better",
    initial_population=aged(18, 85) & HAS_DIABETES & ENROLLED,
    denominator_exclusion=HOSPICE | END_STAGE_RENAL_DISEASE,
    numerator=events.laboratory.in_("estimated_filtration_rate").starting(MP).exists()
    & events.laboratory.in_("urine_albumin_creatinine_ratio").starting(MP).exists(),
)
STATIN_USE = Measure(
    "diabetes.statin_use",
    VERSION,
    "higher_is_better",
    initial_population=aged(40, 75) & HAS_DIABETES & ENROLLED,
    denominator_exclusion=HOSPICE | END_STAGE_RENAL_DISEASE,
    numerator=events.dispensing.in_("statin").starting(MP).exists(),
)
OPTIMAL_CARE = Composite(
    "diabetes.optimal_care",
    VERSION,
    "higher_is_better",
    "all_or_none",
    (HBA1C_CONTROL.id, BLOOD_PRESSURE_CONTROL.id, STATIN_USE.id),
)

MEASURES: list[Measure | Composite] = [
    HBA1C_TESTED,
    HBA1C_POOR_CONTROL,
    HBA1C_CONTROL,
    BLOOD_PRESSURE_CONTROL,
    EYE_EXAMINATION,
    KIDNEY_EVALUATION,
    STATIN_USE,
    OPTIMAL_CARE,
]
