"""Results without scores: mean and standard deviation from the file, the same whatever computes them."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest
from hacrp_published import HAI, published_rows

from openvbp.engine import Engine, EngineName
from openvbp.parameters import load_parameters
from openvbp.pipeline import run
from openvbp.programs import program
from openvbp.run_folder import RunFolder

CONSTANTS = ("winsorized_mean", "winsorized_standard_deviation")
TABLES = ("measure_result", "provider_result", "payment_result", "step_result")


def write_results(folder: Path, hospitals: int | None = None) -> Path:
    """The published results of FY2024 without any score, as if they were of FY2025, whose constants are not known."""
    folder.mkdir()
    columns = {"Facility ID": "", "State": "", "PSI 90 Composite Value": ""}
    columns |= {f"{name} {what}": "" for name in HAI for what in ("SIR", "SIR Footnote")}
    with (folder / "results.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(columns), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(list(published_rows(2024).values())[:hospitals])
    return folder


def run_on(data: Path, out: Path, engine: EngineName = "duckdb", threads: int | None = None) -> RunFolder:
    return run("hacrp", period="FY2025", data=data, out=out, engine=engine, threads=threads)


def test_constants_of_the_file_are_near_the_official_ones(tmp_path: Path) -> None:
    """Near, not equal: the set of hospitals that CMS standardised is not the printed one."""
    found = run_on(write_results(tmp_path / "files"), tmp_path / "RUN")
    declared = load_parameters(program("hacrp").parameters_file)
    official = declared.in_force(declared.period("FY2024"))
    for name in CONSTANTS:
        rows = found.read("step_result", scenario_id="actual", quantity=name).to_pylist()
        computed = {row["measure_id"]: row["value"] for row in rows}
        assert computed.keys() == {"PSI-90", *HAI.values()}
        for measure_id, value in computed.items():
            difference = abs(value - official.value(name, measure_id))
            assert Decimal("0.00001") < difference < Decimal("0.003"), (name, measure_id, difference)


def rows_of(finished: RunFolder) -> dict[str, list[dict[str, object]]]:
    return {name: finished.read(name).to_pylist() for name in TABLES}


def test_threads_do_not_change_the_results(tmp_path: Path) -> None:
    files = write_results(tmp_path / "files")
    one, two = (run_on(files, tmp_path / f"RUN{threads}", threads=threads) for threads in (1, 2))
    for path in one.record["rows"]:
        assert (one.path / f"{path}.parquet").read_bytes() == (two.path / f"{path}.parquet").read_bytes(), path


@pytest.mark.spark
def test_spark_gives_the_same_results(spark_engine: Engine, tmp_path: Path) -> None:
    files = write_results(tmp_path / "files", hospitals=400)
    on_duckdb = run_on(files, tmp_path / "DUCKDB")
    on_spark = run_on(files, tmp_path / "SPARK", engine="spark")
    assert on_spark.record["engine"] == "spark"
    assert rows_of(on_spark) == rows_of(on_duckdb)
