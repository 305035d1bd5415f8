"""Admissions of the patients of practices or clinicians through time, from claims: cells for evaluations.

Whose patient a person is, is fixed before the program begins, and what is expected of persons is frozen there too: so
neither a change of attribution nor of coding enters the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from ibis import _

from openvbp.attribution.evaluator import attribute
from openvbp.attribution.events import read_events
from openvbp.attribution.portions import portions
from openvbp.attribution.rule import Rule
from openvbp.attribution.rule_files import find_rule
from openvbp.claims.person_months import person_months
from openvbp.claims.stays import stays
from openvbp.claims.tables import ClaimsData, open_claims
from openvbp.csv_files import write_csv
from openvbp.declared_tables import DeclaredColumn, DeclaredTable, read_rows
from openvbp.engine import Engine, EngineName, open_engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.money import whole_sum
from openvbp.periods import Period, parse_any_period

COLUMNS = ("provider_id", "group", "first_period", "start_date", "end_date", "admissions", "member_months", "expected")
TRUE_CHANGE = "true_change"
"""Of a generated population: relative change of admissions that its program truly brought to the cell's patients."""
_AGE_BANDS = (65, 75, 85)
_CELL = ("age_band", "gender", "is_dual", "is_end_stage_renal_disease")
_PLACES = Decimal("0.000001")
_MILLION = 10**6
_STARTS = DeclaredTable(
    "starts.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("group", "text", may_be_empty=True),
        DeclaredColumn("start_date", "date", may_be_empty=True),
    ),
    key=("provider_id",),
)


def write_unit_panel(
    *,
    data: Path,
    to: Path,
    period: str,
    rule: str = "plurality_primary_care_tin",
    assigned_in: str,
    months: int = 3,
    starts: Path | None = None,
    engine: EngineName = "duckdb",
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, int]:
    """Count admissions and member months of each unit's patients by window.

    Parameters
    ----------
    data
        Folder of claims in the native layout.
    to
        CSV file: one row per unit × window, with :data:`COLUMNS`; ``expected`` admissions are those of persons of the
        same age band, sex, dual status and renal disease in the months of ``assigned_in``, all units together.
    period
        Months that are counted, for example ``2022-01..2024-12``.
    rule
        Rule of attribution that gives each person to one unit.
    assigned_in
        Period before the program in which persons are given to units, for example ``CY2022``.
    months
        Length of a window.
    starts
        Folder with ``starts.csv`` (``provider_id``, ``group``, ``start_date``): when units began, empty where never.
        For a generated population its folder of claims may be given: its truth says it, and a column
        :data:`TRUE_CHANGE` says what the program truly did, by where the persons assigned to a unit are each month.
    engine, threads, progress
        As of :func:`openvbp.attribution.run.attribute_folder`.

    Returns
    -------
    Counts: ``units``, ``windows``, ``rows``, ``persons``.

    Raises
    ------
    UsageError
        If the period is not a whole number of windows.
    InputDataError
        If nobody is assigned, or a file is missing or wrong.
    MachineError
        If the file cannot be written.
    """
    span, before, chosen = parse_any_period(period), parse_any_period(assigned_in), find_rule(rule)
    windows = list(_windows(span, months))
    began = {} if starts is None else _starts(starts)
    with open_engine(engine, threads) as opened:
        truth = None if starts is None else _truth(opened, starts)
        counted, persons = _counted(opened, open_claims(opened, data), chosen, span, before, truth)
    progress(f"{persons:,} persons given to units in {before.label}")
    if not persons:
        what_to_do = "choose another period or rule"
        raise InputDataError(Problem(f"rule {rule} gives nobody to a unit in {before.label}", str(data), what_to_do))
    rows = _rows(counted, windows, before, began)
    write_csv(rows, COLUMNS if truth is None else (*COLUMNS, TRUE_CHANGE), to)
    units = {row["provider_id"] for row in rows}
    return {"units": len(units), "windows": len(windows), "rows": len(rows), "persons": persons}


