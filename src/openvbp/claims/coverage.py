"""Claims and members month by month: months that are missing, run-out, and volumes beside what is usual."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.defects import Finding, Volume, defects, threshold, volumes
from openvbp.claims.enrollment_checks import Enrollment
from openvbp.claims.row_checks import SERVICE_DATE, CheckedTable
from openvbp.engine import Engine

_EMERGENCY_ROOM = "^(045[0-9]|0981)$"
_INPATIENT_BILL = "^11"
_VISIT_CODES = ("99202", "99499")
"""First and last code of evaluation and management services in CPT."""
_SHOWN = 3
_USED = (
    "person_id",
    "claim_type",
    "adjustment_type",
    "claim_status",
    "hcpcs_code",
    "revenue_center_code",
    "bill_type_code",
    "admission_date",
    "paid_date",
)


@dataclass(frozen=True)
class Month:
    """A month of a claims folder."""

    year_month: int
    members: int
    lines: dict[str, int]
    """Lines by kind: professional, institutional, pharmacy."""


@dataclass(frozen=True)
class Coverage:
    """What a claims folder holds, by month."""

    months: tuple[Month, ...] = ()
    """From the first to the last month in which there are both members and claims."""
    volumes: dict[str, Decimal] = field(default_factory=dict)
    """Events per 1,000 person-years in these months."""
    last_service: int | None = None
    """Month (year × 100 + month) of the last service of a member."""
    paid_through: date | None = None
    is_medicare: bool = False
    """Whether most of the spans are Medicare's."""

    @property
    def person_years(self) -> Decimal:
        """Members' years in these months."""
        return Decimal(sum(month.members for month in self.months)) / 12


@dataclass(frozen=True)
class _Counts:
    lines: dict[str, Counter[int]]
    events: dict[str, Counter[int]]
    paid_through: date | None


def measure_coverage(
    engine: Engine, tables: dict[str, CheckedTable], enrollment: Enrollment, paid_through: date | None
) -> Coverage:
    """Count members, lines and events by month.

    Parameters
    ----------
    engine
        Where to compute.
    tables
        Tables of the folder; eligibility among them.
    enrollment
        What eligibility says of persons.
    paid_through
        Last day of payments, where the folder states it; else the last one in it counts.
    """
    counts = _counts(engine, tables)
    members = _members(engine, enrollment)
    both = sorted({month for kind in counts.lines.values() for month in kind} & {m for m, n in members.items() if n})
    if not both:
        return Coverage(paid_through=paid_through or counts.paid_through)
    span = range(both[0], both[-1] + 1)
    months = tuple(
        Month(_year_month(month), members.get(month, 0), {kind: counts.lines[kind][month] for kind in counts.lines})
        for month in span
    )
    person_years = Decimal(sum(month.members for month in months)) / 12
    rates = {name: sum(events[month] for month in span) * 1000 / person_years for name, events in counts.events.items()}
    return Coverage(
        months,
        rates,
        _year_month(both[-1]),
        paid_through or counts.paid_through,
        _is_medicare(engine, tables["eligibility"]),
    )


def _counts(engine: Engine, tables: dict[str, CheckedTable]) -> _Counts:
    lines: dict[str, Counter[int]] = defaultdict(Counter)
    events: dict[str, Counter[int]] = defaultdict(Counter)
    paid: list[date] = []
    for name in ("medical_claim", "pharmacy_claim"):
        table = tables.get(name)
        if table is None:
            continue
        rows = _standing(table)
        kind = rows.claim_type if name == "medical_claim" else ibis.literal("pharmacy")
        visit = rows.hcpcs_code.between(*_VISIT_CODES) if table.has("hcpcs_code") else ibis.literal(False)  # noqa: FBT003
        counted = rows.group_by(kind=kind, month=rows.month).agg(
            lines=_.count(),
            visits=rows.count(where=visit),
            paid=rows.paid_date.max() if table.has("paid_date") else ibis.null("date"),
        )
        for one in engine.to_arrow(counted).to_pylist():
            lines[one["kind"]][one["month"]] += one["lines"]
            if one["kind"] == "professional":
                events["professional_lines"][one["month"]] += one["lines"]
                events["evaluation_and_management_visits"][one["month"]] += one["visits"]
            paid.extend([one["paid"]] if one["paid"] else [])
        if name == "medical_claim":
            for event, of in _facility_events(table, rows).items():
                events[event].update({one["month"]: one["times"] for one in engine.to_arrow(of).to_pylist()})
    return _Counts(dict(lines), dict(events), max(paid, default=None))


def _standing(table: CheckedTable) -> ir.Table:
    """Lines with a date that were neither cancelled nor denied, with their ``month`` (year × 12 + month − 1)."""
    rows = table.rows.select(*(name for name in _USED if table.has(name)), day=SERVICE_DATE)
    stands = rows.day.notnull()
    if table.has("adjustment_type"):
        stands = stands & (rows.adjustment_type.isnull() | (rows.adjustment_type == "0"))
    if table.has("claim_status"):
        stands = stands & (rows.claim_status.isnull() | (rows.claim_status == "final"))
    if table.declared.name == "medical_claim":
        stands = stands & rows.claim_type.isin(("professional", "institutional"))
    return rows.filter(stands).mutate(month=_month(rows.day))


