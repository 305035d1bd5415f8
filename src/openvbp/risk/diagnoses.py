"""Diagnoses that count for risk adjustment, from claims."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.netting import net_medical_claims
from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem

# UNVERIFIED: the guidance of CMS on filtering encounter data (2015, and 2021 for 87) has not been read; public software
# that cites it has these.
INPATIENT_BILL_TYPES = ("11", "41")
"""First two digits of bill types that count whatever was done."""
OUTPATIENT_BILL_TYPES = ("12", "13", "43", "71", "73", "76", "77", "85", "87")
"""First two digits of bill types that count with a procedure of the list."""
_DIAGNOSES = 25
_FORM = "^[A-Z][0-9][0-9A-Z]([0-9A-Z]{0,4})$"


def diagnoses_of(medical_claim: ir.Table, year: int, procedure_codes: ir.Table | None = None) -> ir.Table:
    """Take the diagnoses that count from the claims of a year.

    Parameters
    ----------
    medical_claim
        Table ``medical_claim`` of the input contract, all versions of each claim.
    year
        Of the last day of service: the year before the payment year.
    procedure_codes
        The CPT and HCPCS codes that count: ``hcpcs_code``. CMS publishes a list each year; CPT codes are the AMA's, so
        none is shipped. Without it, every procedure counts.

    Returns
    -------
    ``person_id``, ``diagnosis_code``, distinct: of final claims that were not denied; professional lines and outpatient
    claims with a procedure that counts, inpatient claims whatever was done.
    """
    counting = counting_lines(medical_claim, year, procedure_codes)
    codes = ibis.array([counting[f"diagnosis_code_{number}"] for number in range(1, _DIAGNOSES + 1)])
    spread = counting.select("person_id", diagnosis_code=codes.unnest())
    return spread.filter(_.diagnosis_code.notnull() & (_.diagnosis_code != "")).distinct()


def counting_lines(medical_claim: ir.Table, year: int, procedure_codes: ir.Table | None = None) -> ir.Table:
    """Take the lines whose diagnoses count: parameters as of :func:`diagnoses_of`."""
    lines = net_medical_claims(medical_claim)
    lines = lines.filter(
        _.is_utilization
        & (_.claim_status.isnull() | (_.claim_status == "final"))
        & (_.claim_end_date.year() == year)
        & (_.diagnosis_code_type.isnull() | (_.diagnosis_code_type == "icd-10-cm"))
    )
    bill = lines.bill_type_code.substr(0, 2)
    is_inpatient = bill.isin(INPATIENT_BILL_TYPES)
    needs_procedure = (lines.claim_type == "professional") | bill.isin(OUTPATIENT_BILL_TYPES)
    if procedure_codes is None:
        return lines.filter(is_inpatient | needs_procedure)
    listed = procedure_codes.select(listed_code="hcpcs_code").distinct()
    joined = lines.left_join(listed, lines.hcpcs_code == listed.listed_code)
    return joined.filter(is_inpatient | (needs_procedure & joined.listed_code.notnull()))


def match_rates(
    engine: Engine, codes: ir.Table, least_mapped: float, most_malformed: float, where: str
) -> dict[str, int]:
    """Count diagnoses that the mapping knows and those that cannot be ICD-10-CM codes; enforce limits.

    Parameters
    ----------
    engine
        Where to compute.
    codes
        ``code``, ``times``, ``is_paid``: see :class:`openvbp.risk.scoring.Scored`.
    least_mapped, most_malformed
        Shares of diagnoses. Most codes are rightly in no category; a share near zero means another code system.
    where
        For messages.

    Returns
    -------
    ``diagnoses``, ``mapped``, ``malformed``.

    Raises
    ------
    InputDataError
        If a limit is passed.
    """
    is_code = codes.code.re_search(_FORM)
    shown = codes.mutate(
        malformed=ibis.ifelse(is_code, 0, codes.times), mapped=ibis.ifelse(codes.is_paid, codes.times, 0)
    )
    counted = engine.to_arrow(shown.agg(diagnoses=_.times.sum(), mapped=_.mapped.sum(), malformed=_.malformed.sum()))
    found = {name: int(values[0] or 0) for name, values in counted.to_pydict().items()}
    if not found["diagnoses"]:
        raise InputDataError(Problem("no diagnosis counts", where, "give claims of the year before the payment year"))
    examples = engine.to_arrow(shown.filter(_.malformed > 0).order_by(_.times.desc(), _.code).limit(3).select("code"))
    if found["malformed"] > most_malformed * found["diagnoses"]:
        what = f"{found['malformed'] / found['diagnoses']:.1%} of diagnoses are not of the form of ICD-10-CM"
        what_to_do = "correct the codes, or raise --most-malformed"
        raise InputDataError(Problem(what, where, what_to_do, found["malformed"], tuple(examples["code"].to_pylist())))
    if found["mapped"] < least_mapped * found["diagnoses"]:
        what = f"only {found['mapped'] / found['diagnoses']:.1%} of diagnoses are in the model's mapping"
        raise InputDataError(Problem(what, where, "check code system and model, or lower --least-mapped"))
    return found
