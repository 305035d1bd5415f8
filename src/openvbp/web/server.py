"""The server: what is served is read, then the pages answer until the server is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from openvbp.errors import MachineError, OpenvbpError, Problem, UsageError
from openvbp.reporting.disclosure import SMALLEST_CELL
from openvbp.web.app import create_app
from openvbp.web.lab import Labs, Reform
from openvbp.web.pages import overlap
from openvbp.web.runs import address_part, serve_runs
from openvbp.web.security import demand_safe_binding, is_loopback
from openvbp.web.sign_in import SignIn
from openvbp.web.site import Site
from openvbp.web.viewer import Asked


@dataclass(frozen=True)
class Binding:
    """Where the server listens and how it is reached."""

    host: str = "127.0.0.1"
    port: int = 8000
    hostnames: Sequence[str] = ()
    """Names under which it is called, beside the host."""
    certificate: Path | None = None
    certificate_key: Path | None = None
    is_behind_proxy: bool = False
    """Whether a proxy before it encrypts."""

    @property
    def has_encryption(self) -> bool:
        """Whether what travels between machines is encrypted."""
        return self.is_behind_proxy or self.certificate is not None


@dataclass(frozen=True)
class Contents:
    """What is to be served."""

    runs: Sequence[Path]
    data: Sequence[Path] = ()
    studies: Sequence[Path] = ()
    registry: Path | None = None
    providers_file: Path | None = None
    smallest_cell: int = SMALLEST_CELL
    shows_all: bool = False


def make_site(contents: Contents, sign_in: SignIn | None = None, say: Callable[[str], None] = lambda _: None) -> Site:
    """Read what is served.

    Raises
    ------
    UsageError, InputDataError
        If a folder cannot be served; it says which and why.
    """
    if not contents.runs and not contents.studies and contents.registry is None:
        raise UsageError(Problem("there is nothing to serve", "RUN", "give the folder of a finished run"))
    return Site(
        serve_runs(contents.runs, contents.smallest_cell, say),
        studies={address_part(path.resolve().name): path for path in contents.studies},
        registry=contents.registry,
        providers_file=contents.providers_file,
        shows_all=contents.shows_all,
        labs=Labs(contents.data),
        sign_in=sign_in,
    )


def demand_safe(binding: Binding, contents: Contents, sign_in: SignIn | None) -> None:
    """Refuse a binding that would give away what not everybody may see.

    Raises
    ------
    UsageError
        See :func:`openvbp.web.security.demand_safe_binding`.
    """
    demand_safe_binding(
        binding.host,
        has_sign_in=sign_in is not None,
        has_encryption=binding.has_encryption,
        shows_all=contents.shows_all,
    )


def serve(
    contents: Contents,
    binding: Binding,
    sign_in: SignIn | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until stopped.

    Raises
    ------
    UsageError
        If the binding is unsafe or something cannot be served.
    MachineError
        If the port is taken.
    """
    import socket

    import uvicorn

    demand_safe(binding, contents, sign_in)
    site = make_site(contents, sign_in, say)
    app = create_app(site, hostnames=[*binding.hostnames, binding.host])
    asyncio.run(_ask(site, _first_pages(site)))
    family = socket.AF_INET6 if ":" in binding.host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((binding.host, binding.port))
        # Whoever comes as soon as the address is told waits, and is not turned away.
        listening.listen()
    except OSError as error:
        where = f"--host {binding.host} --port {binding.port}"
        raise MachineError(Problem(f"cannot listen: {error.strerror}", where, "choose another --port")) from error
    settings = uvicorn.Config(
        app,
        log_level="warning",
        server_header=False,
        proxy_headers=binding.is_behind_proxy,
        ssl_certfile=binding.certificate,
        ssl_keyfile=binding.certificate_key,
    )
    threading.Thread(target=warm, args=(site,), daemon=True).start()
    scheme = "https" if binding.certificate else "http"
    host = "localhost" if is_loopback(binding.host) else binding.host
    say(f"open {scheme}://{host}:{listening.getsockname()[1]}/  (stop with Ctrl+C)")
    uvicorn.Server(settings).run(sockets=[listening])


def warm(site: Site) -> None:
    """Make what takes long the first time: labs whose files are at hand, and families of measures."""
    for run in site.runs.values():
        with contextlib.suppress(OpenvbpError):
            site.labs.of(run.full).answer(Reform(()))
    if site.registry is not None:
        with contextlib.suppress(OpenvbpError):
            overlap.overlap(site, Asked())


def get(contents: Contents, path: str, say: Callable[[str], None] = lambda _: None) -> tuple[int, bytes]:
    """Make one page without a server, as nobody who is signed in.

    Returns
    -------
    Status code and content.
    """
    (answer,) = asyncio.run(_ask(make_site(contents, say=say), [path if path.startswith("/") else f"/{path}"]))
    return answer.status_code, answer.content


async def _ask(site: Site, paths: Iterable[str]) -> list[httpx2.Response]:
    """Make pages one after the other, without a server."""
    transport = httpx2.ASGITransport(create_app(site))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", follow_redirects=True) as client:
        return [await client.get(path) for path in paths]


def _first_pages(site: Site) -> Iterator[str]:
    """A page of each kind: what pages share is made with them once, not by all who come at the beginning."""
    yield "/"
    for run in site.runs.values():
        yield run.address
        yield f"{run.address}{address_part(next(iter(run.providers)))}"
