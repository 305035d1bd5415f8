"""Measures on bundles: everything that is read is accounted for, and compared with what tests expect."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fhir_patients import electronic_measures, example_patients, random_patients
from openvbp.cli import app
from openvbp.engine import open_engine
from openvbp.errors import InputDataError, UsageError
from openvbp.measures.examples import Examples, by_interpreter, by_plan
from openvbp.measures.fhir.bundles import read_bundles, zone_of
from openvbp.measures.fhir.expected import populations_of, read_known_failures
from openvbp.measures.fhir.run import FhirRequest, run_on_bundles
from openvbp.measures.fhir.value_sets import read_fhir_value_sets
from openvbp.measures.fhir.writer import write_bundles
from openvbp.periods import parse_any_period

MEASURE = "electronic.diabetes_glycemia_above_9"
REPORTED = "OwnMeasure"


def report(patient: str, populations: dict[str, int] | None, measure: str = REPORTED, **more: Any) -> dict[str, Any]:
    counts = [{"code": {"coding": [{"code": name}]}, "count": count} for name, count in (populations or {}).items()]
    return {
        "resourceType": "MeasureReport",
        "subject": {"reference": f"Patient/{patient}"},
        "measure": f"http://example.org/Measure/{measure}|1.0",
        "period": {"start": "2026-01-01", "end": "2026-12-31"},
        "group": [{"population": counts}],
        **more,
    }


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples as bundles, with reports of what is expected of those who can be evaluated."""
    folder = tmp_path_factory.mktemp("deck")
    examples, expected = example_patients()
    write_bundles(folder, examples.persons, examples.events, examples.sets)
    for person in examples.persons:
        who = person["person_id"]
        populations = populations_of(expected.get((MEASURE, who), "outside"))
        if populations is not None:
            change(folder, who, lambda bundle, who=who, counts=populations: add(bundle, report(who, counts)))
    return folder


def change(folder: Path, who: str, how: Any) -> None:
    path = folder / "patients" / f"{who}.json"
    bundle = json.loads(path.read_text())
    how(bundle)
    path.write_text(json.dumps(bundle))


def add(bundle: dict[str, Any], resource: dict[str, Any]) -> None:
    bundle["entry"].append({"resource": resource})


def copy_of(deck: Path, to: Path, count: int = 6) -> Path:
    (to / "patients").mkdir(parents=True)
    for path in sorted((deck / "patients").glob("example-?.json"))[:count]:
        (to / "patients" / path.name).write_bytes(path.read_bytes())
    (to / "value_sets.json").write_bytes((deck / "value_sets.json").read_bytes())
    return to


def run(folder: Path, out: Path, *more: str) -> Any:
    command = [
        "measures",
        "fhir",
        "--bundles",
        str(folder / "patients"),
        "--value-sets",
        str(folder),
        "--out",
        str(out),
    ]
    return CliRunner().invoke(app, [*command, "--measure", MEASURE, "--period", "CY2026", *more])


def test_every_example_is_as_expected_on_bundles_too(deck: Path, tmp_path: Path) -> None:
    found = run(deck, tmp_path / "out")
    assert found.exit_code == 0, found.output
    summary = json.loads((tmp_path / "out/fhir.json").read_text())
    assert summary["compared"]["agrees"] == summary["compared"]["patients"] > 50
    assert summary["compared"]["differs"] == 0
    assert summary["measures"][0]["not_evaluable"] == 2
    assert [one["rejected"] for one in summary["reading"]["resources"]] == [0] * len(summary["reading"]["resources"])


def test_plan_and_interpreter_agree_on_random_patients() -> None:
    persons, events = random_patients(400, seed=21)
    sets = example_patients()[0].sets
    everything = Examples(parse_any_period("CY2026"), persons, events, [], {}, sets)
    always = [{"person_id": one["person_id"], "start_date": _far(1), "end_date": _far(2)} for one in persons]
    everything.enrollment.extend(always)
    with open_engine("duckdb") as engine:
        found = by_plan(engine, electronic_measures(), everything)
    assert found == by_interpreter(electronic_measures(), everything)
    statuses = {status for status, _numerator, _denominator in found.values()}
    assert statuses == {"met", "not_met", "excluded", "not_evaluable"}


