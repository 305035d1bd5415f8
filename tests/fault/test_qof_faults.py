"""Files of practices with every mistake: a clear error, a counted rejection or a status, never a silent loss."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from openvbp.errors import InputDataError, UsageError
from openvbp.pipeline import run
from openvbp.program import ProgramInputs
from openvbp.programs.qof import PROGRAM
from openvbp.run_folder import RunFolder

EXAMPLES = Path(__file__).parents[2] / "examples" / "qof"
INDICATORS = "indicator_2015_16.csv"
PREVALENCE = "prevalence_adpf_2015_16.csv"
TOTALS = "totals_2015_16.csv"
LEDGER = "override_ledger.csv"
ACHIEVEMENT = "ACHIEVEMENT_2021.csv"


def copy(folder: Path, country: str = "scotland") -> Path:
    return Path(shutil.copytree(EXAMPLES / country, folder / country))


def add(file: Path, *lines: str) -> None:
    with file.open("a", encoding="utf-8") as content:
        content.writelines(f"{line}\n" for line in lines)


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def read(data: Path, period: str) -> ProgramInputs:
    declared = PROGRAM.parameters
    return PROGRAM.read(data, declared.in_force(declared.period(period)))


def error(data: Path, period: str = "2015/16") -> str:
    with pytest.raises((InputDataError, UsageError)) as raised:
        read(data, period)
    return str(raised.value)


def rejections(finished: RunFolder) -> list[tuple[str, str]]:
    counts = finished.record["input_rows"]
    rows = pq.read_table(finished.path / "rejected" / "cells.parquet").to_pylist()
    assert counts["in"] == counts["accepted"] + counts["rejected"]
    assert counts["rejected"] == len(rows)
    return sorted((row["source_file"], f"{row['provider_id']} {row['column']}: {row['reason']}") for row in rows)


def measures(finished: RunFolder) -> dict[tuple[str, str], dict[str, Any]]:
    rows = finished.read("measure_result", scenario_id="actual").to_pylist()
    return {(row["provider_id"], row["measure_id"]): row for row in rows}


def payments(finished: RunFolder) -> dict[str, dict[str, Any]]:
    rows = finished.read("payment_result", scenario_id="actual").to_pylist()
    return {row["provider_id"]: row for row in rows if row["component_id"] == "achievement"}


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """One run on files with a wrong row of every kind."""
    folder = tmp_path_factory.mktemp("qof")
    data = copy(folder)
    change(data / INDICATORS, "10036,nGMS,asthma,AST002,160,200", "10036,nGMS,asthma,AST002,201,200")
    add(
        data / INDICATORS,
        "10002,nGMS,pc,PC002,-,-,12,0.24,3,3",  # a copy
        "1002,nGMS,pc,PC002,-,-,12,0.24,3,3",
        "10099,nGMS,pc,PC002,-,-,5,0.1,3,3",
        "10099,nGMS,af,AF6,ten,12,14,1,8,8",
        "10099,nGMS,asthma,AST002(S),10,12,14,1,15,15.5",
    )
    add(data / PREVALENCE, "T,10088,nGMS,900,af,18,2,1", "T,10088,nGMS,900,asthma,9009,6,0.96")
    change(data / TOTALS, "Hill Practice,10036,nGMS,3000", "Hill Practice,10036,nGMS,")
    change(data / PREVALENCE, "10036,nGMS,3000", "10036,nGMS,")
    add(data / LEDGER, "10077,AF006,8,Health board,Practice of another board")
    return run("qof", period="2015/16", data=data, out=folder / "out")


def test_wrong_rows_are_rejected_and_counted(damaged: RunFolder) -> None:
    assert rejections(damaged) == [
        (INDICATORS, "10002 provider_id: the same row stands in the file before"),
        (INDICATORS, "1002 provider_id: not a practice code of five digits"),
        (INDICATORS, "10036 numerator: above the denominator"),
        (INDICATORS, "10099 achieved_points: above the points available"),
        (INDICATORS, "10099 numerator: not a whole number"),
        (PREVALENCE, "10088 register: above the list"),
    ]


def test_an_unknown_row_is_not_zero_points(damaged: RunFolder) -> None:
    """A practice that lost a row has no points there, no total and no payment."""
    found = measures(damaged)
    assert (found["10036", "AST002"]["status"], found["10036", "AST002"]["points"]) == ("not_reported", None)
    assert found["10099", "AF006"]["points"] is None
    totals = {row["provider_id"]: row for row in damaged.read("provider_result", scenario_id="actual").to_pylist()}
    assert totals["10036"]["score"] is None
    assert totals["10002"]["score"] is not None
    assert payments(damaged)["10036"]["status"] == "not_determinable"


def test_practices_without_list_achievement_or_row_are_named(damaged: RunFolder) -> None:
    checks = {one["name"]: list(one["examples"]) for one in damaged.record["checks"]}
    assert checks["practice_without_list"] == ["10036", "10099"]
    assert checks["practice_without_achievement"] == ["10088"]
    assert checks["override_of_unknown_practice"] == ["10077"]
    assert payments(damaged)["10099"]["status_reason"] == "the practice has no list size"


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return run("qof", period="2015/16", data=EXAMPLES / "scotland", out=tmp_path_factory.mktemp("example") / "out")


def test_markers_are_told_apart(example: RunFolder) -> None:
    """A dash is zero where there is a fraction; a star is a count that is kept back; neither is a missing point."""
    found = measures(example)
    dash, star, none = found["10036", "AF006"], found["10002", "AST002"], found["10002", "CS001"]
    assert (dash["numerator"], dash["denominator"], dash["points"]) == (0, 0, 0)
    assert (star["numerator"], star["points"], star["status"]) == (None, Decimal("7.5"), "scored")
    assert star["status_reason"] == "points as published: the counts are suppressed"
    assert (none["numerator"], none["points"]) == (None, 7)
    assert found["10036", "CS002"]["points"] == 0


def test_an_award_set_by_hand_is_a_step_with_its_reason(example: RunFolder) -> None:
    found = measures(example)["10017", "AST002"]
    assert found["points"] == 15
    assert found["status_reason"].startswith("set by hand (Health board): Agreed for a practice")
    steps = [
        row
        for row in example.read("step_result", scenario_id="actual").to_pylist()
        if (row["provider_id"], row["measure_id"], row["quantity"]) == ("10017", "AST002", "override_points")
    ]
    assert [(row["value"], row["citation"]) for row in steps] == [(15, LEDGER)]
    assert "spirometry was done in hospital" in steps[0]["note"]


def test_a_code_may_be_written_in_any_way(tmp_path: Path) -> None:
    data = copy(tmp_path)
    for old, new in (("AF006(S)", "AF 6"), ("CS002(S)", "CS002"), ("PC002", "pc2")):
        change(data / INDICATORS, old, new)
    same = ("numerator", "denominator", "published_points", "measure_id", "provider_id")
    again, first = (read(one, "2015/16").content.achievement.select(same) for one in (data, EXAMPLES / "scotland"))
    assert again == first


def test_rows_that_contradict_each_other_stop_the_run(tmp_path: Path) -> None:
    data = copy(tmp_path)
    add(data / INDICATORS, "10002,nGMS,af,AF006(S),61,80,100,2,8,5")
    assert "rows contradict each other" in error(data)


def test_a_year_that_is_stored_twice_stops_the_run(tmp_path: Path) -> None:
    data = copy(tmp_path)
    shutil.copy(data / INDICATORS, data / "indicator_2013_14.csv")
    assert "the same content is stored in two files" in error(data)
    change(data / "indicator_2013_14.csv", "nGMS", "17C")
    (data / "indicator_2013_14.csv").rename(data / "indicator_201516.csv")
    assert "several files of 2015/16" in error(data)


def test_files_of_another_kind_stop_the_run(tmp_path: Path) -> None:
    data = copy(tmp_path)
    assert "no achievement file of 2014/15" in error(data, "2014/15")
    assert "ended on 1 April 2016" in error(data, "2016/17")
    (data / INDICATORS).rename(data / "indicator_2011_12.csv")
    assert "indicators that 2011/12 does not have" in error(data, "2011/12")
    shutil.copy(EXAMPLES / "england" / ACHIEVEMENT, data)
    assert "England and of Scotland" in error(data)
    assert "no achievement file" in error(tmp_path / "nowhere")


def test_a_broken_file_stops_the_run(tmp_path: Path) -> None:
    data = copy(tmp_path)
    (data / INDICATORS).write_text("practice,contract\n10002,nGMS\n", encoding="utf-8")
    assert "columns are missing" in error(data)
    (data / INDICATORS).write_text("practice,contract\n10002\n", encoding="utf-8")
    assert "rows do not have the cells of the header" in error(data)
    (data / INDICATORS).rename(data / "indicator_2015_16.parquet")
    assert "file cannot be read" in error(data)


def test_a_wrong_ledger_stops_the_run(tmp_path: Path) -> None:
    data = copy(tmp_path)
    add(data / LEDGER, "10002,AF999,1,Board,Wrong code", "10002,AF006,9,Board,Too many points")
    message = error(data)
    assert "indicators that 2015/16 does not have" in message
    assert "awards are above the points of the indicator" in message


def test_wrong_rows_of_england_are_rejected(tmp_path: Path) -> None:
    """Achievement may come in a file per region."""
    data = copy(tmp_path, "england")
    (data / ACHIEVEMENT).rename(data / "ACHIEVEMENT_NORTH_2021.csv")
    (data / "ACHIEVEMENT_SOUTH_2021.csv").write_text(
        "PRACTICE_CODE,INDICATOR_CODE,MEASURE,VALUE\n"
        "A81009,AF006,NUMERATOR,4.5\n"
        "A81009,AF006,RATE,4\n"
        "A8100,AF006,NUMERATOR,4\n"
        "A81009,AF099,NUMERATOR,4\n"
        "A81009,AF001,ACHIEVED_POINTS,5\n",
        encoding="utf-8",
    )
    inputs = read(data, "2020/21")
    found = inputs.content.rejected_table().to_pylist()
    assert sorted(f"{row['provider_id']} {row['column']}: {row['reason']}" for row in found) == [
        "A8100 provider_id: not an English practice code",
        "A81009 indicator_id: not an indicator of the year",
        "A81009 measure: not one of NUMERATOR, DENOMINATOR, REGISTER, EXCEPTIONS, PCAS, ACHIEVED_POINTS",
        "A81009 value: not a number of the measure's form",
    ]
    assert sum(file.rejected_rows for file in inputs.files) == 4
    rows = {(row["provider_id"], row["measure_id"]): row for row in inputs.content.achievement.to_pylist()}
    assert rows["A81009", "AF001"]["published_points"] == 5
    assert ("A81009", "AF006") not in rows
    assert (rows["A81001", "AF006"]["numerator"], rows["A81001", "AF006"]["exceptions"]) == (45, 4)
    assert (rows["A81002", "SMOK002"]["numerator"], rows["A81002", "SMOK002"]["is_suppressed"]) == (None, True)


def test_a_year_without_declared_indicators_needs_them(tmp_path: Path) -> None:
    data = copy(tmp_path, "england")
    (data / ACHIEVEMENT).rename(data / "ACHIEVEMENT_2425.csv")
    (data / "indicators.csv").unlink()
    assert "add indicators.csv with their points and thresholds" in error(data, "2024/25")
    rows = "AF001,5,,\nAF006,12,0.40,0.90\nSMOK002,25,0.50,0.90\n"
    header = "indicator_id,points,lower_threshold,upper_threshold\n"
    (data / "indicators.csv").write_text(header + rows, encoding="utf-8")
    rules = read(data, "2024/25").rules_in_force
    assert rules.cited("england_upper_threshold", "AF006").cite == "indicators.csv, column 'upper_threshold'"
    assert rules.keyed("england_scoring") == {"AF001": "as_published", "AF006": "linear", "SMOK002": "linear"}
    assert rules.keyed("england_area") == {"AF001": "af", "AF006": "af", "SMOK002": "smoking"}
