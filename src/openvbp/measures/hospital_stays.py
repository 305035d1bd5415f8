"""What measures on hospital stays share: who is in them, and which stays are indices."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.events import Events, index_field
from openvbp.measures.values import DATA_END, INDEX, MP, Age, Enrolled, Person, Value, Window

CONDITIONS = {
    "acute_myocardial_infarction": "acute myocardial infarction",
    "heart_failure": "heart failure",
    "pneumonia": "pneumonia",
    "chronic_obstructive_pulmonary_disease": "chronic obstructive pulmonary disease",
    "ischemic_stroke": "ischemic stroke",
    "coronary_artery_bypass_graft": "coronary artery bypass graft",
}
"""Why persons were in hospital: a value set ``<name>_stay`` of principal diagnoses, or procedures, says which stays."""
ARTHROPLASTY = "hip_or_knee_arthroplasty"
_INPATIENT_DIAGNOSIS = events.condition.having("setting", "==", "inpatient").during(INDEX)
HOSPICE = events.encounter.with_code("encounter-type", "hospice")
day_of_death = Person("death_date")


def first_of_chain(*value_sets: str) -> Events:
    """Stays that did not begin with a transfer, ended in the period."""
    return events.stay.in_(*value_sets).having("is_first_of_chain", "==", True).ending(MP)  # noqa: FBT003


def last_of_chain(*value_sets: str) -> Events:
    """Stays that did not end with a transfer, ended in the period."""
    return events.stay.in_(*value_sets).having("is_last_of_chain", "==", True).ending(MP)  # noqa: FBT003


def is_surely(condition: Value) -> Value:
    """Whether a condition holds; what is not known is taken for no."""
    return condition.otherwise(False)  # noqa: FBT003


IS_ELECTIVE_PRIMARY = ~(
    _INPATIENT_DIAGNOSIS.in_("hip_or_pelvis_fracture", "lower_limb_bone_cancer").exists()
    | _INPATIENT_DIAGNOSIS.in_("joint_prosthesis_mechanical_complication", "joint_or_wound_infection")
    .having("is_principal", "==", True)  # noqa: FBT003
    .exists()
)
"""Of a stay with a hip or knee replaced: neither for a fracture or a cancer, nor because a prosthesis has failed."""
DIED_IN_HOSPITAL = is_surely(index_field("discharge_disposition") == "20") | is_surely(day_of_death <= INDEX.end)
LEFT_AGAINST_ADVICE = is_surely(index_field("discharge_disposition") == "07")
AGED_65 = Age(INDEX.start) >= 65
ENROLLED_BEFORE = Enrolled(Window(INDEX.start.minus("12m"), INDEX.start))
"""Twelve months before the index, and on its first day."""


def seen_through(last: Value) -> Value:
    """Whether data reach to a day, and enrolment from the index to it or to death before it."""
    in_data = (last <= DATA_END).otherwise(True)  # noqa: FBT003
    to_death = is_surely(day_of_death <= last) & Enrolled(Window(INDEX.end, day_of_death))
    return in_data & (to_death | Enrolled(Window(INDEX.end, last)))
