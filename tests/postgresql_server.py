"""A PostgreSQL server of the tests' own, on a socket in a folder that goes away."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from openvbp.engine import open_database
from openvbp.errors import OpenvbpError


def binaries() -> Path | None:
    """Folder of initdb and postgres, of the newest version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextlib.contextmanager
def postgresql_server(programs: Path) -> Iterator[str]:
    """Start a server and give the address of its database ``postgres``; PostgreSQL refuses to run as root."""
    folder = Path(tempfile.mkdtemp(prefix="openvbp-pg-"))
    owner = pwd.getpwnam("postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name)
    os.chown(folder, owner.pw_uid, owner.pw_gid)

    def command(*words: str) -> subprocess.Popen[bytes]:
        as_owner = {"user": owner.pw_uid, "group": owner.pw_gid} if os.getuid() == 0 else {}
        where = subprocess.DEVNULL
        return subprocess.Popen(words, cwd=folder, stdout=where, stderr=where, **as_owner)  # type: ignore[call-overload]

    data = str(folder / "data")
    make = command(
        f"{programs}/initdb", "-D", data, "-A", "trust", "-U", "tester", "--no-sync", "--no-instructions", "-E", "UTF8"
    )
    assert make.wait(60) == 0, "initdb failed"
    server = command(f"{programs}/postgres", "-D", data, "-k", str(folder), "-c", "listen_addresses=", "-F")
    try:
        address = f"postgresql://tester:secret@/postgres?host={folder}"
        _await(address, server)
        yield address
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _await(address: str, server: subprocess.Popen[bytes]) -> None:
    for _attempt in range(200):
        assert server.poll() is None, "the server stopped"
        with contextlib.suppress(OpenvbpError), open_database(address):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(0.05)
    raise AssertionError("the server does not answer")
