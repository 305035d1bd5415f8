"""Attribution rules compared: whom each assigns, how they differ, and what each would pay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.attribution import agreement, metrics
from openvbp.attribution.contacts import contacts, persons
from openvbp.attribution.evaluator import attribute
from openvbp.attribution.events import read_events
from openvbp.attribution.rule import Rule
from openvbp.attribution.unit_costs import person_costs, reliability, unit_costs
from openvbp.claims.tables import ClaimsData
from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.payment.distribution import divide
from openvbp.periods import Period

WITHHELD_SHARE = Decimal("0.02")
MINIMUM_PERSONS = 20
_CLASSES = 3
_MILLION = 10**6


@dataclass(frozen=True)
class Comparison:
    """What was found; each list holds one row per rule, pair or group, with plain values."""

    period: str
    previous_period: str
    reference: str
    rules: list[dict[str, Any]]
    """Rule, title, unit, verified or not."""
    assigned: list[dict[str, Any]]
    care: list[dict[str, Any]]
    continuity: list[dict[str, Any]]
    panels: list[dict[str, Any]]
    churn: list[dict[str, Any]]
    agreements: list[dict[str, Any]]
    drifts: list[dict[str, Any]]
    reliabilities: list[dict[str, Any]]
    sensitivity: list[dict[str, Any]]
    payments: pa.Table
    """One row per rule × unit: persons, cost, expected, ratio, rank, class, withheld, payment."""

    def as_json(self) -> dict[str, Any]:
        """Everything but the payments of units."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "payments"}


@dataclass(frozen=True)
class _Year:
    """A period's assignments and the tables that they are judged by."""

    attributed: dict[str, ir.Table]
    persons: ir.Table
    visits: ir.Table
    service_line: ir.Table


