"""Smoking: asked about, and helped to stop."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.measure import Composite, Measure
from openvbp.measures.shared_conditions import ENROLLED, HOSPICE, OFFICE_VISITS, aged
from openvbp.measures.values import MP, Window

VERSION = "2026.1"
_ASKED = (
    events.procedure.in_("tobacco_use_screening").starting(MP).exists()
    | events.laboratory.in_("tobacco_use_status").starting(MP).exists()
)
_SMOKES = events.condition.in_("tobacco_dependence").overlapping(MP).exists()
# Help that began shortly before the period still works in it.
_HELPED_IN = Window(MP.start.minus("6m"), MP.end)

STATUS_RECORDED = Measure(
    "smoking.status_recorded",
    VERSION,
    "higher_is_better",
    initial_population=aged(12) & (OFFICE_VISITS.starting(MP).days() >= 2) & ENROLLED,
    denominator_exclusion=HOSPICE,
    numerator=_ASKED | _SMOKES,
)
CESSATION_HELP = Measure(
    "smoking.cessation_help",
    VERSION,
    "higher_is_better",
    initial_population=aged(12) & _SMOKES & ENROLLED,
    denominator_exclusion=HOSPICE,
    numerator=events.procedure.in_("tobacco_cessation_counselling").starting(_HELPED_IN).exists()
    | events.dispensing.in_("tobacco_cessation_drug").starting(_HELPED_IN).exists(),
)

MEASURES: list[Measure | Composite] = [STATUS_RECORDED, CESSATION_HELP]
