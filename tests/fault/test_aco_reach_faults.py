"""Tables of REACH ACOs with every mistake, and what holds for all settlements."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from openvbp.errors import InputDataError, UsageError
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder
from openvbp.settlement_audit import audit_settlement

EXAMPLE = Path(__file__).parents[2] / "examples" / "aco_reach"
HEADER = (
    "provider_id,provider_name,agreement,aged_disabled_months,aged_disabled_benchmark_pbpm,esrd_months,"
    "esrd_benchmark_pbpm,expenditures,quality_score,is_retention_earned,reference_risk_score,risk_score"
)
GOOD = "A,One,global,1000,1000.00,0,0,950000.00,1,yes,,"


def settle(folder: Path, *rows: str, period: str = "PY2023", changes: tuple[str, ...] = ()) -> RunFolder:
    (folder / "aco_results.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return run("aco_reach", period=period, data=folder, out=folder / "RUN", changes=changes)


def test_wrong_rows_are_rejected_and_counted(tmp_path: Path) -> None:
    wrong = [
        "B,Two,direct,1000,1000.00,0,0,950000.00,1,yes,,",
        "C,Three,global,0,1000.00,0,0,950000.00,1,yes,,",
        "D,Four,global,1000,1000.00,0,0,950000.00,92,yes,,",
        "E,Five,global,1000,1000.00,0,0,950000.00,1,yes,1.02,",
        "F,Six,global,1000,1000.00,0,0,much,1,yes,,",
    ]
    finished = settle(tmp_path, GOOD, *wrong)
    rows = pq.read_table(finished.path / "rejected" / "cells.parquet").to_pylist()
    assert {row["provider_id"]: row["reason"] for row in rows} == {
        "B": "not one of global, professional",
        "C": "a benchmark cannot be made of zero months",
        "D": "above 1: give a share",
        "E": "give both risk scores or none",
        "F": "not an amount of money such as 1234.50",
    }
    assert finished.record["input_rows"] == {"in": 6, "accepted": 1, "rejected": 5}


def test_an_aco_twice_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="contradict each other"):
        settle(tmp_path, GOOD, GOOD.replace("950000", "940000"))


def test_a_missing_score_is_not_zero(tmp_path: Path) -> None:
    finished = settle(tmp_path, GOOD, "B,Two,global,1000,1000.00,0,0,950000.00,,yes,,", period="PY2025")
    rows = {row["provider_id"]: row for row in finished.read("payment_result").to_pylist()}
    assert (rows["B"]["status"], rows["B"]["amount"]) == ("not_determinable", None)
    assert "quality score" in rows["B"]["status_reason"]
    assert rows["A"]["status"] == "unverified"
    assert rows["A"]["status_reason"].startswith("parameters whose source has not been read: ")
    assert {"quality_withhold", "benchmark_discount.global"} == set(
        rows["A"]["status_reason"].partition(": ")[2].split(", ")
    )


def test_only_who_lost_the_retention_withhold_depends_on_its_size(tmp_path: Path) -> None:
    row = "{0},X,{1},1000,1000.00,0,0,950000.00,0.9,{2},,"
    rows = [
        row.format(f"{kind}-{left}", kind, left) for kind in ("global", "professional") for left in ("yes", "no", "")
    ]
    found = {
        row["provider_id"]: row for row in settle(tmp_path, *rows, period="PY2023").read("payment_result").to_pylist()
    }
    assert {name: row["status"] for name, row in found.items()} == {
        "global-yes": "scored",
        "global-no": "unverified",
        "global-": "scored",
        "professional-yes": "scored",
        "professional-no": "unverified",
        "professional-": "scored",
    }
    # 1,000,000 less 3 %, less a tenth of the 2 % withheld, less what was spent: all of it up to 25 %.
    assert found["global-yes"]["amount"] == Decimal("18060.00")
    assert found["global-no"]["status_reason"].endswith("not been read: retention_withhold")


def test_terms_change_with_the_years(tmp_path: Path) -> None:
    amounts = {}
    for period in ("PY2022", "PY2023", "PY2026"):
        (tmp_path / period).mkdir()
        rows = [
            GOOD.replace("950000", "700000").replace(",1,yes", ",0.5,"),
            GOOD.replace("A,", "B,").replace("global", "professional"),
        ]
        finished = settle(tmp_path / period, *rows, period=period)
        amounts[period] = {row["provider_id"]: row["amount"] for row in finished.read("payment_result").to_pylist()}
    # Benchmark less discount, less half of the withhold of 5, 2 and 5 %; in 2026 half of what exceeds 10 %.
    assert amounts["PY2022"]["A"] == Decimal("980000") - Decimal("24500") - 700000 - Decimal("5250.00")
    assert amounts["PY2023"]["A"] == Decimal("970000") - Decimal("9700") - 700000 - Decimal("8900.00")
    assert amounts["PY2026"]["A"] == 96000 + (Decimal("960000") - 24000 - 700000 - 96000) / 2
    assert {one["B"] for one in amounts.values()} == {Decimal("25000.00")}


def test_from_2026_on_growth_is_capped_above_2019(tmp_path: Path) -> None:
    header = HEADER + ",risk_score_2019"
    rows = [
        "A,One,professional,1000,1000.00,0,0,950000.00,1,yes,1.00,1.02,0.96",
        "B,Two,professional,1000,1000.00,0,0,950000.00,1,yes,1.00,1.02,",
    ]
    (tmp_path / "aco_results.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    finished = run("aco_reach", period="PY2026", data=tmp_path, out=tmp_path / "RUN")
    found = {row["provider_id"]: row for row in finished.read("payment_result").to_pylist()}
    assert (found["A"]["base_amount"], found["A"]["status"]) == (Decimal("38800.00"), "unverified")
    assert (found["B"]["amount"], found["B"]["status"]) == (None, "not_determinable")
    assert "2019" in found["B"]["status_reason"]


def test_years_without_parameters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose a period from PY2021 to PY2026"):
        settle(tmp_path, GOOD, period="PY2020")


def test_settlements_are_monotone_and_bounded(tmp_path: Path) -> None:
    """Two hundred random ACOs, each again with higher quality and with one dollar less spent."""
    random.seed(7)
    rows = []
    for number in range(200):
        agreement = random.choice(["global", "professional"])
        months, spent = random.randint(500, 9000), random.randint(200, 1900)
        score, earned = random.randint(0, 90), random.choice(["yes", "no", ""])
        for variant, quality, less in (("a", score, 0), ("b", score + 10, 0), ("c", score, 1)):
            spending = months * spent - less
            rows.append(
                f"{number:03}{variant},X,{agreement},{months},1000.00,0,0,{spending}.00,{quality / 100},{earned},,"
            )
    found = {row["provider_id"]: row for row in settle(tmp_path, *rows).read("payment_result").to_pylist()}
    for number in range(200):
        plain, better, cheaper = (found[f"{number:03}{variant}"] for variant in "abc")
        assert abs(plain["amount"]) <= abs(plain["base_amount"])
        assert plain["amount"] * plain["base_amount"] >= 0
        assert better["amount"] >= plain["amount"]
        assert plain["amount"] <= cheaper["amount"] <= plain["amount"] + 1


def test_a_statement_is_audited(tmp_path: Path) -> None:
    statement = tmp_path / "statement.csv"
    statement.write_text(
        "provider_id,quantity,value\nD0003,discounted_benchmark,57900000.00\nD0003,shared_savings_or_losses,14316375.00\n",
        encoding="utf-8",
    )
    found = audit_settlement("aco_reach", period="PY2025", data=EXAMPLE, statement=statement, out=tmp_path / "RUN")
    (one,) = found.replays
    assert [cause.quantity for cause in one.causes] == ["discounted_benchmark", "shared_savings_or_losses"]
    assert sum((cause.effect or Decimal(0) for cause in one.causes), one.before or Decimal(0)) == one.after
