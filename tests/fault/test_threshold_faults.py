"""Audits of thresholds that cannot be made: a clear error, and never an empty success."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from openvbp.audit.measure_points import measures_of
from openvbp.audit.thresholds import audit_thresholds
from openvbp.csv_files import write_csv
from openvbp.errors import InputDataError, MachineError, UsageError
from openvbp.program import PublishedPoints
from openvbp.programs import program

EXAMPLE = Path(__file__).parents[2] / "examples" / "qof" / "scotland"


def test_a_program_without_published_points() -> None:
    with pytest.raises(UsageError, match=r"hvbp has no published points(.|\n)*what to do: give qof"):
        audit_thresholds(program("hvbp"), period="FY2024", data=EXAMPLE)


def test_a_period_without_data() -> None:
    with pytest.raises(InputDataError, match=r"no achievement file of 2012/13(.|\n)*indicator_2012_13"):
        audit_thresholds(program("qof"), period="2012/13", data=EXAMPLE)


def test_a_period_that_the_program_does_not_have() -> None:
    with pytest.raises(UsageError, match="1999"):
        audit_thresholds(program("qof"), period="1999/00", data=EXAMPLE)


@pytest.mark.parametrize("is_made", [True, False])
def test_an_empty_or_absent_folder(tmp_path: Path, is_made: bool) -> None:
    folder = tmp_path / "data"
    if is_made:
        folder.mkdir()
    with pytest.raises(InputDataError, match=r"no achievement file(.|\n)*indicator_YYYY_YY"):
        audit_thresholds(program("qof"), period="2015/16", data=folder)


def test_rows_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    text = (EXAMPLE / "indicator_2015_16.csv").read_text(encoding="utf-8")
    wrong = "10036,nGMS,asthma,AST002,201,200"
    assert "10036,nGMS,asthma,AST002,160,200" in text
    (tmp_path / "indicator_2015_16.csv").write_text(text.replace("10036,nGMS,asthma,AST002,160,200", wrong), "utf-8")
    audited = audit_thresholds(program("qof"), period="2015/16", data=tmp_path)
    assert audited.rejected_rows == 1
    assert audited.published_rows == len(text.splitlines()) - 2


def test_nothing_to_audit_is_no_success(tmp_path: Path) -> None:
    """Without ``indicators.csv`` no thresholds are declared, and two practices show no line."""
    for one in (EXAMPLE.parent / "england").glob("ACHIEVEMENT*"):
        (tmp_path / one.name).write_bytes(one.read_bytes())
    with pytest.raises(InputDataError, match="no measure of 2020/21 has counts and a schedule"):
        audit_thresholds(program("qof"), period="2020/21", data=tmp_path)


def test_files_without_points() -> None:
    names = ("provider_id", "measure_id", "numerator", "denominator", "population", "is_masked", "points")
    rows = pa.Table.from_pylist([dict.fromkeys((*names, "maximum_points"))])
    with pytest.raises(InputDataError, match="no row has points"):
        measures_of(PublishedPoints(rows, 0, {}))


def test_findings_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="cannot write"):
        write_csv([], ("a",), tmp_path / "absent" / "findings.csv")
