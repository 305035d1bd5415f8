"""Taking the wanted files out of a publisher's ZIP archive, and nothing else."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from openvbp.errors import InputDataError
from openvbp.fetching.catalogue import WantedFile
from openvbp.fetching.download import FilesNotThereError, Place, discard, writing

MAXIMUM_MEMBERS = 10_000
MAXIMUM_MEMBER_BYTES = 500_000_000
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Arrived:
    """A wanted file in the folder, still under its temporary name and not yet checked."""

    wanted: WantedFile
    name: str
    """Final name."""
    path: Path
    address: str
    """Where the bytes came from."""
    member: str | None = None
    """Path inside the archive, if the address is one."""


def extract(archive: Path, wanted: Sequence[WantedFile], place: Place) -> list[Arrived]:
    """Take the wanted members out of an archive into the folder, with ``.partial`` added to their names.

    Folders inside the archive are dropped, so nothing is ever written outside of the folder.

    Raises
    ------
    InputDataError
        If the archive is broken, unsafe (absolute paths, ``..``, links) or larger than any such archive is.
    FilesNotThereError
        If it lacks a wanted file.
    """
    done: list[Arrived] = []
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _members(opened, place)
            chosen = [(file, _choose(file, members, place)) for file in wanted]
            for file, member in chosen:
                name = _path(member.filename).name
                one = Arrived(file, name, place.folder / f"{name}.partial", place.address, member.filename)
                done.append(one)
                _copy(opened, member, one.path, place)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        remove(done)
        raise InputDataError(place.problem(f"the archive is broken or not a ZIP archive: {error}")) from error
    except BaseException:
        remove(done)
        raise
    return done


def remove(arrived: Sequence[Arrived]) -> None:
    """Delete files that did not get their final names."""
    for one in arrived:
        discard(one.path)


def _path(member: str) -> PurePosixPath:
    return PurePosixPath(member.replace("\\", "/"))


def _members(opened: zipfile.ZipFile, place: Place) -> list[zipfile.ZipInfo]:
    members = opened.infolist()
    unsafe = [one.filename for one in members if _is_unsafe(one)]
    if unsafe or len(members) > MAXIMUM_MEMBERS:
        what = "the archive has members with unsafe paths" if unsafe else f"the archive has {len(members):,} members"
        raise InputDataError(place.problem(what, f"do not use it; {place.by_hand}", *unsafe[:3]))
    return [one for one in members if not one.is_dir() and "__MACOSX" not in _path(one.filename).parts]


def _is_unsafe(member: zipfile.ZipInfo) -> bool:
    path = _path(member.filename)
    return path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or stat.S_ISLNK(member.external_attr >> 16)


def _choose(file: WantedFile, members: Sequence[zipfile.ZipInfo], place: Place) -> zipfile.ZipInfo:
    found = [one for one in members if file.has_name(_path(one.filename).name)]
    if not found:
        raise FilesNotThereError(place.problem(f"the archive has no file '{file.name}' ({file.what})"))
    if len(found) > 1:
        names = (one.filename for one in found[:3])
        raise InputDataError(place.problem(f"the archive has {len(found)} files '{file.name}'", None, *names))
    return found[0]


def _copy(opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, place: Place) -> None:
    size = 0
    # The size that the archive declares is not trusted: what comes out is counted.
    with opened.open(member) as content, writing(path), path.open("wb") as out:
        while chunk := content.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > MAXIMUM_MEMBER_BYTES:
                raise InputDataError(
                    place.problem(f"'{member.filename}' is larger than {MAXIMUM_MEMBER_BYTES:,} bytes unpacked")
                )
            out.write(chunk)
