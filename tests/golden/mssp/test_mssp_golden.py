"""Earned savings, owed losses and minimum savings rates as published: every ACO of eight performance years."""

from __future__ import annotations

import csv
import re
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from mssp_published import YEARS, acos, amounts, folder, is_right, mssp_run

from openvbp.pipeline import run
from openvbp.programs import program
from openvbp.reporting.comparison import compare
from openvbp.run_folder import RunFolder

ACOS = {2014: 333, 2015: 392, 2017: 472, 2018: 548, 2021: 475, 2022: 482, 2023: 453}
PAID_AND_OWING = {
    2014: (86, 0),
    2015: (119, 0),
    2017: (159, 11),
    2018: (205, 11),
    2021: (274, 0),
    2022: (304, 0),
    2023: (313, 20),
}
PAID_WITH_FULL_QUALITY = {2014: 21, 2015: 22, 2017: 20, 2018: 27}
"""Paid ACOs whose quality counts as 100 percent, so that nothing is rounded."""

AT_THE_BOUND = {"A2392", "A3764", "A2308", "A2833", "A4825", "A4924"}
"""Not determinable, and the published losses are the highest that are possible."""


def expected_differences(year: int) -> list[dict[str, str]]:
    with Path(__file__).with_name("expected_differences.csv").open(newline="", encoding="utf-8") as lines:
        return [row for row in csv.DictReader(lines) if row["period"] == f"PY{year}"]


@pytest.mark.parametrize("year", YEARS)
def test_every_aco_gets_what_was_published(year: int) -> None:
    published, ours = acos(year), amounts(mssp_run(year))
    assert len(published) == ACOS[year]
    assert ours.keys() == published.keys()
    counts = (sum(aco.earned > 0 for aco in published.values()), sum(aco.earned < 0 for aco in published.values()))
    assert counts == PAID_AND_OWING[year]
    wrong = sorted(one for one, aco in published.items() if not is_right(aco, ours[one]))
    assert wrong == [row["provider_id"] for row in expected_differences(year)]


@pytest.mark.parametrize("year", YEARS)
def test_what_differs_is_not_determinable_and_lies_in_the_stated_interval(year: int) -> None:
    rows = mssp_run(year).read("payment_result", scenario_id="actual", component_id="owed_losses").to_pylist()
    unknown = {row["provider_id"]: row for row in rows if row["status"] == "not_determinable"}
    expected = expected_differences(year)
    assert sorted(unknown) == [row["provider_id"] for row in expected]
    for row in expected:
        mine, published = unknown[row["provider_id"]], acos(year)[row["provider_id"]].earned
        assert mine["amount"] is None
        found = re.match(r"the ACO owes between 0\.00 and (\d+\.\d\d) dollars: the revenue", mine["status_reason"])
        assert found is not None
        highest = Fraction(found[1])
        assert (row["ours"], row["published"]) == ("", str(published))
        assert f"{row['highest']}" == found[1]
        assert 0 <= -published <= highest + 1
        assert (highest + published <= 1) == (row["provider_id"] in AT_THE_BOUND)


@pytest.mark.parametrize("year", PAID_WITH_FULL_QUALITY)
def test_paid_acos_with_full_quality_are_exact(year: int) -> None:
    ours = amounts(mssp_run(year))
    full = [
        one
        for one, aco in acos(year).items()
        if aco.earned > 0 and aco.ratio("QualScore") in (None, 1)  # None: paid for reporting
    ]
    assert len(full) == PAID_WITH_FULL_QUALITY[year]
    for one in full:
        amount = ours[one]
        assert amount is not None
        assert abs(Fraction(amount) - acos(year)[one].earned) <= 1, one


def steps(finished: RunFolder, quantity: str) -> dict[str, dict]:
    rows = finished.read("step_result", scenario_id="actual", quantity=quantity).to_pylist()
    return {row["provider_id"]: row for row in rows}


@pytest.mark.parametrize("year", YEARS)
def test_every_minimum_savings_rate_is_reproduced(year: int) -> None:
    """Computed by number of beneficiaries, or elected by a two-sided ACO; the printed rate is taken once, for 152."""
    rates = steps(mssp_run(year), "minimum_savings_rate")
    kinds: Counter[str] = Counter()
    for one, aco in acos(year).items():
        mine, printed = rates[one], aco.ratio("MinSavPerc")
        assert printed is not None
        decimals = len(aco.row["MinSavPerc"].rstrip("%").partition(".")[2]) + (2 if "%" in aco.row["MinSavPerc"] else 0)
        rounded = mine["value"].quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
        assert Fraction(rounded) == printed, one
        if mine["note"] is None:
            kinds["computed"] += 1
            assert aco.beneficiaries >= 500
        elif "elected" in mine["note"]:
            kinds["elected"] += 1
            assert aco.is_two_sided
            assert printed * 200 in range(5)
        else:
            kinds["printed"] += 1
            assert (one, aco.beneficiaries) == ("A05696", 152)
    assert kinds["computed"] >= sum(not aco.is_two_sided for aco in acos(year).values()) - 1
    assert kinds["printed"] == (1 if year == 2017 else 0)


