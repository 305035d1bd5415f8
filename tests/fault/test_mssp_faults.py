"""The public use file with every mistake: a clear error, or a counted rejection that never becomes a zero."""

from __future__ import annotations

import csv
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from openvbp.errors import InputDataError, OpenvbpError, UsageError
from openvbp.pipeline import run
from openvbp.programs import program
from openvbp.run_folder import RunFolder

HEADER = [
    "ACO_ID",
    "ACO_Name",
    "Current_Start_Date",
    "Current_Track",
    "N_AB",
    "Sav_rate",
    "MinSavPerc",
    "BnchmkMinExp",
    "DisAdj",
    "Impact_Mid_Year_Termination",
    "EarnSaveLoss",
    "Met_QPS",
    "Met_AltQPS",
    "QualScore",
    "ABtotBnchmk",
    "ABtotExp",
    "FinalShareRate",
    "Rev_Exp_Cat",
]
Rows = list[list[str]]


def line(provider_id: str, **changes: str) -> list[str]:
    """An ACO of the ENHANCED track that saved 3 of 100 million dollars in PY2023."""
    cells = {
        "ACO_ID": provider_id,
        "ACO_Name": "An ACO, LLC",
        "Current_Start_Date": "01/01/2023",
        "Current_Track": "EN",
        "N_AB": "10000",
        "Sav_rate": "3.00%",
        "MinSavPerc": "2.00%",
        "BnchmkMinExp": "3000000",
        "DisAdj": "0",
        "Impact_Mid_Year_Termination": "0",
        "EarnSaveLoss": "2205000",
        "Met_QPS": "1",
        "Met_AltQPS": "-",
        "QualScore": "90.00%",
        "ABtotBnchmk": "100000000",
        "ABtotExp": "97000000",
        "FinalShareRate": "75.00%",
        "Rev_Exp_Cat": "Low Revenue",
    }
    return [{**cells, **changes}[name] for name in HEADER]


def losing(provider_id: str, **changes: str) -> list[str]:
    loss = {"BnchmkMinExp": "-3000000", "ABtotExp": "103000000", "Sav_rate": "-3.00%"}
    return line(provider_id, **{**loss, **changes})


ROWS = [line("A0001"), line("A0002", N_AB="20000"), line("A0003")]


def written(folder: Path, rows: Rows, header: list[str] = HEADER, name: str = "results_2023.csv") -> Path:
    folder.mkdir(exist_ok=True)
    with (folder / name).open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([header, *rows])
    return folder


def settled(folder: Path, rows: Rows, period: str = "PY2023", **more: Any) -> RunFolder:
    return run("mssp", period=period, data=written(folder / "data", rows), out=folder / "out", **more)


def results(finished: RunFolder, component_id: str = "net") -> dict[str, tuple[str, str | None, Any]]:
    rows = finished.read("payment_result", scenario_id="actual", component_id=component_id).to_pylist()
    return {row["provider_id"]: (row["status"], row["status_reason"], row["amount"]) for row in rows}


def rejected(finished: RunFolder) -> list[tuple[str, str, str, str]]:
    rows = pq.read_table(finished.path / "rejected" / "cells.parquet").to_pylist()
    return [(row["row_number"], row["column"], row["value"], row["reason"]) for row in rows]


def test_the_example_is_right(tmp_path: Path) -> None:
    finished = settled(tmp_path, ROWS)
    assert set(results(finished).values()) == {("scored", None, 2_205_000)}
    assert finished.record["rejected_cells"] == 0


