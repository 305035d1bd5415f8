"""Adherence to drugs that only work when taken, by the proportion of days covered; and drugs dangerous together."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.events import Events
from openvbp.measures.measure import Composite, Measure
from openvbp.measures.shared_conditions import END_STAGE_RENAL_DISEASE, ENROLLED, HOSPICE, aged
from openvbp.measures.values import MP, DaysBetween, Value, Window

VERSION = "2026.1"


def treated(drugs: Events) -> Value:
    """Handed out on two days, the first of them at least 91 days before the period's end."""
    fills = drugs.starting(MP)
    return (fills.days() >= 2) & (DaysBetween(fills.first_date(), MP.end) >= 91)


def covered_share_at_least(drugs: Events, percent: int) -> Value:
    """Days covered from the first dispensing of the period to its end, as a share of those days.

    Not evaluable where a dispensing does not say for how many days it is.
    """
    first = drugs.starting(MP).first_date()
    covered = drugs.starting(Window(first, MP.end)).covered_days()
    return covered * 100 >= (DaysBetween(first, MP.end) + 1) * percent


def _adherence(name: str, drugs: Events, excluded: Value) -> Measure:
    return Measure(
        f"medication_adherence.{name}",
        VERSION,
        "higher_is_better",
        initial_population=aged(18) & ENROLLED & treated(drugs),
        denominator_exclusion=HOSPICE | excluded,
        numerator=covered_share_at_least(drugs, 80),
    )


def _dispensed(value_set: str) -> Value:
    return events.dispensing.in_(value_set).starting(MP).exists()


STATINS = _adherence("statins", events.dispensing.in_("statin"), END_STAGE_RENAL_DISEASE)
RENIN_ANGIOTENSIN = _adherence(
    "renin_angiotensin_antagonists",
    events.dispensing.in_("renin_angiotensin_antagonist"),
    END_STAGE_RENAL_DISEASE | _dispensed("sacubitril_valsartan"),
)
DIABETES = _adherence(
    "diabetes_drugs",
    events.dispensing.in_("non_insulin_glucose_lowering_drug"),
    END_STAGE_RENAL_DISEASE | _dispensed("insulin"),
)

_OPIOIDS = events.dispensing.in_("opioid").starting(MP)
_BENZODIAZEPINES = events.dispensing.in_("benzodiazepine").starting(MP)
_EITHER = events.dispensing.in_("opioid", "benzodiazepine").starting(MP)
# Days of both are those of one and of the other, less those of either.
_DAYS_OF_BOTH = _OPIOIDS.covered_days() + _BENZODIAZEPINES.covered_days() - _EITHER.covered_days()


def _had(*value_sets: str) -> Value:
    return events.condition.in_(*value_sets).overlapping(MP).exists()


OPIOIDS_WITH_BENZODIAZEPINES = Measure(
    "medication_adherence.opioids_with_benzodiazepines",
    VERSION,
    "lower_is_better",
    initial_population=aged(18) & ENROLLED & (_OPIOIDS.days() >= 2) & (_OPIOIDS.covered_days() >= 15),
    denominator_exclusion=HOSPICE | _had("cancer", "sickle_cell_disease", "palliative_care"),
    numerator=(_BENZODIAZEPINES.days() >= 2) & (_DAYS_OF_BOTH >= 30),
)

MEASURES: list[Measure | Composite] = [STATINS, RENIN_ANGIOTENSIN, DIABETES, OPIOIDS_WITH_BENZODIAZEPINES]
