"""Hospital Value-Based Purchasing with deaths counted from claims: each count again by plain SQL over the files."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from openvbp.claims.synthetic.population import generate
from openvbp.claims_chain.hospital_program import FILES, FOLDER, MEASURES, RATES, run_from_claims
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


def test_deaths_and_cases_are_those_of_the_statuses(ran: tuple[RunFolder, str]) -> None:
    run, _ = ran
    statuses = run.path / FOLDER / "measures" / "evidence" / "statuses.parquet"
    found = rates(run)
    assert any(int(row["cases"]) >= 25 for row in found)
    for row in found:
        counted = duckdb.sql(
            f"""SELECT count(*), count(*) FILTER (status = 'met') FROM '{statuses}' WHERE status IN ('met', 'not_met')
            AND measure = '{row["measure"]}' AND period = '{row["period"]}'
            AND index_facility_id = '{row["facility_id"]}'"""
        ).fetchone()
        assert counted == (int(row["cases"]), int(row["deaths"]))


def test_deaths_are_in_the_claims(ran: tuple[RunFolder, str], given: Path) -> None:
    """Who is counted as dead died within 30 days of an admission to that hospital."""
    run, _ = ran
    statuses = run.path / FOLDER / "measures" / "evidence" / "statuses.parquet"
    wrong = duckdb.sql(
        f"""SELECT count(*) FILTER (NOT died) FROM (
            SELECT max(death_date) BETWEEN any_value(index_date) AND any_value(index_date) + 30 AS died
            FROM '{statuses}' JOIN '{given}/claims/eligibility/*.parquet' USING (person_id)
            WHERE status = 'met' GROUP BY measure, period, person_id, index_event_id)"""
    ).fetchone()
    assert wrong == (0,)


def test_rates_of_the_run_are_survival_by_claims(ran: tuple[RunFolder, str]) -> None:
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
    scored = 0
    for (hospital, measure_id), row in of_run.items():
        ours = listed.get((hospital, MEASURES[measure_id], PERIODS[1]))
        if ours is None:
            assert row["rate"] is None
        elif row["rate"] is not None:
            assert row["rate"] == 1 - Decimal(ours["standardized_rate"])
            scored += row["status"] == "scored"
        if ours is not None and int(ours["cases"]) < 25:
            assert row["points"] is None
    assert scored


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
        ({"program_id": "hrrp"}, UsageError, "measures of hrrp are not counted from claims"),
        ({"period": "FY2013"}, UsageError, "no measure that claims tell"),
        ({"baseline": ""}, UsageError, "which period is meant?"),
    ],
)
def test_what_cannot_be_counted_is_refused(
    changes: dict[str, Any], error: type[Exception], said: str, given: Path, tmp_path: Path
) -> None:
    asked = {"program_id": "hvbp", "period": "FY2024", "baseline": PERIODS[0], "performance": PERIODS[1]} | changes
    with pytest.raises(error, match=said.replace("?", r"\?")):
        run_from_claims(
            asked.pop("program_id"), data=given / "files", claims=given / "claims", out=tmp_path / "RUN", **asked
        )


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
