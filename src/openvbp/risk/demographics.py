"""Where a person belongs: segment, age and sex cell, and what else of the person is paid.

The rules are written once, for one kind of person. A kind is what the rules of a family of models ask: age, sex,
original reason for entitlement, dual status, enrolment, and what is the family's own; ages between which no rule
changes are one. There are three to twenty thousand, so a table of all kinds is made and persons are joined to it.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from openvbp.risk.age_cells import AGED, STARTS
from openvbp.risk.community import place_in_community
from openvbp.risk.drugs import place_for_drugs
from openvbp.risk.model import Family, Model
from openvbp.risk.placing import DUAL_KINDS, ENROLMENTS, ENTITLED, Person, Placed
from openvbp.risk.renal import RENAL_STATES, place_with_renal_disease
from openvbp.risk.tables import RiskTables


@dataclass(frozen=True)
class _Rules:
    place: Callable[[Model, Person], Placed]
    states: Sequence[str]
    """What the family asks beside what all ask."""
    state_of: Callable[[ir.Table], ir.IntegerValue]


def _renal_state(persons: ir.Table) -> ir.IntegerValue:
    months = persons.months_since_transplant
    return ibis.cases((months.isnull(), 0), (months <= 3, months), (months <= 9, 4), else_=5).cast("int64")


def _drug_state(persons: ir.Table) -> ir.IntegerValue:
    return persons.is_low_income.cast("int64") + 2 * persons.is_end_stage_renal_disease.cast("int64")


_RULES: dict[Family, _Rules] = {
    "CMS-HCC": _Rules(place_in_community, ("",), lambda _persons: ibis.literal(0, "int64")),
    "ESRD": _Rules(place_with_renal_disease, RENAL_STATES, _renal_state),
    "RxHCC": _Rules(place_for_drugs, ("", "low_income", "renal", "low_income_renal"), _drug_state),
}


def place(model: Model, person: Person) -> Placed:
    """Place one kind of person by the rules of the model's family."""
    return _RULES[model.family].place(model, person)


def kinds(tables: RiskTables) -> pa.Table:
    """Give the table of all kinds of persons.

    Returns
    -------
    One row per kind: ``kind``, ``segment``, ``segment_number``, ``is_disabled``, ``is_under_65``,
    ``demographic_variables`` (without the segment, separated by blanks), ``demographic_units`` (thousandths);
    ``adjustment_variable``, by which the sum is divided, empty where it is not, and ``adjustment_units``, what that
    adds.
    """
    rows = []
    for kind, (person, placed) in enumerate(_all_kinds(tables.model)):
        units = sum(tables.units(placed.segment, variable) for variable in placed.variables)
        units += sum(tables.common.get(name.lower(), 0) for name in placed.common)
        added = 0
        if placed.divisor:
            divisor = tables.common[placed.divisor.lower()]
            added = (2 * units * 1000 + divisor) // (2 * divisor) - units
        rows.append(
            (
                kind,
                placed.segment,
                tables.model.segments.index(placed.segment),
                placed.is_disabled,
                person.age < AGED,
                " ".join((*placed.variables, *placed.common)),
                units + added,
                placed.divisor,
                added,
            )
        )
    names = ("kind", "segment", "segment_number", "is_disabled", "is_under_65", "demographic_variables")
    names += ("demographic_units", "adjustment_variable", "adjustment_units")
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def cells_needed(model: Model) -> set[str]:
    """Coefficients of which every kind of person needs its own: the age and sex cell, and what no segment has."""
    needed = set()
    for _person, placed in _all_kinds(model):
        needed.add(f"{placed.segment}_{placed.variables[0]}")
        needed.update(placed.common)
        if placed.divisor:
            needed.add(placed.divisor)
    return needed


def _all_kinds(model: Model) -> Iterator[tuple[Person, Placed]]:
    """All kinds, in the order in which :func:`kind_of` counts them."""
    rules = _RULES[model.family]
    for parts in itertools.product(STARTS, ("male", "female"), ENTITLED, DUAL_KINDS, ENROLMENTS, rules.states):
        person = Person(*parts)
        yield person, rules.place(model, person)


def kind_of(model: Model, persons: ir.Table) -> ir.IntegerValue:
    """Number of a person's kind, the same as in :func:`kinds`."""
    rules = _RULES[model.family]
    age = reduce(operator.add, [(persons.age >= start).cast("int64") for start in STARTS[1:]])
    female = (persons.gender == "female").cast("int64")
    entitled = persons.original_reason_entitlement_code
    reason = ibis.cases(*((entitled == code, number) for number, code in enumerate(ENTITLED[:-1])), else_=4)
    code = persons.dual_status_code
    dual = ibis.cases(
        *((code.isin(codes), number) for number, codes in enumerate(DUAL_KINDS.values()) if codes), else_=0
    )
    enrolment = ibis.cases(
        (persons.is_institutional & persons.is_new_enrollee, 4),
        (persons.is_institutional, 3),
        (persons.is_new_enrollee & persons.is_special_needs_plan, 2),
        (persons.is_new_enrollee, 1),
        else_=0,
    )
    number = age * 2 + female
    for part, size in ((reason, len(ENTITLED)), (dual, len(DUAL_KINDS)), (enrolment, len(ENROLMENTS))):
        number = number * size + part
    return number * len(rules.states) + rules.state_of(persons)
