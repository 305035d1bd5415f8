"""Files of years that print points but neither standards nor baseline rates score as the full files do.

The layout is the publisher's of May 2015 (FY2015): performance rates and points of each measure, of the survey points
only.
"""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from openvbp.pipeline import run
from openvbp.programs import program
from openvbp.programs.hvbp import synthetic
from openvbp.programs.hvbp.measures import measure_catalogue
from openvbp.reporting.comparison import compare
from openvbp.run_folder import RunFolder

_SURVEY = "person_and_community_engagement"
_WITH_UNDERSCORES = ("clinical_process", "efficiency_and_cost_reduction")
_DOMAINS = {
    "clinical_process": "Clinical Process of Care",
    _SURVEY: "Patient Experience of Care",
    "clinical_outcomes": "Outcome",
    "efficiency_and_cost_reduction": "Efficiency",
}


def of_points(value: Decimal | None, most: int) -> str:
    return "Not Available" if value is None else f"{int(value)} out of {most}"


def written(value: Decimal | None) -> str:
    return "Not Available" if value is None else f"{value:f}"


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(rows[0]), quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)


def as_published_in_2015(full: RunFolder, folder: Path) -> None:
    """Write the results of a run in the layout of May 2015, survey rates left out."""
    folder.mkdir()
    catalogue = measure_catalogue()
    files: dict[str, dict[str, dict[str, str]]] = {}
    for row in full.read("measure_result", scenario_id="actual").to_pylist():
        measure = catalogue[row["measure_id"]]
        cells = files.setdefault(row["domain_id"], {}).setdefault(row["provider_id"], {})
        name = measure.names_in_files[0]
        if row["domain_id"] == _SURVEY:
            score = "Dimension Score"
        else:
            score = "Measure Score"
            cells[f"{name} Performance Rate"] = written(row["rate"])
        cells[f"{name} Achievement Points"] = of_points(row["achievement_points"], 10)
        cells[f"{name} Improvement Points"] = of_points(row["improvement_points"], 9)
        cells[f"{name} {score}"] = of_points(row["points"], 10)
    steps = full.read("step_result", scenario_id="actual").to_pylist()
    survey = {(row["provider_id"], row["quantity"]): row["value"] for row in steps if row["domain_id"] == _SURVEY}
    for provider_id, cells in files[_SURVEY].items():
        cells["HCAHPS Base Score"] = points(survey.get((provider_id, "hcahps_base_points")))
        cells["HCAHPS Consistency Score"] = points(survey.get((provider_id, "hcahps_consistency_points")))
    for domain_id, hospitals in files.items():
        header = "Provider_Number" if domain_id in _WITH_UNDERSCORES else "Provider Number"
        rows = [{header: provider_id, "Hospital Name": "S", **cells} for provider_id, cells in hospitals.items()]
        if domain_id in _WITH_UNDERSCORES:
            rows = [{name.replace(" ", "_").replace("-", "_"): cell for name, cell in row.items()} for row in rows]
        write(folder / f"hvbp_{domain_id}_05_28_2015.csv", rows)
    write(folder / "hvbp_tps_05_28_2015.csv", list(totals(full).values()))


def points(value: Decimal | None) -> str:
    return "Not Available" if value is None else str(int(value))


def totals(full: RunFolder) -> dict[str, dict[str, str]]:
    scores: dict[str, dict[str, Any]] = {}
    for row in full.read("provider_result", scenario_id="actual").to_pylist():
        scores[row["provider_id"]] = {
            "Provider Number": row["provider_id"],
            "Total Performance Score": written(row["score"]),
        }
    for row in full.read("domain_result", scenario_id="actual").to_pylist():
        cells = scores[row["provider_id"]]
        name = _DOMAINS[row["domain_id"]]
        cells[f"Unweighted Normalized {name} Domain Score"] = written(row["score"])
        cells[f"Weighted {name} Domain Score"] = written(row["weighted_score"])
    return scores


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("layout")
    files = synthetic.generate(folder / "files", hospitals=60, period="FY2015", seed=4)
    # Excluded hospitals do not stand in published files.
    attributes = next(path for path in files.folder.glob("*.csv") if "attribute" in path.name.lower())
    attributes.unlink()
    return run("hvbp", period="FY2015", data=files.folder, out=folder / "RUN")


def test_points_without_standards_give_the_same_scores(full: RunFolder, tmp_path: Path) -> None:
    as_published_in_2015(full, tmp_path / "files")
    again = run("hvbp", period="FY2015", data=tmp_path / "files", out=tmp_path / "RUN")
    published = program("hvbp").read_published_values(tmp_path / "files", "FY2015")
    compared = compare(again, published, {})
    assert compared.is_equal, compared.differences[:3]
    assert {one.quantity: one.equal for one in compared.quantities}["total_performance_score"] >= 50
    measures = again.read("measure_result").to_pylist()
    reasons = {row["status_reason"] for row in measures if row["domain_id"] == _SURVEY and row["points"] is not None}
    assert reasons == {"points as published: the files give no rate"}
