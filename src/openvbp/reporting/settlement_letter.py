"""An audit of a payer's statement as a letter, as rows and as a table; and words that delta statements share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from openvbp.audit.findings import Replaced, Replay, findings, undetermined
from openvbp.reporting.explanation import written
from openvbp.rules import Rule

MOST_PROVIDERS = 20
_MOST_LINES = 10
_MOST_STEPS = 6
COLUMNS = (
    "provider_id",
    "domain_id",
    "sequence",
    "quantity",
    "rule_id",
    "citation",
    "unit",
    "rules",
    "statement",
    "effect",
    "words",
)


@dataclass(frozen=True)
class Words:
    """How quantities are written and cited."""

    outcome: str
    currency: str
    rules: Sequence[Rule]
    units: Mapping[str, str]
    sources: Mapping[str, str]
    """Input or parameter to where ours comes from."""

    def rule(self, quantity: str) -> Rule | None:
        """Rule that determines a quantity; none for inputs and parameters."""
        return next((rule for rule in self.rules if rule.gives == quantity), None)

    def citation(self, quantity: str) -> str:
        """Paragraph of a computed quantity, source of another."""
        rule = self.rule(quantity)
        return rule.citation if rule else self.sources.get(quantity, "input")

    def value(self, quantity: str, value: Any) -> str:
        """Write a value in its unit."""
        if value is None:
            return "none"
        unit = self.units.get(quantity, "")
        if isinstance(value, bool):
            return "yes" if value else "no"
        return written(Decimal(value), unit) if isinstance(value, (Decimal, int)) else str(value)

    def money(self, value: Decimal | None, *, signed: bool = False) -> str:
        """Write an amount of the settlement."""
        text = written(value, self.currency)
        return f"+{text}" if signed and value is not None and value >= 0 else text

    def effect(self, cause: Replaced, *, is_known: bool) -> str:
        """Write the effect of a cause on the outcome; ``is_known`` says whether the whole difference is."""
        if cause.effect is None:
            return "counted with the next" if is_known else "effect not determinable"
        return self.money(cause.effect, signed=True)


def named(quantity: str) -> str:
    """A quantity as a reader says it."""
    return quantity.replace("_", " ")


def render_audit(replays: Sequence[Replay], words: Words, title: str, *, without: int = 0, strangers: int = 0) -> str:
    """Write an audit: summary first, then the steps that depart, then each provider's departures with their dollars.

    Parameters
    ----------
    without
        Providers of the data of whom the statement says nothing.
    strangers
        Providers of the statement that are not in the data.
    """
    departing, open_ones = findings(replays), undetermined(replays)
    total = sum((one.difference or Decimal(0) for one in departing), Decimal(0))
    lines = [
        f"Audit of a settlement: {title}",
        "",
        f"providers in the statement  {len(replays):>8,}",
        f"as the rules say            {len(replays) - len(departing) - len(open_ones):>8,}",
        f"departing                   {len(departing):>8,}",
        f"not determinable            {len(open_ones):>8,}",
        f"statement less rules        {words.money(total, signed=True)}",
    ]
    if without:
        lines.append(f"in the data alone           {without:>8,}")
    if strangers:
        lines.append(f"not in the data             {strangers:>8,}")
    lines += _steps(departing, words)
    for one in departing[:MOST_PROVIDERS]:
        lines += ["", *shortened(_departures(one, words))]
    if len(departing) > MOST_PROVIDERS:
        lines += ["", f"... and {len(departing) - MOST_PROVIDERS:,} more providers (--json or --out lists all)"]
    for one in open_ones[:MOST_PROVIDERS]:
        reason = f": {one.caveat}" if one.caveat else ""
        lines += ["", f"{one.provider_id}: not determinable from the data{reason}. {_within(one, words)}"]
    if len(open_ones) > MOST_PROVIDERS:
        lines += ["", f"... and {len(open_ones) - MOST_PROVIDERS:,} more that are not determinable"]
    return "\n".join(lines)


def as_rows(replays: Sequence[Replay], words: Words) -> list[dict[str, Any]]:
    """Findings as rows: provider × departure, with exact values."""
    rows = []
    for one in replays:
        for sequence, cause in enumerate(one.causes, 1):
            rule = words.rule(cause.quantity)
            values = (
                one.provider_id,
                cause.domain_id,
                sequence,
                cause.quantity,
                rule.rule_id if rule else "given",
                words.citation(cause.quantity),
                words.units.get(cause.quantity, ""),
                plain(cause.ours),
                plain(cause.theirs),
                plain(cause.effect),
                " ".join(line.strip() for line in _cause(cause, words, is_known=one.difference is not None)),
            )
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def as_providers(replays: Sequence[Replay], sides: tuple[str, str]) -> list[dict[str, Any]]:
    """Providers as rows: both outcomes, their difference, what is explained, what inputs allow.

    ``sides`` names the two outcomes.
    """
    return [
        {
            "provider_id": one.provider_id,
            sides[0]: plain(one.before),
            sides[1]: plain(one.after),
            "difference": plain(one.difference),
            "causes": len(one.causes),
            "remainder": plain(one.remainder),
            "lowest": plain(one.lowest) if one.before is None else None,
            "highest": plain(one.highest) if one.before is None else None,
            "taken_from_the_statement": list(one.taken),
            "caveat": one.caveat,
        }
        for one in replays
    ]


def plain(value: Any) -> Any:
    """A value for machines: exact, without trailing zeros."""
    if not isinstance(value, Decimal):
        return value
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _steps(departing: Sequence[Replay], words: Words) -> list[str]:
    """Sum the departures by step, in the order in which they come."""
    sums: dict[str, tuple[set[str], Decimal]] = {}
    for one in departing:
        for cause in one.causes:
            who, total = sums.get(cause.quantity, (set(), Decimal(0)))
            sums[cause.quantity] = (who | {one.provider_id}, total + (cause.effect or Decimal(0)))
    if not sums:
        return []
    heading = "where it departs"
    width = max(len(heading), *(len(named(quantity)) for quantity in sums))
    lines = ["", f"{heading.ljust(width)}  providers  effect on the outcome"]
    for quantity, (who, total) in sums.items():
        lines.append(f"{named(quantity).ljust(width)}  {len(who):>9,}  {words.money(total, signed=True)}")
    return lines


def _departures(one: Replay, words: Words) -> list[str]:
    said, ours = words.money(one.after), words.money(one.before)
    head = f"{one.provider_id}: the statement comes to {said}, the rules to {ours}"
    if one.before is None:
        head = f"{one.provider_id}: the statement comes to {said}; the data do not determine the outcome"
    lines = [f"{head}{_direction(one, words)}."]
    lines += [f"  taken from the statement: {', '.join(map(named, one.taken))}"] if one.taken else []
    lines += [f"  of the rules: {one.caveat}"] if one.caveat else []
    for cause in one.causes:
        lines += [f"  {line}" for line in _cause(cause, words, is_known=one.difference is not None)]
    if one.remainder:
        lines.append(f"  printed decimals leave open: {words.money(one.remainder, signed=True)}")
    return lines


def _direction(one: Replay, words: Words) -> str:
    if not one.difference:
        return ""
    return f": {words.money(abs(one.difference))} too {'much' if one.difference > 0 else 'little'} for the provider"


def _cause(cause: Replaced, words: Words, *, is_known: bool) -> list[str]:
    """Say what departs, by how much and where to look."""
    place = f" of {cause.domain_id}" if cause.domain_id else ""
    ours, theirs = words.value(cause.quantity, cause.ours), words.value(cause.quantity, cause.theirs)
    effect = words.effect(cause, is_known=is_known)
    line = f"{named(cause.quantity)}{place}: rules {ours}, statement {theirs}: {effect}"
    lines = [f"{line}  [{words.citation(cause.quantity)}]"]
    if cause.ours is None and cause.quantity == words.outcome:
        lines.append("  outside of what the data allow; the effect is the least that is wrong")
    elif cause.equals:
        lines.append(f"  the statement's amount is that of {named(cause.equals)}{_left_out(cause, words)}")
    elif cause.unshown:
        lines.append(f"  made from steps that the statement does not show: {_nearest(cause.unshown)}")
    return lines


def _nearest(steps: Sequence[str]) -> str:
    """Name the last steps before the value, and say how many there are before these."""
    before = len(steps) - _MOST_STEPS
    names = ", ".join(map(named, steps[-_MOST_STEPS:]))
    return f"{names}, and {before:,} before these" if before > 0 else names


def _left_out(cause: Replaced, words: Words) -> str:
    if cause.left_out is None:
        return ""
    if cause.left_out == cause.quantity:
        return ": as if this step had not been taken"
    return f": as if {named(cause.left_out)} [{words.citation(cause.left_out)}] had been passed over"


def shortened(lines: list[str]) -> list[str]:
    """Keep what fits into ten lines."""
    if len(lines) <= _MOST_LINES:
        return lines
    return [*lines[: _MOST_LINES - 1], "  ... and more (--json lists all)"]


def _within(one: Replay, words: Words) -> str:
    said = f"The statement says {words.money(one.after)}"
    if one.lowest is None or one.highest is None:
        return f"{said}; the data set no bounds."
    return f"{said}: possible, the data allow {words.money(one.lowest)} to {words.money(one.highest)}."
