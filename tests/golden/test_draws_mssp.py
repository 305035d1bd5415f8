"""The settlements of PY2022 in draws: what is drawn as published is paid to the penny as published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from conftest import published_data
from openvbp.outcome_models.posterior_draws import draw_rows, write_draws
from openvbp.pipeline import run

INPUTS = {"expenditures": "expenditures", "published_quality_score": "QUALITY_SCORE"}


def test_published_inputs_are_paid_as_published(tmp_path: Path) -> None:
    asked = {"period": "PY2022", "data": published_data("contracts", "mssp"), "out": tmp_path / "RUN", "threads": 1}
    before = run("mssp", **asked)  # type: ignore[arg-type]
    acos = pq.read_table(tmp_path / "RUN" / "input" / "aco.parquet").to_pylist()
    draws = []
    for column, name in INPUTS.items():
        known = [one for one in acos if one[column] is not None]
        values = np.array([float(one[column]) for one in known])
        draws.append(draw_rows([one["provider_id"] for one in known], name, np.tile(values, (20, 1))))
    write_draws(pa.concat_tables(draws), tmp_path / "draws.parquet")
    after = run("mssp", draws=tmp_path / "draws.parquet", **asked)  # type: ignore[arg-type]
    assert after.record["draws"]["scenarios"]["actual"]["providers"] == {
        "drawn": before.read("provider_result").num_rows,
        "partly_drawn": 0,
        "not_drawn": 0,
    }
    rows = after.read("payment_interval").to_pylist()
    assert len(rows) > 1_000
    assert sum(one["amount"] > 0 for one in rows) > 500
    for one in rows:
        assert one["amount_low"] == one["amount"] == one["amount_high"]
        assert one["probability_sign_flips"] == 0
