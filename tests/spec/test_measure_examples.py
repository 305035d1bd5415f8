"""Examples of every shipped collection, on the plan and row by row; and the code lists that are shipped."""

from __future__ import annotations

import csv
import dataclasses
from importlib.resources import files
from pathlib import Path

import pytest

from measure_random_examples import with_random_patients
from openvbp.claims.synthetic.settings import rows
from openvbp.engine import Engine
from openvbp.measures.catalogue import Collection, shipped
from openvbp.measures.demonstration_codes import DRUGS, write_demonstration_codes
from openvbp.measures.examples import differences
from openvbp.measures.measure import Measure, check_together
from openvbp.measures.value_sets import MANIFEST, read_value_sets, shipped_value_sets

COLLECTIONS = shipped()
MEASURES = [one for collection in COLLECTIONS for one in collection.measures if isinstance(one, Measure)]
NEEDED = {name for one in MEASURES for name in one.value_sets()}


def named(collection: Collection) -> str:
    return collection.name


@pytest.mark.parametrize("collection", COLLECTIONS, ids=named)
def test_examples_are_as_expected(duckdb_engine: Engine, collection: Collection) -> None:
    """Those written beside the measures, and random patients of whom the plan must say what is found row by row."""
    everybody = with_random_patients(collection, seed=len(collection.name), persons=30)
    assert differences(duckdb_engine, everybody) == []


@pytest.mark.spark
@pytest.mark.parametrize("name", ["emergency_use", "medication_adherence"])
def test_examples_are_as_expected_on_spark(spark_engine: Engine, name: str) -> None:
    (collection,) = [one for one in COLLECTIONS if one.name == name]
    assert differences(spark_engine, collection) == []


def test_an_example_that_is_wrong_is_found(duckdb_engine: Engine) -> None:
    (collection,) = [one for one in COLLECTIONS if one.name == "smoking"]
    first = collection.examples["patients"][0]
    wrong = dict(first) | {"expect": {"smoking.status_recorded": "not_met"}}
    changed = dataclasses.replace(collection, examples=dict(collection.examples) | {"patients": [wrong]})
    found = differences(duckdb_engine, changed)
    assert {(one.by, one.expected) for one in found} == {("plan", "not_met"), ("interpreter", "not_met")}


def test_every_measure_has_an_example_of_it() -> None:
    for collection in COLLECTIONS:
        told = {name for one in collection.examples["patients"] for name in one.get("expect", {})}
        assert {one.id for one in collection.measures if isinstance(one, Measure)} == told, collection.name


def test_all_can_be_run_together_and_are_governed() -> None:
    everything = [one for collection in COLLECTIONS for one in collection.measures]
    check_together(everything)
    assert len(everything) >= 45
    assert sum(one.id.startswith("diabetes.") for one in everything) >= 5
    assert all(
        one.governance and one.governance.licence in ("own", "ogl", "public_domain", "us_gov") for one in everything
    )


def test_code_lists_may_be_passed_on_and_are_used() -> None:
    sets = shipped_value_sets()
    assert all(one.is_shippable and one.version and one.source for one in sets.values())
    # CPT and SNOMED CT may not be shipped. Codes of level II of HCPCS begin with a letter, those of CPT do not.
    systems = {code[0] for one in sets.values() for code in one.codes}
    assert systems <= {"icd-10-cm", "icd-10-pcs", "hcpcs", "loinc", "cvx", "question"}
    assert all(code[:1].isalpha() for one in sets.values() for system, code in one.codes if system == "hcpcs")
    assert set(sets) <= NEEDED


def test_codes_of_loinc_come_with_their_names_and_notice() -> None:
    folder = Path(str(files("openvbp.measures").joinpath("code_lists")))
    assert "Regenstrief" in (folder / "LOINC_NOTICE.txt").read_text(encoding="utf-8")
    with (folder / "laboratory.csv").open(encoding="utf-8") as file:
        assert all(row["display"] for row in csv.DictReader(file))
    with (folder / MANIFEST).open(encoding="utf-8") as file:
        assert {row["value_set"] for row in csv.DictReader(file)} == set(shipped_value_sets())


def test_demonstration_codes_are_those_of_the_population(tmp_path: Path) -> None:
    write_demonstration_codes(tmp_path / "sets")
    sets = read_value_sets(tmp_path / "sets")
    assert set(sets) <= NEEDED
    assert {len(one.codes) for name, one in sets.items() if name in DRUGS} == {1, 2, 3}
    assert (
        sets["insulin"].codes | sets["non_insulin_glucose_lowering_drug"].codes == sets["glucose_lowering_drug"].codes
    )
    drugs = {str(row["ndc"]) for row in rows("drugs")}
    assert {code for one in sets.values() for system, code in one.codes if system == "ndc"} <= drugs
