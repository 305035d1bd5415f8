"""Cells from a panel file: columns named by a study, every row accepted or counted with the reason why not."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import Floats
from openvbp.evaluation.case_rows import counted, rejected_rows
from openvbp.evaluation.cells import Cells, cells_from_counts, cells_from_rates
from openvbp.evaluation.exposure_files import read_exposure
from openvbp.evaluation.other_files import read_column
from openvbp.evaluation.study_terms import Columns, Study
from openvbp.evaluation.windows import Window, window_of
from openvbp.profiling.tables import as_number, demand_columns, open_table

ONE_CONDITION = "all"
_NEEDED = "provider_id", "condition"


@dataclass(frozen=True)
class CellFile:
    """Cells, and what became of the rows of the file."""

    cells: Cells
    rows: int
    rejected: Mapping[str, int]
    """Reason to rows."""


def read_cells(engine: Engine, folder: Path, study: Study) -> CellFile:
    """Read the panel of a study.

    Parameters
    ----------
    engine
        Where the file is read.
    folder
        Of the files that the study names.
    study
        Its terms.

    Raises
    ------
    UsageError, InputDataError
        If a file or column is missing, no row can be used, or a provider stands twice in a cell.
    """
    path = folder / study.data.file
    table = open_table(engine, path, "panel")
    named = _named(study)
    demand_columns(table, list(dict.fromkeys(named.values())), str(path))
    columns: dict[str, Any] = {}
    for role, column in named.items():
        cell = table[column]
        is_figure = role in ("rate", "observed", "cases", "expected", "variance", "outcome")
        columns[role] = as_number(cell) if is_figure else cell.cast("string")
    chosen = table.select(**columns)
    is_of_cases = study.data.columns.outcome is not None
    rows = counted(engine, chosen, str(path)) if is_of_cases else engine.to_arrow(chosen)
    read = sum(rows["rows"].to_pylist()) if is_of_cases else rows.num_rows
    kept, windows, reasons = _usable(rows, study)
    rejected = rejected_rows(rows, reasons) if is_of_cases else dict(Counter(reasons.values()))
    if not kept.num_rows:
        examples = tuple(f"{reason}: {count:,}" for reason, count in rejected.items())
        raise InputDataError(Problem("no row can be used", str(path), "mend the rows", read, examples))
    attributes = _attributes(engine, folder, study, kept)
    try:
        cells = _cells(kept, windows, study, attributes)
    except InputDataError as error:
        raise InputDataError([_placed(one, path) for one in error.problems]) from error
    return CellFile(cells, read, rejected)


def _placed(problem: Problem, path: Path) -> Problem:
    return Problem(problem.what, str(path), problem.what_to_do, problem.count, problem.examples)


def _named(study: Study) -> dict[str, str]:
    columns = study.data.columns
    roles = {name: getattr(columns, name) for name in Columns.model_fields}
    roles = {name: column for name, column in roles.items() if column is not None}
    own = {f"attribute {name}": one for name, one in study.data.attributes.items() if isinstance(one, str)}
    return roles | own


def _usable(rows: pa.Table, study: Study) -> tuple[pa.Table, list[Window], dict[int, str]]:
    """Keep rows of known conditions with a provider, a window and an outcome; say of the others why not."""
    columns = study.data.columns
    providers = rows["provider"].to_pylist()
    conditions = rows["condition"].to_pylist() if columns.condition else [ONE_CONDITION] * rows.num_rows
    spans = _spans(rows, columns)
    figure = rows["rate" if columns.rate else "observed"].to_pylist()
    counts = figure if columns.rate else rows["cases"].to_pylist()
    kept, windows = [], []
    reasons: dict[int, str] = {}
    for at, (provider, condition, span) in enumerate(zip(providers, conditions, spans, strict=True)):
        if study.conditions and condition not in study.conditions:
            reasons[at] = "condition is not in the study"
        elif not (provider or "").strip():
            reasons[at] = "no provider"
        elif span is None:
            reasons[at] = "no window"
        elif figure[at] is None or counts[at] is None:
            reasons[at] = "outcome is not given or no number"
        elif not columns.rate and counts[at] == 0:
            reasons[at] = "no cases"
        else:
            kept.append(at)
            windows.append(span)
    chosen = rows.take(pa.array(kept, pa.int64()))
    chosen = chosen.append_column("provider_id", pa.array([providers[at].strip() for at in kept], pa.string()))
    name = pa.array([conditions[at] for at in kept], pa.string())
    place = chosen.column_names.index("condition") if "condition" in chosen.column_names else None
    chosen = chosen.append_column("condition", name) if place is None else chosen.set_column(place, "condition", name)
    return chosen, windows, reasons


def _spans(rows: pa.Table, columns: Columns) -> list[Window | None]:
    first = rows["period" if columns.period else "start"].to_pylist()
    last = rows["period" if columns.period else "end"].to_pylist()
    known: dict[tuple[str, str], Window] = {}
    spans: list[Window | None] = []
    for pair in zip(first, last, strict=True):
        if not (pair[0] and pair[1]):
            spans.append(None)
            continue
        if pair not in known:
            known[pair] = window_of(*pair)
        spans.append(known[pair])
    return spans


def _cells(rows: pa.Table, windows: list[Window], study: Study, attributes: Mapping[str, Sequence[str]]) -> Cells:
    columns = study.data.columns
    provider, condition = (rows[name].to_pylist() for name in _NEEDED)
    numbers = {name: _numbers(rows, name) for name in ("rate", "observed", "cases", "expected", "variance")}
    if columns.rate:
        figures = (numbers["rate"], numbers["cases"])
        shrunken = study.outcome.shrunken
        return cells_from_rates(provider, condition, windows, *figures, is_shrunken=shrunken, attributes=attributes)  # type: ignore[arg-type]
    further = {name: numbers[name] for name in ("expected", "variance")}
    figures = (numbers["observed"], numbers["cases"])
    return cells_from_counts(provider, condition, windows, *figures, **further, attributes=attributes)  # type: ignore[arg-type]


def _numbers(rows: pa.Table, name: str) -> Floats | None:
    if name not in rows.column_names:
        return None
    return np.array([np.nan if one is None else one for one in rows[name].to_pylist()], dtype=np.float64)


def _attributes(engine: Engine, folder: Path, study: Study, rows: pa.Table) -> dict[str, Sequence[str]]:
    found: dict[str, Sequence[str]] = {}
    for name in ("group", "first_treated"):
        if getattr(study.data.columns, name):
            found[name] = [one or "" for one in rows[name].to_pylist()]
    providers = rows["provider_id"].to_pylist()
    for name, source in study.data.attributes.items():
        if isinstance(source, str):
            found[name] = [one or "" for one in rows[f"attribute {name}"].to_pylist()]
        else:
            values = read_column(engine, folder, source)
            found[name] = [values.get(one, "") for one in providers]
    for name, asked in study.data.exposures.items():
        for attribute, values in read_exposure(engine, folder, name, asked).items():
            found[attribute] = [values.get(one, "") for one in providers]
    return found


def sha256(path: Path) -> str:
    """Digest of a file, or of the files in a folder."""
    if path.is_dir():
        parts = [hashlib.sha256(one.read_bytes()).hexdigest() for one in sorted(path.glob("*.parquet"))]
        return hashlib.sha256("".join(parts).encode()).hexdigest()
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
