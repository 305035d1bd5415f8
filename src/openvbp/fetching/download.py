"""Downloading one file over HTTP: resumed where it broke off, never glued from two versions.

A file grows under the name ``*.partial``; beside it ``*.partial.json`` says which address and version it
belongs to. What is kept from before is continued only if the server confirms that its file is still that version.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2

import openvbp
from openvbp.errors import InputDataError, MachineError, OpenvbpError, Problem, UsageError

ATTEMPTS = 4
FIRST_WAIT_SECONDS = 1.0
MAXIMUM_BYTES = 2_000_000_000
TIMEOUT = httpx2.Timeout(60, connect=15)
_CHUNK_BYTES = 65_536
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

Progress = Callable[[str, int, int | None], None]
"""Called with a file's name, the bytes received and the bytes expected (``None`` if the server does not say)."""
_Answer = TypeVar("_Answer")


class FilesNotThereError(InputDataError):
    """A source does not have the files of the period, or no longer."""


class _TryAgain(Exception):  # noqa: N818 (asks for another attempt, not an error)
    """The attempt failed in a way that may pass."""


@dataclass(frozen=True)
class Place:
    """Where a file comes from, for requests and for messages."""

    address: str
    page: str
    folder: Path

    @property
    def by_hand(self) -> str:
        """What a person can do when nothing else helps."""
        return f"download the files by hand from {self.page} and put the CSV files into {self.folder}"

    def problem(self, what: str, what_to_do: str | None = None, *examples: str) -> Problem:
        """Describe a problem with the file."""
        return Problem(what, self.address, what_to_do or self.by_hand, examples=examples)


@dataclass(frozen=True)
class Download:
    """A whole file, still under its temporary name."""

    path: Path
    bytes: int
    sha256: str
    last_modified: str | None
    resumed: bool


def open_client() -> httpx2.Client:
    """Open an HTTP client that follows redirects to secure addresses only."""
    return httpx2.Client(
        follow_redirects=True,
        max_redirects=5,
        timeout=TIMEOUT,
        # Compressed answers cannot be continued in the middle.
        headers={"User-Agent": f"openvbp/{openvbp.__version__}", "Accept-Encoding": "identity"},
        event_hooks={"request": [_only_secure]},
    )


def _only_secure(request: httpx2.Request) -> None:
    if request.url.scheme != "https" and not (request.url.scheme == "http" and request.url.host in _LOOPBACK):
        raise InputDataError(
            Problem(
                "the address is not secure (https)", str(request.url), "do not use it; look for the publisher's own"
            )
        )


def get_json(client: httpx2.Client, place: Place) -> Any:
    """Fetch a small JSON document.

    Raises
    ------
    FilesNotThereError
        If there is no such document, or it is something else.
    MachineError
        If the server cannot be reached or keeps failing.
    """

    def attempt() -> Any:
        response = client.get(place.address)
        _check_answer(response, place)
        try:
            return response.json()
        except ValueError as error:
            raise FilesNotThereError(place.problem("the publisher's answer is not a dataset description")) from error

    return _retry(attempt, place)


def download_file(client: httpx2.Client, place: Place, target: Path, progress: Progress) -> Download:
    """Download a file to ``target`` with ``.partial`` added to its name.

    Parameters
    ----------
    target
        Final path; the caller checks the content and renames.
    progress
        Called after every chunk.

    Raises
    ------
    FilesNotThereError
        If the publisher no longer has the file at the address.
    MachineError
        If the server cannot be reached or keeps failing, the download keeps breaking off, or the disk is full;
        what was received stays and is continued by the next call.
    UsageError
        If the folder cannot be written to or another process writes the same file.
    """
    partial = target.with_name(target.name + ".partial")
    try:
        return _retry(lambda: _attempt(client, place, partial, lambda *n: progress(target.name, *n)), place)
    except InputDataError:
        discard(partial)
        raise


def _retry(attempt: Callable[[], _Answer], place: Place) -> _Answer:
    last: Exception = _TryAgain()
    for number in range(ATTEMPTS):
        if number:
            time.sleep(FIRST_WAIT_SECONDS * 2 ** (number - 1))
        try:
            return attempt()
        except (httpx2.TransportError, _TryAgain) as error:
            last = error
        except (httpx2.TooManyRedirects, httpx2.InvalidURL) as error:
            raise FilesNotThereError(place.problem(f"the address leads nowhere: {error}")) from error
    if isinstance(last, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError)):
        what = f"no network connection to {urlsplit(place.address).hostname}: {last}"
    else:
        what = f"the download failed {ATTEMPTS} times, last because: {last or type(last).__name__}"
    raise MachineError(
        place.problem(what, f"run the same command again later, it goes on where it stopped; or {place.by_hand}")
    ) from last