def _facility_events(table: CheckedTable, rows: ir.Table) -> dict[str, ir.Table]:
    found = {}
    if table.has("revenue_center_code"):
        visits = rows.filter(rows.revenue_center_code.re_search(_EMERGENCY_ROOM))
        found["emergency_department_visits"] = visits.select("person_id", "month", "day").distinct()
    if table.has("bill_type_code", "admission_date"):
        stays = rows.filter(rows.bill_type_code.re_search(_INPATIENT_BILL) & rows.admission_date.notnull())
        stays = stays.select("person_id", day="admission_date", month=_month(stays.admission_date))
        found["admissions"] = stays.distinct()
    return {name: events.group_by("month").agg(times=_.count()) for name, events in found.items()}


def _members(engine: Engine, enrollment: Enrollment) -> dict[int, int]:
    """Count enrolled persons by month: those who come less those who go."""
    change: Counter[int] = Counter()
    for day, sign in (("first_day", 1), ("first_day_after", -1)):
        moved = enrollment.spans.group_by(month=_month(enrollment.spans[day])).agg(persons=_.count())
        for one in engine.to_arrow(moved).to_pylist():
            change[one["month"]] += sign * one["persons"]
    members, enrolled = {}, 0
    for month in range(min(change, default=0), max(change, default=-1) + 1):
        enrolled += change[month]
        members[month] = enrolled
    return members


def _is_medicare(engine: Engine, eligibility: CheckedTable) -> bool:
    rows = eligibility.rows
    named = [rows[name].lower().contains("medicare") for name in ("payer", "payer_type") if eligibility.has(name)]
    if eligibility.has("medicare_status_code"):
        named.append(rows.medicare_status_code.notnull())
    (found,) = engine.to_arrow(
        rows.aggregate(medicare=rows.count(where=ibis.or_(*named).fill_null(False)), all=rows.count())  # noqa: FBT003
    ).to_pylist()
    return found["medicare"] * 2 > found["all"]


def check_coverage(coverage: Coverage) -> Iterator[Finding]:
    """Look for months that are missing, too short a run-out, and unusual volumes."""
    if not coverage.months:
        return
    yield from _drops(coverage)
    if coverage.last_service and _months_apart(coverage) < int(threshold("run_out_months")):
        paid = f"{coverage.paid_through:%Y-%m}" if coverage.paid_through else "an unknown month"
        detail = f"last service in {_written(coverage.last_service)}, paid through {paid}"
        yield Finding(defects()["short_run_out"], "medical_claim", "paid_date", 1, 1, "folder", detail)
    if coverage.is_medicare and coverage.person_years >= int(threshold("person_years_for_volumes")):
        yield from _unusual_volumes(coverage)


def _drops(coverage: Coverage) -> Iterator[Finding]:
    for kind in sorted(coverage.months[0].lines):
        fallen = []
        for place, month in enumerate(coverage.months):
            beside = [coverage.months[at] for at in (place - 1, place + 1) if 0 <= at < len(coverage.months)]
            members = sum(one.members for one in beside)
            lines = sum(one.lines[kind] for one in beside)
            if not month.members or not members or lines < int(threshold("lines_for_a_drop")) * len(beside):
                continue
            here = Decimal(month.lines[kind] * 1000) / month.members
            there = Decimal(lines * 1000) / members
            if here < there * Decimal(threshold("sudden_drop")):
                fallen.append(f"{_written(month.year_month)} {here:,.0f}, beside it {there:,.0f}")
        if fallen:
            further = f" and {len(fallen) - _SHOWN} more" if len(fallen) > _SHOWN else ""
            detail = f"{kind} lines per 1,000 member-months: " + "; ".join(fallen[:_SHOWN]) + further
            table = "pharmacy_claim" if kind == "pharmacy" else "medical_claim"
            yield Finding(defects()["sudden_drop"], table, "", len(fallen), len(coverage.months), "months", detail)


def _unusual_volumes(coverage: Coverage) -> Iterator[Finding]:
    for name, rate in coverage.volumes.items():
        usual = volumes()[name]
        if not usual.lowest <= rate <= usual.highest:
            yield Finding(
                defects()["volume_out_of_range"], "medical_claim", "", 1, 1, "volume", _volume_words(usual, rate)
            )


def _volume_words(usual: Volume, rate: Decimal) -> str:
    doubt = " (range unverified)" if usual.unverified else ""
    name = usual.volume_id.replace("_", " ")
    return f"{name}: {rate:,.0f} per 1,000 person-years, usual {usual.lowest:,} to {usual.highest:,}{doubt}"


def _months_apart(coverage: Coverage) -> int:
    if coverage.paid_through is None or coverage.last_service is None:
        return 0
    year, month = divmod(coverage.last_service, 100)
    return coverage.paid_through.year * 12 + coverage.paid_through.month - year * 12 - month


def _month(day: ir.DateValue) -> ir.IntegerValue:
    return (day.year() * 12 + day.month() - 1).cast("int64")


def _year_month(month: int) -> int:
    return month // 12 * 100 + month % 12 + 1


def _written(year_month: int) -> str:
    return f"{year_month // 100}-{year_month % 100:02d}"
