"""What was fetched into a folder, from where and when: ``fetched.json``."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.fetching.catalogue import Source, WantedFile
from openvbp.fetching.download import writing

RECORD = "fetched.json"


@dataclass(frozen=True)
class FetchedFile:
    """One official file in the folder."""

    name: str
    what: str
    source: str
    """Address in the catalogue."""
    address: str
    """Address that the bytes came from; for a member of an archive that of the archive."""
    member: str | None
    """Path inside the archive."""
    bytes: int
    sha256: str
    archive_sha256: str | None
    last_modified: str | None
    """As the server dates the file or archive."""
    fetched_at: str
    """Universal time."""
    is_year_checked: bool
    """Whether the file itself says that it is of the period."""
    is_address_unverified: bool
    status: Literal["new", "resumed", "kept"] = "new"


class Record:
    """The folder's ``fetched.json``, written again after every file."""

    def __init__(self, folder: Path, program: str, period: str) -> None:
        self._folder, self._program, self._period = folder, program, period
        self._files: dict[str, FetchedFile] = {}
        try:
            content = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            self._files = {entry["name"]: FetchedFile(**entry) for entry in content["files"]}
            owner = (content["program"], content["period"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputDataError(
                Problem("the record of fetched files is broken", str(folder / RECORD), "delete it and fetch again")
            ) from error
        if owner != (program, period):
            raise UsageError(
                Problem(f"the folder holds files of {' '.join(owner)}", str(folder), "choose another folder for --to")
            )

    def kept(self, source: Source, wanted: WantedFile) -> FetchedFile | None:
        """Return a file that was fetched from the source before and is still as it came."""
        for file in self._files.values():
            if (
                file.source == source.identity(wanted)
                and wanted.has_name(file.name)
                and (source.sha256 is None or source.sha256 == file.archive_sha256)
                and sha256_of(self._folder / file.name) == file.sha256
            ):
                return replace(file, status="kept", is_address_unverified=source.unverified)
        return None

    def check_free(self, name: str, partial: Path) -> None:
        """Refuse to replace a file that somebody else put into the folder.

        Raises
        ------
        UsageError
            If a different file of that name is there and was not fetched.
        """
        there = self._folder / name
        if name not in self._files and there.exists() and sha256_of(there) != sha256_of(partial):
            raise UsageError(
                Problem("a different file of that name is there", str(there), "move it away or choose another --to")
            )

    def add(self, file: FetchedFile, partial: Path) -> None:
        """Give a checked file its final name and record it."""
        target = self._folder / file.name
        with writing(target):
            os.replace(partial, target)
            self._files[file.name] = file
            self._save()

    def _save(self) -> None:
        entries = [{k: v for k, v in asdict(file).items() if k != "status"} for file in self._files.values()]
        content = {"program": self._program, "period": self._period, "files": entries}
        temporary = self._folder / f"{RECORD}.partial"
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, self._folder / RECORD)


def sha256_of(path: Path) -> str | None:
    """Digest of a file; ``None`` if it cannot be read."""
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return None
