"""What happened to whom: person-months, stays, encounters and emergency visits of a claims folder, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ibis.expr.types as ir

from openvbp.claims.encounters import emergency_visits, encounters
from openvbp.claims.person_months import enrollment_spans, person_months
from openvbp.claims.service_lines import service_lines
from openvbp.claims.stays import stays
from openvbp.claims.tables import ClaimsData
from openvbp.engine import cannot_write
from openvbp.errors import InputDataError, Problem
from openvbp.periods import Period

_NEVER_EMPTY = ("person_month", "encounter")


@dataclass(frozen=True)
class Events:
    """The events of a claims folder as Ibis tables; each function's docstring gives the columns."""

    service_line: ir.Table
    """:func:`~openvbp.claims.service_lines.service_lines`: not copied, read from the file by each query."""
    person_month: ir.Table
    """:func:`~openvbp.claims.person_months.person_months` of the period."""
    enrollment_span: ir.Table
    """:func:`~openvbp.claims.person_months.enrollment_spans`, without gaps."""
    stay: ir.Table
    """:func:`~openvbp.claims.stays.stays`."""
    encounter: ir.Table
    """:func:`~openvbp.claims.encounters.encounters`."""
    emergency_visit: ir.Table
    """:func:`~openvbp.claims.encounters.emergency_visits`."""


def find_events(data: ClaimsData, period: Period) -> Events:
    """Find the events in a claims folder.

    Parameters
    ----------
    data
        An opened claims folder with ``eligibility`` and ``medical_claim``.
    period
        Months of enrolment outside are left out; claims are taken as they are.

    Raises
    ------
    InputDataError
        If a table is missing or cannot be read.

    Examples
    --------
    >>> with open_engine() as engine:  # doctest: +SKIP
    ...     events = find_events(open_claims(engine, Path("claims")), parse_period("CY2024", "calendar_year"))
    ...     events.stay.count().execute()
    """
    lines = service_lines(data.table("medical_claim"))
    # Stays are used twice; computed once they are small.
    stay = data.engine.compute(stays(lines), "events_stay")
    return Events(
        service_line=lines,
        person_month=person_months(data.table("eligibility"), period),
        enrollment_span=enrollment_spans(data.table("eligibility")),
        stay=stay,
        encounter=encounters(lines),
        emergency_visit=emergency_visits(lines, stay),
    )


def write_events(data: ClaimsData, period: Period, out: Path) -> dict[str, int]:
    """Write the events as Parquet files, all but the service lines, which stay in the claims folder.

    Parameters
    ----------
    data, period
        As of :func:`find_events`.
    out
        Folder; made where it does not exist.

    Returns
    -------
    Rows written, by table.

    Raises
    ------
    InputDataError
        If nobody is enrolled in the period, or no claim stands.
    MachineError
        If a file cannot be written.
    """
    events = find_events(data, period)
    written = {}
    for name, order in (
        ("person_month", ("person_id", "payer", "year_month")),
        ("enrollment_span", ("person_id", "payer", "start_date")),
        ("stay", ("person_id", "admission_date", "stay_id")),
        ("encounter", ("person_id", "start_date", "encounter_id", "encounter_type")),
        ("emergency_visit", ("person_id", "visit_date")),
    ):
        table = data.engine.compute(getattr(events, name), f"events_{name}_whole")
        rows = int(data.engine.to_arrow(table.aggregate(rows=table.count()))["rows"][0].as_py())
        if not rows and name in _NEVER_EMPTY:
            raise InputDataError(
                Problem(
                    f"no row of {name} follows from the claims",
                    f"{data.folder}, {period.label}",
                    "choose a period in which people are enrolled and have claims that were not all denied",
                )
            )
        try:
            out.mkdir(parents=True, exist_ok=True)
            data.engine.write_parquet(table.order_by(*order), out / f"{name}.parquet")
        except OSError as error:
            raise cannot_write(out / f"{name}.parquet", error) from error
        written[name] = rows
    return written
