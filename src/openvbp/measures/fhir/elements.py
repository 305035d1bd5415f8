"""Parts of FHIR resources as measures need them: days, codes, numbers.

A day is the one that is written: the day at the place where it was recorded. Where a zone is given, times that say
their offset are carried over into it first, as engines for the Clinical Quality Language do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

from openvbp.measures.dates import moved
from openvbp.measures.value_sets import plain_code

Resource = Mapping[str, Any]
_SYSTEMS = {
    "snomed.info/sct": "snomed-ct",
    "loinc.org": "loinc",
    "www.nlm.nih.gov/research/umls/rxnorm": "rxnorm",
    "hl7.org/fhir/sid/icd-10-cm": "icd-10-cm",
    "hl7.org/fhir/sid/icd-9-cm": "icd-9-cm",
    "www.cms.gov/medicare/coding/icd10": "icd-10-pcs",
    "hl7.org/fhir/sid/icd-10-pcs": "icd-10-pcs",
    "hl7.org/fhir/sid/ndc": "ndc",
    "hl7.org/fhir/sid/cvx": "cvx",
    "www.ama-assn.org/go/cpt": "cpt",
    "www.cms.gov/medicare/coding/hcpcsreleasecodesets": "hcpcs",
    "www.nlm.nih.gov/research/umls/hcpcs": "hcpcs",
    "www.ada.org/cdt": "cdt",
    "urn:oid:2.16.840.1.113883.6.96": "snomed-ct",
    "urn:oid:2.16.840.1.113883.6.1": "loinc",
    "urn:oid:2.16.840.1.113883.6.88": "rxnorm",
    "urn:oid:2.16.840.1.113883.6.90": "icd-10-cm",
    "urn:oid:2.16.840.1.113883.6.103": "icd-9-cm",
    "urn:oid:2.16.840.1.113883.6.104": "icd-9-pcs",
    "urn:oid:2.16.840.1.113883.6.4": "icd-10-pcs",
    "urn:oid:2.16.840.1.113883.6.69": "ndc",
    "urn:oid:2.16.840.1.113883.12.292": "cvx",
    "urn:oid:2.16.840.1.113883.6.12": "cpt",
    "urn:oid:2.16.840.1.113883.6.285": "hcpcs",
    "urn:oid:2.16.840.1.113883.6.13": "cdt",
}
"""Code systems by address, without the scheme, or by object identifier, in small letters."""
_CATEGORY_II = re.compile(r"\d{4}F")
_WHEN = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T.+)?)?)?")
_DAYS = {"d": 1, "day": 1, "days": 1, "wk": 7, "week": 7, "weeks": 7}
_PLACES = Decimal("0.0001")
_LARGEST = Decimal(10) ** 14


class RejectedError(Exception):
    """A resource that cannot be used; says why, in words without the patient's values."""


@dataclass
class Context:
    """What resources of a bundle are read with."""

    zone: timezone | None = None
    """Zone of the days; none takes days as they are written."""
    birth_date: date | None = None
    resources: Mapping[str, Resource] = field(default_factory=dict)
    """Resources of the bundle by ``Type/id`` and by full address."""
    notes: Counter[str] = field(default_factory=Counter)
    """What was taken in a way that the reader should know, counted."""


def system_of(address: str | None) -> str | None:
    """Give the project's name of a code system; none where it is not known."""
    plain = re.sub(r"^https?://", "", (address or "").strip().lower()).rstrip("/")
    return _SYSTEMS.get(plain)


def code_of(coding: Resource) -> tuple[str, str] | None:
    """System and code of a coding, as measures compare them; none where the system is not known."""
    system, code = system_of(coding.get("system")), plain_code(str(coding.get("code") or ""))
    if system is None or not code:
        return None
    return ("cpt-ii", code) if system == "cpt" and _CATEGORY_II.fullmatch(code) else (system, code)


def as_list(given: Any) -> list[Any]:
    """Take one thing for a list of one, and nothing for an empty list."""
    if given is None:
        return []
    return given if isinstance(given, list) else [given]


def text(given: Any) -> str | None:
    """Take a text; nothing for what is none, or is empty."""
    return given if isinstance(given, str) and given else None


def codings(concepts: Any) -> Iterator[Resource]:
    """Codings of a concept, or of several."""
    for concept in as_list(concepts):
        yield from concept.get("coding", [])


def codes(concepts: Any, context: Context) -> list[tuple[str, str]]:
    """Codes of concepts, each once; systems that are not known are counted."""
    found: dict[tuple[str, str], None] = {}
    for coding in codings(concepts):
        code = code_of(coding)
        if code is None:
            context.notes[f"code system not known: {coding.get('system') or 'none given'}"] += 1
        else:
            found[code] = None
    return list(found)


def plain_codes(concepts: Any) -> list[str]:
    """Codes of concepts without their systems, as statuses and categories are compared."""
    return [str(coding["code"]) for coding in codings(concepts) if coding.get("code")]


