"""The settlement of random ACOs: sums, limits, monotonicity, order of rows, and plain fractions as an oracle."""

from __future__ import annotations

import functools
import itertools
from decimal import Decimal
from fractions import Fraction
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openvbp.engine import Engine
from openvbp.parameters import Scenario, load_parameters
from openvbp.programs import program
from openvbp.programs.mssp.readers import ACO_SCHEMA
from openvbp.programs.mssp.settlement import settle

quick = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TRACKS = {
    2017: ("track_1", "track_2", "track_3"),
    2019: ("track_1", "track_1_plus", "basic_b", "basic_e", "enhanced"),
    2023: ("basic_a", "basic_c", "basic_e", "enhanced"),
    2024: ("basic_a", "basic_c", "basic_e", "enhanced"),
}
ONE_SIDED = ("track_1", "basic_a", "basic_b")
years = st.sampled_from(sorted(TRACKS))
_CENT = Fraction(1, 100)


@functools.cache
def scenario(year: int) -> Scenario:
    declared = load_parameters(program("mssp").parameters_file)
    return declared.in_force(declared.period(f"PY{year}"))


@st.composite
def aco(draw: st.DrawFn) -> dict[str, Any]:
    """An ACO of any year: its track is chosen by number."""
    benchmark = draw(st.integers(10**6, 5 * 10**9))
    # Rates near the thresholds are as likely as far ones.
    rate = draw(st.integers(-200, 350)) if draw(st.booleans()) else draw(st.integers(-30, 45))
    return {
        "track_number": draw(st.integers(0, 4)),
        "start_year": draw(st.sampled_from([2016, 2019, 2024])),
        "beneficiaries": draw(st.integers(500, 130_000)),
        "benchmark": Decimal(benchmark),
        "expenditures": Decimal(benchmark - benchmark * rate // 1000),
        "published_minimum_savings_rate": draw(st.sampled_from(["0", "0.005", "0.01", "0.015", "0.02", "0.0371"])),
        "published_quality_score": draw(st.decimals(0, 1, places=4)),
        "is_quality_standard_met": draw(st.booleans()),
        "is_alternative_standard_met": draw(st.booleans()),
        "disaster_adjustment": draw(st.sampled_from([Decimal(0), Decimal(1000), Decimal(5_000_000)])),
        "is_high_revenue": draw(st.booleans()),
        "has_guardrail": draw(st.booleans()),
        "performance_months": draw(st.sampled_from([12, 6])),
        "participant_revenue": draw(st.one_of(st.none(), st.integers(0, 10**9).map(Decimal))),
    }


def settled(engine: Engine, acos: list[dict[str, Any]], year: int) -> dict[str, dict[str, Any]]:
    """Settle ACOs by the program's rules; results by ACO."""
    schema = ACO_SCHEMA.append(pa.field("participant_revenue", pa.decimal128(18, 2)))
    rows = []
    for number, one in enumerate(acos):
        track = TRACKS[year][one["track_number"] % len(TRACKS[year])]
        fixed = {
            "provider_id": f"A{number:04d}",
            "track": track,
            "loss_limit_key": "track_2_year_3" if track == "track_2" else track,
            "is_pay_for_reporting": False,
            "may_have_revenue_limit": True,
            "is_ended_early": False,
            "published_minimum_savings_rate": Decimal(one["published_minimum_savings_rate"]),
        }
        known = {**one, **fixed, "provider_id": one.get("provider_id", fixed["provider_id"])}
        rows.append({name: known.get(name) for name in schema.names})
    table: ibis.expr.types.Table = engine.table(pa.Table.from_pylist(rows, schema=schema), "random_aco")
    done = settle(engine, table, [scenario(year)], "random_")
    return {row["provider_id"]: row for row in engine.to_arrow(done).to_pylist()}


@quick
@given(st.lists(aco(), min_size=1, max_size=40), years)
def test_savings_and_losses_are_divided_without_remainder_and_within_limits(
    duckdb_engine: Engine, acos: list[dict[str, Any]], year: int
) -> None:
    for row in settled(duckdb_engine, acos, year).values():
        gross, earned, owed = row["gross_savings"], row["earned_savings"], row["owed_losses"]
        assert 0 <= earned <= row["performance_payment_limit_share"] * row["benchmark"]
        assert earned <= max(gross, 0) * row["maximum_sharing_rate"]
        if row["track"] in ONE_SIDED:
            assert owed == 0
        if owed is None:
            assert row["retained_savings"] is None
            assert 0 < row["owed_losses_at_most"] <= row["limited_losses"] <= row["shared_losses"]
            continue
        assert row["earned_savings_or_losses"] + row["retained_savings"] == gross
        assert owed == 0 or earned == 0
        assert 0 <= owed <= max(-gross, 0)
        if owed:
            assert owed <= row["loss_limit_share"] * row["benchmark"]
            if row["participant_revenue"] is not None and row["loss_limit_revenue_share"] is not None:
                assert owed <= row["loss_limit_revenue_share"] * row["participant_revenue"]


def fraction_of(year: int, track: str, name: str) -> Fraction | None:
    value = scenario(year).value(name, track)
    return None if value is None else Fraction(value)


def expected(row: dict[str, Any], year: int) -> tuple[Fraction, Fraction | None]:
    """Earned savings and owed losses in plain fractions, written from the regulation."""
    here, track = scenario(year), row["track"]
    benchmark, spent, count = Fraction(row["benchmark"]), Fraction(row["expenditures"]), row["beneficiaries"]
    gross = benchmark - spent
    printed = Fraction(row["published_minimum_savings_rate"])
    if track not in ONE_SIDED and printed * 200 in range(5):
        minimum = printed
    else:
        firsts = sorted(int(first) for first in here.keyed("minimum_savings_rate_from"))
        first = max(one for one in firsts if one <= count)
        last = min((one - 1 for one in firsts if one > count), default=None)
        low, high = (Fraction(here.value(f"minimum_savings_rate_{end}", str(first))) for end in ("from", "to"))
        minimum = low if last is None else low + (high - low) * Fraction(count - first, last - first)
    highest, quality = Fraction(here.value("maximum_sharing_rate", track)), Fraction(row["published_quality_score"])
    met, alternative = row["is_quality_standard_met"], row["is_alternative_standard_met"]
    if year <= 2020:
        rate = highest * quality if met else Fraction(0)
    else:
        rate = highest if met else highest * quality if alternative else Fraction(0)
    enough = gross >= minimum * benchmark
    is_reduced = (
        year >= 2024
        and track.startswith("basic")
        and not row["is_high_revenue"]
        and count >= 5000
        and row["start_year"] >= 2024
        and gross > 0
        and not enough
    )
    earned = Fraction(0)
    if gross > 0 and (enough or is_reduced) and not (year >= 2024 and row["has_guardrail"]):
        shared = gross * rate / (2 if is_reduced else 1)
        kept = shared * (1 - Fraction(here.value("sequestration_reduction")))
        earned = min(kept, Fraction(here.value("performance_payment_limit_share", track)) * benchmark)
    if track in ONE_SIDED or gross >= 0 or -gross < minimum * benchmark:
        return earned, Fraction(0)
    return earned, _expected_losses(row, year, -gross, benchmark, rate)


def _expected_losses(
    row: dict[str, Any], year: int, losses: Fraction, benchmark: Fraction, rate: Fraction
) -> Fraction | None:
    here, track = scenario(year), row["track"]
    loss_rate = fraction_of(year, track, "fixed_loss_rate")
    if loss_rate is None:
        if year > 2020:
            scaled = Fraction(here.value("maximum_sharing_rate", track)) * Fraction(row["published_quality_score"])
            rate = scaled if row["is_quality_standard_met"] or row["is_alternative_standard_met"] else Fraction(0)
        bounds = [Fraction(here.value(f"{end}_loss_rate", track)) for end in ("lowest", "highest")]
        loss_rate = min(max(1 - rate, bounds[0]), bounds[1])
    limit = Fraction(here.value("loss_limit_share", row["loss_limit_key"])) * benchmark
    owed = min(losses * loss_rate, limit)
    of_revenue = fraction_of(year, track, "loss_limit_revenue_share")
    emergency = Fraction(here.value("emergency_months")) / 12
    if of_revenue is not None:
        if row["participant_revenue"] is not None:
            owed = min(owed, of_revenue * Fraction(row["participant_revenue"]))
        elif not (row["is_high_revenue"] and owed <= of_revenue * Fraction(35, 100) * Fraction(row["expenditures"])):
            return None
    printed = Fraction(row["disaster_adjustment"]) * row["performance_months"] / 12
    return max(owed - max(printed, owed * emergency), Fraction(0))


@quick
@given(st.lists(aco(), min_size=1, max_size=40), years)
def test_amounts_equal_those_of_plain_fractions(duckdb_engine: Engine, acos: list[dict[str, Any]], year: int) -> None:
    for row in settled(duckdb_engine, acos, year).values():
        earned, owed = expected(row, year)
        assert abs(Fraction(row["earned_savings"]) - earned) < _CENT
        if owed is None:
            # Where even the bound is zero nothing is owed.
            assert row["owed_losses"] in (None, 0)
        else:
            assert row["owed_losses"] is not None
            assert abs(Fraction(row["owed_losses"]) - owed) < _CENT


@quick
@given(aco(), st.lists(st.decimals(0, 1, places=4), min_size=2, max_size=8, unique=True), years)
def test_better_quality_never_pays_less_or_owes_more(
    duckdb_engine: Engine, one: dict[str, Any], scores: list[Decimal], year: int
) -> None:
    acos = [{**one, "published_quality_score": score} for score in sorted(scores)]
    rows = [row for _, row in sorted(settled(duckdb_engine, acos, year).items())]
    for worse, better in itertools.pairwise(rows):
        assert worse["earned_savings"] <= better["earned_savings"]
        assert better["shared_losses"] <= worse["shared_losses"]
        if None not in (worse["owed_losses"], better["owed_losses"]):
            assert better["owed_losses"] <= worse["owed_losses"]


@quick
@given(st.lists(aco(), min_size=2, max_size=15), years, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(
    duckdb_engine: Engine, acos: list[dict[str, Any]], year: int, random: Any
) -> None:
    named = [{**one, "provider_id": f"A{number:04d}"} for number, one in enumerate(acos)]
    shuffled = random.sample(named, len(named))
    assert settled(duckdb_engine, named, year) == settled(duckdb_engine, shuffled, year)


@pytest.mark.parametrize("year", sorted(TRACKS))
def test_sharing_starts_at_the_first_dollar(duckdb_engine: Engine, year: int) -> None:
    """One dollar more of savings, which reaches the minimum, brings the share of all of them."""
    benchmark = 100_000_000
    base = {
        "track_number": 0,
        "start_year": 2019,
        "beneficiaries": 60_000,
        "benchmark": Decimal(benchmark),
        "published_minimum_savings_rate": "0.02",
        "published_quality_score": Decimal(1),
        "is_quality_standard_met": True,
        "is_alternative_standard_met": False,
        "disaster_adjustment": Decimal(0),
        "is_high_revenue": True,
        "has_guardrail": False,
        "performance_months": 12,
    }
    minimum = benchmark * 2 // 100
    acos = [{**base, "expenditures": Decimal(benchmark - saved)} for saved in (minimum - 1, minimum)]
    rows = [row for _, row in sorted(settled(duckdb_engine, acos, year).items())]
    here, track = scenario(year), rows[0]["track"]
    kept = 1 - here.value("sequestration_reduction")
    assert rows[0]["earned_savings"] == 0
    assert rows[1]["earned_savings"] == minimum * here.value("maximum_sharing_rate", track) * kept