def test_wrong_rows_and_cells_are_rejected_and_counted(tmp_path: Path) -> None:
    rows = [
        *ROWS,
        line("A0003"),
        line("B0004"),
        line("A0005", Current_Track="X"),
        line("A0006", Current_Track=""),
        line("A0007", N_AB="many"),
        line("A0008", ABtotBnchmk="-1", BnchmkMinExp=""),
        line("A0009", QualScore="140%"),
        line("A0010", Met_QPS="2"),
        line("A0011", BnchmkMinExp="3000002"),
        line("A0012", ABtotExp="*"),
        losing("A0013", DisAdj="much"),
        line("A0014", MinSavPerc="-"),
    ]
    finished = settled(tmp_path, rows)
    assert sorted(rejected(finished)) == sorted(
        [
            ("5", "ACO_ID", "A0003", "the same row stands in the file before"),
            ("6", "ACO_ID", "B0004", "not an ACO identifier: A and four or five digits"),
            ("7", "Current_Track", "X", "not a track"),
            ("8", "Current_Track", "", "no track"),
            ("9", "N_AB", "many", "not a whole number above zero"),
            ("10", "ABtotBnchmk", "-1", "not above zero"),
            ("11", "QualScore", "140%", "not between 0 and 100 percent"),
            ("12", "Met_QPS", "2", "neither 1 nor 0"),
            ("13", "BnchmkMinExp", "3000002", "not the benchmark less the expenditures"),
            ("15", "DisAdj", "much", "not an amount of money"),
        ]
    )
    assert finished.record["input_rows"] == {"in": 15, "accepted": 11, "rejected": 4}
    found = results(finished)
    assert found.keys() == {f"A{number:04d}" for number in (1, 2, 3, 7, 8, 9, 10, 11, 12, 13, 14)}
    reasons = {one: reason for one, (status, reason, amount) in found.items() if status == "not_determinable"}
    assert reasons == {
        "A0007": "input: beneficiaries: not a whole number above zero",
        "A0008": "input: benchmark: not above zero",
        "A0010": "input: whether the quality standard is met is not given",
        "A0011": "input: expenditures: benchmark less expenditures is not the printed difference",
        "A0012": "input: expenditures: missing",
        "A0013": "input: the adjustment for disasters cannot be read",
        "A0014": "input: the minimum savings rate is not given",
    }
    # Never a zero in the place of what is not known; the score is not needed once the standard is met.
    assert all(found[one][2] is None for one in reasons)
    assert found["A0009"] == ("scored", None, 2_205_000)


Damage = Callable[[Rows, list[str]], tuple[Rows, list[str]]]


def without(name: str) -> Damage:
    def damage(rows: Rows, header: list[str]) -> tuple[Rows, list[str]]:
        index = header.index(name)
        return [row[:index] + row[index + 1 :] for row in rows], header[:index] + header[index + 1 :]

    return damage


def with_cell(name: str, text: str, place: int = 0) -> Damage:
    def damage(rows: Rows, header: list[str]) -> tuple[Rows, list[str]]:
        changed = [list(row) for row in rows]
        changed[place][header.index(name)] = text
        return changed, header

    return damage


def suppressed(name: str) -> Damage:
    def damage(rows: Rows, header: list[str]) -> tuple[Rows, list[str]]:
        index = header.index(name)
        return [[*row[:index], "*", *row[index + 1 :]] for row in rows], header

    return damage


def shifted(rows: Rows, header: list[str]) -> tuple[Rows, list[str]]:
    """Put every header from the second on over the column before its own."""
    return rows, [header[0], *header[2:], "another"]


def swapped(rows: Rows, header: list[str]) -> tuple[Rows, list[str]]:
    names = {"ABtotBnchmk": "ABtotExp", "ABtotExp": "ABtotBnchmk"}
    return rows, [names.get(name, name) for name in header]


def another_start(year: int) -> Damage:
    def damage(rows: Rows, header: list[str]) -> tuple[Rows, list[str]]:
        index = header.index("Current_Start_Date")
        return [[*row[:index], f"01/01/{year}", *row[index + 1 :]] for row in rows], header

    return damage


