"""Claims read in portions of persons give what they give as a whole."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from openvbp.attribution import portions
from openvbp.attribution.run import attribute_folder
from openvbp.attribution_comparison.folder import compare_folder
from openvbp.claims.synthetic.population import generate

RULES = ("mips_total_per_capita_cost", "mspb_clinician", "mssp_retrospective", "proportional")
COMPARED = ("plurality_primary_care_npi", "plurality_all_npi")


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("population") / "claims"
    generate(out, members=500, years=2, first_year=2023, seed=2)
    return out


def test_portions_change_no_row(population: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    said: list[str] = []
    expected = attribute_folder(data=population, out=whole, period="CY2024", rules=RULES)
    monkeypatch.setattr(portions, "PERSONS_AT_ONCE", 120)
    assert attribute_folder(data=population, out=cut, period="CY2024", rules=RULES, progress=said.append) == expected
    assert any(line.startswith("portion 4 of ") for line in said)
    assert pq.read_table(cut / "attribution.parquet").equals(pq.read_table(whole / "attribution.parquet"))
    assert sorted(path.name for path in cut.iterdir()) == ["attribution.json", "attribution.parquet"]


def test_portions_change_no_figure(population: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = compare_folder(data=population, out=tmp_path / "whole", period="CY2024", rules=COMPARED)
    monkeypatch.setattr(portions, "PERSONS_AT_ONCE", 200)
    found = compare_folder(data=population, out=tmp_path / "cut", period="CY2024", rules=COMPARED)
    assert found.as_json() == expected.as_json()
    assert found.payments.equals(expected.payments)
