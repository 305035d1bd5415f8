"""Events for measures, made from claims."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.encounters import emergency_visits, encounters
from openvbp.claims.netting import net_pharmacy_claims
from openvbp.claims.service_lines import service_lines
from openvbp.claims.stays import stays
from openvbp.claims.tables import ClaimsData
from openvbp.engine import kept_table
from openvbp.measures.domains import TYPES
from openvbp.measures.event_data import EventData
from openvbp.measures.stay_events import stay_events
from openvbp.measures.value_sets import ValueSet

_NUMBERS = itertools.count()
_DUAL = ("01", "02", "03", "04", "05", "06", "08")
_DIAGNOSES = tuple(f"diagnosis_code_{number}" for number in range(1, 26))
_PRESENT = tuple(f"diagnosis_poa_{number}" for number in range(1, 26))
_PROCEDURES = tuple(range(1, 26))
_PROCEDURE_SYSTEMS = ("icd-10-pcs", "icd-9-pcs")
_SETTINGS = (("11", "inpatient"), ("18", "skilled_nursing"), ("21", "skilled_nursing"), ("28", "skilled_nursing"))
FROM_MEDICAL_CLAIMS = ("claim_line", "condition", "encounter", "procedure", "stay")
EMERGENCY_VISIT = "emergency_visit"
"""Code of the encounters that are visits to an emergency department, those that lead to hospital too."""


def events_from_claims(
    claims: ClaimsData,
    domains: Iterable[str],
    scratch: Path | None = None,
    value_sets: Mapping[str, ValueSet] | None = None,
) -> EventData:
    """Make the events that measures ask for from a claims folder.

    Versions of claims are netted, denials left out. A diagnosis is an event of its claim, over the claim's days; stays
    are acute, with the principal diagnosis and the procedures as their codes; encounters have their type as their code,
    and visits to an emergency department ``emergency_visit``; amounts are allowed amounts in US dollars.

    Parameters
    ----------
    claims
        The folder, opened.
    domains
        Kinds of events (:mod:`openvbp.measures.domains`); those that the folder's tables do not give are left out.
    scratch
        Folder in which netted lines are kept while they are read.
    value_sets
        Those from which fields of stays follow (:mod:`openvbp.measures.planned_readmission`). Procedures of stays are
        read only where a value set has codes of procedures.

    Raises
    ------
    InputDataError
        If the folder has no eligibility, a table is not as the contract says, or value sets are there only in part.
    """
    wanted, sets = set(domains), value_sets or {}
    data_end = None
    eligibility = claims.table("eligibility")
    events: dict[str, ir.Table] = {}
    if wanted & set(FROM_MEDICAL_CLAIMS) and "medical_claim" in claims:
        found, data_end = _from_medical_claims(claims, wanted, scratch, sets)
        events |= found
    if "dispensing" in wanted and "pharmacy_claim" in claims:
        events["dispensing"] = _dispensings(claims.table("pharmacy_claim"))
    if "laboratory" in wanted and "lab_result" in claims:
        events["laboratory"] = _laboratory(claims.table("lab_result"))
    enrollment = eligibility.select("person_id", start_date="enrollment_start_date", end_date="enrollment_end_date")
    return EventData(claims.engine, _persons(eligibility), enrollment, events, data_end)


def kinds_of_events(claims: ClaimsData) -> frozenset[str]:
    """Kinds of events that the tables of a claims folder give."""
    tables = {"medical_claim": FROM_MEDICAL_CLAIMS, "pharmacy_claim": ("dispensing",), "lab_result": ("laboratory",)}
    return frozenset(kind for table, kinds in tables.items() if table in claims for kind in kinds)


def _persons(eligibility: ir.Table) -> ir.Table:
    """One row per person, as the latest span of enrolment says."""
    latest = ibis.window(
        group_by="person_id",
        order_by=[ibis.desc("enrollment_start_date"), ibis.desc("enrollment_end_date"), "payer", "plan", "data_source"],
    )
    return (
        eligibility.mutate(place=ibis.row_number().over(latest))
        .filter(_.place == 0)
        .select(
            "person_id",
            "birth_date",
            "death_date",
            "gender",
            "race",
            "is_rural",
            is_dual=_.dual_status_code.isin(_DUAL),
            area_deprivation_index=_.area_deprivation_index.cast(TYPES["number"]),
        )
    )


def _from_medical_claims(
    claims: ClaimsData, wanted: set[str], scratch: Path | None, sets: Mapping[str, ValueSet]
) -> tuple[dict[str, ir.Table], date | None]:
    """Events, and the last day of a service."""
    table = claims.table("medical_claim")
    there = set(claims.as_read("medical_claim").columns)
    diagnoses = [name for name in _DIAGNOSES if name in there] if "condition" in wanted else []
    needs_procedures = "procedure" in wanted or ("stay" in wanted and _name_procedures(sets))
    procedures = [one for one in _PROCEDURES if f"procedure_code_{one}" in there] if needs_procedures else []
    also = {name for name in diagnoses if name != "diagnosis_code_1"}
    also |= {name for name in _PRESENT if name in there and name.replace("poa", "code") in diagnoses}
    also |= {f"procedure_{what}_{one}" for one in procedures for what in ("code", "date")}
    also |= {"procedure_code_type"} if procedures else set()
    number = next(_NUMBERS)
    kept = service_lines(
        table, lambda rows, name: kept_table(claims.engine, rows, f"measure_{name}_{number}", scratch), sorted(also)
    )
    lines = kept_table(claims.engine, kept.mutate(setting=_setting(kept)), f"measure_lines_{number}", scratch)
    used = lines.filter(_.is_utilization)
    events: dict[str, ir.Table] = {}
    if "condition" in wanted:
        events["condition"] = _conditions(used, diagnoses)
    if "procedure" in wanted:
        events["procedure"] = _procedures(used, procedures)
    if "claim_line" in wanted:
        events["claim_line"] = _claim_lines(lines)
    if wanted & {"stay", "encounter"}:
        stay = claims.engine.compute(stays(lines), f"measure_stays_{number}")
        if "stay" in wanted:
            events["stay"] = stay_events(claims.engine, lines, stay, procedures, sets)
        if "encounter" in wanted:
            # Their codes are looked at before they are matched.
            found = _encounters(lines, stay)
            events["encounter"] = kept_table(claims.engine, found, f"measure_encounters_{number}", scratch)
    last_day = claims.engine.to_arrow(lines.aggregate(day=_.service_date.max()))["day"][0].as_py()
    return events, last_day


def _name_procedures(sets: Mapping[str, ValueSet]) -> bool:
    return any(system in _PROCEDURE_SYSTEMS for one in sets.values() for system, _code in one.codes)


def _setting(lines: ir.Table) -> ir.StringValue:
    kind = lines.bill_type_code.substr(0, 2)
    known = [((kind == prefix).fill_null(False), name) for prefix, name in _SETTINGS]  # noqa: FBT003
    return ibis.cases((lines.claim_type == "professional", "professional"), *known, else_="outpatient")


def _conditions(lines: ir.Table, diagnoses: list[str]) -> ir.Table:
    parts = []
    for name in diagnoses:
        present = name.replace("code", "poa")
        parts.append(
            lines.select(
                "person_id",
                "setting",
                event_id=_.claim_id,
                code_system=_.diagnosis_code_type.fill_null("icd-10-cm"),
                code=_[name],
                start_date=_.service_date,
                end_date=_.service_end_date,
                is_principal=ibis.literal(name == "diagnosis_code_1") & (_.claim_type == "institutional"),
                present_on_admission=_[present] if present in lines.columns else ibis.null("string"),
            ).filter(_.code.notnull())
        )
    return parts[0] if len(parts) == 1 else ibis.union(*parts, distinct=False)


def _procedures(lines: ir.Table, procedures: list[int]) -> ir.Table:
    billed = lines.filter(_.hcpcs_code.notnull()).select(
        "person_id",
        "setting",
        event_id=_line_id(_),
        code_system=ibis.literal("hcpcs"),
        code=_.hcpcs_code,
        start_date=_.service_date,
        end_date=_.service_end_date,
    )
    done = [
        lines.filter(_[f"procedure_code_{one}"].notnull()).select(
            "person_id",
            "setting",
            event_id=_.claim_id,
            code_system=_.procedure_code_type.fill_null("icd-10-pcs"),
            code=_[f"procedure_code_{one}"],
            start_date=ibis.coalesce(_[f"procedure_date_{one}"], _.service_date),
            end_date=ibis.coalesce(_[f"procedure_date_{one}"], _.service_date),
        )
        for one in procedures
    ]
    return ibis.union(billed, *done, distinct=False) if done else billed


def _claim_lines(lines: ir.Table) -> ir.Table:
    return lines.select(
        "person_id",
        "setting",
        event_id=_line_id(_),
        code_system=ibis.literal("hcpcs"),
        code=_.hcpcs_code,
        start_date=_.service_date,
        end_date=_.service_end_date,
        value=_.allowed_amount.cast(TYPES["number"]),
    )


def _line_id(lines: ir.Table) -> ir.StringValue:
    return lines.claim_id + ibis.literal(" ") + lines.claim_line_number.cast("string")


def _encounters(lines: ir.Table, stay: ir.Table) -> ir.Table:
    system = ibis.literal("encounter-type")
    by_type = encounters(lines).select(
        "person_id",
        "start_date",
        "end_date",
        event_id=_.encounter_id,
        code_system=system,
        code=_.encounter_type,
        value=_.allowed_amount.cast(TYPES["number"]),
        facility_id=_.provider,
    )
    visits = emergency_visits(lines, stay)
    emergencies = visits.select(
        "person_id",
        start_date=visits.visit_date,
        end_date=visits.visit_date,
        event_id=ibis.literal(EMERGENCY_VISIT + " ") + visits.visit_date.cast("string"),
        code_system=system,
        code=ibis.literal(EMERGENCY_VISIT),
        value=ibis.null(TYPES["number"]),
        facility_id=ibis.null("string"),
    )
    return ibis.union(by_type, emergencies.select(by_type.columns), distinct=False)


def _dispensings(pharmacy_claim: ir.Table) -> ir.Table:
    netted = net_pharmacy_claims(pharmacy_claim)
    return netted.filter(
        _.is_utilization,
        _.claim_status.isnull() | (_.claim_status == "final"),
        _.days_supply.isnull() | (_.days_supply > 0),
    ).select(
        "person_id",
        event_id=_line_id(_),
        code_system=ibis.literal("ndc"),
        code=_.ndc_code,
        start_date=_.dispensing_date,
        end_date=_.dispensing_date,
        days_supply=_.days_supply.cast(TYPES["number"]),
        value=_.allowed_amount.cast(TYPES["number"]),
    )


def _laboratory(lab_result: ir.Table) -> ir.Table:
    """Results that were not cancelled; a value that is no number, such as ``positive``, is none."""
    system = ibis.coalesce(_.normalized_component_type, _.source_component_type).lower()
    taken = ibis.coalesce(_.collection_datetime, _.result_datetime).substr(0, 10)
    rows = lab_result.select(
        "person_id",
        "status",
        event_id=_.lab_result_id,
        code_system=ibis.ifelse(system == "snomed", "snomed-ct", system),
        code=ibis.coalesce(_.normalized_component_code, _.source_component_code),
        start_date=taken.try_cast("date"),
        value=_.result.try_cast(TYPES["number"]),
        unit=ibis.coalesce(_.normalized_units, _.source_units),
    )
    is_taken_back = rows.status.isin(("cancelled", "entered-in-error")).fill_null(False)  # noqa: FBT003
    given = rows.filter(rows.start_date.notnull(), ~is_taken_back)
    return given.mutate(end_date=given.start_date)
