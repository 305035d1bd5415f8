"""What two sides of a settlement differ in: causes with their dollars, provider by provider."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from openvbp.audit.replay import AMOUNT, DEPARTS, OWN, SAID, SLACK, TAKEN, Chain, Spot, first_look, one_by_one, walk
from openvbp.engine import Engine

_CENT = Decimal("0.01")
_WITH_CAVEAT = ("not_determinable", "unverified")
_Rows = Mapping[int, Sequence[Mapping[str, Any]]]
"""Rows of one provider by how many places are replaced."""


@dataclass(frozen=True)
class Replaced:
    """A quantity in one place: ours, once all causes before it are replaced, and the other side's."""

    provider_id: str
    domain_id: str | None
    quantity: str
    ours: Any
    theirs: Any
    effect: Decimal | None
    """What the outcome of the provider moves by; none if it is not determinable."""
    equals: str | None = None
    """An earlier amount of the chain that the other side's value is."""
    left_out: str | None = None
    """The step after that amount, which the other side seems not to have taken."""
    unshown: tuple[str, ...] = ()
    """Steps between this quantity and those before it of which the other side speaks."""


@dataclass(frozen=True)
class Replay:
    """One provider's outcome on both sides, and the causes between."""

    provider_id: str
    before: Decimal | None
    """Ours, or that of the first run."""
    after: Decimal | None
    """The other side's; what its values come to if it does not speak of the outcome."""
    causes: tuple[Replaced, ...]
    remainder: Decimal | None = None
    """What the causes do not explain: printed decimals of a statement; other rules of a restatement."""
    lowest: Decimal | None = None
    highest: Decimal | None = None
    """What the inputs allow where they do not determine the outcome."""
    taken: tuple[str, ...] = ()
    """Inputs that our side lacks and took from the statement."""
    caveat: str | None = None
    """Why our outcome is not determinable, or which of its parameters are unverified."""

    @property
    def difference(self) -> Decimal | None:
        """What the other side's outcome is above ours."""
        return None if self.before is None or self.after is None else self.after - self.before


def departures(
    engine: Engine,
    chain: Chain,
    *,
    recorded: Mapping[str, Decimal | None] | None = None,
    outcomes: Mapping[str, Decimal | None] | None = None,
) -> list[Replay]:
    """Find every departure of the other side, with its dollars.

    Parameters
    ----------
    recorded
        Provider to our outcome where it is known from elsewhere than the chain.
    outcomes
        Provider to the other side's outcome, likewise.

    Returns
    -------
    One entry per provider of the chain, by identifier; causes in the order of the rules.
    """
    everywhere: list[Spot] = [(quantity, None) for quantity in chain.places]
    looked = _by_provider(walk(engine, chain, everywhere, first_look(everywhere)))
    count = len(everywhere)
    departing = {one for one, rows in looked.items() if any(_departs(rows[count], q) for q in chain.places)}
    spots = [spot for q in chain.places for spot in _spots(q, [looked[one][count] for one in departing])]
    again = walk(engine, chain, spots, one_by_one(chain, spots), departing) if departing else []
    replaced = _by_provider(again)
    found = []
    for provider, rows in sorted(looked.items()):
        steps = replaced.get(provider, rows)
        whole = steps[max(steps)][0]
        own = _cents(rows[0][0]["outcome"]) if recorded is None else _cents(recorded.get(provider))
        theirs = _stated(rows[0], chain) if outcomes is None else outcomes.get(provider)
        after = _cents(theirs if theirs is not None else whole["outcome"])
        causes = _causes(chain, provider, replaced[provider], spots) if provider in replaced else []
        if outcomes is None and own is None:
            causes += _beyond(chain, provider, rows, after)
        found.append(_replay(chain, provider, rows, own, after, causes))
    return found


def findings(replays: Sequence[Replay]) -> list[Replay]:
    """Providers of whom anything departs."""
    return [one for one in replays if one.causes]


def undetermined(replays: Sequence[Replay]) -> list[Replay]:
    """Providers whose outcome our inputs do not determine, and of whom nothing is known to depart."""
    return [one for one in replays if one.before is None and not one.causes]


def _replay(
    chain: Chain,
    provider: str,
    rows: _Rows,
    before: Decimal | None,
    after: Decimal | None,
    causes: list[Replaced],
) -> Replay:
    low, high = _bounds(chain, rows)
    remainder = None
    if before is not None and after is not None:
        remainder = after - before - sum((one.effect or Decimal(0) for one in causes), Decimal(0))
    own = rows[0][0]
    caveat = own.get("status_reason") if own.get("status") in _WITH_CAVEAT else None
    return Replay(provider, before, after, tuple(causes), remainder, low, high, _taken(chain, own), caveat)


def _bounds(chain: Chain, rows: _Rows) -> tuple[Decimal | None, Decimal | None]:
    """What the other side's own inputs allow, because it is held against itself."""
    row = rows[len(chain.places)][0]
    return _cents(row["lowest"]), _cents(row["highest"])


def _beyond(chain: Chain, provider: str, rows: _Rows, after: Decimal | None) -> list[Replaced]:
    """A statement of an outcome that the inputs do not determine is wrong at least where they do not allow it."""
    outcome, (low, high) = chain.settlement.outcome, _bounds(chain, rows)
    slack = rows[0][0].get(f"{SLACK}{outcome}") or Decimal(0)
    if after is None or low is None or high is None or low - slack <= after <= high + slack:
        return []
    nearest = low if after < low else high
    return [Replaced(provider, None, outcome, None, after, after - nearest)]


