"""MIPS on random clinicians: neutral payments within the statute's range, scores that rise with performance."""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from openvbp.engine import DuckDBEngine, Engine
from openvbp.errors import InputDataError
from openvbp.parameters import load_parameters
from openvbp.programs.mips import PROGRAM, rules, scenario_tables
from openvbp.programs.mips.benchmarks import ROW
from openvbp.programs.mips.input_files import CATEGORIES
from openvbp.programs.mips.inputs import MipsInputs
from openvbp.programs.mips.payments import pay
from openvbp.programs.mips.scores import score_categories, score_clinicians, score_measures, score_quality
from openvbp.rules import in_force, rules_of
from openvbp.scenarios import override

PARAMETERS = load_parameters(PROGRAM.parameters_file)
YEARS = tuple(f"PY{year}" for year in range(2017, 2027))
PERCENT = {"PY2017": "0.04", "PY2018": "0.05", "PY2019": "0.07"}
THRESHOLD = {"PY2017": 3, "PY2018": 15, "PY2019": 30, "PY2020": 45, "PY2021": 60}
CENT = Decimal("0.01")
Rows = list[dict[str, Any]]

# A computation takes a fraction of a second, so a failing example is shown as found and not made smaller.
few = settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
fewer = settings(few, max_examples=2)


def paid(engine: Engine, clinicians: Rows, year: str, changes: dict[str, str] | None = None) -> Rows:
    """Pay clinicians with a final score and an amount."""
    scenario = PARAMETERS.in_force(PARAMETERS.period(year))
    scenario = override(scenario, "actual", changes) if changes else scenario
    schema = pa.schema(
        [
            ("provider_id", pa.string()),
            ("final_score", pa.decimal128(18, 10)),
            ("paid_amount", pa.decimal128(18, 2)),
            ("excluded_reason", pa.string()),
            ("status", pa.string()),
            ("status_reason", pa.string()),
        ]
    )
    rows = [{"excluded_reason": None, "status": "scored", "status_reason": None, **row} for row in clinicians]
    table = engine.table(pa.Table.from_pylist(rows, schema=schema), "property_clinician")
    table = table.cross_join(engine.table(scenario_tables.scenario_rows([scenario]), "property_parameter"))
    found = pay(engine, table, in_force(rules_of(rules), scenario.period.start))
    return engine.to_arrow(found.order_by("provider_id")).to_pylist()


@st.composite
def clinicians(draw: st.DrawFn) -> Rows:
    """Up to 30 clinicians, many of them at or near a threshold."""
    scores = st.one_of(
        st.decimals(0, 100, places=10), st.sampled_from([0, 3, 18.75, 30, 45, 60, 75, 85, 89, 100]).map(Decimal)
    )
    return [
        {
            "provider_id": f"{number:03}",
            "final_score": draw(scores),
            "paid_amount": draw(st.decimals(0, 10**9, places=2)),
        }
        for number in range(draw(st.integers(1, 30)))
    ]


def ends(year: str) -> tuple[Decimal, Decimal]:
    return Decimal(THRESHOLD.get(year, 75)), Decimal(PERCENT.get(year, "0.09"))


@few
@given(clinicians(), st.sampled_from(YEARS))
def test_increases_equal_reductions_or_the_factor_is_three(duckdb_engine: Engine, rows: Rows, year: str) -> None:
    found = paid(duckdb_engine, rows, year)
    reduced = -sum(row["adjustment_amount"] for row in found if row["adjustment_amount"] < 0)
    added = sum(row["adjustment_amount"] for row in found if row["adjustment_amount"] > 0)
    (factor,) = {row["scaling_factor"] for row in found}
    assert 0 <= factor <= 3
    if factor < 3:
        assert abs(added - reduced) < CENT
    else:
        assert added <= reduced + CENT


@few
@given(clinicians(), st.sampled_from(YEARS))
def test_nobody_is_outside_the_range_of_the_statute(duckdb_engine: Engine, rows: Rows, year: str) -> None:
    threshold, percent = ends(year)
    for row in paid(duckdb_engine, rows, year):
        assert -percent <= row["payment_adjustment"] <= 3 * percent
        assert (row["payment_adjustment"] < 0) == (row["final_score"] < threshold)
        assert row["payment_factor"] >= 1 - percent
        if "additional_adjustment" in row:
            assert 0 <= row["additional_adjustment"] <= Decimal("0.10")
            assert (row["additional_adjustment"] > 0) == (row["final_score"] >= row["additional_threshold"])
        assert ("additional_adjustment" in row) == (year <= "PY2022")


@few
@given(clinicians(), st.sampled_from(YEARS[:6]), st.decimals(1, 10**6, places=2))
def test_the_additional_pool_is_not_exceeded(duckdb_engine: Engine, rows: Rows, year: str, pool: Decimal) -> None:
    found = paid(duckdb_engine, rows, year, {"additional_pool_amount": str(pool)})
    spent = sum(row["additional_amount"] for row in found)
    (factor,) = {row["additional_scaling_factor"] for row in found}
    assert spent <= pool + CENT
    assert factor <= 1
    if factor < 1:
        assert pool - spent < CENT


