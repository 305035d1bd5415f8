"""What changed from one finished run to another: the delta statement of a restated period.

Where the program settles an account of each provider, every changed input has its dollars. Of other programs the
changed inputs, steps and payments are listed without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.audit.findings import Replay, findings
from openvbp.engine import Engine, open_engine
from openvbp.errors import Problem, UsageError
from openvbp.parameters import ACTUAL
from openvbp.reporting.explanation import written
from openvbp.reporting.settlement_letter import MOST_PROVIDERS, Words, named, plain, shortened
from openvbp.run_folder import RunFolder

_GIVEN = ("input", "parameter", "count")
_PLACE = ("provider_id", "quantity", "measure_id", "domain_id")
_AMOUNTS = ("amount", "factor")
_LISTED = 10


@dataclass(frozen=True)
class ValueChange:
    """How often one quantity changed."""

    quantity: str
    is_given: bool
    """Whether it is an input or a parameter and not computed."""
    changed: int
    only_before: int
    only_after: int


@dataclass(frozen=True)
class PaymentChange:
    """A payment that changed."""

    provider_id: str
    component_id: str
    currency: str | None
    amount_before: Decimal | None
    amount_after: Decimal | None
    factor_before: Decimal | None
    factor_after: Decimal | None


@dataclass(frozen=True)
class RunChange:
    """What changed between two runs of a program that settles no account."""

    title: str
    values: Sequence[ValueChange]
    payments: Sequence[PaymentChange]

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not (self.values or self.payments)


def run_change(before: RunFolder, after: RunFolder) -> RunChange:
    """Find the values and payments that differ between two runs, rules in force.

    Raises
    ------
    UsageError
        If the runs are of different programs.
    """
    names = before.record["program"], after.record["program"]
    if names[0] != names[1]:
        raise UsageError(
            Problem(f"the runs are of {names[0]} and {names[1]}", str(after.path), "give two runs of one program")
        )
    with open_engine() as engine:
        values = _value_changes(engine, before, after)
        has_payments = "payment_result" in before.tables and "payment_result" in after.tables
        payments = _payment_changes(engine, before, after) if has_payments else []
    title = before.title if before.title == after.title else f"{before.title} and {after.title}"
    return RunChange(title, values, payments)


def _table(engine: Engine, run: RunFolder, name: str, key: Sequence[str], side: str) -> ir.Table:
    """Rows of the rules in force with one text as key, because null keys never join."""
    rows = engine.read_parquet(run.table_path(name), f"{name}_{side}").filter(_.scenario_id == ACTUAL)
    parts = [rows[column].fill_null("") for column in key]
    return rows.mutate(key=ibis.literal("|").join(parts))


def _value_changes(engine: Engine, before: RunFolder, after: RunFolder) -> list[ValueChange]:
    columns = ["key", "quantity", "value", "rule_id"]
    old, new = (_table(engine, run, "step_result", _PLACE, side) for run, side in ((before, "old"), (after, "new")))
    pairs = old.select(columns).outer_join(new.select(columns), "key", rname="new_{name}")
    compared = pairs.select(
        quantity=ibis.coalesce(pairs.quantity, pairs.new_quantity),
        is_given=ibis.coalesce(pairs.rule_id, pairs.new_rule_id).isin(_GIVEN),
        is_old=pairs.key.notnull() & pairs.new_key.isnull(),
        is_new=pairs.key.isnull() & pairs.new_key.notnull(),
        differs=pairs.key.notnull() & pairs.new_key.notnull() & ~pairs.value.identical_to(pairs.new_value),
    )
    counts = compared.group_by("quantity", "is_given").agg(
        changed=_.differs.cast("int64").sum(),
        only_before=_.is_old.cast("int64").sum(),
        only_after=_.is_new.cast("int64").sum(),
    )
    rows = engine.to_arrow(counts.order_by(ibis.desc("is_given"), "quantity")).to_pylist()
    return [ValueChange(**row) for row in rows if row["changed"] or row["only_before"] or row["only_after"]]


def _payment_changes(engine: Engine, before: RunFolder, after: RunFolder) -> list[PaymentChange]:
    names = ("provider_id", "component_id")
    columns = ["key", *names, "currency", *_AMOUNTS]
    old, new = (_table(engine, run, "payment_result", names, side) for run, side in ((before, "old"), (after, "new")))
    pairs = old.select(columns).outer_join(new.select(columns), "key", rname="new_{name}")
    compared = pairs.select(
        **{one: ibis.coalesce(pairs[one], pairs[f"new_{one}"]) for one in (*names, "currency")},
        **{f"{one}_before": pairs[one] for one in _AMOUNTS},
        **{f"{one}_after": pairs[f"new_{one}"] for one in _AMOUNTS},
    )
    same = [compared[f"{one}_before"].identical_to(compared[f"{one}_after"]) for one in _AMOUNTS]
    rows = engine.to_arrow(compared.filter(~(same[0] & same[1])).order_by(names)).to_pylist()
    return [PaymentChange(**row) for row in rows]


def render_run_change(change: RunChange) -> str:
    """Write what changed for a terminal."""
    lines = [f"Change between two runs: {change.title}", ""]
    if change.is_empty:
        return "\n".join([*lines, "Nothing changed."])
    lines.append("This program settles no account of each provider: the changes have no dollars of their own.")
    for heading, is_given in (("inputs and parameters", True), ("computed steps", False)):
        rows = [one for one in change.values if one.is_given is is_given]
        width = max([len(heading), *(len(named(one.quantity)) for one in rows)])
        lines += ["", f"{heading.ljust(width)}   changed  only in the first  only in the second"]
        lines += [
            f"{named(one.quantity).ljust(width)}  {one.changed:>8,}  {one.only_before:>17,}  {one.only_after:>18,}"
            for one in rows
        ]
    lines += ["", f"payments that changed: {len(change.payments):,}"]
    lines += [f"  {_payment_line(one)}" for one in change.payments[:MOST_PROVIDERS]]
    if len(change.payments) > MOST_PROVIDERS:
        lines.append(f"  ... and {len(change.payments) - MOST_PROVIDERS:,} more (--json lists all)")
    return "\n".join(lines)


def _payment_line(one: PaymentChange) -> str:
    unit = (one.currency or "").lower()
    parts = []
    if one.amount_before != one.amount_after:
        parts.append(f"from {written(one.amount_before, unit)} to {written(one.amount_after, unit)}")
    if one.factor_before != one.factor_after:
        parts.append(f"factor from {written(one.factor_before, '')} to {written(one.factor_after, '')}")
    return f"{one.provider_id} {one.component_id}: {'; '.join(parts)}"


def render_restatement(
    replays: Sequence[Replay], words: Words, title: str, only_before: Sequence[str], only_after: Sequence[str]
) -> str:
    """Write a delta statement: what each provider's outcome changed by, and by which inputs."""
    changed = findings(replays)
    moved = [one for one in replays if one.before != one.after]
    known = [one.difference for one in moved if one.difference is not None]
    quiet = [one for one in changed if one.before == one.after]
    lines = [
        f"Change between two settlements: {title}",
        "",
        f"providers in both           {len(replays):>8,}",
        f"without any change          {len(replays) - len({one.provider_id for one in (*changed, *moved)}):>8,}",
        f"changed inputs, same money  {len(quiet):>8,}",
        f"changed money               {len(moved):>8,}",
        f"new less old                {words.money(sum(known, Decimal(0)), signed=True)}",
    ]
    if len(known) < len(moved):
        lines.append(f"not determinable            {len(moved) - len(known):>8,}")
    for one in moved[:MOST_PROVIDERS]:
        lines += ["", *_restated(one, words)]
    if len(moved) > MOST_PROVIDERS:
        lines += ["", f"... and {len(moved) - MOST_PROVIDERS:,} more providers (--json lists all)"]
    for label, alone in (("only in the first", only_before), ("only in the second", only_after)):
        if alone:
            more = f" and {len(alone) - _LISTED:,} more" if len(alone) > _LISTED else ""
            lines += ["", f"{label} run: {len(alone):,} ({', '.join(alone[:_LISTED])}{more})"]
    return "\n".join(lines)


