"""Segments and cells of the CMS-HCC models (macro AGESEXV2 and step 3.6 of the models)."""

from __future__ import annotations

from openvbp.risk.age_cells import AGED, BY_AGE, BY_DISABILITY, CONTINUING, NEW, age_when_new, cell
from openvbp.risk.model import Model
from openvbp.risk.placing import Person, Placed


def place_in_community(model: Model, person: Person) -> Placed:
    """Place one kind of person; an institution goes before new enrolment."""
    if model.counts_64_as_65 and person.age == AGED - 1 and person.entitled == BY_AGE:
        person = person._replace(age=AGED)
    if person.is_institutional:
        origin = ("ORIGDS",) if person.is_originally_disabled else ()
        medicaid = ("LTIMCAID",) if person.dual != "none" else ()
        return Placed("INS", person.is_disabled, (person.sex + cell(person.age, CONTINUING), *origin, *medicaid))
    if person.is_new:
        medicaid_name = "MCAID" if person.dual in ("full", "partial") else "NMCAID"
        disability = "ORIGDIS" if person.age >= AGED and person.entitled == BY_DISABILITY else "NORIGDIS"
        segment = "NE" if person.enrolment == "new" else "SNPNE"
        of_age = cell(age_when_new(person.age, person.entitled), NEW)
        return Placed(segment, person.is_disabled, (f"{medicaid_name}_{disability}_NE{person.sex}{of_age}",))
    letter = {"full": "F", "partial": "P"}.get(person.dual, "N")
    segment = f"C{letter}{'A' if person.age >= AGED else 'D'}"
    is_original = person.is_originally_disabled and person.age >= AGED
    origin = (f"OriginallyDisabled_{person.gender.capitalize()}",) if is_original else ()
    return Placed(segment, person.is_disabled, (person.sex + cell(person.age, CONTINUING), *origin))
