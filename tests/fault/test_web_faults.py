"""Folders that cannot be served: each is refused before anything is shown, with what is wrong and what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openvbp.errors import InputDataError, OpenvbpError, UsageError
from openvbp.run_folder import RunFolder
from openvbp.web.accounts import Accounts
from openvbp.web.page import NotFoundError
from openvbp.web.pages.study import read_study, report
from openvbp.web.runs import serve_run, serve_runs
from openvbp.web.server import Binding, Contents, make_site, serve
from openvbp.web.single_sign_on import read_single_sign_on
from web_site import example


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return example("qof", tmp_path_factory.mktemp("web_faults"))


@pytest.fixture
def copied(run: RunFolder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run.path, tmp_path / "run"))


def _change_record(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads((folder / "run.json").read_text())
    change(record)
    (folder / "run.json").write_text(json.dumps(record))


def _unfinished(folder: Path) -> None:
    (folder / "run.json").unlink()


def _torn_record(folder: Path) -> None:
    (folder / "run.json").write_text((folder / "run.json").read_text()[:100])


def _other_record(folder: Path) -> None:
    _change_record(folder, lambda record: record.pop("parameters_sha256"))


def _no_mapping(folder: Path) -> None:
    (folder / "run.json").write_text("[]")


def _other_columns(folder: Path) -> None:
    path = folder / "results" / "provider_result.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["rank"]), path)


def _half_table(folder: Path) -> None:
    path = folder / "results" / "step_result.parquet"
    path.write_bytes(path.read_bytes()[:500])


def _lost_table(folder: Path) -> None:
    (folder / "results" / "measure_result.parquet").unlink()


def _fewer_rows(folder: Path) -> None:
    path = folder / "results" / "provider.parquet"
    pq.write_table(pq.read_table(path).slice(0, 1), path)


def _name_of_a_page(folder: Path) -> None:
    _change_record(folder, lambda record: record.update(program="contract", contract={"name": "audit", "file": ""}))


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (_unfinished, UsageError, "not finished"),
        (_torn_record, UsageError, "not a finished run"),
        (_no_mapping, InputDataError, "record is damaged"),
        (_other_record, InputDataError, "another version: its record lacks parameters_sha256"),
        (_other_columns, InputDataError, "another version: a table has other columns"),
        (_half_table, InputDataError, "missing or damaged"),
        (_lost_table, InputDataError, "missing or damaged"),
        (_fewer_rows, InputDataError, "not the one the record tells of"),
        (_name_of_a_page, InputDataError, "the address of a page"),
    ],
)
def test_damaged_run_is_refused(
    copied: Path, damage: Callable[[Path], None], error: type[OpenvbpError], words: str
) -> None:
    damage(copied)
    with pytest.raises(error, match=words):
        serve_run(copied)


def test_two_runs_of_a_period_are_refused(run: RunFolder, copied: Path) -> None:
    with pytest.raises(UsageError, match="two runs of"):
        serve_runs([run.path, copied])


def test_order_of_rows_in_a_table_does_not_matter(run: RunFolder, copied: Path) -> None:
    path = copied / "results" / "step_result.parquet"
    rows = pq.read_table(path)
    turned = rows.take(pa.array(range(rows.num_rows - 1, -1, -1)))
    pq.write_table(turned, path)
    asked = {"scenario_id": "actual", "provider_id": "10017"}
    assert (
        serve_run(copied)
        .public.read("step_result", **asked)
        .equals(serve_run(run.path).public.read("step_result", **asked))
    )


def test_nothing_to_serve() -> None:
    with pytest.raises(UsageError, match="nothing to serve"):
        make_site(Contents([]))


def test_server_refuses_other_machines_before_it_reads_anything(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="need people to sign in"):
        serve(Contents([tmp_path / "nothing"]), Binding(host="0.0.0.0"))


@pytest.mark.parametrize("text", ["", "{}", '{"accounts": {"a": {}}}', "[1]"])
def test_file_that_holds_no_accounts(tmp_path: Path, text: str) -> None:
    path = tmp_path / "accounts.json"
    with pytest.raises(UsageError, match="no file of accounts"):
        Accounts(path)
    path.write_text(text)
    with pytest.raises(UsageError, match="not a file of accounts"):
        Accounts(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("issuer: x\n", "not whole"),
        ("issuer: x\nclient_id: y\nclient_secret_variable: Z\nclaim: a\ncovers: {}\n", "not whole"),
        ("issuer: x\nclient_id: y\nclient_secret_variable: Z\nclaim: a\npassword: b\n", "not whole"),
        ("issuer: x\nclient_id: y\nclient_secret_variable: NOT_SET_ANYWHERE\nclaim: a\n", "is not set"),
        ("a: [\n", "cannot be read"),
    ],
)
def test_settings_of_a_single_sign_on_that_are_not_whole(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "single.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        read_single_sign_on(path)


@pytest.mark.parametrize(("text", "words"), [("{", "not a finished"), ("{}", "another version")])
def test_folder_that_holds_no_evaluation(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "evaluation.json").write_text(text)
    with pytest.raises(InputDataError, match=words):
        read_study(tmp_path)
    with pytest.raises(NotFoundError, match="report is missing"):
        report(tmp_path)
