"""The parameters of Hospital VBP are whole, cited and end when they should."""

from __future__ import annotations

import csv
import re
from decimal import Decimal

import pytest

from conftest import published_data
from openvbp.parameters import ParameterSet, Scenario, load_parameters
from openvbp.programs.hvbp import readers
from openvbp.programs.hvbp.measures import measure_catalogue
from openvbp.programs.hvbp.program import PROGRAM
from openvbp.programs.hvbp.scenario_tables import measure_parameters

PARAMETERS: ParameterSet = load_parameters(PROGRAM.parameters_file)
YEARS = range(2013, 2027)
STANDARDS = ("achievement_threshold", "benchmark", "floor")
SURVEY = "person_and_community_engagement"
# Measures per domain without the survey; the two surgical sites and their combination are three names.
MEASURES = {
    2013: {"clinical_process": 12},
    2014: {"clinical_process": 13, "clinical_outcomes": 3},
    2015: {"clinical_process": 12, "clinical_outcomes": 5, "efficiency_and_cost_reduction": 1},
    2016: {"clinical_process": 8, "clinical_outcomes": 9, "efficiency_and_cost_reduction": 1},
    2017: {"clinical_process": 3, "clinical_outcomes": 3, "safety": 8, "efficiency_and_cost_reduction": 1},
    2018: {"clinical_outcomes": 3, "safety": 9, "efficiency_and_cost_reduction": 1},
    2019: {"clinical_outcomes": 4, "safety": 8, "efficiency_and_cost_reduction": 1},
    2020: {"clinical_outcomes": 4, "safety": 8, "efficiency_and_cost_reduction": 1},
    2021: {"clinical_outcomes": 5, "safety": 7, "efficiency_and_cost_reduction": 1},
    **{
        year: {"clinical_outcomes": 6, "safety": 7, "efficiency_and_cost_reduction": 1}
        for year in (2022, 2023, 2024, 2025)
    },
    2026: {"clinical_outcomes": 6, "safety": 8, "efficiency_and_cost_reduction": 1},
}


def in_force(year: int) -> Scenario:
    return PARAMETERS.in_force(PARAMETERS.period(f"FY{year}"))


@pytest.mark.parametrize("year", YEARS)
def test_measure_set_of_the_year(year: int) -> None:
    domains = list(in_force(year).keyed("measure_domain").values())
    assert {domain: domains.count(domain) for domain in set(domains)} == {**MEASURES[year], SURVEY: 8}


@pytest.mark.parametrize("year", YEARS)
def test_every_measure_and_domain_has_what_scoring_needs(year: int) -> None:
    scenario = in_force(year)
    domains = scenario.keyed("measure_domain")
    catalogue = measure_catalogue()
    combinations = set(scenario.keyed("combined_into").values())
    assert domains.keys() <= catalogue.keys()
    for measure_id in domains.keys() - combinations:
        assert scenario.value("minimum_cases", catalogue[measure_id].cases_of) > 0, measure_id
    weights = scenario.keyed("domain_weight")
    assert sum(weights.values()) == 1
    assert weights.keys() == set(domains.values())
    for name in ("domain_area", "minimum_measures"):
        assert weights.keys() <= scenario.keyed(name).keys(), name


@pytest.mark.parametrize("year", YEARS)
def test_standards_do_not_carry_over_into_the_next_year(year: int) -> None:
    scenario = in_force(year)
    for name in STANDARDS:
        cited = {key: value for key, value in scenario.parameters[name].values.items() if value.value is not None}
        assert {value.since for value in cited.values()} <= {scenario.period.start}
    expected = {2016: 15, 2017: 22, 2024: 21}
    assert len(scenario.keyed("benchmark")) == expected.get(year, 0)


@pytest.mark.parametrize("file", ["measures.csv", "performance_standards.csv"])
def test_every_row_has_a_true_citation_and_what_is_unverified_says_why(file: str) -> None:
    with PROGRAM.parameters_file.with_name(file).open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    source = re.compile(r"\d+ (FR|CFR|U\.S\.C\.) \d+|CMS Hospital VBP|QualityNet|Final rule that set")
    assert not [row for row in rows if not source.match(row["cite"])]
    assert not [row for row in rows if row["unverified"] == "true" and not row["note"]]
    assert {row["unverified"] for row in rows} <= {"", "true"}


def test_declared_standards_of_fy2024_are_those_of_the_published_files() -> None:
    declared = in_force(2024)
    folder = published_data("hospital", "hvbp", "fy2024")
    published = readers.published_standards(readers.read_published(folder), list(declared.keyed("measure_domain")))
    for name in STANDARDS:
        assert declared.keyed(name) == {key: cited.value for key, cited in published[name].items()}


def test_a_value_that_is_not_known_makes_nothing_unverified() -> None:
    scenario = in_force(2023)
    cited = scenario.cited("benchmark", "MSPB-1")
    assert cited.unverified
    assert cited.value is None
    assert scenario.unverified([("benchmark", "MSPB-1")]) is None


def test_a_recalled_value_in_use_is_named() -> None:
    rows = measure_parameters([in_force(2016)], set()).to_pylist()
    named = next(row["measure_unverified"] for row in rows if row["measure_id"] == "HAI-2")
    assert named == "minimum_cases.HAI-2, achievement_threshold.HAI-2, benchmark.HAI-2"
    assert in_force(2016).value("achievement_threshold", "HAI-2") == Decimal("0.801")


@pytest.mark.parametrize("year", YEARS)
def test_health_equity_adjustment_is_never_in_force(year: int) -> None:
    assert in_force(year).value("is_health_equity_adjustment_applied") is False
