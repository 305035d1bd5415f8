"""Results of measures: counts by population, rates and means, for all subjects, units and strata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.measures.measure import Composite, Measure
from openvbp.measures.plan import Evaluated
from openvbp.measures.statuses import EXCLUDED, MET, NOT_EVALUABLE, NOT_MET, NUMERATOR_EXCLUDED, OUTSIDE, STATUSES
from openvbp.periods import Period

ALL = "all"
_COUNTED = tuple(name for name in STATUSES if name != "outside")
_RATE = Decimal("0.0000000001")
RATES = pa.schema(
    [
        *((name, pa.string()) for name in ("measure", "version", "direction", "scoring", "period", "unit", "unit_id")),
        ("stratum", pa.string()),
        ("stratum_value", pa.string()),
        *((name, pa.int64()) for name in ("initial_population", "denominator", *_COUNTED)),
        ("numerator_value", pa.decimal128(38, 4)),
        ("denominator_value", pa.decimal128(38, 4)),
        ("rate", pa.decimal128(38, 10)),
        ("is_unverified", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class Units:
    """Who is held responsible for whom: persons to units, or the facility of the index event."""

    kind: str
    """For example ``npi``, ``tin``, ``organization`` or ``facility``."""
    persons: ir.Table | None = None
    """``person_id``, ``unit_id``: one unit for a person. None takes the facility of the index event."""


def rates(
    engine: Engine,
    evaluated: Sequence[Evaluated],
    composites: Sequence[Composite],
    periods: Sequence[Period],
    units: Sequence[Units] = (),
) -> pa.Table:
    """Add up the statuses of subjects.

    Parameters
    ----------
    engine
        Where to compute.
    evaluated
        Of :func:`openvbp.measures.plan.evaluate`.
    composites
        Made of those measures.
    periods
        As they were evaluated.
    units
        Kinds of units to give results for, beside all subjects together.

    Returns
    -------
    One row per measure × period × unit (× stratum): counts of subjects by status (:mod:`openvbp.measures.statuses`);
    ``initial_population``; ``denominator``: those who count in the rate, for proportions all who are met, not met or
    excluded from the numerator only; ``numerator_value`` and ``denominator_value``, sums; ``rate``: the share who are
    met, the ratio of the sums, or their mean per subject; null where nobody counts, which is no zero.
    """
    rows: list[dict[str, Any]] = []
    for group in evaluated:
        for unit, by in [(ALL, None), *((one.kind, one) for one in units)]:
            table = _with_unit(group.table, by)
            if table is None:
                continue
            rows += _rows(engine, group, table, unit, periods)
            rows += _all_or_none(engine, group, table, unit, composites, periods)
    rows += _made_of_rates(rows, composites)
    order = ("measure", "version", "period", "unit", "unit_id", "stratum", "stratum_value")
    rows.sort(key=lambda row: tuple(str(row[name] or "") for name in order))
    return pa.Table.from_pylist(rows, RATES)


def _with_unit(table: ir.Table, by: Units | None) -> ir.Table | None:
    if by is None:
        return table.mutate(unit_id=ibis.null("string"))
    if by.persons is None:
        return table.filter(_.index_facility_id.notnull()).mutate(unit_id=_.index_facility_id)
    return table.join(by.persons.select("person_id", "unit_id"), "person_id")


def _rows(
    engine: Engine, group: Evaluated, table: ir.Table, unit: str, periods: Sequence[Period]
) -> Iterator[dict[str, Any]]:
    columns: dict[str, Any] = {}
    for number, measure in enumerate(group.measures):
        columns |= _counts(number, measure)
    for row in _added_up(engine, table, ("period", "unit_id"), columns):
        for number, measure in enumerate(group.measures):
            made = _row(measure, number, row, unit, periods)
            # A unit without anybody in a measure has no result; that nobody at all is in it is worth a row.
            if made["initial_population"] or unit == ALL:
                yield made
    for number, measure in enumerate(group.measures):
        for place, (name, _value) in enumerate(measure.strata):
            stratum = f"stratum_{number}_{place}"
            for row in _added_up(engine, table, ("period", "unit_id", stratum), _counts(number, measure)):
                made = _row(measure, number, row, unit, periods)
                if made["initial_population"]:
                    yield made | {"stratum": name, "stratum_value": row[stratum]}


def _counts(number: int, measure: Measure) -> dict[str, Any]:
    status = _[f"status_{number}"]
    counts: dict[str, Any] = {
        f"{name}_{number}": (status == code).sum().cast("int64")
        for code, name in enumerate(STATUSES)
        if code != OUTSIDE
    }
    for name in ("numerator_value", "denominator_value"):
        if getattr(measure, name) is not None:
            column = f"{name}_{number}"
            counts[column] = _[column].sum(where=status == MET).cast("decimal(38, 4)")
    return counts


def _added_up(
    engine: Engine, table: ir.Table, keys: tuple[str, ...], columns: Mapping[str, Any]
) -> list[dict[str, Any]]:
    return engine.to_arrow(table.group_by(*keys).agg(**columns)).to_pylist()


def _row(
    measure: Measure | Composite, number: int, row: Mapping[str, Any], unit: str, periods: Sequence[Period]
) -> dict[str, Any]:
    counts = {name: row[f"{name}_{number}"] for name in _COUNTED}
    values = {name: row.get(f"{name}_{number}") for name in ("numerator_value", "denominator_value")}
    scoring, scale = (measure.scoring, measure.scale) if isinstance(measure, Measure) else (measure.how, 1)
    denominator = counts["met"] + counts["not_met"] + counts["numerator_excluded"]
    governance = measure.governance
    return {
        "measure": measure.id,
        "version": measure.version,
        "direction": measure.direction,
        "scoring": scoring,
        "period": periods[row["period"]].label,
        "unit": unit,
        "unit_id": row["unit_id"],
        "stratum": None,
        "stratum_value": None,
        "initial_population": sum(counts.values()),
        "denominator": denominator,
        **counts,
        **values,
        "rate": _rate(scoring, counts["met"], denominator, values, scale),
        "is_unverified": bool(governance and governance.unverified),
    }


def _rate(scoring: str, met: int, denominator: int, values: Mapping[str, Decimal | None], scale: int) -> Decimal | None:
    if scoring == "cohort":
        return None
    above: Decimal | int | None = met
    below: Decimal | int | None = denominator
    if scoring in ("ratio", "continuous"):
        above = values["numerator_value"]
        below = values["denominator_value"] if scoring == "ratio" else denominator
        above = None if above is None else above * scale
    return quotient(above, below)


def quotient(above: Decimal | int | None, below: Decimal | int | None) -> Decimal | None:
    """Divide, rounded half up to ten decimals; null where there is nothing to divide by."""
    if above is None or not below:
        return None
    return (Decimal(above) / Decimal(below)).quantize(_RATE, ROUND_HALF_UP)


def _all_or_none(
    engine: Engine,
    group: Evaluated,
    table: ir.Table,
    unit: str,
    composites: Sequence[Composite],
    periods: Sequence[Period],
) -> Iterator[dict[str, Any]]:
    """Composites whose components all stand in one group: subjects who meet everything they are eligible for."""
    numbers = {measure.id: number for number, measure in enumerate(group.measures)}
    for composite in composites:
        if composite.how != "all_or_none" or not set(composite.components) <= set(numbers):
            continue
        statuses = [table[f"status_{numbers[name]}"] for name in composite.components]
        status = all_or_none_status(statuses)
        counts = {
            f"{name}_0": (status == code).sum().cast("int64") for code, name in enumerate(STATUSES) if code != OUTSIDE
        }
        for row in engine.to_arrow(table.group_by("period", "unit_id").agg(**counts)).to_pylist():
            yield _row(composite, 0, row, unit, periods)


def all_or_none_status(statuses: Sequence[ir.IntegerValue]) -> ir.IntegerValue:
    """Status of a subject in a composite that asks for everything.

    Not met if a component is not met; else not evaluable if one is; else met if one is met; else excluded or outside.
    """

    def any_is(*codes: int) -> ir.BooleanValue:
        found = statuses[0].isin(codes)
        for one in statuses[1:]:
            found = found | one.isin(codes)
        return found

    return ibis.cases(
        (any_is(NOT_MET, NUMERATOR_EXCLUDED), NOT_MET),
        (any_is(NOT_EVALUABLE), NOT_EVALUABLE),
        (any_is(MET), MET),
        (any_is(EXCLUDED), EXCLUDED),
        else_=OUTSIDE,
    )


def _made_of_rates(rows: Sequence[Mapping[str, Any]], composites: Sequence[Composite]) -> list[dict[str, Any]]:
    """Composites that are made of the results of their components, unit by unit."""
    by_place: dict[tuple[Any, ...], dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        if row["stratum"] is None:
            by_place.setdefault((row["period"], row["unit"], row["unit_id"]), {})[row["measure"]] = row
    found: list[dict[str, Any]] = []
    for composite in _inner_first(composites):
        if composite.how == "all_or_none":
            continue
        for known in by_place.values():
            parts = [known.get(name) for name in composite.components]
            if not any(parts):
                continue
            made = _combined(composite, [part for part in parts if part], is_whole=all(parts))
            known[composite.id] = made
            found.append(made)
    return found


def _inner_first(composites: Sequence[Composite]) -> list[Composite]:
    """Composites in an order in which each comes after those that it is made of."""
    by_id = {one.id: one for one in composites}
    ordered: list[Composite] = []

    def add(one: Composite) -> None:
        for name in one.components:
            if name in by_id:
                add(by_id[name])
        if one not in ordered:
            ordered.append(one)

    for one in composites:
        add(one)
    return ordered


def _combined(composite: Composite, parts: Sequence[Mapping[str, Any]], *, is_whole: bool) -> dict[str, Any]:
    sums = {name: sum(part[name] for part in parts) for name in ("initial_population", "denominator", *_COUNTED)}
    if composite.how == "opportunity":
        rate = quotient(sums["met"], sums["denominator"])
    else:
        # A component that nobody can be counted in leaves the composite without a rate: it is no zero.
        given = [part["rate"] for part in parts]
        complete = is_whole and None not in given
        weighted = (
            sum((w * one for w, one in zip(composite.weights, given, strict=True)), Decimal(0)) if complete else None
        )
        rate = quotient(weighted, sum(composite.weights))
    return (
        dict(parts[0])
        | sums
        | {
            "measure": composite.id,
            "version": composite.version,
            "direction": composite.direction,
            "scoring": composite.how,
            "numerator_value": None,
            "denominator_value": None,
            "rate": rate,
            "is_unverified": any(part["is_unverified"] for part in parts),
        }
    )
