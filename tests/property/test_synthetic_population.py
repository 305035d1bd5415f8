"""The synthetic population: the same bytes each time, the contract's types, and a truth that its claims agree with."""

from __future__ import annotations

import datetime
import hashlib
import json
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from openvbp.claims.contract import CLAIMS_TABLES, load_table
from openvbp.claims.service_lines import service_lines
from openvbp.claims.synthetic import population
from openvbp.claims.synthetic.deliberate_cases import CASES
from openvbp.claims.synthetic.region import Region
from openvbp.claims.synthetic.settings import load_settings
from openvbp.claims.tables import open_claims
from openvbp.engine import open_engine
from openvbp.errors import UsageError

MEMBERS = 1200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("population")
    population.generate(to, members=MEMBERS, seed=7)
    return to


def digests(folder: Path) -> dict[str, str]:
    parts = sorted(folder.rglob("*.parquet"))
    return {str(part.relative_to(folder)): hashlib.sha256(part.read_bytes()).hexdigest() for part in parts}


def query(folder: Path, sql: str) -> list[tuple]:
    tables = {
        path.name: f"'{path}/*.parquet'" for path in [*folder.iterdir(), *folder.glob("truth/*")] if path.is_dir()
    }
    return duckdb.sql(sql.format(**tables)).fetchall()


def test_the_same_seed_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    population.generate(tmp_path, members=MEMBERS, seed=7)
    assert digests(tmp_path) == digests(folder)


def test_a_region_drawn_alone_is_the_region_drawn_among_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(population, "REGION_MEMBERS", 600)
    population.generate(tmp_path / "all", members=1100, years=1, seed=3)
    population.write_region(Region(3, 1, 500, 2023, 1, load_settings()), tmp_path / "alone")
    alone = digests(tmp_path / "alone")
    assert alone
    assert alone.items() <= digests(tmp_path / "all").items()


def test_an_earlier_population_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    population.generate(tmp_path, members=500, years=1)
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    before = digests(tmp_path)
    population.generate(tmp_path, members=500, years=1)
    assert digests(tmp_path) == before
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_another_seed_gives_another_population(tmp_path: Path) -> None:
    found = []
    for seed in (1, 2):
        population.generate(tmp_path, members=500, years=1, seed=seed)
        found.append(digests(tmp_path))
    assert found[0].keys() == found[1].keys()
    assert not set(found[0].values()) & set(found[1].values())


def test_columns_have_exactly_the_types_of_the_contract(folder: Path) -> None:
    arrow = {"string": "string", "date": "date32[day]", "int64": "int64", "boolean": "bool",
             "decimal(18, 2)": "decimal128(18, 2)", "decimal(18, 4)": "decimal128(18, 4)"}  # fmt: skip
    found = [name for name in CLAIMS_TABLES if (folder / name).is_dir()]
    assert {"eligibility", "medical_claim", "pharmacy_claim", "lab_result", "provider", "participant"} <= set(found)
    for name in found:
        declared = load_table(name)
        schema = pq.read_schema(folder / name / "part-00000.parquet")
        assert {field.name: str(field.type) for field in schema} == {
            field.name: arrow[declared.column[field.name].type] for field in schema
        }
        assert set(declared.required) <= set(schema.names)


def test_required_cells_are_filled_and_codes_are_allowed(folder: Path) -> None:
    for name in ("eligibility", "medical_claim", "pharmacy_claim", "provider"):
        declared = load_table(name)
        missing = [f"count(*) FILTER ({column} IS NULL)" for column in declared.required]
        assert set(query(folder, f"SELECT {', '.join(missing)} FROM {{{name}}}")[0]) == {0}
        names = pq.read_schema(folder / name / "part-00000.parquet").names
        for column in declared.columns:
            if column.allowed and column.name in names:
                codes = {code for (code,) in query(folder, f"SELECT DISTINCT {column.name} FROM {{{name}}}")} - {None}
                assert codes <= set(column.allowed), column.name


