"""A small contract for reviews, and runs of it made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from diagnosis_runs import write_run

CONTRACT = """
contract: small
title: Small contract
parties: {payer: Plan, contractor: Group, contractor_id: G1}
performance_periods:
  PY2024: {first_day: 2024-01-01, last_day: 2024-12-31}
payment_model: two_sided
attribution: {rule: as agreed}
budget:
  baseline_weights: {2023: 1}
  annual_trend: {2024: 0 %}
  is_risk_adjusted: false
stop_loss: {attachment_point: 50000, share_above: 1}
savings:
  minimum_rate: 0.02
  corridors: [{share: 0.50}]
losses:
  minimum_rate: 0.02
  is_first_dollar: false
  corridors: [{to: 1, share: 0.30}]
quality:
  measures:
    screening: {target: 0.60, points: 3, minimum_denominator: 200}
    control: {target: 0.50, points: 1, minimum_denominator: 20}
  gate: 0.50
"""
CLAIMS = """
claims: {attribution_rule: plurality_primary_care_tin}
"""


def write_contract(folder: Path, text: str = CONTRACT) -> Path:
    """Write a contract file."""
    path = folder / "small.yaml"
    path.write_text(text)
    return path


def write_rows(path: Path, program: str, **tables: Sequence[Mapping[str, Any]]) -> Path:
    """Write a run of 2024 with any columns of its result tables, as numbers and texts."""
    keys = {name: [{"provider_id": row["provider_id"]} for row in rows] for name, rows in tables.items()}
    write_run(path, 2024, program=program, **keys)
    for name, rows in tables.items():
        table = pa.Table.from_pylist([{"scenario_id": "actual", **row} for row in rows])
        pq.write_table(table, path / "results" / f"{name}.parquet")
    return path
