"""What holds for any hospitals: scores, quartile and factor of the HAC Reduction Program."""

from __future__ import annotations

import itertools
import math
import random
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import ibis
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openvbp.engine import Engine
from openvbp.programs.hacrp import rules
from openvbp.scoring import percentiles, z_scores

scores = st.decimals(min_value=-3, max_value=3, places=4)
few_values = st.sampled_from([Decimal("-0.5"), Decimal("0.1"), Decimal("0.3"), Decimal("0.3001"), Decimal("2.2")])
totals = st.lists(st.one_of(st.none(), scores, few_values), min_size=4, max_size=40)
rates = st.lists(st.decimals(min_value=0, max_value=20, places=3), min_size=2, max_size=40)
counter = itertools.count()
quick = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

HOSPITAL = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("provider_id", pa.string()),
        ("total_hac_score", pa.decimal128(18, 12)),
        ("is_exempt", pa.bool_()),
        ("is_exempt_state_ranked", pa.bool_()),
        ("cutoff_share", pa.int64()),
        ("is_cutoff_known", pa.bool_()),
        ("given_cutoff", pa.decimal128(18, 12)),
        ("is_total_hac_score_computed", pa.bool_()),
        ("status", pa.string()),
        ("payment_reduction", pa.decimal128(7, 6)),
    ]
)


