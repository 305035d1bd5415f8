"""Events of FHIR resources: which resource is which kind of event, on which days and with which fields."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from openvbp.measures.domains import domains
from openvbp.measures.fhir.elements import (
    Context,
    RejectedError,
    Resource,
    Span,
    age_day,
    as_list,
    code_of,
    codes,
    codings,
    days_of,
    first_code,
    in_full,
    number,
    plain_codes,
    quantity,
    resolved,
    span,
)
from openvbp.measures.fhir.supply import bounds, days_supplied

_MEASURED = ("laboratory", "vital-signs")
"""Categories of observations that are results; all others are assessments."""


@dataclass(frozen=True)
class Event:
    """An event of a patient."""

    kind: str
    days: Span
    codes: list[tuple[str, str]]
    fields: dict[str, Any] = field(default_factory=dict)
    part: str = ""
    """Tells events of one resource apart."""


def events_of(resource: Resource, context: Context) -> list[Event]:
    """Give the events that a resource tells of.

    Raises
    ------
    RejectedError
        If it was entered in error, or has no day or no code of a system that events of its kind can have.
    """
    statuses = [resource.get("status"), *plain_codes(resource.get("verificationStatus"))]
    if "entered-in-error" in statuses:
        raise RejectedError("entered in error")
    found = list(READERS[resource["resourceType"]](resource, context))
    usable = [(one, [code for code in one.codes if code[0] in domains()[one.kind].code_systems]) for one in found]
    events = [Event(one.kind, one.days, some, one.fields, one.part) for one, some in usable if some]
    if not events:
        raise RejectedError("no code of a system that events of its kind can have")
    return events


def _days(resource: Resource, context: Context, *names: str) -> Span:
    for name in names:
        found = span(resource, name, context)
        if found:
            return found
    raise RejectedError(f"no day ({', '.join(names)})")


def _condition(one: Resource, context: Context) -> Iterator[Event]:
    onset = span(one, "onset", context)
    by_age = age_day(one.get("onsetAge"), context)
    if onset is None and by_age is None:
        raise RejectedError("no day (onset)")
    start = onset.start if onset else by_age
    ended = span(one, "abatement", context)
    end = ended.end or ended.start if ended else age_day(one.get("abatementAge"), context)
    if start is None or (end is not None and end < start):
        raise RejectedError("it ends before it begins")
    fields = {
        "clinical_status": first_code(one.get("clinicalStatus")),
        "verification_status": first_code(one.get("verificationStatus")),
    }
    days = Span(start, end, onset.clock if onset else "")
    yield Event("condition", days, codes(one.get("code"), context), fields)


def _observation(one: Resource, context: Context) -> Iterator[Event]:
    days = _days(one, context, "effective")
    categories = plain_codes(one.get("category"))
    measured = next((name for name in _MEASURED if name in categories), None)
    status = {"status": one.get("status")}
    if measured:
        # A result belongs to the last day of its collection.
        end = days.end or days.start
        day = Span(end, end, days.clock)
        status["category"] = measured
        yield Event("laboratory", day, codes(one.get("code"), context), status | _measured_value(one, context))
        for place, part in enumerate(one.get("component", []), 1):
            fields = status | _measured_value(part, context)
            yield Event("laboratory", day, codes(part.get("code"), context), fields, f".{place}")
    if not measured or len(set(categories) - set(_MEASURED)):
        yield from _assessments(one, days, context, [name for name in categories if name not in _MEASURED])


def _measured_value(one: Resource, context: Context) -> dict[str, Any]:
    value, unit = quantity(one.get("valueQuantity"), context)
    return {"value": number(one["valueInteger"], context) if "valueInteger" in one else value, "unit": unit}


def _assessments(one: Resource, days: Span, context: Context, categories: list[str]) -> Iterator[Event]:
    asked, answers = codes(one.get("code"), context), codes(one.get("valueCodeableConcept"), context)
    for category in categories or [None]:
        common = {"status": one.get("status"), "category": category}
        for answer in answers or [None]:
            fields = common | _measured_value(one, context) | {"answer": in_full(answer) if answer else None}
            yield Event("assessment", days, asked, fields)
        for question in asked if answers else []:
            yield Event("answer", days, answers, common | {"question": in_full(question)})


def _encounter(one: Resource, context: Context) -> Iterator[Event]:
    disposition = (one.get("hospitalization") or {}).get("dischargeDisposition")
    found = next((in_full(code) for code in map(code_of, codings(disposition)) if code), first_code(disposition))
    fields = {"status": one.get("status"), "discharge_disposition": found}
    yield Event("encounter", _days(one, context, "period"), codes(one.get("type"), context), fields)


def _simple(kind: str, code: str, *times: str) -> Callable[[Resource, Context], Iterator[Event]]:
    """Make the reader of a resource that has a code, a time and a status."""

    def read(one: Resource, context: Context) -> Iterator[Event]:
        yield Event(kind, _days(one, context, *times), codes(one.get(code), context), {"status": one.get("status")})

    return read


def _order(code: str) -> Callable[[Resource, Context], Iterator[Event]]:
    def read(one: Resource, context: Context) -> Iterator[Event]:
        yield Event("order", _days(one, context, "authoredOn"), codes(one.get(code), context), _asked(one))

    return read


def _asked(one: Resource) -> dict[str, Any]:
    """Fields of something that was asked for, or asked not to be done."""
    refusals = [each for each in as_list(one.get("modifierExtension")) if each.get("url", "").endswith("doNotPerform")]
    is_declined = bool(one.get("doNotPerform")) or any(each.get("valueBoolean") for each in refusals)
    return {"status": one.get("status"), "intent": one.get("intent"), "is_declined": is_declined}


def _drug(one: Resource, context: Context) -> list[tuple[str, str]]:
    if "medicationCodeableConcept" in one:
        return codes(one["medicationCodeableConcept"], context)
    medication = resolved(one, one.get("medicationReference"), context)
    if medication is None:
        raise RejectedError("the drug that it refers to is not in the bundle")
    return codes(medication.get("code"), context)


def _dispensing(one: Resource, context: Context) -> Iterator[Event]:
    days = _days(one, context, "whenHandedOver", "whenPrepared")
    fields = {"status": one.get("status"), "days_supply": days_of(one.get("daysSupply"), context)}
    yield Event("dispensing", days, _drug(one, context), fields)


def _medication_order(one: Resource, context: Context) -> Iterator[Event]:
    period = bounds(one)
    bounded = span({"bounds": period}, "bounds", context)
    validity = {"validity": (one.get("dispenseRequest") or {}).get("validityPeriod")}
    days = bounded or span(one, "authoredOn", context) or _days(validity, context, "validity")
    supplied, end = days_supplied(one, context), days.start
    if supplied is not None and supplied >= 1:
        end = _later(days.start, math.floor(supplied) - 1)
    elif bounded and bounded.end:
        end = bounded.end
        supplied = number((end - days.start).days + 1, context)
    else:
        # Without a duration the order is known for the day on which it was written; it has no days of supply.
        supplied = None
        context.notes["prescription of unknown duration: known for its first day alone"] += 1
    fields = _asked(one) | {"days_supply": supplied}
    yield Event("medication_order", Span(days.start, end, days.clock), _drug(one, context), fields)


def _later(day: date, days: int) -> date:
    try:
        return day + timedelta(days=days)
    except OverflowError:
        raise RejectedError("a number is too large") from None


READERS: dict[str, Callable[[Resource, Context], Iterator[Event]]] = {
    "Condition": _condition,
    "Observation": _observation,
    "Encounter": _encounter,
    "Procedure": _simple("procedure", "code", "performed"),
    "Immunization": _simple("immunization", "vaccineCode", "occurrence"),
    "MedicationDispense": _dispensing,
    "MedicationRequest": _medication_order,
    "ServiceRequest": _order("code"),
    "DeviceRequest": _order("codeCodeableConcept"),
}
"""Resources that events are made of."""
