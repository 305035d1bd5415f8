"""Random patients for a collection of measures, as examples: what is found row by row is expected of the plan."""

from __future__ import annotations

import dataclasses
import random
from datetime import date, timedelta
from typing import Any

from openvbp.measures.catalogue import Collection
from openvbp.measures.domains import domains
from openvbp.measures.events import Events
from openvbp.measures.examples import by_interpreter, measures_of, read_examples
from openvbp.periods import Period

_TEXTS = {
    "setting": ("inpatient", "outpatient", "professional"),
    "present_on_admission": ("Y", "N", "U", "W"),
    "discharge_disposition": ("01", "07", "20", "50"),
}
_NUMBERS = ("4", "7", "8.5", "9", "10", "58", "85", "90", "139", "141")
_LASTING = ("condition", "stay", "encounter")


def with_random_patients(collection: Collection, seed: int, persons: int) -> Collection:
    """Add random patients to a collection's examples, with what the interpreter makes of them as the expectation."""
    rng = random.Random(seed)
    period = read_examples(collection).period
    targets = _targets(collection)
    drawn = [_patient(rng, number, targets, period) for number in range(persons)]
    by_name = {one["who"]: one for one in drawn}
    alone = dataclasses.replace(collection, examples={**collection.examples, "patients": drawn})
    for (measure, who, index), outcome in by_interpreter(measures_of(collection), read_examples(alone)).items():
        told = dict(zip(("status", "numerator_value", "denominator_value"), outcome, strict=True))
        if index is None:
            by_name[who]["expect"][measure] = told
        else:
            by_name[who]["expect"].setdefault(measure, {})[index.removeprefix(f"{who} ")] = told
    everybody = [*collection.examples["patients"], *drawn]
    return dataclasses.replace(collection, examples={**collection.examples, "patients": everybody})


def _targets(collection: Collection) -> list[tuple[str, str]]:
    """Kinds of events and what they may be, as the collection's measures ask for them."""
    asked = [node for one in measures_of(collection) for node in one.nodes() if isinstance(node, Events)]
    found = {(one.domain, name) for one in asked for name in one.value_sets}
    found |= {(one.domain, f"{system}:{code}") for one in asked for system, code in one.codes}
    return sorted(found | {(one.domain, "any") for one in asked})


def _patient(rng: random.Random, number: int, targets: list[tuple[str, str]], period: Period) -> dict[str, Any]:
    first = period.start - timedelta(days=500)

    def some_day() -> date:
        return first + timedelta(days=rng.randint(0, (period.end - first).days + 60))

    # Days come together, so that windows and companions have something to find.
    near = [some_day() for _place in range(3)]
    days = [
        rng.choice(near) + timedelta(days=rng.randint(-5, 25)) if rng.random() < 0.7 else some_day()
        for _place in range(rng.randint(0, 14))
    ]
    patient: dict[str, Any] = {
        "who": f"random {number}",
        "birth_date": date(rng.randint(1935, 2012), rng.randint(1, 12), rng.randint(1, 28)),
        "gender": rng.choice(["female", "male"]),
        "events": [_event(rng, place, *rng.choice(targets), day) for place, day in enumerate(days)],
        "expect": {},
    }
    if rng.random() < 0.2:
        patient["death_date"] = some_day()
    if rng.random() < 0.3:
        left = some_day()
        back = left + timedelta(days=rng.choice([2, 30, 60]))
        patient["enrolled"] = [f"{first}..{left}", f"{back}..{back + timedelta(days=700)}"]
    return patient


def _event(rng: random.Random, place: int, domain: str, what: str, start: date) -> str:
    end = start + timedelta(days=rng.choice([0, 0, 0, 1, 5, 40]) if domain in _LASTING else 0)
    words = [domain, what, f"{start}..{end}", f"id=e{place}"]
    for name, kind in domains()[domain].fields.items():
        values = _TEXTS.get(name, ())
        if kind == "boolean":
            values = ("yes", "yes", "no")
        elif kind == "number":
            values = ("10", "30", "90", "90") if name == "days_supply" else _NUMBERS
        if values and rng.random() < 0.75:
            words.append(f"{name}={rng.choice(values)}")
    return " ".join(words)
