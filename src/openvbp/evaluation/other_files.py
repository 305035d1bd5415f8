"""Columns of further files that a study names: attributes, scores, outcomes, registrations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.evaluation.study_terms import OtherFile
from openvbp.profiling.tables import demand_columns, open_table
from openvbp.text_tables import read_text_table


def read_column(engine: Engine, folder: Path, source: OtherFile) -> dict[str, str]:
    """Read one column of another file by provider; a provider that stands twice must have one value.

    Raises
    ------
    UsageError, InputDataError
        If the file or a column is missing, no cell holds a provider, or values contradict each other.
    """
    path = folder / source.file
    pairs = read_rows(engine, path, (source.provider, source.column))
    values: dict[str, str] = {}
    contradicting = []
    for cell, value in pairs:
        match = re.search(source.provider_pattern, cell) if source.provider_pattern else None
        provider = match[1] if match else ("" if source.provider_pattern else cell.strip())
        if not provider or not value:
            continue
        if values.setdefault(provider, value) != value:
            contradicting.append(provider)
    if not values:
        raise InputDataError(Problem("no row has a provider and a value", str(path), "look at provider_pattern"))
    if contradicting:
        what = f"providers have several values of '{source.column}'"
        raise InputDataError(Problem(what, str(path), "keep one", len(contradicting), tuple(contradicting[:3])))
    return values


def read_rows(engine: Engine, path: Path, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Read columns as texts; published CSV files have columns without a name and other encodings.

    Raises
    ------
    UsageError, InputDataError
        If the file or a column is missing.
    """
    if path.suffix == ".csv":
        text = read_text_table(path)
        missing = [one for one in columns if one not in text.header]
        if missing:
            what_to_do = f"name columns that are there: {', '.join(filter(None, text.header))}"
            raise UsageError(Problem("columns are missing", str(path), what_to_do, len(missing), tuple(missing)))
        places = [text.header.index(one) for one in columns]
        return [tuple((row[place] or "").strip() for place in places) for row in text.rows]
    table = open_table(engine, path, re.sub(r"\W", "_", f"other_{path.name}_{'_'.join(columns)}"))
    demand_columns(table, columns, str(path))
    rows = engine.to_arrow(table.select([table[one].cast("string") for one in columns]))
    read = [[(one or "").strip() for one in rows[name].to_pylist()] for name in rows.column_names]
    return list(zip(*read, strict=True))
