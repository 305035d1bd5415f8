"""Claims held against eligibility: who is known, when each person was born, died and was enrolled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.defects import threshold
from openvbp.claims.islands import number_islands
from openvbp.claims.row_checks import SERVICE_DATE, CheckedTable, RowCheck, is_rejected
from openvbp.engine import Engine

_TOUCHING_MONTHS = 31
"""Most days between the first days of two months that follow each other."""
_PLAN = ["person_id", "payer", "plan", "data_source"]


@dataclass(frozen=True)
class Enrollment:
    """What eligibility says of persons."""

    persons: ir.Table
    """A row per person of eligibility: ``known_person_id``, ``born``, ``died`` (last of the dates stated),
    ``has_two_birth_dates``, ``has_two_genders``."""
    spans: ir.Table
    """A row per person and run of months without a gap: ``enrolled_person_id``, ``first_day`` of its first month and
    ``first_day_after`` its last month. They never share a day."""


def read_enrollment(engine: Engine, eligibility: CheckedTable) -> Enrollment:
    """Sum up eligibility per person.

    Parameters
    ----------
    engine
        Where to compute.
    eligibility
        The table with conditions on its rows: dates of rows that are taken out do not count, but their persons are
        known.
    """
    wrong = is_rejected(eligibility)
    rows = eligibility.rows.mutate(
        birth_date=ibis.ifelse(wrong, ibis.null("date"), _.birth_date),
        death_date=ibis.ifelse(wrong, ibis.null("date"), _.death_date)
        if eligibility.has("death_date")
        else ibis.null("date"),
        known_gender=ibis.ifelse(_.gender.isin(("female", "male")), _.gender, ibis.null("string")),
    )
    persons = (
        rows.filter(_.person_id.notnull())
        .group_by(known_person_id=_.person_id)
        .agg(
            born=_.birth_date.min(),
            born_last=_.birth_date.max(),
            died=_.death_date.max(),
            first_gender=_.known_gender.min(),
            last_gender=_.known_gender.max(),
        )
        .select(
            "known_person_id",
            "born",
            "died",
            has_two_birth_dates=_.born != _.born_last,
            has_two_genders=_.first_gender != _.last_gender,
        )
    )
    return Enrollment(
        engine.compute(persons, "claims_check_persons"), engine.compute(_spans(rows), "claims_check_spans")
    )


def _spans(rows: ir.Table) -> ir.Table:
    start, end = rows.enrollment_start_date, rows.enrollment_end_date
    lowest, highest = (ibis.date(threshold(name)) for name in ("first_date", "last_date"))
    # An open end, though refused as a date, is no reason to take every claim for one outside enrolment.
    usable = rows.filter(rows.person_id.notnull() & (start <= end) & (start >= lowest))
    until = ibis.ifelse(usable.enrollment_end_date > highest, highest, usable.enrollment_end_date)
    months = usable.select(
        "person_id",
        first_month=_first_of(usable.enrollment_start_date, 0),
        last_month=_first_of(until, 0),
        tie=usable.plan,
    )
    numbered = number_islands(
        months.distinct(),
        by=("person_id",),
        start="first_month",
        end="last_month",
        tie=("tie",),
        gap_days=_TOUCHING_MONTHS,
        name="run",
    )
    runs = numbered.group_by(enrolled_person_id=_.person_id, run=_.run).agg(
        first_day=_.first_month.min(), last_month=_.last_month.max()
    )
    return runs.select("enrolled_person_id", "first_day", first_day_after=_first_of(runs.last_month, 1))


def _first_of(day: ir.DateValue, months_later: int) -> ir.DateValue:
    month = (day.year() * 12 + day.month() - 1 + months_later).cast("int64")
    return ibis.date(month // 12, month % 12 + 1, 1)


def with_enrollment(table: CheckedTable, enrollment: Enrollment) -> CheckedTable:
    """Put beside each row of a table what is known of its person, and beside a service whether the person is enrolled.

    No row is lost or doubled: persons occur once, and their spans never share a day.
    """
    rows = table.rows
    if not table.has("person_id"):
        return table
    joined = rows.left_join(enrollment.persons, rows.person_id == enrollment.persons.known_person_id)
    if table.has(SERVICE_DATE):
        spans = enrollment.spans
        joined = joined.left_join(
            spans,
            [
                joined.person_id == spans.enrolled_person_id,
                joined[SERVICE_DATE] >= spans.first_day,
                joined[SERVICE_DATE] < spans.first_day_after,
            ],
        )
    return CheckedTable(table.declared, joined)


def person_checks(table: CheckedTable) -> Iterator[RowCheck]:
    """Compare rows of a table made by :func:`with_enrollment` with what is known of their persons."""
    rows = table.rows
    if not table.has("person_id", "known_person_id"):
        return
    if table.declared.name == "eligibility":
        yield RowCheck("two_birth_dates", "birth_date", rows.has_two_birth_dates)
        yield RowCheck("two_genders", "gender", rows.has_two_genders)
        return
    is_known = rows.known_person_id.notnull()
    yield RowCheck("person_not_enrolled", "person_id", rows.person_id.notnull() & ~is_known)
    if not table.has(SERVICE_DATE):
        return
    service = rows[SERVICE_DATE]
    yield RowCheck("service_before_birth", _dated_by(table), service < rows.born)
    late = service.delta(rows.died, unit="day") > int(threshold("days_after_death"))
    yield RowCheck("service_after_death", _dated_by(table), late)
    outside = is_known & service.notnull() & rows.enrolled_person_id.isnull()
    yield RowCheck("claim_outside_enrollment", _dated_by(table), outside)


def _dated_by(table: CheckedTable) -> str:
    return table.declared.ordered_by


def overlaps(eligibility: CheckedTable) -> ir.Table:
    """Count the spans that begin before an earlier one of the same person, payer, plan and source has ended.

    Returns
    -------
    One row: ``overlapping`` and ``spans``.
    """
    rows = eligibility.rows.select(*_PLAN, start="enrollment_start_date", end="enrollment_end_date").distinct()
    earlier = ibis.window(group_by=_PLAN, order_by=["start", "end"], preceding=(None, 1))
    reached = rows.mutate(reached=rows.end.max().over(earlier))
    overlapping = reached.count(where=reached.start <= reached.reached)
    return reached.aggregate(overlapping=overlapping, spans=reached.count())
