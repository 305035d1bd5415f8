"""Seen by a clinician soon after a hospital stay or an emergency visit."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.events import Events
from openvbp.measures.measure import Composite, Episode, Measure
from openvbp.measures.shared_conditions import EMERGENCY_VISITS, OFFICE_VISITS, aged
from openvbp.measures.values import INDEX, MP, Enrolled, Person, Value, Window, follow_up

VERSION = "2026.1"
_IN_TIME = Window(MP.start, MP.end.minus("30d"))
_MENTAL_ILLNESS = events.condition.in_("mental_illness")
_MONTH = follow_up("0d", "30d")
_DIED = (Person("death_date") <= _MONTH.end).otherwise(False)  # noqa: FBT003
_HOSPICE = events.encounter.with_code("encounter-type", "hospice").overlapping(_MONTH).exists()
# Died, left against advice, or sent to hospice.
_GONE = events.index_field("discharge_disposition").is_in("07", "20", "40", "41", "42", "50", "51")


def _after_stay(name: str, stays: Events, days: int, age: int, visits: Events) -> Measure:
    soon = follow_up("1d", f"{days}d")
    readmitted: Value = events.stay.starting(follow_up("0d", f"{days}d")).exists()
    return Measure(
        f"follow_up.{name}",
        VERSION,
        "higher_is_better",
        basis=Episode(stays.having("is_last_of_chain", "==", True).ending(_IN_TIME)),  # noqa: FBT003
        initial_population=aged(age, window=INDEX) & Enrolled(_MONTH),
        # Who is back in hospital cannot be seen outside.
        denominator_exclusion=_GONE.otherwise(False) | _DIED | _HOSPICE | readmitted,  # noqa: FBT003
        numerator=visits.starting(soon).exists(),
    )


AFTER_HOSPITAL = _after_stay("after_hospital_7_days", events.stay, 7, 18, OFFICE_VISITS)
AFTER_HEART_FAILURE = _after_stay(
    "after_heart_failure_14_days", events.stay.in_("heart_failure_admission"), 14, 18, OFFICE_VISITS
)
AFTER_MENTAL_ILLNESS = _after_stay(
    "after_mental_illness_30_days",
    events.stay.in_("mental_illness"),
    30,
    6,
    OFFICE_VISITS.accompanied_by(_MENTAL_ILLNESS),
)
AFTER_EMERGENCY_VISIT = Measure(
    "follow_up.after_emergency_visit_7_days",
    VERSION,
    "higher_is_better",
    basis=Episode(
        EMERGENCY_VISITS.accompanied_by(_MENTAL_ILLNESS.having("is_principal", "==", True))  # noqa: FBT003
        .not_accompanied_by(events.stay)
        .starting(_IN_TIME),
        days_apart=30,
    ),
    initial_population=aged(6, window=INDEX) & Enrolled(_MONTH),
    denominator_exclusion=_DIED | _HOSPICE | events.stay.starting(follow_up("1d", "30d")).exists(),
    numerator=OFFICE_VISITS.accompanied_by(_MENTAL_ILLNESS).starting(follow_up("0d", "7d")).exists(),
)

MEASURES: list[Measure | Composite] = [
    AFTER_HOSPITAL,
    AFTER_HEART_FAILURE,
    AFTER_MENTAL_ILLNESS,
    AFTER_EMERGENCY_VISIT,
]
