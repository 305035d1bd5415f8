"""A folder of FHIR bundles, one patient each, read as the events that measures look at."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.measures.domains import domains
from openvbp.measures.event_data import EventData, from_rows
from openvbp.measures.fhir.elements import (
    Context,
    RejectedError,
    Resource,
    as_list,
    moment,
    reference,
    span,
    text,
)
from openvbp.measures.fhir.expected import Report, report_of
from openvbp.measures.fhir.resources import READERS, events_of

KINDS = (
    "condition",
    "procedure",
    "laboratory",
    "dispensing",
    "immunization",
    "encounter",
    "assessment",
    "answer",
    "order",
    "medication_order",
)
"""Kinds of events that bundles can tell of; one that they do not tell of has no rows."""
_ALWAYS = date(2199, 12, 31)
_SUBJECTS = ("subject", "patient", "beneficiary")
_RACE = "us-core-race"
_NOT_FHIR = "not built as FHIR R4 says"
_TYPES: dict[str, type] = {"boolean": bool, "number": Decimal, "text": str, "date": date}
_BAD_JSON = "it is not JSON in UTF-8"


@dataclass
class Patients:
    """What a folder of bundles tells.

    Attributes
    ----------
    persons, enrollment, events
        Rows as :func:`openvbp.measures.event_data.from_rows` takes them.
    reports
        Populations that are expected of the patients.
    bundles, accepted
        Bundles read, and those of them that are used.
    rejected_bundles
        Why bundles are not used.
    resources
        Type of resource and outcome to count: ``accepted``, ``not used`` (measures do not ask for the type), or why it
        was rejected.
    notes
        What was taken in a way that the reader should know.
    other_files
        Files of JSON that are not bundles.
    """

    persons: list[dict[str, Any]] = field(default_factory=list)
    enrollment: list[dict[str, Any]] = field(default_factory=list)
    events: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in KINDS})
    reports: list[Report] = field(default_factory=list)
    bundles: int = 0
    accepted: int = 0
    rejected_bundles: Counter[str] = field(default_factory=Counter)
    resources: Counter[tuple[str, str]] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    other_files: int = 0

    def event_data(self, engine: Engine, *, with_enrollment: bool) -> EventData:
        """Make tables. With enrolment, persons without a coverage in the period are in no measure."""
        spans = self.enrollment if with_enrollment and self.enrollment else None
        return from_rows(engine, self.persons, self.events, spans, "fhir")


def zone_of(offset: str | None) -> timezone | None:
    """Read a zone such as ``+00:00``; none for days as they are written.

    Raises
    ------
    UsageError
        If it is not one.
    """
    if offset is None:
        return None
    try:
        sign, hours, minutes = offset[0], int(offset[1:3]), int(offset[4:6])
        if sign not in "+-" or offset[3] != ":" or len(offset) != 6 or minutes > 59:
            raise ValueError
        return timezone((1 if sign == "+" else -1) * timedelta(hours=hours, minutes=minutes))
    except (ValueError, IndexError):
        raise UsageError(Problem(f"'{offset}' is no zone", "--zone", "write an offset like +00:00 or -05:00")) from None


def read_bundles(folder: Path, zone: timezone | None = None) -> Patients:
    """Read every bundle of a folder and of the folders in it.

    Parameters
    ----------
    folder
        Files ``*.json``. A bundle holds one Patient and the resources about that patient.
    zone
        Zone of the days, see :mod:`openvbp.measures.fhir.elements`.

    Raises
    ------
    InputDataError
        If there is no folder, a file is not JSON, or no bundle can be used.
    """
    if not folder.is_dir():
        raise InputDataError(Problem("there is no such folder", str(folder), "give the folder of bundles"))
    found, broken, seen = Patients(), [], set[str]()
    for path in sorted(folder.rglob("*.json")):
        content = read_json(path)
        if content is None:
            broken.append(path.name)
        elif content.get("resourceType") == "Bundle":
            _read_bundle(found, content, zone, seen)
        else:
            found.other_files += 1
    if broken:
        to_do = "get the files again"
        raise InputDataError(
            Problem(f"file cannot be read: {_BAD_JSON}", str(folder), to_do, len(broken), tuple(broken))
        )
    if not found.persons:
        reasons = "; ".join(f"{count} bundles: {reason}" for reason, count in found.rejected_bundles.items())
        what = f"no bundle of a patient can be used ({reasons})" if reasons else "the folder holds no bundle"
        raise InputDataError(Problem(what, str(folder), "give bundles in JSON, each with one Patient"))
    return found


def read_json(path: Path) -> dict[str, Any] | None:
    """Content of a file of JSON with exact numbers; none where it is not an object in JSON."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), parse_float=Decimal)
    except (ValueError, UnicodeDecodeError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _read_bundle(found: Patients, bundle: Resource, zone: timezone | None, seen: set[str]) -> None:
    found.bundles += 1
    given = as_list(bundle.get("entry"))
    entries = [one for one in given if isinstance(one, dict) and isinstance(one.get("resource"), dict)]
    if len(given) > len(entries):
        found.resources["entry", "it holds no resource"] += len(given) - len(entries)
    resources = [one["resource"] for one in entries]
    patients = [one for one in resources if one.get("resourceType") == "Patient"]
    reason = None
    if len(patients) != 1 or not text(patients[0].get("id")):
        reason = "it holds no patient, or several" if len(patients) != 1 else "its patient has no id"
    elif patients[0]["id"] in seen:
        reason = "its patient is in another bundle too"
    if reason:
        found.rejected_bundles[reason] += 1
        found.resources.update((_type(one), f"its bundle: {reason}") for one in resources)
        return
    found.accepted += 1
    seen.add(patients[0]["id"])
    addresses = {str(one["fullUrl"]): one["resource"] for one in entries if one.get("fullUrl")}
    by_name = {f"{_type(one)}/{one.get('id')}": one for one in resources}
    context = Context(zone, resources={**addresses, **by_name}, notes=found.notes)
    _read_patient(found, patients[0], context)
    for place, one in enumerate(resources, 1):
        if one is not patients[0]:
            outcome = _outcome(found, one, place, patients[0], context)
            found.resources[_type(one), outcome] += 1


def _type(resource: Resource) -> str:
    return str(resource.get("resourceType") or "without a type")


def _read_patient(found: Patients, patient: Resource, context: Context) -> None:
    context.birth_date = _exact_day(patient, "birthDate", "birth date", context)
    death = _exact_day(patient, "deceasedDateTime", "day of death", context)
    if patient.get("deceasedBoolean"):
        context.notes["patient is said to have died, but not when: the day of death is not known"] += 1
    found.persons.append(
        {
            "person_id": patient["id"],
            "birth_date": context.birth_date,
            "death_date": death,
            "gender": text(patient.get("gender")),
            "race": _race(patient),
        }
    )
    found.resources["Patient", "accepted"] += 1


def _exact_day(patient: Resource, name: str, what: str, context: Context) -> date | None:
    if name not in patient:
        return None
    try:
        when = moment(patient[name], Context(context.zone))
    except RejectedError:
        when = None
    if when is None or when.first != when.last:
        context.notes[f"{what} not known to the day: taken as not known"] += 1
        return None
    return when.first


def _race(patient: Resource) -> str | None:
    for one in as_list(patient.get("extension")):
        if isinstance(one, dict) and str(one.get("url")).endswith(_RACE):
            for part in as_list(one.get("extension")):
                coding = part.get("valueCoding") if isinstance(part, dict) else None
                if isinstance(coding, dict) and part.get("url") == "ombCategory":
                    return text(coding.get("display")) or text(coding.get("code"))
    return None


def _outcome(found: Patients, resource: Resource, place: int, patient: Resource, context: Context) -> str:
    """Read a resource; says what became of it."""
    kind = _type(resource)
    if kind not in READERS and kind not in ("Coverage", "MeasureReport"):
        return "not used"
    subject = next((reference(resource.get(name)) for name in _SUBJECTS if resource.get(name)), None)
    about = context.resources.get(subject or "") or context.resources.get("/".join((subject or "").split("/")[-2:]))
    if subject and about is not patient and not subject.startswith("#"):
        return "about another patient"
    try:
        if kind == "MeasureReport":
            found.reports.append(report_of(resource, patient["id"]))
        elif kind == "Coverage":
            found.enrollment.append(_coverage(resource, patient["id"], context))
        else:
            _add_events(found, resource, place, patient["id"], context)
    except RejectedError as reason:
        return str(reason)
    except (AttributeError, TypeError, KeyError, ValueError, ArithmeticError):
        # A resource that is not built as the standard says.
        return _NOT_FHIR
    return "accepted"


def _add_events(found: Patients, resource: Resource, place: int, person: str, context: Context) -> None:
    name = f"{_type(resource)}/{resource.get('id') or f'entry {place}'}"
    events = events_of(resource, context)
    for event in events:
        kinds = domains()[event.kind].fields
        if not all(value is None or isinstance(value, _TYPES[kinds[name]]) for name, value in event.fields.items()):
            raise RejectedError(_NOT_FHIR)
    for event in events:
        common = {
            "person_id": person,
            # Events of a day are put in order by their identifiers: the time stands first.
            "event_id": f"{event.days.clock} {name}{event.part} of {person}",
            "start_date": event.days.start,
            "end_date": event.days.end,
        }
        found.events[event.kind] += [
            common | {"code_system": system, "code": code} | event.fields for system, code in event.codes
        ]


def _coverage(coverage: Resource, person: str, context: Context) -> dict[str, Any]:
    if coverage.get("status") in ("entered-in-error", "cancelled", "draft"):
        raise RejectedError(f"status {coverage['status']}")
    period = span(coverage, "period", context)
    if period is None:
        raise RejectedError("no day (period)")
    return {"person_id": person, "start_date": period.start, "end_date": period.end or _ALWAYS}
