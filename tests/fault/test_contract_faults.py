"""Contract files and their tables with every mistake: an error in the user's words, or a counted rejection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from openvbp.errors import InputDataError, UsageError
from openvbp.pipeline import run
from openvbp.programs.contract.contract_file import read_contract
from openvbp.run_folder import RunFolder

CONTRACT: dict[str, Any] = {
    "contract": "c",
    "title": "A contract",
    "parties": {"payer": "P", "contractor": "C", "contractor_id": "c1"},
    "performance_periods": {"PY2025": {"first_day": "2025-01-01", "last_day": "2025-12-31"}},
    "payment_model": "two_sided",
    "attribution": {"rule": "plurality"},
    "budget": {"amounts": {"adults": 400}},
    "savings": {"corridors": [{"to": "0.05", "share": "0.5"}, {"share": "0.25"}]},
    "losses": {"corridors": [{"share": "0.4"}], "cap": "0.05"},
    "quality": {"measures": {"m1": {"target": "0.7", "minimum_denominator": 30}}},
    "distribution": {"practices": {"member_months": 1}},
}
EXPERIENCE = "population,year,member_months,expenditures\nadults,2025,1000,380000.00\n"
QUALITY = "measure_id,year,numerator,denominator\nm1,2025,80,100\n"
PARTICIPANTS = "participant_id,name,practice_id,member_months\np1,One,,600\np2,Two,,400\n"


def changed(path: str, value: Any) -> dict[str, Any]:
    """The contract with one term changed, added or (by ``None``) removed."""
    document = yaml.safe_load(yaml.safe_dump(CONTRACT))
    *sections, last = path.split(".")
    place = document
    for name in sections:
        place = place[int(name)] if isinstance(place, list) else place.setdefault(name, {})
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document


def written(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "contract.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def settle(
    folder: Path,
    document: dict[str, Any] = CONTRACT,
    experience: str = EXPERIENCE,
    quality: str = QUALITY,
    participants: str = PARTICIPANTS,
    changes: tuple[str, ...] = (),
) -> RunFolder:
    (folder / "experience.csv").write_text(experience, encoding="utf-8")
    (folder / "quality.csv").write_text(quality, encoding="utf-8")
    (folder / "participants.csv").write_text(participants, encoding="utf-8")
    return run(str(written(folder, document)), period="", data=folder, out=folder / "RUN", changes=changes)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("savings.corridors", [{"to": "0.05", "share": 1.5}], "1.5 is not a share between 0 and 1"),
        ("savings.corridors", [{"to": "0.05", "share": 50}], "for 50 percent write 0.5"),
        ("savings.corridors", [{"to": "0.05", "share": 0.5}, {"from": "0.04", "share": 0.2}], "overlaps the corridor"),
        ("savings.corridors", [{"to": "0.05", "share": 0.5}, {"from": "0.06", "share": 0.2}], "leaves a gap"),
        ("savings.corridors", [{"share": 0.5}, {"share": 0.2}], "follows a corridor without end"),
        ("savings.corridors", [{"from": "0.05", "to": "0.05", "share": 0.5}], "ends at 0.05, but begins at 0.05"),
        ("savings.corridors", [], "expected at least one entry"),
        ("savings.minimum_rat", "0.02", "did you mean 'minimum_rate'?"),
        ("risk_corridor", {}, "there is no term 'risk_corridor'"),
        ("savings.is_first_dollar", "perhaps", "expected true or false"),
        ("payment_model", "shared", "expected 'pay_for_quality', 'upside_only'"),
        ("payment_model", "upside_only", "losses: contradicts the model upside_only"),
        ("losses", None, "losses: a contract of the model two_sided needs this section"),
        ("budget.amounts", {}, "names no population"),
        ("budget.amounts", {"adults": 0}, "an amount is zero"),
        ("budget.amounts", {"adults": "four hundred"}, "'four hundred' is not an amount of money"),
        ("budget.baseline_weights", {2024: 1}, "not both"),
        ("budget", {"baseline_weights": {2023: "0.5", 2024: "0.4"}, "annual_trend": 0}, "add up to 0.9, not to 1"),
        ("budget", {"baseline_weights": {2024: 1}}, "annual_trend is missing"),
        ("quality.measures", {"m1": {}}, "has no target"),
        ("quality.measures", {"m1": {"compared_with": "state", "target": "0.7"}}, "is compared with the state rate"),
        ("quality.savings_ladder", {"steps": [{"score": "0.5", "multiplier": 1}]}, "scores below 0.5"),
        (
            "quality.savings_ladder",
            {"steps": [{"score": 0, "multiplier": 1}, {"score": "0.5", "multiplier": 0}]},
            "better quality earns less",
        ),
        ("withhold", {"share": "5 %"}, "nothing says which part quality earns"),
        ("distribution.practices", {"member_months": "0.6"}, "the parts add up to 0.6, not to 1"),
        ("performance_periods.PY2026", {"first_day": "2025-06-01", "last_day": "2026-05-31"}, "overlaps the period"),
        ("performance_periods.PY2025.first_day", "soon", "expected a date such as 2025-01-01"),
        ("framework", {"name": "new_york_medicaid_vbp", "level": 1}, "level 1 shares savings only"),
        ("framework", {"name": "new_york_medicaid_vbp", "level": 3}, "level 3 is a prospective amount"),
        ("parties.payer", None, "parties.payer: this term is missing"),
        ("title", "", "this term is empty"),
    ],
)
def test_a_wrong_term_is_explained(tmp_path: Path, path: str, value: Any, words: str) -> None:
    with pytest.raises(InputDataError) as caught:
        read_contract(written(tmp_path, changed(path, value)))
    assert words in str(caught.value)
    assert "contract.yaml" in str(caught.value)


def test_all_errors_come_together_each_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text("contract: c\ntitle: T\nbudget:\n  amounts: {adults: 400}\n  unit: years\nsavings:\n  cap: 2\n")
    with pytest.raises(InputDataError) as caught:
        read_contract(path)
    found = {problem.what.partition(":")[0]: problem.where for problem in caught.value.problems}
    assert found["budget.unit"].endswith("line 5")
    assert found["savings.cap"].endswith("line 7")
    assert {"parties", "performance_periods", "payment_model", "attribution", "savings.corridors"} <= found.keys()


@pytest.mark.parametrize("text", ["- a list", "", "a: [1", "a: 1\na: 2"])
def test_what_is_no_contract_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputDataError):
        read_contract(path)


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="contract file cannot be read"):
        run(str(tmp_path / "none.yaml"), period="", data=tmp_path, out=tmp_path / "RUN")


def test_guidelines_of_a_framework_only_warn(tmp_path: Path) -> None:
    document = changed("framework", {"name": "new_york_medicaid_vbp", "level": 2})
    document["losses"] = {"corridors": [{"share": "0.1"}], "cap": "0.02"}
    warnings = [one.what for one in read_contract(written(tmp_path, document)).warnings]
    assert any("0.1 of the losses, the roadmap asks for at least 0.20" in one for one in warnings)
    assert any("capped at 0.02 of the budget, the roadmap asks for at least 0.03" in one for one in warnings)
    assert all("not verified" in one for one in warnings)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"experience": EXPERIENCE.replace("1000", "0")}, "a budget cannot be made of zero member months"),
        ({"experience": EXPERIENCE.replace("adults", "children")}, "no row can be used"),
        ({"experience": EXPERIENCE + "adults,2025,900,1.00\n"}, "rows contradict each other"),
        ({"experience": EXPERIENCE.replace("member_months", "members")}, "columns are missing"),
        ({"quality": QUALITY.replace("m1", "m2")}, "no row can be used"),
        ({"quality": QUALITY.replace("80,100", "101,100")}, "no row can be used"),
        ({"participants": PARTICIPANTS.replace("Two,,", "Two,p9,")}, "a practice that is not in the file"),
        ({"participants": PARTICIPANTS.replace("600", "0").replace("400", "0")}, "its weights are all zero"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, tables: dict[str, str], words: str) -> None:
    with pytest.raises(InputDataError, match=words):
        settle(tmp_path, **tables)


def test_missing_years_and_risk_scores_are_named(tmp_path: Path) -> None:
    document = changed("budget", {"baseline_weights": {2024: 1}, "annual_trend": "0.03", "is_risk_adjusted": True})
    with pytest.raises(InputDataError) as caught:
        settle(tmp_path, document)
    text = str(caught.value)
    assert "populations lack a year" in text
    assert "adults 2024" in text
    assert "the budget follows the risk score" in text


def test_foreign_rows_are_rejected_and_counted(tmp_path: Path) -> None:
    experience = EXPERIENCE + "adults,2019,1,1.00\nseniors,2025,5,1.00\n"
    finished = settle(tmp_path, experience=experience)
    rows = pq.read_table(finished.path / "rejected" / "cells.parquet").to_pylist()
    assert {(row["row_number"], row["reason"]) for row in rows} == {
        ("3", "not one of the years 2025"),
        ("4", "not a population of the contract: adults"),
    }
    assert finished.record["input_rows"]["rejected"] == 2


def test_unknown_quality_makes_the_settlement_not_determinable(tmp_path: Path) -> None:
    finished = settle(tmp_path, quality=QUALITY.replace("80,100", "20,29"))
    payments = {row["component_id"]: row for row in finished.read("payment_result").to_pylist()}
    assert payments["net"]["status"] == "not_determinable"
    assert payments["net"]["amount"] is None
    assert "no measure has enough cases" in payments["net"]["status_reason"]
    assert payments["distribution_to_practice"]["amount"] is None


def test_scenarios_must_not_contradict(tmp_path: Path) -> None:
    document = changed("savings.corridors", [{"to": "0.05", "share": "0.5"}, {"to": "0.10", "share": "0.25"}])
    with pytest.raises(UsageError, match="corridors of savings overlap"):
        settle(tmp_path, document, changes=("savings_corridor_end.1=0.20",))


def test_a_scenario_changes_the_money(tmp_path: Path) -> None:
    finished = settle(tmp_path, changes=("savings_corridor_share.1=0.6",))
    net = {
        row["scenario_id"]: row["amount"]
        for row in finished.read("payment_result", component_id="net", provider_id="c1").to_pylist()
    }
    assert net["actual"] == 10000
    assert net["what_if"] == 12000
