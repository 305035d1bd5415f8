"""First and last days of the windows in which events are looked for."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import date

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from openvbp.engine import Engine
from openvbp.measures.dates import moved
from openvbp.measures.elements import Element, Elements
from openvbp.measures.expressions import Translator
from openvbp.measures.values import Anchor, Constant, Shift, Value
from openvbp.periods import Period

_NUMBERS = itertools.count()


def windows_of_subjects(subjects: ir.Table, elements: Elements, wanted: Sequence[Element]) -> ir.Table:
    """Give the windows of elements, whose days may differ between subjects.

    Parameters
    ----------
    subjects
        ``subject``, ``person``, ``index``, ``index_event_id``, ``index_domain``, and all that days are made of.
    elements, wanted
        Everything asked for, and the elements whose windows are wanted.

    Returns
    -------
    One row per subject × window: ``subject``, ``person``, ``index_event_id``, ``index_domain``, ``window``, ``first``,
    ``last``. Subjects of which no index asks for a window have no row for it.
    """
    parts = []
    for number in sorted({one.window for one in wanted}):
        indices = set().union(*(one.indices for one in wanted if one.window == number))
        concerned = subjects.filter(subjects["index"].isin(sorted(indices))) if indices else subjects
        translate = Translator(concerned, elements)
        part = concerned.select(
            "subject",
            "person",
            "index_event_id",
            "index_domain",
            window=ibis.literal(number, "int64"),
            first=translate(elements.windows[number].first),
            last=translate(elements.windows[number].last),
        )
        parts.append(part)
    return parts[0] if len(parts) == 1 else ibis.union(*parts, distinct=False)


def windows_of_periods(
    engine: Engine, periods: Sequence[Period], elements: Elements, wanted: Sequence[Element]
) -> ir.Table:
    """Give the windows of elements that follow from the period alone.

    Parameters
    ----------
    engine
        Where to make the table.
    periods
        Of the run.
    elements, wanted
        Everything asked for, and the elements whose windows are wanted.

    Returns
    -------
    One row per window × period: ``window``, ``period``, ``periods`` (how many there are), ``first``, ``last``.
    """
    rows = [
        {
            "window": number,
            "period": place,
            "periods": len(periods),
            "first": _day(elements.windows[number].first, period),
            "last": _day(elements.windows[number].last, period),
        }
        for number in sorted({one.window for one in wanted})
        for place, period in enumerate(periods)
    ]
    return engine.table(pa.Table.from_pylist(rows), f"measure_windows_{next(_NUMBERS)}")


def _day(node: Value, period: Period) -> date:
    """The day that a value means in a period."""
    if isinstance(node, Shift):
        return moved(_day(node.day, period), node.months, node.days)
    if isinstance(node, Anchor):
        return period.start if node.side == "start" else period.end
    if isinstance(node, Constant) and isinstance(node.value, date):
        return node.value
    raise AssertionError(f"{node} does not follow from the period")
