"""What resources say becomes events: days, codes, numbers, statuses, each by a hand-made resource."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from fhir_patients import random_patients, value_sets
from openvbp.measures.fhir.bundles import KINDS, Patients, _read_bundle
from openvbp.measures.fhir.elements import Context, RejectedError, code_of, moment, number, quantity
from openvbp.measures.fhir.resources import events_of
from openvbp.measures.fhir.value_sets import name_of
from openvbp.measures.fhir.writer import bundle_of, value_set_bundle

SNOMED, LOINC = "http://snomed.info/sct", "http://loinc.org"


def concept(*codes: tuple[str, str]) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for system, code in codes]}


def observation(category: str | None = "laboratory", **more: Any) -> dict[str, Any]:
    about = {"category": [concept(("x", category))]} if category else {}
    day = {} if any(name.startswith("effective") for name in more) else {"effectiveDateTime": "2026-03-01"}
    return {
        "resourceType": "Observation", "status": "final", "code": concept((LOINC, "4548-4")), **about, **day, **more,
    }  # fmt: skip


def only(resource: dict[str, Any], context: Context | None = None) -> Any:
    (event,) = events_of(resource, context or Context())
    return event


@pytest.mark.parametrize(
    ("text", "zone", "first", "last"),
    [
        ("2026", None, date(2026, 1, 1), date(2026, 12, 31)),
        ("2024-02", None, date(2024, 2, 1), date(2024, 2, 29)),
        ("2026-03-01", 0, date(2026, 3, 1), date(2026, 3, 1)),
        ("2026-12-31T23:30:00-05:00", None, date(2026, 12, 31), date(2026, 12, 31)),
        ("2026-12-31T23:30:00-05:00", 0, date(2027, 1, 1), date(2027, 1, 1)),
        ("2026-01-01T01:00:00.000Z", -5, date(2025, 12, 31), date(2025, 12, 31)),
        ("2026-01-01T01:00:00", -5, date(2026, 1, 1), date(2026, 1, 1)),
    ],
)
def test_days_are_those_written_or_those_of_a_zone(text: str, zone: int | None, first: date, last: date) -> None:
    found = moment(text, Context(None if zone is None else timezone(timedelta(hours=zone))))
    assert (found.first, found.last) == (first, last)


@pytest.mark.parametrize("text", ["2026-13-01", "2026-02-30", "soon", "", None, "2026-03-01T25:00:00Z", 20260301])
def test_what_is_no_day_is_rejected(text: Any) -> None:
    with pytest.raises(RejectedError, match="a day cannot be read"):
        moment(text, Context())


@pytest.mark.parametrize(
    ("system", "code", "found"),
    [
        ("http://hl7.org/fhir/sid/icd-10-cm", "E10.10", ("icd-10-cm", "E1010")),
        ("urn:oid:2.16.840.1.113883.6.12", "99202", ("cpt", "99202")),
        ("http://www.ama-assn.org/go/cpt", "3046F", ("cpt-ii", "3046F")),
        ("https://loinc.org/", "4548-4", ("loinc", "4548-4")),
        ("http://example.org/own", "1", None),
        (None, "1", None),
        (SNOMED, None, None),
    ],
)
def test_codes_are_known_by_the_address_of_their_system(system: Any, code: Any, found: Any) -> None:
    assert code_of({"system": system, "code": code}) == found


def test_numbers_are_exact_and_bounds_are_none() -> None:
    context = Context()
    assert number(Decimal("9.00005"), context) == Decimal("9.0000")
    assert context.notes == Counter({"number has more than four decimals: rounded": 1})
    assert quantity({"value": Decimal("9.1"), "unit": "percent", "code": "%"}, context) == (Decimal("9.1"), "%")
    assert quantity({"value": 4, "unit": "%", "comparator": "<"}, context) == (None, "%")
    assert number(True, context) is None


def test_results_belong_to_the_last_day_of_their_collection() -> None:
    period = {"start": "2025-12-31", "end": "2026-01-01"}
    event = only(observation(effectivePeriod=period, valueQuantity={"value": Decimal("9.1"), "code": "%"}))
    assert (event.kind, event.days.start, event.days.end) == ("laboratory", date(2026, 1, 1), date(2026, 1, 1))
    assert event.fields == {"status": "final", "category": "laboratory", "value": Decimal("9.1"), "unit": "%"}


def test_a_coded_result_has_no_number() -> None:
    event = only(observation(valueCodeableConcept=concept((SNOMED, "260385009"))))
    assert event.fields["value"] is None


def test_parts_of_a_measurement_are_results_of_their_own() -> None:
    parts = [
        {"code": concept((LOINC, code)), "valueQuantity": {"value": value, "code": "mm[Hg]"}}
        for code, value in (("8480-6", 130), ("8462-4", 85))
    ]
    found = events_of(observation("vital-signs", code=concept((LOINC, "85354-9")), component=parts), Context())
    assert [(one.codes[0][1], one.fields["value"], one.part) for one in found] == [
        ("85354-9", None, ""),
        ("8480-6", Decimal(130), ".1"),
        ("8462-4", Decimal(85), ".2"),
    ]


def test_answers_are_events_by_question_and_by_answer() -> None:
    asked = observation("survey", valueCodeableConcept=concept((SNOMED, "160734000"), (LOINC, "LA1-1")))
    found = events_of(asked, Context())
    assert [(one.kind, one.codes, one.fields.get("answer"), one.fields.get("question")) for one in found] == [
        ("assessment", [("loinc", "4548-4")], "snomed-ct:160734000", None),
        ("assessment", [("loinc", "4548-4")], "loinc:LA1-1", None),
        ("answer", [("snomed-ct", "160734000"), ("loinc", "LA1-1")], None, "loinc:4548-4"),
    ]


def test_observations_of_two_categories_are_both() -> None:
    both = observation() | {"category": [concept(("x", "survey")), concept(("x", "laboratory"))]}
    assert {one.kind for one in events_of(both, Context())} == {"laboratory", "assessment"}
    assert only(observation(None)).kind == "assessment"


@pytest.mark.parametrize(
    ("given", "start", "end"),
    [
        ({"onsetDateTime": "2020-05-01"}, date(2020, 5, 1), None),
        ({"onsetPeriod": {"start": "2020-05-01"}, "abatementDateTime": "2021"}, date(2020, 5, 1), date(2021, 12, 31)),
        ({"onsetAge": {"value": 50, "code": "a"}}, date(2010, 6, 30), None),
        ({"onsetDateTime": "2020", "abatementAge": {"value": 61, "code": "a"}}, date(2020, 1, 1), date(2021, 6, 30)),
        ({"onsetDateTime": "2020", "abatementString": "long ago"}, date(2020, 1, 1), None),
    ],
)
def test_conditions_go_on_until_they_are_known_to_have_ended(given: Any, start: date, end: date | None) -> None:
    resource = {"resourceType": "Condition", "code": concept((SNOMED, "44054006")), **given}
    event = only(resource, Context(birth_date=date(1960, 6, 30)))
    assert (event.days.start, event.days.end) == (start, end)


@pytest.mark.parametrize(
    ("given", "days", "end"),
    [
        ({"dispenseRequest": {"expectedSupplyDuration": {"value": 30, "code": "d"}}}, 30, date(2026, 1, 30)),
        (
            {"dispenseRequest": {"expectedSupplyDuration": {"value": 30, "code": "d"}, "numberOfRepeatsAllowed": 2}},
            90,
            date(2026, 3, 31),
        ),
        (
            {
                "dispenseRequest": {"quantity": {"value": 60}},
                "dosageInstruction": [
                    {
                        "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
                        "doseAndRate": [{"doseQuantity": {"value": 1}}],
                    }
                ],
            },
            30,
            date(2026, 1, 30),
        ),
        (
            {
                "dosageInstruction": [
                    {"timing": {"repeat": {"boundsPeriod": {"start": "2026-02-01", "end": "2026-02-03"}}}}
                ]
            },
            3,
            date(2026, 2, 3),
        ),
        ({}, None, date(2026, 1, 1)),
    ],
)
def test_prescriptions_last_as_long_as_they_say(given: Any, days: int | None, end: date) -> None:
    drug = concept(("http://www.nlm.nih.gov/research/umls/rxnorm", "312836"))
    resource = {
        "resourceType": "MedicationRequest", "status": "active", "intent": "order", "authoredOn": "2026-01-01",
        "medicationCodeableConcept": drug, **given,
    }  # fmt: skip
    event = only(resource)
    assert event.fields["days_supply"] == days
    assert event.days.end == end


def test_what_is_asked_not_to_be_done_is_declined() -> None:
    url = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DeviceRequest.doNotPerform"
    device = {
        "resourceType": "DeviceRequest", "status": "completed", "intent": "order", "authoredOn": "2026-01-01",
        "codeCodeableConcept": concept((SNOMED, "183240000")),
    }  # fmt: skip
    assert only(device).fields["is_declined"] is False
    assert only({**device, "modifierExtension": [{"url": url, "valueBoolean": True}]}).fields["is_declined"] is True
    service = {**device, "resourceType": "ServiceRequest", "code": device["codeCodeableConcept"], "doNotPerform": True}
    assert only(service).fields["is_declined"] is True


@pytest.mark.parametrize(
    ("resource", "why"),
    [
        (observation(status="entered-in-error"), "entered in error"),
        (observation(effectiveDateTime=None), r"no day \(effective\)"),
        (observation(code=concept(("http://example.org/own", "1"))), "no code of a system"),
        (observation(effectivePeriod={"start": "2026-02-01", "end": "2026-01-01"}), "ends before it begins"),
        (observation(valueQuantity={"value": 10**15}), "too large"),
        (
            {
                "resourceType": "Condition",
                "verificationStatus": concept(("x", "entered-in-error")),
                "onsetDateTime": "2020",
            },
            "entered in error",
        ),
        ({"resourceType": "Condition", "code": concept((SNOMED, "1")), "recordedDate": "2020-01-01"}, "no day"),
        (
            {"resourceType": "MedicationDispense", "whenHandedOver": "2026-01-01", "medicationReference": {}},
            "not in the bundle",
        ),
    ],
)
def test_what_cannot_be_used_is_rejected_with_a_reason(resource: dict[str, Any], why: str) -> None:
    with pytest.raises(RejectedError, match=why):
        events_of(resource, Context())


def test_drugs_are_found_where_they_are_referred_to() -> None:
    drug = {"resourceType": "Medication", "id": "m", "code": concept(("http://hl7.org/fhir/sid/ndc", "0002-8215-01"))}
    dispense = {
        "resourceType": "MedicationDispense", "whenHandedOver": "2026-01-01", "status": "completed",
        "daysSupply": {"value": 4, "code": "wk"},
    }  # fmt: skip
    contained = {**dispense, "contained": [drug], "medicationReference": {"reference": "#m"}}
    referred = {**dispense, "medicationReference": {"reference": "Medication/m"}}
    for resource, context in ((contained, Context()), (referred, Context(resources={"Medication/m": drug}))):
        event = only(resource, context)
        assert event.codes == [("ndc", "0002-8215-01")]
        assert event.fields["days_supply"] == 28


def test_events_that_are_written_are_read_again() -> None:
    persons, events = random_patients(150, seed=11)
    found = Patients()
    for person in persons:
        own = {kind: [row for row in rows if row["person_id"] == person["person_id"]] for kind, rows in events.items()}
        _read_bundle(found, _as_read(bundle_of(person, own)), None, set())
    assert not [outcome for _kind, outcome in found.resources if outcome != "accepted"]
    for kind in KINDS:
        written = Counter(_plain(row) for row in events.get(kind, []))
        read = Counter(_plain(row) for row in found.events[kind] if not _is_double(kind, row))
        assert read == written, kind
    assert [one["birth_date"] for one in found.persons] == [one["birth_date"] for one in persons]


def _as_read(bundle: dict[str, Any]) -> dict[str, Any]:
    """Numbers as the reader of JSON gives them."""
    if isinstance(bundle, dict):
        return {name: _as_read(value) for name, value in bundle.items()}
    if isinstance(bundle, list):
        return [_as_read(one) for one in bundle]
    return Decimal(repr(bundle)) if isinstance(bundle, float) else bundle


def _is_double(kind: str, row: dict[str, Any]) -> bool:
    """An answer is an assessment too, and an answered assessment an answer."""
    if kind == "assessment":
        return str(row.get("answer")).endswith("FRAILTY_DEVICE")
    return kind == "answer" and row["code"] != "FRAILTY_DEVICE"


def _plain(row: dict[str, Any]) -> Any:
    """What a row says, apart from how the event is called."""
    given = {name: value for name, value in row.items() if name != "event_id" and value is not None}
    as_text = {name: f"{one.normalize():f}" if isinstance(one, Decimal) else str(one) for name, one in given.items()}
    return tuple(sorted(as_text.items()))


def test_value_sets_are_known_by_identifier_or_title() -> None:
    oid = "2.16.840.1.113883.3.464.1003.101.12.1001"
    assert name_of({"id": oid, "title": "Anything"}) == "office_visit"
    assert name_of({"url": f"http://cts.nlm.nih.gov/fhir/ValueSet/{oid}|20250101"}) == "office_visit"
    assert name_of({"identifier": [{"value": f"urn:oid:{oid}"}]}) == "office_visit"
    assert name_of({"title": "Frailty Device, any"}) == "frailty_device_any"
    assert len(value_set_bundle(value_sets())["entry"]) == len(value_sets())
