"""What the members of a contractor cost in a year, and what members like them cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ibis import _

from openvbp.attribution.contacts import persons
from openvbp.attribution.events import read_events
from openvbp.attribution.portions import portions
from openvbp.attribution.rule import Rule
from openvbp.attribution.unit_costs import person_amounts, person_costs
from openvbp.claims.netting import net_pharmacy_claims
from openvbp.claims.tables import ClaimsData
from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.money import in_units, whole_sum
from openvbp.periods import Period
from openvbp.programs.contract.terms import FromClaims
from openvbp.risk.run import score_folder

_SCORE = Decimal("0.000001")
RiskScore = Callable[[pa.Table, pa.Array], Decimal]
"""From members' rows and which of them are the contractor's to the contractor's risk score."""


@dataclass(frozen=True)
class Experience:
    """A year of a contractor."""

    year: int
    member_months: int
    expenditures: Decimal
    risk_score: Decimal
    members: pa.Table
    """The contractor's: ``person_id``, ``months``, ``cost`` in cents."""


def experience(
    engine: Engine, claims: ClaimsData, rule: Rule, span: Period, mine: pa.Array, asked: FromClaims, risk: RiskScore
) -> Experience:
    """Count a year.

    Parameters
    ----------
    engine
        Where to compute.
    claims
        The claims.
    rule
        The contract's rule of attribution.
    span
        The year.
    mine
        ``person_id`` of the contractor's members, each once.
    asked
        Which amounts count.
    risk
        How the risk score is made.

    Raises
    ------
    InputDataError
        If no member is enrolled in the year.
    """
    everybody = _everybody(engine, claims, rule, span, asked)
    is_mine = pc.is_in(everybody["person_id"], mine)
    members = everybody.filter(is_mine)
    months = int(pc.sum(members["months"]).as_py() or 0)
    if not months:
        what_to_do = "choose a period that the claims cover"
        raise InputDataError(Problem(f"no member is enrolled in {span.label}", str(claims.folder), what_to_do))
    cents = int(pc.sum(members["cost"]).as_py())
    return Experience(
        span.end.year,
        months,
        Decimal(cents).scaleb(-2),
        risk(everybody, is_mine).quantize(_SCORE),
        members.select(["person_id", "months", "cost"]),
    )


def demographic_risk(everybody: pa.Table, is_mine: pa.Array) -> Decimal:
    """Cost that is expected of the members by age, sex, dual status and renal disease, over what all cost a month.

    Indirect standardization (:func:`openvbp.attribution.unit_costs.person_costs`): 1 is the mean of all persons of the
    claims folder.
    """
    members = everybody.filter(is_mine)
    own = Decimal(pc.sum(members["expected"]).as_py()) / Decimal(pc.sum(members["months"]).as_py())
    return own / (Decimal(pc.sum(everybody["cost"]).as_py()) / Decimal(pc.sum(everybody["months"]).as_py()))


def condition_category_risk(data: Path, out: Path, model: str, year: int, tables: str) -> RiskScore:
    """Mean raw CMS-HCC score of the members by months, over that of all persons of the claims folder.

    Dividing by everybody's mean leaves out what coding and prevalence change for all.

    Parameters
    ----------
    data
        Folder of claims; diagnoses are of the year before ``year``.
    out
        Folder for the scores, which are of single persons.
    model, year, tables
        As of :func:`openvbp.risk.run.score_folder`.
    """
    score_folder(data=data, out=out, models=[model], payment_year=year, tables=tables)
    scores = pq.read_table(out / "scores" / f"{model}.parquet", columns=["person_id", "raw_score"])

    def mean(rows: pa.Table) -> Decimal:
        joined = rows.select(["person_id", "months"]).join(scores, "person_id", join_type="inner")
        if not joined.num_rows:
            raise InputDataError(
                Problem("no member has a risk score", f"{data}, {model} {year}", "choose another model")
            )
        listed = zip(joined["months"].to_pylist(), joined["raw_score"].to_pylist(), strict=True)
        total = sum((months * score for months, score in listed), Decimal(0))
        return total / Decimal(pc.sum(joined["months"]).as_py())

    return lambda everybody, is_mine: mean(everybody.filter(is_mine)) / mean(everybody)


def _everybody(engine: Engine, claims: ClaimsData, rule: Rule, span: Period, asked: FromClaims) -> pa.Table:
    """Every enrolled person: ``person_id``, ``months``, ``is_dual``, ``cost`` and ``expected`` in cents."""
    cut = portions(claims)

    def tables(part: ClaimsData) -> tuple[ir.Table, ir.Table]:
        events = read_events(part, [rule], span)
        return persons(engine, events.person_month, span), person_amounts(events.service_line, span, asked.amounts)

    gathered = [(engine.to_arrow(who), engine.to_arrow(cost)) for who, cost in cut.each(tables)]
    who, amounts = (pa.concat_tables(parts) for parts in zip(*gathered, strict=True))
    if asked.includes_pharmacy:
        amounts = pa.concat_tables([amounts, _pharmacy(engine, claims, span, asked).cast(amounts.schema)])
        amounts = amounts.group_by("person_id").aggregate([("cost", "sum")]).rename_columns(["person_id", "cost"])
    known = person_costs(
        engine,
        engine.table(amounts, f"chain_amounts_{span.end.year}"),
        engine.table(who, f"chain_persons_{span.end.year}"),
        span,
    )
    return engine.to_arrow(known.order_by("person_id"))


def _pharmacy(engine: Engine, claims: ClaimsData, span: Period, asked: FromClaims) -> pa.Table:
    fills = net_pharmacy_claims(claims.table("pharmacy_claim")).filter(
        _.dispensing_date >= span.start, _.dispensing_date <= span.end
    )
    amount: Any = fills.paid_amount if asked.amounts == "paid" else fills.allowed_amount.fill_null(fills.paid_amount)
    return engine.to_arrow(fills.group_by("person_id").agg(cost=whole_sum(in_units(amount, 2))))
