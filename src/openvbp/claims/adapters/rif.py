"""Research Identifiable Files of CMS, in the form of Beneficiary FHIR Data: a row per line, fields separated by |.

What to know of these files:

* They hold final versions only; rows that say otherwise (``FINAL_ACTION`` N, or a deletion) are kept out.
* Files have no delivery date. A beneficiary's row for a year that comes again replaces the earlier one.
* Enrolment is monthly: months that are alike become one span.
* Institutional lines are paid as a claim. Lines' payments are used where they add up to it; else the claim's payment
  stands on its first line. Allowed is paid plus the patient's deductible and coinsurance.
* A tax number stands on professional lines only.
* The day of payment is the Friday of the week in which the claim was processed.
"""

from __future__ import annotations

from functools import partial

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.adapters.layout import load_layout
from openvbp.claims.adapters.source_files import list_files, tell_by_columns
from openvbp.claims.adapters.staging import Staging, stacked

_INSTITUTIONAL = ("inpatient", "outpatient", "snf", "home_health", "hospice")
_PROFESSIONAL = ("carrier", "equipment")
_PAID = {"payer": "medicare", "plan": "medicare", "data_source": "rif"}
_NOTHING = ibis.null("string")
_NO_AMOUNT = ibis.null("decimal(18, 2)")
_MONTHS = range(1, 13)
_MONTHLY = ("has_part_a", "has_part_b", "has_managed_care", "dual_status_code", "medicare_status_code", "county_fips")


def stage(staging: Staging, source: str) -> None:
    """Tell the files by their columns and read them."""
    layout = load_layout("rif")
    paths = list_files(source, (".txt", ".csv", ".rif"))
    staging.stage(layout, tell_by_columns(staging, layout, paths, "|", is_quoted=False))


def tables(staging: Staging) -> dict[str, ir.Table]:
    """Keep out rows that are not final and give the tables."""
    for kind in staging.kinds:
        rows = staging.kinds[kind].rows
        staging.reject(kind, rows.change == "DELETE", "the source deletes this row")
        if "final_action" in rows.columns:
            staging.reject(kind, rows.final_action == "N", "not the final version of the claim")
    claims = [_institutional(staging, kind) for kind in _INSTITUTIONAL if kind in staging]
    claims += [_professional(staging.accepted(kind)) for kind in _PROFESSIONAL if kind in staging]
    given: dict[str, ir.Table] = {}
    if claims:
        given["medical_claim"] = stacked(claims)
    if "drug_event" in staging:
        given["pharmacy_claim"] = _pharmacy(staging.accepted("drug_event"))
    if "beneficiary" in staging:
        given["eligibility"] = _eligibility(staging)
    return given


def _institutional(staging: Staging, kind: str) -> ir.Table:
    lines = staging.accepted(kind)
    for name in ("line_paid_amount", "line_deductible_amount", "line_coinsurance_amount"):
        lines = lines if name in lines.columns else lines.mutate(**{name: _NO_AMOUNT})
    for name in ("claim_deductible_amount", "claim_coinsurance_amount"):
        lines = lines if name in lines.columns else lines.mutate(**{name: _NO_AMOUNT})
    whole = lines.group_by("claim_id").aggregate(
        first_line=_.claim_line_number.min(), line_sum=_.line_paid_amount.sum().cast("decimal(18, 2)")
    )
    claims = lines.left_join(whole, "claim_id").drop("claim_id_right")
    amount = partial(_of_line_or_first, claims)
    paid, deductible, coinsurance = amount("paid"), amount("deductible"), amount("coinsurance")
    is_stay = kind in ("inpatient", "snf")
    drg = {"drg_code_type": ibis.ifelse(claims.drg_code.notnull(), ibis.literal("ms-drg"), _NOTHING)} if is_stay else {}
    codes = (
        {"procedure_code_type": _code_type(claims.procedure_indicator, "pcs")}
        if "procedure_indicator" in claims.columns
        else {}
    )
    return claims.mutate(
        claim_type=ibis.literal("institutional"),
        bill_type_code=claims.bill_facility + claims.bill_classification + claims.bill_frequency,
        paid_amount=paid,
        allowed_amount=paid + deductible.fill_null(0) + coinsurance.fill_null(0),
        deductible_amount=deductible,
        coinsurance_amount=coinsurance,
        diagnosis_code_1=ibis.coalesce(claims.diagnosis_code_1, claims.principal_diagnosis),
        claim_status=ibis.ifelse(claims.denial_code.notnull(), ibis.literal("denied"), _NOTHING),
        **drg,
        **codes,
        **_common(claims),
    )


def _of_line_or_first(claims: ir.Table, name: str) -> ir.DecimalValue:
    """Give an amount by line where the lines' payments add up to the claim's; else the claim's on its first line."""
    return ibis.ifelse(
        claims.line_sum == claims.claim_paid_amount,
        claims[f"line_{name}_amount"],
        ibis.ifelse(claims.claim_line_number == claims.first_line, claims[f"claim_{name}_amount"], _NO_AMOUNT),
    ).cast("decimal(18, 2)")


