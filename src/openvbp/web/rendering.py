"""From a page to an answer: HTML by templates, or a twin."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from fastapi import Response
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from openvbp.errors import OpenvbpError, Problem
from openvbp.web import words
from openvbp.web.page import KINDS, ForbiddenError, NotFoundError, Page, as_csv, as_json, as_workbook
from openvbp.web.runs import address_part
from openvbp.web.site import Site, measure_title
from openvbp.web.viewer import Asked

_TITLES = {
    400: "This request cannot be understood",
    403: "This is not for everybody",
    404: "There is no such page",
    405: "This is not done here",
    414: "The address is too long",
    422: "This cannot be computed",
    429: "Too many attempts",
    500: "Something went wrong here",
}


@functools.cache
def environment() -> Environment:
    """Make the templates' environment: everything is escaped, nothing unknown is shown as empty."""
    made = Environment(
        loader=FileSystemLoader(str(files("openvbp.web").joinpath("templates"))),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        title=words.title_of,
        status=words.status_words,
        number=words.rounded,
        money=words.money,
        percent=words.percent,
        signed=words.signed,
        part=address_part,
    )
    made.globals.update(dash=words.NONE, step_words=words.step_words, measure_title=measure_title)
    # Parts of pages are rendered without the head of their template, where imports would stand.
    for name in ("parts.html", "measures.html"):
        module = made.get_template(name).module
        made.globals.update({macro: getattr(module, macro) for macro in dir(module) if not macro.startswith("_")})
    return made


def query(asked: Asked, **changes: Any) -> str:
    """Write the query again with some values changed; ``None`` and empty ones are left out."""
    pairs = [(name, text) for name, text in asked.pairs or asked.query.items() if name not in changes]
    text = urlencode([(name, value) for name, value in (*pairs, *changes.items()) if value not in (None, "")])
    return f"?{text}" if text else ""


def html(page: Page, site: Site, asked: Asked, *, path: str, is_fragment: bool, extra: Mapping[str, Any]) -> str:
    """Render a page, or the part of it that a page in the browser asks for."""
    template = environment().get_template(page.template)
    content = {
        **page.content,
        **extra,
        "page": page,
        "site": site,
        "viewer": asked.viewer,
        "asked": asked,
        "path": path,
        "twin": _twin_path(path),
        "query": functools.partial(query, asked),
    }
    if is_fragment and page.part:
        return "".join(template.blocks[page.part](template.new_context(content)))
    return template.render(content)


def _twin_path(path: str) -> str:
    """Give the address of a page's twins without its ending."""
    return path.rstrip("/") or "/index"


def twin(page: Page, kind: str, asked: Asked) -> Response:
    """Answer with a twin of a page."""
    if kind == "json":
        return JSONResponse(as_json(page))
    if kind == "csv":
        return Response(as_csv(page, asked.text("table")), media_type=KINDS["csv"])
    name = words.title_of(page.template.removesuffix(".html"))
    return Response(
        as_workbook(page),
        media_type=KINDS["xlsx"],
        headers={"Content-Disposition": f'attachment; filename="{address_part(name)}.xlsx"'},
    )


def status_of(error: OpenvbpError) -> int:
    """Give the status code of an error: 404 unknown, 403 not allowed, 422 impossible, 500 ours."""
    if isinstance(error, NotFoundError):
        return 404
    if isinstance(error, ForbiddenError):
        return 403
    return 422 if error.exit_code in (2, 3) else 500


def problem(
    problems: list[Problem], status: int, *, is_html: bool, is_fragment: bool, site: Site, asked: Asked
) -> Response:
    """Answer with what is wrong and what to do, as a page or as JSON."""
    listed = [
        {"what": one.what, "where": one.where, "what_to_do": one.what_to_do, "examples": list(one.examples)}
        for one in problems
    ]
    title = _TITLES.get(status, "Something went wrong")
    if not is_html:
        return JSONResponse({"title": title, "status": status, "problems": listed}, status)
    page = Page("problem.html", title, {}, [], {"problems": listed, "status": status}, "problem")
    return HTMLResponse(html(page, site, asked, path="", is_fragment=is_fragment, extra={}), status)
