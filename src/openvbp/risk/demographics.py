"""Where a person belongs: segment, age and sex cell, and what else of the person is paid.

The rules are written once, for one kind of person (:func:`place`). A kind is what the rules ask: age, sex, original
reason for entitlement, dual status, enrolment. There are some fifteen thousand, so a table of all kinds is made and
persons are joined to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from openvbp.risk.model import SEGMENTS, Model
from openvbp.risk.tables import RiskTables

OLDEST = 95
"""Ages above are one cell."""
ENTITLED = ("0", "1", "2", "3", "")
"""Original reasons for entitlement; empty where it is not known."""
_AGE = "0"
_DISABILITY = "1"
DUAL_KINDS = {"none": (), "full": ("02", "04", "08"), "partial": ("01", "03", "05", "06"), "other": ("07", "09", "10")}
"""Dual status codes by what the models ask: other is Medicaid in an institution only."""
ENROLMENTS = ("continuing", "new", "new_special_needs", "institutional")
_CELLS = (34, 44, 54, 59, 64, 69, 74, 79, 84, 89, 94)
_NEW_CELLS = (34, 44, 54, 59, 64, 65, 66, 67, 68, 69, 74, 79, 84, 89, 94)
_AGED = 65


@dataclass(frozen=True)
class Placed:
    """What the rules say of one kind of person."""

    segment: str
    is_disabled: bool
    variables: tuple[str, ...]
    """Coefficients of the person, without the segment: the age and sex cell first."""


def place(model: Model, age: int, gender: str, entitled: str, dual: str, enrolment: str) -> Placed:
    """Place one kind of person (CMS macros AGESEXV2 and the model's step 3.6).

    Parameters
    ----------
    model
        The risk model.
    age
        Completed years on 1 February of the payment year.
    gender
        ``female`` or ``male``.
    entitled
        Original reason for entitlement, empty if not known. SAS compares text: not known is not "0", so a person under
        65 without it is disabled.
    dual
        One of :data:`DUAL_KINDS`.
    enrolment
        One of :data:`ENROLMENTS`; an institution goes before new enrolment.
    """
    if model.counts_64_as_65 and age == _AGED - 1 and entitled == _AGE:
        age = _AGED
    is_disabled = age < _AGED and entitled != _AGE
    is_originally_disabled = entitled == _DISABILITY and not is_disabled
    sex = "F" if gender == "female" else "M"
    if enrolment in ("new", "new_special_needs"):
        medicaid = "MCAID" if dual in ("full", "partial") else "NMCAID"
        disability = "ORIGDIS" if age >= _AGED and entitled == _DISABILITY else "NORIGDIS"
        segment = "NE" if enrolment == "new" else "SNPNE"
        return Placed(segment, is_disabled, (f"{medicaid}_{disability}_NE{sex}{_new_cell(age, entitled)}",))
    cell = sex + _cell(age, _CELLS)
    if enrolment == "institutional":
        origin = ("ORIGDS",) if is_originally_disabled else ()
        return Placed("INS", is_disabled, (cell, *origin, *(("LTIMCAID",) if dual != "none" else ())))
    letter = {"full": "F", "partial": "P"}.get(dual, "N")
    segment = f"C{letter}{'A' if age >= _AGED else 'D'}"
    origin = (f"OriginallyDisabled_{gender.capitalize()}",) if is_originally_disabled and age >= _AGED else ()
    return Placed(segment, is_disabled, (cell, *origin))


def _cell(age: int, uppers: tuple[int, ...]) -> str:
    lower = 0
    for upper in uppers:
        if age <= upper:
            return f"{lower}" if lower == upper else f"{lower}_{upper}"
        lower = upper + 1
    return f"{lower}_GT"


def _new_cell(age: int, entitled: str) -> str:
    # A person of 64 who is entitled by age will be 65 in the payment year.
    return _cell(_AGED if age == _AGED - 1 and entitled == _AGE else age, _NEW_CELLS)


def kinds(tables: RiskTables) -> pa.Table:
    """Give the table of all kinds of persons.

    Returns
    -------
    One row per kind: ``kind``, ``segment``, ``segment_number``, ``is_disabled``, ``demographic_variables`` (without
    the segment, separated by blanks) and ``demographic_units`` (thousandths).
    """
    rows = []
    for kind, placed in _all_kinds(tables.model):
        units = sum(tables.units(placed.segment, variable) for variable in placed.variables)
        number = SEGMENTS.index(placed.segment)
        rows.append((kind, placed.segment, number, placed.is_disabled, " ".join(placed.variables), units))
    columns = zip(*rows, strict=True)
    names = ("kind", "segment", "segment_number", "is_disabled", "demographic_variables", "demographic_units")
    return pa.table(dict(zip(names, map(list, columns), strict=True)))


def cells_needed(model: Model) -> set[tuple[str, str]]:
    """Segment and age and sex cell of every kind of person: what coefficients must hold."""
    return {(placed.segment, placed.variables[0]) for _kind, placed in _all_kinds(model)}


def _all_kinds(model: Model) -> Iterator[tuple[int, Placed]]:
    for age in range(OLDEST + 1):
        for female in (0, 1):
            for reason, entitled in enumerate(ENTITLED):
                for number, dual in enumerate(DUAL_KINDS):
                    for position, enrolment in enumerate(ENROLMENTS):
                        kind = _number(age, female, reason, number, position)
                        gender = "female" if female else "male"
                        yield kind, place(model, age, gender, entitled, dual, enrolment)


def kind_of(persons: ir.Table) -> ir.IntegerValue:
    """Number of a person's kind, the same as in :func:`kinds`."""
    age = ibis.least(persons.age, OLDEST)
    female = (persons.gender == "female").cast("int64")
    entitled = persons.original_reason_entitlement_code
    reason = ibis.cases(*((entitled == code, number) for number, code in enumerate(ENTITLED[:-1])), else_=4)
    code = persons.dual_status_code
    dual = ibis.cases(
        *((code.isin(codes), number) for number, codes in enumerate(DUAL_KINDS.values()) if codes), else_=0
    )
    enrolment = ibis.cases(
        (persons.is_institutional, 3),
        (persons.is_new_enrollee & persons.is_special_needs_plan, 2),
        (persons.is_new_enrollee, 1),
        else_=0,
    )
    return _number(age, female, reason, dual, enrolment)


def _number(age, female, reason, dual, enrolment):
    return (((age * 2 + female) * len(ENTITLED) + reason) * len(DUAL_KINDS) + dual) * len(ENROLMENTS) + enrolment
