"""Years whose whole files are not at hand: rows of the public use files of PY2016, PY2019 and PY2024.

The rules are those of the other years. PY2019 has a file for agreements that began on 2019-07-01 (its second half),
with thousands separators and percent signs.
PY2024 has shared savings below the minimum rate, the alternative quality standard and the guardrail of the benchmark.
"""

from __future__ import annotations

import csv
import functools
import tempfile
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from openvbp.parameters import load_parameters
from openvbp.pipeline import run
from openvbp.programs import program
from openvbp.programs.mssp import rules
from openvbp.reporting.comparison import compare
from openvbp.run_folder import RunFolder

_FOLDER = tempfile.TemporaryDirectory(prefix="openvbp-mssp-")
FILES = {"2016": 2016, "2019": 2019, "2019A": 2019, "2024": 2024}
ACOS = {"2016": 7, "2019": 11, "2019A": 8, "2024": 20}


def excerpt(name: str) -> Path:
    return Path(__file__).with_name(f"results_{name}_excerpt.csv")


@functools.cache
def mssp_run(name: str) -> RunFolder:
    return run("mssp", period=f"PY{FILES[name]}", data=excerpt(name), out=Path(_FOLDER.name) / name)


def published_rows(name: str) -> dict[str, dict[str, str]]:
    with excerpt(name).open(newline="", encoding="utf-8") as lines:
        return {row.get("ACO_ID") or row["ACO_Num"]: row for row in csv.DictReader(lines)}


def payments(name: str, component_id: str = "net") -> dict[str, dict]:
    rows = mssp_run(name).read("payment_result", scenario_id="actual", component_id=component_id).to_pylist()
    return {row["provider_id"]: row for row in rows}


def dollars(text: str) -> Fraction:
    return Fraction(text.replace(",", ""))


@pytest.mark.parametrize("name", FILES)
def test_every_aco_gets_what_was_published(name: str) -> None:
    """Within a dollar, and in the years of quality-scaled sharing within half of the score's last decimal."""
    ours, published = payments(name), published_rows(name)
    assert len(published) == ACOS[name] == len(ours)
    for one, row in published.items():
        rounding = Fraction(0)
        if FILES[name] < 2021 or dollars(row["EarnSaveLoss"]) < 0:
            rounding = abs(dollars(row["BnchmkMinExp"])) * Fraction(75, 100) * Fraction(5, 100_000)
        assert abs(Fraction(ours[one]["amount"]) - dollars(row["EarnSaveLoss"])) <= 1 + rounding, one
        assert ours[one]["status"] == "scored", one


@pytest.mark.parametrize("name", FILES)
def test_comparison_finds_no_difference(name: str) -> None:
    mssp = program("mssp")
    found = compare(mssp_run(name), mssp.read_published_values(excerpt(name), f"PY{FILES[name]}"), mssp.tolerances)
    assert found.differences == []
    compared = {one.quantity: one.published for one in found.quantities}
    for quantity in ("earned_savings_or_losses", "final_sharing_rate", "minimum_savings_rate", "savings_rate"):
        assert compared[quantity] == ACOS[name]


def test_py2024_shares_savings_below_the_minimum_at_half_the_rate() -> None:
    published = published_rows("2024")
    reduced = {one for one, row in published.items() if row["ReducedSS"] == "1"}
    assert len(reduced) == 4
    rows = mssp_run("2024").read("step_result", scenario_id="actual", quantity="is_sharing_reduced").to_pylist()
    assert {row["provider_id"] for row in rows if row["value"] == 1} == reduced
    # 20 percent instead of 40, less two percent.
    assert {payments("2024", "earned_savings")[one]["rate"] for one in reduced} == {Decimal("0.196")}


def final_sharing_rate(name: str, provider_id: str) -> Decimal:
    rows = mssp_run(name).read("step_result", scenario_id="actual", quantity="final_sharing_rate").to_pylist()
    return next(row["value"] for row in rows if row["provider_id"] == provider_id)


def test_py2024_scales_the_rate_of_the_alternative_standard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    row = published_rows("2024")["A4597"]
    assert (row["Met_QPS"], row["Met_AltQPS"], row["QualScore"], row["FinalShareRate"]) == ("0", "1", "72.79", "36.39")
    assert final_sharing_rate("2024", "A4597") == Decimal("0.36395")
    # Without the scaling the printed rate is missed.
    monkeypatch.setattr(rules, "_scaled_rate", lambda acos: acos.maximum_sharing_rate.cast("decimal(18, 12)"))
    changed = run("mssp", period="PY2024", data=excerpt("2024"), out=tmp_path / "out")
    mssp = program("mssp")
    found = compare(changed, mssp.read_published_values(excerpt("2024"), "PY2024"), mssp.tolerances)
    assert ("A4597", "final_sharing_rate") in {(one["provider_id"], one["quantity"]) for one in found.differences}


def test_py2024_losses_follow_the_quality_score_also_with_the_guardrail() -> None:
    published = published_rows("2024")
    losing = {one: row for one, row in published.items() if dollars(row["EarnSaveLoss"]) < 0}
    assert {one for one, row in losing.items() if row["Guardrail"] == "1"} == {"A4638", "A5386", "A5471"}
    for one, row in losing.items():
        assert round(-payments("2024", "owed_losses")[one]["rate"] * 100, 2) in (
            Decimal(row["FinalLossRate"]),
            Decimal(row["FinalLossRate"]) + Decimal("0.01"),
        )


def test_py2019_is_not_sequestered_and_its_halves_are_settled_apart() -> None:
    parameters = load_parameters(program("mssp").parameters_file)
    assert parameters.in_force(parameters.period("PY2019")).value("sequestration_reduction") == 0
    first, second = payments("2019"), payments("2019A")
    assert {"A1001", "A1033"} <= first.keys() & second.keys()
    assert first["A1001"]["amount"] != second["A1001"]["amount"]
    months = mssp_run("2019").record["checks"]
    assert [(check["name"], check["count"]) for check in months] == [("performance_year_of_six_months", 7)]
