"""Audits of published settlements find nothing; errors put into a copy are found where they are, to the dollar."""

from __future__ import annotations

import csv
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conftest import published_data
from openvbp.audit.findings import findings, undetermined
from openvbp.audit.statement import Known, read_statement
from openvbp.cli import app
from openvbp.errors import InputDataError, UsageError
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder
from openvbp.settlement_audit import SettlementReplay, audit_settlement, compare_settlements

EXAMPLES = Path(__file__).parents[3] / "examples"
CONTRACT, CONTRACT_DATA = str(EXAMPLES / "aco-contract.yaml"), EXAMPLES / "contract_data" / "aco"
LIMITED_BY_REVENUE = {
    "PY2018": {"A2392", "A3764"},
    "PY2021": set[str](),
    "PY2023": {"A1241", "A2308", "A2833", "A4627", "A4825", "A4924", "A5293"},
}
Row = dict[str, str]


def puf(year: int) -> Path:
    return published_data("contracts", "mssp", f"puf_{year}.csv")


@pytest.mark.parametrize("period", LIMITED_BY_REVENUE)
def test_public_files_depart_from_the_rules_nowhere(period: str, tmp_path: Path) -> None:
    path = puf(int(period[2:]))
    found = audit_settlement("mssp", period=period, data=path, statement=path, out=tmp_path / "RUN")
    assert findings(found.replays) == []
    open_ones = undetermined(found.replays)
    assert {one.provider_id for one in open_ones} == LIMITED_BY_REVENUE[period]
    for one in open_ones:
        assert one.after is not None
        assert one.lowest is not None
        assert one.lowest - 1 <= one.after <= 0


def dollars(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


def no_sequestration(row: Row) -> None:
    """Payment before the two percent."""
    row["EarnSaveLoss"] = str(round(dollars(row["EarnSaveLoss"]) / Decimal("0.98")))


def second_dollar(row: Row) -> None:
    """Only what is above the minimum is shared."""
    minimum = Decimal(row["MinSavPerc"].rstrip("%")) / 100
    kept = dollars(row["BnchmkMinExp"]) - minimum * dollars(row["ABtotBnchmk"])
    share = Decimal(row["FinalShareRate"].rstrip("%")) / 100
    row["EarnSaveLoss"] = str(round(kept * share * Decimal("0.98")))


def other_share(row: Row) -> None:
    """Half of the track's sharing rate."""
    share = Decimal(row["FinalShareRate"].rstrip("%")) / 2
    row["FinalShareRate"] = f"{share}%"
    row["EarnSaveLoss"] = str(round(dollars(row["BnchmkMinExp"]) * share / 100 * Decimal("0.98")))


ERRORS: dict[Callable[[Row], None], str] = {
    no_sequestration: "earned_savings_or_losses",
    second_dollar: "earned_savings_or_losses",
    other_share: "final_sharing_rate",
}


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], SettlementReplay]:
    """A statement of PY2022 with one error in each of three ACOs, and its audit."""
    folder = tmp_path_factory.mktemp("seeded")
    with puf(2022).open(newline="", encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    winners = [row for row in rows if row["FinalShareRate"] == "75.00%" and dollars(row["EarnSaveLoss"]) > 10**6]
    wrong = {}
    for row, (error, quantity) in zip(winners, ERRORS.items(), strict=False):
        error(row)
        wrong[row["ACO_ID"]] = quantity
    statement = folder / "puf_2022.csv"
    with statement.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    found = audit_settlement("mssp", period="PY2022", data=puf(2022), statement=statement, out=folder / "RUN")
    return wrong, found


def test_each_error_is_found_where_it_is(seeded: tuple[dict[str, str], SettlementReplay]) -> None:
    wrong, found = seeded
    departing = {one.provider_id: [cause.quantity for cause in one.causes] for one in findings(found.replays)}
    assert departing == {provider: [quantity] for provider, quantity in wrong.items()}


def test_the_dollars_add_up(seeded: tuple[dict[str, str], SettlementReplay]) -> None:
    for one in findings(seeded[1].replays):
        assert one.before is not None
        assert one.after is not None
        assert one.remainder is not None
        # The public use file prints dollars.
        assert abs(one.remainder) <= Decimal("0.50")
        assert sum(cause.effect or 0 for cause in one.causes) + one.remainder == one.after - one.before != 0


def lines(folder: Path, *rows: str) -> Path:
    path = folder / "statement.csv"
    path.write_text("\n".join(["line,population,value", *rows]) + "\n", encoding="utf-8")
    return path


def test_a_contract_statement_is_taken_apart(tmp_path: Path) -> None:
    statement = EXAMPLES / "settlement_audit" / "statement.csv"
    found = audit_settlement(CONTRACT, period="", data=CONTRACT_DATA, statement=statement, out=tmp_path / "RUN")
    (one,) = found.replays
    assert [(cause.quantity, cause.domain_id) for cause in one.causes] == [
        ("net_expenditures", "children"),
        ("savings_multiplier", None),
    ]
    effects = [cause.effect for cause in one.causes]
    assert effects == [Decimal("-208777.36"), Decimal("-135337.32")]
    assert one.after == Decimal("739403.92") == (one.before or 0) + sum(effect or 0 for effect in effects)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("target bugdet,,1", "a line is not known"),
        ("target budget,,one", "a value is not a number"),
        ("", "the statement has no lines"),
        ("target budget,,1\ntarget budget,,2", "a line stands twice"),
    ],
)
def test_unreadable_statements(tmp_path: Path, row: str, words: str) -> None:
    statement = lines(tmp_path, *([row] if row else []))
    with pytest.raises(InputDataError, match=words):
        read_statement(statement, Known({"target_budget": "usd", "net_settlement": "usd"}, ["northern_valley"]))


