"""Hospital measures: index stays chosen as row by row, and rates counted anew from claims of a generated population."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import ibis.expr.types as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ibis import _

from measure_random import SETS, population
from openvbp.claims.service_lines import service_lines
from openvbp.claims.stays import stays as stays_of
from openvbp.claims.synthetic.population import generate
from openvbp.claims.tables import ClaimsData, open_claims
from openvbp.engine import Engine
from openvbp.measures import events
from openvbp.measures.claims_events import events_from_claims
from openvbp.measures.event_data import from_rows
from openvbp.measures.events import Events
from openvbp.measures.interpreter import interpret_all, subjects_of
from openvbp.measures.library.mortality import MEASURES as MORTALITY
from openvbp.measures.library.readmission import MEASURES as READMISSION
from openvbp.measures.measure import Episode, Measure
from openvbp.measures.plan import evaluate
from openvbp.measures.rates import Units, rates
from openvbp.measures.statuses import STATUSES
from openvbp.measures.value_sets import ValueSet, shipped_value_sets
from openvbp.measures.values import DATA_END, INDEX, MP, Person, follow_up
from openvbp.periods import parse_any_period

PERIOD = parse_any_period("CY2024")
STAYS = events.stay.ending(MP)
MEMBERS = 2500
Row = dict[str, Any]


def of_stays(name: str, **basis: Any) -> Measure:
    return Measure(
        name,
        "1",
        "lower_is_better",
        basis=Episode(STAYS, **basis),
        denominator_exclusion=(Person("death_date") < INDEX.start).otherwise(False)
        | (INDEX.end.plus("30d") > DATA_END).otherwise(False),
        numerator=events.stay.starting(follow_up("1d", "30d")).exists(),
    )


def demand_same_choice(engine: Engine, seed: int, count: int) -> None:
    chance = random.Random(seed)
    persons, happened, spans = population(chance, count)
    end = chance.choice([None, date(2024, 10, 1)])
    measures = [of_stays("apart", days_apart=30), of_stays("drawn", is_one_drawn=True), of_stays("far", days_apart=200)]
    (evaluated,) = evaluate(from_rows(engine, persons, happened, spans, data_end=end), measures, SETS, [PERIOD])
    ours = {
        (measure.id, row["index_event_id"]): STATUSES[row[f"status_{number}"]]
        for row in engine.to_arrow(evaluated.table).to_pylist()
        for number, measure in enumerate(evaluated.measures)
    }
    theirs = {}
    for measure in measures:
        subjects = subjects_of(measure, persons, happened, spans, PERIOD, SETS, end)
        for subject, result in zip(subjects, interpret_all(measure, subjects, SETS), strict=True):
            assert subject.index is not None
            theirs[measure.id, subject.index["event_id"]] = result.status
    assert ours == theirs
    assert {"excluded", "not_met"} <= set(theirs.values())


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_index_stays_are_chosen_as_row_by_row(duckdb_engine: Engine, seed: int) -> None:
    demand_same_choice(duckdb_engine, seed, count=40)


@pytest.mark.spark
def test_index_stays_are_chosen_as_row_by_row_on_spark(spark_engine: Engine) -> None:
    demand_same_choice(spark_engine, seed=4, count=30)


def test_one_index_of_a_person_is_drawn_and_others_are_apart(duckdb_engine: Engine) -> None:
    persons, happened, spans = population(random.Random(3), 200)
    measures = [of_stays("apart", days_apart=60), of_stays("drawn", is_one_drawn=True)]
    (evaluated,) = evaluate(from_rows(duckdb_engine, persons, happened, spans), measures, SETS, [PERIOD])
    rows = duckdb_engine.to_arrow(evaluated.table).to_pylist()
    kept = [[row for row in rows if STATUSES[row[f"status_{one}"]] in ("met", "not_met")] for one in (0, 1)]
    assert max(Counter(row["person_id"] for row in kept[1]).values()) == 1
    days = {row["event_id"]: (row["start_date"], row["end_date"] or row["start_date"]) for row in happened["stay"]}
    by_person: dict[str, list[tuple[date, date]]] = {}
    for row in kept[0]:
        by_person.setdefault(row["person_id"], []).append(days[row["index_event_id"]])
    several = [sorted(some) for some in by_person.values() if len(some) > 1]
    assert several
    assert all((later[0] - sooner[1]).days > 60 for some in several for sooner, later in itertools.pairwise(some))


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hospital_population")
    generate(folder, members=MEMBERS, seed=5)
    return folder


# Planned are stays for a new knee, and for a hip or a stent unless the heart is the reason.
PLANNING = {
    "always_planned_procedure": ["0SRD*"],
    "always_planned_diagnosis": ["Z5111"],
    "potentially_planned_procedure": ["0SR9*", "027*"],
    "acute_diagnosis": ["I21*", "I251*"],
    "surgery_gynecology_procedure": ["0*"],
    "cardiorespiratory_diagnosis": ["J*"],
    "cardiovascular_diagnosis": ["I*"],
    "neurology_diagnosis": ["G*"],
    "medicine_diagnosis": ["*"],
    "cancer_diagnosis": ["C*"],
    "psychiatric_diagnosis": ["F*"],
    "rehabilitation_diagnosis": ["Z50*"],
}
HEART_FAILURE = ("I50", "I110", "I130")
MONTH = timedelta(days=30)


def planning() -> dict[str, ValueSet]:
    return {
        name: ValueSet(
            name,
            frozenset(("icd-10-pcs" if name.endswith("procedure") else "icd-10-cm", code) for code in codes),
            "test",
        )
        for name, codes in PLANNING.items()
    }


def test_rates_by_hospital_are_those_counted_anew(duckdb_engine: Engine, claims: Path) -> None:
    chosen = ("readmission.hospital_wide", "readmission.heart_failure", "mortality.heart_failure")
    measures = [one for one in (*READMISSION, *MORTALITY) if isinstance(one, Measure) and one.id in chosen]
    sets = {**shipped_value_sets(), **planning()}
    domains = {node.domain for one in measures for node in one.nodes() if isinstance(node, Events)}
    opened = open_claims(duckdb_engine, claims)
    data = events_from_claims(opened, domains, None, sets)
    evaluated = evaluate(data, measures, sets, [PERIOD])
    ours: dict[str, dict[str, tuple[int, int]]] = {name: {} for name in chosen}
    for row in rates(duckdb_engine, evaluated, [], [PERIOD], [Units("facility")]).to_pylist():
        if row["unit"] == "facility" and row["stratum"] is None and row["denominator"]:
            ours[row["measure"]][row["unit_id"]] = (row["met"], row["denominator"])
    stays, persons, hospice, last_day = rows_of(claims, duckdb_engine.to_arrow(plain_stays(opened)).to_pylist())
    anew = counted_anew(stays, persons, hospice, last_day)
    assert ours == anew
    assert sum(met for met, _stays in ours["readmission.hospital_wide"].values()) > 20
    assert sum(met for met, _stays in ours["mortality.heart_failure"].values()) > 0


def rows_of(folder: Path, stays: list[Row]) -> tuple[list[Row], dict[str, Row], dict[str, list[Any]], date]:
    """Stays with procedures; each person's birth, death (of the truth), enrolment and days in hospice; the last day."""
    query = duckdb.connect()
    medical = f"read_parquet('{folder}/medical_claim/*.parquet')"
    done = dict(
        query.sql(
            f"select claim_id, max(procedure_code_1) from {medical} where procedure_code_1 is not null group by all"
        ).fetchall()
    )
    for stay in stays:
        stay["procedure"] = done.get(stay["stay_id"], "")
    spans = f"read_parquet('{folder}/eligibility/*.parquet')"
    persons: dict[str, Row] = {}
    for who, born, first, last in query.sql(
        f"select person_id, birth_date, enrollment_start_date, enrollment_end_date from {spans}"
    ).fetchall():
        persons.setdefault(who, {"born": born, "died": None, "spans": []})["spans"].append((first, last))
    truth = f"read_parquet('{folder}/truth/truth_member/*.parquet')"
    for who, died in query.sql(f"select person_id, max(death_date) from {truth} group by all").fetchall():
        if who in persons:
            persons[who]["died"] = died
    hospice: dict[str, list[Any]] = {}
    for who, first, last in query.sql(
        f"select person_id, claim_start_date, claim_end_date from {medical} where bill_type_code[:2] in ('81', '82')"
    ).fetchall():
        hospice.setdefault(who, []).append((first, last))
    (last_day,) = query.sql(f"select max(claim_start_date) from {medical}").fetchall()[0]
    return stays, persons, hospice, last_day


