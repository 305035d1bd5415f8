"""The points schedule of a measure, inferred from published numerators, denominators and points alone.

A schedule gives no points up to a lower threshold, all points from an upper one on, and points in proportion between.
Points are printed with some decimals, so a partly paid row says in which interval the exact points lie, and thereby on
which lines through it the schedule may lie. Thresholds are whole percentages (tenths where no whole ones fit), so the
lines can be counted: the schedule is the one on which most rows lie. Rows that were set by hand cannot bend it, as they
would bend a regression. All arithmetic is in whole numbers.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

_SCALE = 10**18
_FLOAT_NOISE = _SCALE // 10**9
"""Error that the publisher's own binary arithmetic may leave in points printed with fifteen digits."""
_LEAST_PLACES = 2
"""Points are never printed with fewer decimals: a row printed `7` or `7.5` had no further ones."""
ROUNDED = _SCALE // (2 * 10**_LEAST_PLACES)
_STEPS_PER_PERCENT = (1, 10)
_LEAST_PARTIAL_ROWS = 2


@dataclass(frozen=True)
class PointsRow:
    """A provider's published result in one measure: its counts and the points it got."""

    provider_id: str
    numerator: int
    denominator: int
    points: Decimal
    population: int | None = None
    """All patients of the measure's register, those left out of the denominator included; where published."""

    @functools.cached_property
    def scaled_points(self) -> int:
        """Points in units of 1e-18."""
        return int(self.points * _SCALE)

    @property
    def places(self) -> int:
        """How many decimals the points are printed with."""
        return max(0, -int(self.points.as_tuple().exponent))