def _far(side: int) -> Any:
    return parse_any_period("CY1990").start if side == 1 else parse_any_period("CY2090").end


def test_a_patient_who_differs_ends_with_1_and_is_named_in_evidence_alone(deck: Path, tmp_path: Path) -> None:
    folder = copy_of(deck, tmp_path / "deck")
    change(folder, "example-2", lambda bundle: _count(bundle, "numerator", 1))
    found = run(folder, tmp_path / "out")
    assert found.exit_code == 1
    assert "6 patients: 5 agree, 1 differ" in found.output
    assert "1 differ in numerator" in found.output
    with (tmp_path / "out/evidence/comparison.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["outcome"] == "differs"]
    assert [(row["patient"], row["population"], row["expected"], row["found"]) for row in rows] == [
        ("example-2", "numerator", "1", "0")
    ]
    for text in (found.output, (tmp_path / "out/fhir.json").read_text(), (tmp_path / "out/fhir.html").read_text()):
        assert "example-2" not in text


def _count(bundle: dict[str, Any], population: str, count: int) -> None:
    for entry in bundle["entry"]:
        for one in entry["resource"].get("group", [{}])[0].get("population", []):
            if one["code"]["coding"][0]["code"] == population:
                one["count"] = count


def test_known_failures_need_a_reason_and_are_told_apart(deck: Path, tmp_path: Path) -> None:
    folder = copy_of(deck, tmp_path / "deck")
    change(folder, "example-2", lambda bundle: _count(bundle, "numerator", 1))
    known = tmp_path / "known.csv"
    lines = ["example-2,OwnMeasure,the test is wrong", "example-3,OwnMeasure,it was wrong", "gone,OwnMeasure,old"]
    known.write_text("\n".join(["patient,measure,reason", *lines]))
    found = run(folder, tmp_path / "out", "--known-failures", str(known))
    assert found.exit_code == 0, found.output
    assert "6 patients: 4 agree, 0 differ, 1 known to differ, 1 listed, but agree" in found.output
    assert "1 known failures have no report" in found.output
    known.write_text("patient,measure,reason\nexample-2,OwnMeasure,\n")
    with pytest.raises(InputDataError, match="lacks its patient, measure or reason"):
        read_known_failures(known)
    known.write_text("patient,measure\n")
    with pytest.raises(InputDataError, match="columns are missing"):
        read_known_failures(known)


def test_a_patient_who_is_not_evaluable_never_agrees(deck: Path, tmp_path: Path) -> None:
    folder = copy_of(deck, tmp_path / "deck")
    change(folder, "example-1", lambda bundle: bundle["entry"][0]["resource"].update(birthDate="1965"))
    found = run(folder, tmp_path / "out")
    assert found.exit_code == 1
    assert "birth date not known to the day: taken as not known (1)" in found.output


def test_reports_are_chosen_by_measure_and_period(deck: Path, tmp_path: Path) -> None:
    folder = copy_of(deck, tmp_path / "deck", 3)
    change(folder, "example-1", lambda bundle: add(bundle, report("example-1", {"numerator": 0}, "Other")))
    found = run(folder, tmp_path / "out")
    assert isinstance(found.exception, UsageError | SystemExit)
    assert found.exit_code != 0
    found = run(folder, tmp_path / "out", "--expected-measure", REPORTED)
    assert found.exit_code == 0, found.output
    assert "1 reports are on other measures or periods" in found.output
    request = FhirRequest("CY2026", (MEASURE,), value_sets=folder, expected_measure="Absent")
    with pytest.raises(UsageError, match="no report is on Absent"):
        run_on_bundles(folder / "patients", tmp_path / "out", request)
    request = FhirRequest("CY2025", (MEASURE,), value_sets=folder, expected_measure=REPORTED)
    with pytest.raises(UsageError, match="no report is on 2025-01-01 to 2025-12-31"):
        run_on_bundles(folder / "patients", tmp_path / "out", request)


def test_all_that_is_read_is_accounted_for(deck: Path, tmp_path: Path) -> None:
    folder = copy_of(deck, tmp_path / "deck", 4)
    other = {"resourceType": "Procedure", "status": "completed", "subject": {"reference": "Patient/somebody"}}
    wrong = {"resourceType": "Encounter", "subject": {"reference": "Patient/example-1"}, "period": 7, "type": 5}
    for resource in (
        other,
        wrong,
        {"resourceType": "CarePlan"},
        {"resourceType": "MeasureReport"},
        report("example-1", {"x": 1}),
    ):
        change(folder, "example-1", lambda bundle, one=resource: add(bundle, one))
    (folder / "patients/twice.json").write_bytes((folder / "patients/example-2.json").read_bytes())
    (folder / "patients/nobody.json").write_text('{"resourceType": "Bundle", "entry": [{"resource": {}}]}')
    (folder / "patients/single.json").write_text('{"resourceType": "Condition"}')
    found = read_bundles(folder / "patients")
    assert (found.bundles, found.accepted, found.other_files, len(found.persons)) == (6, 4, 1, 4)
    assert sum(found.rejected_bundles.values()) == 2
    outcomes = {outcome: count for (_kind, outcome), count in found.resources.items() if outcome != "accepted"}
    twice = len(json.loads((folder / "patients/twice.json").read_text())["entry"])
    assert outcomes["about another patient"] == 1
    assert outcomes["no day (period)"] == 1
    assert outcomes["not used"] == 1
    assert outcomes["a report with no group of populations, or with several"] == 1
    assert outcomes["a report with no population of a proportion"] == 1
    in_second = sum(
        count
        for (_kind, outcome), count in found.resources.items()
        if outcome == "its bundle: its patient is in another bundle too"
    )
    assert in_second == twice
    written = sum(len(json.loads(path.read_text()).get("entry", [])) for path in (folder / "patients").glob("*.json"))
    assert sum(found.resources.values()) == written


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("a.json", "{", "not JSON in UTF-8"),
        ("a.json", '{"resourceType": "Patient"}', "the folder holds no bundle"),
        ("a.json", '{"resourceType": "Bundle"}', "no bundle of a patient can be used"),
        ("a.txt", "", "the folder holds no bundle"),
    ],
)
def test_folders_without_patients_are_errors(tmp_path: Path, name: str, text: str, error: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputDataError, match=error):
        read_bundles(tmp_path)


