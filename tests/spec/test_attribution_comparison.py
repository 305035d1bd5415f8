"""Figures that attribution rules are compared by, on tables small enough to check by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from openvbp.attribution import agreement, metrics
from openvbp.attribution.concentration import concentration
from openvbp.attribution.unit_costs import reliability, unit_costs
from openvbp.attribution_comparison.payments import payments, sensitivity
from openvbp.engine import Engine


def _attributed(engine: Engine, name: str, units: dict[str, str | None], unit: str = "npi") -> ir.Table:
    """Rows of a rule: person to unit; a reason in place of the unit begins with an exclamation mark."""
    rows = [
        {
            "person_id": person,
            "unit": unit,
            "unit_id": None if to is None or to.startswith("!") else to,
            "reason": None if to and not to.startswith("!") else (to or "!no_qualifying_service")[1:],
            "weight": Decimal(1),
        }
        for person, to in units.items()
    ]
    schema = pa.schema(
        {name: pa.string() for name in ("person_id", "unit", "unit_id", "reason")} | {"weight": pa.decimal128(18, 12)}
    )
    return engine.table(pa.Table.from_pylist(rows, schema), name)


def _visits(engine: Engine, seen: list[tuple[str, str, str, int, int]]) -> ir.Table:
    rows = [
        {"person_id": person, "npi": npi, "tin": tin, "service_date": date(2024, 1, day), "allowed": allowed}
        for person, npi, tin, day, allowed in seen
    ]
    return engine.table(pa.Table.from_pylist(rows), "comparison_visits")


def _persons(engine: Engine, name: str, **county_of: str) -> ir.Table:
    rows = [
        {
            "person_id": person,
            "county_fips": county,
            "is_dual": person == "ann",
            "area_deprivation_index": 90 if person == "ann" else 10,
            "age_years": 70,
            "strata": ["all", "dual" if person == "ann" else "not dual", ""],
        }
        for person, county in county_of.items()
    ]
    return engine.table(pa.Table.from_pylist(rows), name)


def test_continuity_of_one_person(engine: Engine) -> None:
    seen = [("ann", "a", "x", 1, 100), ("ann", "a", "x", 2, 100), ("ann", "b", "x", 3, 100), ("ann", "a", "x", 4, 100)]
    (row,) = engine.to_arrow(concentration(_visits(engine, [*seen, *seen[:1]]))).to_pylist()
    assert (row["visits"], row["clinicians"], row["practices"]) == (4, 2, 1)
    assert row["bice_boxerman"] == Decimal("0.5")  # (9 + 1 − 4) ÷ (4 × 3)
    assert row["herfindahl_hirschman"] == Decimal("0.625")  # 10 ÷ 16
    assert row["usual_provider"] == Decimal("0.75")
    assert row["sequential_continuity"] == Decimal("0.333333333333")  # one of three is to the clinician before


def test_one_visit_has_no_continuity(engine: Engine) -> None:
    (row,) = engine.to_arrow(concentration(_visits(engine, [("ann", "a", "x", 1, 100)]))).to_pylist()
    assert row["bice_boxerman"] is None
    assert row["sequential_continuity"] is None
    assert row["usual_provider"] == 1


def test_every_cause_of_change_is_told_apart(engine: Engine) -> None:
    people = ("same", "moved", "stopped", "changed", "died", "left", "unseen")
    before = _attributed(engine, "churn_before", {one: "old" if one != "stopped" else "closed" for one in people})
    now = _attributed(
        engine,
        "churn_now",
        {"same": "old", "moved": "new", "stopped": "new", "changed": "new", "left": "!not_eligible", "unseen": None},
    )
    found = agreement.churn(
        engine,
        before,
        now,
        persons_before=_persons(engine, "churn_persons_before", **dict.fromkeys(people, "01001")),
        persons_now=_persons(engine, "churn_persons_now", **{**dict.fromkeys(people, "01001"), "moved": "01003"}),
        deaths=engine.table(pa.table({"person_id": ["died"]}), "churn_deaths"),
        active_units=engine.table(pa.table({"unit_id": ["old", "new", "new"]}), "churn_active"),
    )
    causes = ("same_unit", "moved", "stopped", "changed", "died", "lost_eligibility", "no_longer_assigned")
    assert [found[name] for name in causes] == [1] * 7
    assert found["churn"] == 0.75


def test_kappa_of_a_table_worked_by_hand(engine: Engine) -> None:
    # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: agreement 0.7, by chance 0.5, kappa 0.4.
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    one = _attributed(engine, "kappa_one", {str(number): pair[0] for number, pair in enumerate(pairs)})
    other = _attributed(
        engine, "kappa_other", {str(number): pair[1] for number, pair in enumerate(pairs)} | {"x": None}
    )
    assert agreement.agreement(engine, one, other) == {
        "assigned_by_both": 50,
        "same_unit": 35,
        "agreement": 0.7,
        "kappa": 0.4,
    }


def test_rules_that_never_meet_have_no_kappa(duckdb_engine: Engine) -> None:
    one = _attributed(duckdb_engine, "apart_one", {"ann": "a", "bob": None})
    other = _attributed(duckdb_engine, "apart_other", {"ann": None, "bob": "b"})
    found = agreement.agreement(duckdb_engine, one, other)
    assert (found["assigned_by_both"], found["agreement"], found["kappa"]) == (0, None, None)


def test_who_is_gained_and_lost(duckdb_engine: Engine) -> None:
    persons = _persons(duckdb_engine, "drift_persons", ann="01001", bob="01001", cid="01001")
    old = _attributed(duckdb_engine, "drift_old", {"ann": "a", "bob": "a", "cid": None})
    new = _attributed(duckdb_engine, "drift_new", {"ann": "b", "bob": "a", "cid": "b"})
    gained, lost = agreement.drift(duckdb_engine, old, new, persons)
    assert (gained["persons"], gained["dual_share"], gained["area_deprivation_index"]) == (2, 0.5, 50)
    assert (lost["persons"], lost["dual_share"], lost["area_deprivation_index"]) == (1, 1, 90)


def test_shares_of_care_and_of_those_assigned(engine: Engine) -> None:
    persons = _persons(engine, "share_persons", ann="01001", bob="01001", cid="01001")
    attributed = _attributed(engine, "share_rows", {"ann": "a", "bob": "a", "cid": "!not_eligible"})
    seen = [("ann", "a", "x", 1, 300), ("ann", "b", "x", 2, 100), ("bob", "a", "x", 1, 50), ("cid", "a", "x", 1, 50)]
    visits = metrics.seen_units(_visits(engine, seen), "npi")
    care = {row["stratum"]: row for row in metrics.care_share(engine, attributed, visits, persons)}
    assert (care["dual"]["visit_share"], care["dual"]["charge_share"]) == (0.5, 0.75)
    assert care["all"]["persons"] == 2
    assert care["all"]["visit_share"] == 0.5  # the lower of two middle values
    assigned = {row["stratum"]: row for row in metrics.assigned_share(engine, attributed, persons)}
    assert assigned["all"] == {"stratum": "all", "eligible": 2, "assigned": 2, "value": 1.0}
    panels = metrics.panel_sizes(engine, attributed, visits)
    assert (panels["units"], panels["mean"], panels["percentile_50"]) == (1, 2.0, 2.0)
    assert panels["share_of_patients"] == round(2 / 3, 6)
    assert panels["share_of_visits"] == round(2 / 3, 6)


def _units(**ratio_of: tuple[int, int, int]) -> list[dict[str, Any]]:
    return [
        {
            "unit_id": name,
            "persons": persons * 10**6,
            "dual_persons": 0,
            "cost": cost,
            "expected": expected,
        }
        for name, (persons, cost, expected) in ratio_of.items()
    ]


def test_payments_give_back_what_is_withheld(engine: Engine) -> None:
    units = {
        "one": _units(
            low=(30, 90_001, 100_000), mean=(30, 100_000, 100_000), high=(30, 110_007, 100_000), small=(3, 9, 1)
        ),
        "two": _units(low=(30, 100_000, 100_000), mean=(30, 90_000, 100_000)),
    }
    paid = payments(engine, units, withheld_share=Decimal("0.02"), minimum_persons=20)
    for rule in units:
        assert pc.sum(paid.filter(pc.equal(paid["rule_id"], rule))["payment"]).as_py() == 0
    rows = {(row["rule_id"], row["unit_id"]): row for row in paid.to_pylist()}
    assert rows["one", "small"]["rank"] is None
    assert rows["one", "small"]["payment"] == 0
    assert [rows["one", name]["tercile"] for name in ("low", "mean", "high")] == [1, 2, 3]
    assert rows["one", "high"]["payment"] == Decimal("-22.00")
    # Withheld 18.00 + 20.00 + 22.00 is shared 100 × 90,001 to 50 × 100,000.
    assert rows["one", "low"]["payment"] == Decimal("20.57")
    assert rows["one", "mean"]["payment"] == Decimal("1.43")
    (moved,) = sensitivity(paid, {"one": "npi", "two": "npi", "other": "tin"}, "one")
    assert moved["units"] == 2
    assert moved["changed_class"] == 1.0
    changes = [
        abs(rows.get(("two", name), {"payment": 0})["payment"] - rows["one", name]["payment"])
        for name in ("low", "mean", "high", "small")
    ]
    assert moved["dollars_moved"] == pytest.approx(sum(changes) / 2, abs=Decimal("0.005"))


def test_reliability_of_units_that_differ_and_of_units_that_do_not() -> None:
    def unit(*values: int) -> dict[str, Any]:
        return {"count": len(values), "excess": sum(values), "squares": sum(value**2 for value in values)}

    # Means 0 and 10, variance within 2: between = (50 × 2 − 2) ÷ 2 = 49, reliability 49 ÷ (49 + 2 ÷ 2).
    assert reliability([unit(-1, 1), unit(9, 11)])["reliability"] == 0.98
    assert reliability([unit(-5, 5), unit(-5, 5)])["reliability"] == 0
    assert reliability([unit(1, 2)]) == {}
    assert reliability([unit(1), unit(2)]) == {}


def test_costs_of_a_unit_are_weighted(duckdb_engine: Engine) -> None:
    rows = [
        {"person_id": "ann", "unit_id": one, "weight": Decimal(weight)}
        for one, weight in (("a", "0.25"), ("b", "0.75"))
    ]
    schema = pa.schema({"person_id": pa.string(), "unit_id": pa.string(), "weight": pa.decimal128(18, 12)})
    attributed = duckdb_engine.table(pa.Table.from_pylist(rows, schema), "weighted_rows")
    costs = pa.Table.from_pylist([{"person_id": "ann", "is_dual": True, "cost": 1000, "expected": 800}])
    found = duckdb_engine.to_arrow(
        unit_costs(attributed, duckdb_engine.table(costs, "weighted_costs")).order_by("unit_id")
    ).to_pylist()
    assert [(row["cost"], row["expected"], row["persons"], row["dual_persons"]) for row in found] == [
        (250, 200, 250_000, 250_000),
        (750, 600, 750_000, 750_000),
    ]
