"""Clauses that are read from a measure's text, and how two definitions are held against each other."""

from __future__ import annotations

import dataclasses

import pytest

from openvbp.harmonization.candidate_pairs import CandidatePair, candidate_pairs, families
from openvbp.harmonization.definition_differences import differences
from openvbp.harmonization.definitions import clauses_of
from openvbp.harmonization.registry import Measure

A1C = Measure(
    "P",
    "A1",
    "2026",
    "Diabetes: Poor Control (> 9.0%)",
    "Percentage of patients 18-75 years of age with diabetes who had hemoglobin A1c > 9.0% during the measurement "
    "period, excluding patients in hospice.",
    "lower_is_better",
)


@pytest.mark.parametrize(
    ("text", "clause", "values"),
    [
        ("patients 18-75 years of age", "age", ("18 to 75 years",)),
        ("patients aged 18 years and older", "age", ("18 years and older",)),
        ("Ages 6 to 17", "age", ("6 to 17 years",)),
        ("Age 18 and Older", "age", ("18 years and older",)),
        ("Under Age 21", "age", ("under 21 years",)),
        ("Ages 3 Months to 17 Years", "age", ("3 months to 17 years",)),
        ("adults", "age", ()),
        ("12 to 18 months after surgery", "age", ()),
        ("blood pressure less than 140/90 mmHg", "threshold", ("< 140/90 mmhg",)),
        ("A1c greater than 9.0%", "threshold", ("> 9 %",)),
        ("at least 80 percent of days", "threshold", ("≥ 80 %",)),
        ("under age 21", "threshold", ()),
        ("within 30 days of discharge", "period", ("30 days after",)),
        ("during the performance period", "period", ("measurement period",)),
        ("within twelve months prior", "period", ("12 months before",)),
        ("children 2 years of age", "period", ()),
        ("the most recent result", "event choice", ("most recent",)),
        ("at least two visits", "event choice", ("at least two",)),
    ],
)
def test_a_clause_is_parsed_or_not_stated(text: str, clause: str, values: tuple[str, ...]) -> None:
    found = clauses_of(Measure("P", "A", "2026", "Title", text))[clause]  # type: ignore[index]
    assert found.values == values
    assert found.form == ("parsed" if values else "not stated")


def test_a_whole_definition() -> None:
    found = {name: (one.form, one.values) for name, one in clauses_of(A1C).items()}
    assert found == {
        "age": ("parsed", ("18 to 75 years",)),
        "denominator": ("text", ("patients 18-75 years of age with diabetes",)),
        "exclusions": ("text", ("excluding patients in hospice",)),
        "numerator": (
            "text",
            ("who had hemoglobin A1c > 9.0% during the measurement period, excluding patients in hospice",),
        ),
        "threshold": ("parsed", ("> 9 %",)),
        "period": ("parsed", ("measurement period",)),
        "event choice": ("not stated", ()),
        "direction": ("parsed", ("lower_is_better",)),
    }


def test_outcomes_of_a_comparison() -> None:
    other = dataclasses.replace(
        A1C,
        measure_id="B1",
        title="Diabetes: Control (< 8.0%)",
        description="Percentage of patients 18-85 years of age with diabetes whose most recent A1c is < 8.0%.",
        direction=None,
    )
    found = {one.clause: one.outcome for one in differences(A1C, other)}
    assert found == {
        "age": "differs",
        "denominator": "other words",
        "exclusions": "stated once",
        "numerator": "other words",
        "threshold": "differs",
        "period": "stated once",
        "event choice": "stated once",
        "direction": "stated once",
    }
    assert {one.outcome for one in differences(A1C, A1C)} == {"same", "same words", "not stated"}


def _pair(first: Measure, second: Measure) -> CandidatePair:
    (found,) = candidate_pairs([first, second], 0.01)
    return found


def test_kinds_of_pairs() -> None:
    knee = Measure("P", "K", "2026", "Improvement of knee pain", "Percentage of patients who improve knee pain.")
    back = dataclasses.replace(knee, measure_id="B", title="Improvement of back pain")
    copy = dataclasses.replace(knee, program="Q")
    older = dataclasses.replace(copy, description=f"{knee.description} Age 65 and older.")
    young = dataclasses.replace(knee, description=f"{knee.description} Age 18 and older.")
    assert _pair(knee, back).kind == "family"
    assert _pair(knee, back).reason == "other subject: back / knee"
    assert _pair(knee, copy).kind == "duplicate"
    assert _pair(young, older).reason == "other age"
    assert _pair(knee, dataclasses.replace(copy, description="")).reason == "Q/K has no description"
    inverse = dataclasses.replace(copy, title="Improvement of knee pain - inverse measure", direction="lower_is_better")
    opposite = _pair(dataclasses.replace(knee, direction="higher_is_better"), inverse)
    assert (opposite.kind, opposite.reason[-18:]) == ("duplicate", "opposite direction")


def test_one_number_is_one_measure_and_says_where_texts_part() -> None:
    first = dataclasses.replace(A1C, cms_number="122")
    second = dataclasses.replace(first, program="Q", description=first.description.replace("75", "85"))
    found = _pair(first, second)
    assert (found.kind, found.linked_by) == ("duplicate", "CMS122")
    assert found.reason == "same number, but the texts say other age"


def test_pairs_hang_together_in_families() -> None:
    names = ("knee", "back", "neck")
    three = [Measure("P", name, "2026", f"Improvement of {name[:3]} pain after treatment") for name in names]
    (family,) = families(candidate_pairs(three, 0.1))
    assert [one.measure_id for one in family.members] == ["back", "knee", "neck"]
    assert family.duplicates == 0


def test_what_is_known_to_differ_and_has_little_in_common_is_remote() -> None:
    knee = Measure("P", "K", "2026", "Improvement of knee pain")
    eye = Measure("P", "E", "2026", "Cataract surgery without pain and other complications of the anterior eye")
    others = [dataclasses.replace(eye, measure_id=f"E{place}", title=f"{eye.title} {place}") for place in range(3)]
    (found,) = [one for one in candidate_pairs([knee, eye, *others], 0.01) if one.first == eye and one.second == knee]
    assert found.kind == "remote"
    assert found.similarity < 0.5