def test_coverage_counts_only_where_a_measure_asks_for_it(tmp_path: Path) -> None:
    person = {"person_id": "a", "gender": "female"}
    write_bundles(tmp_path, [person], {}, {})
    coverage = {"resourceType": "Coverage", "status": "active", "beneficiary": {"reference": "Patient/a"}}
    for resource in ({**coverage, "period": {"start": "2025-07-01"}}, coverage, {**coverage, "status": "draft"}):
        change(tmp_path, "a", lambda bundle, one=resource: add(bundle, one))
    found = read_bundles(tmp_path / "patients")
    assert len(found.enrollment) == 1
    assert {outcome for kind, outcome in found.resources if kind == "Coverage"} == {
        "accepted", "no day (period)", "status draft",
    }  # fmt: skip
    with open_engine("duckdb") as engine:
        assert found.event_data(engine, with_enrollment=False).enrollment is None
        assert found.event_data(engine, with_enrollment=True).enrollment is not None


@pytest.mark.parametrize(
    ("measure", "error"),
    [("diabetes.hba1c_poor_control", "it asks for codes of encounter-type"), ("absent", "measures are not known")],
)
def test_measures_that_bundles_cannot_answer_are_refused(deck: Path, tmp_path: Path, measure: str, error: str) -> None:
    with pytest.raises(UsageError, match=error):
        run_on_bundles(deck / "patients", tmp_path, FhirRequest("CY2026", (measure,), value_sets=deck))
    with pytest.raises(UsageError, match="no measure is named"):
        run_on_bundles(deck / "patients", tmp_path, FhirRequest("CY2026", (), value_sets=deck))


