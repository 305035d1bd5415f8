"""How complete paid claims are: the chain ladder with Mack's standard errors.

Claims of a month arrive over the months that follow. What is still missing is estimated from how earlier months grew.
Factors and estimates are exact fractions of the paid amounts; only standard errors, which are statistical, are binary
floats.

Mack, Distribution-free calculation of the standard error of chain ladder reserve estimates, ASTIN Bulletin 23 (1993),
213-225.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from openvbp.errors import InputDataError, Problem

_LEAST_MONTHS = 4


@dataclass(frozen=True)
class Completion:
    """Estimates of every incurred month, the earliest first."""

    paid: tuple[Fraction, ...]
    """Paid so far."""
    ultimate: tuple[Fraction, ...]
    """Estimated when complete."""
    standard_errors: tuple[float, ...]
    """Of the ultimate of each month."""
    factors: tuple[Fraction, ...]
    """Growth of the cumulative payments from each age to the next; the last is 1."""
    covariance: tuple[tuple[float, ...], ...]
    """Of the ultimates: months share the estimated factors."""

    @property
    def completion_factors(self) -> tuple[Fraction, ...]:
        """By how much what is paid must be multiplied, for each month."""
        return tuple(u / p if p else Fraction(1) for u, p in zip(self.ultimate, self.paid, strict=True))

    def standard_error_of_sum(self, months: Sequence[int]) -> float:
        """Give the standard error of the sum of some months' ultimates, by their places."""
        return math.sqrt(sum(self.covariance[one][other] for one in months for other in months))


def chain_ladder(increments: Sequence[Sequence[Fraction]], where: str) -> Completion:
    """Estimate the ultimate payments of every incurred month.

    Parameters
    ----------
    increments
        One row per incurred month, the earliest first: amounts paid in the same month, one month later and so on, up to
        the last month paid. Each row is one shorter than the one before (or as long as the longest development).
    where
        Where the triangle comes from, for messages.

    Raises
    ------
    InputDataError
        If there are fewer than four months, a row has a wrong length, or cumulative payments are not above zero.
    """
    size = len(increments)
    if size < _LEAST_MONTHS:
        raise InputDataError(
            Problem(
                f"{size} incurred months are too few to see how claims complete",
                where,
                f"give the paid claims of at least {_LEAST_MONTHS} months",
            )
        )
    cumulative = [_running(row) for row in increments]
    _demand_triangle(cumulative, where)
    columns = len(cumulative[0])
    factors, sums, variances = [], [], []
    for age in range(columns - 1):
        grown = [row for row in cumulative if len(row) > age + 1]
        total = sum((row[age] for row in grown), Fraction(0))
        factor = sum((row[age + 1] for row in grown), Fraction(0)) / total
        factors.append(factor)
        sums.append(total)
        variances.append(_variance(grown, age, factor, variances))
    ultimate = [_grown(row, factors) for row in cumulative]
    covariance = _covariance(cumulative, ultimate, factors, sums, variances)
    errors = tuple(math.sqrt(covariance[number][number]) for number in range(size))
    return Completion(
        tuple(row[-1] for row in cumulative), tuple(ultimate), errors, (*factors, Fraction(1)), covariance
    )


def _running(row: Sequence[Fraction]) -> list[Fraction]:
    total, sums = Fraction(0), []
    for amount in row:
        total += amount
        sums.append(total)
    return sums


def _demand_triangle(cumulative: Sequence[Sequence[Fraction]], where: str) -> None:
    longest = len(cumulative[0])
    wrong = [
        f"month {number + 1} has {len(row)} payments"
        for number, row in enumerate(cumulative)
        if len(row) != min(longest, len(cumulative) - number)
    ]
    if wrong:
        raise InputDataError(
            Problem("the triangle has gaps", where, "give every payment month of every month", len(wrong), tuple(wrong))
        )
    empty = [f"month {number + 1}" for number, row in enumerate(cumulative) if any(amount <= 0 for amount in row)]
    if empty:
        raise InputDataError(
            Problem(
                "cumulative payments are not above zero",
                where,
                "net reversals with the claims they belong to, or begin with a later month",
                len(empty),
                tuple(empty[:3]),
            )
        )


def _variance(grown: Sequence[Sequence[Fraction]], age: int, factor: Fraction, before: Sequence[float]) -> float:
    """Mack's sigma squared; of the last age, with one month only, it is extrapolated from the two before."""
    if len(grown) > 1:
        squares = sum(row[age] * (row[age + 1] / row[age] - factor) ** 2 for row in grown)
        return float(squares) / (len(grown) - 1)
    if len(before) > 1 and before[-2] > 0:
        return min(before[-1] ** 2 / before[-2], before[-1], before[-2])
    return before[-1] if before else 0.0


def _grown(row: Sequence[Fraction], factors: Sequence[Fraction]) -> Fraction:
    amount = row[-1]
    for factor in factors[len(row) - 1 :]:
        amount *= factor
    return amount


def _covariance(
    cumulative: Sequence[Sequence[Fraction]],
    ultimate: Sequence[Fraction],
    factors: Sequence[Fraction],
    sums: Sequence[Fraction],
    variances: Sequence[float],
) -> tuple[tuple[float, ...], ...]:
    """Process and estimation error of the ultimates (Mack 1993, equation 7 and the corollary to theorem 3)."""
    size, ages = len(cumulative), len(factors)
    terms = [variance / float(factor) ** 2 for variance, factor in zip(variances, factors, strict=True)]
    rows = []
    for one in range(size):
        row = []
        for other in range(size):
            # Two months share the factors of the ages that both have still to reach.
            first = max(len(cumulative[one]), len(cumulative[other])) - 1
            shared = sum(terms[age] / float(sums[age]) for age in range(first, ages))
            value = float(ultimate[one]) * float(ultimate[other]) * shared
            if one == other:
                value += float(ultimate[one]) ** 2 * _process(cumulative[one], factors, terms)
            row.append(value)
        rows.append(tuple(row))
    return tuple(rows)


def _process(row: Sequence[Fraction], factors: Sequence[Fraction], terms: Sequence[float]) -> float:
    amount, total = row[-1], 0.0
    for age in range(len(row) - 1, len(factors)):
        total += terms[age] / float(amount)
        amount *= factors[age]
    return total
