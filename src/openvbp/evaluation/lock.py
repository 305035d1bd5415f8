"""The registration of a study: its program, data and design fixed by digests before outcomes are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openvbp import __version__
from openvbp.engine import cannot_write
from openvbp.errors import InputDataError, MachineError, Problem, UsageError
from openvbp.evaluation.cell_files import sha256

READINGS = ".openvbp-readings.json"
"""Beside the study file: which outcomes were read, and when."""
ABSENT = "not there yet"
"""Instead of the digest of a file that did not exist when a study was registered."""
NOT_NOTED = "that outcomes were read could not be noted beside the study file"
LOCKED, NOT_LOCKED, CHANGED, LATE = "locked", "not locked", "changed since", "fixed after outcomes were read"


@dataclass(frozen=True)
class Digests:
    """SHA-256 of everything that decides an estimate."""

    program: str
    """Parameters, and what the program's folder says of groups, clocks and breaks."""
    specification: str
    data: Mapping[str, str]
    """File to digest."""


@dataclass(frozen=True)
class LockStatus:
    """Whether a study runs as it was registered."""

    status: str
    registered: str = ""
    """When."""
    changed: tuple[str, ...] = ()
    is_before_data: bool = False
    """Whether the data did not exist when it was registered."""

    @property
    def words(self) -> str:
        """Say it for a reader."""
        if self.status == LOCKED and self.is_before_data:
            return f"Locked: program and design are those registered on {self.registered}, before the data were there."
        if self.status == LOCKED:
            return (
                f"Locked: program, data and design are those registered on {self.registered}, before openvbp read the "
                "outcomes. It cannot know who else had seen published outcomes before."
            )
        if self.status == CHANGED:
            return f"Changed since it was registered on {self.registered}: {', '.join(self.changed)}."
        if self.status == LATE:
            return f"Fixed on {self.registered}, but after outcomes had been read: not a pre-registration."
        return "Not locked: nothing shows that the design was chosen before the outcomes were seen."


def digest_of(path: Path) -> str:
    """Digest of a file, or that it is not there yet."""
    return sha256(path) if path.exists() else ABSENT


def specification_digest(content: str) -> str:
    """Digest of a study's terms."""
    return hashlib.sha256(content.encode()).hexdigest()


def lock(path: Path, title: str, digests: Digests, plan: Any, *, after_reading: bool, readings: Path) -> dict[str, Any]:
    """Write a registration.

    Parameters
    ----------
    path
        File to write; an existing one is never replaced.
    title, plan
        The study, and its terms with power, for a reader.
    digests
        Of program, data and terms.
    after_reading
        Fix the design although outcomes were read; the registration then says so.
    readings
        Record of what was read.

    Raises
    ------
    UsageError
        If the file is there already, or outcomes were read before and ``after_reading`` is not set.
    MachineError
        If it cannot be written.
    """
    if path.exists():
        raise UsageError(Problem("the registration is there already", str(path), "it is fixed: write another file"))
    read = earlier_readings(readings, digests)
    if read and not after_reading:
        what = "outcomes of these data were read before: this would be no pre-registration"
        remedy = "lock before the first run; or fix the design now with --after-reading, and the report says so"
        raise UsageError(Problem(what, str(readings), remedy, len(read), tuple(one["when"] for one in read[:3])))
    content = {
        "study": title,
        "openvbp": __version__,
        "registered": now(),
        "outcomes_read_before": bool(read),
        "digests": asdict(digests),
        "plan": plan,
    }
    _write(path, content)
    return content


def status_of(registration: Path | None, digests: Digests) -> LockStatus:
    """Hold a registration against what is about to run.

    Raises
    ------
    InputDataError
        If it cannot be read.
    """
    if registration is None:
        return LockStatus(NOT_LOCKED)
    try:
        content = json.loads(registration.read_text(encoding="utf-8"))
        then, when = content["digests"], content["registered"]
        read_before = content["outcomes_read_before"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = "the registration cannot be read"
        raise InputDataError(
            Problem(what, str(registration), "give the file that 'openvbp evaluate lock' wrote")
        ) from error
    present = asdict(digests)
    changed = [name for name in ("program", "specification") if then.get(name) != present[name]]
    files = then.get("data", {})
    names = sorted({*files, *present["data"]})
    changed += [f"data {one}" for one in names if files.get(one) not in (present["data"].get(one), ABSENT)]
    if changed:
        return LockStatus(CHANGED, when, tuple(changed))
    is_before = bool(files) and all(one == ABSENT for one in files.values())
    return LockStatus(LATE if read_before else LOCKED, when, is_before_data=is_before)


def earlier_readings(path: Path, digests: Digests) -> list[dict[str, Any]]:
    """List the readings of any of these data files."""
    files = set(digests.data.values()) - {ABSENT}
    return [one for one in _readings(path) if files & set(one.get("data", {}).values())]


def note_reading(path: Path, digests: Digests) -> bool:
    """Note that outcomes were read; says whether the note could be written."""
    try:
        _write(path, [*_readings(path), {"when": now(), **asdict(digests)}])
    except MachineError:
        return False
    return True


def now() -> str:
    """Date and time, for records."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _readings(path: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []


def _write(path: Path, content: Any) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error, "choose another file") from error
