"""CMS DE-SynPUF 2008-2010, CSV or Parquet: beneficiary summaries, inpatient, outpatient, carrier and drug claims.

What to know of these files:

* Days are written 20090412, or typed in Parquet extracts; diagnoses are ICD-9.
* Summaries count months of coverage and do not say which. A person covered for a part of the year is taken to be
  covered from January if he died in it, and up to December otherwise.
* The year of a summary stands in its file's name, or in a column ``BENE_YEAR``.
* Carrier claims hold up to 13 lines side by side: groups without an amount, a code or a clinician are no lines.
* Institutional claims have one line, with the claim's payment; a second segment of a claim is its second line.
* No day of payment is given, nor place of service, bill type or specialty. Deaths are not linked to stays.
"""

from __future__ import annotations

import re

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.adapters.layout import load_layout
from openvbp.claims.adapters.source_files import list_files, tell_by_columns
from openvbp.claims.adapters.staging import Staging, stacked

_LINES = range(1, 14)
_LINE_COLUMNS = (
    "rendering_npi", "rendering_tin", "hcpcs_code", "paid_amount", "deductible_amount", "coinsurance_amount",
    "allowed_amount", "processing_code", "x_line_diagnosis_code",
)  # fmt: skip
_PAID = {"payer": "medicare", "plan": "medicare", "data_source": "synpuf"}
_NOTHING = ibis.null("string")


def stage(staging: Staging, source: str) -> None:
    """Tell the files by their columns and read them."""
    layout = load_layout("synpuf")
    paths = list_files(source, (".csv", ".parquet"))
    staging.stage(layout, tell_by_columns(staging, layout, paths, ","))


def tables(staging: Staging) -> dict[str, ir.Table]:
    """Put lines below each other, count out months, and give the tables."""
    claims = [_institutional(staging.accepted(kind)) for kind in ("inpatient", "outpatient") if kind in staging]
    if "carrier" in staging:
        claims += _professional(staging)
    given: dict[str, ir.Table] = {}
    if claims:
        given["medical_claim"] = stacked(claims)
    if "drug_event" in staging:
        drugs = staging.accepted("drug_event")
        given["pharmacy_claim"] = drugs.mutate(
            claim_line_number=ibis.literal(1, "int64"),
            paid_amount=drugs.allowed_amount - drugs.copayment_amount,
            **_common(drugs),
        )
    if "beneficiary" in staging:
        given["eligibility"] = _eligibility(staging)
    return given


def _institutional(claims: ir.Table) -> ir.Table:
    is_stay = "drg_code" in claims.columns
    patient = claims.deductible_amount.fill_null(0) + claims.coinsurance_amount.fill_null(0)
    drg = {"drg_code_type": ibis.ifelse(claims.drg_code.notnull(), ibis.literal("ms-drg"), _NOTHING)} if is_stay else {}
    return claims.mutate(
        claim_type=ibis.literal("institutional"),
        claim_line_number=claims.segment.fill_null(1),
        bill_type_code=ibis.literal("111" if is_stay else "131"),
        hcpcs_code=claims.hcpcs_code_1,
        allowed_amount=(claims.paid_amount + patient).cast("decimal(18, 2)"),
        procedure_code_type=ibis.literal("icd-9-pcs"),
        **drg,
        **_coded(claims),
    )


def _professional(staging: Staging) -> list[ir.Table]:
    """Lines of carrier claims, one table per place in the claim."""
    claims = staging.accepted("carrier")
    parts = []
    for number in _LINES:
        line = {name: claims[f"{name}_{number}"] for name in _LINE_COLUMNS}
        is_denied = line["processing_code"].notin(("A", "O", "R", "S")).fill_null(False)  # noqa: FBT003
        part = claims.mutate(
            claim_type=ibis.literal("professional"),
            claim_line_number=ibis.literal(number, "int64"),
            claim_status=ibis.ifelse(is_denied, ibis.literal("denied"), _NOTHING),
            denial_code=ibis.ifelse(is_denied, line["processing_code"], _NOTHING),
            **line,
            **_coded(claims),
        )
        part = part.drop(*(f"x_line_diagnosis_code_{other}" for other in _LINES))
        is_line = (
            part.rendering_npi.notnull()
            | part.hcpcs_code.notnull()
            | (part.allowed_amount != 0)
            | (part.paid_amount != 0)
        )
        # The first line stays in any case, so that no claim is lost.
        parts.append(part if number == 1 else part.filter(is_line.fill_null(False)))  # noqa: FBT003
    return parts


def _coded(claims: ir.Table) -> dict[str, ir.Value]:
    return {"diagnosis_code_type": ibis.literal("icd-9-cm"), **_common(claims)}


def _common(claims: ir.Table) -> dict[str, ir.Value]:
    return {**{name: ibis.literal(value) for name, value in _PAID.items()}, "file_name": claims.source_file}


def _eligibility(staging: Staging) -> ir.Table:
    named = [
        (path.name, found[0]) for one in staging.files if (found := re.search("20(08|09|10)", (path := one.path).name))
    ]
    rows = staging.kinds["beneficiary"].rows
    year_of_file = (
        ibis.cases(*((rows.source_file == name, int(year)) for name, year in named), else_=ibis.null("int64"))
        if named
        else ibis.null("int64")
    )
    staging.put("beneficiary", rows.mutate(year=ibis.coalesce(rows.year, year_of_file.cast("int64"))))
    staging.reject("beneficiary", _.year.isnull(), "neither BENE_YEAR nor the file's name says the year")
    staging.keep_newest("beneficiary", ["person_id", "year"], "a later row has the same person and year")
    people = staging.accepted("beneficiary")
    covered = people.mutate(months=ibis.greatest(_.part_a_months, _.part_b_months)).filter(_.months > 0)
    dies = (covered.death_date.year() == covered.year).fill_null(False)  # noqa: FBT003
    first = ibis.ifelse(dies, 1, 13 - covered.months)
    last_day = ibis.ifelse(dies, covered.death_date, _day(covered.year, ibis.literal("12-31")))
    return covered.mutate(
        enrollment_start_date=_day(covered.year, first.cast("string").lpad(2, "0") + "-01"),
        enrollment_end_date=last_day,
        death_flag=covered.death_date.notnull(),
        payer_type=ibis.literal("medicare"),
        has_part_a=covered.part_a_months > 0,
        has_part_b=covered.part_b_months > 0,
        has_managed_care=covered.managed_care_months > 0,
        **_common(covered),
    )


def _day(year: ir.IntegerValue, rest: ir.StringValue) -> ir.DateValue:
    return (year.cast("string") + "-" + rest).cast("date")
