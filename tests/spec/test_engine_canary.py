"""The pinned versions of Ibis, sqlglot and the engines fit together: each breaks here first when they do not."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlparse

import pyarrow as pa

from openvbp.engine import Engine
from openvbp.money import exact

ROWS = pa.table(
    {
        "provider_id": pa.array(["010001", "010005", None], pa.string()),
        "amount": pa.array([Decimal("0.10"), Decimal("-12345678901.23"), Decimal(0)], pa.decimal128(18, 2)),
    }
)


def test_a_table_from_memory_is_created_and_dropped(engine: Engine) -> None:
    connection = engine._connection  # type: ignore[attr-defined]
    # Without missing values: through pandas, Ibis makes the text "NaN" of them on Spark. `engine.table` does not.
    rows = ROWS.slice(0, 2)
    connection.create_table("openvbp_canary", rows, overwrite=True)
    try:
        stored = engine.to_arrow(connection.table("openvbp_canary"))
        assert stored.schema == rows.schema
        assert sorted(stored.to_pylist(), key=str) == sorted(rows.to_pylist(), key=str)
    finally:
        connection.drop_table("openvbp_canary")
        remove_empty_warehouse(engine)
    assert "openvbp_canary" not in connection.list_tables()


def remove_empty_warehouse(engine: Engine) -> None:
    """Spark leaves the folder of its tables behind in the working directory."""
    if engine.name == "spark":
        location = engine._session.conf.get("spark.sql.warehouse.dir")  # type: ignore[attr-defined]
        with contextlib.suppress(OSError):
            Path(urlparse(location).path).rmdir()


def test_missing_values_stay_missing(engine: Engine) -> None:
    table = engine.table(ROWS, "canary_missing")
    assert sorted(engine.to_arrow(table).to_pylist(), key=str) == sorted(ROWS.to_pylist(), key=str)


def test_an_expression_is_computed_once_and_read_back(engine: Engine) -> None:
    """The way every stage takes: Arrow in, a computed table, Arrow out with the same types."""
    table = engine.table(ROWS, "canary_input")
    doubled = engine.compute(table.mutate(amount=exact(table.amount * 2, 18, 2)), "canary_computed")
    rows = engine.to_arrow(doubled.filter(doubled.provider_id.notnull()).order_by("provider_id"))
    assert rows.schema == ROWS.schema
    assert rows["amount"].to_pylist() == [Decimal("0.20"), Decimal("-24691357802.46")]
