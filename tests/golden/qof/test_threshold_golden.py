"""What the published points of Scotland say about the workbook's thresholds, year by year."""

from __future__ import annotations

import functools
from dataclasses import replace
from decimal import Decimal

import duckdb
import pytest
from qof_published import YEARS, accepted_differences, folder, indicators

from conftest import ROOT
from openvbp.audit.threshold_behaviour import CUTS, bunching, exclusion, leakage
from openvbp.audit.threshold_findings import Finding, findings
from openvbp.audit.threshold_report import render
from openvbp.audit.thresholds import ThresholdAudit, audit_thresholds
from openvbp.program import PublishedPoints
from openvbp.programs.qof import PROGRAM
from openvbp.programs.qof.published_values import declared_points, recorded_departures

PARAMETERS = PROGRAM.parameters
PAGE = ROOT / "docs" / "how-to" / "audit-thresholds.md"
SHOWN = "2014/15"


@functools.cache
def published(year: str) -> PublishedPoints:
    """The indicators with a fraction, read by hand; all of the year that the page shows."""
    scenario = PARAMETERS.in_force(PARAMETERS.period(year))
    declared = {
        one: rule
        for one, rule in declared_points("scotland", scenario).items()
        if rule.upper is not None or year == SHOWN
    }
    count = "case {0} when '-' then 0 else try_cast({0} as bigint) end"
    # The file of 2013/14 prints DM010 as DM0010.
    code = "replace(replace(indicator, '(S)', ''), 'DM0010', 'DM010')"
    sql = f"""
        select practice provider_id, {code} measure_id, {count.format("num")} numerator,
            {count.format("denom")} denominator, nullif(try_cast(register as bigint), -9999) population,
            coalesce(num = '*' or denom = '*', false) is_masked, replace(points_achieved, '-', '0') points,
            points_available maximum_points
        from {indicators(year)} where {code} in {tuple(sorted(declared))} order by all"""
    with duckdb.connect() as connection:
        rows = connection.sql(sql).to_arrow_table()
    return PublishedPoints(rows, 0, declared, recorded_departures("scotland", scenario))


@functools.cache
def audited(year: str) -> tuple[ThresholdAudit, list[Finding]]:
    program = replace(
        PROGRAM, own_parameters=PARAMETERS, read_published_points=lambda _data, _scenario: published(year)
    )
    audit = audit_thresholds(program, period=year, data=folder())
    return audit, findings(audit)


@pytest.mark.parametrize(
    ("year", "declared", "inferred", "rows"),
    [
        ("2010/11", 63_652, 63_652, 63_652),
        ("2011/12", 61_301, 61_301, 61_301),
        ("2013/14", 67_205, 67_460, 67_461),
        ("2014/15", 45_936, 46_644, 46_653),
        ("2015/16", 45_176, 45_530, 45_552),
    ],
)
def test_rows_that_the_declared_and_the_inferred_schedules_explain(
    year: str, declared: int, inferred: int, rows: int
) -> None:
    linear = audited(year)[0].linear
    assert sum(len(one.measure.rows) for one in linear) == rows
    assert sum(one.explained_by_declared for one in linear) == declared
    assert sum(one.explained_by_inferred for one in linear) == inferred


@pytest.mark.parametrize(
    ("year", "wrong"),
    [
        ("2010/11", {}),
        ("2011/12", {}),
        ("2013/14", {"DM003": ("40-71 %, 10 points", "40-65 %, 10 points", 76)}),
        (
            "2014/15",
            {
                "COPD002": ("45-90 %, 5 points", "45-80 %, 5 points", 17),
                "DEP003": ("45-90 %, 10 points", "45-80 %, 10 points", 29),
            },
        ),
        ("2015/16", {"DEP003": ("45-90 %, 10 points", "45-80 %, 10 points", 21)}),
    ],
)
def test_thresholds_that_the_workbook_has_wrong(year: str, wrong: dict[str, tuple[str, str, int]]) -> None:
    found = [one for one in audited(year)[1] if one.kind == "thresholds"]
    assert {one.measure_id: (one.declared, one.inferred, one.partly_paid) for one in found} == wrong


