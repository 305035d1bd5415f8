"""DuckDB and Spark settle alike, and the number of threads does not matter."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from mssp_published import folder, mssp_run

from openvbp.pipeline import run


def tables(finished: Path) -> dict[str, pa.Table]:
    import pyarrow.parquet as pq

    return {path.stem: pq.read_table(path) for path in sorted((finished / "results").glob("*.parquet"))}


@pytest.mark.spark
@pytest.mark.usefixtures("spark_engine")
@pytest.mark.parametrize("year", [2018, 2023])
def test_spark_gives_the_results_of_duckdb(year: int, tmp_path: Path) -> None:
    data = folder() / f"puf_{year}.csv"
    spark = run("mssp", period=f"PY{year}", data=data, out=tmp_path / "spark", engine="spark")
    theirs, ours = tables(spark.path), tables(mssp_run(year).path)
    assert theirs.keys() == ours.keys()
    for name, table in ours.items():
        assert theirs[name].to_pylist() == table.to_pylist(), name


def test_one_thread_gives_the_same_bytes(tmp_path: Path) -> None:
    alone = run("mssp", period="PY2023", data=folder(), out=tmp_path / "out", threads=1)
    for path in sorted((mssp_run(2023).path / "results").glob("*.parquet")):
        assert (alone.path / "results" / path.name).read_bytes() == path.read_bytes(), path.name