@few
@given(clinicians(), st.sampled_from(YEARS))
def test_a_better_score_never_pays_less(duckdb_engine: Engine, rows: Rows, year: str) -> None:
    found = sorted(paid(duckdb_engine, rows, year), key=lambda row: row["final_score"])
    factors = [row["payment_factor"] for row in found]
    assert factors == sorted(factors)


@pytest.mark.parametrize("year", YEARS)
def test_floor_and_ceiling_of_every_year(duckdb_engine: Engine, year: str) -> None:
    threshold, percent = ends(year)
    scores = {"a": Decimal(0), "b": threshold / 4, "c": threshold / 2, "d": threshold, "e": Decimal(100)}
    rows = [{"provider_id": name, "final_score": score, "paid_amount": Decimal(1000)} for name, score in scores.items()]
    found = {row["provider_id"]: row for row in paid(duckdb_engine, rows, year)}
    assert {name: row["linear_adjustment"] for name, row in found.items()} == {
        "a": -percent,
        "b": -percent,
        "c": -percent / 2,
        "d": 0,
        "e": percent,
    }
    assert found["e"]["scaling_factor"] == Decimal("2.5")
    assert found["e"]["payment_adjustment"] == percent * Decimal("2.5")


def test_with_nobody_above_the_threshold_only_reductions_apply(duckdb_engine: Engine) -> None:
    found = paid(
        duckdb_engine, [{"provider_id": "a", "final_score": Decimal(20), "paid_amount": Decimal(100)}], "PY2024"
    )
    assert [row["adjustment_amount"] for row in found] == [Decimal("-6.6")]


def test_one_unknown_amount_leaves_the_factor_open_but_not_the_reductions(duckdb_engine: Engine) -> None:
    rows = [
        {"provider_id": "a", "final_score": Decimal(20), "paid_amount": Decimal(100)},
        {"provider_id": "b", "final_score": Decimal(90), "paid_amount": None},
    ]
    low, high = paid(duckdb_engine, rows, "PY2024")
    assert (low["payment_status"], low["adjustment_amount"]) == ("scored", Decimal("-6.6"))
    assert (high["payment_status"], high["payment_factor"]) == ("not_determinable", None)
    low, high = paid(duckdb_engine, rows, "PY2024", {"scaling_factor": "0.5"})
    assert (high["payment_status"], high["payment_factor"]) == ("scored", Decimal("1.027"))


@pytest.mark.parametrize(
    "changes",
    [
        {"performance_threshold": "0"},
        {"performance_threshold": "101"},
        {"scaling_factor": "3.1"},
    ],
)
def test_impossible_changes_are_refused(duckdb_engine: Engine, changes: dict[str, str]) -> None:
    rows = [{"provider_id": "a", "final_score": Decimal(20), "paid_amount": Decimal(100)}]
    with pytest.raises(InputDataError, match=next(iter(changes))):
        paid(duckdb_engine, rows, "PY2024", changes)


@pytest.mark.parametrize("year", YEARS)
def test_weights_of_every_reweighting_add_up_to_one(year: str) -> None:
    sums: dict[tuple[str, bool], Decimal] = defaultdict(Decimal)
    for row in scenario_tables.weight_rows([PARAMETERS.in_force(PARAMETERS.period(year))]).to_pylist():
        assert row["category_id"] not in row["reweighting"].split("+")
        sums[row["reweighting"], row["is_small_practice"]] += row["redistributed_weight"]
    assert set(sums.values()) == {Decimal(1)}
    # All sets of at most two categories; in 2017 cost has no weight, so that fewer leave two.
    assert len(sums) == 2 * (8 if year == "PY2017" else 11)


# --- scores -------------------------------------------------------------------------------------------

MEASURE_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("provider_id", "measure_id", "submission_method")]
    + [("performance_rate", pa.decimal128(18, 6)), ("cases", pa.int64()), ("reported_share", pa.decimal128(18, 6))]
    + [("is_outcome_or_high_priority", pa.bool_())]
)
CLINICIAN_SCHEMA = pa.schema(
    [("provider_id", pa.string()), ("is_small_practice", pa.bool_()), ("applicable_measures", pa.int64())]
    + [
        (name, pa.decimal128(18, 6))
        for name in (
            "high_priority_bonus_points",
            "end_to_end_bonus_points",
            "earlier_quality_achievement",
            "complex_patient_bonus",
        )
    ]
    + [("paid_amount", pa.decimal128(18, 2))]
    + [(name, pa.string()) for name in ("excluded_reason", "provider_name", "state")]
)
CATEGORY_SCHEMA = pa.schema(
    {
        "provider_id": pa.string(),
        "category_id": pa.string(),
        "score": pa.decimal128(18, 6),
        "is_reweighted": pa.bool_(),
    }
)
BENCHMARKS = [
    {
        "measure_id": f"00{number}",
        "submission_method": "registry",
        "is_inverse": number == 3,
        "is_topped_out_by_program": number == 2,
        "benchmark_problem": None,
        "start_decile_1": Decimal(99 if number == 3 else 1),
        **{f"start_decile_{d}": Decimal(110 - 10 * d if number == 3 else 10 * d - 10) for d in range(2, 11)},
    }
    for number in range(1, 8)
]
Files = tuple[Rows, Rows, Rows]


