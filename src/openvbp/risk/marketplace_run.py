"""A run of marketplace risk scores on a folder of claims, and what it prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import __version__
from openvbp.claims.netting import net_pharmacy_claims
from openvbp.claims.tables import ClaimsData, open_claims
from openvbp.engine import Engine, EngineName, cannot_write, open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.risk.diagnoses import counting_lines, diagnoses_of
from openvbp.risk.marketplace import MarketplaceScores, score_marketplace
from openvbp.risk.marketplace_tables import METALS, MarketplaceTables, read_marketplace_tables

SUMMARY = "marketplace.json"
# UNVERIFIED: days of enrolment up to which it counts as one, two ... six months, from public software.
_DAYS = (31, 62, 92, 123, 153, 184)


def score_marketplace_folder(
    *,
    data: Path,
    out: Path,
    benefit_year: int,
    tables: Path,
    engine: EngineName = "duckdb",
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, Any]:
    """Score the persons of a folder of claims.

    Parameters
    ----------
    data
        Folder of claims: ``eligibility`` with ``metal_level`` and ``csr_indicator``, ``medical_claim``, and
        ``pharmacy_claim`` where there is one.
    out
        Folder for ``scores.parquet`` (one row per person), ``trace.parquet`` (person, step, item), ``rejected.parquet``
        (persons without a score, and why) and ``marketplace.json``; earlier ones are replaced.
    benefit_year
        Diagnoses, drugs and enrolment are of this year; ages are those of the last day of enrolment in it.
    tables
        See :mod:`openvbp.risk.marketplace_tables`.
    engine, threads, progress
        Where to compute; told each line of progress.

    Returns
    -------
    The summary that is written.

    Raises
    ------
    InputDataError
        If tables or data cannot be used, or nobody can be scored.
    """
    read = read_marketplace_tables(tables)
    progress(f"tables of {tables} read")
    with open_engine(engine, threads) as opened:
        claims = open_claims(opened, data)
        everybody = opened.compute(_enrolled(claims.table("eligibility"), benefit_year, read), "marketplace_everybody")
        persons = everybody.filter(_.reason.isnull()).drop("reason")
        if not opened.to_arrow(persons.agg(rows=_.count()))["rows"][0].as_py():
            what_to_do = "give enrolment of the benefit year with birth date, gender, metal_level and csr_indicator"
            raise InputDataError(Problem("nobody can be scored", f"{data}, eligibility", what_to_do))
        codes = opened.compute(_codes(claims, benefit_year), "marketplace_codes")
        scored = score_marketplace(opened, read, persons, codes)
        rejected = everybody.filter(_.reason.notnull()).select("person_id", "reason")
        _write(opened, scored, rejected, out)
        summary = _summary(opened, scored, rejected, read) | {
            "data": str(data),
            "benefit_year": benefit_year,
            "has_pharmacy": "pharmacy_claim" in claims,
        }
    (out / SUMMARY).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return summary


def _enrolled(eligibility: ir.Table, year: int, tables: MarketplaceTables) -> ir.Table:
    """One row per person enrolled in the year, as of the last day of it; ``reason`` where it cannot be scored."""
    first, last = ibis.date(year, 1, 1), ibis.date(year, 12, 31)
    spans = eligibility.filter((_.enrollment_start_date <= last) & (_.enrollment_end_date >= first)).mutate(
        begin=ibis.greatest(_.enrollment_start_date, first), end=ibis.least(_.enrollment_end_date, last)
    )
    latest = [ibis.desc("end"), ibis.desc("begin"), "payer", "plan", "data_source"]
    rows = spans.mutate(
        days=(spans.end.delta(spans.begin, unit="day") + 1).sum().over(group_by="person_id"),
        place=ibis.row_number().over(group_by="person_id", order_by=latest),
    ).filter(_.place == 0)
    had_birthday = rows.birth_date.month() * 100 + rows.birth_date.day() <= rows.end.month() * 100 + rows.end.day()
    by_days = ibis.cases(*((rows.days <= most, month) for month, most in enumerate(_DAYS, start=1)), else_=7)
    known = rows.select(
        "person_id",
        "gender",
        "csr_indicator",
        age=rows.end.year().cast("int64") - rows.birth_date.year().cast("int64") - 1 + had_birthday.cast("int64"),
        metal_level=rows.metal_level.lower(),
        enrollment_months=ibis.least(rows.enrollment_duration_months.fill_null(by_days), 7).cast("int64"),
    )
    reason = ibis.cases(
        (known.age.isnull() | (known.age < 0), "no birth date, or born after enrolment ended"),
        (known.gender.isnull() | known.gender.notin(("female", "male")), "gender is neither female nor male"),
        (known.metal_level.isnull() | known.metal_level.notin(METALS), "metal level is not known"),
        (
            known.csr_indicator.isnull() | known.csr_indicator.notin(tuple(tables.cost_sharing)),
            "csr_indicator is not in the table of cost sharing",
        ),
        else_=ibis.null("string"),
    )
    return known.mutate(reason=reason)


def _codes(claims: ClaimsData, year: int) -> ir.Table:
    medical = claims.table("medical_claim")
    diagnoses = diagnoses_of(medical, year).select("person_id", code="diagnosis_code")
    procedures = counting_lines(medical, year).filter(_.hcpcs_code.notnull()).select("person_id", code="hcpcs_code")
    parts = {"icd-10-cm": diagnoses, "hcpcs": procedures}
    if "pharmacy_claim" in claims:
        filled = net_pharmacy_claims(claims.table("pharmacy_claim")).filter(
            (_.dispensing_date.year() == year) & (_.claim_status.isnull() | (_.claim_status == "final"))
        )
        parts["ndc"] = filled.select("person_id", code="ndc_code")
    return ibis.union(
        *(rows.mutate(code_system=ibis.literal(name)).distinct() for name, rows in parts.items()), distinct=False
    )


def _write(engine: Engine, scored: MarketplaceScores, rejected: ir.Table, out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        engine.write_parquet(scored.persons.order_by("person_id"), out / "scores.parquet")
        engine.write_parquet(scored.trace.order_by("person_id", "step", "item", "source"), out / "trace.parquet")
        engine.write_parquet(rejected.order_by("person_id"), out / "rejected.parquet")
    except OSError as error:
        raise cannot_write(out, error) from error


def _summary(
    engine: Engine, scored: MarketplaceScores, rejected: ir.Table, tables: MarketplaceTables
) -> dict[str, Any]:
    rows = scored.persons.group_by("age_group", "metal_level").agg(
        persons=_.count(), raw=_.raw_score.sum().cast("decimal(38, 3)"), score=_.score.sum().cast("decimal(38, 3)")
    )
    found = engine.to_arrow(rows.order_by("age_group", "metal_level")).to_pylist()
    reasons = engine.to_arrow(rejected.group_by("reason").agg(persons=_.count()).order_by("reason")).to_pylist()
    return {
        "openvbp": __version__,
        "tables": tables.folder,
        "files": [asdict(file) for file in tables.files],
        "is_unverified": True,
        "groups": [
            {
                "age_group": row["age_group"],
                "metal_level": row["metal_level"],
                "persons": row["persons"],
                "mean_raw": str((row["raw"] / row["persons"]).quantize(Decimal("0.001"))),
                "mean_score": str((row["score"] / row["persons"]).quantize(Decimal("0.001"))),
            }
            for row in found
        ],
        "rejected": {row["reason"]: row["persons"] for row in reasons},
    }


def render(summary: dict[str, Any]) -> str:
    """Write what a run found for a terminal."""
    lines = [
        f"Marketplace risk scores (HHS-HCC), benefit year {summary['benefit_year']}, {summary['data']}",
        f"Tables of {summary['tables']}; UNVERIFIED: never compared with HHS's scores",
        f"  {'':8} {'metal level':13} {'persons':>8} {'raw score':>10} {'with cost sharing':>18}",
    ]
    for row in summary["groups"]:
        means = f"{row['mean_raw']:>10} {row['mean_score']:>18}"
        lines.append(f"  {row['age_group']:8} {row['metal_level']:13} {row['persons']:>8,} {means}")
    lines += [f"Not scored: {persons:,} persons, {reason}" for reason, persons in summary["rejected"].items()]
    if not summary["has_pharmacy"]:
        lines.append("No pharmacy_claim: drugs count by procedure codes only.")
    return "\n".join(lines)
