"""The page of a cost model: what it says, and that it needs nothing else."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from openvbp.outcome_models.cost_page import render_cost_page
from openvbp.outcome_models.cost_run import CostColumns, measure_costs


def test_page_shows_providers_by_size_and_cost_and_what_is_not_verified(tmp_path: Path) -> None:
    lines = ["hospital,cost"]
    for place, (name, cost) in enumerate([("A & B", 80), ("C", 100), ("D", 160)]):
        lines += [f"{name},{cost + step}" for step in range(10 * (place + 1))]
    data = tmp_path / "episodes.csv"
    data.write_text("\n".join(lines) + "\n", encoding="utf-8")
    measure_costs(data=data, columns=CostColumns("hospital", "cost", ()), out=tmp_path / "out")
    text = (tmp_path / "out" / "costs.html").read_text(encoding="utf-8")
    assert "UNVERIFIED: the steps follow a summary" in text
    assert text.count("<circle") == 3
    assert "A &amp; B" in text
    # Highest first: D's episodes cost most.
    table = text[text.index("highest measure first") :]
    assert table.index(">D<") < table.index(">C<") < table.index(">A &amp; B<")
    assert "http" not in text.replace("http://www.w3.org", "")


def test_a_provider_without_measure_is_named_as_such(tmp_path: Path) -> None:
    row = {"episodes": 4, "episodes_left_out": 0, "observed_cost": 1.0, "expected_cost": 1.0, "ratio": 1.0}
    rows = [
        {"provider_id": "A", **row, "amount": 1.0, "measure": 1.0},
        {"provider_id": "B", **row, "amount": None, "measure": None},
    ]
    summary = {
        "data": str(tmp_path),
        "providers": 2,
        "measure_quartiles": [1.0] * 5,
        "episodes_left_out": 3,
        "rows_rejected": {"cost is below zero": 2},
        "rows_read": 9,
        "rows_accepted": 7,
        "columns": {"cost": "cost", "provider": "p", "covariates": (), "stratum": ""},
        "options": {"lowest_expected": 0.005, "lowest_residual": 0.01, "highest_residual": 0.99},
        "strata": 1,
        "mean_cost": 1.0,
        "explained": 0.0,
    }
    text = render_cost_page(summary, pa.Table.from_pylist(rows))
    assert "1 providers have no measure: all their episodes were left out." in text
    assert "9, 7, 2 (2 cost is below zero)" in text
    assert text.count("<circle") == 1
