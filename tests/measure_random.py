"""Random definitions of measures, and random patients for them, with many ties and many unknown values."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from openvbp.measures import events
from openvbp.measures.errors import MeasureError
from openvbp.measures.events import Events
from openvbp.measures.measure import PATIENT, Episode, Measure
from openvbp.measures.value_sets import ValueSet
from openvbp.measures.values import (
    INDEX,
    MP,
    Age,
    DaysBetween,
    Enrolled,
    EnrolledDays,
    Person,
    Value,
    Window,
    as_value,
    choose,
    follow_up,
    look_back,
    ordered,
)

SETS = {
    "diabetes": ValueSet("diabetes", frozenset({("icd-10-cm", "E11*"), ("icd-10-cm", "E109")})),
    "heart": ValueSet("heart", frozenset({("icd-10-cm", "I50*"), ("icd-10-cm", "E1165")})),
    "hba1c": ValueSet("hba1c", frozenset({("loinc", "4548-4")})),
    "drug": ValueSet("drug", frozenset({("ndc", "1"), ("ndc", "2")})),
}
KINDS = ("condition", "laboratory", "dispensing", "encounter", "stay", "claim_line")
_STAYS = events.stay.ending(MP)
BASES = (PATIENT, Episode(_STAYS), Episode(events.stay.in_("heart").having("is_last_of_chain", "==", True).ending(MP)))


def windows(chance: random.Random, *, on_episodes: bool) -> Window:
    """A window of the period, of the index event, or from the first event of a kind."""
    choices = [
        MP,
        MP.with_look_back("1y"),
        Window(MP.start.plus("2m"), MP.end.minus("15d")),
        Window(events.encounter.starting(MP).first_date(), MP.end),
        Window(Person("birth_date").plus("50y"), Person("birth_date").plus("51y").minus("1d")),
    ]
    if on_episodes:
        choices += [
            INDEX,
            look_back("60d"),
            follow_up("0d", "30d"),
            Window(INDEX.start.minus("3d"), INDEX.end.plus("1m")),
        ]
    return chance.choice(choices)


def event_set(chance: random.Random, *, on_episodes: bool, kind: str | None = None) -> Events:
    """Events narrowed in one of many ways."""
    kind = kind or chance.choice(KINDS)
    found = _coded(chance, kind)
    if kind == "stay" and chance.random() < 0.4:
        found = found.having("is_planned", "==", chance.choice([True, False]))
    if kind == "laboratory" and chance.random() < 0.2:
        found = found.having("value", ">=", Decimal("9"))
    if chance.random() < 0.15:
        found = found.accompanied_by(events.encounter.with_code("encounter-type", "office"))
    elif chance.random() < 0.1:
        found = found.not_accompanied_by(events.condition.in_("heart"))
    times = ["starting", "ending", "during", "overlapping"] + (["prevalent"] if kind == "condition" else [])
    if chance.random() < 0.9:
        found = getattr(found, chance.choice(times))(windows(chance, on_episodes=on_episodes))
    return _picked(chance, found) if chance.random() < 0.4 else found


def _coded(chance: random.Random, kind: str) -> Events:
    found = Events(kind)
    if kind == "condition":
        return found.in_(*chance.choice([["diabetes"], ["heart"], ["diabetes", "heart"]]))
    if kind == "dispensing":
        return chance.choice([found.in_("drug"), found.with_code("ndc", "3")])
    if kind == "encounter":
        codes = chance.choice([[], ["hospice"], ["office"]])
        return found.with_code("encounter-type", *codes)
    value_set = {"laboratory": "hba1c", "stay": "heart"}.get(kind)
    return found.in_(value_set) if value_set and chance.random() < 0.6 else found


def _picked(chance: random.Random, found: Events) -> Events:
    picked: Events = getattr(found, chance.choice(["first", "last", "last_day"]))()
    if found.domain == "stay" and chance.random() < 0.6:
        return picked.having("is_planned", "==", False)
    if found.domain == "laboratory" and chance.random() < 0.5:
        return picked.having("value", "<", Decimal("8"))
    return picked


def number(chance: random.Random, *, on_episodes: bool, depth: int = 1) -> Value:
    """A number of a subject."""
    some = event_set(chance, on_episodes=on_episodes)
    valued = event_set(chance, on_episodes=on_episodes, kind=chance.choice(["laboratory", "claim_line", "stay"]))
    supplied = events.dispensing.in_("drug").starting(windows(chance, on_episodes=on_episodes))
    choices = [
        some.count(),
        some.days(),
        valued.minimum(),
        valued.maximum(),
        valued.sum(),
        supplied.covered_days(),
        Age(chance.choice([MP.end, MP.start, some.first_date()])),
        DaysBetween(some.first_date(), chance.choice([MP.end, some.last_date()])),
        EnrolledDays(windows(chance, on_episodes=on_episodes)),
        as_value(chance.choice([0, 1, 3, Decimal("8.5")])),
    ]
    if depth:
        one, other = (number(chance, on_episodes=on_episodes, depth=0) for _ in range(2))
        choices += [one + other, one - other, one * 2]
        choices.append(choose(condition(chance, on_episodes=on_episodes, depth=0), one, other))
    return chance.choice(choices)


def condition(chance: random.Random, *, on_episodes: bool, depth: int = 2) -> Value:
    """A condition of a subject."""
    if depth and chance.random() < 0.6:
        one, other = (condition(chance, on_episodes=on_episodes, depth=depth - 1) for _ in range(2))
        rules = ordered((one, "next", "reject"), (other, "select", "next"), (one & other, "reject", "next"))
        return chance.choice([one & other, one | other, ~one, one.otherwise(True), one.is_missing(), rules])
    some = event_set(chance, on_episodes=on_episodes)
    measured = event_set(chance, on_episodes=on_episodes, kind="laboratory")
    amount = number(chance, on_episodes=on_episodes, depth=0)
    limit = as_value(chance.choice([0, 1, 2, 9, 30, 60, Decimal("9.1")]))
    gaps = Enrolled(windows(chance, on_episodes=on_episodes), chance.choice([0, 30]), chance.choice([0, 1]))
    choices = [
        some.exists(),
        some.is_missing(),
        measured.any_null(),
        amount >= limit,
        amount < limit,
        amount == limit,
        Age(MP.end).between(18, 75),
        Person("is_dual") == True,  # noqa: E712 (builds a comparison)
        Person("gender").is_in("female"),
        Person("death_date") > MP.start,
        gaps,
    ]
    if on_episodes:
        choices.append(events.index_field("discharge_disposition").is_in("07", "20"))
    return chance.choice(choices)


def measure(chance: random.Random, name: str) -> Measure:
    """A measure of one of the bases."""
    basis = chance.choice(BASES)
    on_episodes = basis is not PATIENT
    roles = {"initial_population": condition(chance, on_episodes=on_episodes)}
    for role, likely in (("denominator", 0.2), ("denominator_exclusion", 0.5), ("denominator_exception", 0.3)):
        if chance.random() < likely:
            roles[role] = condition(chance, on_episodes=on_episodes)
    if chance.random() < 0.25:
        values = {name: number(chance, on_episodes=on_episodes) for name in ("numerator_value", "denominator_value")}
        roles.pop("denominator_exception", None)
        return Measure(name, "1", "lower_is_better", basis, "ratio", **roles, **values)
    if chance.random() < 0.3:
        roles["numerator_exclusion"] = condition(chance, on_episodes=on_episodes)
    while True:
        try:
            numerator = condition(chance, on_episodes=on_episodes)
            return Measure(name, "1", "lower_is_better", basis, numerator=numerator, **roles)
        except MeasureError:
            # By chance nobody could be in the numerator, which is refused.
            continue


def population(chance: random.Random, persons: int) -> tuple[list[Any], dict[str, list[Any]], list[Any]]:
    """Persons, events by kind and spans of enrolment, as rows."""
    people: list[Any] = []
    happened: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    spans: list[Any] = []
    for number_ in range(persons):
        who = f"p{number_}"
        born = date(chance.randint(1930, 2010), chance.randint(1, 12), chance.randint(1, 28))
        dual, died = chance.choice([True, False, None]), chance.choice([None, _day(chance)])
        gender = chance.choice(["female", "male", None])
        facts = {"birth_date": born, "is_dual": dual, "death_date": died, "gender": gender}
        people.append({"person_id": who, **facts})
        for _ in range(chance.randint(0, 3)):
            first = _day(chance)
            last = first + timedelta(days=chance.randint(0, 400))
            spans.append({"person_id": who, "start_date": first, "end_date": last})
        for kind in KINDS:
            for one in range(chance.randint(0, 5)):
                happened[kind].append({"person_id": who, "event_id": f"{who} {kind} {one}", **_event(chance, kind)})
    return people, happened, spans


def _day(chance: random.Random, first: int = 0) -> date:
    return date(2023, 1, 1) + timedelta(days=chance.randint(first, 730))


def _event(chance: random.Random, kind: str) -> dict[str, Any]:
    start = _day(chance, 200)
    end = chance.choice([None, start, start + timedelta(days=chance.randint(0, 20))])
    row: dict[str, Any] = {"start_date": start, "end_date": end}
    ways: dict[str, dict[str, Any]] = {
        "condition": {
            "code_system": "icd-10-cm",
            "code": chance.choice(["E1165", "E109", "I509", "Z00"]),
            "clinical_status": chance.choice([None, "active", "resolved"]),
            "verification_status": chance.choice([None, "confirmed", "refuted"]),
        },
        "laboratory": {
            "code_system": "loinc",
            "code": chance.choice(["4548-4", "4548-4", "1"]),
            "value": chance.choice([None, Decimal("9"), Decimal("9.1"), Decimal("7")]),
        },
        "dispensing": {
            "code_system": "ndc",
            "code": chance.choice("123"),
            "days_supply": Decimal(chance.choice([30, 90])) if chance.random() < 0.95 else None,
        },
        "encounter": {"code_system": "encounter-type", "code": chance.choice(["hospice", "office"])},
        "stay": {
            "code_system": "icd-10-cm",
            "code": chance.choice(["I509", "E1165", "Z00"]),
            "end_date": start + timedelta(days=chance.randint(0, 9)),
            "is_last_of_chain": chance.choice([True, True, False]),
            "is_planned": chance.choice([True, False, None]),
            "discharge_disposition": chance.choice(["01", "07", None]),
            "facility_id": chance.choice("fg"),
            "value": Decimal(chance.randint(1, 99)),
        },
        "claim_line": {"code_system": "hcpcs", "code": "x", "value": Decimal(chance.randint(-9, 99))},
    }
    return row | ways[kind]
