"""The tables that a contract is settled from, written as its files: experience, members, quality, participants."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from openvbp.attribution.rule_files import find_rule
from openvbp.claims.tables import ClaimsData
from openvbp.claims_chain import experience as experiences
from openvbp.claims_chain import participants as participating
from openvbp.claims_chain import quality
from openvbp.claims_chain.contract_counting import Counting, year_of
from openvbp.csv_files import write_csv
from openvbp.engine import Engine
from openvbp.measures.run import EVIDENCE, STATUS_TABLE
from openvbp.periods import Period
from openvbp.programs.contract import input_files as files

_RATE = Decimal("0.000001")


def write_experience(counting: Counting, counted: Sequence[experiences.Experience]) -> None:
    """Write a row per year: member months, expenditures in US dollars, risk score."""
    rows = [
        {
            "population": counting.population,
            "year": one.year,
            "member_months": one.member_months,
            "expenditures": one.expenditures,
            "risk_score": one.risk_score,
        }
        for one in counted
    ]
    write_csv(rows, list(rows[0]), counting.out / files.EXPERIENCE_FILE)


def write_members(counting: Counting, counted: Sequence[experiences.Experience]) -> None:
    """Write every member with a cost: whose is high depends on the attachment point, which a what-if may change."""
    rows = [
        {
            "member_id": row["person_id"],
            "population": counting.population,
            "year": one.year,
            "expenditures": Decimal(row["cost"]).scaleb(-2),
        }
        for one in counted
        for row in one.members.to_pylist()
        if row["cost"] > 0
    ]
    write_csv(rows, list(rows[0]), counting.out / files.MEMBERS_FILE)


def _statuses(engine: Engine, counting: Counting) -> ir.Table:
    return engine.read_parquet(counting.out / "measures" / EVIDENCE / STATUS_TABLE, "chain_statuses")


def write_quality(
    engine: Engine, counting: Counting, spans: Sequence[Period], mine: dict[int, pa.Array]
) -> dict[str, Decimal]:
    """Write the contractor's counts; give its rates of the year before, by measure.

    Parameters
    ----------
    engine
        Where to compute.
    counting
        The contract; its measures have been evaluated.
    spans
        Years, the last one being that of performance.
    mine
        Members by year.
    """
    agreed = counting.file.terms.quality
    names = list(agreed.measures) if agreed else []

    def counted(span: Period) -> list[dict[str, Any]]:
        persons = mine[span.end.year]
        rows = pa.table(
            {"person_id": persons, "provider_id": [counting.file.terms.parties.contractor_id] * len(persons)}
        )
        found = quality.counts(engine, _statuses(engine, counting), quality.Members(span.label, rows), names)
        return engine.to_arrow(found.order_by("measure_id")).to_pylist()

    prior = {}
    if counting.needs_prior_rates:
        prior = {
            row["measure_id"]: row["rate"].quantize(_RATE) for row in counted(spans[-2]) if row["rate"] is not None
        }
    rows = [
        {
            "measure_id": row["measure_id"],
            "year": spans[-1].end.year,
            "numerator": row["numerator"],
            "denominator": row["denominator"],
            "prior_rate": prior.get(row["measure_id"]),
        }
        for row in counted(spans[-1])
    ]
    write_csv(rows, list(rows[0]), counting.out / files.QUALITY_FILE)
    return prior


def write_participants(
    engine: Engine,
    claims: ClaimsData,
    counting: Counting,
    year: experiences.Experience,
    attributed: ir.Table,
    prior: dict[str, Decimal] | None,
) -> list[dict[str, Any]]:
    """Write practices and clinicians, with their months, cost and quality score; give the rows.

    Parameters
    ----------
    engine, claims
        Where to compute, and the folder.
    counting
        The contract.
    year
        Its experience in the performance year.
    attributed
        Attribution of that year, by all rules of the contract.
    prior
        Rates of the year before, by measure; none without quality.
    """
    asked, span = counting.asked, year_of(counting.terms.period, year.year)
    rules = (find_rule(asked.practice_rule).rule, find_rule(asked.clinician_rule).rule)
    practices = participating.practices_of(engine, claims, counting.units, span)
    rows, belongs = participating.participants(engine, year.members, attributed, rules, practices)
    if prior is not None and counting.file.terms.quality:
        names = list(counting.file.terms.quality.measures)
        contractor = counting.file.terms.parties.contractor_id
        persons = year.members["person_id"].combine_chunks()
        whole = pa.table({"person_id": persons, "provider_id": [contractor] * len(persons)})
        groups = quality.Members(span.label, pa.concat_tables([belongs, whole]))
        counted = quality.counts(engine, _statuses(engine, counting), groups, names)
        bars = pa.table(
            {
                "measure_id": names,
                "prior_rate": pa.array([prior.get(name) for name in names], pa.decimal128(18, 6)),
                "state_rate": pa.nulls(len(names), pa.decimal128(18, 6)),
                "national_rate": pa.nulls(len(names), pa.decimal128(18, 6)),
            }
        )
        compared = counted.drop("rate").inner_join(engine.table(bars, "chain_prior_rates"), "measure_id")
        scores = participating.quality_scores(engine, compared, counting.terms)
        unmeasured = [row["participant_id"] for row in rows if row["participant_id"] not in scores]
        if unmeasured:
            counting.progress(f"{len(unmeasured):,} participants have too few cases: they get the contractor's score")
        for row in rows:
            row["quality_score"] = scores.get(row["participant_id"], scores.get(contractor))
    write_csv(rows, [name for name in participating.COLUMNS if name in rows[0]], counting.out / files.PARTICIPANTS_FILE)
    return rows