def _restated(one: Replay, words: Words) -> list[str]:
    change = f" ({words.money(one.difference, signed=True)})" if one.difference is not None else ""
    lines = [f"{one.provider_id}: from {words.money(one.before)} to {words.money(one.after)}{change}"]
    lines += [f"  not determinable: {one.caveat}"] if one.caveat and one.difference is None else []
    for cause in (cause for cause in one.causes if cause.effect != 0):
        place = f" of {cause.domain_id}" if cause.domain_id else ""
        effect = words.effect(cause, is_known=one.difference is not None)
        was, now = words.value(cause.quantity, cause.ours), words.value(cause.quantity, cause.theirs)
        lines.append(f"  {named(cause.quantity)}{place}: was {was}, is {now}: {effect}")
    if one.remainder:
        lines.append(f"  other rules, or another version of the program: {words.money(one.remainder, signed=True)}")
    silent = dict.fromkeys(named(cause.quantity) for cause in one.causes if cause.effect == 0)
    lines += [f"  changed, without effect: {', '.join(silent)}"] if silent else []
    return shortened(lines)


def change_rows(replays: Sequence[Replay]) -> list[dict[str, Any]]:
    """Changed inputs as rows: provider × cause, with exact values."""
    return [
        {
            "provider_id": one.provider_id,
            "domain_id": cause.domain_id,
            "quantity": cause.quantity,
            "before": plain(cause.ours),
            "after": plain(cause.theirs),
            "effect": plain(cause.effect),
        }
        for one in replays
        for cause in one.causes
    ]
