"""Audits of published settlements find nothing; a contract and its restatement are taken apart to the cent."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conftest import published_data
from openvbp.audit.findings import findings, undetermined
from openvbp.cli import app
from openvbp.errors import UsageError
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder
from openvbp.settlement_audit import audit_settlement, compare_settlements

EXAMPLES = Path(__file__).parents[3] / "examples"
CONTRACT, CONTRACT_DATA = str(EXAMPLES / "aco-contract-from-tables.yaml"), EXAMPLES / "contract_data" / "aco"
LIMITED_BY_REVENUE = {
    "PY2018": {"A2392", "A3764"},
    "PY2021": set[str](),
    "PY2023": {"A1241", "A2308", "A2833", "A4627", "A4825", "A4924", "A5293"},
}


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


def test_a_contract_statement_is_taken_apart(tmp_path: Path) -> None:
    statement, out = EXAMPLES / "settlement_audit" / "statement.csv", tmp_path / "findings.csv"
    options = {"--contract": CONTRACT, "--data": CONTRACT_DATA, "--statement": statement, "--out": out}
    command = ["audit", "settlement", *(str(word) for option in options.items() for word in option), "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    said = [(row["quantity"], row["domain_id"], row["effect"]) for row in found["findings"]]
    assert said == [("net_expenditures", "children", "-208777.36"), ("savings_multiplier", None, "-135337.32")]
    assert found["providers"][0]["difference"] == "-344114.68" == str(Decimal("-208777.36") + Decimal("-135337.32"))
    assert "as if this step had not been taken" in found["findings"][0]["words"]
    with out.open(newline="", encoding="utf-8") as lines_of_file:
        rows = list(csv.DictReader(lines_of_file))
    assert [(row["quantity"], row["domain_id"] or None, row["effect"]) for row in rows] == said


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
