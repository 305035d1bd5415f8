"""Three hospitals of CMS's FY2027 supplemental data file, row by row as published."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from openvbp import pipeline
from openvbp.programs import program
from openvbp.reporting.comparison import compare
from openvbp.run_folder import RunFolder

EXCERPT = Path(__file__).parent / "supplemental_data_excerpt.txt"
FACTORS = {"010005": "0.9999", "010006": "0.9863", "010021": "1.0000"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("fy2027")
    (folder / "data").mkdir()
    shutil.copy(EXCERPT, folder / "data")
    payments = 'Facility ID,base_operating_drg_payment_amount_usd\n010006,"$45,000,000.00"\n'
    (folder / "data" / "payments.csv").write_text(payments, encoding="utf-8")
    return pipeline.run("hrrp", period="FY2027", data=folder / "data", out=folder / "run")


def test_factors_are_the_published_ones(run: RunFolder) -> None:
    payments = {row["provider_id"]: row for row in run.read("payment_result").to_pylist()}
    assert {one: row["factor"] for one, row in payments.items()} == {one: Decimal(f) for one, f in FACTORS.items()}
    assert payments["010006"]["amount"] == Decimal("-616500")
    assert payments["010005"]["amount"] is None


def test_every_published_result_is_reproduced(run: RunFolder, tmp_path: Path) -> None:
    shutil.copy(EXCERPT, tmp_path)
    hrrp = program("hrrp")
    comparison = compare(run, hrrp.read_published_values(tmp_path, "FY2027"), hrrp.tolerances)
    assert comparison.is_equal
    counts = {one.quantity: (one.published, one.equal) for one in comparison.quantities}
    assert counts == {
        "excess_readmission_ratio": (15, 15),
        "penalty_indicator": (18, 18),
        "payment_reduction": (3, 3),
        "payment_adjustment_factor": (3, 3),
    }


def test_chain_is_explained_down_to_the_file(run: RunFolder) -> None:
    steps = run.read("step_result", provider_id="010006").to_pylist()
    by_quantity = {(row["quantity"], row["measure_id"]): row for row in steps}
    assert by_quantity["excess_readmissions", "READM-30-COPD"]["value"] == Decimal("0.2011")
    assert by_quantity["weighted_excess", "READM-30-COPD"]["value"] == Decimal("0.00311705")
    share = by_quantity["excess_payment_share", None]
    assert share["value"] == Decimal("0.0142630300") * Decimal("0.9628")
    assert share["inputs"].split() == ["weighted_excess", "neutrality_modifier"]
    modifier = by_quantity["neutrality_modifier", None]
    assert modifier["citation"] == "supplemental_data_excerpt.txt, column 'Neutrality modifier'"
    published = by_quantity["published_excess_readmission_ratio", "READM-30-COPD"]
    assert published["citation"] == "supplemental_data_excerpt.txt, column 'ERR for COPD'"
    assert all(row["citation"] for row in steps)
