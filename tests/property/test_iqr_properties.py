"""The update reduction on random parameters and payments: bounds, monotonicity, arithmetic in plain fractions."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import ibis
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openvbp.engine import Engine
from openvbp.programs.iqr import rules
from openvbp.rules import in_force, rules_of

quick = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ratio = st.decimals(0, "0.05", places=4)
amounts = st.lists(st.tuples(st.booleans(), st.decimals(0, 10**9, places=2)), min_size=1, max_size=20)
YEARS = {year: in_force(rules_of(rules), date(year - 1, 10, 1)) for year in (2010, 2020)}
_RATE = pa.decimal128(18, 10)
_HOSPITALS = pa.schema(
    [("place", pa.int64()), ("is_reported", pa.bool_()), ("excluded_reason", pa.string())]
    + [("base_operating_drg_payment_amount", pa.decimal128(18, 2))]
    + [
        (name, _RATE)
        for name in (
            "market_basket_increase",
            "productivity_adjustment",
            "statutory_adjustment",
            "update_reduction_points",
            "update_reduction_share",
        )
    ]
)


@quick
@given(amounts, ratio, ratio, ratio, st.sampled_from([2010, 2020]))
def test_reductions_are_exact_bounded_and_only_of_those_that_did_not_report(
    duckdb_engine: Engine,
    hospitals: list[tuple[bool, Decimal]],
    market_basket: Decimal,
    productivity: Decimal,
    statutory: Decimal,
    year: int,
) -> None:
    rows = [
        {
            "place": place,
            "is_reported": is_reported,
            "base_operating_drg_payment_amount": amount,
            "market_basket_increase": market_basket,
            "productivity_adjustment": productivity,
            "statutory_adjustment": statutory,
            "update_reduction_points": Decimal("0.02"),
            "update_reduction_share": Decimal("0.25"),
        }
        for place, (is_reported, amount) in enumerate(hospitals)
    ]
    table: ibis.expr.types.Table = duckdb_engine.table(pa.Table.from_pylist(rows, schema=_HOSPITALS), "hospital")
    for rule in YEARS[year]:
        table = rule(table)
    taken = Fraction("0.02") if year < 2015 else Fraction(market_basket) / 4
    full = Fraction(market_basket) - Fraction(productivity) - Fraction(statutory)
    for row in duckdb_engine.to_arrow(table.order_by("place")).to_pylist():
        amount = row["base_operating_drg_payment_amount"]
        if row["is_reported"]:
            assert (row["payment_reduction"], row["payment_factor"]) == (0, 1)
            continue
        exact = taken / (1 + full)
        assert abs(Fraction(row["payment_reduction_ratio"]) - exact) <= Fraction(1, 2 * 10**18)
        assert abs(Fraction(row["payment_reduction"]) - exact * Fraction(amount)) <= Fraction(1, 10**8)
        assert 0 <= row["payment_reduction"] <= amount
        assert row["hospital_update"] == row["full_update"] - row["update_reduction"]
        assert 0 < row["payment_factor"] <= 1