def test_identifiers_are_sound(folder: Path) -> None:
    npis = [npi for (npi,) in query(folder, "SELECT DISTINCT npi FROM {provider}")]
    assert len(npis) > 50
    for npi in npis:
        digits = [int(digit) for digit in "80840" + npi]
        doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
        assert (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
    unknown = query(
        folder, "SELECT count(*) FROM {medical_claim} WHERE rendering_npi NOT IN (SELECT npi FROM {provider})"
    )
    assert unknown == [(0,)]
    assert query(folder, "SELECT count(DISTINCT person_id), min(length(person_id)) FROM {eligibility}") == [
        (MEMBERS, 11)
    ]


def test_a_key_stands_twice_only_where_a_claim_was_delivered_twice(folder: Path) -> None:
    twice = "SELECT claim_id, claim_line_number FROM {medical_claim} GROUP BY ALL HAVING count(*) > 1"
    found = query(folder, f"SELECT DISTINCT claim_id FROM ({twice}) ORDER BY 1")
    truth = "SELECT claim_control_number FROM {truth_adjustment} WHERE kind = 'delivered twice' ORDER BY 1"
    assert found == query(folder, truth)
    assert found


def test_netted_versions_give_the_true_amounts(folder: Path) -> None:
    signed = """SELECT coalesce(claim_control_number, claim_id) AS number, count(*) AS n,
        sum(CASE adjustment_type WHEN '1' THEN -paid_amount ELSE paid_amount END) AS paid,
        sum(CASE adjustment_type WHEN '1' THEN -allowed_amount ELSE allowed_amount END) AS allowed
        FROM (SELECT DISTINCT ON (claim_id, claim_line_number) * FROM {medical_claim}) GROUP BY 1"""
    wrong = query(
        folder,
        f"SELECT kind, count(*) FROM {{truth_adjustment}} t LEFT JOIN ({signed}) s ON number = claim_control_number "
        "WHERE s.paid IS DISTINCT FROM t.paid_amount OR s.allowed IS DISTINCT FROM t.allowed_amount GROUP BY 1",
    )
    assert wrong == []
    rows = query(folder, "SELECT kind, count(*) FROM {truth_adjustment} GROUP BY 1 ORDER BY 1")
    assert [kind for kind, _ in rows] == ["adjusted", "cancelled", "delivered twice", "denied"]


def test_service_lines_agree_with_the_truth(folder: Path) -> None:
    with open_engine() as engine:
        claims = open_claims(engine, folder)
        lines = service_lines(claims.table("medical_claim"))
        total = engine.to_arrow(lines.aggregate(paid=lines.paid_amount.sum())).to_pylist()[0]
    untouched = "claim_status = 'final' AND adjustment_type IS NULL"
    (plain,) = query(folder, f"SELECT sum(paid_amount) FROM {{medical_claim}} WHERE {untouched}")
    (netted,) = query(folder, "SELECT sum(paid_amount) FROM {truth_adjustment}")
    assert total["paid"] == plain[0] + netted[0]


def test_truth_counts_what_the_claims_hold(folder: Path) -> None:
    manifest = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    for name, count in manifest["tables"].items():
        assert query(folder, f"SELECT count(*) FROM {{{name.removeprefix('truth/')}}}") == [(count,)]
    (rows,) = query(folder, "SELECT sum(rows) FROM {truth_adjustment}")
    touched = "adjustment_type IS NOT NULL OR claim_status = 'denied'"
    assert query(folder, f"SELECT count(*) FROM {{medical_claim}} WHERE {touched}") == [rows]
    assert query(folder, "SELECT max(paid_date)::VARCHAR FROM {medical_claim}") == [(manifest["paid_through"],)]
    assert {one["file"]: one["sha256"] for one in manifest["files"]} == digests(folder)


def test_nobody_has_claims_outside_enrolment_or_after_death(folder: Path) -> None:
    outside = """SELECT count(*) FROM {medical_claim} c WHERE NOT EXISTS (SELECT 1 FROM {eligibility} e
        WHERE e.person_id = c.person_id AND NOT e.has_managed_care
        AND c.claim_start_date BETWEEN e.enrollment_start_date AND e.enrollment_end_date)"""
    assert query(folder, outside) == [(0,)]
    dead = (
        "SELECT count(*) FROM {medical_claim} JOIN {eligibility} USING (person_id) WHERE claim_start_date > death_date"
    )
    assert query(folder, dead) == [(0,)]
    overlapping = """SELECT count(*) FROM {eligibility} a JOIN {eligibility} b USING (person_id)
        WHERE a.enrollment_start_date < b.enrollment_start_date AND b.enrollment_start_date <= a.enrollment_end_date"""
    assert query(folder, overlapping) == [(0,)]


def test_deliberate_members_are_exactly_what_they_are_meant_to_be(folder: Path) -> None:
    visits = """SELECT deliberate_case AS kind, person_id, year, rendering_npi AS npi, count(*) AS visits,
        sum(allowed_amount) AS allowed, max(claim_start_date) AS last
        FROM {truth_member} t JOIN {medical_claim} c USING (person_id)
        WHERE year(claim_start_date) = t.year AND hcpcs_code = '99213' AND deliberate_case IS NOT NULL GROUP BY ALL"""
    ties = query(folder, f"SELECT count(DISTINCT visits), count(DISTINCT allowed), count(DISTINCT last), count(*) "
                         f"FROM ({visits}) WHERE kind = 'tie' GROUP BY person_id, year")  # fmt: skip
    assert ties
    assert set(ties) == {(1, 1, 1, 2)}
    for kind, share in (("exactly half", 0.5), ("exactly three tenths", 0.3)):
        found = query(folder, f"SELECT DISTINCT max(visits) / sum(visits) FROM ({visits}) WHERE kind = '{kind}' "
                              "GROUP BY person_id, year")  # fmt: skip
        assert found == [(share,)]
    for kind, size in (("panel of ten", 10), ("panel of eleven", 11)):
        panels = query(folder, f"SELECT npi, year, count(*) FROM ({visits}) WHERE kind = '{kind}' GROUP BY ALL")
        assert panels
        assert {count for *_, count in panels} == {size}
    without = (
        "SELECT count(*) FROM {truth_member} JOIN {medical_claim} USING (person_id) WHERE deliberate_case = 'no care'"
    )
    assert query(folder, without) == [(0,)]
    assert len(query(folder, "SELECT DISTINCT deliberate_case FROM {truth_member}")) == len(CASES) + 1


def test_upcoding_adds_diagnoses_and_leaves_care_as_it_is(folder: Path, tmp_path: Path) -> None:
    population.generate(tmp_path, members=MEMBERS, seed=7, changes=("coding.upcoding_share=1",))
    for column in ("claim_id", "hcpcs_code", "paid_amount", "rendering_npi", "claim_start_date"):
        sql = f"SELECT {column} FROM {{medical_claim}}"
        assert query(tmp_path, sql) == query(folder, sql)
    wrongly = "SELECT count(*) FROM {truth_coding} WHERE is_upcoded"
    assert query(folder, wrongly) == [(0,)]
    assert query(tmp_path, wrongly)[0][0] > 50
    early = "SELECT count(*) FROM {truth_coding} WHERE is_upcoded AND year = 2023"
    assert query(tmp_path, early) == [(0,)]


def test_a_program_spares_admissions_of_its_practices(folder: Path, tmp_path: Path) -> None:
    starts = "program.start_months=9,13"
    changes = ("program.change=-0.5", "program.participant_share=1", "program.fewest_clinicians=1", starts)
    population.generate(tmp_path, members=MEMBERS, seed=7, changes=changes)
    stays = "SELECT DISTINCT person_id, claim_start_date FROM {medical_claim} WHERE bill_type_code = '111'"
    treated, untreated = set(query(tmp_path, stays)), set(query(folder, stays))
    assert treated < untreated
    assert len(treated) < 0.98 * len(untreated)
    assert min(day for _, day in untreated - treated) >= datetime.date(2023, 9, 1)
    of_practices = query(
        tmp_path, "SELECT DISTINCT start_date FROM {truth_program_effect} WHERE start_date IS NOT NULL"
    )
    assert set(of_practices) == {(datetime.date(2023, 9, 1),), (datetime.date(2024, 1, 1),)}
    effects = query(tmp_path, "SELECT min(change), max(change) FROM {truth_program_effect}")
    assert effects == [(-0.5, 0.0)]
    assert query(folder, "SELECT DISTINCT change FROM {truth_program_effect}") == [(0.0,)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"members": 10}, "10 members"),
        ({"members": 1000, "years": 0}, "0 years"),
        ({"members": 1000, "seed": -1}, "seed -1"),
        ({"members": 1000, "changes": ("stays.rat=1",)}, "there is no parameter 'stays.rat'"),
        ({"members": 1000, "changes": ("stays.rate=high",)}, "'high' is not a number"),
        ({"members": 1000, "changes": ("program.start_months=7;9",)}, "write for example 7,13,19"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments: dict, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says):
        population.generate(tmp_path, **arguments)
