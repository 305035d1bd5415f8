"""Claim and Claim Line Feed of CMS: files 1 to 9, A and B, fixed width, or CSV with the fields' names as header.

What to know of the feed:

* It has no enrolment. Spans begin with the range that file 8 gives, or with the later of its Part A and Part B begin
  dates, and end with the range, with death, or on the last day of the delivery's month.
* Institutional lines have no allowed amount: what was paid stands for it. Lines' payments are used where they add up to
  the claim's; else the claim's payment stands on its first line.
* Claims carry the identifier that was current when they were paid: file 9 maps old to current ones at once.
* Days of payment are not delivered: the day on which a version took effect stands for it, or else the day on which it
  was loaded.

Source: CMS, Claim and Claim Line Feed Information Packet; widths hold for the record lengths that file 0 declares.
"""

from __future__ import annotations

import re

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.adapters.fixed_width import read_fixed_width
from openvbp.claims.adapters.layout import load_layout
from openvbp.claims.adapters.source_files import by_columns, delivery_date, list_files
from openvbp.claims.adapters.staging import Delivered, Staging, stacked
from openvbp.claims.adapters.text_problems import problem

_NUMBERED = re.compile(r"(?:^|[._])(?:ZC|CCLF)([1-9AB])(?:[WYR_.]|$)", re.IGNORECASE)
_KINDS = {
    "1": "part_a_header",
    "2": "part_a_line",
    "3": "part_a_procedure",
    "4": "part_a_diagnosis",
    "5": "part_b_line",
    "6": "equipment_line",
    "7": "part_d",
    "8": "beneficiary",
    "9": "identifier",
    "A": "part_a_program",
    "B": "part_b_program",
}
_CODES = 25
_PAID = {"payer": "medicare", "plan": "medicare", "data_source": "cclf"}
_DENIAL_OF_CARRIER = "0"
"""Carrier payment denial code of a denied claim."""
_ALLOWED_PROCESSING = ("A", "O", "R", "S")
"""Processing codes of lines that are allowed, or denied only in part: Public Use descriptions of SLAAM."""


def stage(staging: Staging, source: str) -> None:
    """Tell the files by the number in their names, or by their columns, and read them."""
    layout = load_layout("cclf")
    files = []
    for path in list_files(source):
        found = _NUMBERED.search(path.name)
        if path.suffix.lower() == ".csv":
            one = by_columns(layout, path, ",")
        elif found:
            kind = _KINDS[found[1].upper()]
            one = Delivered(
                path, kind, lambda path=path, kind=kind: read_fixed_width(path, layout[kind]), delivery_date(path)
            )
        else:
            one = None
        if one:
            files.append(one)
        else:
            staging.ignored.append(path.name)
    if not files:
        raise problem(source, "no file is one of the feed", "names hold ZC1 to ZC9, ZCA or ZCB, as CMS delivers them")
    staging.stage(layout, files)


def tables(staging: Staging) -> dict[str, ir.Table]:
    """Map identifiers, join headers, lines, codes and program amounts, and give the tables."""
    current = _current_identifiers(staging)
    claims = []
    if "part_a_header" in staging:
        claims.append(_institutional(staging, current))
    for kind, file in (("part_a_line", 2), ("part_a_procedure", 3), ("part_a_diagnosis", 4), ("part_a_program", "A")):
        if kind in staging and "part_a_header" not in staging:
            staging.reject_orphans(kind, "part_a_header", "claim_id", f"file 1 has no claim of this row of file {file}")
    claims += [_professional(staging, current, kind) for kind in ("part_b_line", "equipment_line") if kind in staging]
    given: dict[str, ir.Table] = {}
    if claims:
        given["medical_claim"] = stacked(claims)
    if "part_d" in staging:
        given["pharmacy_claim"] = _pharmacy(staging, current)
    if "beneficiary" in staging:
        given["eligibility"] = _eligibility(staging, current)
    return given


def _current_identifiers(staging: Staging) -> ir.Table | None:
    """One row per former identifier, with the one that took its place last."""
    if "identifier" not in staging:
        return None
    staging.keep_newest("identifier", ["previous_id"], "a newer row says what took the place of this identifier")
    known = staging.accepted("identifier").filter(_.previous_id != _.current_id)
    return known.select("previous_id", "current_id")


def _with_person(rows: ir.Table, current: ir.Table | None) -> ir.Table:
    """Put the current identifier in the place of a former one; ``member_id`` keeps what was delivered."""
    rows = rows.mutate(member_id=_.person_id)
    if current is None:
        return rows
    joined = rows.left_join(current, rows.person_id == current.previous_id)
    return joined.mutate(person_id=ibis.coalesce(_.current_id, _.person_id)).drop("current_id", "previous_id")


