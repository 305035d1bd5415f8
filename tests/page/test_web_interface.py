"""The pages as their description for programs promises them: whatever is asked for, by whom ever."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks
from starlette.testclient import TestClient

from harmonization_files import write_registry
from openvbp.web.accounts import Accounts, add_account
from openvbp.web.app import create_app
from openvbp.web.page import KINDS
from openvbp.web.routes import PAGES
from openvbp.web.server import Contents, make_site
from openvbp.web.sessions import COOKIE, FORM_COOKIE, Attempts
from openvbp.web.sign_in import SignIn
from web_site import example, hospitals, study

PASSWORD = "a long enough password"
CASES = int(os.environ.get("OPENVBP_REQUESTS", "5"))
"""Requests that are made up for each operation; each is sent as it is and with what it lacks to be answered."""
PROMISES = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
SERVED = (
    {"program": "hvbp", "period": "FY2024", "provider": "990003", "step_number": 200, "run": "hvbp-FY2024"},
    {"program": "mncm", "period": "CY2019", "provider": "CLINIC-A", "step_number": 3, "run": "mncm-CY2019"},
)
"""Parts of addresses under which something is served."""
RIGHT = {
    **{"sort": "-score", "status": "scored", "scenario": "actual", "on": "2023-10-01", "at": "2", "published": "1"},
    **{"set": "applicable_percent:0.03", "given": "minimum_domains:2", "by": "state", "table": ""},
}
"""Values that a query may have."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("web_interface")
    runs = [hospitals(folder).path, example("mncm", folder).path]
    add_account(folder / "accounts.json", "analyst", PASSWORD, ["*"])
    contents = Contents(runs, [folder / "files"], [study(folder)], write_registry(folder / "registry"))
    return create_app(make_site(contents, SignIn(folder / "access.jsonl", Accounts(folder / "accounts.json"))))


@pytest.fixture(scope="module")
def description(app: Any) -> Mapping[str, Any]:
    return TestClient(app, base_url="http://localhost").get("/openapi.json").json()


def test_every_twin_is_described_and_the_names_stay(description: Mapping[str, Any]) -> None:
    names = {one["operationId"] for path in description["paths"].values() for one in path.values()}
    assert names == {f"{route.name}_{kind}" for route in PAGES for kind in KINDS} | {"sign_in", "sign_out"}
    assert {route.name for route in PAGES} >= {
        *("finder", "league", "card", "why", "step", "compare", "embed", "lab", "equity", "law", "audit", "study"),
        *("overlap", "evidence"),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_of_a_twin_is_described(description: Mapping[str, Any], kind: str) -> None:
    for route in PAGES:
        operation = description["paths"][route.twin_path(kind)]["get"]
        answers = operation["responses"]
        assert set(answers) == {"200", "400", "403", "404", "414", "422", "500"}, route.name
        assert list(answers["200"]["content"]) == [KINDS[kind].partition(";")[0]]
        for status in ("403", "404", "414", "422", "500"):
            schema = answers[status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ProblemAnswer"}, (route.name, status)
        asked = {one["name"] for one in operation["parameters"]} if "parameters" in operation else set()
        assert asked == {*route.path_parameters, *route.queries, *(["table"] if kind == "csv" else [])}


def test_foreign_hosts_and_long_addresses_are_answered_as_described(app: Any) -> None:
    client = TestClient(app, base_url="http://localhost")
    foreign = client.get("/hvbp/FY2024.json", headers={"Host": "elsewhere.example"})
    assert (foreign.status_code, foreign.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    long = client.get("/hvbp/FY2024.json", params={"q": "9" * 10_000})
    assert (long.status_code, long.json()["status"]) == (414, 414)


@pytest.mark.parametrize("who", ["everybody", "an analyst"])
def test_no_request_breaks_a_promise(app: Any, who: str) -> None:
    sign_in: SignIn = app.state.site.sign_in
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers={"Host": "localhost"})
    broken: dict[tuple[str, int, str], tuple[str, Any]] = {}
    answered: dict[str, set[int]] = {}
    with TestClient(app, base_url="http://localhost", follow_redirects=False) as client:
        for operation in schema.get_all_operations():
            found = operation.ok()
            name = found.definition.raw["operationId"]
            for case in (one for drawn in _drawn(found, CASES) for one in _variants(drawn, sign_in)):
                _be(client, sign_in, who)
                request = case.as_transport_kwargs(base_url="http://localhost", headers=_HOST)
                request.pop("cookies", None)
                answer = client.request(**request)
                answered.setdefault(name, set()).add(answer.status_code)
                try:
                    case.validate_response(answer, checks=PROMISES)
                except FailureGroup as group:
                    for failure in group.exceptions:
                        key = (name, answer.status_code, type(failure).__name__)
                        broken.setdefault(key, (case.formatted_path, case.query))
    assert broken == {}
    # What was sent reaches the pages behind the checks of their addresses.
    # Small numbers of the first run are withheld from the lab; the form that ends a session is of another one.
    private = () if who == "an analyst" else ("lab", "evidence")
    refused = {"sign_out", *(f"{name}_{kind}" for name in private for kind in KINDS)}
    assert {name for name, statuses in answered.items() if not statuses & {200, 303}} == refused
    assert all(403 in answered[name] for name in refused)


_HOST = {"Host": "localhost"}


def _be(client: TestClient, sign_in: SignIn, who: str) -> None:
    """Begin anew: as nobody, or in a session of the analyst, who has not yet tried to sign in."""
    sign_in.of_names, sign_in.of_addresses = Attempts(5), Attempts(20)
    client.cookies.clear()
    client.cookies.set(FORM_COOKIE, "form")
    if who == "an analyst":
        client.cookies.set(COOKIE, sign_in.sessions.begin("analyst", None))


def _variants(case: Any, sign_in: SignIn) -> Iterator[Any]:
    """Give a request as it was made up, at an address that is served, and there with values that may be asked for."""
    yield case
    if case.operation.method.upper() == "POST":
        body = case.body if isinstance(case.body, dict) else {}
        token = {"csrf": sign_in.sessions.token("form")}
        yield _changed(case, body={**body, **token})
        yield _changed(case, body={"name": "analyst", "password": PASSWORD, **token})
        return
    for served in SERVED:
        parts = {name: served.get(name, "study") for name in case.path_parameters or {}}
        names = {one.name for one in case.operation.query}
        place = {name: served[name] for name in ("program", "period") if name in names}
        query = {**(case.query or {}), **place}
        yield _changed(case, path_parameters=parts, query=query)
        right = {name: RIGHT[name] for name in names & RIGHT.keys()}
        yield _changed(case, path_parameters=parts, query={**place, **right})


def _changed(case: Any, **parts: Any) -> Any:
    kept = {
        name: getattr(case, name) for name in ("method", "headers", "path_parameters", "query", "body", "media_type")
    }
    return case.operation.Case(**{**kept, **parts})


def _drawn(operation: Any, number: int) -> list[Any]:
    drawn: list[Any] = []

    @hypothesis.given(case=operation.as_strategy())
    @hypothesis.settings(
        max_examples=number,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        derandomize=True,
    )
    def draw(case: Any) -> None:
        drawn.append(case)

    draw()
    return drawn
