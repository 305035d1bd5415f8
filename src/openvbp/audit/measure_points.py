"""Published rows of each measure beside the schedule that is declared for it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from openvbp.audit.points_schedule import PointsRow, Schedule
from openvbp.errors import InputDataError, Problem
from openvbp.program import DeclaredPoints, PublishedPoints


@dataclass(frozen=True)
class MeasurePoints:
    """What is published of one measure, and what is declared."""

    measure_id: str
    declared: DeclaredPoints | None
    """``None`` where the rule does not know the measure."""
    maximum: Decimal
    """Points of a provider that gets all, as published: what most rows print."""
    rows: Sequence[PointsRow] = field(repr=False, default=())
    """Providers with counts and at least one patient."""
    without_patients: Sequence[PointsRow] = field(repr=False, default=())
    """Providers whose denominator is zero."""
    masked: Sequence[Decimal] = field(repr=False, default=())
    """Points of the providers whose counts are withheld, of whom nothing else is kept."""
    without_counts: Mapping[str, Decimal] = field(repr=False, default_factory=dict)
    """Provider to points where there are no counts, or all points or none are given."""

    @property
    def schedule(self) -> Schedule | None:
        """The declared schedule, where points rise with the rate."""
        declared = self.declared
        if declared is None or declared.lower is None or declared.upper is None or declared.lower > declared.upper:
            return None
        return Schedule(declared.lower, declared.upper, declared.points)

    @property
    def published_rows(self) -> int:
        """Providers with points in the measure."""
        return len(self.rows) + len(self.without_patients) + len(self.masked) + len(self.without_counts)


def measures_of(published: PublishedPoints) -> list[MeasurePoints]:
    """Part published rows by measure and by what can be said of them.

    Returns
    -------
    The measures in the order of their identifiers. Rows without points, or of measures whose maximum is not printed,
    are in none of them.

    Raises
    ------
    InputDataError
        If no row has points.
    """
    by_measure: dict[str, list[_Cells]] = defaultdict(list)
    for measure_id, *cells in zip(*(published.rows[name].to_pylist() for name in ("measure_id", *_CELLS)), strict=True):
        row = _Cells(*cells)
        if row.points and row.maximum_points:
            by_measure[measure_id].append(row)
    if not by_measure:
        what = "no row has points and the points available"
        raise InputDataError(Problem(what, "the published files", "give the files with points by provider and measure"))
    return [_measure(one, published.declared.get(one), by_measure[one]) for one in sorted(by_measure)]


class _Cells(NamedTuple):
    provider_id: str
    numerator: int | None
    denominator: int | None
    population: int | None
    is_masked: bool
    points: str | None
    maximum_points: str | None


_CELLS = _Cells._fields


def _measure(measure_id: str, declared: DeclaredPoints | None, published: list[_Cells]) -> MeasurePoints:
    maximum = Decimal(Counter(row.maximum_points or "" for row in published).most_common(1)[0][0])
    rows: list[PointsRow] = []
    without_patients: list[PointsRow] = []
    masked: list[Decimal] = []
    without_counts: dict[str, Decimal] = {}
    # Most rows print one of few texts, such as the maximum.
    numbers = {text: Decimal(text) for text in {row.points or "" for row in published}}
    is_by_rate = declared is None or not declared.is_all_or_nothing
    for row in published:
        points = numbers[row.points or ""]
        if row.is_masked:
            masked.append(points)
        elif row.numerator is None or row.denominator is None or not is_by_rate:
            without_counts[row.provider_id] = points
        else:
            counted = PointsRow(row.provider_id, row.numerator, row.denominator, points, row.population)
            (rows if row.denominator > 0 else without_patients).append(counted)
    return MeasurePoints(measure_id, declared, maximum, rows, without_patients, masked, without_counts)
