"""What a year will cost that is not over: completed months, and the rest at their level and the trend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from statistics import NormalDist

from openvbp.errors import InputDataError, Problem
from openvbp.forecasting.chain_ladder import Completion

_CENT = Decimal("0.01")
_LEAST_MONTHS = 3


@dataclass(frozen=True)
class Projection:
    """Expenditures of a whole year, to the cent."""

    paid: Decimal
    """Paid so far for care of the year."""
    completed: Decimal
    """Expected for the months that have been, when all their claims are paid."""
    remaining: Decimal
    """Expected for the months to come."""
    low: Decimal
    expected: Decimal
    high: Decimal
    probability: float
    """That the year ends between low and high."""
    completion_factors: tuple[Decimal, ...]
    """Of the months of the year that have been."""


def project(
    completion: Completion,
    months: Sequence[int],
    members: Sequence[int],
    *,
    remaining_members: Sequence[int],
    annual_trend: Decimal = Decimal(0),
    probability: float = 0.8,
    where: str = "",
) -> Projection:
    """Project the expenditures of a year from its months so far.

    The months to come cost, per member, what the months of the year so far cost when complete, carried forward by the
    annual trend from the middle of those months. Their scatter around that level, with that of the completion, makes
    the interval, which is normal: the sum of many months' claims.

    Parameters
    ----------
    completion
        The chain ladder of the claims up to now.
    months
        Places in it of the year's months so far.
    members
        Member months of these.
    remaining_members
        Member months expected of each month to come.
    annual_trend
        Growth of cost per member from one year to the next.
    probability
        That the year ends within the interval.
    where
        Where the numbers come from, for messages.

    Raises
    ------
    InputDataError
        If fewer than three months of the year have been, or one has no members.
    """
    _demand_months(members, where)
    ultimate = [completion.ultimate[month] for month in months]
    level = sum(ultimate, Fraction(0)) / sum(members)
    # From the middle of the months so far to the middle of each month to come.
    growth = 1 + Fraction(annual_trend)
    ahead = [len(months) / 2 + 0.5 + number for number in range(len(remaining_members))]
    trended = [float(level) * float(growth) ** (distance / 12) for distance in ahead]
    remaining = sum(Fraction(cost) * count for cost, count in zip(trended, remaining_members, strict=True))
    completed = sum(ultimate, Fraction(0))
    spread = _scatter(ultimate, members, float(level))
    # The months to come are priced at the level of the completed ones: an error of completion moves both together.
    weight = float(remaining) / float(completed) if completed else 0.0
    variance = ((1 + weight) * completion.standard_error_of_sum(months)) ** 2
    variance += _variance_to_come(spread, trended, remaining_members, len(months))
    half = NormalDist().inv_cdf(0.5 + probability / 2) * math.sqrt(variance)
    expected = completed + remaining
    return Projection(
        _cents(sum((completion.paid[month] for month in months), Fraction(0))),
        _cents(completed),
        _cents(remaining),
        _cents(expected - Fraction(half)),
        _cents(expected),
        _cents(expected + Fraction(half)),
        probability,
        tuple(_rounded(completion.completion_factors[month], Decimal("0.000001")) for month in months),
    )


def _demand_months(members: Sequence[int], where: str) -> None:
    if len(members) < _LEAST_MONTHS or any(count <= 0 for count in members):
        few = f"{len(members)} months of the year are too few to see how much months differ"
        raise InputDataError(
            Problem(
                few if len(members) < _LEAST_MONTHS else "a month has no members",
                where,
                f"give claims and members of at least {_LEAST_MONTHS} months of the year",
            )
        )


def _variance_to_come(spread: float, costs: Sequence[float], members: Sequence[int], months: int) -> float:
    """Variance of the months to come: each scatters, and all share the level that the scatter leaves uncertain."""
    amounts = [cost * count for cost, count in zip(costs, members, strict=True)]
    return sum((spread * amount) ** 2 for amount in amounts) + (sum(amounts) * spread) ** 2 / months


def _scatter(ultimate: Sequence[Fraction], members: Sequence[int], level: float) -> float:
    """Relative standard deviation of the months' cost per member around their level."""
    deviations = [float(cost) / count / level - 1 for cost, count in zip(ultimate, members, strict=True)]
    return math.sqrt(sum(one**2 for one in deviations) / (len(deviations) - 1))


def _cents(amount: Fraction) -> Decimal:
    return _rounded(amount, _CENT)


def _rounded(number: Fraction, unit: Decimal) -> Decimal:
    return (Decimal(number.numerator) / Decimal(number.denominator)).quantize(unit, ROUND_HALF_UP)
