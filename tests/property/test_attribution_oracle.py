"""Rules against a slow and obvious evaluator, on thousands of random small populations with many ties.

Compiling a rule takes longer than evaluating it, so that many populations, each with clinicians, practices and
organizations of its own, are evaluated together.
"""

from __future__ import annotations

import itertools
import random
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution_oracle import Oracle
from attribution_population import Row, events, months, participant, visit
from openvbp.attribution import attribute, shipped_rule
from openvbp.attribution.rule import Rule
from openvbp.engine import Engine
from openvbp.periods import parse_period

PERIOD = parse_period("CY2025", "calendar_year")
CODES = ("99213", "99213", "99214", "99495", "99308", "99232", "36415", "G0463", "99202")
SPECIALTIES = ("08", "11", "50", "06", "39", "02", None)
PERSONS = 4
COUNTER = itertools.count()


def populations(seed: int, count: int) -> dict[str, list[Row]]:
    """Populations of four persons, four clinicians, some practices, two organizations, two hospitals."""
    chance = random.Random(seed)
    names = ("service_line", "person_month", "stay", "participant", "attestation", "provider_attribution")
    tables: dict[str, list[Row]] = {name: [] for name in names}
    for number in range(count):
        one_population(chance, f"{number}", tables)
    for rows in tables.values():
        chance.shuffle(rows)
    return tables


def one_population(chance: random.Random, name: str, tables: dict[str, list[Row]]) -> None:
    one, two, three, four = (f"{name}T{number}" for number in range(1, 5))
    listed = [participant(f"{name}A", tin=one), participant(f"{name}B", tin=two)]
    listed += [participant(f"{name}B", tin=four, npi=f"{name}-4"), participant(f"{name}A", ccn=f"{name}C")]
    if chance.random() < 0.3:
        listed.append(participant(f"{name}B", tin=one))
    if chance.random() < 0.3:
        listed.append(participant(f"{name}A", tin=three, end_date=chance.choice([None, date(2024, 12, 31)])))
    tables["participant"] += listed
    for number in range(PERSONS):
        one_person(chance, name, f"{name}p{number}", tables)


def one_person(chance: random.Random, name: str, person: str, tables: dict[str, list[Row]]) -> None:
    enrolment = {
        "has_part_b": chance.random() > 0.05,
        "has_managed_care": chance.random() < 0.05,
        "state": chance.choice(["OH", "OH", "PR", "ON", None]),
        "is_in_other_shared_savings_initiative": chance.random() < 0.05,
    }
    first, last = chance.choice([(202401, 202512), (202501, 202512), (202301, 202412), (202506, 202508)])
    tables["person_month"] += months(person, first, last, **enrolment)
    for _number in range(chance.choice([0, 1, 2, 3, 4, 6])):
        tables["service_line"] += lines(chance, name, person)
    clinicians = [f"{name}-{number}" for number in range(1, 4)]
    if chance.random() < 0.2:
        said = {"tin": chance.choice([f"{name}T1", f"{name}T2", "T9"]), "npi": chance.choice(clinicians)}
        said |= {"organization_id": chance.choice([None, f"{name}A"])}
        said |= {"start_date": chance.choice([date(2024, 6, 1), date(2025, 6, 1)])}
        said |= {"end_date": chance.choice([None, date(2025, 4, 30)])}
        tables["attestation"].append({"person_id": person, **said})
    listed = {"year_month": chance.choice([202512, 202501]), "payer_attributed_provider": chance.choice(clinicians)}
    if chance.random() < 0.5:
        tables["provider_attribution"].append({"person_id": person, **listed})
    day = date(2024, 12, 20) + timedelta(chance.randrange(360))
    for number in range(chance.choice([0, 0, 1, 2])):
        made = stay(chance, name, person, number, day)
        tables["stay"].append(made)
        day = made["discharge_date"]


def lines(chance: random.Random, name: str, person: str) -> list[Row]:
    number = chance.choice("1234")
    npi = f"{name}-{number}"
    day = chance.choice(
        [date(2025, 3, 3), date(2025, 3, 4), date(2025, 12, 31), date(2024, 1, 1)]
        + [date(2023, 7, 1) + timedelta(chance.randrange(914))] * 3
    )
    made = visit(
        person,
        npi,
        str(day),
        hcpcs_code=chance.choice(CODES),
        rendering_tin=chance.choice([f"{name}T{number}", f"{name}T{number}", f"{name}T1", None]),
        billing_tin=f"{name}T2",
        rendering_specialty_code=chance.choice(SPECIALTIES),
        place_of_service_code=chance.choice(["11", "21", "31"]),
        allowed_amount=chance.choice([Decimal(100), Decimal(50), Decimal("33.33"), Decimal(0), None]),
        is_utilization=chance.random() > 0.05,
    )
    if chance.random() < 0.1:
        # Its money comes to nothing, and nobody was seen.
        taken_back = made | {"is_utilization": False, "allowed_amount": Decimal(-90)}
        return [taken_back, taken_back | {"allowed_amount": Decimal(90)}]
    if chance.random() < 0.15:
        bill = chance.choice(["771", "711", "851", "211", "111"])
        facility = {"claim_type": "institutional", "bill_type_code": bill, "facility_ccn": f"{name}C"}
        facility |= {
            "revenue_center_code": chance.choice(["0960", "0521"]),
            "rendering_npi": None,
            "attending_npi": npi,
        }
        facility |= {"service_end_date": day + timedelta(chance.choice([0, 5])), "rendering_tin": None}
        return [made | facility | {"billing_tin": chance.choice([None, f"{name}T5"])}]
    return [made]


