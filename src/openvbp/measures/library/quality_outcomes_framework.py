"""Registers and indicators in the manner of the English Quality and Outcomes Framework, as ordered rules.

A register holds who has the condition. An indicator's rules are gone through in order: who has reached the goal is
selected first, so that adjustments (too new, unsuitable, declined, invited in vain) apply only to those who have not.
"""

from __future__ import annotations

from collections.abc import Sequence

from openvbp.measures import events
from openvbp.measures.measure import Composite, Measure
from openvbp.measures.values import (
    MP,
    Action,
    Age,
    DaysBetween,
    Enrolled,
    Value,
    Window,
    ordered,
)

VERSION = "2026.1"
_EVER = MP.with_look_back("120y")
_LAST_SIX_MONTHS = Window(MP.end.minus("6m").plus("1d"), MP.end)
Rule = tuple[Value, Action, Action]


def _diagnosed(condition: str) -> Value:
    """The latest diagnosis is not followed by a record that the condition is resolved."""
    found = events.condition.in_(condition).starting(_EVER)
    resolved = events.condition.in_(f"{condition}_resolved").starting(_EVER)
    return found.exists() & (resolved.is_missing() | (found.last_date() > resolved.last_date()))


def _recorded(value_set: str, window: Window = MP) -> Value:
    return events.condition.in_(value_set).starting(window).exists()


def _register(name: str, condition: str, age: int = 0) -> tuple[Measure, Value]:
    has_it = _diagnosed(condition) if not age else _diagnosed(condition) & (Age(MP.end) >= age)
    measure = Measure(
        f"quality_outcomes_framework.{name}_register",
        VERSION,
        "higher_is_better",
        scoring="cohort",
        initial_population=has_it,
    )
    return measure, has_it


def _invited_twice(care: str) -> Value:
    """At least two invitations, at least 7 days apart."""
    invitations = events.procedure.in_(f"{care}_invitation").starting(MP)
    return DaysBetween(invitations.first_date(), invitations.last_date()) >= 7


def _adjustments(care: str, *, new_months: int, condition: str) -> list[Rule]:
    """Personalised care adjustments, in their order: registered or diagnosed lately, unsuitable, declined, invited."""
    lately = MP.end.minus(f"{new_months}m")
    first_diagnosis = events.condition.in_(condition).starting(_EVER).first_date()
    return [
        (~Enrolled(Window(lately, MP.end)), "reject", "next"),
        (first_diagnosis > lately, "reject", "next"),
        (_recorded(f"{care}_unsuitable"), "reject", "next"),
        (_recorded(f"{care}_declined"), "reject", "next"),
        (_invited_twice(care), "reject", "next"),
    ]


def _indicator(
    name: str,
    register: Value,
    reached: Value,
    adjustments: Sequence[Rule],
    left_out: Sequence[Value] = (),
    specific: Sequence[Rule] = (),
) -> Measure:
    first: list[Rule] = [(one, "reject", "next") for one in left_out]
    return Measure(
        f"quality_outcomes_framework.{name}",
        VERSION,
        "higher_is_better",
        initial_population=register,
        denominator=ordered(*first, (reached, "select", "next"), *specific, *adjustments),
        numerator=reached,
    )


def _pressure_at_most(systolic: int, diastolic: int) -> Value:
    """Latest reading of the period; of one day the lowest counts. False without one."""
    upper = events.laboratory.in_("systolic_pressure").starting(MP).last_day()
    lower = events.laboratory.in_("diastolic_pressure").starting(MP).last_day()
    is_low = (upper.last_date() == lower.last_date()) & (upper.minimum() <= systolic) & (lower.minimum() <= diastolic)
    return is_low.otherwise(False)  # noqa: FBT003


HYPERTENSION_REGISTER, _HYPERTENSION = _register("hypertension", "hypertension")
DIABETES_REGISTER, _DIABETES = _register("diabetes", "diabetes", 17)
PULMONARY_REGISTER, _PULMONARY = _register("pulmonary_disease", "chronic_obstructive_pulmonary_disease")
HEART_FAILURE_REGISTER, _HEART_FAILURE = _register("heart_failure", "heart_failure")

_PRESSURE_DECLINED: list[Rule] = [(_recorded("blood_pressure_declined"), "reject", "next")]
_FRAIL = _recorded("moderate_or_severe_frailty", _EVER)
_OF_HYPERTENSION = _adjustments("hypertension_care", new_months=9, condition="hypertension")
_OF_DIABETES = _adjustments("diabetes_care", new_months=9, condition="diabetes")
PRESSURE_UNDER_80 = _indicator(
    "hypertension_pressure_under_80",
    _HYPERTENSION,
    _pressure_at_most(140, 90),
    _OF_HYPERTENSION,
    [Age(MP.end) >= 80],
    _PRESSURE_DECLINED,
)
PRESSURE_FROM_80 = _indicator(
    "hypertension_pressure_from_80",
    _HYPERTENSION,
    _pressure_at_most(150, 90),
    _OF_HYPERTENSION,
    [Age(MP.end) < 80],
    _PRESSURE_DECLINED,
)
_HBA1C = events.laboratory.in_("hba1c_mmol_mol").starting(MP).last_day()
HBA1C_58 = _indicator(
    "diabetes_hba1c",
    _DIABETES,
    (_HBA1C.minimum() <= 58).otherwise(False),  # noqa: FBT003
    _OF_DIABETES,
    [_FRAIL],
    [(_recorded("maximum_diabetes_treatment"), "reject", "next"), (_recorded("blood_test_declined"), "reject", "next")],
)
DIABETES_PRESSURE = _indicator(
    "diabetes_pressure",
    _DIABETES,
    _pressure_at_most(140, 90),
    _OF_DIABETES,
    [Age(MP.end) >= 80, _FRAIL],
    _PRESSURE_DECLINED,
)
PULMONARY_REVIEW = _indicator(
    "pulmonary_disease_review",
    _PULMONARY,
    events.procedure.in_("pulmonary_disease_review").starting(MP).exists()
    & events.laboratory.in_("exacerbation_count").starting(MP).exists()
    & events.laboratory.in_("breathlessness_scale").starting(MP).exists(),
    _adjustments("pulmonary_disease_care", new_months=3, condition="chronic_obstructive_pulmonary_disease"),
)
_OF_HEART_FAILURE = _adjustments("heart_failure_care", new_months=3, condition="heart_failure")
HEART_FAILURE_REVIEW = _indicator(
    "heart_failure_review",
    _HEART_FAILURE,
    events.procedure.in_("heart_failure_review").starting(MP).exists(),
    _OF_HEART_FAILURE,
)
HEART_FAILURE_ANTAGONIST = _indicator(
    "heart_failure_renin_angiotensin_antagonist",
    _HEART_FAILURE & _recorded("left_ventricular_systolic_dysfunction", _EVER),
    events.dispensing.in_("renin_angiotensin_antagonist", "sacubitril_valsartan").starting(_LAST_SIX_MONTHS).exists(),
    _OF_HEART_FAILURE,
    specific=[(_recorded("renin_angiotensin_antagonist_declined"), "reject", "next")],
)

MEASURES: list[Measure | Composite] = [
    HYPERTENSION_REGISTER,
    DIABETES_REGISTER,
    PULMONARY_REGISTER,
    HEART_FAILURE_REGISTER,
    PRESSURE_UNDER_80,
    PRESSURE_FROM_80,
    HBA1C_58,
    DIABETES_PRESSURE,
    PULMONARY_REVIEW,
    HEART_FAILURE_REVIEW,
    HEART_FAILURE_ANTAGONIST,
]
