"""Risk scores of random members against the package hccinfhir: equal, except where the package is known to be wrong."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hcc_members import Member, known_differences, package_says, random_members, scores_of
from openvbp.engine import Engine

MODELS = ("V22", "V24", "V28")


@pytest.mark.parametrize("model", MODELS)
def test_random_members_score_as_in_the_package(duckdb_engine: Engine, model: str) -> None:
    members = random_members(model, 300, seed=2026)
    compared = 0
    for one, ours in zip(members, scores_of(duckdb_engine, model, members), strict=True):
        if known_differences(model, one):
            continue
        assert (ours["raw"], ours["conditions"]) == package_says(model, one), one
        compared += 1
    assert compared > 200


DEFECTS = {
    # class: model, member, our score by the published logic, conditions that only one side has
    "new enrollee with end-stage renal disease": (
        "V28",
        Member(age=67, entitled="2", is_new=True),
        "0.557",
        set(),
    ),
    "institutional new enrollee": (
        "V28",
        Member(("E119", "I509"), age=70, dual="02", is_new=True, is_institutional=True),
        "1.955",
        set(),
    ),
    "64 counts as 65": ("V24", Member(("E119", "I509"), age=64), "0.880", set()),
    "interaction of heart failure and diabetes": ("V22", Member(("E119", "I509"), age=70), None, set()),
    "dropped category drops another": ("V28", Member((), age=70), None, {202}),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_known_difference_is_one(duckdb_engine: Engine, defect: str) -> None:
    model, one, expected, only_ours = DEFECTS[defect]
    if defect == "dropped category drops another":
        one = Member(codes_of(model, 62, 63, 202), age=70)
    assert defect in known_differences(model, one)
    (ours,) = scores_of(duckdb_engine, model, [one])
    theirs, their_conditions = package_says(model, one)
    assert ours["raw"] != theirs
    assert ours["conditions"] - their_conditions == only_ours
    if expected is not None:
        assert ours["raw"] == Decimal(expected)


def codes_of(model: str, *categories: int) -> tuple[str, ...]:
    """One code of each category that gives it alone and has no edit."""
    from hcc_members import tables_of

    tables = tables_of(model)
    return tuple(
        next(code for code, given in tables.mapping.items() if given == (category,) and code not in tables.edits)
        for category in categories
    )
