"""Change of coded risk from one period to the next, by provider, held against the change of all others.

Everything is computed from whole-number sums by provider and pair of periods, which engines agree on exactly.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
from ibis import _

from openvbp.engine import Engine
from openvbp.money import whole_sum
from openvbp.profiling.coded_risk import UNIT, CodedRisk

MEDIAN_DEVIATION = 1.4826
"""Standard deviations of a normal distribution in one median absolute deviation."""


@dataclass(frozen=True)
class Change:
    """Change between two periods of providers with enough persons, on one way of comparing."""

    provider_id: list[str]
    persons: np.ndarray
    """The smaller number of the two periods, or that of persons in both."""
    change: np.ndarray
    """Mean change of the score; of ``same persons`` after adjustment, about that of all persons."""
    z: np.ndarray
    robust_z: np.ndarray
    """z about the median of providers, in standard deviations as providers below it give them (of the same persons at
    least 1); NaN where there is no spread."""


def by_provider(engine: Engine, risk: CodedRisk) -> list[dict[str, Any]]:
    """Add coded risk up by provider and period.

    Returns
    -------
    One row per provider and period: ``persons``, ``coded``, ``squares``, ``expected`` and ``demographic`` (sums;
    thousandths, ``squares`` of thousandths). Expected is the mean of all persons of the period and of the same cell:
    what demographics alone would have. ``demographic`` is none where it is not known of everybody.
    """
    cell = ibis.window(group_by=["period", "cell"])
    rows = risk.rows.mutate(
        cell_coded=_.coded.sum().over(cell).cast("decimal(38, 0)").cast("int64"), cell_persons=_.count().over(cell)
    )
    # In millionths, so that rounding a person's expectation stays far below a provider's mean.
    mean = (rows.cell_coded.cast("float64") * 1000 / rows.cell_persons.cast("float64")).round().cast("int64")
    summed = (
        rows.mutate(mean=mean)
        .group_by("provider_id", "period")
        .agg(
            persons=_.count(),
            coded=whole_sum(_.coded),
            squares=whole_sum(_.coded * _.coded),
            expected=whole_sum(_.mean),
            demographic=whole_sum(_.demographic),
            demographic_known=_.demographic.count(),
        )
    )
    found = engine.to_arrow(summed.order_by("provider_id", "period")).to_pylist()
    for row in found:
        row["expected"] = row["expected"] / 1000
        row["demographic"] = row["demographic"] if row.pop("demographic_known") == row["persons"] else None
    return found


def changes_of_all(rows: Sequence[dict[str, Any]], before: int, after: int, minimum: int) -> Change:
    """Compare all persons of a provider in one period with all in the next.

    z = (Δ − median) ÷ √(v (1/n₁ + 1/n₀)), with Δ the change of the mean and v the variance of all persons' scores in
    both periods.

    Parameters
    ----------
    rows
        As of :func:`by_provider`.
    before, after
        The periods.
    minimum
        Persons that a provider needs in each.
    """
    both = [row for row in rows if row["period"] in (before, after)]
    persons, total = sum(row["persons"] for row in both), sum(row["coded"] for row in both)
    variance = (sum(row["squares"] for row in both) - total**2 / persons) / max(1, persons - 1) / UNIT**2
    by_key = {(row["provider_id"], row["period"]): row for row in both}
    kept = [
        (first, second)
        for (provider, period), first in by_key.items()
        if period == before and (second := by_key.get((provider, after))) is not None
        if min(first["persons"], second["persons"]) >= minimum
    ]
    sizes = np.array([(first["persons"], second["persons"]) for first, second in kept], float).reshape(-1, 2)
    means = np.array([[one["coded"] / one["persons"] / UNIT for one in pair] for pair in kept], float).reshape(-1, 2)
    change = means[:, 1] - means[:, 0]
    deviation = np.sqrt(variance * (1 / sizes).sum(axis=1))
    return _against_others([first["provider_id"] for first, _second in kept], sizes.min(axis=1), change, deviation)


def changes_of_same(engine: Engine, risk: CodedRisk, before: int, after: int, minimum: int) -> Change:
    """Compare persons who were a provider's in both periods, each with himself.

    The later score is predicted from the earlier one, and from the logarithm of one plus the contacts of both periods
    where they are known: who is seen more often has more written down. A provider's change is the mean of what the
    prediction misses. Persons who move from one provider to another count for neither.

    Parameters
    ----------
    engine
        Where to compute.
    risk
        Coded risk.
    before, after
        The periods.
    minimum
        Persons that a provider needs.
    """
    found = engine.to_arrow(_products(_pairs(risk, before, after))).to_pylist()
    sums = _Sums.of(found)
    coefficients, spread = sums.regression()
    kept = [row for row in found if row["persons"] >= minimum]
    size = np.array([row["persons"] for row in kept], float)
    means = np.array([[row[f"sum_{name}"] for name in _NAMES] for row in kept], float).reshape(-1, len(_NAMES))
    means = means / np.maximum(size, 1)[:, None] / UNIT
    predicted = coefficients[0] + means[:, :-1] @ coefficients[1:]
    change = means[:, -1] - predicted
    # What is missed of a person is independent of others: by chance alone z has deviation 1, and never less.
    deviation = spread / np.sqrt(np.maximum(size, 1))
    return _against_others([row["provider_id"] for row in kept], size, change, deviation, least=1.0)


_NAMES = ("earlier", "contacts_before", "contacts_after", "later")


def _pairs(risk: CodedRisk, before: int, after: int) -> ir.Table:
    def contacts(rows: ir.Table) -> ir.IntegerValue:
        # Nothing known is a constant, which the regression leaves out.
        return ((1 + rows.contacts.fill_null(0)).cast("float64").ln() * float(UNIT)).round().cast("int64")

    first = risk.rows.filter(_.period == before)
    second = risk.rows.filter(_.period == after)
    earlier = first.select("person_id", "provider_id", earlier="coded", contacts_before=contacts(first))
    later = second.select("person_id", "provider_id", later="coded", contacts_after=contacts(second))
    return earlier.inner_join(later, ["person_id", "provider_id"])


def _products(pairs: ir.Table) -> ir.Table:
    products = {
        f"product_{one}_{other}": whole_sum(pairs[one] * pairs[other])
        for one, other in itertools.combinations_with_replacement(_NAMES, 2)
    }
    sums = {f"sum_{name}": whole_sum(pairs[name]) for name in _NAMES}
    return pairs.group_by("provider_id").agg(persons=_.count(), **sums, **products).order_by("provider_id")


@dataclass(frozen=True)
class _Sums:
    """Sums over all persons, in scores."""

    persons: int
    sums: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[dict[str, Any]]) -> _Sums:
        size = len(_NAMES)
        products = np.zeros((size, size))
        for (i, one), (j, other) in itertools.combinations_with_replacement(enumerate(_NAMES), 2):
            total = sum(row[f"product_{one}_{other}"] for row in rows) / UNIT**2
            products[i, j] = products[j, i] = total
        sums = np.array([sum(row[f"sum_{name}"] for row in rows) / UNIT for name in _NAMES])
        return cls(sum(row["persons"] for row in rows), sums, products)

    def regression(self) -> tuple[np.ndarray, float]:
        """Intercept and slopes of the later score on the others, and the standard deviation of what is missed."""
        if not self.persons:
            return np.zeros(len(_NAMES)), 0.0
        means = self.sums / self.persons
        central = self.products / self.persons - np.outer(means, means)
        # The pseudo-inverse gives a constant column no slope.
        slopes = np.linalg.pinv(central[:-1, :-1], rcond=1e-10, hermitian=True) @ central[:-1, -1]
        missed = central[-1, -1] - slopes @ central[:-1, -1]
        return np.concatenate([[means[-1] - slopes @ means[:-1]], slopes]), math.sqrt(max(0.0, float(missed)))


def _against_others(
    provider_id: list[str], persons: np.ndarray, change: np.ndarray, deviation: np.ndarray, least: float = 0.0
) -> Change:
    if not provider_id:
        return Change([], persons, change, change, change)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(deviation > 0, (change - np.median(change)) / deviation, np.nan)
    return Change(provider_id, persons, change, z, robust(z, least))


def robust(z: np.ndarray, least: float = 0.0) -> np.ndarray:
    """Scale values by their median and :func:`lower_deviation`; NaN where that is 0.

    Parameters
    ----------
    z
        Values; not a number where there is none.
    least
        Deviation that is taken at least. Of few providers a median of deviations is uncertain by a fifth and more, and
        one that is too small by chance would flag the innocent.

    Examples
    --------
    >>> robust(np.array([-1.0, 0.0, 1.0, 14.826])).round(6).tolist()
    [-1.011736, -0.337245, 0.337245, 9.662755]
    """
    spread = max(least, lower_deviation(z))
    return (z - np.median(z)) / spread if spread > 0 else np.full(len(z), np.nan)


def lower_deviation(z: np.ndarray) -> float:
    """Standard deviation as the values up to the median give it: their median distance from it, scaled.

    Who codes more than there is stands above the median. Many such providers would widen a median of all distances and
    hide themselves; of those below they change nothing.

    Examples
    --------
    >>> round(lower_deviation(np.array([-1.0, 0.0, 1.0, 50.0, 60.0])), 4)
    1.4826
    """
    middle = np.median(z)
    return MEDIAN_DEVIATION * float(np.median(middle - z[z <= middle])) if np.isfinite(middle) else 0.0


def cumulated(changes: Sequence[float | None], slack: float = 0.5) -> list[float]:
    """Cumulated sum of one provider's robust z: S = max(0, S + z − slack).

    Parameters
    ----------
    changes
        In order of the periods; none where the provider had too few persons: the sum stays.
    slack
        Half the shift, in standard deviations, that should be found soon.

    Source: E. S. Page, Biometrika 41 (1954), 100-115.

    Examples
    --------
    >>> cumulated([1.5, None, 2.0, -4.0])
    [1.0, 1.0, 2.5, 0.0]
    """
    sums, current = [], 0.0
    for change in changes:
        if change is not None:
            current = max(0.0, current + change - slack)
        sums.append(current)
    return sums


def pooled(robust_z: Sequence[float], persons: Sequence[float]) -> float:
    """Robust z of several providers together, each weighed by the root of its persons (Stouffer's method).

    Examples
    --------
    >>> round(pooled([2.0, 2.0], [100, 100]), 6)
    2.828427
    """
    weights = [math.sqrt(one) for one in persons]
    return sum(w * z for w, z in zip(weights, robust_z, strict=True)) / math.sqrt(sum(w * w for w in weights))