def first_code(concepts: Any) -> str | None:
    """First code of concepts, without its system."""
    return next(iter(plain_codes(concepts)), None)


def in_full(code: tuple[str, str]) -> str:
    """Write a code with its system, as fields of events hold it: ``snomed-ct:160734000``."""
    return ":".join(code)


@dataclass(frozen=True)
class Moment:
    """A point in time that is known to the day, month or year."""

    first: date
    """First day that it can be."""
    last: date
    """Last day that it can be."""
    clock: str = "00:00:00.000000"
    """Time of the day, by which events of one day are put in order."""


def moment(given: Any, context: Context) -> Moment:
    """Read a date or time.

    Raises
    ------
    RejectedError
        If it is none.
    """
    found = _WHEN.fullmatch(str(given))
    try:
        if not found:
            raise ValueError
        year, month, day = (int(one) if one else None for one in found.groups())
        if year is not None and day is None:
            context.notes["day known only to the month or year: taken from its first to its last day"] += 1
            start = date(year, month or 1, 1)
            return Moment(start, moved(start, 1 if month else 12, -1))
        if "T" not in str(given):
            return Moment(date.fromisoformat(str(given)), date.fromisoformat(str(given)))
        time = datetime.fromisoformat(str(given))
    except ValueError:
        raise RejectedError("a day cannot be read") from None
    if context.zone is not None and time.tzinfo is not None:
        time = time.astimezone(context.zone)
    return Moment(time.date(), time.date(), time.strftime("%H:%M:%S.%f"))


@dataclass(frozen=True)
class Span:
    """From a first to a last day; open where it is not known to have ended."""

    start: date
    end: date | None
    clock: str


def span(resource: Resource, name: str, context: Context) -> Span | None:
    """Read an element that is a time or a period, for example ``effective`` or ``performed``.

    Returns
    -------
    The days; none where the element is absent or a period has no start.
    """
    for kind in ("DateTime", "Instant", "Date", ""):
        given = resource.get(f"{name}{kind}")
        if isinstance(given, str):
            when = moment(given, context)
            return Span(when.first, when.last, when.clock)
    period = resource.get(f"{name}Period") or resource.get(name)
    if not isinstance(period, dict) or "start" not in period:
        return None
    start = moment(period["start"], context)
    end = moment(period["end"], context).last if "end" in period else None
    if end is not None and end < start.first:
        raise RejectedError("it ends before it begins")
    return Span(start.first, end, start.clock)


def age_day(age: Resource | None, context: Context) -> date | None:
    """Day on which the patient reached an age, where it is given in years or months."""
    months = {"a": 12, "year": 12, "years": 12, "mo": 1, "month": 1, "months": 1}
    unit = months.get(str((age or {}).get("code") or (age or {}).get("unit")))
    if age is None or unit is None or context.birth_date is None or age.get("value") is None:
        return None
    return moved(context.birth_date, int(Decimal(str(age["value"])) * unit), 0)


def number(given: Any, context: Context) -> Decimal | None:
    """Read a number with four decimals; none where there is none or it is not finite."""
    if isinstance(given, bool) or not isinstance(given, int | Decimal):
        return None
    value = Decimal(given)
    if not value.is_finite() or abs(value) >= _LARGEST:
        raise RejectedError("a number is too large")
    rounded = value.quantize(_PLACES)
    if rounded != value:
        context.notes["number has more than four decimals: rounded"] += 1
    return rounded


def quantity(given: Resource | None, context: Context) -> tuple[Decimal | None, str | None]:
    """Number and unit; no number where the quantity is only a bound ("less than 4")."""
    if not given:
        return None, None
    unit = given.get("code") or given.get("unit")
    if given.get("comparator"):
        context.notes["result is only a bound (comparator): taken as one without a number"] += 1
        return None, unit
    return number(given.get("value"), context), unit


def days_of(given: Resource | None, context: Context) -> Decimal | None:
    """A duration in days; none where there is none or its unit is not days or weeks."""
    if not given:
        return None
    value, unit = quantity(given, context)
    factor = _DAYS.get(str(unit))
    if value is not None and factor is None:
        context.notes["duration in a unit other than days and weeks: not used"] += 1
    return value * factor if value is not None and factor is not None else None


def reference(given: Any) -> str | None:
    """What a reference points to."""
    return text(given.get("reference")) if isinstance(given, dict) else None


def resolved(resource: Resource, given: Any, context: Context) -> Resource | None:
    """The resource that a reference points to, contained or in the bundle."""
    target = reference(given)
    if target is None:
        return None
    contained: Iterable[Resource] = resource.get("contained", [])
    if target.startswith("#"):
        return next((one for one in contained if one.get("id") == target[1:]), None)
    return context.resources.get(target) or context.resources.get("/".join(target.split("/")[-2:]))
