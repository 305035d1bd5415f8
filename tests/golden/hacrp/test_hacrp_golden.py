"""Total HAC Scores and payment reductions as published: every hospital of FY2015, FY2018-FY2021 and FY2024."""

from __future__ import annotations

import csv
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hacrp_published import (
    HAI,
    OWN_PERCENTILE,
    WITHOUT_EXEMPTION,
    hacrp_run,
    number,
    our_reductions,
    our_totals,
    published_file,
    published_reductions,
    published_rows,
)

from openvbp.parameters import load_parameters
from openvbp.programs import program
from openvbp.reporting.comparison import compare

HOSPITALS = {2015: 3_301, 2018: 3_305, 2019: 3_281, 2020: 3_223, 2021: 3_203, 2024: 3_129}
TOTALS = {2015: 3_262, 2018: 3_217, 2019: 3_251, 2020: 3_195, 2021: 3_150, 2024: 2_972}
REDUCTIONS = {2018: (749, 2_509), 2019: (800, 2_434), 2020: (786, 2_391), 2021: (774, 2_384), 2024: (728, 2_357)}
"""Published Yes and No; the cutoffs of section 3 of the rules lie between their scores."""
INTERVALS = {
    2018: ("0.3712", "0.3718"),
    2019: ("0.3429", "0.3431"),
    2020: ("0.3306", "0.3310"),
    2021: ("0.3383", "0.3386"),
    2024: ("0.3751", "0.3756"),
}
ROUNDING = Decimal("0.0001")


def expected_differences(comparison: str) -> list[dict[str, str]]:
    with Path(__file__).with_name("expected_differences.csv").open(newline="", encoding="utf-8") as lines:
        return [row for row in csv.DictReader(lines) if row["comparison"] == comparison]


@pytest.mark.parametrize("year", TOTALS)
def test_every_published_total_is_reproduced(year: int) -> None:
    published = {hospital: number(row["Total HAC Score"]) for hospital, row in published_rows(year).items()}
    ours = our_totals(year)
    assert len(published) == HOSPITALS[year]
    assert ours.keys() == published.keys()
    assert sum(score is not None for score in published.values()) == TOTALS[year]
    for hospital, score in published.items():
        mine = ours[hospital]
        assert (mine is None) == (score is None), hospital
        if mine is not None and score is not None:
            assert abs(mine - score) <= (0 if year == 2015 else ROUNDING), hospital


@pytest.mark.parametrize("year", REDUCTIONS)
def test_every_published_reduction_is_reproduced(year: int) -> None:
    published = published_reductions(year)
    counts = Counter(published.values())
    assert (counts["Yes"], counts["No"]) == REDUCTIONS[year]
    assert our_reductions(year) == published


def test_fy2015_cutoff_spares_the_ties() -> None:
    """The FY2015 file has no payment reductions; 137 hospitals are at the cutoff of 7 and are spared."""
    totals = [score for score in our_totals(2015).values() if score is not None]
    assert Counter(our_reductions(2015).values()) == {"Yes": 715, "No": 3_301 - 39 - 715, "": 39}
    assert sum(score >= 7 for score in totals) == 852


@pytest.mark.parametrize("year", INTERVALS)
def test_declared_cutoff_lies_where_the_published_reductions_put_it(year: int) -> None:
    rows = published_rows(year).values()
    scores = {
        word: [number(row["Total HAC Score"]) for row in rows if row["Payment Reduction"] == word]
        for word in ("Yes", "No")
    }
    highest_spared = max(score for score in scores["No"] if score is not None)
    lowest_penalised = min(score for score in scores["Yes"] if score is not None)
    assert (str(highest_spared), f"{lowest_penalised:.4f}") == INTERVALS[year]
    declared = load_parameters(program("hacrp").parameters_file)
    cutoff = declared.in_force(declared.period(f"FY{year}")).value("cutoff")
    assert highest_spared <= cutoff < lowest_penalised


@pytest.mark.parametrize("year", TOTALS)
def test_comparison_finds_the_expected_differences_and_no_others(year: int) -> None:
    hacrp = program("hacrp")
    published = hacrp.read_published_values(published_file(year), f"FY{year}")
    found = compare(hacrp_run(year), published, hacrp.tolerances)
    differences = [
        {
            "provider_id": row["provider_id"],
            "quantity": row["quantity"],
            "domain_id": row["domain_id"] or "",
            "ours": f"{row['ours'].normalize():f}",
            "published": "" if row["published"] is None else str(row["published"]),
        }
        for row in found.differences
    ]
    expected = [
        {name: row[name] for name in ("provider_id", "quantity", "domain_id", "ours", "published")}
        for row in expected_differences(f"FY{year}")
    ]
    assert differences == expected


