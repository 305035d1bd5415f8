"""What a reform does: money in all, winners and losers by group, who moves most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from openvbp.errors import Problem, UsageError
from openvbp.web.lab import Answer, ProviderOutcome, Reform

MOST_MOVED = 5
GROUPINGS: Mapping[str, str] = {
    "score": "Fifths of the score under the rules in force",
    "peer_group": "Peer group",
    "provider_type": "Kind of provider",
    "state": "State or region",
    "dual": "Fifths of the share of dual-eligible stays",
}
"""What providers may be grouped by."""
CONTRACTOR = "contractor"
"""Kind of provider that holds a contract."""
_FIFTHS = ("lowest fifth", "second fifth", "middle fifth", "fourth fifth", "highest fifth")


@dataclass(frozen=True)
class Effects:
    """What a reform does."""

    is_money: bool
    """Whether changes are money; else they are parts of the base payment, and where no payments are known, points."""
    column: str
    """What is compared: ``amount``, ``rate`` or ``score``."""
    total_before: Decimal
    total_after: Decimal
    taken_before: Decimal
    """Sum of what those who lose lose."""
    taken_after: Decimal
    winners: int
    losers: int
    unchanged: int
    unknown: int
    """Providers for whom one of the two is not known."""
    groups: Sequence[Mapping[str, Any]]
    moved: Sequence[Mapping[str, Any]]


def effects(answer: Answer, providers: Mapping[str, Mapping[str, Any]], grouping: str) -> Effects:
    """Hold two sets of outcomes against each other.

    Parameters
    ----------
    answer
        Outcomes before and after.
    providers
        Rows of ``provider`` by identifier.
    grouping
        One of ``GROUPINGS``.
    """
    column = _column(answer)
    pairs = {
        one: (getattr(before, column), getattr(answer.after[one], column))
        for one, before in answer.before.items()
        if one in answer.after
    }
    known = {one: (before, after) for one, (before, after) in pairs.items() if before is not None and after is not None}
    changes = {one: after - before for one, (before, after) in known.items()}
    groups = _groups(answer.before, providers, grouping)
    rows: dict[str, list[Decimal]] = {}
    for one, change in changes.items():
        rows.setdefault(groups.get(one, "not known"), []).append(change)
    # What is handed down is in the sums already.
    own = [pair for one, pair in known.items() if not answer.before[one].is_part]
    moved = sorted(changes, key=lambda one: (-abs(changes[one]), one))[:MOST_MOVED]
    return Effects(
        column == "amount",
        column,
        *(sum((pair[at] for pair in own), Decimal(0)) for at in (0, 1)),
        *(sum((-pair[at] for pair in own if pair[at] < 0), Decimal(0)) for at in (0, 1)),
        sum(change > 0 for change in changes.values()),
        sum(change < 0 for change in changes.values()),
        sum(change == 0 for change in changes.values()),
        len(pairs) - len(known),
        [
            {
                "group": group,
                "providers": len(values),
                "winners": sum(one > 0 for one in values),
                "losers": sum(one < 0 for one in values),
                "change": sum(values, Decimal(0)),
                "mean_change": sum(values, Decimal(0)) / len(values),
            }
            for group, values in sorted(rows.items(), key=lambda row: _place(row[0]))
        ],
        [
            {
                "provider_id": one,
                "provider_name": providers[one]["provider_name"] if one in providers else None,
                "before": known[one][0],
                "after": known[one][1],
                "change": changes[one],
            }
            for one in moved
            if changes[one]
        ],
    )


def _column(answer: Answer) -> str:
    """Choose what is compared: money, else rates, else scores."""
    for column in ("amount", "rate"):
        sides = [
            any(getattr(one, column) is not None for one in side.values()) for side in (answer.before, answer.after)
        ]
        if all(sides):
            return column
    return "score"


def _place(group: str) -> tuple[int, str]:
    return (_FIFTHS.index(group) if group in _FIFTHS else len(_FIFTHS), group)


def _groups(
    before: Mapping[str, ProviderOutcome], providers: Mapping[str, Mapping[str, Any]], grouping: str
) -> dict[str, str]:
    if grouping in ("peer_group", "provider_type", "state"):
        return {one: str(row[grouping]) for one, row in providers.items() if row[grouping]}
    values = (
        {one: row["dual_eligible_ratio"] for one, row in providers.items()}
        if grouping == "dual"
        else {one: outcome.score for one, outcome in before.items()}
    )
    return fifths(values)


def fifths(values: Mapping[str, Decimal | None]) -> dict[str, str]:
    """Divide into five groups of nearly equal size by a value; equal values are told apart by name."""
    known = sorted((value, one) for one, value in values.items() if value is not None)
    return {one: _FIFTHS[at * 5 // len(known)] for at, (_, one) in enumerate(known)}


def groupings_of(providers: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Name what these providers can be grouped by: what has at least two values among them, the usual one first.

    Those whom a contract pays are grouped by kind alone, for practices get parts of what their contractor gets.
    """
    if CONTRACTOR in {row["provider_type"] for row in providers.values()}:
        return {"provider_type": GROUPINGS["provider_type"]}
    columns = {name: name for name in GROUPINGS} | {"dual": "dual_eligible_ratio"}
    found = [
        name
        for name in GROUPINGS
        if name == "score" or len({row[columns[name]] for row in providers.values() if row[columns[name]]}) > 1
    ]
    return {name: GROUPINGS[name] for name in sorted(found, key=lambda name: name != "peer_group")}


def demand_grouping(grouping: str, providers: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a grouping that these providers do not have.

    Raises
    ------
    UsageError
        If so.
    """
    known = groupings_of(providers)
    if grouping not in known:
        raise UsageError(
            Problem(f"providers cannot be grouped by '{grouping}'", "by", "choose one of: " + ", ".join(known))
        )


def as_content(found: Effects, reform: Reform) -> dict[str, Any]:
    """Give effects as a mapping for JSON."""
    return {"set": dict(reform.changes), "given": dict(reform.assumed), **vars(found)}


def render(found: Effects, reform: Reform, title: str) -> str:
    """Write effects for a terminal."""
    set_ = ", ".join(f"{path}={value}" for path, value in reform.changes)
    given = f"; given {', '.join(f'{path}={value}' for path, value in reform.assumed)}" if reform.assumed else ""
    lines = [
        f"{title}: {set_}{given}",
        f"{found.winners:,} gain, {found.losers:,} lose, {found.unchanged:,} unchanged, {found.unknown:,} not known",
        f"sum of {found.column}: {found.total_before:z,.4f} before, {found.total_after:z,.4f} after",
        "",
        f"{'group':<24}{'providers':>10}{'gain':>8}{'lose':>8}{'mean change of ' + found.column:>26}",
    ]
    lines += [
        f"{row['group']:<24}{row['providers']:>10,}{row['winners']:>8,}{row['losers']:>8,}{row['mean_change']:>26,.6f}"
        for row in found.groups
    ]
    lines += ["", "most moved"]
    lines += [
        f"  {row['provider_id']}  {row['provider_name'] or ''}: {row['before']:,.6f} to {row['after']:,.6f}"
        for row in found.moved
    ]
    return "\n".join(lines)
