"""The package as a person meets it in Python: what the command line does, under the same names."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import openvbp as vbp
from openvbp.cli import app
from openvbp.programs.hvbp import synthetic

ELSEWHERE = {
    "demo": "a command that shows others",
    "evaluate_power": "vbp.Evaluation(...).power()",
    "programs": "vbp.list_programs: vbp.programs is the package",
}


def commands() -> Iterator[str]:
    def walk(command: object, words: tuple[str, ...]) -> Iterator[str]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield "_".join(words).replace("-", "_")
        for name, one in (inner or {}).items():
            yield from walk(one, (*words, name))

    yield from walk(typer.main.get_command(app), ())


def test_every_command_has_a_function() -> None:
    names = set(commands())
    assert len(names) > 30
    assert names - set(vbp.__all__) == set(ELSEWHERE) & names


@pytest.mark.parametrize("name", [one for one in vbp.__all__ if one != "__version__"])
def test_every_function_is_there_and_documented(name: str) -> None:
    found = getattr(vbp, name)
    assert callable(found)
    assert len(inspect.getdoc(found) or "") > 30


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        vbp.nothing  # noqa: B018


def test_a_run_in_python(tmp_path: Path) -> None:
    synthetic.generate(tmp_path / "files", hospitals=20)
    done = vbp.run("hvbp", period="FY2024", data=str(tmp_path / "files"), out=str(tmp_path / "RUN"))
    opened = vbp.open_run(str(tmp_path / "RUN"))
    assert opened.record["rows"] == done.record["rows"]
    arrow = opened.table("provider_result")
    assert arrow.num_rows == 20
    pandas = opened.table("provider_result", as_="pandas")
    polars = opened.table("provider_result", as_="polars")
    ibis = opened.table("provider_result", as_="ibis")
    assert list(pandas.columns) == arrow.column_names == polars.columns == list(ibis.columns)
    assert pandas.score.dropna().tolist() == [one for one in arrow["score"].to_pylist() if one is not None]
    assert ibis.score.max().execute() == max(pandas.score.dropna())
    with pytest.raises(vbp.errors.UsageError, match="choose one of"):  # type: ignore[attr-defined]
        opened.table("provider_result", as_="excel")  # type: ignore[arg-type]


def test_tables_and_charts_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from openvbp import notebook
    from openvbp.errors import UsageError

    synthetic.generate(tmp_path / "files", hospitals=40)
    done = vbp.run("hvbp", period="FY2024", data=tmp_path / "files", out=tmp_path / "RUN")
    rows = notebook.league_rows(done).to_pylist()
    assert [row["rank"] for row in rows if row["rank"]] == sorted(row["rank"] for row in rows if row["rank"])
    assert rows[-1]["score"] is None
    page = notebook.league_table(done, most=40).as_raw_html()
    assert rows[0]["provider_name"] in page
    assert "not scored" in page
    drawn = notebook.payments_chart(done).to_dict()
    left_out = sum(row["score"] is None or row["amount"] is None for row in rows)
    assert left_out
    assert drawn["title"].endswith(f"{left_out} without score or payment")
    points = notebook.points_chart(done, rows[0]["provider_id"]).to_dict()
    assert len(points["layer"]) == 2
    with pytest.raises(UsageError, match="no payment component 'bonus'"):
        notebook.league_rows(done, component="bonus")
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(UsageError, match="altair is not installed"):
        notebook.payments_chart(done)
