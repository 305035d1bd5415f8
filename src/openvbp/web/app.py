"""The web application: each page under one address, with its twins for programs."""

from __future__ import annotations

import inspect
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

import openvbp
from openvbp.errors import OpenvbpError, Problem
from openvbp.web import rendering, security, sign_in
from openvbp.web.page import KINDS, NotFoundError, Page
from openvbp.web.pages import study as study_pages
from openvbp.web.routes import PAGES, PageRoute
from openvbp.web.site import Site
from openvbp.web.viewer import Asked, Viewer

REMEMBERED = 512
"""Answers to readers who are not signed in that are kept: runs that are served do not change."""

_logger = logging.getLogger("openvbp.web")


class Twin(BaseModel):
    """A page as JSON."""

    title: str
    about: dict[str, Any]
    tables: dict[str, list[dict[str, Any]]]


class ProblemText(BaseModel):
    """One problem of a request."""

    what: str
    where: str
    what_to_do: str
    examples: list[str]


class ProblemAnswer(BaseModel):
    """What is wrong with a request."""

    title: str
    status: int
    problems: list[ProblemText]


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    # The host is told before anything else is looked at, as plain text.
    400: {"description": "The host is not served here", "content": {"text/plain": {}}},
    **{
        status: {"model": ProblemAnswer, "description": words}
        for status, words in (
            (403, "Whoever asks may not see it"),
            (404, "No such run, provider, page or table"),
            (414, "The address is too long"),
            (422, "The request has an impossible value"),
            (500, "A bug of openvbp, or it cannot be recorded who sees patients"),
        )
    },
}


_TABLE = {"table": "Name of one of the page's tables, as in its JSON; the first when absent."}