def test_reports_are_compared_with_one_measure(deck: Path, tmp_path: Path) -> None:
    request = FhirRequest("CY2026", ("electronic_measures",), value_sets=deck)
    with pytest.raises(UsageError, match="2 measures are asked for"):
        run_on_bundles(deck / "patients", tmp_path, request)


def test_a_missing_value_set_stops_the_run(deck: Path, tmp_path: Path) -> None:
    folder = copy_of(deck, tmp_path / "deck", 2)
    content = json.loads((folder / "value_sets.json").read_text())
    content["entry"] = [one for one in content["entry"] if one["resource"]["name"] != "frailty_device"]
    (folder / "value_sets.json").write_text(json.dumps(content))
    request = FhirRequest("CY2026", (MEASURE,), value_sets=folder)
    with pytest.raises(InputDataError, match="value set frailty_device is missing"):
        run_on_bundles(folder / "patients", tmp_path / "out", request)
    (folder / "frailty_device.csv").write_text("code,code_system\nFRAILTY_DEVICE,hcpcs\n")
    summary = run_on_bundles(
        folder / "patients", tmp_path / "out", FhirRequest("CY2026", (MEASURE,), value_sets=folder)
    )
    assert summary["compared"]["agrees"] == 2


def value_set(**more: Any) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "title": "Some Set", **more}


def test_value_sets_are_expansions_or_lists(tmp_path: Path) -> None:
    inner = {"abstract": True, "contains": [{"system": "http://loinc.org", "code": "4548-4"}]}
    mixed = [inner, {"system": "http://example.org", "code": "1"}, {"system": "http://snomed.info/sct", "code": "2"}]
    listed = {"include": [{"system": "http://loinc.org", "concept": [{"code": "1"}]}]}
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"resource": value_set(expansion={"contains": mixed})},
            {"resource": value_set(title="Another", compose=listed)},
        ],
    }
    (tmp_path / "sets.json").write_text(json.dumps(bundle))
    found = read_fhir_value_sets(tmp_path)
    assert found.sets["some_set"].codes == {("loinc", "4548-4"), ("snomed-ct", "2")}
    assert found.sets["another"].codes == {("loinc", "1")}
    assert found.other_systems == {"http://example.org": 1}


@pytest.mark.parametrize(
    ("contents", "error"),
    [
        ([value_set()], "is a rule, not a list"),
        ([value_set(compose={"include": [{"system": "http://loinc.org", "filter": []}]})], "is a rule, not a list"),
        ([value_set(expansion={"contains": [{"system": "x", "code": "1"}]})], "no code of a known system"),
        ([{"resourceType": "Patient"}], "holds no ValueSet"),
        (
            [value_set(expansion={"contains": [{"system": "http://loinc.org", "code": one}]}) for one in ("1", "2")],
            "there twice",
        ),
    ],
)
def test_value_sets_that_would_score_wrongly_are_errors(tmp_path: Path, contents: list[Any], error: str) -> None:
    for number, one in enumerate(contents):
        (tmp_path / f"{number}.json").write_text(json.dumps(one))
    with pytest.raises(InputDataError, match=error):
        read_fhir_value_sets(tmp_path)


def test_zones_are_offsets() -> None:
    assert zone_of(None) is None
    assert str(zone_of("-05:30")) == "UTC-05:30"
    for text in ("EST", "+5", "", "+05:60", "*05:00", "+99:00"):
        with pytest.raises(UsageError, match="is no zone"):
            zone_of(text)
