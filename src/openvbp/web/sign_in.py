"""Signing in and out, and the record of who has seen patients."""

from __future__ import annotations

import json
import os
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from authlib.common.errors import AuthlibBaseError
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from openvbp.engine import cannot_write
from openvbp.errors import Problem, UsageError
from openvbp.web.accounts import Accounts
from openvbp.web.page import ForbiddenError, Page
from openvbp.web.sessions import COOKIE, FORM_COOKIE, FORM_SECONDS, SESSION_SECONDS, Attempts, Session, Sessions
from openvbp.web.single_sign_on import SingleSignOn
from openvbp.web.viewer import Asked, Viewer

_REFUSED = "Name or password is wrong."


@dataclass
class SignIn:
    """How people sign in here, and where it is written who has seen patients."""

    access_log: Path
    accounts: Accounts | None = None
    single_sign_on: SingleSignOn | None = None
    is_encrypted: bool = False
    """Whether cookies are sent over encrypted connections only."""
    sessions: Sessions = field(default_factory=Sessions)
    of_names: Attempts = field(default_factory=lambda: Attempts(5))
    """Failures of a name from one address."""
    of_addresses: Attempts = field(default_factory=lambda: Attempts(20))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if self.accounts is None and self.single_sign_on is None:
            raise UsageError(Problem("nobody could sign in", "sign-in", "give --accounts or --single-sign-on"))

    def session(self, request: Request) -> Session | None:
        """Give the session of a request, if its cookie is right."""
        return self.sessions.read(request.cookies.get(COOKIE))

    def viewer(self, request: Request) -> Viewer:
        """Tell who asks; an account that has been removed is nobody."""
        session = self.session(request)
        if session is None:
            return Viewer()
        covers = session.covers
        if covers is None and self.accounts is not None:
            covers = self.accounts.covers(session.name)
        return Viewer() if covers is None else Viewer(session.name, covers)

    def csrf(self, request: Request) -> str:
        """Give the token of forms of this session, empty where there is none."""
        session = self.session(request)
        return self.sessions.token(session.session_id) if session else ""

    def record_access(self, viewer: Viewer, program: str, period: str, provider_id: str, rows: dict[str, int]) -> None:
        """Write who is about to see whose patients; what cannot be written is not shown.

        Raises
        ------
        MachineError
            If it cannot be written.
        """
        line = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "name": viewer.name,
            "program": program,
            "period": period,
            "provider_id": provider_id,
            "rows": rows,
        }
        try:
            with self._lock, self.access_log.open("a", encoding="utf-8") as target:
                target.write(json.dumps(line, ensure_ascii=False) + "\n")
                target.flush()
                os.fsync(target.fileno())
        except OSError as error:
            raise cannot_write(self.access_log, error, "choose another --access-log") from error


def inner_address(text: str) -> str:
    """Give an address of this site to go on to; the first page for any other.

    Examples
    --------
    >>> inner_address("/hvbp/FY2024/"), inner_address("//elsewhere.example"), inner_address("https://elsewhere.example")
    ('/hvbp/FY2024/', '/', '/')
    """
    parts = urlsplit(text)
    is_inner = text.startswith("/") and not text.startswith(("//", "/\\")) and not parts.netloc and not parts.scheme
    return text if is_inner and "\\" not in text and text.isprintable() else "/"


def router(sign_in: SignIn) -> APIRouter:
    """Make the addresses of signing in and out."""
    made = APIRouter()

    @made.get("/sign-in", include_in_schema=False)
    async def form(request: Request) -> Response:
        return _form(request, sign_in, "", 200, inner_address(request.query_params.get("next", "/")))

    @made.post("/sign-in", operation_id="sign_in", summary="Begin a session", **_answers(403, 422, 429))
    async def check(
        request: Request,
        name: Annotated[str, Form(max_length=64)] = "",
        password: Annotated[str, Form(max_length=1024)] = "",
        csrf: Annotated[str, Form(max_length=400)] = "",
        next_: Annotated[str, Form(alias="next", max_length=2000)] = "/",
    ) -> Response:
        _demand_own_form(request, sign_in.sessions, csrf, request.cookies.get(FORM_COOKIE, ""))
        then = inner_address(next_)
        address = request.client.host if request.client else "?"
        wait = max(sign_in.of_names.wait(f"{name} {address}"), sign_in.of_addresses.wait(address))
        if wait > 0:
            answer = _form(
                request, sign_in, f"Too many attempts. Try again in {int(wait // 60) + 1} minutes.", 429, then
            )
            answer.headers["Retry-After"] = str(int(wait) + 1)
            return answer
        if sign_in.accounts is None or not await run_in_threadpool(sign_in.accounts.is_right, name, password):
            sign_in.of_names.failed(f"{name} {address}")
            sign_in.of_addresses.failed(address)
            return _form(request, sign_in, _REFUSED, 403, then)
        return _begun(sign_in, then, name, None)

    @made.post("/sign-out", operation_id="sign_out", summary="End the session", **_answers(403, 422))
    async def leave(request: Request, csrf: Annotated[str, Form(max_length=400)] = "") -> Response:
        session = sign_in.session(request)
        _demand_own_form(request, sign_in.sessions, csrf, session.session_id if session else "")
        if session:
            sign_in.sessions.end(session)
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(COOKIE, path="/")
        return answer

    if sign_in.single_sign_on is not None:
        _add_single_sign_on(made, sign_in, sign_in.single_sign_on)
    return made