def _attempt(
    client: httpx2.Client, place: Place, partial: Path, progress: Callable[[int, int | None], None]
) -> Download:
    kept, version = _kept_from_before(partial, place.address)
    headers = {"Range": f"bytes={kept}-", "If-Range": version} if version else {}
    with client.stream("GET", place.address, headers=headers) as response:
        continued = response.status_code == httpx2.codes.PARTIAL_CONTENT
        if response.status_code == httpx2.codes.RANGE_NOT_SATISFIABLE or (
            continued and not _continues(response, kept, version)
        ):
            discard(partial)
            raise _TryAgain("what was kept from before is not a part of the publisher's present file")
        _check_answer(response, place)
        start = kept if continued else 0
        total = _expected_bytes(response, place)
        state = {"address": place.address, "version": _version(response) or version}
        with writing(partial):
            received = _receive(response, partial, start, total, state, progress)
    if total is not None and received != total:
        raise _TryAgain(f"the server sent {received:,} of {total:,} bytes")
    with partial.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return Download(partial, received, digest, response.headers.get("last-modified"), continued)


def _receive(
    response: httpx2.Response,
    partial: Path,
    start: int,
    total: int | None,
    state: dict[str, str | None],
    progress: Callable[[int, int | None], None],
) -> int:
    received = start
    with partial.open("ab") as out:
        try:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(Problem("another process downloads the same file", str(partial), "wait for it")) from error
        # In this order: what an older version left must never pass for a part of this one.
        out.truncate(start)
        _state_file(partial).write_text(json.dumps(state), encoding="utf-8")
        for chunk in response.iter_raw(_CHUNK_BYTES):
            out.write(chunk)
            received += len(chunk)
            if received > MAXIMUM_BYTES:
                raise InputDataError(_too_large(str(response.url)))
            progress(received, total)
    return received


def _kept_from_before(partial: Path, address: str) -> tuple[int, str | None]:
    """Bytes kept of an earlier attempt, and of which version they are; none if that is not known."""
    try:
        state = json.loads(_state_file(partial).read_text(encoding="utf-8"))
        size = partial.stat().st_size
    except (OSError, ValueError):
        return 0, None
    if state.get("address") != address or not state.get("version") or not size:
        return 0, None
    return size, state["version"]


def _version(response: httpx2.Response) -> str | None:
    """What the server calls this version of the file: its strong ETag, or its date."""
    tag = response.headers.get("etag")
    return tag if tag and not tag.startswith("W/") else response.headers.get("last-modified")


def _continues(response: httpx2.Response, kept: int, version: str | None) -> bool:
    # Some servers ignore If-Range and send a part of a changed file; others leave the version out of a part.
    position = response.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
    return bool(kept) and position == str(kept) and _version(response) in (None, version)


def _expected_bytes(response: httpx2.Response, place: Place) -> int | None:
    """Size of the whole file, also where the server sends a part of it (and perhaps less than asked for)."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise InputDataError(place.problem("the server sends the file compressed though asked not to"))
    whole = response.headers.get("content-length", "")
    if response.status_code == httpx2.codes.PARTIAL_CONTENT:
        whole = response.headers["content-range"].rpartition("/")[2]
    total = int(whole) if whole.isdigit() else None
    if total is not None and total > MAXIMUM_BYTES:
        raise InputDataError(_too_large(place.address))
    return total


def _too_large(address: str) -> Problem:
    return Problem(f"file is larger than {MAXIMUM_BYTES:,} bytes", address, "check the address; this is no such file")


def _check_answer(response: httpx2.Response, place: Place) -> None:
    status = response.status_code
    if status in (httpx2.codes.NOT_FOUND, httpx2.codes.GONE):
        raise FilesNotThereError(place.problem(f"the publisher no longer has the file there (HTTP {status})"))
    if status == httpx2.codes.TOO_MANY_REQUESTS or status >= httpx2.codes.INTERNAL_SERVER_ERROR:
        raise _TryAgain(f"the server answers HTTP {status}")
    if status not in (httpx2.codes.OK, httpx2.codes.PARTIAL_CONTENT):
        raise InputDataError(place.problem(f"the publisher refuses the file (HTTP {status})"))
    if response.headers.get("content-type", "").startswith("text/html"):
        raise FilesNotThereError(place.problem("the publisher answers with a web page instead of the file"))


def _state_file(partial: Path) -> Path:
    return partial.with_name(partial.name + ".json")


def discard(partial: Path) -> None:
    """Delete an unfinished or unwanted file and what is known of it."""
    with contextlib.suppress(OSError):
        partial.unlink(missing_ok=True)
        _state_file(partial).unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say why a file could not be written and what to do."""
    try:
        yield
    except OSError as error:
        refused = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
        kind: type[OpenvbpError] = UsageError if refused else MachineError
        what_to_do = (
            "choose a folder you may write to for --to"
            if refused
            else "free disk space or choose another --to; run the same command again to go on where it stopped"
        )
        raise kind(Problem(f"cannot write: {error.strerror or error}", str(path), what_to_do)) from error
