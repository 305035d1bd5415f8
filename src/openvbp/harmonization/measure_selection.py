"""The fewest measures that keep a given share of the money, found exactly.

Payment lines are covered by sets of measures: a line pays its amount if at least so many of its measures are reported.
That is a partial set cover, which is hard in general and small in practice, where there are tens of measures. Sizes are
tried one after the other, each by branch and bound; the first size that keeps the money is the smallest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class PaymentLine:
    """Money that depends on reporting."""

    name: str
    amount: Decimal
    measures: frozenset[str]
    needed: int
    """How many of the measures must be reported, one or more; the line pays nothing with fewer."""


@dataclass(frozen=True)
class Selection:
    """One smallest set: others of the same size may keep as much."""

    measures: tuple[str, ...]
    kept: Decimal
    total: Decimal
    sets_looked_at: int


def smallest_selection(lines: Sequence[PaymentLine], share: Decimal) -> Selection:
    """Choose the fewest measures whose lines pay at least a share of what all lines together would.

    Parameters
    ----------
    lines
        Payment lines; amounts are zero or more.
    share
        From 0 to 1.

    Returns
    -------
    The smallest set. Of several the one that the search meets first, which depends only on the lines and the names.
    """
    search = _Search(lines, share)
    for size in range(len(search.names) + 1):
        found = search.with_size(size)
        if found is not None:
            chosen = tuple(sorted(search.names[one] for one in found))
            return Selection(
                chosen, kept(lines, chosen), sum((one.amount for one in lines), Decimal()), search.looked_at
            )
    raise AssertionError("all measures together keep all the money that can be had")


def kept(lines: Sequence[PaymentLine], chosen: Sequence[str]) -> Decimal:
    """Sum what the lines pay for a set of measures."""
    return sum((one.amount for one in lines if len(one.measures & set(chosen)) >= one.needed), Decimal())


class _Search:
    """Is there a set of a given size that keeps the money? Sums are in whole units, so that they are exact.

    Sets of measures are whole numbers read as bits. At each place one measure is taken, then ruled out.
    """

    def __init__(self, lines: Sequence[PaymentLine], share: Decimal) -> None:
        paying = [one for one in lines if one.amount and len(one.measures) >= one.needed]
        # An amount in equal parts, one per measure that a line still lacks, stays whole: every count divides the unit.
        parts = math.lcm(*range(1, max((one.needed for one in paying), default=1) + 1))
        digits = max((-int(one.amount.as_tuple().exponent) for one in paying), default=0)
        unit = parts * Decimal(10) ** max(digits, 0)
        self._amounts = [int(one.amount * unit) for one in paying]
        total = sum((one.amount for one in lines), Decimal()) * unit
        # What no set of measures can earn cannot be asked for.
        self._target = min(math.ceil(total * share), sum(self._amounts))
        self._needed = [one.needed for one in paying]
        self.names = sorted(frozenset().union(*(one.measures for one in paying)))
        bit = {name: 1 << place for place, name in enumerate(self.names)}
        self._members = [sum(bit[name] for name in one.measures) for one in paying]
        self._lines_of = [
            sum(1 << line for line, members in enumerate(self._members) if members & bit[name]) for name in self.names
        ]
        self.looked_at = 0

    def with_size(self, size: int) -> list[int] | None:
        """Find a set of at most this size that keeps the money, or prove that there is none."""
        found = self._extend(0, (1 << len(self.names)) - 1, size)
        return None if found is None else _places(found)

    def _extend(self, chosen: int, open_: int, left: int) -> int | None:
        """Extend the chosen measures by at most ``left`` of the open ones."""
        self.looked_at += 1
        earned, lacking = 0, {}
        for line, (members, needed) in enumerate(zip(self._members, self._needed, strict=True)):
            missing = needed - (members & chosen).bit_count()
            if missing <= 0:
                earned += self._amounts[line]
            elif missing <= min(left, (members & open_).bit_count()):
                lacking[line] = missing
        if earned >= self._target:
            return chosen
        slack = earned + sum(self._amounts[line] for line in lacking) - self._target
        worth = self._worth(lacking, open_)
        if slack < 0 or earned + sum(sorted(worth.values(), reverse=True)[:left]) < self._target:
            return None
        demanded = [line for line in lacking if self._amounts[line] > slack]
        if self._least(demanded, lacking, open_) > left:
            return None
        one = self._branch(demanded, lacking, open_, worth)
        found = self._extend(chosen | 1 << one, open_ & ~(1 << one), left - 1)
        return found if found is not None else self._extend(chosen, self._without(one, lacking, open_), left)

    def _worth(self, lacking: Mapping[int, int], open_: int) -> dict[int, int]:
        """Give each open measure its part of the lines that lack it.

        A line that lacks n measures gives each of them an nth of its amount, so no set of measures earns more than the
        sum of its members' parts.
        """
        worth = dict.fromkeys(_places(open_), 0)
        for line, missing in lacking.items():
            part = self._amounts[line] // missing
            for one in _places(self._members[line] & open_):
                worth[one] += part
        return worth

    def _least(self, demanded: Sequence[int], lacking: Mapping[int, int], open_: int) -> int:
        """Bound how many measures the demanded lines need: lines without a measure in common cannot share any."""
        used, least = 0, 0
        for line in sorted(demanded, key=lambda line: ((self._members[line] & open_).bit_count(), line)):
            members = self._members[line] & open_
            if not members & used:
                used |= members
                least += lacking[line]
        return least

    def _branch(self, demanded: Sequence[int], lacking: Mapping[int, int], open_: int, worth: Mapping[int, int]) -> int:
        """Choose where to branch: the worthiest measure of the demanded line that has least choice."""
        among = open_
        if demanded:
            spare = {line: (self._members[line] & open_).bit_count() - lacking[line] for line in demanded}
            among &= self._members[min(demanded, key=lambda line: (spare[line], line))]
        return max(_places(among), key=lambda one: (worth[one], -one))

    def _without(self, one: int, lacking: Mapping[int, int], open_: int) -> int:
        """Rule a measure out, and those that serve no line it does not serve: it could stand in for each of them."""
        alive = sum(1 << line for line in lacking)
        mine = self._lines_of[one] & alive
        for other in _places(open_):
            if not self._lines_of[other] & alive & ~mine:
                open_ &= ~(1 << other)
        return open_


def _places(bits: int) -> list[int]:
    """List the places of the bits that are set."""
    found = []
    while bits:
        low = bits & -bits
        found.append(low.bit_length() - 1)
        bits ^= low
    return found