BROKEN: dict[str, tuple[Damage, str]] = {
    "headers shifted by one column": (shifted, "is not 'BnchmkMinExp': the headers do not belong to the columns"),
    "no benchmark that can be read": (
        suppressed("ABtotBnchmk"),
        "no ACO has a benchmark, expenditures and beneficiaries",
    ),
    "headers swapped": (swapped, "the headers do not belong to the columns"),
    "no expenditures": (without("ABtotExp"), "column of the expenditures is missing"),
    "no track": (without("Current_Track"), "no column says in which track"),
    "no flag of quality": (without("Met_QPS"), "columns that PY2023 needs are missing"),
    "no disaster adjustment": (without("DisAdj"), "columns that PY2023 needs are missing"),
    "no minimum rate": (without("MinSavPerc"), "no file|no results of ACOs found"),
    "units change in quality": (with_cell("QualScore", "0.9"), "'QualScore' has both fractions and percent"),
    "units change in the minimum rate": (
        with_cell("MinSavPerc", "0.02"),
        "'MinSavPerc' has both fractions and percent",
    ),
    "an ACO twice, differently": (with_cell("ACO_ID", "A0002"), "ACO has two different rows"),
    "a track of another year": (with_cell("Current_Track", "1"), "tracks that PY2023 does not have"),
    "agreements of later years": (another_start(2024), "the newest agreement began in 2024"),
    "agreements of earlier years": (another_start(2019), "the newest agreement began in 2019"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_stops_the_run(tmp_path: Path, name: str) -> None:
    damage, message = BROKEN[name]
    rows, header = damage([list(row) for row in ROWS], list(HEADER))
    with pytest.raises(InputDataError, match=message) as caught:
        run("mssp", period="PY2023", data=written(tmp_path / "data", rows, header), out=tmp_path / "out")
    assert all(problem.what_to_do for problem in caught.value.problems)
    assert not (tmp_path / "out").exists()


TEXTS: dict[str, tuple[Callable[[str], str], str]] = {
    "semicolons": (lambda text: text.replace(",", ";"), "semicolons, not commas"),
    "tabs": (lambda text: text.replace('"An ACO, LLC"', "An ACO").replace(",", "\t"), "tabs, not commas"),
    "truncated": (lambda text: text[: len(text) - 60], "rows do not have the 18 cells|is broken"),
    "cut in a quotation": (lambda text: text[: text.rindex("An ACO") + 4], "is broken|rows do not have"),
    "header only": (lambda text: text.splitlines()[0] + "\n", "file has no rows"),
    "empty": (lambda _: "", "file has no rows"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_damaged_file_stops_the_run(tmp_path: Path, name: str) -> None:
    change, message = TEXTS[name]
    path = written(tmp_path / "data", ROWS) / "results_2023.csv"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(InputDataError, match=message):
        run("mssp", period="PY2023", data=tmp_path / "data", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_file_and_no_file_of_the_year(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(InputDataError, match="no results of ACOs found"):
        run("mssp", period="PY2023", data=tmp_path / "data", out=tmp_path / "out")
    with pytest.raises(InputDataError, match="folder not found"):
        run("mssp", period="PY2023", data=tmp_path / "absent", out=tmp_path / "out")
    written(tmp_path / "data", ROWS, name="results_2022.csv")
    with pytest.raises(InputDataError, match="no file has results of 2023"):
        run("mssp", period="PY2023", data=tmp_path / "data", out=tmp_path / "out")


def test_two_files_of_the_year(tmp_path: Path) -> None:
    written(tmp_path / "data", ROWS)
    written(tmp_path / "data", ROWS, name="results_2023_revised.csv")
    with pytest.raises(InputDataError, match="several files have results of 2023"):
        run("mssp", period="PY2023", data=tmp_path / "data", out=tmp_path / "out")
    alone = run("mssp", period="PY2023", data=tmp_path / "data" / "results_2023.csv", out=tmp_path / "out")
    assert len(results(alone)) == 3


def test_a_broken_file_of_another_year_does_not_matter(tmp_path: Path) -> None:
    folder = written(tmp_path / "data", ROWS)
    (folder / "results_2022.csv").write_text("ACO_ID,x\n1\n", encoding="utf-8")
    assert len(results(run("mssp", period="PY2023", data=folder, out=tmp_path / "out"))) == 3
    (folder / "results.csv").write_text("ACO_ID,x\n1\n", encoding="utf-8")
    with pytest.raises(InputDataError, match="rows do not have the 2 cells"):
        run("mssp", period="PY2023", data=folder, out=tmp_path / "out")


@pytest.mark.parametrize("period", ["PY2012", "PY2027", "CY2023", "2023"])
def test_a_period_without_parameters(tmp_path: Path, period: str) -> None:
    with pytest.raises(UsageError):
        settled(tmp_path, ROWS, period)


SIX_MONTHS = ["Participation_Six_Months", *HEADER]


def six_months(provider_id: str, is_half: str, **changes: str) -> list[str]:
    common = {"Current_Start_Date": "07/01/2019", "MinSavPerc": "0.50%", "Current_Track": "EN"}
    return [is_half, *losing(provider_id, **{**common, **changes})]


def test_a_performance_year_of_six_months_halves_the_relief(tmp_path: Path) -> None:
    rows = [six_months("A0001", "1", DisAdj="-100000"), six_months("A0002", "0", DisAdj="-100000")]
    folder = written(tmp_path / "data", rows, SIX_MONTHS, "results_2019.csv")
    finished = run("mssp", period="PY2019", data=folder, out=tmp_path / "out")
    owed = {one: amount for one, (_, _, amount) in results(finished, "owed_losses").items()}
    # 40 percent of 3 million dollars, less relief; no sequestration of losses.
    assert owed == {"A0001": -1_150_000, "A0002": -1_100_000}
    checks = {check["name"]: check["count"] for check in finished.record["checks"]}
    assert checks == {"performance_year_of_six_months": 1}


def test_both_halves_of_2019_in_one_file_are_refused(tmp_path: Path) -> None:
    rows = [six_months("A0001", "1", Current_Start_Date="01/01/2016"), six_months("A0001", "1")]
    folder = written(tmp_path / "data", rows, SIX_MONTHS, "results_2019.csv")
    with pytest.raises(InputDataError, match="settle the two halves of 2019 from a file each"):
        run("mssp", period="PY2019", data=folder, out=tmp_path / "out")


def test_a_file_of_2019_without_the_length_of_the_year_is_refused(tmp_path: Path) -> None:
    rows = [six_months("A0001", "1")[1:]]
    folder = written(tmp_path / "data", rows, HEADER, "results_2019.csv")
    with pytest.raises(InputDataError, match="Participation_Six_Months"):
        run("mssp", period="PY2019", data=folder, out=tmp_path / "out")


PRIVATE = [losing("A0001", Current_Track="E"), losing("A0002", Current_Track="E"), losing("A0003", Current_Track="E")]


def test_private_revenue_gives_an_interval_and_never_a_guess(tmp_path: Path) -> None:
    finished = settled(tmp_path, PRIVATE)
    for status, reason, amount in results(finished, "owed_losses").values():
        # 30 percent of 3 million dollars, of which the emergency took five twelfths.
        assert (status, amount) == ("not_determinable", None)
        assert reason is not None
        assert reason.startswith("the ACO owes between 0.00 and 525000.00 dollars: the revenue of the participants")
    assert {one[0] for one in results(finished).values()} == {"not_determinable"}
    assert {one[0] for one in results(finished, "earned_savings").values()} == {"scored"}


def test_revenue_of_the_user(tmp_path: Path) -> None:
    folder = written(tmp_path / "data", PRIVATE)
    revenue = "provider_id,participant_revenue_usd\nA0001,5000000\nA0002,90000000.00\nA0003,much\nA0009,1\n"
    (folder / "participant_revenue.csv").write_text(revenue, encoding="utf-8")
    finished = run("mssp", period="PY2023", data=folder, out=tmp_path / "out")
    found = results(finished, "owed_losses")
    # Limited to 8 percent of 5 million dollars, less five twelfths.
    assert found["A0001"][0] == "scored"
    assert abs(found["A0001"][2] + Decimal(400_000) * 7 / 12) < Decimal("0.01")
    assert found["A0002"][0] == "scored"
    assert abs(found["A0002"][2] + 525_000) < Decimal("0.01")
    assert found["A0003"][::2] == ("not_determinable", None)
    assert finished.record["input_rows"] == {"in": 7, "accepted": 6, "rejected": 1}
    assert rejected(finished) == [("4", "participant_revenue_usd", "much", "not an amount of money such as 1234.50")]
    assert [check["name"] for check in finished.record["checks"]] == ["aco_without_results"]


def test_losses_of_an_aco_that_left_within_the_year(tmp_path: Path) -> None:
    finished = settled(tmp_path, [*ROWS, losing("A0004", Impact_Mid_Year_Termination="1")])
    status, reason, amount = results(finished, "owed_losses")["A0004"]
    assert (status, amount) == ("not_determinable", None)
    assert (
        reason
        == "the ACO owes between 0.00 and 700000.00 dollars: the months of participation in the year are not public"
    )


def test_what_rests_on_an_unread_parameter_says_so(tmp_path: Path) -> None:
    header = [*HEADER, "Guardrail"]
    started = {"Current_Start_Date": "01/01/2024"}
    rows = [[*line("A0001", **started), "1"], [*line("A0002", **started), "0"], [*line("A0003", **started), "-"]]
    folder = written(tmp_path / "data", rows, header, "results_2024.csv")
    finished = run("mssp", period="PY2024", data=folder, out=tmp_path / "out")
    unread = "parameters whose source has not been read: guardrail_withholds_savings"
    assert results(finished) == {
        "A0001": ("unverified", unread, 0),
        "A0002": ("scored", None, 2_205_000),
        "A0003": ("scored", None, 2_205_000),
    }


def test_a_parameter_that_does_not_fit(tmp_path: Path) -> None:
    written(tmp_path / "data", ROWS)
    for change in ("emergency_months=13", "sequestration_reduction=0.0200001", "maximum_sharing_rate.enhanced=1.2"):
        with pytest.raises(OpenvbpError, match=change.partition("=")[0].partition(".")[0]):
            run("mssp", period="PY2023", data=tmp_path / "data", out=tmp_path / "out", changes=(change,))


def test_a_what_if_is_settled_beside_the_rules_in_force(tmp_path: Path) -> None:
    finished = settled(tmp_path, ROWS, changes=("maximum_sharing_rate.enhanced=0.8", "sequestration_reduction=0"))
    rows = finished.read("payment_result", scenario_id="what_if", component_id="net").to_pylist()
    assert {row["amount"] for row in rows} == {2_400_000}
    assert {amount for _, _, amount in results(finished).values()} == {2_205_000}


def test_many_scenarios_keep_their_settlements(tmp_path: Path) -> None:
    rows = [f"s{number:02d},sequestration_reduction,0.{number:02d}" for number in range(60)]
    (tmp_path / "scenarios.csv").write_text("\n".join(["scenario_id,path,value", *rows]) + "\n", encoding="utf-8")
    finished = settled(tmp_path, ROWS, scenarios=tmp_path / "scenarios.csv")
    found = {
        row["scenario_id"]: row["amount"]
        for row in finished.read("payment_result", provider_id="A0001", component_id="net").to_pylist()
    }
    assert len(found) == 61
    assert found["actual"] == found["s02"] == 2_205_000
    assert (found["s00"], found["s50"]) == (2_250_000, 1_125_000)


def test_published_values_of_a_wrong_period(tmp_path: Path) -> None:
    folder = written(tmp_path / "data", ROWS)
    with pytest.raises(InputDataError, match="no file has results of 2022"):
        program("mssp").read_published_values(folder, "PY2022")
