"""Cardiovascular disease: statins, and beta blockers after an infarction."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.measure import Composite, Episode, Measure
from openvbp.measures.shared_conditions import END_STAGE_RENAL_DISEASE, ENROLLED, HOSPICE, aged, diagnosed
from openvbp.measures.values import INDEX, MP, Enrolled, Person, Window

VERSION = "2026.1"
_LAST_YEAR = Window(MP.start.minus("1y"), MP.start.minus("1d"))
# Seen in both years: it lasts, and there was time to treat.
_HAS_DISEASE = events.condition.in_("atherosclerotic_disease").overlapping(_LAST_YEAR).exists() & (
    events.condition.in_("atherosclerotic_disease").overlapping(MP).exists()
)
_INTOLERANT = events.condition.in_("statin_intolerance").overlapping(MP).exists()

STATIN_USE = Measure(
    "cardiovascular.statin_use",
    VERSION,
    "higher_is_better",
    initial_population=aged(21, 75) & _HAS_DISEASE & ENROLLED & Enrolled(_LAST_YEAR, gap_days=45, gaps=1),
    denominator_exclusion=HOSPICE | END_STAGE_RENAL_DISEASE,
    numerator=events.dispensing.in_("statin").starting(MP).exists(),
    denominator_exception=_INTOLERANT,
)
BLOOD_PRESSURE_DRUG_IN_HEART_FAILURE = Measure(
    "cardiovascular.renin_angiotensin_antagonist_in_heart_failure",
    VERSION,
    "higher_is_better",
    initial_population=aged(18) & diagnosed("heart_failure", MP.with_look_back("1y")) & ENROLLED,
    denominator_exclusion=HOSPICE | END_STAGE_RENAL_DISEASE,
    numerator=events.dispensing.in_("renin_angiotensin_antagonist", "sacubitril_valsartan").starting(MP).exists(),
)
_AFTER = Window(INDEX.end.plus("1d"), INDEX.end.plus("180d"))
_BEFORE = Window(INDEX.start.minus("1y"), INDEX.end)
_BETA_BLOCKER = events.dispensing.in_("beta_blocker").starting(_AFTER)
_DIED = Person("death_date") <= _AFTER.end
BETA_BLOCKER_AFTER_INFARCTION = Measure(
    "cardiovascular.beta_blocker_after_infarction",
    VERSION,
    "higher_is_better",
    # Half a year must have passed by the end of the period.
    basis=Episode(
        events.stay.in_("myocardial_infarction")
        .having("is_last_of_chain", "==", True)  # noqa: FBT003
        .ending(Window(MP.start.minus("180d"), MP.end.minus("180d"))),
    ),
    initial_population=aged(18, window=INDEX) & Enrolled(_AFTER, gap_days=45, gaps=1),
    denominator_exclusion=_DIED.otherwise(False)  # noqa: FBT003
    | events.encounter.with_code("encounter-type", "hospice").overlapping(_AFTER).exists()
    | events.condition.in_("asthma", "low_blood_pressure", "heart_block").overlapping(_BEFORE).exists(),
    # 135 of 180 days are three quarters.
    numerator=_BETA_BLOCKER.exists() & (_BETA_BLOCKER.covered_days() >= 135),
)

MEASURES: list[Measure | Composite] = [
    STATIN_USE,
    BLOOD_PRESSURE_DRUG_IN_HEART_FAILURE,
    BETA_BLOCKER_AFTER_INFARCTION,
]