def test_unrounded_comparison_decides_one_aco() -> None:
    """2.9826 and 2.9836 percent both print as 2.98 percent."""
    aco = acos(2021)["A2833"]
    assert (aco.row["Sav_Rate"], aco.row["MinSavPerc"]) == ("0.0298", "0.0298")
    assert (amounts(mssp_run(2021))["A2833"], aco.earned) == (0, 0)


@pytest.mark.parametrize("year", [2013, *YEARS])
def test_comparison_finds_the_expected_differences_and_no_others(year: int) -> None:
    mssp = program("mssp")
    published = mssp.read_published_values(folder(), f"PY{year}")
    finished = mssp_run(year)
    found = compare(finished, published, mssp.tolerances)
    compared = {one.quantity: one.published for one in found.quantities}
    count = finished.record["input_rows"]["accepted"]
    for quantity in ("earned_savings_or_losses", "minimum_savings_rate", "final_sharing_rate", "gross_savings"):
        assert compared[quantity] == count
    differences = [(row["provider_id"], row["quantity"], row["kind"]) for row in found.differences]
    assert differences == [
        (row["provider_id"], "earned_savings_or_losses", "only published") for row in expected_differences(year)
    ]


def test_py2013_is_settled_although_its_headers_are_shifted() -> None:
    finished = mssp_run(2013)
    assert [check["name"] for check in finished.record["checks"]] == ["headers_moved", "file_of_another_year"]
    ours = amounts(finished)
    with (folder() / "puf_2013.csv").open(newline="", encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 220 == len(ours)
    paid = owing = 0
    for row in rows:
        # The column after each header's own holds its numbers.
        saved, lost = (
            row[name].replace("$", "") for name in ("Shared Losses ($)", "Total number of assigned beneficiaries")
        )
        published = Fraction(saved or 0) + Fraction(lost or 0)
        assert abs(Fraction(ours[row["ACO Identifier"]]) - published) <= 1, row["ACO Identifier"]
        paid, owing = paid + (published > 0), owing + (published < 0)
    assert (paid, owing) == (52, 1)


def test_the_file_alone_gives_the_same_as_the_folder(tmp_path: Path) -> None:
    alone = run("mssp", period="PY2023", data=folder() / "puf_2023.csv", out=tmp_path / "out")
    assert amounts(alone) == amounts(mssp_run(2023))


def test_revenue_makes_losses_determinable(tmp_path: Path) -> None:
    """With the revenue that the published losses imply, they are reproduced: 8 percent of it in BASIC E, 2 in C."""
    limits = {"A1241": Fraction(8, 100), "A4627": Fraction(8, 100), "A5293": Fraction(2, 100)}
    lines = ["provider_id,participant_revenue_usd"]
    for one, share in limits.items():
        aco = acos(2023)[one]
        limited = -aco.earned + abs(aco.dollars("DisAdj"))
        lines.append(f"{one},{float(limited / share):.2f}")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "puf_2023.csv").write_bytes((folder() / "puf_2023.csv").read_bytes())
    (tmp_path / "data" / "participant_revenue.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    finished = run("mssp", period="PY2023", data=tmp_path / "data", out=tmp_path / "out")
    ours = amounts(finished)
    for one in limits:
        assert is_right(acos(2023)[one], ours[one]), one
    assert ours["A2308"] is None


def test_earned_savings_leave_something_and_no_limit_is_exceeded() -> None:
    for year in YEARS:
        rows = mssp_run(year).read("payment_result", scenario_id="actual", component_id="earned_savings").to_pylist()
        limits = steps(mssp_run(year), "performance_payment_limit")
        for row in rows:
            assert 0 <= row["amount"] <= limits[row["provider_id"]]["value"]
            assert row["amount"] < row["base_amount"] or row["amount"] == 0
        capped = {row["provider_id"] for row in rows if row["is_cap_applied"]}
        assert capped == {2017: {"A00755"}, 2018: {"A1409"}}.get(year, set())
