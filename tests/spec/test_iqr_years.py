"""A hospital that did not report, in three years: the reduction in points, as a share, and one year only."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from openvbp.pipeline import run

REPORTING = "provider_id,reported,base_operating_drg_payment_amount\n010001,no,1000000.00\n010002,yes,1000000.00\n"


@pytest.mark.parametrize(
    ("period", "reduction", "full_update", "dollars"),
    [
        ("FY2005", "0.004", "0.033", "3872.2168441433"),
        ("FY2007", "0.02", "0.034", "19342.3597678917"),
        ("FY2014", "0.02", "0.017", "19665.6833824975"),
        ("FY2015", "0.00725", "0.022", "7093.9334637965"),
        ("FY2024", "0.00825", "0.031", "8001.9398642095"),
    ],
)
def test_the_reduction_of_each_period(
    tmp_path: Path, period: str, reduction: str, full_update: str, dollars: str
) -> None:
    (tmp_path / "reporting.csv").write_text(REPORTING, encoding="utf-8")
    finished = run("iqr", period=period, data=tmp_path, out=tmp_path / "out")
    steps = {(row["provider_id"], row["quantity"]): row["value"] for row in finished.read("step_result").to_pylist()}
    assert steps["010001", "full_update"] == Decimal(full_update)
    assert steps["010001", "update_reduction"] == Decimal(reduction)
    assert steps["010001", "hospital_update"] == Decimal(full_update) - Decimal(reduction)
    assert steps["010002", "hospital_update"] == Decimal(full_update)
    paid = {row["provider_id"]: row for row in finished.read("payment_result").to_pylist()}
    assert paid["010001"]["amount"] == -Decimal(dollars)
    assert (paid["010002"]["amount"], paid["010002"]["factor"], paid["010002"]["status"]) == (0, 1, "scored")
    # dollars = payments × reduction / (1 + full update)
    exact = 1_000_000 * Decimal(reduction) / (1 + Decimal(full_update))
    assert abs(exact - Decimal(dollars)) < Decimal("1e-10")


def test_last_year_does_not_matter(tmp_path: Path) -> None:
    """The same hospital loses in one year and is paid in full the next, from an update that is not lower."""
    updates = {}
    for period, answer in (("FY2015", "no"), ("FY2016", "yes")):
        folder = tmp_path / period
        folder.mkdir()
        (folder / "reporting.csv").write_text(REPORTING.replace(",no,", f",{answer},"), encoding="utf-8")
        finished = run("iqr", period=period, data=folder, out=folder / "out")
        rows = finished.read("step_result", provider_id="010001").to_pylist()
        updates[period] = {row["quantity"]: row["value"] for row in rows}
    assert updates["FY2015"]["hospital_update"] < updates["FY2015"]["full_update"]
    assert updates["FY2016"]["hospital_update"] == updates["FY2016"]["full_update"]
    assert updates["FY2016"]["payment_factor"] == 1
