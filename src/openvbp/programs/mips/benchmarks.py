"""Benchmark files of the Quality Payment Program: one JSON array of benchmarks per performance year.

Until 2022 a benchmark has ``deciles``: where decile 2 to decile 10 start, in order of rising points. From 2023 it has
``percentiles`` of the rates, in rising order, and says whether lower is better.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from openvbp.errors import InputDataError, Problem
from openvbp.program import InputFile

START_COLUMNS = tuple(f"start_decile_{decile}" for decile in range(1, 11))
ROW = pa.schema(
    [
        ("measure_id", pa.string()),
        ("submission_method", pa.string()),
        ("is_inverse", pa.bool_()),
        ("is_topped_out_by_program", pa.bool_()),
        ("benchmark_problem", pa.string()),
        *((name, pa.decimal128(18, 6)) for name in START_COLUMNS),
    ]
)
_REJECTED = pa.schema(
    [(name, pa.string()) for name in ("source_file", "row_number", "provider_id", "column", "value", "reason")]
)
_PERCENTILES = ("1", "10", "20", "30", "40", "50", "60", "70", "80", "90", "99")
_FILLERS = (Decimal(0), Decimal(100))
"""What stands for the start of decile 2 where none is published."""
_STARTS, _STARTS_AND_EXTREME = 9, 10
_LARGEST = Decimal(10) ** 7

Starts = list[Decimal | None]


class _UnusableError(ValueError):
    """A benchmark of which points cannot be computed, with the reason."""


@dataclass(frozen=True)
class Benchmarks:
    """The benchmarks of one performance year."""

    rows: pa.Table
    """Measure × submission method; those that cannot be used have a ``benchmark_problem`` and no starts."""
    rejected: pa.Table
    files: Sequence[InputFile]


def read_benchmarks(directory: Path, year: int) -> Benchmarks:
    """Read the benchmarks of a performance year from the folder's JSON files, which are told by their content.

    Raises
    ------
    InputDataError
        If no file or more than one holds benchmarks of the year, a file is no JSON, or a benchmark comes twice.
    """
    found: list[tuple[Path, list[dict[str, Any]]]] = []
    files = []
    for path in sorted(directory.glob("*.json")):
        entries = _entries(path)
        if entries and all(_is_benchmark(entry) and entry.get("performanceYear") == year for entry in entries):
            found.append((path, entries))
        else:
            files.append(InputFile(path.name, _sha256(path), "ignored", len(entries), 0, 0))
    if len(found) != 1:
        what = f"no file holds the benchmarks of {year}" if not found else f"several files hold benchmarks of {year}"
        raise InputDataError(
            Problem(
                what,
                str(directory),
                "give one JSON file of the Quality Payment Program for the performance year",
                max(len(found), 1),
                tuple(path.name for path, _entries in found[:3]),
            )
        )
    path, entries = found[0]
    _demand_single(path, entries)
    rows = [_row(entry) for entry in entries]
    rejected = [
        {
            "source_file": path.name,
            "row_number": str(number),
            "provider_id": "",
            "column": f"{row['measure_id']} {row['submission_method']}",
            "value": "",
            "reason": row["benchmark_problem"],
        }
        for number, row in enumerate(rows, start=1)
        if row["benchmark_problem"]
    ]
    used = InputFile(path.name, _sha256(path), "benchmarks", len(rows), len(rows) - len(rejected), len(rejected))
    return Benchmarks(
        pa.Table.from_pylist(rows, schema=ROW), pa.Table.from_pylist(rejected, schema=_REJECTED), [used, *files]
    )


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_bytes(), parse_float=Decimal)
    except (OSError, ValueError, RecursionError) as error:
        raise InputDataError(
            Problem("file cannot be read as JSON", str(path), "it may be truncated; download it again")
        ) from error
    is_list = isinstance(content, list) and all(isinstance(entry, dict) for entry in content)
    return content if is_list else []


def _is_benchmark(entry: dict[str, Any]) -> bool:
    return isinstance(entry.get("measureId"), str) and ("deciles" in entry or "percentiles" in entry)


def _demand_single(path: Path, entries: Sequence[dict[str, Any]]) -> None:
    keys = Counter((entry["measureId"], str(entry.get("submissionMethod"))) for entry in entries)
    repeated = [f"{measure} {method}" for (measure, method), times in keys.items() if times > 1]
    if repeated:
        raise InputDataError(
            Problem("benchmarks repeat", str(path), "use the file as published", len(repeated), tuple(repeated[:3]))
        )


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    starts: Starts = [None] * len(START_COLUMNS)
    is_inverse, problem = False, None
    try:
        is_inverse, starts = _from_percentiles(entry) if "percentiles" in entry else _from_deciles(entry["deciles"])
    except _UnusableError as reason:
        problem = str(reason)
    return {
        "measure_id": entry["measureId"],
        "submission_method": str(entry.get("submissionMethod")),
        "is_inverse": is_inverse,
        "is_topped_out_by_program": entry.get("isToppedOutByProgram") is True,
        "benchmark_problem": problem,
        **dict(zip(START_COLUMNS, starts, strict=True)),
    }


def _from_percentiles(entry: dict[str, Any]) -> tuple[bool, Starts]:
    """Turn percentiles into decile starts: the best tenth of the rates is decile 10."""
    percentiles, is_inverse = entry["percentiles"], entry.get("isInverse")
    if not isinstance(percentiles, dict) or set(percentiles) != set(_PERCENTILES):
        raise _UnusableError("percentiles are not 1, 10, 20 ... 90, 99")
    if not isinstance(is_inverse, bool):
        raise _UnusableError("isInverse is neither true nor false")
    values = _numbers([percentiles[name] for name in _PERCENTILES])
    if values != sorted(values):
        raise _UnusableError("percentiles are not in order")
    # The last percentile is the end of the best decile, not the start of one.
    ordered = values[::-1] if is_inverse else values
    return is_inverse, list(ordered[:-1])


def _from_deciles(deciles: Any) -> tuple[bool, Starts]:
    """Read decile starts, with the direction that they show."""
    values = _numbers(deciles)
    first: Decimal | None = None
    if len(values) == _STARTS_AND_EXTREME:
        # Beside the nine starts stands the worst or the best value, which lies farther out than any start.
        if abs(values[0] - values[1]) > abs(values[-1] - values[-2]):
            first, values = values[0], values[1:]
        else:
            values = values[:-1]
    if len(values) != _STARTS:
        raise _UnusableError("there are not nine decile starts")
    is_inverse = _direction(values)
    starts: Starts = [first, *values]
    if values[1:] != sorted(values[1:], reverse=is_inverse):
        raise _UnusableError("decile starts are not in order")
    if values != sorted(values, reverse=is_inverse):
        if values[0] not in _FILLERS:
            raise _UnusableError("decile starts are not in order")
        starts[1] = None
    return is_inverse, starts


def _direction(values: Sequence[Decimal]) -> bool:
    """Say whether the starts fall; where all are the same, only the ends of the scale tell."""
    worse, better = (values[1], values[-1]) if values[1] != values[-1] else (values[0], values[-1])
    if worse != better:
        return worse > better
    if better not in _FILLERS:
        raise _UnusableError("all decile starts are the same, so it is not known whether lower is better")
    return better == 0


def _numbers(values: Any) -> list[Decimal]:
    if not isinstance(values, list) or any(
        isinstance(one, bool) or not isinstance(one, int | Decimal) for one in values
    ):
        raise _UnusableError("a value is not a number")
    numbers = [Decimal(one) for one in values]
    if any(abs(one) >= _LARGEST or one != round(one, 6) for one in numbers):
        raise _UnusableError("a value has too many digits")
    return numbers


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
