"""The published FY2024 scores and ours, each as one number per hospital and quantity."""

from __future__ import annotations

import csv
import re
from decimal import Decimal
from pathlib import Path

import pyarrow.compute as pc

from conftest import published_data
from openvbp.programs import program
from openvbp.run_folder import RunFolder

Key = tuple[str, str, str]
"""Hospital, quantity, measure or domain (empty for the Total Performance Score)."""
Numbers = dict[Key, Decimal]

COUNTS = {
    "achievement_points": 43_688,
    "improvement_points": 42_870,
    "measure_points": 43_688,
    "combined_points": 1_723,
    "hcahps_base_points": 2_467,
    "hcahps_consistency_points": 2_467,
    "domain_score": 9_459,
    "weighted_domain_score": 9_459,
    "total_performance_score": 2_474,
}
"""How many numbers are published: a comparison of fewer is not the comparison."""
_SURVEY = "person_and_community_engagement"
_FORM = re.compile(r"(\d+(?:\.\d+)?)(?: out of (?:9|10))?")


def published_numbers() -> Numbers:
    """Every published point and score."""
    rows = program("hvbp").read_published_values(published_data("hospital", "hvbp", "fy2024"), "FY2024")
    numbers: Numbers = {}
    for row in rows.to_pylist():
        if row["text"] == "Not Available":
            continue
        key = (row["provider_id"], row["quantity"], row["measure_id"] or row["domain_id"] or "")
        match = _FORM.fullmatch(row["text"])
        assert match, row
        assert key not in numbers, key
        numbers[key] = Decimal(match[1])
    return numbers


def our_numbers(run: RunFolder) -> Numbers:
    """The same quantities from the result tables that a user reads."""
    numbers: Numbers = {}
    for row in run.read("measure_result", scenario_id="actual").to_pylist():
        of = (row["provider_id"], row["measure_id"])
        _put(numbers, of, "achievement_points", row["achievement_points"])
        _put(numbers, of, "improvement_points", row["improvement_points"])
        _put(numbers, of, "combined_points" if row["measure_id"] == "SSI" else "measure_points", row["points"])
    for row in run.read("domain_result", scenario_id="actual").to_pylist():
        of = (row["provider_id"], row["domain_id"])
        _put(numbers, of, "domain_score", row["score"])
        _put(numbers, of, "weighted_domain_score", row["weighted_score"])
    for row in run.read("provider_result", scenario_id="actual").to_pylist():
        _put(numbers, (row["provider_id"], ""), "total_performance_score", row["score"])
    for quantity in ("hcahps_base_points", "hcahps_consistency_points"):
        for row in run.read("step_result", scenario_id="actual", quantity=quantity).to_pylist():
            _put(numbers, (row["provider_id"], _SURVEY), quantity, row["value"])
    return numbers


def our_steps(run: RunFolder) -> Numbers:
    """The same quantities from the steps by which results are explained."""
    steps = run.read("step_result", scenario_id="actual")
    steps = steps.filter(pc.field("quantity").isin([*COUNTS]))
    numbers: Numbers = {}
    for row in steps.select(["provider_id", "quantity", "measure_id", "domain_id", "value"]).to_pylist():
        of_hospital = row["quantity"] == "total_performance_score"
        of = "" if of_hospital else row["measure_id"] or row["domain_id"]
        _put(numbers, (row["provider_id"], of), row["quantity"], row["value"])
    return numbers


def _put(numbers: Numbers, of: tuple[str, str], quantity: str, value: Decimal | None) -> None:
    if value is not None:
        key = (of[0], quantity, of[1])
        assert key not in numbers, key
        numbers[key] = value


def differences(ours: Numbers, published: Numbers) -> dict[Key, tuple[Decimal | None, Decimal | None]]:
    """Every number that differs or stands on one side only."""
    return {
        key: (ours.get(key), published.get(key))
        for key in sorted(ours.keys() | published.keys())
        if ours.get(key) != published.get(key)
    }


def expected_differences() -> dict[Key, tuple[Decimal | None, Decimal | None]]:
    """The differences that DIFFERENCES.md explains."""
    with Path(__file__).with_name("expected_differences.csv").open(newline="", encoding="utf-8") as lines:
        return {
            (row["provider_id"], row["quantity"], row["measure_id"] or row["domain_id"]): (
                _decimal(row["ours"]),
                _decimal(row["published"]),
            )
            for row in csv.DictReader(lines)
        }


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if text else None