def is_planned(stay: Row) -> bool:
    if stay["procedure"].startswith("0SRD") or stay["diagnosis_code_1"] == "Z5111":
        return True
    return stay["procedure"].startswith(("0SR9", "027")) and not stay["diagnosis_code_1"].startswith(("I21", "I251"))


def cohort_fails(stay: Row) -> bool:
    is_surgical = stay["procedure"].startswith("0")
    return stay["diagnosis_code_1"].startswith(("F", "Z50")) or (
        stay["diagnosis_code_1"].startswith("C") and not is_surgical
    )


def enrolled(person: Row, first: date, last: date) -> bool:
    days = [first + timedelta(days=one) for one in range((last - first).days + 1)]
    return all(any(begins <= day <= ends for begins, ends in person["spans"]) for day in days)


def counted_anew(
    stays: list[Row], persons: dict[str, Row], hospice: dict[str, list[Any]], last_day: date
) -> dict[str, dict[str, tuple[int, int]]]:
    """Met and denominator by hospital, in loops over persons."""
    found: dict[str, list[tuple[str, bool]]] = {
        name: [] for name in ("readmission.hospital_wide", "readmission.heart_failure", "mortality.heart_failure")
    }
    by_person: dict[str, list[Row]] = {}
    for stay in sorted(stays, key=lambda one: (one["admission_date"], one["discharge_date"], one["stay_id"])):
        by_person.setdefault(stay["person_id"], []).append(stay)
    for who, some in by_person.items():
        person, groups = persons[who], chains(some)
        kept_until = date.min
        deaths: list[tuple[str, str, bool]] = []
        for number, chain in enumerate(groups):
            first, last = chain[0], chain[-1]
            following = groups[number + 1][0] if number + 1 < len(groups) else None
            end = last["discharge_date"]
            if is_readmission_index(last, person, last_day):
                back = following is not None and (following["admission_date"] - end).days <= 30
                outcome = back and not is_planned(following)  # type: ignore[arg-type]
                if not cohort_fails(last) or not cohort_fails(first):
                    found["readmission.hospital_wide"].append((last["facility"], outcome))
                if last["diagnosis_code_1"].startswith(HEART_FAILURE) and last["admission_date"] > kept_until:
                    found["readmission.heart_failure"].append((last["facility"], outcome))
                    kept_until = end + MONTH
            if first["diagnosis_code_1"].startswith(HEART_FAILURE) and is_mortality_index(
                first, len(chain) == 1, person, hospice.get(who, []), last_day
            ):
                dies = person["died"] is not None and person["died"] <= first["admission_date"] + MONTH
                key = hashlib.sha256(f"mortality.heart_failure {first['stay_id']}".encode()).hexdigest()
                deaths.append((key, first["facility"], dies))
        found["mortality.heart_failure"] += [one[1:] for one in sorted(deaths)[:1]]
    return {
        name: {
            hospital: (
                sum(met for where, met in some if where == hospital),
                sum(where == hospital for where, _ in some),
            )
            for hospital in {where for where, _met in some}
        }
        for name, some in found.items()
    }


