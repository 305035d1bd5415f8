"""Corner cases of end-stage renal disease and of drugs; expected values are sums of CMS's coefficients of 2026."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest

from hcc_members import DRUGS, Member, diagnoses_table, persons_table, scores_of, tables_of
from openvbp.engine import Engine
from openvbp.risk.age_cells import STARTS
from openvbp.risk.demographics import place
from openvbp.risk.model import OwnParameters, load_model, payment_parameters
from openvbp.risk.payment import paid
from openvbp.risk.placing import ENROLMENTS, ENTITLED, Person
from openvbp.risk.renal import RENAL_STATES
from openvbp.risk.scoring import score
from openvbp.risk.trace import trace

MAN = {"age": 57, "gender": "male", "entitled": "1"}
# case: member, segment, coefficients that make the score
Cases = dict[str, tuple[Member, str, str]]
V24: Cases = {
    "dialysis, heart failure and diabetes": (Member(("E119", "I509")), "DI", "0.624 0.063 0.084"),
    "dialysis is not a condition": (Member(("N186",)), "DI", "0.624"),
    "dialysis, full dual, aged": (Member(dual="04"), "DI", "0.624 0.060"),
    "dialysis, first entitled by renal disease": (Member(entitled="3"), "DI", "0.624 -0.024"),
    "dialysis, originally disabled": (Member(entitled="1"), "DI", "0.624 0.024"),
    "dialysis in an institution is dialysis": (Member(is_institutional=True), "DI", "0.624 0.020"),
    "dialysis, under 65, opportunistic infection": (Member(("B441",), **MAN), "DI", "0.557 0.076 0.043"),
    "under 65 is asked, not disability": (Member(("B441",), **(MAN | {"entitled": "0"})), "DI", "0.557 0.076 0.043"),
    "dialysis, under 65, three parts of one interaction": (
        Member(("F1020", "F200"), **MAN),
        "DI",
        "0.557 HCC55 0.111 0.055",
    ),
    "new on dialysis, 85 and older is one cell": (Member(age=99, is_new=True), "DNE", "0.963"),
    "new on dialysis, disability counts under 65": (Member(age=57, entitled="1", is_new=True), "DNE", "0.938"),
    "new on dialysis of 64 entitled by age is 65": (
        Member(age=64, gender="male", dual="02", is_new=True),
        "DNE",
        "1.121",
    ),
    "new on dialysis in an institution is new": (Member(age=99, is_new=True, is_institutional=True), "DNE", "0.963"),
    "transplant, first month, whoever it is": (
        Member(("I509",), dual="02", months=1, is_new=True),
        "TRANSPLANT",
        "5.985",
    ),
    "transplant, third month": (Member(months=3), "TRANSPLANT", "0.941"),
    "graft, fourth month, community": (Member(("E119",), months=4), "GNPA", "0.359 0.073 2.529"),
    "graft, tenth month": (Member(months=10), "GNPA", "0.359 0.905"),
    "graft, partial dual pays a flag": (Member(dual="01", months=9), "GNPA", "0.359 2.529 0.162"),
    "graft, full dual": (Member(dual="02", months=9), "GFA", "0.464 2.605"),
    "graft, full dual, under 65": (Member(dual="02", months=12, **MAN), "GFN", "0.350 0.648"),
    "graft, under 65": (Member(months=12, **MAN), "GNPN", "0.249 0.335"),
    "graft in an institution": (Member(months=12, is_institutional=True), "GI", "1.202 0.905 0.955"),
    "graft in an institution, under 65, partial dual": (
        Member(dual="03", months=5, is_institutional=True, **MAN),
        "GI",
        "1.143 1.737 0.141 2.146",
    ),
}
V21: Cases = {
    "dialysis, Medicaid": (Member(("I509",), dual="01"), "DI", "0.653 0.067 0.082"),
    "under 65 and entitled by age is aged": (
        Member(("B441",), **(MAN | {"entitled": "0", "dual": "02"})),
        "DI",
        "0.495 0.122 0.052",
    ),
    "under 65 and disabled": (Member(("B441",), dual="02", **MAN), "DI", "0.495 0.090 0.052 0.073"),
    "entitlement not known is disabled": (
        Member(("B441",), **(MAN | {"entitled": None, "dual": "02"})),
        "DI",
        "0.495 0.090 0.052 0.073",
    ),
    "first entitled by renal disease": (Member(entitled="2"), "DI", "0.653 -0.078"),
    "graft in the community": (Member(("I509",), months=4), "GC", "0.350 0.336 2.562"),
    "graft in the community, disabled, Medicaid": (Member(dual="08", months=10, **MAN), "GC", "0.226 0.190 0.840"),
    "graft in an institution": (Member(dual="02", months=4, is_institutional=True), "GI", "1.120 0.074 2.562"),
    "new with a graft: no division": (Member(age=67, is_new=True, months=4), "GNE", "0.544 2.562"),
    "new with a graft of 64 entitled by age is 65": (Member(age=64, is_new=True, months=4), "GNE", "0.520 2.562"),
    "new on dialysis, 85 and older": (Member(age=90, is_new=True), "DNE", "1.164"),
    "transplant, first month": (Member(months=1), "TRANSPLANT", "6.030"),
}
RX: Cases = {
    "aged, not of low income": (Member(("E1165", "E119", "I509", "I10")), "Rx_CE_NoLowAged", "0.078 0.586 0.183"),
    "aged, low income, originally disabled": (
        Member(entitled="1", is_low_income=True),
        "Rx_CE_LowAged",
        "0.048 0.282",
    ),
    "originally disabled is disability, not renal disease": (Member(entitled="3"), "Rx_CE_NoLowAged", "0.078"),
    "under 65, low income": (Member(("F200",), is_low_income=True, **MAN), "Rx_CE_LowNoAged", "0.447 1.232"),
    "in an institution, under 65": (
        Member(("F200",), is_institutional=True, **MAN),
        "Rx_CE_LTI",
        "1.359 0.264 0.828",
    ),
    "in an institution, originally disabled": (Member(entitled="1", is_institutional=True), "Rx_CE_LTI", "1.073 0.223"),
    "new, 64 entitled by age is 65": (Member(("F200",), age=64, is_new=True), "Rx_NE_NoLo", "0.356"),
    "new, originally disabled": (Member(age=67, entitled="1", is_new=True), "Rx_NE_NoLo", "1.072"),
    "new, renal, low income": (Member(age=67, is_new=True, is_low_income=True, is_renal=True), "Rx_NE_Lo", "2.020"),
    "new in an institution, disabled": (
        Member(is_new=True, is_institutional=True, **(MAN | {"age": 63})),
        "Rx_NE_LTI",
        "2.280",
    ),
    "hierarchies apply: 15 drops 17": (Member(("C9210", "C7900")), "Rx_CE_NoLowAged", "0.078 4.702"),
}


@pytest.mark.parametrize(("model", "cases"), [("ESRD-V24", V24), ("ESRD-V21", V21), (DRUGS, RX)])
def test_corner_cases(duckdb_engine: Engine, model: str, cases: Cases) -> None:
    found = scores_of(duckdb_engine, model, [case[0] for case in cases.values()])
    for (name, (_one, segment, parts)), ours in zip(cases.items(), found, strict=True):
        expected = Decimal(0)
        for part in parts.split():
            is_named = part.startswith("HCC")
            expected += Decimal(tables_of(model).units(segment, part)).scaleb(-3) if is_named else Decimal(part)
        assert (ours["segment"], ours["raw"]) == (segment, expected), name


def test_a_new_enrollees_graft_of_v24_is_divided_and_the_trace_adds_up(duckdb_engine: Engine) -> None:
    tables = tables_of("ESRD-V24")
    # (0.553 + 2.529) / 0.905 = 3.4055...; (0.527 + 0.905) / 0.698 = 2.0515...; (1.464 + 0.648) / 0.698 = 3.0257...
    expected = ["3.406", "2.052", "3.026"]
    members = [
        Member(("I509",), age=67, dual="01", is_new=True, months=6),
        Member(age=64, is_new=True, months=12),
        Member(age=57, gender="male", dual="02", is_new=True, months=12),
        Member(("E1165", "E119"), months=12),
    ]
    diagnoses = duckdb_engine.table(diagnoses_table(members), "renal_diagnoses")
    scored = score(
        duckdb_engine, tables, duckdb_engine.table(persons_table(members), "renal_persons"), diagnoses, "renal"
    )
    # Grafts have a factor of their own and a coding adjustment; dialysis and transplants have none.
    own = OwnParameters(Decimal("1.062"), Decimal("1.104"), Decimal("0.059"))
    parameters = payment_parameters(load_model("ESRD-V24"), 2030, own)
    assert not parameters.is_unverified
    final = duckdb_engine.compute(paid(scored.persons, parameters), "renal_paid")
    rows = duckdb_engine.to_arrow(final.order_by("person_id")).to_pylist()
    assert [str(Decimal(row["raw_units"]).scaleb(-3)) for row in rows[:3]] == expected
    assert [row["normalized_units"] for row in rows[:3]] == [3085, 1859, 2741]
    assert [row["adjusted_units"] for row in rows[:3]] == [2903, 1749, 2579]
    traced = type(scored)(final, scored.codes, scored.categories, scored.edits)
    steps = [
        row
        for part in trace(duckdb_engine, tables, traced, diagnoses)
        for row in duckdb_engine.to_arrow(part).to_pylist()
    ]
    first = {row["item"]: (row["source"], str(row["coefficient"])) for row in steps if row["person_id"] == "P00000"}
    assert first["FGC_GE65_DUR4_9_ND_PBD"] == ("FGC_GE65_DUR4_9_ND_PBD", "2.529")
    assert first["ActAdj_DUR4_9"] == ("divides", "0.324")
    assert ("P00003", "hierarchy", "HCC19", "HCC18") in {tuple(row.values())[:4] for row in steps}
    for row in rows:
        parts = [
            step["coefficient"]
            for step in steps
            if step["person_id"] == row["person_id"] and step["step"] not in ("score", "diagnosis", "hierarchy")
        ]
        assert sum(parts) == Decimal(row["raw_units"]).scaleb(-3)


@pytest.mark.parametrize("name", ["V22", "V24", "V28", "ESRD-V21", "ESRD-V24", DRUGS])
def test_no_rule_changes_within_the_ages_that_are_taken_as_one(name: str) -> None:
    model = load_model(name)
    states = {"ESRD": RENAL_STATES, "RxHCC": ("", "low_income", "renal")}.get(model.family, ("",))
    for age in range(110):
        start = max(one for one in STARTS if one <= age)
        for entitled, enrolment, state in itertools.product(ENTITLED, ENROLMENTS, states):
            person = Person(age, "female", entitled, "partial", enrolment, state)
            assert place(model, person) == place(model, person._replace(age=start))


def test_dialysis_has_its_own_factor_and_no_coding_adjustment(duckdb_engine: Engine) -> None:
    members = [Member(), Member(months=1), Member(months=12)]
    persons = duckdb_engine.table(persons_table(members), "dialysis_persons")
    diagnoses = duckdb_engine.table(diagnoses_table(members), "dialysis_diagnoses")
    scored = score(duckdb_engine, tables_of("ESRD-V24"), persons, diagnoses, "dialysis")
    shipped = payment_parameters(load_model("ESRD-V24"), 2026)
    assert shipped.is_unverified
    rows = duckdb_engine.to_arrow(paid(scored.persons, shipped).order_by("person_id")).to_pylist()
    # 0.624 / 1.062, 5.985 / 1.062; 1.264 / 1.104 = 1.145, x 0.941 = 1.077.
    assert [row["adjusted_units"] for row in rows] == [588, 5636, 1077]
