"""The aggregate that all rules of a run share: what a clinician did for a person on a day."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.attribution.events import Events
from openvbp.attribution.rule import Rule
from openvbp.attribution.rule_files import Condition, codes_in_force, conditions
from openvbp.engine import Engine
from openvbp.errors import Problem, UsageError

GRAIN = ("person_id", "npi", "tin", "ccn", "specialty_code", "service_date")
"""What is added up: who did something for whom, as what, where, when."""
_ANY_CODE = "*"
_FORBIDDING = sorted(name for name, terms in conditions().items() if terms.outside_bill_types)
"""Conditions that forbid a day of a facility's claim."""
_MOST_BITS = 62


@dataclass(frozen=True)
class Selection:
    """Services that count: codes by the condition under which they do."""

    codes: frozenset[tuple[str, frozenset[str]]]


def selection(rule: Rule, lists: Iterable[str], year: int) -> Selection:
    """Gather the codes of service lists that count in a program year."""
    gathered: dict[str, frozenset[str]] = {}
    for list_id in lists:
        for condition, codes in codes_in_force(rule, list_id, year).items():
            gathered[condition] = gathered.get(condition, frozenset()) | codes
    return Selection(frozenset(gathered.items()))


def service_days(
    engine: Engine,
    events: Events,
    selections: Sequence[Selection],
    first: ir.DateValue | date,
    last: date,
    name: str,
    *,
    with_paid: bool = False,
) -> ir.Table:
    """Gather service lines once for all rules.

    Parameters
    ----------
    engine
        Where to compute; the result is kept.
    events
        Service lines, and providers for specialties that lines lack.
    selections
        Services that rules ask for.
    first, last
        Days that rules look at.
    name
        Prefix of the names of tables that are kept.
    with_paid
        Whether paid amounts are asked for.

    Returns
    -------
    One row per person × ``npi`` × ``tin`` × ``ccn`` × ``specialty_code`` × ``service_date`` × ``selections``, of which
    bit k is set where the services count for selection number k: ``done`` (false where they were cancelled and count in
    money only), ``allowed`` in cents, and ``paid`` if asked for. A clinician is the rendering one; of an institutional
    line the rendering, operating, other or attending one, the first given. An allowed amount that is absent is taken
    from the paid one.

    Raises
    ------
    UsageError
        If rules ask for too many selections.

    Source: 42 CFR 425.404; Shared Savings methodology 2025, appendix D, for the order of institutional clinicians.
    """
    lines = _lines(events, first, last)
    pairs = sorted({(condition, codes) for one in selections for condition, codes in one.codes}, key=_pair_key)
    if max(len(pairs), len(selections)) > _MOST_BITS:
        what = f"rules ask for {len(selections)} selections of services, more than {_MOST_BITS} in one run"
        raise UsageError(Problem(what, "--rule", "evaluate the rules in two runs"))
    marked = _mark_codes(engine, lines, pairs, f"{name}_codes")
    if any(condition in _FORBIDDING for condition, _codes in pairs):
        marked = _mark_days_inside(marked, events, last)
    rows = marked.mutate(
        specialty_code=_specialty(marked),
        allowed=_in_cents(_.allowed_amount),
        paid=_in_cents(_.paid_amount),
        pairs_met=_pairs_met(marked, pairs),
    )
    rows = rows.mutate(selections=_selections(rows.pairs_met, selections, pairs)).filter(_.selections > 0)
    amounts = {amount: _[amount].sum() for amount in (("allowed", "paid") if with_paid else ("allowed",))}
    # What was cancelled counts in money only.
    added = rows.group_by(*GRAIN, "selections").agg(done=_.is_utilization.max(), **amounts)
    return engine.compute(added.mutate(**{amount: _[amount].cast("int64") for amount in amounts}), name)


