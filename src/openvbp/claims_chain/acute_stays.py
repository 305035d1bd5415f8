"""Acute hospital stays of a folder of claims, and the lines of their own claims."""

from __future__ import annotations

import ibis.expr.types as ir
from ibis import _

from openvbp.claims.service_lines import service_lines
from openvbp.claims.stays import stay_claims, stays
from openvbp.claims.tables import ClaimsData

_BILL_TYPE = "11"


def inpatient_lines(claims: ClaimsData) -> ir.Table:
    """Give the service lines that can be of an acute stay; the many others are never netted."""
    medical = claims.table("medical_claim").filter(_.claim_type == "institutional")
    kept = medical.filter(_.bill_type_code.isnull() | _.bill_type_code.startswith(_BILL_TYPE))
    lines = service_lines(kept, lambda rows, name: claims.engine.compute(rows, f"chain_inpatient_{name}"))
    return claims.engine.compute(lines, "chain_inpatient_lines")


def acute_stays(claims: ClaimsData, lines: ir.Table) -> ir.Table:
    """Give the stays that these lines make; see :func:`openvbp.claims.stays.stays`."""
    return claims.engine.compute(stays(lines), "chain_acute_stays")


def lines_of_stays(lines: ir.Table) -> ir.Table:
    """Lines of acute stays with the stay: ``stay_id``, ``person_id``, ``service_date``, ``allowed_amount``."""
    of_stay = stay_claims(lines).select("claim_id", "data_source", "person_id", "stay_id")
    joined = lines.inner_join(of_stay, ["claim_id", "data_source", "person_id"])
    return joined.select("stay_id", "person_id", "service_date", "allowed_amount")