def test_fy2024_z_scores_follow_from_the_results() -> None:
    """All 10,508 z-scores of infections with a printed ratio, computed from it, equal the published ones."""
    rows = hacrp_run(2024).read("measure_result", scenario_id="actual").to_pylist()
    ours = {(row["provider_id"], row["measure_id"]): row for row in rows}
    checked = 0
    for hospital, row in published_rows(2024).items():
        for name, measure_id in HAI.items():
            if number(row[f"{name} SIR"]) is None:
                continue
            mine = ours[hospital, measure_id]
            assert mine["status_reason"] == "z-score of the result", (hospital, measure_id)
            assert mine["points"] == number(row[f"{name} W Z Score"]), (hospital, measure_id)
            checked += 1
    assert checked == 10_508


def test_fy2024_psi_90_agrees_within_the_rounding_of_its_result() -> None:
    """The printed composite has four decimals, the published z-score was made from more of them."""
    steps = hacrp_run(2024).read("step_result", scenario_id="actual", measure_id="PSI-90", quantity="computed_z_score")
    computed = {row["provider_id"]: row["value"] for row in steps.to_pylist()}
    published = {hospital: number(row["PSI 90 W Z Score"]) for hospital, row in published_rows(2024).items()}
    both = [(computed[one], score) for one, score in published.items() if score is not None]
    rounding = Decimal("0.00005") / Decimal("0.1177556") + Decimal("0.00005")
    assert len(both) == 2_866
    assert max(abs(mine - score) for mine, score in both) <= rounding
    equal = sum(mine.quantize(ROUNDING, ROUND_HALF_UP) == score for mine, score in both)
    assert equal < 1_000, "were the printed result exact, most z-scores would be equal"


def test_fy2024_owed_data_get_the_highest_score() -> None:
    rows = hacrp_run(2024).read("step_result", scenario_id="actual", quantity="is_worst_score_assigned").to_pylist()
    assigned = [row for row in rows if row["value"] == 1]
    assert len(assigned) == 194
    published = published_rows(2024)
    highest = {
        one: max(number(row[f"{name} W Z Score"]) or -9 for row in published.values()) for name, one in HAI.items()
    }
    names = {measure_id: name for name, measure_id in HAI.items()}
    for row in assigned:
        measure_id = row["measure_id"]
        assert number(published[row["provider_id"]][f"{names[measure_id]} W Z Score"]) == highest[measure_id]


def test_fy2024_totals_by_hand() -> None:
    """The mean of the published z-scores in exact fractions: the rule without any of our code."""
    ours = our_totals(2024)
    for hospital, row in published_rows(2024).items():
        scores = [number(row[f"{name} W Z Score"]) for name in ("PSI 90", *HAI)]
        present = [Fraction(score) for score in scores if score is not None]
        if present:
            mean = sum(present) / len(present)
            assert abs(Fraction(ours[hospital]) - mean) <= Fraction(1, 20_000), hospital


@pytest.mark.parametrize("year", REDUCTIONS)
def test_own_percentile_differs_only_in_the_expected_hospitals(year: int) -> None:
    """The set that was ranked is not published; the percentile of the printed one is near, not equal."""
    ours = our_reductions(year, OWN_PERCENTILE)
    published = published_reductions(year)
    differences = [
        (hospital, ours[hospital], published[hospital])
        for hospital in sorted(published)
        if ours[hospital] != published[hospital]
    ]
    expected = expected_differences(f"FY{year} own percentile")
    assert differences == [(row["provider_id"], row["ours"], row["published"]) for row in expected]
    if year == 2024:
        assert len(differences) == 2


def test_fy2018_second_copies_are_rejected_and_counted() -> None:
    run = hacrp_run(2018)
    assert run.record["input_rows"] == {"in": 6_610, "accepted": 3_305, "rejected": 3_305}
    assert run.record["rejected_cells"] == 3_305


@pytest.mark.parametrize(
    ("scenario_id", "different"),
    [
        ("cutoff_below", 2),
        ("cutoff_above", 1),
        ("mean_too_low", 5),
        ("percentile_too_low", 10),
        ("without_psi_90", 200),
    ],
)
def test_a_wrong_parameter_is_seen(scenario_id: str, different: int) -> None:
    """The comparison can fail: each wrong parameter changes at least this many published reductions."""
    ours = our_reductions(2024, scenario_id)
    published = published_reductions(2024)
    assert sum(ours[hospital] != word for hospital, word in published.items()) >= different


def test_maryland_is_exempt_by_the_file_too() -> None:
    """Without the exempt state the file itself, which gives all others one, gives its hospitals no reduction."""
    assert our_reductions(2024, WITHOUT_EXEMPTION) == published_reductions(2024)
