"""Claim lines that stand: versions netted, denials apart."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.netting import net_medical_versions
from openvbp.claims.versions import Keep

_KEPT = (
    "claim_id",
    "claim_line_number",
    "data_source",
    "claim_type",
    "person_id",
    "payer",
    "place_of_service_code",
    "bill_type_code",
    "revenue_center_code",
    "hcpcs_code",
    *(f"hcpcs_modifier_{number}" for number in range(1, 6)),
    "rendering_npi",
    "rendering_tin",
    "rendering_specialty_code",
    "billing_npi",
    "billing_tin",
    "facility_npi",
    "facility_ccn",
    "attending_npi",
    "operating_npi",
    "other_npi",
    "admission_date",
    "discharge_date",
    "admit_type_code",
    "discharge_disposition_code",
    "drg_code",
    "diagnosis_code_type",
    "diagnosis_code_1",
    "paid_date",
    "paid_amount",
    "allowed_amount",
)
_NETTED_BY = (
    "claim_start_date",
    "claim_end_date",
    "claim_line_start_date",
    "claim_line_end_date",
    "service_unit_quantity",
    "charge_amount",
    "coinsurance_amount",
    "copayment_amount",
    "deductible_amount",
    "total_cost_amount",
    "adjustment_type",
    "claim_status",
    "claim_control_number",
    "effective_date",
    "file_name",
    "file_date",
    "ingest_datetime",
)
"""What netting looks at besides; of wide files only these columns are read."""


def service_lines(medical_claim: ir.Table, keep: Keep = lambda rows, _name: rows, also: Sequence[str] = ()) -> ir.Table:
    """Give the lines that count.

    Parameters
    ----------
    medical_claim
        Table ``medical_claim`` of the input contract, all versions of each claim.
    keep
        Computes a table once, under a name. It is given what netting has to look at, little in most claims, so that
        reading the result costs little more than reading the claims. Without it each reading nets again.
    also
        Further columns of the contract to keep: more diagnoses, procedures.

    Returns
    -------
    One row per final claim line that was not denied: its identity, clinicians, facility, codes, ``service_date`` and
    ``service_end_date`` (of the line, else of the claim), ``units``, netted ``paid_amount`` and ``allowed_amount`` in
    US dollars, and ``is_utilization``: false for what was cancelled in the end, whose money still counts.
    """
    single, netted = net_medical_versions(medical_claim.select(*_KEPT, *_NETTED_BY, *also), keep)
    return ibis.union(_final(single, also), keep(_final(netted, also), "netted_lines"))


def _final(netted: ir.Table, also: Sequence[str]) -> ir.Table:
    return netted.filter(_.claim_status.isnull() | (_.claim_status == "final")).select(
        *_KEPT,
        *also,
        "is_utilization",
        service_date=ibis.coalesce(_.claim_line_start_date, _.claim_start_date),
        service_end_date=ibis.coalesce(_.claim_line_end_date, _.claim_line_start_date, _.claim_end_date),
        units=_.service_unit_quantity,
    )
