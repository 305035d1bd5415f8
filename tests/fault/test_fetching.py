"""Fetching official files: every way in which a network, a publisher or a disk fails, on a server in this process."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from openvbp import fetching
from openvbp.errors import InputDataError, MachineError, OpenvbpError, UsageError
from openvbp.fetching import FetchReport, FilesNotThereError, download, fetch, load_catalogue

PROGRAMS = Path(fetching.__file__).parent.parent / "programs"
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "fetch-official-files.md"
SCORES = "hvbp_tps.csv"
SAFETY = "hvbp_safety.csv"
MODIFIED = "Wed, 31 Jul 2024 12:00:00 GMT"


def csv_file(year: str | None = "2024", rows: int = 2000) -> bytes:
    head = '"Fiscal Year",' if year else ""
    cell = f"{year}," if year else ""
    lines = [f'{head}"Facility ID","Total Performance Score"', *(f"{cell}{n:06d},{n}.5" for n in range(rows))]
    return "\n".join(lines).encode() + b"\n"


def zip_file(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@dataclass
class Published:
    """A file of the server and how the server misbehaves."""

    content: bytes
    tag: str | None = '"v1"'
    modified: str | None = MODIFIED
    cut_after: int | None = None
    """Bytes of the next answer after which the connection breaks; once."""
    failures: list[int] = field(default_factory=list)
    """HTTP status of the next answers."""
    has_ranges: bool = True
    heeds_if_range: bool = True
    delays: list[float] = field(default_factory=list)
    """Seconds before the next answers."""
    longest_part: int | None = None
    """Most bytes of a part that the server sends at once."""
    headers: dict[str, str] = field(default_factory=dict)
    location: str | None = None


class Server:
    """A publisher on the loopback interface."""

    def __init__(self) -> None:
        self.files: dict[str, Published] = {}
        self.requests: list[tuple[str, str | None]] = []
        """Path and Range header of each request."""
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # noqa: N805 (the handler has a self of its own)
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append((self.path, self.headers.get("Range")))
                answer(self, server.files.get(self.path))

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def answer(request: BaseHTTPRequestHandler, file: Published | None) -> None:
    if file and file.delays:
        time.sleep(file.delays.pop(0))
    if file is None or file.failures or file.location:
        status = 404 if file is None else file.failures.pop(0) if file.failures else 302
        request.send_response(status)
        if file and file.location and status == 302:
            request.send_header("Location", file.location)
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    start = _start(request, file)
    if start is not None and start >= len(file.content):
        request.send_response(416)
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    body = file.content[start or 0 :]
    if start is not None:
        body = body[: file.longest_part]
    request.send_response(200 if start is None else 206)
    sent = {"Content-Length": str(len(body)), "ETag": file.tag, "Last-Modified": file.modified, **file.headers}
    if start is not None:
        sent["Content-Range"] = f"bytes {start}-{start + len(body) - 1}/{len(file.content)}"
    for name, value in sent.items():
        if value:
            request.send_header(name, value)
    request.end_headers()
    cut, file.cut_after = file.cut_after, None
    request.wfile.write(body[:cut])
    if cut is not None:
        request.wfile.flush()
        request.connection.shutdown(socket.SHUT_RDWR)


def _start(request: BaseHTTPRequestHandler, file: Published) -> int | None:
    wanted = request.headers.get("Range")
    if not wanted or not file.has_ranges:
        return None
    if file.heeds_if_range and request.headers.get("If-Range") not in (file.tag, file.modified):
        return None
    return int(wanted.removeprefix("bytes=").removesuffix("-"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(download, "FIRST_WAIT_SECONDS", 0.001)
    server = Server()
    yield server
    server.close()


@pytest.fixture
def write_catalogue(tmp_path: Path, server: Server) -> Callable[..., Path]:
    def write(*sources: dict[str, Any], **top: Any) -> Path:
        path = tmp_path / "catalogue.yaml"
        document = {
            "program": "hvbp",
            "publisher": "a test",
            "year_column": "Fiscal Year",
            "periods": {"FY2024": list(sources)},
        }
        path.write_text(yaml.safe_dump({**document, **top}))
        return path

    return write


def archive_source(server: Server, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "archive",
        "address": f"{server.address}/2024.zip",
        "page": "https://example.org/archive",
        "seen": "this test",
        "files": [{"name": "*hvbp_tps*.csv", "what": "scores"}, {"name": "*hvbp_safety*.csv", "what": "safety"}],
        **changes,
    }


def dataset_source(server: Server, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "dataset",
        "address": f"{server.address}/items/{{dataset}}",
        "page": "https://example.org/dataset/{dataset}",
        "seen": "this test",
        "files": [{"name": "*hvbp_tps*.csv", "what": "scores", "dataset": "ypbt-wvdk"}],
        **changes,
    }


def publish_dataset(server: Server, content: bytes, name: str = SCORES, **behaviour: Any) -> Published:
    """Publish a dataset's description and file."""
    description = {"distribution": [{"downloadURL": f"{server.address}/resources/x_1/{name}"}]}
    server.files["/items/ypbt-wvdk"] = Published(json.dumps(description).encode())
    server.files[f"/resources/x_1/{name}"] = Published(content, **behaviour)
    return server.files[f"/resources/x_1/{name}"]


