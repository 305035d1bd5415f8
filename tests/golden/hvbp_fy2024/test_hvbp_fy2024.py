"""Hospital VBP FY2024 as published: every point, every score, every hospital."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest
from published_scores import (
    COUNTS,
    Numbers,
    differences,
    expected_differences,
    our_numbers,
    our_steps,
    published_numbers,
)

from conftest import published_data
from openvbp.pipeline import run
from openvbp.programs import program
from openvbp.reporting.comparison import compare
from openvbp.run_folder import RunFolder


@pytest.fixture(scope="module")
def published() -> Numbers:
    return published_numbers()


def count(numbers: Numbers) -> dict[str, int]:
    return dict(Counter(quantity for _, quantity, _ in numbers))


def test_the_files_are_the_ones_meant(published: Numbers) -> None:
    assert count(published) == COUNTS
    assert len({hospital for hospital, _, _ in published}) == 2_474


def test_every_published_number_is_reproduced_and_no_other_is_made(hvbp_fy2024: RunFolder, published: Numbers) -> None:
    ours = our_numbers(hvbp_fy2024)
    assert count(ours) == COUNTS
    assert differences(ours, published) == expected_differences()


def test_explanations_give_the_same_numbers(hvbp_fy2024: RunFolder, published: Numbers) -> None:
    assert differences(our_steps(hvbp_fy2024), published) == expected_differences()


def test_every_row_of_the_files_is_accepted(hvbp_fy2024: RunFolder) -> None:
    record = hvbp_fy2024.record
    assert record["input_rows"] == {"in": 5 * 2_474, "accepted": 5 * 2_474, "rejected": 0}
    assert record["rejected_cells"] == 0
    assert record["checks"] == []
    assert {file["rows"] for file in record["input_files"]} == {2_474}


def test_combined_score_is_taken_as_published_only_where_it_is_not_determined(
    hvbp_fy2024: RunFolder, published: Numbers
) -> None:
    rows = hvbp_fy2024.read("measure_result", scenario_id="actual").to_pylist()
    points = {(row["provider_id"], row["measure_id"]): row["points"] for row in rows}
    taken = determined = unscored = 0
    for row in rows:
        if row["measure_id"] != "SSI":
            continue
        hospital = row["provider_id"]
        sites = [points[hospital, "HAI-3"], points[hospital, "HAI-4"]]
        scored = [one for one in sites if one is not None]
        if len(set(scored)) == 2:
            taken += 1
            assert "combined score as published" in row["status_reason"]
            assert min(scored) <= row["points"] <= max(scored)
        else:
            determined += 1
            unscored += not scored
            assert row["status_reason"] in (None, "no performance rate is published")
            assert row["points"] == (scored[0] if scored else None)
    assert (taken, determined, unscored) == (434, 2_040, 751)


def test_the_comparison_that_users_have_says_the_same(hvbp_fy2024: RunFolder) -> None:
    hvbp = program("hvbp")
    values = hvbp.read_published_values(published_data("hospital", "hvbp", "fy2024"), "FY2024")
    compared = compare(hvbp_fy2024, values, hvbp.tolerances)
    assert compared.is_equal
    assert compared.differences == []
    assert {one.quantity: one.published for one in compared.quantities} == COUNTS
    assert {one.quantity: one.equal for one in compared.quantities} == COUNTS
    assert {one.quantity: one.taken_as_published for one in compared.quantities if one.taken_as_published} == {
        "combined_points": 434
    }


def test_scores_do_not_come_from_the_published_points(tmp_path: Path, published: Numbers) -> None:
    """From the same files without their points and scores, all but the combined SSI score, the same numbers follow."""
    files = tmp_path / "files"
    files.mkdir()
    points = re.compile(r".* (Achievement Points|Improvement Points|(Measure|Dimension|Base|Consistency) Score)")
    for path in published_data("hospital", "hvbp", "fy2024").glob("*.csv"):
        if path.name == "hvbp_tps.csv":
            continue
        with path.open(newline="", encoding="utf-8") as lines:
            header, *rows = csv.reader(lines)
        kept = [
            index
            for index, name in enumerate(header)
            if name == "Combined SSI Measure Score" or not points.fullmatch(name)
        ]
        with (files / path.name).open("w", newline="", encoding="utf-8") as lines:
            csv.writer(lines).writerows([row[index] for index in kept] for row in [header, *rows])
    without_points = run("hvbp", period="FY2024", data=files, out=tmp_path / "RUN")
    assert differences(our_numbers(without_points), published) == expected_differences()
