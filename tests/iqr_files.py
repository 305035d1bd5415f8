"""The made-up reporting file of Inpatient Quality Reporting."""

from __future__ import annotations

from pathlib import Path

HEADER = "provider_id,reported,base_operating_drg_payment_amount"
ANSWERS = ["010001,yes,2000000.00", "010002,no,1000000.00", "010003,no,"]


def lines(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


def write(folder: Path, text: str = lines(*ANSWERS)) -> Path:
    data = folder / "data"
    data.mkdir(parents=True)
    (data / "reporting.csv").write_text(text, encoding="utf-8")
    return data