@pytest.mark.parametrize("year", YEARS)
def test_rows_on_no_schedule_are_those_that_are_explained_by_hand(year: str) -> None:
    found = {(one.provider_id, one.measure_id) for one in audited(year)[1] if one.kind == "row"}
    assert found == set(accepted_differences("points", year))


def test_practices_without_a_patient_that_were_paid() -> None:
    found = {one.measure_id: one.inferred for one in audited("2014/15")[1] if one.kind == "without_patients"}
    assert found.pop("CVD-PP003") == "855 of 908 paid: 10002, 10017, 10036 and 852 more"
    accepted = {one for _practice, one in accepted_differences("zero_denominator", "2014/15")}
    assert set(found) == accepted - {"CVD-PP003"}
    assert all(text.endswith(" paid: 25559") for text in found.values())


def test_the_page_shows_what_the_command_prints() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert (
        f"$ openvbp audit thresholds --program qof --data scotland_qof --period {SHOWN}\n{render(*audited(SHOWN))}\n"
        in page
    )


@pytest.mark.parametrize(
    ("year", "around"),
    [
        ("2010/11", (1_387, 341)),
        ("2011/12", (1_509, 333)),
        ("2013/14", (2_109, 509)),
        ("2014/15", (1_372, 286)),
        ("2015/16", (1_500, 260)),
    ],
)
def test_bunching_at_the_upper_threshold(year: str, around: tuple[int, int]) -> None:
    found = bunching(audited(year)[0])
    assert found.rows[0] == around
    ratios = [found.ratio(cut) for cut in CUTS if cut]
    assert all(ratio is not None and ratio <= Decimal("1.5") for ratio in ratios)


def test_four_rows_lie_exactly_one_point_below_the_threshold() -> None:
    """They are below it: without them 329 would be."""
    rows = [
        row
        for one in audited("2011/12")[0].linear
        if one.inferred is not None
        for row in one.measure.rows
        if row.denominator >= 50 and 100 * row.numerator == (one.inferred.upper - 1) * row.denominator
    ]
    assert len(rows) == 333 - 329


@pytest.mark.parametrize(
    ("year", "measures", "quartiles", "above_high", "points"),
    [
        ("2010/11", 48, ("5.5", "7.3", "9.3"), "2.1", ("-31.4", "433.8")),
        ("2015/16", 28, ("8.6", "11.4", "14.3"), "21.7", ("-37.9", "256.7")),
    ],
)
def test_implied_exclusion(
    year: str, measures: int, quartiles: tuple[str, ...], above_high: str, points: tuple[str, str]
) -> None:
    found = exclusion(audited(year)[0])
    assert found is not None
    assert (len(found.measures), tuple(map(str, found.quartiles)), str(found.above_high)) == (
        measures,
        quartiles,
        above_high,
    )
    assert (str(found.points_put_back), str(found.points)) == points


@pytest.mark.parametrize("year", YEARS)
def test_measures_about_a_register_and_about_a_part_of_it_lie_apart(year: str) -> None:
    highest = []
    for one in audited(year)[0].linear:
        large = [(row.denominator, row.population) for row in one.measure.rows if (row.population or 0) >= 50]
        shares = sorted((1000 * denominator / (register or 1) for denominator, register in large), reverse=True)
        if len(shares) >= 10:
            highest.append(shares[-(-len(shares) // 100) - 1])
    assert any(share <= 920 for share in highest)
    assert not any(920 < share < 937 for share in highest)


@pytest.mark.parametrize("year", YEARS)
def test_points_give_withheld_counts_away(year: str) -> None:
    found = leakage(audited(year)[0])
    assert found.masked > 3_000
    assert found.recoverable >= Decimal("0.99") * found.partly_paid > 100
