"""Practices and clinicians of a contractor: whose members stand behind them, and how good their care is."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.claims.tables import ClaimsData
from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameters import Scenario
from openvbp.periods import Period
from openvbp.programs.contract.settlement import score_rows

COLUMNS = ("participant_id", "name", "practice_id", "member_months", "quality_score")
_SCORE = Decimal("0.000001")


def practices_of(engine: Engine, claims: ClaimsData, units: list[str], span: Period) -> list[str] | None:
    """List the practices (TIN) that take part in the contractor's organizations on a day of the year.

    Returns
    -------
    ``None`` where the claims folder has no table ``participant``: then every practice counts.
    """
    if "participant" not in claims:
        return None
    rows = claims.table("participant").filter(_.organization_id.isin(units), _.tin.notnull())
    inside = rows.filter(
        _.start_date.isnull() | (_.start_date <= span.end), _.end_date.isnull() | (_.end_date >= span.start)
    )
    return sorted(engine.to_arrow(inside.select("tin").distinct())["tin"].to_pylist())


def participants(
    engine: Engine, members: pa.Table, attributed: ir.Table, rules: tuple[str, str], practices: list[str] | None
) -> tuple[list[dict[str, Any]], pa.Table]:
    """Give the contractor's members to its practices and their clinicians.

    Parameters
    ----------
    engine
        Where to compute.
    members
        The contractor's members: ``person_id``, ``months``.
    attributed
        Table ``attribution`` of the year, with the rows of both rules.
    rules
        Rule of practices and rule of clinicians.
    practices
        Those that take part; all where ``None``.

    Returns
    -------
    Rows of ``participants.csv`` without quality scores, and who belongs to whom (``person_id``, ``provider_id``): a
    member counts for one practice, and for one clinician of it. A clinician of several practices stands with the one
    in which he has most member months.

    Raises
    ------
    InputDataError
        If no member belongs to a practice that takes part.
    """
    of_rule = {
        rule: attributed.filter(_.rule_id == rule, _.unit_id.notnull()).select("person_id", "unit_id") for rule in rules
    }
    mine = engine.table(members.select(["person_id", "months"]), "chain_members")
    rows = mine.inner_join(of_rule[rules[0]].rename(practice="unit_id"), "person_id")
    if practices is not None:
        rows = rows.filter(_.practice.isin(practices))
    rows = rows.left_join(of_rule[rules[1]].rename(clinician="unit_id"), "person_id").drop("person_id_right")
    listed = engine.to_arrow(rows.order_by("person_id")).to_pylist()
    if not listed:
        what_to_do = "see the table participant of the claims, and claims.practice_rule of the contract"
        raise InputDataError(Problem("no member belongs to a practice of the contractor", rules[0], what_to_do))
    home = _homes(listed)
    months: dict[str, int] = {}
    belongs: list[tuple[str, str]] = []
    for row in listed:
        counted = [row["practice"]]
        if row["clinician"] is not None and home[row["clinician"]] == row["practice"]:
            counted.append(row["clinician"])
        for provider in counted:
            months[provider] = months.get(provider, 0) + row["months"]
            belongs.append((row["person_id"], provider))
    made = [
        {
            "participant_id": provider,
            "name": "",
            "practice_id": home.get(provider, ""),
            "member_months": months[provider],
        }
        for provider in sorted(months)
    ]
    persons, providers = zip(*belongs, strict=True)
    return made, pa.table({"person_id": pa.array(persons), "provider_id": pa.array(providers)})


def _homes(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Clinician to the practice in which he has most member months; ties go to the lowest identifier."""
    counted: dict[tuple[str, str], int] = {}
    for row in rows:
        if row["clinician"] is not None:
            key = (row["clinician"], row["practice"])
            counted[key] = counted.get(key, 0) + row["months"]
    home: dict[str, str] = {}
    for (clinician, practice), _months in sorted(counted.items(), key=lambda one: (-one[1], one[0])):
        home.setdefault(clinician, practice)
    return home


def quality_scores(engine: Engine, counted: ir.Table, terms: Scenario) -> Mapping[str, Decimal]:
    """Score participants by the measures of the contract: points earned over points possible, from 0 to 1.

    Parameters
    ----------
    engine
        Where to compute.
    counted
        Provider × measure, with ``numerator``, ``denominator`` and the rates that measures are compared with.
    terms
        The terms in force.

    Returns
    -------
    Provider to score; providers of which no measure has enough cases have none.
    """
    scored = score_rows(engine, counted, [terms]).filter(_.earned_points.notnull())
    sums = scored.group_by("provider_id").agg(earned=_.earned_points.sum(), possible=_.points.sum())
    rows = engine.to_arrow(sums).to_pylist()
    return {
        row["provider_id"]: (Decimal(row["earned"]) / Decimal(row["possible"])).quantize(_SCORE)
        for row in rows
        if row["possible"]
    }