@dataclass(frozen=True)
class Schedule:
    """Points by rate: none up to ``lower`` percent, all from ``upper`` percent on, in proportion between.

    Where the thresholds are one, all points are given from it.
    """

    lower: Decimal
    upper: Decimal
    points: Decimal

    def __str__(self) -> str:
        lower, upper, points = (f"{one.normalize():f}" for one in (self.lower, self.upper, self.points))
        return f"{lower}-{upper} %, {points} points"

    @functools.cached_property
    def _units(self) -> tuple[int, int, int, int]:
        """Thresholds as whole numbers, how many of their units are 1, and the points in units of 1e-18."""
        places = max(0, *(-int(one.as_tuple().exponent) for one in (self.lower, self.upper)))
        scale = 10**places
        return int(self.lower * scale), int(self.upper * scale), 100 * scale, int(self.points * _SCALE)

    def misses_by(self, row: PointsRow, within: int) -> bool:
        """Whether the exact points differ from the printed ones by more than ``within``, in units of 1e-18."""
        excess, width, points = self._place(row)
        if excess >= width:
            return abs(points - row.scaled_points) > within
        if excess <= 0:
            return row.scaled_points > within
        return abs(excess * points - row.scaled_points * width) > within * width

    def exact_points(self, row: PointsRow) -> Decimal:
        """Points of a row, cut after twelve decimals."""
        excess, width, points = self._place(row)
        share = points if excess >= width else max(0, excess) * points // width
        return Decimal(share // 10**6).scaleb(-12)

    def _place(self, row: PointsRow) -> tuple[int, int, int]:
        lower, upper, per_unit, points = self._units
        return per_unit * row.numerator - lower * row.denominator, (upper - lower) * row.denominator, points


@dataclass(frozen=True)
class Inference:
    """What the rows of one measure say about its schedule."""

    partial_rows: int
    """Rows paid between nothing and everything."""
    schedules: tuple[Schedule, ...]
    """Those that explain the most rows: one where the schedule is identified, none where no line fits."""
    zero_up_to: Decimal | None
    """Highest rate, in percent, that was paid nothing."""
    full_from: Decimal | None
    """Lowest rate, in percent, that was paid in full."""

    @property
    def schedule(self) -> Schedule | None:
        """The schedule, where it is identified."""
        return self.schedules[0] if len(self.schedules) == 1 else None


def infer_schedule(rows: Sequence[PointsRow], maximum: Decimal) -> Inference:
    """Find the thresholds on whose line most rows lie.

    Parameters
    ----------
    rows
        Rows of one measure, one per provider, with positive denominators.
    maximum
        Points of a row that is paid in full.

    Returns
    -------
    The schedule; several where they explain equally many rows; none where not even half of the partly paid rows lie on
    one line, or fewer than two rows are partly paid.
    """
    most = int(maximum * _SCALE)
    partial = [row for row in rows if 0 < row.scaled_points < most]
    nothing = [row for row in rows if row.scaled_points <= 0]
    full = [row for row in rows if row.scaled_points >= most]
    found: tuple[Schedule, ...] = ()
    for steps in _STEPS_PER_PERCENT if len(partial) >= _LEAST_PARTIAL_ROWS else ():
        votes = _votes(partial, most, steps)
        if votes and max(votes.values()) * 2 > len(partial):
            found = _best(votes, rows, nothing, full, maximum, steps)
            break
    return Inference(
        len(partial),
        found,
        max((rate(row) for row in nothing), default=None),
        min((rate(row) for row in full), default=None),
    )


def rate(row: PointsRow) -> Decimal:
    """Rate of a row in percent, cut after two decimals."""
    return Decimal(row.numerator * 10_000 // row.denominator).scaleb(-2)


def tolerance(partial: Sequence[PointsRow]) -> int:
    """Half of the last decimal that a measure's points are printed with, in units of 1e-18."""
    places = max((row.places for row in partial), default=0)
    return max(_SCALE // (2 * 10 ** max(places, _LEAST_PLACES)), _FLOAT_NOISE)


def _votes(partial: Sequence[PointsRow], most: int, steps: int) -> Counter[tuple[int, int]]:
    """Count for each pair of thresholds, in units of 1/steps percent, the rows on whose lines it lies.

    A row at rate D with points P of G lies on the line from E to F where (D - E) / (F - E) = P / G, hence
    F = E + (D - E) * G / P: for each E an interval of F, because P is known to half of its last decimal.
    """
    within = tolerance(partial)
    last = 100 * steps
    votes: Counter[tuple[int, int]] = Counter()
    for row in partial:
        highest = (row.scaled_points + within) * row.denominator
        lowest = max(row.scaled_points - within, 1) * row.denominator
        distance, step = last * row.numerator * most, row.denominator * most
        for lower in range(last):
            if distance <= 0:
                break
            nearest, farthest = lower - (-distance // highest), lower + distance // lowest
            # Most points are printed with so many decimals that hardly a threshold lies between.
            if nearest <= farthest:
                for upper in range(max(nearest, lower + 1), min(last, farthest) + 1):
                    votes[lower, upper] += 1
            distance -= step
    return votes


def _best(
    votes: Counter[tuple[int, int]],
    rows: Sequence[PointsRow],
    nothing: Sequence[PointsRow],
    full: Sequence[PointsRow],
    maximum: Decimal,
    steps: int,
) -> tuple[Schedule, ...]:
    """Of the pairs with most votes keep those that explain most rows, the wholly and not at all paid ones too."""
    last = 100 * steps
    unpaid = Counter(-(-last * row.numerator // row.denominator) for row in nothing)
    paid = Counter(last * row.numerator // row.denominator for row in full)

    def total(pair: tuple[int, int]) -> int:
        lower, upper = pair
        below = sum(times for place, times in unpaid.items() if place <= lower)
        return votes[pair] + below + sum(times for place, times in paid.items() if place >= upper)

    ranked = [pair for pair, times in votes.items() if times * 2 > max(votes.values())]
    totals = {pair: total(pair) for pair in ranked}
    slack = len(rows) // 100 + 2  # rows so near a threshold that their points are rounded to all or nothing
    near = [pair for pair in ranked if totals[pair] >= max(totals.values()) - slack]
    candidates = [Schedule(Decimal(lower) / steps, Decimal(upper) / steps, maximum) for lower, upper in sorted(near)]
    within = tolerance([row for row in rows if 0 < row.points < maximum])
    explained = [sum(not one.misses_by(row, within) for row in rows) for one in candidates]
    return tuple(one for one, times in zip(candidates, explained, strict=True) if times == max(explained))
