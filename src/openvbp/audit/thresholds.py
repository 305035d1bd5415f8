"""Declared thresholds and points held against those that published points themselves show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from openvbp.audit.measure_points import MeasurePoints, measures_of
from openvbp.audit.points_schedule import ROUNDED, Inference, PointsRow, Schedule, infer_schedule
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.program import KnownDeparture, Program


@dataclass(frozen=True)
class MeasureAudit:
    """One measure whose points rise with the rate: what is declared, what the rows show, how many each explains.

    A row is explained where the printed points are those of the schedule to the second decimal.
    """

    measure: MeasurePoints
    inference: Inference
    inferred: Schedule | None
    """The schedule that explains most rows: the declared one unless the rows speak against it; ``None`` where there is
    no line and none is declared."""
    explained_by_declared: int
    explained_by_inferred: int
    open_rows: Sequence[PointsRow]
    """Rows that lie on neither schedule."""

    @property
    def is_departing(self) -> bool:
        """Whether the rows lie on another line than the declared one."""
        return self.inferred is not None and _line(self.inferred) != _line(self.measure.schedule)


@dataclass(frozen=True)
class ThresholdAudit:
    """A program's period gone through measure by measure."""

    title: str
    measures: Sequence[MeasurePoints]
    """All measures with points."""
    linear: Sequence[MeasureAudit]
    """Those whose points rise with the rate: that are declared so, or show a line where no thresholds are declared."""
    published_rows: int
    rejected_rows: int
    """Rows of the files that cannot be used."""
    known: Sequence[KnownDeparture]
    """Departures that are on record."""


def audit_thresholds(program: Program, *, period: str, data: Path) -> ThresholdAudit:
    """Infer the points schedule of every measure from published counts and points, and hold the rule against it.

    Parameters
    ----------
    program
        A program whose publisher gives numerators, denominators and points of each provider, for example
        ``openvbp.programs.program("qof")``.
    period
        The program period, for example ``2014/15``.
    data
        Folder with the published files.

    Returns
    -------
    The declared and the inferred schedule of each measure (thresholds in percent) with the rows that each explains.
    ``openvbp.audit.threshold_findings.findings`` lists what departs from the rule, and
    ``openvbp.audit.threshold_behaviour`` says how providers answered to the thresholds.

    Raises
    ------
    UsageError
        If the program's points are not published with their counts, or it has no such period.
    InputDataError
        If the files of the period are missing or cannot be used, or no row can be audited.

    Examples
    --------
    >>> from openvbp.audit.threshold_findings import findings
    >>> from openvbp.programs import program
    >>> audit = audit_thresholds(program("qof"), period="2014/15", data=Path("files"))  # doctest: +SKIP
    >>> [one.measure_id for one in findings(audit) if one.kind == "thresholds"]  # doctest: +SKIP
    ['COPD002', 'DEP003']
    """
    if program.read_published_points is None:
        raise UsageError(
            Problem(
                f"{program.program_id} has no published points by provider with numerators and denominators",
                "audit thresholds",
                "give qof; other programs are checked with 'openvbp compare'",
            )
        )
    parameters = program.parameters
    span = parameters.period(period)
    published = program.read_published_points(data, parameters.in_force(span))
    measures = measures_of(published)
    linear = [one for one in map(audit_measure, measures) if one.inferred is not None]
    if not any(one.measure.rows for one in linear):
        what = f"no measure of {span.label} has counts and a schedule, declared or inferred"
        raise InputDataError(Problem(what, str(data), "give files with counts, or declare the thresholds"))
    return ThresholdAudit(
        f"{program.program_id} {span.label}",
        measures,
        linear,
        published.rows.num_rows,
        published.rejected_rows,
        published.known,
    )


def audit_measure(measure: MeasurePoints) -> MeasureAudit:
    """Infer the schedule of one measure and count the rows that it and the declared one explain."""
    inference = infer_schedule(measure.rows, measure.maximum)
    declared, inferred = measure.schedule, _inferred(measure, inference)
    off_declared = _missed(declared, measure.rows)
    off_inferred = off_declared if inferred == declared else _missed(inferred, measure.rows)
    if declared is not None and len(off_declared) <= len(off_inferred):
        inferred, off_inferred = declared, off_declared
    either = {row.provider_id for row in off_declared}
    return MeasureAudit(
        measure,
        inference,
        inferred,
        len(measure.rows) - len(off_declared),
        len(measure.rows) - len(off_inferred),
        [row for row in off_inferred if row.provider_id in either],
    )


def _inferred(measure: MeasurePoints, inference: Inference) -> Schedule | None:
    """Take the schedule of the rows; the declared thresholds where the rows identify none or fit these as well."""
    declared = measure.schedule
    if not inference.schedules or any(_line(one) == _line(declared) for one in inference.schedules):
        return Schedule(declared.lower, declared.upper, measure.maximum) if declared else None
    return inference.schedules[0]


def _line(schedule: Schedule | None) -> tuple[Decimal, Decimal] | None:
    return (schedule.lower, schedule.upper) if schedule else None


def _missed(schedule: Schedule | None, rows: Sequence[PointsRow]) -> list[PointsRow]:
    return [row for row in rows if schedule is None or schedule.misses_by(row, ROUNDED)]
