"""Tiny published tables for audits of thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from openvbp.audit.points_schedule import PointsRow, Schedule
from openvbp.audit.thresholds import ThresholdAudit, audit_thresholds
from openvbp.program import DeclaredPoints, KnownDeparture, PublishedPoints
from openvbp.programs.qof import PROGRAM

_PARAMETERS = PROGRAM.parameters
SCHEMA = pa.schema(
    [
        ("provider_id", pa.string()),
        ("measure_id", pa.string()),
        *((name, pa.int64()) for name in ("numerator", "denominator", "population")),
        ("is_masked", pa.bool_()),
        ("points", pa.string()),
        ("maximum_points", pa.string()),
    ]
)


def schedule(lower: object, upper: object, points: object) -> Schedule:
    return Schedule(*(Decimal(str(one)) for one in (lower, upper, points)))


def paid(by: Schedule, numerator: int, denominator: int, places: int = 12) -> str:
    """The points that a schedule gives, as a publisher prints them."""
    exact = by.exact_points(PointsRow("", numerator, denominator, Decimal(0)))
    return str(round(exact, places))


def row(provider: str, measure: str, counts: tuple[int, int] | None, points: object, most: object, **more: Any) -> dict:
    numerator, denominator = counts or (None, None)
    cells = {"provider_id": provider, "measure_id": measure, "numerator": numerator, "denominator": denominator}
    cells |= {"population": None, "is_masked": False, "points": str(points), "maximum_points": str(most)}
    return cells | more


def declared(lower: object, upper: object, points: object) -> DeclaredPoints:
    return DeclaredPoints(*(Decimal(str(one)) for one in (points, lower, upper)))


def audit(
    rows: Sequence[Mapping[str, Any]],
    rule: Mapping[str, DeclaredPoints],
    known: Sequence[KnownDeparture] = (),
    rejected: int = 0,
) -> ThresholdAudit:
    """Audit rows as if QOF had published them."""
    published = PublishedPoints(pa.Table.from_pylist(list(rows), schema=SCHEMA), rejected, rule, known)
    program = replace(PROGRAM, read_published_points=lambda _folder, _scenario: published, own_parameters=_PARAMETERS)
    return audit_thresholds(program, period="2015/16", data=Path())
