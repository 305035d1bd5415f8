"""Care that does no good: imaging of uncomplicated back pain, antibiotics for viral infections."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.measure import Composite, Episode, Measure
from openvbp.measures.shared_conditions import OFFICE_VISITS, aged
from openvbp.measures.values import INDEX, MP, Enrolled, Value, Window, look_back

VERSION = "2026.1"
_BACK_PAIN = events.condition.in_("low_back_pain")
_IMAGED_IN = Window(INDEX.start, INDEX.start.plus("28d"))
_STEROIDS = events.dispensing.in_("systemic_corticosteroid").starting(Window(INDEX.start.minus("1y"), INDEX.start))


def _had(window: Window, *value_sets: str) -> Value:
    return events.condition.in_(*value_sets).overlapping(window).exists()


IMAGING_FOR_LOW_BACK_PAIN = Measure(
    "appropriate_use.imaging_for_low_back_pain",
    VERSION,
    "lower_is_better",
    # The index is a visit, not the diagnosis, so that other diagnoses of the same claim are seen too.
    basis=Episode(OFFICE_VISITS.accompanied_by(_BACK_PAIN).starting(Window(MP.start, MP.end.minus("28d"))).first()),
    initial_population=aged(18, 75, window=INDEX) & Enrolled(Window(INDEX.start.minus("180d"), _IMAGED_IN.end)),
    denominator=_BACK_PAIN.overlapping(look_back("180d")).is_missing(),
    denominator_exclusion=_had(Window(INDEX.start.minus("5y"), _IMAGED_IN.end), "cancer")
    | _had(
        Window(INDEX.start.minus("1y"), _IMAGED_IN.end), "neurologic_impairment", "spinal_infection", "drug_injection"
    )
    | _had(Window(INDEX.start.minus("90d"), _IMAGED_IN.end), "trauma")
    | (_STEROIDS.exists() & (_STEROIDS.covered_days() >= 90)),
    numerator=events.procedure.in_("lumbar_imaging").starting(_IMAGED_IN).exists(),
)

_VIRAL = events.condition.in_("acute_viral_respiratory_infection")
ANTIBIOTIC_FOR_VIRAL_INFECTION = Measure(
    "appropriate_use.antibiotic_for_viral_infection",
    VERSION,
    "lower_is_better",
    basis=Episode(
        OFFICE_VISITS.with_code("encounter-type", "emergency_visit")
        .accompanied_by(_VIRAL)
        .not_accompanied_by(events.condition.in_("bacterial_infection"))
        .starting(Window(MP.start, MP.end.minus("3d"))),
        days_apart=30,
    ),
    initial_population=aged(3, window=INDEX) & Enrolled(Window(INDEX.start.minus("30d"), INDEX.start.plus("3d"))),
    denominator_exclusion=events.dispensing.in_("antibiotic").starting(look_back("30d")).exists()
    | _had(
        Window(INDEX.start.minus("1y"), INDEX.start),
        "chronic_obstructive_pulmonary_disease",
        "cancer",
        "immunocompromised",
    ),
    numerator=events.dispensing.in_("antibiotic").starting(Window(INDEX.start, INDEX.start.plus("3d"))).exists(),
)

MEASURES: list[Measure | Composite] = [IMAGING_FOR_LOW_BACK_PAIN, ANTIBIOTIC_FOR_VIRAL_INFECTION]