@st.composite
def submissions(draw: st.DrawFn) -> Files:
    """Clinicians, up to eight measures of each (the eighth has no benchmark), and the other categories."""
    people, measures, categories = [], [], []
    points = st.none() | st.decimals(0, 20, places=6)
    for number in range(draw(st.integers(1, 6))):
        name = f"{number:03}"
        people.append(
            {
                "provider_id": name,
                "is_small_practice": draw(st.booleans()),
                "applicable_measures": draw(st.sampled_from([None, None, 2])),
                **{one: draw(points) for one in ("high_priority_bonus_points", "complex_patient_bonus")},
                "earlier_quality_achievement": draw(st.none() | st.decimals(0, 100, places=6)),
            }
        )
        for measure in draw(st.lists(st.integers(1, 8), min_size=1, unique=True)):
            measures.append(
                {
                    "provider_id": name,
                    "measure_id": f"00{measure}",
                    "submission_method": "registry",
                    "performance_rate": draw(st.decimals(0, 100, places=6)),
                    "cases": draw(st.sampled_from([19, 20, 500])),
                    "reported_share": draw(st.sampled_from([Decimal("0.4"), Decimal("0.75"), Decimal(1)])),
                    "is_outcome_or_high_priority": draw(st.booleans()),
                }
            )
        for category in CATEGORIES[1:]:
            is_reweighted = draw(st.booleans())
            score = None if is_reweighted else draw(st.decimals(0, 100, places=6))
            place = {"provider_id": name, "category_id": category}
            categories.append({**place, "score": score, "is_reweighted": is_reweighted})
    return people, measures, categories


def scored(files: Files, year: str) -> tuple[Rows, Rows]:
    """Score: measures and clinicians."""
    people, measures, categories = files
    scenario = PARAMETERS.in_force(PARAMETERS.period(year))
    nothing = pa.table({"provider_id": pa.array([], pa.string())})
    inputs = MipsInputs(
        pa.Table.from_pylist(people, schema=CLINICIAN_SCHEMA),
        pa.Table.from_pylist(measures, schema=MEASURE_SCHEMA),
        pa.Table.from_pylist(categories, schema=CATEGORY_SCHEMA),
        pa.Table.from_pylist(BENCHMARKS, schema=ROW),
        nothing,
        nothing,
    )
    engine = DuckDBEngine(threads=1)
    try:
        of_measures = score_measures(engine, inputs, [scenario])
        quality = score_quality(engine, inputs, of_measures, [scenario])
        found = score_clinicians(engine, quality, score_categories(engine, inputs, quality, [scenario]))
        return (
            engine.to_arrow(of_measures.order_by("provider_id", "measure_id")).to_pylist(),
            engine.to_arrow(found.order_by("provider_id")).to_pylist(),
        )
    finally:
        engine.close()


@fewer
@given(submissions(), st.sampled_from(YEARS))
def test_scores_stay_within_their_ends(files: Files, year: str) -> None:
    measures, found = scored(files, year)
    counted: dict[str, int] = defaultdict(int)
    for row in measures:
        assert 0 <= row["achievement_points"] <= (7 if row["is_capped"] and year > "PY2017" else 10)
        is_scored = row["cases"] >= 20 and row["reported_share"] >= row["data_completeness"] and row["decile"]
        assert not is_scored or row["achievement_points"] >= (3 if year < "PY2023" else 1)
        counted[row["provider_id"]] += row["is_counted"]
    for row in found:
        assert 0 <= row["quality_score"] <= 100
        assert 0 <= row["final_score"] <= 100
        assert counted[row["provider_id"]] <= row["required_measures"]


@fewer
@given(submissions(), st.sampled_from(YEARS), st.decimals(0, 40, places=6), st.integers(1, 7))
def test_a_better_rate_never_scores_less(files: Files, year: str, by: Decimal, number: int) -> None:
    people, measures, categories = files
    better = [
        {
            **row,
            "performance_rate": max(row["performance_rate"] - by, Decimal(0))
            if number == 3
            else min(row["performance_rate"] + by, Decimal(100)),
        }
        if row["measure_id"] == f"00{number}"
        else row
        for row in measures
    ]
    before, after = scored(files, year)[1], scored((people, better, categories), year)[1]
    for one, other in zip(before, after, strict=True):
        assert other["final_score"] >= one["final_score"]


@fewer
@given(submissions(), st.sampled_from(YEARS), st.randoms(use_true_random=False))
def test_the_order_of_submissions_does_not_matter(files: Files, year: str, order: random.Random) -> None:
    people, measures, categories = (order.sample(rows, len(rows)) for rows in files)
    assert scored(files, year) == scored((people, measures, categories), year)
