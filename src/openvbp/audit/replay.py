"""A settlement gone through again with values replaced one after the other, so that each has its dollars.

A difference between two settlements is the sum of the effects of its causes, taken in the order of the rules: the first
causes are replaced and all rules after them applied; what the outcome moves by when one more is replaced is its effect.
The effects add up to the difference exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.program import Settlement
from openvbp.rules import in_force

VALUE_TYPE = "decimal(38, 16)"
_KEYS = ("provider_id", "domain_id")


@dataclass(frozen=True)
class Replaced:
    """A quantity in one place: ours, once all causes before it are replaced, and the other side's."""

    provider_id: str
    domain_id: str | None
    quantity: str
    ours: Any
    theirs: Any
    effect: Decimal | None
    """What the outcome of the provider moves by, over all places of the quantity; none if it is not determinable."""


@dataclass(frozen=True)
class Replay:
    """One provider's outcome before and after all replacements, and the causes between."""

    provider_id: str
    before: Decimal | None
    after: Decimal | None
    causes: tuple[Replaced, ...]
    lowest: Decimal | None = None
    highest: Decimal | None = None


def replay_statement(
    engine: Engine, settlement: Settlement, settled: ir.Table, day: date, statement: pa.Table
) -> list[Replay]:
    """Hold a statement against the rules, quantity by quantity.

    A value of the statement is a cause only where it differs from what the rules make of the statement's own values
    before it, by more than its printed decimals leave open: what merely follows from an earlier departure is none.

    Parameters
    ----------
    settled
        One scenario of the settlement's table: provider (× domain).
    day
        First day of the period: the rules in force then are applied.
    statement
        provider_id, domain_id (null: all), quantity, value and slack (largest difference that is none).

    Returns
    -------
    One entry per provider that the statement names.
    """
    stated = set(statement["quantity"].to_pylist())
    rules = in_force(list(settlement.rules), day)
    computed = [rule.gives for rule in rules]
    places = [one for one in settled.columns if one in stated - set(computed)] + [
        one for one in computed if one in stated
    ]
    keys = [key for key in _KEYS if key in settled.columns]
    table = _variants(engine, settled, len(places)).semi_join(
        engine.table(statement.select(["provider_id"]), "stated_provider"), "provider_id"
    )
    table = _join_statement(engine, table, statement, places)
    for number, quantity in enumerate(places):
        if quantity not in computed:
            table = _replace(settlement, table, quantity, number)
    table = engine.compute(table, "replay_inputs")
    for number, rule in enumerate(rules):
        table = rule(table)
        if rule.gives in places:
            replaced = _replace(settlement, table, rule.gives, places.index(rule.gives))
            table = engine.compute(replaced, f"replay_rule_{number}")
    low, high = settlement.bounds(table) if settlement.bounds else (ibis.null(VALUE_TYPE), ibis.null(VALUE_TYPE))
    rows = engine.to_arrow(
        table.select(
            *keys,
            "variant",
            outcome=table[settlement.outcome].cast(VALUE_TYPE),
            lowest=low.cast(VALUE_TYPE),
            highest=high.cast(VALUE_TYPE),
            **{f"{part}_{one}": table[f"{part}_{one}"] for one in places for part in ("own", "said", "departs")},
        ).order_by("variant", *keys)
    ).to_pylist()
    return _replays(rows, places)


def _variants(engine: Engine, settled: ir.Table, count: int) -> ir.Table:
    """Make one copy of every row per replacement and one without any; a copy is a scenario of its own."""
    numbers = engine.table(pa.table({"variant": pa.array(range(count + 1), pa.int64())}), "replay_variant")
    copies = settled.cross_join(numbers)
    return copies.mutate(scenario_id=ibis.literal("variant ") + copies.variant.cast("string"))


def _join_statement(engine: Engine, table: ir.Table, statement: pa.Table, places: Sequence[str]) -> ir.Table:
    """Add what the statement says of each quantity, and how far apart is no difference."""
    rows: dict[tuple[str, str | None], dict[str, Any]] = {}
    for one in statement.to_pylist():
        row = rows.setdefault((one["provider_id"], one["domain_id"]), {})
        row[f"said_{one['quantity']}"], row[f"slack_{one['quantity']}"] = one["value"], one["slack"]
    kind = pa.decimal128(38, 16)
    names = [f"{part}_{quantity}" for quantity in places for part in ("said", "slack")]
    schema = pa.schema([("key_provider", pa.string()), ("key_domain", pa.string()), *((name, kind) for name in names)])
    listed = [{"key_provider": provider, "key_domain": domain, **row} for (provider, domain), row in rows.items()]
    said = engine.table(pa.Table.from_pylist(listed, schema=schema), "statement_value")
    whole = said.filter(_.key_domain.isnull()).drop("key_domain")
    joined = table.left_join(whole, table.provider_id == whole.key_provider).drop("key_provider")
    if "domain_id" not in table.columns:
        return joined
    joined = engine.compute(joined, "replay_stated")
    parts = said.filter(_.key_domain.notnull()).rename({f"part_{name}": name for name in names})
    both = [joined.provider_id == parts.key_provider, joined.domain_id == parts.key_domain]
    joined = engine.compute(joined.left_join(parts, both), "replay_stated_parts")
    return joined.mutate(**{name: ibis.coalesce(joined[f"part_{name}"], joined[name]) for name in names}).drop(
        "key_provider", "key_domain", *(f"part_{name}" for name in names)
    )