def publish_archive(server: Server, members: dict[str, bytes] | None = None, **behaviour: Any) -> Published:
    content = zip_file(members or {f"hospitals/{SCORES}": csv_file(), f"hospitals/{SAFETY}": csv_file()})
    server.files["/2024.zip"] = Published(content, **behaviour)
    return server.files["/2024.zip"]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def failing(error: type[OpenvbpError], catalogue: Path, to: Path, text: str) -> OpenvbpError:
    """Fetch must fail with this error, which says the text and what to do."""
    with pytest.raises(error) as caught:
        fetch(catalogue, "FY2024", to)
    assert text in str(caught.value)
    assert all(problem.where and problem.what_to_do for problem in caught.value.problems)
    return caught.value


def interrupted(catalogue: Path, to: Path, file: Published, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Break the download off after some bytes, with no attempt left."""
    file.cut_after = after
    with monkeypatch.context() as patch:
        patch.setattr(download, "ATTEMPTS", 1)
        failing(MachineError, catalogue, to, "download failed")


# Whole files


def test_dataset_is_fetched_through_its_description(server, write_catalogue, tmp_path):
    content = csv_file()
    publish_dataset(server, content)
    seen: list[tuple[str, int, int | None]] = []
    report = fetch(
        write_catalogue(dataset_source(server)), "FY2024", tmp_path / "to", progress=lambda *step: seen.append(step)
    )
    assert isinstance(report, FetchReport)
    (file,) = report.files
    assert (file.name, file.bytes, file.sha256, file.status) == (SCORES, len(content), sha256(content), "new")
    assert file.is_year_checked
    assert report.notes == ()
    assert (tmp_path / "to" / SCORES).read_bytes() == content
    assert names(tmp_path / "to") == {SCORES, "fetched.json"}
    assert seen[-1] == (SCORES, len(content), len(content))


def test_record_says_where_each_file_came_from(server, write_catalogue, tmp_path):
    archive = publish_archive(server)
    fetch(write_catalogue(archive_source(server, sha256=sha256(archive.content))), "FY2024", tmp_path / "to")
    record = json.loads((tmp_path / "to" / "fetched.json").read_text())
    assert (record["program"], record["period"]) == ("hvbp", "FY2024")
    entry = next(one for one in record["files"] if one["name"] == SCORES)
    assert entry["address"] == f"{server.address}/2024.zip"
    assert entry["member"] == f"hospitals/{SCORES}"
    assert entry["sha256"] == sha256(csv_file())
    assert entry["archive_sha256"] == sha256(archive.content)
    assert entry["bytes"] == len(csv_file())
    assert entry["last_modified"] == MODIFIED
    assert entry["fetched_at"].endswith("+00:00")


def test_only_wanted_members_leave_an_archive(server, write_catalogue, tmp_path):
    publish_archive(
        server,
        {
            f"deep/er/{SCORES}": csv_file(),
            f"win\\dows\\{SAFETY}": csv_file(),
            "Hospital_General_Information.csv": b"not wanted",
            f"__MACOSX/._{SCORES}": b"junk",
        },
    )
    fetch(write_catalogue(archive_source(server)), "FY2024", tmp_path / "to")
    assert names(tmp_path / "to") == {SCORES, SAFETY, "fetched.json"}


def test_capitals_in_names_do_not_count(server, write_catalogue, tmp_path):
    publish_archive(server, {"HVBP_TPS_10_28_2015.CSV": csv_file(), "hvbp_Safety.csv": csv_file()})
    fetch(write_catalogue(archive_source(server)), "FY2024", tmp_path / "to")
    assert names(tmp_path / "to") == {"HVBP_TPS_10_28_2015.CSV", "hvbp_Safety.csv", "fetched.json"}


def test_second_fetch_keeps_files_without_asking_the_publisher(server, write_catalogue, tmp_path):
    publish_archive(server)
    catalogue = write_catalogue(archive_source(server))
    fetch(catalogue, "FY2024", tmp_path / "to")
    asked = len(server.requests)
    report = fetch(catalogue, "FY2024", tmp_path / "to")
    assert [file.status for file in report.files] == ["kept", "kept"]
    assert len(server.requests) == asked


def test_damaged_file_is_fetched_again_and_others_are_kept(server, write_catalogue, tmp_path):
    publish_dataset(server, csv_file())
    server.files["/items/dgmq-aat3"] = Published(
        json.dumps({"distribution": [{"data": {"downloadURL": f"/resources/y/{SAFETY}"}}]}).encode()
    )
    server.files[f"/resources/y/{SAFETY}"] = Published(csv_file())
    source = dataset_source(server)
    source["files"].append({"name": "*hvbp_safety*.csv", "what": "safety", "dataset": "dgmq-aat3"})
    catalogue = write_catalogue(source)
    fetch(catalogue, "FY2024", tmp_path / "to")
    (tmp_path / "to" / SAFETY).write_bytes(b"damaged")
    report = fetch(catalogue, "FY2024", tmp_path / "to")
    assert {file.name: file.status for file in report.files} == {SCORES: "kept", SAFETY: "new"}
    assert (tmp_path / "to" / SAFETY).read_bytes() == csv_file()


# Downloads that break off


def test_download_goes_on_where_it_broke_off(server, write_catalogue, tmp_path, monkeypatch):
    content = csv_file(rows=50_000)
    file = publish_dataset(server, content)
    catalogue = write_catalogue(dataset_source(server))
    interrupted(catalogue, tmp_path / "to", file, 300_000, monkeypatch)
    kept = (tmp_path / "to" / f"{SCORES}.partial").stat().st_size
    assert 0 < kept <= 300_000
    assert not (tmp_path / "to" / SCORES).exists()
    report = fetch(catalogue, "FY2024", tmp_path / "to")
    assert server.requests[-1][1] == f"bytes={kept}-"
    assert report.files[0].status == "resumed"
    assert (tmp_path / "to" / SCORES).read_bytes() == content
    assert names(tmp_path / "to") == {SCORES, "fetched.json"}


def test_one_call_goes_on_by_itself(server, write_catalogue, tmp_path):
    content = csv_file(rows=50_000)
    publish_dataset(server, content, cut_after=300_000)
    report = fetch(write_catalogue(dataset_source(server)), "FY2024", tmp_path / "to")
    assert report.files[0].status == "resumed"
    assert (tmp_path / "to" / SCORES).read_bytes() == content


def test_truncated_download_is_an_error_and_goes_on_next_time(server, write_catalogue, tmp_path, monkeypatch):
    archive = publish_archive(server, {SCORES: csv_file(rows=90_000), SAFETY: csv_file()})
    catalogue = write_catalogue(archive_source(server))
    interrupted(catalogue, tmp_path / "to", archive, 400_000, monkeypatch)
    assert not list((tmp_path / "to").glob("*.csv"))
    report = fetch(catalogue, "FY2024", tmp_path / "to")
    assert {file.status for file in report.files} == {"resumed"}
    assert (tmp_path / "to" / SCORES).read_bytes() == csv_file(rows=90_000)


def test_server_without_ranges_starts_again(server, write_catalogue, tmp_path, monkeypatch):
    content = csv_file(rows=50_000)
    file = publish_dataset(server, content, has_ranges=False)
    catalogue = write_catalogue(dataset_source(server))
    interrupted(catalogue, tmp_path / "to", file, 300_000, monkeypatch)
    report = fetch(catalogue, "FY2024", tmp_path / "to")
    assert report.files[0].status == "new"
    assert (tmp_path / "to" / SCORES).read_bytes() == content


@pytest.mark.parametrize("heeds_if_range", [True, False], ids=["if-range", "ignores-if-range"])
@pytest.mark.parametrize("has_tag", [True, False], ids=["etag", "date"])
def test_changed_file_is_never_glued(server, write_catalogue, tmp_path, monkeypatch, heeds_if_range, has_tag):
    tags = ('"v1"', '"v2"') if has_tag else (None, None)
    file = publish_dataset(server, csv_file(rows=50_000), tag=tags[0], heeds_if_range=heeds_if_range)
    catalogue = write_catalogue(dataset_source(server))
    interrupted(catalogue, tmp_path / "to", file, 300_000, monkeypatch)
    file.content = csv_file(rows=50_000).replace(b".5", b".6")
    file.tag, file.modified = tags[1], "Thu, 01 Aug 2024 12:00:00 GMT"
    fetch(catalogue, "FY2024", tmp_path / "to")
    assert (tmp_path / "to" / SCORES).read_bytes() == file.content


def test_file_of_unknown_version_starts_again(server, write_catalogue, tmp_path, monkeypatch):
    content = csv_file(rows=50_000)
    file = publish_dataset(server, content, tag='W/"weak"', modified=None)
    catalogue = write_catalogue(dataset_source(server))
    interrupted(catalogue, tmp_path / "to", file, 300_000, monkeypatch)
    fetch(catalogue, "FY2024", tmp_path / "to")
    assert server.requests[-1][1] is None
    assert (tmp_path / "to" / SCORES).read_bytes() == content


def test_kill_between_two_versions_glues_nothing(server, write_catalogue, tmp_path, monkeypatch):
    file = publish_dataset(server, csv_file(rows=50_000))
    catalogue = write_catalogue(dataset_source(server))
    interrupted(catalogue, tmp_path / "to", file, 300_000, monkeypatch)
    file.content, file.tag = file.content.replace(b".5", b".6"), '"v2"'

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(download.fcntl, "flock", killed)
        with pytest.raises(KeyboardInterrupt):
            fetch(catalogue, "FY2024", tmp_path / "to")
    fetch(catalogue, "FY2024", tmp_path / "to")
    assert (tmp_path / "to" / SCORES).read_bytes() == file.content


def test_part_of_the_same_name_from_another_address_is_not_used(server, write_catalogue, tmp_path, monkeypatch):
    file = publish_dataset(server, csv_file(rows=50_000))
    catalogue = write_catalogue(dataset_source(server))
    interrupted(catalogue, tmp_path / "to", file, 300_000, monkeypatch)
    moved = file.content.replace(b".5", b".6")
    server.files["/items/ypbt-wvdk"].content = server.files["/items/ypbt-wvdk"].content.replace(b"x_1", b"x_2")
    server.files[f"/resources/x_2/{SCORES}"] = Published(moved)
    fetch(catalogue, "FY2024", tmp_path / "to")
    assert (tmp_path / "to" / SCORES).read_bytes() == moved


def test_server_that_sends_small_parts_is_asked_until_the_file_is_whole(server, write_catalogue, tmp_path):
    content = csv_file(rows=50_000)
    publish_dataset(server, content, cut_after=300_000, longest_part=len(content) // 3)
    fetch(write_catalogue(dataset_source(server)), "FY2024", tmp_path / "to")
    assert (tmp_path / "to" / SCORES).read_bytes() == content


def test_file_that_became_shorter_starts_again(server, write_catalogue, tmp_path, monkeypatch):
    file = publish_dataset(server, csv_file(rows=50_000), heeds_if_range=False)
    catalogue = write_catalogue(dataset_source(server))
    interrupted(catalogue, tmp_path / "to", file, 300_000, monkeypatch)
    file.content = csv_file(rows=10)
    fetch(catalogue, "FY2024", tmp_path / "to")
    assert (tmp_path / "to" / SCORES).read_bytes() == csv_file(rows=10)


# Publishers and networks that fail


def test_passing_server_errors_are_tried_again(server, write_catalogue, tmp_path):
    publish_dataset(server, csv_file(), failures=[500, 503, 429])
    assert fetch(write_catalogue(dataset_source(server)), "FY2024", tmp_path / "to").files[0].status == "new"


def test_server_that_does_not_answer_in_time_is_asked_again(server, write_catalogue, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.1)
    publish_dataset(server, csv_file(), delays=[0.3, 0.3])
    assert fetch(write_catalogue(dataset_source(server)), "FY2024", tmp_path / "to").files[0].status == "new"


def test_server_that_never_answers_is_given_up(server, write_catalogue, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.05)
    publish_dataset(server, csv_file(), delays=[0.1] * 100)
    failing(MachineError, write_catalogue(dataset_source(server)), tmp_path / "to", "timed out")


def test_lasting_server_error_is_given_up(server, write_catalogue, tmp_path):
    publish_dataset(server, csv_file(), failures=[503] * 100)
    error = failing(MachineError, write_catalogue(dataset_source(server)), tmp_path / "to", "HTTP 503")
    assert "https://example.org/dataset/ypbt-wvdk" in str(error)
    assert len([path for path, _ in server.requests if path.startswith("/resources")]) == download.ATTEMPTS


def test_no_network_says_how_to_do_it_by_hand(server, write_catalogue, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/2024.zip"
    catalogue = write_catalogue(archive_source(server, address=address))
    error = failing(MachineError, catalogue, tmp_path / "to", "no network connection to 127.0.0.1")
    assert error.exit_code == 74
    assert address in str(error)
    assert f"by hand from https://example.org/archive and put the CSV files into {tmp_path / 'to'}" in str(error)


def test_moved_file_names_the_page(server, write_catalogue, tmp_path):
    error = failing(FilesNotThereError, write_catalogue(archive_source(server)), tmp_path / "to", "HTTP 404")
    assert "https://example.org/archive" in str(error)
    assert len(server.requests) == 1


def test_refused_file_is_an_error(server, write_catalogue, tmp_path):
    publish_archive(server, failures=[403])
    failing(InputDataError, write_catalogue(archive_source(server)), tmp_path / "to", "HTTP 403")


def test_web_page_is_not_taken_for_the_file(server, write_catalogue, tmp_path):
    publish_dataset(server, b"<html>Sorry</html>", headers={"Content-Type": "text/html; charset=utf-8"})
    failing(FilesNotThereError, write_catalogue(dataset_source(server)), tmp_path / "to", "web page")
    assert not list((tmp_path / "to").glob("*.csv"))


@pytest.mark.parametrize("description", [b"[]", b"not json", b'{"distribution": []}', b'{"distribution": [{}]}'])
def test_strange_dataset_description_is_an_error(server, write_catalogue, tmp_path, description):
    server.files["/items/ypbt-wvdk"] = Published(description)
    failing(FilesNotThereError, write_catalogue(dataset_source(server)), tmp_path / "to", "description")


def test_redirect_on_the_same_safe_ground_is_followed(server, write_catalogue, tmp_path):
    publish_archive(server)
    server.files["/moved.zip"] = server.files["/2024.zip"]
    server.files["/2024.zip"] = Published(b"", location="/moved.zip")
    assert len(fetch(write_catalogue(archive_source(server)), "FY2024", tmp_path / "to").files) == 2


def test_redirect_to_an_insecure_address_is_refused(server, write_catalogue, tmp_path):
    server.files["/2024.zip"] = Published(b"", location="http://example.org/2024.zip")
    failing(InputDataError, write_catalogue(archive_source(server)), tmp_path / "to", "not secure")


def test_endless_redirect_is_given_up(server, write_catalogue, tmp_path):
    server.files["/2024.zip"] = Published(b"", location="/2024.zip")
    failing(FilesNotThereError, write_catalogue(archive_source(server)), tmp_path / "to", "leads nowhere")


def test_compressed_answer_is_refused(server, write_catalogue, tmp_path):
    publish_archive(server, headers={"Content-Encoding": "gzip"})
    failing(InputDataError, write_catalogue(archive_source(server)), tmp_path / "to", "compressed")


@pytest.mark.parametrize("headers", [{}, {"Content-Length": ""}], ids=["announced", "not announced"])
def test_file_larger_than_possible_is_refused(server, write_catalogue, tmp_path, monkeypatch, headers):
    monkeypatch.setattr(download, "MAXIMUM_BYTES", 1000)
    publish_archive(server, headers=headers)
    failing(InputDataError, write_catalogue(archive_source(server)), tmp_path / "to", "larger than 1,000 bytes")
    assert names(tmp_path / "to") == set()


def test_announced_size_is_enough_to_refuse_a_file(server, write_catalogue, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAXIMUM_BYTES", 1000)
    publish_dataset(server, csv_file())
    steps: list[Any] = []
    monkeypatch.setattr(download, "_CHUNK_BYTES", 100)
    with pytest.raises(InputDataError):
        fetch(write_catalogue(dataset_source(server)), "FY2024", tmp_path, progress=lambda *step: steps.append(step))
    assert steps == []


def test_file_of_unannounced_size_is_fetched(server, write_catalogue, tmp_path):
    publish_dataset(server, csv_file(), headers={"Content-Length": ""})
    fetch(write_catalogue(dataset_source(server)), "FY2024", tmp_path / "to")
    assert (tmp_path / "to" / SCORES).read_bytes() == csv_file()


# Wrong content


def test_wrong_checksum_keeps_nothing(server, write_catalogue, tmp_path):
    publish_archive(server)
    catalogue = write_catalogue(archive_source(server, sha256="0" * 64))
    error = failing(InputDataError, catalogue, tmp_path / "to", "checksum is wrong")
    assert sha256(server.files["/2024.zip"].content) in str(error)
    assert names(tmp_path / "to") == set()


def test_archive_replaced_in_the_catalogue_is_fetched_again(server, write_catalogue, tmp_path):
    publish_archive(server)
    fetch(write_catalogue(archive_source(server)), "FY2024", tmp_path / "to")
    corrected = csv_file().replace(b".5", b".7")
    archive = publish_archive(server, {SCORES: corrected, SAFETY: csv_file()})
    fetch(write_catalogue(archive_source(server, sha256=sha256(archive.content))), "FY2024", tmp_path / "to")
    assert (tmp_path / "to" / SCORES).read_bytes() == corrected


def test_other_fiscal_year_is_not_used(server, write_catalogue, tmp_path):
    publish_dataset(server, csv_file("2025"))
    error = failing(FilesNotThereError, write_catalogue(dataset_source(server)), tmp_path / "to", "not of FY2024")
    assert "2025" in str(error)
    assert names(tmp_path / "to") == set()


def test_one_member_of_another_year_refuses_the_archive(server, write_catalogue, tmp_path):
    publish_archive(server, {SCORES: csv_file("2024"), SAFETY: csv_file("2023")})
    failing(FilesNotThereError, write_catalogue(archive_source(server)), tmp_path / "to", "not of FY2024")
    assert names(tmp_path / "to") == set()


def test_dataset_of_another_file_is_not_used(server, write_catalogue, tmp_path):
    publish_dataset(server, csv_file(), name="something_else.csv")
    failing(FilesNotThereError, write_catalogue(dataset_source(server)), tmp_path / "to", "something_else.csv")


@pytest.mark.parametrize(
    "content",
    [csv_file(rows=0), b"", b"Service unavailable\nTry later\n", b'"' + b"x" * 200_000],
    ids=["no rows", "empty", "message", "no CSV"],
)
def test_file_that_is_no_table_is_an_error(server, write_catalogue, tmp_path, content):
    publish_dataset(server, content)
    failing(InputDataError, write_catalogue(dataset_source(server)), tmp_path / "to", "not a table with rows")
    assert names(tmp_path / "to") == set()


def test_year_that_no_column_tells_is_noted(server, write_catalogue, tmp_path):
    publish_dataset(server, csv_file(year=None))
    report = fetch(write_catalogue(dataset_source(server)), "FY2024", tmp_path / "to")
    assert not report.files[0].is_year_checked
    assert any(SCORES in note for note in report.notes)


def test_next_source_is_tried_when_one_holds_another_year(server, write_catalogue, tmp_path):
    publish_dataset(server, csv_file("2025"))
    publish_archive(server)
    catalogue = write_catalogue(dataset_source(server), archive_source(server))
    report = fetch(catalogue, "FY2024", tmp_path / "to")
    assert {file.source for file in report.files} == {f"{server.address}/2024.zip"}
    assert any("not of FY2024" in note for note in report.notes)
    assert [file.status for file in fetch(catalogue, "FY2024", tmp_path / "to").files] == ["kept", "kept"]


def test_all_sources_that_failed_are_named(server, write_catalogue, tmp_path):
    catalogue = write_catalogue(dataset_source(server), archive_source(server))
    error = failing(FilesNotThereError, catalogue, tmp_path / "to", "2024.zip")
    assert len(error.problems) == 2


def test_address_never_seen_is_noted(server, write_catalogue, tmp_path):
    publish_archive(server)
    source = archive_source(server, unverified=True)
    del source["seen"]
    report = fetch(write_catalogue(source), "FY2024", tmp_path / "to")
    assert all(file.is_address_unverified for file in report.files)
    assert any("never been seen" in note for note in report.notes)


# Archives


@pytest.mark.parametrize("member", [f"../{SCORES}", f"/etc/{SCORES}", f"a\\..\\..\\{SCORES}", f"C:/{SCORES}"])
def test_unsafe_archive_is_refused_whole(server, write_catalogue, tmp_path, member):
    publish_archive(server, {member: csv_file(), SAFETY: csv_file()})
    failing(InputDataError, write_catalogue(archive_source(server)), tmp_path / "to", "unsafe paths")
    assert names(tmp_path / "to") == set()
    assert not (tmp_path / SCORES).exists()


def test_link_in_an_archive_is_refused(server, write_catalogue, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo(SCORES)
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    server.files["/2024.zip"] = Published(buffer.getvalue())
    failing(InputDataError, write_catalogue(archive_source(server)), tmp_path / "to", "unsafe paths")


def test_broken_archive_is_an_error(server, write_catalogue, tmp_path):
    server.files["/2024.zip"] = Published(b"this is no archive")
    failing(InputDataError, write_catalogue(archive_source(server)), tmp_path / "to", "not a ZIP archive")
    assert names(tmp_path / "to") == set()


def test_member_with_flipped_bits_is_an_error(server, write_catalogue, tmp_path):
    archive = publish_archive(server)
    archive.content = archive.content.replace(b"001000,1000.5", b"001000,9000.5", 1)
    failing(InputDataError, write_catalogue(archive_source(server)), tmp_path / "to", "archive is broken")
    assert names(tmp_path / "to") == set()


def test_missing_member_is_named(server, write_catalogue, tmp_path):
    publish_archive(server, {SCORES: csv_file()})
    failing(FilesNotThereError, write_catalogue(archive_source(server)), tmp_path / "to", "no file '*hvbp_safety*.csv'")
    assert names(tmp_path / "to") == set()


def test_two_members_for_one_file_are_an_error(server, write_catalogue, tmp_path):
    publish_archive(server, {f"a/{SCORES}": csv_file(), f"b/{SCORES}": csv_file(), SAFETY: csv_file()})
    failing(InputDataError, write_catalogue(archive_source(server)), tmp_path / "to", "2 files")


def test_member_that_grows_beyond_measure_is_refused(server, write_catalogue, tmp_path, monkeypatch):
    monkeypatch.setattr("openvbp.fetching.archive.MAXIMUM_MEMBER_BYTES", 1000)
    publish_archive(server)
    failing(InputDataError, write_catalogue(archive_source(server)), tmp_path / "to", "larger than 1,000 bytes")
    assert names(tmp_path / "to") == set()


# Folders and disks


def test_folder_that_cannot_be_made_is_an_error(server, write_catalogue, tmp_path):
    (tmp_path / "file").write_text("")
    publish_archive(server)
    failing(UsageError, write_catalogue(archive_source(server)), tmp_path / "file" / "to", "cannot write")
    failing(UsageError, write_catalogue(archive_source(server)), tmp_path / "file", "cannot write")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_folder_without_permission_is_an_error(server, write_catalogue, tmp_path):
    publish_archive(server)
    (tmp_path / "to").mkdir(mode=0o500)
    failing(UsageError, write_catalogue(archive_source(server)), tmp_path / "to", "cannot write")


def test_refused_write_is_the_users_choice_of_folder(server, write_catalogue, tmp_path, monkeypatch):
    publish_archive(server)
    _fail_writing(monkeypatch, errno.EROFS, 0)
    error = failing(UsageError, write_catalogue(archive_source(server)), tmp_path / "to", "cannot write")
    assert "--to" in str(error)


@pytest.mark.parametrize("after", [0, 100_000], ids=["at once", "in the middle"])
def test_full_disk_is_an_error_and_the_next_call_goes_on(server, write_catalogue, tmp_path, monkeypatch, after):
    content = csv_file(rows=50_000)
    publish_dataset(server, content)
    catalogue = write_catalogue(dataset_source(server))
    with monkeypatch.context() as patch:
        _fail_writing(patch, errno.ENOSPC, after)
        error = failing(MachineError, catalogue, tmp_path / "to", "No space left on device")
    assert "free disk space" in str(error)
    assert not (tmp_path / "to" / SCORES).exists()
    report = fetch(catalogue, "FY2024", tmp_path / "to")
    assert report.files[0].status == ("resumed" if after else "new")
    assert (tmp_path / "to" / SCORES).read_bytes() == content


def test_full_disk_while_unpacking_leaves_no_half_file(server, write_catalogue, tmp_path, monkeypatch):
    publish_archive(server)
    catalogue = write_catalogue(archive_source(server))
    with monkeypatch.context() as patch:
        _fail_writing(patch, errno.ENOSPC, 0, mode="wb")
        failing(MachineError, catalogue, tmp_path / "to", "No space left on device")
    assert names(tmp_path / "to") == set()
    assert len(fetch(catalogue, "FY2024", tmp_path / "to").files) == 2


def _fail_writing(monkeypatch: pytest.MonkeyPatch, code: int, after: int, mode: str = "ab") -> None:
    """Let files opened in the mode take some bytes and then refuse."""
    real_open = Path.open

    def open_full(path: Path, *arguments: Any, **named: Any) -> Any:
        opened = real_open(path, *arguments, **named)
        if not arguments or arguments[0] != mode:
            return opened
        real_write, left = opened.write, after

        def write(content: bytes) -> int:
            nonlocal left
            if len(content) > left:
                raise OSError(code, os.strerror(code))
            left -= len(content)
            return real_write(content)

        class Full:
            def __enter__(self) -> Full:
                return self

            def __exit__(self, *_: object) -> None:
                opened.close()

            def __getattr__(self, name: str) -> Any:
                return write if name == "write" else getattr(opened, name)

        return Full()

    monkeypatch.setattr(Path, "open", open_full)


def test_file_of_the_user_is_not_replaced(server, write_catalogue, tmp_path):
    publish_dataset(server, csv_file())
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / SCORES).write_text("my own")
    failing(UsageError, write_catalogue(dataset_source(server)), tmp_path / "to", "different file of that name")
    assert (tmp_path / "to" / SCORES).read_text() == "my own"


def test_same_file_put_there_by_hand_is_taken(server, write_catalogue, tmp_path):
    publish_dataset(server, csv_file())
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / SCORES).write_bytes(csv_file())
    assert fetch(write_catalogue(dataset_source(server)), "FY2024", tmp_path / "to").files[0].name == SCORES


def test_folder_of_another_period_is_refused(server, write_catalogue, tmp_path):
    publish_dataset(server, csv_file())
    fetch(write_catalogue(dataset_source(server)), "FY2024", tmp_path / "to")
    catalogue = write_catalogue(periods={"FY2025": [dataset_source(server)]})
    with pytest.raises(UsageError, match="holds files of hvbp FY2024"):
        fetch(catalogue, "FY2025", tmp_path / "to")


def test_broken_record_is_an_error(server, write_catalogue, tmp_path):
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "fetched.json").write_text('{"program": "hvbp"}')
    failing(InputDataError, write_catalogue(archive_source(server)), tmp_path / "to", "record of fetched files")


def test_second_process_waits(server, write_catalogue, tmp_path):
    import fcntl

    publish_archive(server)
    (tmp_path / "to").mkdir()
    with (tmp_path / "to" / "2024.zip.partial").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        failing(UsageError, write_catalogue(archive_source(server)), tmp_path / "to", "another process")


# Catalogues


def test_unlisted_period_is_a_usage_error(server, write_catalogue, tmp_path):
    with pytest.raises(UsageError, match="choose one of: FY2024"):
        fetch(write_catalogue(archive_source(server)), "FY1999", tmp_path / "to")


def test_program_without_catalogue_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no list of official files"):
        fetch(tmp_path / "catalogue.yaml", "FY2024", tmp_path / "to")


@pytest.mark.parametrize(
    "change",
    [
        {"seen": None},
        {"unverified": True},
        {"colour": "red"},
        {"sha256": "abc"},
        {"files": []},
        {"files": [{"name": "x", "what": "y", "dataset": "z"}]},
        {"kind": "dataset"},
    ],
    ids=str,
)
def test_careless_catalogue_is_an_error(server, write_catalogue, tmp_path, change):
    with pytest.raises(InputDataError, match="catalogue cannot be used"):
        fetch(write_catalogue(archive_source(server, **change)), "FY2024", tmp_path / "to")


def test_catalogues_of_the_programs_are_sound():
    paths = sorted(PROGRAMS.glob("*/catalogue.yaml"))
    assert PROGRAMS / "hvbp" / "catalogue.yaml" in paths
    for path in paths:
        catalogue = load_catalogue(path)
        assert catalogue.program == path.parent.name
        for sources in catalogue.periods.values():
            for source in sources:
                assert source.address.startswith("https://data.cms.gov/"), source.address
                assert source.page.startswith("https://data.cms.gov/"), source.page


def test_every_hvbp_year_is_listed():
    listed = load_catalogue(PROGRAMS / "hvbp" / "catalogue.yaml").periods
    assert sorted(listed) == [f"FY{year}" for year in range(2013, 2027)]
    for sources in listed.values():
        for source in sources:
            assert any(wanted.has_name("hvbp_tps.csv") or "tps" in wanted.name for wanted in source.files)


def test_page_tells_of_every_hvbp_address_whether_it_was_seen():
    told = re.findall(r"^\| (FY\d{4}) \| (.+?) \| (.+?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    listed = load_catalogue(PROGRAMS / "hvbp" / "catalogue.yaml").periods
    expected = [
        (
            period,
            "datasets" if source.kind == "dataset" else f"`{source.address.rpartition('/')[2]}`",
            ("made by analogy" if source.unverified else "seen") + (", with checksum" if source.sha256 else ""),
        )
        for period, sources in sorted(listed.items(), reverse=True)
        for source in sources
    ]
    assert told == expected
