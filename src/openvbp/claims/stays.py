"""Acute hospital stays: claims of one admission joined, transfers chained."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.facilities import facility_type, is_acute_hospital
from openvbp.claims.islands import number_islands

_INPATIENT_BILL_TYPE = "11"
_EMERGENCY_REVENUE_CENTERS = ("0450", "0451", "0452", "0456", "0459", "0981")
_EMERGENCY_ADMISSION = "1"
_STILL_A_PATIENT = "30"


def hospital_claims(lines: ir.Table) -> ir.Table:
    """Gather the lines of each inpatient claim of an acute hospital.

    Parameters
    ----------
    lines
        Service lines (:func:`openvbp.claims.service_lines.service_lines`).

    Returns
    -------
    One row per claim: ``claim_id``, ``data_source``, ``person_id``, ``payer``, ``facility`` (certification number, else
    the facility's or biller's NPI), ``facility_ccn``, ``admission_date``, ``discharge_date`` (the claim's last day
    where no discharge is given), diagnosis, DRG, clinicians, amounts. A claim is inpatient if its bill type begins
    with 11, or it has no bill type but an admission date and a DRG; the hospital is acute by its certification number,
    or unknown.
    """
    facility = ibis.coalesce(lines.facility_ccn, lines.facility_npi, lines.billing_npi)
    kind = facility_type(lines.facility_ccn)
    has_bill_type = lines.bill_type_code.notnull()
    by_admission = ~has_bill_type & lines.admission_date.notnull() & lines.drg_code.notnull()
    inpatient = lines.filter(
        lines.claim_type == "institutional",
        (has_bill_type & lines.bill_type_code.startswith(_INPATIENT_BILL_TYPE)) | by_admission,
        kind.isnull() | is_acute_hospital(lines.facility_ccn),
    ).mutate(facility=facility)
    emergency = inpatient.revenue_center_code.isin(_EMERGENCY_REVENUE_CENTERS).fill_null(False)  # noqa: FBT003
    return (
        inpatient.mutate(is_emergency_line=emergency)
        .group_by("claim_id", "data_source", "person_id", "payer", "facility")
        .agg(
            facility_ccn=_.facility_ccn.min(),
            admission_date=ibis.coalesce(_.admission_date.min(), _.service_date.min()),
            discharge_date=ibis.coalesce(_.discharge_date.max(), _.service_end_date.max()),
            discharge_disposition_code=_.discharge_disposition_code.max(),
            drg_code=_.drg_code.max(),
            diagnosis_code_type=_.diagnosis_code_type.max(),
            diagnosis_code_1=_.diagnosis_code_1.max(),
            attending_npi=_.attending_npi.min(),
            operating_npi=_.operating_npi.min(),
            is_emergency=(_.is_emergency_line | (_.admit_type_code == _EMERGENCY_ADMISSION).fill_null(False)).max(),  # noqa: FBT003
            paid_amount=_.paid_amount.sum().cast("decimal(18, 2)"),
            allowed_amount=_.allowed_amount.sum().cast("decimal(18, 2)"),
            is_utilization=_.is_utilization.max(),
        )
        .filter(_.is_utilization, _.discharge_date >= _.admission_date)
        .drop("is_utilization")
    )


def stay_claims(lines: ir.Table) -> ir.Table:
    """Say to which stay each inpatient claim of an acute hospital belongs.

    Parameters
    ----------
    lines
        Service lines.

    Returns
    -------
    The rows of :func:`hospital_claims` with ``stay`` (its number at the hospital) and ``stay_id``.
    """
    # A discharge and a new admission on one day share that day and are two stays; after an interim bill the next one
    # begins on the day after.
    bills = hospital_claims(lines).mutate(
        billed_through=ibis.ifelse(
            _.discharge_disposition_code == _STILL_A_PATIENT,
            (_.discharge_date + ibis.interval(days=2)).cast("timestamp").cast("date"),
            _.discharge_date,
        )
    )
    numbered = number_islands(
        bills,
        by=("person_id", "facility"),
        start="admission_date",
        end="billed_through",
        tie=("claim_id", "data_source"),
        gap_days=-1,
        name="stay",
    )
    same = ibis.window(group_by=["person_id", "payer", "facility", "stay"])
    return numbered.mutate(stay_id=_.claim_id.min().over(same))


def stays(lines: ir.Table) -> ir.Table:
    """Join the claims of one stay and chain stays that follow by transfer.

    Claims of a person in one hospital that share more than a day are one stay (interim and corrected bills). A stay
    that begins in another hospital on the day on which one ends, or the day after, continues its chain, whatever the
    discharge status says. Stays in different hospitals that overlap are kept and chained.

    Parameters
    ----------
    lines
        Service lines.

    Returns
    -------
    One row per person × stay: ``stay_id`` (its first claim), ``person_id``, ``payer``, ``facility``, ``facility_ccn``,
    ``admission_date``, ``discharge_date``, ``length_days``; ``discharge_disposition_code``, ``drg_code``, diagnosis and
    clinicians of the last claim; ``is_emergency``; ``paid_amount`` and ``allowed_amount`` in US dollars;
    ``transfer_chain_id`` (the chain's first stay), ``is_first_of_chain``, ``is_last_of_chain``.

    Source: CMS 30-day readmission measures, transfers between acute hospitals on the same or the next day.
    """
    claims = stay_claims(lines)
    last = ibis.window(
        group_by=["person_id", "facility", "stay"],
        order_by=[ibis.desc("discharge_date"), ibis.desc("admission_date"), ibis.desc("claim_id"), "data_source"],
    )
    joined = (
        claims.mutate(place=ibis.row_number().over(last))
        .group_by("person_id", "payer", "facility", "stay")
        .agg(
            stay_id=_.stay_id.min(),
            facility_ccn=_.facility_ccn.min(),
            admission_date=_.admission_date.min(),
            discharge_date=_.discharge_date.max(),
            **{
                name: _[name].max(where=_.place == 0)
                for name in (
                    "discharge_disposition_code",
                    "drg_code",
                    "diagnosis_code_type",
                    "diagnosis_code_1",
                    "attending_npi",
                    "operating_npi",
                )
            },
            is_emergency=_.is_emergency.max(),
            paid_amount=_.paid_amount.sum().cast("decimal(18, 2)"),
            allowed_amount=_.allowed_amount.sum().cast("decimal(18, 2)"),
        )
        .drop("stay")
    )
    return _chained(joined)


def _chained(joined: ir.Table) -> ir.Table:
    order = ["admission_date", "discharge_date", "stay_id"]
    per_person = ibis.window(group_by="person_id", order_by=order)
    before = joined.mutate(
        reached=_.discharge_date.max().over(ibis.window(group_by="person_id", order_by=order, preceding=(None, 1))),
        previous_facility=_.facility.lag().over(per_person),
    )
    follows = (
        before.reached.notnull()
        & (before.admission_date.delta(before.reached, unit="day") <= 1)
        & (before.facility != before.previous_facility)
    )
    marked = before.mutate(begins=ibis.ifelse(follows, 0, 1))
    numbered = marked.mutate(chain=_.begins.sum().over(ibis.cumulative_window(group_by="person_id", order_by=order)))
    in_chain = ibis.window(group_by=["person_id", "chain"], order_by=order)
    return numbered.mutate(
        transfer_chain_id=_.stay_id.first().over(in_chain),
        is_first_of_chain=ibis.row_number().over(in_chain) == 0,
        is_last_of_chain=_.stay_id.lead().over(in_chain).isnull(),
        length_days=_.discharge_date.delta(_.admission_date, unit="day"),
    ).drop("reached", "previous_facility", "begins", "chain")