def judged(engine: Engine, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Apply the rules of the quartile and the payment to hospitals."""
    table = engine.table(pa.Table.from_pylist(rows, schema=HOSPITAL), f"hacrp_{next(counter)}")
    for rule in (rules.cutoff, rules.is_in_worst_quartile, rules.payment_adjustment_factor):
        table = rule(table)
    return {row["provider_id"]: row for row in engine.to_arrow(table).to_pylist()}


def hospitals(values: list[Decimal | None]) -> list[dict[str, Any]]:
    return [
        {
            "scenario_id": "actual",
            "provider_id": f"{number:06}",
            "total_hac_score": value,
            "is_exempt": False,
            "is_exempt_state_ranked": False,
            "cutoff_share": 7500,
            "is_cutoff_known": False,
            "given_cutoff": None,
            "is_total_hac_score_computed": True,
            "status": "too_few_cases" if value is None else "scored",
            "payment_reduction": Decimal("0.01"),
        }
        for number, value in enumerate(values)
    ]


def percentile_by_hand(values: list[Fraction], share: Fraction) -> Fraction:
    """The definition, written once more: the value at n × share rounded up, or the mean of it and the next."""
    ordered = sorted(values)
    reach = len(ordered) * share
    position = max(math.ceil(reach), 1)
    if reach == position and position < len(ordered):
        return (ordered[position - 1] + ordered[position]) / 2
    return ordered[position - 1]


@quick
@given(totals)
def test_at_most_a_quarter_is_penalised_and_ties_are_spared(
    duckdb_engine: Engine, values: list[Decimal | None]
) -> None:
    rows = judged(duckdb_engine, hospitals(values)).values()
    scored = [row for row in rows if row["total_hac_score"] is not None]
    penalised = [row for row in rows if row["is_in_worst_quartile"]]
    assert 4 * len(penalised) <= len(scored)
    assert all(row["total_hac_score"] > row["cutoff"] for row in penalised)
    if scored:
        at_most = sum(row["total_hac_score"] <= row["cutoff"] for row in scored)
        assert 4 * at_most >= 3 * len(scored), "the cutoff is a 75th percentile"


@quick
@given(totals)
def test_factor_is_one_or_99_percent_and_falls_with_the_score(
    duckdb_engine: Engine, values: list[Decimal | None]
) -> None:
    rows = list(judged(duckdb_engine, hospitals(values)).values())
    assert {row["payment_adjustment_factor"] for row in rows} <= {Decimal(1), Decimal("0.99")}
    scored = sorted((row for row in rows if row["total_hac_score"] is not None), key=lambda row: row["total_hac_score"])
    factors = [row["payment_adjustment_factor"] for row in scored]
    assert factors == sorted(factors, reverse=True)
    assert all(row["payment_adjustment_factor"] == 1 for row in rows if row["total_hac_score"] is None)


@quick
@given(totals, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(
    duckdb_engine: Engine, values: list[Decimal | None], source: random.Random
) -> None:
    rows = hospitals(values)
    shuffled = rows[:]
    source.shuffle(shuffled)
    assert judged(duckdb_engine, shuffled) == judged(duckdb_engine, rows)


@quick
@given(st.lists(scores, min_size=5, max_size=40), st.integers(min_value=0, max_value=4))
def test_exempt_hospitals_neither_move_the_cutoff_nor_pay(
    duckdb_engine: Engine, values: list[Decimal], exempt: int
) -> None:
    rows = hospitals(values)
    for row in rows[:exempt]:
        row["is_exempt"] = True
    found = judged(duckdb_engine, rows)
    others = judged(duckdb_engine, rows[exempt:])
    assert {one: found[one] for one in others} == others
    for row in rows[:exempt]:
        mine = found[row["provider_id"]]
        assert mine["is_in_worst_quartile"] is None
        assert mine["payment_adjustment_factor"] == 1


@quick
@given(rates, st.sampled_from([0, 500, 2500, 5000, 7500, 9500, 10_000]))
def test_percentile_is_that_of_the_definition(duckdb_engine: Engine, values: list[Decimal], share: int) -> None:
    units = [int(value * 1000) for value in values]
    rows = pa.table({"id": [str(number) for number in range(len(units))], "group": ["a"] * len(units), "units": units})
    table = duckdb_engine.table(rows, f"percentile_{next(counter)}")
    with_percentile = percentiles.with_doubled_percentile(
        table, "doubled", value=table.units, share=ibis.literal(share), group=["group"], tie_breaker=["id"]
    )
    found = set(duckdb_engine.to_arrow(with_percentile)["doubled"].to_pylist())
    by_hand = percentile_by_hand([Fraction(unit) for unit in units], Fraction(share, 10_000))
    assert {Fraction(one, 2) for one in found} == {by_hand}


@given(rates)
def test_mean_and_standard_deviation_are_exact(values: list[Decimal]) -> None:
    units = [int(value * 10**10) for value in values]
    mean = z_scores.mean(len(units), Decimal(sum(units)))
    deviation = z_scores.standard_deviation(len(units), Decimal(sum(units)), Decimal(sum(unit**2 for unit in units)))
    exact = [Fraction(value) for value in values]
    true_mean = sum(exact) / len(exact)
    variance = sum((value - true_mean) ** 2 for value in exact) / (len(exact) - 1)
    half = Fraction(1, 2 * 10**10)
    assert abs(Fraction(mean) - true_mean) <= half
    assert max(Fraction(deviation) - half, 0) ** 2 <= variance <= (Fraction(deviation) + half) ** 2


@quick
@given(rates)
def test_z_scores_keep_the_order_of_results_and_are_exact(duckdb_engine: Engine, values: list[Decimal]) -> None:
    mean, deviation = Decimal("0.8281749"), Decimal("0.6003683")
    schema = pa.schema([("winsorized_result", pa.decimal128(18, 10))])
    rows = pa.Table.from_pylist([{"winsorized_result": value} for value in values], schema=schema)
    table = duckdb_engine.table(rows, f"z_{next(counter)}").mutate(
        winsorized_mean=ibis.literal(str(mean)).cast("decimal(18, 10)"),
        winsorized_standard_deviation=ibis.literal(str(deviation)).cast("decimal(18, 10)"),
    )
    found = duckdb_engine.to_arrow(rules.computed_z_score(table)).to_pylist()
    for row in found:
        exact = Fraction(row["winsorized_result"] - mean) / Fraction(deviation)
        assert abs(Fraction(row["computed_z_score"]) - exact) <= Fraction(1, 2 * 10**12)
    ordered = sorted(found, key=lambda row: row["winsorized_result"])
    z = [row["computed_z_score"] for row in ordered]
    assert z == sorted(z)


@quick
@given(st.lists(st.sampled_from([Decimal(n) / 10 for n in range(30)]), min_size=1, max_size=60))
def test_decile_points_count_the_deciles_below_the_value(duckdb_engine: Engine, values: list[Decimal]) -> None:
    schema = pa.schema(
        [
            ("provider_id", pa.string()),
            ("performance_rate", pa.decimal128(18, 10)),
            ("published_points", pa.int64()),
            ("input_problem", pa.string()),
        ]
    )
    rows = pa.Table.from_pylist(
        [{"provider_id": str(number), "performance_rate": value} for number, value in enumerate(values)], schema=schema
    )
    table = duckdb_engine.table(rows, f"decile_{next(counter)}").mutate(
        scenario_id=ibis.literal("actual"), measure_id=ibis.literal("PSI-90"), is_total_hac_score_computed=True
    )
    exact = [Fraction(value) for value in values]
    cuts = [percentile_by_hand(exact, Fraction(tenth, 10)) for tenth in range(1, 10)]
    for row in duckdb_engine.to_arrow(rules.measure_score_by_decile(table)).to_pylist():
        below = sum(Fraction(row["performance_rate"]) > cut for cut in cuts)
        assert row["measure_score"] == 1 + below


@quick
@given(
    st.lists(scores, min_size=1, max_size=1),
    st.lists(scores, max_size=5),
    st.decimals(min_value=Decimal("0.01"), max_value=1, places=3),
)
def test_total_of_domains_is_the_weighted_mean(
    duckdb_engine: Engine, first: list[Decimal], second: list[Decimal], weight: Decimal
) -> None:
    """A missing domain leaves its weight to the other; the Total lies between the domain scores."""
    schema = pa.schema(
        [
            ("scenario_id", pa.string()),
            ("provider_id", pa.string()),
            ("score_units", pa.int64()),
            ("scored_measures", pa.int64()),
            ("domain_weight", pa.decimal128(7, 6)),
        ]
    )
    domains = [(first, weight), (second, 1 - weight)]
    rows = [
        {
            "scenario_id": "actual",
            "provider_id": "010001",
            "score_units": int(sum(values) * 10**12) if values else None,
            "scored_measures": len(values),
            "domain_weight": share,
        }
        for values, share in domains
    ]
    table = duckdb_engine.table(pa.Table.from_pylist(rows, schema=schema), f"domains_{next(counter)}")
    weighted = rules.weighted_domain_score(rules.domain_score(table))
    hospital = weighted.group_by("scenario_id", "provider_id").agg(
        weighted_units=weighted.weighted_units.sum().cast("decimal(38, 0)").cast("int64"),
        total_weight_units=weighted.total_weight_units.max(),
    )
    hospital = hospital.mutate(
        prints_total_hac_score=False,
        has_total_hac_score=False,
        has_unknown_measure=False,
        is_total_hac_score_computed=True,
    )
    found = duckdb_engine.to_arrow(rules.total_hac_score_of_domains(hospital)).to_pylist()[0]["total_hac_score"]
    present = [(values, share) for values, share in domains if values and share]
    means = [sum(map(Fraction, values)) / len(values) for values, _ in present]
    weights = [Fraction(share) for _, share in present]
    exact = sum(mean * share for mean, share in zip(means, weights, strict=True)) / sum(weights)
    assert abs(Fraction(found) - exact) <= Fraction(1, 2 * 10**12)
    assert found == Decimal(exact.numerator / Decimal(exact.denominator)).quantize(Decimal(10) ** -12, ROUND_HALF_UP)
    assert min(means) - Fraction(1, 10**12) <= Fraction(found) <= max(means) + Fraction(1, 10**12)
