"""``openvbp export --public``: the same cells are gone in every format, and the command says how many."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import duckdb
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from disclosure_tables import results
from openvbp.cli import app
from openvbp.reporting.disclosure import public_tables
from openvbp.run_folder import RunFolder, open_run

DIGEST = "a1b2c3d4e5f6"
INVOKE = CliRunner()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of three made-up practices: four patients of one, everybody in another, many in the third."""
    folder = tmp_path_factory.mktemp("RUN")
    tables = results([(4, 40), (40, 40), (20, 40), (30, 60), (60, 60), (20, 60)], 3)
    (folder / "results").mkdir()
    for name, rows in tables.items():
        pq.write_table(rows, folder / "results" / f"{name}.parquet")
    record = {"title": "Made up", "program": "made_up", "period": "2024", "authority": {}, "engine": "duckdb"}
    record |= {"period_start": "2024-01-01", "period_end": "2024-12-31", "finished_at": "2025-01-01", "versions": {}}
    record |= {"parameters_sha256": "0", "scenarios": {"actual": []}}
    record |= {"rows": {f"results/{name}": rows.num_rows for name, rows in tables.items()}}
    record |= {"input_files": [{"name": "counts.csv", "rows": 6, "sha256": DIGEST}]}
    record |= {"checks": [{"name": "small", "count": 4, "meaning": "patients of one practice"}]}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return open_run(folder)


def export(finished: RunFolder, to: Path, *options: str) -> str:
    done = INVOKE.invoke(app, ["export", str(finished.path), "--to", str(to), *options])
    assert done.exit_code == 0, done.output
    return done.output


def test_every_format_holds_the_same_cells(finished: RunFolder, tmp_path: Path) -> None:
    expected = public_tables(finished).tables["measure_result"]
    missing = expected["numerator"].null_count
    assert finished.read("measure_result")["numerator"].null_count < missing < expected.num_rows
    of_table = ("--public", "--table", "measure_result")
    export(finished, tmp_path / "m.parquet", *of_table)
    assert pq.read_table(tmp_path / "m.parquet").equals(expected)
    export(finished, tmp_path / "m.csv", *of_table)
    assert pyarrow.csv.read_csv(tmp_path / "m.csv")["numerator"].null_count == missing
    export(finished, tmp_path / "all.duckdb", "--public")
    with duckdb.connect(str(tmp_path / "all.duckdb")) as connection:
        assert connection.sql("select count(*) - count(numerator) from measure_result").fetchall() == [(missing,)]
        names = {name for (name,) in connection.sql("select table_name from duckdb_tables()").fetchall()}
    assert names == set(finished.tables)


def test_the_workbook_carries_no_traces(finished: RunFolder, tmp_path: Path) -> None:
    """No formula of a withheld amount, and no digest of an input file, by which counts could be tried."""
    contents = {}
    for name, options in (("own.xlsx", ()), ("public.xlsx", ("--public",))):
        export(finished, tmp_path / name, *options)
        with zipfile.ZipFile(tmp_path / name) as workbook:
            contents[name] = "".join(workbook.read(part).decode("utf-8") for part in workbook.namelist())
    withheld = public_tables(finished).tables["payment_result"]["amount"].null_count
    assert withheld > finished.read("payment_result")["amount"].null_count
    for trace in (DIGEST, "patients of one practice"):
        assert trace in contents["own.xlsx"]
        assert trace not in contents["public.xlsx"]
    assert contents["public.xlsx"].count("<f>") < contents["own.xlsx"].count("<f>")


def test_the_command_says_how_many_cells_are_gone(finished: RunFolder, tmp_path: Path) -> None:
    suppressed = public_tables(finished, 5).suppressed
    output = export(finished, tmp_path / "x.csv", "--public", "--smallest-cell", "5")
    assert (
        f"suppressed in all tables (smallest cell 5): {suppressed['primary']:,} primary, {suppressed['derived']:,} "
        f"derived, {suppressed['complementary']:,} complementary" in " ".join(output.split())
    )
    content = json.loads(export(finished, tmp_path / "x.csv", "--public", "--smallest-cell", "5", "--json"))
    assert content["suppressed"] == suppressed
    assert "suppressed" not in export(finished, tmp_path / "x.csv")


def test_one_provider_is_withheld_as_among_all(finished: RunFolder, tmp_path: Path) -> None:
    """What must be withheld depends on the others: a public file of one provider is a part of that of all."""
    export(finished, tmp_path / "one.parquet", "--public", "--table", "step_result", "--provider", "P0")
    among_all = public_tables(finished).tables["step_result"].to_pylist()
    assert pq.read_table(tmp_path / "one.parquet").to_pylist() == [
        row for row in among_all if row["provider_id"] == "P0"
    ]


def test_a_smallest_cell_without_public_is_a_usage_error(finished: RunFolder, tmp_path: Path) -> None:
    done = INVOKE.invoke(app, ["export", str(finished.path), "--to", str(tmp_path / "x.csv"), "--smallest-cell", "5"])
    assert done.exit_code != 0
    assert not (tmp_path / "x.csv").exists()
