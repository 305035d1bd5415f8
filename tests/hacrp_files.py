"""Made-up public files of the HAC Reduction Program."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

NAMES = ("PSI 90", "CLABSI", "CAUTI", "SSI", "CDI", "MRSA")
Row = dict[str, str]


def results_column(name: str) -> str:
    return "PSI 90 Composite Value" if name == "PSI 90" else f"{name} SIR"


def hospital(number: int, year: int = 2025) -> Row:
    """A hospital whose results and z-scores rise with its number."""
    row = {
        "Facility Name": f"HOSPITAL {number}",
        "Facility ID": f"{10_000 + number:06}",
        "State": "AL",
        "Fiscal Year": f"{year}",
    }
    for name in NAMES:
        row[results_column(name)] = f"{number / 100:.3f}"
        row[f"{name} W Z Score"] = f"{number / 50 - 1:.4f}"
        row[f"{name} W Z Footnote"] = ""
    return {**row, "Total HAC Score": f"{number / 50 - 1:.4f}", "Payment Reduction": "No"}


def hospitals(count: int = 120, year: int = 2025) -> list[Row]:
    return [hospital(number, year) for number in range(1, count + 1)]


def base_payments(rows: Sequence[Row], amounts: Sequence[str]) -> list[Row]:
    """The user's own file: what each hospital's base payments are."""
    return [
        {"provider_id": row["Facility ID"], "base_operating_drg_payment_amount_usd": amount}
        for row, amount in zip(rows, amounts, strict=True)
    ]


def write(path: Path, rows: Sequence[Row], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path
