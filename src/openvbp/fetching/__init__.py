"""Fetch a program's official files of one period into a folder, safely and with their provenance."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import httpx2

from openvbp.errors import InputDataError, Problem
from openvbp.fetching.archive import Arrived, extract, remove
from openvbp.fetching.catalogue import Catalogue, Source, WantedFile, load_catalogue
from openvbp.fetching.download import (
    Download,
    FilesNotThereError,
    Place,
    Progress,
    discard,
    download_file,
    get_json,
    open_client,
    writing,
)
from openvbp.fetching.record import FetchedFile, Record, sha256_of
from openvbp.text_tables import normalized

__all__ = ["Catalogue", "FetchReport", "FetchedFile", "FilesNotThereError", "Progress", "fetch", "load_catalogue"]


@dataclass(frozen=True)
class FetchReport:
    """What a fetch left in the folder."""

    program: str
    period: str
    folder: Path
    files: tuple[FetchedFile, ...]
    notes: tuple[str, ...]
    """What a careful reader wants to know: sources that failed, addresses never seen in use, years not checked."""


@dataclass(frozen=True)
class _Job:
    client: httpx2.Client
    source: Source
    period: str
    year_column: str | None
    folder: Path
    record: Record
    progress: Progress

    def place(self, address: str, wanted: WantedFile | None = None) -> Place:
        page = self.source.page.format(dataset=wanted.dataset) if wanted else self.source.page
        return Place(address, page, self.folder)


def fetch(catalogue: Path, period: str, to: Path, *, progress: Progress = lambda *_: None) -> FetchReport:
    """Fetch the official files of a period.

    The sources of the period are tried in the catalogue's order: the next one only when a source no longer has
    the files or holds another year's. Files that an earlier call fetched and that are unchanged are kept without
    any request; a download that broke off is continued.

    Parameters
    ----------
    catalogue
        The program's ``catalogue.yaml``.
    period
        For example ``FY2024``.
    to
        Folder for the files and their record ``fetched.json``; made if absent.
    progress
        Called with file name, bytes received and bytes expected.

    Raises
    ------
    UsageError
        If the period is not listed, the folder cannot be written to, holds another period's files, or holds a
        different file of the same name that was not fetched.
    FilesNotThereError
        If no source has the files of the period.
    InputDataError
        If a checksum is wrong or an archive is broken or unsafe; nothing of it is kept.
    MachineError
        If there is no network, the server keeps failing, or the disk is full.

    Examples
    --------
    >>> fetch(Path("catalogue.yaml"), "FY2024", Path("files"))  # doctest: +SKIP
    """
    listed = load_catalogue(catalogue)
    sources = listed.sources(period)
    with writing(to):
        to.mkdir(parents=True, exist_ok=True)
    record = Record(to, listed.program, period)
    for source in sources:
        kept = [record.kept(source, wanted) for wanted in source.files]
        if all(kept):
            return _report(listed, period, to, source, [file for file in kept if file], [])
    absent: list[Problem] = []
    with open_client() as client:
        for source in sources:
            job = _Job(client, source, period, listed.year_column, to, record, progress)
            try:
                files = _from_archive(job) if source.kind == "archive" else _from_datasets(job)
            except FilesNotThereError as error:
                absent.extend(error.problems)
            else:
                return _report(listed, period, to, source, files, absent)
    raise FilesNotThereError(absent)


def _report(
    listed: Catalogue, period: str, to: Path, source: Source, files: list[FetchedFile], absent: list[Problem]
) -> FetchReport:
    notes = [f"{problem.what}: {problem.where}" for problem in absent]
    if source.unverified:
        notes.append(f"the address was made by analogy and had never been seen in use: {source.address}")
    unchecked = [file.name for file in files if not file.is_year_checked]
    if unchecked:
        notes.append(f"only the file's name and archive tell the year of {', '.join(unchecked)}")
    return FetchReport(listed.program, period, to, tuple(files), tuple(notes))


def _from_archive(job: _Job) -> list[FetchedFile]:
    """Fetch a dated archive and take the wanted members out; all of them or none."""
    place = job.place(job.source.address)
    got = download_file(job.client, place, job.folder / _file_name(place.address), job.progress)
    try:
        if job.source.sha256 not in (None, got.sha256):
            raise InputDataError(
                place.problem(
                    f"the checksum is wrong: {got.bytes:,} bytes with sha256 {got.sha256}, not {job.source.sha256}",
                    f"nothing was kept; fetch again; if it stays so the publisher replaced the file: {place.by_hand}",
                )
            )
        members = extract(got.path, job.source.files, place)
    finally:
        discard(got.path)
    try:
        are_checked = [_is_of_period(one, job) for one in members]
        for one in members:
            job.record.check_free(one.name, one.path)
        return [
            _keep(one, got, job, is_year_checked=is_checked)
            for one, is_checked in zip(members, are_checked, strict=True)
        ]
    finally:
        remove(members)


def _from_datasets(job: _Job) -> list[FetchedFile]:
    """Fetch each dataset's newest file, at the address that the publisher's description of the dataset gives."""
    files = []
    for wanted in job.source.files:
        kept = job.record.kept(job.source, wanted)
        files.append(kept or _from_dataset(wanted, job))
    return files


def _from_dataset(wanted: WantedFile, job: _Job) -> FetchedFile:
    description = job.place(job.source.identity(wanted), wanted)
    address = _download_address(get_json(job.client, description), description)
    name = _file_name(address)
    if not wanted.has_name(name):
        raise FilesNotThereError(description.problem(f"the dataset now holds '{name}', not '{wanted.name}'"))
    got = download_file(job.client, job.place(address, wanted), job.folder / name, job.progress)
    arrived = Arrived(wanted, name, got.path, address)
    try:
        is_year_checked = _is_of_period(arrived, job)
        job.record.check_free(name, arrived.path)
        return _keep(arrived, got, job, is_year_checked=is_year_checked)
    finally:
        remove([arrived])


def _download_address(description: Any, place: Place) -> str:
    """Find the file's address in a dataset description (DCAT: ``distribution[0].downloadURL``)."""
    try:
        distribution = description["distribution"][0]
        address = distribution.get("data", distribution)["downloadURL"]
        return urljoin(place.address, address)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise FilesNotThereError(place.problem("the publisher's description of the dataset names no file")) from error


