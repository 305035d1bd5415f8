"""Blood pressure: measured in adults, controlled and badly controlled in hypertension."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.measure import Composite, Measure
from openvbp.measures.shared_conditions import (
    END_STAGE_RENAL_DISEASE,
    ENROLLED,
    HOSPICE,
    OFFICE_VISITS,
    aged,
    diagnosed,
    pressure_below,
)
from openvbp.measures.values import MP, Window

VERSION = "2026.1"
_READING = events.laboratory.in_("systolic_pressure").starting(MP)
# A diagnosis of the second half of the period leaves too little time to treat.
_KNOWN_IN_TIME = Window(MP.start.minus("1y"), MP.start.plus("6m").minus("1d"))
_HAS_HYPERTENSION = diagnosed("hypertension", _KNOWN_IN_TIME)
_PREGNANT = events.condition.in_("pregnancy").overlapping(MP).exists()

MEASURED = Measure(
    "blood_pressure.measured",
    VERSION,
    "higher_is_better",
    initial_population=aged(18) & OFFICE_VISITS.starting(MP).exists() & ENROLLED,
    denominator_exclusion=HOSPICE,
    numerator=_READING.exists() & ~_READING.any_null(),
)
CONTROLLED = Measure(
    "blood_pressure.controlled",
    VERSION,
    "higher_is_better",
    initial_population=aged(18, 85) & _HAS_HYPERTENSION & ENROLLED,
    denominator_exclusion=HOSPICE | END_STAGE_RENAL_DISEASE | _PREGNANT,
    numerator=pressure_below(140, 90),
)
DANGEROUS = Measure(
    "blood_pressure.dangerous",
    VERSION,
    "lower_is_better",
    initial_population=aged(18, 85) & _HAS_HYPERTENSION & ENROLLED,
    denominator=_READING.exists(),
    denominator_exclusion=HOSPICE | END_STAGE_RENAL_DISEASE | _PREGNANT,
    # Null, and so not evaluable, where the latest readings are without numbers.
    numerator=(_READING.last_day().minimum() >= 160)
    | (events.laboratory.in_("diastolic_pressure").starting(MP).last_day().minimum() >= 100),
)

MEASURES: list[Measure | Composite] = [MEASURED, CONTROLLED, DANGEROUS]