def days_of_selection(service_days_: ir.Table, number: int) -> ir.Table:
    """Pick the days with services of a selection.

    Returns
    -------
    One row per day and clinician, as of :func:`service_days`: ``done``, ``allowed``, and ``paid`` if there.
    """
    amounts = [amount for amount in ("allowed", "paid") if amount in service_days_.columns]
    chosen = service_days_.filter((_.selections & (1 << number)) > 0)
    added = chosen.group_by(*GRAIN).agg(
        done=_.done.max(), **{amount: _[amount].cast("float64").sum() for amount in amounts}
    )
    return added.mutate(**{amount: _[amount].cast("int64") for amount in amounts})


def _in_cents(amount: ir.DecimalValue) -> ir.FloatingValue:
    """Whole cents as a float: their sums are exact below 2**53, and much cheaper than sums of integers."""
    return (amount.cast("float64") * 100.0).round().cast("float64")


def _lines(events: Events, first: ir.DateValue | date, last: date) -> ir.Table:
    lines = events.service_line.filter(_.service_date >= first, _.service_date <= last)
    is_institutional = lines.claim_type == "institutional"
    by_whom = ibis.coalesce(lines.rendering_npi, lines.operating_npi, lines.other_npi, lines.attending_npi)
    lines = lines.select(
        "person_id",
        "claim_type",
        "service_date",
        "place_of_service_code",
        "bill_type_code",
        "revenue_center_code",
        "hcpcs_code",
        "paid_amount",
        "is_utilization",
        "rendering_specialty_code",
        allowed_amount=ibis.coalesce(_.allowed_amount, _.paid_amount),
        npi=ibis.ifelse(is_institutional, by_whom, lines.rendering_npi),
        tin=ibis.coalesce(_.rendering_tin, _.billing_tin),
        ccn=ibis.ifelse(is_institutional, lines.facility_ccn, None),
    )
    if events.provider is None:
        return lines.mutate(provider_specialty_code=ibis.null("string"))
    latest = ibis.row_number().over(group_by="npi", order_by=[ibis.desc("start_date"), "tin"])
    provider = (
        events.provider.filter(_.specialty_code.notnull(), _.start_date <= last)
        .mutate(place=latest)
        .filter(_.place == 0)
        .select("npi", provider_specialty_code="specialty_code")
    )
    return lines.left_join(provider, "npi").drop("npi_right")


def _mark_codes(engine: Engine, lines: ir.Table, pairs: Sequence[tuple[str, frozenset[str]]], name: str) -> ir.Table:
    """Join to every line which pairs of condition and codes its code belongs to."""
    codes = sorted({code for _condition, some in pairs for code in some if code != _ANY_CODE})
    if not codes:
        codes = [_ANY_CODE]
    listed = [sum(1 << at for at, (_condition, some) in enumerate(pairs) if code in some) for code in codes]
    rows = pa.table({"code": pa.array(codes, pa.string()), "code_pairs": pa.array(listed, pa.int64())})
    lookup = engine.table(rows, name)
    return lines.left_join(lookup, lines.hcpcs_code == lookup.code).drop("code")


def _mark_days_inside(lines: ir.Table, events: Events, last: date) -> ir.Table:
    """Mark lines on a day of a facility's claim: a bit for each of the conditions that forbid it."""
    spans = ibis.union(*(_spans_inside(events, number) for number in range(len(_FORBIDDING))))
    until = ibis.least(spans.to_day, ibis.literal(last))
    days = spans.filter(spans.from_day <= until).mutate(
        day=ibis.range(_day_number(spans.from_day), _day_number(until) + 1).unnest()
    )
    bits = [(_.forbidden == 1 << number).max().cast("int64") * (1 << number) for number in range(len(_FORBIDDING))]
    inside = days.group_by("person_id", "day").agg(inside=functools.reduce(operator.add, bits))
    lines = lines.mutate(day=_day_number(lines.service_date))
    return lines.left_join(inside, ["person_id", "day"]).drop("person_id_right", "day_right")