def _file_name(address: str) -> str:
    return PurePosixPath(unquote(urlsplit(address).path)).name


def _is_of_period(one: Arrived, job: _Job) -> bool:
    """Check the year that the file itself gives; whether it gives one."""
    where = f"{one.address} {one.member}" if one.member else one.address
    header, years = _years(one.path, job.year_column)
    if len(header) < 2 or not years:
        raise InputDataError(Problem("the file is not a table with rows", where, f"look at {job.source.page}"))
    if None in years:
        return False
    other = sorted(years - {job.period, job.period.removeprefix("FY")})
    if other:
        raise FilesNotThereError(
            Problem(
                f"the file is not of {job.period} but of '{other[0]}'",
                where,
                f"look for the files of {job.period} on {job.source.page}",
                examples=tuple(other[:3]),
            )
        )
    return True


def _years(path: Path, column: str | None) -> tuple[list[str], set[str | None]]:
    """Read the header and the years of all rows; ``None`` where no column tells the year."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            rows = csv.reader(lines)
            header = [normalized(name) for name in next(rows, [])]
            index = header.index(normalized(column)) if column and normalized(column) in header else None
            return header, {
                None if index is None else row[index].strip() if index < len(row) else "" for row in rows if any(row)
            }
    except csv.Error:
        return [], set()


def _keep(one: Arrived, got: Download, job: _Job, *, is_year_checked: bool) -> FetchedFile:
    file = FetchedFile(
        name=one.name,
        what=one.wanted.what,
        source=job.source.identity(one.wanted),
        address=one.address,
        member=one.member,
        bytes=one.path.stat().st_size,
        sha256=sha256_of(one.path) or "",
        archive_sha256=got.sha256 if one.member else None,
        last_modified=got.last_modified,
        fetched_at=datetime.now(UTC).isoformat(timespec="seconds"),
        is_year_checked=is_year_checked,
        is_address_unverified=job.source.unverified,
        status="resumed" if got.resumed else "new",
    )
    job.record.add(file, one.path)
    return file
