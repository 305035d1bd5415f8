"""The parameters of every performance year: tracks, rates, bands without gaps."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest

from openvbp.parameters import Scenario, load_parameters
from openvbp.programs import program
from openvbp.programs.mssp import rules
from openvbp.programs.mssp.scenario_tables import (
    loss_limits,
    minimum_rate_bands,
    program_parameters,
    track_parameters,
)
from openvbp.rules import in_force, rules_of

YEARS = range(2013, 2027)
OLD = {"track_1", "track_2"}
NEW = {"basic_a", "basic_b", "basic_c", "basic_d", "basic_e", "enhanced"}
ONE_SIDED = {"track_1", "basic_a", "basic_b"}


def scenario(year: int) -> Scenario:
    declared = load_parameters(program("mssp").parameters_file)
    return declared.in_force(declared.period(f"PY{year}"))


@pytest.mark.parametrize("year", YEARS)
def test_tracks_and_their_parameters(year: int) -> None:
    tracks = {row["track"]: row for row in track_parameters([scenario(year)]).to_pylist()}
    expected = set()
    if year <= 2021:
        expected |= OLD | ({"track_3"} if year >= 2016 else set()) | ({"track_1_plus"} if year >= 2018 else set())
    if year >= 2019:
        expected |= NEW
    assert set(tracks) == expected
    limits = {row["loss_limit_key"] for row in loss_limits([scenario(year)]).to_pylist()}
    for track, row in tracks.items():
        assert row["is_two_sided"] == (track not in ONE_SIDED)
        assert 0 < row["performance_payment_limit_share"] < row["maximum_sharing_rate"] < 1
        has_loss_rate = row["fixed_loss_rate"] is not None or row["lowest_loss_rate"] is not None
        assert has_loss_rate == row["is_two_sided"]
        keys = {f"track_2_year_{number}" for number in (1, 2, 3)} if track == "track_2" else {track}
        assert (keys <= limits) == row["is_two_sided"]


@pytest.mark.parametrize("year", YEARS)
def test_bands_join_without_gap_or_step(year: int) -> None:
    bands = minimum_rate_bands([scenario(year)]).to_pylist()
    assert (bands[0]["band_first"], bands[-1]["band_last"]) == (500, None)
    for one, following in itertools.pairwise(bands):
        assert one["band_last"] + 1 == following["band_first"]
        assert one["minimum_savings_rate_to"] == following["minimum_savings_rate_from"]
        assert one["minimum_savings_rate_from"] > one["minimum_savings_rate_to"]


@pytest.mark.parametrize("year", YEARS)
def test_what_changes_with_the_year(year: int) -> None:
    (row,) = program_parameters([scenario(year)]).to_pylist()
    assert row["sequestration_reduction"] == (0 if year in (2019, 2020) else Decimal("0.02"))
    assert row["emergency_months"] == {2020: 12, 2021: 12, 2022: 12, 2023: 5}.get(year, 0)
    assert row["emergency_unverified"] == ("emergency_months" if year == 2020 else None)
    assert (row["reduced_sharing_multiplier"] is not None) == (year >= 2024)
    applied = {rule.rule_id for rule in in_force(rules_of(rules), scenario(year).period.start)}
    sharing = {
        "quality_sharing_rate_scaled": year <= 2020,
        "quality_sharing_rate_all_or_nothing": year in (2021, 2022),
        "quality_sharing_rate_with_alternative": year >= 2023,
        "shared_loss_rate_by_sharing_rate": year <= 2020,
        "shared_loss_rate_by_quality": year >= 2021,
    }
    assert {name for name, is_applied in sharing.items() if is_applied} == applied & sharing.keys()
    assert len(applied) == len(rules_of(rules)) - 3


def test_the_year_in_track_2_decides_about_its_limit() -> None:
    limits = scenario(2017).keyed("loss_limit_share")
    assert [limits[f"track_2_year_{number}"] for number in (1, 2, 3)] == [
        Decimal("0.05"),
        Decimal("0.075"),
        Decimal("0.1"),
    ]
