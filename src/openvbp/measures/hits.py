"""Events that fall in the windows of subjects, and what counts of them."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.measures.covered_days import covered_days
from openvbp.measures.domains import domains
from openvbp.measures.elements import Element, Elements
from openvbp.measures.events import Companion, FieldTest, How
from openvbp.measures.expressions import passes
from openvbp.measures.values import identity

_NUMBERS = itertools.count()
_PRESENT = ("confirmed", "unconfirmed", "provisional", "differential")
_ACTIVE = ("active", "recurrence", "relapse")
_TIMES = ("starts_during", "ends_during", "during", "overlaps", "prevalent")
_PICKS = ("all", "first", "last", "last_day")
_ELEMENT = pa.schema(
    [(name, pa.int64()) for name in ("element", "domain", "selector", "window", "time", "tests", "pick", "matching")]
)


def domain_number(name: str) -> int:
    """Number of a kind of events, by which they are told apart in tables."""
    return sorted(domains()).index(name)


def find(
    engine: Engine, matched: ir.Table, windows: ir.Table, elements: Elements, wanted: Sequence[Element]
) -> ir.Table:
    """Find the events that elements ask for.

    Parameters
    ----------
    engine
        Where to compute.
    matched
        Of :func:`openvbp.measures.matching.matched_events`.
    windows
        ``window``, ``first``, ``last``; and either ``subject``, ``person``, ``index_event_id``, ``index_domain`` (one
        row per subject and window), or ``period`` and ``periods`` (their count), where windows follow from the period
        alone and subjects are persons.
    elements, wanted
        Everything asked for, and the elements of these windows.

    Returns
    -------
    One row per subject × element × event: ``subject``, ``element``, ``first``, ``last`` and the columns of ``matched``.
    """
    asked = _asked(engine, elements, wanted)
    rows = _accompanied(matched.join(asked, "selector"), matched, elements, wanted)
    joined = _in_windows(rows, windows)
    found = joined.filter(
        _is_in_time(joined, wanted) & _passes_tests(joined, "tests", _groups(elements, wanted, "where"))
    )
    if "index_event_id" in windows.columns:
        is_index = (found.event_id == found.index_event_id) & (found.domain == found.index_domain)
        found = found.filter(~is_index.fill_null(False)).drop("index_event_id", "index_domain")  # noqa: FBT003
    plain = found.filter(found.pick == 0)
    if all(one.events.pick == "all" for one in wanted):
        return _narrow(plain)
    picked = _picked(found.filter(found.pick > 0))
    after = picked.filter(_passes_tests(picked, "matching", _groups(elements, wanted, "matching")))
    if all(one.events.pick != "all" for one in wanted):
        return _narrow(after)
    return ibis.union(_narrow(plain), _narrow(after), distinct=False)


def _narrow(found: ir.Table) -> ir.Table:
    return found.drop("selector", "window", "time", "tests", "pick", "matching", "domain")


def _asked(engine: Engine, elements: Elements, wanted: Sequence[Element]) -> ir.Table:
    """The elements as a table."""
    rows = [
        {
            "element": one.number,
            "domain": domain_number(one.events.domain),
            "selector": one.selector,
            "window": one.window,
            "time": _TIMES.index(one.events.time),
            "tests": elements.test(one.events.where),
            "pick": _PICKS.index(one.events.pick),
            "matching": elements.test(one.events.matching),
        }
        for one in wanted
    ]
    return engine.table(pa.Table.from_pylist(rows, _ELEMENT), f"measure_elements_{next(_NUMBERS)}")


def _accompanied(rows: ir.Table, matched: ir.Table, elements: Elements, wanted: Sequence[Element]) -> ir.Table:
    """Leave out events that lack a companion that their element wants, or have one that it does not."""
    asking: dict[Any, tuple[Companion, list[int]]] = {}
    for one in wanted:
        for companion in one.events.companions:
            asking.setdefault(identity(companion), (companion, []))[1].append(one.number)
    key = ["element", "person", "event_id", "start_date", "end_date"]
    for companion, numbers in asking.values():
        others = matched.filter(
            matched.selector == elements.selector(companion.events),
            *(passes(matched, test) for test in companion.events.where),
        ).select("person", other_start=_.start_date, other_end=_.end_date, other_is_open=_.is_open)
        ours = rows.filter(rows.element.isin(numbers)).select(key).distinct()
        share_a_day = (others.other_start <= ours.end_date) & (
            (others.other_end >= ours.start_date) | others.other_is_open
        )
        there = ours.join(others, [ours.person == others.person, share_a_day]).select(key).distinct()
        marked = rows.left_join(there.mutate(is_accompanied=True), key)
        right = marked.is_accompanied.notnull() if companion.is_wanted else marked.is_accompanied.isnull()
        rows = marked.filter(~marked.element.isin(numbers) | right).select(rows.columns)
    return rows


def _in_windows(rows: ir.Table, windows: ir.Table) -> ir.Table:
    # A window of which a day is not known holds no event; of the others every event that could count shares a day with
    # it, and the exact test of each element comes after.
    windows = windows.filter(windows["first"].notnull(), windows["last"].notnull())
    in_reach = [rows.start_date <= windows["last"], (rows.end_date >= windows["first"]) | rows.is_open]
    if "period" in windows.columns:
        joined = rows.join(windows, [rows.window == windows.window, *in_reach])
        return joined.mutate(subject=joined.person * joined.periods + joined.period).drop("period", "periods", "person")
    same = [rows.person == windows.person, rows.window == windows.window]
    return rows.join(windows, [*same, *in_reach]).drop("person")


def _is_in_time(rows: ir.Table, wanted: Sequence[Element]) -> ir.BooleanValue:
    first, last, start, end = rows["first"], rows["last"], rows.start_date, rows.end_date
    tests = {
        "starts_during": (start >= first) & (start <= last),
        "ends_during": (end >= first) & (end <= last),
        "during": (start >= first) & (end <= last),
        "overlaps": (start <= last) & ((end >= first) | rows.is_open),
    }
    if any(one.events.time == "prevalent" for one in wanted):
        is_present = rows.verification_status.isnull() | rows.verification_status.isin(_PRESENT)
        goes_on = rows.clinical_status.isin(_ACTIVE).fill_null(False)  # noqa: FBT003
        still = ibis.ifelse(rows.is_open, goes_on | (start >= first), end >= first)
        tests["prevalent"] = is_present & (start <= last) & still
    used = sorted({one.events.time for one in wanted})
    if len(used) == 1:
        return tests[used[0]]
    return _any_of((rows.time == _TIMES.index(name)) & tests[name] for name in used)


def _groups(elements: Elements, wanted: Sequence[Element], side: str) -> dict[int, tuple[FieldTest, ...]]:
    groups: dict[int, tuple[FieldTest, ...]] = {}
    for one in wanted:
        tests = getattr(one.events, side)
        number = elements.test(tests)
        if number is not None:
            groups[number] = tests
    return groups


def _passes_tests(rows: ir.Table, column: str, groups: dict[int, tuple[FieldTest, ...]]) -> ir.BooleanValue:
    number = rows[column]
    passing = [
        (number == one) & functools.reduce(operator.and_, (passes(rows, test) for test in tests))
        for one, tests in sorted(groups.items())
    ]
    return _any_of([number.isnull(), *passing])


def _any_of(conditions: Iterable[Any]) -> ir.BooleanValue:
    found: ir.BooleanValue = functools.reduce(operator.or_, conditions)
    return found


def _picked(rows: ir.Table) -> ir.Table:
    """Keep the events that are picked; an event that has several rows keeps them all."""
    per = ["subject", "element"]
    placed = rows.mutate(
        from_first=ibis.dense_rank().over(group_by=per, order_by=["start_date", "event_id"]),
        from_last=ibis.dense_rank().over(group_by=per, order_by=[ibis.desc("start_date"), ibis.desc("event_id")]),
        latest=_.start_date.max().over(group_by=per),
    )
    is_picked = _any_of(
        [
            (placed.pick == _PICKS.index("first")) & (placed.from_first == 0),
            (placed.pick == _PICKS.index("last")) & (placed.from_last == 0),
            (placed.pick == _PICKS.index("last_day")) & (placed.start_date == placed.latest),
        ]
    )
    return placed.filter(is_picked).drop("from_first", "from_last", "latest")


def added_up(found: ir.Table, wanted: Sequence[Element]) -> ir.Table:
    """Add up what counts of events.

    Parameters
    ----------
    found
        Of :func:`find`.
    wanted
        The elements in it.

    Returns
    -------
    One row per subject × element with an event: ``subject``, ``element`` and a column for each aggregate that one of
    the elements is asked for.
    """
    hows: set[How] = set().union(*(one.hows for one in wanted))
    # Counting distinct events is dear: it is done only for the elements that are asked for it.
    counted = {how: [one.number for one in wanted if how in one.hows] for how in ("count", "days")}
    ways: dict[str, Any] = {
        "exists": found.start_date.notnull().max(),
        "count": found.event_id.nunique(where=found.element.isin(counted["count"] or [-1])),
        "days": found.start_date.nunique(where=found.element.isin(counted["days"] or [-1])),
        "first_date": found.start_date.min(),
        "last_date": found.start_date.max(),
    }
    if "value" in found.columns:
        ways |= {
            "minimum": found.value.min(),
            "maximum": found.value.max(),
            "sum": found.value.sum().cast("decimal(38, 4)"),
            "any_null": found.value.isnull().max(),
        }
    kept = {how: ways[how] for how in sorted({"exists"} | hows - {"covered_days"})}
    summed = found.group_by("subject", "element").agg(**kept)
    if "covered_days" not in hows:
        return summed
    covering = [one.number for one in wanted if "covered_days" in one.hows]
    days = covered_days(found.filter(_.element.isin(covering)))
    return summed.left_join(days, ["subject", "element"]).drop("subject_right", "element_right")
