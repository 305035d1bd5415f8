"""The published files of the program read by hand, and the runs on them made once."""

from __future__ import annotations

import csv
import functools
import re
import tempfile
from decimal import Decimal
from pathlib import Path

from conftest import published_data
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder

HAI = {"CLABSI": "HAI-1", "CAUTI": "HAI-2", "SSI": "SSI", "MRSA": "HAI-5", "CDI": "HAI-6"}
_FOLDER = tempfile.TemporaryDirectory(prefix="openvbp-hacrp-")
OWN_PERCENTILE = "own_percentile"
WITHOUT_EXEMPTION = "without_exemption"
WHAT_IF = {
    OWN_PERCENTILE: ("is_cutoff_computed", "true"),
    WITHOUT_EXEMPTION: ("exempt_state.MD", "false"),
    "cutoff_below": ("cutoff", "0.3750"),
    "cutoff_above": ("cutoff", "0.3756"),
    "mean_too_low": ("winsorized_mean.HAI-6", "0.5"),
    "percentile_too_low": ("upper_percentile_result.HAI-1", "1"),
    "without_psi_90": ("is_measure_used.PSI-90", "false"),
}
"""Scenario to the parameter that it changes and its value there; years before 2024 have the first alone."""


def published_file(year: int) -> Path:
    if year == 2024:
        return published_data("hospital", "hacrp", "fy2024.csv")
    return published_data("evaluation", "hacrp", f"hacrp_{year}.csv")


@functools.cache
def published_rows(year: int) -> dict[str, dict[str, str]]:
    """Rows by hospital; the FY2018 file holds each hospital twice, with the same values."""
    with published_file(year).open(newline="", encoding="utf-8") as lines:
        rows: dict[str, dict[str, str]] = {}
        for row in csv.DictReader(lines):
            rows[row.get("Facility ID") or row["Hospital"].rpartition("(")[2].rstrip(")")] = row
    return rows


def number(text: str) -> Decimal | None:
    return Decimal(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else None


@functools.cache
def hacrp_run(year: int) -> RunFolder:
    """The rules in force and, where the year has a cutoff, the scenarios of WHAT_IF beside them."""
    scenarios = None
    if year != 2015:
        scenarios = Path(_FOLDER.name) / f"{year}.csv"
        with scenarios.open("w", newline="", encoding="utf-8") as lines:
            writer = csv.writer(lines)
            writer.writerow(("scenario_id", "path", "value"))
            writer.writerows((name, *WHAT_IF[name]) for name in (WHAT_IF if year == 2024 else [OWN_PERCENTILE]))
    out = Path(_FOLDER.name) / str(year)
    return run("hacrp", period=f"FY{year}", data=published_file(year), out=out, scenarios=scenarios)


def our_totals(year: int) -> dict[str, Decimal | None]:
    rows = hacrp_run(year).read("provider_result", scenario_id="actual").to_pylist()
    return {row["provider_id"]: row["score"] for row in rows}


def our_reductions(year: int, scenario_id: str = "actual") -> dict[str, str]:
    """Whether the payment is reduced, in the publisher's words; empty for hospitals that are not judged."""
    rows = hacrp_run(year).read("payment_result", scenario_id=scenario_id).to_pylist()
    words = {Decimal("-0.01"): "Yes", Decimal(0): "No", None: ""}
    return {row["provider_id"]: words[row["rate"]] for row in rows}


def published_reductions(year: int) -> dict[str, str]:
    rows = published_rows(year)
    return {
        hospital: row["Payment Reduction"].replace("N/A", "").replace("Not Available", "")
        for hospital, row in rows.items()
    }
