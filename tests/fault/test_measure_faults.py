"""Measures that are not well defined, and runs that lack something: a clear error, never a wrong score."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from openvbp.errors import InputDataError, UsageError
from openvbp.measures import events
from openvbp.measures.catalogue import user_collection
from openvbp.measures.errors import GrainError, MeasureError
from openvbp.measures.event_data import from_rows
from openvbp.measures.events import Events
from openvbp.measures.gate import demand_value_sets
from openvbp.measures.measure import Composite, Episode, Measure, check_together
from openvbp.measures.plan import evaluate
from openvbp.measures.value_sets import ValueSet, read_value_sets
from openvbp.measures.values import INDEX, MP, Age, Person, Window, follow_up
from openvbp.periods import parse_any_period

DIABETES = events.condition.in_("diabetes").starting(MP)
LAB = events.laboratory.in_("hba1c").starting(MP)


def measure(name: str = "one", version: str = "1", **parts: Any) -> Measure:
    return Measure(name, version, parts.pop("direction", "lower_is_better"), **{"numerator": LAB.exists(), **parts})


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "events as a condition": (lambda: measure(numerator=LAB), r"the numerator is no condition"),
    "events and a condition": (lambda: DIABETES.exists() & LAB, r"many events stand where one value"),
    "events compared": (lambda: LAB > 9, r"many events stand where one value"),
    "and instead of &": (lambda: DIABETES.exists() and LAB.exists(), r"combine with & \| ~"),
    "a number as a condition": (lambda: measure(numerator=LAB.count()), r"the numerator is a number, not a condition"),
    "kinds mixed": (lambda: LAB.count() == MP.end, r"a number is compared with a date"),
    "a binary float": (lambda: LAB.minimum() > 9.1, r'9.1 is a binary float(.|\n)*Decimal\("9.1"\)'),
    "no direction": (lambda: measure(direction=""), r"it has no direction"),
    "no version": (lambda: measure(version=""), r"lacks an id or a version"),
    "no numerator": (lambda: Measure("one", "1", "lower_is_better"), r"a proportion has no numerator"),
    "no end of a window": (lambda: Window(MP.start, None), r"a window has no end"),  # type: ignore[arg-type]
    "two windows": (lambda: LAB.starting(MP), r"events are given two windows"),
    "an unknown code system": (lambda: events.condition.with_code("icd-11", "1"), r"icd-11: unknown code system"),
    "another code system": (lambda: events.condition.with_code("loinc", "1"), r"loinc: no code system of condition"),
    "an unknown field": (lambda: events.condition.having("colour", "==", "red"), r"have no field colour"),
    "a field of another kind": (lambda: events.stay.having("is_planned", "==", 1), r"is_planned is a boolean"),
    "values of diagnoses": (lambda: DIABETES.minimum(), r"events of kind condition have no value"),
    "a wrong duration": (lambda: MP.with_look_back("3 years"), r"'3 years' is not a duration"),
    "an unknown fact": (lambda: Person("shoe_size"), r"nothing is known of a person's shoe_size"),
    "an index in a measure on persons": (
        lambda: measure(numerator=events.stay.starting(follow_up("0d", "30d")).exists()),
        r"speaks of an index event, but the measure is on persons",
    ),
    "an index timed by itself": (lambda: Episode(events.stay.ending(INDEX)), r"index events are timed by themselves"),
    "an index without a window": (lambda: Episode(events.stay), r"index events have no window"),
    "a numerator outside the denominator": (
        lambda: measure(initial_population=DIABETES.exists(), numerator=LAB.exists() & ~DIABETES.exists()),
        r"the numerator lies outside the denominator",
    ),
    "a numerator that is excluded": (
        lambda: measure(denominator_exclusion=DIABETES.exists(), numerator=DIABETES.exists()),
        r"the numerator lies outside the denominator",
    ),
    "a ratio without values": (lambda: measure(scoring="ratio"), r"scored as a ratio it needs"),
    "a composite without weights": (
        lambda: Composite("all", "1", "lower_is_better", "linear", ("one",)),
        r"needs a weight for each component",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_definition_is_refused_when_it_is_written(name: str) -> None:
    make, message = WRONG[name]
    with pytest.raises(MeasureError, match=message):
        make()


def test_mixing_grains_is_an_error_of_its_own() -> None:
    with pytest.raises(GrainError):
        measure(numerator=DIABETES)


def test_two_versions_of_one_measure() -> None:
    with pytest.raises(MeasureError, match=r"one is given twice, versions 1 and 2"):
        check_together([measure(), measure(version="2")])


def test_circular_composites() -> None:
    first = Composite("first", "1", "lower_is_better", "linear", ("second",), (Decimal(1),))
    second = Composite("second", "1", "lower_is_better", "linear", ("first",), (Decimal(1),))
    with pytest.raises(MeasureError, match=r"go round in a circle: first -> second -> first"):
        check_together([first, second])


def test_components_that_are_absent_or_point_elsewhere() -> None:
    composite = Composite("all", "1", "higher_is_better", "all_or_none", ("one", "three"))
    with pytest.raises(MeasureError, match=r"component one is lower is better(.|\n)*component three is not among"):
        check_together([measure(), composite])


def test_a_missing_value_set_stops_and_is_named() -> None:
    needs_two = measure(initial_population=DIABETES.exists())
    hba1c = ValueSet("hba1c", frozenset({("loinc", "4548-4")}))
    with pytest.raises(InputDataError, match=r"value set diabetes is missing\n  where: needed by one"):
        demand_value_sets([needs_two], {"hba1c": hba1c})
    (marked,), sets = demand_value_sets([needs_two], {"hba1c": hba1c}, allow_incomplete=True)
    assert not sets["diabetes"].codes
    assert marked.governance is None or "diabetes" in str(marked.governance.unverified)


def test_a_value_set_of_another_system() -> None:
    wrong = ValueSet("hba1c", frozenset({("icd-10-cm", "E11")}))
    with pytest.raises(InputDataError, match=r"value set hba1c has codes of another system: icd-10-cm"):
        demand_value_sets([measure()], {"hba1c": wrong})


def test_files_of_value_sets_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("code,code_system\n", encoding="utf-8")
    (tmp_path / "unknown.csv").write_text("code,code_system\n1,ICD-11\n", encoding="utf-8")
    (tmp_path / "ragged.csv").write_text("code,code_system\n1,LOINC,blood, serum\n", encoding="utf-8")
    (tmp_path / "columns.csv").write_text("code,text\n1,x\n", encoding="utf-8")
    (tmp_path / "good.csv").write_text("Code,Code System\n45.48-4, LOINC \n", encoding="utf-8")
    (tmp_path / "value_sets.csv").write_text("value_set,sha256\ngood,0000\n", encoding="utf-8")
    with pytest.raises(InputDataError) as caught:
        read_value_sets(tmp_path)
    text = str(caught.value)
    for part in ("no column code, or no rows", "unknown code system", "1 rows are not as long", "columns are missing"):
        assert part in text
    assert "digest of value sets is wrong" in text


def test_the_digest_does_not_depend_on_form_or_order(tmp_path: Path) -> None:
    for name, rows in (("one", "E11.9,ICD10CM\ne11.65,icd-10-cm\n"), ("two", "E1165,ICD-10-CM\nE119,icd10cm\n")):
        (tmp_path / f"{name}.csv").write_text(f"code,code_system\n{rows}", encoding="utf-8")
    sets = read_value_sets(tmp_path)
    assert sets["one"].sha256 == sets["two"].sha256


def test_an_export_with_lines_above_its_header(tmp_path: Path) -> None:
    text = (
        "Value Set Name,Diabetes\nOID,2.16.1\n\n"
        'Code,Description,Code System,Code System Version\nE11.9,"Diabetes, type 2",ICD10CM,2026\n'
    )
    (tmp_path / "export.csv").write_text(text, encoding="utf-8")
    assert read_value_sets(tmp_path)["Diabetes"].codes == {("icd-10-cm", "E119")}


def test_data_without_a_kind_of_events(duckdb_engine: Any) -> None:
    data = from_rows(duckdb_engine, [{"person_id": "p"}], {})
    with pytest.raises(InputDataError, match=r"the data have no events of kind laboratory"):
        evaluate(data, [measure()], {"hba1c": ValueSet("hba1c", frozenset())}, [parse_any_period("CY2024")])


def test_a_user_file_without_measures(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    with pytest.raises(UsageError, match="there is no such file of measures"):
        user_collection(path)
    path.write_text("MEASURES = []\n", encoding="utf-8")
    with pytest.raises(UsageError, match="file gives no measures"):
        user_collection(path)


def test_unknown_things_stay_unknown(duckdb_engine: Any) -> None:
    """A person without a birth date is not evaluable, and no zero."""
    data = from_rows(duckdb_engine, [{"person_id": "p"}], {"laboratory": []})
    asked = measure(initial_population=Age(MP.end) >= 18)
    (found,) = evaluate(data, [asked], {"hba1c": ValueSet("hba1c", frozenset())}, [parse_any_period("CY2024")])
    assert duckdb_engine.to_arrow(found.table)["status_0"].to_pylist() == [7]


def test_events_cannot_be_mixed_by_any_operator() -> None:
    for one in (lambda: LAB & LAB, lambda: LAB | LAB, lambda: ~LAB, lambda: LAB == LAB, lambda: bool(LAB)):
        with pytest.raises(GrainError):
            one()
    assert isinstance(LAB, Events)
