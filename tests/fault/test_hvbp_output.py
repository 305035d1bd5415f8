"""Writing a run of Hospital VBP goes wrong: killed, disk full, folder taken. No wrong result and no half file stays."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hvbp_damage import make_files, says

from openvbp import pipeline
from openvbp.engine import DuckDBEngine
from openvbp.errors import MachineError, UsageError
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder, open_run

STAGES = ["input", "scoring_and_payment", "results"]
SCRIPT = """
import os, signal, sys
from pathlib import Path
from openvbp import pipeline

renames_left = int(sys.argv[3])
rename = os.replace

def rename_or_die(source, target):
    global renames_left
    if not renames_left:
        os.kill(os.getpid(), signal.SIGKILL)
    renames_left -= 1
    rename(source, target)

pipeline.os.replace = rename_or_die
pipeline.code_digest = lambda: "code"
pipeline.run("hvbp", period="FY2024", data=Path(sys.argv[1]), out=Path(sys.argv[2]))
"""
NEVER = 10**6


@pytest.fixture(scope="module", autouse=True)
def same_code() -> Iterator[None]:
    """A run depends on the code; a source file saved while the tests run must not make them fail."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "code_digest", lambda: "code")
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_files(tmp_path_factory.mktemp("hvbp") / "files", hospitals=40)


