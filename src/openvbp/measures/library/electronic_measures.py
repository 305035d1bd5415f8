"""Measures on electronic health records, in the semantics of the US electronic clinical quality measures.

They ask for what claims do not tell: statuses, orders, assessments. See :mod:`openvbp.measures.fhir`. Value sets are
named as at the Value Set Authority Center, in small letters.
"""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.events import Events
from openvbp.measures.measure import Composite, Measure
from openvbp.measures.shared_conditions import aged
from openvbp.measures.values import MP, Age, Value, any_of

VERSION = "2026.1"
_ASSESSMENT, _ANSWER, _ORDER, _MEDICATION_ORDER = map(Events, ("assessment", "answer", "order", "medication_order"))
_EVER = MP.with_look_back("130y")


def _but(some: Events, field: str, *values: str) -> Events:
    """Leave out events with one of the values in a field, or with none."""
    for value in values:
        some = some.having(field, "!=", value)
    return some


def _performed(some: Events) -> Events:
    """Encounters that took place, or are under way."""
    return _but(some, "status", "planned", "cancelled", "unknown")


def _final(some: Events) -> Events:
    """Results and answers that stand: final, amended or corrected."""
    return _but(some, "status", "registered", "preliminary", "cancelled", "unknown")


def _ordered(some: Events) -> Events:
    """Orders that are active or completed."""
    asked = some.having("intent", "==", "order").having("is_declined", "==", False)  # noqa: FBT003
    return _but(asked, "status", "draft", "on-hold", "revoked", "unknown")


def _asked(code: str) -> Events:
    """Answers to a question of a survey."""
    return _final(_ASSESSMENT.with_code("loinc", code)).having("category", "==", "survey")


def _diagnosed(value_set: str) -> Value:
    return events.condition.in_(value_set).prevalent(MP).exists()


_ENCOUNTERS = _performed(events.encounter)
_INTERVENTIONS = events.procedure.having("status", "==", "completed")
_LEFT_FOR_HOSPICE = _ENCOUNTERS.in_("encounter_inpatient").ending(MP)
HOSPICE = any_of(
    [
        _LEFT_FOR_HOSPICE.having("discharge_disposition", "==", "snomed-ct:428361000124107").exists(),
        _LEFT_FOR_HOSPICE.having("discharge_disposition", "==", "snomed-ct:428371000124100").exists(),
        _ENCOUNTERS.in_("hospice_encounter").overlapping(MP).exists(),
        _asked("45755-6").having("answer", "==", "snomed-ct:373066001").overlapping(MP).exists(),
        _ordered(_ORDER.in_("hospice_care_ambulatory")).during(MP).exists(),
        _INTERVENTIONS.in_("hospice_care_ambulatory").overlapping(MP).exists(),
        _diagnosed("hospice_diagnosis"),
    ]
)
"""Hospice care in the period."""
PALLIATIVE_CARE = any_of(
    [
        _asked("71007-9").overlapping(MP).exists(),
        _diagnosed("palliative_care_diagnosis"),
        _ENCOUNTERS.in_("palliative_care_encounter").overlapping(MP).exists(),
        _INTERVENTIONS.in_("palliative_care_intervention").overlapping(MP).exists(),
    ]
)
"""Palliative care in the period."""

_EQUIPMENT = _final(_ANSWER.in_("frailty_device")).having("question", "==", "loinc:98181-1")
FRAILTY = any_of(
    [
        _ordered(_ORDER.in_("frailty_device")).during(MP).exists(),
        _EQUIPMENT.having("category", "==", "survey").ending(MP).exists(),
        _diagnosed("frailty_diagnosis"),
        _ENCOUNTERS.in_("frailty_encounter").overlapping(MP).exists(),
        # A symptom counts before its record is final.
        _but(_ASSESSMENT.in_("frailty_symptom"), "status", "registered", "cancelled", "unknown")
        .overlapping(MP)
        .exists(),
    ]
)
"""Signs of frailty in the period."""
_TWO_YEARS = MP.with_look_back("1y")
_DEMENTIA_DRUGS = (
    _MEDICATION_ORDER.in_("dementia_medications")
    .having("status", "==", "active")
    .having("intent", "==", "order")
    .having("is_declined", "==", False)  # noqa: FBT003
    # An order of unknown duration does not count.
    .having("days_supply", ">", 0)
)
ADVANCED_ILLNESS = (
    events.condition.in_("advanced_illness").starting(_TWO_YEARS).exists()
    | _DEMENTIA_DRUGS.overlapping(_TWO_YEARS).exists()
)
"""A grave illness that began, or drugs for dementia, in the period or the year before."""
NURSING_HOME = _asked("71802-3").ending(_EVER).last().having("answer", "==", "snomed-ct:160734000").exists()
"""Lives in a nursing home, by the latest record up to the period's end."""
_IS_OLD = Age(MP.end) >= 66
EXCLUDED = HOSPICE | PALLIATIVE_CARE | (_IS_OLD & FRAILTY & ADVANCED_ILLNESS) | (_IS_OLD & NURSING_HOME)

_VISIT_SETS = (
    "office_visit",
    "annual_wellness_visit",
    "preventive_care_services_established_office_visit_18_and_up",
    "preventive_care_services_initial_office_visit_18_and_up",
    "home_healthcare_services",
    "nutrition_services",
    "telephone_visits",
)
# Nutrition therapy in group or single: two HCPCS codes; the codes of CPT are in the user's own value set.
VISITS = _ENCOUNTERS.in_(*_VISIT_SETS, "medical_nutrition_therapy").with_code("hcpcs", "G0270", "G0271")
WITH_DIABETES = aged(18, 75) & VISITS.during(MP).exists() & _diagnosed("diabetes")
_RESULTS = (
    _final(events.laboratory.in_("hba1c_laboratory_test").with_code("loinc", "97506-0"))
    .having("category", "==", "laboratory")
    .starting(MP)
)
_LATEST = _RESULTS.last_day()

GLYCEMIA_TESTED = Measure(
    "electronic.diabetes_glycemia_tested",
    VERSION,
    "higher_is_better",
    initial_population=WITH_DIABETES,
    denominator_exclusion=EXCLUDED,
    numerator=_RESULTS.exists(),
)
GLYCEMIA_ABOVE_9 = Measure(
    "electronic.diabetes_glycemia_above_9",
    VERSION,
    "lower_is_better",
    initial_population=WITH_DIABETES,
    denominator_exclusion=EXCLUDED,
    # The lowest of the latest day; a number in another unit than percent says nothing here.
    numerator=_LATEST.is_missing() | _LATEST.any_null() | (_LATEST.having("unit", "==", "%").minimum() > 9),
)
MEASURES: list[Measure | Composite] = [GLYCEMIA_TESTED, GLYCEMIA_ABOVE_9]
