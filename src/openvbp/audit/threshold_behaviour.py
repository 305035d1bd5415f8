"""How providers answered to the thresholds: just enough, patients left out; and what masked cells give away."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from statistics import quantiles

from openvbp.audit.measure_points import MeasurePoints
from openvbp.audit.points_schedule import PointsRow, Schedule, tolerance
from openvbp.audit.thresholds import MeasureAudit, ThresholdAudit

CUTS = range(-8, 5)
"""Percentage points by which the placebo cuts lie from the upper threshold, which is cut 0."""
LEAST_DENOMINATOR = 50
HIGH_EXCLUSION = Fraction(15, 100)
_WHOLE_REGISTER = 93
"""Percent of the register that the denominators of measures about a part of it do not reach: in five years of QOF in
Scotland the highest hundredth of providers have at most 92 percent there, and at least 93.7 percent elsewhere."""
_LEAST_PROVIDERS = 10


@dataclass(frozen=True)
class Bunching:
    """Providers' measures just above and just below a cut, for the upper threshold and for placebo cuts."""

    rows: Mapping[int, tuple[int, int]]
    """Cut to the rows with a rate in [F + cut, F + cut + 1) and in [F + cut - 1, F + cut), F the upper threshold."""

    def ratio(self, cut: int) -> Decimal | None:
        """Rows above over rows below, cut after two decimals; ``None`` where there are none below."""
        above, below = self.rows[cut]
        return Decimal(100 * above // below).scaleb(-2) if below else None


@dataclass(frozen=True)
class Exclusion:
    """Patients of the register who are not in the denominator, by provider, over measures about the whole register."""

    measures: Sequence[str]
    providers: int
    quartiles: tuple[Decimal, Decimal, Decimal]
    """Percent of the registers that is left out: lower quartile, median, upper quartile over providers."""
    above_high: Decimal
    """Percent of the providers that leave out more than 15 percent."""
    points: Decimal
    """Points of these measures that a provider got, mean over providers."""
    points_put_back: Decimal
    """How many more a provider would have got with everybody in the denominator, the numerator unchanged: the mean."""


@dataclass(frozen=True)
class Leakage:
    """What the points of rows with withheld counts give away. The counts themselves are not kept."""

    masked: int
    partly_paid: int
    recoverable: int
    """Partly paid rows whose points fit a single fraction of the counts that are withheld."""


def bunching(audit: ThresholdAudit) -> Bunching:
    """Count rows around the upper threshold and around placebo cuts, at denominators of at least 50.

    Where nothing but care moves a rate, about as many rows lie just above a cut as just below it.
    """
    distances: Counter[int] = Counter()
    for one, schedule in _scheduled(audit.linear):
        step = schedule.upper.as_integer_ratio()
        for row in one.measure.rows:
            if row.denominator >= LEAST_DENOMINATOR:
                excess = 100 * row.numerator * step[1] - step[0] * row.denominator
                distances[excess // (row.denominator * step[1])] += 1
    return Bunching({cut: (distances[cut], distances[cut - 1]) for cut in CUTS})


def exclusion(audit: ThresholdAudit) -> Exclusion | None:
    """Measure who is left out of the denominators, and what it is worth in points.

    Taken are the measures whose population is the whole register: no more than one provider in a hundred has a larger
    denominator, and at least one in a hundred, of those with 50 patients or more on the register, has 93 percent of
    them in the denominator. Where a measure is about a part of the register no provider comes that far.

    Returns
    -------
    ``None`` if there is no such measure.
    """
    taken = [(one, schedule) for one, schedule in _scheduled(audit.linear) if is_about_register(one.measure.rows)]
    denominators: Counter[str] = Counter()
    registers: Counter[str] = Counter()
    points: dict[str, Decimal] = defaultdict(Decimal)
    put_back: dict[str, Decimal] = defaultdict(Decimal)
    for one, schedule in taken:
        for row in one.measure.rows:
            if row.population:
                denominators[row.provider_id] += row.denominator
                registers[row.provider_id] += row.population
                points[row.provider_id] += row.points
                everybody = PointsRow(row.provider_id, row.numerator, max(row.population, row.denominator), row.points)
                put_back[row.provider_id] += schedule.exact_points(everybody) - schedule.exact_points(row)
    if len(registers) < _LEAST_PROVIDERS:
        return None
    shares = [1 - Fraction(denominators[one], whole) for one, whole in registers.items()]
    lower, median, upper = (_percent(one) for one in quantiles(shares, n=4, method="inclusive"))
    return Exclusion(
        [one.measure.measure_id for one, _schedule in taken],
        len(shares),
        (lower, median, upper),
        _percent(Fraction(sum(share > HIGH_EXCLUSION for share in shares), len(shares))),
        _mean(points.values()),
        _mean(put_back.values()),
    )


def leakage(audit: ThresholdAudit) -> Leakage:
    """Count masked rows whose points give their counts away.

    Withheld are counts below the smallest denominator that is printed: few fractions can be meant, and partial points
    tell them apart.
    """
    linear = [one.measure for one in audit.linear]
    smallest = min((row.denominator for one in linear for row in one.rows), default=0)
    fractions = sorted({Fraction(k, n) for n in range(1, smallest) for k in range(n + 1)})
    partly_paid = recoverable = 0
    for one, schedule in _scheduled(audit.linear):
        within = tolerance(_partly_paid(one.measure))
        for points in one.measure.masked:
            if 0 < points < one.measure.maximum:
                partly_paid += 1
                rows = (PointsRow("", one.numerator, one.denominator, points) for one in fractions)
                recoverable += sum(not schedule.misses_by(row, within) for row in rows) == 1
    return Leakage(sum(len(one.masked) for one in linear), partly_paid, recoverable)


def _scheduled(linear: Iterable[MeasureAudit]) -> list[tuple[MeasureAudit, Schedule]]:
    return [(one, one.inferred) for one in linear if one.inferred is not None]


def is_about_register(rows: Sequence[PointsRow]) -> bool:
    """Whether a measure's population is the whole register, told by the counts (:func:`exclusion` says how)."""
    known = [(row.denominator, row.population) for row in rows if row.population]
    large = [(denominator, register) for denominator, register in known if register >= LEAST_DENOMINATOR]
    exceeding = sum(denominator > register for denominator, register in known)
    whole = sum(100 * denominator >= _WHOLE_REGISTER * register for denominator, register in large)
    return len(large) >= _LEAST_PROVIDERS and 100 * exceeding <= len(known) and 100 * whole >= len(large)


def _partly_paid(measure: MeasurePoints) -> list[PointsRow]:
    return [row for row in measure.rows if 0 < row.points < measure.maximum]


def _percent(share: Fraction) -> Decimal:
    return Decimal(round(share * 1000)).scaleb(-1)


def _mean(values: Iterable[Decimal]) -> Decimal:
    numbers = list(values)
    return (sum(numbers, Decimal(0)) / len(numbers)).quantize(Decimal("0.1"))
