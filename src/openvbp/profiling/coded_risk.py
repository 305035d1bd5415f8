"""Coded risk of persons in periods, and whose patients they are: the tables that drift of coding is looked for in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.profiling.tables import (
    as_number,
    demand_columns,
    demand_some,
    first_reason,
    open_table,
    rejected_by_reason,
)

UNIT = 1000
"""Scores are summed as whole thousandths, exactly."""
_LARGEST = 1000


@dataclass(frozen=True)
class CodedRisk:
    """Persons in periods, checked."""

    rows: ir.Table
    """One row per person and period with a provider: ``person_id``, ``period``, ``provider_id``, ``coded``
    (thousandths, of conditions alone), ``demographic`` (thousandths, null where not known), ``cell`` (persons whose
    risk is expected to be the same but for their conditions), ``contacts`` (null where not known), ``conditions``
    (separated by blanks; null where not known)."""
    periods: tuple[int, ...]
    accepted: int
    rejected: dict[str, int]
    """Rows by reason; persons without a provider among them."""


OPTIONAL = ("demographic", "cell", "contacts", "conditions")


def checked_risk(engine: Engine, scores: ir.Table, attribution: ir.Table, where: str) -> CodedRisk:
    """Bring coded risk and attribution together, and tell rows that can be used from those that cannot.

    Parameters
    ----------
    engine
        Where to compute; the rows are kept.
    scores
        ``person_id``, ``period`` (a year), ``coded``; optional ``demographic``, ``cell``, ``contacts``, ``conditions``.
    attribution
        ``person_id``, ``period``, ``provider_id``; ``weight`` where several share a person: the largest one counts, the
        first by identifier of equal ones.
    where
        For messages.

    Raises
    ------
    InputDataError
        If a person stands twice in a period, no row can be used, there is one period only, a period is missing in
        between, or there is one provider only.
    """
    read = scores.select(
        person_id=scores.person_id.cast("string"),
        period=as_number(scores.period),
        score=as_number(scores.coded),
        demographic=_units(scores, "demographic"),
        contacts=_whole(scores, "contacts"),
        cell=scores.cell.cast("string") if "cell" in scores.columns else ibis.literal("all"),
        conditions=scores.conditions.cast("string") if "conditions" in scores.columns else ibis.null("string"),
    )
    best = ibis.window(group_by=["person_id", "period"], order_by=[ibis.desc("weight"), "provider_id"])
    units = attribution.filter(_.provider_id.notnull()).select(
        "provider_id",
        person_id=attribution.person_id.cast("string"),
        period=as_number(attribution.period),
        weight=as_number(attribution.weight) if "weight" in attribution.columns else ibis.literal(1.0),
    )
    first = units.mutate(place=ibis.row_number().over(best)).filter(_.place == 0)
    joined = read.left_join(first.select("person_id", "period", "provider_id"), ["person_id", "period"])
    joined = joined.select(*read.columns, provider_id=joined.provider_id.cast("string"))
    reason = first_reason(
        [
            (joined.person_id.isnull(), "person is missing"),
            (joined.period.isnull() | (joined.period != joined.period.round()), "period is no whole number"),
            (joined.score.isnull() | joined.score.isnan(), "coded risk is missing or no number"),
            (~joined.score.between(-_LARGEST, _LARGEST), f"coded risk is beyond {_LARGEST}"),
            (joined.provider_id.isnull(), "person has no provider in the period"),
        ]
    )
    checked = engine.compute(joined.mutate(reason=reason), "profiling_risk_read")
    rejected = rejected_by_reason(engine, checked)
    kept = checked.filter(_.reason.isnull()).select(
        *("person_id", "provider_id", "demographic", "contacts", "cell", "conditions"),
        period=_.period.round().cast("int64"),
        coded=(_.score * float(UNIT)).round().cast("int64"),
    )
    kept = engine.compute(kept, "profiling_risk")
    accepted, periods = _check(engine, kept, rejected, where)
    return CodedRisk(kept, periods, accepted, rejected)


def _units(rows: ir.Table, name: str) -> ir.IntegerValue:
    if name not in rows.columns:
        return ibis.null("int64")
    return (as_number(rows[name]) * float(UNIT)).round().cast("int64")


def _whole(rows: ir.Table, name: str) -> ir.IntegerValue:
    return as_number(rows[name]).round().cast("int64") if name in rows.columns else ibis.null("int64")


def _check(engine: Engine, rows: ir.Table, rejected: dict[str, int], where: str) -> tuple[int, tuple[int, ...]]:
    counted = rows.group_by("period").agg(rows=_.count(), persons=_.person_id.nunique())
    found = engine.to_arrow(counted.order_by("period")).to_pylist()
    accepted = sum(row["rows"] for row in found)
    demand_some(accepted, rejected, where)
    twice = accepted - sum(row["persons"] for row in found)
    if twice:
        what_to_do = "give one row per person and period"
        raise InputDataError(Problem("persons stand more than once in a period", where, what_to_do, twice))
    periods = tuple(row["period"] for row in found)
    if len(periods) == 1:
        what = f"there is one period only: {periods[0]}"
        raise InputDataError(Problem(what, where, "give two or more: drift is a change"))
    gaps = sorted(set(range(periods[0], periods[-1] + 1)) - set(periods))
    if gaps:
        what_to_do = "add them, or leave out those on one side of the gap"
        examples = tuple(str(one) for one in gaps[:3])
        raise InputDataError(Problem("periods are missing in between", where, what_to_do, len(gaps), examples))
    (units,) = engine.to_arrow(rows.agg(units=_.provider_id.nunique())).to_pylist()
    if units["units"] == 1:
        what_to_do = "give several: a provider's coding is held against others'"
        raise InputDataError(Problem("there is one provider only", where, what_to_do))
    return accepted, periods


def open_attribution(engine: Engine, paths: Sequence[Path], provider: str, rule: str) -> ir.Table:
    """Open tables that say whose patients persons are.

    Parameters
    ----------
    engine
        Where to compute.
    paths
        Tables of ``openvbp attribute`` (``person_id``, ``unit_id``, ``span_start``, ``rule_id``, ``weight``), or of
        ``person_id``, ``period`` or ``year``, and a column of the provider.
    provider
        Column of the provider: ``unit_id`` in the first form.
    rule
        Which rule counts, where a table has several.

    Returns
    -------
    ``person_id``, ``period``, ``provider_id``, ``weight``.

    Raises
    ------
    UsageError
        If a column is missing, or a table has several rules and none, or another one, is named.
    """
    parts = []
    for number, path in enumerate(paths):
        rows = open_table(engine, path, f"profiling_attribution_{number}")
        demand_columns(rows, ["person_id", provider], str(path))
        if "rule_id" in rows.columns:
            rows = _of_rule(engine, rows, rule, str(path))
        if "span_start" in rows.columns:
            period = rows.span_start.cast("date").year().cast("int64")
        else:
            name = "period" if "period" in rows.columns else "year"
            demand_columns(rows, [name], str(path))
            period = as_number(rows[name]).round().cast("int64")
        weight = as_number(rows.weight) if "weight" in rows.columns else ibis.literal(1.0)
        parts.append(
            rows.select(
                person_id=rows.person_id.cast("string"),
                period=period,
                provider_id=rows[provider].cast("string"),
                weight=weight.cast("float64"),
            )
        )
    return ibis.union(*parts, distinct=False) if len(parts) > 1 else parts[0]


def _of_rule(engine: Engine, rows: ir.Table, rule: str, where: str) -> ir.Table:
    known = engine.to_arrow(rows.select("rule_id").distinct().order_by("rule_id"))["rule_id"].to_pylist()
    if rule and rule not in known:
        raise UsageError(Problem(f"there is no rule '{rule}'", where, "name one of: " + ", ".join(known)))
    if not rule and len(known) > 1:
        raise UsageError(Problem("the table has several rules", where, "name one with --rule: " + ", ".join(known)))
    return rows.filter(_.rule_id == rule) if rule else rows
