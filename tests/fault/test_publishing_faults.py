"""Sites and statements that cannot be written: nothing that was there before is lost, and what to do is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from openvbp.cli import app
from openvbp.errors import InputDataError, MachineError, OpenvbpError, UsageError
from openvbp.run_folder import RunFolder
from openvbp.web.publishing import statements, static_site
from openvbp.web.publishing.statements import write_statements
from openvbp.web.publishing.static_site import publish
from openvbp.web.publishing.whole_folder import WholeFolder, whole_folder
from web_site import example


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return example("qof", tmp_path_factory.mktemp("publishing_faults"))


def _write(kind: str, run: Path, to: Path) -> object:
    return publish([run], to) if kind == "site" else write_statements(run, to)


@pytest.mark.parametrize("kind", ["site", "statements"])
def test_what_somebody_else_wrote_is_never_replaced(kind: str, run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep")
    with pytest.raises(UsageError, match="holds something else"):
        _write(kind, run.path, tmp_path / "mine")
    (tmp_path / "file").write_text("keep")
    with pytest.raises(UsageError, match="holds something else"):
        _write(kind, run.path, tmp_path / "file")
    assert (tmp_path / "mine" / "letter.txt").read_text() == (tmp_path / "file").read_text() == "keep"
    assert {one.name for one in tmp_path.iterdir()} == {"mine", "file"}


@pytest.mark.parametrize("kind", ["site", "statements"])
def test_a_run_is_never_replaced(kind: str, run: RunFolder) -> None:
    for to in (run.path, run.path.parent):
        with pytest.raises(UsageError, match="would take the place of"):
            _write(kind, run.path, to)
    assert (run.path / "run.json").is_file()


@pytest.mark.parametrize("kind", ["site", "statements"])
def test_when_writing_fails_the_folder_from_before_stays(
    kind: str, run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = tmp_path / "out"
    to.mkdir()
    record = static_site.RECORD if kind == "site" else statements.RECORD
    (to / record).write_text("{}")
    (to / "old.html").write_text("old")
    written: list[str] = []

    def full(self: WholeFolder, name: str, content: Any) -> int:
        written.append(name)
        if len(written) == 4:
            raise OSError(28, "No space left on device")
        return original(self, name, content)

    original = WholeFolder.write
    monkeypatch.setattr(WholeFolder, "write", full)
    with pytest.raises(MachineError, match="No space left on device"):
        _write(kind, run.path, to)
    assert {one.name for one in to.iterdir()} == {record, "old.html"}
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_process_left_is_taken_away(tmp_path: Path) -> None:
    left = tmp_path / ".out.partial"
    left.mkdir()
    (left / "half.html").write_text("half")
    with whole_folder(tmp_path / "out", "record.json", "a test") as folder:
        folder.write("record.json", "{}")
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["record.json"]
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_a_process_killed_between_the_two_moves_loses_nothing(tmp_path: Path) -> None:
    before = tmp_path / ".out.before"
    before.mkdir()
    (before / "record.json").write_text("old")
    with pytest.raises(RuntimeError), whole_folder(tmp_path / "out", "record.json", "a test"):
        raise RuntimeError
    assert (tmp_path / "out" / "record.json").read_text() == "old"


def _changed(run: RunFolder, to: Path, names: dict[str, str]) -> Path:
    """Copy a run, with other identifiers of providers."""
    shutil.copytree(run.path, to)
    for path in (to / "results").glob("*.parquet"):
        table = pq.read_table(path)
        old = table["provider_id"]
        new = pa.array([names.get(one, one) for one in old.to_pylist()], old.type)
        table = table.set_column(table.column_names.index("provider_id"), "provider_id", new)
        pq.write_table(table, path)
        assert pc.count(new).as_py() == table.num_rows
    return to


def test_any_identifier_gets_a_file_of_its_own(run: RunFolder, tmp_path: Path) -> None:
    names = {"10002": "../../etc/passwd", "10017": "a/b<img src=x>", "10036": "INDEX"}
    changed = _changed(run, tmp_path / "run", names)
    write_statements(changed, tmp_path / "out")
    assert {one.name for one in tmp_path.iterdir()} == {"run", "out"}
    written = sorted(one.name for one in (tmp_path / "out").iterdir())
    assert len(written) == 5
    assert all(one.isascii() and "/" not in one and not one.startswith(".") for one in written)
    for one in (tmp_path / "out").glob("*.html"):
        assert "<img" not in one.read_text(encoding="utf-8")


@pytest.mark.parametrize("names", [{"10002": "a/b", "10017": "a-b"}, {"10002": "equity"}])
def test_providers_that_an_address_cannot_tell_apart_are_refused(
    names: dict[str, str], run: RunFolder, tmp_path: Path
) -> None:
    changed = _changed(run, tmp_path / "run", names)
    with pytest.raises(InputDataError, match="once written as an address"):
        publish([changed], tmp_path / "site")
    assert not (tmp_path / "site").exists()
    written = write_statements(changed, tmp_path / "out")
    assert written.statements == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "where to?"),
        (["--to", "a.csv", "--statements", "b"], "where to?"),
        (["--statements", "b", "--table", "provider"], "statements are made of all tables"),
        (["--to", "a.csv", "--workbooks"], "workbooks stand beside statements"),
        (["--statements", "b", "--smallest-cell", "5"], "add --public"),
        (["--statements", "b", "--provider", "99999"], "the run has no provider '99999'"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    options: list[str], words: str, run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["export", str(run.path), *options])
    assert isinstance(done.exception, OpenvbpError)
    assert done.exception.exit_code == 2
    assert words in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_run_is_refused(run: RunFolder, tmp_path: Path) -> None:
    for kind in ("site", "statements"):
        with pytest.raises(UsageError, match="not a finished run"):
            _write(kind, tmp_path, tmp_path / "a" / kind)
    copied = Path(shutil.copytree(run.path, tmp_path / "copied"))
    record = json.loads((copied / "run.json").read_text())
    del record["stages"]
    (copied / "run.json").write_text(json.dumps(record))
    with pytest.raises(InputDataError, match="another version"):
        publish([copied], tmp_path / "site")
    assert not (tmp_path / "site").exists()
