"""Hospital Value-Based Purchasing counted from claims: each count again by plain SQL over the files."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from netted_claims import netted, stays
from openvbp.claims.synthetic.population import generate
from openvbp.claims_chain import spending
from openvbp.claims_chain.hospital_evidence import RATES
from openvbp.claims_chain.hospital_program import FILES, FOLDER, run_from_claims
from openvbp.claims_chain.hvbp_files import MEASURES
from openvbp.cli import app
from openvbp.errors import InputDataError, UsageError
from openvbp.programs.hvbp import synthetic
from openvbp.run_folder import RunFolder, open_run

HOSPITALS = ("010878", "010879")
PERIODS = ("CY2023", "CY2024")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("given")
    generate(folder / "claims", members=4000, years=2, first_year=2023, seed=2)
    synthetic.generate(folder / "files", hospitals=40, also=HOSPITALS)
    return folder


@pytest.fixture(scope="module")
def ran(given: Path) -> tuple[RunFolder, str]:
    arguments = ["run", "hvbp", "--period", "FY2024", "--data", str(given / "files"), "--out", str(given / "RUN")]
    arguments += ["--from-claims", str(given / "claims"), "--baseline", PERIODS[0], "--performance", PERIODS[1]]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return open_run(given / "RUN"), result.stderr + result.stdout


def rates(run: RunFolder) -> list[dict[str, str]]:
    with (run.path / FOLDER / RATES).open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_events_and_cases_are_those_of_the_statuses(ran: tuple[RunFolder, str]) -> None:
    run, _ = ran
    statuses = run.path / FOLDER / "measures" / "evidence" / "statuses.parquet"
    found = [row for row in rates(run) if row["measure"] != spending.MEASURE]
    assert any(int(row["cases"]) >= 25 for row in found)
    assert {row["measure"] for row in found} == set(MEASURES.values()) - {spending.MEASURE}
    for row in found:
        counted = duckdb.sql(
            f"""SELECT count(*), count(*) FILTER (status = 'met') FROM '{statuses}' WHERE status IN ('met', 'not_met')
            AND measure = '{row["measure"]}' AND period = '{row["period"]}'
            AND index_facility_id = '{row["facility_id"]}'"""
        ).fetchone()
        assert counted == (int(row["cases"]), int(row["events"]))


def test_deaths_are_in_the_claims(ran: tuple[RunFolder, str], given: Path) -> None:
    """Who is counted as dead died within 30 days of an admission to that hospital."""
    run, _ = ran
    statuses = run.path / FOLDER / "measures" / "evidence" / "statuses.parquet"
    wrong = duckdb.sql(
        f"""SELECT count(*) FILTER (NOT died) FROM (
            SELECT max(death_date) BETWEEN any_value(index_date) AND any_value(index_date) + 30 AS died
            FROM '{statuses}' JOIN '{given}/claims/eligibility/*.parquet' USING (person_id)
            WHERE status = 'met' AND measure LIKE 'mortality.%' GROUP BY measure, period, person_id, index_event_id)"""
    ).fetchone()
    assert wrong == (0,)


def test_complications_are_in_the_claims(ran: tuple[RunFolder, str], given: Path) -> None:
    """Death within 30 days, or a stay within seven days for one of the three complications that the population has."""
    run, _ = ran
    folder = run.path / FOLDER
    judged = duckdb.sql(
        f"""SELECT status, (death_date - index_date BETWEEN 0 AND 30) OR EXISTS (
            SELECT 1 FROM ({stays(folder / "accepted")}) AS later WHERE later.person_id = one.person_id
            AND later.first_day - index_date BETWEEN 1 AND 7
            AND regexp_matches(later.diagnosis, '^(I21|J18|J690|A41)')) AS is_complicated
        FROM '{folder}/measures/evidence/statuses.parquet' AS one
        JOIN (SELECT person_id, max(death_date) AS death_date FROM '{given}/claims/eligibility/*.parquet' GROUP BY 1)
        USING (person_id)
        WHERE measure = '{MEASURES["COMP-HIP-KNEE"]}' AND status IN ('met', 'not_met')"""
    ).fetchall()
    assert len(judged) > 20
    assert all((status == "met") == bool(is_complicated) for status, is_complicated in judged)


def test_cost_of_episodes_is_in_the_claims(ran: tuple[RunFolder, str]) -> None:
    """Lines from three days before to thirty days after; each acute stay at the mean of its DRG and year."""
    run, _ = ran
    folder = run.path / FOLDER
    for period in PERIODS:
        episodes = folder / "models" / spending.MEASURE / period / "episodes.parquet"
        compared = duckdb.sql(
            f"""WITH stay AS (SELECT *, avg(allowed) OVER (PARTITION BY drg, year(first_day)) / allowed AS factor
                FROM ({stays(folder / "accepted")}) WHERE allowed > 0),
            line AS (SELECT net.person_id, allowed_amount * coalesce(factor, 1) AS price,
                claim_start_date AS day
                FROM ({netted(folder / "accepted")}) AS net LEFT JOIN stay ON stay.stay = net.claim_id)
            SELECT episode.cost, (SELECT sum(price) FROM line WHERE line.person_id = stay.person_id
                AND day BETWEEN first_day - 3 AND last_day + 30)
            FROM '{episodes}' AS episode JOIN stay ON stay.stay = episode.stay_id"""
        ).fetchall()
        assert len(compared) == pq.read_metadata(episodes).num_rows > 100
        assert max(abs(ours - again) for ours, again in compared) < 0.5


def test_spending_is_observed_over_expected_over_the_median(ran: tuple[RunFolder, str]) -> None:
    run, _ = ran
    for period in PERIODS:
        rows = [row for row in rates(run) if row["measure"] == spending.MEASURE and row["period"] == period]
        amounts = np.array([float(row["observed"]) / float(row["expected"]) for row in rows])
        order = np.argsort(amounts)
        weight = np.cumsum(np.array([int(row["cases"]) for row in rows])[order])
        median = amounts[order[np.searchsorted(weight, weight[-1] / 2)]]
        for row, amount in zip(rows, amounts, strict=True):
            assert float(row["rate"]) == pytest.approx(amount / median, abs=2e-6)


def test_rates_of_the_run_are_those_of_the_claims(ran: tuple[RunFolder, str]) -> None:
    run, printed = ran
    assert "rates of the files replaced by rates from claims" in printed
    results = pq.read_table(run.path / "results" / "measure_result.parquet").to_pylist()
    counted = {row["facility_id"] for row in rates(run)}
    of_run = {
        (row["provider_id"], row["measure_id"]): row
        for row in results
        if row["provider_id"] in counted and row["measure_id"] in MEASURES
    }
    listed = {(row["facility_id"], row["measure"], row["period"]): row for row in rates(run)}
    scored = unfitted = 0
    for (hospital, measure_id), row in of_run.items():
        ours = listed.get((hospital, MEASURES[measure_id], PERIODS[1]))
        if ours is None or not ours["rate"]:
            assert row["rate"] is None
            assert row["status"] == ("not_reported" if int(ours["cases"] if ours else 0) >= 25 else "too_few_cases")
            unfitted += ours is not None
            assert ours is None or row["status"] != "not_reported" or "no model could be fitted" in row["status_reason"]
        elif row["rate"] is not None:
            rate = Decimal(ours["rate"]).quantize(Decimal("0.000001"))
            assert row["rate"] == (1 - rate if measure_id.startswith("MORT-") else rate)
            if ours["events"]:
                events = int(ours["events"])
                assert row["numerator"] == (int(ours["cases"]) - events if measure_id.startswith("MORT-") else events)
            assert row["status"] in ("unverified", "too_few_cases")
            scored += row["status"] == "unverified"
        if ours is not None and int(ours["cases"]) < 25:
            assert row["points"] is None
    assert scored
    assert unfitted


def test_other_hospitals_keep_their_published_rates(ran: tuple[RunFolder, str], given: Path) -> None:
    run, _ = ran
    name = "SYNTHETIC_hvbp_clinical_outcomes.csv"

    def others(path: Path) -> list[list[str]]:
        with path.open(newline="") as lines:
            return [row for row in csv.reader(lines) if row[1] not in HOSPITALS]

    assert others(given / "files" / name) == others(run.path / FOLDER / FILES / name)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"program_id": "hacrp"}, UsageError, "measures of hacrp are not counted from claims"),
        ({"data": None}, UsageError, "claims do not tell all measures of hvbp"),
        ({"period": "FY2013"}, UsageError, "no measure that claims tell"),
        ({"baseline": ""}, UsageError, "which period is meant?"),
    ],
)
def test_what_cannot_be_counted_is_refused(
    changes: dict[str, Any], error: type[Exception], said: str, given: Path, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"program_id": "hvbp", "period": "FY2024", "baseline": PERIODS[0]}
    asked |= {"performance": PERIODS[1], "data": given / "files"} | changes
    with pytest.raises(error, match=said.replace("?", r"\?")):
        run_from_claims(asked.pop("program_id"), claims=given / "claims", out=tmp_path / "RUN", **asked)


def test_hospitals_of_the_claims_must_be_in_the_files(given: Path, tmp_path: Path) -> None:
    synthetic.generate(tmp_path / "files", hospitals=20)
    with pytest.raises(InputDataError, match="no hospital of the claims is in the files"):
        run_from_claims(
            "hvbp",
            period="FY2024",
            data=tmp_path / "files",
            claims=given / "claims",
            baseline=PERIODS[0],
            performance=PERIODS[1],
            out=tmp_path / "RUN",
        )
