"""How much of the money follows true quality: payments under perfect information against payments that claims allow.

Only a generated population tells (:mod:`openvbp.claims.synthetic`): there it is known whose patient a person is, how
ill he is, and what his clinician's way of working does to the cost of his care. The same formula pays four times: with
all of that known, and with one thing after the other replaced by what a payer has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from ibis import _
from scipy.stats import spearmanr

from openvbp.attribution.contacts import persons
from openvbp.attribution.evaluator import attribute
from openvbp.attribution.events import read_events
from openvbp.attribution.portions import portions
from openvbp.attribution.rule import Rule
from openvbp.attribution.rule_files import find_rule
from openvbp.attribution.unit_costs import person_amounts, person_costs
from openvbp.attribution_comparison.payments import payments
from openvbp.claims.tables import ClaimsData, open_claims
from openvbp.engine import Engine, EngineName, cannot_write, open_engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.money import in_units, whole_sum
from openvbp.periods import Period, parse_any_period

FILE = "true_payments.json"
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
_LOTS = 400
_WIDTH = max(map(len, STEPS.values()))


@dataclass(frozen=True)
class TruePayment:
    """One step from perfect information to what a payer has."""

    step: str
    practices: int
    """That are scored."""
    dollars_moved: Decimal
    """Half the sum of the absolute payments."""
    dollars_following: Decimal
    """Of these, those that perfect information would move from or to the same practice in the same direction."""
    share_following: Decimal | None
    share_by_lot: float | None
    """The same if the payments were dealt out to the practices by lot: what no knowledge at all would reach."""
    rank_correlation: float | None
    """Of scores with those under perfect information, over practices scored in both."""


def true_payments(
    *,
    data: Path,
    out: Path,
    period: str,
    rule: str = "plurality_primary_care_tin",
    withheld_share: Decimal = Decimal("0.02"),
    minimum_persons: int = 20,
    engine: EngineName = "duckdb",
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> list[TruePayment]:
    """Pay practices of a generated population with and without knowing the truth.

    A share of the cost of its patients is withheld from every practice and paid out by its rank
    (:func:`openvbp.attribution_comparison.payments.payments`).

    Parameters
    ----------
    data
        Folder of ``openvbp generate``, with its truth.
    out
        Folder for ``true_payments.json``.
    period
        A calendar year of the population, for example ``CY2024``.
    rule
        Rule of attribution whose units are practices (TIN).
    withheld_share, minimum_persons
        Terms of the payment.
    engine, threads, progress
        As of :func:`openvbp.attribution.run.attribute_folder`.

    Returns
    -------
    One row per step of :data:`STEPS`.

    Raises
    ------
    UsageError
        If the rule's units are no practices, or the period is no calendar year.
    InputDataError
        If the folder has no truth, or nobody is known to be a practice's patient.
    MachineError
        If the file cannot be written.
    """
    chosen, span = find_rule(rule), parse_any_period(period)
    if chosen.unit != "tin" or chosen.takes_several:
        what = f"rule {rule} does not give each person to one practice"
        raise UsageError(Problem(what, "--rule", "choose one, for example plurality_primary_care_tin"))
    if (span.start.month, span.start.day, span.end.year) != (1, 1, span.start.year) or span.end.month != 12:
        raise UsageError(Problem(f"{period} is no calendar year", "--period", "write it like CY2024"))
    with open_engine(engine, threads) as opened:
        claims = open_claims(opened, data)
        people = _people(opened, claims, chosen, span)
        truth = _truth(opened, data, span.end.year)
        progress("cost, risk and attribution counted")
        units = _units(people, truth, data)
        paid = payments(opened, units, withheld_share=withheld_share, minimum_persons=minimum_persons)
    found = _compared(paid)
    try:
        out.mkdir(parents=True, exist_ok=True)
        content = {"period": period, "rule": rule, "steps": STEPS, "results": [asdict(one) for one in found]}
        (out / FILE).write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(out, error) from error
    return found


def render(found: list[TruePayment]) -> str:
    """Write the steps for a terminal."""
    lines = [
        f"{'what a payer lacks':{_WIDTH}} {'practices':>9} {'moved':>12} {'following':>12} "
        f"{'share':>6} {'by lot':>6} {'rank r':>6}"
    ]
    for one in found:
        share = "" if one.share_following is None else f"{one.share_following:.3f}"
        lot = "" if one.share_by_lot is None else f"{one.share_by_lot:.3f}"
        rank = "" if one.rank_correlation is None else f"{one.rank_correlation:.2f}"
        lines.append(
            f"{STEPS[one.step]:{_WIDTH}} {one.practices:>9,} {_dollars(one.dollars_moved):>12} "
            f"{_dollars(one.dollars_following):>12} {share:>6} {lot:>6} {rank:>6}"
        )
    return "\n".join(lines)


def _dollars(amount: Decimal) -> str:
    return f"${amount:,.0f}"


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


def _truth(engine: Engine, data: Path, year: int) -> dict[str, tuple[str, float, float, float]]:
    """Person to practice, true risk, and what the usual clinician does to the log of cost and of admissions."""
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
        row["person_id"]: (row["tin"], row["risk"], row["cost_effect"], row["admission_effect"])
        for row in engine.to_arrow(rows).to_pylist()
    }


def _units(
    people: Mapping[str, np.ndarray], truth: Mapping[str, tuple[str, float, float, float]], data: Path
) -> dict[str, list[dict[str, Any]]]:
    """Practices under each step."""
    known = [truth.get(person) for person in people["person_id"]]
    is_known = np.array([one is not None for one in known])
    if not is_known.any():
        what_to_do = "choose a year of the population"
        raise InputDataError(Problem("nobody is known to be a practice's patient", str(data), what_to_do))
    practice = np.array([one[0] if one else None for one in known], object)
    risk, cost_effect, admission_effect = (
        np.array([one[place] if one else np.nan for one in known], float) for place in (1, 2, 3)
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


def _compared(paid: pa.Table) -> list[TruePayment]:
    by_step: dict[str, dict[str, dict[str, Any]]] = {step: {} for step in STEPS}
    for row in paid.to_pylist():
        by_step[row["rule_id"]][row["unit_id"]] = row
    true = by_step["perfect"]
    found = []
    for step, units in by_step.items():
        moved = sum((abs(row["payment"]) for row in units.values()), Decimal(0)) / 2
        same = Decimal(0)
        for name, row in units.items():
            known = true[name]["payment"] if name in true else Decimal(0)
            if row["payment"] * known > 0:
                same += min(abs(row["payment"]), abs(known))
        both = [name for name, row in units.items() if row["score"] is not None and name in true and true[name]["rank"]]
        ranks = spearmanr([units[name]["score"] for name in both], [true[name]["score"] for name in both]).statistic
        found.append(
            TruePayment(
                step,
                sum(row["score"] is not None for row in units.values()),
                moved,
                same / 2,
                (same / 2 / moved).quantize(Decimal("0.0001")) if moved else None,
                _share_by_lot(units, true),
                None if np.isnan(ranks) else round(float(ranks), 4),
            )
        )
    return found


def _share_by_lot(units: Mapping[str, Mapping[str, Any]], true: Mapping[str, Mapping[str, Any]]) -> float | None:
    names = sorted(set(units) | set(true))
    paid, known = (
        np.array([float(of[name]["payment"]) if name in of else 0.0 for name in names]) for of in (units, true)
    )
    if not paid.any():
        return None
    random = np.random.default_rng(1)
    dealt = [random.permutation(paid) for _ in range(_LOTS)]
    same = [np.minimum(abs(one), abs(known))[one * known > 0].sum() for one in dealt]
    return round(float(np.mean(same) / abs(paid).sum()), 4)
