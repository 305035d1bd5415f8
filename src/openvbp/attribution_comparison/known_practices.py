"""Practices as they look at each step from perfect information to what a payer has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from ibis import _

from openvbp.attribution.contacts import persons
from openvbp.attribution.evaluator import attribute
from openvbp.attribution.events import read_events
from openvbp.attribution.portions import portions
from openvbp.attribution.rule import Rule
from openvbp.attribution.unit_costs import person_amounts, person_costs
from openvbp.claims.tables import ClaimsData
from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.money import in_units, whole_sum
from openvbp.periods import Period

STEPS = {
    "perfect": "all is known: whose patient, how ill, what the practice does to cost",
    "chance": "one year's cost instead of what the practice does to it",
    "risk_model": "age, sex, dual status and renal disease instead of how ill persons are",
    "attribution": "the rule instead of whose patients they are",
}
"""What a payer lacks, one thing after the other; each step keeps what the one before lacks."""
_RISK_CELLS = 50
_MILLION = 10**6
_INPATIENT = "11"


class _Truth(NamedTuple):
    """Of a person, in a generated population."""

    practice: str
    risk: float
    cost_effect: float
    """What the usual clinician does to the log of cost."""
    admission_effect: float


def practices_by_step(engine: Engine, claims: ClaimsData, rule: Rule, span: Period) -> dict[str, list[dict[str, Any]]]:
    """Give practices with their patients, cost and expected cost, as each step of :data:`STEPS` sees them.

    Parameters
    ----------
    engine
        Where tables are computed.
    claims
        Folder of ``openvbp generate``, with its truth.
    rule
        Rule of attribution, for the last step.
    span
        A calendar year.

    Returns
    -------
    Step to a row per practice: ``unit_id``, ``persons`` and ``dual_persons`` (millionths), ``cost`` and ``expected``
    (cents).

    Raises
    ------
    InputDataError
        If the folder has no truth, or nobody is known to be a practice's patient.
    """
    people = _people(engine, claims, rule, span)
    truth = _truth(engine, claims.folder, span.end.year)
    known = [truth.get(person) for person in people["person_id"]]
    is_known = np.array([one is not None for one in known])
    if not is_known.any():
        what_to_do = "choose a year of the population"
        raise InputDataError(Problem("nobody is known to be a practice's patient", str(claims.folder), what_to_do))
    practice = np.array([one.practice if one else None for one in known], object)
    risk, cost_effect, admission_effect = (
        np.array([getattr(one, name) if one else np.nan for one in known], float)
        for name in ("risk", "cost_effect", "admission_effect")
    )
    cost = people["cost"].astype(float)
    inpatient = people["inpatient"].sum() / cost.sum()
    # What the clinician does to a patient's cost: to admissions as far as cost is inpatient, to the rest as far as not.
    true_ratio = (1 - inpatient) * np.exp(cost_effect) + inpatient * np.exp(admission_effect)
    by_risk = _expected_by_risk(risk, cost, people["months"].astype(float), is_known)
    expected = people["expected"].astype(float)
    return {
        "perfect": _added_up(practice, people, cost / true_ratio),
        "chance": _added_up(practice, people, by_risk),
        "risk_model": _added_up(practice, people, expected),
        "attribution": _added_up(people["unit_id"], people, expected),
    }


def _people(engine: Engine, claims: ClaimsData, rule: Rule, span: Period) -> dict[str, np.ndarray]:
    """Every enrolled person: practice by the rule, dual status, months; cost, expected and inpatient cost in cents."""
    cut = portions(claims)

    def tables(part: ClaimsData) -> tuple[ir.Table, ...]:
        events = read_events(part, [rule], span)
        lines = events.service_line
        stays = lines.filter(
            _.service_date.between(span.start, span.end), _.bill_type_code.startswith(_INPATIENT)
        ).group_by("person_id")
        inpatient = stays.agg(inpatient=whole_sum(in_units(_.allowed_amount.fill_null(_.paid_amount), 2)))
        assigned = attribute(engine, events, [rule], span).tables[rule.rule]
        return (
            persons(engine, events.person_month, span),
            person_amounts(lines, span),
            inpatient,
            assigned.filter(_.unit_id.notnull()).select("person_id", "unit_id"),
        )

    gathered = [[engine.to_arrow(table) for table in made] for made in cut.each(tables)]
    who, amounts, inpatient, assigned = (
        engine.table(pa.concat_tables(parts), f"true_{name}")
        for name, parts in zip(
            ("persons", "amounts", "inpatient", "assigned"), zip(*gathered, strict=True), strict=True
        )
    )
    costs = person_costs(engine, amounts, who, span)
    joined = costs.left_join(inpatient, "person_id").drop("person_id_right")
    joined = joined.left_join(assigned, "person_id").drop("person_id_right")
    rows = engine.to_arrow(joined.mutate(inpatient=_.inpatient.fill_null(0)).order_by("person_id"))
    return {
        name: np.array(rows[name].to_pylist(), object if name.endswith("_id") else None) for name in rows.column_names
    }


def _truth(engine: Engine, data: Path, year: int) -> dict[str, _Truth]:
    folder = data / "truth"
    if not folder.is_dir():
        what_to_do = "make a population with 'openvbp generate'"
        raise InputDataError(Problem("the folder has no truth", str(data), what_to_do))

    def read(name: str) -> ir.Table:
        return engine.read_parquet(folder / name / "*.parquet", f"read_{name}")

    effects = read("truth_provider_effect").filter(_.npi.notnull())
    of_clinician = {
        name: effects.filter(_.measure == measure).select("npi", **{name: _.effect})
        for name, measure in (("cost_effect", "clinician_cost"), ("admission_effect", "clinician_admission"))
    }
    rows = read("truth_attribution").filter(_.year == year).drop("year")
    rows = rows.join(read("truth_member").filter(_.year == year).select("person_id", "risk"), "person_id")
    for one in of_clinician.values():
        rows = rows.join(one, "npi")
    return {
        row["person_id"]: _Truth(row["tin"], row["risk"], row["cost_effect"], row["admission_effect"])
        for row in engine.to_arrow(rows).to_pylist()
    }


def _expected_by_risk(risk: np.ndarray, cost: np.ndarray, months: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    """Mean cost of a month of persons of like true risk, times the person's months."""
    expected = np.full(len(risk), np.nan)
    cuts = np.quantile(risk[is_known], np.linspace(0, 1, _RISK_CELLS + 1)[1:-1])
    cell = np.searchsorted(cuts, risk[is_known])
    size = _RISK_CELLS
    mean = np.bincount(cell, cost[is_known], size) / np.maximum(np.bincount(cell, months[is_known], size), 1)
    expected[is_known] = mean[cell] * months[is_known]
    return expected


def _added_up(practice: np.ndarray, people: Mapping[str, np.ndarray], expected: np.ndarray) -> list[dict[str, Any]]:
    inside = np.array([one is not None for one in practice])
    names, place = np.unique(practice[inside].astype(str), return_inverse=True)

    def total(values: np.ndarray) -> list[int]:
        return [round(one) for one in np.bincount(place, values[inside].astype(float), len(names))]

    ones = np.full(len(practice), _MILLION)
    columns = {
        "persons": total(ones),
        "dual_persons": total(ones * people["is_dual"].astype(bool)),
        "cost": total(people["cost"]),
        "expected": total(expected),
    }
    return [{"unit_id": str(name), **{key: of[at] for key, of in columns.items()}} for at, name in enumerate(names)]
