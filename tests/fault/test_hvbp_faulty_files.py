"""Files of Hospital VBP with every mistake: the run stops and says what is wrong, where, and what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hvbp_damage import (
    AMOUNT,
    CASES,
    HOSPITAL,
    OUTCOMES,
    PAYMENTS,
    SAFETY,
    SURVEY,
    add_row,
    change,
    copy_of,
    drop_columns,
    drop_hospital,
    make_files,
    put,
    read,
    rename_columns,
    row_of,
    says,
    write,
)

from openvbp.errors import InputDataError
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder

Damage = Callable[[Path], object]
ONE = "010007"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_files(tmp_path_factory.mktemp("hvbp") / "files")


@pytest.fixture(scope="module")
def undamaged(files: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return run("hvbp", period="FY2024", data=files, out=tmp_path_factory.mktemp("undamaged") / "RUN")


def run_damaged(files: Path, folder: Path, damage: Damage, period: str = "FY2024") -> RunFolder:
    damaged = copy_of(files, folder / "files")
    damage(damaged)
    return run("hvbp", period=period, data=damaged, out=folder / "RUN")


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def delimit(path: Path, delimiter: str) -> None:
    write(path, *read(path), delimiter=delimiter)


def contradict(path: Path) -> None:
    row = row_of(path, ONE)
    add_row(path, [*row[:-1], "0.111"])


REFUSED: dict[str, tuple[Damage, str, str, str]] = {
    "missing file": (
        lambda d: (d / SAFETY).unlink(),
        "no file has columns for 7 of the 22 measures of FY2024",
        OUTCOMES,
        "all published measure files",
    ),
    "no file at all": (
        lambda d: [path.unlink() for path in d.iterdir()],
        "no CSV file",
        "files",
        "download the published files",
    ),
    "no folder": (shutil.rmtree, "folder not found", "files", "give the folder"),
    "missing column of hospitals": (
        lambda d: drop_columns(d / SAFETY, HOSPITAL),
        "columns are missing",
        SAFETY,
        "add the columns",
    ),
    "missing column of rates": (
        lambda d: drop_columns(d / SAFETY, "HAI-1 Performance Rate"),
        "columns are missing",
        SAFETY,
        "add the columns",
    ),
    "missing column of baselines": (
        lambda d: drop_columns(d / SURVEY, "Care Transition Baseline Rate"),
        "columns are missing",
        SURVEY,
        "add the columns",
    ),
    "missing column of cases": (
        lambda d: drop_columns(d / CASES, "Performance Cases"),
        "columns are missing",
        CASES,
        "add the columns",
    ),
    "semicolons": (
        lambda d: delimit(d / SAFETY, ";"),
        "separated by semicolons, not commas",
        SAFETY,
        "comma-separated",
    ),
    "tabs": (lambda d: delimit(d / SAFETY, "\t"), "separated by tabs, not commas", SAFETY, "comma-separated"),
    "truncated in a row": (
        lambda d: cut(d / SAFETY, -120),
        "rows do not have the 33 cells of the header",
        SAFETY,
        "may be truncated",
    ),
    "truncated in a quoted cell": (
        lambda d: (d / SAFETY).write_text((d / SAFETY).read_text() + '2024,010041,"Hospital, Inc'),
        "is broken: unexpected end of data",
        SAFETY,
        "may be truncated",
    ),
    "header only": (lambda d: write(d / SAFETY, read(d / SAFETY)[0], []), "no rows", SAFETY, "download it again"),
    "empty": (lambda d: cut(d / SAFETY, 0), "no rows", SAFETY, "download it again"),
    "a workbook": (
        lambda d: (d / SAFETY).write_bytes(b"PK\x03\x04\x14\x00\x06\x00\xff\xfe"),
        "not text",
        SAFETY,
        "not an archive or workbook",
    ),
    "hospital with two different rows": (
        lambda d: contradict(d / SAFETY),
        "hospital has two different rows",
        SAFETY,
        "keep the right row",
    ),
    "column name twice": (
        lambda d: rename_columns(d / SAFETY, "HAI-2 Baseline", "HAI-1 Baseline"),
        "column names repeat",
        SAFETY,
        "as published",
    ),
    "unknown measure": (
        lambda d: rename_columns(d / SAFETY, "HAI-1", "HAI-9"),
        "columns of an unknown measure",
        SAFETY,
        "a new measure is added in",
    ),
    "unknown measure in the cases": (
        lambda d: change(d / CASES, "Measure ID", lambda text: text.replace("HAI-1", "HAI-9")),
        "cases of an unknown measure",
        CASES,
        "use the measures' ids",
    ),
    "the same file twice": (
        lambda d: shutil.copyfile(d / SAFETY, d / "another release.csv"),
        f"the same columns stand in {SAFETY}",
        "another release.csv",
        "one release of each file",
    ),
    "another year": (
        lambda d: put(d / SAFETY, "Fiscal Year", "2023"),
        "file is not of FY2024",
        SAFETY,
        "the files of the period",
    ),
    "no hospital number is one": (
        lambda d: put(d / SAFETY, HOSPITAL, "hospital"),
        "no row has a valid hospital number",
        SAFETY,
        HOSPITAL,
    ),
    "a standard that differs between hospitals": (
        lambda d: put(d / SAFETY, "HAI-1 Benchmark", "0.5", ONE),
        "'HAI-1 Benchmark' is not one number",
        SAFETY,
        "as published",
    ),
    "an amount that is missing": (
        lambda d: put(d / PAYMENTS, AMOUNT, "", ONE),
        "amounts are missing for a part of the hospitals",
        "hospitals with a score have an amount",
        "--set exchange_function_slope",
    ),
    "an amount that is no number": (
        lambda d: put(d / PAYMENTS, AMOUNT, "much", ONE),
        "amounts are missing for a part of the hospitals",
        "hospitals with a score have an amount",
        "rejected/cells.parquet lists unreadable ones",
    ),
    "amounts of nothing": (
        lambda d: put(d / PAYMENTS, AMOUNT, "0.00"),
        "no slope can be neutral",
        "the scored hospitals",
        "check scores and amounts",
    ),
}
AFTER_READING = {
    "unknown measure in the cases",
    "an amount that is missing",
    "an amount that is no number",
    "amounts of nothing",
}
"""Found while computing; all others stop the run before the run folder exists."""


@pytest.mark.parametrize("name", REFUSED)
def test_the_run_stops_and_says_why(name: str, files: Path, tmp_path: Path) -> None:
    damage, what, where, what_to_do = REFUSED[name]
    with pytest.raises(InputDataError) as raised:
        run_damaged(files, tmp_path, damage)
    assert raised.value.exit_code == 3
    says(raised.value, what, where, what_to_do)
    assert not (tmp_path / "RUN" / "run.json").exists()
    assert (tmp_path / "RUN").exists() == (name in AFTER_READING)


def test_examples_name_what_is_missing(files: Path, tmp_path: Path) -> None:
    with pytest.raises(InputDataError) as raised:
        run_damaged(files, tmp_path, lambda d: drop_columns(d / SAFETY, HOSPITAL, "HAI-1 Performance Rate"))
    (problem,) = (one for one in raised.value.problems if one.what == "columns are missing")
    assert problem.examples == (HOSPITAL, "HAI-1 Performance Rate")
    assert problem.count == 2


def test_problems_of_several_files_are_reported_together(files: Path, tmp_path: Path) -> None:
    def damage(folder: Path) -> None:
        cut(folder / SAFETY, -120)
        delimit(folder / SURVEY, ";")
        rename_columns(folder / OUTCOMES, "MORT-30-AMI", "MORT-30-XYZ")

    with pytest.raises(InputDataError) as raised:
        run_damaged(files, tmp_path, damage)
    says(raised.value, "rows do not have", SAFETY, "truncated")
    says(raised.value, "separated by semicolons", SURVEY, "comma-separated")
    says(raised.value, "unknown measure", OUTCOMES, "check the file")


def test_measures_with_rates_but_without_benchmark_are_refused(tmp_path: Path) -> None:
    """In a year whose standards are not declared, the files must give them."""
    files = make_files(tmp_path / "made", period="FY2026")
    with pytest.raises(InputDataError) as raised:
        run_damaged(files, tmp_path, lambda d: drop_columns(d / SAFETY, "HAI-1 Benchmark"), period="FY2026")
    says(raised.value, "measures have rates but no standards", SAFETY, "add performance_standards.csv")
    assert raised.value.problems[0].examples == ("HAI-1 (benchmark)",)


def test_a_copy_of_a_row_is_rejected_and_counted(files: Path, undamaged: RunFolder, tmp_path: Path) -> None:
    finished = run_damaged(files, tmp_path, lambda d: add_row(d / SAFETY, row_of(d / SAFETY, ONE)))
    safety = next(one for one in finished.record["input_files"] if one["name"] == SAFETY)
    assert (safety["rows"], safety["accepted_rows"], safety["rejected_rows"]) == (41, 40, 1)
    assert finished.record["input_rows"]["rejected"] == finished.record["rejected_cells"] == 1
    for name in undamaged.tables:
        assert finished.read(name).equals(undamaged.read(name)), name


def test_a_hospital_that_one_file_lacks_is_not_determinable_there(
    files: Path, undamaged: RunFolder, tmp_path: Path
) -> None:
    finished = run_damaged(files, tmp_path, lambda d: drop_hospital(d / SAFETY, ONE))
    checks = {check["name"]: check for check in finished.record["checks"]}
    assert checks["hospital_not_in_file"]["count"] == 1
    assert checks["hospital_not_in_file"]["examples"] == (f"{ONE} is not in {SAFETY}",)
    measures = finished.read("measure_result", provider_id=ONE, domain_id="safety").to_pylist()
    assert {(row["status"], row["status_reason"]) for row in measures} == {
        ("not_determinable", "input: hospital is not in the file")
    }
    (total,) = finished.read("provider_result", provider_id=ONE).to_pylist()
    assert (total["status"], total["score"]) == ("not_determinable", None)
    assert finished.read("provider").num_rows == 40
    others = [
        {
            row["provider_id"]: row["score"]
            for row in one.read("provider_result").to_pylist()
            if row["provider_id"] != ONE
        }
        for one in (finished, undamaged)
    ]
    assert others[0] == others[1]


def test_what_is_not_used_is_said(files: Path, tmp_path: Path) -> None:
    def damage(folder: Path) -> None:
        write(folder / "notes.csv", ["Topic", "Note"], [["a", "b"]])
        add_row(folder / PAYMENTS, ["010099", "5.00"])

    checks = {one["name"]: one["examples"] for one in run_damaged(files, tmp_path, damage).record["checks"]}
    assert checks["file_not_used"] == ("notes.csv",)
    assert checks["hospital_only_in_added_file"] == (f"010099 in {PAYMENTS}",)


def test_encodings_lost_zeros_and_percent_signs_change_nothing(
    files: Path, undamaged: RunFolder, tmp_path: Path
) -> None:
    def as_percent(text: str) -> str:
        return text if text == "Not Available" else f"{float(text) * 100:.4f}%"

    def damage(folder: Path) -> None:
        for path in folder.glob("*.csv"):
            change(path, HOSPITAL, lambda text: text.removeprefix("0"))
        for period in ("Baseline", "Performance"):
            change(folder / OUTCOMES, f"MORT-30-AMI {period} Rate", as_percent)
        (folder / SAFETY).write_text((folder / SAFETY).read_text("utf-8"), "utf-8-sig")
        (folder / SURVEY).write_text((folder / SURVEY).read_text("utf-8"), "utf-16")

    finished = run_damaged(files, tmp_path, damage)
    checks = {one["name"]: one["count"] for one in finished.record["checks"]}
    assert checks["leading_zero_restored"] == finished.record["input_rows"]["in"]
    for name in undamaged.tables:
        assert finished.read(name).equals(undamaged.read(name)), name
