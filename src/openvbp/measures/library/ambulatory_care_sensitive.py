"""Hospital stays that good care outside could have prevented, in the manner of the Prevention Quality Indicators."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.events import Events
from openvbp.measures.measure import Composite, Measure
from openvbp.measures.shared_conditions import aged
from openvbp.measures.values import MP, Age, EnrolledDays, Value, choose

VERSION = "2026.1"
_PER_100_000_PERSON_YEARS = 100_000 * 365
# Who comes from another hospital was admitted there: the chain's first stay counts.
_STAYS = events.stay.having("is_first_of_chain", "==", True)  # noqa: FBT003
_DIAGNOSES = events.condition.having("setting", "==", "inpatient")
_AIRWAYS = _DIAGNOSES.in_("cystic_fibrosis_and_airway_anomalies")
_WEAKENED = _DIAGNOSES.in_("immunocompromised")
_HEART_PROCEDURE = events.procedure.in_("cardiac_procedure")


def _count(stays: Events) -> Value:
    return stays.starting(MP).count()


def _rate(name: str, number: Value, population: Value | None = None) -> Measure:
    return Measure(
        f"ambulatory_care_sensitive.{name}",
        VERSION,
        "lower_is_better",
        scoring="ratio",
        scale=_PER_100_000_PERSON_YEARS,
        initial_population=aged(18) if population is None else population,
        numerator_value=number,
        denominator_value=EnrolledDays(MP),
    )


SHORT_TERM = _STAYS.in_("diabetes_short_term_complication")
LONG_TERM = _STAYS.in_("diabetes_long_term_complication")
UNCONTROLLED = _STAYS.in_("diabetes_uncontrolled")
AMPUTATION = (
    _STAYS.accompanied_by(events.procedure.in_("lower_extremity_amputation"))
    .accompanied_by(_DIAGNOSES.in_("diabetes"))
    .not_accompanied_by(_DIAGNOSES.in_("traumatic_amputation"))
)
PULMONARY = _STAYS.in_("chronic_obstructive_pulmonary_disease", "asthma_admission").not_accompanied_by(_AIRWAYS)
ASTHMA = _STAYS.in_("asthma_admission").not_accompanied_by(_AIRWAYS)
HYPERTENSION = (
    _STAYS.in_("hypertension_admission")
    .not_accompanied_by(_HEART_PROCEDURE)
    .not_accompanied_by(events.procedure.in_("dialysis_access"))
)
HEART_FAILURE = _STAYS.in_("heart_failure_admission").not_accompanied_by(_HEART_PROCEDURE)
PNEUMONIA = (
    _STAYS.in_("bacterial_pneumonia")
    .not_accompanied_by(_DIAGNOSES.in_("sickle_cell_disease"))
    .not_accompanied_by(_WEAKENED)
)
URINARY = (
    _STAYS.in_("urinary_tract_infection")
    .not_accompanied_by(_DIAGNOSES.in_("kidney_or_urinary_tract_disorder"))
    .not_accompanied_by(_WEAKENED)
)

# In sums an amputation counts only where the stay's principal diagnosis does not count already.
_OTHER_AMPUTATION = AMPUTATION.not_accompanied_by(
    events.stay.in_("diabetes_short_term_complication", "diabetes_long_term_complication", "diabetes_uncontrolled")
)
_OF_DIABETES = _count(SHORT_TERM) + _count(LONG_TERM) + _count(UNCONTROLLED) + _count(_OTHER_AMPUTATION)
_OF_LUNGS = choose(Age(MP.end) >= 40, _count(PULMONARY), _count(ASTHMA))
_CHRONIC = _OF_DIABETES + _OF_LUNGS + _count(HYPERTENSION) + _count(HEART_FAILURE)
_ACUTE = _count(PNEUMONIA) + _count(URINARY)

MEASURES: list[Measure | Composite] = [
    _rate("diabetes_short_term", _count(SHORT_TERM)),
    _rate("diabetes_long_term", _count(LONG_TERM)),
    _rate("pulmonary_disease_in_older_adults", _count(PULMONARY), aged(40)),
    _rate("hypertension", _count(HYPERTENSION)),
    _rate("heart_failure", _count(HEART_FAILURE)),
    _rate("bacterial_pneumonia", _count(PNEUMONIA)),
    _rate("urinary_tract_infection", _count(URINARY)),
    _rate("diabetes_uncontrolled", _count(UNCONTROLLED)),
    _rate("asthma_in_younger_adults", _count(ASTHMA), aged(18, 39)),
    _rate("amputation_in_diabetes", _count(AMPUTATION)),
    _rate("overall", _CHRONIC + _ACUTE),
    _rate("acute", _ACUTE),
    _rate("chronic", _CHRONIC),
    _rate("diabetes", _OF_DIABETES),
]
