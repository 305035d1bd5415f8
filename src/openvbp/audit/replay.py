"""A settlement gone through again with values replaced one after the other, so that each has its dollars.

A difference between two settlements is the sum of the effects of its causes, taken in the order of the rules: the first
causes are replaced and all rules after them applied; what the outcome moves by when one more is replaced is its effect.
The effects add up to the difference exactly, in cents.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.program import Settlement
from openvbp.rule_chain import apply_rules
from openvbp.rules import Rule

VALUE_TYPE = "decimal(38, 16)"
KEYS = ("provider_id", "domain_id")
SAID, HAS, SLACK = "openvbp_said_", "openvbp_has_", "openvbp_slack_"
"""Prefixes of columns: what the other side says of a quantity, whether it says anything, and, of a printed number, the
largest difference that is none."""

OWN, DEPARTS, AMOUNT = "openvbp_own_", "openvbp_departs_", "openvbp_amount_"
"""What stood there before it was replaced, whether the other side departs from it, and amounts of money."""

TAKEN = "openvbp_taken_"
"""Whether an input is the other side's because ours lacks it."""

_STATUS = ("status", "status_reason")
_NO_PROBE = -1
_CURRENCIES = ("usd", "gbp", "eur")


@dataclass(frozen=True)
class Chain:
    """A settlement with what the other side says of it."""

    settlement: Settlement
    rules: Sequence[Rule]
    """Those in force, in order."""
    table: ir.Table
    """Provider (× domain): the settlement's table and, for each of ``places``, the columns of the other side."""
    places: Sequence[str]
    """What the other side speaks of: inputs and parameters, then computed quantities in the order of the rules."""

    @property
    def computed(self) -> set[str]:
        """Quantities that rules determine."""
        return {rule.gives for rule in self.rules}

    @property
    def keys(self) -> list[str]:
        """Columns that name a row."""
        return [key for key in KEYS if key in self.table.columns]

    @property
    def amounts(self) -> list[str]:
        """Computed quantities in money."""
        return list(dict.fromkeys(rule.gives for rule in self.rules if rule.unit in _CURRENCIES))

    def is_printed(self, quantity: str) -> bool:
        """Whether the other side gives the quantity as a printed number."""
        return f"{SLACK}{quantity}" in self.table.columns


Spot = tuple[str, str | None]
"""A quantity, and the domain where it is replaced; everywhere at once where there is none."""


@dataclass(frozen=True)
class Copy:
    """One copy of every row of the settlement."""

    replaced: int
    """How many of the spots, in order, take the other side's value where it departs."""
    probe: int = _NO_PROBE
    """Spot whose quantity is moved by its slack, to see what its printed decimals leave open further on."""
    sign: int = 0


def first_look(spots: Sequence[Spot]) -> list[Copy]:
    """Nothing replaced, and everything."""
    return [Copy(number) for number in sorted({0, len(spots)})]


def one_by_one(chain: Chain, spots: Sequence[Spot]) -> list[Copy]:
    """One replacement more from copy to copy, and two probes of every printed number but the outcome."""
    copies = [Copy(number) for number in range(len(spots) + 1)]
    for number, quantity in _first_spots(spots).items():
        if chain.is_printed(quantity) and quantity != chain.settlement.outcome:
            copies += [Copy(len(spots), number, sign) for sign in (1, -1)]
    return copies


def _first_spots(spots: Sequence[Spot]) -> dict[int, str]:
    """First spot of each quantity."""
    numbers = {quantity: number for number, (quantity, _domain) in reversed(list(enumerate(spots)))}
    return {number: quantity for quantity, number in numbers.items()}