def _replace(settlement: Settlement, table: ir.Table, quantity: str, number: int) -> ir.Table:
    """Put the statement's value in place of ours, in the copies that have come so far."""
    own = table[quantity]
    said = table[f"said_{quantity}"]
    value = (own.cast("int64") if own.type().is_boolean() else own).cast(VALUE_TYPE)
    departs = (said.notnull() & value.notnull() & ((value - said).abs() > table[f"slack_{quantity}"])).fill_null(
        False  # noqa: FBT003
    )
    is_replaced = (departs | (value.isnull() & said.notnull())) & (table.variant > number)
    theirs = (said != 0) if own.type().is_boolean() else said.cast(own.type())
    changed = table.mutate(
        **{
            quantity: ibis.ifelse(is_replaced, theirs, own),
            f"own_{quantity}": value,
            f"departs_{quantity}": departs,
        }
    )
    refresh = settlement.refresh.get(quantity)
    return changed if refresh is None else refresh(changed.mutate(openvbp_replaced=is_replaced), _.openvbp_replaced)


def _replays(rows: list[dict[str, Any]], places: Sequence[str]) -> list[Replay]:
    by_provider: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for row in rows:
        by_provider.setdefault(row["provider_id"], {}).setdefault(row["variant"], []).append(row)
    replays = []
    for provider, variants in sorted(by_provider.items()):
        outcome = {number: found[0]["outcome"] for number, found in variants.items()}
        causes = []
        for number, quantity in enumerate(places):
            before, after = outcome[number], outcome[number + 1]
            effect = None if before is None or after is None else after - before
            causes += [
                Replaced(
                    provider, row.get("domain_id"), quantity, row[f"own_{quantity}"], row[f"said_{quantity}"], effect
                )
                for row in _one_each(variants[number], quantity)
                if row[f"departs_{quantity}"]
            ]
        first = variants[0][0]
        replays.append(
            Replay(provider, outcome[0], outcome[len(places)], tuple(causes), first["lowest"], first["highest"])
        )
    return replays


def _one_each(rows: list[dict[str, Any]], quantity: str) -> list[dict[str, Any]]:
    """Rows of the domains that differ in a quantity; one without a domain where all are alike."""
    values = {(row[f"own_{quantity}"], row[f"said_{quantity}"]) for row in rows}
    return [{**rows[0], "domain_id": None}] if len(values) == 1 and len(rows) > 1 else rows


def replay_restatement(
    engine: Engine, settlement: Settlement, before: ir.Table, after: ir.Table, day: date
) -> list[Replay]:
    """Explain what changed between two settlements of the same providers by the inputs that changed.

    Parameters
    ----------
    before, after
        The same scenario of the settlement's table in two runs: provider (× domain), the same columns.
    day
        First day of the period: the rules in force then are applied.

    Returns
    -------
    One entry per provider of both; a provider of whom nothing changed has no causes.
    """
    rules = in_force(list(settlement.rules), day)
    keys = [key for key in _KEYS if key in before.columns]
    computed = {rule.gives for rule in settlement.rules}
    inputs = [
        name
        for name in before.columns
        if name in after.columns and name not in (*keys, "scenario_id", *settlement.derived, *computed)
    ]
    pairs = before.inner_join(after.select(*keys, **{f"new_{name}": after[name] for name in inputs}), keys)
    pairs = engine.compute(pairs, "restated_pair")
    differs = {name: ~pairs[name].identical_to(pairs[f"new_{name}"]) for name in inputs}
    counts = engine.to_arrow(pairs.aggregate(**{name: one.sum() for name, one in differs.items()})).to_pylist()[0]
    places = [name for name in inputs if counts[name]]
    table = _variants(engine, pairs, len(places))
    flags = {f"departs_{name}": ~table[name].identical_to(table[f"new_{name}"]) for name in places}
    saved = {f"own_{name}": table[name] for name in places} | {f"said_{name}": table[f"new_{name}"] for name in places}
    table = table.mutate(**flags, **saved)
    table = table.mutate(
        **{
            name: ibis.ifelse(table.variant > number, table[f"new_{name}"], table[name])
            for number, name in enumerate(places)
        }
    )
    table = engine.compute(table, "restated_variant")
    for rule in rules:
        table = rule(table)
    rows = engine.to_arrow(
        table.select(
            *keys,
            "variant",
            outcome=table[settlement.outcome].cast(VALUE_TYPE),
            lowest=ibis.null(VALUE_TYPE),
            highest=ibis.null(VALUE_TYPE),
            **{f"{part}_{one}": table[f"{part}_{one}"] for one in places for part in ("own", "said", "departs")},
        ).order_by("variant", *keys)
    ).to_pylist()
    return _replays(rows, places)
