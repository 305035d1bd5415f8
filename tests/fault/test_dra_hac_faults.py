"""Claims and grouper tables with every mistake: a clear error or a counted rejection, and no patient's value in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dra_hac_files import (
    CC_CODES,
    CC_EXCLUSIONS,
    DIAGNOSES,
    DRG_TRIPLETS,
    HAC_CODES,
    PROCEDURES,
    STAYS,
    Rows,
    write_example,
)
from openvbp.errors import InputDataError, UsageError
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder

SECRET = "XSECRETX"
NOT_ACCEPTED = "its stay is not among the accepted rows of stays.csv"


def run_on(folder: Path, period: str = "FY2010", **changed: Rows) -> RunFolder:
    return run("dra_hac", period=period, data=write_example(folder / "data", **changed), out=folder / "out")


def rejections(finished: RunFolder) -> Counter[tuple[str, str]]:
    rows = pq.read_table(finished.path / "rejected" / "cells.parquet").to_pylist()
    assert all(row["value"] == "" for row in rows), "a patient-level value is shown"
    return Counter((row["source_file"], row["reason"]) for row in rows)


STAY_COLUMNS = ["stay_id", "provider_id", "discharge_date", "drg", "payment_per_weight", "discharged_alive"]
STAY_REJECTED = [
    # column, cell, reason
    ("provider_id", "12", "not a CMS certification number of six characters"),
    ("discharge_date", "05.01.2010", "not a date such as 2015-10-01"),
    ("discharge_date", "2010-02-30", "not a date such as 2015-10-01"),
    ("discharge_date", "2008-01-05", "not a discharge of FY2010"),
    ("payment_per_weight", "much", "not an amount of money such as 1234.50"),
    ("payment_per_weight", "-1000.00", "below zero"),
    ("payment_per_weight", "1000.005", "not an amount of money such as 1234.50"),
    ("payment_per_weight", "", "empty"),
    ("discharged_alive", "perhaps", "not yes or no"),
    ("drg", "999", "drg_triplets.csv has no triplet with this DRG on the discharge date"),
]


def test_wrong_stays_are_rejected_with_their_rows(tmp_path: Path) -> None:
    """The first ten stays have one mistake each."""
    stays = [list(row) for row in STAYS]
    for row, (column, cell, _reason) in zip(stays, STAY_REJECTED, strict=False):
        row[STAY_COLUMNS.index(column)] = cell
    finished = run_on(tmp_path, stays=stays)
    rejected = {row[0] for row in STAYS[: len(STAY_REJECTED)]}
    expected = Counter(("stays.csv", reason) for _column, _cell, reason in STAY_REJECTED)
    expected["stay_diagnoses.csv", NOT_ACCEPTED] = sum(row[0] in rejected for row in DIAGNOSES)
    assert rejections(finished) == expected
    assert finished.record["rows"]["evidence/stay_result"] == len(STAYS) - len(STAY_REJECTED)
    counts = finished.record["input_rows"]
    assert counts["in"] == counts["accepted"] + counts["rejected"]
    assert counts["rejected"] == sum(expected.values())


def test_indicators_outside_the_standard_reject_their_stays(tmp_path: Path) -> None:
    wrong = dict(zip([row[0] for row in STAYS], ["Q", "y es", "2", "", "E", "0"], strict=False))
    diagnoses = [[*row[:3], wrong[row[0]]] if row[0] in wrong and row[1] == "2" else row for row in DIAGNOSES]
    assert rejections(run_on(tmp_path, stay_diagnoses=diagnoses)) == {
        ("stay_diagnoses.csv", "not a present-on-admission indicator of FY2010: Y, W, N, U, 1"): len(wrong),
        ("stays.csv", "a row of stay_diagnoses.csv was rejected, so the DRG cannot be determined"): len(wrong),
        ("stay_diagnoses.csv", NOT_ACCEPTED): sum(row[0] in wrong and row[1] != "2" for row in DIAGNOSES),
    }


def test_the_same_stay_twice_rows_of_no_stay_and_no_principal_diagnosis(tmp_path: Path) -> None:
    stays = [*STAYS, STAYS[2], [*STAYS[0][:4], "2000.00", "yes"]]
    diagnoses = [row for row in DIAGNOSES if row[:2] != ["ulcer present", "1"]]
    procedures = [*PROCEDURES, ["nobody", "1", "36.11"]]
    assert rejections(run_on(tmp_path, stays=stays, stay_diagnoses=diagnoses, stay_procedures=procedures)) == {
        ("stays.csv", "the same row stands in the file before"): 1,
        ("stays.csv", "another row has the same key and other values"): 2,
        ("stays.csv", "no principal diagnosis (sequence 1) in stay_diagnoses.csv"): 1,
        ("stay_diagnoses.csv", NOT_ACCEPTED): 3,
        ("stay_procedures.csv", NOT_ACCEPTED): 1,
    }


def rewritten(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_text(change((folder / name).read_text(encoding="utf-8")), encoding="utf-8")

    return write


WHOLE_FILE = {
    "file is missing": (lambda folder: (folder / "stays.csv").unlink(), "file is missing"),
    "procedures are missing": (lambda folder: (folder / "stay_procedures.csv").unlink(), "file is missing"),
    "exclusions are missing": (lambda folder: (folder / "cc_exclusions.csv").unlink(), "file is missing"),
    "column is missing": (
        rewritten("stays.csv", lambda text: text.replace("discharge_date", "day", 1)),
        "columns are missing",
    ),
    "semicolons": (rewritten("stays.csv", lambda text: text.replace(",", ";")), "semicolons, not commas"),
    "cut in a row": (
        rewritten("stay_diagnoses.csv", lambda text: text[: text.rindex(",")]),
        "rows do not have the 4 cells",
    ),
    "open quotation mark": (
        rewritten("stay_diagnoses.csv", lambda text: text.replace("486", '"486', 1)),
        "rows do not have the 4 cells",
    ),
    "header only": (rewritten("stays.csv", lambda text: text.splitlines()[0] + "\n"), "file has no rows"),
    "empty": (rewritten("stays.csv", lambda text: ""), "file is empty"),
    "column twice": (rewritten("stays.csv", lambda text: text.replace("drg,", "stay_id,", 1)), "column names repeat"),
    "not text": (lambda folder: (folder / "stays.csv").write_bytes(b"PK\x03\x04\xff\xfe"), "file is not UTF-8 text"),
    "other encoding below": (
        lambda folder: (folder / "stays.csv").write_bytes((folder / "stays.csv").read_bytes() * 20 + b"\xe9,,,,,\n"),
        "file cannot be read as UTF-8 CSV",
    ),
}


@pytest.mark.parametrize("name", WHOLE_FILE)
def test_a_broken_file_stops_the_run(tmp_path: Path, name: str) -> None:
    break_it, message = WHOLE_FILE[name]
    break_it(write_example(tmp_path / "data"))
    with pytest.raises(InputDataError, match=message) as caught:
        run("dra_hac", period="FY2010", data=tmp_path / "data", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert "ulcer" not in str(caught.value)


REFERENCE = {
    "level is missing": ("drg_triplets", DRG_TRIPLETS[1:], "triplets are not complete"),
    "weight is a word": (
        "drg_triplets",
        [*DRG_TRIPLETS, [*DRG_TRIPLETS[0][:3], "heavy", "2009-10-01", ""]],
        "row 8, weight 'heavy': not a relative weight",
    ),
    "weight below zero": (
        "drg_triplets",
        [*DRG_TRIPLETS, [*DRG_TRIPLETS[0][:3], "-1", "2009-10-01", ""]],
        "row 8, weight '-1': below zero",
    ),
    "two on one day": (
        "drg_triplets",
        [*DRG_TRIPLETS, *([*row[:4], "2010-04-01", "2010-09-30"] for row in DRG_TRIPLETS[:3])],
        "valid on the same day",
    ),
    "two families": (
        "drg_triplets",
        [*DRG_TRIPLETS, *(["OTHER", *row[1:]] for row in DRG_TRIPLETS[:3])],
        "in two families on the same day",
    ),
    "contradiction": (
        "drg_triplets",
        [*DRG_TRIPLETS, [*DRG_TRIPLETS[0][:3], "0.9000", *DRG_TRIPLETS[0][4:]]],
        "rows contradict each other",
    ),
    "no such category": ("hac_codes", [*HAC_CODES, ["HAC-99", *HAC_CODES[0][1:]]], "not a category of FY2010"),
    "category of later years": ("hac_codes", [*HAC_CODES, ["HAC-13", *HAC_CODES[0][1:]]], "not a category of FY2010"),
    "role and code system": (
        "hac_codes",
        [*HAC_CODES, ["HAC-04", "secondary_diagnosis", "0210093", "ICD-10-PCS", "2008-10-01", ""]],
        "does not fit the role",
    ),
    "ends before it starts": ("hac_codes", [[*HAC_CODES[0][:4], "2010-01-01", "2009-01-01"]], "before the first day"),
    "no code of the period": (
        "hac_codes",
        [[*row[:4], "2015-10-01", ""] for row in HAC_CODES],
        "no row is valid in FY2010",
    ),
    "collection without codes": (
        "cc_codes",
        [*CC_CODES, ["584.9", "ICD-9-CM", "cc", "KIDNEY", "", "2008-10-01", ""]],
        "exclusion collections of cc_codes.csv are missing",
    ),
    "complication twice": (
        "cc_codes",
        [*CC_CODES, ["276.1", "ICD-9-CM", "mcc", "", "", "2010-01-01", ""]],
        "valid on the same day",
    ),
    "no such level": ("cc_codes", [["276.1", "ICD-9-CM", "major", "", "", "2008-10-01", ""]], "not one of cc, mcc"),
    "exclusion is no code": ("cc_exclusions", [["SEPSIS", "?", *CC_EXCLUSIONS[0][2:]]], "not a diagnosis or procedure"),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_a_wrong_reference_table_stops_the_run(tmp_path: Path, name: str) -> None:
    table, rows, message = REFERENCE[name]
    with pytest.raises(InputDataError, match=message):
        run_on(tmp_path, **{table: rows})


def test_no_stay_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match=r"no stay can be priced \(16 times\)"):
        run_on(tmp_path, stays=[[*row[:3], "999", *row[4:]] for row in STAYS])


@pytest.mark.parametrize("period", ["FY2008", "FY2050", "2010", "PY2010"])
def test_a_period_that_the_program_has_not(tmp_path: Path, period: str) -> None:
    with pytest.raises(UsageError):
        run_on(tmp_path, period=period)


def test_what_decides_how_files_are_read_cannot_be_changed(tmp_path: Path) -> None:
    data = write_example(tmp_path / "data")
    with pytest.raises(UsageError, match="cannot be changed"):
        run("dra_hac", period="FY2010", data=data, out=tmp_path / "out", changes=("diagnosis_code_system=ICD-10-CM",))


def test_no_value_of_a_patient_leaves_the_evidence(tmp_path: Path) -> None:
    stays = [[f"{SECRET}{number}", *row[1:]] for number, row in enumerate(STAYS)]
    names = {row[0]: f"{SECRET}{number}" for number, row in enumerate(STAYS)}
    diagnoses = [[names[row[0]], *row[1:]] for row in DIAGNOSES]
    diagnoses[1][3] = SECRET
    procedures = [[names[row[0]], *row[1:]] for row in PROCEDURES]
    lines: list[str] = []
    finished = run(
        "dra_hac",
        period="FY2010",
        data=write_example(tmp_path / "data", stays=stays, stay_diagnoses=diagnoses, stay_procedures=procedures),
        out=tmp_path / "out",
        progress=lines.append,
    )
    holding = {path.parent.name for path in finished.path.rglob("*") if path.is_file() and SECRET in shown(path)}
    assert holding == {"evidence"}
    assert SECRET not in "".join(lines)
    no_stay = [[*row[:3], SECRET, *row[4:]] for row in stays]
    with pytest.raises(InputDataError, match="no stay can be priced") as caught:
        run_on(tmp_path / "again", stays=no_stay, stay_diagnoses=diagnoses, stay_procedures=procedures)
    assert SECRET not in str(caught.value)


def shown(path: Path) -> str:
    """Content of a file of a run folder."""
    return str(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else path.read_text()