def _taken(chain: Chain, row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(one for one in chain.settlement.private_inputs if row.get(f"{TAKEN}{one}"))


def _by_provider(rows: Iterable[dict[str, Any]]) -> dict[str, dict[int, list[dict[str, Any]]]]:
    found: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for row in rows:
        found.setdefault(row["provider_id"], {}).setdefault(row["replaced"], []).append(row)
    return found


def _departs(rows: Sequence[Mapping[str, Any]], quantity: str) -> bool:
    return any(row[f"{DEPARTS}{quantity}"] for row in rows)


def _stated(rows: Sequence[Mapping[str, Any]], chain: Chain) -> Decimal | None:
    """What the statement says of the outcome."""
    said = (row.get(f"{SAID}{chain.settlement.outcome}") for row in rows)
    return next((one for one in said if one is not None), None)


def _spots(quantity: str, providers: Sequence[Sequence[Mapping[str, Any]]]) -> list[Spot]:
    """Where a quantity is replaced: domain by domain where it is of domains, everywhere at once where it is not."""
    departing = [rows for rows in providers if _departs(rows, quantity)]
    if not departing:
        return []
    if all(len(_one_each(rows, quantity)) == 1 for rows in departing):
        return [(quantity, None)]
    return [(quantity, domain) for domain in sorted({row["domain_id"] for rows in departing for row in rows})]


def _causes(chain: Chain, provider: str, rows: _Rows, spots: Sequence[Spot]) -> list[Replaced]:
    causes: list[Replaced] = []
    last = _cents(rows[0][0]["outcome"])
    for number, (quantity, domain) in enumerate(spots):
        after = _cents(rows[number + 1][0]["outcome"])
        effect = None if last is None or after is None else after - last
        # Where an outcome between is not known, the next one that is has the effect of both.
        last = after if after is not None else last
        row = _row_of(rows[number], domain)
        if row is None or not row[f"{DEPARTS}{quantity}"] or _is_silent(chain, quantity, row, effect):
            continue
        equals, left_out = _likeness(chain, quantity, row)
        unshown = _between(chain, quantity, set(chain.places))
        ours, theirs = row[f"{OWN}{quantity}"], row[f"{SAID}{quantity}"]
        causes.append(Replaced(provider, domain, quantity, ours, theirs, effect, equals, left_out, unshown))
    return causes


def _row_of(rows: Sequence[Mapping[str, Any]], domain: str | None) -> Mapping[str, Any] | None:
    """The row of a domain; any where a quantity is of the provider."""
    return next((row for row in rows if domain is None or row["domain_id"] == domain), None)


def _is_silent(chain: Chain, quantity: str, row: Mapping[str, Any], effect: Decimal | None) -> bool:
    """Whether a departure says nothing: a computed value that we do not know, or a printed result among the inputs."""
    is_unknown = quantity in chain.computed and row[f"{OWN}{quantity}"] is None
    return (is_unknown or quantity in chain.settlement.results_among_inputs) and not effect


def _one_each(rows: Sequence[Mapping[str, Any]], quantity: str) -> list[Mapping[str, Any]]:
    """Rows that differ in a quantity; one where all are alike."""
    values = {(row[f"{OWN}{quantity}"], row[f"{SAID}{quantity}"]) for row in rows}
    return list(rows[:1]) if len(values) == 1 else list(rows)


def _likeness(chain: Chain, quantity: str, row: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Find an earlier amount that the stated value is, and the step after it that seems to be left out."""
    said, amounts = row[f"{SAID}{quantity}"], chain.amounts
    if quantity not in amounts or not said:
        return None, None
    slack = max(row.get(f"{SLACK}{quantity}") or Decimal(0), _CENT / 2)
    before = _ancestors(chain, quantity, set())
    for earlier in reversed([one for one in amounts if one in before]):
        amount = row[f"{AMOUNT}{earlier}"]
        if amount is None or abs(abs(amount) - abs(said)) > slack:
            continue
        after = (
            rule.gives
            for rule in chain.rules
            if earlier in rule.inputs and rule.gives in {quantity, *before} and rule.gives in amounts
        )
        return earlier, next(after, None)
    return None, None


def _between(chain: Chain, quantity: str, stated: Collection[str]) -> tuple[str, ...]:
    """Computed steps from which a quantity is made and of which the other side does not speak, in order."""
    found = _ancestors(chain, quantity, set(stated))
    return tuple(one for one in dict.fromkeys(rule.gives for rule in chain.rules) if one in found)


def _ancestors(chain: Chain, quantity: str, stop_at: Collection[str]) -> set[str]:
    """Computed quantities from which one is made, not going beyond some."""
    inputs = {rule.gives: rule.inputs for rule in chain.rules}
    found: set[str] = set()
    waiting = [quantity]
    while waiting:
        new = {one for one in inputs.get(waiting.pop(), ()) if one in inputs and one not in stop_at} - found
        found |= new
        waiting += new
    return found


def _cents(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(_CENT, ROUND_HALF_UP)
