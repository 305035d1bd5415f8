"""Hospital VBP files: neither order nor company of hospitals matters, and no row is lost."""

from __future__ import annotations

import csv
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openvbp.parameters import load_parameters
from openvbp.pipeline import run
from openvbp.programs import program
from openvbp.programs.hvbp import synthetic
from openvbp.run_folder import RunFolder

HOSPITALS = 30
SLOPE = "exchange_function_slope=2.7182818"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic.generate(tmp_path_factory.mktemp("hvbp_files") / "files", hospitals=HOSPITALS, seed=3).folder


@pytest.fixture(scope="module")
def whole(files: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return run_on(files, tmp_path_factory.mktemp("whole") / "RUN")


def run_on(files: Path, out: Path) -> RunFolder:
    return run("hvbp", period="FY2024", data=files, out=out, changes=[SLOPE])


def read(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(newline="", encoding="utf-8") as lines:
        header, *rows = csv.reader(lines)
    return header, rows


def write(path: Path, header: list[str], rows: list[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([header, *rows])


def test_order_of_rows_and_columns_does_not_change_a_byte(files: Path, whole: RunFolder, tmp_path: Path) -> None:
    chance = random.Random(5)
    shuffled = tmp_path / "files"
    shuffled.mkdir()
    for path in files.glob("*.csv"):
        header, rows = read(path)
        order = chance.sample(range(len(header)), len(header))
        chance.shuffle(rows)
        write(
            shuffled / path.name, [header[index] for index in order], [[row[index] for index in order] for row in rows]
        )
    again = run_on(shuffled, tmp_path / "RUN")
    for name in whole.tables:
        assert again.table_path(name).read_bytes() == whole.table_path(name).read_bytes(), name


def test_hospitals_are_scored_and_paid_alike_in_parts(files: Path, whole: RunFolder, tmp_path: Path) -> None:
    """With a given slope nothing but rank and percentile depends on the other hospitals."""
    parts = []
    for part in (0, 1):
        folder = tmp_path / f"files_{part}"
        folder.mkdir()
        for path in files.glob("*.csv"):
            header, rows = read(path)
            at = header.index("Facility ID")
            write(folder / path.name, header, [row for row in rows if int(row[at]) % 3 in ((0,), (1, 2))[part]])
        parts.append(run_on(folder, tmp_path / f"RUN_{part}"))
    for name, left_out in (
        ("measure_result", ()),
        ("domain_result", ()),
        ("provider_result", ("rank", "percentile")),
        ("payment_result", ()),
    ):
        expected, *given = (
            [{key: value for key, value in row.items() if key not in left_out} for row in one.read(name).to_pylist()]
            for one in (whole, *parts)
        )
        if name == "payment_result":
            # The neutral slope of the rules in force belongs to all hospitals together.
            expected, *given = ([row for row in rows if row["scenario_id"] == "what_if"] for rows in (expected, *given))
        assert expected
        assert sorted(map(str, expected)) == sorted(map(str, [row for rows in given for row in rows])), name


KINDS = ("bad number", "copy", "lower case", "lost zero", "blank line")
BAD_NUMBER = "not a CMS certification number of six characters"
COPY = "the same row stands in the file before"


def damaged(row: list[str], at: int, kinds: set[str]) -> tuple[list[list[str]], list[str]]:
    """The lines that stand in the file instead of a row, and the reasons why some of them must be rejected."""
    number, reasons = row[at], []
    if "bad number" in kinds:
        number, reasons = f"{number}9", [BAD_NUMBER]
    elif "lower case" in kinds:
        number = number.lower()
    elif "lost zero" in kinds and number.isdigit():
        number = number.removeprefix("0")
    lines = [[*row[:at], number, *row[at + 1 :]]]
    if "copy" in kinds:
        lines.append(lines[0])
        reasons.append(reasons[0] if reasons else COPY)
    if "blank line" in kinds:
        lines.append([""] * len(row))
    return lines, reasons


@settings(max_examples=20, deadline=None)
@given(damage=st.dictionaries(st.integers(0, HOSPITALS - 1), st.sets(st.sampled_from(KINDS), min_size=1), max_size=9))
def test_rows_in_are_accepted_and_rejected_rows(
    files: Path, tmp_path_factory: pytest.TempPathFactory, damage: dict[int, set[str]]
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    for path in files.glob("*.csv"):
        shutil.copyfile(path, folder / path.name)
    target = folder / "SYNTHETIC_hvbp_safety.csv"
    header, rows = read(target)
    at = header.index("Facility ID")
    # Hospital numbers that can lose a zero, and one with a letter.
    rows = [[*row[:at], f"0100{row[at][4:]}", *row[at + 1 :]] for row in rows]
    rows[0][at] = "01T001"
    results = [damaged(row, at, damage.get(index, set())) for index, row in enumerate(rows)]
    lines = [line for written, _ in results for line in written]
    reasons = Counter(reason for _, given_reasons in results for reason in given_reasons)
    write(target, header, lines)

    hvbp = program("hvbp")
    declared = load_parameters(hvbp.parameters_file)
    inputs = hvbp.read(folder, declared.in_force(declared.period("FY2024")))
    for file in inputs.files:
        assert file.rows == file.accepted_rows + file.rejected_rows
        if file.name == target.name:
            assert file.rows == sum(any(line) for line in lines)
            assert file.rejected_rows == reasons.total()
        else:
            assert file.rejected_rows == 0
    found = inputs.content.published
    assert Counter(row["reason"] for row in found.rejected) == reasons
    kept = next(one for one in found.files if one.file.table.name == target.name)
    assert kept.provider_ids == [
        row[at] for index, row in enumerate(rows) if "bad number" not in damage.get(index, set())
    ]
