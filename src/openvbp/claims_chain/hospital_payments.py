"""What hospitals were paid for stays, and how many stays were of patients who are also in Medicaid, from claims."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.claims.facilities import facility_type
from openvbp.claims.tables import ClaimsData
from openvbp.claims_chain.acute_stays import acute_stays, inpatient_lines
from openvbp.claims_chain.hospital_cases import PROSPECTIVE_PAYMENT
from openvbp.engine import Engine
from openvbp.periods import Period

FULL_BENEFIT = ("02", "04", "08")
"""Dual status of persons with all benefits of Medicaid."""
_DAYS_OF_YEAR = Decimal("365.25")
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class HospitalPayments:
    """Of a hospital of the prospective payment system, over the stays that ended in a period."""

    facility_id: str
    stays: int
    dual_eligible_stays: int | None
    """Missing where eligibility does not tell dual status."""
    amount: Decimal | None
    """Allowed for all stays, in US dollars; missing where one has no amount."""
    yearly_amount: Decimal | None
    """The same for a year of the period."""
    by_measure: dict[str, Decimal]
    """Measure to what was allowed for its cases; without measures of which a case has no amount."""


def hospital_payments(engine: Engine, claims: ClaimsData, cases: pa.Table, period: Period) -> list[HospitalPayments]:
    """Add up what hospitals were paid.

    Amounts are allowed amounts of the stays' claims. They are not base operating DRG payments, which claims in the
    native layout do not tell apart: payments for teaching, for poor patients, for capital and for outliers are in them.

    Parameters
    ----------
    engine
        Where to compute.
    claims
        The folder, opened.
    cases
        Rows of :func:`openvbp.claims_chain.hospital_cases.hospital_cases`, of the period.
    period
        Days of discharge.

    Returns
    -------
    Every hospital with a stay, by its certification number.
    """
    stays = acute_stays(claims, inpatient_lines(claims))
    ended = stays.filter(
        _.discharge_date >= period.start,
        _.discharge_date <= period.end,
        facility_type(_.facility_ccn) == PROSPECTIVE_PAYMENT,
    )
    known = engine.compute(_with_dual_status(engine, ended, claims.table("eligibility")), "chain_paid_stays")
    of_measures = _by_measure(engine, known, cases)
    totals = known.group_by("facility_ccn").agg(
        stays=_.count(),
        dual_eligible_stays=_.is_dual.sum(),
        amount=_.allowed_amount.sum().cast("decimal(28, 2)"),
        is_priced=_.allowed_amount.notnull().all(),
    )
    years = Decimal((period.end - period.start).days + 1) / _DAYS_OF_YEAR
    return [
        _of_hospital(row, of_measures.get(row["facility_ccn"], {}), max(years.quantize(Decimal(1)), Decimal(1)))
        for row in engine.to_arrow(totals.order_by("facility_ccn")).to_pylist()
    ]


def _of_hospital(row: dict[str, Any], by_measure: dict[str, Decimal], years: Decimal) -> HospitalPayments:
    amount = row["amount"] if row["is_priced"] else None
    return HospitalPayments(
        row["facility_ccn"],
        row["stays"],
        row["dual_eligible_stays"],
        amount,
        None if amount is None else (amount / years).quantize(_CENT, ROUND_HALF_UP),
        by_measure,
    )


def _with_dual_status(engine: Engine, stays: ir.Table, eligibility: ir.Table) -> ir.Table:
    """Add whether the patient had full benefits on the day of discharge; unknown where eligibility never tells."""
    (told,) = engine.to_arrow(eligibility.aggregate(spans=_.dual_status_code.count())).to_pylist()
    if not told["spans"]:
        return stays.mutate(is_dual=ibis.null("int64"))
    spans = eligibility.filter(_.dual_status_code.isin(FULL_BENEFIT)).select(
        "enrollment_start_date", "enrollment_end_date", dual_person="person_id"
    )
    dual = stays.inner_join(
        spans,
        [
            stays.person_id == spans.dual_person,
            stays.discharge_date >= spans.enrollment_start_date,
            stays.discharge_date <= spans.enrollment_end_date,
        ],
    )
    of_dual = dual.select(dual_stay=dual.stay_id).distinct()
    joined = stays.left_join(of_dual, stays.stay_id == of_dual.dual_stay)
    return joined.mutate(is_dual=joined.dual_stay.notnull().cast("int64")).drop("dual_stay")


def _by_measure(engine: Engine, stays: ir.Table, cases: pa.Table) -> dict[str, dict[str, Decimal]]:
    index = engine.table(cases.select(["measure", "facility_id", "stay_id"]), "chain_index_stays")
    paid = index.inner_join(stays.select("stay_id", "facility_ccn", "allowed_amount"), "stay_id")
    totals = paid.group_by("facility_ccn", "measure").agg(
        amount=_.allowed_amount.sum().cast("decimal(28, 2)"), is_priced=_.allowed_amount.notnull().all()
    )
    found: dict[str, dict[str, Decimal]] = {}
    for row in engine.to_arrow(totals).to_pylist():
        if row["is_priced"]:
            found.setdefault(row["facility_ccn"], {})[row["measure"]] = row["amount"]
    return found
