"""Segments and cells of the RxHCC models, for drugs of Part D."""

from __future__ import annotations

from openvbp.risk.age_cells import AGED, BY_DISABILITY, CONTINUING, NEW, age_when_new, cell
from openvbp.risk.model import Model
from openvbp.risk.placing import Person, Placed


def place_for_drugs(_model: Model, person: Person) -> Placed:
    """Place one kind of person, by institution, enrolment, low income and age."""
    is_low = person.state.startswith("low_income")
    if person.is_new:
        segment = "Rx_NE_LTI" if person.is_institutional else f"Rx_NE_{'Lo' if is_low else 'NoLo'}"
        age = age_when_new(person.age, person.entitled)
        renal = "ESRD" if person.state.endswith("renal") else "NESRD"
        disability = "OD" if age >= AGED and person.entitled == BY_DISABILITY else "NOD"
        return Placed(segment, person.is_disabled, (f"{renal}_{disability}_x_{person.sex}{cell(age, NEW)}",))
    of_age = person.sex + cell(person.age, CONTINUING)
    if person.is_institutional:
        origin = ("ORIGDS",) if person.is_originally_disabled else ()
        return Placed("Rx_CE_LTI", person.is_disabled, (of_age, *origin))
    segment = f"Rx_CE_{'Low' if is_low else 'NoLow'}{'Aged' if person.age >= AGED else 'NoAged'}"
    origin = (f"{person.sex}65OD",) if person.is_originally_disabled else ()
    return Placed(segment, person.is_disabled, (of_age, *origin))
