"""Registries and practices that cannot be used as they are: a clear error, and no row lost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harmonization_files import ROWS, write_practice, write_registry
from openvbp.errors import InputDataError, UsageError
from openvbp.harmonization.burden import burden_of
from openvbp.harmonization.data_elements import read_overlaps, read_specifications
from openvbp.harmonization.lint import lint
from openvbp.harmonization.practice import read_practice
from openvbp.harmonization.registry import CONTRADICTS, IS_COPY, read_registry


def test_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match=r"no corpus of measures(.|\n)*program, year, mid, title"):
        read_registry(tmp_path)


def test_a_file_that_is_no_parquet(tmp_path: Path) -> None:
    (tmp_path / "measures_corpus.parquet").write_bytes(b"PK not a table")
    with pytest.raises(InputDataError, match="file cannot be read"):
        read_registry(tmp_path)


def test_a_missing_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"program": ["P"], "year": ["2026"], "title": ["T"]}), tmp_path / "measures_corpus.parquet")
    with pytest.raises(InputDataError, match=r"columns are missing(.|\n)*mid"):
        read_registry(tmp_path)


def test_rows_are_rejected_with_a_reason_and_counted(tmp_path: Path) -> None:
    good = ROWS[0]
    other = (*good[:4], "another text", *good[5:])
    wrong = (
        ROWS[2],
        good,
        other,
        ROWS[2],
        ("", *good[1:]),
        ("North", "26", *good[2:]),
        (*good[:6], "yes", "registry"),
        ("North", "2025", "7", " ", *good[4:]),
    )
    registry = read_registry(write_registry(tmp_path, wrong))
    found = [(one.row_number, one.reason) for one in registry.rejected]
    assert found == [
        (2, CONTRADICTS),
        (3, CONTRADICTS),
        (4, IS_COPY),
        (5, "program is empty"),
        (6, "year is not a year: 26"),
        (7, "inverse is not True, False or empty: yes"),
        (8, "title is empty"),
    ]
    assert registry.rows_read == len(registry.measures) + len(registry.rejected)
    (finding,) = [one for one in lint(registry) if one.kind == "two_versions_one_id"]
    assert (finding.measure, finding.version, finding.what) == ("North/1", "2025", "2 rows, none is used")


def test_no_row_that_can_be_used(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match=r"no row can be used(.|\n)*row 1: program is empty"):
        read_registry(write_registry(tmp_path, (("", *ROWS[0][1:]),)))


def test_measures_that_cannot_be_found(tmp_path: Path) -> None:
    registry = read_registry(write_registry(tmp_path, (*ROWS, ("South", "2026", "2", "T", "", "", "", ""))))
    with pytest.raises(UsageError, match=r"no measure 99"):
        registry.find("99")
    with pytest.raises(UsageError, match=r"several programs have the measure 2(.|\n)*North/2, South/2"):
        registry.find("2")
    with pytest.raises(UsageError, match=r"no measure by 1999(.|\n)*give a year from"):
        registry.in_force(1999)


def test_elements_and_overlaps_that_are_something_else(tmp_path: Path) -> None:
    assert read_specifications(tmp_path) == {}
    assert read_overlaps(tmp_path) == ()
    (tmp_path / "ecqm_roles_valuesets.json").write_text('{"A": {"numerator": ["x"]}}', encoding="utf-8")
    with pytest.raises(InputDataError, match="not the elements of measures"):
        read_specifications(tmp_path)
    (tmp_path / "ecqm_pairwise_overlap.csv").write_text("a,b,pop,focus\nA,B,0.5,0.5\nA,C,1.5,0\n", encoding="utf-8")
    with pytest.raises(InputDataError, match=r"not an overlap of two measures(.|\n)*row 3"):
        read_overlaps(tmp_path)


def test_benchmarks_that_are_something_else(tmp_path: Path) -> None:
    registry = read_registry(write_registry(tmp_path))
    with pytest.raises(InputDataError, match="not a table of benchmarks"):
        lint(registry, benchmarks=tmp_path / "measures_corpus.csv")
    with pytest.raises(InputDataError, match="file cannot be read"):
        lint(registry, benchmarks=tmp_path / "absent.csv")


def test_practice_files(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match=r"file is missing(.|\n)*measures.csv"):
        read_practice(tmp_path)
    unknown = "payment_line,amount_per_patient,measures_needed\nnorth,3,1\n"
    with pytest.raises(InputDataError, match=r"payment lines of measures are not declared(.|\n)*south"):
        read_practice(write_practice(tmp_path, payment_lines=unknown))
    with pytest.raises(InputDataError, match=r"no row can be used(.|\n)*not one of program, measure"):
        read_practice(write_practice(tmp_path, costs="item,amount\nlunch,10\n"))


def test_a_rejected_row_of_a_practice_is_listed(tmp_path: Path) -> None:
    found = read_practice(write_practice(tmp_path, costs="item,amount\nmeasure,100\nsubmission,-1\n"))
    (row,) = found.rejected
    assert (row["source_file"], row["row_number"], row["reason"]) == ("costs.csv", "3", "below zero")


@pytest.mark.parametrize(("keep", "size"), [("0", 1), ("1.1", 1), ("0.5", 0)])
def test_shares_and_sizes_out_of_range(tmp_path: Path, keep: str, size: int) -> None:
    registry, practice = read_registry(write_registry(tmp_path / "r")), read_practice(write_practice(tmp_path / "p"))
    with pytest.raises(UsageError, match="out of range"):
        burden_of(practice, registry, {}, year=2026, sizes=[size], keep=Decimal(keep))
