"""Declared input tables on random cells: every row is accepted or rejected with a reason, whatever stands in it."""

from __future__ import annotations

import csv
import random
import re
import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openvbp.checked_rows import accepted, check_rows, rejected_cells
from openvbp.declared_tables import DeclaredColumn, DeclaredTable, read_rows
from openvbp.engine import Engine
from openvbp.errors import InputDataError

TABLE = DeclaredTable(
    "table.csv",
    (
        DeclaredColumn("provider_id", "hospital"),
        DeclaredColumn("day", "date"),
        DeclaredColumn("amount", "amount", may_be_empty=True, lowest=0),
        DeclaredColumn("kind", "text", choices=("a", "b")),
    ),
    key=("provider_id", "day"),
)
cells = st.one_of(
    st.sampled_from(["010001", "10002", "010003", "a", "b", "12.50", "-1", "2010-01-01", "2010-02-30", ""]),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12),
)
rows = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(["010001", "10001", "010002", "21T003"]), cells),
        st.one_of(st.sampled_from(["2010-01-01", "2010-01-02"]), cells),
        st.one_of(st.sampled_from(["", "0", "12.50"]), cells),
        st.one_of(st.sampled_from(["a", "b"]), cells),
    ),
    min_size=1,
    max_size=25,
)
quick = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def is_right(row: tuple[str, ...]) -> bool:
    """Oracle for one row by itself."""
    provider_id, day, amount, kind = (cell.strip() for cell in row)
    if re.fullmatch("[0-9]{4,5}", provider_id):
        provider_id = provider_id.zfill(6)
    days = re.fullmatch(r"([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-9]|3[01])", day)
    return (
        bool(re.fullmatch("[0-9]{2}[0-9A-Z][0-9]{3}", provider_id.upper()))
        and bool(days)
        and day != "2010-02-30"
        and (amount == "" or bool(re.fullmatch(r"[0-9]{1,13}([.][0-9]{1,2})?|-0", amount)))
        and kind in ("a", "b")
    )


def read_back(engine: Engine, found: list[tuple[str, ...]]) -> tuple[list[dict[str, object]], int] | None:
    with tempfile.TemporaryDirectory() as folder:
        with (Path(folder) / "table.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(column.name for column in TABLE.columns)
            writer.writerows(found)
        try:
            checked = check_rows(engine, read_rows(Path(folder), TABLE))
        except InputDataError:
            return None
    order = ["provider_id", "day", "amount", "kind"]
    kept = engine.to_arrow(accepted(checked).order_by(order)).to_pylist()
    lost = engine.to_arrow(rejected_cells(checked, TABLE)).to_pylist()
    assert all(one["reason"] and one["column"] for one in lost)
    return kept, len(lost)


@quick
@given(rows)
def test_rows_in_are_accepted_and_rejected(duckdb_engine: Engine, found: list[tuple[str, ...]]) -> None:
    answer = read_back(duckdb_engine, found)
    right = [row for row in found if is_right(row)]
    if answer is None:
        keys = [(row[0].strip().zfill(6).upper(), row[1].strip()) for row in right]
        assert not right or len(set(keys)) < len(keys)
        return
    kept, lost = answer
    assert len(kept) + lost == len(found)
    assert len(kept) == len({(row[0].strip().zfill(6).upper(), row[1].strip()) for row in right})
    assert all(row["amount"] is None or row["amount"] >= Decimal(0) for row in kept)


@quick
@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(
    duckdb_engine: Engine, found: list[tuple[str, ...]], order: random.Random
) -> None:
    assert read_back(duckdb_engine, found) == read_back(duckdb_engine, order.sample(found, len(found)))
