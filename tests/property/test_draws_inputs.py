"""Drawn values in the place of counts: the quotient is the drawn rate, all else stays."""

from __future__ import annotations

from collections.abc import Iterator

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openvbp.engine import DuckDBEngine
from openvbp.program import DrawnColumn, share
from openvbp.uncertainty.drawn_inputs import with_draws

SINGLE = DrawnColumn("rows", "numerator", share, denominator="denominator")
POOLED = DrawnColumn(
    "rows",
    "numerator",
    share,
    denominator="denominator",
    is_pooled=lambda _rows: ibis.literal(True),
)


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    opened = DuckDBEngine(threads=1)
    yield opened
    opened.close()


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, int, float]:
    denominator = draw(st.integers(1, 100_000))
    return draw(st.integers(0, denominator)), denominator, draw(st.floats(0, 1).map(lambda one: round(one, 9)))


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(cases(), min_size=1, max_size=6), is_pooled=st.booleans(), are_as_given=st.booleans())
def test_quotients_are_the_drawn_rates(
    engine: DuckDBEngine, rows: list[tuple[int, int, float]], *, is_pooled: bool, are_as_given: bool
) -> None:
    given_rows = [
        {"provider_id": f"P{number}", "measure_id": "M", "numerator": done, "denominator": patients, "other": number}
        for number, (done, patients, _value) in enumerate(rows)
    ]
    # The last provider is not drawn.
    values = [
        {
            "provider_id": f"P{number}",
            "measure_id": "M",
            "draw": 1,
            "value": round(done / patients, 9) if are_as_given else value,
        }
        for number, (done, patients, value) in enumerate(rows[:-1])
    ]
    schema = pa.schema(
        [("provider_id", pa.string()), ("measure_id", pa.string()), ("draw", pa.int64()), ("value", pa.float64())]
    )
    versions = pa.table({"scenario_id": ["actual draw 1"], "draw": pa.array([1], pa.int64())})
    drawn = with_draws(
        engine.table(pa.Table.from_pylist(given_rows), "rows"),
        [POOLED if is_pooled else SINGLE],
        engine.table(pa.Table.from_pylist(values, schema=schema), "values"),
        engine.table(versions, "versions"),
    )
    found = engine.to_arrow(drawn.order_by("provider_id")).to_pylist()
    assert len(found) == len(rows)
    for before, after in zip(given_rows, found, strict=True):
        value = next((one["value"] for one in values if one["provider_id"] == before["provider_id"]), None)
        wanted = before["numerator"] / before["denominator"] if value is None else value
        assert after["numerator"] / after["denominator"] == pytest.approx(wanted, abs=1e-4 if is_pooled else 1e-6)
        if value is None or abs(value - before["numerator"] / before["denominator"]) < 1e-9:
            assert after["numerator"] * before["denominator"] == before["numerator"] * after["denominator"]
        if is_pooled:
            assert after["denominator"] == before["denominator"] * 10_000
        assert (after["other"], after["scenario_id"]) == (before["other"], "actual draw 1")
        assert 0 <= after["numerator"] <= after["denominator"]
