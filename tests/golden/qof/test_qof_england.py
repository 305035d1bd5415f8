"""England: registers of all practices of 2019/20, and achievement files made by hand in the official layout."""

from __future__ import annotations

import functools
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from conftest import published_data
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder

ACHIEVEMENT = [
    "A81001,AF001,REGISTER,105",
    "A81001,AF001,ACHIEVED_POINTS,5",
    "A81001,CHD008,NUMERATOR,120",
    "A81001,CHD008,DENOMINATOR,160",
    "A81001,CHD008,PCAS,2",
    "A81001,CHD008,ACHIEVED_POINTS,11.36",
    "A81002,AF001,REGISTER,413",
    "A81002,AF001,ACHIEVED_POINTS,5",
    "A81002,CHD008,NUMERATOR,0",
    "A81002,CHD008,DENOMINATOR,0",
    "A81002,CHD008,PCAS,0",
    "A81002,CHD008,ACHIEVED_POINTS,0",
]


@pytest.fixture(scope="module")
def england(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("england")
    data = folder / "data"
    data.mkdir()
    (data / "PREVALENCE_1920.parquet").symlink_to(
        published_data("primary_care", "england_qof", "prevalence_2019_20.parquet")
    )
    header = "PRACTICE_CODE,INDICATOR_CODE,MEASURE,VALUE"
    (data / "ACHIEVEMENT_1920.csv").write_text("\n".join([header, *ACHIEVEMENT]) + "\n", encoding="utf-8")
    (data / "indicators.csv").write_text(
        "indicator_id,points,lower_threshold,upper_threshold\nCHD008,,0.40,0.77\n", encoding="utf-8"
    )
    return run("qof", period="2019/20", data=data, out=folder / "out")


@functools.cache
def registers() -> dict[str, dict[str, Fraction]]:
    """Prevalence of each practice by group, from the publication."""
    table = pq.read_table(published_data("primary_care", "england_qof", "prevalence_2019_20.parquet"))
    found: dict[str, dict[str, Fraction]] = {}
    for group in ("AF", "CHD"):
        rows = table.filter(pc.equal(table["GROUP_CODE"], group)).to_pylist()
        found[group] = {
            row["PRACTICE_CODE"]: Fraction(int(row["REGISTER"]), int(row["PATIENT_LIST_SIZE"])) for row in rows
        }
    return found


def test_factors_are_over_the_unweighted_mean_of_all_practices(england: RunFolder) -> None:
    table = pq.read_table(england.path / "scoring" / "prevalence_factor.parquet")
    assert len(pc.unique(table["provider_id"])) == 6_720
    rows = table.filter(pc.is_in(table["domain_id"], value_set=pa.array(["af", "chd"]))).to_pylist()
    factors = {(row["domain_id"], row["provider_id"]): row["adjusted_disease_prevalence_factor"] for row in rows}
    for group, prevalence in registers().items():
        mean = float(sum(float(one) for one in prevalence.values()) / len(prevalence))
        for practice in ("A81001", "A81002", "Y06812"):
            if practice in prevalence:
                expected = float(prevalence[practice]) / mean
                assert abs(float(factors[group.lower(), practice]) - expected) < 1e-12 * (1 + expected)
    counts = [float(value) for (area, _practice), value in factors.items() if area == "af"]
    assert abs(sum(counts) / len(counts) - 1) < 1e-10


def test_points_and_pounds(england: RunFolder) -> None:
    """75 percent of 12 points between 40 and 77 percent; nobody is no points; pounds by list and prevalence."""
    measures = {
        (row["provider_id"], row["measure_id"]): row["points"]
        for row in england.read("measure_result", scenario_id="actual").to_pylist()
    }
    assert measures["A81001", "CHD008"] == Decimal("11.3514")
    assert measures["A81002", "CHD008"] == 0
    assert measures["A81002", "AF001"] == 5
    prevalence = registers()
    # The list of A81001 is 4,111, the average list of the year 8,479.
    means = {group: sum(map(float, one.values())) / len(one) for group, one in prevalence.items()}
    points = {"AF": 5.0, "CHD": (120 / 160 - 0.40) / 0.37 * 12}
    adjusted = sum(points[group] * float(prevalence[group]["A81001"]) / means[group] for group in points)
    expected = adjusted * 187.74 * 4111 / 8479
    paid = {row["provider_id"]: row for row in england.read("payment_result", scenario_id="actual").to_pylist()}
    assert abs(float(paid["A81001"]["amount"]) - expected) < 0.000001
    assert paid["A81001"]["status"] == "unverified"
