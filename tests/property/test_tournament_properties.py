"""Ranks, composites and tournaments against their definitions in plain Python."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import ibis
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.payment import tournament
from openvbp.scoring import composites, ranks

quick = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
scores = st.lists(st.one_of(st.none(), st.integers(0, 15)), min_size=1, max_size=60)


def half_up(value: Fraction, decimals: int) -> Decimal:
    scaled = value * 10**decimals
    return Decimal((2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)).scaleb(-decimals)


@quick
@given(scores, st.sampled_from([4, 5, 10]))
def test_ranks_and_bands(duckdb_engine: Engine, values: list[int | None], bands: int) -> None:
    table = pa.table({"place": range(len(values)), "group": ["g"] * len(values), "score": pa.array(values, pa.int64())})
    rows = duckdb_engine.table(table, "ranked").mutate(rank=ranks.rank_from_best(_.score, ["group"]))
    rows = rows.mutate(ranked=_.rank.count().over(ibis.window(group_by="group")))
    rows = rows.mutate(band=ranks.quantile_band(_.rank, _.ranked, bands)).order_by("place")
    known = [one for one in values if one is not None]
    for row, score in zip(duckdb_engine.to_arrow(rows).to_pylist(), values, strict=True):
        if score is None:
            assert row["rank"] is None
            assert row["band"] is None
            continue
        assert row["rank"] == 1 + sum(one > score for one in known)
        assert row["band"] == (row["rank"] - 1) * bands // len(known) + 1
        assert 1 <= row["band"] <= bands


@quick
@given(st.lists(st.one_of(st.none(), st.integers(1, 10)), min_size=1, max_size=40))
def test_only_the_best_bands_are_paid(duckdb_engine: Engine, bands: list[int | None]) -> None:
    rates = [Decimal("0.02"), Decimal("0.01")]
    table = pa.table({"place": range(len(bands)), "band": pa.array(bands, pa.int64())})
    literals = [ibis.literal(rate).cast("decimal(7, 6)") for rate in rates]
    rows = duckdb_engine.table(table, "banded").mutate(rate=tournament.banded_rate(_.band, literals)).order_by("place")
    paid = duckdb_engine.to_arrow(rows)["rate"].to_pylist()
    assert paid == [None if band is None else rates[band - 1] if band <= 2 else 0 for band in bands]


@quick
@given(
    st.integers(0, 10**12 - 1),
    st.lists(st.integers(0, 10**11), min_size=1, max_size=30),
)
def test_a_pool_is_shared_exactly_and_never_exceeded(duckdb_engine: Engine, pool: int, parts: list[int]) -> None:
    count = len(parts)
    columns = {"part": parts, "pool": [pool] * count, "whole": [sum(parts)] * count}
    table = pa.table(
        {"place": range(count), **{name: pa.array(values, pa.int64()) for name, values in columns.items()}}
    )
    shared = duckdb_engine.table(table, "shared").mutate(share=tournament.pool_share(_.pool, _.part, _.whole))
    shares = duckdb_engine.to_arrow(shared.order_by("place"))["share"].to_pylist()
    if not sum(parts):
        assert shares == [None] * len(parts)
        return
    assert shares == [pool * part // sum(parts) for part in parts]
    assert pool - len(parts) < sum(shares) <= pool


lines = st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted)


@quick
@given(st.lists(st.integers(0, 60), min_size=1, max_size=30), lines)
def test_the_lowest_line_counts(duckdb_engine: Engine, values: list[int], bounds: list[int]) -> None:
    table = pa.table({"place": range(len(values)), "score": pa.array(values, pa.int64())})
    low, high = (ibis.literal(bound).cast("int64") for bound in bounds)
    two, one = (ibis.literal(Decimal(rate)).cast("decimal(7, 6)") for rate in ("0.02", "0.01"))
    rows = duckdb_engine.table(table, "lined").mutate(rate=tournament.rate_below(_.score, [(low, two), (high, one)]))
    rates = duckdb_engine.to_arrow(rows.order_by("place"))["rate"].to_pylist()
    expected = ["0.02" if one < bounds[0] else "0.01" if one < bounds[1] else "0" for one in values]
    assert rates == [Decimal(rate) for rate in expected]


measures = st.integers(1, 10**6).flatmap(lambda most: st.tuples(st.integers(0, most), st.just(most)))
outcomes = st.tuples(measures, st.decimals("0.01", 1, places=6))


@quick
@given(st.lists(measures, max_size=8), st.lists(outcomes, max_size=3), st.decimals(0, 5, places=2))
def test_composites_are_exact(
    duckdb_engine: Engine,
    process: list[tuple[int, int]],
    outcome: list[tuple[tuple[int, int], Decimal]],
    weight: Decimal,
) -> None:
    indexes = [half_up(Fraction(*rate) / Fraction(expected), 12) for rate, expected in outcome]
    rate = half_up(Fraction(*map(sum, zip(*process, strict=True))), 12) if process else None
    total = Fraction(rate or 0) * len(process) + Fraction(weight) * sum(map(Fraction, indexes))
    count = len(process) + Fraction(weight) * len(outcome)
    score = half_up(total / count * 100, 10) if count else None
    table = pa.table(
        {
            "met": pa.array([sum(one for one, _most in process)], pa.int64()),
            "opportunities": pa.array([sum(most for _one, most in process)], pa.int64()),
            "units": pa.array([int(sum(indexes) * 10**12)], pa.int64()),
        }
    )
    found = duckdb_engine.table(table, "composed").mutate(rate=composites.opportunity_rate(_.met, _.opportunities))
    found = found.mutate(
        score=composites.composite_percent(
            _.rate,
            ibis.literal(len(process)).cast("int64"),
            _.units,
            ibis.literal(len(outcome)).cast("int64"),
            ibis.literal(weight).cast("decimal(7, 2)"),
        )
    )
    row = duckdb_engine.to_arrow(found).to_pylist()[0]
    assert (row["rate"], row["score"]) == (rate, score)
    if outcome:
        _check_indexes(duckdb_engine, outcome, indexes)


def _check_indexes(engine: Engine, outcome: list[tuple[tuple[int, int], Decimal]], indexes: list[Decimal]) -> None:
    table = pa.table(
        {
            "place": range(len(outcome)),
            "observed": pa.array([rate[0] for rate, _expected in outcome], pa.int64()),
            "patients": pa.array([rate[1] for rate, _expected in outcome], pa.int64()),
            "expected": pa.array([expected for _rate, expected in outcome], pa.decimal128(18, 6)),
        }
    )
    rows = engine.table(table, "indexed").mutate(
        index=composites.observed_to_expected(_.observed, _.patients, _.expected)
    )
    assert engine.to_arrow(rows.order_by("place"))["index"].to_pylist() == indexes
    assert money.SCORE_DECIMALS == composites.INDEX_DECIMALS