def _institutional(staging: Staging, current: ir.Table | None) -> ir.Table:
    staging.keep_newest("part_a_header", ["claim_id"], "the same claim was delivered again later")
    headers = _with_person(staging.accepted("part_a_header"), current)
    if "part_a_line" in staging:
        staging.reject_orphans("part_a_line", "part_a_header", "claim_id", "file 1 has no claim of this line")
        staging.keep_newest_delivery(
            "part_a_line", ["claim_id", "claim_line_number"], "the same line was delivered again later"
        )
        lines = staging.accepted("part_a_line").drop("source_file", "line_number", "file_date")
        whole = lines.group_by("claim_id").aggregate(
            first_line=_.claim_line_number.min(), line_sum=_.line_paid_amount.sum().cast("decimal(18, 2)")
        )
        headers = headers.left_join(whole, "claim_id").drop("claim_id_right")
        claims = headers.left_join(lines, "claim_id").drop("claim_id_right")
    else:
        claims = headers.mutate(
            first_line=ibis.null("int64"),
            line_sum=ibis.null("decimal(18, 2)"),
            claim_line_number=ibis.null("int64"),
            line_paid_amount=ibis.null("decimal(18, 2)"),
            claim_line_start_date=ibis.null("date"),
            revenue_center_date=ibis.null("date"),
        )
    for kind, codes in (
        ("part_a_diagnosis", _diagnoses),
        ("part_a_procedure", _procedures),
        ("part_a_program", _program),
    ):
        if kind in staging:
            staging.reject_orphans(kind, "part_a_header", "claim_id", "file 1 has no claim of this row")
            claims = claims.left_join(codes(staging, headers), "claim_id").drop("claim_id_right")
    return _as_institutional(claims)


def _as_institutional(claims: ir.Table) -> ir.Table:
    is_first = claims.claim_line_number.isnull() | (claims.claim_line_number == claims.first_line)
    is_inpatient = claims.x_claim_type_code.isin(("60", "61"))
    # Lines' amounts are used where they are the claim's; else the claim's amount stands on its first line.
    paid = ibis.ifelse(
        claims.line_sum == claims.claim_paid_amount,
        claims.line_paid_amount,
        ibis.ifelse(is_first, claims.claim_paid_amount, ibis.null("decimal(18, 2)")),
    )
    cared_from = claims.admission_date if "admission_date" in claims.columns else ibis.null("date")
    principal = {} if "diagnosis_code_1" in claims.columns else {"diagnosis_code_1": claims.principal_diagnosis}
    return claims.mutate(
        claim_type=ibis.literal("institutional"),
        claim_line_number=claims.claim_line_number.fill_null(1),
        claim_line_start_date=ibis.coalesce(claims.claim_line_start_date, claims.revenue_center_date),
        facility_ccn=ibis.coalesce(claims.facility_ccn, claims.billing_ccn),
        bill_type_code=claims.bill_facility + claims.bill_classification + claims.bill_frequency,
        admission_date=ibis.ifelse(is_inpatient, ibis.coalesce(cared_from, claims.claim_start_date), cared_from),
        discharge_date=ibis.ifelse(
            is_inpatient & (claims.discharge_disposition_code != "30"), claims.claim_end_date, ibis.null("date")
        ),
        drg_code_type=ibis.ifelse(claims.drg_code.notnull(), ibis.literal("ms-drg"), ibis.null("string")),
        paid_amount=paid,
        allowed_amount=paid,
        charge_amount=ibis.ifelse(is_first, claims.claim_charge_amount, ibis.null("decimal(18, 2)")),
        claim_status=ibis.ifelse(claims.denial_code.notnull(), ibis.literal("denied"), ibis.null("string")),
        **principal,
        **_common(claims),
    )


def _professional(staging: Staging, current: ir.Table | None, kind: str) -> ir.Table:
    claims = _with_person(staging.accepted(kind), current)
    if kind == "part_b_line" and "part_b_program" in staging:
        staging.reject_orphans("part_b_program", "part_b_line", "claim_id", "file 5 has no claim of this row")
        staging.keep_newest_delivery(
            "part_b_program", ["claim_id", "claim_line_number"], "the same line was delivered again later"
        )
        program = staging.accepted("part_b_program").drop("source_file", "line_number", "file_date")
        claims = claims.left_join(program, ["claim_id", "claim_line_number"]).drop(
            "claim_id_right", "claim_line_number_right"
        )
    is_denied = claims.processing_code.notin(_ALLOWED_PROCESSING) | (claims.denial_code == _DENIAL_OF_CARRIER)
    is_denied = is_denied.fill_null(False)  # noqa: FBT003
    nothing = ibis.null("string")
    return claims.mutate(
        claim_type=ibis.literal("professional"),
        claim_status=ibis.ifelse(is_denied, ibis.literal("denied"), nothing),
        denial_code=ibis.ifelse(is_denied, claims.denial_code, nothing),
        **_common(claims),
    )


def _common(claims: ir.Table) -> dict[str, ir.Value]:
    systems = {}
    indicator = claims.icd_indicator if "icd_indicator" in claims.columns else ibis.null("string")
    if "icd_indicator" in claims.columns:
        systems["diagnosis_code_type"] = ibis.cases((indicator == "0", "icd-10-cm"), (indicator == "9", "icd-9-cm"))
    if "procedure_code_1" in claims.columns:
        systems["procedure_code_type"] = ibis.cases((indicator == "0", "icd-10-pcs"), (indicator == "9", "icd-9-pcs"))
    return {
        **{name: ibis.literal(value) for name, value in _PAID.items()},
        **systems,
        "paid_date": ibis.coalesce(claims.effective_date, claims.idr_load_date),
        "file_name": claims.source_file,
    }


