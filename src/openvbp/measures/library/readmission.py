"""Unplanned readmission within 30 days of discharge, by condition and hospital-wide."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.events import index_field
from openvbp.measures.hospital_stays import (
    AGED_65,
    ARTHROPLASTY,
    CONDITIONS,
    DIED_IN_HOSPITAL,
    ENROLLED_BEFORE,
    IS_ELECTIVE_PRIMARY,
    LEFT_AGAINST_ADVICE,
    last_of_chain,
    seen_through,
)
from openvbp.measures.measure import Composite, Episode, Measure
from openvbp.measures.values import INDEX, Value, follow_up

VERSION = "2026.1"
DAYS = 30
WINDOW = follow_up("0d", f"{DAYS}d")
IN_POPULATION = AGED_65 & ENROLLED_BEFORE & ~DIED_IN_HOSPITAL
EXCLUDED = LEFT_AGAINST_ADVICE | ~seen_through(INDEX.end.plus(f"{DAYS}d"))
# The first admission decides: if it is planned, an unplanned one after it is not this hospital's. Transfers, and
# same-day admissions to the same hospital for the same condition, go on with the chain of the index and are none.
_NEXT = events.stay.having("is_first_of_chain", "==", True).starting(WINDOW).first()  # noqa: FBT003
READMITTED = _NEXT.having("is_planned", "==", False).exists()  # noqa: FBT003


def _measure(
    name: str, index: Episode, denominator: Value | None = None, strata: tuple[tuple[str, Value], ...] = ()
) -> Measure:
    return Measure(
        f"readmission.{name}",
        VERSION,
        "lower_is_better",
        basis=index,
        initial_population=IN_POPULATION,
        denominator_exclusion=EXCLUDED,
        numerator=READMITTED,
        strata=strata,
        **({} if denominator is None else {"denominator": denominator}),
    )


BY_CONDITION = [_measure(name, Episode(last_of_chain(f"{name}_stay"), days_apart=DAYS)) for name in CONDITIONS]
AFTER_ARTHROPLASTY = _measure(
    ARTHROPLASTY, Episode(last_of_chain(f"{ARTHROPLASTY}_stay"), days_apart=DAYS), IS_ELECTIVE_PRIMARY
)
HOSPITAL_WIDE = _measure(
    "hospital_wide",
    Episode(last_of_chain()),
    ~index_field("cohort").is_missing(),
    (("cohort", index_field("cohort")),),
)

MEASURES: list[Measure | Composite] = [*BY_CONDITION, AFTER_ARTHROPLASTY, HOSPITAL_WIDE]
