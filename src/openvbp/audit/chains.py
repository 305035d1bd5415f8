"""Two sides of a settlement brought together: ours, and what a statement or another run says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.audit.replay import HAS, KEYS, SAID, SLACK, TAKEN, Chain
from openvbp.engine import Engine
from openvbp.program import Settlement
from openvbp.rules import Rule


def statement_chain(
    engine: Engine,
    settlement: Settlement,
    rules: Sequence[Rule],
    settled: ir.Table,
    lines: pa.Table,
    other: ir.Table | None = None,
) -> Chain:
    """Put a statement's lines beside a settlement.

    Inputs that only the payer has are taken from the statement where the settlement lacks them: they are no departures.

    Parameters
    ----------
    settled
        One scenario of the settlement's table: provider (× domain). Providers without lines are left out.
    lines
        provider_id, domain_id (null: all), quantity, value and slack (largest difference that is none).
    other
        The table of a settlement made from the statement's own inputs, where it is a file of the program.
    """
    stated = set(lines["quantity"].to_pylist())
    computed = list(dict.fromkeys(rule.gives for rule in rules))
    named = [one for one in settled.columns if one in stated and one not in computed]
    table = settled.semi_join(engine.table(lines.select(["provider_id"]), "stated_provider"), "provider_id")
    table = _with_lines(engine, table, lines, [*named, *(one for one in computed if one in stated)])
    inputs: list[str] = []
    if other is not None:
        left_out = {*stated, *settlement.results_among_inputs}
        table, inputs = _with_inputs(engine, settlement, table, other, left_out)
    private = [one for one in settlement.private_inputs if one in named]
    table = table.mutate(
        **{f"{TAKEN}{one}": table[one].isnull() & table[f"{HAS}{one}"] for one in private},
        **{one: ibis.coalesce(table[one], table[f"{SAID}{one}"].cast(table[one].type())) for one in private},
    )
    places = [one for one in settled.columns if one in {*named, *inputs}] + [one for one in computed if one in stated]
    return Chain(settlement, rules, engine.compute(table, "statement_chain"), places)


def restatement_chain(
    engine: Engine, settlement: Settlement, rules: Sequence[Rule], before: ir.Table, after: ir.Table
) -> Chain:
    """Put the inputs and parameters of a second settlement beside those of the first: providers of both.

    Parameters
    ----------
    before, after
        One scenario of the settlement's table in two runs: provider (× domain), the same columns.
    """
    table, inputs = _with_inputs(engine, settlement, before, after, set())
    return Chain(settlement, rules, engine.compute(table, "restatement_chain"), inputs)


def _with_inputs(
    engine: Engine, settlement: Settlement, table: ir.Table, other: ir.Table, left_out: set[str]
) -> tuple[ir.Table, list[str]]:
    """Add the other settlement's inputs and parameters; name those that differ for anyone."""
    keys = [key for key in KEYS if key in other.columns]
    computed = {rule.gives for rule in settlement.rules}
    passed = {*keys, "scenario_id", *settlement.derived, *computed, *left_out}
    names = [one for one in other.columns if one in table.columns and one not in passed]
    theirs = other.select(*keys, **{f"{SAID}{one}": other[one] for one in names})
    joined = table.inner_join(theirs, keys)
    joined = engine.compute(joined.mutate(**{f"{HAS}{one}": ibis.literal(True) for one in names}), "inputs_beside")  # noqa: FBT003
    differ = {one: (~joined[one].identical_to(joined[f"{SAID}{one}"])).cast("int64").sum() for one in names}
    counts = engine.to_arrow(joined.aggregate(**differ)).to_pylist()[0] if names else {}
    return joined, [one for one in names if counts[one]]


def _with_lines(engine: Engine, table: ir.Table, lines: pa.Table, places: Sequence[str]) -> ir.Table:
    """Add what the statement says of each quantity, and how far apart is no difference."""
    rows: dict[tuple[str, str | None], dict[str, Any]] = {}
    for one in lines.to_pylist():
        row = rows.setdefault((one["provider_id"], one["domain_id"]), {})
        row[f"{SAID}{one['quantity']}"], row[f"{SLACK}{one['quantity']}"] = one["value"], one["slack"]
    kind = pa.decimal128(38, 16)
    names = [f"{part}{quantity}" for quantity in places for part in (SAID, SLACK)]
    schema = pa.schema([("key_provider", pa.string()), ("key_domain", pa.string()), *((name, kind) for name in names)])
    listed = [{"key_provider": provider, "key_domain": domain, **row} for (provider, domain), row in rows.items()]
    said = engine.table(pa.Table.from_pylist(listed, schema=schema), "statement_value")
    whole = said.filter(_.key_domain.isnull()).drop("key_domain")
    joined = table.left_join(whole, table.provider_id == whole.key_provider).drop("key_provider")
    if "domain_id" in table.columns:
        joined = engine.compute(joined, "replay_stated")
        parts = said.filter(_.key_domain.notnull()).rename({f"part_{name}": name for name in names})
        both = [joined.provider_id == parts.key_provider, joined.domain_id == parts.key_domain]
        joined = engine.compute(joined.left_join(parts, both), "replay_stated_parts")
        joined = joined.mutate(**{name: ibis.coalesce(joined[f"part_{name}"], joined[name]) for name in names})
        joined = joined.drop("key_provider", "key_domain", *(f"part_{name}" for name in names))
    return joined.mutate(**{f"{HAS}{one}": joined[f"{SAID}{one}"].notnull() for one in places})
