"""Corner cases of risk scores; expected values are sums of CMS's coefficients, reasoned from its published macros."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hcc_members import YEAR, Member, diagnoses_table, persons_table, scores_of, tables_of
from openvbp.engine import Engine
from openvbp.risk.model import load_model, payment_parameters
from openvbp.risk.payment import paid
from openvbp.risk.scoring import score
from openvbp.risk.trace import trace

DIABETES, HEART_FAILURE = "E11.9", " i509"
TEN = ("B20", "A021", "A072", "C771", "Z9483", "E6601", "E220", "T8640", "T86850", "K860")
TEN_TOGETHER = "0.301 0.500 0.381 4.209 0.949 0.186 0.510 0.376 1.172 0.357"
# case: member, segment, coefficients that make the score, conditions after the hierarchies
GRID: dict[str, tuple[Member, str, str, set[int]]] = {
    "aged, not dual, no diagnosis": (Member(age=70), "CNA", "0.395", set()),
    "aged, interaction of diabetes and heart failure": (
        Member((DIABETES, HEART_FAILURE), age=70),
        "CNA",
        "0.395 0.166 0.360 0.112",
        {38, 226},
    ),
    "95 and older is one cell": (Member(age=104, gender="male"), "CNA", "0.896", set()),
    "64 is not aged, even if entitled by age": (Member((DIABETES,), age=64), "CND", "0.436 0.191", {38}),
    "65 is aged": (Member((DIABETES,), age=65), "CNA", "0.330 0.166", {38}),
    "originally disabled, aged": (Member(age=70, entitled="1"), "CNA", "0.395 0.228", set()),
    "originally disabled and renal: not counted as disabled": (Member(age=70, entitled="3"), "CNA", "0.395", set()),
    "disabled under 35": (Member(age=34, entitled="1"), "CND", "0.238", set()),
    "disabled from 35": (Member(age=35, entitled="1"), "CND", "0.288", set()),
    "partial dual, aged": (Member((DIABETES,), age=70, dual="01"), "CPA", "0.423 0.166", {38}),
    "partial dual, originally disabled": (Member(age=70, entitled="1", dual="06"), "CPA", "0.423 0.103", set()),
    "partial dual, disabled": (Member((DIABETES,), age=55, dual="05", entitled="1"), "CPD", "0.424 0.210", {38}),
    "full dual, aged": (Member((DIABETES,), age=65, dual="02"), "CFA", "0.435 0.186", {38}),
    "full dual, disabled": (
        Member((DIABETES,), age=46, dual="08", entitled="1", gender="male"),
        "CFD",
        "0.293 0.235",
        {38},
    ),
    "dual status 09 is not dual in the community": (Member(age=70, dual="09"), "CNA", "0.395", set()),
    "dual status not known": (Member(age=70, dual=None), "CNA", "0.395", set()),
    "new enrollee of 64 entitled by age is 65": (Member(age=64, is_new=True), "NE", "0.532", set()),
    "new enrollee of 64, disabled": (Member(age=64, entitled="2", is_new=True), "NE", "1.212", set()),
    "new enrollee of 64, entitlement not known": (Member(age=64, entitled=None, is_new=True), "NE", "1.212", set()),
    "new enrollee, renal, has a cell of its year": (Member(age=67, entitled="3", is_new=True), "NE", "0.557", set()),
    "new enrollee with Medicaid": (Member(age=65, dual="01", is_new=True), "NE", "0.986", set()),
    "diagnoses of a new enrollee are not paid": (Member((DIABETES, *TEN), is_new=True, age=66), "NE", "0.532", {38}),
    "new enrollee of a special needs plan": (
        Member(age=72, gender="male", is_new=True, is_special=True),
        "SNPNE",
        "1.216",
        set(),
    ),
    "institutional goes before new enrolment": (
        Member((DIABETES, HEART_FAILURE), age=70, dual="02", is_new=True, is_institutional=True),
        "INS",
        "1.119 0.130 0.280 0.217 0.209",
        {38, 226},
    ),
    "institutional and disabled": (
        Member((HEART_FAILURE,), age=62, entitled="1", is_institutional=True),
        "INS",
        "0.881 0.217 0.488",
        {226},
    ),
    "institutional, under 65, entitlement not known: disabled": (
        Member((HEART_FAILURE,), age=62, entitled=None, is_institutional=True),
        "INS",
        "0.881 0.217 0.488",
        {226},
    ),
    "ten payment categories are ten or more": (Member(TEN, age=70), "CNA", f"0.395 {TEN_TOGETHER} 0.728", set()),
    "repeated codes count once": (Member((DIABETES, "E119", "e11.9"), age=70), "CNA", "0.395 0.166", {38}),
    "an unknown code counts for nothing": (Member(("ZZZ", "Z0000"), age=70), "CNA", "0.395", set()),
    "heart transplant status alone, 223, needs company": (Member(("T82512A",), age=70), "CNA", "0.395", set()),
    "a stricken code with two categories gives neither": (
        Member(("I70231",), age=14, entitled="1"),
        "CND",
        "0.238",
        set(),
    ),
    "the same code from 15 on gives the upper of both": (
        Member(("I70231",), age=15, entitled="1"),
        "CND",
        "0.238",
        {263},
    ),
}


def test_corner_cases_of_v28(duckdb_engine: Engine) -> None:
    members = [case[0] for case in GRID.values()]
    found = scores_of(duckdb_engine, "V28", members)
    for (name, (one, segment, coefficients, conditions)), ours in zip(GRID.items(), found, strict=True):
        expected = sum(map(Decimal, coefficients.split()))
        if name.startswith("the same code from 15"):
            expected += Decimal(tables_of("V28").units("CND", "HCC263")).scaleb(-3)
        assert (ours["segment"], ours["raw"]) == (segment, expected), name
        if name.startswith(("ten", "diagnoses of a new")):
            assert ours["condition_count"] >= 10, name
        else:
            assert ours["conditions"] == conditions, name
        assert one.age == ours["age"]


def test_v24_takes_64_entitled_by_age_for_65(duckdb_engine: Engine) -> None:
    aged, disabled = scores_of(
        duckdb_engine,
        "V24",
        [Member((DIABETES, HEART_FAILURE), age=64), Member((DIABETES,), age=64, entitled="1")],
    )
    assert (aged["segment"], aged["raw"]) == ("CNA", sum(map(Decimal, ["0.323", "0.105", "0.331", "0.121"])))
    assert (disabled["segment"], disabled["raw"]) == ("CND", sum(map(Decimal, ["0.428", "0.124"])))


def test_payment_is_rounded_after_each_step_and_spark_agrees_in_score_and_trace(
    duckdb_engine: Engine, spark_engine: Engine
) -> None:
    tables = tables_of("V28")
    members = [case[0] for case in GRID.values()] + [Member(("T8640", "I8500", "E035", "C50011"), age=45, entitled="1")]
    parameters = payment_parameters(load_model("V28"), YEAR)
    seen = []
    for engine in (duckdb_engine, spark_engine):
        diagnoses = engine.table(diagnoses_table(members), "hcc_both_diagnoses")
        scored = score(engine, tables, engine.table(persons_table(members), "hcc_both"), diagnoses, "hcc_both")
        final = engine.compute(paid(scored.persons, parameters), "hcc_both_paid")
        rows = engine.to_arrow(final.order_by("person_id")).to_pylist()
        for row in rows:
            normalized = (Decimal(row["raw_units"]) / Decimal("1.067")).quantize(Decimal(1), "ROUND_HALF_UP")
            adjusted = (normalized * Decimal("0.941")).quantize(Decimal(1), "ROUND_HALF_UP")
            assert (row["normalized_units"], row["adjusted_units"]) == (normalized, adjusted)
        steps: set[tuple[object, ...]] = set()
        traced = type(scored)(final, scored.codes, scored.categories, scored.edits)
        # The rest of the trace is looked at on one engine: Spark takes long over many small queries.
        parts = trace(engine, tables, traced, diagnoses)
        for part in parts if engine is duckdb_engine else parts[1:2]:
            steps |= {tuple(row.values()) for row in engine.to_arrow(part).to_pylist()}
        seen.append((rows, steps))
    assert seen[0][0] == seen[1][0]
    rows, steps = seen[0]
    assert {step for step in steps if step[1] == "hierarchy"} == seen[1][1]
    last = f"P{len(members) - 1:05}"
    # The transplant (62) drops 63, which then no longer drops 202; below 50 the code C50011 gives 22, not 23.
    assert (last, "hierarchy", "HCC63", "HCC62", None) in steps
    assert not any(step[0] == last and step[1:3] == ("hierarchy", "HCC202") for step in steps)
    assert (last, "diagnosis", "HCC22", "C50011", None) in steps
    for row in rows:
        paid_parts = [
            step[4] for step in steps if step[0] == row["person_id"] and step[1] not in ("score", "diagnosis")
        ]
        assert sum(part for part in paid_parts if part is not None) == Decimal(row["raw_units"]).scaleb(-3)


@pytest.mark.parametrize(("year", "factor"), [(2025, "1.045"), (2024, "1.015")])
def test_normalization_is_of_the_payment_year(year: int, factor: str) -> None:
    found = payment_parameters(load_model("V28"), year)
    assert ([one.normalization for one in found.factors], found.is_unverified) == ([Decimal(factor)], True)
