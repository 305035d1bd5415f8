"""A folder that is there whole or not at all: written beside its place, then put there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openvbp.engine import cannot_write
from openvbp.errors import Problem, UsageError


class WholeFolder:
    """Files of a folder that is being written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = 0
        self.bytes = 0
        self._made: set[Path] = set()

    def write(self, name: str, content: str | bytes) -> int:
        """Write a file; gives its bytes.

        Parameters
        ----------
        name
            Path within the folder, with ``/``.
        content
            Text is written as UTF-8.
        """
        target = self.reserve(name)
        data = content.encode("utf-8") if isinstance(content, str) else content
        target.write_bytes(data)
        return self.count(target)

    def reserve(self, name: str) -> Path:
        """Give the place of a file that something else writes, and make its folder."""
        target = self.path / name
        if target.parent not in self._made:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(target.parent)
        return target

    def count(self, target: Path) -> int:
        """Add a written file to the totals; gives its bytes."""
        size = target.stat().st_size
        self.files += 1
        self.bytes += size
        return size


@contextlib.contextmanager
def whole_folder(to: Path, record: str, what: str) -> Iterator[WholeFolder]:
    """Write a folder beside its place, and put it there when it is whole.

    A folder that was written so before is replaced; until then it stays as it was.

    Parameters
    ----------
    to
        The folder.
    record
        Name of the file that such a folder holds: by it, one that was written before is known.
    what
        What the folder is, for messages.

    Raises
    ------
    UsageError
        If there is something else in its place.
    MachineError
        If it cannot be written.
    """
    to = to.absolute()
    if to.exists() and not _is_ours(to, record):
        raise UsageError(
            Problem(
                f"the folder holds something else than {what}",
                str(to),
                "give --to a new or empty folder; only what the same command wrote is replaced",
            )
        )
    beside, before = to.with_name(f".{to.name}.partial"), to.with_name(f".{to.name}.before")
    try:
        if before.exists() and not to.exists():
            # A process ended between the two moves below.
            os.replace(before, to)
        for one in (beside, before):
            shutil.rmtree(one, ignore_errors=True)
        beside.mkdir(parents=True)
        yield WholeFolder(beside)
        if to.exists():
            os.replace(to, before)
        os.replace(beside, to)
        shutil.rmtree(before, ignore_errors=True)
    except OSError as error:
        raise cannot_write(to, error, "free disk space or choose another folder") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def as_record(content: dict[str, Any]) -> str:
    """Write the record of such a folder."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _is_ours(folder: Path, record: str) -> bool:
    return folder.is_dir() and ((folder / record).is_file() or not any(folder.iterdir()))
