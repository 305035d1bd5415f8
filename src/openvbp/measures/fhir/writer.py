"""Events written as bundles, one patient each, for engines that read FHIR; the reader gives the same events back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from openvbp.errors import InputDataError, Problem
from openvbp.measures.value_sets import ValueSet

Row = Mapping[str, Any]
_ADDRESSES = {
    "snomed-ct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "icd-10-cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "icd-9-cm": "http://hl7.org/fhir/sid/icd-9-cm",
    "icd-10-pcs": "http://www.cms.gov/Medicare/Coding/ICD10",
    "icd-9-pcs": "urn:oid:2.16.840.1.113883.6.104",
    "ndc": "http://hl7.org/fhir/sid/ndc",
    "cvx": "http://hl7.org/fhir/sid/cvx",
    "cpt": "http://www.ama-assn.org/go/cpt",
    "cpt-ii": "http://www.ama-assn.org/go/cpt",
    "hcpcs": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "cdt": "http://www.ada.org/cdt",
}
_DECLINED = "http://hl7.org/fhir/us/qicore/StructureDefinition/qicore-doNotPerform"


def bundle_of(person: Row, events: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """Write a person and the person's events as a bundle.

    Parameters
    ----------
    person
        Of the table of persons; ``person_id`` must be an id of FHIR (letters, digits, ``-`` and ``.``).
    events
        Kind of events to rows, an event with several codes once for each.

    Raises
    ------
    InputDataError
        If a kind of events, or a system of codes, cannot be written.
    """
    patient = {
        "resourceType": "Patient",
        "id": person["person_id"],
        "gender": person.get("gender"),
        "birthDate": _day(person.get("birth_date")),
        "deceasedDateTime": _day(person.get("death_date")),
    }
    resources = [_without_nothing(patient)]
    for kind, rows in events.items():
        if rows and kind not in _WRITERS:
            raise InputDataError(Problem(f"events of kind {kind} cannot be written as FHIR", kind, "leave them out"))
        grouped: dict[str, list[Row]] = {}
        for row in rows:
            grouped.setdefault(row["event_id"], []).append(row)
        for number, some in enumerate(grouped.values(), 1):
            subject = {"reference": f"Patient/{person['person_id']}"}
            about = {"id": f"{person['person_id']}-{kind.replace('_', '-')}-{number}"[-64:], "subject": subject}
            resources.append(_without_nothing(about | _WRITERS[kind](some[0], {"coding": _codings(some)})))
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}


def value_set_bundle(sets: Mapping[str, ValueSet]) -> dict[str, Any]:
    """Write value sets as expansions in one bundle; each has the address ``urn:openvbp:<name>``."""
    entries = []
    for name, one in sorted(sets.items()):
        contains = [_coding(system, code) for system, code in sorted(one.codes) if system in _ADDRESSES]
        resource = {
            "resourceType": "ValueSet",
            "id": name,
            "url": f"urn:openvbp:{name}",
            "name": name,
            "status": "active",
            "expansion": {"timestamp": "2026-01-01", "contains": contains},
        }
        entries.append({"resource": resource})
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def write_bundles(
    folder: Path, persons: Sequence[Row], events: Mapping[str, Sequence[Row]], sets: Mapping[str, ValueSet]
) -> None:
    """Write ``patients/`` with one bundle each, and ``value_sets.json``.

    Returns nothing; raises :class:`InputDataError` as :func:`bundle_of` does.
    """
    (folder / "patients").mkdir(parents=True, exist_ok=True)
    of_person: dict[str, dict[str, list[Row]]] = {}
    for kind, rows in events.items():
        for row in rows:
            of_person.setdefault(row["person_id"], {}).setdefault(kind, []).append(row)
    for person in persons:
        name = person["person_id"]
        content = json.dumps(bundle_of(person, of_person.get(name, {})))
        (folder / "patients" / f"{name}.json").write_text(content, encoding="utf-8")
    (folder / "value_sets.json").write_text(json.dumps(value_set_bundle(sets)), encoding="utf-8")


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _number(value: Decimal | int | None) -> float | None:
    """A number as JSON writes it, digit by digit the same."""
    if value is None:
        return None
    written = float(value)
    if Decimal(repr(written)) != value:
        raise InputDataError(Problem("a number has too many digits for JSON", "value", "round it first"))
    return written


def _coding(system: str, code: str) -> dict[str, str]:
    if system not in _ADDRESSES:
        raise InputDataError(Problem(f"codes of {system} cannot be written as FHIR", system, "use another system"))
    return {"system": _ADDRESSES[system], "code": code}


def _codings(rows: Iterable[Row]) -> list[dict[str, str]]:
    return list({(row["code_system"], row["code"]): _coding(row["code_system"], row["code"]) for row in rows}.values())


def _without_nothing(resource: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if value is not None}


def _concept(code: str | None) -> dict[str, Any] | None:
    """A concept of one code, or of a code with its system (``snomed-ct:1234``)."""
    if code is None:
        return None
    system, sign, plain = code.partition(":")
    return {"coding": [_coding(system, plain) if sign else {"code": code}]}


def _period(row: Row) -> dict[str, Any]:
    return _without_nothing({"start": _day(row["start_date"]), "end": _day(row.get("end_date"))})


def _condition(row: Row, code: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "clinicalStatus": _concept(row.get("clinical_status")),
        "verificationStatus": _concept(row.get("verification_status")),
        "code": code,
        "onsetDateTime": _day(row["start_date"]),
        "abatementDateTime": _day(row.get("end_date")),
    }


def _observation(row: Row, code: Any, answer: Any) -> dict[str, Any]:
    is_day = row.get("end_date") in (None, row["start_date"])
    value = {"value": _number(row.get("value")), "unit": row.get("unit"), "code": row.get("unit")}
    return {
        "resourceType": "Observation",
        "status": row.get("status"),
        "category": [_concept(row["category"])] if row.get("category") else None,
        "code": code,
        "effectiveDateTime": _day(row["start_date"]) if is_day else None,
        "effectivePeriod": None if is_day else _period(row),
        "valueQuantity": _without_nothing(value) if row.get("value") is not None else None,
        "valueCodeableConcept": answer,
    }


def _encounter(row: Row, code: Any) -> dict[str, Any]:
    disposition = _concept(row.get("discharge_disposition"))
    return {
        "resourceType": "Encounter",
        "status": row.get("status"),
        "type": [code],
        "period": _period(row),
        "hospitalization": {"dischargeDisposition": disposition} if disposition else None,
    }


def _timed(resource: str, code_name: str, time: str) -> Callable[[Row, Any], dict[str, Any]]:
    def write(row: Row, code: Any) -> dict[str, Any]:
        return {
            "resourceType": resource,
            "status": row.get("status"),
            code_name: code,
            time: _day(row["start_date"]),
        }

    return write


def _order(row: Row, code: Any) -> dict[str, Any]:
    is_device = row["code_system"] == "hcpcs"
    declined = bool(row.get("is_declined"))
    return {
        "resourceType": "DeviceRequest" if is_device else "ServiceRequest",
        "modifierExtension": [{"url": _DECLINED, "valueBoolean": True}] if is_device and declined else None,
        "status": row.get("status"),
        "intent": row.get("intent"),
        "doNotPerform": True if declined and not is_device else None,
        "codeCodeableConcept" if is_device else "code": code,
        "authoredOn": _day(row["start_date"]),
    }


def _duration(days: Decimal | None) -> dict[str, Any] | None:
    return None if days is None else {"value": _number(days), "unit": "d", "code": "d"}


def _dispensing(row: Row, code: Any) -> dict[str, Any]:
    written = _timed("MedicationDispense", "medicationCodeableConcept", "whenHandedOver")(row, code)
    return written | {"daysSupply": _duration(row.get("days_supply"))}


def _medication_order(row: Row, code: Any) -> dict[str, Any]:
    supply = _duration(row.get("days_supply"))
    return {
        "resourceType": "MedicationRequest",
        "status": row.get("status"),
        "intent": row.get("intent"),
        "doNotPerform": True if row.get("is_declined") else None,
        "medicationCodeableConcept": code,
        "authoredOn": _day(row["start_date"]),
        "dispenseRequest": {"expectedSupplyDuration": supply} if supply else None,
    }


_WRITERS: dict[str, Callable[[Row, Any], dict[str, Any]]] = {
    "condition": _condition,
    "encounter": _encounter,
    "laboratory": lambda row, code: _observation(row, code, None),
    "assessment": lambda row, code: _observation(row, code, _concept(row.get("answer"))),
    "answer": lambda row, code: _observation(row, _concept(row.get("question")), code),
    "procedure": _timed("Procedure", "code", "performedDateTime"),
    "immunization": _timed("Immunization", "vaccineCode", "occurrenceDateTime"),
    "dispensing": _dispensing,
    "order": _order,
    "medication_order": _medication_order,
}
