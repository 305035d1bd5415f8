"""HRRP gives the same results whatever computes it: one or two threads, Spark."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import published_data
from hrrp_files import (
    MadeCondition,
    MadeHospital,
    conditions_of,
    write_hospitals,
    write_payment_ratios,
    write_public,
)
from openvbp import pipeline
from openvbp.engine import Engine
from openvbp.results import results_model
from openvbp.run_folder import RunFolder

PERIOD = "FY2024"
TABLES = ("provider", "measure_result", "provider_result", "payment_result", "step_result")


@pytest.fixture(scope="module")
def nation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty hospitals with all that peer groups, medians and the neutrality modifier are computed from."""
    data = tmp_path_factory.mktemp("nation") / "data"
    data.mkdir()
    made = [
        MadeHospital(
            f"{10_001 + number:06d}",
            {
                one: MadeCondition(
                    f"{0.8 + (number * (37 + 10 * place)) % 400 / 1000:.4f}",
                    discharges=(number * 7 + place) % 90,
                    payment_ratio=f"{0.01 + (number + place) % 12 / 100:.4f}",
                )
                for place, one in enumerate(conditions_of(PERIOD))
            },
            dual_proportion=f"{number * 17 % 60 / 100:.4f}",
            base=f"{number * 1_000_003 % 90_000_000}.37",
        )
        for number in range(60)
    ]
    write_public(data, PERIOD, made)
    write_payment_ratios(data, made)
    write_hospitals(data, made, {"Dual Proportion": "dual_proportion", "Base Operating DRG Payment Amount USD": "base"})
    return data


@pytest.fixture(scope="module")
def on_duckdb(nation: Path) -> RunFolder:
    return pipeline.run("hrrp", period=PERIOD, data=nation, out=nation.parent / "duckdb", threads=1)


def ordered(finished: RunFolder, name: str) -> pa.Table:
    key = results_model()[name].key
    return pq.read_table(finished.table_path(name)).sort_by([(column, "ascending") for column in key])


def compare_tables(given: RunFolder, expected: RunFolder) -> None:
    assert given.record["rows"] == expected.record["rows"]
    for name in TABLES:
        assert ordered(given, name).num_rows > 0
        assert ordered(given, name).equals(ordered(expected, name)), name


def test_modifier_is_computed_over_the_nation(on_duckdb: RunFolder) -> None:
    steps = on_duckdb.read("step_result", quantity="neutrality_modifier").to_pylist()
    assert {row["note"] for row in steps} == {"computed over all hospitals of the run"}
    # By the law, not by the file of a year whose modifier has the same name.
    assert all(row["citation"].startswith("42 U.S.C. 1395ww(q)(3)(D)") for row in steps)
    assert len({row["value"] for row in steps}) == 1
    factors = {row["factor"] for row in on_duckdb.read("payment_result").to_pylist()}
    assert len(factors) > 20


def test_number_of_threads_does_not_change_a_byte(on_duckdb: RunFolder, nation: Path) -> None:
    again = pipeline.run("hrrp", period=PERIOD, data=nation, out=nation.parent / "threads", threads=2)
    for path in on_duckdb.record["rows"]:
        one, other = (finished.path / f"{path}.parquet" for finished in (on_duckdb, again))
        assert one.read_bytes() == other.read_bytes(), path


@pytest.mark.spark
def test_spark_gives_the_same_tables(spark_engine: Engine, on_duckdb: RunFolder, nation: Path) -> None:
    on_spark = pipeline.run("hrrp", period=PERIOD, data=nation, out=nation.parent / "spark", engine="spark")
    assert on_spark.record["engine"] == "spark"
    compare_tables(on_spark, on_duckdb)


@pytest.mark.spark
def test_stays_of_a_report_give_the_same_on_spark(spark_engine: Engine, tmp_path: Path) -> None:
    report = published_data("hospital", "hrrp", "mock_hsr", "fy2020")
    expected = pipeline.run("hrrp", period="FY2020", data=report, out=tmp_path / "duckdb")
    given = pipeline.run("hrrp", period="FY2020", data=report, out=tmp_path / "spark", engine="spark")
    compare_tables(given, expected)
