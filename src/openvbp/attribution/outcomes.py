"""From candidates to units: ranking, thresholds, requirements, the order of steps."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from decimal import Decimal

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.attribution.pools import keys_of
from openvbp.attribution.rule import Rule, Step, TieKey
from openvbp.money import divide_half_up

_WEIGHT = "decimal(18, 12)"
_HALF = Decimal("0.5")
_TIES: dict[TieKey, str] = {
    "latest_date": "-last_date",
    "earliest_date": "first_date",
    "visits": "-visits",
    "allowed_usd": "-allowed_usd",
    "paid_usd": "-paid_usd",
    "hash": "hash",
}
"""Column of a tie key; a minus for descending."""
_FOUND = ("unit_id", "step", "signal", "share", "runner_up_unit_id", "margin", "weight", "failure")


def single_unit(
    rule: Rule, steps: Sequence[tuple[int, Step]], candidates: ir.Table, required: Mapping[str, ir.Table]
) -> ir.Table:
    """Choose one unit for each person.

    Parameters
    ----------
    rule
        The rule.
    steps
        Its steps in force, with their numbers.
    candidates
        One row per person (× episode) × step × unit with a signal above zero.
    required
        Pool to the persons and units that have a service of it.

    Returns
    -------
    One row per person with a candidate: the unit, or the one that would have won and the ``failure`` that kept it out.
    """
    keys = keys_of(rule)
    winners = _ranked(rule, candidates, keys).filter(_.place == 0)
    for name, units in required.items():
        units = units.select("person_id", "unit_id").mutate(**{f"has_{name}": ibis.literal(True)})  # noqa: FBT003
        winners = winners.left_join(units, ["person_id", "unit_id"]).drop("person_id_right", "unit_id_right")
    failures = [(~winners.is_organization, "outside_organizations"), (~_reaches(rule, winners), "below_threshold")]
    for number, step in steps:
        lacks = [winners[f"has_{name}"].isnull() for name in step.requires]
        if lacks:
            failures.append(((winners.step == number) & functools.reduce(operator.or_, lacks), "requirement_not_met"))
    outcomes = winners.mutate(failure=ibis.cases(*failures), weight=ibis.literal("1").cast(_WEIGHT))
    return _first_open_step(outcomes, steps, keys).select(*keys, *_FOUND)


def several_units(rule: Rule, candidates: ir.Table) -> ir.Table:
    """Take all units of each person's first step with a service.

    Returns
    -------
    One row per person × unit that reaches the rule's minimum share; where none does, the one row of the largest with
    its ``failure``.
    """
    keys = keys_of(rule)
    per_person = ibis.window(group_by=keys)
    first = _ranked(rule, candidates, keys).mutate(first_step=_.step.min().over(per_person))
    first = first.filter(_.step == _.first_step)
    reaching = first.mutate(reaches=_reaches(rule, first).cast("int64"))
    counted = reaching.mutate(reaching_units=_.reaches.sum().over(per_person).cast("decimal(18, 0)").cast("int64"))
    taken = counted.filter((_.reaches == 1) | ((_.reaching_units == 0) & (_.place == 0)))
    one = ibis.literal(1, "int64")
    weights = {
        "proportional": taken.share,
        "equal": divide_half_up(one, taken.reaching_units.nullif(0)),
        "full": ibis.literal("1").cast(_WEIGHT),
    }
    failure = ibis.ifelse(taken.reaches == 1, None, "below_threshold")
    weight = weights["proportional" if rule.pick == "proportional" else rule.weight]
    return taken.mutate(weight=weight.cast(_WEIGHT), failure=failure).select(*keys, *_FOUND)


def _ranked(rule: Rule, candidates: ir.Table, keys: Sequence[str]) -> ir.Table:
    """Rank the units of each person and step; the order ends in the unit, so ties are decided."""
    leading = {
        "most_recent": ["-last_date", "-signal"],
        "last": ["-last_date", "-first_date"],
        "first": ["first_date", "last_date"],
    }.get(rule.pick, ["-signal"])
    if "hash" in rule.ties:
        candidates = candidates.mutate(hash=(rule.hash_key + "|" + _.person_id + "|" + _.unit_id).hexdigest("md5"))
    # A column that stands twice in an order is taken the second way: each only once.
    named = {}
    for key in (*leading, *(_TIES[one] for one in rule.ties), "unit_id"):
        named.setdefault(key.removeprefix("-"), key)
    order = [ibis.desc(key[1:]) if key.startswith("-") else ibis.asc(key) for key in named.values()]
    ordered = ibis.window(group_by=[*keys, "step"], order_by=order)
    whole = ibis.window(group_by=[*keys, "step"])
    ranked = candidates.mutate(
        place=ibis.row_number().over(ordered),
        runner_up_unit_id=_.unit_id.lead().over(ordered),
        runner_up_signal=_.signal.lead().over(ordered),
        total=_.signal.sum().over(whole).cast("decimal(38, 0)").cast("int64"),
    )
    return ranked.mutate(share=divide_half_up(_.signal, _.total), margin=_.signal - _.runner_up_signal)


def _reaches(rule: Rule, rows: ir.Table) -> ir.BooleanValue:
    """Whether a unit's share is large enough, compared in whole numbers."""
    reaches = ibis.literal(True)  # noqa: FBT003
    if rule.minimum_share is not None:
        numerator, denominator = rule.minimum_share.as_integer_ratio()
        reaches = rows.signal * denominator >= rows.total * numerator
    if rule.pick == "majority":
        reaches = reaches & (rows.signal * 2 > rows.total)
    return reaches


def _first_open_step(outcomes: ir.Table, steps: Sequence[tuple[int, Step]], keys: Sequence[str]) -> ir.Table:
    """Keep each person's step that counts.

    A step is open to a person without a service in an earlier one, or, where the rule says so, to one not assigned
    yet. Of the open steps the first that assigns counts, else the first.
    """
    if len(steps) == 1:
        return outcomes
    for_unassigned = [number for number, step in steps if step.after == "no_assignment"]
    by_step = ibis.window(group_by=keys, order_by="step")
    earlier = ibis.window(group_by=keys, order_by="step", preceding=(None, 1))
    assigned = outcomes.mutate(assigned=_.failure.isnull().cast("int64"))
    placed = assigned.mutate(
        earlier_steps=ibis.row_number().over(by_step), earlier_assigned=_.assigned.sum().over(earlier)
    )
    is_open = _.earlier_steps == 0
    if for_unassigned:
        waits = _.step.isin(for_unassigned) & (_.earlier_assigned.fill_null(0) == 0)
        is_open = is_open | waits
    opened = placed.filter(is_open)
    chosen = ibis.row_number().over(ibis.window(group_by=keys, order_by=[ibis.desc("assigned"), "step"]))
    return opened.mutate(rank=chosen).filter(_.rank == 0)
