"""Hospital VBP FY2025: from published domain scores to weights and the Total Performance Score, for 2,489 hospitals.

The file at hand is a trimmed copy: it has no measures, its hospital numbers lost their leading zeros, and it prints
only the weighted domain scores, rounded to 12 decimals. A domain score is a fraction of few points, which the rounded
number still tells: points over ten times the number of measures. Files with such points are made here and run.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal, localcontext
from pathlib import Path

import pytest

from conftest import published_data
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder

HOSPITALS = 2_489
SURVEY = "person_and_community_engagement"
COLUMNS = {
    "wt_clinical": "clinical_outcomes",
    "wt_pce": SURVEY,
    "wt_safety": "safety",
    "wt_efficiency": "efficiency_and_cost_reduction",
}
MEASURES = {
    "clinical_outcomes": (
        "MORT-30-AMI",
        "MORT-30-HF",
        "MORT-30-PN",
        "MORT-30-COPD",
        "MORT-30-CABG",
        "COMP-HIP-KNEE",
    ),
    "safety": ("HAI-1", "HAI-2", "HAI-3", "HAI-5", "HAI-6"),
    "efficiency_and_cost_reduction": ("MSPB-1",),
}
"""HAI-3 stands for the combined surgical site infections: alone, it is their score."""
NEVER_SCORED = ("HAI-4",)
DIMENSIONS = (
    "Communication with Nurses",
    "Communication with Doctors",
    "Responsiveness of Hospital Staff",
    "Care Transition",
    "Communication about Medicines",
    "Cleanliness and Quietness of Hospital Environment",
    "Discharge Information",
    "Overall Rating of Hospital",
)
HALF_UNIT = Decimal("0.5e-12")


@pytest.fixture(scope="module")
def published() -> dict[str, dict[str, Decimal]]:
    """Weighted scores by hospital and domain; the Total Performance Score under the empty name."""
    path = published_data("hospital", "hvbp", "fy2025", "hvbp_tps_weighted_clean.csv")
    with path.open(newline="", encoding="utf-8") as lines:
        return {
            row["Facility ID"].zfill(6): {
                name: Decimal(row[column]) for column, name in {**COLUMNS, "tps": ""}.items() if row[column]
            }
            for row in csv.DictReader(lines)
        }


def twelve_decimals(number: Decimal) -> Decimal:
    return number.quantize(Decimal("1e-12"), ROUND_HALF_UP)


def points_behind(weighted: Decimal, domain: str, scored_domains: int) -> list[int]:
    """Find points of measures (of the survey: one sum) whose domain score, weighted, is the published one."""
    fewest = 2 if domain in ("clinical_outcomes", "safety") else 1
    counts = [10] if domain == SURVEY else range(fewest, len(MEASURES[domain]) + 1)
    with localcontext(prec=40):
        for count in counts:
            total = int((weighted * scored_domains * count / 10).to_integral_value(ROUND_HALF_UP))
            if twelve_decimals(Decimal(total * 10) / count / scored_domains) == weighted:
                return [total] if domain == SURVEY else [min(10, max(0, total - 10 * index)) for index in range(count)]
    raise AssertionError(f"no points give {weighted} in {domain}")


def write(path: Path, rows: Iterator[dict[str, str]]) -> None:
    first, *others = rows
    with path.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(first))
        writer.writeheader()
        writer.writerows([first, *others])


def measure_rows(published: dict[str, dict[str, Decimal]]) -> Iterator[dict[str, str]]:
    for hospital, scores in published.items():
        row = {"Fiscal Year": "2025", "Facility ID": hospital}
        for domain, measures in MEASURES.items():
            points = points_behind(scores[domain], domain, len(scores) - 1) if domain in scores else []
            for index, measure in enumerate(measures):
                cell = f"{points[index]} out of 10" if index < len(points) else "Not Available"
                row[f"{measure} Achievement Points"] = cell
        row |= {f"{measure} Achievement Points": "Not Available" for measure in NEVER_SCORED}
        row |= {"Combined SSI Measure Score": "Not Available"}
        yield row


def survey_rows(published: dict[str, dict[str, Decimal]]) -> Iterator[dict[str, str]]:
    for hospital, scores in published.items():
        row = {"Fiscal Year": "2025", "Facility ID": hospital}
        total = points_behind(scores[SURVEY], SURVEY, len(scores) - 1)[0] if SURVEY in scores else None
        consistency = None if total is None else max(0, total - 80)
        for index, dimension in enumerate(DIMENSIONS):
            points = "Not Available" if total is None else f"{min(10, max(0, min(total, 80) - 10 * index))} out of 10"
            row[f"{dimension} Achievement Points"] = points
        row["HCAHPS Consistency Score"] = "Not Available" if consistency is None else str(consistency)
        yield row


@pytest.fixture(scope="module")
def finished(published: dict[str, dict[str, Decimal]], tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("hvbp_fy2025")
    (folder / "files").mkdir()
    write(folder / "files" / "measures.csv", measure_rows(published))
    write(folder / "files" / "survey.csv", survey_rows(published))
    return run("hvbp", period="FY2025", data=folder / "files", out=folder / "RUN")


def test_every_weighted_score_and_total_is_reproduced(
    published: dict[str, dict[str, Decimal]], finished: RunFolder
) -> None:
    """Exactly, to 12 decimals: the total is rounded once, not the sum of rounded scores."""
    ours: dict[str, dict[str, Decimal]] = {}
    for row in finished.read("domain_result", scenario_id="actual").to_pylist():
        if row["weighted_score"] is not None:
            ours.setdefault(row["provider_id"], {})[row["domain_id"]] = row["weighted_score"]
    for row in finished.read("provider_result", scenario_id="actual").to_pylist():
        ours[row["provider_id"]][""] = row["score"]
    assert len(published) == HOSPITALS
    assert sum(len(scores) for scores in published.values()) == 9_500 + HOSPITALS
    assert ours == published


def test_weights_go_to_the_scored_domains(published: dict[str, dict[str, Decimal]], finished: RunFolder) -> None:
    weights: dict[str, list[Decimal]] = {}
    for row in finished.read("domain_result", scenario_id="actual").to_pylist():
        weights.setdefault(row["provider_id"], []).append(row["weight"] or Decimal(0))
    shown = [sorted(one) for one in weights.values()]
    third = Decimal("0.333333333333")
    assert shown.count([Decimal("0.25")] * 4) == 2_033
    assert shown.count([Decimal(0), third, third, third]) == 456
    assert all(len(scores) - 1 >= 3 for scores in published.values())


def test_published_weighted_scores_add_up_to_the_total(published: dict[str, dict[str, Decimal]]) -> None:
    """Up to rounding: each of at most four terms, and the total, is off by at most half a unit of the 12th decimal."""
    off = [abs(sum(score for name, score in one.items() if name) - one[""]) for one in published.values()]
    assert len(off) == HOSPITALS
    assert max(off) <= 5 * HALF_UNIT
    assert off.count(Decimal(0)) == 2_378
