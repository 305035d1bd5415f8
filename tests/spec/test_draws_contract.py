"""Draws in a contract: what the contractor and all whom it pays get follows from the contractor's draws."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openvbp.outcome_models.posterior_draws import draw_rows, write_draws
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder

ROOT = Path(__file__).parents[2] / "examples"
ACO, ADULTS, READMISSIONS = "northern_valley", "expenditures[adults 2025]", "readmissions"
GIVEN, COSTLY = 67_924_800.0, 75_000_000.0
"""Expenditures that the example has, and such that turn its savings into losses."""
FEW, MANY = 98 / 871, 0.2
DRAWS = 20


def settle(out: Path, data: Path, draws: pa.Table | None = None) -> RunFolder:
    if draws is not None:
        write_draws(draws, out.parent / "draws.parquet")
    file = None if draws is None else out.parent / "draws.parquet"
    return run(str(ROOT / "aco-contract-from-tables.yaml"), period="", data=data, out=out, draws=file, threads=1)


def amounts(finished: RunFolder) -> dict[tuple[str, str], Decimal]:
    rows = finished.read("payment_result", scenario_id="actual").to_pylist()
    return {(one["provider_id"], one["component_id"]): one["amount"] for one in rows}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Twelve draws as the example has it, eight that cost more; of a quarter of all the readmissions are many."""
    spent = [GIVEN] * 12 + [COSTLY] * 8
    rates = [FEW] * 8 + [MANY] * 4 + [FEW] * 8
    draws = [
        draw_rows([ACO], name, np.array(values)[:, None]) for name, values in ((ADULTS, spent), (READMISSIONS, rates))
    ]
    out = tmp_path_factory.mktemp("contract") / "RUN"
    return settle(out, ROOT / "contract_data" / "aco", pa.concat_tables(draws))


def test_draws_are_paid_as_another_settlement_would_be(drawn: RunFolder, tmp_path: Path) -> None:
    data = tmp_path / "FILES"
    data.mkdir()
    for one in (ROOT / "contract_data" / "aco").iterdir():
        text = one.read_text(encoding="utf-8").replace(
            "adults,2025,152640,67924800.00", "adults,2025,152640,75000000.00"
        )
        (data / one.name).write_text(text, encoding="utf-8")
    costly, given = amounts(settle(tmp_path / "RUN", data)), amounts(drawn)
    assert costly[ACO, "net"] < 0 < given[ACO, "net"]
    rows = pq.read_table(drawn.path / "uncertainty" / "payment_draw.parquet").to_pylist()
    found = {(one["provider_id"], one["component_id"], one["draw"]): one["amount"] for one in rows}
    for draw in range(1, DRAWS + 1):
        here = {key[:2]: amount for key, amount in found.items() if key[2] == draw}
        if draw <= 8:
            assert here == given
        elif draw > 12:
            assert here == costly
        else:
            assert 0 < here[ACO, "net"] < given[ACO, "net"]


def test_the_contractors_draws_are_those_of_its_participants(drawn: RunFolder) -> None:
    rows = {(one["provider_id"], one["component_id"]): one for one in drawn.read("payment_interval").to_pylist()}
    assert rows[ACO, "net"]["probability_sign_flips"] == Decimal("0.4")
    assert rows[ACO, "net"]["probability_taken"] == Decimal("0.4")
    participants = [one for (provider_id, _component), one in rows.items() if provider_id != ACO]
    assert len(participants) > 5
    # Baseline years and other measures are not drawn.
    assert {one["draw_status"] for one in rows.values()} == {"partly_drawn"}
    assert all(one["probability_given"] > 0 for one in participants if one["amount"] > 0)
    (measure,) = drawn.read("measure_interval").to_pylist()
    assert (measure["measure_id"], float(measure["rate_high"])) == (READMISSIONS, MANY)
    assert measure["points_low"] < measure["points_high"]