def stay(chance: random.Random, name: str, person: str, number: int, day: date) -> Row:
    return {
        "stay_id": f"{person}-{number}",
        "person_id": person,
        "facility_ccn": f"{name}{chance.choice('CD')}",
        "admission_date": day,
        "discharge_date": day + timedelta(chance.randrange(4)),
        "drg_code": chance.choice(["470", "871"]),
        "transfer_chain_id": f"{person}-0",
        "attending_npi": chance.choice([None, f"{name}-1"]),
        "operating_npi": chance.choice([None, f"{name}-3"]),
        "paid_amount": Decimal(900),
        "allowed_amount": Decimal(1000),
    }


def compare(engine: Engine, tables: dict[str, list[Row]], rules: list[Rule]) -> None:
    found = attribute(engine, events(engine, f"oracle_{next(COUNTER)}", **tables), rules, PERIOD)
    for rule in rules:
        rows = engine.to_arrow(found.tables[rule.rule]).drop(["rule_id", "unit"]).to_pylist()
        got, expected = ({shown(row) for row in some} for some in (rows, Oracle(rule, tables, PERIOD).rows()))
        assert len(got) == len(rows)
        assert sorted(got - expected)[:3] == sorted(expected - got)[:3], rule.rule


def shown(row: Row) -> tuple[str, ...]:
    """A row in a form that can be sorted and compared exactly."""
    return tuple(
        f"{name}={row[name].normalize() + 0 if isinstance(row[name], Decimal) else row[name]}" for name in sorted(row)
    )


SHIPPED = (
    "mssp_retrospective",
    "aco_reach",
    "mips_total_per_capita_cost",
    "episode_plurality_30",
    "episode_physician_group",
    "admission_first",
    "admission_last",
    "multi_membership",
    "panel_list",
)
"""One of each kind; the others differ from these, and from the rules drawn below, in a term."""


def test_shipped_rules_agree_with_the_obvious_evaluator(duckdb_engine: Engine) -> None:
    compare(duckdb_engine, populations(2026, 400), [shipped_rule(name) for name in SHIPPED])


CLINICIANS = st.sampled_from([(), ("primary_care_physician", "non_physician"), ("listed_specialist",)])
SERVICES = st.sampled_from([("ambulatory_visit",), ("mssp_primary_care",), ("all_services",)])


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Any rule of two steps on persons."""
    windows = {"wide": [{"first_month": -12}], "weighted": [{"weight": 2}, {"first_month": -12, "last_month": -1}]}
    window = st.sampled_from(["period", *windows])
    pools = {
        name: {"services": draw(SERVICES), "clinicians": draw(CLINICIANS), "window": draw(window)}
        for name in ("first", "second", "needed")
    }
    pick = draw(st.sampled_from(["plurality", "majority", "most_recent", "first", "all", "proportional"]))
    second = {"pool": "second", "after": draw(st.sampled_from(["no_service", "no_assignment"]))}
    first = {"pool": "first", "requires": draw(st.sampled_from([[], ["needed"]]))}
    if pick in ("all", "proportional"):
        first, second = {"pool": "first"}, {"pool": "second"}
    keys = ["latest_date", "earliest_date", "visits", "allowed_usd", "paid_usd", "hash"]
    return Rule.model_validate(
        {
            "rule": "drawn",
            "title": "drawn",
            "cite": "drawn",
            "unit": draw(st.sampled_from(["npi", "tin_npi", "tin", "ccn", "organization"])),
            "signal": draw(st.sampled_from(["visits", "distinct_dates", "allowed_usd", "paid_usd"])),
            "pick": pick,
            "minimum_share": draw(st.sampled_from([None, Decimal("0.5"), Decimal("0.34")])),
            "ties": draw(st.lists(st.sampled_from(keys), max_size=3, unique=True)),
            "weight": draw(st.sampled_from(["full", "equal"])),
            "windows": windows,
            "pools": pools,
            "steps": [first, second],
        }
    )


@settings(max_examples=3, deadline=None)
@given(rules(), st.integers(0, 10**6))
def test_any_rule_agrees_with_the_obvious_evaluator(duckdb_engine: Engine, rule: Rule, seed: int) -> None:
    compare(duckdb_engine, populations(seed, 600), [rule])


@pytest.mark.spark
def test_spark_agrees_with_the_obvious_evaluator(spark_engine: Engine) -> None:
    compare(spark_engine, populations(7, 20), [shipped_rule("mssp_two_step")])
