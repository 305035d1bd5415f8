"""How well predictions tell cases apart and how well they hold, by group: pure table logic, the same on every engine.

Nothing here is a sum of binary floats: probabilities are whole numbers (:data:`openvbp.profiling.cases.ONE`), so that
areas under the curve are quotients of whole numbers and the groups' expected events add up exactly to those of all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.engine import Engine
from openvbp.money import whole_sum
from openvbp.profiling.cases import ONE, Cases

ALL = "all"
"""Column and group of all cases together."""


@dataclass(frozen=True)
class Values:
    """Cases by predicted value."""

    rows: ir.Table
    """One row per column of groups (``place``, -1 for all), ``group`` and ``units``: ``cases``, ``events``,
    ``band``."""
    cases: Cases
    bands: int


def by_value(engine: Engine, cases: Cases, bands: int = 10) -> Values:
    """Count cases and events by group and predicted value, and cut all cases into bands of risk of equal size.

    Parameters
    ----------
    engine
        Where to compute; the result is kept.
    cases
        Checked cases.
    bands
        Ten for deciles of risk. They are cut from all cases, so that a band means the same risk in every group; equal
        predictions stay in one band.
    """
    everybody = _counted(cases.rows, ibis.literal(ALL))
    up_to = everybody.cases.sum().over(ibis.window(order_by="units", preceding=(None, 0)))
    below = up_to.cast("decimal(38, 0)").cast("int64") - everybody.cases
    share = (below * bands).cast("float64") / float(cases.accepted)
    listed = engine.compute(everybody.mutate(band=share.floor().cast("int64") + 1), "profiling_bands")
    # The place is written out again: computed, a literal has the engine's type.
    parts = [listed.select("group", "units", "cases", "events", "band", place=ibis.literal(-1, "int64"))]
    band_of = listed.select("units", "band")
    for at in range(len(cases.groups)):
        part = _counted(cases.rows, cases.rows[f"group_{at}"]).inner_join(band_of, "units")
        parts.append(part.select("group", "units", "cases", "events", "band", place=ibis.literal(at, "int64")))
    return Values(engine.compute(ibis.union(*parts, distinct=False), "profiling_by_value"), cases, bands)


def _counted(rows: ir.Table, group: ir.Value) -> ir.Table:
    named = rows.select("units", "event", group=group)
    return named.group_by("group", "units").agg(cases=_.count(), events=whole_sum(_.event))


def group_figures(engine: Engine, values: Values) -> list[dict[str, object]]:
    """Cases, observed and expected events, their ratio, and the area under the curve, by group.

    Returns
    -------
    One row per column and group: ``column``, ``group``, ``cases``, ``observed``, ``expected``, ``ratio`` (observed ÷
    expected, none where nothing is expected), ``area`` under the receiver operating characteristic by mid-ranks, and
    its standard error (none without events or without others). In the order of the columns, all cases first.

    Source: D. Bamber, Journal of Mathematical Psychology 12 (1975), 387-415; the standard error of J. A. Hanley and
    B. J. McNeil, Radiology 143 (1982), 29-36.
    """
    rows = values.rows.mutate(others=_.cases - _.events)
    before = ibis.window(group_by=["place", "group"], order_by="units", preceding=(None, 0))
    rows = rows.mutate(others_below=_.others.sum().over(before).cast("decimal(38, 0)").cast("int64") - _.others)
    # An event is above every other case of a lower prediction, and half above those of the same.
    rows = rows.mutate(halves=_.events * (2 * _.others_below + _.others))
    summed = rows.group_by("place", "group").agg(
        cases=whole_sum(_.cases),
        observed=whole_sum(_.events),
        expected_units=whole_sum(_.units * _.cases),
        halves=whole_sum(_.halves),
    )
    found = engine.to_arrow(summed.order_by("place", "group")).to_pylist()
    return [_figures(row, values.cases) for row in found]


def _figures(row: dict[str, int], cases: Cases) -> dict[str, object]:
    observed, others = row["observed"], row["cases"] - row["observed"]
    area = row["halves"] / (2 * observed * others) if observed and others else None
    expected = row["expected_units"] / ONE
    return {
        "column": ALL if row["place"] < 0 else cases.groups[row["place"]],
        "group": row["group"],
        "cases": row["cases"],
        "observed": observed,
        "expected": expected,
        "ratio": observed / expected if expected else None,
        "area": area,
        "area_standard_error": None if area is None else area_standard_error(area, observed, others),
    }


def area_standard_error(area: float, events: int, others: int) -> float:
    """Standard error of an area under the curve, from the area and the numbers of cases (Hanley and McNeil 1982)."""
    two_events, two_others = area / (2 - area), 2 * area * area / (1 + area)
    spread = (
        area * (1 - area) + (events - 1) * (two_events - area * area) + (others - 1) * (two_others - area * area)
    ) / (events * others)
    return math.sqrt(max(spread, 0.0))


def band_figures(engine: Engine, values: Values) -> list[dict[str, object]]:
    """Observed and expected events by group and band of risk.

    Returns
    -------
    One row per column, group and band that has cases: ``column``, ``group``, ``band`` (1 for the lowest risk),
    ``cases``, ``observed``, ``expected``.
    """
    summed = values.rows.group_by("place", "group", "band").agg(
        cases=whole_sum(_.cases), observed=whole_sum(_.events), expected_units=whole_sum(_.units * _.cases)
    )
    return [
        {
            "column": ALL if row["place"] < 0 else values.cases.groups[row["place"]],
            "group": row["group"],
            "band": row["band"],
            "cases": row["cases"],
            "observed": row["observed"],
            "expected": row["expected_units"] / ONE,
        }
        for row in engine.to_arrow(summed.order_by("place", "group", "band")).to_pylist()
    ]
