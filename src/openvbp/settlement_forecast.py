"""Forecast of a contract's settlement within the year, and break-even of a settled one, from files and runs."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from ibis import _

from openvbp.checked_rows import accepted, check_rows
from openvbp.declared_tables import DeclaredColumn, DeclaredTable, read_rows
from openvbp.engine import open_engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.forecasting.break_even import BreakEven, break_even
from openvbp.forecasting.chain_ladder import chain_ladder
from openvbp.forecasting.projection import Projection, project
from openvbp.parameters import ACTUAL
from openvbp.pipeline import run
from openvbp.programs import program as find_program
from openvbp.run_folder import RunFolder

CLAIMS = DeclaredTable(
    "monthly_claims.csv",
    (
        DeclaredColumn("population", "text"),
        DeclaredColumn("incurred_month", "date"),
        DeclaredColumn("paid_month", "date"),
        DeclaredColumn("paid_amount", "amount"),
    ),
    key=("population", "incurred_month", "paid_month"),
)
MEMBERS = DeclaredTable(
    "monthly_members.csv",
    (
        DeclaredColumn("population", "text"),
        DeclaredColumn("month", "date"),
        DeclaredColumn("member_months", "count", lowest=0),
    ),
    key=("population", "month"),
)
_MONTHS_OF_YEAR = 12


@dataclass(frozen=True)
class Forecast:
    """Projected expenditures by population, and the settlement that they make."""

    title: str
    paid_through: date
    projections: Mapping[str, Projection]
    settlement: Mapping[str, Decimal | None]
    """Net settlement if expenditures end ``high``, ``expected`` or ``low``."""


def forecast(
    contract: str, *, period: str, data: Path, out: Path, annual_trend: Decimal, probability: float
) -> Forecast:
    """Forecast the settlement of a contract whose year is not over.

    Parameters
    ----------
    contract
        Path of the contract file.
    period
        The performance period; empty for the only one.
    data
        Folder with the contract's tables, in whose performance year only the member months (of the whole year) count,
        and ``monthly_claims.csv`` and ``monthly_members.csv``: the year's months and those of earlier ones, members
        up to the end of the year.
    out
        Folder for the runs.
    annual_trend, probability
        See :func:`openvbp.forecasting.projection.project`.

    Raises
    ------
    UsageError, InputDataError
        If the files cannot be used, or the triangle is too short or has gaps.
    """
    year_end = find_program(contract).parameters.period(period).end
    claims, members = _read(data)
    paid_through = max(row["paid_month"] for row in claims)
    projections = {
        population: _project(population, claims, members, paid_through, year_end, annual_trend, probability)
        for population in sorted({row["population"] for row in claims})
    }
    settlements, title = {}, ""
    for name in ("high", "expected", "low"):
        folder = out / name
        shutil.copytree(data, folder, ignore=shutil.ignore_patterns("monthly_*"))
        amounts = {population: getattr(one, name) for population, one in projections.items()}
        _replace_expenditures(folder / "experience.csv", year_end.year, amounts)
        finished = run(contract, period=period, data=folder, out=out / f"RUN_{name}")
        net = finished.read("payment_result", component_id="net", scenario_id=ACTUAL).to_pylist()
        settlements[name], title = net[0]["amount"], finished.title
    return Forecast(title, paid_through, projections, settlements)


def break_even_of(finished: RunFolder, provider_id: str, fixed_cost: Decimal) -> BreakEven:
    """Find the savings rate at which a provider's participation pays.

    Raises
    ------
    UsageError
        If the program settles no account, or the run has no such provider.
    """
    settlement = find_program(finished.record["program"]).settlement
    if settlement is None:
        raise UsageError(
            Problem(
                f"{finished.record['program']} does not settle an account of each provider",
                str(finished.path),
                "give a run of mssp, aco_reach or a contract",
            )
        )
    with open_engine() as engine:
        rows = engine.read_parquet(finished.path / f"{settlement.table}.parquet", "settled")
        settled = engine.compute(rows.filter(_.scenario_id == ACTUAL), "settled_actual")
        providers = engine.to_arrow(settled.select("provider_id").distinct().order_by("provider_id"))["provider_id"]
        if provider_id not in providers.to_pylist():
            raise UsageError(
                Problem(
                    f"the run settles no provider '{provider_id}'",
                    str(finished.path),
                    "choose one of its providers",
                    examples=tuple(providers.to_pylist()[:3]),
                )
            )
        day = date.fromisoformat(finished.record["period_start"])
        return break_even(engine, settlement, settled, day, provider_id, fixed_cost)


def _read(folder: Path) -> tuple[list[dict], list[dict]]:
    with open_engine() as engine:
        tables = []
        for declared in (CLAIMS, MEMBERS):
            text = read_rows(folder, declared)
            rows = check_rows(engine, text)
            kept = engine.to_arrow(accepted(rows)).to_pylist()
            if len(kept) != text.rows.num_rows:
                bad = engine.to_arrow(rows.filter(_.problem.notnull()).order_by("row_number")).to_pylist()
                examples = tuple(
                    f"row {row['row_number']}: {row['problem_column']} {row['problem']}" for row in bad[:3]
                )
                what = "rows cannot be used, and a projection without them would be wrong"
                raise InputDataError(Problem(what, str(text.path), "correct them", len(bad), examples))
            tables.append(kept)
    return tables[0], tables[1]


def _project(
    population: str,
    claims: Sequence[dict],
    members: Sequence[dict],
    paid_through: date,
    year_end: date,
    annual_trend: Decimal,
    probability: float,
) -> Projection:
    own = [row for row in claims if row["population"] == population]
    where = f"{CLAIMS.file_name}, population {population}"
    paid: dict[tuple[int, int], Fraction] = {}
    for row in own:
        key = (_number(row["incurred_month"]), _number(row["paid_month"]))
        if key[1] < key[0]:
            raise InputDataError(Problem("claims are paid before the month of care", where, "correct the months"))
        paid[key] = paid.get(key, Fraction(0)) + Fraction(row["paid_amount"])
    first, last = min(one for one, _paid in paid), _number(paid_through)
    unpaid = sorted(set(range(first, last + 1)) - {payment for _month, payment in paid})
    if unpaid:
        raise InputDataError(
            Problem(
                "months are missing in which nothing is said to have been paid",
                where,
                "give all payments of every month up to the last; a population without payments has 0.00",
                len(unpaid),
                tuple(f"{month // 12}-{month % 12 + 1:02}" for month in unpaid[:3]),
            )
        )
    increments = [
        [paid.get((month, payment), Fraction(0)) for payment in range(month, last + 1)]
        for month in range(first, last + 1)
    ]
    completion = chain_ladder(increments, where)
    counts = {_number(row["month"]): row["member_months"] for row in members if row["population"] == population}
    year = range(_number(year_end) - _MONTHS_OF_YEAR + 1, _number(year_end) + 1)
    lacking = [f"{month // 12}-{month % 12 + 1:02}" for month in year if month not in counts]
    if lacking:
        what = f"members of {population} are missing"
        advice = "give the members of every month of the year, expected ones for the months to come"
        raise InputDataError(Problem(what, MEMBERS.file_name, advice, len(lacking), tuple(lacking[:3])))
    been = [month for month in year if first <= month <= last]
    return project(
        completion,
        [month - first for month in been],
        [counts[month] for month in been],
        remaining_members=[counts[month] for month in year if month > last],
        annual_trend=annual_trend,
        probability=probability,
        where=where,
    )


def _number(day: date) -> int:
    """Count months, so that the next one is one more."""
    return day.year * 12 + day.month - 1


def _replace_expenditures(path: Path, year: int, amounts: Mapping[str, Decimal]) -> None:
    with path.open(newline="", encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    for row in rows:
        if row["year"].strip() == str(year) and row["population"].strip() in amounts:
            row["expenditures"] = str(amounts[row["population"].strip()])
            # What is projected is complete.
            row.update({"completion_factor": "1"} if "completion_factor" in row else {})
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
