"""Complications after an operation that was planned, by hospital."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.hospital_stays import (
    AGED_65,
    ARTHROPLASTY,
    ENROLLED_BEFORE,
    IS_ELECTIVE_PRIMARY,
    LEFT_AGAINST_ADVICE,
    first_of_chain,
    seen_through,
)
from openvbp.measures.library.hospital_acquired_conditions import is_acquired
from openvbp.measures.library.mortality import DIED
from openvbp.measures.measure import Composite, Episode, Measure
from openvbp.measures.values import INDEX, Value, Window, any_of

VERSION = "2026.1"
LONGEST = 90
WITHIN = {
    7: ("acute_myocardial_infarction_stay", "pneumonia_stay", "sepsis_or_shock"),
    30: ("surgical_site_bleeding", "pulmonary_embolism"),
    LONGEST: ("joint_prosthesis_mechanical_complication", "joint_or_wound_infection"),
}
"""Days from the admission to the value sets of what counts in them; so does death within 30 days."""


def _complication(days: int, value_sets: tuple[str, ...]) -> Value:
    """Arisen in the stay itself, or the reason of a later one that begins within the days."""
    secondary = (
        events.condition.in_(*value_sets)
        .having("is_principal", "==", False)  # noqa: FBT003
        .having("setting", "==", "inpatient")
        .during(INDEX)
    )
    later = Window(INDEX.start.plus("1d"), INDEX.start.plus(f"{days}d"))
    return events.stay.in_(*value_sets).starting(later).exists() | is_acquired(secondary)


AFTER_ARTHROPLASTY = Measure(
    f"complications.{ARTHROPLASTY}",
    VERSION,
    "lower_is_better",
    basis=Episode(first_of_chain(f"{ARTHROPLASTY}_stay"), is_one_drawn=True),
    initial_population=AGED_65 & ENROLLED_BEFORE,
    denominator=IS_ELECTIVE_PRIMARY,
    denominator_exclusion=LEFT_AGAINST_ADVICE | ~seen_through(INDEX.start.plus(f"{LONGEST}d")),
    numerator=any_of([DIED, *(_complication(days, names) for days, names in WITHIN.items())]),
)

MEASURES: list[Measure | Composite] = [AFTER_ARTHROPLASTY]
