"""Netted claims of a generated population, and its hospital stays, by plain SQL that shares nothing with openvbp."""

from __future__ import annotations

from pathlib import Path


def netted(folder: Path) -> str:
    """Lines of the last version of each claim; what was cancelled or denied is not there."""
    claims = f"'{folder}/medical_claim.parquet'"
    return f"""SELECT * FROM (SELECT *, coalesce(claim_control_number, claim_id) AS control FROM {claims}
            WHERE claim_status = 'final')
        JOIN (SELECT coalesce(claim_control_number, claim_id) AS control, arg_max(struct_pack(id := claim_id,
                kind := adjustment_type), (coalesce(effective_date, DATE '1900-01-01'),
                coalesce(adjustment_type, '0'), claim_id)) AS last
            FROM {claims} WHERE claim_status = 'final' GROUP BY 1) USING (control)
        WHERE claim_id = last.id AND last.kind IS DISTINCT FROM '1'"""


def stays(folder: Path) -> str:
    """One row per acute stay: the generator bills each with one claim."""
    return f"""SELECT claim_id AS stay, any_value(person_id) AS person_id, any_value(facility_ccn) AS hospital,
            min(admission_date) AS first_day, max(discharge_date) AS last_day, any_value(drg_code) AS drg,
            any_value(diagnosis_code_1) AS diagnosis, any_value(procedure_code_1) AS procedure,
            sum(allowed_amount) AS allowed, any_value(discharge_disposition_code) AS disposition
        FROM ({netted(folder)})
        WHERE bill_type_code LIKE '11%' AND (facility_ccn[3:] BETWEEN '0001' AND '0879'
            OR facility_ccn[3:] BETWEEN '1300' AND '1399') GROUP BY 1"""