def _spans_inside(events: Events, number: int) -> ir.Table:
    """Days of the claims that a condition forbids: ``person_id``, ``from_day``, ``to_day``, its bit ``forbidden``."""
    bill_types = conditions()[_FORBIDDING[number]].outside_bill_types
    facility = events.service_line.filter(_.claim_type == "institutional", _starts(_.bill_type_code, bill_types))
    spans = facility.group_by("claim_id", "data_source", "person_id").agg(
        from_day=_.service_date.min(), to_day=ibis.coalesce(_.service_end_date, _.service_date).max()
    )
    return spans.select("person_id", "from_day", "to_day", forbidden=_whole(1 << number))


def _day_number(day: ir.DateValue) -> ir.IntegerValue:
    return day.delta(ibis.date(1970, 1, 1), unit="day")


def _meets(lines: ir.Table, condition: Condition, name: str) -> ir.BooleanValue:
    wanted: list[ir.BooleanValue] = []
    if condition.claim_type:
        wanted.append(lines.claim_type == condition.claim_type)
    if condition.has_allowed_amount:
        wanted.append(lines.allowed_amount != 0)
    if condition.place_of_service:
        wanted.append(lines.place_of_service_code.isin(condition.place_of_service))
    if condition.bill_types:
        wanted.append(_starts(lines.bill_type_code, condition.bill_types))
    if condition.revenue_centers:
        wanted.append(_starts(lines.revenue_center_code, condition.revenue_centers))
    if condition.outside_bill_types:
        wanted.append(lines.inside.fill_null(0) & (1 << _FORBIDDING.index(name)) == 0)
    met = functools.reduce(operator.and_, wanted, ibis.literal(True))  # noqa: FBT003
    return met.fill_null(False)  # noqa: FBT003


def _pairs_met(lines: ir.Table, pairs: Sequence[tuple[str, frozenset[str]]]) -> ir.IntegerValue:
    """Pairs of condition and codes that a line meets, a bit for each."""
    bits: dict[str, int] = {}
    for at, (condition, _codes) in enumerate(pairs):
        bits[condition] = bits.get(condition, 0) | 1 << at
    met = [ibis.ifelse(_meets(lines, conditions()[one], one), _whole(some), _whole(0)) for one, some in bits.items()]
    any_code = sum(1 << at for at, (_condition, codes) in enumerate(pairs) if _ANY_CODE in codes)
    has_code = lines.code_pairs.fill_null(0) | _whole(any_code)
    return functools.reduce(operator.or_, met) & has_code


def _selections(
    pairs_met: ir.IntegerValue, selections: Sequence[Selection], pairs: Sequence[tuple[str, frozenset[str]]]
) -> ir.IntegerValue:
    """Selections that a line counts for, a bit for each."""
    bits = [sum(1 << pairs.index(pair) for pair in one.codes) for one in selections]
    counts = [ibis.ifelse(pairs_met & some > 0, _whole(1 << at), _whole(0)) for at, some in enumerate(bits)]
    return functools.reduce(operator.or_, counts)


def _whole(number: int) -> ir.IntegerScalar:
    return ibis.literal(number, "int64")


def _specialty(lines: ir.Table) -> ir.StringValue:
    """The line's specialty comes first: the registry's loses information."""
    stated = ibis.coalesce(lines.rendering_specialty_code, lines.provider_specialty_code)
    as_if = [
        (_meets(lines, terms, name), terms.counts_as_specialty)
        for name, terms in conditions().items()
        if terms.counts_as_specialty
    ]
    return ibis.cases(*as_if, else_=stated)


def _starts(code: ir.StringValue, beginnings: Sequence[str]) -> ir.BooleanValue:
    return _any_of(code.startswith(one) for one in beginnings)


def _any_of(conditions_: Iterable[ir.BooleanValue]) -> ir.BooleanValue:
    return functools.reduce(operator.or_, conditions_)


def _pair_key(pair: tuple[str, frozenset[str]]) -> tuple[str, list[str]]:
    return pair[0], sorted(pair[1])