def _diagnoses(staging: Staging, headers: ir.Table) -> ir.Table:
    """One row per claim with its diagnoses in columns: the principal one first, external causes last."""
    staging.reject("part_a_diagnosis", _.sequence > _CODES, f"only {_CODES} diagnoses are kept")
    rows = staging.accepted("part_a_diagnosis")
    place = _.sequence + ibis.ifelse(_.kind == "D", 0, 2 * _CODES)
    listed = rows.select("claim_id", code=_.diagnosis_code, poa=_.diagnosis_poa, place=place)
    principal = headers.filter(_.principal_diagnosis.notnull()).select(
        "claim_id", code=_.principal_diagnosis, poa=ibis.null("string"), place=ibis.literal(0, "int64")
    )
    codes = ibis.union(listed, principal).group_by("claim_id", "code").aggregate(poa=_.poa.max(), place=_.place.min())
    order = ibis.window(group_by="claim_id", order_by=["place", "code"])
    return _in_columns(
        codes.mutate(number=ibis.row_number().over(order) + 1), {"code": "diagnosis_code", "poa": "diagnosis_poa"}
    )


def _procedures(staging: Staging, _headers: ir.Table) -> ir.Table:
    staging.reject("part_a_procedure", _.sequence > _CODES, f"only {_CODES} procedures are kept")
    rows = staging.accepted("part_a_procedure").mutate(number=_.sequence)
    return _in_columns(rows, {"procedure_code": "procedure_code", "procedure_date": "procedure_date"})


def _in_columns(rows: ir.Table, names: dict[str, str]) -> ir.Table:
    return rows.group_by("claim_id").aggregate(
        **{
            f"{target}_{number}": rows[name].max(where=rows.number == number)
            for name, target in names.items()
            for number in range(1, _CODES + 1)
        }
    )


def _program(staging: Staging, _headers: ir.Table) -> ir.Table:
    staging.keep_newest("part_a_program", ["claim_id"], "the same claim was delivered again later")
    return staging.accepted("part_a_program").drop("source_file", "line_number", "file_date")


def _pharmacy(staging: Staging, current: ir.Table | None) -> ir.Table:
    claims = _with_person(staging.accepted("part_d"), current)
    natural_key = (
        claims.dispensing_date.cast("string"),
        claims.dispensing_qualifier,
        claims.dispensing_id,
        claims.dispensing_status,
        claims.reference_number,
        claims.fill_number,
    )
    is_npi = claims.dispensing_qualifier == "01"
    prescriber = ibis.coalesce(claims.prescribing_id_long, claims.prescribing_id)
    return claims.mutate(
        claim_line_number=ibis.literal(1, "int64"),
        claim_control_number=ibis.literal("|").join([part.fill_null("") for part in natural_key]),
        dispensing_provider_npi=ibis.ifelse(is_npi, claims.dispensing_id, ibis.null("string")),
        prescribing_provider_npi=ibis.ifelse(claims.prescribing_qualifier == "01", prescriber, ibis.null("string")),
        copayment_amount=claims.patient_paid_amount,
        **_common(claims),
    )


def _eligibility(staging: Staging, current: ir.Table | None) -> ir.Table:
    rows = staging.kinds["beneficiary"].rows
    staging.put("beneficiary", _with_person(rows, current))
    staging.keep_newest("beneficiary", ["person_id"], "a newer row has the same person")
    begin = ibis.coalesce(_.range_begin_date, ibis.greatest(_.part_a_begin_date, _.part_b_begin_date))
    delivered = (_.file_date.truncate("month").cast("date") + ibis.interval(months=1) - ibis.interval(days=1)).cast(
        "date"
    )
    staging.put(
        "beneficiary",
        staging.kinds["beneficiary"].rows.mutate(
            enrollment_start_date=begin,
            enrollment_end_date=ibis.least(_.range_end_date, _.death_date, delivered),
        ),
    )
    staging.reject("beneficiary", _.enrollment_start_date.isnull(), "no day on which enrolment began")
    staging.reject(
        "beneficiary",
        _.enrollment_end_date.isnull(),
        "no end of enrolment, and the file's name gives no day of delivery",
    )
    staging.reject("beneficiary", _.enrollment_end_date < _.enrollment_start_date, "enrolment ends before it begins")
    people = staging.accepted("beneficiary")
    return people.mutate(
        death_flag=people.death_date.notnull(),
        payer_type=ibis.literal("medicare"),
        county_fips=people.fips_state + people.fips_county,
        has_part_a=ibis.ifelse(
            people.buy_in.notnull(), people.buy_in.isin(("1", "3", "A", "C")), people.part_a_begin_date.notnull()
        ),
        has_part_b=ibis.ifelse(
            people.buy_in.notnull(), people.buy_in.isin(("2", "3", "B", "C")), people.part_b_begin_date.notnull()
        ),
        file_name=people.source_file,
        **{name: ibis.literal(value) for name, value in _PAID.items()},
    )
