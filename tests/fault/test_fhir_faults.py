"""Damaged bundles: whatever stands where in a bundle, each entry is accounted for and tables can be made."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from fhir_patients import random_patients
from openvbp.engine import open_engine
from openvbp.measures.fhir.bundles import Patients, _read_bundle
from openvbp.measures.fhir.writer import bundle_of

_WRONG = [
    None, 5, -1, "", "x", "2026", [], {}, [[]], [None], True, Decimal("1e400"), Decimal("NaN"), "9999-12-31", "0001",
    {"a": 1}, [1], 10**30, "Patient/x",
]  # fmt: skip


def _bundles() -> list[dict[str, Any]]:
    persons, events = random_patients(30, seed=5)
    found = []
    for person in persons:
        own = {kind: [row for row in rows if row["person_id"] == person["person_id"]] for kind, rows in events.items()}
        bundle = json.loads(json.dumps(bundle_of(person, own)), parse_float=Decimal)
        population = [{"code": {"coding": [{"code": "numerator"}]}, "count": 1}]
        period = {"start": "2026-01-01", "end": "2026-12-31"}
        report = {
            "resourceType": "MeasureReport",
            "measure": "x",
            "period": period,
            "group": [{"population": population}],
        }
        bundle["entry"] += [{"resource": report}, {"resource": {"resourceType": "Coverage", "period": period}}]
        found.append(bundle)
    return found


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield node, key
        yield from _places(value)


def test_damaged_bundles_are_accounted_for() -> None:
    draw, bundles, found, seen = random.Random(3), _bundles(), Patients(), set[str]()
    for number in range(400):
        bundle = copy.deepcopy(draw.choice(bundles))
        patient = bundle["entry"][0]["resource"]
        patient["id"] = f"p{number}"
        for entry in bundle["entry"][1:]:
            if "subject" in entry["resource"]:
                entry["resource"]["subject"] = {"reference": f"Patient/p{number}"}
        for _ in range(draw.choice([1, 2, 3])):
            node, key = draw.choice(list(_places(bundle["entry"])))
            node[key] = draw.choice(_WRONG)
        before = sum(found.resources.values())
        _read_bundle(found, bundle, None, seen)
        assert sum(found.resources.values()) - before == len(bundle["entry"])
    assert found.bundles == 400 == found.accepted + sum(found.rejected_bundles.values())
    outcomes = {outcome for _kind, outcome in found.resources}
    assert {"accepted", "not built as FHIR R4 says", "it holds no resource", "a day cannot be read"} <= outcomes
    with open_engine("duckdb") as engine:
        data = found.event_data(engine, with_enrollment=True)
        assert engine.to_arrow(data.persons).num_rows == found.accepted
