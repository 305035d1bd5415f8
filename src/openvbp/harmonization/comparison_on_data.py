"""Two definitions held against each other on data: who changes, by which clause, and what that moves.

Metrics: rank agreement of units (H2); subjects whose status differs, by the clause that caused it (H3); money moved
(H4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from ibis import _
from scipy.stats import kendalltau

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.harmonization.clause_steps import ClauseStep, clause_steps
from openvbp.measures.event_data import EventData
from openvbp.measures.measure import Measure
from openvbp.measures.plan import Evaluated, evaluate
from openvbp.measures.rates import Units, rates
from openvbp.measures.statuses import OUTSIDE, STATUSES
from openvbp.measures.value_sets import ValueSet
from openvbp.payment.distribution import GREATEST_TOTAL_WEIGHT, divide
from openvbp.periods import Period

MINIMUM_SUBJECTS = 11


@dataclass(frozen=True)
class StatusPair:
    """Subjects by their status in either definition."""

    first: str
    second: str
    subjects: int


@dataclass(frozen=True)
class ClauseEffect:
    """What one clause changes."""

    role: str
    change: str
    changed: int
    """Subjects whose status changes at this step."""
    responsible_for: int
    """Of the subjects whose status differs in the end, those who got their final status here."""


@dataclass(frozen=True)
class UnitComparison:
    """How units fare under either definition."""

    kind: str
    units: int
    """Units with enough subjects in both."""
    kendall_tau: float | None
    """Rank agreement, 1 where all keep their order (tau-b); null with fewer than two units."""
    pool: Decimal
    moved: Decimal
    """US dollars of the pool that other units get under the second definition."""
    gain: int
    lose: int


@dataclass(frozen=True)
class DataComparison:
    """What was found."""

    first: str
    second: str
    period: str
    subjects: int
    """In the initial population of either."""
    differ: int
    rate_first: Decimal | None
    rate_second: Decimal | None
    statuses: list[StatusPair]
    clauses: list[ClauseEffect]
    units: list[UnitComparison]

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def compare_on_data(
    data: EventData,
    first: Measure,
    second: Measure,
    sets: Mapping[str, ValueSet],
    period: Period,
    units: Sequence[Units],
    *,
    pool: Decimal,
    scratch: Path | None = None,
) -> DataComparison:
    """Evaluate two definitions, and every step from one to the other, in one plan.

    Parameters
    ----------
    data, sets, period
        What to evaluate on.
    first, second
        Proportions of the same subjects.
    units
        Kinds of units whose ranks and money are compared.
    pool
        US dollars that are divided among the units of a kind by score × subjects, to the cent: an example that counts
        what the choice of a definition moves. The score is the rate, or one less the rate where lower is better.
    scratch
        Folder for large tables while they are read.

    Returns
    -------
    Counts of subjects. Every subject whose status differs is charged to one clause: the last at which its status
    changed, in the order of :func:`~openvbp.harmonization.clause_steps.clause_steps`; the charges add up.

    Raises
    ------
    UsageError
        If the two cannot be compared.
    InputDataError
        If nobody is in either.
    """
    steps = clause_steps(first, second)
    chain = [first, *(step.measure for step in steps)]
    (evaluated,) = evaluate(data, chain, sets, [period], scratch)
    engine = data.engine
    counted = _paths(engine, evaluated, len(chain))
    subjects = sum(one["subjects"] for one in counted)
    if not subjects:
        raise InputDataError(Problem("nobody is in either measure", period.label, "choose another period or data"))
    found = rates(engine, [evaluated], [], [period], units).to_pylist()
    whole = {row["measure"]: row["rate"] for row in found if row["unit"] == "all" and row["stratum"] is None}
    last = chain[-1].id
    return DataComparison(
        first.key,
        second.key,
        period.label,
        subjects,
        sum(one["subjects"] for one in counted if one["statuses"][0] != one["statuses"][-1]),
        whole[first.id],
        whole[last],
        _pairs(counted),
        [_effect(step, number, counted) for number, step in enumerate(steps, start=1)],
        [_units(engine, one, found, (first, last, second.direction), pool) for one in units],
    )


def _paths(engine: Engine, evaluated: Evaluated, length: int) -> list[dict[str, Any]]:
    """Subjects by the statuses that they go through; those outside in both ends are left out."""
    names = [f"status_{number}" for number in range(length)]
    table = evaluated.table.filter((_[names[0]] != OUTSIDE) | (_[names[-1]] != OUTSIDE))
    rows = engine.to_arrow(table.group_by(names).agg(subjects=_.count())).to_pylist()
    return [{"statuses": [row[name] for name in names], "subjects": row["subjects"]} for row in rows]


def _pairs(counted: Sequence[Mapping[str, Any]]) -> list[StatusPair]:
    pairs: dict[tuple[int, int], int] = {}
    for one in counted:
        key = one["statuses"][0], one["statuses"][-1]
        pairs[key] = pairs.get(key, 0) + one["subjects"]
    return [StatusPair(STATUSES[a], STATUSES[b], number) for (a, b), number in sorted(pairs.items())]


def _effect(step: ClauseStep, number: int, counted: Sequence[Mapping[str, Any]]) -> ClauseEffect:
    changed = responsible = 0
    for one in counted:
        path = one["statuses"]
        if path[number - 1] != path[number]:
            changed += one["subjects"]
            if path[0] != path[-1] and all(later == path[number] for later in path[number:]):
                responsible += one["subjects"]
    return ClauseEffect(step.role, step.change, changed, responsible)


def _units(
    engine: Engine, units: Units, found: Sequence[Mapping[str, Any]], ends: tuple[Measure, str, str], pool: Decimal
) -> UnitComparison:
    first, last, last_direction = ends
    directions = {first.id: first.direction, last: last_direction}
    scores: dict[str, dict[str, tuple[Decimal, int]]] = {name: {} for name in directions}
    for row in found:
        if row["unit"] == units.kind and row["measure"] in scores and row["denominator"] >= MINIMUM_SUBJECTS:
            rate = row["rate"]
            good = rate if directions[row["measure"]] == "higher_is_better" else 1 - rate
            scores[row["measure"]][row["unit_id"]] = good, row["denominator"]
    both = sorted(set(scores[first.id]) & set(scores[last]))
    tau = None
    if len(both) > 1:
        ranked = [[float(scores[name][unit][0]) for unit in both] for name in (first.id, last)]
        agreed = float(kendalltau(*ranked).statistic)
        tau = None if agreed != agreed else round(agreed, 6)
    before, after = (_divided(engine, scores[name], both, pool) for name in (first.id, last))
    changes = [after[unit] - before[unit] for unit in both]
    return UnitComparison(
        units.kind,
        len(both),
        tau,
        pool,
        sum((one for one in changes if one > 0), Decimal(0)),
        sum(one > 0 for one in changes),
        sum(one < 0 for one in changes),
    )


def _divided(
    engine: Engine, scores: Mapping[str, tuple[Decimal, int]], units: Sequence[str], pool: Decimal
) -> dict[str, Decimal]:
    """Divide the pool among units by score × subjects."""
    total = sum((scores[unit][0] * scores[unit][1] for unit in units), Decimal(0))
    if not total:
        return {unit: Decimal(0) for unit in units}
    # Weights are whole numbers of limited size.
    scale = Decimal(GREATEST_TOTAL_WEIGHT // 2) / total
    rows = [
        {
            "unit_id": unit,
            "pool": int(pool * 100),
            "weight": int((scores[unit][0] * scores[unit][1] * scale).to_integral_value(ROUND_FLOOR)),
            "one": 1,
        }
        for unit in units
    ]
    table = engine.table(pa.Table.from_pylist(rows), "harmonization_units")
    divided = divide(table, "cents", pool="pool", weight="weight", group=("one",), tie_breaker=("unit_id",))
    found = engine.to_arrow(divided.select("unit_id", "cents")).to_pylist()
    return {row["unit_id"]: Decimal(row["cents"]) / 100 for row in found}


def render(found: DataComparison) -> str:
    """Write a comparison for a terminal."""
    lines = [
        f"{found.first} against {found.second}, {found.period}",
        "",
        f"{found.subjects:,} subjects are in the initial population of either; the status of {found.differ:,} differs.",
        f"rate {_rate(found.rate_first)} against {_rate(found.rate_second)}",
        "",
        f"{'first':20} {'second':20} {'subjects':>10}",
    ]
    lines += [f"{one.first:20} {one.second:20} {one.subjects:>10,}" for one in found.statuses]
    lines += ["", "Which clause is responsible, from the first definition to the second:", ""]
    lines.append(f"{'changed':>10} {'responsible':>12}  clause")
    lines += [
        f"{one.changed:>10,} {one.responsible_for:>12,}  {one.role.replace('_', ' ')}, {one.change}"
        for one in found.clauses
    ]
    for one in found.units:
        tau = "not defined" if one.kendall_tau is None else f"{one.kendall_tau:.3f}"
        lines += [
            "",
            f"{one.units:,} units ({one.kind}) with {MINIMUM_SUBJECTS} subjects or more in both: Kendall's tau {tau}",
            f"of a pool of ${one.pool:,.2f}, ${one.moved:,.2f} change hands; {one.gain:,} gain, {one.lose:,} lose",
        ]
    return "\n".join(lines)


def _rate(rate: Decimal | None) -> str:
    return "none" if rate is None else f"{rate:.4f}"
