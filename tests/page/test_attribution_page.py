"""The command attribute as a person meets it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from conftest import ROOT
from openvbp.attribution import read_rule, rule_ids
from openvbp.cli import app
from openvbp.errors import InputDataError, UsageError

PERSON = "person_id,gender,birth_date,enrollment_start_date,enrollment_end_date,payer,plan,data_source\n"
LINE = (
    "claim_id,claim_line_number,claim_type,person_id,payer,plan,claim_start_date,claim_end_date,hcpcs_code,rendering_npi,"
    "rendering_tin,rendering_specialty_code,allowed_amount,paid_amount,data_source\n"
)
OWN_RULE = """\
rule: knee_surgeons
title: Most charges of knee surgeons
cite: contract, section 4
unit: npi
signal: allowed_usd
service_lists:
  knee: {codes: ["27447", "99213"]}
clinician_groups:
  orthopaedic: ["20"]
pools:
  knee: {services: [knee], clinicians: [orthopaedic]}
steps:
  - pool: knee
"""


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    folder = tmp_path / "claims"
    folder.mkdir()
    people = [f"{name},female,1950-01-01,2024-01-01,2024-12-31,medicare,ffs,test\n" for name in "abc"]
    (folder / "eligibility.csv").write_text(PERSON + "".join(people))
    visits = [("a", "08", "99213", 100), ("a", "20", "27447", 900), ("b", "08", "99213", 100)]
    lines = [
        f"{number},1,professional,{person},medicare,ffs,2024-03-0{number},2024-03-0{number},{code},100000000{number},T1,"
        f"{specialty},{amount},{amount},test\n"
        for number, (person, specialty, code, amount) in enumerate(visits, start=1)
    ]
    (folder / "medical_claim.csv").write_text(LINE + "".join(lines))
    return folder


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_an_own_rule_beside_a_shipped_one(tmp_path: Path, claims: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN_RULE)
    rules = ("--rule", tmp_path / "own.yaml", "--rule", "plurality_primary_care_npi")
    text = run("attribute", "--data", claims, "--period", "CY2024", "--out", tmp_path / "RUN", *rules)
    assert "Attribution CY2024" in text
    rows = pq.read_table(tmp_path / "RUN" / "attribution.parquet").to_pylist()
    own = {row["person_id"]: row for row in rows if row["rule_id"] == "knee_surgeons"}
    assert (own["a"]["unit_id"], own["a"]["signal"], own["a"]["share"]) == ("1000000002", Decimal(900), Decimal(1))
    assert own["b"]["reason"] == "no_qualifying_service"
    summary = json.loads((tmp_path / "RUN" / "attribution.json").read_text())
    assert [(row["rule"], row["eligible"], row["assigned"]) for row in summary["rules"]] == [
        ("knee_surgeons", 3, 1),
        ("plurality_primary_care_npi", 3, 2),
    ]
    assert {path.name for path in (tmp_path / "RUN").iterdir()} == {"attribution.json", "attribution.parquet"}


def test_a_period_without_anybody_is_an_error(tmp_path: Path, claims: Path) -> None:
    given = ["attribute", "--data", str(claims), "--out", str(tmp_path / "RUN"), "--rule", "plurality_all_npi"]
    with pytest.raises(InputDataError, match="nobody can be assigned in CY2019"):
        CliRunner().invoke(app, [*given, "--period", "CY2019"], catch_exceptions=False)
    with pytest.raises(UsageError, match="'2024' is not a period"):
        CliRunner().invoke(app, [*given, "--period", "2024"], catch_exceptions=False)


def test_the_rules_are_listed_with_their_sources() -> None:
    text = run("attribute", "--rules")
    assert all(f"{rule_id}  " in text for rule_id in rule_ids())
    listed = {row["rule"]: row for row in json.loads(run("attribute", "--rules", "--json"))}
    assert set(listed) == set(rule_ids())
    assert all(row["cite"] and row["about"] for row in listed.values())
    assert listed["mssp_retrospective"]["is_unverified"]
    assert not listed["plurality_all_npi"]["is_unverified"]


def test_the_rule_in_the_manual_is_a_rule(tmp_path: Path) -> None:
    manual = (ROOT / "docs" / "how-to" / "attribute.md").read_text(encoding="utf-8")
    (tmp_path / "cardiology.yaml").write_text(manual.split("```yaml\n")[1].split("```")[0])
    assert read_rule(tmp_path / "cardiology.yaml").rule == "cardiology_panel"
