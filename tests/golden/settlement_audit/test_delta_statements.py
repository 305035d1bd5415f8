"""What changed between two runs: of public use files with some inputs restated, of two years, of another program."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from conftest import ROOT, published_data
from openvbp.audit.findings import Replay
from openvbp.cli import app
from openvbp.errors import UsageError
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder
from openvbp.settlement_audit import compare_settlements

Row = dict[str, str]
KEPT = 14
STATEMENT = ROOT / "examples" / "hospital_statement"


def rows_of(year: int) -> list[Row]:
    with published_data("contracts", "mssp", f"puf_{year}.csv").open(newline="", encoding="utf-8-sig") as lines:
        return list(csv.DictReader(lines))


def settled(folder: Path, year: int, rows: Sequence[Row]) -> RunFolder:
    data = folder / f"puf_{year}.csv"
    with data.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return run("mssp", period=f"PY{year}", data=data, out=folder / f"RUN{year}")


def more_spending(row: Row) -> None:
    row["ABtotExp"] = str(int(row["ABtotExp"]) + 100_000)
    row["BnchmkMinExp"] = str(int(row["BnchmkMinExp"]) - 100_000)


def standard_not_met(row: Row) -> None:
    row["Met_QPS"] = row["Met_AltQPS"] = "0"


def other_track(row: Row) -> None:
    row["Current_Track"] = "A"


def other_name(row: Row) -> None:
    row["ACO_Name"] = "Renamed"


def other_score(row: Row) -> None:
    """Of an ACO that meets the standard: the score does not count."""
    row["QualScore"] = "70.00%"


EDITS: dict[Callable[[Row], None], list[str]] = {
    # restatement: what explains the change of money
    more_spending: ["expenditures"],
    # The second input was not given before: between the two, the outcome is not known.
    standard_not_met: ["is_quality_standard_met", "is_alternative_standard_met"],
    other_track: ["track"],
    other_score: [],
    other_name: [],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, RunFolder, dict[str, list[str]]]:
    """PY2023 of a few ACOs, restated; which ACO changed by what."""
    before = [row for row in rows_of(2023) if int(row["EarnSaveLoss"] or 0) > 10**6 and row["Met_QPS"] == "1"]
    before = [row for row in before if row["Current_Track"] in ("E", "EN")]
    # A file without agreements of the last years is not taken for one of 2023.
    newest = next(row for row in before if row["Current_Start_Date"].endswith("2023"))
    before = [*before[: KEPT - 2], newest, before[KEPT]]
    after = [dict(row) for row in before]
    causes = {}
    for row, (edit, quantities) in zip(after, EDITS.items(), strict=False):
        edit(row)
        causes[row["ACO_ID"]] = quantities
    folders = [tmp_path_factory.mktemp(name) for name in ("before", "after")]
    # The last ACO is in the first run alone.
    return settled(folders[0], 2023, before), settled(folders[1], 2023, after[:-1]), causes


def compared(before: RunFolder, after: RunFolder, *options: str) -> Result:
    return CliRunner().invoke(app, ["compare", str(before.path), str(after.path), *options])


def amounts(finished: RunFolder) -> dict[str, Decimal]:
    rows = finished.read("payment_result", component_id="net").to_pylist()
    return {row["provider_id"]: row["amount"].quantize(Decimal("0.01"), ROUND_HALF_UP) for row in rows}


def explained(one: Replay) -> Decimal:
    return sum((cause.effect or Decimal(0) for cause in one.causes), Decimal(0))


def test_exactly_the_restated_providers_change_and_are_explained(
    runs: tuple[RunFolder, RunFolder, dict[str, list[str]]],
) -> None:
    before, after, causes = runs
    found = compare_settlements(before, after)
    moved = {one.provider_id: one for one in found.replays if one.before != one.after}
    assert {name: [cause.quantity for cause in one.causes] for name, one in moved.items()} == {
        name: quantities for name, quantities in causes.items() if quantities
    }
    old, new = amounts(before), amounts(after)
    for one in found.replays:
        assert (one.before, one.after) == (old[one.provider_id], new[one.provider_id])
        assert explained(one) == one.difference
        assert one.remainder == 0
    assert len(found.replays) == KEPT - 1
    assert (len(found.only_before), len(found.only_after)) == (1, 0)


def test_the_delta_statement_counts_and_lists(runs: tuple[RunFolder, RunFolder, dict[str, list[str]]]) -> None:
    before, after, causes = runs
    result = compared(before, after)
    assert result.exit_code == 1
    assert f"providers in both           {KEPT - 1:>8}" in result.output
    assert "changed money                      3" in result.output
    assert "changed inputs, same money         1" in result.output
    assert f"without any change          {KEPT - 5:>8}" in result.output
    assert "only in the first run: 1 (" in result.output
    changes = json.loads(compared(before, after, "--json").stdout)["changes"]
    assert list(dict.fromkeys(row["provider_id"] for row in changes)) == list(causes)[:4]
    assert changes[-1]["effect"] == "0"
    assert "is quality standard met: was yes, is no: counted with the next" in result.output


def test_equal_runs_change_nothing(runs: tuple[RunFolder, RunFolder, dict[str, list[str]]]) -> None:
    result = compared(runs[0], runs[0])
    assert result.exit_code == 0
    assert "new less old                +$0.00" in result.output
    found = compare_settlements(runs[0], runs[0])
    assert all(one.causes == () and one.difference == 0 == one.remainder for one in found.replays)


def test_another_year_has_other_rules(runs: tuple[RunFolder, RunFolder, dict[str, list[str]]], tmp_path: Path) -> None:
    """PY2018 scaled the sharing rate by quality, PY2023 does not: what no input explains is that rule."""
    ours = amounts(runs[0])
    before = settled(tmp_path, 2018, [row for row in rows_of(2018) if row["ACO_ID"] in ours])
    found = compare_settlements(before, runs[0])
    assert found.replays
    scaled = 0
    for one in found.replays:
        assert one.difference is not None
        assert one.remainder is not None
        assert explained(one) + one.remainder == one.difference
        assert one.after == ours[one.provider_id]
        # Full sharing pays at least what scaled sharing pays.
        assert one.remainder >= 0
        scaled += one.remainder > 0
    assert scaled
    assert set(found.only_after) == ours.keys() - {one.provider_id for one in found.replays}


@pytest.fixture(scope="module")
def statements(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, RunFolder]:
    """A program that settles no account, before and after one factor is corrected."""
    folder = tmp_path_factory.mktemp("statements")
    shutil.copytree(STATEMENT, folder / "data")
    factors = folder / "data" / "factors.csv"
    first = run("hospital_statement", period="FY2015", data=STATEMENT, out=folder / "before")
    lines = factors.read_text(encoding="utf-8").splitlines()
    provider, program, _factor, rest = lines[1].split(",", 3)
    factors.write_text(
        "\n".join([lines[0], f"{provider},{program},0.9912,{rest}", *lines[2:]]) + "\n", encoding="utf-8"
    )
    return first, run("hospital_statement", period="FY2015", data=folder / "data", out=folder / "after")


def test_a_program_without_accounts_lists_inputs_steps_and_payments(statements: tuple[RunFolder, RunFolder]) -> None:
    result = compared(*statements)
    assert result.exit_code == 1
    assert "the changes have no dollars of their own" in result.output
    found = json.loads(compared(*statements, "--json").stdout)
    given = [row for row in found["values"] if row["is_given"]]
    assert [(row["changed"], row["only_before"], row["only_after"]) for row in given] == [(1, 0, 0)]
    old, new = (
        {(r["provider_id"], r["component_id"]): r for r in one.read("payment_result").to_pylist()} for one in statements
    )
    changed = {key for key in old if any(old[key][name] != new[key][name] for name in ("amount", "factor"))}
    assert changed
    assert {(row["provider_id"], row["component_id"]) for row in found["payments"]} == changed
    same = compared(statements[0], statements[0])
    assert same.exit_code == 0
    assert "Nothing changed." in same.output


def test_runs_of_two_programs_are_not_compared(
    runs: tuple[RunFolder, RunFolder, dict[str, list[str]]], statements: tuple[RunFolder, RunFolder]
) -> None:
    for before, after in ((runs[0], statements[0]), (statements[0], runs[0])):
        result = compared(before, after)
        assert isinstance(result.exception, UsageError)
        assert "give two runs of one program" in str(result.exception)
