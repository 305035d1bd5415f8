"""Finished runs made by hand, for diagnoses: a record and the result tables that are read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_DECIMAL = pa.decimal128(28, 10)
_COLUMNS = {
    "provider": {"provider_id": pa.string(), "peer_group": pa.string(), "dual_eligible_ratio": _DECIMAL},
    "payment_result": {
        **dict.fromkeys(("scenario_id", "provider_id", "component_id", "currency"), pa.string()),
        **dict.fromkeys(("rate", "amount", "base_amount"), _DECIMAL),
    },
    "provider_result": {"scenario_id": pa.string(), "provider_id": pa.string(), "score": _DECIMAL},
    "measure_result": {
        **dict.fromkeys(("scenario_id", "provider_id", "measure_id"), pa.string()),
        **dict.fromkeys(
            (
                *("numerator", "denominator", "rate", "expected", "threshold", "benchmark"),
                *("points", "maximum_points"),
            ),
            _DECIMAL,
        ),
    },
    "payment_interval": {
        **dict.fromkeys(("scenario_id", "provider_id", "component_id"), pa.string()),
        **dict.fromkeys(("rate", "amount", "probability_taken"), _DECIMAL),
    },
}
_COUNTS = {
    **dict.fromkeys(("scenario_id", "provider_id", "measure_id"), pa.string()),
    **dict.fromkeys(("numerator", "denominator", "exceptions", "register"), pa.int64()),
}
Rows = Sequence[Mapping[str, Any]]


def _table(rows: Rows, columns: Mapping[str, pa.DataType]) -> pa.Table:
    defaults = {"scenario_id": "actual", "currency": "USD", "component_id": "reduction"}

    def value(row: Mapping[str, Any], name: str) -> Any:
        given = row.get(name, defaults.get(name))
        exact = given is not None and columns[name] == _DECIMAL
        return Decimal(str(given)).quantize(Decimal("1e-10")) if exact else given

    return pa.table({name: pa.array([value(row, name) for row in rows], kind) for name, kind in columns.items()})


def write_run(
    path: Path,
    year: int,
    *,
    counts: Rows = (),
    scenarios: Sequence[str] = ("actual",),
    program: str = "hacrp",
    **tables: Rows,
) -> Path:
    """Write a run of a calendar year; tables by their names, ``provider`` made of the others where it is not given."""
    known = {row["provider_id"] for rows in (*tables.values(), counts) for row in rows}
    tables = {"provider": [{"provider_id": one} for one in sorted(known)], **tables}
    written = {f"results/{name}": _table(rows, _COLUMNS[name]) for name, rows in tables.items()}
    if counts:
        written["scoring/points"] = _table(counts, _COUNTS)
    for name, rows in written.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, path / f"{name}.parquet")
    record = {
        "program": program,
        "title": "Program",
        "period": f"{year}",
        "period_start": f"{year}-01-01",
        "period_end": f"{year}-12-31",
        "scenarios": {one: {} for one in scenarios},
        "parameters_sha256": "0" * 64,
        "rows": {name: rows.num_rows for name, rows in written.items()},
    }
    (path / "run.json").write_text(json.dumps(record))
    return path
