"""Chooses among the index events of a person: apart from each other by some days, or one drawn."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.engine import Engine
from openvbp.measures.measure import Episode, Measure
from openvbp.measures.statuses import EXCEPTION, EXCLUDED, MET, NOT_MET, NUMERATOR_EXCLUDED

_NUMBERS = itertools.count()
_CANDIDATES = (MET, NOT_MET, NUMERATOR_EXCLUDED, EXCEPTION)


def choose_indices(engine: Engine, statuses: ir.Table, measures: Sequence[Measure], name: str) -> ir.Table:
    """Exclude the index events that a measure's basis does not choose.

    Parameters
    ----------
    engine
        Where to compute.
    statuses
        One row per index event × period: ``subject``, ``person_id``, ``period``, ``index_event_id``, ``index_start``,
        ``index_end``, and ``status_k`` for each measure.
    measures
        In the order of their numbers.
    name
        Prefix of the names of tables.

    Returns
    -------
    The same rows; the status of events that are not chosen is ``excluded``.
    """
    parts = []
    for number, measure in enumerate(measures):
        basis = measure.basis
        if not isinstance(basis, Episode) or (basis.days_apart is None and not basis.is_one_drawn):
            continue
        of_measure = statuses.filter(statuses[f"status_{number}"].isin(_CANDIDATES)).select(
            "subject",
            "person_id",
            "period",
            "index_event_id",
            "index_start",
            "index_end",
            measure=ibis.literal(number, "int64"),
            days_apart=ibis.literal(basis.days_apart, "int64"),
            key=(ibis.literal(measure.id + " ") + statuses.index_event_id).hexdigest("sha256"),
        )
        parts.append(of_measure)
    if not parts:
        return statuses
    candidates = engine.compute(parts[0] if len(parts) == 1 else ibis.union(*parts), f"{name}_candidates")
    dropped = _dropped(engine, candidates, name)
    columns = {f"measure_{one}": dropped.measure == one for one in range(len(measures))}
    wide = dropped.group_by("subject").agg(**{key: test.max() for key, test in columns.items()})
    joined = statuses.left_join(engine.compute(wide, f"{name}_dropped_{next(_NUMBERS)}"), "subject")
    chosen = {
        f"status_{one}": ibis.ifelse(joined[f"measure_{one}"].fill_null(False), EXCLUDED, joined[f"status_{one}"])  # noqa: FBT003
        for one in range(len(measures))
    }
    return engine.compute(joined.mutate(**chosen).select(statuses.columns), f"{name}_chosen_{next(_NUMBERS)}")


def _dropped(engine: Engine, candidates: ir.Table, name: str) -> ir.Table:
    """Candidates that are not chosen: ``measure``, ``subject``.

    Whether an index is kept depends on whether the one before it was: the first of each person is kept, what begins too
    soon after it is dropped, and so on with what is left.
    """
    per = ["measure", "person_id", "period"]
    drawn = candidates.filter(candidates.days_apart.isnull())
    place = ibis.row_number().over(ibis.window(group_by=per, order_by=["key", "index_event_id"]))
    parts = [drawn.mutate(place=place).filter(_.place > 0).select("measure", "subject")]
    left = candidates.filter(candidates.days_apart.notnull())
    while True:
        order = ibis.window(group_by=per, order_by=["index_start", "index_event_id"])
        placed = left.mutate(
            place=ibis.row_number().over(order),
            first_end=_.index_end.first().over(order),
        ).mutate(
            # The end of a stay is a day of it, so that days are counted from there.
            is_too_soon=_.index_start.delta(_.first_end, unit="day") <= _.days_apart
        )
        rest = engine.compute(placed.filter(_.place > 0), f"{name}_apart_{next(_NUMBERS)}")
        if not engine.to_arrow(rest.count().as_table())[0][0].as_py():
            break
        parts.append(rest.filter(_.is_too_soon).select("measure", "subject"))
        left = rest.filter(~_.is_too_soon).drop("place", "first_end", "is_too_soon")
    return ibis.union(*parts) if len(parts) > 1 else parts[0]