def walk(
    engine: Engine,
    chain: Chain,
    spots: Sequence[Spot],
    copies: Sequence[Copy],
    providers: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """Apply the rules to every copy, replacing in each what the other side says.

    A value is a departure only where it differs from what the rules make of the other side's own values before it, by
    more than printed decimals leave open: its own and, through the rules, those of the values replaced before.

    Parameters
    ----------
    spots
        Where anything is replaced, in the order of the chain's places.
    copies
        Which copies to make.
    providers
        Only these; all when absent.

    Returns
    -------
    Rows of the copies that are no probes, in order: provider (× domain) × copy. The prefixed columns of each place
    say what stood there before it was replaced and whether the other side departs.
    """
    places = list(dict.fromkeys(quantity for quantity, _domain in spots))
    table = _copied(engine, chain.table.drop(*_unneeded(chain, places)), copies, providers)
    computed = chain.computed
    has_probes = any(copy.probe != _NO_PROBE for copy in copies)
    for quantity in places:
        if quantity not in computed:
            table = _replace(chain, table, _Place(quantity, spots, has_probes=False))
    table = engine.compute(table, "replay_inputs")
    waiting: list[Rule] = []
    for number, rule in enumerate(chain.rules):
        waiting.append(rule)
        if rule.gives in places:
            table = apply_rules(engine, waiting, table, f"replay_rule_{number}")
            # Computed at once: the next rules read the replaced values many times.
            replaced = _replace(chain, table, _Place(rule.gives, spots, has_probes))
            table = engine.compute(replaced, f"replay_replaced_{number}")
            waiting = []
    table = apply_rules(engine, waiting, table, "replay_rest")
    bounds = chain.settlement.bounds
    low, high = bounds(table) if bounds else (ibis.null(VALUE_TYPE), ibis.null(VALUE_TYPE))
    shown = table.select(
        *chain.keys,
        "replaced",
        outcome=table[chain.settlement.outcome].cast(VALUE_TYPE),
        lowest=low.cast(VALUE_TYPE),
        highest=high.cast(VALUE_TYPE),
        is_shown=table.probe == _NO_PROBE,
        **{f"{part}{one}": table[f"{part}{one}"] for one in places for part in (OWN, SAID, DEPARTS)},
        **{f"{SLACK}{one}": table[f"{SLACK}{one}"] for one in places if chain.is_printed(one)},
        **{f"{AMOUNT}{one}": table[one].cast(VALUE_TYPE) for one in chain.amounts},
        **{name: table[name] for name in table.columns if name.startswith(TAKEN) or name in _STATUS},
    )
    return engine.to_arrow(shown.filter(_.is_shown).order_by("replaced", *chain.keys)).to_pylist()


def _unneeded(chain: Chain, places: Sequence[str]) -> list[str]:
    """Columns of what the other side says of other places: engines take long over wide tables."""
    kept = {*places, *(one for place in places for one in chain.settlement.goes_with.get(place, ()))}
    needed = {f"{prefix}{name}" for name in kept for prefix in (SAID, HAS, SLACK)}
    return [name for name in chain.table.columns if name.startswith((SAID, HAS, SLACK)) and name not in needed]


@dataclass(frozen=True)
class _Place:
    """A quantity while it is replaced."""

    quantity: str
    spots: Sequence[Spot]
    has_probes: bool

    @property
    def probe(self) -> int:
        """Number by which its probes are known."""
        return next(number for number, (quantity, _domain) in enumerate(self.spots) if quantity == self.quantity)

    def is_due(self, table: ir.Table) -> ir.BooleanValue:
        """Whether a copy has come so far that the quantity is replaced in its rows."""
        numbers = {domain: number for number, (quantity, domain) in enumerate(self.spots) if quantity == self.quantity}
        if None in numbers:
            return table.replaced > numbers[None]
        cases = [(table.domain_id == domain, table.replaced > number) for domain, number in numbers.items()]
        return ibis.cases(*cases, else_=ibis.literal(False))  # noqa: FBT003


def _copied(engine: Engine, table: ir.Table, copies: Sequence[Copy], providers: Collection[str] | None) -> ir.Table:
    """Make the copies of every row; each is a scenario of its own, because rules may sum over a scenario's rows."""
    rows = {
        "copy": pa.array(range(len(copies)), pa.int64()),
        **{name: pa.array([getattr(copy, name) for copy in copies], pa.int64()) for name in Copy.__annotations__},
    }
    if providers is not None:
        names = engine.table(pa.table({"provider_id": pa.array(sorted(providers), pa.string())}), "replay_provider")
        table = table.semi_join(names, "provider_id")
    copied = table.cross_join(engine.table(pa.table(rows), "replay_copy"))
    return engine.compute(
        copied.mutate(scenario_id=ibis.literal("copy ") + copied["copy"].cast("string")).drop("copy"), "replay_copied"
    )


def _replace(chain: Chain, table: ir.Table, place: _Place) -> ir.Table:
    """Put the other side's value in place of ours, where it departs, in the copies that have come so far."""
    quantity = place.quantity
    table = table.mutate(openvbp_value=_comparable(chain, table, quantity))
    if place.has_probes and chain.is_printed(quantity):
        table = _as_all_replaced(chain, table, place)
    own, said, has, value = table[quantity], table[f"{SAID}{quantity}"], table[f"{HAS}{quantity}"], table.openvbp_value
    if chain.is_printed(quantity):
        slack = table[f"{SLACK}{quantity}"]
        allowed = slack + table.openvbp_open if place.has_probes else slack
        departs = has & (value.isnull() | ((value - said).abs() > allowed)).fill_null(False)  # noqa: FBT003
        moved = ibis.ifelse(table.probe == place.probe, said + slack * table.sign, said)
        theirs = (said != 0) if own.type().is_boolean() else moved.cast(own.type())
    else:
        departs, theirs = has & ~own.identical_to(said), said
    is_replaced = departs & place.is_due(table)
    beside = [one for one in chain.settlement.goes_with.get(quantity, ()) if f"{SAID}{one}" in table.columns]
    changed = table.mutate(
        **{
            quantity: ibis.ifelse(is_replaced, theirs, own),
            f"{OWN}{quantity}": value,
            f"{DEPARTS}{quantity}": departs,
            "openvbp_replaced": is_replaced,
        },
        **{one: ibis.ifelse(is_replaced, table[f"{SAID}{one}"], table[one]) for one in beside},
    )
    refresh = chain.settlement.refresh.get(quantity)
    return changed if refresh is None else refresh(changed, changed.openvbp_replaced)


def _comparable(chain: Chain, table: ir.Table, quantity: str) -> ir.Value:
    """Our value in the form in which it is compared."""
    own = table[quantity]
    if not chain.is_printed(quantity):
        return own
    return (own.cast("int64") if own.type().is_boolean() else own).cast(VALUE_TYPE)


def _as_all_replaced(chain: Chain, table: ir.Table, place: _Place) -> ir.Table:
    """Take every copy's value where all departures before are replaced, and how far printed decimals leave it open."""
    rows = ibis.window(group_by=chain.keys)
    is_whole = (table.probe == _NO_PROBE) & (table.replaced == len(place.spots))
    whole = ibis.ifelse(is_whole, table.openvbp_value, ibis.null(VALUE_TYPE)).max().over(rows)
    table = table.mutate(openvbp_whole=whole)
    distance = (table.openvbp_value - table.openvbp_whole).abs()
    by_sign = [
        ibis.ifelse(table.sign == sign, distance, ibis.null(VALUE_TYPE))
        .sum()
        .over(rows)
        .cast(VALUE_TYPE)
        .fill_null(ibis.literal(0).cast(VALUE_TYPE))
        for sign in (1, -1)
    ]
    table = table.mutate(openvbp_up=by_sign[0], openvbp_down=by_sign[1])
    return table.mutate(
        openvbp_value=table.openvbp_whole, openvbp_open=ibis.greatest(table.openvbp_up, table.openvbp_down)
    )
