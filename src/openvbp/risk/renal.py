"""Segments and cells of the models of end-stage renal disease: dialysis, transplant, functioning graft.

V21 asks for Medicaid, V24 for full and partial dual status. Months 1 to 3 of a transplant have a score of their own;
from the fourth on the graft counts as functioning, and the time since the transplant is paid.
"""

from __future__ import annotations

from openvbp.risk.age_cells import (
    AGED,
    BY_DISABILITY,
    BY_RENAL_DISEASE,
    CONTINUING,
    NEW,
    NEW_ON_DIALYSIS,
    age_when_new,
    cell,
)
from openvbp.risk.model import Model
from openvbp.risk.placing import Person, Placed

RENAL_STATES = ("dialysis", "transplant_1", "transplant_2", "transplant_3", "DUR4_9", "DUR10PL")
"""Dialysis; months of a transplant; time since the transplant of a functioning graft, as CMS names it."""
_BY_MEDICAID = "21"


def place_with_renal_disease(model: Model, person: Person) -> Placed:
    """Place one kind of person."""
    is_v21 = model.number == _BY_MEDICAID
    if person.state.startswith("transplant"):
        months = person.state[-1]
        return Placed("TRANSPLANT", person.is_disabled, (f"KIDNEY_ONLY_{months}M",))
    if person.state == "dialysis":
        return _on_dialysis(person, is_v21=is_v21)
    if person.is_institutional:
        return _graft_in_institution(person, is_v21=is_v21)
    if person.is_new:
        return _graft_of_new_enrollee(person, is_v21=is_v21)
    return _graft_in_community(person, is_v21=is_v21)


def _on_dialysis(person: Person, *, is_v21: bool) -> Placed:
    if person.is_new:
        age = age_when_new(person.age, person.entitled)
        # Here, and only here, disability counts under 65 too.
        disability = "ORIGDIS" if person.entitled == BY_DISABILITY else "NORIGDIS"
        name = f"{_dual_when_new(person, is_v21=is_v21)}_{disability}_NE{person.sex}{cell(age, NEW_ON_DIALYSIS)}"
        return Placed("DNE", person.is_disabled, (name,))
    variables = [person.sex + cell(person.age, CONTINUING)]
    if is_v21:
        variables += _medicaid(person)
    else:
        if person.dual in ("full", "partial"):
            variables.append(f"{person.dual[0].upper()}BDual_{person.gender.capitalize()}_{_aged(person)}")
        if person.is_institutional:
            variables.append(f"LTI_{_aged(person)}")
    variables += _originally_disabled(person)
    if person.age >= AGED and person.entitled in BY_RENAL_DISEASE:
        variables.append(f"Originally_ESRD_{person.gender.capitalize()}")
    return Placed("DI", person.is_disabled, tuple(variables))


def _graft_in_community(person: Person, *, is_v21: bool) -> Placed:
    variables = [person.sex + cell(person.age, CONTINUING)]
    if is_v21:
        variables += _medicaid(person)
        segment = "GC"
    else:
        segment = f"G{'F' if person.dual == 'full' else 'NP'}{'A' if person.age >= AGED else 'N'}"
    variables += _originally_disabled(person)
    return Placed(segment, person.is_disabled, tuple(variables), _time(person, person.age, "FGC", is_v21=is_v21))


def _graft_in_institution(person: Person, *, is_v21: bool) -> Placed:
    variables = [person.sex + cell(person.age, CONTINUING)]
    if is_v21 and person.dual != "none":
        variables.append("MCAID")
    if person.is_originally_disabled:
        variables.append("ORIGDS")
    time = _time(person, person.age, "FGI", is_v21=is_v21)
    institution = () if is_v21 else (f"LTI_{_band(person.age)}",)
    return Placed("GI", person.is_disabled, tuple(variables), (*time, *institution))


def _graft_of_new_enrollee(person: Person, *, is_v21: bool) -> Placed:
    age = age_when_new(person.age, person.entitled)
    disability = "ORIGDIS" if person.age >= AGED and person.entitled == BY_DISABILITY else "NORIGDIS"
    name = f"{_dual_when_new(person, is_v21=is_v21)}_{disability}_G_NE{person.sex}{cell(age, NEW)}"
    # Partial dual status is not paid to new enrollees: the first name only.
    time = _time(person, age, "FGC", is_v21=is_v21)[:1]
    return Placed("GNE", person.is_disabled, (name,), time, "" if is_v21 else f"ActAdj_{person.state}")


def _time(person: Person, age: int, graft: str, *, is_v21: bool) -> tuple[str, ...]:
    """Coefficients of the time since the transplant."""
    if is_v21:
        return (f"{_band(age)}_{person.state}",)
    dual = "FBD" if person.dual == "full" else "ND_PBD"
    partial = (f"{graft}_PBD_{_band(age)}_flag",) if person.dual == "partial" else ()
    return (f"{graft}_{_band(age)}_{person.state}_{dual}", *partial)


def _dual_when_new(person: Person, *, is_v21: bool) -> str:
    if is_v21:
        return "MCAID" if person.dual in ("full", "partial") else "NMCAID"
    return "FBD" if person.dual == "full" else "ND_PBD"


def _medicaid(person: Person) -> list[str]:
    # The macro takes disability for age: whoever is under 65 but entitled by age is "aged".
    age = "NonAged" if person.is_disabled else "Aged"
    return [] if person.dual == "none" else [f"MCAID_{person.gender.capitalize()}_{age}"]


def _originally_disabled(person: Person) -> list[str]:
    return [f"OriginallyDisabled_{person.gender.capitalize()}"] if person.is_originally_disabled else []


def _aged(person: Person) -> str:
    return "Aged" if person.age >= AGED else "NonAged"


def _band(age: int) -> str:
    return "GE65" if age >= AGED else "LT65"
