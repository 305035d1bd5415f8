"""Synthea's CSV export: patients, payer_transitions, payers, claims and claims_transactions.

What to know of these files:

* Lines are the transactions of type CHARGE; the payments up to the claim's next charge belong to one. Electronic checks
  are the payer's, other payments the patient's. What is charged is allowed.
* Clinicians and organizations have keys of Synthea and no NPI or taxpayer number: they are kept in ``x_`` columns, and
  no attribution can be made from these files.
* Diagnoses and procedures are SNOMED CT: they are kept in ``x_`` columns too, and no ICD or HCPCS code is made up.
* A span of enrolment ends on the day before the next begins.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.adapters.layout import load_layout
from openvbp.claims.adapters.source_files import by_columns, list_files
from openvbp.claims.adapters.staging import Staging
from openvbp.claims.adapters.text_problems import problem

_FILES = {
    "patients.csv": "patient",
    "payer_transitions.csv": "enrolment",
    "payers.csv": "payer",
    "claims.csv": "claim",
    "claims_transactions.csv": "transaction",
}
_PAYERS_METHOD = "ECHECK"
_SOURCE = "synthea"
_NO_AMOUNT = ibis.null("decimal(18, 2)")


def stage(staging: Staging, source: str) -> None:
    """Find the five files by their names and read them."""
    layout = load_layout(_SOURCE)
    paths = {path.name: path for path in list_files(source, (".csv",))}
    missing = [name for name in _FILES if name not in paths]
    if missing:
        raise problem(source, "files are missing", "give Synthea's whole CSV export", len(missing), tuple(missing[:3]))
    files = [by_columns({kind: layout[kind]}, paths[name], ",") for name, kind in _FILES.items()]
    unlike = [name for name, one in zip(_FILES, files, strict=True) if one is None]
    if unlike:
        raise problem(
            source, "files have not the columns of Synthea", "export them again", len(unlike), tuple(unlike[:3])
        )
    staging.ignored.extend(name for name in paths if name not in _FILES)
    staging.stage(layout, [one for one in files if one])


def tables(staging: Staging) -> dict[str, ir.Table]:
    """Join claims with their transactions, enrolment with people, and give the tables."""
    staging.reject_orphans("transaction", "claim", "claim_id", "claims.csv has no claim of this transaction")
    staging.reject_orphans("enrolment", "patient", "person_id", "patients.csv has no such person")
    return {"medical_claim": _medical(staging), "eligibility": _eligibility(staging)}


def _medical(staging: Staging) -> ir.Table:
    payers = staging.accepted("payer").select("payer_id", "payer")
    claims = (
        staging.accepted("claim").left_join(payers, "payer_id").drop("payer_id_right", "source_file", "line_number")
    )
    so_far = ibis.window(group_by="claim_id", order_by=["place", "transaction_id"], preceding=None, following=0)
    steps = staging.accepted("transaction").mutate(
        claim_line_number=ibis.ifelse(_.type == "CHARGE", 1, 0).sum().over(so_far)
    )
    paid = steps.group_by("claim_id", "claim_line_number").aggregate(
        payer_paid=_.payment.sum(where=_.method == _PAYERS_METHOD),
        patient_paid=_.payment.sum(where=_.method != _PAYERS_METHOD),
    )
    lines = steps.filter(_.type == "CHARGE").left_join(paid, ["claim_id", "claim_line_number"])
    lines = lines.drop("claim_id_right", "claim_line_number_right", "person_id", "file_date")
    joined = lines.inner_join(claims, "claim_id")
    return joined.select(
        *(name for name in joined.columns if name.startswith("x_")),
        "claim_id",
        "claim_line_number",
        "person_id",
        "claim_start_date",
        "paid_date",
        claim_type=ibis.ifelse(joined.type_number == 2, "institutional", "professional"),
        payer=joined.payer.fill_null("unknown"),
        plan=joined.payer.fill_null("unknown"),
        claim_end_date=ibis.coalesce(joined.to_date, joined.claim_start_date),
        claim_line_start_date=joined.from_date,
        claim_line_end_date=joined.to_date,
        service_unit_quantity=joined.units,
        charge_amount=joined.amount,
        allowed_amount=joined.amount,
        paid_amount=joined.payer_paid.cast("decimal(18, 2)").fill_null(0),
        copayment_amount=joined.patient_paid.cast("decimal(18, 2)"),
        data_source=ibis.literal(_SOURCE),
        file_name=joined.source_file,
    )


def _eligibility(staging: Staging) -> ir.Table:
    payers = staging.accepted("payer").select("payer_id", "payer", "payer_type")
    people = staging.accepted("patient").drop("source_file", "line_number", "file_date")
    spans = staging.accepted("enrolment").inner_join(people, "person_id").left_join(payers, "payer_id")
    day_before = (spans.enrollment_end_date - ibis.interval(days=1)).cast("date")
    return spans.drop("payer_id_right").mutate(
        payer=spans.payer.fill_null("unknown"),
        plan=spans.payer.fill_null("unknown"),
        enrollment_end_date=ibis.greatest(day_before, spans.enrollment_start_date),
        death_flag=spans.death_date.notnull(),
        data_source=ibis.literal(_SOURCE),
        file_name=spans.source_file,
    )
