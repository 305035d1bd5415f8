"""A contract settled from claims, as a person meets it; every number counted again by plain SQL over the files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from starlette.testclient import TestClient
from typer.testing import CliRunner

from conftest import ROOT
from openvbp import pipeline
from openvbp.claims.synthetic.population import generate
from openvbp.claims_chain.contract_inputs import year_of
from openvbp.claims_chain.settlement import FOLDER, settle_from_claims
from openvbp.cli import app
from openvbp.errors import InputDataError, OpenvbpError, UsageError
from openvbp.periods import Period
from openvbp.run_folder import RunFolder, open_run
from openvbp.web.app import create_app
from openvbp.web.server import Contents, make_site

HALF_MONTH = {"first_day": date(2024, 1, 15), "last_day": date(2024, 12, 31)}
CONTRACT = ROOT / "examples" / "aco-contract.yaml"


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("chain") / "population"
    generate(out, members=1500, years=3, first_year=2022, seed=4)
    return out


def contract(tmp_path: Path, **changes: Any) -> Path:
    terms = yaml.safe_load(CONTRACT.read_text())
    for place, value in changes.items():
        section, _, name = place.partition("__")
        if value is None:
            terms.pop(section)
        elif name:
            terms[section][name] = value
        else:
            terms[section] = value
    path = tmp_path / "contract.yaml"
    path.write_text(yaml.safe_dump(terms, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def settled(population: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunFolder, str]]:
    """A run of the command, with measures that few cases suffice for."""
    folder = tmp_path_factory.mktemp("settled")
    terms = yaml.safe_load(CONTRACT.read_text())
    for measure in terms["quality"]["measures"].values():
        measure["minimum_denominator"] = 1
    terms["parties"]["contractor_id"] = "A0000B"
    path = folder / "contract.yaml"
    path.write_text(yaml.safe_dump(terms, sort_keys=False))
    arguments = ["run", str(path), "--data", str(population), "--out", str(folder / "RUN")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "code_digest", lambda: "code")
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0
        yield open_run(folder / "RUN"), result.stderr + result.stdout


def rows_of(run: RunFolder, name: str) -> list[dict[str, str]]:
    with (run.path / FOLDER / name).open(newline="") as lines:
        return list(csv.DictReader(lines))


def mine(run: RunFolder, year: int) -> str:
    table = run.path / FOLDER / "attribution" / str(year) / "attribution.parquet"
    return f"SELECT person_id FROM '{table}' WHERE rule_id = 'mssp_retrospective' AND unit_id = 'A0000B'"


def test_the_settlement_says_what_was_done(settled: tuple[RunFolder, str]) -> None:
    run, printed = settled
    assert "members attributed" in printed
    assert "4 measures evaluated" in printed
    counted = json.loads((run.path / FOLDER / "counted.json").read_text())
    assert counted["rows"]["read"] == counted["rows"]["accepted"] + counted["rows"]["rejected"]
    assert counted["practices"] > 1
    assert (run.path / FOLDER / "claims-check.html").is_file()


def test_other_terms_are_tried_on_what_was_counted(settled: tuple[RunFolder, str], tmp_path: Path) -> None:
    """No claim is counted again, so a lower attachment point of stop loss is possible too: all members are known."""
    run, _ = settled
    changes = {"savings_corridor_share.1": "0.7", "stop_loss_attachment_point": "20000", "quality_gate": "0"}
    assignments = [f"{path}={value}" for path, value in changes.items()]
    options = [one for assignment in assignments for one in ("--set", assignment)]
    answered = CliRunner().invoke(app, ["what-if", str(run.path), *options, "--json"], catch_exceptions=False)
    found = json.loads(answered.output)
    kept = run.path / run.record["contract"]["file"]
    again = pipeline.run(str(kept), period="", data=run.path / FOLDER, out=tmp_path / "RUN", changes=assignments)
    for scenario_id, side in (("actual", "before"), ("what_if", "after")):
        (net,) = again.read("payment_result", scenario_id=scenario_id, component_id="net").to_pylist()
        assert Decimal(str(found[f"total_{side}"])) == net["amount"]
    assert found["total_before"] != found["total_after"]
    client = TestClient(create_app(make_site(Contents([run.path], shows_all=True))), base_url="http://localhost")
    page = client.get(f"/lab?program={run.record['contract']['name']}&set=savings_corridor_share.1:0.7")
    assert page.status_code == 200
    assert "vbp.settle_from_claims(" in page.text


def test_expenditures_are_the_paid_amounts_of_the_members(settled: tuple[RunFolder, str], population: Path) -> None:
    """What corrected, cancelled and denied claims come to in the end stands in the population's truth."""
    run, _ = settled
    for row in rows_of(run, "experience.csv"):
        members = {one for (one,) in duckdb.sql(mine(run, int(row["year"]))).fetchall()}
        listed = [one for one in rows_of(run, "high_cost_members.csv") if one["year"] == row["year"]]
        assert {one["member_id"] for one in listed} <= members
        # Stop loss looks at members one by one; together they are the experience.
        assert sum(Decimal(one["expenditures"]) for one in listed) == Decimal(row["expenditures"])
        paid = duckdb.sql(
            f"""WITH claim AS (
                SELECT coalesce(claim_control_number, claim_id) AS claim_control_number,
                    min(claim_start_date) AS day, sum(paid_amount) AS delivered
                FROM '{population}/medical_claim/*.parquet'
                WHERE person_id IN ({mine(run, int(row["year"]))}) GROUP BY 1)
            SELECT sum(coalesce(truth.paid_amount, claim.delivered)) FROM claim
            LEFT JOIN '{population}/truth/truth_adjustment/*.parquet' AS truth USING (claim_control_number)
            WHERE year(day) = {row["year"]}"""
        ).fetchone()
        assert paid == (Decimal(row["expenditures"]),)