@pytest.fixture(scope="module")
def undisturbed(files: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return run("hvbp", period="FY2024", data=files, out=tmp_path_factory.mktemp("undisturbed") / "RUN")


def run_on(files: Path, out: Path, **other: object) -> tuple[RunFolder, list[str]]:
    lines: list[str] = []
    finished = run("hvbp", period="FY2024", data=files, out=out, progress=lines.append, **other)  # type: ignore[arg-type]
    return finished, lines


def kept(finished: RunFolder) -> list[str]:
    return [name for name, stage in finished.record["stages"].items() if stage["kept"]]


def same_bytes(one: RunFolder, other: RunFolder) -> bool:
    paths = [f"{path}.parquet" for path in one.record["rows"]]
    assert one.record["rows"] == other.record["rows"]
    return [path for path in paths if (one.path / path).read_bytes() != (other.path / path).read_bytes()] == []


def half_files(folder: Path) -> list[Path]:
    return list(folder.rglob("*.partial"))


def start(files: Path, out: Path, renames: int = NEVER) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SCRIPT, str(files), str(out), str(renames)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def test_killed_after_the_first_stage_it_goes_on_and_gives_the_same_bytes(
    files: Path, undisturbed: RunFolder, tmp_path: Path
) -> None:
    out = tmp_path / "RUN"
    marker = out / "stages" / "input.json"
    process = start(files, out)
    try:
        deadline = time.monotonic() + 60
        while not marker.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL, "the run ended before it could be killed"
    with pytest.raises(UsageError, match="not a finished run"):
        open_run(out)
    finished, lines = run_on(files, out)
    assert "input" in kept(finished)
    assert "results" not in kept(finished)
    assert "input: unchanged, kept" in lines
    assert same_bytes(finished, undisturbed)
    assert half_files(out) == []


# Renames of a run: tables of input (3), rejected cells, marker; tables of scoring and payment (3), marker; ...
@pytest.mark.parametrize(("renames", "stages"), [(0, []), (11, STAGES[:2])])
def test_killed_between_writing_and_renaming_a_table(
    renames: int, stages: list[str], files: Path, undisturbed: RunFolder, tmp_path: Path
) -> None:
    out = tmp_path / "RUN"
    process = start(files, out, renames)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert len(half_files(out)) == 1
    assert not (out / "run.json").exists()
    finished, _ = run_on(files, out)
    assert kept(finished) == stages
    assert same_bytes(finished, undisturbed)
    assert half_files(out) == []


def test_an_unchanged_run_is_kept_and_a_changed_one_is_not(files: Path, undisturbed: RunFolder, tmp_path: Path) -> None:
    out = copy_of_run(undisturbed, tmp_path)
    again, lines = run_on(files, out)
    assert kept(again) == STAGES
    assert lines[1:] == [f"{stage}: unchanged, kept" for stage in STAGES]
    assert same_bytes(again, undisturbed)
    changed, _ = run_on(files, out, changes=["applicable_percent=0.03"])
    assert kept(changed) == []
    assert list(changed.record["scenarios"]) == ["actual", "what_if"]


def test_a_run_of_other_code_is_not_kept(
    files: Path, undisturbed: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "code_digest", lambda: "other code")
    finished, _ = run_on(files, copy_of_run(undisturbed, tmp_path))
    assert kept(finished) == []
    assert same_bytes(finished, undisturbed)


MARKERS = {"truncated": b"{", "empty": b"", "of other inputs": b'{"digest": "x", "tables": {}}', "no object": b"[]"}


def cut_table(out: Path) -> None:
    path = out / "scoring" / "measure_score.parquet"
    path.write_bytes(path.read_bytes()[:-50])


def remove_table(out: Path) -> None:
    (out / "scoring" / "measure_score.parquet").unlink()


def copy_of_run(undisturbed: RunFolder, folder: Path, without: tuple[str, ...] = ()) -> Path:
    """Copy a finished run, as it was before some of its stages ran."""
    out = Path(shutil.copytree(undisturbed.path, folder / "RUN"))
    for stage in without:
        for table in undisturbed.record["stages"][stage]["tables"]:
            (out / f"{table}.parquet").unlink()
        (out / "stages" / f"{stage}.json").unlink()
    return out


@pytest.mark.parametrize("content", MARKERS.values(), ids=MARKERS)
def test_a_damaged_marker_means_that_the_stage_runs_again(
    content: bytes, files: Path, undisturbed: RunFolder, tmp_path: Path
) -> None:
    out = copy_of_run(undisturbed, tmp_path)
    (out / "stages" / "scoring_and_payment.json").write_bytes(content)
    finished, _ = run_on(files, out)
    assert kept(finished) == ["input", "results"]
    assert same_bytes(finished, undisturbed)


@pytest.mark.parametrize("damage", [cut_table, remove_table], ids=lambda one: one.__name__)
def test_a_damaged_table_is_made_again(
    damage: Callable[[Path], None], files: Path, undisturbed: RunFolder, tmp_path: Path
) -> None:
    out = copy_of_run(undisturbed, tmp_path)
    damage(out)
    finished, _ = run_on(files, out)
    assert kept(finished) == ["input", "results"]
    assert same_bytes(finished, undisturbed)


def test_folder_that_cannot_be_made(files: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for out in (tmp_path / "file", tmp_path / "file" / "RUN"):
        with pytest.raises(UsageError) as raised:
            run_on(files, out)
        assert raised.value.exit_code == 2
        assert str(out) in str(raised.value)
        assert "choose a" in str(raised.value)


def test_folder_of_something_else_is_left_alone(files: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(UsageError) as raised:
        run_on(files, tmp_path)
    says(raised.value, "not a run folder and not empty", str(tmp_path), "choose a new folder")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_folder_of_another_program_is_left_alone(files: Path, tmp_path: Path) -> None:
    (tmp_path / ".openvbp").write_text("hrrp")
    with pytest.raises(UsageError) as raised:
        run_on(files, tmp_path)
    says(raised.value, "holds a run of hrrp", str(tmp_path), "choose a new folder")


def test_two_runs_at_once_in_one_folder(files: Path, undisturbed: RunFolder, tmp_path: Path) -> None:
    """The second is refused while the first goes on and ends well."""
    refusals: list[UsageError] = []

    def try_another(line: str) -> None:
        if line.startswith("input:"):
            with pytest.raises(UsageError) as raised:
                run_on(files, tmp_path / "RUN")
            refusals.append(raised.value)

    finished = run("hvbp", period="FY2024", data=files, out=tmp_path / "RUN", progress=try_another)
    says(refusals[0], "another run is writing to the folder", "RUN", "wait for it")
    assert same_bytes(finished, undisturbed)


@pytest.fixture
def small_disk(undisturbed: RunFolder, tmp_path: Path) -> Iterator[Path]:
    """A file system that holds half of the run."""
    folder = tmp_path / "disk"
    folder.mkdir()
    half = sum(path.stat().st_size for path in undisturbed.path.rglob("*.parquet")) // 2
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={half}", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system is not permitted here; a full disk is simulated in the next test")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_disk_is_full(small_disk: Path, files: Path, undisturbed: RunFolder) -> None:
    out = small_disk / "RUN"
    with pytest.raises(MachineError) as raised:
        run_on(files, out)
    assert raised.value.exit_code == 74
    says(raised.value, "cannot write", str(out), "free disk space or choose another --out")
    assert half_files(out) == []
    assert not (out / "run.json").exists()
    subprocess.run(["mount", "-o", "remount,size=50m", small_disk], check=True)
    finished, _ = run_on(files, out)
    assert same_bytes(finished, undisturbed)


@pytest.mark.parametrize(("table", "stages"), [("measure_score", STAGES[1:]), ("step_result", STAGES[2:])])
def test_disk_is_full_in_the_middle_of_a_table(
    table: str, stages: list[str], files: Path, undisturbed: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = DuckDBEngine.write_parquet

    def write_half(self: DuckDBEngine, expression: object, path: Path) -> None:
        write(self, expression, path)  # type: ignore[arg-type]
        if path.name.startswith(table):
            path.write_bytes(path.read_bytes()[:1000])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = copy_of_run(undisturbed, tmp_path, without=tuple(stages))
    with monkeypatch.context() as patch:
        patch.setattr(DuckDBEngine, "write_parquet", write_half)
        with pytest.raises(MachineError) as raised:
            run_on(files, out)
    says(raised.value, "cannot write: No space left on device", f"{table}.parquet", "run the same command again")
    assert half_files(out) == []
    assert not list(out.rglob(f"{table}.parquet"))
    finished, _ = run_on(files, out)
    assert kept(finished) == [stage for stage in STAGES if stage not in stages]
    assert same_bytes(finished, undisturbed)


def test_disk_is_full_at_the_record(
    files: Path, undisturbed: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = copy_of_run(undisturbed, tmp_path)
    rename = os.replace

    def refuse(source: Path, target: Path) -> None:
        if target.name == "run.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline.os, "replace", refuse)
        with pytest.raises(MachineError) as raised:
            run_on(files, out)
    says(raised.value, "cannot write: No space left", "run.json", "run the same command again")
    assert not (out / "run.json").exists()
    assert half_files(out) == []
