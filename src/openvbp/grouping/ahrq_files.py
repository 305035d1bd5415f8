"""Files of AHRQ's downloads, found by what they are called."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from openvbp.errors import InputDataError, Problem
from openvbp.text_tables import decode

VERSION = re.compile(r"v?(\d{4})[-._](\d)")
"""Year and number of a release."""


def need_folder(folder: Path) -> None:
    """Refuse a folder that is not there."""
    if not folder.is_dir():
        raise InputDataError(Problem("there is no such folder", str(folder), "give the folder of AHRQ's files"))


def file_like(folder: Path, pattern: str) -> Path | None:
    """Find the one file whose name is like that; None where there is none; refuse several."""
    found = sorted(path for path in folder.iterdir() if re.fullmatch(pattern, path.name, re.IGNORECASE))
    if len(found) > 1:
        raise InputDataError(
            Problem("there are files of several releases", str(folder), "keep one", len(found), (found[0].name,))
        )
    return found[0] if found else None


def needed_file(folder: Path, pattern: str, example: str) -> Path:
    """Find the one file whose name is like that; refuse none and several."""
    path = file_like(folder, pattern)
    if path is None:
        raise InputDataError(Problem(f"there is no file such as {example}", str(folder), "add it from AHRQ's download"))
    return path


def text_of(path: Path) -> str:
    """Read a text, whatever its encoding; some begin with a mark of it, others not."""
    return decode(path, path.read_bytes()).removeprefix("\ufeff")


def digest(path: Path) -> tuple[str, str]:
    """Give name and SHA-256 of a file."""
    return path.name, hashlib.sha256(path.read_bytes()).hexdigest()