def test_programs_without_accounts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not settle an account"):
        audit_settlement("hvbp", period="FY2024", data=tmp_path, statement=tmp_path, out=tmp_path / "RUN")


@pytest.fixture(scope="module")
def restated(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, RunFolder]:
    """The example contract before and after corrected data of one population."""
    folder = tmp_path_factory.mktemp("restated")
    data = folder / "data"
    data.mkdir()
    for path in CONTRACT_DATA.iterdir():
        text = path.read_text(encoding="utf-8")
        (data / path.name).write_text(text.replace("67924800.00,1.030", "68100000.00,1.035"), encoding="utf-8")
    before = run(CONTRACT, period="", data=CONTRACT_DATA, out=folder / "before")
    return before, run(CONTRACT, period="", data=data, out=folder / "after")


def test_a_restatement_is_explained_to_the_cent(restated: tuple[RunFolder, RunFolder]) -> None:
    found = compare_settlements(*restated)
    (one,) = found.replays
    assert [(cause.quantity, cause.domain_id) for cause in one.causes] == [
        ("expenditures", "adults"),
        ("risk_score", "adults"),
    ]
    net = [run.read("payment_result", component_id="net").to_pylist()[0]["amount"] for run in restated]
    assert sum(cause.effect or 0 for cause in one.causes) == net[1] - net[0] != 0


def test_no_change_is_zero_change(restated: tuple[RunFolder, RunFolder]) -> None:
    path = str(restated[0].path)
    result = CliRunner().invoke(app, ["compare", path, path])
    assert result.exit_code == 0
    assert "changed money                      0" in result.output
    assert all(
        one.causes == () and one.before == one.after for one in compare_settlements(restated[0], restated[0]).replays
    )


def test_a_finding_is_an_exit_code(tmp_path: Path) -> None:
    statement = lines(tmp_path, "net settlement,,0")
    command = [
        "audit",
        "settlement",
        "--contract",
        CONTRACT,
        "--data",
        str(CONTRACT_DATA),
        "--statement",
        str(statement),
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "statement less rules        -$1,083,518.60" in result.output
