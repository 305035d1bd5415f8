"""Hospital VBP FY2024 gives the same results whatever computes it: one thread, two, or Spark."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import published_data
from openvbp.engine import Engine, EngineName
from openvbp.pipeline import run
from openvbp.results import results_model
from openvbp.run_folder import RunFolder

TABLES = ("provider", "measure_result", "domain_result", "provider_result", "payment_result", "step_result")


def run_again(out: Path, engine: EngineName = "duckdb", threads: int | None = None) -> RunFolder:
    data = published_data("hospital", "hvbp", "fy2024")
    return run("hvbp", period="FY2024", data=data, out=out, engine=engine, threads=threads)


def contents(finished: RunFolder) -> dict[str, bytes]:
    return {path: (finished.path / f"{path}.parquet").read_bytes() for path in finished.record["rows"]}


def ordered(finished: RunFolder, name: str) -> pa.Table:
    key = results_model()[name].key
    return pq.read_table(finished.table_path(name)).sort_by([(column, "ascending") for column in key])


def test_all_result_tables_are_compared(hvbp_fy2024: RunFolder) -> None:
    assert sorted(hvbp_fy2024.tables) == sorted(TABLES)


def test_one_thread_gives_the_bytes_of_two(hvbp_fy2024: RunFolder, tmp_path: Path) -> None:
    again = run_again(tmp_path / "RUN", threads=1)
    expected, given = contents(hvbp_fy2024), contents(again)
    assert given.keys() == expected.keys()
    assert [path for path in expected if given[path] != expected[path]] == []


@pytest.fixture(scope="module")
def on_spark(spark_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """On the session of the tests, which is the active one."""
    return run_again(tmp_path_factory.mktemp("spark") / "RUN", engine="spark")


@pytest.mark.spark
def test_spark_gives_the_same_tables(on_spark: RunFolder, hvbp_fy2024: RunFolder) -> None:
    assert on_spark.record["engine"] == "spark"
    assert on_spark.record["rows"] == hvbp_fy2024.record["rows"]
    for name in TABLES:
        expected, given = ordered(hvbp_fy2024, name), ordered(on_spark, name)
        assert given.schema.equals(expected.schema), name
        assert given.num_rows > 0
        assert given.equals(expected), name
