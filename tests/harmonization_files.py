"""A small registry of made-up measures, and a practice, as files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

COLUMNS = ("program", "year", "mid", "title", "description", "cms", "inverse", "methods")
A1C = "Percentage of patients 18-75 years of age with diabetes who had hemoglobin A1c > 9.0%"
ROWS = (
    ("North", "2025", "1", "Diabetes: poor control", A1C, "", "True", "registry"),
    ("North", "2026", "1", "Diabetes: poor control", f"{A1C}.", "CMS122v3", "True", "registry"),
    (
        "North",
        "2025",
        "2",
        "Breast cancer screening",
        "Percentage of women who had a mammogram",
        "",
        "False",
        "registry",
    ),
    (
        "North",
        "2026",
        "2",
        "Breast cancer screening",
        "Percentage of women who had a mammogram",
        "",
        "False",
        "registry",
    ),
    ("eCQM", "2026", "CMS122FHIR", "Diabetes: poor control", A1C, "CMS122FHIR", "False", ""),
    ("South", "2026", "A", "Breast cancer screening", "", "", "", ""),
)
ELEMENTS = {
    "CMS122FHIR": {
        "initial-population": {"vs": ["diabetes"], "codes": []},
        "denominator-exclusion": {"vs": ["hospice"], "codes": []},
        "numerator": {"vs": ["hba1c"], "codes": ["4548-4"]},
    }
}
PRACTICE = {
    "measures.csv": (
        "program,measure_id,collection_type,payment_line,computed_as\n"
        "North,1,registry,north,\neCQM,CMS122FHIR,record,south,\nNorth,2,registry,north,mammogram\n"
        "South,A,claims,south,mammogram\n"
    ),
    "payment_lines.csv": "payment_line,amount_per_patient,measures_needed\nnorth,3,1\nsouth,1,2\n",
    "costs.csv": "item,amount\ndata_element,10\nmeasure,100\nsubmission,1.50\n",
}


def write_registry(folder: Path, rows: tuple[tuple[str, ...], ...] = ROWS) -> Path:
    """Write the corpus as CSV, with the elements of its one electronic specification."""
    folder.mkdir(exist_ok=True)
    with (folder / "measures_corpus.csv").open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows((COLUMNS, *rows))
    (folder / "ecqm_roles_valuesets.json").write_text(json.dumps(ELEMENTS), encoding="utf-8")
    return folder


def write_practice(folder: Path, **changed: str) -> Path:
    """Write the practice's files; ``measures``, ``payment_lines`` or ``costs`` may have another text."""
    folder.mkdir(exist_ok=True)
    for name, text in PRACTICE.items():
        (folder / name).write_text(changed.get(name.removesuffix(".csv"), text), encoding="utf-8")
    return folder
