"""Attribution rules compared: whom each assigns, how they differ, and what each would pay."""

from __future__ import annotations

import tempfile
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
from openvbp.attribution.portions import portions
from openvbp.attribution.rule import Rule
from openvbp.attribution.unit_costs import person_costs, reliability, unit_costs
from openvbp.attribution_comparison.gathered import Gathered, gather
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


def compare_rules(
    engine: Engine,
    claims: ClaimsData,
    rules: Sequence[Rule],
    period: Period,
    *,
    reference: str,
    withheld_share: Decimal = WITHHELD_SHARE,
    minimum_persons: int = MINIMUM_PERSONS,
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
    with tempfile.TemporaryDirectory(prefix="openvbp-rows-") as scratch:
        gathered = gather(portions(claims), rules, period, _year_before(period), Path(scratch), progress)
        _demand_some(engine, gathered, claims, period)
        terms = {"withheld_share": withheld_share, "minimum_persons": minimum_persons}
        return _compared(engine, claims, rules, period, gathered, reference, terms, progress)


def _compared(
    engine: Engine,
    claims: ClaimsData,
    rules: Sequence[Rule],
    period: Period,
    gathered: Gathered,
    reference: str,
    terms: dict[str, Any],
    progress: Callable[[str], None],
) -> Comparison:
    progress("costs and payments")
    costs = person_costs(engine, gathered.amounts, gathered.persons_now, period)
    units = {rule.rule: _units(engine, rule, gathered, costs) for rule in rules}
    paid = payments(engine, units, **terms)
    progress("comparison")
    of_visits = [rule for rule in rules if rule.unit in metrics.UNITS_OF_VISITS]
    return Comparison(
        period=period.label,
        previous_period=_year_before(period).label,
        reference=reference,
        rules=[
            {"rule": rule.rule, "title": rule.title, "unit": rule.unit, "is_verified": rule.unverified is None}
            for rule in rules
        ],
        assigned=_each(
            rules, lambda rule: metrics.assigned_share(engine, gathered.now[rule.rule], gathered.persons_now)
        ),
        care=_each(
            [rule for rule in of_visits if not rule.takes_several],
            lambda rule: metrics.care_share(
                engine, gathered.now[rule.rule], gathered.seen[rule.unit], gathered.persons_now
            ),
        ),
        continuity=metrics.continuity(engine, gathered.continuity, gathered.persons_now),
        panels=_each(
            rules,
            lambda rule: [metrics.panel_sizes(engine, gathered.now[rule.rule], gathered.seen.get(rule.unit))],
        ),
        churn=_churns(engine, claims, rules, gathered, period),
        agreements=_agreements(engine, rules, gathered),
        drifts=_drifts(engine, rules, gathered, reference),
        reliabilities=_each(rules, lambda rule: [found] if (found := reliability(units[rule.rule])) else []),
        sensitivity=sensitivity(paid, {rule.rule: rule.unit for rule in rules}, reference),
        payments=paid,
    )


def _units(engine: Engine, rule: Rule, gathered: Gathered, costs: ir.Table) -> list[dict[str, Any]]:
    return engine.to_arrow(unit_costs(gathered.now[rule.rule], costs).order_by("unit_id")).to_pylist()


def _each(rules: Sequence[Rule], of: Callable[[Rule], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [{"rule": rule.rule, **row} for rule in rules for row in of(rule)]


def _churns(
    engine: Engine, claims: ClaimsData, rules: Sequence[Rule], gathered: Gathered, period: Period
) -> list[dict[str, Any]]:
    died = claims.table("eligibility").filter(_.death_date <= period.end).select("person_id")

    def of(rule: Rule) -> list[dict[str, Any]]:
        seen = gathered.seen.get(rule.unit)
        found = agreement.churn(
            engine,
            gathered.then[rule.rule],
            gathered.now[rule.rule],
            persons_before=gathered.persons_then,
            persons_now=gathered.persons_now,
            deaths=died,
            active_units=None if seen is None else seen.select("unit_id"),
        )
        return [found] if found["assigned_before"] else []

    return _each([rule for rule in rules if not rule.takes_several], of)


def _agreements(engine: Engine, rules: Sequence[Rule], gathered: Gathered) -> list[dict[str, Any]]:
    single = [rule for rule in rules if not rule.takes_several]
    return [
        {
            "rule": one.rule,
            "other_rule": other.rule,
            **agreement.agreement(engine, gathered.now[one.rule], gathered.now[other.rule]),
        }
        for number, one in enumerate(single)
        for other in single[number + 1 :]
        if one.unit == other.unit
    ]


def _drifts(engine: Engine, rules: Sequence[Rule], gathered: Gathered, reference: str) -> list[dict[str, Any]]:
    held = next(rule for rule in rules if rule.rule == reference)
    others = [rule for rule in rules if rule.unit == held.unit and rule.rule != reference]
    return _each(
        others,
        lambda rule: agreement.drift(engine, gathered.now[reference], gathered.now[rule.rule], gathered.persons_now),
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


def _demand_some(engine: Engine, gathered: Gathered, claims: ClaimsData, period: Period) -> None:
    for table, what in (
        (gathered.persons_now, "nobody is enrolled"),
        (gathered.continuity, "nobody has an ambulatory visit"),
    ):
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