def _professional(claims: ir.Table) -> ir.Table:
    # Processing codes of allowed lines, and carriers' code of denial, as in the Claim and Claim Line Feed.
    is_denied = claims.processing_code.notin(("A", "O", "R", "S")) | (claims.denial_code == "0")
    is_denied = is_denied.fill_null(False)  # noqa: FBT003
    return claims.mutate(
        claim_type=ibis.literal("professional"),
        claim_status=ibis.ifelse(is_denied, ibis.literal("denied"), _NOTHING),
        denial_code=ibis.ifelse(is_denied, ibis.coalesce(claims.processing_code, claims.denial_code), _NOTHING),
        **_common(claims),
    )


def _pharmacy(claims: ir.Table) -> ir.Table:
    return claims.mutate(
        claim_line_number=ibis.literal(1, "int64"),
        dispensing_provider_npi=ibis.ifelse(claims.dispensing_qualifier == "01", claims.dispensing_id, _NOTHING),
        prescribing_provider_npi=ibis.ifelse(claims.prescribing_qualifier == "01", claims.prescribing_id, _NOTHING),
        **_paid(claims),
    )


def _common(claims: ir.Table) -> dict[str, ir.Value]:
    return {"diagnosis_code_type": _code_type(claims.icd_indicator, "cm"), **_paid(claims)}


def _code_type(indicator: ir.StringValue, kind: str) -> ir.StringValue:
    return ibis.cases((indicator == "0", f"icd-10-{kind}"), (indicator == "9", f"icd-9-{kind}"))


def _paid(claims: ir.Table) -> dict[str, ir.Value]:
    return {**{name: ibis.literal(value) for name, value in _PAID.items()}, "file_name": claims.source_file}


def _eligibility(staging: Staging) -> ir.Table:
    staging.keep_newest("beneficiary", ["person_id", "year"], "a later row has the same person and year")
    people = staging.accepted("beneficiary")
    months = ibis.union(*(_month(people, number) for number in _MONTHS))
    months = months.filter(months.has_part_a | months.has_part_b)
    # Months that follow each other and are alike have the same distance from their number.
    alike = ["person_id", *_MONTHLY]
    in_order = ibis.row_number().over(ibis.window(group_by=alike, order_by="month_number"))
    spans = (
        months.mutate(island=_.month_number - in_order)
        .group_by(*alike, "island")
        .aggregate(first=_.month_number.min(), last=_.month_number.max())
    )
    known = people.drop("line_number", "year", "change")
    newest = ibis.window(group_by="person_id", order_by=people.year.desc())
    person = people.mutate(place=ibis.row_number().over(newest)).filter(_.place == 0).select(known.columns)
    joined = spans.inner_join(person, "person_id")
    last_day = (_first_day(joined.last + 1) - ibis.interval(days=1)).cast("date")
    return joined.mutate(
        enrollment_start_date=_first_day(joined.first),
        # Months after death are left for the checks to find.
        enrollment_end_date=ibis.ifelse(
            joined.death_date >= _first_day(joined.first), ibis.least(last_day, joined.death_date), last_day
        ).fill_null(last_day),
        death_flag=joined.death_date.notnull(),
        payer_type=ibis.literal("medicare"),
        **_paid(joined),
    )


def _month(people: ir.Table, number: int) -> ir.Table:
    """Entitlement of each person in one month of the row's year; the month is numbered from year 0."""
    buy_in = people[f"buy_in_{number}"]
    county = people[f"county_{number}"]
    return people.select(
        "person_id",
        month_number=people.year * 12 + (number - 1),
        has_part_a=buy_in.isin(("1", "3", "A", "C")).fill_null(False),  # noqa: FBT003
        has_part_b=buy_in.isin(("2", "3", "B", "C")).fill_null(False),  # noqa: FBT003
        # 0 is none, 4 a fee-for-service demonstration.
        has_managed_care=people[f"managed_care_{number}"].notin(("0", "4")).fill_null(False),  # noqa: FBT003
        dual_status_code=people[f"dual_{number}"].nullif("**"),
        medicare_status_code=_known_status(people[f"status_{number}"]),
        county_fips=ibis.ifelse(county.re_search("^[0-9]{5}$"), county, _NOTHING),
    )


def _known_status(status: ir.StringValue) -> ir.StringValue:
    return ibis.ifelse(status.isin(("00", "10", "11", "20", "21", "31")), status, _NOTHING)


def _first_day(month_number: ir.IntegerValue) -> ir.DateValue:
    year = (month_number // 12).cast("int64")
    return ibis.date(year.cast("string") + "-" + (month_number % 12 + 1).cast("string").lpad(2, "0") + "-01")
