"""Cells from claims: admissions and member months of units by window, counted again by plain SQL."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import duckdb
import pytest

from openvbp.attribution.run import ATTRIBUTION, attribute_folder
from openvbp.claims.synthetic.population import generate
from openvbp.claims_chain.unit_panel import write_unit_panel
from openvbp.errors import InputDataError, OpenvbpError, UsageError

RULE = "plurality_primary_care_tin"


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("panel")
    generate(folder / "claims", members=1200, years=2, first_year=2023, seed=5, changes=("program.change=-0.1",))
    attribute_folder(data=folder / "claims", out=folder / "attribution", period="CY2023", rules=[RULE])
    return folder


@pytest.fixture(scope="module")
def panel(claims: Path) -> list[dict[str, str]]:
    to = claims / "panel.csv"
    asked: dict[str, Any] = {"period": "2023-01..2024-12", "assigned_in": "CY2023", "starts": claims / "claims"}
    made = write_unit_panel(data=claims / "claims", to=to, **asked)
    with to.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert made["rows"] == len(rows) == made["units"] * made["windows"]
    assert made["windows"] == 8
    return rows


def test_member_months_are_months_of_enrolment(panel: list[dict[str, str]], claims: Path) -> None:
    found = duckdb.sql(
        f"""WITH mine AS (SELECT person_id, unit_id
            FROM '{claims}/attribution/{ATTRIBUTION}' WHERE unit_id IS NOT NULL),
        month AS (SELECT unnest(generate_series(DATE '2023-01-01', DATE '2024-12-01', INTERVAL 1 MONTH)) AS day)
        SELECT unit_id, count(DISTINCT (person_id, day)) FROM month, mine
        JOIN '{claims}/claims/eligibility/*.parquet' AS e USING (person_id)
        WHERE enrollment_start_date < day + INTERVAL 1 MONTH AND enrollment_end_date >= day
            AND (death_date IS NULL OR death_date >= day) GROUP BY unit_id"""
    ).fetchall()
    ours: dict[str, int] = {}
    for row in panel:
        ours[row["provider_id"]] = ours.get(row["provider_id"], 0) + int(row["member_months"])
    assert ours == dict(found)


def test_expected_admissions_are_those_of_the_year_before(panel: list[dict[str, str]]) -> None:
    """Indirect standardization: over all units, the year that gives the rates expects what happened in it."""
    before = [row for row in panel if row["start_date"] < "2024"]
    admitted = sum(int(row["admissions"]) for row in before)
    assert admitted > 50
    assert sum(float(row["expected"]) for row in before) == pytest.approx(admitted, abs=0.001)


def test_groups_and_first_windows_are_those_of_the_truth(panel: list[dict[str, str]], claims: Path) -> None:
    truth = dict(
        duckdb.sql(
            "SELECT tin, any_value(start_date) "
            f"FROM '{claims}/claims/truth/truth_program_effect/*.parquet' GROUP BY tin"
        ).fetchall()
    )
    assert {row["group"] for row in panel} <= {"participant", "eligible", "small", ""}
    for row in panel:
        start = truth.get(row["provider_id"])
        assert (row["group"] == "participant") == (start is not None)
        assert row["first_period"] == ("" if start is None else f"{start:%Y-%m}..{start.year}-{start.month + 2:02}")


def test_the_true_change_is_that_of_where_persons_are(panel: list[dict[str, str]], claims: Path) -> None:
    """Who is elsewhere in 2024 has the effect of the other practice; who has none, what spills over in the region."""
    assigned, truth = f"'{claims}/attribution/{ATTRIBUTION}'", f"{claims}/claims/truth"
    found = duckdb.sql(
        f"""WITH month AS (
            SELECT unnest(generate_series(DATE '2024-01-01', DATE '2024-12-01', INTERVAL 1 MONTH)) AS day),
        enrolled AS (SELECT DISTINCT person_id, day FROM month JOIN '{claims}/claims/eligibility/*.parquet' ON
            enrollment_start_date < day + INTERVAL 1 MONTH AND enrollment_end_date >= day
            AND (death_date IS NULL OR death_date >= day)),
        effect AS (SELECT * FROM '{truth}/truth_program_effect/*.parquet'),
        spill AS (SELECT year_month, min(change) AS spilled FROM effect WHERE is_spill_over GROUP BY ALL)
        SELECT unit_id, 'Q' || quarter(day), avg(coalesce(change, spilled, 0)), count(DISTINCT tin)
        FROM enrolled JOIN {assigned} USING (person_id)
        LEFT JOIN (FROM '{truth}/truth_attribution/*.parquet' WHERE year = 2024) USING (person_id)
        LEFT JOIN effect USING (tin) LEFT JOIN spill ON spill.year_month = 202400 + month(day)
        WHERE coalesce(effect.year_month, 202400 + month(day)) = 202400 + month(day) AND unit_id IS NOT NULL
        GROUP BY ALL"""
    ).fetchall()
    assert max(row[3] for row in found) > 1
    expected = {row[:2]: row[2] for row in found}
    assert min(expected.values()) < -0.02
    ours = {
        (row["provider_id"], f"Q{(int(row['start_date'][5:7]) + 2) // 3}"): float(row["true_change"])
        for row in panel
        if row["start_date"] >= "2024" and row["true_change"]
    }
    assert ours == {key: pytest.approx(value, abs=2e-6) for key, value in expected.items()}


def test_own_starts_are_read(claims: Path, tmp_path: Path) -> None:
    unit = "900000000"
    (tmp_path / "starts.csv").write_text(f"provider_id,group,start_date\n{unit},early,2024-02-01\n")
    asked: dict[str, Any] = {"period": "2023-01..2024-12", "assigned_in": "CY2023", "months": 6}
    write_unit_panel(data=claims / "claims", to=tmp_path / "panel.csv", starts=tmp_path, **asked)
    with (tmp_path / "panel.csv").open(newline="") as lines:
        rows = {(row["provider_id"], row["group"], row["first_period"]) for row in csv.DictReader(lines)}
    # The first window that is treated from its first day.
    assert (unit, "early", "2024-07..2024-12") in rows


@pytest.mark.parametrize(
    ("asked", "starts", "error", "said"),
    [
        ({"months": 5}, None, UsageError, "no whole number of windows of 5"),
        ({"assigned_in": "CY2030"}, None, OpenvbpError, "2030"),
        ({}, "provider_id,group,start_date\na,b,soon\n", InputDataError, "start_date is no day"),
        ({"rule": "all_touching"}, None, OpenvbpError, "all_touching"),
    ],
)
def test_what_cannot_be_counted_is_refused(
    asked: dict[str, Any], starts: str | None, error: type[Exception], said: str, claims: Path, tmp_path: Path
) -> None:
    given = {"period": "2023-01..2024-12", "assigned_in": "CY2023"} | asked
    if starts:
        (tmp_path / "starts.csv").write_text(starts)
        given["starts"] = tmp_path
    with pytest.raises(error, match=said):
        write_unit_panel(data=claims / "claims", to=tmp_path / "panel.csv", **given)
