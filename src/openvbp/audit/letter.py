"""Findings of an audit, and the statement of a change, as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from openvbp.audit.replay import Replaced, Replay
from openvbp.program import Settlement

_MOST_PROVIDERS = 20
_SIGNS = {"usd": "$", "gbp": "£", "eur": "€"}


def findings(replays: Sequence[Replay]) -> list[Replay]:
    """Providers whose statement departs from the rules."""
    return [one for one in replays if one.causes]


def undetermined(replays: Sequence[Replay]) -> list[Replay]:
    """Providers whose outcome the inputs do not determine and whose statement lies within what they allow."""
    return [one for one in replays if one.before is None and not one.causes]


def render_audit(replays: Sequence[Replay], settlement: Settlement, title: str) -> str:
    """Write an audit: summary first, then each provider's departures with their dollars."""
    departing, open_ones = findings(replays), undetermined(replays)
    total = sum((_difference(one) or Decimal(0) for one in departing), Decimal(0))
    lines = [
        f"Audit of a settlement: {title}",
        "",
        f"providers in the statement  {len(replays):>8,}",
        f"as the rules say            {len(replays) - len(departing) - len(open_ones):>8,}",
        f"departing                   {len(departing):>8,}",
        f"not determinable            {len(open_ones):>8,}",
        f"statement less rules        {_amount(total, settlement)}",
    ]
    for one in departing[:_MOST_PROVIDERS]:
        lines += ["", *_departures(one, settlement)]
    if len(departing) > _MOST_PROVIDERS:
        lines += ["", f"... and {len(departing) - _MOST_PROVIDERS:,} more providers (--json lists all)"]
    for one in open_ones[:_MOST_PROVIDERS]:
        lines += ["", f"{one.provider_id}: not determinable from the inputs; {_within(one, settlement)}"]
    return "\n".join(lines)


def render_restatement(replays: Sequence[Replay], settlement: Settlement, title: str) -> str:
    """Write a delta statement: what each provider's outcome changed by, and by which inputs."""
    changed = [one for one in replays if one.causes]
    moved = [one for one in changed if one.before != one.after]
    total = sum((_difference(one) or Decimal(0) for one in moved), Decimal(0))
    lines = [
        f"Change between two settlements: {title}",
        "",
        f"providers in both           {len(replays):>8,}",
        f"without any change          {len(replays) - len(changed):>8,}",
        f"changed inputs, same money  {len(changed) - len(moved):>8,}",
        f"changed money               {len(moved):>8,}",
        f"new less old                {_amount(total, settlement)}",
    ]
    for one in moved[:_MOST_PROVIDERS]:
        before, after = _amount(one.before, settlement), _amount(one.after, settlement)
        lines += ["", f"{one.provider_id}: from {before} to {after}", *_causes(one, settlement, "was", "is")]
    if len(moved) > _MOST_PROVIDERS:
        lines += ["", f"... and {len(moved) - _MOST_PROVIDERS:,} more providers (--json lists all)"]
    return "\n".join(lines)


def as_rows(replays: Sequence[Replay]) -> list[dict[str, Any]]:
    """Replays as rows for JSON."""
    return [asdict(one) | {"difference": _difference(one)} for one in replays]


def _departures(one: Replay, settlement: Settlement) -> list[str]:
    rules, theirs = _amount(one.before, settlement), _amount(one.after, settlement)
    head = f"{one.provider_id}: the statement comes to {theirs}, the rules to {rules}"
    return [head, *_causes(one, settlement, "rules", "statement")]


def _causes(one: Replay, settlement: Settlement, ours: str, theirs: str) -> list[str]:
    citations = {rule.gives: rule.citation for rule in settlement.rules}
    lines, counted = [], set()
    for cause in one.causes:
        place = f" of {cause.domain_id}" if cause.domain_id else ""
        cite = f"  [{citations[cause.quantity]}]" if cause.quantity in citations else ""
        # The effect belongs to the quantity in all its places together.
        effect = "" if cause.quantity in counted else f": {_effect(cause, settlement)}"
        counted.add(cause.quantity)
        said = f"{ours} {_value(cause.ours)}, {theirs} {_value(cause.theirs)}"
        lines.append(f"  {cause.quantity.replace('_', ' ')}{place}: {said}{effect}{cite}")
    return lines


def _effect(cause: Replaced, settlement: Settlement) -> str:
    return "effect not determinable" if cause.effect is None else _amount(cause.effect, settlement, signed=True)


def _within(one: Replay, settlement: Settlement) -> str:
    low, high = _amount(one.lowest, settlement), _amount(one.highest, settlement)
    said = _amount(one.after, settlement)
    if one.lowest is None or one.highest is None:
        return f"the statement says {said}"
    inside = one.after is not None and one.lowest - 1 <= one.after <= one.highest + 1
    return f"public data allow {low} to {high}, the statement says {said}: {'possible' if inside else 'NOT POSSIBLE'}"


def _difference(one: Replay) -> Decimal | None:
    return None if one.before is None or one.after is None else one.after - one.before


def _amount(value: Decimal | None, settlement: Settlement, *, signed: bool = False) -> str:
    if value is None:
        return "not determined"
    sign = "-" if value < 0 else "+" if signed else ""
    return f"{sign}{_SIGNS[settlement.currency]}{abs(value):,.2f}"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value.normalize():,f}" if isinstance(value, Decimal) else str(value)
