"""Cost of care: of persons over time, and of what surrounds a hospital stay. Amounts are allowed, in US dollars."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.measure import Composite, Episode, Measure
from openvbp.measures.values import INDEX, MP, Enrolled, EnrolledDays, Person, Window

VERSION = "2026.1"
_DAYS_OF_YEAR = 365
_LINES = events.claim_line.starting(MP)
_FILLS = events.dispensing.starting(MP)
_MEDICAL = _LINES.sum()
_MEDICAL_AND_PHARMACY = _MEDICAL + _FILLS.sum()
# A total with an amount missing in it is not known: such persons are left out.
_ALL_PRICED = ~(_LINES.any_null() | _FILLS.any_null())
_MEMBER_DAYS = EnrolledDays(MP)

MEDICAL_PER_YEAR = Measure(
    "total_cost.medical_per_person_year",
    VERSION,
    "lower_is_better",
    scoring="ratio",
    scale=_DAYS_OF_YEAR,
    denominator=~_LINES.any_null(),
    numerator_value=_MEDICAL,
    denominator_value=_MEMBER_DAYS,
)
TOTAL_PER_YEAR = Measure(
    "total_cost.medical_and_pharmacy_per_person_year",
    VERSION,
    "lower_is_better",
    scoring="ratio",
    scale=_DAYS_OF_YEAR,
    denominator=_ALL_PRICED,
    numerator_value=_MEDICAL_AND_PHARMACY,
    denominator_value=_MEMBER_DAYS,
)
TOTAL_PER_MONTH = Measure(
    "total_cost.medical_and_pharmacy_per_member_month",
    VERSION,
    "lower_is_better",
    scoring="ratio",
    # A month is a twelfth of a year of 365 days: dollars × 365 for each day × 12.
    scale=_DAYS_OF_YEAR,
    denominator=_ALL_PRICED,
    numerator_value=_MEDICAL_AND_PHARMACY,
    denominator_value=_MEMBER_DAYS * 12,
)

_EPISODE = Window(INDEX.start.minus("3d"), INDEX.end.plus("30d"))
_AROUND = Window(INDEX.start.minus("90d"), _EPISODE.end)
_STAYS = events.stay.having("is_first_of_chain", "==", True).having("is_last_of_chain", "==", True)  # noqa: FBT003
_DIED = (Person("death_date") <= _EPISODE.end).otherwise(False)  # noqa: FBT003
_EPISODE_LINES = events.claim_line.starting(_EPISODE)
# Not transferred, 30 days left to the period's end, and not within 30 days of another.
_INDEX_STAYS = Episode(_STAYS.ending(Window(MP.start, MP.end.minus("30d"))), days_apart=30)

HOSPITAL_EPISODE = Measure(
    "total_cost.hospital_episode",
    VERSION,
    "lower_is_better",
    basis=_INDEX_STAYS,
    scoring="continuous",
    initial_population=Enrolled(_AROUND),
    denominator=~_EPISODE_LINES.any_null(),
    denominator_exclusion=_DIED,
    numerator_value=_EPISODE_LINES.sum(),
)
SPENDING_BEYOND_STAY = Measure(
    "total_cost.hospital_episode_to_stay",
    VERSION,
    "lower_is_better",
    basis=_INDEX_STAYS,
    scoring="ratio",
    initial_population=Enrolled(_AROUND),
    denominator=~_EPISODE_LINES.any_null() & (events.index_field("value") > 0),
    denominator_exclusion=_DIED,
    numerator_value=_EPISODE_LINES.sum(),
    denominator_value=events.index_field("value"),
)

MEASURES: list[Measure | Composite] = [
    MEDICAL_PER_YEAR,
    TOTAL_PER_YEAR,
    TOTAL_PER_MONTH,
    HOSPITAL_EPISODE,
    SPENDING_BEYOND_STAY,
]
