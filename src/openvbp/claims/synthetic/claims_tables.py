"""What was drawn, as the tables of the contract."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from openvbp.claims.synthetic.adjustments import DENIALS, Adjusted
from openvbp.claims.synthetic.coding import Coded
from openvbp.claims.synthetic.enrollment import enrollment_spans
from openvbp.claims.synthetic.files import constant, dates, decimals, text, truth_values
from openvbp.claims.synthetic.identifiers import numbered
from openvbp.claims.synthetic.laboratory import TESTS
from openvbp.claims.synthetic.lines import DIAGNOSES
from openvbp.claims.synthetic.months import first_of_month, month_of
from openvbp.claims.synthetic.organizations import Organizations
from openvbp.claims.synthetic.people import RACES, People
from openvbp.claims.synthetic.providers import NEVER, Providers
from openvbp.claims.synthetic.region import Region
from openvbp.claims.synthetic.relations import Relations
from openvbp.claims.synthetic.settings import rows

SOURCE, PAYER, PLAN = "synthetic", "medicare", "medicare fee for service"
_CLAIM_TYPES = ["professional", "institutional"]
_DUAL = ["00", "02"]
_STATUS = ["10", "11", "20", "21"]
_TWO_DIGITS = [f"{number:02d}" for number in range(100)]

Columns = dict[str, pa.Array]


def person_ids(region: Region) -> pa.StringArray:
    """Identifiers of the members: eleven characters, and no Medicare number, which begins with a digit."""
    return numbered(f"S{region.number:04d}", np.arange(region.members), 6)


def claim_ids(region: Region, numbers: np.ndarray) -> pa.StringArray:
    """Identifiers of claims: thirteen digits."""
    return numbered(f"{region.number:04d}", numbers, 9)


def eligibility(region: Region, people: People) -> Columns:
    """One row per member × span."""
    spans = enrollment_spans(region, people)
    person = spans["person"]
    died = people.death[person]
    fips = [f"{region.state['fips']}{2 * county + 1:03d}" for county in range(6)]
    renal = people.has_renal_failure[person]
    is_joiner = people.start[person] > region.first_day
    codes = np.where(people.was_disabled[person], np.where(renal, 3, 1), np.where(renal, 2, 0))
    count = len(person)
    return {
        "person_id": text(person, person_ids(region)),
        "gender": text(people.is_female[person].astype(np.int8), ["male", "female"]),
        "race": text(people.race[person], list(RACES)),
        "birth_date": dates(people.birth[person]),
        "death_date": dates(died, missing=died == NEVER),
        "death_flag": truth_values(died < NEVER),
        "enrollment_start_date": dates(spans["start"]),
        "enrollment_end_date": dates(spans["end"]),
        "payer": constant(PAYER, count),
        "payer_type": constant("medicare", count),
        "plan": constant(PLAN, count),
        "original_reason_entitlement_code": text(codes, ["0", "1", "2", "3"]),
        "dual_status_code": text(spans["is_dual"].astype(np.int8), _DUAL),
        "medicare_status_code": text(spans["status"], _STATUS),
        "state": constant(region.state["state"], count),
        "data_source": constant(SOURCE, count),
        "enrollment_status": text(np.where(is_joiner, 1, 0), ["continuing", "new"]),
        "medicaid_indicator": truth_values(spans["is_dual"]),
        "long_term_institutional_flag": truth_values(people.in_institution[person]),
        "low_income_subsidy_indicator": truth_values(spans["is_dual"]),
        "current_reason_entitlement_code": text(
            np.where(renal, 2, np.where(spans["status"] >= 2, 1, 0)),
            ["0", "1", "2"],
        ),
        "has_part_a": truth_values(np.ones(count, bool)),
        "has_part_b": truth_values(spans["has_part_b"]),
        "has_managed_care": truth_values(spans["has_managed_care"]),
        "county_fips": text(spans["county"], fips),
        "area_deprivation_index": pa.array(people.deprivation[person].astype(np.int64)),
        "is_rural": truth_values(spans["is_rural"]),
    }


def medical_claim(region: Region, providers: Providers, adjusted: Adjusted, coded: Coded) -> Columns:
    """One row per claim line, version and delivery."""
    lines, words = adjusted.lines, region.words
    count = len(adjusted.claim)
    institutional = lines["is_institutional"]
    clinician, facility = lines["clinician"], lines["facility"]
    renders = ~institutional | (lines["revenue"] == words["revenue"].number("0983"))
    rendering = np.where(renders, clinician, -1)
    attending = np.where(institutional, clinician, -1)
    tin = providers.tin_at(rendering, lines["start"])
    billing_tin = np.where(institutional, providers.tin[facility], -1)
    specialty_texts = sorted(set(providers.specialty) - {""})
    specialty = np.array([specialty_texts.index(code) if code else -1 for code in providers.specialty])
    admitted, discharged = lines["admission"], lines["discharge"]
    diagnosis_words = words["diagnosis"].texts
    # The first version's claim number finds the diagnoses that all versions share.
    of_claim = np.where(adjusted.control >= 0, adjusted.control, adjusted.claim)
    has_drg = lines["drg"] >= 0
    has_procedure = (lines["procedure"] >= 0) & institutional
    effective = np.where(adjusted.version >= 0, adjusted.paid_on, -1)
    delivered = first_of_month(month_of(adjusted.paid_on) + 1 + adjusted.copy)
    number = _line_numbers(adjusted)
    return {
        "claim_id": claim_ids(region, adjusted.claim),
        "claim_line_number": pa.array(number),
        "claim_type": text(institutional.astype(np.int8), _CLAIM_TYPES),
        "person_id": text(lines["person"], person_ids(region)),
        "payer": constant(PAYER, count),
        "plan": constant(PLAN, count),
        "claim_start_date": dates(lines["start"]),
        "claim_end_date": dates(lines["end"]),
        "admission_date": dates(admitted, missing=admitted < 0),
        "discharge_date": dates(discharged, missing=discharged < 0),
        "admit_source_code": _digits(lines["admit_source"]),
        "admit_type_code": _digits(lines["admit_type"]),
        "discharge_disposition_code": text(lines["disposition"], _TWO_DIGITS),
        "place_of_service_code": text(lines["place"], words["place"].texts),
        "bill_type_code": text(lines["bill_type"], words["bill_type"].texts),
        "drg_code_type": text(np.where(has_drg, 0, -1), ["ms-drg"]),
        "drg_code": text(lines["drg"], words["drg"].texts),
        "revenue_center_code": text(lines["revenue"], words["revenue"].texts),
        "service_unit_quantity": decimals(lines["units"].astype(np.int64) * 10_000, 4),
        "hcpcs_code": text(lines["hcpcs"], words["hcpcs"].texts),
        "hcpcs_modifier_1": text(lines["modifier"], words["modifier"].texts),
        "rendering_npi": text(rendering, providers.npi),
        "rendering_tin": text(tin, providers.tins),
        "billing_tin": text(billing_tin, providers.tins),
        "facility_npi": text(facility, providers.npi),
        "paid_date": dates(adjusted.paid_on),
        "paid_amount": decimals(lines["paid"]),
        "allowed_amount": decimals(lines["allowed"]),
        "diagnosis_code_type": constant("icd-10-cm", count),
        **{
            f"diagnosis_code_{place + 1}": text(coded.diagnoses[of_claim, place], diagnosis_words)
            for place in range(DIAGNOSES)
        },
        "procedure_code_type": text(np.where(has_procedure, 0, -1), ["icd-10-pcs"]),
        "procedure_code_1": text(np.where(has_procedure, lines["procedure"], -1), words["procedure"].texts),
        "procedure_date_1": dates(admitted, missing=~has_procedure),
        "data_source": constant(SOURCE, count),
        "file_date": dates(delivered),
        "rendering_specialty_code": text(np.where(rendering >= 0, specialty[rendering], -1), specialty_texts),
        "facility_ccn": text(facility, providers.ccn),
        "attending_npi": text(attending, providers.npi),
        "operating_npi": text(lines["operating"], providers.npi),
        "other_npi": text(lines["other"], providers.npi),
        "adjustment_type": text(adjusted.version, ["0", "1", "2"]),
        "claim_status": text((adjusted.denial < 0).astype(np.int8), ["denied", "final"]),
        "denial_code": text(adjusted.denial, list(DENIALS)),
        "claim_control_number": _claim_ids_where(region, adjusted.control),
        "effective_date": dates(effective, missing=effective < 0),
    }


def _claim_ids_where(region: Region, numbers: np.ndarray) -> pa.DictionaryArray:
    """Identifiers of claims; null for negative numbers."""
    distinct, at = np.unique(numbers, return_inverse=True)
    absent = int((distinct < 0).sum())
    return text((at - absent).astype(np.int32), claim_ids(region, distinct[absent:]))


def _digits(numbers: np.ndarray) -> pa.DictionaryArray:
    return text(numbers, [str(one) for one in range(10)])


def _line_numbers(adjusted: Adjusted) -> np.ndarray:
    """Number the lines of each claim from 1; lines of one claim and delivery stand together."""
    key = adjusted.claim.astype(np.int64) * 2 + adjusted.copy
    begins = np.flatnonzero(np.diff(key, prepend=-1) != 0)
    length = np.diff(np.append(begins, len(key)))
    return np.arange(len(key)) - np.repeat(begins, length) + 1


def pharmacy_claim(region: Region, providers: Providers, fills: dict[str, np.ndarray]) -> Columns:
    """One row per fill."""
    count = len(fills["person"])
    return {
        "claim_id": numbered(f"{region.number:04d}8", np.arange(count), 8),
        "claim_line_number": pa.array(np.ones(count, np.int64)),
        "person_id": text(fills["person"], person_ids(region)),
        "payer": constant(PAYER, count),
        "plan": constant("medicare part d", count),
        "prescribing_provider_npi": text(fills["prescriber"], providers.npi),
        "dispensing_date": dates(fills["day"]),
        "ndc_code": text(fills["drug"], [row["ndc"] for row in rows("drugs")]),
        "quantity": decimals(fills["quantity"] * 10_000, 4),
        "days_supply": pa.array(fills["supply"]),
        "refills": pa.array(fills["refill"]),
        "paid_date": dates(fills["day"] + 14),
        "paid_amount": decimals(fills["paid"]),
        "allowed_amount": decimals(fills["allowed"]),
        "data_source": constant(SOURCE, count),
    }


def lab_result(region: Region, providers: Providers, results: dict[str, np.ndarray]) -> Columns:
    """One row per result."""
    count = len(results["person"])
    values, numbers = np.unique(results["tenths"], return_inverse=True)
    days, day = np.unique(results["day"], return_inverse=True)
    written = [str(one) for one in days.astype("datetime64[D]")]
    return {
        "lab_result_id": numbered(f"L{region.number:04d}", np.arange(count), 8),
        "person_id": text(results["person"], person_ids(region)),
        "source_component_type": constant("loinc", count),
        "source_component_code": text(results["test"], [code for code, _ in TESTS]),
        "status": constant("final", count),
        "result": text(numbers, [f"{value // 10}.{value % 10}" for value in values]),
        "result_datetime": text(day, written),
        "collection_datetime": text(day, written),
        "source_units": text(results["test"], [unit for _, unit in TESTS]),
        "ordering_practitioner_id": text(results["clinician"], providers.npi),
        "data_source": constant(SOURCE, count),
    }


def provider(region: Region, providers: Providers) -> Columns:
    """One row per provider × practice."""
    total = len(providers.npi)
    moved = np.flatnonzero(providers.moved_on < NEVER)
    who = np.concatenate([np.arange(total), moved])
    later = np.arange(len(who)) >= total
    order = np.lexsort((later, who))
    who, later = who[order], later[order]
    start = np.where(later, providers.moved_on[who], providers.start[who])
    end = np.where(later | (providers.moved_on[who] == NEVER), providers.end[who], providers.moved_on[who] - 1)
    codes = sorted(set(providers.specialty) - {""})
    specialty = np.array([codes.index(code) if code else -1 for code in providers.specialty])
    ccns = sorted(set(providers.ccn) - {""})
    ccn = np.array([ccns.index(code) if code else -1 for code in providers.ccn])
    return {
        "npi": text(who, providers.npi),
        "tin": text(np.where(later, providers.later_tin[who], providers.tin[who]), providers.tins),
        "ccn": text(ccn[who], ccns),
        "specialty_code": text(specialty[who], codes),
        "state": constant(region.state["state"], len(who)),
        "start_date": dates(start),
        "end_date": dates(end, missing=end >= NEVER),
    }


def participant(organizations: Organizations) -> Columns:
    """One row per organization × participant × span."""
    names, tins, ccns, starts, ends = (list(one) for one in zip(*organizations.participants, strict=True))
    end = np.array(ends)
    return {
        "organization_id": pa.array(names, pa.string()),
        "tin": pa.array(tins, pa.string()),
        "ccn": pa.array(ccns, pa.string()),
        "start_date": dates(np.array(starts)),
        "end_date": dates(end, missing=end >= NEVER),
    }


def attestation(
    region: Region, providers: Providers, organizations: Organizations, attested: dict[str, np.ndarray]
) -> Columns:
    """One row per attestation."""
    return {
        "person_id": text(attested["person"], person_ids(region)),
        "npi": text(attested["clinician"], providers.npi),
        "tin": text(attested["practice"], providers.tins),
        "organization_id": text(organizations.of_practice[attested["practice"]], organizations.names),
        "start_date": dates(attested["start"]),
    }


def provider_attribution(
    region: Region, people: People, providers: Providers, relations: Relations, organizations: Organizations
) -> Columns:
    """One row per member with a usual clinician × covered month: the payer's own list, which knows whom he chose."""
    months = month_of(np.array([region.first_day]))[0] + np.arange(12 * region.years)
    days = first_of_month(months)
    members = np.flatnonzero(relations.has_primary).astype(np.int32)
    covered = people.covered(members[:, None], days[None, :])
    row, month = np.nonzero(covered)
    person, day = members[row], days[month]
    usual = relations.primary[person, month // 12]
    practice = providers.tin_at(usual, day)
    calendar = (1970 + months // 12) * 100 + months % 12 + 1
    return {
        "person_id": text(person, person_ids(region)),
        "year_month": pa.array(calendar[month].astype(np.int64)),
        "payer": constant(PAYER, len(person)),
        "plan": constant(PLAN, len(person)),
        "data_source": constant(SOURCE, len(person)),
        "payer_attributed_provider": text(usual, providers.npi),
        "payer_attributed_provider_practice": text(practice, providers.tins),
        "payer_attributed_provider_organization": text(organizations.of_practice[practice], organizations.names),
    }
