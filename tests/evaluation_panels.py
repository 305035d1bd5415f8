"""Panels of made-up providers with a known effect, as files of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = {
    "provider": "provider",
    "condition": "condition",
    "period": "quarter",
    "observed": "deaths",
    "cases": "cases",
}
QUARTERS = [f"{year}Q{quarter}" for year in (2010, 2011, 2012) for quarter in (1, 2, 3, 4)]
ONSET = "2011-07-01"
STUDY = """\
study: A made-up program
program: made_up
outcome: {name: deaths}
data:
  file: panel.parquet
  columns: {provider: provider, condition: condition, period: quarter, observed: deaths, cases: cases, group: group}
  attributes: {region: region}
conditions: {heart: HEART, hip: ""}
groups: {treated: [program], exempt: [exempt A, exempt B]}
onset: {date: 2011-07-01, cite: made up}
main: {conditions: [heart]}
"""
"""A study of this panel, as a user writes it."""


def write_panel(
    folder: Path, *, effect: float = -2.0, treated: int = 60, others: int = 80, seed: int = 1, staggered: bool = False
) -> pa.Table:
    """Write ``panel.parquet``: provider × condition × quarter; 'heart' is paid for, 'hip' is not.

    The effect, in percentage points, is on 'heart' of treated providers from the third quarter of 2011 on; where
    staggered, half of them start two quarters later.
    """
    random = np.random.default_rng(seed)
    rows: dict[str, list[Any]] = {
        name: []
        for name in (
            "provider",
            "condition",
            "quarter",
            "group",
            "deaths",
            "cases",
            "expected",
            "start",
            "dose",
            "region",
        )
    }
    for number in range(treated + others):
        is_treated = number < treated
        level, dose = random.normal(12, 1.5), float(random.uniform(0.5, 1.5))
        start = 8 if staggered and number % 2 else 6
        for condition in ("heart", "hip"):
            for at, quarter in enumerate(QUARTERS):
                cases = int(random.integers(150, 250))
                gain = effect * (is_treated and condition == "heart" and at >= start)
                deaths = random.binomial(cases, np.clip((level - 0.1 * at + gain) / 100, 0.001, 0.999))
                values = (
                    f"P{number:03}",
                    condition,
                    quarter,
                    "program" if is_treated else ("exempt A" if number % 2 else "exempt B"),
                    deaths,
                    cases,
                    cases * 0.12,
                    QUARTERS[start] if is_treated else "",
                    str(dose if is_treated else 0.0),
                    f"R{number % 7}",
                )
                for name, value in zip(rows, values, strict=True):
                    rows[name].append(value)
    table = pa.table(rows)
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "panel.parquet")
    return table


def terms(**changes: Any) -> dict[str, Any]:
    """Terms of a study of this panel; ``main`` and the others are replaced whole."""
    return {
        "study": "A made-up program",
        "program": "made_up",
        "outcome": {"name": "deaths"},
        "data": {
            "file": "panel.parquet",
            "columns": {**COLUMNS, "group": "group", "expected": "expected"},
            "attributes": {"dose": "dose", "region": "region"},
        },
        "conditions": {"heart": "HEART", "hip": ""},
        "groups": {"treated": ["program"], "exempt": ["exempt A", "exempt B"]},
        "onset": {"date": ONSET, "cite": "made up"},
        "main": {},
        **changes,
    }
