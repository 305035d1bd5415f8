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
OWN_PERCENTILE = ("is_cutoff_computed=true",)


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
def hacrp_run(year: int, changes: tuple[str, ...] = ()) -> RunFolder:
    out = Path(_FOLDER.name) / "-".join((str(year), *changes))
    return run("hacrp", period=f"FY{year}", data=published_file(year), out=out, changes=changes)


def our_totals(year: int) -> dict[str, Decimal | None]:
    rows = hacrp_run(year).read("provider_result", scenario_id="actual").to_pylist()
    return {row["provider_id"]: row["score"] for row in rows}


def our_reductions(year: int, scenario_id: str = "actual", changes: tuple[str, ...] = ()) -> dict[str, str]:
    """Whether the payment is reduced, in the publisher's words; empty for hospitals that are not judged."""
    rows = hacrp_run(year, changes).read("payment_result", scenario_id=scenario_id).to_pylist()
    words = {Decimal("-0.01"): "Yes", Decimal(0): "No", None: ""}
    return {row["provider_id"]: words[row["rate"]] for row in rows}


def published_reductions(year: int) -> dict[str, str]:
    rows = published_rows(year)
    return {
        hospital: row["Payment Reduction"].replace("N/A", "").replace("Not Available", "")
        for hospital, row in rows.items()
    }
