"""Parquet files of exactly the contract's types, written without a loop over rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from openvbp.claims.contract import CLAIMS_TABLES, load_table
from openvbp.errors import InternalError, Problem

_TYPES = {
    "string": pa.string(),
    "date": pa.date32(),
    "int64": pa.int64(),
    "decimal(18, 2)": pa.decimal64(18, 2),
    "decimal(18, 4)": pa.decimal64(18, 4),
    "boolean": pa.bool_(),
}
_ROW_GROUP = 500_000
_PRUNED = ("person_id", "claim_start_date")
"""Columns by which readers skip parts of a file."""
_DISTINCT = ("claim_id", "lab_result_id")
"""Columns whose texts hardly repeat."""


def text(numbers: np.ndarray, texts: list[str] | pa.StringArray) -> pa.DictionaryArray:
    """Texts by number; negative numbers are null. Arrays of texts must not name one twice."""
    if isinstance(texts, list):
        # A dictionary that names a text twice is not written alike each time.
        distinct = {one: place for place, one in enumerate(dict.fromkeys(texts))}
        if len(distinct) < len(texts):
            places = np.array([distinct[one] for one in texts], np.int32)
            numbers = np.where(numbers < 0, -1, places[numbers])
        texts = pa.array(distinct, pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(numbers, mask=numbers < 0), texts)


def constant(value: str, count: int) -> pa.DictionaryArray:
    """The same text in every row."""
    return text(np.zeros(count, np.int8), [value])


def dates(days: np.ndarray, *, missing: np.ndarray | None = None) -> pa.Array:
    """Dates of days since 1970; null where missing."""
    return pa.array(days.astype(np.int32), mask=missing).cast(pa.date32())


def decimals(units: np.ndarray, digits: int = 2) -> pa.Array:
    """Exact decimals of whole smallest units (cents): the numbers are laid out as they are."""
    whole = np.ascontiguousarray(units, np.int64)
    return pa.Array.from_buffers(pa.decimal64(18, digits), len(whole), [None, pa.py_buffer(whole)])


def truth_values(flags: np.ndarray) -> pa.Array:
    """Truth values."""
    return pa.array(flags.astype(bool))


def write(folder: Path, table: str, part: int, columns: Mapping[str, pa.Array]) -> int:
    """Write one part of a table.

    Parameters
    ----------
    folder
        Claims folder; the part goes to ``<table>/part-<number>.parquet`` in it.
    table
        Table of the contract, or a truth table.
    part
        Number of the part.
    columns
        Column to values. Dictionary arrays are written as what they stand for.

    Returns
    -------
    How many rows were written; of a table of the contract without rows there is no part.
    """
    values, fields = [], []
    declared = load_table(table).column if table in CLAIMS_TABLES else None
    ordered = [name for name in declared if name in columns] if declared else list(columns)
    if declared and len(ordered) < len(columns):
        raise InternalError(
            Problem(f"columns that {table} does not have: {sorted(set(columns) - set(ordered))}", table, "report this")
        )
    for name in ordered:
        array = columns[name]
        of = array.type.value_type if isinstance(array.type, pa.DictionaryType) else array.type
        if declared and of != _TYPES[declared[name].type]:
            raise InternalError(Problem(f"{table}.{name} has type {of}", table, "report this"))
        values.append(array)
        fields.append(pa.field(name, array.type))
    rows = pa.Table.from_arrays(values, schema=pa.schema(fields))
    if declared and not rows.num_rows:
        return 0  # an empty table of claims is taken for a mistake by who opens it
    path = folder / table / f"part-{part:05d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the Arrow schema, dictionaries are read back as what they stand for.
    settings: dict[str, Any] = {"store_schema": False, "store_decimal_as_integer": True, "compression": "zstd"}
    pq.write_table(
        rows,
        path,
        row_group_size=_ROW_GROUP,
        use_dictionary=[name for name in ordered if name not in _DISTINCT],
        compression_level=1,
        write_statistics=[name for name in ordered if name in _PRUNED],
        **settings,
    )
    return rows.num_rows
