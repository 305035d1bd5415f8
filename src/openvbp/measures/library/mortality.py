"""Death within 30 days of admission, by condition and hospital-wide."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.events import index_field
from openvbp.measures.hospital_stays import (
    AGED_65,
    CONDITIONS,
    DIED_IN_HOSPITAL,
    ENROLLED_BEFORE,
    HOSPICE,
    LEFT_AGAINST_ADVICE,
    day_of_death,
    first_of_chain,
    is_surely,
)
from openvbp.measures.measure import Composite, Episode, Measure
from openvbp.measures.values import DATA_END, INDEX, MP, Age, DaysBetween, Value, Window, any_of

VERSION = "2026.1"
LAST_DAY = INDEX.start.plus("30d")
IN_POPULATION = AGED_65 & ENROLLED_BEFORE
EXCLUDED: list[Value] = [
    LEFT_AGAINST_ADVICE,
    HOSPICE.overlapping(Window(INDEX.start.minus("12m"), INDEX.start)).exists(),
    # A day of death before the admission is an error of the data.
    is_surely(day_of_death < INDEX.start),
    is_surely(DATA_END < LAST_DAY),
]
# Discharged alive on the day of admission or the day after, and not transferred: what was coded is hardly true.
IMPLAUSIBLY_SHORT = (
    ~DIED_IN_HOSPITAL & is_surely(index_field("is_last_of_chain")) & (DaysBetween(INDEX.start, INDEX.end) <= 1)
)
_SHORT_STAYS_ARE_EXCLUDED = ("acute_myocardial_infarction", "heart_failure", "pneumonia")
# Where the day of death is not known, a discharge tells it, of this stay or of one after it.
_DISCHARGED_DEAD = events.stay.having("discharge_disposition", "==", "20").ending(Window(INDEX.start, LAST_DAY))
DIED = (
    is_surely(day_of_death <= LAST_DAY)
    | (is_surely(index_field("discharge_disposition") == "20") & (INDEX.end <= LAST_DAY))
    | _DISCHARGED_DEAD.exists()
)


def _of_condition(name: str) -> Measure:
    excluded = [*EXCLUDED, IMPLAUSIBLY_SHORT] if name in _SHORT_STAYS_ARE_EXCLUDED else EXCLUDED
    # The hospital that operates answers for a bypass graft, also if the patient was transferred to it.
    is_operation = name == "coronary_artery_bypass_graft"
    index = events.stay.in_(f"{name}_stay").ending(MP) if is_operation else first_of_chain(f"{name}_stay")
    return Measure(
        f"mortality.{name}",
        VERSION,
        "lower_is_better",
        basis=Episode(index, is_one_drawn=True),
        initial_population=IN_POPULATION,
        denominator_exclusion=any_of(excluded),
        numerator=DIED,
    )


HOSPITAL_WIDE = Measure(
    "mortality.hospital_wide",
    VERSION,
    "lower_is_better",
    basis=Episode(first_of_chain(), is_one_drawn=True),
    initial_population=IN_POPULATION & (Age(INDEX.start) <= 94),
    denominator=~index_field("cohort").is_missing(),
    denominator_exclusion=any_of(EXCLUDED),
    numerator=DIED,
    strata=(("cohort", index_field("cohort")),),
)

MEASURES: list[Measure | Composite] = [*map(_of_condition, CONDITIONS), HOSPITAL_WIDE]
