"""A small folder of Hospital VBP files and ways to damage copies of it."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

from openvbp.errors import OpenvbpError
from openvbp.programs.hvbp import synthetic

SAFETY = "SYNTHETIC_hvbp_safety.csv"
OUTCOMES = "SYNTHETIC_hvbp_clinical_outcomes.csv"
SURVEY = "SYNTHETIC_hvbp_person_and_community_engagement.csv"
EFFICIENCY = "SYNTHETIC_hvbp_efficiency_and_cost_reduction.csv"
CASES = "SYNTHETIC_hvbp_cases.csv"
PAYMENTS = "SYNTHETIC_hvbp_payments.csv"
ATTRIBUTES = "SYNTHETIC_hvbp_attributes.csv"
HOSPITAL = "Facility ID"
AMOUNT = "Base Operating DRG Payment Amount USD"
Change = Callable[[str], str]


def make_files(folder: Path, period: str = "FY2024", hospitals: int = 40) -> Path:
    """Write synthetic files whose hospital numbers begin with a zero, as those of Alabama do."""
    files = synthetic.generate(folder, hospitals=hospitals, period=period, seed=3).folder
    for path in files.glob("*.csv"):
        change(path, HOSPITAL, lambda text: f"01{text[2:]}")
    return files


def copy_of(files: Path, to: Path) -> Path:
    """Copy the CSV files."""
    to.mkdir()
    for path in files.glob("*.csv"):
        shutil.copyfile(path, to / path.name)
    return to


def read(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows."""
    with path.open(newline="", encoding="utf-8") as lines:
        header, *rows = csv.reader(lines)
    return header, rows


def write(path: Path, header: list[str], rows: list[list[str]], delimiter: str = ",") -> None:
    """Write header and rows."""
    with path.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines, delimiter=delimiter).writerows([header, *rows])


def change(path: Path, column: str, to: Change, hospital: str | None = None) -> None:
    """Change the cells of a column, of one hospital or of all."""
    header, rows = read(path)
    at, of = header.index(column), header.index(HOSPITAL)
    for row in rows:
        if hospital in (None, row[of]):
            row[at] = to(row[at])
    write(path, header, rows)


def put(path: Path, column: str, text: str, hospital: str | None = None) -> None:
    """Put a text into cells of a column."""
    change(path, column, lambda _: text, hospital)


def drop_columns(path: Path, *columns: str) -> None:
    """Leave columns out."""
    header, rows = read(path)
    assert set(columns) <= set(header)
    kept = [index for index, name in enumerate(header) if name not in columns]
    write(path, [header[index] for index in kept], [[row[index] for index in kept] for row in rows])


def rename_columns(path: Path, old: str, new: str) -> None:
    """Write other column names."""
    header, rows = read(path)
    write(path, [name.replace(old, new) for name in header], rows)


def drop_hospital(path: Path, hospital: str) -> None:
    """Leave a hospital out."""
    header, rows = read(path)
    write(path, header, [row for row in rows if row[header.index(HOSPITAL)] != hospital])


def add_row(path: Path, row: list[str]) -> None:
    """Add a row at the end."""
    header, rows = read(path)
    write(path, header, [*rows, row])


def row_of(path: Path, hospital: str) -> list[str]:
    """A hospital's row."""
    header, rows = read(path)
    return next(row for row in rows if row[header.index(HOSPITAL)] == hospital)


def says(error: OpenvbpError, what: str, where: str, what_to_do: str) -> None:
    """Demand one problem that says what is wrong, where, and what to do."""
    told = [(problem.what, problem.where, problem.what_to_do) for problem in error.problems]
    assert any(what in one[0] and where in one[1] and what_to_do in one[2] for one in told), str(error)
