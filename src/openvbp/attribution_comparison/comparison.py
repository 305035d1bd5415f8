"""Attribution rules compared: whom each assigns, how they differ, and what each would pay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
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
from openvbp.attribution_comparison.payments import payments, sensitivity
from openvbp.claims.tables import ClaimsData
from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.periods import Period

WITHHELD_SHARE = Decimal("0.02")
MINIMUM_PERSONS = 20


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
        Terms of the payment that shows what the choice of a rule moves
        (:func:`openvbp.attribution_comparison.payments.payments`).
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