def chains(stays: list[Row]) -> list[list[Row]]:
    """A stay goes on with the one before it in another hospital by the next day, or for the same condition at once."""
    groups: list[list[Row]] = []
    for stay in stays:
        before = groups[-1][-1] if groups else None
        days = (stay["admission_date"] - before["discharge_date"]).days if before else 99
        elsewhere = before is not None and before["facility"] != stay["facility"]
        same = before is not None and before["diagnosis_code_1"][:3] == stay["diagnosis_code_1"][:3]
        if (elsewhere and days <= 1) or (not elsewhere and days == 0 and same):
            groups[-1].append(stay)
        else:
            groups.append([stay])
    return groups


def is_of_period(stay: Row, person: Row) -> bool:
    admitted = stay["admission_date"]
    born = person["born"]
    return (
        PERIOD.start <= stay["discharge_date"] <= PERIOD.end
        and (admitted.year - 65, admitted.month, admitted.day) >= (born.year, born.month, born.day)
        and enrolled(person, a_year_before(admitted), admitted)
    )


def a_year_before(day: date) -> date:
    return date(day.year - 1, 2, 28) if (day.month, day.day) == (2, 29) else day.replace(year=day.year - 1)


def is_readmission_index(stay: Row, person: Row, last_day: date) -> bool:
    end, died = stay["discharge_date"], person["died"]
    if not is_of_period(stay, person) or stay["discharge_disposition_code"] in ("07", "20"):
        return False
    if (died is not None and died <= end) or end + MONTH > last_day:
        return False
    until = end + MONTH
    return enrolled(person, end, until) or (died is not None and died <= until and enrolled(person, end, died))


def is_mortality_index(stay: Row, is_alone: bool, person: Row, hospice: list[Any], last_day: date) -> bool:
    start, end, died = stay["admission_date"], stay["discharge_date"], person["died"]
    dies_inside = stay["discharge_disposition_code"] == "20" or (died is not None and died <= end)
    in_hospice = any(first <= start and last >= a_year_before(start) for first, last in hospice)
    too_short = is_alone and not dies_inside and (end - start).days <= 1
    return not (
        not is_of_period(stay, person)
        or stay["discharge_disposition_code"] == "07"
        or in_hospice
        or too_short
        or (died is not None and died < start)
        or start + MONTH > last_day
    )


def plain_stays(claims: ClaimsData) -> ir.Table:
    inpatient = claims.table("medical_claim").filter(_.bill_type_code.startswith("11"))
    return stays_of(service_lines(inpatient)).select(
        "stay_id", "person_id", "facility", "admission_date", "discharge_date", "discharge_disposition_code",
        "diagnosis_code_1",
    )  # fmt: skip
