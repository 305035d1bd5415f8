"""Credit shared among all who saw a person: by weights, or by what each adds (Shapley)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import ibis.expr.types as ir
import numpy as np
from ibis import _

from openvbp import money
from openvbp.errors import Problem, UsageError

EXACT_UP_TO = 10
"""Sets of so many units are worked out exactly: 2**10 subsets."""
_DECIMALS = Decimal("1e-12")

Value = Callable[[frozenset[str]], Decimal]
"""Outcome or cost that a set of units brings about; of the empty set too."""


def credited_amounts(attribution: ir.Table, amounts: ir.Table) -> ir.Table:
    """Give each unit its part of the persons' amounts.

    Parameters
    ----------
    attribution
        Table ``attribution`` of rules with fractional weights, such as ``proportional`` or ``multi_membership``, or any
        other; rows without a unit are left out.
    amounts
        One row per ``person_id``: ``amount``, decimal(18, 2), for example US dollars.

    Returns
    -------
    One row per ``rule_id`` × ``unit_id``: ``persons`` (how many), ``person_weight`` (sum of weights) and
    ``credited_amount`` (sum of weight × amount, to the cent). Where weights of a person add up to 1, credited amounts
    add up to the amounts of the persons assigned, to rounding.
    """
    assigned = attribution.filter(_.unit_id.notnull(), _.weight.notnull())
    joined = assigned.join(amounts.select("person_id", "amount"), "person_id")
    # Types of which one holds the other, with 37 digits together: the engines then multiply exactly.
    part = _.weight.cast("decimal(13, 12)") * _.amount.cast("decimal(24, 12)")
    parts = joined.mutate(part=money.exact(part, 37, 14))
    return parts.group_by("rule_id", "unit_id").agg(
        persons=_.person_id.nunique().cast("int64"),
        person_weight=money.exact(_.weight.sum(), 18, 6),
        credited_amount=money.exact(_.part.sum(), 18, 2),
    )


def shapley_credit(units: Sequence[str], value: Value, *, samples: int = 2_000, seed: int = 1) -> dict[str, Decimal]:
    """Divide what a set of units brings about by what each adds, averaged over all orders in which they may come.

    Parameters
    ----------
    units
        The units that saw a person, each once.
    value
        Value of each subset. Where it is additive, credit is each unit's own value: proportional sharing.
    samples
        Orders drawn where there are more than :data:`EXACT_UP_TO` units; up to there credit is exact.
    seed
        Of the orders drawn: the same seed gives the same credit.

    Returns
    -------
    Unit to credit, twelve decimals; credits add up to ``value(all) - value(none)``, to rounding. For credit reports,
    not for payment.

    Raises
    ------
    UsageError
        If a unit stands twice, or no order is to be drawn.

    Source: Shapley (1953), A value for n-person games.

    Examples
    --------
    >>> shapley_credit(["a", "b"], lambda team: Decimal(12) if len(team) == 2 else Decimal(0))
    {'a': Decimal('6.000000000000'), 'b': Decimal('6.000000000000')}
    """
    if len(set(units)) < len(units) or samples < 1:
        what = "units stand twice, or no order is to be drawn"
        raise UsageError(Problem(what, "shapley_credit", "give each unit once, and samples above 0"))
    names = sorted(units)
    known: dict[frozenset[str], Fraction] = {}

    def worth(team: frozenset[str]) -> Fraction:
        if team not in known:
            known[team] = Fraction(value(team))
        return known[team]

    credit = _exact(names, worth) if len(names) <= EXACT_UP_TO else _sampled(names, worth, samples, seed)
    return {name: _rounded(credit[name]) for name in names}


def _exact(names: Sequence[str], worth: Callable[[frozenset[str]], Fraction]) -> dict[str, Fraction]:
    count = len(names)
    credit = dict.fromkeys(names, Fraction(0))
    for name in names:
        others = [other for other in names if other != name]
        for size in range(count):
            weight = Fraction(math.factorial(size) * math.factorial(count - size - 1), math.factorial(count))
            for team in itertools.combinations(others, size):
                before = frozenset(team)
                credit[name] += weight * (worth(before | {name}) - worth(before))
    return credit


def _sampled(
    names: Sequence[str], worth: Callable[[frozenset[str]], Fraction], samples: int, seed: int
) -> dict[str, Fraction]:
    chance = np.random.Generator(np.random.PCG64(seed))
    credit = dict.fromkeys(names, Fraction(0))
    for _sample in range(samples):
        team: frozenset[str] = frozenset()
        for place in map(int, chance.permutation(len(names))):
            joined = team | frozenset((names[place],))
            credit[names[place]] += worth(joined) - worth(team)
            team = joined
    return {name: total / samples for name, total in credit.items()}


def _rounded(value: Fraction) -> Decimal:
    with localcontext(prec=60):
        return (Decimal(value.numerator) / value.denominator).quantize(_DECIMALS, ROUND_HALF_UP)
