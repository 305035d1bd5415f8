"""Conditions acquired in hospital, by diagnoses that were not present on admission."""

from __future__ import annotations

from datetime import date

from openvbp.measures import events
from openvbp.measures.events import Events
from openvbp.measures.measure import Composite, Episode, Measure
from openvbp.measures.values import INDEX, MP, Value

VERSION = "2026.1"
NOT_PRESENT = ("N", "U")
CATEGORIES = {
    "foreign_object_retained": ("hac_01", None),
    "pressure_ulcer": ("hac_04", None),
    "falls_and_trauma": ("hac_05", None),
    "catheter_urinary_tract_infection": ("hac_06", None),
    "vascular_catheter_infection": ("hac_07", None),
    "poor_glycemic_control": ("hac_09", None),
    "thrombosis_after_joint_replacement": ("hac_10", "hac_10_procedure"),
    "pneumothorax_after_venous_catheter": ("hac_14", "hac_14_procedure"),
}
"""Measure to the category whose secondary diagnoses it looks for, and the procedures that its stays must have."""


def is_acquired(diagnosis: Events) -> Value:
    """Whether one of the diagnoses was not present on admission; null where no indicator says so or otherwise."""
    acquired = [diagnosis.having("present_on_admission", "==", one).exists() for one in NOT_PRESENT]
    told = diagnosis.having("present_on_admission", "!=", "")
    # The first day is null without an indicator, and then the comparison is.
    is_untold = diagnosis.exists() & (told.first_date() < date.min)
    return acquired[0] | acquired[1] | is_untold


def _measure(name: str, category: str, procedure: str | None) -> Measure:
    stays = events.stay if procedure is None else events.stay.in_(procedure)
    diagnosis = (
        events.condition.in_(f"{category}_secondary_diagnosis")
        .having("is_principal", "==", False)  # noqa: FBT003
        .having("setting", "==", "inpatient")
        .during(INDEX)
    )
    return Measure(
        f"hospital_acquired_conditions.{name}",
        VERSION,
        "lower_is_better",
        basis=Episode(stays.ending(MP)),
        numerator=is_acquired(diagnosis),
    )


MEASURES: list[Measure | Composite] = [_measure(name, *codes) for name, codes in CATEGORIES.items()]