def test_member_months_are_months_of_enrolment(settled: tuple[RunFolder, str], population: Path) -> None:
    run, _ = settled
    for row in rows_of(run, "experience.csv"):
        months = duckdb.sql(
            f"""WITH month AS (SELECT make_date({row["year"]}, m, 1) AS day FROM range(1, 13) t(m))
            SELECT count(*) FROM (SELECT DISTINCT person_id, day FROM month,
                '{population}/eligibility/*.parquet' AS e
            WHERE person_id IN ({mine(run, int(row["year"]))})
                AND enrollment_start_date < day + INTERVAL 1 MONTH AND enrollment_end_date >= day
                AND (death_date IS NULL OR death_date >= day))"""
        ).fetchone()
        assert months
        assert months[0] == int(row["member_months"])


def test_quality_counts_are_the_statuses_of_the_members(settled: tuple[RunFolder, str]) -> None:
    run, _ = settled
    statuses = run.path / FOLDER / "measures" / "evidence" / "statuses.parquet"
    for row in rows_of(run, "quality.csv"):
        found = duckdb.sql(
            f"""SELECT count(*) FILTER (status = 'met'),
                count(*) FILTER (status IN ('met', 'not_met', 'numerator_excluded'))
            FROM '{statuses}' WHERE measure = '{row["measure_id"]}' AND period = 'CY2024'
                AND person_id IN ({mine(run, 2024)})"""
        ).fetchone()
        assert found == (int(row["numerator"]), int(row["denominator"]))
    assert any(int(row["denominator"]) > 20 for row in rows_of(run, "quality.csv"))


def test_members_of_participants_are_the_contractors(settled: tuple[RunFolder, str]) -> None:
    run, _ = settled
    listed = rows_of(run, "participants.csv")
    practices = [row for row in listed if not row["practice_id"]]
    (year,) = [row for row in rows_of(run, "experience.csv") if row["year"] == "2024"]
    assert 0 < sum(int(row["member_months"]) for row in practices) <= int(year["member_months"])
    for practice in practices:
        clinicians = [row for row in listed if row["practice_id"] == practice["participant_id"]]
        assert sum(int(row["member_months"]) for row in clinicians) <= int(practice["member_months"])
        assert 0 <= Decimal(practice["quality_score"]) <= 1


def test_a_second_run_counts_nothing_again(settled: tuple[RunFolder, str], population: Path) -> None:
    run, _ = settled
    said: list[str] = []
    again = settle_from_claims(
        run.path.parent / "contract.yaml",
        period="",
        data=population,
        out=run.path,
        changes=["savings_minimum_rate=0.5"],
        progress=said.append,
    )
    assert said[0] == "claims: unchanged, kept"
    assert set(again.record["scenarios"]) == {"actual", "what_if"}


def test_years_are_counted_back_in_whole_months() -> None:
    performance = Period("PY2024", date(2023, 7, 1), date(2024, 6, 30))
    assert year_of(performance, 2023).label == "2022-07..2023-06"
    assert year_of(Period("PY", date(2023, 3, 1), date(2024, 2, 29)), 2023).end == date(2023, 2, 28)
    assert year_of(Period("PY", date(2024, 1, 1), date(2024, 12, 31)), 2022).label == "CY2022"


def refused(path: Path, population: Path, out: Path) -> OpenvbpError:
    with pytest.raises(OpenvbpError) as caught:
        settle_from_claims(path, period="", data=population, out=out)
    return caught.value


def test_a_contract_that_does_not_say_how_is_refused(population: Path, tmp_path: Path) -> None:
    error = refused(ROOT / "examples" / "aco-contract-from-tables.yaml", population, tmp_path / "RUN")
    assert isinstance(error, UsageError)
    assert "section 'claims:'" in str(error)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quality__measures": {"no_such_measure": {"target": 0.5}}}, "not measures of the library"),
        ({"quality__measures": {"total_cost.medical_per_person_year": {"target": 0.5}}}, "no proportions"),
        ({"quality__measures": {"immunization.influenza": {"compared_with": "state"}}}, "rates of others"),
        (
            {"performance_periods": {"PY": {"first_day": date(2024, 1, 15), "last_day": date(2024, 12, 31)}}},
            "whole months",
        ),
        ({"claims__attribution_rule": "no_such_rule"}, "no_such_rule"),
    ],
)
def test_terms_that_claims_do_not_tell_are_refused(
    changes: dict[str, Any], said: str, population: Path, tmp_path: Path
) -> None:
    assert said in str(refused(contract(tmp_path, **changes), population, tmp_path / "RUN"))


def test_a_contractor_without_members_is_refused(population: Path, tmp_path: Path) -> None:
    error = refused(contract(tmp_path, claims__units=["A9999Z"]), population, tmp_path / "RUN")
    assert isinstance(error, InputDataError)
    assert "gives A9999Z no member" in str(error)
