"""What departs from the declared thresholds and points, one finding each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from openvbp.audit.measure_points import MeasurePoints
from openvbp.audit.points_schedule import PointsRow, rate
from openvbp.audit.thresholds import MeasureAudit, ThresholdAudit
from openvbp.program import DepartureKind

_MOST_NAMED = 3


@dataclass(frozen=True)
class Finding:
    """One departure of what is published from what is declared."""

    kind: DepartureKind | Literal["not_declared"]
    measure_id: str
    declared: str
    inferred: str
    """What the published points show instead."""
    known: str
    """Why, where the departure is on record; else empty."""
    provider_id: str = ""
    """Empty where the finding is about the measure."""
    rows: int | None = None
    """Rows with counts; of findings about a provider there is no number of rows."""
    partly_paid: int | None = None
    explained_by_declared: int | None = None
    explained_by_inferred: int | None = None
    rate: Decimal | None = None
    """Rate of the provider in percent, cut after two decimals."""
    published_points: Decimal | None = None
    rule_points: Decimal | None = None
    """Points that the inferred schedule gives, cut after twelve decimals."""


def findings(audit: ThresholdAudit) -> list[Finding]:
    """List what departs: first measures whose thresholds or points are others, then rows that lie on no schedule.

    Returns
    -------
    Findings about measures (``thresholds``, ``points``, ``not_declared``, ``without_patients``), then about providers
    (``row``), by measure and provider.
    """
    records = {(one.kind, one.measure_id, one.provider_id): one.why for one in audit.known}

    def known(kind: DepartureKind, measure_id: str, provider_id: str | None = None) -> str:
        return records.get((kind, measure_id, provider_id), "")

    found: list[Finding] = []
    for one in audit.linear:
        found += _thresholds(one, known("thresholds", one.measure.measure_id))
    for measure in audit.measures:
        found += _points(measure, known("points", measure.measure_id))
    for one in audit.linear:
        found += _without_patients(one.measure, known("without_patients", one.measure.measure_id))
    for one in audit.linear:
        for row in one.open_rows:
            found.append(_open_row(one, row, known("row", one.measure.measure_id, row.provider_id)))
    for measure in audit.measures:
        for provider_id, points in _partial_awards(measure):
            why = known("row", measure.measure_id, provider_id)
            found.append(_partial_award(measure, provider_id, points, why))
    return found


def _named(providers: Sequence[str]) -> str:
    more = len(providers) - _MOST_NAMED
    return ", ".join(providers[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _declared(one: MeasureAudit) -> str:
    return str(one.measure.schedule) if one.measure.schedule else "no thresholds"


def _thresholds(one: MeasureAudit, known: str) -> Iterator[Finding]:
    if not one.is_departing:
        return
    others = len(one.inference.schedules) - 1
    yield Finding(
        "thresholds" if one.measure.schedule else "not_declared",
        one.measure.measure_id,
        _declared(one),
        f"{one.inferred}" + (f", or {others:,} others that explain as many rows" if others > 0 else ""),
        known,
        rows=len(one.measure.rows),
        partly_paid=one.inference.partial_rows,
        explained_by_declared=one.explained_by_declared,
        explained_by_inferred=one.explained_by_inferred,
    )


def _points(measure: MeasurePoints, known: str) -> Iterator[Finding]:
    published = f"{measure.maximum.normalize():f} points"
    if measure.declared is None:
        yield Finding("not_declared", measure.measure_id, "no such measure", published, known)
    elif measure.declared.points != measure.maximum:
        yield Finding("points", measure.measure_id, f"{measure.declared.points.normalize():f} points", published, known)


def _without_patients(measure: MeasurePoints, known: str) -> Iterator[Finding]:
    paid = [row.provider_id for row in measure.without_patients if row.points > 0]
    if paid:
        shown = f"{len(paid):,} of {len(measure.without_patients):,} paid: {_named(paid)}"
        only = paid[0] if len(paid) == 1 else ""
        yield Finding("without_patients", measure.measure_id, "no points without a patient", shown, known, only)


def _open_row(one: MeasureAudit, row: PointsRow, known: str) -> Finding:
    schedule = one.inferred
    by_rule = schedule.exact_points(row) if schedule else None
    return Finding(
        "row",
        one.measure.measure_id,
        _declared(one),
        str(schedule),
        known,
        row.provider_id,
        rate=rate(row),
        published_points=row.points,
        rule_points=by_rule,
    )


def _partial_awards(measure: MeasurePoints) -> Iterator[tuple[str, Decimal]]:
    if measure.declared is not None and measure.declared.is_all_or_nothing:
        awards = sorted(measure.without_counts.items())
        yield from ((one, points) for one, points in awards if 0 < points < measure.maximum)


def _partial_award(measure: MeasurePoints, provider_id: str, points: Decimal, known: str) -> Finding:
    declared = f"{measure.maximum.normalize():f} points or none"
    return Finding(
        "row", measure.measure_id, declared, "part of the points", known, provider_id, published_points=points
    )
