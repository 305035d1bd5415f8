"""Scottish practices as a run, the same with other counts where they are withheld, and an attacker.

The attacker knows the rules, the parameters and every cell that is published, and looks for the fractions behind those
that are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from conftest import published_data
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder

SMALLEST_CELL = 11
LARGEST_DENOMINATOR = 10_000
"""No indicator of a practice has more patients."""
PRINTED_DECIMALS = Fraction(1, 10**11)
"""Points are printed to twelve decimals and more."""
INDICATORS = "indicator_2015_16.parquet"
_FILES = (INDICATORS, "prevalence_adpf_2015_16.csv", "totals_2015_16.csv")
Cell = tuple[str, str]


def is_withheld(numerator: int, denominator: int) -> bool:
    """Say whether the patients, those done or those left over are 1 to 10: the rule, written again."""
    return any(0 < count < SMALLEST_CELL for count in (numerator, denominator, denominator - numerator))


def write_practices(folder: Path, practices: int, changed: Mapping[Cell, tuple[int, int]] | None = None) -> Path:
    """Write the files of the first practices; ``changed`` gives other counts for practice and indicator."""
    folder.mkdir(parents=True)
    source = published_data("primary_care", "scotland_qof")
    chosen = f"select distinct practice from '{source / INDICATORS}' order by 1 limit {practices}"
    with duckdb.connect() as connection:
        for name in _FILES:
            read = (
                f"'{source / name}'" if name.endswith("parquet") else f"read_csv('{source / name}', all_varchar=true)"
            )
            rows = connection.sql(f"select * from {read} where practice in ({chosen})").to_arrow_table()
            if name.startswith("indicator") and changed:
                rows = _with_counts(rows, changed)
            connection.register("rows", rows)
            target = folder / name.replace(".parquet", ".csv")
            connection.sql(f"copy (select * from rows) to '{target}' (header)")
            connection.unregister("rows")
    return folder


def _with_counts(rows: pa.Table, changed: Mapping[Cell, tuple[int, int]]) -> pa.Table:
    listed = rows.to_pylist()
    for row in listed:
        counts = changed.get((row["practice"], row["indicator"].removesuffix("(S)")))
        if counts:
            row["num"], row["denom"] = (str(count) for count in counts)
    return pa.Table.from_pylist(listed, rows.schema)


def run_practices(folder: Path, out: Path) -> RunFolder:
    return run("qof", period="2015/16", data=folder, out=out, threads=2)


# --- The attacker -------------------------------------------------------------------------------------------


def recovered(points: Decimal, measure: Mapping[str, Any]) -> Fraction | None:
    """Turn printed points between floor and maximum back into the share of patients, if one is near enough.

    Two shares of at most 10,000 patients are at least a hundred-millionth apart: never are two of them near enough.
    """
    lower, upper, maximum = (Fraction(measure[name]) for name in ("threshold", "benchmark", "maximum_points"))
    if not 0 < points < maximum:
        return None
    ratio = lower + Fraction(points) * (upper - lower) / maximum
    nearest = ratio.limit_denominator(LARGEST_DENOMINATOR)
    return nearest if abs(nearest - ratio) <= PRINTED_DECIMALS else None
