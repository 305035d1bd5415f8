"""Patients for measures on health records: those of the examples, and random ones with days and values on edges."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from openvbp.measures.catalogue import shipped
from openvbp.measures.domains import domains
from openvbp.measures.examples import Examples, measures_of, read_examples
from openvbp.measures.measure import Measure
from openvbp.measures.value_sets import ValueSet

Row = dict[str, Any]
_EDGES = [date(2026, 1, 1), date(2026, 12, 31), date(2025, 1, 1), date(2024, 12, 31), date(2025, 12, 31)]
_FINAL = ["final"] * 6 + ["amended", "corrected", "preliminary", "registered", "cancelled", "unknown"]
_HELD = ["finished"] * 6 + ["in-progress", "arrived", "planned", "cancelled", "unknown"]
_ASKED = ["active"] * 4 + ["completed", "draft", "revoked", "on-hold"]
_VISITS = ("office_visit", "telephone_visits", "medical_nutrition_therapy", "annual_wellness_visit")


def electronic_measures() -> list[Measure]:
    (collection,) = [one for one in shipped() if one.name == "electronic_measures"]
    return measures_of(collection)


def example_patients() -> tuple[Examples, dict[tuple[str, str], str]]:
    """The examples, with ids and systems that FHIR knows; and the status expected by measure and patient."""
    (collection,) = [one for one in shipped() if one.name == "electronic_measures"]
    found = read_examples(collection)
    ids = {one["person_id"]: f"example-{number}" for number, one in enumerate(found.persons, 1)}
    persons = [{**one, "person_id": ids[one["person_id"]]} for one in found.persons]
    events = {
        kind: [_in_fhir({**row, "person_id": ids[row["person_id"]]}) for row in rows]
        for kind, rows in found.events.items()
    }
    expected = {(measure, ids[who]): str(status) for (measure, who, _index), status in found.expected.items()}
    return Examples(found.period, persons, events, [], {}, found.sets), expected


def value_sets() -> dict[str, ValueSet]:
    return example_patients()[0].sets


def _in_fhir(row: Row) -> Row:
    """Made-up codes exist in every system; the project's own system of encounters is not FHIR's."""
    return {**row, "code_system": "snomed-ct"} if row["code_system"] == "encounter-type" else row


def random_patients(count: int, seed: int) -> tuple[list[Row], dict[str, list[Row]]]:
    """Persons and events: most are in the population, so that every later step is reached."""
    draw = random.Random(seed)
    persons: list[Row] = []
    events: dict[str, list[Row]] = {
        name: [] for name in ("condition", "encounter", "laboratory", "procedure", "assessment", "answer", "order")
    }
    events["medication_order"] = []
    for number in range(count):
        person = f"random-{number:05}"
        born = draw.choice([18, 19, 40, 65, 66, 66, 67, 70, 75, 76])
        birth = date(2026 - born, *draw.choice([(12, 31), (1, 1), (6, 15)])) + timedelta(days=draw.choice([0, 0, 1]))
        persons.append({"person_id": person, "birth_date": birth, "gender": draw.choice(["female", "male"])})
        for kind, row in _events(draw):
            row |= {"person_id": person, "event_id": f"{person} {len(events[kind]):06}"}
            events[kind].append(row)
    return persons, events


def _day(draw: random.Random) -> date:
    if draw.random() < 0.4:
        return draw.choice(_EDGES) + timedelta(days=draw.choice([-1, 0, 1]))
    return date(2025, 6, 1) + timedelta(days=draw.randrange(600))


def _events(draw: random.Random) -> list[tuple[str, Row]]:
    found = [_visit(draw) for _ in range(draw.choice([1, 1, 2]))]
    found += [_condition(draw, "diabetes") for _ in range(draw.choice([1, 1, 1, 2]))]
    unit = draw.choice(["%"] * 12 + ["mmol/mol"])
    tested = [_day(draw) for _ in range(draw.choice([0, 1, 2, 3]))]
    tested += [tested[-1]] if tested and draw.random() < 0.4 else []
    found += [_result(draw, day, unit) for day in tested]
    if draw.random() < 0.12:
        found.append(draw.choice([_hospice, _palliative])(draw))
    if draw.random() < 0.6:
        found.append(_frailty(draw))
    if draw.random() < 0.6:
        found.append(_illness(draw))
    found += [_housing(draw) for _ in range(draw.choice([0, 0, 0, 1, 2]))]
    return found


def _coded(kind: str, value_set: str, start: date, **fields: Any) -> tuple[str, Row]:
    system = next(one for one in domains()[kind].code_systems if one != "encounter-type")
    end = fields.pop("end_date", start)
    return kind, {
        "code_system": system, "code": value_set.upper(), "start_date": start, "end_date": end, **fields,
    }  # fmt: skip


def _visit(draw: random.Random) -> tuple[str, Row]:
    start = _day(draw) if draw.random() < 0.3 else date(2026, 3, 1)
    end = start + timedelta(days=draw.choice([0, 0, 0, 1]))
    return _coded("encounter", draw.choice(_VISITS), start, end_date=end, status=draw.choice(_HELD))


def _condition(draw: random.Random, value_set: str) -> tuple[str, Row]:
    start = _day(draw) if draw.random() < 0.6 else date(2019, 5, 1)
    end = start + timedelta(days=draw.randrange(900)) if draw.random() < 0.4 else None
    clinical = draw.choice(["active"] * 5 + ["recurrence", "relapse", "resolved", "inactive", "remission", None])
    verified = draw.choice(["confirmed"] * 4 + [None, None, "provisional", "refuted"])
    return _coded("condition", value_set, start, end_date=end, clinical_status=clinical, verification_status=verified)


def _result(draw: random.Random, day: date, unit: str) -> tuple[str, Row]:
    value = draw.choice([Decimal(one) for one in ("8.9", "9", "9.0", "9.1", "12", "5.55")] + [None])
    category = draw.choice(["laboratory"] * 9 + ["vital-signs"])
    given = unit if value is not None else None
    return _coded(
        "laboratory", "hba1c_laboratory_test", day, value=value, unit=given, status=draw.choice(_FINAL),
        category=category,
    )  # fmt: skip


def _hospice(draw: random.Random) -> tuple[str, Row]:
    day = _day(draw)
    end = day + timedelta(days=draw.choice([0, 1, 200]))
    left = draw.choice(["snomed-ct:428371000124100", "snomed-ct:428361000124107", "snomed-ct:306689006", None])
    answer = draw.choice(["snomed-ct:373066001", "snomed-ct:373067005"])
    choices = [
        _coded("encounter", "encounter_inpatient", day, end_date=end, status=draw.choice(_HELD),
               discharge_disposition=left),
        _coded("encounter", "hospice_encounter", day, end_date=end, status=draw.choice(_HELD)),
        _coded("order", "hospice_care_ambulatory", day, **_request(draw)),
        _coded("procedure", "hospice_care_ambulatory", day, status=draw.choice(["completed", "not-done"])),
        _condition(draw, "hospice_diagnosis"),
        _asked(draw, "45755-6", day, answer),
    ]  # fmt: skip
    return draw.choice(choices)


def _palliative(draw: random.Random) -> tuple[str, Row]:
    day = _day(draw)
    choices = [
        _coded("encounter", "palliative_care_encounter", day, status=draw.choice(_HELD)),
        _coded("procedure", "palliative_care_intervention", day, status=draw.choice(["completed", "preparation"])),
        _condition(draw, "palliative_care_diagnosis"),
        _asked(draw, "71007-9", day, None),
    ]
    return draw.choice(choices)


def _request(draw: random.Random) -> Row:
    intent = draw.choice(["order"] * 5 + ["plan"])
    return {"status": draw.choice(_ASKED), "intent": intent, "is_declined": draw.random() < 0.15}


def _frailty(draw: random.Random) -> tuple[str, Row]:
    day = _day(draw)
    question = draw.choice(["loinc:98181-1", "loinc:98181-1", "loinc:71802-3"])
    category = draw.choice(["survey", "survey", "social-history"])
    choices = [
        _coded("order", "frailty_device", day, **_request(draw)),
        _coded("answer", "frailty_device", day, question=question, category=category, status=draw.choice(_FINAL)),
        _condition(draw, "frailty_diagnosis"),
        _coded("encounter", "frailty_encounter", day, status=draw.choice(_HELD)),
        _coded("assessment", "frailty_symptom", day, status=draw.choice(_FINAL), category="survey"),
    ]
    return draw.choice(choices)


def _illness(draw: random.Random) -> tuple[str, Row]:
    if draw.random() < 0.5:
        return _condition(draw, "advanced_illness")
    day = _day(draw)
    days = draw.choice([None, 1, 2, 30, 90])
    request = {**_request(draw), "status": draw.choice(["active", "active", "completed"])}
    return _coded(
        "medication_order", "dementia_medications", day, end_date=day + timedelta(days=(days or 1) - 1),
        days_supply=None if days is None else Decimal(days), **request,
    )  # fmt: skip


def _housing(draw: random.Random) -> tuple[str, Row]:
    return _asked(draw, "71802-3", _day(draw), draw.choice(["snomed-ct:160734000", "snomed-ct:160724009"]))


def _asked(draw: random.Random, code: str, day: date, answer: str | None) -> tuple[str, Row]:
    category = draw.choice(["survey", "survey", "survey", "exam"])
    fields = {"status": draw.choice(_FINAL), "category": category, "answer": answer}
    kind, row = _coded("assessment", "", day, **fields)
    return kind, row | {"code_system": "loinc", "code": code}
