"""Risk corridors against their definition in plain fractions, and as a payment scheme should behave."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import ibis
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ibis import _

from openvbp.engine import Engine
from openvbp.payment import risk_corridors

quick = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
GLOBAL = [("0.25", "1"), ("0.35", "0.5"), ("0.50", "0.25"), (None, "0.10")]
Limits = list[tuple[str | None, str]]


def by_hand(amount: Decimal, base: Decimal, bands: Limits) -> Decimal:
    """Walk the bands upward, as a contract describes them."""
    left, begin, shared = abs(Fraction(amount)), Fraction(0), Fraction(0)
    for limit, rate in bands:
        width = left if limit is None else min(left, Fraction(limit) * Fraction(base) - begin)
        shared += width * Fraction(rate)
        left -= width
        begin = begin if limit is None else Fraction(limit) * Fraction(base)
    scaled = shared * 10**10
    rounded = Decimal((2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)).scaleb(-10)
    return rounded if amount >= 0 else -rounded


def numbers(bands: Limits) -> list[risk_corridors.Band]:
    return [(None if limit is None else Decimal(limit), Decimal(rate)) for limit, rate in bands]


def table(engine: Engine, amounts: list[Decimal | None], base: Decimal | None) -> ibis.Table:
    rows = pa.table(
        {
            "contract": ["c"] * len(amounts),
            "place": range(len(amounts)),
            "amount": pa.array(amounts, pa.decimal128(28, 10)),
            "base": pa.array([base] * len(amounts), pa.decimal128(18, 2)),
        }
    )
    return engine.table(rows, "corridor_amounts")


def shared(engine: Engine, rows: ibis.Table, bands: list[risk_corridors.Band]) -> list[Decimal]:
    rows = rows.mutate(shared=risk_corridors.corridor_share(_.amount, _.base, bands)).order_by("place")
    return engine.to_arrow(rows)["shared"].to_pylist()


@st.composite
def schemes(draw: st.DrawFn) -> Limits:
    limits = sorted(draw(st.sets(st.integers(1, 2_000_000), max_size=5)))
    rates = draw(st.lists(st.integers(0, 1_000_000), min_size=len(limits) + 1, max_size=len(limits) + 1))
    ends = [*(str(Decimal(limit).scaleb(-6)) for limit in limits), None]
    return list(zip(ends, (str(Decimal(rate).scaleb(-6)) for rate in rates), strict=True))


@quick
@given(
    schemes(),
    st.lists(st.integers(-(10**21), 10**21), min_size=1, max_size=20),
    st.integers(0, 10**13),
)
def test_all_forms_give_what_the_definition_gives(
    duckdb_engine: Engine, bands: Limits, units: list[int], cents: int
) -> None:
    base = Decimal(cents).scaleb(-2)
    # The limits themselves, where an error of one place would show.
    amounts = [Decimal(one).scaleb(-10) for one in units]
    amounts += [sign * Decimal(limit or 0) * base for limit, _rate in bands for sign in (1, -1)]
    rows = table(duckdb_engine, amounts, base)
    expected = [by_hand(amount, base, bands) for amount in amounts]
    assert shared(duckdb_engine, rows, numbers(bands)) == expected
    begins = [Decimal(0), *(Decimal(limit or 0) for limit, _rate in bands[:-1])]
    listed = [
        {"contract": "c", "band_from": begin, "band_to": limit, "share": rate}
        for begin, (limit, rate) in zip(begins, numbers(bands), strict=True)
    ]
    assert not risk_corridors.problems_of_bands(
        [(one["band_from"], one["band_to"], one["share"]) for one in listed], "here"
    )
    kind = pa.decimal128(7, 6)
    schema = pa.schema([("contract", pa.string()), ("band_from", kind), ("band_to", kind), ("share", kind)])
    long = risk_corridors.corridor_shares(
        rows,
        duckdb_engine.table(pa.Table.from_pylist(listed, schema), "corridor_bands"),
        on=["contract"],
        row=["place"],
        amount="amount",
        base="base",
    )
    assert duckdb_engine.to_arrow(long.order_by("place"))["shared"].to_pylist() == expected


@quick
@given(
    schemes(), st.lists(st.integers(-(10**13), 10**13), min_size=2, max_size=40, unique=True), st.integers(1, 10**11)
)
def test_continuous_monotone_and_never_more_than_the_amount(
    duckdb_engine: Engine, bands: Limits, cents: list[int], base: int
) -> None:
    amounts = sorted(Decimal(one).scaleb(-2) for one in cents)
    paid = shared(duckdb_engine, table(duckdb_engine, amounts, Decimal(base)), numbers(bands))
    for amount, share in zip(amounts, paid, strict=True):
        assert abs(share) <= abs(amount)
        assert share * amount >= 0
    for (lower, less), (upper, more) in pairwise(zip(amounts, paid, strict=True)):
        # No step is larger than what the amount itself grew by: there is no jump at a limit.
        assert 0 <= more - less <= upper - lower


def test_limits_and_rates_from_columns_end_where_a_limit_is_null(engine: Engine) -> None:
    kind = pa.decimal128(7, 6)
    rows = pa.table(
        {
            "place": [0, 1, 2, 3, 4, 5],
            "amount": pa.array(
                [Decimal(n) for n in (120, 120, -120)] + [None, Decimal(120), Decimal(40)], pa.decimal128(18, 2)
            ),
            "base": pa.array([Decimal(1000)] * 4 + [None, Decimal(1000)], pa.decimal128(18, 2)),
            "first": pa.array([Decimal("0.05"), None, Decimal("0.05"), None, None, Decimal("0.05")], kind),
            "rate": pa.array([Decimal("0.5")] * 6, kind),
            "rest": pa.array([Decimal("0.35"), None, Decimal("0.35"), None, None, None], kind),
        }
    )
    bands = [(_.first, _.rate), (Decimal("0.10"), _.rest), (None, Decimal("0.05"))]
    columns = engine.table(rows, "corridor_columns")
    paid = shared(engine, columns, bands)
    assert paid == [Decimal("43.5"), Decimal(60), Decimal("-43.5"), None, None, Decimal(20)]


def test_a_missing_rate_that_is_reached_makes_the_share_missing(duckdb_engine: Engine) -> None:
    rows = table(duckdb_engine, [Decimal(40), Decimal(60)], Decimal(1000))
    missing = rows.mutate(rest=ibis.null("decimal(7, 6)"))
    bands = [(Decimal("0.05"), Decimal("0.5")), (None, _.rest)]
    assert shared(duckdb_engine, missing, bands) == [Decimal(20), None]


def test_bands_out_of_order_are_refused(duckdb_engine: Engine) -> None:
    rows = table(duckdb_engine, [Decimal(1)], Decimal(1))
    for bands in ([], [(None, Decimal(1)), (Decimal("0.5"), Decimal(1))]):
        with pytest.raises(ValueError, match="band"):
            shared(duckdb_engine, rows, bands)


@pytest.mark.parametrize(
    ("bands", "what"),
    [
        ([], "there is no band"),
        ([("0.01", None, "1")], "a band begins at 0.01, expected 0"),
        ([("0", "0.1", "1"), ("0.2", None, "1")], "a band begins at 0.2, expected 0.1"),
        ([("0", "0.2", "1"), ("0.1", None, "1")], "a band begins at 0.1, expected 0.2"),
        ([("0", None, "1"), ("0.1", None, "1")], "expected none, because a band before it is open"),
        ([("0", "0", "1")], "a band ends where it begins"),
        ([("0", None, "1.1")], "a share is not from 0 to 1"),
        ([("0", None, None)], "a band has no begin or no share"),
    ],
)
def test_bands_that_do_not_fit_together_are_described(bands: list[tuple[str | None, ...]], what: str) -> None:
    read = [tuple(None if one is None else Decimal(one) for one in band) for band in bands]
    assert what in "\n".join(str(problem) for problem in risk_corridors.problems_of_bands(read, "bands.csv"))