def _windows(span: Period, months: int) -> Iterator[Period]:
    first = span.start.year * 12 + span.start.month - 1
    last = span.end.year * 12 + span.end.month - 1
    if months < 1 or (last - first + 1) % months:
        what = f"{span.label} has {last - first + 1} months, which are no whole number of windows of {months}"
        raise UsageError(Problem(what, "--period, --months", "choose other months"))
    for start in range(first, last + 1, months):
        end = start + months
        days = date(start // 12, start % 12 + 1, 1), date.fromordinal(date(end // 12, end % 12 + 1, 1).toordinal() - 1)
        yield Period(f"{days[0]:%Y-%m}..{days[1]:%Y-%m}", *days)


def _starts(folder: Path) -> dict[str, tuple[str, date | None]]:
    """Unit to its group and its first day."""
    truth = folder / "truth" / "truth_program_effect"
    if truth.is_dir():
        rows = pq.read_table(truth, columns=["tin", "is_eligible", "start_date"]).to_pylist()
        return {
            row["tin"]: (
                "participant" if row["start_date"] else "eligible" if row["is_eligible"] else "small",
                row["start_date"],
            )
            for row in rows
        }
    found = {}
    for row in read_rows(folder, _STARTS).rows.to_pylist():
        try:
            day = date.fromisoformat(row["start_date"]) if row["start_date"] else None
        except ValueError:
            where = f"{folder / _STARTS.file_name}, row {row['row_number']}"
            raise InputDataError(Problem("start_date is no day", where, "write days as 2024-12-31")) from None
        found[row["provider_id"]] = (row["group"], day)
    return found


def _truth(engine: Engine, folder: Path) -> ir.Table | None:
    """Person × month of a generated population: millionths by which the program changes his admissions there."""
    truth = folder / "truth"
    if not (truth / "truth_program_effect").is_dir():
        return None
    members, places, effects = (
        engine.read_parquet(truth / f"truth_{name}" / "*.parquet", f"truth_{name}")
        for name in ("member", "attribution", "program_effect")
    )
    effects = effects.select(
        "tin",
        "year_month",
        "is_spill_over",
        year=(_.year_month // 100).cast("int64"),
        millionths=(_.change * _MILLION).round().cast("int64"),
    )
    persons = members.select("person_id", "year", "region").left_join(
        places.select("person_id", "year", "tin"), ["person_id", "year"]
    )
    persons = persons.drop("person_id_right", "year_right")
    with_practice = persons.filter(_.tin.notnull()).inner_join(effects, ["tin", "year"])
    # What spills over in a region reaches also those who have no practice.
    spilled = with_practice.group_by("region", "year_month", "year").agg(
        spilled=ibis.ifelse(_.is_spill_over, _.millionths, 0).min()
    )
    without = persons.filter(_.tin.isnull()).inner_join(spilled, ["region", "year"])
    columns = ("person_id", "year_month", "millionths")
    return ibis.union(with_practice.select(*columns), without.rename(millionths="spilled").select(*columns))


def _counted(
    engine: Engine, claims: ClaimsData, rule: Rule, span: Period, before: Period, truth: ir.Table | None
) -> tuple[pa.Table, int]:
    """Unit × month × kind of person: member months and admissions; and how many persons were assigned."""

    def tables(part: ClaimsData) -> tuple[ir.Table, ir.Table]:
        events = read_events(part, [rule], before)
        assigned = attribute(engine, events, [rule], before).tables[rule.rule]
        mine = assigned.filter(_.unit_id.notnull()).select("person_id", "unit_id")
        enrolled = person_months(part.table("eligibility"), span).filter(_.is_alive)
        enrolled = enrolled.select(
            "person_id",
            "year_month",
            "gender",
            "is_dual",
            "is_end_stage_renal_disease",
            age_band=ibis.cases(*((_.age_years < last, last) for last in _AGE_BANDS), else_=_AGE_BANDS[-1] + 1),
        ).distinct(on=("person_id", "year_month"))
        stay = stays(events.service_line)
        admissions = stay.group_by(
            "person_id", year_month=(_.admission_date.year() * 100 + _.admission_date.month()).cast("int64")
        ).agg(admissions=_.count())
        months = enrolled.inner_join(mine, "person_id").left_join(admissions, ["person_id", "year_month"])
        months = months.drop("person_id_right", "year_month_right")
        sums = {"member_months": _.count(), "admissions": whole_sum(_.admissions.fill_null(0))}
        if truth is not None:
            months = months.left_join(truth, ["person_id", "year_month"]).drop("person_id_right", "year_month_right")
            sums |= {"changed": whole_sum(_.millionths.fill_null(0)), "known_months": _.millionths.count()}
        counted = months.group_by("unit_id", "year_month", *_CELL).agg(**sums)
        return counted, mine.aggregate(persons=_.person_id.nunique(), rows=_.count())

    parts, persons = [], 0
    for counted, people in _portions(claims, engine, tables):
        parts.append(counted)
        found = people.to_pylist()[0]
        if found["rows"] > found["persons"]:
            what = f"rule {rule.rule} gives a person to several units"
            raise InputDataError(Problem(what, str(claims.folder), "choose a rule that gives each to one"))
        persons += found["persons"]
    return pa.concat_tables(parts), persons


def _portions(
    claims: ClaimsData, engine: Engine, build: Callable[[ClaimsData], Sequence[ir.Table]]
) -> Iterator[list[pa.Table]]:
    """Compute tables portion by portion of persons."""
    for made in portions(claims).each(build):
        yield [engine.to_arrow(one) for one in made]


def _rows(
    counted: pa.Table, windows: Sequence[Period], before: Period, began: Mapping[str, tuple[str, date | None]]
) -> list[dict[str, Any]]:
    """Add months up to windows, and say what is expected by the rates of persons of a kind before the program."""
    listed = counted.to_pylist()
    first, last = (day.year * 100 + day.month for day in (before.start, before.end))
    of_kind: dict[tuple[Any, ...], list[int]] = {}
    for row in listed:
        if first <= row["year_month"] <= last:
            sums = of_kind.setdefault(tuple(row[name] for name in _CELL), [0, 0])
            sums[0] += row["admissions"]
            sums[1] += row["member_months"]
    everywhere = [sum(one[place] for one in of_kind.values()) for place in (0, 1)]
    window_of = {
        year * 100 + month: place
        for place, one in enumerate(windows)
        for year in range(one.start.year, one.end.year + 1)
        for month in range(1, 13)
        if one.start <= date(year, month, 1) <= one.end
    }
    cells: dict[tuple[str, int], list[Any]] = {}
    for row in listed:
        place = window_of.get(row["year_month"])
        if place is None:
            continue
        # A kind of person that was not there before is expected to be admitted as everybody is.
        admitted, months = of_kind.get(tuple(row[name] for name in _CELL), everywhere)
        sums = cells.setdefault((row["unit_id"], place), [0, 0, Decimal(0), 0, 0])
        sums[0] += row["admissions"]
        sums[1] += row["member_months"]
        sums[2] += Decimal(admitted) / Decimal(months) * row["member_months"]
        sums[3] += row.get("changed", 0)
        sums[4] += row.get("known_months", 0)
    rows = []
    for (unit, place), (admissions, months, expected, changed, known) in sorted(cells.items()):
        group, day = began.get(unit, ("", None))
        rows.append(
            {
                "provider_id": unit,
                "group": group,
                "first_period": _first(windows, day),
                "start_date": windows[place].start,
                "end_date": windows[place].end,
                "admissions": admissions,
                "member_months": months,
                "expected": expected.quantize(_PLACES, ROUND_HALF_UP),
            }
            | ({TRUE_CHANGE: (Decimal(changed) / known / _MILLION).quantize(_PLACES, ROUND_HALF_UP)} if known else {})
        )
    return rows


def _first(windows: Sequence[Period], day: date | None) -> str:
    """Name the first window that is treated from its first day."""
    return "" if day is None else next((one.label for one in windows if one.start >= day), "")