def create_app(site: Site, *, hostnames: Sequence[str] = ()) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    site
        What is served.
    hostnames
        Names under which the server may be called, beside those of the loopback: another name in a request is refused,
        so that no foreign page can have a browser read what only this machine may.
    """
    app = FastAPI(
        title="openvbp",
        version=openvbp.__version__,
        description="Pay-for-performance programs: scores, payments and their reasons. Every page has a twin in JSON.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.state.site, app.state.answers = site, OrderedDict()
    for route in PAGES:
        _add(app, route)
    app.add_api_route("/evaluate/{study}/report", _report, methods=["GET"], include_in_schema=False)
    app.mount("/static", StaticFiles(directory=str(files("openvbp.web").joinpath("static"))), name="static")
    if site.sign_in is not None:
        app.include_router(sign_in.router(site.sign_in))
    _add_errors(app)
    app.middleware("http")(_guard)
    if site.sign_in is not None and site.sign_in.single_sign_on is not None:
        app.add_middleware(
            SessionMiddleware,
            secret_key=site.sign_in.sessions.key,
            session_cookie="openvbp_on_the_way",
            max_age=600,
            path="/sign-in",
            same_site="lax",
            https_only=site.sign_in.is_encrypted,
        )
    allowed = ["127.0.0.1", "localhost", "[::1]", *hostnames]
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=allowed, www_redirect=False)
    return app


def _add(app: FastAPI, route: PageRoute) -> None:
    """Add the addresses of a page: its twins first, for an identifier could end like one of them."""
    for kind in KINDS:
        content = {KINDS[kind].partition(";")[0]: {}} if kind != "json" else None
        responses = {**_PROBLEMS, **({200: {"description": "The page", "content": content}} if content else {})}
        app.add_api_route(
            route.twin_path(kind),
            _endpoint(route, kind),
            methods=["GET"],
            operation_id=f"{route.name}_{kind}",
            summary=f"{route.summary} ({kind.upper()})",
            tags=[kind],
            response_model=Twin if kind == "json" else None,
            response_class=Response if kind != "json" else rendering.JSONResponse,
            responses=responses,
        )
    app.add_api_route(route.path, _endpoint(route, ""), methods=["GET", "HEAD"], include_in_schema=False)


def _endpoint(route: PageRoute, kind: str) -> Callable[..., Awaitable[Response]]:
    async def answer(request: Request, **values: Any) -> Response:
        site: Site = request.app.state.site
        viewer = _viewer(request)
        asked = Asked(viewer, dict(request.query_params), request.query_params.multi_items())
        is_fragment = bool(request.headers.get("HX-Request")) and not request.headers.get("HX-Boosted")
        key = (str(request.url.path), request.url.query, is_fragment)
        remembered: OrderedDict[Any, tuple[bytes, str, dict[str, str]]] = request.app.state.answers
        if not viewer.name and key in remembered:
            remembered.move_to_end(key)
            body, media_type, headers = remembered[key]
            return Response(body, media_type=media_type, headers=headers)

        def make() -> Response:
            page: Page = route.page(site, asked, **{name: values[name] for name in route.path_parameters})
            if kind:
                return rendering.twin(page, kind, asked)
            if page.address and not is_fragment:
                return RedirectResponse(page.address, 303)
            extra = {"is_embedded": route.is_embedded, "csrf": site.sign_in.csrf(request) if site.sign_in else ""}
            text = rendering.html(page, site, asked, path=request.url.path, is_fragment=is_fragment, extra=extra)
            return HTMLResponse(text, headers={"HX-Push-Url": page.address} if page.address else None)

        made = await run_in_threadpool(make)
        made.headers["Vary"] = "HX-Request, Cookie"
        if not viewer.name and route.is_remembered and made.status_code == 200:
            kept = {
                name: made.headers[name]
                for name in ("vary", "content-disposition", "hx-push-url")
                if name in made.headers
            }
            remembered[key] = (bytes(made.body), made.headers["content-type"], kept)
            if len(remembered) > REMEMBERED:
                remembered.popitem(last=False)
        return made

    kept = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter("request", kept, annotation=Request)]
    for name, annotation in route.path_parameters.items():
        parameters.append(inspect.Parameter(name, kept, annotation=annotation))
    queries = {**route.queries, **(_TABLE if kind == "csv" else {})} if kind else {}
    for name, description in queries.items():
        annotation = Annotated[str, Query(description=description)]
        parameters.append(inspect.Parameter(name, kept, default="", annotation=annotation))
    answer.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    answer.__name__ = f"{route.name}_{kind or 'html'}"
    return answer


async def _report(request: Request, study: str) -> Response:
    """Answer with the whole report of an evaluation, which has its style within it and no scripts."""
    folder = request.app.state.site.studies.get(study)
    if folder is None:
        raise NotFoundError(Problem(f"no evaluation '{study}' is served", "the address", "start from the first page"))
    return HTMLResponse(await run_in_threadpool(study_pages.report, folder))


def _viewer(request: Request) -> Viewer:
    site: Site = request.app.state.site
    return site.sign_in.viewer(request) if site.sign_in else Viewer()


async def _guard(request: Request, call_next: security.Answer) -> Response:
    """Refuse addresses that are too long, and put the security headers on every answer."""
    if security.is_too_long(request):
        what = Problem(
            "the address is too long",
            "the address",
            "change fewer parameters at once, or use 'openvbp run --scenarios'",
        )
        answer = _problems(request, [what], 414)
    else:
        try:
            answer = await call_next(request)
        except Exception as error:
            # The error's words may quote values of patients, so only its place is written down.
            _logger.error("%s: %s in %s", request.url.path, type(error).__name__, _place(error))
            answer = _problems(
                request, [Problem("a bug of openvbp", "the server", "report the address of the page")], 500
            )
    viewer = _viewer(request)
    path = request.url.path
    is_embedded = path.endswith("/embed")
    is_report = path.startswith("/evaluate/") and path.endswith("/report")
    is_private = bool(viewer.name) or path.startswith("/sign-in")
    for name, value in security.headers(is_embedded=is_embedded, is_private=is_private, is_report=is_report).items():
        answer.headers[name] = value
    if path.startswith("/static/"):
        answer.headers["Cache-Control"] = "public, max-age=3600"
    return answer


def _place(error: Exception) -> str:
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "?"


def _problems(request: Request, problems: list[Problem], status: int) -> Response:
    site, viewer = request.app.state.site, _viewer(request)
    path = request.url.path
    is_html = not path.endswith(tuple(f".{kind}" for kind in KINDS))
    is_fragment = bool(request.headers.get("HX-Request"))
    return rendering.problem(problems, status, is_html=is_html, is_fragment=is_fragment, site=site, asked=Asked(viewer))


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(OpenvbpError)
    async def of_ours(request: Request, error: OpenvbpError) -> Response:
        status = rendering.status_of(error)
        if status == 500:
            _logger.error("%s: %s", request.url.path, error)
        return _problems(request, list(error.problems), status)

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> Response:
        known = {404: "nothing is served at this address", 405: "this address takes no such request"}
        what = Problem(known.get(error.status_code, str(error.detail)), "the address", "start from the first page")
        return _problems(request, [what], error.status_code)

    @app.exception_handler(RequestValidationError)
    async def of_values(request: Request, error: RequestValidationError) -> Response:
        problems = [
            Problem(str(one["msg"]), ".".join(str(part) for part in one["loc"]), "correct the address")
            for one in error.errors()
        ]
        return _problems(request, problems, 422)
