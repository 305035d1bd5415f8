"""What the rules of risk models ask of a person, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from openvbp.risk.age_cells import AGED, BY_AGE, BY_DISABILITY

ENTITLED = ("0", "1", "2", "3", "")
"""Original reasons for entitlement; empty where it is not known."""
DUAL_KINDS = {"none": (), "full": ("02", "04", "08"), "partial": ("01", "03", "05", "06"), "other": ("07", "09", "10")}
"""Dual status codes by what the models ask: other is Medicaid in an institution only."""
ENROLMENTS = ("continuing", "new", "new_special_needs", "institutional", "new_institutional")


class Person(NamedTuple):
    """One kind of person."""

    age: int
    """Completed years on 1 February of the payment year."""
    gender: str
    """``female`` or ``male``."""
    entitled: str
    """Original reason for entitlement, one of :data:`ENTITLED`."""
    dual: str
    """One of :data:`DUAL_KINDS`."""
    enrolment: str
    """One of :data:`ENROLMENTS`."""
    state: str
    """What the family of models asks beside."""

    @property
    def sex(self) -> str:
        """Sex as in the names of cells."""
        return "F" if self.gender == "female" else "M"

    @property
    def is_new(self) -> bool:
        """Whether the person has no full year of diagnoses."""
        return self.enrolment.startswith("new")

    @property
    def is_institutional(self) -> bool:
        """Whether the person is in an institution for the long term."""
        return self.enrolment.endswith("institutional")

    @property
    def is_disabled(self) -> bool:
        """Under 65 and not entitled by age; SAS compares text, so a reason that is not known is not age."""
        return self.age < AGED and self.entitled != BY_AGE

    @property
    def is_originally_disabled(self) -> bool:
        """Whether the person was first entitled by disability and is no longer under 65."""
        return self.entitled == BY_DISABILITY and not self.is_disabled


@dataclass(frozen=True)
class Placed:
    """What the rules say of one kind of person."""

    segment: str
    is_disabled: bool
    variables: tuple[str, ...]
    """Coefficients of the person, without the segment: the age and sex cell first."""
    common: tuple[str, ...] = ()
    """Coefficients of no segment."""
    divisor: str = ""
    """Coefficient of no segment by which the sum is divided; diagnoses are then not paid."""
