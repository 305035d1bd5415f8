"""Tiny claims for tests: rows given by the columns that matter, the others filled in or null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from openvbp.claims.contract import load_table
from openvbp.engine import Engine

_SAME: dict[str, dict[str, Any]] = {
    "eligibility": {
        "gender": "female",
        "birth_date": date(1950, 6, 15),
        "payer": "medicare",
        "plan": "fee for service",
        "data_source": "test",
    },
    "medical_claim": {
        "claim_line_number": 1,
        "claim_type": "professional",
        "payer": "medicare",
        "plan": "fee for service",
        "data_source": "test",
    },
}
_VALUES = {"date": date.fromisoformat, "amount": Decimal, "quantity": Decimal}


def arrow_rows(table: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows of a table of the contract; days and amounts may be given as text."""
    declared = load_table(table)
    schema = ibis.schema({column.name: column.type for column in declared.columns}).to_pyarrow()
    whole = []
    for row in rows:
        given = {**_SAME.get(table, {}), **row}
        if table == "medical_claim":
            given.setdefault("claim_end_date", given["claim_start_date"])
        unknown = set(given) - set(declared.column)
        assert not unknown, unknown
        whole.append(
            {
                name: _VALUES.get(declared.column[name].kind, lambda text: text)(value)
                if isinstance(value, str)
                else value
                for name, value in given.items()
            }
        )
    return pa.Table.from_pylist([{field.name: row.get(field.name) for field in schema} for row in whole], schema)


def claims_table(engine: Engine, table: str, rows: Sequence[Mapping[str, Any]], name: str) -> ir.Table:
    """The same on an engine."""
    return engine.table(arrow_rows(table, rows), name)


def write_claims(folder: Path, **tables: Sequence[Mapping[str, Any]]) -> Path:
    """Write a claims folder with only the columns that are filled."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, rows in tables.items():
        whole = arrow_rows(table, rows)
        filled = [name for name in whole.column_names if whole[name].null_count < whole.num_rows]
        pq.write_table(whole.select(filled), folder / f"{table}.parquet")
    return folder
