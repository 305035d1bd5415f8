"""ACOs, beneficiaries, national and regional values, read and brought to one row per ACO and enrollment type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp import money
from openvbp.checked_rows import RowCheck, accepted, check_rows, rejected_cells
from openvbp.declared_tables import DeclaredTable, TextRows, read_rows
from openvbp.engine import Engine, open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameters import Scenario
from openvbp.program import InputFile, ProgramInputs
from openvbp.programs.mssp_benchmark import regions
from openvbp.programs.mssp_benchmark.input_files import ACOS, BENEFICIARIES, COUNTIES, NATIONAL, REGION, ROLES

FIRST_AGREEMENT = date(2019, 7, 1)
"""Agreements before had other rules."""

_CHECKS = {
    BENEFICIARIES: [RowCheck("months", lambda rows: rows.months > 12, "above 12")],
    REGION: [RowCheck("market_share", lambda rows: rows.market_share > 1, "above 1: give a share")],
    NATIONAL: [
        RowCheck("completion_factor", lambda rows: rows.completion_factor < 1, "below 1: it completes what was paid")
    ],
}


@dataclass(frozen=True)
class BenchmarkInputs:
    """What the stages need; no beneficiary is in here."""

    types: pa.Table
    """ACO × enrollment type, with the values of each year."""
    sources: Mapping[str, str]
    """Quantity to the file it comes from."""
    rejected: pa.Table


def read(folder: Path, declared: Scenario) -> ProgramInputs:
    """Read the tables of one performance year.

    Regional values are given (``regional_values.csv``) or made from the ACO's counties (``aco_counties.csv``) and the
    published county files ``county_ffs_by1.csv`` to ``county_ffs_py.csv``; market shares stand in the former.

    Raises
    ------
    InputDataError
        If a file is missing or broken, or an ACO lacks a year, a national or a regional value of a type that it has.
    """
    tables = [ACOS, BENEFICIARIES, NATIONAL, REGION]
    tables += [COUNTIES] if (folder / COUNTIES.file_name).is_file() else []
    with open_engine() as engine:
        texts = {table: read_rows(folder, table) for table in tables}
        checks = {**_CHECKS, ACOS: _agreement_checks(declared)}
        rows = {table: check_rows(engine, text, checks.get(table, ())) for table, text in texts.items()}
        kept = {table: engine.to_arrow(accepted(rows[table]).order_by(table.key)) for table in tables}
        rejected = pa.concat_tables(engine.to_arrow(rejected_cells(rows[table], table)) for table in tables)
        region, county_files = _regional(kept, folder)
        types = _types(engine, kept, region, folder)
    files = [_input_file(table, texts[table], kept[table]) for table in tables]
    files += [InputFile(one.name, one.sha256, "regions", one.rows, one.rows, 0) for one in county_files]
    sources = {
        **{
            f"{name}_{role}": BENEFICIARIES.file_name
            for name in ("per_capita", "months", "risk_score")
            for role in ROLES
        },
        **{f"national_per_capita_{role}": NATIONAL.file_name for role in ROLES},
        **{
            f"{name}_{role}": COUNTIES.file_name if county_files else REGION.file_name
            for name in ("regional_per_capita", "regional_risk_score")
            for role in ROLES
        },
        "market_share": REGION.file_name,
        "prospective_trend_amount": NATIONAL.file_name,
        "prior_savings_per_capita": ACOS.file_name,
    }
    return ProgramInputs(files, declared, BenchmarkInputs(types, sources, rejected))


def _agreement_checks(declared: Scenario) -> list[RowCheck]:
    first, last = ibis.literal(FIRST_AGREEMENT), ibis.literal(declared.period.end)
    return [
        RowCheck("agreement_start", lambda rows: rows.agreement_start < first, f"before {FIRST_AGREEMENT}"),
        RowCheck("agreement_start", lambda rows: rows.agreement_start > last, "after the performance year"),
    ]


def _input_file(table: DeclaredTable, text: TextRows, kept: pa.Table) -> InputFile:
    in_rows = text.rows.num_rows
    used_for = table.file_name.removesuffix(".csv")
    return InputFile(table.file_name, text.sha256, used_for, in_rows, kept.num_rows, in_rows - kept.num_rows)


def _regional(
    kept: Mapping[DeclaredTable, pa.Table], folder: Path
) -> tuple[list[dict[str, Any]], list[regions.CountyFile]]:
    """Regional values as given; where counties are given, expenditures and risk scores are theirs."""
    given = kept[REGION].to_pylist()
    if COUNTIES not in kept:
        return given, []
    paths = {role: folder / f"county_ffs_{role}.csv" for role in ROLES}
    files = {role: regions.read_counties(path) for role, path in paths.items() if path.is_file()}
    if not files:
        what, advice = "no county file is given", "add county_ffs_by1.csv to county_ffs_py.csv, as CMS publishes them"
        raise InputDataError(Problem(what, str(folder), advice))
    made = regions.regional_rows(kept[COUNTIES].to_pylist(), files, str(folder / COUNTIES.file_name))
    by_key = {(row["provider_id"], row["enrollment_type"], row["year"]): row for row in given}
    for row in made:
        key = (row["provider_id"], row["enrollment_type"], row["year"])
        row["market_share"] = by_key.get(key, {}).get("market_share")
        by_key[key] = row
    return list(by_key.values()), list(files.values())


def _types(
    engine: Engine, kept: Mapping[DeclaredTable, pa.Table], region: Sequence[Mapping[str, Any]], folder: Path
) -> pa.Table:
    """One row per ACO and enrollment type, the values of each year in columns of their own."""
    spent = _per_capita(engine, kept)
    national = kept[NATIONAL].to_pylist()
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in spent:
        place = rows.setdefault((row["provider_id"], row["enrollment_type"]), {})
        place |= {f"{name}_{row['year']}": row[name] for name in ("per_capita", "months", "risk_score")}
    for (_provider, of), place in rows.items():
        for row in national:
            if row["enrollment_type"] == of:
                place[f"national_per_capita_{row['year']}"] = row["national_per_capita"]
                if row["year"] == "py":
                    place["prospective_trend_amount"] = row["prospective_trend_amount"]
    for row in region:
        place = rows.get((row["provider_id"], row["enrollment_type"]))
        if place is not None:
            place |= {f"{name}_{row['year']}": row[name] for name in ("regional_per_capita", "regional_risk_score")}
            if row["year"] == "by3" and row["market_share"] is not None:
                place["market_share"] = row["market_share"]
    _demand_whole(rows, folder)
    return pa.Table.from_pylist(
        [{"provider_id": provider, "domain_id": of, **place} for (provider, of), place in sorted(rows.items())],
        schema=_SCHEMA,
    ).join(kept[ACOS], "provider_id", join_type="inner")


_DOLLARS, _RISK = pa.decimal128(18, 12), pa.decimal128(18, 6)
_SCHEMA = pa.schema(
    [("provider_id", pa.string()), ("domain_id", pa.string())]
    + [(f"per_capita_{role}", _DOLLARS) for role in ROLES]
    + [(f"months_{role}", pa.int64()) for role in ROLES]
    + [(f"risk_score_{role}", _RISK) for role in ROLES]
    + [
        (f"{name}_{role}", pa.decimal128(18, 2))
        for name in ("national_per_capita", "regional_per_capita")
        for role in ROLES
    ]
    + [(f"regional_risk_score_{role}", _RISK) for role in ROLES]
    + [("market_share", _RISK), ("prospective_trend_amount", pa.decimal128(18, 2))]
)
_NEEDED = ("per_capita", "national_per_capita", "regional_per_capita")


def _demand_whole(rows: Mapping[tuple[str, str], Mapping[str, Any]], folder: Path) -> None:
    """Every type that an ACO has must have its values of all four years."""
    problems = []
    for name, file in zip(_NEEDED, (BENEFICIARIES, NATIONAL, REGION), strict=True):
        lacking = [
            f"{provider} {of} {role}"
            for (provider, of), place in sorted(rows.items())
            for role in ROLES
            if place.get(f"{name}_{role}") is None
        ]
        if lacking:
            what = f"{name.replace('_', ' ')} is missing"
            advice = "give every year of every enrollment type that the ACO has"
            problems.append(Problem(what, str(folder / file.file_name), advice, len(lacking), tuple(lacking[:3])))
    without = [f"{provider} {of}" for (provider, of), place in sorted(rows.items()) if "market_share" not in place]
    if without:
        what = "the ACO's share of its region is missing in benchmark year 3"
        problems.append(
            Problem(what, str(folder / REGION.file_name), "fill market_share", len(without), tuple(without[:3]))
        )
    if problems:
        raise InputDataError(problems)


def _per_capita(engine: Engine, kept: Mapping[DeclaredTable, pa.Table]) -> list[dict[str, Any]]:
    """Truncated, completed expenditures per person year: ACO × type × year; beneficiaries end here.

    42 CFR 425.601(a)(1), (a)(4): a beneficiary's expenditures, annualized by months of the type, count up to the
    national 99th percentile of the type, weighted by the months.
    """
    beneficiaries = engine.table(kept[BENEFICIARIES], "benchmark_beneficiary")
    national = engine.table(kept[NATIONAL], "benchmark_national").select(
        "enrollment_type", "year", "truncation_threshold", "completion_factor"
    )
    rows = beneficiaries.inner_join(national, ["enrollment_type", "year"])
    most = money.from_units(
        money.round_half_up_quotient(money.in_units(rows.truncation_threshold, 2) * rows.months, ibis.literal(12)), 2
    )
    counted = ibis.ifelse(rows.expenditures > most, most, rows.expenditures)
    rows = rows.mutate(counted=counted, risk_months=_weighted_risk(rows))
    sums = rows.group_by("provider_id", "enrollment_type", "year").agg(
        months=money.whole_sum(_.months),
        dollars=_.counted.cast("decimal(38, 2)").sum().cast("decimal(18, 2)"),
        risk_months=money.whole_sum(_.risk_months),
        completion_factor=_.completion_factor.max(),
    )
    # 23 and 14 digits: both engines keep the product of 37 whole.
    completed = money.exact(
        sums.dollars.cast("decimal(23, 12)") * sums.completion_factor.cast("decimal(14, 12)"), 18, 2
    )
    sums = engine.compute(sums.mutate(completed=completed), "benchmark_sums")
    cents = money.in_units(sums.completed.abs(), 2) * 12
    per_capita = money.divide_half_up(cents, sums.months * 100)
    risk = money.divide_half_up(sums.risk_months, sums.months * 10**6, 6)
    found = sums.mutate(per_capita=ibis.ifelse(sums.completed < 0, -per_capita, per_capita), risk_score=risk).select(
        "provider_id", "enrollment_type", "year", "months", "per_capita", "risk_score"
    )
    return engine.to_arrow(found.order_by("provider_id", "enrollment_type", "year")).to_pylist()


def _weighted_risk(rows: ir.Table) -> ir.IntegerValue:
    return money.in_units(rows.risk_score, 6) * rows.months
