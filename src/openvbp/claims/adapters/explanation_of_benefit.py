"""FHIR ExplanationOfBenefit of Blue Button or BCDA: NDJSON, one resource a line, or bundles; STU3 and R4 (CARIN).

What to know of it:

* A line of a claim is an ``item``; resources are turned into flat rows by ``flat_resources.py``.
* A professional line is paid its benefit. Institutional lines' benefits are used where they add up to the claim's
  payment; else the claim's payment stands on its first line.
* A taxpayer number is given only where the payer writes it on the item or on the billing organization.
* Prior authorizations and cancelled resources are not claims; their rows are kept out.
* Patient and Coverage resources beside the claims give enrolment. They say which year and part, not which months: a
  span is a calendar year, or ends with death. Without them there is no table of enrolment.
"""

from __future__ import annotations

from functools import partial

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.adapters.flat_resources import kinds_of_rows, read_resources
from openvbp.claims.adapters.layout import load_layout
from openvbp.claims.adapters.source_files import list_files
from openvbp.claims.adapters.staging import Delivered, Staging
from openvbp.claims.adapters.text_problems import problem

_PAID = {"payer": "medicare", "plan": "medicare", "data_source": "eob"}
_NOTHING = ibis.null("string")
_NO_AMOUNT = ibis.null("decimal(18, 2)")


def stage(staging: Staging, source: str) -> None:
    """Look which resources each file holds and read them."""
    layout = load_layout("eob")
    files = []
    for path in list_files(source, (".ndjson", ".json")):
        kinds = kinds_of_rows(path)
        if not kinds:
            staging.ignored.append(path.name)
        files += [Delivered(path, kind, partial(read_resources, path, kind, layout[kind])) for kind in kinds]
    if not any(one.kind in ("line", "drug") for one in files):
        raise problem(source, "no file holds an ExplanationOfBenefit", "give NDJSON or bundles of that resource")
    staging.stage(layout, files)


def tables(staging: Staging) -> dict[str, ir.Table]:
    """Keep out what is no claim and give the tables."""
    given: dict[str, ir.Table] = {}
    for kind in ("line", "drug"):
        if kind in staging:
            staging.reject(kind, _.use == "preauthorization", "a prior authorization is not a claim")
            staging.reject(kind, _.status == "cancelled", "the payer cancelled this resource")
    if "line" in staging:
        given["medical_claim"] = _medical(staging.accepted("line"))
    if "drug" in staging:
        drugs = staging.accepted("drug")
        given["pharmacy_claim"] = drugs.mutate(**_common(drugs))
    if "patient" in staging and "coverage" in staging:
        given["eligibility"] = _eligibility(staging)
    return given


def _medical(lines: ir.Table) -> ir.Table:
    lines = lines.mutate(paid_by_line=ibis.coalesce(_.benefit_amount, _.paid_to_provider_amount))
    whole = lines.group_by("claim_id").aggregate(
        first_line=_.claim_line_number.min(), line_sum=_.paid_by_line.sum().cast("decimal(18, 2)")
    )
    claims = lines.left_join(whole, "claim_id").drop("claim_id_right")
    is_professional = claims.claim_type == "professional"
    by_line = is_professional | claims.claim_paid_amount.isnull() | (claims.line_sum == claims.claim_paid_amount)
    is_first = claims.claim_line_number == claims.first_line
    is_denied = claims.processing_code.notin(("A", "O", "R", "S")).fill_null(False)  # noqa: FBT003
    icd = ibis.cases(
        (claims.diagnosis_system.contains("icd-9"), "icd-9"), (claims.diagnosis_system.contains("icd-10"), "icd-10")
    )
    return claims.mutate(
        paid_amount=ibis.ifelse(
            by_line, claims.paid_by_line, ibis.ifelse(is_first, claims.claim_paid_amount, _NO_AMOUNT)
        ),
        facility_npi=ibis.ifelse(is_professional, _NOTHING, claims.billing_npi),
        facility_ccn=ibis.ifelse(is_professional, _NOTHING, claims.facility_ccn),
        claim_status=ibis.ifelse(is_denied, ibis.literal("denied"), _NOTHING),
        denial_code=ibis.ifelse(is_denied, claims.processing_code, _NOTHING),
        drg_code_type=ibis.ifelse(claims.drg_code.notnull(), ibis.literal("ms-drg"), _NOTHING),
        diagnosis_code_type=icd + "-cm",
        procedure_code_type=ibis.ifelse(claims.procedure_code_1.notnull(), icd + "-pcs", _NOTHING),
        **_common(claims),
    )


def _common(claims: ir.Table) -> dict[str, ir.Value]:
    return {**{name: ibis.literal(value) for name, value in _PAID.items()}, "file_name": claims.source_file}


def _eligibility(staging: Staging) -> ir.Table:
    staging.keep_newest("patient", ["person_id"], "a later row has the same person")
    staging.reject_orphans("coverage", "patient", "person_id", "no Patient resource has this person")
    parts = (
        staging.accepted("coverage")
        .group_by("person_id", "year")
        .aggregate(
            has_part_a=(_.part == "Part A").any(),
            has_part_b=(_.part == "Part B").any(),
            medicare_status_code=_.medicare_status_code.max(),
            original_reason_entitlement_code=_.original_reason_entitlement_code.max(),
        )
    )
    people = staging.accepted("patient")
    spans = parts.filter(parts.has_part_a | parts.has_part_b).inner_join(people, "person_id")
    year = spans.year.cast("string")
    spans = spans.mutate(
        enrollment_start_date=(year + "-01-01").cast("date"),
        enrollment_end_date=ibis.least((year + "-12-31").cast("date"), spans.death_date),
    ).filter(_.enrollment_start_date <= _.enrollment_end_date)
    return spans.mutate(death_flag=spans.death_date.notnull(), payer_type=ibis.literal("medicare"), **_common(spans))
