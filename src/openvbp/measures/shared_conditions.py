"""Conditions that several measures share, written once."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.values import MP, Age, Enrolled, Value, Window

ENROLLED = Enrolled(MP, gap_days=45, gaps=1)
"""Enrolled through the period, but for one gap of up to 45 days."""
HOSPICE = events.encounter.with_code("encounter-type", "hospice").overlapping(MP).exists()
"""Hospice care in the period, as claims show it."""

END_STAGE_RENAL_DISEASE = events.condition.in_("end_stage_renal_disease").overlapping(MP).exists()
OFFICE_VISITS = events.encounter.with_code(
    "encounter-type",
    "office",
    "telehealth",
    "home_professional",
    "hospital_outpatient_professional",
    "federally_qualified_health_center",
    "rural_health_clinic",
)
"""Contacts by place: any professional service there, because codes of visits are CPT and may not be shipped."""
EMERGENCY_VISITS = events.encounter.with_code("encounter-type", "emergency_visit")


def diagnosed(value_set: str, window: Window) -> Value:
    """Two days with a diagnosis in a window, because one may be a question ("rule out")."""
    return events.condition.in_(value_set).overlapping(window).days() >= 2


def pressure_below(systolic: int, diastolic: int, window: Window = MP) -> Value:
    """Blood pressure below two limits in mmHg: lowest readings of the latest day on which both were taken.

    False without a reading, without a number, or where the latest days of the two differ.
    """
    upper = events.laboratory.in_("systolic_pressure").starting(window).last_day()
    lower = events.laboratory.in_("diastolic_pressure").starting(window).last_day()
    is_one_day = upper.last_date() == lower.last_date()
    is_below = is_one_day & (upper.minimum() < systolic) & (lower.minimum() < diastolic)
    return is_below.otherwise(False)  # noqa: FBT003


def aged(low: int, high: int | None = None, window: Window = MP) -> Value:
    """Age in completed years on the last day of a window."""
    age = Age(window.end)
    return age >= low if high is None else age.between(low, high)
