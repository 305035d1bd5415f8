"""Hospital VBP FY2015: points of the patient survey as published, for 3,042 hospitals.

The file has achievement and improvement points but no rates. What can be verified is the higher of the two and the sum
over the dimensions; both are printed, and neither is read as an input. The consistency score is taken as published.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from conftest import published_data
from openvbp.parameters import load_parameters
from openvbp.pipeline import run
from openvbp.programs import program
from openvbp.run_folder import RunFolder

HOSPITALS = 3_042
IN_FILE = 3_074
SURVEY = "person_and_community_engagement"


@pytest.fixture(scope="module")
def path() -> Path:
    return published_data("hospital", "hvbp", "fy2015", "hvbp_hcahps.csv")


@pytest.fixture(scope="module")
def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def finished(path: Path, rows: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The survey's file beside one that says that nothing else is available."""
    folder = tmp_path_factory.mktemp("hvbp_fy2015")
    (folder / "files").mkdir()
    shutil.copyfile(path, folder / "files" / path.name)
    declared = load_parameters(program("hvbp").parameters_file)
    measures = declared.in_force(declared.period("FY2015")).keyed("measure_domain")
    others = [one for one, domain in measures.items() if domain != SURVEY]
    with (folder / "files" / "others.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(["Provider Number", *(f"{one} Achievement Points" for one in others)])
        writer.writerows([row["Provider Number"], *["Not Available"] * len(others)] for row in rows)
    return run("hvbp", period="FY2015", data=folder / "files", out=folder / "RUN")


def whole(text: str) -> int | None:
    return None if text == "Not Available" else int(text.removesuffix(" out of 10"))


def test_every_dimension_score_is_the_higher_of_achievement_and_improvement(
    rows: list[dict[str, str]], finished: RunFolder
) -> None:
    titles = [one.removesuffix(" Dimension Score") for one in rows[0] if one.endswith(" Dimension Score")]
    ids = {title: f"HCAHPS-{title.lower().replace(' ', '-')}" for title in titles}
    ids["Cleanliness and Quietness of Hospital Environment"] = "HCAHPS-cleanliness-and-quietness"
    published = {
        (row["Provider Number"], ids[title]): whole(row[f"{title} Dimension Score"]) for row in rows for title in titles
    }
    ours = {
        (row["provider_id"], row["measure_id"]): row["points"]
        for row in finished.read("measure_result", scenario_id="actual", domain_id=SURVEY).to_pylist()
    }
    assert len(published) == 8 * IN_FILE
    assert sum(points is not None for points in published.values()) == 8 * HOSPITALS
    assert ours == published


@pytest.mark.parametrize("quantity", ["hcahps_base_points", "hcahps_consistency_points"])
def test_every_base_and_consistency_score(quantity: str, rows: list[dict[str, str]], finished: RunFolder) -> None:
    column = {"hcahps_base_points": "HCAHPS Base Score", "hcahps_consistency_points": "HCAHPS Consistency Score"}
    published = {row["Provider Number"]: whole(row[column[quantity]]) for row in rows}
    steps = finished.read("step_result", scenario_id="actual", quantity=quantity).to_pylist()
    assert sum(points is not None for points in published.values()) == HOSPITALS
    assert {row["provider_id"]: row["value"] for row in steps} == published


def test_survey_score_is_their_sum_and_no_total_follows_from_it_alone(
    rows: list[dict[str, str]], finished: RunFolder
) -> None:
    published = {
        row["Provider Number"]: int(row["HCAHPS Base Score"]) + int(row["HCAHPS Consistency Score"])
        for row in rows
        if row["HCAHPS Base Score"] != "Not Available"
    }
    scored = finished.read("domain_result", scenario_id="actual", domain_id=SURVEY).to_pylist()
    assert {row["provider_id"]: row["score"] for row in scored if row["score"] is not None} == published
    totals = finished.read("provider_result", scenario_id="actual")
    assert totals["score"].null_count == IN_FILE
    assert set(totals["status"].to_pylist()) == {"too_few_cases"}