def compare_rules(
    engine: Engine,
    claims: ClaimsData,
    rules: Sequence[Rule],
    period: Period,
    *,
    reference: str,
    withheld_share: Decimal = WITHHELD_SHARE,
    minimum_persons: int = MINIMUM_PERSONS,
    scratch: Path | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> Comparison:
    """Evaluate rules on the same claims for a period and the one before, and compare them.

    Parameters
    ----------
    engine
        Where to compute.
    claims
        An opened claims folder.
    rules
        Rules on persons, at least two.
    period
        Period of assignment; changes are told from the same months of the year before, where claims reach so far.
    reference
        Rule that the others are held against.
    withheld_share, minimum_persons
        Terms of the payment that shows what the choice of a rule moves (:func:`payments`).
    scratch
        Folder for the netted lines while they are read (:func:`openvbp.attribution.events.read_events`).
    progress
        Told what is being done.

    Raises
    ------
    UsageError
        If there are fewer than two rules, one is on stays, or the reference is not among them.
    InputDataError
        If nobody is enrolled in the period or nobody has a visit.
    """
    _demand_comparable(rules, reference)
    before = _year_before(period)
    now = _assignments(engine, claims, rules, period, scratch, progress)
    _demand_some(engine, now, claims, period)
    then = _assignments(engine, claims, rules, before, scratch, progress)
    progress("costs and payments")
    costs = person_costs(engine, now.service_line, now.persons, period)
    units = {rule.rule: _units(engine, rule, now, costs) for rule in rules}
    paid = payments(engine, units, withheld_share=withheld_share, minimum_persons=minimum_persons)
    progress("comparison")
    of_visits = [rule for rule in rules if rule.unit in metrics.UNITS_OF_VISITS]
    return Comparison(
        period=period.label,
        previous_period=before.label,
        reference=reference,
        rules=[
            {"rule": rule.rule, "title": rule.title, "unit": rule.unit, "is_verified": rule.unverified is None}
            for rule in rules
        ],
        assigned=_each(rules, lambda rule: metrics.assigned_share(engine, now.attributed[rule.rule], now.persons)),
        care=_each(
            [rule for rule in of_visits if not rule.takes_several],
            lambda rule: metrics.care_share(engine, now.attributed[rule.rule], now.visits, now.persons),
        ),
        continuity=metrics.continuity(engine, now.visits, now.persons),
        panels=_each(
            rules,
            lambda rule: [
                metrics.panel_sizes(engine, now.attributed[rule.rule], now.visits if rule in of_visits else None)
            ],
        ),
        churn=_churns(engine, claims, rules, now, then, period),
        agreements=_agreements(engine, rules, now),
        drifts=_drifts(engine, rules, now, reference),
        reliabilities=_each(rules, lambda rule: [found] if (found := reliability(units[rule.rule])) else []),
        sensitivity=sensitivity(paid, {rule.rule: rule.unit for rule in rules}, reference),
        payments=paid,
    )


def payments(
    engine: Engine, units: dict[str, list[dict[str, Any]]], *, withheld_share: Decimal, minimum_persons: int
) -> pa.Table:
    """Pay the units of each rule by their cost of care, so that what a rule moves can be counted in dollars.

    A share of the cost of its patients is withheld from every unit and paid out again: by score × cost, to the cent, so
    that each rule pays out what it withholds. The score falls evenly from 100 for the lowest ratio of cost to expected
    cost to 0 for the highest; units with fewer persons have no score and get back what was withheld. It is no program's
    payment; a contract's own terms pay by ``openvbp run``.

    Parameters
    ----------
    engine
        Where to compute.
    units
        Rule to its units (:func:`openvbp.attribution.unit_costs.unit_costs`).
    withheld_share
        Share of the cost that is withheld.
    minimum_persons
        Persons that a unit must have to be scored.

    Returns
    -------
    One row per rule × unit: ``rule_id``, ``unit_id``, ``persons``, ``dual_share`` and ``ratio`` (decimals), ``cost``,
    ``expected``, ``withheld``, ``payment`` (paid out less withheld, US dollars), ``score``, ``rank`` from the lowest
    ratio, and ``tercile`` (1 for the lowest third); the last three null where there is no score.
    """
    rows = []
    for rule_id, found in units.items():
        rows += _scored(rule_id, found, withheld_share, minimum_persons)
    table = engine.table(pa.Table.from_pylist(rows, _SCORED), "comparison_units")
    pool = table.mutate(
        pool=_.withheld_cents.sum().over(group_by=["rule_id", "is_scored"]).cast("decimal(38, 0)").cast("int64")
    )
    divided = divide(
        pool, "paid_cents", pool="pool", weight="weight", group=("rule_id", "is_scored"), tie_breaker=("unit_id",)
    )
    found = engine.to_arrow(divided.order_by("rule_id", "unit_id")).to_pylist()
    return pa.Table.from_pylist([_as_paid(row) for row in found], _PAID)


_SCORED = pa.schema(
    {
        "rule_id": pa.string(),
        "unit_id": pa.string(),
        "persons": pa.decimal128(18, 6),
        "dual_share": pa.decimal128(18, 6),
        "cost": pa.int64(),
        "expected": pa.int64(),
        "ratio": pa.decimal128(18, 6),
        "rank": pa.int64(),
        "tercile": pa.int64(),
        "score": pa.decimal128(18, 6),
        "is_scored": pa.bool_(),
        "withheld_cents": pa.int64(),
        "weight": pa.int64(),
    }
)
_PAID = pa.schema(
    {
        "rule_id": pa.string(),
        "unit_id": pa.string(),
        "persons": pa.decimal128(18, 6),
        "dual_share": pa.decimal128(18, 6),
        "cost": pa.decimal128(18, 2),
        "expected": pa.decimal128(18, 2),
        "ratio": pa.decimal128(18, 6),
        "rank": pa.int64(),
        "tercile": pa.int64(),
        "score": pa.decimal128(18, 6),
        "withheld": pa.decimal128(18, 2),
        "payment": pa.decimal128(18, 2),
    }
)

_SAME = ("rule_id", "unit_id", "persons", "dual_share", "ratio", "rank", "tercile", "score")


def _scored(
    rule_id: str, units: Sequence[dict[str, Any]], withheld_share: Decimal, minimum_persons: int
) -> list[dict[str, Any]]:
    """Rank a rule's units; equal ratios share the better rank."""
    for unit in units:
        unit["ratio"] = _quotient(unit["cost"], unit["expected"]) if unit["expected"] > 0 else None
    eligible = [unit for unit in units if unit["ratio"] is not None and unit["persons"] >= minimum_persons * _MILLION]
    ratios = sorted(unit["ratio"] for unit in eligible)
    first: dict[Decimal, int] = {}
    for place, one in enumerate(ratios, start=1):
        first.setdefault(one, place)
    most = max((unit["cost"] for unit in units), default=0)
    # Weights are shares of the largest possible one: the division takes whole numbers of limited size.
    scale = Decimal(10**12) / max(1, 100 * sum(max(0, unit["cost"]) for unit in eligible)) if most else Decimal(0)
    rows = []
    for unit in sorted(units, key=lambda one: str(one["unit_id"])):
        rank = first[unit["ratio"]] if len(ratios) > 1 and unit in eligible else None
        score = None if rank is None else _quotient(100 * (len(ratios) - rank), len(ratios) - 1)
        withheld = int((Decimal(max(0, unit["cost"])) * withheld_share).to_integral_value(ROUND_HALF_UP))
        weight = withheld if score is None else int(score * max(0, unit["cost"]) * scale)
        rows.append(
            {
                "rule_id": rule_id,
                "unit_id": unit["unit_id"],
                "persons": Decimal(unit["persons"]) / _MILLION,
                "dual_share": _quotient(unit["dual_persons"], unit["persons"]),
                "cost": unit["cost"],
                "expected": unit["expected"],
                "ratio": unit["ratio"],
                "rank": rank,
                "tercile": None if rank is None else (rank - 1) * _CLASSES // len(ratios) + 1,
                "score": score,
                "is_scored": score is not None,
                "withheld_cents": withheld,
                "weight": weight,
            }
        )
    return rows


def _as_paid(row: dict[str, Any]) -> dict[str, Any]:
    returned = row["withheld_cents"] if not row["is_scored"] else row["paid_cents"] or 0
    return {
        **{name: row[name] for name in _SAME},
        "cost": Decimal(row["cost"]).scaleb(-2),
        "expected": Decimal(row["expected"]).scaleb(-2),
        "withheld": Decimal(row["withheld_cents"]).scaleb(-2),
        "payment": Decimal(returned - row["withheld_cents"]).scaleb(-2),
    }


def _quotient(dividend: int, divisor: int) -> Decimal:
    return (Decimal(dividend) / Decimal(divisor)).quantize(Decimal("0.000001"), ROUND_HALF_UP)


def sensitivity(paid: pa.Table, unit_of: dict[str, str], reference: str) -> list[dict[str, Any]]:
    """Say what each rule changes for units, against the reference with the same kind of unit.

    Parameters
    ----------
    paid
        As of :func:`payments`.
    unit_of
        Rule to its kind of unit.
    reference
        Rule held against.

    Returns
    -------
    One row per other rule with the same kind of unit: ``units`` scored under both; ``changed_class``, the share of them
    in another third; ``median_rank_change`` and ``median_dual_change``, of ranks in percent of their number and of
    shares of dual patients in percent; ``dollars_moved``, half the sum of the absolute differences of payments over all
    units, and ``dollars_withheld`` under the reference.
    """
    by_rule: dict[str, dict[str, dict[str, Any]]] = {}
    for row in paid.to_pylist():
        by_rule.setdefault(row["rule_id"], {})[row["unit_id"]] = row
    old = by_rule.get(reference, {})
    found = []
    for rule_id, unit in unit_of.items():
        if rule_id == reference or unit != unit_of[reference]:
            continue
        new = by_rule.get(rule_id, {})
        both = [one for one in old if one in new and old[one]["rank"] and new[one]["rank"]]
        shifts = [abs(_place(old, one) - _place(new, one)) for one in both]
        duals = [abs(old[one]["dual_share"] - new[one]["dual_share"]) for one in both]
        moved = sum((abs(_payment(new, one) - _payment(old, one)) for one in sorted(set(old) | set(new))), Decimal(0))
        found.append(
            {
                "rule": rule_id,
                "units": len(both),
                "changed_class": metrics.ratio(
                    sum(old[one]["tercile"] != new[one]["tercile"] for one in both), len(both)
                ),
                "median_rank_change": _median_percent(shifts),
                "median_dual_change": _median_percent(duals),
                "dollars_moved": (moved / 2).quantize(Decimal("0.01"), ROUND_HALF_UP),
                "dollars_withheld": sum((row["withheld"] for row in old.values()), Decimal(0)),
            }
        )
    return found


def _median_percent(values: Sequence[float | Decimal]) -> float | None:
    """Give the lower median in percent."""
    return round(100 * float(sorted(values)[(len(values) - 1) // 2]), 2) if values else None


def _place(units: dict[str, dict[str, Any]], unit_id: str) -> float:
    scored = sum(1 for row in units.values() if row["rank"])
    return float(units[unit_id]["rank"]) / scored


def _payment(units: dict[str, dict[str, Any]], unit_id: str) -> Decimal:
    return units[unit_id]["payment"] if unit_id in units else Decimal(0)


def _assignments(
    engine: Engine,
    claims: ClaimsData,
    rules: Sequence[Rule],
    period: Period,
    scratch: Path | None,
    progress: Callable[[str], None],
) -> _Year:
    progress(f"{period.label}: visits and persons")
    events = read_events(claims, rules, period, scratch)
    attribution = attribute(engine, events, rules, period)
    kept = {}
    for rule_id, table in attribution.tables.items():
        progress(f"{period.label}: {rule_id}")
        kept[rule_id] = engine.compute(table, f"attributed_{period.label}_{rule_id}")
    return _Year(
        kept,
        persons(engine, events.person_month, period),
        contacts(engine, events, rules[0], period),
        events.service_line,
    )


def _units(engine: Engine, rule: Rule, now: _Year, costs: ir.Table) -> list[dict[str, Any]]:
    return engine.to_arrow(unit_costs(now.attributed[rule.rule], costs).order_by("unit_id")).to_pylist()


def _each(rules: Sequence[Rule], of: Callable[[Rule], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [{"rule": rule.rule, **row} for rule in rules for row in of(rule)]


def _churns(
    engine: Engine, claims: ClaimsData, rules: Sequence[Rule], now: _Year, then: _Year, period: Period
) -> list[dict[str, Any]]:
    died = claims.table("eligibility").filter(_.death_date <= period.end).select("person_id")

    def of(rule: Rule) -> list[dict[str, Any]]:
        active = now.visits.select(unit_id=_[rule.unit]) if rule.unit in metrics.UNITS_OF_VISITS else None
        found = agreement.churn(
            engine,
            then.attributed[rule.rule],
            now.attributed[rule.rule],
            persons_before=then.persons,
            persons_now=now.persons,
            deaths=died,
            active_units=active,
        )
        return [found] if found["assigned_before"] else []

    return _each([rule for rule in rules if not rule.takes_several], of)


def _agreements(engine: Engine, rules: Sequence[Rule], now: _Year) -> list[dict[str, Any]]:
    single = [rule for rule in rules if not rule.takes_several]
    return [
        {
            "rule": one.rule,
            "other_rule": other.rule,
            **agreement.agreement(engine, now.attributed[one.rule], now.attributed[other.rule]),
        }
        for number, one in enumerate(single)
        for other in single[number + 1 :]
        if one.unit == other.unit
    ]


def _drifts(engine: Engine, rules: Sequence[Rule], now: _Year, reference: str) -> list[dict[str, Any]]:
    held = next(rule for rule in rules if rule.rule == reference)
    others = [rule for rule in rules if rule.unit == held.unit and rule.rule != reference]
    return _each(
        others,
        lambda rule: agreement.drift(engine, now.attributed[reference], now.attributed[rule.rule], now.persons),
    )


def _demand_comparable(rules: Sequence[Rule], reference: str) -> None:
    problems = []
    if len(rules) < 2:
        problems.append(Problem("there is nothing to compare", "--rule", "give two rules or more"))
    on_stays = [rule.rule for rule in rules if rule.subject != "person"]
    if on_stays:
        problems.append(
            Problem(
                "rules on stays cannot be compared with rules on persons",
                "--rule",
                "leave them out",
                len(on_stays),
                tuple(on_stays),
            )
        )
    if reference not in [rule.rule for rule in rules]:
        problems.append(
            Problem(f"the reference {reference} is not among the rules", "--reference", "give it as --rule")
        )
    if problems:
        raise UsageError(problems)


def _demand_some(engine: Engine, year: _Year, claims: ClaimsData, period: Period) -> None:
    for table, what in ((year.persons, "nobody is enrolled"), (year.visits, "nobody has an ambulatory visit")):
        if not engine.to_arrow(table.limit(1)).num_rows:
            raise InputDataError(
                Problem(f"{what} in {period.label}", str(claims.folder), "choose a period that the claims cover")
            )


def _year_before(period: Period) -> Period:
    start = date(period.start.year - 1, period.start.month, 1)
    span = (period.end.year - period.start.year) * 12 + period.end.month - period.start.month
    after = start.year * 12 + start.month - 1 + span + 1
    end = date.fromordinal(date(after // 12, after % 12 + 1, 1).toordinal() - 1)
    return Period(f"{start:%Y-%m}..{end:%Y-%m}", start, end)