def _answers(*statuses: int) -> dict[str, Any]:
    """Describe what a form is answered with: another page to go to, or a page that says what is wrong."""
    words = {
        400: "The host is not served here",
        403: "Name, password or form is wrong",
        414: "The address is too long",
        422: "A field is too long",
        429: "Too many attempts; Retry-After gives the seconds to wait",
    }
    refused: dict[int | str, dict[str, Any]] = {
        status: {"description": words[status], "content": {"text/html": {}}} for status in (414, *statuses)
    }
    refused[400] = {"description": words[400], "content": {"text/plain": {}}}
    return {"status_code": 303, "response_class": RedirectResponse, "responses": refused, "tags": ["session"]}


def _add_single_sign_on(made: APIRouter, sign_in: SignIn, single: SingleSignOn) -> None:
    client = single.client()

    @made.get("/sign-in/single", include_in_schema=False)
    async def go(request: Request) -> Response:
        request.session["next"] = inner_address(request.query_params.get("next", "/"))
        return await client.authorize_redirect(request, str(request.url_for("come_back")))

    @made.get("/sign-in/return", include_in_schema=False)
    async def come_back(request: Request) -> Response:
        try:
            token: dict[str, Any] = await client.authorize_access_token(request)
        except AuthlibBaseError:
            # The cause may quote what the other side sent, so it is not shown.
            raise ForbiddenError(
                Problem("the sign-in was not completed", "single sign-on", "begin again from the sign-in page")
            ) from None
        claims = token.get("userinfo") or {}
        covers = single.covered_by(claims)
        name = str(claims.get("email") or claims.get("sub") or "")
        then = inner_address(str(request.session.pop("next", "/")))
        if not name or not covers:
            raise ForbiddenError(
                Problem("you are known, but may see no provider here", "single sign-on", "ask whoever runs this server")
            )
        return _begun(sign_in, then, name, covers)


def _begun(sign_in: SignIn, then: str, name: str, covers: frozenset[str] | None) -> Response:
    answer = RedirectResponse(then, 303)
    answer.set_cookie(
        COOKIE,
        sign_in.sessions.begin(name, covers),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="lax",
        secure=sign_in.is_encrypted,
        path="/",
    )
    return answer


def _demand_own_form(request: Request, sessions: Sessions, token: str, of: str) -> None:
    """Refuse what a foreign page sends.

    Raises
    ------
    ForbiddenError
        If the form is not of this site, this browser and the last hour.
    """
    origin = request.headers.get("origin")
    is_foreign = bool(origin) and urlsplit(origin or "").netloc != request.headers.get("host", "")
    if is_foreign or not sessions.is_token(token, of):
        raise ForbiddenError(
            Problem("the form is not of this page, or too old", "the form", "load the page again and repeat")
        )


def _form(request: Request, sign_in: SignIn, message: str, status: int, then: str) -> Response:
    from openvbp.web import rendering

    of = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(24)
    page = Page(
        "sign_in.html",
        "Sign in",
        {},
        [],
        {
            "message": message,
            "token": sign_in.sessions.token(of),
            "next": then,
            "has_accounts": sign_in.accounts is not None,
            "has_single_sign_on": sign_in.single_sign_on is not None,
        },
    )
    site = request.app.state.site
    text = rendering.html(page, site, Asked(), path="/sign-in", is_fragment=False, extra={})
    answer = HTMLResponse(text, status)
    answer.set_cookie(
        FORM_COOKIE, of, max_age=FORM_SECONDS, httponly=True, samesite="strict", secure=sign_in.is_encrypted, path="/"
    )
    return answer
